#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "events/seal.h"

#define ID "000102030405060708090a0b0c0d0e0f"

static void salt_0_31(uint8_t salt[32])
{
    for (int i = 0; i < 32; i++)
        salt[i] = (uint8_t)i;
}

/* printf
 * '\0\011sealed/v1\0\013copy.placed\0\004zrh1\0\040000102030405060708090a0b0c0d0e0f\0\007country' \
 *   > a; printf '\0\1\2...\37CA' >> a; openssl dgst -sha256 -binary a | base64 */
static void a_commitment_is_the_hash_that_openssl_computes(void **state)
{
    struct digest d, want;
    uint8_t salt[32];

    (void)state;
    salt_0_31(salt);
    seal_commit(&d, span_str("copy.placed"), span_str("zrh1"), span_str(ID), span_str("country"),
                salt, span_str("CA"));
    assert_int_equal(
        text_unbase64_exact(span_str("KEWOpdqjaN4pl5m1YH9Wc6gZyG7ZEuckVTU/q803+JE="), want.b, 32),
        0);
    assert_memory_equal(d.b, want.b, 32);
    /* the empty value, field "sub" */
    seal_commit(&d, span_str("copy.placed"), span_str("zrh1"), span_str(ID), span_str("sub"), salt,
                span_of(NULL, 0));
    assert_int_equal(
        text_unbase64_exact(span_str("DKYWuRXkWqXeTiGF/FfnsSrs+dKnjuJ7BVHBcMUgvGM="), want.b, 32),
        0);
    assert_memory_equal(d.b, want.b, 32);
}

static void an_opening_opens_its_field_and_no_other(void **state)
{
    struct leaf_builder b;
    struct id128 ref = {{1}};
    uint8_t salt[32], other[32] = {0};
    struct buf out;
    struct leaf l;

    (void)state;
    salt_0_31(salt);
    buf_init(&out, LEAF_MAX);
    leaf_begin(&b, LK_COPY_PLACED, 0, "zrh1");
    leaf_set_id(&b, LF_REF, &ref);
    leaf_set_sealed(&b, LF_SEALED_SUB, salt, span_str(ID));
    leaf_set_sealed(&b, LF_SEALED_COUNTRY, salt, span_str("CA"));
    leaf_set_sealed(&b, LF_SEALED_SHA256, salt, span_str("x"));
    assert_int_equal(leaf_end(&b, &out, NULL), 0);
    assert_int_equal(leaf_parse(&l, buf_span(&out)), 0);
    assert_int_equal(seal_check(&l, LF_SEALED_COUNTRY, salt, span_str("CA")), 0);
    assert_int_equal(seal_check(&l, LF_SEALED_COUNTRY, salt, span_str("CH")), -EBADMSG);
    assert_int_equal(seal_check(&l, LF_SEALED_COUNTRY, other, span_str("CA")), -EBADMSG);
    assert_int_equal(seal_check(&l, LF_SEALED_SUB, salt, span_str("CA")), -EBADMSG);
    assert_int_equal(seal_check(&l, LF_SEALED_NAME, salt, span_str("CA")), -ENOENT);
    assert_int_equal(seal_check(&l, LF_REF, salt, span_str("CA")), -ENOENT);
    buf_free(&out);
}

static void names_are_those_after_the_dot(void **state)
{
    enum leaf_field f;

    (void)state;
    assert_int_equal(seal_field(span_str("names"), &f), 0);
    assert_int_equal(f, LF_SEALED_NAMES);
    assert_string_equal(seal_name(LF_SEALED_NAME), "name");
    assert_null(seal_name(LF_REF));
    assert_int_equal(seal_field(span_str("zone"), &f), -ENOENT);
    assert_int_equal(seal_field(span_str("sealed.ref"), &f), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commitment_is_the_hash_that_openssl_computes),
        cmocka_unit_test(an_opening_opens_its_field_and_no_other),
        cmocka_unit_test(names_are_those_after_the_dot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
