/*
 * vector.c
 *	  What is a valid vector or halfvec, and what is wrong with others?
 */
#include "postgres.h"

#include <math.h>

#include "vector.h"

Vector *
vego_vector_create(const VegoType *type, int dims)
{
	Size		size = vego_vector_size(type, dims);
	Vector	   *vector = palloc0(size);

	Assert(dims >= 1 && dims <= VEGO_VECTOR_MAX_DIMS);
	SET_VARSIZE(vector, size);
	vector->dim = dims;
	return vector;
}

void
vego_type_report_length(const VegoType *type)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("length of %s does not match its dimensions",
					type->name)));
	pg_unreachable();
}

bool
vego_type_check_dims(const VegoType *type, int64 dims, Node *soft)
{
	if (dims < 1)
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("%s must have at least 1 dimension", type->name)));
	if (dims > type->max_dims)
		ereturn(soft, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s cannot have more than %d dimensions",
						type->name, type->max_dims)));
	return true;
}

bool
vego_type_check_typmod(int dims, int32 typmod, Node *soft)
{
	if (typmod != -1 && typmod != dims)
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dims)));
	return true;
}

bool
vego_type_check_element(const VegoType *type, float value, Node *soft)
{
	if (unlikely(isnan(value)))
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("NaN not allowed in %s", type->name)));
	if (unlikely(isinf(value)))
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("infinite value not allowed in %s", type->name)));
	return true;
}

void
vego_type_report_dims(const VegoType *type, int dims, int other_dims)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("different %s dimensions %d and %d",
					type->name, dims, other_dims)));
	pg_unreachable();
}

bool
vego_type_out_of_range(const VegoType *type, const char *number, int length,
					   Node *soft)
{
	ereturn(soft, false,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("\"%.*s\" is out of range for type %s",
					length, number, type->name)));
}

void
vego_type_overflow(const VegoType *type)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value out of range for type %s: overflow", type->name)));
	pg_unreachable();
}

void
vego_type_underflow(const VegoType *type)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("value out of range for type %s: underflow", type->name)));
	pg_unreachable();
}
