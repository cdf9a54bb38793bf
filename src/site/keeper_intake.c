/* keeper_intake.c - the second step of a submission: its bytes.
 *
 * FK_PUT_BEGIN redeems a ticket (keeper_ticket.c); data comes through the ring; FK_PUT_END makes
 * the act, complete but for its place in the vault's group: that it finds when the group is put
 * together, so that uploads end while another group is on its way to the disk.  A submission that
 * is here already is answered with its receipt. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "events/receipt_extra.h"
#include "site/keeper_intake.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"
#include "site/move_stream.h"

#define PIECE 16384u     /* bytes */
#define UPLOADS_MAX 4096 /* each holds a buffer of 64 KiB until its group is settled */

struct upload {
    struct upload *next; /* in its row */
    uint64_t id;
    struct ticket *ticket; /* NULL: an object of a move */
    struct move_object *object;
    struct vault_put *put;
    uint64_t got;
    char name[256];
    size_t name_len;
};

/* --- answers --- */

void keeper_answer(struct keeper *k, uint16_t type, uint64_t id, const void *head, size_t n,
                   struct span tail, const int *fd)
{
    struct buf b;
    int rc;

    if (k->front == NULL || k->quit)
        return;
    buf_init(&b, MSG_BODY_MAX);
    if ((rc = buf_put(&b, head, n)) == 0 && (rc = buf_put(&b, tail.p, tail.n)) == 0)
        rc = msg_send_wait(k->front, type, id, buf_span(&b), fd, 10000);
    if (rc != 0) { /* one that does not listen would hold up everybody, ten seconds an answer */
        log_error("the front does not take an answer; the keeper ends", "why", strerror(-rc));
        k->quit = true;
    }
    buf_free(&b);
}

