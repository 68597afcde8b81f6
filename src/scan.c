/*
 * scan.c
 *	  Which rows come next, in exact order?
 *
 * The search finds candidates by their codes; here their rows are fetched
 * through the scan's own snapshot and returned by exact distance.  Three
 * things are kept apart by what is known of them:
 *
 *	 frontier		met, not expanded: a rank
 *	 candidates		expanded: a bound the distance is not below
 *	 rows			fetched: the exact distance
 *
 * A row is returned when neither a candidate nor the frontier can be nearer.
 * What does not fit work_mem is sorted, candidates first and then, if need be,
 * rows.  See src/README, "Exact order".
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "am.h"
#include "compat.h"
#include "exact.h"
#include "graph.h"
#include "opclass.h"
#include "options.h"
#include "sorted.h"
#include "value.h"

/*
 * A search that goes on finds rows nearer than some returned before, and
 * strict order withholds them.  To have few of those, it stays ahead: so many
 * nodes are expanded for each row that is returned.
 */
#define LOOK_AHEAD 2

/* And not more than twice that, or ef_search if that is more. */
#define MOST_AHEAD 2

/*
 * Standard deviations of the rounding error by which a value is nearer than its
 * code: with a chance of one in 4,000 where the search walks, which misses more
 * than that, and of one in three million where it has met all nodes.
 */
#define WALK_DEVIATIONS 3.5
#define FLAT_DEVIATIONS 5.0

/* Candidates and rows for which there is room from the start. */
#define HEAP_START 128

typedef struct VegoScan
{
	MemoryContext context;		/* of everything here */
	MemoryContext row_context;	/* of one row's distance */

	/* the index */
	VegoNodes  *nodes;
	VegoQuery	query;
	VegoSearch	search;

	/* rows */
	const VegoOpclass *opclass;
	FmgrInfo   *distance;
	Oid			collation;
	Datum		query_value;
	AttrNumber	column;			/* the indexed one, or 0: an expression */
	IndexInfo  *index_info;		/* of an expression, as is estate */
	EState	   *estate;
	IndexFetchTableData *fetch;
	TupleTableSlot *slot;
	Relation	heap;
	BlockNumber heap_blocks;	/* as last seen */

	/* progress */
	bool		started;
	bool		unordered;		/* every distance is NULL or NaN */
	bool		exhausted;		/* the graph, and then every block */
	VegoSlot   *candidate;		/* the one being fetched */
	VegoHeap	candidates;		/* ids by bound */
	VegoHeap	rows;			/* TIDs by exact distance */
	VegoSorted *sorted_candidates;	/* all others, once the graph is left */
	VegoSorted *sorted_rows;	/* all others, once none is to be fetched */
	float		largest_error;	/* of the codes seen */
	double		last_distance;
	double		distance_before;	/* that, before the last row */
	uint64		ef_search;
	int			ef_given;		/* instead of settings, unless 0 */
	uint64		returned;

	/* unordered scans go block by block */
	BlockNumber block;
	char	   *block_slots;
	int			block_next;
} VegoScan;

static inline uint64
pack_tid(const ItemPointerData *tid)
{
	return (uint64) ItemPointerGetBlockNumberNoCheck(tid) << 16 |
		ItemPointerGetOffsetNumberNoCheck(tid);
}

static inline void
unpack_tid(uint64 packed, ItemPointer tid)
{
	ItemPointerSet(tid, (BlockNumber) (packed >> 16),
				   (OffsetNumber) (packed & 0xFFFF));
}

/*
 * A TID that cannot be one of the table's comes from a damaged index, and the
 * heap would complain about itself.
 */
