/*
 * nodes.c
 *	  Where are a node's bytes, and how are they read and changed safely?
 */
#include "postgres.h"

#include <float.h>

#include "access/relation.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/indexfsm.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/spccache.h"

#include "compat.h"
#include "exact_code.h"
#include "nodes.h"
#include "options.h"
#include "pageedit.h"

/*
 * What this backend remembers of an index between statements: in which
 * buffer each block was last seen.  A memory, not a fact; every use checks
 * what it finds there.  What kind a block is of is a fact, for as long as the
 * build of that stamp lasts.  Kept for the MAX_FRAMES indexes used last, outside
 * the relation cache, whose entries may go while a scan is open.
 */
#define MAX_FRAMES 64

/* With dictionaries a codec takes 110 kB, so there are fewer of them. */
#define MAX_CODECS 16

struct VegoFrames
{
	RelFileLocator locator;
	uint64		last_use;		/* 0 where unused */
	uint64		stamp;
	Buffer	   *buffers;		/* by block, InvalidBuffer where unknown */
	uint8	   *kinds;			/* by block, a VegoBlockKind; NONE: unknown */
	uint32		size;
	uint32		turn;			/* looks and pins, to vary how they are taken */
	int			asking;			/* for pages of so many more batches */
	VegoCounters counters;
	VegoExactMemory exact_memory;
};

static VegoFrames known_frames[MAX_FRAMES];
static uint64 frames_clock = 0;

/*
 * One look or pin in so many goes through ReadBuffer, which raises the usage
 * count.
 */
#define USAGE_TURN 8

/*
 * What reading the pages of a batch takes from the file cache, at most: for the
 * batch, since a process may be interrupted, and for each page, copied in a
 * microsecond or two.  From a disk the batch takes longer.
 */
#define CACHED_BATCH_US 25
#define CACHED_PAGE_US 5

/* After one that took longer, pages of so many batches are asked for. */
#define ASKING_BATCHES 16

void
vego_report_corrupted(Relation rel, BlockNumber block, int slot,
					  const char *fault)
{
	if (slot >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("index \"%s\" is damaged in block %u, slot %d: %s",
						RelationGetRelationName(rel), block, slot, fault),
				 errhint("Please REINDEX it.")));
	ereport(ERROR,
			(errcode(ERRCODE_INDEX_CORRUPTED),
			 errmsg("index \"%s\" is damaged in block %u: %s",
					RelationGetRelationName(rel), block, fault),
			 errhint("Please REINDEX it.")));
}

/* Forgets all but the counters. */
static void
clear_frames(VegoFrames *frames)
{
	if (frames->buffers)
	{
		pfree(frames->buffers);
		pfree(frames->kinds);
	}
	frames->buffers = NULL;
	frames->kinds = NULL;
	frames->size = 0;
	vego_codec_free(frames->exact_memory.codec);
	frames->exact_memory.codec = NULL;
	frames->exact_memory.target = InvalidBlockNumber;
}

/*
 * Finds or makes room for the memory of a relation.  A table emptied and
 * filled in one transaction has its index built again in the same file.
 */
static VegoFrames *
find_frames(const RelFileLocator *locator, uint64 stamp)
{
	VegoFrames *oldest = &known_frames[0];

	for (int i = 0; i < MAX_FRAMES; i++)
	{
		VegoFrames *frames = &known_frames[i];

		if (frames->last_use > 0 &&
			RelFileLocatorEquals(frames->locator, *locator))
		{
			frames->last_use = ++frames_clock;
			if (frames->stamp != stamp)
				clear_frames(frames);
			frames->stamp = stamp;
			return frames;
		}
		if (frames->last_use < oldest->last_use)
			oldest = frames;
	}

	/* an evicted index's open scans notice by the locator and come again */
	clear_frames(oldest);
	memset(oldest, 0, sizeof(*oldest));
	oldest->locator = *locator;
	oldest->last_use = ++frames_clock;
	oldest->stamp = stamp;
	oldest->exact_memory.target = InvalidBlockNumber;
	oldest->asking = ASKING_BATCHES;
	return oldest;
}

static VegoFrames *
own_frames(VegoNodes *nodes)
{
	RelFileLocator locator = vego_compat_locator(nodes->rel);

	if (!RelFileLocatorEquals(nodes->frames->locator, locator) ||
		nodes->frames->stamp != nodes->meta.stamp)
		nodes->frames = find_frames(&locator, nodes->meta.stamp);
	return nodes->frames;
}

VegoExactMemory *
vego_nodes_exact_memory(VegoNodes *nodes)
{
	return &own_frames(nodes)->exact_memory;
}

void
vego_nodes_keep_codec(VegoNodes *nodes, struct VegoCodec *codec)
{
	VegoFrames *own = own_frames(nodes);
	VegoFrames *oldest = NULL;
	int			others = 0;

	own->exact_memory.codec = codec;
	for (int i = 0; i < MAX_FRAMES; i++)
	{
		VegoFrames *frames = &known_frames[i];

		if (frames == own || frames->exact_memory.codec == NULL)
			continue;
		others++;
		if (oldest == NULL || frames->last_use < oldest->last_use)
			oldest = frames;
	}
	if (codec == NULL || others < MAX_CODECS)
		return;
	vego_codec_free(oldest->exact_memory.codec);
	oldest->exact_memory.codec = NULL;
}

