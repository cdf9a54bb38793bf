/* offline_write.c - a bundle is written. */
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

static int header(struct offline_work *w, const char *name, uint64_t size, struct err *e)
{
    uint8_t head[USTAR_BLOCK];
    int rc = ustar_header(head, name, size);

    if (rc != 0)
        return err_set(e, rc,
                       "\"%s\" does not fit into a bundle: no part of a name has more than %u "
                       "bytes, no file 8 GiB",
                       name, USTAR_PART_MAX);
    if ((rc = io_write_all(w->fd, head, sizeof(head))) != 0)
        (void)err_sys(e, rc, "writing the bundle");
    return rc;
}

static int padding(struct offline_work *w, uint64_t size, struct err *e)
{
    int rc = io_write_all(w->fd, ustar_zeros, ustar_padding(size));

    return rc == 0 ? 0 : err_sys(e, rc, "writing the bundle");
}

static int put_document(struct offline_work *w, enum offline_document d, struct err *e)
{
    const char *path = d == OFFLINE_PROOF ? "the proof" : w->from->document[d];
    struct buf *text = &w->b->text[d];
    int rc;

    if (d == OFFLINE_PROOF && w->from->proof.n == 0)
        return 0;
    rc = d == OFFLINE_PROOF ? buf_put(text, w->from->proof.p, w->from->proof.n)
                            : io_read_file(AT_FDCWD, path, text);
    if (rc != 0)
        return err_sys(e, rc, "reading \"%s\"", path);
    if (text->len == 0)
        return err_set(e, -EBADMSG, "\"%s\" is empty", path);
    if ((rc = header(w, offline_document_name(d), text->len, e)) != 0)
        return rc;
    if ((rc = io_write_all(w->fd, text->data, text->len)) != 0)
        return err_sys(e, rc, "writing the bundle");
    return padding(w, text->len, e);
}

static int copy(struct offline_work *w, int fd, uint64_t size, const struct offline_entry *entry,
                struct digest *is)
{
    struct sha256 *h = sha256_new();
    uint8_t *piece = malloc(OFFLINE_PIECE);
    int rc = h == NULL || piece == NULL ? -ENOMEM : 0;

    for (uint64_t left = size; rc == 0 && left > 0;) {
        size_t n = left < OFFLINE_PIECE ? (size_t)left : OFFLINE_PIECE;

        if ((rc = io_read_full(fd, piece, n)) != 0)
            break;
        sha256_add(h, piece, n);
        if (entry->keep != NULL)
            rc = buf_put(entry->keep, piece, n);
        if (rc == 0)
            rc = io_write_all(w->fd, piece, n);
        offline_step(w, n);
        left -= n;
    }
    if (rc == 0)
        sha256_end(h, is);
    sha256_free(h);
    free(piece);
    return rc;
}

static int put_file(struct offline_work *w, const struct offline_entry *entry, struct err *e)
{
    char path[4096], name[USTAR_NAME_MAX + 1];
    int fd = -1, rc = offline_path(name, entry, e);
    struct digest is;
    struct stat st;

    if (rc != 0)
        return rc;
    files_path(path, sizeof(path), "%s/%s", w->from->folder[entry->folder], entry->name);
    if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0 || fstat(fd, &st) != 0) {
        rc = err_sys(e, -errno, "\"%s\"", path);
    } else if (!S_ISREG(st.st_mode) ||
               (entry->size != OFFLINE_SIZE_UNKNOWN && entry->size != (uint64_t)st.st_size)) {
        rc = offline_wrong(path, e);
    } else if ((rc = header(w, name, (uint64_t)st.st_size, e)) == 0) {
        w->b->bytes += (uint64_t)st.st_size;
        if ((rc = copy(w, fd, (uint64_t)st.st_size, entry, &is)) != 0)
            (void)err_sys(e, rc, "copying \"%s\" into the bundle", path);
        else if (!digest_eq(&is, &entry->sha256))
            rc = offline_wrong(path, e);
        else
            rc = padding(w, (uint64_t)st.st_size, e);
    }
    io_close(&fd);
    return rc;
}

/* It gets its name when it is whole. */
static int finish(struct offline_work *w, const char *part, const char *to, struct err *e)
{
    int rc;

    if ((rc = io_write_all(w->fd, ustar_zeros, sizeof(ustar_zeros))) != 0 ||
        (rc = io_sync_fd(w->fd)) != 0 || (rc = link(part, to) == 0 ? 0 : -errno) != 0)
        return err_sys(e, rc, "writing \"%s\"", to);
    return 0;
}

int offline_write(struct offline *out, const struct offline_from *from, const char *to,
                  const struct offline_watch *watch, struct err *e)
{
    struct offline_work w = {
        .b = out, .watch = watch, .document = put_document, .file = put_file, .from = from};
    char part[4096];
    int rc;

    memset(out, 0, sizeof(*out));
    files_path(part, sizeof(part), "%s.part", to);
    if (access(to, F_OK) == 0)
        return err_sys(e, -EEXIST, "the bundle \"%s\"", to);
    if ((w.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644)) < 0)
        return err_sys(e, -errno, "writing \"%s\"", part);
    if ((rc = offline_walk(&w, e)) == 0)
        rc = finish(&w, part, to, e);
    io_close(&w.fd);
    (void)unlink(part);
    return rc;
}
