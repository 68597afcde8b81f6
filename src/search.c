/*
 * search.c
 *	  Which nodes are near a query?
 */
#include "postgres.h"

#include <float.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "code_sparse.h"
#include "graph.h"
#include "signposts.h"

#define SPILL_START 2048

/*
 * A search of some width scores about 15 nodes for each in its pool.  Scoring
 * all nodes in the order of their addresses wins up to this many for each.
 */
#define FLAT_NODES_A_WIDTH 32

/*
 * The pool on upper levels: a tenth of that on the level searched, between
 * these.
 */
#define NARROWEST_DESCENT 2
#define WIDEST_DESCENT 16

/* A pool is a linear array: beyond this, inserting costs more than it helps. */
#define WIDEST_POOL 1024

void
vego_search_init(VegoSearch *search, VegoNodes *nodes,
				 const VegoQuery *query, VegoFound found, void *found_arg)
{
	memset(search, 0, sizeof(*search));
	search->nodes = nodes;
	search->query = query;
	search->found = found;
	search->found_arg = found_arg;
	search->context = CurrentMemoryContext;
	vego_heap_init(&search->spill, SPILL_START);
	search->slot = vego_nodes_new_slot(nodes);
	search->visited = vego_visited_borrow();
}

/* An empty pool of that width. */
static void
reset_pool(VegoSearch *search, int width)
{
	if (width > search->room)
	{
		if (search->pool)
			pfree(search->pool);
		search->pool = MemoryContextAllocHuge(search->context,
											  width * sizeof(VegoHit));
		search->room = width;
	}
	search->width = width;
	search->count = 0;
	search->next = 0;
}

/*
 * Where a hit of that rank belongs: behind its equals.  Which half it is in
 * cannot be foretold, so there is no branch on it.
 */
static int
pool_place(const VegoSearch *search, double rank)
{
	const VegoHit *from = search->pool;
	int			count = search->count;

	while (count > 0)
	{
		int			half = (count + 1) / 2;

		from += half & -(from[half - 1].rank <= rank);
		count -= half;
	}
	return from - search->pool;
}

/* Puts a hit that is nearer than the last one of a full pool in its place. */
static void
insert_hit(VegoSearch *search, VegoNodeId id, double rank)
{
	int			place;

	if (search->count == search->width)
	{
		VegoHit		last = search->pool[search->count - 1];

		if (rank >= last.rank)
		{
			vego_heap_push(&search->spill, rank, id);
			return;
		}
		if (!last.expanded)
			vego_heap_push(&search->spill, last.rank, last.id);
		search->count--;
	}
	place = pool_place(search, rank);
	memmove(&search->pool[place + 1], &search->pool[place],
			(search->count - place) * sizeof(VegoHit));
	search->pool[place] = (VegoHit) {rank, id, false};
	search->count++;
	if (place <= search->next)
	{
		/* expanded next, unless something nearer turns up */
		search->next = place;
		vego_nodes_prefetch_links(search->nodes, id);
	}
}

/*
 * Most hits of a batch are farther than all of the pool, but which ones cannot
 * be foretold, so they are told apart without a branch.  What ranks as far
 * waits in the spill even when the pool has room: it may be a torn hint, and
 * whoever gets that far shall see.
 */
static void
offer_hits(VegoSearch *search, const VegoNodeId *ids, const double *ranks,
		   int count)
{
	double		limit = search->count < search->width ? DBL_MAX :
		search->pool[search->count - 1].rank;
	VegoHeapItem *waiting = vego_heap_reserve(&search->spill, count);
	uint8		near[UINT8_MAX + 1];
	int			near_count = 0;

	for (int i = 0; i < count; i++)
	{
		bool		is_near = ranks[i] < limit;

		near[near_count] = i;
		near_count += is_near;
		waiting->key = ranks[i];
		waiting->value = ids[i];
		waiting += !is_near;
	}
	search->spill.count = waiting - search->spill.items;
	for (int i = 0; i < near_count; i++)
		insert_hit(search, ids[near[i]], ranks[near[i]]);
}

static void
drop_hit(VegoSearch *search, int place)
{
	search->count--;
	memmove(&search->pool[place], &search->pool[place + 1],
			(search->count - place) * sizeof(VegoHit));
}

/*
 * Ranks the nodes that these links lead to and that were not met before, and
 * offers them to the pool.
 */
