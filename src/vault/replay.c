/* replay.c - from the journal to what is derived from it.
 *
 * Two passes: first the index is brought to the end of the journal, then groups are delivered. Only
 * then is known which slots still live, and under which key the live ones are wrapped now; a group
 * written two epochs ago can be opened in no other way, and what is dead is never opened at all. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "vault/vault_priv.h"

/* --- pass one: the index --- */

/* Keys of epochs before the oldest are gone, and a retired one is needed by no live slot. */
static bool key_in_use(const struct vault *v, uint64_t epoch)
{
    return epoch >= v->oldest && epoch != v->retired;
}

static int tag_object(struct vault *v, const struct id128 *ref, const struct id128 *object,
                      uint64_t epoch, const uint8_t *wrap)
{
    struct slot_secret s;
    struct digest tag;
    int rc;

    if (!key_in_use(v, epoch))
        return 0;
    if ((rc = vault_slot_unwrap(v, epoch, ref, object, wrap, &s)) == 0 &&
        (rc = vault_slot_tag(v, epoch, &s.sha256, &tag)) == 0)
        rc = v->cfg.index->ops->put_tag(v->cfg.index, object, &tag);
    vault_slot_wipe(&s);
    return rc;
}

/* -ENOENT of the index means: what this refers to was in a damaged group.  It is left out. */
static int missing_is_fine(int rc)
{
    return rc == -ENOENT ? 0 : rc;
}

static int apply_slot(struct vault *v, const struct record *r, struct cur *c)
{
    struct vault_slot_row row;
    struct record_slot s;
    int rc;

    if ((rc = vault_record_slot(c, &s)) != 0)
        return rc;
    memset(&row, 0, sizeof(row));
    row.ref = s.ref;
    row.object = s.object;
    row.epoch = s.epoch;
    memcpy(row.wrap, s.wrap.p, VAULT_WRAP);
    row.segment = r->head.self.segment;
    row.at = r->head.self.at + (uint64_t)(s.sealed.p - r->base);
    row.length = (uint32_t)s.sealed.n;
    if ((rc = v->cfg.index->ops->put_slot(v->cfg.index, &row)) == 0)
        rc = tag_object(v, &s.ref, &s.object, s.epoch, row.wrap);
    return missing_is_fine(rc);
}

static int apply_rewrap(struct vault *v, struct cur *c)
{
    struct vault_index *x = v->cfg.index;
    struct vault_slot_row row;
    struct record_rewrap w;
    int rc;

    if ((rc = vault_record_rewrap(c, &w)) != 0)
        return rc;
    /* a slot that is still alive was wrapped once more before this key could go */
    if (!key_in_use(v, w.epoch))
        return 0;
    if ((rc = x->ops->rewrap(x, &w.ref, w.epoch, w.wrap.p)) == 0 &&
        (rc = x->ops->find_slot(x, &w.ref, &row)) == 0)
        rc = tag_object(v, &w.ref, &row.object, w.epoch, w.wrap.p);
    return missing_is_fine(rc);
}

static int apply_entry(struct vault *v, const struct record *r, enum record_section s,
                       struct cur *c)
{
    struct vault_index *x = v->cfg.index;
    struct record_object o;
    struct record_seal se;
    struct id128 id;
    uint32_t segment;
    int rc;

    switch (s) {
    case RECORD_OBJECTS:
        rc = vault_record_object(c, &o);
        return rc != 0 ? rc : x->ops->put_object(x, &o.id, o.extents);
    case RECORD_SLOTS:
        return apply_slot(v, r, c);
    case RECORD_REWRAPS:
        return apply_rewrap(v, c);
    case RECORD_DESTROYED:
        rc = vault_record_id(c, &id);
        return rc != 0 ? rc : x->ops->drop_slot(x, &id);
    case RECORD_SEALS:
        rc = vault_record_seal(c, &se);
        return rc != 0 ? rc : x->ops->put_seal(x, se.segment, se.length, &se.root);
    case RECORD_UNSEALS:
        rc = vault_record_unseal(c, &segment);
        return rc != 0 ? rc : x->ops->drop_seal(x, segment);
    case RECORD_DROPPED:
        rc = vault_record_id(c, &id);
        return rc != 0 ? rc : x->ops->drop_object(x, &id);
    case RECORD_LEAVES:
    case RECORD_NOTES:
    case RECORD_EPOCHS:
    case RECORD_SECTIONS:
        break;
    }
    return -EINVAL;
}

