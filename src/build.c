/*
 * build.c
 *	  How is an index made of all rows at once?
 *
 *	 scan		the heap's rows become codes in memory
 *	 graph		partition.c makes a graph of them, level by level
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
#include "exact_build.h"
#include "opclass.h"
#include "options.h"
#include "page.h"
#include "partition.h"
#include "value.h"

/*
 * The centre is the mean of the first rows, kept as they are until there are
 * enough of them.  It needs no precision: it only makes ranges smaller.
 */
#define CENTRE_ROWS 10000
#define CENTRE_BYTES (32 * 1024 * 1024)

/* Norms above so many times the median are far out. */
#define CENTRE_REACH 8.0

typedef struct VegoBuild
{
	Relation	heap;
	Relation	index;
	const VegoOpclass *opclass;
	VegoShape	shape;
	VegoCoder	coder;
	uint64		stamp;
	double		reltuples;

	/* rows so far */
	uint32		count;
	uint32		room;
	ItemPointerData *tids;
	VegoFactors *factors;
	uint8	   *codes;
	double		radius2;		/* largest squared norm */
	float	   *scratch;
	VegoExactSpool *spool;		/* NULL unless exact vectors are kept */

	/* first rows, before there is a centre */
	bool		has_centre;
	float	   *centre;
	float	   *waiting;
	ItemPointerData *waiting_tids;
	uint32		waiting_count;
	uint32		waiting_room;

	/* the graph */
	int			levels;
	VegoLevel	level[VEGO_MAX_LEVEL + 1];
	VegoNodeId	base[VEGO_MAX_LEVEL + 1];	/* id of the level's node 0 */

	MemoryContext context;
	MemoryContext row_context;
} VegoBuild;

/* Subphases of pg_stat_progress_create_index; 1 is the server's own. */
enum
{
	SUBPHASE_SCAN = 2,
	SUBPHASE_GRAPH,				/* and those of partition.h behind it */
	SUBPHASE_UPPER = SUBPHASE_GRAPH + VEGO_PHASE_ATTACH + 1,
	SUBPHASE_WRITE,
	SUBPHASE_EXACT,
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
		case SUBPHASE_UPPER:
			return "building upper levels";
		case SUBPHASE_WRITE:
			return "writing pages";
		case SUBPHASE_EXACT:
			return "writing exact vectors";
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

static void
make_room(VegoBuild *build)
{
	Size		code_bytes = build->coder.code_bytes;

	if (build->count < build->room)
		return;
	if (build->count >= VEGO_NO_NODE / 2)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot be built on more than %u rows",
						RelationGetRelationName(build->index),
						VEGO_NO_NODE / 2),
				 errhint("Partition the table.")));
	if (build->room == 0)
	{
		build->room = 1024;
		build->tids = allocate_huge(build->room * sizeof(ItemPointerData));
		build->factors = allocate_huge(build->room * sizeof(VegoFactors));
		build->codes = allocate_huge(build->room * code_bytes);
		return;
	}
	build->room *= 2;
	build->tids = repalloc_huge(build->tids,
								build->room * sizeof(ItemPointerData));
	build->factors = repalloc_huge(build->factors,
								   build->room * sizeof(VegoFactors));
	build->codes = repalloc_huge(build->codes, build->room * code_bytes);
}

static void
add_row(VegoBuild *build, ItemPointer tid, const float *x)
{
	make_room(build);
	if (!vego_encode(&build->coder, x, build->scratch,
					 &build->factors[build->count],
					 build->codes + (Size) build->count * build->coder.code_bytes))
		return;
	build->radius2 = Max(build->radius2,
						 (double) build->factors[build->count].norm *
						 build->factors[build->count].norm);
	build->tids[build->count++] = *tid;
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
	Datum		value;
	const float *x;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(build->row_context);
	value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
	x = vego_value_elements(index, build->opclass, value, build->shape.dims);
	MemoryContextSwitchTo(build->context);
	if (build->spool)
		vego_exact_spool_add(build->spool, tid,
							 vego_value_bytes(build->opclass, value));
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
									 CENTRE_BYTES / (dims * sizeof(float))));
	build->waiting = allocate_huge((Size) build->waiting_room * dims *
								   sizeof(float));
	build->waiting_tids = palloc(build->waiting_room *
								 sizeof(ItemPointerData));
	build->scratch = palloc(dims * sizeof(float));
	if (build->shape.exact != VEGO_EXACT_OFF)
		build->spool = vego_exact_spool_begin();

	pgstat_progress_update_param(PROGRESS_CREATEIDX_SUBPHASE, SUBPHASE_SCAN);
	build->reltuples = table_index_build_scan(build->heap, build->index, info,
											  true, true, scan_row, build,
											  NULL);
	settle_centre(build);
	if (build->coder.metric == VEGO_INNER_PRODUCT)
		build->coder.radius = sqrt(build->radius2);
}

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
	for (uint32 i = VEGO_LEVEL_FANOUT / 2; i < level->count;
		 i += VEGO_LEVEL_FANOUT)
		if (i != level->entry)
			rows[(*count)++] = level->rows[i];
	return rows;
}

