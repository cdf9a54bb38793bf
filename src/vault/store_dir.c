/* store_dir.c - segments as preallocated files of one folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "vault/store.h"

#define NAME_MAX_ 32
#define COPY_BLOCK ((size_t)1 << 20)

struct store_dir {
    struct store base;
    int fd;
};

struct store_segment {
    int fd;
};

static struct store_dir *dir_of(struct store *s)
{
    return (struct store_dir *)(void *)s;
}

static void name_of(char out[NAME_MAX_], uint32_t no, const char *suffix)
{
    (void)snprintf(out, NAME_MAX_, "seg-%08u%s", (unsigned)no, suffix);
}

static int segment_new(int fd, struct store_segment **out)
{
    *out = malloc(sizeof(**out));
    if (*out == NULL)
        return -ENOMEM;
    (*out)->fd = fd;
    return 0;
}

/* Reserved and of full length, or an error now.  A file system without fallocate gets zeros. */
static int reserve(int fd, uint64_t size)
{
    static const uint8_t zeros[65536];
    struct stat st;

    if (fallocate(fd, 0, 0, (off_t)size) == 0)
        return 0;
    if (errno != EOPNOTSUPP)
        return -errno;
    if (fstat(fd, &st) != 0)
        return -errno;
    for (uint64_t at = (uint64_t)st.st_size; at < size; at += sizeof(zeros)) {
        size_t n = size - at < sizeof(zeros) ? (size_t)(size - at) : sizeof(zeros);
        int rc = io_pwrite_all(fd, zeros, n, (off_t)at);

        if (rc != 0)
            return rc;
    }
    return 0;
}

