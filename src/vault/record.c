/* record.c - the commit record, written and read in one place so that they cannot drift apart.
 * The reader trusts nothing: every length is checked against what is left before it is used. */
#include <errno.h>
#include <string.h>

#include "crypto/sha256.h"
#include "vault/record_priv.h"
#include "vault/vault.h"

/* Not valid UTF-8 and broken by any line-end conversion; the last four bytes are the version. */
const uint8_t vault_record_magic[16] = {0x89, 'v',  'a',  'u',  'l', 't', 'r', 'c',
                                        '\r', '\n', 0x1a, '\n', 0,   0,   0,   1};

static int put_head(struct buf *b, const struct record_head *h)
{
    int rc = 0;

    if (buf_put(b, vault_record_magic, 16) || buf_put_u32(b, h->self.length) ||
        buf_put(b, h->vault.b, 16) || buf_put_u32(b, h->self.segment) ||
        buf_put_u64(b, h->self.at) || buf_put_u64(b, h->self.seq) ||
        buf_put_u32(b, h->prev.segment) || buf_put_u64(b, h->prev.at) ||
        buf_put(b, h->prev.hash.b, 32) || buf_put_u64(b, h->ledger_before) ||
        buf_put_u64(b, h->epoch) || buf_put_u64(b, h->oldest) || buf_put_u64(b, h->retired) ||
        buf_put(b, h->check, RECORD_CHECK))
        rc = -ENOMEM;
    return rc;
}

static int get_head(struct cur *c, struct record_head *h)
{
    struct span magic;

    memset(h, 0, sizeof(*h));
    if (cur_take(c, 16, &magic) || memcmp(magic.p, vault_record_magic, 16) != 0 ||
        cur_u32(c, &h->self.length) || cur_copy(c, h->vault.b, 16) ||
        cur_u32(c, &h->self.segment) || cur_u64(c, &h->self.at) || cur_u64(c, &h->self.seq) ||
        cur_u32(c, &h->prev.segment) || cur_u64(c, &h->prev.at) ||
        cur_copy(c, h->prev.hash.b, 32) || cur_u64(c, &h->ledger_before) || cur_u64(c, &h->epoch) ||
        cur_u64(c, &h->oldest) || cur_u64(c, &h->retired) || cur_copy(c, h->check, RECORD_CHECK))
        return -EBADMSG;
    if (h->self.seq == 0 || h->self.length < RECORD_LEAST || h->self.length > RECORD_MAX)
        return -EBADMSG;
    h->prev.seq = h->self.seq - 1;
    return 0;
}

int vault_record_length(struct span p, uint32_t *length)
{
    struct cur c = cur_of(p);
    struct record_head h;

    if (get_head(&c, &h) != 0)
        return -EBADMSG;
    *length = h.self.length;
    return 0;
}

/* --- entries --- */

int vault_record_extent(struct cur *c, struct extent *out)
{
    if (cur_u32(c, &out->segment) || cur_u32(c, &out->chunks) || cur_u64(c, &out->at) ||
        cur_u64(c, &out->bytes))
        return -EBADMSG;
    if (out->segment == 0 || out->chunks == 0 || out->at > (UINT64_C(1) << 62) ||
        out->bytes > (uint64_t)out->chunks * (VAULT_CHUNK + 16) ||
        out->bytes < (uint64_t)out->chunks * 16)
        return -EBADMSG;
    return 0;
}

int vault_record_object(struct cur *c, struct record_object *out)
{
    struct extent x;
    struct cur in;
    uint32_t n;

    if (cur_copy(c, out->id.b, 16) || cur_u32(c, &n) || n == 0 || n > RECORD_EXTENTS_MAX ||
        cur_take(c, (size_t)n * RECORD_EXTENT, &out->extents))
        return -EBADMSG;
    for (in = cur_of(out->extents); in.n > 0;)
        if (vault_record_extent(&in, &x) != 0)
            return -EBADMSG;
    return 0;
}

