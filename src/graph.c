/*
 * graph.c
 *	  How does a node come into the graph, and how is the graph mended around
 *	  nodes that are gone?
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "graph.h"

/*
 * A node that is inserted chooses so many links.  A quarter more than m, since
 * it chooses among what one search found, and those that came before it have
 * not chosen with it in view; measured, this makes up for it.
 */
static inline int
links_to_choose(const VegoNodes *nodes)
{
	return nodes->meta.m * 5 / 4;
}

/*
 * Under inner product a node also links to some of those with the largest
 * products with it, its beacons: a share of m.  One is left out when the
 * product of another with it is larger by so much.
 */
#define BEACON_SHARE 2
#define BEACON_SLACK 1.2

/* An index whose radius is exceeded gets so much more. */
#define RADIUS_GROWTH 1.25

/* How often a change is decided anew when its node keeps changing. */
#define MAX_TRIES 8

/* A node as a search read it. */
typedef struct Copy
{
	VegoNodeId	id;
	double		distance;
	VegoSlot   *slot;
} Copy;

typedef struct Copies
{
	const VegoNodes *nodes;
	const VegoFactors *factors; /* of the node they are candidates for, or
								 * NULL: then ranks are distance enough */
	const uint8 *code;
	int			count;
	int			room;
	Copy	   *items;
} Copies;

static VegoCandidate
candidate_of(const VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
			 double distance)
{
	VegoCandidate candidate;

	candidate.distance = distance;
	candidate.id = id;
	candidate.factors = vego_slot_factors(&nodes->geometry, slot);
	candidate.code = vego_slot_code(&nodes->geometry, slot);
	candidate.binding = false;
	return candidate;
}

static double
slot_distance(const VegoNodes *nodes, const VegoFactors *factors,
			  const uint8 *code, const VegoSlot *slot)
{
	return vego_code_distance(&nodes->coder, factors, code,
							  vego_slot_factors(&nodes->geometry, slot),
							  vego_slot_code(&nodes->geometry, slot));
}

static void
keep_copy(void *arg, VegoNodeId id, double rank, const VegoSlot *slot)
{
	Copies	   *copies = arg;
	const VegoNodes *nodes = copies->nodes;
	Copy	   *copy;

	if (copies->count == copies->room)
	{
		copies->room = Max(64, 2 * copies->room);
		if (copies->items == NULL)
			copies->items = palloc(copies->room * sizeof(Copy));
		else
			copies->items = repalloc(copies->items,
									 copies->room * sizeof(Copy));
	}
	copy = &copies->items[copies->count++];
	copy->id = id;
	copy->slot = palloc(vego_nodes_slot_bytes(nodes));
	memcpy(copy->slot, slot, vego_nodes_slot_bytes(nodes));
	copy->distance = copies->factors ?
		slot_distance(nodes, copies->factors, copies->code, slot) : rank;
}

static int
compare_copies(const void *a, const void *b)
{
	const Copy *ca = a;
	const Copy *cb = b;

	if (ca->distance != cb->distance)
		return ca->distance < cb->distance ? -1 : 1;
	return ca->id < cb->id ? -1 : ca->id > cb->id;
}

/*
 * The live nodes of a level near a code, nearest first.  The search goes on
 * past its width while it has found none.
 */
static Copies
search_copies(VegoNodes *nodes, VegoSearch *search, const VegoFactors *factors,
			  const uint8 *code, int level, int width)
{
	Copies		copies = {nodes, factors, code, 0, 0, NULL};

	search->found = keep_copy;
	search->found_arg = &copies;
	vego_search_start(search, level, width);
	do
		vego_search_run(search);
	while (copies.count == 0 && vego_search_widen(search));
	search->found_arg = NULL;
	qsort(copies.items, copies.count, sizeof(Copy), compare_copies);
	return copies;
}

/* A new list of links for a node, decided from the copy of its slot. */
typedef struct Links
{
	bool		wanted;			/* is there anything to change? */
	int			degree;
	VegoLink	links[UINT8_MAX];
} Links;

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

	while (beacon_count < nodes->meta.m / BEACON_SHARE)
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

