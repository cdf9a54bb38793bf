/* rebuild.c - replays the whole journal into a new catalog and a new tree, then swaps.
 *
 * The partial tiles of a published size must be there until their full tile is (C2SP tlog-tiles),
 * so the new tree is flushed at each archived checkpoint that still has some: at most 256 a level.
 */
#include "site/rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/sha256.h"
#include "site/data_format.h"
#include "site/keeper_priv.h"
#include "site/process.h"

#define PATH 4096
#define CATALOG "catalog.db"
#define NEW_CATALOG "catalog.rebuild"
#define NEW_LEDGER "ledger.rebuild"

struct rebuild {
    struct keeper k; /* as much of one as keeper_apply needs */
    int data;        /* the data folder */
    uint64_t *sizes; /* of the archived checkpoints */
    size_t n_sizes, at;
    struct rebuild_report report;
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *arg;
    struct err *e;
};

static int in_data(const struct config *c, const char *name, char out[PATH], struct err *e)
{
    return snprintf(out, PATH, "%s/%s", c->data, name) < PATH
               ? 0
               : err_set(e, -ENAMETOOLONG, "the data folder's path is too long");
}

/* A file of SQLite, with what it may have beside it. */
static int remove_database(int dir, const char *name)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    char path[64];

    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", name, beside[i]);
        if (unlinkat(dir, path, 0) != 0 && errno != ENOENT)
            return -errno;
    }
    return 0;
}

/* --- what is there --- */

static int open_old(struct rebuild *r, const struct config *c, struct err *e)
{
    char path[PATH];
    uint32_t version;
    int rc;

    if ((rc = data_format_look(c->data, &version, e)) != 0)
        return rc;
    r->data = open(c->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->data < 0)
        return err_sys(e, -errno, "opening \"%s\"", c->data);
    if ((rc = in_data(c, "vault", path, e)) != 0)
        return rc;
    if ((rc = store_dir_open(&r->k.store, path, e)) != 0)
        return rc == -EBUSY ? err_set(e, rc, "the site is running: end it first (SIGTERM)") : rc;
    if ((rc = keyring_file_open(&r->k.keys, c->epoch_keys, e)) != 0 ||
        (rc = in_data(c, "ledger", path, e)) != 0)
        return rc;
    rc = tlog_tiles_checkpoints(path, &r->sizes, &r->n_sizes, e);
    if (rc == -ENOENT)
        *e = (struct err)ERR_INIT;
    return rc == -ENOENT ? 0 : rc;
}

/* What an earlier run left unfinished goes first. */
static int open_new(struct rebuild *r, const struct config *c, struct err *e)
{
    char catalog[PATH], ledger[PATH];
    int rc;

    if ((rc = in_data(c, NEW_CATALOG, catalog, e)) != 0 ||
        (rc = in_data(c, NEW_LEDGER, ledger, e)) != 0)
        return rc;
    if ((rc = remove_database(r->data, NEW_CATALOG)) != 0 || (rc = io_remove_tree(ledger)) != 0)
        return err_sys(e, rc, "removing what an earlier rebuild left in \"%s\"", c->data);
    if ((rc = catalog_open_fresh(&r->k.catalog, catalog, e)) != 0)
        return rc;
    return ledger_open(&r->k.ledger, ledger, e);
}

static int open_journal(struct rebuild *r, const struct config *c, struct err *e)
{
    struct vault_config vc = {r->k.store, r->k.keys, catalog_index(r->k.catalog), c->segment};
    struct vault_report v;
    int rc = vault_open(&r->k.vault, &vc, &v, e);

    if (rc != 0)
        return rc;
    if (v.damaged > 0)
        return err_set(e, -EBADMSG,
                       "segment %u of the journal is damaged at byte %" PRIu64
                       ": restore it from a copy first",
                       (unsigned)v.damage[0].segment, v.damage[0].at);
    r->report.groups = v.seq;
    r->report.leaves = v.ledger_size;
    if (r->n_sizes > 0 && r->sizes[r->n_sizes - 1] > v.ledger_size)
        return err_set(e, -EBADMSG,
                       "the journal ends at leaf %" PRIu64 ", but a checkpoint of %" PRIu64
                       " leaves is published: restore the newest segments from a copy",
                       v.ledger_size, r->sizes[r->n_sizes - 1]);
    return 0;
}

