/*
 * metric.h
 *	  What a distance means to the index.
 *
 * The graph compares nodes by a rank: a number that orders like the distance
 * of the operator class and is cheap to compute from codes.
 *
 *	 metric			operator's distance		rank of x for the query q
 *	 L2				|q - x|					|q - x|^2
 *	 inner product	-q.x					-q.x
 *	 cosine			1 - cos(q, x)			|q/|q| - x/|x||^2
 *	 L1				sum |q_i - x_i|			the same
 *	 Hamming		bits that differ		the same
 *	 Jaccard		1 - shared / either		the same
 *
 * Between nodes, where neither is a query, the graph needs a distance with a
 * meaning of "near": for inner product that is L2 after every vector has been
 * lifted to one sphere by an extra coordinate sqrt(R^2 - |x|^2), with R the
 * largest norm of the build.  A query's lift is 0, so the order by this
 * distance from a query is the order by inner product.
 * (Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean
 * transformation for inner-product spaces", RecSys 2014.)  For Jaccard it is
 * that of cosine, which is large wherever Jaccard's is and has dot products.
 */
#ifndef VEGO_METRIC_H
#define VEGO_METRIC_H

typedef enum VegoMetric
{
	VEGO_L2 = 1,				/* these numbers are on disk */
	VEGO_INNER_PRODUCT = 2,
	VEGO_COSINE = 3,
	VEGO_L1 = 4,
	VEGO_HAMMING = 5,			/* of bit strings, as is */
	VEGO_JACCARD = 6
} VegoMetric;

#define VEGO_METRIC_LAST VEGO_JACCARD

#endif							/* VEGO_METRIC_H */
