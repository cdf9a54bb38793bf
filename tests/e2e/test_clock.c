/* The machine's clock jumps, while the site runs and while it is down: nothing is dated wrongly,
 * nothing is erased before its time, and when the clock is right again all goes on by itself. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/secret.h"
#include "rig_client.h"
#include "rig_priv.h"

#define DAY 86400
#define BEYOND (400 * DAY) /* the rig's statement keeps for 365 days */

static struct rig *r;
static int64_t *offset; /* of the site's wall clock, seconds */
static uint64_t accepted;
static struct rig_sub kept; /* a submission that every retention would have ended by BEYOND */

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 1};
    char path[128];
    int fd;

    r = rig_open(&plan);
    rig_stop(r, 0);
    (void)snprintf(path, sizeof(path), "%s.clock", r->site[0].file);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 4096), 0);
    offset = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(offset != MAP_FAILED);
    io_close(&fd);
    rig_start(r, 0);
    return 0;
}

static int tear_down(void **state)
{
    rig_sub_free(&kept);
    rig_close(r);
    return 0;
}

static void submit(struct rig_sub *s)
{
    uint8_t bytes[3000];

    random_bytes(bytes, sizeof(bytes));
    rig_sub_new(r, s, "CH");
    rig_submit(r, 0, s, span_of(bytes, sizeof(bytes)), NULL, NULL);
    accepted++;
}

/* The HTTP status of /healthz; what it says. */
static int health(char out[2048])
{
    struct http_call call = {.method = HTTP_GET, .total_ms = 5000};
    struct err e = ERR_INIT;
    struct http_result a;
    char url[80];
    int status;

    (void)snprintf(url, sizeof(url), "%s/healthz", r->site[0].url);
    call.url = url;
    rig_ok(http_client_do(r->http, &call, &a, &e), &a.err);
    (void)snprintf(out, 2048, "%s", buf_str(&a.body));
    status = a.status;
    http_result_free(&a);
    return status;
}

static void refused_for_its_clock(void)
{
    struct rig_word w;
    struct rig_sub s;
    char text[2048];

    assert_int_equal(health(text), 503);
    assert_non_null(strstr(text, "{\"name\":\"clock\",\"ok\":false"));
    rig_sub_new(r, &s, "CH");
    assert_int_equal(rig_announce(r, 0, &s, &w), 503);
    assert_string_equal(w.text, "clock_off");
    rig_sub_free(&s);
    assert_int_equal(rig_order(r, 0, &kept, "withdraw", NULL, NULL, &w), 503);
    assert_string_equal(w.text, "clock_off");
}

static void await_clock_trouble(void)
{
    mono_ms until = clock_mono() + RIG_SOON;
    char text[2048] = "";

    while (strstr(text, "seconds off") == NULL) {
        assert_true(clock_mono() < until);
        rig_nap(50);
        if (rig_answers(r, 0) != 0) /* 503 is an answer */
            (void)health(text);
    }
}

static void nothing_was_written(uint64_t leaves)
{
    assert_int_equal(rig_metric(r, 0, "site_ledger_size"), leaves);
    assert_int_equal(rig_metric(r, 0, "site_erasures_total"), 0);
}

static void a_jump_while_it_runs_stops_what_dates_and_erases(void **state)
{
    static const int64_t jumps[] = {DAY, -DAY, BEYOND, 90, -90};
    struct rig_sub s;
    uint64_t leaves;

    submit(&kept);
    for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
        rig_settle(r, 0);
        leaves = rig_metric(r, 0, "site_ledger_size");
        *offset = jumps[i];
        rig_nap(300);
        refused_for_its_clock();
        rig_nap(1500); /* retention, epochs, inventories are looked at many times meanwhile */
        refused_for_its_clock();
        nothing_was_written(leaves);
        *offset = 0;
        rig_wait_healthy(r, 0);
        submit(&s);
        rig_sub_free(&s);
    }
}

