/*
 * shards.c
 *	  How is a level built whose rows do not fit memory?
 *
 *	 cells		a sample makes cells, each row has its two nearest
 *	 members	rows go to the shards of their cells
 *	 build		each shard is a level of its own; lists go to files
 *	 translate	indexes in shards become ids
 *	 merge		the lists of a row from its two shards become one
 *
 * Nothing that grows with the rows of the level stays in memory.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "shards_stages.h"

/*
 * A row considers so many of the candidates in each of its two shards that
 * both together are somewhat more than without shards.
 */
#define CANDIDATES_SHARE 0.8

/* The least members of a shard, however little memory there is. */
#define LEAST_CAPACITY 256

/* Share of the memory for streams that are written at once. */
#define BUFFERS_SHARE 32

void
vego_shards_phase(VegoShards *shards, int phase, int64 total)
{
	shards->phase = phase;
	shards->done = 0;
	shards->total = total;
	vego_shards_advance(shards, 0);
}

void
vego_shards_advance(VegoShards *shards, int64 rows)
{
	const VegoPartitionOptions *options = &shards->options->partition;

	CHECK_FOR_INTERRUPTS();
	shards->done += rows;
	if (options->progress && (rows == 0 || shards->done % 1024 < rows))
		options->progress(options->arg, shards->phase, shards->done,
						  shards->total);
}

/* ----------------------------------------------------------------
 *		The plan
 * ----------------------------------------------------------------
 */

static Size
shard_bytes(const VegoShards *shards, uint32 members)
{
	Size		row_bytes = shards->coder->code_bytes + sizeof(VegoFactors) +
		sizeof(VegoMember) + sizeof(uint8);

	return members * row_bytes +
		vego_partition_memory(shards->coder, members, &shards->partition);
}

