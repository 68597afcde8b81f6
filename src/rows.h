/*
 * rows.h
 *	  The coded rows of a build, and large arrays.
 */
#ifndef VEGO_ROWS_H
#define VEGO_ROWS_H

#include "utils/memutils.h"

#include "code.h"

/*
 * In the order in which the heap was read, until vego_partition_build changes
 * it; owned by the build.
 */
typedef struct VegoRows
{
	const VegoCoder *coder;
	uint32		count;
	VegoFactors *factors;
	uint8	   *codes;			/* coder->code_bytes apart */
} VegoRows;

static inline const VegoFactors *
vego_row_factors(const VegoRows *rows, uint32 row)
{
	return &rows->factors[row];
}

static inline const uint8 *
vego_row_code(const VegoRows *rows, uint32 row)
{
	return rows->codes + (size_t) row * rows->coder->code_bytes;
}

/* Of a long code, what is worth asking for: the processor then goes on itself. */
#define VEGO_PREFETCHED_BYTES 1024

/* Asks for a row before it is needed. */
static inline void
vego_row_prefetch(const VegoRows *rows, uint32 row)
{
	const uint8 *code = vego_row_code(rows, row);
	int			bytes = Min(rows->coder->code_bytes, VEGO_PREFETCHED_BYTES);

	for (int at = 0; at < bytes; at += 64)
		__builtin_prefetch(code + at);
	__builtin_prefetch(vego_row_factors(rows, row));
}

/* vego_code_distance by rows; the coder may differ in its metric. */
static inline double
vego_row_distance(const VegoRows *rows, const VegoCoder *coder,
				  uint32 a, uint32 b)
{
	return vego_code_distance(coder, vego_row_factors(rows, a),
							  vego_row_code(rows, a),
							  vego_row_factors(rows, b),
							  vego_row_code(rows, b));
}

/* palloc of an array of any length, 0 included. */
static inline void *
vego_allocate(size_t count, size_t size)
{
	return palloc_extended(Max(count * size, 1), MCXT_ALLOC_HUGE);
}

static inline void *
vego_allocate_zero(size_t count, size_t size)
{
	return palloc_extended(Max(count * size, 1),
						   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

#endif							/* VEGO_ROWS_H */
