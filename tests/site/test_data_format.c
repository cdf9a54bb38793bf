/* A data folder says which program it belongs to; older ones are brought up, newer ones refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "crypto/secret.h"
#include "site/data_format.h"

#define FILES 60

static char dir[64];

static void put(const char *name, const char *text)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static bool there(const char *name)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void says(const char *text)
{
    char path[128];
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/format", dir);
    buf_init(&b, 256);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    assert_string_equal(buf_str(&b), text);
    buf_free(&b);
}

static int set_up(void **state)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/format-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int tear_down(void **state)
{
    const char *argv[] = {"rm", "-rf", dir, NULL};
    pid_t pid = fork();

    if (pid == 0) {
        (void)execvp("rm", (char *const *)argv);
        _exit(127);
    }
    (void)waitpid(pid, NULL, 0);
    return 0;
}

static void a_folder_without_a_file_is_version_one_if_a_site_is_in_it(void **state)
{
    uint32_t v = 9;

    assert_int_equal(data_format_look(dir, &v, NULL), 0);
    assert_int_equal(v, 0);
    put("ledger.vkey", "x");
    assert_int_equal(data_format_look(dir, &v, NULL), 0);
    assert_int_equal(v, 1);
    assert_false(there("format")); /* looking changes nothing */
    assert_int_equal(data_format_bring(dir, &data_format_steps, NULL), 0);
    says("site-data/v1\n");
}

static void what_is_newer_or_nonsense_is_refused(void **state)
{
    static const struct {
        const char *text;
        int rc;
        const char *what;
    } rows[] = {
        {"site-data/v2\n", -EPROTONOSUPPORT, "knows formats up to 1"},
        {"site-data/v4294967295\n", -EPROTONOSUPPORT, "4294967295"},
        {"site-data/v4294967296\n", -EBADMSG, "does not say"},
        {"site-data/v0\n", -EBADMSG, "does not say"},
        {"site-data/v01\n", -EBADMSG, "does not say"},
        {"site-data/v\n", -EBADMSG, "does not say"},
        {"site-data/v1", -EBADMSG, "does not say"},
        {"site-data/v1\n\n", -EBADMSG, "does not say"},
        {"site-data/v1 \n", -EBADMSG, "does not say"},
        {"", -EBADMSG, "does not say"},
        {"site-data/v1\n                                                              ", -EBADMSG,
         "does not say"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        uint32_t v;

        put("format", rows[i].text);
        assert_int_equal(data_format_look(dir, &v, &e), rows[i].rc);
        assert_non_null(strstr(err_text(&e), rows[i].what));
        assert_int_equal(data_format_bring(dir, &data_format_steps, NULL), rows[i].rc);
        says(rows[i].text);
    }
}

/* --- steps of a program to come: a folder "a" whose files go to "b", then to "c" --- */

static int move_all(const char *at, const char *from, const char *to)
{
    char a[128], b[128];
    const struct timespec moment = {0, 200000};

    (void)snprintf(b, sizeof(b), "%s/%s", at, to);
    if (mkdir(b, 0700) != 0 && errno != EEXIST)
        return -errno;
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(a, sizeof(a), "%s/%s/%d", at, from, i);
        (void)snprintf(b, sizeof(b), "%s/%s/%d", at, to, i);
        if (rename(a, b) != 0 && errno != ENOENT)
            return -errno;
        (void)nanosleep(&moment, NULL);
    }
    (void)snprintf(a, sizeof(a), "%s/%s", at, from);
    return rmdir(a) == 0 || errno == ENOENT ? 0 : -errno;
}

static int to_two(const char *at, struct err *e)
{
    return move_all(at, "a", "b");
}

static int to_three(const char *at, struct err *e)
{
    return move_all(at, "b", "c");
}

static int fails(const char *at, struct err *e)
{
    return err_set(e, -ENOSPC, "the disk is full");
}

static void old_files(void)
{
    char name[128];

    put("ledger.vkey", "x");
    (void)snprintf(name, sizeof(name), "%s/a", dir);
    assert_int_equal(mkdir(name, 0700), 0);
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(name, sizeof(name), "a/%d", i);
        put(name, name);
    }
}

static void a_migration_that_is_killed_goes_on_where_it_was(void **state)
{
    data_format_step *const steps[] = {to_two, to_three};
    const struct data_format_steps two = {steps, 2};
    unsigned killed = 0;
    char name[32];
    int status;

    old_files();
    do { /* killed until one of them comes through */
        const struct timespec t = {0, 1000000 + (long)random_below(9000000)};
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            _exit(data_format_bring(dir, &two, NULL) == 0 ? 0 : 1);
        (void)nanosleep(&t, NULL);
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        killed += WIFSIGNALED(status);
    } while (WIFSIGNALED(status) && killed < 20);
    if (WIFSIGNALED(status))
        assert_int_equal(data_format_bring(dir, &two, NULL), 0);
    else
        assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(killed > 0);
    says("site-data/v3\n");
    assert_false(there("a") || there("b"));
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(name, sizeof(name), "c/%d", i);
        assert_true(there(name));
    }
    /* and the older program refuses it now */
    assert_int_equal(data_format_bring(dir, &data_format_steps, NULL), -EPROTONOSUPPORT);
}

static void a_step_that_fails_is_not_counted(void **state)
{
    data_format_step *const bad[] = {to_two, fails}, *const good[] = {to_two, to_three};
    struct err e = ERR_INIT;

    old_files();
    assert_int_equal(data_format_bring(dir, &(struct data_format_steps){bad, 2}, &e), -ENOSPC);
    assert_string_equal(err_text(&e),
                        "bringing the data folder from format 2 to 3: the disk is full");
    says("site-data/v2\n");
    assert_int_equal(data_format_bring(dir, &(struct data_format_steps){good, 2}, NULL), 0);
    says("site-data/v3\n");
}

int main(void)
{
#define each(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        each(a_folder_without_a_file_is_version_one_if_a_site_is_in_it),
        each(what_is_newer_or_nonsense_is_refused),
        each(a_migration_that_is_killed_goes_on_where_it_was),
        each(a_step_that_fails_is_not_counted),
    };

    log_open("test", LOG_ERROR_, -1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
