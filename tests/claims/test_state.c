/* An audit resumed from a state says what a full audit says: at every leaf where the earlier audit
 * may have ended, and when the ledgers contradict it.  What it may leave out is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/yaml.h"
#include "scene.h"

static struct scene scene;
static struct ed25519_key *auditor, *stranger;
static struct tale whole[2];
/* a withdrawal of each country of zrh1, one submission of each country, and Canada's move */
static const struct history_spec spec = {
    .submissions = 1, .withdrawn = 1, .move = true, .scans = true, .group = 3, .checkpoint = 2};

static int set_up(void **state)
{
    (void)state;
    scene_make(&scene, &spec);
    for (int i = 0; i < 2; i++)
        scene_tale(&scene, i, &whole[i]);
    return ed25519_generate(&auditor) != 0 || ed25519_generate(&stranger) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        tale_free(&whole[i]);
    ed25519_free(auditor);
    ed25519_free(stranger);
    scene_remove(&scene);
    return 0;
}

/* ------------------------------------------------------------------ helpers */

/* The first n leaves of a ledger, published. */
static void prefix(const struct tale *t, size_t n, struct tale *out)
{
    unix_time when = 0;

    assert_int_equal(tale_copy(out, t), 0);
    while (out->leaves > n)
        tale_delete(out, out->leaves - 1);
    for (size_t i = t->marks; i > 0 && t->mark[i - 1].size >= n; i--)
        when = t->mark[i - 1].when;
    out->marks = 0;
    for (size_t i = 0; i < t->marks && t->mark[i].size < n; i++)
        out->mark[out->marks++] = t->mark[i];
    assert_int_equal(tale_publish(out, when), 0);
}

static struct audit *audit_of(const struct tale *zrh, const struct tale *mow, struct span state,
                              const struct ed25519_key *key)
{
    struct audit_options o = {.state = state, .state_name = "memory"};
    const struct tale *t[2] = {zrh, mow};

    ed25519_public(key, &o.state_key);
    return scene_audit_both(&scene, t, &o);
}

static void state_of(const struct audit *a, struct buf *out)
{
    struct err e = ERR_INIT;

    buf_init(out, 65536);
    if (audit_state(a, auditor, out, &e) != 0)
        fail_msg("%s", err_text(&e));
}

static void same(const struct audit *a, const struct audit *b, const char *what, size_t at)
{
    struct buf x, y;

    buf_init(&x, 1 << 20);
    buf_init(&y, 1 << 20);
    assert_int_equal(audit_json(a, &x), 0);
    assert_int_equal(audit_json(b, &y), 0);
    if (strcmp(buf_str(&x), buf_str(&y)) != 0)
        fail_msg("%s %zu:\n%s\n%s", what, at, buf_str(&x), buf_str(&y));
    buf_free(&x);
    buf_free(&y);
}

/* Signatures of submitters in the first n leaves: one of each of these. */
static uint64_t signed_leaves(const struct tale *t, size_t n)
{
    uint64_t found = 0;

    for (size_t i = 0; i < n; i++) {
        struct leaf l = tale_leaf(t, i);

        found += l.kind == LK_SUBMISSION_ACCEPTED || l.kind == LK_CONSENT_WITHDRAWN ||
                 (l.kind == LK_ERASE_ORDERED && leaf_word(&l, LF_GROUND) == LW_ERASE_WITHDRAWN);
    }
    return found;
}

/* ------------------------------------------------------------------ every cut */

/* Resumed where an earlier audit ended that saw `t` in the place of one ledger. */
static void resume(const struct audit *full, int site, const struct tale *t, size_t at)
{
    struct audit_options o = {.state_name = "memory"};
    struct audit *early = scene_audit_as(&scene, site, t), *later;
    uint64_t all, verified, known, none;
    struct buf memory;

    state_of(early, &memory);
    o.state = buf_span(&memory);
    ed25519_public(auditor, &o.state_key);
    later = scene_audit(&scene, &o);
    same(full, later, t->site, at);
    audit_signatures(full, &all, &none);
    audit_signatures(later, &verified, &known);
    assert_int_equal(verified + known, all);
    audit_signatures(early, &verified, &none);
    assert_int_equal(known, verified);
    if (at == whole[site].leaves)
        assert_int_equal(known, all);
    audit_free(early);
    audit_free(later);
    buf_free(&memory);
}

