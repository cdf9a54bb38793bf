/* keeper_trace.c - what the submitter may ask about a submission and order for it, proved by the
 * submission's key each time; receipts; waiting for a change. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "events/receipt_extra.h"
#include "site/keeper_intake.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"
#include "site/keeper_scanned.h"

#define WAIT_MAX 60
#define WAITERS_MAX 4096
#define WAITERS_OF_ONE (WAITERS_MAX / 8) /* account: one cannot keep the others from waiting */

struct waiter {
    struct waiter *next;
    uint64_t id;
    struct pm_trace ask;
    char account[sizeof(((struct catalog_submission *)0)->account)];
    mono_ms until;
};

/* --- receipts --- */

static int leaf_at(struct keeper *k, uint64_t index, struct buf *out, struct err *e)
{
    return ledger_leaf(k->ledger, index, out, e);
}

/* The receipt of this leaf with these openings. */
static int receipt_with(struct keeper *k, uint64_t index, struct span leaf,
                        const struct receipt_opening *open, size_t n, struct buf *out, bool *final,
                        struct err *e)
{
    struct receipt_extra x;
    struct buf json;
    int rc;

    memset(&x, 0, sizeof(x));
    buf_init(&json, RECEIPT_EXTRA_MAX);
    x.leaf = leaf;
    if (n > 0)
        memcpy(x.opening, open, n * sizeof(*open));
    x.openings = n;
    if ((rc = receipt_extra_encode(&x, &json, e)) == 0)
        rc = keeper_receipt(k, index, buf_span(&json), out, final, e);
    secret_wipe(json.data, json.len);
    buf_free(&json);
    return rc;
}

static int receipt_of(struct keeper *k, uint64_t index, const struct receipt_opening *open,
                      size_t n, struct buf *out, bool *final, struct err *e)
{
    struct buf leaf;
    int rc;

    buf_init(&leaf, LEAF_MAX);
    if ((rc = leaf_at(k, index, &leaf, e)) == 0)
        rc = receipt_with(k, index, buf_span(&leaf), open, n, out, final, e);
    buf_free(&leaf);
    return rc;
}

int keeper_receipt_plain(struct keeper *k, uint64_t leaf, struct buf *out, bool *final,
                         struct err *e)
{
    return receipt_of(k, leaf, NULL, 0, out, final, e);
}

static void opening(struct receipt_opening *o, const uint8_t seed[32], enum leaf_kind kind,
                    enum leaf_field f, struct span extra, struct span value)
{
    o->field = f;
    keeper_salt(seed, kind, f, extra, o->salt);
    o->value = value;
}

/* The slot's secrets, while it lives. */
static int slot_of(struct keeper *k, const struct id128 *ref, struct vault_slot_info *info,
                   struct slot_blob *blob, struct err *e)
{
    int rc = vault_slot_info(k->vault, ref, info, e);

    if (rc != 0)
        return rc;
    rc = keeper_blob_decode(buf_span(&info->blob), blob);
    if (rc != 0) {
        vault_slot_info_done(info);
        return err_set(e, rc, "a slot's sealed part is malformed");
    }
    return 0;
}

static bool holds_slot(const struct catalog_submission *row)
{
    return row->state == CATALOG_LIVE || row->state == CATALOG_WITHDRAWN;
}

int keeper_receipt_fresh(struct keeper *k, const struct fresh *f, struct buf *out, bool *final,
                         struct err *e)
{
    struct receipt_opening o[5];
    char ref[33], sha[65], size[24];
    const enum leaf_kind kind = LK_SUBMISSION_ACCEPTED;
    const struct span none = {NULL, 0};

    text_id(ref, &f->ref);
    text_digest(sha, &f->sha256);
    (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)f->size);
    opening(&o[0], f->blob.seed, kind, LF_SEALED_ACCOUNT, none, f->blob.account);
    opening(&o[1], f->blob.seed, kind, LF_SEALED_NAME, none, f->blob.name);
    opening(&o[2], f->blob.seed, kind, LF_SEALED_REF, none, span_str(ref));
    opening(&o[3], f->blob.seed, kind, LF_SEALED_SHA256, none, span_str(sha));
    opening(&o[4], f->blob.seed, kind, LF_SEALED_SIZE, none, span_str(size));
    return receipt_with(k, f->index, f->leaf, o, ARRAY_LEN(o), out, final, e);
}

