/*
 * partition_leaves.c
 *	  Which leaves is an item in?
 *
 * Leaves are k-means cells of a sample, in groups, which are k-means cells as
 * well: so an item is compared with the leaves of the groups nearest to it, and
 * not with all.  That is a tree of two levels.
 */
#include "postgres.h"

#include <math.h>

#include "kmeans.h"

/* Groups an item looks into. */
#define GROUP_PROBES 6

/* Sampled items for each leaf or, twice as many, for each group. */
#define SAMPLE_A_LEAF 32

/* Items assigned to leaves at once: what their packed codes may take. */
#define RANGE_BYTES (1024 * 1024)
#define RANGE_ROWS 4096

/* ----------------------------------------------------------------
 *		The tree
 * ----------------------------------------------------------------
 */

/* One item of each of `wanted` equal stretches, shuffled. */
static uint32 *
sample_items(const VegoPartition *build, uint32 wanted)
{
	uint64		random = build->options->seed;
	uint32	   *sample = vego_allocate(wanted, sizeof(uint32));

	for (uint32 i = 0; i < wanted; i++)
	{
		uint64		from = (uint64) build->item_count * i / wanted;
		uint64		to = (uint64) build->item_count * (i + 1) / wanted;

		sample[i] = build->items[from + vego_random(&random) % (to - from)];
	}
	for (uint32 i = wanted; i > 1; i--)
	{
		uint32		j = vego_random(&random) % i;
		uint32		item = sample[i - 1];

		sample[i - 1] = sample[j];
		sample[j] = item;
	}
	return sample;
}

/* Groups 0 .. count - 1 by group number (starts: see partition_stages.h). */
static void
group_indexes(const int *groups, int count, int group_count,
			  uint32 *grouped, uint64 *starts)
{
	memset(starts, 0, VEGO_STARTS_ROOM(group_count) * sizeof(uint64));
	for (int i = 0; i < count; i++)
		starts[groups[i] + 2]++;
	vego_starts_sum(starts, group_count);
	for (int i = 0; i < count; i++)
		grouped[starts[groups[i] + 1]++] = i;
}

static VegoCentroids
cell_centroids(const VegoPartition *build, uint32 group)
{
	uint32		first = build->first_cell[group];
	VegoCentroids centroids;

	centroids.count = build->first_cell[group + 1] - first;
	centroids.codes = build->centroid_codes +
		(size_t) first * build->rows.coder->block_dims;
	centroids.factors = build->centroid_factors + first;
	centroids.lifts = build->centroid_lifts + first;
	return centroids;
}

static VegoColumns
cell_columns(const VegoPartition *build, const VegoBlocks *blocks,
			 uint32 group)
{
	uint32		first = build->first_block[group];
	VegoColumns columns;

	columns.count = build->first_cell[group + 1] - build->first_cell[group];
	columns.padded = vego_columns_padded(columns.count);
	columns.places = vego_places(VEGO_MOST_GROUP_LEAVES);
	columns.packed = build->cell_packed + first * blocks->packed_bytes;
	columns.factors = build->cell_factors + first;
	return columns;
}

static VegoColumns
group_columns(const VegoPartition *build)
{
	VegoColumns columns;

	columns.count = build->group_count;
	columns.padded = vego_columns_padded(columns.count);
	columns.places = vego_places(columns.padded);
	columns.packed = build->group_packed;
	columns.factors = build->group_factors;
	return columns;
}

/* Blocks of columns, whose padding is zero. */
static void
new_columns(const VegoPartition *build, const VegoBlocks *blocks,
			size_t block_count, uint8 **packed, VegoBlockColumns **factors)
{
	*packed = vego_array_new(build, block_count, blocks->packed_bytes);
	*factors = vego_array_new(build, block_count, sizeof(VegoBlockColumns));
	memset(*factors, 0, block_count * sizeof(VegoBlockColumns));
}

