#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include <gnutls/crypto.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "hex.h"
#include "traces.h"

static bool no_memory;

int __real_gnutls_aead_cipher_init(gnutls_aead_cipher_hd_t *h, gnutls_cipher_algorithm_t c,
                                   const gnutls_datum_t *key);
int __wrap_gnutls_aead_cipher_init(gnutls_aead_cipher_hd_t *h, gnutls_cipher_algorithm_t c,
                                   const gnutls_datum_t *key);
int __wrap_gnutls_aead_cipher_init(gnutls_aead_cipher_hd_t *h, gnutls_cipher_algorithm_t c,
                                   const gnutls_datum_t *key)
{
    return no_memory ? GNUTLS_E_MEMORY_ERROR : __real_gnutls_aead_cipher_init(h, c, key);
}

#define KEY15 "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define NONCE15 "cafebabefacedbaddecaf888"
#define PLAIN16                                                                                    \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6" \
    "b525b16aedf5aa0de657ba637b39"
#define CIPHER16                                                                                   \
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682" \
    "8838c5f61e6393ba7a0abcc9f662"

/* The test cases 13 to 16 of the GCM specification submitted to NIST (AES-256, 96-bit nonce) */
static const struct {
    const char *key, *nonce, *ad, *plain, *cipher, *tag;
} gcm[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {KEY15, NONCE15, "", PLAIN16 "1aafd255", CIPHER16 "898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {KEY15, NONCE15, "feedfacedeadbeeffeedfacedeadbeefabaddad2", PLAIN16, CIPHER16,
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void the_test_cases_of_the_gcm_specification_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(gcm); i++) {
        uint8_t key[32], nonce[12], ad[20], plain[64], out[80], back[64];
        size_t na = unhex(gcm[i].ad, ad, sizeof(ad)), n = unhex(gcm[i].plain, plain, 64);
        struct span extra = span_of(na > 0 ? ad : NULL, na);
        struct aead *a = NULL;

        (void)unhex(gcm[i].key, key, sizeof(key));
        (void)unhex(gcm[i].nonce, nonce, sizeof(nonce));
        assert_int_equal(aead_new(&a, key), 0);
        assert_int_equal(aead_seal(a, nonce, extra, plain, n, out), 0);
        assert_hex(out, n, gcm[i].cipher);
        assert_hex(out + n, AEAD_TAG, gcm[i].tag);
        assert_int_equal(aead_open(a, nonce, extra, out, n + AEAD_TAG, back), 0);
        assert_memory_equal(back, plain, n);
        aead_free(a);
    }
    aead_free(NULL);
}

static void chunks_of_every_awkward_size_work_in_place(void **state)
{
    static const size_t size[] = {0, 1, 15, 16, 17, 4095, 65535, 65536, 65537};
    uint8_t *apart = malloc(65537 + AEAD_TAG), *same = malloc(65537 + AEAD_TAG);
    const uint8_t key[32] = {1};
    uint8_t nonce[12] = {0};
    struct aead *a = NULL;

    (void)state;
    assert_true(apart != NULL && same != NULL);
    assert_int_equal(aead_new(&a, key), 0);
    for (size_t i = 0; i < ARRAY_LEN(size); i++) {
        nonce[0] = (uint8_t)i;
        for (size_t k = 0; k < size[i]; k++)
            same[k] = (uint8_t)(k * 31 + i);
        assert_int_equal(aead_seal(a, nonce, span_str("ad"), same, size[i], apart), 0);
        assert_int_equal(aead_seal(a, nonce, span_str("ad"), same, size[i], same), 0);
        assert_memory_equal(same, apart, size[i] + AEAD_TAG);
        assert_int_equal(aead_open(a, nonce, span_str("ad"), same, size[i] + AEAD_TAG, same), 0);
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(same[k], (uint8_t)(k * 31 + i));
    }
    aead_free(a);
    free(apart);
    free(same);
}

