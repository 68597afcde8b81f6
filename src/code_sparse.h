/*
 * code_sparse.h
 *	  Codes of sparse vectors: their largest elements.
 *
 * An element's dimension is its place, where no more than 65,536 are needed.
 * Else it is hashed to one of so many places, and a sign.  Its value, with
 * that sign, is a signed byte times the code's step.  Elements of one place
 * are added up.  In another vector the same dimension has the same place and
 * sign, so products and differences of elements stay what they were; different
 * dimensions meet by chance only, and then their products have either sign.
 *
 * What the largest elements do not hold is in the factors:
 *
 *	 lo		sum of the sizes of all elements
 *	 step	of the values
 *	 mean	norm of the elements that are not in the code
 *	 norm	of the whole vector
 *
 * Entries are ordered by place, and those not needed are zero.
 *
 * What the missing elements would add to a product is guessed: that they are
 * alike as far as the coded ones are.  So a vector is at no distance from
 * itself, however long it is.
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

/* Places that vectors of so many dimensions have. */
static inline int
vego_sparse_places(int dims)
{
	return Min(dims, VEGO_SPARSE_PLACES);
}

/*
 * A search begins at signposts (signposts.h): there is one for each place and
 * sign of a value.
 */
static inline int
vego_sparse_signposts(int dims)
{
	return 2 * vego_sparse_places(dims);
}

static inline int
vego_sparse_signpost(int place, bool positive)
{
	return 2 * place + positive;
}

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

/*
 * What two codes have in common: the sum of products of elements, under L1 of
 * vego_sparse_l1_shared; and vego_code_distance, when that is known.
 */
extern double vego_sparse_shared(const VegoCoder *coder,
								 const VegoFactors *a_factors,
								 const uint8 *a_code,
								 const VegoFactors *b_factors,
								 const uint8 *b_code);
extern double vego_sparse_distance(const VegoCoder *coder,
								   const VegoFactors *a, const VegoFactors *b,
								   double shared);

/*
 * To compare one code with many, it is laid out by place, in a table that this
 * process has one of, and taken up again before anyone else can lay one.
 */
extern void vego_sparse_lay(const VegoFactors *factors, const uint8 *code);
extern double vego_sparse_shared_with_laid(const VegoCoder *coder,
										   const VegoFactors *factors,
										   const uint8 *code);
extern void vego_sparse_take_up(const uint8 *code);

/* Bytes that a query needs beside its table, to be made ready. */
extern Size vego_sparse_query_bytes(void);

/* The query's table, sum and norm, and its signposts. */
extern bool vego_sparse_query(VegoQuery *query, const VegoContents *contents);
extern void vego_sparse_query_code(VegoQuery *query,
								   const VegoFactors *factors,
								   const uint8 *code);

/* Of a query and a code: their product, guess included, and L1 distance. */
extern double vego_sparse_query_dot(const VegoQuery *query,
									const VegoFactors *factors,
									const uint8 *code);
extern double vego_sparse_query_l1(const VegoQuery *query,
								   const VegoFactors *factors,
								   const uint8 *code);

#endif							/* VEGO_CODE_SPARSE_H */
