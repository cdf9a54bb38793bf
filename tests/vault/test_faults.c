/* Every write, sync, reservation, rename, unlink and open fails once, in turn, while a scenario
 * runs; the process then dies at once, or goes on as a server would.  Afterwards the vault must
 * open, and what was acknowledged must be there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"

static long countdown; /* calls until one fails; 0: never */
static int fail_errno;
static enum { NOTHING, HALF, WHOLE } tear; /* what a failing write has written */
static unsigned datasyncs, syncs;
static void (*during_sync)(void); /* called once, in the middle of the next fdatasync */

static bool fails(void)
{
    if (countdown == 0 || --countdown != 0)
        return false;
    errno = fail_errno;
    return true;
}

ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    if (fails()) {
        if (tear != NOTHING)
            (void)!__real_pwrite64(fd, p, tear == HALF ? n / 2 : n, at);
        errno = fail_errno;
        return -1;
    }
    return __real_pwrite64(fd, p, n, at);
}

/* The page cache outlives the child, so nothing needs to reach the disk. */
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    void (*then)(void) = during_sync;

    datasyncs++;
    during_sync = NULL;
    if (then != NULL)
        then();
    return fails() ? -1 : 0;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    syncs++;
    return fails() ? -1 : 0;
}

#define WRAP(type, name, params, args)                                                             \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        return fails() ? -1 : __real_##name args;                                                  \
    }