int vault_record_slot(struct cur *c, struct record_slot *out)
{
    uint32_t n;

    if (cur_copy(c, out->ref.b, 16) || cur_copy(c, out->object.b, 16) || cur_u64(c, &out->epoch) ||
        cur_take(c, VAULT_WRAP, &out->wrap) || cur_u32(c, &n) || n < 32 ||
        n > VAULT_BLOB_MAX + 32 || cur_take(c, n, &out->sealed))
        return -EBADMSG;
    return 0;
}

int vault_record_rewrap(struct cur *c, struct record_rewrap *out)
{
    if (cur_copy(c, out->ref.b, 16) || cur_u64(c, &out->epoch) ||
        cur_take(c, VAULT_WRAP, &out->wrap))
        return -EBADMSG;
    return 0;
}

int vault_record_id(struct cur *c, struct id128 *out)
{
    return cur_copy(c, out->b, 16);
}

int vault_record_leaf(struct cur *c, struct span *out)
{
    uint16_t n;

    if (cur_u16(c, &n) || n == 0 || cur_take(c, n, out))
        return -EBADMSG;
    return 0;
}

int vault_record_note(struct cur *c, struct record_note *out)
{
    uint8_t sealed;
    uint32_t n;

    memset(out, 0, sizeof(*out));
    if (cur_u8(c, &sealed) || sealed > 1 || (sealed && cur_copy(c, out->ref.b, 16)) ||
        cur_u32(c, &n) || n > VAULT_BLOB_MAX + VAULT_SEAL_EXTRA ||
        (sealed && n < VAULT_SEAL_EXTRA) || cur_take(c, n, &out->text))
        return -EBADMSG;
    out->sealed = sealed == 1;
    return 0;
}

int vault_record_epoch(struct cur *c, uint8_t *event, uint64_t *epoch)
{
    if (cur_u8(c, event) || cur_u64(c, epoch) || *event < VAULT_EPOCH_OPENED ||
        *event > VAULT_EPOCH_DESTROYED || *epoch == 0)
        return -EBADMSG;
    return 0;
}

int vault_record_seal(struct cur *c, struct record_seal *out)
{
    if (cur_u32(c, &out->segment) || cur_u64(c, &out->length) || cur_copy(c, out->root.b, 32) ||
        out->segment == 0 || out->length == 0)
        return -EBADMSG;
    return 0;
}

int vault_record_unseal(struct cur *c, uint32_t *segment)
{
    return cur_u32(c, segment);
}

static int entry_ok(enum record_section s, struct cur *c)
{
    struct record_object o;
    struct record_slot sl;
    struct record_rewrap rw;
    struct record_note no;
    struct record_seal se;
    struct id128 id;
    struct span leaf;
    uint64_t epoch;
    uint32_t segment;
    uint8_t event;

    switch (s) {
    case RECORD_OBJECTS:
        return vault_record_object(c, &o);
    case RECORD_SLOTS:
        return vault_record_slot(c, &sl);
    case RECORD_REWRAPS:
        return vault_record_rewrap(c, &rw);
    case RECORD_LEAVES:
        return vault_record_leaf(c, &leaf);
    case RECORD_NOTES:
        return vault_record_note(c, &no);
    case RECORD_EPOCHS:
        return vault_record_epoch(c, &event, &epoch);
    case RECORD_SEALS:
        return vault_record_seal(c, &se);
    case RECORD_UNSEALS:
        return vault_record_unseal(c, &segment);
    case RECORD_DESTROYED:
    case RECORD_DROPPED:
        return vault_record_id(c, &id);
    case RECORD_SECTIONS:
        break;
    }
    return -EBADMSG;
}

/* One section: count, bytes, and exactly that many entries in exactly those bytes. */
static int section_ok(enum record_section s, struct cur *c, struct record *out)
{
    struct span body;
    struct cur in;
    uint32_t n, bytes;

    if (cur_u32(c, &n) || cur_u32(c, &bytes) || cur_take(c, bytes, &body))
        return -EBADMSG;
    in = cur_of(body);
    for (uint32_t i = 0; i < n; i++)
        if (entry_ok(s, &in) != 0)
            return -EBADMSG;
    if (in.n != 0)
        return -EBADMSG;
    out->sec[s].n = n;
    out->sec[s].c = cur_of(body);
    return 0;
}