static void
build_graph(VegoBuild *build)
{
	VegoRows	rows = {&build->coder, build->count, build->factors,
	build->codes};
	VegoPartitionOptions options = {0};

	if (build->count == 0)
		return;
	options.m = build->shape.m;
	options.ef_construction = vego_ef_construction(build->index, build->count);
	options.seed = 1;
	options.progress = report_level_0;
	vego_partition_build(&rows, NULL, build->count, 0, &options,
						 &build->level[0]);
	build->levels = 1;
	options.progress = report_upper_level;
	while (build->level[build->levels - 1].count > VEGO_LEVEL_FANOUT &&
		   build->levels <= VEGO_MAX_LEVEL)
	{
		VegoLevel  *below = &build->level[build->levels - 1];
		uint32		count;
		uint32	   *subset = sample_level(below, &count);

		vego_partition_build(&rows, subset, count, 0, &options,
							 &build->level[build->levels]);
		build->base[build->levels] = build->base[build->levels - 1] +
			below->count;
		build->levels++;
		pfree(subset);
	}
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
	meta.exact = build->shape.exact;
	if (meta.exact != VEGO_EXACT_OFF)
	{
		meta.element_bytes = build->opclass->element_bytes;
		meta.value_bytes = build->shape.dims * meta.element_bytes;
		meta.stored_bytes = vego_exact_expected_bytes(&meta);
	}
	meta.has_centre = build->centre != NULL;
	meta.radius = build->coder.radius;
	meta.entry = VEGO_NO_NODE;
	if (build->levels > 0)
	{
		meta.entry_level = build->levels - 1;
		meta.entry = build->base[meta.entry_level] +
			build->level[meta.entry_level].entry;
	}
	return meta;
}

/* Fills in the slot of one node of a level; `down` is its id one level down. */
static void
fill_slot(const VegoBuild *build, const VegoGeometry *geometry, int at,
		  uint32 node, VegoNodeId down, VegoSlot *slot)
{
	const VegoLevel *level = &build->level[at];
	uint32		row = level->rows[node];
	const VegoLink *from = level->links + (Size) node * level->capacity;
	VegoLink   *links = vego_slot_links(geometry, slot);

	slot->kind = VEGO_SLOT_LIVE;
	slot->level = at;
	slot->degree = level->degrees[node];
	slot->check = vego_slot_check(build->stamp, build->base[at] + node);
	if (at == 0)
		slot->tid = build->tids[row];
	else
		vego_slot_set_down(slot, down);
	/* positions in the level become ids; the binding bit stays */
	for (int i = 0; i < slot->degree; i++)
		links[i] = from[i] + build->base[at];
	*vego_slot_factors(geometry, slot) = build->factors[row];
	memcpy(vego_slot_code(geometry, slot),
		   build->codes + (Size) row * geometry->code_bytes,
		   geometry->code_bytes);
}

static void
write_nodes(VegoBuild *build)
{
	VegoGeometry geometry;
	uint32	   *node_of_row = allocate_huge(build->count * sizeof(uint32));
	Buffer		buffer = InvalidBuffer;
	int			place = 0;
	uint64		total = 0;
	uint64		done = 0;

	vego_geometry_init(&geometry, build->shape.dims, build->shape.bits,
					   build->shape.m, build->shape.exact);
	for (int at = 0; at < build->levels; at++)
		total += build->level[at].count;

	for (int at = 0; at < build->levels; at++)
	{
		const VegoLevel *level = &build->level[at];

		for (uint32 node = 0; node < level->count; node++)
		{
			uint32		row = level->rows[node];
			Page		page;

			if (!BufferIsValid(buffer))
			{
				report_progress(SUBPHASE_WRITE, done, total);
				buffer = new_page(build->index, MAIN_FORKNUM,
								  VEGO_PAGE_NODES);
				place = 0;
			}
			page = BufferGetPage(buffer);
			fill_slot(build, &geometry, at, node,
					  at > 0 ? build->base[at - 1] + node_of_row[row] : 0,
					  vego_page_slot(&geometry, page, place));
			node_of_row[row] = node;
			place++;
			done++;
			((PageHeader) page)->pd_lower = SizeOfPageHeaderData +
				place * geometry.slot_bytes;
			if (place == geometry.per_page || done == total)
			{
				MarkBufferDirty(buffer);
				UnlockReleaseBuffer(buffer);
				buffer = InvalidBuffer;
			}
		}
	}
	pfree(node_of_row);
}

static void
report_exact(int64 done, int64 total)
{
	report_progress(SUBPHASE_EXACT, done, total);
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
	vego_coder_init(&build->coder, build->opclass->metric, build->shape.dims,
					build->shape.bits, 0.0, NULL);
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
	build_graph(&build);
	meta = make_meta(&build);
	write_meta(index, MAIN_FORKNUM, &meta, build.centre);
	write_nodes(&build);
	if (build.spool)
		vego_exact_build(index, &meta, build.spool, report_exact);
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
