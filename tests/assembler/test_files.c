/* A program that takes long is killed when it is to be cancelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/files.h"
#include "base/clock.h"

/* The program says when it runs: cancel is what it then makes readable. */
static void a_program_is_killed_when_it_is_cancelled(void **state)
{
    char dir[] = "/tmp/assembler-files-XXXXXX", ready[64], script[200];
    const char *argv[] = {"sh", "-c", script, NULL};
    struct err e = ERR_INIT;
    mono_ms began = clock_mono();
    int cancel;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(ready, sizeof(ready), "%s/ready", dir);
    assert_int_equal(mkfifo(ready, 0600), 0);
    cancel = open(ready, O_RDWR | O_CLOEXEC);
    assert_true(cancel >= 0);
    (void)snprintf(script, sizeof(script), "echo >%s; exec sleep 300", ready);
    assert_int_equal(files_run_until(cancel, argv, NULL, &e), -ECANCELED);
    assert_true(clock_mono() - began < 15000);
    assert_int_equal(unlink(ready), 0);
    assert_int_equal(rmdir(dir), 0);
    (void)close(cancel);
}

static void what_ends_by_itself_is_not_cancelled(void **state)
{
    const char *argv[] = {"sh", "-c", "echo said", NULL};
    struct err e = ERR_INIT;
    struct buf out;
    int never[2];

    (void)state;
    assert_int_equal(pipe(never), 0);
    buf_init(&out, 100);
    assert_int_equal(files_run_until(never[0], argv, &out, &e), 0);
    assert_string_equal(buf_str(&out), "said\n");
    buf_free(&out);
    (void)close(never[0]);
    (void)close(never[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_program_is_killed_when_it_is_cancelled),
                                       cmocka_unit_test(what_ends_by_itself_is_not_cancelled)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
