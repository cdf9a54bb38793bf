/* keeper_epoch.c - what time brings: the turn of the epoch, inventories, retention.
 *
 * A turn is four steps (vault/vault.h), each in a group of its own, each repeatable after a crash;
 * where it stands is read from the vault.  No turn begins while a country is leaving: the salt of a
 * move is derived from the epoch's key. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "events/setroot.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"

#define REWRAP_AT_ONCE 4096
#define RECLAIM_AT_ONCE 16 /* objects */
#define RECLAIM_MORE_MS 100
#define RECLAIM_IDLE_MS 1000
#define RETENTION_EVERY 60
#define RETENTION_LOOK 65536 /* rows a time; the oldest may be of statements that keep longer */

static bool epoch_leaf(struct keeper *k, enum leaf_kind kind, uint64_t epoch,
                       const char *attestation)
{
    struct leaf_builder b;
    struct act *a = keeper_act_new();

    if (a == NULL)
        return false;
    leaf_begin(&b, kind, clock_now(), k->c->site);
    leaf_set_int(&b, LF_EPOCH, epoch);
    if (attestation != NULL)
        leaf_set_text(&b, LF_ATTESTATION, attestation);
    if (keeper_act_leaf(a, &b) != 0) {
        keeper_act_free(a);
        return false;
    }
    keeper_group_add(k, a);
    return true;
}

/* Times that a restart must not forget, else a site that is restarted every day never turns its
 * epoch.  They are lost with the catalog: then time counts from the start. */
static void remember(struct keeper *k, const char *name, unix_time t)
{
    uint8_t v[8];

    for (int i = 0; i < 8; i++)
        v[i] = (uint8_t)((uint64_t)t >> (56 - 8 * i));
    if (catalog_value_put(k->catalog, name, span_of(v, sizeof(v))) != 0)
        log_warn("a time could not be noted in the catalog", "name", name);
}

static unix_time remembered(struct keeper *k, const char *name, unix_time now)
{
    struct buf b;
    struct cur c;
    uint64_t v = (uint64_t)now;

    buf_init(&b, 8);
    if (catalog_value_get(k->catalog, name, &b) == 0) {
        c = cur_of(buf_span(&b));
        if (cur_u64(&c, &v) != 0 || v > (uint64_t)now) /* the clock was wrong, then or now */
            v = (uint64_t)now;
    }
    buf_free(&b);
    return (unix_time)v;
}

void keeper_epoch_start(struct keeper *k)
{
    unix_time now = clock_now();

    k->epoch_began = remembered(k, "epoch.began", now);
    k->inventory_at = remembered(k, "inventory.taken", now) + (unix_time)k->c->inventory;
}

static void turn_begin(struct keeper *k)
{
    struct vault_group *g;
    struct err e = ERR_INIT;
    uint64_t epoch;
    int rc;

    keeper_group_commit(k); /* what is pending speaks of the epoch that ends */
    g = keeper_group_of(k);
    rc = g == NULL ? -EIO : vault_turn_begin(g, &epoch, &e);
    if (rc != 0) {
        log_warn("the next epoch could not be opened", "why", err_text(&e));
        return;
    }
    k->group_bad = !epoch_leaf(k, LK_EPOCH_OPENED, epoch, NULL);
    if (keeper_group_commit(k) != 0)
        return; /* the next tick tries again */
    k->turn_wanted = false;
    k->epoch_began = clock_now();
    remember(k, "epoch.began", k->epoch_began);
}

/* The old key is destroyed if nothing needs it any more.  -EAGAIN: something does. */
static int turn_end(struct keeper *k, struct vault_group *g, struct err *e)
{
    const char *attestation;
    uint64_t epoch;
    int rc = vault_turn_destroy(g, &epoch, &attestation, e);

    if (rc != 0)
        return rc;
    k->group_bad = !epoch_leaf(k, LK_EPOCH_DESTROYED, epoch, attestation);
    keeper_group_commit(k);
    keeper_trace_changed(k, NULL);
    return catalog_scrub(k->catalog, e);
}

