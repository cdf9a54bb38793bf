#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "people/dsse.h"

#include "faults.h"

/* The keys of RFC 8032 section 7.1, TEST 1 and TEST 2, and their keyids (sha256sum of the raw
 * public key).  The DSSE project's own vectors (testvectors/vectors.json) use the same two keys;
 * the signatures below named "vector" are theirs. */
#define SEED_A "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define SEED_B "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
#define ID_A "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
#define ID_B "39f713d0a644253f04529421b9f51b9b08979d08295959c4f3990ee617f5139f"
#define INTOTO "application/vnd.in-toto+json"
#define STATEMENT "eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ=="
#define VECTOR_A                                                                                   \
    "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA=="
#define VECTOR_B                                                                                   \
    "c1+67/aT0yqEpwx8PsVY3MLHsj9D0CZ014/Fv/QlG59P+9CobUZ7xECJ/V3USG0Ob9CiE5LjReEZUzNF2l7eBw=="

/* Made by openssl 3.0: the seed as PKCS#8 (302e020100300506032b657004220420 and the seed, in hex,
 * through xxd -r -p and openssl pkey -inform DER), then
 *   body='format: move/v1\n', t=application/x.move.v1+yaml
 *   printf 'DSSEv1 %d %s %d %s' 26 $t 16 "$body" >pae     (with the line feed)
 *   openssl pkeyutl -sign -rawin -inkey a.pem -in pae | base64 -w0
 * put together by printf; its digest by sha256sum. */
#define MOVE_SIG_A                                                                                 \
    "a7NRKtT2MzcUuOBAjTV24nejIeiHsHDZEDP7gkHRIV9E4ACjugpHuyfG98GlrfZDHZB+Ml1T2BDKU1wu9WPJBg=="
#define MOVE_SIG_B                                                                                 \
    "u1278pnMYTSW4NcnqPcvp4EDnxj1p67aLun76PwdwYTb8u9sHCNdUso+9MjI/qxkFy0k/dz31q3dm+fXTixbAg=="
#define MOVE_BODY "format: move/v1\n"
#define MOVE_TYPE "application/x.move.v1+yaml"
#define MOVE_ENVELOPE                                                                              \
    "{\"payload\":\"Zm9ybWF0OiBtb3ZlL3YxCg==\",\"payloadType\":\"" MOVE_TYPE                       \
    "\",\"signatures\":[{\"keyid\":\"" ID_A "\",\"sig\":\"" MOVE_SIG_A "\"}]}\n"
#define MOVE_DIGEST "08d0f939eb6bf43e4d866a3eae88f4f5bfea3c041c275d38a01a3f2b793f7e8c"

static struct ed25519_key *key_of(const char *seed)
{
    struct ed25519_key *k = NULL;
    uint8_t raw[32];

    assert_int_equal(text_unhex(span_str(seed), raw, 32), 0);
    assert_int_equal(ed25519_from_seed(&k, raw), 0);
    return k;
}

static struct ed25519_pub public_of(const char *seed)
{
    struct ed25519_key *k = key_of(seed);
    struct ed25519_pub pub;

    ed25519_public(k, &pub);
    ed25519_free(k);
    return pub;
}

static bool knows_a_and_b(void *ctx, const char *keyid, struct ed25519_pub *out)
{
    (void)ctx;
    if (strcmp(keyid, ID_A) == 0)
        *out = public_of(SEED_A);
    else if (strcmp(keyid, ID_B) == 0)
        *out = public_of(SEED_B);
    else
        return false;
    return true;
}

static int parse(const char *text, struct dsse **d, struct err *e)
{
    *d = NULL;
    return dsse_parse(d, span_str(text), e);
}

/* How many of an envelope's signatures A and B really made; -1 if it is refused. */
static int verified(const char *text)
{
    size_t good[DSSE_MAX_SIGNATURES], n = 0;
    struct dsse *d;

    if (parse(text, &d, NULL) != 0)
        return -1;
    assert_int_equal(dsse_verify(d, knows_a_and_b, NULL, good, &n), 0);
    dsse_free(d);
    return (int)n;
}

