/*
 * vector_aggregate.c
 *	  What are the sum and the average of many vectors or halfvecs?
 *
 * The state is a double precision[]: the number of vectors, then the sum of
 * each dimension; the number alone, 0, before the first vector.  Sums of floats
 * cannot overflow a double in the life of a server; only the result may leave
 * the range of the type.
 *
 * Anyone may call these functions with an array of his own, so every state is
 * checked.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "vector.h"

/* Raises 22023 for an array that is not a state. */
static ArrayType *
checked_state(const VegoType *type, ArrayType *state)
{
	if (ARR_NDIM(state) != 1 ||
		ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID ||
		ARR_DIMS(state)[0] < 1 ||
		ARR_DIMS(state)[0] > 1 + VEGO_VECTOR_MAX_DIMS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid transition state for an aggregate of type %s",
						type->name)));
	return state;
}

static inline int
state_dims(const ArrayType *state)
{
	return ARR_DIMS(state)[0] - 1;
}

static inline float8 *
state_count(ArrayType *state)
{
	return (float8 *) ARR_DATA_PTR(state);
}

static inline float8 *
state_sums(ArrayType *state)
{
	return state_count(state) + 1;
}

/* All 0, in the current memory context. */
static ArrayType *
create_state(int dims)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(float8) * (1 + dims);
	ArrayType  *state = palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->dataoffset = 0;		/* no nulls */
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = 1 + dims;
	ARR_LBOUND(state)[0] = 1;
	return state;
}

/*
 * Argument 0, which we may change: the aggregate's own state, or a copy for
 * other callers.
 */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, const VegoType *type)
{
	if (AggCheckCallContext(fcinfo, NULL))
		return checked_state(type, PG_GETARG_ARRAYTYPE_P(0));
	return checked_state(type, PG_GETARG_ARRAYTYPE_P_COPY(0));
}

static pg_attribute_always_inline Datum
accum(FunctionCallInfo fcinfo, const VegoType *type)
{
	ArrayType  *state = writable_state(fcinfo, type);
	Vector	   *vector = VEGO_ARGUMENT(type, 1);

	if (state_dims(state) == 0)
		state = create_state(vector->dim);
	vego_type_check_same_dims(type, state_dims(state), vector->dim);

	*state_count(state) += 1;
	if (type->halves)
		vego_kernels->half_add_to_sums(vego_vector_halves(vector),
									   vector->dim, state_sums(state));
	else
		vego_kernels->add_to_sums(vector->x, vector->dim, state_sums(state));
	PG_RETURN_ARRAYTYPE_P(state);
}

VEGO_DENSE_FUNCTION(accum)

static Datum
combine(FunctionCallInfo fcinfo, const VegoType *type)
{
	ArrayType  *state = writable_state(fcinfo, type);
	ArrayType  *other = checked_state(type, PG_GETARG_ARRAYTYPE_P(1));
	float8	   *sums;
	float8	   *other_sums;

	if (state_dims(other) == 0)
		PG_RETURN_ARRAYTYPE_P(state);
	if (state_dims(state) == 0)
		PG_RETURN_ARRAYTYPE_P(other);
	vego_type_check_same_dims(type, state_dims(state), state_dims(other));

	*state_count(state) += *state_count(other);
	sums = state_sums(state);
	other_sums = state_sums(other);
	for (int i = 0; i < state_dims(state); i++)
		sums[i] += other_sums[i];
	PG_RETURN_ARRAYTYPE_P(state);
}

VEGO_DENSE_FUNCTION(combine)

/* The sums, each divided.  Raises 22003 when one is beyond the type. */
static Vector *
divided_sums(const VegoType *type, ArrayType *state, float8 divisor)
{
	Vector	   *result = vego_vector_create(type, state_dims(state));
	const float8 *sums = state_sums(state);

	for (int i = 0; i < result->dim; i++)
	{
		vego_vector_set(type, result, i, sums[i] / divisor);
		if (unlikely(isinf(vego_vector_get(type, result, i))))
			vego_type_overflow(type);
		vego_type_check_element(type, vego_vector_get(type, result, i), NULL);
	}
	return result;
}

/* NULL when there was no vector. */
static Datum
avg(FunctionCallInfo fcinfo, const VegoType *type)
{
	ArrayType  *state = checked_state(type, PG_GETARG_ARRAYTYPE_P(0));

	if (state_dims(state) == 0)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(divided_sums(type, state, *state_count(state)));
}

VEGO_DENSE_FUNCTION(avg)

/* NULL when there was no vector. */
static Datum
sum(FunctionCallInfo fcinfo, const VegoType *type)
{
	ArrayType  *state = checked_state(type, PG_GETARG_ARRAYTYPE_P(0));

	if (state_dims(state) == 0)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(divided_sums(type, state, 1));
}

VEGO_DENSE_FUNCTION(sum)
