/* secret.h - memory for keys: locked, excluded from dumps, wiped on free; randomness; key
 * derivation. */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "base/err.h"

MUST_CHECK void *secret_alloc(
    size_t n); /* zeroed, mlock'ed, MADV_DONTDUMP + MADV_WIPEONFORK not set; NULL: -ENOMEM */
void secret_free(void *p, size_t n);                    /* wipes; NULL is fine */
void secret_wipe(void *p, size_t n);                    /* never optimised away */
bool secret_eq(const void *a, const void *b, size_t n); /* constant time */

/* Bytes for keys, nonces, ids, salts (getrandom through GnuTLS).  Failure of the generator aborts.
 */
void random_bytes(void *out, size_t n);
struct id128 random_id(void);
uint64_t random_below(uint64_t n); /* uniform in [0, n), n > 0 */

/* HKDF-SHA-256 (RFC 5869): out at most 8160 bytes */
void hkdf_sha256(struct span secret, struct span salt, struct span info, void *out, size_t n);
/* HMAC-SHA-256 (RFC 2104) */
void hmac_sha256(struct span key, struct span msg, struct digest *out);

/* A box only the holder of a private X25519 key (RFC 7748) opens: out = ephemeral public key (32)
 * || AES-256-GCM of the message (n + 16), key and nonce = HKDF(shared, salt = epk || recipient,
 * info = ctx). -EBADMSG on opening anything else. */
#define BOX_EXTRA (32 + 16)
void box_keypair(uint8_t pub[32], uint8_t priv[32]); /* priv in secret memory */
void box_public(const uint8_t priv[32], uint8_t pub[32]);
MUST_CHECK int box_seal(const uint8_t to[32], struct span ctx, const void *in, size_t n, void *out);
MUST_CHECK int box_open(const uint8_t priv[32], struct span ctx, const void *in, size_t n,
                        void *out);

#endif
