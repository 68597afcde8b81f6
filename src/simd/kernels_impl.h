/*
 * kernels_impl.h
 *	  Each kernel written once, over the vector vocabulary of one instruction
 *	  set.
 *
 * The including file has defined, as types, macros and static inline
 * functions:
 *
 * VF, VI, VB	 registers of FLOAT_LANES floats, FLOAT_LANES int32 and
 *				 BYTE_LANES bytes, all of the same size
 *
 * vf_zero, vf_set, vf_load, vf_store, vf_add, vf_sub, vf_mul, vf_abs, vf_min,
 * vf_max		 what they say
 * vf_fma		 (a, b, c): a * b + c
 * vf_sum, vf_smallest, vf_largest
 *				 across the lanes
 * vf_merge		 (v, rest, count): the first count lanes of v, then rest's
 * vf_bits		 as VI, bit by bit
 * vf_from_ints	 from VI
 * vf_load_halves, vf_store_halves
 *				 FLOAT_LANES halves in memory, rounded to nearest when stored
 * vf_add_to_sums (v, sums): adds each lane to a double in memory
 *
 * vi_zero, vi_set, vi_load, vi_store, vi_add, vi_sub, vi_min
 *				 what they say
 * vi_lanes		 the number of each lane
 * vi_merge		 (v, w, bits): v, but w in these bits
 * vi_below		 (v, w): one bit for each lane where v < w
 * vi_sum		 across the lanes
 * vi_sum_four	 (four, sums): the same of four registers
 * vi_sum_query	 (high, low): 128 * sum of high + sum of low, in 64 bits
 * vi_round		 from VF, to nearest
 * vi_add_square (acc, codes): acc + codes * codes
 * vi_load_codes, vi_store_codes
 *				 FLOAT_LANES bytes, one a lane
 * vi_low_half, vi_high_half
 *				 the four-bit halves of a byte in each lane
 *
 * vb_load		 BYTE_LANES bytes, signed or not
 * vb_low_half, vb_high_half
 *				 the four-bit halves of each byte
 * vb_and, vb_xor
 *				 what they say
 * vi_add_bits	 (acc, v): acc + the number of bits set in v
 * vi_dot		 (acc, u, s): acc + the products of unsigned and signed bytes
 * vi_dot_small	 the same, when two neighbouring products add up to no more
 *				 than an int16 holds
 * vi_dot_codes, vi_dot_bias
 *				 (acc, a, b) and (acc, a): two sums whose difference is that
 *				 of the products of unsigned bytes
 *
 * emit_lanes	 (mask, p, out): writes those of FLOAT_LANES numbers at p whose
 *				 bit is set, in order; may write FLOAT_LANES numbers; returns
 *				 how many count
 *
 * block_tile	 (count, rows, stride, packed, dots): all pairs of count rows
 *				 and the columns; count is a constant, at most BLOCK_ROWS
 *
 * The names ending in _part take the number of elements, more than 0 and less
 * than a full register; they touch no others in memory and read 0 for them.
 *
 * Every int32 lane is safe for 16,384 dimensions: even the sum of all lanes
 * is, 255 * 255 * 16384 < 2^31.
 */

/* What an array holds in memory; in registers, all are floats. */
typedef enum Elements
{
	FLOATS,
	HALVES
} Elements;

static ALWAYS_INLINE VF
load(const Elements kind, const void *x, size_t i)
{
	return kind == HALVES ? vf_load_halves((const VegoHalf *) x + i) :
		vf_load((const float *) x + i);
}

static ALWAYS_INLINE VF
load_part(const Elements kind, const void *x, size_t i, size_t count)
{
	return kind == HALVES ?
		vf_load_halves_part((const VegoHalf *) x + i, (int) count) :
		vf_load_part((const float *) x + i, (int) count);
}

/*
 * Accumulates over two arrays, whatever it is that step adds.  Here and in other
 * kernels of few instructions an index is as wide as an address: an int would be
 * widened before each load.
 */
