#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "ledger/tlog_tiles.h"
#include "people/dsse.h"
#include "scene.h"

static struct scene *scene;
static const struct history_spec spec = {
    .submissions = 3, .withdrawn = 1, .move = true, .scans = true, .group = 8, .checkpoint = 1};

static int set_up(void **state)
{
    static struct scene s;

    (void)state;
    scene_make(&s, &spec);
    scene = &s;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scene_remove(scene);
    return 0;
}

static const struct audit_result *result(const struct audit *a, const char *claim)
{
    const struct audit_result *r = audit_find(a, claim);

    assert_non_null(r);
    return r;
}

static void expect(const struct audit *a, const char *claim, enum audit_verdict v)
{
    const struct audit_result *r = result(a, claim);

    if (r->verdict != v)
        fail_msg("%s is %s: %s", claim, audit_verdict_word(r->verdict), r->sentence);
}

/* By arithmetic from the timeline of history.c.  A site's register leaves: serial 1 says 9 persons,
 * 10 keys and 24 duties, serial 2 a person, a key, a duty, a revocation and three ends. */
static void a_true_history_is_proved_with_the_right_numbers(void **state)
{
    unsigned subs = 6 * spec.submissions + 1, copies = subs + spec.submissions;
    const struct {
        const char *claim;
        enum audit_basis basis;
        uint64_t n;
    } rows[] = {
        {"people.register", AUDIT_MATH, 2 * ((1 + 9 + 10 + 24) + (1 + 7))},
        {"policy.uniform", AUDIT_MATH, 2 * 2},
        {"residency.placement", AUDIT_STATED, subs},
        {"intake.consent", AUDIT_COUNTERSIGNED, subs},
        {"residency.relocation", AUDIT_STATED, 1},
        {"vault.erasure", AUDIT_STATED, 6 * spec.withdrawn},
        {"detect.explained", AUDIT_STATED, copies},
        {"detect.renewed", AUDIT_STATED, 2},
        {"rules.four-eyes", AUDIT_MATH, 2 * 2},
        {"rules.unbroken", AUDIT_COUNTERSIGNED, 2 * 2},
        {"detect.neutral", AUDIT_COUNTERSIGNED, 2 * 1},
        {"build.provenance", AUDIT_MATH, 2},
        {"build.reproduced", AUDIT_COUNTERSIGNED, 2},
        {"build.placement", AUDIT_STATED, 2 + 2 * 2},
        {"site.software", AUDIT_STATED, 2 * 2},
    };
    struct audit *a = scene_audit(scene, NULL);
    uint64_t leaves = audit_ledger(a, 0).size + audit_ledger(a, 1).size;
    /* genesis 4 a site beside the register and the rules; policy 2; a release is proposed, passed,
     * released, served and loaded, the second has an override before; accepted, placed, scanned;
     * move opened, received, closed, the removed ones, slots, inventory; four leaves a withdrawal
     * and slots at two sites; inventories of six countries and the site, twice the latter; one
     * engine more, a verdict renewed and the summary; two epoch leaves; two products, each built
     * again, at one site; both sites begin to run each of them */
    uint64_t count = 2 * (52 + 4 + 1 + 5 + 6) + subs + 2 * copies + (3 + spec.submissions + 2) +
                     (4 * 6 * spec.withdrawn + 2) + 2 * (6 + 1 + 1) + 2 * 3 + 2 * 2 + 2 * 2 + 2 * 2;

    (void)state;
    assert_int_equal(leaves, count);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(a, rows[i].claim, AUDIT_PROVED);
        assert_int_equal(result(a, rows[i].claim)->n, rows[i].n);
        assert_int_equal(result(a, rows[i].claim)->basis, rows[i].basis);
        assert_int_equal(result(a, rows[i].claim)->pending, 0);
    }
    expect(a, "ledger.append-only", AUDIT_PROVED);
    expect(a, "ledger.time", AUDIT_PROVED);
    assert_int_equal(result(a, "ledger.append-only")->n, leaves);
    assert_int_equal(result(a, "ledger.time")->n, leaves);
    assert_int_equal(result(a, "ledger.time")->basis, AUDIT_COUNTERSIGNED);
    assert_int_equal(audit_exit(a), 0);
    assert_null(audit_warning(a, 0));
    audit_free(a);
}

/* The archive has a checkpoint more than `checkpoint` says: for a moment while it is published, or
 * for ever where somebody went back. */
