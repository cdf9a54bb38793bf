/* keeper_intake.c - the two steps of a submission.
 *
 * FK_OPEN decides on everything but the bytes and gives a ticket; tickets live in memory, a lost
 * one costs the client one more FK_OPEN.  FK_PUT_BEGIN redeems it; data comes through the ring;
 * FK_PUT_END makes the act.  A submission that is here already is answered with its receipt. */
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

#define TICKET_SECONDS 600
#define TICKETS_MAX 65536
#define UPLOADS_MAX 4096
#define QUOTA_SECONDS 60

struct ticket {
    struct ticket *next;
    struct id128 ticket;
    struct pm_open open;
    size_t submitter; /* index in the configuration */
    struct digest policy;
    unix_time expires;
    bool busy; /* an upload is under way */
};

struct upload {
    struct upload *next;
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

    memset(&m, 0, sizeof(m));
    m.refusal = (uint32_t)why;
    if (why == PRF_BUSY || why == PRF_POLICY || why == PRF_STOPPED)
        m.retry_after = 2;
    else if (why == PRF_FULL || why == PRF_QUOTA)
        m.retry_after = 60;
    va_start(ap, fmt);
    (void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
    va_end(ap);
    k->n.refused++;
    keeper_answer(k, FK_REFUSED, id, &m, sizeof(m), span_of(NULL, 0), NULL);
}

static void refuse_site(struct keeper *k, uint64_t id, const char *site, const char *country)
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

    refuse_site(k, id, peer == NULL ? NULL : peer->site, row->country);
}

const struct placement *keeper_policy(const struct keeper *k, unix_time t)
{
    const struct placement *found = NULL;

    for (size_t i = 0; i < k->policies; i++)
        if (k->policy[i]->valid_from <= t)
            found = k->policy[i];
    return found;
}

/* --- opening --- */

static struct ticket *ticket_of(struct keeper *k, const struct id128 *sub)
{
    for (struct ticket *t = k->tickets; t != NULL; t = t->next)
        if (memcmp(&t->open.sub, sub, sizeof(*sub)) == 0)
            return t;
    return NULL;
}

static void ticket_drop(struct keeper *k, struct ticket *t)
{
    for (struct ticket **at = &k->tickets; *at != NULL; at = &(*at)->next)
        if (*at == t) {
            *at = t->next;
            k->n_tickets--;
            free(t);
            return;
        }
}

static const struct config_submitter *submitter_of(const struct keeper *k,
                                                   const struct digest *token)
{
    for (size_t i = 0; i < k->c->submitters; i++)
        if (secret_eq(k->c->submitter[i].token.b, token->b, 32))
            return &k->c->submitter[i];
    return NULL;
}

static bool covers(const struct config_submitter *s, const char country[2])
{
    for (size_t i = 0; i < s->countries; i++)
        if (memcmp(s->country[i], country, 2) == 0)
            return true;
    return s->countries == 0;
}

static const struct statement_in_force *statement_of(const struct keeper *k,
                                                     const struct digest *doc)
{
    for (size_t i = 0; i < k->statements; i++)
        if (memcmp(k->statement[i].doc.b, doc->b, 32) == 0)
            return &k->statement[i];
    return NULL;
}

static bool well_formed(const struct pm_open *m)
{
    return m->country[2] == '\0' && m->country[0] >= 'A' && m->country[0] <= 'Z' &&
           m->country[1] >= 'A' && m->country[1] <= 'Z' && m->kind < INTAKE_SCOPES &&
           m->scope < INTAKE_SCOPES && m->has_statement <= 1;
}

/* Submissions of the last 24 hours: counted in the catalog once a minute, in between by openings,
 * so that an opening does not cost a walk over all rows of its account. */
static uint64_t quota_used(struct keeper *k, const struct config_submitter *s)
{
    struct quota *q = &k->quota[s - k->c->submitter];
    unix_time now = clock_now();

    if (now < q->counted || now >= q->counted + QUOTA_SECONDS) {
        if (catalog_account_count(k->catalog, s->name, now - 86400, &q->used) != 0)
            q->used = s->per_day; /* a catalog that does not answer admits nobody */
        q->counted = now;
    }
    return q->used;
}

