/*
 * cost.c
 *	  What will a scan cost?
 *
 * The planner asks for the whole scan, and takes of its run cost the share of
 * rows that is needed: a LIMIT of 10 behind a condition that leaves a tenth of
 * the rows walks 100 of them.  Getting to the first row is a search, the
 * start-up cost; each further row goes on with it.
 *
 * The planner's constants say what reading a page from disk costs beside an
 * operator.  Where both the table and the index are in memory, nothing is
 * read, and what they amount to can only be measured: passing a page of rows
 * through a sequential scan takes about half a microsecond there and costs 1,
 * as much as 400 evaluations of an operator.  At that rate work is priced
 * here, one cpu_operator_cost for 1.25 ns, so that plans that are priced by
 * their pages and the work of an index or a distance compare as their times
 * do.  bench/plans measures how well.
 *
 * No page is read to find a cost.
 */
#include "postgres.h"

#include <math.h>

#include "access/genam.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/selfuncs.h"
#include "utils/spccache.h"

#include "am.h"
#include "compat.h"
#include "opclass.h"
#include "options.h"
#include "vego.h"

/*
 * A node costs this much, and as much again for so many bytes of its code:
 * their cache lines come from memory, in a walk from all over it, in a flat
 * search one after another.
 */
#define SCORE_OPERATORS 35
#define SCORE_BYTES_AN_OPERATOR 8
#define FLAT_OPERATORS 12
#define FLAT_BYTES_AN_OPERATOR 24

/* To open the index and prepare the query. */
#define START_OPERATORS 8000

/* To look at a node, its links and its place among candidates. */
#define EXPAND_OPERATORS 160

/* To fetch a row from the heap, or its vector from the index. */
#define ROW_OPERATORS 200

/* Of the links of an expanded node, this share leads to nodes not yet met. */
#define FRESH_LINKS 0.37

/*
 * A scan that goes on stays two nodes ahead of each row (scan.c), and finishes
 * the width it has begun: half a node more.
 */
#define EXPANDED_PER_ROW 2.5

/* To pass a row, and to keep the ten nearest: a sort of the table. */
#define SORT_OPERATORS 13

/*
 * The further a scan goes, the fewer nodes are left to be met, and the cheaper
 * is a row.  The planner knows straight lines only.  It gets the slope where
 * the choice between plans is close, after so many rows, where a longer walk
 * is not the best plan anyway.
 */
#define ROWS_WALKED 100

/*
 * Above all that is merely disabled.  Not infinite: the planner subtracts, and
 * that would be no number.
 */
#define COST_OF_NO_USE 1e100

/* What is needed of the index, and what its nodes cost. */
typedef struct Prices
{
	double		rows;
	int			ef_search;
	double		links;			/* of a node on level 0 */
	double		score;
	double		flat_score;
	double		row;
	double		told;			/* share of what a sort costs, of which the
								 * planner knows */
} Prices;						/* in evaluations of an operator */

/* The share of the index that the server is not expected to have in memory. */
static double
cold_share(double pages)
{
	return pages > effective_cache_size ?
		1 - effective_cache_size / pages : 0;
}

/* The price of a page read from disk, in operators. */
static double
cold_page_operators(IndexOptInfo *index)
{
	double		random_page;

	if (cpu_operator_cost <= 0)
		return 0;
	get_tablespace_page_costs(index->reltablespace, &random_page, NULL);
	return random_page / cpu_operator_cost;
}

static double
rows_of(const IndexOptInfo *index)
{
	return Max(index->tuples, 1);
}

static int
dims_of(Relation rel)
{
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), 0);
	int32		typmod = column->atttypmod;

	getBaseTypeAndTypmod(column->atttypid, &typmod);
	return Max(typmod, 1);
}

/* A row's exact distance, as the planner takes it everywhere. */
static double
told_operators(PlannerInfo *root, Node *distance)
{
	QualCost	cost;

	cost_qual_eval_node(&cost, distance, root);
	return cpu_operator_cost > 0 ? cost.per_tuple / cpu_operator_cost : 0;
}

/* The same, or from a vector in the index, where there is no TOAST. */
static double
distance_operators(PlannerInfo *root, Node *distance, Relation rel)
{
	if (vego_options_exact(rel) != VEGO_EXACT_OFF)
		return ROW_OPERATORS + dims_of(rel) / 4;
	return told_operators(root, distance);
}

