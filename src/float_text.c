/*
 * float_text.c
 *	  Which number does this text mean, and which text means this half?
 *
 * strtof answers for floats, and for most texts a product in double precision
 * gives provably the same answer sooner.
 *
 * A text of up to 19 digits is w * 10^q with an integer w < 2^64.  Rounding w
 * to a double, 10^q to a double, and their product, each changes the result by
 * at most 2^-53 of it, together by less than 4 units in the last place.  A
 * float takes the upper 24 of a double's 53 bits, and rounding to float is
 * monotone: its result changes only at the midpoints between floats, where the
 * lower 29 bits are 1 followed by 28 zeros.  Unless such a midpoint is within
 * a few units of the computed double, the exact value lies on the same side of
 * it and both round to the same float.
 *
 * A half takes the upper 11 bits of a double, so the same holds with 42 lower
 * bits, where it is not subnormal.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "float_text.h"

#define MAX_DIGITS 19			/* 10^19 < 2^64 */
#define MAX_POWER 32			/* 10^-32 is a normal float */
#define DOUBT UINT64_C(8)		/* units in the last place; 4 would do */

/* What a product is rounded to, and where it may be: safely in the range. */
typedef struct Precision
{
	int			lower_bits;		/* of a double, beyond those of a result */
	double		smallest;
	double		largest;
} Precision;

static const Precision single_precision = {29, 1e-37, 3.4e38};
static const Precision half_precision = {42, 0x1p-14, 65519};

static const double powers[2 * MAX_POWER + 1] = {
	1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23,
	1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13,
	1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3,
	1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7,
	1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
	1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27,
	1e28, 1e29, 1e30, 1e31, 1e32
};

static const unsigned ones[] = {1, 10, 100, 1000, 10000, 100000, 1000000,
10000000, 100000000};

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

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* How many of the eight bytes at p are digits, before one that is not? */
static inline int
count_digits_at(const char *p)
{
	uint64_t	bytes;
	uint64_t	others;

	memcpy(&bytes, p, sizeof(bytes));
	bytes ^= UINT64_C(0x3030303030303030);
	/* a carry out of a byte that is no digit is behind the first of them */
	others = ((bytes + UINT64_C(0x7676767676767676)) | bytes) &
		UINT64_C(0x8080808080808080);
	return others != 0 ? __builtin_ctzll(others) / 8 : 8;
}

/*
 * Appends the first `count` of eight digits at p: others are shifted out, and
 * zeros come in before the first.  Then neighbours become numbers of two digits,
 * of four, of eight.
 */
