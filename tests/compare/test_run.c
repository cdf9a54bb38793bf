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
#include <sys/stat.h>
#include <sys/xattr.h>
#include <sys/sysmacros.h>
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
    expect(COMPARE_UNEXPLAINED, "line 1: \"file 3\" became \"filE 3\"");
}

/* Around the size up to which files are read and not mapped. */
static void the_last_byte_of_files_of_any_size_counts(void **state)
{
    static const int size[] = {1, 32767, 32768, 32769, 100000};
    char command[256], found[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(size); i++) {
        (void)snprintf(command, sizeof(command),
                       "head -c %d /dev/zero >a/x/1 && cp a/x/1 b/x/1 && rm -rf b/x/2 a/x/2",
                       size[i]);
        sh(command);
        expect(COMPARE_IDENTICAL, "identical");
        (void)snprintf(command, sizeof(command),
                       "printf x | dd of=b/x/1 bs=1 seek=%d conv=notrunc status=none", size[i] - 1);
        sh(command);
        (void)snprintf(found, sizeof(found), "1 bytes at 0x%x", (unsigned)size[i] - 1);
        expect(COMPARE_UNEXPLAINED, found);
        (void)snprintf(command, sizeof(command), "cp a/x/1 b/x/1 && printf '\\000' >>b/x/1");
        sh(command);
        expect(COMPARE_UNEXPLAINED, "bytes");
    }
}

static void a_mode_bit_is_unexplained(void **state)
{
    (void)state;
    sh("chmod 755 b/x/2");
    expect(COMPARE_UNEXPLAINED, "unexplained: the mode of \"2\" is 0644 and 0755");
    sh("chmod 644 b/x/2 && chmod 700 b/x/y");
    expect(COMPARE_UNEXPLAINED, "unexplained: the mode of \"y\" is 0755 and 0700");
    sh("chmod 1755 b/x/y");
    expect(COMPARE_UNEXPLAINED, "unexplained: the mode of \"y\" is 0755 and 1755");
    sh("chmod 755 b/x/y a/x/2 && chmod 4755 b/x/2");
    expect(COMPARE_UNEXPLAINED, "unexplained: the mode of \"2\" is 0755 and 4755");
    sh("chmod 2755 b/x/2");
    expect(COMPARE_UNEXPLAINED, "unexplained: the mode of \"2\" is 0755 and 2755");
}

static void a_renamed_file_keeps_its_mode(void **state)
{
    (void)state;
    sh("echo moved > a/x/old && echo moved > b/x/new && chmod 4644 b/x/new");
    expect(COMPARE_UNEXPLAINED, "unexplained: the mode of \"x/new\" is 0644 and 4644");
}

static void owners_matter_where_a_program_runs_as_them(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    sh("chown 7:8 b/x/2 && chmod 755 a/x/2 b/x/2");
    expect(COMPARE_IDENTICAL, "identical");
    sh("chmod 4755 a/x/2 b/x/2");
    expect(COMPARE_UNEXPLAINED, "\"2\", setuid or setgid, is owned by 0:0 and by 7:8");
    sh("chmod 2755 a/x/2 b/x/2 && chown 0:8 b/x/2 && chmod 2755 b/x/2");
    expect(COMPARE_UNEXPLAINED, "\"2\", setuid or setgid, is owned by 0:0 and by 0:8");
}

static void give(const char *file, const char *name, const char *value, size_t n)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, file);
    if (setxattr(path, name, value, n, 0) != 0) {
        if (errno == ENOTSUP || errno == EPERM)
            skip();
        fail_msg("%s", strerror(errno));
    }
}

static void attributes_are_told(void **state)
{
    (void)state;
    give("b/x/2", "user.note", "x", 1);
    expect(COMPARE_UNEXPLAINED, "the attribute \"user.note\" of \"2\" is only in B");
    give("a/x/2", "user.note", "y", 1);
    expect(COMPARE_UNEXPLAINED, "the attribute \"user.note\" of \"2\" differs, in 1 and 1 bytes");
    give("a/x/2", "user.note", "x", 1);
    expect(COMPARE_IDENTICAL, "identical");
    give("a/x/y", "user.overlay.origin", "x", 1);
    expect(COMPARE_IDENTICAL, "identical");
    give("a/x/y", "user.note", "", 0);
    expect(COMPARE_UNEXPLAINED, "the attribute \"user.note\" of \"y\" is only in A");
    sh("rm -r a/x/y b/x/y; echo moved > a/x/old; echo moved > b/x/new");
    expect(COMPARE_METADATA, "under another name");
    give("b/x/new", "user.note", "x", 1);
    expect(COMPARE_UNEXPLAINED, "the attribute \"user.note\" of \"x/new\" is only in B");
}

/* VFS_CAP_REVISION_2 with CAP_NET_RAW, little-endian: linux/capability.h. */
static void a_capability_is_content(void **state)
{
    static const char net_raw[20] = {1, 0, 0, 2, 0, 0x20};

    (void)state;
    give("b/x/2", "security.capability", net_raw, sizeof(net_raw));
    expect(COMPARE_UNEXPLAINED, "the attribute \"security.capability\" of \"2\" is only in B");
}

