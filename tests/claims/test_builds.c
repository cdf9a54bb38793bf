/* build.provenance, build.reproduced, build.placement: what a true history of builds says, who
 * counts, and every way a product or a rebuild can lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "assembler/rebuilt.h"
#include "base/text.h"
#include "betray/builds.h"
#include "betray/stage.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "people/dsse.h"
#include "scene.h"

#define PROVENANCE "build.provenance"
#define REPRODUCED "build.reproduced"
#define PLACEMENT "build.placement"

static struct scene scene;
static struct stage whole;
static char keys[200];
static struct ed25519_key *known[2], *stranger; /* known: builders of the trust file */

static int set_up(void **state)
{
    static const struct history_spec spec = {.submissions = 1, .checkpoint = 1, .scans = true};
    struct audit_source src[2] = {{"zrh1", NULL}, {"mow1", NULL}};
    struct err e = ERR_INIT;

    (void)state;
    scene_make(&scene, &spec);
    (void)snprintf(keys, sizeof(keys), "%s/h/keys", scene.dir);
    src[0].dir = scene.path[ZRH];
    src[1].dir = scene.path[MOW];
    if (stage_open(&whole, scene.trust, src, 2, keys, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(ed25519_generate(&stranger), 0);
    assert_int_equal(scene.trust->builders, 2); /* the history's own; these are two more */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ed25519_generate(&known[i]), 0);
        ed25519_public(known[i], &scene.trust->builder[2 + i]);
    }
    scene.trust->builders = 4;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ed25519_free(known[0]);
    ed25519_free(known[1]);
    ed25519_free(stranger);
    stage_close(&whole);
    scene_remove(&scene);
    return 0;
}

/* --- a product more --- */

struct next {
    struct stage s;
    struct product p;
    struct product_artifact file;
    struct digest doc, output;
    const char *missing; /* "recipe", …: this file is not put beside the ledger */
    size_t signers;
};

static struct digest drawn(void)
{
    struct digest d;

    random_bytes(d.b, sizeof(d.b));
    return d;
}

/* A file beside the ledger, unless it is to be missing. */
static void put(struct next *n, const char *what, struct span bytes, struct digest *out)
{
    sha256_of(bytes.p, bytes.n, out);
    if (n->missing == NULL || strcmp(n->missing, what) != 0)
        assert_int_equal(tale_document(&n->s.tale[ZRH], bytes, out), 0);
}

/* An honest product that follows the newest, true to files of its own. */
static void begin(struct next *n, const char *missing)
{
    const struct tale *t;
    struct leaf l;
    char text[65];
    struct digest d = drawn();

    memset(n, 0, sizeof(*n));
    n->missing = missing;
    n->signers = 2;
    assert_int_equal(stage_enter(&n->s, &whole), 0);
    t = &n->s.tale[ZRH];
    l = tale_leaf(t, tale_last(t, LK_PRODUCT_PUBLISHED));
    n->p.chain.serial = leaf_int(&l, LF_SERIAL) + 1;
    n->p.chain.previous = leaf_digest(&l, LF_DOC);
    (void)snprintf(n->p.name, sizeof(n->p.name), "agent");
    (void)snprintf(n->p.version, sizeof(n->p.version), "1.2");
    (void)snprintf(n->p.site, sizeof(n->p.site), "zrh1");
    (void)snprintf(n->p.zone, sizeof(n->p.zone), "CH");
    n->p.source = drawn();
    (void)snprintf(n->file.name, sizeof(n->file.name), "agent.tar");
    n->file.sha256 = drawn();
    n->p.artifact = &n->file;
    n->p.artifacts = 1;
    text_digest(text, &d);
    text[0] = 'r';
    put(n, "recipe", span_str(text), &n->p.recipe);
    text[0] = 't';
    put(n, "toolchain", span_str(text), &n->p.toolchain);
    text[0] = 's';
    put(n, "sbom", span_str(text), &n->p.sbom);
}

static void prove(struct next *n)
{
    struct buf env;

    buf_init(&env, DSSE_MAX_BYTES);
    assert_int_equal(builds_provenance(&n->p, stranger, &env), 0);
    put(n, "provenance", buf_span(&env), &n->p.provenance);
    buf_free(&env);
}

