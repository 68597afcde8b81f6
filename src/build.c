/*
 * build.c
 *	  How is an index made of all rows at once?
 *
 *	 scan		the heap's rows become codes, in memory if they fit
 *	 graph		partition.c makes a graph of them, level by level; shards.c
 *				makes the levels that do not fit
 *	 write		the levels become slots, slots become pages in block order
 *	 log		all pages go to WAL once, as the very last step
 */
#include "postgres.h"

#include "access/tableam.h"
#include "access/xloginsert.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

#include "am.h"
#include "compat.h"
#include "opclass.h"
#include "options.h"
#include "page.h"
#include "partition.h"
#include "shards.h"
#include "value.h"

/*
 * The centre is the mean of the first rows, kept as they are until there are
 * enough of them.  It needs no precision: it only makes ranges smaller.
 */
#define CENTRE_ROWS 10000
#define CENTRE_BYTES (32 * 1024 * 1024)

/* Norms above so many times the median are far out. */
#define CENTRE_REACH 8.0

/* Share of the memory that they may take. */
#define CENTRE_SHARE 4

/* Below this, a build does not get by: maintenance_work_mem may be less. */
#define LEAST_MEMORY (3 * 1024 * 1024)

/* Slots become pages here, one page at a time, and the page then goes out. */
typedef struct PageWriter
{
	VegoGeometry geometry;
	PGAlignedBlock page;
	int			place;			/* of the next slot */
	VegoNodeId	id;				/* and its id */
} PageWriter;

typedef struct VegoBuild
{
	Relation	heap;
	Relation	index;
	const VegoOpclass *opclass;
	VegoShape	shape;
	VegoCoder	coder;
	uint64		stamp;
	double		reltuples;
	Size		memory;			/* bytes the build may take */

	/* rows of the lowest level not written yet */
	VegoRowStore rows;
	uint32		entry_row;		/* which of them is the entry */
	uint32		count;			/* of those of level 0 */
	double		radius2;		/* largest squared norm */
	float	   *scratch;

	/* first rows, before there is a centre */
	bool		has_centre;
	float	   *centre;
	float	   *waiting;
	ItemPointerData *waiting_tids;
	uint32		waiting_count;
	uint32		waiting_room;

	/* levels built in shards, and the rows of the next one */
	int			first_level;	/* that is built in memory */
	VegoRowStore next_rows;
	uint32		next_entry;

	/* the graph; of a level built in shards no more than base is needed */
	int			levels;
	VegoLevel	level[VEGO_MAX_LEVEL + 1];
	VegoNodeId	base[VEGO_MAX_LEVEL + 1];	/* id of the level's node 0 */
	VegoNodeId	entry;

	PageWriter	writer;
	uint64		written;		/* slots, of those reported as to write */
	uint64		to_write;

	MemoryContext context;
	MemoryContext row_context;
} VegoBuild;

/* Subphases of pg_stat_progress_create_index; 1 is the server's own. */
enum
{
	SUBPHASE_SCAN = 2,
	SUBPHASE_GRAPH,				/* and those of partition.h behind it */
	SUBPHASE_UPPER = SUBPHASE_GRAPH + VEGO_PHASE_MERGE + 1,
	SUBPHASE_WRITE,
	SUBPHASE_LOG
};

char *
vegobuildphasename(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case SUBPHASE_SCAN:
			return "scanning table";
		case SUBPHASE_GRAPH + VEGO_PHASE_PARTITION:
			return "partitioning rows";
		case SUBPHASE_GRAPH + VEGO_PHASE_CANDIDATES:
			return "comparing rows";
		case SUBPHASE_GRAPH + VEGO_PHASE_PRUNE:
			return "choosing links";
		case SUBPHASE_GRAPH + VEGO_PHASE_BACK_LINKS:
			return "linking back";
		case SUBPHASE_GRAPH + VEGO_PHASE_ATTACH:
			return "attaching nodes";
		case SUBPHASE_GRAPH + VEGO_PHASE_DISTRIBUTE:
			return "distributing rows";
		case SUBPHASE_GRAPH + VEGO_PHASE_SHARDS:
			return "building shards";
		case SUBPHASE_GRAPH + VEGO_PHASE_MERGE:
			return "merging shards";
		case SUBPHASE_UPPER:
			return "building upper levels";
		case SUBPHASE_WRITE:
			return "writing pages";
		case SUBPHASE_LOG:
			return "logging pages";
		default:
			return NULL;
	}
}

