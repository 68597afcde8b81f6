/*
 * sparsevec.c
 *	  What is a valid sparsevec, and how is it written, as text and in binary?
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "sparsevec.h"

/* The header on the wire: int32 dim, int32 nnz, int32 unused. */
#define WIRE_HEADER_BYTES 12

/* "2147483647:" */
#define INDEX_TEXT_BYTES 11

SparseVector *
vego_sparsevec_create(int dims, int elements)
{
	Size		size = vego_sparsevec_size(elements);
	SparseVector *vector = palloc0(size);

	SET_VARSIZE(vector, size);
	vector->dim = dims;
	vector->nnz = elements;
	return vector;
}

SparseVector *
vego_sparsevec_from_datum(Datum datum)
{
	SparseVector *vector = (SparseVector *) PG_DETOAST_DATUM(datum);
	Size		size = VARSIZE(vector);

	if (unlikely(size < vego_sparsevec_size(0) ||
				 vector->dim < 1 ||
				 vector->nnz < 0 ||
				 vector->nnz > VEGO_SPARSEVEC_MAX_ELEMENTS ||
				 size != vego_sparsevec_size(vector->nnz)))
		vego_type_report_length(&vego_type_sparsevec);
	return vector;
}

bool
vego_sparsevec_check_elements(int elements, Node *soft)
{
	if (elements > VEGO_SPARSEVEC_MAX_ELEMENTS)
		ereturn(soft, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("sparsevec cannot have more than %d non-zero elements",
						VEGO_SPARSEVEC_MAX_ELEMENTS)));
	return true;
}

/* An index counted from 0 is below dims. */
static bool
check_index(int64 index, int dims, Node *soft)
{
	if (index < 0 || index >= dims)
		ereturn(soft, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("sparsevec index out of bounds"),
				 errdetail("Index %lld is not in 1 .. %d.",
						   (long long) index + 1, dims)));
	return true;
}

/*
 * Reads a whole number at *p and moves *p behind it; false when there is none.
 * What is too large for an int32 stays too large.
 */
static bool
read_integer(const char **p, int64 *number)
{
	const char *first = *p + (**p == '-' || **p == '+');
	const char *q = first;

	*number = 0;
	for (; *q >= '0' && *q <= '9'; q++)
		*number = Min(*number * 10 + (*q - '0'), PG_INT32_MAX + INT64CONST(1));
	if (q == first)
		return false;
	if (**p == '-')
		*number = -*number;
	*p = q;
	return true;
}

typedef struct Element
{
	int64		index;
	float		value;
} Element;

static int
compare_indices(const void *a, const void *b)
{
	int64		x = ((const Element *) a)->index;
	int64		y = ((const Element *) b)->index;

	return (x > y) - (x < y);
}

/*
 * The elements of a text that begins with "{", without zeros, in the order of
 * the text; *p moves to what is behind "}".  NULL after a soft error.
 */
static Element *
parse_elements(const char *text, const char **p, int *count, Node *soft)
{
	const VegoType *type = &vego_type_sparsevec;
	int			room = 16;
	Element    *elements = palloc(sizeof(Element) * room);
	int			position = 0;

	*count = 0;
	if (*vego_skip_space(*p + 1) == '}')
	{
		*p = vego_skip_space(*p + 1) + 1;
		return elements;
	}
	do
	{
		Element    *element;

		CHECK_FOR_INTERRUPTS();
		if (*count == room)
		{
			room *= 2;
			elements = repalloc(elements, sizeof(Element) * room);
		}
		element = &elements[*count];
		position++;

		*p = vego_skip_space(*p + 1);
		if (!read_integer(p, &element->index))
			vego_malformed(type, text, soft,
						   ("Element %d has no index.", position));
		element->index--;
		*p = vego_skip_space(*p);
		if (**p != ':')
			vego_malformed(type, text, soft,
						   ("The index of element %d is not followed by \":\".",
							position));
		*p = vego_skip_space(*p + 1);
		if (!vego_element_from_text(type, text, p, position, soft,
									&element->value))
			return NULL;
		if (element->value != 0 &&
			!vego_sparsevec_check_elements(++*count, soft))
			return NULL;
		*p = vego_skip_space(*p);
	} while (**p == ',');

	if (*(*p)++ != '}')
		vego_malformed(type, text, soft,
					   ("Element %d is followed by neither \",\" nor \"}\".",
						position));
	return elements;
}

/*
 * The value that a text means, or NULL after a soft error.  White space is
 * welcome around everything.  Indices count from 1 and may come in any order.
 */
