/* The tree hash is built bottom-up with one pending root per level, as in RFC 6962 section 2.1:
 * after n members the pending levels are the binary digits of n. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "crypto/sha256.h"
#include "events/setroot.h"

static void add(struct setroot *s, const void *p, size_t len)
{
    struct digest d;
    size_t k = 0;

    sha256_leaf(p, len, &d);
    for (uint64_t n = s->n; (n & 1) != 0; n >>= 1, k++)
        sha256_node(&s->level[k], &d, &d);
    s->level[k] = d;
    s->n++;
}

void setroot_end(const struct setroot *s, struct digest *out)
{
    bool any = false;

    if (s->n == 0) {
        sha256_of("", 0, out);
        return;
    }
    for (size_t k = 0; k < 64; k++) {
        if ((s->n >> k & 1) == 0)
            continue;
        if (any)
            sha256_node(&s->level[k], out, out);
        else
            *out = s->level[k];
        any = true;
    }
}

static int cmp_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id128));
}

static int cmp_item(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct digest));
}

static int set_root(void *items, size_t n, size_t size, int (*cmp)(const void *, const void *),
                    struct digest *out)
{
    const uint8_t *p = items;
    struct setroot s = {.n = 0};

    if (n > 1)
        qsort(items, n, size, cmp);
    for (size_t i = 1; i < n; i++)
        if (memcmp(p + (i - 1) * size, p + i * size, size) == 0)
            return -EINVAL;
    for (size_t i = 0; i < n; i++)
        add(&s, p + i * size, size);
    setroot_end(&s, out);
    return 0;
}

int setroot_add(struct setroot *s, struct id128 *ids, size_t n)
{
    if (n > 1)
        qsort(ids, n, sizeof(*ids), cmp_id);
    for (size_t i = 0; i < n; i++) {
        if (s->n > 0 && cmp_id(&s->last, &ids[i]) >= 0)
            return -EINVAL;
        add(s, ids[i].b, sizeof(ids[i].b));
        s->last = ids[i];
    }
    return 0;
}

int setroot_ids(struct id128 *ids, size_t n, struct digest *out)
{
    return set_root(ids, n, sizeof(*ids), cmp_id, out);
}

int setroot_items(struct digest *items, size_t n, struct digest *out)
{
    return set_root(items, n, sizeof(*items), cmp_item, out);
}

void setroot_move_item(const uint8_t salt[32], const struct id128 *sub, const struct digest *sha256,
                       struct digest *out)
{
    static const char lp[] = "\0\x0cmove-item/v1";
    struct span part[] = {span_of(lp, sizeof(lp) - 1), span_of(salt, 32),
                          span_of(sub->b, sizeof(sub->b)), span_of(sha256->b, sizeof(sha256->b))};

    sha256_ofv(part, ARRAY_LEN(part), out);
}
