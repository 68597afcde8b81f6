/*
 * visited.h
 *	  The set of nodes a search has met: a bit for every id, and a list.
 *
 * A bit is tested and set without a branch, and neighbouring ids, which near
 * nodes tend to have, share words.  The bits take a 2,000th of the index's
 * own bytes or less.  They are the connection's, so that a search in a large
 * index starts as cheaply as in a small one: it finds them clear, and clears
 * those it has set by going through the list.  A list longer than the bits have
 * words is no help with that and is not kept, so it takes no more memory than
 * they do.
 */
#ifndef VEGO_VISITED_H
#define VEGO_VISITED_H

#include "vego.h"

typedef struct VegoVisited
{
	uint64	   *words;			/* a bit for each id below size */
	uint32		size;
	VegoNodeId *ids;			/* whose bits are set, in order of adding */
	uint32		count;
	uint32		room;
	bool		unlisted;		/* not all of them are in the list */
	struct VegoVisited *next;	/* among those that nobody uses */
} VegoVisited;

/*
 * An empty set, which returns to the connection when the current memory
 * context is reset or deleted.
 */
extern VegoVisited *vego_visited_borrow(void);

/* Forgets everything. */
extern void vego_visited_clear(VegoVisited *visited);

/* Makes bits for ids up to this one. */
extern void vego_visited_cover(VegoVisited *visited, VegoNodeId id);

/* Makes room in the list for so many more; may begin it anew. */
extern void vego_visited_reserve(VegoVisited *visited, uint32 more);

/* Adds an id that has a bit, where there is room; false when it was there. */
static inline bool
vego_visited_note(VegoVisited *visited, VegoNodeId id)
{
	uint64	   *word = &visited->words[id / 64];
	uint64		bit = UINT64CONST(1) << id % 64;
	bool		added = (*word & bit) == 0;

	*word |= bit;
	visited->ids[visited->count] = id;
	visited->count += added;
	return added;
}

/* Takes an id out that has been added. */
static inline void
vego_visited_remove(VegoVisited *visited, VegoNodeId id)
{
	visited->words[id / 64] &= ~(UINT64CONST(1) << id % 64);
}

/* Adds the id; false when it was there. */
static inline bool
vego_visited_add(VegoVisited *visited, VegoNodeId id)
{
	if (id >= visited->size)
		vego_visited_cover(visited, id);
	if (visited->count == visited->room)
		vego_visited_reserve(visited, 1);
	return vego_visited_note(visited, id);
}

#endif							/* VEGO_VISITED_H */
