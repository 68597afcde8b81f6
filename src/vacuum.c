/*
 * vacuum.c
 *	  How do deleted rows leave the index?
 *
 * Four passes, argued in src/README, "Vacuum":
 *
 *	 1	bury	every TID is shown to the callback; slots of dead rows are
 *				marked dead and lose their TID, their upper slots follow
 *	 2	repair	live nodes replace links to dead ones; who has a binding
 *				in-link from whom is noted
 *	 3	attach	the entry, if it died, is replaced; nodes that binding links no
 *				longer lead to get a new one; nodes that have lost most of
 *				their links look for others
 *	 4	free	the exact vectors of dead rows go; only now can dead slots be
 *				used again
 */
#include "postgres.h"

#include "access/genam.h"
#include "commands/vacuum.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/indexfsm.h"
#include "utils/memutils.h"

#include "am.h"
#include "bitmap.h"
#include "compat.h"
#include "exact.h"
#include "graph.h"
#include "signposts.h"
#include "value.h"

/* A live slot above level 0, to be buried when the one below is. */
typedef struct Upper
{
	VegoNodeId	id;
	VegoNodeId	down;
	uint8		level;
} Upper;

typedef struct VegoVacuum
{
	IndexVacuumInfo *info;
	IndexBulkDeleteResult *stats;
	IndexBulkDeleteCallback callback;
	void	   *callback_state;
	VegoNodes  *nodes;
	VegoWorkbench bench;
	MemoryContext node_context; /* of the work on one node */

	VegoBitmap	exact;			/* blocks of exact vectors, from the first */
	VegoBitmap	dead;			/* buried, now or by a vacuum cut short */
	uint32		dead_count;
	Upper	   *uppers;
	uint32		upper_count;
	uint32		upper_room;

	/* pass 2 to 3 */
	uint32		count;			/* slots, when pass 2 began */
	VegoBitmap	live;
	VegoBitmap	starved;		/* have lost most of their links */
	VegoSignpostDraft *signposts;	/* or NULL */
	VegoNodeId *binders;		/* who has a binding link to it */
	VegoNodeId *groups;			/* union-find over binding links */
	VegoBitmap	rooted;			/* groups that hold the entry */
	VegoNodeId	highest;		/* a live node of the highest level */
	int			highest_level;
} VegoVacuum;

static void
bury(VegoVacuum *vacuum, VegoNodeId id)
{
	vego_bitmap_add(&vacuum->dead, id);
	vacuum->dead_count++;
}

static void
note_upper(VegoVacuum *vacuum, VegoNodeId id, const VegoSlot *slot)
{
	Upper	   *upper;

	if (vacuum->upper_count == vacuum->upper_room)
	{
		vacuum->upper_room *= 2;
		vacuum->uppers = repalloc_huge(vacuum->uppers,
									   vacuum->upper_room * sizeof(Upper));
	}
	upper = &vacuum->uppers[vacuum->upper_count++];
	upper->id = id;
	upper->down = vego_slot_down(slot);
	upper->level = slot->level;
}

/* Pass 1.  The callback sees each TID exactly once: CIC collects them here. */
static VegoVerdict
judge_row(void *arg, VegoNodeId id, const VegoSlot *slot)
{
	VegoVacuum *vacuum = arg;
	ItemPointerData tid = slot->tid;

	if (slot->kind == VEGO_SLOT_DEAD)
		bury(vacuum, id);
	if (slot->kind != VEGO_SLOT_LIVE)
		return VEGO_KEEP;
	if (slot->level > 0)
	{
		note_upper(vacuum, id, slot);
		return VEGO_KEEP;
	}
	if (!vacuum->callback(&tid, vacuum->callback_state))
	{
		vacuum->stats->num_index_tuples++;
		return VEGO_KEEP;
	}
	vacuum->stats->tuples_removed++;
	bury(vacuum, id);
	return VEGO_BURY;
}

