/*
 * plan.h
 *	  Finished plans without the distances that nobody reads.
 */
#ifndef VEGO_PLAN_H
#define VEGO_PLAN_H

/* Takes its place in the chain of planner hooks. */
extern void vego_plan_init(void);

#endif							/* VEGO_PLAN_H */
