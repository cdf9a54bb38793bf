/* keeper_group.c - acts become a group, a group becomes durable with one sync, then it is applied.
 *
 * A group sets out (keeper_group_start), a thread waits for the disk, and when that is done the
 * group is settled: ledger and catalog follow, and its acts end.  One group is on its way at a
 * time; acts that come meanwhile wait for the next.  Whoever must know that all is durable
 * (keeper_group_commit), or changes slots (keeper_group_of), waits for it.
 *
 * The leaves of a group are written in random order, so that their places tell nobody which copy
 * belongs to which submission.  The order is drawn here, just before the commit; indexes in the
 * ledger follow from it and are written into the notes that need them. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "events/setroot.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"
#include "site/keeper_sync.h"

struct act *keeper_act_new(void)
{
    struct act *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return NULL;
    for (size_t i = 0; i < ACT_LEAVES_MAX; i++)
        buf_init(&a->leaf[i], LEAF_MAX);
    for (size_t i = 0; i < ARRAY_LEN(a->note); i++)
        buf_init(&a->note[i].bytes, VAULT_BLOB_MAX);
    return a;
}

void keeper_act_free(struct act *a)
{
    if (a == NULL)
        return;
    if (a->free != NULL)
        a->free(a);
    for (size_t i = 0; i < ACT_LEAVES_MAX; i++)
        buf_free(&a->leaf[i]);
    for (size_t i = 0; i < a->mores; i++)
        buf_free(&a->more[i]);
    for (size_t i = 0; i < ARRAY_LEN(a->note); i++)
        buf_free(&a->note[i].bytes);
    free(a->more);
    free(a->more_index);
    free(a->destroyed);
    free(a);
}

static struct buf *next_leaf(struct act *a)
{
    struct buf *more;
    uint64_t *index;

    if (a->leaves < ACT_LEAVES_MAX)
        return &a->leaf[a->leaves++];
    if (a->mores == a->more_cap) {
        size_t cap = a->more_cap == 0 ? 64 : a->more_cap * 2;

        more = reallocarray(a->more, cap, sizeof(*more));
        if (more == NULL)
            return NULL;
        a->more = more;
        index = reallocarray(a->more_index, cap, sizeof(*index));
        if (index == NULL)
            return NULL;
        a->more_index = index;
        a->more_cap = cap;
    }
    buf_init(&a->more[a->mores], LEAF_MAX);
    return &a->more[a->mores++];
}

int keeper_act_leaf(struct act *a, struct leaf_builder *b)
{
    struct err e = ERR_INIT;
    struct buf *out = next_leaf(a);
    int rc = out == NULL ? -ENOMEM : leaf_end(b, out, &e);

    if (rc != 0)
        log_error("a leaf cannot be built", "why", e.code != 0 ? err_text(&e) : strerror(-rc));
    return rc;
}

struct buf *keeper_act_note_new(struct act *a, const struct id128 *ref, int leaf)
{
    struct act_note *n;

    if (a->notes == ARRAY_LEN(a->note))
        return NULL;
    n = &a->note[a->notes++];
    n->sealed = ref != NULL;
    if (ref != NULL)
        n->ref = *ref;
    n->leaf = leaf;
    return &n->bytes;
}

int keeper_act_destroy(struct keeper *k, struct act *a, const struct id128 *ref)
{
    struct id128 *more = reallocarray(a->destroyed, a->destroyeds + 1, sizeof(*more));
    struct vault_group *g;
    int rc;

    if (more == NULL)
        return -ENOMEM;
    a->destroyed = more;
    if ((g = keeper_group_of(k)) == NULL)
        return -EIO;
    if ((rc = vault_group_destroy(g, ref)) != 0)
        return rc;
    a->destroyed[a->destroyeds++] = *ref;
    return 0;
}

/* 0, or why no group is open now. */
static int group_open(struct keeper *k)
{
    int rc;

    (void)keeper_group_settle(k);
    if (k->stopped != 0)
        return -EIO;
    if (k->group != NULL || (rc = vault_group_begin(&k->group, k->vault)) == 0)
        return 0;
    log_error("no group can begin", "why", strerror(-rc));
    k->group = NULL;
    return rc;
}

struct vault_group *keeper_group_of(struct keeper *k)
{
    return group_open(k) == 0 ? k->group : NULL;
}

void keeper_group_add(struct keeper *k, struct act *a)
{
    a->next = NULL;
    *k->acts_end = a;
    k->acts_end = &a->next;
}

bool keeper_group_pending(const struct keeper *k)
{
    return k->acts != NULL || k->commit.group != NULL;
}

void keeper_stop_writer(struct keeper *k, int rc, const char *why)
{
    if (k->stopped != 0)
        return;
    k->stopped = rc;
    (void)snprintf(k->stopped_why, sizeof(k->stopped_why), "%s", why);
    log_error("the writer has stopped; nothing is acknowledged until a restart", "why", why);
}

