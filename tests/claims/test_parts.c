/* The index of ids, the packed records, and the threads that verify signatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/secret.h"

static void every_id_is_found_where_it_was_put_and_no_other(void **state)
{
    static struct id128 id[50000];
    struct ids t;
    size_t at;

    (void)state;
    ids_init(&t, 22);
    for (size_t i = 0; i < ARRAY_LEN(id); i++) {
        id[i] = random_id();
        assert_int_equal(ids_find(&t, &id[i]), i);
        assert_int_equal(ids_add(&t, &id[i], &at), 0);
        assert_int_equal(at, i);
        assert_memory_equal(ids_at(&t, i), &id[i], sizeof(id[i]));
        /* the index is never fuller than nine tenths nor, once it grew, emptier than 79 in 100
         */
        assert_true((i + 1) * 10 <= t.slots * 9);
        if (t.slots > 1024)
            assert_true((i + 1) * 100 >= t.slots * 79);
    }
    for (size_t i = 0; i < ARRAY_LEN(id); i++)
        assert_int_equal(ids_find(&t, &id[i]), i);
    for (size_t i = 0; i < 50000; i++) {
        id[i].b[i % 16] ^= 0x10; /* one bit beside */
        assert_int_equal(ids_find(&t, &id[i]), ARRAY_LEN(id));
    }
    ids_free(&t);
}

/* ------------------------------------------------------------------ records */

static struct audit records;
static struct site record_sites[2] = {{.number = 0}, {.number = 1}};

static int make_records(void **state)
{
    (void)state;
    records.site = record_sites;
    records.sites = 2;
    subs_init(&records);
    refs_init(&records);
    return 0;
}

static int free_records(void **state)
{
    (void)state;
    records_free(&records);
    for (size_t i = 0; i < 2; i++)
        free(record_sites[i].minutes.v);
    return 0;
}

static uint32_t any(uint32_t below)
{
    return (uint32_t)random_below(below);
}

/* Whatever a record says, it says again; also at the limits of its bits, and after it went aside.
 */
