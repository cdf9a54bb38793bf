/* md5_nettle.c - md5.h by nettle alone; see sha256_nettle.c. */
#include "crypto/md5.h"

#include <nettle/md5.h>

bool md5_of(const void *p, size_t n, uint8_t out[16])
{
    struct md5_ctx c;

    nettle_md5_init(&c);
    if (n > 0)
        nettle_md5_update(&c, n, p);
    nettle_md5_digest(&c, MD5_DIGEST_SIZE, out);
    return true;
}
