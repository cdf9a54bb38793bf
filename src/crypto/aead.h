/* aead.h - AES-256-GCM (NIST SP 800-38D), 12-byte nonce, 16-byte tag appended to the ciphertext.
 * A context holds one key; nonces are the caller's duty (vault: counters under a fresh key; wraps:
 * random). */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include "base/defs.h"

#define AEAD_KEY 32
#define AEAD_NONCE 12
#define AEAD_TAG 16

struct aead;
MUST_CHECK int aead_new(struct aead **out, const uint8_t key[AEAD_KEY]);
void aead_free(struct aead *a); /* wipes the key schedule */
/* out has n + AEAD_TAG bytes; in and out may be the same address. */
MUST_CHECK int aead_seal(struct aead *a, const uint8_t nonce[AEAD_NONCE], struct span ad,
                         const void *in, size_t n, void *out);
/* n includes the tag; out has n - AEAD_TAG bytes.  -EBADMSG when the tag does not verify; out is
 * then wiped. */
MUST_CHECK int aead_open(struct aead *a, const uint8_t nonce[AEAD_NONCE], struct span ad,
                         const void *in, size_t n, void *out);

/* One-shot wrap of a small secret under a key with a random nonce: out = nonce || ciphertext ||
 * tag, n + 28 bytes. */
#define AEAD_WRAP_EXTRA (AEAD_NONCE + AEAD_TAG)
MUST_CHECK int aead_wrap(const uint8_t key[AEAD_KEY], struct span ad, const void *in, size_t n,
                         void *out);
MUST_CHECK int aead_unwrap(const uint8_t key[AEAD_KEY], struct span ad, const void *in, size_t n,
                           void *out);

#endif
