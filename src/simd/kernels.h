/*
 * kernels.h
 *	  The table of distance kernels, one per instruction set.
 *
 * Everything that touches every dimension of a vector or of a code is here and
 * nowhere else.  A kernel takes plain arrays, allocates nothing, raises no
 * error, accepts any length from 0 and arrays that are aligned no better than
 * their elements ask for, and never reads beyond the last element.  The scalar
 * table is the definition of correct; integer kernels agree with it exactly,
 * float kernels to rounding.
 *
 * This directory knows libc only.
 */
#ifndef VEGO_KERNELS_H
#define VEGO_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simd/half.h"

/*
 * All-pairs blocks.  A block is a set of rows against VEGO_BLOCK_COLUMNS
 * columns; both are codes with one byte a dimension.
 *
 * Rows: signed bytes (code ^ 0x80), row-major, `stride` bytes apart, where
 * stride = vego_block_stride(n); bytes beyond n are 0.
 *
 * Columns: packed as [stride / 4][VEGO_BLOCK_COLUMNS][4] unsigned bytes, zero
 * padded, so that four consecutive dimensions of one column are one 32-bit
 * lane; behind them VEGO_BLOCK_COLUMNS int32 sums of each column's bytes,
 * with which the kernel undoes the offset of the signed rows.
 */
#define VEGO_BLOCK_COLUMNS 32

static inline size_t
vego_block_stride(int n)
{
	return ((size_t) n + 3) & ~(size_t) 3;
}

static inline size_t
vego_block_packed_bytes(int n)
{
	return vego_block_stride(n) * VEGO_BLOCK_COLUMNS +
		sizeof(int32_t) * VEGO_BLOCK_COLUMNS;
}

/* Packs up to VEGO_BLOCK_COLUMNS codes of n bytes, `stride` bytes apart. */
extern void vego_block_pack_columns(const uint8_t *codes, size_t stride,
									int count, int n, uint8_t *packed);

/* Packs codes as signed rows, padding included. */
extern void vego_block_pack_rows(const uint8_t *codes, size_t stride,
								 int count, int n, int8_t *rows);

/*
 * What turns an integer dot product of two codes into a squared distance:
 * with x = lo + step * c in every dimension, sum = sum of x, norm2 = |x|^2,
 * and lift an extra coordinate (0 unless the metric needs one):
 *
 *	 |x - y|^2 + (lift_x - lift_y)^2, lift^2 being included in norm2
 *	 = norm2_x + norm2_y
 *	   - 2 * (lo_x * sum_y + rest_x * lo_y + step_x * step_y * dot
 *			  + lift_x * lift_y),	rest = sum - n * lo
 */
typedef struct VegoBlockRow
{
	float		lo;
	float		rest;
	float		step;
	float		norm2;
	float		lift;
} VegoBlockRow;

/* The same for VEGO_BLOCK_COLUMNS columns, as arrays. */
typedef struct VegoBlockColumns
{
	float		lo[VEGO_BLOCK_COLUMNS];
	float		sum[VEGO_BLOCK_COLUMNS];
	float		step[VEGO_BLOCK_COLUMNS];
	float		norm2[VEGO_BLOCK_COLUMNS];
	float		lift[VEGO_BLOCK_COLUMNS];
} VegoBlockColumns;

/*
 * A mark is a distance and whose it is in one number that sorts by both: the
 * bits of a float that is not negative sort like it, and the lowest of them,
 * those of `places`, are a place instead.  For 2,048 places that leaves the
 * distance 12 bits behind the leading one.
 */
#define VEGO_NO_MARK INT32_MAX

/*
 * Where the marks of a block go: each row's behind that of the row before by
 * the stride.  Those in `least` are lowered to them, column by column.
 */
typedef struct VegoBlockMarks
{
	int32_t    *marks;
	size_t		stride;
	int32_t    *least;
	size_t		least_stride;
} VegoBlockMarks;

