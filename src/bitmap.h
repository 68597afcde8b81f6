/*
 * bitmap.h
 *	  A set of node ids, one bit each.
 */
#ifndef VEGO_BITMAP_H
#define VEGO_BITMAP_H

#include "vego.h"

typedef struct VegoBitmap
{
	uint64	   *words;
	uint32		size;			/* ids below this can be members */
} VegoBitmap;

/* Empty; in the current memory context. */
static inline void
vego_bitmap_init(VegoBitmap *bitmap, uint32 size)
{
	bitmap->size = size;
	bitmap->words = palloc_extended(((size_t) size / 64 + 1) * sizeof(uint64),
									MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static inline void
vego_bitmap_add(VegoBitmap *bitmap, VegoNodeId id)
{
	Assert(id < bitmap->size);
	bitmap->words[id / 64] |= UINT64CONST(1) << (id % 64);
}

static inline bool
vego_bitmap_has(const VegoBitmap *bitmap, VegoNodeId id)
{
	return id < bitmap->size &&
		(bitmap->words[id / 64] >> (id % 64) & 1) != 0;
}

#endif							/* VEGO_BITMAP_H */
