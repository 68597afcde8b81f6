/*
 * nearest.c
 *	  Which few of many are the nearest?
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "nearest.h"
#include "rows.h"
#include "simd/kernels.h"

/* Up to here insertion is the faster sort. */
#define FEW_KEYS 48

#define ST_SORT sort_many_keys
#define ST_ELEMENT_TYPE uint64
#define ST_COMPARE(a, b) (*(a) < *(b) ? -1 : *(a) > *(b))
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

void
vego_keys_sort(uint64 *keys, int count)
{
	if (count > FEW_KEYS)
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
	Assert(widest <= PG_UINT16_MAX + 1);
	nearest->keys = vego_allocate(widest, sizeof(uint64));
	nearest->minima = vego_allocate(widest, sizeof(float));
	nearest->below = vego_allocate(widest, sizeof(uint16));
}

/*
 * The value that `rank` others are below, of values that may be reordered
 * (Hoare's selection).
 */
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

/* Element by element, the lesser one; compilers vectorize this form of it. */
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
nearly_rank(float *minima, const float *values, int count, int wanted)
{
	int			hands = Min(count, (int) TYPEALIGN(VEGO_BLOCK_COLUMNS,
												   2 * wanted));

	Assert(count % VEGO_BLOCK_COLUMNS == 0);
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
 * When many are as far as the limit: all that are nearer, and of the others no
 * more than needed.
 */
static int
take_few(VegoNearest *nearest, const float *values, int found, float limit,
		 int wanted, int from)
{
	const uint16 *below = nearest->below;
	int			taken = 0;
	int			first = 0;

	for (int i = 0; i < found; i++)
	{
		if (values[below[i]] < limit)
			nearest->keys[taken++] = vego_key(values[below[i]], below[i]);
		first += below[i] < from;
	}
	for (int i = 0; i < found && taken < wanted; i++)
	{
		int			place = below[(first + i) % found];

		if (!(values[place] < limit))
			nearest->keys[taken++] = vego_key(values[place], place);
	}
	return taken;
}

int
vego_nearest_find(VegoNearest *nearest, const float *values, int count,
				  int wanted, int from)
{
	float		limit = nearly_rank(nearest->minima, values, count, wanted);
	float		above = limit < FLT_MAX ? nextafterf(limit, INFINITY) :
		INFINITY;
	const uint16 *below = nearest->below;
	int			found = vego_kernels->below(values, count, above,
											nearest->below);
	int			taken = 0;

	if (found > 4 * wanted)
		taken = take_few(nearest, values, found, limit, wanted, from);
	else
		for (; taken < found; taken++)
			nearest->keys[taken] = vego_key(values[below[taken]], below[taken]);
	vego_keys_sort(nearest->keys, taken);
	return Min(taken, wanted);
}
