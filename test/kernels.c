/*
 * kernels.c
 *	  Holds every table of kernels this CPU runs against the scalar one.
 *
 * Stands alone, without PostgreSQL:
 *
 *	 cc -O2 -Isrc test/kernels.c src/simd/kernels_*.c -lm -o kernels-test
 *	 ./kernels-test
 *
 * Every array lies between two pages that may not be touched, most often
 * directly before the second.  Integer kernels must agree exactly with the
 * scalar ones.  Float kernels, the scalar ones too, are compared with sums in
 * double precision; they may differ by n roundings of the sum of the absolute
 * terms.
 */
#define _DEFAULT_SOURCE
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "simd/kernels.h"

#define MAX_LENGTH 2100
#define MAX_DIMENSIONS 16384
#define MAX_ROWS 70
#define MAX_CODES 7
#define CANARY 0xA5
#define CANARY_BYTES 64
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Guarded memory ---- */

typedef struct Arena
{
	uint8_t    *begin;
	uint8_t    *end;			/* the first byte not to be touched */
} Arena;

/* One for each array that a kernel is given at the same time. */
static Arena arenas[2 + MAX_CODES];

#define ARENA_BYTES (1 << 20)
#define AT_FRONT (-1)

static void
create_arenas(void)
{
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	size_t		bytes = (ARENA_BYTES + page - 1) / page * page;

	for (size_t i = 0; i < lengthof(arenas); i++)
	{
		uint8_t    *p = mmap(NULL, bytes + 2 * page,
							 PROT_READ | PROT_WRITE,
							 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED ||
			mprotect(p, page, PROT_NONE) != 0 ||
			mprotect(p + page + bytes, page, PROT_NONE) != 0)
		{
			perror("guard pages");
			exit(2);
		}
		arenas[i].begin = p + page;
		arenas[i].end = p + page + bytes;
	}
}

/*
 * An array of that many bytes, `shift` bytes before the end of its arena or
 * at the front of it, with canaries on both sides.
 */
static void *
place(int arena, size_t bytes, int shift)
{
	Arena	   *a = &arenas[arena];
	uint8_t    *p = shift == AT_FRONT ? a->begin : a->end - bytes - shift;
	size_t		before = (size_t) (p - a->begin);
	size_t		after = (size_t) (a->end - p) - bytes;

	before = before < CANARY_BYTES ? before : CANARY_BYTES;
	after = after < 4 * CANARY_BYTES ? after : 4 * CANARY_BYTES;
	memset(p - before, CANARY, before);
	memset(p + bytes, CANARY, after);
	return p;
}

static bool
canaries_alive(int arena, const void *array, size_t bytes)
{
	const Arena *a = &arenas[arena];
	const uint8_t *p = array;

	for (int i = 1; i <= CANARY_BYTES && p - i >= a->begin; i++)
	{
		if (p[-i] != CANARY)
			return false;
	}
	p += bytes;
	for (int i = 0; i < 4 * CANARY_BYTES && p + i < a->end; i++)
	{
		if (p[i] != CANARY)
			return false;
	}
	return true;
}

static sigjmp_buf touched_guard;

static void
on_fault(int signal_number)
{
	siglongjmp(touched_guard, signal_number);
}

/* ---- Cases and data ---- */

typedef enum Pattern
{
	RANDOM,
	EXTREME,					/* everything as large as it may be */
	ALTERNATING,				/* between both extremes */
	TINY,						/* denormals and zeros; small codes */
	HUGE_VALUES,				/* squares near the end of the range */
	PATTERNS
} Pattern;

typedef struct Case
{
	int			n;
	int			shift;			/* in bytes for codes, else in floats */
	Pattern		pattern;
} Case;

static Case *cases;
static int	case_count;

static void
add_case(int n, int shift, Pattern pattern)
{
	cases[case_count++] = (Case)
	{
		n, shift, pattern
	};
}

static void
create_cases(void)
{
	static const int shifted[] = {1, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64,
	65, 100, 127, 128, 129, 255, 256, 768, 1000};
	static const int large[] = {4095, 4096, 4097, 8300, 16383, 16384};

	cases = malloc(sizeof(Case) * ((MAX_LENGTH + 1) * (PATTERNS + 1) +
								   lengthof(shifted) * 63 +
								   lengthof(large) * PATTERNS));
	if (cases == NULL)
		exit(2);
	for (int n = 0; n <= MAX_LENGTH; n++)
	{
		for (int p = 0; p < PATTERNS; p++)
			add_case(n, 0, (Pattern) p);
		add_case(n, AT_FRONT, (Pattern) (n % PATTERNS));
	}
	for (size_t i = 0; i < lengthof(shifted); i++)
	{
		for (int shift = 1; shift < 64; shift++)
			add_case(shifted[i], shift, (Pattern) (shift % PATTERNS));
	}
	for (size_t i = 0; i < lengthof(large); i++)
	{
		for (int p = 0; p < PATTERNS; p++)
			add_case(large[i], 0, (Pattern) p);
	}
}

