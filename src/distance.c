/*
 * distance.c
 *	  How far apart are two vectors or halfvecs, and how long is one?
 *
 * The kernels sum in single precision, which is enough unless the sum leaves
 * the range of a float.  Then, and only then, it is taken again in double
 * precision, where it cannot: squares of floats lie between 2e-90 and 5e77.
 * Squares of halves lie between 3e-15 and 5e9, and 16,000 of them add up to
 * no more than 3e14 as differences, so their sums are always in range.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "utils/float.h"

#include "simd/kernels.h"
#include "vector.h"

/*
 * Did this sum of n products stay in the range of a float?
 *
 * An overflow leaves an infinity or, when two of them cancel, a NaN.  A
 * product that underflows is wrong by at most 2^-150, half the smallest
 * subnormal; n of them are wrong by n * 2^-150, which is no more than the
 * rounding of one addition, 2^-24 of the sum, once the sum is n * 2^-126.
 * FLT_MIN is 2^-126.
 */
static inline bool
sum_in_range(float sum, int n)
{
	float		size = fabsf(sum);

	return size >= (float) n * FLT_MIN && size <= FLT_MAX;
}

static double
l2_squared_in_double(const float *a, const float *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		double		difference = (double) a[i] - b[i];

		sum += difference * difference;
	}
	return sum;
}

static double
dot_in_double(const float *a, const float *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

static double
l1_in_double(const float *a, const float *b, int n)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += fabs((double) a[i] - b[i]);
	return sum;
}

static double
dot(const float *a, const float *b, int n)
{
	float		sum = vego_kernels_apart->dot(a, b, n);

	if (likely(sum_in_range(sum, n)))
		return sum;
	return dot_in_double(a, b, n);
}

static double
vector_l2(const float *a, const float *b, int n)
{
	float		sum = vego_kernels_apart->l2_squared(a, b, n);

	if (likely(sum_in_range(sum, n)))
		return sqrt((double) sum);
	return sqrt(l2_squared_in_double(a, b, n));
}

/* Subtracting from 0 keeps the result from being -0. */
static double
vector_negative_ip(const float *a, const float *b, int n)
{
	return 0.0 - dot(a, b, n);
}

/* Nothing is squared, and a difference of floats does not underflow. */
static double
vector_l1(const float *a, const float *b, int n)
{
	float		sum = vego_kernels_apart->l1(a, b, n);

	if (likely(sum <= FLT_MAX))
		return sum;
	return l1_in_double(a, b, n);
}

double
vego_cosine_distance(double ab, double aa, double bb)
{
	double		cosine;

	if (aa == 0 || bb == 0)
		return get_float8_nan();

	/* Rounding may carry it past 1. */
	cosine = ab / sqrt(aa * bb);
	if (cosine > 1)
		cosine = 1;
	if (cosine < -1)
		cosine = -1;
	return 1 - cosine;
}

/*
 * What underflow adds to a.b is at most 2^-24 of |a||b| once both squares are
 * in range, however small a.b itself is; only its overflow needs a look.
 */
static double
vector_cosine(const float *a, const float *b, int n)
{
	float		sums[3];

	vego_kernels_apart->cosine_sums(a, b, n, sums);
	if (likely(fabsf(sums[0]) <= FLT_MAX &&
			   sum_in_range(sums[1], n) && sum_in_range(sums[2], n)))
		return vego_cosine_distance(sums[0], sums[1], sums[2]);
	return vego_cosine_distance(dot_in_double(a, b, n),
								dot_in_double(a, a, n),
								dot_in_double(b, b, n));
}

double
vego_euclidean_norm(const VegoType *type, const Vector *vector)
{
	double		sum = 0;

	for (int i = 0; i < vector->dim; i++)
	{
		double		x = vego_vector_get(type, vector, i);

		sum += x * x;
	}
	return sqrt(sum);
}

/*
 * The SQL functions: of two values of as many dimensions (22000), except norm.
 */
typedef struct Pair
{
	const Vector *a;
	const Vector *b;
} Pair;

