/* ledger_open.c - which size the folder holds after whatever happened, and whether its right edge
 * is what the record or the checkpoint says. */
#include "ledger/ledger_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "crypto/sha256.h"

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
    if ((rc = slots_open(&l->slots, l->dirfd, LEDGER_EDGE, O_CREAT, NULL, e)) != 0) {
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
