/*
 * parallel.c
 *	  How do several processes work on one build?
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "parallel.h"

/* Segments of shared memory, and arrays in each. */
#define MOST_SEGMENTS 64
#define MOST_ARRAYS 64

/* The smallest segment, for small arrays. */
#define SEGMENT_BYTES (1024 * 1024)

/* Arrays begin on cache lines. */
#define ARRAY_ALIGNMENT 64

/* A reference is a segment's number, from 1, and a place in it. */
#define REFERENCE_SHIFT 48

/* The task of looking at which segments there are, and no more. */
#define TASK_LOOK (-1)

/* In the table of contents of the parallel context. */
enum
{
	KEY_SHARED = 1,
	KEY_NOTICE,
	KEY_FILES,
	KEY_SCAN,
	KEY_QUERY,
	KEY_BUFFER_USAGE,
	KEY_WAL_USAGE
};

/* What all members see. */
typedef struct Shared
{
	/* constant */
	Oid			heap;
	Oid			index;
	bool		concurrent;
	uint64		query_id;

	/*
	 * The task.  The leader writes all of it but for the counters while no
	 * worker is at work; publishing it is raising the number.
	 */
	slock_t		mutex;
	ConditionVariable changed;	/* the number, or that all have finished */
	uint64		number;			/* 0: what workers do by themselves */
	int			finished;		/* workers that have finished it */
	int			workers;
	int			task;
	uint32		units;
	uint32		least;			/* in a range, or 0 for one in each */
	pg_atomic_uint32 next;		/* unit that nobody has taken */
	dsm_handle	segments[MOST_SEGMENTS];
	char		order[VEGO_ORDER_BYTES];
} Shared;

typedef struct Array
{
	Size		offset;
	Size		bytes;
} Array;

/* A segment as a member sees it; the leader knows what is in it. */
typedef struct Segment
{
	dsm_segment *dsm;			/* NULL: none of this number */
	char	   *start;
	Size		bytes;
	int			array_count;
	Array		arrays[MOST_ARRAYS];	/* by offset */
} Segment;

struct VegoTeam
{
	Relation	heap;
	Relation	index;
	Shared	   *shared;
	void	   *notice;
	SharedFileSet *files;
	ParallelTableScanDesc scan;
	BufferUsage *buffer_usage;
	WalUsage   *wal_usage;
	Segment		segments[MOST_SEGMENTS];

	/* the leader's */
	ParallelContext *context;
	Snapshot	snapshot;
	ResourceOwner owner;		/* of segments; see attempt */
	bool		attached;		/* all workers are there */
	bool		alone;			/* no more memory to share */
	Size		wanted_bytes;	/* of the segment to be created */
	dsm_segment *created;

	/* a worker's */
	uint64		number;			/* of its last task */
	LOCKMODE	heap_lock;
	LOCKMODE	index_lock;
};

/* ----------------------------------------------------------------
 *		Memory
 * ----------------------------------------------------------------
 */

/*
 * Does what asks for dynamic shared memory; false when that is refused.
 *
 * Only some refusals are told by a result; that of a full /dev/shm is an error.
 * It may be caught here, for it leaves nothing behind but the descriptor of a
 * segment that is not there: no lock is held where segments are created, and no
 * interrupt held off.  A resource owner of our own takes the descriptor and is
 * released as after an error, since at the end of a transaction that commits,
 * the server would complain of it.
 */
static bool
attempt(VegoTeam *team, void (*action) (VegoTeam *team))
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	Assert(InterruptHoldoffCount == 0 && CritSectionCount == 0);
	PG_TRY();
	{
		CurrentResourceOwner = team->owner;
		action(team);
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		CurrentResourceOwner = owner;
		if (ERRCODE_TO_CATEGORY(geterrcode()) == ERRCODE_OPERATOR_INTERVENTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		ereport(DEBUG1,
				(errmsg_internal("vego builds without shared memory: %s",
								 error->message)));
		FreeErrorData(error);
	}
	PG_END_TRY();
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(context);
	return done;
}

static void
create_segment(VegoTeam *team)
{
	team->created = dsm_create(team->wanted_bytes,
							   DSM_CREATE_NULL_IF_MAXSEGMENTS);
}

