/*
 * partition_stages.h
 *	  What the stages of a whole build share.
 *
 * Stages run one after the other; partition.h has the table of them.  Some are
 * run by one process alone: they settle numbers of VegoPartition and allocate
 * its arrays.  The others, those that take a range, can be shared out: each
 * unit writes elements of its own and reads only what earlier stages have
 * finished.  Such a stage takes the partition as const, for it changes only
 * elements of arrays, and keeps whatever else it needs in its VegoWork or frees
 * it.
 *
 * Arrays hold numbers only, no pointers, so they may lie in memory that
 * processes see at different addresses (VegoPartitionOptions.allocate).  A
 * process other than the one that allocated them needs a VegoPartition with the
 * same numbers and its own addresses, and a VegoWork.
 */
#ifndef VEGO_PARTITION_STAGES_H
#define VEGO_PARTITION_STAGES_H

#include "block.h"
#include "nearest.h"
#include "partition.h"

/* Leaves a group of leaves aims for, and the most it has. */
#define VEGO_GROUP_LEAVES 64
#define VEGO_MOST_GROUP_LEAVES (8 * VEGO_GROUP_LEAVES)

/* As many as a set of columns may have: see nearest.h. */
#define VEGO_MOST_GROUPS PG_UINT16_MAX

/* What a distance costs outside of blocks, in distances within. */
#define VEGO_LONE_DISTANCE 8

/* A stretch of members that is too large for a leaf, and is to be halved. */
typedef struct VegoPart
{
	uint64		start;
	uint32		count;
} VegoPart;

/*
 * An item is a row that stands for all rows with the same code.  Its place in
 * leaf order is its position, and its name once it has one.
 */
typedef struct VegoPartition
{
	/* given */
	VegoRows	rows;
	uint32		count;
	const VegoPartitionOptions *options;
	VegoCoder	near;			/* the same codes under L2 */

	/* the plan */
	double		usual_norm;		/* the median of a few */
	double		scale;			/* of vectors in blocks, a power of two */
	int			leaf_size;		/* members to aim for */
	int			leaf_limit;		/* and the most of them */
	int			leaves_a_row;
	int			tree_leaves;	/* of these, the others being by place */
	int			candidates_a_leaf;
	int			widest;			/* columns a row of a block may meet */

	/* numbers that stages settle */
	uint32		item_count;
	uint32		copy_count;
	uint32		group_count;	/* of leaves that are near each other */
	uint32		cell_count;		/* leaves before those too large are cut */
	uint32		part_count;
	uint32		leaf_count;
	int			beacon_count;

	/* the result; its arrays are allocated when they are needed */
	VegoLevel	level;

	/*
	 * From here on only pointers to arrays (VEGO_PARTITION_ARRAYS); one that is
	 * not needed now has been freed.
	 */

	/* items: the first row of each code; copies: the others */
	uint32	   *items;			/* rows; by position when in leaf order, as
								 * nodes, and one more than positions */
	uint32	   *copies;			/* rows */
	uint32	   *copied;			/* each one's item */

	/* the tree: leaves in groups, as columns of blocks */
	uint8	   *group_packed;
	VegoBlockColumns *group_factors;
	uint32	   *first_cell;		/* of each group, and one more */
	uint32	   *first_block;	/* of leaves as columns, of each group */
	uint8	   *cell_packed;
	VegoBlockColumns *cell_factors;

	/* while the tree grows: sampled rows by group, and centroids of leaves */
	uint32	   *sample;
	uint64	   *sample_start;	/* of groups in the sample */
	uint8	   *centroid_codes;
	VegoFactors *centroid_factors;
	float	   *centroid_lifts;

	/* who is in which leaf */
	uint32	   *cell_of;		/* leaves_a_row of each item; those of the tree
								 * first, and of these the nearest */
	uint32	   *order;			/* the item at each position */
	uint64	   *home_start;		/* of the items at home in a cell, in order */
	uint64	   *cell_start;		/* of cells in members */
	VegoPart   *parts;
	uint64	   *leaf_start;		/* leaf_count + 1 places in members */
	uint32	   *members;		/* positions, ascending in a leaf */
	uint32	   *leaves;			/* leaves_a_row of each position ... */
	uint16	   *seats;			/* ... and its place there */

	/*
	 * Of each place in members, nearest first, candidates_a_leaf marks (of
	 * scaled distances), or VEGO_NO_MARK; see vego_blocks_measure_pairs.  Then
	 * strangers.
	 */
	int32	   *candidates;

	/* forward links of each position, m apart, nearest first */
	uint8	   *forward_degrees;
	uint32	   *forward;
	float	   *forward_distances;

	uint32	   *beacons;		/* positions, largest norm first */
} VegoPartition;

