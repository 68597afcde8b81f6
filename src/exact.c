/*
 * exact.c
 *	  Where is a node's vector, and how does it get there and go away?
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/freespace.h"
#include "utils/memutils.h"

#include "compat.h"
#include "exact.h"
#include "pageedit.h"

/* How often a vector that is not there is looked for before that is damage. */
#define MAX_TRIES 8

/* Blocks of which the free space map is asked for each page that fills up. */
#define WALK_BLOCKS 256

/* Pages at the end of the index where a new backend looks for room. */
#define LAST_PAGES 8

/*
 * What the free space map is told at most: pages with half a page and more are
 * nodes.c's, which finds nothing else that way.
 */
#define MOST_FREE (BLCKSZ / 2 - BLCKSZ / 64)

void
vego_exact_report(Relation rel, VegoExactPlace place, const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is damaged in block %u, item %u: %s",
					RelationGetRelationName(rel), place.block, place.item,
					fault),
			 errhint("Please REINDEX it.")));
}

static VegoExactRoom *
room_of(VegoNodes *nodes)
{
	if (nodes->exact_room == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(nodes));

		nodes->exact_room = vego_exact_make_room(nodes->meta.value_bytes);
		MemoryContextSwitchTo(old);
	}
	return nodes->exact_room;
}

/* Does the block exist?  The index may have grown since it was looked at. */
static bool
block_exists(VegoNodes *nodes, BlockNumber block)
{
	const VegoGeometry *geometry = &nodes->geometry;

	if (block < geometry->first_block)
		return false;
	if (block < geometry->first_block + nodes->count / geometry->per_page)
		return true;
	return block < RelationGetNumberOfBlocks(nodes->rel);
}

/* The page that is open for vego_exact_gather. */
typedef struct OpenPage
{
	VegoNodes  *nodes;
	Buffer		buffer;
} OpenPage;

static const char *
open_page(void *arg, BlockNumber block, Page *page)
{
	OpenPage   *open = arg;
	VegoNodes  *nodes = open->nodes;
	const char *fault;

	if (!block_exists(nodes, block))
		return "exact vector lies beyond the end of the index";
	open->buffer = vego_nodes_pin(nodes, block);
	LockBuffer(open->buffer, BUFFER_LOCK_SHARE);
	*page = BufferGetPage(open->buffer);
	if (nodes->snapshot)
		vego_compat_test_snapshot(nodes->snapshot, nodes->rel, *page);
	fault = vego_page_fault(*page, VEGO_PAGE_EXACT);
	if (fault)
		UnlockReleaseBuffer(open->buffer);
	return fault;
}

static void
release_page(void *arg)
{
	UnlockReleaseBuffer(((OpenPage *) arg)->buffer);
}

/* The index's dictionaries; no bytes when it has none. */
static VegoExactValue
read_dictionaries(VegoNodes *nodes)
{
	OpenPage	open = {nodes, InvalidBuffer};
	VegoExactPages pages = {open_page, release_page, &open};
	VegoExactValue value = {NULL, 0};
	const char *fault;

	if (!vego_exact_place_is_set(nodes->meta.dictionary))
		return value;
	fault = vego_exact_gather(&pages, NULL,
							  vego_exact_make_room(VEGO_CODEC_DICTIONARIES_ROOM),
							  nodes->meta.dictionary, NULL, &value);
	if (fault)
		vego_exact_report(nodes->rel, nodes->meta.dictionary, fault);
	return value;
}

/* The codec of the index, or NULL where vectors are kept as they are. */
static VegoCodec *
codec_of(VegoNodes *nodes)
{
	VegoExactMemory *memory = vego_nodes_exact_memory(nodes);

	if (nodes->meta.exact == VEGO_EXACT_ZSTD && memory->codec == NULL)
	{
		VegoExactValue dictionaries = read_dictionaries(nodes);

		/* reading may have changed what is remembered, and where */
		memory = vego_nodes_exact_memory(nodes);
		if (memory->codec == NULL)
			vego_nodes_keep_codec(nodes,
								  vego_codec_make(TopMemoryContext,
												  nodes->meta.element_bytes,
												  dictionaries.bytes,
												  dictionaries.length));
		if (memory->codec == NULL)
			vego_exact_report(nodes->rel, nodes->meta.dictionary,
							  "dictionary cannot be used");
	}
	return memory->codec;
}

