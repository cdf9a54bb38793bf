/* ledger.c - the writer: the right edge of the tree in memory, files to the left of it.
 *
 * Tiles are written in place, under their final names, before they are synced: nobody may look at
 * them before a checkpoint covers them, and flush syncs them before the size is recorded.  What a
 * crash leaves to the right of the recorded size is overwritten when the leaves come again. */
#include "ledger/ledger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "ledger/folds_priv.h"
#include "ledger/slots_priv.h"
#include "ledger/tlog_tiles_priv.h"

#define FULL TLOG_TILES_FULL
#define LEVELS TLOG_TILES_LEVELS
#define ROWS (LEVELS + 1) /* tile levels, then the bundles */
#define EDGE ".edge"
#define PENDING_MAX 48

struct ledger {
    int dirfd;
    char *dir;
    bool broken; /* an error touched the disk: only open can tell what is there */
    struct slots slots;
    struct tlog_tiles *tiles; /* reads what is flushed */
    struct tlog_tiles *ahead; /* reads full tiles that were written since, too */
    uint64_t flushed, published;
    bool has_checkpoint;

    /* the tree: all full bundles, and the partial tile of each level */
    struct core_range full;
    uint64_t size;
    struct digest edge[LEVELS][FULL];
    struct buf bundle;
    struct folds folds; /* of tiles that proofs have asked for */

    /* files written since the last flush; above the limit the whole file system is synced */
    size_t pending;
    char path[PENDING_MAX][TLOG_TILES_PATH_MAX];
    /* full tiles whose partial ones a checkpoint may still need until they are durable */
    struct tlog_tile filled[ROWS];
    size_t n_filled;
};

static int stop(struct ledger *l, int rc)
{
    l->broken = true;
    return rc;
}

static int usable(const struct ledger *l, struct err *e)
{
    if (!l->broken)
        return 0;
    return err_set(e, -EIO, "the writer of \"%s\" stopped after an earlier failure; open it again",
                   l->dir);
}

/* ---- Files ----------------------------------------------------------------------------------- */

