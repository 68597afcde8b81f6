/*
 * check_pages.c
 *	  What do pages and slots say for themselves?  (I1, I2, I4, I5, I7)
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "check.h"
#include "options.h"
#include "value.h"

/* A radius is the root of a squared norm. */
#define ROUNDING 1e-6

static bool
all_zero(const char *bytes, size_t count)
{
	return count == 0 ||
		(bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/*
 * I1, beyond what every reader insists on (vego_page_fault): blemishes that
 * leave the page readable.
 */
static const char *
page_blemish(Page page)
{
	PageHeader	header = (PageHeader) page;
	const VegoPageTail *tail = vego_page_tail(page);

	if (PageGetPageSize(page) != BLCKSZ ||
		PageGetPageLayoutVersion(page) != PG_PAGE_LAYOUT_VERSION)
		return "page header has a wrong page size or layout version";
	if (header->pd_flags != 0 || header->pd_prune_xid != InvalidTransactionId)
		return "page header has flags that no vego page has";
	if (tail->format != VEGO_FORMAT_VERSION)
		return "page has another format version than the index";
	if (tail->unused != 0)
		return "unused bytes of the special area are not zero";
	if (!all_zero((char *) page + header->pd_lower,
				  header->pd_upper - header->pd_lower))
		return "bytes beyond the last slot are not zero";
	return NULL;
}

/* The meta page before is taken for sound, so that its constants count. */
static const char *
meta_page_blemish(const VegoMeta *meta, BlockNumber block, Page page)
{
	VegoCentrePart part =
		vego_centre_part(vego_centre_dims(meta->dims, meta->bits), block);
	const char *bytes = (const char *) page + part.offset;

	if (((PageHeader) page)->pd_lower !=
		part.offset + part.count * sizeof(float))
		return "page does not end with the centre";
	if (!meta->has_centre && !all_zero(bytes, part.count * sizeof(float)))
		return "centre is not zero in an index without one";
	return NULL;
}

static const char *
node_page_blemish(const VegoGeometry *geometry, Page page)
{
	int			bytes = ((PageHeader) page)->pd_lower - SizeOfPageHeaderData;

	if (bytes % geometry->slot_bytes != 0 ||
		bytes / geometry->slot_bytes > geometry->per_page)
		return "page does not end with a slot";
	return page_blemish(page);
}

static const char *
signpost_page_blemish(const VegoGeometry *geometry, BlockNumber block,
					  Page page)
{
	uint32		first;
	int			count = vego_signposts_on_page(geometry, block, &first);

	if (((PageHeader) page)->pd_lower !=
		SizeOfPageHeaderData + count * sizeof(VegoNodeId))
		return "page does not end with its last signpost";
	return page_blemish(page);
}

/* The same for what a page of this kind should be. */
static const char *
blemish_of_kind(VegoCheck *check, BlockNumber block, int kind)
{
	switch (kind)
	{
		case VEGO_PAGE_NODES:
			return node_page_blemish(&check->geometry, check->page);
		case VEGO_PAGE_SIGNPOSTS:
			return signpost_page_blemish(&check->geometry, block,
										 check->page);
		default:
			return page_blemish(check->page);
	}
}

/* What a page is good for. */
typedef enum PageState
{
	PAGE_READABLE,
	PAGE_NEW,					/* all its slots are free */
	PAGE_EXACT,					/* it has none */
	PAGE_DAMAGED
} PageState;

/* I1 for one page. */
static PageState
check_page(VegoCheck *check, BlockNumber block, int kind)
{
	const char *fault = vego_check_copy_page(check, block, check->page);
	const char *blemish;

	if (fault == NULL && kind == VEGO_PAGE_NODES &&
		check->meta.exact != VEGO_EXACT_OFF && vego_page_is_exact(check->page))
		kind = VEGO_PAGE_EXACT;
	if (fault == NULL)
		fault = vego_page_fault(check->page, kind);
	if (fault)
	{
		vego_finding(check, VEGO_PAGES, VEGO_ERROR, block, -1, "%s", fault);
		return PAGE_DAMAGED;
	}
	if (PageIsNew(check->page))
	{
		/* all zero, or the server would not have read it */
		vego_finding(check, VEGO_PAGES, VEGO_INFO, block, -1, "page is new");
		return PAGE_NEW;
	}
	blemish = blemish_of_kind(check, block, kind);
	if (blemish)
		vego_finding(check, VEGO_PAGES, VEGO_ERROR, block, -1, "%s", blemish);
	return kind == VEGO_PAGE_EXACT ? PAGE_EXACT : PAGE_READABLE;
}

/* I2: do the constants agree with the catalog? */
static void
check_catalog(VegoCheck *check)
{
	const VegoMeta *meta = &check->meta;
	const VegoOpclass *opclass = vego_opclass(check->index);
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(check->index), 0);
	int32		dims = column->atttypmod;
	int			m = vego_options_m(check->index);
	int			bits = vego_options_bits(check->index);
	VegoExactMode exact = vego_options_exact(check->index);
	const char *fault;

	check->agrees = true;
	getBaseTypeAndTypmod(column->atttypid, &dims);
	if (dims < 0)
	{
		/* the server lets ALTER TABLE take them from under an index */
		vego_finding(check, VEGO_META, VEGO_INFO, 0, -1,
					 "index has %u dimensions, but its column has lost them",
					 meta->dims);
	}
	else if (meta->dims != dims)
	{
		check->agrees = false;
		vego_finding(check, VEGO_META, VEGO_ERROR, 0, -1,
					 "index has %u dimensions, but its column has %d",
					 meta->dims, dims);
	}
	fault = vego_value_meta_fault(opclass, meta);
	if (fault)
	{
		check->agrees = false;
		vego_finding(check, VEGO_META, VEGO_ERROR, 0, -1, "%s", fault);
	}

	/* ALTER INDEX changes parameters, but not the index */
	if ((m > 0 && m != meta->m) || (bits > 0 && bits != meta->bits))
		vego_finding(check, VEGO_META, VEGO_INFO, 0, -1,
					 "index was built with m = %d and bits = %d; other storage parameters take effect with REINDEX",
					 meta->m, meta->bits);
	if (exact != meta->exact)
		vego_finding(check, VEGO_META, VEGO_INFO, 0, -1,
					 "index was built with exact = %s; exact = %s takes effect with REINDEX",
					 vego_exact_mode_name(meta->exact),
					 vego_exact_mode_name(exact));
}

/* The part of the centre on the page just copied. */
static void
take_centre(VegoCheck *check, BlockNumber block, float *centre)
{
	VegoCentrePart part =
		vego_centre_part(vego_centre_dims(check->meta.dims, check->meta.bits),
						 block);
	const char *blemish = meta_page_blemish(&check->meta, block, check->page);
	bool		finite = true;

	if (blemish)
		vego_finding(check, VEGO_META, VEGO_ERROR, block, -1, "%s", blemish);
	memcpy(centre + part.first, check->page + part.offset,
		   part.count * sizeof(float));
	for (int i = part.first; i < part.first + part.count; i++)
		finite &= isfinite(centre[i]);
	if (!finite)
		vego_finding(check, VEGO_META, VEGO_ERROR, block, -1,
					 "centre is not finite");
}

/* I1 and I5 for the signposts, if codes are of sparse vectors. */
static void
check_signposts(VegoCheck *check)
{
	const VegoGeometry *geometry = &check->geometry;

	for (BlockNumber block = geometry->signpost_block;
		 block < geometry->first_block; block++)
	{
		uint32		first;
		int			count = vego_signposts_on_page(geometry, block, &first);
		const VegoNodeId *ids = vego_page_signpost(check->page, first);

		if (check_page(check, block, VEGO_PAGE_SIGNPOSTS) != PAGE_READABLE)
			continue;
		for (int i = 0; i < count; i++)
			if (ids[i] != VEGO_NO_NODE && !vego_check_id_exists(check, ids[i]))
				vego_finding(check, VEGO_LINKS, VEGO_ERROR, block, -1,
							 "signpost %u points to %u, which is no slot",
							 first + i, ids[i]);
	}
}

/* The remaining meta pages, and the centre on all of them. */
static bool
check_centre(VegoCheck *check)
{
	float	   *centre = palloc0(vego_centre_dims(check->meta.dims,
												  check->meta.bits) *
								 sizeof(float));

	for (BlockNumber block = 0; block < check->geometry.signpost_block; block++)
	{
		if (block > 0 &&
			check_page(check, block, VEGO_PAGE_META) != PAGE_READABLE)
			return false;
		take_centre(check, block, centre);
	}
	vego_coder_init(&check->coder, check->meta.metric, check->meta.dims,
					check->meta.bits, check->meta.radius,
					check->meta.has_centre ? centre : NULL);
	return true;
}

/* I2, but for the entry. */
bool
vego_check_meta(VegoCheck *check)
{
	const char *fault;

	check->blocks = RelationGetNumberOfBlocks(check->index);
	if (check->blocks == 0)
	{
		vego_finding(check, VEGO_PAGES, VEGO_ERROR, InvalidBlockNumber, -1,
					 "index has no pages");
		return false;
	}
	if (check_page(check, 0, VEGO_PAGE_META) != PAGE_READABLE)
		return false;
	memcpy(&check->meta, vego_page_meta(check->page), sizeof(VegoMeta));
	if (check->meta.magic == VEGO_META_MAGIC &&
		check->meta.format != VEGO_FORMAT_VERSION)
	{
		vego_finding(check, VEGO_META, VEGO_ERROR, 0, -1,
					 "index has format version %u, but this vego knows only version %d",
					 check->meta.format, VEGO_FORMAT_VERSION);
		return false;
	}
	fault = vego_meta_fault(&check->meta);
	if (fault)
	{
		vego_finding(check, VEGO_META, VEGO_ERROR, 0, -1, "%s", fault);
		return false;
	}
	if (check->meta.has_centre > 1 || check->meta.dictionary.unused != 0 ||
		(check->meta.metric != VEGO_INNER_PRODUCT &&
		 check->meta.radius != 0.0) ||
		(check->meta.entry == VEGO_NO_NODE && check->meta.entry_level != 0) ||
		(check->meta.exact == VEGO_EXACT_OFF &&
		 (check->meta.element_bytes | check->meta.value_bytes |
		  check->meta.stored_bytes) != 0) ||
		(check->meta.exact != VEGO_EXACT_ZSTD &&
		 (check->meta.dictionary.block | check->meta.dictionary.item) != 0))
		vego_finding(check, VEGO_META, VEGO_ERROR, 0, -1,
					 "unused bytes of the meta page are not zero");

	vego_geometry_init(&check->geometry, check->meta.dims, check->meta.bits,
					   check->meta.m, check->meta.exact);
	if (check->blocks < check->geometry.first_block)
	{
		vego_finding(check, VEGO_PAGES, VEGO_ERROR, InvalidBlockNumber, -1,
					 "index ends within its meta pages");
		return false;
	}
	check_catalog(check);
	check_signposts(check);
	return check_centre(check);
}

/*
 * I2: what has changed while slots were read.  A radius grows before there is
 * a node that needs it.
 */
bool
vego_check_reread_meta(VegoCheck *check)
{
	VegoMeta	meta;

	if (vego_check_copy_page(check, 0, check->page) != NULL ||
		vego_page_fault(check->page, VEGO_PAGE_META) != NULL)
		return false;
	memcpy(&meta, vego_page_meta(check->page), sizeof(VegoMeta));
	if (vego_meta_fault(&meta) != NULL)
		return false;
	check->meta.entry = meta.entry;
	check->meta.entry_level = meta.entry_level;
	if (meta.metric == VEGO_INNER_PRODUCT &&
		check->largest_norm > meta.radius * (1.0 + ROUNDING))
		vego_finding(check, VEGO_META, VEGO_ERROR, 0, -1,
					 "radius is below the norm of a node");
	return true;
}

static bool
factors_are_sound(const VegoFactors *factors)
{
	return isfinite(factors->lo) && isfinite(factors->mean) &&
		isfinite(factors->step) && factors->step >= 0.0f &&
		isfinite(factors->norm) && factors->norm >= 0.0f;
}

/* I4, beyond what every reader insists on (vego_slot_fault). */
static const char *
slot_blemish(VegoCheck *check, VegoNodeId id, const VegoSlot *slot)
{
	const VegoGeometry *geometry = &check->geometry;
	const VegoLink *links = vego_slot_links(geometry, slot);
	const char *bytes = (const char *) slot;
	VegoExactPlace exact = vego_slot_exact(geometry, slot);
	int			used_end = geometry->code_offset + geometry->code_bytes;

	if (slot->kind == VEGO_SLOT_FREE)
		return all_zero(bytes, geometry->slot_bytes) ? NULL :
			"free slot is not zero";
	if (slot->level == 0 && slot->kind == VEGO_SLOT_DEAD &&
		(ItemPointerIsValid(&slot->tid) ||
		 ItemPointerGetBlockNumberNoCheck(&slot->tid) != InvalidBlockNumber))
		return "dead slot has a heap row";
	if ((slot->level > 0 || slot->kind == VEGO_SLOT_DEAD) &&
		(exact.block | exact.item) != 0)
		return "slot has an exact vector and should not";
	if (exact.unused != 0)
		return "unused bytes are not zero";
	if (slot->level == 0 && slot->kind == VEGO_SLOT_LIVE &&
		!vego_check_tid_exists(check, &slot->tid))
		return "heap row lies beyond the end of the table";
	if (!factors_are_sound(vego_slot_factors(geometry, slot)))
		return "factors are not finite";
	if (!all_zero((const char *) &links[slot->degree],
				  (geometry->capacity - slot->degree) * sizeof(VegoLink)))
		return "unused links are not zero";
	if (slot->check != vego_slot_check(check->meta.stamp, id))
		return "slot does not carry the check of its number";
	if (slot->unused != 0 ||
		(slot->level > 0 && slot->tid.ip_posid != 0))
		return "unused bytes are not zero";
	if (!all_zero(bytes + used_end, geometry->code_end - used_end))
		return "padding of the code is not zero";
	return NULL;
}

/* I5 */
static void
check_links(VegoCheck *check, VegoNodeId id, const VegoSlot *slot)
{
	const VegoLink *links = vego_slot_links(&check->geometry, slot);

	for (int i = 0; i < slot->degree; i++)
	{
		VegoNodeId	target = vego_link_id(links[i]);
		bool		repeated = false;

		for (int j = 0; j < i && !repeated; j++)
			repeated = vego_link_id(links[j]) == target;
		if (!vego_check_id_exists(check, target))
			vego_node_finding(check, VEGO_LINKS, VEGO_ERROR, id,
							  "link to %u, which is no slot", target);
		else if (target == id)
			vego_node_finding(check, VEGO_LINKS, VEGO_ERROR, id,
							  "link to itself");
		else if (repeated)
			vego_node_finding(check, VEGO_LINKS, VEGO_ERROR, id,
							  "more than one link to %u", target);
	}
}

static bool
same_code(const VegoGeometry *geometry, const VegoSlot *a, const VegoSlot *b)
{
	return memcmp(vego_slot_factors(geometry, a), vego_slot_factors(geometry, b),
				  geometry->code_end - sizeof(VegoSlot)) == 0;
}

/* Is the slot still what it was when its page was copied? */
static bool
is_unchanged(VegoCheck *check, VegoNodeId id, const VegoSlot *slot)
{
	const VegoSlot *now = vego_check_slot(check, id);

	return now == NULL || vego_slot_is_same(now, slot);
}

/*
 * I7.  A slot is freed only after those above it are buried: so if the upper
 * one is still live after the lower one was seen, what was seen counts.
 */
static void
check_upper(VegoCheck *check, VegoNodeId id, const VegoSlot *slot)
{
	VegoNodeId	down = vego_slot_down(slot);
	const VegoSlot *below;
	bool		dead;
	bool		same_node;
	bool		same;

	if (!vego_check_id_exists(check, down))
	{
		vego_node_finding(check, VEGO_UPPER, VEGO_ERROR, id,
						  "slot one level down is %u, which is no slot", down);
		return;
	}
	below = vego_check_slot(check, down);
	if (below == NULL)
		return;					/* I1 or I4 has it */
	dead = below->kind == VEGO_SLOT_DEAD;
	same_node = below->kind != VEGO_SLOT_FREE &&
		below->level == slot->level - 1;
	same = same_code(&check->geometry, below, slot);
	if ((same_node && same && !dead) || !is_unchanged(check, id, slot))
		return;

	if (!same_node)
		vego_node_finding(check, VEGO_UPPER, VEGO_ERROR, id,
						  "slot %u is not its node one level down", down);
	else if (dead)
		vego_node_finding(check, VEGO_UPPER, VEGO_INFO, id,
						  "slot %u one level down is dead", down);
	else
		vego_node_finding(check, VEGO_UPPER,
						  vego_check_row_visible(check, id) ?
						  VEGO_ERROR : VEGO_INFO, id,
						  "slot %u one level down has another code", down);
}

static uint32
hash_code(const VegoGeometry *geometry, const VegoSlot *slot)
{
	return hash_bytes((const unsigned char *) vego_slot_factors(geometry, slot),
					  geometry->code_end - sizeof(VegoSlot));
}

static void
check_slot(VegoCheck *check, VegoNodeId id, const VegoSlot *slot)
{
	const char *fault = vego_slot_fault(&check->geometry, slot);

	if (fault)
	{
		vego_node_finding(check, VEGO_SLOTS, VEGO_ERROR, id, "%s", fault);
		check->states[id] = VEGO_SLOT_DAMAGED;
		return;
	}
	fault = slot_blemish(check, id, slot);
	if (fault)
		vego_node_finding(check, VEGO_SLOTS, VEGO_ERROR, id, "%s", fault);

	check->states[id] = slot->kind | slot->level << 2;
	if (slot->kind == VEGO_SLOT_DEAD)
		check->dead_count++;
	if (slot->kind == VEGO_SLOT_FREE)
		return;
	check_links(check, id, slot);
	if (slot->kind != VEGO_SLOT_LIVE)
		return;
	check->largest_norm = Max(check->largest_norm,
							  vego_slot_factors(&check->geometry, slot)->norm);
	if (slot->level > 0)
	{
		check_upper(check, id, slot);
		return;
	}
	if (check->exact)
		vego_check_note_exact(check, id, slot);
	if (check->with_rows)
	{
		vego_check_note_row(check, id, slot);
		check->hashes[id] = hash_code(&check->geometry, slot);
	}
}

static void
check_block(VegoCheck *check, BlockNumber block)
{
	const VegoGeometry *geometry = &check->geometry;
	VegoNodeId	first = vego_node_id(geometry, block, 0);
	PageState	state = check_page(check, block, VEGO_PAGE_NODES);

	for (int i = 0; i < geometry->per_page && first + i < check->count; i++)
	{
		if (state == PAGE_READABLE)
			check_slot(check, first + i,
					   vego_page_slot(geometry, check->page, i));
		else
			check->states[first + i] = state == PAGE_DAMAGED ?
				VEGO_SLOT_DAMAGED : VEGO_SLOT_FREE;
	}
	if (state == PAGE_EXACT)
		vego_check_exact_page(check, block);
}

/* I1, I4, I5 and I7 in one sweep; keeps what the others need of each slot. */
void
vego_check_blocks(VegoCheck *check)
{
	check->count = vego_node_count(&check->geometry, check->blocks);
	check->states = palloc_extended(Max(check->count, 1) *
									sizeof(VegoSlotState), MCXT_ALLOC_HUGE);
	check->dead_count = 0;
	check->largest_norm = 0.0;
	check->indexed = NULL;
	check->indexed_count = 0;
	check->indexed_room = 0;
	if (check->with_rows)
		check->hashes = palloc_extended(Max(check->count, 1) *
										sizeof(uint32), MCXT_ALLOC_HUGE);
	vego_check_exact_begin(check);
	for (BlockNumber block = check->geometry.first_block;
		 block < check->blocks; block++)
		check_block(check, block);
}
