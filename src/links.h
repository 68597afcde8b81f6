/*
 * links.h
 *	  Lists of links while others change them: look, decide, verify, change.
 */
#ifndef VEGO_LINKS_H
#define VEGO_LINKS_H

#include "copies.h"

/* A new list of links for a node, decided from the copy of its slot. */
typedef struct VegoLinks
{
	bool		wanted;			/* is there anything to change? */
	int			degree;
	VegoLink	links[UINT8_MAX];
} VegoLinks;

/*
 * Closes the gaps of a list, VEGO_NO_NODE each, so that the change is small in
 * WAL: what stays is where it was, newcomers go into the gaps and then behind
 * the last, and gaps left over take the last ones.
 */
extern void vego_links_fill_gaps(VegoLinks *list, const VegoLink *newcomers,
								 int count);

extern bool vego_links_has(const VegoNodes *nodes, const VegoSlot *slot,
						   VegoNodeId id);

/* Chooses the links of a new node among the nodes a search found. */
extern void vego_links_choose(VegoNodes *nodes, VegoSlot *slot,
							  const VegoCopies *copies);

/*
 * Adds the node's beacons to its links, and to the nodes that may link back.
 * Neighbours on the lifted sphere lie inwards, towards smaller norms; beacons
 * lead outwards, to where the largest products with a query are.
 */
extern void vego_links_choose_beacons(VegoNodes *nodes, VegoSlot *slot,
									  VegoCopies *near,
									  const VegoCopies *beacons);

/*
 * Makes one node link to another, whatever others change meanwhile: as long
 * as the target is the node that was read, the change is decided again from
 * what its links have become.  False when it is not, or has no room.
 */
extern bool vego_links_insist(VegoNodes *nodes, VegoNodeId target_id,
							  VegoSlot *target, VegoLink newcomer,
							  const VegoFactors *factors, const uint8 *code);

/*
 * Links back to a new node: a binding link from the nearest node that has
 * room for one, links from the other chosen ones if they want it.  All
 * changes go out together; only a binding link that could not be made is
 * tried again, with any node the search found.  False when nobody binds it.
 */
extern bool vego_links_back(VegoNodes *nodes, VegoNodeId id,
							const VegoSlot *slot, VegoCopies *copies);

#endif							/* VEGO_LINKS_H */
