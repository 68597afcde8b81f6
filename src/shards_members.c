/*
 * shards_members.c
 *	  Which shards is a row in?
 *
 * Cells are packed into shards along their chain, by exact counts, so that no
 * shard has more members than memory can hold.
 */
#include "postgres.h"

#include "shards_stages.h"

/*
 * Pairs of cells that are so near in the chain are counted by themselves: who
 * has both cells in one shard takes one place there.  Pairs farther apart are
 * taken to be in two shards, which can only overestimate.
 */
#define BAND 64

struct VegoCellCounts
{
	uint32		cells;
	uint64	   *homes;			/* rows at home in each cell */
	uint64	   *seconds;		/* rows whose second cell it is */
	uint32	   *up;				/* [cell][BAND]: at home in the cell, second
								 * cell so many behind it */
	uint32	   *down;			/* ... at home there, second cell this one */
};

VegoCellCounts *
vego_cell_counts_new(uint32 cells)
{
	VegoCellCounts *counts = palloc(sizeof(VegoCellCounts));

	counts->cells = cells;
	counts->homes = vego_allocate_zero(cells, sizeof(uint64));
	counts->seconds = vego_allocate_zero(cells, sizeof(uint64));
	counts->up = vego_allocate_zero((size_t) cells * BAND, sizeof(uint32));
	counts->down = vego_allocate_zero((size_t) cells * BAND, sizeof(uint32));
	return counts;
}

void
vego_cell_counts_add(VegoCellCounts *counts, VegoCellPair pair)
{
	uint32		home = pair.home;
	uint32		second = pair.second;

	counts->homes[home]++;
	if (pair.second == VEGO_NO_CELL)
		return;
	counts->seconds[second]++;
	if (second > home && second - home < BAND)
		counts->up[home * BAND + second - home]++;
	if (home > second && home - second < BAND)
		counts->down[second * BAND + home - second]++;
}

void
vego_cell_counts_free(VegoCellCounts *counts)
{
	pfree(counts->homes);
	pfree(counts->seconds);
	pfree(counts->up);
	pfree(counts->down);
	pfree(counts);
}

/* ----------------------------------------------------------------
 *		Packing
 * ----------------------------------------------------------------
 */

/* Where the members of a cell go. */
typedef struct Place
{
	uint32		shard;			/* the first of them */
	bool		takes_guests;
	uint32		part;			/* members a part, when there are several */
	uint32		arrived;
} Place;

/*
 * A cell that alone would be too large for a shard takes no guests; if its own
 * rows are too many as well, it is cut into parts, by the order in which rows
 * arrive.  That happens to many equal rows, which no centroid tells apart.  A
 * cell where nobody is at home would be of no use to guests either.
 */
static bool
takes_guests(const VegoCellCounts *counts, uint32 cell, uint64 limit)
{
	return counts->homes[cell] > 0 &&
		counts->homes[cell] + counts->seconds[cell] <= limit;
}

/* Members that two cells of a shard have in common. */
static uint64
in_common(const VegoCellCounts *counts, uint32 low, uint32 high, uint64 limit)
{
	uint64		common = 0;

	Assert(high - low < BAND);
	if (takes_guests(counts, high, limit))
		common += counts->up[low * BAND + high - low];
	if (takes_guests(counts, low, limit))
		common += counts->down[low * BAND + high - low];
	return common;
}

/* Parts are about equal, so that each has members. */
static uint32
part_size(uint64 own, uint64 limit)
{
	uint64		parts = (own + limit - 1) / limit;

	return (uint32) ((own + parts - 1) / parts);
}

static uint32
count_parts(uint64 own, uint64 limit)
{
	uint32		size = own > 0 ? part_size(own, limit) : 1;

	return (uint32) Max(1, (own + size - 1) / size);
}

/*
 * Packs cells into shards of at most `fill` members, where a cell that is not
 * cut has no more than `limit`; returns the number of shards.
 */
static uint32
pack(const VegoCellCounts *counts, uint64 limit, uint64 fill, Place *places)
{
	uint32		shard = 0;
	uint32		first = 0;
	uint64		members = 0;

	for (uint32 cell = 0; cell < counts->cells; cell++)
	{
		uint64		homes = counts->homes[cell];
		bool		guests = takes_guests(counts, cell, limit);
		uint64		own = guests ? homes + counts->seconds[cell] : homes;
		uint32		parts = count_parts(own, limit);
		uint64		common = 0;

		for (uint32 other = Max(first + BAND, cell + 1) - BAND; other < cell;
			 other++)
			common += in_common(counts, other, cell, limit);
		if (members > 0 && members + own - common > fill)
		{
			shard++;
			first = cell;
			members = 0;
			common = 0;
		}
		places[cell].shard = shard;
		places[cell].takes_guests = guests;
		places[cell].part = parts > 1 ? part_size(own, limit) : 0;
		places[cell].arrived = 0;
		members += own - common;
		if (parts > 1)
		{
			shard += parts;
			first = cell + 1;
			members = 0;
		}
	}
	return members > 0 ? shard + 1 : shard;
}

/* Packs cells so that shards are few, and about equally full. */
static uint32
pack_evenly(const VegoCellCounts *counts, uint64 limit, Place *places)
{
	uint32		shards = pack(counts, limit, limit, places);
	uint64		low = 1;
	uint64		high = limit;

	while (low < high)
	{
		uint64		fill = (low + high) / 2;

		if (pack(counts, limit, fill, places) <= shards)
			high = fill;
		else
			low = fill + 1;
	}
	return pack(counts, limit, high, places);
}

