/* signkey.h - a private Ed25519 key that people sign with, wherever it is: in a file, or in a token
 * that never gives it out.
 *
 *   signkey_open -> signkey_public, signkey_sign ... -> signkey_close
 *
 * spec is the name of a key file (ed25519.h), or a PKCS #11 URI (RFC 7512), which begins with
 * "pkcs11:": GnuTLS asks the modules that p11-kit is configured for, and the one that module-path=
 * names.  The PIN is read from the file that pin-source= names ("file:/path" or a path), which
 * others than its owner may not read, as often as the token asks and never twice for one question:
 * a token counts wrong PINs.  pin-value= is refused (everybody sees a command line), and nobody is
 * asked on a terminal.
 *
 * Errors: -EINVAL (spec makes no sense, another kind of key), -ENOENT (no such file, token, key),
 * -EACCES (PIN missing, wrong or readable by others; key file likewise), -EBADMSG (no key in the
 * file), -EIO (the token, or what it answers).  PKCS #11 modules are for the whole process, and a
 * key is for one thread at a time. */
#ifndef CRYPTO_SIGNKEY_H
#define CRYPTO_SIGNKEY_H

#include "crypto/ed25519.h"

struct signkey;

bool signkey_is_token(const char *spec);
MUST_CHECK int signkey_open(struct signkey **out, const char *spec, struct err *e);
void signkey_close(struct signkey *k); /* NULL is fine */
void signkey_public(const struct signkey *k, struct ed25519_pub *out);
/* What a token answers is verified before it is given out. */
MUST_CHECK int signkey_sign(const struct signkey *k, const void *p, size_t n,
                            struct ed25519_sig *out);

#endif
