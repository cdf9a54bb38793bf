/* attestation.h - somebody made a verdict again and signs what came out (docs/formats.md, "Replay
 * attestation").  It says which leaf of which ledger it is about and whether the verdict was the
 * same, and nothing of the file: neither its hash nor the rules' names.
 *
 * The attester's key stands in the document; whose key it is, and whether it counts, is for the
 * auditor's trust file. */
#ifndef RULES_ATTESTATION_H
#define RULES_ATTESTATION_H

#include "base/err.h"
#include "crypto/ed25519.h"
#include "people/dsse.h"

#define ATTESTATION_TYPE "application/x.replay.v1+yaml"

struct attestation {
    char site[17];
    uint64_t leaf;         /* index of the scan.done */
    struct digest scan;    /* its leaf hash: H(0x00 || leaf) */
    struct digest release; /* the rules it was made again with */
    char engines[33];
    bool names; /* the names were compared, too */
    bool same;
    struct ed25519_pub key; /* the attester's */
};

/* -EINVAL with line and column */
MUST_CHECK int attestation_parse(struct attestation *out, const char *name, struct span text,
                                 struct err *e);
MUST_CHECK int attestation_write(const struct attestation *a, struct buf *out);

/* An envelope with the one signature of the key in it.  -EBADMSG: it is not that. */
MUST_CHECK int attestation_open(struct attestation *out, const char *name, struct span envelope,
                                struct err *e);
/* Appends the envelope, signed by k, whose public half becomes a->key. */
MUST_CHECK int attestation_sign(struct attestation *a, const struct ed25519_key *k, struct buf *out,
                                struct err *e);

#endif
