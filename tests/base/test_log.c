#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

static int end[2];
static char got[1 << 20];

static int open_pipe(void **state)
{
    (void)state;
    if (pipe(end) != 0)
        return -1;
    log_open("keeper", LOG_INFO_, end[1]);
    return 0;
}

static int close_pipe(void **state)
{
    (void)state;
    (void)close(end[0]);
    return end[1] >= 0 ? close(end[1]) : 0;
}

/* What was written since, without the time, which is checked to be one. */
static const char *line(void)
{
    ssize_t n = read(end[0], got, sizeof(got) - 1);
    unix_time t;

    assert_true(n > 27);
    got[n] = '\0';
    assert_memory_equal(got, "time=", 5);
    assert_int_equal(clock_unsecond(span_of(got + 5, 20), &t), 0);
    assert_int_equal(got[25], ' ');
    return got + 26;
}

static void a_line_has_its_level_process_message_and_pairs(void **state)
{
    (void)state;
    errno = ENOTTY;
    log_info("group committed", "leaves", "4", "path", "a b", "none", "");
    assert_int_equal(errno, ENOTTY);
    assert_string_equal(line(),
                        "level=info at=keeper msg=\"group committed\" leaves=4 path=\"a b\" "
                        "none=\"\"\n");
    log_error("x");
    assert_string_equal(line(), "level=error at=keeper msg=\"x\"\n");
}

static void values_cannot_forge_pairs_or_lines(void **state)
{
    (void)state;
    log_warn("m", "v", "a\" level=error\nx\\\x1b\xff\xc2\x9b=");
    assert_string_equal(line(), "level=warn at=keeper msg=\"m\" v=\"a\\\" level=error\\nx\\\\?"
                                "?\?=\"\n");
}

static void lesser_levels_are_silent(void **state)
{
    (void)state;
    log_debug("not seen");
    log_info("seen");
    assert_non_null(strstr(line(), "msg=\"seen\"\n"));
    log_open("keeper", LOG_DEBUG_, end[1]);
    log_debug("now seen");
    assert_non_null(strstr(line(), "level=debug"));
}

static void a_line_is_cut_at_1024_bytes_and_stays_well_formed(void **state)
{
    char big[3000];

    (void)state;
    for (size_t pad = 0; pad < 8; pad++) {
        memset(big, 'a', pad);
        for (size_t i = pad; i + 2 < sizeof(big); i += 2)
            memcpy(big + i, "\xc3\xa9", 3);
        log_info("m", "v", big, "after", "x");
        (void)line();
        assert_in_range(strlen(got), 1022, 1024);
        assert_string_equal(got + strlen(got) - 2, "\"\n");
        assert_null(strstr(got, "after"));
        assert_true(text_is_utf8(span_str(got)));
        log_info(big, "after", "x");
        (void)line();
        assert_string_equal(got + strlen(got) - 2, "\"\n");
    }
}

static void *log_many(void *name)
{
    for (int i = 0; i < 50; i++)
        log_info("from a thread", "name", (const char *)name);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    char first[] = "aaaa", second[] = "bbbb";
    pthread_t a, b;
    size_t seen = 0;
    ssize_t n;
    char *rest;
    size_t all = 0;

    (void)state;
    assert_int_equal(pthread_create(&a, NULL, log_many, first), 0);
    assert_int_equal(pthread_create(&b, NULL, log_many, second), 0);
    assert_int_equal(pthread_join(a, NULL), 0);
    assert_int_equal(pthread_join(b, NULL), 0);
    (void)close(end[1]);
    end[1] = -1;
    while ((n = read(end[0], got + all, sizeof(got) - 1 - all)) > 0)
        all += (size_t)n;
    got[all] = '\0';
    for (char *p = strtok_r(got, "\n", &rest); p != NULL; p = strtok_r(NULL, "\n", &rest)) {
        assert_true(strcmp(p + 25, " level=info at=keeper msg=\"from a thread\" name=aaaa") == 0 ||
                    strcmp(p + 25, " level=info at=keeper msg=\"from a thread\" name=bbbb") == 0);
        seen++;
    }
    assert_int_equal(seen, 100);
}

#define PIPED(f) cmocka_unit_test_setup_teardown(f, open_pipe, close_pipe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPED(a_line_has_its_level_process_message_and_pairs),
        PIPED(values_cannot_forge_pairs_or_lines),
        PIPED(lesser_levels_are_silent),
        PIPED(a_line_is_cut_at_1024_bytes_and_stays_well_formed),
        PIPED(lines_of_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
