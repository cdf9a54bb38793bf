/* kill -9 of any process of either site while countries move from one to the other under load: no
 * file is lost between them, none is at both, and no claim is BROKEN.  $SOAK_ROUNDS rounds, or
 * twelve. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/secret.h"
#include "rig_load.h"
#include "rig_priv.h"

#define ROUNDS 12
#define KILLS 4   /* of one move */
#define FILES 40  /* of one country */
#define BEFORE 10 /* seconds until the policy lets them move, and so many for each of them: */
#define BEFORE_EACH 2
#define PATIENCE 6 /* RIG_SOONs that a move may take once nobody is killed any more */

static struct rig *r;
static struct load l;
static unsigned rounds, on_the_way; /* how often somebody died while a country was on its way */

static int set_up(void **state)
{
    static const struct load_target target[] = {{RIG_ZRH, "CH"}, {RIG_MOW, "DE"}};
    struct rig_plan plan = {.sites = 2, .scanning = true};

    (void)state;
    rounds = rig_rounds(ROUNDS);
    plan.movers = (rounds + KILLS - 1) / KILLS;
    if (plan.movers > RIG_MOVERS)
        plan.movers = RIG_MOVERS;
    plan.moves_in = BEFORE + BEFORE_EACH * (int)plan.movers;
    r = rig_open(&plan);
    load_open(&l, r, target, 2);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(r);
    load_close(&l);
    return 0;
}

/* Does the first file of the country say at the old site that it has moved? */
static bool has_moved(const char *country)
{
    struct rig_state now = {.moved = false};
    struct rig_sub s;
    struct err e = ERR_INIT;
    int status = 0;

    memset(&s, 0, sizeof(s));
    for (size_t i = 0; i < l.n && status == 0; i++) {
        if (memcmp(l.one[i].country, country, 2) != 0)
            continue;
        s.sub = l.one[i].sub;
        text_id(s.hex, &s.sub);
        rig_ok(submitter_key(&s.key, r->secret, &s.sub), &e);
        status = rig_trace(r, RIG_MOW, &s, &now);
        rig_sub_free(&s);
    }
    return status == 200 && now.moved;
}

/* Once more with the same approval, until it says that it has been carried out. */
static void bring_to_its_end(const char *country, const struct buf *approval)
{
    const struct pm_admin ask = {.what = ADMIN_RELOCATE, .document = READ_MOVE};
    mono_ms until = clock_mono() + PATIENCE * RIG_SOON;
    char text[1024] = "";
    int rc = -EPIPE;

    while (rc != 0 && rc != -EEXIST) {
        if (clock_mono() > until)
            fail_msg("%s does not come over: %d %s", country, rc, text);
        rc = rig_admin_try(r, RIG_MOW, &ask, approval, text);
        if (rc != 0 && rc != -EEXIST)
            load_for(&l, 200, 200); /* under way, or a part is being started */
    }
    assert_true(has_moved(country));
    for (size_t i = 0; i < l.n; i++)
        if (memcmp(l.one[i].country, country, 2) == 0)
            l.one[i].place = RIG_ZRH;
}

/* The administrator asks and goes: the move is the keeper's. */
static void begin(const struct buf *approval)
{
    const struct pm_admin ask = {.what = ADMIN_RELOCATE, .document = READ_MOVE};

    rig_admin_leave(r, RIG_MOW, &ask, approval);
}

static void move_one(const char *country, unsigned kills)
{
    struct buf approval;

    rig_approve_move(r, country, RIG_MOW, RIG_ZRH, &approval);
    print_message("\n%s: ", country);
    begin(&approval);
    for (unsigned i = 0; i < kills; i++) {
        load_for(&l, 0, 200);
        if (random_below(5) == 0)
            load_without_witness(&l, random_below(1500));
        on_the_way += !has_moved(country);
        load_kill(&l, random_below(2));
    }
    bring_to_its_end(country, &approval);
    buf_free(&approval);
}

static void countries_move_whole_whoever_dies(void **state)
{
    unsigned left = rounds;

    (void)state;
    for (size_t i = 0; i < r->plan.movers; i++)
        for (size_t k = 0; k < FILES; k++)
            (void)load_submit(&l, RIG_MOW, r->mover[i]);
    while (clock_now() <= r->canada_moves)
        rig_nap(200);
    for (size_t i = 0; i < r->plan.movers; i++) {
        unsigned kills = left / (unsigned)(r->plan.movers - i);

        left -= kills;
        move_one(r->mover[i], kills);
        load_reckon(&l, 20);
    }
    load_tell(&l, rounds);
    print_message("%u of them while a country was on its way\n", on_the_way);
    load_reckon(&l, 0);
    rig_turn_epoch(r, RIG_MOW); /* now what has left cannot be read there any more */
    rig_settle(r, RIG_MOW);
    {
        struct audit *a = rig_audit(r);

        rig_proved(a, "residency.relocation", r->plan.movers, 0);
        audit_free(a);
    }
    rig_stop(r, RIG_ZRH);
    rig_stop(r, RIG_MOW);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(countries_move_whole_whoever_dies)};

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
