/*
 * repair.c
 *	  How is the graph mended around nodes that are gone?
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "links.h"

/* A tree that is wide where it is full has its ends nearer than that. */
#define MOST_STEPS_DOWN 64

/*
 * The candidates for a node's links in place of those that are gone.  Its other
 * links stay, so they are candidates that must be chosen.
 */
typedef struct Gathering
{
	VegoNodes  *nodes;
	VegoNodeId	self;
	const VegoSlot *slot;
	VegoVisited *met;
	VegoFilter	gone;
	void	   *gone_arg;
	VegoCandidate *candidates;
	int			count;
	int			room;
} Gathering;

/* A link to what is no slot comes from damage, and may go as well. */
static bool
is_gone(const Gathering *gathering, VegoLink link)
{
	return gathering->gone(gathering->gone_arg, vego_link_id(link)) ||
		!vego_nodes_have(gathering->nodes, vego_link_id(link));
}

static void
add_candidate(Gathering *gathering, VegoNodeId id, bool stays)
{
	if (gathering->count == gathering->room)
	{
		gathering->room *= 2;
		gathering->candidates = repalloc(gathering->candidates,
										 gathering->room *
										 sizeof(VegoCandidate));
	}
	gathering->candidates[gathering->count].id = id;
	gathering->candidates[gathering->count].apart = false;
	gathering->candidates[gathering->count++].binding = stays;
}

/* The links of a node that is gone, which is read: it may hold another now. */
static void
add_links_of(Gathering *gathering, VegoNodeId id)
{
	VegoNodes  *nodes = gathering->nodes;
	const VegoSlot *slot = nodes->scratch;
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);

	vego_nodes_read(nodes, id, nodes->scratch);
	if (slot->level != gathering->slot->level)
		return;
	for (int i = 0; i < slot->degree; i++)
		if (!is_gone(gathering, links[i]) &&
			vego_visited_add(gathering->met, vego_link_id(links[i])))
			add_candidate(gathering, vego_link_id(links[i]), false);
}

/*
 * Looks at the candidates, by hints: a new link is a hint as well, and those
 * that stay do so without question.
 */
static void
sketch_candidates(Gathering *gathering)
{
	VegoNodes  *nodes = gathering->nodes;
	const VegoGeometry *geometry = &nodes->geometry;
	size_t		bytes = MAXALIGN(sizeof(VegoFactors) + geometry->code_bytes);
	char	   *room = palloc(gathering->count * bytes);
	int			kept = 0;

	for (int i = 0; i < gathering->count; i++)
		vego_nodes_prefetch_code(nodes, gathering->candidates[i].id);
	for (int i = 0; i < gathering->count; i++)
	{
		VegoCandidate candidate = gathering->candidates[i];
		VegoFactors *factors = (VegoFactors *) (room + i * bytes);
		uint8	   *code = (uint8 *) (factors + 1);
		bool		live = vego_nodes_sketch(nodes, candidate.id, factors,
											 code);

		if (!live && !candidate.binding)
			continue;
		candidate.factors = factors;
		candidate.code = code;
		candidate.distance =
			vego_code_distance(&nodes->coder,
							   vego_slot_factors(geometry, gathering->slot),
							   vego_slot_code(geometry, gathering->slot),
							   factors, code);
		gathering->candidates[kept++] = candidate;
	}
	gathering->count = kept;
}

/* The links of a node once those to gone nodes are replaced. */
static VegoLinks
without_gone(VegoWorkbench *bench, VegoNodeId id, const VegoSlot *slot,
			 VegoFilter gone, void *arg)
{
	VegoNodes  *nodes = bench->nodes;
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);
	Gathering	gathering = {nodes, id, slot, bench->search.visited, gone,
	arg};
	VegoLinks	result = {false};
	VegoLink	newcomers[UINT8_MAX];
	int			newcomer_count = 0;
	int			chosen;

	result.degree = slot->degree;
	memcpy(result.links, links, slot->degree * sizeof(VegoLink));
	for (int i = 0; i < slot->degree; i++)
		result.wanted |= is_gone(&gathering, links[i]);
	if (!result.wanted)
		return result;

	gathering.room = 4 * nodes->geometry.capacity;
	gathering.candidates = palloc(gathering.room * sizeof(VegoCandidate));
	vego_visited_clear(gathering.met);
	vego_visited_add(gathering.met, id);
	for (int i = 0; i < slot->degree; i++)
	{
		if (!is_gone(&gathering, links[i]) &&
			vego_visited_add(gathering.met, vego_link_id(links[i])))
			add_candidate(&gathering, vego_link_id(links[i]), true);
		else
			result.links[i] = VEGO_NO_NODE;
	}
	for (int i = 0; i < slot->degree; i++)
		if (is_gone(&gathering, links[i]))
			add_links_of(&gathering, vego_link_id(links[i]));

	sketch_candidates(&gathering);
	vego_candidates_sort(gathering.candidates, gathering.count);
	chosen = vego_select_neighbours(&nodes->coder, gathering.candidates,
									gathering.count,
									Max(slot->degree, nodes->meta.m));
	for (int i = 0; i < chosen; i++)
		if (!gathering.candidates[i].binding)
			newcomers[newcomer_count++] = gathering.candidates[i].id;
	vego_links_fill_gaps(&result, newcomers, newcomer_count);
	return result;
}