static uint64_t random_state = 88172645463325252u;

static uint32_t
random_bits(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t) (random_state >> 32);
}

/* In -1 .. 1. */
static float
random_float(void)
{
	return (float) ((int32_t) random_bits() / 2147483648.0);
}

static float
float_of_pattern(Pattern pattern, int i)
{
	switch (pattern)
	{
		case EXTREME:
			return 1e15f;
		case ALTERNATING:
			return (i & 1 ? -1.0f : 1.0f) * (i & 2 ? 1e-3f : 1e3f);
		case TINY:
			return i % 3 == 0 ? 0 : random_float() * 1e-39f;
		case HUGE_VALUES:
			return random_float() * 1e17f;
		default:
			return random_float();
	}
}

static float *
floats(int arena, int n, const Case *c)
{
	float	   *p = place(arena, sizeof(float) * n,
						  c->shift == AT_FRONT ? AT_FRONT : c->shift * 4);

	for (int i = 0; i < n; i++)
		p[i] = float_of_pattern(c->pattern, i + arena);
	return p;
}

static int
code_of_pattern(Pattern pattern, int i)
{
	switch (pattern)
	{
		case EXTREME:
			return 255;
		case ALTERNATING:
			return i & 1 ? 255 : 0;
		case TINY:
			return (int) (random_bits() & 1);
		case HUGE_VALUES:
			return 254 + (int) (random_bits() & 1);
		default:
			return (int) (random_bits() & 255);
	}
}

static uint8_t *
codes(int arena, int n, const Case *c)
{
	uint8_t    *p = place(arena, n, c->shift);

	for (int i = 0; i < n; i++)
		p[i] = (uint8_t) code_of_pattern(c->pattern, i);
	return p;
}

/* Signed bytes between both limits. */
static int8_t *
halves(int arena, int n, int least, int most, const Case *c)
{
	int8_t	   *p = place(arena, n, c->shift);

	for (int i = 0; i < n; i++)
	{
		switch (c->pattern)
		{
			case EXTREME:
				p[i] = (int8_t) most;
				break;
			case ALTERNATING:
				p[i] = (int8_t) (i & 2 ? most : least);
				break;
			case HUGE_VALUES:
				p[i] = (int8_t) least;
				break;
			default:
				p[i] = (int8_t) (least + (int) (random_bits() %
												(uint32_t) (most - least + 1)));
				break;
		}
	}
	return p;
}

/* ---- Verdicts ---- */

static char reason[200];

__attribute__((format(printf, 2, 3)))
static const char *
fail(const Case *c, const char *format,...)
{
	va_list		args;
	int			length;

	length = snprintf(reason, sizeof(reason),
					  "n = %d, shift %d, pattern %d: ", c->n, c->shift,
					  (int) c->pattern);
	va_start(args, format);
	vsnprintf(reason + length, sizeof(reason) - length, format, args);
	va_end(args);
	return reason;
}

/*
 * Whether a sum of n terms is what rounding allows.  Products below the
 * smallest float vanish, each by less than that.
 */
static bool
close_to(float got, double expected, double magnitude, int n)
{
	if (magnitude > FLT_MAX / 2)
		return true;
	return fabs(got - expected) <=
		(n + 8) * (FLT_EPSILON * magnitude + (double) FLT_MIN * FLT_EPSILON);
}

/* ---- Two arrays of floats ---- */

typedef struct Sums
{
	double		l2_squared;
	double		dot;
	double		dot_magnitude;
	double		l1;
	double		aa;
	double		bb;
} Sums;

static Sums
sums_of(const float *a, const float *b, int n)
{
	Sums		sums = {0};

	for (int i = 0; i < n; i++)
	{
		double		x = a[i];
		double		y = b[i];

		sums.l2_squared += (x - y) * (x - y);
		sums.dot += x * y;
		sums.dot_magnitude += fabs(x * y);
		sums.l1 += fabs(x - y);
		sums.aa += x * x;
		sums.bb += y * y;
	}
	return sums;
}

static const char *
test_l2_squared(const VegoKernels *k, const Case *c)
{
	float	   *a = floats(0, c->n, c);
	float	   *b = floats(1, c->n, c);
	double		expected = sums_of(a, b, c->n).l2_squared;
	float		got = k->l2_squared(a, b, c->n);

	if (!close_to(got, expected, expected, c->n))
		return fail(c, "%.9g, not %.9g", got, expected);
	return NULL;
}

static const char *
test_dot(const VegoKernels *k, const Case *c)
{
	float	   *a = floats(0, c->n, c);
	float	   *b = floats(1, c->n, c);
	Sums		sums = sums_of(a, b, c->n);
	float		got = k->dot(a, b, c->n);

	if (!close_to(got, sums.dot, sums.dot_magnitude, c->n))
		return fail(c, "%.9g, not %.9g", got, sums.dot);
	return NULL;
}