static int dir_create(struct store *s, uint32_t no, uint64_t size, struct store_segment **out)
{
    struct store_dir *d = dir_of(s);
    char name[NAME_MAX_];
    int fd, rc;

    name_of(name, no, "");
    fd = openat(d->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if ((rc = reserve(fd, size)) != 0 || (rc = io_sync_fd(fd)) != 0 ||
        (rc = io_sync_fd(d->fd)) != 0)
        goto out;
    rc = segment_new(fd, out);
out:
    if (rc != 0) {
        (void)unlinkat(d->fd, name, 0);
        (void)close(fd);
    }
    return rc;
}

static int dir_open(struct store *s, uint32_t no, struct store_segment **out, uint64_t *size)
{
    char name[NAME_MAX_];
    struct stat st;
    int fd, rc;

    name_of(name, no, "");
    fd = openat(dir_of(s)->fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    rc = fstat(fd, &st) != 0 ? -errno : segment_new(fd, out);
    if (rc != 0)
        (void)close(fd);
    else
        *size = (uint64_t)st.st_size;
    return rc;
}

/* Blocks of zeros stay holes of the reservation: they need no writing. */
static int copy_bytes(int from, int to, uint64_t upto)
{
    uint8_t *b = malloc(COPY_BLOCK);
    int rc = b == NULL ? -ENOMEM : 0;

    for (uint64_t at = 0; rc == 0 && at < upto;) {
        size_t n = upto - at < COPY_BLOCK ? (size_t)(upto - at) : COPY_BLOCK;

        if ((rc = io_pread_full(from, b, n, (off_t)at)) != 0)
            break;
        if (b[0] != 0 || memcmp(b, b + 1, n - 1) != 0)
            rc = io_pwrite_all(to, b, n, (off_t)at);
        at += n;
    }
    free(b);
    return rc;
}

static int dir_copy(struct store *s, uint32_t no, uint64_t upto, uint64_t size)
{
    struct store_dir *d = dir_of(s);
    char name[NAME_MAX_], fresh[NAME_MAX_];
    int from = -1, to = -1, rc;

    name_of(name, no, "");
    name_of(fresh, no, ".new");
    if (unlinkat(d->fd, fresh, 0) != 0 && errno != ENOENT)
        return -errno;
    from = openat(d->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    to = openat(d->fd, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (from < 0 || to < 0) {
        rc = -errno;
        goto out;
    }
    if ((rc = reserve(to, size)) != 0 || (rc = copy_bytes(from, to, upto)) != 0 ||
        (rc = io_sync_fd(to)) != 0)
        goto out;
    if (renameat(d->fd, fresh, d->fd, name) != 0) {
        rc = -errno;
        goto out;
    }
    rc = io_sync_fd(d->fd);
out:
    if (rc != 0)
        (void)unlinkat(d->fd, fresh, 0);
    io_close(&from);
    io_close(&to);
    return rc;
}

static int dir_remove(struct store *s, uint32_t no)
{
    struct store_dir *d = dir_of(s);
    char name[NAME_MAX_];

    name_of(name, no, "");
    if (unlinkat(d->fd, name, 0) != 0)
        return -errno;
    return io_sync_fd(d->fd);
}

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* "seg-" and eight digits; 0: some other file */
static uint32_t number_of(const char *name)
{
    uint64_t no = 0;
    size_t n = strlen(name);

    if (n != 12 || memcmp(name, "seg-", 4) != 0)
        return 0;
    for (size_t i = 4; i < n; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        no = no * 10 + (uint64_t)(name[i] - '0');
    }
    return (uint32_t)no;
}

static int dir_list(struct store *s, uint32_t **nos, size_t *n)
{
    int fd = openat(dir_of(s)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    size_t cap = 0;
    struct dirent *de;
    DIR *dp;

    *nos = NULL;
    *n = 0;
    if (fd < 0 || (dp = fdopendir(fd)) == NULL) {
        rc = -errno;
        io_close(&fd);
        return rc;
    }
    while (rc == 0 && (de = readdir(dp)) != NULL) {
        uint32_t no = number_of(de->d_name), *grown;

        if (no == 0)
            continue;
        if (*n == cap) {
            cap = cap == 0 ? 64 : cap * 2;
            if ((grown = reallocarray(*nos, cap, sizeof(**nos))) == NULL) {
                rc = -ENOMEM;
                break;
            }
            *nos = grown;
        }
        (*nos)[(*n)++] = no;
    }
    (void)closedir(dp);
    if (*n > 0)
        qsort(*nos, *n, sizeof(**nos), compare);
    return rc;
}

static int dir_read(struct store_segment *g, void *p, size_t n, uint64_t at)
{
    return io_pread_full(g->fd, p, n, (off_t)at);
}

static int dir_write(struct store_segment *g, const void *p, size_t n, uint64_t at)
{
    return io_pwrite_all(g->fd, p, n, (off_t)at);
}

static void dir_hint(struct store_segment *g, uint64_t at, uint64_t n)
{
    (void)sync_file_range(g->fd, (off_t)at, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

static int dir_sync(struct store_segment *g)
{
    return io_datasync_fd(g->fd);
}

static int dir_punch(struct store_segment *g, uint64_t at, uint64_t n)
{
    if (fallocate(g->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n) != 0)
        return -errno;
    return 0;
}

static void dir_close(struct store_segment *g)
{
    if (g == NULL)
        return;
    (void)close(g->fd);
    free(g);
}

static int dir_state_get(struct store *s, struct buf *out)
{
    return io_read_file(dir_of(s)->fd, "state", out);
}

static int dir_state_put(struct store *s, const void *p, size_t n)
{
    return io_replace_file(dir_of(s)->fd, "state", p, n, 0600);
}

static void dir_free(struct store *s)
{
    struct store_dir *d = dir_of(s);

    io_close(&d->fd);
    free(d);
}

static const struct store_ops dir_ops = {
    .create = dir_create,
    .open = dir_open,
    .copy = dir_copy,
    .remove = dir_remove,
    .list = dir_list,
    .read = dir_read,
    .write = dir_write,
    .hint = dir_hint,
    .sync = dir_sync,
    .punch = dir_punch,
    .close = dir_close,
    .state_get = dir_state_get,
    .state_put = dir_state_put,
    .free = dir_free,
};

int store_dir_open(struct store **out, const char *dir, struct err *e)
{
    struct store_dir *d;
    int rc;

    if ((rc = io_mkdir_synced(AT_FDCWD, dir, 0700)) != 0)
        return err_sys(e, rc, "cannot make the vault's folder \"%s\"", dir);
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return err_sys(e, -ENOMEM, "opening the vault's folder \"%s\"", dir);
    d->base.ops = &dir_ops;
    d->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) {
        rc = err_sys(e, -errno, "cannot open the vault's folder \"%s\"", dir);
        goto out;
    }
    if (flock(d->fd, LOCK_EX | LOCK_NB) != 0) {
        rc = errno == EWOULDBLOCK
                 ? err_set(e, -EBUSY, "the vault \"%s\" is open in another process; stop it first",
                           dir)
                 : err_sys(e, -errno, "cannot lock the vault's folder \"%s\"", dir);
        goto out;
    }
    *out = &d->base;
    return 0;
out:
    dir_free(&d->base);
    return rc;
}

void store_free(struct store *s)
{
    if (s != NULL)
        s->ops->free(s);
}
