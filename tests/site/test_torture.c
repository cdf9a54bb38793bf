/* Each call of a site's stores that can fail fails once: an allocation, an open, a write, a sync, a
 * rename ... for k = 1, 2, 3 ... until a whole life passes without meeting the k-th.  After each
 * the life goes on, the stores are closed and opened again, and everything promised must be there.
 * Leaks and wild pointers are AddressSanitizer's to find. */
#include "faultfs/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "faultfs/calls.h"
#include "faultfs/memory.h"
#include "stores.h"

static char dir[SCRATCH];
static struct stores s;
static unsigned long met[CALL_KINDS]; /* failures of each kind, over all runs */

struct torture {
    const char *name;
    unsigned mask;
    int err;
    unsigned times; /* failures in a row, 0: from then on */
    unsigned step, soak_step;
};

/* The words that say what was acknowledged are taken from the record's end. */
static struct calls_mark marks[4096];
static size_t n_marks;

static void take_marks(void)
{
    struct calls_trace *t = calls_take();
    struct disk *d = calls_trace_disk(t);

    n_marks = 0;
    for (size_t i = 0; i < calls_trace_steps(t); i++) {
        calls_trace_step(t, i, d, &marks[n_marks]);
        n_marks += marks[n_marks].what >= 0;
        assert_true(n_marks < ARRAY_LEN(marks));
    }
    disk_free(d);
    calls_trace_free(t);
}

/* Goes on whatever fails, as a server would. */
static void live(void)
{
    int rc = stores_open(&s, dir);

    if (rc != 0 && (s.e.code != rc || s.e.text[0] == '\0'))
        fail_msg("opening failed with %d and says \"%s\" (%d)", rc, s.e.text, s.e.code);
    if (rc == 0) {
        s.next = 1;
        (void)!stores_accept(&s, 2);
        (void)!stores_publish(&s);
        (void)!stores_erase(&s, 1);
        (void)!stores_accept_overlapping(&s, 2);
        (void)!stores_turn(&s);
        (void)!stores_inventory(&s);
        (void)!stores_reclaim(&s);
        (void)!stores_maintain(&s);
        (void)!stores_accept(&s, 1);
        (void)!stores_rules(&s, 1);
        (void)!stores_judge(&s, 2, 1, false);
        (void)!stores_rules(&s, 2);
        (void)!stores_judge(&s, 2, 2, true);
        (void)!stores_trip(&s);
        (void)!stores_rules(&s, 3);
        (void)!stores_judge(&s, 2, 3, true);
        (void)!stores_round(&s);
        (void)!stores_publish(&s);
        /* else every upload is refused and /healthz says that all is well */
        if (vault_stopped(s.k->vault) != 0 && s.k->stopped == 0)
            fail_msg("the vault has stopped and the keeper does not know");
    }
    stores_close(&s);
}

static void fresh(void)
{
    scratch_remove(dir);
    scratch_make(dir);
    if (stores_found(&s, dir) != 0)
        fail_msg("founding: %s", err_text(&s.e));
    stores_close(&s);
}

/* false: the life passed without meeting the k-th call */
static bool once(const struct torture *t, unsigned long k)
{
    bool failed;

    fresh();
    calls_watch(dir);
    calls_fail(k, t->mask, t->err, t->times);
    live();
    failed = calls_failed();
    if (failed)
        met[calls_failed_kind()]++;
    calls_fail(0, 0, 0, 0);
    take_marks();
    stores_check(dir, marks, n_marks, NULL);
    return failed;
}

static unsigned long at; /* the k being tried, for the message */

static void torment(const struct torture *t)
{
    unsigned step = getenv("SOAK_ROUNDS") != NULL ? t->soak_step : t->step;
    unsigned long runs = 0;

    memset(met, 0, sizeof(met));
    for (at = 1 + step / 3; once(t, at); at += step)
        runs++;
    print_message("%s: %lu of about %lu calls failed in turn (", t->name, runs, at);
    for (unsigned i = 0; i < CALL_KINDS; i++)
        if (met[i] > 0)
            print_message(" %s %lu", call_names[i], met[i]);
    print_message(" )\n");
    assert_true(at > 60);
    at = 0;
}

static void no_memory_once(void **state)
{
    const struct torture t = {"memory", 1U << CALL_MEMORY, ENOMEM, 1, 151, 1};

    torment(&t);
}

static void an_input_output_error_once(void **state)
{
    const struct torture t = {"EIO once", CALLS_DISK, EIO, 1, 41, 1};

    torment(&t);
}

static void a_full_disk_for_a_while(void **state)
{
    const struct torture t = {"ENOSPC five times",
                              1U << CALL_WRITE | 1U << CALL_SPACE | 1U << CALL_OPEN,
                              ENOSPC,
                              5,
                              37,
                              1};

    torment(&t);
}

static void a_disk_that_dies(void **state)
{
    const struct torture t = {"EIO for ever", CALLS_DISK, EIO, 0, 61, 3};

    torment(&t);
}

static void half_of_each_write_and_read(void **state)
{
    fresh();
    calls_watch(dir);
    calls_halve(true);
    live();
    take_marks();
    calls_halve(false);
    stores_check(dir, marks, n_marks, NULL);
    assert_true(n_marks > 20);
}

static int set_up(void **state)
{
    log_open("test", LOG_ERROR_, open("/dev/null", O_WRONLY | O_CLOEXEC));
    return 0;
}

static int tear_down(void **state)
{
    if (at != 0)
        print_error("the %lu-th call failed\n", at);
    at = 0;
    calls_fail(0, 0, 0, 0);
    calls_watch(NULL);
    scratch_remove(dir);
    return 0;
}

/* ./test-site-torture [NAME]: of one test alone */
int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(half_of_each_write_and_read),
        T(an_input_output_error_once),
        T(a_full_disk_for_a_while),
        T(a_disk_that_dies),
        T(no_memory_once),
    };

    memory_of_sqlite();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
