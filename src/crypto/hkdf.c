#include "crypto/secret.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

/* GnuTLS wants an address even of nothing, and takes no const. */
static gnutls_datum_t datum(struct span s)
{
    static const uint8_t nothing[1] = {0};
    gnutls_datum_t d = {(uint8_t *)(uintptr_t)(s.n > 0 ? s.p : nothing), (unsigned)s.n};

    assert(s.n <= UINT32_MAX);
    return d;
}

void hkdf_sha256(struct span secret, struct span salt, struct span info, void *out, size_t n)
{
    gnutls_datum_t ikm = datum(secret), s = datum(salt), i = datum(info), key;
    uint8_t prk[32];
    int rc;

    assert(n <= 8160); /* RFC 5869 section 2.3: 255 blocks */
    key = (gnutls_datum_t){prk, sizeof(prk)};
    rc = gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &ikm, &s, prk);
    if (rc == 0 && n > 0)
        rc = gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &i, out, n);
    secret_wipe(prk, sizeof(prk));
    if (rc == 0)
        return;
    (void)fprintf(stderr, "hkdf: %s\n", gnutls_strerror(rc));
    abort();
}
