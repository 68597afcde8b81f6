/*
 * waits.c
 *	  Places to wait in, for tests that replay a race step by step; and steps to
 *	  count, for tests of interrupts.
 *
 * A library to be loaded before vego.  It has functions of the same names as
 * some of vego's, so vego, which calls them through the linker's table, calls
 * these first.  They wait if the session has asked for it, and go on to vego's
 * own.  So what is tested is vego as it is.
 *
 *	 SET waits.at = 'vego_nodes_insert';		the next call waits
 *	 SET waits.at = 'vego_edit_commit 2';		the second one
 *	 SET waits.lock = 7;							for another advisory lock
 *
 * The failure points of src/failure.h are at the records that vego writes; these
 * are between its thoughts, before the first of them.
 *
 * A wait is for an advisory lock, number 1 unless told otherwise, so
 * isolationtester sees that the session waits, and pg_locks shows it.  With
 * _done behind the name the wait is after the call.  Only functions that are
 * called without any buffer locked are here.
 *
 * The same functions and some more are the steps of which long work is made.
 * With
 *
 *	 SET waits.steps = 50;
 *
 * interrupts are asked for at every step, although there are none, and a function
 * that is called more than 50 times before they are served raises an error.  So a
 * forgotten CHECK_FOR_INTERRUPTS is found however fast the machine is.
 *
 * Works with a vego that is linked without its list of exports.
 */
#include "postgres.h"

#include <dlfcn.h>
#include <limits.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "check.h"
#include "exact.h"
#include "graph.h"
#include "links.h"
#include "pageedit.h"
#include "partition_stages.h"
#include "streams.h"

PG_MODULE_MAGIC;

static char *wait_at;
static int	wait_lock;
static int	calls_left;
static int	most_steps;

static void
assign_wait_at(const char *value, void *extra)
{
	const char *count = strchr(value, ' ');

	calls_left = value[0] == '\0' ? 0 : count ? atoi(count + 1) : 1;
}

void		_PG_init(void);

