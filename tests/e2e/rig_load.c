#include "rig_load.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "rig_priv.h"

#define WORKERS 12
#define SUBS_MAX 200000
#define FILE_MAX 20000
#define ERASED_OF 6 /* one in so many is taken back */
/* A supervisor waits longer after every death of a part; one that is new begins with 100 ms. */
#define ONES_MAX 5

static const char *const names[] = {"supervisor", "front",  "keeper", "signer",
                                    "courier",    "reader", "engine", "all"};

struct load_worker {
    struct load *l;
    struct rig_sub s;
    struct load_one *one;
    uint8_t bytes[FILE_MAX];
    size_t n;
    struct buf body;
    char url[128], ticket[64];
    bool flying;
    enum { ANNOUNCE, UPLOAD, WITHDRAW, ERASE } stage;
};

void load_open(struct load *l, struct rig *r, const struct load_target *target, size_t targets)
{
    memset(l, 0, sizeof(*l));
    l->r = r;
    l->target = target;
    l->targets = targets;
    l->one = calloc(SUBS_MAX, sizeof(*l->one));
    l->worker = calloc(WORKERS, sizeof(*l->worker));
    assert_non_null(l->one);
    assert_non_null(l->worker);
}

void load_close(struct load *l)
{
    for (size_t i = 0; i < WORKERS && l->worker != NULL; i++)
        rig_sub_free(&l->worker[i].s);
    free(l->worker);
    free(l->one);
}

/* --- each worker announces, uploads, and if anything fails tries the same again --- */

static struct load_one *one_new(struct load *l, const struct rig_sub *s, size_t site,
                                const uint8_t *bytes, size_t n)
{
    struct load_one *one = &l->one[l->n];

    assert_true(l->n < SUBS_MAX);
    l->n++;
    one->sub = s->sub;
    memcpy(one->country, s->country, sizeof(one->country));
    one->site = one->place = site;
    sha256_of(bytes, n, &one->sha256);
    return one;
}

static void next_submission(struct load_worker *w)
{
    const struct load_target *t = &w->l->target[random_below(w->l->targets)];

    rig_sub_free(&w->s);
    rig_sub_new(w->l->r, &w->s, t->country);
    w->n = 1 + (size_t)random_below(FILE_MAX - 1);
    random_bytes(w->bytes, w->n);
    w->one = one_new(w->l, &w->s, t->site, w->bytes, w->n);
    w->stage = ANNOUNCE;
}

static void acknowledged(struct load_worker *w, bool again)
{
    w->one->acknowledged = true;
    w->l->acknowledged++;
    w->l->repeated += again;
    if (random_below(ERASED_OF) == 0)
        w->stage = random_below(2) == 0 ? WITHDRAW : ERASE;
    else
        w->one = NULL;
}

static void erased(struct load_worker *w)
{
    w->one->erased = true;
    w->l->erased++;
    w->one = NULL;
}

static void answered(struct http_result *a, void *arg)
{
    struct load_worker *w = arg;

    w->flying = false;
    if (w->stage == ANNOUNCE && a->status == 201 && rig_ticket(&w->s, buf_span(&a->body)))
        w->stage = UPLOAD;
    else if (w->stage == UPLOAD && (a->status == 201 || a->status == 200))
        acknowledged(w, a->status == 200);
    else if (w->stage == UPLOAD)
        w->stage = ANNOUNCE; /* its ticket died with the site */
    else if (w->stage >= WITHDRAW && a->status == 202)
        erased(w);
    if (a->status >= 400 && a->status != 403 && a->status != 503)
        fail_msg("answered %d: %.*s", a->status, (int)a->body.len, (const char *)a->body.data);
    buf_free(&w->body);
}

