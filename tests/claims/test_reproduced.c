/* detect.reproduced: who counts, what counts once, and every way an attestation can lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "crypto/sha256.h"
#include "people/dsse.h"
#include "rules/attestation.h"
#include "scene.h"

#define CLAIM "detect.reproduced"

static struct scene scene;
static struct ed25519_key *known[2], *stranger; /* known: attesters of the trust file */

static int set_up(void **state)
{
    static const struct history_spec spec = {.submissions = 2, .checkpoint = 1, .scans = true};

    (void)state;
    scene_make(&scene, &spec);
    assert_int_equal(ed25519_generate(&stranger), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(ed25519_generate(&known[i]), 0);
        ed25519_public(known[i], &scene.trust->attester[i]);
    }
    scene.trust->attesters = 2;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ed25519_free(known[0]);
    ed25519_free(known[1]);
    ed25519_free(stranger);
    scene_remove(&scene);
    return 0;
}

/* The k-th scan of the tale. */
static size_t scan(const struct tale *t, size_t k)
{
    size_t i = tale_find(t, LK_SCAN_DONE, 0);

    while (k-- > 0)
        i = tale_find(t, LK_SCAN_DONE, i + 1);
    assert_true(i < t->leaves);
    return i;
}

static struct attestation about(const struct tale *t, size_t i, bool same)
{
    struct leaf l = tale_leaf(t, i);
    struct attestation a;

    memset(&a, 0, sizeof(a));
    (void)snprintf(a.site, sizeof(a.site), "%s", t->site);
    (void)snprintf(a.engines, sizeof(a.engines), "walk.yara");
    a.leaf = i;
    a.same = same;
    if (l.kind == LK_SCAN_DONE)
        a.release = leaf_digest(&l, LF_RELEASE);
    sha256_leaf(l.bytes.p, l.bytes.n, &a.scan);
    return a;
}

/* What the leaf says; signed is what the document says, in an envelope that is there or not. */
static void tell(struct tale *t, struct attestation *signed_, const struct attestation *said,
                 const struct ed25519_key *by, bool there)
{
    struct leaf_builder b;
    struct digest doc;
    struct buf env;

    buf_init(&env, DSSE_MAX_BYTES);
    assert_int_equal(attestation_sign(signed_, by, &env, NULL), 0);
    if (there)
        assert_int_equal(tale_document(t, buf_span(&env), &doc), 0);
    else
        sha256_of(env.data, env.len, &doc);
    buf_free(&env);
    leaf_begin(&b, LK_REPLAY_ATTESTED, tale_end(t) + 60, t->site);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_key(&b, LF_KEY, signed_->key.b);
    leaf_set_int(&b, LF_LEAF, said->leaf);
    leaf_set_digest(&b, LF_RELEASE, &said->release);
    leaf_set_word(&b, LF_SAME, said->same ? LW_SAME_YES : LW_SAME_NO);
    leaf_set_digest(&b, LF_SCAN, &said->scan);
    assert_int_equal(tale_add(t, &b, NULL), 0);
    assert_int_equal(tale_publish(t, tale_end(t) + 60), 0);
}

static void attest(struct tale *t, size_t i, bool same, const struct ed25519_key *by)
{
    struct attestation a = about(t, i, same);

    tell(t, &a, &a, by, true);
}

static void expect(const struct tale *t, enum audit_verdict verdict, uint64_t n, const char *words)
{
    struct audit *a = t == NULL ? scene_audit(&scene, NULL) : scene_audit_as(&scene, ZRH, t);
    const struct audit_result *r = audit_find(a, CLAIM);

    if (r->verdict != verdict || r->n != n || strstr(r->sentence, words) == NULL)
        fail_msg("%s %llu: %s", audit_verdict_word(r->verdict), (unsigned long long)r->n,
                 r->sentence);
    audit_free(a);
}

static void nothing_attested_is_empty(void **state)
{
    (void)state;
    expect(NULL, AUDIT_EMPTY, 0, "");
}

static void verdicts_count_once_and_attesters_are_told(void **state)
{
    struct tale t;

    (void)state;
    scene_tale(&scene, ZRH, &t);
    attest(&t, scan(&t, 0), true, stranger);
    attest(&t, scan(&t, 0), false, stranger); /* nobody's word */
    expect(&t, AUDIT_EMPTY, 0, "");
    attest(&t, scan(&t, 0), true, known[0]);
    expect(&t, AUDIT_PROVED, 1, "by 1 attester of the trust file; 2 attestations by others");
    attest(&t, scan(&t, 1), true, known[0]);
    attest(&t, scan(&t, 0), true, known[1]);
    attest(&t, scan(&t, 0), true, known[1]);
    expect(&t, AUDIT_PROVED, 2, "by 2 attesters of the trust file");
    tale_free(&t);
}

