/* What new rules do to files that are there already, as the leaves tell it: honest rounds of many
 * sorts are proved, dishonest ones are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "betray/stage.h"
#include "crypto/secret.h"
#include "events/setroot.h"
#include "rules/override.h"
#include "scene.h"

#define ENGINE "clamav.yara" /* not the history's */
#define CLAIM "detect.renewed"

static struct scene scene;
static struct stage whole;
static char keys[200];

static int set_up(void **state)
{
    static const struct history_spec spec = {.submissions = 3,
                                             .withdrawn = 1,
                                             .move = true,
                                             .scans = true,
                                             .group = 100,
                                             .checkpoint = 1};
    struct audit_source src[2] = {{"zrh1", NULL}, {"mow1", NULL}};
    struct err e = ERR_INIT;

    (void)state;
    scene_make(&scene, &spec);
    (void)snprintf(keys, sizeof(keys), "%s/h/keys", scene.dir);
    src[0].dir = scene.path[ZRH];
    src[1].dir = scene.path[MOW];
    if (stage_open(&whole, scene.trust, src, 2, keys, &e) != 0)
        fail_msg("%s", err_text(&e));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stage_close(&whole);
    scene_remove(&scene);
    return 0;
}

/* --- a round at zrh1, leaf by leaf --- */

struct round {
    struct stage s;
    unix_time t;
    struct digest release;
    struct id128 ref[32]; /* copies with a verdict that are there */
    size_t refs;
};

static void open_round(struct round *r)
{
    struct leaf_builder b;
    struct leaf l;

    assert_int_equal(stage_enter(&r->s, &whole), 0);
    r->t = stage_time(&r->s, ZRH);
    r->refs = 0;
    for (size_t i = 0; i < r->s.tale[ZRH].leaves; i++) {
        struct id128 id;

        l = tale_leaf(&r->s.tale[ZRH], i);
        if (l.kind != LK_COPY_PLACED && l.kind != LK_COPY_REMOVED)
            continue;
        id = leaf_id(&l, LF_REF);
        if (l.kind == LK_COPY_PLACED)
            r->ref[r->refs++] = id;
        for (size_t k = 0; l.kind == LK_COPY_REMOVED && k < r->refs; k++)
            if (memcmp(&r->ref[k], &id, sizeof(id)) == 0)
                r->ref[k--] = r->ref[--r->refs];
    }
    assert_true(r->refs > 4);
    l = tale_leaf(&r->s.tale[ZRH], tale_last(&r->s.tale[ZRH], LK_RULES_LOADED));
    r->release = leaf_digest(&l, LF_RELEASE);
    stage_begin(&r->s, ZRH, &b, LK_RULES_LOADED, r->t);
    leaf_set_digest(&b, LF_RELEASE, &r->release);
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_int(&b, LF_RULES, 1);
    assert_int_equal(stage_add(&r->s, ZRH, &b, NULL), 0);
}

static void scan(struct round *r, size_t i, enum leaf_word_verdict v, bool detect)
{
    static const uint8_t salt[32] = {1};
    struct leaf_builder b;

    stage_begin(&r->s, ZRH, &b, LK_SCAN_DONE, r->t);
    leaf_set_id(&b, LF_REF, &r->ref[i]);
    leaf_set_text(&b, LF_WORKER_SITE, "zrh1");
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_digest(&b, LF_RELEASE, &r->release);
    leaf_set_word(&b, LF_VERDICT, v);
    leaf_set_word(&b, LF_REASON, LW_REASON_NONE);
    leaf_set_int(&b, LF_HITS, v == LW_VERDICT_MALICIOUS);
    if (detect)
        leaf_set_word(&b, LF_MODE, LW_MODE_DETECT);
    leaf_set_sealed(&b, LF_SEALED_NAMES, salt, span_str(""));
    assert_int_equal(stage_add(&r->s, ZRH, &b, NULL), 0);
}

static void close_round(struct round *r, uint64_t count, size_t changed)
{
    struct leaf_builder b;
    struct id128 set[32];
    struct digest root;

    memcpy(set, r->ref, sizeof(set));
    assert_int_equal(setroot_ids(set, changed, &root), 0);
    stage_begin(&r->s, ZRH, &b, LK_RESCAN_DONE, r->t);
    leaf_set_digest(&b, LF_RELEASE, &r->release);
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_int(&b, LF_COUNT, count);
    leaf_set_int(&b, LF_CHANGED, changed);
    leaf_set_digest(&b, LF_ROOT, &root);
    assert_int_equal(stage_add(&r->s, ZRH, &b, NULL), 0);
}

static void trip(struct round *r, const struct digest *release, uint64_t count, uint64_t changed)
{
    struct leaf_builder b;

    stage_begin(&r->s, ZRH, &b, LK_BREAKER_TRIPPED, r->t);
    leaf_set_digest(&b, LF_RELEASE, release);
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_int(&b, LF_COUNT, count);
    leaf_set_int(&b, LF_CHANGED, changed);
    assert_int_equal(stage_add(&r->s, ZRH, &b, NULL), 0);
}