static char *envelope(char *out, size_t n, const char *payload, const char *type,
                      const char *signatures)
{
    assert_true(snprintf(out, n, "{\"payload\":\"%s\",\"payloadType\":\"%s\",\"signatures\":[%s]}",
                         payload, type, signatures) < (int)n);
    return out;
}

#define SIG(id, sig) "{\"keyid\":\"" id "\",\"sig\":\"" sig "\"}"

static void the_specifications_example_of_pae_comes_out(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 200);
    assert_int_equal(dsse_pae(&b, "http://example.com/HelloWorld", span_str("hello world")), 0);
    assert_string_equal(buf_str(&b), "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    buf_free(&b);
    buf_init(&b, 20);
    assert_int_equal(dsse_pae(&b, "t", span_str("0123456789")), -E2BIG);
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void the_projects_own_vectors_verify(void **state)
{
    static const struct {
        const char *what, *payload, *type, *signatures;
        int expect;
    } v[] = {
        {"single-signature", STATEMENT, INTOTO, SIG(ID_A, VECTOR_A), 1},
        {"url-safe-base64", "-_-_Pj8=", INTOTO,
         SIG(ID_A, "P-_KHICeR7tI6S_YyejJTRtrXhcQyQ2LYPaL8h90KjC9qN8HU_"
                   "svOQ6TuDOT1HIrsGW886DbWNWcCmX5twLrAw=="),
         1},
        {"payload-type-swapped", STATEMENT, "application/vnd.example.other+json",
         SIG(ID_A, VECTOR_A), 0},
        {"non-ascii-payload-type", STATEMENT, "application/vnd.ex\xc3\xa4mple+json",
         SIG(ID_A, "xmSk/ug66ysT7ayhkCIjhAq42zgZXSsEWuzUaNL7w2eGAdF/NU6/"
                   "fRXPtmfN+5DNSAs5/i2lUnHjbbjPsu0tAw=="),
         1},
        {"empty-payload", "", INTOTO,
         SIG(ID_A, "gSggCAaTLTYyRH6FIDBem6meyIynsYy8RTHVzwx9tnTb7Bg/"
                   "1jMWnuVgI/gffqmbsC2VX5/jHfkkDqsj7CDbDg=="),
         1},
        {"threshold-two-distinct-keys", STATEMENT, INTOTO,
         SIG(ID_A, VECTOR_A) "," SIG(ID_B, VECTOR_B), 2},
        {"threshold-two-one-key-twice", STATEMENT, INTOTO,
         SIG(ID_A, VECTOR_A) "," SIG(ID_A, VECTOR_A), -1},
        {"signatures exchanged", STATEMENT, INTOTO, SIG(ID_A, VECTOR_B) "," SIG(ID_B, VECTOR_A), 0},
        {"another payload", "aGVsbG8gd29ybGQ=", INTOTO, SIG(ID_A, VECTOR_A), 0},
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        int got = verified(envelope(text, sizeof(text), v[i].payload, v[i].type, v[i].signatures));

        if (got != v[i].expect)
            fail_msg("%s: %d signatures verify, not %d", v[i].what, got, v[i].expect);
    }
}

static void what_openssl_signed_is_what_we_write(void **state)
{
    struct ed25519_key *a = key_of(SEED_A);
    struct digest digest;
    struct dsse *d = NULL;
    struct buf out;
    char hex[65];

    (void)state;
    assert_int_equal(dsse_new(&d, MOVE_TYPE, span_str(MOVE_BODY)), 0);
    assert_int_equal(dsse_sign(d, a), 0);
    buf_init(&out, DSSE_MAX_BYTES);
    assert_int_equal(dsse_write(d, &out), 0);
    assert_string_equal(buf_str(&out), MOVE_ENVELOPE);
    dsse_digest(buf_span(&out), &digest);
    text_digest(hex, &digest);
    assert_string_equal(hex, MOVE_DIGEST);
    buf_free(&out);
    dsse_free(d);
    ed25519_free(a);
}

static void a_parsed_envelope_lends_its_parts(void **state)
{
    struct ed25519_pub a = public_of(SEED_A), b = public_of(SEED_B);
    struct dsse *d;

    (void)state;
    assert_int_equal(parse(MOVE_ENVELOPE, &d, NULL), 0);
    assert_string_equal(dsse_type(d), MOVE_TYPE);
    assert_true(span_is(dsse_payload(d), MOVE_BODY));
    assert_int_equal(dsse_count(d), 1);
    assert_string_equal(dsse_keyid(d, 0), ID_A);
    assert_int_equal(dsse_check(d, 0, &a), 0);
    assert_int_equal(dsse_check(d, 0, &b), -EBADMSG);
    dsse_free(d);
}

/* The signature is A's, but the keyid says B: it must count for neither. */
static void a_signature_under_anothers_keyid_counts_for_nobody(void **state)
{
    char text[1024];
    struct ed25519_pub a = public_of(SEED_A);
    struct dsse *d;

    (void)state;
    envelope(text, sizeof(text), STATEMENT, INTOTO, SIG(ID_B, VECTOR_A));
    assert_int_equal(verified(text), 0);
    assert_int_equal(parse(text, &d, NULL), 0);
    assert_int_equal(dsse_check(d, 0, &a), -EBADMSG);
    dsse_free(d);
}

static void no_changed_byte_leaves_a_signature_standing(void **state)
{
    char text[sizeof(MOVE_ENVELOPE)];

    (void)state;
    assert_int_equal(verified(MOVE_ENVELOPE), 1);
    for (size_t i = 0; i + 1 < sizeof(text) - 1; i++) /* the last byte is white space */
        for (int bit = 0; bit < 7; bit++) {
            memcpy(text, MOVE_ENVELOPE, sizeof(text));
            text[i] ^= (char)(1 << bit);
            if (verified(text) > 0)
                fail_msg("byte %zu, bit %d: %s", i, bit, text);
        }
}

static void malformed_envelopes_are_refused(void **state)
{
#define P "\"payload\":\"\""
#define T "\"payloadType\":\"t\""
#define S "\"signatures\":[]"
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "envelope: line"},
        {"[]", "not an object"},
        {"null", "envelope: "},
        {"{" P "," T "," S "} {}", "envelope: line"},
        {"{" P "," T "," S ",\"x\":1}", "not an object of"},
        {"{" P "," T "," P "," S "}", "duplicate"},
        {"{" P "," T ",\"signature\":[]}", "\"signatures\" is missing"},
        {"{" P "," T ",\"signatures\":{}}", "\"signatures\" is missing"},
        {"{\"payload\":1," T "," S "}", "\"payload\" is missing or not a string"},
        {"{" P ",\"payloadType\":null," S "}", "\"payloadType\" is missing or not a string"},
        {"{" P ",\"payloadType\":\"a\\u0000b\"," S "}", "envelope: line"},
        {"{\"payload\":\"YQ\"," T "," S "}", "\"payload\" is not base64"},
        {"{\"payload\":\"YR==\"," T "," S "}", "\"payload\" is not base64"},
        {"{\"payload\":\"-_+/\"," T "," S "}", "\"payload\" is not base64"},
        {"{\"payload\":\"YQ==\\n\"," T "," S "}", "\"payload\" is not base64"},
        {"{" P "," T ",\"signatures\":[1]}", "signature 1 is not an object"},
        {"{" P "," T ",\"signatures\":[{\"sig\":\"" VECTOR_A "\"}]}", "signature 1 is not an"},
        {"{" P "," T ",\"signatures\":[{\"keyid\":\"A\",\"sig\":\"" VECTOR_A "\"}]}", "keyid of"},
        {"{" P "," T ",\"signatures\":[{\"keyid\":\"" ID_A "\",\"sig\":\"YQ==\"}]}", "64 bytes"},
        {"{" P "," T ",\"signatures\":[{\"keyid\":\"" ID_A "\",\"sig\":\"\"}]}", "64 bytes"},
        {"{" P "," T ",\"signatures\":[{\"keyid\":\"" ID_A "\",\"sig\":\"" VECTOR_A
         "\",\"cert\":\"\"}]}",
         "signature 1 is not an object of"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;
        struct dsse *d;

        assert_int_equal(parse(bad[i].text, &d, &e), -EBADMSG);
        assert_null(d);
        if (strstr(err_text(&e), bad[i].says) == NULL)
            fail_msg("%s: %s", bad[i].text, err_text(&e));
    }
}

