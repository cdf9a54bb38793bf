/* Damage that no crash explains: found, named by its place, never cut away. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/sha256.h"
#include "fixture.h"

#define MAGIC "\x89vaultrc\r\n\x1a\n"

static void path_of(const struct fixture *f, unsigned no, char out[120])
{
    (void)snprintf(out, 120, "%s/seg-%08u", f->vault, no);
}

/* Offsets of the commit records of segment 1. */
static size_t records(const struct fixture *f, long at[64])
{
    char path[120], b[16];
    size_t n = 0;
    int fd;

    path_of(f, 1, path);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    for (long i = 0; pread(fd, b, 12, i) == 12; i += 4096)
        if (memcmp(b, MAGIC, 12) == 0 && n < 64)
            at[n++] = i;
    (void)close(fd);
    return n;
}

static void flip(const struct fixture *f, unsigned no, long at)
{
    char path[120];
    uint8_t b;
    int fd;

    path_of(f, no, path);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 0x40;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    (void)close(fd);
}

static void drop_state(const struct fixture *f)
{
    char path[120];

    (void)snprintf(path, sizeof(path), "%s/state", f->vault);
    assert_int_equal(unlink(path), 0);
}

static uint8_t p[30000];

static void fill(struct fixture *f, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fixture_bytes(p, sizeof(p), i);
        assert_int_equal(fixture_store(f, i, p, sizeof(p), NULL), 0);
    }
}

static int check(struct fixture *f, unsigned i)
{
    fixture_bytes(p, sizeof(p), i);
    return fixture_check(f, i, p, sizeof(p));
}

static void a_lost_state_is_made_again_by_scanning(void **state)
{
    struct fixture *f = *state;

    fill(f, 6);
    fixture_close(f);
    drop_state(f);
    assert_int_equal(fixture_open(f), 0);
    assert_false(f->report.clean);
    assert_int_equal(f->report.seq, 7);
    assert_int_equal(f->report.ledger_size, 6);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(check(f, i), 0);
}

static void a_damaged_record_is_reported_and_the_later_ones_stand(void **state)
{
    struct fixture *f = *state;
    long at[64];

    fill(f, 6);
    fixture_close(f);
    assert_int_equal(records(f, at), 7);
    flip(f, 1, at[3] + 200); /* group 4, object 2 */
    drop_state(f);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(f->report.seq, 7);
    assert_int_equal(f->report.damaged, 1);
    assert_int_equal(f->report.damage[0].segment, 1);
    assert_int_equal(f->report.damage[0].first_seq, 4);
    assert_int_equal(f->report.damage[0].last_seq, 4);
    assert_in_range((unsigned long)at[3], f->report.damage[0].at,
                    f->report.damage[0].at + f->report.damage[0].length);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(check(f, i), i == 2 ? -ENOENT : 0);
    assert_int_equal(fixture_store(f, 50, "x", 1, NULL), 0);
    /* not cut: mended from a copy, it is there again */
    fixture_close(f);
    flip(f, 1, at[3] + 200);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(f->report.damaged, 0);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(check(f, i), 0);
}

static void damage_in_an_object_is_found_by_scrub_and_never_read(void **state)
{
    struct fixture *f = *state;
    struct vault_scrub s;
    struct id128 ref;
    long at[64];

    fill(f, 3);
    assert_int_equal(records(f, at), 4);
    flip(f, 1, at[2] - 5000); /* the object of group 3, number 1 */
    assert_int_equal(check(f, 0), 0);
    assert_int_equal(check(f, 1), -EBADMSG);
    assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
    assert_int_equal(s.objects, 3);
    assert_int_equal(s.bad_objects, 1);
    fixture_id(&ref, 1);
    assert_memory_equal(&s.first_bad, &ref, sizeof(ref));
}

