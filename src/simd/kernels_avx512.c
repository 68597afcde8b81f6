/*
 * kernels_avx512.c
 *	  The vector vocabulary of AVX-512 with VNNI.
 */
#include "simd/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

/* The packaged build targets any x86-64; only these functions go beyond. */
#if defined(__clang__)
#pragma clang attribute push( \
	__attribute__((target("avx512bw,avx512dq,avx512vl,avx512vnni"))), \
	apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512bw,avx512dq,avx512vl,avx512vnni")
#endif

#define KERNEL_TABLE vego_kernels_avx512
#define KERNEL_NAME "avx512"
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define FLOAT_LANES 16
#define BYTE_LANES 64
#define BLOCK_ROWS 12

typedef __m512 VF;
typedef __m512i VI;
typedef __m512i VB;

static ALWAYS_INLINE __mmask16
lane_mask(int count)
{
	return (__mmask16) ((1U << count) - 1);
}

static ALWAYS_INLINE VF
vf_zero(void)
{
	return _mm512_setzero_ps();
}

static ALWAYS_INLINE VF
vf_set(float x)
{
	return _mm512_set1_ps(x);
}

static ALWAYS_INLINE VF
vf_load(const float *p)
{
	return _mm512_loadu_ps(p);
}

static ALWAYS_INLINE VF
vf_load_part(const float *p, int count)
{
	return _mm512_maskz_loadu_ps(lane_mask(count), p);
}

static ALWAYS_INLINE void
vf_store(float *p, VF v)
{
	_mm512_storeu_ps(p, v);
}

static ALWAYS_INLINE void
vf_store_part(float *p, VF v, int count)
{
	_mm512_mask_storeu_ps(p, lane_mask(count), v);
}

static ALWAYS_INLINE VF
vf_add(VF a, VF b)
{
	return _mm512_add_ps(a, b);
}

static ALWAYS_INLINE VF
vf_sub(VF a, VF b)
{
	return _mm512_sub_ps(a, b);
}

static ALWAYS_INLINE VF
vf_mul(VF a, VF b)
{
	return _mm512_mul_ps(a, b);
}

static ALWAYS_INLINE VF
vf_fma(VF a, VF b, VF c)
{
	return _mm512_fmadd_ps(a, b, c);
}

static ALWAYS_INLINE VF
vf_abs(VF a)
{
	return _mm512_abs_ps(a);
}

static ALWAYS_INLINE VF
vf_min(VF a, VF b)
{
	return _mm512_min_ps(a, b);
}

static ALWAYS_INLINE VF
vf_max(VF a, VF b)
{
	return _mm512_max_ps(a, b);
}

static ALWAYS_INLINE VF
vf_merge(VF v, VF rest, int count)
{
	return _mm512_mask_mov_ps(rest, lane_mask(count), v);
}

static ALWAYS_INLINE VI
vf_bits(VF v)
{
	return _mm512_castps_si512(v);
}

static ALWAYS_INLINE VF
vf_from_ints(VI v)
{
	return _mm512_cvtepi32_ps(v);
}

static ALWAYS_INLINE VF
vf_load_halves(const VegoHalf *p)
{
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) p));
}

static ALWAYS_INLINE VF
vf_load_halves_part(const VegoHalf *p, int count)
{
	return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lane_mask(count), p));
}

static ALWAYS_INLINE void
vf_store_halves(VegoHalf *p, VF v)
{
	_mm256_storeu_si256((__m256i *) p,
						_mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static ALWAYS_INLINE void
vf_store_halves_part(VegoHalf *p, VF v, int count)
{
	_mm256_mask_storeu_epi16(p, lane_mask(count),
							 _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

static ALWAYS_INLINE void
vf_add_to_sums(VF v, double *sums)
{
	__m512d		first = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
	__m512d		second = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));

	_mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), first));
	_mm512_storeu_pd(sums + 8, _mm512_add_pd(_mm512_loadu_pd(sums + 8),
											 second));
}

static ALWAYS_INLINE float
vf_sum(VF v)
{
	return _mm512_reduce_add_ps(v);
}

static ALWAYS_INLINE float
vf_smallest(VF v)
{
	return _mm512_reduce_min_ps(v);
}

static ALWAYS_INLINE float
vf_largest(VF v)
{
	return _mm512_reduce_max_ps(v);
}

static ALWAYS_INLINE VI
vi_zero(void)
{
	return _mm512_setzero_si512();
}

static ALWAYS_INLINE VI
vi_load(const int32_t *p)
{
	return _mm512_loadu_si512(p);
}