static const char *
test_l1(const VegoKernels *k, const Case *c)
{
	float	   *a = floats(0, c->n, c);
	float	   *b = floats(1, c->n, c);
	double		expected = sums_of(a, b, c->n).l1;
	float		got = k->l1(a, b, c->n);

	if (!close_to(got, expected, expected, c->n))
		return fail(c, "%.9g, not %.9g", got, expected);
	return NULL;
}

static const char *
test_cosine_sums(const VegoKernels *k, const Case *c)
{
	float	   *a = floats(0, c->n, c);
	float	   *b = floats(1, c->n, c);
	Sums		sums = sums_of(a, b, c->n);
	float		got[3];

	k->cosine_sums(a, b, c->n, got);
	if (!close_to(got[0], sums.dot, sums.dot_magnitude, c->n))
		return fail(c, "a.b: %.9g, not %.9g", got[0], sums.dot);
	if (!close_to(got[1], sums.aa, sums.aa, c->n))
		return fail(c, "a.a: %.9g, not %.9g", got[1], sums.aa);
	if (!close_to(got[2], sums.bb, sums.bb, c->n))
		return fail(c, "b.b: %.9g, not %.9g", got[2], sums.bb);
	return NULL;
}

/* ---- Halves ---- */

/* The largest half, its smallest subnormal, and everything between. */
static VegoHalf
half_of_pattern(Pattern pattern, int i)
{
	switch (pattern)
	{
		case EXTREME:
			return 0x7BFF;
		case ALTERNATING:
			return i & 1 ? 0xFBFF : 0x7BFF;
		case TINY:
			return (VegoHalf) (random_bits() & 0x83FF);
		case HUGE_VALUES:
			return (VegoHalf) (0x7800 | (random_bits() & 0x83FF));
		default:
			return vego_half_from_double(random_float());
	}
}

static VegoHalf *
half_floats(int arena, int n, const Case *c)
{
	VegoHalf   *p = place(arena, sizeof(VegoHalf) * n,
						  c->shift == AT_FRONT ? AT_FRONT : c->shift * 2);

	for (int i = 0; i < n; i++)
		p[i] = half_of_pattern(c->pattern, i + arena);
	return p;
}

static Sums
sums_of_halves(const VegoHalf *a, const VegoHalf *b, int n)
{
	static float x[MAX_DIMENSIONS];
	static float y[MAX_DIMENSIONS];

	for (int i = 0; i < n; i++)
	{
		x[i] = vego_half_to_float(a[i]);
		y[i] = vego_half_to_float(b[i]);
	}
	return sums_of(x, y, n);
}

static const char *
test_half_sums(const VegoKernels *k, const Case *c)
{
	VegoHalf   *a = half_floats(0, c->n, c);
	VegoHalf   *b = half_floats(1, c->n, c);
	Sums		sums = sums_of_halves(a, b, c->n);
	float		l2 = k->half_l2_squared(a, b, c->n);
	float		dot = k->half_dot(a, b, c->n);
	float		l1 = k->half_l1(a, b, c->n);
	float		got[3];

	k->half_cosine_sums(a, b, c->n, got);
	if (!close_to(l2, sums.l2_squared, sums.l2_squared, c->n))
		return fail(c, "l2: %.9g, not %.9g", l2, sums.l2_squared);
	if (!close_to(dot, sums.dot, sums.dot_magnitude, c->n))
		return fail(c, "dot: %.9g, not %.9g", dot, sums.dot);
	if (!close_to(l1, sums.l1, sums.l1, c->n))
		return fail(c, "l1: %.9g, not %.9g", l1, sums.l1);
	if (!close_to(got[0], sums.dot, sums.dot_magnitude, c->n))
		return fail(c, "a.b: %.9g, not %.9g", got[0], sums.dot);
	if (!close_to(got[1], sums.aa, sums.aa, c->n))
		return fail(c, "a.a: %.9g, not %.9g", got[1], sums.aa);
	if (!close_to(got[2], sums.bb, sums.bb, c->n))
		return fail(c, "b.b: %.9g, not %.9g", got[2], sums.bb);
	return NULL;
}

/*
 * Every half there is, as it comes: n of them a call.  What is no number stays
 * none, whatever its bits.
 */
static const char *
test_halves_to_floats(const VegoKernels *k, const Case *c)
{
	static unsigned next;
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 2;
	VegoHalf   *x = place(0, sizeof(VegoHalf) * c->n, shift);
	float	   *out = place(1, sizeof(float) * c->n,
						shift == AT_FRONT ? AT_FRONT : shift * 2);

	for (int i = 0; i < c->n; i++)
		x[i] = (VegoHalf) next++;
	k->halves_to_floats(x, c->n, out);
	if (!canaries_alive(1, out, sizeof(float) * c->n))
		return fail(c, "wrote beyond its array");
	for (int i = 0; i < c->n; i++)
	{
		float		expected = vego_half_to_float(x[i]);

		if (memcmp(&out[i], &expected, sizeof(float)) != 0 &&
			!(isnan(out[i]) && isnan(expected)))
			return fail(c, "%04x: %.9g, not %.9g", x[i], out[i], expected);
	}
	return NULL;
}