int vault_record_parse(struct span p, struct record *out)
{
    struct cur c = cur_of(p);
    struct digest h;

    if (p.n < RECORD_LEAST || get_head(&c, &out->head) != 0 || out->head.self.length > p.n)
        return -EBADMSG;
    p.n = out->head.self.length;
    sha256_of(p.p, p.n - 32, &h);
    if (memcmp(h.b, p.p + p.n - 32, 32) != 0)
        return -EBADMSG;
    c.n = p.n - RECORD_HEAD - 32;
    for (int s = 0; s < RECORD_SECTIONS; s++)
        if (section_ok((enum record_section)s, &c, out) != 0)
            return -EBADMSG;
    if (c.n != 0)
        return -EBADMSG;
    out->head.self.hash = h;
    out->base = p.p;
    return 0;
}

void vault_record_own(const struct record_draft *d, const struct record_head *h, const uint8_t *p,
                      struct record *out)
{
    size_t at = RECORD_HEAD;

    out->head = *h;
    out->base = p;
    for (int s = 0; s < RECORD_SECTIONS; s++) {
        at += 4 + 4; /* entries, bytes */
        out->sec[s].n = d->n[s];
        out->sec[s].c = cur_of(span_of(p + at, d->sec[s].len));
        at += d->sec[s].len;
    }
}

/* --- building --- */

void vault_record_draft_init(struct record_draft *d)
{
    memset(d, 0, sizeof(*d));
    for (int s = 0; s < RECORD_SECTIONS; s++)
        buf_init(&d->sec[s], RECORD_MAX);
}

void vault_record_draft_free(struct record_draft *d)
{
    for (int s = 0; s < RECORD_SECTIONS; s++)
        buf_free(&d->sec[s]);
}

size_t vault_record_draft_size(const struct record_draft *d)
{
    size_t n = RECORD_LEAST;

    for (int s = 0; s < RECORD_SECTIONS; s++)
        n += d->sec[s].len;
    return n;
}

int vault_record_put_extent(struct buf *b, const struct extent *x)
{
    int rc = buf_reserve(b, RECORD_EXTENT);

    if (rc != 0)
        return rc;
    if (buf_put_u32(b, x->segment) || buf_put_u32(b, x->chunks) || buf_put_u64(b, x->at) ||
        buf_put_u64(b, x->bytes))
        return -ENOMEM;
    return 0;
}

/* Room for one entry of n bytes, so that the puts after it cannot fail half way. */
static int entry_room(struct record_draft *d, enum record_section s, size_t n)
{
    int rc;

    if (vault_record_draft_size(d) + n > RECORD_MAX)
        return -E2BIG;
    rc = buf_reserve(&d->sec[s], n);
    if (rc == 0)
        d->n[s]++;
    return rc;
}

int vault_record_add_object(struct record_draft *d, const struct id128 *id, struct span extents)
{
    struct buf *b = &d->sec[RECORD_OBJECTS];
    int rc = entry_room(d, RECORD_OBJECTS, 20 + extents.n);

    if (rc != 0)
        return rc;
    if (buf_put(b, id->b, 16) || buf_put_u32(b, (uint32_t)(extents.n / RECORD_EXTENT)) ||
        buf_put(b, extents.p, extents.n))
        return -ENOMEM;
    return 0;
}

int vault_record_add_slot(struct record_draft *d, const struct record_slot *s)
{
    struct buf *b = &d->sec[RECORD_SLOTS];
    int rc = entry_room(d, RECORD_SLOTS, 16 + 16 + 8 + VAULT_WRAP + 4 + s->sealed.n);

    if (rc != 0)
        return rc;
    if (buf_put(b, s->ref.b, 16) || buf_put(b, s->object.b, 16) || buf_put_u64(b, s->epoch) ||
        buf_put(b, s->wrap.p, VAULT_WRAP) || buf_put_u32(b, (uint32_t)s->sealed.n) ||
        buf_put(b, s->sealed.p, s->sealed.n))
        return -ENOMEM;
    return 0;
}

