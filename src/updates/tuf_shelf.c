/* tuf_shelf.c - a temporary file is locked for as long as somebody writes it, so what can be locked
 * is nobody's and may go. */
#include "updates/tuf_shelf.h"

#include <assert.h>
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
#include "updates/tuf_name.h"
#include "updates/tuf_store.h"

#define TEMPORARY ".part-"
#define TRIES 100

struct tuf_shelf {
    int dir;
    int fd; /* the temporary file; -1: none */
    char temporary[32];
    unsigned made; /* names so far */
    const struct tuf_file *f;
    struct tuf_check check;
};

static void sweep_one(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(dir, name, 0);
    io_close(&fd);
}

static int sweep(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct dirent *d;
    DIR *list;

    if (copy < 0)
        return -errno;
    if ((list = fdopendir(copy)) == NULL) {
        (void)close(copy);
        return -ENOMEM;
    }
    while ((d = readdir(list)) != NULL)
        if (strncmp(d->d_name, TEMPORARY, strlen(TEMPORARY)) == 0)
            sweep_one(dir, d->d_name);
    (void)closedir(list);
    return 0;
}

int tuf_shelf_open(struct tuf_shelf **out, const char *dir, struct err *e)
{
    struct tuf_shelf *s = calloc(1, sizeof(*s));
    int rc;

    *out = NULL;
    if (s == NULL)
        return err_sys(e, -ENOMEM, "folder \"%s\"", dir);
    s->fd = -1;
    s->dir = rc = tuf_store_folder(dir, e);
    if (rc >= 0 && (rc = sweep(s->dir)) != 0)
        (void)err_sys(e, rc, "cleaning folder \"%s\"", dir);
    if (rc < 0) {
        tuf_shelf_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void tuf_shelf_close(struct tuf_shelf *s)
{
    if (s == NULL)
        return;
    tuf_shelf_drop(s);
    io_close(&s->dir);
    free(s);
}

int tuf_shelf_name(struct buf *b, const char *path, struct err *e)
{
    int rc = tuf_name_file(b, path, "");

    if (rc == -E2BIG)
        return err_set(e, rc, "target \"%.80s\": its name as a file has more than %d bytes", path,
                       TUF_FILE_NAME_MAX);
    return rc == 0 ? 0 : err_sys(e, rc, "target \"%.80s\"", path);
}

static int read_through(int fd, struct tuf_check *c)
{
    uint8_t piece[65536];
    ssize_t n;

    while ((n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            tuf_check_add(c, piece, (size_t)n);
    }
    return 0;
}

/* 0 and *have, or -errno. */
static int is_there(int dir, const char *name, const struct tuf_file *f, bool *have)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), rc;
    struct tuf_check c = {0};
    struct stat st;

    if (fd < 0) /* a link is replaced, not followed */
        return errno == ENOENT || errno == ELOOP ? 0 : -errno;
    rc = fstat(fd, &st) == 0 ? 0 : -errno;
    if (rc != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != f->length)
        goto out;
    if ((rc = tuf_check_begin(&c, &f->hashes)) != 0 || (rc = read_through(fd, &c)) != 0)
        goto out;
    *have = c.n == f->length && tuf_check_end(&c);
out:
    tuf_check_drop(&c);
    io_close(&fd);
    return rc;
}

int tuf_shelf_have(struct tuf_shelf *s, const struct tuf_file *f, bool *have, struct err *e)
{
    struct buf name;
    int rc;

    *have = false;
    buf_init(&name, 4 * TUF_MAX_PATTERN);
    if ((rc = tuf_shelf_name(&name, f->name, e)) == 0) {
        const char *n = buf_str(&name);

        if ((rc = n != NULL ? is_there(s->dir, n, f, have) : -ENOMEM) != 0)
            (void)err_sys(e, rc, "target \"%.80s\"", f->name);
    }
    buf_free(&name);
    return rc;
}

/* One try: 0, -EEXIST (another name), or -errno. */
static int make_temporary(struct tuf_shelf *s)
{
    struct stat st;
    int rc = 0;

    (void)snprintf(s->temporary, sizeof(s->temporary), TEMPORARY "%d-%u", (int)getpid(), s->made++);
    s->fd = openat(s->dir, s->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (s->fd < 0)
        return -errno;
    if (flock(s->fd, LOCK_EX | LOCK_NB) != 0 || fstat(s->fd, &st) != 0)
        rc = errno == EWOULDBLOCK ? -EEXIST : -errno;
    else if (st.st_nlink == 0) /* somebody swept it before we had the lock */
        rc = -EEXIST;
    if (rc != 0) {
        (void)unlinkat(s->dir, s->temporary, 0);
        io_close(&s->fd);
    }
    return rc;
}

int tuf_shelf_begin(struct tuf_shelf *s, const struct tuf_file *f, struct err *e)
{
    int rc = -EEXIST;

    assert(s->fd < 0);
    for (int i = 0; i < TRIES && rc == -EEXIST; i++)
        rc = make_temporary(s);
    if (rc == 0 && (rc = tuf_check_begin(&s->check, &f->hashes)) != 0)
        tuf_shelf_drop(s);
    s->f = f;
    return rc == 0 ? 0 : err_sys(e, rc, "target \"%.80s\": a temporary file", f->name);
}

int tuf_shelf_take(const void *p, size_t n, void *arg)
{
    struct tuf_shelf *s = arg;

    if (n > s->f->length - s->check.n)
        return -E2BIG;
    tuf_check_add(&s->check, p, n);
    return io_write_all(s->fd, p, n);
}

static int publish(struct tuf_shelf *s, const char *name)
{
    int rc = name != NULL ? io_sync_fd(s->fd) : -ENOMEM;

    if (rc == 0 && renameat(s->dir, s->temporary, s->dir, name) != 0)
        rc = -errno;
    if (rc != 0)
        return rc;
    io_close(&s->fd); /* there is no temporary file any more */
    return io_sync_dir(s->dir, ".");
}

int tuf_shelf_commit(struct tuf_shelf *s, struct err *e)
{
    struct buf name;
    int rc;

    assert(s->fd >= 0);
    buf_init(&name, 4 * TUF_MAX_PATTERN);
    if (s->check.n != s->f->length)
        rc = err_set(e, -EBADMSG, "target \"%.80s\": %llu bytes long where %llu are announced",
                     s->f->name, (unsigned long long)s->check.n, (unsigned long long)s->f->length);
    else if (!tuf_check_end(&s->check))
        rc = err_set(e, -EBADMSG, "target \"%.80s\": not the hash that is announced", s->f->name);
    else if ((rc = tuf_shelf_name(&name, s->f->name, e)) == 0 &&
             (rc = publish(s, buf_str(&name))) != 0)
        (void)err_sys(e, rc, "target \"%.80s\"", s->f->name);
    tuf_shelf_drop(s);
    buf_free(&name);
    return rc;
}

void tuf_shelf_drop(struct tuf_shelf *s)
{
    if (s->fd >= 0)
        (void)unlinkat(s->dir, s->temporary, 0);
    io_close(&s->fd);
    tuf_check_drop(&s->check);
}
