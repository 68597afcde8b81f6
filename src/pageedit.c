/*
 * pageedit.c
 *	  How does a change reach pages and WAL?
 */
#include "postgres.h"

#include "access/xloginsert.h"
#include "miscadmin.h"

#include "failure.h"
#include "pageedit.h"

/*
 * A piece of a delta, as replay of generic WAL reads it: where on the page, how
 * many bytes, and the bytes; nothing is aligned.
 */
typedef struct Piece
{
	OffsetNumber offset;
	OffsetNumber length;
} Piece;

static const char *const record_names[] = {
	[VEGO_RECORD_META] = "meta",
	[VEGO_RECORD_INIT_META] = "init_meta",
	[VEGO_RECORD_PAGES] = "pages",
	[VEGO_RECORD_ALL_PAGES] = "all_pages",
	[VEGO_RECORD_VECTOR] = "vector",
	[VEGO_RECORD_VECTOR_PAGE] = "vector_page",
	[VEGO_RECORD_NODE] = "node",
	[VEGO_RECORD_NODE_PAGE] = "node_page",
	[VEGO_RECORD_LINKS_BACK] = "links_back",
	[VEGO_RECORD_BINDING] = "binding",
	[VEGO_RECORD_ENTRY] = "entry",
	[VEGO_RECORD_RADIUS] = "radius",
	[VEGO_RECORD_SIGNPOSTS] = "signposts",
	[VEGO_RECORD_BURY] = "bury",
	[VEGO_RECORD_REPAIR] = "repair",
	[VEGO_RECORD_RELINK] = "relink",
	[VEGO_RECORD_VECTORS_GONE] = "vectors_gone",
	[VEGO_RECORD_FREE] = "free",
};

StaticAssertDecl(lengthof(record_names) == VEGO_RECORDS,
				 "every record has a name");

void
vego_edit_begin(VegoPageEdit *edit, Relation rel, VegoRecord record)
{
	edit->rel = rel;
	edit->record = record;
	edit->count = 0;
}

void
vego_edit_open_new(VegoPageEdit *edit, Buffer buffer, const char *image)
{
	VegoEditPage *page = &edit->pages[edit->count++];

	Assert(edit->count <= VEGO_EDIT_PAGES);
	/* two who change the same pages would wait for each other */
	Assert(edit->count == 1 ||
		   BufferGetBlockNumber(page[-1].buffer) < BufferGetBlockNumber(buffer));
	page->buffer = buffer;
	page->image = image;
	page->used = 0;
}

void
vego_edit_open(VegoPageEdit *edit, Buffer buffer)
{
	vego_edit_open_new(edit, buffer, NULL);
}

void
vego_edit_put(VegoPageEdit *edit, const void *at, const void *bytes,
			  int length)
{
	VegoEditPage *page = &edit->pages[edit->count - 1];
	Piece		piece;

	Assert(page->image == NULL);
	piece.offset = (const char *) at - (const char *)
		BufferGetPage(page->buffer);
	piece.length = length;
	Assert(length > 0 && piece.offset + length <= BLCKSZ);
	if (page->used + sizeof(piece) + length > VEGO_EDIT_ROOM)
		elog(ERROR, "too many changes to one page of index \"%s\" (%s)",
			 RelationGetRelationName(edit->rel), record_names[edit->record]);
	memcpy(page->delta + page->used, &piece, sizeof(piece));
	memcpy(page->delta + page->used + sizeof(piece), bytes, length);
	page->used += sizeof(piece) + length;
}

/* What replay does as well. */
static void
apply(const VegoEditPage *edited, Page page)
{
	uint32		at = 0;

	if (edited->image)
		memcpy(page, edited->image, BLCKSZ);
	while (at < edited->used)
	{
		Piece		piece;

		memcpy(&piece, edited->delta + at, sizeof(piece));
		at += sizeof(piece);
		memcpy((char *) page + piece.offset, edited->delta + at, piece.length);
		at += piece.length;
	}
}

static void
log_edit(VegoPageEdit *edit)
{
	XLogRecPtr	lsn;

	for (int i = 0; i < edit->count; i++)
	{
		VegoEditPage *edited = &edit->pages[i];

		XLogRegisterBuffer(i, edited->buffer, edited->image ?
						   REGBUF_STANDARD | REGBUF_FORCE_IMAGE :
						   REGBUF_STANDARD);
		if (edited->used > 0)
			XLogRegisterBufData(i, edited->delta, edited->used);
	}
	lsn = XLogInsert(RM_GENERIC_ID, 0);
	for (int i = 0; i < edit->count; i++)
		PageSetLSN(BufferGetPage(edit->pages[i].buffer), lsn);
}

void
vego_edit_commit(VegoPageEdit *edit)
{
	bool		logged = RelationNeedsWAL(edit->rel) ||
		edit->record == VEGO_RECORD_INIT_META;

	if (edit->count == 0)
		return;
	vego_failure_point("before", record_names[edit->record]);
	if (logged)
		XLogBeginInsert();
	START_CRIT_SECTION();
	for (int i = 0; i < edit->count; i++)
	{
		apply(&edit->pages[i], BufferGetPage(edit->pages[i].buffer));
		MarkBufferDirty(edit->pages[i].buffer);
	}
	if (logged)
		log_edit(edit);
	END_CRIT_SECTION();
	for (int i = 0; i < edit->count; i++)
		UnlockReleaseBuffer(edit->pages[i].buffer);
	vego_failure_point("after", record_names[edit->record]);
}

void
vego_edit_log_pages(Relation rel, VegoRecord record, BlockNumber first,
					BlockNumber end)
{
	vego_failure_point("before", record_names[record]);
	log_newpage_range(rel, MAIN_FORKNUM, first, end, true);
	vego_failure_point("after", record_names[record]);
}
