/* Two sides of xz expanded by two threads, block by block, say what they say when they are expanded
 * one after the other.  The input is the length of the first (32 bits, big-endian), the first, the
 * second. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compare/packed.h"

#define MOST (1u << 20) /* bytes that are looked at of a side */
#define PIECE 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    uint8_t *bytes;
    size_t n;
    int rc;
    bool ended;
};

static void read_piece(struct reading *r, struct look_source *s)
{
    size_t got = 0;

    if (r->ended || r->n + PIECE > MOST)
        return;
    r->rc = s->read(s->arg, r->bytes + r->n, PIECE, &got);
    assert(got <= PIECE);
    r->n += got;
    r->ended = r->rc != 0 || got == 0;
}

static int read_codec(void *arg, void *p, size_t n, size_t *got)
{
    struct packed *packed = arg;

    return xz_codec.read(packed, p, n, got);
}

static struct reading begin(void)
{
    struct reading r = {.bytes = malloc(MOST)};

    assert(r.bytes != NULL);
    return r;
}

static struct reading alone(struct packed *p, struct span side)
{
    struct look_source s = {p, read_codec};
    struct reading r = begin();

    *p = (struct packed){.codec = &xz_codec, .side = side, .state = xz_codec.open()};
    assert(p->state != NULL);
    while (!r.ended && r.n + PIECE <= MOST)
        read_piece(&r, &s);
    xz_codec.close(p->state);
    return r;
}

static void same(const struct packed *p, const struct reading *a, const struct packed *q,
                 const struct reading *b)
{
    assert(a->ended == b->ended && a->rc == b->rc && a->n == b->n);
    assert(memcmp(a->bytes, b->bytes, a->n) == 0);
    if (!a->ended)
        return;
    assert((p->why == NULL) == (q->why == NULL));
    assert(p->why == NULL || strcmp(p->why, q->why) == 0);
    if (a->rc != 0)
        return;
    assert(p->parts == q->parts);
    for (size_t i = 0; i < p->parts; i++)
        assert(p->part[i].r.at == q->part[i].r.at && p->part[i].r.n == q->part[i].r.n &&
               p->part[i].kind == q->part[i].kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_of(span_of(data, size));
    struct packed one[2], two[2];
    struct reading a[2], b[2];
    struct xz_twins *t;
    struct span side[2];
    uint32_t len;

    if (cur_u32(&c, &len) != 0 || cur_take(&c, len, &side[0]) != 0)
        return 0;
    side[1] = span_of(c.p, c.n);
    for (int i = 0; i < 2; i++)
        if (!xz_codec.is(side[i], NULL))
            return 0;
    for (int i = 0; i < 2; i++)
        two[i] = (struct packed){.codec = &xz_codec, .side = side[i]};
    if ((t = xz_twins_start(two, MOST)) == NULL) {
        free(two[0].part);
        free(two[1].part);
        return 0;
    }
    for (int i = 0; i < 2; i++)
        b[i] = begin();
    for (size_t n = 0; n < 2 * MOST / PIECE; n++)
        for (int i = 0; i < 2; i++)
            read_piece(&b[i], xz_twins_source(t, i));
    xz_twins_end(t);
    for (int i = 0; i < 2; i++) {
        a[i] = alone(&one[i], side[i]);
        /* pieces need not be full: what both have seen */
        if (!a[i].ended || !b[i].ended)
            a[i].n = b[i].n = a[i].n < b[i].n ? a[i].n : b[i].n, a[i].ended = b[i].ended = false,
            a[i].rc = b[i].rc = 0;
        same(&one[i], &a[i], &two[i], &b[i]);
        free(a[i].bytes);
        free(b[i].bytes);
        free(one[i].part);
        free(two[i].part);
    }
    return 0;
}
