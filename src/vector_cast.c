/*
 * vector_cast.c
 *	  How does a vector come from an array, become one, and fit a column?
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "float_text.h"
#include "vector.h"

/* vector -> vector(n), n in argument 1.  Raises 22000 for another length. */
PG_FUNCTION_INFO_V1(vego_vector_coerce);
Datum
vego_vector_coerce(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);

	vego_vector_check_typmod(vector->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_VECTOR_P(vector);
}

/*
 * A vector with room for the elements of an array, which must have one
 * dimension (22000), no NULL (22004), a vector's number of elements (22000,
 * 54000) and that of the type modifier (22000).
 */
static Vector *
create_for_array(ArrayType *array, int32 typmod)
{
	int			dims = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("array must be 1-D"),
				 errdetail("An array of %d dimensions cannot be cast to type vector.",
						   ARR_NDIM(array))));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls"),
				 errdetail("Elements of type vector cannot be null.")));
	vego_vector_check_dims(dims, NULL);
	vego_vector_check_typmod(dims, typmod, NULL);
	return vego_vector_create(dims);
}

static void
check_elements(const Vector *vector)
{
	for (int i = 0; i < vector->dim; i++)
		vego_vector_check_element(vector->x[i], NULL);
}

static void
out_of_range(const char *text)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("\"%s\" is out of range for type vector", text)));
}

PG_FUNCTION_INFO_V1(vego_vector_from_int4_array);
Datum
vego_vector_from_int4_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Vector	   *result = create_for_array(array, PG_GETARG_INT32(1));
	const int32 *values = (const int32 *) ARR_DATA_PTR(array);

	for (int i = 0; i < result->dim; i++)
		result->x[i] = (float) values[i];
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vego_vector_from_float4_array);
Datum
vego_vector_from_float4_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Vector	   *result = create_for_array(array, PG_GETARG_INT32(1));

	memcpy(result->x, ARR_DATA_PTR(array), sizeof(float) * result->dim);
	check_elements(result);
	PG_RETURN_VECTOR_P(result);
}

/* Raises 22003 for a finite value beyond a float; a tiny one becomes 0. */
PG_FUNCTION_INFO_V1(vego_vector_from_float8_array);
Datum
vego_vector_from_float8_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Vector	   *result = create_for_array(array, PG_GETARG_INT32(1));
	const float8 *values = (const float8 *) ARR_DATA_PTR(array);

	for (int i = 0; i < result->dim; i++)
	{
		result->x[i] = (float) values[i];
		if (unlikely(isinf(result->x[i]) && !isinf(values[i])))
			out_of_range(psprintf("%g", values[i]));
	}
	check_elements(result);
	PG_RETURN_VECTOR_P(result);
}

/*
 * By way of text: a detour through double precision would round twice.
 * Raises 22003 for a finite value beyond a float; a tiny one becomes 0.
 */
PG_FUNCTION_INFO_V1(vego_vector_from_numeric_array);
Datum
vego_vector_from_numeric_array(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	Vector	   *result = create_for_array(array, PG_GETARG_INT32(1));
	Datum	   *values;
	int			count;

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT,
					  &values, NULL, &count);
	for (int i = 0; i < result->dim; i++)
	{
		char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out,
															   values[i]));
		VegoFloatText number = vego_float_from_text(text);

		if (number.verdict == VEGO_FLOAT_TOO_LARGE)
			out_of_range(text);
		result->x[i] = number.value;
		pfree(text);
	}
	check_elements(result);
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vego_vector_to_float4_array);
Datum
vego_vector_to_float4_array(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float) * vector->dim;
	ArrayType  *result = palloc0(size);

	SET_VARSIZE(result, size);
	result->ndim = 1;
	result->dataoffset = 0;		/* no nulls */
	result->elemtype = FLOAT4OID;
	ARR_DIMS(result)[0] = vector->dim;
	ARR_LBOUND(result)[0] = 1;
	memcpy(ARR_DATA_PTR(result), vector->x, sizeof(float) * vector->dim);
	PG_RETURN_ARRAYTYPE_P(result);
}
