/* sha512.h - SHA-512 (FIPS 180-4) by GnuTLS, for formats that others chose.  Our own use SHA-256.
 */
#ifndef CRYPTO_SHA512_H
#define CRYPTO_SHA512_H

#include "base/defs.h"

#define SHA512_LEN 64

struct sha512; /* a running hash, for one thread at a time */

struct sha512 *sha512_new(void); /* NULL: no memory */
void sha512_add(struct sha512 *h, const void *p, size_t n);
void sha512_end(struct sha512 *h, uint8_t out[SHA512_LEN]); /* ready for another message */
void sha512_free(struct sha512 *h);                         /* NULL is fine */

#endif