/* Live slots are wrapped under the new key, some at a time; when none is left the old key retires.
 */
static int turn_step(struct keeper *k, struct vault_group *g, struct err *e)
{
    bool left;
    int rc = vault_turn_step(g, REWRAP_AT_ONCE, &left, e);

    if (rc == 0 && !left && (rc = vault_turn_retire(g, e)) == -EAGAIN)
        rc = 0; /* after this group */
    if (rc != 0)
        return rc;
    k->group = NULL;
    return vault_group_commit(g, keeper_apply_fresh, k, e);
}

static void turn_on(struct keeper *k)
{
    struct vault_group *g;
    struct err e = ERR_INIT;
    int rc;

    keeper_group_commit(k); /* what is pending belongs to its own group */
    if ((g = keeper_group_of(k)) == NULL)
        return;
    if ((rc = turn_end(k, g, &e)) == -EAGAIN)
        rc = turn_step(k, g, &e);
    if (rc != 0) {
        log_warn("a step of the epoch's turn failed and will be repeated", "why", err_text(&e));
        vault_group_abort(k->group);
        k->group = NULL;
    }
    if (rc == -EIO || (rc != 0 && vault_stopped(k->vault) != 0))
        keeper_stop_writer(k, rc, err_text(&e));
}

/* --- inventories --- */

struct refs {
    struct id128 *v;
    size_t n, cap;
};

