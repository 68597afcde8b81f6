/*
 * opclass.c
 *	  What do the operator classes of vector mean?
 */
#include "postgres.h"

#include "fmgr.h"

#include "opclass.h"
#include "vector.h"

static const float *
vector_elements(Datum value, int *dims)
{
	Vector	   *vector = (Vector *) DatumGetPointer(value);

	*dims = vector->dim;
	return vector->x;
}

static const VegoOpclass vector_classes[] = {
	{VEGO_L2, "vector", VEGO_VECTOR_MAX_DIMS, vector_elements},
	{VEGO_INNER_PRODUCT, "vector", VEGO_VECTOR_MAX_DIMS, vector_elements},
	{VEGO_COSINE, "vector", VEGO_VECTOR_MAX_DIMS, vector_elements},
	{VEGO_L1, "vector", VEGO_VECTOR_MAX_DIMS, vector_elements},
};

PG_FUNCTION_INFO_V1(vego_vector_l2_support);
PG_FUNCTION_INFO_V1(vego_vector_ip_support);
PG_FUNCTION_INFO_V1(vego_vector_cosine_support);
PG_FUNCTION_INFO_V1(vego_vector_l1_support);

Datum
vego_vector_l2_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_classes[0]);
}

Datum
vego_vector_ip_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_classes[1]);
}

Datum
vego_vector_cosine_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_classes[2]);
}

Datum
vego_vector_l1_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(&vector_classes[3]);
}

const VegoOpclass *
vego_opclass(Relation index)
{
	FmgrInfo   *proc = index_getprocinfo(index, 1, VEGO_SUPPORT_PROC);

	return (const VegoOpclass *)
		DatumGetPointer(FunctionCall1(proc, PointerGetDatum(NULL)));
}
