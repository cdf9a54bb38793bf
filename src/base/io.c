#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The value of a call that is begun again when a signal interrupted it. */
#define RETRY(call)                                                                                \
    __extension__({                                                                                \
        ssize_t r_;                                                                                \
                                                                                                   \
        do                                                                                         \
            r_ = (call);                                                                           \
        while (r_ < 0 && errno == EINTR);                                                          \
        r_;                                                                                        \
    })

int io_write_all(int fd, const void *p, size_t n)
{
    const uint8_t *b = p;

    while (n > 0) {
        ssize_t w = RETRY(write(fd, b, n));

        if (w <= 0) /* 0 would be asked for ever */
            return w < 0 ? -errno : -EIO;
        b += w;
        n -= (size_t)w;
    }
    return 0;
}

int io_pwrite_all(int fd, const void *p, size_t n, off_t at)
{
    const uint8_t *b = p;

    while (n > 0) {
        ssize_t w = RETRY(pwrite(fd, b, n, at));

        if (w <= 0)
            return w < 0 ? -errno : -EIO;
        b += w;
        at += w;
        n -= (size_t)w;
    }
    return 0;
}

int io_read_full(int fd, void *p, size_t n)
{
    uint8_t *b = p;

    while (n > 0) {
        ssize_t r = RETRY(read(fd, b, n));

        if (r <= 0)
            return r < 0 ? -errno : -EPIPE;
        b += r;
        n -= (size_t)r;
    }
    return 0;
}

int io_pread_full(int fd, void *p, size_t n, off_t at)
{
    uint8_t *b = p;

    while (n > 0) {
        ssize_t r = RETRY(pread(fd, b, n, at));

        if (r <= 0)
            return r < 0 ? -errno : -EPIPE;
        b += r;
        at += r;
        n -= (size_t)r;
    }
    return 0;
}

/* Reads what fits, at most 64 KiB, to the end of b.  Returns bytes read, 0 at end of file. */
static ssize_t read_some(int fd, struct buf *b)
{
    size_t room = b->max - b->len < 65536 ? b->max - b->len : 65536;
    uint8_t beyond;
    ssize_t r;
    int rc;

    if (room == 0) { /* full: this must be the end */
        r = RETRY(read(fd, &beyond, 1));
        return r > 0 ? -E2BIG : r < 0 ? -errno : 0;
    }
    rc = buf_reserve(b, room);
    if (rc != 0)
        return rc;
    r = RETRY(read(fd, b->data + b->len, room));
    if (r < 0)
        return -errno;
    b->len += (size_t)r;
    return r;
}

int io_read_fd(int fd, struct buf *b)
{
    size_t before = b->len;
    ssize_t r;

    do
        r = read_some(fd, b);
    while (r > 0);
    if (r < 0)
        b->len = before;
    return (int)r;
}

int io_read_file(int dirfd, const char *path, struct buf *b)
{
    struct stat st;
    int fd, rc = 0;

    /* O_NONBLOCK: opening a FIFO must not wait for a writer; regular files ignore it */
    fd = (int)RETRY(openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = -EINVAL;
    else
        rc = buf_reserve(b, (size_t)st.st_size);
    if (rc == 0)
        rc = io_read_fd(fd, b);
    io_close(&fd);
    return rc;
}

int io_sync_fd(int fd)
{
    return RETRY(fsync(fd)) == 0 ? 0 : -errno;
}

int io_datasync_fd(int fd)
{
    return RETRY(fdatasync(fd)) == 0 ? 0 : -errno;
}

void io_close(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd); /* on Linux it is closed even after EINTR */
    *fd = -1;
    errno = saved;
}

static int open_dir(int dirfd, const char *path)
{
    int fd = (int)RETRY(openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

    return fd < 0 ? -errno : fd;
}

int io_sync_dir(int dirfd, const char *path)
{
    int fd = open_dir(dirfd, path);
    int rc;

    if (fd < 0)
        return fd;
    rc = io_sync_fd(fd);
    io_close(&fd);
    return rc;
}

/* A file being made: its folder, its final name in there, and the name it has until then. */
struct pending {
    int dir;
    const char *name;
    char temp[48]; /* "" when there is none to remove */
};

static int pending_open(struct pending *f, int dirfd, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);

    *f = (struct pending){.dir = -1, .name = slash == NULL ? path : slash + 1};
    if (folder == NULL)
        return -ENOMEM;
    f->dir = f->name[0] == '\0' ? -EINVAL : open_dir(dirfd, folder);
    free(folder);
    return f->dir < 0 ? f->dir : 0;
}

/* Makes the temporary file whole and durable.  O_EXCL settles who owns a name, so neither threads
 * nor what a dead process of the same pid left behind can collide. */
