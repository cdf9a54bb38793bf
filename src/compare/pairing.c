#include "compare/pairing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"

#define ROUNDS 4u           /* hashes of likeness, each with other constants */
#define SHINGLE 16u         /* bytes that are hashed together */
#define SAMPLE (256u << 10) /* bytes of a content that are looked at */

struct key {
    struct digest d; /* of content; its first bytes: a hash of likeness */
    const char *name;
    size_t i;
};

static int by_name(const void *x, const void *y)
{
    const struct key *a = x, *b = y;
    int d = strcmp(a->name, b->name);

    return d != 0 ? d : a->i < b->i ? -1 : a->i > b->i;
}

static int by_digest(const void *x, const void *y)
{
    const struct key *a = x, *b = y;
    int d = memcmp(a->d.b, b->d.b, sizeof(a->d.b));

    return d != 0 ? d : a->i < b->i ? -1 : a->i > b->i;
}

static int names_only(const void *x, const void *y)
{
    return strcmp(((const struct key *)x)->name, ((const struct key *)y)->name);
}

static int digests_only(const void *x, const void *y)
{
    return memcmp(((const struct key *)x)->d.b, ((const struct key *)y)->d.b, 32);
}

struct keys {
    struct key *v;
    size_t n;
};

/* Those without a mate, in the order of cmp; the sums of what fill says no to are left out. */
static int keys_of(struct keys *k, const struct pairing_item *v, size_t n,
                   bool (*fill)(struct key *, const struct pairing_item *, unsigned),
                   unsigned round, int (*cmp)(const void *, const void *))
{
    k->n = 0;
    if ((k->v = calloc(n + 1, sizeof(*k->v))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct key *key = &k->v[k->n];

        if (v[i].mate != PAIRING_NONE || !fill(key, &v[i], round))
            continue;
        key->name = v[i].name;
        key->i = i;
        k->n++;
    }
    if (k->n > 0)
        qsort(k->v, k->n, sizeof(*k->v), cmp);
    return 0;
}

static int mate_equals(struct pairing_item *a, size_t na, struct pairing_item *b, size_t nb,
                       bool (*fill)(struct key *, const struct pairing_item *, unsigned),
                       unsigned round, int (*order)(const void *, const void *),
                       int (*same)(const void *, const void *))
{
    struct keys ka = {NULL, 0}, kb = {NULL, 0};
    int rc = keys_of(&ka, a, na, fill, round, order);

    if (rc == 0)
        rc = keys_of(&kb, b, nb, fill, round, order);
    for (size_t i = 0, k = 0; rc == 0 && i < ka.n && k < kb.n;) {
        int d = same(&ka.v[i], &kb.v[k]);

        if (d == 0) {
            a[ka.v[i].i].mate = kb.v[k].i;
            b[kb.v[k].i].mate = ka.v[i].i;
        }
        i += d <= 0;
        k += d >= 0;
    }
    free(ka.v);
    free(kb.v);
    return rc;
}

static bool fill_name(struct key *k, const struct pairing_item *it, unsigned round)
{
    (void)k;
    (void)it;
    (void)round;
    return true;
}

static bool has_content(const struct pairing_item *it)
{
    return it->content != NULL && it->content->at.n > 0;
}

static bool fill_content(struct key *k, const struct pairing_item *it, unsigned round)
{
    (void)round;
    if (!has_content(it))
        return false;
    if (it->content->bytes.p != NULL)
        sha256_of(it->content->bytes.p, it->content->bytes.n, &k->d);
    else
        k->d = it->content->sha256;
    return true;
}

/* The least hash of all shingles: two contents have the same one as often as they share shingles.
 */
static bool fill_likeness(struct key *k, const struct pairing_item *it, unsigned round)
{
    static const uint64_t factor[ROUNDS] = {
        UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f), UINT64_C(0x165667b19e3779f9),
        UINT64_C(0xd6e8feb86659fd93)};
    uint64_t least = UINT64_MAX;
    size_t n;

    if (!has_content(it) || it->content->bytes.p == NULL || it->content->bytes.n < 4 * SHINGLE)
        return false;
    n = it->content->bytes.n < SAMPLE ? it->content->bytes.n : SAMPLE;
    for (size_t i = 0; i + SHINGLE <= n; i++) {
        uint64_t w[2], h;

        memcpy(w, it->content->bytes.p + i, SHINGLE);
        h = (w[0] ^ (w[1] >> 29) ^ (w[1] << 17)) * factor[round];
        h = (h ^ (h >> 32)) * factor[round];
        least = h < least ? h : least;
    }
    memset(&k->d, 0, sizeof(k->d));
    memcpy(k->d.b, &least, sizeof(least));
    return true;
}

int pairing_by_name(struct pairing_item *a, size_t na, struct pairing_item *b, size_t nb)
{
    return mate_equals(a, na, b, nb, fill_name, 0, by_name, names_only);
}

int pairing_by_content(struct pairing_item *a, size_t na, struct pairing_item *b, size_t nb)
{
    int rc = mate_equals(a, na, b, nb, fill_content, 0, by_digest, digests_only);

    for (unsigned round = 0; round < ROUNDS && rc == 0; round++)
        rc = mate_equals(a, na, b, nb, fill_likeness, round, by_digest, digests_only);
    return rc;
}

bool pairing_ordered(const struct pairing_item *a, size_t na)
{
    size_t last = 0;

    for (size_t i = 0; i < na; i++) {
        if (a[i].mate == PAIRING_NONE)
            continue;
        if (a[i].mate < last)
            return false;
        last = a[i].mate;
    }
    return true;
}
