/*
 * shards_cells.c
 *	  Which two cells is a row nearest to?
 *
 * Cells are k-means cells of a sample.  There are many more of them than there
 * will be shards: so what is packed into a shard is near each other, and fills
 * it.
 */
#include "postgres.h"

#include "kmeans.h"
#include "shards_stages.h"

/* Cells for each shard that rows will probably fill. */
#define CELLS_A_SHARD 24

/* Sampled rows for each cell, and the least. */
#define SAMPLE_A_CELL 32
#define LEAST_SAMPLE_A_CELL 4

/* Rows whose cells are looked for at once. */
#define BATCH_ROWS 960

/* Shares of the memory for the sample and for the cells. */
#define SAMPLE_SHARE 4
#define CELLS_SHARE 8

/* Rows in memory, with numbers of their own. */
typedef struct Batch
{
	VegoRows	rows;
	VegoFactors *factors;
	uint8	   *codes;
	uint32	   *numbers;		/* 0, 1, .. */
} Batch;

static void
batch_init(Batch *batch, const VegoCoder *coder, uint32 room)
{
	batch->factors = vego_allocate(room, sizeof(VegoFactors));
	batch->codes = vego_allocate(room, coder->code_bytes);
	batch->numbers = vego_allocate(room, sizeof(uint32));
	batch->rows.coder = coder;
	batch->rows.count = 0;
	batch->rows.factors = batch->factors;
	batch->rows.codes = batch->codes;
	for (uint32 i = 0; i < room; i++)
		batch->numbers[i] = i;
}

static void
batch_add(Batch *batch, VegoStoredRow row)
{
	Size		bytes = batch->rows.coder->code_bytes;

	batch->factors[batch->rows.count] = *row.factors;
	memcpy(batch->codes + batch->rows.count * bytes, row.code, bytes);
	batch->rows.count++;
}

/* ----------------------------------------------------------------
 *		The sample
 * ----------------------------------------------------------------
 */

/* The largest norms of all rows, for beacons. */
typedef struct Longest
{
	uint64	   *keys;			/* inverted, so that the largest come first */
	uint32		wanted;
	uint32		count;
	uint64		limit;
} Longest;

static void
longest_trim(Longest *longest)
{
	vego_keys_sort(longest->keys, (int) longest->count);
	longest->count = Min(longest->count, longest->wanted);
	if (longest->count == longest->wanted && longest->wanted > 0)
		longest->limit = longest->keys[longest->count - 1];
}

static void
longest_offer(Longest *longest, float norm, uint32 row)
{
	uint64		key = ~vego_key(norm, row);

	if (longest->wanted == 0 || key >= longest->limit)
		return;
	longest->keys[longest->count++] = key;
	if (longest->count == 2 * longest->wanted)
		longest_trim(longest);
}

static void
longest_init(Longest *longest, const VegoShards *shards)
{
	longest->wanted = 0;
	if (shards->coder->metric == VEGO_INNER_PRODUCT)
		longest->wanted = Min(VEGO_MOST_BEACONS, shards->capacity / 8);
	longest->keys = vego_allocate(2 * longest->wanted, sizeof(uint64));
	longest->count = 0;
	longest->limit = PG_UINT64_MAX;
}

/* One row of each of `wanted` equal stretches, and the longest of all. */
static void
draw_sample(VegoShards *shards, uint64 wanted, Batch *sample,
			Longest *longest)
{
	VegoRowStore *store = shards->store;

	vego_rowstore_rewind(store);
	for (uint64 i = 0; i < store->count; i++)
	{
		VegoStoredRow row = vego_rowstore_read(store);

		if (i * wanted / store->count != (i + 1) * wanted / store->count)
			batch_add(sample, row);
		longest_offer(longest, row.factors->norm, (uint32) i);
	}
	longest_trim(longest);
}

static int
compare_rows(const void *a, const void *b)
{
	uint32		ra = *(const uint32 *) a;
	uint32		rb = *(const uint32 *) b;

	return ra < rb ? -1 : ra > rb;
}

/* Room for the entry and for rows with norms above this. */
static void
choose_specials(VegoShards *shards, const Longest *longest, double norm)
{
	VegoSpecials *specials = &shards->specials;
	uint32		entry = shards->options->entry;

	specials->rows = vego_allocate(longest->count + 1, sizeof(uint32));
	specials->rows[specials->count++] = entry;
	for (uint32 i = 0; i < longest->count; i++)
	{
		uint64		key = ~longest->keys[i];

		if (vego_key_distance(key) > norm && vego_key_id(key) != entry)
			specials->rows[specials->count++] = vego_key_id(key);
	}
	qsort(specials->rows, specials->count, sizeof(uint32), compare_rows);
	while (specials->rows[specials->entry] != entry)
		specials->entry++;
	specials->tids = vego_allocate(specials->count, sizeof(ItemPointerData));
	specials->factors = vego_allocate(specials->count, sizeof(VegoFactors));
	specials->codes = vego_allocate(specials->count,
									shards->coder->code_bytes);
	specials->pairs = vego_allocate(specials->count, sizeof(VegoCellPair));
}