static inline uint64_t
append_digits(uint64_t digits, const char *p, int count)
{
	int			half_shift = 4 * (8 - count);
	uint64_t	bytes;

	memcpy(&bytes, p, sizeof(bytes));
	bytes ^= UINT64_C(0x3030303030303030);
	bytes = bytes << half_shift << half_shift;	/* 64 in one is undefined */
	bytes = (bytes * 10 + (bytes >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
	bytes = (bytes * 100 + (bytes >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
	bytes = (bytes * 10000 + (bytes >> 32)) & UINT64_C(0xFFFFFFFF);
	return digits * ones[count] + bytes;
}
#endif

/*
 * The same for digits of any number, of which there are about eight: up to 16 at
 * once, if so many bytes are left before the end.  How many there are cannot be
 * foreseen, so a loop would cost the processor more than all the rest.
 */
static inline const char *
read_many_digits(const char *p, const char *end, uint64_t *digits)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	if (end - p >= 16)
	{
		int			first = count_digits_at(p);
		int			second = count_digits_at(p + 8) & -(first == 8);

		*digits = append_digits(append_digits(*digits, p, first),
								p + 8, second);
		p += first + second;
		if (second < 8)
			return p;
	}
#endif
	return read_digits(p, digits);
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

/*
 * How the number at text compares with a double that has up to 40 digits and
 * that it is nearly equal to: -1, 0 or 1, by size, signs left out.  The double
 * is no power of ten, so both begin with the same digit.
 */
static int
compare_digits(const char *text, double value)
{
	char		exact[64];
	const char *q = exact;
	const char *p = text + (*text == '-' || *text == '+');

	if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
		return 0;				/* such a text and a double share their bits */
	snprintf(exact, sizeof(exact), "%.40e", value);
	while (*p == '0' || *p == '.')
		p++;
	for (; is_digit(*p) || *p == '.'; p++)
	{
		char		digit;

		if (*p == '.')
			continue;
		if (*q == '.')
			q++;
		digit = is_digit(*q) ? *q++ : '0';
		if (*p != digit)
			return *p < digit ? -1 : 1;
	}
	for (; is_digit(*q) || *q == '.'; q++)
	{
		if (*q != '0' && *q != '.')
			return -1;
	}
	return 0;
}

/* Halfway from a positive half to the next, in a double: it has the bits. */
static double
midpoint_above(VegoHalf half)
{
	double		next = half == VEGO_HALF_INFINITY - 1 ? 65536 :
		vego_half_to_float(half + 1);

	return (vego_half_to_float(half) + next) / 2;
}

/*
 * The half nearest to the number at text, whose nearest double is given.  The
 * double decides unless it lies halfway between two halves, where the digits
 * that it lacks do.
 */
static VegoHalf
half_nearest_to_text(const char *text, double value)
{
	double		size = fabs(value);
	VegoHalf	half = vego_half_from_double(size);
	VegoHalf	below = vego_half_from_double(nextafter(size, 0));
	VegoHalf	above = vego_half_from_double(nextafter(size, INFINITY));

	if (below != above && size == midpoint_above(below))
	{
		int			order = compare_digits(text, size);

		half = order < 0 ? below : order > 0 ? above : half;
	}
	return signbit(value) ? half | VEGO_HALF_SIGN : half;
}

static VegoFloatText
read_slowly(const char *text, const Precision *precision)
{
	VegoFloatText result = {.verdict = VEGO_FLOAT_READ};
	bool		out_of_range;
	char	   *end;

	errno = 0;
	if (precision == &single_precision)
	{
		result.value = strtof(text, &end);
		out_of_range = errno == ERANGE;
	}
	else
	{
		double		value = strtod(text, &end);

		/* A finite double that becomes no such half was out of its range. */
		out_of_range = errno == ERANGE || (isfinite(value) && value != 0);
		result.value = vego_half_to_float(half_nearest_to_text(text, value));
	}
	result.end = end;
	if (end == text)
		result.verdict = VEGO_FLOAT_NOT_A_NUMBER;
	else if (isinf(result.value) && out_of_range)
		result.verdict = VEGO_FLOAT_TOO_LARGE;
	else if (result.value == 0 && out_of_range)
		result.verdict = VEGO_FLOAT_TOO_SMALL;
	return result;
}

/*
 * Reads the number at text, as far as a product gives it, and returns its end,
 * or NULL.  What is before `end` may be read ahead.  Compiled once for
 * each precision.
 */
static inline __attribute__((always_inline)) const char *
read_quickly(const char *text, const char *end, const Precision *precision,
			 float *value)
{
	const uint64_t lower_bits = (UINT64_C(1) << precision->lower_bits) - 1;
	const uint64_t midpoint = UINT64_C(1) << (precision->lower_bits - 1);
	bool		negative = *text == '-';
	const char *first = text + (negative || *text == '+');
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

		p = read_many_digits(fraction, end, &digits);
		if (p - fraction > 4 * MAX_POWER)
			return NULL;
		power = (int) (fraction - p);
		count += p - fraction;
	}
	if (count == 0 || *p == 'x' || *p == 'X')
		return NULL;
	if (count > MAX_DIGITS && count - leading_zeros(first) > MAX_DIGITS)
		return NULL;
	if (*p == 'e' || *p == 'E')
	{
		int			exponent;

		p = read_exponent(p + 1, &exponent);
		if (p == NULL)
			return NULL;
		power += exponent;
	}
	if (power < -MAX_POWER || power > MAX_POWER)
		return NULL;

	product = (double) digits * powers[power + MAX_POWER];
	memcpy(&bits, &product, sizeof(bits));
	if (product > precision->largest ||
		(product < precision->smallest && digits != 0) ||
		(bits & lower_bits) - (midpoint - DOUBT) <= 2 * DOUBT)
		return NULL;

	bits |= (uint64_t) negative << 63;	/* a branch would be a guess */
	memcpy(&product, &bits, sizeof(bits));
	*value = precision == &single_precision ? (float) product :
		vego_half_to_float(vego_half_from_double(product));
	return p;
}

static inline __attribute__((always_inline)) VegoFloatText
read_number(const char *text, const Precision *precision)
{
	VegoFloatText result = {.verdict = VEGO_FLOAT_READ};

	result.end = read_quickly(text, text, precision, &result.value);
	if (result.end == NULL)
		return read_slowly(text, precision);
	return result;
}

VegoFloatText
vego_float_from_text(const char *text)
{
	return read_number(text, &single_precision);
}

VegoFloatText
vego_half_from_text(const char *text)
{
	return read_number(text, &half_precision);
}

static inline __attribute__((always_inline)) int
read_list(const char **list, const char *end, const Precision *precision,
		  float *values, int room)
{
	const char *text = *list;
	int			count = 0;

	while (count < room)
	{
		const char *p = read_quickly(text, end, precision, &values[count]);

		if (p == NULL || *p != ',')
			break;
		text = p + 1;
		if (*text == ' ')
			text++;
		count++;
	}
	*list = text;
	return count;
}

int
vego_floats_from_text(const char **list, const char *end, float *values,
					  int room)
{
	return read_list(list, end, &single_precision, values, room);
}

int
vego_halves_from_text(const char **list, const char *end, float *values,
					  int room)
{
	return read_list(list, end, &half_precision, values, room);
}

/* Writes four digits, in any case. */
static inline void
write_four_digits(unsigned number, char *text)
{
	unsigned	high = number / 100;
	unsigned	low = number % 100;

	text[0] = (char) ('0' + high / 10);
	text[1] = (char) ('0' + high % 10);
	text[2] = (char) ('0' + low / 10);
	text[3] = (char) ('0' + low % 10);
}

/*
 * Writes the last `count` digits of a number, at most eight, zeros in front
 * included; returns the end.  May write eight bytes: without branches.
 */
static inline char *
write_digits(unsigned number, int count, char *text)
{
	unsigned	aligned = number * ones[8 - count];

	write_four_digits(aligned / 10000, text);
	write_four_digits(aligned % 10000, text + 4);
	return text + count;
}

static inline int
count_digits(unsigned number)
{
	int			count = 1;

	while (number >= ones[count])
		count++;
	return count;
}

/* Below 0.0001: number / 10^places as d.ddde-0x; returns the end. */
static char *
write_scientific(unsigned number, int places, char *text)
{
	int			count = count_digits(number);
	unsigned	first = number / ones[count - 1];

	text = write_digits(first, 1, text);
	if (count > 1)
		*text++ = '.';
	text = write_digits(number - first * ones[count - 1], count - 1, text);
	*text++ = 'e';
	*text++ = '-';
	return write_digits((unsigned) (places + 1 - count), 2, text);
}

/*
 * What reads back as a half lies between the midpoints to its neighbours, or
 * on one when its last bit is 0.  Halves of one exponent are a unit apart, so
 * that many decimal places are always enough; as long as one place less will
 * do, the text gets shorter.
 *
 * All is counted in quarters of that unit, size of them, each 2^-shift.  Then
 * number / 10^places lies error / 10^places quarters above the half, and the
 * midpoints two quarters away, but below a power of two only one.  No integer
 * that is not itself a half is that near to one, so places remain.
 */
int
vego_half_to_text(VegoHalf half, char *text)
{
	/* for each exponent, the places that no unit is too small for */
	static const int enough[32] = {8, 8, 8, 7, 7, 7, 6, 6, 6, 6, 5, 5, 5, 4, 4,
	4, 3, 3, 3, 3, 2, 2, 2, 1, 1};
	int			exponent = half >> 10 & 31;
	int			fraction = half & 0x3FF;
	int64_t		size = 4 * (exponent > 0 ? 1024 + fraction : fraction);
	int			shift = 27 - (exponent > 0 ? exponent : 1);
	int64_t		quarters_below = fraction == 0 && exponent > 1 ? 1 : 2;
	int64_t		tie_allowed = (half & 1) == 0;
	char	   *end = text + (half >> 15);
	unsigned	whole;
	unsigned	shortest = 0;
	int			places;

	*text = '-';
	whole = (unsigned) (shift < 2 ? size << (2 - shift) >> 2 : size >> shift);
	if (shift <= 2 || size == (int64_t) whole << shift)
		return (int) (write_digits(whole, count_digits(whole), end) - text);

	for (places = enough[exponent]; places > 0; places--)
	{
		int64_t		one = ones[places];
		int64_t		scaled = size * one;
		int64_t		number = (scaled + (INT64_C(1) << (shift - 1))) >> shift;
		int64_t		error = (number << shift) - scaled;

		if (-error >= quarters_below * one + tie_allowed)
		{
			number++;
			error += INT64_C(1) << shift;
		}
		if (error >= 2 * one + tie_allowed)
			break;
		shortest = (unsigned) number;
	}
	places++;

	if (shortest * UINT64_C(10000) < ones[places])
		return (int) (write_scientific(shortest, places, end) - text);
	end = write_digits(whole, count_digits(whole), end);
	*end++ = '.';
	end = write_digits(shortest - whole * ones[places], places, end);
	return (int) (end - text);
}
