/*
 * partition_copies.c
 *	  What becomes of rows with equal codes?
 *
 * A thousand rows with one code would be each other's only neighbours, and a
 * leaf of them has no shape to be split by.  So the first of them stands for
 * all, and is the item; the others are copies, which return when items are
 * linked.
 */
#include "postgres.h"

#include "partition_stages.h"

/* Codes are hashed so many rows before they are looked for. */
#define HASHES_AHEAD 16

/* An entry of the hash table of codes; linear probing. */
typedef struct Entry
{
	uint32		tag;			/* high half of the hash */
	uint32		item;			/* index in items, plus one; 0 is free */
} Entry;

/* Chains of multiplications that do not wait for each other. */
#define HASH_CHAINS 4

static inline uint64
mix(uint64 hash, uint64 word)
{
	hash = (hash ^ word) * UINT64CONST(0x9E3779B97F4A7C15);
	return hash ^ (hash >> 32);
}

/*
 * A hash of a row, word by word: that of the server goes by smaller steps, and
 * one process takes it of all codes while the others wait.
 */
static uint64
hash_row(const VegoRows *rows, uint32 row)
{
	const uint8 *code = vego_row_code(rows, row);
	size_t		bytes = rows->coder->code_bytes;
	uint64		chains[HASH_CHAINS];
	uint64		word;
	uint64		hash = 0;
	size_t		i = 0;

	StaticAssertStmt(sizeof(chains) >= sizeof(VegoFactors),
					 "chains begin with the factors");
	memset(chains, 0, sizeof(chains));
	memcpy(chains, vego_row_factors(rows, row), sizeof(VegoFactors));
	for (; i + sizeof(chains) <= bytes; i += sizeof(chains))
		for (int k = 0; k < HASH_CHAINS; k++)
		{
			memcpy(&word, code + i + k * sizeof(word), sizeof(word));
			chains[k] = mix(chains[k], word);
		}
	for (; i < bytes; i += sizeof(word))
	{
		word = 0;
		memcpy(&word, code + i, Min(sizeof(word), bytes - i));
		hash = mix(hash, word);
	}
	for (int k = 0; k < HASH_CHAINS; k++)
		hash = mix(hash, chains[k]);
	return hash;
}

static bool
are_equal(const VegoRows *rows, uint32 a, uint32 b)
{
	return memcmp(vego_row_factors(rows, a), vego_row_factors(rows, b),
				  sizeof(VegoFactors)) == 0 &&
		memcmp(vego_row_code(rows, a), vego_row_code(rows, b),
			   rows->coder->code_bytes) == 0;
}

static void
add_copy(VegoPartition *build, uint32 row, uint32 item)
{
	if (build->copies == NULL)
	{
		build->copies = vego_array_new(build, build->count, sizeof(uint32));
		build->copied = vego_array_new(build, build->count, sizeof(uint32));
	}
	build->copies[build->copy_count] = row;
	build->copied[build->copy_count++] = item;
}

void
vego_partition_set_copies_aside(VegoPartition *build, VegoWork *work)
{
	const VegoRows *rows = &build->rows;
	uint64		size = 16;
	uint64		hashes[HASHES_AHEAD] = {0};
	Entry	   *table;

	while (size < 2 * (uint64) build->count)
		size *= 2;
	table = vego_allocate_zero(size, sizeof(Entry));
	build->items = vego_array_new(build, build->count, sizeof(uint32));

	for (uint64 ahead = 0; ahead < (uint64) build->count + HASHES_AHEAD;
		 ahead++)
	{
		uint32		row = (uint32) (ahead - HASHES_AHEAD);
		uint64		hash = hashes[ahead % HASHES_AHEAD];
		uint32		tag = (uint32) (hash >> 32);
		uint64		slot = hash & (size - 1);

		if (ahead < build->count)
		{
			uint64		next = hash_row(rows, (uint32) ahead);

			hashes[ahead % HASHES_AHEAD] = next;
			__builtin_prefetch(&table[next & (size - 1)], 1);
		}
		if (ahead < HASHES_AHEAD)
			continue;
		while (table[slot].item != 0 &&
			   (table[slot].tag != tag ||
				!are_equal(rows, build->items[table[slot].item - 1], row)))
			slot = (slot + 1) & (size - 1);
		if (table[slot].item == 0)
		{
			build->items[build->item_count++] = row;
			table[slot].tag = tag;
			table[slot].item = build->item_count;
		}
		else
			add_copy(build, row, table[slot].item - 1);
		vego_advance(work, 0, VEGO_LONE_DISTANCE);
	}
	pfree(table);
}

