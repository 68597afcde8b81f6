/*
 * graph.c
 *	  How does a node come into the graph?
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "links.h"
#include "signposts.h"

/* An index whose radius is exceeded gets so much more. */
#define RADIUS_GROWTH 1.25

/*
 * The old entry's slots, level by level, get a binding link from the new one,
 * for an entry has none while it is the entry.
 */
static void
bind_old_entry(const VegoNodes *nodes, VegoSlot *slot, VegoNodeId old)
{
	VegoLink   *links = vego_slot_links(&nodes->geometry, slot);

	for (int i = 0; i < slot->degree; i++)
		if (vego_link_id(links[i]) == old)
		{
			links[i] |= VEGO_LINK_BINDING;
			return;
		}
	/* links and beacons take at most 7/4 m, and there is room for 2 m */
	Assert(slot->degree < nodes->geometry.capacity);
	links[slot->degree++] = old | VEGO_LINK_BINDING;
}

static VegoSlot *
make_slot(VegoNodes *nodes, const VegoFactors *factors, const uint8 *code,
		  int level)
{
	VegoSlot   *slot = vego_nodes_new_slot(nodes);

	slot->kind = VEGO_SLOT_LIVE;
	slot->level = level;
	*vego_slot_factors(&nodes->geometry, slot) = *factors;
	memcpy(vego_slot_code(&nodes->geometry, slot), code,
		   nodes->geometry.code_bytes);
	return slot;
}

/* Everything about the node that is being inserted. */
typedef struct Insertion
{
	const VegoFactors *factors;
	const uint8 *code;
	ItemPointer tid;
	VegoExactPlace exact;
	int			level;			/* its highest */
	VegoNodeId	id;				/* of its slot of level 0, once written */
	int			ef_construction;
	bool		locked;			/* the entry lock is held */
	bool		becomes_entry;	/* then it is */
	VegoNodeId	old_entry[VEGO_MAX_LEVEL + 1];	/* slots of the old entry */
	VegoCopies		near[VEGO_MAX_LEVEL + 1];	/* what was found, by level */
	VegoCopies		beacons[VEGO_MAX_LEVEL + 1];	/* by inner product */
} Insertion;

void
vego_graph_entry_slots(VegoNodes *nodes, VegoNodeId *slots)
{
	VegoNodeId	at = nodes->meta.entry;

	for (int level = 0; level <= VEGO_MAX_LEVEL; level++)
		slots[level] = VEGO_NO_NODE;
	for (int level = nodes->meta.entry_level; at != VEGO_NO_NODE; level--)
	{
		slots[level] = at;
		if (level == 0)
			break;
		vego_nodes_read(nodes, at, nodes->scratch);
		at = nodes->scratch->level == level ?
			vego_slot_down(nodes->scratch) : VEGO_NO_NODE;
	}
}

static bool
any_node(void *arg, VegoNodeId id)
{
	return true;
}

static bool
is_attached(VegoWorkbench *bench, VegoNodeId id, const VegoSlot *slot,
			const Insertion *insertion)
{
	return vego_graph_attach(bench, id, slot, any_node, NULL,
							 insertion->ef_construction) != VEGO_NO_NODE;
}

/*
 * Writes the slots from level 0 upwards, each as one complete node with its
 * links, then its back links; the entry comes last.  What a crash leaves after
 * any of these records is a valid graph (src/README, "Insert").
 */
static void
write_slots(VegoWorkbench *bench, Insertion *insertion)
{
	VegoNodes  *nodes = bench->nodes;
	VegoNodeId	below = VEGO_NO_NODE;

	for (int level = 0; level <= insertion->level; level++)
	{
		VegoSlot   *slot = make_slot(nodes, insertion->factors,
									 insertion->code, level);
		VegoCopies	   *near = &insertion->near[level];

		if (level == 0)
		{
			slot->tid = *insertion->tid;
			vego_slot_set_exact(&nodes->geometry, slot, insertion->exact);
		}
		else
			vego_slot_set_down(slot, below);
		vego_links_choose(nodes, slot, near);
		vego_links_choose_beacons(nodes, slot, near, &insertion->beacons[level]);
		if (insertion->becomes_entry &&
			insertion->old_entry[level] != VEGO_NO_NODE)
			bind_old_entry(nodes, slot, insertion->old_entry[level]);

		below = vego_nodes_insert(nodes, slot);
		if (level == 0)
			insertion->id = below;
		if (vego_links_back(nodes, below, slot, near) || insertion->becomes_entry ||
			is_attached(bench, below, slot, insertion))
			continue;

		/*
		 * Everyone has gone since the search.  Then this node begins a new
		 * graph, unless someone else has begun one before the lock was ours.
		 */
		if (!insertion->locked)
		{
			vego_nodes_lock_entry(nodes);
			insertion->locked = true;
			vego_nodes_refresh(nodes);
			if (is_attached(bench, below, slot, insertion))
				continue;
		}
		insertion->level = level;
		insertion->becomes_entry = true;
	}
	if (insertion->becomes_entry)
		vego_nodes_set_entry(nodes, below, insertion->level);
}

