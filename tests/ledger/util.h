/* util.h - what the tests of this room share: a naive Merkle tree by the definitions of RFC 6962,
 * keys with fixed seeds, folders that vanish. */
#ifndef TESTS_LEDGER_UTIL_H
#define TESTS_LEDGER_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "ledger/note.h"

/* The i-th leaf of the test trees; out has 32 bytes. */
static inline struct span util_leaf(uint64_t i, char out[32])
{
    int n = snprintf(out, 32, "leaf %llu", (unsigned long long)i);

    return span_of(out, (size_t)n);
}

static inline void util_leaf_hash(uint64_t i, struct digest *out)
{
    char text[32];
    uint8_t raw[33];
    struct span s = util_leaf(i, text);

    raw[0] = 0;
    memcpy(raw + 1, s.p, s.n);
    sha256_of(raw, 1 + s.n, out);
}

/* MTH(D[lo:hi]) by recursion on the bytes, with none of the code under test. */
static inline void util_mth(uint64_t lo, uint64_t hi, struct digest *out)
{
    uint8_t raw[65] = {1};
    struct digest l, r;
    uint64_t k = 1;

    if (lo == hi) {
        sha256_of("", 0, out);
        return;
    }
    if (hi - lo == 1) {
        util_leaf_hash(lo, out);
        return;
    }
    while (2 * k < hi - lo)
        k *= 2;
    util_mth(lo, lo + k, &l);
    util_mth(lo + k, hi, &r);
    memcpy(raw + 1, l.b, 32);
    memcpy(raw + 33, r.b, 32);
    sha256_of(raw, sizeof(raw), out);
}

static inline struct ed25519_key *util_key(uint8_t which)
{
    uint8_t seed[32];
    struct ed25519_key *k;

    memset(seed, which, sizeof(seed));
    assert_int_equal(ed25519_from_seed(&k, seed), 0);
    return k;
}

static inline struct note_signer util_signer(const struct ed25519_key *k, const char *name,
                                             uint8_t type)
{
    struct note_signer s;

    assert_int_equal(note_signer_init(&s, name, type, k, NULL), 0);
    return s;
}

static inline char *util_dir(void)
{
    char *d = strdup("/tmp/test-ledger-XXXXXX");

    assert_non_null(d);
    assert_non_null(mkdtemp(d));
    return d;
}

static inline int util_rm1(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st;
    (void)flag;
    (void)f;
    return remove(path);
}

static inline void util_rm(char *dir)
{
    (void)nftw(dir, util_rm1, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

#endif
