/*
 * build_pages.c
 *	  How do levels become slots, and slots pages?
 *
 * Slots are written in the order of ids, so what is on a page is known before:
 * pages can be written by any process and in any order, a run of them at a
 * time.  A page is logged right after it is written, for it is final then, or at
 * the very end in an index that keeps exact vectors.
 */
#include "postgres.h"

#include "access/xlogrecord.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "build.h"
#include "compat.h"
#include "pageedit.h"

/* Pages that are written and then logged together: what a record can hold. */
#define RUN_PAGES XLR_MAX_BLOCK_ID

/* All that slots are made of, addresses as references. */
typedef struct LevelOrder
{
	VegoLevel	level;
	VegoNodeId	base;
	VegoReference factors;
	VegoReference codes;
	VegoReference rows;
	VegoReference degrees;
	VegoReference links;
	VegoReference down;
} LevelOrder;

typedef struct PagesOrder
{
	uint64		stamp;
	bool		logged;
	VegoReference tids;
	int			first_level;
	int			levels;
	LevelOrder	level[VEGO_MAX_LEVEL + 1];
} PagesOrder;

StaticAssertDecl(sizeof(PagesOrder) <= VEGO_ORDER_BYTES,
				 "an order must fit");

/* ----------------------------------------------------------------
 *		Meta pages
 * ----------------------------------------------------------------
 */

/* A new page at the end of the index, exclusively locked. */
static Buffer
new_page(Relation index, ForkNumber fork)
{
	return fork == MAIN_FORKNUM ? vego_compat_extend(index) :
		ReadBufferExtended(index, fork, P_NEW, RBM_ZERO_AND_LOCK, NULL);
}

/* Fills in a meta page, which is locked, and releases it. */
static void
fill_meta(Relation index, VegoRecord record, Buffer buffer,
		  const VegoMeta *meta, const float *centre)
{
	PGAlignedBlock image;
	Page		page = (Page) image.data;
	VegoCentrePart part =
		vego_centre_part(vego_centre_dims(meta->dims, meta->bits),
						 BufferGetBlockNumber(buffer));
	VegoPageEdit edit;

	vego_page_init(page, VEGO_PAGE_META);
	if (BufferGetBlockNumber(buffer) == 0)
		memcpy(vego_page_meta(page), meta, sizeof(VegoMeta));
	if (centre)
		memcpy((char *) page + part.offset, centre + part.first,
			   part.count * sizeof(float));
	((PageHeader) page)->pd_lower = part.offset + part.count * sizeof(float);
	vego_edit_begin(&edit, index, record);
	vego_edit_open_new(&edit, buffer, image.data);
	vego_edit_commit(&edit);
}

/* A page of signposts that point to nobody, which is locked. */
static void
fill_signposts(Relation index, VegoRecord record, Buffer buffer,
			   const VegoGeometry *geometry)
{
	PGAlignedBlock image;
	Page		page = (Page) image.data;
	uint32		first;
	int			count = vego_signposts_on_page(geometry,
											   BufferGetBlockNumber(buffer),
											   &first);
	VegoNodeId *signposts = vego_page_signpost(page, first);
	VegoPageEdit edit;

	vego_page_init(page, VEGO_PAGE_SIGNPOSTS);
	for (int i = 0; i < count; i++)
		signposts[i] = VEGO_NO_NODE;
	((PageHeader) page)->pd_lower = (char *) (signposts + count) -
		(char *) page;
	vego_edit_begin(&edit, index, record);
	vego_edit_open_new(&edit, buffer, image.data);
	vego_edit_commit(&edit);
}

static void
write_meta(Relation index, ForkNumber fork, const VegoMeta *meta,
		   const float *centre)
{
	VegoRecord	record = fork == INIT_FORKNUM ? VEGO_RECORD_INIT_META :
		VEGO_RECORD_META;
	int			dims = vego_centre_dims(meta->dims, meta->bits);
	VegoGeometry geometry;
	VegoCentrePart part;
	BlockNumber block = 0;

	do
	{
		part = vego_centre_part(dims, block++);
		fill_meta(index, record, new_page(index, fork), meta, centre);
	} while (part.first + part.count < dims);

	vego_geometry_init(&geometry, meta->dims, meta->bits, meta->m, meta->exact);
	for (; block < geometry.first_block; block++)
		fill_signposts(index, record, new_page(index, fork), &geometry);
}

