/* signer_tls.h - the signer's second duty: signatures for the front's TLS handshakes.
 * The key never leaves this process.  What it signs is put together here from the hash of a
 * handshake's transcript (crypto/tls.h), so the front, whoever has taken it, gets nothing signed
 * but handshakes of a TLS 1.3 server, and not more of them a second than the configuration says.
 * The ledger's key is another, and is refused here. */
#ifndef SITE_SIGNER_TLS_H
#define SITE_SIGNER_TLS_H

#include <poll.h>

#include "crypto/ed25519.h"
#include "site/config.h"

struct signer_tls;
/* Before the jail: reads the key, and that the certificate is for it; takes PART_TLS and
 * PART_CONTROL.  *out is NULL, and all below do nothing, when the configuration has no TLS. */
MUST_CHECK int signer_tls_open(struct signer_tls **out, const struct config *c,
                               const struct ed25519_key *ledger, struct err *e);
void signer_tls_close(struct signer_tls *t);
#define SIGNER_TLS_POLLS 2
void signer_tls_poll(const struct signer_tls *t, struct pollfd p[SIGNER_TLS_POLLS]);
/* Answers at most one question of each channel. */
MUST_CHECK int signer_tls_serve(struct signer_tls *t, const struct pollfd p[SIGNER_TLS_POLLS],
                                struct err *e);

#endif
