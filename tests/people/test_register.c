#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "people/register.h"

#include "faults.h"
#include "model.h"

/* Public keys of RFC 8032 section 7.1, TEST 1 to 3. */
#define K1 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
#define K2 "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
#define K3 "/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU="
#define ID "0000000000000000000000000000000"

static const char good[] = "format: register/v1\n"                                /* 1 */
                           "serial: 1\n"                                          /* 2 */
                           "previous: none\n"                                     /* 3 */
                           "approvals:\n"                                         /* 4 */
                           "  register: {role: registrar, persons: 2}\n"          /* 5 */
                           "  policy: {role: policy, persons: 2}\n"               /* 6 */
                           "  statement: {role: statement, persons: 1}\n"         /* 7 */
                           "  move: {role: mover, persons: 1}\n"                  /* 8 */
                           "organizations:\n"                                     /* 9 */
                           "  - {id: " ID "a, kind: vendor}\n"                    /* 10 */
                           "  - {id: " ID "b, kind: auditor}\n"                   /* 11 */
                           "persons:\n"                                           /* 12 */
                           "  - id: " ID "1\n"                                    /* 13 */
                           "    org: " ID "a\n"                                   /* 14 */
                           "    keys:\n"                                          /* 15 */
                           "      - {key: " K1 ", from: 2026-01-01T00:00Z}\n"     /* 16 */
                           "    roles:\n"                                         /* 17 */
                           "      - {role: registrar, from: 2026-01-01T00:00Z}\n" /* 18 */
                           "      - {role: policy, from: 2026-01-01T00:00Z}\n"    /* 19 */
                           "  - id: " ID "2\n"                                    /* 20 */
                           "    org: " ID "a\n"                                   /* 21 */
                           "    voucher: " ID "1\n"                               /* 22 */
                           "    keys:\n"                                          /* 23 */
                           "      - {key: " K2 ", from: 2026-01-01T00:00Z}\n"     /* 24 */
                           "    roles:\n"                                         /* 25 */
                           "      - {role: registrar, from: 2026-01-01T00:00Z}\n" /* 26 */
                           "      - {role: policy, from: 2026-01-01T00:00Z}\n"    /* 27 */
                           "  - id: " ID "3\n"                                    /* 28 */
                           "    org: " ID "b\n"                                   /* 29 */
                           "    voucher: " ID "2\n"                               /* 30 */
                           "    keys:\n"                                          /* 31 */
                           "      - {key: " K3 ", from: 2026-01-01T00:00Z}\n"     /* 32 */
                           "    roles:\n"                                         /* 33 */
                           "      - {role: statement, from: 2026-01-01T00:00Z}\n" /* 34 */
                           "      - {role: mover, from: 2026-01-01T00:00Z,\n"     /* 35 */
                           "         until: 2027-01-01T00:00Z}\n";                /* 36 */

static int parse(const char *text, struct people **p, struct err *e)
{
    *p = NULL;
    return register_parse(p, "r.yaml", span_str(text), e);
}

/* good with its line (from 1) replaced; n lines of it, "" to leave them out */
static void edit(char *out, size_t cap, int line, int n, const char *with)
{
    const char *at = good, *after;
    size_t head;

    for (int i = 1; i < line; i++)
        at = strchr(at, '\n') + 1;
    after = at;
    for (int i = 0; i < n; i++)
        after = strchr(after, '\n') + 1;
    head = (size_t)(at - good);
    memcpy(out, good, head);
    assert_true(snprintf(out + head, cap - head, "%s%s%s", with, *with == '\0' ? "" : "\n", after) <
                (int)(cap - head));
}