int vault_replay_apply(struct vault *v, const struct record *r)
{
    static const enum record_section order[] = {RECORD_OBJECTS,   RECORD_SLOTS, RECORD_REWRAPS,
                                                RECORD_DESTROYED, RECORD_SEALS, RECORD_UNSEALS,
                                                RECORD_DROPPED};
    struct vault_index *x = v->cfg.index;
    int rc = x->ops->begin(x);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(order) && rc == 0; i++) {
        struct cur c = r->sec[order[i]].c;

        for (uint32_t k = 0; k < r->sec[order[i]].n && rc == 0; k++)
            rc = apply_entry(v, r, order[i], &c);
    }
    if (rc == 0)
        rc = x->ops->commit(x, r->head.self.seq);
    if (rc != 0)
        x->ops->rollback(x);
    return rc;
}

/* --- which records --- */

/* Who lacks what: the index all after `applied`, whoever is delivered to all after `seq` and all
 * with a leaf from `ledger` on. */
struct wanted {
    uint64_t applied, seq, ledger;
};

static bool index_lacks(const struct record *r, const struct wanted *w)
{
    return r->head.self.seq > w->applied;
}

static bool not_delivered(const struct record *r, const struct wanted *w)
{
    return r->head.self.seq > w->seq || r->head.ledger_before + r->sec[RECORD_LEAVES].n > w->ledger;
}

static void reverse(struct places *l, size_t from)
{
    for (size_t i = from, k = l->n; i + 1 < k; i++) {
        struct record_place t = l->p[i];

        l->p[i] = l->p[--k];
        l->p[k] = t;
    }
}

/* The chain is broken: everything by looking at every block. */
static int by_scan(struct vault *v, struct places *out)
{
    struct record_place none = {0};
    struct scan s;
    int rc = vault_scan(v, &none, 1, SEGMENT_HEAD, v->last.segment, &s, NULL);

    out->n = 0;
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < s.found.n && rc == 0; i++)
        rc = vault_scan_places_add(out, &s.found.p[i]);
    vault_scan_done(&s);
    return rc;
}

/* Walks from the last record back along the chain of hashes while somebody lacks it. */
static int collect(struct vault *v, const struct wanted *w, struct places *out)
{
    struct record_place at = v->last;
    struct record r;
    struct buf buf;
    int rc = 0;

    memset(out, 0, sizeof(*out));
    buf_init(&buf, RECORD_MAX);
    while (at.seq > 0 && rc == 0) {
        if ((rc = vault_scan_record(v, &at, &buf, &r)) != 0 ||
            (!index_lacks(&r, w) && !not_delivered(&r, w)))
            break;
        rc = vault_scan_places_add(out, &r.head.self);
        at = r.head.prev;
    }
    buf_free(&buf);
    if (rc == -EBADMSG)
        rc = by_scan(v, out);
    else
        reverse(out, 0);
    if (rc != 0)
        free(out->p);
    return rc;
}

static int apply_places(struct vault *v, const struct places *l, uint64_t applied)
{
    struct record r;
    struct buf b;
    int rc = 0;

    buf_init(&b, RECORD_MAX);
    for (size_t i = 0; i < l->n && rc == 0; i++)
        if (l->p[i].seq > applied && (rc = vault_scan_record(v, &l->p[i], &b, &r)) == 0)
            rc = vault_replay_apply(v, &r);
    buf_free(&b);
    return rc;
}

/* What is missing beside that, if others lack more, is in out too. */
static int index_with(struct vault *v, struct wanted *w, struct places *out)
{
    int rc;

    if ((rc = v->cfg.index->ops->applied(v->cfg.index, &w->applied)) != 0 ||
        (rc = collect(v, w, out)) != 0)
        return rc;
    if ((rc = apply_places(v, out, w->applied)) != 0) {
        free(out->p);
        return rc;
    }
    v->index_late = false;
    return 0;
}

int vault_replay_index(struct vault *v)
{
    struct wanted index_only = {0, UINT64_MAX, UINT64_MAX};
    struct places missing;
    int rc;

    if (!v->index_late)
        return 0;
    if ((rc = index_with(v, &index_only, &missing)) == 0)
        free(missing.p);
    return rc;
}

/* --- pass two: delivery --- */

struct delivery {
    struct vault *v;
    struct span *leaves;
    struct vault_slot_view *slots;
    struct id128 *destroyed;
    struct vault_note_view *notes;
    struct vault_epoch_view *epochs;
    uint8_t *plain; /* what was sealed */
    size_t n_plain, cap_plain;
};

