/* kill -9 at random moments under load: what was acknowledged stays, what was not can be sent
 * again, and no claim is BROKEN.  $SOAK_ROUNDS rounds, or twelve. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "rig_client.h"
#include "rig_priv.h"

#define ROUNDS 12
#define WORKERS 12
#define SUBS_MAX 60000
#define FILE_MAX 20000

/* One submission, kept for the reckoning at the end. */
struct one {
    struct id128 sub;
    struct digest sha256;
    bool acknowledged;
};

struct worker {
    struct rig_sub s;
    struct one *one;
    uint8_t bytes[FILE_MAX];
    size_t n;
    struct buf body;
    char url[128], ticket[64];
    bool flying, announced;
};

static struct rig *r;
static struct one *all;
static size_t n_all, n_acknowledged, n_repeated;
static struct worker worker[WORKERS];
static bool resting; /* no new submissions: what is under way is brought to its end */

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1, .scanning = true};

    all = calloc(SUBS_MAX, sizeof(*all));
    assert_non_null(all);
    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(r);
    free(all);
    return 0;
}

/* --- the load: each worker announces, uploads, and if anything fails tries the same again --- */

static void next_submission(struct worker *w)
{
    assert_true(n_all < SUBS_MAX);
    rig_sub_free(&w->s);
    rig_sub_new(r, &w->s, "CH");
    w->one = &all[n_all++];
    w->one->sub = w->s.sub;
    w->n = 1 + (size_t)random_below(FILE_MAX - 1);
    random_bytes(w->bytes, w->n);
    sha256_of(w->bytes, w->n, &w->one->sha256);
    w->announced = false;
}

static void answered(struct http_result *a, void *arg)
{
    struct worker *w = arg;

    w->flying = false;
    if (!w->announced) {
        w->announced = a->status == 201 && rig_ticket(&w->s, buf_span(&a->body));
    } else if (a->status == 201 || a->status == 200) {
        w->one->acknowledged = true;
        n_acknowledged++;
        n_repeated += a->status == 200;
        w->one = NULL;
    } else {
        w->announced = false; /* its ticket died with the site */
    }
    if (a->status >= 400 && a->status != 403 && a->status != 503)
        fail_msg("answered %d: %.*s", a->status, (int)a->body.len, (const char *)a->body.data);
    buf_free(&w->body);
}

static void fly(struct worker *w)
{
    static const char *const announcing[] = {"Content-Type: application/json",
                                             "Authorization: Bearer " RIG_TOKEN, NULL};
    const char *uploading[] = {"Content-Type: application/octet-stream", w->ticket, NULL};
    struct http_call call = {.url = w->url, .total_ms = 5000, .done = answered, .arg = w};
    struct err e = ERR_INIT;

    buf_init(&w->body, 4096);
    if (!w->announced) {
        rig_announcement(&w->s, &w->body);
        (void)snprintf(w->url, sizeof(w->url), "%s/v1/submissions", r->site[0].url);
        call.method = HTTP_POST;
        call.headers = announcing;
        call.body = buf_span(&w->body);
    } else {
        (void)snprintf(w->url, sizeof(w->url), "%s/v1/submissions/%s/content", r->site[0].url,
                       w->s.hex);
        (void)snprintf(w->ticket, sizeof(w->ticket), "Ticket: %s", w->s.ticket);
        call.method = HTTP_PUT;
        call.headers = uploading;
        call.body = span_of(w->bytes, w->n);
    }
    w->flying = true;
    rig_ok(http_client_start(r->http, &call, &e), &e);
}

/* Keeps the load going until a moment, or, at rest, until all is acknowledged. */
static void load_until(mono_ms until)
{
    for (;;) {
        struct pollfd p = {.fd = http_client_fd(r->http), .events = POLLIN};
        mono_ms now = clock_mono();
        bool busy = false;

        for (size_t i = 0; i < WORKERS; i++) {
            struct worker *w = &worker[i];

            if (!w->flying && w->one == NULL && !resting)
                next_submission(w);
            if (!w->flying && w->one != NULL)
                fly(w);
            busy = busy || w->flying || w->one != NULL;
        }
        if (now >= until || !busy)
            return;
        (void)poll(&p, 1, until - now < 10 ? (int)(until - now) : 10);
        rig_ok(http_client_step(r->http), NULL);
    }
}

