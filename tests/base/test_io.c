#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

/* Every wrapped call counts down; the one that reaches zero fails with EIO.  Rough weather: reads
 * and writes move one byte at a time and every other call is interrupted. */
static int calls_left = -1;
static bool rough;
static bool no_exchange;
static unsigned turn;

static bool fails_now(void)
{
    if (calls_left < 0 || calls_left-- > 0)
        return false;
    errno = EIO;
    return true;
}

static bool interrupted(void)
{
    if (!rough || turn++ % 2 != 0)
        return false;
    errno = EINTR;
    return true;
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    return interrupted() || fails_now() ? -1 : __real_write(fd, p, rough && n > 0 ? 1 : n);
}

ssize_t __real_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return interrupted() || fails_now() ? -1 : __real_pwrite64(fd, p, rough ? 1 : n, at);
}

ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n)
{
    return interrupted() || fails_now() ? -1 : __real_read(fd, p, rough ? 1 : n);
}

ssize_t __real_pread64(int fd, void *p, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *p, size_t n, off_t at);
ssize_t __wrap_pread64(int fd, void *p, size_t n, off_t at)
{
    return interrupted() || fails_now() ? -1 : __real_pread64(fd, p, rough ? 1 : n, at);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    return interrupted() || fails_now() ? -1 : __real_fsync(fd);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
    return interrupted() || fails_now() ? -1 : __real_fdatasync(fd);
}

int __real_openat64(int dir, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dir, const char *path, int flags, mode_t mode);
int __wrap_openat64(int dir, const char *path, int flags, mode_t mode)
{
    return interrupted() || fails_now() ? -1 : __real_openat64(dir, path, flags, mode);
}

int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b)
{
    return fails_now() ? -1 : __real_renameat(from, a, to, b);
}

int __real_renameat2(int from, const char *a, int to, const char *b, unsigned flags);
int __wrap_renameat2(int from, const char *a, int to, const char *b, unsigned flags);
int __wrap_renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
    if (!no_exchange)
        return __real_renameat2(from, a, to, b, flags);
    errno = EINVAL;
    return -1;
}

int __real_linkat(int from, const char *a, int to, const char *b, int flags);
int __wrap_linkat(int from, const char *a, int to, const char *b, int flags);
int __wrap_linkat(int from, const char *a, int to, const char *b, int flags)
{
    return fails_now() ? -1 : __real_linkat(from, a, to, b, flags);
}

/* A fresh folder for each test; tear-down asserts that the test left nothing but "f". */
static char where[64];
static int dir;

static int make_dir(void **state)
{
    (void)state;
    (void)snprintf(where, sizeof(where), "/tmp/test-io-XXXXXX");
    if (mkdtemp(where) == NULL)
        return -1;
    calls_left = -1;
    rough = no_exchange = false;
    dir = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
    (void)state;
    rough = false;
    calls_left = -1;
    (void)unlinkat(dir, "f", 0);
    (void)close(dir);
    return rmdir(where); /* fails if a temporary file was left */
}

static size_t names(void)
{
    DIR *d = opendir(where);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n - 2;
}

static void assert_file(const char *name, const char *want)
{
    struct buf b;

    buf_init(&b, 1 << 20);
    assert_int_equal(io_read_file(dir, name, &b), 0);
    assert_string_equal(buf_str(&b), want);
    buf_free(&b);
}

