/* The model against its plain description (disk.h), one sentence a test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

#define SEEDS 400

static struct disk *d;
static char out[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st;
    (void)flag;
    (void)f;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    d = disk_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    disk_free(d);
    if (out[0] != '\0')
        (void)nftw(out, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    out[0] = '\0';
    return 0;
}

static void cut(enum disk_keep bytes, enum disk_keep names, uint64_t seed)
{
    const struct disk_cut how = {bytes, names, 512, false, seed};

    if (out[0] != '\0')
        (void)nftw(out, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)snprintf(out, sizeof(out), "/tmp/disk-XXXXXX");
    assert_non_null(mkdtemp(out));
    disk_cut(d, &how, out);
}

/* The bytes of a file after the cut; -1: it is not there. */
static long found(const char *name, uint8_t *p, size_t cap)
{
    char path[200];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", out, name);
    if ((fd = open(path, O_RDONLY)) < 0)
        return -1;
    n = read(fd, p, cap);
    (void)close(fd);
    return n;
}

static bool is_there(const char *name)
{
    uint8_t b[1];

    return found(name, b, 1) >= 0;
}

static disk_node file(const char *name, const void *p, size_t n)
{
    disk_node f = disk_make(d, DISK_ROOT, name, false);

    disk_write(d, f, p, n, 0);
    return f;
}

static void keep(disk_node n)
{
    disk_sync(d, n, disk_now(d));
}

static void what_was_written_and_not_synced_is_lost(void **state)
{
    uint8_t b[16];
    disk_node f;

    (void)state;
    f = file("a", "old", 3);
    keep(f);
    keep(DISK_ROOT);
    disk_write(d, f, "new!", 4, 0);
    assert_int_equal(disk_read(d, f, b, 16, 0), 4);
    cut(DISK_NONE, DISK_NONE, 0);
    assert_int_equal(found("a", b, 16), 3);
    assert_memory_equal(b, "old", 3);
    cut(DISK_ALL, DISK_ALL, 0);
    assert_int_equal(found("a", b, 16), 4);
    assert_memory_equal(b, "new!", 4);
    keep(f);
    assert_int_equal(disk_pending(d), 0);
    cut(DISK_NONE, DISK_NONE, 0);
    assert_int_equal(found("a", b, 16), 4);
}

static void a_sync_keeps_only_what_was_written_before_it_began(void **state)
{
    uint8_t b[16];
    uint64_t began;
    disk_node f;

    (void)state;
    f = file("a", "11", 2);
    began = disk_now(d);
    disk_write(d, f, "22", 2, 2);
    disk_sync(d, f, began);
    keep(DISK_ROOT);
    cut(DISK_NONE, DISK_NONE, 0);
    assert_int_equal(found("a", b, 16), 2);
}

static void a_file_whose_folder_was_not_synced_may_have_no_name(void **state)
{
    bool with = false, without = false;
    uint8_t b[4];

    (void)state;
    keep(file("a", "x", 1));
    cut(DISK_ALL, DISK_NONE, 0);
    assert_false(is_there("a"));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        cut(DISK_NONE, DISK_SOME, seed);
        *(is_there("a") ? &with : &without) = true;
        if (is_there("a"))
            assert_int_equal(found("a", b, 4), 1); /* its bytes were synced */
    }
    assert_true(with && without);
}

/* The classic: written, renamed over, the folder synced, the file never. */
static void a_name_may_be_kept_of_a_file_whose_bytes_are_not(void **state)
{
    uint8_t b[16];
    disk_node f;

    (void)state;
    f = file("a", "old", 3);
    keep(f);
    (void)file("tmp", "new", 3);
    disk_rename(d, DISK_ROOT, "tmp", DISK_ROOT, "a", false);
    keep(DISK_ROOT);
    cut(DISK_NONE, DISK_NONE, 0);
    assert_int_equal(found("a", b, 16), 0);
    assert_false(is_there("tmp"));
}

static void a_rename_not_synced_is_either_and_never_neither(void **state)
{
    bool before = false, after = false;
    uint8_t b[16];

    (void)state;
    keep(file("a", "old", 3));
    keep(file("tmp", "new", 3));
    keep(DISK_ROOT);
    disk_rename(d, DISK_ROOT, "tmp", DISK_ROOT, "a", false);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        cut(DISK_NONE, DISK_SOME, seed);
        assert_int_equal(found("a", b, 16), 3);
        assert_true(memcmp(b, "old", 3) == 0 ? is_there("tmp") : !is_there("tmp"));
        *(memcmp(b, "old", 3) == 0 ? &before : &after) = true;
    }
    assert_true(before && after);
    keep(DISK_ROOT);
    cut(DISK_NONE, DISK_NONE, 0);
    assert_int_equal(found("a", b, 16), 3);
    assert_memory_equal(b, "new", 3);
}

