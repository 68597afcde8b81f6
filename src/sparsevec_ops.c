/*
 * sparsevec_ops.c
 *	  What can be computed from sparsevecs?
 *
 * Functions of two raise 22000 when the dimensions differ.  Sums are taken in
 * double precision, which no sum of floats leaves: finding the elements that
 * belong together takes longer.
 */
#include "postgres.h"

#include <math.h>

#include "sparsevec.h"

/* Indices behind the last element. */
#define NO_INDEX PG_INT32_MAX

static inline int32
index_at(const SparseVector *vector, int i)
{
	return i < vector->nnz ? vector->indices[i] : NO_INDEX;
}

/* The sum of step over all dimensions where one or both are not 0. */
static pg_attribute_always_inline double
reduce(const SparseVector *a, const SparseVector *b,
	   double (*step) (double x, double y))
{
	const float *x = vego_sparsevec_values(a);
	const float *y = vego_sparsevec_values(b);
	double		sum = 0;
	int			i = 0;
	int			j = 0;

	while (i < a->nnz && j < b->nnz)
	{
		int32		p = a->indices[i];
		int32		q = b->indices[j];

		sum += step(p <= q ? x[i] : 0, q <= p ? y[j] : 0);
		i += p <= q;
		j += q <= p;
	}
	for (; i < a->nnz; i++)
		sum += step(x[i], 0);
	for (; j < b->nnz; j++)
		sum += step(0, y[j]);
	return sum;
}

static double
l2_step(double x, double y)
{
	return (x - y) * (x - y);
}

static double
l1_step(double x, double y)
{
	return fabs(x - y);
}

/* Where only one is not 0 there is nothing to add. */
static double
dot(const SparseVector *a, const SparseVector *b)
{
	const float *x = vego_sparsevec_values(a);
	const float *y = vego_sparsevec_values(b);
	double		sum = 0;
	int			i = 0;
	int			j = 0;

	while (i < a->nnz && j < b->nnz)
	{
		int32		p = a->indices[i];
		int32		q = b->indices[j];

		if (p == q)
			sum += (double) x[i] * y[j];
		i += p <= q;
		j += q <= p;
	}
	return sum;
}

static double
norm_squared(const SparseVector *vector)
{
	const float *x = vego_sparsevec_values(vector);
	double		sum = 0;

	for (int i = 0; i < vector->nnz; i++)
		sum += (double) x[i] * x[i];
	return sum;
}

static double
l2(const SparseVector *a, const SparseVector *b)
{
	return sqrt(reduce(a, b, l2_step));
}

static double
l1(const SparseVector *a, const SparseVector *b)
{
	return reduce(a, b, l1_step);
}

/* Subtracting from 0 keeps the result from being -0. */
static double
negative_ip(const SparseVector *a, const SparseVector *b)
{
	return 0.0 - dot(a, b);
}

static double
cosine(const SparseVector *a, const SparseVector *b)
{
	return vego_cosine_distance(dot(a, b), norm_squared(a), norm_squared(b));
}

#define DISTANCE_FUNCTION(name, distance) \
PG_FUNCTION_INFO_V1(vego_sparsevec_##name); \
Datum \
vego_sparsevec_##name(PG_FUNCTION_ARGS) \
{ \
	SparseVector *a = VEGO_SPARSE_ARGUMENT(0); \
	SparseVector *b = VEGO_SPARSE_ARGUMENT(1); \
 \
	vego_type_check_same_dims(&vego_type_sparsevec, a->dim, b->dim); \
	PG_RETURN_FLOAT8(distance(a, b)); \
}

DISTANCE_FUNCTION(l2_distance, l2)
DISTANCE_FUNCTION(inner_product, dot)
DISTANCE_FUNCTION(negative_inner_product, negative_ip)
DISTANCE_FUNCTION(cosine_distance, cosine)
DISTANCE_FUNCTION(l1_distance, l1)

PG_FUNCTION_INFO_V1(vego_sparsevec_dims);
Datum
vego_sparsevec_dims(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(VEGO_SPARSE_ARGUMENT(0)->dim);
}

PG_FUNCTION_INFO_V1(vego_sparsevec_norm);
Datum
vego_sparsevec_norm(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(sqrt(norm_squared(VEGO_SPARSE_ARGUMENT(0))));
}

/*
 * The vector divided by its norm; a zero vector stays as it is.  Elements so
 * much smaller than others that they become 0 are left out.
 */
PG_FUNCTION_INFO_V1(vego_sparsevec_l2_normalize);
Datum
vego_sparsevec_l2_normalize(PG_FUNCTION_ARGS)
{
	SparseVector *vector = VEGO_SPARSE_ARGUMENT(0);
	const float *x = vego_sparsevec_values(vector);
	double		norm = sqrt(norm_squared(vector));
	SparseVector *result;
	int			count = 0;

	for (int i = 0; i < vector->nnz; i++)
		count += (float) (x[i] / norm) != 0;
	result = vego_sparsevec_create(vector->dim, count);
	count = 0;
	for (int i = 0; i < vector->nnz; i++)
	{
		float		value = (float) (x[i] / norm);

		if (value == 0)
			continue;
		result->indices[count] = vector->indices[i];
		vego_sparsevec_values(result)[count] = value;
		count++;
	}
	PG_RETURN_POINTER(result);
}

/*
 * Order as of arrays, zeros included: the first dimensions that differ decide,
 * and of two vectors where one begins with the other, the shorter is less.
 */
static int
compare_vectors(const SparseVector *a, const SparseVector *b)
{
	const float *x = vego_sparsevec_values(a);
	const float *y = vego_sparsevec_values(b);
	int			shared = Min(a->dim, b->dim);
	int			i = 0;
	int			j = 0;

	for (;;)
	{
		int32		p = index_at(a, i);
		int32		q = index_at(b, j);
		float		left;
		float		right;

		if (Min(p, q) >= shared)
			return (a->dim > b->dim) - (a->dim < b->dim);
		left = p <= q ? x[i] : 0;
		right = q <= p ? y[j] : 0;
		if (left != right)
			return left < right ? -1 : 1;
		i += p <= q;
		j += q <= p;
	}
}

/* Index builds call this without resetting memory, so it cleans up. */
static int
compare(FunctionCallInfo fcinfo, const VegoType *type)
{
	SparseVector *a = VEGO_SPARSE_ARGUMENT(0);
	SparseVector *b = VEGO_SPARSE_ARGUMENT(1);
	int			order = compare_vectors(a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

VEGO_ORDER_FUNCTIONS(sparsevec)