typedef struct VegoKernels
{
	const char *name;			/* as in the setting vego.simd */

	/* Vectors of n floats, fp32 accumulators. */
	float		(*l2_squared) (const float *a, const float *b, int n);
	float		(*dot) (const float *a, const float *b, int n);
	float		(*l1) (const float *a, const float *b, int n);

	/* sums[0..2] = a.b, a.a, b.b in one pass */
	void		(*cosine_sums) (const float *a, const float *b, int n,
								float sums[3]);

	/* The same of halves; their sums stay in the range of a float. */
	float		(*half_l2_squared) (const VegoHalf *a, const VegoHalf *b,
									int n);
	float		(*half_dot) (const VegoHalf *a, const VegoHalf *b, int n);
	float		(*half_l1) (const VegoHalf *a, const VegoHalf *b, int n);
	void		(*half_cosine_sums) (const VegoHalf *a, const VegoHalf *b,
									 int n, float sums[3]);

	/* To the nearest half, ties to even; infinite beyond 65504. */
	void		(*halves_to_floats) (const VegoHalf *x, int n, float *out);
	void		(*floats_to_halves) (const float *x, int n, VegoHalf *out);

	/* sums[i] += x[i] */
	void		(*add_to_sums) (const float *x, int n, double *sums);
	void		(*half_add_to_sums) (const VegoHalf *x, int n, double *sums);

	/* How many bits are set in both, and in only one, of two bit strings? */
	int32_t		(*bits_shared) (const uint8_t *a, const uint8_t *b,
								int bytes);
	int32_t		(*bits_apart) (const uint8_t *a, const uint8_t *b, int bytes);

	/*
	 * Quantizing.  centre: out[i] = x[i] * scale - centre[i] (centre may be
	 * NULL), and the smallest and largest of out; n >= 1.  quantize: code[i] =
	 * rint((x[i] - lo) * inverse_step) clamped to 0..top; returns the sum of
	 * the codes, and their sum of squares in *squares.
	 */
	void		(*centre) (const float *x, const float *centre, float scale,
						   int n, float *out, float *smallest,
						   float *largest);
	int64_t		(*quantize) (const float *x, int n, float lo,
							 float inverse_step, int top, uint8_t *code,
							 int64_t *squares);

	/*
	 * A query against some codes.  The query is 128 * high[i] + low[i], with
	 * high in -127..127 and low in -64..63.  dots[c] = the exact sum of
	 * codes[c][i] times that; at most 16,384 dimensions.
	 *
	 * Four-bit codes hold dimension j in the low half of byte j and dimension
	 * bytes + j in its high half; high and low then have 2 * bytes elements in
	 * order of dimension.
	 */
	void		(*query_dots8) (const uint8_t *const *codes, int count,
								const int8_t *high, const int8_t *low, int n,
								int64_t *dots);
	void		(*query_dots4) (const uint8_t *const *codes, int count,
								const int8_t *high, const int8_t *low,
								int bytes, int64_t *dots);

	/* sum of |query[i] - (lo + step * code[i])|; n counts dimensions */
	float		(*query_l1_8) (const uint8_t *code, const float *query,
							   float lo, float step, int n);
	float		(*query_l1_4) (const uint8_t *code, const float *query,
							   float lo, float step, int n);

	/* A code against a code: the exact sum of a[i] * b[i], n <= 16,384. */
	int32_t		(*code_dot8) (const uint8_t *a, const uint8_t *b, int n);
	int32_t		(*code_dot4) (const uint8_t *a, const uint8_t *b, int bytes);

	/* One against four. */
	void		(*code_dots8) (const uint8_t *a, const uint8_t *const b[4],
							   int n, int32_t dots[4]);

	/*
	 * dots[r * VEGO_BLOCK_COLUMNS + c] = exact dot product of the codes of row
	 * r and column c.
	 */
	void		(*block_dots) (const int8_t *rows, int row_count,
							   const uint8_t *packed, int n, int32_t *dots);

	/*
	 * Marks of the distances of some rows by the formula above, not below 0:
	 * row r's of column c gets the place (first + c - r * next) & places.
	 */
	void		(*block_marks) (const int32_t *dots, const VegoBlockRow *rows,
								int row_count,
								const VegoBlockColumns *columns,
								int32_t first, int32_t next, int32_t places,
								const VegoBlockMarks *out);

	/*
	 * Writes all marks strictly below the limit, in order, and returns how
	 * many.  found has room for count; what the room behind the last one holds
	 * is undefined.
	 */
	int			(*marks_below) (const int32_t *marks, int count,
								int32_t limit, int32_t *found);

	/* How many marks are strictly below the limit? */
	int			(*count_below) (const int32_t *marks, int count,
								int32_t limit);

	/*
	 * Sorts marks, of which only VEGO_NO_MARK may be there more than once, in
	 * time that grows with the square of count: meant for a hundred or two.
	 * Marks has room for a multiple of VEGO_BLOCK_COLUMNS, which is filled up.
	 */
	void		(*sort_marks) (int32_t *marks, int count, int32_t *sorted);
} VegoKernels;

/* Those of this build; not every CPU it runs on has them: see below. */
extern const VegoKernels vego_kernels_scalar;
#if defined(__x86_64__)
extern const VegoKernels vego_kernels_avx2;
extern const VegoKernels vego_kernels_avx512;

/* Those of AVX-512 with another block_dots, once they are filled in. */
extern VegoKernels vego_kernels_amx;
extern void vego_kernels_fill_amx(void);
#endif
#if defined(__aarch64__)
extern const VegoKernels vego_kernels_neon;
#endif

/*
 * The table in use; set by vego_kernels_choose, the best the CPU runs before
 * that.  One pointer, so that switching is one store.
 */
extern const VegoKernels *vego_kernels;

/*
 * The same for single calls with much other work between them, like those of an
 * SQL function for each row of a table.  Registers of 512 bits gain nothing
 * there, and that other work was seen to take longer beside them.  So avx2
 * takes the place of avx512 and amx.
 */
extern const VegoKernels *vego_kernels_apart;

/*
 * The table of that name ("auto": the best one), or NULL when this CPU or
 * build does not have it.
 */
extern const VegoKernels *vego_kernels_find(const char *name);

/* "auto" or a table's name; false, and nothing changed, when not available. */
extern bool vego_kernels_choose(const char *name);

#endif							/* VEGO_KERNELS_H */
