/* The street from end to end: files of two countries are sent, traced, scanned, withdrawn; what is
 * refused leaves nothing; a country moves; then the audit, whose numbers are counted here by what
 * this test did and not by what the sites wrote. */
#include <stdio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sha256.h"
#include "rig_client.h"
#include "rig_priv.h"

#define MOVES_IN 25 /* seconds until Canada belongs to zrh1: Canadians send first of all */

static struct { /* what the test did */
    uint64_t accepted[RIG_SITES], erased, moved;
} did;

static struct rig *r;

static int set_up(void **state)
{
    const struct rig_plan plan = {.sites = 2, .moves_in = MOVES_IN, .scanning = true};

    r = rig_open(&plan);
    return 0;
}

static int tear_down(void **state)
{
    rig_close(r);
    return 0;
}

static struct span random_file(uint8_t *out, size_t n)
{
    random_bytes(out, n);
    return span_of(out, n);
}

/* Opened in a receipt: the value of a sealed field, as text. */
static void opened_is(const struct rig_receipt *p, enum leaf_field f, const char *text)
{
    const struct receipt_opening *o = receipt_extra_find(&p->x, f);

    assert_non_null(o);
    if (!span_is(o->value, text))
        fail_msg("a receipt opens \"%.*s\", not \"%s\"", (int)o->value.n, (const char *)o->value.p,
                 text);
}

static void submit(size_t site, struct rig_sub *s, struct span bytes, const char *name,
                   struct buf *receipt)
{
    rig_submit(r, site, s, bytes, name, receipt);
    did.accepted[site]++;
}

static void a_file_is_accepted_where_its_country_belongs(void **state)
{
    static const struct {
        const char *country;
        size_t site;
    } all[] = {{"CH", RIG_ZRH}, {"RU", RIG_MOW}, {"LI", RIG_ZRH}, {"KE", RIG_MOW}};
    uint8_t bytes[70000];

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct span file = random_file(bytes, sizeof(bytes) - 997 * i);
        struct rig_receipt p;
        struct rig_state now;
        struct digest d;
        struct buf text;
        struct rig_sub s;
        char hex[65], size[24];

        rig_sub_new(r, &s, all[i].country);
        submit(all[i].site, &s, file, "a letter.txt", &text);
        rig_receipt_open(r, &p, buf_span(&text)); /* it verifies with the trust file alone */
        sha256_of(file.p, file.n, &d);
        text_digest(hex, &d);
        (void)snprintf(size, sizeof(size), "%zu", file.n);
        opened_is(&p, LF_SEALED_SHA256, hex);
        opened_is(&p, LF_SEALED_SIZE, size);
        opened_is(&p, LF_SEALED_NAME, "a letter.txt");
        opened_is(&p, LF_SEALED_ACCOUNT, "all");
        assert_int_equal(p.leaf.kind, LK_SUBMISSION_ACCEPTED);
        assert_true(span_is(leaf_text(&p.leaf, LF_SITE), r->site[all[i].site].name));
        assert_true(span_is(leaf_text(&p.leaf, LF_COUNTRY), all[i].country));
        rig_receipt_done(&p);
        buf_free(&text);

        rig_await(r, all[i].site, &s, "final", &now);
        assert_string_equal(now.country, all[i].country);
        assert_int_equal(now.size, file.n);
        assert_int_equal(rig_receipt(r, all[i].site, &s, "accepted", &text), 200);
        rig_receipt_open(r, &p, buf_span(&text));
        assert_true(p.verdict.quorum);
        rig_receipt_done(&p);
        buf_free(&text);
        rig_sub_free(&s);
    }
}

#define CANADIANS 12
static struct rig_sub canadian[CANADIANS];
static uint8_t canadian_file[CANADIANS][9000];

/* First of all, while Canada's files still belong to Moscow. */
static void canadians_send_to_moscow(void **state)
{
    for (size_t i = 0; i < CANADIANS; i++) {
        uint8_t *bytes = canadian_file[i];

        rig_sub_new(r, &canadian[i], "CA");
        (void)random_file(bytes, sizeof(canadian_file[i]));
        if (i == CANADIANS - 1) /* the last two are the same bytes */
            memcpy(bytes, canadian_file[i - 1], sizeof(canadian_file[i]));
        submit(RIG_MOW, &canadian[i], span_of(bytes, sizeof(canadian_file[i])), "canadian", NULL);
    }
}

