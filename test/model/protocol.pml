/*
 * protocol.pml
 *	  Inserts, vacuum and crashes over a handful of slots, every interleaving.
 *
 * A model for spin of sections 11 to 14 of src/README: what an insert writes
 * and in which order, what it verifies under a buffer lock, the four passes of
 * vacuum, the recycling of row pointers by the heap behind it, and a crash
 * after any record.  One level, and of links only those that bind: all others
 * are hints.  test/model/run explores it, and again with each guard taken out
 * (the FAULT_ names), where it must find an error.
 *
 * What is atomic here is what one buffer lock, or one WAL record, covers.
 *
 * Checked at the end of every run, after a crash by a vacuum of its own:
 *	I2	without a live node there is no entry, else the entry is live
 *	I3	binding links of live nodes lead from the entry to every live node
 *	I8	the row of every committed insert that was not deleted is in exactly
 *		one live slot, and what was deleted before the last vacuum in none
 */

#define SLOTS 5
#define ROWS 5					/* row pointers 1 .. ROWS */
#define NONE 255

#define FREE 0
#define LIVE 1
#define DEAD 2

/* What the heap says of a row pointer. */
#define UNUSED 0				/* may be given to a new row */
#define OPEN 1					/* its insert is running */
#define VISIBLE 2
#define DELETED 3				/* dead to everyone: vacuum may take it */

byte kind[SLOTS];
byte row[SLOTS];				/* 0: none */
byte binds[SLOTS];				/* a bit for each slot it binds */
byte entry = NONE;
bool entry_lock = false;
byte heap[ROWS + 1];
bool crashed = false;
byte running = 0;

#define BIT(i) (1 << (i))

/* All slots that links lead to from the entry, dead ones being ways through. */
inline reach(set, alive_only)
{
	d_step {
		set = 0;
		if
		:: entry != NONE && (!alive_only || kind[entry] == LIVE) ->
			set = BIT(entry)
		:: else
		fi;
		r1 = 0;
		do
		:: r1 < SLOTS ->
			r2 = 0;
			do
			:: r2 < SLOTS ->
				if
				:: (set & BIT(r2)) && kind[r2] != FREE &&
				   (!alive_only || kind[r2] == LIVE) ->
					set = set | binds[r2]
				:: else
				fi;
				r2++
			:: else -> break
			od;
			r1++
		:: else -> break
		od;
		r1 = 0; r2 = 0
	}
}

/*
 * One row is inserted.  Between any two steps others may do anything: x, x_row
 * and x_binds are the copy of the node that was found.
 */
proctype insert(byte tid) provided (!crashed)
{
	byte x = NONE;
	byte x_row;
	byte x_binds;
	byte s = NONE;
	byte old = NONE;
	byte set = 0;
	byte r1 = 0;
	byte r2 = 0;
	bool locked = false;
	bool becomes_entry = false;

	/* search, and perhaps be high enough to become the entry */
search:
	reach(set, false);
	atomic {
		x = NONE;
		if
		:: kind[0] == LIVE && (set & BIT(0)) -> x = 0
		:: kind[1] == LIVE && (set & BIT(1)) -> x = 1
		:: kind[2] == LIVE && (set & BIT(2)) -> x = 2
		:: kind[3] == LIVE && (set & BIT(3)) -> x = 3
		:: kind[4] == LIVE && (set & BIT(4)) -> x = 4
		:: else
		fi;
		if
		:: x != NONE -> x_row = row[x]; x_binds = binds[x]
		:: else
		fi;
		set = 0
	}
	if
	:: !locked && x == NONE -> goto lock
	:: !locked && x != NONE -> goto lock	/* a level above the entry's */
	:: x != NONE || locked -> skip
	fi;
	if
	:: locked ->
		becomes_entry = true;
		old = (x == NONE -> NONE : entry)
	:: else
	fi;
	goto write;

lock:
#ifdef FAULT_NO_ENTRY_LOCK
	locked = true;
#else
	atomic { !entry_lock -> entry_lock = true; locked = true };
#endif
	goto search;

	/* record 1: the slot, complete */
write:
	atomic {
		if
		:: kind[0] == FREE -> s = 0
		:: kind[1] == FREE -> s = 1
		:: kind[2] == FREE -> s = 2
		:: kind[3] == FREE -> s = 3
		:: kind[4] == FREE -> s = 4
#ifdef FAULT_REUSE_DEAD
		:: kind[1] == DEAD -> s = 1
#endif
		fi;
		kind[s] = LIVE;
		row[s] = tid;
		binds[s] = 0;
		if
		:: becomes_entry && old != NONE && old != s -> binds[s] = BIT(old)
		:: else
		fi
	}

	/* record 2: the binding link, verified under the lock */
bind:
	atomic {
		if
		:: x == NONE -> skip
		:: x != NONE ->
			if
#ifdef FAULT_BIND_UNVERIFIED
			:: true
#else
			:: kind[x] == LIVE && row[x] == x_row && binds[x] == x_binds &&
			   x != s
#endif
			   -> binds[x] = binds[x] | BIT(s); goto bound
			:: else -> x = NONE
			fi
		fi
	}
	/* refused: an entry to be needs none, another asks someone else */
	if
	:: becomes_entry -> goto bound
	:: else
	fi;
again:
	reach(set, false);
	atomic {
		if
		:: s != 0 && kind[0] == LIVE && (set & BIT(0)) -> x = 0
		:: s != 1 && kind[1] == LIVE && (set & BIT(1)) -> x = 1
		:: s != 2 && kind[2] == LIVE && (set & BIT(2)) -> x = 2
		:: s != 3 && kind[3] == LIVE && (set & BIT(3)) -> x = 3
		:: s != 4 && kind[4] == LIVE && (set & BIT(4)) -> x = 4
		:: else -> x = NONE
		fi;
		if
		:: x != NONE -> x_row = row[x]; x_binds = binds[x]
		:: else
		fi;
		set = 0
	}
	if
	:: x != NONE -> goto bind
	:: else
	fi;
	/*
	 * Everyone has gone since the search: begin a new graph, unless someone
	 * else has begun one before the lock was ours.
	 */
	if
#ifndef FAULT_NO_SECOND_LOOK
	:: !locked ->
		atomic { !entry_lock -> entry_lock = true; locked = true };
		goto again
	:: else
#else
	:: atomic { !entry_lock -> entry_lock = true; locked = true }
#endif
	fi;
	becomes_entry = true;

bound:
	/* the last record: the entry */
	if
	:: becomes_entry -> entry = s
	:: else
	fi;
	atomic {
		if
		:: locked -> entry_lock = false
		:: else
		fi;
		heap[tid] = VISIBLE;
		running--
	}
}

