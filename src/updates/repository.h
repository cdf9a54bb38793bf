/* repository.h - an update repository, as it is written: a folder that any web server serves.
 *
 *   keys.yaml   who signs what (repository_keys.h); people write it
 *   metadata/   TUF 1.0 with consistent snapshots; timestamp.json is replaced last
 *   targets/    rules/HASH.N.tar, HASH.N.tar.zst, HASH.M-N.zst, HASH.N.proof, HASH.current.json,
 *               products/HASH.NAME
 *   clamav/     the newest release's ClamAV databases under plain names, for freshclam
 *   pending/    metadata that waits for signatures: root.json, targets.json, rules.json,
 *               products.json
 *   log/        N.repository: the metadata as of snapshot N, to be published in the ledger
 *
 *   plan -> (sign)* -> add -> (sign)* -> publish
 *
 * A repository is for one process at a time (-EAGAIN).  Every step leaves what was published
 * before, whole, until timestamp.json is replaced; a step that was killed is done again.
 * docs/updates.md, "The repository". */
#ifndef UPDATES_REPOSITORY_H
#define UPDATES_REPOSITORY_H

#include "crypto/signkey.h"
#include "ledger/tlog_policy.h"

struct repository;

/* dir has keys.yaml; the folders in it are made. */
MUST_CHECK int repository_open(struct repository **out, const char *dir, struct err *e);
void repository_close(struct repository *r); /* NULL is fine */

/* Puts into pending/ what keys.yaml wants otherwise than it is published: root.json, targets.json,
 * and rules.json or products.json if others sign it now; renew: all of them, with a new expiry. */
struct repository_plan {
    int64_t root, targets, rules, products; /* the version that waits; 0: none */
};
MUST_CHECK int repository_plan(struct repository *r, bool renew, struct repository_plan *out,
                               struct err *e);

/* Signs a pending file where it lies (no repository needs to be open: it may be on another machine,
 * which has no network).  said: what is signed, lines for people. */
MUST_CHECK int repository_sign(const char *path, const struct signkey *key, struct buf *said,
                               struct err *e);

struct repository_add {
    const char *rules;                /* folder of the release */
    const char *ledger;               /* folder of a ledger that has it */
    const struct tlog_policy *policy; /* whose quorum must have seen it */
    unsigned history;                 /* releases that stay listed, this one included; 1.. */
    unsigned deltas;                  /* releases from which there is a difference to this one */
    void (*step)(void *arg, uint64_t done, uint64_t total); /* bytes compressed; may be NULL */
    void *arg;
};
struct repository_added {
    uint64_t serial, bytes, compressed; /* of the archive */
    unsigned deltas;
    uint64_t smallest_delta;
    bool again; /* it was there already; nothing was done */
};
/* Puts the release's files into targets/ and pending/rules.json, to be signed. */
MUST_CHECK int repository_add(struct repository *r, const struct repository_add *a,
                              struct repository_added *out, struct err *e);

/* A file that becomes the target "products/NAME".  What it is the caller has checked. */
struct repository_file {
    const char *name; /* letters, digits and ._+~:- */
    const char *path; /* NULL: bytes */
    struct span bytes;
};
/* Puts files into targets/ and pending/products.json, to be signed; what waits there already stays
 * listed.  *again: all of them were there already, nothing was done.  -EEXIST: there is another
 * file of a name; -EINVAL: keys.yaml has no role products, or it is not published yet. */
MUST_CHECK int repository_add_products(struct repository *r, const struct repository_file *f,
                                       size_t n, void (*step)(void *arg, uint64_t bytes), void *arg,
                                       bool *again, struct err *e);

struct repository_published {
    int64_t version[4]; /* of the top-level roles, by enum tuf_type */
    int64_t rules;      /* version of that role; 0: there is none yet */
    uint64_t serial;    /* of the newest release; 0: none */
    char log[64]; /* "log/7.repository" if there is something else to fetch than before; else "" */
    /* When root, targets, rules, products expire, if less than a third of their life is left; else
     * 0.  In the order of enum repository_role. */
    unix_time soon[6];
    unsigned mirror; /* files for freshclam */
};
/* Takes what pending/ has, signs snapshot and timestamp, checks the whole as a client would, and
 * publishes.  Nothing pending: the timestamp is renewed, and the snapshot if half its life is over.
 * -EAGAIN: a pending file has too few signatures yet. */
MUST_CHECK int repository_publish(struct repository *r, const struct signkey *snapshot,
                                  const struct signkey *timestamp, struct repository_published *out,
                                  struct err *e);

#endif