static void delivery_done(struct delivery *d)
{
    if (d->plain != NULL)
        secret_wipe(d->plain, d->cap_plain);
    free(d->plain);
    free(d->leaves);
    free(d->slots);
    free(d->destroyed);
    free(d->notes);
    free(d->epochs);
}

static int delivery_init(struct delivery *d, struct vault *v, const struct record *r, bool open)
{
    memset(d, 0, sizeof(*d));
    d->v = v;
    d->cap_plain = open ? 1 : r->sec[RECORD_SLOTS].c.n + r->sec[RECORD_NOTES].c.n + 1;
    d->plain = malloc(d->cap_plain);
    d->leaves = calloc(r->sec[RECORD_LEAVES].n + 1U, sizeof(*d->leaves));
    d->slots = calloc(r->sec[RECORD_SLOTS].n + 1U, sizeof(*d->slots));
    d->destroyed = calloc(r->sec[RECORD_DESTROYED].n + 1U, sizeof(*d->destroyed));
    d->notes = calloc(r->sec[RECORD_NOTES].n + 1U, sizeof(*d->notes));
    d->epochs = calloc(r->sec[RECORD_EPOCHS].n + 1U, sizeof(*d->epochs));
    if (d->plain == NULL || d->leaves == NULL || d->slots == NULL || d->destroyed == NULL ||
        d->notes == NULL || d->epochs == NULL) {
        delivery_done(d);
        return -ENOMEM;
    }
    return 0;
}

static int view_slot(struct delivery *d, struct cur *c, struct vault_slot_view *out)
{
    struct vault_slot_row row;
    struct slot_secret s;
    struct record_slot rs;
    uint8_t *plain = d->plain + d->n_plain;
    size_t n;
    int rc;

    if ((rc = vault_record_slot(c, &rs)) != 0)
        return rc;
    out->ref = rs.ref;
    out->object = rs.object;
    rc = vault_slot_find(d->v, &rs.ref, &row, &s);
    if (rc == -ENOENT)
        return 0;
    if (rc == 0 && (rc = vault_slot_open(&s, &rs.ref, &rs.object, rs.sealed, plain, &n)) == 0) {
        memcpy(out->sub.b, plain, 16);
        out->blob = span_of(plain + 16, n - 16);
        out->size = s.size;
        out->live = true;
        d->n_plain += n;
    }
    vault_slot_wipe(&s);
    return rc;
}

static int view_note(struct delivery *d, struct cur *c, struct vault_note_view *out)
{
    struct vault_slot_row row;
    struct slot_secret s;
    struct record_note rn;
    uint8_t *plain = d->plain + d->n_plain;
    int rc;

    if ((rc = vault_record_note(c, &rn)) != 0)
        return rc;
    out->sealed = rn.sealed;
    out->ref = rn.ref;
    if (!rn.sealed) {
        out->live = true;
        out->text = rn.text;
        return 0;
    }
    rc = vault_slot_find(d->v, &rn.ref, &row, &s);
    if (rc == -ENOENT)
        return 0;
    if (rc == 0 && (rc = vault_slot_open_text(&s, &rn.ref, SLOT_NOTE, rn.text, plain)) == 0) {
        out->live = true;
        out->text = span_of(plain, rn.text.n - VAULT_SEAL_EXTRA);
        d->n_plain += out->text.n;
    }
    vault_slot_wipe(&s);
    return rc;
}

/* The same of the group that was written just now. */
static void own_slot(const struct group_slot *s, struct vault_slot_view *out)
{
    out->ref = s->row.ref;
    out->object = s->row.object;
    out->sub = s->sub;
    out->size = s->size;
    out->blob = span_of(s->blob->b, s->blob->n);
    out->live = true;
}

static int own_note(const struct vault_group *g, const struct group_note *n, struct cur *c,
                    struct vault_note_view *out)
{
    struct record_note rn;
    int rc = vault_record_note(c, &rn);

    out->sealed = n->sealed;
    out->ref = n->ref;
    out->live = !n->sealed || !vault_group_destroys(g, &n->ref);
    if (out->live && n->sealed)
        out->text = span_of(n->text->b, n->text->n);
    else if (out->live)
        out->text = rn.text;
    return rc;
}

static int view_epoch(struct cur *c, struct vault_epoch_view *out)
{
    uint8_t event;
    int rc = vault_record_epoch(c, &event, &out->epoch);

    out->event = (enum vault_epoch_event)event;
    return rc;
}

