/* Keys and signatures of others: what openssl signed, in the forms we take and in those we do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "crypto/pubkey.h"
#include "crypto/sha512.h"
#include "vectors_pubkey.h"

static int verify(enum pubkey_kind kind, const char *pem, const char *message, const char *hex)
{
    uint8_t sig[PUBKEY_MAX_SIG];
    struct pubkey *k;
    int rc;

    assert_int_equal(text_unhex(span_str(hex), sig, strlen(hex) / 2), 0);
    assert_int_equal(pubkey_import(&k, kind, span_str(pem)), 0);
    rc = pubkey_verify(k, span_str(message), span_of(sig, strlen(hex) / 2));
    pubkey_free(k);
    return rc;
}

static void signatures_of_openssl_verify(void **state)
{
    (void)state;
    assert_int_equal(verify(PUBKEY_ECDSA_P256_SHA256, PEM_P256, MESSAGE, SIG_P256), 0);
    assert_int_equal(verify(PUBKEY_RSA_PSS_SHA256, PEM_RSA, MESSAGE, SIG_RSA32), 0);
    assert_int_equal(verify(PUBKEY_RSA_PSS_SHA256, PEM_RSA, MESSAGE, SIG_RSAMAX), 0);
    assert_int_equal(verify(PUBKEY_RSA_PSS_SHA256, PEM_RSA, MESSAGE, SIG_RSA222), 0);
}

static void other_hashes_paddings_and_salts_do_not(void **state)
{
    static const char *const rsa[] = {SIG_RSA20,   SIG_RSA0,    SIG_RSAV15,
                                      SIG_RSAS512, SIG_RSAMGF1, SIG_P256};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rsa); i++)
        assert_int_equal(verify(PUBKEY_RSA_PSS_SHA256, PEM_RSA, MESSAGE, rsa[i]), -EBADMSG);
    assert_int_equal(verify(PUBKEY_ECDSA_P256_SHA256, PEM_P256, MESSAGE, SIG_P256S384), -EBADMSG);
    assert_int_equal(verify(PUBKEY_ECDSA_P256_SHA256, PEM_P256, MESSAGE, SIG_RSA32), -EBADMSG);
}

static void every_bit_of_a_signature_counts(void **state)
{
    static const struct {
        enum pubkey_kind kind;
        const char *pem, *sig;
    } rows[] = {{PUBKEY_ECDSA_P256_SHA256, PEM_P256, SIG_P256},
                {PUBKEY_RSA_PSS_SHA256, PEM_RSA, SIG_RSA32}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t sig[PUBKEY_MAX_SIG];
        size_t n = strlen(rows[i].sig) / 2;
        struct pubkey *k;

        assert_int_equal(text_unhex(span_str(rows[i].sig), sig, n), 0);
        assert_int_equal(pubkey_import(&k, rows[i].kind, span_str(rows[i].pem)), 0);
        for (size_t bit = 0; bit < 8 * n; bit += 3) {
            sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(sig, n)), -EBADMSG);
            sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(sig, cut)), -EBADMSG);
        sig[n] = 0;
        assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(sig, n + 1)), -EBADMSG);
        assert_int_equal(pubkey_verify(k, span_str(MESSAGE "."), span_of(sig, n)), -EBADMSG);
        assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(sig, n)), 0);
        pubkey_free(k);
    }
}

/* One signature, spelled as BER allows and DER does not. */
static void an_ecdsa_signature_has_one_spelling(void **state)
{
    uint8_t good[80], bad[90];
    size_t n = strlen(SIG_P256) / 2, r;
    struct pubkey *k;

    (void)state;
    assert_int_equal(text_unhex(span_str(SIG_P256), good, n), 0);
    assert_int_equal(pubkey_import(&k, PUBKEY_ECDSA_P256_SHA256, span_str(PEM_P256)), 0);
    assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(good, n)), 0);
    bad[0] = 0x30; /* the length in two bytes */
    bad[1] = 0x81;
    memcpy(bad + 2, good + 1, n - 1);
    assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(bad, n + 1)), -EBADMSG);
    bad[1] = 0x80; /* no length, but an end */
    memcpy(bad + 2, good + 2, n - 2);
    memset(bad + n, 0, 2);
    assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(bad, n + 2)), -EBADMSG);
    r = good[3]; /* a zero in front of r */
    bad[1] = (uint8_t)(good[1] + 1);
    bad[2] = 0x02;
    bad[3] = (uint8_t)(r + 1);
    bad[4] = 0;
    memcpy(bad + 5, good + 4, n - 4);
    assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(bad, n + 1)), -EBADMSG);
    memcpy(bad, good, 4 + r); /* and of s */
    bad[1] = (uint8_t)(good[1] + 1);
    bad[4 + r] = 0x02;
    bad[5 + r] = (uint8_t)(good[5 + r] + 1);
    bad[6 + r] = 0;
    memcpy(bad + 7 + r, good + 6 + r, n - 6 - r);
    assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(bad, n + 1)), -EBADMSG);
    memcpy(bad, good, n); /* a third element */
    bad[1] = (uint8_t)(good[1] + 2);
    bad[n] = 0x05;
    bad[n + 1] = 0;
    assert_int_equal(pubkey_verify(k, span_str(MESSAGE), span_of(bad, n + 2)), -EBADMSG);
    pubkey_free(k);
}

