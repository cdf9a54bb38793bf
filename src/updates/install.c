#include "updates/install.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "updates/delta.h"
#include "updates/pack.h"
#include "updates/install_priv.h"
#include "updates/tuf_json.h"

#define CURRENT "rules/current.json"
#define CURRENT_MAX 4096u

/* --- one target: from the repository to the folder, and read from there --- */

static int fetch(struct installing *w, const char *path, uint64_t most, bool *fetched,
                 struct err *e)
{
    const struct tuf_file *f;
    int rc = tuf_updater_find(w->updater, path, &f, e);

    if (rc == 0 && f->length > most)
        rc = err_set(e, -E2BIG, "target \"%s\" has %llu bytes, more than such a one may have", path,
                     (unsigned long long)f->length);
    if (rc == 0)
        rc = tuf_updater_download(w->updater, f, w->targets_url, w->shelf, fetched, e);
    return rc;
}

static int file_name(char out[300], const char *path, struct err *e)
{
    struct buf b;
    int rc;

    buf_init(&b, 256);
    if ((rc = tuf_shelf_name(&b, path, e)) == 0)
        (void)snprintf(out, 300, "download/%.*s", (int)b.len, (const char *)b.data);
    buf_free(&b);
    return rc;
}

static int read_target(struct installing *w, const char *path, struct buf *b, struct err *e)
{
    char name[300];
    bool fetched;
    int rc;

    if ((rc = fetch(w, path, b->max, &fetched, e)) != 0 || (rc = file_name(name, path, e)) != 0)
        return rc;
    rc = io_read_file(w->dir, name, b);
    return rc == 0 ? 0 : err_sys(e, rc, "reading \"%s\"", name);
}

