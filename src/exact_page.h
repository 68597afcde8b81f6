/*
 * exact_page.h
 *	  Pages of exact vectors: what is on disk, and pure functions over it.
 *
 * An ordinary page with line pointers, which never move, and items behind them,
 * which do when another is removed.  An item is a vector, or a piece of one:
 * this head, where the next piece is if there is one, and the bytes.  Bytes
 * are those of the vector's elements, or what exact_code.c has made of them.
 *
 * Nothing here locks, pins, logs or raises errors.
 */
#ifndef VEGO_EXACT_PAGE_H
#define VEGO_EXACT_PAGE_H

#include "page.h"

#define VEGO_EXACT_CODED 0x01	/* by exact_code.c; else the elements */
#define VEGO_EXACT_MORE 0x02	/* a VegoExactPlace follows, of the next piece */
#define VEGO_EXACT_REST 0x04	/* not the first piece */
#define VEGO_EXACT_DICTIONARY 0x08	/* no vector at all */
#define VEGO_EXACT_FLAGS 0x0F

/*
 * The TID is the proof of whose vector it is, in each piece: src/README, "Exact
 * vectors", says why that is enough.
 */
typedef struct VegoExactHead
{
	ItemPointerData tid;		/* invalid in a dictionary */
	uint8		flags;
	uint8		unused;
	uint32		bytes;			/* of the vector's elements, uncoded */
} VegoExactHead;

StaticAssertDecl(sizeof(VegoExactHead) == 12, "no padding on disk");

/* What an empty page has room for, head included. */
#define VEGO_EXACT_PAGE_ROOM \
	((int) MAXALIGN_DOWN(VEGO_PAGE_ROOM - sizeof(ItemIdData)))

/* Less than this is not taken from a page for a part of a vector. */
#define VEGO_EXACT_LEAST_PIECE (BLCKSZ / 4)

/* Bytes in front of a piece's own. */
static inline int
vego_exact_head_bytes(int flags)
{
	return sizeof(VegoExactHead) +
		(flags & VEGO_EXACT_MORE ? sizeof(VegoExactPlace) : 0);
}

/* An item as it lies on a page; head is NULL where there is none. */
typedef struct VegoExactItem
{
	VegoExactHead *head;
	char	   *bytes;
	int			length;			/* of these bytes */
	VegoExactPlace next;		/* the next piece, or nowhere */
} VegoExactItem;

/*
 * The item of that number.  What is wrong with it, or NULL: that there is none
 * is not a fault.
 */
extern const char *vego_exact_page_item(Page page, OffsetNumber number,
										VegoExactItem *item);

/* How many bytes a new item may have, its head included; 0 when full. */
extern int	vego_exact_page_room(Page page);

/*
 * How much of a vector's `left` bytes to put where there is so much room:
 * all, a good part, or 0 when another page should be taken.
 */
extern int	vego_exact_piece(int left, int room, int flags);

/*
 * Adds an item; the page has room for it.  Returns its number.
 */
extern OffsetNumber vego_exact_page_add(Page page, const VegoExactHead *head,
										VegoExactPlace next,
										const char *bytes, int length);

/* Removes an item of a page without a fault; other numbers stay. */
extern void vego_exact_page_remove(Page page, OffsetNumber number);

/* What is wrong with the page or any of its items, or NULL. */
extern const char *vego_exact_page_fault(Page page);

#endif							/* VEGO_EXACT_PAGE_H */