static void the_first_receipt_is_pending_and_a_flipped_byte_refuses_it(void **state)
{
    uint8_t bytes[100];
    struct rig_receipt p;
    struct tlog_verdict v;
    struct err e = ERR_INIT;
    struct core_proof proof;
    struct digest hash;
    struct buf text;
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    submit(RIG_ZRH, &s, random_file(bytes, sizeof(bytes)), NULL, &text);
    rig_receipt_open(r, &p, buf_span(&text));
    assert_false(p.verdict.quorum);
    /* another leaf, an empty one, is not proved by it */
    rig_ok(tlog_proof_parse(&proof, buf_span(&text), &e), &e);
    note_crypto.leaf("", 0, &hash);
    assert_int_equal(tlog_proof_verify(&v, &proof, r->trust->policy, &hash, &e), -EBADMSG);
    rig_receipt_done(&p);
    buf_free(&text);
    rig_sub_free(&s);
}

static void the_same_submission_again_is_the_same_submission(void **state)
{
    uint8_t bytes[3000];
    struct span file = random_file(bytes, sizeof(bytes));
    struct rig_receipt first, again;
    struct buf a, b;
    struct rig_word w;
    struct rig_sub s;
    uint64_t leaves, slots;

    rig_sub_new(r, &s, "CH");
    submit(RIG_ZRH, &s, file, "x", &a);
    rig_settle(r, RIG_ZRH);
    slots = rig_slots(r, RIG_ZRH);
    leaves = rig_metric(r, RIG_ZRH, "site_submissions_total");
    assert_int_equal(rig_announce(r, RIG_ZRH, &s, &w), 201);
    assert_int_equal(rig_put(r, RIG_ZRH, &s, file, "x", &b, &w), 200);
    rig_receipt_open(r, &first, buf_span(&a));
    rig_receipt_open(r, &again, buf_span(&b));
    assert_int_equal(first.proof.index, again.proof.index);
    assert_true(span_eq(first.x.leaf, again.x.leaf));
    rig_receipt_done(&first);
    rig_receipt_done(&again);
    assert_int_equal(rig_metric(r, RIG_ZRH, "site_submissions_total"), leaves);
    assert_int_equal(rig_slots(r, RIG_ZRH), slots);

    /* the same sub for another country is another submission */
    (void)snprintf(s.country, sizeof(s.country), "LI");
    assert_int_equal(rig_announce(r, RIG_ZRH, &s, &w), 409);
    assert_string_equal(w.text, "sub_exists");
    buf_free(&a);
    buf_free(&b);
    rig_sub_free(&s);
}

/* --- refused, and nothing kept --- */

struct kept {
    uint64_t submissions, slots, leaves;
};

static struct kept kept_at(size_t site)
{
    struct kept k;

    rig_settle(r, site);
    k.submissions = rig_metric(r, site, "site_submissions_total");
    k.slots = rig_slots(r, site);
    k.leaves = rig_metric(r, site, "site_ledger_size");
    return k;
}

/* Leaves of scans and rules of before may still come: wait until nothing is in the queue. */
static void scans_done(size_t site)
{
    mono_ms until = clock_mono() + RIG_SOON;
    uint64_t n;

    do {
        if (clock_mono() > until)
            fail_msg("the scan queue of %s does not empty", r->site[site].name);
        n = rig_metric(r, site, "site_leaves_total");
        rig_nap(300);
    } while (rig_metric(r, site, "site_scan_queue") != 0 ||
             rig_metric(r, site, "site_leaves_total") != n);
}

static void nothing_of(size_t site, struct rig_sub *s, struct kept before)
{
    struct kept after = kept_at(site);
    struct rig_needle sub = {"the sub", {0}, 16};
    struct rig_state now;

    assert_int_equal(after.submissions, before.submissions);
    assert_int_equal(after.slots, before.slots);
    assert_int_equal(after.leaves, before.leaves);
    assert_int_equal(rig_trace(r, site, s, &now), 404);
    memcpy(sub.b, s->sub.b, 16);
    assert_int_equal(rig_in_files(r->site[site].data, &sub, 1, true), 0);
    sub.n = 32;
    memcpy(sub.b, s->hex, 32);
    assert_int_equal(rig_in_files(r->site[site].data, &sub, 1, true), 0);
}