VegoCounters *
vego_nodes_counters(VegoNodes *nodes)
{
	return &own_frames(nodes)->counters;
}

static void
grow_frames(VegoFrames *frames, BlockNumber block)
{
	uint64		size = Max(64, frames->size);

	while (size <= block)
		size *= 2;
	if (frames->buffers == NULL)
	{
		uint8	   *kinds = MemoryContextAllocHuge(TopMemoryContext, size);

		frames->buffers = MemoryContextAllocHuge(TopMemoryContext,
												 size * sizeof(Buffer));
		frames->kinds = kinds;
	}
	else
	{
		frames->buffers = repalloc_huge(frames->buffers,
										size * sizeof(Buffer));
		frames->kinds = repalloc_huge(frames->kinds, size);
	}
	for (uint64 i = frames->size; i < size; i++)
	{
		frames->buffers[i] = InvalidBuffer;
		frames->kinds[i] = VEGO_BLOCK_NONE;
	}
	frames->size = size;
}

static inline Buffer
recent_buffer(const VegoFrames *frames, BlockNumber block)
{
	return block < frames->size ? frames->buffers[block] : InvalidBuffer;
}

static void
remember_buffer(VegoFrames *frames, BlockNumber block, Buffer buffer)
{
	if (block >= frames->size)
		grow_frames(frames, block);
	frames->buffers[block] = buffer;
}

Buffer
vego_nodes_pin(VegoNodes *nodes, BlockNumber block)
{
	VegoFrames *frames = own_frames(nodes);
	Buffer		buffer = recent_buffer(frames, block);

	frames->counters.pins++;
	if (BufferIsValid(buffer) && !BufferIsLocal(buffer) &&
		++frames->turn % USAGE_TURN != 0 &&
		ReadRecentBuffer(frames->locator, MAIN_FORKNUM, block, buffer))
		return buffer;

	buffer = ReadBuffer(nodes->rel, block);
	remember_buffer(frames, block, buffer);
	return buffer;
}

/* Takes note of what a block is, and for good, once it is not new. */
static void
remember_kind(VegoNodes *nodes, BlockNumber block, VegoBlockKind kind)
{
	VegoFrames *frames = own_frames(nodes);

	if (block < frames->size)
		frames->kinds[block] = kind;
}

/*
 * Are there slots on the page?  Else all of them are free: it is new, or holds
 * exact vectors.  Reports a damaged page.
 */
static bool
has_slots(VegoNodes *nodes, BlockNumber block, Page page)
{
	const char *fault;

	if (PageIsNew(page))
		return false;
	if (nodes->meta.exact != VEGO_EXACT_OFF && vego_page_is_exact(page))
	{
		remember_kind(nodes, block, VEGO_BLOCK_EXACT);
		return false;
	}
	fault = vego_page_fault(page, VEGO_PAGE_NODES);
	if (fault)
		vego_report_corrupted(nodes->rel, block, -1, fault);
	if (nodes->meta.exact != VEGO_EXACT_OFF)
		remember_kind(nodes, block, VEGO_BLOCK_NODES);
	return true;
}

static void
check_slot(VegoNodes *nodes, BlockNumber block, int place,
		   const VegoSlot *slot)
{
	const char *fault = vego_slot_fault(&nodes->geometry, slot);

	if (fault)
		vego_report_corrupted(nodes->rel, block, place, fault);
}

/* Copies and checks the constants of the index. */
static void
read_meta(Relation rel, VegoMeta *meta)
{
	Buffer		buffer = ReadBuffer(rel, 0);
	Page		page;
	const char *fault;
	uint16		format;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	fault = vego_page_fault(page, VEGO_PAGE_META);
	memcpy(meta, vego_page_meta(page), sizeof(VegoMeta));
	format = vego_page_tail(page)->format;
	UnlockReleaseBuffer(buffer);

	if (fault == NULL && meta->magic == VEGO_META_MAGIC &&
		(format != VEGO_FORMAT_VERSION || meta->format != VEGO_FORMAT_VERSION))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has format version %u, but this vego knows only version %d",
						RelationGetRelationName(rel), meta->format,
						VEGO_FORMAT_VERSION),
				 errhint("Please REINDEX it.")));
	if (fault == NULL)
		fault = vego_meta_fault(meta);
	if (fault)
		vego_report_corrupted(rel, 0, -1, fault);
}

/* The centre is written once by the build, before anyone can open the index. */
static float *
read_centre(Relation rel, const VegoMeta *meta, BlockNumber blocks)
{
	int			dims = vego_centre_dims(meta->dims, meta->bits);
	float	   *centre = palloc(dims * sizeof(float));

	for (BlockNumber block = 0; block < blocks; block++)
	{
		VegoCentrePart part = vego_centre_part(dims, block);
		Buffer		buffer = ReadBuffer(rel, block);
		const char *fault;

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		fault = vego_page_fault(BufferGetPage(buffer), VEGO_PAGE_META);
		memcpy(centre + part.first, BufferGetPage(buffer) + part.offset,
			   part.count * sizeof(float));
		UnlockReleaseBuffer(buffer);
		if (fault)
			vego_report_corrupted(rel, block, -1, fault);
	}
	return centre;
}

