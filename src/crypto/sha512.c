/* sha512.c - a handle of GnuTLS in a type of its own. */
#include "crypto/sha512.h"

#include <stdio.h>
#include <stdlib.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

struct sha512 {
    gnutls_hash_hd_t hd;
};

struct sha512 *sha512_new(void)
{
    struct sha512 *h = calloc(1, sizeof(*h));

    if (h != NULL && gnutls_hash_init(&h->hd, GNUTLS_DIG_SHA512) != 0) {
        free(h);
        h = NULL;
    }
    return h;
}

void sha512_add(struct sha512 *h, const void *p, size_t n)
{
    int rc = n > 0 ? gnutls_hash(h->hd, p, n) : 0;

    if (rc == 0)
        return;
    (void)fprintf(stderr, "sha512: update: %s\n", gnutls_strerror(rc));
    abort();
}

void sha512_end(struct sha512 *h, uint8_t out[SHA512_LEN])
{
    gnutls_hash_output(h->hd, out);
}

void sha512_free(struct sha512 *h)
{
    if (h == NULL)
        return;
    gnutls_hash_deinit(h->hd, NULL);
    free(h);
}