/*
 * Of what a sort of all rows costs, which share does the planner know?  All of
 * it, if the distance's function tells.  One of pgvector's does not, and a sort
 * then looks as cheap as its table's pages, without what lies out of line.
 */
static double
told_share(PlannerInfo *root, IndexPath *path, Relation rel)
{
	Node	   *distance = linitial(path->indexorderbys);
	const RelOptInfo *table = path->indexinfo->rel;
	const struct VegoType *type = vego_opclass(rel)->type->type;
	double		told = told_operators(root, distance);
	double		whole = type == NULL ? told :
		vego_distance_operators(root, distance, type);
	double		others = SORT_OPERATORS;

	if (whole <= told || cpu_operator_cost <= 0)
		return 1;
	others += seq_page_cost / cpu_operator_cost * table->pages /
		Max(table->tuples, 1);
	return (others + told) / (others + whole);
}

static Prices
prices_of(PlannerInfo *root, IndexPath *path)
{
	IndexOptInfo *index = path->indexinfo;
	Relation	rel = index_open(index->indexoid, NoLock);
	int			m = vego_options_m(rel);
	double		bytes = dims_of(rel) * vego_options_bits(rel) / 8.0;
	double		cold = cold_share(index->pages) * cold_page_operators(index);
	Prices		prices;

	prices.rows = rows_of(index);
	prices.ef_search = vego_options_ef_search(rel);
	prices.links = 2 * (m > 0 ? m : VEGO_DEFAULT_M);
	prices.score = SCORE_OPERATORS + bytes / SCORE_BYTES_AN_OPERATOR + cold;
	prices.flat_score = FLAT_OPERATORS + bytes / FLAT_BYTES_AN_OPERATOR;
	prices.row = ROW_OPERATORS +
		distance_operators(root, linitial(path->indexorderbys), rel);
	prices.told = told_share(root, path, rel);
	index_close(rel, NoLock);
	return prices;
}

/* Expanding a node of which that share of the links leads to unmet nodes. */
static double
expansion(const Prices *prices, double share)
{
	return EXPAND_OPERATORS + prices->links * share * prices->score;
}

/*
 * A walk down with a tenth of the pool on each level, or all nodes, flat.  What
 * it competes with is a sort of all rows, so it is priced as that is.  Further
 * rows are not: they compete with the few rows behind a condition, fetched page
 * by page, which the planner does count.
 */
static double
first_row(const Prices *prices)
{
	double		levels = log(prices->rows) / log(VEGO_LEVEL_FANOUT);
	double		expanded = prices->ef_search * (1 + 0.1 * levels);
	double		walk = expanded * expansion(prices, FRESH_LINKS);

	return prices->told *
		(START_OPERATORS +
		 Min(walk, prices->rows * prices->flat_score) + prices->row);
}

/* If nodes met are spread evenly, a link leads to an unmet one that often. */
static double
further_row(const Prices *prices)
{
	double		met = prices->links * FRESH_LINKS *
		(prices->ef_search + ROWS_WALKED * EXPANDED_PER_ROW);
	double		unmet = exp(-met / prices->rows);

	return EXPANDED_PER_ROW * expansion(prices, FRESH_LINKS * unmet) +
		prices->row;
}

void
vegocostestimate(PlannerInfo *root, IndexPath *path, double loop_count,
				 Cost *startup_cost, Cost *total_cost,
				 Selectivity *selectivity, double *correlation, double *pages)
{
	IndexOptInfo *index = path->indexinfo;
	Prices		prices;

	/* a partial index has fewer rows than the table */
	*selectivity = Min(1, rows_of(index) / Max(index->rel->tuples, 1));
	*correlation = 0;
	*pages = index->pages;

	/* there is no other order in it, and no condition it could check */
	if (list_length(path->indexorderbys) != 1)
	{
		vego_compat_disable_path(&path->path);
		*startup_cost = *total_cost = COST_OF_NO_USE;
		return;
	}

	prices = prices_of(root, path);
	*startup_cost = first_row(&prices) * cpu_operator_cost;
	*total_cost = *startup_cost +
		(prices.rows - 1) * further_row(&prices) * cpu_operator_cost;
}
