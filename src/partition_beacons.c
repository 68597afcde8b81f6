/*
 * partition_beacons.c
 *	  How do searches by inner product get to where the answers are?
 *
 * Inner product favours large norms, whatever is near.  In the lifted space,
 * where links are chosen, a node's neighbours tend to have smaller norms than
 * its own, so that few links lead to where the answers are.  Hence beacons:
 * the items of the largest norms.  Every item links to those that have the
 * largest inner products with it, unless one chosen before has a larger one
 * with the candidate than the item has, as far as there is room.
 *
 * (Links by inner product alone, as in Morozov and Babenko, "Non-metric
 * similarity graphs for maximum inner product search", NeurIPS 2018, lose
 * where norms are nearly equal; so both.)
 */
#include "postgres.h"

#include "partition_stages.h"

/*
 * Beacons an item considers for each of m, and by what factor another one must
 * have more in common with a beacon to hide it.
 */
#define CONSIDERED 2
#define SLACK 1.2

void
vego_partition_find_beacons(VegoPartition *build, VegoWork *work)
{
	uint32		n = build->item_count;
	uint64	   *keys = vego_allocate(n, sizeof(uint64));
	uint32		count = 0;

	for (uint32 p = 0; p < n; p++)
	{
		uint32		row = build->items[p];
		float		norm = vego_row_factors(&build->rows, row)->norm;

		if (norm > build->usual_norm * VEGO_BEACON_NORM)
			keys[count++] = vego_key(norm, p);
		vego_advance(work, 0, VEGO_LONE_DISTANCE);
	}
	vego_keys_sort(keys, count);
	build->beacon_count = Min(count, Min(VEGO_MOST_BEACONS, build->leaf_limit));
	build->beacons = vego_array_new(build, build->beacon_count, sizeof(uint32));
	for (int i = 0; i < build->beacon_count; i++)
		build->beacons[i] = vego_key_id(keys[count - 1 - i]);
	pfree(keys);
}

/*
 * Makes blocks measure inner products: with unit norms, and lifts that do not
 * differ, a distance is 2 - 2 x.y.  Rows are brought to unit length, columns
 * are divided by the largest norm of all.
 */
static void
columns_for_products(VegoColumns *columns, double radius)
{
	float		inverse = (float) (1.0 / radius);

	for (int i = 0; i < columns->count; i++)
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

/* The beacons as columns, for products. */
static void
gather_beacons(const VegoPartition *build, VegoBlocks *blocks,
			   VegoColumns *columns)
{
	int			count = build->beacon_count;
	uint32	   *rows = vego_allocate(count, sizeof(uint32));

	for (int i = 0; i < count; i++)
		rows[i] = build->items[build->beacons[i]];
	vego_columns_init(columns, blocks, count);
	vego_blocks_gather(blocks, rows, count, NULL, columns);
	columns_for_products(columns, build->scale * build->rows.coder->radius);
	pfree(rows);
}

static double
inner_product(const VegoPartition *build, uint32 a, uint32 b)
{
	double		a_norm = vego_row_factors(&build->rows, a)->norm;
	double		b_norm = vego_row_factors(&build->rows, b)->norm;

	return (a_norm * a_norm + b_norm * b_norm -
			vego_row_distance(&build->rows, &build->near, a, b)) / 2.0;
}

/*
 * Chooses up to m of these beacons for an item, those of the largest inner
 * products being first; writes their positions and returns how many.
 */
static int
choose_beacons(const VegoPartition *build, uint32 position,
			   const int32 *marks, int32 places, int count, uint32 *chosen)
{
	uint32		row = build->items[position];
	int			chosen_count = 0;

	for (int i = 0; i < count && chosen_count < build->options->m; i++)
	{
		uint32		beacon = build->beacons[marks[i] & places];
		uint32		beacon_row = build->items[beacon];
		double		product = inner_product(build, row, beacon_row);
		bool		hidden = beacon == position || product <= 0.0;

		for (int j = 0; j < chosen_count && !hidden; j++)
			hidden = inner_product(build, build->items[chosen[j]],
								   beacon_row) > SLACK * product;
		if (!hidden)
			chosen[chosen_count++] = beacon;
	}
	return chosen_count;
}

/* Adds links to an item, as far as there is room, and sorts all by distance. */
static void
extend_links(const VegoPartition *build, uint32 position,
			 const uint32 *targets, int count)
{
	const VegoLevel *level = &build->level;
	uint32		node = build->items[position];
	VegoLink   *links = level->links + (size_t) node * level->capacity;
	int			degree = level->degrees[node];
	int			limit = vego_partition_link_room(build, position);
	double		unit = build->scale * build->scale;
	uint64		keys[UINT8_MAX];

	for (int i = 0; i < count && degree < limit; i++)
	{
		uint32		target = build->items[targets[i]];
		bool		known = false;

		for (int j = 0; j < degree; j++)
			known |= links[j] == target;
		if (!known)
			links[degree++] = target;
	}
	for (int i = 0; i < degree; i++)
		keys[i] = vego_key((float) (unit *
									vego_node_distance(build, node, links[i])),
						   links[i]);
	vego_keys_sort(keys, degree);
	for (int i = 0; i < degree; i++)
		links[i] = vego_key_id(keys[i]);
	level->degrees[node] = degree;
}

/* Links items from .. to - 1 to beacons. */
void
vego_partition_link_beacons(const VegoPartition *build, VegoWork *work,
							uint32 from, uint32 to)
{
	VegoBlocks *blocks = &work->blocks;
	int			m = build->options->m;
	uint32		chosen[VEGO_MAX_M];
	VegoColumns columns;
	VegoPanel	panel;

	if (build->beacon_count == 0)
		return;
	gather_beacons(build, blocks, &columns);
	vego_panel_init(&panel, blocks, blocks->height);
	for (uint32 start = from; start < to; start += blocks->height)
	{
		int			n = (int) Min(blocks->height, to - start);

		vego_blocks_gather(blocks, build->items + start, n, &panel, NULL);
		for (int r = 0; r < n; r++)
			row_for_products(&panel.factors[r]);
		vego_blocks_measure(blocks, &panel, 0, n, &columns, CONSIDERED * m);
		for (int r = 0; r < n; r++)
		{
			int			found = vego_blocks_nearest(blocks, &work->nearest,
													&columns, r,
													CONSIDERED * m);

			found = choose_beacons(build, start + r, work->nearest.marks,
								   columns.places, found, chosen);
			extend_links(build, start + r, chosen, found);
		}
		vego_advance(work, 0, (double) n *
					 (columns.padded + VEGO_LONE_DISTANCE * 8 * m));
	}
	vego_panel_free(&panel);
	vego_columns_free(&columns);
}