/*
 * Searches on all levels of the node.  A level on which nobody lives any more
 * is not entered, since nobody could bind the node there.  False when no live
 * node was found at all.
 */
static bool
search_levels(VegoWorkbench *bench, Insertion *insertion)
{
	const VegoCoder *coder = &bench->nodes->coder;
	int			top = Min(insertion->level,
						  (int) bench->nodes->meta.entry_level);

	vego_query_set_code(&bench->query, insertion->factors, insertion->code);
	if (coder->metric == VEGO_INNER_PRODUCT)
		vego_query_set_product(&bench->product, insertion->factors,
							   insertion->code);

	for (int level = top; level >= 0; level--)
	{
		insertion->near[level] =
			vego_copies_search(&bench->search, &bench->query,
							   insertion->factors, insertion->code, level,
							   insertion->ef_construction);
		if (insertion->near[level].count == 0)
		{
			insertion->level = level - 1;
			insertion->becomes_entry = false;
			continue;
		}
		if (coder->metric == VEGO_INNER_PRODUCT)
			insertion->beacons[level] =
				vego_copies_search(&bench->search, &bench->product, NULL,
								   NULL, level, insertion->ef_construction);
	}
	return insertion->level >= 0;
}

void
vego_workbench_init(VegoWorkbench *bench, VegoNodes *nodes)
{
	bench->nodes = nodes;
	vego_query_init(&bench->query, &nodes->coder);
	vego_query_init(&bench->product, &nodes->coder);
	vego_search_init(&bench->search, nodes, &bench->query, NULL, NULL);
}

void
vego_graph_insert(VegoWorkbench *bench, const VegoFactors *factors,
				  const uint8 *code, ItemPointer tid, VegoExactPlace exact,
				  int level, int ef_construction)
{
	VegoNodes  *nodes = bench->nodes;
	Insertion	insertion;

	if (nodes->coder.metric == VEGO_INNER_PRODUCT &&
		factors->norm > nodes->coder.radius)
		vego_nodes_grow_radius(nodes, factors->norm * RADIUS_GROWTH);

	memset(&insertion, 0, sizeof(insertion));
	insertion.factors = factors;
	insertion.code = code;
	insertion.tid = tid;
	insertion.exact = exact;
	insertion.ef_construction = ef_construction;
	for (int i = 0; i <= VEGO_MAX_LEVEL; i++)
		insertion.old_entry[i] = VEGO_NO_NODE;

	for (;;)
	{
		bool		empty = nodes->meta.entry == VEGO_NO_NODE;

		insertion.level = empty ? 0 :
			Min(level, Min(VEGO_MAX_LEVEL, (int) nodes->meta.entry_level + 1));
		insertion.becomes_entry = empty ||
			insertion.level > (int) nodes->meta.entry_level;

		if (!insertion.becomes_entry || insertion.locked)
		{
			if (insertion.becomes_entry)
				vego_graph_entry_slots(nodes, insertion.old_entry);
			if (empty || search_levels(bench, &insertion))
				break;

			/*
			 * No live node can be reached: all rows are deleted, and vacuum
			 * is on its way.  Then this node begins a new graph, once it is
			 * sure to be the only one that does.
			 */
			insertion.level = 0;
			insertion.becomes_entry = true;
			for (int i = 0; i <= VEGO_MAX_LEVEL; i++)
				insertion.old_entry[i] = VEGO_NO_NODE;
			if (insertion.locked)
				break;
		}
		vego_nodes_lock_entry(nodes);
		insertion.locked = true;
		vego_nodes_refresh(nodes);
	}

	write_slots(bench, &insertion);
	if (insertion.locked)
		vego_nodes_unlock_entry(nodes);
	if (vego_signposts_exist(nodes))
		vego_signposts_offer(nodes, insertion.id, factors, code);
}

int
vego_graph_level(ItemPointer tid)
{
	uint32		place = ItemPointerGetBlockNumberNoCheck(tid) * 293 +
		ItemPointerGetOffsetNumberNoCheck(tid);
	uint32		dice = murmurhash32(place);
	int			level = 0;

	while (level < VEGO_MAX_LEVEL && dice % VEGO_LEVEL_FANOUT == 0)
	{
		dice = murmurhash32(dice ^ 0x5bd1e995);
		level++;
	}
	return level;
}
