/*
 * visited.h
 *	  The set of nodes a search has met: an open-addressing hash of ids.
 *
 * Its size follows the search, not the index, so that a search in a large
 * index starts as cheaply as in a small one.  Simple hashing with linear
 * probing; core's simplehash would do, but its entries carry a status byte
 * that doubles the memory touched here.
 */
#ifndef VEGO_VISITED_H
#define VEGO_VISITED_H

#include "vego.h"

typedef struct VegoVisited
{
	VegoNodeId *slots;			/* VEGO_NO_NODE where empty */
	uint32		mask;			/* number of slots - 1, a power of two */
	uint32		count;
} VegoVisited;

#define VEGO_VISITED_START 4096

/* In the current memory context, where it also grows. */
extern void vego_visited_init(VegoVisited *visited);

/* Forgets everything; keeps a small table, gives back a large one. */
extern void vego_visited_clear(VegoVisited *visited);

extern void vego_visited_grow(VegoVisited *visited);

static inline uint32
vego_visited_place(const VegoVisited *visited, VegoNodeId id)
{
	/* Fibonacci hashing: neighbouring ids spread */
	return (uint32) (((uint64) id * UINT64CONST(0x9E3779B97F4A7C15)) >> 32) &
		visited->mask;
}

/* Adds the id; false when it was there. */
static inline bool
vego_visited_add(VegoVisited *visited, VegoNodeId id)
{
	uint32		place = vego_visited_place(visited, id);

	while (visited->slots[place] != VEGO_NO_NODE)
	{
		if (visited->slots[place] == id)
			return false;
		place = (place + 1) & visited->mask;
	}
	visited->slots[place] = id;
	if (++visited->count > visited->mask / 2)
		vego_visited_grow(visited);
	return true;
}

#endif							/* VEGO_VISITED_H */
