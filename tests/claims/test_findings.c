/* One field of one leaf of a true history says something else: which claim notices, and how it says
 * so. The witness cosigns all of it, as it would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "scene.h"

#define ID "0123456789abcdef0123456789abcdef"
#define DIG ID ID
#define SIG                                                                                        \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define VKEY "zrh1.example/ledger+0123abcd+AQID"
#define KEY0 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define LAST SIZE_MAX

static const struct {
    int site;
    enum leaf_kind kind;
    size_t k; /* the k-th leaf of that kind, or the last */
    enum leaf_field field;
    const char *text, *claim, *says;
} rows[] = {
    {ZRH, LK_SITE_OPENED, 0, LF_VKEY, VKEY, "ledger.append-only", "another key"},
    {ZRH, LK_SITE_OPENED, 0, LF_ZONE, "RU", "residency.placement", "opened in another zone"},
    {ZRH, LK_EPOCH_OPENED, 0, LF_SITE, "ams1", "ledger.append-only", "of site \"ams1\""},
    {ZRH, LK_EPOCH_OPENED, LAST, LF_TIME, "2026-01-05T15:00Z", "ledger.time", "back-dated"},
    {ZRH, LK_EPOCH_OPENED, LAST, LF_TIME, "2026-01-06T08:10Z", "ledger.time",
     "had already seen it"},

    {ZRH, LK_REGISTER_PUBLISHED, 1, LF_SERIAL, "3", "people.register", "serial"},
    {ZRH, LK_REGISTER_PUBLISHED, 1, LF_PREV, DIG, "people.register", "prev"},
    {ZRH, LK_PERSON_ENROLLED, 2, LF_ORG, ID, "people.register", "says what the newest register"},
    {ZRH, LK_KEY_BOUND, 2, LF_KEY, KEY0, "people.register", "says what the newest register"},
    {ZRH, LK_KEY_REVOKED, 0, LF_PERSON, ID, "people.register", "says what the newest register"},
    {ZRH, LK_ROLE_ENDED, 0, LF_ROLE, "mover", "people.register", "says what the newest register"},

    {ZRH, LK_POLICY_PUBLISHED, 1, LF_SERIAL, "3", "policy.uniform", "serial"},
    {ZRH, LK_POLICY_PUBLISHED, 1, LF_PREV, DIG, "policy.uniform", "prev"},
    {ZRH, LK_POLICY_PUBLISHED, 1, LF_VALID_FROM, "2026-01-05T12:01Z", "policy.uniform",
     "valid_from is not the policy's"},

    {ZRH, LK_SUBMISSION_ACCEPTED, 0, LF_POLICY, DIG, "residency.placement", "not in force"},
    {ZRH, LK_SUBMISSION_ACCEPTED, 0, LF_COUNTRY, "RU", "residency.placement",
     "accepted in zone CH"},
    {ZRH, LK_COPY_PLACED, 0, LF_REF, ID, "residency.placement", "never placed here"},
    {ZRH, LK_COPY_REMOVED, 0, LF_REF, ID, "residency.placement", "never placed here"},
    {ZRH, LK_INVENTORY, LAST, LF_COUNT, "9", "residency.placement", "inventory of CH"},
    {ZRH, LK_INVENTORY, LAST, LF_COUNT, "0", "residency.placement", "disagree on being empty"},
    {ZRH, LK_INVENTORY, LAST, LF_AT_SIZE, "99999", "residency.placement", "still to come"},
    {ZRH, LK_INVENTORY_SITE, LAST, LF_COUNT, "9", "residency.placement", "not what the leaves say"},
    {ZRH, LK_INVENTORY_SITE, LAST, LF_AT_SIZE, "60", "residency.placement",
     "not what the leaves say"},

    {ZRH, LK_STATEMENT_PUBLISHED, 0, LF_ERASE_WITHIN, "31", "intake.consent", "does not"},
    {ZRH, LK_STATEMENT_PUBLISHED, 0, LF_LANG, "de", "intake.consent", "does not"},
    {ZRH, LK_STATEMENT_PUBLISHED, 0, LF_SCOPES, "file,lookup", "intake.consent", "does not"},
    {ZRH, LK_SUBMISSION_ACCEPTED, 0, LF_SUBMISSION, "lookup", "intake.consent", "taken under"},
    {ZRH, LK_SUBMISSION_ACCEPTED, 0, LF_SUB_KEY, KEY0, "intake.consent", "not by the submission's"},
    {ZRH, LK_SUBMISSION_ACCEPTED, 0, LF_SUB, ID, "intake.consent", "not by the submission's"},
    {ZRH, LK_CONSENT_WITHDRAWN, 0, LF_SUB_SIG, SIG, "intake.consent", "not by the submission's"},
    {ZRH, LK_CONSENT_WITHDRAWN, 0, LF_SUB, ID, "intake.consent", "never accepted"},

    {MOW, LK_MOVE_OPENED, 0, LF_COUNT, "1", "residency.relocation", "the site held"},
    {MOW, LK_MOVE_OPENED, 0, LF_CUT, "99999", "residency.relocation", "still to come"},
    {MOW, LK_MOVE_OPENED, 0, LF_COUNTRY, "RU", "residency.relocation", "of another move"},
    {MOW, LK_MOVE_OPENED, 0, LF_TO, "ams1", "residency.relocation", "of another move"},
    {MOW, LK_MOVE_OPENED, 0, LF_MOVE, ID, "residency.relocation", "of another move"},
    {ZRH, LK_MOVE_RECEIVED, 0, LF_MOVE, ID, "residency.relocation", "never"},
    {ZRH, LK_MOVE_RECEIVED, 0, LF_COUNTRY, "RU", "residency.relocation", "another country"},
    {ZRH, LK_MOVE_RECEIVED, 0, LF_TO, "ams1", "residency.relocation", "for another site"},
    {MOW, LK_MOVE_CLOSED, 0, LF_MOVE, ID, "residency.relocation", "not opened here"},
    {MOW, LK_INVENTORY, 0, LF_COUNT, "1", "residency.relocation", "nothing of CA is left"},
    {MOW, LK_COPY_REMOVED, 0, LF_GROUND, "erased", "residency.relocation", "removed as moved"},

    {ZRH, LK_EPOCH_OPENED, LAST, LF_EPOCH, "1", "vault.erasure", "do not ascend"},
    {ZRH, LK_EPOCH_DESTROYED, 0, LF_EPOCH, "9", "vault.erasure", "never opened"},
    {ZRH, LK_SLOT_DESTROYED, 0, LF_COUNT, "3", "vault.erasure", "not those of"},
    {ZRH, LK_SLOT_DESTROYED, 0, LF_ROOT, DIG, "vault.erasure", "not those of"},
    {ZRH, LK_SLOT_DESTROYED, 0, LF_EPOCH, "2", "vault.erasure", "not open"},
    {ZRH, LK_SUBMISSION_ERASED, 0, LF_FINAL_EPOCH, "2", "vault.erasure", "slots destroyed"},
    {ZRH, LK_SUBMISSION_ERASED, 0, LF_SUB, ID, "vault.erasure", "without an order"},
    {ZRH, LK_ERASE_ORDERED, 0, LF_SUB_SIG, SIG, "vault.erasure", "not by the submission's"},
    {ZRH, LK_ERASE_ORDERED, 0, LF_GROUND, "subject", "vault.erasure", "not by the submission's"},
    {ZRH, LK_ERASE_ORDERED, 0, LF_SUB, ID, "vault.erasure", "without an order"},

    {ZRH, LK_SCAN_DONE, 0, LF_REF, ID, "detect.explained", "never placed"},
    {ZRH, LK_SCAN_DONE, 0, LF_ENGINE, "clamav", "detect.explained", "never loaded"},
    {ZRH, LK_SCAN_DONE, 0, LF_VERDICT, "incomplete", "detect.explained", "without a reason"},
    {ZRH, LK_SCAN_DONE, 0, LF_REASON, "time", "detect.explained", "without a reason"},
    {ZRH, LK_SCAN_DONE, 0, LF_HITS, "5", "detect.explained", "disagree"},
    {ZRH, LK_SCAN_DONE, 0, LF_WORKER_SITE, "mow1", "detect.explained", "outside zone CH"},

    {ZRH, LK_RESCAN_DONE, 0, LF_COUNT, "1", "detect.renewed", "1 files are judged"},
    {ZRH, LK_RESCAN_DONE, 0, LF_CHANGED, "0", "detect.renewed",
     "0 verdicts changed by the summary"},
    {ZRH, LK_RESCAN_DONE, 0, LF_ROOT, DIG, "detect.renewed", "the root of other copies"},
    {ZRH, LK_RESCAN_DONE, 0, LF_RELEASE, DIG, "detect.renewed", "rules that are not loaded"},
    {ZRH, LK_RESCAN_DONE, 0, LF_ENGINE, "yara", "detect.renewed", "rules that are not loaded"},
    {ZRH, LK_SCAN_DONE, LAST, LF_REF, ID, "detect.renewed", "0 by the leaves before it"},

    {ZRH, LK_CHANGE_PROPOSED, 0, LF_TREE, DIG, "rules.four-eyes", "its author signed"},
    {ZRH, LK_CHANGE_PROPOSED, 1, LF_BASE, DIG, "rules.four-eyes", "its author signed"},
    {ZRH, LK_CHANGE_PROPOSED, 1, LF_CHANGE, ID, "rules.four-eyes", "its author signed"},
    {ZRH, LK_GATES_PASSED, 0, LF_TREE, DIG, "rules.four-eyes", "nobody proposed"},
    {ZRH, LK_GATES_PASSED, 0, LF_CHANGE, ID, "rules.four-eyes", "nobody proposed"},
    {ZRH, LK_GATES_PASSED, 0, LF_REPORT, DIG, "rules.four-eyes", "another report"},
    {ZRH, LK_RELEASE_PUBLISHED, 0, LF_TREE, DIG, "rules.four-eyes", "its approvers signed"},
    {ZRH, LK_RELEASE_PUBLISHED, 0, LF_REPORT, DIG, "rules.four-eyes", "its approvers signed"},
    {ZRH, LK_RELEASE_PUBLISHED, 0, LF_CHANGE, ID, "rules.four-eyes", "its approvers signed"},
    {ZRH, LK_RELEASE_PUBLISHED, 0, LF_MODE, "detect", "rules.four-eyes", "its approvers signed"},
    {ZRH, LK_RELEASE_PUBLISHED, 0, LF_URGENT, "yes", "rules.four-eyes", "its approvers signed"},
    {ZRH, LK_RELEASE_PUBLISHED, 1, LF_ALLOWS, "1", "rules.four-eyes", "its approvers signed"},
    {ZRH, LK_RELEASE_PUBLISHED, 1, LF_SERIAL, "3", "rules.unbroken", "release 3 follows"},
    {ZRH, LK_RELEASE_PUBLISHED, 1, LF_PREV, DIG, "rules.unbroken", "another release as the one"},
    {ZRH, LK_REPOSITORY_PUBLISHED, 0, LF_SERIAL, "2", "rules.unbroken", "which nobody released"},
    {ZRH, LK_REPOSITORY_PUBLISHED, 1, LF_SERIAL, "1", "rules.unbroken", "is 2, not 1"},
    {ZRH, LK_RULES_LOADED, 0, LF_RELEASE, DIG, "rules.unbroken", "no release of this ledger"},
    {ZRH, LK_OVERRIDE_MADE, 0, LF_COUNT, "1", "detect.neutral", "its approvers signed"},
    {ZRH, LK_OVERRIDE_MADE, 0, LF_GROUND, "verdict", "detect.neutral", "its approvers signed"},
    {ZRH, LK_OVERRIDE_MADE, 0, LF_ASKER, "court", "detect.neutral", "its approvers signed"},
};

