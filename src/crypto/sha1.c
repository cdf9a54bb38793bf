#include "crypto/sha1.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

bool sha1_of(const void *p, size_t n, uint8_t out[20])
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA1, p, n, out) == 0;
}
