/* keeper_ticket.c - the first step of a submission: who may send what, and tickets.
 *
 * FK_OPEN decides on everything but the bytes and gives a ticket; tickets live in memory, a lost
 * one costs the client one more FK_OPEN.  They are found by their sub, which a stranger draws: so
 * the rows they lie in depend on numbers that nobody else knows.  All live equally long, so the
 * oldest ends first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "site/keeper_intake.h"

#define TICKET_SECONDS 600
#define TICKETS_MAX 65536
#define ROWS 16384
#define QUOTA_SECONDS 60
#define HOURS 24

TAILQ_HEAD(ticket_list, ticket);
LIST_HEAD(ticket_row, ticket);

struct tickets {
    struct ticket_row row[ROWS];
    struct ticket_list oldest;
    size_t n;
    uint64_t mix[4];
    struct quota {     /* of each submitter of the configuration */
        uint64_t busy; /* tickets */
        uint64_t used;
        unix_time counted;    /* when the catalog was asked; 0: never */
        uint64_t hour[HOURS]; /* accepted in each of the last hours: what is erased counts too */
        int64_t newest;       /* of them, since 1970 */
    } quota[CONFIG_SUBMITTERS_MAX];
};

int keeper_ticket_open(struct keeper *k)
{
    k->tickets = calloc(1, sizeof(*k->tickets));
    if (k->tickets == NULL)
        return -ENOMEM;
    TAILQ_INIT(&k->tickets->oldest);
    random_bytes(k->tickets->mix, sizeof(k->tickets->mix));
    return 0;
}

void keeper_ticket_close(struct keeper *k)
{
    keeper_ticket_drop_all(k);
    free(k->tickets);
    k->tickets = NULL;
}

size_t keeper_ticket_count(const struct keeper *k)
{
    return k->tickets == NULL ? 0 : k->tickets->n;
}

static struct ticket_row *row_of(struct tickets *s, const struct id128 *sub)
{
    uint64_t a, b;

    memcpy(&a, sub->b, 8);
    memcpy(&b, sub->b + 8, 8);
    a = (a ^ s->mix[0]) * (s->mix[1] | 1) + (b ^ s->mix[2]) * (s->mix[3] | 1);
    return &s->row[a >> 32 & (ROWS - 1)];
}

struct ticket *keeper_ticket_find(struct keeper *k, const struct id128 *sub)
{
    struct ticket *t;

    LIST_FOREACH(t, row_of(k->tickets, sub), in_row)
    if (memcmp(&t->open.sub, sub, sizeof(*sub)) == 0)
        return t;
    return NULL;
}

void keeper_ticket_known(struct keeper *k, const struct id128 *sub)
{
    struct ticket *t = k->tickets == NULL ? NULL : keeper_ticket_find(k, sub);

    if (t != NULL)
        t->known = true;
}

void keeper_ticket_drop(struct keeper *k, struct ticket *t)
{
    LIST_REMOVE(t, in_row);
    TAILQ_REMOVE(&k->tickets->oldest, t, in_age);
    k->tickets->quota[t->submitter].busy--;
    k->tickets->n--;
    free(t);
}

void keeper_ticket_drop_all(struct keeper *k)
{
    while (k->tickets != NULL && !TAILQ_EMPTY(&k->tickets->oldest))
        keeper_ticket_drop(k, TAILQ_FIRST(&k->tickets->oldest));
}

void keeper_ticket_tick(struct keeper *k, unix_time now)
{
    struct ticket *t, *next;

    for (t = TAILQ_FIRST(&k->tickets->oldest); t != NULL && t->expires < now; t = next) {
        next = TAILQ_NEXT(t, in_age);
        if (!t->busy)
            keeper_ticket_drop(k, t);
    }
}

/* The hours that have passed are empty. */
static void roll(struct quota *q, unix_time now)
{
    int64_t h = now / 3600;

    if (h < q->newest || h - q->newest >= HOURS)
        memset(q->hour, 0, sizeof(q->hour));
    else
        for (int64_t i = q->newest + 1; i <= h; i++)
            q->hour[i % HOURS] = 0;
    q->newest = h;
}