/* Who asks, and for which country. */
static bool admit_submitter(struct keeper *k, uint64_t id, const struct pm_open *m,
                            const struct config_submitter **out)
{
    const struct config_submitter *s = submitter_of(k, &m->token);
    uint64_t used = 0, busy = 0;

    if (s == NULL) {
        keeper_refuse(k, id, PRF_TOKEN, "the token is unknown at this site");
        return false;
    }
    if (!covers(s, m->country)) {
        keeper_refuse(k, id, PRF_COUNTRY, "the token does not cover %.2s", m->country);
        return false;
    }
    for (const struct ticket *t = k->tickets; t != NULL; t = t->next)
        busy += t->submitter == (size_t)(s - k->c->submitter);
    if (busy >= s->in_flight) {
        keeper_refuse(k, id, PRF_BUSY, "%llu submissions of this token are under way, its limit",
                      (unsigned long long)busy);
        return false;
    }
    if ((used = quota_used(k, s)) >= s->per_day) {
        keeper_refuse(k, id, PRF_QUOTA, "%llu submissions in 24 hours, the token's limit",
                      (unsigned long long)used);
        return false;
    }
    *out = s;
    return true;
}

/* Consent: a statement that is published, not withdrawn, and covers what is asked. */
static bool admit_consent(struct keeper *k, uint64_t id, const struct pm_open *m)
{
    const struct statement_in_force *s;

    if (!m->has_statement) {
        keeper_refuse(k, id, PRF_STATEMENT_MISSING, "no consent statement is named");
        return false;
    }
    s = statement_of(k, &m->statement);
    if (s == NULL)
        keeper_refuse(k, id, PRF_STATEMENT_UNKNOWN, "this site has published no such statement");
    else if (s->withdrawn)
        keeper_refuse(k, id, PRF_STATEMENT_WITHDRAWN, "the statement was withdrawn");
    else if ((s->terms.scopes >> m->scope & 1) == 0 || m->scope != m->kind)
        keeper_refuse(k, id, PRF_SCOPE, "the statement does not cover scope \"%s\" for kind \"%s\"",
                      intake_scope_word((enum intake_scope)m->scope),
                      intake_scope_word((enum intake_scope)m->kind));
    else if (m->kind != SCOPE_FILE)
        keeper_refuse(k, id, PRF_KIND, "this site takes submissions of kind \"file\" only");
    else
        return true;
    return false;
}

static bool admit_place(struct keeper *k, uint64_t id, const struct pm_open *m,
                        struct digest *policy)
{
    unix_time now = clock_now();
    const struct placement *p = keeper_policy(k, now);
    int zone;

    if (p == NULL) {
        keeper_refuse(k, id, PRF_POLICY, "no residency policy is in force at this site");
        return false;
    }
    zone = placement_zone(p, m->country, now);
    if (zone < 0) {
        keeper_refuse(k, id, PRF_MALFORMED, "the policy knows no country \"%.2s\"", m->country);
        return false;
    }
    if (zone != placement_zone_index(p, k->c->zone)) {
        refuse_site(k, id, placement_site(p, zone), m->country);
        return false;
    }
    *policy = p->policy;
    return true;
}

/* One submission, not two: its file may be on its way here with its country. */
static bool admit_once(struct keeper *k, uint64_t id, const struct pm_open *m)
{
    if (!keeper_receive_holds(k, &m->sub))
        return true;
    keeper_refuse(k, id, PRF_BUSY, "this submission is just arriving from another site");
    return false;
}

