#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "events/receipt_extra.h"

/* printf '{"epoch":3,...,"v":1}' | base64 -w0, for the leaf of docs/formats.md */
#define EPOCH                                                                                      \
    "{\"epoch\":3,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":\"2026-11-23T20:51Z\","     \
    "\"v\":1}"
#define EPOCH64                                                                                    \
    "eyJlcG9jaCI6Mywia2luZCI6ImVwb2NoLm9wZW5lZCIsInNpdGUiOiJ6cmgxIiwidGltZSI6IjIwMjYtMTEtMjNUMjA6" \
    "NTFaIiwidiI6MX0="

static void make_leaf(struct buf *out, const uint8_t salt[32])
{
    struct leaf_builder b;
    struct id128 ref = {{1}};

    leaf_begin(&b, LK_COPY_PLACED, 0, "zrh1");
    leaf_set_id(&b, LF_REF, &ref);
    leaf_set_sealed(&b, LF_SEALED_SUB, salt, span_str("aa"));
    leaf_set_sealed(&b, LF_SEALED_COUNTRY, salt, span_str("CA"));
    leaf_set_sealed(&b, LF_SEALED_SHA256, salt, span_of(NULL, 0));
    assert_int_equal(leaf_end(&b, out, NULL), 0);
}

static void a_leaf_without_openings_is_spelled_as_the_format_says(void **state)
{
    static const char want[] = "{\"leaf\":\"" EPOCH64 "\",\"openings\":[],\"v\":1}";
    struct receipt_extra x = {.leaf = span_str(EPOCH)}, y;
    struct buf out;

    (void)state;
    buf_init(&out, RECEIPT_EXTRA_MAX);
    assert_int_equal(receipt_extra_encode(&x, &out, NULL), 0);
    assert_string_equal(buf_str(&out), want);
    assert_int_equal(receipt_extra_decode(&y, buf_span(&out), NULL), 0);
    assert_true(span_is(y.leaf, EPOCH));
    assert_int_equal(y.openings, 0);
    receipt_extra_free(&y);
    buf_free(&out);
}

static void openings_stand_in_the_leafs_order_whatever_order_they_were_given(void **state)
{
    const uint8_t salt[32] = {7};
    struct receipt_extra x = {.openings = 3}, y;
    const struct receipt_opening *o;
    struct buf leaf, out;

    (void)state;
    buf_init(&leaf, LEAF_MAX);
    buf_init(&out, RECEIPT_EXTRA_MAX);
    make_leaf(&leaf, salt);
    x.leaf = buf_span(&leaf);
    x.opening[0] = (struct receipt_opening){.field = LF_SEALED_SUB, .value = span_str("aa")};
    x.opening[1] = (struct receipt_opening){.field = LF_SEALED_SHA256, .value = span_of(NULL, 0)};
    x.opening[2] = (struct receipt_opening){.field = LF_SEALED_COUNTRY, .value = span_str("CA")};
    for (int i = 0; i < 3; i++)
        memcpy(x.opening[i].salt, salt, 32);
    assert_int_equal(receipt_extra_encode(&x, &out, NULL), 0);
    assert_int_equal(receipt_extra_decode(&y, buf_span(&out), NULL), 0);
    assert_int_equal(y.openings, 3);
    assert_int_equal(y.opening[0].field, LF_SEALED_COUNTRY);
    assert_int_equal(y.opening[1].field, LF_SEALED_SHA256);
    assert_int_equal(y.opening[2].field, LF_SEALED_SUB);
    o = receipt_extra_find(&y, LF_SEALED_COUNTRY);
    assert_true(o != NULL && span_is(o->value, "CA"));
    assert_null(receipt_extra_find(&y, LF_SEALED_REF));
    receipt_extra_free(&y);
    buf_free(&out);
    buf_free(&leaf);
}

