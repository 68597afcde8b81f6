/*
 * graph_select.h
 *	  Choosing neighbours: the one rule by which builds, inserts and repairs
 *	  decide whom a node links to.
 */
#ifndef VEGO_GRAPH_SELECT_H
#define VEGO_GRAPH_SELECT_H

#include "code.h"

/* Of a long code, what is worth asking for: the processor then goes on itself. */
#define VEGO_PREFETCHED_BYTES 1024

/* A node that may become a neighbour of another. */
typedef struct VegoCandidate
{
	double		distance;		/* vego_code_distance from the node */
	VegoNodeId	id;
	const VegoFactors *factors;
	const uint8 *code;
	bool		binding;		/* must be chosen: see VEGO_LINK_BINDING */
	bool		apart;			/* shadows no other that is apart, for they
								 * have been chosen together before */
} VegoCandidate;

/* Nearest first; equal distances by id, so that choices are reproducible. */
extern void vego_candidates_sort(VegoCandidate *candidates, int count);

/*
 * Moves the chosen candidates to the front, in order of distance, and returns
 * how many were chosen, at most `limit`.  Candidates must be sorted and
 * distinct, and no more than `limit` of them binding.
 *
 * This is the neighbour selection heuristic of Malkov and Yashunin
 * (arXiv:1603.09320, algorithm 4) with slack: a candidate is taken unless one
 * taken before is nearer to it, by VEGO_PRUNE_SLACK, than the node is.
 */
extern int	vego_select_neighbours(const VegoCoder *coder,
								   VegoCandidate *candidates, int count,
								   int limit);

#endif							/* VEGO_GRAPH_SELECT_H */