static VegoMeta
make_meta(const VegoBuild *build)
{
	VegoMeta	meta = {0};

	meta.magic = VEGO_META_MAGIC;
	meta.format = VEGO_FORMAT_VERSION;
	meta.stamp = build->stamp;
	meta.metric = build->coder.metric;
	meta.bits = build->shape.bits;
	meta.dims = build->shape.dims;
	meta.m = build->shape.m;
	meta.exact = build->shape.exact;
	if (meta.exact != VEGO_EXACT_OFF)
	{
		meta.element_bytes = build->opclass->type->element_bytes;
		meta.value_bytes = vego_value_most_bytes(build->opclass,
												 build->shape.dims);
		meta.stored_bytes = vego_exact_expected_bytes(&meta);
	}
	meta.has_centre = build->centre != NULL;
	meta.radius = build->coder.radius;
	meta.entry = VEGO_NO_NODE;
	meta.entry = build->entry;
	if (build->levels > 0)
		meta.entry_level = build->levels - 1;
	return meta;
}

void
vego_build_write_meta(VegoBuild *build)
{
	VegoMeta	meta = make_meta(build);
	VegoGeometry geometry;

	write_meta(build->index, MAIN_FORKNUM, &meta, build->centre);
	vego_geometry_init(&geometry, meta.dims, meta.bits, meta.m, meta.exact);
	if (geometry.signposts > 0)
		build->signposts = vego_signposts_draft(&geometry);
}

/* A node of level 0 may be what a signpost points to. */
static void
offer_to_signposts(VegoBuild *build, VegoNodeId id, const VegoFactors *factors,
				   const uint8 *code)
{
	if (build->signposts)
		vego_signposts_draft_offer(build->signposts, id, factors, code);
}

/* The index is complete but for these. */
void
vego_build_write_signposts(VegoBuild *build)
{
	if (build->signposts)
		vego_signposts_write(vego_nodes_open(build->index), build->signposts);
}

/* Searches begin at the entry, which is known when all levels have been built. */
void
vego_build_write_entry(VegoBuild *build)
{
	VegoMeta	meta = make_meta(build);

	fill_meta(build->index, VEGO_RECORD_META,
			  ReadBufferExtended(build->index, MAIN_FORKNUM, 0,
								 RBM_ZERO_AND_LOCK, NULL),
			  &meta, build->centre);
}

/* Fills in the slot of a node of a level. */
static void
fill_slot(const VegoBuild *build, const VegoGeometry *geometry,
		  VegoSlot *slot, VegoNodeId id, int level, const VegoShardNode *node)
{
	VegoLink   *links = vego_slot_links(geometry, slot);

	slot->kind = VEGO_SLOT_LIVE;
	slot->level = level;
	slot->degree = node->degree;
	slot->check = vego_slot_check(build->stamp, id);
	slot->tid = *node->row.tid;
	/* positions in the level become ids; the binding bit stays */
	for (int i = 0; i < node->degree; i++)
		links[i] = node->links[i] + build->base[level];
	*vego_slot_factors(geometry, slot) = *node->row.factors;
	memcpy(vego_slot_code(geometry, slot), node->row.code,
		   geometry->code_bytes);
}

/* ----------------------------------------------------------------
 *		Node pages in order
 * ----------------------------------------------------------------
 */

void
vego_page_writer_init(VegoPageWriter *writer, VegoBuild *build)
{
	writer->build = build;
	vego_geometry_init(&writer->geometry, build->shape.dims, build->shape.bits,
					   build->shape.m, build->shape.exact);
	vego_page_init(writer->page.data, VEGO_PAGE_NODES);
	writer->place = 0;
	writer->next_id = 0;
	writer->logged = writer->geometry.first_block;
}

/* Nodes with exact vectors are told the places of these later. */
static bool
is_logged_at_once(const VegoBuild *build)
{
	return RelationNeedsWAL(build->index) && build->spool == NULL;
}

/* Logs pages that have been written, a run of them unless these are all. */
static void
log_pages(VegoPageWriter *writer, BlockNumber end, bool all)
{
	if (end - writer->logged < RUN_PAGES && !(all && end > writer->logged))
		return;
	if (is_logged_at_once(writer->build))
		vego_edit_log_pages(writer->build->index, VEGO_RECORD_PAGES,
							writer->logged, end);
	writer->logged = end;
}

static void
append_page(VegoPageWriter *writer)
{
	Buffer		buffer;
	BlockNumber block;

	CHECK_FOR_INTERRUPTS();
	((PageHeader) writer->page.data)->pd_lower = SizeOfPageHeaderData +
		writer->place * writer->geometry.slot_bytes;
	buffer = new_page(writer->build->index, MAIN_FORKNUM);
	block = BufferGetBlockNumber(buffer);
	memcpy(BufferGetPage(buffer), writer->page.data, BLCKSZ);
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
	vego_page_init(writer->page.data, VEGO_PAGE_NODES);
	writer->place = 0;
	log_pages(writer, block + 1, false);
}

