/* Memory of an engine in large pages: its bytes stay what they were, and where this kernel gives
 * large pages at all, they are large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dense.h"

#define LARGE (UINT64_C(2) << 20)
#define SIZE (4 * LARGE)

static uint8_t *filled(void)
{
    uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    assert_int_equal(madvise(p, SIZE, MADV_NOHUGEPAGE), 0);
    for (size_t i = 0; i < SIZE; i++)
        p[i] = (uint8_t)(i * 7 + (i >> 12));
    return p;
}

/* AnonHugePages of the mapping that p lies in, KiB. */
static unsigned long large_around(const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    uint64_t from, to, at = (uintptr_t)p;
    unsigned long n = 0;
    bool here = false;
    char line[512];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2)
            here = from <= at && at < to;
        else if (here)
            (void)sscanf(line, "AnonHugePages: %lu kB", &n);
    }
    (void)fclose(f);
    return n;
}

/* Tried by hand, so that a kernel that cannot is told from a function that does not. */
static bool kernel_can(void)
{
    uint8_t *p = filled();
    void *whole = (void *)(((uintptr_t)p + LARGE - 1) / LARGE * LARGE);
    bool can = madvise(whole, LARGE, MADV_HUGEPAGE) == 0 && madvise(whole, LARGE, 25) == 0;

    assert_int_equal(munmap(p, SIZE), 0);
    return can;
}

static void it_becomes_large_and_stays_what_it_was(void **state)
{
    bool can = kernel_can();
    uint8_t *p = filled();

    (void)state;
    dense_memory();
    for (size_t i = 0; i < SIZE; i++)
        if (p[i] != (uint8_t)(i * 7 + (i >> 12)))
            fail_msg("byte %zu changed", i);
    if (can)
        assert_true(large_around(p) > 0);
    else
        print_message("this kernel gives no large pages\n");
    assert_int_equal(munmap(p, SIZE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_becomes_large_and_stays_what_it_was)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
