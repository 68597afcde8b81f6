/*
 * kernels_neon.c
 *	  The vector vocabulary of 64-bit ARM.
 *
 * Every such CPU has these instructions.  Dot product instructions are used
 * where the compiler may take them for granted.
 */
#include "simd/kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define KERNEL_TABLE vego_kernels_neon
#define KERNEL_NAME "neon"
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define FLOAT_LANES 4
#define BYTE_LANES 16
#define BLOCK_ROWS 2

typedef float32x4_t VF;
typedef int32x4_t VI;
typedef uint8x16_t VB;

static ALWAYS_INLINE uint32x4_t
lane_mask(int count)
{
	static const uint32_t lanes[4] = {0, 1, 2, 3};

	return vcltq_u32(vld1q_u32(lanes), vdupq_n_u32((uint32_t) count));
}

static ALWAYS_INLINE VF
vf_zero(void)
{
	return vdupq_n_f32(0);
}

static ALWAYS_INLINE VF
vf_set(float x)
{
	return vdupq_n_f32(x);
}

static ALWAYS_INLINE VF
vf_load(const float *p)
{
	return vld1q_f32(p);
}

static ALWAYS_INLINE VF
vf_load_part(const float *p, int count)
{
	VF			v = vsetq_lane_f32(p[0], vf_zero(), 0);

	if (count > 1)
		v = vsetq_lane_f32(p[1], v, 1);
	if (count > 2)
		v = vsetq_lane_f32(p[2], v, 2);
	return v;
}

static ALWAYS_INLINE void
vf_store(float *p, VF v)
{
	vst1q_f32(p, v);
}

static ALWAYS_INLINE void
vf_store_part(float *p, VF v, int count)
{
	vst1q_lane_f32(p, v, 0);
	if (count > 1)
		vst1q_lane_f32(p + 1, v, 1);
	if (count > 2)
		vst1q_lane_f32(p + 2, v, 2);
}

static ALWAYS_INLINE VF
vf_add(VF a, VF b)
{
	return vaddq_f32(a, b);
}

static ALWAYS_INLINE VF
vf_sub(VF a, VF b)
{
	return vsubq_f32(a, b);
}

static ALWAYS_INLINE VF
vf_mul(VF a, VF b)
{
	return vmulq_f32(a, b);
}

static ALWAYS_INLINE VF
vf_fma(VF a, VF b, VF c)
{
	return vfmaq_f32(c, a, b);
}

static ALWAYS_INLINE VF
vf_abs(VF a)
{
	return vabsq_f32(a);
}

static ALWAYS_INLINE VF
vf_min(VF a, VF b)
{
	return vminq_f32(a, b);
}

static ALWAYS_INLINE VF
vf_max(VF a, VF b)
{
	return vmaxq_f32(a, b);
}

static ALWAYS_INLINE VF
vf_merge(VF v, VF rest, int count)
{
	return vbslq_f32(lane_mask(count), v, rest);
}

static ALWAYS_INLINE VI
vf_bits(VF v)
{
	return vreinterpretq_s32_f32(v);
}

static ALWAYS_INLINE VF
vf_from_ints(VI v)
{
	return vcvtq_f32_s32(v);
}