VegoNodes *
vego_nodes_open(Relation rel)
{
	VegoNodes  *nodes = palloc0(sizeof(VegoNodes));
	RelFileLocator locator = vego_compat_locator(rel);
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	float	   *centre = NULL;

	nodes->rel = rel;
	if (blocks == 0)
		vego_report_corrupted(rel, 0, -1, "index has no pages");
	read_meta(rel, &nodes->meta);
	vego_geometry_init(&nodes->geometry, nodes->meta.dims, nodes->meta.bits,
					   nodes->meta.m, nodes->meta.exact);
	if (blocks < nodes->geometry.first_block)
		vego_report_corrupted(rel, blocks, -1,
							  "index ends within its meta pages");
	if (nodes->meta.has_centre)
		centre = read_centre(rel, &nodes->meta, nodes->geometry.first_block);
	vego_coder_init(&nodes->coder, nodes->meta.metric, nodes->meta.dims,
					nodes->meta.bits, nodes->meta.radius, centre);
	nodes->count = vego_node_count(&nodes->geometry, blocks);
	nodes->frames = find_frames(&locator, nodes->meta.stamp);
	nodes->hints = VEGO_COMPAT_UNPINNED_READS && !vego_guc_pinned_reads &&
		!RelationUsesLocalBuffers(rel) && !vego_compat_snapshots_age();
	nodes->scratch = vego_nodes_new_slot(nodes);
	return nodes;
}

bool
vego_nodes_renew(VegoNodes *nodes, Relation rel)
{
	VegoMeta	meta;

	nodes->rel = rel;
	read_meta(rel, &meta);
	if (meta.stamp != nodes->meta.stamp)
		return false;
	nodes->meta = meta;
	nodes->coder.radius = meta.radius;
	nodes->count = vego_node_count(&nodes->geometry,
								   RelationGetNumberOfBlocks(rel));
	return true;
}

void
vego_nodes_refresh(VegoNodes *nodes)
{
	if (!vego_nodes_renew(nodes, nodes->rel))
		vego_report_corrupted(nodes->rel, 0, -1,
							  "the index was replaced while it was open");
}

/* A block's share of slots, and of bytes behind them for their vectors. */
double
vego_nodes_estimate(const VegoNodes *nodes)
{
	if (nodes->meta.exact == VEGO_EXACT_OFF)
		return nodes->count;
	return nodes->count / (1.0 + nodes->geometry.per_page *
						   ((double) nodes->meta.stored_bytes /
							VEGO_PAGE_ROOM));
}

VegoSlot *
vego_nodes_new_slot(const VegoNodes *nodes)
{
	return palloc0(nodes->geometry.slot_bytes);
}

/* Is the id a slot?  The index may have grown since it was looked at last. */
bool
vego_nodes_have(VegoNodes *nodes, VegoNodeId id)
{
	if (likely(id < nodes->count))
		return true;
	nodes->count = vego_node_count(&nodes->geometry,
								   RelationGetNumberOfBlocks(nodes->rel));
	return id < nodes->count;
}

/*
 * Where the slot of an id was seen last, or NULL.  The frame may hold anything
 * by now; whoever looks at it checks that it is the slot, and even then it may
 * be an old copy or half of a new one.  It is a hint.
 */
static inline const VegoSlot *
recent_slot(const VegoNodes *nodes, const VegoFrames *frames, VegoNodeId id)
{
	const VegoGeometry *geometry = &nodes->geometry;
	Buffer		buffer = InvalidBuffer;

	if (nodes->hints && id < nodes->count)
		buffer = recent_buffer(frames, vego_node_block(geometry, id));
	if (buffer <= 0)
		return NULL;
	return vego_page_slot(geometry, BufferGetPage(buffer),
						  vego_node_slot(geometry, id));
}

/* All that can be told from a line that a score reads anyway. */
static inline bool
is_slot_of(const VegoNodes *nodes, const VegoSlot *slot, VegoNodeId id)
{
	StaticAssertStmt(VEGO_SLOT_DEAD < 4 && VEGO_MAX_LEVEL < 16,
					 "kinds and levels take two and four bits");
	return slot->check == vego_slot_check(nodes->meta.stamp, id) &&
		slot->kind != VEGO_SLOT_FREE &&
		((slot->kind & ~3) | (slot->level & ~15) | slot->unused) == 0;
}

/* A batch of ids on its way to ranks; large enough for any node's links. */
#define BATCH 256

#define CACHE_LINE 64

static inline void
prefetch_bytes(const char *start, size_t count)
{
	const char *line = (const char *) TYPEALIGN_DOWN(CACHE_LINE, start);

	for (; line < start + count; line += CACHE_LINE)
		__builtin_prefetch(line);
}

/* What a score reads; the processor's own prefetcher goes on after a while. */
static inline void
prefetch_code(const VegoGeometry *geometry, const VegoSlot *slot)
{
	prefetch_bytes((const char *) slot, Min(geometry->code_end, 512));
}

