/*
 * shards_merge.c
 *	  How do links from two shards become one list of ids?
 */
#include "postgres.h"

#include <float.h>

#include "shards_stages.h"

typedef struct List
{
	VegoListHead head;
	VegoLink   *links;
	float	   *distances;
} List;

static void
list_init(List *list, int capacity)
{
	list->links = vego_allocate(capacity, sizeof(VegoLink));
	list->distances = vego_allocate(capacity, sizeof(float));
}

static void
list_free(List *list)
{
	pfree(list->links);
	pfree(list->distances);
}

void
vego_shards_append_list(VegoStreams *streams, uint32 stream,
						const VegoListHead *head, const VegoLink *links,
						const float *distances)
{
	vego_streams_append(streams, stream, head, sizeof(*head));
	vego_streams_append(streams, stream, links,
						head->degree * sizeof(VegoLink));
	if (head->with_distances)
		vego_streams_append(streams, stream, distances,
							head->degree * sizeof(float));
}

static void
read_list(VegoStreams *streams, List *list)
{
	vego_streams_read(streams, &list->head, sizeof(list->head));
	vego_streams_read(streams, list->links,
					  list->head.degree * sizeof(VegoLink));
	if (list->head.with_distances)
		vego_streams_read(streams, list->distances,
						  list->head.degree * sizeof(float));
}

/* Makes ids of the indexes of members. */
static void
translate_list(List *list, const uint32 *ids)
{
	for (int i = 0; i < list->head.degree; i++)
		list->links[i] = ids[vego_link_id(list->links[i])] |
			(list->links[i] & VEGO_LINK_BINDING);
}

/*
 * The id of each member of a shard, palloc'd; the orders of all shards are read
 * one after the other.
 */
static uint32 *
read_ids(VegoShards *shards, uint32 shard, uint32 first_id)
{
	uint32	   *ids = vego_allocate(shards->member_counts[shard],
									sizeof(uint32));
	uint64		named_count = vego_streams_length(shards->ids, shard) /
		sizeof(VegoNamedId);

	for (uint32 i = 0; i < shards->home_counts[shard]; i++)
	{
		uint32		index;

		vego_streams_read(shards->orders, &index, sizeof(index));
		ids[index] = first_id + i;
	}
	vego_streams_rewind(shards->ids, shard);
	for (uint64 i = 0; i < named_count; i++)
	{
		VegoNamedId named;

		vego_streams_read(shards->ids, &named, sizeof(named));
		ids[named.index] = named.id;
	}
	return ids;
}

/* ----------------------------------------------------------------
 *		Ids
 * ----------------------------------------------------------------
 */

/* Sends the lists of the guests of a shard, as ids, to where they are at home. */
static void
translate_guests(VegoShards *shards, uint32 shard, const uint32 *ids,
				 List *list)
{
	for (uint32 i = 0; i < shards->guest_counts[shard]; i++)
	{
		read_list(shards->guest_lists, list);
		translate_list(list, ids);
		vego_shards_append_list(shards->lists, list->head.shard, &list->head,
								list->links, list->distances);
		vego_shards_advance(shards, 1);
	}
}

/* Only when all shards are built, all ids are known. */
void
vego_shards_translate(VegoShards *shards)
{
	uint32		first_id = 0;
	List		list;

	list_init(&list, 2 * shards->partition.m);
	vego_streams_rewind(shards->orders, 0);
	vego_streams_rewind(shards->guest_lists, 0);
	for (uint32 shard = 0; shard < shards->shard_count; shard++)
	{
		uint32	   *ids = read_ids(shards, shard, first_id);

		translate_guests(shards, shard, ids, &list);
		first_id += shards->home_counts[shard];
		pfree(ids);
	}
	vego_streams_seal(shards->lists);
	list_free(&list);
}

/* ----------------------------------------------------------------
 *		Lists
 * ----------------------------------------------------------------
 */

/*
 * The rows at home in a shard in the order of their ids.  Its arrays are where
 * those of shards were, lest there be memory for both.
 */
typedef struct Home
{
	uint32		count;
	uint32		first_id;
	ItemPointerData *tids;
	VegoFactors *factors;
	uint8	   *codes;

	/* lists from other shards: their bytes, and who has which */
	uint32	   *words;
	uint64	   *keys;			/* place of the row << 32 | first word */
	uint32		key_count;
	uint32		next_key;
} Home;

