/*
 * record.h
 *	  What the index's WAL records are for.
 *
 * Every record has one of these purposes, and pageedit.c writes it.  In WAL all
 * look alike; the names are for whoever stops the server before or after one
 * of them (failure.h) and has to know that none was left out.
 */
#ifndef VEGO_RECORD_H
#define VEGO_RECORD_H

typedef enum VegoRecord
{
	/* builds */
	VEGO_RECORD_META,			/* a meta page */
	VEGO_RECORD_INIT_META,		/* the one of an init fork */
	VEGO_RECORD_PAGES,			/* pages of nodes, a run of them */
	VEGO_RECORD_ALL_PAGES,		/* all pages, where vectors are kept */

	/* inserts */
	VEGO_RECORD_VECTOR,			/* a piece of an exact vector */
	VEGO_RECORD_VECTOR_PAGE,	/* the same on a new page */
	VEGO_RECORD_NODE,			/* a node in a free slot */
	VEGO_RECORD_NODE_PAGE,		/* the same on a new page */
	VEGO_RECORD_LINKS_BACK,		/* links to a new node, four pages of them */
	VEGO_RECORD_BINDING,		/* one that must be, by insert or vacuum */
	VEGO_RECORD_ENTRY,			/* the entry */
	VEGO_RECORD_RADIUS,			/* the radius of the lift */
	VEGO_RECORD_SIGNPOSTS,		/* signposts, by all; four pages of them */

	/* vacuum */
	VEGO_RECORD_BURY,			/* live slots of a page become dead */
	VEGO_RECORD_REPAIR,			/* links to dead nodes are replaced */
	VEGO_RECORD_RELINK,			/* a node with few links gets more */
	VEGO_RECORD_VECTORS_GONE,	/* exact vectors of a page are removed */
	VEGO_RECORD_FREE,			/* dead slots of a page become free */

	VEGO_RECORDS
} VegoRecord;

#endif							/* VEGO_RECORD_H */
