/*
 * vego.h
 *	  What every part of vego agrees on: node ids, links, limits.
 *
 * src/README is the guide to the whole; read it first.
 */
#ifndef VEGO_H
#define VEGO_H

#include "postgres.h"

/*
 * A node's one name, in memory and on disk: its place in the array of slots.
 * Ids are below 2^31, so that a link has a bit to spare.
 */
typedef uint32 VegoNodeId;

#define VEGO_NO_NODE ((VegoNodeId) 0x7FFFFFFF)

/*
 * A link is an id and a bit that says whether it is binding.  Every live node
 * has one binding in-link, which no insert may remove (src/README,
 * invariant I3).
 */
typedef uint32 VegoLink;

#define VEGO_LINK_BINDING ((VegoLink) 0x80000000)

static inline VegoNodeId
vego_link_id(VegoLink link)
{
	return link & ~VEGO_LINK_BINDING;
}

static inline bool
vego_link_is_binding(VegoLink link)
{
	return (link & VEGO_LINK_BINDING) != 0;
}

/*
 * m: forward links a new node chooses.  A node has room for twice as many,
 * since others link back to it; the degree must fit a byte.
 */
#define VEGO_MIN_M 2
#define VEGO_MAX_M 100
#define VEGO_DEFAULT_M 16

#define VEGO_MIN_EF_CONSTRUCTION 4
#define VEGO_MAX_EF_CONSTRUCTION 2000

#define VEGO_MIN_EF_SEARCH 1
#define VEGO_MAX_EF_SEARCH 10000
#define VEGO_DEFAULT_EF_SEARCH 40

/* One node in VEGO_LEVEL_FANOUT of a level is also on the level above. */
#define VEGO_LEVEL_FANOUT 32
#define VEGO_MAX_LEVEL 15

/*
 * A candidate is dropped when a neighbour already chosen is nearer to it, by
 * this factor on distances, than the node itself (src/README, "Choosing
 * neighbours").
 */
#define VEGO_PRUNE_SLACK 1.1

#endif							/* VEGO_H */