/*
 * Each float is a half, halfway to the next one, or beside that; the double it
 * is made of is exact, so that rint has the last word.
 */
static const char *
test_floats_to_halves(const VegoKernels *k, const Case *c)
{
	float	   *x = floats(0, c->n, c);
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 2;
	VegoHalf   *out = place(1, sizeof(VegoHalf) * c->n, shift);

	for (int i = 0; i < c->n; i += 1 + (int) (random_bits() & 1))
	{
		VegoHalf	half = (VegoHalf) (random_bits() % 0x7C00);
		float		low = vego_half_to_float(half);
		float		high = half == 0x7BFF ? 65536.0f :
			vego_half_to_float(half + 1);
		float		between = (low + high) / 2;

		x[i] = i % 4 == 0 ? low : i % 4 == 1 ? between :
			nextafterf(between, i % 4 == 2 ? low : high);
		if (random_bits() & 1)
			x[i] = -x[i];
	}
	k->floats_to_halves(x, c->n, out);
	if (!canaries_alive(1, out, sizeof(VegoHalf) * c->n))
		return fail(c, "wrote beyond its array");
	for (int i = 0; i < c->n; i++)
	{
		int			exponent;
		double		unit;
		double		nearest;
		float		got = vego_half_to_float(out[i]);

		frexp(x[i], &exponent);
		unit = ldexp(1, exponent < -13 ? -24 : exponent - 11);
		nearest = rint(x[i] / unit) * unit;
		if (fabs(nearest) > VEGO_HALF_MAX)
			nearest = copysign(INFINITY, nearest);
		if (got != nearest || signbit(got) != signbit(x[i]))
			return fail(c, "%.9g: %.9g, not %.9g", x[i], got, nearest);
	}
	return NULL;
}

static const char *
test_add_to_sums(const VegoKernels *k, const Case *c)
{
	static double before[MAX_DIMENSIONS];
	float	   *x = floats(0, c->n, c);
	VegoHalf   *halves = half_floats(2, c->n, c);
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 8;
	double	   *sums = place(1, sizeof(double) * c->n, shift);

	for (int i = 0; i < c->n; i++)
		before[i] = sums[i] = random_float();
	k->add_to_sums(x, c->n, sums);
	k->half_add_to_sums(halves, c->n, sums);
	if (!canaries_alive(1, sums, sizeof(double) * c->n))
		return fail(c, "wrote beyond its array");
	for (int i = 0; i < c->n; i++)
	{
		double		expected = before[i] + x[i];

		expected += vego_half_to_float(halves[i]);
		if (sums[i] != expected)
			return fail(c, "sums[%d] is %.17g, not %.17g", i, sums[i],
						expected);
	}
	return NULL;
}

/* ---- Bits ---- */

static const char *
test_bits(const VegoKernels *k, const Case *c)
{
	uint8_t    *a = codes(0, c->n, c);
	uint8_t    *b = codes(1, c->n, c);
	int32_t		shared = k->bits_shared(a, b, c->n);
	int32_t		apart = k->bits_apart(a, b, c->n);
	int32_t		expected_shared = 0;
	int32_t		expected_apart = 0;

	for (int i = 0; i < c->n; i++)
		for (int bit = 0; bit < 8; bit++)
		{
			bool		x = a[i] >> bit & 1;
			bool		y = b[i] >> bit & 1;

			expected_shared += x && y;
			expected_apart += x != y;
		}
	if (shared != expected_shared)
		return fail(c, "%d shared, not %d", shared, expected_shared);
	if (apart != expected_apart)
		return fail(c, "%d apart, not %d", apart, expected_apart);
	return NULL;
}

/* ---- Quantizing ---- */

static const char *
test_centre_with(const VegoKernels *k, const Case *c, const float *centre)
{
	float	   *x = floats(0, c->n, c);
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 4;
	float	   *out = place(2, sizeof(float) * c->n, shift);
	float		scale = 0.37f;
	float		smallest;
	float		largest;
	float		least = INFINITY;
	float		most = -INFINITY;

	k->centre(x, centre, scale, c->n, out, &smallest, &largest);
	if (!canaries_alive(2, out, sizeof(float) * c->n))
		return fail(c, "wrote beyond its array");
	for (int i = 0; i < c->n; i++)
	{
		double		scaled = (double) x[i] * scale;
		double		less = centre == NULL ? 0 : centre[i];

		if (!close_to(out[i], scaled - less, fabs(scaled) + fabs(less), 0))
			return fail(c, "out[%d] is %.9g, not %.9g", i, out[i],
						scaled - less);
		least = fminf(least, out[i]);
		most = fmaxf(most, out[i]);
	}
	if (smallest != least || largest != most)
		return fail(c, "%.9g .. %.9g, not %.9g .. %.9g", smallest, largest,
					least, most);
	return NULL;
}

