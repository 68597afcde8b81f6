/*
 * partition.c
 *	  How does a whole build find everyone's neighbours at once?
 *
 * The plan, and the order of the stages.
 */
#include "postgres.h"

#include <math.h>

#include "partition_stages.h"

/* Members of a leaf to aim for, and the most of them. */
#define LEAF_SIZE 1000
#define LEAF_LIMIT 2048

/* What the vectors of a leaf may take, so that a cache holds them. */
#define LEAF_BYTES (4 * 1024 * 1024)

/* The most leaves a row is in. */
#define MOST_LEAVES_A_ROW 16

/* Work between two calls of the progress callback, in multiplications. */
#define REPORT_WORK (4 * 1024 * 1024)

/* What goes with a distance, in dimensions. */
#define DISTANCE_EXTRA 32

void *
vego_options_array(const VegoPartitionOptions *options, size_t count,
				   size_t size)
{
	if (options->allocate)
		return options->allocate(options->arg, Max(count * size, 1));
	return vego_allocate(count, size);
}

void
vego_options_array_free(const VegoPartitionOptions *options, void *array)
{
	if (options->allocate)
		options->release(options->arg, array);
	else
		pfree(array);
}

void *
vego_array_new(const VegoPartition *build, size_t count, size_t size)
{
	return vego_options_array(build->options, count, size);
}

void
vego_array_free(const VegoPartition *build, void *array)
{
	vego_options_array_free(build->options, array);
}

uint64 *
vego_starts_new(const VegoPartition *build, size_t groups)
{
	size_t		room = VEGO_STARTS_ROOM(groups);
	uint64	   *starts = vego_array_new(build, room, sizeof(uint64));

	memset(starts, 0, room * sizeof(uint64));
	return starts;
}

/* Without a plan there are no blocks yet. */
static void
work_begin(VegoWork *work, const VegoPartition *build)
{
	memset(work, 0, sizeof(*work));
	work->options = build->options;
	work->distance_work = build->rows.coder->block_dims + DISTANCE_EXTRA;
}

static void
work_prepare(VegoWork *work, const VegoPartition *build)
{
	vego_blocks_init(&work->blocks, &build->rows, build->scale, build->widest);
	vego_nearest_init(&work->nearest, build->widest);
}

void
vego_work_init(VegoWork *work, const VegoPartition *build)
{
	work_begin(work, build);
	work_prepare(work, build);
}

void
vego_work_phase(VegoWork *work, int phase, int64 total)
{
	work->phase = phase;
	work->done = 0;
	work->total = total;
	work->unreported = REPORT_WORK;
}

void
vego_advance(VegoWork *work, int64 units, double distances)
{
	work->done += units;
	work->unreported += (int64) (distances * work->distance_work) + 1;
	if (work->unreported < REPORT_WORK)
		return;
	work->unreported = 0;
	if (work->options->progress)
		work->options->progress(work->options->arg, work->phase,
								work->done, work->total);
}

/* ----------------------------------------------------------------
 *		The plan
 * ----------------------------------------------------------------
 */

static int
compare_floats(const void *a, const void *b)
{
	float		fa = *(const float *) a;
	float		fb = *(const float *) b;

	return fa < fb ? -1 : fa > fb;
}

double
vego_usual_norm(const VegoRows *rows)
{
	float		norms[255];
	int			found = 0;
	uint32		stride = Max(1, rows->count / lengthof(norms));

	for (uint64 row = 0; row < rows->count && found < lengthof(norms);
		 row += stride)
	{
		float		norm = vego_row_factors(rows, (uint32) row)->norm;

		if (norm > 0.0f)
			norms[found++] = norm;
	}
	if (found == 0)
		return 1.0;
	qsort(norms, found, sizeof(float), compare_floats);
	return norms[found / 2];
}

/*
 * In blocks, distances are fp32: they must not overflow, nor must all that
 * matters underflow because of one large row.
 */
double
vego_scale(double usual_norm)
{
	return ldexp(1.0, -ilogb(usual_norm));
}

/* How leaves are made of so many items. */
typedef struct LeafPlan
{
	int			size;			/* members to aim for */
	int			limit;			/* and the most of them */
	int			tree;			/* leaves of the tree that a row is in */
	int			a_row;			/* leaves a row is in */
	int			candidates;		/* of each */
} LeafPlan;

