/*
 * exact_build.c
 *	  How do the vectors of a build get into the index?
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/tablespace.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"

#include "compat.h"
#include "exact_build.h"
#include "rows.h"

/* Vectors that dictionaries are made from and tried on. */
#define SAMPLE_ROWS 2000
#define SAMPLE_BYTES (4 * 1024 * 1024)

/* Least memory of the sort, whatever else there is. */
#define LEAST_SORT_MEMORY (1024 * 1024)

struct VegoExactSpool
{
	MemoryContext context;
	VegoStreams **files;		/* the one being written is the first */
	int			file_count;

	/* reading */
	int			reading;
	uint64		left;			/* bytes of that file */
};

/* In front of each vector in the file. */
typedef struct SpoolHead
{
	ItemPointerData tid;
	uint16		unused;
	int32		length;
} SpoolHead;

/* A node by its row; with ids in halves as many as rows fit in ten bytes. */
typedef struct RowNode
{
	ItemPointerData tid;
	uint16		id_high;
	uint16		id_low;
} RowNode;

typedef struct ExactBuild
{
	Relation	index;
	const VegoMeta *meta;
	VegoGeometry geometry;
	VegoExactSpool *spool;
	void		(*progress) (int64 done, int64 total);
	RowNode    *nodes;			/* in order of TID */
	uint64		node_count;
	VegoCodec  *codec;
	VegoExactRoom *room;
	Buffer		buffer;			/* the page being filled, pinned */
	BlockNumber first;			/* of these pages */
} ExactBuild;

static void
add_file(VegoExactSpool *spool, VegoStreams *file)
{
	spool->files = spool->files == NULL ? palloc(sizeof(VegoStreams *)) :
		repalloc(spool->files, (spool->file_count + 1) * sizeof(VegoStreams *));
	spool->files[spool->file_count++] = file;
}

VegoExactSpool *
vego_exact_spool_begin(SharedFileSet *set, const char *name)
{
	VegoExactSpool *spool = palloc0(sizeof(VegoExactSpool));

	PrepareTempTablespaces();
	spool->context = CurrentMemoryContext;
	add_file(spool, set ? vego_streams_new_shared(set, name) :
			 vego_streams_new(1, BLCKSZ));
	return spool;
}

void
vego_exact_spool_add(VegoExactSpool *spool, ItemPointer tid,
					 VegoExactValue value)
{
	SpoolHead	head = {*tid, 0, value.length};

	vego_streams_append(spool->files[0], 0, &head, sizeof(head));
	vego_streams_append(spool->files[0], 0, value.bytes, value.length);
}

uint64
vego_exact_spool_finish(VegoExactSpool *spool)
{
	vego_streams_seal(spool->files[0]);
	return vego_streams_length(spool->files[0], 0);
}

void
vego_exact_spool_add_file(VegoExactSpool *spool, SharedFileSet *set,
						  const char *name, uint64 bytes)
{
	MemoryContext old = MemoryContextSwitchTo(spool->context);

	add_file(spool, vego_streams_open_shared(set, name, bytes));
	MemoryContextSwitchTo(old);
}

void
vego_exact_spool_end(VegoExactSpool *spool)
{
	for (int i = 0; i < spool->file_count; i++)
		vego_streams_free(spool->files[i]);
	pfree(spool->files);
	pfree(spool);
}

uint32
vego_exact_expected_bytes(const VegoMeta *meta)
{
	return meta->value_bytes + sizeof(VegoExactHead) + sizeof(ItemIdData);
}

/* Reading goes on from the front of a file. */
static void
open_file(VegoExactSpool *spool, int file)
{
	spool->reading = file;
	spool->left = vego_streams_length(spool->files[file], 0);
	vego_streams_rewind(spool->files[file], 0);
}

