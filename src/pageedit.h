/*
 * pageedit.h
 *	  Changing pages: begin, open pages, put bytes, commit.  All WAL of vego is
 *	  written here.
 *
 * An edit is one WAL record over at most VEGO_EDIT_PAGES pages.  Bytes that are
 * put are gathered beside the pages; the commit writes them to the pages and
 * logs them, so what changes is what replay will change.  An error before the
 * commit leaves the pages untouched, and the transaction's end releases locks
 * and pins.
 *
 * The records are those of generic WAL, whose replay is in every server.  Its
 * functions are not used: they copy whole pages and compare them byte by byte
 * to find out what has changed, under the locks, which costs a hundred times
 * what the change does, and here it is known.
 *
 * Unlogged and temporary relations take the same path, without the record, but
 * for the init fork of an unlogged index, from which a crash makes it again.
 */
#ifndef VEGO_PAGEEDIT_H
#define VEGO_PAGEEDIT_H

#include "access/generic_xlog.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "record.h"

/* Replay of a generic record knows so many. */
#define VEGO_EDIT_PAGES MAX_GENERIC_XLOG_PAGES

/* A page's bytes, each once, in as many pieces as there can be. */
#define VEGO_EDIT_ROOM (2 * BLCKSZ)

typedef struct VegoEditPage
{
	Buffer		buffer;
	const char *image;			/* what a new page becomes, or NULL */
	uint32		used;			/* bytes of the delta */
	char		delta[VEGO_EDIT_ROOM];	/* (offset, length, bytes) ... */
} VegoEditPage;

typedef struct VegoPageEdit
{
	Relation	rel;
	VegoRecord	record;
	int			count;
	VegoEditPage pages[VEGO_EDIT_PAGES];
} VegoPageEdit;

extern void vego_edit_begin(VegoPageEdit *edit, Relation rel,
							VegoRecord record);

/*
 * The page to change next.  The buffer is pinned and exclusively locked by the
 * caller and belongs to the edit from now on.  Pages must be opened in
 * ascending order of block, the order in which replay locks them.
 */
extern void vego_edit_open(VegoPageEdit *edit, Buffer buffer);

/*
 * The same for a page that is new: it becomes the image, which must stay until
 * the commit, and is logged whole.
 */
extern void vego_edit_open_new(VegoPageEdit *edit, Buffer buffer,
							   const char *image);

/*
 * Puts bytes at an address within the page opened last, which still shows what
 * was there before.  They are copied.
 */
extern void vego_edit_put(VegoPageEdit *edit, const void *at,
						  const void *bytes, int length);

/*
 * Applies and logs the changes, then unlocks and unpins every page.  Without
 * a page opened it does nothing.
 */
extern void vego_edit_commit(VegoPageEdit *edit);

/*
 * Logs pages first .. end - 1 of a build, which are written and final, whole and
 * in as few records as will hold them.
 */
extern void vego_edit_log_pages(Relation rel, VegoRecord record,
								BlockNumber first, BlockNumber end);

#endif							/* VEGO_PAGEEDIT_H */
