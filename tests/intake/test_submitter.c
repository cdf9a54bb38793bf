#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "intake/submitter.h"

#include "faults.h"

/* Made by openssl 3.0: secret of 32 bytes 0b, sub 00 01 … 0f, statement of 32 bytes d1.
 *   openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:$secret -kdfopt hexsalt: \
 *     -kdfopt hexinfo:$(printf submission-key/v1 | xxd -p)$sub HKDF
 * gives SEED; as PKCS#8 (302e020100300506032b657004220420 and the seed) the public key, and by
 * openssl pkeyutl -sign -rawin over the texts as docs/formats.md has them, written by printf, the
 * signatures. */
#define SEED "a1f28fe9986aa037f3d9a73e626b988b81ae2a5a316bd1ccacd1670310f8e782"
#define PUBLIC "3y3R593lEhH0WRpMwVBwMeO3fd2FPlQNfiBZUaKjJUo="
#define SUBMIT                                                                                     \
    "d3MD3xA5eM37kgPcu/LmQOWUHkj9bCKG0n1GRwHjG08lxPcqza+Mr2dIX+ErQTojoxB1WYxPUVWj7/kwMEMpDQ=="
#define WITHDRAW                                                                                   \
    "X1deJIVpMWK8VopLxoM83eGbWe28+X1oLCcbNlr9Yc9CfKYx4cTkB7etzNweghTmMA9a/uG9w1fT1J/t+6yYCg=="
#define ERASE                                                                                      \
    "AKLTLqke55Hp2DvwAkfl2e/dvbud0Bg2dnx3wd83jMGwdud+aPopWn07X/J0kp1k0IOuobRDq7l9GZpj2FUHBA=="
#define TRACE                                                                                      \
    "LtiNhBGOo0DOFBy3UtMCADGL8/NUKtxz5mPBzJ3xfMAj1s61paU+cJhkMYYQ5qB7PTqiHBlcjohJ8pg89uqACQ=="
#define NOW 1795507200

static struct submitter_act act_of_the_vectors(void)
{
    struct submitter_act a = {.kind = SCOPE_FILE, .country = "CA", .scope = SCOPE_FILE};

    for (int i = 0; i < 16; i++)
        a.sub.b[i] = (uint8_t)i;
    memset(a.statement.b, 0xd1, sizeof(a.statement.b));
    return a;
}

static struct ed25519_key *key_of_the_vectors(void)
{
    struct submitter_act a = act_of_the_vectors();
    uint8_t secret[SUBMITTER_SECRET];
    struct ed25519_key *k = NULL;

    memset(secret, 0x0b, sizeof(secret));
    assert_int_equal(submitter_key(&k, secret, &a.sub), 0);
    return k;
}

static void signature_is(const struct ed25519_sig *s, const char *want)
{
    char got[TEXT_BASE64_LEN(64) + 1];

    text_base64(got, s->b, sizeof(s->b));
    assert_string_equal(got, want);
}

static void the_key_is_what_openssl_derives(void **state)
{
    struct ed25519_key *k = key_of_the_vectors();
    char seed[65], pub64[TEXT_BASE64_LEN(32) + 1];
    struct ed25519_pub pub;
    uint8_t raw[32];

    (void)state;
    ed25519_seed(k, raw);
    text_hex(seed, raw, sizeof(raw));
    assert_string_equal(seed, SEED);
    ed25519_public(k, &pub);
    text_base64(pub64, pub.b, sizeof(pub.b));
    assert_string_equal(pub64, PUBLIC);
    ed25519_free(k);
}

static void two_submissions_have_two_keys(void **state)
{
    struct submitter_act a = act_of_the_vectors();
    uint8_t secret[SUBMITTER_SECRET] = {1};
    struct ed25519_key *one = NULL, *two = NULL;
    struct ed25519_pub p, q;

    (void)state;
    assert_int_equal(submitter_key(&one, secret, &a.sub), 0);
    a.sub.b[15] ^= 1;
    assert_int_equal(submitter_key(&two, secret, &a.sub), 0);
    ed25519_public(one, &p);
    ed25519_public(two, &q);
    assert_memory_not_equal(&p, &q, sizeof(p));
    ed25519_free(one);
    ed25519_free(two);
}

static void the_texts_signed_are_those_of_the_page(void **state)
{
    struct submitter_act a = act_of_the_vectors();
    struct ed25519_key *k = key_of_the_vectors();
    struct ed25519_sig s;
    struct buf b;

    (void)state;
    assert_int_equal(submitter_sign_submit(k, &a, &s), 0);
    signature_is(&s, SUBMIT);
    assert_int_equal(submitter_sign_withdraw(k, &a.sub, &s), 0);
    signature_is(&s, WITHDRAW);
    assert_int_equal(submitter_sign_erase(k, &a.sub, &s), 0);
    signature_is(&s, ERASE);
    assert_int_equal(submitter_sign_trace(k, &a.sub, NOW, &s), 0);
    signature_is(&s, TRACE);
    a.kind = SCOPE_LOOKUP;
    a.scope = SCOPE_STATISTIC;
    buf_init(&b, 1000);
    assert_int_equal(submitter_submit_text(&b, &a), 0);
    assert_string_equal(buf_str(&b),
                        "submission/v1\nsub 000102030405060708090a0b0c0d0e0f\nkind lookup\n"
                        "country CA\nbasis declared\nstatement "
                        "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1\n"
                        "scope statistic\n");
    buf_free(&b);
    ed25519_free(k);
}