int keeper_receipt_accepted(struct keeper *k, const struct catalog_submission *row, struct buf *out,
                            bool *final, struct err *e)
{
    struct vault_slot_info info;
    struct fresh f = {.index = row->leaf, .ref = row->ref};
    struct buf leaf;
    int rc;

    if (row->leaf == CATALOG_NO_LEAF)
        return err_set(e, -ENOENT,
                       "the submission was accepted at another site; its receipt is there");
    if (!holds_slot(row))
        return receipt_of(k, row->leaf, NULL, 0, out, final, e);
    if ((rc = slot_of(k, &row->ref, &info, &f.blob, e)) != 0)
        return rc;
    f.sha256 = info.sha256;
    f.size = info.size;
    buf_init(&leaf, LEAF_MAX);
    if ((rc = leaf_at(k, row->leaf, &leaf, e)) == 0) {
        f.leaf = buf_span(&leaf);
        rc = keeper_receipt_fresh(k, &f, out, final, e);
    }
    buf_free(&leaf);
    secret_wipe(&f.blob, sizeof(f.blob));
    vault_slot_info_done(&info);
    return rc;
}

int keeper_receipt_ended(struct keeper *k, const struct catalog_submission *row, struct buf *out,
                         bool *final, struct err *e)
{
    if (holds_slot(row))
        return err_set(e, -ENOENT, "the submission is not erased");
    return receipt_of(k, row->end_leaf, NULL, 0, out, final, e);
}

int keeper_receipt_scanned(struct keeper *k, const struct catalog_submission *row, struct buf *out,
                           bool *final, struct err *e)
{
    struct receipt_opening o;
    struct vault_slot_info info;
    struct slot_blob blob;
    struct scanned s;
    int rc;

    if (!holds_slot(row))
        return err_set(e, -ENOENT, "the submission's file is erased");
    if ((rc = keeper_scanned(k, &row->ref, &s)) != 0)
        return err_sys(e, rc, "reading the verdict");
    if (!s.found)
        return err_set(e, -ENOENT, "the submission is not scanned yet");
    if ((rc = slot_of(k, &row->ref, &info, &blob, e)) != 0)
        return rc;
    opening(&o, blob.seed, LK_SCAN_DONE, LF_SEALED_NAMES, span_of(s.row.release.b, 32),
            span_of(s.names, s.names_len));
    rc = receipt_of(k, s.leaf, &o, 1, out, final, e);
    secret_wipe(&blob, sizeof(blob));
    vault_slot_info_done(&info);
    return rc;
}

/* --- who may ask --- */

static int known(struct keeper *k, uint64_t id, const struct id128 *sub,
                 struct catalog_submission *row)
{
    int rc = catalog_submission_get(k->catalog, sub, row);

    if (rc == -ENOENT)
        keeper_refuse(k, id, PRF_UNKNOWN, "no such submission at this site");
    else if (rc != 0)
        keeper_refuse(k, id, PRF_BUSY, "the catalog does not answer: %s", strerror(-rc));
    return rc;
}

static int may_trace(const struct catalog_submission *row, const struct pm_trace *m)
{
    return submitter_verify_trace((const struct ed25519_pub *)row->sub_key, &m->sub, m->time,
                                  clock_now(), (const struct ed25519_sig *)m->sig);
}

/* --- tracing --- */

static uint32_t state_of(struct keeper *k, const struct catalog_submission *row,
                         const struct scanned *v)
{
    uint32_t s = SUB_ACCEPTED;

    if (row->leaf == CATALOG_NO_LEAF || row->leaf < ledger_published(k->ledger))
        s |= SUB_FINAL;
    if (v->found)
        s |= SUB_SCANNED;
    if (v->found && v->renewed)
        s |= SUB_RENEWED;
    if (row->state == CATALOG_WITHDRAWN)
        s |= SUB_WITHDRAWN;
    if (row->state == CATALOG_ERASED)
        s |= SUB_ERASED;
    if (row->state == CATALOG_MOVED)
        s |= SUB_MOVED;
    if ((row->state == CATALOG_ERASED || row->state == CATALOG_MOVED) &&
        row->final_epoch < vault_epoch_oldest(k->vault))
        s |= SUB_DESTROYED;
    return s;
}