void keeper_ticket_accepted(struct keeper *k, const struct ticket *t)
{
    struct quota *q = &k->tickets->quota[t->submitter];

    roll(q, clock_now());
    q->hour[q->newest % HOURS]++;
}

/* Hours follow their submitter; the rest is counted anew. */
static void quotas_follow(struct tickets *s, const struct config *old, const struct config *new)
{
    struct quota *was = calloc(CONFIG_SUBMITTERS_MAX, sizeof(*was));

    if (was != NULL)
        memcpy(was, s->quota, sizeof(s->quota));
    memset(s->quota, 0, sizeof(s->quota));
    for (size_t i = 0; i < new->submitters &&was != NULL; i++)
        for (size_t j = 0; j < old->submitters; j++)
            if (strcmp(new->submitter[i].name, old->submitter[j].name) == 0) {
                memcpy(s->quota[i].hour, was[j].hour, sizeof(was[j].hour));
                s->quota[i].newest = was[j].newest;
            }
    free(was);
}

void keeper_ticket_config(struct keeper *k, const struct config *c)
{
    struct tickets *s = k->tickets;
    struct ticket *t, *next;

    for (t = TAILQ_FIRST(&s->oldest); t != NULL; t = next) {
        const char *name = k->c->submitter[t->submitter].name;
        size_t i = 0;

        next = TAILQ_NEXT(t, in_age);
        while (i < c->submitters && strcmp(c->submitter[i].name, name) != 0)
            i++;
        if (i == c->submitters) {
            keeper_intake_token_gone(k, t);
            keeper_ticket_drop(k, t);
        } else {
            t->submitter_next = i;
        }
    }
    quotas_follow(s, k->c, c);
    TAILQ_FOREACH(t, &s->oldest, in_age)
    {
        t->submitter = t->submitter_next;
        s->quota[t->submitter].busy++;
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
 * so that an opening does not cost a walk over all rows of its account.  The catalog does not know
 * whose an erased one was, so those of this life of the process are counted beside it. */
static uint64_t quota_used(struct keeper *k, const struct config_submitter *s)
{
    struct quota *q = &k->tickets->quota[s - k->c->submitter];
    unix_time now = clock_now();
    uint64_t accepted = 0;

    if (now < q->counted || now >= q->counted + QUOTA_SECONDS) {
        if (catalog_account_count(k->catalog, s->name, now - 86400, &q->used) != 0)
            q->used = s->per_day; /* a catalog that does not answer admits nobody */
        q->counted = now;
        roll(q, now);
        for (size_t i = 0; i < HOURS; i++)
            accepted += q->hour[i];
        if (q->used < accepted)
            q->used = accepted;
    }
    return q->used;
}

/* Who asks, and for which country. */
static bool admit_submitter(struct keeper *k, uint64_t id, const struct pm_open *m,
                            const struct config_submitter **out)
{
    const struct config_submitter *s = submitter_of(k, &m->token);
    uint64_t used, busy;

    if (s == NULL) {
        keeper_refuse(k, id, PRF_TOKEN, "the token is unknown at this site");
        return false;
    }
    if (!covers(s, m->country)) {
        keeper_refuse(k, id, PRF_COUNTRY, "the token does not cover %.2s", m->country);
        return false;
    }
    busy = k->tickets->quota[s - k->c->submitter].busy;
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
        keeper_refuse_site(k, id, placement_site(p, zone), m->country);
        return false;
    }
    *policy = p->policy;
    return true;
}

bool keeper_ticket_may_look(struct keeper *k, uint64_t id, const struct pm_open *m)
{
    const struct config_submitter *s = submitter_of(k, &m->token);
    struct digest policy;

    if (s == NULL)
        keeper_refuse(k, id, PRF_TOKEN, "the token is unknown at this site");
    else if (!covers(s, m->country))
        keeper_refuse(k, id, PRF_COUNTRY, "the token does not cover %.2s", m->country);
    else
        return admit_place(k, id, m, &policy);
    return false;
}

/* One submission, not two: its file may be on its way here with its country. */
static bool admit_once(struct keeper *k, uint64_t id, const struct pm_open *m)
{
    if (!keeper_receive_holds(k, &m->sub))
        return true;
    keeper_refuse(k, id, PRF_BUSY, "this submission is just arriving from another site");
    return false;
}

static int signed_by_its_key(const struct pm_open *m)
{
    struct submitter_act a;

    a.sub = m->sub;
    a.kind = (enum intake_scope)m->kind;
    a.scope = (enum intake_scope)m->scope;
    memcpy(a.country, m->country, 3);
    a.statement = m->statement;
    return submitter_verify_submit((const struct ed25519_pub *)m->sub_key, &a,
                                   (const struct ed25519_sig *)m->sub_sig);
}

static void opened(struct keeper *k, uint64_t id, const struct ticket *t)
{
    struct pm_opened m = {t->ticket, k->c->object_max, t->expires};

    keeper_answer(k, FK_OPENED, id, &m, sizeof(m), span_of(NULL, 0), NULL);
}

static void ticket_new(struct keeper *k, uint64_t id, const struct pm_open *m,
                       const struct config_submitter *s, const struct digest *policy, bool known)
{
    struct ticket *t = k->tickets->n >= TICKETS_MAX ? NULL : calloc(1, sizeof(*t));

    if (t == NULL) {
        keeper_refuse(k, id, PRF_BUSY, "too many submissions are under way");
        return;
    }
    t->open = *m;
    t->ticket = random_id();
    t->submitter = (size_t)(s - k->c->submitter);
    t->policy = *policy;
    t->known = known;
    t->expires = clock_now() + TICKET_SECONDS;
    LIST_INSERT_HEAD(row_of(k->tickets, &t->open.sub), t, in_row);
    TAILQ_INSERT_TAIL(&k->tickets->oldest, t, in_age);
    k->tickets->n++;
    k->tickets->quota[t->submitter].busy++;
    k->tickets->quota[t->submitter].used++;
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

void keeper_ticket_ask(struct keeper *k, uint64_t id, const struct pm_open *m)
{
    const struct config_submitter *s;
    struct catalog_submission known;
    struct digest policy;
    struct ticket *t;
    int rc;

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
    if (keeper_disk_low(k)) {
        keeper_refuse(k, id, PRF_FULL, "the site's disk is full");
        return;
    }
    if (!admit_submitter(k, id, m, &s) || !admit_place(k, id, m, &policy) ||
        !admit_consent(k, id, m))
        return;
    if ((rc = signed_by_its_key(m)) != 0) {
        keeper_refuse_signature(k, id, rc, PRF_SIGNATURE, "the submission's key did not sign this");
        return;
    }
    if (!admit_once(k, id, m))
        return;
    if ((t = keeper_ticket_find(k, &m->sub)) != NULL) {
        if (same_opening(&t->open, m))
            opened(k, id, t);
        else
            keeper_refuse(k, id, PRF_CONFLICT, "this sub is being used for something else");
        return;
    }
    rc = catalog_submission_get(k->catalog, &m->sub, &known);
    if (rc == 0 && !same_submission(&known, m)) {
        keeper_refuse(k, id, PRF_CONFLICT, "this sub belongs to another submission");
        return;
    }
    ticket_new(k, id, m, s, &policy, rc != -ENOENT);
}

/* It may have come with its country while its upload was under way. */
static bool has_not_come(struct keeper *k, uint64_t id, const struct ticket *t)
{
    struct catalog_submission known;
    int rc = t->known ? catalog_submission_get(k->catalog, &t->open.sub, &known) : -ENOENT;

    if (rc == 0)
        keeper_refuse(k, id, PRF_CONFLICT, "this submission is here already");
    else if (rc != -ENOENT)
        keeper_refuse(k, id, PRF_BUSY, "the catalog does not answer: %s", strerror(-rc));
    return rc == -ENOENT;
}

bool keeper_ticket_still_admitted(struct keeper *k, uint64_t id, struct ticket *t)
{
    return admit_place(k, id, &t->open, &t->policy) && admit_consent(k, id, &t->open) &&
           admit_once(k, id, &t->open) && has_not_come(k, id, t);
}
