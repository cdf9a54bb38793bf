/* vault.erasure: every order ends in destroyed slots and a destroyed epoch in time.  In time is
 * within the days of the statement the submission was accepted under, counted from the order to the
 * leaf that tells of the destroyed epoch.  An epoch is destroyed within the trust file's
 * epoch_within after the next one was opened.  A slot.destroyed covers exactly the copy.removed
 * leaves since the one before. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "events/setroot.h"

#define DAY_MINUTES 1440

static struct epoch *find_epoch(struct site *s, uint64_t epoch)
{
    size_t lo = 0, hi = s->epochs.n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->epochs.v[mid].epoch < epoch)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->epochs.n && s->epochs.v[lo].epoch == epoch ? &s->epochs.v[lo] : NULL;
}

/* ------------------------------------------------------------------ leaves */

static int epoch_opened(struct audit *a, struct site *s, const struct leaf *l)
{
    struct epoch p = {.epoch = leaf_int(l, LF_EPOCH),
                      .opened = (uint32_t)s->index,
                      .destroyed = NONE,
                      .opened_at = minutes(l->time),
                      .destroyed_at = NONE};
    int rc = VEC_ROOM(&s->epochs);

    if (rc != 0)
        return rc;
    if (s->epochs.n > 0 && s->epochs.v[s->epochs.n - 1].epoch >= p.epoch) {
        claims_broken(a, CLAIM_ERASURE, s, s->index, "epochs do not ascend");
        return 0;
    }
    s->epochs.v[s->epochs.n++] = p;
    return 0;
}

static void epoch_destroyed(struct audit *a, struct site *s, const struct leaf *l)
{
    struct epoch *p = find_epoch(s, leaf_int(l, LF_EPOCH));

    if (p == NULL) {
        claims_broken(a, CLAIM_ERASURE, s, s->index, "an epoch is destroyed that was never opened");
    } else if (p->destroyed != NONE) {
        claims_broken(a, CLAIM_ERASURE, s, s->index, "this epoch was destroyed before");
    } else {
        p->destroyed = (uint32_t)s->index;
        p->destroyed_at = minutes(l->time);
    }
}

static int ordered(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 sub = leaf_id(l, LF_SUB);
    struct sub_rec r;
    size_t i;
    int rc;

    if ((rc = subs_of(a, &sub, &i)) != 0 || (rc = VEC_ROOM(&a->orders)) != 0)
        return rc;
    r = subs_get(a, i);
    r.flags |= SUB_ORDERED;
    if ((rc = subs_put(a, i, &r)) != 0)
        return rc;
    a->orders.v[a->orders.n++] = (struct later){.sub = (uint32_t)i,
                                                .leaf = (uint32_t)s->index,
                                                .when = minutes(l->time),
                                                .site = (uint8_t)s->number,
                                                .ground = (uint8_t)leaf_word(l, LF_GROUND)};
    return 0;
}

static int removed(struct site *s, const struct leaf *l)
{
    int rc = VEC_ROOM(&s->removed);

    if (rc != 0)
        return rc;
    if (s->removed.n == 0)
        s->removed_leaf = s->index;
    s->removed.v[s->removed.n++] = leaf_id(l, LF_REF);
    if (leaf_word(l, LF_GROUND) == LW_REMOVED_ERASED)
        s->removed_erased++;
    else
        s->moved_slots++;
    return 0;
}

static void slots_destroyed(struct audit *a, struct site *s, const struct leaf *l)
{
    struct epoch *p = find_epoch(s, leaf_int(l, LF_EPOCH));
    struct digest said = leaf_digest(l, LF_ROOT), root;

    if (s->removed.n != leaf_int(l, LF_COUNT) ||
        setroot_ids(s->removed.v, s->removed.n, &root) != 0 ||
        memcmp(root.b, said.b, sizeof(root.b)) != 0)
        claims_broken(a, CLAIM_ERASURE, s, s->index,
                      "the destroyed slots (%llu) are not those of the %zu copies removed before",
                      (unsigned long long)leaf_int(l, LF_COUNT), s->removed.n);
    if (p == NULL || p->destroyed != NONE)
        claims_broken(a, CLAIM_ERASURE, s, s->index, "slots of an epoch that is not open");
    else
        p->slots_erased += s->removed_erased;
    s->removed.n = 0;
    s->removed_erased = 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    switch (l->kind) {
    case LK_EPOCH_OPENED:
        return epoch_opened(a, s, l);
    case LK_EPOCH_DESTROYED:
        epoch_destroyed(a, s, l);
        return 0;
    case LK_ERASE_ORDERED:
        return ordered(a, s, l);
    case LK_COPY_REMOVED:
        return removed(s, l);
    case LK_SLOT_DESTROYED:
        slots_destroyed(a, s, l);
        return 0;
    default:
        return 0;
    }
}

/* ------------------------------------------------------------------ the end */

/* What became of a submission that was ordered to be erased by `deadline`, in minutes. */
static void check_end(struct audit *a, struct site *s, const struct later *o,
                      const struct sub_rec *r, uint64_t deadline)
{
    struct site *at = &a->site[r->erased_site];
    struct epoch *p = r->erased == NONE ? NULL : find_epoch(at, r->final_epoch);

    if (r->erased == NONE || (p != NULL && p->destroyed == NONE)) {
        if (minutes(s->as_of) > deadline)
            claims_broken(a, CLAIM_ERASURE, s, o->leaf,
                          r->erased == NONE ? "ordered to be erased, but not erased in time"
                                            : "erased, but its epoch was not destroyed in time");
        else
            a->result[CLAIM_ERASURE].pending++;
    } else if (p == NULL) {
        claims_broken(a, CLAIM_ERASURE, at, r->erased, "final with an epoch that was never opened");
    } else if (p->destroyed_at > deadline) {
        claims_broken(a, CLAIM_ERASURE, at, p->destroyed,
                      "the epoch was destroyed too late for the order at leaf %u", o->leaf);
    } else {
        claims_count(a, CLAIM_ERASURE, 1);
    }
}