static void
read_rows(VegoShards *shards, uint32 shard, const uint32 *ids, Home *home)
{
	Size		code_bytes = shards->coder->code_bytes;
	uint8	   *scratch = palloc(code_bytes);

	home->tids = vego_options_array(&shards->partition, home->count,
									sizeof(ItemPointerData));
	home->factors = vego_options_array(&shards->partition, home->count,
									   sizeof(VegoFactors));
	home->codes = vego_options_array(&shards->partition, home->count,
									 code_bytes);
	vego_streams_rewind(shards->members, shard);
	for (uint32 i = 0; i < shards->member_counts[shard]; i++)
	{
		VegoMember	member;
		VegoFactors factors;
		ItemPointerData tid;
		uint32		place = ids[i] - home->first_id;

		vego_streams_read(shards->members, &member, sizeof(member));
		vego_streams_read(shards->members, &factors, sizeof(factors));
		vego_streams_read(shards->members, &tid, sizeof(tid));
		vego_streams_read(shards->members, scratch, code_bytes);
		if (member.role != VEGO_AT_HOME)
			continue;
		home->factors[place] = factors;
		home->tids[place] = tid;
		memcpy(home->codes + place * code_bytes, scratch, code_bytes);
	}
	pfree(scratch);
}

/* Words of a list, its head included. */
static uint32
list_words(const VegoListHead *head)
{
	return (sizeof(VegoListHead) +
			head->degree * (sizeof(VegoLink) + sizeof(float))) / sizeof(uint32);
}

static void
read_other_lists(VegoShards *shards, uint32 shard, const uint32 *ids,
				 Home *home)
{
	uint64		bytes = vego_streams_length(shards->lists, shard);
	uint32		count = 0;

	home->words = vego_options_array(&shards->partition, bytes, 1);
	vego_streams_rewind(shards->lists, shard);
	vego_streams_read(shards->lists, home->words, bytes);
	for (uint64 at = 0; at < bytes / sizeof(uint32); count++)
		at += list_words((VegoListHead *) (home->words + at));
	home->keys = vego_options_array(&shards->partition, count,
									sizeof(uint64));
	for (uint64 at = 0; home->key_count < count;)
	{
		const VegoListHead *head = (VegoListHead *) (home->words + at);
		uint64		place = ids[head->index] - home->first_id;

		home->keys[home->key_count++] = place << 32 | at;
		at += list_words(head);
	}
	vego_keys_sort(home->keys, (int) count);
}

/* Links of one row: keys of distances and ids, and who is binding. */
typedef struct Merge
{
	int			capacity;
	int			count;
	int			room;
	uint64	   *keys;			/* the low bit is 0 for a binding link */
	VegoLink   *links;			/* the result */
} Merge;

static void
merge_add(Merge *merge, int count, const VegoLink *links,
		  const float *distances)
{
	if (merge->count + count > merge->room)
	{
		merge->room = 2 * (merge->count + count);
		merge->keys = repalloc(merge->keys, merge->room * sizeof(uint64));
	}
	for (int i = 0; i < count; i++)
		merge->keys[merge->count++] =
			vego_key(distances[i], vego_link_id(links[i]) << 1 |
					 !vego_link_is_binding(links[i]));
}

/* Where a link that is the same but for being binding stands, or -1. */
static int
find_link(const uint64 *keys, int count, uint64 key)
{
	for (int i = 0; i < count; i++)
		if ((vego_key_id(keys[i]) | 1) == (vego_key_id(key) | 1))
			return i;
	return -1;
}

/*
 * The nearest of all links, once each, but all that are binding: for these
 * there is room (shards.c, find_bond).  Both shards measure the same distance,
 * so what is there twice is next to itself, the binding one first; but a link
 * that joins shards is not measured, and comes last.
 */
