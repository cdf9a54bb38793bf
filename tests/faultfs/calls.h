/* calls.h - the system calls of a test's own process, recorded or made to fail.
 *
 * Linked into a test, calls.c stands before libc's open, write, fsync, rename ... for the program
 * and for every shared library it uses (SQLite).  Only files below the watched folder are looked
 * at; all else goes through untouched.  While a folder is watched nothing is really synced: whether
 * a sync matters is the model's question (disk.h), and the page cache outlives the process. */
#ifndef TESTS_FAULTFS_CALLS_H
#define TESTS_FAULTFS_CALLS_H

#include "disk.h"

/* --- what is watched --- */

/* Everything below dir, which is kept for certain as it is now; what the process does there from
 * now on is recorded.  At most one folder at a time; NULL ends it. */
void calls_watch(const char *dir);
/* Ends the watching and gives the record to the caller. */
struct calls_trace;
struct calls_trace *calls_take(void);
void calls_trace_free(struct calls_trace *t);
size_t calls_trace_steps(const struct calls_trace *t);

size_t calls_steps(void); /* recorded so far */

/* A word of the test at this moment of the record: an acknowledgement given, and the like. */
struct calls_mark {
    int what;
    uint64_t value;
    uint8_t digest[32];
};
void calls_mark(int what, uint64_t value, const void *digest);

/* Plays the record, once: the disk as it was when watching began (the caller's), then step i (0 ...
 * steps - 1).  A mark comes back in *mark, with any other step its what is -1. */
struct disk *calls_trace_disk(struct calls_trace *t);
void calls_trace_step(const struct calls_trace *t, size_t i, struct disk *d,
                      struct calls_mark *mark);

/* --- what fails --- */

enum call { /* kinds of calls */
            CALL_OPEN,
            CALL_READ,
            CALL_WRITE,
            CALL_SYNC,
            CALL_SPACE, /* fallocate, ftruncate */
            CALL_NAME,  /* rename, link, unlink, mkdir, rmdir */
            CALL_LOOK,  /* stat, readdir, access, flock */
            CALL_MEMORY,
            CALL_SEND, /* messages.c */
            CALL_RECEIVE,
            CALL_KINDS
};
extern const char *const call_names[CALL_KINDS];

/* The nth call (from 1, counted from now) of the kinds in mask fails with err; 0: none does.  A
 * failed sync loses what it was to keep.  times: so many in a row; 0: all from there on. */
void calls_fail(uint64_t nth, unsigned mask, int err, unsigned times);
#define CALLS_ALL ((1U << CALL_KINDS) - 1)
#define CALLS_MESSAGES (1U << CALL_SEND | 1U << CALL_RECEIVE)
#define CALLS_DISK (CALLS_ALL & ~(1U << CALL_MEMORY | CALLS_MESSAGES))
bool calls_failed(void);           /* since calls_fail: did one? */
enum call calls_failed_kind(void); /* the first that did */
/* From here on, what fails and what is counted is one for this process and those it forks later: a
 * test can make the calls of a child fail.  Begins anew each time; no child may be running. */
void calls_share(void);
/* While held, a sync of another thread begins and does not end: what is written meanwhile is none
 * of its business.  calls_sync_begun waits for one, a little. */
void calls_hold_syncs(bool on);
void calls_sync_begun(void);
/* What the test itself calls in between is not counted. */
void calls_aside(bool on);
/* Every write writes half of what it was asked, every read reads half. */
void calls_halve(bool on);
/* Calls of a kind since the process began. */
uint64_t calls_count(enum call kind);

/* For wrappers of other things (memory.c, messages.c): counts one, and says whether it shall fail.
 */
bool calls_one(enum call kind);

#endif
