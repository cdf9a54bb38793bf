/* kill -9 of any process of a site under load, the witness away and the epoch turning now and then:
 * what was acknowledged stays, what was erased stays away, what was not acknowledged can be sent
 * again, nothing else is there, and no claim is BROKEN.
 * $SOAK_ROUNDS rounds, or twelve. */
#include <stdlib.h>

#include "crypto/secret.h"
#include "rig_load.h"

#define ROUNDS 12
#define RECKON_EVERY 10 /* rounds; every one while there are few */

static struct rig *r;
static struct load l;

static int set_up(void **state)
{
    static const struct load_target target[] = {{RIG_ZRH, "CH"}, {RIG_ZRH, "DE"}, {RIG_ZRH, "FR"}};
    const struct rig_plan plan = {.sites = 1, .scanning = true};

    (void)state;
    r = rig_open(&plan);
    load_open(&l, r, target, 3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(r);
    load_close(&l);
    return 0;
}

static void nothing_acknowledged_is_lost(void **state)
{
    unsigned rounds = rig_rounds(ROUNDS);

    (void)state;
    for (unsigned i = 0; i < rounds; i++) {
        load_for(&l, 50, 600);
        if (random_below(4) == 0)
            load_without_witness(&l, random_below(1500));
        if (random_below(4) == 0)
            load_turn(&l, RIG_ZRH);
        load_kill(&l, RIG_ZRH);
        if (i < ROUNDS || i % RECKON_EVERY == 0)
            load_reckon(&l, 20);
    }
    load_tell(&l, rounds);
    assert_true(l.acknowledged > rounds && l.erased > 0);
    load_reckon(&l, 0);
    rig_stop(r, RIG_ZRH);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_acknowledged_is_lost)};

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
