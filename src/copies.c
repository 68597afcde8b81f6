/*
 * copies.c
 *	  Which nodes did a search find, and what were they?
 */
#include "postgres.h"

#include "copies.h"

static double
slot_distance(const VegoNodes *nodes, const VegoFactors *factors,
			  const uint8 *code, const VegoSlot *slot)
{
	return vego_code_distance(&nodes->coder, factors, code,
							  vego_slot_factors(&nodes->geometry, slot),
							  vego_slot_code(&nodes->geometry, slot));
}

void
vego_copies_keep(void *arg, VegoNodeId id, double rank, const VegoSlot *slot)
{
	VegoCopies	   *copies = arg;
	const VegoNodes *nodes = copies->nodes;
	VegoCopy	   *copy;

	if (copies->count == copies->room)
	{
		copies->room = Max(64, 2 * copies->room);
		if (copies->items == NULL)
			copies->items = palloc(copies->room * sizeof(VegoCopy));
		else
			copies->items = repalloc(copies->items,
									 copies->room * sizeof(VegoCopy));
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
	const VegoCopy *ca = a;
	const VegoCopy *cb = b;

	if (ca->distance != cb->distance)
		return ca->distance < cb->distance ? -1 : 1;
	return ca->id < cb->id ? -1 : ca->id > cb->id;
}

void
vego_copies_sort(VegoCopies *copies, int from)
{
	qsort(copies->items + from, copies->count - from, sizeof(VegoCopy),
		  compare_copies);
}

bool
vego_copies_has(const VegoCopies *copies, VegoNodeId id)
{
	for (int i = 0; i < copies->count; i++)
		if (copies->items[i].id == id)
			return true;
	return false;
}

VegoCopies
vego_copies_search(VegoSearch *search, const VegoQuery *query,
				   const VegoFactors *factors, const uint8 *code, int level,
				   int width)
{
	VegoCopies	copies = {search->nodes, factors, code, 0, 0, NULL};

	search->query = query;
	search->found = vego_copies_keep;
	search->found_arg = &copies;
	vego_search_start(search, level, width, false);
	do
		vego_search_run(search);
	while (copies.count == 0 && vego_search_widen(search));
	search->found_arg = NULL;
	vego_copies_sort(&copies, 0);
	return copies;
}