/*
 * Unlike a back link these changes have to happen.  Whoever changed a node
 * first made progress, and only inserts do, so it ends.
 */
void
vego_graph_repair(VegoWorkbench *bench, const VegoNodeId *ids,
				  VegoSlot *const *slots, int count, VegoFilter gone,
				  void *arg)
{
	VegoNodes  *nodes = bench->nodes;
	VegoEdit   *edits = palloc(count * sizeof(VegoEdit));
	VegoLinks  *links = palloc(count * sizeof(VegoLinks));
	VegoSlot  **edited = palloc(count * sizeof(VegoSlot *));
	int			edit_count;

	do
	{
		edit_count = 0;
		for (int i = 0; i < count; i++)
		{
			VegoEdit   *edit = &edits[edit_count];

			if (slots[i]->kind != VEGO_SLOT_LIVE)
				continue;
			CHECK_FOR_INTERRUPTS();
			links[edit_count] = without_gone(bench, ids[i], slots[i], gone,
											 arg);
			if (!links[edit_count].wanted)
				continue;
			*edit = (VegoEdit) {ids[i], slots[i], links[edit_count].links,
								links[edit_count].degree, false};
			edited[edit_count++] = slots[i];
		}
		vego_nodes_edit(nodes, VEGO_RECORD_REPAIR, edits, edit_count);

		/* as they are now: without links to the gone, if the change was made */
		for (int i = 0; i < edit_count; i++)
			vego_nodes_read(nodes, edits[i].id, edited[i]);
	} while (edit_count > 0);
	pfree(edited);
	pfree(links);
	pfree(edits);
}

void
vego_graph_relink(VegoWorkbench *bench, VegoNodeId id, const VegoSlot *slot,
				  int ef_construction)
{
	VegoNodes  *nodes = bench->nodes;
	const VegoFactors *factors = vego_slot_factors(&nodes->geometry, slot);
	const uint8 *code = vego_slot_code(&nodes->geometry, slot);
	VegoSlot   *linked = vego_nodes_new_slot(nodes);
	VegoSlot   *chosen = vego_nodes_new_slot(nodes);
	VegoLink   *links = vego_slot_links(&nodes->geometry, linked);
	VegoLink   *additions = vego_slot_links(&nodes->geometry, chosen);
	VegoCopies	found;
	int			kept = 0;
	VegoEdit	edit = {id, slot, links, 0, false};

	vego_query_set_code(&bench->query, factors, code);
	vego_nodes_refresh(nodes);
	found = vego_copies_search(&bench->search, &bench->query, factors, code,
							   slot->level, ef_construction);
	for (int i = 0; i < found.count; i++)
		if (found.items[i].id != id)
			found.items[kept++] = found.items[i];
	found.count = kept;

	/* what it has stays, and what it would choose comes to it */
	vego_links_choose(nodes, chosen, &found);
	memcpy(linked, slot, vego_nodes_slot_bytes(nodes));
	for (int i = 0; i < chosen->degree &&
		 linked->degree < nodes->geometry.capacity; i++)
		if (!vego_links_has(nodes, linked, additions[i]))
			links[linked->degree++] = additions[i];
	edit.degree = linked->degree;
	vego_nodes_edit(nodes, VEGO_RECORD_RELINK, &edit, 1);
}

/*
 * Reads the binder and makes it bind the node; true when it does now.  What a
 * search saw of the binder would not do: it may have been a hint.
 */
