/* sha1_nettle.c - sha1.h by nettle alone; see sha256_nettle.c. */
#include "crypto/sha1.h"

#include <nettle/sha1.h>

bool sha1_of(const void *p, size_t n, uint8_t out[20])
{
    struct sha1_ctx c;

    nettle_sha1_init(&c);
    if (n > 0)
        nettle_sha1_update(&c, n, p);
    nettle_sha1_digest(&c, SHA1_DIGEST_SIZE, out);
    return true;
}
