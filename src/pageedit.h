/*
 * pageedit.h
 *	  Changing pages: begin, open pages, change, commit.  The only user of
 *	  generic WAL.
 *
 * An edit is one WAL record over at most VEGO_EDIT_PAGES pages.  Between the
 * first open and the commit nothing may raise an error that is not meant to
 * throw the edit away: pages are changed in copies, and an error leaves the
 * real pages untouched and lets the transaction's end release locks and pins.
 *
 * Unlogged and temporary relations take the same path; generic WAL then just
 * copies the pages back.
 */
#ifndef VEGO_PAGEEDIT_H
#define VEGO_PAGEEDIT_H

#include "access/generic_xlog.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#define VEGO_EDIT_PAGES MAX_GENERIC_XLOG_PAGES

typedef struct VegoPageEdit
{
	GenericXLogState *state;
	int			count;
	Buffer		buffers[VEGO_EDIT_PAGES];
} VegoPageEdit;

extern void vego_edit_begin(VegoPageEdit *edit, Relation rel);

/*
 * The page to change.  The buffer is pinned and exclusively locked by the
 * caller and belongs to the edit from now on.  Pages must be opened in
 * ascending order of block, the order in which replay locks them.
 */
extern Page vego_edit_open(VegoPageEdit *edit, Buffer buffer);

/* The same for a page that is new: logged whole. */
extern Page vego_edit_open_new(VegoPageEdit *edit, Buffer buffer);

/*
 * Applies and logs the changes, then unlocks and unpins every page.  Without
 * a page opened it does nothing.
 */
extern void vego_edit_commit(VegoPageEdit *edit);

#endif							/* VEGO_PAGEEDIT_H */
