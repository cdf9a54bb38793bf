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

/* Key n is person n's, key 11 is person 1's second; see model.h.  A policy takes two persons of 1,
 * 2 and 3.  Each case changes the usual register, then asks at a day. */
static struct {
    const char *what;
    int keys[5];
    int day, author; /* author 0: none */
    int counted;
    bool approved;
    const char *says; /* of what does not count, when not approved */
} cases[] = {
    {"two persons", {1, 2}, 15, 0, 2, true, NULL},
    {"three persons", {1, 2, 3}, 15, 0, 3, true, NULL},
    {"one person",
     {1},
     15,
     0,
     1,
     false,
     "2 distinct persons with role \"policy\" must sign, 1 counts"},
    {"nobody", {0}, 15, 0, 0, false, "must sign, 0 count"},
    {"two keys of one person", {1, 11}, 15, 0, 1, false, "is of a person who counts already"},
    {"two keys of one person and another", {1, 11, 3}, 15, 0, 2, true, NULL},
    {"a key of nobody", {1, 99}, 15, 0, 1, false, "is bound to nobody"},
    {"a person without the role",
     {1, 4},
     15,
     0,
     1,
     false,
     "is of a person who never held the role"},
    {"the author and another", {1, 2}, 15, 1, 1, false, "is the author's"},
    {"the author by a second key", {11, 2}, 15, 1, 1, false, "is the author's"},
    {"the author and two others", {1, 2, 3}, 15, 1, 2, true, NULL},
    {"an author without the role", {1, 2}, 15, 4, 2, true, NULL},
    {"an author nobody knows", {1, 2}, 15, 9, 0, false, "is not in the register in force"},
    /* person 3's key is valid from day 10 to day 20 */
    {"a day before the key's from", {1, 3}, 9, 0, 1, false, "is not yet valid"},
    {"on the day of the key's from", {1, 3}, 10, 0, 2, true, NULL},
    {"the last day of the key", {1, 3}, 19, 0, 2, true, NULL},
    {"on the day of the key's until", {1, 3}, 20, 0, 1, false, "has expired"},
    /* person 2's key is revoked on day 30, person 2's role begins on day 3 and ends on day 40 */
    {"before the role begins", {1, 2}, 2, 0, 1, false, "does not hold the role yet"},
    {"the role has begun", {1, 2}, 3, 0, 2, true, NULL},
    {"the day before the revocation", {1, 2}, 29, 0, 2, true, NULL},
    {"the day of the revocation", {1, 2}, 30, 0, 1, false, "was revoked"},
    /* person 5 holds the role from day 50 to day 60 and from day 70 on */
    {"the role is held", {1, 5}, 59, 0, 2, true, NULL},
    {"the role has ended", {1, 5}, 60, 0, 1, false, "is of a person whose role has ended"},
    {"the role is held again", {1, 5}, 70, 0, 2, true, NULL},
};

static struct model register_of_the_cases(void)
{
    struct model m = model_usual();

    m.persons[2].keys[0].from = 10;
    m.persons[2].keys[0].until = 20;
    m.persons[1].keys[0].revoked = 30;
    m.persons[1].roles[1].from = 3;
    m.persons[1].roles[1].until = 40;
    m.persons[4].roles[1] = (struct model_role){ROLE_POLICY, 50, 60};
    m.persons[4].roles[2] = (struct model_role){ROLE_POLICY, 70, FOREVER};
    m.persons[4].n_roles = 3;
    m.rule[DOCUMENT_MOVE].persons = 1;
    return m;
}

static void who_counts_is_who_held_role_and_key_then(void **state)
{
    struct model m = register_of_the_cases();
    struct people *p = model_people(&m);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct register_approval a;
        struct err e = ERR_INIT;
        struct id128 author = model_id(cases[i].author);
        struct dsse *env = model_signed(DOCUMENT_POLICY, cases[i].keys);
        int rc = register_approved(p, DOCUMENT_POLICY, env, model_day(cases[i].day),
                                   cases[i].author == 0 ? NULL : &author, &a, &e);

        if (rc != (cases[i].approved ? 0 : -EPERM) || (int)a.counted != cases[i].counted ||
            a.needed != 2)
            fail_msg("%s: %d, %u count: %s", cases[i].what, rc, a.counted, err_text(&e));
        if (cases[i].says != NULL && strstr(err_text(&e), cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].what, err_text(&e));
        dsse_free(env);
    }
    register_free(p);
}

