/*
 * kernels_avx2.c
 *	  The vector vocabulary of AVX2 with FMA and F16C.
 */
#include "simd/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

/* The packaged build targets any x86-64; only these functions go beyond. */
#if defined(__clang__)
#pragma clang attribute push( \
	__attribute__((target("avx2,fma,f16c"))), \
	apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

#define KERNEL_TABLE vego_kernels_avx2
#define KERNEL_NAME "avx2"
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define FLOAT_LANES 8
#define BYTE_LANES 32
#define BLOCK_ROWS 6

typedef __m256 VF;
typedef __m256i VI;
typedef __m256i VB;

/* A mask of the first count lanes starts at first_lanes + 8 - count. */
static const int32_t first_lanes[16] = {
	-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0
};

static ALWAYS_INLINE __m256i
lane_mask(int count)
{
	return _mm256_loadu_si256((const __m256i *) (first_lanes + 8 - count));
}

/* Fewer than eight bytes as the low bytes of a word. */
static ALWAYS_INLINE uint64_t
load_bytes(const uint8_t *bytes, int count)
{
	uint64_t	word = 0;
	int			done = 0;

	if (count & 4)
	{
		uint32_t	four;

		memcpy(&four, bytes, 4);
		word = four;
		done = 4;
	}
	if (count & 2)
	{
		uint16_t	two;

		memcpy(&two, bytes + done, 2);
		word |= (uint64_t) two << 8 * done;
		done += 2;
	}
	if (count & 1)
		word |= (uint64_t) bytes[done] << 8 * done;
	return word;
}

static ALWAYS_INLINE VF
vf_zero(void)
{
	return _mm256_setzero_ps();
}

static ALWAYS_INLINE VF
vf_set(float x)
{
	return _mm256_set1_ps(x);
}

static ALWAYS_INLINE VF
vf_load(const float *p)
{
	return _mm256_loadu_ps(p);
}

static ALWAYS_INLINE VF
vf_load_part(const float *p, int count)
{
	return _mm256_maskload_ps(p, lane_mask(count));
}

static ALWAYS_INLINE void
vf_store(float *p, VF v)
{
	_mm256_storeu_ps(p, v);
}

static ALWAYS_INLINE void
vf_store_part(float *p, VF v, int count)
{
	_mm256_maskstore_ps(p, lane_mask(count), v);
}

static ALWAYS_INLINE VF
vf_add(VF a, VF b)
{
	return _mm256_add_ps(a, b);
}

static ALWAYS_INLINE VF
vf_sub(VF a, VF b)
{
	return _mm256_sub_ps(a, b);
}

static ALWAYS_INLINE VF
vf_mul(VF a, VF b)
{
	return _mm256_mul_ps(a, b);
}

static ALWAYS_INLINE VF
vf_fma(VF a, VF b, VF c)
{
	return _mm256_fmadd_ps(a, b, c);
}

static ALWAYS_INLINE VF
vf_abs(VF a)
{
	return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

static ALWAYS_INLINE VF
vf_min(VF a, VF b)
{
	return _mm256_min_ps(a, b);
}

static ALWAYS_INLINE VF
vf_max(VF a, VF b)
{
	return _mm256_max_ps(a, b);
}

static ALWAYS_INLINE VF
vf_merge(VF v, VF rest, int count)
{
	return _mm256_blendv_ps(rest, v, _mm256_castsi256_ps(lane_mask(count)));
}

static ALWAYS_INLINE VI
vf_bits(VF v)
{
	return _mm256_castps_si256(v);
}

static ALWAYS_INLINE VF
vf_from_ints(VI v)
{
	return _mm256_cvtepi32_ps(v);
}

static ALWAYS_INLINE VF
vf_load_halves(const VegoHalf *p)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) p));
}

static ALWAYS_INLINE VF
vf_load_halves_part(const VegoHalf *p, int count)
{
	const uint8_t *bytes = (const uint8_t *) p;
	uint64_t	low;
	uint64_t	high = 0;

	if (count < 4)
		low = load_bytes(bytes, 2 * count);
	else
	{
		memcpy(&low, bytes, 8);
		high = load_bytes(bytes + 8, 2 * count - 8);
	}
	return _mm256_cvtph_ps(_mm_set_epi64x((long long) high, (long long) low));
}

static ALWAYS_INLINE void
vf_store_halves(VegoHalf *p, VF v)
{
	_mm_storeu_si128((__m128i *) p,
					 _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static ALWAYS_INLINE void
vf_store_halves_part(VegoHalf *p, VF v, int count)
{
	VegoHalf	halves[8];

	vf_store_halves(halves, v);
	memcpy(p, halves, sizeof(VegoHalf) * (size_t) count);
}

static ALWAYS_INLINE void
vf_add_to_sums(VF v, double *sums)
{
	__m256d		first = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
	__m256d		second = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));

	_mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), first));
	_mm256_storeu_pd(sums + 4, _mm256_add_pd(_mm256_loadu_pd(sums + 4),
											 second));
}