static const char *
test_centre(const VegoKernels *k, const Case *c)
{
	const char *failure;

	if (c->n == 0)
		return NULL;
	failure = test_centre_with(k, c, floats(1, c->n, c));
	return failure != NULL ? failure : test_centre_with(k, c, NULL);
}

static const char *
test_quantize(const VegoKernels *k, const Case *c)
{
	static uint8_t expected[MAX_DIMENSIONS];
	float	   *x = floats(0, c->n, c);
	uint8_t    *code = place(1, c->n, c->shift);
	int			top = c->n & 1 ? 255 : 15;
	float		lo = -0.9f;
	float		inverse_step = top / 1.8f;
	int64_t		sum;
	int64_t		squares;
	int64_t		expected_sum;
	int64_t		expected_squares;

	/* Halves, which go to the even code. */
	if (c->pattern == ALTERNATING)
	{
		lo = 0;
		inverse_step = 0.5f;
		for (int i = 0; i < c->n; i++)
			x[i] = (float) (i % 600 - 20);
	}
	expected_sum = vego_kernels_scalar.quantize(x, c->n, lo, inverse_step,
												top, expected,
												&expected_squares);
	sum = k->quantize(x, c->n, lo, inverse_step, top, code, &squares);
	if (!canaries_alive(1, code, c->n))
		return fail(c, "wrote beyond its array");
	for (int i = 0; i < c->n; i++)
	{
		if (code[i] != expected[i])
			return fail(c, "code[%d] of %.9g is %d, not %d", i, x[i], code[i],
						expected[i]);
	}
	if (sum != expected_sum || squares != expected_squares)
		return fail(c, "sums %lld %lld, not %lld %lld", (long long) sum,
					(long long) squares, (long long) expected_sum,
					(long long) expected_squares);
	return NULL;
}

/* ---- A query against a code ---- */

typedef void (*QueryDots) (const uint8_t *const *codes, int count,
						   const int8_t *high, const int8_t *low, int bytes,
						   int64_t *dots);

/* Several codes, of some bytes, against one query. */
static const char *
test_query_dots(const Case *c, int bytes, int8_t *high, int8_t *low,
				QueryDots kernel, QueryDots scalar)
{
	const uint8_t *several[MAX_CODES] = {NULL};
	int			count = (c->n + c->shift + 1 + (int) c->pattern) %
		(MAX_CODES + 1);
	int64_t		got[MAX_CODES + 1];
	int64_t		expected[MAX_CODES];

	for (int i = 0; i < count; i++)
		several[i] = codes(2 + i, bytes, c);
	got[count] = CANARY;
	kernel(several, count, high, low, bytes, got);
	scalar(several, count, high, low, bytes, expected);
	for (int i = 0; i < count; i++)
		if (got[i] != expected[i])
			return fail(c, "code %d of %d: %lld, not %lld", i, count,
						(long long) got[i], (long long) expected[i]);
	return got[count] == CANARY ? NULL : fail(c, "one result too many");
}

static const char *
test_query_dots8(const VegoKernels *k, const Case *c)
{
	return test_query_dots(c, c->n, halves(0, c->n, -127, 127, c),
						   halves(1, c->n, -64, 63, c),
						   k->query_dots8, vego_kernels_scalar.query_dots8);
}

static const char *
test_query_dots4(const VegoKernels *k, const Case *c)
{
	int			bytes = c->n / 2;

	return test_query_dots(c, bytes, halves(0, 2 * bytes, -127, 127, c),
						   halves(1, 2 * bytes, -64, 63, c),
						   k->query_dots4, vego_kernels_scalar.query_dots4);
}

static const char *
test_query_l1(const Case *c, const uint8_t *code, bool four_bits,
			  float (*kernel) (const uint8_t *code, const float *query,
							   float lo, float step, int n))
{
	float	   *query = floats(1, c->n, c);
	int			half = (c->n + 1) / 2;
	float		lo = -1.3f;
	float		step = four_bits ? 0.21f : 0.013f;
	double		sum = 0;
	double		magnitude = 0;
	float		got = kernel(code, query, lo, step, c->n);

	for (int i = 0; i < c->n; i++)
	{
		int			value = !four_bits ? code[i] :
			i < half ? code[i] & 15 : code[i - half] >> 4;

		sum += fabs(query[i] - (lo + (double) step * value));
		magnitude += fabs(query[i]) + fabs(lo) + (double) step * value;
	}
	if (!close_to(got, sum, magnitude, c->n))
		return fail(c, "%.9g, not %.9g", got, sum);
	return NULL;
}

static const char *
test_query_l1_8(const VegoKernels *k, const Case *c)
{
	return test_query_l1(c, codes(0, c->n, c), false, k->query_l1_8);
}