static void keys_of_another_kind_or_size_are_refused(void **state)
{
    static const struct {
        enum pubkey_kind kind;
        const char *pem;
    } rows[] = {
        {PUBKEY_ECDSA_P256_SHA256, PEM_P384},
        {PUBKEY_ECDSA_P256_SHA256, PEM_RSA},
        {PUBKEY_ECDSA_P256_SHA256, PEM_ED},
        {PUBKEY_RSA_PSS_SHA256, PEM_P256},
        {PUBKEY_RSA_PSS_SHA256, PEM_RSA1024},
        {PUBKEY_RSA_PSS_SHA256, PEM_RSAPSS},
        {PUBKEY_RSA_PSS_SHA256, ""},
        {PUBKEY_RSA_PSS_SHA256, "-----BEGIN PUBLIC KEY-----\n"},
        {PUBKEY_RSA_PSS_SHA256, " " PEM_RSA},
    };
    struct pubkey *k;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(pubkey_import(&k, rows[i].kind, span_str(rows[i].pem)), -EBADMSG);
        assert_null(k);
    }
}

static void two_spellings_of_a_key_are_one(void **state)
{
    struct pubkey *a, *b, *c;
    struct digest x, y, z;

    (void)state;
    assert_int_equal(pubkey_import(&a, PUBKEY_ECDSA_P256_SHA256, span_str(PEM_P256)), 0);
    assert_int_equal(pubkey_import(&b, PUBKEY_ECDSA_P256_SHA256, span_str(PEM_P256 "\n\n")), 0);
    assert_int_equal(pubkey_import(&c, PUBKEY_RSA_PSS_SHA256, span_str(PEM_RSA)), 0);
    pubkey_id(a, &x);
    pubkey_id(b, &y);
    pubkey_id(c, &z);
    assert_memory_equal(&x, &y, sizeof(x));
    assert_memory_not_equal(&x, &z, sizeof(x));
    pubkey_free(a);
    pubkey_free(b);
    pubkey_free(c);
    pubkey_free(NULL);
}

/* FIPS 180-4: "abc", in pieces and again with the same handle */
static void sha512_is_that_of_the_standard(void **state)
{
    struct sha512 *h = sha512_new();
    uint8_t out[SHA512_LEN];
    char hex[129];

    (void)state;
    assert_non_null(h);
    for (int i = 0; i < 2; i++) {
        sha512_add(h, "a", 1);
        sha512_add(h, NULL, 0);
        sha512_add(h, "bc", 2);
        sha512_end(h, out);
        text_hex(hex, out, sizeof(out));
        assert_string_equal(hex,
                            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    }
    sha512_free(h);
    sha512_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_openssl_verify),
        cmocka_unit_test(other_hashes_paddings_and_salts_do_not),
        cmocka_unit_test(every_bit_of_a_signature_counts),
        cmocka_unit_test(an_ecdsa_signature_has_one_spelling),
        cmocka_unit_test(keys_of_another_kind_or_size_are_refused),
        cmocka_unit_test(two_spellings_of_a_key_are_one),
        cmocka_unit_test(sha512_is_that_of_the_standard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