/* A register of before there were rules: nobody is not enough, however few are asked for. */
static void what_the_register_does_not_speak_of_cannot_be_approved(void **state)
{
    struct model m = register_of_the_cases();
    struct people *p = model_people(&m);
    static const enum document kinds[] = {DOCUMENT_CHANGE, DOCUMENT_RELEASE, DOCUMENT_OVERRIDE};
    const int keys[] = {1, 2, 3, 0};

    (void)state;
    assert_int_equal(register_workable(p, model_day(15), NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct err e = ERR_INIT;
        struct dsse *env = model_signed(kinds[i], keys);

        assert_int_equal(register_approved(p, kinds[i], env, model_day(1), NULL, NULL, &e), -EPERM);
        assert_non_null(strstr(err_text(&e), "does not say who approves a"));
        dsse_free(env);
    }
    register_free(p);
    m.rule[DOCUMENT_RELEASE].role = ROLE_POLICY;
    m.rule[DOCUMENT_RELEASE].persons = 2;
    p = model_people(&m);
    {
        const int two[] = {1, 5, 0}, one[] = {1, 0};
        struct dsse *env = model_signed(DOCUMENT_RELEASE, two);

        assert_int_equal(
            register_approved(p, DOCUMENT_RELEASE, env, model_day(59), NULL, NULL, NULL), 0);
        dsse_free(env);
        env = model_signed(DOCUMENT_RELEASE, one);
        assert_int_equal(
            register_approved(p, DOCUMENT_RELEASE, env, model_day(59), NULL, NULL, NULL), -EPERM);
        dsse_free(env);
    }
    register_free(p);
}

static void the_refusal_names_every_signature_that_does_not_count(void **state)
{
    struct model m = register_of_the_cases();
    struct people *p = model_people(&m);
    const int keys[] = {1, 2, 3, 99, 0};
    struct dsse *env = model_signed(DOCUMENT_POLICY, keys);
    struct err e = ERR_INIT;
    char want[ERR_TEXT_MAX];

    (void)state;
    assert_int_equal(register_approved(p, DOCUMENT_POLICY, env, model_day(35), NULL, NULL, &e),
                     -EPERM);
    assert_true(snprintf(want, sizeof(want),
                         "policy is not approved: 2 distinct persons with role \"policy\" must "
                         "sign, 1 counts; key %.8s… was revoked; key %.8s… has expired; key %.8s… "
                         "is bound to nobody",
                         dsse_keyid(env, 1), dsse_keyid(env, 2), dsse_keyid(env, 3)) > 0);
    assert_string_equal(err_text(&e), want);
    dsse_free(env);
    register_free(p);
}

static void those_counted_are_named_in_order(void **state)
{
    struct model m = model_usual();
    struct people *p = model_people(&m);
    const int keys[] = {3, 11, 1, 2, 0};
    const int want[] = {3, 1, 2};
    struct dsse *env = model_signed(DOCUMENT_POLICY, keys);
    struct register_approval a;

    (void)state;
    assert_int_equal(register_approved(p, DOCUMENT_POLICY, env, model_day(1), NULL, &a, NULL), 0);
    assert_int_equal(a.counted, 3);
    for (size_t i = 0; i < 3; i++) {
        struct id128 id = model_id(want[i]);

        assert_memory_equal(&a.person[i], &id, sizeof(id));
    }
    dsse_free(env);
    register_free(p);
}

/* Two registrars sign a policy as if it were a register: the type says what was signed. */
static void a_document_of_another_kind_is_not_approved(void **state)
{
    struct model m = model_usual();
    struct people *p = model_people(&m);
    const int keys[] = {1, 2, 0};
    struct dsse *env = model_signed(DOCUMENT_POLICY, keys);
    struct ed25519_pub roots[] = {model_public(1), model_public(2)};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(register_approved(p, DOCUMENT_REGISTER, env, model_day(1), NULL, NULL, &e),
                     -EBADMSG);
    assert_string_equal(err_text(&e),
                        "the envelope's type is \"application/x.policy.v1+yaml\", a register's is "
                        "\"application/x.register.v1+yaml\"");
    assert_int_equal(register_approved_by_roots(roots, 2, 2, env, NULL, NULL), -EBADMSG);
    dsse_free(env);
    register_free(p);
}

/* The signature of person 1 is moved to another document: its bytes stay, its meaning does not. */
static void a_signature_of_another_document_does_not_count(void **state)
{
    struct model m = model_usual();
    struct people *p = model_people(&m);
    const int keys[] = {1, 2, 0};
    struct dsse *env = model_signed(DOCUMENT_POLICY, keys), *forged = NULL;
    struct err e = ERR_INIT;
    struct buf b;
    char *at;

    (void)state;
    buf_init(&b, DSSE_MAX_BYTES);
    assert_int_equal(dsse_write(env, &b), 0);
    assert_non_null(buf_str(&b));
    at = strstr((char *)b.data, "YSBkb2N1bWVudAo="); /* base64 of "a document\n" */
    assert_non_null(at);
    memcpy(at, "YSBEb2N1bWVudAo=", 16); /* "a Document\n" */
    assert_int_equal(dsse_parse(&forged, buf_span(&b), NULL), 0);
    assert_int_equal(register_approved(p, DOCUMENT_POLICY, forged, model_day(1), NULL, NULL, &e),
                     -EPERM);
    assert_non_null(strstr(err_text(&e), "did not make this signature"));
    buf_free(&b);
    dsse_free(forged);
    dsse_free(env);
    register_free(p);
}

static void each_kind_has_its_own_role_and_number(void **state)
{
    static const struct {
        enum document kind;
        int keys[4];
        int rc;
    } v[] = {
        {DOCUMENT_REGISTER, {1, 2}, 0},     {DOCUMENT_REGISTER, {1, 3}, -EPERM},
        {DOCUMENT_STATEMENT, {3}, 0},       {DOCUMENT_STATEMENT, {1, 2}, -EPERM},
        {DOCUMENT_MOVE, {4, 5}, 0},         {DOCUMENT_MOVE, {4}, -EPERM},
        {DOCUMENT_MOVE, {1, 2, 3}, -EPERM},
    };
    struct model m = model_usual();
    struct people *p = model_people(&m);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct dsse *env = model_signed(v[i].kind, v[i].keys);

        assert_int_equal(register_approved(p, v[i].kind, env, model_day(1), NULL, NULL, NULL),
                         v[i].rc);
        dsse_free(env);
    }
    register_free(p);
}

