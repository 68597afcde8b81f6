/*
 * check_exact.c
 *	  Are the exact vectors there, each one node's, and those of the rows?
 *	  (I10)
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "check.h"
#include "exact_value.h"
#include "rows.h"

/* Places, one to an item, as keys that sort by block. */
typedef struct Places
{
	uint64	   *keys;
	uint64		count;
	uint64		room;
} Places;

struct VegoCheckExact
{
	VegoExactPlace *places;		/* by id, of live nodes of level 0 */
	ItemPointerData *tids;		/* by id */
	uint32	   *hashes;			/* by id, of the vectors; 0 where not read */
	Places		items;			/* on pages */
	Places		wanted;			/* by nodes, by other pieces, by the meta page */
	VegoCodec  *codec;
	VegoExactRoom *room;
	BlockNumber copied;			/* whose copy is in page */
	char	   *page;
};

static void
add_place(Places *places, VegoExactPlace place)
{
	if (places->count == places->room)
	{
		places->room = Max(1024, 2 * places->room);
		if (places->keys == NULL)
			places->keys = palloc(places->room * sizeof(uint64));
		else
			places->keys = repalloc_huge(places->keys,
										 places->room * sizeof(uint64));
	}
	places->keys[places->count++] = (uint64) place.block << 16 | place.item;
}

static int
compare_keys(const void *a, const void *b)
{
	uint64		ka = *(const uint64 *) a;
	uint64		kb = *(const uint64 *) b;

	CHECK_FOR_INTERRUPTS();		/* a long sort, and nothing to clean up */
	return ka < kb ? -1 : ka > kb;
}

void
vego_check_exact_begin(VegoCheck *check)
{
	VegoCheckExact *exact;

	check->exact = NULL;
	if (check->meta.exact == VEGO_EXACT_OFF)
		return;
	exact = check->exact = palloc0(sizeof(VegoCheckExact));
	exact->places = vego_allocate_zero(check->count, sizeof(VegoExactPlace));
	exact->tids = vego_allocate_zero(check->count, sizeof(ItemPointerData));
	exact->hashes = vego_allocate_zero(check->count, sizeof(uint32));
	exact->room = vego_exact_make_room(Max(check->meta.value_bytes,
										   VEGO_CODEC_DICTIONARIES_ROOM));
	exact->copied = InvalidBlockNumber;
	exact->page = palloc(BLCKSZ);
	if (vego_exact_place_is_set(check->meta.dictionary))
		add_place(&exact->wanted, check->meta.dictionary);
}

/*
 * Items lie one behind the other up to the special area: whoever removes one
 * closes the gap.  False when they do not; items of other lengths may still be
 * read.
 */
static bool
items_fill_page(Page page)
{
	PageHeader	header = (PageHeader) page;
	OffsetNumber count = PageGetMaxOffsetNumber(page);
	char		taken[BLCKSZ / MAXIMUM_ALIGNOF] = {0};
	int			bytes = 0;

	for (OffsetNumber number = FirstOffsetNumber; number <= count; number++)
	{
		ItemId		line = PageGetItemId(page, number);
		int			start = ItemIdGetOffset(line) / MAXIMUM_ALIGNOF;
		int			length = MAXALIGN(ItemIdGetLength(line));

		if (!ItemIdIsUsed(line))
			continue;
		if (memchr(taken + start, 1, length / MAXIMUM_ALIGNOF) != NULL)
			return false;
		memset(taken + start, 1, length / MAXIMUM_ALIGNOF);
		bytes += length;
	}
	return bytes == header->pd_special - header->pd_upper;
}

/* The items of the page just copied. */
void
vego_check_exact_page(VegoCheck *check, BlockNumber block)
{
	OffsetNumber count = PageGetMaxOffsetNumber(check->page);
	bool		damaged = false;

	for (OffsetNumber number = FirstOffsetNumber; number <= count; number++)
	{
		VegoExactPlace place = {block, number, 0};
		VegoExactItem item;
		const char *fault = vego_exact_page_item(check->page, number, &item);

		if (fault)
			vego_finding(check, VEGO_EXACT_VECTORS, VEGO_ERROR, block, number,
						 "%s", fault);
		damaged |= fault != NULL;
		if (fault || item.head == NULL)
			continue;
		if (item.head->unused != 0 || item.next.unused != 0)
			vego_finding(check, VEGO_EXACT_VECTORS, VEGO_ERROR, block, number,
						 "unused bytes of an item are not zero");
		add_place(&check->exact->items, place);
		if (item.head->flags & VEGO_EXACT_MORE)
			add_place(&check->exact->wanted, item.next);
	}
	if (!damaged && !items_fill_page(check->page))
		vego_finding(check, VEGO_EXACT_VECTORS, VEGO_ERROR, block, -1,
					 "items do not lie one behind the other");
}

void
vego_check_note_exact(VegoCheck *check, VegoNodeId id, const VegoSlot *slot)
{
	VegoExactPlace place = vego_slot_exact(&check->geometry, slot);

	check->exact->places[id] = place;
	check->exact->tids[id] = slot->tid;
	add_place(&check->exact->wanted, place);
}

