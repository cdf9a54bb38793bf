/* ed25519.h - Ed25519 (RFC 8032) by libsodium; key files by GnuTLS.  Verification is strict: S not
 * below the group's order (RFC 8032 5.1.7), a public key in another form than the canonical one,
 * and points of small order are refused; the equation is the one without the cofactor. */
#ifndef CRYPTO_ED25519_H
#define CRYPTO_ED25519_H

#include "base/err.h"

struct ed25519_pub {
    uint8_t b[32];
};
struct ed25519_sig {
    uint8_t b[64];
};
struct ed25519_key; /* a private key, in memory that is wiped on free */

MUST_CHECK int ed25519_generate(struct ed25519_key **out);
MUST_CHECK int ed25519_from_seed(struct ed25519_key **out, const uint8_t seed[32]);
/* k becomes the key of another seed, in the memory it has: locked memory is costly to come by. */
void ed25519_reseed(struct ed25519_key *k, const uint8_t seed[32]);
void ed25519_seed(const struct ed25519_key *k, uint8_t out[32]); /* caller wipes */
void ed25519_free(struct ed25519_key *k);
void ed25519_public(const struct ed25519_key *k, struct ed25519_pub *out);
MUST_CHECK int ed25519_sign(const struct ed25519_key *k, const void *p, size_t n,
                            struct ed25519_sig *out);
/* 0 or -EBADMSG */
MUST_CHECK int ed25519_verify(const struct ed25519_pub *k, const void *p, size_t n,
                              const struct ed25519_sig *sig);

/* Key files: PEM "PRIVATE KEY" (PKCS#8), mode 0600; loading refuses a file others may read. */
MUST_CHECK int ed25519_load(struct ed25519_key **out, const char *path, struct err *e);
MUST_CHECK int ed25519_store(const struct ed25519_key *k, const char *path,
                             struct err *e); /* -EEXIST if there */
/* hex SHA-256 of the raw 32 bytes: the keyid of DSSE signatures */
void ed25519_keyid(const struct ed25519_pub *k, char out[65]);

#endif