static void refused(size_t site, struct rig_sub *s, int status, const char *word)
{
    struct kept before = kept_at(site);
    struct rig_word w;
    int got = rig_announce(r, site, s, &w);

    if (got != status || strcmp(w.text, word) != 0)
        fail_msg("answered %d %s, not %d %s", got, w.text, status, word);
    nothing_of(site, s, before);
    rig_sub_free(s);
}

static void what_is_refused_leaves_nothing(void **state)
{
    struct rig_sub s;

    scans_done(RIG_ZRH);
    scans_done(RIG_MOW);
    rig_sub_new(r, &s, "CH");
    s.has_statement = false;
    refused(RIG_ZRH, &s, 403, "consent_none");
    rig_sub_new(r, &s, "CH");
    random_bytes(s.statement.b, 32);
    refused(RIG_ZRH, &s, 403, "consent_unknown");
    rig_sub_new(r, &s, "CH");
    s.statement = r->withdrawn;
    refused(RIG_ZRH, &s, 403, "consent_withdrawn");
    rig_sub_new(r, &s, "CH");
    s.statement = r->lookups_only;
    refused(RIG_ZRH, &s, 403, "consent_scope");
    rig_sub_new(r, &s, "CH");
    s.kind = s.scope = SCOPE_LOOKUP;
    s.statement = r->lookups_only;
    refused(RIG_ZRH, &s, 403, "kind_not_taken");
    rig_sub_new(r, &s, "CH");
    s.token = "nobody's";
    refused(RIG_ZRH, &s, 401, "token_unknown");
    rig_sub_new(r, &s, "CH");
    s.token = NULL;
    refused(RIG_ZRH, &s, 401, "token_missing");
    rig_sub_new(r, &s, "LI");
    s.token = RIG_TOKEN_CH;
    refused(RIG_ZRH, &s, 403, "country_not_granted");
    rig_sub_new(r, &s, "CH");
    s.bad_signature = true;
    refused(RIG_ZRH, &s, 403, "bad_signature");
    rig_sub_new(r, &s, "RU");
    refused(RIG_ZRH, &s, 421, "wrong_site");
    rig_sub_new(r, &s, "CH");
    refused(RIG_MOW, &s, 421, "wrong_site");
}

static void a_body_that_is_refused_leaves_nothing(void **state)
{
    uint8_t *bytes = malloc(RIG_OBJECT_MAX + 1);
    struct kept before;
    struct rig_word w;
    struct rig_sub s;

    assert_non_null(bytes);
    (void)random_file(bytes, RIG_OBJECT_MAX + 1);
    scans_done(RIG_ZRH);
    before = kept_at(RIG_ZRH);
    rig_sub_new(r, &s, "CH");
    (void)snprintf(s.ticket, sizeof(s.ticket), "00112233445566778899aabbccddeeff");
    assert_int_equal(rig_put(r, RIG_ZRH, &s, span_of(bytes, 10), NULL, NULL, &w), 403);
    assert_string_equal(w.text, "ticket_unknown");
    assert_int_equal(rig_announce(r, RIG_ZRH, &s, &w), 201);
    assert_int_equal(rig_put(r, RIG_ZRH, &s, span_of(bytes, RIG_OBJECT_MAX + 1), NULL, NULL, &w),
                     413);
    assert_string_equal(w.text, "too_large");
    nothing_of(RIG_ZRH, &s, before);
    rig_sub_free(&s);
    free(bytes);
}

/* --- scanning, the same bytes twice, withdrawing --- */

