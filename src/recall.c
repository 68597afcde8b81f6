/*
 * recall.c
 *	  How many of the nearest rows does an index find?
 *
 * Rows of the table are the queries.  One pass over the table chooses them, a
 * second has the distance of each row to all of them and keeps the least few
 * of each; then the index is asked.  All see the same snapshot.
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
#include "utils/guc.h"
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

typedef struct Sample
{
	Datum		value;			/* detoasted, in memory of its own */
	VegoHeap	nearest;		/* distances, negative: the farthest first */
} Sample;

typedef struct Recall
{
	VegoInspection inspection;
	Snapshot	snapshot;
	FmgrInfo   *distance;
	Oid			collation;
	MemoryContext context;		/* of the queries */
	MemoryContext row_context;	/* of one row, or one search */
	int			k;
	int			ef;				/* 0: the index's own, or the session's */
	int			wanted;
	int			count;
	uint64		rows;			/* seen that could be queries */
	Sample	   *samples;
	uint64		true_rows;
	uint64		found_rows;
} Recall;

static double
distance_between(Recall *recall, Datum value, Datum query)
{
	return DatumGetFloat8(FunctionCall2Coll(recall->distance,
											recall->collation, value, query));
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
choose_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		   bool tuple_is_alive, void *arg)
{
	Recall	   *recall = arg;
	MemoryContext old;
	Datum		value;
	int			place;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(recall->row_context);
	value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));

	/* zero under cosine is no distance from itself, and not in the index */
	if (!isnan(distance_between(recall, value, value)) &&
		(place = choose_place(recall)) >= 0)
	{
		Sample	   *sample = &recall->samples[place];

		if (DatumGetPointer(sample->value) != NULL)
			pfree(DatumGetPointer(sample->value));
		MemoryContextSwitchTo(recall->context);
		sample->value = datumCopy(value, false, -1);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(recall->row_context);
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
compare_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
			bool tuple_is_alive, void *arg)
{
	Recall	   *recall = arg;
	MemoryContext old;
	Datum		value;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(recall->row_context);
	value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
	for (int i = 0; i < recall->count; i++)
	{
		Sample	   *sample = &recall->samples[i];
		double		distance = distance_between(recall, value, sample->value);

		CHECK_FOR_INTERRUPTS();
		if (!isnan(distance))
			offer_distance(&sample->nearest, recall->k, distance);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(recall->row_context);
}

/* Counts the rows found that are no farther than the farthest of the true. */
static void
search_sample(Recall *recall, IndexScanDesc scan, Sample *sample,
			  IndexInfo *info, EState *estate, TupleTableSlot *slot)
{
	double		farthest = -vego_heap_top(&sample->nearest);
	ScanKeyData key;

	ScanKeyEntryInitialize(&key, SK_ORDER_BY, 1, 1, InvalidOid,
						   recall->collation, recall->distance->fn_oid,
						   sample->value);
	index_rescan(scan, NULL, 0, &key, 1);
	vego_scan_set_ef(scan, recall->ef);
	recall->true_rows += sample->nearest.count;
	for (int64 i = 0; i < sample->nearest.count; i++)
	{
		Datum		values[INDEX_MAX_KEYS];
		bool		isnull[INDEX_MAX_KEYS];
		MemoryContext old;

		CHECK_FOR_INTERRUPTS();
		if (!index_getnext_slot(scan, ForwardScanDirection, slot))
			break;
		old = MemoryContextSwitchTo(recall->row_context);
		FormIndexDatum(info, slot, estate, values, isnull);
		if (!isnull[0] &&
			distance_between(recall, values[0], sample->value) <= farthest)
			recall->found_rows++;
		MemoryContextSwitchTo(old);
		ResetPerTupleExprContext(estate);
		MemoryContextReset(recall->row_context);
	}
}

static void
search_samples(Recall *recall)
{
	VegoInspection inspection = recall->inspection;
	IndexInfo  *info = BuildIndexInfo(inspection.index);
	EState	   *estate = CreateExecutorState();
	TupleTableSlot *slot = table_slot_create(inspection.heap, NULL);
	IndexScanDesc scan = vego_compat_begin_ordered(inspection.heap,
												   inspection.index,
												   recall->snapshot);

	GetPerTupleExprContext(estate)->ecxt_scantuple = slot;
	for (int i = 0; i < recall->count; i++)
		search_sample(recall, scan, &recall->samples[i], info, estate, slot);
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

static void
measure(Recall *recall)
{
	VegoInspection inspection = recall->inspection;

	recall->distance = index_getprocinfo(inspection.index, 1,
										 VEGO_DISTANCE_PROC);
	recall->collation = inspection.index->rd_indcollation[0];
	recall->samples = palloc0(recall->wanted * sizeof(Sample));
	vego_inspection_scan(inspection, recall->snapshot, choose_row, recall);
	for (int i = 0; i < recall->count; i++)
		vego_heap_init(&recall->samples[i].nearest, recall->k);
	vego_inspection_scan(inspection, recall->snapshot, compare_row, recall);
	search_samples(recall);
}

static int
argument_in_range(const char *name, int value, int least, int most)
{
	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s = %d is out of range", name, value),
				 errhint("Give a number from %d to %d.", least, most)));
	return value;
}

static int
argument(FunctionCallInfo fcinfo, int number, const char *name, int most)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s cannot be NULL", name),
				 errhint("Leave it out for its default.")));
	return argument_in_range(name, PG_GETARG_INT32(number), 1, most);
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
	recall.wanted = argument(fcinfo, 1, "queries", MOST_QUERIES);
	recall.k = argument(fcinfo, 2, "k", MOST_NEAREST);
	if (!PG_ARGISNULL(3))
		recall.ef = argument_in_range("ef", PG_GETARG_INT32(3),
									  VEGO_MIN_EF_SEARCH, VEGO_MAX_EF_SEARCH);

	owner = vego_inspection_become_owner(recall.inspection);
	set_config_option("vego.order", "strict", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
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