/* The next vector, into bytes; false when there are no more. */
static bool
read_spool(VegoExactSpool *spool, SpoolHead *head, char *bytes)
{
	VegoStreams *file;

	while (spool->left == 0)
	{
		if (spool->reading + 1 == spool->file_count)
			return false;
		open_file(spool, spool->reading + 1);
	}
	file = spool->files[spool->reading];
	vego_streams_read(file, head, sizeof(*head));
	vego_streams_read(file, bytes, head->length);
	spool->left -= sizeof(*head) + head->length;
	return true;
}

static int
compare_row_nodes(const void *a, const void *b)
{
	ItemPointerData tid_a = ((const RowNode *) a)->tid;
	ItemPointerData tid_b = ((const RowNode *) b)->tid;

	CHECK_FOR_INTERRUPTS();		/* a long sort, and nothing to clean up */
	return ItemPointerCompare(&tid_a, &tid_b);
}

/* Which node is which row's, from the pages that have been written. */
static void
collect_nodes(ExactBuild *build)
{
	const VegoGeometry *geometry = &build->geometry;
	BlockNumber blocks = RelationGetNumberOfBlocks(build->index);

	build->nodes = vego_allocate(vego_node_count(geometry, blocks),
								 sizeof(RowNode));
	for (BlockNumber block = geometry->first_block; block < blocks; block++)
	{
		Buffer		buffer = ReadBuffer(build->index, block);
		Page		page = BufferGetPage(buffer);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		for (int i = 0; i < geometry->per_page; i++)
		{
			const VegoSlot *slot = vego_page_slot(geometry, page, i);
			VegoNodeId	id = vego_node_id(geometry, block, i);

			if (slot->kind == VEGO_SLOT_LIVE && slot->level == 0)
				build->nodes[build->node_count++] =
					(RowNode) {slot->tid, id >> 16, id & 0xFFFF};
		}
		UnlockReleaseBuffer(buffer);
	}
	qsort(build->nodes, build->node_count, sizeof(RowNode),
		  compare_row_nodes);
}

/* The node of a row, or VEGO_NO_NODE where the operator class has none. */
static VegoNodeId
node_of(const ExactBuild *build, const ItemPointerData *tid)
{
	RowNode		key = {*tid, 0, 0};
	const RowNode *node = bsearch(&key, build->nodes, build->node_count,
								  sizeof(RowNode), compare_row_nodes);

	return node ? (VegoNodeId) node->id_high << 16 | node->id_low :
		VEGO_NO_NODE;
}

/*
 * Dictionaries from the rows that were met first, which the leader has met alone
 * (build_rows.c).
 */
static int
train(ExactBuild *build, char *dictionaries)
{
	int			bytes = build->meta->value_bytes;
	int			most = Min(SAMPLE_ROWS, SAMPLE_BYTES / bytes);
	char	   *samples = palloc((size_t) most * bytes + 1);
	int			found = 0;
	int			length;
	SpoolHead	head;

	open_file(build->spool, 0);
	for (int i = 0; i < most &&
		 read_spool(build->spool, &head, samples + (size_t) found * bytes); i++)
		found += head.length == bytes;
	length = vego_codec_train(build->meta->element_bytes, samples, found,
							  bytes, dictionaries);
	pfree(samples);
	return length;
}

/* Locks the page being filled, or a fresh one in its place. */
static Page
lock_page(ExactBuild *build, bool fresh)
{
	if (fresh && BufferIsValid(build->buffer))
	{
		ReleaseBuffer(build->buffer);
		build->buffer = InvalidBuffer;
	}
	if (BufferIsValid(build->buffer))
		LockBuffer(build->buffer, BUFFER_LOCK_EXCLUSIVE);
	else
	{
		build->buffer = vego_compat_extend(build->index);
		vego_page_init(BufferGetPage(build->buffer), VEGO_PAGE_EXACT);
		if (build->first == InvalidBlockNumber)
			build->first = BufferGetBlockNumber(build->buffer);
	}
	return BufferGetPage(build->buffer);
}

