#include "site/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "ledger/tlog_tiles.h"
#include "site/data_format.h"
#include "site/init.h"
#include "site/manifest.h"

#define PATH 4096
#define BLOCK ((size_t)1 << 20)
#define MANIFEST_MAX ((size_t)256 << 20)
#define PART ".part"

/* Nothing is opened through a link that lies in either folder: who may write there must not have
 * other files read or written by us, who may be root. */
struct copy {
    const char *from, *to; /* folders */
    int from_fd, to_fd;
    struct buf lines; /* of the manifest */
    uint32_t uid;     /* who gets the files; 0: nobody else */
    uint8_t *block;
};

static int join(char out[PATH], const char *dir, const char *name, struct err *e)
{
    return snprintf(out, PATH, "%s/%s", dir, name) < PATH
               ? 0
               : err_set(e, -ENAMETOOLONG, "the path \"%s/%.64s\" is too long", dir, name);
}

/* Blocks of zeros stay holes. */
static int write_block(int fd, const uint8_t *p, size_t n, off_t at)
{
    return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0 ? 0 : io_pwrite_all(fd, p, n, at);
}

/* The first `upto` bytes; the hash is of what was read. */
static int copy_bytes(struct copy *c, int from, int to, uint64_t upto, struct digest *out)
{
    struct sha256 *h = sha256_new();
    int rc = h == NULL ? -ENOMEM : 0;

    for (uint64_t at = 0; at < upto && rc == 0;) {
        size_t n = upto - at < BLOCK ? (size_t)(upto - at) : BLOCK;

        if ((rc = io_pread_full(from, c->block, n, (off_t)at)) == 0 &&
            (rc = write_block(to, c->block, n, (off_t)at)) == 0)
            sha256_add(h, c->block, n);
        at += n;
    }
    if (rc == 0 && ftruncate(to, (off_t)upto) != 0)
        rc = -errno;
    if (rc == 0)
        rc = io_sync_fd(to);
    if (rc == 0)
        sha256_end(h, out);
    sha256_free(h);
    return rc;
}

static int make_folders(const struct copy *c, const char *name)
{
    char folder[PATH];
    const char *slash = strrchr(name, '/');

    if (slash == NULL)
        return 0;
    if (slash - name >= PATH)
        return -ENAMETOOLONG;
    memcpy(folder, name, (size_t)(slash - name));
    folder[slash - name] = '\0';
    return io_mkdirs_beneath(c->to_fd, folder);
}

/* A file of both folders; UINT64_MAX: all of it. */
static int copy_file(struct copy *c, const char *name, uint64_t upto, struct digest *hash,
                     struct err *e)
{
    int in = io_open_beneath(c->from_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0), out = -1;
    int rc = in < 0 ? in : make_folders(c, name);
    struct stat st;

    if (rc == 0 && fstat(in, &st) != 0)
        rc = -errno;
    if (rc == 0 && !S_ISREG(st.st_mode))
        rc = -EINVAL;
    if (rc == 0 && (out = io_open_beneath(c->to_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600)) < 0)
        rc = out;
    if (rc == 0 &&
        (fchmod(out, st.st_mode & 0777) != 0 || (c->uid != 0 && fchown(out, c->uid, c->uid) != 0)))
        rc = -errno;
    if (rc == 0)
        rc =
            copy_bytes(c, in, out, upto < (uint64_t)st.st_size ? upto : (uint64_t)st.st_size, hash);
    io_close(&in);
    io_close(&out);
    if (rc == -ELOOP || rc == -EXDEV)
        return err_set(e, rc, "\"%s\" leads through a link in \"%s\" or \"%s\": move it away", name,
                       c->from, c->to);
    return rc == 0 ? 0
                   : err_sys(e, rc, "copying \"%s\" from \"%s\" to \"%s\"", name, c->from, c->to);
}

static int note_file(struct copy *c, const char *name, uint64_t upto, struct err *e)
{
    struct digest hash;
    int rc = copy_file(c, name, upto, &hash, e);

    if (rc != 0)
        return rc;
    rc = manifest_put_file(&c->lines, &hash, name);
    if (rc == -EINVAL)
        return err_set(e, rc, "\"%s/%s\" is no file of a site: move it away", c->from, name);
    return rc == 0 ? 0 : err_sys(e, rc, "listing \"%s\"", name);
}

