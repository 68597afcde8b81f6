/*
 * sparsevec.h
 *	  The type sparsevec: up to 1,000,000,000 dimensions of single precision,
 *	  of which up to 16,000 are not zero, and only those are stored.
 *
 * The layout is pgvector's.
 */
#ifndef VEGO_SPARSEVEC_H
#define VEGO_SPARSEVEC_H

#include "vector.h"

#define VEGO_SPARSEVEC_MAX_DIMS 1000000000
#define VEGO_SPARSEVEC_MAX_ELEMENTS 16000

static const VegoType vego_type_sparsevec =
{"sparsevec", VEGO_SPARSEVEC_MAX_DIMS, .sparse = true};

typedef struct SparseVector
{
	int32		vl_len_;		/* varlena header, do not touch directly */
	int32		dim;			/* 1 .. VEGO_SPARSEVEC_MAX_DIMS */
	int32		nnz;			/* elements stored, none of them 0 */
	int32		unused;			/* 0 */
	int32		indices[FLEXIBLE_ARRAY_MEMBER]; /* from 0, ascending; behind
												 * them their values */
} SparseVector;

StaticAssertDecl(offsetof(SparseVector, indices) == 16,
				 "layout of sparsevec on disk");

static inline float *
vego_sparsevec_values(const SparseVector *vector)
{
	return (float *) (vector->indices + vector->nnz);
}

static inline Size
vego_sparsevec_size(int elements)
{
	return offsetof(SparseVector, indices) +
		(sizeof(int32) + sizeof(float)) * (Size) elements;
}

/*
 * A new value with room for that many elements, all 0, in the current memory
 * context.  The caller has checked dims and elements.
 */
extern SparseVector *vego_sparsevec_create(int dims, int elements);

/*
 * The value of a datum, as vego_vector_from_datum gives it: what is stored is
 * of the length that it says.  That indices ascend and are below dim is taken
 * for granted by what only reads the value itself.
 */
extern SparseVector *vego_sparsevec_from_datum(Datum datum);

#define VEGO_SPARSE_ARGUMENT(n) \
	vego_sparsevec_from_datum(PG_GETARG_DATUM(n))

/* Raises 54000, softly by returning false where it may. */
extern bool vego_sparsevec_check_elements(int elements, Node *soft);

#endif							/* VEGO_SPARSEVEC_H */
