/*
 * exact_build.h
 *	  The exact vectors of a whole build.
 *
 * The heap scan puts them aside in a temporary file, each process in one of its
 * own, in the order in which it meets them; when all nodes are in their places,
 * the leader sorts them by those and writes them behind them.  Nothing is shared
 * with the rest of the build but the index's own pages, where the nodes' TIDs are
 * found.
 */
#ifndef VEGO_EXACT_BUILD_H
#define VEGO_EXACT_BUILD_H

#include "utils/rel.h"

#include "exact_value.h"
#include "streams.h"

typedef struct VegoExactSpool VegoExactSpool;

/*
 * Allocates in the current memory context.  With a set and a name, another
 * process will read the file.
 */
extern VegoExactSpool *vego_exact_spool_begin(SharedFileSet *set,
											  const char *name);

/* Rows that get no node may be put aside too. */
extern void vego_exact_spool_add(VegoExactSpool *spool, ItemPointer tid,
								 VegoExactValue value);

/* No more vectors will be put aside; returns the bytes of the file. */
extern uint64 vego_exact_spool_finish(VegoExactSpool *spool);

/* Adds those of another process's finished spool, which had this name. */
extern void vego_exact_spool_add_file(VegoExactSpool *spool,
									  SharedFileSet *set, const char *name,
									  uint64 bytes);

extern void vego_exact_spool_end(VegoExactSpool *spool);

/* What a vector takes on a page, for an index that has none yet. */
extern uint32 vego_exact_expected_bytes(const VegoMeta *meta);

/*
 * Writes the vectors of all nodes, which are on their pages already, tells
 * the nodes where they are, and completes the meta page.  Nothing is logged.
 * Ends the spool.  Takes maintenance_work_mem.
 */
extern void vego_exact_build(Relation index, const VegoMeta *meta,
							 VegoExactSpool *spool,
							 void (*progress) (int64 done, int64 total));

#endif							/* VEGO_EXACT_BUILD_H */