static int take_ref(void *arg, const struct id128 *id)
{
    struct refs *r = arg;

    if (r->n == r->cap) {
        size_t cap = r->cap == 0 ? 1024 : r->cap * 2;
        struct id128 *more = reallocarray(r->v, cap, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        r->v = more;
        r->cap = cap;
    }
    r->v[r->n++] = *id;
    return 0;
}

/* The inventory of one country, or of the site (country NULL), as of the ledger's present size. */
static int inventory_leaf(struct keeper *k, struct act *a, const char *country)
{
    struct refs r = {NULL, 0, 0};
    struct leaf_builder b;
    struct digest root;
    int rc;

    if ((rc = catalog_refs(k->catalog, country, take_ref, &r)) == 0 &&
        (rc = setroot_ids(r.v, r.n, &root)) == 0) {
        leaf_begin(&b, country == NULL ? LK_INVENTORY_SITE : LK_INVENTORY, clock_now(), k->c->site);
        if (country != NULL)
            leaf_set_text(&b, LF_COUNTRY, country);
        leaf_set_digest(&b, LF_ROOT, &root);
        leaf_set_int(&b, LF_COUNT, r.n);
        leaf_set_int(&b, LF_AT_SIZE, vault_ledger_size(k->vault));
        rc = keeper_act_leaf(a, &b);
    }
    free(r.v);
    return rc;
}

struct countries {
    char code[300][3];
    size_t n;
};

static int take_country(void *arg, const struct catalog_total *t)
{
    struct countries *c = arg;

    if (c->n < ARRAY_LEN(c->code))
        memcpy(c->code[c->n++], t->country, 3);
    return 0;
}

int keeper_epoch_inventory_leaves(struct keeper *k, struct act *a, const char *also)
{
    struct countries c = {.n = 0};
    bool seen = also == NULL;
    int rc = catalog_totals(k->catalog, take_country, &c);

    for (size_t i = 0; i < c.n && rc == 0; i++) {
        seen = seen || strcmp(c.code[i], also) == 0;
        rc = inventory_leaf(k, a, c.code[i]);
    }
    if (rc == 0 && !seen)
        rc = inventory_leaf(k, a, also);
    return rc != 0 ? rc : inventory_leaf(k, a, NULL);
}

int keeper_epoch_inventory(struct keeper *k, const char *also, struct err *e)
{
    struct act *a;
    int rc;

    keeper_group_commit(k); /* an inventory speaks of committed leaves only */
    a = keeper_act_new();
    rc = a == NULL ? -ENOMEM : keeper_epoch_inventory_leaves(k, a, also);
    if (rc != 0) {
        keeper_act_free(a);
        return err_sys(e, rc, "taking the inventory");
    }
    keeper_group_add(k, a);
    rc = keeper_group_commit(k);
    return rc == 0 ? 0 : err_sys(e, rc, "logging the inventory");
}

/* --- retention --- */

struct due {
    struct keeper *k;
    unix_time now;
    struct catalog_submission row[64];
    size_t n;
};

static unsigned retention_days(const struct keeper *k, const struct digest *statement)
{
    for (size_t i = 0; i < k->statements; i++)
        if (memcmp(k->statement[i].doc.b, statement->b, 32) == 0)
            return k->statement[i].terms.retention;
    return 0;
}

static int take_due(void *arg, const struct catalog_submission *s)
{
    struct due *d = arg;
    unsigned days = retention_days(d->k, &s->statement);

    if (days > 0 && s->accepted + (unix_time)days * 86400 <= d->now && d->n < ARRAY_LEN(d->row) &&
        !keeper_move_holds(d->k, s))
        d->row[d->n++] = *s;
    return 0;
}

static void retention(struct keeper *k, unix_time now)
{
    struct due *d = calloc(1, sizeof(*d));
    unsigned least = UINT32_MAX;

    for (size_t i = 0; i < k->statements; i++)
        if (k->statement[i].terms.retention < least)
            least = k->statement[i].terms.retention;
    if (d != NULL && k->statements > 0) {
        d->k = k;
        d->now = now;
        if (catalog_due(k->catalog, now - (unix_time)least * 86400, RETENTION_LOOK, take_due, d) !=
            0)
            d->n = 0;
        for (size_t i = 0; i < d->n; i++) {
            struct act *a = keeper_act_new();

            if (a != NULL && keeper_trace_erase(k, a, &d->row[i], LW_ERASE_RETENTION, NULL) == 0)
                keeper_group_add(k, a);
            else
                keeper_act_free(a);
        }
    }
    free(d);
}

/* --- space --- */

/* A hole costs a sync, and nobody is served meanwhile: a few at a time, in a group of their own. */
void keeper_epoch_reclaim(struct keeper *k, mono_ms now)
{
    struct err e = ERR_INIT;
    uint64_t bytes;
    int rc;

    if (k->stopped != 0 || now < k->reclaim_at)
        return;
    keeper_group_commit(k);
    if (k->group != NULL || k->stopped != 0)
        return;
    rc = vault_reclaim(k->vault, RECLAIM_AT_ONCE, &bytes, &e);
    k->reclaim_at = now + (rc == 0 && bytes > 0 ? RECLAIM_MORE_MS : RECLAIM_IDLE_MS);
    if (rc == 0)
        k->n.reclaimed += bytes;
    else
        log_warn("the space of what was erased is not given back yet", "why", err_text(&e));
    if (rc == -EIO)
        keeper_stop_writer(k, rc, err_text(&e));
}

void keeper_epoch_tick(struct keeper *k, unix_time now)
{
    struct err e = ERR_INIT;
    bool sure;

    if (k->stopped != 0)
        return;
    sure = keeper_clock_confirmed(k);
    if (vault_epoch(k->vault) == 0) {
        turn_begin(k);
    } else if (vault_epoch_oldest(k->vault) < vault_epoch(k->vault)) {
        turn_on(k);
    } else if ((k->turn_wanted || (sure && now >= k->epoch_began + (unix_time)k->c->epoch)) &&
               k->moves_out == NULL) {
        turn_begin(k);
    }
    if (!sure)
        return; /* what only the clock says waits until the clock is believed */
    if (now >= k->inventory_at) {
        k->inventory_at = now + (unix_time)k->c->inventory;
        if (keeper_epoch_inventory(k, NULL, &e) != 0)
            log_warn("no inventory was taken", "why", err_text(&e));
        else
            remember(k, "inventory.taken", now);
    }
    if (now >= k->retention_at) {
        k->retention_at = now + RETENTION_EVERY;
        retention(k, now);
    }
}
