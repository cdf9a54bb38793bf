/* calls_names.c - libc's rename, unlink, mkdir, stat and the like, for calls.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "calls_priv.h"

/* --- names --- */

/* The two places of a call, both below the watched folder; the lock is taken if they are. */
static bool both(int a, const char *p, int b, const char *q, struct calls_place *x,
                 struct calls_place *y)
{
    calls_enter();
    if (calls_resolve(a, p, x) && calls_resolve(b, q, y))
        return true;
    calls_leave();
    return false;
}

static bool one(int a, const char *p, struct calls_place *x)
{
    return both(a, p, a, p, x, x);
}

int renameat2(int a, const char *p, int b, const char *q, unsigned flags)
{
    struct calls_place x, y;
    int rc;

    if (calls_watched(a, p) && calls_one(CALL_NAME))
        return -1;
    if (!both(a, p, b, q, &x, &y))
        return REAL(renameat2)(a, p, b, q, flags);
    rc = REAL(renameat2)(a, p, b, q, flags);
    if (rc == 0) {
        struct calls_step *s =
            calls_step((flags & RENAME_EXCHANGE) != 0 ? EXCHANGE : RENAME, x.folder);

        s->b = y.folder;
        s->name = calls_must(strdup(x.name));
        s->as = calls_must(strdup(y.name));
        calls_now(s);
    }
    calls_leave();
    return rc;
}

int renameat(int a, const char *p, int b, const char *q)
{
    return renameat2(a, p, b, q, 0);
}

int rename(const char *p, const char *q)
{
    return renameat2(AT_FDCWD, p, AT_FDCWD, q, 0);
}

int linkat(int a, const char *p, int b, const char *q, int flags)
{
    struct calls_place x, y;
    int rc;

    if (calls_watched(a, p) && calls_one(CALL_NAME))
        return -1;
    if (!both(a, p, b, q, &x, &y))
        return REAL(linkat)(a, p, b, q, flags);
    rc = REAL(linkat)(a, p, b, q, flags);
    if (rc == 0)
        calls_name_step(LINK, y.folder, y.name, calls_node_at(&x));
    calls_leave();
    return rc;
}

int link(const char *p, const char *q)
{
    return linkat(AT_FDCWD, p, AT_FDCWD, q, 0);
}

int unlinkat(int a, const char *p, int flags)
{
    struct calls_place x;
    int rc;

    if (calls_watched(a, p) && calls_one(CALL_NAME))
        return -1;
    if (!one(a, p, &x))
        return REAL(unlinkat)(a, p, flags);
    rc = REAL(unlinkat)(a, p, flags);
    if (rc == 0)
        calls_name_step(REMOVE, x.folder, x.name, 0);
    calls_leave();
    return rc;
}

int unlink(const char *p)
{
    return unlinkat(AT_FDCWD, p, 0);
}

int rmdir(const char *p)
{
    return unlinkat(AT_FDCWD, p, AT_REMOVEDIR);
}

int mkdirat(int a, const char *p, mode_t mode)
{
    struct calls_place x;
    int rc;

    if (calls_watched(a, p) && calls_one(CALL_NAME))
        return -1;
    if (!one(a, p, &x))
        return REAL(mkdirat)(a, p, mode);
    rc = REAL(mkdirat)(a, p, mode);
    if (rc == 0)
        calls_name_step(MAKE_FOLDER, x.folder, x.name, 0);
    calls_leave();
    return rc;
}

int mkdir(const char *p, mode_t mode)
{
    return mkdirat(AT_FDCWD, p, mode);
}

/* --- looking --- */

static int fstat_one(int fd, struct stat *st)
{
    int (*really)(int, struct stat *) = (int (*)(int, struct stat *))calls_real("fstat64");

    return calls_node_fd(fd) != 0 && calls_one(CALL_LOOK) ? -1 : really(fd, st);
}

static int fstatat_one(int dirfd, const char *path, struct stat *st, int flags)
{
    int (*really)(int, const char *, struct stat *, int) =
        (int (*)(int, const char *, struct stat *, int))calls_real("fstatat64");

    return calls_watched(dirfd, path) && calls_one(CALL_LOOK) ? -1 : really(dirfd, path, st, flags);
}

int shadow_fstat64(int fd, struct stat *st) __asm__("fstat64");
int shadow_fstatat64(int d, const char *p, struct stat *st, int f) __asm__("fstatat64");
int shadow_stat64(const char *p, struct stat *st) __asm__("stat64");
int shadow_lstat64(const char *p, struct stat *st) __asm__("lstat64");

int shadow_fstat64(int fd, struct stat *st)
{
    return fstat_one(fd, st);
}

int shadow_fstatat64(int d, const char *p, struct stat *st, int f)
{
    return fstatat_one(d, p, st, f);
}

int shadow_stat64(const char *p, struct stat *st)
{
    return fstatat_one(AT_FDCWD, p, st, 0);
}

int shadow_lstat64(const char *p, struct stat *st)
{
    return fstatat_one(AT_FDCWD, p, st, AT_SYMLINK_NOFOLLOW);
}

DIR *fdopendir(int fd)
{
    return calls_node_fd(fd) != 0 && calls_one(CALL_LOOK) ? NULL : REAL(fdopendir)(fd);
}

int flock(int fd, int how)
{
    return calls_node_fd(fd) != 0 && calls_one(CALL_LOOK) ? -1 : REAL(flock)(fd, how);
}