static ALWAYS_INLINE VF
vf_load_halves(const VegoHalf *p)
{
	return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static ALWAYS_INLINE VF
vf_load_halves_part(const VegoHalf *p, int count)
{
	VegoHalf	halves[4] = {0};

	memcpy(halves, p, sizeof(VegoHalf) * (size_t) count);
	return vf_load_halves(halves);
}

static ALWAYS_INLINE void
vf_store_halves(VegoHalf *p, VF v)
{
	vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

static ALWAYS_INLINE void
vf_store_halves_part(VegoHalf *p, VF v, int count)
{
	VegoHalf	halves[4];

	vf_store_halves(halves, v);
	memcpy(p, halves, sizeof(VegoHalf) * (size_t) count);
}

static ALWAYS_INLINE void
vf_add_to_sums(VF v, double *sums)
{
	float64x2_t first = vcvt_f64_f32(vget_low_f32(v));
	float64x2_t second = vcvt_high_f64_f32(v);

	vst1q_f64(sums, vaddq_f64(vld1q_f64(sums), first));
	vst1q_f64(sums + 2, vaddq_f64(vld1q_f64(sums + 2), second));
}

static ALWAYS_INLINE float
vf_sum(VF v)
{
	return vaddvq_f32(v);
}

static ALWAYS_INLINE float
vf_smallest(VF v)
{
	return vminvq_f32(v);
}

static ALWAYS_INLINE float
vf_largest(VF v)
{
	return vmaxvq_f32(v);
}

static ALWAYS_INLINE VI
vi_zero(void)
{
	return vdupq_n_s32(0);
}

static ALWAYS_INLINE VI
vi_load(const int32_t *p)
{
	return vld1q_s32(p);
}

static ALWAYS_INLINE VI
vi_set(int32_t x)
{
	return vdupq_n_s32(x);
}

static ALWAYS_INLINE VI
vi_lanes(void)
{
	static const int32_t lanes[4] = {0, 1, 2, 3};

	return vld1q_s32(lanes);
}

static ALWAYS_INLINE void
vi_store(int32_t *p, VI v)
{
	vst1q_s32(p, v);
}

static ALWAYS_INLINE VI
vi_min(VI a, VI b)
{
	return vminq_s32(a, b);
}

static ALWAYS_INLINE VI
vi_merge(VI v, VI w, VI bits)
{
	return vbslq_s32(vreinterpretq_u32_s32(bits), w, v);
}

static ALWAYS_INLINE unsigned
vi_below(VI v, VI w)
{
	static const uint32_t bits[4] = {1, 2, 4, 8};

	return vaddvq_u32(vandq_u32(vcltq_s32(v, w), vld1q_u32(bits)));
}

static ALWAYS_INLINE VI
vi_add(VI a, VI b)
{
	return vaddq_s32(a, b);
}

static ALWAYS_INLINE VI
vi_sub(VI a, VI b)
{
	return vsubq_s32(a, b);
}

static ALWAYS_INLINE int32_t
vi_sum(VI v)
{
	return vaddvq_s32(v);
}

static ALWAYS_INLINE void
vi_sum_four(const VI four[4], int32_t sums[4])
{
	for (int k = 0; k < 4; k++)
		sums[k] = vi_sum(four[k]);
}

static ALWAYS_INLINE int64_t
vi_sum_query(VI high, VI low)
{
	return (int64_t) vi_sum(high) * 128 + vi_sum(low);
}

static ALWAYS_INLINE VI
vi_round(VF v)
{
	return vcvtnq_s32_f32(v);
}

static ALWAYS_INLINE VI
vi_add_square(VI acc, VI codes)
{
	return vmlaq_s32(acc, codes, codes);
}

/* One to four bytes, one in each of the first lanes. */
static ALWAYS_INLINE VI
lanes_of_bytes(const uint8_t *p, size_t count)
{
	uint32_t	word = 0;
	uint16x8_t	shorts;

	memcpy(&word, p, count);
	shorts = vmovl_u8(vcreate_u8(word));
	return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(shorts)));
}

static ALWAYS_INLINE VI
vi_load_codes(const uint8_t *p)
{
	return lanes_of_bytes(p, 4);
}

static ALWAYS_INLINE VI
vi_load_codes_part(const uint8_t *p, int count)
{
	return lanes_of_bytes(p, (size_t) count);
}

static ALWAYS_INLINE uint32_t
codes_of_lanes(VI v)
{
	uint16x4_t	shorts = vmovn_u32(vreinterpretq_u32_s32(v));
	uint8x8_t	bytes = vmovn_u16(vcombine_u16(shorts, shorts));

	return vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
}

static ALWAYS_INLINE void
vi_store_codes(uint8_t *p, VI v)
{
	uint32_t	codes = codes_of_lanes(v);

	memcpy(p, &codes, 4);
}

static ALWAYS_INLINE void
vi_store_codes_part(uint8_t *p, VI v, int count)
{
	uint32_t	codes = codes_of_lanes(v);

	memcpy(p, &codes, (size_t) count);
}

static ALWAYS_INLINE VI
vi_low_half(VI bytes)
{
	return vandq_s32(bytes, vdupq_n_s32(15));
}

static ALWAYS_INLINE VI
vi_high_half(VI bytes)
{
	return vshrq_n_s32(bytes, 4);
}

static ALWAYS_INLINE VB
vb_load(const void *p)
{
	return vld1q_u8(p);
}

static ALWAYS_INLINE VB
vb_load_part(const void *p, int count)
{
	uint8_t		bytes[BYTE_LANES] = {0};

	memcpy(bytes, p, (size_t) count);
	return vld1q_u8(bytes);
}

static ALWAYS_INLINE VB
vb_low_half(VB v)
{
	return vandq_u8(v, vdupq_n_u8(15));
}

static ALWAYS_INLINE VB
vb_high_half(VB v)
{
	return vshrq_n_u8(v, 4);
}