/* Makes groups of the sample; the caller owns their centroids. */
static VegoCentroids
plant_groups(VegoPartition *build, VegoWork *work, const uint32 *sample,
			 uint32 sampled)
{
	const VegoBlocks *blocks = &work->blocks;
	int			wanted = build->group_count;
	int			considered = Min(sampled, wanted * SAMPLE_A_LEAF * 2);
	VegoCentroids groups;
	VegoColumns columns;

	groups.count = build->group_count = Min(wanted, considered);
	groups.codes = vego_allocate(groups.count, build->rows.coder->block_dims);
	groups.factors = vego_allocate(groups.count, sizeof(VegoFactors));
	groups.lifts = vego_allocate(groups.count, sizeof(float));
	vego_kmeans(work, sample, considered, &groups);
	vego_kmeans_chain(work, &groups, NULL);

	new_columns(build, blocks,
				vego_columns_padded(groups.count) / VEGO_BLOCK_COLUMNS,
				&build->group_packed, &build->group_factors);
	columns = group_columns(build);
	vego_kmeans_pack(blocks, &groups, &columns);
	return groups;
}

/* Numbers leaves, as many in a group as its part of the sample is worth. */
static void
number_cells(VegoPartition *build, uint32 sampled)
{
	uint32		leaf = 0;
	uint32		block = 0;

	for (uint32 g = 0; g < build->group_count; g++)
	{
		int			n = (int) (build->sample_start[g + 1] -
							   build->sample_start[g]);
		double		share = rint((double) build->cell_count * n / sampled);
		int			count = Min(Max((int) share, 1), VEGO_MOST_GROUP_LEAVES);

		build->first_cell[g] = leaf;
		build->first_block[g] = block;

		/* a group that no sampled item is nearest to has one leaf */
		count = Min(count, Max(n, 1));
		leaf += count;
		block += vego_columns_padded(count) / VEGO_BLOCK_COLUMNS;
	}
	build->first_cell[build->group_count] = leaf;
	build->first_block[build->group_count] = block;
	build->cell_count = leaf;
}

void
vego_partition_plant_tree(VegoPartition *build, VegoWork *work)
{
	size_t		dims = build->rows.coder->block_dims;
	uint32		sampled = Min(build->item_count,
							  build->cell_count * SAMPLE_A_LEAF);
	uint32	   *sample = sample_items(build, sampled);
	int		   *group_of = vego_allocate(sampled, sizeof(int));
	VegoCentroids groups = plant_groups(build, work, sample, sampled);
	VegoColumns columns = group_columns(build);
	uint32		n = build->group_count;

	build->sample = vego_array_new(build, sampled, sizeof(uint32));
	build->sample_start = vego_starts_new(build, n);
	build->first_cell = vego_array_new(build, n + 1, sizeof(uint32));
	build->first_block = vego_array_new(build, n + 1, sizeof(uint32));
	vego_kmeans_assign(work, sample, sampled, &columns, group_of);
	group_indexes(group_of, sampled, n, build->sample, build->sample_start);
	for (uint32 i = 0; i < sampled; i++)
		build->sample[i] = sample[build->sample[i]];
	number_cells(build, sampled);

	build->centroid_codes = vego_array_new(build, build->cell_count, dims);
	build->centroid_factors = vego_array_new(build, build->cell_count,
											 sizeof(VegoFactors));
	build->centroid_lifts = vego_array_new(build, build->cell_count,
										   sizeof(float));

	/* the leaf of a group without a sample is where the group is */
	for (uint32 g = 0; g < n; g++)
	{
		uint32		leaf = build->first_cell[g];

		memcpy(build->centroid_codes + leaf * dims, groups.codes + g * dims,
			   dims);
		build->centroid_factors[leaf] = groups.factors[g];
		build->centroid_lifts[leaf] = groups.lifts[g];
	}
	pfree(sample);
	pfree(group_of);
	pfree(groups.codes);
	pfree(groups.factors);
	pfree(groups.lifts);
}

void
vego_partition_grow_tree(const VegoPartition *build, VegoWork *work,
						 uint32 from, uint32 to)
{
	for (uint32 g = from; g < to; g++)
	{
		uint64		start = build->sample_start[g];
		int			count = (int) (build->sample_start[g + 1] - start);
		VegoCentroids leaves = cell_centroids(build, g);

		if (count > 0)
			vego_kmeans(work, build->sample + start, count, &leaves);
	}
}