static void one_flipped_bit_anywhere_is_refused_and_nothing_comes_out(void **state)
{
    static const uint8_t zero[20];
    const uint8_t key[32] = {2};
    uint8_t nonce[12] = {0}, ad[4] = {0}, sealed[36], out[20];
    struct aead *a = NULL;

    (void)state;
    assert_int_equal(aead_new(&a, key), 0);
    assert_int_equal(aead_seal(a, nonce, span_of(ad, 4), "twenty bytes of text", 20, sealed), 0);
    for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memset(out, 0xff, sizeof(out));
        assert_int_equal(aead_open(a, nonce, span_of(ad, 4), sealed, 36, out), -EBADMSG);
        assert_memory_equal(out, zero, sizeof(out));
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    ad[3] = 1;
    assert_int_equal(aead_open(a, nonce, span_of(ad, 4), sealed, 36, out), -EBADMSG);
    ad[3] = 0;
    assert_int_equal(aead_open(a, nonce, span_of(ad, 3), sealed, 36, out), -EBADMSG);
    nonce[11] = 1;
    assert_int_equal(aead_open(a, nonce, span_of(ad, 4), sealed, 36, out), -EBADMSG);
    nonce[11] = 0;
    for (size_t n = 0; n < 36; n++)
        assert_int_equal(aead_open(a, nonce, span_of(ad, 4), sealed, n, out), -EBADMSG);
    assert_int_equal(aead_open(a, nonce, span_of(ad, 4), sealed, 36, out), 0);
    assert_memory_equal(out, "twenty bytes of text", 20);
    aead_free(a);
}

static void a_wrap_opens_only_under_its_key_and_context(void **state)
{
    const uint8_t key[32] = {3}, other[32] = {4}, secret[32] = {5};
    uint8_t one[32 + AEAD_WRAP_EXTRA], two[32 + AEAD_WRAP_EXTRA], out[32];

    (void)state;
    assert_int_equal(aead_wrap(key, span_str("slot 1"), secret, 32, one), 0);
    assert_int_equal(aead_wrap(key, span_str("slot 1"), secret, 32, two), 0);
    assert_memory_not_equal(one, two, AEAD_NONCE); /* a fresh nonce each time */
    assert_int_equal(aead_unwrap(key, span_str("slot 1"), one, sizeof(one), out), 0);
    assert_memory_equal(out, secret, 32);
    assert_int_equal(aead_unwrap(other, span_str("slot 1"), one, sizeof(one), out), -EBADMSG);
    assert_int_equal(aead_unwrap(key, span_str("slot 2"), one, sizeof(one), out), -EBADMSG);
    assert_int_equal(aead_unwrap(key, span_str("slot 1"), one, AEAD_WRAP_EXTRA - 1, out), -EBADMSG);
    one[0] ^= 1;
    assert_int_equal(aead_unwrap(key, span_str("slot 1"), one, sizeof(one), out), -EBADMSG);
}

static void lack_of_memory_is_told(void **state)
{
    const uint8_t key[32] = {6};
    uint8_t out[1 + AEAD_WRAP_EXTRA];
    struct aead *a = NULL;

    (void)state;
    no_memory = true;
    assert_int_equal(aead_new(&a, key), -ENOMEM);
    assert_null(a);
    assert_int_equal(aead_wrap(key, span_str(""), "x", 1, out), -ENOMEM);
    assert_int_equal(aead_unwrap(key, span_str(""), out, sizeof(out), out), -ENOMEM);
    no_memory = false;
}

/* The first two round keys of AES-256 are the key itself. */
static void a_freed_context_leaves_no_trace_of_its_key(void **state)
{
    uint8_t flipped[32], key[32];
    struct aead *a = NULL;
    int found;

    (void)state;
    random_bytes(key, sizeof(key));
    for (size_t i = 0; i < sizeof(key); i++)
        flipped[i] = (uint8_t)~key[i];
    assert_int_equal(aead_new(&a, key), 0);
    secret_wipe(key, sizeof(key));
    found = traces_of(flipped, 16);
    aead_free(a);
    if (found < 0)
        skip();
    assert_true(found >= 1); /* the search can find it */
    assert_int_equal(traces_of(flipped, 16), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_test_cases_of_the_gcm_specification_come_out),
        cmocka_unit_test(chunks_of_every_awkward_size_work_in_place),
        cmocka_unit_test(one_flipped_bit_anywhere_is_refused_and_nothing_comes_out),
        cmocka_unit_test(a_wrap_opens_only_under_its_key_and_context),
        cmocka_unit_test(lack_of_memory_is_told),
        cmocka_unit_test(a_freed_context_leaves_no_trace_of_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
