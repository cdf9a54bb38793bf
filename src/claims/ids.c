/* Records that begin with a random id, found by it.  They lie in chunks, so that growing copies
 * nothing and wastes at most one chunk; beside them is an open-addressing index of four bytes a
 * place, at least four fifths and at most nine tenths full.
 *
 * A place holds the record's number and, in the bits that the number leaves free, a tag of the id's
 * hash: a search passes over others' places without touching their records, which is what allows so
 * full an index.
 *
 * Ids come from clients: the hash is keyed, or a hostile client could choose ids that all fall into
 * one place. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/secret.h"

#define CHUNK 1024 /* records */
#define SLOTS_LEAST 1024

void ids_init(struct ids *t, size_t size)
{
    memset(t, 0, sizeof(*t));
    t->size = size;
    random_bytes(t->key, sizeof(t->key));
    t->key[0] |= 1;
    t->key[1] |= 1;
}

void ids_free(struct ids *t)
{
    for (size_t i = 0; i < t->chunk.n; i++)
        free(t->chunk.v[i]);
    free(t->chunk.v);
    free(t->slot);
    memset(t, 0, sizeof(*t));
}

void *ids_at(const struct ids *t, size_t i)
{
    assert(i < t->n);
    return t->chunk.v[i / CHUNK] + i % CHUNK * t->size;
}

uint64_t ids_bytes(const struct ids *t)
{
    return t->chunk.n * CHUNK * t->size + t->chunk.cap * sizeof(*t->chunk.v) +
           t->slots * sizeof(*t->slot);
}

static uint64_t hash(const struct ids *t, const uint8_t *id)
{
    uint64_t w[2], h;

    memcpy(w, id, sizeof(w));
    h = (w[0] ^ t->key[0]) * t->key[1] + (w[1] ^ t->key[1]) * t->key[0];
    h ^= h >> 29;
    h *= t->key[0];
    return h ^ h >> 32;
}

/* Upper half: the place to begin at.  Lower half: the tag, above the bits of a number. */
static size_t begin(const struct ids *t, uint64_t h)
{
    return (size_t)((h >> 32) * t->slots >> 32);
}
static uint32_t tag(const struct ids *t, uint64_t h)
{
    return (uint32_t)h & ~t->number;
}

size_t ids_find(const struct ids *t, const struct id128 *id)
{
    uint64_t h = hash(t, id->b);
    uint32_t want = tag(t, h);

    if (t->slots == 0)
        return t->n;
    for (size_t i = begin(t, h); t->slot[i] != 0; i = i + 1 == t->slots ? 0 : i + 1) {
        size_t r = (t->slot[i] & t->number) - 1;

        if ((t->slot[i] & ~t->number) == want && memcmp(ids_at(t, r), id, sizeof(*id)) == 0)
            return r;
    }
    return t->n;
}

static void insert(struct ids *t, size_t r)
{
    uint64_t h = hash(t, ids_at(t, r));
    size_t i = begin(t, h);

    while (t->slot[i] != 0)
        i = i + 1 == t->slots ? 0 : i + 1;
    t->slot[i] = tag(t, h) | ((uint32_t)r + 1);
}

static int grow_index(struct ids *t)
{
    size_t slots = t->slots == 0 ? SLOTS_LEAST : t->slots + t->slots / 8;

    free(t->slot);
    t->slot = calloc(slots, sizeof(*t->slot));
    t->slots = t->slot == NULL ? 0 : slots;
    if (t->slot == NULL)
        return -ENOMEM;
    t->number = 1;
    while (t->number <= slots && t->number != UINT32_MAX)
        t->number = t->number << 1 | 1;
    for (size_t r = 0; r < t->n; r++)
        insert(t, r);
    return 0;
}

int ids_add(struct ids *t, const struct id128 *id, size_t *out)
{
    int rc;

    if (t->n >= NONE - 1)
        return -E2BIG;
    if ((t->n + 1) * 10 > t->slots * 9 && (rc = grow_index(t)) != 0)
        return rc;
    if (t->n % CHUNK == 0) {
        if ((rc = VEC_ROOM(&t->chunk)) != 0 ||
            (t->chunk.v[t->chunk.n] = calloc(CHUNK, t->size)) == NULL)
            return -ENOMEM;
        t->chunk.n++;
    }
    *out = t->n++;
    memcpy(ids_at(t, *out), id, sizeof(*id));
    insert(t, *out);
    return 0;
}