/* The most members of a shard that memory allows. */
static uint32
find_capacity(const VegoShards *shards)
{
	Size		memory = shards->options->memory -
		2 * (shards->options->memory / BUFFERS_SHARE);
	uint32		low = LEAST_CAPACITY;
	uint32		high = VEGO_NO_NODE / 2;

	while (low < high)
	{
		uint32		middle = low + (high - low + 1) / 2;

		if (shard_bytes(shards, middle) <= memory)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static void
make_plan(VegoShards *shards, VegoRowStore *store,
		  const VegoShardsOptions *options)
{
	memset(shards, 0, sizeof(*shards));
	shards->store = store;
	shards->options = options;
	shards->coder = store->coder;
	shards->partition = options->partition;
	shards->partition.ef_construction = Max(VEGO_MIN_EF_CONSTRUCTION,
											(int) ceil(options->partition.ef_construction *
													   CANDIDATES_SHARE));
	shards->capacity = find_capacity(shards);
	shards->buffer_bytes = options->memory / BUFFERS_SHARE;
}

/* ----------------------------------------------------------------
 *		One shard
 * ----------------------------------------------------------------
 */

typedef struct Shard
{
	VegoShards *shards;
	uint32		number;
	uint32		first_id;		/* of its rows at home */
	VegoRows	rows;
	VegoMember *members;
	VegoFactors *factors;
	uint8	   *codes;
	uint8	   *bonds;
	bool		has_bound;		/* some are bound in shards before */
	VegoLevel	level;
} Shard;

/* A row that can take one more binding link. */
typedef struct Host
{
	uint32		shard;
	uint32		index;
	uint32		id;
} Host;

/*
 * A row is bound in the first of its shards.  Its binding links from two shards
 * must find room in one list, with one more, by which another shard may hang on
 * this one.
 */
static uint8
find_bond(const Shard *shard, const VegoMember *member)
{
	int			room = 2 * shard->shards->partition.m - 1;

	if (member->role == VEGO_VISITOR)
		return VEGO_BOUND_ELSEWHERE;
	if (member->other == VEGO_NO_SHARD)
		return Min(room, VEGO_BOND_LIMIT);
	return Min(room / 2, VEGO_BOND_LIMIT) |
		(member->other < shard->number ? VEGO_BOUND_ELSEWHERE : 0);
}

static void
read_members(Shard *shard)
{
	VegoShards *shards = shard->shards;
	const VegoPartitionOptions *options = &shards->partition;
	Size		code_bytes = shards->coder->code_bytes;
	uint32		count = shards->member_counts[shard->number];
	ItemPointerData tid;

	shard->members = vego_allocate(count, sizeof(VegoMember));
	shard->factors = vego_options_array(options, count, sizeof(VegoFactors));
	shard->codes = vego_options_array(options, count, code_bytes);
	shard->bonds = vego_allocate(count, sizeof(uint8));
	vego_streams_rewind(shards->members, shard->number);
	for (uint32 i = 0; i < count; i++)
	{
		vego_streams_read(shards->members, &shard->members[i],
						  sizeof(VegoMember));
		vego_streams_read(shards->members, &shard->factors[i],
						  sizeof(VegoFactors));
		vego_streams_read(shards->members, &tid, sizeof(tid));
		vego_streams_read(shards->members, shard->codes + i * code_bytes,
						  code_bytes);
		shard->bonds[i] = find_bond(shard, &shard->members[i]);
		shard->has_bound |= shard->members[i].other < shard->number;
	}
	shard->rows.coder = shards->coder;
	shard->rows.count = count;
	shard->rows.factors = shard->factors;
	shard->rows.codes = shard->codes;
}

/* The row that the tree begins with, if none is bound before. */
static uint32
find_root(const Shard *shard)
{
	uint32		row = 0;

	if (shard->has_bound)
		return VEGO_NO_NODE;
	if (shard->number == 0)
		return shard->shards->specials.entry;
	while (shard->members[row].role != VEGO_AT_HOME)
		row++;
	return row;
}

/* Tells the other shards of a row its id. */
static void
spread_id(Shard *shard, uint32 row, uint32 id)
{
	VegoShards *shards = shard->shards;
	const VegoMember *member = &shard->members[row];
	VegoNamedId named = {member->other_index, id};

	if (row < shards->specials.count)
	{
		named.index = row;
		for (uint32 other = 0; other < shards->shard_count; other++)
			if (other != shard->number)
				vego_streams_append(shards->ids, other, &named, sizeof(named));
	}
	else if (member->other != VEGO_NO_SHARD)
		vego_streams_append(shards->ids, member->other, &named, sizeof(named));
}

/* Writes the links of a node, with distances if they will be merged. */
static void
write_list(Shard *shard, uint32 node)
{
	VegoShards *shards = shard->shards;
	const VegoLevel *level = &shard->level;
	uint32		row = level->rows[node];
	const VegoMember *member = &shard->members[row];
	const VegoLink *from = level->links + (Size) node * level->capacity;
	VegoLink	links[2 * VEGO_MAX_M];
	float		distances[2 * VEGO_MAX_M];
	VegoListHead head = {member->other, member->other_index,
	level->degrees[node], member->other != VEGO_NO_SHARD};

	for (int i = 0; i < head.degree; i++)
	{
		uint32		other = vego_link_id(from[i]);

		links[i] = level->rows[other] | (from[i] & VEGO_LINK_BINDING);
		if (head.with_distances)
			distances[i] = (float) Min(FLT_MAX,
									   vego_row_distance(&shard->rows,
														 shards->coder,
														 node, other));
	}
	vego_shards_append_list(member->role == VEGO_GUEST ?
							shards->guest_lists : shards->home_lists, 0,
							&head, links, distances);
}

/* Gives ids to rows at home in leaf order, and writes everyone's links. */
static void
write_lists(Shard *shard, uint32 root, Host *host, uint32 *root_id)
{
	VegoShards *shards = shard->shards;
	uint32		id = shard->first_id;

	for (uint32 node = 0; node < shard->level.count; node++)
	{
		uint32		row = shard->level.rows[node];

		if (shard->members[row].role == VEGO_VISITOR)
			continue;
		write_list(shard, node);
		if (shard->members[row].role == VEGO_AT_HOME)
		{
			vego_streams_append(shards->orders, 0, &row, sizeof(row));
			spread_id(shard, row, id);
			if (row == root)
				*root_id = id;
			host->shard = shard->number;
			host->index = row;
			host->id = id++;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* Hangs a shard that has no row in common with those before on one of them. */
static void
join(Shard *shard, uint32 root, uint32 root_id, const Host *host)
{
	VegoShards *shards = shard->shards;
	float		far = FLT_MAX;
	VegoListHead head = {host->shard, host->index, 1, true};
	VegoLink	link = root_id | VEGO_LINK_BINDING;

	vego_shards_append_list(shards->lists, host->shard, &head, &link, &far);
	head.shard = shard->number;
	head.index = root;
	link = host->id;
	vego_shards_append_list(shards->lists, shard->number, &head, &link, &far);
}

static void
free_shard(Shard *shard)
{
	const VegoPartitionOptions *options = &shard->shards->partition;

	vego_options_array_free(options, shard->factors);
	vego_options_array_free(options, shard->codes);
	vego_options_array_free(options, shard->level.rows);
	vego_options_array_free(options, shard->level.degrees);
	vego_options_array_free(options, shard->level.links);
	pfree(shard->bonds);
	pfree(shard->members);
}

/* Builds a shard; the host may serve the next one. */
static void
build_shard(VegoShards *shards, uint32 number, uint32 first_id, Host *host)
{
	VegoPartitionOptions options = shards->partition;
	Shard		shard = {0};
	Host		host_before = *host;
	uint32		root;
	uint32		root_id = 0;

	shard.shards = shards;
	shard.number = number;
	shard.first_id = first_id;
	read_members(&shard);
	options.bonds = shard.bonds;
	root = find_root(&shard);
	vego_partition_build(&shard.rows, root, &options, &shard.level);
	write_lists(&shard, root, host, &root_id);
	if (number > 0 && !shard.has_bound)
		join(&shard, root, root_id, &host_before);
	free_shard(&shard);
	vego_shards_advance(shards, shards->member_counts[number]);
}

static void
build_shards(VegoShards *shards)
{
	uint32		first_id = 0;
	int64		members = 0;
	Host		host = {0};

	for (uint32 i = 0; i < shards->shard_count; i++)
		members += shards->member_counts[i];
	elog(DEBUG1, "building %u rows in %u shards with " INT64_FORMAT " members",
		 shards->store->count, shards->shard_count, members);
	vego_shards_phase(shards, VEGO_PHASE_SHARDS, members);
	shards->orders = vego_streams_new(1, BLCKSZ);
	shards->home_lists = vego_streams_new(1, BLCKSZ);
	shards->guest_lists = vego_streams_new(1, BLCKSZ);
	shards->ids = vego_streams_new(shards->shard_count, shards->buffer_bytes);
	shards->lists = vego_streams_new(shards->shard_count,
									 shards->buffer_bytes);
	for (uint32 i = 0; i < shards->shard_count; i++)
	{
		build_shard(shards, i, first_id, &host);
		first_id += shards->home_counts[i];
	}
	vego_streams_seal(shards->orders);
	vego_streams_seal(shards->home_lists);
	vego_streams_seal(shards->guest_lists);
	vego_streams_seal(shards->ids);
}

static void
free_shards(VegoShards *shards)
{
	vego_streams_free(shards->members);
	vego_streams_free(shards->orders);
	vego_streams_free(shards->home_lists);
	vego_streams_free(shards->guest_lists);
	vego_streams_free(shards->ids);
	vego_streams_free(shards->lists);
}

uint32
vego_shards_build(VegoRowStore *store, const VegoShardsOptions *options)
{
	MemoryContext result = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(result, "vego shards",
												  ALLOCSET_DEFAULT_SIZES);
	VegoShards	shards;
	VegoCellCounts *counts;

	MemoryContextSwitchTo(context);
	make_plan(&shards, store, options);
	vego_shards_phase(&shards, VEGO_PHASE_DISTRIBUTE,
					  2 * (int64) store->count);
	counts = vego_shards_find_cells(&shards);
	vego_shards_distribute(&shards, counts);
	vego_cell_counts_free(counts);
	vego_streams_free(shards.pairs);
	vego_rowstore_free(store);
	build_shards(&shards);
	vego_shards_phase(&shards, VEGO_PHASE_MERGE, 2 * (int64) store->count);
	vego_shards_translate(&shards);
	vego_shards_merge(&shards);
	free_shards(&shards);
	MemoryContextSwitchTo(result);
	MemoryContextDelete(context);
	return shards.shard_count;
}
