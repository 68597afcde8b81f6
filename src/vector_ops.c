/*
 * vector_ops.c
 *	  What can be computed from vectors, element by element?
 *
 * Functions of two vectors raise 22000 when the dimensions differ, unless said
 * otherwise; arithmetic raises 22003 when an element leaves the range of a
 * float.  Results are new vectors in the current memory context.
 */
#include "postgres.h"

#include <math.h>

#include "utils/float.h"
#include "utils/varbit.h"

#include "vector.h"

static void
check_overflow(const Vector *vector)
{
	for (int i = 0; i < vector->dim; i++)
	{
		if (unlikely(isinf(vector->x[i])))
			float_overflow_error();
	}
}

PG_FUNCTION_INFO_V1(vego_vector_add);
Datum
vego_vector_add(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	Vector	   *result;

	vego_vector_check_same_dims(a, b);
	result = vego_vector_create(a->dim);
	for (int i = 0; i < result->dim; i++)
		result->x[i] = a->x[i] + b->x[i];
	check_overflow(result);
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vego_vector_sub);
Datum
vego_vector_sub(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	Vector	   *result;

	vego_vector_check_same_dims(a, b);
	result = vego_vector_create(a->dim);
	for (int i = 0; i < result->dim; i++)
		result->x[i] = a->x[i] - b->x[i];
	check_overflow(result);
	PG_RETURN_VECTOR_P(result);
}

/* Element by element.  A product of non-zeros that becomes 0 is an error. */
PG_FUNCTION_INFO_V1(vego_vector_mul);
Datum
vego_vector_mul(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	Vector	   *result;

	vego_vector_check_same_dims(a, b);
	result = vego_vector_create(a->dim);
	for (int i = 0; i < result->dim; i++)
	{
		result->x[i] = a->x[i] * b->x[i];
		if (unlikely(result->x[i] == 0 && a->x[i] != 0 && b->x[i] != 0))
			float_underflow_error();
	}
	check_overflow(result);
	PG_RETURN_VECTOR_P(result);
}

/* a, then b.  Raises 54000 when the result would be too long. */
PG_FUNCTION_INFO_V1(vego_vector_concat);
Datum
vego_vector_concat(PG_FUNCTION_ARGS)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	Vector	   *result;

	vego_vector_check_dims(a->dim + b->dim, NULL);
	result = vego_vector_create(a->dim + b->dim);
	memcpy(result->x, a->x, sizeof(float) * a->dim);
	memcpy(result->x + a->dim, b->x, sizeof(float) * b->dim);
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vego_vector_dims);
Datum
vego_vector_dims(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);

	PG_RETURN_INT32(vector->dim);
}

/* The vector divided by its norm; a zero vector stays as it is. */
PG_FUNCTION_INFO_V1(vego_vector_l2_normalize);
Datum
vego_vector_l2_normalize(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	double		norm = vego_vector_l2_norm(vector->x, vector->dim);
	Vector	   *result = vego_vector_create(vector->dim);

	if (norm > 0)
	{
		for (int i = 0; i < result->dim; i++)
			result->x[i] = (float) (vector->x[i] / norm);
	}
	PG_RETURN_VECTOR_P(result);
}

/*
 * The `count` elements from `start` on, counted from 1, as far as they exist,
 * like substring().  Raises 22000 when none does.
 */
PG_FUNCTION_INFO_V1(vego_vector_subvector);
Datum
vego_vector_subvector(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	int64		start = PG_GETARG_INT32(1);
	int64		count = PG_GETARG_INT32(2);
	int64		first = Max(start, 1);
	int64		last = Min(start + count - 1, vector->dim);
	Vector	   *result;

	vego_vector_check_dims(last < first ? 0 : last - first + 1, NULL);
	result = vego_vector_create(last - first + 1);
	memcpy(result->x, vector->x + first - 1, sizeof(float) * result->dim);
	PG_RETURN_VECTOR_P(result);
}

/* One bit an element: 1 where the element is above 0. */
PG_FUNCTION_INFO_V1(vego_vector_binary_quantize);
Datum
vego_vector_binary_quantize(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	int			bytes = VARBITTOTALLEN(vector->dim);
	VarBit	   *result = palloc0(bytes);
	bits8	   *bits = VARBITS(result);

	SET_VARSIZE(result, bytes);
	VARBITLEN(result) = vector->dim;
	for (int i = 0; i < vector->dim; i++)
	{
		if (vector->x[i] > 0)
			bits[i / BITS_PER_BYTE] |= HIGHBIT >> (i % BITS_PER_BYTE);
	}
	PG_RETURN_VARBIT_P(result);
}

/*
 * Order as of arrays: the first elements that differ decide, and of two
 * vectors where one begins with the other, the shorter is less.  Returns -1,
 * 0 or 1.
 */
static int
compare(const Vector *a, const Vector *b)
{
	int			shared = Min(a->dim, b->dim);

	for (int i = 0; i < shared; i++)
	{
		if (a->x[i] < b->x[i])
			return -1;
		if (a->x[i] > b->x[i])
			return 1;
	}
	return (a->dim > b->dim) - (a->dim < b->dim);
}

/* Index builds call these without resetting memory, so they clean up. */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	Vector	   *a = PG_GETARG_VECTOR_P(0);
	Vector	   *b = PG_GETARG_VECTOR_P(1);
	int			order = compare(a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

PG_FUNCTION_INFO_V1(vego_vector_lt);
Datum
vego_vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

PG_FUNCTION_INFO_V1(vego_vector_le);
Datum
vego_vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

PG_FUNCTION_INFO_V1(vego_vector_eq);
Datum
vego_vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

PG_FUNCTION_INFO_V1(vego_vector_ne);
Datum
vego_vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

PG_FUNCTION_INFO_V1(vego_vector_ge);
Datum
vego_vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

PG_FUNCTION_INFO_V1(vego_vector_gt);
Datum
vego_vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

PG_FUNCTION_INFO_V1(vego_vector_cmp);
Datum
vego_vector_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}