/* --- the replay --- */

/* Some tile of a tree of this size is partial, is not full in the last tree, and is another one
 * than that of the size before. */
static bool has_partials(uint64_t size, uint64_t before, uint64_t last)
{
    for (unsigned level = 0; size >> (8 * level) > 0; level++) {
        uint64_t index = size >> (8 * level) >> 8;
        unsigned width = tlog_tiles_width(level, index, size);

        if (width != 0 && width != tlog_tiles_width(level, index, before) &&
            tlog_tiles_width(level, index, last) < 256)
            return true;
    }
    return false;
}

static int keep_partials(struct rebuild *r)
{
    uint64_t size = ledger_size(r->k.ledger);

    while (r->at < r->n_sizes && r->sizes[r->at] < size)
        r->at++;
    if (r->at == r->n_sizes || r->sizes[r->at] != size ||
        !has_partials(size, ledger_flushed(r->k.ledger), r->report.leaves))
        return 0;
    return ledger_flush(r->k.ledger, r->e);
}

static int replay_one(void *arg, const struct vault_group_view *g)
{
    struct rebuild *r = arg;
    int rc = keeper_apply(&r->k, g);

    if (rc == 0)
        rc = keep_partials(r);
    if (r->progress != NULL)
        r->progress(r->arg, g->seq, r->report.groups);
    return rc;
}

/* --- is it the same history? --- */

static int compare_checkpoint(struct rebuild *r, const struct config *c, struct err *e)
{
    char old[PATH], made[PATH];
    struct core_checkpoint cp;
    struct tlog_tiles *tiles = NULL;
    struct core_note note;
    struct digest root;
    struct buf text;
    int rc;

    buf_init(&text, CORE_NOTE_MAX);
    if ((rc = in_data(c, "ledger", old, e)) != 0 || (rc = in_data(c, NEW_LEDGER, made, e)) != 0)
        goto out;
    rc = tlog_tiles_newest(old, &text, e);
    if (rc == -ENOENT) { /* nothing was ever published */
        rc = 0;
        goto out;
    }
    if (rc != 0)
        goto out;
    if (core_note_split(buf_span(&text), &note) != 0 ||
        core_checkpoint_parse(note.text, &cp) != 0) {
        rc = err_set(e, -EBADMSG, "\"%s/checkpoint\" is no checkpoint: restore it from a mirror",
                     old);
        goto out;
    }
    if (cp.size > r->report.leaves) {
        rc = err_set(e, -EBADMSG,
                     "the journal ends at leaf %" PRIu64 ", the published checkpoint has %" PRIu64,
                     r->report.leaves, cp.size);
        goto out;
    }
    if ((rc = tlog_tiles_open(&tiles, made, r->report.leaves, e)) != 0 ||
        (rc = tlog_tiles_root(tiles, cp.size, &root, e)) != 0)
        goto out;
    r->report.published = cp.size;
    if (!digest_eq(&root, &cp.root))
        rc = err_set(e, -EBADMSG,
                     "the journal's first %" PRIu64
                     " leaves do not have the published root: journal "
                     "and ledger are of two histories; nothing was changed",
                     cp.size);
out:
    tlog_tiles_close(tiles);
    buf_free(&text);
    return rc;
}

static int count_move(void *arg, const struct catalog_move *m)
{
    struct rebuild *r = arg;

    r->report.moves += m->state != CATALOG_MOVE_CLOSED;
    return 0;
}

static int count_live(void *arg, const struct id128 *ref)
{
    struct rebuild *r = arg;

    r->report.live++;
    return 0;
}

/* --- the swap --- */

/* The old tiles go aside, the new ones take their place.  In between the ledger is incomplete,
 * which a start refuses and another rebuild mends. */
