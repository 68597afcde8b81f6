/*
 * interrupts.c
 *	  How long does a process go without serving interrupts?
 *
 * A library for tests.  Where `interrupts.watched` is on, a timer asks for
 * interrupts each half millisecond, although there are none, and looks whether
 * those it asked for before have been served since.  So it sees every check, of
 * vego and of the server, and one that finds interrupts held off does not count.
 * Since nothing else is pending, nothing comes of being served.
 *
 *	 SET interrupts.watched = on;		and it begins
 *	 SHOW interrupts.gaps;				and it ends
 *
 * A gap is the processor time between two checks; so it is much the same on a
 * busy machine.  It is given as up to two ticks more than it was.  Those of more
 * than two milliseconds are shown, longest first, a line each: milliseconds,
 * then where the process was near the end of it, as functions, or libraries, and
 * places in the library, innermost first.  A parallel worker writes the same to
 * the server's log when it ends.
 */
#define _GNU_SOURCE
#include "postgres.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <time.h>

#include "access/parallel.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

#define MILLISECOND 1000000
#define TICK (MILLISECOND / 2)
#define LEAST_GAP (2 * MILLISECOND)
#define MOST_GAPS 500
#define MOST_FRAMES 24

typedef struct Gap
{
	int64		time;			/* nanoseconds, as all times here */
	int			depth;
	void	   *frames[MOST_FRAMES];
} Gap;

static bool watched;
static char *gaps_text;
static timer_t timer;
static bool ticking;

/* The signal handler's. */
static int64 last_tick;			/* the one before this */
static int64 begun;				/* the tick before the last check was seen */
static Gap	gap;				/* the one under way */
static Gap	gaps[MOST_GAPS];
static int	gap_count;

static int64
processor_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64CONST(1000000000) + now.tv_nsec;
}

/* When the table is full, only longer gaps than its shortest come in. */
static void
keep_gap(void)
{
	Gap		   *place = &gaps[0];

	if (gap_count < MOST_GAPS)
		place = &gaps[gap_count++];
	else
	{
		for (int i = 1; i < MOST_GAPS; i++)
			if (gaps[i].time < place->time)
				place = &gaps[i];
		if (place->time >= gap.time)
			return;
	}
	*place = gap;
}

static void
tick(SIGNAL_ARGS)
{
	int			saved_errno = errno;
	int64		now = processor_time();

	gap.time = now - begun;
	if (InterruptPending)
	{
		if (gap.time > LEAST_GAP)
			gap.depth = backtrace(gap.frames, MOST_FRAMES);
	}
	else
	{
		if (gap.time > LEAST_GAP)
		{
			/* one call of the system: this is where it came back to */
			if (gap.depth == 0)
				gap.depth = backtrace(gap.frames, MOST_FRAMES);
			keep_gap();
		}
		gap.depth = 0;
		begun = last_tick;
		InterruptPending = true;
	}
	last_tick = now;
	errno = saved_errno;
}

static void
start_ticking(void)
{
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
	.sigev_signo = SIGPROF};
	struct itimerspec interval = {{0, TICK}, {0, TICK}};

	/* the first call loads a library, which the handler must not */
	backtrace(gap.frames, MOST_FRAMES);
	gap.depth = 0;
	gap_count = 0;
	begun = last_tick = processor_time();
	sigaction(SIGPROF, &action, NULL);
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, 0, &interval, NULL);
	ticking = true;
}

static void
stop_ticking(void)
{
	if (ticking)
		timer_delete(timer);
	ticking = false;
}

static void
assign_watched(bool value, void *extra)
{
	stop_ticking();
	if (value)
		start_ticking();
}

static int
compare_gaps(const void *a, const void *b)
{
	int64		time_a = ((const Gap *) a)->time;
	int64		time_b = ((const Gap *) b)->time;

	return (time_a < time_b) - (time_a > time_b);
}

static void
append_frame(StringInfo text, void *frame)
{
	Dl_info		where;
	const char *slash;

	if (dladdr(frame, &where) == 0)
		return;
	slash = strrchr(where.dli_fname, '/');
	appendStringInfo(text, " %s+%lx",
					 where.dli_sname ? where.dli_sname :
					 slash ? slash + 1 : "server",
					 (long) ((char *) frame - (char *) where.dli_fbase));
}

static const char *
show_gaps(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	static StringInfoData text;

	if (text.data == NULL)
		initStringInfo(&text);
	resetStringInfo(&text);
	stop_ticking();
	qsort(gaps, gap_count, sizeof(Gap), compare_gaps);
	for (int i = 0; i < gap_count; i++)
	{
		appendStringInfo(&text, "%.1f", (double) gaps[i].time / MILLISECOND);
		for (int j = 0; j < gaps[i].depth; j++)
			append_frame(&text, gaps[i].frames[j]);
		appendStringInfoChar(&text, '\n');
	}
	MemoryContextSwitchTo(old);
	return text.data;
}

static void
report_of_worker(int code, Datum arg)
{
	if (watched)
		ereport(LOG, (errmsg("gaps of a worker:\n%s", show_gaps())));
}

void		_PG_init(void);

void
_PG_init(void)
{
	DefineCustomBoolVariable("interrupts.watched",
							 "Measures how long interrupts go unserved.",
							 NULL, &watched, false, PGC_USERSET, 0,
							 NULL, assign_watched, NULL);
	DefineCustomStringVariable("interrupts.gaps",
							   "Times without a check for interrupts, and where.",
							   NULL, &gaps_text, "", PGC_INTERNAL, 0,
							   NULL, NULL, show_gaps);
	if (IsParallelWorker())
		before_shmem_exit(report_of_worker, 0);
}