/* The slot above a dead one dies too. */
static VegoVerdict
judge_upper(void *arg, VegoNodeId id, const VegoSlot *slot)
{
	VegoVacuum *vacuum = arg;

	if (slot->kind != VEGO_SLOT_LIVE || slot->level == 0 ||
		!vego_bitmap_has(&vacuum->dead, vego_slot_down(slot)))
		return VEGO_KEEP;
	bury(vacuum, id);
	return VEGO_BURY;
}

static void
bury_rows(VegoVacuum *vacuum)
{
	VegoNodes  *nodes = vacuum->nodes;
	const VegoGeometry *geometry = &nodes->geometry;
	BlockNumber blocks = RelationGetNumberOfBlocks(nodes->rel);

	/* blocks added from now on hold no row that is dead to all */
	vego_bitmap_init(&vacuum->dead, vego_node_count(geometry, blocks));
	vego_bitmap_init(&vacuum->exact, blocks);
	vacuum->upper_room = 64;
	vacuum->uppers = palloc(vacuum->upper_room * sizeof(Upper));
	for (BlockNumber block = geometry->first_block; block < blocks; block++)
	{
		vego_compat_vacuum_delay();
		if (vego_nodes_judge_block(nodes, block, vacuum->info->strategy,
								   judge_row, vacuum) == VEGO_BLOCK_EXACT)
			vego_bitmap_add(&vacuum->exact, block);
	}

	/* level by level, since a slot dies with the one below it */
	for (int level = 1; level <= VEGO_MAX_LEVEL; level++)
	{
		BlockNumber last = InvalidBlockNumber;

		for (uint32 i = 0; i < vacuum->upper_count; i++)
		{
			Upper	   *upper = &vacuum->uppers[i];
			BlockNumber block = vego_node_block(geometry, upper->id);

			CHECK_FOR_INTERRUPTS();
			if (upper->level != level || block == last ||
				!vego_bitmap_has(&vacuum->dead, upper->down))
				continue;
			vego_compat_vacuum_delay();
			vego_nodes_judge_block(nodes, block, vacuum->info->strategy,
								   judge_upper, vacuum);
			last = block;
		}
	}
	pfree(vacuum->uppers);
}

static bool
is_dead(void *arg, VegoNodeId id)
{
	return vego_bitmap_has(&((VegoVacuum *) arg)->dead, id);
}

static int
links_to_dead(VegoVacuum *vacuum, const VegoSlot *slot)
{
	const VegoLink *links = vego_slot_links(&vacuum->nodes->geometry, slot);
	int			count = 0;

	for (int i = 0; i < slot->degree; i++)
		count += is_dead(vacuum, vego_link_id(links[i]));
	return count;
}

/*
 * Is a repaired node worth a search?  It is when few links are left, and when
 * nearly all were dead: then so was most of what the dead led to, and what
 * took their place is the best of little.
 */
static bool
is_starved(const VegoVacuum *vacuum, int degree_before, int dead_before,
		   int degree)
{
	return (degree < degree_before && degree < vacuum->nodes->meta.m / 2) ||
		dead_before * 6 > degree_before * 5;
}

/* Notes what pass 3 wants to know of a live node, once it is repaired. */
static void
note_node(VegoVacuum *vacuum, VegoNodeId id, const VegoSlot *slot)
{
	const VegoGeometry *geometry = &vacuum->nodes->geometry;
	const VegoLink *links = vego_slot_links(geometry, slot);

	vego_bitmap_add(&vacuum->live, id);
	if (vacuum->signposts && slot->level == 0)
		vego_signposts_draft_offer(vacuum->signposts, id,
								   vego_slot_factors(geometry, slot),
								   vego_slot_code(geometry, slot));
	if (slot->level > vacuum->highest_level || vacuum->highest == VEGO_NO_NODE)
	{
		vacuum->highest = id;
		vacuum->highest_level = slot->level;
	}
	for (int i = 0; i < slot->degree; i++)
		if (vego_link_is_binding(links[i]) &&
			vego_link_id(links[i]) < vacuum->count)
			vacuum->binders[vego_link_id(links[i])] = id;
}

/*
 * Pass 2 for one block; the slots are copies, and as repaired afterwards.
 * Returns whether one of them is free.
 */