static void resumed_at_any_leaf_it_says_what_a_full_audit_says(void **state)
{
    struct audit *full = scene_audit(&scene, NULL);
    uint64_t all, none;
    struct tale t;

    (void)state;
    audit_signatures(full, &all, &none);
    assert_int_equal(all, signed_leaves(&whole[ZRH], whole[ZRH].leaves) +
                              signed_leaves(&whole[MOW], whole[MOW].leaves));
    assert_int_equal(none, 0);
    for (int site = 0; site < 2; site++)
        for (size_t n = 1; n <= whole[site].leaves; n++) {
            prefix(&whole[site], n, &t);
            resume(full, site, &t, n);
            tale_free(&t);
        }
    audit_free(full);
}

/* ------------------------------------------------------------------ contradictions */

/* Of a history in which one leaf says something else: what a full audit says that remembers the
 * same trees is what the resumed one says. */
static void a_rewritten_history_is_told_and_nothing_of_the_state_is_used(void **state)
{
    static const char sig[] =
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAA==";
    struct audit *a = audit_of(&whole[ZRH], &whole[MOW], span_of(NULL, 0), auditor);
    const struct audit_result *r;
    struct err e = ERR_INIT;
    uint64_t verified, known;
    struct buf memory, none;
    struct tale t;
    size_t at;

    (void)state;
    state_of(a, &memory);
    audit_free(a);
    assert_int_equal(tale_copy(&t, &whole[ZRH]), 0);
    at = tale_find(&t, LK_SUBMISSION_ACCEPTED, 0);
    assert_int_equal(tale_edit(&t, at, LF_SUB_SIG, sig, NULL), 0);
    a = audit_of(&t, &whole[MOW], buf_span(&memory), auditor);
    r = audit_find(a, "ledger.append-only");
    assert_int_equal(r->verdict, AUDIT_BROKEN);
    assert_string_equal(r->site, "zrh1");
    assert_non_null(strstr(r->sentence, "in \"memory\": two histories"));
    r = audit_find(a, "intake.consent");
    assert_int_equal(r->verdict, AUDIT_BROKEN);
    assert_int_equal(r->leaf, at);
    audit_signatures(a, &verified, &known);
    assert_int_equal(known, 0);
    buf_init(&none, 65536);
    assert_int_equal(audit_state(a, auditor, &none, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "evidence"));
    audit_free(a);

    /* without the state: a bad signature leaves none either */
    a = audit_of(&t, &whole[MOW], span_of(NULL, 0), auditor);
    assert_int_equal(audit_state(a, auditor, &none, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "1 signature does not verify"));
    assert_int_equal(none.len, 0);
    audit_free(a);
    tale_free(&t);
    buf_free(&memory);
}

static void a_ledger_shorter_than_the_state_is_rolled_back(void **state)
{
    struct audit *a = audit_of(&whole[ZRH], &whole[MOW], span_of(NULL, 0), auditor);
    const struct audit_result *r;
    struct err e = ERR_INIT;
    struct buf memory, none;
    struct tale t;

    (void)state;
    state_of(a, &memory);
    audit_free(a);
    prefix(&whole[MOW], whole[MOW].leaves - 1, &t);
    a = audit_of(&whole[ZRH], &t, buf_span(&memory), auditor);
    r = audit_find(a, "ledger.append-only");
    assert_int_equal(r->verdict, AUDIT_BROKEN);
    assert_string_equal(r->site, "mow1");
    assert_non_null(strstr(r->sentence, "rolled back"));
    buf_init(&none, 65536);
    assert_int_equal(audit_state(a, auditor, &none, &e), -EINVAL);
    audit_free(a);
    tale_free(&t);
    buf_free(&memory);
}

/* The order in which things are told is that of the ledgers, whatever was verified when: a bad
 * signature before another finding of the same claim, and behind it. */
