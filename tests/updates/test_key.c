/* Keys and thresholds.  Texts are canonical; keyids are computed here by SHA-256 of that text. */
#include "repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/ed25519.h"
#include "crypto/sha256.h"
#include "updates/tuf_key.h"

#include "../crypto/vectors_pubkey.h"

#define SAID "the message"

static struct ed25519_key *pair(int i)
{
    struct ed25519_key *k = NULL;
    uint8_t seed[32];

    memset(seed, i, sizeof(seed));
    assert_int_equal(ed25519_from_seed(&k, seed), 0);
    return k;
}

/* A key's text with an unknown field in front, and its keyid. */
static void key_text(struct buf *out, char id[65], int i, const char *extra, const char *scheme)
{
    struct ed25519_key *k = pair(i);
    struct ed25519_pub pub;
    struct digest d;
    char hex[65];

    ed25519_public(k, &pub);
    ed25519_free(k);
    text_hex(hex, pub.b, 32);
    buf_reset(out);
    assert_int_equal(buf_printf(out,
                                "{%s\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"%s\"},"
                                "\"scheme\":\"%s\"}",
                                extra, hex, scheme),
                     0);
    sha256_of(out->data, out->len, &d);
    text_digest(id, &d);
}

static void sign(char hex[129], int i)
{
    struct ed25519_key *k = pair(i);
    struct ed25519_sig s;

    assert_int_equal(ed25519_sign(k, SAID, strlen(SAID), &s), 0);
    ed25519_free(k);
    text_hex(hex, s.b, 64);
}

struct listed {
    int pair;
    const char *extra, *scheme;
    bool wrong_id;   /* the keyid's last digit is another one */
    int signs;       /* the pair that makes the signature; 0: there is none */
    const char *sig; /* or this one */
};

