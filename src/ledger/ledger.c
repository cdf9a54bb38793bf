/* ledger.c - the writer: the right edge of the tree in memory, files to the left of it.
 *
 * Tiles are written in place, under their final names, before they are synced: nobody may look at
 * them before a checkpoint covers them, and flush syncs them before the size is recorded.  What a
 * crash leaves to the right of the recorded size is overwritten when the leaves come again. */
#include "ledger/ledger_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/sha256.h"

int ledger_stop(struct ledger *l, int rc)
{
    l->broken = true;
    return rc;
}

int ledger_usable(const struct ledger *l, struct err *e)
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
    int rc = ledger_usable(l, e);

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (leaves[i].n > CORE_LEAF_MAX)
            return err_set(e, -E2BIG, "a leaf of %zu bytes; the most is %d", leaves[i].n,
                           CORE_LEAF_MAX);
    for (size_t i = 0; i < n; i++) {
        if ((rc = buf_put_sized(&l->bundle, leaves[i])) != 0)
            return ledger_stop(l, err_sys(e, rc, "appending to \"%s\"", l->dir));
        sha256_leaf(leaves[i].p, leaves[i].n, &l->edge[0][l->size % FULL]);
        if (++l->size % FULL == 0 && (rc = close_bundle(l, e)) != 0)
            return ledger_stop(l, rc);
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
        return err_sys(e, rc, "writing \"%s/" LEDGER_EDGE "\"", l->dir);
    return 0;
}

int ledger_flush(struct ledger *l, struct err *e)
{
    int rc = ledger_usable(l, e);

    if (rc != 0 || l->size == l->flushed)
        return rc;
    if ((rc = write_partials(l, e)) != 0 || (rc = sync_pending(l, e)) != 0 ||
        (rc = record_size(l, e)) != 0 || (rc = tlog_tiles_grow(l->tiles, l->size, e)) != 0)
        return ledger_stop(l, rc);
    while (l->n_filled > 0)
        remove_partials(l, &l->filled[--l->n_filled]);
    l->flushed = l->size;
    return 0;
}
