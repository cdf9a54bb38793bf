/* Records live in one growing array; this index holds only their numbers, so that a submission
 * costs its record and about eleven bytes.  Ids come from clients: the hash is keyed, or a hostile
 * client could choose ids that all fall into one slot. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/secret.h"

#define SLOTS_LEAST 1024

void ids_init(struct ids *t)
{
    memset(t, 0, sizeof(*t));
    random_bytes(t->key, sizeof(t->key));
    t->key[0] |= 1;
    t->key[1] |= 1;
}

void ids_free(struct ids *t)
{
    free(t->slot);
    t->slot = NULL;
    t->slots = 0;
}

static size_t start(const struct ids *t, const struct id128 *id)
{
    uint64_t w[2], h;

    memcpy(w, id->b, sizeof(w));
    h = (w[0] ^ t->key[0]) * t->key[1] + (w[1] ^ t->key[1]) * t->key[0];
    h ^= h >> 29;
    h *= t->key[0];
    return (size_t)(h >> 32) & (t->slots - 1);
}

static const struct id128 *id_of(const void *base, size_t i, size_t size)
{
    return (const struct id128 *)((const uint8_t *)base + i * size);
}

size_t ids_find(const struct ids *t, const void *base, size_t n, size_t size,
                const struct id128 *id)
{
    if (t->slots == 0)
        return n;
    for (size_t i = start(t, id); t->slot[i] != 0; i = (i + 1) & (t->slots - 1))
        if (memcmp(id_of(base, t->slot[i] - 1, size), id, sizeof(*id)) == 0)
            return t->slot[i] - 1;
    return n;
}

static void insert(struct ids *t, const void *base, size_t r, size_t size)
{
    size_t i = start(t, id_of(base, r, size));

    while (t->slot[i] != 0)
        i = (i + 1) & (t->slots - 1);
    t->slot[i] = (uint32_t)r + 1;
}

int ids_add(struct ids *t, const void *base, size_t n, size_t size)
{
    /* at most seven tenths full */
    if (n >= NONE - 1)
        return -E2BIG;
    if ((n + 1) * 10 > t->slots * 7) {
        size_t slots = t->slots == 0 ? SLOTS_LEAST : t->slots * 2;

        free(t->slot);
        t->slot = calloc(slots, sizeof(*t->slot));
        t->slots = t->slot == NULL ? 0 : slots;
        if (t->slot == NULL)
            return -ENOMEM;
        for (size_t r = 0; r < n; r++)
            insert(t, base, r, size);
    }
    insert(t, base, n, size);
    return 0;
}
