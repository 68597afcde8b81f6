/*
 * repair.c
 *	  How is the graph mended around nodes that are gone?
 */
#include "postgres.h"

#include "miscadmin.h"

#include "links.h"

/* Adds a node to the candidates unless it is there, gone, or the node itself. */
typedef struct Gathering
{
	VegoNodes  *nodes;
	VegoNodeId	self;
	const VegoSlot *slot;
	VegoCandidate *candidates;
	int			count;
	VegoVisited *met;
} Gathering;

static void
gather(Gathering *gathering, VegoLink link)
{
	VegoNodes  *nodes = gathering->nodes;
	VegoNodeId	id = vego_link_id(link);
	VegoCandidate *candidate = &gathering->candidates[gathering->count];
	VegoFactors *factors;
	uint8	   *code;

	if (id == gathering->self || !vego_visited_add(gathering->met, id))
		return;
	vego_nodes_read(nodes, id, nodes->scratch);
	if (nodes->scratch->kind != VEGO_SLOT_LIVE ||
		nodes->scratch->level != gathering->slot->level)
		return;
	factors = palloc(sizeof(VegoFactors));
	code = palloc(nodes->geometry.code_bytes);
	*factors = *vego_slot_factors(&nodes->geometry, nodes->scratch);
	memcpy(code, vego_slot_code(&nodes->geometry, nodes->scratch),
		   nodes->geometry.code_bytes);
	candidate->id = id;
	candidate->factors = factors;
	candidate->code = code;
	candidate->distance =
		vego_code_distance(&nodes->coder,
						   vego_slot_factors(&nodes->geometry, gathering->slot),
						   vego_slot_code(&nodes->geometry, gathering->slot),
						   factors, code);
	candidate->binding = vego_link_is_binding(link);
	gathering->count++;
}

/* The links of a node once those to gone nodes are replaced. */
static VegoLinks
without_gone(VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
			 VegoFilter gone, void *arg)
{
	int			capacity = nodes->geometry.capacity;
	VegoSlot   *dead = vego_nodes_new_slot(nodes);
	const VegoLink *dead_links = vego_slot_links(&nodes->geometry, dead);
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);
	Gathering	gathering = {nodes, id, slot};
	VegoLinks		result = {false};
	int			chosen;

	gathering.candidates = palloc((size_t) capacity * (capacity + 1) *
								  sizeof(VegoCandidate));
	gathering.met = vego_visited_borrow();

	/* own links first: their binding bits count */
	for (int i = 0; i < slot->degree; i++)
		if (!gone(arg, vego_link_id(links[i])))
			gather(&gathering, links[i]);
	for (int i = 0; i < slot->degree; i++)
	{
		if (!gone(arg, vego_link_id(links[i])))
			continue;
		result.wanted = true;
		vego_nodes_read(nodes, vego_link_id(links[i]), dead);
		if (dead->level != slot->level)
			continue;
		for (int j = 0; j < dead->degree; j++)
			if (!gone(arg, vego_link_id(dead_links[j])))
				gather(&gathering, vego_link_id(dead_links[j]));
	}

	vego_candidates_sort(gathering.candidates, gathering.count);
	chosen = vego_select_neighbours(&nodes->coder, gathering.candidates,
									gathering.count,
									Max(slot->degree, nodes->meta.m));
	for (int i = 0; i < chosen; i++)
		result.links[i] = gathering.candidates[i].id |
			(gathering.candidates[i].binding ? VEGO_LINK_BINDING : 0);
	result.degree = chosen;
	return result;
}

void
vego_graph_repair(VegoNodes *nodes, VegoNodeId id, VegoSlot *slot,
				  VegoFilter gone, void *arg)
{
	/*
	 * Unlike a back link this change has to happen.  Whoever changed the node
	 * first made progress, and only inserts do, so it ends.
	 */
	while (slot->kind == VEGO_SLOT_LIVE)
	{
		VegoLinks		links = without_gone(nodes, id, slot, gone, arg);
		VegoEdit	edit = {id, slot, links.links, links.degree, false};

		if (!links.wanted)
			return;
		if (vego_nodes_edit(nodes, &edit, 1) == 1)
		{
			memcpy(vego_slot_links(&nodes->geometry, slot), links.links,
				   links.degree * sizeof(VegoLink));
			slot->degree = links.degree;
			return;
		}
		CHECK_FOR_INTERRUPTS();
		vego_nodes_read(nodes, id, slot);
	}
}

void
vego_graph_relink(VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
				  int ef_construction)
{
	const VegoFactors *factors = vego_slot_factors(&nodes->geometry, slot);
	const uint8 *code = vego_slot_code(&nodes->geometry, slot);
	VegoSlot   *linked = vego_nodes_new_slot(nodes);
	VegoSlot   *chosen = vego_nodes_new_slot(nodes);
	VegoLink   *links = vego_slot_links(&nodes->geometry, linked);
	VegoLink   *additions = vego_slot_links(&nodes->geometry, chosen);
	VegoQuery	query;
	VegoSearch	search;
	VegoCopies		found;
	int			kept = 0;
	VegoEdit	edit = {id, slot, links, 0, false};

	vego_query_init(&query, &nodes->coder);
	vego_query_set_code(&query, factors, code);
	vego_search_init(&search, nodes, &query, NULL, NULL);
	vego_nodes_refresh(nodes);
	found = vego_copies_search(nodes, &search, factors, code, slot->level,
						  ef_construction);
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
	vego_nodes_edit(nodes, &edit, 1);
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

VegoNodeId
vego_graph_attach(VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
				  VegoFilter allowed, void *arg, int ef_construction)
{
	const VegoFactors *factors = vego_slot_factors(&nodes->geometry, slot);
	const uint8 *code = vego_slot_code(&nodes->geometry, slot);
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);
	VegoSlot   *target = vego_nodes_new_slot(nodes);
	VegoNodeId	entry[VEGO_MAX_LEVEL + 1];
	VegoQuery	query;
	VegoSearch	search;
	VegoCopies		copies = {nodes, factors, code, 0, 0, NULL};
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

	/*
	 * From the entry's own slot on the level, since what hangs from it is what
	 * counts; it always has room somewhere, for its binding links are a tree
	 * and every node has more room than one.
	 */
	vego_query_init(&query, &nodes->coder);
	vego_query_set_code(&query, factors, code);
	vego_search_init(&search, nodes, &query, vego_copies_keep, &copies);
	vego_nodes_refresh(nodes);
	vego_graph_entry_slots(nodes, entry);
	if (entry[slot->level] == VEGO_NO_NODE)
		return VEGO_NO_NODE;
	vego_search_start_at(&search, slot->level, ef_construction,
						 entry[slot->level]);
	do
	{
		vego_search_run(&search);
		vego_copies_sort(&copies, tried);
		for (; tried < copies.count; tried++)
		{
			VegoCopy	   *copy = &copies.items[tried];

			if (copy->id != id && allowed(arg, copy->id) &&
				binds_now(nodes, copy->id, target, slot, id))
				return copy->id;
			pfree(copy->slot);
		}
	} while (vego_search_widen(&search));
	return VEGO_NO_NODE;
}
