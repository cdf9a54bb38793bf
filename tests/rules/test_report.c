/* The report of the tests: what passes, what is read and written, and what cannot be claimed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "rules/report.h"

#include "faults.h"

#define TREE "00000000000000000000000000000000000000000000000000000000000000d1"
#define BASE "00000000000000000000000000000000000000000000000000000000000000d0"
#define ROOT "00000000000000000000000000000000000000000000000000000000000000e1"
#define HEAD                                                                                       \
    "format: rules-report/v1\ntree: \"" TREE "\"\nbase: \"" BASE "\"\ncorpus_root: \"" ROOT        \
    "\"\nengines: walk.yara\n"
#define NUMBERS(missed, false_)                                                                    \
    "rules: 42\nallows: 3\nhit: 10\nmissed: " missed "\nclean: 1000\nfalse: " false_               \
    "\nunscanned: 2\nbytes: 123456\nms: 900\nbase_ms: 1000\n"

static const char good[] = HEAD NUMBERS("0", "0") "passed: \"yes\"\n";

static void what_is_read_is_written_the_same(void **state)
{
    struct rules_report r;
    struct buf b;

    (void)state;
    assert_int_equal(report_parse(&r, "r", span_str(good), NULL), 0);
    assert_int_equal(r.tree.b[31], 0xd1);
    assert_int_equal(r.base.b[31], 0xd0);
    assert_int_equal(r.corpus_root.b[31], 0xe1);
    assert_false(r.first);
    assert_string_equal(r.engines, "walk.yara");
    assert_int_equal(r.rules, 42);
    assert_int_equal(r.allows, 3);
    assert_int_equal(r.hit, 10);
    assert_int_equal(r.clean, 1000);
    assert_int_equal(r.unscanned, 2);
    assert_int_equal(r.bytes, 123456);
    assert_int_equal(r.ms, 900);
    assert_int_equal(r.base_ms, 1000);
    assert_true(r.passed);
    buf_init(&b, 4096);
    assert_int_equal(report_write(&r, &b), 0);
    assert_string_equal(buf_str(&b), good);
    buf_free(&b);
}

static void it_passes_when_nothing_is_missed_hit_or_slow(void **state)
{
    static const struct {
        struct rules_report r;
        unsigned slower;
        const char *says; /* NULL: it passes */
    } v[] = {
        {{.hit = 1, .clean = 1}, 150, NULL},
        {{.hit = 1, .clean = 1, .unscanned = 1}, 150, NULL}, /* encrypted ones are not the rules' */
        {{.hit = 0, .clean = 1}, 150, "nothing was tested that must be hit"},
        {{.hit = 1, .clean = 0}, 150, "nothing was tested that must not be hit"},
        {{.hit = 5, .missed = 1, .clean = 1}, 150, "1 of 5 files that must be hit were not"},
        {{.hit = 5, .clean = 7, .false_hits = 2}, 150, "2 of 7 files that must not be hit were"},
        {{.hit = 1, .clean = 1, .ms = 1500, .base_ms = 1000}, 150, NULL},
        {{.hit = 1, .clean = 1, .ms = 1501, .base_ms = 1000}, 150, "1501 ms where the base takes"},
        {{.hit = 1, .clean = 1, .ms = 1501, .base_ms = 1000}, 151, NULL},
        {{.hit = 1, .clean = 1, .ms = 99999, .base_ms = 0}, 100, NULL}, /* not compared */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        char why[200];
        bool passes = report_passes(&v[i].r, v[i].slower, why, sizeof(why));

        if (passes != (v[i].says == NULL) || (v[i].says != NULL && strstr(why, v[i].says) == NULL))
            fail_msg("%zu: %d %s", i, passes, why);
        assert_int_equal(report_passes(&v[i].r, v[i].slower, NULL, 0), passes);
    }
}

static void what_did_not_pass_cannot_say_so(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"[]\n", "r:1:1: a report is a map"},
        {"format: rules-report/v2\n", "r:1:9: format"},
        {HEAD "rules: many\n", "r:6:8: "},
        {HEAD NUMBERS("0", "0"), "r:1:1: "},
        {HEAD NUMBERS("0", "0") "passed: yes please\n", "r:16:9: "},
        {HEAD NUMBERS("1", "0") "passed: \"yes\"\n", "r:16:9: it did not pass: 1 of 10"},
        {HEAD NUMBERS("0", "4") "passed: \"yes\"\n", "r:16:9: it did not pass: 4 of 1000"},
        {HEAD NUMBERS("0", "0") "passed: \"yes\"\nwho: me\n", "r:17:1: "},
    };
    struct rules_report r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;

        assert_int_equal(report_parse(&r, "r", span_str(bad[i].text), &e), -EINVAL);
        if (strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%s: %s", bad[i].text, err_text(&e));
    }
    assert_int_equal(
        report_parse(&r, "r", span_str(HEAD NUMBERS("1", "0") "passed: \"no\"\n"), NULL), 0);
    assert_false(r.passed);
}

static int parse_good(void *ctx)
{
    struct rules_report r;

    (void)ctx;
    return report_parse(&r, "r", span_str(good), NULL);
}

static void running_out_of_memory_is_said(void **state)
{
    (void)state;
    assert_true(faults_each(parse_good, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_the_same),
        cmocka_unit_test(it_passes_when_nothing_is_missed_hit_or_slow),
        cmocka_unit_test(what_did_not_pass_cannot_say_so),
        cmocka_unit_test(running_out_of_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
