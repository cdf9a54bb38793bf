/* md5.h - MD5 (RFC 1321) by GnuTLS, for sums that others wrote; it protects nothing. */
#ifndef CRYPTO_MD5_H
#define CRYPTO_MD5_H

#include "base/defs.h"

/* False: the library refuses MD5 here. */
MUST_CHECK bool md5_of(const void *p, size_t n, uint8_t out[16]);

#endif