static ALWAYS_INLINE float
reduce(const Elements kind, const void *a, const void *b, size_t n,
	   VF (*step) (VF acc, VF x, VF y))
{
	VF			acc0 = vf_zero();
	VF			acc1 = vf_zero();
	VF			acc2 = vf_zero();
	VF			acc3 = vf_zero();
	size_t		i = 0;

	for (; i + 4 * FLOAT_LANES <= n; i += 4 * FLOAT_LANES)
	{
		acc0 = step(acc0, load(kind, a, i), load(kind, b, i));
		acc1 = step(acc1, load(kind, a, i + FLOAT_LANES),
					load(kind, b, i + FLOAT_LANES));
		acc2 = step(acc2, load(kind, a, i + 2 * FLOAT_LANES),
					load(kind, b, i + 2 * FLOAT_LANES));
		acc3 = step(acc3, load(kind, a, i + 3 * FLOAT_LANES),
					load(kind, b, i + 3 * FLOAT_LANES));
	}
	for (; i + FLOAT_LANES <= n; i += FLOAT_LANES)
		acc0 = step(acc0, load(kind, a, i), load(kind, b, i));
	if (i < n)
		acc1 = step(acc1, load_part(kind, a, i, n - i),
					load_part(kind, b, i, n - i));

	return vf_sum(vf_add(vf_add(acc0, acc1), vf_add(acc2, acc3)));
}

static ALWAYS_INLINE VF
l2_step(VF acc, VF x, VF y)
{
	VF			difference = vf_sub(x, y);

	return vf_fma(difference, difference, acc);
}

static ALWAYS_INLINE VF
dot_step(VF acc, VF x, VF y)
{
	return vf_fma(x, y, acc);
}

static ALWAYS_INLINE VF
l1_step(VF acc, VF x, VF y)
{
	return vf_add(acc, vf_abs(vf_sub(x, y)));
}

static float
l2_squared(const float *a, const float *b, int n)
{
	return reduce(FLOATS, a, b, (size_t) n, l2_step);
}

static float
dot(const float *a, const float *b, int n)
{
	return reduce(FLOATS, a, b, (size_t) n, dot_step);
}

static float
l1(const float *a, const float *b, int n)
{
	return reduce(FLOATS, a, b, (size_t) n, l1_step);
}

static float
half_l2_squared(const VegoHalf *a, const VegoHalf *b, int n)
{
	return reduce(HALVES, a, b, (size_t) n, l2_step);
}

static float
half_dot(const VegoHalf *a, const VegoHalf *b, int n)
{
	return reduce(HALVES, a, b, (size_t) n, dot_step);
}

static float
half_l1(const VegoHalf *a, const VegoHalf *b, int n)
{
	return reduce(HALVES, a, b, (size_t) n, l1_step);
}

typedef struct CosineSums
{
	VF			ab;
	VF			aa;
	VF			bb;
} CosineSums;

static ALWAYS_INLINE CosineSums
cosine_step(CosineSums acc, VF x, VF y)
{
	acc.ab = vf_fma(x, y, acc.ab);
	acc.aa = vf_fma(x, x, acc.aa);
	acc.bb = vf_fma(y, y, acc.bb);
	return acc;
}

static ALWAYS_INLINE void
reduce_cosine(const Elements kind, const void *a, const void *b, size_t n,
			  float sums[3])
{
	CosineSums	acc0 = {vf_zero(), vf_zero(), vf_zero()};
	CosineSums	acc1 = acc0;
	size_t		i = 0;

	for (; i + 2 * FLOAT_LANES <= n; i += 2 * FLOAT_LANES)
	{
		acc0 = cosine_step(acc0, load(kind, a, i), load(kind, b, i));
		acc1 = cosine_step(acc1, load(kind, a, i + FLOAT_LANES),
						   load(kind, b, i + FLOAT_LANES));
	}
	for (; i + FLOAT_LANES <= n; i += FLOAT_LANES)
		acc0 = cosine_step(acc0, load(kind, a, i), load(kind, b, i));
	if (i < n)
		acc1 = cosine_step(acc1, load_part(kind, a, i, n - i),
						   load_part(kind, b, i, n - i));

	sums[0] = vf_sum(vf_add(acc0.ab, acc1.ab));
	sums[1] = vf_sum(vf_add(acc0.aa, acc1.aa));
	sums[2] = vf_sum(vf_add(acc0.bb, acc1.bb));
}

static void
cosine_sums(const float *a, const float *b, int n, float sums[3])
{
	reduce_cosine(FLOATS, a, b, (size_t) n, sums);
}