static bool
repair_block(VegoVacuum *vacuum, BlockNumber block, char *copies)
{
	const VegoGeometry *geometry = &vacuum->nodes->geometry;
	VegoNodeId	ids[BLCKSZ / sizeof(VegoSlot)];
	VegoSlot   *slots[BLCKSZ / sizeof(VegoSlot)];
	int			degrees[BLCKSZ / sizeof(VegoSlot)];
	int			dead[BLCKSZ / sizeof(VegoSlot)];
	int			count = 0;
	bool		has_free = false;
	MemoryContext old = MemoryContextSwitchTo(vacuum->node_context);

	for (int i = 0; i < geometry->per_page; i++)
	{
		VegoSlot   *slot = (VegoSlot *) (copies + i * geometry->slot_bytes);

		has_free |= slot->kind == VEGO_SLOT_FREE;
		if (slot->kind != VEGO_SLOT_LIVE)
			continue;
		dead[count] = links_to_dead(vacuum, slot);
		if (dead[count] == 0)
			continue;
		ids[count] = vego_node_id(geometry, block, i);
		slots[count] = slot;
		degrees[count++] = slot->degree;
	}
	vego_graph_repair(&vacuum->bench, ids, slots, count, is_dead, vacuum);
	MemoryContextSwitchTo(old);
	MemoryContextReset(vacuum->node_context);

	for (int i = 0; i < count; i++)
		if (slots[i]->kind == VEGO_SLOT_LIVE &&
			is_starved(vacuum, degrees[i], dead[i], slots[i]->degree))
			vego_bitmap_add(&vacuum->starved, ids[i]);
	for (int i = 0; i < geometry->per_page; i++)
	{
		VegoSlot   *slot = (VegoSlot *) (copies + i * geometry->slot_bytes);

		if (slot->kind == VEGO_SLOT_LIVE)
			note_node(vacuum, vego_node_id(geometry, block, i), slot);
	}
	return has_free;
}

static void
repair_nodes(VegoVacuum *vacuum)
{
	VegoNodes  *nodes = vacuum->nodes;
	const VegoGeometry *geometry = &nodes->geometry;
	BlockNumber blocks = RelationGetNumberOfBlocks(nodes->rel);
	PGAlignedBlock copies;

	vacuum->count = vego_node_count(geometry, blocks);
	vego_bitmap_init(&vacuum->live, vacuum->count);
	vego_bitmap_init(&vacuum->starved, vacuum->count);
	vacuum->binders = palloc_extended(Max(vacuum->count, 1) *
									  sizeof(VegoNodeId), MCXT_ALLOC_HUGE);
	for (uint32 i = 0; i < vacuum->count; i++)
		vacuum->binders[i] = VEGO_NO_NODE;
	vacuum->highest = VEGO_NO_NODE;
	vacuum->highest_level = 0;
	if (vego_signposts_exist(nodes))
		vacuum->signposts = vego_signposts_draft_without(nodes, is_dead,
														 vacuum);

	for (BlockNumber block = geometry->first_block; block < blocks; block++)
	{
		VegoBlockKind kind;

		vego_compat_vacuum_delay();
		kind = vego_nodes_read_block(nodes, block, vacuum->info->strategy,
									 copies.data);
		if (kind == VEGO_BLOCK_NONE)
			break;
		if (kind == VEGO_BLOCK_EXACT)
			continue;
		/* the map is not logged: this is where it heals after a crash */
		if (repair_block(vacuum, block, copies.data))
			RecordFreeIndexPage(nodes->rel, block);
	}
	if (vacuum->signposts)
		vego_signposts_write(nodes, vacuum->signposts);
}

/*
 * A live entry on the highest level is kept.  Else a live node of that level
 * takes its place, or none does: then the index is empty, unless somebody who
 * found no live node either has made a new entry since.
 */