static void a_dissent_breaks_it_unless_it_is_of_a_machine(void **state)
{
    static const uint8_t salt[32] = {1};
    struct leaf_builder b;
    struct tale t;
    struct leaf l;
    struct digest release;
    struct id128 ref;

    (void)state;
    scene_tale(&scene, ZRH, &t);
    attest(&t, scan(&t, 0), true, known[0]);
    l = tale_leaf(&t, scan(&t, 0));
    ref = leaf_id(&l, LF_REF);
    release = leaf_digest(&l, LF_RELEASE);
    leaf_begin(&b, LK_SCAN_DONE, tale_end(&t) + 60, t.site);
    leaf_set_id(&b, LF_REF, &ref);
    leaf_set_text(&b, LF_WORKER_SITE, t.site);
    leaf_set_text(&b, LF_ENGINE, "walk.yara");
    leaf_set_digest(&b, LF_RELEASE, &release);
    leaf_set_word(&b, LF_VERDICT, LW_VERDICT_INCOMPLETE);
    leaf_set_word(&b, LF_REASON, LW_REASON_TIME);
    leaf_set_int(&b, LF_HITS, 0);
    leaf_set_sealed(&b, LF_SEALED_NAMES, salt, span_str(""));
    assert_int_equal(tale_add(&t, &b, NULL), 0);
    attest(&t, tale_last(&t, LK_SCAN_DONE), false, known[1]);
    expect(&t, AUDIT_PROVED, 1, "by 1 attester");
    attest(&t, scan(&t, 0), false, known[1]);
    expect(&t, AUDIT_BROKEN, 1, "attester 2 of the trust file made the verdict of leaf");
    tale_free(&t);
}

static void what_nobody_signed_is_found(void **state)
{
    struct attestation a, other;
    struct tale whole, t;

    (void)state;
    scene_tale(&scene, ZRH, &whole);
    a = about(&whole, scan(&whole, 0), true);

    /* the leaf says another scan, or another answer, than was signed */
    other = about(&whole, scan(&whole, 1), true);
    assert_int_equal(tale_copy(&t, &whole), 0);
    tell(&t, &a, &other, known[0], true);
    expect(&t, AUDIT_BROKEN, 0, "the leaf does not say what the attester signed");
    tale_free(&t);
    other = about(&whole, scan(&whole, 0), false);
    assert_int_equal(tale_copy(&t, &whole), 0);
    tell(&t, &other, &a, known[0], true);
    expect(&t, AUDIT_BROKEN, 0, "the leaf does not say what the attester signed");
    tale_free(&t);

    /* signed, and about no scan, about another, about what follows, about another site */
    other = about(&whole, 0, true);
    assert_int_equal(tale_copy(&t, &whole), 0);
    tell(&t, &other, &other, known[0], true);
    expect(&t, AUDIT_BROKEN, 0, "leaf 0, which it is about, is no scan");
    tale_free(&t);
    other = a;
    other.scan.b[0] ^= 1;
    assert_int_equal(tale_copy(&t, &whole), 0);
    tell(&t, &other, &other, known[0], true);
    expect(&t, AUDIT_BROKEN, 0, "is another scan than it is about");
    tale_free(&t);
    other = a;
    other.release.b[0] ^= 1;
    assert_int_equal(tale_copy(&t, &whole), 0);
    tell(&t, &other, &other, stranger, true);
    expect(&t, AUDIT_BROKEN, 0, "is another scan than it is about");
    tale_free(&t);
    other = a;
    other.leaf = whole.leaves;
    assert_int_equal(tale_copy(&t, &whole), 0);
    tell(&t, &other, &other, known[0], true);
    expect(&t, AUDIT_BROKEN, 0, "about a leaf that follows it");
    tale_free(&t);
    other = a;
    (void)snprintf(other.site, sizeof(other.site), "mow1");
    assert_int_equal(tale_copy(&t, &whole), 0);
    tell(&t, &other, &other, known[0], true);
    expect(&t, AUDIT_BROKEN, 0, "the leaf does not say what the attester signed");
    tale_free(&t);

    /* the document is not there: nobody can say */
    assert_int_equal(tale_copy(&t, &whole), 0);
    tell(&t, &a, &a, known[0], false);
    expect(&t, AUDIT_UNKNOWN, 0, "the attestation is missing");
    tale_free(&t);
    tale_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_attested_is_empty),
        cmocka_unit_test(verdicts_count_once_and_attesters_are_told),
        cmocka_unit_test(a_dissent_breaks_it_unless_it_is_of_a_machine),
        cmocka_unit_test(what_nobody_signed_is_found),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
