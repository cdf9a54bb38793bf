/* published.h - what an update repository served, as one artifact of a ledger ("repository/v1",
 * docs/formats.md): all its metadata but the timestamp, byte for byte.  The leaf
 * repository.published names its SHA-256, so what clients were given can be held against what was
 * released, by anybody.
 *
 *   published_write        the artifact, from the files
 *   published_read         form and trust: every root by the keys of the one before and by its own;
 *                          snapshot, targets and delegated roles by the thresholds that root and
 *                          targets say; each file the one that snapshot announces; which releases
 *                          of the rules are listed, by nobody but the role "rules"
 *   published_follows      no root is another, no version goes back between two publications
 *
 * Expiry is not looked at: that is for clients, at their time.  Whether what is listed was released
 * is the caller's to know.  Errors: -EBADMSG malformed, not signed, not what is announced; -E2BIG;
 * -ENOMEM. */
#ifndef UPDATES_PUBLISHED_H
#define UPDATES_PUBLISHED_H

#include "base/buf.h"
#include "base/err.h"

#define PUBLISHED_FORMAT "repository/v1"
#define PUBLISHED_MAX_BYTES ((size_t)6 << 20) /* what a site takes as a document */
#define PUBLISHED_MAX_ROOTS 1024
#define PUBLISHED_MAX_ROLES 16 /* that targets delegates to */
#define PUBLISHED_MAX_ROLE 32  /* bytes of a role's name: a-z 0-9 - */

struct published_file {
    const char *role; /* "root", "snapshot", "targets", "rules", ... */
    int64_t version;
    struct span bytes;
};
/* Appends the artifact; files in any order, each once: root 1 to the newest, snapshot, targets and
 * what targets delegates to.  What they hold is not looked at. -EINVAL: not these files, or a name
 * that cannot be written. */
MUST_CHECK int published_write(struct buf *out, const struct published_file *files, size_t n,
                               struct err *e);

struct published_release {
    uint64_t serial;
    struct digest tree;
};
struct published;

MUST_CHECK int published_read(struct published **out, struct span artifact, struct err *e);
void published_free(struct published *p); /* NULL is fine */

/* The listed releases (rules/N.tar), the oldest first; lent.  *n may be 0. */
const struct published_release *published_releases(const struct published *p, size_t *n);
/* The release that rules/current.json names, the newest of the list; 0: none is listed. */
uint64_t published_serial(const struct published *p);

/* SHA-256 of root 1: what clients begin with. */
struct digest published_first_root(const struct published *p);

/* 0 if `after` may be published after `before`: the roots that both have are the same files and
 * none is missing, no other version goes back or disappears, and one version is one file. */
MUST_CHECK int published_follows(const struct published *before, const struct published *after,
                                 struct err *e);
/* 0 if the roots that both have are the same: two views of one repository. */
MUST_CHECK int published_same_roots(const struct published *a, const struct published *b,
                                    struct err *e);

#endif
