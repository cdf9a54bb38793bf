/* Power fails after any system call of a site's stores, and anything not synced is lost, torn or
 * reordered: what was acknowledged is there, proved; what was signed is never signed otherwise. */
#include "faultfs/scratch.h"

#include <string.h>

#include "base/log.h"
#include "faultfs/crash.h"
#include "stores.h"

static char dir[SCRATCH];
static struct stores s;
static struct crash_tally tally;

static void good(int rc)
{
    if (rc != 0)
        fail_msg("%d: %s", rc, err_text(&s.e));
}

/* The kind of everything a site does, in a little over a minute of its life. */
static void live(void)
{
    good(stores_accept(&s, 1));
    good(stores_accept(&s, 3));
    good(stores_publish(&s));
    good(stores_erase(&s, 2));
    good(stores_accept(&s, 2));
    good(stores_inventory(&s));
    good(stores_turn(&s));
    good(stores_reclaim(&s));
    good(stores_accept(&s, 4));
    good(stores_maintain(&s));
    good(stores_erase(&s, 5)); /* the same bytes as none yet */
    good(stores_accept(&s, 1));
    good(stores_publish(&s));
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
        p = (struct crash_plan){1, 0, 12, 77};
    return p;
}

static void a_life_is_whole_after_every_crash(void **state)
{
    struct crash_plan p = plan(3);

    good(stores_found(&s, dir));
    stores_close(&s);
    calls_watch(dir); /* what was opened before is not seen */
    good(stores_open(&s, dir));
    s.next = 1;
    live();
    stores_close(&s);
    crash_enumerate(calls_take(), &p, stores_check, NULL, &tally);
    report("a life");
}

static int set_up(void **state)
{
    log_open("test", LOG_ERROR_, -1);
    scratch_make(dir);
    return 0;
}

static int tear_down(void **state)
{
    if (crash_where()[0] != '\0')
        print_error("%s\n", crash_where());
    calls_watch(NULL);
    scratch_remove(dir);
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_life_is_whole_after_every_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
