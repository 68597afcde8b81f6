/*
 * partition_order.c
 *	  In what order do items stand, and who sits where in a leaf?
 *
 * Leaf order is the order of home leaves (the nearest leaf of each item), and
 * within one of them near items stand together.  It becomes the order of ids,
 * so neighbours share pages, and of rows, so they share them in memory.
 */
#include "postgres.h"

#include "bitmap.h"
#include "partition_stages.h"

/* Items of a home leaf are halved until so few are left. */
#define ORDER_SIZE 16

/* Two items far from each other are looked for among so many at most. */
#define FAR_SAMPLE 8192

/* Of rows that are measured, so many are fetched ahead. */
#define MEASURED_AHEAD 4

/* Rows are moved in up to so many stripes, of whole cache lines. */
#define MOST_STRIPES 8
#define STRIPE_ALIGNMENT 64

/* Of rows that are moved, so many are fetched ahead. */
#define ROWS_AHEAD 8

/* ----------------------------------------------------------------
 *		Halves
 * ----------------------------------------------------------------
 */

/*
 * Scaled distance of two entries of build->items, for grouping: L2 whatever
 * the metric.
 */
static float
item_distance(const VegoPartition *build, uint32 a, uint32 b)
{
	double		distance = build->scale * build->scale *
		vego_row_distance(&build->rows, &build->near,
						  build->items[a], build->items[b]);

	return (float) Min(distance, VEGO_LARGEST_NORM * VEGO_LARGEST_NORM);
}

/* Asks for the row of indexes[i], which is measured soon, if there is one. */
static inline void
prefetch_item(const VegoPartition *build, const uint32 *indexes, uint32 count,
			  uint32 i)
{
	if (i < count)
		vego_row_prefetch(&build->rows, build->items[indexes[i]]);
}

/* The distances of every stride-th of these from one of them; the farthest. */
static uint32
find_far(const VegoPartition *build, const uint32 *indexes, uint32 count,
		 uint32 stride, uint32 one, float *distances)
{
	uint32		far = 0;

	for (uint32 i = 0; i < count; i += stride)
	{
		prefetch_item(build, indexes, count, i + MEASURED_AHEAD * stride);
		distances[i] = item_distance(build, indexes[i], one);
		if (distances[i] > distances[far])
			far = i;
	}
	return indexes[far];
}

/*
 * Reorders indexes of items by which of two far-off ones they are nearer to.
 * The halves are of equal size whatever the distances, so that halving ends
 * soon.
 */
static void
halve(const VegoPartition *build, VegoWork *work, uint32 *indexes,
	  uint32 count)
{
	uint64	   *keys = vego_allocate(count, sizeof(uint64));
	float	   *distances = vego_allocate(count, sizeof(float));
	uint32		stride = (count + FAR_SAMPLE - 1) / FAR_SAMPLE;
	uint32		b = find_far(build, indexes, count, stride, indexes[0],
							 distances);
	uint32		a = find_far(build, indexes, count, stride, b, distances);

	for (uint32 i = 0; i < count; i++)
	{
		float		balance;
		uint32		bits;

		prefetch_item(build, indexes, count, i + MEASURED_AHEAD);
		if (i % stride != 0)
			distances[i] = item_distance(build, indexes[i], b);
		balance = item_distance(build, indexes[i], a) - distances[i];

		/* floats of either sign, made to sort by their bits */
		memcpy(&bits, &balance, sizeof(bits));
		bits ^= (bits >> 31) ? PG_UINT32_MAX : 0x80000000;
		keys[i] = ((uint64) bits << 32) | indexes[i];
		vego_advance(work, 0, 2.0 * VEGO_LONE_DISTANCE);
	}
	vego_keys_sort(keys, count);
	for (uint32 i = 0; i < count; i++)
		indexes[i] = vego_key_id(keys[i]);
	pfree(keys);
	pfree(distances);
	vego_advance(work, 0, 2.0 * VEGO_LONE_DISTANCE * (count / stride));
}

/* ----------------------------------------------------------------
 *		Items
 * ----------------------------------------------------------------
 */

/* Orders items by home leaf. */
void
vego_partition_order_homes(VegoPartition *build, VegoWork *work)
{
	uint32		n = build->item_count;
	int			per_row = build->leaves_a_row;

	build->order = vego_array_new(build, n, sizeof(uint32));
	build->home_start = vego_starts_new(build, build->cell_count);
	for (uint32 i = 0; i < n; i++)
	{
		build->home_start[build->cell_of[(size_t) i * per_row] + 2]++;
		vego_advance(work, 0, 1);
	}
	vego_starts_sum(build->home_start, build->cell_count);
	for (uint32 i = 0; i < n; i++)
	{
		uint32		home = build->cell_of[(size_t) i * per_row];

		build->order[build->home_start[home + 1]++] = i;
		vego_advance(work, 0, 1);
	}
}

