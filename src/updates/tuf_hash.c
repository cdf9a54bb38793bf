#include "updates/tuf_hash.h"

#include <errno.h>
#include <string.h>

int tuf_check_begin(struct tuf_check *c, const struct tuf_hashes *want)
{
    *c = (struct tuf_check){.want = want};
    if (want->has_sha256)
        c->h256 = sha256_new();
    if (want->has_sha512)
        c->h512 = sha512_new();
    if ((want->has_sha256 && c->h256 == NULL) || (want->has_sha512 && c->h512 == NULL)) {
        tuf_check_drop(c);
        return -ENOMEM;
    }
    return 0;
}

void tuf_check_add(struct tuf_check *c, const void *p, size_t n)
{
    if (c->h256 != NULL)
        sha256_add(c->h256, p, n);
    if (c->h512 != NULL)
        sha512_add(c->h512, p, n);
    c->n += n;
}

bool tuf_check_end(struct tuf_check *c)
{
    uint8_t long_[SHA512_LEN];
    struct digest d;
    bool good = true;

    if (c->h256 != NULL) {
        sha256_end(c->h256, &d);
        good = digest_eq(&d, &c->want->sha256);
    }
    if (c->h512 != NULL) {
        sha512_end(c->h512, long_);
        good = good && memcmp(long_, c->want->sha512, SHA512_LEN) == 0;
    }
    tuf_check_drop(c);
    return good;
}

void tuf_check_drop(struct tuf_check *c)
{
    sha256_free(c->h256);
    sha512_free(c->h512);
    c->h256 = NULL;
    c->h512 = NULL;
}
