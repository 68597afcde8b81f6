/*
 * heap.c
 *	  What comes next?
 */
#include "postgres.h"

#include <float.h>

#include "heap.h"

void
vego_heap_init(VegoHeap *heap, int64 room)
{
	heap->items = palloc(room * sizeof(VegoHeapItem));
	heap->count = 0;
	heap->room = room;
}

void
vego_heap_push(VegoHeap *heap, double key, uint64 value)
{
	int64		at;

	if (heap->count == heap->room)
	{
		heap->room *= 2;
		heap->items = repalloc_huge(heap->items,
									heap->room * sizeof(VegoHeapItem));
	}
	at = heap->count++;
	while (at > 0 && heap->items[(at - 1) / 2].key > key)
	{
		heap->items[at] = heap->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap->items[at].key = key;
	heap->items[at].value = value;
}

VegoHeapItem
vego_heap_pop(VegoHeap *heap)
{
	VegoHeapItem top = heap->items[0];
	VegoHeapItem last = heap->items[--heap->count];
	int64		at = 0;

	Assert(heap->count >= 0);
	for (;;)
	{
		int64		child = 2 * at + 1;

		if (child + 1 < heap->count &&
			heap->items[child + 1].key < heap->items[child].key)
			child++;
		if (child >= heap->count || heap->items[child].key >= last.key)
			break;
		heap->items[at] = heap->items[child];
		at = child;
	}
	heap->items[at] = last;
	return top;
}

double
vego_heap_top(const VegoHeap *heap)
{
	return heap->count > 0 ? heap->items[0].key : DBL_MAX;
}
