/* hex.h - the vectors of the standards stand in the tests as hex text. */
#ifndef TESTS_CRYPTO_HEX_H
#define TESTS_CRYPTO_HEX_H

#include <string.h>

#include "base/text.h"

/* Fills out, at most cap bytes, and returns how many; a slip in a vector fails the test. */
static inline size_t unhex(const char *hex, void *out, size_t cap)
{
    size_t n = strlen(hex) / 2;

    assert_true(n <= cap);
    assert_int_equal(text_unhex(span_str(hex), out, n), 0);
    return n;
}

static inline void assert_hex(const void *p, size_t n, const char *want)
{
    char hex[2049];

    assert_true(n <= 1024);
    text_hex(hex, p, n);
    assert_string_equal(hex, want);
}

#endif
