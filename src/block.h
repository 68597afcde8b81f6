/*
 * block.h
 *	  Distances of many coded vectors from many.
 *
 * A block is VEGO_BLOCK_ROWS rows of a panel against VEGO_BLOCK_COLUMNS columns
 * (simd/kernels.h).  Its distances are squared, in fp32, and scaled so that
 * usual norms are near 1: squared L2 of the codes, lifted under inner product.
 * L1 has no blocks; there they measure L2.
 */
#ifndef VEGO_BLOCK_H
#define VEGO_BLOCK_H

#include "rows.h"
#include "simd/kernels.h"

/* Rows that a block takes at once. */
#define VEGO_BLOCK_ROWS 24

/* Scaled norms above this are drawn in, lest their squares overflow. */
#define VEGO_LARGEST_NORM 1e12

/* What one process needs to work on blocks. */
typedef struct VegoBlocks
{
	const VegoRows *rows;
	double		scale;			/* of vectors, a power of two */
	size_t		stride;			/* of a panel's codes */
	size_t		packed_bytes;	/* of VEGO_BLOCK_COLUMNS columns */

	/* scratch */
	uint8	   *bytes;			/* VEGO_BLOCK_COLUMNS x dimensions */
	int32	   *dots;			/* VEGO_BLOCK_ROWS x VEGO_BLOCK_COLUMNS */
	float	   *distances;		/* VEGO_BLOCK_ROWS x the widest columns */
} VegoBlocks;

/* Vectors as the rows of blocks. */
typedef struct VegoPanel
{
	int8	   *codes;			/* VegoBlocks.stride apart */
	VegoBlockRow *factors;
} VegoPanel;

/* Vectors as the columns of blocks. */
typedef struct VegoColumns
{
	int			count;
	int			padded;			/* up to a multiple of VEGO_BLOCK_COLUMNS */
	uint8	   *packed;			/* VegoBlocks.packed_bytes apart */
	VegoBlockColumns *factors;
} VegoColumns;

/*
 * Scratch is palloc'd; widest is the most columns, padded, that distances will
 * be measured from.
 */
extern void vego_blocks_init(VegoBlocks *blocks, const VegoRows *rows,
							 double scale, int widest);

/* Room for so many vectors; palloc'd. */
extern void vego_panel_init(VegoPanel *panel, const VegoBlocks *blocks,
							int count);
extern void vego_panel_free(VegoPanel *panel);
extern void vego_columns_init(VegoColumns *columns, const VegoBlocks *blocks,
							  int count);
extern void vego_columns_free(VegoColumns *columns);

static inline int
vego_columns_padded(int count)
{
	return TYPEALIGN(VEGO_BLOCK_COLUMNS, count);
}

/* The scale of a vector of that norm: less for one far beyond the usual. */
static inline double
vego_drawn_scale(double norm, double scale)
{
	return norm * scale > VEGO_LARGEST_NORM ? VEGO_LARGEST_NORM / norm : scale;
}

/* What a block needs to know of a vector, scaled. */
extern VegoBlockRow vego_block_row(const VegoFactors *factors, int dims,
								   double lift, double scale);
extern VegoBlockRow vego_blocks_row(const VegoBlocks *blocks, uint32 row);

/* Fills a panel, columns, or both (whatever is not NULL) with rows. */
extern void vego_blocks_gather(VegoBlocks *blocks, const uint32 *rows,
							   int count, VegoPanel *panel,
							   VegoColumns *columns);

/*
 * Puts vectors into columns, at a multiple of VEGO_BLOCK_COLUMNS and at most
 * so many: their codes, a byte a dimension, and what blocks need to know.
 */
extern void vego_columns_put(const VegoBlocks *blocks, VegoColumns *columns,
							 int start, int count, const uint8 *bytes,
							 const VegoBlockRow *factors);

/*
 * Distances of up to VEGO_BLOCK_ROWS rows of a panel from all columns: into
 * blocks->distances, columns->padded apart, infinite in the padding.
 */
extern void vego_blocks_measure(VegoBlocks *blocks, const VegoPanel *panel,
								int first, int row_count,
								const VegoColumns *columns);

/* Those of one of these rows. */
static inline float *
vego_blocks_distances(const VegoBlocks *blocks, const VegoColumns *columns,
					  int r)
{
	return blocks->distances + (size_t) r * columns->padded;
}

#endif							/* VEGO_BLOCK_H */
