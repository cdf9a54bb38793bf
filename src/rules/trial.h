/* trial.h - rules tried out on files of this machine: the engines a site would use, in the same
 * jails, started for this and ended with it.  What "rules check" and "rules test" do.
 *
 *   trial_open(&t, release, &spec, &e)   starts the engines, waits until all have compiled the
 *                                        release; the error names file and line
 *   trial_run(t, paths, n, look, arg, &e)  scans; look is called once a file, in any order
 *   trial_close(t)
 *
 * Blocking; one thread.  As root the engines become uid 65534. */
#ifndef RULES_TRIAL_H
#define RULES_TRIAL_H

#include "base/progress.h"
#include "detect/line.h"

#define TRIAL_FILE_MAX (UINT64_C(256) << 20) /* file_max unless it is said */

struct trial;

struct trial_spec {
    const char *programs; /* the folder with glarus-engine-NAME; as "build/engines" it may hold them
                           * one a folder: NAME/glarus-engine-NAME */
    const char *engines[DETECT_LINE_ENGINES]; /* "walk", "yara", "clamav" */
    size_t n;
    struct detect_limits limits; /* 0 in each: its usual value */
    uint64_t file_max;           /* larger files are not read: INCOMPLETE(size) */
};

/* r is lent and outlives the trial.  -EBADMSG: the rules do not compile, or break a rule of their
 * own; others: the environment. */
MUST_CHECK int trial_open(struct trial **out, const struct release *r, const struct trial_spec *s,
                          struct err *e);
void trial_close(struct trial *t);
/* As close, but the engines end by themselves; cpu_us is what they and their children took of the
 * processors since they were started.  -ETIMEDOUT: one did not end, and was killed. */
MUST_CHECK int trial_end(struct trial *t, uint64_t *cpu_us, struct err *e);

struct digest trial_tree(const struct trial *t);  /* release_digest() */
uint32_t trial_rules(const struct trial *t);      /* of all engines and hash sets */
const char *trial_engines(const struct trial *t); /* "walk.yara" */

/* Entries of the tree's allow lists: lines of .fp, .sfp and .ign2 files that are neither empty nor
 * a comment. */
MUST_CHECK int trial_allows(const struct trial *t, uint64_t *out, struct err *e);

/* One file's finding; f and sha256 are lent; sha256 is NULL for a file that was not read. */
typedef void trial_look(void *arg, size_t i, const struct digest *sha256, const struct finding *f);
struct trial_cost {
    uint64_t files, bytes; /* read */
    mono_ms ms;            /* from the first to the last */
};
/* A file that cannot be read is an error: a test that left something out would say too much.
 * progress may be NULL. */
MUST_CHECK int trial_run(struct trial *t, const char *const *paths, size_t n, trial_look *look,
                         void *arg, struct progress *progress, struct trial_cost *cost,
                         struct err *e);

#endif