static const char *
test_query_l1_4(const VegoKernels *k, const Case *c)
{
	return test_query_l1(c, codes(0, (c->n + 1) / 2, c), true, k->query_l1_4);
}

/* ---- A code against a code ---- */

static const char *
test_code_dot8(const VegoKernels *k, const Case *c)
{
	uint8_t    *a = codes(0, c->n, c);
	uint8_t    *b = codes(1, c->n, c);
	int32_t		got = k->code_dot8(a, b, c->n);
	int32_t		expected = vego_kernels_scalar.code_dot8(a, b, c->n);

	if (got != expected)
		return fail(c, "%d, not %d", got, expected);
	return NULL;
}

static const char *
test_code_dot4(const VegoKernels *k, const Case *c)
{
	int			bytes = c->n / 2;
	uint8_t    *a = codes(0, bytes, c);
	uint8_t    *b = codes(1, bytes, c);
	int32_t		got = k->code_dot4(a, b, bytes);
	int32_t		expected = vego_kernels_scalar.code_dot4(a, b, bytes);

	if (got != expected)
		return fail(c, "%d, not %d", got, expected);
	return NULL;
}

static const char *
test_code_dots8(const VegoKernels *k, const Case *c)
{
	uint8_t    *a = codes(0, c->n, c);
	const uint8_t *b[4];
	int32_t		got[4];

	for (int i = 0; i < 4; i++)
		b[i] = codes(1 + i, c->n, c);
	k->code_dots8(a, b, c->n, got);
	for (int i = 0; i < 4; i++)
	{
		int32_t		expected = vego_kernels_scalar.code_dot8(a, b[i], c->n);

		if (got[i] != expected)
			return fail(c, "%d, not %d", got[i], expected);
	}
	return NULL;
}

/* ---- Blocks ---- */

/*
 * Packs and multiplies random numbers of rows and columns.  The scalar kernel
 * is held against the dot products of the codes as they were before packing,
 * the others against the scalar one.
 */
static const char *
test_block_dots(const VegoKernels *k, const Case *c)
{
	static uint8_t row_codes[MAX_ROWS * MAX_DIMENSIONS];
	static uint8_t column_codes[VEGO_BLOCK_COLUMNS * MAX_DIMENSIONS];
	static int32_t expected[MAX_ROWS * VEGO_BLOCK_COLUMNS];
	int			n = c->n;
	bool		large = n > MAX_LENGTH;
	int			random_rows = 1 + (int) (random_bits() % MAX_ROWS);
	int			row_count = large ? 17 : random_rows;
	int			columns = (int) (random_bits() % (VEGO_BLOCK_COLUMNS + 1));
	size_t		stride = vego_block_stride(n);
	size_t		dots_bytes = sizeof(int32_t) * row_count * VEGO_BLOCK_COLUMNS;
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 4;
	int8_t	   *rows;
	uint8_t    *packed;
	int32_t    *dots;

	/* A length is slow: most see one pattern only. */
	if (c->shift == 0 && !large && (int) c->pattern != n % PATTERNS)
		return NULL;

	for (int i = 0; i < row_count * n; i++)
		row_codes[i] = (uint8_t) code_of_pattern(c->pattern, i);
	for (int i = 0; i < VEGO_BLOCK_COLUMNS * n; i++)
		column_codes[i] = (uint8_t) code_of_pattern(c->pattern, i);
	rows = place(0, row_count * stride, c->shift);
	packed = place(1, vego_block_packed_bytes(n), c->shift);
	dots = place(2, dots_bytes, shift);
	vego_block_pack_rows(row_codes, n, row_count, n, rows);
	vego_block_pack_columns(column_codes, n, columns, n, packed);
	if (!canaries_alive(0, rows, row_count * stride) ||
		!canaries_alive(1, packed, vego_block_packed_bytes(n)))
		return fail(c, "packing wrote beyond its array");

	for (int i = 0; i < row_count * VEGO_BLOCK_COLUMNS; i++)
	{
		int			column = i % VEGO_BLOCK_COLUMNS;
		const uint8_t *row = row_codes + i / VEGO_BLOCK_COLUMNS * n;

		if (k != &vego_kernels_scalar)
			break;
		expected[i] = column >= columns ? 0 :
			k->code_dot8(row, column_codes + column * n, n);
	}
	if (k != &vego_kernels_scalar)
		vego_kernels_scalar.block_dots(rows, row_count, packed, n, expected);

	k->block_dots(rows, row_count, packed, n, dots);
	if (!canaries_alive(2, dots, dots_bytes))
		return fail(c, "wrote beyond its array");
	for (int i = 0; i < row_count * VEGO_BLOCK_COLUMNS; i++)
	{
		if (dots[i] != expected[i])
			return fail(c, "row %d of %d, column %d of %d: %d, not %d",
						i / VEGO_BLOCK_COLUMNS, row_count,
						i % VEGO_BLOCK_COLUMNS, columns, dots[i],
						expected[i]);
	}
	return NULL;
}

