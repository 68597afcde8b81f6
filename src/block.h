/*
 * block.h
 *	  Distances of many coded vectors from many.
 *
 * A block is a few dozen rows of a panel against VEGO_BLOCK_COLUMNS columns
 * (simd/kernels.h), and what comes of it are marks.  Distances are squared, in fp32, and scaled so that
 * usual norms are near 1: squared L2 of the codes, lifted under inner product.
 * L1 has no blocks; there they measure L2.  Of sparse vectors they measure a
 * short version (vego_code_unpack).
 */
#ifndef VEGO_BLOCK_H
#define VEGO_BLOCK_H

#include "nearest.h"
#include "rows.h"

/*
 * Rows that a block takes at once.  For each block all columns come anew from the
 * second-level cache or, where they are wide, from beyond it: then more rows at
 * once are faster.  But marks of many rows fill it, too, and of little memory
 * for a build they leave less.
 */
static inline int
vego_block_height(size_t stride)
{
	return stride <= 512 ? 32 : 64;
}

/* Scaled norms above this are drawn in, lest their squares overflow. */
#define VEGO_LARGEST_NORM 1e12

/* What one process needs to work on blocks. */
typedef struct VegoBlocks
{
	const VegoRows *rows;
	double		scale;			/* of vectors, a power of two */
	size_t		stride;			/* of a panel's codes */
	size_t		packed_bytes;	/* of VEGO_BLOCK_COLUMNS columns */
	int			height;			/* rows that a block takes */

	/* scratch */
	uint8	   *bytes;			/* VEGO_BLOCK_COLUMNS x dimensions */
	int32	   *dots;			/* height x VEGO_BLOCK_COLUMNS */
	int32	   *marks;			/* height x the widest columns */
	int32	   *least;			/* height x hands */
	int			hands;			/* of nearest.h, as measured last */
	int			most_hands;		/* that there is room for */
} VegoBlocks;

/* Vectors as the rows of blocks. */
typedef struct VegoPanel
{
	void	   *memory;			/* of the codes, which are aligned in it */
	int8	   *codes;			/* VegoBlocks.stride apart */
	VegoBlockRow *factors;
} VegoPanel;

/* Vectors as the columns of blocks. */
typedef struct VegoColumns
{
	int			count;
	int			padded;			/* up to a multiple of VEGO_BLOCK_COLUMNS */
	int32		places;			/* of marks; enough for all columns */
	void	   *memory;			/* of packed, which is aligned in it */
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

/* The lift of a row in blocks, not scaled. */
extern double vego_blocks_lift(const VegoBlocks *blocks, uint32 row);

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
 * Marks of up to blocks->height rows of a panel and all columns: into
 * blocks->marks, columns->padded apart, none in the padding.  A mark's place is
 * its column.  Hands are dealt for finding the nearest `wanted`.
 */
extern void vego_blocks_measure(VegoBlocks *blocks, const VegoPanel *panel,
								int first, int row_count,
								const VegoColumns *columns, int wanted);

/*
 * The same when rows and columns are the same vectors.  Places count from a
 * row's own column on, in a circle: the row itself has place 0, and of columns
 * that are equally far not all rows prefer the same.
 */
extern void vego_blocks_measure_pairs(VegoBlocks *blocks,
									  const VegoPanel *panel,
									  int first, int row_count,
									  const VegoColumns *columns, int wanted);

/* Those of one of these rows. */
static inline int32 *
vego_blocks_marks(const VegoBlocks *blocks, const VegoColumns *columns, int r)
{
	return blocks->marks + (size_t) r * columns->padded;
}

static inline int32 *
vego_blocks_least(const VegoBlocks *blocks, int r)
{
	return blocks->least + (size_t) r * blocks->hands;
}

/* The nearest `wanted` of that row, or fewer: nearest->marks. */
extern int	vego_blocks_nearest(const VegoBlocks *blocks,
								VegoNearest *nearest,
								const VegoColumns *columns, int r,
								int wanted);

#endif							/* VEGO_BLOCK_H */