static ALWAYS_INLINE float
vf_sum(VF v)
{
	__m128		four = _mm_add_ps(_mm256_castps256_ps128(v),
								  _mm256_extractf128_ps(v, 1));
	__m128		two = _mm_add_ps(four, _mm_movehl_ps(four, four));

	return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static ALWAYS_INLINE float
vf_smallest(VF v)
{
	__m128		four = _mm_min_ps(_mm256_castps256_ps128(v),
								  _mm256_extractf128_ps(v, 1));
	__m128		two = _mm_min_ps(four, _mm_movehl_ps(four, four));

	return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
}

static ALWAYS_INLINE float
vf_largest(VF v)
{
	__m128		four = _mm_max_ps(_mm256_castps256_ps128(v),
								  _mm256_extractf128_ps(v, 1));
	__m128		two = _mm_max_ps(four, _mm_movehl_ps(four, four));

	return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static ALWAYS_INLINE VI
vi_zero(void)
{
	return _mm256_setzero_si256();
}

static ALWAYS_INLINE VI
vi_load(const int32_t *p)
{
	return _mm256_loadu_si256((const __m256i *) p);
}

static ALWAYS_INLINE VI
vi_set(int32_t x)
{
	return _mm256_set1_epi32(x);
}

static ALWAYS_INLINE VI
vi_lanes(void)
{
	return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
}

static ALWAYS_INLINE void
vi_store(int32_t *p, VI v)
{
	_mm256_storeu_si256((__m256i *) p, v);
}

static ALWAYS_INLINE VI
vi_min(VI a, VI b)
{
	return _mm256_min_epi32(a, b);
}

static ALWAYS_INLINE VI
vi_merge(VI v, VI w, VI bits)
{
	return _mm256_or_si256(_mm256_andnot_si256(bits, v),
						   _mm256_and_si256(bits, w));
}

static ALWAYS_INLINE unsigned
vi_below(VI v, VI w)
{
	return (unsigned)
		_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(w, v)));
}

static ALWAYS_INLINE VI
vi_add(VI a, VI b)
{
	return _mm256_add_epi32(a, b);
}

static ALWAYS_INLINE VI
vi_sub(VI a, VI b)
{
	return _mm256_sub_epi32(a, b);
}

static ALWAYS_INLINE int32_t
vi_sum(VI v)
{
	__m128i		four = _mm_add_epi32(_mm256_castsi256_si128(v),
									 _mm256_extracti128_si256(v, 1));
	__m128i		two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
	__m128i		one = _mm_add_epi32(two, _mm_shuffle_epi32(two, 1));

	return _mm_cvtsi128_si32(one);
}

/* Of each 128 bits the four sums, then of both. */
static ALWAYS_INLINE void
vi_sum_four(const VI four[4], int32_t sums[4])
{
	__m256i		ab = _mm256_hadd_epi32(four[0], four[1]);
	__m256i		cd = _mm256_hadd_epi32(four[2], four[3]);
	__m256i		all = _mm256_hadd_epi32(ab, cd);

	_mm_storeu_si128((__m128i *) sums,
					 _mm_add_epi32(_mm256_castsi256_si128(all),
								   _mm256_extracti128_si256(all, 1)));
}

/* Both sums at once, interleaved. */
static ALWAYS_INLINE int64_t
vi_sum_query(VI high, VI low)
{
	__m256i		pairs = _mm256_add_epi32(_mm256_unpacklo_epi32(high, low),
										 _mm256_unpackhi_epi32(high, low));
	__m128i		two = _mm_add_epi32(_mm256_castsi256_si128(pairs),
									_mm256_extracti128_si256(pairs, 1));
	__m128i		one = _mm_add_epi32(two, _mm_unpackhi_epi64(two, two));
	int64_t		both = _mm_cvtsi128_si64(one);

	return (int64_t) (int32_t) both * 128 + (both >> 32);
}

static ALWAYS_INLINE VI
vi_round(VF v)
{
	return _mm256_cvtps_epi32(v);
}

/* A code is the low of two 16-bit numbers, the high one being 0. */
static ALWAYS_INLINE VI
vi_add_square(VI acc, VI codes)
{
	return _mm256_add_epi32(acc, _mm256_madd_epi16(codes, codes));
}

static ALWAYS_INLINE VI
vi_load_codes(const uint8_t *p)
{
	return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) p));
}

static ALWAYS_INLINE VI
vi_load_codes_part(const uint8_t *p, int count)
{
	return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)
												  load_bytes(p, count)));
}