void
vego_partition_join_tree(VegoPartition *build, VegoWork *work)
{
	const VegoBlocks *blocks = &work->blocks;

	new_columns(build, blocks, build->first_block[build->group_count],
				&build->cell_packed, &build->cell_factors);
	for (uint32 g = 0; g < build->group_count; g++)
	{
		VegoCentroids leaves = cell_centroids(build, g);
		VegoColumns columns = cell_columns(build, blocks, g);

		if (g > 0)
		{
			VegoCentroids before = cell_centroids(build, g - 1);

			vego_kmeans_chain(work, &leaves, &before);
		}
		else
			vego_kmeans_chain(work, &leaves, NULL);
		vego_kmeans_pack(blocks, &leaves, &columns);
	}
	vego_array_free(build, build->sample);
	vego_array_free(build, build->sample_start);
	vego_array_free(build, build->centroid_codes);
	vego_array_free(build, build->centroid_factors);
	vego_array_free(build, build->centroid_lifts);
	build->cell_of = vego_array_new(build, (size_t) build->item_count *
									build->leaves_a_row, sizeof(uint32));
}

/* ----------------------------------------------------------------
 *		Items into leaves
 * ----------------------------------------------------------------
 */

/* Items that are assigned to leaves together. */
typedef struct Range
{
	int			room;
	int			count;
	int			probes;			/* groups each looks into */
	int		   *probe;			/* [probes][room], the nearest first */
	uint64	   *lists;			/* tree_leaves keys of leaves each, sorted */
	VegoPanel	panel;
	VegoPanel	some;			/* as many as a block takes */
	uint32	   *grouped;		/* indexes of items by group */
	uint64	   *starts;
} Range;

static int
range_room(size_t stride)
{
	size_t		rows = Min(RANGE_ROWS, RANGE_BYTES / stride);

	return (int) Max(vego_block_height(stride), rows);
}

Size
vego_partition_range_bytes(const VegoCoder *coder)
{
	size_t		stride = vego_block_stride(coder->block_dims);
	size_t		extra = sizeof(VegoBlockRow) + sizeof(uint32) +
		GROUP_PROBES * (sizeof(int) + sizeof(uint64));

	return range_room(stride) * (stride + extra);
}

static void
range_init(Range *range, const VegoPartition *build, const VegoBlocks *blocks)
{
	int			groups = build->group_count;
	int			room = range_room(blocks->stride);

	range->room = room;
	range->probes = Min(groups, GROUP_PROBES);
	range->probe = vego_allocate((size_t) room * range->probes, sizeof(int));
	range->lists = vego_allocate((size_t) room * build->tree_leaves,
								 sizeof(uint64));
	range->grouped = vego_allocate(room, sizeof(uint32));
	range->starts = vego_allocate(VEGO_STARTS_ROOM(groups), sizeof(uint64));
	vego_panel_init(&range->panel, blocks, room);
	vego_panel_init(&range->some, blocks, blocks->height);
}

static void
range_free(Range *range)
{
	vego_panel_free(&range->panel);
	vego_panel_free(&range->some);
	pfree(range->probe);
	pfree(range->lists);
	pfree(range->grouped);
	pfree(range->starts);
}

static void
find_groups(Range *range, const VegoPartition *build, VegoWork *work)
{
	VegoBlocks *blocks = &work->blocks;
	VegoColumns groups = group_columns(build);

	for (int start = 0; start < range->count; start += blocks->height)
	{
		int			n = Min(blocks->height, range->count - start);

		vego_blocks_measure(blocks, &range->panel, start, n, &groups,
							range->probes);
		for (int r = 0; r < n; r++)
		{
			int			found = vego_blocks_nearest(blocks, &work->nearest,
													&groups, r,
													range->probes);

			/* found are all of them, unless a distance is not a number */
			for (int p = 0; p < range->probes; p++)
				range->probe[p * range->room + start + r] =
					p < found ? work->nearest.marks[p] & groups.places : 0;
		}
		vego_advance(work, 0, (double) n * groups.padded);
	}
}

