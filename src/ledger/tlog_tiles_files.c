/* tlog_tiles_files.c - the files of a ledger's folder that are not tiles. */
#include "ledger/tlog_tiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"

#define CHECKPOINTS_MAX (16u << 20)

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int read_sizes(DIR *d, const char *dir, uint64_t **sizes, size_t *n, struct err *e)
{
    size_t cap = 0;
    struct dirent *de;
    uint64_t *more;

    for (errno = 0; (de = readdir(d)) != NULL; errno = 0) {
        uint64_t v;

        if (de->d_name[0] == '.')
            continue;
        if (text_u64(span_str(de->d_name), INT64_MAX, &v) != 0)
            return err_set(e, -EBADMSG, "\"%s/checkpoints/%s\" is not named by a size; remove it",
                           dir, de->d_name);
        if (*n == CHECKPOINTS_MAX)
            return err_set(e, -E2BIG, "more than %u files in \"%s/checkpoints\"", CHECKPOINTS_MAX,
                           dir);
        if (*n == cap) {
            cap = cap != 0 ? 2 * cap : 64;
            if ((more = realloc(*sizes, cap * sizeof(**sizes))) == NULL)
                return err_sys(e, -ENOMEM, "listing \"%s/checkpoints\"", dir);
            *sizes = more;
        }
        (*sizes)[(*n)++] = v;
    }
    return errno == 0 ? 0 : err_sys(e, -errno, "listing \"%s/checkpoints\"", dir);
}

int tlog_tiles_checkpoints(const char *dir, uint64_t **sizes, size_t *n, struct err *e)
{
    int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, rc;
    DIR *d;

    *sizes = NULL;
    *n = 0;
    if (dirfd < 0)
        return err_sys(e, -errno, "opening the ledger \"%s\"", dir);
    fd = openat(dirfd, "checkpoints", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = fd < 0 ? -errno : 0;
    io_close(&dirfd);
    if (rc == -ENOENT)
        return 0;
    if (rc != 0)
        return err_sys(e, rc, "opening \"%s/checkpoints\"", dir);
    if ((d = fdopendir(fd)) == NULL) {
        rc = err_sys(e, -errno, "listing \"%s/checkpoints\"", dir);
        io_close(&fd);
        return rc;
    }
    rc = read_sizes(d, dir, sizes, n, e);
    (void)closedir(d);
    if (rc != 0) {
        free(*sizes);
        *sizes = NULL;
        *n = 0;
        return rc;
    }
    if (*n > 1)
        qsort(*sizes, *n, sizeof(**sizes), by_size);
    return 0;
}

static int read_note(const char *dir, const char *name, struct buf *out, struct err *e)
{
    struct buf b;
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name), rc;

    if (n < 0 || (size_t)n >= sizeof(path))
        return err_set(e, -ENAMETOOLONG, "the path of the ledger is too long");
    buf_init(&b, CORE_NOTE_MAX);
    rc = io_read_file(AT_FDCWD, path, &b);
    if (rc == -E2BIG)
        rc = err_set(e, -EBADMSG, "\"%s\" is too long for a checkpoint; fetch it again", path);
    else if (rc != 0)
        rc = err_sys(e, rc, "reading \"%s\"", path);
    else if ((rc = buf_put(out, b.data, b.len)) != 0)
        rc = err_sys(e, rc, "reading \"%s\"", path);
    buf_free(&b);
    return rc;
}

int tlog_tiles_checkpoint(const char *dir, uint64_t size, struct buf *out, struct err *e)
{
    char name[40];

    (void)snprintf(name, sizeof(name), "checkpoints/%" PRIu64, size);
    return read_note(dir, name, out, e);
}

int tlog_tiles_newest(const char *dir, struct buf *out, struct err *e)
{
    return read_note(dir, "checkpoint", out, e);
}

int tlog_tiles_artifact(const char *dir, const struct digest *d, struct buf *out, struct err *e)
{
    struct digest got;
    struct buf b;
    char path[4096], hex[65];
    int n, rc;

    text_digest(hex, d);
    n = snprintf(path, sizeof(path), "%s/artifact/sha256/%s", dir, hex);
    if (n < 0 || (size_t)n >= sizeof(path))
        return err_set(e, -ENAMETOOLONG, "the path of the ledger is too long");
    buf_init(&b, out->max - out->len);
    if ((rc = io_read_file(AT_FDCWD, path, &b)) != 0) {
        rc = err_sys(e, rc, "reading \"%s\"", path);
        goto out;
    }
    sha256_of(b.data, b.len, &got);
    if (!digest_eq(&got, d))
        rc = err_set(e, -EBADMSG, "\"%s\" does not have the digest of its name; fetch it again",
                     path);
    else if ((rc = buf_put(out, b.data, b.len)) != 0)
        rc = err_sys(e, rc, "reading \"%s\"", path);
out:
    buf_free(&b);
    return rc;
}