static int fill_views(struct delivery *d, const struct record *r, const struct vault_group *own)
{
    struct cur c;
    int rc = 0;

    c = r->sec[RECORD_LEAVES].c;
    for (uint32_t i = 0; i < r->sec[RECORD_LEAVES].n && rc == 0; i++)
        rc = vault_record_leaf(&c, &d->leaves[i]);
    c = r->sec[RECORD_SLOTS].c;
    for (uint32_t i = 0; i < r->sec[RECORD_SLOTS].n && rc == 0; i++)
        if (own != NULL)
            own_slot(&own->slot[i], &d->slots[i]);
        else
            rc = view_slot(d, &c, &d->slots[i]);
    c = r->sec[RECORD_DESTROYED].c;
    for (uint32_t i = 0; i < r->sec[RECORD_DESTROYED].n && rc == 0; i++)
        rc = vault_record_id(&c, &d->destroyed[i]);
    c = r->sec[RECORD_NOTES].c;
    for (uint32_t i = 0; i < r->sec[RECORD_NOTES].n && rc == 0; i++)
        rc = own != NULL ? own_note(own, &own->note[i], &c, &d->notes[i])
                         : view_note(d, &c, &d->notes[i]);
    c = r->sec[RECORD_EPOCHS].c;
    for (uint32_t i = 0; i < r->sec[RECORD_EPOCHS].n && rc == 0; i++)
        rc = view_epoch(&c, &d->epochs[i]);
    return rc;
}

int vault_replay_deliver(struct vault *v, const struct record *r, const struct vault_group *own,
                         vault_group_fn *fn, void *arg)
{
    struct vault_group_view view;
    struct delivery d;
    int rc;

    if ((rc = delivery_init(&d, v, r, own != NULL)) != 0)
        return rc;
    if ((rc = fill_views(&d, r, own)) == 0) {
        view = (struct vault_group_view){
            .seq = r->head.self.seq,
            .ledger_before = r->head.ledger_before,
            .leaves = d.leaves,
            .n_leaves = r->sec[RECORD_LEAVES].n,
            .slots = d.slots,
            .n_slots = r->sec[RECORD_SLOTS].n,
            .destroyed = d.destroyed,
            .n_destroyed = r->sec[RECORD_DESTROYED].n,
            .notes = d.notes,
            .n_notes = r->sec[RECORD_NOTES].n,
            .epochs = d.epochs,
            .n_epochs = r->sec[RECORD_EPOCHS].n,
        };
        rc = fn(arg, &view);
    }
    delivery_done(&d);
    return rc;
}

static int deliver_places(struct vault *v, const struct places *l, const struct wanted *w,
                          vault_group_fn *fn, void *arg)
{
    struct record r;
    struct buf b;
    int rc = 0;

    buf_init(&b, RECORD_MAX);
    vault_slot_remember(v);
    for (size_t i = 0; i < l->n && rc == 0; i++)
        if ((rc = vault_scan_record(v, &l->p[i], &b, &r)) == 0 && not_delivered(&r, w))
            rc = vault_replay_deliver(v, &r, NULL, fn, arg);
    vault_slot_forget(v);
    buf_free(&b);
    return rc;
}

int vault_replay(struct vault *v, uint64_t seq, uint64_t ledger_size, vault_group_fn *fn, void *arg,
                 struct err *e)
{
    struct wanted w = {0, seq, ledger_size};
    struct places l;
    int rc;

    if ((rc = v->cfg.index->ops->applied(v->cfg.index, &w.applied)) != 0)
        return err_sys(e, rc, "asking the vault's index where it is");
    if (w.applied > v->last.seq)
        return err_set(e, -EBADMSG,
                       "the vault's index knows group %llu but the journal ends with %llu: the "
                       "journal lost its end, or the index belongs to another vault",
                       (unsigned long long)w.applied, (unsigned long long)v->last.seq);
    v->index_late = w.applied < v->last.seq;
    if (fn == NULL)
        w.seq = w.ledger = UINT64_MAX;
    if ((rc = index_with(v, &w, &l)) != 0)
        return err_sys(e, rc, "bringing the vault's index up to date");
    v->replayed = true;
    rc = fn == NULL ? 0 : deliver_places(v, &l, &w, fn, arg);
    free(l.p);
    return rc == 0 ? 0 : err_sys(e, rc, "replaying the journal");
}
