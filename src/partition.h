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
 *
 * The stages, each of which needs all those above it to be finished.  The unit
 * says how a stage can be shared out: ranges of units in any order, by any
 * process; "alone" is for one process, while no other is at work.  Arrays are
 * those of partition_stages.h; a stage reads codes and factors as well.
 * (find_beacons and link_beacons are for inner product only, assign_places for
 * sparse codes.)
 *
 *	 stage				unit	reads					writes
 *	 set_copies_aside	alone							items, copies, copied
 *	 plant_tree			alone	items					group_*, sample*,
 *														first_*, centroid_*
 *	 grow_tree			group	sample*, first_*		centroid_*
 *	 join_tree			alone	first_*, centroid_*		cell_packed,
 *														cell_factors
 *	 assign_leaves		item	items, first_*,			cell_of
 *								group_*, cell_packed,
 *								cell_factors
 *	 assign_places		alone	items, cell_of			cell_of
 *	 order_homes		alone	cell_of					order, home_start
 *	 order_near			cell	items, order,			order
 *								home_start
 *	 number_nodes		alone	items, order, copies,	items, level rows
 *								copied
 *	 move_rows			stripe	level rows				the rows themselves
 *	 fill_leaves		alone	order, cell_of			members, cell_start
 *	 list_parts			alone	cell_start				parts
 *	 halve_parts		part	items, members, parts	members
 *	 list_halves		alone	parts					parts, for halve_parts
 *														again unless there are
 *														none
 *	 seat_members		alone	members, cell_start		leaf_start, leaves,
 *														seats
 *	 find_candidates	leaf	items, members,			candidates
 *								leaf_start
 *	 choose_links		item	items, members,			forward*
 *								leaf_start, leaves,
 *								seats, candidates
 *	 link_back			item	items, forward*			level links, degrees
 *	 find_beacons		alone	items					beacons
 *	 link_beacons		item	items, beacons			level links, degrees
 *	 hang_copies		item	items, level links		level links, degrees
 *	 attach				alone	level					level links, degrees
 *
 * What a unit writes are its own elements: a group's centroids; an item's
 * elements, by position from number_nodes on; a cell's stretch of order; a part
 * of members; a stripe of every row; a leaf's places; the links of an item's nodes.  Ranges can be as
 * small as one unit but for what each call costs: link_back reads all forward
 * links to find those that lead to its range, so there should be no more
 * ranges than processes; link_beacons lays out up to 2,048 beacons.
 *
 * Bytes a row, beside rows (code_bytes + 16) and, until number_nodes, 8 for
 * each row when any is a copy; with l leaves a row, c candidates a leaf, one
 * stranger included, d the mean of forward links (at most m).  The example is
 * m = 16, l = 4, c = 17; for sparse codes, l is 8 and c is 9.
 *
 *	 stage					held when done		more meanwhile		example
 *	 set_copies_aside		8					16 .. 32			8 + 32
 *	 plant .. assign		8 + 4l				codes of leaves		24 + 3
 *	 order_homes, near		12 + 4l									28
 *	 number_nodes			12 + 4l				8					28 + 8
 *	 fill_leaves, parts		8 + 4l				4 + 4l				24 + 20
 *	 seat_members			8 + 10l				1					48 + 1
 *	 find_candidates		8 + 10l + 4lc							320
 *	 choose_links			9 + 10l + 4lc + 8m						449
 *	 link_back				9 + 8m				1 + 8m + 8 + 8d		137 + 265
 *	 find_, link_beacons	9 + 8m				8					137 + 8
 *	 attach					5 + 8m				5 or 9				133 + 9
 *
 * Processes need a few megabytes each beside that, and of link_back's 8 + 8d
 * what is for their range.
 */
#ifndef VEGO_PARTITION_H
#define VEGO_PARTITION_H

#include "rows.h"

/* One level of the finished graph; links are numbers of its nodes. */
typedef struct VegoLevel
{
	uint32		count;
	int			capacity;		/* links a node has room for: 2 * m */
	uint32	   *rows;			/* which row each node was; nodes are in leaf
								 * order, the order of ids */
	uint8	   *degrees;
	VegoLink   *links;			/* capacity apart, nearest first */
	uint32		entry;			/* the node of the entry row */
} VegoLevel;

struct VegoPartition;			/* partition_stages.h */
struct VegoWork;

typedef struct VegoPartitionOptions
{
	int			m;
	int			ef_construction;	/* candidates considered for a row's
									 * links: leaves a row times candidates a
									 * leaf */
	uint32		seed;
	int			processes;		/* that may run stages, for what they need */

	/* called between units of work of a few milliseconds, done out of total */
	void		(*progress) (void *arg, int phase, int64 done, int64 total);

	/*
	 * Where arrays that stages share are put, those of the level included:
	 * anywhere, for they hold no pointers.  NULL: palloc'd.  Called between
	 * stages and by stages that run alone; raises an error when there is no
	 * room.  After an error nothing is released.
	 */
	void	   *(*allocate) (void *arg, Size bytes);
	void		(*release) (void *arg, void *array);

	/*
	 * Has all units of a stage done, by vego_stages[stage].run and by whom it
	 * likes.  NULL: by this process.
	 */
	void		(*run) (void *arg, int stage,
						const struct VegoPartition *build,
						struct VegoWork *work, uint32 units);

	void	   *arg;			/* of all these */

	/*
	 * When rows are in other levels as well, and the levels will be merged
	 * (shards.h): for each row how many binding links its node may have, and
	 * whether it is bound elsewhere.  Otherwise NULL.
	 */
	const uint8 *bonds;
} VegoPartitionOptions;

#define VEGO_BOND_LIMIT 0x7F	/* mask of the most binding links */
#define VEGO_BOUND_ELSEWHERE 0x80

/* Phases reported to the callback. */
#define VEGO_PHASE_PARTITION 0
#define VEGO_PHASE_CANDIDATES 1
#define VEGO_PHASE_PRUNE 2
#define VEGO_PHASE_BACK_LINKS 3
#define VEGO_PHASE_ATTACH 4

/* Arrays where the options put them. */
extern void *vego_options_array(const VegoPartitionOptions *options,
								size_t count, size_t size);
extern void vego_options_array_free(const VegoPartitionOptions *options,
									void *array);

/*
 * Bytes that vego_partition_build needs at its peak for so many rows, beside
 * the rows themselves: the table above, with copies, and what does not grow
 * with them.
 */
extern Size vego_partition_memory(const VegoCoder *coder, uint32 count,
								  const VegoPartitionOptions *options);

/*
 * Builds the level over all rows; entry is one of them, and it is an error if it
 * is not.  Rows are brought into the order of nodes: what was row level->rows[i]
 * is row i afterwards.
 *
 * Every node has exactly one binding in-link, except the entry node, and
 * following links from the entry node reaches every node.  When some rows are
 * bound elsewhere these have none, and are where the tree begins: entry is then
 * VEGO_NO_NODE.  Each of those that are not bound elsewhere must be allowed a
 * binding link.
 *
 * The arrays of the level are the caller's: from options->allocate, or palloc'd
 * in the current memory context.  Work space is freed.  Deterministic for a
 * given seed.
 */
extern void vego_partition_build(const VegoRows *rows, uint32 entry,
								 const VegoPartitionOptions *options,
								 VegoLevel *level);

#endif							/* VEGO_PARTITION_H */