static void
meet_nodes(VegoSearch *search, const VegoLink *links, int count)
{
	VegoVisited *visited = search->visited;
	double		ranks[UINT8_MAX];
	const VegoNodeId *fresh;
	int			fresh_count;
	uint32		met;

	vego_visited_reserve(visited, count);
	met = visited->count;
	for (int i = 0; i < count; i++)
	{
		VegoNodeId	id = vego_link_id(links[i]);

		if (unlikely(id >= visited->size))
		{
			if (!vego_nodes_have(search->nodes, id))
				continue;
			vego_visited_cover(visited, id);
		}
		vego_visited_note(visited, id);
	}
	fresh = &visited->ids[met];
	fresh_count = visited->count - met;
	if (fresh_count == 0)
		return;

	vego_nodes_rank(search->nodes, search->query, fresh, fresh_count, ranks);
	offer_hits(search, fresh, ranks, fresh_count);
}

/* Expands the hit at that place of the pool. */
static void
expand_hit(VegoSearch *search, int place)
{
	VegoNodes  *nodes = search->nodes;
	VegoSlot   *slot = search->slot;
	VegoHit		hit = search->pool[place];

	vego_nodes_look(nodes, hit.id, slot);
	vego_nodes_counters(nodes)->expanded++;

	if (slot->kind == VEGO_SLOT_FREE || slot->level != search->level)
	{
		/* the slot was reused since someone linked to it (I5) */
		drop_hit(search, place);
		if (slot->kind != VEGO_SLOT_FREE && slot->level == search->level + 1)
		{
			VegoNodeId	down = vego_slot_down(slot);

			meet_nodes(search, &down, 1);
		}
		return;
	}

	if (slot->kind == VEGO_SLOT_DEAD)
	{
		/* a way through, but no result: it takes no place in the pool */
		drop_hit(search, place);
	}
	else
	{
		search->pool[place].expanded = true;
		search->found_count++;
		search->found(search->found_arg, hit.id, hit.rank, slot);
	}
	if (!search->all_met)
		meet_nodes(search, vego_slot_links(&nodes->geometry, slot),
				   slot->degree);
}

/* Algorithm 2 of the paper, with the pool as both candidates and results. */
void
vego_search_run(VegoSearch *search)
{
	for (;;)
	{
		while (search->next < search->count &&
			   search->pool[search->next].expanded)
			search->next++;
		if (search->next >= search->count)
			return;
		CHECK_FOR_INTERRUPTS();
		expand_hit(search, search->next);
	}
}

/*
 * The nearest nodes of an upper level, nearest first: all of them are begun
 * with on the level below.
 */
typedef struct Descent
{
	int			width;
	int			count;
	double		ranks[WIDEST_DESCENT];
	VegoNodeId	downs[WIDEST_DESCENT];
} Descent;

static void
keep_nearest(void *arg, VegoNodeId id, double rank, const VegoSlot *slot)
{
	Descent    *descent = arg;
	int			place;

	if (descent->count == descent->width)
	{
		if (rank >= descent->ranks[descent->count - 1])
			return;
		descent->count--;
	}
	for (place = descent->count++;
		 place > 0 && descent->ranks[place - 1] > rank; place--)
	{
		descent->ranks[place] = descent->ranks[place - 1];
		descent->downs[place] = descent->downs[place - 1];
	}
	descent->ranks[place] = rank;
	descent->downs[place] = vego_slot_down(slot);
}

/* One level: empty pool and spill, then the nodes to begin with. */
static void
begin_level(VegoSearch *search, int level, int width, const VegoNodeId *ids,
			int count)
{
	reset_pool(search, width);
	vego_heap_clear(&search->spill);
	search->found_count = 0;
	search->all_met = false;
	search->level = level;
	meet_nodes(search, ids, count);
}

/*
 * In a small index it is cheaper to meet every node than to walk to the near
 * ones: one page after the other, and nothing is missed.
 */
static bool
is_small(const VegoSearch *search, int width)
{
	return vego_nodes_estimate(search->nodes) <=
		FLAT_NODES_A_WIDTH * (double) width;
}

static void
meet_all(VegoSearch *search)
{
	VegoNodes  *nodes = search->nodes;
	const VegoGeometry *geometry = &nodes->geometry;
	VegoNodeId	ids[UINT8_MAX];
	double		ranks[UINT8_MAX];

	for (BlockNumber block = geometry->first_block;
		 vego_node_id(geometry, block, 0) < nodes->count; block++)
	{
		int			count = vego_nodes_rank_block(nodes, block, search->query,
												  search->level, ids, ranks);

		CHECK_FOR_INTERRUPTS();
		offer_hits(search, ids, ranks, count);
	}
	search->all_met = true;
}