void
_PG_init(void)
{
	DefineCustomStringVariable("waits.at", "Where to wait, and in which call.",
							   NULL, &wait_at, "", PGC_USERSET, 0,
							   NULL, assign_wait_at, NULL);
	DefineCustomIntVariable("waits.lock", "The advisory lock to wait for.",
							NULL, &wait_lock, 1, 1, INT_MAX, PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("waits.steps",
							"The most steps between checks for interrupts.",
							"0 is as many as there are.", &most_steps,
							0, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
pass(const char *place)
{
	size_t		length = strlen(place);

	if (calls_left == 0 || strncmp(wait_at, place, length) != 0 ||
		(wait_at[length] != '\0' && wait_at[length] != ' ') ||
		--calls_left > 0)
		return;
	DirectFunctionCall1(pg_advisory_lock_int8, Int64GetDatum(wait_lock));
	DirectFunctionCall1(pg_advisory_unlock_int8, Int64GetDatum(wait_lock));
}

/* Vego's own function of that name. */
static void *
function_behind(const char *name)
{
	char		path[MAXPGPATH];
	void	   *library;
	void	   *function;

	snprintf(path, sizeof(path), "%s/vego.so", pkglib_path);
	library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	function = library ? dlsym(library, name) : NULL;
	if (function == NULL)
		elog(ERROR, "vego has no function %s", name);
	return function;
}

/* The steps of a function since interrupts were served last. */
typedef struct Steps
{
	uint64		served;			/* how often, when it was called last */
	double		count;
} Steps;

/*
 * Serving clears what was asked for, unless interrupts are held off: so what is
 * still there has not been served.
 */
static void
take_steps(Steps *steps, const char *name, double count)
{
	static uint64 served = 1;

	if (most_steps == 0)
		return;
	if (!InterruptPending)
		served++;
	InterruptPending = true;
	if (steps->served != served)
		*steps = (Steps) {served, 0};
	steps->count += count;
	if (steps->count > most_steps)
	{
		steps->count = 0;
		elog(ERROR, "%s took %d steps without a check for interrupts",
			 name, most_steps);
	}
}

/* A function that takes so many steps. */
#define STEPS(count, result, name, parameters, arguments) \
result \
name parameters \
{ \
	static result (*behind) parameters = NULL; \
	static Steps steps; \
\
	if (behind == NULL) \
		behind = function_behind(#name); \
	take_steps(&steps, #name, (count)); \
	return behind arguments; \
}

#define STEP(result, name, parameters, arguments) \
	STEPS(1, result, name, parameters, arguments)

/* One that also waits, if it is to, before and after it calls vego's own. */
#define WAITING(result, name, parameters, arguments) \
result \
name parameters \
{ \
	static result (*behind) parameters = NULL; \
	static Steps steps; \
	result		returned; \
\
	if (behind == NULL) \
		behind = function_behind(#name); \
	take_steps(&steps, #name, 1); \
	pass(#name); \
	returned = behind arguments; \
	pass(#name "_done"); \
	return returned; \
}

#define WAITING_VOID(name, parameters, arguments) \
void \
name parameters \
{ \
	static void (*behind) parameters = NULL; \
	static Steps steps; \
\
	if (behind == NULL) \
		behind = function_behind(#name); \
	take_steps(&steps, #name, 1); \
	pass(#name); \
	behind arguments; \
	pass(#name "_done"); \
}

/* an insert has searched, and writes the slot */
WAITING(VegoNodeId, vego_nodes_insert,
		(VegoNodes *nodes, VegoSlot *slot), (nodes, slot))

/* links have been decided on, from copies */
WAITING(int, vego_nodes_edit,
		(VegoNodes *nodes, VegoRecord record, VegoEdit *edits, int count),
		(nodes, record, edits, count))

/* an insert links back; pass 2 of vacuum repairs a block */
WAITING(bool, vego_links_back,
		(VegoNodes *nodes, VegoNodeId id, const VegoSlot *slot,
		 VegoCopies *copies),
		(nodes, id, slot, copies))
WAITING_VOID(vego_graph_repair,
			 (VegoWorkbench *bench, const VegoNodeId *ids,
			  VegoSlot *const *slots, int count, VegoFilter gone, void *arg),
			 (bench, ids, slots, count, gone, arg))

/* passes 1 and 4 of vacuum, a block each */
WAITING(VegoBlockKind, vego_nodes_judge_block,
		(VegoNodes *nodes, BlockNumber block, BufferAccessStrategy strategy,
		 VegoJudge judge, void *arg),
		(nodes, block, strategy, judge, arg))

/* pass 3 of vacuum, before the entry is decided on */
WAITING_VOID(vego_nodes_lock_entry, (VegoNodes *nodes), (nodes))

/* between two records */
WAITING_VOID(vego_edit_commit, (VegoPageEdit *edit), (edit))

/* stages of a build compute, in all processes; rows and links in files */
STEPS(distances / 50000, void, vego_advance,
	  (VegoWork *work, int64 units, double distances),
	  (work, units, distances))
STEPS(bytes / 65536.0, void, vego_streams_append,
	  (VegoStreams *streams, uint32 stream, const void *data, Size bytes),
	  (streams, stream, data, bytes))
STEPS(bytes / 65536.0, void, vego_streams_read,
	  (VegoStreams *streams, void *data, Size bytes), (streams, data, bytes))

/* a hop of a search, and what it meets; whole blocks */
STEP(void, vego_nodes_look, (VegoNodes *nodes, VegoNodeId id, VegoSlot *slot),
	 (nodes, id, slot))
STEP(void, vego_nodes_read, (VegoNodes *nodes, VegoNodeId id, VegoSlot *slot),
	 (nodes, id, slot))
STEP(VegoBlockKind, vego_nodes_read_block,
	 (VegoNodes *nodes, BlockNumber block, BufferAccessStrategy strategy,
	  char *slots),
	 (nodes, block, strategy, slots))
STEP(int, vego_nodes_rank_block,
	 (VegoNodes *nodes, BlockNumber block, const VegoQuery *query, int level,
	  VegoNodeId *ids, double *ranks),
	 (nodes, block, query, level, ids, ranks))

/* exact vectors */
STEP(bool, vego_exact_fetch,
	 (VegoNodes *nodes, VegoNodeId id, const ItemPointerData *tid,
	  VegoExactPlace place, VegoExactValue *value),
	 (nodes, id, tid, place, value))
STEP(VegoExactPlace, vego_exact_insert,
	 (VegoNodes *nodes, const ItemPointerData *tid, VegoExactValue value),
	 (nodes, tid, value))
STEP(void, vego_exact_sweep_block,
	 (VegoNodes *nodes, BlockNumber block, BufferAccessStrategy strategy,
	  VegoRowIsDead is_dead, void *arg),
	 (nodes, block, strategy, is_dead, arg))
STEP(void, vego_exact_count_block,
	 (VegoNodes *nodes, BlockNumber block, BufferAccessStrategy strategy,
	  VegoExactCensus *census),
	 (nodes, block, strategy, census))

/* what vego_check looks at */
STEP(const char *, vego_check_copy_page,
	 (VegoCheck *check, BlockNumber block, char *page), (check, block, page))
STEP(void, vego_check_copy_heap_page,
	 (VegoCheck *check, BlockNumber block, char *page), (check, block, page))
