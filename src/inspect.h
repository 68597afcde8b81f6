/*
 * inspect.h
 *	  Opening an index to look into it, for those who may.
 */
#ifndef VEGO_INSPECT_H
#define VEGO_INSPECT_H

#include "postgres.h"

#include "utils/rel.h"

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

#endif							/* VEGO_INSPECT_H */