static void
half_cosine_sums(const VegoHalf *a, const VegoHalf *b, int n, float sums[3])
{
	reduce_cosine(HALVES, a, b, (size_t) n, sums);
}

static void
halves_to_floats(const VegoHalf *x, int n, float *out)
{
	int			i = 0;

	for (; i + FLOAT_LANES <= n; i += FLOAT_LANES)
		vf_store(out + i, vf_load_halves(x + i));
	if (i < n)
		vf_store_part(out + i, vf_load_halves_part(x + i, n - i), n - i);
}

static void
floats_to_halves(const float *x, int n, VegoHalf *out)
{
	int			i = 0;

	for (; i + FLOAT_LANES <= n; i += FLOAT_LANES)
		vf_store_halves(out + i, vf_load(x + i));
	if (i < n)
		vf_store_halves_part(out + i, vf_load_part(x + i, n - i), n - i);
}

static ALWAYS_INLINE void
accumulate(const Elements kind, const void *x, size_t n, double *sums)
{
	size_t		i = 0;

	for (; i + FLOAT_LANES <= n; i += FLOAT_LANES)
		vf_add_to_sums(load(kind, x, i), sums + i);
	if (i < n)
	{
		float		rest[FLOAT_LANES];

		vf_store(rest, load_part(kind, x, i, n - i));
		for (int lane = 0; i < n; i++, lane++)
			sums[i] += rest[lane];
	}
}

static void
add_to_sums(const float *x, int n, double *sums)
{
	accumulate(FLOATS, x, (size_t) n, sums);
}

static void
half_add_to_sums(const VegoHalf *x, int n, double *sums)
{
	accumulate(HALVES, x, (size_t) n, sums);
}

/* The bits set in what meet makes of two bit strings; 0 must give 0. */
static ALWAYS_INLINE int32_t
count_bits(const uint8_t *a, const uint8_t *b, int bytes,
		   VB (*meet) (VB x, VB y))
{
	VI			acc0 = vi_zero();
	VI			acc1 = vi_zero();
	int			i = 0;

	for (; i + 2 * BYTE_LANES <= bytes; i += 2 * BYTE_LANES)
	{
		acc0 = vi_add_bits(acc0, meet(vb_load(a + i), vb_load(b + i)));
		acc1 = vi_add_bits(acc1, meet(vb_load(a + i + BYTE_LANES),
									  vb_load(b + i + BYTE_LANES)));
	}
	for (; i + BYTE_LANES <= bytes; i += BYTE_LANES)
		acc0 = vi_add_bits(acc0, meet(vb_load(a + i), vb_load(b + i)));
	if (i < bytes)
		acc1 = vi_add_bits(acc1, meet(vb_load_part(a + i, bytes - i),
									  vb_load_part(b + i, bytes - i)));
	return vi_sum(vi_add(acc0, acc1));
}

static int32_t
bits_shared(const uint8_t *a, const uint8_t *b, int bytes)
{
	return count_bits(a, b, bytes, vb_and);
}

static int32_t
bits_apart(const uint8_t *a, const uint8_t *b, int bytes)
{
	return count_bits(a, b, bytes, vb_xor);
}

static void
centre(const float *x, const float *centre, float scale, int n, float *out,
	   float *smallest, float *largest)
{
	VF			scales = vf_set(scale);
	VF			minimum = vf_set(INFINITY);
	VF			maximum = vf_set(-INFINITY);
	int			i = 0;

	for (; i + FLOAT_LANES <= n; i += FLOAT_LANES)
	{
		VF			v = vf_mul(vf_load(x + i), scales);

		if (centre != NULL)
			v = vf_sub(v, vf_load(centre + i));
		vf_store(out + i, v);
		minimum = vf_min(minimum, v);
		maximum = vf_max(maximum, v);
	}
	if (i < n)
	{
		VF			v = vf_mul(vf_load_part(x + i, n - i), scales);

		if (centre != NULL)
			v = vf_sub(v, vf_load_part(centre + i, n - i));
		vf_store_part(out + i, v, n - i);
		minimum = vf_min(minimum, vf_merge(v, minimum, n - i));
		maximum = vf_max(maximum, vf_merge(v, maximum, n - i));
	}
	*smallest = vf_smallest(minimum);
	*largest = vf_largest(maximum);
}