static void fly(struct load_worker *w)
{
    static const char *const announcing[] = {"Content-Type: application/json",
                                             "Authorization: Bearer " RIG_TOKEN, NULL};
    static const char *const plain[] = {"Content-Type: application/json", NULL};
    const char *uploading[] = {"Content-Type: application/octet-stream", w->ticket, NULL};
    struct http_call call = {.url = w->url, .total_ms = 5000, .done = answered, .arg = w};
    const char *at = w->l->r->site[w->one->site].url;
    struct err e = ERR_INIT;

    buf_init(&w->body, 4096);
    call.method = HTTP_POST;
    call.headers = plain;
    if (w->stage >= WITHDRAW) {
        const char *word = w->stage == ERASE ? "erase" : "withdraw";

        rig_order_body(&w->s, word, &w->body);
        (void)snprintf(w->url, sizeof(w->url), "%s/v1/submissions/%s/%s", at, w->s.hex, word);
        call.body = buf_span(&w->body);
    } else if (w->stage == ANNOUNCE) {
        rig_announcement(&w->s, &w->body);
        (void)snprintf(w->url, sizeof(w->url), "%s/v1/submissions", at);
        call.headers = announcing;
        call.body = buf_span(&w->body);
    } else {
        (void)snprintf(w->url, sizeof(w->url), "%s/v1/submissions/%s/content", at, w->s.hex);
        (void)snprintf(w->ticket, sizeof(w->ticket), "Ticket: %s", w->s.ticket);
        call.method = HTTP_PUT;
        call.headers = uploading;
        call.body = span_of(w->bytes, w->n);
    }
    w->flying = true;
    rig_ok(http_client_start(w->l->r->http, &call, &e), &e);
}

void load_until(struct load *l, mono_ms until)
{
    for (;;) {
        struct pollfd p = {.fd = http_client_fd(l->r->http), .events = POLLIN};
        mono_ms now = clock_mono();
        bool busy = false;

        for (size_t i = 0; i < WORKERS; i++) {
            struct load_worker *w = &l->worker[i];

            w->l = l;
            if (!w->flying && w->one == NULL && !l->resting)
                next_submission(w);
            if (!w->flying && w->one != NULL)
                fly(w);
            busy = busy || w->flying || w->one != NULL;
        }
        if (now >= until || !busy)
            return;
        (void)poll(&p, 1, until - now < 10 ? (int)(until - now) : 10);
        rig_ok(http_client_step(l->r->http), NULL);
    }
}

static void all_acknowledged(struct load *l)
{
    l->resting = true;
    load_until(l, clock_mono() + 2 * RIG_SOON);
    for (size_t i = 0; i < WORKERS; i++)
        if (l->worker[i].one != NULL)
            fail_msg("submission %s is not %s after the crashes", l->worker[i].s.hex,
                     l->worker[i].one->acknowledged ? "erased" : "taken");
    l->resting = false;
}

struct load_one *load_submit(struct load *l, size_t site, const char *country)
{
    struct load_one *one;
    struct rig_sub s;
    uint8_t bytes[2000];
    size_t n = 1 + (size_t)random_below(sizeof(bytes) - 1);

    random_bytes(bytes, n);
    rig_sub_new(l->r, &s, country);
    one = one_new(l, &s, site, bytes, n);
    rig_submit(l->r, site, &s, span_of(bytes, n), NULL, NULL);
    one->acknowledged = true;
    l->acknowledged++;
    rig_sub_free(&s);
    return one;
}

/* --- the killer --- */

static void count(struct load *l, const char *name)
{
    print_message("%s ", name);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        l->kills[i] += strcmp(names[i], name) == 0;
}

static void kill_all(struct load *l, size_t site)
{
    count(l, "all");
    rig_kill_all(l->r, site);
    load_for(l, 0, 100);
    rig_start(l->r, site);
    l->ones[site] = 0;
}

/* Each part is as likely as another, however many processes it has. */
static pid_t choose(const pid_t *pid, size_t n, char name[32])
{
    char have[64][32];
    size_t kinds = 0, of[64], hits = 0, kind;

    assert_in_range(n, 1, 64);
    memset(have, 0, sizeof(have));
    for (size_t i = 0; i < n; i++) {
        char what[32];

        rig_process_name(pid[i], what);
        for (of[i] = 0; of[i] < kinds && strcmp(have[of[i]], what) != 0; of[i]++)
            ;
        if (of[i] == kinds)
            memcpy(have[kinds++], what, sizeof(what));
    }
    kind = random_below(kinds);
    memcpy(name, have[kind], 32);
    for (size_t i = 0; i < n; i++)
        hits += of[i] == kind;
    hits = 1 + random_below(hits);
    for (size_t i = 0; i < n; i++)
        if (of[i] == kind && --hits == 0)
            return pid[i];
    return pid[0];
}

