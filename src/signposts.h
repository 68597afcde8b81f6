/*
 * signposts.h
 *	  Where does a search of sparse vectors begin?
 *
 * Most pairs of sparse vectors have nothing in common and are equally far from
 * each other, so from an entry no way leads towards what a query is about:
 * wherever it begins, all looks alike.  But what is near a query shares a
 * large element with it.  So an index of sparse vectors has, for each place of
 * an element and its sign, a signpost: the id of a node that has a large
 * element there.  A search of level 0 begins at those of the query's largest
 * elements as well, and goes on by links.
 *
 * A signpost is a hint, like a link: its node may have gone, or its slot be
 * another's by now.  That is a bad place to begin, and no more.
 *
 * Like nodes.h, this knows buffers and locks; no function returns with a page
 * locked or pinned.
 */
#ifndef VEGO_SIGNPOSTS_H
#define VEGO_SIGNPOSTS_H

#include "nodes.h"

/* Whether the index has any. */
static inline bool
vego_signposts_exist(const VegoNodes *nodes)
{
	return nodes->geometry.signposts > 0;
}

/*
 * Reads the signposts of a query's largest elements, VEGO_SPARSE_ENTRIES at
 * most; writes where they point to and returns how many do.  None without
 * signposts.
 */
extern int	vego_signposts_read(VegoNodes *nodes, const VegoQuery *query,
								int most, VegoNodeId *ids);

/*
 * Lets signposts point to a new node of level 0 where it has a larger element
 * than the node that they point to.  A WAL record for each VEGO_EDIT_PAGES
 * pages that change.
 */
extern void vego_signposts_offer(VegoNodes *nodes, VegoNodeId id,
								 const VegoFactors *factors,
								 const uint8 *code);

/*
 * All signposts, where many nodes are seen: in a build, which begins with a
 * draft of none, and in a vacuum, where those that point to nodes that are
 * gone are given new ones.
 */
typedef struct VegoSignpostDraft
{
	int			count;
	VegoNodeId *before;			/* as they are in the index */
	VegoNodeId *ids;			/* and as they shall be */
	float	   *sizes;			/* of the element there; below 0: is to stay */
} VegoSignpostDraft;

/* In the current memory context; none are set. */
extern VegoSignpostDraft *vego_signposts_draft(const VegoGeometry *geometry);

/* As they are, but for those that point to what is gone; or to nobody. */
typedef bool (*VegoIsGone) (void *arg, VegoNodeId id);

extern VegoSignpostDraft *vego_signposts_draft_without(VegoNodes *nodes,
													   VegoIsGone gone,
													   void *arg);

/* A live node of level 0. */
extern void vego_signposts_draft_offer(VegoSignpostDraft *draft,
									   VegoNodeId id,
									   const VegoFactors *factors,
									   const uint8 *code);

/* Changes the signposts that are still as they were when drafted. */
extern void vego_signposts_write(VegoNodes *nodes,
								 const VegoSignpostDraft *draft);

#endif							/* VEGO_SIGNPOSTS_H */
