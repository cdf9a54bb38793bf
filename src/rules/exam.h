/* exam.h - the gates a tree of rules must pass before it can be a release: it finds what it must,
 * leaves alone what it must not touch, and is not much slower than the rules before.  "rules test".
 *
 * What must be hit lies in a folder: a file in a folder of it must be hit by the rule of that
 * folder's name, a file directly in it by any.  What must not be hit lies in others. */
#ifndef RULES_EXAM_H
#define RULES_EXAM_H

#include "rules/report.h"
#include "rules/trial.h"

struct exam_file {
    const char *path;
    const char *rule; /* that must hit it; NULL: any */
    bool must;        /* be hit; else must not */
    bool disputed;    /* neither: whether it is hit is told, and counts for nothing */
};
struct exam {
    const struct release *rules, *base; /* lent; base: the rules before, or NULL */
    const struct trial_spec *engines;
    const struct exam_file *file;
    size_t n;
    unsigned slower; /* % of the base's time that is allowed */
    /* Each file that is not as it must be, as it is found: names are those that hit it. */
    void (*wrong)(void *arg, const struct exam_file *f, const struct finding *found);
    void *arg;
    bool quiet; /* no progress on a terminal */
};

/* The report is filled whenever the tests could be run, passed or not: 0.  -EBADMSG: the rules do
 * not compile. */
MUST_CHECK int exam_run(const struct exam *x, struct rules_report *out, struct err *e);

#endif
