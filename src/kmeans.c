/*
 * kmeans.c
 *	  What are the centres of many rows?
 */
#include "postgres.h"

#include <float.h>

#include "kmeans.h"

#define KMEANS_ROUNDS 2

/* Sums of the rows that are nearest to each centroid. */
typedef struct Means
{
	int			count;
	int			dims;
	int		   *counts;
	double	   *lifts;
	float	   *sums;
	float	   *values;			/* scratch of an encoded mean */
	uint8	   *bytes;			/* one row, as blocks have it */
} Means;

static VegoCoder
centroid_coder(const VegoBlocks *blocks)
{
	VegoCoder	coder;

	vego_coder_init(&coder, VEGO_L2, blocks->rows->coder->block_dims, 8, 0.0,
					NULL);
	return coder;
}

void
vego_kmeans_pack(const VegoBlocks *blocks, const VegoCentroids *centroids,
				 VegoColumns *columns)
{
	int			dims = blocks->rows->coder->block_dims;

	for (int start = 0; start < centroids->count; start += VEGO_BLOCK_COLUMNS)
	{
		int			n = Min(VEGO_BLOCK_COLUMNS, centroids->count - start);
		VegoBlockRow factors[VEGO_BLOCK_COLUMNS];

		for (int i = 0; i < n; i++)
			factors[i] = vego_block_row(&centroids->factors[start + i], dims,
										centroids->lifts[start + i], 1.0);
		vego_columns_put(blocks, columns, start, n,
						 centroids->codes + (size_t) start * dims, factors);
	}
}

void
vego_kmeans_assign(VegoWork *work, const uint32 *rows, int count,
				   const VegoColumns *centroids, int *nearest_of)
{
	VegoBlocks *blocks = &work->blocks;
	VegoPanel	panel;

	vego_panel_init(&panel, blocks, blocks->height);
	for (int start = 0; start < count; start += blocks->height)
	{
		int			n = Min(blocks->height, count - start);

		vego_blocks_gather(blocks, rows + start, n, &panel, NULL);
		vego_blocks_measure(blocks, &panel, 0, n, centroids, 1);
		for (int r = 0; r < n; r++)
		{
			const int32 *least = vego_blocks_least(blocks, r);
			int32		best = VEGO_NO_MARK;

			for (int hand = 0; hand < blocks->hands; hand++)
				best = Min(best, least[hand]);
			nearest_of[start + r] = best & centroids->places;
		}
		vego_advance(work, 0, (double) n * centroids->padded);
	}
	vego_panel_free(&panel);
}

static void
means_init(Means *means, int count, int dims)
{
	means->count = count;
	means->dims = dims;
	means->counts = vego_allocate(count, sizeof(int));
	means->lifts = vego_allocate(count, sizeof(double));
	means->sums = vego_allocate((size_t) count * dims, sizeof(float));
	means->values = vego_allocate(dims, sizeof(float));
	means->bytes = vego_allocate(dims, 1);
}

static void
means_free(Means *means)
{
	pfree(means->counts);
	pfree(means->lifts);
	pfree(means->sums);
	pfree(means->values);
	pfree(means->bytes);
}

static void
means_clear(Means *means)
{
	memset(means->counts, 0, means->count * sizeof(int));
	memset(means->lifts, 0, means->count * sizeof(double));
	memset(means->sums, 0, (size_t) means->count * means->dims * sizeof(float));
}

static void
add_to_mean(Means *means, int i, const VegoBlocks *blocks, uint32 row)
{
	VegoFactors factors =
		vego_code_unpack(blocks->rows->coder,
						 vego_row_factors(blocks->rows, row),
						 vego_row_code(blocks->rows, row), means->bytes);
	float	   *sum = means->sums + (size_t) i * means->dims;
	double		scale = vego_drawn_scale(factors.norm, blocks->scale);
	double		lo = factors.lo * scale;
	double		step = factors.step * scale;

	for (int d = 0; d < means->dims; d++)
		sum[d] += (float) (lo + step * means->bytes[d]);
	means->lifts[i] += vego_blocks_lift(blocks, row) * scale;
	means->counts[i]++;
}

/* Makes centroids of the means; one that no row is nearest to stays. */
static void
set_centroids(VegoCentroids *centroids, Means *means, const VegoBlocks *blocks)
{
	VegoCoder	coder = centroid_coder(blocks);

	for (int i = 0; i < means->count; i++)
	{
		float	   *sum = means->sums + (size_t) i * means->dims;

		if (means->counts[i] == 0)
			continue;
		for (int d = 0; d < means->dims; d++)
			sum[d] /= means->counts[i];
		vego_encode_dense(&coder, sum, means->values, &centroids->factors[i],
						  centroids->codes + (size_t) i * means->dims);
		centroids->lifts[i] = means->lifts[i] / means->counts[i];
	}
}

void
vego_kmeans(VegoWork *work, const uint32 *rows, int count,
			VegoCentroids *centroids)
{
	const VegoBlocks *blocks = &work->blocks;
	int			k = centroids->count;
	int		   *nearest_of = vego_allocate(count, sizeof(int));
	Means		means;
	VegoColumns columns;

	Assert(k <= count);
	means_init(&means, k, blocks->rows->coder->block_dims);
	vego_columns_init(&columns, blocks, k);

	/* round 0 makes centroids of the first k rows themselves */
	for (int round = 0; round <= KMEANS_ROUNDS; round++)
	{
		if (round > 0)
		{
			vego_kmeans_pack(blocks, centroids, &columns);
			vego_kmeans_assign(work, rows, count, &columns, nearest_of);
		}
		means_clear(&means);
		for (int i = 0; i < (round > 0 ? count : k); i++)
		{
			add_to_mean(&means, round > 0 ? nearest_of[i] : i, blocks, rows[i]);
			vego_advance(work, 0, VEGO_LONE_DISTANCE);
		}
		set_centroids(centroids, &means, blocks);
	}
	vego_columns_free(&columns);
	means_free(&means);
	pfree(nearest_of);
}

static double
centroid_distance(const VegoCoder *coder, const VegoCentroids *a, int i,
				  const VegoCentroids *b, int j)
{
	size_t		dims = coder->dims;
	double		lift = a->lifts[i] - b->lifts[j];

	return lift * lift +
		vego_code_distance(coder, &a->factors[i], a->codes + i * dims,
						   &b->factors[j], b->codes + j * dims);
}

static void
swap_centroids(VegoCentroids *centroids, size_t dims, int i, int j)
{
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

void
vego_kmeans_chain(VegoWork *work, VegoCentroids *centroids,
				  const VegoCentroids *before)
{
	VegoCoder	coder = centroid_coder(&work->blocks);

	for (int i = before ? 0 : 1; i < centroids->count; i++)
	{
		const VegoCentroids *from = i > 0 ? centroids : before;
		int			last = i > 0 ? i - 1 : before->count - 1;
		int			best = i;
		double		best_distance = DBL_MAX;

		for (int j = i; j < centroids->count; j++)
		{
			double		distance = centroid_distance(&coder, from, last,
													 centroids, j);

			if (distance < best_distance)
			{
				best_distance = distance;
				best = j;
			}
		}
		if (best != i)
			swap_centroids(centroids, coder.dims, i, best);
		vego_advance(work, 0,
					 VEGO_LONE_DISTANCE * (double) (centroids->count - i));
	}
}
