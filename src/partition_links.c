/*
 * partition_links.c
 *	  Whom does an item link to, and who links back?
 */
#include "postgres.h"

#include <float.h>

#include "graph_select.h"
#include "partition_stages.h"

/* Of those who link to it, an item considers so many times its room. */
#define MOST_BACK_LINKS 8

/* Members of an item's leaves that are candidates wherever they are. */
#define STRANGERS 4

void
vego_partition_begin_links(VegoPartition *build)
{
	size_t		n = build->item_count;
	size_t		m = build->options->m;

	build->forward_degrees = vego_array_new(build, n, sizeof(uint8));
	build->forward = vego_array_new(build, n * m, sizeof(uint32));
	build->forward_distances = vego_array_new(build, n * m, sizeof(float));
}

void
vego_partition_end_links(VegoPartition *build)
{
	vego_array_free(build, build->forward_degrees);
	vego_array_free(build, build->forward);
	vego_array_free(build, build->forward_distances);
}

/* Merges two sorted lists of keys, once each; returns the length. */
static int
merge_keys(const uint64 *a, int a_count, const uint64 *b, int b_count,
		   uint64 *merged)
{
	int			i = 0;
	int			j = 0;
	int			count = 0;

	while (i < a_count && j < b_count)
	{
		uint64		key = Min(a[i], b[j]);

		i += a[i] == key;
		j += b[j] == key;
		merged[count++] = key;
	}
	while (i < a_count)
		merged[count++] = a[i++];
	while (j < b_count)
		merged[count++] = b[j++];
	return count;
}

/*
 * Applies the rule to keys of positions, nearest first; returns how many
 * remain, at the front.
 */
static int
select_keys(const VegoPartition *build, uint64 *keys, int count, int limit,
			VegoCandidate *candidates)
{
	double		unscale = 1.0 / vego_partition_unit(build);
	int			near_bytes = Min(build->rows.coder->code_bytes, 256);
	int			chosen;

	for (int i = 0; i < count; i++)
	{
		uint32		row = build->items[vego_key_id(keys[i])];

		candidates[i].id = i;
		candidates[i].distance = vego_key_distance(keys[i]) * unscale;
		candidates[i].factors = vego_row_factors(&build->rows, row);
		candidates[i].code = vego_row_code(&build->rows, row);
		candidates[i].binding = false;
		for (int at = 0; at < near_bytes; at += 64)
			__builtin_prefetch(candidates[i].code + at);
		__builtin_prefetch(candidates[i].factors);
	}
	chosen = vego_select_neighbours(build->rows.coder, candidates, count,
									limit);
	for (int i = 0; i < chosen; i++)
		keys[i] = keys[candidates[i].id];	/* ids grow */
	return chosen;
}

/* ----------------------------------------------------------------
 *		Forward
 * ----------------------------------------------------------------
 */

/* Scratch for one item at a time. */
typedef struct Lists
{
	uint64	   *leaf;			/* candidates of one leaf */
	uint64	   *keys;			/* of all leaves, nearest first */
	uint64	   *merged;
	VegoCandidate *candidates;
} Lists;

/* Merges the candidates from all leaves of an item; returns how many. */
static int
merge_candidates(const VegoPartition *build, uint32 position, Lists *lists)
{
	int			per_row = build->leaves_a_row;
	int			per_leaf = build->candidates_a_leaf;
	int32		places = vego_partition_places(build);
	int			count = 0;

	for (int j = 0; j < per_row; j++)
	{
		uint64		i = (uint64) position * per_row + j;
		uint64		start = build->leaf_start[build->leaves[i]];
		uint64		at = (start + build->seats[i]) * per_leaf;
		int			listed = 0;
		const int32 *candidates = build->candidates + at;
		uint64	   *swap = lists->keys;

		for (; listed < per_leaf && candidates[listed] != VEGO_NO_MARK;
			 listed++)
		{
			int32		mark = candidates[listed];
			int			seat = (build->seats[i] + mark) & places;

			lists->leaf[listed] = vego_key(vego_mark_distance(mark, places),
										   build->members[start + seat]);
		}
		/* positions ascend with seats, but these go in a circle */
		vego_keys_sort(lists->leaf, listed);
		count = merge_keys(lists->keys, count, lists->leaf, listed,
						   lists->merged);
		lists->keys = lists->merged;
		lists->merged = swap;
	}
	return count;
}

/*
 * Adds random members of the leaves of an item to its candidates; returns the
 * new count.
 *
 * In a tight cluster the nearest few are all of the cluster, and no link would
 * lead out of it.  Where items are spread evenly strangers are seldom chosen,
 * for somebody nearer is on the way to them.
 */
static int
add_strangers(const VegoPartition *build, uint32 position, uint64 *keys,
			  int count)
{
	int			per_row = build->leaves_a_row;
	const uint32 *leaves = build->leaves + (uint64) position * per_row;
	uint64		random = build->options->seed + ((uint64) position << 32);

	for (int i = 0; i < STRANGERS; i++)
	{
		uint32		leaf = leaves[i % per_row];
		uint64		start = build->leaf_start[leaf];
		uint64		size = build->leaf_start[leaf + 1] - start;
		uint32		other = build->members[start + vego_random(&random) % size];
		bool		known = other == position;
		double		distance;

		for (int j = 0; j < count; j++)
			known |= vego_key_id(keys[j]) == other;
		if (known)
			continue;
		distance = vego_partition_unit(build) *
			vego_row_distance(&build->rows, build->rows.coder,
							  build->items[position], build->items[other]);
		keys[count] = PG_UINT64_MAX;
		vego_keys_offer(keys, ++count,
						vego_key((float) Min(distance, FLT_MAX), other));
	}
	return count;
}