static void
check_tid(VegoScan *scan, VegoNodeId id, const VegoSlot *slot)
{
	const VegoGeometry *geometry = &scan->nodes->geometry;
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(&slot->tid);

	if (likely(block < scan->heap_blocks))
		return;
	scan->heap_blocks = RelationGetNumberOfBlocks(scan->heap);
	if (block >= scan->heap_blocks)
		vego_report_corrupted(scan->nodes->rel, vego_node_block(geometry, id),
							  vego_node_slot(geometry, id),
							  "its row lies beyond the end of the table");
}

static inline bool
keeps_exact(const VegoScan *scan)
{
	return scan->nodes->meta.exact != VEGO_EXACT_OFF;
}

/*
 * A scan that goes on takes work_mem: half of it for what waits in heaps, and a
 * quarter for either sort.  Heaps double, so half of theirs may be empty.
 */
static bool
are_too_many(int64 waiting)
{
	return waiting * 2 * sizeof(VegoHeapItem) > (Size) work_mem * 1024 / 2;
}

/* Empties the heaps, and gives back what an earlier scan has made of them. */
static void
clear_heaps(VegoScan *scan)
{
	vego_heap_clear(&scan->candidates);
	vego_heap_clear(&scan->rows);
	if (are_too_many((scan->candidates.room + scan->rows.room +
					  scan->search.spill.room) / 2))
	{
		vego_heap_shrink(&scan->candidates, HEAP_START);
		vego_heap_shrink(&scan->rows, HEAP_START);
		vego_heap_shrink(&scan->search.spill, HEAP_START);
	}
}

static VegoSorted *
begin_sort(VegoScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	VegoSorted *sorted = vego_sorted_begin(work_mem / 4);

	MemoryContextSwitchTo(old);
	return sorted;
}

static void
end_sort(VegoSorted **sorted)
{
	if (*sorted)
		vego_sorted_end(*sorted);
	*sorted = NULL;
}

/* What waits in a heap, or in what all that waits is being sorted in. */
static void
keep(VegoHeap *heap, VegoSorted *sorted, double key, uint64 value)
{
	if (sorted)
		vego_sorted_put(sorted, (VegoHeapItem) {key, value});
	else
		vego_heap_push(heap, key, value);
}

/* All that waits in a heap goes where it will be sorted. */
static void
move_items(VegoHeap *heap, VegoSorted *sorted)
{
	for (int64 i = 0; i < heap->count; i++)
		vego_sorted_put(sorted, heap->items[i]);
	vego_heap_shrink(heap, HEAP_START);
}

/* Of what has been sorted, the heap holds the first. */
static void
take_next(VegoHeap *heap, VegoSorted *sorted)
{
	VegoHeapItem item;

	if (heap->count == 0 && vego_sorted_next(sorted, &item))
		vego_heap_push(heap, item.key, item.value);
}

/* A search's live node becomes a candidate. */
static void
keep_candidate(void *arg, VegoNodeId id, double rank, const VegoSlot *slot)
{
	VegoScan   *scan = arg;
	float		error = vego_code_error(&scan->nodes->coder,
										vego_slot_factors(&scan->nodes->geometry,
														  slot));

	/* a hint may be anything, and a bound must be a number */
	if (!(error >= 0.0f && error <= FLT_MAX))
		error = 0.0f;
	scan->largest_error = Max(scan->largest_error, error);
	keep(&scan->candidates, scan->sorted_candidates,
		 vego_query_bound(&scan->query, rank, error,
						  scan->search.all_met ? FLAT_DEVIATIONS :
						  WALK_DEVIATIONS), id);
}

IndexScanDesc
vegobeginscan(Relation index, int nkeys, int norderbys)
{
	IndexScanDesc desc = RelationGetIndexScan(index, nkeys, norderbys);
	VegoScan   *scan = palloc0(sizeof(VegoScan));

	scan->context = AllocSetContextCreate(CurrentMemoryContext, "vego scan",
										  ALLOCSET_DEFAULT_SIZES);
	desc->opaque = scan;
	return desc;
}

