/*
 * cost_distance.c
 *	  What does a distance cost?
 *
 * Without being told, the planner takes a distance for a few comparisons of
 * integers.  It is worth a hundred, and thousands where the vector must be
 * fetched from a TOAST table, whose pages the planner does not count: it would
 * take a sort of the whole table for cheap.  The distance functions of the types
 * have support functions that tell it.  Prices are explained in cost.c.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/heaptoast.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

#include "am.h"
#include "sparsevec.h"
#include "vector.h"

/* The call, and the elements with their share of the row's cache lines. */
#define CALL_OPERATORS 20
#define ELEMENTS_AN_OPERATOR 4

/* A TOAST table: down its index, then chunk by chunk. */
#define TOAST_OPERATORS 1000
#define TOAST_CHUNK_OPERATORS 500

/* Of a value whose elements nothing tells. */
#define UNKNOWN_ELEMENTS 256

/* Of a sparse type, with the element's index. */
static int
element_bytes(const VegoType *type)
{
	if (type->sparse)
		return sizeof(int32) + sizeof(float);
	return type->halves ? sizeof(VegoHalf) : sizeof(float);
}

/* The dimensions that a type has, or 0. */
static int
typed_dims(Node *arg)
{
	int32		typmod = exprTypmod(arg);

	getBaseTypeAndTypmod(exprType(arg), &typmod);
	return Max(typmod, 0);
}

/* The average bytes of a column within its row, 0 when not known. */
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

/*
 * Elements by the dimensions, or else by the bytes in the row, unless those are
 * only a pointer to the value.
 */
static int
elements_of(PlannerInfo *root, List *args, List *columns,
			const VegoType *type)
{
	int			dims = 0;
	int			bytes = 0;
	ListCell   *cell;

	foreach(cell, args)
		dims = Max(dims, typed_dims(lfirst(cell)));
	if (dims > 0 && !type->sparse)
		return dims;
	foreach(cell, columns)
		bytes = Max(bytes, stored_bytes(root, lfirst(cell)));
	return bytes > TOAST_POINTER_SIZE ?
		bytes / element_bytes(type) : UNKNOWN_ELEMENTS;
}

static double
toast_operators(int bytes)
{
	int			chunks = (bytes + TOAST_MAX_CHUNK_SIZE - 1) /
		TOAST_MAX_CHUNK_SIZE;

	return TOAST_OPERATORS + chunks * TOAST_CHUNK_OPERATORS;
}

static double
operators_of_distance(PlannerInfo *root, List *args, const VegoType *type)
{
	List	   *columns = pull_vars_of_level((Node *) args, 0);
	int			elements = elements_of(root, args, columns, type);
	int			bytes = elements * element_bytes(type);
	double		operators = CALL_OPERATORS +
		(double) elements / ELEMENTS_AN_OPERATOR;
	ListCell   *cell;

	foreach(cell, columns)
	{
		int			stored = stored_bytes(root, lfirst(cell));

		/* a column far narrower than its values holds pointers to them */
		if (stored == 0 ? bytes > TOAST_TUPLE_THRESHOLD : stored < bytes / 2)
			operators += toast_operators(bytes);
	}
	return operators;
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

double
vego_distance_operators(PlannerInfo *root, Node *distance,
						const VegoType *type)
{
	return operators_of_distance(root, arguments_of(distance), type);
}

/* Answers a request for costs, and no other. */
static Datum
support_distance(PG_FUNCTION_ARGS, const VegoType *type)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	SupportRequestCost *cost = (SupportRequestCost *) request;

	if (!IsA(request, SupportRequestCost))
		PG_RETURN_POINTER(NULL);
	cost->startup = 0;
	cost->per_tuple = cpu_operator_cost *
		operators_of_distance(cost->root, arguments_of(cost->node), type);
	PG_RETURN_POINTER(cost);
}

PG_FUNCTION_INFO_V1(vego_vector_distance_support);
PG_FUNCTION_INFO_V1(vego_halfvec_distance_support);
PG_FUNCTION_INFO_V1(vego_sparsevec_distance_support);

Datum
vego_vector_distance_support(PG_FUNCTION_ARGS)
{
	return support_distance(fcinfo, &vego_type_vector);
}

Datum
vego_halfvec_distance_support(PG_FUNCTION_ARGS)
{
	return support_distance(fcinfo, &vego_type_halfvec);
}

Datum
vego_sparsevec_distance_support(PG_FUNCTION_ARGS)
{
	return support_distance(fcinfo, &vego_type_sparsevec);
}