static inline double
rank_slot(const VegoNodes *nodes, const VegoQuery *query,
		  const VegoSlot *slot)
{
	return vego_query_rank(query, vego_slot_factors(&nodes->geometry, slot),
						   vego_slot_code(&nodes->geometry, slot));
}

static double
rank_pinned(VegoNodes *nodes, const VegoQuery *query, VegoNodeId id)
{
	BlockNumber block = vego_node_block(&nodes->geometry, id);
	Buffer		buffer = vego_nodes_pin(nodes, block);
	Page		page = BufferGetPage(buffer);
	const VegoSlot *slot = vego_page_slot(&nodes->geometry, page,
										  vego_node_slot(&nodes->geometry, id));
	double		rank = DBL_MAX;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	if (has_slots(nodes, block, page) && slot->kind != VEGO_SLOT_FREE)
		rank = rank_slot(nodes, query, slot);
	UnlockReleaseBuffer(buffer);
	nodes->frames->counters.ranked_by_pin++;
	return rank;
}

/* Slots that are scored at once, and where their ranks go. */
typedef struct VegoRanking
{
	int			count;
	int			places[VEGO_QUERY_RANKS];
	const VegoFactors *factors[VEGO_QUERY_RANKS];
	const uint8 *codes[VEGO_QUERY_RANKS];
} VegoRanking;

static inline void
add_to_ranking(VegoRanking *ranking, const VegoNodes *nodes,
			   const VegoSlot *slot, int place)
{
	ranking->places[ranking->count] = place;
	ranking->factors[ranking->count] =
		vego_slot_factors(&nodes->geometry, slot);
	ranking->codes[ranking->count] = vego_slot_code(&nodes->geometry, slot);
	ranking->count++;
}

static inline void
finish_ranking(const VegoRanking *ranking, const VegoQuery *query,
			   double *ranks)
{
	double		found[VEGO_QUERY_RANKS];

	vego_query_ranks(query, ranking->factors, ranking->codes, ranking->count,
					 found);
	for (int i = 0; i < ranking->count; i++)
		ranks[ranking->places[i]] = found[i];
}

/*
 * Asks for the pages of what a batch has missed, so that those not in the
 * cache are read at once and not one after the other.  As for bitmap heap
 * scans, effective_io_concurrency = 0 keeps it from that.
 */
static void
prefetch_pages(VegoNodes *nodes, const VegoNodeId *ids, const int *missed,
			   int count)
{
	VegoFrames *frames = own_frames(nodes);

	if (!nodes->hints ||
		get_tablespace_io_concurrency(nodes->rel->rd_rel->reltablespace) == 0)
		return;
	for (int i = 0; i < count; i++)
	{
		BlockNumber block = vego_node_block(&nodes->geometry, ids[missed[i]]);
		PrefetchBufferResult found = PrefetchBuffer(nodes->rel, MAIN_FORKNUM,
													block);

		frames->counters.prefetches += found.initiated_io;
		if (BufferIsValid(found.recent_buffer))
			remember_buffer(frames, block, found.recent_buffer);
	}
}

/*
 * Scores under pins what a batch has missed.  To ask for a page that the file
 * cache has is a system call for nothing, so the clock tells whether pages come
 * from further away (src/README, "Reading").
 */
static void
rank_missed(VegoNodes *nodes, const VegoQuery *query, const VegoNodeId *ids,
			const int *missed, int count, double *ranks)
{
	VegoFrames *frames = own_frames(nodes);
	instr_time	start;
	instr_time	taken;

	INSTR_TIME_SET_CURRENT(start);
	if (count > 1 && frames->asking > 0)
		prefetch_pages(nodes, ids, missed, count);
	for (int i = 0; i < count; i++)
		ranks[missed[i]] = rank_pinned(nodes, query, ids[missed[i]]);
	INSTR_TIME_SET_CURRENT(taken);
	INSTR_TIME_SUBTRACT(taken, start);

	if (INSTR_TIME_GET_MICROSEC(taken) >
		CACHED_BATCH_US + count * CACHED_PAGE_US)
		frames->asking = ASKING_BATCHES;
	else if (frames->asking > 0)
		frames->asking--;
}

/*
 * First the frames of the whole batch are found and their lines fetched, then
 * all are scored, so that the cache misses overlap.
 */
static void
rank_batch(VegoNodes *nodes, const VegoQuery *query, const VegoNodeId *ids,
		   int count, double *ranks)
{
	const VegoFrames *frames = own_frames(nodes);
	const VegoSlot *slots[BATCH];
	int			missed[BATCH];
	int			miss_count = 0;

	for (int i = 0; i < count; i++)
	{
		slots[i] = recent_slot(nodes, frames, ids[i]);
		if (slots[i])
			prefetch_code(&nodes->geometry, slots[i]);
	}

	for (int i = 0; i < count;)
	{
		int			end = Min(i + VEGO_QUERY_RANKS, count);
		VegoRanking ranking;

		ranking.count = 0;
		for (; i < end; i++)
		{
			if (slots[i] && is_slot_of(nodes, slots[i], ids[i]))
				add_to_ranking(&ranking, nodes, slots[i], i);
			else if (vego_nodes_have(nodes, ids[i]))
				missed[miss_count++] = i;
			else
				ranks[i] = DBL_MAX;
		}
		/* before any pin, which may take the frames of those just checked */
		finish_ranking(&ranking, query, ranks);
	}
	own_frames(nodes)->counters.ranked_by_hint += count - miss_count;
	if (miss_count > 0)
		rank_missed(nodes, query, ids, missed, miss_count, ranks);
}