static void the_first_register_needs_the_root_keys(void **state)
{
    struct ed25519_pub roots[] = {model_public(1), model_public(2), model_public(3),
                                  model_public(1)};
    static const struct {
        int keys[4];
        unsigned threshold, counted;
        int rc;
    } v[] = {
        {{1, 2}, 2, 2, 0},   {{1, 2, 3}, 2, 3, 0}, {{1}, 2, 1, -EPERM},    {{1, 99}, 2, 1, -EPERM},
        {{0}, 2, 0, -EPERM}, {{0}, 0, 0, -EPERM},  {{1, 2}, 3, 2, -EPERM}, {{1}, 1, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct dsse *env = model_signed(DOCUMENT_REGISTER, v[i].keys);
        unsigned counted = 99;
        struct err e = ERR_INIT;

        assert_int_equal(register_approved_by_roots(roots, 4, v[i].threshold, env, &counted, &e),
                         v[i].rc);
        assert_int_equal(counted, v[i].counted);
        dsse_free(env);
    }
}

struct asked {
    const struct people *p;
    const struct dsse *env;
};

static int ask(void *ctx)
{
    const struct asked *a = ctx;

    return register_approved(a->p, DOCUMENT_POLICY, a->env, model_day(1), NULL, NULL, NULL);
}

static void running_out_of_memory_never_approves(void **state)
{
    struct model m = model_usual();
    const int keys[] = {1, 2, 0};
    struct asked a = {model_people(&m), model_signed(DOCUMENT_POLICY, keys)};

    (void)state;
    assert_true(faults_each(ask, &a) >= 1);
    dsse_free((struct dsse *)a.env);
    register_free((struct people *)a.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_counts_is_who_held_role_and_key_then),
        cmocka_unit_test(what_the_register_does_not_speak_of_cannot_be_approved),
        cmocka_unit_test(the_refusal_names_every_signature_that_does_not_count),
        cmocka_unit_test(those_counted_are_named_in_order),
        cmocka_unit_test(a_document_of_another_kind_is_not_approved),
        cmocka_unit_test(a_signature_of_another_document_does_not_count),
        cmocka_unit_test(each_kind_has_its_own_role_and_number),
        cmocka_unit_test(the_first_register_needs_the_root_keys),
        cmocka_unit_test(running_out_of_memory_never_approves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