void
vegorescan(IndexScanDesc desc, ScanKey keys, int nkeys, ScanKey orderbys,
		   int norderbys)
{
	VegoScan   *scan = desc->opaque;

	if (orderbys && desc->numberOfOrderBys > 0)
		memmove(desc->orderByData, orderbys,
				desc->numberOfOrderBys * sizeof(ScanKeyData));
	scan->started = false;
}

void
vego_scan_set_ef(IndexScanDesc desc, int ef)
{
	VegoScan   *scan = desc->opaque;

	scan->ef_given = ef;
}

/* What does not change between rescans. */
static void
open_scan(IndexScanDesc desc, VegoScan *scan)
{
	Relation	index = desc->indexRelation;
	const char *fault;

	scan->row_context = AllocSetContextCreate(scan->context, "vego row",
											  ALLOCSET_DEFAULT_SIZES);
	scan->nodes = vego_nodes_open(index);
	scan->nodes->snapshot = desc->xs_snapshot;
	scan->heap = desc->heapRelation;
	scan->opclass = vego_opclass(index);
	fault = vego_value_meta_fault(scan->opclass, &scan->nodes->meta);
	if (fault)
		vego_report_corrupted(index, 0, -1, fault);
	scan->distance = index_getprocinfo(index, 1, VEGO_DISTANCE_PROC);
	scan->collation = index->rd_indcollation[0];
	vego_query_init(&scan->query, &scan->nodes->coder);
	vego_search_init(&scan->search, scan->nodes, &scan->query,
					 keep_candidate, scan);
	vego_heap_init(&scan->candidates, HEAP_START);
	vego_heap_init(&scan->rows, HEAP_START);

	scan->candidate = vego_nodes_new_slot(scan->nodes);
	if (keeps_exact(scan))
		return;

	scan->fetch = table_index_fetch_begin(desc->heapRelation);
	scan->slot = table_slot_create(desc->heapRelation, NULL);
	scan->column = index->rd_index->indkey.values[0];
	if (scan->column == 0)
	{
		scan->index_info = BuildIndexInfo(index);
		scan->estate = CreateExecutorState();
		GetPerTupleExprContext(scan->estate)->ecxt_scantuple = scan->slot;
	}
}

/* The query; false when it orders nothing: NULL, or zero under cosine. */
static bool
set_query(IndexScanDesc desc, VegoScan *scan)
{
	ScanKey		key = &desc->orderByData[0];
	MemoryContext old;
	VegoContents contents;
	bool		ordered;

	/* a nested loop may rescan a million times */
	if (scan->query_value != 0)
		pfree(DatumGetPointer(scan->query_value));
	scan->query_value = 0;
	if (key->sk_flags & SK_ISNULL)
		return false;

	scan->query_value =
		PointerGetDatum(PG_DETOAST_DATUM_COPY(key->sk_argument));
	old = MemoryContextSwitchTo(scan->row_context);
	contents = scan->opclass->type->contents(scan->query_value);
	if (contents.dims != scan->nodes->coder.dims)
		vego_value_report_dims(desc->indexRelation, scan->nodes->coder.dims,
							   "query", contents.dims);
	ordered = vego_query_set(&scan->query, &contents);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scan->row_context);
	return ordered;
}