/* ----------------------------------------------------------------
 *		Cells
 * ----------------------------------------------------------------
 */

/* Of equal centroids, which are next to each other in a chain, keeps one. */
static void
drop_equal(VegoCentroids *centroids, size_t dims)
{
	int			kept = 0;

	for (int i = 0; i < centroids->count; i++)
	{
		if (kept > 0 &&
			memcmp(centroids->codes + i * dims,
				   centroids->codes + (kept - 1) * dims, dims) == 0 &&
			memcmp(&centroids->factors[i], &centroids->factors[kept - 1],
				   sizeof(VegoFactors)) == 0 &&
			centroids->lifts[i] == centroids->lifts[kept - 1])
			continue;
		memmove(centroids->codes + kept * dims, centroids->codes + i * dims,
				dims);
		centroids->factors[kept] = centroids->factors[i];
		centroids->lifts[kept++] = centroids->lifts[i];
	}
	centroids->count = kept;
}

static uint64
wanted_cells(const VegoShards *shards)
{
	uint64		count = shards->store->count;
	uint64		cells = CELLS_A_SHARD *
		(2 * count / shards->capacity + 1);
	Size		cell_bytes = vego_block_stride(shards->coder->block_dims) +
		shards->coder->block_dims * (1 + sizeof(float)) + sizeof(VegoFactors);
	Size		room = shards->options->memory / CELLS_SHARE / cell_bytes;

	return Max(2, Min(Min(cells, room), VEGO_MOST_CELLS));
}

static void
shuffle(uint32 *numbers, uint32 count, uint64 random)
{
	for (uint32 i = count; i > 1; i--)
	{
		uint32		j = vego_random(&random) % i;
		uint32		number = numbers[i - 1];

		numbers[i - 1] = numbers[j];
		numbers[j] = number;
	}
}

/* Makes cells of the sample; their columns are in the current context. */
static VegoColumns
grow_cells(VegoShards *shards, VegoWork *work, Batch *sample, uint64 cells)
{
	size_t		dims = shards->coder->block_dims;
	VegoCentroids centroids;
	VegoColumns columns;

	shuffle(sample->numbers, sample->rows.count, shards->partition.seed);
	centroids.count = (int) Min(cells, sample->rows.count);
	centroids.codes = vego_allocate(centroids.count, dims);
	centroids.factors = vego_allocate(centroids.count, sizeof(VegoFactors));
	centroids.lifts = vego_allocate(centroids.count, sizeof(float));
	vego_kmeans(work, sample->numbers, (int) sample->rows.count, &centroids);
	vego_kmeans_chain(work, &centroids, NULL);
	drop_equal(&centroids, dims);

	shards->cell_count = centroids.count;
	vego_columns_init(&columns, &work->blocks, centroids.count);
	vego_kmeans_pack(&work->blocks, &centroids, &columns);
	pfree(centroids.codes);
	pfree(centroids.factors);
	pfree(centroids.lifts);
	return columns;
}

/* ----------------------------------------------------------------
 *		Rows
 * ----------------------------------------------------------------
 */

/* The two nearest cells of the rows of a batch. */
static void
find_pairs(VegoWork *work, const Batch *batch, const VegoColumns *cells,
		   VegoPanel *panel, VegoCellPair *pairs)
{
	VegoBlocks *blocks = &work->blocks;

	for (uint32 start = 0; start < batch->rows.count; start += blocks->height)
	{
		int			n = (int) Min(blocks->height, batch->rows.count - start);

		vego_blocks_gather(blocks, batch->numbers + start, n, panel, NULL);
		vego_blocks_measure(blocks, panel, 0, n, cells, 2);
		for (int r = 0; r < n; r++)
		{
			VegoCellPair *pair = &pairs[start + r];
			int			found = vego_blocks_nearest(blocks, &work->nearest,
													cells, r, 2);
			const int32 *marks = work->nearest.marks;

			/* found are two, unless a distance is not a number */
			pair->home = found > 0 ? marks[0] & cells->places : 0;
			pair->second = found > 1 ? marks[1] & cells->places : VEGO_NO_CELL;
		}
	}
}

