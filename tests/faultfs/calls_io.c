/* calls_io.c - libc's open, read, write, sync and the like, for calls.h.  Each wrapper: is it about
 * the watched folder?  shall it fail?  the real call; the record. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls_priv.h"

/* --- open, close --- */

static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
    int (*really)(int, const char *, int, ...) = REAL(openat64);
    struct calls_place p;
    disk_node n;
    int fd;

    if (calls_watched(dirfd, path) && calls_one(CALL_OPEN))
        return -1;
    calls_enter();
    fd = really(dirfd, path, flags, mode);
    if (fd >= 0 && fd < CALLS_FDS)
        calls_of_fd[fd] = 0;
    if (fd >= 0 && fd < CALLS_FDS && calls_resolve(dirfd, path, &p)) {
        n = calls_node_at(&p);
        if (n == 0) {
            struct stat st;

            calls_name_step(MAKE, p.folder, p.name, 0);
            n = disk_find(calls_live, p.folder, p.name);
            if (fstat(fd, &st) == 0)
                disk_own(calls_live, n, st.st_mode, st.st_uid, st.st_gid);
        } else if ((flags & O_TRUNC) != 0 && disk_size(calls_live, n) > 0) {
            struct calls_step *s = calls_step(LENGTH, n);

            s->n = 0;
            calls_now(s);
        }
        calls_of_fd[fd] = n;
    }
    calls_leave();
    return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
    return (flags & O_CREAT) != 0 ? (mode_t)va_arg(ap, unsigned) : 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list ap;                                                                                \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(ap, flags);                                                                       \
        mode = mode_of(flags, ap);                                                                 \
        va_end(ap);                                                                                \
        return open_at(AT_FDCWD, path, flags, mode);                                               \
    }
#define OPENAT(name)                                                                               \
    int name(int dirfd, const char *path, int flags, ...)                                          \
    {                                                                                              \
        va_list ap;                                                                                \
        mode_t mode;                                                                               \
                                                                                                   \
        va_start(ap, flags);                                                                       \
        mode = mode_of(flags, ap);                                                                 \
        va_end(ap);                                                                                \
        return open_at(dirfd, path, flags, mode);                                                  \
    }
/* With _FILE_OFFSET_BITS=64 the headers rename open to open64, and fortified calls have names of
 * their own: all are given to the assembler as they are. */
int shadow_open(const char *path, int flags, ...) __asm__("open");
int shadow_open64(const char *path, int flags, ...) __asm__("open64");
int shadow_openat(int dirfd, const char *path, int flags, ...) __asm__("openat");
int shadow_openat64(int dirfd, const char *path, int flags, ...) __asm__("openat64");
int shadow_open_2(const char *path, int flags) __asm__("__open_2");
int shadow_open64_2(const char *path, int flags) __asm__("__open64_2");
int shadow_openat_2(int dirfd, const char *path, int flags) __asm__("__openat_2");
int shadow_openat64_2(int dirfd, const char *path, int flags) __asm__("__openat64_2");
OPEN(shadow_open)
OPEN(shadow_open64)
OPENAT(shadow_openat)
OPENAT(shadow_openat64)

int shadow_open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int shadow_open64_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int shadow_openat_2(int dirfd, const char *path, int flags)
{
    return open_at(dirfd, path, flags, 0);
}

int shadow_openat64_2(int dirfd, const char *path, int flags)
{
    return open_at(dirfd, path, flags, 0);
}

int close(int fd)
{
    if (fd >= 0 && fd < CALLS_FDS)
        calls_of_fd[fd] = 0;
    return REAL(close)(fd);
}

/* --- reading and writing --- */

ssize_t read(int fd, void *p, size_t n)
{
    if (calls_node_fd(fd) == 0)
        return REAL(read)(fd, p, n);
    return calls_one(CALL_READ) ? -1 : REAL(read)(fd, p, calls_half(n));
}

ssize_t write(int fd, const void *p, size_t n)
{
    disk_node f = calls_node_fd(fd);
    ssize_t w;

    if (f == 0)
        return REAL(write)(fd, p, n);
    if (calls_one(CALL_WRITE))
        return -1;
    w = REAL(write)(fd, p, calls_half(n));
    if (w > 0) {
        off_t end = lseek(fd, 0, SEEK_CUR);

        calls_enter();
        calls_write_step(f, p, (size_t)w, (uint64_t)(end - w));
        calls_leave();
    }
    return w;
}

static ssize_t pread_one(int fd, void *p, size_t n, off_t at)
{
    ssize_t (*really)(int, void *, size_t, off_t) = REAL(pread64);

    if (calls_node_fd(fd) == 0)
        return really(fd, p, n, at);
    return calls_one(CALL_READ) ? -1 : really(fd, p, calls_half(n), at);
}

static ssize_t pwrite_one(int fd, const void *p, size_t n, off_t at)
{
    ssize_t (*really)(int, const void *, size_t, off_t) = REAL(pwrite64);
    disk_node f = calls_node_fd(fd);
    ssize_t w;

    if (f == 0)
        return really(fd, p, n, at);
    if (calls_one(CALL_WRITE))
        return -1;
    w = really(fd, p, calls_half(n), at);
    if (w > 0) {
        calls_enter();
        calls_write_step(f, p, (size_t)w, (uint64_t)at);
        calls_leave();
    }
    return w;
}

