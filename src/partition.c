/*
 * partition.c
 *	  How does a whole build find everyone's neighbours at once?
 *
 * In stages, each of which loops over leaves, rows or destinations, reads what
 * the stages before it have finished, and writes a part of the output that is
 * its own; so ranges of any stage can be handed to parallel workers:
 *
 *	 set_copies_aside	equal codes are one item
 *	 partition			items into leaves, several leaves each; leaf order
 *	 find_candidates	all pairs of a leaf, the nearest few of each member
 *	 choose_forward		the rule of graph_select.h, up to m links
 *	 link_back			links by destination, the rule again, up to 2m
 *	 link_beacons		inner product only: links to rows of large norm
 *	 hang_copies		equal codes return, each group a tree
 *	 attach				walk from the entry; whom it misses is attached
 *
 * Between partition and link_back an item is known by its position: its place
 * in leaf order among the items.  Nodes, in the finished level, are items in
 * the same order, with the copies of an item behind it.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "graph_select.h"
#include "partition.h"
#include "simd/kernels.h"

/* Of those who link to a node, how many it considers, for each it has room for. */
#define MOST_BACK_LINKS 8

/* Members of a leaf to aim for, and the most of them. */
#define LEAF_SIZE 1000
#define LEAF_LIMIT 2048

/* What the vectors of a leaf may take, so that a cache holds them. */
#define LEAF_BYTES (4 * 1024 * 1024)

/* Rows that a block takes at once. */
#define BLOCK_ROWS 24

/* Leaves a group of leaves aims for, and groups a row looks into. */
#define GROUP_LEAVES 64
#define GROUP_PROBES 6

/* A group of leaves has at most so many times what it aims for. */
#define MOST_SHARES 8

/* The sample: rows for each leaf or group of leaves, and rounds of k-means. */
#define SAMPLE_A_LEAF 32
#define KMEANS_ROUNDS 2

/* The most leaves a row is in. */
#define MAX_LEAVES_A_ROW 16

/* Rows assigned to leaves at once: what their packed codes may take. */
#define RANGE_BYTES (1024 * 1024)
#define RANGE_ROWS 4096

/* Home rows of a leaf are bisected until so few are left. */
#define ORDER_SIZE 16

/* Norms above this multiple of the usual one are drawn in. */
#define LARGEST_NORM 1e12

/* Work between two calls of the progress callback, in multiplications. */
#define REPORT_WORK (16 * 1024 * 1024)

/* What a distance costs outside of blocks, in distances within. */
#define LONE_DISTANCE 8

/* Members of a row's leaves that are candidates wherever they are. */
#define STRANGERS 4

#define NO_CANDIDATE PG_UINT16_MAX

/*
 * Beacons a node may choose from, how many it may choose for each of m, and by
 * what factor another one must have more in common with a beacon to hide it.
 */
#define BEACONS LEAF_LIMIT
#define BEACON_CANDIDATES 2
#define BEACON_SLACK 1.2

/* Norms above the median by less than this factor make no beacon. */
#define BEACON_NORM 1.05

/* ----------------------------------------------------------------
 *		Blocks: many vectors against many
 * ----------------------------------------------------------------
 */

/* Coded vectors as the rows of blocks. */
typedef struct Panel
{
	int8	   *codes;
	VegoBlockRow *factors;
} Panel;

/* Coded vectors as the columns of blocks. */
typedef struct Columns
{
	int			count;
	int			padded;			/* up to a multiple of VEGO_BLOCK_COLUMNS */
	uint8	   *packed;			/* packed_bytes a block */
	VegoBlockColumns *factors;
} Columns;

typedef struct Centroids
{
	int			count;
	uint8	   *codes;			/* a byte a dimension */
	VegoFactors *factors;		/* of the scaled vector */
	float	   *lifts;
	Columns		columns;
} Centroids;

/* Leaves in two levels: groups of leaves that are near each other. */
typedef struct LeafTree
{
	Centroids	groups;
	Centroids  *leaves;			/* of each group */
	uint32	   *first_leaf;		/* of each group */
	uint32		leaf_count;
} LeafTree;

/* What one process needs to work on blocks. */
typedef struct Scratch
{
	uint8	   *bytes;			/* VEGO_BLOCK_COLUMNS codes, a byte a dimension */
	int32	   *dots;			/* BLOCK_ROWS x VEGO_BLOCK_COLUMNS */
	float	   *distances;		/* BLOCK_ROWS x widest */
	float	   *minima;
	uint16	   *below;
	uint64	   *keys;
	float	   *values;			/* L1: a decoded row */
} Scratch;

typedef struct Build
{
	const VegoRows *rows;
	const uint32 *subset;
	uint32		count;
	const VegoCoder *coder;
	const VegoPartitionOptions *options;
	VegoCoder	plain;			/* for centroids: L2, 8 bits, no centre */
	VegoCoder	near;			/* the same codes under L2 */
	double		scale;			/* of vectors in blocks, a power of two */
	double		usual_norm;		/* the median of a few */
	size_t		stride;			/* of a panel's codes */
	size_t		packed_bytes;	/* of a block of columns */

	/* the plan */
	int			leaf_size;
	int			leaf_limit;
	int			leaves_a_row;
	int			candidates_a_leaf;
	int			widest;			/* columns a row of a block may meet */
	Scratch		scratch;

	/* items: the first of each group of equal codes, by index in the subset */
	uint32		item_count;
	uint32	   *items;			/* by position after partition */
	uint32		copy_count;
	uint32	   *copies;			/* by index in the subset, ... */
	uint32	   *copied;			/* ... and of which item */
	uint32	   *nodes;			/* of each position; one more than positions */

	/* the partition */
	uint32		leaf_count;
	uint64	   *leaf_start;		/* leaf_count + 1 places in members */
	uint32	   *members;		/* positions */
	uint32	   *leaves;			/* of each position, leaves_a_row of them ... */
	uint16	   *seats;			/* ... and its place there */

	/* candidates of each place, nearest first */
	uint16	   *candidates;		/* places in the leaf, or NO_CANDIDATE */
	float	   *distances;		/* scaled */

	/* forward links of each position, m apart, nearest first */
	uint8	   *forward_degrees;
	uint32	   *forward;
	float	   *forward_distances;

	int			phase;
	int64		done;
	int64		total;
	int64		unreported;
} Build;

static void *
allocate(size_t count, size_t size)
{
	return palloc_extended(Max(count * size, 1), MCXT_ALLOC_HUGE);
}

/* Children of a node in the tree of copies of an item. */
static uint32
copy_fanout(const Build *build)
{
	return Max(1, build->options->m / 2);
}

static void
begin_phase(Build *build, int phase, int64 total)
{
	build->phase = phase;
	build->done = 0;
	build->total = total;
	build->unreported = REPORT_WORK;
}

/* Some units are done, which took so many distances, or as much time. */
static void
advance(Build *build, int64 units, double distances)
{
	build->done += units;
	build->unreported += (int64) (distances * (build->coder->dims + 32)) + 1;
	if (build->unreported < REPORT_WORK)
		return;
	build->unreported = 0;
	if (build->options->progress)
		build->options->progress(build->options->progress_arg, build->phase,
								 build->done, build->total);
}