static void what_scrub_found_damaged_is_shared_with_nobody(void **state)
{
    struct fixture *f = *state;
    struct vault_scrub s;
    struct id128 object;
    struct digest sha256;
    long at[64];
    bool again = false;

    fill(f, 3);
    assert_int_equal(records(f, at), 4);
    flip(f, 1, at[2] - 5000); /* the object of group 3, number 1 */
    fixture_bytes(p, sizeof(p), 1);
    sha256_of(p, sizeof(p), &sha256);
    assert_int_equal(vault_find(f->v, &sha256, &object), 0);
    assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
    assert_int_equal(s.bad_objects, 1);
    assert_int_equal(vault_find(f->v, &sha256, &object), -ENOENT);
    assert_int_equal(fixture_store(f, 10, p, sizeof(p), &again), 0);
    assert_false(again); /* a copy of its own */
    assert_int_equal(fixture_check(f, 10, p, sizeof(p)), 0);
    assert_int_equal(fixture_check(f, 1, p, sizeof(p)), -EBADMSG);
    fixture_bytes(p, sizeof(p), 2); /* what is whole is shared as before */
    assert_int_equal(fixture_store(f, 11, p, sizeof(p), &again), 0);
    assert_true(again);
    flip(f, 1, at[2] - 5000); /* put back from a copy: nothing is aside any more */
    assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
    assert_int_equal(s.bad_objects, 0);
    assert_int_equal(vault_find(f->v, &sha256, &object), 0);
    assert_int_equal(check(f, 1), 0);
}

static void damage_to_the_journal_is_found_by_scrub(void **state)
{
    struct fixture *f = *state;
    struct vault_scrub s;
    long at[64];
    size_t n;

    fill(f, 5);
    n = records(f, at);
    assert_int_equal(n, 6);
    assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
    assert_int_equal(s.groups, 6);
    assert_int_equal(s.bad_stretches, 0);
    for (size_t i = 0; i < n; i++) { /* also the last one, and parts that no slot needs */
        flip(f, 1, at[i] + 60);
        assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
        assert_int_equal(s.bad_stretches, 1);
        assert_int_equal(s.first_stretch.segment, 1);
        assert_int_equal(s.first_stretch.first_seq, i + 1);
        assert_int_equal(s.first_stretch.last_seq, i + 1);
        assert_int_equal(s.groups, 5);
        flip(f, 1, at[i] + 60);
    }
    flip(f, 1, 40); /* the segment's head */
    assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
    assert_int_equal(s.bad_stretches, 1);
    flip(f, 1, 40);
}

static void a_flipped_bit_anywhere_in_a_sealed_segment_shows(void **state)
{
    struct fixture *f = *state;
    struct vault_group *g;
    struct vault_scrub s;
    uint32_t sealed;

    fill(f, 40);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_seal_segment(g, &sealed, &f->e), 0);
    assert_int_equal(sealed, 1);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    for (long at = 100; at < 1000000; at += 333333) {
        flip(f, 1, at);
        assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
        assert_int_equal(s.bad_segments, 1);
        assert_int_equal(s.first_bad_segment, 1);
        flip(f, 1, at);
    }
    assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
    assert_int_equal(s.bad_segments, 0);
}

/* What was acknowledged and is known to have been: the state names the record, or the index does.
 */
static uint64_t file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* Opens with an index that knows how far the journal went. */
static int open_with(struct fixture *f, struct vault_index *known)
{
    f->index = known;
    return fixture_open(f);
}

