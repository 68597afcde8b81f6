/*
 * check.h
 *	  What the parts of vego_check share: the index as they see it, copies of
 *	  its pages that may hold anything, and the list of findings.
 *
 *	 check.c		the function; findings; copies of pages and slots
 *	 check_pages.c	I1 I2 I4 I5 I7: what pages and slots say for themselves
 *	 check_graph.c	I2 I3 I6: what the links say together
 *	 check_rows.c	I8 I9: what the table says
 *	 check_exact.c	I10: what pages of exact vectors say
 *
 * nodes.c raises an error where a page is damaged.  Here damage is a finding,
 * so nothing of nodes.c is used.
 */
#ifndef VEGO_CHECK_H
#define VEGO_CHECK_H

#include "postgres.h"

#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

#include "bitmap.h"
#include "code.h"
#include "exact_value.h"
#include "opclass.h"
#include "page.h"

/* The numbered invariants; check.c says what each means. */
typedef enum VegoInvariant
{
	VEGO_PAGES = 1,
	VEGO_META,
	VEGO_BINDING,
	VEGO_SLOTS,
	VEGO_LINKS,
	VEGO_REACH,
	VEGO_UPPER,
	VEGO_ROWS,
	VEGO_CONTENTS,
	VEGO_EXACT_VECTORS
} VegoInvariant;

#define VEGO_INVARIANTS VEGO_EXACT_VECTORS

typedef enum VegoSeverity
{
	VEGO_INFO,
	VEGO_ERROR
} VegoSeverity;

/* Of each invariant and severity so many findings are kept, the rest counted. */
#define VEGO_FINDINGS_KEPT 100

typedef struct VegoFinding
{
	VegoInvariant invariant;
	VegoSeverity severity;
	BlockNumber block;			/* InvalidBlockNumber: none in particular */
	int			slot;			/* -1: none in particular */
	char	   *text;
} VegoFinding;

/* A slot as the sweep saw it: its kind, or that it is damaged; and its level. */
#define VEGO_SLOT_DAMAGED 3

typedef uint8 VegoSlotState;

static inline int
vego_state_kind(VegoSlotState state)
{
	return state & 3;
}

static inline int
vego_state_level(VegoSlotState state)
{
	return state >> 2;
}

/* A live node of level 0; ten bytes, since there are as many as rows. */
typedef struct VegoIndexed
{
	ItemPointerData tid;
	uint16		id_high;
	uint16		id_low;
} VegoIndexed;

StaticAssertDecl(sizeof(VegoIndexed) == 10, "one for each row");

static inline VegoNodeId
vego_indexed_id(const VegoIndexed *indexed)
{
	return (VegoNodeId) indexed->id_high << 16 | indexed->id_low;
}

typedef struct VegoCheckExact VegoCheckExact;

typedef struct VegoCheck
{
	Relation	heap;
	Relation	index;
	bool		with_rows;		/* are I8, I9 and the rest of I10 asked for? */
	Snapshot	snapshot;
	BufferAccessStrategy strategy;
	IndexFetchTableData *fetch; /* to see which rows are visible */
	TupleTableSlot *fetched;
	BlockNumber heap_blocks;	/* as last seen */

	/* the meta pages */
	VegoMeta	meta;
	VegoGeometry geometry;
	VegoCoder	coder;
	bool		agrees;			/* with what the catalog says of values */

	/* what the sweep over all slots found */
	BlockNumber blocks;			/* when it began */
	uint32		count;			/* slots in these */
	VegoSlotState *states;		/* by id */
	uint32	   *hashes;			/* by id, of level 0's codes; for I9 */
	uint32		dead_count;
	float		largest_norm;	/* of live nodes */
	VegoIndexed *indexed;		/* in order of TID, for I8 */
	uint64		indexed_count;
	uint64		indexed_room;

	VegoCheckExact *exact;		/* NULL where the index keeps no vectors */

	/* findings */
	VegoFinding *findings;
	int			findings_count;
	uint64		totals[VEGO_INVARIANTS + 1][2];
	bool		may_have_moved; /* a finding that a running VACUUM can cause */

	char	   *page;			/* the page being swept */
	char	   *other_page;		/* the page of some other slot */
	MemoryContext context;		/* of one attempt */
} VegoCheck;

/* check.c */

/* InvalidBlockNumber and -1 for what has no place. */
extern void vego_finding(VegoCheck *check, VegoInvariant invariant,
						 VegoSeverity severity, BlockNumber block, int slot,
						 const char *format,...) pg_attribute_printf(6, 7);

/* The same, placed by a node's id. */
#define vego_node_finding(check, invariant, severity, id, ...) \
	vego_finding(check, invariant, severity, \
				 vego_node_block(&(check)->geometry, id), \
				 vego_node_slot(&(check)->geometry, id), __VA_ARGS__)

/*
 * Copies a page whatever it holds.  When the server itself cannot read it,
 * returns why.
 */
extern const char *vego_check_copy_page(VegoCheck *check, BlockNumber block,
										char *page);

/* Copies a page of the table; errors as the server has them. */
extern void vego_check_copy_heap_page(VegoCheck *check, BlockNumber block,
									  char *page);

/*
 * A slot's own page, as a pointer into check->other_page, valid until the next
 * call.  NULL for what is no slot, or one on a damaged page or damaged itself.
 */
extern const VegoSlot *vego_check_slot(VegoCheck *check, VegoNodeId id);

/* Is it a slot?  The index may have grown. */
extern bool vego_check_id_exists(VegoCheck *check, VegoNodeId id);

/* Is it a row pointer?  The table may have grown, and cannot shrink. */
extern bool vego_check_tid_exists(VegoCheck *check, const ItemPointerData *tid);

/* check_pages.c */

/* False when the index cannot be read further. */
extern bool vego_check_meta(VegoCheck *check);
extern bool vego_check_reread_meta(VegoCheck *check);
extern void vego_check_blocks(VegoCheck *check);

/* check_graph.c */
extern void vego_check_entry(VegoCheck *check);
extern void vego_check_binding(VegoCheck *check);
extern void vego_check_reach(VegoCheck *check);

/* check_rows.c */
extern void vego_check_note_row(VegoCheck *check, VegoNodeId id,
								const VegoSlot *slot);
extern bool vego_check_row_visible(VegoCheck *check, VegoNodeId id);
extern void vego_check_rows(VegoCheck *check);

/* check_exact.c */
extern void vego_check_exact_begin(VegoCheck *check);
extern void vego_check_exact_page(VegoCheck *check, BlockNumber block);
extern void vego_check_note_exact(VegoCheck *check, VegoNodeId id,
								  const VegoSlot *slot);
extern void vego_check_exact(VegoCheck *check);
extern void vego_check_exact_row(VegoCheck *check, VegoNodeId id,
								 VegoExactValue value);

#endif							/* VEGO_CHECK_H */
