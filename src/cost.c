/*
 * cost.c
 *	  What will a scan cost?
 *
 * The planner asks for the whole scan, and takes of its run cost the share of
 * rows that a LIMIT leaves.  A search pays most of its price before the first
 * row: that is the start-up cost.  Nothing is read here.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/float.h"
#include "utils/selfuncs.h"

#include "am.h"
#include "options.h"
#include "vego.h"

/* New nodes scored for each node expanded; about half the links lead back. */
#define SCORED_PER_EXPANSION (VEGO_DEFAULT_M * 0.8)

void
vegocostestimate(PlannerInfo *root, IndexPath *path, double loop_count,
				 Cost *startup_cost, Cost *total_cost,
				 Selectivity *selectivity, double *correlation, double *pages)
{
	IndexOptInfo *index = path->indexinfo;
	double		rows = Max(index->tuples, 1.0);
	double		expanded;
	double		scored;
	double		touched;
	Cost		per_row;

	*selectivity = 1.0;
	*correlation = 0.0;
	*pages = index->pages;

	/* there is no other order in it, and no condition it could check */
	if (list_length(path->indexorderbys) != 1)
	{
		*startup_cost = get_float8_infinity();
		*total_cost = get_float8_infinity();
		return;
	}

	/* the width of the search, and the way down to it */
	expanded = Min(rows, vego_options_default_ef_search() +
				   log(rows) / log(VEGO_LEVEL_FANOUT) * 4);
	scored = Min(rows, expanded * SCORED_PER_EXPANSION);
	touched = Min(index->pages, scored);

	*startup_cost = expanded * cpu_index_tuple_cost +
		scored * cpu_operator_cost +
		/* most of an index in use is in memory */
		touched * random_page_cost * 0.05;

	/* going on costs per row what the start did, plus the row's own fetch */
	per_row = cpu_index_tuple_cost + SCORED_PER_EXPANSION * cpu_operator_cost +
		cpu_operator_cost;
	*total_cost = *startup_cost + rows * per_row +
		index->pages * random_page_cost;
}
