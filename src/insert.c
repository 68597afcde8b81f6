/*
 * insert.c
 *	  How does one row get into an existing index?
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

#include "am.h"
#include "exact.h"
#include "graph.h"
#include "opclass.h"
#include "options.h"
#include "value.h"

/*
 * What the rows of one statement share.  It lives as long as the statement's
 * IndexInfo, and holds no buffer and no lock.
 */
typedef struct VegoInserter
{
	MemoryContext context;		/* it and all it points to lie here */
	MemoryContext row_context;	/* reset after each row */
	VegoWorkbench bench;
	void	   *scratch;
	uint8	   *code;
	bool		busy;			/* a row is under way, or has ended in an
								 * error */
} VegoInserter;

/* Most rows need no more than this; a reset keeps it. */
#define ROW_BYTES (64 * 1024)

static VegoInserter *
open_inserter(Relation index, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "vego insert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	VegoNodes  *nodes = vego_nodes_open(index);
	VegoInserter *inserter = palloc0(sizeof(VegoInserter));
	const char *fault = vego_value_meta_fault(vego_opclass(index),
											  &nodes->meta);

	if (fault)
		vego_report_corrupted(index, 0, -1, fault);
	inserter->context = context;
	inserter->row_context = AllocSetContextCreate(context, "vego row",
												  ROW_BYTES, ROW_BYTES,
												  ALLOCSET_DEFAULT_MAXSIZE);
	vego_workbench_init(&inserter->bench, nodes);
	inserter->scratch = palloc(vego_encode_scratch_bytes(&nodes->coder));
	inserter->code = palloc(nodes->coder.code_bytes);
	MemoryContextSwitchTo(old);
	return inserter;
}

/*
 * The statement's inserter, or a new one: for the first row, after an error
 * that somebody caught, or when the index is no longer that which was opened.
 */
static VegoInserter *
get_inserter(Relation index, struct IndexInfo *indexInfo)
{
	VegoInserter *inserter = indexInfo->ii_AmCache;

	if (inserter && !inserter->busy &&
		vego_nodes_renew(inserter->bench.nodes, index))
		return inserter;

	indexInfo->ii_AmCache = NULL;
	if (inserter)
		MemoryContextDelete(inserter->context);
	inserter = open_inserter(index, indexInfo->ii_Context);
	indexInfo->ii_AmCache = inserter;
	return inserter;
}

bool
vegoinsert(Relation index, Datum *values, bool *isnull, ItemPointer heap_tid,
		   Relation heap, IndexUniqueCheck checkUnique, bool indexUnchanged,
		   struct IndexInfo *indexInfo)
{
	VegoInserter *inserter;
	VegoNodes  *nodes;
	MemoryContext old;
	const VegoOpclass *opclass = vego_opclass(index);
	VegoFactors factors;
	VegoContents contents;
	Datum		value;
	VegoExactPlace exact = {0};

	if (isnull[0])
		return false;

	inserter = get_inserter(index, indexInfo);
	nodes = inserter->bench.nodes;
	inserter->busy = true;
	old = MemoryContextSwitchTo(inserter->row_context);
	value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
	contents = vego_value_contents(index, opclass, value, nodes->coder.dims);
	memset(inserter->code, 0, nodes->coder.code_bytes);
	if (vego_encode(&nodes->coder, &contents, inserter->scratch, &factors,
					inserter->code))
	{
		if (nodes->meta.exact != VEGO_EXACT_OFF)
			exact = vego_exact_insert(nodes, heap_tid,
									  vego_value_bytes(opclass, value));
		vego_graph_insert(&inserter->bench, &factors, inserter->code, heap_tid,
						  exact, vego_graph_level(heap_tid),
						  vego_insert_ef_construction(index,
													  vego_nodes_estimate(nodes)));
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(inserter->row_context);
	inserter->busy = false;
	return false;
}
