/*
 * vector_io.c
 *	  How is a vector written, as text, in binary, and in a column's type?
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
#include "utils/array.h"

#include "float_text.h"
#include "vector.h"

/* The header on the wire: int16 dim, int16 unused. */
#define WIRE_HEADER_BYTES 4

/* PostgreSQL's own idea of white space in array and row literals. */
static inline const char *
skip_space(const char *p)
{
	while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
		p++;
	return p;
}

#define malformed(soft, text, detail) \
	ereturn(soft, NULL, \
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), \
			 errmsg("invalid input syntax for type vector: \"%s\"", text), \
			 errdetail detail))

/*
 * The vector that a text means, or NULL after a soft error.  White space is
 * welcome around brackets, numbers and commas.
 */
static Vector *
parse(const char *text, int32 typmod, Node *soft)
{
	float		x[VEGO_VECTOR_MAX_DIMS];
	int			dims = 0;
	const char *p = skip_space(text);
	Vector	   *result;

	if (*p != '[')
		malformed(soft, text, ("A vector starts with \"[\"."));
	if (*skip_space(p + 1) == ']')
	{
		vego_vector_check_dims(0, soft);
		return NULL;
	}
	do
	{
		VegoFloatText number;

		p = skip_space(p + 1);
		if (dims == VEGO_VECTOR_MAX_DIMS)
		{
			vego_vector_check_dims(dims + 1, soft);
			return NULL;
		}
		number = vego_float_from_text(p);
		if (number.verdict == VEGO_FLOAT_NOT_A_NUMBER)
			malformed(soft, text, ("Element %d is not a number.", dims + 1));
		if (number.verdict == VEGO_FLOAT_TOO_LARGE)
			ereturn(soft, NULL,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("\"%.*s\" is out of range for type vector",
							(int) (number.end - p), p)));
		if (!vego_vector_check_element(number.value, soft))
			return NULL;
		x[dims++] = number.value;
		p = skip_space(number.end);
	} while (*p == ',');

	if (*p++ != ']')
		malformed(soft, text,
				  ("Element %d is followed by neither \",\" nor \"]\".",
				   dims));
	if (*skip_space(p) != '\0')
		malformed(soft, text, ("A vector ends with \"]\"."));
	if (!vego_vector_check_typmod(dims, typmod, soft))
		return NULL;

	result = vego_vector_create(dims);
	memcpy(result->x, x, sizeof(float) * dims);
	return result;
}

PG_FUNCTION_INFO_V1(vego_vector_in);
Datum
vego_vector_in(PG_FUNCTION_ARGS)
{
	Vector	   *vector = parse(PG_GETARG_CSTRING(0), PG_GETARG_INT32(2),
							   fcinfo->context);

	if (vector == NULL)
		PG_RETURN_NULL();		/* after a soft error */
	PG_RETURN_VECTOR_P(vector);
}

/* Each element is the shortest decimal that reads back as the same float. */
PG_FUNCTION_INFO_V1(vego_vector_out);
Datum
vego_vector_out(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);

	/* FLOAT_SHORTEST_DECIMAL_LEN counts a NUL, whose place the comma takes. */
	char	   *text = palloc(FLOAT_SHORTEST_DECIMAL_LEN * vector->dim +
							  sizeof("[]"));
	char	   *p = text;

	for (int i = 0; i < vector->dim; i++)
	{
		*p++ = i == 0 ? '[' : ',';
		p += float_to_shortest_decimal_bufn(vector->x[i], p);
	}
	*p++ = ']';
	*p = '\0';
	PG_RETURN_CSTRING(text);
}

/* Raises 22P03 for a wrong length, 22000 or 54000 for wrong content. */
PG_FUNCTION_INFO_V1(vego_vector_recv);
Datum
vego_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int			bytes = message->len - message->cursor;
	int16		dims;
	int16		unused;
	Vector	   *result;

	if (bytes < WIRE_HEADER_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary format for type vector"),
				 errdetail("A header of %d bytes is expected, not %d.",
						   WIRE_HEADER_BYTES, bytes)));
	bytes -= WIRE_HEADER_BYTES;
	dims = (int16) pq_getmsgint(message, sizeof(int16));
	unused = (int16) pq_getmsgint(message, sizeof(int16));

	vego_vector_check_dims(dims, NULL);
	vego_vector_check_typmod(dims, typmod, NULL);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused),
				 errdetail("The binary format of type vector reserves it.")));
	if (bytes != dims * (int) sizeof(float))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary format for type vector"),
				 errdetail("With dim %d, %d bytes of elements are expected, not %d.",
						   dims, dims * (int) sizeof(float), bytes)));

	result = vego_vector_create(dims);
	for (int i = 0; i < dims; i++)
	{
		result->x[i] = pq_getmsgfloat4(message);
		vego_vector_check_element(result->x[i], NULL);
	}
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(vego_vector_send);
Datum
vego_vector_send(PG_FUNCTION_ARGS)
{
	Vector	   *vector = PG_GETARG_VECTOR_P(0);
	StringInfoData message;

	pq_begintypsend(&message);
	enlargeStringInfo(&message,
					  WIRE_HEADER_BYTES + vector->dim * (int) sizeof(float));
	pq_sendint16(&message, (uint16) vector->dim);
	pq_sendint16(&message, 0);
	for (int i = 0; i < vector->dim; i++)
		pq_sendfloat4(&message, vector->x[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* vector(n): the type modifier is n.  Raises 22023. */
PG_FUNCTION_INFO_V1(vego_vector_typmod_in);
Datum
vego_vector_typmod_in(PG_FUNCTION_ARGS)
{
	ArrayType  *modifiers = PG_GETARG_ARRAYTYPE_P(0);
	int			count;
	int32	   *values = ArrayGetIntegerTypmods(modifiers, &count);

	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier"),
				 errhint("Type vector takes one: its dimensions.")));
	if (values[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type vector must be at least 1")));
	if (values[0] > VEGO_VECTOR_MAX_DIMS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type vector cannot exceed %d",
						VEGO_VECTOR_MAX_DIMS)));
	PG_RETURN_INT32(values[0]);
}