static void
start_scan(IndexScanDesc desc, VegoScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	if (desc->numberOfOrderBys != 1)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" can only be scanned in order of one distance",
						RelationGetRelationName(desc->indexRelation))));
	if (!IsMVCCSnapshot(desc->xs_snapshot))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" can only be scanned with an MVCC snapshot",
						RelationGetRelationName(desc->indexRelation))));

	vego_compat_count_scan(desc);
	if (scan->nodes == NULL)
		open_scan(desc, scan);
	else
		vego_nodes_refresh(scan->nodes);
	if (scan->fetch)
		table_index_fetch_reset(scan->fetch);
	clear_heaps(scan);
	end_sort(&scan->sorted_candidates);
	end_sort(&scan->sorted_rows);
	scan->exhausted = false;
	scan->largest_error = 0.0f;
	scan->last_distance = -INFINITY;
	scan->distance_before = -INFINITY;
	scan->returned = 0;
	scan->block = scan->nodes->geometry.first_block;
	scan->block_next = scan->nodes->geometry.per_page;

	scan->unordered = !set_query(desc, scan);
	if (!scan->unordered)
	{
		scan->ef_search = scan->ef_given > 0 ? scan->ef_given :
			vego_options_ef_search(desc->indexRelation);
		vego_search_start(&scan->search, 0, scan->ef_search, true);
		vego_search_run(&scan->search);
	}
	else if (scan->block_slots == NULL)
		scan->block_slots = palloc((size_t) scan->nodes->geometry.per_page *
								   vego_nodes_slot_bytes(scan->nodes));
	MemoryContextSwitchTo(old);
	scan->started = true;
}

/* The next row in the order of the index's blocks. */
static bool
next_unordered(IndexScanDesc desc, VegoScan *scan)
{
	const VegoGeometry *geometry = &scan->nodes->geometry;

	for (;;)
	{
		while (scan->block_next < geometry->per_page)
		{
			int			place = scan->block_next++;
			VegoSlot   *slot = (VegoSlot *)
				(scan->block_slots + place * geometry->slot_bytes);

			if (slot->kind == VEGO_SLOT_LIVE && slot->level == 0)
			{
				/* block is the next to be read */
				check_tid(scan, vego_node_id(geometry, scan->block - 1, place),
						  slot);
				desc->xs_heaptid = slot->tid;
				return true;
			}
		}
		CHECK_FOR_INTERRUPTS();
		if (!vego_nodes_read_block(scan->nodes, scan->block, NULL,
								   scan->block_slots))
			return false;
		scan->block++;
		scan->block_next = 0;
	}
}

/* The indexed value of the row in the slot; false when it is NULL. */
static bool
get_value(VegoScan *scan, Datum *value)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (scan->column != 0)
		*value = slot_getattr(scan->slot, scan->column, &isnull[0]);
	else
	{
		FormIndexDatum(scan->index_info, scan->slot, scan->estate, values,
					   isnull);
		*value = values[0];
	}
	return !isnull[0];
}

/*
 * A row waits at the exact distance of its value.  Another extension's function
 * may find it infinite, or no number, where its sums overflow; then the row comes
 * last, or behind that, as when rows are sorted.
 */
static void
keep_row(VegoScan *scan, Datum value, uint64 packed_tid)
{
	double		distance =
		DatumGetFloat8(FunctionCall2Coll(scan->distance, scan->collation,
										 value, scan->query_value));

	keep(&scan->rows, scan->sorted_rows,
		 isnan(distance) ? INFINITY : Min(distance, DBL_MAX), packed_tid);
}

/* The row in the slot gets its exact distance. */
static void
measure_row(VegoScan *scan, uint64 packed_tid)
{
	Datum		value;

	if (!get_value(scan, &value))
		return;
	keep_row(scan, value, packed_tid);
	if (scan->estate)
		ResetPerTupleExprContext(scan->estate);
}

/*
 * Fetches a node's row through the snapshot.  What is not visible drops out
 * here, and so takes nothing from a LIMIT.
 */
static void
fetch_row(VegoScan *scan, IndexScanDesc desc, const VegoSlot *node)
{
	ItemPointerData tid = node->tid;
	bool		call_again = false;
	bool		all_dead = false;

	vego_nodes_counters(scan->nodes)->rows_fetched++;
	if (table_index_fetch_tuple(scan->fetch, &tid, desc->xs_snapshot,
								scan->slot, &call_again, &all_dead))
		measure_row(scan, pack_tid(&node->tid));
	ExecClearTuple(scan->slot);
}

/*
 * Reads a node's vector from the index.  Whether its row is visible is for the
 * executor to find out, which fetches what is returned and asks for more in
 * place of what it does not see.
 */
