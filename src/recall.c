/*
 * recall.c
 *	  How many of the nearest rows does an index find?
 *
 * Rows of the table are the queries.  One pass over the table chooses them, a
 * second has the distances of all rows to all of them and keeps the least few
 * of each; then the index is asked, by scans like any other.  All see the same
 * snapshot.
 */
#include "postgres.h"

#include <math.h>

#include "access/tableam.h"
#include "catalog/index.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "am.h"
#include "compat.h"
#include "heap.h"
#include "inspect.h"
#include "opclass.h"
#include "options.h"

/* With the most of both, distances take some 160 MB. */
#define MOST_QUERIES 10000
#define MOST_NEAREST 1000

/* Of the hash that chooses queries; any number. */
#define CHOICE_SEED 7

typedef struct RecallQuery
{
	Datum		value;			/* detoasted, in memory of its own */
	VegoHeap	nearest;		/* distances, negative: the farthest first */
} RecallQuery;

typedef struct Recall
{
	VegoInspection inspection;
	int			wanted;			/* queries */
	int			k;
	int			ef;				/* 0: the index's own, or the session's */

	Snapshot	snapshot;
	FmgrInfo   *distance;
	Oid			collation;
	MemoryContext context;		/* of the queries */
	MemoryContext row_context;	/* of one row */

	void		(*step) (struct Recall *recall, Datum value);
	uint64		rows;			/* seen that could be queries */
	int			count;
	RecallQuery *queries;
	uint64		true_rows;
	uint64		found_rows;
} Recall;

static double
distance_between(Recall *recall, Datum value, Datum query)
{
	return DatumGetFloat8(FunctionCall2Coll(recall->distance,
											recall->collation, value, query));
}

/* ----------------------------------------------------------------
 *		Passes over the table
 * ----------------------------------------------------------------
 */

static void
see_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		bool tuple_is_alive, void *arg)
{
	Recall	   *recall = arg;
	MemoryContext old;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(recall->row_context);
	recall->step(recall, PointerGetDatum(PG_DETOAST_DATUM(values[0])));
	MemoryContextSwitchTo(old);
	MemoryContextReset(recall->row_context);
}

static void
scan_table(Recall *recall, void (*step) (Recall *recall, Datum value))
{
	recall->step = step;
	vego_inspection_scan(recall->inspection, recall->snapshot, see_row,
						 recall);
}

/*
 * Every row is as likely a query as any other, and the same table gives the
 * same queries, so that one ef can be compared with another.  Returns the
 * place of the next row among them, or -1.
 */
static int
choose_place(Recall *recall)
{
	uint64		row = recall->rows++;
	uint64		place;

	if (recall->count < recall->wanted)
		return recall->count++;
	place = hash_bytes_uint32_extended((uint32) row, CHOICE_SEED) %
		recall->rows;
	return place < recall->wanted ? (int) place : -1;
}

static void
choose_query(Recall *recall, Datum value)
{
	RecallQuery *query;
	int			place;

	/* zero under cosine has no distance to itself, and is not in the index */
	if (isnan(distance_between(recall, value, value)))
		return;
	place = choose_place(recall);
	if (place < 0)
		return;
	query = &recall->queries[place];
	if (DatumGetPointer(query->value) != NULL)
		pfree(DatumGetPointer(query->value));
	MemoryContextSwitchTo(recall->context);
	query->value = datumCopy(value, false, -1);
}

static void
offer_distance(VegoHeap *nearest, int k, double distance)
{
	if (nearest->count == k)
	{
		if (distance >= -vego_heap_top(nearest))
			return;
		(void) vego_heap_pop(nearest);
	}
	vego_heap_push(nearest, -distance, 0);
}

static void
compare_with_queries(Recall *recall, Datum value)
{
	for (int i = 0; i < recall->count; i++)
	{
		RecallQuery *query = &recall->queries[i];
		double		distance = distance_between(recall, value, query->value);

		CHECK_FOR_INTERRUPTS();
		if (!isnan(distance))
			offer_distance(&query->nearest, recall->k, distance);
	}
}

/* ----------------------------------------------------------------
 *		Scans of the index
 * ----------------------------------------------------------------
 */

/* The scan's next row, as the executor would get it. */
typedef struct Found
{
	IndexScanDesc scan;
	IndexInfo  *info;
	EState	   *estate;
	TupleTableSlot *slot;
} Found;

