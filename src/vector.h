/*
 * vector.h
 *	  The type vector: n single-precision floats, 1 <= n <= 16,000, all finite.
 *
 * The layout is pgvector's, so that functions can serve either extension's
 * columns.
 *
 * SQL-callable functions are named vego_<type>_<function> and are declared by
 * PG_FUNCTION_INFO_V1 where they are defined; this header is what C callers
 * need.
 */
#ifndef VEGO_VECTOR_H
#define VEGO_VECTOR_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/nodes.h"

/* The varlena macros; before 16 they are in postgres.h. */
#ifndef VARSIZE
#include "varatt.h"
#endif

/* Before 16 every error is a hard one. */
#ifndef ereturn
#define ereturn(context, dummy_value, ...) ereport(ERROR, __VA_ARGS__)
#endif

#define VEGO_VECTOR_MAX_DIMS 16000

typedef struct Vector
{
	int32		vl_len_;		/* varlena header, do not touch directly */
	int16		dim;			/* 1 .. VEGO_VECTOR_MAX_DIMS */
	int16		unused;			/* 0 */
	float		x[FLEXIBLE_ARRAY_MEMBER];
} Vector;

StaticAssertDecl(offsetof(Vector, x) == 8, "layout of vector on disk");

/* The bytes of a vector, header included. */
static inline Size
vego_vector_size(int dims)
{
	return offsetof(Vector, x) + sizeof(float) * (Size) dims;
}

/*
 * A new vector of that many dimensions, all 0, in the current memory context.
 * The caller has checked dims.
 */
extern Vector *vego_vector_create(int dims);

/*
 * The vector of a datum: the datum itself when it is plain, otherwise a
 * detoasted copy in the current memory context, which the caller may free.
 * A datum whose length does not match its dimensions is refused as corrupted,
 * so that x[0 .. dim - 1] may be read.
 */
extern Vector *vego_vector_from_datum(Datum datum);

#define DatumGetVectorP(datum) vego_vector_from_datum(datum)
#define PG_GETARG_VECTOR_P(n) DatumGetVectorP(PG_GETARG_DATUM(n))
#define PG_RETURN_VECTOR_P(vector) PG_RETURN_POINTER(vector)

/*
 * Checks.  Each returns true or reports an error: softly, by returning false,
 * where the server has soft errors (16 and later) and `soft` is a context for
 * them; else by ereport.  `soft` may be NULL.
 *
 * dims: 1 .. VEGO_VECTOR_MAX_DIMS (22000 below, 54000 above)
 * typmod: -1, or equal to dims (22000)
 * element: neither NaN nor infinite (22000)
 */
extern bool vego_vector_check_dims(int dims, Node *soft);
extern bool vego_vector_check_typmod(int dims, int32 typmod, Node *soft);
extern bool vego_vector_check_element(float value, Node *soft);

/* Raises an error (22000) unless a and b have equally many dimensions. */
extern void vego_vector_check_same_dims(const Vector *a, const Vector *b);

/*
 * The distances of the SQL operators, in the arithmetic of the SQL operators,
 * between arrays of n finite floats.  Sums are taken in single precision and
 * again in double precision where single precision overflows or underflows,
 * so that the result is finite and keeps its precision for all finite input.
 * None raises an error or allocates.
 *
 *	 vego_vector_l2				<->	 |a - b|
 *	 vego_vector_negative_ip	<#>	 -(a.b)
 *	 vego_vector_cosine			<=>	 1 - cos(a, b), 0 .. 2; NaN when a or b is 0
 *	 vego_vector_l1				<+>	 sum of |a[i] - b[i]|
 */
extern double vego_vector_l2(const float *a, const float *b, int n);
extern double vego_vector_negative_ip(const float *a, const float *b, int n);
extern double vego_vector_cosine(const float *a, const float *b, int n);
extern double vego_vector_l1(const float *a, const float *b, int n);

/* The Euclidean norm of n finite floats, summed in double precision. */
extern double vego_vector_l2_norm(const float *x, int n);

#endif							/* VEGO_VECTOR_H */
