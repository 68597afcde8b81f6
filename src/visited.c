/*
 * visited.c
 *	  How does the set of visited nodes grow?
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "visited.h"

static void
allocate_slots(VegoVisited *visited, uint32 count, MemoryContext context)
{
	visited->slots = MemoryContextAllocHuge(context,
											count * sizeof(VegoNodeId));
	for (uint32 i = 0; i < count; i++)
		visited->slots[i] = VEGO_NO_NODE;
	visited->mask = count - 1;
	visited->count = 0;
}

void
vego_visited_init(VegoVisited *visited)
{
	allocate_slots(visited, VEGO_VISITED_START, CurrentMemoryContext);
}

void
vego_visited_clear(VegoVisited *visited)
{
	MemoryContext context = GetMemoryChunkContext(visited->slots);

	if (visited->count == 0)
		return;
	if (visited->mask + 1 > 4 * VEGO_VISITED_START)
	{
		pfree(visited->slots);
		allocate_slots(visited, VEGO_VISITED_START, context);
		return;
	}
	for (uint32 i = 0; i <= visited->mask; i++)
		visited->slots[i] = VEGO_NO_NODE;
	visited->count = 0;
}

void
vego_visited_grow(VegoVisited *visited)
{
	VegoVisited old = *visited;

	allocate_slots(visited, (old.mask + 1) * 2,
				   GetMemoryChunkContext(old.slots));
	for (uint32 i = 0; i <= old.mask; i++)
		if (old.slots[i] != VEGO_NO_NODE)
			vego_visited_add(visited, old.slots[i]);
	pfree(old.slots);
}