void
vego_nodes_rank(VegoNodes *nodes, const VegoQuery *query,
				const VegoNodeId *ids, int count, double *ranks)
{
	while (count > 0)
	{
		int			batch = Min(count, BATCH);

		rank_batch(nodes, query, ids, batch, ranks);
		ids += batch;
		ranks += batch;
		count -= batch;
	}
}

void
vego_nodes_prefetch_code(VegoNodes *nodes, VegoNodeId id)
{
	const VegoSlot *slot = recent_slot(nodes, own_frames(nodes), id);

	if (slot)
		prefetch_code(&nodes->geometry, slot);
}

int
vego_nodes_rank_block(VegoNodes *nodes, BlockNumber block,
					  const VegoQuery *query, int level, VegoNodeId *ids,
					  double *ranks)
{
	const VegoGeometry *geometry = &nodes->geometry;
	const VegoFrames *frames = own_frames(nodes);
	Buffer		buffer;
	Page		page;
	int			end;
	int			found = 0;

	/* what holds vectors once never holds nodes */
	if (block < frames->size && frames->kinds[block] == VEGO_BLOCK_EXACT)
		return 0;
	buffer = vego_nodes_pin(nodes, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	end = has_slots(nodes, block, page) ? geometry->per_page : 0;
	for (int i = 0; i < end;)
	{
		VegoRanking ranking;

		ranking.count = 0;
		for (; i < end && ranking.count < VEGO_QUERY_RANKS; i++)
		{
			const VegoSlot *slot = vego_page_slot(geometry, page, i);

			if (slot->kind != VEGO_SLOT_LIVE || slot->level != level)
				continue;
			ids[found] = vego_node_id(geometry, block, i);
			add_to_ranking(&ranking, nodes, slot, found++);
		}
		finish_ranking(&ranking, query, ranks);
	}
	UnlockReleaseBuffer(buffer);
	nodes->frames->counters.ranked_by_pin += found;
	return found;
}

bool
vego_nodes_sketch(VegoNodes *nodes, VegoNodeId id, VegoFactors *factors,
				  uint8 *code)
{
	const VegoGeometry *geometry = &nodes->geometry;
	const VegoSlot *slot = recent_slot(nodes, own_frames(nodes), id);

	if (slot == NULL || !is_slot_of(nodes, slot, id))
	{
		vego_nodes_read(nodes, id, nodes->scratch);
		slot = nodes->scratch;
	}
	memcpy(factors, vego_slot_factors(geometry, slot), sizeof(VegoFactors));
	memcpy(code, vego_slot_code(geometry, slot), geometry->code_bytes);
	return slot->kind == VEGO_SLOT_LIVE;
}

void
vego_nodes_prefetch_links(VegoNodes *nodes, VegoNodeId id)
{
	const VegoSlot *slot = recent_slot(nodes, own_frames(nodes), id);

	if (slot)
		prefetch_bytes((const char *) slot + nodes->geometry.links_offset,
					   nodes->geometry.capacity * sizeof(VegoLink));
}

void
vego_nodes_look(VegoNodes *nodes, VegoNodeId id, VegoSlot *slot)
{
	VegoFrames *frames = own_frames(nodes);
	const VegoSlot *seen = recent_slot(nodes, frames, id);

	/* when it is the turn of ReadBuffer, vego_nodes_pin will see to it */
	if (seen && (frames->turn + 1) % USAGE_TURN != 0)
	{
		memcpy(slot, seen, nodes->geometry.slot_bytes);
		if (slot->kind == VEGO_SLOT_LIVE && is_slot_of(nodes, slot, id) &&
			vego_slot_fault(&nodes->geometry, slot) == NULL)
		{
			frames->turn++;
			return;
		}
	}
	vego_nodes_read(nodes, id, slot);
}

void
vego_nodes_read(VegoNodes *nodes, VegoNodeId id, VegoSlot *slot)
{
	BlockNumber block = vego_node_block(&nodes->geometry, id);
	int			place = vego_node_slot(&nodes->geometry, id);
	Buffer		buffer;
	Page		page;

	if (!vego_nodes_have(nodes, id))
	{
		memset(slot, 0, nodes->geometry.slot_bytes);
		return;
	}
	buffer = vego_nodes_pin(nodes, block);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	if (nodes->snapshot)
		vego_compat_test_snapshot(nodes->snapshot, nodes->rel, page);
	if (has_slots(nodes, block, page))
		memcpy(slot, vego_page_slot(&nodes->geometry, page, place),
			   nodes->geometry.slot_bytes);
	else
		memset(slot, 0, nodes->geometry.slot_bytes);
	UnlockReleaseBuffer(buffer);
	check_slot(nodes, block, place, slot);
	nodes->frames->counters.reads++;
}

VegoBlockKind
vego_nodes_read_block(VegoNodes *nodes, BlockNumber block,
					  BufferAccessStrategy strategy, char *slots)
{
	const VegoGeometry *geometry = &nodes->geometry;
	size_t		bytes = (size_t) geometry->per_page * geometry->slot_bytes;
	VegoBlockKind kind = VEGO_BLOCK_NODES;
	Buffer		buffer;
	Page		page;

	if (block >= RelationGetNumberOfBlocks(nodes->rel))
		return VEGO_BLOCK_NONE;
	buffer = ReadBufferExtended(nodes->rel, MAIN_FORKNUM, block, RBM_NORMAL,
								strategy);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	if (has_slots(nodes, block, page))
		memcpy(slots, vego_page_slot(geometry, page, 0), bytes);
	else
	{
		if (!PageIsNew(page))
			kind = VEGO_BLOCK_EXACT;
		memset(slots, 0, bytes);
	}
	UnlockReleaseBuffer(buffer);
	for (int i = 0; i < geometry->per_page; i++)
		check_slot(nodes, block, i,
				   (VegoSlot *) (slots + i * geometry->slot_bytes));
	return kind;
}

/* Where the page's bytes up to and with this slot end. */
static int
slot_end(const VegoGeometry *geometry, int place)
{
	return SizeOfPageHeaderData + (place + 1) * geometry->slot_bytes;
}

/* Bytes of a slot up to its last link: what lies behind them is zero. */
static int
used_bytes(const VegoGeometry *geometry, const VegoSlot *slot)
{
	return geometry->links_offset + slot->degree * sizeof(VegoLink);
}

/* First free slot of a locked page, or -1. */
static int
find_free_slot(VegoNodes *nodes, BlockNumber block, Page page)
{
	const VegoGeometry *geometry = &nodes->geometry;

	if (!has_slots(nodes, block, page))
		return PageIsNew(page) ? 0 : -1;
	for (int i = 0; i < geometry->per_page; i++)
		if (vego_page_slot(geometry, page, i)->kind == VEGO_SLOT_FREE)
			return i;
	return -1;
}

/*
 * Links are chosen before the node has an id, and a chosen node may have been
 * freed since and its slot given to this one.
 */
static void
drop_link(const VegoGeometry *geometry, VegoSlot *slot, VegoNodeId id)
{
	VegoLink   *links = vego_slot_links(geometry, slot);
	int			kept = 0;

	for (int i = 0; i < slot->degree; i++)
		if (vego_link_id(links[i]) != id)
			links[kept++] = links[i];
	for (int i = kept; i < slot->degree; i++)
		links[i] = 0;
	slot->degree = kept;
}

/*
 * Writes the slot, checked by the id it gets, to a free place of the locked
 * page and lets go of it.
 */
static VegoNodeId
fill_slot(VegoNodes *nodes, Buffer buffer, int place, VegoSlot *slot)
{
	const VegoGeometry *geometry = &nodes->geometry;
	VegoNodeId	id = vego_node_id(geometry, BufferGetBlockNumber(buffer),
								  place);
	Page		page = BufferGetPage(buffer);
	PageHeader	header = (PageHeader) page;
	LocationIndex end = slot_end(geometry, place);
	PGAlignedBlock image;
	VegoPageEdit edit;

	slot->check = vego_slot_check(nodes->meta.stamp, id);
	drop_link(geometry, slot, id);
	vego_edit_begin(&edit, nodes->rel, PageIsNew(page) ?
					VEGO_RECORD_NODE_PAGE : VEGO_RECORD_NODE);
	if (PageIsNew(page))
	{
		memset(image.data, 0, BLCKSZ);
		vego_page_init((Page) image.data, VEGO_PAGE_NODES);
		memcpy(vego_page_slot(geometry, (Page) image.data, place), slot,
			   used_bytes(geometry, slot));
		((PageHeader) image.data)->pd_lower = end;
		vego_edit_open_new(&edit, buffer, image.data);
	}
	else
	{
		vego_edit_open(&edit, buffer);
		if (header->pd_lower < end)
			vego_edit_put(&edit, &header->pd_lower, &end, sizeof(end));
		vego_edit_put(&edit, vego_page_slot(geometry, page, place), slot,
					  used_bytes(geometry, slot));
	}
	vego_edit_commit(&edit);
	return id;
}

/* Tries one existing block; VEGO_NO_NODE when it is full. */
static VegoNodeId
insert_on_block(VegoNodes *nodes, BlockNumber block, VegoSlot *slot)
{
	Buffer		buffer = vego_nodes_pin(nodes, block);
	int			place;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	place = find_free_slot(nodes, block, BufferGetPage(buffer));
	if (place < 0)
	{
		UnlockReleaseBuffer(buffer);
		return VEGO_NO_NODE;
	}
	return fill_slot(nodes, buffer, place, slot);
}

/*
 * Pages with free slots are known to the free space map, which vacuum fills.
 * A page taken from it becomes this backend's target until it is full, and
 * goes back into the map at once unless its last slot was taken: whoever gets
 * it next sees whether it is full, and no slot is forgotten when this backend
 * ends.
 */
VegoNodeId
vego_nodes_insert(VegoNodes *nodes, VegoSlot *slot)
{
	Relation	rel = nodes->rel;
	BlockNumber first = nodes->geometry.first_block;
	BlockNumber target = RelationGetTargetBlock(rel);
	BlockNumber blocks = RelationGetNumberOfBlocks(rel);
	VegoNodeId	id;
	Buffer		buffer;

	if (target != InvalidBlockNumber && target >= first && target < blocks)
	{
		id = insert_on_block(nodes, target, slot);
		if (id != VEGO_NO_NODE)
			return id;
	}

	while ((target = GetFreeIndexPage(rel)) != InvalidBlockNumber)
	{
		CHECK_FOR_INTERRUPTS();
		/* the map is not logged: it may be wrong after a crash */
		if (target < first || target >= blocks)
			continue;
		id = insert_on_block(nodes, target, slot);
		if (id != VEGO_NO_NODE)
		{
			if (vego_node_slot(&nodes->geometry, id) <
				nodes->geometry.per_page - 1)
				RecordFreeIndexPage(rel, target);
			RelationSetTargetBlock(rel, target);
			return id;
		}
	}

	if (blocks > first)
	{
		id = insert_on_block(nodes, blocks - 1, slot);
		if (id != VEGO_NO_NODE)
		{
			RelationSetTargetBlock(rel, blocks - 1);
			return id;
		}
	}

	if (vego_node_count(&nodes->geometry, blocks + 1) >= VEGO_NO_NODE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot hold more than %u nodes",
						RelationGetRelationName(rel), VEGO_NO_NODE),
				 errhint("Partition the table.")));
	buffer = vego_compat_extend(rel);
	RelationSetTargetBlock(rel, BufferGetBlockNumber(buffer));
	return fill_slot(nodes, buffer, 0, slot);
}

