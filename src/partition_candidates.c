/*
 * partition_candidates.c
 *	  Which members of a leaf are nearest to each other?
 *
 * All pairs of a leaf are measured: of vectors and bit strings in blocks, under
 * L1 one by one, and of sparse vectors those that have places in common.
 */
#include "postgres.h"

#include "code_sparse.h"
#include "partition_stages.h"

void
vego_partition_begin_candidates(VegoPartition *build)
{
	uint64		places = build->leaf_start[build->leaf_count];
	uint64		count = places * vego_partition_marks_a_place(build);

	build->candidates = vego_array_new(build, count, sizeof(int32));
}

/*
 * L1 has no dot product: a row is decoded and compared with codes.  Marks are
 * made as blocks make them.
 */
static void
l1_marks(VegoBlocks *blocks, const uint32 *rows, int self,
		 const VegoColumns *columns, float *values)
{
	const VegoCoder *coder = blocks->rows->coder;
	int32	   *least = vego_blocks_least(blocks, 0);

	vego_decode(coder, vego_row_factors(blocks->rows, rows[self]),
				vego_row_code(blocks->rows, rows[self]), values);
	for (int i = 0; i < coder->dims; i++)
		values[i] *= blocks->scale;
	for (int hand = 0; hand < blocks->hands; hand++)
		least[hand] = VEGO_NO_MARK;
	for (int c = 0; c < columns->count; c++)
	{
		const VegoFactors *factors = vego_row_factors(blocks->rows, rows[c]);
		const uint8 *code = vego_row_code(blocks->rows, rows[c]);
		float		lo = (float) (factors->lo * blocks->scale);
		float		step = (float) (factors->step * blocks->scale);
		float		distance = coder->bits == 8 ?
			vego_kernels->query_l1_8(code, values, lo, step, coder->dims) :
			vego_kernels->query_l1_4(code, values, lo, step, coder->dims);
		int32		mark = vego_mark(distance, c - self, columns->places);

		blocks->marks[c] = mark;
		least[c % blocks->hands] = Min(least[c % blocks->hands], mark);
	}
	for (int c = columns->count; c < columns->padded; c++)
		blocks->marks[c] = VEGO_NO_MARK;
}

/*
 * Keeps the nearest members as candidates of one, row r of the last block, and a
 * few at random.
 */
static void
keep_nearest(const VegoPartition *build, VegoWork *work, uint64 place,
			 const VegoColumns *columns, int r)
{
	int			most = build->candidates_a_leaf;
	int			all = vego_partition_marks_a_place(build);
	int32	   *candidates = build->candidates + place * all;
	const int32 *marks = vego_blocks_marks(&work->blocks, columns, r);
	uint64		random = build->options->seed + (place << 32);
	int			kept = 0;
	int			found = vego_blocks_nearest(&work->blocks, &work->nearest,
											columns, r, most + 1);

	/* nobody is its own neighbour */
	for (int i = 0; i < found && kept < most; i++)
		if ((work->nearest.marks[i] & columns->places) != 0)
			candidates[kept++] = work->nearest.marks[i];
	for (int i = kept; i < most; i++)
		candidates[i] = VEGO_NO_MARK;
	for (int i = most; i < all; i++)
	{
		int32		stranger = marks[vego_random(&random) % columns->count];

		candidates[i] = (stranger & columns->places) != 0 ?
			stranger : VEGO_NO_MARK;
	}
}

static void
compare_members(const VegoPartition *build, VegoWork *work, uint64 start,
				const uint32 *rows, int count, VegoPanel *panel,
				VegoColumns *columns)
{
	VegoBlocks *blocks = &work->blocks;

	vego_blocks_gather(blocks, rows, count, panel, columns);
	for (int first = 0; first < count; first += blocks->height)
	{
		int			n = Min(blocks->height, count - first);

		vego_blocks_measure_pairs(blocks, panel, first, n, columns,
								  build->candidates_a_leaf + 1);
		for (int r = 0; r < n; r++)
			keep_nearest(build, work, start + first + r, columns, r);
		vego_advance(work, 0, (double) n * columns->padded);
	}
}

