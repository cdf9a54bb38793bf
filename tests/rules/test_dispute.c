/* Disputes: what is written is read, every refusal says where, and who does nothing until the
 * deadline loses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "rules/dispute.h"

#define FILE_ "00000000000000000000000000000000000000000000000000000000000000d1"
#define HEAD "format: dispute/v1\nfile: \"" FILE_ "\"\nasker: owner\n"
#define TIMES "opened: 2026-11-26T10:00Z\ndue: 2026-12-03T10:00Z\n"

static const char good[] = HEAD TIMES "why: \"our \\\"installer\\\"\"\nsettled: none\n";

static void what_is_read_is_written_the_same(void **state)
{
    struct dispute d;
    struct buf b;

    (void)state;
    assert_int_equal(dispute_parse(&d, "d", span_str(good), NULL), 0);
    assert_int_equal(d.file.b[31], 0xd1);
    assert_int_equal(d.asker, RULES_OWNER);
    assert_int_equal(d.due - d.opened, 7 * 86400);
    assert_string_equal(d.why, "our \"installer\"");
    assert_int_equal(d.settled, DISPUTE_OPEN);
    buf_init(&b, 4096);
    assert_int_equal(dispute_write(&d, &b), 0);
    assert_string_equal(buf_str(&b), good);
    buf_free(&b);
}

static void every_refusal_says_where(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"[]\n", "d:1:1: a dispute is a map"},
        {"format: dispute/v2\n", "d:1:9: "},
        {"format: dispute/v1\nfile: none\n", "d:2:7: "},
        {"format: dispute/v1\nfile: \"" FILE_ "\"\nasker: me\n", "d:3:8: "},
        {HEAD "opened: today\n", "d:4:9: "},
        {HEAD "opened: 2026-11-26T10:00Z\ndue: 2026-11-26T10:00Z\nwhy: x\nsettled: none\n",
         "d:5:6: \"due\" is after \"opened\""},
        {HEAD "opened: 2026-11-26T10:00Z\ndue: 2027-11-27T10:01Z\nwhy: x\nsettled: none\n",
         "d:5:6: \"due\" is after \"opened\", by at most 366 days"},
        {HEAD TIMES "why: |\n  a\n  b\nsettled: none\n", "d:6:6: \"why\" is one line"},
        {HEAD TIMES "why: x\nsettled: maybe\n", "d:7:10: "},
        {HEAD TIMES "why: x\nsettled: none\nmore: y\n", "d:8:1: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;
        struct dispute d;

        assert_int_equal(dispute_parse(&d, "d", span_str(bad[i].text), &e), -EINVAL);
        if (strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("%zu: %s", i, err_text(&e));
    }
}

static void who_does_nothing_loses(void **state)
{
    static const struct {
        enum dispute_settled settled;
        unix_time now;
        enum dispute_test is;
    } v[] = {
        {DISPUTE_OPEN, 999, DISPUTE_TOLD},       {DISPUTE_OPEN, 1000, DISPUTE_MUST_NOT},
        {DISPUTE_OPEN, 5000, DISPUTE_MUST_NOT},  {DISPUTE_CLEAN, 0, DISPUTE_MUST_NOT},
        {DISPUTE_CLEAN, 5000, DISPUTE_MUST_NOT}, {DISPUTE_MALICIOUS, 0, DISPUTE_MUST},
        {DISPUTE_MALICIOUS, 5000, DISPUTE_MUST},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        const struct dispute d = {.due = 1000, .settled = v[i].settled};

        if (dispute_test(&d, v[i].now) != v[i].is)
            fail_msg("%zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_the_same),
        cmocka_unit_test(every_refusal_says_where),
        cmocka_unit_test(who_does_nothing_loses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
