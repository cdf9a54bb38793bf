/* tuf_trusted.h - the set of metadata that is trusted, and the rules by which it grows (TUF 5.2 to
 * 5.6).  It reads and writes nothing: bytes come in, a verdict comes out, in the order
 *
 *   new(root) -> root* -> root_final -> timestamp(local) -> timestamp -> timestamp_final
 *     -> snapshot(local) -> snapshot -> targets("targets") -> targets(delegated)*
 *
 * which is asserted.  Where a file is refused the set is as it was.  Refusals are -EBADMSG (not
 * signed, rolled back, frozen, mixed), -E2BIG, -ENOENT (a role that snapshot or the delegator does
 * not know); -ENOMEM. */
#ifndef UPDATES_TUF_TRUSTED_H
#define UPDATES_TUF_TRUSTED_H

#include "updates/tuf_metadata.h"

struct tuf_trusted;

/* root: what the user trusts to begin with; it must be signed as it says itself.  start: the fixed
 * time that all expiry is held against (5.1). */
MUST_CHECK int tuf_trusted_new(struct tuf_trusted **out, struct span root, unix_time start,
                               struct err *e);
void tuf_trusted_free(struct tuf_trusted *t); /* NULL is fine */

/* Version N + 1 (5.3.4 to 5.3.7).  *rotated: a key of timestamp or snapshot was taken away, so what
 * was signed with it is to be forgotten (5.3.11). */
MUST_CHECK int tuf_trusted_root(struct tuf_trusted *t, struct span bytes, bool *rotated,
                                struct err *e);
MUST_CHECK int tuf_trusted_root_final(struct tuf_trusted *t, struct err *e); /* 5.3.10 */

/* local: what an earlier update left here.  It is verified like any other, but may have expired: it
 * still tells how far things had come.  *same (of one not local): the version is the one we have,
 * the new file was dropped (5.4.3.1). */
MUST_CHECK int tuf_trusted_timestamp(struct tuf_trusted *t, struct span bytes, bool local,
                                     bool *same, struct err *e);
MUST_CHECK int tuf_trusted_timestamp_final(struct tuf_trusted *t, struct err *e); /* 5.4.4 */

/* 5.5.  A local one may be older than the one that timestamp announces.  *current: it is that one,
 * and not expired; no other is needed. */
MUST_CHECK int tuf_trusted_snapshot(struct tuf_trusted *t, struct span bytes, bool local,
                                    bool *current, struct err *e);

/* 5.6: role's metadata, as delegator ("root" for "targets") trusts it.  What is there already under
 * that name is replaced. */
MUST_CHECK int tuf_trusted_targets(struct tuf_trusted *t, struct span bytes, const char *role,
                                   const char *delegator, struct err *e);
/* The metadata of role if it is here and is what delegator trusts too: every delegator's keys are
 * asked anew.  -ENOENT: it is not here; -EBADMSG: it is, but not by these keys. */
MUST_CHECK int tuf_trusted_again(struct tuf_trusted *t, const char *role, const char *delegator,
                                 struct err *e);
/* Drops delegated metadata beyond what a search may need, oldest first; for between searches. */
void tuf_trusted_trim(struct tuf_trusted *t, size_t keep);

/* Lent; NULL if not there (yet). */
const struct tuf_metadata *tuf_trusted_get(const struct tuf_trusted *t, enum tuf_type type);
const struct tuf_metadata *tuf_trusted_role(const struct tuf_trusted *t, const char *role);
/* What snapshot says of role's file; NULL: nothing. */
const struct tuf_file *tuf_trusted_meta(const struct tuf_trusted *t, const char *role);

#endif