static size_t place(const struct tale *t, enum leaf_kind kind, size_t k)
{
    size_t i = tale_find(t, kind, 0);

    if (k == LAST)
        return tale_last(t, kind);
    while (k-- > 0)
        i = tale_find(t, kind, i + 1);
    return i;
}

static void one_field_that_says_something_else_is_noticed(void **state)
{
    static const struct history_spec spec = {.submissions = 2,
                                             .withdrawn = 1,
                                             .move = true,
                                             .scans = true,
                                             .group = 100,
                                             .checkpoint = 1};
    struct scene s;

    (void)state;
    scene_make(&s, &spec);
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        const struct audit_result *found;
        struct err e = ERR_INIT;
        struct audit *a;
        struct tale t;

        scene_tale(&s, rows[r].site, &t);
        if (tale_edit(&t, place(&t, rows[r].kind, rows[r].k), rows[r].field, rows[r].text, &e) != 0)
            fail_msg("row %zu: %s", r, err_text(&e));
        a = scene_audit_with(&s, rows[r].site, &t);
        found = audit_find(a, rows[r].claim);
        if (found->verdict != AUDIT_BROKEN || strstr(found->sentence, rows[r].says) == NULL)
            fail_msg("row %zu, %s.%s: %s is %s: %s", r, leaf_kinds[rows[r].kind].name,
                     leaf_field_name(rows[r].field), rows[r].claim,
                     audit_verdict_word(found->verdict), found->sentence);
        assert_int_equal(audit_exit(a), 1);
        audit_free(a);
        tale_free(&t);
    }
    scene_remove(&s);
}

