#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static void every_day_of_four_centuries_and_the_last_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 2932897; day += day < 150000 || day > 2930000 ? 1 : 97) {
        int64_t t = day * 86400 + day % 86400;
        char ours[CLOCK_SECOND_LEN + 1], theirs[64];
        unix_time back = -1;
        time_t tt = (time_t)t;
        struct tm tm;

        assert_non_null(gmtime_r(&tt, &tm));
        assert_int_equal(strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ", &tm), 20);
        clock_second(ours, t);
        assert_string_equal(ours, theirs);
        assert_int_equal(clock_unsecond(span_str(ours), &back), 0);
        assert_true(back == t);
    }
}

static void a_minute_is_rounded_down(void **state)
{
    char out[CLOCK_MINUTE_LEN + 1];
    unix_time t;

    (void)state;
    clock_minute(out, 1795467119); /* date -u -d @1795467119: 2026-11-23T20:51:59Z */
    assert_string_equal(out, "2026-11-23T20:51Z");
    assert_int_equal(clock_unminute(span_str(out), &t), 0);
    assert_true(t == 1795467060);
}

static void moments_no_text_can_hold_become_the_first_or_last(void **state)
{
    char out[CLOCK_SECOND_LEN + 1];

    (void)state;
    clock_second(out, INT64_MIN);
    assert_string_equal(out, "1970-01-01T00:00:00Z");
    clock_second(out, INT64_MAX);
    assert_string_equal(out, "9999-12-31T23:59:59Z");
}

static void only_real_dates_in_the_one_spelling_are_read(void **state)
{
    static const struct {
        const char *text;
        bool minute, second;
    } row[] = {
        {"2024-02-29T00:00Z", true, true},
        {"2026-02-29T00:00Z", false, false},
        {"2000-02-29T00:00Z", true, true},
        {"2100-02-29T00:00Z", false, false},
        {"2026-04-31T00:00Z", false, false},
        {"2026-12-31T23:59Z", true, true},
        {"2026-13-01T00:00Z", false, false},
        {"2026-00-01T00:00Z", false, false},
        {"2026-01-00T00:00Z", false, false},
        {"2026-01-01T24:00Z", false, false},
        {"2026-01-01T00:60Z", false, false},
        {"1969-12-31T23:59Z", false, false},
        {"1970-01-01T00:00Z", true, true},
        {"9999-12-31T23:59Z", true, true},
        {"2026-01-01T00:00:60Z", false, false},
        {"2026-01-01T00:00:59Z", false, true},
        {"2026-01-01T00:00z", false, false},
        {"2026-01-01 00:00Z", false, false},
        {"2026-01-01T00:00", false, false},
        {" 2026-01-01T00:00Z", false, false},
        {"2026-1-01T00:00Z", false, false},
        {"2026-01-01T00:00+00:00", false, false},
        {"", false, false},
        {"2026-01-01T00:0:Z", false, false},
    };
    unix_time t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        assert_int_equal(clock_unminute(span_str(row[i].text), &t), row[i].minute ? 0 : -EBADMSG);
        assert_int_equal(clock_unsecond(span_str(row[i].text), &t), row[i].second ? 0 : -EBADMSG);
    }
}

static void monotonic_time_does_not_run_back_and_work_costs_cpu_time(void **state)
{
    uint64_t ns = clock_mono_ns(), cpu = clock_cpu_ns();
    mono_ms ms = clock_mono();
    volatile unsigned sink = 0;

    (void)state;
    for (unsigned i = 0; i < 2000000; i++)
        sink += i;
    assert_true(sink == 2839207360u); /* 1,999,999,000,000 mod 2^32: the work was done */
    assert_true(clock_mono_ns() > ns);
    assert_true(clock_mono() >= ms);
    assert_true(clock_cpu_ns() > cpu);
    assert_true(clock_now() > 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_four_centuries_and_the_last_agrees_with_the_c_library),
        cmocka_unit_test(a_minute_is_rounded_down),
        cmocka_unit_test(moments_no_text_can_hold_become_the_first_or_last),
        cmocka_unit_test(only_real_dates_in_the_one_spelling_are_read),
        cmocka_unit_test(monotonic_time_does_not_run_back_and_work_costs_cpu_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
