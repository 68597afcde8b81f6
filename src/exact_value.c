/*
 * exact_value.c
 *	  How is a vector cut into pieces, and put together again?
 */
#include "postgres.h"

#include "exact_value.h"

VegoExactRoom *
vego_exact_make_room(int value_bytes)
{
	VegoExactRoom *room = palloc(sizeof(VegoExactRoom));

	room->most = value_bytes;
	room->stored = (char *) palloc(value_bytes + 2 * VEGO_CODEC_SLACK) +
		VEGO_CODEC_SLACK;
	room->elements = palloc(value_bytes);
	return room;
}

/* Appends a piece to what has been gathered; what is wrong, or NULL. */
static const char *
take_piece(const VegoExactRoom *room, const VegoExactItem *item,
		   const ItemPointerData *tid, VegoExactHead *first, int *length)
{
	const VegoExactHead *head = item->head;

	if (head == NULL)
		return "exact vector is not there";
	if (tid == NULL ? !(head->flags & VEGO_EXACT_DICTIONARY) :
		memcmp(&head->tid, tid, sizeof(*tid)) != 0)
		return "exact vector is not of that row";
	if (*length < 0)
	{
		if (head->flags & VEGO_EXACT_REST)
			return "exact vector does not begin there";
		if (head->bytes < 1 || head->bytes > room->most)
			return "exact vector has an impossible length";
		*first = *head;
		*length = 0;
	}
	else if (!(head->flags & VEGO_EXACT_REST) || head->bytes != first->bytes)
		return "exact vector has a piece of another";
	/* what is coded is smaller than what is not */
	if (item->length < 1 || item->length > (int) first->bytes - *length)
		return "exact vector has an impossible length";
	memcpy(room->stored + *length, item->bytes, item->length);
	*length += item->length;
	return NULL;
}

const char *
vego_exact_gather(const VegoExactPages *pages, const VegoCodec *codec,
				  VegoExactRoom *room, VegoExactPlace place,
				  const ItemPointerData *tid, VegoExactValue *value)
{
	VegoExactHead first = {{{0}}};
	int			length = -1;

	/* each piece adds a byte at least, so circles end */
	while (vego_exact_place_is_set(place))
	{
		VegoExactItem item;
		Page		page;
		const char *fault = pages->open(pages->arg, place.block, &page);

		if (fault)
			return fault;
		fault = vego_exact_page_item(page, place.item, &item);
		if (fault == NULL)
			fault = take_piece(room, &item, tid, &first, &length);
		place = item.next;
		pages->release(pages->arg);
		if (fault)
			return fault;
	}
	if (length < 0)
		return "exact vector is not there";

	value->length = first.bytes;
	if (!(first.flags & VEGO_EXACT_CODED))
	{
		value->bytes = room->stored;
		return length == first.bytes ? NULL :
			"exact vector has an impossible length";
	}
	if (codec == NULL)
		return "exact vector is coded, in an index that is not";
	value->bytes = room->elements;
	return vego_codec_decode(codec, room->stored, length, room->elements,
							 first.bytes);
}

VegoExactStored
vego_exact_encode(VegoCodec *codec, VegoExactRoom *room,
				  const ItemPointerData *tid, VegoExactValue value)
{
	VegoExactStored stored;

	memset(&stored, 0, sizeof(stored));
	if (tid)
		stored.head.tid = *tid;
	else
		stored.head.flags = VEGO_EXACT_DICTIONARY;
	stored.head.bytes = value.length;
	if (codec && tid)
		stored.length = vego_codec_encode(codec, value.bytes, value.length,
										  room->stored);
	if (stored.length > 0)
	{
		stored.head.flags |= VEGO_EXACT_CODED;
		stored.bytes = room->stored;
	}
	else
	{
		stored.bytes = value.bytes;
		stored.length = value.length;
	}
	return stored;
}

int
vego_exact_put(Page page, BlockNumber block, const VegoExactStored *stored,
			   int left, VegoExactPlace *place)
{
	VegoExactHead head = stored->head;
	int			taken;

	if (vego_exact_place_is_set(*place))
		head.flags |= VEGO_EXACT_MORE;
	taken = vego_exact_piece(left, vego_exact_page_room(page), head.flags);
	if (taken == 0)
		return left;
	if (taken < left)
		head.flags |= VEGO_EXACT_REST;
	place->item = vego_exact_page_add(page, &head, *place,
									  stored->bytes + left - taken, taken);
	place->block = block;
	place->unused = 0;
	return left - taken;
}