static void
replace_entry(VegoVacuum *vacuum)
{
	VegoNodes  *nodes = vacuum->nodes;
	VegoSlot   *slot = nodes->scratch;

	vego_nodes_lock_entry(nodes);
	vego_nodes_refresh(nodes);
	if (nodes->meta.entry != VEGO_NO_NODE)
	{
		vego_nodes_read(nodes, nodes->meta.entry, slot);
		if (slot->kind != VEGO_SLOT_LIVE ||
			slot->level != nodes->meta.entry_level ||
			slot->level < vacuum->highest_level)
			vego_nodes_set_entry(nodes, vacuum->highest,
								 vacuum->highest_level);
	}
	vego_nodes_unlock_entry(nodes);
}

/* The group of a node, by path halving. */
static VegoNodeId
group_of(VegoVacuum *vacuum, VegoNodeId id)
{
	VegoNodeId *groups = vacuum->groups;

	while (groups[id] != id)
		id = groups[id] = groups[groups[id]];
	return id;
}

/* Groups stay rooted when they are joined. */
static void
join_groups(VegoVacuum *vacuum, VegoNodeId a, VegoNodeId b)
{
	VegoNodeId	group_a = group_of(vacuum, a);
	VegoNodeId	group_b = group_of(vacuum, b);

	if (vego_bitmap_has(&vacuum->rooted, group_a) ||
		vego_bitmap_has(&vacuum->rooted, group_b))
	{
		vego_bitmap_add(&vacuum->rooted, group_a);
		vego_bitmap_add(&vacuum->rooted, group_b);
	}
	vacuum->groups[group_a] = group_b;
}

/* May an unattached node be attached here? */
static bool
is_rooted(void *arg, VegoNodeId id)
{
	VegoVacuum *vacuum = arg;

	return id < vacuum->count && vego_bitmap_has(&vacuum->live, id) &&
		vego_bitmap_has(&vacuum->rooted, group_of(vacuum, id));
}

static void
attach_node(VegoVacuum *vacuum, VegoNodeId id)
{
	VegoNodes  *nodes = vacuum->nodes;
	MemoryContext old = MemoryContextSwitchTo(vacuum->node_context);
	VegoSlot   *slot = vego_nodes_new_slot(nodes);
	VegoNodeId	binder = VEGO_NO_NODE;

	vego_compat_vacuum_delay();
	vego_nodes_read(nodes, id, slot);
	if (slot->kind == VEGO_SLOT_LIVE)
		binder = vego_graph_attach(&vacuum->bench, id, slot, is_rooted,
								   vacuum,
								   vego_ef_construction(nodes->rel,
														vego_nodes_estimate(nodes)));
	MemoryContextSwitchTo(old);
	MemoryContextReset(vacuum->node_context);

	/* without a live node on its level that is rooted, it stands for itself */
	if (binder != VEGO_NO_NODE)
		join_groups(vacuum, id, binder);
}

/*
 * A node on the circle that ends the way up from a node, or VEGO_NO_NODE when
 * the way ends otherwise.  (Floyd's two runners.)
 */
static VegoNodeId
find_circle(VegoVacuum *vacuum, VegoNodeId id)
{
	VegoNodeId *binders = vacuum->binders;
	VegoNodeId	slow = id;
	VegoNodeId	fast = id;

	do
	{
		for (int i = 0; i < 2; i++)
		{
			fast = binders[fast];
			if (fast == VEGO_NO_NODE)
				return VEGO_NO_NODE;
		}
		slow = binders[slow];
	} while (slow != fast);
	return slow;
}

/*
 * Pass 2 has not seen nodes that were inserted behind it.  Those between the
 * entry and the nodes it has seen matter, since the entry may be new itself:
 * a new entry has binding links to the slots of the one before it.
 */
