/*
 * cost_distance.c
 *	  What does a distance cost?
 *
 * Without being told, the planner takes a distance for a few comparisons of
 * integers.  It is worth a hundred, and thousands where the vector must be
 * fetched from a TOAST table, whose pages the planner does not count: it would
 * take a sort of the whole table for cheap.
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

#include "cost.h"
#include "vector.h"

/* Of a vector whose dimensions nothing tells. */
#define UNKNOWN_DIMS 256

/* The call, and the kernel with its share of the row's cache lines. */
#define CALL_OPERATORS 20
#define DIMS_AN_OPERATOR 4

/* A TOAST table: down its index, then chunk by chunk. */
#define TOAST_OPERATORS 1000
#define TOAST_CHUNK_OPERATORS 500

/* The average bytes of a column in its row, 0 when not known. */
static int
stored_bytes(PlannerInfo *root, const Var *var)
{
	RangeTblEntry *rte;

	if (root == NULL || IS_SPECIAL_VARNO(var->varno) || var->varattno <= 0)
		return 0;
	rte = planner_rt_fetch(var->varno, root);
	return rte->rtekind == RTE_RELATION ?
		get_attavgwidth(rte->relid, var->varattno) : 0;
}

/* The dimensions that a type has, or 0. */
static int
typed_dims(Node *arg)
{
	int32		typmod = exprTypmod(arg);

	getBaseTypeAndTypmod(exprType(arg), &typmod);
	return Max(typmod, 0);
}

static double
toast_operators(int bytes)
{
	int			chunks = (bytes + TOAST_MAX_CHUNK_SIZE - 1) /
		TOAST_MAX_CHUNK_SIZE;

	return TOAST_OPERATORS + chunks * TOAST_CHUNK_OPERATORS;
}

VegoDistancePrice
vego_distance_price(PlannerInfo *root, List *args)
{
	VegoDistancePrice price = {0, CALL_OPERATORS};
	int			bytes;
	ListCell   *cell;

	foreach(cell, args)
		price.dims = Max(price.dims, typed_dims(lfirst(cell)));
	if (price.dims == 0)
		price.dims = UNKNOWN_DIMS;
	price.operators += price.dims / DIMS_AN_OPERATOR;

	/* a column far narrower than its vectors holds pointers to them */
	bytes = vego_vector_size(&vego_type_vector, price.dims);
	foreach(cell, pull_vars_of_level((Node *) args, 0))
	{
		int			stored = stored_bytes(root, lfirst(cell));

		if (stored == 0 ? bytes > TOAST_TUPLE_THRESHOLD : stored < bytes / 2)
			price.operators += toast_operators(bytes);
	}
	return price;
}

static List *
arguments_of(Node *node)
{
	if (node != NULL && IsA(node, OpExpr))
		return ((OpExpr *) node)->args;
	if (node != NULL && IsA(node, FuncExpr))
		return ((FuncExpr *) node)->args;
	return NIL;
}

PG_FUNCTION_INFO_V1(vego_distance_support);

/* Tells the planner the price of the distance functions. */
Datum
vego_distance_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	SupportRequestCost *cost = (SupportRequestCost *) request;

	if (!IsA(request, SupportRequestCost))
		PG_RETURN_POINTER(NULL);
	cost->startup = 0;
	cost->per_tuple = cpu_operator_cost *
		vego_distance_price(cost->root, arguments_of(cost->node)).operators;
	PG_RETURN_POINTER(cost);
}