static void devices_are_told_apart_by_number(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/a/d", dir);
    if (geteuid() != 0 || mknod(path, S_IFCHR | 0600, makedev(1, 3)) != 0)
        skip();
    sh("mknod -m 600 b/d c 1 3");
    expect(COMPARE_IDENTICAL, "identical");
    sh("rm b/d && mknod -m 600 b/d c 1 5");
    expect(COMPARE_UNEXPLAINED, "the device \"d\" is 1:3 and 1:5");
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

/* Few pairs in each of many folders: the children get them together, and each lands in its own
 * folder; those without a difference are counted, not listed. */
static void pairs_of_many_folders_are_asked_together(void **state)
{
    struct compare_report *r;

    (void)state;
    sh("for i in $(seq 100 399); do mkdir -p a/d$i/e b/d$i/e; echo same > a/d$i/s; "
       "echo same > b/d$i/s; done; "
       "for i in $(seq 100 3 399); do echo $i > a/d$i/e/f; echo x$i > b/d$i/e/f; done");
    r = compared("a", "b");
    assert_int_equal(r->looked, 100);
    assert_int_equal(r->root->children, 100);
    for (size_t i = 0; i < 100; i++) {
        const struct compare_node *d = r->root->child[i];
        char name[16];

        (void)snprintf(name, sizeof(name), "d%zu", 100 + 3 * i);
        assert_string_equal(d->name[0], name);
        assert_int_equal(d->equal_children, 1);
        assert_int_equal(d->children, 1);
        assert_string_equal(d->child[0]->name[0], "e");
        assert_string_equal(d->child[0]->child[0]->name[1], "f");
    }
    compare_report_free(r);
}

static void a_renamed_file_is_known_by_its_content(void **state)
{
    (void)state;
    sh("echo moved > a/x/old && mkdir -p a/n b/n && echo moved > b/n/new");
    expect(COMPARE_METADATA, "x/old -> n/new (file): metadata-only");
    sh("echo moved > b/again"); /* one of A cannot be two of B */
    expect(COMPARE_UNEXPLAINED, "it is only in B");
    sh("rm b/again b/n/new && echo mOved > b/n/new");
    expect(COMPARE_UNEXPLAINED, "it is only in A");
    sh("rm a/x/old b/n/new && : > a/x/old && : > b/n/new"); /* all empty files are alike */
    expect(COMPARE_UNEXPLAINED, "it is only in A");
}

static void what_is_only_on_one_side_is_accounted_for(void **state)
{
    struct compare_report *r;
    const struct compare_node *n;

    (void)state;
    sh("echo four > b/x/y/new");
    r = compared("a", "b");
    n = r->root->child[0]->child[0]->child[0];
    assert_null(n->name[0]);
    assert_int_equal(n->size[1], 5);
    assert_int_equal(n->bytes[1][COMPARE_UNEXPLAINED], 5);
    compare_report_free(r);
}

static uint64_t stepped;
static void count_steps(void *arg, uint64_t done, uint64_t total)
{
    (void)total;
    assert_true(done >= stepped);
    stepped = done;
    ++*(unsigned *)arg;
}

static void every_byte_is_stepped_over(void **state)
{
    unsigned steps = 0;
    const struct compare_options o = {.step = count_steps, .arg = &steps};
    struct compare_report *r = NULL;
    char path[2][128];

    (void)state;
    sh("echo other > b/x/3; echo moved > a/old; echo moved > b/new");
    (void)snprintf(path[0], sizeof(path[0]), "%s/a", dir);
    (void)snprintf(path[1], sizeof(path[1]), "%s/b", dir);
    stepped = 0;
    assert_int_equal(compare_run(&r, path[0], path[1], &o, NULL), 0);
    /* five files of 7 bytes, of which one is 6 in B; and two that moved */
    assert_int_equal(stepped, 5 * 7 + 4 * 7 + 6 + 2 * 6);
    assert_true(steps >= 6);
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
        T(equal_trees_are_identical),
        T(a_byte_deep_in_a_tree_is_found),
        T(the_last_byte_of_files_of_any_size_counts),
        T(a_mode_bit_is_unexplained),
        T(a_renamed_file_keeps_its_mode),
        T(owners_matter_where_a_program_runs_as_them),
        T(attributes_are_told),
        T(a_capability_is_content),
        T(devices_are_told_apart_by_number),
        T(what_is_only_on_one_side_is_named),
        T(links_and_sorts_are_compared),
        T(names_drive_no_terminal),
        T(more_pairs_than_a_child_takes),
        T(pairs_of_many_folders_are_asked_together),
        T(a_renamed_file_is_known_by_its_content),
        T(what_is_only_on_one_side_is_accounted_for),
        T(every_byte_is_stepped_over),
        T(what_cannot_be_read_is_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
