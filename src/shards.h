/*
 * shards.h
 *	  The graph of a level whose rows do not fit memory.
 *
 * Rows are distributed over shards that do, near rows to the same one, and each
 * row to a second shard as well if the second nearest cell is there; each shard
 * is built like a level (partition.h), and the links a row got in its two
 * shards are merged.  The plan is that of DiskANN (Subramanya et al., NeurIPS
 * 2019), which builds overlapping clusters in limited memory and merges their
 * edges.  src/README, section 10, argues what is bounded and why the whole is
 * one tree of binding links.
 */
#ifndef VEGO_SHARDS_H
#define VEGO_SHARDS_H

#include "partition.h"
#include "rowstore.h"

/* A node of the finished level; links are positions in it. */
typedef struct VegoShardNode
{
	VegoStoredRow row;
	int			degree;
	const VegoLink *links;
	bool		is_entry;
} VegoShardNode;

typedef struct VegoShardsOptions
{
	VegoPartitionOptions partition;
	Size		memory;			/* bytes that everything together may take */
	uint32		entry;			/* row that becomes the entry */

	/* called for each node in the order of positions */
	void		(*emit) (void *arg, const VegoShardNode *node);
	void	   *emit_arg;
} VegoShardsOptions;

/* Phases reported to the callback of options->partition. */
#define VEGO_PHASE_DISTRIBUTE 5
#define VEGO_PHASE_SHARDS 6
#define VEGO_PHASE_MERGE 7

/* Builds a level of the rows in a file; returns how many shards it took. */
extern uint32 vego_shards_build(VegoRowStore *store,
								const VegoShardsOptions *options);

#endif							/* VEGO_SHARDS_H */
