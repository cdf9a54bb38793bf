/* tuf_metadata.h - one metadata file of TUF 1.0 (sections 4.2 to 4.6), read into checked values.
 *
 * Parsing checks form, not trust: who signed is tuf_metadata_verify's question, which versions may
 * follow which is tuf_trusted.h's.  Fields that are not known here are allowed, and the signatures
 * cover them.  All strings are borrowed from the metadata they stand in.
 * Errors: -EBADMSG malformed, -E2BIG beyond a limit, -ENOMEM. */
#ifndef UPDATES_TUF_METADATA_H
#define UPDATES_TUF_METADATA_H

#include "base/clock.h"
#include "updates/tuf_delegation.h"
#include "updates/tuf_hash.h"
#include "updates/tuf_key.h"

#define TUF_MAX_BYTES (16 << 20) /* of any metadata file, whatever another one announces */

enum tuf_type { TUF_ROOT, TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS };
#define TUF_TYPES 4
const char *tuf_type_name(enum tuf_type t); /* "root", ... */

/* What timestamp and snapshot say of another metadata file, and targets of a target. */
struct tuf_file {
    const char *name;
    int64_t version; /* 0 for a target */
    bool has_length; /* a target always has */
    uint64_t length;
    struct tuf_hashes hashes; /* a target has at least one */
};

struct tuf_metadata {
    enum tuf_type type;
    int64_t version;
    unix_time expires;
    uint8_t *bytes; /* as received */
    size_t n_bytes;
    struct buf canonical; /* what the signatures sign */
    struct tuf_signature *sigs;
    size_t n_sigs;
    struct tuf_keys *keys;               /* of root and of delegations; else NULL */
    struct tuf_signers roles[TUF_TYPES]; /* root */
    bool consistent_snapshot;            /* root */
    struct tuf_file *files;              /* timestamp: one; snapshot, targets: sorted by name */
    size_t n_files;
    struct tuf_delegations delegations; /* targets; empty if there are none */
    json_t *json;                       /* owns the strings */
};

MUST_CHECK int tuf_metadata_parse(struct tuf_metadata **out, enum tuf_type type, struct span bytes,
                                  struct err *e);
void tuf_metadata_free(struct tuf_metadata *m); /* NULL is fine */

/* The file of that name, or NULL. */
const struct tuf_file *tuf_metadata_file(const struct tuf_metadata *m, const char *name);
/* 0 if m is signed by a threshold of signers, whose keys are in keys; what names m in the message.
 */
MUST_CHECK int tuf_metadata_verify(const struct tuf_metadata *m, const struct tuf_signers *signers,
                                   const struct tuf_keys *keys, const char *what, struct err *e);
/* 0 if bytes have the length and the hashes that f announces, as far as it does. */
MUST_CHECK int tuf_file_matches(const struct tuf_file *f, struct span bytes, const char *what,
                                struct err *e);

#endif