ssize_t shadow_pread(int fd, void *p, size_t n, off_t at) __asm__("pread");
ssize_t shadow_pread64(int fd, void *p, size_t n, off_t at) __asm__("pread64");
ssize_t shadow_pwrite(int fd, const void *p, size_t n, off_t at) __asm__("pwrite");
ssize_t shadow_pwrite64(int fd, const void *p, size_t n, off_t at) __asm__("pwrite64");
ssize_t shadow_pread_chk(int, void *, size_t, off_t, size_t) __asm__("__pread64_chk");
ssize_t shadow_read_chk(int fd, void *p, size_t n, size_t room) __asm__("__read_chk");

ssize_t shadow_pread(int fd, void *p, size_t n, off_t at)
{
    return pread_one(fd, p, n, at);
}

ssize_t shadow_pread64(int fd, void *p, size_t n, off_t at)
{
    return pread_one(fd, p, n, at);
}

ssize_t shadow_pread_chk(int fd, void *p, size_t n, off_t at, size_t room)
{
    assert(n <= room);
    return pread_one(fd, p, n, at);
}

ssize_t shadow_read_chk(int fd, void *p, size_t n, size_t room)
{
    assert(n <= room);
    return read(fd, p, n);
}

ssize_t shadow_pwrite(int fd, const void *p, size_t n, off_t at)
{
    return pwrite_one(fd, p, n, at);
}

ssize_t shadow_pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite_one(fd, p, n, at);
}

/* --- length and space --- */

static int truncate_one(int fd, off_t size)
{
    int (*really)(int, off_t) = REAL(ftruncate64);
    disk_node f = calls_node_fd(fd);
    int rc;

    if (f == 0)
        return really(fd, size);
    if (calls_one(CALL_SPACE))
        return -1;
    rc = really(fd, size);
    if (rc == 0) {
        struct calls_step *s;

        calls_enter();
        s = calls_step(LENGTH, f);
        s->n = (uint64_t)size;
        calls_now(s);
        calls_leave();
    }
    return rc;
}

static int reserve_one(int fd, int mode, off_t at, off_t n)
{
    int (*really)(int, int, off_t, off_t) = REAL(fallocate64);
    disk_node f = calls_node_fd(fd);
    int rc;

    if (f == 0)
        return really(fd, mode, at, n);
    if (calls_one(CALL_SPACE))
        return -1;
    rc = really(fd, mode, at, n);
    if (rc == 0) {
        struct calls_step *s;

        calls_enter();
        s = calls_step((mode & FALLOC_FL_PUNCH_HOLE) != 0 ? PUNCH : RESERVE, f);
        s->keep_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
        s->at = (uint64_t)at;
        s->n = (uint64_t)n;
        calls_now(s);
        calls_leave();
    }
    return rc;
}

int shadow_ftruncate(int fd, off_t size) __asm__("ftruncate");
int shadow_ftruncate64(int fd, off_t size) __asm__("ftruncate64");
int shadow_fallocate(int fd, int mode, off_t at, off_t n) __asm__("fallocate");
int shadow_fallocate64(int fd, int mode, off_t at, off_t n) __asm__("fallocate64");

int shadow_ftruncate(int fd, off_t size)
{
    return truncate_one(fd, size);
}

int shadow_ftruncate64(int fd, off_t size)
{
    return truncate_one(fd, size);
}

int shadow_fallocate(int fd, int mode, off_t at, off_t n)
{
    return reserve_one(fd, mode, at, n);
}

int shadow_fallocate64(int fd, int mode, off_t at, off_t n)
{
    return reserve_one(fd, mode, at, n);
}

/* --- syncing --- */

static int sync_one(int fd, enum step_kind kind)
{
    disk_node n = calls_node_fd(fd);
    struct calls_step *s;
    uint64_t began;

    calls_enter();
    began = disk_now(calls_live);
    calls_sync_wait(&calls_lock);
    calls_leave();
    if (calls_one(CALL_SYNC)) {
        int error = errno;

        calls_enter();
        calls_now(calls_step(LOSE, n));
        calls_leave();
        errno = error;
        return -1;
    }
    calls_enter();
    s = calls_step(kind, n);
    s->n = began;
    calls_now(s);
    calls_leave();
    return 0;
}

int fsync(int fd)
{
    return calls_node_fd(fd) == 0 ? REAL(fsync)(fd) : sync_one(fd, SYNC);
}

int fdatasync(int fd)
{
    return calls_node_fd(fd) == 0 ? REAL(fdatasync)(fd) : sync_one(fd, SYNC);
}

int syncfs(int fd)
{
    return calls_node_fd(fd) == 0 ? REAL(syncfs)(fd) : sync_one(fd, SYNC_ALL);
}

int shadow_sync_file_range(int fd, off_t at, off_t n, unsigned flags) __asm__("sync_file_range");
int shadow_sync_file_range(int fd, off_t at, off_t n, unsigned flags)
{
    int (*really)(int, off_t, off_t, unsigned) =
        (int (*)(int, off_t, off_t, unsigned))calls_real("sync_file_range");

    return calls_node_fd(fd) == 0 ? really(fd, at, n, flags) : 0;
}
