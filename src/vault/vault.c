/* vault.c - opening: what is the last committed record, and is it whole?
 *
 * The state file says where the journal was known to be durable (the *mark*).  Behind it every
 * 4 KiB boundary is looked at for records.  What was found behind the mark may lie in memory only
 * (a sync that failed before a restart leaves such pages, and no later sync writes them), so that
 * segment is copied to a new file before anything is built on it. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "vault/read_priv.h"

#define STATE_LEN (16 + 16 + 8 + 4 + 4 + 8 + 32 + 8 + 1 + 32)

static const uint8_t state_magic[16] = {0x89, 'v',  's',  't',  'a', 't', 'e', '\n',
                                        '\r', '\n', 0x1a, '\n', 0,   0,   0,   1};

/* --- the state file --- */

static int state_put(struct vault *v, const struct record_place *mark, uint64_t end, bool clean)
{
    struct digest h;
    struct buf b;
    int rc;

    buf_init(&b, STATE_LEN);
    if (buf_put(&b, state_magic, 16) || buf_put(&b, v->id.b, 16) || buf_put_u64(&b, mark->seq) ||
        buf_put_u32(&b, mark->segment) || buf_put_u32(&b, mark->length) ||
        buf_put_u64(&b, mark->at) || buf_put(&b, mark->hash.b, 32) || buf_put_u64(&b, end) ||
        buf_putc(&b, clean)) {
        buf_free(&b);
        return -ENOMEM;
    }
    sha256_of(b.data, b.len, &h);
    rc = buf_put(&b, h.b, 32);
    if (rc == 0)
        rc = v->cfg.store->ops->state_put(v->cfg.store, b.data, b.len);
    buf_free(&b);
    return rc;
}

static int state_parse(struct span s, struct vault *v, bool *clean)
{
    struct cur c = cur_of(s);
    struct span magic;
    struct digest h;
    uint8_t flag;

    if (s.n != STATE_LEN)
        return -EBADMSG;
    sha256_of(s.p, s.n - 32, &h);
    if (memcmp(h.b, s.p + s.n - 32, 32) != 0 || cur_take(&c, 16, &magic) ||
        memcmp(magic.p, state_magic, 16) != 0 || cur_copy(&c, v->id.b, 16) ||
        cur_u64(&c, &v->mark.seq) || cur_u32(&c, &v->mark.segment) ||
        cur_u32(&c, &v->mark.length) || cur_u64(&c, &v->mark.at) ||
        cur_copy(&c, v->mark.hash.b, 32) || cur_u64(&c, &v->mark_end) || cur_u8(&c, &flag))
        return -EBADMSG;
    *clean = flag == 1;
    return 0;
}

int vault_checkpoint(struct vault *v, struct err *e)
{
    uint64_t end = v->last.seq == 0 ? SEGMENT_HEAD : vault_scan_end(&v->last);
    int rc;

    if (vault_segment_broken(v) != 0)
        return err_set(e, -EIO, "the vault's writer has stopped");
    if (!vault_segment_settled(v, v->last.segment))
        return 0; /* chunks of a later group lie before the mark and are not durable yet */
    if ((rc = state_put(v, &v->last, end, false)) != 0)
        return err_sys(e, rc, "writing the vault's state");
    v->mark = v->last;
    v->mark_end = end;
    v->behind = 0;
    return 0;
}

/* --- opening --- */

struct opening {
    struct vault *v;
    struct vault_report *r;
    uint32_t *no;
    size_t n;
    bool have_state;
    uint64_t state_seq; /* the state says that this group was committed */
    uint32_t state_segment;
};

/* A vault without a single record is founded anew: segment 1 and a state. */
static int found(struct opening *o)
{
    struct vault *v = o->v;
    int rc;

    for (size_t i = o->n; i > 0; i--)
        if ((rc = v->cfg.store->ops->remove(v->cfg.store, o->no[i - 1])) != 0)
            return rc;
    if (!o->have_state)
        v->id = random_id();
    memset(&v->mark, 0, sizeof(v->mark));
    memset(&v->last, 0, sizeof(v->last));
    v->mark.segment = 1;
    v->mark_end = SEGMENT_HEAD;
    if ((rc = vault_segment_start(v, 1)) != 0 || (rc = vault_segment_sync(v)) != 0)
        return rc;
    return state_put(v, &v->mark, v->mark_end, true);
}

static int check_gapless(struct opening *o, struct err *e)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->no[i] != i + 1)
            return err_set(e, -EBADMSG,
                           "segment %u of the vault is missing; put it back from a copy",
                           (unsigned)(i + 1));
    return 0;
}