static void fill_place(struct keeper *k, const struct catalog_submission *row, struct pm_traced *m)
{
    const struct config_peer *p;
    struct catalog_submission moved = *row;

    (void)snprintf(m->site, sizeof(m->site), "%s", k->c->site);
    (void)snprintf(m->url, sizeof(m->url), "%s", k->c->url);
    if (moved.state == CATALOG_MOVED && (p = keeper_move_peer_of(k, &moved)) != NULL) {
        (void)snprintf(m->site, sizeof(m->site), "%s", p->site);
        (void)snprintf(m->url, sizeof(m->url), "%s", p->url);
    }
}

/* The answer to a trace; false if the state is the one the asker has seen. */
static bool trace_fill(struct keeper *k, const struct catalog_submission *row,
                       const struct pm_trace *ask, struct pm_traced *m, struct scanned *s)
{
    struct vault_slot_info info;
    struct err e = ERR_INIT;

    memset(m, 0, sizeof(*m));
    s->found = s->renewed = false;
    s->names_len = s->tree_len = s->before_len = 0;
    if (holds_slot(row) && keeper_scanned(k, &row->ref, s) != 0)
        s->found = false;
    if (s->found)
        keeper_scanned_more(k, &row->ref, s);
    m->state = state_of(k, row, s);
    if (ask->wait > 0 && m->state == ask->seen)
        return false;
    if (s->found)
        keeper_scanned_fill(k, s, m);
    m->accepted = row->accepted;
    m->erased = row->ended;
    m->final_epoch = row->final_epoch;
    memcpy(m->country, row->country, 3);
    if (holds_slot(row) && vault_slot_info(k->vault, &row->ref, &info, &e) == 0) {
        m->size = info.size;
        vault_slot_info_done(&info);
    }
    fill_place(k, row, m);
    return true;
}

static void receipt_answer(struct keeper *k, uint64_t id, const struct catalog_submission *row,
                           const struct pm_trace *ask)
{
    struct pm_receipt m = {0, 0};
    struct err e = ERR_INIT;
    struct buf out;
    bool final = false;
    int rc;

    buf_init(&out, PROTO_TAIL_MAX);
    if (ask->which == PROTO_RECEIPT_ACCEPTED)
        rc = keeper_receipt_accepted(k, row, &out, &final, &e);
    else if (ask->which == PROTO_RECEIPT_SCAN)
        rc = keeper_receipt_scanned(k, row, &out, &final, &e);
    else
        rc = keeper_receipt_ended(k, row, &out, &final, &e);
    m.final = final;
    if (rc == 0)
        keeper_answer(k, FK_RECEIPT_IS, id, &m, sizeof(m), buf_span(&out), NULL);
    else
        keeper_refuse(k, id, rc == -ENOENT ? PRF_UNKNOWN : PRF_BUSY, "%s", err_text(&e));
    buf_free(&out);
}

static void wait_for_change(struct keeper *k, uint64_t id, const struct pm_trace *ask,
                            const struct catalog_submission *row)
{
    unsigned waiting = 0, theirs = 0;
    struct waiter *w;

    for (w = k->waiters; w != NULL; w = w->next) {
        waiting++;
        theirs += strcmp(w->account, row->account) == 0;
    }
    w = waiting < WAITERS_MAX && theirs < WAITERS_OF_ONE ? calloc(1, sizeof(*w)) : NULL;
    if (w == NULL) {
        keeper_refuse(k, id, PRF_BUSY, "too many are waiting");
        return;
    }
    w->id = id;
    w->ask = *ask;
    memcpy(w->account, row->account, sizeof(w->account));
    w->until = clock_mono() + 1000 * (mono_ms)(ask->wait < WAIT_MAX ? ask->wait : WAIT_MAX);
    w->next = k->waiters;
    k->waiters = w;
}

void keeper_trace_ask(struct keeper *k, uint64_t id, const struct pm_trace *ask, bool receipt)
{
    struct catalog_submission row;
    struct pm_traced m;
    struct scanned s;
    int rc;

    if (known(k, id, &ask->sub, &row) != 0)
        return;
    if ((rc = may_trace(&row, ask)) != 0) {
        keeper_refuse_signature(k, id, rc, PRF_TRACE,
                                "the submission's key did not sign this, or its time is not now");
        return;
    }
    if (receipt) {
        receipt_answer(k, id, &row, ask);
        return;
    }
    if (trace_fill(k, &row, ask, &m, &s)) {
        keeper_answer(k, FK_TRACED, id, &m, sizeof(m), keeper_scanned_tail(&s), NULL);
        return;
    }
    wait_for_change(k, id, ask, &row);
}

