/*
 * nearest.h
 *	  The nearest few of many.
 *
 * A distance and who is that far are one number, a key, that sorts by both:
 * floats that are not negative sort like their bits.
 */
#ifndef VEGO_NEAREST_H
#define VEGO_NEAREST_H

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

/* What one process needs to find the nearest. */
typedef struct VegoNearest
{
	uint64	   *keys;			/* the result */
	float	   *minima;			/* scratch */
	uint16	   *below;
} VegoNearest;

/* For up to `widest` values, below 65,536; palloc'd. */
extern void vego_nearest_init(VegoNearest *nearest, int widest);

/*
 * Writes the keys of the `wanted` nearest finite values, by place, to
 * nearest->keys, nearest first, and returns how many there are.  Count is a
 * multiple of VEGO_BLOCK_COLUMNS.  Of equal values those at `from` and behind
 * come first, so that not everyone prefers the same.
 */
extern int	vego_nearest_find(VegoNearest *nearest, const float *values,
							  int count, int wanted, int from);

#endif							/* VEGO_NEAREST_H */
