/*
 * block.c
 *	  How far are many vectors from many others?
 */
#include "postgres.h"

#include <float.h>

#include "block.h"

/*
 * A load that is not aligned reads two lines of the cache, and in kernels of
 * blocks loads are what takes time: up to four times as much with AMX.
 */
#define ALIGNMENT 64

static void *
allocate_aligned(size_t count, size_t size, void **memory)
{
	*memory = vego_allocate(count * size + ALIGNMENT - 1, 1);
	return (void *) TYPEALIGN(ALIGNMENT, *memory);
}

void
vego_blocks_init(VegoBlocks *blocks, const VegoRows *rows, double scale,
				 int widest)
{
	int			dims = rows->coder->block_dims;
	void	   *memory;

	blocks->rows = rows;
	blocks->scale = scale;
	blocks->stride = vego_block_stride(dims);
	blocks->packed_bytes = vego_block_packed_bytes(dims);
	blocks->height = vego_block_height(blocks->stride);
	blocks->bytes = vego_allocate(VEGO_BLOCK_COLUMNS, dims);
	blocks->dots = allocate_aligned(blocks->height * VEGO_BLOCK_COLUMNS,
									sizeof(int32), &memory);
	blocks->marks = vego_allocate((size_t) blocks->height * widest,
								  sizeof(int32));
	blocks->most_hands = VEGO_BLOCK_COLUMNS;
	blocks->least = vego_allocate(blocks->height * VEGO_BLOCK_COLUMNS,
								  sizeof(int32));
}

void
vego_panel_init(VegoPanel *panel, const VegoBlocks *blocks, int count)
{
	panel->codes = allocate_aligned(count, blocks->stride, &panel->memory);
	panel->factors = vego_allocate(count, sizeof(VegoBlockRow));
}

void
vego_panel_free(VegoPanel *panel)
{
	pfree(panel->memory);
	pfree(panel->factors);
}

void
vego_columns_init(VegoColumns *columns, const VegoBlocks *blocks, int count)
{
	int			block_count = vego_columns_padded(count) / VEGO_BLOCK_COLUMNS;

	columns->count = count;
	columns->padded = vego_columns_padded(count);
	columns->places = vego_places(columns->padded);
	columns->packed = allocate_aligned(block_count, blocks->packed_bytes,
									   &columns->memory);
	columns->factors = vego_allocate_zero(block_count,
										  sizeof(VegoBlockColumns));
}

void
vego_columns_free(VegoColumns *columns)
{
	pfree(columns->memory);
	pfree(columns->factors);
}

