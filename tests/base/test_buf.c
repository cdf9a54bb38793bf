#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static int reallocs_left = -1;

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
    return reallocs_left == 0 ? NULL : __real_realloc(p, n);
}

static void a_buffer_holds_its_maximum_and_not_one_byte_more(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    assert_int_equal(buf_put(&b, "abcd", 4), 0);
    assert_int_equal(buf_putc(&b, 'e'), -E2BIG);
    assert_int_equal(buf_put(&b, "", 0), 0);
    assert_int_equal(b.len, 4);
    assert_string_equal(buf_str(&b), "abcd"); /* the NUL is not counted against the maximum */
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -E2BIG);
    buf_free(&b);
    assert_int_equal(b.max, 4);
}

static void the_limit_is_checked_before_anything_is_allocated(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    assert_int_equal(buf_reserve(&b, 11), -E2BIG);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_put(&b, "ab", 2), 0);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), -E2BIG);
    buf_free(&b);
}

static void without_memory_the_buffer_stays_as_it_was(void **state)
{
    char big[1000] = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    assert_int_equal(buf_puts(&b, "kept"), 0);
    reallocs_left = 0;
    assert_int_equal(buf_put(&b, big, sizeof(big)), -ENOMEM);
    assert_int_equal(buf_printf(&b, "%1000d", 1), -ENOMEM);
    reallocs_left = -1;
    assert_true(span_is(buf_span(&b), "kept"));
    buf_free(&b);
    reallocs_left = 0;
    assert_null(buf_str(&b));
    reallocs_left = -1;
}

static void formatted_text_counts_against_the_maximum(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 5);
    assert_int_equal(buf_printf(&b, "%d-%s", 12, "34"), 0);
    assert_true(span_is(buf_span(&b), "12-34"));
    assert_int_equal(buf_printf(&b, "%c", 'x'), -E2BIG);
    buf_reset(&b);
    assert_int_equal(buf_printf(&b, "%s", "123456"), -E2BIG);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void integers_are_big_endian_both_ways(void **state)
{
    static const uint8_t want[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
                                   0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e};
    struct buf b;
    struct cur c;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;

    (void)state;
    buf_init(&b, 100);
    assert_int_equal(buf_put_u16(&b, 0x0102), 0);
    assert_int_equal(buf_put_u32(&b, 0x03040506), 0);
    assert_int_equal(buf_put_u64(&b, 0x0708090a0b0c0d0e), 0);
    assert_int_equal(b.len, sizeof(want));
    assert_memory_equal(b.data, want, sizeof(want));
    c = cur_of(buf_span(&b));
    assert_int_equal(cur_u16(&c, &v16), 0);
    assert_int_equal(cur_u32(&c, &v32), 0);
    assert_int_equal(cur_u64(&c, &v64), 0);
    assert_int_equal(v16, 0x0102);
    assert_int_equal(v32, 0x03040506);
    assert_true(v64 == 0x0708090a0b0c0d0e);
    assert_int_equal(c.n, 0);
    buf_free(&b);
}

static void sized_bytes_are_put_whole_or_not_at_all(void **state)
{
    static uint8_t big[UINT16_MAX + 1];
    struct buf b;

    buf_init(&b, 7);
    assert_int_equal(buf_put_sized(&b, span_str("abc")), 0);
    assert_int_equal(buf_put_sized(&b, span_of(NULL, 0)), 0);
    assert_memory_equal(b.data, "\0\3abc\0\0", 7);
    assert_int_equal(buf_put_sized(&b, span_of(NULL, 0)), -E2BIG);
    assert_int_equal(b.len, 7);
    buf_free(&b);
    buf_init(&b, 3 * sizeof(big));
    assert_int_equal(buf_put_sized(&b, span_of(big, sizeof(big))), -E2BIG);
    assert_int_equal(b.len, 0);
    assert_int_equal(buf_put_sized(&b, span_of(big, UINT16_MAX)), 0);
    assert_int_equal(b.len, 2 + UINT16_MAX);
    assert_memory_equal(b.data, "\xff\xff", 2);
    reallocs_left = 0;
    assert_int_equal(buf_put_sized(&b, span_of(big, UINT16_MAX)), -ENOMEM);
    reallocs_left = -1;
    assert_int_equal(b.len, 2 + UINT16_MAX);
    buf_free(&b);
}

static void a_failed_read_does_not_advance(void **state)
{
    struct cur c = cur_of(span_str("abc"));
    struct span s;
    uint32_t v32;
    uint64_t v64;
    uint8_t v8, out[4];

    (void)state;
    assert_int_equal(cur_u32(&c, &v32), -EBADMSG);
    assert_int_equal(cur_u64(&c, &v64), -EBADMSG);
    assert_int_equal(cur_take(&c, 4, &s), -EBADMSG);
    assert_int_equal(cur_take(&c, SIZE_MAX, &s), -EBADMSG);
    assert_int_equal(cur_copy(&c, out, 4), -EBADMSG);
    assert_int_equal(cur_line(&c, &s), -EBADMSG);
    assert_int_equal(c.n, 3);
    assert_int_equal(cur_u8(&c, &v8), 0);
    assert_int_equal(v8, 'a');
    assert_int_equal(cur_copy(&c, out, 2), 0);
    assert_memory_equal(out, "bc", 2);
    assert_int_equal(cur_u8(&c, &v8), -EBADMSG);
}

static void lines_end_in_a_line_feed_or_are_refused(void **state)
{
    struct cur c = cur_of(span_str("one\n\nrest"));
    struct span s;

    (void)state;
    assert_int_equal(cur_line(&c, &s), 0);
    assert_true(span_is(s, "one"));
    assert_int_equal(cur_line(&c, &s), 0);
    assert_int_equal(s.n, 0);
    assert_int_equal(cur_line(&c, &s), -EBADMSG);
    assert_int_equal(c.n, 4);
    c = cur_of(span_of(NULL, 0));
    assert_int_equal(cur_line(&c, &s), -EBADMSG);
}

static void detached_bytes_belong_to_the_caller(void **state)
{
    struct buf b;
    uint8_t *p;
    size_t n;

    (void)state;
    buf_init(&b, 10);
    assert_int_equal(buf_puts(&b, "mine"), 0);
    p = buf_detach(&b, &n);
    assert_int_equal(n, 4);
    assert_memory_equal(p, "mine", 4);
    assert_null(b.data);
    assert_int_equal(buf_puts(&b, "0123456789"), 0);
    buf_free(&b);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_holds_its_maximum_and_not_one_byte_more),
        cmocka_unit_test(the_limit_is_checked_before_anything_is_allocated),
        cmocka_unit_test(without_memory_the_buffer_stays_as_it_was),
        cmocka_unit_test(formatted_text_counts_against_the_maximum),
        cmocka_unit_test(integers_are_big_endian_both_ways),
        cmocka_unit_test(sized_bytes_are_put_whole_or_not_at_all),
        cmocka_unit_test(a_failed_read_does_not_advance),
        cmocka_unit_test(lines_end_in_a_line_feed_or_are_refused),
        cmocka_unit_test(detached_bytes_belong_to_the_caller),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