static ALWAYS_INLINE VI
quantize_step(VF x, VF lo, VF inverse_step, VF top)
{
	VF			v = vf_mul(vf_sub(x, lo), inverse_step);

	/* Clamped before it is rounded, so that it fits an integer. */
	return vi_round(vf_min(vf_max(v, vf_zero()), top));
}

static int64_t
quantize(const float *x, int n, float lo, float inverse_step, int top,
		 uint8_t *code, int64_t *squares)
{
	VF			los = vf_set(lo);
	VF			inverse_steps = vf_set(inverse_step);
	VF			tops = vf_set((float) top);
	VI			sum = vi_zero();
	VI			square_sum = vi_zero();
	int			i = 0;

	for (; i + FLOAT_LANES <= n; i += FLOAT_LANES)
	{
		VI			codes = quantize_step(vf_load(x + i), los, inverse_steps,
										  tops);

		vi_store_codes(code + i, codes);
		sum = vi_add(sum, codes);
		square_sum = vi_add_square(square_sum, codes);
	}
	if (i < n)
	{
		/* The lanes behind the last element read lo, which has code 0. */
		VF			rest = vf_merge(vf_load_part(x + i, n - i), los, n - i);
		VI			codes = quantize_step(rest, los, inverse_steps, tops);

		vi_store_codes_part(code + i, codes, n - i);
		sum = vi_add(sum, codes);
		square_sum = vi_add_square(square_sum, codes);
	}
	*squares = vi_sum(square_sum);
	return vi_sum(sum);
}

/* The sums of a code's products with the two halves of a query. */
typedef struct QuerySums
{
	VI			high;
	VI			low;
} QuerySums;

static ALWAYS_INLINE QuerySums
query_step8(QuerySums acc, VB code, VB high, VB low)
{
	acc.high = vi_dot(acc.high, code, high);
	acc.low = vi_dot_small(acc.low, code, low);
	return acc;
}

static ALWAYS_INLINE QuerySums
query_step4(QuerySums acc, VB code, VB high, VB low)
{
	acc.high = vi_dot_small(acc.high, code, high);
	acc.low = vi_dot_small(acc.low, code, low);
	return acc;
}

/*
 * Several codes at a time, so that the query is loaded once for all of them
 * and their chains of additions overlap.
 */
#define QUERY_CODES 4

static ALWAYS_INLINE void
query_tile8(const int count, const uint8_t *const *codes, const int8_t *high,
			const int8_t *low, int n, int64_t *dots)
{
	QuerySums	acc[QUERY_CODES];
	int			i = 0;

#pragma GCC unroll 4
	for (int c = 0; c < count; c++)
		acc[c].high = acc[c].low = vi_zero();
	for (; i + BYTE_LANES <= n; i += BYTE_LANES)
	{
		VB			high_bytes = vb_load(high + i);
		VB			low_bytes = vb_load(low + i);

#pragma GCC unroll 4
		for (int c = 0; c < count; c++)
			acc[c] = query_step8(acc[c], vb_load(codes[c] + i), high_bytes,
								 low_bytes);
	}
	if (i < n)
	{
		VB			high_bytes = vb_load_part(high + i, n - i);
		VB			low_bytes = vb_load_part(low + i, n - i);

#pragma GCC unroll 4
		for (int c = 0; c < count; c++)
			acc[c] = query_step8(acc[c], vb_load_part(codes[c] + i, n - i),
								 high_bytes, low_bytes);
	}
#pragma GCC unroll 4
	for (int c = 0; c < count; c++)
		dots[c] = vi_sum_query(acc[c].high, acc[c].low);
}