static void a_ledger_that_is_being_published_is_not_accused(void **state)
{
    char newest[200];
    uint64_t *sizes = NULL;
    struct buf old, now;
    struct audit *a;
    size_t n = 0;
    int status;
    pid_t pid;

    (void)state;
    buf_init(&old, CORE_NOTE_MAX);
    buf_init(&now, CORE_NOTE_MAX);
    (void)snprintf(newest, sizeof(newest), "%s/checkpoint", scene->path[ZRH]);
    assert_int_equal(tlog_tiles_checkpoints(scene->path[ZRH], &sizes, &n, NULL), 0);
    assert_true(n > 2);
    assert_int_equal(tlog_tiles_newest(scene->path[ZRH], &now, NULL), 0);
    assert_int_equal(tlog_tiles_checkpoint(scene->path[ZRH], sizes[n - 2], &old, NULL), 0);
    assert_int_equal(io_replace_file(AT_FDCWD, newest, old.data, old.len, 0644), 0);

    a = scene_audit(scene, NULL);
    expect(a, "ledger.append-only", AUDIT_BROKEN);
    assert_non_null(strstr(result(a, "ledger.append-only")->sentence, "not the newest"));
    audit_free(a);

    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)poll(NULL, 0, 300);
        _exit(io_replace_file(AT_FDCWD, newest, now.data, now.len, 0644) == 0 ? 0 : 1);
    }
    a = scene_audit(scene, NULL);
    expect(a, "ledger.append-only", AUDIT_PROVED);
    assert_int_equal(audit_ledger(a, 0).size, sizes[n - 2]);
    audit_free(a);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    free(sizes);
    buf_free(&old);
    buf_free(&now);
}

static void an_empty_history_is_never_proved(void **state)
{
    struct scene empty;
    struct audit *a;

    (void)state;
    scene_make(&empty, NULL);
    a = scene_audit(&empty, NULL);
    for (size_t i = 0; i < audit_results(a); i++)
        expect(a, audit_result(a, i)->claim, AUDIT_EMPTY);
    assert_int_equal(audit_exit(a), 0);
    audit_free(a);
    scene_remove(&empty);
}

static void a_ledger_without_a_checkpoint_is_unknown(void **state)
{
    struct scene empty;
    struct audit *a;
    char path[200];

    (void)state;
    scene_make(&empty, NULL);
    (void)snprintf(path, sizeof(path), "%s/checkpoint", empty.path[0]);
    assert_int_equal(unlink(path), 0);
    a = scene_audit(&empty, NULL);
    expect(a, "residency.placement", AUDIT_UNKNOWN);
    assert_int_equal(audit_exit(a), 1);
    audit_free(a);
    scene_remove(&empty);
}

/* Up to the checkpoint before the epoch's end nothing is final, and nothing is missed either. */
static void what_is_not_due_yet_is_pending(void **state)
{
    struct audit *a;
    struct tale t;

    (void)state;
    scene_tale(scene, ZRH, &t);
    while (tale_last(&t, LK_EPOCH_DESTROYED) < t.leaves) {
        t.marks--;
        while (t.leaves > t.mark[t.marks - 1].size)
            tale_delete(&t, t.leaves - 1);
    }
    a = scene_audit_with(scene, ZRH, &t);
    expect(a, "vault.erasure", AUDIT_PROVED);
    assert_int_equal(result(a, "vault.erasure")->pending, 4); /* DE FR CH, and CA that has moved */
    assert_int_equal(result(a, "vault.erasure")->n, 2);
    assert_int_equal(audit_exit(a), 0);
    audit_free(a);
    tale_free(&t);
}

static void a_missing_ledger_makes_unknown_what_it_could_tell(void **state)
{
    struct audit *a = scene_audit_with(scene, MOW, NULL);

    (void)state;
    expect(a, "ledger.append-only", AUDIT_PROVED);
    expect(a, "residency.relocation", AUDIT_UNKNOWN);
    assert_non_null(strstr(result(a, "residency.relocation")->sentence, "\"mow1\""));
    expect(a, "vault.erasure", AUDIT_UNKNOWN);
    audit_free(a);
}