static LeafPlan
plan_leaves(const VegoCoder *coder, uint64 items, int ef_construction)
{
	LeafPlan	plan;

	/* the wider the rows, the smaller the leaf that a cache holds */
	plan.size = (int) (LEAF_BYTES / vego_block_stride(coder->block_dims));
	plan.size = Max(LEAF_SIZE / 4, Min(LEAF_SIZE, plan.size));
	plan.limit = plan.size * LEAF_LIMIT / LEAF_SIZE;

	plan.tree = (int) rint(sqrt(ef_construction) / 2.0);
	plan.tree = Max(2, Min(MOST_LEAVES_A_ROW, plan.tree));
	if (items <= plan.limit * 3 / 4)
		plan.tree = 1;
	plan.a_row = coder->bits == VEGO_BITS_SPARSE && plan.tree > 1 ?
		2 * plan.tree : plan.tree;
	plan.candidates = (ef_construction + plan.a_row - 1) / plan.a_row;
	plan.candidates = Max(1, (int) Min(plan.candidates,
									   Min(items, plan.limit) - 1));
	return plan;
}

static void
make_plan(VegoPartition *build)
{
	uint64		n = build->item_count;
	LeafPlan	leaves = plan_leaves(build->rows.coder, n,
									 build->options->ef_construction);

	build->usual_norm = vego_usual_norm(&build->rows);
	build->scale = vego_scale(build->usual_norm);
	build->leaf_size = leaves.size;
	build->leaf_limit = leaves.limit;
	build->leaves_a_row = leaves.a_row;
	build->tree_leaves = leaves.tree;
	build->candidates_a_leaf = leaves.candidates;

	/* what to aim for; growing them settles how many there are */
	build->cell_count = (uint32) ((n * leaves.tree + leaves.size - 1) /
								  leaves.size);
	build->group_count = (build->cell_count + VEGO_GROUP_LEAVES - 1) /
		VEGO_GROUP_LEAVES;
	build->group_count = Min(build->group_count, VEGO_MOST_GROUPS);
	build->widest = vego_columns_padded(Max(Max(build->leaf_limit,
												VEGO_MOST_GROUP_LEAVES),
											build->group_count));
}

Size
vego_partition_memory(const VegoCoder *coder, uint32 count,
					  const VegoPartitionOptions *options)
{
	LeafPlan	leaves = plan_leaves(coder, count, options->ef_construction);
	Size		m = options->m;
	Size		l = leaves.a_row;
	Size		marks = leaves.candidates + vego_strangers_a_leaf(leaves.a_row);
	Size		in_choose_links = 9 + 10 * l + 4 * l * marks + 8 * m;
	Size		in_link_back = 18 + 24 * m;
	Size		stride = vego_block_stride(coder->block_dims);
	Size		vector = stride + sizeof(VegoBlockRow);
	Size		leaf_vectors = 2 * Min(count, leaves.limit);
	Size		hands = vego_nearest_hands(leaves.candidates, leaves.limit);
	Size		other = vego_block_height(stride) * (leaves.limit + hands) *
		sizeof(int32);

	if (leaves.a_row > 1)
		other += vego_partition_range_bytes(coder);
	other += leaf_vectors * vector;
	return count * Max(in_choose_links, in_link_back) +
		Max(options->processes, 1) * other;
}

/* ----------------------------------------------------------------
 *		The result
 * ----------------------------------------------------------------
 */

/*
 * Allocates the links of the level where the caller wants them, late: there may
 * be little memory while there are candidates.
 */
static void
make_level_links(VegoPartition *build)
{
	VegoLevel  *level = &build->level;
	size_t		n = level->count;

	level->degrees = vego_array_new(build, n, sizeof(uint8));
	level->links = vego_array_new(build, n * level->capacity,
								  sizeof(VegoLink));
}

/* The node of a row; there are but count of them, so let us look. */
static uint32
find_node(const VegoLevel *level, uint32 row)
{
	for (uint32 node = 0; node < level->count; node++)
	{
		if (level->rows[node] == row)
			return node;
	}
	elog(ERROR, "the entry row is not among the rows of its level");
	return VEGO_NO_NODE;		/* keep compiler quiet */
}

/* ----------------------------------------------------------------
 *		The stages
 * ----------------------------------------------------------------
 */

const VegoStageKind vego_stages[] = {
	[VEGO_STAGE_GROW_TREE] = {vego_partition_grow_tree, 1},
	[VEGO_STAGE_ASSIGN_LEAVES] = {vego_partition_assign_leaves, 4096},
	[VEGO_STAGE_ORDER_NEAR] = {vego_partition_order_near, 4},
	[VEGO_STAGE_MOVE_ROWS] = {vego_partition_move_rows, 1},
	[VEGO_STAGE_HALVE_PARTS] = {vego_partition_halve_parts, 0},
	[VEGO_STAGE_FIND_CANDIDATES] = {vego_partition_find_candidates, 4},
	[VEGO_STAGE_CHOOSE_LINKS] = {vego_partition_choose_links, 256},
	[VEGO_STAGE_LINK_BACK] = {vego_partition_link_back, 256, 4},
	[VEGO_STAGE_LINK_BEACONS] = {vego_partition_link_beacons, 1024, 8},
	[VEGO_STAGE_HANG_COPIES] = {vego_partition_hang_copies, 4096}
};

