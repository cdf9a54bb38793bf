/* Each allocation of a look, and of a whole comparison with its children, fails once: the answer is
 * trouble or a report in which nothing became smaller; nothing is lost, no file stays open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../people/faults.h"
#include "base/io.h"
#include "compare/look_priv.h"

char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n)
{
    return faults_now() ? NULL : __real_strndup(s, n);
}

#define MANY 5000 /* allocations of one case, at most */

static const struct {
    const char *a, *b;
} pairs[] = {
    {"one\ntwo\nthree\nfour\n", "one\n2\nthree\nnew\nfour\n"},
    {"{\"a\":[1,2,{\"b\":null}],\"c\":1}", "{\"c\":1, \"a\":[1,3,2,{\"b\":true}],\"d\":{}}"},
    {"\001\002\003\004", "\001\002\005\004\006"},
};

static void a_look_without_memory_is_no_better(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        int k = 0;

        for (bool whole = false; !whole; k++) {
            struct compare_node *n = NULL;
            struct look_budget budget;
            int rc;

            assert_true(k < MANY);
            look_budget_init(&budget, NULL);
            faults_left = k;
            rc = look_compare(&budget, span_str(pairs[i].a), span_str(pairs[i].b), "a", "b", &n);
            whole = faults_left >= 0; /* none failed */
            faults_left = -1;
            assert_true(rc == 0 || rc == -ENOMEM);
            assert_true((rc == 0) == (n != NULL) && (rc == 0 || !whole));
            if (rc == 0)
                assert_int_equal(n->class, COMPARE_UNEXPLAINED);
            look_node_free(n);
        }
        assert_true(k > 5);
    }
}

static int write_json(void *r)
{
    struct buf out;
    int rc;

    buf_init(&out, 1 << 20);
    rc = compare_json(r, &out);
    buf_free(&out);
    return rc;
}

static int write_html(void *r)
{
    struct buf out;
    int rc;

    buf_init(&out, 1 << 20);
    rc = compare_html(r, &out);
    buf_free(&out);
    return rc;
}

static void a_report_is_written_whole_or_not(void **state)
{
    struct look_budget budget;
    struct compare_report r = {NULL, 1};

    (void)state;
    look_budget_init(&budget, NULL);
    assert_int_equal(
        look_compare(&budget, span_str(pairs[0].a), span_str(pairs[0].b), "a", "b", &r.root), 0);
    assert_true(faults_each(write_json, &r) > 3);
    assert_true(faults_each(write_html, &r) > 3);
    look_node_free(r.root);
}

static size_t open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    assert_int_equal(closedir(d), 0);
    return n;
}

static void file(const char *dir, const char *name, const char *text)
{
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_true(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Two trees with all that trees have: a child that runs out of memory, too. */
static void a_comparison_without_memory_is_trouble(void **state)
{
    static const char *const folders[] = {"a", "b", "a/x", "b/x", "a/x/y", "b/x/y"};
    char dir[64] = "/tmp/compare-faults-XXXXXX", path[2][128];
    bool whole = false;
    size_t before;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        (void)snprintf(path[0], sizeof(path[0]), "%s/%s", dir, folders[i]);
        assert_int_equal(mkdir(path[0], 0755), 0);
    }
    file(dir, "a/x/y/differs", "1\n2\n");
    file(dir, "b/x/y/differs", "1\n3\n");
    file(dir, "a/same", "same");
    file(dir, "b/same", "same");
    file(dir, "a/x/old", "moved");
    file(dir, "b/x/new", "moved");
    file(dir, "b/only", "only");
    for (int side = 0; side < 2; side++)
        (void)snprintf(path[side], sizeof(path[side]), "%s/%c", dir, "ab"[side]);
    before = open_files();
    for (int k = 0; !whole; k++) {
        struct compare_report *r = NULL;
        struct err e = ERR_INIT;
        int rc;

        assert_true(k < MANY);
        faults_left = k;
        rc = compare_run(&r, path[0], path[1], NULL, &e);
        whole = faults_left >= 0;
        faults_left = -1;
        assert_int_equal(open_files(), before);
        assert_true((rc == 0) == (r != NULL));
        if (rc != 0) {
            assert_true(!whole && rc == -ENOMEM);
            assert_string_not_equal(e.text, "");
            continue;
        }
        assert_int_equal(r->root->class, COMPARE_UNEXPLAINED);
        assert_int_equal(r->root->children, 3); /* only, x, and what moved */
        compare_report_free(r);
    }
    assert_int_equal(io_remove_tree(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_without_memory_is_no_better),
        cmocka_unit_test(a_report_is_written_whole_or_not),
        cmocka_unit_test(a_comparison_without_memory_is_trouble),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
