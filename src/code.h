/*
 * code.h
 *	  Values to codes, and ranks from codes.
 *
 * There are three kinds of codes, told apart by their bits a dimension:
 *
 *	 8 or 4		of vectors: scalar quantization
 *	 1			of bit strings: they are their own code
 *	 none		of sparse vectors: their largest elements (code_sparse.h)
 *
 * A code holds each dimension in 8 or 4 bits, scaled to the vector's own range:
 * after subtracting the index's centre, x_i ~ lo + step * c_i.  The idea is
 * that of locally-adaptive vector quantization (Aguerrebere et al., "Similarity
 * search in the blink of an eye with compressed indices", VLDB 2023).
 *
 * Cosine indexes code the vector divided by its norm; then everything is as
 * with L2.  Inner product has no centre, since it is not invariant under
 * translation.
 *
 * A bit string is a vector of zeros and ones: lo is 0 and step 1, its squared L2
 * distance is Hamming's, and ranks are exact.  For Jaccard it is coded as
 * cosine does it, with a step of 1 / norm.
 *
 * Nothing here knows pages, buffers or locks.
 */
#ifndef VEGO_CODE_H
#define VEGO_CODE_H

#include <math.h>

#include "metric.h"
#include "vego.h"

/* Instead of bits a dimension; this number is on disk. */
#define VEGO_BITS_SPARSE 0

/* A value as it is coded. */
typedef struct VegoContents
{
	int			dims;
	const float *x;				/* as many finite elements; of a sparse vector
								 * those that are not 0 */
	const uint8 *bits;			/* or bits, the highest of a byte first */
	int			count;			/* of a sparse vector's elements ... */
	const int32 *indices;		/* ... and their dimensions, ascending */
} VegoContents;

/*
 * What stands beside a code: the numbers that make a distance of it.  Comments
 * are those of dense codes.
 */
typedef struct VegoFactors
{
	float		lo;				/* decoded x_i = lo + step * c_i ... */
	float		step;			/* ... after centring; with 4 bits, its last
								 * byte tells the code's error (code.c) */
	float		mean;			/* of the decoded x_i */
	float		norm;			/* of the decoded x */
} VegoFactors;

/*
 * How an index codes.  Fixed when the index is created.
 *
 * The centre has `dims` floats, or is NULL for zero, and is owned by the
 * caller.
 */
typedef struct VegoCoder
{
	VegoMetric	metric;
	int			dims;
	int			bits;			/* 8, 4, 1 or VEGO_BITS_SPARSE */
	int			code_bytes;
	int			block_dims;		/* of codes in blocks */
	double		radius;			/* R of the lift; 0 unless inner product */
	const float *centre;
} VegoCoder;

extern void vego_coder_init(VegoCoder *coder, VegoMetric metric, int dims,
							int bits, double radius, const float *centre);

/* A code's bytes. */
extern int	vego_code_bytes(int dims, int bits);

/* Floats of the centre of an index, 0 where codes have none. */
static inline int
vego_centre_dims(int dims, int bits)
{
	return bits == 8 || bits == 4 ? dims : 0;
}

/* Bytes that vego_encode needs to work. */
extern Size vego_encode_scratch_bytes(const VegoCoder *coder);

/*
 * Codes a value of coder->dims dimensions.  Returns false, having written
 * nothing, for one that has no place in the index: a zero vector under cosine.
 * Bytes of the code that are not needed become 0.
 */
extern bool vego_encode(const VegoCoder *coder, const VegoContents *contents,
						void *scratch, VegoFactors *factors, uint8 *code);

/* The same for a dense code of 8 or 4 bits. */
extern bool vego_encode_dense(const VegoCoder *coder, const float *x,
							  float *scratch, VegoFactors *factors,
							  uint8 *code);

/*
 * Writes the code one byte a dimension, for blocks (simd/kernels.h), and
 * returns the factors that go with these bytes: its own, if its dimensions are
 * those of blocks.
 */
extern VegoFactors vego_code_unpack(const VegoCoder *coder,
									const VegoFactors *factors,
									const uint8 *code, uint8 *bytes);

/* What the code stands for, after centring: dims floats.  Not if sparse. */
extern void vego_decode(const VegoCoder *coder, const VegoFactors *factors,
						const uint8 *code, float *x);

/*
 * How coarse a code is, for vego_query_bound: the step of a dense one, or what
 * it would be if errors were those of rounding, 0 for bits, and if sparse the
 * deviation of its product with a vector of norm 1.
 */
extern float vego_code_error(const VegoCoder *coder,
							 const VegoFactors *factors);

