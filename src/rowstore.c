/*
 * rowstore.c
 *	  Where are the rows of a level until it is built?
 */
#include "postgres.h"

#include "rowstore.h"

/* Room that a store begins with. */
#define FIRST_ROOM 1024

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
				   uint32 memory_rows)
{
	memset(store, 0, sizeof(*store));
	store->coder = coder;
	store->context = CurrentMemoryContext;
	store->memory_rows = memory_rows;
	allocate_rows(store, Max(1, Min(memory_rows, FIRST_ROOM)));
}

VegoStoredRow
vego_rowstore_row(const VegoRowStore *store, uint32 row)
{
	VegoStoredRow stored;

	stored.tid = &store->tids[row];
	stored.factors = &store->factors[row];
	stored.code = store->codes + (Size) row * store->coder->code_bytes;
	return stored;
}

static void
append_to_file(VegoRowStore *store, VegoStoredRow row)
{
	vego_streams_append(store->file, 0, row.tid, sizeof(ItemPointerData));
	vego_streams_append(store->file, 0, row.factors, sizeof(VegoFactors));
	vego_streams_append(store->file, 0, row.code, store->coder->code_bytes);
}

/* Rows have reached the memory they may have: they all go to a file. */
static void
move_to_file(VegoRowStore *store)
{
	MemoryContext old = MemoryContextSwitchTo(store->context);

	store->file = vego_streams_new(1, BLCKSZ);
	MemoryContextSwitchTo(old);
	for (uint32 row = 0; row < store->count; row++)
		append_to_file(store, vego_rowstore_row(store, row));
	free_rows(store);
	allocate_rows(store, 1);
}

static void
make_room(VegoRowStore *store)
{
	Size		room = Min((Size) store->room * 2, store->memory_rows);

	store->tids = repalloc_huge(store->tids, room * sizeof(ItemPointerData));
	store->factors = repalloc_huge(store->factors,
								   room * sizeof(VegoFactors));
	store->codes = repalloc_huge(store->codes,
								 room * store->coder->code_bytes);
	store->room = (uint32) room;
}

VegoStoredRow
vego_rowstore_next(VegoRowStore *store)
{
	if (store->file == NULL && store->count == store->memory_rows)
		move_to_file(store);
	if (store->file)
		return vego_rowstore_row(store, 0);
	if (store->count == store->room)
		make_room(store);
	return vego_rowstore_row(store, store->count);
}

void
vego_rowstore_keep(VegoRowStore *store)
{
	if (store->file)
		append_to_file(store, vego_rowstore_row(store, 0));
	store->count++;
}

void
vego_rowstore_finish(VegoRowStore *store)
{
	if (store->file)
		vego_streams_seal(store->file);
}

void
vego_rowstore_rewind(VegoRowStore *store)
{
	vego_streams_rewind(store->file, 0);
}

VegoStoredRow
vego_rowstore_read(VegoRowStore *store)
{
	VegoStoredRow row = vego_rowstore_row(store, 0);

	vego_streams_read(store->file, row.tid, sizeof(ItemPointerData));
	vego_streams_read(store->file, row.factors, sizeof(VegoFactors));
	vego_streams_read(store->file, row.code, store->coder->code_bytes);
	return row;
}

void
vego_rowstore_free(VegoRowStore *store)
{
	free_rows(store);
	if (store->file)
		vego_streams_free(store->file);
}
