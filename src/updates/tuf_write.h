/* tuf_write.h - metadata as a repository publishes it (TUF 1.0, section 4): composed, and signed
 * over its canonical form.  Keys are Ed25519.  Only the repository's files include it, and forgers
 * (betray/).
 *
 * A signed part is a json_t of the caller's (json_decref); what a function is given it does not
 * take.  NULL: out of memory. */
#ifndef UPDATES_TUF_WRITE_H
#define UPDATES_TUF_WRITE_H

#include "base/clock.h"
#include "crypto/signkey.h"
#include "updates/tuf_metadata.h"

struct tuf_write_role { /* who signs */
    const struct ed25519_pub *key;
    size_t n;
    unsigned threshold;
};
struct tuf_write_meta { /* another metadata file */
    const char *name;
    int64_t version;
    struct span bytes;
};
struct tuf_write_delegation {
    const char *name, *path; /* "rules", "rules/" and a star */
    struct tuf_write_role role;
};

/* roles: by enum tuf_type.  Snapshots are consistent. */
json_t *tuf_write_root(int64_t version, unix_time expires,
                       const struct tuf_write_role roles[TUF_TYPES]);
/* targets: {PATH: {length, hashes}}; delegations: terminating, in that order. */
json_t *tuf_write_targets(int64_t version, unix_time expires, const json_t *targets,
                          const struct tuf_write_delegation *d, size_t n);
json_t *tuf_write_snapshot(int64_t version, unix_time expires, const struct tuf_write_meta *m,
                           size_t n);
json_t *tuf_write_timestamp(int64_t version, unix_time expires,
                            const struct tuf_write_meta *snapshot);
/* What targets metadata says of a file; custom may be NULL. */
json_t *tuf_write_target(uint64_t length, const struct digest *sha256, const json_t *custom);

/* Appends the file with that signed part and no signature. */
MUST_CHECK int tuf_write_unsigned(struct buf *out, const json_t *signed_part, struct err *e);
/* Appends file with k's signature added, or put in the place of the one that is there. */
MUST_CHECK int tuf_write_sign(struct buf *out, struct span file, const struct signkey *k,
                              struct err *e);

/* The keyid of an Ed25519 key (4.2.1). */
MUST_CHECK int tuf_write_keyid(char out[65], const struct ed25519_pub *k);

#endif