/* The coordinate that lifts a vector to the sphere; 0 unless inner product. */
static inline double
vego_lift(const VegoCoder *coder, const VegoFactors *factors)
{
	double		rest;

	if (coder->metric != VEGO_INNER_PRODUCT)
		return 0.0;
	rest = coder->radius * coder->radius -
		(double) factors->norm * factors->norm;
	return rest > 0.0 ? sqrt(rest) : 0.0;
}

/* The sum of products of a dense or bit code's elements. */
extern int32 vego_code_dot(const VegoCoder *coder, const uint8 *a,
						   const uint8 *b);

/*
 * Inner product of what two codes stand for, after centring.  Any finite
 * number; meaningless under L1.
 */
extern double vego_code_product(const VegoCoder *coder,
								const VegoFactors *a_factors,
								const uint8 *a_code,
								const VegoFactors *b_factors,
								const uint8 *b_code);

/*
 * Distance between two coded nodes, for choosing neighbours: squared L2
 * (lifted under inner product) or L1.  Never negative, never NaN.
 */
extern double vego_code_distance(const VegoCoder *coder,
								 const VegoFactors *a_factors,
								 const uint8 *a_code,
								 const VegoFactors *b_factors,
								 const uint8 *b_code);

/*
 * The factor on vego_code_distance that corresponds to VEGO_PRUNE_SLACK on
 * distances: its square where code distances are squares.
 */
static inline double
vego_code_slack(const VegoCoder *coder)
{
	return coder->metric == VEGO_L1 ?
		VEGO_PRUNE_SLACK : VEGO_PRUNE_SLACK * VEGO_PRUNE_SLACK;
}

/*
 * A query made ready to be compared with codes.  Quantized to two bytes a
 * dimension, which leaves an error far below that of the codes.  For the other
 * kinds it is a bit string, or a table of a sparse vector's elements.
 */
typedef struct VegoQuery
{
	const VegoCoder *coder;
	float	   *values;			/* centred, in order of dimension; or a table
								 * of the places of code_sparse.h */
	int8	   *high;			/* values[i] ~ step * (128 * high + low) */
	int8	   *low;
	uint8	   *bits;			/* as in a code */
	uint32	   *signposts;		/* of a sparse vector's largest elements, those
								 * first; code_sparse.h */
	int			signpost_count;
	double		step;
	double		sum;			/* of the values; of their sizes if sparse */
	double		norm;			/* of the values */
	double		lift;			/* of the node it stands for, see metric.h */
	double		square_spread;	/* of a code's squared error, see the bound */
	int			error_dims;		/* of codes whose squared errors are known, and
								 * no part of the rank; or 0 */
	VegoMetric	rank_metric;	/* of the ranks: that of the index, but L2 for
								 * a node under inner product and for cosine */
} VegoQuery;

/* Room for queries of this coder, in the current memory context. */
extern void vego_query_init(VegoQuery *query, const VegoCoder *coder);

/*
 * Makes the query ready for a value.  Returns false for a zero vector under
 * cosine, to which every distance is NaN.
 */
extern bool vego_query_set(VegoQuery *query, const VegoContents *contents);

/*
 * Makes the query stand for a coded node, so that an insert or a repair
 * searches around it: ranks are then vego_code_distance up to the query's own
 * quantization.
 */
extern void vego_query_set_code(VegoQuery *query, const VegoFactors *factors,
								const uint8 *code);

/*
 * Makes the query stand for a coded node where it is asked for inner products:
 * ranks are then those of the vector that the code stands for.
 */
extern void vego_query_set_product(VegoQuery *query,
								   const VegoFactors *factors,
								   const uint8 *code);

/*
 * The ranks of up to VEGO_QUERY_RANKS nodes, or of one.  Any bytes are
 * accepted, because hints may be torn: what is not a number is far.
 */
#define VEGO_QUERY_RANKS 16

extern void vego_query_ranks(const VegoQuery *query,
							 const VegoFactors *const *factors,
							 const uint8 *const *codes, int count,
							 double *ranks);
extern double vego_query_rank(const VegoQuery *query,
							  const VegoFactors *factors, const uint8 *code);

/*
 * A distance, in the unit of the operator, that the value behind a code of
 * that rank and error is not nearer than, if its rounding error is not so many
 * standard deviations off; with 0, where it is expected.  See src/README,
 * "Exact order".
 */
extern double vego_query_bound(const VegoQuery *query, double rank,
							   float error, double deviations);

#endif							/* VEGO_CODE_H */
