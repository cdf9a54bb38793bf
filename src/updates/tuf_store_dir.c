#include "updates/tuf_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"

#define LEFT_OVER ".tmp-" /* io_replace_file's */

struct folder {
    int fd;
};

int tuf_store_folder(const char *dir, struct err *e)
{
    int rc = io_mkdirs_synced(AT_FDCWD, dir), fd;

    if (rc != 0)
        return err_sys(e, rc, "folder \"%s\"", dir);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : err_sys(e, -errno, "folder \"%s\"", dir);
}

static int load(void *ctx, const char *name, struct buf *b, struct err *e)
{
    const struct folder *f = ctx;
    int rc = io_read_file(f->fd, name, b);

    return rc == 0 ? 0 : err_sys(e, rc, "reading \"%s\"", name);
}

static int save(void *ctx, const char *name, struct span bytes, struct err *e)
{
    const struct folder *f = ctx;
    int rc = io_replace_file(f->fd, name, bytes.p, bytes.n, 0644);

    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s\"", name);
}

static int forget(void *ctx, const char *name, struct err *e)
{
    const struct folder *f = ctx;
    int rc = 0;

    if (unlinkat(f->fd, name, 0) != 0)
        rc = errno == ENOENT ? 0 : -errno;
    else
        rc = io_sync_dir(f->fd, ".");
    return rc == 0 ? 0 : err_sys(e, rc, "removing \"%s\"", name);
}

/* We hold the folder's lock: nobody is writing what is called so. */
static int sweep(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
    const struct dirent *d;
    DIR *list;

    if (copy < 0)
        return -errno;
    if ((list = fdopendir(copy)) == NULL) {
        rc = -errno;
        (void)close(copy);
        return rc;
    }
    while ((d = readdir(list)) != NULL)
        if (strncmp(d->d_name, LEFT_OVER, strlen(LEFT_OVER)) == 0 &&
            unlinkat(fd, d->d_name, 0) != 0 && errno != ENOENT)
            rc = -errno;
    (void)closedir(list);
    return rc;
}

int tuf_store_dir_open(struct tuf_store *out, const char *dir, struct err *e)
{
    struct folder *f = malloc(sizeof(*f));
    int rc;

    *out = (struct tuf_store){load, save, forget, NULL};
    if (f == NULL)
        return err_sys(e, -ENOMEM, "folder \"%s\"", dir);
    f->fd = rc = tuf_store_folder(dir, e);
    if (rc < 0) {
        free(f);
        return rc;
    }
    out->ctx = f;
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0)
        rc = errno == EWOULDBLOCK
                 ? err_set(e, -EAGAIN, "folder \"%s\": another update is under way; try again", dir)
                 : err_sys(e, -errno, "locking folder \"%s\"", dir);
    else if ((rc = sweep(f->fd)) != 0)
        (void)err_sys(e, rc, "cleaning folder \"%s\"", dir);
    if (rc != 0)
        tuf_store_dir_close(out);
    return rc;
}

void tuf_store_dir_close(struct tuf_store *s)
{
    struct folder *f = s->ctx;

    if (f == NULL)
        return;
    io_close(&f->fd);
    free(f);
    s->ctx = NULL;
}
