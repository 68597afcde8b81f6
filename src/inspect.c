/*
 * inspect.c
 *	  What does an index look like from outside: who may look, how large is it,
 *	  how well is it filled, what has this connection done with it?
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "am.h"
#include "exact.h"
#include "inspect.h"
#include "options.h"

/* What stands in the way of looking into the index, as an error. */
static void
refuse_unfit(Relation index)
{
	const char *name = RelationGetRelationName(index);

	if (index->rd_rel->relkind != RELKIND_INDEX ||
		index->rd_indam->ambuild != vegobuild)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a vego index", name),
				 index->rd_rel->relkind == RELKIND_PARTITIONED_INDEX ?
				 errhint("Name the index of one partition.") :
				 errhint("Name an index made with USING vego_hnsw.")));
	if (RELATION_IS_OTHER_TEMP(index))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary indexes of other sessions")));
	if (!index->rd_index->indisvalid)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" is not valid", name),
				 errdetail("Its concurrent build is under way or has failed."),
				 errhint("If it has failed, REINDEX INDEX CONCURRENTLY or drop it.")));
	if (RecoveryInProgress() &&
		index->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot access temporary or unlogged indexes during recovery")));
}

VegoInspection
vego_inspection_open(Oid index)
{
	VegoInspection inspection = {NULL, NULL};
	Oid			heap = IndexGetRelation(index, true);

	/* the table first, as everyone locks; not an index is found out below */
	if (OidIsValid(heap))
		inspection.heap = table_open(heap, AccessShareLock);
	inspection.index = index_open(index, AccessShareLock);

	/* an index dropped and made again meanwhile may have another table */
	if (inspection.heap == NULL || heap != IndexGetRelation(index, false))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("could not open the table of index \"%s\"",
						RelationGetRelationName(inspection.index))));

	if (!has_privs_of_role(GetUserId(), inspection.heap->rd_rel->relowner))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_INDEX,
					   RelationGetRelationName(inspection.index));
	refuse_unfit(inspection.index);
	return inspection;
}

void
vego_inspection_close(VegoInspection inspection)
{
	index_close(inspection.index, AccessShareLock);
	table_close(inspection.heap, AccessShareLock);
}

VegoOwner
vego_inspection_become_owner(VegoInspection inspection)
{
	VegoOwner	owner;

	GetUserIdAndSecContext(&owner.user, &owner.security);
	SetUserIdAndSecContext(inspection.heap->rd_rel->relowner,
						   owner.security | SECURITY_RESTRICTED_OPERATION);
	owner.settings = NewGUCNestLevel();
	set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET,
					  PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return owner;
}

void
vego_inspection_leave_owner(VegoOwner owner)
{
	AtEOXact_GUC(false, owner.settings);
	SetUserIdAndSecContext(owner.user, owner.security);
}

void
vego_inspection_scan(VegoInspection inspection, Snapshot snapshot,
					 IndexBuildCallback callback, void *arg)
{
	IndexInfo  *info = BuildIndexInfo(inspection.index);

	/* a concurrent build's second half: an MVCC snapshot, no uniqueness */
	info->ii_Concurrent = true;
	info->ii_Unique = false;
	info->ii_ExclusionOps = NULL;
	table_index_build_scan(inspection.heap, inspection.index, info, false,
						   false, callback, arg,
						   table_beginscan_strat(inspection.heap, snapshot, 0,
												 NULL, true, false));
}

int64
vego_argument(const char *name, bool isnull, int64 value, int64 least,
			  int64 most)
{
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s cannot be NULL", name),
				 errhint("Give a number from %lld to %lld.",
						 (long long) least, (long long) most)));
	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s = %lld is out of range", name, (long long) value),
				 errhint("Give a number from %lld to %lld.",
						 (long long) least, (long long) most)));
	return value;
}

/* What one sweep over the slots counts. */
typedef struct Census
{
	uint64		nodes;			/* live, on level 0 */
	uint64		upper_nodes;
	uint64		dead;
	uint64		free;
	uint64		links;			/* of the nodes, as are the next two */
	int			least_degree;
	int			most_degree;
	VegoExactCensus exact;
} Census;

static void
count_slot(Census *census, const VegoSlot *slot)
{
	if (slot->kind == VEGO_SLOT_FREE)
		census->free++;
	else if (slot->kind == VEGO_SLOT_DEAD)
		census->dead++;
	else if (slot->level > 0)
		census->upper_nodes++;
	else
	{
		if (census->nodes == 0)
			census->least_degree = slot->degree;
		census->nodes++;
		census->links += slot->degree;
		census->least_degree = Min(census->least_degree, slot->degree);
		census->most_degree = Max(census->most_degree, slot->degree);
	}
}

