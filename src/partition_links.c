/*
 * partition_links.c
 *	  Whom does an item link to, and who links back?
 */
#include "postgres.h"

#include "graph_select.h"
#include "partition_stages.h"

/* Of those who link to it, an item considers so many times its room. */
#define MOST_BACK_LINKS 8

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
 * Scratch for one item.  There are two of them: while an item chooses, what the
 * next one will read is on its way from memory.
 */
typedef struct Lists
{
	uint64	   *leaf;			/* candidates of one leaf */
	uint64	   *merged;
	uint64	   *keys;			/* of positions, nearest first */
	int			count;
	VegoCandidate *candidates;	/* the same */
} Lists;

static void
lists_init(Lists *lists, int most)
{
	lists->leaf = vego_allocate(most, sizeof(uint64));
	lists->merged = vego_allocate(most, sizeof(uint64));
	lists->keys = vego_allocate(most, sizeof(uint64));
	lists->candidates = vego_allocate(most, sizeof(VegoCandidate));
}

static void
lists_free(Lists *lists)
{
	pfree(lists->leaf);
	pfree(lists->merged);
	pfree(lists->keys);
	pfree(lists->candidates);
}

/*
 * Asks for a row, but only for the second-level cache: the item before is still
 * choosing, and fills the first (vego_select_neighbours).
 */
static void
prefetch_row(const VegoPartition *build, uint32 row)
{
	const uint8 *code = vego_row_code(&build->rows, row);
	int			bytes = Min(build->rows.coder->code_bytes,
							VEGO_PREFETCHED_BYTES);

	for (int at = 0; at < bytes; at += 64)
		__builtin_prefetch(code + at, 0, 2);
	__builtin_prefetch(vego_row_factors(&build->rows, row), 0, 2);
}

/* Makes candidates of keys. */
static void
fill_candidates(const VegoPartition *build, Lists *lists)
{
	double		unscale = 1.0 / vego_partition_unit(build);

	for (int i = 0; i < lists->count; i++)
	{
		uint32		row = build->items[vego_key_id(lists->keys[i])];
		VegoCandidate *candidate = &lists->candidates[i];

		candidate->id = i;
		candidate->distance = vego_key_distance(lists->keys[i]) * unscale;
		candidate->factors = vego_row_factors(&build->rows, row);
		candidate->code = vego_row_code(&build->rows, row);
		candidate->binding = candidate->apart = false;
		prefetch_row(build, row);
	}
}

/* Applies the rule; the keys of those who remain are at the front. */
static int
choose(const VegoPartition *build, Lists *lists, int limit)
{
	int			chosen = vego_select_neighbours(build->rows.coder,
												lists->candidates,
												lists->count, limit);

	for (int i = 0; i < chosen; i++)
		lists->keys[i] = lists->keys[lists->candidates[i].id];	/* ids grow */
	return chosen;
}

/* ----------------------------------------------------------------
 *		Forward
 * ----------------------------------------------------------------
 */

/* The place in the candidates of the first of an item, of its leaf j. */
static uint64
first_candidate(const VegoPartition *build, uint32 position, int j)
{
	uint64		i = (uint64) position * build->leaves_a_row + j;

	return (build->leaf_start[build->leaves[i]] + build->seats[i]) *
		vego_partition_marks_a_place(build);
}

/* The key of a mark of an item in its leaf j. */
static uint64
candidate_key(const VegoPartition *build, uint32 position, int j, int32 mark)
{
	uint64		i = (uint64) position * build->leaves_a_row + j;
	int32		places = vego_partition_places(build);
	uint64		seat = (build->seats[i] + mark) & places;

	return vego_key(vego_mark_distance(mark, places),
					build->members[build->leaf_start[build->leaves[i]] + seat]);
}