#define MARKED_ROWS 3

static const char *
check_marks(const Case *c, int r, const VegoBlockRow *row,
			const VegoBlockColumns *y, const int32_t *dots, int32_t first,
			int32_t places, const int32_t *got)
{
	for (int i = 0; i < VEGO_BLOCK_COLUMNS; i++)
	{
		double		terms[] = {
			(double) row->lo * y->sum[i],
			(double) row->rest * y->lo[i],
			(double) row->step * y->step[i] * dots[i],
			(double) row->lift * y->lift[i]
		};
		double		norms = (double) row->norm2 + y->norm2[i];
		double		expected = norms;
		double		magnitude = norms;
		int32_t		bits = got[i] & ~places;
		float		distance;

		memcpy(&distance, &bits, sizeof(distance));
		for (int t = 0; t < 4; t++)
		{
			expected -= 2 * terms[t];
			magnitude += 2 * fabs(terms[t]);
		}
		expected = expected > 0 ? expected : 0;

		/* what the place has taken off the distance is missing */
		if (!close_to(distance, expected, magnitude + expected * places, 0) ||
			got[i] < 0)
			return fail(c, "row %d, column %d: %.9g, not %.9g", r, i, distance,
						expected);
		if ((got[i] & places) != ((first + i) & places))
			return fail(c, "row %d, column %d: place %d", r, i,
						got[i] & places);
	}
	return NULL;
}

static const char *
test_block_marks(const VegoKernels *k, const Case *c)
{
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 4;
	int			count = 1 + c->n % MARKED_ROWS;
	VegoBlockRow *rows = place(0, count * sizeof(VegoBlockRow), shift);
	VegoBlockColumns *y = place(1, sizeof(VegoBlockColumns), shift);
	int			marks = count * VEGO_BLOCK_COLUMNS;
	size_t		bytes = sizeof(int32_t) * marks;
	int32_t    *dots = place(2, bytes, shift);
	int32_t    *got = place(3, bytes, shift);
	int32_t    *least = place(4, bytes, shift);
	VegoBlockMarks out = {got, VEGO_BLOCK_COLUMNS, least, VEGO_BLOCK_COLUMNS};
	int32_t		before[MARKED_ROWS * VEGO_BLOCK_COLUMNS];
	bool		far = c->n % 2 == 0;
	int32_t		places = (1 << (c->n % 12)) - 1;
	int32_t		first = (int32_t) (random_bits() % 4096) - 2048;
	int32_t		next = c->n % 2;
	const char *failure = NULL;

	for (int r = 0; r < count; r++)
	{
		rows[r].lo = random_float();
		rows[r].rest = random_float() * c->n;
		rows[r].step = random_float() * 0.01f;
		rows[r].norm2 = fabsf(random_float()) * (far ? 1e6f : 1);
		rows[r].lift = random_float();
	}
	for (int i = 0; i < VEGO_BLOCK_COLUMNS; i++)
	{
		y->lo[i] = random_float();
		y->sum[i] = random_float() * c->n;
		y->step[i] = random_float() * 0.01f;
		y->norm2[i] = fabsf(random_float());
		y->lift[i] = random_float();
	}
	for (int i = 0; i < marks; i++)
	{
		dots[i] = (int32_t) (random_bits() >> 2);
		before[i] = least[i] = i % 3 == 0 ? 0 : VEGO_NO_MARK - i % 3;
	}
	k->block_marks(dots, rows, count, y, first, next, places, &out);
	if (!canaries_alive(3, got, bytes) || !canaries_alive(4, least, bytes))
		return fail(c, "wrote beyond its array");
	for (int r = 0; r < count && failure == NULL; r++)
		failure = check_marks(c, r, &rows[r], y,
							  dots + r * VEGO_BLOCK_COLUMNS, first - r * next,
							  places, got + r * VEGO_BLOCK_COLUMNS);
	for (int i = 0; i < marks && failure == NULL; i++)
		if (least[i] != (got[i] < before[i] ? got[i] : before[i]))
			failure = fail(c, "mark %d is not the least", i);
	return failure;
}

/* Marks, all different; some of them are none. */
static int32_t *
marks(int arena, const Case *c)
{
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 4;
	int32_t    *values = place(arena, sizeof(int32_t) * c->n, shift);

	for (int i = 0; i < c->n; i++)
		values[i] = i % 11 == 10 ? VEGO_NO_MARK :
			(int32_t) ((random_bits() & 0x7FFF) << 15) + i;
	return values;
}

