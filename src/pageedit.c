/*
 * pageedit.c
 *	  How does a change reach pages and WAL?
 */
#include "postgres.h"

#include "pageedit.h"

void
vego_edit_begin(VegoPageEdit *edit, Relation rel)
{
	edit->state = GenericXLogStart(rel);
	edit->count = 0;
}

static Page
open_page(VegoPageEdit *edit, Buffer buffer, int flags)
{
	Assert(edit->count < VEGO_EDIT_PAGES);
	edit->buffers[edit->count++] = buffer;
	return GenericXLogRegisterBuffer(edit->state, buffer, flags);
}

Page
vego_edit_open(VegoPageEdit *edit, Buffer buffer)
{
	return open_page(edit, buffer, 0);
}

Page
vego_edit_open_new(VegoPageEdit *edit, Buffer buffer)
{
	return open_page(edit, buffer, GENERIC_XLOG_FULL_IMAGE);
}

void
vego_edit_commit(VegoPageEdit *edit)
{
	if (edit->count == 0)
	{
		GenericXLogAbort(edit->state);
		return;
	}
	GenericXLogFinish(edit->state);
	for (int i = 0; i < edit->count; i++)
		UnlockReleaseBuffer(edit->buffers[i]);
}
