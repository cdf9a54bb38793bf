/* intake.lookups: counts of countries, where the country belongs; every way such a leaf can lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "scene.h"

#define CLAIM "intake.lookups"

static struct scene scene;

static int set_up(void **state)
{
    static const struct history_spec spec = {.submissions = 2, .checkpoint = 1, .move = true};

    (void)state;
    scene_make(&scene, &spec);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scene_remove(&scene);
    return 0;
}

static void count(struct tale *t, const char *country, unsigned kind, uint64_t n, unix_time later)
{
    struct leaf_builder b;

    leaf_begin(&b, LK_LOOKUPS_COUNTED, tale_end(t) + later, t->site);
    leaf_set_text(&b, LF_COUNTRY, country);
    leaf_set_int(&b, LF_COUNT, n);
    leaf_set_word(&b, LF_SUBMISSION, kind);
    assert_int_equal(tale_add(t, &b, NULL), 0);
    assert_int_equal(tale_publish(t, tale_end(t) + later), 0);
}

/* One leaf more in the ledger of that site. */
static void expect(int site, const char *country, unsigned kind, uint64_t n,
                   enum audit_verdict verdict, const char *words)
{
    struct tale t;
    struct audit *a;
    const struct audit_result *r;

    scene_tale(&scene, site, &t);
    count(&t, country, kind, n, 60);
    a = scene_audit_as(&scene, site, &t);
    r = audit_find(a, CLAIM);
    if (r->verdict != verdict || strstr(r->sentence, words) == NULL)
        fail_msg("%s at %d: %s: %s", country, site, audit_verdict_word(r->verdict), r->sentence);
    if (verdict == AUDIT_PROVED) {
        assert_int_equal(r->n, n);
        assert_int_equal(r->basis, AUDIT_STATED);
    }
    audit_free(a);
    tale_free(&t);
}

static void counts_where_the_country_belongs_are_proved(void **state)
{
    (void)state;
    expect(ZRH, "CH", LW_SUBMISSION_LOOKUP, 1, AUDIT_PROVED, "counts of countries alone");
    expect(ZRH, "DE", LW_SUBMISSION_LOOKUP, LEAF_INT_MAX - 1, AUDIT_PROVED, "");
    expect(MOW, "RU", LW_SUBMISSION_STATISTIC, 12, AUDIT_PROVED, "");
}

/* Canada has moved hours ago: what was counted before is told at the end of the day. */
static void a_day_in_which_a_country_moved_counts_at_both_sites(void **state)
{
    (void)state;
    expect(ZRH, "CA", LW_SUBMISSION_LOOKUP, 3, AUDIT_PROVED, "");
}

static void what_does_not_belong_there_is_broken(void **state)
{
    (void)state;
    expect(ZRH, "RU", LW_SUBMISSION_LOOKUP, 3, AUDIT_BROKEN, "country RU in zone CH");
    expect(MOW, "CH", LW_SUBMISSION_LOOKUP, 3, AUDIT_BROKEN, "country CH in zone RU");
}

static void files_are_not_counted_so_and_nothing_is_no_count(void **state)
{
    (void)state;
    expect(ZRH, "CH", LW_SUBMISSION_FILE, 3, AUDIT_BROKEN, "a leaf of its own");
    expect(ZRH, "CH", LW_SUBMISSION_LOOKUP, 0, AUDIT_BROKEN, "nothing");
}

static void without_look_ups_there_is_nothing_to_prove(void **state)
{
    struct audit *a = scene_audit(&scene, NULL);

    (void)state;
    assert_int_equal(audit_find(a, CLAIM)->verdict, AUDIT_EMPTY);
    audit_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_where_the_country_belongs_are_proved),
        cmocka_unit_test(a_day_in_which_a_country_moved_counts_at_both_sites),
        cmocka_unit_test(what_does_not_belong_there_is_broken),
        cmocka_unit_test(files_are_not_counted_so_and_nothing_is_no_count),
        cmocka_unit_test(without_look_ups_there_is_nothing_to_prove),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