static void an_exchange_keeps_both_files(void **state)
{
    uint8_t a[4], b[4];

    (void)state;
    keep(file("a", "1", 1));
    keep(file("b", "2", 1));
    keep(DISK_ROOT);
    disk_rename(d, DISK_ROOT, "a", DISK_ROOT, "b", true);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        cut(DISK_NONE, DISK_SOME, seed);
        assert_int_equal(found("a", a, 4), 1);
        assert_int_equal(found("b", b, 4), 1);
        assert_int_equal(a[0] + b[0], '1' + '2');
    }
}

static void a_later_change_of_a_name_needs_the_earlier_ones(void **state)
{
    (void)state;
    (void)file("a", "x", 1);
    disk_rename(d, DISK_ROOT, "a", DISK_ROOT, "b", false);
    disk_rename(d, DISK_ROOT, "b", DISK_ROOT, "c", false);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        cut(DISK_NONE, DISK_SOME, seed);
        assert_true(is_there("a") + is_there("b") + is_there("c") <= 1);
    }
}

static void what_was_removed_may_come_back(void **state)
{
    bool with = false, without = false;

    (void)state;
    keep(file("a", "x", 1));
    keep(DISK_ROOT);
    disk_remove(d, DISK_ROOT, "a");
    assert_int_equal(disk_find(d, DISK_ROOT, "a"), 0);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        cut(DISK_NONE, DISK_SOME, seed);
        *(is_there("a") ? &with : &without) = true;
    }
    assert_true(with && without);
    keep(DISK_ROOT);
    cut(DISK_NONE, DISK_NONE, 0);
    assert_false(is_there("a"));
}

static void writes_are_torn_at_sectors_and_reordered(void **state)
{
    uint8_t zeros[2048] = {0}, ones[2048], b[2048];
    unsigned seen = 0; /* a bit for each pattern of four sectors */
    disk_node f;

    (void)state;
    memset(ones, 1, sizeof(ones));
    f = file("a", zeros, sizeof(zeros));
    keep(f);
    keep(DISK_ROOT);
    disk_write(d, f, ones, 1024, 0);
    disk_write(d, f, ones, 1024, 1024);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        unsigned pattern = 0;

        cut(DISK_SOME, DISK_SOME, seed);
        assert_int_equal(found("a", b, sizeof(b)), 2048);
        for (unsigned s = 0; s < 4; s++) {
            assert_memory_equal(b + s * 512, b[s * 512] ? ones : zeros, 512);
            pattern |= (unsigned)b[s * 512] << s;
        }
        seen |= 1U << pattern;
    }
    assert_int_equal(seen, 0xffff); /* each of them, the second without the first too */
}

static void a_sector_is_as_it_was_at_some_moment(void **state)
{
    uint8_t b[512], zeros[512] = {0};
    disk_node f;

    (void)state;
    f = file("a", zeros, sizeof(zeros));
    keep(f);
    keep(DISK_ROOT);
    disk_write(d, f, "1", 1, 0);
    disk_write(d, f, "2", 1, 100);
    disk_write(d, f, "3", 1, 200);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        cut(DISK_SOME, DISK_NONE, seed);
        assert_int_equal(found("a", b, 512), 512);
        assert_true(b[100] == 0 || b[0] == '1');
        assert_true(b[200] == 0 || b[100] == '2');
    }
}

static void a_length_is_kept_on_its_own(void **state)
{
    bool zeros = false, shorter = false, whole = false;
    uint8_t b[600], ones[600];
    disk_node f;

    (void)state;
    memset(ones, 1, sizeof(ones));
    f = disk_make(d, DISK_ROOT, "a", false);
    keep(DISK_ROOT);
    disk_write(d, f, ones, 300, 0);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        long n;

        cut(DISK_SOME, DISK_NONE, seed);
        n = found("a", b, sizeof(b));
        assert_true(n == 0 || n == 300);
        shorter |= n == 0;
        zeros |= n == 300 && b[0] == 0;
        whole |= n == 300 && b[0] == 1;
    }
    assert_true(zeros && shorter && whole);
}

static void a_prefix_keeps_everything_up_to_a_moment(void **state)
{
    char name[16];

    (void)state;
    for (int i = 0; i < 6; i++) {
        (void)snprintf(name, sizeof(name), "%d", i);
        (void)file(name, name, 1);
    }
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        bool ended = false;

        cut(DISK_PREFIX, DISK_PREFIX, seed);
        for (int i = 0; i < 6; i++) {
            (void)snprintf(name, sizeof(name), "%d", i);
            assert_false(ended && is_there(name));
            ended = !is_there(name);
        }
    }
}