/*
 * From the entry down to above the level, as algorithm 5 of the paper, but
 * with a pool of a few: where rows form clusters, the nearest node of an upper
 * level may belong to the wrong one, and level 0 has no way out of it.
 * Returns the nodes to begin with.
 */
static Descent
descend(VegoSearch *search, int level, int width)
{
	VegoNodes  *nodes = search->nodes;
	VegoFound	found = search->found;
	void	   *found_arg = search->found_arg;
	Descent		descent = {width, 1, {0.0}, {nodes->meta.entry}};

	search->found = keep_nearest;
	search->found_arg = &descent;
	for (int upper = nodes->meta.entry_level; upper > level; upper--)
	{
		Descent		above = descent;

		descent.count = 0;
		begin_level(search, upper, width, above.downs, above.count);
		vego_search_run(search);

		/* nothing lives there any more: go down where it was begun */
		for (int i = 0; descent.count == 0 && i < above.count; i++)
		{
			vego_nodes_read(nodes, above.downs[i], search->slot);
			if (search->slot->kind != VEGO_SLOT_FREE &&
				search->slot->level == upper)
				keep_nearest(&descent, above.downs[i], 0.0, search->slot);
		}
	}
	search->found = found;
	search->found_arg = found_arg;
	return descent;
}

/* What signposts say of where to begin, as many as the pool has room for. */
static void
meet_signposts(VegoSearch *search)
{
	VegoNodeId	ids[VEGO_SPARSE_ENTRIES];
	int			count = vego_signposts_read(search->nodes, search->query,
											Min(search->width, lengthof(ids)),
											ids);

	meet_nodes(search, ids, count);
}

void
vego_search_start(VegoSearch *search, int level, int width, bool may_meet_all)
{
	Descent		descent;

	vego_visited_clear(search->visited);
	begin_level(search, level, width, NULL, 0);
	vego_nodes_counters(search->nodes)->searches++;
	if (search->nodes->meta.entry == VEGO_NO_NODE)
		return;
	if (may_meet_all && is_small(search, width))
	{
		meet_all(search);
		return;
	}
	descent = descend(search, level,
					  Min(WIDEST_DESCENT, Max(NARROWEST_DESCENT, width / 10)));
	begin_level(search, level, width, descent.downs, descent.count);
	if (level == 0)
		meet_signposts(search);
}

void
vego_search_start_at(VegoSearch *search, int level, int width, VegoNodeId id)
{
	vego_visited_clear(search->visited);
	begin_level(search, level, width, &id, 1);
}

bool
vego_search_widen(VegoSearch *search)
{
	int			width = Max(search->width,
							Min(search->found_count, (uint64) WIDEST_POOL));

	if (search->spill.count == 0)
		return false;
	reset_pool(search, width);
	while (search->count < width && search->spill.count > 0)
	{
		VegoHeapItem item = vego_heap_pop(&search->spill);

		search->pool[search->count++] =
			(VegoHit) {item.key, (VegoNodeId) item.value, false};
	}
	return true;
}

void
vego_search_forget(VegoSearch *search)
{
	for (int64 i = 0; i < search->spill.count; i++)
		vego_visited_remove(search->visited,
							(VegoNodeId) search->spill.items[i].value);
	vego_heap_shrink(&search->spill, SPILL_START);
}

double
vego_search_frontier(VegoSearch *search)
{
	double		best = vego_heap_top(&search->spill);

	for (int i = search->next; i < search->count; i++)
		if (!search->pool[i].expanded)
			return Min(best, search->pool[i].rank);
	return best;
}

bool
vego_search_sweep_block(VegoSearch *search, BlockNumber block, char *slots)
{
	VegoNodes  *nodes = search->nodes;
	const VegoGeometry *geometry = &nodes->geometry;

	CHECK_FOR_INTERRUPTS();
	if (!vego_nodes_read_block(nodes, block, NULL, slots))
		return false;
	for (int i = 0; i < geometry->per_page; i++)
	{
		VegoSlot   *slot = (VegoSlot *) (slots + i * geometry->slot_bytes);
		VegoNodeId	id = vego_node_id(geometry, block, i);

		if (slot->kind != VEGO_SLOT_LIVE || slot->level != search->level ||
			!vego_visited_add(search->visited, id))
			continue;
		search->found_count++;
		search->found(search->found_arg, id,
					  vego_query_rank(search->query,
									  vego_slot_factors(geometry, slot),
									  vego_slot_code(geometry, slot)),
					  slot);
	}
	return true;
}
