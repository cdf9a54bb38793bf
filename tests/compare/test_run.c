/* Trees and files, through the jailed child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/compare.h"

static char dir[64];

static void sh(const char *command)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        if (chdir(dir) == 0)
            (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    if (status != 0)
        fail_msg("%s", command);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/compare-XXXXXX");
    assert_non_null(mkdtemp(dir));
    sh("mkdir -p a/x/y b/x/y && for i in 1 2 3 4 5; do echo file $i | tee a/x/$i > b/x/$i; done && "
       "ln -s x/1 a/l && ln -s x/1 b/l");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

static struct compare_report *compared(const char *a, const char *b)
{
    char path[2][128];
    struct compare_report *r = NULL;
    struct err e = ERR_INIT;

    (void)snprintf(path[0], sizeof(path[0]), "%s/%s", dir, a);
    (void)snprintf(path[1], sizeof(path[1]), "%s/%s", dir, b);
    if (compare_run(&r, path[0], path[1], NULL, &e) != 0)
        fail_msg("%s", err_text(&e));
    return r;
}

static void expect(enum compare_class class, const char *text)
{
    struct compare_report *r = compared("a", "b");
    struct buf out;

    buf_init(&out, 1 << 20);
    assert_int_equal(compare_text(r, false, &out), 0);
    if (r->root->class != class || strstr(buf_str(&out), text) == NULL)
        fail_msg("no \"%s\" in:\n%s", text, buf_str(&out));
    buf_reset(&out);
    assert_int_equal(compare_json(r, &out), 0);
    buf_free(&out);
    compare_report_free(r);
}

static void equal_trees_are_identical(void **state)
{
    (void)state;
    expect(COMPARE_IDENTICAL, "identical");
}

static void a_byte_deep_in_a_tree_is_found(void **state)
{
    (void)state;
    sh("printf 'filE 3\n' > b/x/3");
    expect(COMPARE_UNEXPLAINED, "3 (bytes): unexplained");
}

static void a_mode_bit_is_metadata(void **state)
{
    (void)state;
    sh("chmod 755 b/x/2");
    expect(COMPARE_METADATA, "the mode of \"2\" is 0644 and 0755");
    sh("chmod 644 b/x/2 && chmod 700 b/x/y");
    expect(COMPARE_METADATA, "the mode of \"y\"");
}

static void what_is_only_on_one_side_is_named(void **state)
{
    (void)state;
    sh("echo new > b/x/y/new");
    expect(COMPARE_UNEXPLAINED, "it is only in B");
    sh("rm b/x/y/new && rm b/x/4");
    expect(COMPARE_UNEXPLAINED, "it is only in A");
}

static void links_and_sorts_are_compared(void **state)
{
    (void)state;
    sh("ln -sf x/2 b/l");
    expect(COMPARE_UNEXPLAINED, "leads to \"x/1\" and to \"x/2\"");
    sh("rm b/l && echo x > b/l");
    expect(COMPARE_UNEXPLAINED, "is a link in A and a file in B");
}

static void names_drive_no_terminal(void **state)
{
    (void)state;
    sh("touch \"b/$(printf 'x\\033[2Jy')\"");
    expect(COMPARE_UNEXPLAINED, "x?[2Jy");
}

static void more_pairs_than_a_child_takes(void **state)
{
    struct compare_report *r;

    (void)state;
    sh("for i in $(seq 300); do echo $i > a/x/y/$i; echo x$i > b/x/y/$i; done");
    r = compared("a", "b");
    assert_int_equal(r->looked, 300);
    assert_int_equal(r->root->child[0]->child[0]->children, 300);
    compare_report_free(r);
}

static void what_cannot_be_read_is_trouble(void **state)
{
    struct compare_report *r = NULL;
    char path[128];
    struct err e = ERR_INIT;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/none", dir);
    assert_int_equal(compare_run(&r, path, dir, NULL, &e), -ENOENT);
    assert_null(r);
    (void)snprintf(path, sizeof(path), "%s/a/x/1", dir);
    assert_int_equal(compare_run(&r, path, dir, NULL, &e), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(equal_trees_are_identical),     T(a_byte_deep_in_a_tree_is_found),
        T(a_mode_bit_is_metadata),        T(what_is_only_on_one_side_is_named),
        T(links_and_sorts_are_compared),  T(names_drive_no_terminal),
        T(more_pairs_than_a_child_takes), T(what_cannot_be_read_is_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