static void bytes_arrive_whole_though_calls_are_short_and_interrupted(void **state)
{
    char text[300], back[300];
    struct buf b;
    int fd = openat(dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    rough = true;
    assert_int_equal(io_write_all(fd, text, sizeof(text)), 0);
    assert_int_equal(io_pwrite_all(fd, "XYZ", 3, 10), 0);
    memcpy(text + 10, "XYZ", 3);
    assert_int_equal(io_pread_full(fd, back, sizeof(back), 0), 0);
    assert_memory_equal(back, text, sizeof(text));
    assert_true(lseek(fd, 0, SEEK_SET) == 0);
    memset(back, 0, sizeof(back));
    assert_int_equal(io_read_full(fd, back, sizeof(back)), 0);
    assert_memory_equal(back, text, sizeof(text));
    assert_int_equal(io_sync_fd(fd), 0);
    assert_int_equal(io_datasync_fd(fd), 0);
    buf_init(&b, sizeof(text));
    assert_int_equal(io_read_file(dir, "f", &b), 0);
    assert_memory_equal(b.data, text, sizeof(text));
    assert_int_equal(io_replace_file(dir, "f", "new", 3, 0600), 0);
    rough = false;
    assert_file("f", "new");
    buf_free(&b);
    io_close(&fd);
    assert_int_equal(fd, -1);
    io_close(&fd);
}

static void an_early_end_and_a_failed_call_are_told(void **state)
{
    int fd = openat(dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char back[4];

    (void)state;
    assert_int_equal(io_write_all(fd, "abc", 3), 0);
    assert_int_equal(io_pread_full(fd, back, 4, 0), -EPIPE);
    assert_int_equal(io_pread_full(fd, back, 3, 0), 0);
    assert_int_equal(io_read_full(fd, back, 1), -EPIPE);
    assert_int_equal(io_read_full(fd, back, 0), 0);
    calls_left = 0;
    assert_int_equal(io_write_all(fd, "x", 1), -EIO);
    calls_left = 0;
    assert_int_equal(io_pwrite_all(fd, "x", 1, 0), -EIO);
    calls_left = 0;
    assert_int_equal(io_read_full(fd, back, 1), -EIO);
    calls_left = 0;
    assert_int_equal(io_pread_full(fd, back, 1, 0), -EIO);
    calls_left = 0;
    assert_int_equal(io_sync_fd(fd), -EIO);
    calls_left = 0;
    assert_int_equal(io_datasync_fd(fd), -EIO);
    calls_left = 0;
    assert_int_equal(io_sync_dir(dir, "."), -EIO);
    calls_left = 1;
    assert_int_equal(io_sync_dir(dir, "."), -EIO);
    assert_int_equal(io_sync_dir(dir, "nowhere"), -ENOENT);
    assert_int_equal(io_sync_dir(dir, "f"), -ENOTDIR);
    assert_int_equal(io_write_all(-1, "x", 1), -EBADF);
    io_close(&fd);
}

static void a_file_larger_than_the_buffer_may_be_is_refused(void **state)
{
    struct buf b;
    int end[2];

    (void)state;
    assert_int_equal(io_create_file(dir, "f", "12345", 5, 0600), 0);
    buf_init(&b, 5);
    assert_int_equal(io_read_file(dir, "f", &b), 0);
    assert_int_equal(b.len, 5);
    buf_free(&b);
    buf_init(&b, 4);
    assert_int_equal(io_read_file(dir, "f", &b), -E2BIG);
    assert_null(b.data); /* the size was known before */
    /* a pipe does not tell its size */
    assert_int_equal(pipe(end), 0);
    assert_int_equal(io_write_all(end[1], "12345", 5), 0);
    io_close(&end[1]);
    assert_int_equal(buf_putc(&b, 'k'), 0);
    assert_int_equal(io_read_fd(end[0], &b), -E2BIG);
    assert_true(span_is(buf_span(&b), "k"));
    io_close(&end[0]);
    buf_free(&b);
}

static void only_regular_files_are_read(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_int_equal(mkfifoat(dir, "f", 0600), 0);
    assert_int_equal(io_read_file(dir, "f", &b), -EINVAL); /* and does not wait for a writer */
    assert_int_equal(io_read_file(dir, ".", &b), -EINVAL);
    assert_int_equal(io_read_file(dir, "nowhere", &b), -ENOENT);
}

static void replacing_fails_at_every_step_and_the_old_file_is_there(void **state)
{
    int steps = 0;

    (void)state;
    assert_int_equal(io_replace_file(dir, "f", "old", 3, 0600), 0);
    for (;; steps++) {
        int rc;

        calls_left = steps;
        rc = io_replace_file(dir, "f", "new", 3, 0600);
        calls_left = -1;
        if (rc == 0)
            break;
        assert_int_equal(rc, -EIO);
        assert_file("f", "old");
        assert_int_equal(names(), 1);
    }
    assert_int_equal(steps, 5); /* open folder, open file, write, sync, sync of the folder */
    assert_file("f", "new");
    assert_int_equal(names(), 1);
}

static void a_first_file_is_whole_or_absent(void **state)
{
    int (*const make[])(int, const char *, const void *, size_t, mode_t) = {io_replace_file,
                                                                            io_create_file};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(make); i++) {
        int rc, steps = 0;

        do {
            assert_int_equal(names(), 0);
            calls_left = steps++;
            rc = make[i](dir, "f", "new", 3, 0600);
            calls_left = -1;
            assert_true(rc == 0 || rc == -EIO);
        } while (rc != 0);
        assert_int_equal(steps - 1, 6); /* the five, and rename or link */
        assert_file("f", "new");
        assert_int_equal(unlinkat(dir, "f", 0), 0);
    }
}

static void where_names_cannot_be_exchanged_rename_serves(void **state)
{
    (void)state;
    no_exchange = true;
    assert_int_equal(io_replace_file(dir, "f", "old", 3, 0600), 0);
    assert_int_equal(io_replace_file(dir, "f", "new", 3, 0600), 0);
    assert_file("f", "new");
    assert_int_equal(names(), 1);
}

static void a_taken_name_is_left_alone(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(io_create_file(dir, "f", "one", 3, 0640), 0);
    assert_int_equal(io_create_file(dir, "f", "two", 3, 0640), -EEXIST);
    assert_file("f", "one");
    assert_int_equal(fstatat(dir, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640 & ~022);
    assert_int_equal(names(), 1);
}

static void a_folder_is_never_replaced_and_bad_paths_are_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(dir, "d", 0700), 0);
    assert_int_equal(io_replace_file(dir, "d", "x", 1, 0600), -EISDIR);
    assert_int_equal(io_create_file(dir, "d", "x", 1, 0600), -EEXIST);
    assert_int_equal(io_replace_file(dir, "d/", "x", 1, 0600), -EINVAL);
    assert_int_equal(io_replace_file(dir, "", "x", 1, 0600), -EINVAL);
    assert_int_equal(io_replace_file(dir, "nowhere/f", "x", 1, 0600), -ENOENT);
    assert_int_equal(io_replace_file(dir, "d/f", "x", 1, 0600), 0);
    assert_file("d/f", "x");
    assert_int_equal(unlinkat(dir, "d/f", 0), 0);
    assert_int_equal(unlinkat(dir, "d", AT_REMOVEDIR), 0);
}

