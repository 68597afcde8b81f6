/*
 * links.c
 *	  Whom does a node link to, and who links back?
 */
#include "postgres.h"

#include "miscadmin.h"

#include "links.h"

/*
 * A node that is inserted chooses so many links.  More than m, since it chooses
 * among what one search found, and those that came before it have not chosen
 * with it in view.  They cost four bytes each and no page.  Under inner product
 * the rest goes to beacons.
 */
static inline int
links_to_choose(const VegoNodes *nodes)
{
	return nodes->coder.metric == VEGO_INNER_PRODUCT ?
		nodes->meta.m : nodes->meta.m * 7 / 4;
}

/*
 * A link back costs a page: to lock, to log, and to log whole after a
 * checkpoint.  So many of the nearest are worth it; the others link back where
 * a page is changed anyway.  Under inner product all are: they are fewer, and
 * who links to a node is all that leads to it from outside.  Of sparse vectors
 * twice as many are: whoever has a new node among its nearest is seldom among
 * those of the new one, which have in common what many have.
 */
static inline int
links_back_to_make(const VegoNodes *nodes)
{
	if (nodes->coder.metric == VEGO_INNER_PRODUCT)
		return nodes->geometry.capacity;
	return nodes->coder.bits == VEGO_BITS_SPARSE ?
		nodes->meta.m : nodes->meta.m / 2;
}

/*
 * Under inner product a node also links to some of those with the largest
 * products with it, its beacons.  One is left out when the product of another
 * with it is larger by so much.
 */
#define BEACON_SLACK 1.2

static inline int
beacons_to_choose(const VegoNodes *nodes)
{
	return nodes->coder.metric == VEGO_INNER_PRODUCT ?
		nodes->meta.m * 3 / 4 : 0;
}

/* How often a change is decided anew when its node keeps changing. */
#define MAX_TRIES 8

static VegoCandidate
candidate_of(const VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
			 double distance)
{
	VegoCandidate candidate;

	candidate.distance = distance;
	candidate.id = id;
	candidate.factors = vego_slot_factors(&nodes->geometry, slot);
	candidate.code = vego_slot_code(&nodes->geometry, slot);
	candidate.binding = candidate.apart = false;
	return candidate;
}

/*
 * Marks those of the candidates that are the node's beacons as binding, so
 * that they are chosen: by distance alone they would not be.  Returns how many
 * it has marked.
 */
static int
keep_beacons(const VegoNodes *nodes, const VegoFactors *factors,
			 const uint8 *code, VegoCandidate *candidates, int count)
{
	const VegoCoder *coder = &nodes->coder;
	double		products[UINT8_MAX];
	bool		seen[UINT8_MAX] = {false};
	int			beacons[UINT8_MAX];
	int			beacon_count = 0;
	int			marked = 0;

	for (int i = 0; i < count; i++)
		products[i] = vego_code_product(coder, factors, code,
										candidates[i].factors,
										candidates[i].code);

	while (beacon_count < beacons_to_choose(nodes))
	{
		int			best = -1;
		bool		hidden = false;

		for (int i = 0; i < count; i++)
			if (!seen[i] && (best < 0 || products[i] > products[best]))
				best = i;
		if (best < 0 || products[best] <= 0.0)
			break;
		seen[best] = true;
		for (int j = 0; j < beacon_count && !hidden; j++)
			hidden = vego_code_product(coder, candidates[best].factors,
									   candidates[best].code,
									   candidates[beacons[j]].factors,
									   candidates[beacons[j]].code) >
				BEACON_SLACK * products[best];
		if (hidden)
			continue;
		beacons[beacon_count++] = best;
		if (!candidates[best].binding)
			marked++;
		candidates[best].binding = true;
	}
	return marked;
}

void
vego_links_fill_gaps(VegoLinks *list, const VegoLink *newcomers, int count)
{
	int			next = 0;

	for (int i = 0; i < list->degree && next < count; i++)
		if (list->links[i] == VEGO_NO_NODE)
			list->links[i] = newcomers[next++];
	while (next < count)
		list->links[list->degree++] = newcomers[next++];

	for (int i = 0; i < list->degree; i++)
	{
		while (list->degree > i &&
			   list->links[list->degree - 1] == VEGO_NO_NODE)
			list->degree--;
		if (i < list->degree && list->links[i] == VEGO_NO_NODE)
			list->links[i] = list->links[--list->degree];
	}
}

/*
 * Chooses again whom a node links to, now that its room is used up and one
 * more wants in.  Neighbours are looked at by hints, hence what is binding
 * stays without question.
 */
