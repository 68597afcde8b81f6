/*
 * signposts.c
 *	  Where does a search of sparse vectors begin?
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "code_sparse.h"
#include "pageedit.h"
#include "signposts.h"

/* Pins and locks a page of signposts. */
static Buffer
lock_page(VegoNodes *nodes, BlockNumber block, int mode)
{
	Buffer		buffer = vego_nodes_pin(nodes, block);
	const char *fault;

	LockBuffer(buffer, mode);
	fault = vego_page_fault(BufferGetPage(buffer), VEGO_PAGE_SIGNPOSTS);
	if (fault)
	{
		UnlockReleaseBuffer(buffer);
		vego_report_corrupted(nodes->rel, block, -1, fault);
	}
	return buffer;
}

/* Where signposts point to; their numbers ascend. */
static void
read_ids(VegoNodes *nodes, const uint32 *signposts, int count, VegoNodeId *ids)
{
	for (int i = 0; i < count;)
	{
		BlockNumber block = vego_signpost_block(&nodes->geometry,
												signposts[i]);
		Buffer		buffer = lock_page(nodes, block, BUFFER_LOCK_SHARE);

		for (; i < count && vego_signpost_block(&nodes->geometry,
												signposts[i]) == block; i++)
			ids[i] = *vego_page_signpost(BufferGetPage(buffer), signposts[i]);
		UnlockReleaseBuffer(buffer);
	}
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32		x = *(const uint32 *) a;
	uint32		y = *(const uint32 *) b;

	return (x > y) - (x < y);
}

int
vego_signposts_read(VegoNodes *nodes, const VegoQuery *query, int most,
					VegoNodeId *ids)
{
	int			count = Min(query->signpost_count, most);
	uint32		signposts[VEGO_SPARSE_ENTRIES];
	int			found = 0;

	if (!vego_signposts_exist(nodes))
		return 0;
	memcpy(signposts, query->signposts, count * sizeof(uint32));
	qsort(signposts, count, sizeof(uint32), compare_numbers);
	read_ids(nodes, signposts, count, ids);
	for (int i = 0; i < count; i++)
		if (ids[i] < VEGO_NO_NODE)
			ids[found++] = ids[i];
	return found;
}

/* ----------------------------------------------------------------
 *		One node
 * ----------------------------------------------------------------
 */

/* The elements of a code, as signposts see them. */
typedef struct Elements
{
	int			count;
	uint32		signposts[VEGO_SPARSE_ENTRIES]; /* ascending */
	float		sizes[VEGO_SPARSE_ENTRIES];
} Elements;

static void
list_elements(const VegoFactors *factors, const uint8 *code,
			  Elements *elements)
{
	int			value;

	elements->count = 0;
	for (int i = 0; (value = vego_sparse_value(code, i)) != 0; i++)
	{
		elements->signposts[i] =
			vego_sparse_signpost(vego_sparse_place(code, i), value > 0);
		elements->sizes[i] = factors->step * abs(value);
		elements->count++;
	}
}

/* How large the element is that a node has there, by hint; 0 without one. */
static float
size_at(VegoNodes *nodes, VegoNodeId id, uint32 signpost)
{
	VegoSlot   *slot = nodes->scratch;
	const uint8 *code = vego_slot_code(&nodes->geometry, slot);
	int			value;

	vego_nodes_look(nodes, id, slot);
	if (slot->kind != VEGO_SLOT_LIVE || slot->level != 0)
		return 0.0f;
	for (int i = 0; (value = vego_sparse_value(code, i)) != 0; i++)
		if (vego_sparse_signpost(vego_sparse_place(code, i),
								 value > 0) == signpost)
			return vego_slot_factors(&nodes->geometry, slot)->step *
				abs(value);
	return 0.0f;
}

/* A change of a signpost, which is made if that is as it was. */
typedef struct Change
{
	uint32		signpost;		/* ascending */
	VegoNodeId	before;
	VegoNodeId	id;
} Change;

/* Puts the changes of one page, which are all there are for it. */
static void
put_changes(VegoPageEdit *edit, Buffer buffer, const Change *changes,
			int count)
{
	bool		opened = false;

	for (int i = 0; i < count; i++)
	{
		VegoNodeId *at = vego_page_signpost(BufferGetPage(buffer),
											changes[i].signpost);

		if (*at != changes[i].before)
			continue;
		if (!opened)
			vego_edit_open(edit, buffer);
		opened = true;
		vego_edit_put(edit, at, &changes[i].id, sizeof(VegoNodeId));
	}
	if (!opened)
		UnlockReleaseBuffer(buffer);
}

