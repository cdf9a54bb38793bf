/* Every mistake in a configuration is named with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "site/config.h"

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define HEX64 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define TOP                                                                                        \
    "format: site/v1\nsite: zrh1\nzone: CH\norigin: zrh1.example/ledger\n"                         \
    "url: http://127.0.0.1:1\nlisten: 127.0.0.1:0\nquorum: \"quorum none\"\nkeys: {}\n"
#define HEAD "format: site/v1\nsite: zrh1\nzone: CH\norigin: zrh1.example/ledger\n"
#define REST "quorum: \"quorum none\"\nkeys: {}\n"
#define OPEN HEAD "url: http://127.0.0.1:1\nlisten: 0.0.0.0:8080\n\n" REST
#define SAFE HEAD "url: https://zrh1.example\nlisten: 0.0.0.0:8443\n\n" REST
#define ROOTS "roots: {threshold: 1, keys: [" KEY "]}\n"

static int load(const char *text, struct config **c, struct err *e)
{
    return config_read(c, "/etc/t.yaml", (struct span){(const uint8_t *)text, strlen(text)}, e);
}

static void a_short_configuration_has_its_defaults(void **state)
{
    struct err e = ERR_INIT;
    struct config *c;

    (void)state;
    if (load(TOP ROOTS, &c, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_string_equal(c->data, "/etc/data");
    assert_string_equal(c->ledger_key, "/etc/keys/ledger.pem");
    assert_int_equal(c->object_max, 256 << 20);
    assert_int_equal(c->ring_slots, 256);
    assert_int_equal(c->epoch, 86400);
    assert_int_equal(c->engines, 0);
    assert_null(c->rules);
    assert_int_equal(c->breaker_files, 1000);
    assert_int_equal(c->breaker_share * 100, CONFIG_SHARE_WHOLE);
    config_free(c);
}

static void a_share_is_read_to_its_hundredth(void **state)
{
    static const struct {
        const char *text;
        uint64_t share; /* of 10,000; more: it is refused */
    } rows[] = {{"0%", 0},
                {"1%", 100},
                {"0.25%", 25},
                {"12.5%", 1250},
                {"0.01%", 1},
                {"100%", 10000},
                {"100.01%", 9e9},
                {"1000%", 9e9},
                {"1", 9e9},
                {"%", 9e9},
                {"1.%", 9e9},
                {".5%", 9e9},
                {"0.123%", 9e9},
                {"-1%", 9e9},
                {"1 %", 9e9},
                {"1%%", 9e9},
                {"99999999999999999999%", 9e9}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        struct config *c = NULL;
        char text[1024];
        int rc;

        (void)snprintf(text, sizeof(text), "%sbreaker: {files: 7, malicious_more: '%s'}\n",
                       TOP ROOTS, rows[i].text);
        rc = load(text, &c, &e);
        if ((rc == 0) != (rows[i].share <= CONFIG_SHARE_WHOLE) ||
            (rc == 0 && (c->breaker_share != rows[i].share || c->breaker_files != 7)))
            fail_msg("\"%s\": %d, %s", rows[i].text, rc, err_text(&e));
        config_free(c);
    }
}