int vault_record_add_rewrap(struct record_draft *d, const struct record_rewrap *r)
{
    struct buf *b = &d->sec[RECORD_REWRAPS];
    int rc = entry_room(d, RECORD_REWRAPS, 16 + 8 + VAULT_WRAP);

    if (rc != 0)
        return rc;
    if (buf_put(b, r->ref.b, 16) || buf_put_u64(b, r->epoch) || buf_put(b, r->wrap.p, VAULT_WRAP))
        return -ENOMEM;
    return 0;
}

int vault_record_add_id(struct record_draft *d, enum record_section s, const struct id128 *id)
{
    int rc = entry_room(d, s, 16);

    return rc != 0 ? rc : buf_put(&d->sec[s], id->b, 16);
}

int vault_record_add_leaf(struct record_draft *d, struct span leaf)
{
    int rc = entry_room(d, RECORD_LEAVES, 2 + leaf.n);

    return rc != 0 ? rc : buf_put_sized(&d->sec[RECORD_LEAVES], leaf);
}

int vault_record_add_note(struct record_draft *d, const struct record_note *n)
{
    struct buf *b = &d->sec[RECORD_NOTES];
    int rc = entry_room(d, RECORD_NOTES, 1 + 16 + 4 + n->text.n);

    if (rc != 0)
        return rc;
    if (buf_putc(b, n->sealed ? 1 : 0) || (n->sealed && buf_put(b, n->ref.b, 16)) ||
        buf_put_u32(b, (uint32_t)n->text.n) || buf_put(b, n->text.p, n->text.n))
        return -ENOMEM;
    return 0;
}

int vault_record_add_epoch(struct record_draft *d, uint8_t event, uint64_t epoch)
{
    struct buf *b = &d->sec[RECORD_EPOCHS];
    int rc = entry_room(d, RECORD_EPOCHS, 9);

    if (rc != 0)
        return rc;
    if (buf_putc(b, event) || buf_put_u64(b, epoch))
        return -ENOMEM;
    return 0;
}

int vault_record_add_seal(struct record_draft *d, const struct record_seal *s)
{
    struct buf *b = &d->sec[RECORD_SEALS];
    int rc = entry_room(d, RECORD_SEALS, 44);

    if (rc != 0)
        return rc;
    if (buf_put_u32(b, s->segment) || buf_put_u64(b, s->length) || buf_put(b, s->root.b, 32))
        return -ENOMEM;
    return 0;
}

int vault_record_add_unseal(struct record_draft *d, uint32_t segment)
{
    int rc = entry_room(d, RECORD_UNSEALS, 4);

    return rc != 0 ? rc : buf_put_u32(&d->sec[RECORD_UNSEALS], segment);
}

int vault_record_seal_up(struct record_draft *d, struct record_head *h, struct buf *out)
{
    static const uint8_t zeros[RECORD_ALIGN];
    size_t n = vault_record_draft_size(d), pad = (RECORD_ALIGN - n % RECORD_ALIGN) % RECORD_ALIGN;
    int rc;

    if (n > RECORD_MAX)
        return -E2BIG;
    buf_reset(out);
    h->self.length = (uint32_t)n;
    if ((rc = buf_reserve(out, n + pad)) != 0 || (rc = put_head(out, h)) != 0)
        return rc;
    for (int s = 0; s < RECORD_SECTIONS; s++)
        if (buf_put_u32(out, d->n[s]) || buf_put_u32(out, (uint32_t)d->sec[s].len) ||
            buf_put(out, d->sec[s].data, d->sec[s].len))
            return -ENOMEM;
    sha256_of(out->data, out->len, &h->self.hash);
    if (buf_put(out, h->self.hash.b, 32) || buf_put(out, zeros, pad))
        return -ENOMEM;
    return 0;
}
