/* scan.c - finding records on disk.  Records start on 4 KiB boundaries, name the vault, their own
 * place and their sequence number, and are hashed whole, so they can be found behind any amount of
 * ciphertext or damage by looking at every boundary. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vault/vault_priv.h"

#define BLOCK ((size_t)1 << 20)

int vault_scan_places_add(struct places *l, const struct record_place *p)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 64 : l->cap * 2;
        struct record_place *grown = reallocarray(l->p, cap, sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        l->p = grown;
        l->cap = cap;
    }
    l->p[l->n++] = *p;
    return 0;
}

uint64_t vault_scan_end(const struct record_place *p)
{
    return p->at + ((uint64_t)p->length + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

void vault_scan_done(struct scan *s)
{
    free(s->found.p);
    memset(s, 0, sizeof(*s));
}

/* A whole record, at home at (segment, at) of h. -EBADMSG: there is none. */
static int any_record_at(struct vault *v, struct store_segment *h, uint32_t segment, uint64_t size,
                         uint64_t at, struct buf *b, struct record *out)
{
    const struct store_ops *st = v->cfg.store->ops;
    uint8_t head[RECORD_HEAD];
    uint32_t n;
    int rc;

    if (at > size || size - at < RECORD_HEAD)
        return -EBADMSG;
    if ((rc = st->read(h, head, sizeof(head), at)) != 0)
        return rc;
    if (vault_record_length(span_of(head, sizeof(head)), &n) != 0 || n > size - at)
        return -EBADMSG;
    buf_reset(b);
    if ((rc = buf_reserve(b, n)) != 0 || (rc = st->read(h, b->data, n, at)) != 0)
        return rc;
    b->len = n;
    if ((rc = vault_record_parse(buf_span(b), out)) != 0)
        return rc;
    return out->head.self.segment == segment && out->head.self.at == at ? 0 : -EBADMSG;
}

/* The same, of this vault. */
static int record_at(struct vault *v, struct store_segment *h, uint32_t segment, uint64_t size,
                     uint64_t at, struct buf *b, struct record *out)
{
    int rc = any_record_at(v, h, segment, size, at, b, out);

    return rc != 0 ? rc : memcmp(&out->head.vault, &v->id, sizeof(v->id)) == 0 ? 0 : -EBADMSG;
}

int vault_scan_id(struct vault *v, uint32_t segment, struct id128 *id)
{
    const struct store_ops *st = v->cfg.store->ops;
    struct store_segment *h;
    struct record rec;
    struct buf b;
    uint64_t size;
    int rc;

    if ((rc = st->open(v->cfg.store, segment, &h, &size)) != 0)
        return rc;
    buf_init(&b, RECORD_MAX);
    rc = -EBADMSG;
    for (uint64_t at = SEGMENT_HEAD; at < size && rc == -EBADMSG; at += RECORD_ALIGN)
        if ((rc = any_record_at(v, h, segment, size, at, &b, &rec)) == 0)
            *id = rec.head.vault;
    buf_free(&b);
    st->close(h);
    return rc;
}

int vault_scan_record(struct vault *v, const struct record_place *at, struct buf *b,
                      struct record *out)
{
    static const struct digest any;
    struct store_segment *h;
    uint64_t size;
    int rc;

    rc = v->cfg.store->ops->open(v->cfg.store, at->segment, &h, &size);
    if (rc != 0)
        return rc == -ENOENT ? -EBADMSG : rc;
    rc = record_at(v, h, at->segment, size, at->at, b, out);
    v->cfg.store->ops->close(h);
    if (rc == 0 && (out->head.self.seq != at->seq || (memcmp(&at->hash, &any, sizeof(any)) != 0 &&
                                                      !digest_eq(&out->head.self.hash, &at->hash))))
        rc = -EBADMSG;
    return rc;
}

static void damage(struct vault_report *r, uint32_t segment, uint64_t at, uint64_t upto,
                   uint64_t first, uint64_t last)
{
    if (r == NULL)
        return;
    if (r->damaged < VAULT_DAMAGE_MAX)
        r->damage[r->damaged] =
            (struct vault_damage){segment, at, upto > at ? upto - at : 0, first, last};
    r->damaged++;
}

/* A record that belongs to the chain: the next one, or a later one when those between are hurt
 * (they were committed, because only the last record can be in doubt). */