/* How many these are, and where in a partition they stand. */
#define VEGO_PARTITION_ARRAYS \
	((sizeof(VegoPartition) - offsetof(VegoPartition, items)) / sizeof(void *))

static inline void **
vego_partition_arrays(VegoPartition *build)
{
	return (void **) &build->items;
}

/* What one process needs to run stages; nobody else sees it. */
typedef struct VegoWork
{
	VegoBlocks	blocks;
	VegoNearest nearest;

	/* progress */
	const VegoPartitionOptions *options;
	int			phase;
	int64		done;
	int64		total;
	int64		distance_work;	/* multiplications of a distance in a block */
	int64		unreported;		/* multiplications since the last report */
} VegoWork;

/* Norms above the median by less than this factor make no beacon. */
#define VEGO_BEACON_NORM 1.05

/* Beacons an item may choose from. */
#define VEGO_MOST_BEACONS 2048

/* The median norm of a few of the rows, of those that are not zero. */
extern double vego_usual_norm(const VegoRows *rows);

/* The scale of blocks where norms are usually such. */
extern double vego_scale(double usual_norm);

/* Makes a process ready for stages; the plan has been made. */
extern void vego_work_init(VegoWork *work, const VegoPartition *build);

/* The phase that progress is reported of, and its units. */
extern void vego_work_phase(VegoWork *work, int phase, int64 total);

/* Some units are done, which took so many distances, or as much time. */
extern void vego_advance(VegoWork *work, int64 units, double distances);

/*
 * Strangers: members of an item's leaves that are candidates wherever they are,
 * so many of all leaves together at least.
 */
#define VEGO_STRANGERS 4

static inline int
vego_strangers_a_leaf(int leaves_a_row)
{
	return (VEGO_STRANGERS + leaves_a_row - 1) / leaves_a_row;
}

static inline int
vego_partition_marks_a_place(const VegoPartition *build)
{
	return build->candidates_a_leaf + vego_strangers_a_leaf(build->leaves_a_row);
}

/* Members of the largest leaf there can be. */
static inline int
vego_partition_widest_leaf(const VegoPartition *build)
{
	return (int) Min((uint32) build->leaf_limit, build->item_count);
}

/* Of marks in leaves: the same for all, so that distances are the same. */
static inline int32
vego_partition_places(const VegoPartition *build)
{
	return vego_places(vego_columns_padded(vego_partition_widest_leaf(build)));
}

/* Of scaled distances of this metric, in those of vego_code_distance. */
static inline double
vego_partition_unit(const VegoPartition *build)
{
	return build->rows.coder->metric == VEGO_L1 ?
		build->scale : build->scale * build->scale;
}

