/*
 * shards_stages.h
 *	  What the stages of a sharded build share.
 *
 *	 shards_cells.c		a sample gives cells; rows look for their two nearest
 *	 shards_members.c	cells are packed into shards, rows go to shards
 *	 shards_merge.c		ids become known, lists of two shards become one
 *	 shards.c			the plan; building each shard
 *
 * A row's name until it has an id is its home shard and its index there.
 */
#ifndef VEGO_SHARDS_STAGES_H
#define VEGO_SHARDS_STAGES_H

#include "partition_stages.h"
#include "shards.h"

#define VEGO_NO_SHARD PG_UINT32_MAX
#define VEGO_NO_CELL PG_UINT16_MAX
#define VEGO_MOST_CELLS 4096

typedef enum VegoRole
{
	VEGO_AT_HOME,				/* its id is given here */
	VEGO_GUEST,					/* its second shard */
	VEGO_VISITOR				/* to be linked to, no more */
} VegoRole;

/* How a row takes part in a shard; in the stream of the shard before the row. */
typedef struct VegoMember
{
	uint32		role;
	uint32		other;			/* a guest's home, a row's shard as a guest, or
								 * VEGO_NO_SHARD */
	uint32		other_index;	/* its index there */
} VegoMember;

/* The two nearest cells of a row. */
typedef struct VegoCellPair
{
	uint16		home;
	uint16		second;			/* or VEGO_NO_CELL */
} VegoCellPair;

/*
 * Special rows are members of every shard, with the same index in each: the
 * entry and, under inner product, the beacons.
 */
typedef struct VegoSpecials
{
	uint32		count;
	uint32		entry;			/* which of them */
	uint32	   *rows;			/* ascending */
	ItemPointerData *tids;
	VegoFactors *factors;
	uint8	   *codes;
	VegoCellPair *pairs;
} VegoSpecials;

typedef struct VegoShards
{
	VegoRowStore *store;
	const VegoShardsOptions *options;
	VegoPartitionOptions partition; /* of a shard */
	const VegoCoder *coder;
	uint32		capacity;		/* members of a shard */
	Size		buffer_bytes;	/* for streams written at once */

	/* cells, in the order of a chain */
	uint32		cell_count;
	VegoStreams *pairs;			/* VegoCellPair of each row */
	VegoSpecials specials;

	/* shards */
	uint32		shard_count;
	uint32	   *member_counts;
	uint32	   *home_counts;
	uint32	   *guest_counts;
	VegoStreams *members;		/* of each shard: VegoMember, then the row */

	/* what building leaves, all shards one after the other */
	VegoStreams *orders;		/* indexes of rows at home in the order of ids */
	VegoStreams *home_lists;	/* in that order */
	VegoStreams *guest_lists;

	/* and for each shard from all others */
	VegoStreams *ids;			/* VegoNamedId of its guests and visitors */
	VegoStreams *lists;			/* of its rows, from where they are guests */

	/* progress */
	int			phase;
	int64		done;
	int64		total;
} VegoShards;

typedef struct VegoNamedId
{
	uint32		index;
	uint32		id;
} VegoNamedId;

/*
 * In lists: this, `degree` links and, if with_distances, as many floats.  Links
 * are indexes of members in home_lists and guest_lists, and ids in lists.
 */
typedef struct VegoListHead
{
	uint32		shard;			/* the row's name, not needed in home_lists */
	uint32		index;
	uint16		degree;
	uint16		with_distances;
} VegoListHead;

/* The phase that progress is reported of, and its rows. */
extern void vego_shards_phase(VegoShards *shards, int phase, int64 total);

/* Some rows are done: serves interrupts, reports progress. */
extern void vego_shards_advance(VegoShards *shards, int64 rows);

/* How many rows have which two cells; find_cells counts, distribute reads. */
typedef struct VegoCellCounts VegoCellCounts;

/* shards_cells.c; the result is palloc'd */
extern VegoCellCounts *vego_shards_find_cells(VegoShards *shards);

/* shards_members.c */
extern VegoCellCounts *vego_cell_counts_new(uint32 cells);
extern void vego_cell_counts_add(VegoCellCounts *counts, VegoCellPair pair);
extern void vego_cell_counts_free(VegoCellCounts *counts);
extern void vego_shards_distribute(VegoShards *shards,
								   const VegoCellCounts *counts);

/* shards_merge.c */
extern void vego_shards_append_list(VegoStreams *streams, uint32 stream,
									const VegoListHead *head,
									const VegoLink *links,
									const float *distances);
extern void vego_shards_translate(VegoShards *shards);
extern void vego_shards_merge(VegoShards *shards);

#endif							/* VEGO_SHARDS_STAGES_H */
