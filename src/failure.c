/*
 * failure.c
 *	  How does a test make something go wrong?
 */
#include "postgres.h"

#include <zstd.h>

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "failure.h"

#define MOST_FAILURES 4

typedef struct Failure
{
	char		action[16];
	char		when[16];
	char		place[32];
	int			countdown;
} Failure;

static char *guc_failure;
static int	guc_failing_allocation;

static Failure failures[MOST_FAILURES];
static int	allocations_left;

static bool
parse_failures(const char *value, Failure *parsed)
{
	memset(parsed, 0, MOST_FAILURES * sizeof(Failure));
	for (int i = 0; i < MOST_FAILURES && value && *value; i++)
	{
		parsed[i].countdown = 1;
		if (sscanf(value, "%15s %15s %31[a-z_] %d", parsed[i].action,
				   parsed[i].when, parsed[i].place, &parsed[i].countdown) < 3)
			return false;
		value = strchr(value, ',');
		if (value)
			value++;
	}
	return true;
}

static bool
check_failure(char **value, void **extra, GucSource source)
{
	Failure		parsed[MOST_FAILURES];

	return parse_failures(*value, parsed);
}

static void
assign_failure(const char *value, void *extra)
{
	parse_failures(value, failures);
}

static void
assign_failing_allocation(int value, void *extra)
{
	allocations_left = value;
}

void
vego_failure_init(void)
{
	DefineCustomStringVariable("vego.failure",
							   "What goes wrong, and where.", NULL,
							   &guc_failure, "", PGC_USERSET,
							   GUC_NOT_IN_SAMPLE, check_failure,
							   assign_failure, NULL);
	DefineCustomIntVariable("vego.failing_allocation",
							"Which allocation from now on fails; 0 is none.",
							NULL, &guc_failing_allocation, 0, 0, INT_MAX,
							PGC_USERSET, GUC_NOT_IN_SAMPLE, NULL,
							assign_failing_allocation, NULL);
}

/*
 * Where the last record ends.  The next one begins behind the header of a page,
 * if that is where it comes; nothing has been written so far as that.
 */
static XLogRecPtr
end_of_wal(void)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();

	if (XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD)
		end -= SizeOfXLogLongPHD;
	else if (end % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		end -= SizeOfXLogShortPHD;
	return end;
}

static void
end_server(void)
{
	/* what is on disk is then known to the last record */
	XLogFlush(end_of_wal());
	elog(PANIC, "vego.failure: %s", guc_failure);
}

static void
wait_for_lock(void)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, VEGO_FAILURE_LOCK, 1);
	LockAcquire(&tag, ShareLock, false, false);
	LockRelease(&tag, ShareLock, false);
}

static void
act(Failure *failure)
{
	if (failure->countdown > 1)
	{
		failure->countdown--;
		return;
	}
	if (strcmp(failure->action, "sleep") == 0)
	{
		pg_usleep(200 * 1000L);
		return;
	}
	failure->place[0] = '\0';	/* once */
	if (strcmp(failure->action, "panic") == 0)
		end_server();
	else if (strcmp(failure->action, "wait") == 0)
		wait_for_lock();
	else
		ereport(ERROR,
				(errcode(ERRCODE_RAISE_EXCEPTION),
				 errmsg("vego.failure: %s", guc_failure)));
}

void
vego_failure_point(const char *when, const char *place)
{
	for (int i = 0; i < MOST_FAILURES; i++)
		if (strcmp(failures[i].place, place) == 0 &&
			strcmp(failures[i].when, when) == 0)
			act(&failures[i]);
}

/* ----------------------------------------------------------------
 *		Allocations
 *
 * The linker leads vego's calls of a function to __wrap_ and its name, and
 * calls of __real_ and its name to the function (Makefile).
 * ----------------------------------------------------------------
 */

static bool
allocation_fails(void)
{
	return allocations_left > 0 && --allocations_left == 0;
}

static void
allocate_or_fail(void)
{
	if (allocation_fails())
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("This is vego.failing_allocation.")));
}

#define WRAPPED(type, function, parameters, arguments) \
	extern type __real_##function parameters; \
	extern type __wrap_##function parameters; \
	type \
	__wrap_##function parameters \
	{ \
		allocate_or_fail(); \
		return __real_##function arguments; \
	} \
	extern type __wrap_##function parameters

WRAPPED(void *, palloc, (Size size), (size));
WRAPPED(void *, palloc0, (Size size), (size));
WRAPPED(void *, palloc_extended, (Size size, int flags), (size, flags));
WRAPPED(void *, repalloc, (void *was, Size size), (was, size));
WRAPPED(void *, repalloc_huge, (void *was, Size size), (was, size));
WRAPPED(char *, pstrdup, (const char *string), (string));
WRAPPED(void *, MemoryContextAlloc, (MemoryContext context, Size size),
		(context, size));
WRAPPED(void *, MemoryContextAllocHuge, (MemoryContext context, Size size),
		(context, size));
WRAPPED(void *, MemoryContextAllocZero, (MemoryContext context, Size size),
		(context, size));
WRAPPED(char *, MemoryContextStrdup,
		(MemoryContext context, const char *string), (context, string));
WRAPPED(MemoryContext, AllocSetContextCreateInternal,
		(MemoryContext parent, const char *name, Size least, Size first,
		 Size most), (parent, name, least, first, most));

/* Those of zstd return NULL. */
extern ZSTD_CCtx *__real_ZSTD_createCCtx(void);
extern ZSTD_CCtx *__wrap_ZSTD_createCCtx(void);
extern ZSTD_DCtx *__real_ZSTD_createDCtx(void);
extern ZSTD_DCtx *__wrap_ZSTD_createDCtx(void);
extern ZSTD_DDict *__real_ZSTD_createDDict(const void *bytes, size_t length);
extern ZSTD_DDict *__wrap_ZSTD_createDDict(const void *bytes, size_t length);

ZSTD_CCtx *
__wrap_ZSTD_createCCtx(void)
{
	return allocation_fails() ? NULL : __real_ZSTD_createCCtx();
}

ZSTD_DCtx *
__wrap_ZSTD_createDCtx(void)
{
	return allocation_fails() ? NULL : __real_ZSTD_createDCtx();
}

ZSTD_DDict *
__wrap_ZSTD_createDDict(const void *bytes, size_t length)
{
	return allocation_fails() ? NULL : __real_ZSTD_createDDict(bytes, length);
}
