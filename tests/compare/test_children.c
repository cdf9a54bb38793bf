/* Children that die, and children that lie: nothing they do makes a difference smaller, and what
 * others were asked with them is not lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/look_priv.h"

static char dir[64];

int __real_look_compare(struct look_budget *b, struct span a, struct span b_side,
                        const char *name_a, const char *name_b, struct compare_node **out);
int __wrap_look_compare(struct look_budget *b, struct span a, struct span b_side,
                        const char *name_a, const char *name_b, struct compare_node **out);

/* A thread with a heap of its own would look into /proc before it gives memory back. */
static void *much_and_nothing(void *arg)
{
    void *p[400];

    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        p[i] = malloc(100000);
    for (size_t i = ARRAY_LEN(p); i > 0; i--)
        free(p[i - 1]);
    return arg;
}

/* What the content of A tells it to do. */
int __wrap_look_compare(struct look_budget *b, struct span a, struct span b_side,
                        const char *name_a, const char *name_b, struct compare_node **out)
{
    int rc = __real_look_compare(b, a, b_side, name_a, name_b, out);

    if (rc != 0)
        return rc;
    if (span_is(a, "crash\n"))
        abort();
    if (span_is(a, "leave\n"))
        _exit(0);
    if (span_is(a, "give up\n"))
        return -1;
    if (span_is(a, "equal\n")) {
        (*out)->class = COMPARE_IDENTICAL;
        for (size_t i = 0; i < (*out)->findings; i++)
            free((void *)(uintptr_t)(*out)->finding[i].what);
        (*out)->findings = 0;
    }
    if (span_is(a, "slow\n") || span_is(a, "boast\n")) {
        atomic_store(b->seen, span_is(a, "slow\n") ? 7 : UINT64_MAX);
        (void)usleep(700000);
    }
    if (span_is(a, "threads\n")) {
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, much_and_nothing, NULL), 0);
        assert_int_equal(pthread_join(t, NULL), 0);
    }
    if (span_is(a, "smaller\n")) {
        (*out)->size[1] -= 1;
        (*out)->bytes[1][COMPARE_UNEXPLAINED] -= 1;
    }
    if (span_is(a, "more\n"))
        (*out)->bytes[0][COMPARE_IDENTICAL] += 1;
    if (span_is(a, "wraps\n")) {
        (*out)->bytes[0][COMPARE_IDENTICAL] += UINT64_C(1) << 63;
        (*out)->bytes[0][COMPARE_DERIVED] += UINT64_C(1) << 63;
    }
    return 0;
}

static bool no_library;
void *__real_dlopen(const char *name, int mode);
void *__wrap_dlopen(const char *name, int mode);
void *__wrap_dlopen(const char *name, int mode)
{
    return no_library ? NULL : __real_dlopen(name, mode);
}

