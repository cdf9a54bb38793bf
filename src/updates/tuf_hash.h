/* tuf_hash.h - the hashes and lengths by which one file of a repository announces another. */
#ifndef UPDATES_TUF_HASH_H
#define UPDATES_TUF_HASH_H

#include "base/err.h"
#include "crypto/sha256.h"
#include "crypto/sha512.h"

/* Of these at least one is there where hashes are demanded; other algorithms are not read. */
struct tuf_hashes {
    bool has_sha256, has_sha512;
    struct digest sha256;
    uint8_t sha512[SHA512_LEN];
};

/* A running check of bytes against what was announced. */
struct tuf_check {
    const struct tuf_hashes *want; /* lent */
    struct sha256 *h256;           /* NULL: not asked for */
    struct sha512 *h512;
    uint64_t n; /* bytes so far */
};

MUST_CHECK int tuf_check_begin(struct tuf_check *c, const struct tuf_hashes *want); /* -ENOMEM */
void tuf_check_add(struct tuf_check *c, const void *p, size_t n);
/* True if every hash that was announced is the one of these bytes.  Ends the check. */
bool tuf_check_end(struct tuf_check *c);
void tuf_check_drop(struct tuf_check *c); /* ends it without an answer; again is fine */

#endif
