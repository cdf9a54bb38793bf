/* repository_products.c - files of products put where clients find them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/sha256.h"
#include "updates/repository_priv.h"

#define TEMPORARY "targets/.tmp-product"
#define PENDING "pending/products.json"
#define PIECE ((size_t)65536)
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

struct adding {
    struct repository *r;
    json_t *targets; /* of the new products.json */
    void (*step)(void *arg, uint64_t bytes);
    void *arg;
    bool any; /* something is new */
};

/* --- what is listed so far: what waits, else what is published --- */

static int64_t version_of(const struct adding *w)
{
    const struct tuf_metadata *m = w->r->role[REPOSITORY_PRODUCTS];

    return m == NULL ? 1 : m->version + 1;
}

static int begin(struct adding *w, struct err *e)
{
    const struct tuf_metadata *now = w->r->role[REPOSITORY_PRODUCTS];
    struct tuf_metadata *waits = NULL;
    const json_t *list;
    int rc = 0;

    if (w->r->role[TUF_TARGETS] == NULL)
        return err_set(e, -EINVAL,
                       "the repository is not published yet: plan, sign and publish it first");
    if (tuf_delegations_signers(&w->r->role[TUF_TARGETS]->delegations, "products") == NULL)
        return err_set(e, -EINVAL,
                       "the published targets trust nobody with products: name the role in "
                       "keys.yaml, then plan, sign and publish");
    if (faccessat(w->r->fd, PENDING, F_OK, 0) == 0 &&
        (rc = repository_read(w->r, PENDING, TUF_TARGETS, &waits, e)) != 0)
        return rc;
    if (waits != NULL && waits->version == version_of(w))
        now = waits;
    list = now == NULL ? NULL : json_object_get(repository_signed(now), "targets");
    w->targets = list == NULL ? json_object() : json_copy((json_t *)(uintptr_t)list);
    tuf_metadata_free(waits);
    return w->targets == NULL ? err_sys(e, -ENOMEM, "the list of products") : 0;
}

/* --- one file --- */

static int copy(struct adding *w, const struct repository_file *f, int to, uint64_t *size,
                struct digest *d)
{
    int from = f->path == NULL ? -1 : open(f->path, O_RDONLY | O_CLOEXEC);
    struct sha256 *h = sha256_new();
    uint8_t *piece = malloc(PIECE);
    int rc = h == NULL || piece == NULL ? -ENOMEM : f->path != NULL && from < 0 ? -errno : 0;
    ssize_t n = 1;

    *size = f->bytes.n;
    if (rc == 0 && f->path == NULL) {
        sha256_add(h, f->bytes.p, f->bytes.n);
        rc = io_write_all(to, f->bytes.p, f->bytes.n);
    }
    while (rc == 0 && f->path != NULL && n != 0) {
        if ((n = read(from, piece, PIECE)) < 0) {
            rc = errno == EINTR ? 0 : -errno;
            continue;
        }
        sha256_add(h, piece, (size_t)n);
        *size += (uint64_t)n;
        rc = io_write_all(to, piece, (size_t)n);
        if (w->step != NULL)
            w->step(w->arg, (uint64_t)n);
    }
    if (rc == 0)
        sha256_end(h, d);
    sha256_free(h);
    free(piece);
    io_close(&from);
    return rc;
}

static int list(struct adding *w, const char *path, uint64_t size, const struct digest *d,
                struct err *e)
{
    json_t *one = tuf_write_target(size, d, NULL), *had = json_object_get(w->targets, path);
    bool same = one != NULL && had != NULL && json_equal(one, had);

    if (had != NULL && !same) {
        json_decref(one);
        return err_set(e, -EEXIST,
                       "the repository has another \"%s\": what is published stays, so give the "
                       "product another version",
                       path);
    }
    w->any = w->any || !same;
    return one != NULL && json_object_set_new(w->targets, path, one) == 0
               ? 0
               : err_sys(e, -ENOMEM, "the list of products");
}

static bool plain(const char *name)
{
    static const char first[] = LETTERS, all[] = LETTERS "._+~:-";

    return strspn(name, first) > 0 && strspn(name, all) == strlen(name) && strlen(name) < 160;
}

static int put(struct adding *w, const struct repository_file *f, struct err *e)
{
    int rc, fd = openat(w->r->fd, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    char path[192], name[192];
    struct digest d;
    uint64_t size;

    if (fd < 0)
        return err_sys(e, -errno, "writing \"%s/" TEMPORARY "\"", w->r->dir);
    (void)snprintf(path, sizeof(path), "products/%s", f->name);
    if ((rc = copy(w, f, fd, &size, &d)) != 0)
        (void)err_sys(e, rc, "copying \"%s\"", f->path != NULL ? f->path : f->name);
    else if ((rc = repository_target_name(name, path, &d, e)) == 0 &&
             (rc = list(w, path, size, &d, e)) == 0 &&
             ((rc = io_sync_fd(fd)) != 0 ||
              (rc = renameat(w->r->fd, TEMPORARY, w->r->fd, name) == 0 ? 0 : -errno) != 0 ||
              (rc = io_sync_dir(w->r->fd, "targets/products")) != 0))
        (void)err_sys(e, rc, "writing \"%s/%s\"", w->r->dir, name);
    if (rc != 0)
        (void)unlinkat(w->r->fd, TEMPORARY, 0);
    io_close(&fd);
    return rc;
}

static int wait_for_signatures(struct adding *w, struct err *e)
{
    json_t *o = tuf_write_targets(version_of(w), repository_expiry(w->r, REPOSITORY_PRODUCTS),
                                  w->targets, NULL, 0);
    int rc =
        o == NULL ? err_sys(e, -ENOMEM, "products.json") : repository_wait(w->r, "products", o, e);

    json_decref(o);
    return rc;
}

int repository_add_products(struct repository *r, const struct repository_file *f, size_t n,
                            void (*step)(void *arg, uint64_t bytes), void *arg, bool *again,
                            struct err *e)
{
    struct adding w = {.r = r, .step = step, .arg = arg};
    int rc = begin(&w, e);

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = plain(f[i].name) ? put(&w, &f[i], e)
                              : err_set(e, -EINVAL, "\"%s\" is no name of a target", f[i].name);
    *again = rc == 0 && !w.any;
    if (rc == 0 && w.any)
        rc = wait_for_signatures(&w, e);
    json_decref(w.targets);
    return rc;
}
