/* crash.h - crash points enumerated from a record of system calls.
 *
 * A point is a moment after a step of the record and one way of losing what was not synced by then
 * (the ways are in crash.c).  For each, the folder is made as the disk would be found, and a check
 * of the test's opens what is in it and says whether everything promised is there.  A point at
 * which nothing was pending exists once, whatever the way. */
#ifndef TESTS_FAULTFS_CRASH_H
#define TESTS_FAULTFS_CRASH_H

#include "calls.h"
#include "scratch.h"

/* The folder is the check's: it may go on writing.  marks: all of them up to the crash.  Fails the
 * cmocka test itself. */
typedef void crash_check(const char *dir, const struct calls_mark *marks, size_t n, void *arg);

struct crash_plan {
    size_t every;   /* look at each every-th moment (1: all) ... */
    size_t first;   /* ... beginning with this one */
    size_t from;    /* ... and none before this step */
    unsigned seeds; /* random ways of losing, beside the fixed ones */
    uint64_t seed;  /* the first of them */
};
struct crash_tally {
    size_t moments, points, lossy; /* lossy: with something lost */
};
/* Frees t.  The counts are added to *tally. */
void crash_enumerate(struct calls_trace *t, const struct crash_plan *plan, crash_check *check,
                     void *arg, struct crash_tally *tally);

/* --- the set-up of such a test --- */

/* An empty folder, to be watched; the tear-down removes it, ends the watching, and says at which
 * point a test failed.  crash_afresh: it is empty again. */
extern char crash_dir[SCRATCH];
int crash_set_up(void **state);
int crash_tear_down(void **state);
void crash_afresh(void);

#endif
