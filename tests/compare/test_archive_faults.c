/* Each allocation of a look into an archive fails once: no memory, or an answer that is no better
 * than with it.  The archives are those of the fuzz corpus, in the folder that is given. */
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

#include "../people/faults.h"
#include "compare/look_priv.h"

char *__real_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n);
char *__wrap_strndup(const char *s, size_t n)
{
    return faults_now() ? NULL : __real_strndup(s, n);
}

#define MANY 20000 /* allocations of one pair, at most */

static const char *corpus;
static uint8_t bytes[1 << 16];

static size_t load(const char *name)
{
    char path[512];
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", corpus, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(bytes, 1, sizeof(bytes), f);
    (void)fclose(f);
    return n;
}

/* *class: of the whole; false: the k-th allocation was not reached. */
static bool look_with(struct span a, struct span b, int k, int *rc, enum compare_class *class)
{
    struct compare_node *n = NULL;
    struct look_budget budget;
    bool failed;

    look_budget_init(&budget, NULL);
    faults_left = k;
    *rc = look_compare(&budget, a, b, "x.tar.gz", "x.tar.gz", &n);
    failed = faults_left < 0;
    faults_left = -1;
    assert_true((*rc == 0) == (n != NULL));
    *class = n != NULL ? n->class : COMPARE_UNEXPLAINED;
    look_node_free(n);
    return failed;
}

static void no_memory_makes_no_answer_better(void **state)
{
    DIR *d = opendir(corpus);
    const struct dirent *en;
    size_t files = 0;

    (void)state;
    assert_non_null(d);
    while ((en = readdir(d)) != NULL) {
        struct cur c;
        struct span a, b;
        enum compare_class whole, class;
        uint32_t len;
        int rc, k = 0;

        if (en->d_name[0] == '.')
            continue;
        c = cur_of(span_of(bytes, load(en->d_name)));
        if (cur_u32(&c, &len) != 0 || cur_take(&c, len, &a) != 0)
            continue;
        b = span_of(c.p, c.n);
        (void)look_with(a, b, MANY, &rc, &whole);
        assert_int_equal(rc, 0);
        for (; look_with(a, b, k, &rc, &class); k++) {
            assert_true(k < MANY);
            assert_true(rc == -ENOMEM || (rc == 0 && class >= whole));
        }
        assert_true(k > 10);
        files++;
    }
    assert_true(files > 10);
    assert_int_equal(closedir(d), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_makes_no_answer_better),
    };

    if (argc != 2)
        return 2;
    corpus = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