static int
compare_edits(const void *a, const void *b)
{
	VegoNodeId	ia = ((const VegoEdit *) a)->id;
	VegoNodeId	ib = ((const VegoEdit *) b)->id;

	return ia < ib ? -1 : ia > ib;
}

/* Is the node as it was when the change was decided? */
static bool
edit_holds(const VegoGeometry *geometry, const VegoEdit *edit, Page page)
{
	const VegoSlot *slot = vego_page_slot(geometry, page,
										  vego_node_slot(geometry, edit->id));

	return slot->kind == VEGO_SLOT_LIVE &&
		vego_slot_is_same(slot, edit->before) &&
		slot->degree == edit->before->degree &&
		memcmp(vego_slot_links(geometry, slot), vego_slot_links(geometry, edit->before),
			   slot->degree * sizeof(VegoLink)) == 0;
}

/*
 * Puts what differs between the old links and the new.  Two changes with one
 * link between them are put as one: that link costs as much as a piece's head.
 */
static void
put_links(const VegoGeometry *geometry, VegoPageEdit *page_edit,
		  const VegoEdit *edit, Page page)
{
	VegoSlot   *slot = vego_page_slot(geometry, page,
									  vego_node_slot(geometry, edit->id));
	const VegoLink *had = vego_slot_links(geometry, slot);
	VegoLink	links[2 * VEGO_MAX_M] = {0};
	int			end = Max(slot->degree, edit->degree);
	uint8		degree = edit->degree;

	memcpy(links, edit->links, edit->degree * sizeof(VegoLink));
	if (slot->degree != degree)
		vego_edit_put(page_edit, &slot->degree, &degree, sizeof(degree));
	for (int i = 0; i < end; i++)
	{
		int			first = i;
		int			last = i;

		if (had[i] == links[i])
			continue;
		for (i++; i < end && i <= last + 2; i++)
			if (had[i] != links[i])
				last = i;
		i = last;
		vego_edit_put(page_edit, &had[first], &links[first],
					  (last - first + 1) * sizeof(VegoLink));
	}
}

