/*
 * rowstore.h
 *	  The coded rows of a level that is to be built: in memory as long as they
 *	  fit, then in temporary files.
 */
#ifndef VEGO_ROWSTORE_H
#define VEGO_ROWSTORE_H

#include "port/atomics.h"
#include "storage/itemptr.h"
#include "storage/sharedfileset.h"

#include "rows.h"
#include "streams.h"

/*
 * A row's place: its TID is that of the heap on level 0, and above it the id
 * one level down, as in a slot.
 */
typedef struct VegoStoredRow
{
	ItemPointerData *tid;
	VegoFactors *factors;
	uint8	   *code;
} VegoStoredRow;

/* Rows that all stores of a level may keep in memory together. */
typedef struct VegoRowsPool
{
	uint32		most;
	uint32		step;			/* a store asks for so many at once */
	pg_atomic_uint32 taken;
} VegoRowsPool;

typedef struct VegoRowStore
{
	const VegoCoder *coder;
	MemoryContext context;
	VegoRowsPool *pool;
	uint32		granted;		/* rows it may keep in memory */
	uint32		count;

	/* in memory, or one row on its way to or from a file */
	uint32		room;
	ItemPointerData *tids;
	VegoFactors *factors;
	uint8	   *codes;

	/* when not in memory: its own file, if it has one, then those of others */
	VegoStreams **files;
	int			file_count;
	int			reading;
	uint64		left;			/* rows in the file that is being read */

	/* where its file is to be, when another process will read it */
	SharedFileSet *set;
	const char *name;
} VegoRowStore;

extern void vego_rows_pool_init(VegoRowsPool *pool, uint32 most, uint32 step);

/* Once a store has asked for more, all of a level's rows will go to files. */
static inline bool
vego_rows_pool_is_exhausted(VegoRowsPool *pool)
{
	return pg_atomic_read_u32(&pool->taken) > pool->most;
}

/* Rows go to the current memory context, and to a file beyond the pool. */
extern void vego_rowstore_init(VegoRowStore *store, const VegoCoder *coder,
							   VegoRowsPool *pool);

/* Where its file will be, should it need one, for another process to read. */
extern void vego_rowstore_set_file(VegoRowStore *store, SharedFileSet *set,
								   const char *name);

/* Room for one more row, to be filled in; it counts once it is kept. */
extern VegoStoredRow vego_rowstore_next(VegoRowStore *store);
extern void vego_rowstore_keep(VegoRowStore *store);

/* Rows that are in memory go to a file. */
extern void vego_rowstore_spill(VegoRowStore *store);

static inline bool
vego_rowstore_in_memory(const VegoRowStore *store)
{
	return store->files == NULL;
}

/* No more rows will be kept, so that a file can be read. */
extern void vego_rowstore_finish(VegoRowStore *store);

/* Adds the rows of another process's finished store, which had this name. */
extern void vego_rowstore_add_file(VegoRowStore *store, SharedFileSet *set,
								   const char *name, uint32 count);

/*
 * Reads rows in files one by one, again and again; what vego_rowstore_read
 * returns holds until the next call.
 */
extern void vego_rowstore_rewind(VegoRowStore *store);
extern VegoStoredRow vego_rowstore_read(VegoRowStore *store);

extern void vego_rowstore_free(VegoRowStore *store);

/* Bytes a row takes in memory, or in a file. */
static inline Size
vego_rowstore_row_bytes(const VegoCoder *coder)
{
	return sizeof(ItemPointerData) + sizeof(VegoFactors) + coder->code_bytes;
}

#endif							/* VEGO_ROWSTORE_H */