static void a_submission_says_what_was_put_into_it(void **state)
{
    static const struct sub_rec limit = {.accepted = NONE - 1,
                                         .erased = NONE,
                                         .erased_at = NONE,
                                         .country = COUNTRY_COUNT - 1,
                                         .statement = STATEMENT_NONE - 1,
                                         .site = TRUST_SITES - 1,
                                         .flags = SUB_ORDERED | SUB_FILE};
    struct sub_rec want[2000], got;
    size_t at;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct id128 id = random_id();

        assert_int_equal(subs_of(&records, &id, &at), 0);
        got = subs_get(&records, at);
        assert_int_equal(got.accepted, NONE);
        assert_int_equal(got.erased, NONE);
        assert_int_equal(got.statement, STATEMENT_NONE);
        want[i] = limit;
        want[i].id = id;
        assert_int_equal(subs_put(&records, at, &want[i]), 0);
        if (i % 3 != 0) {
            want[i].accepted = any(NONE);
            want[i].country = (uint16_t)any(COUNTRY_COUNT);
            want[i].statement = (uint16_t)any(STATEMENT_NONE + 1);
            want[i].site = (uint8_t)any(TRUST_SITES);
            want[i].flags = (uint8_t)any(4);
        }
        if (i % 3 == 2) {
            want[i].erased = any(NONE);
            want[i].erased_at = any(NONE);
            want[i].final_epoch = any(NONE);
            want[i].erased_site = (uint8_t)any(TRUST_SITES);
        }
        assert_int_equal(subs_put(&records, at, &want[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(subs_find(&records, &want[i].id, &got));
        assert_int_equal(got.accepted, want[i].accepted);
        assert_int_equal(got.erased, want[i].erased);
        assert_int_equal(got.erased_at, want[i].erased_at);
        assert_int_equal(got.country, want[i].country);
        assert_int_equal(got.statement, want[i].statement);
        assert_int_equal(got.site, want[i].site);
        assert_int_equal(got.flags, want[i].flags);
        if (want[i].erased != NONE) {
            assert_int_equal(got.final_epoch, want[i].final_epoch);
            assert_int_equal(got.erased_site, want[i].erased_site);
        }
    }
}

/* Placed at leaves that ascend, at minutes that wander; scanned before, at once, at the last minute
 * that fits, one later, far later, never; then some are removed. */
static void a_copy_says_what_was_put_into_it(void **state)
{
    static const int64_t after[] = {-5, 0, 510, 511, 100000, -1};
    struct ref_rec want[3000], got;
    uint32_t minute = 29000000;
    size_t at;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        int64_t d = after[i % ARRAY_LEN(after)];
        bool scanned = i % ARRAY_LEN(after) < 5;

        minute += any(3) - 1;
        want[i] = (struct ref_rec){.id = random_id(),
                                   .placed = (uint32_t)i * 7,
                                   .removed = NONE,
                                   .when = minute,
                                   .scanned = scanned ? (uint32_t)(minute + d) : NONE,
                                   .site = (uint8_t)(i % 2)};
        assert_int_equal(refs_of(&records, &want[i].id, &at), 0);
        got = refs_get(&records, at);
        assert_int_equal(got.placed, NONE);
        assert_int_equal(got.scanned, NONE);
        if (d < 0 && scanned) { /* seen scanned first */
            got.scanned = want[i].scanned;
            got.site = want[i].site;
            assert_int_equal(refs_put(&records, at, &got), 0);
        }
        assert_int_equal(refs_placed(&record_sites[i % 2], want[i].placed, minute), 0);
        assert_int_equal(refs_put(&records, at, &want[i]), 0);
        if (i % 5 == 0) {
            want[i].removed = (uint32_t)i * 7 + 3;
            assert_int_equal(refs_put(&records, at, &want[i]), 0);
        }
        if (i % 10 == 0) { /* and looked at once more when it was gone */
            want[i].scanned = minute + 600;
            assert_int_equal(refs_put(&records, at, &want[i]), 0);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_true(refs_find(&records, &want[i].id, &got));
        assert_int_equal(got.placed, want[i].placed);
        assert_int_equal(got.removed, want[i].removed);
        assert_int_equal(got.when, want[i].when);
        assert_int_equal(got.scanned, want[i].scanned);
        assert_int_equal(got.site, want[i].site);
    }
}

/* Small numbers, so that sizes meet leaves; against counting one by one. */
static void a_country_is_counted_at_any_size(void **state)
{
    enum { SUBS = 300, LEAVES = 40, COUNTRIES = 3 };
    struct site site[2] = {{.number = 0, .size = LEAVES}, {.number = 1, .size = LEAVES}};
    struct audit a = {.site = site, .sites = 2};
    struct inventory v[(COUNTRIES + 1) * (LEAVES + 1)];
    struct sub_rec r[SUBS];
    size_t n = 0, at;

    (void)state;
    subs_init(&a);
    refs_init(&a);
    for (size_t i = 0; i < SUBS; i++) {
        struct id128 id = random_id();

        assert_int_equal(subs_of(&a, &id, &at), 0);
        r[i] = subs_get(&a, at);
        r[i].accepted = any(10) == 0 ? NONE : any(LEAVES);
        r[i].site = (uint8_t)any(2);
        r[i].country = (uint16_t)any(COUNTRIES);
        r[i].flags = any(5) == 0 ? 0 : SUB_FILE;
        if (any(2) == 0) {
            r[i].erased = any(LEAVES);
            r[i].erased_site = (uint8_t)any(2);
        }
        assert_int_equal(subs_put(&a, at, &r[i]), 0);
    }
    for (uint32_t size = 0; size <= LEAVES; size++)
        for (uint16_t k = 0; k <= COUNTRIES; k++)
            v[n++] =
                (struct inventory){.country = k < COUNTRIES ? k : COUNTRY_COUNT, .at_size = size};
    for (size_t s = 0; s < 2; s++) {
        site[s].inventories.v = v;
        site[s].inventories.n = n;
    }
    assert_int_equal(counts_build(&a), 0);
    for (size_t q = 0; q < 2 * n; q++) {
        const struct inventory *w = &v[q / 2];
        int64_t want = 0;

        for (size_t i = 0; i < SUBS; i++) {
            if (r[i].accepted == NONE || (r[i].flags & SUB_FILE) == 0 ||
                (w->country != COUNTRY_COUNT && w->country != r[i].country))
                continue;
            want += r[i].site == q % 2 && r[i].accepted < w->at_size;
            want -= r[i].erased != NONE && r[i].erased_site == q % 2 && r[i].erased < w->at_size;
        }
        assert_int_equal(counts_held(&a, &site[q % 2], w->country, w->at_size), want);
    }
    counts_free(&a);
    records_free(&a);
}

static void jobs(struct pool *p, const struct ed25519_key *k, size_t n, size_t bad)
{
    struct ed25519_pub pub;
    struct ed25519_sig sig;

    ed25519_public(k, &pub);
    assert_int_equal(ed25519_sign(k, "text", 4, &sig), 0);
    for (size_t i = 0; i < n; i++) {
        struct pool_job *j;

        assert_int_equal(pool_job(p, &j), 0);
        j->key = pub;
        j->sig = sig;
        memcpy(j->text, "text", 4);
        j->n = 4;
        j->site = 0;
        j->leaf = (uint32_t)i;
        j->claim = CLAIM_CONSENT;
        if (i >= bad && i % 2 == bad % 2)
            j->sig.b[40] ^= 1;
        pool_put(p);
    }
    pool_finish(p);
}

/* More jobs than two batches; with several threads, one and none, the same leaf is named. */
static void the_first_bad_signature_is_named_whatever_the_threads(void **state)
{
    struct trust_site ts = {.site = "zrh1"};
    struct site site = {.trust = &ts};
    struct ed25519_key *k;

    (void)state;
    assert_int_equal(ed25519_generate(&k), 0);
    for (unsigned threads = 0; threads < 4; threads++) {
        struct audit a = {.site = &site, .sites = 1};
        struct pool *p;

        a.result[CLAIM_CONSENT].verdict = AUDIT_PROVED;
        assert_int_equal(pool_new(&p, &a, threads), 0);
        jobs(p, k, 2100, 2073);
        assert_int_equal(a.result[CLAIM_CONSENT].verdict, AUDIT_BROKEN);
        assert_int_equal(a.result[CLAIM_CONSENT].leaf, 2073);
        a.result[CLAIM_CONSENT].verdict = AUDIT_PROVED;
        jobs(p, k, 50, 50);
        assert_int_equal(a.result[CLAIM_CONSENT].verdict, AUDIT_PROVED);
        pool_free(p);
    }
    ed25519_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_id_is_found_where_it_was_put_and_no_other),
        cmocka_unit_test(a_submission_says_what_was_put_into_it),
        cmocka_unit_test(a_copy_says_what_was_put_into_it),
        cmocka_unit_test(a_country_is_counted_at_any_size),
        cmocka_unit_test(the_first_bad_signature_is_named_whatever_the_threads),
    };

    return cmocka_run_group_tests(tests, make_records, free_records);
}
