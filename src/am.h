/*
 * am.h
 *	  The access method's callbacks, spelt as the server spells them.
 */
#ifndef VEGO_AM_H
#define VEGO_AM_H

#include "access/amapi.h"
#include "nodes/pathnodes.h"

struct VegoType;

/* build.c */
extern IndexBuildResult *vegobuild(Relation heap, Relation index,
								   struct IndexInfo *indexInfo);
extern void vegobuildempty(Relation index);
extern char *vegobuildphasename(int64 phasenum);

/* insert.c */
extern bool vegoinsert(Relation index, Datum *values, bool *isnull,
					   ItemPointer heap_tid, Relation heap,
					   IndexUniqueCheck checkUnique, bool indexUnchanged,
					   struct IndexInfo *indexInfo);

/* scan.c */
extern IndexScanDesc vegobeginscan(Relation index, int nkeys, int norderbys);
extern void vegorescan(IndexScanDesc scan, ScanKey keys, int nkeys,
					   ScanKey orderbys, int norderbys);

/* After a rescan: the width of this scan's searches; 0 for that of settings. */
extern void vego_scan_set_ef(IndexScanDesc scan, int ef);

extern bool vegogettuple(IndexScanDesc scan, ScanDirection dir);
extern void vegoendscan(IndexScanDesc scan);

/* vacuum.c */
extern IndexBulkDeleteResult *vegobulkdelete(IndexVacuumInfo *info,
											 IndexBulkDeleteResult *stats,
											 IndexBulkDeleteCallback callback,
											 void *callback_state);
extern IndexBulkDeleteResult *vegovacuumcleanup(IndexVacuumInfo *info,
												IndexBulkDeleteResult *stats);

/* cost.c */
extern void vegocostestimate(PlannerInfo *root, IndexPath *path,
							 double loop_count, Cost *startup_cost,
							 Cost *total_cost, Selectivity *selectivity,
							 double *correlation, double *pages);

/*
 * cost_distance.c: what the support functions of the types tell of a distance,
 * an operator or function of two values, in evaluations of an operator.
 */
extern double vego_distance_operators(PlannerInfo *root, Node *distance,
									  const struct VegoType *type);

/* validate.c */
extern bool vegovalidate(Oid opclassoid);

#endif							/* VEGO_AM_H */
