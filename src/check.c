/*
 * check.c
 *	  Is an index sound?
 *
 * vego_check holds the index against numbered invariants, one function for
 * each, and returns a row for each thing found.  It takes no lock that keeps
 * anyone from reading, writing or vacuuming, changes nothing, and works on a
 * standby.
 *
 *	 I1	Pages.  Each has a sound header and the tail of its kind; what lies
 *		beyond its last slot is zero.  A node page may be all zero (info), as a
 *		crash leaves one.
 *	 I2	Meta.  Magic, version and constants make sense and agree with the
 *		catalog.  The entry is a live node on the entry's level and no node is
 *		on a higher one; without an entry there is no live node.  The radius is
 *		not below a live node's norm.
 *	 I3	Binding.  Every live node can be reached from the entry's slot on its
 *		level by binding links of live nodes alone.
 *	 I4	Slots.  Known kind; level and degree in range; factors finite; unused
 *		links and bytes zero; a live node of level 0 has a row pointer within
 *		the table, a dead one has none; a free slot is all zero.
 *	 I5	Links.  Each is the number of a slot, not the node's own, and none is
 *		there twice.  Links to slots that were buried, freed or reused are no
 *		fault (info).
 *	 I6	Reach.  Every live node can be reached by the links a search follows.
 *	 I7	Upper slots.  The slot one level down is live, and the same node: code
 *		and factors are equal.
 *	 I8	Rows.  Every visible row that the operator class indexes is in the
 *		index exactly once.  Every live node's row pointer is in use, and that
 *		of a row, not of a later version in its chain.
 *	 I9	Contents.  A visible row's code and factors are those of its vector, or
 *		what another processor's rounding makes of it (info).
 *	 I10	Exact vectors, in an index that keeps them.  A live node of level 0
 *		has one, which can be decoded; that of a visible row is the row's, to
 *		the last bit.  One that belongs to no node is no fault (info).  On their
 *		pages they lie one behind the other.
 *
 * Crashes and failed inserts leave nodes of rows that nobody sees; of these
 * I2, I3, I6, I7 and I10 ask less (info), since vacuum removes them.  I3 and I6 also
 * ask less while there are dead slots: a VACUUM is under way, or was cut short
 * and the next one ends its work.
 *
 * Others may change the index meanwhile.  Visible nodes stay where they are,
 * and a page is copied whole, so only I2's entry, I3 and I6 can be misled: by a
 * VACUUM that moved links from pages not yet seen to others already seen.
 * When these find something everything is looked at again; what remains is
 * reported.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "check.h"
#include "inspect.h"

/* How often to look again before a finding that a VACUUM can cause counts. */
#define MAX_ATTEMPTS 3

#define FINDING_COLUMNS 5

void
vego_finding(VegoCheck *check, VegoInvariant invariant, VegoSeverity severity,
			 BlockNumber block, int slot, const char *format,...)
{
	MemoryContext old;
	VegoFinding *finding;
	char		text[512];
	va_list		args;

	if (severity == VEGO_ERROR &&
		(invariant == VEGO_META || invariant == VEGO_BINDING ||
		 invariant == VEGO_REACH))
		check->may_have_moved = true;
	if (check->totals[invariant][severity]++ >= VEGO_FINDINGS_KEPT)
		return;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	old = MemoryContextSwitchTo(check->context);
	finding = &check->findings[check->findings_count++];
	*finding = (VegoFinding) {invariant, severity, block, slot, pstrdup(text)};
	MemoryContextSwitchTo(old);
}

/* Does the error say that a page cannot be read, rather than "stop"? */
static bool
is_damage(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		error->sqlerrcode == ERRCODE_INDEX_CORRUPTED ||
		error->sqlerrcode == ERRCODE_IO_ERROR;
}

static void
copy_buffer(VegoCheck *check, Relation rel, BlockNumber block, char *page)
{
	Buffer		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block,
											RBM_NORMAL, check->strategy);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	memcpy(page, BufferGetPage(buffer), BLCKSZ);
	UnlockReleaseBuffer(buffer);
}

/*
 * The server verifies a page when it reads it from disk, and raises an error.
 * A subtransaction cleans up after that.
 */
const char *
vego_check_copy_page(VegoCheck *check, BlockNumber block, char *page)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	CHECK_FOR_INTERRUPTS();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		copy_buffer(check, check->index, block, page);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return NULL;
	if (!is_damage(error))
		ReThrowError(error);
	return error->message;
}

void
vego_check_copy_heap_page(VegoCheck *check, BlockNumber block, char *page)
{
	CHECK_FOR_INTERRUPTS();
	copy_buffer(check, check->heap, block, page);
}

bool
vego_check_id_exists(VegoCheck *check, VegoNodeId id)
{
	if (id < check->count)
		return true;
	return id < vego_node_count(&check->geometry,
								RelationGetNumberOfBlocks(check->index));
}

bool
vego_check_tid_exists(VegoCheck *check, const ItemPointerData *tid)
{
	BlockNumber block = ItemPointerGetBlockNumberNoCheck(tid);

	if (!ItemPointerIsValid(tid))
		return false;
	if (block >= check->heap_blocks)
		check->heap_blocks = RelationGetNumberOfBlocks(check->heap);
	return block < check->heap_blocks;
}

const VegoSlot *
vego_check_slot(VegoCheck *check, VegoNodeId id)
{
	const VegoSlot *slot;

	if (!vego_check_id_exists(check, id) ||
		vego_check_copy_page(check, vego_node_block(&check->geometry, id),
							 check->other_page) != NULL ||
		vego_page_fault(check->other_page, VEGO_PAGE_NODES) != NULL)
		return NULL;
	slot = vego_page_slot(&check->geometry, check->other_page,
						  vego_node_slot(&check->geometry, id));
	return vego_slot_fault(&check->geometry, slot) == NULL ? slot : NULL;
}