/* For vego_exact_gather: a copy, taken once for all items of a page. */
static const char *
open_copy(void *arg, BlockNumber block, Page *page)
{
	VegoCheck  *check = arg;
	VegoCheckExact *exact = check->exact;
	const char *fault;

	*page = exact->page;
	if (block == exact->copied)
		return NULL;
	exact->copied = InvalidBlockNumber;
	if (block < check->geometry.first_block ||
		block >= RelationGetNumberOfBlocks(check->index))
		return "exact vector lies beyond the end of the index";
	fault = vego_check_copy_page(check, block, exact->page);
	if (fault == NULL)
		fault = vego_page_fault(exact->page, VEGO_PAGE_EXACT);
	if (fault == NULL)
		exact->copied = block;
	return fault;
}

static void
release_copy(void *arg)
{
}

/* What is wrong with the vector at a place, or NULL. */
static const char *
read_vector(VegoCheck *check, VegoExactPlace place,
			const ItemPointerData *tid, VegoExactValue *value)
{
	VegoExactPages pages = {open_copy, release_copy, check};

	return vego_exact_gather(&pages, check->exact->codec, check->exact->room,
							 place, tid, value);
}

static void
read_dictionaries(VegoCheck *check)
{
	VegoExactPlace place = check->meta.dictionary;
	VegoExactValue value = {NULL, 0};
	const char *fault = NULL;

	if (check->meta.exact != VEGO_EXACT_ZSTD)
		return;
	if (vego_exact_place_is_set(place))
		fault = read_vector(check, place, NULL, &value);
	if (fault == NULL)
	{
		check->exact->codec = vego_codec_make(check->context,
											  check->meta.element_bytes,
											  value.bytes, value.length);
		if (check->exact->codec == NULL)
			fault = "dictionary cannot be used";
	}
	if (fault)
		vego_finding(check, VEGO_EXACT_VECTORS, VEGO_ERROR, place.block,
					 place.item, "%s", fault);
}

/* Is the node still what the sweep saw? */
static bool
is_unchanged(VegoCheck *check, VegoNodeId id)
{
	const VegoSlot *slot = vego_check_slot(check, id);

	return slot && slot->kind == VEGO_SLOT_LIVE && slot->level == 0 &&
		memcmp(&slot->tid, &check->exact->tids[id], sizeof(slot->tid)) == 0 &&
		vego_exact_place_equals(vego_slot_exact(&check->geometry, slot),
								check->exact->places[id]);
}

/* One node's vector.  A copy of its page may be older than the node. */
static void
check_vector(VegoCheck *check, VegoNodeId id)
{
	VegoCheckExact *exact = check->exact;
	VegoExactPlace place = exact->places[id];
	VegoExactValue value;
	const char *fault = read_vector(check, place, &exact->tids[id], &value);

	if (fault)
	{
		exact->copied = InvalidBlockNumber;
		fault = read_vector(check, place, &exact->tids[id], &value);
	}
	if (fault == NULL)
		exact->hashes[id] = Max(1, hash_bytes((const unsigned char *) value.bytes,
											  value.length));
	else if (is_unchanged(check, id))
		vego_node_finding(check, VEGO_EXACT_VECTORS,
						  vego_check_row_visible(check, id) ?
						  VEGO_ERROR : VEGO_INFO, id,
						  "%s (block %u, item %u)", fault, place.block,
						  place.item);
}

/* How many items are wanted by nobody. */
static uint64
count_orphans(Places *items, Places *wanted)
{
	uint64		next = 0;
	uint64		orphans = 0;

	if (items->count > 0)
		qsort(items->keys, items->count, sizeof(uint64), compare_keys);
	if (wanted->count > 0)
		qsort(wanted->keys, wanted->count, sizeof(uint64), compare_keys);
	for (uint64 i = 0; i < items->count; i++)
	{
		while (next < wanted->count && wanted->keys[next] < items->keys[i])
			next++;
		orphans += next == wanted->count ||
			wanted->keys[next] != items->keys[i];
	}
	return orphans;
}

/* I10, but for what only the table can tell. */
void
vego_check_exact(VegoCheck *check)
{
	VegoCheckExact *exact = check->exact;
	uint64		orphans;

	if (exact == NULL)
		return;
	read_dictionaries(check);
	for (VegoNodeId id = 0; id < check->count; id++)
		if (vego_exact_place_is_set(exact->places[id]))
			check_vector(check, id);
	orphans = count_orphans(&exact->items, &exact->wanted);
	if (orphans > 0)
		vego_finding(check, VEGO_EXACT_VECTORS, VEGO_INFO, InvalidBlockNumber,
					 -1, UINT64_FORMAT " exact vectors belong to no node; VACUUM removes them when their rows are dead",
					 orphans);
}

/* I10: is the vector of a visible row that of its node? */
void
vego_check_exact_row(VegoCheck *check, VegoNodeId id, VegoExactValue value)
{
	VegoCheckExact *exact = check->exact;

	if (exact == NULL || id >= check->count || exact->hashes[id] == 0 ||
		exact->hashes[id] == Max(1, hash_bytes((const unsigned char *) value.bytes,
											   value.length)))
		return;
	vego_node_finding(check, VEGO_EXACT_VECTORS, VEGO_ERROR, id,
					  "exact vector is not that of row (%u,%u)",
					  ItemPointerGetBlockNumberNoCheck(&exact->tids[id]),
					  ItemPointerGetOffsetNumberNoCheck(&exact->tids[id]));
}