void keeper_salt(const uint8_t seed[32], enum leaf_kind kind, enum leaf_field f, struct span extra,
                 uint8_t salt[32])
{
    uint8_t info[160];
    size_t n = 0;
    const char *parts[] = {"salt/v1", leaf_kinds[kind].name, leaf_field_name(f)};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t len = strlen(parts[i]);

        memcpy(info + n, parts[i], len);
        n += len;
        info[n++] = 0;
    }
    if (extra.n <= 64) {
        if (extra.n > 0)
            memcpy(info + n, extra.p, extra.n);
        n += extra.n;
    }
    hkdf_sha256(span_of(seed, 32), span_of(NULL, 0), span_of(info, n), salt, 32);
}

/* --- the commit --- */

struct place { /* one leaf of the group and where its index goes */
    struct span leaf;
    uint64_t *index;
};

static size_t count_leaves(const struct act *list)
{
    size_t n = 1; /* slot.destroyed of the group */

    for (const struct act *a = list; a != NULL; a = a->next)
        n += a->leaves + a->mores;
    return n;
}

/* The leaves of the acts that keep (or do not keep) their order. */
static size_t gather(struct act *list, bool in_order, struct place *p)
{
    size_t n = 0;

    for (struct act *a = list; a != NULL; a = a->next) {
        if (a->in_order != in_order)
            continue;
        for (size_t i = 0; i < a->leaves; i++)
            p[n++] = (struct place){buf_span(&a->leaf[i]), &a->index[i]};
        for (size_t i = 0; i < a->mores; i++)
            p[n++] = (struct place){buf_span(&a->more[i]), &a->more_index[i]};
    }
    return n;
}

static void shuffle(struct place *p, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)random_below(i);
        struct place t = p[i - 1];

        p[i - 1] = p[j];
        p[j] = t;
    }
}

/* One leaf for all slots that this group destroys: the root over their refs. */
static int destroyed_leaf(struct keeper *k, struct buf *out, struct err *e)
{
    struct leaf_builder b;
    struct id128 *refs = NULL;
    struct digest root;
    size_t n = 0;
    int rc;

    for (const struct act *a = k->acts; a != NULL; a = a->next) {
        struct id128 *more =
            a->destroyeds == 0 ? refs : reallocarray(refs, n + a->destroyeds, sizeof(*refs));

        if (a->destroyeds == 0)
            continue;
        if (more == NULL) {
            free(refs);
            return err_sys(e, -ENOMEM, "listing destroyed slots");
        }
        refs = more;
        memcpy(refs + n, a->destroyed, a->destroyeds * sizeof(*refs));
        n += a->destroyeds;
    }
    if (n == 0)
        return 0;
    rc = setroot_ids(refs, n, &root);
    free(refs);
    if (rc != 0)
        return err_sys(e, rc, "root of destroyed slots");
    leaf_begin(&b, LK_SLOT_DESTROYED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_ROOT, &root);
    leaf_set_int(&b, LF_COUNT, n);
    leaf_set_int(&b, LF_EPOCH, vault_epoch(k->vault));
    return leaf_end(&b, out, e);
}

static int put_leaves(struct keeper *k, struct buf *destroyed, struct err *e)
{
    struct place *p = calloc(count_leaves(k->acts), sizeof(*p));
    uint64_t before = vault_ledger_size(k->vault), ignored;
    size_t n, others;
    int rc = 0;

    if (p == NULL)
        return err_sys(e, -ENOMEM, "ordering the leaves of a group");
    n = gather(k->acts, true, p);
    others = gather(k->acts, false, p + n);
    shuffle(p + n, others);
    n += others;
    if (destroyed->len > 0)
        p[n++] = (struct place){buf_span(destroyed), &ignored};
    for (size_t i = 0; i < n && rc == 0; i++) {
        *p[i].index = before + i;
        rc = vault_group_leaf(k->group, p[i].leaf);
    }
    free(p);
    return rc == 0 ? 0 : err_sys(e, rc, "adding a leaf to the group");
}

static int put_notes(struct keeper *k, struct err *e)
{
    int rc = 0;

    for (struct act *a = k->acts; a != NULL && rc == 0; a = a->next)
        for (size_t i = 0; i < a->notes && rc == 0; i++) {
            struct act_note *n = &a->note[i];

            if (n->leaf >= 0)
                keeper_note_set_leaf(&n->bytes, a->index[n->leaf]);
            rc = vault_group_note(k->group, n->sealed ? &n->ref : NULL, buf_span(&n->bytes));
        }
    return rc == 0 ? 0 : err_sys(e, rc, "adding a note to the group");
}

static void end_acts(struct keeper *k, struct act *list, int rc)
{
    struct act *a;

    while ((a = list) != NULL) {
        list = a->next;
        a->next = NULL;
        if (a->done != NULL)
            a->done(k, a, rc);
        if (rc == 0 && a->signed_ != NULL) {
            *k->unsigned_end = a;
            k->unsigned_end = &a->next;
        } else {
            keeper_act_free(a);
        }
    }
}

