/*
 * page.c
 *	  How do the constants of an index become addresses, and which pages and
 *	  slots cannot be?
 */
#include "postgres.h"

#include <float.h>

#include "code_sparse.h"
#include "page.h"

void
vego_geometry_init(VegoGeometry *geometry, int dims, int bits, int m,
				   VegoExactMode exact)
{
	int			centre_dims = vego_centre_dims(dims, bits);
	VegoCentrePart part;
	BlockNumber block = 0;

	geometry->capacity = 2 * m;
	geometry->code_bytes = vego_code_bytes(dims, bits);
	geometry->code_offset = sizeof(VegoSlot) + sizeof(VegoFactors);
	geometry->code_end = geometry->code_offset +
		TYPEALIGN(4, geometry->code_bytes);
	geometry->exact_offset = exact == VEGO_EXACT_OFF ? 0 : geometry->code_end;
	geometry->links_offset = geometry->code_end +
		(exact == VEGO_EXACT_OFF ? 0 : sizeof(VegoExactPlace));
	geometry->slot_bytes = vego_slot_bytes(dims, bits, m, exact);
	geometry->per_page = VEGO_PAGE_ROOM / geometry->slot_bytes;
	geometry->shift = 31;
	while (1 << (geometry->shift - 31) < geometry->per_page)
		geometry->shift++;
	geometry->inverse = geometry->per_page == 0 ? 0 :
		((UINT64CONST(1) << geometry->shift) + geometry->per_page - 1) /
		geometry->per_page;

	do
		part = vego_centre_part(centre_dims, block++);
	while (part.first + part.count < centre_dims);
	geometry->signposts = bits == VEGO_BITS_SPARSE ?
		vego_sparse_signposts(dims) : 0;
	geometry->signpost_block = block;
	geometry->first_block = block +
		(geometry->signposts + VEGO_SIGNPOSTS_A_PAGE - 1) /
		VEGO_SIGNPOSTS_A_PAGE;
}

VegoCentrePart
vego_centre_part(int dims, BlockNumber block)
{
	int			on_first = (VEGO_PAGE_ROOM - sizeof(VegoMeta)) / sizeof(float);
	int			on_others = VEGO_PAGE_ROOM / sizeof(float);
	VegoCentrePart part;

	if (block == 0)
	{
		part.offset = SizeOfPageHeaderData + sizeof(VegoMeta);
		part.first = 0;
		part.count = Min(dims, on_first);
	}
	else
	{
		part.offset = SizeOfPageHeaderData;
		part.first = Min(dims, on_first + (int) (block - 1) * on_others);
		part.count = Min(dims - part.first, on_others);
	}
	return part;
}

void
vego_page_init(Page page, int kind)
{
	VegoPageTail *tail;

	PageInit(page, BLCKSZ, sizeof(VegoPageTail));
	tail = vego_page_tail(page);
	tail->kind = kind;
	tail->format = VEGO_FORMAT_VERSION;
	tail->page_id = VEGO_PAGE_ID;
}

const char *
vego_page_fault(Page page, int kind)
{
	PageHeader	header = (PageHeader) page;
	VegoPageTail *tail = vego_page_tail(page);

	if (PageIsNew(page))
		return kind == VEGO_PAGE_NODES ? NULL : "page is new";
	if (header->pd_special != BLCKSZ - sizeof(VegoPageTail))
		return "special area has a wrong size";
	if (tail->page_id != VEGO_PAGE_ID)
		return "page does not belong to a vego index";
	if (tail->kind != kind)
		return "page is of the wrong kind";
	if (header->pd_lower < SizeOfPageHeaderData ||
		header->pd_lower > header->pd_upper ||
		header->pd_upper > header->pd_special)
		return "page header has impossible bounds";
	/* only items lie between pd_upper and the special area */
	if (kind != VEGO_PAGE_EXACT && header->pd_upper != header->pd_special)
		return "page header has impossible bounds";
	return NULL;
}

const char *
vego_slot_fault(const VegoGeometry *geometry, const VegoSlot *slot)
{
	if (slot->kind > VEGO_SLOT_DEAD)
		return "slot is of no known kind";
	if (slot->degree > geometry->capacity)
		return "slot has more links than it has room for";
	if (slot->level > VEGO_MAX_LEVEL)
		return "slot has an impossible level";
	if (slot->kind == VEGO_SLOT_LIVE && slot->level == 0 &&
		!ItemPointerIsValid(&slot->tid))
		return "live slot has no heap row";
	if (slot->kind == VEGO_SLOT_LIVE && slot->level == 0 &&
		geometry->exact_offset > 0 &&
		!vego_exact_place_is_set(vego_slot_exact(geometry, slot)))
		return "live slot has no exact vector";
	return NULL;
}

const char *
vego_meta_fault(const VegoMeta *meta)
{
	if (meta->magic != VEGO_META_MAGIC)
		return "meta page has a wrong magic number";
	if (meta->metric < VEGO_L2 || meta->metric > VEGO_METRIC_LAST)
		return "meta page names an unknown metric";
	if (meta->bits != 4 && meta->bits != 8 && meta->bits != 1 &&
		meta->bits != VEGO_BITS_SPARSE)
		return "meta page names an unknown code width";
	if (meta->m < VEGO_MIN_M || meta->m > VEGO_MAX_M)
		return "meta page has an impossible m";
	if (meta->exact > VEGO_EXACT_ZSTD)
		return "meta page names an unknown way to keep vectors";
	if (meta->exact != VEGO_EXACT_OFF &&
		(meta->element_bytes < 1 ||
		 meta->element_bytes > VEGO_EXACT_MAX_PLANES ||
		 meta->value_bytes < 1 ||
		 meta->value_bytes > VEGO_EXACT_MAX_BYTES ||
		 meta->stored_bytes < 1))
		return "meta page has impossible sizes of vectors";
	if (meta->dims < 1 || meta->dims > PG_INT32_MAX / 2 ||
		vego_slot_bytes(meta->dims, meta->bits, meta->m, meta->exact) >
		VEGO_PAGE_ROOM)
		return "meta page has impossible dimensions";
	if (!(meta->radius >= 0.0 && meta->radius <= DBL_MAX))
		return "meta page has an impossible radius";
	if (meta->entry > VEGO_NO_NODE || meta->entry_level > VEGO_MAX_LEVEL)
		return "meta page has an impossible entry";
	return NULL;
}