/* Without a state the heads of the segments say which vault this is, or the records in them. */
static int id_from_heads(struct opening *o)
{
    struct vault *v = o->v;
    const struct store_ops *st = v->cfg.store->ops;
    uint8_t head[SEGMENT_HEAD];
    struct store_segment *h;
    uint64_t size;
    int rc = -EBADMSG;

    for (size_t i = 0; i < o->n && rc == -EBADMSG; i++) {
        if ((rc = st->open(v->cfg.store, o->no[i], &h, &size)) != 0)
            return rc;
        rc = st->read(h, head, sizeof(head), 0);
        st->close(h);
        if (rc == -EPIPE)
            rc = -EBADMSG;
        if (rc == 0)
            rc = vault_segment_head_check(head, o->no[i], &v->id);
    }
    for (size_t i = 0; i < o->n && rc == -EBADMSG; i++)
        rc = vault_scan_id(v, o->no[i], &v->id);
    return rc;
}

/* The state is believed only if the record it points to is there. */
static int load_state(struct opening *o)
{
    struct vault *v = o->v;
    struct record rec;
    struct buf b;
    int rc;

    buf_init(&b, RECORD_MAX);
    rc = v->cfg.store->ops->state_get(v->cfg.store, &b);
    if (rc == 0)
        rc = state_parse(buf_span(&b), v, &o->r->clean);
    o->have_state = rc == 0;
    o->state_seq = rc == 0 ? v->mark.seq : 0;
    o->state_segment = rc == 0 ? v->mark.segment : 0;
    if (rc == 0 && v->mark.seq > 0)
        rc = vault_scan_record(v, &v->mark, &b, &rec);
    buf_free(&b);
    if (rc != -ENOENT && rc != -EBADMSG && rc != -E2BIG)
        return rc;
    o->r->clean = false;
    memset(&v->mark, 0, sizeof(v->mark));
    v->mark.segment = 1;
    v->mark_end = SEGMENT_HEAD;
    return 0;
}

/* Epochs and ledger as of the last record. */
static int load_last(struct vault *v)
{
    struct record rec;
    struct buf b;
    int rc = 0;

    v->ledger = v->epoch = v->oldest = v->retired = 0;
    if (v->last.seq == 0)
        return 0;
    buf_init(&b, RECORD_MAX);
    if ((rc = vault_scan_record(v, &v->last, &b, &rec)) == 0) {
        v->ledger = rec.head.ledger_before + rec.sec[RECORD_LEAVES].n;
        v->epoch = rec.head.epoch;
        v->oldest = rec.head.oldest;
        v->retired = rec.head.retired;
        memcpy(v->check, rec.head.check, RECORD_CHECK);
    }
    buf_free(&b);
    return rc;
}

static int check_keys(struct vault *v, struct err *e)
{
    const struct keyring_ops *k = v->cfg.keys->ops;
    struct digest check;
    int rc;

    for (uint64_t epoch = v->oldest; epoch != 0 && epoch <= v->epoch; epoch++) {
        if (epoch == v->retired)
            continue;
        if ((rc = k->have(v->cfg.keys, epoch)) != 0)
            return err_sys(e, rc, "the key of epoch %llu cannot be used",
                           (unsigned long long)epoch);
    }
    if (v->epoch == 0)
        return 0;
    if ((rc = k->mac(v->cfg.keys, v->epoch, span_str("check/v1"), &check)) != 0)
        return err_sys(e, rc, "the key of epoch %llu", (unsigned long long)v->epoch);
    if (!secret_eq(check.b, v->check, RECORD_CHECK))
        return err_set(e, -EBADMSG,
                       "the key of epoch %llu is not the one this vault was written with",
                       (unsigned long long)v->epoch);
    return 0;
}

/* One slot of a record: does its object read?  Objects of other records are not the question. */
static int verify_slot(struct vault *v, const struct record *rec, const struct record_slot *s)
{
    struct cur c = rec->sec[RECORD_OBJECTS].c;
    struct slot_secret secret;
    struct record_object o;
    struct vault_read *r;
    int rc;

    for (uint32_t i = 0; i < rec->sec[RECORD_OBJECTS].n; i++) {
        if ((rc = vault_record_object(&c, &o)) != 0)
            return rc;
        if (memcmp(&o.id, &s->object, sizeof(o.id)) != 0)
            continue;
        if ((rc = vault_slot_unwrap(v, s->epoch, &s->ref, &s->object, s->wrap.p, &secret)) == 0 &&
            (rc = vault_read_extents(&r, v, &o.id, &secret, o.extents)) == 0) {
            rc = vault_read_all(r);
            vault_read_close(r);
        }
        vault_slot_wipe(&secret);
        return rc;
    }
    return 0;
}