static void
set_segment(VegoTeam *team, int i, dsm_segment *dsm)
{
	Segment    *segment = &team->segments[i];

	segment->dsm = dsm;
	segment->start = dsm ? dsm_segment_address(dsm) : NULL;
	segment->bytes = dsm ? dsm_segment_map_length(dsm) : 0;
	segment->array_count = 0;
}

/* Lets workers begin with a task, the last one being finished. */
static void
publish(VegoTeam *team, int task)
{
	Shared	   *shared = team->shared;

	shared->task = task;
	pg_atomic_write_u32(&shared->next, 0);
	SpinLockAcquire(&shared->mutex);
	shared->finished = 0;
	shared->number++;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->changed);
}

/*
 * Segments that hold no arrays go when there is need of a new one.  Their memory
 * is free when workers have let go of them as well.
 */
void
vego_team_trim(VegoTeam *team)
{
	bool		dropped = false;

	for (int i = 0; i < MOST_SEGMENTS; i++)
	{
		Segment    *segment = &team->segments[i];

		if (segment->dsm && segment->array_count == 0)
		{
			dsm_detach(segment->dsm);
			set_segment(team, i, NULL);
			team->shared->segments[i] = DSM_HANDLE_INVALID;
			dropped = true;
		}
	}
	if (dropped && vego_team_works(team))
	{
		publish(team, TASK_LOOK);
		vego_team_wait(team);
	}
}

/* A new segment with room for an array, or NULL. */
static Segment *
add_segment(VegoTeam *team, Size bytes)
{
	int			i = 0;

	vego_team_trim(team);
	while (i < MOST_SEGMENTS && team->segments[i].dsm)
		i++;
	if (i == MOST_SEGMENTS)
		return NULL;
	team->wanted_bytes = Max(bytes, SEGMENT_BYTES);
	team->created = NULL;
	if (!attempt(team, create_segment) || team->created == NULL)
		return NULL;
	set_segment(team, i, team->created);
	team->shared->segments[i] = dsm_segment_handle(team->created);
	return &team->segments[i];
}

/* The gap before array i of a segment, or behind the last. */
static Array
gap_before(const Segment *segment, int i)
{
	Array		gap;
	Size		end = i < segment->array_count ?
		segment->arrays[i].offset : segment->bytes;

	gap.offset = i > 0 ?
		segment->arrays[i - 1].offset + segment->arrays[i - 1].bytes : 0;
	gap.bytes = end - gap.offset;
	return gap;
}

/* Puts an array into the gap. */
static void *
fill_gap(Segment *segment, int i, Size bytes)
{
	Array		array = gap_before(segment, i);

	array.bytes = bytes;
	memmove(segment->arrays + i + 1, segment->arrays + i,
			(segment->array_count - i) * sizeof(Array));
	segment->arrays[i] = array;
	segment->array_count++;
	return segment->start + array.offset;
}

void *
vego_team_allocate(VegoTeam *team, Size bytes)
{
	Size		rounded = TYPEALIGN(ARRAY_ALIGNMENT, Max(bytes, 1));
	Segment    *best = NULL;
	int			best_gap = 0;
	Size		best_bytes = SIZE_MAX;

	for (int s = 0; s < MOST_SEGMENTS && !team->alone; s++)
	{
		Segment    *segment = &team->segments[s];

		if (segment->dsm == NULL || segment->array_count == MOST_ARRAYS)
			continue;
		for (int i = 0; i <= segment->array_count; i++)
		{
			Array		gap = gap_before(segment, i);

			if (gap.bytes >= rounded && gap.bytes < best_bytes)
			{
				best = segment;
				best_gap = i;
				best_bytes = gap.bytes;
			}
		}
	}
	if (best == NULL && !team->alone)
		best = add_segment(team, rounded);
	if (best != NULL)
		return fill_gap(best, best_gap, rounded);
	team->alone = true;
	return palloc_extended(Max(bytes, 1), MCXT_ALLOC_HUGE);
}

/* The number of the segment that an array is in, or -1. */
static int
segment_of(const VegoTeam *team, const void *array)
{
	for (int s = 0; s < MOST_SEGMENTS; s++)
	{
		const Segment *segment = &team->segments[s];

		if (segment->dsm && (const char *) array >= segment->start &&
			(const char *) array < segment->start + segment->bytes)
			return s;
	}
	return -1;
}