static void limits_are_kept(void **state)
{
    size_t big = DSSE_MAX_BYTES + 1;
    char *text = malloc(big + 1);
    struct dsse *d = NULL;
    size_t n;

    (void)state;
    assert_non_null(text);
    /* the file */
    memset(text, ' ', big);
    text[big] = '\0';
    assert_int_equal(parse(text, &d, NULL), -E2BIG);
    /* a million small values in a small file */
    memset(text, ',', 1000);
    text[1000] = '\0';
    assert_int_equal(parse(text, &d, NULL), -E2BIG);
    /* commas within a string are no values */
    assert_true(snprintf(text, big,
                         "{\"payload\":\"\",\"payloadType\":\"%.60s\",\"signatures\":[]}",
                         ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,") > 0);
    assert_int_equal(parse(text, &d, NULL), 0);
    dsse_free(d);
    /* the type */
    assert_true(snprintf(text, big,
                         "{\"payload\":\"\",\"payloadType\":\"%065d\",\"signatures\":[]}", 0) > 0);
    assert_int_equal(parse(text, &d, NULL), -E2BIG);
    /* the payload: 4 MiB and three bytes */
    n = (size_t)snprintf(text, big, "{\"payloadType\":\"t\",\"signatures\":[],\"payload\":\"");
    memset(text + n, 'A', (DSSE_MAX_PAYLOAD + 3) / 3 * 4);
    memcpy(text + n + (DSSE_MAX_PAYLOAD + 3) / 3 * 4, "\"}", 3);
    assert_int_equal(parse(text, &d, NULL), -E2BIG);
    free(text);
    assert_int_equal(dsse_new(&d, "t", span_of("", DSSE_MAX_PAYLOAD + 1)), -E2BIG);
}

/* A new envelope with the signatures of keys whose seeds are `from` … `to - 1`, repeated. */
static struct dsse *signed_by(int from, int to)
{
    struct dsse *d = NULL;

    assert_int_equal(dsse_new(&d, "t", span_str("x")), 0);
    for (int i = from; i < to; i++) {
        struct ed25519_key *k = NULL;
        uint8_t seed[32];

        memset(seed, i, sizeof(seed));
        assert_int_equal(ed25519_from_seed(&k, seed), 0);
        assert_int_equal(dsse_sign(d, k), i - from < DSSE_MAX_SIGNATURES ? 0 : -E2BIG);
        ed25519_free(k);
    }
    return d;
}

static void sixty_four_signatures_fit_and_one_more_does_not(void **state)
{
    struct dsse *d = signed_by(1, 1 + DSSE_MAX_SIGNATURES + 1), *again = NULL;
    struct buf out;
    char *more;

    (void)state;
    assert_int_equal(dsse_count(d), DSSE_MAX_SIGNATURES);
    buf_init(&out, DSSE_MAX_BYTES);
    assert_int_equal(dsse_write(d, &out), 0);
    assert_int_equal(dsse_parse(&again, buf_span(&out), NULL), 0);
    assert_int_equal(dsse_count(again), DSSE_MAX_SIGNATURES);
    more = malloc(out.len + 400);
    assert_non_null(more);
    memcpy(more, out.data, out.len - 3);
    assert_true(snprintf(more + out.len - 3, 400, ",%s]}", SIG(ID_A, VECTOR_A)) < 400);
    dsse_free(again);
    assert_int_equal(parse(more, &again, NULL), -E2BIG);
    free(more);
    buf_free(&out);
    dsse_free(d);
}

static void one_key_signs_once(void **state)
{
    struct ed25519_key *a = key_of(SEED_A);
    struct dsse *d = NULL;

    (void)state;
    assert_int_equal(dsse_new(&d, MOVE_TYPE, span_str(MOVE_BODY)), 0);
    assert_int_equal(dsse_sign(d, a), 0);
    assert_int_equal(dsse_sign(d, a), -EEXIST);
    assert_int_equal(dsse_count(d), 1);
    dsse_free(d);
    ed25519_free(a);
}

static void a_signature_made_elsewhere_is_verified_before_it_is_added(void **state)
{
    struct ed25519_pub a = public_of(SEED_A), b = public_of(SEED_B);
    struct ed25519_sig sig;
    struct dsse *d = NULL;

    (void)state;
    assert_int_equal(dsse_new(&d, MOVE_TYPE, span_str(MOVE_BODY)), 0);
    assert_int_equal(text_unbase64_exact(span_str(MOVE_SIG_B), sig.b, 64), 0);
    assert_int_equal(dsse_attach(d, &a, &sig), -EBADMSG);
    assert_int_equal(dsse_count(d), 0);
    assert_int_equal(dsse_attach(d, &b, &sig), 0);
    assert_int_equal(dsse_attach(d, &b, &sig), -EEXIST);
    assert_string_equal(dsse_keyid(d, 0), ID_B);
    dsse_free(d);
}

static void merging_takes_what_is_lacking_and_only_of_the_same_document(void **state)
{
    struct dsse *d = signed_by(1, 4), *same = signed_by(3, 6), *full = signed_by(10, 74);
    struct dsse *other = NULL;
    size_t added = 0;

    (void)state;
    assert_int_equal(dsse_merge(d, same, &added), 0);
    assert_int_equal(added, 2);
    assert_int_equal(dsse_count(d), 5);
    assert_int_equal(dsse_merge(d, same, NULL), 0);
    assert_int_equal(dsse_count(d), 5);
    assert_int_equal(dsse_merge(d, full, NULL), -E2BIG);
    assert_int_equal(dsse_count(d), 5);
    assert_int_equal(dsse_new(&other, "t", span_str("y")), 0);
    assert_int_equal(dsse_merge(d, other, NULL), -EBADMSG);
    dsse_free(other);
    assert_int_equal(dsse_new(&other, "u", span_str("x")), 0);
    assert_int_equal(dsse_merge(d, other, NULL), -EBADMSG);
    dsse_free(other);
    dsse_free(full);
    dsse_free(same);
    dsse_free(d);
}

static int whole_life(void *ctx)
{
    struct dsse *d = NULL;
    struct ed25519_pub *a = ctx;
    struct buf out;
    int rc;

    buf_init(&out, DSSE_MAX_BYTES);
    rc = parse(MOVE_ENVELOPE, &d, NULL);
    if (rc == 0)
        rc = dsse_check(d, 0, a);
    if (rc == 0)
        rc = dsse_write(d, &out);
    buf_free(&out);
    dsse_free(d);
    if (rc == 0)
        rc = dsse_new(&d, "t", span_str("x"));
    if (rc == 0)
        dsse_free(d);
    return rc;
}

static void running_out_of_memory_is_said_and_nothing_leaks(void **state)
{
    struct ed25519_pub a = public_of(SEED_A);

    (void)state;
    assert_true(faults_each(whole_life, &a) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_specifications_example_of_pae_comes_out),
        cmocka_unit_test(the_projects_own_vectors_verify),
        cmocka_unit_test(what_openssl_signed_is_what_we_write),
        cmocka_unit_test(a_parsed_envelope_lends_its_parts),
        cmocka_unit_test(a_signature_under_anothers_keyid_counts_for_nobody),
        cmocka_unit_test(no_changed_byte_leaves_a_signature_standing),
        cmocka_unit_test(malformed_envelopes_are_refused),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(sixty_four_signatures_fit_and_one_more_does_not),
        cmocka_unit_test(one_key_signs_once),
        cmocka_unit_test(a_signature_made_elsewhere_is_verified_before_it_is_added),
        cmocka_unit_test(merging_takes_what_is_lacking_and_only_of_the_same_document),
        cmocka_unit_test(running_out_of_memory_is_said_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
