/*
 * kmeans.h
 *	  Centroids of rows, and their order.
 *
 * Centroids are L2 means in the scaled space of blocks, coded like rows, in 8
 * bits without a centre, so that blocks measure distances from them.
 */
#ifndef VEGO_KMEANS_H
#define VEGO_KMEANS_H

#include "partition_stages.h"

/* Arrays of the caller's, or a stretch of them. */
typedef struct VegoCentroids
{
	int			count;
	uint8	   *codes;			/* a byte a dimension */
	VegoFactors *factors;		/* of the scaled vector */
	float	   *lifts;
} VegoCentroids;

/*
 * Lloyd's k-means, few rounds, over rows in random order: fills in
 * centroids->count centroids, of which there are no more than rows.
 */
extern void vego_kmeans(VegoWork *work, const uint32 *rows, int count,
						VegoCentroids *centroids);

/* The nearest centroid of each row. */
extern void vego_kmeans_assign(VegoWork *work, const uint32 *rows, int count,
							   const VegoColumns *centroids, int *nearest_of);

/*
 * Reorders centroids so that each is followed by the nearest of the rest,
 * beginning near the last one of `before` (which may be NULL).
 */
extern void vego_kmeans_chain(VegoWork *work, VegoCentroids *centroids,
							  const VegoCentroids *before);

/* Fills columns with the centroids, as many as they have room for. */
extern void vego_kmeans_pack(const VegoBlocks *blocks,
							 const VegoCentroids *centroids,
							 VegoColumns *columns);

#endif							/* VEGO_KMEANS_H */