/*
 * Chooses again whom a node links to, now that its room is used up and one
 * more wants in.  Survivors stay where they are in the list, so that the
 * change is small in WAL.  Neighbours are looked at by hints, hence what is
 * binding stays without question.
 */
static Links
choose_again(VegoNodes *nodes, const VegoSlot *target, VegoLink newcomer,
			 const VegoFactors *factors, const uint8 *code)
{
	const VegoGeometry *geometry = &nodes->geometry;
	const VegoFactors *own_factors = vego_slot_factors(geometry, target);
	const uint8 *own_code = vego_slot_code(geometry, target);
	const VegoLink *links = vego_slot_links(geometry, target);
	int			count = 0;
	int			bound = 0;
	int			chosen;
	size_t		code_room = MAXALIGN(geometry->code_bytes);
	VegoFactors *factor_copies = palloc(target->degree * sizeof(VegoFactors));
	uint8	   *code_copies = palloc(target->degree * code_room);
	VegoCandidate *candidates =
		palloc((target->degree + 1) * sizeof(VegoCandidate));
	Links		result = {false};

	for (int i = 0; i < target->degree; i++)
	{
		VegoCandidate *candidate = &candidates[count];
		bool		live;

		candidate->id = vego_link_id(links[i]);
		candidate->binding = vego_link_is_binding(links[i]);
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
	candidates[count].factors = factors;
	candidates[count].code = code;
	candidates[count].distance =
		vego_code_distance(&nodes->coder, own_factors, own_code, factors,
						   code);
	bound += candidates[count].binding;
	count++;
	if (nodes->coder.metric == VEGO_INNER_PRODUCT &&
		bound + nodes->meta.m / BEACON_SHARE <= geometry->capacity)
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
		int			last;

		/* survivors in place, the newcomer in the first gap, no gap left */
		result.degree = target->degree;
		memcpy(result.links, links,
			   target->degree * sizeof(VegoLink));
		for (int i = 0; i < result.degree; i++)
		{
			bool		survives = false;

			for (int j = 0; j < chosen && !survives; j++)
				survives = candidates[j].id == vego_link_id(result.links[i]);
			if (!survives)
				result.links[i] = VEGO_NO_NODE;
		}
		last = result.degree - 1;
		for (int i = 0; i <= last; i++)
		{
			if (result.links[i] != VEGO_NO_NODE)
				continue;
			if (newcomer != VEGO_NO_NODE)
			{
				result.links[i] = newcomer;
				newcomer = VEGO_NO_NODE;
				continue;
			}
			while (last > i && result.links[last] == VEGO_NO_NODE)
				last--;
			result.links[i] = result.links[last--];
		}
		while (last >= 0 && result.links[last] == VEGO_NO_NODE)
			last--;
		result.degree = last + 1;
	}
	pfree(candidates);
	pfree(code_copies);
	pfree(factor_copies);
	return result;
}

/* The links of a node with one more, if it wants it. */
static Links
with_link(VegoNodes *nodes, const VegoSlot *target, VegoLink newcomer,
		  const VegoFactors *factors, const uint8 *code)
{
	const VegoLink *links = vego_slot_links(&nodes->geometry, target);
	Links		result = {false};

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

	if (target->degree == nodes->geometry.capacity)
		return choose_again(nodes, target, newcomer, factors, code);

	result.wanted = true;
	result.degree = target->degree + 1;
	memcpy(result.links, links, target->degree * sizeof(VegoLink));
	result.links[target->degree] = newcomer;
	return result;
}

static bool
links_to(const VegoNodes *nodes, const VegoSlot *slot, VegoNodeId id)
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

/*
 * Makes one node link to another, whatever others change meanwhile: as long
 * as the target is the node that was read, the change is decided again from
 * what its links have become.
 */
