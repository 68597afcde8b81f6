/*
 * code_sparse.h
 *	  Codes of sparse vectors: their largest elements.
 *
 * An element's dimension is hashed to a place, one of 65,536, and a sign; its
 * value, with that sign, is a signed byte times the code's step.  Elements of
 * one place are added up.  In another vector the same dimension has the same
 * place and sign, so products and differences of elements stay what they were;
 * different dimensions meet by chance only, and then their products have either
 * sign.
 *
 * What the largest elements do not hold is in the factors:
 *
 *	 lo		sum of the sizes of all elements
 *	 step	of the values
 *	 mean	norm of the elements that are not in the code
 *	 norm	of the whole vector
 *
 * Entries are ordered by place, and those not needed are zero.
 */
#ifndef VEGO_CODE_SPARSE_H
#define VEGO_CODE_SPARSE_H

#include "code.h"

#define VEGO_SPARSE_PLACES 65536

/* The most elements of a vector. */
#define VEGO_SPARSE_MOST_ELEMENTS 16000

/* Elements in a code, and how many lie together. */
#define VEGO_SPARSE_ENTRIES 128
#define VEGO_SPARSE_GROUP 16

/* So that a short vector is read from few cache lines. */
typedef struct VegoSparseGroup
{
	uint16		places[VEGO_SPARSE_GROUP];
	int8		values[VEGO_SPARSE_GROUP];
} VegoSparseGroup;

StaticAssertDecl(sizeof(VegoSparseGroup) == 3 * VEGO_SPARSE_GROUP,
				 "no padding on disk");

#define VEGO_SPARSE_CODE_BYTES \
	(VEGO_SPARSE_ENTRIES / VEGO_SPARSE_GROUP * (int) sizeof(VegoSparseGroup))

/* In blocks, places are folded into so many dimensions. */
#define VEGO_SPARSE_BLOCK_DIMS 512

static inline int
vego_sparse_place(const uint8 *code, int i)
{
	const VegoSparseGroup *groups = (const VegoSparseGroup *) code;

	return groups[i / VEGO_SPARSE_GROUP].places[i % VEGO_SPARSE_GROUP];
}

/* 0 behind the last entry; i may be VEGO_SPARSE_ENTRIES. */
static inline int
vego_sparse_value(const uint8 *code, int i)
{
	const VegoSparseGroup *groups = (const VegoSparseGroup *) code;

	return i == VEGO_SPARSE_ENTRIES ? 0 :
		groups[i / VEGO_SPARSE_GROUP].values[i % VEGO_SPARSE_GROUP];
}

/*
 * What two elements of one place take away from the sum of all sizes, when
 * that is to become the L1 distance.
 */
static inline double
vego_sparse_l1_shared(double x, double y)
{
	return fabs(x) + fabs(y) - fabs(x - y);
}

/* These are what code.h says of sparse codes. */
extern Size vego_sparse_scratch_bytes(const VegoCoder *coder);
extern bool vego_sparse_encode(const VegoCoder *coder,
							   const VegoContents *contents, void *scratch,
							   VegoFactors *factors, uint8 *code);
extern VegoFactors vego_sparse_unpack(const VegoFactors *factors,
									  const uint8 *code, uint8 *bytes);
extern float vego_sparse_error(const VegoFactors *factors);
extern double vego_sparse_product(const VegoFactors *a_factors,
								  const uint8 *a_code,
								  const VegoFactors *b_factors,
								  const uint8 *b_code);
extern double vego_sparse_l1(const VegoFactors *a_factors,
							 const uint8 *a_code,
							 const VegoFactors *b_factors,
							 const uint8 *b_code);

/* The query's table, sum and norm. */
extern bool vego_sparse_query(VegoQuery *query, const VegoContents *contents);
extern void vego_sparse_query_code(VegoQuery *query,
								   const VegoFactors *factors,
								   const uint8 *code);

/* Of a query and a code: their product, and their L1 distance. */
extern double vego_sparse_query_dot(const VegoQuery *query,
									const VegoFactors *factors,
									const uint8 *code);
extern double vego_sparse_query_l1(const VegoQuery *query,
								   const VegoFactors *factors,
								   const uint8 *code);

#endif							/* VEGO_CODE_SPARSE_H */
