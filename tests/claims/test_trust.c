#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "claims/trust.h"

static char log_key[CORE_VKEY_TEXT_MAX + 1], witness_key[CORE_VKEY_TEXT_MAX + 1];
#define ROOT "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""
#define OTHER "\"BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""
#define HEAD "format: trust/v1\nexpires: 2027-11-23T00:00Z\ntolerance: 180s\n"
#define SITES "sites:\n  - {site: zrh1, zone: CH, origin: zrh1.example/ledger}\n"
#define ROOTS "roots: {threshold: 1, keys: [" ROOT "]}\n"
#define OUTSIDE "outsiders: [w1]\n"

static int set_up(void **state)
{
    struct ed25519_pub pub = {{7}};
    struct vkey k;

    (void)state;
    if (note_vkey_make(&k, "zrh1.example/ledger", VKEY_ED25519, &pub, NULL) != 0)
        return -1;
    note_vkey_format(&k, log_key);
    if (note_vkey_make(&k, "witness.example/w1", VKEY_COSIGNATURE, &pub, NULL) != 0)
        return -1;
    note_vkey_format(&k, witness_key);
    return 0;
}

/* A file with the two keys in its policy between head and tail. */
static int parse(const char *head, const char *quorum, const char *tail, struct trust **t,
                 struct err *e)
{
    char text[4000];

    (void)snprintf(text, sizeof(text), "%spolicy: |\n  log %s\n  witness w1 %s\n  quorum %s\n%s",
                   head, log_key, witness_key, quorum, tail);
    return trust_parse(t, "trust.yaml", span_str(text), e);
}

