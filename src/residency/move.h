/* move.h - the approval of a move: one country's files from one site to another, under one policy.
 * docs/formats.md, "Move approval"; approved like any document (people/register.h). */
#ifndef RESIDENCY_MOVE_H
#define RESIDENCY_MOVE_H

#include "residency/policy.h"

#define MOVE_SITE_MAX 16

struct move_approval {
    struct id128 move;
    char country[3];
    char from[MOVE_SITE_MAX + 1], to[MOVE_SITE_MAX + 1]; /* sites */
    struct digest policy;
};

/* -EINVAL with line and column */
MUST_CHECK int move_parse(struct move_approval *out, const char *name, struct span text,
                          struct err *e);
/* Does the policy in force at t (its envelope's digest is doc) want this?  It is the one the
 * approval names, knows both sites, and the country belongs to the zone of `to` at t.  -EPERM
 * otherwise. */
MUST_CHECK int move_allowed(const struct move_approval *m, const struct policy *p,
                            const struct digest *doc, unix_time t, struct err *e);
/* Appends the document as YAML, ready to be put into an envelope. */
MUST_CHECK int move_write(const struct move_approval *m, struct buf *out);

#endif
