/*
 * check_rows.c
 *	  Are the table's rows in the index, once each and as they are?  (I8, I9)
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"

#include "check.h"
#include "inspect.h"
#include "value.h"

/* Another instruction set may round factors otherwise, by this of a value. */
#define FACTOR_TOLERANCE 1e-4

void
vego_check_note_row(VegoCheck *check, VegoNodeId id, const VegoSlot *slot)
{
	VegoIndexed *indexed;

	if (check->indexed_count == check->indexed_room)
	{
		check->indexed_room = Max(1024, 2 * check->indexed_room);
		if (check->indexed == NULL)
			check->indexed = palloc(check->indexed_room * sizeof(VegoIndexed));
		else
			check->indexed = repalloc_huge(check->indexed,
										   check->indexed_room *
										   sizeof(VegoIndexed));
	}
	indexed = &check->indexed[check->indexed_count++];
	indexed->tid = slot->tid;
	indexed->id_high = id >> 16;
	indexed->id_low = id & 0xFFFF;
}

/* The level 0 slot of a node, or NULL when the way down is broken. */
static const VegoSlot *
find_bottom(VegoCheck *check, VegoNodeId id)
{
	const VegoSlot *slot = vego_check_slot(check, id);

	while (slot && slot->kind == VEGO_SLOT_LIVE && slot->level > 0)
	{
		int			level = slot->level - 1;

		slot = vego_check_slot(check, vego_slot_down(slot));
		if (slot && slot->level != level)
			return NULL;
	}
	return slot && slot->kind == VEGO_SLOT_LIVE ? slot : NULL;
}

/* Is the row of a node visible to the snapshot? */
bool
vego_check_row_visible(VegoCheck *check, VegoNodeId id)
{
	const VegoSlot *slot = find_bottom(check, id);
	ItemPointerData tid;
	bool		call_again = false;
	bool		visible;

	if (slot == NULL || !vego_check_tid_exists(check, &slot->tid))
		return false;
	tid = slot->tid;
	visible = table_index_fetch_tuple(check->fetch, &tid, check->snapshot,
									  check->fetched, &call_again, NULL);
	ExecClearTuple(check->fetched);
	return visible;
}

static int
compare_indexed(const void *a, const void *b)
{
	ItemPointerData tid_a = ((const VegoIndexed *) a)->tid;
	ItemPointerData tid_b = ((const VegoIndexed *) b)->tid;
	int			order = ItemPointerCompare(&tid_a, &tid_b);

	CHECK_FOR_INTERRUPTS();		/* a long sort, and nothing to clean up */
	if (order != 0)
		return order;
	return vego_indexed_id(a) < vego_indexed_id(b) ? -1 : 1;
}