static void an_opening_that_does_not_open_is_refused(void **state)
{
    const uint8_t salt[32] = {7};
    struct receipt_extra x = {.openings = 1};
    struct buf leaf, out;

    (void)state;
    buf_init(&leaf, LEAF_MAX);
    buf_init(&out, RECEIPT_EXTRA_MAX);
    make_leaf(&leaf, salt);
    x.leaf = buf_span(&leaf);
    x.opening[0] = (struct receipt_opening){.field = LF_SEALED_SUB, .value = span_str("ab")};
    memcpy(x.opening[0].salt, salt, 32);
    assert_int_equal(receipt_extra_encode(&x, &out, NULL), -EBADMSG);
    x.opening[0].field = LF_SEALED_ACCOUNT; /* not in this leaf */
    assert_int_equal(receipt_extra_encode(&x, &out, NULL), -EBADMSG);
    x.opening[0] = (struct receipt_opening){.field = LF_SEALED_SUB, .value = span_str("aa")};
    memcpy(x.opening[0].salt, salt, 32);
    x.opening[1] = x.opening[0];
    x.openings = 2; /* twice */
    assert_int_equal(receipt_extra_encode(&x, &out, NULL), -EINVAL);
    assert_int_equal(out.len, 0);
    buf_free(&out);
    buf_free(&leaf);
}

/* No single byte can be changed or cut without refusal: openings are checked against the leaf, and
 * a changed leaf of one sealed field would need another opening. */
static void no_byte_can_be_touched(void **state)
{
    const uint8_t salt[32] = {7};
    struct receipt_extra x = {.openings = 3}, y;
    struct buf leaf, out;

    (void)state;
    buf_init(&leaf, LEAF_MAX);
    buf_init(&out, RECEIPT_EXTRA_MAX);
    make_leaf(&leaf, salt);
    x.leaf = buf_span(&leaf);
    x.opening[0] = (struct receipt_opening){.field = LF_SEALED_COUNTRY, .value = span_str("CA")};
    x.opening[1] = (struct receipt_opening){.field = LF_SEALED_SHA256, .value = span_of(NULL, 0)};
    x.opening[2] = (struct receipt_opening){.field = LF_SEALED_SUB, .value = span_str("aa")};
    for (int i = 0; i < 3; i++)
        memcpy(x.opening[i].salt, salt, 32);
    assert_int_equal(receipt_extra_encode(&x, &out, NULL), 0);
    for (size_t i = 0; i < out.len; i++) {
        uint8_t *copy = malloc(out.len);

        assert_non_null(copy);
        memcpy(copy, out.data, out.len);
        copy[i] ^= 1;
        if (receipt_extra_decode(&y, span_of(copy, out.len), NULL) == 0) {
            /* the leaf's time or version is not sealed; all else is tied */
            assert_false(span_eq(y.leaf, x.leaf));
            receipt_extra_free(&y);
        }
        assert_int_not_equal(receipt_extra_decode(&y, span_of(copy, i), NULL), 0);
        free(copy);
    }
    buf_free(&out);
    buf_free(&leaf);
}

static void blanks_order_and_newer_versions_are_refused(void **state)
{
    static const char *const bad[] = {
        "{\"leaf\": \"" EPOCH64 "\",\"openings\":[],\"v\":1}",
        "{\"leaf\":\"" EPOCH64 "\",\"openings\":[],\"v\":2}",
        "{\"leaf\":\"" EPOCH64 "\",\"openings\":[],\"v\":1}\n",
        "{\"openings\":[],\"leaf\":\"" EPOCH64 "\",\"v\":1}",
        "{\"leaf\":\"" EPOCH64 "\",\"openings\":[,],\"v\":1}",
        "{\"leaf\":\"" EPOCH64 "\",\"v\":1}",
        "{\"leaf\":\"\",\"openings\":[],\"v\":1}",
        "",
    };
    struct receipt_extra y;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(receipt_extra_decode(&y, span_str(bad[i]), NULL), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leaf_without_openings_is_spelled_as_the_format_says),
        cmocka_unit_test(openings_stand_in_the_leafs_order_whatever_order_they_were_given),
        cmocka_unit_test(an_opening_that_does_not_open_is_refused),
        cmocka_unit_test(no_byte_can_be_touched),
        cmocka_unit_test(blanks_order_and_newer_versions_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
