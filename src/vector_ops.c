/*
 * vector_ops.c
 *	  What can be computed from vectors and halfvecs, element by element?
 *
 * Functions of two vectors raise 22000 when the dimensions differ, unless said
 * otherwise; arithmetic raises 22003 when an element leaves the range of the
 * type.  Results are new values in the current memory context.
 *
 * Elements are taken as floats, a stretch of them at a time.  A sum or product
 * of two halves, rounded to a float and then to a half, is what one rounding
 * would give: a float has more than twice the bits of a half.
 */
#include "postgres.h"

#include <math.h>

#include "utils/varbit.h"

#include "vector.h"

/* Elements in registers and on the stack at a time. */
#define STRETCH 64

static inline void
check_overflow(const VegoType *type, const Vector *vector)
{
	for (int i = 0; i < vector->dim; i++)
	{
		if (unlikely(isinf(vego_vector_get(type, vector, i))))
			vego_type_overflow(type);
	}
}

/* A new value of operate(a[i], b[i]). */
static pg_attribute_always_inline Vector *
combine(const VegoType *type, const Vector *a, const Vector *b,
		float (*operate) (float x, float y))
{
	Vector	   *result;

	vego_type_check_same_dims(type, a->dim, b->dim);
	result = vego_vector_create(type, a->dim);
	for (int first = 0; first < result->dim; first += STRETCH)
	{
		float		x[STRETCH];
		float		y[STRETCH];
		int			count = Min(STRETCH, result->dim - first);

		vego_vector_load(type, a, first, count, x);
		vego_vector_load(type, b, first, count, y);
		for (int i = 0; i < count; i++)
			x[i] = operate(x[i], y[i]);
		vego_vector_store(type, result, first, count, x);
	}
	check_overflow(type, result);
	return result;
}

static inline float
sum_of(float x, float y)
{
	return x + y;
}

static inline float
difference_of(float x, float y)
{
	return x - y;
}

static inline float
product_of(float x, float y)
{
	return x * y;
}

static pg_attribute_always_inline Datum
add(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *a = VEGO_ARGUMENT(type, 0);
	Vector	   *b = VEGO_ARGUMENT(type, 1);

	PG_RETURN_POINTER(combine(type, a, b, sum_of));
}

VEGO_DENSE_FUNCTION(add)

static pg_attribute_always_inline Datum
sub(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *a = VEGO_ARGUMENT(type, 0);
	Vector	   *b = VEGO_ARGUMENT(type, 1);

	PG_RETURN_POINTER(combine(type, a, b, difference_of));
}

VEGO_DENSE_FUNCTION(sub)

/* A product of non-zeros that becomes 0 is an error. */
static pg_attribute_always_inline Datum
mul(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *a = VEGO_ARGUMENT(type, 0);
	Vector	   *b = VEGO_ARGUMENT(type, 1);
	Vector	   *result = combine(type, a, b, product_of);

	for (int i = 0; i < result->dim; i++)
	{
		if (unlikely(vego_vector_get(type, result, i) == 0 &&
					 vego_vector_get(type, a, i) != 0 &&
					 vego_vector_get(type, b, i) != 0))
			vego_type_underflow(type);
	}
	PG_RETURN_POINTER(result);
}

VEGO_DENSE_FUNCTION(mul)

/* Copies elements as they are. */
static inline void
copy_elements(const VegoType *type, const Vector *from, int first,
			  Vector *to, int to_first, int count)
{
	if (type->halves)
		memcpy(vego_vector_halves(to) + to_first,
			   vego_vector_halves(from) + first, sizeof(VegoHalf) * count);
	else
		memcpy(to->x + to_first, from->x + first, sizeof(float) * count);
}

/* a, then b.  Raises 54000 when the result would be too long. */
static pg_attribute_always_inline Datum
concat(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *a = VEGO_ARGUMENT(type, 0);
	Vector	   *b = VEGO_ARGUMENT(type, 1);
	Vector	   *result;

	vego_type_check_dims(type, a->dim + b->dim, NULL);
	result = vego_vector_create(type, a->dim + b->dim);
	copy_elements(type, a, 0, result, 0, a->dim);
	copy_elements(type, b, 0, result, a->dim, b->dim);
	PG_RETURN_POINTER(result);
}

VEGO_DENSE_FUNCTION(concat)

static pg_attribute_always_inline Datum
dims(FunctionCallInfo fcinfo, const VegoType *type)
{
	PG_RETURN_INT32(VEGO_ARGUMENT(type, 0)->dim);
}

VEGO_DENSE_FUNCTION(dims)

/* The vector divided by its norm; a zero vector stays as it is. */
static pg_attribute_always_inline Datum
l2_normalize(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = VEGO_ARGUMENT(type, 0);
	double		norm = vego_euclidean_norm(type, vector);
	Vector	   *result = vego_vector_create(type, vector->dim);

	if (norm > 0)
	{
		for (int i = 0; i < result->dim; i++)
			vego_vector_set(type, result, i,
							vego_vector_get(type, vector, i) / norm);
	}
	PG_RETURN_POINTER(result);
}

VEGO_DENSE_FUNCTION(l2_normalize)

/*
 * The `count` elements from `start` on, counted from 1, as far as they exist,
 * like substring().  Raises 22000 when none does.
 */
static pg_attribute_always_inline Datum
subvector(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = VEGO_ARGUMENT(type, 0);
	int64		start = PG_GETARG_INT32(1);
	int64		count = PG_GETARG_INT32(2);
	int64		first = Max(start, 1);
	int64		last = Min(start + count - 1, vector->dim);
	Vector	   *result;

	vego_type_check_dims(type, last < first ? 0 : last - first + 1, NULL);
	result = vego_vector_create(type, (int) (last - first + 1));
	copy_elements(type, vector, (int) first - 1, result, 0, result->dim);
	PG_RETURN_POINTER(result);
}

VEGO_DENSE_FUNCTION(subvector)

/* One bit an element: 1 where the element is above 0. */
static pg_attribute_always_inline Datum
binary_quantize(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = VEGO_ARGUMENT(type, 0);
	int			bytes = VARBITTOTALLEN(vector->dim);
	VarBit	   *result = palloc0(bytes);
	bits8	   *bits = VARBITS(result);

	SET_VARSIZE(result, bytes);
	VARBITLEN(result) = vector->dim;
	for (int i = 0; i < vector->dim; i++)
	{
		if (vego_vector_get(type, vector, i) > 0)
			bits[i / BITS_PER_BYTE] |= HIGHBIT >> (i % BITS_PER_BYTE);
	}
	PG_RETURN_VARBIT_P(result);
}

VEGO_DENSE_FUNCTION(binary_quantize)

/*
 * Order as of arrays: the first elements that differ decide, and of two
 * vectors where one begins with the other, the shorter is less.  Returns -1,
 * 0 or 1.
 */
static pg_attribute_always_inline int
compare_vectors(const VegoType *type, const Vector *a, const Vector *b)
{
	int			shared = Min(a->dim, b->dim);

	for (int i = 0; i < shared; i++)
	{
		float		x = vego_vector_get(type, a, i);
		float		y = vego_vector_get(type, b, i);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a->dim > b->dim) - (a->dim < b->dim);
}

/* Index builds call this without resetting memory, so it cleans up. */
static inline int
compare(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *a = VEGO_ARGUMENT(type, 0);
	Vector	   *b = VEGO_ARGUMENT(type, 1);
	int			order = compare_vectors(type, a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

VEGO_ORDER_FUNCTIONS(vector)
VEGO_ORDER_FUNCTIONS(halfvec)