static VegoExactPlace
write_value(ExactBuild *build, const ItemPointerData *tid,
			VegoExactValue value)
{
	VegoExactStored stored = vego_exact_encode(build->codec, build->room, tid,
											   value);
	VegoExactPlace place = {0};
	int			left = stored.length;

	for (bool fresh = false; left > 0; fresh = true)
	{
		Page		page = lock_page(build, fresh);

		left = vego_exact_put(page, BufferGetBlockNumber(build->buffer),
							  &stored, left, &place);
		MarkBufferDirty(build->buffer);
		LockBuffer(build->buffer, BUFFER_LOCK_UNLOCK);
	}
	return place;
}

/* Tells the nodes of a block where their vectors are. */
static void
set_places(ExactBuild *build, BlockNumber block, const VegoExactPlace *places)
{
	const VegoGeometry *geometry = &build->geometry;
	Buffer		buffer = ReadBuffer(build->index, block);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	for (int i = 0; i < geometry->per_page; i++)
		if (vego_exact_place_is_set(places[i]))
			vego_slot_set_exact(geometry,
								vego_page_slot(geometry,
											   BufferGetPage(buffer), i),
								places[i]);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

static TupleDesc
sorted_columns(void)
{
	TupleDesc	columns = CreateTemplateTupleDesc(3);

	TupleDescInitEntry(columns, 1, "id", INT4OID, -1, 0);
	TupleDescInitEntry(columns, 2, "tid", INT8OID, -1, 0);
	TupleDescInitEntry(columns, 3, "vector", BYTEAOID, -1, 0);
	return columns;
}

/* What maintenance_work_mem leaves, in kilobytes. */
static int
sort_memory(const ExactBuild *build)
{
	Size		all = (Size) maintenance_work_mem * 1024;
	Size		taken = build->node_count * sizeof(RowNode);

	return (int) ((Max(all, taken + LEAST_SORT_MEMORY) - taken) / 1024);
}

/* Vectors in the order of their nodes. */
static Tuplesortstate *
sort_spool(ExactBuild *build, TupleDesc columns)
{
	AttrNumber	key = 1;
	Oid			operator = Int4LessOperator;
	Oid			collation = InvalidOid;
	bool		nulls_first = false;
	Tuplesortstate *sort = tuplesort_begin_heap(columns, 1, &key, &operator,
												&collation, &nulls_first,
												sort_memory(build), NULL, 0);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	bytea	   *vector = palloc(VARHDRSZ + build->meta->value_bytes);
	uint64		found = 0;
	SpoolHead	head;

	open_file(build->spool, 0);
	while (read_spool(build->spool, &head, VARDATA(vector)))
	{
		VegoNodeId	id = node_of(build, &head.tid);

		CHECK_FOR_INTERRUPTS();
		if (id == VEGO_NO_NODE)
			continue;
		found++;
		SET_VARSIZE(vector, VARHDRSZ + head.length);
		ExecClearTuple(slot);
		slot->tts_values[0] = Int32GetDatum((int32) id);
		slot->tts_values[1] =
			Int64GetDatum((int64) ItemPointerGetBlockNumber(&head.tid) << 16 |
						  ItemPointerGetOffsetNumber(&head.tid));
		slot->tts_values[2] = PointerGetDatum(vector);
		memset(slot->tts_isnull, 0, 3 * sizeof(bool));
		ExecStoreVirtualTuple(slot);
		tuplesort_puttupleslot(sort, slot);
	}
	if (found != build->node_count)
		elog(ERROR, "vego found vectors of " UINT64_FORMAT " of " UINT64_FORMAT " nodes",
			 found, build->node_count);
	ExecDropSingleTupleTableSlot(slot);
	pfree(vector);
	tuplesort_performsort(sort);
	return sort;
}

/* Writes the vectors, and after those of each block of nodes their places. */
static void
write_values(ExactBuild *build)
{
	const VegoGeometry *geometry = &build->geometry;
	TupleDesc	columns = sorted_columns();
	Tuplesortstate *sort = sort_spool(build, columns);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(columns,
													&TTSOpsMinimalTuple);
	VegoExactPlace *places = palloc0(geometry->per_page *
									 sizeof(VegoExactPlace));
	BlockNumber block = InvalidBlockNumber;
	uint64		done = 0;

	while (tuplesort_gettupleslot(sort, true, false, slot, NULL))
	{
		VegoNodeId	id;
		uint64		packed;
		ItemPointerData tid;
		bytea	   *vector;
		VegoExactValue value;

		slot_getallattrs(slot);
		id = DatumGetInt32(slot->tts_values[0]);
		packed = DatumGetInt64(slot->tts_values[1]);
		vector = (bytea *) DatumGetPointer(slot->tts_values[2]);
		ItemPointerSet(&tid, (BlockNumber) (packed >> 16),
					   (OffsetNumber) (packed & 0xFFFF));
		value.bytes = VARDATA_ANY(vector);
		value.length = VARSIZE_ANY_EXHDR(vector);

		if (vego_node_block(geometry, id) != block)
		{
			if (block != InvalidBlockNumber)
				set_places(build, block, places);
			block = vego_node_block(geometry, id);
			memset(places, 0, geometry->per_page * sizeof(VegoExactPlace));
			build->progress(done, build->node_count);
		}
		places[vego_node_slot(geometry, id)] = write_value(build, &tid, value);
		done++;
	}
	if (block != InvalidBlockNumber)
		set_places(build, block, places);
	ExecDropSingleTupleTableSlot(slot);
	tuplesort_end(sort);
}

/* What the meta page did not know when it was written. */
static void
complete_meta(ExactBuild *build, VegoExactPlace dictionary)
{
	BlockNumber blocks = RelationGetNumberOfBlocks(build->index);
	Buffer		buffer = ReadBuffer(build->index, 0);
	VegoMeta   *meta;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	meta = vego_page_meta(BufferGetPage(buffer));
	meta->dictionary = dictionary;
	if (build->node_count > 0)
		meta->stored_bytes = Max(1, (uint64) (blocks - build->first) *
								 VEGO_PAGE_ROOM / build->node_count);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

void
vego_exact_build(Relation index, const VegoMeta *meta, VegoExactSpool *spool,
				 void (*progress) (int64 done, int64 total))
{
	ExactBuild	build = {index, meta};
	VegoExactPlace place = {0};
	char	   *dictionaries = palloc(VEGO_CODEC_DICTIONARIES_ROOM);
	int			length = 0;

	vego_geometry_init(&build.geometry, meta->dims, meta->bits, meta->m,
					   meta->exact);
	build.spool = spool;
	build.progress = progress;
	build.room = vego_exact_make_room(meta->value_bytes);
	build.buffer = InvalidBuffer;
	build.first = InvalidBlockNumber;
	collect_nodes(&build);

	if (meta->exact == VEGO_EXACT_ZSTD)
		length = train(&build, dictionaries);
	if (length > 0)
		place = write_value(&build, NULL,
							(VegoExactValue) {dictionaries, length});
	if (meta->exact == VEGO_EXACT_ZSTD)
		build.codec = vego_codec_make(CurrentMemoryContext,
									  meta->element_bytes, dictionaries,
									  length);
	if (meta->exact == VEGO_EXACT_ZSTD && build.codec == NULL)
		elog(ERROR, "vego could not use the dictionaries it made");
	write_values(&build);
	vego_codec_free(build.codec);
	if (BufferIsValid(build.buffer))
		ReleaseBuffer(build.buffer);
	complete_meta(&build, place);
	vego_exact_spool_end(spool);
	pfree(dictionaries);
	pfree(build.nodes);
}
