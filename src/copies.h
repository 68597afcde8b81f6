/*
 * copies.h
 *	  What a search found, kept: copies of slots, so that links can be chosen
 *	  among them without a lock.
 */
#ifndef VEGO_COPIES_H
#define VEGO_COPIES_H

#include "graph.h"

/* A node as a search read it. */
typedef struct VegoCopy
{
	VegoNodeId	id;
	double		distance;
	VegoSlot   *slot;
} VegoCopy;

typedef struct VegoCopies
{
	const VegoNodes *nodes;
	const VegoFactors *factors; /* of the node they are candidates for, or
								 * NULL: then ranks are distance enough */
	const uint8 *code;
	int			count;
	int			room;
	VegoCopy	   *items;
} VegoCopies;

/* A VegoFound that keeps what it is given; arg is the VegoCopies. */
extern void vego_copies_keep(void *arg, VegoNodeId id, double rank,
							 const VegoSlot *slot);

/* Nearest first, from that one on. */
extern void vego_copies_sort(VegoCopies *copies, int from);

extern bool vego_copies_has(const VegoCopies *copies, VegoNodeId id);

/*
 * The live nodes of a level near what the query stands for, nearest first.
 * The search goes on past its width while it has found none.
 */
extern VegoCopies vego_copies_search(VegoSearch *search,
									 const VegoQuery *query,
									 const VegoFactors *factors,
									 const uint8 *code, int level, int width);

#endif							/* VEGO_COPIES_H */