/* Answers a waiter if its state changed or its time is over; true if it is gone. */
static bool wake(struct keeper *k, struct waiter *w, bool over)
{
    struct catalog_submission row;
    struct pm_traced m;
    struct scanned s;

    if (catalog_submission_get(k->catalog, &w->ask.sub, &row) != 0) {
        keeper_refuse(k, w->id, PRF_BUSY, "the catalog does not answer");
        return true;
    }
    if (over)
        w->ask.wait = 0;
    if (!trace_fill(k, &row, &w->ask, &m, &s))
        return false;
    keeper_answer(k, FK_TRACED, w->id, &m, sizeof(m), keeper_scanned_tail(&s), NULL);
    return true;
}

static void wake_some(struct keeper *k, const struct id128 *sub, mono_ms now, bool all)
{
    struct waiter *w, **at = &k->waiters;

    while ((w = *at) != NULL) {
        bool hit = all || (sub != NULL && memcmp(&w->ask.sub, sub, sizeof(*sub)) == 0);

        if ((hit || w->until <= now) && wake(k, w, w->until <= now)) {
            *at = w->next;
            free(w);
        } else {
            at = &w->next;
        }
    }
}

void keeper_trace_changed(struct keeper *k, const struct id128 *sub)
{
    wake_some(k, sub, 0, sub == NULL);
}

void keeper_trace_tick(struct keeper *k, mono_ms now)
{
    wake_some(k, NULL, now, false);
}

void keeper_trace_front_gone(struct keeper *k)
{
    struct waiter *w;

    while ((w = k->waiters) != NULL) {
        k->waiters = w->next;
        free(w);
    }
}

/* --- withdrawing and erasing --- */

static int ordered_leaves(struct keeper *k, struct act *a, const struct id128 *sub,
                          enum leaf_word_erase ground, const uint8_t *sig, unix_time now)
{
    struct leaf_builder b;
    int rc;

    if (ground == LW_ERASE_WITHDRAWN) {
        leaf_begin(&b, LK_CONSENT_WITHDRAWN, now, k->c->site);
        leaf_set_id(&b, LF_SUB, sub);
        leaf_set_sig(&b, LF_SUB_SIG, sig);
        if ((rc = keeper_act_leaf(a, &b)) != 0)
            return rc;
    }
    leaf_begin(&b, LK_ERASE_ORDERED, now, k->c->site);
    leaf_set_id(&b, LF_SUB, sub);
    leaf_set_word(&b, LF_GROUND, ground);
    if (sig != NULL)
        leaf_set_sig(&b, LF_SUB_SIG, sig);
    return keeper_act_leaf(a, &b);
}

static int erased_leaves(struct keeper *k, struct act *a, const struct catalog_submission *s,
                         const struct slot_blob *blob, unix_time now)
{
    struct leaf_builder b;
    uint8_t salt[32];
    char ref[33];
    int rc;

    leaf_begin(&b, LK_COPY_REMOVED, now, k->c->site);
    leaf_set_id(&b, LF_REF, &s->ref);
    leaf_set_word(&b, LF_GROUND, LW_REMOVED_ERASED);
    if ((rc = keeper_act_leaf(a, &b)) != 0)
        return rc;
    text_id(ref, &s->ref);
    keeper_salt(blob->seed, LK_SUBMISSION_ERASED, LF_SEALED_REF, span_of(NULL, 0), salt);
    leaf_begin(&b, LK_SUBMISSION_ERASED, now, k->c->site);
    leaf_set_id(&b, LF_SUB, &s->sub);
    leaf_set_int(&b, LF_FINAL_EPOCH, vault_epoch(k->vault));
    leaf_set_sealed(&b, LF_SEALED_REF, salt, span_str(ref));
    return keeper_act_leaf(a, &b);
}

int keeper_trace_erase(struct keeper *k, struct act *a, const struct catalog_submission *s,
                       enum leaf_word_erase ground, const uint8_t *sig)
{
    struct note_end n = {s->sub, CATALOG_ERASED, clock_now(), vault_epoch(k->vault)};
    struct vault_slot_info info;
    struct slot_blob blob;
    struct err e = ERR_INIT;
    struct buf *note;
    int rc;

    if ((rc = slot_of(k, &s->ref, &info, &blob, &e)) != 0)
        return rc;
    if ((rc = ordered_leaves(k, a, &s->sub, ground, sig, n.at)) == 0 &&
        (rc = erased_leaves(k, a, s, &blob, n.at)) == 0) {
        /* the note belongs to the last leaf, submission.erased */
        note = keeper_act_note_new(a, NULL, (int)a->leaves - 1);
        rc = note == NULL ? -ENOMEM : keeper_note_put_end(note, &n);
    }
    if (rc == 0)
        rc = keeper_act_destroy(k, a, &s->ref);
    secret_wipe(&blob, sizeof(blob));
    vault_slot_info_done(&info);
    return rc;
}