VegoBlockRow
vego_block_row(const VegoFactors *factors, int dims, double lift,
			   double scale)
{
	double		norm = Min(factors->norm * scale, VEGO_LARGEST_NORM);
	double		rest = dims * ((double) factors->mean - factors->lo);
	VegoBlockRow row;

	scale = vego_drawn_scale(factors->norm, scale);
	row.lo = (float) (factors->lo * scale);
	row.rest = (float) (rest * scale);
	row.step = (float) (factors->step * scale);
	row.lift = (float) (lift * scale);
	row.norm2 = (float) (norm * norm + lift * scale * lift * scale);
	return row;
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

double
vego_blocks_lift(const VegoBlocks *blocks, uint32 row)
{
	return shifted_lift(blocks->rows->coder,
						vego_row_factors(blocks->rows, row));
}

/* Unpacks a row's code. */
static VegoBlockRow
unpack_row(const VegoBlocks *blocks, uint32 row, uint8 *bytes)
{
	const VegoCoder *coder = blocks->rows->coder;
	VegoFactors factors =
		vego_code_unpack(coder, vego_row_factors(blocks->rows, row),
						 vego_row_code(blocks->rows, row), bytes);

	return vego_block_row(&factors, coder->block_dims,
						  vego_blocks_lift(blocks, row), blocks->scale);
}

void
vego_columns_put(const VegoBlocks *blocks, VegoColumns *columns, int start,
				 int count, const uint8 *bytes, const VegoBlockRow *factors)
{
	int			dims = blocks->rows->coder->block_dims;
	int			index = start / VEGO_BLOCK_COLUMNS;
	VegoBlockColumns *block = &columns->factors[index];

	Assert(start % VEGO_BLOCK_COLUMNS == 0 && count <= VEGO_BLOCK_COLUMNS);

	/* the padding is far from everything */
	memset(block, 0, sizeof(*block));
	for (int i = count; i < VEGO_BLOCK_COLUMNS; i++)
		block->norm2[i] = FLT_MAX;
	for (int i = 0; i < count; i++)
	{
		block->lo[i] = factors[i].lo;
		block->sum[i] = factors[i].rest + dims * factors[i].lo;
		block->step[i] = factors[i].step;
		block->norm2[i] = factors[i].norm2;
		block->lift[i] = factors[i].lift;
	}
	vego_block_pack_columns(bytes, dims, count, dims,
							columns->packed + index * blocks->packed_bytes);
}

void
vego_blocks_gather(VegoBlocks *blocks, const uint32 *rows, int count,
				   VegoPanel *panel, VegoColumns *columns)
{
	int			dims = blocks->rows->coder->block_dims;

	if (columns)
	{
		columns->count = count;
		columns->padded = vego_columns_padded(count);
	}
	for (int start = 0; start < count; start += VEGO_BLOCK_COLUMNS)
	{
		int			n = Min(VEGO_BLOCK_COLUMNS, count - start);
		VegoBlockRow factors[VEGO_BLOCK_COLUMNS];

		for (int i = 0; i < n; i++)
			__builtin_prefetch(vego_row_code(blocks->rows, rows[start + i]));
		for (int i = 0; i < n; i++)
			factors[i] = unpack_row(blocks, rows[start + i],
									blocks->bytes + (size_t) i * dims);
		if (panel)
		{
			memcpy(panel->factors + start, factors, n * sizeof(VegoBlockRow));
			vego_block_pack_rows(blocks->bytes, dims, n, dims,
								 panel->codes + start * blocks->stride);
		}
		if (columns)
			vego_columns_put(blocks, columns, start, n, blocks->bytes,
							 factors);
	}
}

/*
 * A row's places begin at its column `own`, and the next row's so many columns
 * further.
 */
static void
measure(VegoBlocks *blocks, const VegoPanel *panel, int first, int row_count,
		const VegoColumns *columns, int own, int next_own)
{
	int			dims = blocks->rows->coder->block_dims;
	VegoBlockMarks out = {NULL, columns->padded, NULL, blocks->hands};

	for (int i = 0; i < row_count * blocks->hands; i++)
		blocks->least[i] = VEGO_NO_MARK;
	for (int start = 0, hand = 0; start < columns->padded;
		 start += VEGO_BLOCK_COLUMNS, hand += VEGO_BLOCK_COLUMNS)
	{
		int			block = start / VEGO_BLOCK_COLUMNS;

		vego_kernels->block_dots(panel->codes + first * blocks->stride,
								 row_count,
								 columns->packed + block * blocks->packed_bytes,
								 dims, blocks->dots);
		if (hand == blocks->hands)
			hand = 0;
		out.marks = blocks->marks + start;
		out.least = blocks->least + hand;
		vego_kernels->block_marks(blocks->dots, &panel->factors[first],
								  row_count, &columns->factors[block],
								  start - own, next_own, columns->places, &out);
	}
	for (int r = 0; r < row_count; r++)
		for (int c = columns->count; c < columns->padded; c++)
			vego_blocks_marks(blocks, columns, r)[c] = VEGO_NO_MARK;
}

static void
deal_hands(VegoBlocks *blocks, const VegoColumns *columns, int wanted)
{
	blocks->hands = vego_nearest_hands(wanted, columns->padded);
	if (blocks->hands <= blocks->most_hands)
		return;
	blocks->most_hands = blocks->hands;
	blocks->least = repalloc_huge(blocks->least, sizeof(int32) *
								  blocks->height * blocks->most_hands);
}

void
vego_blocks_measure(VegoBlocks *blocks, const VegoPanel *panel, int first,
					int row_count, const VegoColumns *columns, int wanted)
{
	deal_hands(blocks, columns, wanted);
	measure(blocks, panel, first, row_count, columns, 0, 0);
}

void
vego_blocks_measure_pairs(VegoBlocks *blocks, const VegoPanel *panel,
						  int first, int row_count,
						  const VegoColumns *columns, int wanted)
{
	deal_hands(blocks, columns, wanted);
	measure(blocks, panel, first, row_count, columns, first, 1);
}

int
vego_blocks_nearest(const VegoBlocks *blocks, VegoNearest *nearest,
					const VegoColumns *columns, int r, int wanted)
{
	return vego_nearest_find(nearest, vego_blocks_marks(blocks, columns, r),
							 columns->padded, vego_blocks_least(blocks, r),
							 blocks->hands, wanted);
}