/* The next of the numbers of a seed (splitmix64). */
static inline uint64
vego_random(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/*
 * Arrays of the partition, wherever the options put them; released as soon as
 * no stage needs them.
 */
extern void *vego_array_new(const VegoPartition *build, size_t count,
							size_t size);
extern void vego_array_free(const VegoPartition *build, void *array);

/*
 * Starts of groups, for counting sorts: count values at starts[group + 2], sum
 * up, place each value at starts[group + 1]++, and group g is then at
 * starts[g] .. starts[g + 1] - 1.
 */
#define VEGO_STARTS_ROOM(groups) ((size_t) (groups) + 2)

extern uint64 *vego_starts_new(const VegoPartition *build, size_t groups);

static inline void
vego_starts_sum(uint64 *starts, size_t groups)
{
	for (size_t g = 2; g < VEGO_STARTS_ROOM(groups); g++)
		starts[g] += starts[g - 1];
}

static inline double
vego_node_distance(const VegoPartition *build, uint32 a, uint32 b)
{
	return vego_row_distance(&build->rows, build->rows.coder, a, b);
}

/* A stage that can be shared out: does the units from .. to - 1. */
typedef void VegoStage(const VegoPartition *build, VegoWork *work,
					   uint32 from, uint32 to);

/* Those stages, as processes name them to each other. */
typedef enum VegoStageName
{
	VEGO_STAGE_GROW_TREE,
	VEGO_STAGE_ASSIGN_LEAVES,
	VEGO_STAGE_ORDER_NEAR,
	VEGO_STAGE_MOVE_ROWS,
	VEGO_STAGE_HALVE_PARTS,
	VEGO_STAGE_FIND_CANDIDATES,
	VEGO_STAGE_CHOOSE_LINKS,
	VEGO_STAGE_LINK_BACK,
	VEGO_STAGE_LINK_BEACONS,
	VEGO_STAGE_HANG_COPIES
} VegoStageName;

/* What a call costs says how small ranges should be. */
typedef struct VegoStageKind
{
	VegoStage  *run;
	uint32		least;			/* units of a range; 0: there is one in each,
								 * for they are few and differ */
	int			most_ranges;	/* for each process; 0: any number */
} VegoStageKind;

extern const VegoStageKind vego_stages[];

/* partition_copies.c */
extern void vego_partition_set_copies_aside(VegoPartition *build,
											VegoWork *work);
extern void vego_partition_number_nodes(VegoPartition *build, VegoWork *work);
extern VegoStage vego_partition_hang_copies;

/* Links the item may have beside those to its copies. */
extern int	vego_partition_link_room(const VegoPartition *build,
									 uint32 position);

/* partition_leaves.c; instead of the tree, few items are one leaf */
extern void vego_partition_plant_tree(VegoPartition *build, VegoWork *work);
extern VegoStage vego_partition_grow_tree;
extern void vego_partition_join_tree(VegoPartition *build, VegoWork *work);
extern VegoStage vego_partition_assign_leaves;
extern void vego_partition_fell_tree(VegoPartition *build);
extern void vego_partition_one_leaf(VegoPartition *build);

/* What assign_leaves needs that does not grow with the items. */
extern Size vego_partition_range_bytes(const VegoCoder *coder);

/* partition_places.c; for sparse items, after the tree */
extern void vego_partition_assign_places(VegoPartition *build, VegoWork *work);

/* partition_order.c */
extern void vego_partition_order_homes(VegoPartition *build, VegoWork *work);
extern VegoStage vego_partition_order_near;
extern uint32 vego_partition_stripe_count(const VegoPartition *build);
extern VegoStage vego_partition_move_rows;
extern void vego_partition_fill_leaves(VegoPartition *build, VegoWork *work);
extern void vego_partition_list_parts(VegoPartition *build);
extern VegoStage vego_partition_halve_parts;
extern void vego_partition_list_halves(VegoPartition *build);
extern void vego_partition_seat_members(VegoPartition *build, VegoWork *work);

/* partition_candidates.c */
extern void vego_partition_begin_candidates(VegoPartition *build);
extern VegoStage vego_partition_find_candidates;
extern void vego_partition_end_candidates(VegoPartition *build);

/* partition_links.c */
extern void vego_partition_begin_links(VegoPartition *build);
extern VegoStage vego_partition_choose_links;
extern VegoStage vego_partition_link_back;
extern void vego_partition_end_links(VegoPartition *build);

/* partition_beacons.c */
extern void vego_partition_find_beacons(VegoPartition *build, VegoWork *work);
extern VegoStage vego_partition_link_beacons;

/* partition_binding.c */
extern void vego_partition_attach(const VegoPartition *build, VegoWork *work);

#endif							/* VEGO_PARTITION_STAGES_H */
