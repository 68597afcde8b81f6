/*
 * sorted.h
 *	  What a heap holds, but put in order at once, and on disk if need be.
 *
 * For a scan that has met so much that it no longer fits memory, and then meets
 * the rest: all is put, sorted, and taken out one by one, nearest first.
 */
#ifndef VEGO_SORTED_H
#define VEGO_SORTED_H

#include "heap.h"

typedef struct VegoSorted VegoSorted;

/* In the current memory context, within so much memory as the server sorts. */
extern VegoSorted *vego_sorted_begin(int kilobytes);

extern void vego_sorted_put(VegoSorted *sorted, VegoHeapItem item);

/* After the last put, before the first next. */
extern void vego_sorted_arrange(VegoSorted *sorted);

/* Takes out the item with the smallest key; false when none is left. */
extern bool vego_sorted_next(VegoSorted *sorted, VegoHeapItem *item);

extern void vego_sorted_end(VegoSorted *sorted);

#endif							/* VEGO_SORTED_H */