void load_kill(struct load *l, size_t site)
{
    pid_t pid[64], victim;
    size_t n;
    char name[32];

    if (l->ones[site] == ONES_MAX || random_below(8) == 0) {
        kill_all(l, site);
        return;
    }
    n = rig_processes(l->r, site, pid, ARRAY_LEN(pid));
    victim = choose(pid, n, name);
    count(l, name);
    if (victim == pid[0]) {
        rig_kill_supervisor(l->r, site);
        load_for(l, 0, 100);
        rig_start(l->r, site);
        l->ones[site] = 0;
        return;
    }
    l->ones[site]++;
    (void)kill(victim, SIGKILL);
    load_for(l, 0, 300);
    rig_wait_healthy(l->r, site);
}

void load_turn(struct load *l, size_t site)
{
    const struct pm_admin ask = {.what = ADMIN_TURN_EPOCH};
    char text[1024];

    print_message("(epoch) ");
    (void)rig_admin_try(l->r, site, &ask, NULL, text);
}

void load_without_witness(struct load *l, uint64_t ms)
{
    print_message("(no quorum) ");
    assert_int_equal(kill(l->r->witness, SIGSTOP), 0);
    load_for(l, ms, ms);
    assert_int_equal(kill(l->r->witness, SIGCONT), 0);
}

void load_tell(const struct load *l, unsigned rounds)
{
    print_message("\n%u rounds; killed:", rounds);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        print_message(" %s %u,", names[i], l->kills[i]);
    print_message(" %zu submissions acknowledged, %zu of them when asked again; %zu erased\n",
                  l->acknowledged, l->repeated, l->erased);
}

/* --- the reckoning --- */

static void check_receipt(const struct load *l, const struct load_one *one, const struct rig_sub *s)
{
    struct rig_receipt p;
    struct buf text;
    char hex[65];

    assert_int_equal(rig_receipt(l->r, one->site, s, "accepted", &text), 200);
    rig_receipt_open(l->r, &p, buf_span(&text));
    assert_true(p.verdict.quorum);
    if (one->place == one->site &&
        !one->erased) { /* who has moved it away has no openings any more */
        text_digest(hex, &one->sha256);
        assert_true(span_is(receipt_extra_find(&p.x, LF_SEALED_SHA256)->value, hex));
    }
    rig_receipt_done(&p);
    buf_free(&text);
}

/* The state of a submission; a keeper that is busy (an epoch ends) may say so for a while. */
static void state_of(const struct load *l, size_t site, const struct rig_sub *s,
                     struct rig_state *now)
{
    mono_ms until = clock_mono() + RIG_SOON;
    int status;

    while ((status = rig_trace(l->r, site, s, now)) == 503 && clock_mono() < until)
        rig_nap(100);
    if (status != 200)
        fail_msg("%s at %s: answered %d", s->hex, l->r->site[site].name, status);
}

/* What is wrong with it, for the message. */
static void fail_state(const struct load *l, size_t site, const struct rig_sub *s,
                       const struct rig_state *now, const char *wrong)
{
    fail_msg("%s %s at %s: accepted %d, erased %d, moved %d, %llu bytes", s->hex, wrong,
             l->r->site[site].name, now->accepted, now->erased, now->moved,
             (unsigned long long)now->size);
}