/* The distance of the row in the slot, which a query has just found. */
static double
found_distance(Recall *recall, Found *found, const RecallQuery *query)
{
	MemoryContext old = MemoryContextSwitchTo(recall->row_context);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	double		distance = INFINITY;

	FormIndexDatum(found->info, found->slot, found->estate, values, isnull);
	if (!isnull[0])
		distance = distance_between(recall, values[0], query->value);
	MemoryContextSwitchTo(old);
	ResetPerTupleExprContext(found->estate);
	MemoryContextReset(recall->row_context);
	return distance;
}

/* Counts the rows found that are not farther than the farthest of the true. */
static void
search_index(Recall *recall, Found *found, RecallQuery *query)
{
	double		farthest = -vego_heap_top(&query->nearest);
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, SK_ORDER_BY, 1, 1, InvalidOid,
						   recall->collation, recall->distance->fn_oid,
						   query->value);
	index_rescan(found->scan, NULL, 0, &key, 1);
	vego_scan_set_ef(found->scan, recall->ef);
	recall->true_rows += query->nearest.count;
	for (int64 i = 0; i < query->nearest.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!index_getnext_slot(found->scan, ForwardScanDirection,
								found->slot))
			break;
		if (found_distance(recall, found, query) <= farthest)
			recall->found_rows++;
	}
}

static void
search_for_all(Recall *recall)
{
	VegoInspection inspection = recall->inspection;
	Found		found;

	found.info = BuildIndexInfo(inspection.index);
	found.estate = CreateExecutorState();
	found.slot = table_slot_create(inspection.heap, NULL);
	found.scan = vego_compat_begin_ordered(inspection.heap, inspection.index,
										   recall->snapshot);
	GetPerTupleExprContext(found.estate)->ecxt_scantuple = found.slot;
	for (int i = 0; i < recall->count; i++)
		search_index(recall, &found, &recall->queries[i]);
	index_endscan(found.scan);
	ExecDropSingleTupleTableSlot(found.slot);
	FreeExecutorState(found.estate);
}

static void
measure(Recall *recall)
{
	Relation	index = recall->inspection.index;

	recall->distance = index_getprocinfo(index, 1, VEGO_DISTANCE_PROC);
	recall->collation = index->rd_indcollation[0];
	recall->queries = palloc0(recall->wanted * sizeof(RecallQuery));
	scan_table(recall, choose_query);
	for (int i = 0; i < recall->count; i++)
		vego_heap_init(&recall->queries[i].nearest, recall->k);
	scan_table(recall, compare_with_queries);
	search_for_all(recall);
}

PG_FUNCTION_INFO_V1(vego_recall);

/*
 * vego_recall('items_embedding_idx', queries => 100, k => 10, ef => 80)
 *
 * A query is a row, and finds itself as it does any other: with k = 1 there is
 * little else to find.
 */
Datum
vego_recall(PG_FUNCTION_ARGS)
{
	Recall		recall = {0};
	VegoOwner	owner;
	MemoryContext old;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	recall.inspection = vego_inspection_open(PG_GETARG_OID(0));
	recall.wanted = vego_argument("queries", PG_ARGISNULL(1),
								  PG_GETARG_INT32(1), 1, MOST_QUERIES);
	recall.k = vego_argument("k", PG_ARGISNULL(2), PG_GETARG_INT32(2), 1,
							 MOST_NEAREST);
	if (!PG_ARGISNULL(3))
		recall.ef = vego_argument("ef", false, PG_GETARG_INT32(3),
								  VEGO_MIN_EF_SEARCH, VEGO_MAX_EF_SEARCH);

	owner = vego_inspection_become_owner(recall.inspection);
	/* younger than the index, under REPEATABLE READ too */
	recall.snapshot = RegisterSnapshot(GetLatestSnapshot());
	recall.context = AllocSetContextCreate(CurrentMemoryContext, "vego recall",
										   ALLOCSET_DEFAULT_SIZES);
	recall.row_context = AllocSetContextCreate(recall.context,
											   "vego recall row",
											   ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(recall.context);
	measure(&recall);
	MemoryContextSwitchTo(old);

	MemoryContextDelete(recall.context);
	UnregisterSnapshot(recall.snapshot);
	vego_inspection_leave_owner(owner);
	vego_inspection_close(recall.inspection);
	if (recall.true_rows == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8((double) recall.found_rows / recall.true_rows);
}
