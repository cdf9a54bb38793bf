#include "crypto/x25519_priv.h"

#include <nettle/curve25519.h>

void x25519_base(uint8_t out[32], const uint8_t scalar[32])
{
    curve25519_mul_g(out, scalar);
}

void x25519_mul(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32])
{
    curve25519_mul(out, scalar, point);
}