/* What the heap found dead before it asked the index. */
inline collect_doomed()
{
	d_step {
		doomed = 0; i = 1;
		do
		:: i <= ROWS ->
			if
			:: heap[i] == DELETED -> doomed = doomed | BIT(i)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* And what it does when the index is done. */
inline recycle_doomed()
{
	d_step {
		i = 1;
		do
		:: i <= ROWS ->
			if
			:: doomed & BIT(i) -> heap[i] = UNUSED
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* The four passes.  Vacuum is alone of its kind. */
inline vacuum_passes()
{
	/* pass 1: bury, each slot under its lock; from a copy first */
	dead = 0; i = 0;
	do
	:: i < SLOTS ->
		copy = row[i];
		if
		:: kind[i] == LIVE && (doomed & BIT(copy)) ->
			d_step {
				/* live slots stay what they are: only vacuum buries */
				kind[i] = DEAD;
				row[i] = 0;
				dead = dead | BIT(i)
			}
		:: kind[i] == DEAD -> dead = dead | BIT(i)
		:: else
		fi;
		i++
	:: else -> break
	od;

	/* pass 2: from copies, note who binds whom; seen: live */
	i = 0; seen = 0;
	do
	:: i < SLOTS ->
		d_step {
			noted[i] = 0;
			if
			:: kind[i] == LIVE ->
				seen = seen | BIT(i);
				noted[i] = binds[i];
				/* links to the dead are dropped */
				binds[i] = binds[i] & ~dead
			:: else
			fi
		}
		i++
	:: else -> break
	od;

	/* pass 3: the entry, then whoever is cut off from it */
	atomic { !entry_lock -> entry_lock = true };
#ifndef FAULT_NO_NEW_ENTRY
	atomic {
		if
		:: entry == NONE || kind[entry] != LIVE ->
			if
			:: kind[0] == LIVE -> entry = 0
			:: kind[1] == LIVE -> entry = 1
			:: kind[2] == LIVE -> entry = 2
			:: kind[3] == LIVE -> entry = 3
			:: kind[4] == LIVE -> entry = 4
			:: else -> entry = NONE
			fi
		:: else
		fi
	}
#endif
	entry_lock = false;
	/* from the entry by links noted; what is new is followed by reading */
	d_step {
		rooted = 0;
		if
		:: entry != NONE -> rooted = BIT(entry)
		:: else
		fi;
		r1 = 0;
		do
		:: r1 < SLOTS ->
			r2 = 0;
			do
			:: r2 < SLOTS ->
				if
				:: (rooted & BIT(r2)) && (seen & BIT(r2)) ->
					rooted = rooted | (noted[r2] & ~dead)
				:: (rooted & BIT(r2)) && !(seen & BIT(r2)) ->
					rooted = rooted | (binds[r2] & ~dead)
				:: else
				fi;
				r2++
			:: else -> break
			od;
			r1++
		:: else -> break
		od;
		r1 = 0; r2 = 0
	}
#ifndef FAULT_NO_ATTACH
	do
	:: (seen & ~rooted) != 0 ->
		d_step {
			/* any that is cut off, by any that is not and is live */
			i = 0;
			do
			:: i < SLOTS && !((seen & ~rooted) & BIT(i)) -> i++
			:: else -> break
			od;
			/* heads of groups first: those without a noted live binder */
			r1 = 0;
			do
			:: r1 < SLOTS ->
				if
				:: ((seen & ~rooted) & BIT(r1)) ->
					set = 0; r2 = 0;
					do
					:: r2 < SLOTS ->
						set = set | ((seen & BIT(r2)) -> noted[r2] : 0);
						r2++
					:: else -> break
					od;
					if
					:: !(set & BIT(r1)) -> i = r1
					:: else
					fi
				:: else
				fi;
				r1++
			:: else -> break
			od;
			r2 = 0;
			do
			:: r2 < SLOTS && !((rooted & BIT(r2)) && kind[r2] == LIVE) -> r2++
			:: else -> break
			od;
			if
			:: r2 < SLOTS -> binds[r2] = binds[r2] | BIT(i)
			:: else
			fi;
			rooted = rooted | BIT(i);
			/* and with it all of its group */
			r1 = 0;
			do
			:: r1 < SLOTS ->
				r2 = 0;
				do
				:: r2 < SLOTS ->
					if
					:: (rooted & BIT(r2)) && (seen & BIT(r2)) ->
						rooted = rooted | (noted[r2] & ~dead)
					:: else
					fi;
					r2++
				:: else -> break
				od;
				r1++
			:: else -> break
			od;
			r1 = 0; r2 = 0; set = 0
		}
	:: else -> break
	od;
#endif

	/* pass 4: free */
	i = 0;
	do
	:: i < SLOTS ->
		d_step {
			if
			:: (dead & BIT(i)) && kind[i] == DEAD ->
				kind[i] = FREE; row[i] = 0; binds[i] = 0
			:: else
			fi
		}
		i++
	:: else -> break
	od
}

proctype vacuum() provided (!crashed)
{
	byte dead;
	byte doomed;
	byte seen;
	byte rooted;
	byte noted[SLOTS];
	byte copy;
	byte set = 0;
	byte i;
	byte r1 = 0;
	byte r2 = 0;

	collect_doomed();
	vacuum_passes();
	recycle_doomed();
	/* a row pointer that was recycled comes back with another row */
#ifdef RECYCLED
	if
	:: heap[1] == UNUSED -> atomic { heap[1] = OPEN; running++; run insert(1) }
	:: else
	fi;
#endif
	running--
}

inline check()
{
	atomic {
		reach(set, true);
		i = 0; copy = 0;
		do
		:: i < SLOTS ->
			assert(kind[i] != LIVE || (set & BIT(i)));	/* I3 */
			assert(kind[i] != LIVE || row[i] != 0);
			copy = copy | (kind[i] == LIVE);
			i++
		:: else -> break
		od;
		/* I2 */
		assert(!copy || (entry != NONE && kind[entry] == LIVE));
		assert(copy || entry == NONE || kind[entry] != LIVE);

		i = 1;							/* I8 */
		do
		:: i <= ROWS ->
			r1 = 0; r2 = 0;
			do
			:: r1 < SLOTS ->
				r2 = r2 + (kind[r1] == LIVE && row[r1] == i);
				r1++
			:: else -> break
			od;
			assert(heap[i] != VISIBLE || r2 == 1);
			assert(heap[i] != UNUSED || r2 == 0);
			i++
		:: else -> break
		od;
		r1 = 0; r2 = 0; i = 0; set = 0
	}
}

init
{
	byte dead;
	byte doomed;
	byte seen;
	byte rooted;
	byte noted[SLOTS];
	byte copy;
	byte set = 0;
	byte i;
	byte r1 = 0;
	byte r2 = 0;

	/* three rows, each hanging from the one before, any of them deleted */
	atomic {
		kind[0] = LIVE; row[0] = 1; binds[0] = BIT(1);
		kind[1] = LIVE; row[1] = 2; binds[1] = BIT(2);
		kind[2] = LIVE; row[2] = 3;
		entry = 0;
		if :: heap[1] = VISIBLE :: heap[1] = DELETED fi;
		if :: heap[2] = VISIBLE :: heap[2] = DELETED fi;
		if :: heap[3] = VISIBLE :: heap[3] = DELETED fi;
		heap[4] = OPEN;
		running = 2;
		run insert(4);
#ifndef RECYCLED
		heap[5] = OPEN;
		running++;
		run insert(5);
#endif
		run vacuum()
	}
#ifdef CRASH
	atomic {
		/* whatever has been done, the rest never happens */
		running > 0 -> crashed = true;
		/* open transactions have aborted; locks are gone; vacuum runs again */
		entry_lock = false; i = 1;
		do
		:: i <= ROWS ->
			if
			:: heap[i] == OPEN -> heap[i] = DELETED
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		collect_doomed();
		vacuum_passes();
		recycle_doomed();
		check()
	}
#else
	running == 0;
	check()
#endif
}