static void file(const char *folder, const char *name, const char *text)
{
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s/%s", dir, folder, name);
    f = fopen(path, "w");
    assert_true(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Pairs 00 to 39; in the middle one that does as it is told. */
static void one_of_many(const char *does, const char *told)
{
    char path[2][80], name[8];
    struct compare_report *r = NULL;
    struct err e = ERR_INIT;

    (void)snprintf(dir, sizeof(dir), "/tmp/compare-children-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int side = 0; side < 2; side++) {
        (void)snprintf(path[side], sizeof(path[side]), "%s/%c", dir, "ab"[side]);
        assert_int_equal(mkdir(path[side], 0755), 0);
    }
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof(name), "%02d", i);
        file("a", name, i == 20 ? does : "one\n");
        file("b", name, "other\n");
    }
    if (compare_run(&r, path[0], path[1], NULL, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(r->root->class, COMPARE_UNEXPLAINED);
    assert_int_equal(r->root->children, 40);
    for (size_t i = 0; i < 40; i++) {
        const struct compare_node *n = r->root->child[i];

        (void)snprintf(name, sizeof(name), "%02zu", i);
        assert_string_equal(n->name[0], name);
        assert_int_equal(n->class, COMPARE_UNEXPLAINED);
        assert_int_equal(n->findings, 1);
        if (i != 20) {
            assert_string_equal(n->finding[0].what, "line 1: \"one\" became \"other\"");
            continue;
        }
        if (strstr(n->finding[0].what, told) == NULL)
            fail_msg("no \"%s\" in \"%s\"", told, n->finding[0].what);
        /* all of it, or its line without the line feed */
        assert_in_range(n->bytes[0][COMPARE_UNEXPLAINED], strlen(does) - 1, strlen(does));
        assert_in_range(n->bytes[1][COMPARE_UNEXPLAINED], 5, 6);
    }
    compare_report_free(r);
    assert_int_equal(io_remove_tree(dir), 0);
}

static void a_pair_that_kills_its_child_is_unexplained(void **state)
{
    (void)state;
    one_of_many("crash\n", "ended by force: ");
    one_of_many("give up\n", "ended by force: exit code 1");
}

static void threads_of_a_child_take_and_give_back_memory(void **state)
{
    (void)state;
    one_of_many("threads\n", "line 1: \"threads\" became \"other\"");
}

static void a_child_that_lies_is_not_believed(void **state)
{
    (void)state;
    one_of_many("leave\n", "an answer that is none");
    one_of_many("equal\n", "an answer that is none");
    one_of_many("smaller\n", "an answer that is none");
    one_of_many("more\n", "an answer that is none");
    one_of_many("wraps\n", "an answer that is none");
}

static void without_the_library_that_shows_instructions_nothing_is_compared(void **state)
{
    struct compare_report *r = NULL;
    struct err e = ERR_INIT;
    char path[2][80];

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/compare-children-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (int side = 0; side < 2; side++) {
        (void)snprintf(path[side], sizeof(path[side]), "%s/%c", dir, "ab"[side]);
        assert_int_equal(mkdir(path[side], 0755), 0);
        file(side == 0 ? "a" : "b", "x", side == 0 ? "one\n" : "other\n");
    }
    no_library = true;
    assert_int_not_equal(compare_run(&r, path[0], path[1], NULL, &e), 0);
    no_library = false;
    assert_null(r);
    assert_non_null(strstr(err_text(&e), "\"libcapstone.so.4\" is missing"));
    assert_int_equal(io_remove_tree(dir), 0);
}

struct shown {
    uint64_t most, last, total; /* most: before the end */
};

static void show(void *arg, uint64_t done, uint64_t total)
{
    struct shown *s = arg;

    assert_true(done >= s->last && done <= total);
    s->most = s->last;
    s->last = done;
    s->total = total;
}

/* Of one pair that takes long: what its child says, and no more than there is. */
static void what_a_child_has_seen_is_shown(void **state)
{
    struct compare_report *r = NULL;
    struct shown s = {0, 0, 0};
    struct compare_options o = {.step = show, .arg = &s};
    struct err e = ERR_INIT;
    char path[2][80];

    (void)state;
    for (int boasts = 0; boasts < 2; boasts++) {
        memset(&s, 0, sizeof(s));
        (void)snprintf(dir, sizeof(dir), "/tmp/compare-children-XXXXXX");
        assert_non_null(mkdtemp(dir));
        (void)snprintf(path[0], sizeof(path[0]), "%s/a", dir);
        (void)snprintf(path[1], sizeof(path[1]), "%s/b", dir);
        file(".", "a", boasts ? "boast\n" : "slow\n");
        file(".", "b", "other\n");
        if (compare_run(&r, path[0], path[1], &o, &e) != 0)
            fail_msg("%s", err_text(&e));
        compare_report_free(r);
        assert_int_equal(s.most, boasts ? 12 : 7);
        assert_int_equal(s.last, boasts ? 12 : 11);
        assert_int_equal(s.total, boasts ? 12 : 11);
        assert_int_equal(io_remove_tree(dir), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_that_kills_its_child_is_unexplained),
        cmocka_unit_test(threads_of_a_child_take_and_give_back_memory),
        cmocka_unit_test(a_child_that_lies_is_not_believed),
        cmocka_unit_test(what_a_child_has_seen_is_shown),
        cmocka_unit_test(without_the_library_that_shows_instructions_nothing_is_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