static void
report_progress(int subphase, int64 done, int64 total)
{
	const int	names[] = {PROGRESS_CREATEIDX_SUBPHASE,
		PROGRESS_CREATEIDX_TUPLES_TOTAL,
	PROGRESS_CREATEIDX_TUPLES_DONE};
	const int64 values[] = {subphase, total, done};

	CHECK_FOR_INTERRUPTS();
	pgstat_progress_update_multi_param(3, names, values);
}

static void *
allocate_huge(Size bytes)
{
	return palloc_extended(Max(bytes, 1), MCXT_ALLOC_HUGE);
}

static VegoPartitionOptions
partition_options(const VegoBuild *build, uint32 count)
{
	VegoPartitionOptions options = {0};

	options.m = build->shape.m;
	options.ef_construction = vego_ef_construction(build->index, count);
	options.seed = 1;
	return options;
}

/*
 * What so many rows need when they are built in memory: what the store and the
 * graph take (partition.h), and the map from rows to nodes while pages are
 * written.
 */
static Size
memory_needed(const VegoBuild *build, uint32 rows)
{
	VegoPartitionOptions options = partition_options(build, rows);

	return rows * (vego_rowstore_row_bytes(&build->coder) + sizeof(uint32)) +
		vego_partition_memory(&build->coder, rows, &options);
}

/* The most rows that can be built in memory. */
static uint32
rows_in_memory(const VegoBuild *build)
{
	uint32		low = 0;
	uint32		high = VEGO_NO_NODE / 2;

	while (low < high)
	{
		uint32		middle = low + (high - low + 1) / 2;

		if (memory_needed(build, middle) <= build->memory)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

static void
add_row(VegoBuild *build, ItemPointer tid, const float *x)
{
	VegoStoredRow row = vego_rowstore_next(&build->rows);

	if (build->rows.count >= VEGO_NO_NODE / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot be built on more than %u rows",
						RelationGetRelationName(build->index),
						VEGO_NO_NODE / 2),
				 errhint("Partition the table.")));
	if (!vego_encode(&build->coder, x, build->scratch, row.factors, row.code))
		return;
	build->radius2 = Max(build->radius2,
						 (double) row.factors->norm * row.factors->norm);
	*row.tid = *tid;
	vego_rowstore_keep(&build->rows);
}

static int
compare_doubles(const void *a, const void *b)
{
	double		da = *(const double *) a;
	double		db = *(const double *) b;

	return da < db ? -1 : da > db;
}

/*
 * The mean of the waiting rows, of their directions under cosine.  Rows far
 * out do not take part: one of them could move the centre away from all others,
 * and every code would lose its precision.
 */
