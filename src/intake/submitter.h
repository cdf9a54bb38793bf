/* submitter.h - what a submitter's key signs, and the key: docs/formats.md, "The submitter's key".
 * The client derives one key a submission from its one secret, so nobody can join two submissions
 * by their keys; the site and every auditor check the same texts here.  Verification: 0 or
 * -EBADMSG. */
#ifndef INTAKE_SUBMITTER_H
#define INTAKE_SUBMITTER_H

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/ed25519.h"
#include "intake/statement.h"

#define SUBMITTER_SECRET 32
#define SUBMITTER_TRACE_SECONDS 300 /* how far from now a trace request's time may lie */

/* The Ed25519 key of one submission: seed = HKDF-SHA-256(secret, "", "submission-key/v1" ‖ sub). */
MUST_CHECK int submitter_key(struct ed25519_key **out, const uint8_t secret[SUBMITTER_SECRET],
                             const struct id128 *sub);
/* The same into a key that is there: for many submissions one after the other. */
void submitter_rekey(struct ed25519_key *k, const uint8_t secret[SUBMITTER_SECRET],
                     const struct id128 *sub);

struct submitter_act { /* what is agreed to */
    struct id128 sub;
    enum intake_scope kind;
    char country[3];
    struct digest statement; /* the statement's envelope */
    enum intake_scope scope;
};
/* The texts themselves, appended. */
MUST_CHECK int submitter_submit_text(struct buf *out, const struct submitter_act *a);
MUST_CHECK int submitter_withdraw_text(struct buf *out, const struct id128 *sub);
MUST_CHECK int submitter_erase_text(struct buf *out, const struct id128 *sub);
MUST_CHECK int submitter_trace_text(struct buf *out, const struct id128 *sub, unix_time t);

MUST_CHECK int submitter_sign_submit(const struct ed25519_key *k, const struct submitter_act *a,
                                     struct ed25519_sig *out);
MUST_CHECK int submitter_sign_withdraw(const struct ed25519_key *k, const struct id128 *sub,
                                       struct ed25519_sig *out);
MUST_CHECK int submitter_sign_erase(const struct ed25519_key *k, const struct id128 *sub,
                                    struct ed25519_sig *out);
MUST_CHECK int submitter_sign_trace(const struct ed25519_key *k, const struct id128 *sub,
                                    unix_time t, struct ed25519_sig *out);

MUST_CHECK int submitter_verify_submit(const struct ed25519_pub *k, const struct submitter_act *a,
                                       const struct ed25519_sig *sig);
MUST_CHECK int submitter_verify_withdraw(const struct ed25519_pub *k, const struct id128 *sub,
                                         const struct ed25519_sig *sig);
MUST_CHECK int submitter_verify_erase(const struct ed25519_pub *k, const struct id128 *sub,
                                      const struct ed25519_sig *sig);
/* Also -EBADMSG when t is more than SUBMITTER_TRACE_SECONDS from now. */
MUST_CHECK int submitter_verify_trace(const struct ed25519_pub *k, const struct id128 *sub,
                                      unix_time t, unix_time now, const struct ed25519_sig *sig);

#endif