void keeper_refuse(struct keeper *k, uint64_t id, enum proto_refusal why, const char *fmt, ...)
{
    struct pm_refused m;
    va_list ap;

    if (why == PRF_STOPPED && k->stopped == -ENOSPC)
        why = PRF_FULL; /* it goes on by itself when there is room */
    memset(&m, 0, sizeof(m));
    m.refusal = (uint32_t)why;
    if (why == PRF_BUSY || why == PRF_POLICY || why == PRF_STOPPED || why == PRF_CLOCK)
        m.retry_after = 2;
    else if (why == PRF_FULL || why == PRF_QUOTA)
        m.retry_after = 60;
    va_start(ap, fmt);
    (void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
    va_end(ap);
    k->n.refused++;
    keeper_answer(k, FK_REFUSED, id, &m, sizeof(m), span_of(NULL, 0), NULL);
}

void keeper_refuse_signature(struct keeper *k, uint64_t id, int rc, enum proto_refusal why,
                             const char *text)
{
    if (rc == -ENOMEM)
        keeper_refuse(k, id, PRF_BUSY, "no memory to look at a signature");
    else
        keeper_refuse(k, id, why, "%s", text);
}

void keeper_refuse_site(struct keeper *k, uint64_t id, const char *site, const char *country)
{
    const struct config_peer *peer = site == NULL ? NULL : config_peer(k->c, site);
    struct pm_refused m;

    memset(&m, 0, sizeof(m));
    m.refusal = PRF_WRONG_SITE;
    (void)snprintf(m.site, sizeof(m.site), "%s", site == NULL ? "" : site);
    (void)snprintf(m.url, sizeof(m.url), "%s", peer == NULL ? "" : peer->url);
    (void)snprintf(m.text, sizeof(m.text),
                   "files of %.2s belong to site \"%s\" by the policy in force, not to \"%s\"",
                   country, m.site, k->c->site);
    k->n.refused++;
    keeper_answer(k, FK_REFUSED, id, &m, sizeof(m), span_of(NULL, 0), NULL);
}

void keeper_refuse_moved(struct keeper *k, uint64_t id, const struct catalog_submission *row)
{
    const struct config_peer *peer = keeper_move_peer_of(k, row);

    keeper_refuse_site(k, id, peer == NULL ? NULL : peer->site, row->country);
}

const struct placement *keeper_policy(const struct keeper *k, unix_time t)
{
    const struct placement *found = NULL;

    for (size_t i = 0; i < k->policies; i++)
        if (k->policy[i]->valid_from <= t)
            found = k->policy[i];
    return found;
}

/* --- the bytes --- */

static struct upload **row_of(struct keeper *k, uint64_t id)
{
    return &k->upload[id * UINT64_C(0x9e3779b97f4a7c15) >> 54 & (KEEPER_UPLOAD_ROWS - 1)];
}

static struct upload *upload_of(struct keeper *k, uint64_t id)
{
    for (struct upload *u = *row_of(k, id); u != NULL; u = u->next)
        if (u->id == id)
            return u;
    return NULL;
}

static void upload_drop(struct keeper *k, struct upload *u)
{
    for (struct upload **at = row_of(k, u->id); *at != NULL; at = &(*at)->next)
        if (*at == u) {
            *at = u->next;
            k->n_uploads--;
            break;
        }
    if (u->ticket != NULL)
        u->ticket->busy = false;
    vault_put_abort(u->put);
    keeper_receive_object_free(u->object);
    free(u);
}

static void upload_fail(struct keeper *k, struct upload *u, int rc, const char *what)
{
    enum proto_refusal why = rc == -ENOSPC ? PRF_FULL : rc == -E2BIG ? PRF_TOO_LARGE : PRF_BUSY;

    keeper_refuse(k, u->id, k->stopped != 0 ? PRF_STOPPED : why, "%s: %s", what, strerror(-rc));
    upload_drop(k, u);
}

/* A submission that is here already: its receipt again, without reading the body. */
static bool repeated(struct keeper *k, uint64_t id, const struct id128 *sub)
{
    struct catalog_submission known;
    struct pm_receipt m = {1, 0};
    struct err e = ERR_INIT;
    struct buf receipt;
    bool final = false;
    int rc;

    if (catalog_submission_get(k->catalog, sub, &known) != 0)
        return false;
    buf_init(&receipt, PROTO_TAIL_MAX);
    rc = keeper_receipt_accepted(k, &known, &receipt, &final, &e);
    m.final = final;
    k->n.repeats++;
    if (rc == 0)
        keeper_answer(k, FK_PUT_DONE, id, &m, sizeof(m), buf_span(&receipt), NULL);
    else
        keeper_refuse(k, id, rc == -ENOENT ? PRF_UNKNOWN : PRF_BUSY,
                      "the submission is here, its receipt is not at hand: %s", err_text(&e));
    buf_free(&receipt);
    return true;
}

static struct upload *upload_new(struct keeper *k, uint64_t id)
{
    struct upload *u = k->n_uploads + k->n_complete >= UPLOADS_MAX || upload_of(k, id) != NULL
                           ? NULL
                           : calloc(1, sizeof(*u));

    if (u == NULL)
        return NULL;
    if (vault_put_begin(&u->put, k->vault) != 0) {
        free(u);
        return NULL;
    }
    u->id = id;
    u->next = *row_of(k, id);
    *row_of(k, id) = u;
    k->n_uploads++;
    return u;
}

static void put_begin_move(struct keeper *k, uint64_t id, const struct pm_put_begin *m)
{
    struct move_object *o = NULL;
    struct upload *u;

    if (!keeper_receive_object_new(k, id, &m->ticket, &m->sub, &o))
        return; /* it has answered */
    if ((u = upload_new(k, id)) == NULL) {
        keeper_receive_object_free(o);
        keeper_refuse(k, id, PRF_BUSY, "too many uploads are under way");
        return;
    }
    u->object = o;
    keeper_answer(k, FK_PUT_GO, id, NULL, 0, span_of(NULL, 0), NULL);
}

void keeper_intake_put_begin(struct keeper *k, uint64_t id, const struct pm_put_begin *m)
{
    struct ticket *t;
    struct upload *u;

    if (m->move == 1) {
        put_begin_move(k, id, m);
        return;
    }
    t = keeper_ticket_find(k, &m->sub);
    if (t == NULL || !secret_eq(t->ticket.b, m->ticket.b, 16) || t->expires < clock_now()) {
        keeper_refuse(k, id, PRF_TICKET, "the ticket is unknown or has ended");
    } else if (t->busy) { /* first: while it is, its upload has the ticket */
        keeper_refuse(k, id, PRF_BUSY, "this submission is being uploaded already");
    } else if (t->known && repeated(k, id, &m->sub)) {
        keeper_ticket_drop(k, t);
    } else if (m->length != UINT64_MAX && m->length > k->c->object_max) {
        keeper_refuse(k, id, PRF_TOO_LARGE, "%llu bytes; the largest object here has %llu",
                      (unsigned long long)m->length, (unsigned long long)k->c->object_max);
    } else if (k->stopped != 0 || (u = upload_new(k, id)) == NULL) {
        keeper_refuse(k, id, k->stopped != 0 ? PRF_STOPPED : PRF_BUSY, "no upload can begin now");
    } else {
        t->busy = true;
        u->ticket = t;
        u->name_len = m->name_len <= PROTO_NAME_MAX ? m->name_len : 0;
        memcpy(u->name, m->name, u->name_len);
        keeper_answer(k, FK_PUT_GO, id, NULL, 0, span_of(NULL, 0), NULL);
    }
}

/* Uploads under way may use half of the reserve; the rest is for what follows them: leaves, rows,
 * checkpoints, orders to erase. */
static bool no_room(const struct keeper *k)
{
    return keeper_disk_free(k) < k->c->reserve / 2;
}

static int object_block(void *arg, const void *copy, size_t n)
{
    struct upload *u = arg;

    return keeper_receive_object_data(u->object, u->put, copy, n);
}

/* A file's bytes are copied once, to where they are hashed and encrypted; in pieces that the
 * processor still has at hand then. */
static int take_slot(struct keeper *k, struct upload *u, uint32_t slot, uint32_t len)
{
    uint32_t at = 0;
    int rc = 0;

    if (u->object != NULL)
        return ring_each(k->ring, slot, len, object_block, u);
    while (at < len && rc == 0) {
        uint32_t n = len - at < PIECE ? len - at : PIECE;
        uint8_t *into;
        size_t room;

        if ((rc = vault_put_room(u->put, &into, &room)) != 0)
            return rc;
        n = n < room ? n : (uint32_t)room;
        if ((rc = ring_read(k->ring, slot, at, into, n)) == 0)
            rc = vault_put_came(u->put, n);
        at += n;
    }
    return rc;
}

void keeper_intake_put_data(struct keeper *k, uint64_t id, const struct pm_put_data *m)
{
    struct upload *u = upload_of(k, id);
    struct pm_slot_free answer = {m->slot, 0};
    int rc = 0;

    if (u != NULL) {
        u->got += m->len;
        rc = u->got > k->c->object_max + (u->object != NULL ? MOVE_HEAD_MAX + (u->got >> 10) : 0)
                 ? -E2BIG
             : no_room(k) ? -ENOSPC
                          : take_slot(k, u, m->slot, m->len);
    }
    keeper_answer(k, FK_SLOT_FREE, id, &answer, sizeof(answer), span_of(NULL, 0), NULL);
    if (rc != 0)
        upload_fail(k, u, rc, "storing the upload");
}

void keeper_intake_put_abort(struct keeper *k, uint64_t id)
{
    struct upload *u = upload_of(k, id);

    if (u != NULL)
        upload_drop(k, u);
}

static void drop_uploads(struct keeper *k, const struct ticket *of, bool told)
{
    for (size_t i = 0; i < KEEPER_UPLOAD_ROWS; i++)
        for (struct upload *u = k->upload[i], *next; u != NULL; u = next) {
            next = u->next;
            if (of != NULL && u->ticket != of)
                continue;
            if (told)
                keeper_refuse(k, u->id, PRF_TOKEN, "the token was taken back");
            upload_drop(k, u);
        }
}

void keeper_intake_front_gone(struct keeper *k)
{
    drop_uploads(k, NULL, false);
    keeper_ticket_drop_all(k);
}

void keeper_intake_token_gone(struct keeper *k, const struct ticket *t)
{
    drop_uploads(k, t, true);
}

/* --- the act --- */

/* What is sealed in the slot and dies with it. */
int keeper_blob_encode(const struct slot_blob *s, struct buf *b)
{
    int rc;

    if ((rc = buf_putc(b, 1)) != 0 || (rc = buf_put(b, s->seed, 32)) != 0 ||
        (rc = buf_put(b, s->sub_key, 32)) != 0 || (rc = buf_put(b, s->country, 2)) != 0 ||
        (rc = buf_putc(b, (int)s->account.n)) != 0 ||
        (rc = buf_put(b, s->account.p, s->account.n)) != 0 ||
        (rc = buf_putc(b, (int)s->name.n)) != 0)
        return rc;
    return buf_put(b, s->name.p, s->name.n);
}

int keeper_blob_decode(struct span bytes, struct slot_blob *s)
{
    struct cur c = cur_of(bytes);
    uint8_t version, n;
    int rc;

    memset(s, 0, sizeof(*s));
    if ((rc = cur_u8(&c, &version)) != 0 || version != 1 || (rc = cur_copy(&c, s->seed, 32)) != 0 ||
        (rc = cur_copy(&c, s->sub_key, 32)) != 0 || (rc = cur_copy(&c, s->country, 2)) != 0 ||
        (rc = cur_u8(&c, &n)) != 0 || (rc = cur_take(&c, n, &s->account)) != 0 ||
        (rc = cur_u8(&c, &n)) != 0 || (rc = cur_take(&c, n, &s->name)) != 0)
        return -EBADMSG;
    return c.n == 0 ? 0 : -EBADMSG;
}

static void seal_field(struct leaf_builder *b, enum leaf_kind kind, enum leaf_field f,
                       const uint8_t seed[32], struct span value)
{
    uint8_t salt[32];

    keeper_salt(seed, kind, f, span_of(NULL, 0), salt);
    leaf_set_sealed(b, f, salt, value);
}

static int accepted_leaf(struct keeper *k, struct act *a, const struct accepted *x)
{
    struct leaf_builder b;
    char text[65];

    leaf_begin(&b, LK_SUBMISSION_ACCEPTED, x->at, k->c->site);
    leaf_set_id(&b, LF_SUB, &x->open->sub);
    leaf_set_key(&b, LF_SUB_KEY, x->open->sub_key);
    leaf_set_sig(&b, LF_SUB_SIG, x->open->sub_sig);
    leaf_set_text(&b, LF_SUBMISSION, intake_scope_word((enum intake_scope)x->open->kind));
    leaf_set_text(&b, LF_COUNTRY, x->open->country);
    leaf_set_text(&b, LF_BASIS, "declared");
    leaf_set_digest(&b, LF_STATEMENT, &x->open->statement);
    leaf_set_text(&b, LF_SCOPE, intake_scope_word((enum intake_scope)x->open->scope));
    leaf_set_digest(&b, LF_POLICY, &x->policy);
    text_id(text, &x->ref);
    seal_field(&b, LK_SUBMISSION_ACCEPTED, LF_SEALED_REF, x->blob.seed, span_str(text));
    text_digest(text, &x->sha256);
    seal_field(&b, LK_SUBMISSION_ACCEPTED, LF_SEALED_SHA256, x->blob.seed, span_str(text));
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)x->size);
    seal_field(&b, LK_SUBMISSION_ACCEPTED, LF_SEALED_SIZE, x->blob.seed, span_str(text));
    seal_field(&b, LK_SUBMISSION_ACCEPTED, LF_SEALED_NAME, x->blob.seed, x->blob.name);
    seal_field(&b, LK_SUBMISSION_ACCEPTED, LF_SEALED_ACCOUNT, x->blob.seed, x->blob.account);
    return keeper_act_leaf(a, &b);
}