static bool
insist_on_link(VegoNodes *nodes, VegoNodeId target_id, VegoSlot *target,
			   VegoLink newcomer, const VegoFactors *factors,
			   const uint8 *code)
{
	for (int try = 0; try < MAX_TRIES; try++)
	{
		Links		links = with_link(nodes, target, newcomer, factors, code);
		VegoEdit	edit = {target_id, target, links.links, links.degree, false};
		VegoSlot   *now;
		bool		same;

		if (!links.wanted)
			return binds(nodes, target, vego_link_id(newcomer)) ||
				!vego_link_is_binding(newcomer);
		if (vego_nodes_edit(nodes, &edit, 1) == 1)
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

/*
 * Links back to a new node: a binding link from the nearest node that has
 * room for one, links from the other chosen ones if they want it.  All
 * changes go out together; only a binding link that could not be made is
 * tried again, with any node the search found.
 */
static bool
link_back(VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
		  Copies *copies)
{
	const VegoFactors *factors = vego_slot_factors(&nodes->geometry, slot);
	const uint8 *code = vego_slot_code(&nodes->geometry, slot);
	VegoEdit   *edits = palloc(slot->degree * sizeof(VegoEdit));
	Links	   *links = palloc(slot->degree * sizeof(Links));
	int			count = 0;
	bool		bound = false;
	VegoNodeId	binder = VEGO_NO_NODE;

	for (int i = 0; i < copies->count && count < slot->degree; i++)
	{
		Copy	   *copy = &copies->items[i];

		if (!links_to(nodes, slot, copy->id))
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

	vego_nodes_edit(nodes, edits, count);
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
		bound = insist_on_link(nodes, copies->items[i].id,
							   copies->items[i].slot, id | VEGO_LINK_BINDING,
							   factors, code);
	}
	pfree(links);
	pfree(edits);
	return bound;
}

/* Chooses the links of a new node among the nodes a search found. */
static void
choose_links(VegoNodes *nodes, VegoSlot *slot, const Copies *copies)
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

static bool
was_found(const Copies *copies, VegoNodeId id)
{
	for (int i = 0; i < copies->count; i++)
		if (copies->items[i].id == id)
			return true;
	return false;
}

/*
 * Adds the node's beacons to its links, and to the nodes that may link back.
 * Neighbours on the lifted sphere lie inwards, towards smaller norms; beacons
 * lead outwards, to where the largest products with a query are.
 */
static void
choose_beacons(VegoNodes *nodes, VegoSlot *slot, Copies *near,
			   const Copies *beacons)
{
	const VegoGeometry *geometry = &nodes->geometry;
	VegoLink   *links = vego_slot_links(geometry, slot);
	const VegoSlot *chosen[UINT8_MAX];
	int			count = 0;

	for (int i = 0; i < beacons->count &&
		 count < nodes->meta.m / BEACON_SHARE; i++)
	{
		const Copy *copy = &beacons->items[i];
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
		if (links_to(nodes, slot, copy->id))
			continue;
		links[slot->degree++] = copy->id;
		/* each node once: it is changed once when links go back */
		if (!was_found(near, copy->id))
			keep_copy(near, copy->id, 0.0, copy->slot);
	}
}

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
	int			level;			/* its highest */
	int			ef_construction;
	bool		locked;			/* the entry lock is held */
	bool		becomes_entry;	/* then it is */
	VegoNodeId	old_entry[VEGO_MAX_LEVEL + 1];	/* slots of the old entry */
	Copies		near[VEGO_MAX_LEVEL + 1];	/* what was found, by level */
	Copies		beacons[VEGO_MAX_LEVEL + 1];	/* by inner product */
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
	Copies		found;
	int			kept = 0;
	VegoEdit	edit = {id, slot, links, 0, false};

	vego_query_init(&query, &nodes->coder);
	vego_query_set_code(&query, factors, code);
	vego_search_init(&search, nodes, &query, NULL, NULL);
	vego_nodes_refresh(nodes);
	found = search_copies(nodes, &search, factors, code, slot->level,
						  ef_construction);
	for (int i = 0; i < found.count; i++)
		if (found.items[i].id != id)
			found.items[kept++] = found.items[i];
	found.count = kept;

	/* what it has stays, and what it would choose comes to it */
	choose_links(nodes, chosen, &found);
	memcpy(linked, slot, vego_nodes_slot_bytes(nodes));
	for (int i = 0; i < chosen->degree &&
		 linked->degree < nodes->geometry.capacity; i++)
		if (!links_to(nodes, linked, additions[i]))
			links[linked->degree++] = additions[i];
	edit.degree = linked->degree;
	vego_nodes_edit(nodes, &edit, 1);
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
	Copies		copies = {nodes, factors, code, 0, 0, NULL};
	int			tried = 0;

	/* its own neighbours are near; nearest first is how lists begin */
	for (int i = 0; i < slot->degree; i++)
	{
		VegoNodeId	neighbour = vego_link_id(links[i]);

		if (neighbour == id || !allowed(arg, neighbour))
			continue;
		vego_nodes_read(nodes, neighbour, target);
		if (target->kind == VEGO_SLOT_LIVE && target->level == slot->level &&
			insist_on_link(nodes, neighbour, target, id | VEGO_LINK_BINDING,
						   factors, code))
			return neighbour;
	}

	/*
	 * From the entry's own slot on the level, since what hangs from it is what
	 * counts; it always has room somewhere, for its binding links are a tree
	 * and every node has more room than one.
	 */
	vego_query_init(&query, &nodes->coder);
	vego_query_set_code(&query, factors, code);
	vego_search_init(&search, nodes, &query, keep_copy, &copies);
	vego_nodes_refresh(nodes);
	vego_graph_entry_slots(nodes, entry);
	if (entry[slot->level] == VEGO_NO_NODE)
		return VEGO_NO_NODE;
	vego_search_start_at(&search, slot->level, ef_construction,
						 entry[slot->level]);
	do
	{
		vego_search_run(&search);
		qsort(copies.items + tried, copies.count - tried, sizeof(Copy),
			  compare_copies);
		for (; tried < copies.count; tried++)
		{
			Copy	   *copy = &copies.items[tried];

			if (copy->id != id && allowed(arg, copy->id) &&
				insist_on_link(nodes, copy->id, copy->slot,
							   id | VEGO_LINK_BINDING, factors, code))
				return copy->id;
			pfree(copy->slot);
		}
	} while (vego_search_widen(&search));
	return VEGO_NO_NODE;
}

static bool
any_node(void *arg, VegoNodeId id)
{
	return true;
}

/*
 * Links are chosen before the node has an id, and a chosen node may have been
 * freed since and its slot given to this one.
 */
static void
drop_self_link(VegoNodes *nodes, VegoNodeId id, VegoSlot *slot)
{
	VegoSlot   *before = nodes->scratch;
	const VegoLink *had = vego_slot_links(&nodes->geometry, before);
	VegoLink   *links = vego_slot_links(&nodes->geometry, slot);
	VegoEdit	edit = {id, before, links, 0, false};

	memcpy(before, slot, vego_nodes_slot_bytes(nodes));
	slot->degree = 0;
	for (int i = 0; i < before->degree; i++)
		if (vego_link_id(had[i]) != id)
			links[slot->degree++] = had[i];
	if (slot->degree == before->degree)
		return;
	/* a node that nobody links to is changed by nobody */
	edit.degree = slot->degree;
	vego_nodes_edit(nodes, &edit, 1);
}

/*
 * Writes the slots from level 0 upwards, each as one complete node with its
 * links, then its back links; the entry comes last.  What a crash leaves after
 * any of these records is a valid graph (src/README, "Insert").
 */
static void
write_slots(VegoNodes *nodes, Insertion *insertion)
{
	VegoNodeId	below = VEGO_NO_NODE;

	for (int level = 0; level <= insertion->level; level++)
	{
		VegoSlot   *slot = make_slot(nodes, insertion->factors,
									 insertion->code, level);
		Copies	   *near = &insertion->near[level];

		if (level == 0)
			slot->tid = *insertion->tid;
		else
			vego_slot_set_down(slot, below);
		choose_links(nodes, slot, near);
		choose_beacons(nodes, slot, near, &insertion->beacons[level]);
		if (insertion->becomes_entry &&
			insertion->old_entry[level] != VEGO_NO_NODE)
			bind_old_entry(nodes, slot, insertion->old_entry[level]);

		below = vego_nodes_insert(nodes, slot);
		drop_self_link(nodes, below, slot);
		if (link_back(nodes, below, slot, near) || insertion->becomes_entry ||
			vego_graph_attach(nodes, below, slot, any_node, NULL,
							  insertion->ef_construction) != VEGO_NO_NODE)
			continue;

		/* everyone has gone since the search: begin a new graph */
		insertion->level = level;
		insertion->becomes_entry = true;
		if (!insertion->locked)
			vego_nodes_lock_entry(nodes);
		insertion->locked = true;
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
search_levels(VegoNodes *nodes, Insertion *insertion)
{
	const VegoCoder *coder = &nodes->coder;
	int			entry_level = nodes->meta.entry_level;
	int			top = Min(insertion->level, entry_level);
	VegoQuery	query;
	VegoQuery	product;
	VegoSearch	search;

	vego_query_init(&query, coder);
	vego_query_set_code(&query, insertion->factors, insertion->code);
	if (coder->metric == VEGO_INNER_PRODUCT)
	{
		float	   *x = palloc(coder->dims * sizeof(float));

		vego_query_init(&product, coder);
		vego_decode(coder, insertion->factors, insertion->code, x);
		vego_query_set(&product, x);
	}

	for (int level = top; level >= 0; level--)
	{
		vego_search_init(&search, nodes, &query, NULL, NULL);
		insertion->near[level] = search_copies(nodes, &search,
											   insertion->factors,
											   insertion->code, level,
											   insertion->ef_construction);
		if (insertion->near[level].count == 0)
		{
			insertion->level = level - 1;
			insertion->becomes_entry = false;
			continue;
		}
		if (coder->metric == VEGO_INNER_PRODUCT)
		{
			vego_search_init(&search, nodes, &product, NULL, NULL);
			insertion->beacons[level] = search_copies(nodes, &search, NULL,
													  NULL, level,
													  insertion->ef_construction);
		}
	}
	return insertion->level >= 0;
}

void
vego_graph_insert(VegoNodes *nodes, const VegoFactors *factors,
				  const uint8 *code, ItemPointer tid, int level,
				  int ef_construction)
{
	Insertion	insertion;

	if (nodes->coder.metric == VEGO_INNER_PRODUCT &&
		factors->norm > nodes->coder.radius)
		vego_nodes_grow_radius(nodes, factors->norm * RADIUS_GROWTH);

	memset(&insertion, 0, sizeof(insertion));
	insertion.factors = factors;
	insertion.code = code;
	insertion.tid = tid;
	insertion.ef_construction = ef_construction;

	for (;;)
	{
		bool		empty;

		vego_nodes_refresh(nodes);
		empty = nodes->meta.entry == VEGO_NO_NODE;
		insertion.level = empty ? 0 :
			Min(level, Min(VEGO_MAX_LEVEL, (int) nodes->meta.entry_level + 1));
		insertion.becomes_entry = empty ||
			insertion.level > (int) nodes->meta.entry_level;

		if (!insertion.becomes_entry || insertion.locked)
		{
			vego_graph_entry_slots(nodes, insertion.old_entry);
			if (empty || search_levels(nodes, &insertion))
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
	}

	write_slots(nodes, &insertion);
	if (insertion.locked)
		vego_nodes_unlock_entry(nodes);
}

/* Adds a node to the candidates unless it is there, gone, or the node itself. */
typedef struct Gathering
{
	VegoNodes  *nodes;
	VegoNodeId	self;
	const VegoSlot *slot;
	VegoCandidate *candidates;
	int			count;
	VegoVisited met;
} Gathering;

static void
gather(Gathering *gathering, VegoLink link)
{
	VegoNodes  *nodes = gathering->nodes;
	VegoNodeId	id = vego_link_id(link);
	VegoCandidate *candidate = &gathering->candidates[gathering->count];
	VegoFactors *factors;
	uint8	   *code;

	if (id == gathering->self || !vego_visited_add(&gathering->met, id))
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
static Links
without_gone(VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
			 VegoFilter gone, void *arg)
{
	int			capacity = nodes->geometry.capacity;
	VegoSlot   *dead = vego_nodes_new_slot(nodes);
	const VegoLink *dead_links = vego_slot_links(&nodes->geometry, dead);
	const VegoLink *links = vego_slot_links(&nodes->geometry, slot);
	Gathering	gathering = {nodes, id, slot};
	Links		result = {false};
	int			chosen;

	gathering.candidates = palloc((size_t) capacity * (capacity + 1) *
								  sizeof(VegoCandidate));
	vego_visited_init(&gathering.met);

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
		Links		links = without_gone(nodes, id, slot, gone, arg);
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
