/*
 * compat.h
 *	  What differs between server versions 14 to 18, spelt as if the newest were
 *	  the only one.  The only file that looks at PG_VERSION_NUM.
 */
#ifndef VEGO_COMPAT_H
#define VEGO_COMPAT_H

#include "postgres.h"

#include <fcntl.h>

#include "access/genam.h"
#include "access/relscan.h"
#include "pgstat.h"
#include "storage/buffile.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/sharedfileset.h"
#include "storage/smgr.h"
#include "utils/rel.h"

#if PG_VERSION_NUM < 140000
#error "vego needs PostgreSQL 14 or later"
#endif

/* 16 renamed relation file nodes to locators. */
#if PG_VERSION_NUM < 160000
typedef RelFileNode RelFileLocator;

#define RelFileLocatorEquals(a, b) RelFileNodeEquals(a, b)

static inline RelFileLocator
vego_compat_locator(Relation rel)
{
	return rel->rd_node;
}
#else
static inline RelFileLocator
vego_compat_locator(Relation rel)
{
	return rel->rd_locator;
}
#endif

/* A scan in order of one distance; 18 takes a place for counts as well. */
static inline IndexScanDesc
vego_compat_begin_ordered(Relation heap, Relation index, Snapshot snapshot)
{
#if PG_VERSION_NUM < 180000
	return index_beginscan(heap, index, snapshot, 0, 1);
#else
	return index_beginscan(heap, index, snapshot, NULL, 0, 1);
#endif
}

/*
 * A new page, locked before anyone else can see it: a page that is locked only
 * afterwards may have been filled by another meanwhile.
 */
static inline Buffer
vego_compat_extend(Relation rel)
{
#if PG_VERSION_NUM < 160000
	Buffer		buffer;
	bool		shared = !RELATION_IS_LOCAL(rel);

	if (shared)
		LockRelationForExtension(rel, ExclusiveLock);
	buffer = ReadBufferExtended(rel, MAIN_FORKNUM, P_NEW, RBM_ZERO_AND_LOCK,
								NULL);
	if (shared)
		UnlockRelationForExtension(rel, ExclusiveLock);
	return buffer;
#else
	return ExtendBufferedRel(BMR_REL(rel), MAIN_FORKNUM, NULL, EB_LOCK_FIRST);
#endif
}

/* Zero pages at the end of a relation that nobody else extends. */
static inline void
vego_compat_extend_by(Relation rel, BlockNumber first, BlockNumber count)
{
#if PG_VERSION_NUM < 160000
	PGAlignedBlock zero;

	memset(zero.data, 0, BLCKSZ);
	for (BlockNumber block = first; block < first + count; block++)
		smgrextend(RelationGetSmgr(rel), MAIN_FORKNUM, block, zero.data, false);
#else
	smgrzeroextend(RelationGetSmgr(rel), MAIN_FORKNUM, first, count, false);
#endif
}

/* 15 made file sets of use to one process as well. */
static inline BufFile *
vego_compat_create_file(SharedFileSet *set, const char *name)
{
#if PG_VERSION_NUM < 150000
	return BufFileCreateShared(set, name);
#else
	return BufFileCreateFileSet(&set->fs, name);
#endif
}

static inline BufFile *
vego_compat_open_file(SharedFileSet *set, const char *name)
{
#if PG_VERSION_NUM < 150000
	return BufFileOpenShared(set, name, O_RDONLY);
#else
	return BufFileOpenFileSet(&set->fs, name, O_RDONLY, false);
#endif
}

static inline void
vego_compat_export_file(BufFile *file)
{
#if PG_VERSION_NUM < 150000
	BufFileExportShared(file);
#else
	BufFileExportFileSet(file);
#endif
}

/* 15 can reserve a prefix of settings; before, unknown ones only warn. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* Old snapshots may ask for an error where a page was changed; gone in 17. */
#if PG_VERSION_NUM < 170000
#define vego_compat_test_snapshot(snapshot, rel, page) \
	TestForOldSnapshot(snapshot, rel, page)
#define vego_compat_snapshots_age() OldSnapshotThresholdActive()
#else
#define vego_compat_test_snapshot(snapshot, rel, page) ((void) 0)
#define vego_compat_snapshots_age() false
#endif

/* 18 gave vacuum_delay_point an argument. */
#if PG_VERSION_NUM >= 180000
#define vego_compat_vacuum_delay() vacuum_delay_point(false)
#else
#define vego_compat_vacuum_delay() vacuum_delay_point()
#endif

/*
 * A path that must not be taken.  From 18 on the planner counts what is disabled
 * in a path, and looks at costs only where that is equal.
 */
#if PG_VERSION_NUM >= 180000
#define vego_compat_disable_path(path) ((path)->disabled_nodes += 2)
#else
#define vego_compat_disable_path(path) ((void) (path))
#endif

/* One search more in the server's statistics; EXPLAIN shows it from 18 on. */
static inline void
vego_compat_count_scan(IndexScanDesc desc)
{
	pgstat_count_index_scan(desc->indexRelation);
#if PG_VERSION_NUM >= 180000
	if (desc->instrument)
		desc->instrument->nsearches++;
#endif
}

/* valgrind sees races that are meant: there, every read is pinned. */
#ifdef USE_VALGRIND
#define VEGO_COMPAT_UNPINNED_READS false
#else
#define VEGO_COMPAT_UNPINNED_READS true
#endif

#endif							/* VEGO_COMPAT_H */
