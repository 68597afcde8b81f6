/*
 * build_graph.c
 *	  How do rows become levels of the graph, and who does what of it?
 *
 * partition.c makes a level.  When there is a team, the arrays of its stages
 * are in the team's memory, and stages that can be shared out are.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "build.h"
#include "partition_stages.h"

/* Levels of fewer rows are not worth waking anyone. */
#define FEW_ROWS 1024

/* A stage to do units of.  Addresses are given as references beside it. */
typedef struct StageOrder
{
	int			stage;
	int			m;
	uint32		seed;
	VegoCoder	coder;
	VegoPartition build;
	VegoReference factors;
	VegoReference codes;
	VegoReference level_rows;
	VegoReference level_degrees;
	VegoReference level_links;
	VegoReference arrays[VEGO_PARTITION_ARRAYS];
} StageOrder;

StaticAssertDecl(sizeof(StageOrder) <= VEGO_ORDER_BYTES,
				 "an order must fit");

/* ----------------------------------------------------------------
 *		Stages
 * ----------------------------------------------------------------
 */

static StageOrder
make_order(const VegoTeam *team, int stage, const VegoPartition *build)
{
	StageOrder	order;
	void	  **arrays = vego_partition_arrays(&order.build);

	/* padding as well, for it is copied */
	memset(&order, 0, sizeof(order));
	order.stage = stage;
	order.m = build->options->m;
	order.seed = build->options->seed;
	order.coder = *build->rows.coder;
	order.build = *build;
	order.factors = vego_team_reference(team, build->rows.factors);
	order.codes = vego_team_reference(team, build->rows.codes);
	order.level_rows = vego_team_reference(team, build->level.rows);
	order.level_degrees = vego_team_reference(team, build->level.degrees);
	order.level_links = vego_team_reference(team, build->level.links);
	for (int i = 0; i < VEGO_PARTITION_ARRAYS; i++)
		order.arrays[i] = vego_team_reference(team, arrays[i]);
	return order;
}

/*
 * Takes ranges of a stage until none are left.  Progress counts what others
 * have done as well.
 */
static void
take_ranges(VegoTeam *team, int stage, const VegoPartition *build,
			VegoWork *work)
{
	int64		begun = work->done;
	bool		counts = false; /* this stage counts its units */
	uint32		from;
	uint32		to;

	while (vego_team_take(team, &from, &to))
	{
		int64		before = work->done;

		if (counts)
			before = work->done = begun + from;
		vego_stages[stage].run(build, work, from, to);
		counts = work->done != before;
	}
	if (counts)
		work->done = begun + to;
}

/* For the leader: the stage is shared out, where that is worth it. */
static void
share_stage(void *arg, int stage, const VegoPartition *build, VegoWork *work,
			uint32 units)
{
	VegoTeam   *team = ((VegoBuild *) arg)->team;
	const VegoStageKind *kind = &vego_stages[stage];
	uint32		least = kind->least;
	StageOrder	order;

	if (!vego_team_works(team) || build->count < FEW_ROWS)
	{
		kind->run(build, work, 0, units);
		return;
	}
	if (kind->most_ranges > 0)
		least = Max(least, units / (kind->most_ranges * vego_team_size(team)));
	order = make_order(team, stage, build);
	vego_team_share(team, VEGO_TASK_STAGE, &order, sizeof(order), units, least);
	take_ranges(team, stage, build, work);
	vego_team_wait(team);
}

static void
check_for_interrupts(void *arg, int phase, int64 done, int64 total)
{
	CHECK_FOR_INTERRUPTS();
}

