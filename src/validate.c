/*
 * validate.c
 *	  Is an operator class one that the access method can use?
 */
#include "postgres.h"

#include "access/amvalidate.h"
#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_amproc.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "am.h"
#include "opclass.h"

/* Reports one defect; always false, so that the caller can note it. */
static bool
complain(const char *family, const char *what, const char *which)
{
	ereport(INFO,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("operator family \"%s\" of access method %s contains %s %s",
					family, "vego_hnsw", what, which)));
	return false;
}

static bool
validate_procs(CatCList *procs, const char *family, Oid input_type)
{
	bool		valid = true;
	bool		found[VEGO_PROCS + 1] = {false};

	for (int i = 0; i < procs->n_members; i++)
	{
		Form_pg_amproc proc = (Form_pg_amproc)
			GETSTRUCT(&procs->members[i]->tuple);
		bool		right;

		switch (proc->amprocnum)
		{
			case VEGO_DISTANCE_PROC:
				right = check_amproc_signature(proc->amproc, FLOAT8OID, true,
											   2, 2, proc->amproclefttype,
											   proc->amprocrighttype);
				break;
			case VEGO_SUPPORT_PROC:
				right = check_amproc_signature(proc->amproc, INTERNALOID, true,
											   1, 1, INTERNALOID);
				break;
			default:
				right = false;
				break;
		}
		if (!right)
			valid = complain(family, "a support function that does not fit:",
							 format_procedure(proc->amproc));
		else if (proc->amproclefttype == input_type)
			found[proc->amprocnum] = true;
	}
	for (int i = 1; i <= VEGO_PROCS; i++)
		if (!found[i])
			valid = complain(family, "no support function",
							 i == VEGO_DISTANCE_PROC ? "1" : "2");
	return valid;
}

static bool
validate_operators(CatCList *operators, const char *family)
{
	bool		valid = true;

	for (int i = 0; i < operators->n_members; i++)
	{
		Form_pg_amop operator = (Form_pg_amop)
			GETSTRUCT(&operators->members[i]->tuple);

		if (operator->amopstrategy != 1 ||
			operator->amoppurpose != AMOP_ORDER ||
			get_op_rettype(operator->amopopr) != FLOAT8OID ||
			!opfamily_can_sort_type(operator->amopsortfamily, FLOAT8OID) ||
			!check_amop_signature(operator->amopopr, FLOAT8OID,
								  operator->amoplefttype,
								  operator->amoprighttype))
			valid = complain(family, "an operator that does not fit:",
							 format_operator(operator->amopopr));
	}
	return valid;
}

bool
vegovalidate(Oid opclassoid)
{
	HeapTuple	tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclassoid));
	HeapTuple	family_tuple;
	Form_pg_opclass opclass;
	char	   *family;
	CatCList   *procs;
	CatCList   *operators;
	bool		valid;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator class %u", opclassoid);
	opclass = (Form_pg_opclass) GETSTRUCT(tuple);
	family_tuple = SearchSysCache1(OPFAMILYOID,
								   ObjectIdGetDatum(opclass->opcfamily));
	if (!HeapTupleIsValid(family_tuple))
		elog(ERROR, "cache lookup failed for operator family %u",
			 opclass->opcfamily);
	family = pstrdup(NameStr(((Form_pg_opfamily)
							  GETSTRUCT(family_tuple))->opfname));
	ReleaseSysCache(family_tuple);
	procs = SearchSysCacheList1(AMPROCNUM,
								ObjectIdGetDatum(opclass->opcfamily));
	operators = SearchSysCacheList1(AMOPSTRATEGY,
									ObjectIdGetDatum(opclass->opcfamily));

	valid = validate_procs(procs, family, opclass->opcintype);
	valid = validate_operators(operators, family) && valid;
	if (operators->n_members == 0)
		valid = complain(family, "no", "operator");

	ReleaseCatCacheList(procs);
	ReleaseCatCacheList(operators);
	ReleaseSysCache(tuple);
	return valid;
}