/* All plain files of a folder of the site's, in any order; it may be missing. */
static int note_folder(struct copy *c, const char *folder, struct err *e)
{
    char name[PATH];
    const struct dirent *de;
    int fd = io_open_beneath(c->from_fd, folder, O_RDONLY | O_DIRECTORY, 0), rc = 0;
    DIR *d;

    if (fd == -ENOENT)
        return 0;
    if (fd < 0 || (d = fdopendir(fd)) == NULL) {
        rc = fd < 0 ? fd : -errno;
        io_close(&fd);
        return err_sys(e, rc, "looking into \"%s/%s\"", c->from, folder);
    }
    while (rc == 0 && (de = readdir(d)) != NULL)
        if (de->d_name[0] != '.' && (rc = join(name, folder, de->d_name, e)) == 0)
            rc = note_file(c, name, UINT64_MAX, e);
    (void)closedir(d);
    return rc;
}

static void copy_close(struct copy *c)
{
    io_close(&c->from_fd);
    io_close(&c->to_fd);
    free(c->block);
    c->block = NULL;
    buf_free(&c->lines);
}

static int copy_open(struct copy *c, const char *from, const char *to, struct err *e)
{
    int rc;

    memset(c, 0, sizeof(*c));
    c->from = from;
    c->to = to;
    buf_init(&c->lines, MANIFEST_MAX);
    c->block = malloc(BLOCK);
    c->from_fd = open(from, O_PATH | O_DIRECTORY | O_CLOEXEC);
    c->to_fd = open(to, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (c->block != NULL && c->from_fd >= 0 && c->to_fd >= 0)
        return 0;
    rc = c->block == NULL ? -ENOMEM : -errno;
    copy_close(c);
    return err_sys(e, rc, "opening \"%s\" and \"%s\"", from, to);
}

/* --- making one --- */

static int part_of(const char *dir, char part[PATH], char files[PATH], char list[PATH],
                   struct err *e)
{
    int rc;

    if (snprintf(part, PATH, "%s" PART, dir) >= PATH)
        return err_set(e, -ENAMETOOLONG, "the path \"%s\" is too long", dir);
    if ((rc = join(files, part, "files", e)) != 0)
        return rc;
    return join(list, part, "manifest", e);
}

/* What the first half has listed is kept in the folder for the second. */
int backup_begin(const struct config *c, const char *dir, struct err *e)
{
    char part[PATH], files[PATH], list[PATH];
    struct stat st;
    struct copy x;
    int rc;

    if ((rc = part_of(dir, part, files, list, e)) != 0)
        return rc;
    if (lstat(dir, &st) == 0)
        return err_set(e, -EEXIST, "\"%s\" is there; name a new folder", dir);
    if ((rc = io_remove_tree(part)) != 0)
        return err_sys(e, rc, "removing what an earlier run left in \"%s\"", part);
    if ((rc = io_mkdirs(AT_FDCWD, files)) != 0)
        return err_sys(e, rc, "making \"%s\"", files);
    if (chmod(part, 0700) != 0)
        return err_sys(e, -errno, "setting the mode of \"%s\"", part);
    if ((rc = copy_open(&x, c->data, files, e)) == 0 &&
        (rc = note_file(&x, "format", UINT64_MAX, e)) == 0 &&
        (rc = note_file(&x, "ledger.vkey", UINT64_MAX, e)) == 0 &&
        (rc = note_folder(&x, "ledger/artifact/sha256", e)) == 0)
        rc = note_folder(&x, "ledger/checkpoints", e);
    if (rc == 0 && (rc = io_replace_file(AT_FDCWD, list, x.lines.data, x.lines.len, 0600)) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", list);
    copy_close(&x);
    return rc;
}

static int copy_segments(struct copy *x, const struct backup_point *at,
                         void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                         struct err *e)
{
    char name[32];
    int rc = 0;

    for (uint32_t i = 1; i <= at->segment && rc == 0; i++) {
        (void)snprintf(name, sizeof(name), "vault/seg-%08u", (unsigned)i);
        rc = note_file(x, name, i == at->segment ? at->end : UINT64_MAX, e);
        if (rc == 0 && progress != NULL)
            progress(arg, i, at->segment);
    }
    return rc;
}

static int write_manifest(const struct config *c, const char *path, const struct backup_point *at,
                          const struct buf *first, const struct buf *second, struct err *e)
{
    struct buf all;
    int rc;

    buf_init(&all, 2 * MANIFEST_MAX);
    if ((rc = manifest_put_head(&all, c->site, at->epoch, at->leaves)) == 0 &&
        (rc = buf_put(&all, first->data, first->len)) == 0 &&
        (rc = buf_put(&all, second->data, second->len)) == 0)
        rc = io_replace_file(AT_FDCWD, path, all.data, all.len, 0600);
    buf_free(&all);
    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s\"", path);
}

int backup_end(const struct config *c, const char *dir, const struct backup_point *at,
               void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *e)
{
    char part[PATH], files[PATH], list[PATH];
    struct buf first;
    struct copy x;
    int rc, fd;

    if ((rc = part_of(dir, part, files, list, e)) != 0)
        return rc;
    buf_init(&first, MANIFEST_MAX);
    if ((rc = io_read_file(AT_FDCWD, list, &first)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", list);
    if (rc == 0 && (rc = copy_open(&x, c->data, files, e)) == 0) {
        if ((rc = copy_segments(&x, at, progress, arg, e)) == 0)
            rc = write_manifest(c, list, at, &first, &x.lines, e);
        copy_close(&x);
    }
    buf_free(&first);
    if (rc != 0)
        return rc;
    if ((fd = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 || syncfs(fd) != 0 ||
        rename(part, dir) != 0 || syncfs(fd) != 0)
        rc = err_sys(e, -errno, "finishing \"%s\"", dir);
    io_close(&fd);
    return rc;
}

/* --- the way back --- */

static int restore_files(struct copy *x, struct manifest *m, struct err *e)
{
    struct manifest_file f;
    struct digest got;
    int rc;

    while ((rc = manifest_next(m, &f, e)) == 1) {
        if ((rc = copy_file(x, f.name, UINT64_MAX, &got, e)) != 0)
            return rc;
        if (!digest_eq(&f.sha256, &got))
            return err_set(
                e, -EBADMSG,
                "\"%s\" of the backup is not what was copied: it is damaged, take another", f.name);
    }
    return rc;
}

static int give_folders(const struct copy *x, struct err *e)
{
    static const char *const names[] = {"ledger/artifact", "ledger/artifact/sha256",
                                        "ledger/checkpoints", "ledger/checkpoint"};
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(names) && x->uid != 0 && rc == 0; i++) {
        int fd = io_open_beneath(x->to_fd, names[i], O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

        if (fd >= 0 ? fchown(fd, x->uid, x->uid) != 0 : fd != -ENOENT)
            rc = err_sys(e, fd < 0 ? fd : -errno, "giving \"%s/%s\" to uid %u", x->to, names[i],
                         x->uid);
        io_close(&fd);
    }
    return rc;
}

/* The newest checkpoint is also served under its short name. */
static int newest_checkpoint(const struct config *c, struct err *e)
{
    char ledger[PATH], path[PATH], name[48];
    uint64_t *sizes = NULL;
    struct buf b;
    size_t n = 0;
    int rc;

    if ((rc = join(ledger, c->data, "ledger", e)) != 0)
        return rc;
    if ((rc = tlog_tiles_checkpoints(ledger, &sizes, &n, e)) != 0 || n == 0) {
        free(sizes);
        return rc == -ENOENT ? 0 : rc;
    }
    (void)snprintf(name, sizeof(name), "checkpoints/%" PRIu64, sizes[n - 1]);
    free(sizes);
    buf_init(&b, CORE_NOTE_MAX);
    if ((rc = join(path, ledger, name, e)) == 0 && (rc = io_read_file(AT_FDCWD, path, &b)) == 0 &&
        (rc = join(path, ledger, "checkpoint", e)) == 0)
        rc = io_replace_file(AT_FDCWD, path, b.data, b.len, 0644);
    buf_free(&b);
    return rc == 0 ? 0 : err_sys(e, rc, "writing \"%s/checkpoint\"", ledger);
}

int backup_restore(const struct config *c, const char *dir, struct backup_point *at, struct err *e)
{
    char files[PATH], list[PATH];
    struct manifest m = {0};
    uint32_t version;
    struct copy x;
    struct buf b;
    int rc;

    if ((rc = join(files, dir, "files", e)) != 0 || (rc = join(list, dir, "manifest", e)) != 0 ||
        (rc = data_format_look(files, &version, e)) != 0 || (rc = site_init_empty(c, e)) != 0)
        return rc;
    buf_init(&b, 2 * MANIFEST_MAX);
    if ((rc = io_read_file(AT_FDCWD, list, &b)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", list);
    if (rc == 0 && (rc = manifest_read(&m, buf_span(&b), e)) != 0)
        (void)err_prefix(e, "\"%s\"", list);
    if (rc == 0 && strcmp(m.site, c->site) != 0)
        rc = err_set(e, -EINVAL, "\"%s\" is a backup of site \"%s\", not of \"%s\"", list, m.site,
                     c->site);
    at->epoch = m.epoch;
    at->leaves = m.leaves;
    if (rc == 0 && (rc = io_mkdirs(AT_FDCWD, c->data)) != 0)
        (void)err_sys(e, rc, "making \"%s\"", c->data);
    if (rc == 0 && (rc = copy_open(&x, files, c->data, e)) == 0) {
        x.uid = geteuid() == 0 ? c->uid[CONFIG_KEEPER] : 0;
        if ((rc = restore_files(&x, &m, e)) == 0 && (rc = newest_checkpoint(c, e)) == 0)
            rc = give_folders(&x, e);
        copy_close(&x);
    }
    buf_free(&b);
    return rc;
}
