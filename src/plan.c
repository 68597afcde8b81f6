/*
 * plan.c
 *	  Which distances need not be computed a second time?
 *
 * For ORDER BY embedding <-> $1 the server makes the distance a column of the
 * index scan, since a sort above would read it.  An index scan returns the
 * rows in order, nothing sorts them, and the column is thrown away at the top:
 * but by then the executor has fetched the vector of every returned row, its
 * TOAST chunks too, and computed what the scan had computed to put the row in
 * its place.
 *
 * So a finished plan is looked through once.  Where it is certain that nobody
 * reads the column, a NULL takes its place.  Certain means: every node between
 * the scan and the place where the column is thrown away is of a kind listed
 * here, and does not mention it.  At any other node, all columns count as read.
 * See src/README, "The plan".
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "am.h"
#include "plan.h"

static planner_hook_type next_planner;

/* A bit for a column, as pull_varattnos sets it. */
#define COLUMN_BIT(attno) ((attno) - FirstLowInvalidHeapAttributeNumber)

/* An index that is not in the catalogs, as advisers dream up, is not vego's. */
static bool
is_vego_index(Oid index_oid)
{
	Relation	index = RelationIdGetRelation(index_oid);
	bool		is_vego;

	if (index == NULL)
		return false;
	is_vego = index->rd_indam != NULL &&
		index->rd_indam->amgettuple == vegogettuple;
	RelationClose(index);
	return is_vego;
}

/* The scan's condition has the column on the left, whatever the query has. */
static bool
is_commuted(const Expr *expr, const Expr *other)
{
	const OpExpr *a = (const OpExpr *) expr;
	const OpExpr *b = (const OpExpr *) other;

	return IsA(expr, OpExpr) && IsA(other, OpExpr) &&
		list_length(a->args) == 2 && list_length(b->args) == 2 &&
		a->inputcollid == b->inputcollid &&
		get_commutator(a->opno) == b->opno &&
		equal(linitial(a->args), lsecond(b->args)) &&
		equal(lsecond(a->args), linitial(b->args));
}

/*
 * Puts NULL for the distance the scan orders by.  The list may still be shared
 * with what the planner made on its way, so it is made anew.
 */
static void
drop_distance(IndexScan *scan, const Bitmapset *unread)
{
	List	   *targets = NIL;
	Expr	   *distance;
	ListCell   *cell;

	if (bms_is_empty(unread) || list_length(scan->indexorderbyorig) != 1 ||
		!is_vego_index(scan->indexid))
		return;

	distance = linitial(scan->indexorderbyorig);
	foreach(cell, scan->scan.plan.targetlist)
	{
		TargetEntry *target = lfirst(cell);

		if (bms_is_member(target->resno, unread) &&
			(equal(target->expr, distance) ||
			 is_commuted(target->expr, distance)) &&
			!contain_volatile_functions((Node *) target->expr))
		{
			target = flatCopyTargetEntry(target);
			target->expr = (Expr *)
				makeNullConst(exprType((Node *) distance),
							  exprTypmod((Node *) distance),
							  exprCollation((Node *) distance));
		}
		targets = lappend(targets, target);
	}
	scan->scan.plan.targetlist = targets;
}

/* The columns that an expression, or a list of them, takes of one source. */
static void
add_columns(void *expressions, int varno, Bitmapset **columns)
{
	pull_varattnos((Node *) expressions, varno, columns);
}

/*
 * What a node takes of a source besides its targets and conditions.  Sorting,
 * merging and comparing nodes are not here: they are not looked through.
 */
static void
add_columns_of_kind(const Plan *plan, int varno, Bitmapset **columns)
{
	ListCell   *cell;

	switch (nodeTag(plan))
	{
		case T_NestLoop:
			add_columns(((NestLoop *) plan)->join.joinqual, varno, columns);
			foreach(cell, ((NestLoop *) plan)->nestParams)
				add_columns(((NestLoopParam *) lfirst(cell))->paramval, varno,
							columns);
			break;
		case T_HashJoin:
			add_columns(((HashJoin *) plan)->join.joinqual, varno, columns);
			add_columns(((HashJoin *) plan)->hashclauses, varno, columns);
			add_columns(((HashJoin *) plan)->hashkeys, varno, columns);
			break;
		case T_Hash:
			add_columns(((Hash *) plan)->hashkeys, varno, columns);
			break;
		case T_Agg:
			for (int i = 0; i < ((Agg *) plan)->numCols; i++)
				*columns = bms_add_member(*columns,
										  COLUMN_BIT(((Agg *) plan)->grpColIdx[i]));
			break;
		default:
			break;
	}
}