static void
make_changes(VegoNodes *nodes, const Change *changes, int count)
{
	int			next = 0;

	while (next < count)
	{
		VegoPageEdit edit;

		CHECK_FOR_INTERRUPTS();
		vego_edit_begin(&edit, nodes->rel, VEGO_RECORD_SIGNPOSTS);
		while (next < count && edit.count < VEGO_EDIT_PAGES)
		{
			BlockNumber block = vego_signpost_block(&nodes->geometry,
													changes[next].signpost);
			int			first = next;

			while (next < count &&
				   vego_signpost_block(&nodes->geometry,
									   changes[next].signpost) == block)
				next++;
			put_changes(&edit, lock_page(nodes, block, BUFFER_LOCK_EXCLUSIVE),
						changes + first, next - first);
		}
		vego_edit_commit(&edit);
	}
}

void
vego_signposts_offer(VegoNodes *nodes, VegoNodeId id,
					 const VegoFactors *factors, const uint8 *code)
{
	Elements	elements;
	VegoNodeId	ids[VEGO_SPARSE_ENTRIES];
	Change		changes[VEGO_SPARSE_ENTRIES];
	int			count = 0;

	list_elements(factors, code, &elements);
	read_ids(nodes, elements.signposts, elements.count, ids);
	for (int i = 0; i < elements.count; i++)
		if (ids[i] >= VEGO_NO_NODE ||
			size_at(nodes, ids[i], elements.signposts[i]) < elements.sizes[i])
			changes[count++] = (Change) {elements.signposts[i], ids[i], id};
	make_changes(nodes, changes, count);
}

/* ----------------------------------------------------------------
 *		All of them
 * ----------------------------------------------------------------
 */

VegoSignpostDraft *
vego_signposts_draft(const VegoGeometry *geometry)
{
	VegoSignpostDraft *draft = palloc(sizeof(VegoSignpostDraft));

	draft->count = geometry->signposts;
	draft->before = palloc(draft->count * sizeof(VegoNodeId));
	draft->ids = palloc(draft->count * sizeof(VegoNodeId));
	draft->sizes = palloc0(draft->count * sizeof(float));
	for (int i = 0; i < draft->count; i++)
		draft->before[i] = draft->ids[i] = VEGO_NO_NODE;
	return draft;
}

VegoSignpostDraft *
vego_signposts_draft_without(VegoNodes *nodes, VegoIsGone gone, void *arg)
{
	const VegoGeometry *geometry = &nodes->geometry;
	VegoSignpostDraft *draft = vego_signposts_draft(geometry);

	for (BlockNumber block = geometry->signpost_block;
		 block < geometry->first_block; block++)
	{
		uint32		first;
		int			count = vego_signposts_on_page(geometry, block, &first);
		Buffer		buffer = lock_page(nodes, block, BUFFER_LOCK_SHARE);

		memcpy(draft->before + first,
			   vego_page_signpost(BufferGetPage(buffer), first),
			   count * sizeof(VegoNodeId));
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	for (int i = 0; i < draft->count; i++)
		if (draft->before[i] < VEGO_NO_NODE &&
			vego_nodes_have(nodes, draft->before[i]) &&
			!gone(arg, draft->before[i]))
		{
			draft->ids[i] = draft->before[i];
			draft->sizes[i] = -1.0f;
		}
	return draft;
}

void
vego_signposts_draft_offer(VegoSignpostDraft *draft, VegoNodeId id,
						   const VegoFactors *factors, const uint8 *code)
{
	Elements	elements;

	list_elements(factors, code, &elements);
	for (int i = 0; i < elements.count; i++)
	{
		uint32		signpost = elements.signposts[i];

		/* damage is found by who reads the node for its own sake */
		if (signpost >= (uint32) draft->count ||
			draft->sizes[signpost] < 0.0f ||
			draft->sizes[signpost] >= elements.sizes[i])
			continue;
		draft->sizes[signpost] = elements.sizes[i];
		draft->ids[signpost] = id;
	}
}

void
vego_signposts_write(VegoNodes *nodes, const VegoSignpostDraft *draft)
{
	Change	   *changes = palloc(draft->count * sizeof(Change));
	int			count = 0;

	for (int i = 0; i < draft->count; i++)
		if (draft->ids[i] != draft->before[i])
			changes[count++] = (Change) {i, draft->before[i], draft->ids[i]};
	make_changes(nodes, changes, count);
	pfree(changes);
}
