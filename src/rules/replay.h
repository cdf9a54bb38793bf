/* replay.h - a verdict made again: the same file, the same rules, the engines the leaf names, in
 * the same jails, and every word of the leaf compared.
 *
 * What of a scan is not in its leaf must be known from elsewhere: the limits of the site (a site
 * with the usual ones says nothing, see docs/rules.md) and the programs.  A verdict whose reason is
 * "time", "engine" or "crash" is about a machine as well as about a file. */
#ifndef RULES_REPLAY_H
#define RULES_REPLAY_H

#include "events/receipt_extra.h"
#include "rules/trial.h"

struct replay {
    const struct leaf *leaf;             /* a scan.done */
    const struct receipt_opening *names; /* of the leaf, checked; NULL: sealed, not compared */
    const struct release *rules;
    const struct trial_spec *engines; /* programs and limits; which engines the leaf says */
    const char *file;
};
struct replayed {
    struct finding found; /* replay_done */
    struct digest sha256; /* of the file as it was scanned */
    bool read;            /* false: it is larger than is read, there is no sha256 */
    bool same;
    bool compared_names;
    char differs[200]; /* the first word that is another: a sentence; "" when same */
};

/* Are these the rules?  -EINVAL says which release is needed. */
MUST_CHECK int replay_rules(const struct leaf *l, const struct release *r, struct err *e);
/* 0 when the file was scanned, whatever came out.  -EINVAL: the leaf is of another kind, or names
 * engines that are not there; -EBADMSG: the rules do not compile here; others: the environment. */
MUST_CHECK int replay_run(const struct replay *p, struct replayed *out, struct err *e);
void replay_done(struct replayed *r); /* zeroed is fine */

#endif
