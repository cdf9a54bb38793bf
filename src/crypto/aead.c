#include "crypto/aead.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "crypto/secret.h"

/* SP 800-38D section 5.2.1.1: at most 2^39 - 256 bits under one nonce */
#define LONGEST ((UINT64_C(1) << 36) - 32)

struct aead {
    gnutls_aead_cipher_hd_t h;
};

int aead_new(struct aead **out, const uint8_t key[AEAD_KEY])
{
    gnutls_datum_t k = {(uint8_t *)(uintptr_t)key, AEAD_KEY};
    struct aead *a = malloc(sizeof(*a));

    if (a == NULL)
        return -ENOMEM;
    if (gnutls_aead_cipher_init(&a->h, GNUTLS_CIPHER_AES_256_GCM, &k) != 0) {
        free(a); /* the cipher is always there: only memory can lack */
        return -ENOMEM;
    }
    *out = a;
    return 0;
}

void aead_free(struct aead *a)
{
    if (a == NULL)
        return;
    gnutls_aead_cipher_deinit(a->h);
    free(a);
}

static const void *some(const void *p, size_t n)
{
    return n > 0 ? p : ""; /* GnuTLS wants an address even of nothing */
}

int aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE], struct span ad, const void *in,
              size_t n, void *out)
{
    size_t len;

    if (n > LONGEST)
        return -E2BIG;
    len = n + AEAD_TAG;
    if (gnutls_aead_cipher_encrypt(a->h, nonce, AEAD_NONCE, some(ad.p, ad.n), ad.n, AEAD_TAG,
                                   some(in, n), n, out, &len) != 0)
        return -EIO;
    return 0;
}

int aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE], struct span ad, const void *in,
              size_t n, void *out)
{
    uint8_t nothing[1];
    size_t len;
    int rc;

    if (n < AEAD_TAG || n > LONGEST + AEAD_TAG)
        return -EBADMSG;
    len = n - AEAD_TAG;
    rc = gnutls_aead_cipher_decrypt(a->h, nonce, AEAD_NONCE, some(ad.p, ad.n), ad.n, AEAD_TAG, in,
                                    n, len > 0 ? out : nothing, &len);
    if (rc == 0)
        return 0;
    /* it decrypts before it compares the tag: nobody may see what did not verify */
    secret_wipe(out, n - AEAD_TAG);
    return rc == GNUTLS_E_DECRYPTION_FAILED ? -EBADMSG : -EIO;
}

int aead_wrap(const uint8_t key[AEAD_KEY], struct span ad, const void *in, size_t n, void *out)
{
    uint8_t nonce[AEAD_NONCE];
    struct aead *a = NULL;
    int rc = aead_new(&a, key);

    if (rc != 0)
        return rc;
    random_bytes(nonce, sizeof(nonce));
    rc = aead_seal(a, nonce, ad, in, n, (uint8_t *)out + AEAD_NONCE);
    if (rc == 0)
        memcpy(out, nonce, sizeof(nonce));
    aead_free(a);
    return rc;
}

int aead_unwrap(const uint8_t key[AEAD_KEY], struct span ad, const void *in, size_t n, void *out)
{
    const uint8_t *b = in;
    struct aead *a = NULL;
    int rc;

    if (n < AEAD_WRAP_EXTRA)
        return -EBADMSG;
    rc = aead_new(&a, key);
    if (rc != 0)
        return rc;
    rc = aead_open(a, b, ad, b + AEAD_NONCE, n - AEAD_NONCE, out);
    aead_free(a);
    return rc;
}
