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
#include "sparsevec.h"
#include "vector.h"

/* The header on the wire: int16 dim, int16 unused. */
#define WIRE_HEADER_BYTES 4

bool
vego_element_from_text(const VegoType *type, const char *text, const char **p,
					   int position, Node *soft, float *element)
{
	VegoFloatText number = type->halves ? vego_half_from_text(*p) :
		vego_float_from_text(*p);

	if (number.verdict == VEGO_FLOAT_NOT_A_NUMBER)
		vego_malformed(type, text, soft,
					   ("Element %d is not a number.", position));
	if (number.verdict == VEGO_FLOAT_TOO_LARGE ||
		(type->sparse && number.verdict == VEGO_FLOAT_TOO_SMALL))
		return vego_type_out_of_range(type, *p, (int) (number.end - *p), soft);
	if (!vego_type_check_element(type, number.value, soft))
		return false;
	*element = number.value;
	*p = number.end;
	return true;
}

/* The elements that come first and are quickly read; the last is not one. */
static inline int
read_list(const VegoType *type, const char **p, const char *end, float *x,
		  int room)
{
	return type->halves ? vego_halves_from_text(p, end, x, room) :
		vego_floats_from_text(p, end, x, room);
}

/*
 * The value that a text means, or NULL after a soft error.  White space is
 * welcome around brackets, numbers and commas.
 */
static Vector *
parse(const VegoType *type, const char *text, int32 typmod, Node *soft)
{
	float		x[VEGO_VECTOR_MAX_DIMS];
	int			dims = 0;
	const char *end = text + strlen(text);
	const char *p = vego_skip_space(text);
	Vector	   *result;

	if (*p != '[')
		vego_malformed(type, text, soft,
					   ("A %s starts with \"[\".", type->name));
	if (*vego_skip_space(p + 1) == ']')
	{
		vego_type_check_dims(type, 0, soft);
		return NULL;
	}
	do
	{
		p = vego_skip_space(p + 1);
		dims += read_list(type, &p, end, x + dims, VEGO_VECTOR_MAX_DIMS - dims);
		p = vego_skip_space(p);
		if (dims == VEGO_VECTOR_MAX_DIMS)
		{
			vego_type_check_dims(type, dims + 1, soft);
			return NULL;
		}
		if (!vego_element_from_text(type, text, &p, dims + 1, soft, &x[dims]))
			return NULL;
		dims++;
		p = vego_skip_space(p);
	} while (*p == ',');

	if (*p++ != ']')
		vego_malformed(type, text, soft,
					   ("Element %d is followed by neither \",\" nor \"]\".",
						dims));
	if (*vego_skip_space(p) != '\0')
		vego_malformed(type, text, soft,
					   ("A %s ends with \"]\".", type->name));
	if (!vego_type_check_typmod(dims, typmod, soft))
		return NULL;

	result = vego_vector_create(type, dims);
	vego_vector_store(type, result, 0, dims, x);
	return result;
}

static pg_attribute_always_inline Datum
from_text(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = parse(type, PG_GETARG_CSTRING(0), PG_GETARG_INT32(2),
							   fcinfo->context);

	if (vector == NULL)
		PG_RETURN_NULL();		/* after a soft error */
	PG_RETURN_POINTER(vector);
}

VEGO_DENSE_FUNCTION(from_text)

/* Each element is the shortest decimal that reads back as the same number. */
static pg_attribute_always_inline Datum
to_text(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = VEGO_ARGUMENT(type, 0);

	/* FLOAT_SHORTEST_DECIMAL_LEN counts a NUL, whose place the comma takes. */
	char	   *text = palloc(FLOAT_SHORTEST_DECIMAL_LEN * vector->dim +
							  sizeof("[]"));
	char	   *p = text;

	StaticAssertStmt(VEGO_HALF_TEXT_BYTES <= FLOAT_SHORTEST_DECIMAL_LEN,
					 "room for the text of a half");
	for (int i = 0; i < vector->dim; i++)
	{
		*p++ = i == 0 ? '[' : ',';
		if (type->halves)
			p += vego_half_to_text(vego_vector_halves(vector)[i], p);
		else
			p += float_to_shortest_decimal_bufn(vector->x[i], p);
	}
	*p++ = ']';
	*p = '\0';
	PG_RETURN_CSTRING(text);
}

