/* The index of ids and the threads that verify signatures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/secret.h"

static void every_id_is_found_where_it_was_put_and_no_other(void **state)
{
    static struct ref_rec r[20000];
    struct ids t;

    (void)state;
    ids_init(&t);
    for (size_t i = 0; i < 20000; i++) {
        r[i].id = random_id();
        assert_int_equal(ids_find(&t, r, i, sizeof(*r), &r[i].id), i);
        assert_int_equal(ids_add(&t, r, i, sizeof(*r)), 0);
    }
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(ids_find(&t, r, 20000, sizeof(*r), &r[i].id), i);
    /* the price of a record: at most 64 bytes with its place in the index */
    assert_true(sizeof(struct sub_rec) + t.slots * sizeof(*t.slot) / 20000.0 <= 64);
    ids_free(&t);
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
        cmocka_unit_test(the_first_bad_signature_is_named_whatever_the_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
