/* ledger_publish.c - what the writer shows: proofs up to its edge, leaves, checkpoints, artifacts.
 */
#include "ledger/ledger_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"

struct edge_asker {
    struct ledger *l;
    struct err *e;
};

/* The rightmost tile of each level is in memory, all to its left are full and have files. */
static int edge_subtree(void *arg, unsigned level, uint64_t index, struct digest *out)
{
    struct edge_asker *a = arg;
    struct ledger *l = a->l;
    unsigned row = level / 8, up = level % 8, width;
    uint64_t first = index << up, tiles = l->size >> (8 * row);
    const struct digest *h = l->edge[row];
    int rc;

    if (first / FULL != tiles / FULL &&
        (rc = tlog_tiles_hashes(l->ahead, row, first / FULL, &h, &width, a->e)) != 0)
        return rc;
    folds_root(&l->folds, row, first / FULL, h, first % FULL, up, out);
    return 0;
}

/* The reader must know of the full tiles that were written since the last flush. */
static int look_to_edge(struct ledger *l, uint64_t size, struct err *e)
{
    if (size > l->size)
        return err_set(e, -EINVAL, "the ledger \"%s\" has %" PRIu64 " leaves, not %" PRIu64, l->dir,
                       l->size, size);
    return tlog_tiles_grow(l->ahead, l->size, e);
}

int ledger_consistency(struct ledger *l, uint64_t old_size, uint64_t size,
                       struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e)
{
    struct edge_asker a = {l, e};
    struct core_source src = {edge_subtree, &a};
    int rc = look_to_edge(l, size, e);

    return rc != 0 ? rc : tlog_tiles_prove_consistency(&src, old_size, size, path, n, e);
}

int ledger_inclusion(struct ledger *l, uint64_t index, uint64_t size,
                     struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e)
{
    struct edge_asker a = {l, e};
    struct core_source src = {edge_subtree, &a};
    int rc = look_to_edge(l, size, e);

    return rc != 0 ? rc : tlog_tiles_prove_inclusion(&src, index, size, path, n, e);
}

int ledger_leaf(struct ledger *l, uint64_t index, struct buf *out, struct err *e)
{
    struct span leaves[FULL], leaf;
    unsigned width = (unsigned)(l->size % FULL);
    int rc;

    if (index >= l->size)
        return err_set(e, -EINVAL, "there is no leaf %" PRIu64 " in a ledger of %" PRIu64 " leaves",
                       index, l->size);
    if (index / FULL < l->size / FULL) {
        if ((rc = look_to_edge(l, l->size, e)) != 0 ||
            (rc = tlog_tiles_leaf(l->ahead, index, &leaf, e)) != 0)
            return rc;
    } else {
        if ((rc = tlog_tiles_split(buf_span(&l->bundle), width, true, leaves)) != 0)
            return err_set(e, rc, "the newest bundle of \"%s\" is damaged in memory", l->dir);
        leaf = leaves[index % FULL];
    }
    return buf_put(out, leaf.p, leaf.n);
}

/* Every tile of a tree of that size has a file: it was flushed, not passed over. */
static bool was_flushed(const struct ledger *l, uint64_t size)
{
    char path[TLOG_TILES_PATH_MAX];

    for (unsigned row = 0; row < ROWS; row++) {
        uint64_t n = row == LEVELS ? size : size >> (8 * row);
        struct tlog_tile t = {row == LEVELS ? TLOG_TILES_ENTRIES : row, n / FULL,
                              (unsigned)(n % FULL)};

        if (t.width == 0)
            continue;
        tlog_tiles_path(path, &t);
        if (faccessat(l->dirfd, path, R_OK, 0) == 0)
            continue;
        t.width = FULL;
        tlog_tiles_path(path, &t);
        if (faccessat(l->dirfd, path, R_OK, 0) != 0)
            return false;
    }
    return true;
}

static int check_publish(struct ledger *l, const struct core_checkpoint *c, struct err *e)
{
    struct digest root;
    int rc;

    if (c->size > l->flushed || !was_flushed(l, c->size))
        return err_set(e, -EINVAL, "size %" PRIu64 " was not flushed; flush, then sign", c->size);
    if (l->has_checkpoint && c->size < l->published)
        return err_set(e, -EINVAL, "size %" PRIu64 " is below the published %" PRIu64, c->size,
                       l->published);
    if ((rc = tlog_tiles_root(l->tiles, c->size, &root, e)) != 0)
        return rc;
    if (!digest_eq(&root, &c->root))
        return err_set(e, -EINVAL,
                       "the checkpoint's root is not that of the ledger's %" PRIu64 " leaves",
                       c->size);
    return 0;
}

int ledger_publish(struct ledger *l, struct span note, struct err *e)
{
    struct core_note n;
    struct core_checkpoint c;
    char path[48];
    int rc = ledger_usable(l, e);

    if (rc != 0)
        return rc;
    if (core_note_split(note, &n) != 0 || core_checkpoint_parse(n.text, &c) != 0)
        return err_set(e, -EINVAL, "not a signed checkpoint");
    if ((rc = check_publish(l, &c, e)) != 0)
        return rc;
    (void)snprintf(path, sizeof(path), "checkpoints/%" PRIu64, c.size);
    if ((rc = io_mkdirs(l->dirfd, "checkpoints")) != 0 ||
        (rc = io_replace_file(l->dirfd, path, note.p, note.n, 0644)) != 0 ||
        (rc = io_replace_file(l->dirfd, "checkpoint", note.p, note.n, 0644)) != 0)
        return ledger_stop(l, err_sys(e, rc, "publishing \"%s/%s\"", l->dir, path));
    l->published = c.size;
    l->has_checkpoint = true;
    return 0;
}

int ledger_put_artifact(struct ledger *l, struct span bytes, struct digest *digest, struct err *e)
{
    char hex[65], path[100];
    struct digest d;
    struct buf b;
    int rc = ledger_usable(l, e);

    if (rc != 0)
        return rc;
    sha256_of(bytes.p, bytes.n, &d);
    text_digest(hex, &d);
    (void)snprintf(path, sizeof(path), "artifact/sha256/%s", hex);
    buf_init(&b, bytes.n);
    if (tlog_tiles_artifact(l->dir, &d, &b, NULL) == 0)
        goto out; /* whole and there */
    if ((rc = io_mkdirs(l->dirfd, "artifact/sha256")) != 0 ||
        (rc = io_sync_dir(l->dirfd, "artifact")) != 0 || (rc = io_sync_dir(l->dirfd, ".")) != 0 ||
        (rc = io_replace_file(l->dirfd, path, bytes.p, bytes.n, 0644)) != 0) {
        rc = err_sys(e, rc, "writing \"%s/%s\"", l->dir, path);
        goto out;
    }
    rc = tlog_tiles_artifact(l->dir, &d, &b, e);
out:
    buf_free(&b);
    if (rc == 0 && digest != NULL)
        *digest = d;
    return rc;
}
