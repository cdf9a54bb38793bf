#include "crypto/secret.h"

#include <errno.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/x25519_priv.h"

void box_keypair(uint8_t pub[32], uint8_t priv[32])
{
    random_bytes(priv, 32);
    x25519_base(pub, priv);
}

void box_public(const uint8_t priv[32], uint8_t pub[32])
{
    x25519_base(pub, priv);
}

/* The AEAD of one box and its nonce.  -EINVAL if the shared secret is all zero, which means that
 * the other side's point has small order and anyone knows the secret (RFC 7748 section 6.1). */
static int agree(struct aead **out, uint8_t nonce[AEAD_NONCE], const uint8_t scalar[32],
                 const uint8_t point[32], const uint8_t epk[32], const uint8_t to[32],
                 struct span ctx)
{
    static const uint8_t zero[32];
    uint8_t shared[32], salt[64], okm[AEAD_KEY + AEAD_NONCE];
    int rc = -EINVAL;

    x25519_mul(shared, scalar, point);
    if (!secret_eq(shared, zero, sizeof(zero))) {
        memcpy(salt, epk, 32);
        memcpy(salt + 32, to, 32);
        hkdf_sha256((struct span){shared, 32}, (struct span){salt, 64}, ctx, okm, sizeof(okm));
        memcpy(nonce, okm + AEAD_KEY, AEAD_NONCE);
        rc = aead_new(out, okm);
    }
    secret_wipe(shared, sizeof(shared));
    secret_wipe(okm, sizeof(okm));
    return rc;
}

int box_seal(const uint8_t to[32], struct span ctx, const void *in, size_t n, void *out)
{
    uint8_t once[32], epk[32], nonce[AEAD_NONCE];
    struct aead *a = NULL;
    int rc;

    box_keypair(epk, once);
    rc = agree(&a, nonce, once, to, epk, to, ctx);
    secret_wipe(once, sizeof(once));
    if (rc == 0)
        rc = aead_seal(a, nonce, (struct span){NULL, 0}, in, n, (uint8_t *)out + 32);
    if (rc == 0)
        memcpy(out, epk, 32);
    aead_free(a);
    return rc;
}

int box_open(const uint8_t priv[32], struct span ctx, const void *in, size_t n, void *out)
{
    uint8_t to[32], nonce[AEAD_NONCE];
    const uint8_t *epk = in;
    struct aead *a = NULL;
    int rc;

    if (n < BOX_EXTRA)
        return -EBADMSG;
    x25519_base(to, priv);
    rc = agree(&a, nonce, priv, epk, epk, to, ctx);
    if (rc == -EINVAL)
        return -EBADMSG;
    if (rc == 0)
        rc = aead_open(a, nonce, (struct span){NULL, 0}, epk + 32, n - 32, out);
    aead_free(a);
    return rc;
}