/* More copies than are sorted at once (residency_placement.c, ONE_PASS): the inventories' roots
 * come from sixteen parts, and one of another copy is noticed. */
static void an_inventory_of_many_copies_is_compared(void **state)
{
    static const struct history_spec many = {
        .submissions = 800, .withdrawn = 3, .move = true, .group = 512, .checkpoint = 8};
    const struct audit_result *found;
    struct audit *a;
    struct scene s;
    struct tale t;

    (void)state;
    scene_make(&s, &many);
    a = scene_audit(&s, NULL);
    found = audit_find(a, "residency.placement");
    assert_int_equal(found->verdict, AUDIT_PROVED);
    assert_int_equal(found->n, 6 * 800 + 1);
    audit_free(a);
    scene_tale(&s, ZRH, &t);
    assert_int_equal(tale_edit(&t, tale_last(&t, LK_INVENTORY_SITE), LF_ROOT, DIG, NULL), 0);
    a = scene_audit_with(&s, ZRH, &t);
    found = audit_find(a, "residency.placement");
    assert_int_equal(found->verdict, AUDIT_BROKEN);
    assert_non_null(strstr(found->sentence, "the root of other copies"));
    audit_free(a);
    tale_free(&t);
    scene_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_field_that_says_something_else_is_noticed),
        cmocka_unit_test(an_inventory_of_many_copies_is_compared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
