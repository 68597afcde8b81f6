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

typedef struct VegoHeapItem
{
	double		key;
	uint64		value;
} VegoHeapItem;

typedef struct VegoHeap
{
	VegoHeapItem *items;
	int64		count;
	int64		room;
} VegoHeap;

/* In the current memory context, where it also grows. */
extern void vego_heap_init(VegoHeap *heap, int64 room);
extern void vego_heap_push(VegoHeap *heap, double key, uint64 value);

/* Takes out the item with the smallest key; the heap must not be empty. */
extern VegoHeapItem vego_heap_pop(VegoHeap *heap);

/* The smallest key, or DBL_MAX in an empty heap. */
extern double vego_heap_top(const VegoHeap *heap);

static inline void
vego_heap_clear(VegoHeap *heap)
{
	heap->count = 0;
}

#endif							/* VEGO_HEAP_H */
