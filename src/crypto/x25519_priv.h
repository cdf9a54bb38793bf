/* x25519_priv.h - X25519 (RFC 7748) by libsodium; GnuTLS offers it only inside TLS. */
#ifndef CRYPTO_X25519_PRIV_H
#define CRYPTO_X25519_PRIV_H

#include "base/defs.h"

void x25519_base(uint8_t out[32], const uint8_t scalar[32]);
/* All zero for a point of small order. */
void x25519_mul(uint8_t out[32], const uint8_t scalar[32], const uint8_t point[32]);

#endif
