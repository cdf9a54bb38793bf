/* The shelf: how many syncs a receipt costs, in which order, and what comes back when one fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "capi/client_shelf.h"
#include "events/receipt_pack.h"

#define TEXT "a receipt\n"

struct scene {
    char dir[64];
    struct client_shelf *s;
};

/* what the shelf's thread has done; the tests read it when all has come back */
static atomic_uint filesystem_syncs, file_syncs, renames, early_renames;
static atomic_int fail_syncfs, fail_fsync, fail_rename, fail_write; /* which call; 0: none */
static atomic_bool hold; /* the sync of the file system waits */

static bool fails(atomic_int *which)
{
    return atomic_load(which) > 0 && atomic_fetch_sub(which, 1) == 1;
}

int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd)
{
    (void)fd;
    while (atomic_load(&hold))
        (void)usleep(1000);
    filesystem_syncs++;
    if (!fails(&fail_syncfs))
        return 0;
    errno = EIO;
    return -1;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    (void)fd;
    file_syncs++;
    if (!fails(&fail_fsync))
        return 0;
    errno = EIO;
    return -1;
}

int __real_renameat(int a, const char *p, int b, const char *q);
int __wrap_renameat(int a, const char *p, int b, const char *q);
int __wrap_renameat(int a, const char *p, int b, const char *q)
{
    early_renames += filesystem_syncs + file_syncs == 0;
    renames++;
    if (!fails(&fail_rename))
        return __real_renameat(a, p, b, q);
    errno = ENOSPC;
    return -1;
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    if (n == sizeof(uint64_t) || !fails(&fail_write)) /* not the shelf's bell */
        return __real_write(fd, p, n);
    errno = ENOSPC;
    return -1;
}

static int open_scene(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    struct err e = ERR_INIT;

    assert_non_null(s);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/shelf-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    filesystem_syncs = file_syncs = renames = early_renames = 0;
    fail_syncfs = fail_fsync = fail_rename = fail_write = 0;
    hold = false;
    assert_int_equal(client_shelf_open(&s->s, s->dir, &e), 0);
    *state = s;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *s = *state;
    char path[512];
    struct dirent *d;
    DIR *dir;

    client_shelf_close(s->s);
    dir = opendir(s->dir);
    assert_non_null(dir);
    while ((d = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", s->dir, d->d_name);
        (void)unlink(path);
    }
    (void)closedir(dir);
    assert_int_equal(rmdir(s->dir), 0);
    free(s);
    return 0;
}

static struct id128 sub_of(unsigned n)
{
    struct id128 sub = {{0}};

    memcpy(sub.b, &n, sizeof(n));
    return sub;
}

static void put(struct scene *s, unsigned n)
{
    struct id128 sub = sub_of(n);

    assert_int_equal(client_shelf_put(s->s, &sub, ".tlog-proof", SHELF_ALONE, span_str(TEXT), s),
                     0);
}

/* Waits for n of them; how many were kept. */
static unsigned collect(struct scene *s, unsigned n)
{
    struct pollfd p = {.fd = client_shelf_fd(s->s), .events = POLLIN};
    struct err e = ERR_INIT;
    unsigned kept = 0;
    void *arg;
    int rc;

    while (n > 0) {
        assert_int_equal(poll(&p, 1, 20000), 1);
        while (client_shelf_next(s->s, &arg, &rc, &e)) {
            assert_ptr_equal(arg, s);
            assert_true(n-- > 0);
            kept += rc == 0;
        }
    }
    return kept;
}

/* Files under their final names with the right content; others in the folder. */
static unsigned here(const struct scene *s, unsigned *others)
{
    struct dirent *d;
    unsigned n = 0;
    struct buf b;
    DIR *dir = opendir(s->dir);

    assert_non_null(dir);
    *others = 0;
    buf_init(&b, RECEIPT_PACK_MAX);
    while ((d = readdir(dir)) != NULL) {
        char path[512];

        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", s->dir, d->d_name);
        buf_reset(&b);
        assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
        if (d->d_name[0] != '.' && strlen(d->d_name) == 32 + strlen(".tlog-proof") &&
            span_is(buf_span(&b), TEXT))
            n++;
        else
            (*others)++;
    }
    (void)closedir(dir);
    buf_free(&b);
    return n;
}

static void many_receipts_share_a_sync(void **state)
{
    enum { N = 1000 };
    struct scene *s = *state;
    unsigned others;

    for (unsigned i = 0; i < N; i++)
        put(s, i);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, N), N);
    assert_int_equal(here(s, &others), N);
    assert_int_equal(others, 0);
    assert_int_equal(renames, N);
    assert_int_equal(early_renames, 0);
    /* the thread may have begun before all were there: then there are two batches */
    assert_in_range(filesystem_syncs, 1, 2);
    assert_in_range(file_syncs, 1, 2 + 4);
}