int keeper_intake_copy_leaf(struct keeper *k, struct act *a, const struct id128 *ref,
                            const struct id128 *sub, const struct digest *sha256,
                            const struct slot_blob *blob, unix_time at)
{
    struct leaf_builder b;
    char text[65];

    leaf_begin(&b, LK_COPY_PLACED, at, k->c->site);
    leaf_set_id(&b, LF_REF, ref);
    text_id(text, sub);
    seal_field(&b, LK_COPY_PLACED, LF_SEALED_SUB, blob->seed, span_str(text));
    seal_field(&b, LK_COPY_PLACED, LF_SEALED_COUNTRY, blob->seed, span_of(blob->country, 2));
    text_digest(text, sha256);
    seal_field(&b, LK_COPY_PLACED, LF_SEALED_SHA256, blob->seed, span_str(text));
    return keeper_act_leaf(a, &b);
}

static int accepted_note(struct act *a, const struct accepted *x, struct note_accept *n)
{
    struct buf *out = keeper_act_note_new(a, &x->ref, 0);

    memset(n, 0, sizeof(*n));
    n->row.sub = x->open->sub;
    n->row.ref = x->ref;
    memcpy(n->row.country, x->open->country, 3);
    (void)snprintf(n->row.account, sizeof(n->row.account), "%.*s", (int)x->blob.account.n,
                   (const char *)x->blob.account.p);
    n->row.kind = n->row.scope = CATALOG_FILE;
    n->row.statement = x->open->statement;
    n->row.policy = x->policy;
    n->row.accepted = x->at;
    memcpy(n->sub_key, x->open->sub_key, 32);
    return out == NULL ? -ENOMEM : keeper_note_put_accept(out, n);
}

