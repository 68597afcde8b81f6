/*
 * rowstore.h
 *	  The coded rows of a level that is to be built: in memory as long as they
 *	  fit, then in a temporary file.
 */
#ifndef VEGO_ROWSTORE_H
#define VEGO_ROWSTORE_H

#include "storage/itemptr.h"

#include "rows.h"
#include "streams.h"

/*
 * What goes with a row: in a slot of level 0 its TID, above it the id one level
 * down.
 */
typedef struct VegoStoredRow
{
	ItemPointerData *tid;
	VegoFactors *factors;
	uint8	   *code;
} VegoStoredRow;

typedef struct VegoRowStore
{
	const VegoCoder *coder;
	MemoryContext context;
	uint32		memory_rows;	/* so many are kept in memory at most */
	uint32		count;

	/* in memory, or one row on its way to the file */
	uint32		room;
	ItemPointerData *tids;
	VegoFactors *factors;
	uint8	   *codes;

	VegoStreams *file;			/* all of them, or NULL */
} VegoRowStore;

/* Rows go to the current memory context, and to a file beyond memory_rows. */
extern void vego_rowstore_init(VegoRowStore *store, const VegoCoder *coder,
							   uint32 memory_rows);

/* A row in memory. */
extern VegoStoredRow vego_rowstore_row(const VegoRowStore *store, uint32 row);

/* Room for one more row, to be filled in; it counts once it is kept. */
extern VegoStoredRow vego_rowstore_next(VegoRowStore *store);
extern void vego_rowstore_keep(VegoRowStore *store);

/*
 * No more rows will come.  Those in a file can now be read one by one, again
 * and again; what vego_rowstore_read returns holds until the next call.
 */
extern void vego_rowstore_finish(VegoRowStore *store);
extern void vego_rowstore_rewind(VegoRowStore *store);
extern VegoStoredRow vego_rowstore_read(VegoRowStore *store);

extern void vego_rowstore_free(VegoRowStore *store);

/* Bytes a row takes in memory. */
static inline Size
vego_rowstore_row_bytes(const VegoCoder *coder)
{
	return sizeof(ItemPointerData) + sizeof(VegoFactors) + coder->code_bytes;
}

#endif							/* VEGO_ROWSTORE_H */