static void
compute_centre(VegoBuild *build)
{
	int			dims = build->shape.dims;
	uint32		rows = build->waiting_count;
	double	   *sums = palloc0(dims * sizeof(double));
	double	   *norms = allocate_huge(rows * sizeof(double));
	double	   *sorted = allocate_huge(rows * sizeof(double));
	double		farthest;
	uint32		counted = 0;

	for (uint32 row = 0; row < rows; row++)
	{
		const float *x = build->waiting + (Size) row * dims;
		double		norm2 = 0.0;

		for (int i = 0; i < dims; i++)
			norm2 += (double) x[i] * x[i];
		norms[row] = sqrt(norm2);
	}
	memcpy(sorted, norms, rows * sizeof(double));
	qsort(sorted, rows, sizeof(double), compare_doubles);
	farthest = CENTRE_REACH * sorted[rows / 2];

	for (uint32 row = 0; row < rows; row++)
	{
		const float *x = build->waiting + (Size) row * dims;
		double		scale = 1.0;

		if (build->coder.metric == VEGO_COSINE)
		{
			if (norms[row] == 0.0)
				continue;
			scale = 1.0 / norms[row];
		}
		else if (norms[row] > farthest)
			continue;
		counted++;
		for (int i = 0; i < dims; i++)
			sums[i] += x[i] * scale;
	}
	build->centre = palloc0(dims * sizeof(float));
	for (int i = 0; i < dims && counted > 0; i++)
		build->centre[i] = (float) (sums[i] / counted);
	build->coder.centre = build->centre;
	pfree(sorted);
	pfree(norms);
	pfree(sums);
}

/* Decides the centre and codes the rows that have waited for it. */
static void
settle_centre(VegoBuild *build)
{
	if (build->has_centre)
		return;
	build->has_centre = true;
	/* inner product does not stay the same under translation */
	if (build->coder.metric != VEGO_INNER_PRODUCT && build->waiting_count > 0)
		compute_centre(build);
	for (uint32 row = 0; row < build->waiting_count; row++)
		add_row(build, &build->waiting_tids[row],
				build->waiting + (Size) row * build->shape.dims);
	pfree(build->waiting);
	pfree(build->waiting_tids);
}

static void
scan_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		 bool tuple_is_alive, void *state)
{
	VegoBuild  *build = state;
	MemoryContext old;
	const float *x;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(build->row_context);
	x = vego_value_elements(index, build->opclass, values[0],
							build->shape.dims);
	MemoryContextSwitchTo(build->context);
	if (build->has_centre)
		add_row(build, tid, x);
	else
	{
		memcpy(build->waiting + (Size) build->waiting_count * build->shape.dims,
			   x, build->shape.dims * sizeof(float));
		build->waiting_tids[build->waiting_count++] = *tid;
		if (build->waiting_count == build->waiting_room)
			settle_centre(build);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(build->row_context);
}

static void
scan_heap(VegoBuild *build, IndexInfo *info)
{
	int			dims = build->shape.dims;

	build->waiting_room = Max(1, Min(CENTRE_ROWS,
									 Min(CENTRE_BYTES,
										 build->memory / CENTRE_SHARE) /
									 (dims * sizeof(float))));
	build->waiting = allocate_huge((Size) build->waiting_room * dims *
								   sizeof(float));
	build->waiting_tids = palloc(build->waiting_room *
								 sizeof(ItemPointerData));
	build->scratch = palloc(dims * sizeof(float));

	vego_rowstore_init(&build->rows, &build->coder, rows_in_memory(build));

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, SUBPHASE_SCAN);
	build->reltuples = table_index_build_scan(build->heap, build->index, info,
											  true, true, scan_row, build,
											  NULL);
	settle_centre(build);
	vego_rowstore_finish(&build->rows);
	build->count = build->rows.count;
	if (build->coder.metric == VEGO_INNER_PRODUCT)
		build->coder.radius = sqrt(build->radius2);
}

/* A new page at the end of the index, exclusively locked. */
static Buffer
new_page(Relation index, ForkNumber fork, int kind)
{
	Buffer		buffer = fork == MAIN_FORKNUM ? vego_compat_extend(index) :
		ReadBufferExtended(index, fork, P_NEW, RBM_ZERO_AND_LOCK, NULL);

	vego_page_init(BufferGetPage(buffer), kind);
	return buffer;
}

/*
 * The meta pages.  Those of an init fork have to be logged here: a crash must
 * find them, and nothing else logs for an unlogged relation.
 */
