/*
 * visited.c
 *	  Whose are the sets of visited nodes, and how do they grow?
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "visited.h"

/* A list with more room than this is not kept for the next search. */
#define ROOM_KEPT 65536

/* Sets that nobody uses; as many as were ever used at once. */
static VegoVisited *idle = NULL;

void
vego_visited_reserve(VegoVisited *visited, uint32 more)
{
	uint64		room = Max(1024, visited->room);

	if (visited->count > visited->size / 64)
	{
		visited->unlisted = true;
		visited->count = 0;
	}
	while (room < (uint64) visited->count + more)
		room *= 2;
	if (room == visited->room)
		return;
	if (visited->ids == NULL)
		visited->ids = MemoryContextAlloc(TopMemoryContext,
										  room * sizeof(VegoNodeId));
	else
		visited->ids = repalloc_huge(visited->ids, room * sizeof(VegoNodeId));
	visited->room = room;
}

void
vego_visited_cover(VegoVisited *visited, VegoNodeId id)
{
	uint64		size = Max(4096, visited->size);

	while (size <= id)
		size *= 2;
	if (visited->words == NULL)
		visited->words = MemoryContextAllocHuge(TopMemoryContext, size / 8);
	else
		visited->words = repalloc_huge(visited->words, size / 8);
	memset(&visited->words[visited->size / 64], 0,
		   (size - visited->size) / 8);
	visited->size = size;
}

void
vego_visited_clear(VegoVisited *visited)
{
	if (visited->unlisted || visited->count > visited->size / 64)
		memset(visited->words, 0, visited->size / 8);
	else
		for (uint32 i = 0; i < visited->count; i++)
			visited->words[visited->ids[i] / 64] = 0;
	visited->count = 0;
	visited->unlisted = false;
}

static void
give_back(void *arg)
{
	VegoVisited *visited = arg;

	vego_visited_clear(visited);
	if (visited->room > ROOM_KEPT)
	{
		pfree(visited->ids);
		visited->ids = NULL;
		visited->room = 0;
	}
	visited->next = idle;
	idle = visited;
}

VegoVisited *
vego_visited_borrow(void)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));
	VegoVisited *visited = idle;

	if (visited != NULL)
		idle = visited->next;
	else
		visited = MemoryContextAllocZero(TopMemoryContext,
										 sizeof(VegoVisited));
	callback->func = give_back;
	callback->arg = visited;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return visited;
}
