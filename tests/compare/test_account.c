/* The account under a format made for it: claims that overlap, that are missing, that lie outside.
 * This program has tables of its own in the place of compare/formats.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "compare/look_priv.h"

#define SIZE 100

struct claim {
    uint64_t at, n;
    enum compare_class class;
};
static const struct claim *claims;
static size_t n_claims;

static bool any(struct span side, const char *name)
{
    (void)side;
    (void)name;
    return true;
}

static int claim_all(struct look *l)
{
    int rc = 0;

    for (size_t i = 0; i < n_claims && rc == 0; i++) {
        const struct look_range r = {claims[i].at, claims[i].n};

        rc = look_pair(l, r, r, claims[i].class, "claim %zu", i);
    }
    return rc;
}

static const struct look_format made = {"made", any, claim_all};
const struct look_format *const formats_table[] = {&made, NULL};
const struct look_format *const formats_streamed[] = {NULL};

/* Two sides that differ in every byte. */
static struct compare_node *account(const struct claim *c, size_t n)
{
    static uint8_t a[SIZE], b[SIZE];
    struct compare_node *node = NULL;
    struct look_budget budget;

    memset(a, 1, sizeof(a));
    memset(b, 2, sizeof(b));
    claims = c;
    n_claims = n;
    look_budget_init(&budget, NULL);
    assert_int_equal(look_compare(&budget, span_of(a, SIZE), span_of(b, SIZE), "a", "b", &node), 0);
    return node;
}

static void bytes_of(const struct compare_node *n, enum compare_class class, uint64_t want)
{
    assert_int_equal(n->bytes[0][class], want);
    assert_int_equal(n->bytes[1][class], want);
}

static void what_nobody_claims_is_unexplained(void **state)
{
    static const struct claim c[] = {{10, 20, COMPARE_DERIVED}, {50, 50, COMPARE_METADATA}};
    struct compare_node *n = account(c, ARRAY_LEN(c));

    (void)state;
    bytes_of(n, COMPARE_DERIVED, 20);
    bytes_of(n, COMPARE_METADATA, 50);
    bytes_of(n, COMPARE_UNEXPLAINED, 30);
    assert_int_equal(n->class, COMPARE_UNEXPLAINED);
    look_node_free(n);
}

/* Whatever is claimed first: the mild claim lies over, under, inside and around the bad one. */
static void where_claims_overlap_the_worse_one_counts(void **state)
{
    static const struct claim c[][3] = {
        {{0, 100, COMPARE_DERIVED}, {40, 20, COMPARE_UNEXPLAINED}, {40, 20, COMPARE_DERIVED}},
        {{40, 20, COMPARE_UNEXPLAINED}, {0, 100, COMPARE_DERIVED}, {0, 50, COMPARE_DERIVED}},
        {{0, 60, COMPARE_DERIVED}, {40, 20, COMPARE_UNEXPLAINED}, {50, 50, COMPARE_DERIVED}},
        {{30, 70, COMPARE_DERIVED}, {0, 45, COMPARE_DERIVED}, {40, 20, COMPARE_UNEXPLAINED}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        struct compare_node *n = account(c[i], 3);

        bytes_of(n, COMPARE_UNEXPLAINED, 20);
        bytes_of(n, COMPARE_DERIVED, 80);
        assert_int_equal(n->class, COMPARE_UNEXPLAINED);
        look_node_free(n);
    }
}

static void a_claim_outside_is_cut_and_told(void **state)
{
    static const struct claim c[] = {
        {90, 50, COMPARE_DERIVED}, {UINT64_MAX - 5, 10, COMPARE_DERIVED}, {0, 90, COMPARE_DERIVED}};
    struct compare_node *n = account(c, ARRAY_LEN(c));

    (void)state;
    bytes_of(n, COMPARE_DERIVED, SIZE);
    assert_non_null(n->cut);
    look_node_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_claims_is_unexplained),
        cmocka_unit_test(where_claims_overlap_the_worse_one_counts),
        cmocka_unit_test(a_claim_outside_is_cut_and_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