/* For a worker: the partition is the leader's, at this process's addresses. */
void
vego_build_stage(VegoBuild *build)
{
	VegoTeam   *team = build->team;
	StageOrder	order = *(const StageOrder *) vego_team_order(team);
	VegoPartition *partition = &order.build;
	void	  **arrays = vego_partition_arrays(partition);
	VegoPartitionOptions options = {0};
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "vego stage",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	VegoWork	work;

	options.m = order.m;
	options.seed = order.seed;
	options.progress = check_for_interrupts;
	order.coder.centre = NULL;	/* codes are centred already */
	partition->options = &options;
	partition->rows.coder = &order.coder;
	partition->rows.factors = vego_team_array(team, order.factors);
	partition->rows.codes = vego_team_array(team, order.codes);
	partition->level.rows = vego_team_array(team, order.level_rows);
	partition->level.degrees = vego_team_array(team, order.level_degrees);
	partition->level.links = vego_team_array(team, order.level_links);
	for (int i = 0; i < VEGO_PARTITION_ARRAYS; i++)
		arrays[i] = vego_team_array(team, order.arrays[i]);

	vego_work_init(&work, partition);
	take_ranges(team, order.stage, partition, &work);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* ----------------------------------------------------------------
 *		Levels
 * ----------------------------------------------------------------
 */

static void
report_level_0(void *arg, int phase, int64 done, int64 total)
{
	vego_build_progress(VEGO_SUBPHASE_GRAPH + phase, done, total);
}

static void
report_upper_level(void *arg, int phase, int64 done, int64 total)
{
	vego_build_progress(VEGO_SUBPHASE_UPPER, done, total);
}

static void *
allocate_array(void *arg, Size bytes)
{
	return vego_build_allocate(arg, bytes);
}

static void
release_array(void *arg, void *array)
{
	VegoBuild  *build = arg;

	if (build->team)
		vego_team_release(build->team, array);
	else
		pfree(array);
}

/*
 * The nodes that are on the next level as well: one in VEGO_LEVEL_FANOUT,
 * evenly over the leaf order, so that every region has some; and the entry.
 */
static uint32 *
sample_level(const VegoLevel *level, uint32 *count)
{
	uint32	   *nodes = vego_allocate(vego_nodes_above(level->count),
									  sizeof(uint32));

	*count = 0;
	nodes[(*count)++] = level->entry;
	for (uint32 i = VEGO_LEVEL_FANOUT / 2; i < level->count;
		 i += VEGO_LEVEL_FANOUT)
		if (i != level->entry)
			nodes[(*count)++] = i;
	return nodes;
}

/* The rows of these nodes, for a level of their own. */
static VegoRows
copy_rows(VegoBuild *build, const VegoRows *rows, const uint32 *nodes,
		  uint32 count)
{
	Size		code_bytes = build->coder.code_bytes;
	VegoRows	copies = {&build->coder, count};

	copies.factors = vego_build_allocate(build, count * sizeof(VegoFactors));
	copies.codes = vego_build_allocate(build, count * code_bytes);
	for (uint32 i = 0; i < count; i++)
	{
		copies.factors[i] = *vego_row_factors(rows, nodes[i]);
		memcpy(copies.codes + i * code_bytes, vego_row_code(rows, nodes[i]),
			   code_bytes);
	}
	return copies;
}

/* Makes the level above the highest one; its entry is its first row. */
static void
add_level(VegoBuild *build, const VegoPartitionOptions *options)
{
	int			at = build->levels;
	const VegoLevel *below = &build->level[at - 1];
	VegoLevel  *level = &build->level[at];
	uint32		count;
	uint32	   *nodes = sample_level(below, &count);

	build->rows[at] = copy_rows(build, &build->rows[at - 1], nodes, count);
	vego_partition_build(&build->rows[at], 0, options, level);
	build->base[at] = build->base[at - 1] + below->count;
	build->down[at] = vego_build_allocate(build, count * sizeof(VegoNodeId));
	for (uint32 i = 0; i < count; i++)
		build->down[at][i] = build->base[at - 1] + nodes[level->rows[i]];
	build->levels++;
	pfree(nodes);
}

/* But for who reports progress. */
VegoPartitionOptions
vego_build_options(VegoBuild *build)
{
	VegoPartitionOptions options = {0};

	options.m = build->shape.m;
	options.ef_construction = vego_ef_construction(build->index,
												   build->row_count);
	options.seed = 1;
	options.processes = build->team ? vego_team_planned_size(build->team) : 1;
	options.allocate = allocate_array;
	options.release = release_array;
	options.run = share_stage;
	options.arg = build;
	return options;
}

void
vego_build_graph(VegoBuild *build)
{
	VegoPartitionOptions options = vego_build_options(build);
	int			first = build->first_level;
	VegoRows   *rows = &build->rows[first];
	VegoLevel  *top = &build->level[first];

	if (build->count == 0)
		return;
	options.progress = first == 0 ? report_level_0 : report_upper_level;
	rows->coder = &build->coder;
	rows->count = build->count;
	rows->factors = build->factors;
	rows->codes = build->codes;
	vego_partition_build(rows, build->entry_row, &options, top);
	build->levels = first + 1;
	options.progress = report_upper_level;
	for (; vego_nodes_above(top->count) > 0 && build->levels <= VEGO_MAX_LEVEL;
		 top++)
		add_level(build, &options);
	build->entry = build->base[build->levels - 1] + top->entry;
}

void
vego_build_release_graph(VegoBuild *build)
{
	if (build->count == 0)
		return;
	for (int at = build->first_level; at < build->levels; at++)
	{
		VegoLevel  *level = &build->level[at];

		release_array(build, level->rows);
		release_array(build, level->degrees);
		release_array(build, level->links);
		release_array(build, build->rows[at].factors);
		release_array(build, build->rows[at].codes);
		if (at > build->first_level)
			release_array(build, build->down[at]);
	}
	release_array(build, build->tids);
	if (build->team)
		vego_team_trim(build->team);
}