static void
note_newcomers(VegoVacuum *vacuum)
{
	VegoNodes  *nodes = vacuum->nodes;
	uint32		count;
	VegoBitmap	live;
	VegoNodeId	pending[2 * VEGO_MAX_LEVEL + 2 + UINT8_MAX];
	int			pending_count = 0;

	vego_nodes_refresh(nodes);
	count = Max(nodes->count, vacuum->count);
	vego_bitmap_init(&live, count);
	memcpy(live.words, vacuum->live.words,
		   (vacuum->count / 64 + 1) * sizeof(uint64));
	vacuum->live = live;
	vacuum->binders = repalloc_huge(vacuum->binders,
									Max(count, 1) * sizeof(VegoNodeId));
	for (uint32 i = vacuum->count; i < count; i++)
		vacuum->binders[i] = VEGO_NO_NODE;
	vacuum->count = count;

	vego_graph_entry_slots(nodes, pending);
	pending_count = VEGO_MAX_LEVEL + 1;
	while (pending_count > 0)
	{
		VegoNodeId	id = pending[--pending_count];
		VegoSlot   *slot = nodes->scratch;
		const VegoLink *links = vego_slot_links(&nodes->geometry, slot);

		if (id >= count || vego_bitmap_has(&vacuum->live, id))
			continue;
		vego_nodes_read(nodes, id, slot);
		if (slot->kind != VEGO_SLOT_LIVE)
			continue;
		vego_bitmap_add(&vacuum->live, id);
		for (int i = 0; i < slot->degree; i++)
		{
			VegoNodeId	bound = vego_link_id(links[i]);

			if (!vego_link_is_binding(links[i]) || bound >= count)
				continue;
			vacuum->binders[bound] = id;
			if (pending_count < lengthof(pending))
				pending[pending_count++] = bound;
		}
	}
}

/*
 * Binding links make a tree, and every node in it can be reached for good.
 * What vacuum cut off hangs from nodes without a binder, or is a circle.
 */
static void
attach_nodes(VegoVacuum *vacuum)
{
	VegoNodes  *nodes = vacuum->nodes;
	VegoNodeId	entry[VEGO_MAX_LEVEL + 1];

	note_newcomers(vacuum);
	vacuum->groups = palloc_extended(Max(vacuum->count, 1) *
									 sizeof(VegoNodeId), MCXT_ALLOC_HUGE);
	vego_bitmap_init(&vacuum->rooted, vacuum->count);
	for (uint32 i = 0; i < vacuum->count; i++)
		vacuum->groups[i] = i;
	vego_graph_entry_slots(nodes, entry);
	for (int level = 0; level <= VEGO_MAX_LEVEL; level++)
		if (vego_bitmap_has(&vacuum->live, entry[level]))
		{
			vego_bitmap_add(&vacuum->rooted, entry[level]);
			vacuum->binders[entry[level]] = entry[level];
		}
	for (uint32 i = 0; i < vacuum->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (vego_bitmap_has(&vacuum->live, i) &&
			vacuum->binders[i] != VEGO_NO_NODE)
			join_groups(vacuum, i, vacuum->binders[i]);
	}

	for (uint32 i = 0; i < vacuum->count; i++)
		if (vego_bitmap_has(&vacuum->live, i) &&
			vacuum->binders[i] == VEGO_NO_NODE)
			attach_node(vacuum, i);

	for (uint32 i = 0; i < vacuum->count; i++)
	{
		VegoNodeId	on_circle;

		CHECK_FOR_INTERRUPTS();
		if (!vego_bitmap_has(&vacuum->live, i) || is_rooted(vacuum, i))
			continue;
		on_circle = find_circle(vacuum, i);
		if (on_circle != VEGO_NO_NODE)
			attach_node(vacuum, on_circle);
	}
	pfree(vacuum->groups);
	pfree(vacuum->rooted.words);
}

/*
 * Where most nodes have gone, those that remain are left with few links among
 * each other.  These few are worth a search.
 */
static void
relink_nodes(VegoVacuum *vacuum)
{
	VegoNodes  *nodes = vacuum->nodes;
	MemoryContext old = MemoryContextSwitchTo(vacuum->node_context);

	for (uint32 i = 0; i < vacuum->starved.size; i++)
	{
		VegoSlot   *slot;

		if (!vego_bitmap_has(&vacuum->starved, i))
			continue;
		vego_compat_vacuum_delay();
		slot = vego_nodes_new_slot(nodes);
		vego_nodes_read(nodes, i, slot);
		if (slot->kind == VEGO_SLOT_LIVE)
			vego_graph_relink(&vacuum->bench, i, slot,
							  vego_ef_construction(nodes->rel,
												   vego_nodes_estimate(nodes)));
		MemoryContextReset(vacuum->node_context);
	}
	MemoryContextSwitchTo(old);
}

