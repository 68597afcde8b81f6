/*
 * graph.h
 *	  The graph: search, insert, repair.
 *
 * Knows nodes by id and reads and changes them through nodes.h; knows no
 * buffer, WAL record or process, and holds no lock while it thinks.
 *
 * The structure and the searches are those of HNSW (Malkov and Yashunin,
 * arXiv:1603.09320); src/README says where vego differs and why.
 */
#ifndef VEGO_GRAPH_H
#define VEGO_GRAPH_H

#include "heap.h"
#include "nodes.h"
#include "visited.h"

/* A node met by a search: its rank, and whether it has been expanded. */
typedef struct VegoHit
{
	double		rank;
	VegoNodeId	id;
	bool		expanded;
} VegoHit;

/*
 * Called for every live node of the searched level that a search expands, in
 * order of expansion, with a copy of its slot read under pin and lock that is
 * valid during the call, and the rank computed from that copy.
 */
typedef void (*VegoFound) (void *arg, VegoNodeId id, double rank,
						   const VegoSlot *slot);

/*
 * A search that can be stopped and resumed.
 *
 * The pool holds the best hits, at most `width`, nearest first; when all of it
 * is expanded the search has converged.  Hits that found no room wait in the
 * spill, unexpanded, for the search to be widened.
 */
typedef struct VegoSearch
{
	VegoNodes  *nodes;
	const VegoQuery *query;
	VegoFound	found;
	void	   *found_arg;
	int			level;
	int			width;
	int			count;			/* hits in the pool */
	int			next;			/* no unexpanded hit lies before this */
	int			room;			/* hits allocated */
	VegoHit    *pool;
	VegoHeap	spill;			/* ids by rank */
	VegoVisited *visited;
	VegoSlot   *slot;			/* the node being expanded */
	bool		all_met;		/* links lead to nothing new */
	uint64		found_count;
	MemoryContext context;
} VegoSearch;

/* Allocates in the current memory context, where the search also grows. */
extern void vego_search_init(VegoSearch *search, VegoNodes *nodes,
							 const VegoQuery *query, VegoFound found,
							 void *found_arg);

/*
 * Goes from the entry (as last refreshed) down to the level, and makes ready
 * to search there.  Nothing happens in an empty index.  A small index may be met
 * whole, with what no link leads to yet, or not any more; an insert must not
 * hang a node from that.
 */
extern void vego_search_start(VegoSearch *search, int level, int width,
							  bool may_meet_all);

/* Makes ready to search a level from one of its nodes. */
extern void vego_search_start_at(VegoSearch *search, int level, int width,
								 VegoNodeId id);

/* Searches until the pool has converged. */
extern void vego_search_run(VegoSearch *search);

/*
 * Makes the search wider: a new pool of the best hits that wait in the spill,
 * of as many as have been found, up to a limit.  False when none waits.
 */
extern bool vego_search_widen(VegoSearch *search);

/*
 * Of a search that has converged: forgets that it has met what waits in the
 * spill.  So a sweep meets that as well, and the spill needs no memory.
 */
extern void vego_search_forget(VegoSearch *search);

/* The best rank of all that has been met but not expanded; DBL_MAX if none. */
extern double vego_search_frontier(VegoSearch *search);

/*
 * Expands every live node of the level in a block that the search has not
 * met: with all blocks, what no link leads to is found too.  False past the
 * last block.  `slots` has room for the slots of a block.
 */
extern bool vego_search_sweep_block(VegoSearch *search, BlockNumber block,
									char *slots);

/*
 * What changes of the graph work with, kept from one node to the next: room
 * for what stands for the node in a search, and for the search.  Nothing in it
 * outlives an error: each use begins anew.
 */
typedef struct VegoWorkbench
{
	VegoNodes  *nodes;
	VegoQuery	query;			/* the node */
	VegoQuery	product;		/* the same by inner product, for beacons */
	VegoSearch	search;
} VegoWorkbench;

/* In the current memory context, where it also grows. */
extern void vego_workbench_init(VegoWorkbench *bench, VegoNodes *nodes);

/*
 * Inserts a node: its slots on all its levels, links and back links, and the
 * entry if it becomes it.  The level is a wish: at most one above the entry.
 * `exact` is where its vector is, in an index that keeps them.  The index has
 * just been opened or refreshed.  Allocates in the current memory context; the
 * caller resets it.
 */
extern void vego_graph_insert(VegoWorkbench *bench,
							  const VegoFactors *factors, const uint8 *code,
							  ItemPointer tid, VegoExactPlace exact, int level,
							  int ef_construction);

/* Tells whether a node may serve a purpose. */
typedef bool (*VegoFilter) (void *arg, VegoNodeId id);

/*
 * Gives nodes new links in place of those to nodes that are gone, chosen among
 * the links of the gone ones.  `slots` are the nodes as read, ids ascending,
 * and as they are afterwards on return; nodes on one page are changed by one
 * record.
 */
extern void vego_graph_repair(VegoWorkbench *bench, const VegoNodeId *ids,
							  VegoSlot *const *slots, int count,
							  VegoFilter gone, void *arg);

/*
 * Gives a live node that has lost most of its links some of those that it
 * would get if it were inserted now.  It keeps what it has; if it changes
 * meanwhile, so be it.
 */
extern void vego_graph_relink(VegoWorkbench *bench, VegoNodeId id,
							  const VegoSlot *slot, int ef_construction);

/*
 * Gives a live node that has none a binding in-link from a node that the
 * filter allows, and returns that node; VEGO_NO_NODE when there was none.
 */
extern VegoNodeId vego_graph_attach(VegoWorkbench *bench, VegoNodeId id,
									const VegoSlot *slot, VegoFilter allowed,
									void *arg, int ef_construction);

/*
 * The slots of the entry, from meta.entry downwards, by level; VEGO_NO_NODE
 * above it.  Room for VEGO_MAX_LEVEL + 1.
 */
extern void vego_graph_entry_slots(VegoNodes *nodes, VegoNodeId *slots);

/* The level of a row: reproducible, geometric with VEGO_LEVEL_FANOUT. */
extern int	vego_graph_level(ItemPointer tid);

#endif							/* VEGO_GRAPH_H */
