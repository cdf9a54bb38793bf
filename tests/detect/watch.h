/* watch.h - engines seen from outside, by the kernel's own tracing: what their processes do,
 * whatever the jails' own tables say that they may.
 *
 * The kernel reports every system call that succeeded in an engine's server, in its warden and in
 * every process they start (tracefs, in an instance of its own), every signal that a seccomp filter
 * sends, and every file of every file system outside that one of them opens (fanotify).  The watch
 * knows by heart what each of the three needs, written down apart from src/jail/profiles.c;
 * anything else is an escape.
 *
 * Root only, and a kernel with tracefs.  One watch at a time; one thread. */
#ifndef TESTS_DETECT_WATCH_H
#define TESTS_DETECT_WATCH_H

#include <sys/types.h>

#include "base/err.h"

struct watch;
/* -EPERM, -ENOSYS and the like with the reason: this machine cannot be watched. */
MUST_CHECK int watch_open(struct watch **out, struct err *e);
void watch_close(struct watch *w);
/* An engine that serves (the process that detect_engine_start gave).  files: ClamAV's, whose
 * processes have files in file systems of their own. */
void watch_engine(struct watch *w, pid_t engine, bool files);
/* Reads what the kernel has told; call it every few milliseconds. */
void watch_turn(struct watch *w);

struct watch_counts {
    unsigned long long calls;    /* seen: all that succeeded */
    unsigned long long children; /* processes that were started */
    unsigned refused;            /* ends by a seccomp filter */
    unsigned escapes;
    unsigned files;  /* of them, opened or changed files outside */
    unsigned lost;   /* reports that the kernel had to drop: nothing is proved then */
    char first[256]; /* the first escape, in words */
};
/* After a last turn that waits for what is under way. */
struct watch_counts watch_end(struct watch *w);

#endif
