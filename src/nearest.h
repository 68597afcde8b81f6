/*
 * nearest.h
 *	  The nearest few of many.
 *
 * A distance and who is that far are one number, a key, that sorts by both:
 * floats that are not negative sort like their bits.
 */
#ifndef VEGO_NEAREST_H
#define VEGO_NEAREST_H

#include <math.h>

#include "simd/kernels.h"

static inline uint64
vego_key(float distance, uint32 id)
{
	uint32		bits;

	memcpy(&bits, &distance, sizeof(bits));
	return ((uint64) bits << 32) | id;
}

static inline float
vego_key_distance(uint64 key)
{
	uint32		bits = (uint32) (key >> 32);
	float		distance;

	memcpy(&distance, &bits, sizeof(distance));
	return distance;
}

static inline uint32
vego_key_id(uint64 key)
{
	return (uint32) key;
}

extern void vego_keys_sort(uint64 *keys, int count);

/* Puts a key into a sorted list of `length`, whose last one falls out. */
extern void vego_keys_offer(uint64 *list, int length, uint64 key);

/*
 * The same in half the room: a mark (simd/kernels.h), of a distance with fewer
 * digits and a place among so many.
 */
static inline int32
vego_places(int count)
{
	int32		places = 0;

	while (places < count - 1)
		places = 2 * places + 1;
	return places;
}

/* The place is taken modulo places + 1.  What is beyond all numbers is none. */
static inline int32
vego_mark(float distance, int place, int32 places)
{
	int32		bits = (int32) (vego_key(distance, 0) >> 32);

	return isfinite(distance) ?
		(bits & ~places) | (place & places) : VEGO_NO_MARK;
}

static inline float
vego_mark_distance(int32 mark, int32 places)
{
	return vego_key_distance((uint64) (uint32) (mark & ~places) << 32);
}

/* What one process needs to find the nearest. */
typedef struct VegoNearest
{
	int32	   *marks;			/* the result */
	int32	   *found;			/* scratch */
} VegoNearest;

/* For up to `widest` marks; palloc'd. */
extern void vego_nearest_init(VegoNearest *nearest, int widest);

/*
 * Hands: marks are dealt into these, more than are wanted, and the least of
 * each hand is noted.  The wanted-th of these least ones is then a limit that
 * at least so many marks are not above, and few more.
 *
 * A multiple of VEGO_BLOCK_COLUMNS, and at most count, which is one as well.
 */
extern int	vego_nearest_hands(int wanted, int count);

/*
 * Writes the `wanted` least of these marks to nearest->marks, in order, and
 * returns how many there are, VEGO_NO_MARK not being one.  Least are those of
 * the hands, and are reordered.  Where many are wanted, a limit is found sooner
 * by counting marks.
 */
extern int	vego_nearest_find(VegoNearest *nearest, const int32 *marks,
							  int count, int32 *least, int hands, int wanted);

#endif							/* VEGO_NEAREST_H */
