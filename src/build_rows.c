/*
 * build_rows.c
 *	  How do the heap's rows become codes?
 *
 * Every process of the team scans a part of the heap and codes its rows into
 * memory of its own.  When all have finished the leader knows how many rows
 * there are, and everyone copies theirs to shared memory, in the order of the
 * heap: so the index does not depend on who has read what.
 */
#include "postgres.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "commands/progress.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

#include "build.h"

/*
 * The centre is the mean of the first rows, kept as they are until there are
 * enough of them.  It needs no precision: it only makes ranges smaller.
 */
#define CENTRE_ROWS 10000
#define CENTRE_BYTES (32 * 1024 * 1024)

/* Share of the memory that they may take. */
#define CENTRE_SHARE 4

/* Norms above so many times the median are far out. */
#define CENTRE_REACH 8.0

/* What a worker has read. */
typedef struct RowsPart
{
	double		reltuples;
	double		radius2;
	uint32		count;
	uint64		exact_bytes;	/* of its file of exact vectors */
	bool		broken_hot_chain;
} RowsPart;

/* What workers know from the start; the centre follows the parts. */
typedef struct Notice
{
	bool		has_centre;
	VegoRowsPool pool;			/* of all processes */
	RowsPart	parts[FLEXIBLE_ARRAY_MEMBER];	/* one a worker */
} Notice;

/* Where rows go: by heap block, which one process has read as a whole. */
typedef struct RowsOrder
{
	VegoReference starts;		/* of each block's rows among all */
	VegoReference tids;
	VegoReference factors;
	VegoReference codes;
} RowsOrder;

static float *
notice_centre(Notice *notice)
{
	return (float *) &notice->parts[max_parallel_maintenance_workers];
}

static void *
allocate_huge(Size bytes)
{
	return palloc_extended(Max(bytes, 1), MCXT_ALLOC_HUGE);
}

static void
check_row_count(const VegoBuild *build, uint64 count)
{
	if (count > VEGO_MOST_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("index \"%s\" cannot be built on more than %u rows",
						RelationGetRelationName(build->index),
						VEGO_MOST_ROWS),
				 errhint("Partition the table.")));
}

