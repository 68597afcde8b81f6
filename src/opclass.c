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

static const char *
vector_bytes(Datum value, int *length)
{
	Vector	   *vector = (Vector *) DatumGetPointer(value);

	*length = vector->dim * sizeof(float);
	return (const char *) vector->x;
}

static Datum
vector_restore(const char *bytes, int length)
{
	Vector	   *vector = vego_vector_create(&vego_type_vector, length / sizeof(float));

	memcpy(vector->x, bytes, vector->dim * sizeof(float));
	return PointerGetDatum(vector);
}

#define VECTOR_CLASS(metric) \
	{metric, "vector", VEGO_VECTOR_MAX_DIMS, vector_elements, \
	sizeof(float), vector_bytes, vector_restore}

static const VegoOpclass vector_classes[] = {
	VECTOR_CLASS(VEGO_L2),
	VECTOR_CLASS(VEGO_INNER_PRODUCT),
	VECTOR_CLASS(VEGO_COSINE),
	VECTOR_CLASS(VEGO_L1),
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