static ALWAYS_INLINE VI
vi_set(int32_t x)
{
	return _mm512_set1_epi32(x);
}

static ALWAYS_INLINE VI
vi_lanes(void)
{
	return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7,
							 8, 9, 10, 11, 12, 13, 14, 15);
}

static ALWAYS_INLINE void
vi_store(int32_t *p, VI v)
{
	_mm512_storeu_si512(p, v);
}

static ALWAYS_INLINE VI
vi_min(VI a, VI b)
{
	return _mm512_min_epi32(a, b);
}

/* The truth table of "c ? b : a". */
static ALWAYS_INLINE VI
vi_merge(VI v, VI w, VI bits)
{
	return _mm512_ternarylogic_epi32(v, w, bits, 0xD8);
}

static ALWAYS_INLINE unsigned
vi_below(VI v, VI w)
{
	return _mm512_cmplt_epi32_mask(v, w);
}

static ALWAYS_INLINE VI
vi_add(VI a, VI b)
{
	return _mm512_add_epi32(a, b);
}

static ALWAYS_INLINE VI
vi_sub(VI a, VI b)
{
	return _mm512_sub_epi32(a, b);
}

static ALWAYS_INLINE int32_t
vi_sum(VI v)
{
	return _mm512_reduce_add_epi32(v);
}

/* Of each 128 bits the four sums, then of all. */
static ALWAYS_INLINE void
vi_sum_four(const VI four[4], int32_t sums[4])
{
	__m512i		ab = _mm512_add_epi32(_mm512_unpacklo_epi32(four[0], four[1]),
									  _mm512_unpackhi_epi32(four[0], four[1]));
	__m512i		cd = _mm512_add_epi32(_mm512_unpacklo_epi32(four[2], four[3]),
									  _mm512_unpackhi_epi32(four[2], four[3]));
	__m512i		all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd),
									   _mm512_unpackhi_epi64(ab, cd));
	__m256i		half = _mm256_add_epi32(_mm512_castsi512_si256(all),
										_mm512_extracti64x4_epi64(all, 1));

	_mm_storeu_si128((__m128i *) sums,
					 _mm_add_epi32(_mm256_castsi256_si128(half),
								   _mm256_extracti128_si256(half, 1)));
}

/* Both sums at once, interleaved. */
static ALWAYS_INLINE int64_t
vi_sum_query(VI high, VI low)
{
	__m512i		pairs = _mm512_add_epi32(_mm512_unpacklo_epi32(high, low),
										 _mm512_unpackhi_epi32(high, low));
	__m256i		four = _mm256_add_epi32(_mm512_castsi512_si256(pairs),
										_mm512_extracti64x4_epi64(pairs, 1));
	__m128i		two = _mm_add_epi32(_mm256_castsi256_si128(four),
									_mm256_extracti128_si256(four, 1));
	__m128i		one = _mm_add_epi32(two, _mm_unpackhi_epi64(two, two));
	int64_t		both = _mm_cvtsi128_si64(one);

	return (int64_t) (int32_t) both * 128 + (both >> 32);
}

static ALWAYS_INLINE VI
vi_round(VF v)
{
	return _mm512_cvtps_epi32(v);
}

/* A code is the low of two 16-bit numbers, the high one being 0. */
static ALWAYS_INLINE VI
vi_add_square(VI acc, VI codes)
{
	return _mm512_dpwssd_epi32(acc, codes, codes);
}

static ALWAYS_INLINE VI
vi_load_codes(const uint8_t *p)
{
	return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) p));
}

static ALWAYS_INLINE VI
vi_load_codes_part(const uint8_t *p, int count)
{
	return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lane_mask(count), p));
}

static ALWAYS_INLINE void
vi_store_codes(uint8_t *p, VI v)
{
	_mm_storeu_si128((__m128i *) p, _mm512_cvtepi32_epi8(v));
}

static ALWAYS_INLINE void
vi_store_codes_part(uint8_t *p, VI v, int count)
{
	_mm_mask_storeu_epi8(p, lane_mask(count), _mm512_cvtepi32_epi8(v));
}

static ALWAYS_INLINE VI
vi_low_half(VI bytes)
{
	return _mm512_and_si512(bytes, _mm512_set1_epi32(15));
}

static ALWAYS_INLINE VI
vi_high_half(VI bytes)
{
	return _mm512_srli_epi32(bytes, 4);
}

static ALWAYS_INLINE VB
vb_load(const void *p)
{
	return _mm512_loadu_si512(p);
}

