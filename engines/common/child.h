/* child.h - one forked child: the files of one batch, one after the other, from inside its jail.
 *
 * The child has no descriptor and no channel (an engine that needs files gets a folder of its own
 * in a file system in memory, beneath which alone it may open any).  It sees the batch (mapped
 * read-only) and a sheet (mapped shared) on which it writes each file's outcome; `done` counts the
 * files finished.  The server reads the sheet while the child runs and after it ended, and believes
 * nothing on it that is not in bounds: ranks, not names, so that a taken-over child can at most lie
 * about its own submitter's files, in names of the release. */
#ifndef ENGINE_CHILD_H
#define ENGINE_CHILD_H

#include <stdatomic.h>

#include "detect/protocol.h"
#include "jail/jail.h"
#include "jail/proc.h"
#include "rules.h"

struct outcome {
    uint32_t verdict, reason; /* as in detect/verdict.h */
    uint32_t hits, kept;
    uint32_t canary;
    uint32_t rank[VERDICT_NAMES_MAX];
};
struct sheet {
    atomic_uint_least32_t done;    /* files [first, done) have an outcome */
    atomic_uint_least32_t members; /* written to the arena, and its bytes in use */
    atomic_uint_least64_t used;
    struct outcome file[DETECT_BATCH_FILES];
};

struct child_job {
    struct rules *rules;
    const struct jail_door *door;
    int batch; /* the memfd */
    uint64_t size;
    const struct detect_scan *scan;
    uint32_t first;      /* index of the first file to scan */
    const char *scratch; /* its folder, made by the server; NULL: none */
    int arena;           /* memfd for members, -1: none */
};

/* Forks.  *sheet is the server's mapping, which children do not inherit; child_unmap it. */
MUST_CHECK int child_start(struct proc *p, struct sheet **sheet, const struct child_job *job);
void child_unmap(struct sheet *s); /* NULL is fine */

/* Its exit codes, beside 0. */
#define CHILD_BAD_JAIL 3 /* it could not lock itself in */
#define CHILD_SPENT 4    /* out of memory in its last file: the files behind get a fresh child */
#define CHILD_FULL 5     /* the arena has no room for another file's members */

#ifdef ENGINE_TEST_HOOK
/* Tests only: run in the child before and after each file, inside the jail. */
void engine_test_hook(struct span file);
void engine_test_lie(struct span file, struct sheet *sheet, uint32_t index);
#endif

#endif