int
vego_nodes_edit(VegoNodes *nodes, VegoRecord record, VegoEdit *edits,
				int count)
{
	const VegoGeometry *geometry = &nodes->geometry;
	int			applied = 0;
	int			next = 0;

	qsort(edits, count, sizeof(VegoEdit), compare_edits);
	for (int i = 1; i < count; i++)
		Assert(edits[i - 1].id < edits[i].id);
	while (next < count)
	{
		VegoPageEdit page_edit;

		vego_edit_begin(&page_edit, nodes->rel, record);
		while (next < count && page_edit.count < VEGO_EDIT_PAGES)
		{
			BlockNumber block = vego_node_block(geometry, edits[next].id);
			Buffer		buffer = vego_nodes_pin(nodes, block);
			Page		page = BufferGetPage(buffer);
			bool		opened = false;
			bool		slots;

			LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
			slots = has_slots(nodes, block, page);
			for (; next < count &&
				 vego_node_block(geometry, edits[next].id) == block; next++)
			{
				VegoEdit   *edit = &edits[next];

				edit->applied = slots &&
					edit_holds(geometry, edit, page);
				if (!edit->applied)
					continue;
				if (!opened)
					vego_edit_open(&page_edit, buffer);
				opened = true;
				put_links(geometry, &page_edit, edit, page);
				applied++;
			}
			if (!opened)
				UnlockReleaseBuffer(buffer);
		}
		vego_edit_commit(&page_edit);
	}
	return applied;
}