/* says NULL: proved, with so many rounds and so many sites that are not through. */
static void judge(struct round *r, const char *says, uint64_t rounds, uint64_t pending)
{
    const struct audit_result *x;
    struct audit *a;

    assert_int_equal(stage_publish(&r->s, ZRH, r->t), 0);
    a = scene_audit_with(&scene, ZRH, &r->s.tale[ZRH]);
    x = audit_find(a, CLAIM);
    if (says == NULL ? x->verdict != AUDIT_PROVED || x->n != rounds || x->pending != pending
                     : x->verdict != AUDIT_BROKEN || strstr(x->sentence, says) == NULL)
        fail_msg("%s, %llu, %llu pending: %s; expected: %s", audit_verdict_word(x->verdict),
                 (unsigned long long)x->n, (unsigned long long)x->pending, x->sentence,
                 says == NULL ? "proved" : says);
    audit_free(a);
    stage_leave(&r->s);
}

/* --- rounds --- */

static void a_round_that_is_under_way_is_pending(void **state)
{
    struct round r;

    (void)state;
    open_round(&r);
    scan(&r, 0, LW_VERDICT_MALICIOUS, false);
    judge(&r, NULL, 2, 1);
}

static void each_copy_whose_verdict_changed_is_in_the_summary_once(void **state)
{
    struct round r;

    (void)state;
    open_round(&r);
    for (size_t i = 0; i < 3; i++)
        scan(&r, i, LW_VERDICT_MALICIOUS, false);
    scan(&r, 1, LW_VERDICT_CLEAN, false); /* and back again */
    close_round(&r, r.refs, 3);
    judge(&r, NULL, 3, 0);

    open_round(&r);
    for (size_t i = 0; i < 3; i++)
        scan(&r, i, LW_VERDICT_MALICIOUS, false);
    close_round(&r, r.refs, 2);
    judge(&r, "2 verdicts changed by the summary, 3 by the leaves", 0, 0);
}

static void a_round_that_newer_rules_cut_short_is_told_in_their_summary(void **state)
{
    struct round r;
    struct leaf_builder b;

    (void)state;
    open_round(&r);
    scan(&r, 0, LW_VERDICT_MALICIOUS, false);
    stage_begin(&r.s, ZRH, &b, LK_RULES_LOADED, r.t);
    leaf_set_digest(&b, LF_RELEASE, &r.release);
    leaf_set_text(&b, LF_ENGINE, "walk");
    leaf_set_int(&b, LF_RULES, 1);
    assert_int_equal(stage_add(&r.s, ZRH, &b, NULL), 0);
    stage_begin(&r.s, ZRH, &b, LK_RULES_LOADED, r.t);
    leaf_set_digest(&b, LF_RELEASE, &r.release);
    leaf_set_text(&b, LF_ENGINE, ENGINE);
    leaf_set_int(&b, LF_RULES, 1);
    assert_int_equal(stage_add(&r.s, ZRH, &b, NULL), 0);
    scan(&r, 1, LW_VERDICT_MALICIOUS, false);
    close_round(&r, r.refs, 2);
    judge(&r, NULL, 3, 0);
}

static void what_was_erased_counts_as_changed_and_not_as_there(void **state)
{
    struct round r;
    struct leaf_builder b;
    size_t n;

    (void)state;
    for (int honest = 0; honest < 2; honest++) {
        open_round(&r);
        scan(&r, 0, LW_VERDICT_MALICIOUS, false);
        stage_begin(&r.s, ZRH, &b, LK_COPY_REMOVED, r.t);
        leaf_set_id(&b, LF_REF, &r.ref[0]);
        leaf_set_word(&b, LF_GROUND, LW_REMOVED_ERASED);
        assert_int_equal(stage_add(&r.s, ZRH, &b, NULL), 0);
        n = r.refs - (honest != 0);
        close_round(&r, n, 1);
        judge(&r, honest != 0 ? NULL : "copies with a verdict", 3, 0);
    }
}

/* --- the breaker --- */

static void a_breaker_makes_what_follows_findings_that_block_nothing(void **state)
{
    struct round r;

    (void)state;
    open_round(&r);
    scan(&r, 0, LW_VERDICT_MALICIOUS, false);
    scan(&r, 1, LW_VERDICT_MALICIOUS, false);
    trip(&r, &r.release, 2, 2);
    scan(&r, 2, LW_VERDICT_MALICIOUS, true);
    judge(&r, NULL, 2, 1);

    open_round(&r);
    scan(&r, 0, LW_VERDICT_MALICIOUS, false);
    trip(&r, &r.release, 2, 1);
    scan(&r, 1, LW_VERDICT_CLEAN, false);
    judge(&r, "the breaker had stopped", 0, 0);

    open_round(&r);
    scan(&r, 0, LW_VERDICT_MALICIOUS, false);
    trip(&r, &r.release, 2, 1);
    close_round(&r, r.refs, 1);
    judge(&r, "scanned again by rules that the breaker had stopped", 0, 0);
}