static int check_order(struct audit *a, const struct later *o)
{
    const struct sub_rec rec = subs_get(a, o->sub), *r = &rec;
    const struct doc_statement *st = claims_statement(a, r);
    struct site *s = &a->site[o->site];
    const char *absent = claims_absent(a);

    if (r->accepted == NONE && absent != NULL) {
        claims_unknown(a, CLAIM_ERASURE, s, o->leaf,
                       "an order about a submission of a ledger that was not given (site \"%s\"?)",
                       absent);
        return 0;
    }
    if (r->accepted == NONE || st == NULL) {
        claims_broken(a, CLAIM_ERASURE, s, o->leaf, "an order about a submission never accepted");
        return 0;
    }
    check_end(a, s, o, r, o->when + (uint64_t)st->erase_within * DAY_MINUTES);
    if (o->ground == LW_ERASE_WITHDRAWN || o->ground == LW_ERASE_SUBJECT)
        return claims_check_signature(a, CLAIM_ERASURE, s, o->leaf, r,
                                      o->ground == LW_ERASE_SUBJECT);
    return 0;
}

/* Each epoch: as many erased copies as erased submissions; destroyed soon after the next one began.
 */
static void check_epochs(struct audit *a, struct site *s)
{
    uint64_t within = a->trust->epoch_within / 60;

    for (size_t i = 0; i < s->epochs.n; i++) {
        const struct epoch *p = &s->epochs.v[i];
        uint64_t by = i + 1 < s->epochs.n ? s->epochs.v[i + 1].opened_at + within : UINT64_MAX;

        if (p->subs_erased != p->slots_erased)
            claims_broken(a, CLAIM_ERASURE, s, p->destroyed == NONE ? p->opened : p->destroyed,
                          "epoch %llu: %llu submissions were erased, but %llu slots destroyed",
                          (unsigned long long)p->epoch, (unsigned long long)p->subs_erased,
                          (unsigned long long)p->slots_erased);
        if (p->destroyed == NONE ? minutes(s->as_of) > by : p->destroyed_at > by)
            claims_broken(
                a, CLAIM_ERASURE, s, p->destroyed == NONE ? p->opened : p->destroyed,
                "epoch %llu was not destroyed within %llu hours after the next was opened",
                (unsigned long long)p->epoch, (unsigned long long)within / 60);
    }
}

static void count_erased(struct audit *a)
{
    for (size_t i = 0; i < subs_count(a); i++) {
        const struct sub_rec rec = subs_get(a, i), *r = &rec;
        struct epoch *p;

        if (r->erased == NONE)
            continue;
        if ((r->flags & SUB_ORDERED) == 0)
            claims_broken(a, CLAIM_ERASURE, &a->site[r->erased_site], r->erased,
                          "erased without an order");
        p = find_epoch(&a->site[r->erased_site], r->final_epoch);
        /* one of a ledger that was not given may be a file: it has a slot here, so it was one */
        if (p != NULL && (r->accepted == NONE || (r->flags & SUB_FILE) != 0))
            p->subs_erased++;
    }
}

/* Erased where it was accepted, or where its country went. */
static void check_where(struct audit *a)
{
    for (size_t i = 0; i < subs_count(a); i++) {
        const struct sub_rec rec = subs_get(a, i), *r = &rec;
        const struct site *s = &a->site[r->erased_site];
        bool moved = false;

        if (r->erased == NONE || r->accepted == NONE || r->erased_site == r->site)
            continue;
        for (size_t j = 0; j < s->moves[MOVE_RECEIVED].n; j++)
            moved |= s->moves[MOVE_RECEIVED].v[j].country == r->country;
        if (!moved)
            claims_broken(a, CLAIM_ERASURE, s, r->erased, "erased at a site that never held it");
    }
}

static int end(struct audit *a)
{
    int rc = 0;

    count_erased(a);
    check_where(a);
    for (size_t i = 0; i < a->sites; i++) {
        struct site *s = &a->site[i];

        if (s->done && s->removed.n > 0)
            claims_broken(a, CLAIM_ERASURE, s, s->removed_leaf,
                          "key slot kept: %zu copies were removed, no slot.destroyed follows",
                          s->removed.n);
        if (s->done)
            check_epochs(a, s);
    }
    for (size_t i = 0; i < a->orders.n && rc == 0; i++)
        rc = check_order(a, &a->orders.v[i]);
    return rc;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)snprintf(out, n, "erased in time, their slots and epochs destroyed; %llu not due yet",
                   (unsigned long long)a->result[CLAIM_ERASURE].pending);
}

static const uint8_t assumption[] = {1, 2, 6, 7, 0};
const struct claim claims_vault_erasure = {
    .name = "vault.erasure",
    .basis = AUDIT_STATED,
    .unit = "erasures",
    .one = "erasure",
    .assumption = assumption,
    .kinds = READS(ERASE_ORDERED) | READS(SUBMISSION_ERASED) | READS(COPY_REMOVED) |
             READS(SLOT_DESTROYED) | READS(EPOCH_OPENED) | READS(EPOCH_DESTROYED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};