/* Signed, and said by a leaf of this site. */
static void add(struct next *n, int site)
{
    unix_time t = stage_time(&n->s, site);
    struct ed25519_key *k[4] = {NULL};
    struct leaf_builder b;
    struct buf yaml;

    assert_int_equal(stage_signers(&n->s, ROLE_SUPERVISOR, WHO_GOOD, t, k, n->signers), n->signers);
    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    assert_int_equal(product_write(&n->p, &yaml), 0);
    assert_int_equal(product_output(&n->p, &n->output), 0);
    assert_int_equal(stage_document(&n->s, site, DOCUMENT_PRODUCT, &yaml, k, n->signers, &n->doc),
                     0);
    buf_free(&yaml);
    stage_begin(&n->s, site, &b, LK_PRODUCT_PUBLISHED, t);
    builds_leaf(&b, &n->p, &n->doc, &n->output);
    assert_int_equal(stage_add(&n->s, site, &b, NULL), 0);
    assert_int_equal(stage_publish(&n->s, site, t), 0);
    for (size_t i = 0; i < n->signers; i++)
        ed25519_free(k[i]);
}

static void expect(const struct stage *s, const char *claim, enum audit_verdict verdict,
                   uint64_t count, const char *words)
{
    const struct tale *const t[2] = {&s->tale[ZRH], &s->tale[MOW]};
    struct audit *a = scene_audit_both(&scene, t, NULL);
    const struct audit_result *r = audit_find(a, claim);

    if (r->verdict != verdict || r->n != count || strstr(r->sentence, words) == NULL)
        fail_msg("%s %s %llu: %s; wanted: %s", claim, audit_verdict_word(r->verdict),
                 (unsigned long long)r->n, r->sentence, words);
    audit_free(a);
}

/* --- provenance --- */

static void a_true_history_is_proved(void **state)
{
    struct next n;

    (void)state;
    expect(&whole, PROVENANCE, AUDIT_PROVED, 2, "signed by enough supervisors");
    expect(&whole, REPRODUCED, AUDIT_PROVED, 2,
           "by 2 builders of the trust file, each product by at least 1");
    expect(&whole, PLACEMENT, AUDIT_PROVED, 6, ""); /* and two releases of rules at two sites */
    begin(&n, NULL);
    prove(&n);
    add(&n, ZRH);
    expect(&n.s, PROVENANCE, AUDIT_PROVED, 3, "");
    expect(&n.s, REPRODUCED, AUDIT_PROVED, 2, "");
    expect(&n.s, PLACEMENT, AUDIT_PROVED, 7, "");
    stage_leave(&n.s);
}

static void what_a_product_names_must_be_there(void **state)
{
    static const struct {
        const char *file, *says;
    } part[] = {{"recipe", "the recipe of \"agent\" is missing"},
                {"toolchain", "the toolchain's lock of \"agent\" is missing"},
                {"provenance", "the provenance of \"agent\" is missing"},
                {"sbom", "the bill of materials of \"agent\" is missing"}};
    struct next n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(part); i++) {
        begin(&n, part[i].file);
        prove(&n);
        add(&n, ZRH);
        expect(&n.s, PROVENANCE, AUDIT_UNKNOWN, 3, part[i].says);
        stage_leave(&n.s);
    }
}

static void what_the_provenance_does_not_say_breaks_it(void **state)
{
    struct digest *swapped[4];
    static const char *const says[] = {"says another source", "says another recipe",
                                       "says another toolchain", "is of another \"agent.tar\""};
    struct next n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(swapped); i++) {
        begin(&n, NULL);
        prove(&n);
        swapped[0] = &n.p.source;
        swapped[1] = &n.p.recipe;
        swapped[2] = &n.p.toolchain;
        swapped[3] = &n.file.sha256;
        if (i == 1 || i == 2) /* a file that is there, and is not what was built with */
            put(&n, "another", span_str(says[i]), swapped[i]);
        else
            *swapped[i] = drawn();
        add(&n, ZRH);
        expect(&n.s, PROVENANCE, AUDIT_BROKEN, 3, says[i]);
        stage_leave(&n.s);
    }
    begin(&n, NULL);
    put(&n, "provenance", span_str("no envelope"), &n.p.provenance);
    add(&n, ZRH);
    expect(&n.s, PROVENANCE, AUDIT_BROKEN, 3, "the provenance");
    stage_leave(&n.s);
}

