/*
 * exact_value.h
 *	  A vector from its pieces, and pieces from a vector; whoever has pages
 *	  at hand brings them.
 */
#ifndef VEGO_EXACT_VALUE_H
#define VEGO_EXACT_VALUE_H

#include "exact_code.h"
#include "exact_page.h"

/* The bytes of a vector's elements. */
typedef struct VegoExactValue
{
	const char *bytes;
	int			length;
} VegoExactValue;

/* Where vectors are put together; for vectors of one index. */
typedef struct VegoExactRoom
{
	int			most;			/* bytes a vector takes, at most */
	char	   *stored;			/* as it is on pages, VEGO_CODEC_SLACK ahead */
	char	   *elements;
} VegoExactRoom;

/* Allocates in the current memory context. */
extern VegoExactRoom *vego_exact_make_room(int value_bytes);

/*
 * Brings the page of a block: a copy, or the page itself until `release`.
 * What is wrong, or NULL.
 */
typedef struct VegoExactPages
{
	const char *(*open) (void *arg, BlockNumber block, Page *page);
	void		(*release) (void *arg);
	void	   *arg;
} VegoExactPages;

/*
 * The vector at a place that belongs to a row; no TID asks for a dictionary.
 * Valid until the next in that room.  What is wrong, or NULL.
 */
extern const char *vego_exact_gather(const VegoExactPages *pages,
									 const VegoCodec *codec,
									 VegoExactRoom *room,
									 VegoExactPlace place,
									 const ItemPointerData *tid,
									 VegoExactValue *value);

/* As it is to be stored: without a codec, or when that is smaller, itself. */
typedef struct VegoExactStored
{
	VegoExactHead head;
	const char *bytes;
	int			length;
} VegoExactStored;

extern VegoExactStored vego_exact_encode(VegoCodec *codec,
										 VegoExactRoom *room,
										 const ItemPointerData *tid,
										 VegoExactValue value);

/*
 * Puts as much of the end of what is left of a vector on a page as is
 * sensible, in front of the piece that was put before.  Returns how many bytes
 * are still left; all of them when the page has no room.
 */
extern int	vego_exact_put(Page page, BlockNumber block,
						   const VegoExactStored *stored, int left,
						   VegoExactPlace *place);

#endif							/* VEGO_EXACT_VALUE_H */