static void
read_vector(VegoScan *scan, VegoNodeId id, const VegoSlot *node)
{
	VegoExactPlace place = vego_slot_exact(&scan->nodes->geometry, node);
	VegoExactValue value;
	Datum		restored;

	if (!vego_exact_fetch(scan->nodes, id, &node->tid, place, &value))
		return;
	restored = scan->opclass->type->restore(value.bytes, value.length,
											scan->nodes->coder.dims);
	if (restored == 0)
		vego_exact_report(scan->nodes->rel, place,
						  "exact vector has other dimensions");
	keep_row(scan, restored, pack_tid(&node->tid));
}

/*
 * Gives the nearest candidate its exact distance.
 *
 * Until now the node was known by a hint.  What is read here may be dead, or
 * another node by now: whatever it is, its row is found at most once, since
 * the search met the id once.
 */
static void
fetch_candidate(VegoScan *scan, IndexScanDesc desc)
{
	VegoNodeId	id = (VegoNodeId) vego_heap_pop(&scan->candidates).value;
	VegoSlot   *node = scan->candidate;
	MemoryContext old;

	vego_nodes_read(scan->nodes, id, node);
	if (node->kind != VEGO_SLOT_LIVE || node->level != 0)
		return;
	check_tid(scan, id, node);

	old = MemoryContextSwitchTo(scan->row_context);
	if (keeps_exact(scan))
		read_vector(scan, id, node);
	else
		fetch_row(scan, desc, node);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scan->row_context);
}

/*
 * The executor did not return the last row, since it is dead to everybody: then
 * it is no reason to withhold others.
 */
static void
take_back_last(VegoScan *scan)
{
	scan->last_distance = scan->distance_before;
	scan->returned--;
	vego_nodes_counters(scan->nodes)->rows_returned--;
}

/*
 * Leaves the graph.  All nodes become candidates whose rows have not been
 * fetched: those expanded, those that wait for it, and those not met, which a
 * look at all blocks finds.
 */
static void
sort_candidates(VegoScan *scan)
{
	char	   *slots;
	MemoryContext old;

	scan->sorted_candidates = begin_sort(scan);
	move_items(&scan->candidates, scan->sorted_candidates);
	vego_search_forget(&scan->search);

	old = MemoryContextSwitchTo(scan->context);
	slots = palloc((size_t) scan->nodes->geometry.per_page *
				   vego_nodes_slot_bytes(scan->nodes));
	for (BlockNumber block = scan->nodes->geometry.first_block;
		 vego_search_sweep_block(&scan->search, block, slots); block++)
		;
	pfree(slots);
	MemoryContextSwitchTo(old);
	vego_sorted_arrange(scan->sorted_candidates);
	scan->exhausted = true;
}

/*
 * Goes on searching when what is known does not settle the next row: wider,
 * until the graph is exhausted or memory is, then through all blocks.  A small
 * index, of which all nodes have been met, is no more than memory for
 * ef_search.
 */
static void
search_on(VegoScan *scan)
{
	VegoSearch *search = &scan->search;
	int64		waiting = search->spill.count + scan->candidates.count +
		scan->rows.count;

	if ((search->all_met || !are_too_many(waiting)) &&
		vego_search_widen(search))
		vego_search_run(search);
	else if (search->all_met)
		scan->exhausted = true;
	else
		sort_candidates(scan);
}

/*
 * Is no node that has not been expanded expected to be nearer than this?  One
 * that is nearer all the same comes too late, as does one that the search has
 * not met: that is a matter of recall, and of ef_search.  So the frontier makes
 * a search go on, but not for long: among many ranks that are estimates the
 * nearest are those estimated too near, and at 4 bits some always are.  Where
 * all nodes have been met they are few, and nothing need be missed.
 */