static void what_a_dead_process_left_behind_is_no_obstacle(void **state)
{
    char litter[48];
    int fd;

    (void)state;
    (void)snprintf(litter, sizeof(litter), ".tmp-%ld-0", (long)getpid());
    fd = openat(dir, litter, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    io_close(&fd);
    assert_int_equal(io_replace_file(dir, "f", "x", 1, 0600), 0);
    assert_int_equal(names(), 2);
    assert_int_equal(unlinkat(dir, litter, 0), 0);
}

static void every_missing_folder_is_made(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(io_mkdirs(dir, "a//b/c/"), 0);
    assert_int_equal(io_mkdirs(dir, "a/b/c"), 0);
    assert_int_equal(fstatat(dir, "a/b/c", &st, 0), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(io_replace_file(dir, "f", "x", 1, 0600), 0);
    assert_int_equal(io_mkdirs(dir, "f"), -ENOTDIR);
    assert_int_equal(io_mkdirs(dir, "f/g"), -ENOTDIR);
    assert_int_equal(io_mkdirs(dir, ""), -ENOENT);
    assert_int_equal(io_mkdirs(AT_FDCWD, where), 0);
    assert_int_equal(unlinkat(dir, "a/b/c", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(dir, "a/b", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(dir, "a", AT_REMOVEDIR), 0);
}

static int beneath(const char *path, int flags, mode_t mode)
{
    int fd = io_open_beneath(dir, path, flags, mode);

    if (fd < 0)
        return fd;
    io_close(&fd);
    return 0;
}

static void nothing_is_opened_through_a_link(void **state)
{
    char outside[96];

    (void)state;
    assert_int_equal(io_mkdirs_beneath(dir, "a//b/c/"), 0);
    assert_int_equal(io_mkdirs_beneath(dir, "a/b"), 0);
    assert_int_equal(io_replace_file(dir, "f", "x", 1, 0600), 0);
    assert_int_equal(symlinkat("f", dir, "to-f"), 0);
    assert_int_equal(symlinkat("../../f", dir, "a/b/up"), 0);
    assert_int_equal(symlinkat("a", dir, "to-a"), 0);
    (void)snprintf(outside, sizeof(outside), "%s/f", where);
    assert_int_equal(beneath("f", O_RDONLY, 0), 0);
    assert_int_equal(beneath("a/b/../../f", O_RDONLY, 0), 0); /* stays beneath */
    assert_int_equal(beneath("a/b/c/new", O_WRONLY | O_CREAT | O_EXCL, 0600), 0);
    assert_int_equal(beneath("a/b/c/new", O_WRONLY | O_CREAT | O_EXCL, 0600), -EEXIST);
    assert_int_equal(beneath("none", O_RDONLY, 0), -ENOENT);
    assert_int_equal(beneath("to-f", O_RDONLY, 0), -ELOOP);
    assert_int_equal(beneath("a/b/up", O_RDONLY, 0), -ELOOP);
    assert_int_equal(beneath("to-a/b", O_RDONLY | O_DIRECTORY, 0), -ELOOP);
    assert_int_equal(beneath("to-a/new", O_WRONLY | O_CREAT, 0600), -ELOOP);
    assert_int_equal(beneath("../f", O_RDONLY, 0), -EXDEV);
    assert_int_equal(beneath(outside, O_RDONLY, 0), -EXDEV);
    assert_true(io_mkdirs_beneath(dir, "to-a/x") < 0);
    assert_true(io_mkdirs_beneath(dir, "f/x") < 0);
    assert_true(io_mkdirs_beneath(dir, "../x") < 0);
    assert_int_equal(faccessat(dir, "a/x", F_OK, 0), -1);
    (void)snprintf(outside, sizeof(outside), "%s/a", where);
    assert_int_equal(io_remove_tree(outside), 0);
    assert_int_equal(unlinkat(dir, "to-f", 0), 0);
    assert_int_equal(unlinkat(dir, "to-a", 0), 0);
}

static void a_tree_is_removed_without_following_its_links(void **state)
{
    char path[96];

    assert_int_equal(io_mkdirs(dir, "a/b/c"), 0);
    assert_int_equal(io_replace_file(dir, "f", "x", 1, 0600), 0);
    assert_int_equal(io_replace_file(dir, "a/b/g", "y", 1, 0400), 0);
    assert_int_equal(symlinkat("../../f", dir, "a/b/to-f"), 0);
    assert_int_equal(symlinkat("..", dir, "a/b/up"), 0);
    (void)snprintf(path, sizeof(path), "%s/a", where);
    assert_int_equal(io_remove_tree(path), 0);
    assert_int_equal(names(), 1);
    assert_file("f", "x");
    assert_int_equal(io_remove_tree(path), 0); /* nothing to do */
    (void)snprintf(path, sizeof(path), "%s/f/g", where);
    assert_int_equal(io_remove_tree(path), -ENOTDIR);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(bytes_arrive_whole_though_calls_are_short_and_interrupted),
        IN_DIR(an_early_end_and_a_failed_call_are_told),
        IN_DIR(a_file_larger_than_the_buffer_may_be_is_refused),
        IN_DIR(only_regular_files_are_read),
        IN_DIR(replacing_fails_at_every_step_and_the_old_file_is_there),
        IN_DIR(a_first_file_is_whole_or_absent),
        IN_DIR(where_names_cannot_be_exchanged_rename_serves),
        IN_DIR(a_taken_name_is_left_alone),
        IN_DIR(a_folder_is_never_replaced_and_bad_paths_are_refused),
        IN_DIR(what_a_dead_process_left_behind_is_no_obstacle),
        IN_DIR(every_missing_folder_is_made),
        IN_DIR(nothing_is_opened_through_a_link),
        IN_DIR(a_tree_is_removed_without_following_its_links),
    };

    (void)umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
