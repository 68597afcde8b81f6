/*
 * vector.h
 *	  The types vector and halfvec, and what they share with sparsevec.
 *
 * A vector is n single-precision floats, a halfvec n numbers of half precision,
 * 1 <= n <= 16,000, all finite; sparsevec.h has the third type.  The layouts
 * are pgvector's, so that functions can serve either extension's columns.
 *
 * What vector and halfvec do is written once, as a function of fcinfo and the
 * type, and compiled for each: VEGO_DENSE_FUNCTION(add) makes vego_vector_add
 * and vego_halfvec_add, which SQL calls, of the static function add.
 */
#ifndef VEGO_VECTOR_H
#define VEGO_VECTOR_H

#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/nodes.h"
#include "utils/array.h"

#include "simd/half.h"
#include "simd/kernels.h"

/* The varlena macros; before 16 they are in postgres.h. */
#ifndef VARSIZE
#include "varatt.h"
#endif

/* Before 16 every error is a hard one. */
#ifndef ereturn
#define ereturn(context, dummy_value, ...) ereport(ERROR, __VA_ARGS__)
#endif

#define VEGO_VECTOR_MAX_DIMS 16000

/* A type, as far as its values are checked and written alike. */
typedef struct VegoType
{
	const char *name;
	int			max_dims;
	bool		halves;			/* elements are halves, not floats */
	bool		sparse;			/* zeros are left out, so none may come of a
								 * number that is not 0 */
} VegoType;

/* In the header, so that compilers know them. */
static const VegoType vego_type_vector =
{"vector", VEGO_VECTOR_MAX_DIMS, .halves = false};
static const VegoType vego_type_halfvec =
{"halfvec", VEGO_VECTOR_MAX_DIMS, .halves = true};

/* A vector, or a halfvec, whose halves begin where x does. */
typedef struct Vector
{
	int32		vl_len_;		/* varlena header, do not touch directly */
	int16		dim;			/* 1 .. VEGO_VECTOR_MAX_DIMS */
	int16		unused;			/* 0 */
	float		x[FLEXIBLE_ARRAY_MEMBER];
} Vector;

StaticAssertDecl(offsetof(Vector, x) == 8, "layout of vector on disk");

static inline VegoHalf *
vego_vector_halves(const Vector *halfvec)
{
	return (VegoHalf *) halfvec->x;
}

/* The bytes of a value, header included. */
static inline Size
vego_vector_size(const VegoType *type, int dims)
{
	return offsetof(Vector, x) +
		(type->halves ? sizeof(VegoHalf) : sizeof(float)) * (Size) dims;
}

/*
 * A new value of that many dimensions, all 0, in the current memory context.
 * The caller has checked dims.
 */
extern Vector *vego_vector_create(const VegoType *type, int dims);

/* Raises XX001: a datum is not as long as it says. */
extern void vego_type_report_length(const VegoType *type) pg_attribute_noreturn();

/*
 * The value of a datum: the datum itself when it is plain, otherwise a
 * detoasted copy in the current memory context, which the caller may free.
 * A datum whose length does not match its dimensions is refused as corrupted,
 * so that all elements may be read.
 */
static inline Vector *
vego_vector_from_datum(const VegoType *type, Datum datum)
{
	Vector	   *vector = (Vector *) DatumGetPointer(datum);
	Size		size;

	if (VARATT_IS_EXTENDED(vector))
		vector = (Vector *) PG_DETOAST_DATUM(datum);
	size = VARSIZE(vector);
	if (unlikely(size < vego_vector_size(type, 1) ||
				 vector->dim < 1 ||
				 size != vego_vector_size(type, vector->dim)))
		vego_type_report_length(type);
	return vector;
}

#define VEGO_ARGUMENT(type, n) \
	vego_vector_from_datum(type, PG_GETARG_DATUM(n))

/*
 * Elements, one or several, as floats: every half is one.  What is set is
 * rounded to the nearest, and infinite beyond the range of the type.
 */
static inline float
vego_vector_get(const VegoType *type, const Vector *vector, int i)
{
	return type->halves ? vego_half_to_float(vego_vector_halves(vector)[i]) :
		vector->x[i];
}

static inline void
vego_vector_set(const VegoType *type, Vector *vector, int i, double value)
{
	if (type->halves)
		vego_vector_halves(vector)[i] = vego_half_from_double(value);
	else
		vector->x[i] = (float) value;
}

static inline void
vego_vector_load(const VegoType *type, const Vector *vector, int first,
				 int count, float *out)
{
	if (type->halves)
		vego_kernels->halves_to_floats(vego_vector_halves(vector) + first,
									   count, out);
	else
		memcpy(out, vector->x + first, sizeof(float) * count);
}

static inline void
vego_vector_store(const VegoType *type, Vector *vector, int first, int count,
				  const float *values)
{
	if (type->halves)
		vego_kernels->floats_to_halves(values, count,
									   vego_vector_halves(vector) + first);
	else
		memcpy(vector->x + first, values, sizeof(float) * count);
}

/*
 * Checks.  Each returns true or reports an error: softly, by returning false,
 * where the server has soft errors (16 and later) and `soft` is a context for
 * them; else by ereport.  `soft` may be NULL.
 *
 * dims: 1 .. the type's most (22000 below, 54000 above)
 * typmod: -1, or equal to dims (22000)
 * element: neither NaN nor infinite (22000)
 */