static void a_missing_document_is_named(void **state)
{
    struct audit *a;
    struct digest doc;
    struct leaf l;
    struct tale t;
    char hex[65];

    (void)state;
    scene_tale(scene, ZRH, &t);
    l = tale_leaf(&t, tale_last(&t, LK_POLICY_PUBLISHED));
    doc = leaf_digest(&l, LF_DOC);
    for (size_t i = 0; i < t.artifacts; i++) {
        struct digest d;

        dsse_digest(buf_span(&t.artifact[i]), &d);
        if (memcmp(d.b, doc.b, 32) == 0) {
            buf_free(&t.artifact[i]);
            t.artifact[i] = t.artifact[--t.artifacts];
            break;
        }
    }
    a = scene_audit_with(scene, ZRH, &t);
    expect(a, "policy.uniform", AUDIT_UNKNOWN);
    text_digest(hex, &doc);
    assert_non_null(strstr(result(a, "policy.uniform")->sentence, hex));
    assert_int_equal(audit_exit(a), 1);
    audit_free(a);
    tale_free(&t);
}

static void append_and_audit(const char *bytes, struct audit **a)
{
    struct tale t;

    scene_tale(scene, ZRH, &t);
    assert_int_equal(tale_add_bytes(&t, span_str(bytes)), 0);
    assert_int_equal(tale_publish(&t, tale_end(&t) + 60), 0);
    *a = scene_audit_with(scene, ZRH, &t);
    tale_free(&t);
}

static void a_leaf_of_tomorrow_makes_unknown_what_it_could_touch(void **state)
{
    struct audit *a;

    (void)state;
    append_and_audit(
        "{\"kind\":\"visit.asked\",\"site\":\"zrh1\",\"time\":\"2026-01-06T09:00Z\",\"v\":1}", &a);
    expect(a, "ledger.append-only", AUDIT_PROVED);
    expect(a, "vault.erasure", AUDIT_UNKNOWN);
    expect(a, "people.register", AUDIT_UNKNOWN);
    audit_free(a);
    /* a word of tomorrow in a kind that only some claims read */
    append_and_audit("{\"attestation\":\"moon\",\"epoch\":2,\"kind\":\"epoch.destroyed\",\"site\":"
                     "\"zrh1\",\"time\":\"2026-01-06T09:00Z\",\"v\":1}",
                     &a);
    expect(a, "vault.erasure", AUDIT_UNKNOWN);
    expect(a, "people.register", AUDIT_PROVED);
    audit_free(a);
}

static void a_malformed_leaf_breaks_the_ledger_at_its_place(void **state)
{
    struct audit *a;

    (void)state;
    append_and_audit("{\"epoch\":03,\"kind\":\"epoch.opened\",\"site\":\"zrh1\",\"time\":"
                     "\"2026-01-06T09:00Z\",\"v\":1}",
                     &a);
    expect(a, "ledger.append-only", AUDIT_BROKEN);
    assert_int_equal(result(a, "ledger.append-only")->leaf, audit_ledger(a, 1).size - 1);
    assert_string_equal(result(a, "ledger.append-only")->site, "zrh1");
    audit_free(a);
}

/* The history of a scene with everything from a site's first leaf of a kind on so many days late.
 */
static struct audit *delayed(const struct scene *s, int site, enum leaf_kind kind, int days)
{
    struct audit *a;
    struct tale t;

    scene_tale(s, site, &t);
    assert_int_equal(tale_delay(&t, tale_find(&t, kind, 0), (int64_t)days * 86400, NULL), 0);
    a = scene_audit_with(s, site, &t);
    tale_free(&t);
    return a;
}

static void broken_saying(const struct audit *a, const char *claim, const char *says)
{
    expect(a, claim, AUDIT_BROKEN);
    if (strstr(result(a, claim)->sentence, says) == NULL)
        fail_msg("%s: %s", claim, result(a, claim)->sentence);
}

static void what_comes_too_late_is_broken(void **state)
{
    struct audit *a = delayed(scene, ZRH, LK_SUBMISSION_ERASED, 31); /* promised: 30 */

    (void)state;
    broken_saying(a, "intake.consent", "erased later than the 30 days");
    broken_saying(a, "vault.erasure", "too late for the order");
    audit_free(a);
    a = delayed(scene, ZRH, LK_SUBMISSION_ERASED, 28); /* with a day to spare for the epoch */
    expect(a, "intake.consent", AUDIT_PROVED);
    expect(a, "vault.erasure", AUDIT_PROVED);
    audit_free(a);
    a = delayed(scene, ZRH, LK_SCAN_DONE, 2); /* scan_within: 24h */
    broken_saying(a, "detect.explained", "minutes after it was stored");
    audit_free(a);
    a = delayed(scene, ZRH, LK_EPOCH_DESTROYED, 3); /* epoch_within: 2 days */
    broken_saying(a, "vault.erasure", "within 48 hours");
    audit_free(a);
}