static void
add_row(VegoBuild *build, ItemPointer tid, const VegoContents *contents)
{
	VegoRowStore *store = &build->store;
	VegoStoredRow row = vego_rowstore_next(store);

	check_row_count(build, (uint64) store->count + 1);
	if (!vego_encode(&build->coder, contents, build->scratch, row.factors,
					 row.code))
		return;
	build->radius2 = Max(build->radius2,
						 (double) row.factors->norm * row.factors->norm);
	*row.tid = *tid;
	vego_rowstore_keep(store);
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

/*
 * With the centre known, workers can begin.  They are not started before, for
 * the rows they would read meanwhile would have to wait.
 */
static void
start_team(VegoBuild *build)
{
	Notice	   *notice = vego_team_notice(build->team);

	notice->has_centre = build->centre != NULL;
	if (build->centre)
		memcpy(notice_centre(notice), build->centre,
			   build->shape.dims * sizeof(float));
	vego_team_start(build->team);
}

static inline bool
codes_have_centre(const VegoBuild *build)
{
	return vego_centre_dims(build->shape.dims, build->shape.bits) > 0;
}

/* Decides the centre and codes the rows that have waited for it. */
static void
settle_centre(VegoBuild *build)
{
	if (build->has_centre)
		return;
	build->has_centre = true;
	if (!codes_have_centre(build))
		return;
	/* inner product does not stay the same under translation */
	if (build->coder.metric != VEGO_INNER_PRODUCT && build->waiting_count > 0)
		compute_centre(build);
	for (uint32 row = 0; row < build->waiting_count; row++)
	{
		VegoContents contents = {
			build->shape.dims,
			.x = build->waiting + (Size) row * build->shape.dims
		};

		add_row(build, &build->waiting_tids[row], &contents);
	}
	pfree(build->waiting);
	pfree(build->waiting_tids);
}

/* One of the first rows, which wait for a centre if there is to be one. */
static void
add_first_row(VegoBuild *build, ItemPointer tid, const VegoContents *contents)
{
	if (codes_have_centre(build))
	{
		memcpy(build->waiting + (Size) build->waiting_count * build->shape.dims,
			   contents->x, build->shape.dims * sizeof(float));
		build->waiting_tids[build->waiting_count] = *tid;
	}
	else
		add_row(build, tid, contents);
	build->waiting_count++;
	if (build->waiting_count < build->waiting_room)
		return;
	settle_centre(build);
	if (build->team)
		start_team(build);
}

static void
scan_row(Relation index, ItemPointer tid, Datum *values, bool *isnull,
		 bool tuple_is_alive, void *state)
{
	VegoBuild  *build = state;
	MemoryContext old;
	Datum		value;
	VegoContents contents;

	if (isnull[0])
		return;
	old = MemoryContextSwitchTo(build->row_context);
	value = PointerGetDatum(PG_DETOAST_DATUM(values[0]));
	contents = vego_value_contents(index, build->opclass, value,
								   build->shape.dims);
	MemoryContextSwitchTo(build->context);
	if (build->spool)
		vego_exact_spool_add(build->spool, tid,
							 vego_value_bytes(build->opclass, value));
	if (build->has_centre)
		add_row(build, tid, &contents);
	else
		add_first_row(build, tid, &contents);
	MemoryContextSwitchTo(old);
	MemoryContextReset(build->row_context);
}

void
vego_build_plan_team(VegoBuild *build, bool concurrent)
{
	build->team = vego_team_plan(build->heap, build->index, concurrent,
								 "vego_build_worker",
								 offsetof(Notice, parts) +
								 max_parallel_maintenance_workers *
								 sizeof(RowsPart) +
								 vego_centre_dims(build->shape.dims,
												  build->shape.bits) *
								 sizeof(float));
}

/* Scans the heap, or this process's part of it. */
static void
scan_heap(VegoBuild *build, IndexInfo *info, bool reports)
{
	build->scratch = palloc(vego_encode_scratch_bytes(&build->coder));
	build->reltuples =
		table_index_build_scan(build->heap, build->index, info, true, reports,
							   scan_row, build, build->team ?
							   vego_team_scan(build->team) : NULL);
}

static VegoRowsPool *
leader_pool(const VegoTeam *team)
{
	return &((Notice *) vego_team_notice(team))->pool;
}

static void
scan_as_leader(VegoBuild *build, IndexInfo *info)
{
	Size		bytes = vego_centre_dims(build->shape.dims, build->shape.bits) *
		sizeof(float);

	VegoRowsPool *pool = build->team ? leader_pool(build->team) : &build->pool;
	Size		centre_bytes = Min(CENTRE_BYTES,
								   vego_build_memory() / CENTRE_SHARE);

	vego_rows_pool_init(pool, vego_build_rows_in_memory(build),
						build->team ? VEGO_POOL_STEP : 1);
	build->waiting_room = CENTRE_ROWS;
	if (bytes > 0)
	{
		build->waiting_room = Max(1, Min(CENTRE_ROWS, centre_bytes / bytes));
		build->waiting = allocate_huge(build->waiting_room * bytes);
		build->waiting_tids = palloc(build->waiting_room *
									 sizeof(ItemPointerData));
	}
	if (build->shape.exact != VEGO_EXACT_OFF)
		build->spool = vego_exact_spool_begin(NULL, NULL);
	vego_build_progress(VEGO_SUBPHASE_SCAN, 0, 0);
	vego_rowstore_init(&build->store, &build->coder, pool);
	scan_heap(build, info, true);
	settle_centre(build);
	build->row_count = build->store.count;
}

/* What the file of a worker's rows is called, and that of its vectors. */
static void
file_name(int worker, char *name)
{
	snprintf(name, MAXPGPATH, "vego.%d", worker);
}

static void
exact_file_name(int worker, char *name)
{
	snprintf(name, MAXPGPATH, "vego.exact.%d", worker);
}

void
vego_build_scan_part(VegoBuild *build)
{
	Notice	   *notice = vego_team_notice(build->team);
	RowsPart   *part = &notice->parts[ParallelWorkerNumber];
	IndexInfo  *info = BuildIndexInfo(build->index);
	char		name[MAXPGPATH];

	info->ii_Concurrent = vego_team_is_concurrent(build->team);
	build->has_centre = true;
	if (notice->has_centre)
		build->coder.centre = notice_centre(notice);
	vego_rowstore_init(&build->store, &build->coder, &notice->pool);
	file_name(ParallelWorkerNumber, name);
	vego_rowstore_set_file(&build->store, vego_team_files(build->team), name);
	if (build->shape.exact != VEGO_EXACT_OFF)
	{
		exact_file_name(ParallelWorkerNumber, name);
		build->spool = vego_exact_spool_begin(vego_team_files(build->team),
											  name);
	}
	scan_heap(build, info, false);
	if (build->spool)
	{
		part->exact_bytes = vego_exact_spool_finish(build->spool);
		vego_exact_spool_end(build->spool);
		build->spool = NULL;
	}
	part->reltuples = build->reltuples;
	part->radius2 = build->radius2;
	part->count = build->store.count;
	part->broken_hot_chain = info->ii_BrokenHotChain;
}

/* How many of these rows, from i on, are in the same heap block. */
static uint32
rows_in_block(const VegoRowStore *store, uint32 i)
{
	BlockNumber block = ItemPointerGetBlockNumber(&store->tids[i]);
	uint32		end = i + 1;

	while (end < store->count &&
		   ItemPointerGetBlockNumber(&store->tids[end]) == block)
		end++;
	return end - i;
}

static void
count_rows(const VegoRowStore *store, uint32 *counts)
{
	uint32		n;

	for (uint32 i = 0; i < store->count; i += n)
	{
		n = rows_in_block(store, i);
		counts[ItemPointerGetBlockNumber(&store->tids[i])] = n;
		CHECK_FOR_INTERRUPTS();
	}
}

/* Copies `count` rows of a store, from `from` on. */
static void
copy_rows(const VegoRowStore *store, uint32 from, uint32 count,
		  ItemPointerData *tids, VegoFactors *factors, uint8 *codes)
{
	Size		code_bytes = store->coder->code_bytes;

	memcpy(tids, store->tids + from, count * sizeof(ItemPointerData));
	memcpy(factors, store->factors + from, count * sizeof(VegoFactors));
	memcpy(codes, store->codes + from * code_bytes, count * code_bytes);
}

/* Copies this process's rows to where all rows are. */
static void
hand_over(VegoBuild *build, const uint32 *starts, ItemPointerData *tids,
		  VegoFactors *factors, uint8 *codes)
{
	VegoRowStore *store = &build->store;
	uint32		n;

	for (uint32 i = 0; i < store->count; i += n)
	{
		Size		to = starts[ItemPointerGetBlockNumber(&store->tids[i])];

		n = rows_in_block(store, i);
		copy_rows(store, i, n, tids + to, factors + to,
				  codes + to * build->coder.code_bytes);
		CHECK_FOR_INTERRUPTS();
	}
	vego_rowstore_free(store);
	build->tids = tids;
	build->factors = factors;
	build->codes = codes;
}

void
vego_build_count_rows(VegoBuild *build)
{
	const RowsOrder *order = vego_team_order(build->team);

	count_rows(&build->store, vego_team_array(build->team, order->starts));
}

void
vego_build_hand_over_rows(VegoBuild *build)
{
	VegoTeam   *team = build->team;
	const RowsOrder *order = vego_team_order(team);

	hand_over(build, vego_team_array(team, order->starts),
			  vego_team_array(team, order->tids),
			  vego_team_array(team, order->factors),
			  vego_team_array(team, order->codes));
}

/* Leaves the rows in a file for the leader. */
void
vego_build_hand_over_file(VegoBuild *build)
{
	vego_rowstore_spill(&build->store);
	vego_rowstore_finish(&build->store);
	vego_rowstore_free(&build->store);
}

/* Sums up what workers have read; returns how many rows there are in all. */
static uint32
sum_parts(VegoBuild *build, IndexInfo *info)
{
	Notice	   *notice = vego_team_notice(build->team);
	uint64		total = build->store.count;

	for (int i = 0; i < vego_team_size(build->team) - 1; i++)
	{
		RowsPart   *part = &notice->parts[i];

		total += part->count;
		check_row_count(build, total);
		build->reltuples += part->reltuples;
		build->radius2 = Max(build->radius2, part->radius2);
		info->ii_BrokenHotChain |= part->broken_hot_chain;
	}
	return total;
}

/* The rows of all processes are in files, this one's first. */
static void
gather_files(VegoBuild *build)
{
	VegoTeam   *team = build->team;
	Notice	   *notice = vego_team_notice(team);
	char		name[MAXPGPATH];

	vego_team_share(team, VEGO_TASK_FILES, NULL, 0, 0, 0);
	vego_rowstore_spill(&build->store);
	vego_rowstore_finish(&build->store);
	vego_team_wait(team);
	for (int i = 0; i < vego_team_size(team) - 1; i++)
	{
		file_name(i, name);
		vego_rowstore_add_file(&build->store, vego_team_files(team), name,
							   notice->parts[i].count);
	}
}

/* The exact vectors that workers have put aside, behind the leader's. */
static void
gather_exact(VegoBuild *build)
{
	VegoTeam   *team = build->team;
	Notice	   *notice = vego_team_notice(team);
	char		name[MAXPGPATH];

	if (build->spool == NULL)
		return;
	for (int i = 0; i < vego_team_size(team) - 1; i++)
	{
		exact_file_name(i, name);
		vego_exact_spool_add_file(build->spool, vego_team_files(team), name,
								  notice->parts[i].exact_bytes);
	}
}

/* Counts become starts. */
static void
sum_counts(uint32 *counts, BlockNumber blocks)
{
	uint32		start = 0;

	for (BlockNumber block = 0; block < blocks; block++)
	{
		uint32		count = counts[block];

		counts[block] = start;
		start += count;
	}
}

/*
 * Brings the rows of all processes together; false when there is no shared
 * memory for them.
 */
static bool
gather_rows(VegoBuild *build, IndexInfo *info)
{
	VegoTeam   *team = build->team;
	BlockNumber blocks = RelationGetNumberOfBlocks(build->heap);
	uint32		total;
	uint32	   *starts;
	ItemPointerData *tids;
	VegoFactors *factors;
	uint8	   *codes;
	RowsOrder	order;

	vego_team_wait(team);
	total = sum_parts(build, info);
	build->row_count = total;
	if (vego_rows_pool_is_exhausted(leader_pool(team)))
	{
		gather_files(build);
		return true;
	}
	starts = vego_team_allocate(team, (Size) blocks * sizeof(uint32));
	tids = vego_team_allocate(team, (Size) total *
							  sizeof(ItemPointerData));
	factors = vego_team_allocate(team, (Size) total *
								 sizeof(VegoFactors));
	codes = vego_team_allocate(team, (Size) total * build->coder.code_bytes);
	if (!vego_team_works(team))
	{
		vego_team_release(team, starts);
		vego_team_release(team, tids);
		vego_team_release(team, factors);
		vego_team_release(team, codes);
		return false;
	}
	order.starts = vego_team_reference(team, starts);
	order.tids = vego_team_reference(team, tids);
	order.factors = vego_team_reference(team, factors);
	order.codes = vego_team_reference(team, codes);
	memset(starts, 0, (Size) blocks * sizeof(uint32));
	vego_team_share(team, VEGO_TASK_COUNT_ROWS, &order, sizeof(order), 0, 0);
	count_rows(&build->store, starts);
	vego_team_wait(team);
	sum_counts(starts, blocks);
	vego_team_share(team, VEGO_TASK_ROWS, &order, sizeof(order), 0, 0);
	hand_over(build, starts, tids, factors, codes);
	vego_team_wait(team);
	build->count = total;
	vego_team_release(team, starts);
	return true;
}

/* What has been read is of no use when workers cannot hand over their rows. */
static void
forget_rows(VegoBuild *build)
{
	vego_rowstore_free(&build->store);
	build->radius2 = 0.0;
	build->has_centre = false;
	build->centre = NULL;
	build->coder.centre = NULL;
	build->waiting_count = 0;
	if (build->spool)
		vego_exact_spool_end(build->spool);
}

void
vego_build_take_rows(VegoBuild *build, VegoRowStore *store)
{
	build->count = store->count;
	if (vego_team_works(build->team))
	{
		build->tids = vego_build_allocate(build, store->count *
										  sizeof(ItemPointerData));
		build->factors = vego_build_allocate(build, store->count *
											 sizeof(VegoFactors));
		build->codes = vego_build_allocate(build, (Size) store->count *
										   build->coder.code_bytes);
		copy_rows(store, 0, store->count, build->tids, build->factors,
				  build->codes);
		vego_rowstore_free(store);
	}
	else
	{
		build->tids = store->tids;
		build->factors = store->factors;
		build->codes = store->codes;
	}
}

/* When this process is the only one that has rows. */
static void
settle_rows(VegoBuild *build)
{
	vego_rowstore_finish(&build->store);
	if (vego_rowstore_in_memory(&build->store))
		vego_build_take_rows(build, &build->store);
}

void
vego_build_scan(VegoBuild *build, IndexInfo *info)
{
	scan_as_leader(build, info);
	if (!vego_team_works(build->team))
		settle_rows(build);
	else if (gather_rows(build, info))
		gather_exact(build);
	else
	{
		/* nothing has been written yet, so let us begin again, alone */
		vego_team_end(build->team);
		build->team = NULL;
		forget_rows(build);
		scan_as_leader(build, info);
		settle_rows(build);
	}
	if (build->spool)
		vego_exact_spool_finish(build->spool);
	if (build->coder.metric == VEGO_INNER_PRODUCT)
		build->coder.radius = sqrt(build->radius2);
}
