/*
 * exact.h
 *	  The vectors themselves, in pages of the index: read one, put one there,
 *	  remove those of rows that are gone.
 *
 * No function returns with a page locked or pinned.
 */
#ifndef VEGO_EXACT_H
#define VEGO_EXACT_H

#include "exact_value.h"
#include "nodes.h"

/*
 * The vector of a node, whose place and TID were read from its slot earlier.
 * False when the node is gone since: then its row is dead to everybody.
 * Errors: ERRCODE_INDEX_CORRUPTED when it is there and its vector is not.
 */
extern bool vego_exact_fetch(VegoNodes *nodes, VegoNodeId id,
							 const ItemPointerData *tid,
							 VegoExactPlace place, VegoExactValue *value);

/*
 * Puts a vector where there is room, a WAL record for each of its pieces,
 * before the slot of its node is written.
 */
extern VegoExactPlace vego_exact_insert(VegoNodes *nodes,
										const ItemPointerData *tid,
										VegoExactValue value);

/* Is the row of a vector gone for good? */
typedef bool (*VegoRowIsDead) (void *arg, ItemPointer tid);

/*
 * Removes the vectors of dead rows from a block of exact vectors, in one WAL
 * record, and tells the free space map of the room there is.
 */
extern void vego_exact_sweep_block(VegoNodes *nodes, BlockNumber block,
								   BufferAccessStrategy strategy,
								   VegoRowIsDead is_dead, void *arg);

/* How many pieces of vectors and dictionaries a block holds, and bytes free. */
typedef struct VegoExactCensus
{
	uint64		blocks;
	uint64		vectors;
	uint64		free_bytes;
} VegoExactCensus;

extern void vego_exact_count_block(VegoNodes *nodes, BlockNumber block,
								   BufferAccessStrategy strategy,
								   VegoExactCensus *census);

/* Reports damage: ERRCODE_INDEX_CORRUPTED with index, block, item, hint. */
extern void vego_exact_report(Relation rel, VegoExactPlace place,
							  const char *fault) pg_attribute_noreturn();

#endif							/* VEGO_EXACT_H */