/* Is the node still the one with that TID and that vector? */
static bool
is_there(VegoNodes *nodes, VegoNodeId id, const ItemPointerData *tid,
		 VegoExactPlace place)
{
	const VegoSlot *slot = nodes->scratch;

	vego_nodes_read(nodes, id, nodes->scratch);
	return slot->kind == VEGO_SLOT_LIVE && slot->level == 0 &&
		memcmp(&slot->tid, tid, sizeof(*tid)) == 0 &&
		vego_exact_place_equals(vego_slot_exact(&nodes->geometry, slot),
								place);
}

/*
 * A vector that is not found may have gone with its node, and what lies there
 * be the pieces of others.  If the node is still there afterwards, all of this
 * may have happened again meanwhile, but not time after time.
 */
bool
vego_exact_fetch(VegoNodes *nodes, VegoNodeId id, const ItemPointerData *tid,
				 VegoExactPlace place, VegoExactValue *value)
{
	OpenPage	open = {nodes, InvalidBuffer};
	VegoExactPages pages = {open_page, release_page, &open};
	const char *fault = NULL;

	vego_nodes_counters(nodes)->exact_reads++;
	for (int try = 0; try < MAX_TRIES; try++)
	{
		fault = vego_exact_gather(&pages, codec_of(nodes), room_of(nodes),
								  place, tid, value);
		if (fault == NULL)
			return true;
		CHECK_FOR_INTERRUPTS();
		if (!is_there(nodes, id, tid, place))
			return false;
	}
	vego_exact_report(nodes->rel, place, fault);
}

/*
 * Puts what an image has otherwise than the page, from one place to another,
 * but for what is the same at both ends.
 */
static void
put_difference(VegoPageEdit *edit, Page page, const char *image, int from,
			   int to)
{
	const char *old = (const char *) page;

	while (from < to && old[from] == image[from])
		from++;
	while (from < to && old[to - 1] == image[to - 1])
		to--;
	if (from < to)
		vego_edit_put(edit, old + from, image + from, to - from);
}

/* The page in the buffer becomes its image, in one WAL record. */
static void
put_image(VegoNodes *nodes, VegoRecord record, Buffer buffer,
		  const char *image)
{
	Page		page = BufferGetPage(buffer);
	PageHeader	was = (PageHeader) page;
	PageHeader	is = (PageHeader) image;
	VegoPageEdit edit;

	vego_edit_begin(&edit, nodes->rel, record);
	if (PageIsNew(page))
		vego_edit_open_new(&edit, buffer, image);
	else
	{
		vego_edit_open(&edit, buffer);
		put_difference(&edit, page, image, offsetof(PageHeaderData, pd_lower),
					   offsetof(PageHeaderData, pd_special));
		put_difference(&edit, page, image, SizeOfPageHeaderData,
					   Max(was->pd_lower, is->pd_lower));
		put_difference(&edit, page, image, Min(was->pd_upper, is->pd_upper),
					   is->pd_special);
	}
	vego_edit_commit(&edit);
}

/*
 * Puts the next piece on a block, if that is a page of exact vectors and has
 * room.  Returns how much is left.
 */
static int
put_on_buffer(VegoNodes *nodes, Buffer buffer, bool is_new,
			  const VegoExactStored *stored, int left, VegoExactPlace *place,
			  int *room)
{
	BlockNumber block = BufferGetBlockNumber(buffer);
	Page		page = BufferGetPage(buffer);
	int			flags = vego_exact_place_is_set(*place) ? VEGO_EXACT_MORE : 0;
	PGAlignedBlock image;

	if (is_new)
		vego_page_init((Page) image.data, VEGO_PAGE_EXACT);
	else
	{
		const char *fault;

		*room = -1;
		if (!vego_page_is_exact(page))
		{
			UnlockReleaseBuffer(buffer);
			return left;
		}
		fault = vego_exact_page_fault(page);
		if (fault)
			vego_report_corrupted(nodes->rel, block, -1, fault);
		*room = vego_exact_page_room(page);
		if (vego_exact_piece(left, *room, flags) == 0)
		{
			UnlockReleaseBuffer(buffer);
			return left;
		}
		memcpy(image.data, page, BLCKSZ);
	}
	left = vego_exact_put((Page) image.data, block, stored, left, place);
	*room = vego_exact_page_room((Page) image.data);
	put_image(nodes, is_new ? VEGO_RECORD_VECTOR_PAGE : VEGO_RECORD_VECTOR,
			  buffer, image.data);
	return left;
}

