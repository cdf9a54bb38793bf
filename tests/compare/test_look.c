/* The account: whatever a format claims, each byte is counted once, and what nobody claims is
 * unexplained where it differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "compare/look_priv.h"

static struct compare_node *look(const char *a, size_t na, const char *b, size_t nb)
{
    struct compare_node *n = NULL;
    struct look_budget budget;

    look_budget_init(&budget, NULL);
    assert_int_equal(look_compare(&budget, span_of(a, na), span_of(b, nb), "a", "b", &n), 0);
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        assert_int_equal(sum, n->size[side]);
    }
    return n;
}

static void equal_contents_are_identical(void **state)
{
    struct compare_node *n = look("same", 4, "same", 4);

    (void)state;
    assert_int_equal(n->class, COMPARE_IDENTICAL);
    assert_int_equal(n->bytes[0][COMPARE_IDENTICAL], 4);
    look_node_free(n);
}

static void runs_of_bytes_are_told_where_they_are(void **state)
{
    char a[200], b[200];
    struct compare_node *n;

    (void)state;
    memset(a, 1, sizeof(a));
    memcpy(b, a, sizeof(a));
    b[10] = 2;
    b[12] = 2; /* near: one run */
    b[150] = 3;
    n = look(a, sizeof(a), b, sizeof(b));
    assert_int_equal(n->class, COMPARE_UNEXPLAINED);
    assert_int_equal(n->findings, 2);
    assert_int_equal(n->finding[0].at[0], 10);
    assert_int_equal(n->finding[0].n[0], 3);
    assert_int_equal(n->finding[1].at[1], 150);
    assert_int_equal(n->finding[1].n[1], 1);
    assert_int_equal(n->bytes[0][COMPARE_UNEXPLAINED], 4);
    look_node_free(n);
}

static void what_is_inserted_shifts_nothing(void **state)
{
    struct compare_node *n = look("abcdef", 6, "abcXYdef", 8);

    (void)state;
    assert_int_equal(n->findings, 1);
    assert_int_equal(n->finding[0].n[0], 0);
    assert_int_equal(n->finding[0].n[1], 2);
    assert_int_equal(n->finding[0].at[1], 3);
    assert_int_equal(n->bytes[0][COMPARE_IDENTICAL], 6);
    look_node_free(n);
}

static void an_empty_side_is_all_different(void **state)
{
    struct compare_node *n = look("", 0, "xyz", 3);

    (void)state;
    assert_int_equal(n->bytes[1][COMPARE_UNEXPLAINED], 3);
    assert_int_equal(n->class, COMPARE_UNEXPLAINED);
    look_node_free(n);
}

static void findings_beyond_the_limit_are_counted(void **state)
{
    char a[4000], b[4000];
    struct compare_node *n;

    (void)state;
    memset(a, 1, sizeof(a));
    memset(b, 1, sizeof(b));
    for (size_t i = 0; i < sizeof(b); i += 20)
        b[i] = 2;
    n = look(a, sizeof(a), b, sizeof(b));
    assert_int_equal(n->findings, 100);
    assert_int_equal(n->findings_more, 100);
    assert_int_equal(n->bytes[1][COMPARE_UNEXPLAINED], 200);
    look_node_free(n);
}

/* Those of one number are one from then on; what made room for worse ones is counted, each time. */
static void what_is_alike_is_gathered(void **state)
{
    const struct look_range at[2] = {{1, 2}, {1, 3}};
    struct compare_node *n = NULL;
    size_t hint = 0;

    (void)state;
    assert_int_equal(look_node_new(&n, "x", NULL, NULL), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(look_node_find_like(n, 10, COMPARE_DERIVED, at, "like", 7), 0);
        assert_int_equal(look_node_find(n, 10, COMPARE_EXPLAINED, at, "other"), 0);
    }
    look_node_gather(n, 7, at, &hint);
    look_node_gather(n, 7, at, &hint);
    assert_int_equal(n->findings, 6);
    assert_int_equal(n->finding[0].times, 7);
    assert_int_equal(n->finding[0].n[0], 14);
    assert_int_equal(n->finding[0].n[1], 21);
    for (size_t i = 1; i < 6; i++)
        assert_string_equal(n->finding[i].what, "other");
    assert_int_equal(look_node_find(n, 6, COMPARE_UNEXPLAINED, at, "worst"), 0);
    assert_int_equal(n->findings_more, 7);
    look_node_gather(n, 7, at, &hint);
    assert_int_equal(n->findings_more, 8);
    assert_string_equal(n->finding[0].what, "worst");
    look_node_free(n);
}

static void the_worst_findings_are_kept(void **state)
{
    const struct look_range at[2] = {{1, 1}, {1, 1}};
    struct compare_node *n = NULL;

    (void)state;
    assert_int_equal(look_node_new(&n, "x", NULL, NULL), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(look_node_find(n, 3, i == 1 ? COMPARE_METADATA : COMPARE_DERIVED, at, "m"),
                         0);
    assert_int_equal(look_node_find(n, 3, COMPARE_UNEXPLAINED, at, "worst"), 0);
    assert_int_equal(look_node_find(n, 3, COMPARE_EXPLAINED, at, "bad"), 0);
    assert_int_equal(n->findings, 3);
    assert_int_equal(n->findings_more, 4);
    assert_int_equal(n->finding[0].class, COMPARE_EXPLAINED);
    assert_int_equal(n->finding[1].class, COMPARE_METADATA);
    assert_string_equal(n->finding[2].what, "worst");
    look_node_free(n);
}

static void a_node_comes_through_the_wire(void **state)
{
    struct compare_node *n = look("abcdef", 6, "abcXYdef", 8), *m = NULL;
    struct buf b, again;
    struct cur c;

    (void)state;
    buf_init(&b, 1 << 16);
    buf_init(&again, 1 << 16);
    assert_int_equal(look_wire_put(&b, n), 0);
    for (size_t i = 0; i < b.len; i++) {
        c = cur_of(span_of(b.data, i));
        assert_int_not_equal(look_wire_get(&c, &m), 0);
        assert_null(m);
    }
    c = cur_of(buf_span(&b));
    assert_int_equal(look_wire_get(&c, &m), 0);
    assert_int_equal(look_wire_put(&again, m), 0);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.data, b.data, b.len);
    look_node_free(n);
    look_node_free(m);
    buf_free(&b);
    buf_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_contents_are_identical),
        cmocka_unit_test(runs_of_bytes_are_told_where_they_are),
        cmocka_unit_test(what_is_inserted_shifts_nothing),
        cmocka_unit_test(an_empty_side_is_all_different),
        cmocka_unit_test(findings_beyond_the_limit_are_counted),
        cmocka_unit_test(what_is_alike_is_gathered),
        cmocka_unit_test(the_worst_findings_are_kept),
        cmocka_unit_test(a_node_comes_through_the_wire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
