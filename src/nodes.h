/*
 * nodes.h
 *	  From a node's id to its bytes: rank a batch, read one, edit some,
 *	  allocate one.  The graph above knows no buffer, lock or WAL record; all
 *	  of those are here.
 *
 * Two ways of reading (src/README, "Reading"):
 *
 *	 hint	straight from the buffer's frame, without pin or lock.  May be
 *			wrong without anybody noticing, so it decides only which nodes are
 *			visited and which neighbours look best.
 *	 read	pinned and share-locked, copied out.  Everything that is returned
 *			or written rests on this.
 *
 * No function returns with a page locked or pinned.
 */
#ifndef VEGO_NODES_H
#define VEGO_NODES_H

#include "utils/rel.h"
#include "utils/snapshot.h"

#include "code.h"
#include "graph_select.h"
#include "page.h"
#include "record.h"

/* Work done by this backend on one index, for vego_stats. */
typedef struct VegoCounters
{
	uint64		ranked_by_hint; /* nodes scored without a pin */
	uint64		ranked_by_pin;	/* nodes scored under pin and lock */
	uint64		expanded;		/* nodes whose links a search followed */
	uint64		reads;			/* nodes read whole, under a pin */
	uint64		pins;			/* of node pages */
	uint64		prefetches;		/* pages asked for before they were pinned */
	uint64		searches;
	uint64		rows_fetched;	/* heap rows read for exact distances */
	uint64		exact_reads;	/* vectors read instead, from the index */
	uint64		rows_returned;
	uint64		rows_withheld;	/* found too late for strict order */
} VegoCounters;

typedef struct VegoFrames VegoFrames;

/* An open index; made by vego_nodes_open, lives in its memory context. */
typedef struct VegoNodes
{
	Relation	rel;
	VegoMeta	meta;			/* as last read; only the entry changes */
	VegoGeometry geometry;
	VegoCoder	coder;
	Snapshot	snapshot;		/* of a scan, or NULL */
	uint32		count;			/* slots, as last seen */
	bool		hints;			/* may read without a pin */
	VegoFrames *frames;			/* where this backend last saw each block */
	VegoSlot   *scratch;
	struct VegoExactRoom *exact_room;	/* exact.c's, made when needed */
} VegoNodes;

/* What this backend remembers between statements for exact.c. */
typedef struct VegoExactMemory
{
	struct VegoCodec *codec;	/* or NULL */
	BlockNumber target;			/* where the last vector was put */
	BlockNumber walk;			/* where it looks for room next */
} VegoExactMemory;

extern VegoExactMemory *vego_nodes_exact_memory(VegoNodes *nodes);

/*
 * Remembers the codec of the index, or none, and forgets that of the index used
 * longest ago if there are too many.
 */
extern void vego_nodes_keep_codec(VegoNodes *nodes, struct VegoCodec *codec);

/*
 * Opens the index for searching and changing.  Locks the meta page, shared,
 * for a moment.  Errors: ERRCODE_INDEX_CORRUPTED for a damaged meta page,
 * ERRCODE_FEATURE_NOT_SUPPORTED for another version's.
 */
extern VegoNodes *vego_nodes_open(Relation rel);

/*
 * Reads the entry anew (meta.entry, meta.entry_level) and the number of slots.
 */
extern void vego_nodes_refresh(VegoNodes *nodes);

/*
 * The same for nodes that were opened for an earlier row of the statement.
 * False when the index is another one by now, and has to be opened anew.
 */
extern bool vego_nodes_renew(VegoNodes *nodes, Relation rel);

/*
 * About how many slots hold nodes: `count`, without those whose place is taken
 * by pages of exact vectors.
 */
extern double vego_nodes_estimate(const VegoNodes *nodes);

/* The counters of this backend for the index. */
extern VegoCounters *vego_nodes_counters(VegoNodes *nodes);

/* Bytes of a copy of a slot. */
static inline size_t
vego_nodes_slot_bytes(const VegoNodes *nodes)
{
	return nodes->geometry.slot_bytes;
}

/* Room for a copy of a slot, zeroed. */
extern VegoSlot *vego_nodes_new_slot(const VegoNodes *nodes);

/*
 * Hints: the ranks of many nodes.  An id that is no slot ranks as far
 * (DBL_MAX); what a free slot ranks as means nothing.
 */
extern void vego_nodes_rank(VegoNodes *nodes, const VegoQuery *query,
							const VegoNodeId *ids, int count, double *ranks);

/* Hint: fetches the lines of a node that vego_nodes_sketch will want. */
extern void vego_nodes_prefetch_code(VegoNodes *nodes, VegoNodeId id);

/*
 * Read: the ranks of all live nodes of a level in a block, under one pin.  ids
 * and ranks have room for the slots of a block; returns how many there are.
 */