/*
 * Numbers nodes in leaf order, each item before its copies, and says which rows
 * they are.  From here on items have positions, and are nodes.
 */
void
vego_partition_number_nodes(VegoPartition *build, VegoWork *work)
{
	uint32		n = build->item_count;
	uint32	   *rows = build->level.rows;
	uint32	   *items = vego_array_new(build, (size_t) n + 1, sizeof(uint32));
	uint32	   *next = vego_allocate_zero(n, sizeof(uint32));
	uint32		node = 0;

	/* an item's copies are counted first, then it is where the next one goes */
	for (uint32 i = 0; i < build->copy_count; i++)
		next[build->copied[i]]++;
	for (uint32 p = 0; p < n; p++)
	{
		uint32		item = build->order[p];
		uint32		copies = next[item];

		items[p] = node;
		rows[node] = build->items[item];
		next[item] = node + 1;
		node += 1 + copies;
		vego_advance(work, 0, 1);
	}
	items[n] = node;
	for (uint32 i = 0; i < build->copy_count; i++)
	{
		rows[next[build->copied[i]]++] = build->copies[i];
		vego_advance(work, 0, 1);
	}
	pfree(next);
	vego_array_free(build, build->items);
	build->items = items;
	if (build->copies)
	{
		vego_array_free(build, build->copies);
		vego_array_free(build, build->copied);
	}
}

/* Children of a node in the tree of copies of an item. */
static uint32
copy_fanout(const VegoPartition *build)
{
	return Max(1, build->options->m / 2);
}

/* Links an item may have beside those to its copies. */
int
vego_partition_link_room(const VegoPartition *build, uint32 position)
{
	uint32		nodes = build->items[position + 1] - build->items[position];

	return build->level.capacity - (int) Min(nodes - 1, copy_fanout(build));
}

/*
 * Links the nodes of an item, the item and its copies, as a tree: each to its
 * parent, to its children, and to whom the item links to.
 */
static void
hang_group(const VegoPartition *build, uint32 first, uint32 count)
{
	const VegoLevel *level = &build->level;
	uint32		fanout = copy_fanout(build);
	VegoLink   *item_links = level->links + (size_t) first * level->capacity;
	int			item_degree = level->degrees[first];

	/* the item is the root and comes last, for its links are still needed */
	for (uint32 i = count; i-- > 0;)
	{
		VegoLink	links[UINT8_MAX];
		int			degree = 0;
		uint64		child = (uint64) i * fanout + 1;
		int			own = i > 0 ?
			Min(item_degree, build->options->m) : item_degree;

		if (i > 0)
			links[degree++] = first + (i - 1) / fanout;
		for (uint64 end = child + fanout; child < Min(end, count); child++)
			links[degree++] = first + (uint32) child;
		memcpy(links + degree, item_links, own * sizeof(VegoLink));
		degree += own;
		Assert(degree <= level->capacity);
		memcpy(level->links + (size_t) (first + i) * level->capacity, links,
			   degree * sizeof(VegoLink));
		level->degrees[first + i] = degree;
	}
}

/*
 * The copies of an item hang on it as a tree: so all of them are found when
 * one is, and each could take the item's place.
 */
void
vego_partition_hang_copies(const VegoPartition *build, VegoWork *work,
						   uint32 from, uint32 to)
{
	for (uint32 p = from; p < to; p++)
	{
		uint32		first = build->items[p];
		uint32		count = build->items[p + 1] - first;

		if (count > 1)
			hang_group(build, first, count);
		vego_advance(work, 0, count);
	}
}
