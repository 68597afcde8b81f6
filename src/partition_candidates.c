/*
 * partition_candidates.c
 *	  Which members of a leaf are nearest to each other?
 *
 * All pairs of a leaf are measured, in blocks.
 */
#include "postgres.h"

#include "partition_stages.h"

void
vego_partition_begin_candidates(VegoPartition *build)
{
	uint64		places = build->leaf_start[build->leaf_count];
	uint64		count = places * build->candidates_a_leaf;

	build->candidates = vego_array_new(build, count, sizeof(uint16));
	build->distances = vego_array_new(build, count, sizeof(float));
}

/* L1 has no dot product: a row is decoded and compared with codes. */
static void
l1_distances(VegoBlocks *blocks, const uint32 *rows, int self, int count,
			 float *values)
{
	const VegoCoder *coder = blocks->rows->coder;

	vego_decode(coder, vego_row_factors(blocks->rows, rows[self]),
				vego_row_code(blocks->rows, rows[self]), values);
	for (int i = 0; i < coder->dims; i++)
		values[i] *= blocks->scale;
	for (int c = 0; c < count; c++)
	{
		const VegoFactors *factors = vego_row_factors(blocks->rows, rows[c]);
		const uint8 *code = vego_row_code(blocks->rows, rows[c]);
		float		lo = (float) (factors->lo * blocks->scale);
		float		step = (float) (factors->step * blocks->scale);

		blocks->distances[c] = coder->bits == 8 ?
			vego_kernels->query_l1_8(code, values, lo, step, coder->dims) :
			vego_kernels->query_l1_4(code, values, lo, step, coder->dims);
	}
	for (int c = count; c < vego_columns_padded(count); c++)
		blocks->distances[c] = INFINITY;
}

/* Keeps the nearest of these distances as candidates of a member. */
static void
keep_nearest(const VegoPartition *build, VegoNearest *nearest, uint64 place,
			 float *distances, int padded, int self)
{
	int			most = build->candidates_a_leaf;
	uint16	   *candidates = build->candidates + place * most;
	float	   *kept = build->distances + place * most;
	int			count;

	distances[self] = INFINITY; /* nobody is its own neighbour */
	count = vego_nearest_find(nearest, distances, padded, most, self);
	for (int i = 0; i < count; i++)
	{
		candidates[i] = (uint16) vego_key_id(nearest->keys[i]);
		kept[i] = vego_key_distance(nearest->keys[i]);
	}
	for (int i = count; i < most; i++)
		candidates[i] = VEGO_NO_CANDIDATE;
}

static void
compare_members(const VegoPartition *build, VegoWork *work, uint64 start,
				const uint32 *rows, int count, VegoPanel *panel,
				VegoColumns *columns)
{
	VegoBlocks *blocks = &work->blocks;

	vego_blocks_gather(blocks, rows, count, panel, columns);
	for (int first = 0; first < count; first += VEGO_BLOCK_ROWS)
	{
		int			n = Min(VEGO_BLOCK_ROWS, count - first);

		vego_blocks_measure(blocks, panel, first, n, columns);
		for (int r = 0; r < n; r++)
			keep_nearest(build, &work->nearest, start + first + r,
						 vego_blocks_distances(blocks, columns, r),
						 columns->padded, first + r);
		vego_advance(work, 0, (double) n * columns->padded);
	}
}

static void
compare_members_l1(const VegoPartition *build, VegoWork *work, uint64 start,
				   const uint32 *rows, int count, float *values)
{
	int			padded = vego_columns_padded(count);

	for (int i = 0; i < count; i++)
	{
		l1_distances(&work->blocks, rows, i, count, values);
		keep_nearest(build, &work->nearest, start + i, work->blocks.distances,
					 padded, i);
		vego_advance(work, 0, VEGO_LONE_DISTANCE * (double) padded);
	}
}

void
vego_partition_find_candidates(const VegoPartition *build, VegoWork *work,
							   uint32 from, uint32 to)
{
	int			most = (int) Min(build->leaf_limit, build->item_count);
	uint32	   *rows = vego_allocate(most, sizeof(uint32));
	float	   *values = vego_allocate(build->rows.coder->dims, sizeof(float));
	VegoPanel	panel;
	VegoColumns columns;

	vego_panel_init(&panel, &work->blocks, most);
	vego_columns_init(&columns, &work->blocks, most);
	for (uint32 leaf = from; leaf < to; leaf++)
	{
		uint64		start = build->leaf_start[leaf];
		int			count = (int) (build->leaf_start[leaf + 1] - start);

		for (int i = 0; i < count; i++)
			rows[i] = build->items[build->members[start + i]];
		if (build->rows.coder->metric == VEGO_L1)
			compare_members_l1(build, work, start, rows, count, values);
		else
			compare_members(build, work, start, rows, count, &panel, &columns);
		vego_advance(work, 1, 0);
	}
	vego_panel_free(&panel);
	vego_columns_free(&columns);
	pfree(rows);
	pfree(values);
}

/* What only candidates needed. */
void
vego_partition_end_candidates(VegoPartition *build)
{
	vego_array_free(build, build->candidates);
	vego_array_free(build, build->distances);
	vego_array_free(build, build->leaves);
	vego_array_free(build, build->seats);
	vego_array_free(build, build->members);
	vego_array_free(build, build->leaf_start);
}