static int swap_ledger(struct rebuild *r, struct err *e)
{
    static const char *const moved[] = {"tile", ".edge"};
    char from[64], to[64];
    int rc = io_mkdirs(r->data, "ledger");

    for (size_t i = 0; i < ARRAY_LEN(moved) && rc == 0; i++) {
        (void)snprintf(from, sizeof(from), NEW_LEDGER "/%s", moved[i]);
        (void)snprintf(to, sizeof(to), "ledger/%s", moved[i]);
        if (renameat2(r->data, from, r->data, to, RENAME_EXCHANGE) != 0 &&
            (errno != ENOENT || renameat(r->data, from, r->data, to) != 0))
            rc = -errno;
    }
    if (rc == 0)
        rc = io_sync_dir(r->data, "ledger");
    return rc == 0 ? 0 : err_sys(e, rc, "putting the new tiles in place; run the rebuild again");
}

static int swap_catalog(struct rebuild *r, struct err *e)
{
    int rc = remove_database(r->data, CATALOG);

    if (rc == 0 && renameat(r->data, NEW_CATALOG, r->data, CATALOG) != 0)
        rc = -errno;
    if (rc == 0)
        rc = remove_database(r->data, NEW_CATALOG); /* the log that is empty */
    if (rc == 0)
        rc = io_sync_fd(r->data);
    return rc == 0 ? 0 : err_sys(e, rc, "putting the new catalog in place; run the rebuild again");
}

static void close_stores(struct rebuild *r)
{
    vault_close(r->k.vault);
    ledger_close(r->k.ledger);
    catalog_close(r->k.catalog);
    r->k.vault = NULL;
    r->k.ledger = NULL;
    r->k.catalog = NULL;
}

/* The store stays open, and so locked, until the end. */
static int rebuild(struct rebuild *r, const struct config *c, struct err *e)
{
    char path[PATH];
    int rc;

    if ((rc = open_old(r, c, e)) != 0 || (rc = open_new(r, c, e)) != 0 ||
        (rc = open_journal(r, c, e)) != 0 ||
        (rc = vault_replay(r->k.vault, 0, 0, replay_one, r, e)) != 0 ||
        (rc = ledger_flush(r->k.ledger, e)) != 0 || (rc = compare_checkpoint(r, c, e)) != 0 ||
        (rc = catalog_ready(r->k.catalog, e)) != 0)
        return rc;
    if ((rc = catalog_moves(r->k.catalog, count_move, r)) != 0 ||
        (rc = catalog_refs(r->k.catalog, NULL, count_live, r)) != 0)
        return err_sys(e, rc, "reading the new catalog");
    if ((rc = catalog_scrub(r->k.catalog, e)) != 0) /* nothing is in its log any more */
        return rc;
    close_stores(r);
    if ((rc = swap_ledger(r, e)) != 0 || (rc = swap_catalog(r, e)) != 0 ||
        (rc = in_data(c, NEW_LEDGER, path, e)) != 0)
        return rc;
    rc = io_remove_tree(path);
    return rc == 0 ? 0 : err_sys(e, rc, "removing \"%s\"", path);
}

int site_rebuild_unjailed(const struct config *c,
                          void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                          struct rebuild_report *out, struct err *e)
{
    struct rebuild *r = calloc(1, sizeof(*r));
    int rc;

    if (r == NULL)
        return err_sys(e, -ENOMEM, "rebuilding");
    r->data = -1;
    r->progress = progress;
    r->arg = arg;
    r->e = e;
    r->k.c = (struct config *)(uintptr_t)c; /* keeper_apply only reads */
    rc = rebuild(r, c, e);
    *out = r->report;
    close_stores(r);
    keyring_free(r->k.keys);
    store_free(r->k.store);
    io_close(&r->data);
    free(r->sizes);
    free(r);
    return rc;
}

int site_rebuild(const struct config *c, void (*progress)(void *arg, uint64_t done, uint64_t total),
                 void *arg, struct rebuild_report *out, struct err *e)
{
    int rc = process_jail(c, CONFIG_KEEPER, e);

    if (rc == 0)
        return site_rebuild_unjailed(c, progress, arg, out, e);
    memset(out, 0, sizeof(*out));
    return rc;
}
