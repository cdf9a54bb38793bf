/* The faulty file system keeps its orders, and is an ordinary one without them. */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "mount.h"

static const char *program;
static char dir[SCRATCH], backing[120], at[120], after[120];
static struct faultfs fs;

static int set_up(void **state)
{
    (void)state;
    scratch_make(dir);
    (void)snprintf(backing, sizeof(backing), "%s/backing", dir);
    (void)snprintf(at, sizeof(at), "%s/at", dir);
    (void)snprintf(after, sizeof(after), "%s/after", dir);
    if (mkdir(backing, 0755) != 0 || mkdir(at, 0755) != 0 || mkdir(after, 0755) != 0)
        return -1;
    return faultfs_mount(&fs, program, backing, at) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    faultfs_unmount(&fs);
    scratch_remove(dir);
    return 0;
}

static int open_at(const char *name, int flags)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s", at, name);
    return open(path, flags | O_CLOEXEC, 0640);
}

static void put(const char *name, const char *text, bool sync)
{
    int fd = open_at(name, O_RDWR | O_CREAT | O_TRUNC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    if (sync)
        assert_int_equal(fsync(fd), 0);
    assert_int_equal(close(fd), 0);
}

static void sync_root(void)
{
    int fd = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    (void)close(fd);
}

/* What a file below folder says; NULL: it is not there. */
static const char *says(const char *folder, const char *name)
{
    static char text[4096];
    char path[200];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return NULL;
    n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void it_is_an_ordinary_file_system(void **state)
{
    char a[200], b[200];
    struct stat st;
    int fd;

    (void)state;
    put("one", "text", false);
    assert_string_equal(says(at, "one"), "text");
    (void)snprintf(a, sizeof(a), "%s/one", at);
    (void)snprintf(b, sizeof(b), "%s/two", at);
    assert_int_equal(stat(a, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(link(a, b), 0);
    assert_int_equal(unlink(a), 0);
    assert_string_equal(says(at, "two"), "text");
    put("three", "3", false);
    assert_int_equal(renameat2(AT_FDCWD, b, AT_FDCWD, a, RENAME_NOREPLACE), 0);
    (void)snprintf(b, sizeof(b), "%s/three", at);
    assert_int_equal(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE), 0);
    assert_string_equal(says(at, "three"), "text");
    assert_string_equal(says(at, "one"), "3");
    fd = open_at("one", O_RDWR);
    assert_int_equal(fallocate(fd, 0, 0, 8192), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 8192);
    assert_int_equal(ftruncate(fd, 1), 0);
    assert_int_equal(unlink(a), 0); /* an open file outlives its name */
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    (void)close(fd);
    assert_int_equal(open_at("nothing", O_RDONLY), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(open_at("three", O_RDWR | O_CREAT | O_EXCL), -1);
    assert_int_equal(errno, EEXIST);
}

static void a_cut_keeps_what_was_synced(void **state)
{
    char n[64];

    (void)state;
    put("kept", "yes", true);
    put("unnamed", "yes", true);
    put("lost", "no", false);
    faultfs_order(&fs, n, sizeof(n), "syncs");
    assert_true(strtoul(n, NULL, 10) > 0);
    faultfs_order(&fs, NULL, 0, "cut none 1 %s", after);
    assert_null(says(after, "kept"));
    sync_root();
    faultfs_order(&fs, NULL, 0, "cut none 1 %s", after);
    assert_string_equal(says(after, "kept"), "yes");
    assert_string_equal(says(after, "unnamed"), "yes");
    assert_string_equal(says(after, "lost"), "");
    assert_string_equal(says(at, "lost"), "no");
}

static void calls_fail_as_ordered(void **state)
{
    int fd;

    (void)state;
    put("a", "12345678", true);
    fd = open_at("a", O_RDWR);
    faultfs_order(&fs, NULL, 0, "fail write 2 %d 1", EIO);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    assert_int_equal(pwrite(fd, "y", 1, 1), -1);
    assert_int_equal(errno, EIO);
    assert_int_equal(pwrite(fd, "z", 1, 2), 1);
    faultfs_order(&fs, NULL, 0, "fail sync 1 %d 1", EIO);
    assert_int_equal(fsync(fd), -1);
    assert_int_equal(fsync(fd), 0); /* and what the first was to keep is gone for good */
    sync_root();
    faultfs_order(&fs, NULL, 0, "cut all 1 %s", after);
    assert_string_equal(says(after, "a"), "12345678");
    assert_string_equal(says(at, "a"), "x2z45678");
    faultfs_order(&fs, NULL, 0, "fail name 1 %d 0", ENOSPC);
    assert_int_equal(unlinkat(AT_FDCWD, at, 0), -1);
    (void)close(fd);
}

static void a_disk_fills_up_and_has_room_again(void **state)
{
    struct statvfs st;
    char big[8192];
    int fd;

    (void)state;
    memset(big, 'b', sizeof(big));
    fd = open_at("a", O_RDWR | O_CREAT);
    faultfs_order(&fs, NULL, 0, "full 4096");
    assert_int_equal(statvfs(at, &st), 0);
    assert_int_equal(st.f_bavail * st.f_frsize, 4096);
    assert_int_equal(write(fd, big, sizeof(big)), 4096);
    assert_int_equal(write(fd, big, sizeof(big)), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(fallocate(fd, 0, 0, 65536), -1);
    assert_int_equal(errno, ENOSPC);
    faultfs_order(&fs, NULL, 0, "full off");
    assert_int_equal(write(fd, big, sizeof(big)), sizeof(big));
    (void)close(fd);
}

static void a_disk_that_lies_keeps_nothing(void **state)
{
    (void)state;
    sync_root();
    faultfs_order(&fs, NULL, 0, "lie on");
    put("a", "x", true);
    sync_root();
    faultfs_order(&fs, NULL, 0, "cut none 1 %s", after);
    assert_null(says(after, "a"));
}

static void bits_flip_at_rest_and_on_the_way(void **state)
{
    (void)state;
    put("a", "abcdef", true);
    sync_root();
    faultfs_order(&fs, NULL, 0, "flip a 1");
    assert_string_equal(says(at, "a"), "afcdef");
    faultfs_order(&fs, NULL, 0, "cut none 1 %s", after);
    assert_string_equal(says(after, "a"), "afcdef");
    faultfs_order(&fs, NULL, 0, "flipread 1");
    assert_string_equal(says(at, "a"), "afc`ef");
    assert_string_equal(says(at, "a"), "afcdef");
}

static void half_writes_are_gone_on_with(void **state)
{
    int fd;

    (void)state;
    fd = open_at("a", O_RDWR | O_CREAT);
    faultfs_order(&fs, NULL, 0, "halve on");
    assert_int_equal(write(fd, "12345678", 8), 4);
    faultfs_order(&fs, NULL, 0, "halve off");
    (void)close(fd);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(it_is_an_ordinary_file_system),  T(a_cut_keeps_what_was_synced),
        T(calls_fail_as_ordered),          T(a_disk_fills_up_and_has_room_again),
        T(a_disk_that_lies_keeps_nothing), T(bits_flip_at_rest_and_on_the_way),
        T(half_writes_are_gone_on_with),
    };

    (void)argc;
    program = argv[1];
    if (geteuid() != 0 || access("/dev/fuse", R_OK | W_OK) != 0) {
        (void)fprintf(stderr, "skipped: FUSE needs root and /dev/fuse here\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