static void a_country_that_never_moves_is_missed_after_its_move_by(void **state)
{
    static const struct history_spec stays = {.submissions = 1, .scans = true};
    struct scene s;
    struct audit *a;

    (void)state;
    scene_make(&s, &stays);
    a = scene_audit(&s, NULL); /* four hours before move_by */
    expect(a, "residency.relocation", AUDIT_EMPTY);
    audit_free(a);
    a = delayed(&s, MOW, LK_EPOCH_DESTROYED, 1);
    broken_saying(a, "residency.relocation", "1 submissions of CA are still here");
    audit_free(a);
    scene_remove(&s);
}

/* Nothing was erased in it, so no order misses it: the epoch itself is late. */
static void an_epoch_that_is_never_destroyed_is_missed(void **state)
{
    static const struct history_spec quiet = {.submissions = 1, .scans = true};
    struct audit *a;
    struct scene s;
    struct tale t;

    (void)state;
    scene_make(&s, &quiet);
    scene_tale(&s, MOW, &t);
    tale_delete(&t, tale_find(&t, LK_EPOCH_DESTROYED, 0));
    a = scene_audit_with(&s, MOW, &t); /* two days are not over */
    expect(a, "vault.erasure", AUDIT_EMPTY);
    audit_free(a);
    assert_int_equal(tale_delay(&t, tale_last(&t, LK_INVENTORY_SITE), 2 * 86400, NULL), 0);
    a = scene_audit_with(&s, MOW, &t);
    broken_saying(a, "vault.erasure", "epoch 1 was not destroyed within 48 hours");
    audit_free(a);
    tale_free(&t);
    scene_remove(&s);
}

/* Later than the last leaf, but earlier than a witness saw the ledger without it. */
static void a_leaf_may_not_be_older_than_the_checkpoint_before_it(void **state)
{
    struct leaf_builder b;
    struct audit *a;
    struct tale t;
    unix_time last;

    (void)state;
    scene_tale(scene, ZRH, &t);
    last = tale_leaf(&t, t.leaves - 1).time;
    t.mark[t.marks - 1].when = last + 170;
    leaf_begin(&b, LK_EPOCH_OPENED, last - 120, "zrh1");
    leaf_set_int(&b, LF_EPOCH, 3);
    assert_int_equal(tale_add(&t, &b, NULL), 0);
    assert_int_equal(tale_publish(&t, last + 175), 0);
    a = scene_audit_with(scene, ZRH, &t);
    broken_saying(a, "ledger.time", "a witness saw the ledger without it");
    assert_int_equal(result(a, "ledger.time")->leaf, t.leaves - 1);
    audit_free(a);
    tale_free(&t);
}

/* The auditor kept the checkpoint of an earlier audit: a prefix is fine, another tree is not. */
static void a_remembered_checkpoint_is_compared_at_its_own_size(void **state)
{
    char path[200];
    const char *files[] = {path};
    struct audit_options o = {.checkpoints = files, .n_checkpoints = 1};
    struct audit *a;
    struct tale t;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/checkpoint", scene->path[ZRH]);
    a = scene_audit(scene, &o);
    expect(a, "ledger.append-only", AUDIT_PROVED);
    audit_free(a);
    /* the same log with its last leaf changed, shown to somebody else */
    scene_tale(scene, ZRH, &t);
    assert_int_equal(tale_edit(&t, t.leaves - 1, LF_TIME, "2026-01-06T08:59Z", NULL), 0);
    a = scene_audit_with(scene, ZRH, &t);
    audit_free(a);
    tale_free(&t);
    (void)snprintf(path, sizeof(path), "%s/checkpoint", scene->path[3]);
    a = scene_audit(scene, &o);
    expect(a, "ledger.append-only", AUDIT_BROKEN);
    assert_non_null(strstr(result(a, "ledger.append-only")->sentence, "two histories"));
    audit_free(a);
}

