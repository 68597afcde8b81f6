/*
 * heap.h
 *	  A binary heap of numbered things, smallest key first.
 *
 * For what waits in a search: hits without room in the pool, candidates whose
 * rows are still to be fetched, rows still to be returned.  (The server's
 * binaryheap has a fixed size and calls a comparator; its pairingheap
 * allocates a node a time.)
 */
#ifndef VEGO_HEAP_H
#define VEGO_HEAP_H

#include "postgres.h"

#include <float.h>

typedef struct VegoHeapItem
{
	double		key;
	uint64		value;
} VegoHeapItem;

typedef struct VegoHeap
{
	VegoHeapItem *items;
	int64		count;
	int64		ordered;		/* of these, the first so many are a heap */
	int64		seen;			/* of those behind, the first so many ... */
	double		least;			/* ... have keys from this one on */
	int64		room;
} VegoHeap;

/* In the current memory context, where it also grows. */
extern void vego_heap_init(VegoHeap *heap, int64 room);
extern void vego_heap_grow(VegoHeap *heap);

/*
 * Just appends: most of what waits is never taken out, and is put in order
 * only when something is.
 */
static inline void
vego_heap_push(VegoHeap *heap, double key, uint64 value)
{
	if (heap->count == heap->room)
		vego_heap_grow(heap);
	heap->items[heap->count].key = key;
	heap->items[heap->count].value = value;
	heap->count++;
}

/*
 * Makes room for so many more and returns where it is.  Items written there
 * one after another are pushed when the count is raised.
 */
static inline VegoHeapItem *
vego_heap_reserve(VegoHeap *heap, int64 more)
{
	while (heap->count + more > heap->room)
		vego_heap_grow(heap);
	return &heap->items[heap->count];
}

/* Empties it, and gives back its memory but for so many. */
extern void vego_heap_shrink(VegoHeap *heap, int64 room);

/* Takes out the item with the smallest key; the heap must not be empty. */
extern VegoHeapItem vego_heap_pop(VegoHeap *heap);

/* Looks at the keys of what was pushed since it was last called. */
extern void vego_heap_see(VegoHeap *heap);

/* The smallest key, or DBL_MAX in an empty heap. */
static inline double
vego_heap_top(VegoHeap *heap)
{
	if (heap->ordered + heap->seen < heap->count)
		vego_heap_see(heap);
	return heap->ordered > 0 ?
		Min(heap->items[0].key, heap->least) : heap->least;
}

static inline void
vego_heap_clear(VegoHeap *heap)
{
	heap->count = 0;
	heap->ordered = 0;
	heap->seen = 0;
	heap->least = DBL_MAX;
}

#endif							/* VEGO_HEAP_H */
