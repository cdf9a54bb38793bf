/* tls_priv.h - what tls.c (sessions) and tls_key.c (keys) share: the schemes of signatures. */
#ifndef CRYPTO_TLS_PRIV_H
#define CRYPTO_TLS_PRIV_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "crypto/tls.h"

struct tls_scheme { /* RFC 8446 section 4.2.3 */
    gnutls_pk_algorithm_t pk;
    gnutls_ecc_curve_t curve;
    gnutls_sign_algorithm_t sign;
    gnutls_digest_algorithm_t hash; /* GNUTLS_DIG_UNKNOWN: what is signed is not hashed first */
    unsigned bits;
};
/* By the public half: its scheme and SHA-256 of its SubjectPublicKeyInfo.  NULL: of a kind that is
 * not taken. */
const struct tls_scheme *tls_scheme_of(gnutls_pubkey_t pub, struct digest *id);

/* What a TLS 1.3 server signs (RFC 8446 section 4.4.3); its length. */
#define TLS_CONTENT_MAX (64 + 34 + TLS_TRANSCRIPT_MAX)
size_t tls_content(const uint8_t *transcript, size_t n, uint8_t out[TLS_CONTENT_MAX]);

#endif