void
vego_page_writer_add(VegoPageWriter *writer, int level,
					 const VegoShardNode *node)
{
	const VegoBuild *build = writer->build;
	const VegoGeometry *geometry = &writer->geometry;
	VegoSlot   *slot = vego_page_slot(geometry, writer->page.data,
									  writer->place++);

	if (level == 0)
		offer_to_signposts(writer->build, writer->next_id, node->row.factors,
						   node->row.code);
	fill_slot(build, geometry, slot, writer->next_id++, level, node);
	if (writer->place == geometry->per_page)
		append_page(writer);
}

/* The slots that remain on the last page are free. */
void
vego_page_writer_end(VegoPageWriter *writer)
{
	BlockNumber end;

	if (writer->place > 0)
		append_page(writer);
	end = RelationGetNumberOfBlocks(writer->build->index);
	log_pages(writer, end, true);
	writer->next_id = vego_node_id(&writer->geometry, end, 0);
}

/* ----------------------------------------------------------------
 *		Node pages by anyone
 * ----------------------------------------------------------------
 */

/* The node of a level that is in memory. */
static void
write_slot(const VegoBuild *build, const VegoGeometry *geometry, int at,
		   uint32 number, VegoSlot *slot)
{
	const VegoLevel *level = &build->level[at];
	const VegoRows *rows = &build->rows[at];
	VegoSlot	down;
	VegoShardNode node;

	if (at > build->first_level)
	{
		vego_slot_set_down(&down, build->down[at][number]);
		node.row.tid = &down.tid;
	}
	else
		node.row.tid = &build->tids[level->rows[number]];
	node.row.factors = &rows->factors[number];
	node.row.code = rows->codes + (Size) number * geometry->code_bytes;
	node.degree = level->degrees[number];
	node.links = level->links + (Size) number * level->capacity;
	fill_slot(build, geometry, slot, build->base[at] + number, at, &node);
}

static uint32
node_count(const VegoBuild *build)
{
	int			top = build->levels - 1;

	return build->levels > 0 ?
		build->base[top] + build->level[top].count : 0;
}

static void
write_page(const VegoBuild *build, const VegoGeometry *geometry,
		   BlockNumber block)
{
	VegoNodeId	first = vego_node_id(geometry, block, 0);
	VegoNodeId	end = Min(node_count(build), first + geometry->per_page);
	int			at = build->first_level;
	Buffer		buffer = ReadBufferExtended(build->index, MAIN_FORKNUM, block,
											RBM_ZERO_AND_LOCK, NULL);
	Page		page = BufferGetPage(buffer);

	vego_page_init(page, VEGO_PAGE_NODES);
	for (VegoNodeId id = first; id < end; id++)
	{
		while (at + 1 < build->levels && id >= build->base[at + 1])
			at++;
		write_slot(build, geometry, at, id - build->base[at],
				   vego_page_slot(geometry, page, id - first));
	}
	((PageHeader) page)->pd_lower = SizeOfPageHeaderData +
		(end - first) * geometry->slot_bytes;
	MarkBufferDirty(buffer);
	UnlockReleaseBuffer(buffer);
}

/* Levels that were built in memory begin on a page of their own. */
static BlockNumber
first_block(const VegoBuild *build, const VegoGeometry *geometry)
{
	return vego_node_block(geometry, build->base[build->first_level]);
}

/* Writes runs from .. to - 1 of pages that the file has already. */
static void
write_runs(const VegoBuild *build, const VegoGeometry *geometry, bool logged,
		   uint32 from, uint32 to)
{
	BlockNumber end = vego_node_block(geometry, node_count(build) - 1) + 1;

	for (uint32 run = from; run < to; run++)
	{
		BlockNumber first = first_block(build, geometry) + run * RUN_PAGES;
		BlockNumber last = Min(first + RUN_PAGES, end);

		for (BlockNumber block = first; block < last; block++)
			write_page(build, geometry, block);
		if (logged)
			vego_edit_log_pages(build->index, VEGO_RECORD_PAGES, first, last);
		CHECK_FOR_INTERRUPTS();
	}
}

static PagesOrder
make_order(const VegoBuild *build, bool logged)
{
	const VegoTeam *team = build->team;
	PagesOrder	order;

	memset(&order, 0, sizeof(order));
	order.stamp = build->stamp;
	order.logged = logged;
	order.tids = vego_team_reference(team, build->tids);
	order.first_level = build->first_level;
	order.levels = build->levels;
	for (int at = build->first_level; at < build->levels; at++)
	{
		LevelOrder *level = &order.level[at];

		level->level = build->level[at];
		level->base = build->base[at];
		level->factors = vego_team_reference(team, build->rows[at].factors);
		level->codes = vego_team_reference(team, build->rows[at].codes);
		level->rows = vego_team_reference(team, level->level.rows);
		level->degrees = vego_team_reference(team, level->level.degrees);
		level->links = vego_team_reference(team, level->level.links);
		level->down = vego_team_reference(team, build->down[at]);
	}
	return order;
}