static void
write_meta(Relation index, ForkNumber fork, const VegoMeta *meta,
		   const float *centre)
{
	VegoCentrePart part;
	BlockNumber block = 0;

	do
	{
		Buffer		buffer = new_page(index, fork, VEGO_PAGE_META);
		Page		page = BufferGetPage(buffer);

		part = vego_centre_part(meta->dims, block);
		START_CRIT_SECTION();
		if (block == 0)
			memcpy(vego_page_meta(page), meta, sizeof(VegoMeta));
		if (centre)
			memcpy((char *) page + part.offset, centre + part.first,
				   part.count * sizeof(float));
		((PageHeader) page)->pd_lower = part.offset +
			part.count * sizeof(float);
		MarkBufferDirty(buffer);
		if (fork == INIT_FORKNUM)
			log_newpage_buffer(buffer, true);
		END_CRIT_SECTION();
		UnlockReleaseBuffer(buffer);
		block++;
	} while (part.first + part.count < meta->dims);
}

static VegoMeta
make_meta(const VegoBuild *build)
{
	VegoMeta	meta = {0};

	meta.magic = VEGO_META_MAGIC;
	meta.format = VEGO_FORMAT_VERSION;
	meta.stamp = build->stamp;
	meta.metric = build->coder.metric;
	meta.bits = build->shape.bits;
	meta.dims = build->shape.dims;
	meta.m = build->shape.m;
	meta.has_centre = build->centre != NULL;
	meta.radius = build->coder.radius;
	meta.entry = build->entry;
	if (build->levels > 0)
		meta.entry_level = build->levels - 1;
	return meta;
}

/*
 * Says on the meta page where searches begin.  It is the last to be known: by
 * then the pages of all levels have been written.
 */
