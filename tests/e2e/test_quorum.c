/* The quorum is lost and comes back: intake goes on, receipts stay pending and say so, /healthz
 * names it after a minute, and everything becomes final without anybody's hands.
 * $SOAK_ROUNDS: with the minute, and so many rounds. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/secret.h"
#include "rig_client.h"
#include "rig_priv.h"

#define KEPT 12

static struct rig *r;
static uint64_t accepted;

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1};

    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(r);
    return 0;
}

/* "pending" or not, by the receipt alone and the trust file. */
static void submit(struct rig_sub *s, bool final)
{
    uint8_t bytes[2000];
    struct rig_receipt p;
    struct buf text;

    random_bytes(bytes, sizeof(bytes));
    rig_sub_new(r, s, "CH");
    rig_submit(r, 0, s, span_of(bytes, sizeof(bytes)), NULL, &text);
    rig_receipt_open(r, &p, buf_span(&text));
    assert_int_equal(p.verdict.quorum, final);
    rig_receipt_done(&p);
    buf_free(&text);
    accepted++;
}

static void becomes_final(struct rig_sub *s)
{
    struct rig_receipt p;
    struct rig_state now;
    struct buf text;

    rig_await(r, 0, s, "final", &now);
    assert_int_equal(rig_receipt(r, 0, s, "accepted", &text), 200);
    rig_receipt_open(r, &p, buf_span(&text));
    assert_true(p.verdict.quorum);
    rig_receipt_done(&p);
    buf_free(&text);
    rig_sub_free(s);
}

static void health_is(const char *status, const char *witnesses)
{
    struct http_call call = {.method = HTTP_GET, .total_ms = 5000};
    struct err e = ERR_INIT;
    struct http_result a;
    char url[80], want[64];

    (void)snprintf(url, sizeof(url), "%s/healthz", r->site[0].url);
    (void)snprintf(want, sizeof(want), "{\"name\":\"witnesses\",\"ok\":%s", witnesses);
    call.url = url;
    rig_ok(http_client_do(r->http, &call, &a, &e), &a.err);
    assert_int_equal(a.status, 200);
    if (strstr(buf_str(&a.body), status) == NULL || strstr(buf_str(&a.body), want) == NULL)
        fail_msg("not %s, witnesses %s: %s", status, witnesses, buf_str(&a.body));
    http_result_free(&a);
}

/* gone: true, its process is dead; false, it hangs. */
static void lost_and_back(bool gone, bool a_minute)
{
    struct rig_sub kept[KEPT];
    uint64_t published;

    rig_settle(r, 0);
    published = rig_metric(r, 0, "site_ledger_published");
    if (gone)
        rig_witness_kill(r);
    else
        assert_int_equal(kill(r->witness, SIGSTOP), 0);
    for (size_t i = 0; i < KEPT; i++)
        submit(&kept[i], false);
    rig_nap(a_minute ? 63000 : 2500);
    assert_int_equal(rig_metric(r, 0, "site_ledger_published"), published);
    assert_true(rig_metric(r, 0, "site_publish_wait_seconds") >= (a_minute ? 60U : 1U));
    health_is(a_minute ? "\"degraded\"" : "\"ok\"", a_minute ? "false" : "true");
    rig_kill_all(r, 0); /* a crash does not change it */
    rig_start(r, 0);
    submit(&kept[0], false);
    if (gone)
        rig_witness_again(r);
    else
        assert_int_equal(kill(r->witness, SIGCONT), 0);
    for (size_t i = 0; i < KEPT; i++)
        becomes_final(&kept[i]);
    rig_settle(r, 0);
    assert_int_equal(rig_metric(r, 0, "site_publish_wait_seconds"), 0);
    health_is("\"ok\"", "true");
}

static void a_lost_quorum_comes_back_by_itself(void **state)
{
    unsigned rounds = rig_rounds(0);
    struct audit *a;

    lost_and_back(true, rounds > 0);
    lost_and_back(false, rounds > 0);
    for (unsigned i = 0; i < rounds; i++)
        lost_and_back(i % 2 == 0, false);
    a = rig_audit(r);
    rig_proved(a, "intake.consent", accepted, 0);
    rig_proved(a, "ledger.time", rig_metric(r, 0, "site_ledger_size"), 0);
    audit_free(a);
    rig_stop(r, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_lost_quorum_comes_back_by_itself)};

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
