/*
 * insert.c
 *	  How does one row get into an existing index?
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"

#include "am.h"
#include "exact.h"
#include "graph.h"
#include "opclass.h"
#include "options.h"
#include "value.h"

bool
vegoinsert(Relation index, Datum *values, bool *isnull, ItemPointer heap_tid,
		   Relation heap, IndexUniqueCheck checkUnique, bool indexUnchanged,
		   struct IndexInfo *indexInfo)
{
	MemoryContext context;
	MemoryContext old;

	if (isnull[0])
		return false;

	context = AllocSetContextCreate(CurrentMemoryContext, "vego insert",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	{
		VegoNodes  *nodes = vego_nodes_open(index);
		float	   *scratch = palloc(nodes->coder.dims * sizeof(float));
		uint8	   *code = palloc0(nodes->coder.code_bytes);
		VegoFactors factors;
		const VegoOpclass *opclass = vego_opclass(index);
		Datum		value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
		const float *elements = vego_value_elements(index, opclass, value,
													nodes->coder.dims);
		VegoExactPlace exact = {0};

		if (vego_encode(&nodes->coder, elements, scratch, &factors, code))
		{
			if (nodes->meta.exact != VEGO_EXACT_OFF)
				exact = vego_exact_insert(nodes, heap_tid,
										  vego_value_bytes(opclass, value));
			vego_graph_insert(nodes, &factors, code, heap_tid, exact,
							  vego_graph_level(heap_tid),
							  vego_ef_construction(index,
												   vego_nodes_estimate(nodes)));
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return false;
}