static ALWAYS_INLINE void
query_tile4(const int count, const uint8_t *const *codes, const int8_t *high,
			const int8_t *low, int bytes, int64_t *dots)
{
	QuerySums	acc[QUERY_CODES];
	int			i = 0;

#pragma GCC unroll 4
	for (int c = 0; c < count; c++)
		acc[c].high = acc[c].low = vi_zero();
	for (; i + BYTE_LANES <= bytes; i += BYTE_LANES)
	{
		VB			high0 = vb_load(high + i);
		VB			low0 = vb_load(low + i);
		VB			high1 = vb_load(high + bytes + i);
		VB			low1 = vb_load(low + bytes + i);

#pragma GCC unroll 4
		for (int c = 0; c < count; c++)
		{
			VB			both = vb_load(codes[c] + i);

			acc[c] = query_step4(acc[c], vb_low_half(both), high0, low0);
			acc[c] = query_step4(acc[c], vb_high_half(both), high1, low1);
		}
	}
	if (i < bytes)
	{
		int			rest = bytes - i;
		VB			high0 = vb_load_part(high + i, rest);
		VB			low0 = vb_load_part(low + i, rest);
		VB			high1 = vb_load_part(high + bytes + i, rest);
		VB			low1 = vb_load_part(low + bytes + i, rest);

#pragma GCC unroll 4
		for (int c = 0; c < count; c++)
		{
			VB			both = vb_load_part(codes[c] + i, rest);

			acc[c] = query_step4(acc[c], vb_low_half(both), high0, low0);
			acc[c] = query_step4(acc[c], vb_high_half(both), high1, low1);
		}
	}
#pragma GCC unroll 4
	for (int c = 0; c < count; c++)
		dots[c] = vi_sum_query(acc[c].high, acc[c].low);
}

/* Tiles of constant size, for which the compiler keeps all in registers. */
#define TAKE_QUERY_TILES(tile) \
	for (; count >= QUERY_CODES; count -= QUERY_CODES) \
	{ \
		tile(QUERY_CODES, codes, high, low, n, dots); \
		codes += QUERY_CODES; \
		dots += QUERY_CODES; \
	} \
	if (count == 3) \
		tile(3, codes, high, low, n, dots); \
	else if (count == 2) \
		tile(2, codes, high, low, n, dots); \
	else if (count == 1) \
		tile(1, codes, high, low, n, dots);

static void
query_dots8(const uint8_t *const *codes, int count, const int8_t *high,
			const int8_t *low, int n, int64_t *dots)
{
	TAKE_QUERY_TILES(query_tile8)
}

static void
query_dots4(const uint8_t *const *codes, int count, const int8_t *high,
			const int8_t *low, int n, int64_t *dots)
{
	TAKE_QUERY_TILES(query_tile4)
}

#undef TAKE_QUERY_TILES

static ALWAYS_INLINE VI
whole_byte(VI bytes)
{
	return bytes;
}

/* The distances of decoded dimensions; decode picks them from their bytes. */
static ALWAYS_INLINE float
query_l1(const uint8_t *code, const float *query, float lo, float step, int n,
		 VI (*decode) (VI bytes))
{
	VF			los = vf_set(lo);
	VF			steps = vf_set(step);
	VF			acc0 = vf_zero();
	VF			acc1 = vf_zero();
	int			i = 0;

	for (; i + 2 * FLOAT_LANES <= n; i += 2 * FLOAT_LANES)
	{
		VF			x0 = vf_from_ints(decode(vi_load_codes(code + i)));
		VF			x1 = vf_from_ints(decode(vi_load_codes(code + i +
														   FLOAT_LANES)));

		acc0 = l1_step(acc0, vf_load(query + i), vf_fma(x0, steps, los));
		acc1 = l1_step(acc1, vf_load(query + i + FLOAT_LANES),
					   vf_fma(x1, steps, los));
	}
	for (; i + FLOAT_LANES <= n; i += FLOAT_LANES)
	{
		VF			x = vf_from_ints(decode(vi_load_codes(code + i)));

		acc0 = l1_step(acc0, vf_load(query + i), vf_fma(x, steps, los));
	}
	if (i < n)
	{
		int			rest = n - i;
		VF			x = vf_from_ints(decode(vi_load_codes_part(code + i,
															   rest)));

		/* The lanes behind the last dimension must not differ. */
		x = vf_merge(vf_fma(x, steps, los), vf_zero(), rest);
		acc1 = l1_step(acc1, vf_load_part(query + i, rest), x);
	}

	return vf_sum(vf_add(acc0, acc1));
}

static float
query_l1_8(const uint8_t *code, const float *query, float lo, float step,
		   int n)
{
	return query_l1(code, query, lo, step, n, whole_byte);
}