/* A power loss in the middle of a sync may leave the record on disk without all of its objects.
 * Such a group was never acknowledged; it shows because the index, which is only told after the
 * sync, does not know it.  -EBADMSG: it is one of these. */
static int verify_doubtful(struct vault *v, const struct record_place *at)
{
    struct record_slot s;
    struct record rec;
    uint64_t applied;
    struct buf b;
    struct cur c;
    int rc;

    if ((rc = v->cfg.index->ops->applied(v->cfg.index, &applied)) != 0 || applied >= at->seq)
        return rc;
    buf_init(&b, RECORD_MAX);
    rc = vault_scan_record(v, at, &b, &rec);
    c = rec.sec[RECORD_SLOTS].c;
    for (uint32_t i = 0; rc == 0 && i < rec.sec[RECORD_SLOTS].n; i++)
        if ((rc = vault_record_slot(&c, &s)) == 0)
            rc = verify_slot(v, &rec, &s);
    buf_free(&b);
    return rc;
}

/* Removes segments that hold nothing committed and copies the tail without what was cut. */
static int settle(struct opening *o, const struct scan *s)
{
    struct vault *v = o->v;
    const struct store_ops *st = v->cfg.store->ops;
    uint32_t last = v->last.segment == 0 ? 1 : v->last.segment;
    uint64_t end = v->last.seq == 0 ? SEGMENT_HEAD : vault_scan_end(&v->last);
    int rc;

    for (size_t i = o->n; i > last; i--)
        if ((rc = st->remove(v->cfg.store, o->no[i - 1])) != 0)
            return rc;
    o->r->cut = s->garbage;
    if (s->found.n == 0 && s->garbage == 0)
        return vault_segment_adopt(v, last, end);
    for (uint32_t no = v->mark.segment; no <= last; no++) {
        struct store_segment *h;
        uint64_t size;

        if ((rc = st->open(v->cfg.store, no, &h, &size)) != 0)
            return rc;
        st->close(h);
        if ((rc = st->copy(v->cfg.store, no, no == last ? end : size, size)) != 0)
            return rc;
    }
    return vault_segment_adopt(v, last, end);
}

/* The record before the last one, when that turned out to be torn. */
static int step_back(struct vault *v, struct scan *s)
{
    struct record_place torn = s->last;

    s->found.n--;
    s->last = s->found.n > 0 ? s->found.p[s->found.n - 1] : v->mark;
    s->garbage = s->garbage + vault_scan_end(&torn);
    v->last = s->last;
    return load_last(v);
}

/* Only a tail that nobody was told of may be cut.  The state and the index are written after the
 * sync of what they speak of: a journal that ends before is damaged, and stays as it is. */
static int check_end(const struct opening *o, const struct scan *s, struct err *e)
{
    struct vault *v = o->v;
    uint64_t known;
    int rc;

    if ((rc = v->cfg.index->ops->applied(v->cfg.index, &known)) != 0)
        return err_sys(e, rc, "asking the vault's index where it is");
    if (s->last.seq < o->state_seq)
        return err_set(e, -EBADMSG,
                       "the journal ends with group %llu, but group %llu was committed in segment "
                       "%u: put that segment back from a copy; nothing was changed",
                       (unsigned long long)s->last.seq, (unsigned long long)o->state_seq,
                       (unsigned)o->state_segment);
    if (s->last.seq < known)
        return err_set(e, -EBADMSG,
                       "the vault's index knows group %llu but the journal ends with group %llu: "
                       "put the last segments back from a copy, or the index belongs to another "
                       "vault; nothing was changed",
                       (unsigned long long)known, (unsigned long long)s->last.seq);
    /* a founding that was cut short has no more than an empty segment */
    if (s->last.seq == 0 && !o->have_state && (o->n > 1 || s->garbage > 0))
        return err_set(e, -EBADMSG,
                       "the journal has no whole record and the vault no state: put them back from "
                       "a copy; nothing was changed");
    return 0;
}