/* Columns that are not packed: members are compared one at a time. */
static void
set_columns(const VegoPartition *build, VegoWork *work, VegoColumns *columns,
			int count)
{
	columns->count = count;
	columns->padded = vego_columns_padded(count);
	work->blocks.hands = vego_nearest_hands(build->candidates_a_leaf + 1,
											columns->padded);
}

static void
compare_members_l1(const VegoPartition *build, VegoWork *work, uint64 start,
				   const uint32 *rows, int count, VegoColumns *columns,
				   float *values)
{
	set_columns(build, work, columns, count);
	for (int i = 0; i < count; i++)
	{
		l1_marks(&work->blocks, rows, i, columns, values);
		keep_nearest(build, work, start + i, columns, 0);
		vego_advance(work, 0, VEGO_LONE_DISTANCE * (double) columns->padded);
	}
}

/* ----------------------------------------------------------------
 *		Sparse vectors
 * ----------------------------------------------------------------
 */

/* The elements of a leaf's members by place. */
typedef struct Postings
{
	uint32	   *starts;			/* of each place (partition_stages.h) */
	uint16	   *members;
	float	   *values;
	double	   *shared;			/* of one member with each of all */
} Postings;

static Postings
postings_new(const VegoPartition *build)
{
	int			most = vego_partition_widest_leaf(build);
	size_t		room = (size_t) most * VEGO_SPARSE_ENTRIES;
	Postings	postings;

	postings.starts = vego_allocate(VEGO_STARTS_ROOM(VEGO_SPARSE_PLACES),
									sizeof(uint32));
	postings.members = vego_allocate(room, sizeof(uint16));
	postings.values = vego_allocate(room, sizeof(float));
	postings.shared = vego_allocate(most, sizeof(double));
	return postings;
}

static void
postings_free(Postings *postings)
{
	pfree(postings->starts);
	pfree(postings->members);
	pfree(postings->values);
	pfree(postings->shared);
}

static void
fill_postings(Postings *postings, const VegoRows *rows, const uint32 *members,
			  int count)
{
	uint32	   *starts = postings->starts;

	memset(starts, 0, VEGO_STARTS_ROOM(VEGO_SPARSE_PLACES) * sizeof(uint32));
	for (int m = 0; m < count; m++)
	{
		const uint8 *code = vego_row_code(rows, members[m]);

		for (int i = 0; vego_sparse_value(code, i) != 0; i++)
			starts[vego_sparse_place(code, i) + 2]++;
	}
	for (int p = 2; p < VEGO_STARTS_ROOM(VEGO_SPARSE_PLACES); p++)
		starts[p] += starts[p - 1];
	for (int m = 0; m < count; m++)
	{
		const uint8 *code = vego_row_code(rows, members[m]);
		float		step = vego_row_factors(rows, members[m])->step;

		for (int i = 0; vego_sparse_value(code, i) != 0; i++)
		{
			uint32		at = starts[vego_sparse_place(code, i) + 1]++;

			postings->members[at] = m;
			postings->values[at] = step * vego_sparse_value(code, i);
		}
	}
}

/* What a member's code has in common with each of all. */
static void
sum_shared(Postings *postings, const VegoRows *rows, uint32 row, int count)
{
	const uint8 *code = vego_row_code(rows, row);
	float		step = vego_row_factors(rows, row)->step;
	bool		l1 = rows->coder->metric == VEGO_L1;

	memset(postings->shared, 0, count * sizeof(double));
	for (int i = 0; vego_sparse_value(code, i) != 0; i++)
	{
		int			place = vego_sparse_place(code, i);
		double		x = step * vego_sparse_value(code, i);

		for (uint32 at = postings->starts[place];
			 at < postings->starts[place + 1]; at++)
			postings->shared[postings->members[at]] += l1 ?
				vego_sparse_l1_shared(x, postings->values[at]) :
				x * postings->values[at];
	}
}