static void what_comes_while_a_sync_runs_shares_the_next(void **state)
{
    struct scene *s = *state;
    struct err e = ERR_INIT;
    unsigned others;
    void *arg;
    int rc;

    hold = true;
    for (unsigned i = 0; i < 100; i++)
        put(s, i);
    client_shelf_hurry(s->s);
    (void)usleep(50000);
    assert_false(client_shelf_next(s->s, &arg, &rc, &e)); /* nothing is kept before the sync */
    assert_int_equal(here(s, &others), 0);
    for (unsigned i = 100; i < 200; i++)
        put(s, i);
    client_shelf_hurry(s->s);
    hold = false;
    assert_int_equal(collect(s, 200), 200);
    assert_int_equal(here(s, &others), 200);
    assert_in_range(filesystem_syncs, 2, 3);
    assert_int_equal(client_shelf_pending(s->s), 0);
}

static void a_few_receipts_leave_the_file_system_alone(void **state)
{
    struct scene *s = *state;
    unsigned others;

    put(s, 1);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 1), 1);
    assert_int_equal(filesystem_syncs, 0);
    assert_int_equal(file_syncs, 2); /* the file, the folder */
    assert_int_equal(early_renames, 0);
    assert_int_equal(here(s, &others), 1);
}

static void a_receipt_alone_does_not_wait_for_ever(void **state)
{
    struct scene *s = *state;

    put(s, 1);
    assert_int_equal(collect(s, 1), 1);
}

static void a_sync_that_fails_keeps_none_of_its_receipts(void **state)
{
    struct scene *s = *state;
    unsigned others;

    fail_syncfs = 1;
    for (unsigned i = 0; i < 500; i++)
        put(s, i);
    client_shelf_hurry(s->s);
    /* of the first batch none; a second one, if the thread was that quick, is whole */
    assert_true(collect(s, 500) < 500);
    assert_true(here(s, &others) < 500);
    assert_int_equal(others, 0);
    put(s, 1000); /* it goes on */
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 1), 1);
}

static void a_folder_whose_sync_fails_has_kept_nothing(void **state)
{
    struct scene *s = *state;

    fail_fsync = 2; /* of one receipt: the file's is the first */
    put(s, 1);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 1), 0);
}

static void one_that_cannot_be_written_does_not_hurt_the_others(void **state)
{
    struct scene *s = *state;
    unsigned others;

    fail_write = 3;
    for (unsigned i = 0; i < 100; i++)
        put(s, i);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 100), 99);
    fail_rename = 2;
    for (unsigned i = 100; i < 200; i++)
        put(s, i);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 100), 99);
    assert_int_equal(here(s, &others), 198);
    assert_int_equal(others, 0);
}

static void an_older_receipt_is_replaced(void **state)
{
    struct scene *s = *state;
    struct id128 sub = sub_of(7);
    unsigned others;

    assert_int_equal(client_shelf_put(s->s, &sub, ".tlog-proof", SHELF_ALONE, span_str("old"), s),
                     0);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 1), 1);
    put(s, 7);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 1), 1);
    assert_int_equal(here(s, &others), 1);
    assert_int_equal(others, 0);
}

static void what_is_handed_in_is_kept_when_the_shelf_closes(void **state)
{
    struct scene *s = *state;
    struct err e = ERR_INIT;
    unsigned others;

    for (unsigned i = 0; i < 1500; i++)
        put(s, i);
    client_shelf_close(s->s);
    assert_int_equal(here(s, &others), 1500);
    assert_int_equal(others, 0);
    assert_int_equal(client_shelf_open(&s->s, s->dir, &e), 0);
}

static void a_full_shelf_takes_nothing_more(void **state)
{
    struct scene *s = *state;
    struct id128 sub = sub_of(CLIENT_SHELF_MAX);

    hold = true;
    for (unsigned i = 0; i < CLIENT_SHELF_MAX; i++)
        put(s, i);
    assert_int_equal(client_shelf_put(s->s, &sub, ".tlog-proof", SHELF_ALONE, span_str(TEXT), s),
                     -EAGAIN);
    hold = false;
    assert_int_equal(collect(s, CLIENT_SHELF_MAX), CLIENT_SHELF_MAX);
    put(s, CLIENT_SHELF_MAX);
}

/* --- packs --- */

