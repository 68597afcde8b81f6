/*
 * cost.h
 *	  Work in the planner's money.
 *
 * The planner's constants say what reading a page from disk costs beside an
 * operator.  Where both the table and the index are in memory, nothing is
 * read, and what they amount to can only be measured: passing a page of rows
 * through a sequential scan takes about half a microsecond there and costs 1,
 * as much as 400 evaluations of an operator.  At that rate work is priced
 * here, one cpu_operator_cost for 1.25 ns, so that plans that are priced by
 * their pages and the work of an index or a distance compare as their times
 * do.  bench/plans measures how well.
 */
#ifndef VEGO_COST_H
#define VEGO_COST_H

#include "nodes/pathnodes.h"

/* One evaluation of a distance. */
typedef struct VegoDistancePrice
{
	int			dims;			/* as far as types or statistics tell */
	double		operators;		/* evaluations of an operator it is worth */
} VegoDistancePrice;

/*
 * The price for arguments as the parser sees them; a column whose vectors lie
 * out of line is fetched from there.  root may be NULL.
 */
extern VegoDistancePrice vego_distance_price(PlannerInfo *root, List *args);

#endif							/* VEGO_COST_H */
