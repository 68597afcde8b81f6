/*
 * parallel.h
 *	  The processes of a build: a leader and its workers.
 *
 * The leader shares out one task after the other.  A task is a number of units,
 * of which every member, the leader as well, takes ranges until none are left;
 * then the leader waits for the others and goes on.  Between tasks the leader
 * is alone at work.
 *
 * Arrays that tasks read and write lie in dynamic shared memory.  Members see
 * them at different addresses, so an order names them by references.  When
 * there is no more of this memory, the team has come to its end but the build
 * has not: the leader sees all arrays, and does what remains itself
 * (src/README, section 10).
 */
#ifndef VEGO_PARALLEL_H
#define VEGO_PARALLEL_H

#include "postgres.h"

#include "access/parallel.h"
#include "access/tableam.h"
#include "storage/sharedfileset.h"
#include "utils/rel.h"

typedef struct VegoTeam VegoTeam;

/* An array of shared memory; 0 for none, or for one that is not shared. */
typedef uint64 VegoReference;

/* Of a task: what it is, and what those who do it need to know. */
#define VEGO_ORDER_BYTES 2048

/* The task that makes workers end. */
#define VEGO_TASK_END 0

/* ----------------------------------------------------------------
 *		For the leader
 * ----------------------------------------------------------------
 */

/*
 * Plans a team for an index, with `notice` bytes for what its workers need to
 * know from the start.  NULL when it would have no worker: by the server's
 * settings, those of the table, because expressions must not leave the process,
 * or because there is no shared memory.
 *
 * A team begins parallel mode, and vego_team_end ends it; so does the end of
 * the transaction.
 */
extern VegoTeam *vego_team_plan(Relation heap, Relation index,
								bool concurrent, const char *worker_main,
								Size notice);

/* Starts the workers. */
extern void vego_team_start(VegoTeam *team);

/* Whether there are workers; only they make a team. */
extern bool vego_team_works(const VegoTeam *team);

/* Members that may be at work, the leader being one. */
extern int	vego_team_size(const VegoTeam *team);

/* The same, as planned before workers are started. */
extern int	vego_team_planned_size(const VegoTeam *team);

/*
 * Memory for an array.  Where there is none to share, the team works no more
 * and the array is palloc'd.
 */
extern void *vego_team_allocate(VegoTeam *team, Size bytes);
extern void vego_team_release(VegoTeam *team, void *array);

/* Gives back shared memory that holds no arrays. */
extern void vego_team_trim(VegoTeam *team);

extern VegoReference vego_team_reference(const VegoTeam *team,
										 const void *array);

/*
 * Shares out a task of so many units, in ranges of at least `least` but for the
 * last, or one by one if that is 0.  The leader takes ranges like everyone, and then waits for the others.
 */
extern void vego_team_share(VegoTeam *team, int task, const void *order,
							Size bytes, uint32 units, uint32 least);

/* Waits until all workers have finished the task, or what they begin with. */
extern void vego_team_wait(VegoTeam *team);

/* Ends the workers and releases all memory. */
extern void vego_team_end(VegoTeam *team);

/* ----------------------------------------------------------------
 *		For workers
 * ----------------------------------------------------------------
 */

/* Opens the relations, and begins to count what the worker uses. */
extern VegoTeam *vego_team_join(dsm_segment *segment, shm_toc *toc);

/*
 * Waits for the next task, having finished the one before (or what workers do
 * by themselves).
 */
extern int	vego_team_next_task(VegoTeam *team);

extern const void *vego_team_order(const VegoTeam *team);

/* Where an array is; NULL for none. */
extern void *vego_team_array(const VegoTeam *team, VegoReference reference);

extern void vego_team_leave(VegoTeam *team);

/* ----------------------------------------------------------------
 *		For both
 * ----------------------------------------------------------------
 */

/* Takes a range of units; false when none are left. */
extern bool vego_team_take(VegoTeam *team, uint32 *from, uint32 *to);

extern void *vego_team_notice(const VegoTeam *team);
/* Files that one member writes and another reads; they end with the team. */
extern SharedFileSet *vego_team_files(const VegoTeam *team);
extern Relation vego_team_heap(const VegoTeam *team);
extern Relation vego_team_index(const VegoTeam *team);
extern bool vego_team_is_concurrent(const VegoTeam *team);

/* The scan of the heap that all members do together. */
extern TableScanDesc vego_team_scan(VegoTeam *team);

#endif							/* VEGO_PARALLEL_H */