static ALWAYS_INLINE VB
vb_and(VB a, VB b)
{
	return vandq_u8(a, b);
}

static ALWAYS_INLINE VB
vb_xor(VB a, VB b)
{
	return veorq_u8(a, b);
}

static ALWAYS_INLINE VI
vi_add_bits(VI acc, VB v)
{
	uint16x8_t	pairs = vpaddlq_u8(vcntq_u8(v));

	return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(acc),
											 pairs));
}

static ALWAYS_INLINE VI
vi_dot(VI acc, VB u, VB s)
{
	int8x16_t	v = vreinterpretq_s8_u8(s);
	int16x8_t	u0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(u)));
	int16x8_t	u1 = vreinterpretq_s16_u16(vmovl_high_u8(u));
	int16x8_t	s0 = vmovl_s8(vget_low_s8(v));
	int16x8_t	s1 = vmovl_high_s8(v);

	acc = vmlal_s16(acc, vget_low_s16(u0), vget_low_s16(s0));
	acc = vmlal_high_s16(acc, u0, s0);
	acc = vmlal_s16(acc, vget_low_s16(u1), vget_low_s16(s1));
	return vmlal_high_s16(acc, u1, s1);
}

static ALWAYS_INLINE VI
vi_dot_small(VI acc, VB u, VB s)
{
	return vi_dot(acc, u, s);
}

static ALWAYS_INLINE VI
vi_dot_codes(VI acc, VB a, VB b)
{
	uint32x4_t	sums = vreinterpretq_u32_s32(acc);

#if defined(__ARM_FEATURE_DOTPROD)
	sums = vdotq_u32(sums, a, b);
#else
	sums = vpadalq_u16(sums, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
	sums = vpadalq_u16(sums, vmull_high_u8(a, b));
#endif
	return vreinterpretq_s32_u32(sums);
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
 * Four columns' sums.  Unlike those of vi_dot_codes they stay in their lanes,
 * two a column without dot product instructions.
 */
typedef struct FourColumns
{
	uint32x4_t	sums;
#if !defined(__ARM_FEATURE_DOTPROD)
	uint32x4_t	more_sums;
#endif
} FourColumns;

static ALWAYS_INLINE FourColumns
add_columns(FourColumns acc, VB columns, VB row)
{
#if defined(__ARM_FEATURE_DOTPROD)
	acc.sums = vdotq_u32(acc.sums, columns, row);
#else
	acc.sums = vpadalq_u16(acc.sums, vmull_u8(vget_low_u8(columns),
											  vget_low_u8(row)));
	acc.more_sums = vpadalq_u16(acc.more_sums, vmull_high_u8(columns, row));
#endif
	return acc;
}

static ALWAYS_INLINE uint32x4_t
columns_of(FourColumns acc)
{
#if defined(__ARM_FEATURE_DOTPROD)
	return acc.sums;
#else
	return vpaddq_u32(acc.sums, acc.more_sums);
#endif
}

/*
 * The signed rows are made unsigned again, so that the columns' sums are not
 * needed; in the padding the columns are 0.
 */
static ALWAYS_INLINE void
block_tile(const int count, const int8_t *rows, size_t stride,
		   const uint8_t *packed, int32_t *dots)
{
	for (int c = 0; c < VEGO_BLOCK_COLUMNS; c += 16)
	{
		const uint8_t *columns = packed + 4 * c;
		FourColumns acc[BLOCK_ROWS][4];

		memset(acc, 0, sizeof(acc));
		for (size_t i = 0; i < stride; i += 4)
		{
#pragma GCC unroll 2
			for (int r = 0; r < count; r++)
			{
				uint32_t	four;
				VB			row;

				memcpy(&four, rows + r * stride + i, 4);
				row = vreinterpretq_u8_u32(vdupq_n_u32(four ^ 0x80808080));
#pragma GCC unroll 4
				for (int v = 0; v < 4; v++)
					acc[r][v] = add_columns(acc[r][v],
											vb_load(columns + 16 * v), row);
			}
			columns += 4 * VEGO_BLOCK_COLUMNS;
		}
#pragma GCC unroll 2
		for (int r = 0; r < count; r++)
		{
			int32_t    *to = dots + r * VEGO_BLOCK_COLUMNS + c;

#pragma GCC unroll 4
			for (int v = 0; v < 4; v++)
				vst1q_s32(to + 4 * v,
						  vreinterpretq_s32_u32(columns_of(acc[r][v])));
		}
	}
}

#include "simd/kernels_impl.h"

#endif							/* __aarch64__ */