static void too_few_signatures_gaps_and_forks_break_it(void **state)
{
    struct next n;

    (void)state;
    begin(&n, NULL);
    prove(&n);
    n.signers = 1;
    add(&n, ZRH);
    expect(&n.s, PROVENANCE, AUDIT_BROKEN, 3, "2 distinct persons with role \"supervisor\"");
    stage_leave(&n.s);

    begin(&n, NULL);
    prove(&n);
    n.p.chain.serial++;
    add(&n, ZRH);
    expect(&n.s, PROVENANCE, AUDIT_BROKEN, 3, "\"agent\" has number 4 where 3 is next");
    stage_leave(&n.s);

    begin(&n, NULL);
    prove(&n);
    n.p.chain.previous = drawn();
    add(&n, ZRH);
    expect(&n.s, PROVENANCE, AUDIT_BROKEN, 3, "names another product as the one before");
    stage_leave(&n.s);

    /* a second first product, of another name: a chain of its own */
    begin(&n, NULL);
    n.p.chain.serial = 1;
    (void)snprintf(n.p.name, sizeof(n.p.name), "other");
    prove(&n);
    add(&n, ZRH);
    expect(&n.s, PROVENANCE, AUDIT_PROVED, 3, "");
    stage_leave(&n.s);

    /* another first product of the same name, told to other people */
    begin(&n, NULL);
    n.p.chain.serial = 1;
    prove(&n);
    add(&n, MOW);
    expect(&n.s, PROVENANCE, AUDIT_BROKEN, 3, "is another product in the ledger of");
    stage_leave(&n.s);
}

static void the_leaf_says_what_was_signed(void **state)
{
    static const enum leaf_field field[] = {LF_SOURCE,     LF_RECIPE, LF_TOOLCHAIN,
                                            LF_PROVENANCE, LF_SBOM,   LF_OUTPUT};
    struct next n;
    struct digest d;
    char hex[65];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(field) + 3; i++) {
        size_t at;

        begin(&n, NULL);
        prove(&n);
        add(&n, ZRH);
        at = tale_last(&n.s.tale[ZRH], LK_PRODUCT_PUBLISHED);
        d = drawn();
        text_digest(hex, &d);
        if (i < ARRAY_LEN(field))
            assert_int_equal(tale_edit(&n.s.tale[ZRH], at, field[i], hex, NULL), 0);
        else
            assert_int_equal(tale_edit(&n.s.tale[ZRH], at,
                                       i == ARRAY_LEN(field)       ? LF_NAME
                                       : i == ARRAY_LEN(field) + 1 ? LF_WORKER_SITE
                                                                   : LF_ZONE,
                                       i == ARRAY_LEN(field)       ? "other"
                                       : i == ARRAY_LEN(field) + 1 ? "mow1"
                                                                   : "RU",
                                       NULL),
                             0);
        expect(&n.s, PROVENANCE, AUDIT_BROKEN, 3,
               "the leaf does not say what its supervisors signed");
        stage_leave(&n.s);
    }
}

/* --- rebuilds --- */

/* What the leaf says; signed is what the document says. */
static void tell(struct stage *s, struct rebuilt *signed_, const struct rebuilt *said,
                 const struct ed25519_key *by, bool there)
{
    struct tale *t = &s->tale[ZRH];
    struct leaf_builder b;
    struct digest doc;
    struct buf env;

    buf_init(&env, DSSE_MAX_BYTES);
    assert_int_equal(rebuilt_sign(signed_, by, &env, NULL), 0);
    if (there)
        assert_int_equal(tale_document(t, buf_span(&env), &doc), 0);
    else
        sha256_of(env.data, env.len, &doc);
    buf_free(&env);
    leaf_begin(&b, LK_REBUILD_ATTESTED, tale_end(t) + 60, t->site);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_key(&b, LF_KEY, signed_->key.b);
    leaf_set_digest(&b, LF_PRODUCT, &said->product);
    leaf_set_word(&b, LF_VERDICT, (unsigned)said->verdict);
    leaf_set_digest(&b, LF_OUTPUT, &said->output);
    assert_int_equal(tale_add(t, &b, NULL), 0);
    assert_int_equal(tale_publish(t, tale_end(t) + 60), 0);
}