static bool
binds_now(VegoNodes *nodes, VegoNodeId binder_id, VegoSlot *binder,
		  const VegoSlot *slot, VegoNodeId id)
{
	vego_nodes_read(nodes, binder_id, binder);
	return binder->kind == VEGO_SLOT_LIVE && binder->level == slot->level &&
		vego_links_insist(nodes, binder_id, binder, id | VEGO_LINK_BINDING,
						  vego_slot_factors(&nodes->geometry, slot),
						  vego_slot_code(&nodes->geometry, slot));
}

/* One of the nodes that a node binds, by chance; VEGO_NO_NODE if there is none. */
static VegoNodeId
bound_by(const VegoNodes *nodes, const VegoSlot *binder, uint32 dice)
{
	const VegoLink *links = vego_slot_links(&nodes->geometry, binder);

	for (int i = 0; i < binder->degree; i++)
	{
		VegoLink	link = links[(dice + i) % binder->degree];

		if (vego_link_is_binding(link))
			return vego_link_id(link);
	}
	return VEGO_NO_NODE;
}

/*
 * From a node down the binding links, to the first that takes one more.  Where
 * a node takes none, since all it has is binding, there are as many below it,
 * which were as near to it as this one: that is how many rows alike hang.  Down
 * a tree so wide it is not far to an end, which has room.
 */
static VegoNodeId
attach_below(VegoNodes *nodes, VegoNodeId at, VegoNodeId id,
			 const VegoSlot *slot, VegoFilter allowed, void *arg)
{
	VegoSlot   *target = vego_nodes_new_slot(nodes);

	for (int step = 0; step < MOST_STEPS_DOWN; step++)
	{
		if (at == VEGO_NO_NODE || at == id || !allowed(arg, at))
			break;
		if (binds_now(nodes, at, target, slot, id))
			return at;
		if (target->kind != VEGO_SLOT_LIVE || target->level != slot->level)
			break;
		at = bound_by(nodes, target, murmurhash32(id + step));
	}
	return VEGO_NO_NODE;
}

VegoNodeId
vego_graph_attach(VegoWorkbench *bench, VegoNodeId id, const VegoSlot *slot,
				  VegoFilter allowed, void *arg, int ef_construction)
{
	VegoNodes  *nodes = bench->nodes;
	VegoSearch *search = &bench->search;
	const VegoFactors *factors = vego_slot_factors(&nodes->geometry, slot);
	const uint8 *code = vego_slot_code(&nodes->geometry, slot);
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);
	VegoSlot   *target = vego_nodes_new_slot(nodes);
	VegoNodeId	entry[VEGO_MAX_LEVEL + 1];
	VegoCopies	copies = {nodes, factors, code, 0, 0, NULL};
	int			tried = 0;

	/* its own neighbours are near; nearest first is how lists begin */
	for (int i = 0; i < slot->degree; i++)
	{
		VegoNodeId	neighbour = vego_link_id(links[i]);

		if (neighbour == id || !allowed(arg, neighbour))
			continue;
		if (binds_now(nodes, neighbour, target, slot, id))
			return neighbour;
	}
	if (slot->degree > 0)
	{
		VegoNodeId	below = attach_below(nodes, vego_link_id(links[0]), id,
										 slot, allowed, arg);

		if (below != VEGO_NO_NODE)
			return below;
	}

	/*
	 * From the entry's own slot on the level, since what hangs from it is what
	 * counts; it always has room somewhere, for its binding links are a tree
	 * and every node has more room than one.
	 */
	vego_query_set_code(&bench->query, factors, code);
	search->query = &bench->query;
	search->found = vego_copies_keep;
	search->found_arg = &copies;
	vego_nodes_refresh(nodes);
	vego_graph_entry_slots(nodes, entry);
	if (entry[slot->level] == VEGO_NO_NODE)
		return VEGO_NO_NODE;
	vego_search_start_at(search, slot->level, ef_construction,
						 entry[slot->level]);
	do
	{
		VegoNodeId	nearest = VEGO_NO_NODE;
		VegoNodeId	below;

		vego_search_run(search);
		vego_copies_sort(&copies, tried);
		for (; tried < copies.count; tried++)
		{
			VegoCopy	   *copy = &copies.items[tried];

			pfree(copy->slot);
			if (copy->id == id || !allowed(arg, copy->id))
				continue;
			if (binds_now(nodes, copy->id, target, slot, id))
				return copy->id;
			if (nearest == VEGO_NO_NODE)
				nearest = copy->id;
		}
		below = attach_below(nodes, nearest, id, slot, allowed, arg);
		if (below != VEGO_NO_NODE)
			return below;
	} while (vego_search_widen(search));
	return VEGO_NO_NODE;
}