void
vego_build_write_part(VegoBuild *build)
{
	VegoTeam   *team = build->team;
	const PagesOrder *order = vego_team_order(team);
	VegoGeometry geometry;
	uint32		from;
	uint32		to;

	build->stamp = order->stamp;
	build->tids = vego_team_array(team, order->tids);
	build->first_level = order->first_level;
	build->levels = order->levels;
	for (int at = build->first_level; at < build->levels; at++)
	{
		const LevelOrder *level = &order->level[at];

		build->level[at] = level->level;
		build->rows[at].coder = &build->coder;
		build->rows[at].factors = vego_team_array(team, level->factors);
		build->rows[at].codes = vego_team_array(team, level->codes);
		build->level[at].rows = vego_team_array(team, level->rows);
		build->level[at].degrees = vego_team_array(team, level->degrees);
		build->level[at].links = vego_team_array(team, level->links);
		build->base[at] = level->base;
		build->down[at] = vego_team_array(team, level->down);
	}
	vego_geometry_init(&geometry, build->shape.dims, build->shape.bits,
					   build->shape.m, build->shape.exact);
	while (vego_team_take(team, &from, &to))
		write_runs(build, &geometry, order->logged, from, to);
}

/* The file gets its length first, so that pages can be written in any order. */
static void
extend(const VegoBuild *build, BlockNumber first, BlockNumber end)
{
	for (BlockNumber block = first; block < end; block += RUN_PAGES)
	{
		vego_compat_extend_by(build->index, block,
							  Min(RUN_PAGES, end - block));
		CHECK_FOR_INTERRUPTS();
	}
}

/* Nodes of level 0 that were built in memory. */
static void
offer_level(VegoBuild *build)
{
	const VegoRows *rows = &build->rows[0];

	if (build->first_level > 0 || build->signposts == NULL)
		return;
	for (uint32 node = 0; node < build->level[0].count; node++)
	{
		offer_to_signposts(build, build->base[0] + node,
						   vego_row_factors(rows, node),
						   vego_row_code(rows, node));
		if (node % RUN_PAGES == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

void
vego_build_write(VegoBuild *build)
{
	VegoGeometry geometry;
	VegoTeam   *team = build->team;
	bool		logged = is_logged_at_once(build);
	BlockNumber first;
	BlockNumber end;
	uint32		runs;
	uint32		from;
	uint32		to;

	if (build->count == 0)
		return;
	offer_level(build);
	vego_geometry_init(&geometry, build->shape.dims, build->shape.bits,
					   build->shape.m, build->shape.exact);
	first = first_block(build, &geometry);
	end = vego_node_block(&geometry, node_count(build) - 1) + 1;
	runs = (end - first + RUN_PAGES - 1) / RUN_PAGES;
	vego_build_progress(VEGO_SUBPHASE_WRITE, 0, runs);
	extend(build, first, end);
	if (vego_team_works(team))
	{
		PagesOrder	order = make_order(build, logged);

		vego_team_share(team, VEGO_TASK_PAGES, &order, sizeof(order), runs, 1);
		while (vego_team_take(team, &from, &to))
		{
			vego_build_progress(VEGO_SUBPHASE_WRITE, from, runs);
			write_runs(build, &geometry, logged, from, to);
		}
		vego_team_wait(team);
	}
	else
		for (uint32 run = 0; run < runs; run++)
		{
			vego_build_progress(VEGO_SUBPHASE_WRITE, run, runs);
			write_runs(build, &geometry, logged, run, run + 1);
		}
}

static void
report_exact(int64 done, int64 total)
{
	vego_build_progress(VEGO_SUBPHASE_EXACT, done, total);
}

/* Exact vectors, and then all pages to WAL, since only now they are final. */
void
vego_build_write_exact(VegoBuild *build)
{
	VegoMeta	meta = make_meta(build);

	vego_exact_build(build->index, &meta, build->spool, report_exact);
	if (RelationNeedsWAL(build->index))
		vego_edit_log_pages(build->index, VEGO_RECORD_ALL_PAGES, 0,
							RelationGetNumberOfBlocks(build->index));
}

void
vego_build_write_empty(VegoBuild *build)
{
	VegoMeta	meta = make_meta(build);

	write_meta(build->index, INIT_FORKNUM, &meta, NULL);
}