VEGO_DENSE_FUNCTION(to_text)

void
vego_wire_check_header(const VegoType *type, StringInfo message,
					   int header_bytes)
{
	int			bytes = message->len - message->cursor;

	if (bytes < header_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary format for type %s", type->name),
				 errdetail("A header of %d bytes is expected, not %d.",
						   header_bytes, bytes)));
}

void
vego_wire_check_rest(const VegoType *type, StringInfo message, int rest_bytes)
{
	int			bytes = message->len - message->cursor;

	if (bytes != rest_bytes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary format for type %s", type->name),
				 errdetail("Behind this header, %d bytes of elements are expected, not %d.",
						   rest_bytes, bytes)));
}

void
vego_wire_check_unused(const VegoType *type, int unused)
{
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected unused to be 0, not %d", unused),
				 errdetail("The binary format of type %s reserves it.",
						   type->name)));
}

/* Raises 22P03 for a wrong length, 22000 or 54000 for wrong content. */
static pg_attribute_always_inline Datum
from_wire(FunctionCallInfo fcinfo, const VegoType *type)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int16		dims;
	Vector	   *result;

	vego_wire_check_header(type, message, WIRE_HEADER_BYTES);
	dims = (int16) pq_getmsgint(message, sizeof(int16));
	vego_wire_check_unused(type,
						   (int16) pq_getmsgint(message, sizeof(int16)));
	vego_type_check_dims(type, dims, NULL);
	vego_type_check_typmod(dims, typmod, NULL);
	vego_wire_check_rest(type, message, (int) (vego_vector_size(type, dims) -
											   offsetof(Vector, x)));

	result = vego_vector_create(type, dims);
	for (int i = 0; i < dims; i++)
	{
		if (type->halves)
			vego_vector_halves(result)[i] =
				(VegoHalf) pq_getmsgint(message, sizeof(VegoHalf));
		else
			result->x[i] = pq_getmsgfloat4(message);
		vego_type_check_element(type, vego_vector_get(type, result, i), NULL);
	}
	PG_RETURN_POINTER(result);
}

VEGO_DENSE_FUNCTION(from_wire)

static pg_attribute_always_inline Datum
to_wire(FunctionCallInfo fcinfo, const VegoType *type)
{
	Vector	   *vector = VEGO_ARGUMENT(type, 0);
	StringInfoData message;

	pq_begintypsend(&message);
	enlargeStringInfo(&message, (int) vego_vector_size(type, vector->dim));
	pq_sendint16(&message, (uint16) vector->dim);
	pq_sendint16(&message, 0);
	for (int i = 0; i < vector->dim; i++)
	{
		if (type->halves)
			pq_sendint16(&message, vego_vector_halves(vector)[i]);
		else
			pq_sendfloat4(&message, vector->x[i]);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

VEGO_DENSE_FUNCTION(to_wire)

/* vector(n): the type modifier is n.  Raises 22023. */
static Datum
typmod_in(FunctionCallInfo fcinfo, const VegoType *type)
{
	ArrayType  *modifiers = PG_GETARG_ARRAYTYPE_P(0);
	int			count;
	int32	   *values = ArrayGetIntegerTypmods(modifiers, &count);

	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid type modifier"),
				 errhint("Type %s takes one: its dimensions.", type->name)));
	if (values[0] < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s must be at least 1",
						type->name)));
	if (values[0] > type->max_dims)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("dimensions for type %s cannot exceed %d",
						type->name, type->max_dims)));
	PG_RETURN_INT32(values[0]);
}

VEGO_DENSE_FUNCTION(typmod_in)
VEGO_TYPE_FUNCTION(sparsevec, typmod_in)