static bool signed_by_its_key(const struct pm_open *m)
{
    struct submitter_act a;

    a.sub = m->sub;
    a.kind = (enum intake_scope)m->kind;
    a.scope = (enum intake_scope)m->scope;
    memcpy(a.country, m->country, 3);
    a.statement = m->statement;
    return submitter_verify_submit((const struct ed25519_pub *)m->sub_key, &a,
                                   (const struct ed25519_sig *)m->sub_sig) == 0;
}

static void opened(struct keeper *k, uint64_t id, const struct ticket *t)
{
    struct pm_opened m = {t->ticket, k->c->object_max, t->expires};

    keeper_answer(k, FK_OPENED, id, &m, sizeof(m), span_of(NULL, 0), NULL);
}

static void ticket_new(struct keeper *k, uint64_t id, const struct pm_open *m,
                       const struct config_submitter *s, const struct digest *policy)
{
    struct ticket *t = k->n_tickets >= TICKETS_MAX ? NULL : calloc(1, sizeof(*t));

    if (t == NULL) {
        keeper_refuse(k, id, PRF_BUSY, "too many submissions are under way");
        return;
    }
    t->open = *m;
    t->ticket = random_id();
    t->submitter = (size_t)(s - k->c->submitter);
    t->policy = *policy;
    t->expires = clock_now() + TICKET_SECONDS;
    t->next = k->tickets;
    k->tickets = t;
    k->n_tickets++;
    k->quota[t->submitter].used++;
    opened(k, id, t);
}

/* The same of what was accepted long ago: all that its key signed, and it is still kept. */
static bool same_submission(const struct catalog_submission *a, const struct pm_open *m)
{
    return memcmp(a->sub_key, m->sub_key, 32) == 0 && a->state == CATALOG_LIVE &&
           memcmp(a->country, m->country, 2) == 0 && digest_eq(&a->statement, &m->statement) &&
           a->kind == CATALOG_FILE + m->kind && a->scope == CATALOG_FILE + m->scope;
}

/* The same sub once more: its first opener may have it again, nobody else. */
static bool same_opening(const struct pm_open *a, const struct pm_open *b)
{
    return memcmp(a->sub_key, b->sub_key, 32) == 0 && memcmp(a->country, b->country, 2) == 0 &&
           memcmp(&a->statement, &b->statement, 32) == 0 && a->kind == b->kind &&
           a->scope == b->scope;
}

void keeper_intake_open(struct keeper *k, uint64_t id, const struct pm_open *m)
{
    const struct config_submitter *s;
    struct catalog_submission known;
    struct digest policy;
    struct ticket *t;

    if (!well_formed(m)) {
        keeper_refuse(k, id, PRF_MALFORMED, "country, kind or scope is malformed");
        return;
    }
    if (k->stopped != 0) {
        keeper_refuse(k, id, PRF_STOPPED, "the site's writer has stopped");
        return;
    }
    if (k->draining) {
        keeper_refuse(k, id, PRF_BUSY, "the site is going down");
        return;
    }
    if (!admit_submitter(k, id, m, &s) || !admit_place(k, id, m, &policy) ||
        !admit_consent(k, id, m))
        return;
    if (!signed_by_its_key(m)) {
        keeper_refuse(k, id, PRF_SIGNATURE, "the submission's key did not sign this");
        return;
    }
    if (!admit_once(k, id, m))
        return;
    if ((t = ticket_of(k, &m->sub)) != NULL) {
        if (same_opening(&t->open, m))
            opened(k, id, t);
        else
            keeper_refuse(k, id, PRF_CONFLICT, "this sub is being used for something else");
        return;
    }
    if (catalog_submission_get(k->catalog, &m->sub, &known) == 0 && !same_submission(&known, m)) {
        keeper_refuse(k, id, PRF_CONFLICT, "this sub belongs to another submission");
        return;
    }
    ticket_new(k, id, m, s, &policy);
}

/* --- the bytes --- */

static struct upload *upload_of(struct keeper *k, uint64_t id)
{
    for (struct upload *u = k->uploads; u != NULL; u = u->next)
        if (u->id == id)
            return u;
    return NULL;
}