/* An upload that is complete: what its group needs, and whom to answer. */
struct put_done {
    uint64_t id;
    struct id128 sub, ticket;
    struct vault_put *put; /* until the group has it */
    struct note_accept note;
    struct buf blob;
    struct digest sha256;
    uint64_t size;
};

static void put_failed(struct keeper *k, struct act *a, int rc)
{
    struct put_done *d = a->ctx;
    struct ticket *t = keeper_ticket_find(k, &d->sub);

    if (t != NULL && memcmp(&t->ticket, &d->ticket, sizeof(d->ticket)) != 0)
        t = NULL; /* of another upload, after this one's was taken back */
    k->n_complete--;
    if (t != NULL)
        t->busy = false;
    if (rc == 0) {
        if (t != NULL) {
            keeper_ticket_accepted(k, t);
            keeper_ticket_drop(k, t);
        }
        k->n.accepted++;
        k->n.bytes += d->size;
        return;
    }
    keeper_refuse(k, d->id,
                  k->stopped != 0 ? PRF_STOPPED
                  : rc == -ENOSPC ? PRF_FULL
                                  : PRF_BUSY,
                  "the submission was not stored: %s", strerror(-rc));
}

static void put_signed(struct keeper *k, struct act *a)
{
    struct put_done *d = a->ctx;
    struct fresh f = {.index = a->index[0],
                      .leaf = buf_span(&a->leaf[0]),
                      .ref = d->note.row.ref,
                      .sha256 = d->sha256,
                      .size = d->size};
    struct pm_receipt m = {0, 0};
    struct err e = ERR_INIT;
    struct buf receipt;
    bool final = false;
    int rc;

    buf_init(&receipt, PROTO_TAIL_MAX);
    if ((rc = keeper_blob_decode(buf_span(&d->blob), &f.blob)) == 0)
        rc = keeper_receipt_fresh(k, &f, &receipt, &final, &e);
    secret_wipe(&f.blob, sizeof(f.blob));
    m.final = final;
    if (rc == 0)
        keeper_answer(k, FK_PUT_DONE, d->id, &m, sizeof(m), buf_span(&receipt), NULL);
    else
        keeper_refuse(k, d->id, PRF_BUSY, "stored, but the receipt is not at hand: %s",
                      err_text(&e));
    buf_free(&receipt);
}

