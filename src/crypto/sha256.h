/* sha256.h - SHA-256 (FIPS 180-4) by GnuTLS.  Cannot fail for lack of anything but memory: in the
 * one-call functions that aborts (documented, tested), for no caller could act on it.
 * Threads: the one-call functions may be called from any, each thread keeps a handle of its own
 * until it ends; a struct sha256 is for one thread at a time. */
#ifndef CRYPTO_SHA256_H
#define CRYPTO_SHA256_H

#include "base/defs.h"

struct sha256; /* a running hash */

void sha256_of(const void *p, size_t n, struct digest *out);
/* Hash of the concatenation of n parts, without copying them together. */
void sha256_ofv(const struct span *part, size_t n, struct digest *out);

struct sha256 *sha256_new(void); /* NULL: no memory */
void sha256_add(struct sha256 *h, const void *p, size_t n);
void sha256_end(struct sha256 *h, struct digest *out); /* h is ready for another message */
void sha256_free(struct sha256 *h);

/* RFC 6962 section 2.1: leaf = H(0x00 || data), node = H(0x01 || left || right) */
void sha256_leaf(const void *p, size_t n, struct digest *out);
void sha256_node(const struct digest *l, const struct digest *r, struct digest *out);

bool digest_eq(const struct digest *a, const struct digest *b); /* constant time */
int digest_cmp(const struct digest *a, const struct digest *b); /* memcmp order */

#endif