static int
put_on_block(VegoNodes *nodes, BlockNumber block,
			 const VegoExactStored *stored, int left, VegoExactPlace *place,
			 int *room)
{
	Buffer		buffer = vego_nodes_pin(nodes, block);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	return put_on_buffer(nodes, buffer, false, stored, left, place, room);
}

/*
 * Through the free space map, which vacuum fills, and which may be wrong.  To
 * be asked for a page it would answer with pages of nodes, which it knows as
 * well: so it is asked what it knows of each block, a few at a time.
 */
static int
put_where_free(VegoNodes *nodes, const VegoExactStored *stored, int left,
			   VegoExactPlace *place)
{
	Relation	rel = nodes->rel;
	VegoExactMemory *memory = vego_nodes_exact_memory(nodes);
	BlockNumber first = nodes->geometry.first_block;
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	Size		needed = left + vego_exact_head_bytes(VEGO_EXACT_MORE);

	needed = Min(MOST_FREE, MAXALIGN(needed));
	if (GetPageWithFreeSpace(rel, needed) == InvalidBlockNumber)
		return left;
	for (int step = 0; step < Min(WALK_BLOCKS, blocks - first); step++)
	{
		BlockNumber block = Max(memory->walk, first);
		int			before = left;
		Size		known;
		int			room;

		if (block >= blocks)
			block = first;
		memory->walk = block + 1;
		known = GetRecordedFreeSpace(rel, block);
		if (known < needed || known > MOST_FREE)
			continue;
		left = put_on_block(nodes, block, stored, left, place, &room);
		RecordPageWithFreeSpace(rel, block, Max(0, Min(room, MOST_FREE)));
		memory = vego_nodes_exact_memory(nodes);
		if (left < before)
		{
			memory->target = block;
			memory->walk = block;
			break;
		}
	}
	return left;
}

/* The next piece: where the last went, where there is room, on a new page. */
static int
put_piece(VegoNodes *nodes, const VegoExactStored *stored, int left,
		  VegoExactPlace *place)
{
	Relation	rel = nodes->rel;
	BlockNumber first = nodes->geometry.first_block;
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	BlockNumber target = vego_nodes_exact_memory(nodes)->target;
	int			before = left;
	int			room;
	Buffer		buffer;

	if (target != InvalidBlockNumber && target >= first && target < blocks)
		left = put_on_block(nodes, target, stored, left, place, &room);
	if (left == before)
		left = put_where_free(nodes, stored, left, place);
	/* what other backends have begun */
	for (int i = 1; i <= LAST_PAGES && target == InvalidBlockNumber &&
		 left == before && blocks >= first + i; i++)
	{
		left = put_on_block(nodes, blocks - i, stored, left, place, &room);
		if (left < before)
			vego_nodes_exact_memory(nodes)->target = blocks - i;
	}
	if (left < before)
		return left;

	if (vego_node_count(&nodes->geometry, blocks + 1) >= VEGO_NO_NODE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot hold more vectors",
						RelationGetRelationName(rel)),
				 errhint("Partition the table.")));
	buffer = vego_compat_extend(rel);
	vego_nodes_exact_memory(nodes)->target = BufferGetBlockNumber(buffer);
	return put_on_buffer(nodes, buffer, true, stored, left, place, &room);
}