static int parent_of(const char *path, char out[TLOG_TILES_PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return -ENOENT;
    memcpy(out, path, (size_t)(slash - path));
    out[slash - path] = '\0';
    return 0;
}

static int create(struct ledger *l, const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    int fd = openat(l->dirfd, path, flags, 0644), rc;
    char parent[TLOG_TILES_PATH_MAX];

    if (fd < 0 && errno == ENOENT && parent_of(path, parent) == 0) {
        if ((rc = io_mkdirs(l->dirfd, parent)) != 0)
            return rc;
        fd = openat(l->dirfd, path, flags, 0644);
    }
    return fd < 0 ? -errno : fd;
}

static int write_tile(struct ledger *l, const struct tlog_tile *t, const void *p, size_t n,
                      struct err *e)
{
    char path[TLOG_TILES_PATH_MAX];
    int fd, rc;

    tlog_tiles_path(path, t);
    fd = create(l, path);
    rc = fd < 0 ? fd : io_write_all(fd, p, n);
    io_close(&fd);
    if (rc != 0)
        return err_sys(e, rc, "writing \"%s/%s\"", l->dir, path);
    if (l->pending < PENDING_MAX)
        memcpy(l->path[l->pending], path, sizeof(path));
    if (l->pending <= PENDING_MAX)
        l->pending++;
    return 0;
}

/* Removes the folder "N.p" of a full tile.  Left-overs are harmless: errors are not reported. */
static void remove_partials(struct ledger *l, const struct tlog_tile *full)
{
    char path[TLOG_TILES_PATH_MAX + 4], name[TLOG_TILES_PATH_MAX];
    struct dirent *de;
    DIR *d;
    int fd;

    tlog_tiles_path(name, full);
    (void)snprintf(path, sizeof(path), "%s.p", name);
    fd = openat(l->dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if ((d = fdopendir(fd)) == NULL) {
        io_close(&fd);
        return;
    }
    while ((de = readdir(d)) != NULL)
        if (de->d_name[0] != '.')
            (void)unlinkat(fd, de->d_name, 0);
    (void)closedir(d);
    (void)unlinkat(l->dirfd, path, AT_REMOVEDIR);
}

static int sync_path(struct ledger *l, const char *path)
{
    int fd = openat(l->dirfd, path, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0)
        return -errno;
    rc = io_sync_fd(fd);
    io_close(&fd);
    return rc;
}

/* Each folder above the pending files, once. */
static int sync_parents(struct ledger *l)
{
    static const char top[] = ".";
    char parent[TLOG_TILES_PATH_MAX], seen[2 * PENDING_MAX][TLOG_TILES_PATH_MAX];
    size_t n = 0, k;
    int rc;

    for (size_t i = 0; i < l->pending; i++) {
        memcpy(parent, l->path[i], sizeof(parent));
        while (parent_of(parent, parent) == 0) {
            for (k = 0; k < n && strcmp(seen[k], parent) != 0; k++)
                ;
            if (k < n)
                break; /* and so are its parents */
            if (n < ARRAY_LEN(seen))
                memcpy(seen[n++], parent, sizeof(parent));
            if ((rc = io_sync_dir(l->dirfd, parent)) != 0)
                return rc;
        }
    }
    return io_sync_dir(l->dirfd, top);
}

static int sync_pending(struct ledger *l, struct err *e)
{
    int rc = 0;

    if (l->pending > PENDING_MAX) {
        if (syncfs(l->dirfd) != 0)
            rc = -errno;
    } else {
        for (size_t i = 0; rc == 0 && i < l->pending; i++)
            rc = sync_path(l, l->path[i]);
        if (rc == 0 && l->pending > 0)
            rc = sync_parents(l);
    }
    if (rc != 0)
        return err_sys(e, rc, "syncing the tiles of \"%s\"", l->dir);
    l->pending = 0;
    return 0;
}

/* ---- Append ---------------------------------------------------------------------------------- */

/* A tile is full.  Its partial ones go at once if no flushed size needs them, else after the sync.
 */
static int write_full(struct ledger *l, unsigned level, uint64_t index, const void *p, size_t n,
                      struct err *e)
{
    struct tlog_tile t = {level, index, FULL};
    int rc = write_tile(l, &t, p, n, e);

    if (rc != 0)
        return rc;
    if (tlog_tiles_width(level, index, l->flushed) == 0)
        remove_partials(l, &t);
    else
        l->filled[l->n_filled++] = t; /* at most one a level between two flushes */
    return 0;
}

/* The bundle is full: writes it and every tile that fills by it. */
static int close_bundle(struct ledger *l, struct err *e)
{
    uint64_t n = l->size / FULL - 1; /* of the tile at each level */
    struct digest h;
    int rc;

    if ((rc = write_full(l, TLOG_TILES_ENTRIES, n, l->bundle.data, l->bundle.len, e)) != 0)
        return rc;
    buf_reset(&l->bundle);
    for (unsigned level = 0; level < LEVELS; level++, n /= FULL) {
        rc = write_full(l, level, n, l->edge[level], sizeof(l->edge[level]), e);
        if (rc != 0)
            return rc;
        core_fold(&note_crypto, l->edge[level], FULL, &h);
        if (level == 0 && (rc = core_range_add_subtree(&note_crypto, &l->full, 8, &h)) != 0)
            return err_set(e, rc, "the ledger is full");
        if (level + 1 == LEVELS)
            break;
        l->edge[level + 1][n % FULL] = h;
        if (n % FULL != FULL - 1)
            break;
    }
    return 0;
}

int ledger_append(struct ledger *l, const struct span *leaves, size_t n, struct err *e)
{
    int rc = usable(l, e);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (leaves[i].n > CORE_LEAF_MAX)
            return err_set(e, -E2BIG, "a leaf of %zu bytes; the most is %d", leaves[i].n,
                           CORE_LEAF_MAX);
    for (size_t i = 0; i < n; i++) {
        if ((rc = buf_put_sized(&l->bundle, leaves[i])) != 0)
            return stop(l, err_sys(e, rc, "appending to \"%s\"", l->dir));
        sha256_leaf(leaves[i].p, leaves[i].n, &l->edge[0][l->size % FULL]);
        if (++l->size % FULL == 0 && (rc = close_bundle(l, e)) != 0)
            return stop(l, rc);
    }
    return 0;
}

void ledger_root(const struct ledger *l, struct digest *out)
{
    struct core_range r = l->full;
    int rc = 0;

    for (unsigned i = 0; i < l->size % FULL && rc == 0; i++)
        rc = core_range_add(&note_crypto, &r, &l->edge[0][i]);
    core_range_root(&note_crypto, &r, out);
}

/* ---- Flush ----------------------------------------------------------------------------------- */

static int write_partials(struct ledger *l, struct err *e)
{
    int rc = 0;

    for (unsigned row = 0; rc == 0 && row < ROWS; row++) {
        bool entries = row == LEVELS;
        uint64_t n = entries ? l->size : l->size >> (8 * row);
        struct tlog_tile t = {entries ? TLOG_TILES_ENTRIES : row, n / FULL, (unsigned)(n % FULL)};

        /* a tile that did not grow is there and may be published: not touched */
        if (t.width == 0 || t.width == tlog_tiles_width(t.level, t.index, l->flushed))
            continue;
        rc = entries ? write_tile(l, &t, l->bundle.data, l->bundle.len, e)
                     : write_tile(l, &t, l->edge[row], t.width * sizeof(struct digest), e);
    }
    return rc;
}

/* record: u64 size || root */
static int record_size(struct ledger *l, struct err *e)
{
    uint8_t record[40];
    struct digest root;
    int rc;

    ledger_root(l, &root);
    for (int i = 0; i < 8; i++)
        record[i] = (uint8_t)(l->size >> (56 - 8 * i));
    memcpy(record + 8, root.b, sizeof(root.b));
    if ((rc = slots_store(&l->slots, record, sizeof(record))) != 0)
        return err_sys(e, rc, "writing \"%s/" EDGE "\"", l->dir);
    return 0;
}

int ledger_flush(struct ledger *l, struct err *e)
{
    int rc = usable(l, e);

    if (rc != 0 || l->size == l->flushed)
        return rc;
    if ((rc = write_partials(l, e)) != 0 || (rc = sync_pending(l, e)) != 0 ||
        (rc = record_size(l, e)) != 0 || (rc = tlog_tiles_grow(l->tiles, l->size, e)) != 0)
        return stop(l, rc);
    while (l->n_filled > 0)
        remove_partials(l, &l->filled[--l->n_filled]);
    l->flushed = l->size;
    return 0;
}

/* ---- Open ------------------------------------------------------------------------------------ */

/* Compares the last full tile of a level, and the last full bundle, with what is above them. */
static int check_full(struct ledger *l, unsigned level, uint64_t index, struct err *e)
{
    const struct digest *h;
    const struct span *leaf;
    struct digest below, above, own;
    unsigned width;
    int rc;

    if ((rc = tlog_tiles_hashes(l->tiles, level + 1, index / FULL, &h, &width, e)) != 0)
        return rc;
    above = h[index % FULL];
    if ((rc = tlog_tiles_hashes(l->tiles, level, index, &h, &width, e)) != 0)
        return rc;
    core_fold(&note_crypto, h, FULL, &below);
    if (!digest_eq(&above, &below))
        return err_set(e, -EBADMSG,
                       "\"%s\": tile %" PRIu64 " of level %u is not what the next says", l->dir,
                       index, level);
    if (level > 0)
        return 0;
    if ((rc = tlog_tiles_bundle(l->tiles, index, &leaf, &width, e)) != 0)
        return rc;
    for (unsigned i = 0; i < FULL; i++) {
        sha256_leaf(leaf[i].p, leaf[i].n, &own);
        if (!digest_eq(&own, &h[i]))
            return err_set(e, -EBADMSG, "\"%s\": leaf %" PRIu64 " is not what its hash says",
                           l->dir, index * FULL + i);
    }
    return 0;
}

static int load_bundle(struct ledger *l, struct err *e)
{
    const struct span *leaf;
    struct digest own;
    uint64_t n = l->size;
    unsigned width;
    int rc;

    buf_reset(&l->bundle);
    if (n % FULL == 0)
        return 0;
    if ((rc = tlog_tiles_bundle(l->tiles, n / FULL, &leaf, &width, e)) != 0)
        return rc;
    for (unsigned i = 0; i < n % FULL; i++) {
        sha256_leaf(leaf[i].p, leaf[i].n, &own);
        if (!digest_eq(&own, &l->edge[0][i]))
            return err_set(e, -EBADMSG, "\"%s\": leaf %" PRIu64 " is not what its hash says",
                           l->dir, n / FULL * FULL + i);
        if ((rc = buf_put_sized(&l->bundle, leaf[i])) != 0)
            return err_sys(e, rc, "reading \"%s\"", l->dir);
    }
    return 0;
}

/* Loads the tree of `size` leaves from its tiles and checks its edge against root. */
static int load_edge(struct ledger *l, uint64_t size, const struct digest *root, struct err *e)
{
    const struct digest *h;
    struct digest got;
    unsigned width;
    int rc;

    tlog_tiles_close(l->tiles);
    tlog_tiles_close(l->ahead);
    l->tiles = l->ahead = NULL;
    if ((rc = tlog_tiles_open(&l->tiles, l->dir, size, e)) != 0 ||
        (rc = tlog_tiles_open(&l->ahead, l->dir, size, e)) != 0)
        return rc;
    l->size = size;
    for (unsigned level = 0; level < LEVELS; level++) {
        uint64_t n = size >> (8 * level);

        if (n % FULL != 0) {
            if ((rc = tlog_tiles_hashes(l->tiles, level, n / FULL, &h, &width, e)) != 0)
                return rc;
            memcpy(l->edge[level], h, (size_t)(n % FULL) * sizeof(*h));
        }
        if (n >= FULL && (rc = check_full(l, level, n / FULL - 1, e)) != 0)
            return rc;
    }
    if ((rc = load_bundle(l, e)) != 0 ||
        (rc = tlog_tiles_range(l->tiles, size / FULL * FULL, &l->full, e)) != 0)
        return rc;
    ledger_root(l, &got);
    if (!digest_eq(&got, root))
        return err_set(e, -EBADMSG, "the tiles of \"%s\" are not those of the recorded root",
                       l->dir);
    return 0;
}

struct candidate {
    uint64_t size;
    struct digest root;
};

/* What the folder says it holds, best first: the two records, the checkpoint, nothing at all. */
static size_t candidates(const struct ledger *l, const struct core_checkpoint *c,
                         struct candidate out[4])
{
    size_t n = 0;

    for (unsigned i = 0; i < l->slots.found; i++) {
        struct cur r = {l->slots.record[i], l->slots.len[i]};

        if (cur_u64(&r, &out[n].size) == 0 && cur_copy(&r, out[n].root.b, 32) == 0 && r.n == 0 &&
            (!l->has_checkpoint || out[n].size >= c->size))
            n++;
    }
    if (l->has_checkpoint) {
        out[n].size = c->size;
        out[n++].root = c->root;
    } else {
        out[n].size = 0;
        sha256_of("", 0, &out[n++].root);
    }
    return n;
}

static int read_published(struct ledger *l, struct core_checkpoint *c, struct err *e)
{
    struct core_note note;
    struct buf b;
    int rc;

    buf_init(&b, CORE_NOTE_MAX);
    rc = tlog_tiles_newest(l->dir, &b, e);
    if (rc == 0) {
        if (core_note_split(buf_span(&b), &note) != 0 || core_checkpoint_parse(note.text, c) != 0)
            rc = err_set(e, -EBADMSG,
                         "\"%s/checkpoint\" is not a checkpoint; restore it from "
                         "checkpoints/",
                         l->dir);
        l->has_checkpoint = true;
        l->published = rc == 0 ? c->size : 0;
        c->origin = span_of(NULL, 0); /* pointed into b */
    } else if (rc == -ENOENT) {
        rc = 0;
    }
    buf_free(&b);
    return rc;
}

static int recover(struct ledger *l, struct err *e)
{
    struct core_checkpoint c = {0};
    struct candidate cand[4];
    struct digest root;
    struct err none = ERR_INIT;
    int rc, first = 0;
    size_t n;

    if ((rc = read_published(l, &c, e)) != 0)
        return rc;
    n = candidates(l, &c, cand);
    for (size_t i = 0; i < n; i++) {
        rc = load_edge(l, cand[i].size, &cand[i].root, i == 0 ? e : &none);
        if (rc == 0 && l->has_checkpoint &&
            (rc = tlog_tiles_root(l->tiles, c.size, &root, i == 0 ? e : &none)) == 0 &&
            !digest_eq(&root, &c.root))
            rc = err_set(i == 0 ? e : &none, -EBADMSG,
                         "the tiles of \"%s\" are not those of its checkpoint", l->dir);
        if (i == 0)
            first = rc;
        if (rc == 0)
            break;
    }
    if (rc != 0) {
        (void)err_prefix(e, "the ledger is damaged below its checkpoint; restore its files from a "
                            "mirror, or make them anew with \"glarus site rebuild\"");
        return first;
    }
    if (e != NULL && first != 0)
        *e = (struct err)ERR_INIT;
    l->flushed = l->size;
    return 0;
}

int ledger_open(struct ledger **out, const char *dir, struct err *e)
{
    struct ledger *l;
    int rc;

    if ((l = calloc(1, sizeof(*l))) == NULL || (l->dir = strdup(dir)) == NULL) {
        free(l);
        return err_sys(e, -ENOMEM, "opening \"%s\"", dir);
    }
    buf_init(&l->bundle, (size_t)FULL * (2 + CORE_LEAF_MAX));
    l->dirfd = l->slots.fd = -1;
    if ((rc = io_mkdirs_synced(AT_FDCWD, dir)) != 0) {
        rc = err_sys(e, rc, "creating \"%s\"", dir);
        goto fail;
    }
    if ((l->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        rc = err_sys(e, -errno, "opening \"%s\"", dir);
        goto fail;
    }
    if ((rc = slots_open(&l->slots, l->dirfd, EDGE, O_CREAT, NULL, e)) != 0) {
        (void)err_prefix(e, "ledger \"%s\"", dir);
        goto fail;
    }
    if ((rc = recover(l, e)) != 0)
        goto fail;
    *out = l;
    return 0;
fail:
    ledger_close(l);
    return rc;
}

void ledger_close(struct ledger *l)
{
    if (l == NULL)
        return;
    slots_close(&l->slots);
    tlog_tiles_close(l->tiles);
    tlog_tiles_close(l->ahead);
    buf_free(&l->bundle);
    io_close(&l->dirfd);
    free(l->dir);
    free(l);
}

uint64_t ledger_size(const struct ledger *l)
{
    return l->size;
}

uint64_t ledger_flushed(const struct ledger *l)
{
    return l->flushed;
}

uint64_t ledger_published(const struct ledger *l)
{
    return l->published;
}

bool ledger_has_checkpoint(const struct ledger *l)
{
    return l->has_checkpoint;
}

/* ---- Proofs and publishing ------------------------------------------------------------------- */

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
    int rc = usable(l, e);

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
        return stop(l, err_sys(e, rc, "publishing \"%s/%s\"", l->dir, path));
    l->published = c.size;
    l->has_checkpoint = true;
    return 0;
}

int ledger_put_artifact(struct ledger *l, struct span bytes, struct digest *digest, struct err *e)
{
    char hex[65], path[100];
    struct digest d;
    struct buf b;
    int rc = usable(l, e);

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
