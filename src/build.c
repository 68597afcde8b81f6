/*
 * build.c
 *	  How is an index made of all rows at once?
 *
 *	 rows		the heap's rows become codes, in memory if they fit
 *				(build_rows.c)
 *	 shards		shards.c makes the levels that do not fit (build_shards.c)
 *	 graph		partition.c makes a graph of the others, level by level
 *				(build_graph.c)
 *	 pages		the levels become slots, slots become pages, and go to WAL once
 *				(build_pages.c); then exact vectors, if they are kept
 *
 * Several processes may do this together (parallel.h).
 */
#include "postgres.h"

#include "commands/progress.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"

#include "am.h"
#include "build.h"

extern PGDLLEXPORT void vego_build_worker(dsm_segment *segment, shm_toc *toc);

char *
vegobuildphasename(int64 phase)
{
	switch (phase)
	{
		case PROGRESS_CREATEIDX_SUBPHASE_INITIALIZE:
			return "initializing";
		case VEGO_SUBPHASE_SCAN:
			return "scanning table";
		case VEGO_SUBPHASE_GRAPH + VEGO_PHASE_PARTITION:
			return "partitioning rows";
		case VEGO_SUBPHASE_GRAPH + VEGO_PHASE_CANDIDATES:
			return "comparing rows";
		case VEGO_SUBPHASE_GRAPH + VEGO_PHASE_PRUNE:
			return "choosing links";
		case VEGO_SUBPHASE_GRAPH + VEGO_PHASE_BACK_LINKS:
			return "linking back";
		case VEGO_SUBPHASE_GRAPH + VEGO_PHASE_ATTACH:
			return "attaching nodes";
		case VEGO_SUBPHASE_GRAPH + VEGO_PHASE_DISTRIBUTE:
			return "distributing rows";
		case VEGO_SUBPHASE_GRAPH + VEGO_PHASE_SHARDS:
			return "building shards";
		case VEGO_SUBPHASE_GRAPH + VEGO_PHASE_MERGE:
			return "merging shards";
		case VEGO_SUBPHASE_UPPER:
			return "building upper levels";
		case VEGO_SUBPHASE_WRITE:
			return "writing pages";
		case VEGO_SUBPHASE_EXACT:
			return "writing exact vectors";
		default:
			return NULL;
	}
}

void
vego_build_progress(int subphase, int64 done, int64 total)
{
	const int	names[] = {PROGRESS_CREATEIDX_SUBPHASE,
		PROGRESS_CREATEIDX_TUPLES_TOTAL,
	PROGRESS_CREATEIDX_TUPLES_DONE};
	const int64 values[] = {subphase, total, done};

	CHECK_FOR_INTERRUPTS();
	pgstat_progress_update_multi_param(3, names, values);
}

void *
vego_build_allocate(VegoBuild *build, Size bytes)
{
	if (build->team)
		return vego_team_allocate(build->team, bytes);
	return palloc_extended(Max(bytes, 1), MCXT_ALLOC_HUGE);
}

static void
init_build(VegoBuild *build, Relation heap, Relation index)
{
	memset(build, 0, sizeof(*build));
	build->heap = heap;
	build->entry = VEGO_NO_NODE;
	build->index = index;
	build->opclass = vego_opclass(index);
	build->shape = vego_shape(index, build->opclass);
	vego_coder_init(&build->coder, build->opclass->metric, build->shape.dims,
					build->shape.bits, 0.0, NULL);
	build->context = AllocSetContextCreate(CurrentMemoryContext, "vego build",
										   ALLOCSET_DEFAULT_SIZES);
	build->row_context = AllocSetContextCreate(build->context, "vego row",
											   ALLOCSET_DEFAULT_SIZES);
}

static void
choose_stamp(VegoBuild *build)
{
	if (!pg_strong_random(&build->stamp, sizeof(build->stamp)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number")));
}

IndexBuildResult *
vegobuild(Relation heap, Relation index, IndexInfo *indexInfo)
{
	IndexBuildResult *result = palloc(sizeof(IndexBuildResult));
	VegoBuild	build;
	MemoryContext old;

	init_build(&build, heap, index);
	choose_stamp(&build);
	old = MemoryContextSwitchTo(build.context);
	vego_build_plan_team(&build, indexInfo->ii_Concurrent);
	vego_build_scan(&build, indexInfo);
	vego_build_write_meta(&build);
	vego_build_in_shards(&build);
	vego_build_graph(&build);
	vego_build_write(&build);
	vego_build_write_entry(&build);
	vego_build_write_signposts(&build);
	vego_build_release_graph(&build);
	if (build.spool)
		vego_build_write_exact(&build);
	if (build.team)
		vego_team_end(build.team);
	MemoryContextSwitchTo(old);

	result->heap_tuples = build.reltuples;
	result->index_tuples = build.row_count;
	MemoryContextDelete(build.context);
	return result;
}

/* What a worker of a build does, from its start to its end. */
void
vego_build_worker(dsm_segment *segment, shm_toc *toc)
{
	VegoTeam   *team = vego_team_join(segment, toc);
	VegoBuild	build;
	MemoryContext old;
	int			task;

	init_build(&build, vego_team_heap(team), vego_team_index(team));
	build.team = team;
	old = MemoryContextSwitchTo(build.context);
	vego_build_scan_part(&build);
	while ((task = vego_team_next_task(team)) != VEGO_TASK_END)
	{
		switch (task)
		{
			case VEGO_TASK_COUNT_ROWS:
				vego_build_count_rows(&build);
				break;
			case VEGO_TASK_ROWS:
				vego_build_hand_over_rows(&build);
				break;
			case VEGO_TASK_FILES:
				vego_build_hand_over_file(&build);
				break;
			case VEGO_TASK_STAGE:
				vego_build_stage(&build);
				break;
			case VEGO_TASK_PAGES:
				vego_build_write_part(&build);
				break;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(build.context);
	vego_team_leave(team);
}

void
vegobuildempty(Relation index)
{
	VegoBuild	build;

	init_build(&build, NULL, index);
	choose_stamp(&build);
	vego_build_write_empty(&build);
	MemoryContextDelete(build.context);
}