static float
query_l1_4(const uint8_t *code, const float *query, float lo, float step,
		   int n)
{
	int			bytes = (n + 1) / 2;

	return query_l1(code, query, lo, step, bytes, vi_low_half) +
		query_l1(code, query + bytes, lo, step, n - bytes, vi_high_half);
}

static int32_t
code_dot8(const uint8_t *a, const uint8_t *b, int n)
{
	VI			acc = vi_zero();
	VI			bias = vi_zero();
	int			i = 0;

	for (; i + BYTE_LANES <= n; i += BYTE_LANES)
	{
		VB			codes = vb_load(a + i);

		acc = vi_dot_codes(acc, codes, vb_load(b + i));
		bias = vi_dot_bias(bias, codes);
	}
	if (i < n)
	{
		VB			codes = vb_load_part(a + i, n - i);

		acc = vi_dot_codes(acc, codes, vb_load_part(b + i, n - i));
		bias = vi_dot_bias(bias, codes);
	}

	return vi_sum(vi_sub(acc, bias));
}

static void
code_dots8(const uint8_t *a, const uint8_t *const b[4], int n,
		   int32_t dots[4])
{
	VI			acc[4] = {vi_zero(), vi_zero(), vi_zero(), vi_zero()};
	VI			bias = vi_zero();
	int			i = 0;

	for (; i + BYTE_LANES <= n; i += BYTE_LANES)
	{
		VB			codes = vb_load(a + i);

#pragma GCC unroll 4
		for (int k = 0; k < 4; k++)
			acc[k] = vi_dot_codes(acc[k], codes, vb_load(b[k] + i));
		bias = vi_dot_bias(bias, codes);
	}
	if (i < n)
	{
		VB			codes = vb_load_part(a + i, n - i);

#pragma GCC unroll 4
		for (int k = 0; k < 4; k++)
			acc[k] = vi_dot_codes(acc[k], codes, vb_load_part(b[k] + i, n - i));
		bias = vi_dot_bias(bias, codes);
	}
#pragma GCC unroll 4
	for (int k = 0; k < 4; k++)
		acc[k] = vi_sub(acc[k], bias);
	vi_sum_four(acc, dots);
}

static int32_t
code_dot4(const uint8_t *a, const uint8_t *b, int bytes)
{
	VI			acc0 = vi_zero();
	VI			acc1 = vi_zero();
	int			i = 0;

	for (; i + BYTE_LANES <= bytes; i += BYTE_LANES)
	{
		VB			x = vb_load(a + i);
		VB			y = vb_load(b + i);

		acc0 = vi_dot_small(acc0, vb_low_half(x), vb_low_half(y));
		acc1 = vi_dot_small(acc1, vb_high_half(x), vb_high_half(y));
	}
	if (i < bytes)
	{
		VB			x = vb_load_part(a + i, bytes - i);
		VB			y = vb_load_part(b + i, bytes - i);

		acc0 = vi_dot_small(acc0, vb_low_half(x), vb_low_half(y));
		acc1 = vi_dot_small(acc1, vb_high_half(x), vb_high_half(y));
	}

	return vi_sum(vi_add(acc0, acc1));
}

/*
 * As many rows at a time as there are registers for; what remains goes in
 * ever narrower tiles.
 */
static void
block_dots(const int8_t *rows, int row_count, const uint8_t *packed, int n,
		   int32_t *dots)
{
	size_t		stride = vego_block_stride(n);

#define TAKE_TILES(count) \
	for (; row_count >= (count); row_count -= (count)) \
	{ \
		block_tile((count), rows, stride, packed, dots); \
		rows += (count) * stride; \
		dots += (count) * VEGO_BLOCK_COLUMNS; \
	}

	TAKE_TILES(BLOCK_ROWS);
#if BLOCK_ROWS > 8
	TAKE_TILES(8);
#endif
#if BLOCK_ROWS > 4
	TAKE_TILES(4);
#endif
#if BLOCK_ROWS > 2
	TAKE_TILES(2);
#endif
	TAKE_TILES(1);

#undef TAKE_TILES
}

