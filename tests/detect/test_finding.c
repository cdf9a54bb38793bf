#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "detect/verdict.h"

static struct finding made(enum verdict v, enum verdict_reason r, const char *a, const char *b)
{
    struct finding f;
    struct span names[2] = {span_str(a != NULL ? a : ""), span_str(b != NULL ? b : "")};

    finding_init(&f);
    if (v == VERDICT_INCOMPLETE)
        finding_incomplete(&f, r);
    if (v == VERDICT_MALICIOUS)
        assert_int_equal(finding_malicious(&f, names, b != NULL ? 2 : 1), 0);
    return f;
}

static void the_words_are_those_of_the_events_page(void **state)
{
    /* docs/events.md, scan.done, in its order */
    static const char *const reasons[] = {"none", "encrypted",   "recursion", "files",  "size",
                                          "time", "unsupported", "damaged",   "engine", "crash"};
    enum verdict_reason r;
    enum verdict v;

    (void)state;
    assert_int_equal(ARRAY_LEN(reasons), REASONS);
    for (size_t i = 0; i < REASONS; i++) {
        assert_string_equal(verdict_reason_word((enum verdict_reason)i), reasons[i]);
        assert_int_equal(verdict_reason_of_word(span_str(reasons[i]), &r), 0);
        assert_int_equal(r, i);
    }
    assert_string_equal(verdict_word(VERDICT_MALICIOUS), "malicious");
    assert_string_equal(verdict_word(VERDICT_CLEAN), "clean");
    assert_string_equal(verdict_word(VERDICT_INCOMPLETE), "incomplete");
    assert_int_equal(verdict_of_word(span_str("incomplete"), &v), 0);
    assert_int_equal(v, VERDICT_INCOMPLETE);
    assert_int_equal(verdict_of_word(span_str("Clean"), &v), -EBADMSG);
    assert_int_equal(verdict_reason_of_word(span_str("crashed"), &r), -EBADMSG);
}

static void names_are_sorted_and_each_stands_once(void **state)
{
    struct span names[] = {span_str("b"), span_str("a.x"), span_str("a"), span_str("b"),
                           span_str("B")};
    struct finding f;

    (void)state;
    finding_init(&f);
    assert_int_equal(finding_malicious(&f, names, ARRAY_LEN(names)), 0);
    assert_string_equal(buf_str(&f.names), "B\na\na.x\nb");
    assert_int_equal(f.hits, 4);
    finding_done(&f);
}

static void names_that_could_not_be_a_rule_are_refused_and_change_nothing(void **state)
{
    static const char *const bad[] = {"", "a b", "a\nb", "a\"", "\xc3\xa4", "a/b"};
    struct finding f = made(VERDICT_MALICIOUS, REASON_NONE, "kept", NULL);
    char longest[VERDICT_NAME_MAX + 2];
    struct span name;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        name = span_str(bad[i]);
        assert_int_equal(finding_malicious(&f, &name, 1), -EBADMSG);
    }
    memset(longest, 'a', sizeof(longest));
    name = span_of(longest, VERDICT_NAME_MAX + 1);
    assert_int_equal(finding_malicious(&f, &name, 1), -EBADMSG);
    assert_int_equal(finding_malicious(&f, NULL, 0), -EINVAL);
    assert_string_equal(buf_str(&f.names), "kept");
    name = span_of(longest, VERDICT_NAME_MAX);
    assert_int_equal(finding_malicious(&f, &name, 1), 0);
    finding_done(&f);
}

static void the_worst_wins(void **state)
{
    static const struct {
        enum verdict a, b, want;
        enum verdict_reason ra, rb, reason;
    } rows[] = {
        {VERDICT_CLEAN, VERDICT_CLEAN, VERDICT_CLEAN, 0, 0, 0},
        {VERDICT_CLEAN, VERDICT_INCOMPLETE, VERDICT_INCOMPLETE, 0, REASON_TIME, REASON_TIME},
        {VERDICT_INCOMPLETE, VERDICT_CLEAN, VERDICT_INCOMPLETE, REASON_TIME, 0, REASON_TIME},
        {VERDICT_CLEAN, VERDICT_MALICIOUS, VERDICT_MALICIOUS, 0, 0, 0},
        {VERDICT_MALICIOUS, VERDICT_INCOMPLETE, VERDICT_MALICIOUS, 0, REASON_CRASH, 0},
        {VERDICT_INCOMPLETE, VERDICT_MALICIOUS, VERDICT_MALICIOUS, REASON_CRASH, 0, 0},
        {VERDICT_INCOMPLETE, VERDICT_INCOMPLETE, VERDICT_INCOMPLETE, REASON_CRASH, REASON_SIZE,
         REASON_SIZE},
        {VERDICT_INCOMPLETE, VERDICT_INCOMPLETE, VERDICT_INCOMPLETE, REASON_SIZE, REASON_CRASH,
         REASON_SIZE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct finding a = made(rows[i].a, rows[i].ra, "n", NULL);
        struct finding b = made(rows[i].b, rows[i].rb, "n", NULL);

        assert_int_equal(finding_add(&a, &b), 0);
        assert_int_equal(a.verdict, rows[i].want);
        assert_int_equal(a.reason, rows[i].reason);
        assert_int_equal(a.names.len > 0, rows[i].want == VERDICT_MALICIOUS);
        assert_int_equal(a.hits > 0, rows[i].want == VERDICT_MALICIOUS);
        finding_done(&a);
        finding_done(&b);
    }
}

static void two_engines_names_are_united(void **state)
{
    struct finding a = made(VERDICT_MALICIOUS, 0, "m", "z"),
                   b = made(VERDICT_MALICIOUS, 0, "a", "m");

    (void)state;
    assert_int_equal(finding_add(&a, &b), 0);
    assert_string_equal(buf_str(&a.names), "a\nm\nz");
    assert_int_equal(a.hits, 3);
    finding_done(&a);
    finding_done(&b);
}

static void names_beyond_the_limit_are_counted_but_not_kept(void **state)
{
    static char text[VERDICT_NAMES_MAX + 10][8];
    struct span names[VERDICT_NAMES_MAX + 10];
    struct finding f;
    size_t lines = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(text[i], sizeof(text[i]), "r%04zu", ARRAY_LEN(names) - 1 - i);
        names[i] = span_str(text[i]);
    }
    finding_init(&f);
    assert_int_equal(finding_malicious(&f, names, ARRAY_LEN(names)), 0);
    assert_int_equal(f.hits, VERDICT_NAMES_MAX + 10);
    assert_memory_equal(buf_str(&f.names), "r0000\nr0001\n", 12);
    for (const char *p = buf_str(&f.names); *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, VERDICT_NAMES_MAX);
    finding_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_are_those_of_the_events_page),
        cmocka_unit_test(names_are_sorted_and_each_stands_once),
        cmocka_unit_test(names_that_could_not_be_a_rule_are_refused_and_change_nothing),
        cmocka_unit_test(the_worst_wins),
        cmocka_unit_test(two_engines_names_are_united),
        cmocka_unit_test(names_beyond_the_limit_are_counted_but_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