static void put_done_free(struct act *a)
{
    struct put_done *d = a->ctx;

    vault_put_abort(d->put);
    if (d->blob.data != NULL)
        secret_wipe(d->blob.data, d->blob.len);
    buf_free(&d->blob);
    free(d);
}

/* The group takes the object; the note learns under which name. */
static int put_join(struct keeper *k, struct act *a, struct vault_group *g)
{
    struct put_done *d = a->ctx;
    bool again;
    int rc = vault_group_put(g, d->put, &d->note.row.ref, &d->sub, buf_span(&d->blob), &again,
                             &d->note.row.object);

    if (rc != 0)
        return rc;
    d->put = NULL;
    buf_reset(&a->note[0].bytes);
    if ((rc = keeper_note_put_accept(&a->note[0].bytes, &d->note)) != 0)
        k->group_bad = true; /* the group holds an object that no note tells of */
    return rc;
}

static int make_act(struct keeper *k, struct upload *u, struct act *a, struct put_done *d)
{
    struct accepted x;
    int rc;

    memset(&x, 0, sizeof(x));
    x.open = &u->ticket->open;
    x.policy = u->ticket->policy;
    x.at = clock_now();
    x.ref = random_id();
    random_bytes(x.blob.seed, 32);
    memcpy(x.blob.sub_key, x.open->sub_key, 32);
    memcpy(x.blob.country, x.open->country, 2);
    x.blob.account = span_str(k->c->submitter[u->ticket->submitter].name);
    x.blob.name = span_of(u->name, u->name_len);
    if ((rc = vault_put_finish(u->put, &x.sha256, &x.size)) == 0 &&
        (rc = accepted_leaf(k, a, &x)) == 0 &&
        (rc = keeper_intake_copy_leaf(k, a, &x.ref, &x.open->sub, &x.sha256, &x.blob, x.at)) == 0 &&
        (rc = keeper_blob_encode(&x.blob, &d->blob)) == 0)
        rc = accepted_note(a, &x, &d->note);
    d->sha256 = x.sha256;
    d->size = x.size;
    secret_wipe(x.blob.seed, 32);
    return rc;
}

