/* sha1.h - SHA-1 (FIPS 180-4) by GnuTLS, for sums that others wrote; it protects nothing. */
#ifndef CRYPTO_SHA1_H
#define CRYPTO_SHA1_H

#include "base/defs.h"

/* False: the library refuses SHA-1 here. */
MUST_CHECK bool sha1_of(const void *p, size_t n, uint8_t out[20]);

#endif