static void put_packed(struct scene *s, unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++) {
        struct id128 sub = sub_of(i);

        assert_int_equal(
            client_shelf_put(s->s, &sub, ".tlog-proof", SHELF_PACKED, span_str(TEXT), s), 0);
    }
    client_shelf_hurry(s->s);
}

/* Packs in the folder and receipts in them. */
static unsigned packs(const struct scene *s, unsigned *receipts)
{
    struct dirent *d;
    struct buf b;
    unsigned n = 0;
    DIR *dir = opendir(s->dir);

    assert_non_null(dir);
    *receipts = 0;
    buf_init(&b, RECEIPT_PACK_MAX);
    while ((d = readdir(dir)) != NULL) {
        char path[512];
        struct id128 sub;
        struct span r;
        struct cur c;
        int rc;

        if (strlen(d->d_name) != 32 + strlen(CLIENT_SHELF_PACK))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", s->dir, d->d_name);
        buf_reset(&b);
        assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
        c = cur_of(buf_span(&b));
        while ((rc = receipt_pack_next(&c, &sub, &r, NULL)) == 0) {
            assert_true(span_is(r, TEXT));
            ++*receipts;
        }
        assert_int_equal(rc, -ENOENT);
        n++;
    }
    (void)closedir(dir);
    buf_free(&b);
    return n;
}

static void many_that_need_no_file_share_one(void **state)
{
    struct scene *s = *state;
    unsigned others, n;

    put_packed(s, 0, 500);
    assert_int_equal(collect(s, 500), 500);
    assert_in_range(packs(s, &n), 1, 8); /* more than one if putting was slow */
    assert_true(n + here(s, &others) == 500);
    assert_int_equal(filesystem_syncs, 0);
    assert_in_range(file_syncs, 2, 8 * 6);
    assert_int_equal(early_renames, 0);
    put_packed(s, 1000, 1); /* one alone is found by its name */
    assert_int_equal(collect(s, 1), 1);
    assert_int_equal(here(s, &others) + n, 501);
}

static void a_pack_that_fails_keeps_none_of_its_receipts(void **state)
{
    atomic_int *const which[] = {&fail_write, &fail_fsync, &fail_rename};
    struct scene *s = *state;
    unsigned n, before = 0;

    for (size_t i = 0; i < ARRAY_LEN(which); i++) {
        unsigned kept;

        *which[i] = 1;
        put_packed(s, 0, 100);
        kept = collect(s, 100);
        assert_true(kept < 100);
        (void)packs(s, &n);
        assert_true(n - before <= kept); /* up to four may have been quick, and alone */
        before = n;
    }
}

static void receipts_do_not_replace_those_of_an_older_pack(void **state)
{
    struct scene *s = *state;
    unsigned n;

    put_packed(s, 0, 200);
    assert_int_equal(collect(s, 200), 200);
    (void)packs(s, &n);
    assert_true(n >= 196);
    put_packed(s, 0, 50);
    assert_int_equal(collect(s, 50), 50);
    (void)packs(s, &n);
    assert_true(n >= 196 + 46);
}

static void a_pack_goes_when_each_of_its_receipts_has_a_newer_one(void **state)
{
    struct scene *s = *state;
    struct err e = ERR_INIT;
    unsigned n;

    put_packed(s, 0, 100);
    assert_int_equal(collect(s, 100), 100);
    for (unsigned i = 0; i < 99; i++)
        put(s, i);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 99), 99);
    assert_int_equal(client_shelf_tidy(s->s, ".tlog-proof", &e), 0);
    assert_true(packs(s, &n) > 0); /* the last receipt stands nowhere else */
    put(s, 99);
    client_shelf_hurry(s->s);
    assert_int_equal(collect(s, 1), 1);
    assert_int_equal(client_shelf_tidy(s->s, ".tlog-proof", &e), 0);
    assert_int_equal(packs(s, &n), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        T(many_receipts_share_a_sync),
        T(what_comes_while_a_sync_runs_shares_the_next),
        T(a_few_receipts_leave_the_file_system_alone),
        T(a_receipt_alone_does_not_wait_for_ever),
        T(a_sync_that_fails_keeps_none_of_its_receipts),
        T(a_folder_whose_sync_fails_has_kept_nothing),
        T(one_that_cannot_be_written_does_not_hurt_the_others),
        T(an_older_receipt_is_replaced),
        T(what_is_handed_in_is_kept_when_the_shelf_closes),
        T(a_full_shelf_takes_nothing_more),
        T(many_that_need_no_file_share_one),
        T(a_pack_that_fails_keeps_none_of_its_receipts),
        T(receipts_do_not_replace_those_of_an_older_pack),
        T(a_pack_goes_when_each_of_its_receipts_has_a_newer_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