static Census
count_slots(VegoNodes *nodes)
{
	const VegoGeometry *geometry = &nodes->geometry;
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	char	   *slots = palloc((size_t) geometry->per_page *
							   geometry->slot_bytes);
	Census		census = {0};

	for (BlockNumber block = geometry->first_block;; block++)
	{
		VegoBlockKind kind = vego_nodes_read_block(nodes, block, strategy,
												   slots);

		CHECK_FOR_INTERRUPTS();
		if (kind == VEGO_BLOCK_NONE)
			break;
		if (kind == VEGO_BLOCK_EXACT)
		{
			vego_exact_count_block(nodes, block, strategy, &census.exact);
			continue;
		}
		for (int i = 0; i < geometry->per_page; i++)
			count_slot(&census,
					   (VegoSlot *) (slots + i * geometry->slot_bytes));
	}
	pfree(slots);
	FreeAccessStrategy(strategy);
	return census;
}

static const char *
metric_name(VegoMetric metric)
{
	switch (metric)
	{
		case VEGO_L2:
			return "l2";
		case VEGO_INNER_PRODUCT:
			return "ip";
		case VEGO_COSINE:
			return "cosine";
		case VEGO_L1:
			return "l1";
		case VEGO_HAMMING:
			return "hamming";
		case VEGO_JACCARD:
			return "jaccard";
	}
	return NULL;
}

/* A row under construction, column by column. */
#define STATS_COLUMNS 32

typedef struct Row
{
	int			count;
	Datum		values[STATS_COLUMNS];
	bool		isnull[STATS_COLUMNS];
} Row;

static void
add_datum(Row *row, Datum value, bool known)
{
	Assert(row->count < STATS_COLUMNS);
	row->values[row->count] = value;
	row->isnull[row->count] = !known;
	row->count++;
}

static void
add_int8(Row *row, uint64 value)
{
	add_datum(row, Int64GetDatum((int64) value), true);
}

static void
add_int4(Row *row, int value, bool known)
{
	add_datum(row, Int32GetDatum(value), known);
}

/* NULL where there is nothing to divide by. */
static void
add_ratio(Row *row, double dividend, double divisor)
{
	add_datum(row, Float8GetDatum(divisor > 0 ? dividend / divisor : 0.0),
			  divisor > 0);
}

PG_FUNCTION_INFO_V1(vego_stats);

/* vego_stats('items_embedding_idx') */
Datum
vego_stats(PG_FUNCTION_ARGS)
{
	VegoInspection inspection = vego_inspection_open(PG_GETARG_OID(0));
	VegoNodes  *nodes = vego_nodes_open(inspection.index);
	VegoCounters counters = *vego_nodes_counters(nodes);
	const VegoMeta *meta = &nodes->meta;
	bool		empty = meta->entry == VEGO_NO_NODE;
	Census		census = count_slots(nodes);
	uint64		slots = census.nodes + census.upper_nodes + census.dead +
		census.free;
	uint64		bytes = (uint64) BLCKSZ *
		RelationGetNumberOfBlocks(inspection.index);
	Row			row = {0};
	TupleDesc	columns;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	add_int8(&row, census.nodes);
	add_int4(&row, empty ? 0 : (int) meta->entry_level + 1, true);
	add_int8(&row, census.upper_nodes);
	add_int8(&row, census.dead);
	add_int8(&row, census.free);
	add_int8(&row, slots);
	add_ratio(&row, census.links, census.nodes);
	add_int4(&row, census.least_degree, census.nodes > 0);
	add_int4(&row, census.most_degree, census.nodes > 0);
	add_int4(&row, meta->dims, true);
	add_int4(&row, meta->bits, true);
	add_int4(&row, meta->m, true);
	add_datum(&row, CStringGetTextDatum(metric_name(meta->metric)), true);
	add_int4(&row, meta->entry_level, !empty);
	add_int8(&row, bytes);
	add_ratio(&row, bytes, census.nodes);
	add_ratio(&row, census.nodes + census.upper_nodes, slots);
	add_int8(&row, counters.ranked_by_hint);
	add_int8(&row, counters.ranked_by_pin);
	add_int8(&row, counters.expanded);
	add_int8(&row, counters.reads);
	add_int8(&row, counters.pins);
	add_int8(&row, counters.prefetches);
	add_int8(&row, counters.searches);
	add_int8(&row, counters.rows_fetched);
	add_int8(&row, counters.rows_returned);
	add_int8(&row, counters.rows_withheld);
	add_datum(&row, CStringGetTextDatum(vego_exact_mode_name(meta->exact)),
			  true);
	add_int8(&row, census.exact.vectors);
	add_int8(&row, census.exact.blocks * BLCKSZ);
	add_int8(&row, census.exact.free_bytes);
	add_int8(&row, counters.exact_reads);
	if (row.count != columns->natts)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the installed library does not match the extension's functions"),
				 errhint("Run ALTER EXTENSION vego UPDATE.")));

	vego_inspection_close(inspection);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns),
													  row.values,
													  row.isnull)));
}