/* ----------------------------------------------------------------
 *		Distribution
 * ----------------------------------------------------------------
 */

/* The two shards of a row, the second of which may be VEGO_NO_SHARD. */
typedef struct ShardPair
{
	uint32		home;
	uint32		second;
} ShardPair;

static ShardPair
find_shards(Place *places, VegoCellPair cells)
{
	Place	   *place = &places[cells.home];
	ShardPair	pair = {place->shard, VEGO_NO_SHARD};

	if (place->part > 0)
		pair.home += place->arrived++ / place->part;
	if (cells.second != VEGO_NO_CELL && places[cells.second].takes_guests &&
		places[cells.second].shard != pair.home)
		pair.second = places[cells.second].shard;
	return pair;
}

static void
add_member(VegoShards *shards, uint32 shard, VegoMember member,
		   VegoStoredRow row)
{
	vego_streams_append(shards->members, shard, &member, sizeof(member));
	vego_streams_append(shards->members, shard, row.factors,
						sizeof(VegoFactors));
	vego_streams_append(shards->members, shard, row.tid,
						sizeof(ItemPointerData));
	vego_streams_append(shards->members, shard, row.code,
						shards->coder->code_bytes);
	shards->member_counts[shard]++;
	shards->home_counts[shard] += member.role == VEGO_AT_HOME;
	shards->guest_counts[shard] += member.role == VEGO_GUEST;
}

/* A special row is a member of all shards, with the same index in each. */
static void
add_special(VegoShards *shards, ShardPair pair, VegoStoredRow row)
{
	for (uint32 shard = 0; shard < shards->shard_count; shard++)
	{
		VegoMember	member = {VEGO_VISITOR, VEGO_NO_SHARD,
		shards->member_counts[shard]};

		if (shard == pair.home)
		{
			member.role = VEGO_AT_HOME;
			member.other = pair.second;
		}
		else if (shard == pair.second)
		{
			member.role = VEGO_GUEST;
			member.other = pair.home;
		}
		add_member(shards, shard, member, row);
	}
}

static void
add_row(VegoShards *shards, ShardPair pair, VegoStoredRow row)
{
	VegoMember	home = {VEGO_AT_HOME, pair.second, 0};
	VegoMember	guest = {VEGO_GUEST, pair.home,
	shards->member_counts[pair.home]};

	if (pair.second != VEGO_NO_SHARD)
		home.other_index = shards->member_counts[pair.second];
	add_member(shards, pair.home, home, row);
	if (pair.second != VEGO_NO_SHARD)
		add_member(shards, pair.second, guest, row);
}

static void
add_specials(VegoShards *shards, Place *places)
{
	const VegoSpecials *specials = &shards->specials;

	for (uint32 i = 0; i < specials->count; i++)
	{
		VegoStoredRow row;

		row.tid = &specials->tids[i];
		row.factors = &specials->factors[i];
		row.code = specials->codes + (Size) i * shards->coder->code_bytes;
		add_special(shards, find_shards(places, specials->pairs[i]), row);
	}
}

/*
 * Numbers shards anew, in circular order, so that the entry is at home in
 * shard 0.  Special rows arrive first, and if its cell is cut they all have
 * room in the first part.
 */
static void
begin_at_entry(VegoShards *shards, Place *places)
{
	const VegoSpecials *specials = &shards->specials;
	uint32		first = places[specials->pairs[specials->entry].home].shard;

	for (uint32 cell = 0; cell < shards->cell_count; cell++)
	{
		uint32	   *shard = &places[cell].shard;

		*shard = *shard >= first ? *shard - first :
			*shard + shards->shard_count - first;
	}
}

/* Reads all rows once more, and gives each to its shards. */
void
vego_shards_distribute(VegoShards *shards, const VegoCellCounts *counts)
{
	VegoRowStore *store = shards->store;
	const VegoSpecials *specials = &shards->specials;
	Place	   *places = vego_allocate(counts->cells, sizeof(Place));
	uint32		special = 0;

	shards->shard_count = pack_evenly(counts,
									  shards->capacity - specials->count,
									  places);
	begin_at_entry(shards, places);
	shards->member_counts = vego_allocate_zero(shards->shard_count,
											   sizeof(uint32));
	shards->home_counts = vego_allocate_zero(shards->shard_count,
											 sizeof(uint32));
	shards->guest_counts = vego_allocate_zero(shards->shard_count,
											  sizeof(uint32));
	shards->members = vego_streams_new(shards->shard_count,
									   shards->buffer_bytes);
	add_specials(shards, places);
	vego_rowstore_rewind(store);
	vego_streams_rewind(shards->pairs, 0);
	for (uint32 i = 0; i < store->count; i++)
	{
		VegoStoredRow row = vego_rowstore_read(store);
		VegoCellPair pair;

		vego_streams_read(shards->pairs, &pair, sizeof(pair));
		if (special < specials->count && specials->rows[special] == i)
			special++;
		else
			add_row(shards, find_shards(places, pair), row);
		vego_shards_advance(shards, 1);
	}
	vego_streams_seal(shards->members);
	pfree(places);
}