static bool belongs(const struct scan *s, const struct record_head *h)
{
    if (h->self.seq == s->last.seq + 1)
        return digest_eq(&h->prev.hash, &s->last.hash);
    return h->self.seq > s->last.seq;
}

static int accept(struct scan *s, const struct record_head *h, struct vault_report *r)
{
    if (h->self.seq > s->last.seq + 1) {
        bool same = s->last.segment == h->self.segment;

        damage(r, h->self.segment, same ? vault_scan_end(&s->last) : SEGMENT_HEAD, h->self.at,
               s->last.seq + 1, h->self.seq - 1);
    }
    s->last = h->self;
    s->garbage = 0;
    return vault_scan_places_add(&s->found, &h->self);
}

static bool all_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

struct segment_scan {
    struct vault *v;
    struct store_segment *h;
    uint32_t no;
    uint64_t size;
    uint64_t at;
    uint64_t since; /* where counting of garbage began: behind the last record */
    uint8_t *block;
    struct buf record;
};

/* Looks at the boundaries of one block; stops behind a record. */
static int scan_block(struct segment_scan *g, size_t n, struct scan *s, struct vault_report *r)
{
    uint64_t base = g->at;
    struct record rec;
    int rc;

    for (size_t i = 0; i < n; i += RECORD_ALIGN) {
        size_t step = n - i < RECORD_ALIGN ? n - i : RECORD_ALIGN;

        g->at = base + i + step;
        if (all_zero(g->block + i, step))
            continue;
        s->garbage = g->at - g->since;
        if (step < RECORD_HEAD || memcmp(g->block + i, vault_record_magic, 16) != 0)
            continue;
        rc = record_at(g->v, g->h, g->no, g->size, base + i, &g->record, &rec);
        if (rc == -EBADMSG || (rc == 0 && !belongs(s, &rec.head)))
            continue;
        if (rc == 0)
            rc = accept(s, &rec.head, r);
        if (rc != 0)
            return rc;
        g->at = g->since = vault_scan_end(&rec.head.self);
        return 0;
    }
    return 0;
}

static int check_head(struct segment_scan *g, struct vault_report *r)
{
    uint8_t head[SEGMENT_HEAD];
    struct id128 id;
    int rc;

    if (g->size < SEGMENT_HEAD)
        return 0; /* a creation that was cut short; nothing is in it */
    if ((rc = g->v->cfg.store->ops->read(g->h, head, sizeof(head), 0)) != 0)
        return rc;
    if (!all_zero(head, sizeof(head)) && (vault_segment_head_check(head, g->no, &id) != 0 ||
                                          memcmp(&id, &g->v->id, sizeof(id)) != 0))
        damage(r, g->no, 0, SEGMENT_HEAD, 0, 0);
    return 0;
}

static int scan_segment(struct segment_scan *g, struct scan *s, struct vault_report *r)
{
    int rc;

    rc = g->v->cfg.store->ops->open(g->v->cfg.store, g->no, &g->h, &g->size);
    if (rc != 0)
        return rc;
    if ((rc = check_head(g, r)) != 0)
        goto out;
    g->since = g->at;
    while (g->at < g->size) {
        size_t n = g->size - g->at < BLOCK ? (size_t)(g->size - g->at) : BLOCK;

        if ((rc = g->v->cfg.store->ops->read(g->h, g->block, n, g->at)) != 0)
            break;
        s->scanned += n;
        if ((rc = scan_block(g, n, s, r)) != 0)
            break;
    }
out:
    g->v->cfg.store->ops->close(g->h);
    return rc;
}

int vault_scan(struct vault *v, const struct record_place *after, uint32_t segment, uint64_t at,
               uint32_t upto, struct scan *out, struct vault_report *r)
{
    struct segment_scan g = {.v = v};
    int rc = 0;

    memset(out, 0, sizeof(*out));
    out->last = *after;
    buf_init(&g.record, RECORD_MAX);
    g.block = malloc(BLOCK);
    if (g.block == NULL)
        return -ENOMEM;
    for (g.no = segment, g.at = at; g.no <= upto && rc == 0; g.no++, g.at = SEGMENT_HEAD)
        rc = scan_segment(&g, out, r);
    free(g.block);
    buf_free(&g.record);
    if (rc != 0)
        vault_scan_done(out);
    return rc;
}