/*
 * Which columns of a source are not read, neither by this node nor, through it,
 * by those above?  The node calls the source varno, and its own columns in
 * unread are not read.  A column that is merely handed on may be NULL; what is
 * computed from one is read.
 */
static Bitmapset *
unread_columns(const Plan *plan, const Bitmapset *unread, int varno,
			   const Plan *source)
{
	Bitmapset  *read = NULL;
	Bitmapset  *result = NULL;
	ListCell   *cell;

	add_columns(plan->qual, varno, &read);
	add_columns_of_kind(plan, varno, &read);
	foreach(cell, plan->targetlist)
	{
		TargetEntry *target = lfirst(cell);

		if (!IsA(target->expr, Var) || !bms_is_member(target->resno, unread))
			add_columns(target->expr, varno, &read);
	}
	if (bms_is_member(COLUMN_BIT(InvalidAttrNumber), read))
		return NULL;			/* the whole row */

	foreach(cell, source->targetlist)
	{
		TargetEntry *target = lfirst(cell);

		if (!bms_is_member(COLUMN_BIT(target->resno), read))
			result = bms_add_member(result, target->resno);
	}
	return result;
}

static void drop_distances(Plan *plan, const Bitmapset *unread);

static void
drop_distances_of_source(const Plan *plan, const Bitmapset *unread, int varno,
						 Plan *source)
{
	if (source != NULL)
		drop_distances(source, unread_columns(plan, unread, varno, source));
}

static void
drop_distances_of_all(List *plans)
{
	ListCell   *cell;

	foreach(cell, plans)
		drop_distances(lfirst(cell), NULL);
}

/*
 * Does this node take nothing of its sources but what unread_columns sees?  A
 * LockRows takes row identities by their names, which are no distances.
 */
static bool
reads_by_expressions(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Limit:			/* ties are found by comparing columns */
			return ((Limit *) plan)->limitOption != LIMIT_OPTION_WITH_TIES;
		case T_Agg:				/* grouping sets sort between */
			return ((Agg *) plan)->chain == NIL;
		case T_LockRows:
		case T_Material:
		case T_Memoize:
		case T_NestLoop:
		case T_HashJoin:
		case T_Hash:
			return true;
		default:
			return false;
	}
}

/* Whoever reads the plan's rows does not read its columns in unread. */
static void
drop_distances(Plan *plan, const Bitmapset *unread)
{
	if (plan == NULL)
		return;
	check_stack_depth();

	if (reads_by_expressions(plan))
	{
		drop_distances_of_source(plan, unread, OUTER_VAR, outerPlan(plan));
		drop_distances_of_source(plan, unread, INNER_VAR, innerPlan(plan));
		return;
	}
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			drop_distance((IndexScan *) plan, unread);
			return;
		case T_SubqueryScan:
			drop_distances_of_source(plan, unread,
									 ((SubqueryScan *) plan)->scan.scanrelid,
									 ((SubqueryScan *) plan)->subplan);
			return;
		case T_Append:
			drop_distances_of_all(((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			drop_distances_of_all(((MergeAppend *) plan)->mergeplans);
			break;
		case T_CustomScan:
			drop_distances_of_all(((CustomScan *) plan)->custom_plans);
			break;
		default:
			break;
	}
	drop_distances(outerPlan(plan), NULL);
	drop_distances(innerPlan(plan), NULL);
}

/*
 * Junk columns are thrown away at the top of a statement, and not seen by what
 * reads a subplan: a CTE, or an expression, which counts columns from the
 * first, where junk comes last.
 */
static void
drop_distances_below_top(Plan *top)
{
	Bitmapset  *junk = NULL;
	ListCell   *cell;

	if (top == NULL)			/* an alternative that was not taken */
		return;
	foreach(cell, top->targetlist)
	{
		TargetEntry *target = lfirst(cell);

		if (target->resjunk)
			junk = bms_add_member(junk, target->resno);
	}
	drop_distances(top, junk);
}

static PlannedStmt *
plan_without_unread_distances(Query *parse, const char *query_string,
							  int cursor_options, ParamListInfo bound_params)
{
	planner_hook_type planner =
		next_planner ? next_planner : standard_planner;
	PlannedStmt *statement = planner(parse, query_string, cursor_options,
									 bound_params);
	ListCell   *cell;

	drop_distances_below_top(statement->planTree);
	foreach(cell, statement->subplans)
		drop_distances_below_top(lfirst(cell));
	return statement;
}

void
vego_plan_init(void)
{
	next_planner = planner_hook;
	planner_hook = plan_without_unread_distances;
}