static void the_newest_may_be_kept_and_the_older_lost(void **state)
{
    uint8_t b[8 * 512], zeros[sizeof(b)] = {0};
    unsigned seen = 0;
    disk_node f;

    (void)state;
    f = file("a", zeros, sizeof(zeros));
    keep(f);
    keep(DISK_ROOT);
    for (unsigned i = 0; i < 8; i++)
        disk_write(d, f, "1", 1, i * 512);
    disk_write(d, f, "2", 1, 1); /* of the first sector again */
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        unsigned n = 0;

        cut(DISK_LATE, DISK_ALL, seed);
        assert_int_equal(found("a", b, sizeof(b)), sizeof(b));
        assert_true(b[0] == 0 && b[1] == 0); /* not the second of its writes without the first */
        for (unsigned i = 1; i < 8; i++) {
            assert_true(n == 0 || b[i * 512] == '1');
            n += b[i * 512] == '1';
        }
        assert_true(n < 4);
        seen |= 1U << n;
    }
    assert_int_equal(seen, 0xf);
}

static void a_folder_not_synced_takes_its_files_along(void **state)
{
    disk_node folder;

    (void)state;
    folder = disk_make(d, DISK_ROOT, "f", true);
    keep(disk_make(d, folder, "a", false));
    keep(folder);
    cut(DISK_ALL, DISK_NONE, 0);
    assert_false(is_there("f/a"));
    keep(DISK_ROOT);
    cut(DISK_NONE, DISK_NONE, 0);
    assert_true(is_there("f/a"));
    assert_int_equal(disk_path(d, "f/./a"), 3);
}

static void a_sync_that_failed_leaves_what_no_later_one_keeps(void **state)
{
    uint8_t b[2000], ones[1024];
    disk_node f;

    (void)state;
    memset(ones, 1, sizeof(ones));
    f = file("a", ones, 512);
    keep(DISK_ROOT);
    disk_lose(d, f);
    disk_write(d, f, ones, 512, 512);
    keep(f);
    assert_int_equal(disk_read(d, f, b, sizeof(b), 0), 1024);
    assert_memory_equal(b, ones, 1024);
    cut(DISK_ALL, DISK_ALL, 0);
    assert_int_equal(found("a", b, sizeof(b)), 1024);
    assert_int_equal(b[0], 0);
    assert_memory_equal(b + 512, ones, 512);
}

static void rubbish_is_only_where_nobody_wrote_or_reserved(void **state)
{
    struct disk_cut how = {DISK_NONE, DISK_ALL, 512, true, 7};
    uint8_t b[4096], zeros[4096] = {0};
    disk_node f, g;

    (void)state;
    f = disk_make(d, DISK_ROOT, "reserved", false);
    disk_reserve(d, f, 0, 4096, false);
    keep(f);
    g = disk_make(d, DISK_ROOT, "extended", false);
    disk_write(d, g, zeros, 1024, 0);
    how.bytes = DISK_SOME;
    for (how.seed = 0; how.seed < SEEDS; how.seed++) {
        cut(DISK_NONE, DISK_NONE, 0);
        disk_cut(d, &how, out);
        assert_int_equal(found("reserved", b, 4096), 4096);
        assert_memory_equal(b, zeros, 4096);
        if (found("extended", b, 4096) == 1024 && memcmp(b, zeros, 1024) != 0)
            return;
    }
    fail();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(what_was_written_and_not_synced_is_lost),
        T(a_sync_keeps_only_what_was_written_before_it_began),
        T(a_file_whose_folder_was_not_synced_may_have_no_name),
        T(a_name_may_be_kept_of_a_file_whose_bytes_are_not),
        T(a_rename_not_synced_is_either_and_never_neither),
        T(an_exchange_keeps_both_files),
        T(a_later_change_of_a_name_needs_the_earlier_ones),
        T(what_was_removed_may_come_back),
        T(writes_are_torn_at_sectors_and_reordered),
        T(a_sector_is_as_it_was_at_some_moment),
        T(a_length_is_kept_on_its_own),
        T(a_prefix_keeps_everything_up_to_a_moment),
        T(the_newest_may_be_kept_and_the_older_lost),
        T(a_folder_not_synced_takes_its_files_along),
        T(a_sync_that_failed_leaves_what_no_later_one_keeps),
        T(rubbish_is_only_where_nobody_wrote_or_reserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