extern bool vego_type_check_dims(const VegoType *type, int64 dims, Node *soft);
extern bool vego_type_check_typmod(int dims, int32 typmod, Node *soft);
extern bool vego_type_check_element(const VegoType *type, float value,
									Node *soft);

/* Raises an error (22000) unless both values have equally many dimensions. */
extern void vego_type_report_dims(const VegoType *type, int dims,
								  int other_dims) pg_attribute_noreturn();

static inline void
vego_type_check_same_dims(const VegoType *type, int dims, int other_dims)
{
	if (unlikely(dims != other_dims))
		vego_type_report_dims(type, dims, other_dims);
}

/* Errors (22003): a number as it was given, and one that was computed. */
extern bool vego_type_out_of_range(const VegoType *type, const char *number,
								   int length, Node *soft);
extern void vego_type_overflow(const VegoType *type) pg_attribute_noreturn();
extern void vego_type_underflow(const VegoType *type) pg_attribute_noreturn();

/*
 * A number as an element of the type: to the nearest, a tiny one to 0.  Raises
 * 22003 for a finite one beyond the range; what is not finite stays so.
 */
extern float vego_type_round(const VegoType *type, double value);

/*
 * Text and wire form, as far as all three types share it (vector_io.c).
 */

/* PostgreSQL's own idea of white space in array and row literals. */
static inline const char *
vego_skip_space(const char *p)
{
	while (*p == ' ' || (*p >= '\t' && *p <= '\r'))
		p++;
	return p;
}

/* Raises 22P02, softly by returning 0 or NULL where it may. */
#define vego_malformed(type, text, soft, detail) \
	ereturn(soft, 0, \
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), \
			 errmsg("invalid input syntax for type %s: \"%s\"", \
					(type)->name, text), \
			 errdetail detail))

/*
 * Reads an element at *p and moves *p behind it.  Returns false after a soft
 * error; raises 22P02, 22003 and 22000.  The element is the number `position`
 * of its text.
 */
extern bool vego_element_from_text(const VegoType *type, const char *text,
								   const char **p, int position, Node *soft,
								   float *element);

/* Raises 22P03 unless that many bytes are left: of a header, of elements. */
extern void vego_wire_check_header(const VegoType *type, StringInfo message,
								   int header_bytes);
extern void vego_wire_check_rest(const VegoType *type, StringInfo message,
								 int rest_bytes);

/* Raises 22000 unless the reserved part of a header is 0. */
extern void vego_wire_check_unused(const VegoType *type, int unused);

/*
 * The elements of an array of integer, real, double precision or numeric, each
 * rounded as an element of the type; points into the array or to new memory
 * (vector_cast.c).  The array must have one dimension (22000), a
 * number of elements that the type may have (22000, 54000), no NULL (22004), and elements that
 * the type may hold (22000, 22003).
 */
typedef struct VegoElements
{
	int			count;
	const float *x;
} VegoElements;

extern VegoElements vego_elements_of_array(const VegoType *type,
										   ArrayType *array);

/*
 * The cosine distance of vectors with these products, in range: 0 .. 2, or NaN
 * when one of the vectors is 0.
 */
extern double vego_cosine_distance(double ab, double aa, double bb);

/* The Euclidean norm, summed in double precision. */
extern double vego_euclidean_norm(const VegoType *type, const Vector *vector);

/* Defines the SQL function vego_TYPE_NAME as name(fcinfo, its type). */
#define VEGO_TYPE_FUNCTION(type, name) \
PG_FUNCTION_INFO_V1(vego_##type##_##name); \
Datum \
vego_##type##_##name(PG_FUNCTION_ARGS) \
{ \
	return name(fcinfo, &vego_type_##type); \
}

/* Both of vector and halfvec; the function is compiled for each. */
#define VEGO_DENSE_FUNCTION(name) \
VEGO_TYPE_FUNCTION(vector, name) \
VEGO_TYPE_FUNCTION(halfvec, name)

/* The functions of a btree class, of compare(fcinfo, type): -1, 0 or 1. */
#define VEGO_ORDER_FUNCTION(type, name, returns, test) \
PG_FUNCTION_INFO_V1(vego_##type##_##name); \
Datum \
vego_##type##_##name(PG_FUNCTION_ARGS) \
{ \
	returns(compare(fcinfo, &vego_type_##type) test); \
}

#define VEGO_ORDER_FUNCTIONS(type) \
VEGO_ORDER_FUNCTION(type, lt, PG_RETURN_BOOL, < 0) \
VEGO_ORDER_FUNCTION(type, le, PG_RETURN_BOOL, <= 0) \
VEGO_ORDER_FUNCTION(type, eq, PG_RETURN_BOOL, == 0) \
VEGO_ORDER_FUNCTION(type, ne, PG_RETURN_BOOL, != 0) \
VEGO_ORDER_FUNCTION(type, ge, PG_RETURN_BOOL, >= 0) \
VEGO_ORDER_FUNCTION(type, gt, PG_RETURN_BOOL, > 0) \
VEGO_ORDER_FUNCTION(type, cmp, PG_RETURN_INT32, + 0)

#endif							/* VEGO_VECTOR_H */
