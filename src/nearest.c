/*
 * nearest.c
 *	  Which few of many are the nearest?
 */
#include "postgres.h"

#include "nearest.h"
#include "rows.h"

/* Up to here insertion is the faster sort ... */
#define FEW_KEYS 48

/* ... and counting those below the faster one of marks. */
#define FEW_MARKS 256
#define FEW_HANDS 64

#define ST_SORT sort_many_keys
#define ST_ELEMENT_TYPE uint64
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_many_marks
#define ST_ELEMENT_TYPE int32
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/* Sorts by insertion; false, and not done, if that takes more than so many moves. */
static bool
insert_keys(uint64 *keys, int count, int moves)
{
	for (int i = 1; i < count; i++)
	{
		uint64		key = keys[i];
		int			j = i;

		for (; j > 0 && keys[j - 1] > key; j--)
			keys[j] = keys[j - 1];
		keys[j] = key;
		moves -= i - j;
		if (moves < 0)
			return false;
	}
	return true;
}

/* Many keys are often in order but for a few. */
void
vego_keys_sort(uint64 *keys, int count)
{
	int			moves = count > FEW_KEYS ? count : FEW_KEYS * FEW_KEYS;

	if (!insert_keys(keys, count, moves))
		sort_many_keys(keys, count);
}

void
vego_keys_offer(uint64 *list, int length, uint64 key)
{
	int			i = length - 1;

	if (list[i] <= key)
		return;
	for (; i > 0 && list[i - 1] > key; i--)
		list[i] = list[i - 1];
	list[i] = key;
}

void
vego_nearest_init(VegoNearest *nearest, int widest)
{
	nearest->marks = vego_allocate(widest, sizeof(int32));
	nearest->found = vego_allocate(TYPEALIGN(VEGO_BLOCK_COLUMNS, widest),
								   sizeof(int32));
}

int
vego_nearest_hands(int wanted, int count)
{
	int			hands = TYPEALIGN(VEGO_BLOCK_COLUMNS, wanted * 7 / 4);

	return Min(hands, count);
}

/*
 * A limit that so many marks are below, or all of them if they are fewer.  No
 * two are alike, and counting is fast, so it is searched for by halving.
 */
static int32
limit_of(const int32 *marks, int count, int wanted)
{
	int32		low = 0;
	int32		high = VEGO_NO_MARK;

	while (low < high)
	{
		int32		middle = low + (high - low) / 2;
		int			below = vego_kernels->count_below(marks, count, middle);

		if (below == wanted)
			return middle;
		if (below < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
sort_marks(int32 *marks, int count, int32 *sorted)
{
	if (count <= FEW_MARKS)
	{
		vego_kernels->sort_marks(marks, count, sorted);
		return;
	}
	memcpy(sorted, marks, count * sizeof(int32));
	sort_many_marks(sorted, count);
}

int
vego_nearest_find(VegoNearest *nearest, const int32 *marks, int count,
				  int32 *least, int hands, int wanted)
{
	int32		limit;
	int			found;

	if (hands <= FEW_HANDS)
	{
		vego_kernels->sort_marks(least, hands, nearest->marks);
		limit = nearest->marks[Min(wanted, hands) - 1];
		limit = limit < VEGO_NO_MARK ? limit + 1 : VEGO_NO_MARK;
	}
	else
		limit = limit_of(marks, count, wanted);
	found = vego_kernels->marks_below(marks, count, limit, nearest->found);
	sort_marks(nearest->found, found, nearest->marks);
	return Min(found, wanted);
}
