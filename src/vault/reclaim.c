/* reclaim.c - the space of dead objects goes back to the file system as holes.  Records stay where
 * they are, so nothing is copied and no position changes.  Order: the roots of the segments that
 * will have holes are taken back (a group), the holes are punched, the objects are forgotten (a
 * group); killed in between, the next call does the rest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vault/vault_priv.h"

#define RECLAIM_MAX 4096

struct dead {
    struct vault *v;
    struct id128 *id;
    size_t n;
    uint64_t bytes;
};

typedef int extent_fn(struct dead *d, const struct extent *x, void *arg);

static int each_extent(struct dead *d, extent_fn *fn, void *arg)
{
    struct vault_index *x = d->v->cfg.index;
    struct extent ext;
    struct buf b;
    int rc = 0;

    buf_init(&b, (size_t)RECORD_EXTENTS_MAX * RECORD_EXTENT);
    for (size_t i = 0; i < d->n && rc == 0; i++) {
        struct cur c;

        buf_reset(&b);
        if ((rc = x->ops->find_object(x, &d->id[i], &b)) != 0)
            break;
        for (c = cur_of(buf_span(&b)); c.n > 0 && rc == 0;)
            if ((rc = vault_record_extent(&c, &ext)) == 0)
                rc = fn(d, &ext, arg);
    }
    buf_free(&b);
    return rc;
}

static int unseal(struct dead *d, const struct extent *x, void *arg)
{
    struct vault_group *g = arg;
    const struct buf *b = &g->d.sec[RECORD_UNSEALS];
    struct digest root;
    uint64_t length;
    int rc;

    rc = d->v->cfg.index->ops->find_seal(d->v->cfg.index, x->segment, &length, &root);
    if (rc != 0)
        return rc == -ENOENT ? 0 : rc;
    for (struct cur c = cur_of(buf_span(b)); c.n > 0;) {
        uint32_t already;

        if ((rc = vault_record_unseal(&c, &already)) != 0 || already == x->segment)
            return rc;
    }
    return vault_record_add_unseal(&g->d, x->segment);
}

static int punch(struct dead *d, const struct extent *x, void *arg)
{
    const struct store_ops *st = d->v->cfg.store->ops;
    struct store_segment *h;
    uint64_t size;
    int rc;

    (void)arg;
    rc = st->open(d->v->cfg.store, x->segment, &h, &size);
    if (rc != 0)
        return rc;
    rc = st->punch(h, x->at, x->bytes);
    if (rc == 0)
        rc = st->sync(h);
    st->close(h);
    if (rc == 0)
        d->bytes += x->bytes;
    return rc;
}

static int unseal_group(struct dead *d, struct err *e)
{
    struct vault_group *g;
    int rc;

    if ((rc = vault_group_begin(&g, d->v)) != 0)
        return err_sys(e, rc, "reclaiming space");
    rc = each_extent(d, unseal, g);
    if (rc == 0 && g->d.n[RECORD_UNSEALS] > 0)
        return vault_group_commit(g, NULL, NULL, e);
    vault_group_abort(g);
    return rc == 0 ? 0 : err_sys(e, rc, "reclaiming space");
}

static int forget_group(struct dead *d, struct err *e)
{
    struct vault_group *g;
    int rc;

    if ((rc = vault_group_begin(&g, d->v)) != 0)
        return err_sys(e, rc, "reclaiming space");
    for (size_t i = 0; i < d->n && rc == 0; i++)
        rc = vault_record_add_id(&g->d, RECORD_DROPPED, &d->id[i]);
    if (rc == 0)
        return vault_group_commit(g, NULL, NULL, e);
    vault_group_abort(g);
    return err_sys(e, rc, "reclaiming space");
}

int vault_reclaim(struct vault *v, size_t max, uint64_t *bytes, struct err *e)
{
    struct dead d = {.v = v};
    int rc;

    *bytes = 0;
    if (v->group != NULL || !v->replayed || max == 0)
        return err_set(e, -EINVAL, "reclaim while a group is open");
    if (max > RECLAIM_MAX)
        max = RECLAIM_MAX;
    if ((rc = vault_replay_index(v)) != 0)
        return err_sys(e, rc, "bringing the vault's index up to date");
    d.id = calloc(max, sizeof(*d.id));
    if (d.id == NULL)
        return err_sys(e, -ENOMEM, "reclaiming space");
    rc = v->cfg.index->ops->dead_objects(v->cfg.index, d.id, max, &d.n);
    if (rc != 0)
        rc = err_sys(e, rc, "looking for dead objects");
    if (rc == 0 && d.n > 0 && (rc = unseal_group(&d, e)) == 0) {
        if ((rc = each_extent(&d, punch, NULL)) != 0)
            rc = err_sys(e, rc, "giving space back");
        else
            rc = forget_group(&d, e);
    }
    free(d.id);
    if (rc == 0)
        *bytes = d.bytes;
    return rc;
}