static void eicar_is_malicious_and_a_random_file_clean(void **state)
{
    /* in two parts, so that nobody's scanner finds this program */
    static const char a[] = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-",
                      b[] = "ANTIVIRUS-TEST-FILE!$H+H*";
    char eicar[96];
    uint8_t bytes[5000];
    struct rig_receipt p;
    struct rig_state now;
    struct rig_sub s;
    struct buf text;

    (void)snprintf(eicar, sizeof(eicar), "%s%s", a, b);
    assert_int_equal(strlen(eicar), 68); /* as its page tells */
    rig_sub_new(r, &s, "CH");
    submit(RIG_ZRH, &s, span_str(eicar), "eicar.com", NULL);
    rig_await(r, RIG_ZRH, &s, "scanned", &now);
    assert_string_equal(now.verdict, "malicious");
    assert_string_not_equal(now.names, "");
    rig_settle(r, RIG_ZRH);
    assert_int_equal(rig_receipt(r, RIG_ZRH, &s, "scan", &text), 200);
    rig_receipt_open(r, &p, buf_span(&text));
    assert_int_equal(p.leaf.kind, LK_SCAN_DONE);
    assert_int_equal(leaf_word(&p.leaf, LF_VERDICT), LW_VERDICT_MALICIOUS);
    opened_is(&p, LF_SEALED_NAMES, now.names);
    rig_receipt_done(&p);
    buf_free(&text);
    rig_sub_free(&s);

    rig_sub_new(r, &s, "RU");
    submit(RIG_MOW, &s, random_file(bytes, sizeof(bytes)), NULL, NULL);
    rig_await(r, RIG_MOW, &s, "scanned", &now);
    assert_string_equal(now.verdict, "clean");
    rig_sub_free(&s);
}

static void the_same_bytes_twice_are_kept_once_until_both_are_withdrawn(void **state)
{
    uint8_t bytes[40000];
    struct span file = random_file(bytes, sizeof(bytes));
    uint64_t slots = rig_slots(r, RIG_ZRH), epoch = 0;
    struct rig_receipt p;
    struct rig_state now;
    struct rig_word w;
    struct rig_sub s[2];
    struct id128 object[2];
    struct buf text;

    for (size_t i = 0; i < 2; i++) {
        rig_sub_new(r, &s[i], i == 0 ? "CH" : "LI");
        submit(RIG_ZRH, &s[i], file, NULL, NULL);
        assert_int_equal(rig_slots(r, RIG_ZRH), slots + i + 1);
    }
    scans_done(RIG_ZRH);
    object[0] = rig_object_of(r, RIG_ZRH, &s[0].sub);
    object[1] = rig_object_of(r, RIG_ZRH, &s[1].sub);
    assert_memory_equal(&object[0], &object[1], sizeof(object[0]));
    for (size_t i = 0; i < 2; i++) {
        s[i].bad_signature = true;
        assert_int_equal(rig_order(r, RIG_ZRH, &s[i], "withdraw", NULL, NULL, &w), 403);
        assert_string_equal(w.text, "bad_signature");
        s[i].bad_signature = false;
        assert_int_equal(rig_order(r, RIG_ZRH, &s[i], "withdraw", &epoch, &text, &w), 202);
        did.erased++;
        assert_int_equal(epoch, rig_metric(r, RIG_ZRH, "site_epoch"));
        rig_receipt_open(r, &p, buf_span(&text));
        assert_int_equal(p.leaf.kind, LK_SUBMISSION_ERASED);
        assert_int_equal(leaf_int(&p.leaf, LF_FINAL_EPOCH), epoch);
        rig_receipt_done(&p);
        buf_free(&text);
        assert_int_equal(rig_slots(r, RIG_ZRH), slots + 1 - i);
        assert_int_equal(rig_trace(r, RIG_ZRH, &s[i], &now), 200);
        assert_true(now.erased && !now.destroyed);
        /* the same order again is the same order */
        assert_int_equal(rig_order(r, RIG_ZRH, &s[i], "withdraw", &epoch, NULL, &w), 202);
    }
    rig_turn_epoch(r, RIG_ZRH);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(rig_trace(r, RIG_ZRH, &s[i], &now), 200);
        assert_true(now.destroyed);
        assert_int_equal(now.final_epoch, epoch);
        assert_int_equal(rig_announce(r, RIG_ZRH, &s[i], &w), 409); /* it does not come back */
        rig_sub_free(&s[i]);
    }
}

/* --- a country moves --- */