void keeper_intake_put_end(struct keeper *k, uint64_t id)
{
    struct upload *u = upload_of(k, id);
    struct put_done *d;
    struct act *a;
    int rc;

    if (u == NULL)
        return; /* it was refused meanwhile */
    if (u->object != NULL) {
        keeper_receive_object_end(k, u->id, u->object, &u->put);
        u->object = NULL;
        upload_drop(k, u);
        return;
    }
    /* What held at the opening must hold when the file is accepted: meanwhile a statement may have
     * been withdrawn, or a policy have taken effect. */
    if (!keeper_ticket_still_admitted(k, id, u->ticket)) {
        struct ticket *t = u->ticket;

        upload_drop(k, u);
        keeper_ticket_drop(k, t);
        return;
    }
    a = keeper_act_new();
    d = calloc(1, sizeof(*d));
    if (a == NULL || d == NULL) {
        keeper_act_free(a);
        free(d);
        upload_fail(k, u, -ENOMEM, "accepting the upload");
        return;
    }
    d->id = id;
    d->sub = u->ticket->open.sub;
    d->ticket = u->ticket->ticket;
    buf_init(&d->blob, VAULT_BLOB_MAX);
    a->ctx = d;
    a->free = put_done_free;
    a->join = put_join;
    a->done = put_failed;
    a->signed_ = put_signed;
    if ((rc = make_act(k, u, a, d)) != 0) {
        keeper_act_free(a);
        upload_fail(k, u, rc, "accepting the upload");
        return;
    }
    d->put = u->put;
    u->put = NULL;
    keeper_group_add(k, a);
    k->n_complete++;
    u->ticket->busy = true;
    u->ticket = NULL; /* stays busy until the group is durable */
    upload_drop(k, u);
}
