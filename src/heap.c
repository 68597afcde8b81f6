/*
 * heap.c
 *	  What comes next?
 */
#include "postgres.h"

#include "heap.h"

void
vego_heap_init(VegoHeap *heap, int64 room)
{
	heap->items = palloc(room * sizeof(VegoHeapItem));
	heap->room = room;
	vego_heap_clear(heap);
}

void
vego_heap_grow(VegoHeap *heap)
{
	heap->room *= 2;
	heap->items = repalloc_huge(heap->items,
								heap->room * sizeof(VegoHeapItem));
}

void
vego_heap_shrink(VegoHeap *heap, int64 room)
{
	heap->items = repalloc_huge(heap->items, room * sizeof(VegoHeapItem));
	heap->room = room;
	vego_heap_clear(heap);
}

/* Puts what was appended in its place. */
static void
order_items(VegoHeap *heap)
{
	for (; heap->ordered < heap->count; heap->ordered++)
	{
		VegoHeapItem item = heap->items[heap->ordered];
		int64		at = heap->ordered;

		while (at > 0 && heap->items[(at - 1) / 2].key > item.key)
		{
			heap->items[at] = heap->items[(at - 1) / 2];
			at = (at - 1) / 2;
		}
		heap->items[at] = item;
	}
	heap->seen = 0;
	heap->least = DBL_MAX;
}

void
vego_heap_see(VegoHeap *heap)
{
	const VegoHeapItem *item = &heap->items[heap->ordered + heap->seen];
	const VegoHeapItem *end = &heap->items[heap->count];
	double		other = DBL_MAX;

	/* two at a time: each minimum waits for the one before */
	for (; item + 1 < end; item += 2)
	{
		heap->least = Min(heap->least, item[0].key);
		other = Min(other, item[1].key);
	}
	if (item < end)
		heap->least = Min(heap->least, item->key);
	heap->least = Min(heap->least, other);
	heap->seen = heap->count - heap->ordered;
}

VegoHeapItem
vego_heap_pop(VegoHeap *heap)
{
	VegoHeapItem top;
	VegoHeapItem last;
	int64		at = 0;

	Assert(heap->count > 0);
	order_items(heap);
	top = heap->items[0];
	last = heap->items[--heap->count];
	heap->ordered--;
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