WRAP(int, fallocate64, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
WRAP(int, renameat, (int a, const char *p, int b, const char *q), (a, p, b, q))
WRAP(int, unlinkat, (int fd, const char *p, int flags), (fd, p, flags))

/* 0: the scenario ran to its end, 1: it met the failure */
static int scenario(struct model *m, struct fixture *f, bool die)
{
    static const unsigned kind[] = {0, 1, 8, 3, 5, 7, 0, 6, 8, 3, 7, 8, 5};
    int bad = 0;

    if (fixture_open(f) != 0)
        return 1;
    for (unsigned i = 0; i < ARRAY_LEN(kind); i++) {
        if (model_step(m, f, kind[i]) == 0)
            continue;
        if (die)
            return 1;
        bad = 1;
    }
    if (tear != WHOLE) /* else no checkpoint hides what the journal looks like */
        fixture_close(f);
    return bad;
}

static bool run_with(struct fixture *f, struct model *m, long k, int err, bool die, int torn)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        countdown = k;
        fail_errno = err;
        tear = (__typeof__(tear))torn;
        _exit(scenario(m, f, die));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

static void sweep(struct fixture *f, int err, bool die, int torn)
{
    struct model *m = model_new();
    bool done = false;
    long k;

    for (k = 1; !done && k < 2000; k++) {
        unsigned before = m->turns;

        done = run_with(f, m, k, err, die, torn);
        if (fixture_open(f) != 0)
            fail_msg("call %ld: the vault does not open again: %s", k, err_text(&f->e));
        assert_int_equal(f->report.damaged, 0);
        model_verify(m, f);
        fixture_close(f);
        assert_true(!done || m->turns >= before + 2);
        if (m->next > 60) { /* keep each round cheap: an empty vault, an empty model */
            fixture_remove(f);
            fixture_found(f);
            fixture_close(f);
            model_free(m);
            m = model_new();
        }
    }
    assert_true(k > 60); /* that many calls can fail */
    model_free(m);
}

static int setup(void **state)
{
    int rc = fixture_setup(state);
    struct fixture *f = *state;

    fixture_close(f);
    return rc;
}

static int teardown(void **state)
{
    return fixture_teardown(state);
}

static void a_failure_then_death_loses_nothing_acknowledged(void **state)
{
    sweep(*state, EIO, true, NOTHING);
}

static void a_failure_survived_loses_nothing_acknowledged(void **state)
{
    sweep(*state, EIO, false, NOTHING);
}

static void a_full_disk_loses_nothing_acknowledged(void **state)
{
    sweep(*state, ENOSPC, false, NOTHING);
}

static void a_torn_write_loses_nothing_acknowledged(void **state)
{
    sweep(*state, EIO, true, HALF);
}

/* A record that is whole on the disk although its write failed must not be followed by another. */
static void a_write_that_failed_after_all_was_written_loses_nothing(void **state)
{
    sweep(*state, EIO, false, WHOLE);
}

static void one_group_costs_one_sync(void **state)
{
    enum { N = 10000, GROUP = 128 };
    struct fixture *f = *state;
    unsigned before, files = 0, groups = 0;
    uint8_t p[64];

    f->segment_size = UINT64_C(64) << 20;
    assert_int_equal(fixture_open(f), 0);
    before = datasyncs;
    for (unsigned n = 0; n < N; groups++) {
        struct vault_group *g;

        assert_int_equal(vault_group_begin(&g, f->v), 0);
        for (unsigned i = 0; i < GROUP && n < N; i++, n++, files++) {
            fixture_bytes(p, sizeof(p), n);
            assert_int_equal(fixture_add(f, g, n, p, sizeof(p), NULL), 0);
        }
        assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    }
    assert_int_equal(files, N);
    assert_int_equal(groups, (N + GROUP - 1) / GROUP);
    /* one a group, and one for the segment that setup made and this one filled up */
    assert_in_range(datasyncs - before, groups, groups + 1);
    for (unsigned n = 0; n < N; n += 997) {
        fixture_bytes(p, sizeof(p), n);
        assert_int_equal(fixture_check(f, n, p, sizeof(p)), 0);
    }
    fixture_close(f);
}

/* While one group is on its way the next costs its chunks; its own sync is its own. */
static void a_group_on_its_way_costs_one_sync_too(void **state)
{
    enum { N = 200 };
    struct fixture *f = *state;
    struct vault_group *g = NULL;
    struct vault_put *put = NULL;
    unsigned before;
    uint8_t p[5000];

    f->segment_size = UINT64_C(64) << 20;
    assert_int_equal(fixture_open(f), 0);
    before = datasyncs;
    for (unsigned n = 0; n <= N; n++) {
        int rc = g == NULL ? 0 : vault_group_sync(g);

        if (n < N) { /* between the sync and its being noticed */
            fixture_bytes(p, sizeof(p), n);
            assert_int_equal(fixture_put(f, p, sizeof(p), &put), 0);
        }
        if (g != NULL)
            assert_int_equal(vault_group_settle(g, rc, NULL, NULL, &f->e), 0);
        if (n == N)
            break;
        assert_int_equal(vault_group_begin(&g, f->v), 0);
        assert_int_equal(fixture_join(g, n, put, NULL), 0);
        assert_int_equal(vault_group_write(g, &f->e), 0);
    }
    assert_in_range(datasyncs - before, N, N + 1); /* and the segment of the setup */
    for (unsigned n = 0; n < N; n++) {
        fixture_bytes(p, sizeof(p), n);
        assert_int_equal(fixture_check(f, n, p, sizeof(p)), 0);
    }
    fixture_close(f);
}

static struct fixture *late_f;
static struct vault_put *late_put;
static uint8_t late_bytes[30000];

static void put_late(void)
{
    assert_int_equal(fixture_put(late_f, late_bytes, sizeof(late_bytes), &late_put), 0);
}

/* Its segment was being synced when it was written, and the next group's record lies in another. */
static void a_chunk_written_during_a_sync_is_synced_with_its_own_group(void **state)
{
    struct fixture *f = *state;
    uint8_t *b = malloc(900000);
    struct vault_group *g;
    unsigned before;

    assert_non_null(b);
    fixture_bytes(b, 900000, 1);
    fixture_bytes(late_bytes, sizeof(late_bytes), 2);
    late_f = f;
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(fixture_store(f, 1, b, 900000, NULL), 0); /* of a segment of 1 MiB */
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(fixture_add(f, g, 2, b, 50000, NULL), 0);
    during_sync = put_late;
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    assert_non_null(late_put);
    before = datasyncs;
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(fixture_join(g, 3, late_put, NULL), 0);
    assert_int_equal(fixture_add(f, g, 4, b, 65000, NULL), 0); /* begins the next segment */
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    assert_int_equal(datasyncs - before, 2);
    assert_int_equal(fixture_check(f, 3, late_bytes, sizeof(late_bytes)), 0);
    fixture_close(f);
    free(b);
}

static void a_sync_that_fails_takes_the_next_group_with_it(void **state)
{
    struct fixture *f = *state;
    struct vault_group *g, *other;
    struct vault_put *put, *late;
    int rc;

    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(fixture_store(f, 1, "one", 3, NULL), 0);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(fixture_add(f, g, 2, "two", 3, NULL), 0);
    assert_int_equal(vault_group_write(g, &f->e), 0);
    assert_int_equal(vault_group_begin(&other, f->v), -EINVAL); /* one at a time */
    assert_int_equal(fixture_check(f, 2, "two", 3), -ENOENT);   /* not before it is settled */
    assert_int_equal(fixture_put(f, "three", 5, &put), 0);
    fail_errno = EIO;
    countdown = 1;
    rc = vault_group_sync(g);
    countdown = 0;
    assert_int_equal(rc, -EIO);
    assert_int_equal(vault_group_settle(g, rc, NULL, NULL, &f->e), -EIO);
    assert_int_equal(vault_group_begin(&other, f->v), -EIO);
    assert_int_equal(vault_put_begin(&late, f->v), -EIO);
    vault_put_abort(put);
    assert_int_equal(fixture_check(f, 2, "two", 3), -ENOENT);
    fixture_close(f);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(fixture_check(f, 1, "one", 3), 0);
    assert_int_equal(fixture_check(f, 3, "three", 5), -ENOENT);
    assert_int_equal(fixture_store(f, 3, "three", 5, NULL), 0);
    fixture_close(f);
}

static void a_failed_sync_stops_the_writer(void **state)
{
    struct fixture *f = *state;
    struct vault_group *g;
    struct vault_put *p;

    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(fixture_store(f, 1, "one", 3, NULL), 0);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(fixture_add(f, g, 2, "two", 3, NULL), 0);
    fail_errno = EIO;
    countdown = 2; /* the record is written, the sync fails */
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), -EIO);
    countdown = 0;
    assert_int_equal(vault_group_begin(&g, f->v), -EIO);
    assert_int_equal(vault_put_begin(&p, f->v), -EIO);
    assert_int_equal(vault_checkpoint(f->v, &f->e), -EIO);
    assert_int_equal(fixture_check(f, 1, "one", 3), 0); /* reading goes on */
    fixture_close(f);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(fixture_check(f, 1, "one", 3), 0);
    assert_int_equal(fixture_store(f, 3, "three", 5, NULL), 0);
    fixture_close(f);
}