static ALWAYS_INLINE uint64_t
codes_of_lanes(VI v)
{
	__m128i		shorts = _mm_packus_epi32(_mm256_castsi256_si128(v),
										  _mm256_extracti128_si256(v, 1));

	return (uint64_t) _mm_cvtsi128_si64(_mm_packus_epi16(shorts, shorts));
}

static ALWAYS_INLINE void
vi_store_codes(uint8_t *p, VI v)
{
	uint64_t	codes = codes_of_lanes(v);

	memcpy(p, &codes, 8);
}

static ALWAYS_INLINE void
vi_store_codes_part(uint8_t *p, VI v, int count)
{
	uint64_t	codes = codes_of_lanes(v);

	for (int i = 0; i < count; i++)
		p[i] = (uint8_t) (codes >> 8 * i);
}

static ALWAYS_INLINE VI
vi_low_half(VI bytes)
{
	return _mm256_and_si256(bytes, _mm256_set1_epi32(15));
}

static ALWAYS_INLINE VI
vi_high_half(VI bytes)
{
	return _mm256_srli_epi32(bytes, 4);
}

static ALWAYS_INLINE VB
vb_load(const void *p)
{
	return _mm256_loadu_si256((const __m256i *) p);
}

/* Whole words by a masked load, the last few bytes put into their lane. */
static ALWAYS_INLINE VB
vb_load_part(const void *p, int count)
{
	int			words = count / 4;
	__m256i		lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	__m256i		lane = _mm256_cmpeq_epi32(lanes, _mm256_set1_epi32(words));
	__m256i		whole = _mm256_maskload_epi32((const int *) p,
											  lane_mask(words));
	uint64_t	last = load_bytes((const uint8_t *) p + 4 * words, count & 3);

	return _mm256_or_si256(whole,
						   _mm256_and_si256(lane,
											_mm256_set1_epi32((int) last)));
}

static ALWAYS_INLINE VB
vb_low_half(VB v)
{
	return _mm256_and_si256(v, _mm256_set1_epi8(15));
}

static ALWAYS_INLINE VB
vb_high_half(VB v)
{
	return vb_low_half(_mm256_srli_epi16(v, 4));
}

static ALWAYS_INLINE VB
vb_and(VB a, VB b)
{
	return _mm256_and_si256(a, b);
}

static ALWAYS_INLINE VB
vb_xor(VB a, VB b)
{
	return _mm256_xor_si256(a, b);
}

/* Each half of a byte looks its bits up; then bytes are added by eights. */
static ALWAYS_INLINE VI
vi_add_bits(VI acc, VB v)
{
	__m256i		bits = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3,
										1, 2, 2, 3, 2, 3, 3, 4,
										0, 1, 1, 2, 1, 2, 2, 3,
										1, 2, 2, 3, 2, 3, 3, 4);
	__m256i		low = _mm256_shuffle_epi8(bits, vb_low_half(v));
	__m256i		high = _mm256_shuffle_epi8(bits, vb_high_half(v));

	return _mm256_add_epi32(acc, _mm256_sad_epu8(_mm256_add_epi8(low, high),
												 _mm256_setzero_si256()));
}

static ALWAYS_INLINE VI
vi_dot_small(VI acc, VB u, VB s)
{
	__m256i		pairs = _mm256_maddubs_epi16(u, s);

	return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs,
												   _mm256_set1_epi16(1)));
}

/*
 * vpmaddubsw adds two products and saturates at 2^15.  One product alone
 * always fits, so every other byte is made 0.
 */
static ALWAYS_INLINE VI
vi_dot(VI acc, VB u, VB s)
{
	__m256i		even_bytes = _mm256_set1_epi16(0x00FF);

	acc = vi_dot_small(acc, _mm256_and_si256(even_bytes, u), s);
	return vi_dot_small(acc, _mm256_andnot_si256(even_bytes, u), s);
}

static ALWAYS_INLINE VI
vi_dot_codes(VI acc, VB a, VB b)
{
	__m256i		even_bytes = _mm256_set1_epi16(0x00FF);
	__m256i		even = _mm256_madd_epi16(_mm256_and_si256(a, even_bytes),
										 _mm256_and_si256(b, even_bytes));
	__m256i		odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8),
										_mm256_srli_epi16(b, 8));

	return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}

/* The products above are exact as they are. */
static ALWAYS_INLINE VI
vi_dot_bias(VI acc, VB a)
{
	(void) a;
	return acc;
}

static ALWAYS_INLINE int
emit_lanes(unsigned mask, const int32_t *p, int32_t *out)
{
	int			count = 0;

	for (; mask != 0; mask &= mask - 1)
		out[count++] = p[__builtin_ctz(mask)];
	return count;
}