/* A true one about the newest product, by the word. */
static struct rebuilt about(const struct stage *s, enum compare_class verdict)
{
    const struct tale *t = &s->tale[ZRH];
    struct leaf l = tale_leaf(t, tale_last(t, LK_PRODUCT_PUBLISHED));
    struct rebuilt r = {.product = leaf_digest(&l, LF_DOC),
                        .output = leaf_digest(&l, LF_OUTPUT),
                        .verdict = verdict};

    if (verdict != COMPARE_IDENTICAL)
        r.output.b[0] ^= 1;
    return r;
}

static void attest(struct stage *s, enum compare_class verdict, const struct ed25519_key *by)
{
    struct rebuilt r = about(s, verdict);

    tell(s, &r, &r, by, true);
}

static void products_count_once_and_builders_are_told(void **state)
{
    struct rebuilt r;
    struct next n;

    (void)state;
    begin(&n, NULL);
    prove(&n);
    add(&n, ZRH);
    attest(&n.s, COMPARE_IDENTICAL, stranger);
    attest(&n.s, COMPARE_UNEXPLAINED, stranger); /* nobody's word */
    expect(&n.s, REPRODUCED, AUDIT_PROVED, 2, "2 by others do not count");
    attest(&n.s, COMPARE_IDENTICAL, known[0]);
    attest(&n.s, COMPARE_IDENTICAL, known[0]);
    expect(&n.s, REPRODUCED, AUDIT_PROVED, 3,
           "by 3 builders of the trust file, each product by at "
           "least 1");
    attest(&n.s, COMPARE_IDENTICAL, known[1]);
    expect(&n.s, REPRODUCED, AUDIT_PROVED, 3, "by 4 builders");
    expect(&n.s, REPRODUCED, AUDIT_PROVED, 3, "at least 1; 0 rebuilds of theirs");
    r = about(&n.s, COMPARE_IDENTICAL);
    r.transplanted = 1;
    tell(&n.s, &r, &r, known[1], true);
    expect(&n.s, REPRODUCED, AUDIT_PROVED, 3,
           "at least 1 (1 rebuild with the published signature put on); 0 rebuilds of theirs");
    attest(&n.s, COMPARE_DERIVED, known[1]); /* a second time, and it was not the same */
    expect(&n.s, REPRODUCED, AUDIT_PROVED, 3, "1 rebuild of theirs came out otherwise");
    stage_leave(&n.s);
}

static void a_dissent_shows(void **state)
{
    struct next n;

    (void)state;
    for (int v = COMPARE_SAME_CONTENT; v <= COMPARE_UNEXPLAINED; v++) {
        char words[64];

        begin(&n, NULL);
        prove(&n);
        add(&n, ZRH);
        attest(&n.s, (enum compare_class)v, known[1]);
        (void)snprintf(words, sizeof(words), "got it %s, which is not reproduced",
                       compare_class_word((enum compare_class)v));
        if (v == COMPARE_UNEXPLAINED)
            expect(&n.s, REPRODUCED, AUDIT_BROKEN, 2, "builder 4 of the trust file");
        else
            expect(&n.s, REPRODUCED, AUDIT_UNKNOWN, 2, words);
        attest(&n.s, COMPARE_IDENTICAL, known[0]);
        expect(&n.s, REPRODUCED, v == COMPARE_UNEXPLAINED ? AUDIT_BROKEN : AUDIT_PROVED, 3, "");
        stage_leave(&n.s);
    }
}