static const char *
test_marks_below(const VegoKernels *k, const Case *c)
{
	static int32_t expected[MAX_DIMENSIONS];
	int32_t    *values = marks(0, c);
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 4;
	size_t		bytes = sizeof(int32_t) * c->n;
	int32_t    *found = place(1, bytes, shift);
	int32_t		limits[] = {0, 1 << 24, 1 << 29, c->n > 0 ? values[0] : 7,
	VEGO_NO_MARK};

	for (size_t i = 0; i < lengthof(limits); i++)
	{
		int32_t		limit = limits[i];
		int			count = 0;
		int			got = k->marks_below(values, c->n, limit, found);

		for (int j = 0; j < c->n; j++)
			if (values[j] < limit)
				expected[count++] = values[j];
		if (!canaries_alive(1, found, bytes))
			return fail(c, "wrote beyond its array");
		if (got != count)
			return fail(c, "%d below %d, not %d", got, limit, count);
		if (count > 0 && memcmp(found, expected,
								sizeof(int32_t) * count) != 0)
			return fail(c, "wrong marks below %d", limit);
		got = k->count_below(values, c->n, limit);
		if (got != count)
			return fail(c, "counted %d below %d, not %d", got, limit, count);
	}
	return NULL;
}

static const char *
test_sort_marks(const VegoKernels *k, const Case *c)
{
	static int32_t values[1000 + VEGO_BLOCK_COLUMNS];
	int			shift = c->shift == AT_FRONT ? AT_FRONT : c->shift * 4;
	size_t		bytes = sizeof(int32_t) * c->n;
	int32_t    *sorted = place(1, bytes, shift);
	int64_t		sum = 0;

	if (c->n > 1000)
		return NULL;			/* it is not made for so many */
	memcpy(values, marks(0, c), bytes);
	k->sort_marks(values, c->n, sorted);
	if (!canaries_alive(1, sorted, bytes))
		return fail(c, "wrote beyond its array");
	for (int i = 0; i < c->n; i++)
	{
		sum += (int64_t) values[i] - sorted[i];
		if (i > 0 && (sorted[i - 1] > sorted[i] ||
					  (sorted[i - 1] == sorted[i] &&
					   sorted[i] != VEGO_NO_MARK)))
			return fail(c, "%d is out of order", i);
	}
	if (sum != 0)
		return fail(c, "other marks came out");
	return NULL;
}

/* ---- All of it ---- */

static const struct
{
	const char *name;
	const char *(*run) (const VegoKernels *k, const Case *c);
}			tests[] =
{
	{"l2_squared", test_l2_squared},
	{"dot", test_dot},
	{"l1", test_l1},
	{"cosine_sums", test_cosine_sums},
	{"half_sums", test_half_sums},
	{"halves_to_floats", test_halves_to_floats},
	{"floats_to_halves", test_floats_to_halves},
	{"add_to_sums", test_add_to_sums},
	{"bits", test_bits},
	{"centre", test_centre},
	{"quantize", test_quantize},
	{"query_dots8", test_query_dots8},
	{"query_dots4", test_query_dots4},
	{"query_l1_8", test_query_l1_8},
	{"query_l1_4", test_query_l1_4},
	{"code_dot8", test_code_dot8},
	{"code_dot4", test_code_dot4},
	{"code_dots8", test_code_dots8},
	{"block_dots", test_block_dots},
	{"block_marks", test_block_marks},
	{"marks_below", test_marks_below},
	{"sort_marks", test_sort_marks}
};

static const char *
run_cases(const VegoKernels *k,
		  const char *(*run) (const VegoKernels *k, const Case *c))
{
	static volatile int i;

	if (sigsetjmp(touched_guard, 1) != 0)
		return fail(&cases[i], "touched a guard page");
	for (i = 0; i < case_count; i++)
	{
		const char *failure = run(k, &cases[i]);

		if (failure != NULL)
			return failure;
	}
	return NULL;
}

static bool
choosing_works(void)
{
	const VegoKernels *best = vego_kernels_find("auto");

	return vego_kernels == best &&
		vego_kernels_find("no such thing") == NULL &&
		!vego_kernels_choose("no such thing") && vego_kernels == best &&
		vego_kernels_choose("scalar") &&
		vego_kernels == &vego_kernels_scalar &&
		vego_kernels_choose("auto") && vego_kernels == best;
}

int
main(void)
{
	static const char *const names[] = {"scalar", "avx2", "avx512", "amx",
		"neon"};
	struct sigaction action = {.sa_handler = on_fault};
	bool		passed = true;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	create_arenas();
	create_cases();

	if (!choosing_works())
	{
		printf("not ok choose\n");
		passed = false;
	}
	for (size_t n = 0; n < lengthof(names); n++)
	{
		const VegoKernels *k = vego_kernels_find(names[n]);

		if (k == NULL)
		{
			printf("skip %s\n", names[n]);
			continue;
		}
		for (size_t t = 0; t < lengthof(tests); t++)
		{
			const char *failure = run_cases(k, tests[t].run);

			if (failure == NULL)
				printf("ok %s %s\n", k->name, tests[t].name);
			else
			{
				printf("not ok %s %s: %s\n", k->name, tests[t].name, failure);
				passed = false;
			}
			fflush(stdout);
		}
	}
	return passed ? 0 : 1;
}
