/*
 * float_text.c
 *	  Which float does this text mean?
 *
 * strtof answers, and for most texts a product in double precision gives
 * provably the same answer sooner.
 *
 * A text of up to 19 digits is w * 10^q with an integer w < 2^64.  Rounding w
 * to a double, 10^q to a double, and their product, each changes the result by
 * at most 2^-53 of it, together by less than 4 units in the last place.  A
 * float takes the upper 24 of a double's 53 bits, and rounding to float is
 * monotone: its result changes only at the midpoints between floats, where the
 * lower 29 bits are 1 followed by 28 zeros.  Unless such a midpoint is within
 * a few units of the computed double, the exact value lies on the same side of
 * it and both round to the same float.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "float_text.h"

#define MAX_DIGITS 19			/* 10^19 < 2^64 */
#define MAX_POWER 32			/* 10^-32 is a normal float */
#define LARGEST_PRODUCT 3.4e38	/* safely below FLT_MAX */

#define LOWER_BITS ((UINT64_C(1) << 29) - 1)
#define MIDPOINT (UINT64_C(1) << 28)
#define DOUBT UINT64_C(8)		/* units in the last place; 4 would do */

static const double powers[2 * MAX_POWER + 1] = {
	1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23,
	1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13,
	1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3,
	1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7,
	1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
	1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27,
	1e28, 1e29, 1e30, 1e31, 1e32
};

static inline bool
is_digit(char c)
{
	return (unsigned char) (c - '0') < 10;
}

/* Appends the digits at p to *digits, which may wrap around. */
static inline const char *
read_digits(const char *p, uint64_t *digits)
{
	for (; is_digit(*p); p++)
		*digits = *digits * 10 + (uint64_t) (*p - '0');
	return p;
}

static int
leading_zeros(const char *p)
{
	int			zeros = 0;

	for (; *p == '0' || *p == '.'; p++)
		zeros += *p == '0';
	return zeros;
}

/* The exponent behind an 'e', and where it ends; NULL when there is none. */
static const char *
read_exponent(const char *p, int *exponent)
{
	bool		negative = *p == '-';
	uint64_t	digits = 0;
	const char *first;

	if (*p == '-' || *p == '+')
		p++;
	first = p;
	p = read_digits(p, &digits);
	if (p == first || p - first > 4)
		return NULL;
	*exponent = negative ? -(int) digits : (int) digits;
	return p;
}

static VegoFloatText
read_slowly(const char *text)
{
	VegoFloatText result = {.verdict = VEGO_FLOAT_READ};
	char	   *end;

	errno = 0;
	result.value = strtof(text, &end);
	result.end = end;
	if (end == text)
		result.verdict = VEGO_FLOAT_NOT_A_NUMBER;
	else if (isinf(result.value) && errno == ERANGE)
		result.verdict = VEGO_FLOAT_TOO_LARGE;
	return result;
}

VegoFloatText
vego_float_from_text(const char *text)
{
	VegoFloatText result = {.verdict = VEGO_FLOAT_READ};
	bool		negative = *text == '-';
	const char *first = text + (*text == '-' || *text == '+');
	const char *p;
	uint64_t	digits = 0;
	uint64_t	bits;
	long		count;
	int			power = 0;
	double		product;

	p = read_digits(first, &digits);
	count = p - first;
	if (*p == '.')
	{
		const char *fraction = p + 1;

		p = read_digits(fraction, &digits);
		if (p - fraction > 4 * MAX_POWER)
			return read_slowly(text);
		power = (int) (fraction - p);
		count += p - fraction;
	}
	if (count == 0 || *p == 'x' || *p == 'X')
		return read_slowly(text);
	if (count > MAX_DIGITS && count - leading_zeros(first) > MAX_DIGITS)
		return read_slowly(text);
	if (*p == 'e' || *p == 'E')
	{
		int			exponent;

		p = read_exponent(p + 1, &exponent);
		if (p == NULL)
			return read_slowly(text);
		power += exponent;
	}
	if (power < -MAX_POWER || power > MAX_POWER)
		return read_slowly(text);

	product = (double) digits * powers[power + MAX_POWER];
	memcpy(&bits, &product, sizeof(bits));
	if (product > LARGEST_PRODUCT ||
		(bits & LOWER_BITS) - (MIDPOINT - DOUBT) <= 2 * DOUBT)
		return read_slowly(text);

	result.value = negative ? -(float) product : (float) product;
	result.end = p;
	return result;
}