static void all_acknowledged(void)
{
    mono_ms until = clock_mono() + 2 * RIG_SOON;

    resting = true;
    load_until(until);
    for (size_t i = 0; i < WORKERS; i++)
        if (worker[i].one != NULL)
            fail_msg("submission %s is not taken after the crashes", worker[i].s.hex);
    resting = false;
}

/* --- the killer --- */

static void kill_one(void)
{
    pid_t pid[64];
    size_t n = rig_processes(r, 0, pid, ARRAY_LEN(pid));
    pid_t victim;
    char name[32];

    if (n < 2)
        return; /* the last death is being noticed just now: nobody is there to be killed */
    victim = pid[1 + random_below(n - 1)]; /* the supervisor falls with all, see below */
    rig_process_name(victim, name);
    print_message("%s ", name);
    (void)kill(victim, SIGKILL);
}

static void kills_under_load(unsigned rounds)
{
    unsigned ones = 0;

    for (unsigned i = 0; i < rounds; i++) {
        load_until(clock_mono() + 50 + (mono_ms)random_below(600));
        /* a supervisor waits longer after every death of a part: a new one begins with 100 ms */
        if (random_below(3) == 0 || ones == 5) {
            ones = 0;
            print_message("all ");
            rig_kill_all(r, 0);
            load_until(clock_mono() + (mono_ms)random_below(100));
            rig_start(r, 0);
        } else {
            ones++;
            kill_one();
            load_until(clock_mono() + (mono_ms)random_below(300));
            rig_wait_healthy(r, 0);
        }
    }
    print_message("\n");
}

/* --- the reckoning --- */

static void what_was_acknowledged_is_here(void)
{
    for (size_t i = 0; i < n_all; i++) {
        struct rig_receipt p;
        struct rig_state now;
        struct rig_sub s;
        struct buf text;
        struct err e = ERR_INIT;
        char hex[65];

        if (!all[i].acknowledged)
            continue;
        memset(&s, 0, sizeof(s));
        s.sub = all[i].sub;
        text_id(s.hex, &s.sub);
        rig_ok(submitter_key(&s.key, r->secret, &s.sub), &e);
        if (rig_trace(r, 0, &s, &now) != 200 || !now.accepted || now.erased)
            fail_msg("%s was acknowledged and is gone", s.hex);
        assert_int_equal(rig_receipt(r, 0, &s, "accepted", &text), 200);
        rig_receipt_open(r, &p, buf_span(&text));
        assert_true(p.verdict.quorum);
        text_digest(hex, &all[i].sha256);
        assert_true(span_is(receipt_extra_find(&p.x, LF_SEALED_SHA256)->value, hex));
        rig_receipt_done(&p);
        buf_free(&text);
        rig_sub_free(&s);
    }
}

static void nothing_acknowledged_is_lost(void **state)
{
    unsigned rounds = rig_rounds(ROUNDS);
    struct audit *a;

    kills_under_load(rounds);
    all_acknowledged();
    rig_settle(r, 0);
    print_message("%u rounds: %zu acknowledged, %zu of them when asked again\n", rounds,
                  n_acknowledged, n_repeated);
    assert_true(n_acknowledged > rounds);
    assert_int_equal(n_acknowledged, n_all);
    what_was_acknowledged_is_here();
    assert_int_equal(rig_slots(r, 0), n_all); /* each read back, tags and hashes verified */
    a = rig_audit(r);
    for (size_t i = 0; i < audit_results(a); i++) {
        const struct audit_result *x = audit_result(a, i);

        if (x->verdict == AUDIT_BROKEN)
            fail_msg("%s is BROKEN at leaf %llu: %s", x->claim, (unsigned long long)x->leaf,
                     x->sentence);
    }
    assert_int_equal(audit_find(a, "residency.placement")->n, n_all);
    assert_int_equal(audit_find(a, "intake.consent")->n, n_all);
    audit_free(a);
    rig_stop(r, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_acknowledged_is_lost)};

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
