/*
 * check_graph.c
 *	  Do entry and links lead to every node?  (I2, I3, I6)
 */
#include "postgres.h"

#include "miscadmin.h"

#include "check.h"

/*
 * A walk marks the nodes it comes to and expands them, reading pages in order:
 * sweep after sweep over the blocks on which something waits.  So it needs
 * two bits a slot and a byte a block, however large the graph is.
 */
typedef struct Walk
{
	VegoCheck  *check;
	void		(*expand) (struct Walk *walk, const VegoSlot *slot);
	VegoBitmap	reached;
	VegoBitmap	expanded;
	bool	   *waiting;		/* by block: is there something to expand? */

	/* links by what they lead to, for I5's totals */
	uint64		to_dead;
	uint64		to_free;
	uint64		to_reused;
} Walk;

static void
reach(Walk *walk, VegoNodeId id)
{
	if (id >= walk->reached.size || vego_bitmap_has(&walk->reached, id))
		return;
	vego_bitmap_add(&walk->reached, id);
	walk->waiting[id / walk->check->geometry.per_page] = true;
}

/* Expands what waits on the page just copied, until nothing new does. */
static void
expand_page(Walk *walk, VegoNodeId first)
{
	VegoCheck  *check = walk->check;
	const VegoGeometry *geometry = &check->geometry;
	bool	   *waiting = &walk->waiting[first / geometry->per_page];

	while (*waiting)
	{
		*waiting = false;
		for (int i = 0; i < geometry->per_page; i++)
		{
			const VegoSlot *slot = vego_page_slot(geometry, check->page, i);

			if (!vego_bitmap_has(&walk->reached, first + i) ||
				vego_bitmap_has(&walk->expanded, first + i))
				continue;
			vego_bitmap_add(&walk->expanded, first + i);
			if (vego_slot_fault(geometry, slot) == NULL)
				walk->expand(walk, slot);
		}
	}
}

static void
walk_on(Walk *walk)
{
	VegoCheck  *check = walk->check;
	BlockNumber blocks = check->blocks - check->geometry.first_block;
	bool		expanded = true;

	while (expanded)
	{
		expanded = false;
		CHECK_FOR_INTERRUPTS();
		for (BlockNumber i = 0; i < blocks; i++)
		{
			if (!walk->waiting[i])
				continue;
			expanded = true;
			if (vego_check_copy_page(check, check->geometry.first_block + i,
									 check->page) == NULL &&
				vego_page_fault(check->page, VEGO_PAGE_NODES) == NULL &&
				!PageIsNew(check->page))
				expand_page(walk, i * check->geometry.per_page);
			walk->waiting[i] = false;
		}
	}
}

static void
walk_init(Walk *walk, VegoCheck *check,
		  void (*expand) (Walk *walk, const VegoSlot *slot))
{
	memset(walk, 0, sizeof(*walk));
	walk->check = check;
	walk->expand = expand;
	vego_bitmap_init(&walk->reached, check->count);
	vego_bitmap_init(&walk->expanded, check->count);
	walk->waiting = palloc0(Max(check->blocks, 1) * sizeof(bool));
}

static void
walk_free(Walk *walk)
{
	pfree(walk->reached.words);
	pfree(walk->expanded.words);
	pfree(walk->waiting);
}

/*
 * Reports the live nodes that are not in the set.  Severities are explained at
 * the top of check.c; `mended` tells whether the next VACUUM mends this.
 */
static void
report_others(VegoCheck *check, VegoInvariant invariant,
			  const VegoBitmap *set, bool mended, const char *what)
{
	uint32		unseen = 0;
	uint32		unfinished = 0;

	for (VegoNodeId id = 0; id < check->count; id++)
	{
		if (vego_state_kind(check->states[id]) != VEGO_SLOT_LIVE ||
			vego_bitmap_has(set, id))
			continue;
		if (!vego_check_row_visible(check, id))
			unseen++;
		else if (mended && check->dead_count > 0)
			unfinished++;
		else
			vego_node_finding(check, invariant, VEGO_ERROR, id,
							  "node %u of level %d %s", id,
							  vego_state_level(check->states[id]), what);
	}
	if (unseen > 0)
		vego_finding(check, invariant, VEGO_INFO, InvalidBlockNumber, -1,
					 "%u nodes of which this is true stand for rows that are not visible: node %s",
					 unseen, what);
	if (unfinished > 0)
		vego_finding(check, invariant, VEGO_INFO, InvalidBlockNumber, -1,
					 "%u nodes of which this is true wait for a VACUUM that has not ended: node %s",
					 unfinished, what);
}

