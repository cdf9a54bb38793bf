/* pubkey.h - public keys of other people's formats, for verification alone: ECDSA over NIST P-256
 * with SHA-256 (FIPS 186-4; signatures are DER, SEC 1 appendix C.8, and nothing else that is BER)
 * and RSASSA-PSS with SHA-256 and MGF1-SHA-256 (RFC 8017 section 8.1).  Keys are PEM "PUBLIC KEY"
 * (SubjectPublicKeyInfo, RFC 5280). What we sign ourselves is Ed25519 (ed25519.h).
 *
 * PSS: a salt of 32 bytes (the length of the hash) or of the greatest length that fits is accepted;
 * these are what signers write.  RSA moduli have 2,048 to 8,192 bits. */
#ifndef CRYPTO_PUBKEY_H
#define CRYPTO_PUBKEY_H

#include "base/defs.h"

#define PUBKEY_MAX_PEM 4096
#define PUBKEY_MAX_SIG 1024

enum pubkey_kind { PUBKEY_ECDSA_P256_SHA256, PUBKEY_RSA_PSS_SHA256 };

struct pubkey;

/* -EBADMSG: no such PEM, another kind of key, another curve or size; -ENOMEM. */
MUST_CHECK int pubkey_import(struct pubkey **out, enum pubkey_kind kind, struct span pem);
/* SHA-256 of the key's DER form as we write it: equal for two spellings of one key. */
void pubkey_id(const struct pubkey *k, struct digest *out);
/* 0, -EBADMSG, or -ENOMEM */
MUST_CHECK int pubkey_verify(const struct pubkey *k, struct span message, struct span sig);
void pubkey_free(struct pubkey *k); /* NULL is fine */

#endif