static void a_register_answers_for_its_people(void **state)
{
    const struct register_key *key = NULL;
    const struct register_person *one;
    struct ed25519_pub k1, none = {{0}};
    struct err e = ERR_INIT;
    struct people *p;
    struct id128 id;

    (void)state;
    if (parse(good, &p, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(register_serial(p), 1);
    assert_null(register_previous(p));
    assert_int_equal(register_count(p), 3);
    assert_int_equal(register_rule(p, DOCUMENT_POLICY).role, ROLE_POLICY);
    assert_int_equal(register_rule(p, DOCUMENT_POLICY).persons, 2);
    assert_int_equal(register_rule(p, DOCUMENT_MOVE).persons, 1);
    assert_int_equal(text_unbase64_exact(span_str(K1), k1.b, 32), 0);
    one = register_key(p, &k1, &key);
    assert_ptr_equal(one, register_person(p, 0));
    assert_int_equal(key->from, MODEL_EPOCH);
    assert_true(key->until == REGISTER_NEVER && key->revoked == REGISTER_NEVER);
    assert_int_equal(key->line, 16);
    assert_int_equal(key->column, 15);
    assert_null(register_key(p, &none, &key));
    assert_ptr_equal(
        register_keyid(p, "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9", NULL),
        one);
    assert_null(register_keyid(p, "21fe", NULL));
    assert_int_equal(text_unid(span_str(ID "3"), &id), 0);
    assert_ptr_equal(register_find(p, &id), register_person(p, 2));
    assert_true(register_person(p, 2)->vouched && !one->vouched);
    assert_int_equal(text_unid(span_str(ID "4"), &id), 0);
    assert_null(register_find(p, &id));
    register_free(p);
}

static void an_interval_holds_its_beginning_and_not_its_end(void **state)
{
    struct register_key k = {.from = 100, .until = 200, .revoked = REGISTER_NEVER};
    struct people *p;

    (void)state;
    assert_false(register_key_valid(&k, 99));
    assert_true(register_key_valid(&k, 100) && register_key_valid(&k, 199));
    assert_false(register_key_valid(&k, 200));
    k.revoked = 150;
    assert_true(register_key_valid(&k, 149));
    assert_false(register_key_valid(&k, 150));
    assert_int_equal(parse(good, &p, NULL), 0);
    /* mover from 2026-01-01 until 2027-01-01: 365 days */
    assert_false(register_has_role(register_person(p, 2), ROLE_MOVER, MODEL_EPOCH - 1));
    assert_true(register_has_role(register_person(p, 2), ROLE_MOVER, MODEL_EPOCH));
    assert_true(register_has_role(register_person(p, 2), ROLE_MOVER, model_day(365) - 1));
    assert_false(register_has_role(register_person(p, 2), ROLE_MOVER, model_day(365)));
    assert_false(register_has_role(register_person(p, 0), ROLE_MOVER, MODEL_EPOCH));
    register_free(p);
}

/* Each row: lines of good replaced, and what must be said of the result, from the place on. */
static const struct {
    int line, n;
    const char *with, *says;
} bad[] = {
    {1, 1, "format: register/v2", "r.yaml:1:9: format \"register/v2\" is not read here"},
    {1, 1, "", "r.yaml:1:1: "},
    {1, 36, "[]", "r.yaml:1:1: a register is a map"},
    {2, 1, "serial: 0", "r.yaml:2:9: "},
    {2, 1, "serial: 2", "r.yaml:3:11: serial 2 needs the digest of the document before it"},
    {3, 1, "previous: 00", "r.yaml:3:11: "},
    {3, 1, "previous: " ID "1" ID "1", "r.yaml:3:11: serial 1 has nothing before it"},
    {4, 5, "approvals: all", "r.yaml:4:12: \"approvals\" must be a map"},
    {6, 1, "", "r.yaml:5:3: "},
    {6, 1, "  policy: 2", "r.yaml:6:11: this must be {role: …, persons: …}"},
    {6, 1, "  policy: {role: pope, persons: 2}", "r.yaml:6:18: "},
    {6, 1, "  policy: {role: policy, persons: 0}", "r.yaml:6:35: "},
    {6, 1, "  policy: {role: policy, persons: 65}", "r.yaml:6:35: "},
    {6, 1, "  policy: {role: policy, persons: 2, of: 3}", "r.yaml:6:38: "},
    {6, 1, "  policy: {role: policy, persons: 3}",
     "r.yaml:6:11: \"policy\" needs 3 persons with role \"policy\"; 2 listed ever hold it"},
    {8, 1, "  move: {role: mover, persons: 1}\n  rules: {role: release, persons: 1}",
     "r.yaml:9:3: "},
    {9, 3, "organizations: []", "r.yaml:9:16: \"organizations\" must have at least 1 entry"},
    {10, 1, "  - {id: " ID "A, kind: vendor}", "r.yaml:10:10: "},
    {10, 1, "  - {id: " ID "a, kind: friend}", "r.yaml:10:50: "},
    {10, 1, "  - vendor", "r.yaml:10:5: this entry must be a map"},
    {11, 1, "  - {id: " ID "a, kind: auditor}",
     "r.yaml:11:5: organization 00000000… is already listed at line 10"},
    {11, 1, "", "r.yaml:27:5: person 00000000… is of organization 00000000…, which is not listed"},
    {12, 25, "persons: {}", "r.yaml:12:10: \"persons\" must be a list"},
    {13, 1, "  - id: 1", "r.yaml:13:9: "},
    {14, 1, "", "r.yaml:13:5: "},
    {15, 2, "    keys: []", "r.yaml:15:11: \"keys\" must have at least 1 entry"},
    {16, 1, "      - {key: 11qYAYKxCrfVS, from: 2026-01-01T00:00Z}",
     "r.yaml:16:15: \"11qYAYKxCrfVS\" is not the base64 of a raw 32-byte Ed25519 public key"},
    {16, 1, "      - {key: " K1 ", from: 2026-02-30T00:00Z}", "r.yaml:16:67: "},
    {16, 1, "      - {key: " K1 "}", "r.yaml:16:9: "},
    {16, 1, "      - {key: " K1 ", from: 2026-01-01T00:00Z, until: 2026-01-01T00:00Z}",
     "r.yaml:16:15: this key's \"until\" is not after its \"from\""},
    {16, 1, "      - {key: " K1 ", from: 2026-01-01T00:00Z, revoked: 2025-12-31T23:59Z}",
     "r.yaml:16:15: this key is revoked before its \"from\""},
    {16, 1, "      - {key: " K1 ", from: 2026-01-01T00:00Z, note: x}", "r.yaml:16:86: "},
    {18, 1, "      - {role: king, from: 2026-01-01T00:00Z}", "r.yaml:18:16: "},
    {18, 1, "      - {role: registrar, from: 2026-01-01T00:00Z, until: 2025-01-01T00:00Z}",
     "r.yaml:18:16: this role's \"until\" is not after its \"from\""},
    {19, 1, "      - {role: registrar, from: 2027-01-01T00:00Z}",
     "r.yaml:19:16: role \"registrar\" is already held at that time, by line 18"},
    {20, 1, "  - id: " ID "1", "r.yaml:20:5: person 00000000… is already listed at line 13"},
    {22, 1, "    voucher: " ID "2",
     "r.yaml:20:5: person 00000000… is vouched for by 00000000…, who is not listed before them"},
    {22, 1, "    voucher: " ID "3",
     "r.yaml:20:5: person 00000000… is vouched for by 00000000…, who is not listed before them"},
    {22, 1, "    voucher: " ID "9",
     "r.yaml:20:5: person 00000000… is vouched for by 00000000…, who is not listed"},
    {22, 1, "    voucher:", "r.yaml:22:"},
    {24, 1, "      - {key: " K1 ", from: 2026-01-01T00:00Z}",
     "r.yaml:24:15: this key is already bound at line 16, to person 00000000…"},
    {24, 1,
     "      - {key: " K2 ", from: 2026-01-01T00:00Z, until: 2026-01-02T00:00Z, revoked: "
     "2026-01-01T00:00Z}",
     "r.yaml:5:13: \"register\" needs 2 persons with role \"registrar\"; 1 listed ever"},
    /* bound and revoked at one moment: never valid, although the role was held before */
    {24, 1, "      - {key: " K2 ", from: 2026-02-01T00:00Z, revoked: 2026-02-01T00:00Z}",
     "r.yaml:5:13: \"register\" needs 2 persons with role \"registrar\"; 1 listed ever"},
    {32, 1, "      - {key: " K3 ", from: 2027-01-01T00:00Z}",
     "r.yaml:8:9: \"move\" needs 1 persons with role \"mover\"; 0 listed ever hold it"},
    {33, 4, "    roles: none", "r.yaml:33:12: \"roles\" must be a list"},
    {36, 1, "         until: 2027-01-01T00:00Z}\nnote: x", "r.yaml:37:1: "},
    {36, 1, "         until: 2027-01-01T00:00Z}\npersons: []", "r.yaml:37:1: "},
};

static void every_refusal_names_its_line_and_column(void **state)
{
    char text[4096];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = ERR_INIT;
        struct people *p;
        int rc;

        edit(text, sizeof(text), bad[i].line, bad[i].n, bad[i].with);
        rc = parse(text, &p, &e);
        if (rc != -EINVAL || strncmp(err_text(&e), bad[i].says, strlen(bad[i].says)) != 0)
            fail_msg("row %zu, \"%s\":\n got %d %s\nwant %s", i, bad[i].with, rc, err_text(&e),
                     bad[i].says);
        assert_null(p);
    }
}

static void a_role_may_be_held_again_after_it_ended(void **state)
{
    struct people *p;
    char text[4096];

    (void)state;
    edit(text, sizeof(text), 19, 1,
         "      - {role: policy, from: 2026-01-01T00:00Z, until: 2026-02-01T00:00Z}\n"
         "      - {role: policy, from: 2026-02-01T00:00Z}");
    assert_int_equal(parse(text, &p, NULL), 0);
    assert_int_equal(register_person(p, 0)->n_duties, 3);
    register_free(p);
}

static void a_successor_has_the_next_serial_and_the_digest_before_it(void **state)
{
    struct model m = model_usual();
    struct people *one = model_people(&m), *next;
    struct digest doc, other;
    struct err e = ERR_INIT;

    (void)state;
    memset(doc.b, 7, sizeof(doc.b));
    memset(other.b, 8, sizeof(other.b));
    m.serial = 2;
    m.previous = doc;
    next = model_people(&m);
    assert_memory_equal(register_previous(next), &doc, sizeof(doc));
    assert_int_equal(register_follows(one, &doc, next, &e), 0);
    assert_int_equal(register_follows(one, &other, next, &e), -EINVAL);
    assert_string_equal(err_text(&e),
                        "r.yaml:3:11: this is not the digest of serial 1, which is "
                        "0808080808080808080808080808080808080808080808080808080808080808");
    assert_int_equal(register_follows(next, &doc, next, &e), -EINVAL);
    assert_string_equal(err_text(&e),
                        "r.yaml:2:9: serial 2 does not follow serial 2; it must be 3");
    assert_int_equal(register_follows(next, &doc, one, NULL), -EINVAL);
    register_free(next);
    register_free(one);
}

static void a_register_that_locks_itself_out_is_not_workable(void **state)
{
    struct model m = model_usual();
    struct err e = ERR_INIT;
    struct people *p;

    (void)state;
    m.persons[1].roles[0].until = 100; /* the second registrar leaves on day 100 */
    m.persons[4].keys[0].until = 50;   /* the second mover's key expires on day 50 */
    p = model_people(&m);
    assert_int_equal(register_workable(p, model_day(49), &e), 0);
    assert_int_equal(register_workable(p, model_day(50), &e), -EPERM);
    assert_string_equal(err_text(&e),
                        "r.yaml:8:9: at 2026-02-20T00:00:00Z no move could be approved: that takes "
                        "2 persons with role \"mover\" and a valid key, and there is 1");
    assert_int_equal(register_workable(p, model_day(100), &e), -EPERM);
    assert_non_null(strstr(err_text(&e), "no register could be approved"));
    assert_int_equal(register_workable(p, model_day(-1), &e), -EPERM);
    register_free(p);
}

static void the_text_says_who_may_what_now(void **state)
{
    struct model m = model_usual();
    struct people *p;
    struct buf b;

    (void)state;
    m.persons[2].keys[0].until = 10;
    m.persons[3].keys[0].revoked = 20;
    m.persons[3].roles[0].until = 20;
    m.rule[DOCUMENT_STATEMENT].persons = 1;
    m.rule[DOCUMENT_MOVE].persons = 1;
    p = model_people(&m);
    buf_init(&b, 10000);
    assert_int_equal(register_text(p, model_day(30), &b), 0);
    assert_non_null(strstr(buf_str(&b), "register 1 at 2026-01-31T00:00:00Z: 5 persons\n"
                                        "a register needs 2 persons with role registrar\n"));
    assert_non_null(strstr(buf_str(&b), "00000001  registrar, policy\n"));
    assert_non_null(strstr(buf_str(&b), "  expired 2026-01-11T00:00:00Z\n"));
    assert_non_null(strstr(buf_str(&b), "00000004  no role\n"));
    assert_non_null(strstr(buf_str(&b), "  revoked 2026-01-21T00:00:00Z\n"));
    buf_free(&b);
    register_free(p);
}

static int parse_good(void *ctx)
{
    struct people *p;
    int rc = parse(good, &p, NULL);

    (void)ctx;
    if (rc == 0)
        register_free(p);
    return rc;
}

static void running_out_of_memory_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    assert_true(faults_each(parse_good, NULL) > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_register_answers_for_its_people),
        cmocka_unit_test(an_interval_holds_its_beginning_and_not_its_end),
        cmocka_unit_test(every_refusal_names_its_line_and_column),
        cmocka_unit_test(a_role_may_be_held_again_after_it_ended),
        cmocka_unit_test(a_successor_has_the_next_serial_and_the_digest_before_it),
        cmocka_unit_test(a_register_that_locks_itself_out_is_not_workable),
        cmocka_unit_test(the_text_says_who_may_what_now),
        cmocka_unit_test(running_out_of_memory_is_said_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
