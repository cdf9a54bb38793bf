#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "events/receipt_pack.h"

#define ONE "00112233445566778899aabbccddeeff"
#define TWO "f0000000000000000000000000000001"
/* as docs/formats.md spells it; printf 'a\nreceipt x\n' has 12 bytes */
#define PACK "receipt " ONE " 12\na\nreceipt x\nreceipt " TWO " 0\nreceipt " ONE " 2\nb\n"

static void it_is_spelled_as_the_format_says(void **state)
{
    struct id128 one = {{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc,
                         0xdd, 0xee, 0xff}};
    struct id128 two = {{0xf0, [15] = 1}};
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(receipt_pack_put(&out, &one, span_str("a\nreceipt x\n")), 0);
    assert_int_equal(receipt_pack_put(&out, &two, span_of(NULL, 0)), 0);
    assert_int_equal(receipt_pack_put(&out, &one, span_str("b\n")), 0);
    assert_string_equal(buf_str(&out), PACK);
    buf_free(&out);
}

static void receipts_come_out_as_they_went_in(void **state)
{
    struct cur c = cur_of(span_str(PACK));
    struct id128 sub;
    struct span r;

    (void)state;
    assert_true(receipt_pack_is(span_str(PACK)));
    assert_int_equal(receipt_pack_next(&c, &sub, &r, NULL), 0);
    assert_int_equal(sub.b[15], 0xff);
    assert_true(span_is(r, "a\nreceipt x\n")); /* what looks like a line of the pack is none */
    assert_int_equal(receipt_pack_next(&c, &sub, &r, NULL), 0);
    assert_int_equal(sub.b[0], 0xf0);
    assert_int_equal(r.n, 0);
    assert_int_equal(receipt_pack_next(&c, &sub, &r, NULL), 0);
    assert_true(span_is(r, "b\n"));
    assert_int_equal(receipt_pack_next(&c, &sub, &r, NULL), -ENOENT);
    assert_false(receipt_pack_is(span_str("c2sp.org/tlog-proof@v1\n")));
    assert_false(receipt_pack_is(span_str("receipt")));
}

static void what_is_no_receipt_is_refused_and_not_passed_over(void **state)
{
    static const char *const bad[] = {
        "receipt",
        "receipt " ONE " 2\nb",    /* cut */
        "receipt " ONE " 2",       /* no end of the line */
        "receipt " ONE " 02\nb\n", /* another spelling of the length */
        "receipt " ONE " -2\nb\n",
        "receipt " ONE " 16777217\nb\n",             /* more than a pack holds */
        "receipt " ONE " 18446744073709551617\nb\n", /* 2^64 + 1 */
        "receipt " ONE "  2\nb\n",
        "receipt " ONE "\nb\n",
        "receipt 0011223344556677 2\nb\n",
        "receipt 00112233445566778899AABBCCDDEEFF 2\nb\n",
        "\n",
        "c2sp.org/tlog-proof@v1\n",
    };
    struct err e = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct cur c = cur_of(span_str(bad[i]));
        struct id128 sub;
        struct span r;

        assert_int_equal(receipt_pack_next(&c, &sub, &r, &e), -EBADMSG);
        assert_int_equal(c.n, strlen(bad[i]));
    }
}

static void a_full_pack_takes_nothing_more(void **state)
{
    struct id128 sub = {{0}};
    struct buf out;

    (void)state;
    buf_init(&out, 100);
    assert_int_equal(receipt_pack_put(&out, &sub, span_str("b\n")), 0);
    assert_int_equal(receipt_pack_put(&out, &sub, span_of("................................", 32)),
                     -E2BIG);
    assert_int_equal(out.len, strlen("receipt " ONE " 2\nb\n"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_spelled_as_the_format_says),
        cmocka_unit_test(receipts_come_out_as_they_went_in),
        cmocka_unit_test(what_is_no_receipt_is_refused_and_not_passed_over),
        cmocka_unit_test(a_full_pack_takes_nothing_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
