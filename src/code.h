/*
 * code.h
 *	  Scalar quantization: vectors to codes, and ranks from codes.
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
 * Nothing here knows pages, buffers or locks.
 */
#ifndef VEGO_CODE_H
#define VEGO_CODE_H

#include <math.h>

#include "metric.h"
#include "vego.h"

/* What stands beside a code: the numbers that make a distance of it. */
typedef struct VegoFactors
{
	float		lo;				/* decoded x_i = lo + step * c_i ... */
	float		step;			/* ... after centring */
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
	int			bits;			/* 8 or 4 */
	int			code_bytes;
	double		radius;			/* R of the lift; 0 unless inner product */
	const float *centre;
} VegoCoder;

extern void vego_coder_init(VegoCoder *coder, VegoMetric metric, int dims,
							int bits, double radius, const float *centre);

static inline int
vego_code_bytes(int dims, int bits)
{
	return bits == 8 ? dims : (dims + 1) / 2;
}

/*
 * Codes a vector of coder->dims finite floats.  Scratch has room for dims
 * floats.  Returns false, having written nothing, for a vector that has no
 * place in the index: a zero vector under cosine.
 */
extern bool vego_encode(const VegoCoder *coder, const float *x, float *scratch,
						VegoFactors *factors, uint8 *code);

/* Writes the code one byte a dimension: for blocks (simd/kernels.h). */
extern void vego_code_unpack(const VegoCoder *coder, const uint8 *code,
							 uint8 *bytes);

/* What the code stands for, after centring: dims floats. */
extern void vego_decode(const VegoCoder *coder, const VegoFactors *factors,
						const uint8 *code, float *x);

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
 * dimension, which leaves an error far below that of the codes.
 */
typedef struct VegoQuery
{
	const VegoCoder *coder;
	float	   *values;			/* centred, in order of dimension */
	int8	   *high;			/* values[i] ~ step * (128 * high + low) */
	int8	   *low;
	double		step;
	double		sum;			/* of the values */
	double		norm;			/* of the values */
	double		lift;			/* of the node it stands for, see metric.h */
	double		square_spread;	/* of a code's squared error, see the bound */
	VegoMetric	rank_metric;	/* of the ranks: that of the index, but L2 for
								 * a node under inner product and for cosine */
} VegoQuery;

/* Room for queries of this coder, in the current memory context. */
extern void vego_query_init(VegoQuery *query, const VegoCoder *coder);

/*
 * Makes the query ready for x, dims finite floats.  Returns false for a zero
 * vector under cosine, to which every distance is NaN.
 */
extern bool vego_query_set(VegoQuery *query, const float *x);

/*
 * Makes the query stand for a coded node, so that an insert or a repair
 * searches around it: ranks are then vego_code_distance up to the query's own
 * quantization.
 */
extern void vego_query_set_code(VegoQuery *query, const VegoFactors *factors,
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
 * A distance, in the unit of the operator, that the vector behind a code of
 * that rank and step is not nearer than, but for a chance of about one in a
 * million: five standard deviations of the rounding error.  See src/README,
 * "Exact order".
 */
extern double vego_query_bound(const VegoQuery *query, double rank,
							   float step);

#endif							/* VEGO_CODE_H */
