/*
 * rowstore.c
 *	  Where are the rows of a level until it is built?
 */
#include "postgres.h"

#include "rowstore.h"

/* Room that a store begins with. */
#define FIRST_ROOM 1024

void
vego_rows_pool_init(VegoRowsPool *pool, uint32 most, uint32 step)
{
	pool->most = most;
	pool->step = step;
	pg_atomic_init_u32(&pool->taken, 0);
}

static void
allocate_rows(VegoRowStore *store, uint32 room)
{
	MemoryContext old = MemoryContextSwitchTo(store->context);

	store->room = room;
	store->tids = vego_allocate(room, sizeof(ItemPointerData));
	store->factors = vego_allocate(room, sizeof(VegoFactors));
	store->codes = vego_allocate(room, store->coder->code_bytes);
	MemoryContextSwitchTo(old);
}

static void
free_rows(VegoRowStore *store)
{
	pfree(store->tids);
	pfree(store->factors);
	pfree(store->codes);
}

void
vego_rowstore_init(VegoRowStore *store, const VegoCoder *coder,
				   VegoRowsPool *pool)
{
	memset(store, 0, sizeof(*store));
	store->coder = coder;
	store->context = CurrentMemoryContext;
	store->pool = pool;
	allocate_rows(store, Max(1, Min(pool->most, FIRST_ROOM)));
}

void
vego_rowstore_set_file(VegoRowStore *store, SharedFileSet *set,
					   const char *name)
{
	store->set = set;
	store->name = MemoryContextStrdup(store->context, name);
}

/* The place of a row in memory. */
static VegoStoredRow
row_at(VegoRowStore *store, uint32 row)
{
	VegoStoredRow stored;

	stored.tid = &store->tids[row];
	stored.factors = &store->factors[row];
	stored.code = store->codes + (Size) row * store->coder->code_bytes;
	return stored;
}

static void
add_file(VegoRowStore *store, VegoStreams *file)
{
	if (store->files == NULL)
		store->files = MemoryContextAlloc(store->context, sizeof(VegoStreams *));
	else
		store->files = repalloc(store->files, (store->file_count + 1) *
								sizeof(VegoStreams *));
	store->files[store->file_count++] = file;
}

/* Every field of its own, so that rows in files have no padding. */
static void
append_to_file(VegoRowStore *store, VegoStoredRow row)
{
	VegoStreams *file = store->files[0];

	vego_streams_append(file, 0, row.tid, sizeof(ItemPointerData));
	vego_streams_append(file, 0, row.factors, sizeof(VegoFactors));
	vego_streams_append(file, 0, row.code, store->coder->code_bytes);
}

void
vego_rowstore_spill(VegoRowStore *store)
{
	MemoryContext old;

	if (!vego_rowstore_in_memory(store))
		return;
	old = MemoryContextSwitchTo(store->context);
	add_file(store, store->set ?
			 vego_streams_new_shared(store->set, store->name) :
			 vego_streams_new(1, BLCKSZ));
	MemoryContextSwitchTo(old);
	for (uint32 row = 0; row < store->count; row++)
		append_to_file(store, row_at(store, row));
	free_rows(store);
	allocate_rows(store, 1);
}

static void
make_room(VegoRowStore *store)
{
	Size		room = Min((Size) store->room * 2,
						   Max((Size) store->pool->most, store->room + 1));

	store->tids = repalloc_huge(store->tids, room * sizeof(ItemPointerData));
	store->factors = repalloc_huge(store->factors,
								   room * sizeof(VegoFactors));
	store->codes = repalloc_huge(store->codes,
								 room * store->coder->code_bytes);
	store->room = (uint32) room;
}

/* Asks for more rows in memory. */
static bool
is_granted(VegoRowStore *store)
{
	VegoRowsPool *pool = store->pool;

	if (store->count < store->granted)
		return true;
	if (vego_rows_pool_is_exhausted(pool) ||
		pg_atomic_add_fetch_u32(&pool->taken, pool->step) > pool->most)
		return false;
	store->granted += pool->step;
	return true;
}

VegoStoredRow
vego_rowstore_next(VegoRowStore *store)
{
	if (vego_rowstore_in_memory(store) && !is_granted(store))
		vego_rowstore_spill(store);
	if (!vego_rowstore_in_memory(store))
		return row_at(store, 0);
	if (store->count == store->room)
		make_room(store);
	return row_at(store, store->count);
}

void
vego_rowstore_keep(VegoRowStore *store)
{
	if (!vego_rowstore_in_memory(store))
		append_to_file(store, row_at(store, 0));
	store->count++;
}

void
vego_rowstore_finish(VegoRowStore *store)
{
	if (!vego_rowstore_in_memory(store))
		vego_streams_seal(store->files[0]);
}

void
vego_rowstore_add_file(VegoRowStore *store, SharedFileSet *set,
					   const char *name, uint32 count)
{
	MemoryContext old = MemoryContextSwitchTo(store->context);

	add_file(store, vego_streams_open_shared(set, name,
											 count * vego_rowstore_row_bytes(store->coder)));
	store->count += count;
	MemoryContextSwitchTo(old);
}

/* Reading goes on from the front of a file. */
static void
open_file(VegoRowStore *store, int file)
{
	store->reading = file;
	store->left = vego_streams_length(store->files[file], 0) /
		vego_rowstore_row_bytes(store->coder);
	vego_streams_rewind(store->files[file], 0);
}

void
vego_rowstore_rewind(VegoRowStore *store)
{
	open_file(store, 0);
}

VegoStoredRow
vego_rowstore_read(VegoRowStore *store)
{
	VegoStoredRow row = row_at(store, 0);
	VegoStreams *file;

	while (store->left == 0)
		open_file(store, store->reading + 1);
	store->left--;
	file = store->files[store->reading];
	vego_streams_read(file, row.tid, sizeof(ItemPointerData));
	vego_streams_read(file, row.factors, sizeof(VegoFactors));
	vego_streams_read(file, row.code, store->coder->code_bytes);
	return row;
}

void
vego_rowstore_free(VegoRowStore *store)
{
	free_rows(store);
	for (int i = 0; i < store->file_count; i++)
		vego_streams_free(store->files[i]);
	if (store->files)
		pfree(store->files);
}
