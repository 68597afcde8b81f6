/*
 * vector_cast.c
 *	  How do vectors and halfvecs come from arrays, from each other, become an
 *	  array, and fit a column?
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "float_text.h"
#include "vector.h"

/* Elements between two looks; an array may have 200 million. */
#define INTERRUPT_INTERVAL 65536

/* vector -> vector(n), n in argument 1.  Raises 22000 for another length. */
static pg_attribute_always_inline Datum
coerce(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = VEGO_ARGUMENT(type, 0);

	vego_type_check_typmod(vector->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_POINTER(vector);
}

VEGO_DENSE_FUNCTION(coerce)

float
vego_type_round(const VegoType *type, double value)
{
	float		rounded = type->halves ?
		vego_half_to_float(vego_half_from_double(value)) : (float) value;

	if (unlikely(isinf(rounded) && !isinf(value)))
	{
		char	   *text = psprintf("%g", value);

		vego_type_out_of_range(type, text, strlen(text), NULL);
	}
	return rounded;
}

/*
 * By way of text: a detour through double precision would round twice.
 * Raises 22003 for a finite value beyond the range; a tiny one becomes 0.
 */
static float
round_numeric(const VegoType *type, Datum value)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, value));
	VegoFloatText number = type->halves ? vego_half_from_text(text) :
		vego_float_from_text(text);

	if (number.verdict == VEGO_FLOAT_TOO_LARGE)
		vego_type_out_of_range(type, text, strlen(text), NULL);
	pfree(text);
	return number.value;
}

static void
check_array(const VegoType *type, ArrayType *array)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D"),
				 errdetail("An array of %d dimensions cannot be cast to type %s.",
						   ARR_NDIM(array), type->name)));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls"),
				 errdetail("Elements of type %s cannot be null.",
						   type->name)));
	vego_type_check_dims(type, ArrayGetNItems(ARR_NDIM(array),
											  ARR_DIMS(array)), NULL);
}

VegoElements
vego_elements_of_array(const VegoType *type, ArrayType *array)
{
	const void *data = ARR_DATA_PTR(array);
	VegoElements elements;
	Datum	   *numerics = NULL;
	float	   *x;

	check_array(type, array);
	elements.count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	x = palloc(sizeof(float) * elements.count);
	elements.x = x;
	if (ARR_ELEMTYPE(array) == NUMERICOID)
		deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT,
						  &numerics, NULL, &elements.count);

	for (int i = 0; i < elements.count; i++)
	{
		if (i % INTERRUPT_INTERVAL == 0)
			CHECK_FOR_INTERRUPTS();
		switch (ARR_ELEMTYPE(array))
		{
			case INT4OID:
				x[i] = vego_type_round(type, ((const int32 *) data)[i]);
				break;
			case FLOAT4OID:
				x[i] = vego_type_round(type, ((const float4 *) data)[i]);
				break;
			case FLOAT8OID:
				x[i] = vego_type_round(type, ((const float8 *) data)[i]);
				break;
			case NUMERICOID:
				x[i] = round_numeric(type, numerics[i]);
				break;
			default:
				elog(ERROR, "no cast from arrays of type %u",
					 ARR_ELEMTYPE(array));
		}
		vego_type_check_element(type, x[i], NULL);
	}
	return elements;
}

/* integer[], real[], double precision[] or numeric[] -> vector(n). */
static pg_attribute_always_inline Datum
from_array(FunctionCallInfo fcinfo, const VegoType *type)
{
	VegoElements elements = vego_elements_of_array(type,
												   PG_GETARG_ARRAYTYPE_P(0));
	Vector	   *result;

	vego_type_check_typmod(elements.count, PG_GETARG_INT32(1), NULL);
	result = vego_vector_create(type, elements.count);
	vego_vector_store(type, result, 0, elements.count, elements.x);
	PG_RETURN_POINTER(result);
}

VEGO_DENSE_FUNCTION(from_array)

static pg_attribute_always_inline Datum
to_float4_array(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = VEGO_ARGUMENT(type, 0);
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float) * vector->dim;
	ArrayType  *result = palloc0(size);

	SET_VARSIZE(result, size);
	result->ndim = 1;
	result->dataoffset = 0;		/* no nulls */
	result->elemtype = FLOAT4OID;
	ARR_DIMS(result)[0] = vector->dim;
	ARR_LBOUND(result)[0] = 1;
	vego_vector_load(type, vector, 0, vector->dim,
					 (float *) ARR_DATA_PTR(result));
	PG_RETURN_ARRAYTYPE_P(result);
}

VEGO_DENSE_FUNCTION(to_float4_array)

/* halfvec -> vector(n): every half is a float. */
PG_FUNCTION_INFO_V1(vego_vector_from_halfvec);
Datum
vego_vector_from_halfvec(PG_FUNCTION_ARGS)
{
	Vector	   *halfvec = VEGO_ARGUMENT(&vego_type_halfvec, 0);
	Vector	   *result;

	vego_type_check_typmod(halfvec->dim, PG_GETARG_INT32(1), NULL);
	result = vego_vector_create(&vego_type_vector, halfvec->dim);
	vego_vector_load(&vego_type_halfvec, halfvec, 0, halfvec->dim, result->x);
	PG_RETURN_POINTER(result);
}

/* vector -> halfvec(n).  Raises 22003 for an element beyond a half. */
PG_FUNCTION_INFO_V1(vego_halfvec_from_vector);
Datum
vego_halfvec_from_vector(PG_FUNCTION_ARGS)
{
	const VegoType *type = &vego_type_halfvec;
	Vector	   *vector = VEGO_ARGUMENT(&vego_type_vector, 0);
	Vector	   *result;

	vego_type_check_typmod(vector->dim, PG_GETARG_INT32(1), NULL);
	result = vego_vector_create(type, vector->dim);
	vego_vector_store(type, result, 0, vector->dim, vector->x);
	for (int i = 0; i < vector->dim; i++)
	{
		if (unlikely((vego_vector_halves(result)[i] & VEGO_HALF_INFINITY) ==
					 VEGO_HALF_INFINITY))
			vego_type_round(type, vector->x[i]);
	}
	PG_RETURN_POINTER(result);
}
