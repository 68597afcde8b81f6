/*
 * vego.c
 *	  What does the library offer the server?
 */
#include "postgres.h"

#include "commands/vacuum.h"
#include "fmgr.h"
#include "nodes/nodes.h"

#include "am.h"
#include "failure.h"
#include "opclass.h"
#include "options.h"
#include "plan.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	vego_failure_init();
	vego_options_init();
	vego_plan_init();
}

/* pg_index_column_has_property: what the server cannot tell by itself. */
static bool
vegoproperty(Oid index_oid, int attno, IndexAMProperty prop,
			 const char *propname, bool *res, bool *isnull)
{
	if (prop != AMPROP_DISTANCE_ORDERABLE || attno == 0)
		return false;
	*res = true;
	*isnull = false;
	return true;
}

PG_FUNCTION_INFO_V1(vego_hnsw_handler);

/* The access method vego_hnsw. */
Datum
vego_hnsw_handler(PG_FUNCTION_ARGS)
{
	IndexAmRoutine *am = makeNode(IndexAmRoutine);

	am->amstrategies = 0;
	am->amsupport = VEGO_PROCS;
	am->amoptsprocnum = 0;
	am->amcanorder = false;
	am->amcanorderbyop = true;
	am->amcanbackward = false;
	am->amcanunique = false;
	am->amcanmulticol = false;
	am->amoptionalkey = true;
	am->amsearcharray = false;
	am->amsearchnulls = false;
	am->amstorage = false;
	am->amclusterable = false;
	am->ampredlocks = false;
	am->amcanparallel = false;
	am->amcaninclude = false;
	am->amusemaintenanceworkmem = true;
	am->amparallelvacuumoptions = VACUUM_OPTION_PARALLEL_BULKDEL;
	am->amkeytype = InvalidOid;

	am->ambuild = vegobuild;
	am->ambuildempty = vegobuildempty;
	am->aminsert = vegoinsert;
	am->ambulkdelete = vegobulkdelete;
	am->amvacuumcleanup = vegovacuumcleanup;
	am->amcanreturn = NULL;
	am->amcostestimate = vegocostestimate;
	am->amoptions = vegooptions;
	am->amproperty = vegoproperty;
	am->ambuildphasename = vegobuildphasename;
	am->amvalidate = vegovalidate;
	am->amadjustmembers = NULL;
	am->ambeginscan = vegobeginscan;
	am->amrescan = vegorescan;
	am->amgettuple = vegogettuple;
	am->amgetbitmap = NULL;
	am->amendscan = vegoendscan;
	am->ammarkpos = NULL;
	am->amrestrpos = NULL;
	am->amestimateparallelscan = NULL;
	am->aminitparallelscan = NULL;
	am->amparallelrescan = NULL;
	PG_RETURN_POINTER(am);
}