/* What is known of columns stays in registers for all rows. */
static void
block_marks(const int32_t *dots, const VegoBlockRow *rows, int row_count,
			const VegoBlockColumns *columns, int32_t first, int32_t next,
			int32_t places, const VegoBlockMarks *out)
{
	VI			place_bits = vi_set(places);

	for (int i = 0; i < VEGO_BLOCK_COLUMNS; i += FLOAT_LANES)
	{
		VF			lo = vf_load(columns->lo + i);
		VF			sum = vf_load(columns->sum + i);
		VF			step = vf_load(columns->step + i);
		VF			norm2 = vf_load(columns->norm2 + i);
		VF			lift = vf_load(columns->lift + i);
		VI			place = vi_add(vi_set(first + i), vi_lanes());

		for (int r = 0; r < row_count; r++)
		{
			const VegoBlockRow *row = &rows[r];
			int32_t    *least = out->least + r * out->least_stride + i;
			VF			product;
			VF			distance;
			VI			mark;

			product = vf_mul(vf_mul(vf_set(row->step), step),
							 vf_from_ints(vi_load(dots +
												  r * VEGO_BLOCK_COLUMNS + i)));
			product = vf_fma(vf_set(row->lo), sum, product);
			product = vf_fma(vf_set(row->rest), lo, product);
			product = vf_fma(vf_set(row->lift), lift, product);
			distance = vf_fma(product, vf_set(-2.0f),
							  vf_add(vf_set(row->norm2), norm2));
			mark = vi_merge(vf_bits(vf_max(distance, vf_zero())), place,
							place_bits);
			vi_store(out->marks + r * out->stride + i, mark);
			vi_store(least, vi_min(mark, vi_load(least)));
			place = vi_sub(place, vi_set(next));
		}
	}
}

static int
marks_below(const int32_t *marks, int count, int32_t limit, int32_t *found)
{
	VI			limits = vi_set(limit);
	int			n = 0;
	int			i = 0;

	for (; i + FLOAT_LANES <= count; i += FLOAT_LANES)
		n += emit_lanes(vi_below(vi_load(marks + i), limits), marks + i,
						found + n);
	for (; i < count; i++)
		if (marks[i] < limit)
			found[n++] = marks[i];
	return n;
}

static int
count_below(const int32_t *marks, int count, int32_t limit)
{
	VI			limits = vi_set(limit);
	int			n = 0;
	int			i = 0;

	for (; i + FLOAT_LANES <= count; i += FLOAT_LANES)
		n += __builtin_popcount(vi_below(vi_load(marks + i), limits));
	for (; i < count; i++)
		n += marks[i] < limit;
	return n;
}

/* The place of a mark is the number of those below it. */
static void
sort_marks(int32_t *marks, int count, int32_t *sorted)
{
	int			padded = count;

	while (padded % FLOAT_LANES != 0)
		marks[padded++] = VEGO_NO_MARK;
	for (int i = 0; i < count; i++)
		sorted[i] = VEGO_NO_MARK;
	for (int i = 0; i < count; i++)
	{
		sorted[count_below(marks, padded, marks[i])] = marks[i];
	}
}

const VegoKernels KERNEL_TABLE = {
	.name = KERNEL_NAME,
	.l2_squared = l2_squared,
	.dot = dot,
	.l1 = l1,
	.cosine_sums = cosine_sums,
	.half_l2_squared = half_l2_squared,
	.half_dot = half_dot,
	.half_l1 = half_l1,
	.half_cosine_sums = half_cosine_sums,
	.halves_to_floats = halves_to_floats,
	.floats_to_halves = floats_to_halves,
	.add_to_sums = add_to_sums,
	.half_add_to_sums = half_add_to_sums,
	.bits_shared = bits_shared,
	.bits_apart = bits_apart,
	.centre = centre,
	.quantize = quantize,
	.query_dots8 = query_dots8,
	.query_dots4 = query_dots4,
	.query_l1_8 = query_l1_8,
	.query_l1_4 = query_l1_4,
	.code_dot8 = code_dot8,
	.code_dot4 = code_dot4,
	.code_dots8 = code_dots8,
	.block_dots = block_dots,
	.block_marks = block_marks,
	.marks_below = marks_below,
	.count_below = count_below,
	.sort_marks = sort_marks,
};

#undef KERNEL_TABLE
#undef KERNEL_NAME
#undef FLOAT_LANES
#undef BYTE_LANES
#undef BLOCK_ROWS
#undef QUERY_CODES
#undef ALWAYS_INLINE
