/*
 * kernels_amx.c
 *	  All pairs of a block in the matrix unit (AMX) of newer x86 processors.
 *
 * A tile is 16 rows of 64 bytes, and one instruction multiplies two of them:
 * 16 rows with 16 columns in 64 dimensions.  The layout of a block is that of
 * tiles already: four dimensions of a column in a lane.  Everything but
 * block_dots is as with AVX-512.
 */
#include "simd/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* The packaged build targets any x86-64; only these functions go beyond. */
#if defined(__clang__)
#pragma clang attribute push( \
	__attribute__((target("amx-tile,amx-int8"))), \
	apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("amx-tile,amx-int8")
#endif

#define TILE_ROWS 16
#define TILE_BYTES 64
#define TILE_COLUMNS (VEGO_BLOCK_COLUMNS / 2)

/* From one four of dimensions of all columns, or one row of dots, to the next. */
#define COLUMNS_STRIDE (4 * VEGO_BLOCK_COLUMNS)
#define DOTS_STRIDE (sizeof(int32_t) * VEGO_BLOCK_COLUMNS)

/*
 * Tiles by number, which the instructions hold: 0 to 3 are dots, of two times
 * 16 rows with two times 16 columns; rows and columns come after that, and for
 * the dimensions beyond the last 64 there are two of another shape.
 */
#define ROWS 4
#define COLUMNS 5
#define LAST_ROWS 6
#define LAST_COLUMNS 7

typedef struct TileShapes
{
	uint8_t		palette;
	uint8_t		start_row;
	uint8_t		reserved[14];
	uint16_t	row_bytes[16];
	uint8_t		rows[16];
} TileShapes;

static void
shape_tiles(int last)
{
	TileShapes	shapes = {.palette = 1};

	for (int tile = 0; tile <= COLUMNS; tile++)
	{
		shapes.rows[tile] = TILE_ROWS;
		shapes.row_bytes[tile] = TILE_BYTES;
	}
	if (last > 0)
	{
		shapes.rows[LAST_ROWS] = TILE_ROWS;
		shapes.row_bytes[LAST_ROWS] = (uint16_t) last;
		shapes.rows[LAST_COLUMNS] = (uint8_t) (last / 4);
		shapes.row_bytes[LAST_COLUMNS] = TILE_BYTES;
	}
	_tile_loadconfig(&shapes);
}

/*
 * Adds what some dimensions make of 16 or 32 rows and all columns: rows and
 * columns of tiles in turn, so that one is in use while the next is loaded.
 */
#define MULTIPLY(row_tile, column_tile, row, column, stride, two) \
	do \
	{ \
		_tile_loadd(row_tile, row, stride); \
		_tile_loadd(column_tile, column, COLUMNS_STRIDE); \
		_tile_dpbsud(0, row_tile, column_tile); \
		_tile_loadd(column_tile, (column) + TILE_BYTES, COLUMNS_STRIDE); \
		_tile_dpbsud(1, row_tile, column_tile); \
		if (two) \
		{ \
			_tile_loadd(row_tile, (row) + TILE_ROWS * (stride), stride); \
			_tile_dpbsud(3, row_tile, column_tile); \
			_tile_loadd(column_tile, column, COLUMNS_STRIDE); \
			_tile_dpbsud(2, row_tile, column_tile); \
		} \
	} while (0)

/* All columns with 32 rows, or with 16 if not two. */
static inline __attribute__((always_inline)) void
multiply_rows(const bool two, const int8_t *rows, size_t stride,
			  const uint8_t *packed, const int32_t *start, int32_t *dots)
{
	size_t		last = stride % TILE_BYTES;
	size_t		whole = stride - last;

	/* A stride of 0 makes all rows of a tile the same. */
	_tile_loadd(0, start, 0);
	_tile_loadd(1, start + TILE_COLUMNS, 0);
	if (two)
	{
		_tile_loadd(2, start, 0);
		_tile_loadd(3, start + TILE_COLUMNS, 0);
	}
	for (size_t i = 0; i < whole; i += TILE_BYTES)
		MULTIPLY(ROWS, COLUMNS, rows + i, packed + i * VEGO_BLOCK_COLUMNS,
				 stride, two);
	if (last > 0)
		MULTIPLY(LAST_ROWS, LAST_COLUMNS, rows + whole,
				 packed + whole * VEGO_BLOCK_COLUMNS, stride, two);
	_tile_stored(0, dots, DOTS_STRIDE);
	_tile_stored(1, dots + TILE_COLUMNS, DOTS_STRIDE);
	if (two)
	{
		dots += TILE_ROWS * VEGO_BLOCK_COLUMNS;
		_tile_stored(2, dots, DOTS_STRIDE);
		_tile_stored(3, dots + TILE_COLUMNS, DOTS_STRIDE);
	}
}

/* Rows that fill no tile are left to AVX-512. */
static void
block_dots(const int8_t *rows, int row_count, const uint8_t *packed, int n,
		   int32_t *dots)
{
	size_t		stride = vego_block_stride(n);
	int32_t		start[VEGO_BLOCK_COLUMNS];

	if (row_count >= TILE_ROWS)
	{
		/* A row's signed byte is its code - 128. */
		memcpy(start, packed + stride * VEGO_BLOCK_COLUMNS, sizeof(start));
		for (int c = 0; c < VEGO_BLOCK_COLUMNS; c++)
			start[c] *= 128;

		shape_tiles((int) (stride % TILE_BYTES));
		for (; row_count >= 2 * TILE_ROWS; row_count -= 2 * TILE_ROWS)
		{
			multiply_rows(true, rows, stride, packed, start, dots);
			rows += 2 * TILE_ROWS * stride;
			dots += 2 * TILE_ROWS * VEGO_BLOCK_COLUMNS;
		}
		if (row_count >= TILE_ROWS)
		{
			multiply_rows(false, rows, stride, packed, start, dots);
			rows += TILE_ROWS * stride;
			dots += TILE_ROWS * VEGO_BLOCK_COLUMNS;
			row_count -= TILE_ROWS;
		}
		/* What is in tiles would be saved at each switch of processes. */
		_tile_release();
	}
	vego_kernels_avx512.block_dots(rows, row_count, packed, n, dots);
}

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

VegoKernels vego_kernels_amx = {.name = "amx"};

void
vego_kernels_fill_amx(void)
{
	const char *name = vego_kernels_amx.name;

	vego_kernels_amx = vego_kernels_avx512;
	vego_kernels_amx.name = name;
	vego_kernels_amx.block_dots = block_dots;
}

#endif							/* __x86_64__ */