/* Everything that may have to be looked at again. */
static bool
check_index(VegoCheck *check)
{
	if (!vego_check_meta(check))
		return false;
	vego_check_blocks(check);
	if (vego_check_reread_meta(check))
		vego_check_entry(check);
	vego_check_binding(check);
	vego_check_reach(check);
	return true;
}

static void
check_all(VegoCheck *check)
{
	MemoryContext old = CurrentMemoryContext;
	bool		readable;

	for (int attempt = 1;; attempt++)
	{
		check->context = AllocSetContextCreate(old, "vego check",
											   ALLOCSET_DEFAULT_SIZES);
		MemoryContextSwitchTo(check->context);
		check->findings = palloc((VEGO_INVARIANTS + 1) * 2 *
								 VEGO_FINDINGS_KEPT * sizeof(VegoFinding));
		check->findings_count = 0;
		memset(check->totals, 0, sizeof(check->totals));
		check->may_have_moved = false;

		readable = check_index(check);
		MemoryContextSwitchTo(old);
		if (!check->may_have_moved || attempt == MAX_ATTEMPTS)
			break;
		MemoryContextDelete(check->context);
	}

	MemoryContextSwitchTo(check->context);
	if (readable)
		vego_check_exact(check);
	if (readable && check->with_rows)
		vego_check_rows(check);
	MemoryContextSwitchTo(old);
}

static void
open_check(VegoCheck *check, VegoInspection inspection)
{
	check->heap = inspection.heap;
	check->index = inspection.index;

	/*
	 * Taken before the index is read: then every row visible to it was in the
	 * index when the reading began, and vacuum lets it stay.  The latest
	 * snapshot rather than the transaction's, so that under REPEATABLE READ
	 * too it is younger than the index.
	 */
	check->snapshot = RegisterSnapshot(GetLatestSnapshot());
	check->strategy = GetAccessStrategy(BAS_BULKREAD);
	check->fetch = table_index_fetch_begin(check->heap);
	check->fetched = table_slot_create(check->heap, NULL);
	check->heap_blocks = RelationGetNumberOfBlocks(check->heap);
	check->page = palloc(BLCKSZ);
	check->other_page = palloc(BLCKSZ);
}

static void
close_check(VegoCheck *check)
{
	table_index_fetch_end(check->fetch);
	ExecDropSingleTupleTableSlot(check->fetched);
	FreeAccessStrategy(check->strategy);
	UnregisterSnapshot(check->snapshot);
}

static const char *
severity_name(VegoSeverity severity)
{
	return severity == VEGO_ERROR ? "error" : "info";
}

static void
put_finding(Tuplestorestate *store, TupleDesc columns,
			const VegoFinding *finding)
{
	bool		placed = finding->block != InvalidBlockNumber;
	Datum		values[FINDING_COLUMNS];
	bool		isnull[FINDING_COLUMNS] = {false, false, !placed,
	finding->slot < 0, false};

	values[0] = CStringGetTextDatum(psprintf("I%d", finding->invariant));
	values[1] = CStringGetTextDatum(severity_name(finding->severity));
	values[2] = Int64GetDatum(finding->block);
	values[3] = Int32GetDatum(finding->slot);
	values[4] = CStringGetTextDatum(finding->text);
	tuplestore_putvalues(store, columns, values, isnull);
}

/* By number, errors first; then how many more there are. */
static void
put_findings(const VegoCheck *check, Tuplestorestate *store,
			 TupleDesc columns)
{
	for (int invariant = 1; invariant <= VEGO_INVARIANTS; invariant++)
		for (int severity = VEGO_ERROR; severity >= VEGO_INFO; severity--)
		{
			uint64		total = check->totals[invariant][severity];
			VegoFinding last = {invariant, severity, InvalidBlockNumber, -1};

			for (int i = 0; i < check->findings_count; i++)
				if (check->findings[i].invariant == invariant &&
					check->findings[i].severity == severity)
					put_finding(store, columns, &check->findings[i]);
			if (total <= VEGO_FINDINGS_KEPT)
				continue;
			last.text = psprintf(UINT64_FORMAT " findings of this kind in all",
								 total);
			put_finding(store, columns, &last);
		}
}

/* The set that is returned; in the query's own memory. */
static Tuplestorestate *
begin_result(FunctionCallInfo fcinfo, TupleDesc *columns)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		(result->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (get_call_result_type(fcinfo, NULL, columns) != TYPEFUNC_COMPOSITE ||
		(*columns)->natts != FINDING_COLUMNS)
		elog(ERROR, "return type must be a row of findings");

	old = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	*columns = CreateTupleDescCopy(*columns);
	result->returnMode = SFRM_Materialize;
	result->setDesc = *columns;
	result->setResult = tuplestore_begin_heap(false, false, work_mem);
	MemoryContextSwitchTo(old);
	return result->setResult;
}

PG_FUNCTION_INFO_V1(vego_check);

/* vego_check('items_embedding_idx') */
Datum
vego_check(PG_FUNCTION_ARGS)
{
	VegoCheck	check = {0};
	VegoInspection inspection;
	Tuplestorestate *store;
	TupleDesc	columns;
	VegoOwner	owner;

	store = begin_result(fcinfo, &columns);
	inspection = vego_inspection_open(PG_GETARG_OID(0));
	check.with_rows = PG_GETARG_BOOL(1);

	owner = vego_inspection_become_owner(inspection);
	open_check(&check, inspection);
	check_all(&check);
	put_findings(&check, store, columns);
	close_check(&check);
	MemoryContextDelete(check.context);

	vego_inspection_leave_owner(owner);
	vego_inspection_close(inspection);
	return (Datum) 0;
}