static void tls_has_its_files_and_plain_http_must_be_said(void **state)
{
    static const char *const plain[] = {
        TOP ROOTS, OPEN ROOTS "plain_http: true\n",
        HEAD "url: https://proxy.example\nlisten: '[::1]:80'\n\n" REST ROOTS};
    struct err e = ERR_INIT;
    struct config *c;

    (void)state;
    if (load(SAFE ROOTS "tls: {certificate: a.crt, key: keys/tls.key, handshakes: 50}\n"
                        "authorities: ca.pem\n",
             &c, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_string_equal(c->certificate, "/etc/a.crt");
    assert_string_equal(c->tls_key, "/etc/keys/tls.key");
    assert_string_equal(c->authorities, "/etc/ca.pem");
    assert_int_equal(c->handshakes, 50);
    config_free(c);
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (load(plain[i], &c, &e) != 0)
            fail_msg("%s", err_text(&e));
        assert_null(c->tls_key);
        config_free(c);
    }
}

static void every_mistake_is_named_with_its_place(void **state)
{
    static const struct {
        const char *text, *where, *what;
    } rows[] = {
        {"site: zrh1\n", ":1:1: ", "format"},
        {"format: site/v2\n", ":1:1: ", "site/v1"},
        {"format: site/v1\nsite: Z\n", ":2:7: ", "not a site's name"},
        {"format: site/v1\nsite: zrh1\nzone: ch\n", ":3:7: ", "not a zone's name"},
        {"format: site/v1\nsite: zrh1\nzone: CH\norigin: x\nurl: ftp://x\n", ":5:6: ", "http://"},
        {"format: site/v1\nsite: zrh1\nzone: CH\norigin: x\nurl: http://x/\n", ":5:6: ", "slash"},
        {TOP "roots: {threshold: 2, keys: [" KEY "]}\n", ":9:29: ", "threshold of 2"},
        {TOP "roots: {threshold: 1, keys: [abc]}\n", ":9:30: ", "44 characters"},
        {TOP ROOTS "surprise: 1\n", ":10:1: ", "surprise"},
        {TOP ROOTS "run_as: {front: 0}\n", ":10:17: ", "0"},
        {TOP ROOTS "epoch: 1s\n", ":10:8: ", "epoch"},
        {TOP ROOTS "epoch: 60\n", ":10:8: ", ""},
        {TOP ROOTS "limits: {object: 1}\n", ":10:18: ", "object"},
        {TOP ROOTS "engines: [{name: walk}]\n", ":10:10: ", "scans nothing"},
        {TOP ROOTS "engines:\n  - {name: yara}\n  - {name: yara}\n", ":12:12: ", "twice"},
        {TOP ROOTS "engines: [{name: YARA}]\n", ":10:18: ", "engine's name"},
        {TOP ROOTS "scan: {rules: r}\n", ":10:7: ", "there are none"},
        {TOP ROOTS "engines: [{name: yara}]\nengine: {rules: r}\n", ":11:9: ", "short form"},
        {TOP ROOTS "engines: [{name: yara}]\nscan: {depth: 63}\n", ":11:15: ", "depth"},
        {TOP ROOTS "breaker: {files: 0}\n", ":10:18: ", "files"},
        {TOP ROOTS "breaker: {malicious_more: 1}\n", ":10:27: ", "is not a share"},
        {TOP ROOTS "breaker: {after: 1}\n", ":10:11: ", "after"},
        {TOP ROOTS "submitters:\n  - {name: a, token_sha256: x}\n", ":11:29: ", ""},
        {TOP ROOTS "submitters:\n  - {name: a, token_sha256: " HEX64 ", priority: 10}\n",
         ":11:", "priority"},
        {OPEN ROOTS, ":6:9: ", "would show tokens and files"},
        {OPEN ROOTS "plain_http: false\n", ":6:9: ", "plain_http: true"},
        {OPEN ROOTS "plain_http: perhaps\n", ":11:13: ", "true"},
        {TOP ROOTS "tls: {certificate: a.crt, key: a.key}\n", ":5:6: ", "https://"},
        {SAFE ROOTS "tls: {certificate: a.crt}\n", ":11:6: ", "key"},
        {SAFE ROOTS "tls: {key: a.key}\n", ":11:6: ", "certificate"},
        {SAFE ROOTS "tls: {certificate: a.crt, key: keys/ledger.pem}\n", ":11:6: ", "of its own"},
        {SAFE ROOTS "tls: {certificate: a.crt, key: a.key, version: 1.2}\n", ":11:39: ", "version"},
        {SAFE ROOTS "tls: {certificate: a.crt, key: a.key, handshakes: 0}\n",
         ":11:51: ", "handshakes"},
        {SAFE ROOTS "tls: {certificate: a.crt, key: a.key}\nplain_http: true\n",
         ":12:13: ", "exclude"},
        {TOP ROOTS "peers:\n  - {site: mow1, zone: RU, url: 'https://m', move_key: '" KEY
                   "', policy: x, pin: 'sha256//abc'}\n",
         ":11:120: ", "44 characters"},
        {TOP ROOTS "submitters:\n  - {name: a, token_sha256: " HEX64 "}\n"
                   "  - {name: b, token_sha256: " HEX64 "}\n",
         ":12:5: ", "of another"},
        {TOP ROOTS "submitters:\n  - {name: a, token_sha256: " HEX64 ", countries: [ca]}\n",
         ":11:107: ", "country code"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        struct config *c = NULL;

        assert_int_equal(load(rows[i].text, &c, &e), -EINVAL);
        assert_null(c);
        if (strncmp(err_text(&e), "/etc/t.yaml:", 12) != 0 ||
            strstr(err_text(&e), rows[i].where) != err_text(&e) + 11 ||
            strstr(err_text(&e), rows[i].what) == NULL)
            fail_msg("row %zu wants %s\"%s\": %s", i, rows[i].where, rows[i].what, err_text(&e));
    }
}

static void only_some_things_change_while_a_site_runs(void **state)
{
    struct err e = ERR_INIT;
    struct config *a, *b;

    (void)state;
    assert_int_equal(load(TOP ROOTS, &a, &e), 0);
    assert_int_equal(
        load(TOP ROOTS "submitters:\n  - {name: a, token_sha256: " HEX64 "}\n", &b, &e), 0);
    assert_int_equal(config_may_replace(a, b, &e), 0);
    config_free(b);
    assert_int_equal(load(TOP ROOTS "data: other\n", &b, &e), 0);
    assert_int_equal(config_may_replace(a, b, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "\"data\""));
    config_free(b);
    e = (struct err)ERR_INIT;
    assert_int_equal(load(TOP ROOTS "authorities: ca.pem\n", &b, &e), 0);
    assert_int_equal(config_may_replace(a, b, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "\"authorities\""));
    config_free(b);
    config_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_configuration_has_its_defaults),
        cmocka_unit_test(a_share_is_read_to_its_hundredth),
        cmocka_unit_test(tls_has_its_files_and_plain_http_must_be_said),
        cmocka_unit_test(every_mistake_is_named_with_its_place),
        cmocka_unit_test(only_some_things_change_while_a_site_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