static void the_first_finding_is_the_ledgers_first(void **state)
{
    struct audit *early, *full, *later;
    struct buf memory;
    struct tale cut, t;
    size_t first, second;

    (void)state;
    assert_int_equal(tale_copy(&t, &whole[ZRH]), 0);
    first = tale_find(&t, LK_SUBMISSION_ACCEPTED, 0);
    second = tale_find(&t, LK_SUBMISSION_ACCEPTED, first + 1);
    prefix(&whole[ZRH], first, &cut);
    early = audit_of(&cut, &whole[MOW], span_of(NULL, 0), auditor);
    state_of(early, &memory);
    /* the second is told at once, the first when its batch is verified */
    assert_int_equal(
        tale_edit(&t, first, LF_SUB_KEY, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", NULL), 0);
    assert_int_equal(tale_edit(&t, second, LF_SUBMISSION, "lookup", NULL), 0);
    full = audit_of(&t, &whole[MOW], span_of(NULL, 0), auditor);
    assert_int_equal(audit_find(full, "intake.consent")->leaf, first);
    later = audit_of(&t, &whole[MOW], buf_span(&memory), auditor);
    same(full, later, "broken after", first);
    audit_free(early);
    audit_free(full);
    audit_free(later);
    buf_free(&memory);
    tale_free(&cut);
    tale_free(&t);
}

/* ------------------------------------------------------------------ refusals */

static void refuse(struct span state, const struct trust *trust, const struct audit_source *src,
                   size_t n, const struct ed25519_key *key, int want, const char *says)
{
    struct audit_options o = {.state = state, .state_name = "memory"};
    struct err e = ERR_INIT;
    struct audit *a = NULL;
    int rc;

    ed25519_public(key, &o.state_key);
    rc = audit_run(&a, trust, src, n, &o, &e);
    if (rc != want || strstr(err_text(&e), says) == NULL)
        fail_msg("%d, not %d \"%s\": %s", rc, want, says, err_text(&e));
    assert_null(a);
}

/* As audit_state.c signs it, another text. */
static void signed_text(struct buf *out, const char *text)
{
    struct note_signer s;

    buf_init(out, 65536);
    assert_int_equal(note_signer_init(&s, "auditor", VKEY_ED25519, auditor, NULL), 0);
    assert_int_equal(note_sign(out, span_str(text), &s, NULL), 0);
}

static void a_state_of_something_else_is_refused(void **state)
{
    struct audit_source src[] = {{"zrh1", scene.path[ZRH]}, {"mow1", scene.path[MOW]}},
                        turned[] = {src[1], src[0]};
    struct audit *a = scene_audit(&scene, NULL);
    struct buf memory, text, forged;
    struct trust *other;
    struct err e = ERR_INIT;

    (void)state;
    state_of(a, &memory);
    audit_free(a);
    refuse(buf_span(&memory), scene.trust, src, 2, stranger, -EBADMSG, "of a known key");
    refuse(buf_span(&memory), scene.trust, turned, 2, auditor, -EINVAL, "another order");
    refuse(buf_span(&memory), scene.trust, src, 1, auditor, -EINVAL, "of other ledgers");
    for (size_t i = 0; i < memory.len; i++) {
        memory.data[i] ^= 1;
        refuse(buf_span(&memory), scene.trust, src, 2, auditor, -EBADMSG, "\"memory\"");
        memory.data[i] ^= 1;
        refuse(span_of(memory.data, i == 0 ? 1 : i), scene.trust, src, 2, auditor, -EBADMSG,
               "leaf 0");
    }
    /* the same trust in other bytes */
    buf_init(&text, 65536);
    assert_int_equal(yaml_read(&text, scene.path[2], &e), 0);
    assert_int_equal(buf_puts(&text, "# a year later\n"), 0);
    assert_int_equal(trust_parse(&other, "trust.yaml", buf_span(&text), &e), 0);
    refuse(buf_span(&memory), other, src, 2, auditor, -EINVAL, "the trust file has changed");
    trust_free(other);
    buf_free(&text);
    buf_free(&memory);
    signed_text(&forged, "audit-state/v2\n");
    refuse(buf_span(&forged), scene.trust, src, 2, auditor, -EBADMSG, "no \"audit-state/v1\"");
    buf_free(&forged);
    signed_text(&forged, "audit-state/v1\n");
    refuse(buf_span(&forged), scene.trust, src, 2, auditor, -EBADMSG, "ends early");
    buf_free(&forged);
    signed_text(&forged, "audit-state/v1\ntable 00\n");
    refuse(buf_span(&forged), scene.trust, src, 2, auditor, -EINVAL, "table of leaf kinds has");
    buf_free(&forged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumed_at_any_leaf_it_says_what_a_full_audit_says),
        cmocka_unit_test(a_rewritten_history_is_told_and_nothing_of_the_state_is_used),
        cmocka_unit_test(a_ledger_shorter_than_the_state_is_rolled_back),
        cmocka_unit_test(the_first_finding_is_the_ledgers_first),
        cmocka_unit_test(a_state_of_something_else_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