static void receipts_are_verified_and_their_copies_found(void **state)
{
    char path[2][200];
    const char *files[] = {path[0], path[1]};
    struct audit_options o = {.receipts = files, .n_receipts = 2};
    struct audit *a;

    (void)state;
    (void)snprintf(path[0], sizeof(path[0]), "%s/h/receipts/CA.tlog-proof", scene->dir);
    (void)snprintf(path[1], sizeof(path[1]), "%s/h/receipts/RU.tlog-proof", scene->dir);
    a = scene_audit(scene, &o);
    assert_int_equal(audit_exit(a), 0);
    audit_free(a);
    (void)snprintf(path[1], sizeof(path[1]), "%s/checkpoint", scene->path[ZRH]); /* no receipt */
    a = scene_audit(scene, &o);
    expect(a, "ledger.append-only", AUDIT_UNKNOWN);
    audit_free(a);
}

static void an_auditors_mistakes_are_told_before_anything_is_read(void **state)
{
    struct audit_source twice[] = {{"zrh1", scene->path[ZRH]}, {"zrh1", scene->path[ZRH]}},
                        other[] = {{"ams1", scene->path[ZRH]}}, gone[] = {{"zrh1", "/nowhere"}};
    struct err e = ERR_INIT;
    struct audit *a;

    (void)state;
    assert_int_equal(audit_run(&a, scene->trust, twice, 2, NULL, &e), -EINVAL);
    assert_string_equal(err_text(&e), "site \"zrh1\" is given twice");
    assert_int_equal(audit_run(&a, scene->trust, other, 1, NULL, &e), -EINVAL);
    assert_int_equal(audit_run(&a, scene->trust, gone, 1, NULL, &e), -ENOENT);
    assert_int_equal(audit_run(&a, scene->trust, gone, 0, NULL, &e), -EINVAL);
}

static void an_expired_trust_file_is_warned_of(void **state)
{
    struct audit_options o = {.now = (unix_time)200 * 365 * 86400};
    struct audit *a = scene_audit(scene, &o);

    (void)state;
    assert_non_null(strstr(audit_warning(a, 0), "expired"));
    assert_int_equal(audit_exit(a), 0);
    audit_free(a);
}

/* Every part of what programs read; numbers as above. */
static void the_json_says_what_the_board_says(void **state)
{
    struct audit *a = scene_audit(scene, NULL);
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    assert_int_equal(audit_json(a, &out), 0);
    assert_non_null(strstr(buf_str(&out),
                           "{\"assumptions\":[\"A1\",\"A2\",\"A5\",\"A8\"],\"basis\":"
                           "\"MATH\",\"claim\":\"policy.uniform\",\"n\":4,\"pending\":"
                           "0,\"sentence\":\""));
    assert_non_null(strstr(buf_str(&out), "\"format\":\"audit/v1\""));
    assert_non_null(strstr(buf_str(&out), "\"witnessed\":\"2026-01-06T09:00:20Z\""));
    buf_reset(&out);
    assert_int_equal(audit_text(a, &out), 0);
    assert_non_null(strstr(buf_str(&out), "policy.uniform        PROVED MATH 4 policies\n"));
    assert_non_null(strstr(buf_str(&out), "residency.relocation  PROVED STATED 1 move\n"));
    buf_free(&out);
    audit_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_history_is_proved_with_the_right_numbers),
        cmocka_unit_test(a_ledger_that_is_being_published_is_not_accused),
        cmocka_unit_test(an_empty_history_is_never_proved),
        cmocka_unit_test(a_ledger_without_a_checkpoint_is_unknown),
        cmocka_unit_test(what_is_not_due_yet_is_pending),
        cmocka_unit_test(a_missing_ledger_makes_unknown_what_it_could_tell),
        cmocka_unit_test(a_missing_document_is_named),
        cmocka_unit_test(a_leaf_of_tomorrow_makes_unknown_what_it_could_touch),
        cmocka_unit_test(a_malformed_leaf_breaks_the_ledger_at_its_place),
        cmocka_unit_test(what_comes_too_late_is_broken),
        cmocka_unit_test(a_country_that_never_moves_is_missed_after_its_move_by),
        cmocka_unit_test(an_epoch_that_is_never_destroyed_is_missed),
        cmocka_unit_test(a_leaf_may_not_be_older_than_the_checkpoint_before_it),
        cmocka_unit_test(a_remembered_checkpoint_is_compared_at_its_own_size),
        cmocka_unit_test(receipts_are_verified_and_their_copies_found),
        cmocka_unit_test(an_auditors_mistakes_are_told_before_anything_is_read),
        cmocka_unit_test(an_expired_trust_file_is_warned_of),
        cmocka_unit_test(the_json_says_what_the_board_says),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