static ALWAYS_INLINE VB
vb_load_part(const void *p, int count)
{
	return _mm512_maskz_loadu_epi8((UINT64_C(1) << count) - 1, p);
}

static ALWAYS_INLINE VB
vb_low_half(VB v)
{
	return _mm512_and_si512(v, _mm512_set1_epi8(15));
}

static ALWAYS_INLINE VB
vb_high_half(VB v)
{
	return vb_low_half(_mm512_srli_epi16(v, 4));
}

static ALWAYS_INLINE VB
vb_and(VB a, VB b)
{
	return _mm512_and_si512(a, b);
}

static ALWAYS_INLINE VB
vb_xor(VB a, VB b)
{
	return _mm512_xor_si512(a, b);
}

/* Each half of a byte looks its bits up; then bytes are added by eights. */
static ALWAYS_INLINE VI
vi_add_bits(VI acc, VB v)
{
	__m512i		bits = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2,
															1, 2, 2, 3,
															1, 2, 2, 3,
															2, 3, 3, 4));
	__m512i		low = _mm512_shuffle_epi8(bits, vb_low_half(v));
	__m512i		high = _mm512_shuffle_epi8(bits, vb_high_half(v));

	return _mm512_add_epi32(acc, _mm512_sad_epu8(_mm512_add_epi8(low, high),
												 _mm512_setzero_si512()));
}

/* vpdpbusd, unlike vpdpbusds and vpmaddubsw, adds four products exactly. */
static ALWAYS_INLINE VI
vi_dot(VI acc, VB u, VB s)
{
	return _mm512_dpbusd_epi32(acc, u, s);
}

static ALWAYS_INLINE VI
vi_dot_small(VI acc, VB u, VB s)
{
	return vi_dot(acc, u, s);
}

/* One side must be signed: it becomes b - 128, and the bias -128 * a. */
static ALWAYS_INLINE VI
vi_dot_codes(VI acc, VB a, VB b)
{
	return vi_dot(acc, a, _mm512_xor_si512(b, _mm512_set1_epi8(-128)));
}

static ALWAYS_INLINE VI
vi_dot_bias(VI acc, VB a)
{
	return vi_dot(acc, a, _mm512_set1_epi8(-128));
}

/*
 * Compressed in the register, and then stored: compressing to memory is very
 * slow on some CPUs.
 */
static ALWAYS_INLINE int
emit_lanes(unsigned mask, const int32_t *p, int32_t *out)
{
	_mm512_storeu_si512(out, _mm512_maskz_compress_epi32((__mmask16) mask,
														 vi_load(p)));
	return __builtin_popcount(mask);
}

static ALWAYS_INLINE VB
four_bytes_everywhere(const int8_t *p)
{
	int32_t		four;

	memcpy(&four, p, 4);
	return _mm512_set1_epi32(four);
}

static ALWAYS_INLINE void
block_tile(const int count, const int8_t *rows, size_t stride,
		   const uint8_t *packed, int32_t *dots)
{
	const uint8_t *sums = packed + stride * VEGO_BLOCK_COLUMNS;
	__m512i		start0 = _mm512_slli_epi32(vb_load(sums), 7);
	__m512i		start1 = _mm512_slli_epi32(vb_load(sums + 64), 7);
	__m512i		acc[BLOCK_ROWS][2];

	/* A row's signed byte is its code - 128. */
#pragma GCC unroll 12
	for (int r = 0; r < count; r++)
	{
		acc[r][0] = start0;
		acc[r][1] = start1;
	}
	for (size_t i = 0; i < stride; i += 4)
	{
		__m512i		columns0 = vb_load(packed);
		__m512i		columns1 = vb_load(packed + 64);

#pragma GCC unroll 12
		for (int r = 0; r < count; r++)
		{
			__m512i		row = four_bytes_everywhere(rows + r * stride + i);

			acc[r][0] = vi_dot(acc[r][0], columns0, row);
			acc[r][1] = vi_dot(acc[r][1], columns1, row);
		}
		packed += 4 * VEGO_BLOCK_COLUMNS;
	}
#pragma GCC unroll 12
	for (int r = 0; r < count; r++)
	{
		_mm512_storeu_si512(dots + r * VEGO_BLOCK_COLUMNS, acc[r][0]);
		_mm512_storeu_si512(dots + r * VEGO_BLOCK_COLUMNS + 16, acc[r][1]);
	}
}

#include "simd/kernels_impl.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif							/* __x86_64__ */
