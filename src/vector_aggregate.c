/*
 * vector_aggregate.c
 *	  What are the sum and the average of many vectors?
 *
 * The state is a double precision[]: the number of vectors, then the sum of
 * each dimension; the number alone, 0, before the first vector.  Sums of floats
 * cannot overflow a double in the life of a server; only the result may leave
 * the range of a float.
 *
 * Anyone may call these functions with an array of his own, so every state is
 * checked.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"

#include "vector.h"

/* Raises 22023 for an array that is not a state. */
static ArrayType *
checked_state(ArrayType *state)
{
	if (ARR_NDIM(state) != 1 ||
		ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID ||
		ARR_DIMS(state)[0] < 1 ||
		ARR_DIMS(state)[0] > 1 + VEGO_VECTOR_MAX_DIMS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid transition state for an aggregate of type vector")));
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
writable_state(FunctionCallInfo fcinfo)
{
	if (AggCheckCallContext(fcinfo, NULL))
		return checked_state(PG_GETARG_ARRAYTYPE_P(0));
	return checked_state(PG_GETARG_ARRAYTYPE_P_COPY(0));
}

static void
check_same_dims(int dims, int other_dims)
{
	if (dims != other_dims)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("different vector dimensions %d and %d",
						dims, other_dims)));
}

PG_FUNCTION_INFO_V1(vego_vector_accum);
Datum
vego_vector_accum(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);
	Vector	   *vector = PG_GETARG_VECTOR_P(1);
	float8	   *sums;

	if (state_dims(state) == 0)
		state = create_state(vector->dim);
	check_same_dims(state_dims(state), vector->dim);

	*state_count(state) += 1;
	sums = state_sums(state);
	for (int i = 0; i < vector->dim; i++)
		sums[i] += vector->x[i];
	PG_RETURN_ARRAYTYPE_P(state);
}

PG_FUNCTION_INFO_V1(vego_vector_combine);
Datum
vego_vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);
	ArrayType  *other = checked_state(PG_GETARG_ARRAYTYPE_P(1));
	float8	   *sums;
	float8	   *other_sums;

	if (state_dims(other) == 0)
		PG_RETURN_ARRAYTYPE_P(state);
	if (state_dims(state) == 0)
		PG_RETURN_ARRAYTYPE_P(other);
	check_same_dims(state_dims(state), state_dims(other));

	*state_count(state) += *state_count(other);
	sums = state_sums(state);
	other_sums = state_sums(other);
	for (int i = 0; i < state_dims(state); i++)
		sums[i] += other_sums[i];
	PG_RETURN_ARRAYTYPE_P(state);
}

/* The sums, each divided.  Raises 22003 when one is no float. */
static Vector *
divided_sums(ArrayType *state, float8 divisor)
{
	Vector	   *result = vego_vector_create(state_dims(state));
	const float8 *sums = state_sums(state);

	for (int i = 0; i < result->dim; i++)
	{
		result->x[i] = (float) (sums[i] / divisor);
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
		vego_vector_check_element(result->x[i], NULL);
	}
	return result;
}

/* NULL when there was no vector. */
PG_FUNCTION_INFO_V1(vego_vector_avg);
Datum
vego_vector_avg(PG_FUNCTION_ARGS)
{
	ArrayType  *state = checked_state(PG_GETARG_ARRAYTYPE_P(0));

	if (state_dims(state) == 0)
		PG_RETURN_NULL();
	PG_RETURN_VECTOR_P(divided_sums(state, *state_count(state)));
}

/* NULL when there was no vector. */
PG_FUNCTION_INFO_V1(vego_vector_sum);
Datum
vego_vector_sum(PG_FUNCTION_ARGS)
{
	ArrayType  *state = checked_state(PG_GETARG_ARRAYTYPE_P(0));

	if (state_dims(state) == 0)
		PG_RETURN_NULL();
	PG_RETURN_VECTOR_P(divided_sums(state, 1));
}