static int
merge_finish(Merge *merge)
{
	int			binding = 0;
	int			unique = 0;
	int			kept = 0;

	vego_keys_sort(merge->keys, merge->count);
	for (int i = 0; i < merge->count; i++)
	{
		uint64		key = merge->keys[i];

		int			known = -1;

		if (unique > 0 && (merge->keys[unique - 1] | 1) == (key | 1))
			continue;
		if (vego_key_distance(key) == FLT_MAX)
			known = find_link(merge->keys, unique, key);
		if (known >= 0)
			merge->keys[known] &= key | ~UINT64CONST(1);
		else
			merge->keys[unique++] = key;
	}
	for (int i = 0; i < unique; i++)
		binding += (merge->keys[i] & 1) == 0;
	Assert(binding <= merge->capacity);
	for (int i = 0; i < unique; i++)
	{
		bool		is_binding = (merge->keys[i] & 1) == 0;

		if (is_binding)
			binding--;
		else if (kept + binding >= merge->capacity)
			continue;
		merge->links[kept++] = vego_key_id(merge->keys[i]) >> 1 |
			(is_binding ? VEGO_LINK_BINDING : 0);
	}
	return kept;
}

/* Adds the lists of a row from other shards; returns false if it has none. */
static bool
add_others(Home *home, uint32 place, Merge *merge)
{
	bool		found = false;

	while (home->next_key < home->key_count &&
		   home->keys[home->next_key] >> 32 == place)
	{
		const VegoListHead *head = (VegoListHead *)
			(home->words + (uint32) home->keys[home->next_key++]);
		const VegoLink *links = (const VegoLink *) (head + 1);

		merge_add(merge, head->degree, links,
				  (const float *) (links + head->degree));
		found = true;
	}
	return found;
}

/* Reads the list of a row at home and merges it with those from elsewhere. */
static int
merge_row(VegoShards *shards, Home *home, uint32 place, const uint32 *ids,
		  List *list, Merge *merge)
{
	read_list(shards->home_lists, list);
	translate_list(list, ids);
	merge->count = 0;
	if (!add_others(home, place, merge))
	{
		memcpy(merge->links, list->links,
			   list->head.degree * sizeof(VegoLink));
		return list->head.degree;
	}
	if (!list->head.with_distances)
	{
		/* another shard hangs on it, no more: all stay in their order */
		for (int i = 0; i < list->head.degree; i++)
			list->distances[i] = i;
	}
	merge_add(merge, list->head.degree, list->links, list->distances);
	return merge_finish(merge);
}

static void
free_home(VegoShards *shards, Home *home)
{
	const VegoPartitionOptions *options = &shards->partition;

	vego_options_array_free(options, home->tids);
	vego_options_array_free(options, home->factors);
	vego_options_array_free(options, home->codes);
	vego_options_array_free(options, home->words);
	vego_options_array_free(options, home->keys);
}

static void
merge_shard(VegoShards *shards, uint32 shard, uint32 first_id, Merge *merge)
{
	const VegoShardsOptions *options = shards->options;
	Size		code_bytes = shards->coder->code_bytes;
	uint32	   *ids = read_ids(shards, shard, first_id);
	Home		home = {shards->home_counts[shard], first_id};
	uint32		entry = VEGO_NO_NODE;
	List		list;

	if (shard == 0)
		entry = ids[shards->specials.entry];
	list_init(&list, merge->capacity);
	read_rows(shards, shard, ids, &home);
	read_other_lists(shards, shard, ids, &home);
	for (uint32 place = 0; place < home.count; place++)
	{
		VegoShardNode node;

		node.degree = merge_row(shards, &home, place, ids, &list, merge);
		node.links = merge->links;
		node.row.tid = &home.tids[place];
		node.row.factors = &home.factors[place];
		node.row.code = home.codes + place * code_bytes;
		node.is_entry = first_id + place == entry;
		options->emit(options->emit_arg, &node);
		vego_shards_advance(shards, 1);
	}
	list_free(&list);
	free_home(shards, &home);
	pfree(ids);
}

/* Merges all lists, and hands out the nodes in the order of ids. */
void
vego_shards_merge(VegoShards *shards)
{
	uint32		first_id = 0;
	Merge		merge = {2 * shards->partition.m};

	merge.room = 4 * merge.capacity;
	merge.keys = vego_allocate(merge.room, sizeof(uint64));
	merge.links = vego_allocate(merge.capacity, sizeof(VegoLink));
	vego_streams_rewind(shards->orders, 0);
	vego_streams_rewind(shards->home_lists, 0);
	for (uint32 shard = 0; shard < shards->shard_count; shard++)
	{
		merge_shard(shards, shard, first_id, &merge);
		first_id += shards->home_counts[shard];
	}
	pfree(merge.keys);
	pfree(merge.links);
}
