/* cores.h - threads that were put off their core, and trading places with them.
 *
 * On a shared machine the system takes a core away for a whole time slice, some
 * milliseconds, in the middle of a computation that others wait for.  A waiting thread
 * has a core and no use for it:
 *
 *     int core;
 *     if (hone_thread_lacks_core(id, &core) && hone_thread_bring(id, false))
 *         hone_thread_go(core);
 *
 * Threads are named by the system's number (hone_thread_id).  What a thread may run on
 * is afterwards what it was before.  Where the system does not tell, nothing lacks a core.
 * Threads: any, of one process. */
#ifndef HONE_BASE_CORES_H
#define HONE_BASE_CORES_H

#include <stdbool.h>

/* The calling thread's number, positive. */
int hone_thread_id(void);

/* Whether that thread wants to run and cannot; *core is where it waits.  Looks twice, a
 * few microseconds apart. */
bool hone_thread_lacks_core(int id, int *core);

/* That thread comes to this one's core; false where it may not.  `going`: it is in
 * hone_thread_go, which says nothing of where it may run.  One bringer at a time. */
bool hone_thread_bring(int id, bool going);

/* This thread goes to that core, which may mean to wait there. */
void hone_thread_go(int core);

#endif
