/* token_priv.h - an Ed25519 key in a PKCS #11 token, by its URI: signkey.h's other kind of key. */
#ifndef CRYPTO_TOKEN_PRIV_H
#define CRYPTO_TOKEN_PRIV_H

#include "crypto/ed25519.h"

#define TOKEN_SCHEME "pkcs11:"

struct token_key;

/* As signkey_open: errors, too. */
MUST_CHECK int token_open(struct token_key **out, const char *uri, struct err *e);
void token_close(struct token_key *k); /* NULL is fine */
void token_public(const struct token_key *k, struct ed25519_pub *out);
MUST_CHECK int token_sign(const struct token_key *k, const void *p, size_t n,
                          struct ed25519_sig *out);

#endif
