/* site.software: programs of reproduced releases are proved; every other one is told, and how sure
 * that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "assembler/rebuilt.h"
#include "betray/stage.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "people/dsse.h"
#include "scene.h"

#define CLAIM "site.software"

static struct scene scene;
static struct stage whole;
static struct ed25519_key *known, *stranger; /* known: a builder of the trust file more */

static int set_up(void **state)
{
    static const struct history_spec spec = {.submissions = 1, .checkpoint = 1};
    struct audit_source src[2] = {{"zrh1", NULL}, {"mow1", NULL}};
    struct err e = ERR_INIT;
    char keys[200];

    (void)state;
    scene_make(&scene, &spec);
    (void)snprintf(keys, sizeof(keys), "%s/h/keys", scene.dir);
    src[0].dir = scene.path[ZRH];
    src[1].dir = scene.path[MOW];
    if (stage_open(&whole, scene.trust, src, 2, keys, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_string_equal(scene.trust->software, "agent");
    assert_int_equal(scene.trust->software_builders, 1);
    assert_int_equal(ed25519_generate(&known), 0);
    assert_int_equal(ed25519_generate(&stranger), 0);
    ed25519_public(known, &scene.trust->builder[scene.trust->builders++]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ed25519_free(known);
    ed25519_free(stranger);
    stage_close(&whole);
    scene_remove(&scene);
    return 0;
}

static void check(struct audit *a, enum audit_verdict verdict, uint64_t count, const char *words)
{
    const struct audit_result *r = audit_find(a, CLAIM);

    if (r->verdict != verdict || r->n != count || strstr(r->sentence, words) == NULL)
        fail_msg("%s %llu: %s; wanted: %s", audit_verdict_word(r->verdict),
                 (unsigned long long)r->n, r->sentence, words);
    audit_free(a);
}

static void expect(const struct stage *s, enum audit_verdict verdict, uint64_t count,
                   const char *words)
{
    const struct tale *const t[2] = {&s->tale[ZRH], &s->tale[MOW]};

    check(scene_audit_both(&scene, t, NULL), verdict, count, words);
}

static void begin(struct stage *s)
{
    assert_int_equal(stage_enter(s, &whole), 0);
}

static void start(struct stage *s, int site, const struct digest *binary)
{
    struct tale *t = &s->tale[site];
    struct leaf_builder b;

    leaf_begin(&b, LK_PROCESS_STARTED, tale_end(t) + 60, t->site);
    leaf_set_digest(&b, LF_BINARY, binary);
    leaf_set_text(&b, LF_PART, "yara");
    assert_int_equal(tale_add(t, &b, NULL), 0);
    assert_int_equal(tale_publish(t, tale_end(t) + 60), 0);
}

/* The program of the product with that number, from 0, as zrh1 began to run it. */
static struct digest program(const struct stage *s, int number)
{
    const struct tale *t = &s->tale[ZRH];
    size_t i = tale_find(t, LK_PROCESS_STARTED, 0);
    struct leaf l;

    if (number == 1)
        i = tale_find(t, LK_PROCESS_STARTED, i + 1);
    l = tale_leaf(t, i);
    return leaf_digest(&l, LF_BINARY);
}

/* Somebody built the product with that number again, and got this. */
static void attest(struct stage *s, int number, enum compare_class verdict,
                   const struct ed25519_key *by)
{
    struct tale *t = &s->tale[ZRH];
    size_t i = tale_find(t, LK_PRODUCT_PUBLISHED, 0);
    struct rebuilt r = {.verdict = verdict};
    struct leaf_builder b;
    struct digest doc;
    struct leaf l;
    struct buf env;

    if (number == 1)
        i = tale_find(t, LK_PRODUCT_PUBLISHED, i + 1);
    l = tale_leaf(t, i);
    r.product = leaf_digest(&l, LF_DOC);
    r.output = leaf_digest(&l, LF_OUTPUT);
    r.output.b[0] ^= verdict != COMPARE_IDENTICAL;
    buf_init(&env, DSSE_MAX_BYTES);
    assert_int_equal(rebuilt_sign(&r, by, &env, NULL), 0);
    assert_int_equal(tale_document(t, buf_span(&env), &doc), 0);
    buf_free(&env);
    leaf_begin(&b, LK_REBUILD_ATTESTED, tale_end(t) + 60, t->site);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_key(&b, LF_KEY, r.key.b);
    leaf_set_digest(&b, LF_PRODUCT, &r.product);
    leaf_set_word(&b, LF_VERDICT, (unsigned)verdict);
    leaf_set_digest(&b, LF_OUTPUT, &r.output);
    assert_int_equal(tale_add(t, &b, NULL), 0);
    assert_int_equal(tale_publish(t, tale_end(t) + 60), 0);
}

/* --- */

static void programs_of_reproduced_releases_are_proved(void **state)
{
    struct digest one = program(&whole, 0);
    struct stage s;

    (void)state;
    expect(&whole, AUDIT_PROVED, 4,
           "a release of \"agent\" that at least 1 builder of the trust file built again");
    begin(&s); /* back to the first release, twice: each start counts */
    start(&s, MOW, &one);
    start(&s, MOW, &one);
    expect(&s, AUDIT_PROVED, 6, "");
    stage_leave(&s);
}

static void a_program_of_no_release_breaks_it(void **state)
{
    struct digest other = program(&whole, 1);
    struct stage s;

    (void)state;
    other.b[31] ^= 1;
    begin(&s);
    start(&s, MOW, &other);
    expect(&s, AUDIT_BROKEN, 4, "\"yara\" runs a program that is in no release of \"agent\"");
    stage_leave(&s);
}

static void what_is_missing_leaves_it_open(void **state)
{
    const struct audit_source alone = {"zrh1", scene.path[3]};
    struct digest other = program(&whole, 1);
    struct audit *a = NULL;
    struct stage s;

    (void)state;
    /* no release in the ledger that was given */
    check(scene_audit_with(&scene, ZRH, NULL), AUDIT_UNKNOWN, 0, "no release of \"agent\"");
    /* the other ledger, which may have the release, was not given */
    other.b[31] ^= 1;
    begin(&s);
    start(&s, ZRH, &other);
    audit_free(scene_audit_with(&scene, ZRH, &s.tale[ZRH]));
    assert_int_equal(audit_run(&a, scene.trust, &alone, 1, NULL, NULL), 0);
    check(a, AUDIT_UNKNOWN, 2, "that of mow1 was not given");
    stage_leave(&s);
}

static void enough_builders_must_have_got_it(void **state)
{
    struct stage s;

    (void)state;
    scene.trust->software_builders = 2;
    expect(&whole, AUDIT_UNKNOWN, 0,
           "release 1 of \"agent\", which 1 of the builders of the trust file got identical, where "
           "2 are wanted");
    begin(&s);
    attest(&s, 0, COMPARE_IDENTICAL, stranger);
    attest(&s, 1, COMPARE_IDENTICAL, stranger);
    expect(&s, AUDIT_UNKNOWN, 0, "where 2 are wanted");
    attest(&s, 0, COMPARE_IDENTICAL, known);
    expect(&s, AUDIT_UNKNOWN, 2, "release 2 of \"agent\"");
    attest(&s, 1, COMPARE_IDENTICAL, known);
    expect(&s, AUDIT_PROVED, 4, "at least 2 builders of the trust file");
    stage_leave(&s);
    scene.trust->software_builders = 1;
}

static void a_dissent_breaks_it(void **state)
{
    struct stage s;

    (void)state;
    begin(&s);
    attest(&s, 1, COMPARE_UNEXPLAINED, stranger); /* nobody's word */
    attest(&s, 1, COMPARE_DERIVED, known);        /* shown by build.reproduced */
    expect(&s, AUDIT_PROVED, 4, "");
    attest(&s, 1, COMPARE_UNEXPLAINED, known);
    expect(&s, AUDIT_BROKEN, 2,
           "\"site\" runs a program of release 2 of \"agent\", which builder 3 of the trust file");
    stage_leave(&s);
}

static void releases_that_cannot_be_read_leave_it_open(void **state)
{
    struct tale *t;
    struct digest doc, is;
    struct stage s;
    struct leaf l;

    (void)state;
    begin(&s);
    t = &s.tale[ZRH];
    l = tale_leaf(t, tale_last(t, LK_PRODUCT_PUBLISHED));
    doc = leaf_digest(&l, LF_DOC);
    for (size_t i = 0; i < t->artifacts; i++) {
        sha256_of(t->artifact[i].data, t->artifact[i].len, &is);
        if (digest_eq(&is, &doc))
            t->artifact[i].data[0] ^= 1; /* it is written under another name */
    }
    expect(&s, AUDIT_UNKNOWN, 2, "which files a release of \"agent\" has is not known");
    stage_leave(&s);
}

static void a_site_that_says_nothing_leaves_it_open(void **state)
{
    struct stage s;
    struct tale *t;

    (void)state;
    begin(&s);
    t = &s.tale[MOW];
    while (tale_find(t, LK_PROCESS_STARTED, 0) < t->leaves)
        tale_delete(t, tale_find(t, LK_PROCESS_STARTED, 0));
    expect(&s, AUDIT_UNKNOWN, 2, "the ledger of mow1 says of no program that it runs");
    stage_leave(&s);
}

static void only_the_product_that_the_auditor_names_counts(void **state)
{
    char was[sizeof(scene.trust->software)];

    (void)state;
    memcpy(was, scene.trust->software, sizeof(was));
    scene.trust->software[0] = 'A';
    expect(&whole, AUDIT_UNKNOWN, 0, "no release of \"Agent\" is published");
    scene.trust->software[0] = '\0';
    expect(&whole, AUDIT_EMPTY, 0, "the trust file does not name the product");
    memcpy(scene.trust->software, was, sizeof(was));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_of_reproduced_releases_are_proved),
        cmocka_unit_test(a_program_of_no_release_breaks_it),
        cmocka_unit_test(what_is_missing_leaves_it_open),
        cmocka_unit_test(enough_builders_must_have_got_it),
        cmocka_unit_test(a_dissent_breaks_it),
        cmocka_unit_test(releases_that_cannot_be_read_leave_it_open),
        cmocka_unit_test(a_site_that_says_nothing_leaves_it_open),
        cmocka_unit_test(only_the_product_that_the_auditor_names_counts),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