/* Keeps the rows of a batch that are special, with their cells. */
static uint32
keep_specials(VegoSpecials *specials, uint32 kept, uint32 first,
			  const Batch *batch, const ItemPointerData *tids,
			  const VegoCellPair *pairs)
{
	Size		bytes = batch->rows.coder->code_bytes;

	for (; kept < specials->count &&
		 specials->rows[kept] - first < batch->rows.count; kept++)
	{
		uint32		at = specials->rows[kept] - first;

		specials->tids[kept] = tids[at];
		specials->factors[kept] = batch->factors[at];
		memcpy(specials->codes + kept * bytes, batch->codes + at * bytes,
			   bytes);
		specials->pairs[kept] = pairs[at];
	}
	return kept;
}

/* Writes the pairs of all rows, and counts them. */
static void
assign_rows(VegoShards *shards, VegoWork *work, const VegoColumns *cells,
			VegoCellCounts *counts)
{
	VegoRowStore *store = shards->store;
	Size		row_bytes = vego_rowstore_row_bytes(shards->coder);
	uint32		room = (uint32) Max(work->blocks.height,
									Min(BATCH_ROWS,
										shards->options->memory / 16 / row_bytes));
	ItemPointerData *tids = vego_allocate(room, sizeof(ItemPointerData));
	VegoCellPair *pairs = vego_allocate(room, sizeof(VegoCellPair));
	uint32		specials = 0;
	Batch		batch;
	VegoPanel	panel;

	batch_init(&batch, shards->coder, room);
	vego_panel_init(&panel, &work->blocks, work->blocks.height);
	work->blocks.rows = &batch.rows;
	vego_rowstore_rewind(store);
	for (uint32 row = 0; row < store->count; row += batch.rows.count)
	{
		uint32		n = Min(room, store->count - row);

		batch.rows.count = 0;
		for (uint32 i = 0; i < n; i++)
		{
			VegoStoredRow stored = vego_rowstore_read(store);

			tids[i] = *stored.tid;
			batch_add(&batch, stored);
		}
		find_pairs(work, &batch, cells, &panel, pairs);
		specials = keep_specials(&shards->specials, specials, row, &batch,
								 tids, pairs);
		vego_streams_append(shards->pairs, 0, pairs, n * sizeof(VegoCellPair));
		for (uint32 i = 0; i < n; i++)
			vego_cell_counts_add(counts, pairs[i]);
		vego_shards_advance(shards, n);
	}
	work->blocks.rows = NULL;
	vego_streams_seal(shards->pairs);
}

/* Makes cells, finds those of each row, and returns how many have which. */
VegoCellCounts *
vego_shards_find_cells(VegoShards *shards)
{
	MemoryContext result = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(result, "vego cells",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext sampling = AllocSetContextCreate(context, "vego sample",
												   ALLOCSET_DEFAULT_SIZES);
	Size		row_bytes = vego_rowstore_row_bytes(shards->coder);
	uint64		cells = wanted_cells(shards);
	uint64		wanted = Min(cells * SAMPLE_A_CELL,
							 shards->options->memory / SAMPLE_SHARE / row_bytes);
	Batch		sample;
	Longest		longest;
	VegoPartition cells_plan = {0};
	VegoWork	work;
	VegoColumns columns;
	VegoCellCounts *counts;
	double		usual_norm;

	wanted = Max(1, Min(wanted, shards->store->count));
	cells = Min(cells, Max(2, wanted / LEAST_SAMPLE_A_CELL));
	MemoryContextSwitchTo(sampling);
	batch_init(&sample, shards->coder, (uint32) wanted);
	longest_init(&longest, shards);
	draw_sample(shards, wanted, &sample, &longest);
	usual_norm = vego_usual_norm(&sample.rows);

	MemoryContextSwitchTo(result);
	choose_specials(shards, &longest, usual_norm * VEGO_BEACON_NORM);

	MemoryContextSwitchTo(context);
	cells_plan.rows = sample.rows;
	cells_plan.options = &shards->partition;
	cells_plan.scale = vego_scale(usual_norm);
	cells_plan.widest = vego_columns_padded((int) cells);
	vego_work_init(&work, &cells_plan);
	columns = grow_cells(shards, &work, &sample, cells);
	MemoryContextDelete(sampling);

	MemoryContextSwitchTo(result);
	counts = vego_cell_counts_new(shards->cell_count);
	shards->pairs = vego_streams_new(1, BLCKSZ);
	MemoryContextSwitchTo(context);
	assign_rows(shards, &work, &columns, counts);

	MemoryContextSwitchTo(result);
	MemoryContextDelete(context);
	return counts;
}
