/* faults.h - makes the k-th allocation of a call fail, for every k until the call succeeds.
 * Link with --wrap for malloc, calloc, realloc, reallocarray and strdup; include in one file. */
#ifndef TESTS_FAULTS_H
#define TESTS_FAULTS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);

static int faults_left = -1; /* allocations until one fails; -1: none does */

static bool faults_now(void)
{
    if (faults_left < 0)
        return false;
    if (faults_left > 0) {
        faults_left--;
        return false;
    }
    faults_left = -1;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return faults_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return faults_now() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return faults_now() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    return faults_now() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
    return faults_now() ? NULL : __real_strdup(s);
}

/* Runs call (0 or a negative errno) with its first, second, … allocation failing.  Each such run
 * must give -ENOMEM; the first in which nothing failed ends it.  Returns how many failed. */
static inline int faults_each(int (*call)(void *ctx), void *ctx)
{
    for (int k = 0; k < 100000; k++) {
        int rc;

        faults_left = k;
        rc = call(ctx);
        if (faults_left >= 0) { /* it needed fewer than k allocations: nothing failed */
            faults_left = -1;
            assert_int_equal(rc, 0);
            return k;
        }
        assert_int_equal(rc, -ENOMEM);
    }
    return -1;
}

#endif
