/*
 * half.h
 *	  The IEEE 754 half-precision number, in plain C.
 *
 * One bit of sign, 5 of exponent, 10 of fraction: eleven significant bits,
 * 6e-8 to 65504.  Every half is a float, so arithmetic is done on floats; what
 * matters is that a result is rounded once, to the nearest half, ties to even.
 */
#ifndef VEGO_HALF_H
#define VEGO_HALF_H

#include <stdint.h>
#include <string.h>

typedef uint16_t VegoHalf;

#define VEGO_HALF_MAX 65504.0f
#define VEGO_HALF_SIGN 0x8000
#define VEGO_HALF_INFINITY 0x7C00	/* above it, NaN */

/*
 * With the exponent's bits where a float has its own, the number is 2^-112 of
 * what it should be, subnormals included.
 */
static inline float
vego_half_to_float(VegoHalf half)
{
	uint32_t	bits = (uint32_t) (half & ~VEGO_HALF_SIGN) << 13;
	uint32_t	sign = (uint32_t) (half & VEGO_HALF_SIGN) << 16;
	float		value;

	if ((half & VEGO_HALF_INFINITY) == VEGO_HALF_INFINITY)
		bits |= UINT32_C(0xFF) << 23;
	else
	{
		memcpy(&value, &bits, sizeof(value));
		value *= 0x1p112f;
		memcpy(&bits, &value, sizeof(bits));
	}
	bits |= sign;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* Rounded once; infinite from 65520 on, which is halfway to 65536. */
static inline VegoHalf
vego_half_from_double(double value)
{
	double		size = __builtin_fabs(value);
	VegoHalf	sign = __builtin_signbit(value) ? VEGO_HALF_SIGN : 0;
	uint64_t	bits;

	if (size != size)
		return sign | VEGO_HALF_INFINITY | 0x200;
	if (size >= 65520.0)
		return sign | VEGO_HALF_INFINITY;
	if (size < 0x1p-14)
	{
		/* Beside 2^28 a double has bits down to 2^-24, as a subnormal has. */
		size += 0x1p28;
		memcpy(&bits, &size, sizeof(bits));
		return sign | (VegoHalf) (bits & 0x7FF);
	}

	/* Of 52 bits of fraction, ten remain; a carry goes to the exponent. */
	memcpy(&bits, &size, sizeof(bits));
	bits += (UINT64_C(1) << 41) - 1 + (bits >> 42 & 1);
	return sign | (VegoHalf) ((bits >> 42) - ((UINT64_C(1023) - 15) << 10));
}

#endif							/* VEGO_HALF_H */