static void a_whole_file_is_read(void **state)
{
    struct err e = ERR_INIT;
    struct trust *t;

    (void)state;
    if (parse(HEAD, "w1", SITES ROOTS OUTSIDE, &t, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(t->tolerance, 180);
    assert_int_equal(t->epoch_within, 2 * 86400);
    assert_int_equal(t->sites, 1);
    assert_string_equal(trust_site(t, "zrh1")->zone, "CH");
    assert_string_equal(trust_site(t, "zrh1")->log->name, "zrh1.example/ledger");
    assert_null(trust_site(t, "mow1"));
    assert_int_equal(t->outsiders, 1);
    assert_false(t->quorum_inside);
    assert_false(trust_expired(t, t->expires - 1));
    assert_true(trust_expired(t, t->expires));
    trust_free(t);
}

static void attesters_may_be_named(void **state)
{
    struct err e = ERR_INIT;
    struct trust *t;

    (void)state;
    if (parse(HEAD, "w1", SITES ROOTS OUTSIDE, &t, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(t->attesters, 0);
    trust_free(t);
    if (parse(HEAD, "w1", SITES ROOTS OUTSIDE "attesters:\n  - " ROOT "\n  - " OTHER "\n", &t,
              &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(t->attesters, 2);
    assert_int_equal(t->attester[0].b[0], 0);
    assert_int_equal(t->attester[1].b[0], 4);
    trust_free(t);
}

static void builders_may_be_named(void **state)
{
    struct err e = ERR_INIT;
    struct trust *t;

    (void)state;
    if (parse(HEAD, "w1", SITES ROOTS OUTSIDE "builders:\n  - " OTHER "\n  - " ROOT "\n", &t, &e) !=
        0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(t->attesters, 0);
    assert_int_equal(t->builders, 2);
    assert_int_equal(t->builder[0].b[0], 4);
    assert_int_equal(t->builder[1].b[0], 0);
    trust_free(t);
    assert_int_equal(
        parse(HEAD, "w1", SITES ROOTS OUTSIDE "builders: [" ROOT ", " ROOT "]\n", &t, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "this key stands twice"));
}

#define TWO "builders:\n  - " OTHER "\n  - " ROOT "\n"

static void what_sites_run_may_be_named(void **state)
{
    static const struct {
        const char *tail, *says;
    } wrong[] = {
        {SITES ROOTS OUTSIDE TWO "software: {product: agent}\n", "builders"},
        {SITES ROOTS OUTSIDE TWO "software: {product: agent, builders: 3}\n",
         "3 of 2 builders can never be reached"},
        {SITES ROOTS OUTSIDE "software: {product: agent, builders: 1}\n",
         "1 of 0 builders can never be reached"},
        {SITES ROOTS OUTSIDE TWO "software: {product: agent, builders: 0}\n", "0 is out of range"},
        {SITES ROOTS OUTSIDE TWO
         "software: {product: a23456789a123456789b123456789c123, builders: 1}\n",
         "1 to 32 characters"},
        {SITES ROOTS OUTSIDE TWO "software: {product: agent, builders: 1, serial: 2}\n", "serial"},
    };
    struct err e = ERR_INIT;
    struct trust *t;

    (void)state;
    assert_int_equal(parse(HEAD, "w1", SITES ROOTS OUTSIDE, &t, &e), 0);
    assert_string_equal(t->software, "");
    trust_free(t);
    if (parse(HEAD, "w1", SITES ROOTS OUTSIDE TWO "software: {product: agent, builders: 2}\n", &t,
              &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_string_equal(t->software, "agent");
    assert_int_equal(t->software_builders, 2);
    trust_free(t);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(parse(HEAD, "w1", wrong[i].tail, &t, &e), -EINVAL);
        if (strstr(err_text(&e), wrong[i].says) == NULL)
            fail_msg("%s; wanted: %s", err_text(&e), wrong[i].says);
    }
}

static void a_quorum_without_outsiders_is_noticed(void **state)
{
    struct trust *t;

    (void)state;
    assert_int_equal(parse(HEAD, "w1", SITES ROOTS "outsiders: []\n", &t, NULL), 0);
    assert_true(t->quorum_inside);
    trust_free(t);
    assert_int_equal(parse(HEAD, "none", SITES ROOTS OUTSIDE, &t, NULL), 0);
    assert_true(t->quorum_inside);
    trust_free(t);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    static const struct {
        const char *head, *tail, *says;
    } rows[] = {
        {"format: trust/v2\n", SITES ROOTS OUTSIDE, "trust.yaml:1:9: "},
        {HEAD, SITES SITES ROOTS OUTSIDE, "trust.yaml:"},
        {HEAD, "sites: []\n" ROOTS OUTSIDE, "trust.yaml:8:8: "},
        {HEAD, "sites:\n  - {site: Zrh, zone: CH, origin: zrh1.example/ledger}\n" ROOTS OUTSIDE,
         "\"Zrh\" is not a site"},
        {HEAD, "sites:\n  - {site: zrh1, zone: ch, origin: zrh1.example/ledger}\n" ROOTS OUTSIDE,
         "\"ch\" is not a zone"},
        {HEAD, "sites:\n  - {site: zrh1, zone: CH, origin: other}\n" ROOTS OUTSIDE,
         "origin \"other\" is not the name of a log"},
        {HEAD,
         "sites:\n  - {site: zrh1, zone: CH, origin: zrh1.example/ledger}\n"
         "  - {site: zrh1, zone: CH, origin: zrh1.example/ledger}\n" ROOTS OUTSIDE,
         "stands twice"},
        {HEAD, SITES "roots: {threshold: 2, keys: [" ROOT "]}\n" OUTSIDE, "can never be reached"},
        {HEAD, SITES "roots: {threshold: 1, keys: [" ROOT ", " ROOT "]}\n" OUTSIDE,
         "this key stands twice"},
        {HEAD, SITES "roots: {threshold: 1, keys: [abc]}\n" OUTSIDE, "base64 of 32 bytes"},
        {HEAD, SITES ROOTS "outsiders: [w2]\n", "\"w2\" is not a witness"},
        {HEAD, SITES ROOTS OUTSIDE "attesters: []\n", ""},
        {HEAD, SITES ROOTS OUTSIDE "attesters: [AAAA]\n", "a key is the base64 of 32 bytes"},
        {HEAD, SITES ROOTS OUTSIDE "attesters: [" ROOT ", " ROOT "]\n", "this key stands twice"},
        {HEAD, SITES ROOTS OUTSIDE "more: 1\n", "unknown key"},
        {"format: trust/v1\nexpires: 2027-11-23T00:00Z\ntolerance: 2d\n", SITES ROOTS OUTSIDE,
         "shows nothing"},
        {"format: trust/v1\nexpires: soon\ntolerance: 1s\n", SITES ROOTS OUTSIDE,
         "trust.yaml:2:10: "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        struct trust *t = NULL;

        if (parse(rows[i].head, "w1", rows[i].tail, &t, &e) != -EINVAL ||
            strstr(err_text(&e), rows[i].says) == NULL)
            fail_msg("row %zu: %s", i, err_text(&e));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(attesters_may_be_named),
        cmocka_unit_test(builders_may_be_named),
        cmocka_unit_test(what_sites_run_may_be_named),
        cmocka_unit_test(a_quorum_without_outsiders_is_noticed),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
