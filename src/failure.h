/*
 * failure.h
 *	  Places where a test makes something go wrong.  There are none unless vego
 *	  is made with VEGO_FAILURE_POINTS=1.
 *
 * With them a session has two settings more.
 *
 *	 vego.failure = 'ACTION before|after PLACE [N]', and more of them behind a
 *	 comma each: when this process gets to the place for the Nth time from now,
 *	 the first unless given, it
 *
 *		error	raises an error
 *		panic	sees to it that all WAL so far is on disk, and ends the server
 *		sleep	sleeps for a fifth of a second, each time from the Nth on
 *		wait	waits until nobody holds the advisory lock VEGO_FAILURE_LOCK
 *
 *	 vego.failing_allocation = N: the Nth allocation of vego from now on fails.
 *
 * Places are the purposes of WAL records (record.h), in lower case and without
 * VEGO_RECORD.  Before a record its pages are locked, so nothing waits there;
 * after it they are not.
 */
#ifndef VEGO_FAILURE_H
#define VEGO_FAILURE_H

#ifdef VEGO_FAILURE_POINTS

#define VEGO_FAILURE_LOCK 8346

extern void vego_failure_init(void);
extern void vego_failure_point(const char *when, const char *place);

#else

#define vego_failure_init() ((void) 0)
#define vego_failure_point(when, place) ((void) 0)

#endif

#endif							/* VEGO_FAILURE_H */
