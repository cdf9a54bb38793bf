/* turn.c - the turn of an epoch.  Every step is a journaled group of the caller; killed anywhere,
 * the journal says how far it came and the next start goes on from there: opened, some slots
 * wrapped again, all of them, retired (the old key may be missing from here on), destroyed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vault/vault_priv.h"

int vault_turn_begin(struct vault_group *g, uint64_t *epoch, struct err *e)
{
    struct vault *v = g->v;
    uint64_t next = v->epoch + 1;
    int rc;

    if (v->epoch != v->oldest || g->epoch != v->epoch || g->n_slots > 0)
        return err_set(e, -EINVAL, "epoch %llu is still being turned; finish that first",
                       (unsigned long long)v->oldest);
    /* A key that a crash left behind was never used: nothing committed names its epoch. */
    if ((rc = v->cfg.keys->ops->create(v->cfg.keys, next, true)) != 0)
        return err_sys(e, rc, "making the key of epoch %llu", (unsigned long long)next);
    if ((rc = vault_record_add_epoch(&g->d, VAULT_EPOCH_OPENED, next)) != 0)
        return err_sys(e, rc, "opening epoch %llu", (unsigned long long)next);
    g->epoch = next;
    if (g->oldest == 0)
        g->oldest = next;
    *epoch = next;
    return 0;
}

static int rewrap(struct vault_group *g, const struct vault_slot_row *row)
{
    struct vault *v = g->v;
    uint8_t wrap[VAULT_WRAP];
    struct record_rewrap w;
    struct slot_secret s;
    int rc;

    rc = vault_slot_unwrap(v, row->epoch, &row->ref, &row->object, row->wrap, &s);
    if (rc == 0)
        rc = vault_slot_wrap(v, v->epoch, &row->ref, &row->object, &s, wrap);
    vault_slot_wipe(&s);
    if (rc != 0)
        return rc;
    w.ref = row->ref;
    w.epoch = v->epoch;
    w.wrap = span_of(wrap, VAULT_WRAP);
    return vault_record_add_rewrap(&g->d, &w);
}

static int under_way(const struct vault_group *g, struct err *e)
{
    const struct vault *v = g->v;

    if (v->oldest == v->epoch || g->epoch != v->epoch)
        return err_set(e, -EINVAL, "no turn is under way");
    return 0;
}

int vault_turn_step(struct vault_group *g, size_t max, bool *left, struct err *e)
{
    struct vault *v = g->v;
    struct vault_slot_row *row;
    size_t n;
    int rc;

    if ((rc = under_way(g, e)) != 0)
        return rc;
    if (max == 0 || max > VAULT_TURN_MAX || g->stepped)
        return err_set(e, -EINVAL, "a step of a turn wraps 1 to %d slots, once a group",
                       VAULT_TURN_MAX);
    if ((rc = vault_replay_index(v)) != 0)
        return err_sys(e, rc, "bringing the vault's index up to date");
    row = calloc(max + 1, sizeof(*row));
    if (row == NULL)
        return err_sys(e, -ENOMEM, "turning an epoch");
    rc = v->cfg.index->ops->stale_slots(v->cfg.index, v->epoch, row, max + 1, &n);
    for (size_t i = 0; rc == 0 && i < n && i < max; i++)
        if (!vault_group_destroys(g, &row[i].ref))
            rc = rewrap(g, &row[i]);
    free(row);
    if (rc != 0)
        return err_sys(e, rc, "wrapping slots again for epoch %llu", (unsigned long long)v->epoch);
    g->stepped = true;
    *left = n > max;
    return 0;
}

int vault_turn_retire(struct vault_group *g, struct err *e)
{
    struct vault *v = g->v;
    struct vault_slot_row row;
    size_t n;
    int rc;

    if ((rc = under_way(g, e)) != 0)
        return rc;
    if (v->retired == v->oldest)
        return 0;
    if ((rc = vault_replay_index(v)) != 0 ||
        (rc = v->cfg.index->ops->stale_slots(v->cfg.index, v->epoch, &row, 1, &n)) != 0)
        return err_sys(e, rc, "looking for slots of epoch %llu", (unsigned long long)v->oldest);
    if (n > 0)
        return err_set(e, -EAGAIN, "live slots are still under the key of epoch %llu",
                       (unsigned long long)v->oldest);
    if ((rc = vault_record_add_epoch(&g->d, VAULT_EPOCH_RETIRED, v->oldest)) != 0)
        return err_sys(e, rc, "retiring epoch %llu", (unsigned long long)v->oldest);
    g->retired = v->oldest;
    return 0;
}

int vault_turn_destroy(struct vault_group *g, uint64_t *epoch, const char **attestation,
                       struct err *e)
{
    struct vault *v = g->v;
    int rc;

    if ((rc = under_way(g, e)) != 0)
        return rc;
    if (v->retired != v->oldest)
        return err_set(e, -EAGAIN, "epoch %llu is not retired yet", (unsigned long long)v->oldest);
    if ((rc = v->cfg.keys->ops->destroy(v->cfg.keys, v->oldest)) != 0)
        return err_sys(e, rc, "destroying the key of epoch %llu", (unsigned long long)v->oldest);
    if ((rc = vault_record_add_epoch(&g->d, VAULT_EPOCH_DESTROYED, v->oldest)) != 0)
        return err_sys(e, rc, "destroying epoch %llu", (unsigned long long)v->oldest);
    *epoch = v->oldest;
    *attestation = v->cfg.keys->ops->attestation;
    g->oldest = v->epoch;
    return 0;
}
