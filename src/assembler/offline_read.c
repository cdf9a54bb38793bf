/* offline_read.c - a bundle is read, and is a stranger's until its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assembler/files.h"
#include "assembler/offline_priv.h"
#include "base/io.h"
#include "crypto/sha256.h"

static int get(struct offline_work *w, void *p, size_t n, struct err *e)
{
    int rc = n > w->total - w->done ? -EPIPE : io_read_full(w->fd, p, n);

    if (rc == -EPIPE)
        return err_set(e, -EBADMSG, "the bundle is cut off");
    if (rc != 0)
        return err_sys(e, rc, "reading the bundle");
    offline_step(w, n);
    return 0;
}

/* w->next is the entry that follows; "": none does. */
static int look(struct offline_work *w, struct err *e)
{
    uint8_t head[USTAR_BLOCK];
    int rc;

    if (w->pending)
        return 0;
    if ((rc = get(w, head, sizeof(head), e)) != 0)
        return rc;
    if ((rc = ustar_read(head, w->next, &w->next_size)) < 0)
        return err_set(e, rc, "the bundle is malformed at byte %llu",
                       (unsigned long long)(w->done - sizeof(head)));
    if (rc == 0)
        w->next[0] = '\0';
    w->pending = true;
    return 0;
}

/* The entry that follows must be that one, and the bundle must be long enough for it. */
static int expect(struct offline_work *w, const char *name, struct err *e)
{
    int rc = look(w, e);

    if (rc != 0)
        return rc;
    if (strcmp(w->next, name) != 0)
        return err_set(e, -EBADMSG, "the bundle has \"%.200s\" where \"%s\" must be",
                       w->next[0] == '\0' ? "its end" : w->next, name);
    if (w->next_size > w->total - w->done)
        return err_set(e, -EBADMSG, "the bundle is cut off in \"%s\"", name);
    w->pending = false;
    return 0;
}

static int padding(struct offline_work *w, uint64_t size, struct err *e)
{
    uint8_t pad[USTAR_BLOCK];
    size_t n = ustar_padding(size);
    int rc = get(w, pad, n, e);

    if (rc == 0 && memcmp(pad, ustar_zeros, n) != 0)
        rc = err_set(e, -EBADMSG, "the bundle is malformed at byte %llu: padding is zeros",
                     (unsigned long long)(w->done - n));
    return rc;
}

/* Makes the file `path` beneath the folder.  What is in its way was in the bundle, too. */
static int make(const struct offline_work *w, const char *path, int *fd, struct err *e)
{
    char folder[USTAR_NAME_MAX + 1];
    const char *slash = strrchr(path, '/');
    int rc = 0;

    *fd = -1;
    if (w->folder < 0)
        return 0;
    (void)snprintf(folder, sizeof(folder), "%.*s", slash == NULL ? 0 : (int)(slash - path), path);
    if (slash != NULL)
        rc = io_mkdirs_beneath(w->folder, folder);
    if (rc == 0 && (*fd = io_open_beneath(w->folder, path, O_WRONLY | O_CREAT | O_EXCL, 0644)) < 0)
        rc = *fd;
    if (rc == -EEXIST || rc == -ENOTDIR || rc == -EISDIR)
        return err_set(e, -EBADMSG, "\"%s\" is where another file of the bundle is", path);
    return rc == 0 ? 0 : err_sys(e, rc, "unpacking \"%s\"", path);
}

static int get_document(struct offline_work *w, enum offline_document d, struct err *e)
{
    const char *name = offline_document_name(d);
    struct buf *text = &w->b->text[d];
    int fd = -1, rc;

    if (d == OFFLINE_PROOF && ((rc = look(w, e)) != 0 || strcmp(w->next, name) != 0))
        return rc;
    if ((rc = expect(w, name, e)) != 0)
        return rc;
    if (w->next_size == 0 || w->next_size > text->max)
        return err_set(e, -EBADMSG, "\"%s\" in the bundle is %s", name,
                       w->next_size == 0 ? "empty" : "too large");
    if ((rc = buf_reserve(text, (size_t)w->next_size)) != 0)
        return err_sys(e, rc, "reading the bundle");
    for (uint64_t left = w->next_size; left > 0;) {
        uint8_t piece[4096];
        size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);

        if ((rc = get(w, piece, n, e)) != 0)
            return rc;
        if ((rc = buf_put(text, piece, n)) != 0)
            return err_sys(e, rc, "reading the bundle");
        left -= n;
    }
    if ((rc = padding(w, w->next_size, e)) != 0 || (rc = make(w, name, &fd, e)) != 0)
        return rc;
    if (fd >= 0 && (rc = io_write_all(fd, text->data, text->len)) != 0)
        (void)err_sys(e, rc, "unpacking \"%s\"", name);
    io_close(&fd);
    return rc;
}