/* Is the slot what it was when it was judged? */
static bool
verdict_holds(const VegoSlot *slot, const VegoSlot *judged,
			  VegoVerdict verdict)
{
	return vego_slot_is_same(slot, judged) &&
		slot->kind == (verdict == VEGO_FREE ? VEGO_SLOT_DEAD : VEGO_SLOT_LIVE);
}

static void
put_verdict(const VegoGeometry *geometry, VegoPageEdit *edit, VegoSlot *slot,
			VegoVerdict verdict)
{
	static const char zeros[BLCKSZ] = {0};
	VegoExactPlace nowhere = {0};
	VegoSlot	dead = *slot;

	if (verdict == VEGO_FREE)
	{
		vego_edit_put(edit, slot, zeros, used_bytes(geometry, slot));
		return;
	}
	dead.kind = VEGO_SLOT_DEAD;
	/* a recycled TID must not match; upper slots keep their way down */
	if (slot->level == 0)
		ItemPointerSetInvalid(&dead.tid);
	vego_edit_put(edit, slot, &dead, sizeof(dead));
	if (slot->level == 0 && geometry->exact_offset > 0)
		vego_edit_put(edit, (char *) slot + geometry->exact_offset, &nowhere,
					  sizeof(nowhere));
}

VegoBlockKind
vego_nodes_judge_block(VegoNodes *nodes, BlockNumber block,
					   BufferAccessStrategy strategy, VegoJudge judge,
					   void *arg)
{
	const VegoGeometry *geometry = &nodes->geometry;
	PGAlignedBlock copy;
	VegoVerdict verdicts[BLCKSZ / sizeof(VegoSlot)];
	bool		any = false;
	VegoRecord	record = VEGO_RECORD_BURY;
	Buffer		buffer;
	Page		page;
	VegoPageEdit edit;
	bool		slots;
	VegoBlockKind kind = vego_nodes_read_block(nodes, block, strategy,
											   copy.data);

	if (kind != VEGO_BLOCK_NODES)
		return kind;
	for (int i = 0; i < geometry->per_page; i++)
	{
		verdicts[i] = judge(arg, vego_node_id(geometry, block, i),
							(VegoSlot *) (copy.data + i * geometry->slot_bytes));
		any |= verdicts[i] != VEGO_KEEP;
		if (verdicts[i] == VEGO_FREE)
			record = VEGO_RECORD_FREE;
	}
	if (!any)
		return kind;

	buffer = ReadBufferExtended(nodes->rel, MAIN_FORKNUM, block, RBM_NORMAL,
								strategy);
	page = BufferGetPage(buffer);
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	slots = has_slots(nodes, block, page);
	vego_edit_begin(&edit, nodes->rel, record);
	vego_edit_open(&edit, buffer);
	for (int i = 0; i < geometry->per_page; i++)
	{
		VegoSlot   *slot = vego_page_slot(geometry, page, i);

		if (verdicts[i] == VEGO_KEEP || !slots ||
			!verdict_holds(slot, (VegoSlot *)
						   (copy.data + i * geometry->slot_bytes),
						   verdicts[i]))
			continue;
		put_verdict(geometry, &edit, slot, verdicts[i]);
	}
	vego_edit_commit(&edit);
	return kind;
}

void
vego_nodes_lock_entry(VegoNodes *nodes)
{
	LockPage(nodes->rel, 0, ExclusiveLock);
}

void
vego_nodes_unlock_entry(VegoNodes *nodes)
{
	UnlockPage(nodes->rel, 0, ExclusiveLock);
}

void
vego_nodes_set_entry(VegoNodes *nodes, VegoNodeId entry, int level)
{
	Buffer		buffer = ReadBuffer(nodes->rel, 0);
	VegoMeta   *meta = vego_page_meta(BufferGetPage(buffer));
	VegoPageEdit edit;
	uint32		changed[2] = {entry, level};

	StaticAssertStmt(offsetof(VegoMeta, entry_level) ==
					 offsetof(VegoMeta, entry) + sizeof(uint32),
					 "the entry and its level are put at once");
	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	vego_edit_begin(&edit, nodes->rel, VEGO_RECORD_ENTRY);
	vego_edit_open(&edit, buffer);
	vego_edit_put(&edit, &meta->entry, changed, sizeof(changed));
	vego_edit_commit(&edit);
	nodes->meta.entry = entry;
	nodes->meta.entry_level = level;
}

void
vego_nodes_grow_radius(VegoNodes *nodes, double radius)
{
	Buffer		buffer = ReadBuffer(nodes->rel, 0);
	VegoMeta   *meta = vego_page_meta(BufferGetPage(buffer));
	VegoPageEdit edit;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	vego_edit_begin(&edit, nodes->rel, VEGO_RECORD_RADIUS);
	if (meta->radius < radius)
	{
		vego_edit_open(&edit, buffer);
		vego_edit_put(&edit, &meta->radius, &radius, sizeof(radius));
	}
	else
	{
		radius = meta->radius;
		UnlockReleaseBuffer(buffer);
	}
	vego_edit_commit(&edit);
	nodes->meta.radius = radius;
	nodes->coder.radius = radius;
}
