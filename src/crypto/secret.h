/* secret.h - memory for keys: locked, excluded from dumps, wiped on free; randomness; key
 * derivation. */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "base/err.h"

/* Zeroed pages of their own, locked into memory and left out of core dumps; a child of fork(2)
 * inherits them unlocked.  Costs whole pages and two system calls: for keys that live, not for each
 * of a million.  NULL if there is no memory or RLIMIT_MEMLOCK does not allow it; secret_err then
 * says which.  Never falls back to memory that can be swapped out. */
MUST_CHECK void *secret_alloc(size_t n);
/* For use right after secret_alloc(n) gave NULL: sets the sentence (the limit, what to raise) and
 * returns -ENOMEM. */
int secret_err(struct err *e, size_t n);
void secret_free(void *p, size_t n);                    /* wipes; NULL is fine */
void secret_wipe(void *p, size_t n);                    /* never optimised away */
bool secret_eq(const void *a, const void *b, size_t n); /* constant time */

/* Bytes for keys, nonces, ids, salts (getrandom through GnuTLS).  Failure of the generator aborts.
 * Any thread; a forked child draws different bytes. */
void random_bytes(void *out, size_t n);
struct id128 random_id(void);
uint64_t random_below(uint64_t n); /* uniform in [0, n), n > 0 */

/* HKDF-SHA-256 (RFC 5869): out at most 8160 bytes.  This and HMAC abort when there is no memory. */
void hkdf_sha256(struct span secret, struct span salt, struct span info, void *out, size_t n);
/* HMAC-SHA-256 (RFC 2104) */
void hmac_sha256(struct span key, struct span msg, struct digest *out);

/* A box only the holder of a private X25519 key (RFC 7748) opens: out = ephemeral public key (32)
 * || AES-256-GCM of the message (n + 16), key and nonce = HKDF(shared, salt = epk || recipient,
 * info = ctx), 44 bytes, the key first, no additional data.  Sealing gives -EINVAL if `to` is a
 * point of small order (RFC 7748 6.1); opening gives -EBADMSG on anything but such a box.  in and
 * out must not overlap. */
#define BOX_EXTRA (32 + 16)
void box_keypair(uint8_t pub[32], uint8_t priv[32]); /* priv in secret memory */
void box_public(const uint8_t priv[32], uint8_t pub[32]);
MUST_CHECK int box_seal(const uint8_t to[32], struct span ctx, const void *in, size_t n, void *out);
MUST_CHECK int box_open(const uint8_t priv[32], struct span ctx, const void *in, size_t n,
                        void *out);

#endif
