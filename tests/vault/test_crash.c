/* Power cuts of a vault from its founding on, with an index that is lost each time: what says
 * whether the last record is whole is then the vault alone. */
#include <errno.h>
#include <string.h>

#include "faultfs/crash.h"
#include "fixture.h"

enum { STORED = 1, DESTROYED, TURNED };

static struct crash_tally tally;
static uint8_t bytes[300000];

static size_t content(uint64_t n)
{
    size_t size = (size_t)(n * 41113U) % sizeof(bytes);

    fixture_bytes(bytes, size, (unsigned)n);
    return size;
}

static void at(struct fixture *f, const char *folder)
{
    memset(f, 0, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "%s", folder);
    (void)snprintf(f->vault, sizeof(f->vault), "%s/v", folder);
    (void)snprintf(f->keys, sizeof(f->keys), "%s/k", folder);
    f->segment_size = VAULT_SEGMENT_LEAST;
}

static int open_first_epoch(struct fixture *f)
{
    struct vault_group *g;
    uint64_t epoch;
    int rc;

    if (vault_epoch(f->v) > 0)
        return 0;
    if ((rc = vault_group_begin(&g, f->v)) != 0)
        return rc;
    if ((rc = vault_turn_begin(g, &epoch, &f->e)) != 0) {
        vault_group_abort(g);
        return rc;
    }
    return vault_group_commit(g, NULL, NULL, &f->e);
}

static void check(const char *folder, const struct calls_mark *m, size_t n, void *arg)
{
    struct fixture f;
    int rc;

    at(&f, folder);
    if ((rc = fixture_open(&f)) != 0)
        fail_msg("it does not open: %d %s", rc, err_text(&f.e));
    assert_int_equal(f.report.damaged, 0);
    for (size_t i = 0; i < n; i++) {
        int want = 0;

        for (size_t j = i + 1; j < n; j++)
            want = m[j].what == DESTROYED && m[j].value == m[i].value ? -ENOENT : want;
        if (m[i].what != STORED)
            continue;
        rc = fixture_check(&f, (unsigned)m[i].value, bytes, content(m[i].value));
        if (rc != want)
            fail_msg("number %llu: %d, not %d", (unsigned long long)m[i].value, rc, want);
    }
    if ((rc = open_first_epoch(&f)) != 0 || (rc = fixture_store(&f, 999, "x", 1, NULL)) != 0)
        fail_msg("it does not go on: %d %s", rc, err_text(&f.e));
    assert_int_equal(fixture_check(&f, 999, "x", 1), 0);
    fixture_close(&f);
}

static void store(struct fixture *f, unsigned n)
{
    size_t size = content(n);

    assert_int_equal(fixture_store(f, n, bytes, size, NULL), 0);
    calls_mark(STORED, n, NULL);
}

static void from_the_founding_on_nothing_acknowledged_is_lost(void **state)
{
    struct crash_plan p = {.every = 3, .seeds = 2, .seed = 5};
    struct fixture f;

    if (getenv("SOAK_ROUNDS") != NULL)
        p = (struct crash_plan){.every = 1, .seeds = 20, .seed = 1000};
    calls_watch(crash_dir);
    at(&f, crash_dir);
    assert_int_equal(fixture_open(&f), 0);
    assert_int_equal(open_first_epoch(&f), 0);
    for (unsigned n = 1; n < 7; n++)
        store(&f, n);
    assert_int_equal(fixture_turn(&f), 0);
    calls_mark(TURNED, 1, NULL);
    store(&f, 7);
    fixture_close(&f);
    crash_enumerate(calls_take(), &p, check, NULL, &tally);
    print_message("%zu moments, %zu crash points, %zu of them with something to lose\n",
                  tally.moments, tally.points, tally.lossy);
    assert_true(tally.points > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(from_the_founding_on_nothing_acknowledged_is_lost,
                                        crash_set_up, crash_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