/* Offers the leaves of a group to the lists of the items grouped under it. */
static void
look_into_group(Range *range, const VegoPartition *build, VegoWork *work,
				uint32 group)
{
	VegoBlocks *blocks = &work->blocks;
	VegoColumns leaves = cell_columns(build, blocks, group);
	int32	   *found = work->nearest.found;
	int			per_row = build->tree_leaves;
	int			end = (int) range->starts[group + 1];

	for (int start = (int) range->starts[group]; start < end;
		 start += blocks->height)
	{
		int			n = Min(blocks->height, end - start);

		for (int r = 0; r < n; r++)
		{
			uint32		i = range->grouped[start + r];

			memcpy(range->some.codes + r * blocks->stride,
				   range->panel.codes + i * blocks->stride, blocks->stride);
			range->some.factors[r] = range->panel.factors[i];
		}
		vego_blocks_measure(blocks, &range->some, 0, n, &leaves, 1);
		for (int r = 0; r < n; r++)
		{
			uint64	   *list = range->lists +
				(size_t) range->grouped[start + r] * per_row;
			int32	   *marks = vego_blocks_marks(blocks, &leaves, r);
			uint64		last = list[per_row - 1];
			int32		limit = last == PG_UINT64_MAX ? VEGO_NO_MARK :
				vego_mark(vego_key_distance(last), leaves.places, leaves.places);
			int			count = vego_kernels->marks_below(marks, leaves.padded,
														  limit, found);

			for (int i = 0; i < count; i++)
				vego_keys_offer(list, per_row,
								vego_key(vego_mark_distance(found[i],
															leaves.places),
										 build->first_cell[group] +
										 (found[i] & leaves.places)));
		}
		vego_advance(work, 0, (double) n * leaves.padded);
	}
}

/* A leaf that is not among these, behind the last of them in leaf order. */
static uint32
another_cell(const uint32 *leaves, int count, uint32 cell_count)
{
	uint32		leaf = count > 0 ? leaves[count - 1] : cell_count - 1;
	bool		known = true;

	while (known)
	{
		leaf = (leaf + 1) % cell_count;
		known = false;
		for (int i = 0; i < count; i++)
			known |= leaves[i] == leaf;
	}
	return leaf;
}

/* The leaves of a list; more, if the groups looked into have too few. */
static void
write_cells(const uint64 *list, const VegoPartition *build, uint32 *leaves)
{
	Assert(build->cell_count >= build->tree_leaves);
	for (int i = 0; i < build->tree_leaves; i++)
		leaves[i] = list[i] != PG_UINT64_MAX ? vego_key_id(list[i]) :
			another_cell(leaves, i, build->cell_count);
}

/*
 * The nearest leaves of items from .. to - 1, tree_leaves each.
 *
 * Probing goes by rounds: the nearest group of every item, then the next ones;
 * most leaves of later rounds are beyond what was found before.
 */
void
vego_partition_assign_leaves(const VegoPartition *build, VegoWork *work,
							 uint32 from, uint32 to)
{
	int			per_row = build->tree_leaves;
	int			groups = build->group_count;
	Range		range;

	range_init(&range, build, &work->blocks);
	for (uint32 start = from; start < to; start += range.count)
	{
		range.count = Min(range.room, to - start);
		vego_blocks_gather(&work->blocks, build->items + start, range.count,
						   &range.panel, NULL);
		memset(range.lists, 0xFF,
			   (size_t) range.count * per_row * sizeof(uint64));
		find_groups(&range, build, work);
		for (int p = 0; p < range.probes; p++)
		{
			group_indexes(range.probe + p * range.room, range.count, groups,
						  range.grouped, range.starts);
			for (int g = 0; g < groups; g++)
				look_into_group(&range, build, work, g);
		}
		for (int i = 0; i < range.count; i++)
			write_cells(range.lists + (size_t) i * per_row, build,
						build->cell_of +
						(size_t) (start + i) * build->leaves_a_row);
		vego_advance(work, range.count, 0);
	}
	range_free(&range);
}

/* What only assignment needed. */
void
vego_partition_fell_tree(VegoPartition *build)
{
	vego_array_free(build, build->first_cell);
	vego_array_free(build, build->first_block);
	vego_array_free(build, build->group_packed);
	vego_array_free(build, build->group_factors);
	vego_array_free(build, build->cell_packed);
	vego_array_free(build, build->cell_factors);
}

/* Few items are one leaf. */
void
vego_partition_one_leaf(VegoPartition *build)
{
	size_t		bytes = (size_t) build->item_count * sizeof(uint32);

	Assert(build->leaves_a_row == 1);
	build->cell_count = 1;
	build->cell_of = vego_array_new(build, bytes, 1);
	memset(build->cell_of, 0, bytes);
}