static bool
searched_up_to(VegoScan *scan, double distance)
{
	uint64		wanted = LOOK_AHEAD * (scan->returned + 1);
	double		rank;

	if (scan->exhausted)
		return true;
	if (scan->search.found_count < wanted ||
		(scan->rows.count == 0 && scan->candidates.count == 0))
		return false;
	if (!scan->search.all_met &&
		scan->search.found_count >= Max(MOST_AHEAD * wanted, scan->ef_search))
		return true;
	rank = vego_search_frontier(&scan->search);
	return rank < DBL_MAX &&
		vego_query_bound(&scan->query, rank, scan->largest_error,
						 scan->search.all_met ? FLAT_DEVIATIONS : 0.0) >=
		distance;
}

/*
 * Fetches the rows of all candidates, because too many of them have bounds so
 * near that they are needed to tell which row is next.
 */
static void
sort_rows(IndexScanDesc desc, VegoScan *scan)
{
	scan->sorted_rows = begin_sort(scan);
	move_items(&scan->rows, scan->sorted_rows);
	while (scan->candidates.count > 0)
	{
		CHECK_FOR_INTERRUPTS();
		fetch_candidate(scan, desc);
		take_next(&scan->candidates, scan->sorted_candidates);
	}
	end_sort(&scan->sorted_candidates);
	vego_sorted_arrange(scan->sorted_rows);
}

static bool
next_ordered(IndexScanDesc desc, VegoScan *scan)
{
	VegoCounters *counters = vego_nodes_counters(scan->nodes);

	for (;;)
	{
		double		row;
		double		candidate;
		VegoHeapItem item;

		if (scan->sorted_candidates)
			take_next(&scan->candidates, scan->sorted_candidates);
		if (scan->sorted_rows)
			take_next(&scan->rows, scan->sorted_rows);
		row = vego_heap_top(&scan->rows);
		candidate = vego_heap_top(&scan->candidates);

		if (scan->rows.count == 0 && scan->candidates.count == 0 &&
			scan->exhausted)
			return false;
		if (!searched_up_to(scan, Min(row, candidate)))
		{
			search_on(scan);
			continue;
		}
		if (scan->candidates.count > 0 && candidate <= row)
		{
			if (scan->sorted_candidates && are_too_many(scan->rows.count))
			{
				sort_rows(desc, scan);
				continue;
			}
			CHECK_FOR_INTERRUPTS();
			fetch_candidate(scan, desc);
			continue;
		}

		item = vego_heap_pop(&scan->rows);
		scan->distance_before = scan->last_distance;
		if (item.key < scan->last_distance)
		{
			if (vego_guc_order == VEGO_ORDER_STRICT)
			{
				counters->rows_withheld++;
				continue;
			}
		}
		else
			scan->last_distance = item.key;
		scan->returned++;
		counters->rows_returned++;
		unpack_tid(item.value, &desc->xs_heaptid);
		return true;
	}
}

bool
vegogettuple(IndexScanDesc desc, ScanDirection dir)
{
	VegoScan   *scan = desc->opaque;

	Assert(ScanDirectionIsForward(dir));

	if (!scan->started)
		start_scan(desc, scan);
	else if (desc->kill_prior_tuple && scan->returned > 0 && keeps_exact(scan))
		take_back_last(scan);
	desc->xs_recheck = false;
	desc->xs_recheckorderby = false;
	return scan->unordered ?
		next_unordered(desc, scan) : next_ordered(desc, scan);
}

void
vegoendscan(IndexScanDesc desc)
{
	VegoScan   *scan = desc->opaque;

	end_sort(&scan->sorted_candidates);
	end_sort(&scan->sorted_rows);
	if (scan->fetch)
	{
		table_index_fetch_end(scan->fetch);
		ExecDropSingleTupleTableSlot(scan->slot);
	}
	if (scan->estate)
		FreeExecutorState(scan->estate);
	MemoryContextDelete(scan->context);
	pfree(scan);
	desc->opaque = NULL;
}