static uint64
next_random(uint64 *state)
{
	uint64		z = (*state += UINT64CONST(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static uint32
item_row(const Build *build, uint32 item)
{
	return build->subset ? build->subset[item] : item;
}

static const uint8 *
item_code(const Build *build, uint32 item)
{
	return build->rows->codes +
		(size_t) item_row(build, item) * build->coder->code_bytes;
}

static const VegoFactors *
item_factors(const Build *build, uint32 item)
{
	return &build->rows->factors[item_row(build, item)];
}

/*
 * Scaled distance of two entries of build->items, for grouping: L2 whatever
 * the metric.
 */
static float
index_distance(const Build *build, uint32 a, uint32 b)
{
	double		distance;

	a = build->items[a];
	b = build->items[b];
	distance = build->scale * build->scale *
		vego_code_distance(&build->near,
						   item_factors(build, a), item_code(build, a),
						   item_factors(build, b), item_code(build, b));
	return (float) Min(distance, LARGEST_NORM * LARGEST_NORM);
}

/*
 * The lift, less that of the origin: distances know only differences, and this
 * one keeps its digits where the radius is far above the norms.
 */
static double
shifted_lift(const VegoCoder *coder, const VegoFactors *factors)
{
	double		norm = factors->norm;

	if (coder->metric != VEGO_INNER_PRODUCT || coder->radius <= 0.0)
		return 0.0;
	return -norm * norm / (coder->radius + vego_lift(coder, factors));
}

/*
 * What a block needs to know of a vector, scaled.  A vector far beyond the
 * usual ones is drawn in, lest its squares overflow; it stays the farthest.
 */
static VegoBlockRow
block_row(const VegoFactors *factors, int dims, double lift, double scale)
{
	double		norm = factors->norm * scale;
	double		rest = dims * ((double) factors->mean - factors->lo);
	VegoBlockRow row;

	if (norm > LARGEST_NORM)
	{
		scale *= LARGEST_NORM / norm;
		norm = LARGEST_NORM;
	}
	row.lo = (float) (factors->lo * scale);
	row.rest = (float) (rest * scale);
	row.step = (float) (factors->step * scale);
	row.lift = (float) (lift * scale);
	row.norm2 = (float) (norm * norm + lift * scale * lift * scale);
	return row;
}

static VegoBlockRow
item_block_row(const Build *build, uint32 item)
{
	const VegoFactors *factors = item_factors(build, item);

	return block_row(factors, build->coder->dims,
					 shifted_lift(build->coder, factors), build->scale);
}

static void
panel_init(const Build *build, Panel *panel, int count)
{
	panel->codes = allocate(count, build->stride);
	panel->factors = allocate(count, sizeof(VegoBlockRow));
}

static void
panel_free(Panel *panel)
{
	pfree(panel->codes);
	pfree(panel->factors);
}

static void
columns_init(const Build *build, Columns *columns, int count)
{
	int			blocks = (count + VEGO_BLOCK_COLUMNS - 1) / VEGO_BLOCK_COLUMNS;

	columns->count = 0;
	columns->padded = 0;
	columns->packed = allocate(blocks, build->packed_bytes);
	columns->factors = allocate(blocks, sizeof(VegoBlockColumns));
	memset(columns->factors, 0, blocks * sizeof(VegoBlockColumns));
}

static void
columns_free(Columns *columns)
{
	pfree(columns->packed);
	pfree(columns->factors);
}

static void
columns_set_count(Columns *columns, int count)
{
	columns->count = count;
	columns->padded = TYPEALIGN(VEGO_BLOCK_COLUMNS, count);
}

static void
columns_set_factors(Columns *columns, int i, const VegoBlockRow *row)
{
	VegoBlockColumns *block = &columns->factors[i / VEGO_BLOCK_COLUMNS];
	int			lane = i % VEGO_BLOCK_COLUMNS;

	block->lo[lane] = row->lo;
	block->sum[lane] = row->rest;	/* plus n * lo, by columns_finish */
	block->step[lane] = row->step;
	block->norm2[lane] = row->norm2;
	block->lift[lane] = row->lift;
}

/* Columns have the sum of x where rows have the rest of it. */
static void
columns_sum(Columns *columns, int dims)
{
	for (int i = 0; i < columns->padded; i++)
	{
		VegoBlockColumns *block = &columns->factors[i / VEGO_BLOCK_COLUMNS];
		int			lane = i % VEGO_BLOCK_COLUMNS;

		block->sum[lane] += dims * block->lo[lane];
	}
}

/* Fills a panel, columns, or both (whatever is not NULL) with items. */
static void
gather(Build *build, const uint32 *items, int count, Panel *panel,
	   Columns *columns)
{
	int			dims = build->coder->dims;
	uint8	   *bytes = build->scratch.bytes;

	if (columns)
		columns_set_count(columns, count);

	for (int start = 0; start < count; start += VEGO_BLOCK_COLUMNS)
	{
		int			n = Min(VEGO_BLOCK_COLUMNS, count - start);

		for (int i = 0; i < n; i++)
			__builtin_prefetch(item_code(build, items[start + i]));
		for (int i = 0; i < n; i++)
		{
			uint32		item = items[start + i];
			VegoBlockRow row = item_block_row(build, item);

			vego_code_unpack(build->coder, item_code(build, item),
							 bytes + (size_t) i * dims);
			if (panel)
				panel->factors[start + i] = row;
			if (columns)
				columns_set_factors(columns, start + i, &row);
		}
		if (panel)
			vego_block_pack_rows(bytes, dims, n, dims,
								 panel->codes + start * build->stride);
		if (columns)
			vego_block_pack_columns(bytes, dims, n, dims, columns->packed +
									start / VEGO_BLOCK_COLUMNS * build->packed_bytes);
	}
	if (columns)
		columns_sum(columns, dims);
}

/*
 * Distances of up to BLOCK_ROWS rows of a panel from all columns: into the
 * scratch, `padded` apart, infinite in the padding.
 */
static void
block_distances(Build *build, const Panel *panel, int first, int row_count,
				const Columns *columns)
{
	int			dims = build->coder->dims;
	Scratch    *scratch = &build->scratch;

	for (int start = 0; start < columns->padded; start += VEGO_BLOCK_COLUMNS)
	{
		int			block = start / VEGO_BLOCK_COLUMNS;

		vego_kernels->block_dots(panel->codes + first * build->stride,
								 row_count,
								 columns->packed + block * build->packed_bytes,
								 dims, scratch->dots);
		for (int r = 0; r < row_count; r++)
			vego_kernels->block_distances(scratch->dots + r * VEGO_BLOCK_COLUMNS,
										  &panel->factors[first + r],
										  &columns->factors[block],
										  scratch->distances +
										  (size_t) r * columns->padded + start);
	}
	for (int r = 0; r < row_count; r++)
		for (int c = columns->count; c < columns->padded; c++)
			scratch->distances[(size_t) r * columns->padded + c] = INFINITY;
}

/* ----------------------------------------------------------------
 *		The nearest of many
 * ----------------------------------------------------------------
 */

/*
 * A distance and who is that far, in one number that sorts by both.  Floats
 * that are not negative sort like their bits.
 */
static inline uint64
make_key(float distance, uint32 id)
{
	uint32		bits;

	memcpy(&bits, &distance, sizeof(bits));
	return ((uint64) bits << 32) | id;
}

static inline float
key_distance(uint64 key)
{
	uint32		bits = (uint32) (key >> 32);
	float		distance;

	memcpy(&distance, &bits, sizeof(distance));
	return distance;
}

static inline uint32
key_id(uint64 key)
{
	return (uint32) key;
}

#define ST_SORT sort_many_keys
#define ST_ELEMENT_TYPE uint64
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static void
sort_keys(uint64 *keys, int count)
{
	if (count > 48)
	{
		sort_many_keys(keys, count);
		return;
	}
	for (int i = 1; i < count; i++)
	{
		uint64		key = keys[i];
		int			j = i;

		for (; j > 0 && keys[j - 1] > key; j--)
			keys[j] = keys[j - 1];
		keys[j] = key;
	}
}

/* The value that `rank` others are below, of values that may be reordered. */
static float
value_of_rank(float *values, int count, int rank)
{
	int			low = 0;
	int			high = count - 1;

	while (low < high)
	{
		float		pivot = values[(low + high) / 2];
		int			i = low;
		int			j = high;

		while (i <= j)
		{
			while (values[i] < pivot)
				i++;
			while (pivot < values[j])
				j--;
			if (i <= j)
			{
				float		swap = values[i];

				values[i++] = values[j];
				values[j--] = swap;
			}
		}
		if (rank <= j)
			high = j;
		else if (rank >= i)
			low = i;
		else
			break;
	}
	return values[rank];
}

/* Element by element, the lesser one; written so that compilers vectorize it. */
static inline void
lower_to(float *restrict minima, const float *restrict values)
{
	for (int i = 0; i < VEGO_BLOCK_COLUMNS; i++)
		minima[i] = values[i] < minima[i] ? values[i] : minima[i];
}

/*
 * A value that at least `wanted` of the values are not above, and few more.
 *
 * Values are dealt into at least twice as many hands as are wanted; the least
 * of each hand is a value, so the wanted-th of these least ones will do.
 */
static float
nearly_rank(Scratch *scratch, const float *values, int count, int wanted)
{
	int			hands = TYPEALIGN(VEGO_BLOCK_COLUMNS, 2 * wanted);
	float	   *minima = scratch->minima;

	Assert(count % VEGO_BLOCK_COLUMNS == 0);
	if (hands >= count)
		hands = count;
	memcpy(minima, values, hands * sizeof(float));
	for (int start = hands, hand = 0; start < count;
		 start += VEGO_BLOCK_COLUMNS, hand += VEGO_BLOCK_COLUMNS)
	{
		if (hand == hands)
			hand = 0;
		lower_to(minima + hand, values + start);
	}
	return value_of_rank(minima, hands, Min(wanted, hands) - 1);
}

/*
 * Writes the keys of the `wanted` nearest finite values to scratch->keys,
 * nearest first, and returns how many there are.  Count is a multiple of
 * VEGO_BLOCK_COLUMNS.  Of equal values those after `from` come first, so that
 * not everyone prefers the same.
 */
static int
nearest(Scratch *scratch, const float *values, int count, int wanted, int from)
{
	float		limit = nearly_rank(scratch, values, count, wanted);
	float		above = limit < FLT_MAX ? nextafterf(limit, INFINITY) : INFINITY;
	uint16	   *below = scratch->below;
	uint64	   *keys = scratch->keys;
	int			found = vego_kernels->below(values, count, above, below);
	int			taken = 0;

	if (found <= 4 * wanted)
	{
		for (int i = 0; i < found; i++)
			keys[taken++] = make_key(values[below[i]], below[i]);
	}
	else
	{
		/* many are as far as the limit: take no more of them than needed */
		int			first = 0;

		for (int i = 0; i < found; i++)
		{
			if (values[below[i]] < limit)
				keys[taken++] = make_key(values[below[i]], below[i]);
			first += below[i] < from;
		}
		for (int i = 0; i < found && taken < wanted; i++)
		{
			int			place = below[(first + i) % found];

			if (!(values[place] < limit))
				keys[taken++] = make_key(values[place], place);
		}
	}
	sort_keys(keys, taken);
	return Min(taken, wanted);
}

/* ----------------------------------------------------------------
 *		Equal codes
 * ----------------------------------------------------------------
 */

/*
 * A thousand rows with one code would be each other's only neighbours, and a
 * leaf of them has no shape to be split by.  So one of them stands for all.
 */
static void
set_copies_aside(Build *build)
{
	typedef struct Entry
	{
		uint32		tag;
		uint32		item;		/* index in items, plus one; 0 is free */
	} Entry;
	int			code_bytes = build->coder->code_bytes;
	uint64		size = 16;
	Entry	   *table;

	while (size < 2 * (uint64) build->count)
		size *= 2;
	table = palloc_extended(size * sizeof(Entry),
							MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	build->items = allocate(build->count, sizeof(uint32));

	for (uint32 i = 0; i < build->count; i++)
	{
		const VegoFactors *factors = item_factors(build, i);
		const uint8 *code = item_code(build, i);
		uint64		hash = hash_bytes_extended(code, code_bytes, 0);
		uint64		slot;

		hash = hash_bytes_extended((const unsigned char *) factors,
								   sizeof(VegoFactors), hash);
		for (slot = hash & (size - 1); table[slot].item != 0;
			 slot = (slot + 1) & (size - 1))
		{
			uint32		other = build->items[table[slot].item - 1];

			if (table[slot].tag == (uint32) (hash >> 32) &&
				memcmp(item_factors(build, other), factors,
					   sizeof(VegoFactors)) == 0 &&
				memcmp(item_code(build, other), code, code_bytes) == 0)
				break;
		}
		if (table[slot].item == 0)
		{
			build->items[build->item_count++] = i;
			table[slot].tag = (uint32) (hash >> 32);
			table[slot].item = build->item_count;
		}
		else
		{
			if (build->copies == NULL)
			{
				build->copies = allocate(build->count, sizeof(uint32));
				build->copied = allocate(build->count, sizeof(uint32));
			}
			build->copies[build->copy_count] = i;
			build->copied[build->copy_count++] =
				build->items[table[slot].item - 1];
		}
		advance(build, 0, LONE_DISTANCE);
	}
	pfree(table);
}

/* ----------------------------------------------------------------
 *		Centroids
 * ----------------------------------------------------------------
 */

static void
centroids_init(const Build *build, Centroids *centroids, int count)
{
	centroids->count = count;
	centroids->codes = allocate(count, build->coder->dims);
	centroids->factors = allocate(count, sizeof(VegoFactors));
	centroids->lifts = allocate(count, sizeof(float));
	columns_init(build, &centroids->columns, count);
}

/* Makes the centroid the (scaled) vector of these values. */
static void
set_centroid(const Build *build, Centroids *centroids, int i,
			 const float *values, float lift, float *values_scratch)
{
	vego_encode(&build->plain, values, values_scratch, &centroids->factors[i],
				centroids->codes + (size_t) i * build->coder->dims);
	centroids->lifts[i] = lift;
}

/* Lays the centroids out as columns. */
static void
pack_centroids(const Build *build, Centroids *centroids)
{
	int			dims = build->coder->dims;
	Columns    *columns = &centroids->columns;

	columns_set_count(columns, centroids->count);
	for (int start = 0; start < centroids->count; start += VEGO_BLOCK_COLUMNS)
	{
		int			n = Min(VEGO_BLOCK_COLUMNS, centroids->count - start);

		for (int i = start; i < start + n; i++)
		{
			VegoBlockRow row = block_row(&centroids->factors[i], dims,
										 centroids->lifts[i], 1.0);

			columns_set_factors(columns, i, &row);
		}
		vego_block_pack_columns(centroids->codes + (size_t) start * dims, dims,
								n, dims, columns->packed +
								start / VEGO_BLOCK_COLUMNS * build->packed_bytes);
	}
	columns_sum(columns, dims);
}

static double
centroid_distance(const Build *build, const Centroids *a, int i,
				  const Centroids *b, int j)
{
	size_t		dims = build->coder->dims;
	double		lift = a->lifts[i] - b->lifts[j];

	return lift * lift +
		vego_code_distance(&build->plain,
						   &a->factors[i], a->codes + i * dims,
						   &b->factors[j], b->codes + j * dims);
}

static void
swap_centroids(const Build *build, Centroids *centroids, int i, int j)
{
	size_t		dims = build->coder->dims;
	uint8	   *a = centroids->codes + i * dims;
	uint8	   *b = centroids->codes + j * dims;
	VegoFactors factors = centroids->factors[i];
	float		lift = centroids->lifts[i];

	for (size_t d = 0; d < dims; d++)
	{
		uint8		byte = a[d];

		a[d] = b[d];
		b[d] = byte;
	}
	centroids->factors[i] = centroids->factors[j];
	centroids->factors[j] = factors;
	centroids->lifts[i] = centroids->lifts[j];
	centroids->lifts[j] = lift;
}

/*
 * Reorders centroids so that each is followed by the nearest of the rest,
 * beginning near the last one of `before` (which may be NULL).
 */
static void
chain_centroids(Build *build, Centroids *centroids, const Centroids *before)
{
	for (int i = 0; i < centroids->count; i++)
	{
		const Centroids *from = i > 0 ? centroids : before;
		int			best = i;
		double		best_distance = DBL_MAX;

		if (from == NULL)
			continue;
		for (int j = i; j < centroids->count; j++)
		{
			double		distance = centroid_distance(build, from,
													 i > 0 ? i - 1 : from->count - 1,
													 centroids, j);

			if (distance < best_distance)
			{
				best_distance = distance;
				best = j;
			}
		}
		if (best != i)
			swap_centroids(build, centroids, i, best);
		advance(build, 0, LONE_DISTANCE * (double) (centroids->count - i));
	}
}

/* The nearest of the centroids for each of the items. */
static void
nearest_centroids(Build *build, const uint32 *items, int count,
				  const Centroids *centroids, int *nearest_of)
{
	int			padded = centroids->columns.padded;
	Panel		panel;

	panel_init(build, &panel, BLOCK_ROWS);
	for (int start = 0; start < count; start += BLOCK_ROWS)
	{
		int			n = Min(BLOCK_ROWS, count - start);

		gather(build, items + start, n, &panel, NULL);
		block_distances(build, &panel, 0, n, &centroids->columns);
		for (int r = 0; r < n; r++)
		{
			const float *distances = build->scratch.distances + (size_t) r * padded;
			int			best = 0;

			for (int c = 1; c < centroids->count; c++)
				if (distances[c] < distances[best])
					best = c;
			nearest_of[start + r] = best;
		}
		advance(build, 0, (double) n * padded);
	}
	panel_free(&panel);
}

/*
 * Lloyd's k-means, few rounds, over items in random order.  Makes `wanted`
 * centroids or as many as there are items.
 */
static void
kmeans(Build *build, const uint32 *items, int count, int wanted,
	   Centroids *centroids)
{
	int			dims = build->coder->dims;
	int			k = Min(wanted, count);
	int		   *nearest_of = allocate(count, sizeof(int));
	int		   *counts = allocate(k, sizeof(int));
	double	   *lifts = allocate(k, sizeof(double));
	float	   *sums = allocate((size_t) k * dims, sizeof(float));
	float	   *decoded = allocate(dims, sizeof(float));

	centroids_init(build, centroids, k);

	/* round 0 makes centroids of the first k items themselves */
	for (int round = 0; round <= KMEANS_ROUNDS; round++)
	{
		if (round > 0)
			nearest_centroids(build, items, count, centroids, nearest_of);
		memset(counts, 0, k * sizeof(int));
		memset(lifts, 0, k * sizeof(double));
		memset(sums, 0, (size_t) k * dims * sizeof(float));
		for (int i = 0; i < (round > 0 ? count : k); i++)
		{
			int			c = round > 0 ? nearest_of[i] : i;
			const VegoFactors *factors = item_factors(build, items[i]);
			float	   *sum = sums + (size_t) c * dims;
			VegoBlockRow row = item_block_row(build, items[i]);
			double		shrink = factors->norm * build->scale > LARGEST_NORM ?
				LARGEST_NORM / factors->norm : build->scale;

			vego_decode(build->coder, factors, item_code(build, items[i]),
						decoded);
			for (int d = 0; d < dims; d++)
				sum[d] += (float) (decoded[d] * shrink);
			lifts[c] += row.lift;
			counts[c]++;
			advance(build, 0, LONE_DISTANCE);
		}
		for (int c = 0; c < k; c++)
		{
			float	   *sum = sums + (size_t) c * dims;

			if (counts[c] == 0)
				continue;		/* stays where it was */
			for (int d = 0; d < dims; d++)
				sum[d] /= counts[c];
			set_centroid(build, centroids, c, sum, lifts[c] / counts[c],
						 decoded);
		}
		pack_centroids(build, centroids);
	}
	pfree(nearest_of);
	pfree(counts);
	pfree(lifts);
	pfree(sums);
	pfree(decoded);
}

/* ----------------------------------------------------------------
 *		Leaves
 * ----------------------------------------------------------------
 */

/* Items for k-means: one of each of `wanted` equal stretches, shuffled. */
static uint32 *
sample_items(Build *build, uint32 wanted, uint64 *random)
{
	uint32	   *sample = allocate(wanted, sizeof(uint32));

	for (uint32 i = 0; i < wanted; i++)
	{
		uint64		from = (uint64) build->item_count * i / wanted;
		uint64		to = (uint64) build->item_count * (i + 1) / wanted;

		sample[i] = build->items[from + next_random(random) % (to - from)];
	}
	for (uint32 i = wanted; i > 1; i--)
	{
		uint32		j = next_random(random) % i;
		uint32		item = sample[i - 1];

		sample[i - 1] = sample[j];
		sample[j] = item;
	}
	return sample;
}

/* Groups items by group number (counting sort); starts has one more entry. */
static void
group_items(const uint32 *items, const int *groups, int count,
			int group_count, uint32 *grouped, int *starts)
{
	memset(starts, 0, (group_count + 1) * sizeof(int));
	for (int i = 0; i < count; i++)
		starts[groups[i] + 1]++;
	for (int g = 0; g < group_count; g++)
		starts[g + 1] += starts[g];
	for (int i = 0; i < count; i++)
		grouped[starts[groups[i]]++] = items[i];
	for (int g = group_count; g > 0; g--)
		starts[g] = starts[g - 1];
	starts[0] = 0;
}

/* Plants the tree of about so many leaves. */
static void
grow_tree(Build *build, uint32 wanted, LeafTree *tree)
{
	int			groups = (wanted + GROUP_LEAVES - 1) / GROUP_LEAVES;
	uint32		sampled = Min(build->item_count, wanted * SAMPLE_A_LEAF);
	uint64		random = build->options->seed;
	uint32	   *sample = sample_items(build, sampled, &random);
	uint32	   *grouped = allocate(sampled, sizeof(uint32));
	int		   *group_of = allocate(sampled, sizeof(int));
	int		   *starts;

	kmeans(build, sample, Min(sampled, groups * SAMPLE_A_LEAF * 2), groups,
		   &tree->groups);
	groups = tree->groups.count;
	chain_centroids(build, &tree->groups, NULL);
	pack_centroids(build, &tree->groups);
	nearest_centroids(build, sample, sampled, &tree->groups, group_of);

	starts = allocate(groups + 1, sizeof(int));
	group_items(sample, group_of, sampled, groups, grouped, starts);
	tree->leaves = allocate(groups, sizeof(Centroids));
	tree->first_leaf = allocate(groups, sizeof(uint32));
	tree->leaf_count = 0;
	for (int g = 0; g < groups; g++)
	{
		Centroids  *leaves = &tree->leaves[g];
		int			n = starts[g + 1] - starts[g];
		int			share = (int) rint((double) wanted * n / sampled);

		/* a group that no sampled row is nearest to keeps one leaf */
		tree->first_leaf[g] = tree->leaf_count;
		if (n > 0)
		{
			kmeans(build, grouped + starts[g], n,
				   Min(Max(share, 1), GROUP_LEAVES * MOST_SHARES), leaves);
			chain_centroids(build, leaves, g > 0 ? leaves - 1 : NULL);
			pack_centroids(build, leaves);
		}
		else
		{
			size_t		dims = build->coder->dims;

			centroids_init(build, leaves, 1);
			memcpy(leaves->codes, tree->groups.codes + g * dims, dims);
			leaves->factors[0] = tree->groups.factors[g];
			leaves->lifts[0] = tree->groups.lifts[g];
			pack_centroids(build, leaves);
		}
		tree->leaf_count += leaves->count;
	}
	pfree(sample);
	pfree(grouped);
	pfree(group_of);
	pfree(starts);
}

/* Puts a key into a sorted list of `length`, whose last one falls out. */
static void
offer_key(uint64 *list, int length, uint64 key)
{
	int			i = length - 1;

	if (list[i] <= key)
		return;
	for (; i > 0 && list[i - 1] > key; i--)
		list[i] = list[i - 1];
	list[i] = key;
}

/*
 * Writes the nearest leaves of a range of items, leaves_a_row each, nearest
 * first.
 *
 * An item looks into the leaves of its nearest groups.  That goes by rounds:
 * the nearest group of every item, then the next ones; most leaves of later
 * rounds are beyond what was found before.
 */
static void
assign_range(Build *build, const LeafTree *tree, const uint32 *items,
			 int count, uint32 *leaf_of)
{
	Scratch    *scratch = &build->scratch;
	int			per_row = build->leaves_a_row;
	int			groups = tree->groups.count;
	int			probes = Min(groups, GROUP_PROBES);
	int		   *probe = allocate((size_t) count * probes, sizeof(int));
	uint32	   *indexes = allocate(count, sizeof(uint32));
	uint32	   *grouped = allocate(count, sizeof(uint32));
	int		   *starts = allocate(groups + 1, sizeof(int));
	uint64	   *lists = allocate((size_t) count * per_row, sizeof(uint64));
	Panel		range;
	Panel		some;

	panel_init(build, &range, count);
	panel_init(build, &some, BLOCK_ROWS);
	gather(build, items, count, &range, NULL);
	memset(lists, 0xFF, (size_t) count * per_row * sizeof(uint64));

	for (int start = 0; start < count; start += BLOCK_ROWS)
	{
		int			n = Min(BLOCK_ROWS, count - start);
		int			padded = tree->groups.columns.padded;

		block_distances(build, &range, start, n, &tree->groups.columns);
		for (int r = 0; r < n; r++)
		{
			int			found = nearest(scratch, scratch->distances + (size_t) r * padded,
										padded, probes, 0);

			for (int p = 0; p < probes; p++)
				probe[p * count + start + r] =
					p < found ? (int) key_id(scratch->keys[p]) : -1;
			indexes[start + r] = start + r;
		}
		advance(build, 0, (double) n * padded);
	}

	for (int p = 0; p < probes; p++)
	{
		/* distances are finite, so everyone has found all its probes */
		group_items(indexes, probe + (size_t) p * count, count, groups, grouped,
					starts);
		for (int g = 0; g < groups; g++)
		{
			const Columns *columns = &tree->leaves[g].columns;

			for (int start = starts[g]; start < starts[g + 1]; start += BLOCK_ROWS)
			{
				int			n = Min(BLOCK_ROWS, starts[g + 1] - start);

				for (int r = 0; r < n; r++)
				{
					uint32		i = grouped[start + r];

					memcpy(some.codes + r * build->stride,
						   range.codes + i * build->stride, build->stride);
					some.factors[r] = range.factors[i];
				}
				block_distances(build, &some, 0, n, columns);
				for (int r = 0; r < n; r++)
				{
					uint64	   *list = lists + (size_t) grouped[start + r] * per_row;
					const float *distances = scratch->distances +
						(size_t) r * columns->padded;
					uint64		last = list[per_row - 1];
					int			found;

					found = vego_kernels->below(distances, columns->padded,
												last == PG_UINT64_MAX ? INFINITY :
												key_distance(last),
												scratch->below);
					for (int i = 0; i < found; i++)
						offer_key(list, per_row,
								  make_key(distances[scratch->below[i]],
										   tree->first_leaf[g] + scratch->below[i]));
				}
				advance(build, 0, (double) n * columns->padded);
			}
		}
	}

	for (int i = 0; i < count * per_row; i++)
		leaf_of[i] = key_id(lists[i]);

	panel_free(&range);
	panel_free(&some);
	pfree(probe);
	pfree(indexes);
	pfree(grouped);
	pfree(starts);
	pfree(lists);
}

/*
 * Reorders indexes of items so that near ones are near: halved by which of two
 * far-off members they are nearer to, and the halves again, until no part is
 * larger than the limit.  Halves are equal whatever the distances, so that
 * this ends soon.
 */
static void
bisect(Build *build, uint32 *indexes, uint32 count, uint32 limit)
{
	uint32		a = indexes[0];
	uint32		b = a;
	uint64	   *keys;
	float	   *from_b;

	if (count <= limit)
		return;

	keys = allocate(count, sizeof(uint64));
	from_b = allocate(count, sizeof(float));
	for (int pass = 0; pass < 2; pass++)
	{
		float		farthest = -1.0f;

		b = a;
		for (uint32 i = 0; i < count; i++)
		{
			from_b[i] = index_distance(build, indexes[i], b);
			if (from_b[i] > farthest)
			{
				farthest = from_b[i];
				a = indexes[i];
			}
		}
	}
	for (uint32 i = 0; i < count; i++)
	{
		float		balance = index_distance(build, indexes[i], a) - from_b[i];
		uint32		bits;

		/* floats of either sign, made to sort by their bits */
		memcpy(&bits, &balance, sizeof(bits));
		bits ^= (bits >> 31) ? PG_UINT32_MAX : 0x80000000;
		keys[i] = ((uint64) bits << 32) | indexes[i];
	}
	sort_keys(keys, count);
	for (uint32 i = 0; i < count; i++)
		indexes[i] = key_id(keys[i]);
	pfree(keys);
	pfree(from_b);
	advance(build, 0, 3.0 * LONE_DISTANCE * count);

	bisect(build, indexes, count / 2, limit);
	bisect(build, indexes + count / 2, count - count / 2, limit);
}

/* Puts items into leaf order: by home leaf, and near ones together within. */
static void
order_items(Build *build, uint32 *leaf_of, uint32 base_leaves)
{
	uint32		n = build->item_count;
	int			per_row = build->leaves_a_row;
	uint32	   *starts = palloc_extended((base_leaves + 1) * sizeof(uint32),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	uint32	   *order = allocate(n, sizeof(uint32));
	uint32	   *copy = allocate((size_t) n * per_row, sizeof(uint32));

	for (uint32 i = 0; i < n; i++)
	{
		starts[leaf_of[(size_t) i * per_row] + 1]++;
		advance(build, 0, 1);
	}
	for (uint32 leaf = 0; leaf < base_leaves; leaf++)
		starts[leaf + 1] += starts[leaf];
	for (uint32 i = 0; i < n; i++)
	{
		order[starts[leaf_of[(size_t) i * per_row]]++] = i;
		advance(build, 0, 1);
	}

	/* now each leaf's start is where it ends */
	for (uint32 leaf = 0; leaf < base_leaves; leaf++)
	{
		uint32		from = leaf > 0 ? starts[leaf - 1] : 0;

		if (starts[leaf] > from)
			bisect(build, order + from, starts[leaf] - from, ORDER_SIZE);
	}

	memcpy(copy, leaf_of, (size_t) n * per_row * sizeof(uint32));
	for (uint32 p = 0; p < n; p++)
	{
		memcpy(leaf_of + (size_t) p * per_row,
			   copy + (size_t) order[p] * per_row, per_row * sizeof(uint32));
		advance(build, 0, 1);
	}
	memcpy(copy, build->items, (size_t) n * sizeof(uint32));
	for (uint32 p = 0; p < n; p++)
	{
		build->items[p] = copy[order[p]];
		advance(build, 0, 1);
	}

	pfree(starts);
	pfree(order);
	pfree(copy);
}

static int
compare_positions(const void *a, const void *b)
{
	uint32		pa = *(const uint32 *) a;
	uint32		pb = *(const uint32 *) b;

	return pa < pb ? -1 : pa > pb;
}

/* Makes leaves of bisected members, cut where they were bisected. */
static void
cut_leaf(Build *build, uint64 from, uint32 size)
{
	if (size > build->leaf_limit)
	{
		cut_leaf(build, from, size / 2);
		cut_leaf(build, from + size / 2, size - size / 2);
		return;
	}
	qsort(build->members + from, size, sizeof(uint32), compare_positions);
	build->leaf_start[build->leaf_count++] = from;
}

/*
 * Fills leaves with the positions of their members, in order.  A leaf that has
 * too many is cut.
 */
static void
fill_leaves(Build *build, const uint32 *leaf_of, uint32 base_leaves)
{
	uint32		n = build->item_count;
	int			per_row = build->leaves_a_row;
	uint64		total = (uint64) n * per_row;
	uint64	   *starts = palloc_extended((base_leaves + 1) * sizeof(uint64),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	uint8	   *used = palloc_extended(n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	build->members = allocate(total, sizeof(uint32));
	for (uint64 i = 0; i < total; i++)
	{
		starts[leaf_of[i] + 1]++;
		advance(build, 0, 1);
	}
	for (uint32 leaf = 0; leaf < base_leaves; leaf++)
		starts[leaf + 1] += starts[leaf];
	for (uint64 i = 0; i < total; i++)
	{
		build->members[starts[leaf_of[i]]++] = (uint32) (i / per_row);
		advance(build, 0, 1);
	}

	/* parts of a cut leaf are above half the limit */
	build->leaf_start = allocate(base_leaves + 2 * total / build->leaf_limit + 1,
								 sizeof(uint64));
	build->leaf_count = 0;
	for (uint32 leaf = 0; leaf < base_leaves; leaf++)
	{
		uint64		from = leaf > 0 ? starts[leaf - 1] : 0;
		uint32		size = (uint32) (starts[leaf] - from);

		if (size > build->leaf_limit)
			bisect(build, build->members + from, size, build->leaf_limit);
		if (size > 0)
			cut_leaf(build, from, size);
	}
	build->leaf_start[build->leaf_count] = total;

	build->leaves = allocate(total, sizeof(uint32));
	build->seats = allocate(total, sizeof(uint16));
	for (uint32 leaf = 0; leaf < build->leaf_count; leaf++)
	{
		uint64		from = build->leaf_start[leaf];

		for (uint64 place = from; place < build->leaf_start[leaf + 1]; place++)
		{
			uint32		position = build->members[place];
			uint64		i = (uint64) position * per_row + used[position]++;

			build->leaves[i] = leaf;
			build->seats[i] = (uint16) (place - from);
			advance(build, 0, 1);
		}
	}
	pfree(starts);
	pfree(used);
}

static void
partition(Build *build)
{
	uint32		n = build->item_count;
	int			per_row = build->leaves_a_row;
	uint32	   *leaf_of = allocate((size_t) n * per_row, sizeof(uint32));
	uint32		base_leaves = 1;

	if (per_row == 1)
		memset(leaf_of, 0, n * sizeof(uint32));
	else
	{
		LeafTree	tree;
		uint32		range = (uint32) Max(BLOCK_ROWS,
										 Min(RANGE_ROWS, RANGE_BYTES / build->stride));

		grow_tree(build, (uint32) (((uint64) n * per_row + build->leaf_size - 1) /
								   build->leaf_size), &tree);
		base_leaves = tree.leaf_count;
		for (uint32 start = 0; start < n; start += range)
		{
			uint32		count = Min(range, n - start);

			assign_range(build, &tree, build->items + start, (int) count,
						 leaf_of + (size_t) start * per_row);
			advance(build, count, 0);
		}
	}
	order_items(build, leaf_of, base_leaves);
	fill_leaves(build, leaf_of, base_leaves);
	pfree(leaf_of);
}

/* ----------------------------------------------------------------
 *		Candidates: all pairs of a leaf
 * ----------------------------------------------------------------
 */

/* Writes what scratch->keys holds as the candidates of a place. */
static void
store_candidates(Build *build, uint64 place, int count)
{
	size_t		at = place * build->candidates_a_leaf;

	for (int i = 0; i < build->candidates_a_leaf; i++)
	{
		if (i < count)
		{
			build->candidates[at + i] = (uint16) key_id(build->scratch.keys[i]);
			build->distances[at + i] = key_distance(build->scratch.keys[i]);
		}
		else
			build->candidates[at + i] = NO_CANDIDATE;
	}
}

/* L1 has no dot product: rows are decoded and compared with codes. */
static void
l1_distances(Build *build, const uint32 *items, int self, int count)
{
	const VegoCoder *coder = build->coder;
	Scratch    *scratch = &build->scratch;
	int			padded = TYPEALIGN(VEGO_BLOCK_COLUMNS, count);

	vego_decode(coder, item_factors(build, items[self]),
				item_code(build, items[self]), scratch->values);
	for (int i = 0; i < coder->dims; i++)
		scratch->values[i] *= build->scale;
	for (int c = 0; c < count; c++)
	{
		const VegoFactors *factors = item_factors(build, items[c]);
		float		lo = (float) (factors->lo * build->scale);
		float		step = (float) (factors->step * build->scale);

		scratch->distances[c] = coder->bits == 8 ?
			vego_kernels->query_l1_8(item_code(build, items[c]),
									 scratch->values, lo, step, coder->dims) :
			vego_kernels->query_l1_4(item_code(build, items[c]),
									 scratch->values, lo, step, coder->dims);
	}
	for (int c = count; c < padded; c++)
		scratch->distances[c] = INFINITY;
}

static void
find_leaf_candidates(Build *build, uint32 leaf, Panel *panel,
					 Columns *columns, uint32 *items)
{
	uint64		from = build->leaf_start[leaf];
	int			count = (int) (build->leaf_start[leaf + 1] - from);
	int			padded = TYPEALIGN(VEGO_BLOCK_COLUMNS, count);
	bool		by_blocks = build->coder->metric != VEGO_L1;
	int			rows_at_once = by_blocks ? BLOCK_ROWS : 1;

	for (int i = 0; i < count; i++)
		items[i] = build->items[build->members[from + i]];
	if (by_blocks)
		gather(build, items, count, panel, columns);

	for (int start = 0; start < count; start += rows_at_once)
	{
		int			n = Min(rows_at_once, count - start);

		if (by_blocks)
			block_distances(build, panel, start, n, columns);
		else
			l1_distances(build, items, start, count);
		for (int r = 0; r < n; r++)
		{
			float	   *distances = build->scratch.distances + (size_t) r * padded;

			distances[start + r] = INFINITY;	/* nobody is its own neighbour */
			store_candidates(build, from + start + r,
							 nearest(&build->scratch, distances, padded,
									 build->candidates_a_leaf, start + r));
		}
		advance(build, 0, (double) n * padded *
				(by_blocks ? 1 : LONE_DISTANCE));
	}
	advance(build, 1, 0);
}

static void
find_candidates(Build *build)
{
	uint64		places = build->leaf_start[build->leaf_count];
	Panel		panel;
	Columns		columns;
	uint32	   *items = allocate(build->leaf_limit, sizeof(uint32));

	build->candidates = allocate(places * build->candidates_a_leaf,
								 sizeof(uint16));
	build->distances = allocate(places * build->candidates_a_leaf,
								sizeof(float));
	panel_init(build, &panel, build->leaf_limit);
	columns_init(build, &columns, build->leaf_limit);
	for (uint32 leaf = 0; leaf < build->leaf_count; leaf++)
		find_leaf_candidates(build, leaf, &panel, &columns, items);
	panel_free(&panel);
	columns_free(&columns);
	pfree(items);
}

/* ----------------------------------------------------------------
 *		Links
 * ----------------------------------------------------------------
 */

/* Merges two sorted lists of keys, once each; returns the length. */
static int
merge_keys(const uint64 *a, int a_count, const uint64 *b, int b_count,
		   uint64 *merged)
{
	int			i = 0;
	int			j = 0;
	int			count = 0;

	while (i < a_count && j < b_count)
	{
		uint64		key = Min(a[i], b[j]);

		i += a[i] == key;
		j += b[j] == key;
		merged[count++] = key;
	}
	while (i < a_count)
		merged[count++] = a[i++];
	while (j < b_count)
		merged[count++] = b[j++];
	return count;
}

/*
 * Applies the rule to keys of positions, nearest first; returns how many
 * remain, at the front.
 */
static int
select_keys(Build *build, uint64 *keys, int count, int limit,
			VegoCandidate *candidates)
{
	double		unscale = 1.0 / build->scale;
	int			chosen;

	if (build->coder->metric != VEGO_L1)
		unscale *= unscale;
	for (int i = 0; i < count; i++)
	{
		uint32		item = build->items[key_id(keys[i])];

		candidates[i].id = i;
		candidates[i].distance = key_distance(keys[i]) * unscale;
		candidates[i].factors = item_factors(build, item);
		candidates[i].code = item_code(build, item);
		candidates[i].binding = false;
		__builtin_prefetch(candidates[i].code);
		__builtin_prefetch(candidates[i].factors);
	}
	chosen = vego_select_neighbours(build->coder, candidates, count, limit);
	for (int i = 0; i < chosen; i++)
		keys[i] = keys[candidates[i].id];	/* ids grow */
	return chosen;
}

/*
 * Adds random members of the leaves of a position to its candidates, where
 * count of them are; returns the new count.
 *
 * In a tight cluster the nearest few are all of the cluster, and no link would
 * lead out of it.  Where rows are spread evenly strangers are seldom chosen,
 * for somebody nearer is on the way to them.
 */
static int
add_strangers(Build *build, uint32 position, uint64 *keys, int count)
{
	int			per_row = build->leaves_a_row;
	double		unit = build->coder->metric == VEGO_L1 ?
		build->scale : build->scale * build->scale;
	uint64		random = build->options->seed + ((uint64) position << 32);

	for (int i = 0; i < STRANGERS; i++)
	{
		uint32		leaf = build->leaves[(uint64) position * per_row + i % per_row];
		uint64		from = build->leaf_start[leaf];
		uint64		size = build->leaf_start[leaf + 1] - from;
		uint32		other = build->members[from + next_random(&random) % size];
		uint32		a = build->items[position];
		uint32		b = build->items[other];
		bool		known = other == position;
		double		distance;

		for (int j = 0; j < count; j++)
			known |= key_id(keys[j]) == other;
		if (known)
			continue;
		distance = unit * vego_code_distance(build->coder,
											 item_factors(build, a), item_code(build, a),
											 item_factors(build, b), item_code(build, b));
		keys[count] = PG_UINT64_MAX;
		offer_key(keys, ++count, make_key((float) Min(distance, FLT_MAX), other));
	}
	return count;
}

/* Merges the candidates from all leaves of a position; returns how many. */
static int
merge_candidates(Build *build, uint32 position, uint64 *list, uint64 *keys,
				 uint64 *merged)
{
	int			per_row = build->leaves_a_row;
	int			per_leaf = build->candidates_a_leaf;
	int			count = 0;

	for (int j = 0; j < per_row; j++)
	{
		uint64		i = (uint64) position * per_row + j;
		uint64		from = build->leaf_start[build->leaves[i]];
		uint64		at = (from + build->seats[i]) * per_leaf;
		int			listed = 0;

		for (; listed < per_leaf &&
			 build->candidates[at + listed] != NO_CANDIDATE; listed++)
			list[listed] = make_key(build->distances[at + listed],
									build->members[from + build->candidates[at + listed]]);
		count = merge_keys(keys, count, list, listed, merged);
		memcpy(keys, merged, count * sizeof(uint64));
	}
	return count;
}

static void
choose_forward(Build *build)
{
	uint32		n = build->item_count;
	int			m = build->options->m;
	int			most = build->leaves_a_row * build->candidates_a_leaf + STRANGERS;
	uint64	   *list = allocate(build->candidates_a_leaf, sizeof(uint64));
	uint64	   *keys = allocate(most, sizeof(uint64));
	uint64	   *merged = allocate(most, sizeof(uint64));
	VegoCandidate *candidates = allocate(most, sizeof(VegoCandidate));

	build->forward_degrees = allocate(n, sizeof(uint8));
	build->forward = allocate((size_t) n * m, sizeof(uint32));
	build->forward_distances = allocate((size_t) n * m, sizeof(float));

	for (uint32 p = 0; p < n; p++)
	{
		uint32	   *links = build->forward + (size_t) p * m;
		float	   *distances = build->forward_distances + (size_t) p * m;
		int			count = merge_candidates(build, p, list, keys, merged);

		count = add_strangers(build, p, keys, count);
		count = select_keys(build, keys, count, m, candidates);
		build->forward_degrees[p] = count;
		for (int i = 0; i < count; i++)
		{
			links[i] = key_id(keys[i]);
			distances[i] = key_distance(keys[i]);
		}
		advance(build, 1, LONE_DISTANCE * 4.0 * most);
	}
	pfree(list);
	pfree(keys);
	pfree(merged);
	pfree(candidates);
}

/*
 * Removes keys of whom the node links to already: by id, since rounding may
 * tell the two directions apart.  Returns how many remain.
 */
static int
remove_known(uint64 *keys, int count, const uint64 *known, int known_count)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		bool		is_known = false;

		for (int j = 0; j < known_count; j++)
			is_known |= key_id(keys[i]) == key_id(known[j]);
		keys[kept] = keys[i];
		kept += !is_known;
	}
	return kept;
}

/*
 * Groups links by whom they lead to, and lets each destination choose among
 * those who link to it and those it links to.  Writes the level's links, by
 * node.
 */
static void
link_back(Build *build, VegoLevel *level)
{
	uint32		n = build->item_count;
	int			m = build->options->m;
	int			most = MOST_BACK_LINKS * level->capacity;
	uint64	   *starts = palloc_extended((n + 1) * sizeof(uint64),
										 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	uint64	   *incoming;
	uint64	   *own = allocate(m, sizeof(uint64));
	uint64	   *keys = allocate(most + m, sizeof(uint64));
	VegoCandidate *candidates = allocate(most + m, sizeof(VegoCandidate));

	for (uint32 p = 0; p < n; p++)
	{
		for (int i = 0; i < build->forward_degrees[p]; i++)
			starts[build->forward[(size_t) p * m + i] + 1]++;
		advance(build, 0, 1);
	}
	for (uint32 p = 0; p < n; p++)
		starts[p + 1] += starts[p];
	incoming = allocate(starts[n], sizeof(uint64));
	for (uint32 p = 0; p < n; p++)
	{
		for (int i = 0; i < build->forward_degrees[p]; i++)
		{
			size_t		at = (size_t) p * m + i;

			incoming[starts[build->forward[at]]++] =
				make_key(build->forward_distances[at], p);
		}
		advance(build, 0, 4);
	}

	/* now each destination's start is where it ends */
	for (uint32 p = 0; p < n; p++)
	{
		uint32		node = build->nodes[p];
		uint32		copies = build->nodes[p + 1] - node - 1;
		VegoLink   *links = level->links + (size_t) node * level->capacity;
		int			limit = level->capacity -
			(int) Min(copies, copy_fanout(build));
		uint64		from = p > 0 ? starts[p - 1] : 0;
		uint64		in_degree = starts[p] - from;
		int			degree = build->forward_degrees[p];
		int			count;

		for (int i = 0; i < degree; i++)
			own[i] = make_key(build->forward_distances[(size_t) p * m + i],
							  build->forward[(size_t) p * m + i]);
		in_degree = remove_known(incoming + from, in_degree, own, degree);
		sort_keys(incoming + from, in_degree);
		count = merge_keys(own, degree, incoming + from,
						   (int) Min(in_degree, most), keys);
		count = select_keys(build, keys, count, limit, candidates);
		level->degrees[node] = count;
		for (int i = 0; i < count; i++)
			links[i] = build->nodes[key_id(keys[i])];
		advance(build, 1, LONE_DISTANCE * 4.0 * (degree + in_degree));
	}
	pfree(starts);
	pfree(incoming);
	pfree(own);
	pfree(keys);
	pfree(candidates);
}

/*
 * Inner product favours large norms, whatever is near.  In the lifted space,
 * where links are chosen, a node's neighbours tend to have smaller norms than
 * its own, so that few links lead to where the answers are.  Hence beacons:
 * the rows of the largest norms.  Every node links to those that have the
 * largest inner products with it, unless one chosen before has a larger one
 * with the candidate than the node has, as far as there is room.
 *
 * (Links by inner product alone, as in Morozov and Babenko, "Non-metric
 * similarity graphs for maximum inner product search", NeurIPS 2018, lose
 * where norms are nearly equal; so both.)
 */

/* Positions of the beacons; returns how many there are. */
static int
find_beacons(Build *build, uint32 *beacons)
{
	uint32		n = build->item_count;
	int			most = (int) Min(BEACONS, Min((uint32) build->leaf_limit, n));
	uint64	   *keys = allocate(n, sizeof(uint64));
	uint32		count = 0;

	for (uint32 p = 0; p < n; p++)
	{
		float		norm = item_factors(build, build->items[p])->norm;

		if (norm > build->usual_norm * BEACON_NORM)
			keys[count++] = make_key(norm, p);
		advance(build, 0, LONE_DISTANCE);
	}
	sort_keys(keys, count);
	most = Min(most, count);
	for (int i = 0; i < most; i++)
		beacons[i] = key_id(keys[count - 1 - i]);
	pfree(keys);
	return most;
}

/*
 * Makes blocks measure inner products: with unit norms, and lifts that do not
 * differ, a distance is 2 - 2 x.y.  Rows are brought to unit length, columns
 * are divided by the largest norm of all.
 */
static void
columns_for_products(Columns *columns, double radius)
{
	float		inverse = (float) (1.0 / radius);

	for (int i = 0; i < columns->padded; i++)
	{
		VegoBlockColumns *block = &columns->factors[i / VEGO_BLOCK_COLUMNS];
		int			lane = i % VEGO_BLOCK_COLUMNS;

		block->lo[lane] *= inverse;
		block->sum[lane] *= inverse;
		block->step[lane] *= inverse;
		block->norm2[lane] = 1.0f;
		block->lift[lane] = 0.0f;
	}
}

static void
row_for_products(VegoBlockRow *row)
{
	float		norm = sqrtf(Max(row->norm2 - row->lift * row->lift, 0.0f));
	float		inverse = norm > 0.0f ? 1.0f / norm : 0.0f;

	row->lo *= inverse;
	row->rest *= inverse;
	row->step *= inverse;
	row->norm2 = 1.0f;
	row->lift = 0.0f;
}

static double
inner_product(const Build *build, uint32 a, uint32 b)
{
	double		a_norm = item_factors(build, a)->norm;
	double		b_norm = item_factors(build, b)->norm;
	double		squared = vego_code_distance(&build->near,
											 item_factors(build, a), item_code(build, a),
											 item_factors(build, b), item_code(build, b));

	return (a_norm * a_norm + b_norm * b_norm - squared) / 2.0;
}

/*
 * Chooses among the beacons in scratch->keys, largest inner product first, for
 * an item; writes and counts those chosen.
 */
static int
choose_beacons(Build *build, uint32 item, const uint32 *beacons, int count,
			   int limit, uint32 *chosen)
{
	int			chosen_count = 0;

	for (int i = 0; i < count && chosen_count < limit; i++)
	{
		uint32		beacon = build->items[beacons[key_id(build->scratch.keys[i])]];
		double		product = inner_product(build, item, beacon);
		bool		hidden = beacon == item || product <= 0.0;

		for (int j = 0; j < chosen_count && !hidden; j++)
			hidden = inner_product(build, build->items[chosen[j]], beacon) >
				BEACON_SLACK * product;
		if (!hidden)
			chosen[chosen_count++] = beacons[key_id(build->scratch.keys[i])];
	}
	return chosen_count;
}

static double
node_distance(const Build *build, const VegoLevel *level, uint32 a, uint32 b)
{
	const VegoRows *rows = build->rows;
	size_t		size = build->coder->code_bytes;

	a = level->rows[a];
	b = level->rows[b];
	return vego_code_distance(build->coder,
							  &rows->factors[a], rows->codes + a * size,
							  &rows->factors[b], rows->codes + b * size);
}

/* Adds links to a node, up to a limit, and sorts all by distance. */
static void
extend_links(Build *build, VegoLevel *level, uint32 node, int limit,
			 const uint32 *targets, int count)
{
	VegoLink   *links = level->links + (size_t) node * level->capacity;
	int			degree = level->degrees[node];
	double		unit = build->scale * build->scale;
	uint64		keys[UINT8_MAX];

	for (int i = 0; i < count && degree < limit; i++)
	{
		uint32		target = build->nodes[targets[i]];
		bool		known = false;

		for (int j = 0; j < degree; j++)
			known |= links[j] == target;
		if (!known)
			links[degree++] = target;
	}
	for (int i = 0; i < degree; i++)
		keys[i] = make_key((float) (unit * node_distance(build, level, node, links[i])),
						   links[i]);
	sort_keys(keys, degree);
	for (int i = 0; i < degree; i++)
		links[i] = key_id(keys[i]);
	level->degrees[node] = degree;
}

static void
link_beacons(Build *build, VegoLevel *level)
{
	uint32		n = build->item_count;
	int			m = build->options->m;
	uint32	   *beacons = allocate(BEACONS, sizeof(uint32));
	int			count = find_beacons(build, beacons);
	uint32	   *items = allocate(BEACONS, sizeof(uint32));
	uint32		chosen[VEGO_MAX_M];
	Columns		columns;
	Panel		panel;

	if (count == 0)
		return;
	columns_init(build, &columns, count);
	panel_init(build, &panel, BLOCK_ROWS);
	for (int i = 0; i < count; i++)
		items[i] = build->items[beacons[i]];
	gather(build, items, count, NULL, &columns);
	columns_for_products(&columns, build->scale * build->coder->radius);

	for (uint32 start = 0; start < n; start += BLOCK_ROWS)
	{
		int			rows = (int) Min(BLOCK_ROWS, n - start);

		gather(build, build->items + start, rows, &panel, NULL);
		for (int r = 0; r < rows; r++)
			row_for_products(&panel.factors[r]);
		block_distances(build, &panel, 0, rows, &columns);
		for (int r = 0; r < rows; r++)
		{
			uint32		p = start + r;
			uint32		copies = build->nodes[p + 1] - build->nodes[p] - 1;
			int			found = nearest(&build->scratch, build->scratch.distances +
										(size_t) r * columns.padded,
										columns.padded, BEACON_CANDIDATES * m, 0);

			found = choose_beacons(build, build->items[p], beacons, found, m,
								   chosen);
			extend_links(build, level, build->nodes[p], level->capacity -
						 (int) Min(copies, copy_fanout(build)), chosen, found);
		}
		advance(build, 0, (double) rows * (columns.padded + LONE_DISTANCE * 8 * m));
	}
	panel_free(&panel);
	columns_free(&columns);
	pfree(beacons);
	pfree(items);
}

/*
 * The copies of an item hang on it as a tree, each linked to its parent and
 * its children, and to whom the item links to: so all of them are found when
 * one is, and each could take the item's place.
 */
static void
hang_copies(Build *build, VegoLevel *level)
{
	uint32		fanout = copy_fanout(build);

	for (uint32 p = 0; p < build->item_count; p++)
	{
		uint32		first = build->nodes[p];
		uint32		group = build->nodes[p + 1] - first;
		VegoLink   *item_links = level->links + (size_t) first * level->capacity;
		int			item_degree = level->degrees[first];

		for (uint32 i = group; i-- > 0 && group > 1;)
		{
			VegoLink	links[UINT8_MAX];
			int			degree = 0;
			uint64		child = (uint64) i * fanout + 1;
			int			own = i > 0 ?
				Min(item_degree, build->options->m) : item_degree;

			if (i > 0)
				links[degree++] = first + (i - 1) / fanout;
			for (uint64 end = child + fanout; child < Min(end, group); child++)
				links[degree++] = first + (uint32) child;
			memcpy(links + degree, item_links, own * sizeof(VegoLink));
			degree += own;
			Assert(degree <= level->capacity);
			memcpy(level->links + (size_t) (first + i) * level->capacity, links,
				   degree * sizeof(VegoLink));
			level->degrees[first + i] = degree;
			advance(build, 0, 1);
		}
	}
}

/* Decides the order of nodes, and so which row each of them is. */
static void
number_nodes(Build *build, VegoLevel *level)
{
	uint32		n = build->item_count;
	uint32	   *next;
	uint32	   *position_of;

	/* the copies of position p are counted at p + 1, then summed up */
	build->nodes = palloc_extended((n + 1) * sizeof(uint32),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	position_of = allocate(build->count, sizeof(uint32));
	for (uint32 p = 0; p < n; p++)
	{
		position_of[build->items[p]] = p;
		build->nodes[p + 1] = 1;
		advance(build, 0, 1);
	}
	for (uint32 i = 0; i < build->copy_count; i++)
	{
		build->nodes[position_of[build->copied[i]] + 1]++;
		advance(build, 0, 1);
	}
	for (uint32 p = 0; p < n; p++)
		build->nodes[p + 1] += build->nodes[p];

	next = allocate(n, sizeof(uint32));
	for (uint32 p = 0; p < n; p++)
	{
		level->rows[build->nodes[p]] = item_row(build, build->items[p]);
		next[p] = build->nodes[p] + 1;
		advance(build, 0, 1);
	}
	for (uint32 i = 0; i < build->copy_count; i++)
	{
		level->rows[next[position_of[build->copied[i]]]++] =
			item_row(build, build->copies[i]);
		advance(build, 0, 1);
	}
	pfree(next);
	pfree(position_of);
}

/* ----------------------------------------------------------------
 *		Binding links
 * ----------------------------------------------------------------
 */

typedef enum NodeState
{
	NODE_UNREACHED = 0,
	NODE_REACHED,
	NODE_REACHED_NOW			/* by the walk that is under way */
} NodeState;

typedef struct Walk
{
	Build	   *build;
	VegoLevel  *level;
	uint8	   *states;
	uint32	   *queue;
	uint32		queued;
	uint32	   *before;			/* when not NULL: for each node a node at or
								 * before it, in circular order, all between
								 * being full */
} Walk;

/* Which link of a node may give way, or -1; the last one that is not binding. */
static int
replaceable_link(const VegoLevel *level, uint32 node)
{
	const VegoLink *links = level->links + (size_t) node * level->capacity;

	for (int i = level->degrees[node] - 1; i >= 0; i--)
		if (!vego_link_is_binding(links[i]))
			return i;
	return -1;
}

static bool
can_take_link(const VegoLevel *level, uint32 node)
{
	return level->degrees[node] < level->capacity ||
		replaceable_link(level, node) >= 0;
}

/*
 * Adds a link, in order of distance, in place of a link that is not binding
 * where there is no room.  All that a reached node links to has been reached,
 * otherwise than by a link that is not binding, so that is never missed.
 */
static void
add_link(const Build *build, VegoLevel *level, uint32 node, VegoLink link)
{
	VegoLink   *links = level->links + (size_t) node * level->capacity;
	double		distance = node_distance(build, level, node,
										 vego_link_id(link));
	int			degree = level->degrees[node];
	int			i;

	if (degree == level->capacity)
	{
		int			victim = replaceable_link(level, node);

		Assert(victim >= 0);
		memmove(links + victim, links + victim + 1,
				(degree - victim - 1) * sizeof(VegoLink));
		degree--;
	}
	for (i = degree; i > 0 &&
		 node_distance(build, level, node,
					   vego_link_id(links[i - 1])) > distance; i--)
		links[i] = links[i - 1];
	links[i] = link;
	level->degrees[node] = degree + 1;
}

/*
 * Walks, breadth first, from a node over nodes not reached yet, and makes the
 * links by which it first reaches them binding.  Returns the first node met
 * that an earlier walk reached and that can take a link, or VEGO_NO_NODE.
 */
static uint32
walk_from(Walk *walk, uint32 start)
{
	VegoLevel  *level = walk->level;
	uint32		first = walk->queued;
	uint32		host = VEGO_NO_NODE;

	walk->states[start] = NODE_REACHED_NOW;
	walk->queue[walk->queued++] = start;
	for (uint32 next = first; next < walk->queued; next++)
	{
		uint32		node = walk->queue[next];
		VegoLink   *links = level->links + (size_t) node * level->capacity;

		for (int i = 0; i < level->degrees[node]; i++)
		{
			uint32		target = vego_link_id(links[i]);

			if (walk->states[target] == NODE_UNREACHED)
			{
				links[i] |= VEGO_LINK_BINDING;
				walk->states[target] = NODE_REACHED_NOW;
				walk->queue[walk->queued++] = target;
			}
			else if (walk->states[target] == NODE_REACHED &&
					 host == VEGO_NO_NODE && can_take_link(level, target))
				host = target;
		}
		advance(walk->build, 1, 1);
	}
	for (uint32 i = first; i < walk->queued; i++)
		walk->states[walk->queue[i]] = NODE_REACHED;
	return host;
}

/*
 * The nearest node before this one, in circular order, that can take a link.
 * All nodes between the entry and this one have been reached.
 */
static uint32
host_before(Walk *walk, uint32 node)
{
	uint32		n = walk->level->count;
	uint32		host;

	if (walk->before == NULL)
	{
		walk->before = allocate(n, sizeof(uint32));
		for (uint32 i = 0; i < n; i++)
			walk->before[i] = i;
	}

	/* a full node stays full, so it is passed over for good */
	host = (node + n - 1) % n;
	for (;;)
	{
		uint32		before = walk->before[host];

		if (before == host)
		{
			if (can_take_link(walk->level, host))
				break;
			before = walk->before[host] = (host + n - 1) % n;
		}
		walk->before[host] = walk->before[before];
		host = walk->before[host];
	}
	return host;
}

/*
 * Gives every node but the entry one binding in-link such that binding links
 * are a tree from the entry.  Nodes that links do not reach yet are attached
 * to one that they lead to, or else to one next to them in leaf order.
 */
static void
attach(Build *build, VegoLevel *level)
{
	Walk		walk = {.build = build,.level = level};

	walk.states = palloc_extended(level->count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	walk.queue = allocate(level->count, sizeof(uint32));
	walk_from(&walk, level->entry);
	for (uint32 i = 1; i < level->count; i++)
	{
		uint32		node = (uint32) (((uint64) level->entry + i) % level->count);
		uint32		host;

		if (walk.states[node] != NODE_UNREACHED)
			continue;
		host = walk_from(&walk, node);
		if (host == VEGO_NO_NODE)
		{
			host = host_before(&walk, node);
			if (can_take_link(level, node))
				add_link(build, level, node, host);
		}
		add_link(build, level, host, node | VEGO_LINK_BINDING);
	}
	pfree(walk.states);
	pfree(walk.queue);
}

/* ----------------------------------------------------------------
 *		The whole
 * ----------------------------------------------------------------
 */

static int
compare_floats(const void *a, const void *b)
{
	float		fa = *(const float *) a;
	float		fb = *(const float *) b;

	return fa < fb ? -1 : fa > fb;
}

/* The median norm of a few rows, of those that are not zero. */
static double
median_norm(const Build *build)
{
	float		norms[255];
	int			count = 0;
	uint32		stride = Max(1, build->count / lengthof(norms));

	for (uint64 i = 0; i < build->count && count < lengthof(norms); i += stride)
	{
		float		norm = item_factors(build, (uint32) i)->norm;

		if (norm > 0.0f)
			norms[count++] = norm;
	}
	if (count == 0)
		return 1.0;
	qsort(norms, count, sizeof(float), compare_floats);
	return norms[count / 2];
}

static void
make_plan(Build *build)
{
	const VegoPartitionOptions *options = build->options;
	int			dims = build->coder->dims;
	int			groups;
	int			leaves;

	build->stride = vego_block_stride(dims);
	build->packed_bytes = vego_block_packed_bytes(dims);

	/*
	 * In blocks, distances are fp32: they must not overflow, nor must all that
	 * matters underflow because of one large row.
	 */
	build->usual_norm = median_norm(build);
	build->scale = ldexp(1.0, -ilogb(build->usual_norm));
	vego_coder_init(&build->plain, VEGO_L2, dims, 8, 0.0, NULL);
	build->near = *build->coder;
	build->near.metric = VEGO_L2;

	/* the wider the rows, the smaller the leaf that a cache holds */
	build->leaf_size = (int) Max(LEAF_SIZE / 4,
								 Min(LEAF_SIZE, LEAF_BYTES / build->stride));
	build->leaf_limit = build->leaf_size * LEAF_LIMIT / LEAF_SIZE;

	leaves = (int) rint(sqrt(options->ef_construction) / 2.0);
	leaves = Max(1, Min(MAX_LEAVES_A_ROW, leaves));
	if (build->item_count <= build->leaf_limit * 3 / 4)
		leaves = 1;
	else
		leaves = Max(2, leaves);
	build->leaves_a_row = leaves;
	build->candidates_a_leaf = (options->ef_construction + leaves - 1) / leaves;
	build->candidates_a_leaf = Max(1, Min(build->candidates_a_leaf,
										  (int) Min(build->item_count - 1, build->leaf_limit - 1)));

	groups = (int) ((uint64) build->item_count * leaves / build->leaf_size /
					GROUP_LEAVES) + 1;
	build->widest = TYPEALIGN(VEGO_BLOCK_COLUMNS,
							  Max(Max(build->leaf_limit, groups),
								  GROUP_LEAVES * MOST_SHARES));
}

static void
make_scratch(Build *build)
{
	Scratch    *scratch = &build->scratch;
	int			dims = build->coder->dims;
	size_t		widest = build->widest;

	scratch->bytes = allocate((size_t) VEGO_BLOCK_COLUMNS * dims, 1);
	scratch->dots = allocate(BLOCK_ROWS * VEGO_BLOCK_COLUMNS, sizeof(int32));
	scratch->distances = allocate(BLOCK_ROWS * widest, sizeof(float));
	scratch->minima = allocate(widest, sizeof(float));
	scratch->below = allocate(widest, sizeof(uint16));
	scratch->keys = allocate(widest, sizeof(uint64));
	scratch->values = allocate(dims, sizeof(float));
}

/* Releases what only earlier stages needed: there may be little memory. */
static void
release_candidates(Build *build)
{
	pfree(build->candidates);
	pfree(build->distances);
	pfree(build->leaves);
	pfree(build->seats);
	pfree(build->members);
	pfree(build->leaf_start);
}

static void
release_forward(Build *build)
{
	pfree(build->forward_degrees);
	pfree(build->forward);
	pfree(build->forward_distances);
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

/* The result, in the caller's memory context. */
static void
make_level(VegoLevel *level, uint32 count, int m)
{
	level->count = count;
	level->capacity = 2 * m;
	level->rows = allocate(count, sizeof(uint32));
	level->degrees = palloc_extended(Max(count, 1),
									 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	level->links = allocate((size_t) count * level->capacity,
							sizeof(VegoLink));
	level->entry = VEGO_NO_NODE;
}

void
vego_partition_build(const VegoRows *rows, const uint32 *subset, uint32 count,
					 uint32 entry, const VegoPartitionOptions *options,
					 VegoLevel *level)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "vego partition",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller;
	Build		build = {0};

	build.rows = rows;
	build.subset = subset;
	build.count = count;
	build.coder = rows->coder;
	build.options = options;

	make_level(level, count, options->m);
	if (count == 0)
		return;

	caller = MemoryContextSwitchTo(work);

	begin_phase(&build, VEGO_PHASE_PARTITION, count);
	set_copies_aside(&build);
	make_plan(&build);
	make_scratch(&build);
	partition(&build);
	number_nodes(&build, level);

	begin_phase(&build, VEGO_PHASE_CANDIDATES, build.leaf_count);
	find_candidates(&build);

	begin_phase(&build, VEGO_PHASE_PRUNE, build.item_count);
	choose_forward(&build);
	release_candidates(&build);

	begin_phase(&build, VEGO_PHASE_BACK_LINKS, build.item_count);
	link_back(&build, level);
	release_forward(&build);
	if (build.coder->metric == VEGO_INNER_PRODUCT)
		link_beacons(&build, level);
	hang_copies(&build, level);

	begin_phase(&build, VEGO_PHASE_ATTACH, count);
	level->entry = find_node(level, entry);
	attach(&build, level);

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
}
