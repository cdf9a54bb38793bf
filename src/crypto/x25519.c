#include "crypto/x25519_priv.h"

#include <string.h>

#include <sodium/crypto_scalarmult_curve25519.h>

#include "crypto/sodium_priv.h"

void x25519_base(uint8_t out[32], const uint8_t scalar[32])
{
    sodium_ready();
    (void)crypto_scalarmult_curve25519_base(out, scalar);
}

void x25519_mul(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32])
{
    sodium_ready();
    /* a point of small order fails, and may leave out as it was: the result is zero for all */
    if (crypto_scalarmult_curve25519(out, scalar, point) != 0)
        memset(out, 0, 32);
}
