/*
 * inspect.h
 *	  Opening an index to look into it, for those who may.
 */
#ifndef VEGO_INSPECT_H
#define VEGO_INSPECT_H

#include "postgres.h"

#include "access/tableam.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct VegoInspection
{
	Relation	heap;
	Relation	index;
} VegoInspection;

/*
 * Opens a vego index and its table, AccessShareLock on both.  Errors: not a
 * vego index; not valid; a temporary one of another session; the caller is
 * neither a superuser nor an owner of the table.
 */
extern VegoInspection vego_inspection_open(Oid index);
extern void vego_inspection_close(VegoInspection inspection);

/*
 * Expressions and predicates of the index are run as the table's owner, with
 * the search path that newer servers give to maintenance commands, and with
 * settings that end when the owner is left, or with an error.
 */
typedef struct VegoOwner
{
	Oid			user;			/* who called */
	int			security;
	int			settings;
} VegoOwner;

extern VegoOwner vego_inspection_become_owner(VegoInspection inspection);
extern void vego_inspection_leave_owner(VegoOwner owner);

/*
 * The rows that the snapshot sees and the index should have, in one pass over
 * the table from its first block, with the TIDs that an index build would see:
 * those of the roots of HOT chains.
 */
extern void vego_inspection_scan(VegoInspection inspection, Snapshot snapshot,
								 IndexBuildCallback callback, void *arg);

/* A function's argument, if it is between its limits; an error if it is not. */
extern int64 vego_argument(const char *name, bool isnull, int64 value,
						   int64 least, int64 most);

#endif							/* VEGO_INSPECT_H */