static SparseVector *
parse(const char *text, int32 typmod, Node *soft)
{
	const VegoType *type = &vego_type_sparsevec;
	const char *p = vego_skip_space(text);
	Element    *elements;
	int			count;
	int64		dims;
	SparseVector *result;

	if (*p != '{')
		vego_malformed(type, text, soft, ("A sparsevec starts with \"{\"."));
	elements = parse_elements(text, &p, &count, soft);
	if (elements == NULL)
		return NULL;

	p = vego_skip_space(p);
	if (*p != '/')
		vego_malformed(type, text, soft,
					   ("\"}\" is followed by \"/\" and the number of dimensions."));
	p = vego_skip_space(p + 1);
	if (!read_integer(&p, &dims))
		vego_malformed(type, text, soft,
					   ("\"/\" is followed by the number of dimensions."));
	if (*vego_skip_space(p) != '\0')
		vego_malformed(type, text, soft,
					   ("A sparsevec ends with the number of dimensions."));
	if (!vego_type_check_dims(type, dims, soft) ||
		!vego_type_check_typmod((int) dims, typmod, soft))
		return NULL;

	qsort(elements, count, sizeof(Element), compare_indices);
	result = vego_sparsevec_create((int) dims, count);
	for (int i = 0; i < count; i++)
	{
		if (!check_index(elements[i].index, (int) dims, soft))
			return NULL;
		if (i > 0 && elements[i].index == elements[i - 1].index)
			ereturn(soft, NULL,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec indices must not contain duplicates"),
					 errdetail("Index %lld is there twice.",
							   (long long) elements[i].index + 1)));
		result->indices[i] = (int32) elements[i].index;
		vego_sparsevec_values(result)[i] = elements[i].value;
	}
	pfree(elements);
	return result;
}

PG_FUNCTION_INFO_V1(vego_sparsevec_from_text);
Datum
vego_sparsevec_from_text(PG_FUNCTION_ARGS)
{
	SparseVector *vector = parse(PG_GETARG_CSTRING(0), PG_GETARG_INT32(2),
								 fcinfo->context);

	if (vector == NULL)
		PG_RETURN_NULL();		/* after a soft error */
	PG_RETURN_POINTER(vector);
}

PG_FUNCTION_INFO_V1(vego_sparsevec_to_text);
Datum
vego_sparsevec_to_text(PG_FUNCTION_ARGS)
{
	SparseVector *vector = VEGO_SPARSE_ARGUMENT(0);
	const float *values = vego_sparsevec_values(vector);

	/* FLOAT_SHORTEST_DECIMAL_LEN counts a NUL, whose place the comma takes. */
	char	   *text = palloc((INDEX_TEXT_BYTES + FLOAT_SHORTEST_DECIMAL_LEN) *
							  vector->nnz + sizeof("{}/") + INDEX_TEXT_BYTES);
	char	   *p = text;

	*p++ = '{';
	for (int i = 0; i < vector->nnz; i++)
	{
		if (i > 0)
			*p++ = ',';
		p += pg_ltoa(vector->indices[i] + 1, p);
		*p++ = ':';
		p += float_to_shortest_decimal_bufn(values[i], p);
	}
	*p++ = '}';
	*p++ = '/';
	pg_ltoa(vector->dim, p);
	PG_RETURN_CSTRING(text);
}

/*
 * Indices count from 0 and ascend, and no value is 0.  Raises 22P03 for a
 * wrong length, 22000 or 54000 for wrong content.
 */
PG_FUNCTION_INFO_V1(vego_sparsevec_from_wire);
Datum
vego_sparsevec_from_wire(PG_FUNCTION_ARGS)
{
	const VegoType *type = &vego_type_sparsevec;
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int32		dims;
	int32		elements;
	SparseVector *result;
	float	   *values;

	vego_wire_check_header(type, message, WIRE_HEADER_BYTES);
	dims = (int32) pq_getmsgint(message, sizeof(int32));
	elements = (int32) pq_getmsgint(message, sizeof(int32));
	vego_wire_check_unused(type, (int32) pq_getmsgint(message, sizeof(int32)));
	vego_type_check_dims(type, dims, NULL);
	vego_type_check_typmod(dims, typmod, NULL);
	if (elements < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("sparsevec cannot have %d elements", elements)));
	vego_sparsevec_check_elements(elements, NULL);
	vego_wire_check_rest(type, message,
						 elements * (int) (sizeof(int32) + sizeof(float)));

	result = vego_sparsevec_create(dims, elements);
	for (int i = 0; i < elements; i++)
	{
		result->indices[i] = (int32) pq_getmsgint(message, sizeof(int32));
		check_index(result->indices[i], dims, NULL);
		if (i > 0 && result->indices[i] <= result->indices[i - 1])
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("sparsevec indices must be in ascending order"),
					 errdetail("Index %d follows index %d.",
							   result->indices[i] + 1,
							   result->indices[i - 1] + 1)));
	}
	values = vego_sparsevec_values(result);
	for (int i = 0; i < elements; i++)
	{
		values[i] = pq_getmsgfloat4(message);
		vego_type_check_element(type, values[i], NULL);
		if (values[i] == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("binary format of sparsevec must not contain zeros"),
					 errdetail("The element of index %d is 0.",
							   result->indices[i] + 1)));
	}
	PG_RETURN_POINTER(result);
}

PG_FUNCTION_INFO_V1(vego_sparsevec_to_wire);
Datum
vego_sparsevec_to_wire(PG_FUNCTION_ARGS)
{
	SparseVector *vector = VEGO_SPARSE_ARGUMENT(0);
	const float *values = vego_sparsevec_values(vector);
	StringInfoData message;

	pq_begintypsend(&message);
	enlargeStringInfo(&message, (int) vego_sparsevec_size(vector->nnz));
	pq_sendint32(&message, (uint32) vector->dim);
	pq_sendint32(&message, (uint32) vector->nnz);
	pq_sendint32(&message, 0);
	for (int i = 0; i < vector->nnz; i++)
		pq_sendint32(&message, (uint32) vector->indices[i]);
	for (int i = 0; i < vector->nnz; i++)
		pq_sendfloat4(&message, values[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}