/*
 * A stretch of a tile's rows as 16-bit numbers: of each four dimensions the
 * two even ones and the two odd ones, as the columns' bytes come apart with
 * an and and a shift.
 */
#define STRETCH_WORDS 128

typedef struct WideRows
{
	int32_t		even[BLOCK_ROWS][STRETCH_WORDS];
	int32_t		odd[BLOCK_ROWS][STRETCH_WORDS];
} WideRows;

static ALWAYS_INLINE void
widen_row(WideRows *wide, int r, const int8_t *row, int words)
{
	for (int w = 0; w < words; w += 8)
	{
		const int  *from = (const int *) (row + 4 * w);
		__m256i		bytes = words - w >= 8 ? vb_load(from) :
			_mm256_maskload_epi32(from, lane_mask(words - w));
		__m256i		even = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);

		_mm256_storeu_si256((__m256i *) (wide->even[r] + w), even);
		_mm256_storeu_si256((__m256i *) (wide->odd[r] + w),
							_mm256_srai_epi16(bytes, 8));
	}
}

/*
 * Compilers, free to add in any order, would add the even and the odd products
 * first and hold more of them than there are registers.
 */
static ALWAYS_INLINE VI
add_in_place(VI acc, VI v)
{
	__asm__("vpaddd %1, %0, %0" : "+x"(acc) : "x"(v));
	return acc;
}

/* acc[r] += the products of one pair of every row with 16 columns' pairs */
static ALWAYS_INLINE void
add_pairs(const int count, __m256i acc[][2],
		  const int32_t pairs[][STRETCH_WORDS], int w, __m256i columns0,
		  __m256i columns1)
{
#pragma GCC unroll 6
	for (int r = 0; r < count; r++)
	{
		__m256i		pair = _mm256_set1_epi32(pairs[r][w]);

		acc[r][0] = add_in_place(acc[r][0], _mm256_madd_epi16(pair, columns0));
		acc[r][1] = add_in_place(acc[r][1], _mm256_madd_epi16(pair, columns1));
	}
}

static ALWAYS_INLINE void
block_tile(const int count, const int8_t *rows, size_t stride,
		   const uint8_t *packed, int32_t *dots)
{
	const uint8_t *sums = packed + stride * VEGO_BLOCK_COLUMNS;
	int			words = (int) (stride / 4);
	WideRows	wide;

	/* A row's signed byte is its code - 128. */
	for (int c = 0; c < VEGO_BLOCK_COLUMNS; c += 8)
	{
		__m256i		start = _mm256_slli_epi32(vb_load(sums + 4 * c), 7);

		for (int r = 0; r < count; r++)
			_mm256_storeu_si256((__m256i *) (dots + r * VEGO_BLOCK_COLUMNS +
											 c), start);
	}

	for (int first = 0; first < words; first += STRETCH_WORDS)
	{
		int			length = words - first < STRETCH_WORDS ? words - first :
			STRETCH_WORDS;

		for (int r = 0; r < count; r++)
			widen_row(&wide, r, rows + r * stride + 4 * first, length);

		for (int c = 0; c < VEGO_BLOCK_COLUMNS; c += 16)
		{
			const uint8_t *columns = packed +
				(size_t) first * 4 * VEGO_BLOCK_COLUMNS + 4 * c;
			int32_t    *out = dots + c;
			__m256i		acc[BLOCK_ROWS][2];

#pragma GCC unroll 6
			for (int r = 0; r < count; r++)
			{
				acc[r][0] = vi_load(out + r * VEGO_BLOCK_COLUMNS);
				acc[r][1] = vi_load(out + r * VEGO_BLOCK_COLUMNS + 8);
			}
			for (int w = 0; w < length; w++)
			{
				__m256i		even_bytes = _mm256_set1_epi16(0x00FF);
				__m256i		bytes0 = vb_load(columns);
				__m256i		bytes1 = vb_load(columns + 32);

				add_pairs(count, acc, wide.even, w,
						  _mm256_and_si256(bytes0, even_bytes),
						  _mm256_and_si256(bytes1, even_bytes));
				add_pairs(count, acc, wide.odd, w,
						  _mm256_srli_epi16(bytes0, 8),
						  _mm256_srli_epi16(bytes1, 8));
				columns += 4 * VEGO_BLOCK_COLUMNS;
			}
#pragma GCC unroll 6
			for (int r = 0; r < count; r++)
			{
				__m256i    *to = (__m256i *) (out + r * VEGO_BLOCK_COLUMNS);

				_mm256_storeu_si256(to, acc[r][0]);
				_mm256_storeu_si256(to + 1, acc[r][1]);
			}
		}
	}
}
#undef STRETCH_WORDS

#include "simd/kernels_impl.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif							/* __x86_64__ */