static void canada_moves_to_zurich(void **state)
{
    struct pm_admin inventory = {.what = ADMIN_INVENTORY};
    uint64_t slots[2], epoch;
    struct rig_state now;
    struct rig_sub late;
    struct rig_word w;

    while (clock_now() <= r->canada_moves)
        rig_nap(200);
    rig_sub_new(r, &late, "CA");
    assert_int_equal(rig_announce(r, RIG_MOW, &late, &w), 421);
    submit(RIG_ZRH, &late, span_of(canadian_file[0], 500), NULL, NULL);

    slots[RIG_ZRH] = rig_slots(r, RIG_ZRH);
    slots[RIG_MOW] = rig_slots(r, RIG_MOW);
    rig_relocate(r, "CA", RIG_MOW, RIG_ZRH);
    did.moved += CANADIANS;
    assert_int_equal(rig_slots(r, RIG_MOW), slots[RIG_MOW] - CANADIANS);
    assert_int_equal(rig_slots(r, RIG_ZRH), slots[RIG_ZRH] + CANADIANS);
    for (size_t i = 0; i < CANADIANS; i++) {
        assert_int_equal(rig_trace(r, RIG_MOW, &canadian[i], &now), 200);
        assert_true(now.moved);
        assert_string_equal(now.site, "zrh1");
        rig_await(r, RIG_ZRH, &canadian[i], "scanned", &now);
        assert_false(now.moved);
        assert_int_equal(now.size, sizeof(canadian_file[i]));
        assert_string_equal(now.country, "CA");
    }
    /* erased where it lives now, and only there */
    assert_int_equal(rig_order(r, RIG_ZRH, &canadian[0], "erase", &epoch, NULL, &w), 202);
    did.erased++;
    assert_int_equal(rig_trace(r, RIG_ZRH, &canadian[0], &now), 200);
    assert_true(now.erased);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(rig_admin(r, i, &inventory, NULL, NULL, NULL), 0);
    rig_turn_epoch(r, RIG_MOW);
    rig_turn_epoch(r, RIG_ZRH);
    for (size_t i = 0; i < CANADIANS; i++)
        rig_sub_free(&canadian[i]);
    rig_sub_free(&late);
}

/* --- what an auditor says of all this --- */

static void every_claim_is_proved_over_what_was_done(void **state)
{
    uint64_t leaves = 0, accepted = did.accepted[0] + did.accepted[1];
    struct audit *a;
    struct buf b;

    for (size_t i = 0; i < 2; i++) {
        scans_done(i);
        rig_settle(r, i);
        leaves += rig_metric(r, i, "site_ledger_size");
    }
    a = rig_audit(r);
    buf_init(&b, 65536);
    rig_ok(audit_text(a, &b), NULL);
    print_message("%.*s", (int)b.len, (const char *)b.data);
    buf_free(&b);
    rig_proved(a, "ledger.append-only", leaves, 0);
    rig_proved(a, "ledger.time", leaves, 0);
    /* a register, and of each person: enrolled, one key, seven roles; at both sites */
    rig_proved(a, "people.register", 2 * (1 + RIG_PERSONS * (1 + 1 + 7)), 0);
    rig_proved(a, "policy.uniform", 2, 0);
    rig_proved(a, "residency.placement", accepted, 0);
    rig_proved(a, "intake.consent", accepted, 0);
    rig_proved(a, "residency.relocation", 1, 0);
    rig_proved(a, "vault.erasure", did.erased, 0);
    rig_proved(a, "detect.explained", accepted + did.moved, 0);
    assert_int_equal(audit_exit(a), 0);
    audit_free(a);
    rig_stop(r, RIG_ZRH);
    rig_stop(r, RIG_MOW);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canadians_send_to_moscow),
        cmocka_unit_test(a_file_is_accepted_where_its_country_belongs),
        cmocka_unit_test(the_first_receipt_is_pending_and_a_flipped_byte_refuses_it),
        cmocka_unit_test(the_same_submission_again_is_the_same_submission),
        cmocka_unit_test(what_is_refused_leaves_nothing),
        cmocka_unit_test(a_body_that_is_refused_leaves_nothing),
        cmocka_unit_test(eicar_is_malicious_and_a_random_file_clean),
        cmocka_unit_test(the_same_bytes_twice_are_kept_once_until_both_are_withdrawn),
        cmocka_unit_test(canada_moves_to_zurich),
        cmocka_unit_test(every_claim_is_proved_over_what_was_done),
    };

    rig_args(argc, argv);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