extern int	vego_nodes_rank_block(VegoNodes *nodes, BlockNumber block,
								  const VegoQuery *query, int level,
								  VegoNodeId *ids, double *ranks);

/*
 * Hint: copies factors and code of a node.  False when the id is no slot or
 * its slot is not live.
 */
extern bool vego_nodes_sketch(VegoNodes *nodes, VegoNodeId id,
							  VegoFactors *factors, uint8 *code);

/*
 * Reads a node: copies its slot.  An id that is no slot reads as free.
 * Errors: ERRCODE_INDEX_CORRUPTED for a damaged page or slot.
 */
extern void vego_nodes_read(VegoNodes *nodes, VegoNodeId id, VegoSlot *slot);

/*
 * Is the id a slot?  Looks whether the index has grown when it seems not.
 */
extern bool vego_nodes_have(VegoNodes *nodes, VegoNodeId id);

/*
 * Hint, if that shows a live node whose head makes sense, else a read: copies
 * the slot.  Whatever is not live has been read.
 */
extern void vego_nodes_look(VegoNodes *nodes, VegoNodeId id, VegoSlot *slot);

/* Says that links of a node will be looked at soon. */
extern void vego_nodes_prefetch_links(VegoNodes *nodes, VegoNodeId id);

/* What a block is. */
typedef enum VegoBlockKind
{
	VEGO_BLOCK_NONE,			/* past the end */
	VEGO_BLOCK_NODES,
	VEGO_BLOCK_EXACT			/* exact vectors; its slots read as free */
} VegoBlockKind;

/* Reads all slots of a block at once, per_page of them. */
extern VegoBlockKind vego_nodes_read_block(VegoNodes *nodes,
										   BlockNumber block,
										   BufferAccessStrategy strategy,
										   char *slots);

/* Pins a block, by preference through the buffer it was last seen in. */
extern Buffer vego_nodes_pin(VegoNodes *nodes, BlockNumber block);

/*
 * Writes a new node into a free slot, one WAL record; returns its id, by which
 * the slot given is checked from now on.  A link to that id is left out.
 */
extern VegoNodeId vego_nodes_insert(VegoNodes *nodes, VegoSlot *slot);

/*
 * A change of one node's links.  `before` is the slot as read: the change is
 * made only if it is the same node still and has the same links.
 */
typedef struct VegoEdit
{
	VegoNodeId	id;
	const VegoSlot *before;
	const VegoLink *links;		/* what its links become */
	int			degree;
	bool		applied;
} VegoEdit;

/*
 * Makes the changes whose nodes are as they were, sets `applied` on those and
 * returns how many.  Pages are locked exclusively, VEGO_EDIT_PAGES at a time,
 * in ascending order, one WAL record of that purpose each time.  Sorts the array by id; ids
 * must be distinct.
 */
extern int	vego_nodes_edit(VegoNodes *nodes, VegoRecord record,
							VegoEdit *edits, int count);

/* What becomes of a slot in a sweep. */
typedef enum VegoVerdict
{
	VEGO_KEEP,
	VEGO_BURY,					/* live becomes dead; its TID and its exact
								 * vector's place are cleared */
	VEGO_FREE					/* dead becomes free; zeroed */
} VegoVerdict;

typedef VegoVerdict (*VegoJudge) (void *arg, VegoNodeId id,
								  const VegoSlot *slot);

/*
 * Shows the judge a copy of every slot of a block, once, and does as it says
 * with those that are the same still; one WAL record if anything changes.
 * Errors: ERRCODE_INDEX_CORRUPTED as for reads.
 */
extern VegoBlockKind vego_nodes_judge_block(VegoNodes *nodes,
											BlockNumber block,
											BufferAccessStrategy strategy,
											VegoJudge judge, void *arg);

/*
 * Who may decide on the entry: a heavyweight lock on the meta page, held
 * until unlocked or the transaction's end.
 */
extern void vego_nodes_lock_entry(VegoNodes *nodes);
extern void vego_nodes_unlock_entry(VegoNodes *nodes);

/* Sets the entry; the caller holds the entry lock. */
extern void vego_nodes_set_entry(VegoNodes *nodes, VegoNodeId entry,
								 int level);

/*
 * Makes the radius of the lift (metric.h) at least this; inner product only.
 * Locks the meta page exclusively for a moment.
 */
extern void vego_nodes_grow_radius(VegoNodes *nodes, double radius);

/* Reports damage: ERRCODE_INDEX_CORRUPTED with index, block and a hint. */
extern void vego_report_corrupted(Relation rel, BlockNumber block, int slot,
								  const char *fault) pg_attribute_noreturn();

#endif							/* VEGO_NODES_H */