void
vego_team_release(VegoTeam *team, void *array)
{
	int			s = segment_of(team, array);
	Segment    *segment;
	int			i = 0;

	if (s < 0)
	{
		pfree(array);
		return;
	}
	segment = &team->segments[s];
	while (segment->start + segment->arrays[i].offset != (char *) array)
		i++;
	segment->array_count--;
	memmove(segment->arrays + i, segment->arrays + i + 1,
			(segment->array_count - i) * sizeof(Array));
}

VegoReference
vego_team_reference(const VegoTeam *team, const void *array)
{
	int			s = segment_of(team, array);

	if (s < 0)
		return 0;
	return ((VegoReference) (s + 1) << REFERENCE_SHIFT) |
		(VegoReference) ((const char *) array - team->segments[s].start);
}

void *
vego_team_array(const VegoTeam *team, VegoReference reference)
{
	Size		offset = reference & (((VegoReference) 1 << REFERENCE_SHIFT) - 1);

	if (reference == 0)
		return NULL;
	return team->segments[(reference >> REFERENCE_SHIFT) - 1].start + offset;
}

/* ----------------------------------------------------------------
 *		Tasks
 * ----------------------------------------------------------------
 */

bool
vego_team_works(const VegoTeam *team)
{
	return team != NULL && team->shared->workers > 0 && !team->alone;
}

int
vego_team_size(const VegoTeam *team)
{
	return team->shared->workers + 1;
}

int
vego_team_planned_size(const VegoTeam *team)
{
	return team->context->nworkers + 1;
}

/*
 * A range is a part of what is left, so that ranges are few and yet all end at
 * about the same time.
 */
bool
vego_team_take(VegoTeam *team, uint32 *from, uint32 *to)
{
	Shared	   *shared = team->shared;
	uint32		next = pg_atomic_read_u32(&shared->next);
	uint32		count;

	do
	{
		uint32		left = shared->units - next;

		if (left == 0)
			return false;
		count = shared->least == 0 ? 1 :
			Max(shared->least, left / (2 * (shared->workers + 1)));
		count = Min(count, left);
	} while (!pg_atomic_compare_exchange_u32(&shared->next, &next,
											 next + count));
	*from = next;
	*to = next + count;
	return true;
}

/*
 * Waits until all workers have finished the task.  One that ends before wakes
 * us, and its error becomes ours in the check for interrupts: but only if it had
 * attached, which is seen to first.
 */