static VegoLinks
choose_again(VegoNodes *nodes, const VegoSlot *target, VegoLink newcomer,
			 const VegoFactors *factors, const uint8 *code)
{
	const VegoGeometry *geometry = &nodes->geometry;
	const VegoFactors *own_factors = vego_slot_factors(geometry, target);
	const uint8 *own_code = vego_slot_code(geometry, target);
	const VegoLink *links = vego_slot_links(geometry, target);
	int			count = 0;
	int			bound = 0;
	int			chosen = 0;
	size_t		code_room = MAXALIGN(geometry->code_bytes);
	VegoFactors *factor_copies = palloc(target->degree * sizeof(VegoFactors));
	uint8	   *code_copies = palloc(target->degree * code_room);
	VegoCandidate *candidates =
		palloc((target->degree + 1) * sizeof(VegoCandidate));
	VegoLinks		result = {false};

	for (int i = 0; i < target->degree; i++)
	{
		VegoCandidate *candidate = &candidates[count];
		bool		live;

		candidate->id = vego_link_id(links[i]);
		candidate->binding = vego_link_is_binding(links[i]);
		candidate->apart = false;
		candidate->factors = &factor_copies[i];
		candidate->code = code_copies + i * code_room;
		live = vego_nodes_sketch(nodes, candidate->id, &factor_copies[i],
								 code_copies + i * code_room);
		if (!live && !candidate->binding)
			continue;
		candidate->distance =
			vego_code_distance(&nodes->coder, own_factors, own_code,
							   candidate->factors, candidate->code);
		bound += candidate->binding;
		count++;
	}
	candidates[count].id = vego_link_id(newcomer);
	candidates[count].binding = vego_link_is_binding(newcomer);
	candidates[count].apart = false;
	candidates[count].factors = factors;
	candidates[count].code = code;
	candidates[count].distance =
		vego_code_distance(&nodes->coder, own_factors, own_code, factors,
						   code);
	bound += candidates[count].binding;
	count++;
	if (beacons_to_choose(nodes) > 0 &&
		bound + beacons_to_choose(nodes) <= geometry->capacity)
		bound += keep_beacons(nodes, own_factors, own_code, candidates, count);

	if (bound <= geometry->capacity)
	{
		vego_candidates_sort(candidates, count);
		chosen = vego_select_neighbours(&nodes->coder, candidates, count,
										geometry->capacity);
		for (int i = 0; i < chosen; i++)
			result.wanted |= candidates[i].id == vego_link_id(newcomer);
	}
	if (result.wanted)
	{
		result.degree = target->degree;
		memcpy(result.links, links, target->degree * sizeof(VegoLink));
		for (int i = 0; i < result.degree; i++)
		{
			bool		survives = false;

			for (int j = 0; j < chosen && !survives; j++)
				survives = candidates[j].id == vego_link_id(result.links[i]);
			if (!survives)
				result.links[i] = VEGO_NO_NODE;
		}
		vego_links_fill_gaps(&result, &newcomer, 1);
	}
	pfree(candidates);
	pfree(code_copies);
	pfree(factor_copies);
	return result;
}

/* What is binding stays, so a node that has nothing else takes no more. */
static bool
takes_no_more(const VegoNodes *nodes, const VegoSlot *slot)
{
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);

	if (slot->degree < nodes->geometry.capacity)
		return false;
	for (int i = 0; i < slot->degree; i++)
		if (!vego_link_is_binding(links[i]))
			return false;
	return true;
}

/* The links of a node with one more, if it wants it. */
static VegoLinks
with_link(VegoNodes *nodes, const VegoSlot *target, VegoLink newcomer,
		  const VegoFactors *factors, const uint8 *code)
{
	const VegoLink *links = vego_slot_links(&nodes->geometry, target);
	VegoLinks		result = {false};

	for (int i = 0; i < target->degree; i++)
	{
		if (vego_link_id(links[i]) != vego_link_id(newcomer))
			continue;
		/* linked already, perhaps to an earlier node of that slot */
		result.wanted = vego_link_is_binding(newcomer) &&
			!vego_link_is_binding(links[i]);
		result.degree = target->degree;
		memcpy(result.links, links,
			   target->degree * sizeof(VegoLink));
		result.links[i] |= newcomer;
		return result;
	}

	if (takes_no_more(nodes, target))
		return result;
	if (target->degree == nodes->geometry.capacity)
		return choose_again(nodes, target, newcomer, factors, code);

	result.wanted = true;
	result.degree = target->degree + 1;
	memcpy(result.links, links, target->degree * sizeof(VegoLink));
	result.links[target->degree] = newcomer;
	return result;
}

bool
vego_links_has(const VegoNodes *nodes, const VegoSlot *slot, VegoNodeId id)
{
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);

	for (int i = 0; i < slot->degree; i++)
		if (vego_link_id(links[i]) == id)
			return true;
	return false;
}

/* Is there, under the list's present binding links, a binding link to id? */
static bool
binds(const VegoNodes *nodes, const VegoSlot *slot, VegoNodeId id)
{
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);

	for (int i = 0; i < slot->degree; i++)
		if (links[i] == (id | VEGO_LINK_BINDING))
			return true;
	return false;
}

