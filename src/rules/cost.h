/* cost.h - which YARA rules are slow: what each costs alone.
 *
 * YARA looks for the strings of all rules at once, so that no part of a scan is one rule's: what
 * can be measured is a rule by itself (with the rules it refers to and the global ones), above the
 * same scan without it.  The unit is CPU time of the engine's processes, which other load on the
 * machine hardly moves.
 *
 * Not every rule is tried: a group of rules costs at least as much as its costliest member alone,
 * so the costliest group is halved until single rules are left.  The groups' figures hold the
 * compiling of their rules, too, which only makes the search look at more of them. */
#ifndef RULES_COST_H
#define RULES_COST_H

#include "rules/trial.h"

#define COST_MAX 1000   /* rules asked for */
#define COST_TRIALS 100 /* measurements for each rule asked for, at most */

struct cost_rule {
    struct span name; /* lent by the release's bundle while found is called */
    const char *file;
    unsigned line;
    double cpu_ms; /* of one time through the files */
};
struct cost {
    const struct release *rules;
    const struct trial_spec *engines; /* of which those that are not walk and yara are left out */
    const char *const *path;
    size_t n;
    size_t want; /* the slowest so many */
    /* The next slowest; not called for those that cannot be told from none. */
    void (*found)(void *arg, const struct cost_rule *r);
    void *arg;
    struct progress *progress; /* steps of the search; may be NULL */
};
struct cost_result {
    size_t rules, told;       /* YARA rules of the release; of these told */
    uint64_t bytes;           /* of the files, once */
    unsigned times;           /* they were scanned in each measurement */
    unsigned trials;          /* engines started */
    bool stopped;             /* COST_TRIALS were not enough: the rules are too much alike */
    double base_ms, least_ms; /* of a scan without any of the rules; what can be told from none */
};
/* -EINVAL: no YARA engine, or no rule of YARA's; -EBADMSG: the rules do not compile. */
MUST_CHECK int cost_run(const struct cost *c, struct cost_result *out, struct err *e);

#endif