/* I2: the entry, which was read after all slots. */
void
vego_check_entry(VegoCheck *check)
{
	VegoNodeId	entry = check->meta.entry;
	int			level = entry == VEGO_NO_NODE ?
		-1 : (int) check->meta.entry_level;
	const VegoSlot *slot;
	VegoBitmap	below;

	if (entry != VEGO_NO_NODE)
	{
		slot = vego_check_slot(check, entry);
		if (slot == NULL)
			vego_finding(check, VEGO_META, VEGO_ERROR, 0, -1,
						 "entry %u is not a sound slot", entry);
		else if (slot->kind == VEGO_SLOT_FREE || slot->level != level)
			vego_finding(check, VEGO_META, VEGO_ERROR, 0, -1,
						 "entry %u is not a node of level %d", entry, level);
		else if (slot->kind == VEGO_SLOT_DEAD)
			vego_finding(check, VEGO_META, VEGO_INFO, 0, -1,
						 "entry %u is dead", entry);
	}

	vego_bitmap_init(&below, check->count);
	for (VegoNodeId id = 0; id < check->count; id++)
		if (vego_state_level(check->states[id]) <= level)
			vego_bitmap_add(&below, id);
	report_others(check, VEGO_META, &below, false, entry == VEGO_NO_NODE ?
				  "is in an index without an entry" :
				  "is above the level of the entry");
	pfree(below.words);
}

static void
expand_binding(Walk *walk, const VegoSlot *slot)
{
	const VegoCheck *check = walk->check;
	const VegoLink *links = vego_slot_links(&check->geometry, slot);

	if (slot->kind != VEGO_SLOT_LIVE)
		return;
	for (int i = 0; i < slot->degree; i++)
	{
		VegoNodeId	target = vego_link_id(links[i]);

		if (vego_link_is_binding(links[i]) && target < check->count &&
			vego_state_level(check->states[target]) == slot->level)
			reach(walk, target);
	}
}

/* I3: from the entry's slots, by binding links alone. */
void
vego_check_binding(VegoCheck *check)
{
	VegoNodeId	at = check->meta.entry;
	Walk		walk;

	walk_init(&walk, check, expand_binding);
	for (int level = check->meta.entry_level; level >= 0; level--)
	{
		const VegoSlot *slot = vego_check_slot(check, at);

		if (slot == NULL || slot->level != level)
			break;
		reach(&walk, at);
		at = vego_slot_down(slot);
	}
	walk_on(&walk);
	report_others(check, VEGO_BINDING, &walk.reached, true,
				  "is not bound to the entry");
	walk_free(&walk);
}

/* A search takes a slot of the level above for the same node, see search.c. */
static void
reach_below(Walk *walk, VegoNodeId above)
{
	const VegoSlot *slot = vego_check_slot(walk->check, above);

	if (slot && slot->kind != VEGO_SLOT_FREE && slot->level > 0)
		reach(walk, vego_slot_down(slot));
}

static void
expand_links(Walk *walk, const VegoSlot *slot)
{
	const VegoCheck *check = walk->check;
	const VegoLink *links = vego_slot_links(&check->geometry, slot);

	if (slot->kind == VEGO_SLOT_FREE)
		return;
	if (slot->level > 0)
		reach(walk, vego_slot_down(slot));
	for (int i = 0; i < slot->degree; i++)
	{
		VegoNodeId	target = vego_link_id(links[i]);
		VegoSlotState state = target < check->count ?
			check->states[target] : VEGO_SLOT_DAMAGED;

		if (vego_state_kind(state) == VEGO_SLOT_FREE)
			walk->to_free++;
		else if (vego_state_kind(state) == VEGO_SLOT_DAMAGED)
			continue;
		else if (vego_state_level(state) != slot->level)
		{
			walk->to_reused++;
			if (vego_state_level(state) == slot->level + 1)
				reach_below(walk, target);
		}
		else
		{
			walk->to_dead += vego_state_kind(state) == VEGO_SLOT_DEAD;
			reach(walk, target);
		}
	}
}

/* I6, and what I5 has to say of links that lead nowhere. */
void
vego_check_reach(VegoCheck *check)
{
	Walk		walk;

	walk_init(&walk, check, expand_links);
	reach(&walk, check->meta.entry);
	walk_on(&walk);
	report_others(check, VEGO_REACH, &walk.reached, true,
				  "cannot be reached from the entry");
	if (walk.to_dead + walk.to_free + walk.to_reused > 0)
		vego_finding(check, VEGO_LINKS, VEGO_INFO, InvalidBlockNumber, -1,
					 "links to dead slots: " UINT64_FORMAT
					 ", to free slots: " UINT64_FORMAT
					 ", to slots of other levels: " UINT64_FORMAT,
					 walk.to_dead, walk.to_free, walk.to_reused);
	walk_free(&walk);
}