static void
bring_near(const VegoPartition *build, VegoWork *work, uint32 *indexes,
		   uint32 count)
{
	if (count <= ORDER_SIZE)
		return;
	halve(build, work, indexes, count);
	bring_near(build, work, indexes, count / 2);
	bring_near(build, work, indexes + count / 2, count - count / 2);
}

/* Brings near items together in home leaves from .. to - 1. */
void
vego_partition_order_near(const VegoPartition *build, VegoWork *work,
						  uint32 from, uint32 to)
{
	for (uint32 leaf = from; leaf < to; leaf++)
		bring_near(build, work, build->order + build->home_start[leaf],
				   (uint32) (build->home_start[leaf + 1] -
							 build->home_start[leaf]));
}

/* ----------------------------------------------------------------
 *		Rows
 * ----------------------------------------------------------------
 */

/* Bytes of each code that are moved at once. */
static size_t
stripe_bytes(const VegoPartition *build)
{
	size_t		share = build->rows.coder->code_bytes / MOST_STRIPES + 1;

	return TYPEALIGN(STRIPE_ALIGNMENT, share);
}

uint32
vego_partition_stripe_count(const VegoPartition *build)
{
	size_t		bytes = stripe_bytes(build);

	return 1 + (uint32) ((build->rows.coder->code_bytes + bytes - 1) / bytes);
}

/*
 * Moves, of each row, so many bytes to its node's place, along the circles that
 * the order makes of rows; what comes next is on its way from memory.
 */
static void
move_stripe(const VegoPartition *build, VegoWork *work, uint8 *bytes,
			size_t width, size_t stride)
{
	const uint32 *rows = build->level.rows;
	uint8	   *first = palloc(width);
	VegoBitmap	moved;

	vego_bitmap_init(&moved, build->count);
	for (uint32 start = 0; start < build->count; start++)
	{
		uint32		to = start;
		uint32		ahead = start;

		if (vego_bitmap_has(&moved, start))
			continue;
		for (int i = 0; i < ROWS_AHEAD; i++)
			ahead = rows[ahead];
		memcpy(first, bytes + start * stride, width);
		for (; rows[to] != start; to = rows[to])
		{
			memcpy(bytes + to * stride, bytes + rows[to] * stride, width);
			vego_bitmap_add(&moved, to);
			ahead = rows[ahead];
			for (size_t at = 0; at < width; at += STRIPE_ALIGNMENT)
				__builtin_prefetch(bytes + ahead * stride + at, 1);
			vego_advance(work, 0, 1);
		}
		memcpy(bytes + to * stride, first, width);
		vego_bitmap_add(&moved, to);
	}
	pfree(moved.words);
	pfree(first);
}

/*
 * Brings rows into the order of nodes, where they are, stripe by stripe: the
 * first is their factors, the others are of their codes.  So rows that are
 * compared with each other, in leaves and as candidates, lie together.
 */
void
vego_partition_move_rows(const VegoPartition *build, VegoWork *work,
						 uint32 from, uint32 to)
{
	size_t		code_bytes = build->rows.coder->code_bytes;
	size_t		stripe = stripe_bytes(build);

	for (uint32 unit = from; unit < to; unit++)
	{
		size_t		start = stripe * (unit - 1);

		if (unit == 0)
			move_stripe(build, work, (uint8 *) build->rows.factors,
						sizeof(VegoFactors), sizeof(VegoFactors));
		else
			move_stripe(build, work, build->rows.codes + start,
						Min(stripe, code_bytes - start), code_bytes);
	}
}

/* ----------------------------------------------------------------
 *		Leaves
 * ----------------------------------------------------------------
 */

/* Fills leaves with the positions of their members, in order. */
void
vego_partition_fill_leaves(VegoPartition *build, VegoWork *work)
{
	int			per_row = build->leaves_a_row;
	uint64		total = (uint64) build->item_count * per_row;

	build->members = vego_array_new(build, total, sizeof(uint32));
	build->cell_start = vego_starts_new(build, build->cell_count);
	for (uint64 i = 0; i < total; i++)
	{
		build->cell_start[build->cell_of[i] + 2]++;
		vego_advance(work, 0, 1);
	}
	vego_starts_sum(build->cell_start, build->cell_count);
	for (uint32 p = 0; p < build->item_count; p++)
	{
		const uint32 *leaves = build->cell_of +
			(size_t) build->order[p] * per_row;

		for (int j = 0; j < per_row; j++)
			build->members[build->cell_start[leaves[j] + 1]++] = p;
		vego_advance(work, 0, per_row);
	}
	vego_array_free(build, build->order);
	vego_array_free(build, build->home_start);
	vego_array_free(build, build->cell_of);
}