static bool
row_is_dead(void *arg, ItemPointer tid)
{
	VegoVacuum *vacuum = arg;

	return vacuum->callback(tid, vacuum->callback_state);
}

/*
 * The vectors of dead rows, also of those whose nodes were never written.
 * Before any slot is free, and with it what tells that there was a node.
 *
 * An index that is not valid yet is being made concurrently: then the callback
 * collects TIDs of nodes, and must not hear of others.
 */
static void
free_vectors(VegoVacuum *vacuum)
{
	if (!vacuum->nodes->rel->rd_index->indisvalid)
		return;
	for (BlockNumber block = 0; block < vacuum->exact.size; block++)
	{
		if (!vego_bitmap_has(&vacuum->exact, block))
			continue;
		vego_compat_vacuum_delay();
		vego_exact_sweep_block(vacuum->nodes, block, vacuum->info->strategy,
							   row_is_dead, vacuum);
	}
}

static VegoVerdict
judge_dead(void *arg, VegoNodeId id, const VegoSlot *slot)
{
	return slot->kind == VEGO_SLOT_DEAD && is_dead(arg, id) ?
		VEGO_FREE : VEGO_KEEP;
}

static void
free_slots(VegoVacuum *vacuum)
{
	VegoNodes  *nodes = vacuum->nodes;
	const VegoGeometry *geometry = &nodes->geometry;

	for (uint32 first = 0; first < vacuum->dead.size;
		 first += geometry->per_page)
	{
		BlockNumber block = vego_node_block(geometry, first);
		bool		has_dead = false;

		for (int i = 0; i < geometry->per_page && !has_dead; i++)
			has_dead = vego_bitmap_has(&vacuum->dead, first + i);
		if (!has_dead)
			continue;
		vego_compat_vacuum_delay();
		vego_nodes_judge_block(nodes, block, vacuum->info->strategy,
							   judge_dead, vacuum);
		RecordFreeIndexPage(nodes->rel, block);
	}
}

IndexBulkDeleteResult *
vegobulkdelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats,
			   IndexBulkDeleteCallback callback, void *callback_state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "vego vacuum",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	VegoVacuum *vacuum;

	if (stats == NULL)
		stats = palloc0(sizeof(IndexBulkDeleteResult));
	/* a second round of the same vacuum counts the rows anew */
	stats->num_index_tuples = 0;
	stats->estimated_count = false;

	old = MemoryContextSwitchTo(context);
	vacuum = palloc0(sizeof(VegoVacuum));
	vacuum->info = info;
	vacuum->stats = stats;
	vacuum->callback = callback;
	vacuum->callback_state = callback_state;
	vacuum->nodes = vego_nodes_open(info->index);
	vego_workbench_init(&vacuum->bench, vacuum->nodes);
	vacuum->node_context = AllocSetContextCreate(context, "vego repair",
												 ALLOCSET_DEFAULT_SIZES);

	bury_rows(vacuum);
	if (vacuum->dead_count > 0)
	{
		repair_nodes(vacuum);
		replace_entry(vacuum);
		attach_nodes(vacuum);
		relink_nodes(vacuum);
	}
	free_vectors(vacuum);
	if (vacuum->dead_count > 0)
		free_slots(vacuum);
	IndexFreeSpaceMapVacuum(info->index);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return stats;
}

IndexBulkDeleteResult *
vegovacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats)
{
	if (info->analyze_only)
		return stats;
	if (stats == NULL)
	{
		stats = palloc0(sizeof(IndexBulkDeleteResult));
		stats->num_index_tuples = info->num_heap_tuples;
		stats->estimated_count = true;
	}
	stats->num_pages = RelationGetNumberOfBlocks(info->index);
	stats->pages_free = 0;
	return stats;
}
