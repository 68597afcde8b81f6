/*
 * partition.h
 *	  The graph of a whole build, made from all rows at once: partition into
 *	  overlapping leaves, all pairs inside a leaf, prune, link back, attach.
 *
 * Inserting rows one by one wastes what a build knows: here every candidate
 * comes from a block of integer dot products (simd/kernels.h), no search is
 * made, and rows of one leaf get neighbouring ids.  The plan is that of
 * "PiPNN: ultra-scalable graph-based nearest neighbor indexing"
 * (arXiv:2602.21247).
 */
#ifndef VEGO_PARTITION_H
#define VEGO_PARTITION_H

#include "code.h"

/* The coded rows of a build, in the order in which the heap was read. */
typedef struct VegoRows
{
	const VegoCoder *coder;
	uint32		count;
	const VegoFactors *factors;
	const uint8 *codes;			/* coder->code_bytes apart */
} VegoRows;

/*
 * One level of the finished graph over a subset of the rows.  Node i of the
 * level is row rows[i]; its links are positions in this level.
 */
typedef struct VegoLevel
{
	uint32		count;
	int			capacity;		/* links a node has room for: 2 * m */
	uint32	   *rows;			/* in leaf order: the order of ids */
	uint8	   *degrees;
	VegoLink   *links;			/* capacity apart, nearest first */
	uint32		entry;			/* the node of the entry row */
} VegoLevel;

typedef struct VegoPartitionOptions
{
	int			m;
	int			ef_construction;	/* candidates considered for a row's
									 * links: leaves a row times candidates a
									 * leaf */
	uint32		seed;

	/* called between units of work of a few milliseconds, done out of total */
	void		(*progress) (void *arg, int phase, int64 done, int64 total);
	void	   *progress_arg;
} VegoPartitionOptions;

/* Phases reported to the callback. */
#define VEGO_PHASE_PARTITION 0
#define VEGO_PHASE_CANDIDATES 1
#define VEGO_PHASE_PRUNE 2
#define VEGO_PHASE_BACK_LINKS 3
#define VEGO_PHASE_ATTACH 4

/*
 * Builds the level over the given rows (rows 0 .. count - 1 when subset is
 * NULL); entry is one of these rows.
 *
 * Every node has exactly one binding in-link, except the entry node, and
 * following links from the entry node reaches every node.
 *
 * The result is palloc'd in the current memory context, which must allow
 * huge allocations; work space is freed.  Deterministic for a given seed.
 */
extern void vego_partition_build(const VegoRows *rows, const uint32 *subset,
								 uint32 count, uint32 entry,
								 const VegoPartitionOptions *options,
								 VegoLevel *level);

#endif							/* VEGO_PARTITION_H */
