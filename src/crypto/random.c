#include "crypto/secret.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

void random_bytes(void *out, size_t n)
{
    int rc = n > 0 ? gnutls_rnd(GNUTLS_RND_KEY, out, n) : 0;

    if (rc == 0)
        return;
    /* no caller can go on safely without randomness */
    (void)fprintf(stderr, "random generator: %s\n", gnutls_strerror(rc));
    abort();
}

struct id128 random_id(void)
{
    struct id128 id;

    random_bytes(id.b, sizeof(id.b));
    return id;
}

uint64_t random_below(uint64_t n)
{
    uint64_t reject, x;

    assert(n > 0);
    reject = (UINT64_MAX - n + 1) % n; /* 2^64 mod n: so many values would make some likelier */
    do
        random_bytes(&x, sizeof(x));
    while (x < reject);
    return x % n;
}
