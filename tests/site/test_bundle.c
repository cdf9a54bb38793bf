/* Bundles: what was put together comes apart the same, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "site/bundle.h"

static void what_was_put_together_comes_apart(void **state)
{
    const struct span in[2] = {span_str("one"), span_str("and two")};
    struct span out[2];
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_int_equal(bundle_write(in, 2, &b), 0);
    assert_int_equal(b.len, 8 + 4 + 2 * 8 + 10);
    assert_int_equal(bundle_split(buf_span(&b), out, 2), 0);
    assert_true(span_is(out[0], "one"));
    assert_true(span_is(out[1], "and two"));
    assert_int_equal(bundle_split(buf_span(&b), out, 1), -EBADMSG);
    for (size_t n = 0; n < b.len; n++)
        assert_int_equal(bundle_split(span_of(b.data, n), out, 2), -EBADMSG);
    assert_int_equal(buf_putc(&b, 'x'), 0);
    assert_int_equal(bundle_split(buf_span(&b), out, 2), -EBADMSG);
    buf_free(&b);
}

/* Every byte of the head changed to every value: a split lies within what was given, or is refused.
 */
static void no_length_reaches_outside(void **state)
{
    const struct span in[2] = {span_str("one"), span_str("and two")};
    struct span out[2];
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_int_equal(bundle_write(in, 2, &b), 0);
    for (size_t at = 0; at < 28; at++) {
        uint8_t was = b.data[at];

        for (unsigned v = 0; v < 256; v++) {
            b.data[at] = (uint8_t)v;
            if (v != was)
                assert_int_equal(bundle_split(buf_span(&b), out, 2), -EBADMSG);
        }
        b.data[at] = was;
    }
    memset(b.data + 12, 0xff, 16);
    assert_int_equal(bundle_split(buf_span(&b), out, 2), -EBADMSG);
    memset(b.data + 12, 0, 16); /* parts of nothing */
    assert_int_equal(bundle_split(buf_span(&b), out, 2), -EBADMSG);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_together_comes_apart),
        cmocka_unit_test(no_length_reaches_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
