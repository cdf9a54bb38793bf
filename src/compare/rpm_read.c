/* rpm_read.c - a header: a preamble, an index of tags, and the store in which their data is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/rpm_priv.h"

#define MOST_TAGS 65535u
#define MOST_STORE (256u << 20)

uint32_t rpm_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct span rpm_bytes(const struct rpm *r, int side, struct look_range at)
{
    return span_of(look_side(r->l, side).p + at.at, (size_t)at.n);
}

size_t rpm_width(uint32_t type)
{
    static const uint8_t width[RPM_TYPES] = {
        [RPM_CHAR] = 1, [RPM_INT8] = 1, [RPM_INT16] = 2, [RPM_INT32] = 4, [RPM_INT64] = 8};

    return type < RPM_TYPES ? width[type] : 0;
}

bool rpm_text(struct span *rest, struct span *text)
{
    const uint8_t *nul = rest->n > 0 ? memchr(rest->p, 0, rest->n) : NULL;

    if (nul == NULL)
        return false;
    *text = span_of(rest->p, (size_t)(nul - rest->p));
    *rest = span_of(nul + 1, rest->n - text->n - 1);
    return true;
}

/* The data of an entry, whose offset is in the store. */
static bool measure(struct span store, struct rpm_entry *e, size_t off)
{
    struct span rest = span_of(store.p + off, store.n - off), text;
    uint64_t n = 0;

    switch (e->type) {
    case RPM_NULL:
        break;
    case RPM_STRING:
    case RPM_STRINGS:
    case RPM_I18N:
        if (e->type == RPM_STRING && e->count != 1)
            return false;
        for (uint32_t i = 0; i < e->count; i++)
            if (!rpm_text(&rest, &text))
                return false;
        n = store.n - off - rest.n;
        break;
    case RPM_BIN:
        n = e->count;
        break;
    default:
        if (e->type >= RPM_TYPES)
            return false;
        n = (uint64_t)e->count * rpm_width(e->type);
    }
    e->data.n = n;
    return n <= store.n - off;
}

static int by_tag(const void *x, const void *y)
{
    const struct rpm_entry *a = x, *b = y;

    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    return a->index.at < b->index.at ? -1 : a->index.at > b->index.at;
}

/* All data together is no more than the store: so nothing is read twice. */
static bool entries(struct rpm_header *h, struct span side)
{
    struct span store = span_of(side.p + h->store.at, (size_t)h->store.n);
    uint64_t sum = 0;

    h->in_order = true;
    for (size_t i = 0; i < h->n; i++) {
        struct rpm_entry *e = &h->v[i];
        uint32_t off;

        e->index = (struct look_range){h->all.at + RPM_PREAMBLE + RPM_INDEX * i, RPM_INDEX};
        e->tag = rpm_u32(side.p + e->index.at);
        e->type = rpm_u32(side.p + e->index.at + 4);
        off = rpm_u32(side.p + e->index.at + 8);
        e->count = rpm_u32(side.p + e->index.at + 12);
        if (off > store.n || !measure(store, e, off) || (sum += e->data.n) > store.n)
            return false;
        e->data.at = h->store.at + off;
        h->in_order = h->in_order && (i == 0 || h->v[i - 1].tag < e->tag);
    }
    if (h->n > 0)
        qsort(h->v, h->n, sizeof(*h->v), by_tag);
    return true;
}

int rpm_header_read(struct look *l, int side, uint64_t at, struct rpm_header *h, const char **why)
{
    struct span s = look_side(l, side);
    uint64_t cost, tags, store;

    *why = "what stands there is no header";
    if (at > s.n || s.n - at < RPM_PREAMBLE || memcmp(s.p + at, "\x8e\xad\xe8\x01", 4) != 0)
        return -EBADMSG;
    tags = rpm_u32(s.p + at + 8);
    store = rpm_u32(s.p + at + 12);
    *why = "a header that is too large, or ends behind the end";
    if (tags > MOST_TAGS || store > MOST_STORE ||
        RPM_INDEX * tags + store > s.n - at - RPM_PREAMBLE)
        return -EBADMSG;
    h->all = (struct look_range){at, RPM_PREAMBLE + RPM_INDEX * tags + store};
    h->store = (struct look_range){at + RPM_PREAMBLE + RPM_INDEX * tags, store};
    cost = (tags + 1) * sizeof(*h->v);
    *why = "too much to be held";
    if (!look_charge(l, cost))
        return -EBADMSG;
    h->charged = cost;
    if ((h->v = calloc((size_t)tags + 1, sizeof(*h->v))) == NULL)
        return -ENOMEM;
    h->n = (size_t)tags;
    *why = "tags whose data is not in the header, or lies in that of others";
    return entries(h, s) ? 0 : -EBADMSG;
}

void rpm_header_free(struct look *l, struct rpm_header *h)
{
    look_discharge(l, h->charged);
    free(h->v);
    memset(h, 0, sizeof(*h));
}

const struct rpm_entry *rpm_find(const struct rpm_header *h, uint32_t tag)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->v[i].tag == tag)
            return i + 1 < h->n && h->v[i + 1].tag == tag ? NULL : &h->v[i];
    return NULL;
}