static void damage_to_the_last_record_of_an_orderly_end_is_no_torn_tail(void **state)
{
    struct fixture *f = *state;
    long at[64];

    fill(f, 4);
    fixture_close(f); /* the state names record 5 */
    assert_int_equal(records(f, at), 5);
    flip(f, 1, at[4] + 300);
    assert_int_equal(fixture_open(f), -EBADMSG);
    assert_non_null(strstr(err_text(&f->e), "group 5"));
    fixture_close(f);
    /* nothing was cut: mended from a copy, it is there again */
    flip(f, 1, at[4] + 300);
    assert_int_equal(fixture_open(f), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(check(f, i), 0);
}

static void damage_to_a_record_that_the_index_knows_is_no_torn_tail(void **state)
{
    struct fixture *f = *state;
    struct vault_index *known;
    long at[64];

    fill(f, 4);
    known = f->index;
    f->index = NULL;
    assert_int_equal(vault_index_memory_new(&f->index), 0);
    fixture_close(f);
    assert_int_equal(records(f, at), 5);
    flip(f, 1, at[4] + 300);
    drop_state(f);
    assert_int_equal(open_with(f, known), -EBADMSG);
    assert_non_null(strstr(err_text(&f->e), "group 5"));
    f->index = NULL;
    fixture_close(f);
    flip(f, 1, at[4] + 300);
    assert_int_equal(open_with(f, known), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(check(f, i), 0);
}

static void a_lost_state_and_a_damaged_head_lose_nothing(void **state)
{
    struct fixture *f = *state;

    fill(f, 4);
    fixture_close(f);
    drop_state(f);
    flip(f, 1, 20); /* the vault's id in the only segment */
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(f->report.damaged, 1);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(check(f, i), 0);
}

static void a_journal_without_a_whole_record_is_not_founded_anew(void **state)
{
    struct fixture *f = *state;
    struct vault_index *known;
    char path[120];
    long at[64];
    uint64_t size;

    fill(f, 1);
    known = f->index;
    f->index = NULL;
    assert_int_equal(vault_index_memory_new(&f->index), 0);
    fixture_close(f);
    assert_int_equal(records(f, at), 2);
    flip(f, 1, at[0] + 100);
    flip(f, 1, at[1] + 100);
    drop_state(f);
    path_of(f, 1, path);
    size = file_size(path);
    assert_int_equal(open_with(f, known), -EBADMSG);
    assert_int_equal(file_size(path), size);
    f->index = NULL;
    fixture_close(f);
    flip(f, 1, at[0] + 100);
    flip(f, 1, at[1] + 100);
    assert_int_equal(open_with(f, known), 0);
    assert_int_equal(check(f, 0), 0);
}

/* The copy of a running vault, opened: what its owner has not synced is no state of its own. */
static void a_torn_last_record_is_cut_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    long at[64];
    size_t n;

    fill(f, 4);
    fixture_close(f);
    n = records(f, at);
    assert_int_equal(n, 5);
    flip(f, 1, at[4] + 300);
    drop_state(f);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(f->report.seq, 4);
    assert_int_equal(f->report.damaged, 0);
    assert_true(f->report.cut > 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(check(f, i), i == 3 ? -ENOENT : 0);
    fixture_bytes(p, sizeof(p), 3);
    assert_int_equal(fixture_store(f, 3, p, sizeof(p), NULL), 0);
    fixture_close(f);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(f->report.damaged, 0);
    assert_int_equal(check(f, 3), 0);
}

static void a_record_without_its_objects_was_never_committed(void **state)
{
    struct fixture *f = *state;
    long at[64];

    fill(f, 4);
    fixture_close(f);
    assert_int_equal(records(f, at), 5);
    flip(f, 1, at[4] - 5000); /* a chunk of the last group */
    drop_state(f);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(f->report.seq, 4);
    assert_true(f->report.cut > 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(check(f, i), 0);
    assert_int_equal(check(f, 3), -ENOENT);
}

/* Power is lost while a group is on its way and chunks of the next one lie behind it: if all of the
 * group is there it stands, if not nothing of it does; the chunks are nobody's. */
static void chunks_behind_a_record_in_doubt_do_not_confuse(void **state)
{
    struct fixture *f = *state;

    for (int torn = 0; torn < 2; torn++) {
        unsigned n = 100 + 10 * (unsigned)torn;
        struct vault_group *g;
        struct vault_put *put;
        long at[64];
        size_t count;

        fixture_bytes(p, sizeof(p), n);
        assert_int_equal(fixture_store(f, n, p, sizeof(p), NULL), 0);
        assert_int_equal(vault_group_begin(&g, f->v), 0);
        fixture_bytes(p, sizeof(p), n + 1);
        assert_int_equal(fixture_add(f, g, n + 1, p, sizeof(p), NULL), 0);
        assert_int_equal(vault_group_write(g, &f->e), 0);
        fixture_bytes(p, sizeof(p), n + 2);
        assert_int_equal(fixture_put(f, p, sizeof(p), &put), 0);
        count = records(f, at);
        if (torn == 1)
            flip(f, 1, at[count - 1] - 5000); /* an object's write was lost */
        /* the end of the process: nobody hears of the sync */
        vault_put_abort(put);
        assert_int_equal(vault_group_settle(g, -EIO, NULL, NULL, &f->e), -EIO);
        fixture_close(f);
        assert_int_equal(fixture_open(f), 0);
        assert_int_equal(f->report.damaged, 0);
        assert_true(f->report.cut > 0);
        assert_int_equal(check(f, n), 0);
        assert_int_equal(check(f, n + 1), torn == 1 ? -ENOENT : 0);
        assert_int_equal(check(f, n + 2), -ENOENT);
        fixture_bytes(p, sizeof(p), n + 3);
        assert_int_equal(fixture_store(f, n + 3, p, sizeof(p), NULL), 0);
        assert_int_equal(check(f, n + 3), 0);
    }
}

static void a_truncated_tail_that_nobody_knows_of_is_the_end(void **state)
{
    struct fixture *f = *state;
    char path[120];
    long at[64];

    fill(f, 4);
    fixture_close(f);
    assert_int_equal(records(f, at), 5);
    path_of(f, 1, path);
    assert_int_equal(truncate(path, at[3] + 100), 0); /* in the middle of group 4 */
    assert_int_equal(fixture_open(f), -EBADMSG);      /* the state knows group 5 */
    fixture_close(f);
    drop_state(f);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(f->report.seq, 3);
    assert_int_equal(check(f, 1), 0);
    assert_int_equal(check(f, 2), -ENOENT);
    assert_int_equal(fixture_store(f, 9, "x", 1, NULL), 0);
}

static void a_missing_segment_is_named(void **state)
{
    struct fixture *f = *state;
    char path[120];

    fill(f, 80);
    fixture_close(f);
    path_of(f, 1, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(fixture_open(f), -EBADMSG);
    assert_non_null(strstr(err_text(&f->e), "segment 1"));
    f->v = NULL;
}

static void key_path(const struct fixture *f, char out[120])
{
    (void)snprintf(out, 120, "%s/epoch-1.key", f->keys);
}

static void a_missing_key_is_named_and_nothing_is_touched(void **state)
{
    struct fixture *f = *state;
    char path[120], away[130];

    fill(f, 2);
    fixture_close(f);
    key_path(f, path);
    (void)snprintf(away, sizeof(away), "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(fixture_open(f), -ENOENT);
    assert_non_null(strstr(err_text(&f->e), "key of epoch 1"));
    fixture_close(f);
    assert_int_equal(rename(away, path), 0);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(check(f, 1), 0);
}

static void a_wrong_or_damaged_or_open_key_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[120], away[130];
    int fd;

    fill(f, 2);
    fixture_close(f);
    key_path(f, path);
    (void)snprintf(away, sizeof(away), "%s.away", path);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(keyring_file_open(&f->ring, f->keys, &f->e), 0);
    assert_int_equal(f->ring->ops->create(f->ring, 1, false), 0);
    assert_int_equal(f->ring->ops->create(f->ring, 1, false), -EEXIST);
    keyring_free(f->ring);
    f->ring = NULL;
    assert_int_equal(fixture_open(f), -EBADMSG);
    assert_non_null(strstr(err_text(&f->e), "not the one this vault was written with"));
    fixture_close(f);

    assert_int_equal(rename(away, path), 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(fixture_open(f), -EACCES);
    fixture_close(f);
    assert_int_equal(chmod(path, 0600), 0);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 30), 1);
    (void)close(fd);
    assert_int_equal(fixture_open(f), -EBADMSG);
    fixture_close(f);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(a_lost_state_is_made_again_by_scanning),
        T(a_damaged_record_is_reported_and_the_later_ones_stand),
        T(damage_in_an_object_is_found_by_scrub_and_never_read),
        T(what_scrub_found_damaged_is_shared_with_nobody),
        T(damage_to_the_journal_is_found_by_scrub),
        T(a_flipped_bit_anywhere_in_a_sealed_segment_shows),
        T(damage_to_the_last_record_of_an_orderly_end_is_no_torn_tail),
        T(damage_to_a_record_that_the_index_knows_is_no_torn_tail),
        T(a_lost_state_and_a_damaged_head_lose_nothing),
        T(a_journal_without_a_whole_record_is_not_founded_anew),
        T(a_torn_last_record_is_cut_and_nothing_else),
        T(a_record_without_its_objects_was_never_committed),
        T(chunks_behind_a_record_in_doubt_do_not_confuse),
        T(a_truncated_tail_that_nobody_knows_of_is_the_end),
        T(a_missing_segment_is_named),
        T(a_missing_key_is_named_and_nothing_is_touched),
        T(a_wrong_or_damaged_or_open_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