static void less_than_a_minute_is_no_jump(void **state)
{
    struct rig_sub s;

    *offset = 40;
    rig_nap(300);
    submit(&s);
    rig_sub_free(&s);
    *offset = 0;
    rig_nap(300);
    submit(&s);
    rig_sub_free(&s);
    rig_settle(r, 0);
}

static void a_jump_while_it_is_down_is_noticed_by_the_witnesses(void **state)
{
    static const int64_t jumps[] = {BEYOND, DAY, -DAY};

    for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
        uint64_t leaves = rig_metric(r, 0, "site_ledger_size");

        rig_stop(r, 0);
        *offset = jumps[i];
        rig_spawn(r, 0);
        await_clock_trouble();
        refused_for_its_clock();
        nothing_was_written(leaves);
        *offset = 0;
        rig_wait_healthy(r, 0);
    }
}

/* A start with a wrong clock and nobody to ask: files may come, but no retention ends. */
static void without_witnesses_no_retention_ends(void **state)
{
    struct pm_admin ask = {.what = ADMIN_CONFIRM_CLOCK};
    struct rig_state now;
    uint64_t leaves;
    char text[2048];

    /* a start with a clock that was a day behind has made an inventory and a turn due: they are
     * over */
    rig_nap(2000);
    rig_settle(r, 0);
    leaves = rig_metric(r, 0, "site_ledger_size");

    /* by its clock it was down for more than a year */
    rig_stop(r, 0);
    assert_int_equal(kill(r->witness, SIGSTOP), 0);
    *offset = BEYOND;
    rig_spawn(r, 0);
    await_clock_trouble();
    rig_nap(4000); /* nobody has answered */
    refused_for_its_clock();
    rig_stop(r, 0);

    *offset = DAY;
    rig_start(r, 0); /* waits the moment in which the witnesses could have answered */
    rig_nap(1500);
    assert_int_equal(health(text), 200);
    assert_non_null(strstr(text, "\"status\":\"degraded\""));
    assert_non_null(strstr(text, "no witness has confirmed the clock"));
    assert_int_equal(rig_metric(r, 0, "site_clock_confirmed"), 0);
    nothing_was_written(leaves); /* neither an epoch's turn nor an inventory, though both are due */

    /* back to the truth: a jump by its own reckoning, which an administrator confirms */
    *offset = 0;
    rig_nap(300);
    refused_for_its_clock();
    assert_int_equal(rig_admin(r, 0, &ask, NULL, NULL, NULL), 0);
    rig_wait_healthy(r, 0);
    assert_int_equal(rig_metric(r, 0, "site_clock_confirmed"), 1);
    assert_int_equal(kill(r->witness, SIGCONT), 0);
    assert_int_equal(rig_trace(r, 0, &kept, &now), 200);
    assert_true(now.accepted && !now.erased);
}

static void no_claim_is_broken_by_it(void **state)
{
    struct rig_sub s;
    struct audit *a;

    submit(&s);
    rig_sub_free(&s);
    rig_settle(r, 0);
    assert_int_equal(rig_slots(r, 0), accepted);
    a = rig_audit(r);
    for (size_t i = 0; i < audit_results(a); i++)
        if (audit_result(a, i)->verdict == AUDIT_BROKEN)
            fail_msg("%s is BROKEN at leaf %lld: %s", audit_result(a, i)->claim,
                     (long long)audit_result(a, i)->leaf, audit_result(a, i)->sentence);
    rig_proved(a, "ledger.time", rig_metric(r, 0, "site_ledger_size"), 0);
    audit_free(a);
    rig_stop(r, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_jump_while_it_runs_stops_what_dates_and_erases),
        cmocka_unit_test(less_than_a_minute_is_no_jump),
        cmocka_unit_test(a_jump_while_it_is_down_is_noticed_by_the_witnesses),
        cmocka_unit_test(without_witnesses_no_retention_ends),
        cmocka_unit_test(no_claim_is_broken_by_it),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