struct ordered {
    uint64_t id;
    struct id128 sub;
};

static void order_done(struct keeper *k, struct act *a, int rc)
{
    struct ordered *o = a->ctx;

    if (rc != 0) {
        keeper_refuse(k, o->id,
                      k->stopped != 0 ? PRF_STOPPED
                      : rc == -ENOSPC ? PRF_FULL
                                      : PRF_BUSY,
                      "not erased: %s", strerror(-rc));
        return;
    }
    k->n.erased++;
    keeper_trace_changed(k, &o->sub);
}

static void order_answer(struct keeper *k, uint64_t id, const struct id128 *sub)
{
    struct catalog_submission row;
    struct pm_ordered m;
    struct err e = ERR_INIT;
    struct buf out;
    bool final;
    int rc;

    memset(&m, 0, sizeof(m));
    buf_init(&out, PROTO_TAIL_MAX);
    if ((rc = catalog_submission_get(k->catalog, sub, &row)) == 0)
        rc = keeper_receipt_ended(k, &row, &out, &final, &e);
    if (rc == 0) {
        m.final_epoch = row.final_epoch;
        m.final_by = k->epoch_began + (unix_time)k->c->epoch;
        keeper_answer(k, FK_ORDERED, id, &m, sizeof(m), buf_span(&out), NULL);
    } else {
        keeper_refuse(k, id, PRF_BUSY, "erased, but the receipt is not at hand: %s", err_text(&e));
    }
    buf_free(&out);
}

static void order_signed(struct keeper *k, struct act *a)
{
    struct ordered *o = a->ctx;

    order_answer(k, o->id, &o->sub);
}

static void order_free(struct act *a)
{
    free(a->ctx);
}

static bool order_pending(const struct keeper *k, const struct id128 *sub)
{
    for (const struct act *a = k->acts; a != NULL; a = a->next)
        if (a->signed_ == order_signed && memcmp(&((struct ordered *)a->ctx)->sub, sub, 16) == 0)
            return true;
    return false;
}

void keeper_trace_order(struct keeper *k, uint64_t id, const struct pm_order *m)
{
    struct catalog_submission row;
    const struct ed25519_pub *key = (const struct ed25519_pub *)row.sub_key;
    const struct ed25519_sig *sig = (const struct ed25519_sig *)m->sig;
    struct ordered *o;
    struct act *a;
    int rc;

    if (known(k, id, &m->sub, &row) != 0)
        return;
    rc = m->erase != 0 ? submitter_verify_erase(key, &m->sub, sig)
                       : submitter_verify_withdraw(key, &m->sub, sig);
    if (rc != 0) {
        keeper_refuse_signature(k, id, rc, PRF_SIGNATURE,
                                "the submission's key did not sign this order");
        return;
    }
    if (row.state == CATALOG_MOVED) {
        keeper_refuse_moved(k, id, &row);
        return;
    }
    if (!holds_slot(&row)) { /* it is done already: the same answer again */
        order_answer(k, id, &m->sub);
        return;
    }
    if (order_pending(k, &m->sub) || keeper_move_holds(k, &row)) {
        keeper_refuse(k, id, PRF_BUSY, "the submission is just being erased or moved");
        return;
    }
    a = keeper_act_new();
    o = calloc(1, sizeof(*o));
    if (a == NULL || o == NULL || k->stopped != 0) {
        keeper_refuse(k, id, k->stopped != 0 ? PRF_STOPPED : PRF_BUSY, "no order can be taken now");
        keeper_act_free(a);
        free(o);
        return;
    }
    o->id = id;
    o->sub = m->sub;
    a->ctx = o;
    a->free = order_free;
    a->done = order_done;
    a->signed_ = order_signed;
    rc = keeper_trace_erase(k, a, &row, m->erase != 0 ? LW_ERASE_SUBJECT : LW_ERASE_WITHDRAWN,
                            m->sig);
    if (rc != 0) {
        keeper_refuse(k, id, PRF_BUSY, "not erased: %s", strerror(-rc));
        keeper_act_free(a);
        return;
    }
    keeper_group_add(k, a);
}