/* Merges the candidates from all leaves of an item; returns how many. */
static int
merge_candidates(const VegoPartition *build, uint32 position, Lists *lists)
{
	int			count = 0;

	for (int j = 0; j < build->leaves_a_row; j++)
	{
		const int32 *candidates = build->candidates +
			first_candidate(build, position, j);
		int			listed = 0;
		uint64	   *swap = lists->keys;

		for (; listed < build->candidates_a_leaf &&
			 candidates[listed] != VEGO_NO_MARK; listed++)
			lists->leaf[listed] = candidate_key(build, position, j,
												candidates[listed]);
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
 * Adds strangers to the candidates of an item; returns the new count.
 *
 * In a tight cluster the nearest few are all of the cluster, and no link would
 * lead out of it.  Where items are spread evenly strangers are seldom chosen,
 * for somebody nearer is on the way to them.
 */
static int
add_strangers(const VegoPartition *build, uint32 position, uint64 *keys,
			  int count)
{
	int			nearest = build->candidates_a_leaf;

	for (int j = 0; j < build->leaves_a_row; j++)
	{
		const int32 *candidates = build->candidates +
			first_candidate(build, position, j);

		for (int i = nearest; i < vego_partition_marks_a_place(build); i++)
		{
			uint64		key;
			bool		known = candidates[i] == VEGO_NO_MARK;

			if (known)
				continue;
			key = candidate_key(build, position, j, candidates[i]);
			for (int k = 0; k < count; k++)
				known |= vego_key_id(keys[k]) == vego_key_id(key);
			if (known)
				continue;
			keys[count] = PG_UINT64_MAX;
			vego_keys_offer(keys, ++count, key);
		}
	}
	return count;
}

/* Fetches what gather_forward will read. */
static void
prefetch_forward(const VegoPartition *build, uint32 position)
{
	int			last = vego_partition_marks_a_place(build) - 1;

	for (int j = 0; j < build->leaves_a_row; j++)
	{
		const int32 *candidates = build->candidates +
			first_candidate(build, position, j);

		__builtin_prefetch(candidates);
		__builtin_prefetch(candidates + last);
	}
}

static void
gather_forward(const VegoPartition *build, uint32 position, Lists *lists)
{
	int			count = merge_candidates(build, position, lists);

	lists->count = add_strangers(build, position, lists->keys, count);
	fill_candidates(build, lists);
}

static void
choose_forward(const VegoPartition *build, uint32 position, Lists *lists)
{
	size_t		m = build->options->m;
	uint32	   *links = build->forward + position * m;
	float	   *distances = build->forward_distances + position * m;
	int			count = choose(build, lists, m);

	build->forward_degrees[position] = count;
	for (int i = 0; i < count; i++)
	{
		links[i] = vego_key_id(lists->keys[i]);
		distances[i] = vego_key_distance(lists->keys[i]);
	}
}

/* Lets items from .. to - 1 choose up to m links among their candidates. */
void
vego_partition_choose_links(const VegoPartition *build, VegoWork *work,
							uint32 from, uint32 to)
{
	int			most = build->leaves_a_row *
		vego_partition_marks_a_place(build);
	Lists		lists[2];

	lists_init(&lists[0], most);
	lists_init(&lists[1], most);
	for (uint32 p = from; p <= to; p++)
	{
		if (p + 1 < to)
			prefetch_forward(build, p + 1);
		if (p < to)
			gather_forward(build, p, &lists[p % 2]);
		if (p > from)
		{
			choose_forward(build, p - 1, &lists[(p - 1) % 2]);
			vego_advance(work, 1, VEGO_LONE_DISTANCE * 4.0 * most);
		}
	}
	lists_free(&lists[0]);
	lists_free(&lists[1]);
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

/* Those an item links to, and those who link to it. */
static void
gather_back(const VegoPartition *build, uint32 position, uint64 *back,
			int back_count, Lists *lists)
{
	size_t		m = build->options->m;
	int			most = MOST_BACK_LINKS * build->level.capacity;
	int			degree = build->forward_degrees[position];
	const uint32 *links = build->forward + position * m;
	const float *distances = build->forward_distances + position * m;

	for (int i = 0; i < degree; i++)
		lists->leaf[i] = vego_key(distances[i], links[i]);
	back_count = remove_known(back, back_count, lists->leaf, degree);
	vego_keys_sort(back, back_count);
	lists->count = merge_keys(lists->leaf, degree, back, Min(back_count, most),
							  lists->keys);
	fill_candidates(build, lists);

	/* its own links have been chosen among each other before */
	for (int i = 0, own = 0; i < lists->count && own < degree; i++)
	{
		lists->candidates[i].apart = lists->keys[i] == lists->leaf[own];
		own += lists->candidates[i].apart;
	}
}

static void
choose_back(const VegoPartition *build, uint32 position, Lists *lists)
{
	const VegoLevel *level = &build->level;
	uint32		node = build->items[position];
	VegoLink   *links = level->links + (size_t) node * level->capacity;
	int			count = choose(build, lists,
							   vego_partition_link_room(build, position));

	level->degrees[node] = count;
	for (int i = 0; i < count; i++)
		links[i] = build->items[vego_key_id(lists->keys[i])];
}

/*
 * Lets items from .. to - 1 choose among those they link to and those who link
 * to them, and writes the links of their nodes.
 */
void
vego_partition_link_back(const VegoPartition *build, VegoWork *work,
						 uint32 from, uint32 to)
{
	int			most = MOST_BACK_LINKS * build->level.capacity;
	Incoming	incoming = group_links(build, work, from, to);
	Lists		lists[2];

	lists_init(&lists[0], most + build->options->m);
	lists_init(&lists[1], most + build->options->m);
	for (uint32 p = from; p <= to; p++)
	{
		if (p < to)
		{
			uint64		start = incoming.starts[p - from];

			gather_back(build, p, incoming.keys + start,
						(int) (incoming.starts[p - from + 1] - start),
						&lists[p % 2]);
		}
		if (p > from)
		{
			Lists	   *last = &lists[(p - 1) % 2];

			choose_back(build, p - 1, last);
			vego_advance(work, 1, VEGO_LONE_DISTANCE * 4.0 * last->count);
		}
	}
	pfree(incoming.starts);
	pfree(incoming.keys);
	lists_free(&lists[0]);
	lists_free(&lists[1]);
}