/* The first node of a row, or NULL. */
static VegoIndexed *
find_row(const VegoCheck *check, ItemPointer tid)
{
	uint64		low = 0;
	uint64		high = check->indexed_count;

	while (low < high)
	{
		uint64		middle = low + (high - low) / 2;

		if (ItemPointerCompare(&check->indexed[middle].tid, tid) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < check->indexed_count &&
		ItemPointerEquals(&check->indexed[low].tid, tid) ?
		&check->indexed[low] : NULL;
}

/* What is wrong with a line pointer that a node has, or NULL. */
static const char *
pointer_fault(Page page, OffsetNumber number)
{
	ItemId		line;
	HeapTupleHeader row;

	if (PageIsNew(page) || number > PageGetMaxOffsetNumber(page))
		return "is beyond the end of its page";
	line = PageGetItemId(page, number);
	if (!ItemIdIsUsed(line))
		return "has a line pointer that is not in use";
	if (!ItemIdIsNormal(line) ||
		ItemIdGetOffset(line) + SizeofHeapTupleHeader > BLCKSZ)
		return NULL;			/* pruned, or the table's own damage */
	row = (HeapTupleHeader) PageGetItem(page, line);
	return HeapTupleHeaderIsHeapOnly(row) ?
		"is not the first of its chain" : NULL;
}

/*
 * Heap rows are there before their nodes, and their line pointers until after
 * the nodes are buried.  The page was copied later than the node was seen; if
 * the node is there still, and the fault as well, a VACUUM between is no
 * excuse.
 */
static bool
pointer_is_still_wrong(VegoCheck *check, const VegoIndexed *indexed,
					   char *page)
{
	const VegoSlot *slot = vego_check_slot(check, vego_indexed_id(indexed));
	ItemPointerData tid = indexed->tid;

	if (slot == NULL || slot->kind != VEGO_SLOT_LIVE || slot->level != 0 ||
		memcmp(&slot->tid, &tid, sizeof(tid)) != 0)
		return false;
	vego_check_copy_heap_page(check, ItemPointerGetBlockNumber(&tid), page);
	return pointer_fault(page, ItemPointerGetOffsetNumber(&tid)) != NULL;
}

/* I8: does every node, of a visible row or not, point to a row? */
static void
check_pointers(VegoCheck *check)
{
	BlockNumber copied = InvalidBlockNumber;
	PGAlignedBlock page;

	for (uint64 i = 0; i < check->indexed_count; i++)
	{
		const VegoIndexed *indexed = &check->indexed[i];
		ItemPointerData tid = indexed->tid;
		BlockNumber block = ItemPointerGetBlockNumber(&tid);
		OffsetNumber number = ItemPointerGetOffsetNumber(&tid);
		const char *fault;

		if (!vego_check_tid_exists(check, &tid))
			continue;			/* I4 has it */
		if (block != copied)
			vego_check_copy_heap_page(check, block, page.data);
		copied = block;
		fault = pointer_fault(page.data, number);
		if (fault == NULL)
			continue;
		copied = InvalidBlockNumber;
		if (pointer_is_still_wrong(check, indexed, page.data))
			vego_node_finding(check, VEGO_ROWS, VEGO_ERROR,
							  vego_indexed_id(indexed),
							  "heap row (%u,%u) %s", block, number, fault);
	}
}

/* What the rows are compared with, and room to do it. */
typedef struct RowCheck
{
	VegoCheck  *check;
	const VegoOpclass *opclass;
	MemoryContext row_context;
	void	   *scratch;
	Datum		value;			/* the row's, detoasted */
	VegoFactors factors;		/* of the row's vector */
	uint8	   *code;
	char	   *hashed;			/* both, as they lie in a slot, padding too */
	uint8	   *bytes;			/* codes with a byte for each dimension */
	uint8	   *stored_bytes;
	uint64		rounded;		/* nodes that differ by rounding only */
} RowCheck;

static bool
is_close(double a, double b, double scale)
{
	return fabs(a - b) <= FACTOR_TOLERANCE * scale;
}

/* Do the factors mean the same?  lo and mean are as exact as the range. */
static bool
factors_agree(const VegoCoder *coder, const VegoFactors *a,
			  const VegoFactors *b)
{
	double		range = fabs(a->lo) +
		(double) a->step * (coder->bits == 8 ? 255 : 15);

	return is_close(a->lo, b->lo, range) &&
		is_close(a->step, b->step, a->step) &&
		is_close(a->mean, b->mean, range) &&
		is_close(a->norm, b->norm, a->norm);
}

static bool
codes_agree(RowCheck *row, const uint8 *stored)
{
	const VegoCoder *coder = &row->check->coder;

	/* only quantizing is arithmetic that instruction sets may differ in */
	if (coder->bits != 8 && coder->bits != 4)
		return memcmp(row->code, stored, coder->code_bytes) == 0;
	vego_code_unpack(coder, &row->factors, row->code, row->bytes);
	vego_code_unpack(coder, &row->factors, stored, row->stored_bytes);
	for (int i = 0; i < coder->dims; i++)
		if (abs((int) row->bytes[i] - (int) row->stored_bytes[i]) > 1)
			return false;
	return true;
}

static uint32
hash_row(RowCheck *row)
{
	memcpy(row->hashed, &row->factors, sizeof(VegoFactors));
	memcpy(row->hashed + sizeof(VegoFactors), row->code,
		   row->check->coder.code_bytes);
	return hash_bytes((const unsigned char *) row->hashed,
					  row->check->geometry.code_end - sizeof(VegoSlot));
}

/* I9.  The hash spares reading the slot again where nothing differs. */
static void
check_contents(RowCheck *row, VegoNodeId id)
{
	VegoCheck  *check = row->check;
	const VegoGeometry *geometry = &check->geometry;
	const VegoSlot *slot;

	if (hash_row(row) == check->hashes[id])
		return;
	slot = vego_check_slot(check, id);
	if (slot == NULL)
		return;					/* I1 or I4 has it */
	if (!factors_agree(&check->coder, &row->factors,
					   vego_slot_factors(geometry, slot)))
		vego_node_finding(check, VEGO_CONTENTS, VEGO_ERROR, id,
						  "factors are not those of row (%u,%u)",
						  ItemPointerGetBlockNumberNoCheck(&slot->tid),
						  ItemPointerGetOffsetNumberNoCheck(&slot->tid));
	else if (!codes_agree(row, vego_slot_code(geometry, slot)))
		vego_node_finding(check, VEGO_CONTENTS, VEGO_ERROR, id,
						  "code is not that of row (%u,%u)",
						  ItemPointerGetBlockNumberNoCheck(&slot->tid),
						  ItemPointerGetOffsetNumberNoCheck(&slot->tid));
	else
		row->rounded++;
}

/* I8 for a row that the operator class indexes, then I9 and I10. */
static void
check_row(RowCheck *row, ItemPointer tid)
{
	VegoCheck  *check = row->check;
	VegoIndexed *end = check->indexed + check->indexed_count;
	VegoIndexed *first = find_row(check, tid);

	if (first == NULL)
	{
		vego_finding(check, VEGO_ROWS, VEGO_ERROR, InvalidBlockNumber, -1,
					 "row (%u,%u) is not in the index",
					 ItemPointerGetBlockNumber(tid),
					 ItemPointerGetOffsetNumber(tid));
		return;
	}
	for (VegoIndexed *other = first + 1;
		 other < end && ItemPointerEquals(&other->tid, tid); other++)
		vego_node_finding(check, VEGO_ROWS, VEGO_ERROR,
						  vego_indexed_id(other),
						  "row (%u,%u) is in the index more than once",
						  ItemPointerGetBlockNumber(tid),
						  ItemPointerGetOffsetNumber(tid));
	check_contents(row, vego_indexed_id(first));
	vego_check_exact_row(check, vego_indexed_id(first),
						 vego_value_bytes(row->opclass, row->value));
}

static void
check_row_callback(Relation index, ItemPointer tid, Datum *values,
				   bool *isnull, bool tuple_is_alive, void *arg)
{
	RowCheck   *row = arg;
	VegoCheck  *check = row->check;
	MemoryContext old;
	VegoContents contents;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(row->row_context);
	row->value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
	contents = vego_value_contents(index, row->opclass, row->value,
								   check->coder.dims);
	if (vego_encode(&check->coder, &contents, row->scratch, &row->factors,
					row->code))
		check_row(row, tid);
	MemoryContextSwitchTo(old);
	MemoryContextReset(row->row_context);
}

/*
 * I8, I9 and the rest of I10 in one pass over the table, as the snapshot sees
 * it.
 */
void
vego_check_rows(VegoCheck *check)
{
	RowCheck	row = {check};
	VegoInspection inspection = {check->heap, check->index};

	/* I2 has said why values cannot be compared */
	if (!check->agrees)
		return;

	if (check->indexed_count > 0)
		qsort(check->indexed, check->indexed_count, sizeof(VegoIndexed),
			  compare_indexed);
	if (check->heap->rd_rel->relam == HEAP_TABLE_AM_OID)
		check_pointers(check);
	row.opclass = vego_opclass(check->index);
	row.row_context = AllocSetContextCreate(check->context, "vego check row",
											ALLOCSET_DEFAULT_SIZES);
	row.scratch = palloc(vego_encode_scratch_bytes(&check->coder));
	row.code = palloc0(check->coder.code_bytes);
	row.hashed = palloc0(check->geometry.code_end - sizeof(VegoSlot));
	row.bytes = palloc(check->coder.block_dims);
	row.stored_bytes = palloc(check->coder.block_dims);

	vego_inspection_scan(inspection, check->snapshot, check_row_callback,
						 &row);
	if (row.rounded > 0)
		vego_finding(check, VEGO_CONTENTS, VEGO_INFO, InvalidBlockNumber, -1,
					 UINT64_FORMAT " nodes differ from their rows by rounding, as another processor does it",
					 row.rounded);
	MemoryContextDelete(row.row_context);
}