static int copy(struct offline_work *w, int fd, const struct offline_entry *entry,
                struct digest *is, struct err *e)
{
    struct sha256 *h = sha256_new();
    uint8_t *piece = malloc(OFFLINE_PIECE);
    int rc = h == NULL || piece == NULL ? err_sys(e, -ENOMEM, "reading the bundle") : 0;

    for (uint64_t left = w->next_size; rc == 0 && left > 0;) {
        size_t n = left < OFFLINE_PIECE ? (size_t)left : OFFLINE_PIECE;

        if ((rc = get(w, piece, n, e)) != 0)
            break;
        sha256_add(h, piece, n);
        if (entry->keep != NULL && (rc = buf_put(entry->keep, piece, n)) != 0)
            (void)err_set(e, rc == -E2BIG ? -EBADMSG : rc, "\"%s\" in the bundle is too large",
                          entry->name);
        if (rc == 0 && fd >= 0 && (rc = io_write_all(fd, piece, n)) != 0)
            (void)err_sys(e, rc, "unpacking \"%s\"", entry->name);
        left -= n;
    }
    if (rc == 0)
        sha256_end(h, is);
    sha256_free(h);
    free(piece);
    return rc;
}

static int get_file(struct offline_work *w, const struct offline_entry *entry, struct err *e)
{
    char name[USTAR_NAME_MAX + 1];
    struct digest is;
    int fd = -1, rc;

    if ((rc = offline_path(name, entry, e)) != 0 || (rc = expect(w, name, e)) != 0)
        return rc;
    if (entry->size != OFFLINE_SIZE_UNKNOWN && entry->size != w->next_size)
        return offline_wrong(name, e);
    if ((rc = make(w, name, &fd, e)) == 0 && (rc = copy(w, fd, entry, &is, e)) == 0 &&
        (rc = padding(w, w->next_size, e)) == 0 && !digest_eq(&is, &entry->sha256))
        rc = offline_wrong(name, e);
    w->b->bytes += w->next_size;
    io_close(&fd);
    return rc;
}

/* Two blocks of zeros, and nothing behind them. */
static int end(struct offline_work *w, struct err *e)
{
    uint8_t block[USTAR_BLOCK];
    int rc = look(w, e);

    if (rc == 0 && w->next[0] != '\0')
        rc = err_set(e, -EBADMSG, "the bundle has \"%.200s\", which nothing in it names", w->next);
    if (rc == 0 && (rc = get(w, block, sizeof(block), e)) == 0 &&
        (memcmp(block, ustar_zeros, sizeof(block)) != 0 || w->done != w->total))
        rc = err_set(e, -EBADMSG, "the bundle does not end where its last file does");
    return rc;
}

static int begin(struct offline_work *w, const char *folder, struct err *e)
{
    struct stat st;

    if (fstat(w->fd, &st) != 0)
        return err_sys(e, -errno, "the bundle");
    if (!S_ISREG(st.st_mode))
        return err_set(e, -EINVAL, "a bundle is a file");
    w->total = (uint64_t)st.st_size;
    if (folder == NULL)
        return 0;
    if (mkdir(folder, 0755) != 0)
        return err_sys(e, -errno, "the folder \"%s\"", folder);
    if ((w->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)) >= 0)
        return 0;
    (void)err_sys(e, -errno, "the folder \"%s\"", folder);
    (void)rmdir(folder);
    return e == NULL ? -EIO : e->code;
}

int offline_read(struct offline *out, int fd, const char *folder, const struct offline_watch *watch,
                 struct err *e)
{
    struct offline_work w = {.b = out,
                             .watch = watch,
                             .fd = fd,
                             .document = get_document,
                             .file = get_file,
                             .folder = -1};
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = begin(&w, folder, e)) != 0)
        return rc;
    if ((rc = offline_walk(&w, e)) == 0)
        rc = end(&w, e);
    io_close(&w.folder);
    if (rc != 0 && folder != NULL && io_remove_tree(folder) != 0)
        (void)err_prefix(e, "(and \"%s\" could not be removed)", folder);
    return rc;
}
