#include "crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

void hmac_sha256(struct span key, struct span msg, struct digest *out)
{
    int rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.n > 0 ? key.p : (const uint8_t *)"", key.n,
                              msg.n > 0 ? msg.p : (const uint8_t *)"", msg.n, out->b);

    if (rc == 0)
        return;
    (void)fprintf(stderr, "hmac: %s\n", gnutls_strerror(rc));
    abort();
}