void
vego_team_wait(VegoTeam *team)
{
	Shared	   *shared = team->shared;
	bool		all_finished = false;

	if (!team->attached)
		WaitForParallelWorkersToAttach(team->context);
	team->attached = true;
	ConditionVariablePrepareToSleep(&shared->changed);
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		all_finished = shared->finished == shared->workers;
		SpinLockRelease(&shared->mutex);
		if (all_finished)
			break;
		ConditionVariableSleep(&shared->changed, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

void
vego_team_share(VegoTeam *team, int task, const void *order, Size bytes,
				uint32 units, uint32 least)
{
	Shared	   *shared = team->shared;

	Assert(bytes <= VEGO_ORDER_BYTES && vego_team_works(team));
	if (bytes > 0)
		memcpy(shared->order, order, bytes);
	shared->units = units;
	shared->least = least;
	publish(team, task);
}

/* Brings a worker's segments up to those of the leader. */
static void
attach_segments(VegoTeam *team)
{
	for (int i = 0; i < MOST_SEGMENTS; i++)
	{
		dsm_handle	handle = team->shared->segments[i];
		dsm_segment *dsm = team->segments[i].dsm;

		if (dsm && dsm_segment_handle(dsm) != handle)
		{
			set_segment(team, i, NULL);
			dsm_detach(dsm);
			dsm = NULL;
		}
		if (dsm == NULL && handle != DSM_HANDLE_INVALID)
		{
			dsm = dsm_attach(handle);
			if (dsm == NULL)
				elog(ERROR, "could not attach shared memory of the leader");
			set_segment(team, i, dsm);
		}
	}
}

/* Says that the last task is finished, and waits for the next one. */
static int
await_task(VegoTeam *team)
{
	Shared	   *shared = team->shared;
	bool		all_finished;
	uint64		number;

	SpinLockAcquire(&shared->mutex);
	all_finished = ++shared->finished == shared->workers;
	SpinLockRelease(&shared->mutex);
	if (all_finished)
		ConditionVariableBroadcast(&shared->changed);

	ConditionVariablePrepareToSleep(&shared->changed);
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		number = shared->number;
		SpinLockRelease(&shared->mutex);
		if (number != team->number)
			break;
		ConditionVariableSleep(&shared->changed, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	team->number = number;
	attach_segments(team);
	return shared->task;
}

int
vego_team_next_task(VegoTeam *team)
{
	int			task;

	do
		task = await_task(team);
	while (task == TASK_LOOK);
	return task;
}

const void *
vego_team_order(const VegoTeam *team)
{
	return team->shared->order;
}

/* ----------------------------------------------------------------
 *		Beginning and end
 * ----------------------------------------------------------------
 */

/* Takes the team apart; workers, if any, have ended or are ended now. */
static void
dissolve(VegoTeam *team)
{
	DestroyParallelContext(team->context);
	if (IsMVCCSnapshot(team->snapshot))
		UnregisterSnapshot(team->snapshot);
	ResourceOwnerRelease(team->owner, RESOURCE_RELEASE_BEFORE_LOCKS, false,
						 false);
	ResourceOwnerRelease(team->owner, RESOURCE_RELEASE_LOCKS, false, false);
	ResourceOwnerRelease(team->owner, RESOURCE_RELEASE_AFTER_LOCKS, false,
						 false);
	ResourceOwnerDelete(team->owner);
	ExitParallelMode();
	pfree(team);
}

static void
initialize_context(VegoTeam *team)
{
	InitializeParallelDSM(team->context);
}

/* Room for a chunk of the context's memory, which has a key of its own. */
static void
estimate(ParallelContext *context, Size bytes)
{
	shm_toc_estimate_chunk(&context->estimator, bytes);
	shm_toc_estimate_keys(&context->estimator, 1);
}

static void *
place(ParallelContext *context, int key, Size bytes)
{
	void	   *chunk = shm_toc_allocate(context->toc, bytes);

	memset(chunk, 0, bytes);
	shm_toc_insert(context->toc, key, chunk);
	return chunk;
}

static void
place_all(VegoTeam *team, Size notice, bool concurrent)
{
	ParallelContext *context = team->context;
	Size		scan = table_parallelscan_estimate(team->heap, team->snapshot);
	Shared	   *shared = place(context, KEY_SHARED, sizeof(Shared));

	shared->heap = RelationGetRelid(team->heap);
	shared->index = RelationGetRelid(team->index);
	shared->concurrent = concurrent;
	shared->query_id = pgstat_get_my_query_id();
	SpinLockInit(&shared->mutex);
	ConditionVariableInit(&shared->changed);
	pg_atomic_init_u32(&shared->next, 0);
	team->shared = shared;
	team->notice = place(context, KEY_NOTICE, notice);
	team->files = place(context, KEY_FILES, sizeof(SharedFileSet));
	SharedFileSetInit(team->files, context->seg);
	team->scan = place(context, KEY_SCAN, scan);
	table_parallelscan_initialize(team->heap, team->scan, team->snapshot);
	team->buffer_usage = place(context, KEY_BUFFER_USAGE,
							   mul_size(sizeof(BufferUsage),
										context->nworkers));
	team->wal_usage = place(context, KEY_WAL_USAGE,
							mul_size(sizeof(WalUsage), context->nworkers));
	if (debug_query_string)
		strcpy(place(context, KEY_QUERY, strlen(debug_query_string) + 1),
			   debug_query_string);
}

VegoTeam *
vego_team_plan(Relation heap, Relation index, bool concurrent,
			   const char *worker_main, Size notice)
{
	int			workers = plan_create_index_workers(RelationGetRelid(heap),
													RelationGetRelid(index));
	VegoTeam   *team;
	ParallelContext *context;

	if (workers == 0)
		return NULL;
	team = palloc0(sizeof(VegoTeam));
	team->heap = heap;
	team->index = index;
	team->owner = ResourceOwnerCreate(CurrentResourceOwner, "vego build");
	EnterParallelMode();
	team->context = context = CreateParallelContext("vego", worker_main,
													workers);
	team->snapshot = concurrent ?
		RegisterSnapshot(GetTransactionSnapshot()) : SnapshotAny;

	estimate(context, sizeof(Shared));
	estimate(context, notice);
	estimate(context, sizeof(SharedFileSet));
	estimate(context, table_parallelscan_estimate(heap, team->snapshot));
	estimate(context, mul_size(sizeof(BufferUsage), workers));
	estimate(context, mul_size(sizeof(WalUsage), workers));
	if (debug_query_string)
		estimate(context, strlen(debug_query_string) + 1);
	if (!attempt(team, initialize_context) || context->seg == NULL)
	{
		dissolve(team);
		return NULL;
	}
	place_all(team, notice, concurrent);
	return team;
}

void
vego_team_start(VegoTeam *team)
{
	Shared	   *shared = team->shared;

	LaunchParallelWorkers(team->context);
	SpinLockAcquire(&shared->mutex);
	shared->workers = team->context->nworkers_launched;
	SpinLockRelease(&shared->mutex);
	ereport(DEBUG1,
			(errmsg_internal("index \"%s\" is built by %d processes",
							 RelationGetRelationName(team->index),
							 vego_team_size(team))));
}

void
vego_team_end(VegoTeam *team)
{
	ParallelContext *context = team->context;

	if (team->shared->workers > 0)
	{
		vego_team_wait(team);
		publish(team, VEGO_TASK_END);
	}
	WaitForParallelWorkersToFinish(context);
	for (int i = 0; i < context->nworkers_launched; i++)
		InstrAccumParallelQuery(&team->buffer_usage[i], &team->wal_usage[i]);
	dissolve(team);
}

VegoTeam *
vego_team_join(dsm_segment *segment, shm_toc *toc)
{
	VegoTeam   *team = palloc0(sizeof(VegoTeam));
	Shared	   *shared = shm_toc_lookup(toc, KEY_SHARED, false);

	/* what the leader's view of activity says, ours says as well */
	debug_query_string = shm_toc_lookup(toc, KEY_QUERY, true);
	pgstat_report_activity(STATE_RUNNING, debug_query_string);
	pgstat_report_query_id(shared->query_id, false);

	/* the locks that the leader has, and group locking lets us have */
	team->heap_lock = shared->concurrent ? ShareUpdateExclusiveLock : ShareLock;
	team->index_lock = shared->concurrent ?
		RowExclusiveLock : AccessExclusiveLock;
	team->heap = table_open(shared->heap, team->heap_lock);
	team->index = index_open(shared->index, team->index_lock);

	team->shared = shared;
	team->notice = shm_toc_lookup(toc, KEY_NOTICE, false);
	team->files = shm_toc_lookup(toc, KEY_FILES, false);
	SharedFileSetAttach(team->files, segment);
	team->scan = shm_toc_lookup(toc, KEY_SCAN, false);
	team->buffer_usage = shm_toc_lookup(toc, KEY_BUFFER_USAGE, false);
	team->wal_usage = shm_toc_lookup(toc, KEY_WAL_USAGE, false);
	InstrStartParallelQuery();
	return team;
}

void
vego_team_leave(VegoTeam *team)
{
	InstrEndParallelQuery(&team->buffer_usage[ParallelWorkerNumber],
						  &team->wal_usage[ParallelWorkerNumber]);
	for (int i = 0; i < MOST_SEGMENTS; i++)
		if (team->segments[i].dsm)
			dsm_detach(team->segments[i].dsm);
	index_close(team->index, team->index_lock);
	table_close(team->heap, team->heap_lock);
	pfree(team);
}

void *
vego_team_notice(const VegoTeam *team)
{
	return team->notice;
}

SharedFileSet *
vego_team_files(const VegoTeam *team)
{
	return team->files;
}

Relation
vego_team_heap(const VegoTeam *team)
{
	return team->heap;
}

Relation
vego_team_index(const VegoTeam *team)
{
	return team->index;
}

bool
vego_team_is_concurrent(const VegoTeam *team)
{
	return team->shared->concurrent;
}

TableScanDesc
vego_team_scan(VegoTeam *team)
{
	return table_beginscan_parallel(team->heap, team->scan);
}
