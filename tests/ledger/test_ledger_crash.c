/* Power cuts while a ledger grows, by few leaves and by so many that one sync of the file system is
 * made for all their tiles: what was flushed is there. */
#include "faultfs/crash.h"

#include <errno.h>
#include <string.h>

#include "crypto/sha256.h"
#include "ledger/ledger.h"
#include "ledger/note.h"

#define MANY 6600 /* leaves: 25 tiles and as many bundles, and partial ones */
#define MOST (2 * MANY + 300)

static struct digest root[MOST + 1]; /* of the first n leaves */

static size_t leaf_of(size_t i, char out[24])
{
    return (size_t)snprintf(out, 24, "leaf %zu", i);
}

/* By the arithmetic of RFC 6962 alone. */
static void reckon_roots(void)
{
    struct core_range r;

    memset(&r, 0, sizeof(r));
    core_range_root(&note_crypto, &r, &root[0]);
    for (size_t i = 0; i < MOST; i++) {
        struct digest h;
        char leaf[24];

        sha256_leaf(leaf, leaf_of(i, leaf), &h);
        assert_int_equal(core_range_add(&note_crypto, &r, &h), 0);
        core_range_root(&note_crypto, &r, &root[i + 1]);
    }
}

static void grow(struct ledger *l, size_t by)
{
    struct err e = ERR_INIT;

    for (size_t to = ledger_size(l) + by; ledger_size(l) < to;) {
        char text[24];
        struct span leaf = span_of(text, leaf_of(ledger_size(l), text));

        if (ledger_append(l, &leaf, 1, &e) != 0)
            fail_msg("%s", err_text(&e));
    }
    if (ledger_flush(l, &e) != 0)
        fail_msg("%s", err_text(&e));
    calls_mark(1, ledger_size(l), NULL);
}

static void check(const char *folder, const struct calls_mark *m, size_t n, void *arg)
{
    uint64_t flushed = n > 0 ? m[n - 1].value : 0, size;
    struct err e = ERR_INIT;
    struct ledger *l;
    struct digest is;

    (void)arg;
    if (ledger_open(&l, folder, &e) != 0)
        fail_msg("it does not open: %s", err_text(&e));
    size = ledger_size(l);
    if (size < flushed || size > MOST)
        fail_msg("%llu leaves were flushed, %llu are there", (unsigned long long)flushed,
                 (unsigned long long)size);
    ledger_root(l, &is);
    assert_memory_equal(is.b, root[size].b, sizeof(is.b));
    for (uint64_t i = size > 600 ? size - 600 : 0, step = 1; i < size; i += step) {
        struct buf leaf;
        char text[24];
        size_t len = leaf_of(i, text);

        buf_init(&leaf, 64);
        if (ledger_leaf(l, i, &leaf, &e) != 0)
            fail_msg("leaf %llu of %llu: %s", (unsigned long long)i, (unsigned long long)size,
                     err_text(&e));
        assert_int_equal(leaf.len, len);
        assert_memory_equal(leaf.data, text, len);
        buf_free(&leaf);
    }
    for (uint64_t i = 0; i < size; i += 97) {
        struct digest path[CORE_PROOF_MAX], h;
        char text[24];
        size_t len = 0;

        sha256_leaf(text, leaf_of(i, text), &h);
        if (ledger_inclusion(l, i, size, path, &len, &e) != 0)
            fail_msg("no proof of leaf %llu: %s", (unsigned long long)i, err_text(&e));
        assert_int_equal(core_inclusion(&note_crypto, i, size, &h, path, len, &root[size]), 0);
    }
    grow(l, 1);
    ledger_close(l);
}

static void what_was_flushed_is_there(void **state)
{
    bool soak = getenv("SOAK_ROUNDS") != NULL;
    const struct crash_plan p = {.every = soak ? 1 : 7, .seeds = soak ? 8 : 2, .seed = 5};
    struct crash_tally tally = {0, 0, 0};
    struct err e = ERR_INIT;
    struct ledger *l;

    (void)state;
    reckon_roots();
    calls_watch(crash_dir);
    if (ledger_open(&l, crash_dir, &e) != 0)
        fail_msg("%s", err_text(&e));
    grow(l, 100);
    grow(l, MANY);
    grow(l, 200);
    grow(l, MANY);
    ledger_close(l);
    crash_enumerate(calls_take(), &p, check, NULL, &tally);
    print_message("%zu moments, %zu crash points\n", tally.moments, tally.points);
    assert_true(tally.points > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_flushed_is_there, crash_set_up, crash_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