static void
write_entry(VegoBuild *build)
{
	VegoMeta	meta = make_meta(build);
	Buffer		buffer = ReadBuffer(build->index, 0);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	*vego_page_meta(BufferGetPage(buffer)) = meta;
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

/* ----------------------------------------------------------------
 *		Nodes
 * ----------------------------------------------------------------
 */

static void
writer_init(VegoBuild *build)
{
	PageWriter *writer = &build->writer;

	vego_geometry_init(&writer->geometry, build->shape.dims, build->shape.bits,
					   build->shape.m);
	vego_page_init(writer->page.data, VEGO_PAGE_NODES);
	writer->place = 0;
	writer->id = 0;
}

/* Appends the page to the index, if there is anything on it. */
static void
writer_flush(VegoBuild *build)
{
	PageWriter *writer = &build->writer;
	Buffer		buffer;

	if (writer->place == 0)
		return;
	CHECK_FOR_INTERRUPTS();
	((PageHeader) writer->page.data)->pd_lower = SizeOfPageHeaderData +
		writer->place * writer->geometry.slot_bytes;
	buffer = new_page(build->index, MAIN_FORKNUM, VEGO_PAGE_NODES);
	memcpy(BufferGetPage(buffer), writer->page.data, BLCKSZ);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	vego_page_init(writer->page.data, VEGO_PAGE_NODES);
	writer->place = 0;
}

/*
 * Writes the slot of the next node of a level; links are positions in it, and
 * above level 0 the row's TID is an id.
 */
static void
write_node(VegoBuild *build, int at, VegoStoredRow row, int degree,
		   const VegoLink *from)
{
	PageWriter *writer = &build->writer;
	const VegoGeometry *geometry = &writer->geometry;
	VegoSlot   *slot = vego_page_slot(geometry, writer->page.data,
									  writer->place);
	VegoLink   *links = vego_slot_links(geometry, slot);

	slot->kind = VEGO_SLOT_LIVE;
	slot->level = at;
	slot->degree = degree;
	slot->check = vego_slot_check(build->stamp, writer->id);
	slot->tid = *row.tid;
	/* positions in the level become ids; the binding bit stays */
	for (int i = 0; i < degree; i++)
		links[i] = from[i] + build->base[at];
	*vego_slot_factors(geometry, slot) = *row.factors;
	memcpy(vego_slot_code(geometry, slot), row.code, geometry->code_bytes);
	writer->id++;
	if (++writer->place == geometry->per_page)
		writer_flush(build);
}

/* What stands for the TID above level 0: the id one level down. */
static ItemPointerData
down_as_tid(VegoNodeId down)
{
	VegoSlot	slot;

	vego_slot_set_down(&slot, down);
	return slot.tid;
}

/* ----------------------------------------------------------------
 *		Levels in shards
 * ----------------------------------------------------------------
 */

static void
report_shards(void *arg, int phase, int64 done, int64 total)
{
	VegoBuild  *build = arg;

	report_progress(build->first_level == 0 ? SUBPHASE_GRAPH + phase :
					SUBPHASE_UPPER, done, total);
}

/* Of this many nodes of a level one is on the next as well. */
static bool
is_on_next_level(uint32 position)
{
	return position % VEGO_LEVEL_FANOUT == VEGO_LEVEL_FANOUT / 2;
}

/* Writes a node, and keeps it for the next level if it is on that. */
static void
emit_node(void *arg, const VegoShardNode *node)
{
	VegoBuild  *build = arg;
	VegoNodeId	id = build->writer.id;

	if (node->is_entry)
	{
		build->entry = id;
		build->next_entry = build->next_rows.count;
	}
	if (node->is_entry ||
		is_on_next_level(id - build->base[build->first_level]))
	{
		VegoStoredRow row = vego_rowstore_next(&build->next_rows);

		*row.tid = down_as_tid(id);
		*row.factors = *node->row.factors;
		memcpy(row.code, node->row.code, build->coder.code_bytes);
		vego_rowstore_keep(&build->next_rows);
	}
	write_node(build, build->first_level, node->row, node->degree,
			   node->links);
}

/* Builds and writes the levels whose rows do not fit memory. */
static void
build_in_shards(VegoBuild *build)
{
	while (build->rows.file)
	{
		VegoShardsOptions options = {0};

		options.partition = partition_options(build, build->count);
		options.partition.progress = report_shards;
		options.partition.progress_arg = build;
		options.memory = build->memory;
		options.entry = build->entry_row;
		options.emit = emit_node;
		options.emit_arg = build;
		build->base[build->first_level] = build->writer.id;
		vego_rowstore_init(&build->next_rows, &build->coder,
						   rows_in_memory(build));
		vego_shards_build(&build->rows, &options);
		vego_rowstore_finish(&build->next_rows);
		build->rows = build->next_rows;
		build->entry_row = build->next_entry;
		build->levels = ++build->first_level;
	}
}

/* ----------------------------------------------------------------
 *		Levels in memory
 * ----------------------------------------------------------------
 */

static void
report_level_0(void *arg, int phase, int64 done, int64 total)
{
	report_progress(SUBPHASE_GRAPH + phase, done, total);
}

static void
report_upper_level(void *arg, int phase, int64 done, int64 total)
{
	report_progress(SUBPHASE_UPPER, done, total);
}

/*
 * The rows of the next level: one in VEGO_LEVEL_FANOUT, evenly over the leaf
 * order of this one, so that every region has some; and the entry.
 */
static uint32 *
sample_level(const VegoLevel *level, uint32 *count)
{
	uint32	   *rows = allocate_huge((level->count / VEGO_LEVEL_FANOUT + 2) *
									 sizeof(uint32));

	*count = 0;
	rows[(*count)++] = level->rows[level->entry];
	for (uint32 i = 0; i < level->count; i++)
		if (is_on_next_level(i) && i != level->entry)
			rows[(*count)++] = level->rows[i];
	return rows;
}

static void
build_in_memory(VegoBuild *build)
{
	VegoRows	rows = {&build->coder, build->rows.count, build->rows.factors,
	build->rows.codes};
	VegoPartitionOptions options = partition_options(build, build->count);
	VegoLevel  *level = &build->level[build->levels];

	if (build->rows.count == 0)
		return;
	options.progress = build->levels == 0 ? report_level_0 :
		report_upper_level;
	vego_partition_build(&rows, NULL, rows.count, build->entry_row, &options,
						 level);
	build->base[build->levels++] = build->writer.id;
	options.progress = report_upper_level;
	while (level->count > VEGO_LEVEL_FANOUT && build->levels <= VEGO_MAX_LEVEL)
	{
		VegoLevel  *below = level++;
		uint32		count;
		uint32	   *subset = sample_level(below, &count);

		vego_partition_build(&rows, subset, count, subset[0], &options, level);
		build->base[build->levels] = build->base[build->levels - 1] +
			below->count;
		build->levels++;
		pfree(subset);
	}
	build->entry = build->base[build->levels - 1] + level->entry;
}

static void
write_level(VegoBuild *build, int at, uint32 *node_of_row)
{
	const VegoLevel *level = &build->level[at];

	for (uint32 node = 0; node < level->count; node++)
	{
		uint32		number = level->rows[node];
		VegoStoredRow row = vego_rowstore_row(&build->rows, number);
		ItemPointerData down;

		if (at > build->first_level)
		{
			down = down_as_tid(build->base[at - 1] + node_of_row[number]);
			row.tid = &down;
		}
		node_of_row[number] = node;
		write_node(build, at, row, level->degrees[node],
				   level->links + (Size) node * level->capacity);
		if (build->writer.place == 0)
			report_progress(SUBPHASE_WRITE, build->writer.id,
							build->to_write);
	}
}

static void
write_levels(VegoBuild *build)
{
	uint32	   *node_of_row = allocate_huge(build->rows.count *
											sizeof(uint32));

	build->to_write = build->writer.id;
	for (int at = build->first_level; at < build->levels; at++)
		build->to_write += build->level[at].count;
	for (int at = build->first_level; at < build->levels; at++)
		write_level(build, at, node_of_row);
	writer_flush(build);
	pfree(node_of_row);
}

static void
init_build(VegoBuild *build, Relation heap, Relation index)
{
	memset(build, 0, sizeof(*build));
	build->heap = heap;
	build->index = index;
	build->opclass = vego_opclass(index);
	if (!pg_strong_random(&build->stamp, sizeof(build->stamp)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
	build->shape = vego_shape(index, build->opclass);
	build->memory = Max((Size) maintenance_work_mem * 1024, LEAST_MEMORY);
	build->entry = VEGO_NO_NODE;
	vego_coder_init(&build->coder, build->opclass->metric, build->shape.dims,
					build->shape.bits, 0.0, NULL);
	writer_init(build);
	build->context = AllocSetContextCreate(CurrentMemoryContext, "vego build",
										   ALLOCSET_DEFAULT_SIZES);
	build->row_context = AllocSetContextCreate(build->context, "vego row",
											   ALLOCSET_DEFAULT_SIZES);
}

IndexBuildResult *
vegobuild(Relation heap, Relation index, IndexInfo *indexInfo)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	VegoBuild	build;
	VegoMeta	meta;
	MemoryContext old;

	init_build(&build, heap, index);
	old = MemoryContextSwitchTo(build.context);
	scan_heap(&build, indexInfo);
	meta = make_meta(&build);
	write_meta(index, MAIN_FORKNUM, &meta, build.centre);
	build_in_shards(&build);
	build_in_memory(&build);
	write_levels(&build);
	write_entry(&build);
	if (RelationNeedsWAL(index))
	{
		report_progress(SUBPHASE_LOG, 0, 0);
		log_newpage_range(index, MAIN_FORKNUM, 0,
						  RelationGetNumberOfBlocks(index), true);
	}
	MemoryContextSwitchTo(old);

	result->heap_tuples = build.reltuples;
	result->index_tuples = build.count;
	MemoryContextDelete(build.context);
	return result;
}

void
vegobuildempty(Relation index)
{
	VegoBuild	build;
	VegoMeta	meta;

	init_build(&build, NULL, index);
	meta = make_meta(&build);
	write_meta(index, INIT_FORKNUM, &meta, NULL);
	MemoryContextDelete(build.context);
}
