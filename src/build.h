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
#include "shards.h"
#include "signposts.h"
#include "value.h"

/* The most rows of an index; levels above need ids too. */
#define VEGO_MOST_ROWS (VEGO_NO_NODE / 2)

/* Rows that one of several processes may take into memory without asking. */
#define VEGO_POOL_STEP 256

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

	/*
	 * Rows this process has read (build_rows.c); then, in the leader, all rows
	 * of the lowest level that does not fit memory.
	 */
	double		reltuples;
	uint64		row_count;		/* of level 0 */
	VegoRowsPool pool;
	VegoRowStore store;
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

	/* rows of the lowest level that is built in memory */
	int			first_level;
	uint32		count;
	ItemPointerData *tids;		/* above level 0 ids, as in slots */
	VegoFactors *factors;
	uint8	   *codes;
	uint32		entry_row;		/* which of them is the entry */

	/* the graph (build_graph.c); below first_level only bases are known */
	int			levels;
	VegoRows	rows[VEGO_MAX_LEVEL + 1];	/* in the order of nodes */
	VegoLevel	level[VEGO_MAX_LEVEL + 1];
	VegoNodeId	base[VEGO_MAX_LEVEL + 1];	/* id of the level's node 0 */
	VegoNodeId *down[VEGO_MAX_LEVEL + 1];	/* ids of the level's nodes one
											 * level down; NULL on the first */
	VegoNodeId	entry;
	VegoSignpostDraft *signposts;	/* the leader's; NULL without sparse codes */
} VegoBuild;

/* Tasks of the team; VEGO_TASK_END is 0. */
enum
{
	VEGO_TASK_COUNT_ROWS = 1,
	VEGO_TASK_ROWS,
	VEGO_TASK_FILES,
	VEGO_TASK_STAGE,
	VEGO_TASK_PAGES
};

/* Subphases of pg_stat_progress_create_index; 1 is the server's own. */
enum
{
	VEGO_SUBPHASE_SCAN = 2,
	VEGO_SUBPHASE_GRAPH,		/* and those of partition.h and shards.h */
	VEGO_SUBPHASE_UPPER = VEGO_SUBPHASE_GRAPH + VEGO_PHASE_MERGE + 1,
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
extern void vego_build_hand_over_file(VegoBuild *build);

/* Makes rows that are in memory those that the graph will be built of. */
extern void vego_build_take_rows(VegoBuild *build, VegoRowStore *store);

/* build_memory.c: maintenance_work_mem is for all processes together. */
extern Size vego_build_memory(void);
extern uint32 vego_build_rows_in_memory(VegoBuild *build);

/* The other way round: what must be given for so many rows to be in memory. */
extern Size vego_build_memory_for(const VegoCoder *coder,
								  const VegoPartitionOptions *options,
								  uint32 rows);

/*
 * build_shards.c: levels whose rows do not fit memory become pages.  What
 * remains then are rows that do.
 */
extern void vego_build_in_shards(VegoBuild *build);

/*
 * The most nodes of the level above one of so many, 0 where there is none: the
 * entry, and one in VEGO_LEVEL_FANOUT, from the middle of the first on.
 */
static inline uint32
vego_nodes_above(uint32 count)
{
	return count <= VEGO_LEVEL_FANOUT ? 0 :
		1 + (count + VEGO_LEVEL_FANOUT / 2 - 1) / VEGO_LEVEL_FANOUT;
}

/* build_graph.c: rows become levels of the graph. */
extern VegoPartitionOptions vego_build_options(VegoBuild *build);
extern void vego_build_graph(VegoBuild *build);

/* Frees rows and levels; what else needs memory can have it. */
extern void vego_build_release_graph(VegoBuild *build);
extern void vego_build_stage(VegoBuild *build);

/*
 * build_pages.c: levels become slots, slots become pages.  The meta page is
 * written first, the entry last.
 */
extern void vego_build_write_meta(VegoBuild *build);
extern void vego_build_write(VegoBuild *build);
extern void vego_build_write_entry(VegoBuild *build);
extern void vego_build_write_signposts(VegoBuild *build);
extern void vego_build_write_part(VegoBuild *build);
extern void vego_build_write_exact(VegoBuild *build);
extern void vego_build_write_empty(VegoBuild *build);

/*
 * Slots that are written one after the other, in the order of ids, to pages at
 * the end of the index.  A page is put together in memory of our own.
 */
typedef struct VegoPageWriter
{
	VegoBuild  *build;
	VegoGeometry geometry;
	PGAlignedBlock page;
	int			place;			/* of the next slot on it */
	VegoNodeId	next_id;
	BlockNumber logged;			/* pages before it have been logged */
} VegoPageWriter;

extern void vego_page_writer_init(VegoPageWriter *writer, VegoBuild *build);

/* Links are positions in the level; above level 0 the row's TID is an id. */
extern void vego_page_writer_add(VegoPageWriter *writer, int level,
								 const VegoShardNode *node);

/* What is written next begins a page. */
extern void vego_page_writer_end(VegoPageWriter *writer);

#endif							/* VEGO_BUILD_H */