static int recover(struct opening *o, struct err *e)
{
    struct vault *v = o->v;
    struct scan s;
    int rc;

    rc = vault_scan(v, &v->mark, v->mark.segment, v->mark_end, (uint32_t)o->n, &s, o->r);
    if (rc != 0)
        return err_sys(e, rc, "scanning the journal");
    o->r->scanned = s.scanned;
    if ((rc = check_end(o, &s, e)) != 0)
        goto out;
    v->last = s.last;
    if (v->last.seq == 0 && !(o->n > 1 && o->have_state)) {
        rc = found(o);
        rc = rc == 0 ? 0 : err_sys(e, rc, "founding a vault");
        goto out;
    }
    if ((rc = load_last(v)) != 0) {
        rc = err_sys(e, rc, "reading the last group of the journal");
        goto out;
    }
    if ((rc = check_keys(v, e)) != 0)
        goto out;
    if (s.found.n > 0 && (rc = verify_doubtful(v, &s.last)) == -EBADMSG)
        rc = step_back(v, &s);
    if (rc == 0 && s.found.n > 0)
        o->r->clean = false;
    if (rc == 0)
        rc = settle(o, &s);
    if (rc != 0)
        rc = err_sys(e, rc, "recovering the end of the journal");
out:
    vault_scan_done(&s);
    return rc;
}

static int open_store(struct opening *o, struct err *e)
{
    struct vault *v = o->v;
    int rc;

    rc = v->cfg.store->ops->list(v->cfg.store, &o->no, &o->n);
    if (rc != 0)
        return err_sys(e, rc, "listing the vault's segments");
    if ((rc = check_gapless(o, e)) != 0)
        return rc;
    if ((rc = load_state(o)) != 0)
        return err_sys(e, rc, "reading the vault's state");
    if (o->n == 0 && o->have_state && v->mark.seq > 0)
        return err_set(e, -EBADMSG, "the vault has a state but no segments; put them back");
    if (!o->have_state && o->n > 0) {
        rc = id_from_heads(o);
        if (rc != 0 && !(rc == -EBADMSG && o->n == 1))
            return err_sys(e, rc, "no segment says which vault it belongs to");
    }
    return recover(o, e);
}

static bool size_ok(uint64_t n)
{
    return n >= VAULT_SEGMENT_LEAST && n <= VAULT_SEGMENT_MOST && n % RECORD_ALIGN == 0;
}

int vault_open(struct vault **out, const struct vault_config *c, struct vault_report *r,
               struct err *e)
{
    struct opening o = {.r = r};
    struct vault *v;
    int rc;

    memset(r, 0, sizeof(*r));
    if (c->segment_size != 0 && !size_ok(c->segment_size))
        return err_set(e, -EINVAL, "segment size %llu: a multiple of 4096 from 256 KiB to 1 GiB",
                       (unsigned long long)c->segment_size);
    v = calloc(1, sizeof(*v));
    if (v == NULL)
        return err_sys(e, -ENOMEM, "opening the vault");
    v->cfg = *c;
    if (v->cfg.segment_size == 0)
        v->cfg.segment_size = VAULT_SEGMENT_DEFAULT;
    (void)pthread_mutex_init(&v->lock, NULL);
    vault_record_draft_init(&v->waste);
    vault_record_draft_init(&v->room.d);
    buf_init(&v->room.record, RECORD_MAX + RECORD_ALIGN);
    o.v = v;
    rc = open_store(&o, e);
    free(o.no);
    if (rc != 0) {
        v->broken = rc; /* nothing to checkpoint */
        vault_close(v);
        return rc;
    }
    r->seq = v->last.seq;
    r->ledger_size = v->ledger;
    r->epoch = v->epoch;
    *out = v;
    return 0;
}

void vault_close(struct vault *v)
{
    uint64_t end;

    if (v == NULL)
        return;
    vault_group_abort(v->group);
    assert(v->out == 0); /* every put is ended first */
    end = v->last.seq == 0 ? SEGMENT_HEAD : vault_scan_end(&v->last);
    if (v->broken == 0)
        (void)!state_put(v, &v->last, end, true); /* else the next start scans a little more */
    vault_put_free_spares(v);
    vault_segment_close_all(v);
    vault_record_draft_free(&v->waste);
    vault_record_draft_free(&v->room.d);
    buf_free(&v->room.record);
    (void)pthread_mutex_destroy(&v->lock);
    free(v->bad);
    free(v);
}

void vault_end(const struct vault *v, uint32_t *segment, uint64_t *at)
{
    *segment = v->last.seq == 0 ? 1 : v->last.segment;
    *at = v->last.seq == 0 ? SEGMENT_HEAD : vault_scan_end(&v->last);
}

int vault_stopped(struct vault *v)
{
    return vault_segment_broken(v);
}

int vault_missed(const struct vault *v)
{
    return v->missed;
}

uint64_t vault_seq(const struct vault *v)
{
    return v->last.seq;
}

uint64_t vault_ledger_size(const struct vault *v)
{
    return v->ledger;
}

uint64_t vault_epoch(const struct vault *v)
{
    return v->epoch;
}

uint64_t vault_epoch_oldest(const struct vault *v)
{
    return v->oldest;
}

uint64_t vault_behind(const struct vault *v)
{
    return v->behind;
}