/* Does all units of a stage, or has them shared out. */
static void
run(VegoStageName stage, const VegoPartition *build, VegoWork *work,
	uint32 units)
{
	const VegoPartitionOptions *options = build->options;

	if (options->run)
		options->run(options->arg, stage, build, work, units);
	else
		vego_stages[stage].run(build, work, 0, units);
}

/*
 * Leaves that are too large are halved until none is left: all of them at once,
 * for one of them may have half the items, and processes share out parts.
 */
static void
cut_leaves(VegoPartition *build, VegoWork *work)
{
	vego_partition_list_parts(build);
	while (build->part_count > 0)
	{
		run(VEGO_STAGE_HALVE_PARTS, build, work, build->part_count);
		vego_partition_list_halves(build);
	}
	vego_array_free(build, build->parts);
}

static void
make_leaves(VegoPartition *build, VegoWork *work)
{
	if (build->leaves_a_row > 1)
	{
		vego_partition_plant_tree(build, work);
		run(VEGO_STAGE_GROW_TREE, build, work, build->group_count);
		vego_partition_join_tree(build, work);
		run(VEGO_STAGE_ASSIGN_LEAVES, build, work, build->item_count);
		vego_partition_fell_tree(build);
		if (build->leaves_a_row > build->tree_leaves)
			vego_partition_assign_places(build, work);
	}
	else
		vego_partition_one_leaf(build);
	vego_partition_order_homes(build, work);
	run(VEGO_STAGE_ORDER_NEAR, build, work, build->cell_count);
	vego_partition_number_nodes(build, work);
	run(VEGO_STAGE_MOVE_ROWS, build, work, vego_partition_stripe_count(build));
	vego_partition_fill_leaves(build, work);
	cut_leaves(build, work);
	vego_partition_seat_members(build, work);
}

static void
make_links(VegoPartition *build, VegoWork *work, MemoryContext result)
{
	uint32		n = build->item_count;
	MemoryContext old;

	vego_work_phase(work, VEGO_PHASE_CANDIDATES, build->leaf_count);
	vego_partition_begin_candidates(build);
	run(VEGO_STAGE_FIND_CANDIDATES, build, work, build->leaf_count);

	vego_work_phase(work, VEGO_PHASE_PRUNE, n);
	vego_partition_begin_links(build);
	run(VEGO_STAGE_CHOOSE_LINKS, build, work, n);
	vego_partition_end_candidates(build);

	vego_work_phase(work, VEGO_PHASE_BACK_LINKS, n);
	old = MemoryContextSwitchTo(result);
	make_level_links(build);
	MemoryContextSwitchTo(old);
	run(VEGO_STAGE_LINK_BACK, build, work, n);
	vego_partition_end_links(build);
	if (build->rows.coder->metric == VEGO_INNER_PRODUCT)
	{
		vego_partition_find_beacons(build, work);
		run(VEGO_STAGE_LINK_BEACONS, build, work, n);
		vego_array_free(build, build->beacons);
	}
	run(VEGO_STAGE_HANG_COPIES, build, work, n);
	vego_array_free(build, build->items);
}

void
vego_partition_build(const VegoRows *rows, uint32 entry,
					 const VegoPartitionOptions *options, VegoLevel *level)
{
	uint32		count = rows->count;
	MemoryContext result = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(result, "vego partition",
												  ALLOCSET_DEFAULT_SIZES);
	VegoPartition build = {0};
	VegoWork	work;

	build.rows = *rows;
	build.count = count;
	build.options = options;
	build.near = *rows->coder;
	build.near.metric = VEGO_L2;
	build.level.count = count;
	build.level.capacity = 2 * options->m;
	build.level.entry = VEGO_NO_NODE;

	build.level.rows = vego_array_new(&build, count, sizeof(uint32));
	if (count == 0)
		make_level_links(&build);
	else
	{
		MemoryContextSwitchTo(context);
		work_begin(&work, &build);
		vego_work_phase(&work, VEGO_PHASE_PARTITION, count);
		vego_partition_set_copies_aside(&build, &work);
		make_plan(&build);
		work_prepare(&work, &build);
		make_leaves(&build, &work);
		make_links(&build, &work, result);

		vego_work_phase(&work, VEGO_PHASE_ATTACH, count);
		if (entry != VEGO_NO_NODE)
			build.level.entry = find_node(&build.level, entry);
		vego_partition_attach(&build, &work);
		MemoryContextSwitchTo(result);
	}
	MemoryContextDelete(context);
	*level = build.level;
}
