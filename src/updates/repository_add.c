/* repository_add.c - a release put where clients find it: packed, compressed, as differences to
 * the releases before, with its proof. */
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
#include "updates/release_proof.h"
#include "updates/repository_priv.h"

#define TEMPORARY "targets/.tmp-add"

struct adding {
    struct repository *r;
    const struct repository_add *a;
    struct repository_added *out;
    struct release_leaf leaf;
    json_t *targets; /* of the new rules.json */
    struct span tar;
    uint64_t *had; /* serials that are listed now, newest first */
    size_t n_had;
};

/* --- one target --- */

static json_t *custom_of(uint64_t serial, const struct digest *tree)
{
    json_t *o = json_object();
    char hex[65];

    text_digest(hex, tree);
    if (o == NULL || json_object_set_new(o, "serial", json_integer((json_int_t)serial)) != 0 ||
        json_object_set_new(o, "tree", json_string(hex)) != 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}

/* path is listed; its release's number is said if it is one that stays (not of a difference). */
static int list(struct adding *w, const char *path, uint64_t length, const struct digest *hash,
                bool stays, struct err *e)
{
    json_t *custom = stays ? custom_of(w->leaf.serial, &w->leaf.tree) : NULL;
    json_t *one = stays && custom == NULL ? NULL : tuf_write_target(length, hash, custom);
    int rc = json_object_set_new(w->targets, path, one);

    json_decref(custom);
    return rc == 0 ? 0 : err_sys(e, -ENOMEM, "target \"%s\"", path);
}

static int put(struct adding *w, const char *path, struct span bytes, bool stays, struct err *e)
{
    struct digest hash;
    char name[192];
    int rc;

    sha256_of(bytes.p, bytes.n, &hash);
    if ((rc = repository_target_name(name, path, &hash, e)) != 0 ||
        (rc = repository_write(w->r, name, bytes, e)) != 0)
        return rc;
    return list(w, path, bytes.n, &hash, stays, e);
}

static void path_of(char out[64], const char *form, uint64_t serial)
{
    (void)snprintf(out, 64, "rules/%" PRIu64 "%s", serial, form);
}

/* --- the archive --- */

static int map(struct adding *w, int fd, struct err *e)
{
    struct stat st;
    void *p;

    if (fstat(fd, &st) != 0)
        return err_sys(e, -errno, "packing the release");
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return err_sys(e, -errno, "packing the release");
    w->tar = span_of(p, (size_t)st.st_size);
    return 0;
}

static int put_archive(struct adding *w, const struct release *rel, struct err *e)
{
    char path[64], name[192];
    struct digest hash;
    int rc, fd = openat(w->r->fd, TEMPORARY, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        return err_sys(e, -errno, "writing \"%s/" TEMPORARY "\"", w->r->dir);
    path_of(path, ".tar", w->leaf.serial);
    if ((rc = pack_write(rel, fd, e)) == 0 && (rc = map(w, fd, e)) == 0) {
        sha256_of(w->tar.p, w->tar.n, &hash);
        rc = repository_target_name(name, path, &hash, e);
    }
    if (rc == 0 && ((rc = io_sync_fd(fd)) != 0 ||
                    (renameat(w->r->fd, TEMPORARY, w->r->fd, name) != 0 && (rc = -errno) != 0) ||
                    (rc = io_sync_dir(w->r->fd, "targets/rules")) != 0))
        (void)err_sys(e, rc, "writing \"%s/%s\"", w->r->dir, name);
    if (rc != 0)
        (void)unlinkat(w->r->fd, TEMPORARY, 0);
    io_close(&fd);
    return rc == 0 ? list(w, path, w->tar.n, &hash, true, e) : rc;
}

/* --- compressed, and as differences --- */

static void step(const struct adding *w, size_t done, size_t total)
{
    if (w->a->step != NULL)
        w->a->step(w->a->arg, done * w->tar.n, total * w->tar.n);
}

static int put_full(struct adding *w, struct err *e)
{
    struct buf b;
    char path[64];
    int rc;

    buf_init(&b, (size_t)PACK_BYTES_MAX + (PACK_BYTES_MAX >> 7) + 1024);
    path_of(path, ".tar.zst", w->leaf.serial);
    if ((rc = delta_make(&b, (struct span){NULL, 0}, w->tar, e)) == 0)
        rc = put(w, path, buf_span(&b), true, e);
    w->out->compressed = b.len;
    buf_free(&b);
    return rc;
}

/* A difference that is no smaller than the whole is of no use. */
static int put_delta(struct adding *w, uint64_t from, struct err *e)
{
    struct span old = {NULL, 0};
    struct buf b;
    char path[64], source[64];
    int rc;

    buf_init(&b, (size_t)PACK_BYTES_MAX + (PACK_BYTES_MAX >> 7) + 1024);
    path_of(source, ".tar", from);
    (void)snprintf(path, sizeof(path), "rules/%" PRIu64 "-%" PRIu64 ".zst", from, w->leaf.serial);
    if ((rc = repository_map(w->r, w->r->role[REPOSITORY_RULES], source, &old, e)) == 0 &&
        (rc = delta_make(&b, old, w->tar, e)) == 0 && b.len < w->out->compressed) {
        rc = put(w, path, buf_span(&b), false, e);
        if (w->out->deltas++ == 0 || b.len < w->out->smallest_delta)
            w->out->smallest_delta = b.len;
    }
    repository_unmap(old);
    buf_free(&b);
    return rc;
}

static int put_compressed(struct adding *w, struct err *e)
{
    size_t n = w->n_had < w->a->deltas ? w->n_had : w->a->deltas;
    int rc;

    step(w, 0, n + 1);
    rc = put_full(w, e);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        step(w, i + 1, n + 1);
        rc = put_delta(w, w->had[i], e);
    }
    step(w, n + 1, n + 1);
    return rc;
}

/* --- what stays of before --- */

static uint64_t serial_of(const json_t *target)
{
    const json_t *custom = json_object_get(target, "custom");
    json_int_t n = json_integer_value(json_object_get(custom, "serial"));

    return n > 0 ? (uint64_t)n : 0;
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

static json_t *published_targets(const struct adding *w)
{
    const struct tuf_metadata *m = w->r->role[REPOSITORY_RULES];

    return m == NULL ? NULL : json_object_get(repository_signed(m), "targets");
}

static int find_serials(struct adding *w, struct err *e)
{
    json_t *all = published_targets(w), *one;
    const char *path;

    if (json_object_size(all) == 0)
        return 0;
    if ((w->had = calloc(json_object_size(all), sizeof(*w->had))) == NULL)
        return err_sys(e, -ENOMEM, "the list of targets");
    json_object_foreach(all, path, one)
    {
        const char *end = strrchr(path, '.');

        if (end != NULL && strcmp(end, ".tar") == 0 && serial_of(one) > 0)
            w->had[w->n_had++] = serial_of(one);
    }
    qsort(w->had, w->n_had, sizeof(*w->had), newest_first);
    return 0;
}

/* The files of the releases that stay listed: the newest before this one. */
static int keep(struct adding *w, struct err *e)
{
    size_t n = w->a->history > 0 ? w->a->history - 1 : 0;
    uint64_t least = n == 0         ? UINT64_MAX
                     : w->n_had > n ? w->had[n - 1]
                     : w->n_had > 0 ? w->had[w->n_had - 1]
                                    : UINT64_MAX;
    json_t *one;
    const char *path;

    json_object_foreach(published_targets(w), path, one)
    {
        if (strcmp(path, REPOSITORY_CURRENT) != 0 && serial_of(one) >= least &&
            json_object_set(w->targets, path, one) != 0)
            return err_sys(e, -ENOMEM, "the list of targets");
    }
    return 0;
}

/* --- all of it --- */

static int put_current(struct adding *w, struct err *e)
{
    char text[256], hex[65];
    int n;

    text_digest(hex, &w->leaf.tree);
    n = snprintf(text, sizeof(text),
                 "{\"format\":\"rules-current/v1\",\"serial\":%" PRIu64 ",\"tree\":\"%s\"}\n",
                 w->leaf.serial, hex);
    return put(w, REPOSITORY_CURRENT, span_of(text, (size_t)n), true, e);
}

static int wait_for_signatures(struct adding *w, struct err *e)
{
    const struct tuf_metadata *m = w->r->role[REPOSITORY_RULES];
    json_t *o = tuf_write_targets(m == NULL ? 1 : m->version + 1,
                                  repository_expiry(w->r, REPOSITORY_RULES), w->targets, NULL, 0);
    int rc = o == NULL ? err_sys(e, -ENOMEM, "rules.json") : repository_wait(w->r, "rules", o, e);

    json_decref(o);
    return rc;
}

static int proof_of(struct adding *w, const struct release *rel, struct buf *proof, struct err *e)
{
    struct digest tree = release_digest(rel);
    uint64_t newest;
    int rc;

    if ((rc = release_proof_make(proof, w->a->ledger, &tree, e)) != 0 ||
        (rc = release_proof_check(&w->leaf, buf_span(proof), w->a->policy, e)) != 0 ||
        (rc = repository_serial(w->r->role[REPOSITORY_RULES], &newest, e)) != 0)
        return rc;
    if (w->leaf.serial < newest)
        return err_set(e, -EINVAL,
                       "the rules in \"%s\" are release %" PRIu64 "; %" PRIu64
                       " is published already, and clients do not go back: release them anew",
                       w->a->rules, w->leaf.serial, newest);
    w->out->serial = w->leaf.serial;
    w->out->again = w->leaf.serial == newest;
    return 0;
}

static int add(struct adding *w, const struct release *rel, struct span proof, struct err *e)
{
    char path[64];
    int rc;

    if ((w->targets = json_object()) == NULL)
        return err_sys(e, -ENOMEM, "the list of targets");
    path_of(path, ".proof", w->leaf.serial);
    if ((rc = find_serials(w, e)) != 0 || (rc = keep(w, e)) != 0 ||
        (rc = put_archive(w, rel, e)) != 0 || (rc = put_compressed(w, e)) != 0 ||
        (rc = put(w, path, proof, true, e)) != 0 || (rc = put_current(w, e)) != 0)
        return rc;
    w->out->bytes = w->tar.n;
    return wait_for_signatures(w, e);
}

int repository_add(struct repository *r, const struct repository_add *a,
                   struct repository_added *out, struct err *e)
{
    struct adding w = {.r = r, .a = a, .out = out};
    struct release *rel = NULL;
    struct buf proof;
    int rc;

    memset(out, 0, sizeof(*out));
    buf_init(&proof, TLOG_PROOF_MAX);
    if (r->role[TUF_TARGETS] == NULL)
        rc = err_set(e, -EINVAL,
                     "the repository is not published yet: plan, sign and publish it first");
    else if ((rc = release_load(&rel, a->rules, e)) == 0 &&
             (rc = proof_of(&w, rel, &proof, e)) == 0 && !out->again)
        rc = add(&w, rel, buf_span(&proof), e);
    json_decref(w.targets);
    repository_unmap(w.tar);
    free(w.had);
    release_free(rel);
    buf_free(&proof);
    return rc;
}
