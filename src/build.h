/*
 * build.h
 *	  What the steps of a build share: rows, graph, pages.
 *
 * Each process of a build has a VegoBuild of its own.  That of a worker knows
 * what its tasks tell it: arrays are in the team's memory, and the leader says
 * where.
 */
#ifndef VEGO_BUILD_H
#define VEGO_BUILD_H

#include "nodes/execnodes.h"

#include "exact_build.h"
#include "opclass.h"
#include "page.h"
#include "parallel.h"
#include "partition.h"
#include "value.h"

typedef struct VegoBuild
{
	Relation	heap;
	Relation	index;
	const VegoOpclass *opclass;
	VegoShape	shape;
	VegoCoder	coder;
	uint64		stamp;
	VegoTeam   *team;			/* or NULL: one process builds alone */
	MemoryContext context;
	MemoryContext row_context;

	/* rows so far (build_rows.c) */
	double		reltuples;
	uint32		count;
	uint32		room;
	ItemPointerData *tids;
	VegoFactors *factors;
	uint8	   *codes;
	double		radius2;		/* largest squared norm */
	void	   *scratch;
	VegoExactSpool *spool;		/* NULL unless exact vectors are kept */

	/* first rows, before there is a centre */
	bool		has_centre;
	float	   *centre;
	float	   *waiting;
	ItemPointerData *waiting_tids;
	uint32		waiting_count;
	uint32		waiting_room;

	/* the graph (build_graph.c) */
	int			levels;
	VegoLevel	level[VEGO_MAX_LEVEL + 1];
	VegoNodeId	base[VEGO_MAX_LEVEL + 1];	/* id of the level's node 0 */
	VegoNodeId *down[VEGO_MAX_LEVEL + 1];	/* ids of the level's nodes one
											 * level down; NULL on level 0 */
} VegoBuild;

/* Tasks of the team; VEGO_TASK_END is 0. */
enum
{
	VEGO_TASK_COUNT_ROWS = 1,
	VEGO_TASK_ROWS,
	VEGO_TASK_STAGE,
	VEGO_TASK_PAGES
};

/* Subphases of pg_stat_progress_create_index; 1 is the server's own. */
enum
{
	VEGO_SUBPHASE_SCAN = 2,
	VEGO_SUBPHASE_GRAPH,		/* and those of partition.h behind it */
	VEGO_SUBPHASE_UPPER = VEGO_SUBPHASE_GRAPH + VEGO_PHASE_ATTACH + 1,
	VEGO_SUBPHASE_WRITE,
	VEGO_SUBPHASE_EXACT
};

/* Reports progress, which only the leader does, and checks for interrupts. */
extern void vego_build_progress(int subphase, int64 done, int64 total);

/* An array that lives while the index is being built, of the team's memory. */
extern void *vego_build_allocate(VegoBuild *build, Size bytes);

/*
 * build_rows.c: the heap's rows become codes in memory.
 *
 * The leader plans the team, and starts it when it has read enough rows for a
 * centre; so a small table is built by one process.  Its workers scan their
 * part of the heap, and hand over their rows when the leader asks for them.
 */
extern void vego_build_plan_team(VegoBuild *build, bool concurrent);
extern void vego_build_scan(VegoBuild *build, struct IndexInfo *info);
extern void vego_build_scan_part(VegoBuild *build);
extern void vego_build_count_rows(VegoBuild *build);
extern void vego_build_hand_over_rows(VegoBuild *build);

/* build_graph.c: rows become levels of the graph. */
extern void vego_build_graph(VegoBuild *build);
extern void vego_build_stage(VegoBuild *build);

/* build_pages.c: levels become slots, slots become pages. */
extern void vego_build_write(VegoBuild *build);
extern void vego_build_write_part(VegoBuild *build);
extern void vego_build_write_exact(VegoBuild *build);
extern void vego_build_write_empty(VegoBuild *build);

#endif							/* VEGO_BUILD_H */