/* Lets items from .. to - 1 choose up to m links among their candidates. */
void
vego_partition_choose_links(const VegoPartition *build, VegoWork *work,
							uint32 from, uint32 to)
{
	int			m = build->options->m;
	int			per_leaf = build->candidates_a_leaf;
	int			most = build->leaves_a_row * per_leaf + STRANGERS;
	Lists		lists;

	lists.leaf = vego_allocate(per_leaf, sizeof(uint64));
	lists.keys = vego_allocate(most, sizeof(uint64));
	lists.merged = vego_allocate(most, sizeof(uint64));
	lists.candidates = vego_allocate(most, sizeof(VegoCandidate));
	for (uint32 p = from; p < to; p++)
	{
		uint32	   *links = build->forward + (size_t) p * m;
		float	   *distances = build->forward_distances + (size_t) p * m;
		int			count = merge_candidates(build, p, &lists);

		count = add_strangers(build, p, lists.keys, count);
		count = select_keys(build, lists.keys, count, m, lists.candidates);
		build->forward_degrees[p] = count;
		for (int i = 0; i < count; i++)
		{
			links[i] = vego_key_id(lists.keys[i]);
			distances[i] = vego_key_distance(lists.keys[i]);
		}
		vego_advance(work, 1, VEGO_LONE_DISTANCE * 4.0 * most);
	}
	pfree(lists.leaf);
	pfree(lists.keys);
	pfree(lists.merged);
	pfree(lists.candidates);
}

/* ----------------------------------------------------------------
 *		Back
 * ----------------------------------------------------------------
 */

/* Forward links by whom they lead to, for a range of destinations. */
typedef struct Incoming
{
	uint64	   *starts;			/* of each destination */
	uint64	   *keys;			/* who links to it, and how far it is */
} Incoming;

/* Groups links by destination; the caller owns the result. */
static Incoming
group_links(const VegoPartition *build, VegoWork *work, uint32 from, uint32 to)
{
	int			m = build->options->m;
	uint32		range = to - from;
	Incoming	incoming;

	incoming.starts = vego_allocate_zero(VEGO_STARTS_ROOM(range),
										 sizeof(uint64));
	for (uint32 p = 0; p < build->item_count; p++)
	{
		const uint32 *links = build->forward + (size_t) p * m;

		for (int i = 0; i < build->forward_degrees[p]; i++)
			if (links[i] - from < range)
				incoming.starts[links[i] - from + 2]++;
		vego_advance(work, 0, 1);
	}
	vego_starts_sum(incoming.starts, range);
	incoming.keys = vego_allocate(incoming.starts[range + 1], sizeof(uint64));
	for (uint32 p = 0; p < build->item_count; p++)
	{
		const uint32 *links = build->forward + (size_t) p * m;
		const float *distances = build->forward_distances + (size_t) p * m;

		for (int i = 0; i < build->forward_degrees[p]; i++)
			if (links[i] - from < range)
				incoming.keys[incoming.starts[links[i] - from + 1]++] =
					vego_key(distances[i], p);
		vego_advance(work, 0, 4);
	}
	return incoming;
}

/*
 * Removes keys of whom the item links to already: by id, since rounding may
 * tell the two directions apart.  Returns how many remain.
 */
static int
remove_known(uint64 *keys, int count, const uint64 *known, int known_count)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		bool		is_known = false;

		for (int j = 0; j < known_count; j++)
			is_known |= vego_key_id(keys[i]) == vego_key_id(known[j]);
		keys[kept] = keys[i];
		kept += !is_known;
	}
	return kept;
}

/*
 * Lets items from .. to - 1 choose among those they link to and those who link
 * to them, and writes the links of their nodes.
 */
void
vego_partition_link_back(const VegoPartition *build, VegoWork *work,
						 uint32 from, uint32 to)
{
	const VegoLevel *level = &build->level;
	int			m = build->options->m;
	int			most = MOST_BACK_LINKS * level->capacity;
	Incoming	incoming = group_links(build, work, from, to);
	uint64	   *own = vego_allocate(m, sizeof(uint64));
	uint64	   *keys = vego_allocate(most + m, sizeof(uint64));
	VegoCandidate *candidates = vego_allocate(most + m, sizeof(VegoCandidate));

	for (uint32 p = from; p < to; p++)
	{
		uint32		node = build->nodes[p];
		VegoLink   *links = level->links + (size_t) node * level->capacity;
		uint64	   *back = incoming.keys + incoming.starts[p - from];
		int			back_count = (int) (incoming.starts[p - from + 1] -
										incoming.starts[p - from]);
		int			degree = build->forward_degrees[p];
		int			count;

		for (int i = 0; i < degree; i++)
			own[i] = vego_key(build->forward_distances[(size_t) p * m + i],
							  build->forward[(size_t) p * m + i]);
		back_count = remove_known(back, back_count, own, degree);
		vego_keys_sort(back, back_count);
		count = merge_keys(own, degree, back, Min(back_count, most), keys);
		count = select_keys(build, keys, count,
							vego_partition_link_room(build, p), candidates);
		level->degrees[node] = count;
		for (int i = 0; i < count; i++)
			links[i] = build->nodes[vego_key_id(keys[i])];
		vego_advance(work, 1, VEGO_LONE_DISTANCE * 4.0 * (degree + back_count));
	}
	pfree(incoming.starts);
	pfree(incoming.keys);
	pfree(own);
	pfree(keys);
	pfree(candidates);
}
