/*
 * build_shards.c
 *	  What becomes of levels whose rows do not fit memory?
 *
 * Each is built in shards, and its nodes are written as they come; one in
 * VEGO_LEVEL_FANOUT is a row of the next level, which may not fit either.
 */
#include "postgres.h"

#include "miscadmin.h"

#include "build.h"

/* The level that is being built, and what it leaves for the next one. */
typedef struct ShardedLevel
{
	VegoPageWriter *writer;
	int			level;
	VegoNodeId	base;
	VegoRowStore next;
	uint32		next_entry;
	VegoNodeId	entry;
} ShardedLevel;

/* Writes a node, and keeps its row for the next level if it is on that. */
static void
emit_node(void *arg, const VegoShardNode *node)
{
	ShardedLevel *level = arg;
	VegoNodeId	id = level->writer->next_id;
	uint32		position = id - level->base;

	if (node->is_entry)
	{
		level->entry = id;
		level->next_entry = level->next.count;
	}
	if (node->is_entry ||
		position % VEGO_LEVEL_FANOUT == VEGO_LEVEL_FANOUT / 2)
	{
		VegoStoredRow row = vego_rowstore_next(&level->next);
		VegoSlot	down;

		vego_slot_set_down(&down, id);
		*row.tid = down.tid;
		*row.factors = *node->row.factors;
		memcpy(row.code, node->row.code, level->next.coder->code_bytes);
		vego_rowstore_keep(&level->next);
	}
	vego_page_writer_add(level->writer, level->level, node);
}

/* Stages of a shard only let us look for interrupts. */
static void
report_shards(void *arg, int phase, int64 done, int64 total)
{
	VegoBuild  *build = arg;

	if (phase < VEGO_PHASE_DISTRIBUTE)
		CHECK_FOR_INTERRUPTS();
	else
		vego_build_progress(build->first_level == 0 ?
							VEGO_SUBPHASE_GRAPH + phase : VEGO_SUBPHASE_UPPER,
							done, total);
}

static void
build_level(VegoBuild *build, VegoPageWriter *writer)
{
	ShardedLevel level = {writer, build->first_level, writer->next_id};
	VegoShardsOptions options = {vego_build_options(build)};

	options.partition.progress = report_shards;
	options.memory = vego_build_memory();
	options.entry = build->entry_row;
	options.emit = emit_node;
	options.emit_arg = &level;
	build->base[build->first_level] = level.base;
	vego_rows_pool_init(&build->pool, vego_build_rows_in_memory(build), 1);
	vego_rowstore_init(&level.next, &build->coder, &build->pool);
	vego_shards_build(&build->store, &options);
	vego_rowstore_finish(&level.next);
	build->store = level.next;
	build->entry_row = level.next_entry;
	build->levels = ++build->first_level;
}

void
vego_build_in_shards(VegoBuild *build)
{
	VegoPageWriter *writer;

	if (vego_rowstore_in_memory(&build->store))
		return;
	writer = palloc(sizeof(VegoPageWriter));
	vego_page_writer_init(writer, build);
	while (!vego_rowstore_in_memory(&build->store))
		build_level(build, writer);
	vego_page_writer_end(writer);
	build->base[build->first_level] = writer->next_id;
	vego_build_take_rows(build, &build->store);
	pfree(writer);
}
