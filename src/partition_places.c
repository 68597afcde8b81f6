/*
 * partition_places.c
 *	  Which leaves is a sparse item in, beside those of the tree?
 *
 * Most pairs of sparse vectors have nothing in common, so few items are near a
 * centroid, and k-means tells apart what matters least.  But what is near an
 * item shares a large element with it.  So there are leaves of the items that
 * have one of their largest elements at the same place, or at one of several
 * places that few have.
 */
#include "postgres.h"

#include "code_sparse.h"
#include "partition_stages.h"

/* The largest elements of an item, at places that others have as well. */
typedef struct Largest
{
	int			count;
	int			places[VEGO_SPARSE_ENTRIES];
	int			sizes[VEGO_SPARSE_ENTRIES]; /* descending */
} Largest;

static const uint8 *
item_code(const VegoPartition *build, uint32 item)
{
	return vego_row_code(&build->rows, build->items[item]);
}

/* How many items have an element at each place. */
static uint32 *
count_places(const VegoPartition *build, VegoWork *work)
{
	uint32	   *counts = vego_allocate_zero(VEGO_SPARSE_PLACES,
											sizeof(uint32));

	for (uint32 item = 0; item < build->item_count; item++)
	{
		const uint8 *code = item_code(build, item);

		for (int i = 0; vego_sparse_value(code, i) != 0; i++)
			counts[vego_sparse_place(code, i)]++;
		vego_advance(work, 0, 1);
	}
	return counts;
}

/* Up to `most` of them, largest first, and of equal ones the first place. */
static void
find_largest(const uint8 *code, const uint32 *counts, int most,
			 Largest *largest)
{
	largest->count = 0;
	for (int i = 0; vego_sparse_value(code, i) != 0; i++)
	{
		int			place = vego_sparse_place(code, i);
		int			size = abs(vego_sparse_value(code, i));
		int			at = largest->count;

		if (counts[place] < 2 ||
			(at == most && largest->sizes[at - 1] >= size))
			continue;
		if (at == most)
			at--;
		else
			largest->count++;
		for (; at > 0 && largest->sizes[at - 1] < size; at--)
		{
			largest->sizes[at] = largest->sizes[at - 1];
			largest->places[at] = largest->places[at - 1];
		}
		largest->sizes[at] = size;
		largest->places[at] = place;
	}
}

/*
 * The cell of each place, behind those of the tree.  Places that few items are
 * to be found by share one.
 */
static uint32 *
number_places(VegoPartition *build, VegoWork *work, const uint32 *counts,
			  int wanted)
{
	uint32	   *members = vego_allocate_zero(VEGO_SPARSE_PLACES,
											 sizeof(uint32));
	uint32	   *cells = vego_allocate(VEGO_SPARSE_PLACES, sizeof(uint32));
	uint64		in_cell = 0;
	Largest		largest;

	for (uint32 item = 0; item < build->item_count; item++)
	{
		find_largest(item_code(build, item), counts, wanted, &largest);
		for (int i = 0; i < largest.count; i++)
			members[largest.places[i]]++;
		vego_advance(work, 0, 1);
	}
	for (int place = 0; place < VEGO_SPARSE_PLACES; place++)
	{
		if (in_cell > 0 && in_cell + members[place] > build->leaf_size)
		{
			build->cell_count++;
			in_cell = 0;
		}
		cells[place] = build->cell_count;
		in_cell += members[place];
	}
	build->cell_count++;
	pfree(members);
	return cells;
}

static bool
has_cell(const uint32 *cells, int count, uint32 cell)
{
	for (int i = 0; i < count; i++)
		if (cells[i] == cell)
			return true;
	return false;
}

/*
 * Adds the cells of an item's largest elements to those it has from the tree;
 * where it has too few of them, others, for each item is in as many.
 */
static void
write_cells(const VegoPartition *build, const Largest *largest,
			const uint32 *cells, uint32 *cells_of_item)
{
	int			count = build->tree_leaves;
	uint32		other = cells_of_item[0];

	for (int i = 0; i < largest->count && count < build->leaves_a_row; i++)
	{
		uint32		cell = cells[largest->places[i]];

		if (!has_cell(cells_of_item, count, cell))
			cells_of_item[count++] = cell;
	}
	while (count < build->leaves_a_row)
	{
		other = (other + 1) % build->cell_count;
		if (!has_cell(cells_of_item, count, other))
			cells_of_item[count++] = other;
	}
}

void
vego_partition_assign_places(VegoPartition *build, VegoWork *work)
{
	int			per_row = build->leaves_a_row;
	int			wanted = per_row - build->tree_leaves;
	uint32	   *counts = count_places(build, work);
	uint32	   *cells = number_places(build, work, counts, wanted);
	Largest		largest;

	/* so many there are, if some without members */
	build->cell_count = Max(build->cell_count, per_row);
	for (uint32 item = 0; item < build->item_count; item++)
	{
		/* more than are wanted, for some may be of one cell */
		find_largest(item_code(build, item), counts, 2 * wanted, &largest);
		write_cells(build, &largest, cells,
					build->cell_of + (size_t) item * per_row);
		vego_advance(work, 0, 1);
	}
	pfree(counts);
	pfree(cells);
}