static struct ed25519_sig sig_of(const char *base64)
{
    struct ed25519_sig s;

    assert_int_equal(text_unbase64_exact(span_str(base64), s.b, sizeof(s.b)), 0);
    return s;
}

/* Each act verifies, and no other act, key, submission, country, statement or scope does. */
static void a_signature_is_for_one_act(void **state)
{
    struct submitter_act a = act_of_the_vectors(), b;
    struct ed25519_sig submit = sig_of(SUBMIT), withdraw = sig_of(WITHDRAW), erase = sig_of(ERASE);
    struct ed25519_sig trace = sig_of(TRACE);
    struct ed25519_pub pub, wrong;

    (void)state;
    assert_int_equal(text_unbase64_exact(span_str(PUBLIC), pub.b, 32), 0);
    assert_int_equal(submitter_verify_submit(&pub, &a, &submit), 0);
    assert_int_equal(submitter_verify_withdraw(&pub, &a.sub, &withdraw), 0);
    assert_int_equal(submitter_verify_erase(&pub, &a.sub, &erase), 0);
    assert_int_equal(submitter_verify_trace(&pub, &a.sub, NOW, NOW, &trace), 0);

    assert_int_equal(submitter_verify_withdraw(&pub, &a.sub, &erase), -EBADMSG);
    assert_int_equal(submitter_verify_erase(&pub, &a.sub, &withdraw), -EBADMSG);
    assert_int_equal(submitter_verify_trace(&pub, &a.sub, NOW, NOW, &erase), -EBADMSG);
    for (int field = 0; field < 5; field++) {
        b = a;
        switch (field) {
        case 0:
            b.sub.b[0] ^= 1;
            break;
        case 1:
            b.kind = SCOPE_LOOKUP;
            break;
        case 2:
            memcpy(b.country, "US", 3);
            break;
        case 3:
            b.statement.b[31] ^= 1;
            break;
        case 4:
            b.scope = SCOPE_STATISTIC;
            break;
        }
        assert_int_equal(submitter_verify_submit(&pub, &b, &submit), -EBADMSG);
    }
    b.sub = a.sub;
    b.sub.b[15] ^= 0x80;
    assert_int_equal(submitter_verify_withdraw(&pub, &b.sub, &withdraw), -EBADMSG);
    assert_int_equal(submitter_verify_erase(&pub, &b.sub, &erase), -EBADMSG);
    wrong = pub;
    wrong.b[0] ^= 1;
    assert_int_equal(submitter_verify_submit(&wrong, &a, &submit), -EBADMSG);
}

static void a_trace_is_good_for_five_minutes_either_way(void **state)
{
    static const struct {
        unix_time now;
        int rc;
    } v[] = {
        {NOW - 300, 0}, {NOW + 300, 0}, {NOW - 301, -EBADMSG}, {NOW + 301, -EBADMSG}, {NOW, 0},
    };
    struct submitter_act a = act_of_the_vectors();
    struct ed25519_sig trace = sig_of(TRACE);
    struct ed25519_pub pub;

    (void)state;
    assert_int_equal(text_unbase64_exact(span_str(PUBLIC), pub.b, 32), 0);
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        assert_int_equal(submitter_verify_trace(&pub, &a.sub, NOW, v[i].now, &trace), v[i].rc);
    /* the time is signed: another within the window is refused too */
    assert_int_equal(submitter_verify_trace(&pub, &a.sub, NOW + 1, NOW, &trace), -EBADMSG);
    assert_int_equal(submitter_verify_trace(&pub, &a.sub, INT64_MIN, NOW, &trace), -EBADMSG);
    assert_int_equal(submitter_verify_trace(&pub, &a.sub, INT64_MAX, NOW, &trace), -EBADMSG);
}

static int sign_and_verify(void *ctx)
{
    struct submitter_act a = act_of_the_vectors();
    struct ed25519_sig s = sig_of(SUBMIT);
    int rc;

    rc = submitter_sign_erase(ctx, &a.sub, &s);
    if (rc == 0) {
        struct ed25519_pub pub;

        ed25519_public(ctx, &pub);
        rc = submitter_verify_erase(&pub, &a.sub, &s);
    }
    return rc;
}

static void running_out_of_memory_is_said(void **state)
{
    struct ed25519_key *k = key_of_the_vectors();

    (void)state;
    assert_true(faults_each(sign_and_verify, k) >= 2);
    ed25519_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_is_what_openssl_derives),
        cmocka_unit_test(two_submissions_have_two_keys),
        cmocka_unit_test(the_texts_signed_are_those_of_the_page),
        cmocka_unit_test(a_signature_is_for_one_act),
        cmocka_unit_test(a_trace_is_good_for_five_minutes_either_way),
        cmocka_unit_test(running_out_of_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
