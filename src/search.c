/*
 * search.c
 *	  Which nodes are near a query?
 */
#include "postgres.h"

#include <float.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "graph.h"

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

		from += from[half - 1].rank <= rank ? half : 0;
		count -= half;
	}
	return from - search->pool;
}

static void
offer_hit(VegoSearch *search, VegoHit hit)
{
	int			place;

	if (search->count == search->width)
	{
		VegoHit		last = search->pool[search->count - 1];

		if (hit.rank >= last.rank)
		{
			vego_heap_push(&search->spill, hit.rank, hit.id);
			return;
		}
		if (!last.expanded)
			vego_heap_push(&search->spill, last.rank, last.id);
		search->count--;
	}
	place = pool_place(search, hit.rank);
	memmove(&search->pool[place + 1], &search->pool[place],
			(search->count - place) * sizeof(VegoHit));
	search->pool[place] = hit;
	search->count++;
	if (place <= search->next)
	{
		/* expanded next, unless something nearer turns up */
		search->next = place;
		vego_nodes_prefetch_links(search->nodes, hit.id);
	}
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
	uint32		met = visited->count;
	double		ranks[UINT8_MAX];
	const VegoNodeId *fresh;
	int			fresh_count;

	vego_visited_reserve(visited, count);
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
	for (int i = 0; i < fresh_count; i++)
	{
		VegoHit		hit = {ranks[i], fresh[i], false};

		/* a far rank may be a torn hint: whoever gets that far shall see */
		if (ranks[i] < DBL_MAX)
			offer_hit(search, hit);
		else
			vego_heap_push(&search->spill, hit.rank, hit.id);
	}
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
	meet_nodes(search, vego_slot_links(&nodes->geometry, slot), slot->degree);
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
	search->level = level;
	meet_nodes(search, ids, count);
}

/*
 * In a small index it is cheaper to meet every node than to walk to the near
 * ones: one batch after the other in order of address, and nothing is missed.
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
	const VegoGeometry *geometry = &search->nodes->geometry;
	VegoNodeId	ids[UINT8_MAX];
	uint32		count = search->nodes->count;
	int			batch = 0;

	for (VegoNodeId first = 0; first < count; first += geometry->per_page)
	{
		if (!vego_nodes_may_be_on(search->nodes,
								  vego_node_block(geometry, first)))
			continue;
		for (int i = 0; i < geometry->per_page && first + i < count; i++)
		{
			ids[batch++] = first + i;
			if (batch < lengthof(ids))
				continue;
			meet_nodes(search, ids, batch);
			batch = 0;
		}
	}
	meet_nodes(search, ids, batch);
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

void
vego_search_start(VegoSearch *search, int level, int width)
{
	Descent		descent;

	vego_visited_clear(search->visited);
	begin_level(search, level, width, NULL, 0);
	vego_nodes_counters(search->nodes)->searches++;
	if (search->nodes->meta.entry == VEGO_NO_NODE)
		return;
	if (is_small(search, width))
	{
		meet_all(search);
		return;
	}
	descent = descend(search, level,
					  Min(WIDEST_DESCENT, Max(NARROWEST_DESCENT, width / 10)));
	begin_level(search, level, width, descent.downs, descent.count);
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
	int			width = Max(search->width, Min(2 * search->width, WIDEST_POOL));

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

double
vego_search_frontier(const VegoSearch *search)
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
