/*
 * sorted.c
 *	  What comes next, where all that comes is more than fits memory?
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/tuplesort.h"

#include "sorted.h"

struct VegoSorted
{
	Tuplesortstate *sort;
	TupleTableSlot *put;
	TupleTableSlot *next;
};

VegoSorted *
vego_sorted_begin(int kilobytes)
{
	VegoSorted *sorted = palloc(sizeof(VegoSorted));
	TupleDesc	columns = CreateTemplateTupleDesc(2);
	AttrNumber	key = 1;
	Oid			operator = Float8LessOperator;
	Oid			collation = InvalidOid;
	bool		nulls_first = false;

	TupleDescInitEntry(columns, 1, "key", FLOAT8OID, -1, 0);
	TupleDescInitEntry(columns, 2, "value", INT8OID, -1, 0);
	sorted->put = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	sorted->next = MakeSingleTupleTableSlot(columns, &TTSOpsMinimalTuple);
	sorted->sort = tuplesort_begin_heap(columns, 1, &key, &operator,
										&collation, &nulls_first, kilobytes,
										NULL, 0);
	return sorted;
}

void
vego_sorted_put(VegoSorted *sorted, VegoHeapItem item)
{
	TupleTableSlot *slot = sorted->put;

	ExecClearTuple(slot);
	slot->tts_values[0] = Float8GetDatum(item.key);
	slot->tts_values[1] = Int64GetDatum((int64) item.value);
	slot->tts_isnull[0] = slot->tts_isnull[1] = false;
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(sorted->sort, slot);
}

void
vego_sorted_arrange(VegoSorted *sorted)
{
	tuplesort_performsort(sorted->sort);
}

bool
vego_sorted_next(VegoSorted *sorted, VegoHeapItem *item)
{
	TupleTableSlot *slot = sorted->next;

	if (!tuplesort_gettupleslot(sorted->sort, true, false, slot, NULL))
		return false;
	slot_getallattrs(slot);
	item->key = DatumGetFloat8(slot->tts_values[0]);
	item->value = (uint64) DatumGetInt64(slot->tts_values[1]);
	return true;
}

void
vego_sorted_end(VegoSorted *sorted)
{
	ExecDropSingleTupleTableSlot(sorted->put);
	ExecDropSingleTupleTableSlot(sorted->next);
	tuplesort_end(sorted->sort);
	pfree(sorted);
}
