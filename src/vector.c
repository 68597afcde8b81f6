/*
 * vector.c
 *	  What is a valid vector?
 */
#include "postgres.h"

#include <math.h>

#include "vector.h"

Vector *
vego_vector_create(int dims)
{
	Size		size = vego_vector_size(dims);
	Vector	   *vector = palloc0(size);

	Assert(dims >= 1 && dims <= VEGO_VECTOR_MAX_DIMS);
	SET_VARSIZE(vector, size);
	vector->dim = dims;
	return vector;
}

Vector *
vego_vector_from_datum(Datum datum)
{
	Vector	   *vector = (Vector *) PG_DETOAST_DATUM(datum);
	Size		size = VARSIZE(vector);

	if (unlikely(size < vego_vector_size(1) ||
				 vector->dim < 1 ||
				 size != vego_vector_size(vector->dim)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("length of vector does not match its dimensions")));
	return vector;
}

bool
vego_vector_check_dims(int dims, Node *soft)
{
	if (dims < 1)
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("vector must have at least 1 dimension")));
	if (dims > VEGO_VECTOR_MAX_DIMS)
		ereturn(soft, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("vector cannot have more than %d dimensions",
						VEGO_VECTOR_MAX_DIMS)));
	return true;
}

bool
vego_vector_check_typmod(int dims, int32 typmod, Node *soft)
{
	if (typmod != -1 && typmod != dims)
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dims)));
	return true;
}

bool
vego_vector_check_element(float value, Node *soft)
{
	if (unlikely(isnan(value)))
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in vector")));
	if (unlikely(isinf(value)))
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("infinite value not allowed in vector")));
	return true;
}

void
vego_vector_check_same_dims(const Vector *a, const Vector *b)
{
	if (unlikely(a->dim != b->dim))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different vector dimensions %d and %d",
						a->dim, b->dim)));
}