/* Each act puts into the group what it has.  One that fails ends here; from the first that finds no
 * room on, all are returned: they are for the next group. */
static struct act *join(struct keeper *k)
{
    struct act *list = k->acts, *a;
    bool first = true;
    int rc;

    k->acts = NULL;
    k->acts_end = &k->acts;
    while ((a = list) != NULL) {
        rc = a->join == NULL ? 0 : a->join(k, a, k->group);
        if (rc == -E2BIG && !first)
            break;
        list = a->next;
        if (rc == 0) {
            keeper_group_add(k, a);
            first = false;
            continue;
        }
        a->next = NULL;
        end_acts(k, a, rc);
    }
    return list;
}

static int build(struct keeper *k, struct buf *destroyed, struct act **rest, struct err *e)
{
    int rc;

    if ((rc = group_open(k)) != 0)
        return k->stopped != 0 ? err_set(e, rc, "the writer has stopped: %s", k->stopped_why)
                               : err_sys(e, rc, "no group can begin");
    *rest = join(k);
    if (k->group_bad)
        return err_set(e, -ENOMEM, "a change of the group could not be completed");
    if ((rc = destroyed_leaf(k, destroyed, e)) != 0 || (rc = put_leaves(k, destroyed, e)) != 0)
        return rc;
    return put_notes(k, e);
}

static void failed(struct keeper *k, int rc, const struct err *e)
{
    int why = vault_stopped(k->vault);

    if (why != 0 || rc == -EIO) /* the vault takes nothing more, whatever this group failed with */
        keeper_stop_writer(k, why != 0 ? why : rc, err_text(e));
    else
        log_warn("a group failed; its requests are refused", "why", err_text(e));
}

/* The group is written: from here on it is on its way. */
static int set_out(struct keeper *k)
{
    struct err e = ERR_INIT;
    struct buf destroyed;
    struct act *rest = NULL, *list;
    int rc;

    buf_init(&destroyed, LEAF_MAX);
    if ((rc = build(k, &destroyed, &rest, &e)) != 0)
        vault_group_abort(k->group);
    else if ((rc = vault_group_write(k->group, &e)) == 0)
        k->commit.group = k->group;
    k->group = NULL;
    k->group_bad = false;
    buf_free(&destroyed);
    list = k->acts;
    k->acts = rest;
    for (k->acts_end = &k->acts; *k->acts_end != NULL; k->acts_end = &(*k->acts_end)->next)
        ;
    if (rc == 0) {
        k->commit.acts = list;
        return 0;
    }
    failed(k, rc, &e);
    end_acts(k, list, rc);
    return rc;
}

/* What is derived from the group follows through the same function that a restart replays the
 * journal with; its acts end. */
static int settle(struct keeper *k, int rc)
{
    struct vault_group *g = k->commit.group;
    struct act *list = k->commit.acts;
    struct err e = ERR_INIT;
    int why;

    k->commit.group = NULL;
    k->commit.acts = NULL;
    k->apply_failed = 0;
    rc = vault_group_settle(g, rc, keeper_apply_fresh, k, &e);
    if (rc != 0)
        failed(k, rc, &e);
    else
        k->n.groups++;
    /* the vault hands on nothing while its index lags, as it does when the disk is full */
    if (rc == 0 && k->apply_failed == 0 && (why = vault_missed(k->vault)) != 0)
        k->apply_failed = keeper_disk_low(k) ? -ENOSPC : why == -ENOMEM ? why : -EIO;
    if (rc == 0 && k->apply_failed != 0)
        keeper_stop_writer(k, k->apply_failed, "ledger or catalog could not follow the journal");
    end_acts(k, list, rc);
    return rc;
}

int keeper_group_settle(struct keeper *k)
{
    if (k->commit.group == NULL)
        return 0;
    if (k->front != NULL)
        (void)!msg_flush(k->front); /* who was answered need not wait for the disk */
    return settle(k, keeper_sync_wait(k->sync));
}

bool keeper_group_free(struct keeper *k)
{
    int rc;

    if (k->commit.group == NULL)
        return true;
    if (!keeper_sync_over(k->sync, &rc))
        return false;
    (void)settle(k, rc);
    return true;
}

void keeper_group_start(struct keeper *k)
{
    assert(k->commit.group == NULL);
    if ((k->acts != NULL || k->group_bad) && set_out(k) == 0)
        keeper_sync_start(k->sync, k->commit.group);
}

int keeper_group_commit(struct keeper *k)
{
    int rc = keeper_group_settle(k), next;

    while (k->acts != NULL || k->group_bad) {
        if ((next = set_out(k)) == 0)
            next = settle(k, vault_group_sync(k->commit.group));
        if (next != 0)
            rc = next;
    }
    return rc != 0 ? rc : k->stopped;
}