static int pending_write(struct pending *f, const void *p, size_t n, mode_t mode)
{
    char temp[sizeof(f->temp)];
    int fd = -1, rc;

    for (unsigned i = 0; fd < 0 && i < 10000; i++) {
        (void)snprintf(temp, sizeof(temp), ".tmp-%ld-%u", (long)getpid(), i);
        fd = (int)RETRY(openat(f->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        return -errno;
    memcpy(f->temp, temp, sizeof(temp));
    rc = io_write_all(fd, p, n);
    if (rc == 0)
        rc = io_sync_fd(fd);
    io_close(&fd);
    return rc;
}

static void pending_close(struct pending *f)
{
    if (f->temp[0] != '\0')
        (void)unlinkat(f->dir, f->temp, 0);
    io_close(&f->dir);
}

/* Puts the temporary file in the place of the old one and makes that durable.  The two names are
 * exchanged, so that the old file is still there to be put back should the folder's sync fail;
 * where there is no old file, or the file system cannot exchange, it is a plain rename. */
static int publish_over(struct pending *f)
{
    struct stat st;
    bool exchanged;
    int rc;

    if (fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return -EISDIR; /* rename would say so, an exchange would move the folder away */
    exchanged = renameat2(f->dir, f->temp, f->dir, f->name, RENAME_EXCHANGE) == 0;
    if (!exchanged) {
        bool fresh = errno == ENOENT;

        if (renameat(f->dir, f->temp, f->dir, f->name) != 0)
            return -errno;
        f->temp[0] = '\0';
        rc = io_sync_fd(f->dir);
        if (rc != 0 && fresh)
            (void)unlinkat(f->dir, f->name, 0);
        return rc;
    }
    rc = io_sync_fd(f->dir);
    if (rc != 0)
        (void)renameat2(f->dir, f->temp, f->dir, f->name, RENAME_EXCHANGE);
    return rc;
}

static int publish_new(struct pending *f)
{
    int rc;

    /* link, because rename would silently replace a file that is there */
    if (linkat(f->dir, f->temp, f->dir, f->name, 0) != 0)
        return -errno;
    rc = io_sync_fd(f->dir);
    if (rc != 0)
        (void)unlinkat(f->dir, f->name, 0);
    return rc;
}

static int make_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode,
                     int (*publish)(struct pending *))
{
    struct pending f;
    int rc;

    rc = pending_open(&f, dirfd, path);
    if (rc != 0)
        return rc;
    rc = pending_write(&f, p, n, mode);
    if (rc == 0)
        rc = publish(&f);
    pending_close(&f);
    return rc;
}

int io_replace_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode)
{
    return make_file(dirfd, path, p, n, mode, publish_over);
}

int io_create_file(int dirfd, const char *path, const void *p, size_t n, mode_t mode)
{
    return make_file(dirfd, path, p, n, mode, publish_new);
}

/* 1: made, 0: it was there */
static int make_dir(int dirfd, const char *path, mode_t mode)
{
    struct stat st;

    if (mkdirat(dirfd, path, mode) == 0)
        return 1;
    if (errno != EEXIST)
        return -errno;
    if (fstatat(dirfd, path, &st, 0) != 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* The folder that a path's last name stands in; slashes at its end do not count. */
static char *dir_of(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    return n == 0 ? strdup(".") : strndup(path, n);
}

int io_mkdir_synced(int dirfd, const char *path, mode_t mode)
{
    int rc = make_dir(dirfd, path, mode);
    char *above;

    if (rc <= 0)
        return rc;
    above = dir_of(path);
    rc = above == NULL ? -ENOMEM : io_sync_dir(dirfd, above);
    free(above);
    if (rc != 0) /* else who tries again finds it and asks no more */
        (void)unlinkat(dirfd, path, AT_REMOVEDIR);
    return rc;
}

static int mkdir_plain(int dirfd, const char *path, mode_t mode)
{
    int rc = make_dir(dirfd, path, mode);

    return rc < 0 ? rc : 0;
}

static int each_dir(int dirfd, const char *path, int (*make)(int, const char *, mode_t))
{
    char *copy = strdup(path);
    int rc = 0;

    if (copy == NULL)
        return -ENOMEM;
    for (char *p = copy; *p != '\0' && rc == 0; p++) {
        if (*p != '/' || p == copy)
            continue;
        *p = '\0';
        rc = make(dirfd, copy, 0755);
        *p = '/';
    }
    if (rc == 0)
        rc = make(dirfd, copy, 0755);
    free(copy);
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int io_remove_tree(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return 0;
    return -errno;
}

int io_mkdirs(int dirfd, const char *path)
{
    return each_dir(dirfd, path, mkdir_plain);
}

int io_mkdirs_synced(int dirfd, const char *path)
{
    return each_dir(dirfd, path, io_mkdir_synced);
}

int io_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    const struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC),
                                 .mode = mode,
                                 .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    long fd;

    do
        fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
    while (fd < 0 && (errno == EINTR || errno == EAGAIN)); /* something was renamed meanwhile */
    return fd < 0 ? -errno : (int)fd;
}

int io_mkdirs_beneath(int dirfd, const char *path)
{
    int at = io_open_beneath(dirfd, ".", O_PATH | O_DIRECTORY, 0), rc = at < 0 ? at : 0;

    while (rc == 0 && *path != '\0') {
        size_t n = strcspn(path, "/");
        char name[NAME_MAX + 1];
        int next;

        if (n > NAME_MAX) {
            rc = -ENAMETOOLONG;
            break;
        }
        memcpy(name, path, n);
        name[n] = '\0';
        path += n + strspn(path + n, "/");
        if (n == 0)
            continue;
        if (mkdirat(at, name, 0755) != 0 && errno != EEXIST)
            rc = -errno;
        else if ((next = io_open_beneath(at, name, O_PATH | O_DIRECTORY, 0)) < 0)
            rc = next;
        else {
            io_close(&at);
            at = next;
        }
    }
    io_close(&at);
    return rc;
}