/* One way to lie about the newest product: what is signed, what the leaf says, what is told. */
static void lie(struct rebuilt signed_, struct rebuilt said, const struct ed25519_key *by,
                bool there, enum audit_verdict verdict, const char *words)
{
    struct stage s;

    assert_int_equal(stage_enter(&s, &whole), 0);
    tell(&s, &signed_, &said, by, there);
    expect(&s, REPRODUCED, verdict, 2, words);
    stage_leave(&s);
}

static void what_nobody_signed_is_found(void **state)
{
    struct rebuilt r = about(&whole, COMPARE_IDENTICAL), other = r;
    static const char leaf_lies[] = "the leaf does not say what the builder signed";

    (void)state;
    lie(r, r, known[0], true, AUDIT_PROVED, "by 3 builders");
    other.verdict = COMPARE_DERIVED;
    lie(other, r, known[0], true, AUDIT_BROKEN, leaf_lies);
    other = r;
    other.output.b[0] ^= 1;
    lie(other, r, known[0], true, AUDIT_BROKEN, leaf_lies);
    lie(other, other, stranger, true, AUDIT_BROKEN, "says identical, and names another output");
    other = r;
    other.product.b[0] ^= 1;
    lie(other, r, known[0], true, AUDIT_BROKEN, leaf_lies);
    lie(other, other, known[0], true, AUDIT_BROKEN, "about no product that stands before it");
    other = r;
    other.verdict = COMPARE_UNEXPLAINED;
    lie(other, other, stranger, true, AUDIT_BROKEN, "does not call it identical");
    lie(r, r, known[0], false, AUDIT_UNKNOWN, "the rebuild's document is missing");
}

/* --- placement --- */

static void a_product_is_built_where_the_policy_says(void **state)
{
    static const struct {
        const char *site, *zone, *says;
    } place[] = {{"mow1", "RU", "\"product:agent\" was built at mow1, which is no site of zone CH"},
                 {"mow1", "CH", "was built at mow1, which is no site of zone CH"},
                 {"abc1", "CH", "was built at abc1, which is no site of zone CH"},
                 {"zrh1", "RU", "zrh1 is of zone CH, and the leaf says another"}};
    struct next n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(place); i++) {
        begin(&n, NULL);
        (void)snprintf(n.p.site, sizeof(n.p.site), "%s", place[i].site);
        (void)snprintf(n.p.zone, sizeof(n.p.zone), "%s", place[i].zone);
        prove(&n);
        add(&n, ZRH);
        expect(&n.s, PROVENANCE, AUDIT_PROVED, 3, "");
        expect(&n.s, PLACEMENT, AUDIT_BROKEN, 7, place[i].says);
        stage_leave(&n.s);
    }
}

static void a_release_is_published_in_its_zone(void **state)
{
    struct stage s;
    struct audit *a;
    const struct audit_result *r;
    size_t at;

    (void)state;
    /* told at mow1 alone */
    assert_int_equal(stage_enter(&s, &whole), 0);
    at = tale_last(&s.tale[ZRH], LK_RELEASE_PUBLISHED);
    tale_delete(&s.tale[ZRH], at);
    expect(&s, PLACEMENT, AUDIT_BROKEN, 5, "is published by no site of zone CH");
    stage_leave(&s);
    /* the ledger of zrh1 is not at hand */
    a = scene_audit_with(&scene, ZRH, NULL);
    r = audit_find(a, PLACEMENT);
    if (r->verdict != AUDIT_UNKNOWN ||
        strstr(r->sentence, "the ledger of zrh1 was not given") == NULL)
        fail_msg("%s: %s", audit_verdict_word(r->verdict), r->sentence);
    audit_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_history_is_proved),
        cmocka_unit_test(what_a_product_names_must_be_there),
        cmocka_unit_test(what_the_provenance_does_not_say_breaks_it),
        cmocka_unit_test(too_few_signatures_gaps_and_forks_break_it),
        cmocka_unit_test(the_leaf_says_what_was_signed),
        cmocka_unit_test(products_count_once_and_builders_are_told),
        cmocka_unit_test(a_dissent_shows),
        cmocka_unit_test(what_nobody_signed_is_found),
        cmocka_unit_test(a_product_is_built_where_the_policy_says),
        cmocka_unit_test(a_release_is_published_in_its_zone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
