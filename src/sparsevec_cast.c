/*
 * sparsevec_cast.c
 *	  How does a sparsevec come from dense values and arrays, become dense, and
 *	  fit a column?
 */
#include "postgres.h"

#include "miscadmin.h"

#include "sparsevec.h"

/* sparsevec -> sparsevec(n).  Raises 22000 for another number of dimensions. */
PG_FUNCTION_INFO_V1(vego_sparsevec_coerce);
Datum
vego_sparsevec_coerce(PG_FUNCTION_ARGS)
{
	SparseVector *vector = VEGO_SPARSE_ARGUMENT(0);

	vego_type_check_typmod(vector->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_POINTER(vector);
}

/* Raises 54000 when too many elements are not 0. */
static SparseVector *
create_from_elements(VegoElements elements, int32 typmod)
{
	SparseVector *result;
	int			count = 0;

	vego_type_check_typmod(elements.count, typmod, NULL);
	for (int i = 0; i < elements.count; i++)
		count += elements.x[i] != 0;
	CHECK_FOR_INTERRUPTS();
	vego_sparsevec_check_elements(count, NULL);

	result = vego_sparsevec_create(elements.count, count);
	count = 0;
	for (int i = 0; i < elements.count; i++)
	{
		if (elements.x[i] == 0)
			continue;
		result->indices[count] = i;
		vego_sparsevec_values(result)[count] = elements.x[i];
		count++;
	}
	return result;
}

PG_FUNCTION_INFO_V1(vego_sparsevec_from_array);
Datum
vego_sparsevec_from_array(PG_FUNCTION_ARGS)
{
	VegoElements elements = vego_elements_of_array(&vego_type_sparsevec,
												   PG_GETARG_ARRAYTYPE_P(0));

	PG_RETURN_POINTER(create_from_elements(elements, PG_GETARG_INT32(1)));
}

/* vector or halfvec -> sparsevec(n). */
static pg_attribute_always_inline Datum
to_sparsevec(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = VEGO_ARGUMENT(type, 0);
	float	   *x = palloc(sizeof(float) * vector->dim);
	VegoElements elements = {vector->dim, x};

	vego_vector_load(type, vector, 0, vector->dim, x);
	PG_RETURN_POINTER(create_from_elements(elements, PG_GETARG_INT32(1)));
}

VEGO_DENSE_FUNCTION(to_sparsevec)

/*
 * sparsevec -> vector(n) or halfvec(n).  Raises 54000 for too many dimensions
 * and 22003 for an element beyond a half.  An index decides where is written,
 * so it is not taken for granted.
 */
static pg_attribute_always_inline Datum
from_sparsevec(FunctionCallInfo fcinfo, const VegoType *type)
{
	SparseVector *vector = VEGO_SPARSE_ARGUMENT(0);
	const float *x = vego_sparsevec_values(vector);
	Vector	   *result;

	vego_type_check_dims(type, vector->dim, NULL);
	vego_type_check_typmod(vector->dim, PG_GETARG_INT32(1), NULL);
	result = vego_vector_create(type, vector->dim);
	for (int i = 0; i < vector->nnz; i++)
	{
		int32		index = vector->indices[i];

		if (unlikely(index < 0 || index >= vector->dim))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("index of sparsevec is beyond its dimensions")));
		vego_vector_set(type, result, index, vego_type_round(type, x[i]));
	}
	PG_RETURN_POINTER(result);
}

VEGO_DENSE_FUNCTION(from_sparsevec)
