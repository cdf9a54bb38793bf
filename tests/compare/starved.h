/* starved.h - comparisons in which the k-th allocation fails, for every k until none does.  Link
 * with compare_wraps; include in one file. */
#ifndef TESTS_COMPARE_STARVED_H
#define TESTS_COMPARE_STARVED_H

#include <string.h>

#include "../people/faults.h"
#include "compare/look_priv.h"

char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n)
{
    return faults_now() ? NULL : __real_strndup(s, n);
}

/* Of two that are unexplained: no allocation that fails makes the answer a better one. */
static inline void starved_answers_are_no_better(struct span a, struct span b)
{
    bool failed = true;
    int k = 0, rc;

    for (; failed; k++) {
        struct compare_node *n = NULL;
        struct look_budget budget;

        look_budget_init(&budget, NULL);
        faults_left = k;
        rc = look_compare(&budget, a, b, "a", "b", &n);
        failed = faults_left < 0;
        faults_left = -1;
        assert_true((rc == 0) == (n != NULL));
        assert_true(rc == -ENOMEM || (rc == 0 && n->class == COMPARE_UNEXPLAINED));
        look_node_free(n);
    }
    assert_true(k > 100);
}

#endif
