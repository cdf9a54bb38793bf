/* Counts of look-ups are told once a day: when the day (UTC) has ended, and not before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "events/leaf.h"
#include "site/keeper_lookup.h"

#define DAY 86400
#define MIDNIGHT 1793836800 /* 2026-11-05T00:00:00Z: date -ud @1793836800 */

static unix_time now;
static char told[8][256]; /* leaves, as they were added to the group */
static size_t tellings;

unix_time __wrap_clock_now(void);
void __wrap_keeper_group_add(struct keeper *k, struct act *a);

unix_time __wrap_clock_now(void)
{
    return now;
}

void __wrap_keeper_group_add(struct keeper *k, struct act *a)
{
    (void)k;
    assert_true(tellings < 8);
    assert_int_equal(a->leaves, 1);
    (void)snprintf(told[tellings++], sizeof(told[0]), "%.*s", (int)a->leaf[0].len,
                   (const char *)a->leaf[0].data);
    keeper_act_free(a);
}

static void looked(struct keeper *k, const char *country, uint64_t n)
{
    struct pm_looked m = {.n = n};

    (void)snprintf(m.country, sizeof(m.country), "%s", country);
    keeper_lookup_count(k, &m);
}

static void has(const char *begin)
{
    for (size_t i = 0; i < tellings; i++)
        if (strncmp(told[i], begin, strlen(begin)) == 0)
            return;
    fail_msg("nothing begins with %s", begin);
}

static void a_day_is_told_when_it_has_ended(void **state)
{
    static struct config c = {.site = "zrh1"};
    static struct keeper k;

    (void)state;
    k.c = &c;
    assert_int_equal(keeper_lookup_open(&k), 0);
    now = MIDNIGHT + 5;
    keeper_lookup_tick(&k);
    looked(&k, "CH", 5);
    looked(&k, "LI", 1);
    for (now = MIDNIGHT + 6; now < MIDNIGHT + DAY; now += 3600) {
        keeper_lookup_tick(&k);
        looked(&k, "CH", 1);
    }
    assert_int_equal(tellings, 0);
    now = MIDNIGHT + DAY;
    keeper_lookup_tick(&k);
    assert_int_equal(tellings, 2);
    has("{\"count\":29,\"country\":\"CH\",\"kind\":\"lookups.counted\",\"site\":\"zrh1\","
        "\"submission\":\"lookup\",\"time\":\"2026-11-06T00:00Z\",\"v\":1}");
    has("{\"count\":1,\"country\":\"LI\",\"kind\":\"lookups.counted\",");
    keeper_lookup_tick(&k);
    now += 3 * DAY; /* days without any */
    keeper_lookup_tick(&k);
    assert_int_equal(tellings, 2);
    looked(&k, "LI", 4);
    now += DAY - 1;
    keeper_lookup_tick(&k);
    assert_int_equal(tellings, 2);
    now += 1;
    keeper_lookup_tick(&k);
    assert_int_equal(tellings, 3);
    has("{\"count\":4,\"country\":\"LI\",\"kind\":\"lookups.counted\",");
    keeper_lookup_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_day_is_told_when_it_has_ended)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