/* -ENOENT if it is not here. */
static int map_target(struct installing *w, const char *path, struct span *out, struct err *e)
{
    char name[300];
    struct stat st;
    void *p = MAP_FAILED;
    int fd, rc;

    *out = (struct span){NULL, 0};
    if ((rc = file_name(name, path, e)) != 0)
        return rc;
    if ((fd = openat(w->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return err_sys(e, -errno, "reading \"%s\"", name);
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (!S_ISREG(st.st_mode) || st.st_size == 0 || (uint64_t)st.st_size > PACK_BYTES_MAX)
        rc = -EBADMSG;
    else if ((p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        rc = -errno;
    else
        *out = span_of(p, (size_t)st.st_size);
    io_close(&fd);
    return rc == 0 ? 0 : err_sys(e, rc, "reading \"%s\"", name);
}

static void unmap(struct span s)
{
    if (s.n > 0)
        (void)munmap((void *)(uintptr_t)s.p, s.n);
}

/* --- which release --- */

int install_current(struct span text, uint64_t *serial, struct err *e)
{
    json_t *all = NULL;
    const char *format;
    int64_t n = 0;
    int rc;

    if ((rc = tuf_json_parse(&all, text, e)) == 0 &&
        (rc = tuf_json_string(all, CURRENT, "format", &format, e)) == 0)
        rc = strcmp(format, "rules-current/v1") != 0
                 ? err_set(e, -EBADMSG,
                           CURRENT ": a format \"%.40s\" that this program does not know; a newer "
                                   "one may",
                           format)
                 : tuf_json_int(all, CURRENT, "serial", 1, TUF_INT_MAX, &n, e);
    json_decref(all);
    *serial = (uint64_t)n;
    return rc;
}

static int read_current(struct installing *w, uint64_t *serial, struct err *e)
{
    struct buf b;
    int rc;

    buf_init(&b, CURRENT_MAX);
    if ((rc = read_target(w, CURRENT, &b, e)) == 0)
        rc = install_current(buf_span(&b), serial, e);
    buf_free(&b);
    return rc;
}

/* The release that rules/current.json names must be in a witnessed ledger, and not be older than
 * what is in use. */
static int prove(struct installing *w, uint64_t serial, struct err *e)
{
    struct release_leaf *l = &w->out->release;
    struct buf proof;
    char path[64];
    int rc;

    buf_init(&proof, TLOG_PROOF_MAX);
    (void)snprintf(path, sizeof(path), "rules/%" PRIu64 ".proof", serial);
    if ((rc = read_target(w, path, &proof, e)) != 0)
        (void)err_prefix(e, "release %" PRIu64 " has no proof, so it is refused", serial);
    else if ((rc = release_proof_check(l, buf_span(&proof), w->in->policy, e)) != 0)
        (void)err_prefix(e, "release %" PRIu64 " is refused", serial);
    else if (l->serial != serial)
        rc =
            err_set(e, -EBADMSG, "release %" PRIu64 " is refused: its proof is of release %" PRIu64,
                    serial, l->serial);
    else if (serial < w->out->before)
        rc = err_set(e, -EBADMSG,
                     "the repository offers release %" PRIu64 "; %" PRIu64
                     " is in use here, and there is no way back",
                     serial, w->out->before);
    else
        rc = install_keep_proof(w, buf_span(&proof), e);
    buf_free(&proof);
    return rc;
}

/* --- its files --- */

struct wanted {
    struct tuf_file file; /* of the archive, as the repository announces it */
    char path[64];
};

static int find_archive(struct installing *w, struct wanted *x, struct err *e)
{
    const struct tuf_file *f;
    int rc;

    (void)snprintf(x->path, sizeof(x->path), "rules/%" PRIu64 ".tar", w->out->release.serial);
    if ((rc = tuf_updater_find(w->updater, x->path, &f, e)) != 0)
        return rc;
    if (f->length == 0 || f->length > PACK_BYTES_MAX)
        return err_set(e, -E2BIG, "release %" PRIu64 " has %llu bytes, more than one may have",
                       w->out->release.serial, (unsigned long long)f->length);
    x->file = *f;
    x->file.name = x->path; /* what f lends is gone with the next search */
    w->out->size = f->length;
    return 0;
}

static int expand(struct installing *w, const struct wanted *x, struct span from, struct span frame,
                  struct err *e)
{
    size_t n = (size_t)x->file.length;
    void *to = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int rc;

    if (to == MAP_FAILED)
        return err_sys(e, -ENOMEM, "expanding \"%s\"", x->path);
    if ((rc = delta_apply(to, n, from, frame, e)) == 0 &&
        (rc = tuf_shelf_begin(w->shelf, &x->file, e)) == 0) {
        if ((rc = tuf_shelf_take(to, n, w->shelf)) != 0)
            (void)err_sys(e, rc, "writing \"%s\"", x->path);
        else
            rc = tuf_shelf_commit(w->shelf, e);
        tuf_shelf_drop(w->shelf);
    }
    (void)munmap(to, n);
    return rc;
}

/* Fetches path, a frame, and expands it with `from` as its prefix. */
static int fetch_frame(struct installing *w, const struct wanted *x, const char *path,
                       struct span from, struct err *e)
{
    struct span frame;
    bool fetched;
    int rc;

    if ((rc = fetch(w, path, PACK_BYTES_MAX, &fetched, e)) != 0 ||
        (rc = map_target(w, path, &frame, e)) != 0)
        return rc;
    w->out->fetched = fetched ? frame.n : 0;
    if ((rc = expand(w, x, from, frame, e)) != 0)
        (void)err_prefix(e, "target \"%s\"", path);
    unmap(frame);
    return rc;
}

/* 0: done; 1: there is none, or it is of no use. */
static int by_delta(struct installing *w, const struct wanted *x, struct err *e)
{
    char path[64], old[64];
    struct span from;
    int rc;

    if (w->out->before == 0)
        return 1;
    (void)snprintf(path, sizeof(path), "rules/%" PRIu64 "-%" PRIu64 ".zst", w->out->before,
                   w->out->release.serial);
    (void)snprintf(old, sizeof(old), "rules/%" PRIu64 ".tar", w->out->before);
    if (map_target(w, old, &from, NULL) != 0)
        return 1;
    rc = fetch_frame(w, x, path, from, e);
    unmap(from);
    w->out->way = INSTALL_DELTA;
    w->out->fell_back = rc == -EBADMSG || rc == -E2BIG;
    return rc == -ENOENT || w->out->fell_back ? 1 : rc;
}

static int fetch_archive(struct installing *w, const struct wanted *x, struct err *e)
{
    char path[64];
    bool have, fetched;
    int rc;

    if ((rc = tuf_shelf_have(w->shelf, &x->file, &have, e)) != 0 || have)
        return rc;
    if ((rc = by_delta(w, x, e)) <= 0)
        return rc;
    w->out->way = INSTALL_COMPRESSED;
    (void)snprintf(path, sizeof(path), "rules/%" PRIu64 ".tar.zst", w->out->release.serial);
    if ((rc = fetch_frame(w, x, path, (struct span){NULL, 0}, e)) != -ENOENT)
        return rc;
    w->out->way = INSTALL_PLAIN;
    w->out->fetched = x->file.length;
    return fetch(w, x->path, PACK_BYTES_MAX, &fetched, e);
}

static int take_release(struct installing *w, struct err *e)
{
    struct wanted x;
    struct span tar;
    int rc;

    if ((rc = find_archive(w, &x, e)) != 0 || (rc = fetch_archive(w, &x, e)) != 0 ||
        (rc = map_target(w, x.path, &tar, e)) != 0)
        return rc;
    rc = install_unpack(w, tar, e);
    unmap(tar);
    return rc;
}

static int update(struct installing *w, struct err *e)
{
    uint64_t serial;
    int rc;

    if ((rc = tuf_updater_refresh(w->updater, e)) != 0 || (rc = read_current(w, &serial, e)) != 0 ||
        (rc = prove(w, serial, e)) != 0)
        return rc;
    if (serial == w->out->before && install_is_sound(w))
        return 0;
    if ((rc = take_release(w, e)) == 0 && (rc = install_switch(w, e)) == 0) {
        w->out->installed = true;
        install_sweep(w);
    }
    return rc;
}

/* --- the root to begin with --- */

static int to_buf(const void *p, size_t n, void *arg)
{
    return buf_put(arg, p, n);
}

/* The repository's own root 1, if the caller knows its hash. */
static int fetch_root(struct installing *w, struct buf *b, struct err *e)
{
    char *url;
    int rc;

    if (asprintf(&url, "%s/1.root.json", w->metadata_url) < 0)
        return err_sys(e, -ENOMEM, "updating");
    rc = w->in->fetch->get(w->in->fetch->ctx, url, TUF_MAX_ROOT, to_buf, b, e);
    if (rc != 0)
        (void)err_prefix(e, "the first root");
    free(url);
    return rc;
}

static int is_known_root(const struct installing *w, struct span root, struct err *e)
{
    struct digest d;

    if (w->in->first_root == NULL)
        return 0;
    sha256_of(root.p, root.n, &d);
    return digest_eq(&d, w->in->first_root)
               ? 0
               : err_set(e, -EBADMSG,
                         "the first root is another than the one the trust file names");
}

/* What is trusted here already stays; a new root comes by the chain. */
static int begin_root(struct installing *w, struct err *e)
{
    struct span root = w->in->root;
    struct buf have, got;
    int rc;

    buf_init(&have, TUF_MAX_ROOT);
    buf_init(&got, TUF_MAX_ROOT);
    rc = w->store.load(w->store.ctx, "root.json", &have, NULL);
    if (rc == -ENOENT && (root.n > 0 || w->in->first_root != NULL)) {
        rc = root.n > 0 ? 0 : fetch_root(w, &got, e);
        if (root.n == 0)
            root = buf_span(&got);
        if (rc == 0 && (rc = is_known_root(w, root, e)) == 0)
            rc = tuf_updater_init(&w->store, root, e);
    } else {
        rc = 0; /* none at all is told by tuf_updater_new */
    }
    buf_free(&have);
    buf_free(&got);
    return rc;
}

/* --- the folder and what belongs to it --- */

static int begin(struct installing *w, struct err *e)
{
    char path[2][PATH_MAX];
    int rc;

    if (asprintf(&w->metadata_url, "%s/metadata", w->in->url) < 0)
        w->metadata_url = NULL;
    if (asprintf(&w->targets_url, "%s/targets", w->in->url) < 0)
        w->targets_url = NULL;
    if (w->metadata_url == NULL || w->targets_url == NULL)
        return err_sys(e, -ENOMEM, "updating");
    (void)snprintf(path[0], sizeof(path[0]), "%s/metadata", w->in->dir);
    (void)snprintf(path[1], sizeof(path[1]), "%s/download", w->in->dir);
    if ((w->dir = tuf_store_folder(w->in->dir, e)) < 0)
        return w->dir;
    if ((rc = tuf_store_dir_open(&w->store, path[0], e)) != 0 ||
        (rc = tuf_shelf_open(&w->shelf, path[1], e)) != 0 || (rc = begin_root(w, e)) != 0)
        return rc;
    return tuf_updater_new(&w->updater, w->in->fetch, &w->store, w->metadata_url, e);
}

static void end(struct installing *w)
{
    tuf_updater_free(w->updater);
    tuf_shelf_close(w->shelf);
    tuf_store_dir_close(&w->store);
    io_close(&w->dir);
    free(w->metadata_url);
    free(w->targets_url);
}

int install_update(const struct install *in, struct install_done *out, struct err *e)
{
    struct installing w = {.in = in, .out = out, .dir = -1};
    int rc;

    memset(out, 0, sizeof(*out));
    if ((rc = begin(&w, e)) == 0 && (rc = install_look(&w, e)) == 0)
        rc = update(&w, e);
    end(&w);
    return rc;
}

int install_target(const struct install *in, const char *path, char file[4096], struct err *e)
{
    struct installing w = {.in = in, .dir = -1};
    char name[300];
    bool fetched;
    int rc;

    if ((rc = begin(&w, e)) == 0 && (rc = tuf_updater_refresh(w.updater, e)) == 0 &&
        (rc = fetch(&w, path, UINT64_MAX, &fetched, e)) == 0 &&
        (rc = file_name(name, path, e)) == 0 &&
        snprintf(file, 4096, "%s/%s", in->dir, name) >= 4096)
        rc = err_set(e, -EINVAL, "the folder \"%.80s\"... has too long a name", in->dir);
    end(&w);
    return rc;
}