/* How many signatures of these keys count (the greatest threshold that is met); and usable ones. */
static int count(const struct listed *l, size_t n, size_t *usable)
{
    struct tuf_signature sigs[8];
    struct buf text, keys;
    char ids[8][65], hexes[8][129];
    const char *keyids[8];
    struct tuf_signers s = {keyids, n, 0};
    struct tuf_keys *k = NULL;
    size_t n_sigs = 0;
    int met = 0;
    json_t *o;

    buf_init(&text, 1000);
    buf_init(&keys, 10000);
    assert_int_equal(buf_putc(&keys, '{'), 0);
    for (size_t i = 0; i < n; i++) {
        key_text(&text, ids[i], l[i].pair, l[i].extra, l[i].scheme);
        if (l[i].wrong_id)
            ids[i][63] = ids[i][63] == '0' ? '1' : '0';
        assert_int_equal(buf_printf(&keys, "%s\"%s\":%s", i > 0 ? "," : "", ids[i], buf_str(&text)),
                         0);
        keyids[i] = ids[i];
        if (l[i].signs != 0)
            sign(hexes[i], l[i].signs);
        if (l[i].signs != 0 || l[i].sig != NULL)
            sigs[n_sigs++] = (struct tuf_signature){ids[i], l[i].sig != NULL ? l[i].sig : hexes[i]};
    }
    assert_int_equal(buf_putc(&keys, '}'), 0);
    o = json_loads(buf_str(&keys), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    assert_int_equal(tuf_keys_parse(&k, o, NULL), 0);
    if (usable != NULL)
        *usable = tuf_keys_usable(k);
    for (s.threshold = 1; s.threshold <= 8; s.threshold++)
        if (tuf_signers_verify(&s, k, span_str(SAID), sigs, n_sigs, "x", NULL) == 0)
            met = (int)s.threshold;
    tuf_keys_free(k);
    json_decref(o);
    buf_free(&text);
    buf_free(&keys);
    return met;
}
#define COUNT(...)                                                                                 \
    count((const struct listed[]){__VA_ARGS__},                                                    \
          sizeof((const struct listed[]){__VA_ARGS__}) / sizeof(struct listed), NULL)
#define ED "ed25519"

static void distinct_keys_that_signed_are_counted(void **state)
{
    (void)state;
    assert_int_equal(COUNT({1, "", ED, false, 1, NULL}), 1);
    assert_int_equal(COUNT({1, "", ED, false, 1, NULL}, {2, "", ED, false, 2, NULL},
                           {3, "", ED, false, 3, NULL}),
                     3);
    assert_int_equal(COUNT({1, "", ED, false, 1, NULL}, {2, "", ED, false, 0, NULL}), 1);
    assert_int_equal(COUNT({1, "", ED, false, 2, NULL}, {2, "", ED, false, 1, NULL}), 0);
}

static void one_key_under_two_keyids_counts_once(void **state)
{
    (void)state;
    assert_int_equal(COUNT({1, "", ED, false, 1, NULL}, {1, "\"a\":1,", ED, false, 1, NULL},
                           {1, "\"a\":2,", ED, false, 1, NULL}),
                     1);
    assert_int_equal(COUNT({1, "", ED, false, 1, NULL}, {1, "\"a\":1,", ED, false, 1, NULL},
                           {2, "", ED, false, 2, NULL}),
                     2);
}

static void a_key_whose_keyid_is_not_its_hash_is_of_no_use(void **state)
{
    const struct listed two[] = {{1, "", ED, false, 1, NULL}, {2, "", ED, true, 2, NULL}};
    size_t usable;

    (void)state;
    assert_int_equal(count(two, 2, &usable), 1);
    assert_int_equal(usable, 1);
}

static void a_scheme_of_tomorrow_does_not_shut_us_out(void **state)
{
    (void)state;
    assert_int_equal(COUNT({1, "", ED, false, 1, NULL}, {2, "", "ml-dsa-65", false, 2, NULL}), 1);
}

static void a_signature_that_is_no_hexadecimal_only_does_not_count(void **state)
{
    static const char *const bad[] = {"", "0", "zz", "00", NULL};

    (void)state;
    for (size_t i = 0; bad[i] != NULL; i++)
        assert_int_equal(COUNT({1, "", ED, false, 0, bad[i]}, {2, "", ED, false, 2, NULL}), 1);
}

static void keys_taken_away_are_noticed_by_what_they_are(void **state)
{
    struct buf text, keys;
    char ids[3][65];
    const char *of_a[] = {ids[0], ids[1]}, *of_b[] = {ids[2], ids[1]};
    struct tuf_signers a = {of_a, 2, 1}, b = {of_b, 2, 1}, c = {of_b, 1, 1};
    struct tuf_keys *k;
    json_t *o;

    (void)state;
    buf_init(&text, 1000);
    buf_init(&keys, 10000);
    for (int i = 0; i < 3; i++) { /* 0 and 2 are one key under two keyids */
        key_text(&text, ids[i], 1 + i % 2, i == 2 ? "\"a\":1," : "", ED);
        assert_int_equal(
            buf_printf(&keys, "%s\"%s\":%s", i == 0 ? "{" : ",", ids[i], buf_str(&text)), 0);
    }
    assert_int_equal(buf_putc(&keys, '}'), 0);
    o = json_loads(buf_str(&keys), 0, NULL);
    assert_int_equal(tuf_keys_parse(&k, o, NULL), 0);
    assert_false(tuf_signers_lost(&a, k, &b, k));
    assert_true(tuf_signers_lost(&a, k, &c, k));
    assert_false(tuf_signers_lost(&c, k, &a, k)); /* only more */
    tuf_keys_free(k);
    json_decref(o);
    buf_free(&text);
    buf_free(&keys);
}

/* A key of openssl's, listed as keytype and scheme say; 1 if its signature counts. */
static int pem_counts(const char *keytype, const char *scheme, const char *pem, const char *sig)
{
    struct buf canonical, json;
    char id[65];
    const char *keyids[] = {id};
    struct tuf_signers s = {keyids, 1, 1};
    struct tuf_signature one = {id, sig};
    struct tuf_keys *k;
    struct digest d;
    json_t *o;
    int rc;

    buf_init(&canonical, 10000);
    buf_init(&json, 10000);
    assert_int_equal(
        buf_printf(&canonical,
                   "{\"keytype\":\"%s\",\"keyval\":{\"public\":\"%s\"},\"scheme\":\"%s\"}", keytype,
                   pem, scheme),
        0);
    sha256_of(canonical.data, canonical.len, &d);
    text_digest(id, &d);
    assert_int_equal(buf_printf(&json, "{\"%s\":", id), 0);
    for (size_t i = 0; i < canonical.len; i++) /* a line feed is raw in canonical JSON alone */
        assert_int_equal(canonical.data[i] == '\n' ? buf_puts(&json, "\\n")
                                                   : buf_putc(&json, canonical.data[i]),
                         0);
    assert_int_equal(buf_putc(&json, '}'), 0);
    assert_non_null(o = json_loads(buf_str(&json), 0, NULL));
    assert_int_equal(tuf_keys_parse(&k, o, NULL), 0);
    rc = tuf_signers_verify(&s, k, span_str(MESSAGE), &one, 1, "x", NULL);
    tuf_keys_free(k);
    json_decref(o);
    buf_free(&canonical);
    buf_free(&json);
    return rc == 0;
}

static void keys_in_pem_count_by_keytype_and_scheme(void **state)
{
    static const struct {
        const char *keytype, *scheme, *pem, *sig;
        int counts;
    } rows[] = {
        {"ecdsa", "ecdsa-sha2-nistp256", PEM_P256, SIG_P256, 1},
        {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", PEM_P256, SIG_P256, 1},
        {"rsa", "rsassa-pss-sha256", PEM_RSA, SIG_RSA32, 1},
        {"rsa", "rsassa-pss-sha256", PEM_RSA, SIG_RSAMAX, 1},
        {"rsa", "rsassa-pss-sha256", PEM_RSA, SIG_RSAV15, 0},
        {"rsa", "rsassa-pkcs1v15-sha256", PEM_RSA, SIG_RSAV15, 0},
        {"rsa", "ecdsa-sha2-nistp256", PEM_P256, SIG_P256, 0},
        {"ecdsa", "rsassa-pss-sha256", PEM_RSA, SIG_RSA32, 0},
        {"ecdsa", "ecdsa-sha2-nistp384", PEM_P256, SIG_P256, 0},
        {"ecdsa", "ecdsa-sha2-nistp256", PEM_P384, SIG_P256, 0},
        {"ecdsa", "ecdsa-sha2-nistp256", "04abcd", SIG_P256, 0},
        {"ed25519", "ed25519", PEM_P256, SIG_P256, 0},
        {"ecdsa", "ecdsa-sha2-nistp256", PEM_P256, SIG_P256 "00", 0},
        {"ecdsa", "ecdsa-sha2-nistp256", PEM_P256, "", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (pem_counts(rows[i].keytype, rows[i].scheme, rows[i].pem, rows[i].sig) != rows[i].counts)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distinct_keys_that_signed_are_counted),
        cmocka_unit_test(one_key_under_two_keyids_counts_once),
        cmocka_unit_test(a_key_whose_keyid_is_not_its_hash_is_of_no_use),
        cmocka_unit_test(a_scheme_of_tomorrow_does_not_shut_us_out),
        cmocka_unit_test(a_signature_that_is_no_hexadecimal_only_does_not_count),
        cmocka_unit_test(keys_in_pem_count_by_keytype_and_scheme),
        cmocka_unit_test(keys_taken_away_are_noticed_by_what_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