static void check_erased(const struct load *l, const struct load_one *one, const struct rig_sub *s)
{
    struct rig_receipt p;
    struct rig_state now;
    struct id128 sub;
    struct buf text;

    state_of(l, one->place, s, &now);
    if (!now.erased || now.size != 0)
        fail_state(l, one->place, s, &now, "was erased and is back");
    assert_int_equal(rig_receipt(l->r, one->place, s, "erased", &text), 200);
    rig_receipt_open(l->r, &p, buf_span(&text));
    assert_true(p.verdict.quorum);
    assert_int_equal(p.leaf.kind, LK_SUBMISSION_ERASED);
    sub = leaf_id(&p.leaf, LF_SUB);
    assert_memory_equal(&sub, &one->sub, sizeof(sub));
    rig_receipt_done(&p);
    buf_free(&text);
}

static void check_one(const struct load *l, const struct load_one *one)
{
    struct rig_state now;
    struct rig_sub s;
    struct err e = ERR_INIT;

    memset(&s, 0, sizeof(s));
    s.sub = one->sub;
    text_id(s.hex, &s.sub);
    rig_ok(submitter_key(&s.key, l->r->secret, &s.sub), &e);
    if (one->erased) {
        check_erased(l, one, &s);
        check_receipt(l, one, &s);
        rig_sub_free(&s);
        return;
    }
    state_of(l, one->place, &s, &now);
    if (!now.accepted || now.erased || now.moved || now.size == 0)
        fail_state(l, one->place, &s, &now, "was acknowledged and is not");
    if (one->place != one->site) {
        state_of(l, one->site, &s, &now);
        if (!now.moved || now.size != 0)
            fail_state(l, one->site, &s, &now, "has moved and is still");
    }
    check_receipt(l, one, &s);
    rig_sub_free(&s);
}

/* Inventory, vault, catalog and what we know say the same number. */
static void check_site(const struct load *l, size_t site)
{
    struct pm_admin ask = {.what = ADMIN_INVENTORY};
    uint64_t here = 0;
    char text[1024];

    for (size_t i = 0; i < l->n; i++)
        here += l->one[i].place == site && !l->one[i].erased;
    if (rig_admin(l->r, site, &ask, NULL, NULL, text) != 0)
        fail_msg("%s: inventory: %s", l->r->site[site].name, text);
    assert_int_equal(rig_slots(l->r, site), here); /* each read back, tags and hashes verified */
    rig_settle(l->r, site);
}

/* How far all ledgers are. */
static uint64_t published(const struct load *l)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < l->r->sites; i++)
        sum += rig_metric(l->r, i, "site_ledger_published");
    return sum;
}

static const struct audit_result *broken(const struct audit *a)
{
    for (size_t i = 0; i < audit_results(a); i++)
        if (audit_result(a, i)->verdict == AUDIT_BROKEN)
            return audit_result(a, i);
    return NULL;
}

/* The folders that are audited belong to sites that go on scanning: what an audit sees while a
 * checkpoint is being published does not count. */
static void check_claims(const struct load *l)
{
    struct audit *a = NULL;
    const struct audit_result *x;
    uint64_t before, after;
    int tries = 0;

    do {
        audit_free(a);
        rig_nap(tries * 200);
        before = published(l);
        a = rig_audit(l->r);
        after = published(l);
        x = broken(a);
    } while (x != NULL && before != after && tries++ < 20);
    if (x != NULL)
        fail_msg("%s is BROKEN at %s leaf %llu: %s", x->claim, x->site, (unsigned long long)x->leaf,
                 x->sentence);
    assert_int_equal(audit_find(a, "intake.consent")->n, l->n);
    x = audit_find(a, "residency.placement"); /* inventories too */
    assert_int_equal(x->verdict, AUDIT_PROVED);
    audit_free(a);
}

void load_reckon(struct load *l, size_t sample)
{
    all_acknowledged(l);
    assert_int_equal(l->acknowledged, l->n);
    for (size_t i = 0; i < l->r->sites; i++)
        rig_settle(l->r, i);
    for (size_t i = 0; i < (sample == 0 ? l->n : sample) && l->n > 0; i++)
        check_one(l, &l->one[sample == 0 ? i : random_below(l->n)]);
    for (size_t i = 0; i < l->r->sites; i++)
        check_site(l, i);
    check_claims(l);
}