static void upload_drop(struct keeper *k, struct upload *u)
{
    for (struct upload **at = &k->uploads; *at != NULL; at = &(*at)->next)
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
        keeper_refuse(k, id, rc == -EAGAIN ? PRF_BUSY : PRF_UNKNOWN,
                      "the submission is here, its receipt is not at hand: %s", err_text(&e));
    buf_free(&receipt);
    return true;
}

static struct upload *upload_new(struct keeper *k, uint64_t id)
{
    struct upload *u =
        k->n_uploads >= UPLOADS_MAX || upload_of(k, id) != NULL ? NULL : calloc(1, sizeof(*u));

    if (u == NULL)
        return NULL;
    if (vault_put_begin(&u->put, k->vault) != 0) {
        free(u);
        return NULL;
    }
    u->id = id;
    u->next = k->uploads;
    k->uploads = u;
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
    t = ticket_of(k, &m->sub);
    if (t == NULL || !secret_eq(t->ticket.b, m->ticket.b, 16) || t->expires < clock_now()) {
        keeper_refuse(k, id, PRF_TICKET, "the ticket is unknown or has ended");
    } else if (repeated(k, id, &m->sub)) {
        ticket_drop(k, t);
    } else if (t->busy) {
        keeper_refuse(k, id, PRF_BUSY, "this submission is being uploaded already");
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

static int append_block(void *arg, const void *copy, size_t n)
{
    struct upload *u = arg;

    return u->object != NULL ? keeper_receive_object_data(u->object, u->put, copy, n)
                             : vault_put_append(u->put, copy, n);
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
                 : ring_each(k->ring, m->slot, m->len, append_block, u);
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

void keeper_intake_front_gone(struct keeper *k)
{
    while (k->uploads != NULL)
        upload_drop(k, k->uploads);
    while (k->tickets != NULL)
        ticket_drop(k, k->tickets);
}

static void drop_uploads_of(struct keeper *k, const struct ticket *t)
{
    struct upload *u, *next;

    for (u = k->uploads; u != NULL; u = next) {
        next = u->next;
        if (u->ticket == t) {
            keeper_refuse(k, u->id, PRF_TOKEN, "the token was taken back");
            upload_drop(k, u);
        }
    }
}

void keeper_intake_config(struct keeper *k, const struct config *c)
{
    struct ticket *t, *next;

    for (t = k->tickets; t != NULL; t = next) {
        const char *name = k->c->submitter[t->submitter].name;
        size_t i = 0;

        next = t->next;
        while (i < c->submitters && strcmp(c->submitter[i].name, name) != 0)
            i++;
        if (i == c->submitters) {
            drop_uploads_of(k, t);
            ticket_drop(k, t);
        } else {
            t->submitter = i;
        }
    }
}

void keeper_intake_tick(struct keeper *k, unix_time now)
{
    struct ticket *t, *next;

    for (t = k->tickets; t != NULL; t = next) {
        next = t->next;
        if (!t->busy && t->expires < now)
            ticket_drop(k, t);
    }
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

static int accepted_note(struct act *a, const struct accepted *x, const struct id128 *object)
{
    struct note_accept n;
    struct buf *out = keeper_act_note_new(a, &x->ref, 0);

    memset(&n, 0, sizeof(n));
    n.row.sub = x->open->sub;
    n.row.ref = x->ref;
    n.row.object = *object;
    memcpy(n.row.country, x->open->country, 3);
    (void)snprintf(n.row.account, sizeof(n.row.account), "%.*s", (int)x->blob.account.n,
                   (const char *)x->blob.account.p);
    n.row.kind = n.row.scope = CATALOG_FILE;
    n.row.statement = x->open->statement;
    n.row.policy = x->policy;
    n.row.accepted = x->at;
    memcpy(n.sub_key, x->open->sub_key, 32);
    return out == NULL ? -ENOMEM : keeper_note_put_accept(out, &n);
}

/* After the group: the upload has ended, whatever came of it. */
struct put_done {
    uint64_t id;
    struct id128 sub;
};

static void put_failed(struct keeper *k, struct act *a, int rc)
{
    struct put_done *d = a->ctx;
    struct ticket *t = ticket_of(k, &d->sub);

    if (t != NULL)
        t->busy = false;
    if (rc == 0) {
        if (t != NULL)
            ticket_drop(k, t);
        k->n.accepted++;
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
    struct catalog_submission row;
    struct pm_receipt m = {0, 0};
    struct err e = ERR_INIT;
    struct buf receipt;
    bool final = false;
    int rc;

    buf_init(&receipt, PROTO_TAIL_MAX);
    if ((rc = catalog_submission_get(k->catalog, &d->sub, &row)) == 0)
        rc = keeper_receipt_accepted(k, &row, &receipt, &final, &e);
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
    free(a->ctx);
}

static int make_act(struct keeper *k, struct upload *u, struct act *a)
{
    const struct config_submitter *s = &k->c->submitter[u->ticket->submitter];
    struct accepted x;
    struct id128 object;
    struct vault_group *g;
    struct buf blob;
    bool again;
    int rc;

    memset(&x, 0, sizeof(x));
    x.open = &u->ticket->open;
    x.policy = u->ticket->policy;
    x.at = clock_now();
    x.ref = random_id();
    random_bytes(x.blob.seed, 32);
    memcpy(x.blob.sub_key, x.open->sub_key, 32);
    memcpy(x.blob.country, x.open->country, 2);
    x.blob.account = span_str(s->name);
    x.blob.name = span_of(u->name, u->name_len);
    if ((rc = vault_put_finish(u->put, &x.sha256, &x.size)) != 0)
        return rc;
    if ((g = keeper_group_of(k)) == NULL)
        return -EIO;
    if ((rc = accepted_leaf(k, a, &x)) != 0 ||
        (rc = keeper_intake_copy_leaf(k, a, &x.ref, &x.open->sub, &x.sha256, &x.blob, x.at)) != 0)
        return rc;
    buf_init(&blob, VAULT_BLOB_MAX);
    if ((rc = keeper_blob_encode(&x.blob, &blob)) == 0 &&
        (rc = vault_group_put(g, u->put, &x.ref, &x.open->sub, buf_span(&blob), &again, &object)) ==
            0) {
        u->put = NULL; /* the group's now */
        k->n.bytes += x.size;
        rc = accepted_note(a, &x, &object);
    }
    secret_wipe(blob.data, blob.len);
    buf_free(&blob);
    secret_wipe(x.blob.seed, 32);
    return rc;
}

/* What held at the opening must hold when the file is accepted: meanwhile a statement may have been
 * withdrawn, or a policy have taken effect.  false: has answered. */
static bool still_admitted(struct keeper *k, const struct upload *u)
{
    struct ticket *t = u->ticket;

    return admit_place(k, u->id, &t->open, &t->policy) && admit_consent(k, u->id, &t->open) &&
           admit_once(k, u->id, &t->open);
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
    if (!still_admitted(k, u)) {
        struct ticket *t = u->ticket;

        upload_drop(k, u);
        ticket_drop(k, t);
        return;
    }
    a = keeper_act_new();
    d = calloc(1, sizeof(*d));
    rc = a == NULL || d == NULL ? -ENOMEM : 0;
    if (rc == 0) {
        d->id = id;
        d->sub = u->ticket->open.sub;
        a->ctx = d;
        a->free = put_done_free;
        a->done = put_failed;
        a->signed_ = put_signed;
        d = NULL;
        rc = make_act(k, u, a);
    }
    free(d);
    if (rc != 0) {
        k->group_bad = k->group_bad || u->put == NULL;
        keeper_act_free(a);
        upload_fail(k, u, rc, "accepting the upload");
        return;
    }
    keeper_group_add(k, a);
    u->ticket->busy = true;
    u->ticket = NULL; /* stays busy until the group is durable */
    upload_drop(k, u);
}
