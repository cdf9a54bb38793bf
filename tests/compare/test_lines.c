/* What is left of two sequences is equal; and as much is left as can be, where they differ in
 * little: held against the table of the longest common subsequence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/lines.h"

static uint32_t dice(uint64_t *state, uint32_t sides)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33) % sides;
}

static size_t longest_common(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    size_t *t = calloc((n + 1) * (m + 1), sizeof(*t)), best;

    assert_non_null(t);
    for (size_t i = n; i-- > 0;)
        for (size_t k = m; k-- > 0;) {
            size_t down = t[(i + 1) * (m + 1) + k], right = t[i * (m + 1) + k + 1];

            t[i * (m + 1) + k] = a[i] == b[k]   ? 1 + t[(i + 1) * (m + 1) + k + 1]
                                 : down > right ? down
                                                : right;
        }
    best = t[0];
    free(t);
    return best;
}

/* How many are left on both sides; what is left must be equal. */
static size_t left(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    struct lines x = {a, calloc(n + 1, 1), n}, y = {b, calloc(m + 1, 1), m};
    size_t i = 0, k = 0, same = 0;

    assert_int_equal(lines_diff(&x, &y), 0);
    for (;;) {
        while (i < n && x.out[i] != 0)
            i++;
        while (k < m && y.out[k] != 0)
            k++;
        if (i == n || k == m)
            break;
        assert_int_equal(a[i], b[k]);
        i++;
        k++;
        same++;
    }
    assert_int_equal(i, n);
    assert_int_equal(k, m);
    free(x.out);
    free(y.out);
    return same;
}

static void the_most_is_left_that_can_be(void **state)
{
    uint64_t seed = 5;
    uint32_t a[60], b[60];

    (void)state;
    for (int round = 0; round < 5000; round++) {
        uint32_t letters = 1 + dice(&seed, 8);
        size_t n = dice(&seed, 60), m = dice(&seed, 60);

        for (size_t i = 0; i < n; i++)
            a[i] = dice(&seed, letters);
        for (size_t i = 0; i < m; i++)
            b[i] = dice(&seed, letters);
        assert_int_equal(left(a, n, b, m), longest_common(a, n, b, m));
    }
}

/* Many lines in another order: more differences than are ever searched for. */
static void many_that_are_shuffled_end(void **state)
{
    enum { N = 400000 };
    uint32_t *a = calloc(N, sizeof(*a)), *b = calloc(N, sizeof(*b));
    uint64_t seed = 7;

    (void)state;
    assert_true(a != NULL && b != NULL);
    for (uint32_t i = 0; i < N; i++)
        a[i] = b[i] = i;
    for (uint32_t i = N - 1; i > 0; i--) {
        uint32_t k = dice(&seed, i + 1), t = b[i];

        b[i] = b[k];
        b[k] = t;
    }
    assert_true(left(a, N, b, N) > 0);
    for (uint32_t i = 0; i < N; i++)
        b[i] = dice(&seed, 2); /* two lines, without end */
    for (uint32_t i = 0; i < N; i++)
        a[i] = dice(&seed, 2);
    assert_true(left(a, N, b, N) > N / 2);
    free(a);
    free(b);
}

static void a_thousand_small_changes_are_each_found(void **state)
{
    enum { N = 100000 };
    uint32_t *a = calloc(N, sizeof(*a)), *b = calloc(N, sizeof(*b));

    (void)state;
    assert_true(a != NULL && b != NULL);
    for (uint32_t i = 0; i < N; i++)
        a[i] = b[i] = i / 3;
    for (uint32_t i = 0; i < N; i += 100)
        b[i] = i % 300 == 0 ? 0 : N + i; /* also ones that are elsewhere in a */
    assert_true(left(a, N, b, N) >= N - N / 100);
    free(a);
    free(b);
}

static void equal_texts_have_equal_numbers(void **state)
{
    const struct span a[] = {{(const uint8_t *)"x", 1}, {(const uint8_t *)"", 0}, {NULL, 0}};
    const struct span b[] = {{(const uint8_t *)"xy", 2}, {(const uint8_t *)"x", 1}};
    const struct span *texts[2] = {a, b};
    const size_t n[2] = {3, 2};
    uint32_t x[3], y[2], *numbers[2] = {x, y};

    (void)state;
    assert_int_equal(lines_number(texts, n, numbers), 0);
    assert_int_equal(x[0], y[1]);
    assert_int_equal(x[1], x[2]);
    assert_int_not_equal(x[0], x[1]);
    assert_int_not_equal(x[0], y[0]);
    assert_int_not_equal(x[1], y[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_is_left_that_can_be),
        cmocka_unit_test(many_that_are_shuffled_end),
        cmocka_unit_test(a_thousand_small_changes_are_each_found),
        cmocka_unit_test(equal_texts_have_equal_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