static void
sparse_marks(const VegoPartition *build, VegoBlocks *blocks,
			 const Postings *postings, const uint32 *rows, int self,
			 const VegoColumns *columns)
{
	const VegoCoder *coder = build->rows.coder;
	const VegoFactors *own = vego_row_factors(&build->rows, rows[self]);
	double		unit = vego_partition_unit(build);
	int32	   *least = vego_blocks_least(blocks, 0);

	for (int hand = 0; hand < blocks->hands; hand++)
		least[hand] = VEGO_NO_MARK;
	for (int c = 0; c < columns->padded; c++)
	{
		int32		mark = VEGO_NO_MARK;

		if (c < columns->count)
		{
			double		distance =
				vego_sparse_distance(coder, own,
									 vego_row_factors(&build->rows, rows[c]),
									 postings->shared[c]);

			mark = vego_mark((float) (Max(distance, 0.0) * unit), c - self,
							 columns->places);
		}
		blocks->marks[c] = mark;
		least[c % blocks->hands] = Min(least[c % blocks->hands], mark);
	}
}

static void
compare_members_sparse(const VegoPartition *build, VegoWork *work,
					   uint64 start, const uint32 *rows, int count,
					   VegoColumns *columns, Postings *postings)
{
	set_columns(build, work, columns, count);
	fill_postings(postings, &build->rows, rows, count);
	for (int i = 0; i < count; i++)
	{
		sum_shared(postings, &build->rows, rows[i], count);
		sparse_marks(build, &work->blocks, postings, rows, i, columns);
		keep_nearest(build, work, start + i, columns, 0);
		vego_advance(work, 0, columns->padded);
	}
}

/* ----------------------------------------------------------------
 *		The stage
 * ----------------------------------------------------------------
 */

void
vego_partition_find_candidates(const VegoPartition *build, VegoWork *work,
							   uint32 from, uint32 to)
{
	const VegoCoder *coder = build->rows.coder;
	bool		sparse = coder->bits == VEGO_BITS_SPARSE;
	int			most = vego_partition_widest_leaf(build);
	uint32	   *rows = vego_allocate(most, sizeof(uint32));
	float	   *values = vego_allocate(coder->block_dims, sizeof(float));
	Postings	postings = {NULL};
	VegoPanel	panel;
	VegoColumns columns;

	vego_panel_init(&panel, &work->blocks, most);
	vego_columns_init(&columns, &work->blocks, most);
	columns.places = vego_partition_places(build);
	if (sparse)
		postings = postings_new(build);
	for (uint32 leaf = from; leaf < to; leaf++)
	{
		uint64		start = build->leaf_start[leaf];
		int			count = (int) (build->leaf_start[leaf + 1] - start);

		for (int i = 0; i < count; i++)
			rows[i] = build->items[build->members[start + i]];
		if (sparse)
			compare_members_sparse(build, work, start, rows, count, &columns,
								   &postings);
		else if (coder->metric == VEGO_L1)
			compare_members_l1(build, work, start, rows, count, &columns,
							   values);
		else
			compare_members(build, work, start, rows, count, &panel, &columns);
		vego_advance(work, 1, 0);
	}
	vego_panel_free(&panel);
	vego_columns_free(&columns);
	if (sparse)
		postings_free(&postings);
	pfree(rows);
	pfree(values);
}

/* What only candidates needed. */
void
vego_partition_end_candidates(VegoPartition *build)
{
	vego_array_free(build, build->candidates);
	vego_array_free(build, build->leaves);
	vego_array_free(build, build->seats);
	vego_array_free(build, build->members);
	vego_array_free(build, build->leaf_start);
}