bool
vego_links_insist(VegoNodes *nodes, VegoNodeId target_id, VegoSlot *target,
			   VegoLink newcomer, const VegoFactors *factors,
			   const uint8 *code)
{
	for (int try = 0; try < MAX_TRIES; try++)
	{
		VegoLinks		links = with_link(nodes, target, newcomer, factors, code);
		VegoEdit	edit = {target_id, target, links.links, links.degree, false};
		VegoSlot   *now;
		bool		same;

		if (!links.wanted)
			return binds(nodes, target, vego_link_id(newcomer)) ||
				!vego_link_is_binding(newcomer);
		if (vego_nodes_edit(nodes, VEGO_RECORD_BINDING, &edit, 1) == 1)
			return true;

		CHECK_FOR_INTERRUPTS();
		now = vego_nodes_new_slot(nodes);
		vego_nodes_read(nodes, target_id, now);
		same = now->kind == VEGO_SLOT_LIVE && vego_slot_is_same(now, target);
		memcpy(target, now, vego_nodes_slot_bytes(nodes));
		pfree(now);
		if (!same)
			return false;
	}
	return false;
}

static bool
page_changes_anyway(const VegoNodes *nodes, VegoNodeId id,
					const VegoEdit *edits, int count)
{
	BlockNumber block = vego_node_block(&nodes->geometry, id);

	for (int i = 0; i < count; i++)
		if (vego_node_block(&nodes->geometry, edits[i].id) == block)
			return true;
	return false;
}

bool
vego_links_back(VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
		  VegoCopies *copies)
{
	const VegoFactors *factors = vego_slot_factors(&nodes->geometry, slot);
	const uint8 *code = vego_slot_code(&nodes->geometry, slot);
	VegoEdit   *edits = palloc(slot->degree * sizeof(VegoEdit));
	VegoLinks	   *links = palloc(slot->degree * sizeof(VegoLinks));
	int			count = 0;
	bool		bound = false;
	VegoNodeId	binder = VEGO_NO_NODE;

	for (int i = 0; i < copies->count && count < slot->degree; i++)
	{
		VegoCopy	   *copy = &copies->items[i];

		if (!vego_links_has(nodes, slot, copy->id) ||
			(count >= links_back_to_make(nodes) &&
			 !page_changes_anyway(nodes, copy->id, edits, count)))
			continue;
		links[count] = with_link(nodes, copy->slot,
								 binder == VEGO_NO_NODE ?
								 id | VEGO_LINK_BINDING : id, factors, code);
		if (!links[count].wanted)
			continue;
		if (binder == VEGO_NO_NODE)
			binder = copy->id;
		edits[count] = (VegoEdit) {copy->id, copy->slot, links[count].links,
								   links[count].degree, false};
		count++;
	}

	vego_nodes_edit(nodes, VEGO_RECORD_LINKS_BACK, edits, count);
	for (int i = 0; i < count; i++)
		bound |= edits[i].id == binder && edits[i].applied;

	for (int i = 0; i < copies->count && !bound; i++)
	{
		/* the copy may be older than a change just made */
		vego_nodes_read(nodes, copies->items[i].id, nodes->scratch);
		if (!vego_slot_is_same(nodes->scratch, copies->items[i].slot))
			continue;
		memcpy(copies->items[i].slot, nodes->scratch,
			   vego_nodes_slot_bytes(nodes));
		bound = vego_links_insist(nodes, copies->items[i].id,
							   copies->items[i].slot, id | VEGO_LINK_BINDING,
							   factors, code);
	}
	pfree(links);
	pfree(edits);
	return bound;
}

void
vego_links_choose(VegoNodes *nodes, VegoSlot *slot, const VegoCopies *copies)
{
	VegoCandidate *candidates = palloc(copies->count * sizeof(VegoCandidate));
	VegoLink   *links = vego_slot_links(&nodes->geometry, slot);
	int			chosen;

	for (int i = 0; i < copies->count; i++)
		candidates[i] = candidate_of(nodes, copies->items[i].id,
									 copies->items[i].slot,
									 copies->items[i].distance);
	chosen = vego_select_neighbours(&nodes->coder, candidates, copies->count,
									links_to_choose(nodes));
	for (int i = 0; i < chosen; i++)
		links[i] = candidates[i].id;
	slot->degree = chosen;
	pfree(candidates);
}

void
vego_links_choose_beacons(VegoNodes *nodes, VegoSlot *slot, VegoCopies *near,
			   const VegoCopies *beacons)
{
	const VegoGeometry *geometry = &nodes->geometry;
	VegoLink   *links = vego_slot_links(geometry, slot);
	const VegoSlot *chosen[UINT8_MAX];
	int			count = 0;

	for (int i = 0; i < beacons->count &&
		 count < beacons_to_choose(nodes); i++)
	{
		const VegoCopy *copy = &beacons->items[i];
		double		product = -copy->distance;
		bool		hidden = product <= 0.0;

		for (int j = 0; j < count && !hidden; j++)
			hidden = vego_code_product(&nodes->coder,
									   vego_slot_factors(geometry, copy->slot),
									   vego_slot_code(geometry, copy->slot),
									   vego_slot_factors(geometry, chosen[j]),
									   vego_slot_code(geometry, chosen[j])) >
				BEACON_SLACK * product;
		if (hidden)
			continue;
		chosen[count++] = copy->slot;
		if (vego_links_has(nodes, slot, copy->id))
			continue;
		links[slot->degree++] = copy->id;
		/* each node once: it is changed once when links go back */
		if (!vego_copies_has(near, copy->id))
			vego_copies_keep(near, copy->id, 0.0, copy->slot);
	}
}
