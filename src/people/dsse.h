/* dsse.h - signed documents: the DSSE envelope (github.com/secure-systems-lab/dsse, protocol 1.0)
 * as docs/formats.md narrows it: Ed25519 only, keyid present and equal to the hex SHA-256 of the
 * raw public key, no member that page does not name, no key twice.  Both alphabets of base64 are
 * read, as DSSE demands; the standard one is written.
 *
 * An envelope is either read (dsse_parse) or begun (dsse_new), then signed (dsse_sign), then
 * written (dsse_write).  What is signed is PAE(type, payload), exact bytes; what is published and
 * named in leaves is the SHA-256 of the envelope file's bytes (dsse_digest).  Adding a signature
 * makes a different file with a different digest: collect all signatures, then publish.
 *
 * This module says whether a signature is a key's; whether that key's signature *counts* is for the
 * register (people/register.h).  Errors: -E2BIG (a limit below), -EBADMSG (everything else about
 * the bytes), -ENOMEM. */
#ifndef PEOPLE_DSSE_H
#define PEOPLE_DSSE_H

#include "base/buf.h"
#include "base/err.h"
#include "crypto/ed25519.h"

#define DSSE_MAX_BYTES ((size_t)6 << 20)   /* an envelope file */
#define DSSE_MAX_PAYLOAD ((size_t)4 << 20) /* the document in it; base/yaml.h's own limit */
#define DSSE_MAX_TYPE 64                   /* bytes of payloadType */
#define DSSE_MAX_SIGNATURES 64

struct dsse;

/* Reads an envelope.  Signatures are decoded, not yet verified; there may be none. */
MUST_CHECK int dsse_parse(struct dsse **out, struct span bytes, struct err *e);
/* Begins an envelope without signatures; copies both. -E2BIG above the limits. */
MUST_CHECK int dsse_new(struct dsse **out, const char *type, struct span payload);
void dsse_free(struct dsse *d);

/* Lent; they live as long as the envelope. */
const char *dsse_type(const struct dsse *d);
struct span dsse_payload(const struct dsse *d);
size_t dsse_count(const struct dsse *d);                /* signatures */
const char *dsse_keyid(const struct dsse *d, size_t i); /* 64 hex digits, i < dsse_count */

/* Appends PAE(type, payload) = "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload. */
MUST_CHECK int dsse_pae(struct buf *out, const char *type, struct span payload);

/* Adds k's signature.  -EEXIST: that key has signed already. */
MUST_CHECK int dsse_sign(struct dsse *d, const struct ed25519_key *k);
/* Adds a signature made elsewhere (a token, another machine), after verifying it: -EBADMSG. */
MUST_CHECK int dsse_attach(struct dsse *d, const struct ed25519_pub *k,
                           const struct ed25519_sig *sig);
/* Takes over every signature of `from` that d lacks: how approvers' copies are merged.  -EBADMSG
 * unless both envelopes carry the same type and payload.  *added may be NULL. */
MUST_CHECK int dsse_merge(struct dsse *d, const struct dsse *from, size_t *added);

/* Appends the envelope file: one line of JSON and a line feed. */
MUST_CHECK int dsse_write(const struct dsse *d, struct buf *out);

/* 0 if signature i is k's over this type and payload; -EBADMSG if not (also when its keyid is not
 * k's). */
MUST_CHECK int dsse_check(const struct dsse *d, size_t i, const struct ed25519_pub *k);

/* The key of a keyid: true and *out filled, or false if unknown. */
typedef bool dsse_lookup(void *ctx, const char *keyid, struct ed25519_pub *out);
/* Verifies every signature whose keyid the look-up knows; good[0..*n) are the indexes of those that
 * verified, in the envelope's order.  Unknown keys and wrong signatures are left out, not errors;
 * only -ENOMEM is one. */
MUST_CHECK int dsse_verify(const struct dsse *d, dsse_lookup *look, void *ctx,
                           size_t good[DSSE_MAX_SIGNATURES], size_t *n);

/* Statements that one key makes for itself (a rebuild, a replay): an envelope of one type with one
 * signature.  open: of that type, not verified; the key stands in the payload.  -EBADMSG. */
MUST_CHECK int dsse_own_open(struct dsse **out, const char *name, struct span envelope,
                             const char *type, struct err *e);
/* -EBADMSG unless it is signed by k and by nobody else. */
MUST_CHECK int dsse_own_check(const struct dsse *d, const char *name, const struct ed25519_pub *k,
                              struct err *e);
/* Appends the envelope of that payload, signed by k. */
MUST_CHECK int dsse_own_sign(const char *type, struct span payload, const struct ed25519_key *k,
                             struct buf *out);

/* The digest under which an envelope file is published. */
void dsse_digest(struct span bytes, struct digest *out);

#endif
