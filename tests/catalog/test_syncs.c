/* Syncs that fail, and power cuts: whatever of the catalog is found afterwards is one state that it
 * was in, never a mixture of two. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog.h"
#include "faultfs/crash.h"

#define ROWS 60 /* some pages */

static struct crash_tally tally;

static void path_of(const char *folder, char out[200])
{
    (void)snprintf(out, 200, "%s/catalog.db", folder);
}

static int put(struct catalog *c, unsigned row, unsigned value)
{
    char name[32], text[200];

    (void)snprintf(name, sizeof(name), "row %02u", row);
    (void)snprintf(text, sizeof(text), "%-150u", value);
    return catalog_value_put(c, name, span_str(text));
}

/* One batch: all rows say the same. */
static int all_say(struct catalog *c, unsigned value)
{
    int rc = catalog_begin(c);

    for (unsigned i = 0; i < ROWS && rc == 0; i++)
        rc = put(c, i, value);
    return rc == 0 ? catalog_commit(c) : rc;
}

static int is_same(void *arg, const char *name, struct span value)
{
    struct span *first = arg;
    static char kept[200];

    if (first->p == NULL) {
        memcpy(kept, value.p, value.n);
        *first = span_of(kept, value.n);
    } else if (value.n != first->n || memcmp(value.p, first->p, value.n) != 0) {
        fail_msg("%s says %.6s, the first row %.6s", name, (const char *)value.p,
                 (const char *)first->p);
    }
    return 0;
}

static void check(const char *folder, const struct calls_mark *m, size_t n, void *arg)
{
    struct span first = {NULL, 0};
    struct err e = ERR_INIT;
    struct catalog *c;
    char path[200];

    path_of(folder, path);
    if (catalog_open(&c, path, &e) != 0)
        fail_msg("it does not open: %s", err_text(&e));
    assert_int_equal(catalog_values(c, "row", is_same, &first), 0);
    if (n > 0 && first.n == 0) /* a mark: that value is durable */
        fail_msg("%llu was synced and nothing is here", (unsigned long long)m[n - 1].value);
    if (n > 0 && strtoul((const char *)first.p, NULL, 10) < m[n - 1].value)
        fail_msg("%llu was synced, %.6s is here", (unsigned long long)m[n - 1].value,
                 (const char *)first.p);
    assert_int_equal(all_say(c, 9999), 0);
    catalog_close(c);
}

/* Goes on after a failure as a keeper does: tries again later, or ends and is started again. */
static void live(bool start_again)
{
    struct catalog *c = NULL;
    char path[200];

    path_of(crash_dir, path);
    for (unsigned value = 1; value < 8; value++) {
        int rc;

        if (c == NULL && catalog_open(&c, path, NULL) != 0) {
            c = NULL;
            continue;
        }
        rc = all_say(c, value);
        if (rc == 0 && value % 2 == 0)
            rc = value % 4 == 0 ? catalog_scrub(c, NULL) : catalog_sync(c);
        if (rc == 0 && value % 2 == 0)
            calls_mark(1, value, NULL);
        if (rc != 0 && start_again) {
            catalog_close(c);
            c = NULL;
        }
    }
    catalog_close(c);
}

static bool fail_one(unsigned k, bool start_again)
{
    size_t every = getenv("SOAK_ROUNDS") != NULL ? 1 : 41;
    const struct crash_plan p = {.every = every, .first = k * 7, .seeds = 1, .seed = k};
    bool failed;

    calls_watch(crash_dir);
    calls_fail(k, 1U << CALL_SYNC, EIO, 1);
    live(start_again);
    failed = calls_failed();
    calls_fail(0, 0, 0, 0);
    crash_enumerate(calls_take(), &p, check, NULL, &tally);
    crash_afresh();
    return failed;
}

static void sweep(bool start_again)
{
    unsigned k = 1;

    while (fail_one(k, start_again))
        k++;
    print_message("%u syncs failed in turn, %zu crash points\n", k - 1, tally.points);
    assert_true(k > 8 && tally.points > 100);
}

static void a_sync_that_failed_is_not_believed_when_tried_again(void **state)
{
    sweep(false);
}

static void what_a_failed_sync_left_in_memory_is_not_believed_after_a_restart(void **state)
{
    sweep(true);
}

/* --- one that is filled from nothing --- */

static void check_ready(const char *folder, const struct calls_mark *m, size_t n, void *arg)
{
    if (n > 0) /* before, it is a file that nobody opens */
        check(folder, m, n, arg);
}

/* 0: it was ready. */
static int fill(void)
{
    struct catalog *c;
    char path[200];
    int rc;

    path_of(crash_dir, path);
    if ((rc = catalog_open_fresh(&c, path, NULL)) != 0)
        return rc;
    for (unsigned value = 1; value < 4 && rc == 0; value++)
        rc = all_say(c, value);
    if (rc == 0 && (rc = catalog_ready(c, NULL)) == 0)
        calls_mark(1, 3, NULL);
    catalog_close(c);
    return rc;
}

static void a_fresh_catalog_is_whole_on_the_disk_when_it_is_ready(void **state)
{
    const struct crash_plan all = {.every = 1, .seeds = 4}, some = {.every = 9, .seeds = 1};
    unsigned k, failed = 0;

    calls_watch(crash_dir);
    assert_int_equal(fill(), 0);
    crash_enumerate(calls_take(), &all, check_ready, NULL, &tally);
    assert_true(tally.points > 20);
    for (k = 1;; k++) { /* no failure on the way is passed over */
        crash_afresh();
        calls_watch(crash_dir);
        calls_fail(k, 1U << CALL_SYNC | 1U << CALL_WRITE, EIO, 1);
        failed += fill() != 0;
        if (!calls_failed())
            break;
        calls_fail(0, 0, 0, 0);
        crash_enumerate(calls_take(), &some, check_ready, NULL, &tally);
    }
    calls_fail(0, 0, 0, 0);
    assert_true(k > 5 && failed > 3);
}

static int set_up(void **state)
{
    memset(&tally, 0, sizeof(tally));
    return crash_set_up(state);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, crash_tear_down)
    const struct CMUnitTest tests[] = {
        T(a_sync_that_failed_is_not_believed_when_tried_again),
        T(what_a_failed_sync_left_in_memory_is_not_believed_after_a_restart),
        T(a_fresh_catalog_is_whole_on_the_disk_when_it_is_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