static void a_breaker_tells_no_more_than_the_leaves(void **state)
{
    static const struct {
        uint64_t count, changed;
    } false_ones[] = {{9, 2}, {9, 0}, {0, 1}};
    struct digest other = {{7}};
    struct round r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(false_ones); i++) {
        open_round(&r);
        scan(&r, 0, LW_VERDICT_MALICIOUS, false);
        scan(&r, 1, LW_VERDICT_CLEAN, false);
        trip(&r, &r.release, false_ones[i].count, false_ones[i].changed);
        judge(&r, "files that became malicious, the leaves of 1", 0, 0);
    }
    open_round(&r);
    scan(&r, 0, LW_VERDICT_MALICIOUS, false);
    trip(&r, &other, 1, 1);
    judge(&r, "stopped rules that are not loaded", 0, 0);
}

static void nothing_blocks_less_without_a_breaker_or_a_release_that_says_so(void **state)
{
    struct round r;

    (void)state;
    open_round(&r);
    scan(&r, 0, LW_VERDICT_MALICIOUS, true);
    judge(&r, "by rules that enforce", 0, 0);
}

/* The last release of the history was published in mode detect; a verdict by it does not say so. */
static void what_only_detects_says_so(void **state)
{
    (void)state;
    for (int says = 0; says < 2; says++) {
        struct round r;
        struct tale *t;

        open_round(&r);
        t = &r.s.tale[ZRH];
        assert_int_equal(tale_edit(t, tale_last(t, LK_RELEASE_PUBLISHED), LF_MODE, "detect", NULL),
                         0);
        scan(&r, 0, LW_VERDICT_MALICIOUS, says != 0);
        judge(&r, says != 0 ? NULL : "a verdict of rules that only detect", 2, 1);
    }
}

/* As many people as an override takes, or one too few. */
static void decide(struct round *r, size_t people)
{
    struct rules_override o = {.override = random_id(),
                               .author = random_id(),
                               .ground = RULES_VERDICT,
                               .asker = RULES_VENDOR,
                               .count = 1,
                               .subject = r->release};
    struct ed25519_key *k[2] = {NULL};
    struct leaf_builder b;
    struct digest doc;
    struct buf yaml;

    assert_int_equal(stage_signers(&r->s, ROLE_RELEASE, WHO_GOOD, r->t, k, people), people);
    buf_init(&yaml, DSSE_MAX_PAYLOAD);
    assert_int_equal(override_write(&o, "it is right: all of one family", &yaml), 0);
    assert_int_equal(stage_document(&r->s, ZRH, DOCUMENT_OVERRIDE, &yaml, k, people, &doc), 0);
    buf_free(&yaml);
    for (size_t i = 0; i < people; i++)
        ed25519_free(k[i]);
    stage_begin(&r->s, ZRH, &b, LK_OVERRIDE_MADE, r->t);
    leaf_set_digest(&b, LF_DOC, &doc);
    leaf_set_int(&b, LF_COUNT, o.count);
    leaf_set_word(&b, LF_GROUND, LW_OVERRIDE_VERDICT);
    leaf_set_word(&b, LF_ASKER, LW_ASKER_VENDOR);
    assert_int_equal(stage_add(&r->s, ZRH, &b, NULL), 0);
}

static void people_can_set_a_stopped_release_going_again(void **state)
{
    struct round r;

    (void)state;
    for (size_t people = 1; people <= 2; people++) {
        open_round(&r);
        scan(&r, 0, LW_VERDICT_MALICIOUS, false);
        trip(&r, &r.release, 1, 1);
        scan(&r, 1, LW_VERDICT_MALICIOUS, true);
        decide(&r, people);
        scan(&r, 2, LW_VERDICT_MALICIOUS, false);
        close_round(&r, r.refs, 3);
        judge(&r, people == 2 ? NULL : "the breaker had stopped", 3, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_that_is_under_way_is_pending),
        cmocka_unit_test(each_copy_whose_verdict_changed_is_in_the_summary_once),
        cmocka_unit_test(a_round_that_newer_rules_cut_short_is_told_in_their_summary),
        cmocka_unit_test(what_was_erased_counts_as_changed_and_not_as_there),
        cmocka_unit_test(a_breaker_makes_what_follows_findings_that_block_nothing),
        cmocka_unit_test(a_breaker_tells_no_more_than_the_leaves),
        cmocka_unit_test(nothing_blocks_less_without_a_breaker_or_a_release_that_says_so),
        cmocka_unit_test(what_only_detects_says_so),
        cmocka_unit_test(people_can_set_a_stopped_release_going_again),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
