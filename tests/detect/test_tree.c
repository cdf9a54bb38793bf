/* The record of what a file held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "detect/tree.h"

struct made {              /* a chain of n, or all beside one another; one of them is bad */
    uint32_t n, bad, hung; /* bad: index; hung: index of an incomplete one */
    bool chain;
    size_t name; /* length of each name */
};

static void make(void *arg, uint32_t i, struct tree_member *out)
{
    static const char name[300] = "n";
    const struct made *m = arg;

    memset(out, 0, sizeof(*out));
    out->number = i + 1;
    out->parent = m->chain ? i : 0;
    out->size = i;
    out->sha256.b[0] = (uint8_t)i;
    out->name = span_of(name, m->name);
    if (i == m->bad) {
        out->verdict = VERDICT_MALICIOUS;
        out->names = span_str("one\ntwo");
    } else if (i == m->hung) {
        out->verdict = VERDICT_INCOMPLETE;
        out->reason = REASON_TIME;
    }
}

static void write_tree(struct buf *b, struct made *m)
{
    buf_init(b, TREE_MAX);
    assert_int_equal(tree_write(b, m->n, make, m), 0);
}

static void it_comes_back_as_it_was(void **state)
{
    struct made m = {.n = 5, .bad = 3, .hung = 1, .chain = true, .name = 3};
    struct tree_member x;
    struct tree t;
    struct buf b;

    (void)state;
    write_tree(&b, &m);
    /* docs/detection.md: 9 bytes, and 53 a member with its name and rules */
    assert_int_equal(b.len, 9 + 5 * (53 + 3) + 7);
    assert_int_equal(tree_read(&t, buf_span(&b)), 0);
    assert_int_equal(t.members, 5);
    assert_int_equal(t.listed, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(tree_next(&t, &x), 1);
        assert_int_equal(x.number, i + 1);
        assert_int_equal(x.parent, i);
        assert_int_equal(x.size, i);
        assert_int_equal(x.sha256.b[0], i);
        assert_int_equal(x.verdict, i == 3   ? VERDICT_MALICIOUS
                                    : i == 1 ? VERDICT_INCOMPLETE
                                             : VERDICT_CLEAN);
        assert_int_equal(x.reason, i == 1 ? REASON_TIME : REASON_NONE);
        assert_true(span_is(x.names, i == 3 ? "one\ntwo" : ""));
    }
    assert_int_equal(tree_next(&t, &x), 0);
    buf_free(&b);
}

static void where_not_all_fit_the_bad_ones_stay(void **state)
{
    struct made m = {.n = 50000, .bad = 49999, .hung = 40000, .name = 255};
    struct tree_member x;
    struct tree t;
    struct buf b;
    bool bad = false, hung = false;
    uint32_t n = 0;

    (void)state;
    write_tree(&b, &m);
    assert_true(b.len <= TREE_MAX && b.len > TREE_MAX - 320);
    assert_int_equal(tree_read(&t, buf_span(&b)), 0);
    assert_int_equal(t.members, 50000);
    for (; tree_next(&t, &x) == 1; n++) {
        bad |= x.number == 50000 && x.verdict == VERDICT_MALICIOUS;
        hung |= x.number == 40001 && x.reason == REASON_TIME;
    }
    assert_true(bad && hung);
    assert_true(n > 100);
    buf_free(&b);
}

static void a_bad_one_brings_what_it_lies_in(void **state)
{
    struct made m = {.n = 64, .bad = 63, .hung = 64, .chain = true, .name = 255};
    struct tree_member x;
    struct tree t;
    struct buf b;
    uint32_t n = 0;

    (void)state;
    write_tree(&b, &m);
    assert_int_equal(tree_read(&t, buf_span(&b)), 0);
    while (tree_next(&t, &x) == 1)
        n++;
    assert_int_equal(n, 64);
    buf_free(&b);
}

static void a_record_that_is_cut_or_changed_is_refused_or_bounded(void **state)
{
    struct made m = {.n = 3, .bad = 2, .hung = 1, .chain = true, .name = 4};
    struct tree_member x;
    struct tree t;
    struct buf b;
    int rc;

    (void)state;
    write_tree(&b, &m);
    for (size_t n = 0; n < b.len; n++) {
        if (tree_read(&t, span_of(b.data, n)) != 0)
            continue;
        while ((rc = tree_next(&t, &x)) == 1)
            ;
        assert_int_equal(rc, -EBADMSG);
    }
    b.data[9 + 8] = 3; /* a verdict that there is none of */
    assert_int_equal(tree_read(&t, buf_span(&b)), 0);
    assert_int_equal(tree_next(&t, &x), -EBADMSG);
    b.data[9 + 8] = 0;
    b.data[9 + 7] = 1; /* a member that lies in itself */
    assert_int_equal(tree_read(&t, buf_span(&b)), 0);
    assert_int_equal(tree_next(&t, &x), -EBADMSG);
    b.data[0] = 2;
    assert_int_equal(tree_read(&t, buf_span(&b)), -EBADMSG);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back_as_it_was),
        cmocka_unit_test(where_not_all_fit_the_bad_ones_stay),
        cmocka_unit_test(a_bad_one_brings_what_it_lies_in),
        cmocka_unit_test(a_record_that_is_cut_or_changed_is_refused_or_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