static int
compare_positions(const void *a, const void *b)
{
	uint32		pa = *(const uint32 *) a;
	uint32		pb = *(const uint32 *) b;

	return pa < pb ? -1 : pa > pb;
}

/* Room for as many parts as there can be, all of them too large. */
static void
begin_parts(VegoPartition *build)
{
	build->part_count = 0;
	build->parts = vego_array_new(build, build->cell_start[build->cell_count] /
								  build->leaf_limit, sizeof(VegoPart));
}

/* Listed if it is too large for a leaf. */
static void
list_part(VegoPartition *build, uint64 start, uint32 count)
{
	VegoPart	part = {start, count};

	if (count > build->leaf_limit)
		build->parts[build->part_count++] = part;
}

/* Largest first: so nobody begins with a large one when others have finished. */
static int
compare_parts(const void *a, const void *b)
{
	const VegoPart *pa = a;
	const VegoPart *pb = b;

	return pa->count > pb->count ? -1 : pa->count < pb->count;
}

static void
sort_parts(VegoPartition *build)
{
	qsort(build->parts, build->part_count, sizeof(VegoPart), compare_parts);
}

/* Leaves that have too many members. */
void
vego_partition_list_parts(VegoPartition *build)
{
	begin_parts(build);
	for (uint32 leaf = 0; leaf < build->cell_count; leaf++)
	{
		uint64		start = build->cell_start[leaf];

		list_part(build, start, (uint32) (build->cell_start[leaf + 1] - start));
	}
	sort_parts(build);
}

/* Those halves of the parts listed that still have too many. */
void
vego_partition_list_halves(VegoPartition *build)
{
	uint32		count = build->part_count;
	VegoPart   *parts = build->parts;

	begin_parts(build);
	for (uint32 i = 0; i < count; i++)
	{
		uint32		half = parts[i].count / 2;

		list_part(build, parts[i].start, half);
		list_part(build, parts[i].start + half, parts[i].count - half);
	}
	vego_array_free(build, parts);
	sort_parts(build);
}

/* Where no more is to be cut, members are in order. */
static void
settle_part(const VegoPartition *build, uint32 *members, uint32 count)
{
	if (count <= build->leaf_limit)
		qsort(members, count, sizeof(uint32), compare_positions);
}

/* Halves parts from .. to - 1. */
void
vego_partition_halve_parts(const VegoPartition *build, VegoWork *work,
						   uint32 from, uint32 to)
{
	for (uint32 i = from; i < to; i++)
	{
		uint32	   *members = build->members + build->parts[i].start;
		uint32		count = build->parts[i].count;
		uint32		half = count / 2;

		halve(build, work, members, count);
		settle_part(build, members, half);
		settle_part(build, members + half, count - half);
	}
}

/* Makes leaves of the parts of a leaf that was cut. */
static void
add_leaves(VegoPartition *build, uint64 start, uint32 count)
{
	if (count > build->leaf_limit)
	{
		add_leaves(build, start, count / 2);
		add_leaves(build, start + count / 2, count - count / 2);
	}
	else if (count > 0)
		build->leaf_start[build->leaf_count++] = start;
}

/* Numbers the leaves, and tells positions where they sit. */
void
vego_partition_seat_members(VegoPartition *build, VegoWork *work)
{
	int			per_row = build->leaves_a_row;
	uint64		total = (uint64) build->item_count * per_row;
	uint8	   *used = vego_allocate_zero(build->item_count, sizeof(uint8));

	/* parts of a cut leaf are at least half the limit */
	build->leaf_start = vego_array_new(build, build->cell_count +
									   2 * total / build->leaf_limit + 1,
									   sizeof(uint64));
	for (uint32 leaf = 0; leaf < build->cell_count; leaf++)
	{
		uint64		start = build->cell_start[leaf];
		uint64		count = build->cell_start[leaf + 1] - start;

		add_leaves(build, start, (uint32) count);
	}
	build->leaf_start[build->leaf_count] = total;
	vego_array_free(build, build->cell_start);

	build->leaves = vego_array_new(build, total, sizeof(uint32));
	build->seats = vego_array_new(build, total, sizeof(uint16));
	for (uint32 leaf = 0; leaf < build->leaf_count; leaf++)
	{
		uint64		start = build->leaf_start[leaf];

		for (uint64 at = start; at < build->leaf_start[leaf + 1]; at++)
		{
			uint32		p = build->members[at];
			uint64		i = (uint64) p * per_row + used[p]++;

			build->leaves[i] = leaf;
			build->seats[i] = (uint16) (at - start);
			vego_advance(work, 0, 1);
		}
	}
	pfree(used);
}