static void a_small_put_works_when_there_is_room_again(void **state)
{
    struct fixture *f = *state;
    uint8_t *b = malloc(900000);
    struct vault_put *p;

    assert_non_null(b);
    fixture_bytes(b, 900000, 1);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(fixture_store(f, 1, b, 600000, NULL), 0);
    assert_int_equal(vault_put_begin(&p, f->v), 0);
    fail_errno = ENOSPC;
    countdown = 7; /* the sixth chunk fills the segment; the next segment cannot be reserved */
    assert_int_equal(vault_put_append(p, b, 900000), -ENOSPC);
    countdown = 0;
    assert_int_equal(vault_put_append(p, b, 1), -ENOSPC);
    vault_put_abort(p);
    assert_int_equal(fixture_store(f, 2, "small", 5, NULL), 0);
    assert_int_equal(fixture_check(f, 1, b, 600000), 0);
    assert_int_equal(fixture_check(f, 2, "small", 5), 0);
    fixture_close(f);
    free(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_group_costs_one_sync),
        T(a_group_on_its_way_costs_one_sync_too),
        T(a_chunk_written_during_a_sync_is_synced_with_its_own_group),
        T(a_sync_that_fails_takes_the_next_group_with_it),
        T(a_failed_sync_stops_the_writer),
        T(a_small_put_works_when_there_is_room_again),
        T(a_failure_then_death_loses_nothing_acknowledged),
        T(a_failure_survived_loses_nothing_acknowledged),
        T(a_full_disk_loses_nothing_acknowledged),
        T(a_torn_write_loses_nothing_acknowledged),
        T(a_write_that_failed_after_all_was_written_loses_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
