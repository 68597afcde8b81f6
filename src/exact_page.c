/*
 * exact_page.c
 *	  How do exact vectors lie on a page?
 */
#include "postgres.h"

#include "exact_page.h"

const char *
vego_exact_page_item(Page page, OffsetNumber number, VegoExactItem *item)
{
	PageHeader	header = (PageHeader) page;
	ItemId		line;
	unsigned	offset;
	unsigned	length;

	memset(item, 0, sizeof(*item));
	if (number < FirstOffsetNumber || number > PageGetMaxOffsetNumber(page))
		return NULL;
	line = PageGetItemId(page, number);
	if (!ItemIdIsUsed(line))
		return NULL;

	offset = ItemIdGetOffset(line);
	length = ItemIdGetLength(line);
	if (!ItemIdIsNormal(line) || offset < header->pd_upper ||
		offset + length > header->pd_special || offset != MAXALIGN(offset) ||
		length < sizeof(VegoExactHead))
		return "line pointer leads nowhere";
	item->head = (VegoExactHead *) ((char *) page + offset);
	if ((item->head->flags & ~VEGO_EXACT_FLAGS) != 0 ||
		length < vego_exact_head_bytes(item->head->flags) ||
		ItemPointerIsValid(&item->head->tid) ==
		((item->head->flags & VEGO_EXACT_DICTIONARY) != 0))
		return "item has an impossible head";
	if (item->head->flags & VEGO_EXACT_MORE)
		memcpy(&item->next, item->head + 1, sizeof(VegoExactPlace));
	item->bytes = (char *) item->head +
		vego_exact_head_bytes(item->head->flags);
	item->length = length - vego_exact_head_bytes(item->head->flags);
	return NULL;
}

int
vego_exact_page_room(Page page)
{
	return MAXALIGN_DOWN(PageGetFreeSpace(page));
}

int
vego_exact_piece(int left, int room, int flags)
{
	room -= vego_exact_head_bytes(flags);
	if (room >= left)
		return left;
	return room >= VEGO_EXACT_LEAST_PIECE ? room : 0;
}

/* The first number that is not in use. */
static OffsetNumber
free_number(Page page)
{
	OffsetNumber count = PageGetMaxOffsetNumber(page);
	OffsetNumber number = FirstOffsetNumber;

	while (number <= count && ItemIdIsUsed(PageGetItemId(page, number)))
		number++;
	return number;
}

OffsetNumber
vego_exact_page_add(Page page, const VegoExactHead *head, VegoExactPlace next,
					const char *bytes, int length)
{
	union
	{
		VegoExactHead head;
		char		bytes[BLCKSZ];
	}			item;
	int			head_bytes = vego_exact_head_bytes(head->flags);

	Assert(MAXALIGN(head_bytes + length) <= vego_exact_page_room(page));
	item.head = *head;
	if (head->flags & VEGO_EXACT_MORE)
		memcpy(item.bytes + sizeof(VegoExactHead), &next, sizeof(next));
	memcpy(item.bytes + head_bytes, bytes, length);
	return PageAddItem(page, (Item) item.bytes, head_bytes + length,
					   free_number(page), true, false);
}

void
vego_exact_page_remove(Page page, OffsetNumber number)
{
	PageHeader	header = (PageHeader) page;

	PageIndexTupleDeleteNoCompact(page, number);
	/* generic WAL and checks take for granted that the hole is zero */
	memset((char *) page + header->pd_lower, 0,
		   header->pd_upper - header->pd_lower);
}

const char *
vego_exact_page_fault(Page page)
{
	const char *fault = vego_page_fault(page, VEGO_PAGE_EXACT);
	OffsetNumber count;

	if (fault)
		return fault;
	count = PageGetMaxOffsetNumber(page);
	for (OffsetNumber number = FirstOffsetNumber; number <= count; number++)
	{
		VegoExactItem item;

		fault = vego_exact_page_item(page, number, &item);
		if (fault)
			return fault;
	}
	return NULL;
}