/*
 * The value of a datum; and asks for memory that a scan will read next.
 *
 * Rows are put on a page from its end, and a scan takes them in that order.  So the
 * next row's vector lies below this one, by about as much as this one is long, and
 * its first cache lines can be on their way while the server still works on this
 * row; those beyond come by themselves.  A scan of a table that is in memory takes
 * a tenth (halfvec) to a quarter (vector of 128 dimensions) less time.  Where no
 * row is below, nothing is lost: what is asked for need not be there.
 *
 * Asking takes a tenth of a call, so it is done once for a value that comes again
 * as the same argument: one that stays the same for all rows, or is compared with
 * several others.
 */
#define CACHE_LINE 64
#define LINES_AHEAD 8

static pg_attribute_always_inline const Vector *
get_value(FunctionCallInfo fcinfo, const VegoType *type, int n)
{
	static const Vector *asked_at[2];
	Datum		datum = PG_GETARG_DATUM(n);
	const Vector *value = vego_vector_from_datum(type, datum);
	const char *below = (const char *) value - VARSIZE(value) - CACHE_LINE;

	if (PointerGetDatum(value) != datum)
		return value;			/* a copy, elsewhere */
	if (asked_at[n] == value)
		return value;
	asked_at[n] = value;
#pragma GCC unroll 8
	for (int line = 0; line < LINES_AHEAD; line++)
		__builtin_prefetch(below + line * CACHE_LINE);
	return value;
}

static pg_attribute_always_inline Pair
get_pair(FunctionCallInfo fcinfo, const VegoType *type)
{
	Pair		pair;

	pair.a = get_value(fcinfo, type, 0);
	pair.b = get_value(fcinfo, type, 1);
	vego_type_check_same_dims(type, pair.a->dim, pair.b->dim);
	return pair;
}

#define HALVES(pair) \
	vego_vector_halves((pair).a), vego_vector_halves((pair).b), (pair).a->dim
#define FLOATS(pair) \
	(pair).a->x, (pair).b->x, (pair).a->dim

static pg_attribute_always_inline Datum
l2_distance(FunctionCallInfo fcinfo, const VegoType *type)
{
	Pair		pair = get_pair(fcinfo, type);

	PG_RETURN_FLOAT8(type->halves ?
					 sqrt(vego_kernels_apart->half_l2_squared(HALVES(pair))) :
					 vector_l2(FLOATS(pair)));
}

VEGO_DENSE_FUNCTION(l2_distance)

static pg_attribute_always_inline Datum
inner_product(FunctionCallInfo fcinfo, const VegoType *type)
{
	Pair		pair = get_pair(fcinfo, type);

	PG_RETURN_FLOAT8(type->halves ? vego_kernels_apart->half_dot(HALVES(pair)) :
					 dot(FLOATS(pair)));
}

VEGO_DENSE_FUNCTION(inner_product)

static pg_attribute_always_inline Datum
negative_inner_product(FunctionCallInfo fcinfo, const VegoType *type)
{
	Pair		pair = get_pair(fcinfo, type);

	PG_RETURN_FLOAT8(type->halves ?
					 0.0 - vego_kernels_apart->half_dot(HALVES(pair)) :
					 vector_negative_ip(FLOATS(pair)));
}

VEGO_DENSE_FUNCTION(negative_inner_product)

static pg_attribute_always_inline Datum
cosine_distance(FunctionCallInfo fcinfo, const VegoType *type)
{
	Pair		pair = get_pair(fcinfo, type);
	float		sums[3];

	if (!type->halves)
		PG_RETURN_FLOAT8(vector_cosine(FLOATS(pair)));
	vego_kernels_apart->half_cosine_sums(HALVES(pair), sums);
	PG_RETURN_FLOAT8(vego_cosine_distance(sums[0], sums[1], sums[2]));
}

VEGO_DENSE_FUNCTION(cosine_distance)

static pg_attribute_always_inline Datum
l1_distance(FunctionCallInfo fcinfo, const VegoType *type)
{
	Pair		pair = get_pair(fcinfo, type);

	PG_RETURN_FLOAT8(type->halves ? vego_kernels_apart->half_l1(HALVES(pair)) :
					 vector_l1(FLOATS(pair)));
}

VEGO_DENSE_FUNCTION(l1_distance)

static pg_attribute_always_inline Datum
norm(FunctionCallInfo fcinfo, const VegoType *type)
{
	PG_RETURN_FLOAT8(vego_euclidean_norm(type, VEGO_ARGUMENT(type, 0)));
}

VEGO_DENSE_FUNCTION(norm)
