#include "crypto/md5.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

bool md5_of(const void *p, size_t n, uint8_t out[16])
{
    return gnutls_hash_fast(GNUTLS_DIG_MD5, p, n, out) == 0;
}
