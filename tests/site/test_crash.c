/* Power fails after any system call of a site's stores, and anything not synced is lost, torn or
 * reordered: what was acknowledged is there, proved; what was signed is never signed otherwise. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "faultfs/crash.h"
#include "stores.h"

static struct stores s;
static struct crash_tally tally;

static void good(int rc)
{
    if (rc != 0)
        fail_msg("%d: %s", rc, err_text(&s.e));
}

/* Everything a site does, once; ends early when something fails, with that. */
static int try_to_live(void)
{
    int rc;

    if ((rc = stores_accept(&s, 1)) != 0 || (rc = stores_accept(&s, 3)) != 0 ||
        (rc = stores_publish(&s)) != 0 || (rc = stores_erase(&s, 2)) != 0 ||
        (rc = stores_accept_overlapping(&s, 2)) != 0 || (rc = stores_inventory(&s)) != 0 ||
        (rc = stores_turn(&s)) != 0 || (rc = stores_reclaim(&s)) != 0 ||
        (rc = stores_accept(&s, 4)) != 0 || (rc = stores_maintain(&s)) != 0 ||
        (rc = stores_erase(&s, 5)) != 0 || (rc = stores_accept(&s, 1)) != 0 ||
        (rc = stores_rules(&s, 1)) != 0 || (rc = stores_judge(&s, 1, 1, false)) != 0 ||
        (rc = stores_judge(&s, 3, 1, false)) != 0 || (rc = stores_judge(&s, 6, 1, true)) != 0 ||
        (rc = stores_rules(&s, 2)) != 0 || (rc = stores_judge(&s, 3, 2, true)) != 0 ||
        (rc = stores_erase(&s, 3)) != 0 || (rc = stores_judge(&s, 6, 2, true)) != 0 ||
        (rc = stores_round(&s)) != 0 || (rc = stores_rules(&s, 3)) != 0 ||
        (rc = stores_judge(&s, 1, 3, true)) != 0 || (rc = stores_trip(&s)) != 0)
        return rc;
    return stores_publish(&s);
}

static void report(const char *what)
{
    print_message("%s: %zu moments, %zu crash points, %zu of them with something to lose\n", what,
                  tally.moments, tally.points, tally.lossy);
    memset(&tally, 0, sizeof(tally));
}

static struct crash_plan plan(size_t every)
{
    const char *soak = getenv("SOAK_ROUNDS");
    struct crash_plan p = {.every = every, .first = 1, .seeds = 2, .seed = 1};

    if (soak != NULL)
        p = (struct crash_plan){.every = 1, .seeds = 12, .seed = 77};
    return p;
}

static void a_life_is_whole_after_every_crash(void **state)
{
    struct crash_plan p = plan(7);

    good(stores_found(&s, crash_dir));
    stores_close(&s);
    calls_watch(crash_dir); /* what was opened before is not seen */
    good(stores_open(&s, crash_dir));
    s.next = 1;
    good(try_to_live());
    stores_close(&s);
    crash_enumerate(calls_take(), &p, stores_check, NULL, &tally);
    report("a life");
}

/* The kernel drops pages whose sync failed, and says so once: what a restart finds then may lie in
 * memory only, and the next power cut takes it. */
static bool live_with_a_failed_sync(unsigned k)
{
    struct crash_plan p = getenv("SOAK_ROUNDS") != NULL
                              ? (struct crash_plan){.every = 3, .seeds = 4, .seed = 77}
                              : plan(17);
    unsigned next;
    bool failed;

    good(stores_found(&s, crash_dir));
    stores_close(&s);
    calls_watch(crash_dir);
    calls_fail(k, 1U << CALL_SYNC, EIO, 1);
    if (stores_open(&s, crash_dir) == 0) {
        s.next = 1;
        (void)!try_to_live();
    }
    p.from = calls_steps(); /* the points before are those of a life without failures */
    p.first = k;            /* with each other moments are looked at */
    next = s.next > 0 ? s.next : 1;
    stores_close(&s);
    failed = calls_failed();
    calls_fail(0, 0, 0, 0);
    good(stores_open(&s, crash_dir));
    s.next = next;
    good(stores_accept(&s, 2));
    good(stores_publish(&s));
    good(stores_accept(&s, 1));
    crash_enumerate(calls_take(), &p, stores_check, NULL, &tally);
    stores_close(&s);
    crash_afresh();
    return failed;
}

static void a_failed_sync_and_then_a_crash_lose_nothing(void **state)
{
    unsigned step = getenv("SOAK_ROUNDS") != NULL ? 1 : 9, k = 1, failed = 0;

    while (live_with_a_failed_sync(k))
        k += step, failed++;
    print_message("%u of %u syncs failed in turn\n", failed, k);
    assert_true(k > 50);
    report("after a failed sync and a restart");
}

/* --- a crash in the recovery from a crash --- */

struct first_crash {
    const struct calls_mark *marks;
    size_t n;
};

static size_t at; /* how many first crashes so far */

static void check_second(const char *folder, const struct calls_mark *m, size_t n, void *arg)
{
    const struct first_crash *first = arg;

    (void)m;
    (void)n;
    stores_check(folder, first->marks, first->n, NULL);
}

static void crash_while_recovering(const char *folder, const struct calls_mark *m, size_t n,
                                   void *arg)
{
    struct first_crash first = {m, n};
    struct crash_plan p = getenv("SOAK_ROUNDS") != NULL
                              ? (struct crash_plan){.every = 7, .seeds = 2, .seed = 9}
                              : plan(37);
    struct stores again;

    (void)arg;
    p.first = at++; /* with each other moments are looked at */
    calls_watch(folder);
    if (stores_open(&again, folder) != 0)
        fail_msg("it does not open again: %s", err_text(&again.e));
    stores_close(&again);
    crash_enumerate(calls_take(), &p, check_second, &first, &tally);
}

static void a_crash_in_the_recovery_loses_nothing(void **state)
{
    struct crash_tally outer = {0, 0, 0};
    struct crash_plan p = {.every = 199, .seeds = 1, .seed = 5};

    if (getenv("SOAK_ROUNDS") != NULL)
        p = (struct crash_plan){.every = 9, .seeds = 2, .seed = 5};
    good(stores_found(&s, crash_dir));
    stores_close(&s);
    calls_watch(crash_dir);
    good(stores_open(&s, crash_dir));
    s.next = 1;
    good(try_to_live());
    stores_close(&s);
    crash_enumerate(calls_take(), &p, crash_while_recovering, NULL, &outer);
    print_message("%zu first crashes\n", outer.points);
    report("a second crash in the recovery");
}

static int set_up(void **state)
{
    log_open("test", LOG_ERROR_, -1);
    return crash_set_up(state);
}

/* ./test-site-crash [NAME]: of one test alone */
int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, crash_tear_down)
    const struct CMUnitTest tests[] = {
        T(a_life_is_whole_after_every_crash),
        T(a_failed_sync_and_then_a_crash_lose_nothing),
        T(a_crash_in_the_recovery_loses_nothing),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