VegoExactPlace
vego_exact_insert(VegoNodes *nodes, const ItemPointerData *tid,
				  VegoExactValue value)
{
	VegoExactStored stored;
	VegoExactPlace place = {0};
	int			left;

	if (value.length > nodes->meta.value_bytes)
		vego_report_corrupted(nodes->rel, 0, -1,
							  "meta page has impossible sizes of vectors");
	stored = vego_exact_encode(codec_of(nodes), room_of(nodes), tid, value);
	left = stored.length;
	while (left > 0)
	{
		CHECK_FOR_INTERRUPTS();
		left = put_piece(nodes, &stored, left, &place);
	}
	return place;
}

/* A copy of a page of exact vectors, or false when it is none. */
static bool
copy_page(VegoNodes *nodes, BlockNumber block, BufferAccessStrategy strategy,
		  char *page)
{
	Buffer		buffer = ReadBufferExtended(nodes->rel, MAIN_FORKNUM, block,
											RBM_NORMAL, strategy);
	const char *fault;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
	if (!vego_page_is_exact(page))
		return false;
	fault = vego_exact_page_fault(page);
	if (fault)
		vego_report_corrupted(nodes->rel, block, -1, fault);
	return true;
}

/* Removes items; those that are no longer what they were stay. */
static int
remove_items(VegoNodes *nodes, BlockNumber block,
			 BufferAccessStrategy strategy, const OffsetNumber *numbers,
			 const ItemPointerData *tids, int count)
{
	Buffer		buffer = ReadBufferExtended(nodes->rel, MAIN_FORKNUM, block,
											RBM_NORMAL, strategy);
	PGAlignedBlock image;
	Page		page = (Page) image.data;
	const char *fault;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	fault = vego_exact_page_fault(BufferGetPage(buffer));
	if (fault)
		vego_report_corrupted(nodes->rel, block, -1, fault);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	/* from the end, so that line pointers can be given back */
	for (int i = count - 1; i >= 0; i--)
	{
		VegoExactItem item;

		vego_exact_page_item(page, numbers[i], &item);
		if (item.head &&
			memcmp(&item.head->tid, &tids[i], sizeof(tids[i])) == 0)
			vego_exact_page_remove(page, numbers[i]);
	}
	put_image(nodes, VEGO_RECORD_VECTORS_GONE, buffer, image.data);
	return vego_exact_page_room(page);
}

void
vego_exact_sweep_block(VegoNodes *nodes, BlockNumber block,
					   BufferAccessStrategy strategy, VegoRowIsDead is_dead,
					   void *arg)
{
	PGAlignedBlock page;
	OffsetNumber numbers[BLCKSZ / sizeof(ItemIdData)];
	ItemPointerData tids[BLCKSZ / sizeof(ItemIdData)];
	int			count = 0;
	int			room;

	if (!copy_page(nodes, block, strategy, page.data))
		return;
	for (OffsetNumber number = FirstOffsetNumber;
		 number <= PageGetMaxOffsetNumber(page.data); number++)
	{
		VegoExactItem item;

		vego_exact_page_item(page.data, number, &item);
		if (item.head == NULL || item.head->flags & VEGO_EXACT_DICTIONARY)
			continue;
		tids[count] = item.head->tid;
		if (is_dead(arg, &tids[count]))
			numbers[count++] = number;
	}
	room = count > 0 ?
		remove_items(nodes, block, strategy, numbers, tids, count) :
		vego_exact_page_room(page.data);
	RecordPageWithFreeSpace(nodes->rel, block, Min(room, MOST_FREE));
}

void
vego_exact_count_block(VegoNodes *nodes, BlockNumber block,
					   BufferAccessStrategy strategy, VegoExactCensus *census)
{
	PGAlignedBlock page;

	if (!copy_page(nodes, block, strategy, page.data))
		return;
	census->blocks++;
	census->free_bytes += vego_exact_page_room(page.data);
	for (OffsetNumber number = FirstOffsetNumber;
		 number <= PageGetMaxOffsetNumber(page.data); number++)
	{
		VegoExactItem item;

		vego_exact_page_item(page.data, number, &item);
		if (item.head && !(item.head->flags & (VEGO_EXACT_DICTIONARY |
											   VEGO_EXACT_REST)))
			census->vectors++;
	}
}
