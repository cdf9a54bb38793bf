/* residency.placement: each accepted submission's country belongs at that site by the policy in
 * force; the counts of submissions and copies agree; the inventories are what the leaves say.
 *
 * While a move is under way its submissions are between the counts of the two sites: an inventory
 * of that time may hold them or not, all or some.  Before and after, counts must be equal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "events/setroot.h"

#define LAST_SECOND 59 /* of a leaf's minute */

/* ------------------------------------------------------------------ acceptance */

static bool belongs(const struct policy *p, const struct site *s, const char *country, unix_time t)
{
    const char *zone = policy_zone(p, country, t);

    return zone != NULL && strcmp(zone, s->trust->zone) == 0;
}

/* The policy the leaf names, if it was in force at some second of the leaf's minute. */
static const struct doc_policy *named_policy(const struct site *s, const struct leaf *l)
{
    struct digest doc = leaf_digest(l, LF_POLICY);
    const struct doc_policy *p = claims_policy(s, l->time);

    if (p != NULL && memcmp(p->doc.b, doc.b, sizeof(doc.b)) == 0)
        return p;
    p = claims_policy(s, l->time + LAST_SECOND);
    return p != NULL && memcmp(p->doc.b, doc.b, sizeof(doc.b)) == 0 ? p : NULL;
}

static void check_place(struct audit *a, struct site *s, const struct leaf *l, const char *country)
{
    const struct doc_policy *p = named_policy(s, l);
    const char *zone;

    if (p == NULL) {
        claims_broken(a, CLAIM_PLACEMENT, s, s->index,
                      "accepted under a policy that was not in force");
        return;
    }
    if (p->policy == NULL) {
        claims_unknown(a, CLAIM_PLACEMENT, s, s->index, "the policy in force could not be read");
        return;
    }
    zone = policy_zone_of_site(p->policy, s->trust->site);
    if (zone == NULL || strcmp(zone, s->trust->zone) != 0)
        claims_broken(a, CLAIM_PLACEMENT, s, s->index, "the policy has no such site in zone %s",
                      s->trust->zone);
    if (!belongs(p->policy, s, country, l->time) &&
        !belongs(p->policy, s, country, l->time + LAST_SECOND)) {
        zone = policy_zone(p->policy, country, l->time);
        claims_broken(a, CLAIM_PLACEMENT, s, s->index,
                      "country %s accepted in zone %s; the policy in force wants %s", country,
                      s->trust->zone, zone == NULL ? "no zone" : zone);
    }
}

static int accepted(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 sub = leaf_id(l, LF_SUB);
    struct sub_rec r;
    size_t i;
    int rc = subs_of(a, &sub, &i);

    if (rc != 0)
        return rc;
    a->sub = i;
    s->accepted_any = true;
    claims_count(a, CLAIM_PLACEMENT, 1);
    r = subs_get(a, i);
    if (r.accepted != NONE) {
        claims_broken(a, CLAIM_PLACEMENT, s, s->index, "this submission was accepted before");
        return 0;
    }
    r.accepted = (uint32_t)s->index;
    r.site = (uint8_t)s->number;
    r.country = (uint16_t)leaf_country(l, LF_COUNTRY);
    if (leaf_word(l, LF_SUBMISSION) == LW_SUBMISSION_FILE)
        r.flags |= SUB_FILE;
    check_place(a, s, l, country_table[r.country].code);
    return subs_put(a, i, &r);
}

static int erased(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 sub = leaf_id(l, LF_SUB);
    uint64_t epoch = leaf_int(l, LF_FINAL_EPOCH);
    struct sub_rec r;
    size_t i;
    int rc = subs_of(a, &sub, &i);

    if (rc != 0)
        return rc;
    r = subs_get(a, i);
    if (r.erased != NONE) {
        claims_broken(a, CLAIM_PLACEMENT, s, s->index, "this submission was erased before");
        return 0;
    }
    r.erased = (uint32_t)s->index;
    r.erased_at = minutes(l->time);
    r.erased_site = (uint8_t)s->number;
    r.final_epoch = epoch < NONE ? (uint32_t)epoch : NONE;
    return subs_put(a, i, &r);
}

/* ------------------------------------------------------------------ copies */

static int placed(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 ref = leaf_id(l, LF_REF);
    struct ref_rec r;
    size_t i;
    int rc = refs_of(a, &ref, &i);

    if (rc != 0)
        return rc;
    r = refs_get(a, i);
    if (r.placed != NONE) {
        claims_broken(a, CLAIM_PLACEMENT, s, s->index, "this copy was placed before");
        return 0;
    }
    r.placed = (uint32_t)s->index;
    r.when = minutes(l->time);
    r.site = (uint8_t)s->number;
    rc = refs_placed(s, r.placed, r.when);
    return rc != 0 ? rc : refs_put(a, i, &r);
}

static int removed(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 ref = leaf_id(l, LF_REF);
    struct ref_rec r;
    size_t i;
    int rc = refs_of(a, &ref, &i);

    if (rc != 0)
        return rc;
    r = refs_get(a, i);
    if (r.placed == NONE || r.site != s->number) {
        claims_broken(a, CLAIM_PLACEMENT, s, s->index,
                      "a copy is removed that was never placed here");
        return 0;
    }
    if (r.removed != NONE) {
        claims_broken(a, CLAIM_PLACEMENT, s, s->index, "this copy was removed before");
        return 0;
    }
    r.removed = (uint32_t)s->index;
    return refs_put(a, i, &r);
}

#define PARTS 16      /* passes, by the first four bits of an id */
#define ONE_PASS 4096 /* so few copies are sorted at once */

static bool holds(const struct ref_rec *r, const struct site *s, uint64_t size)
{
    return r->placed != NONE && r->site == s->number && r->placed < size &&
           (r->removed == NONE || r->removed >= size);
}

/* How many copies s holds by its first `size` leaves, and (unless root is NULL) the root of their
 * set.  Sorting a sixteenth at a time keeps the memory of it small. */
static int live(struct audit *a, const struct site *s, uint64_t size, uint64_t *n,
                struct digest *root)
{
    unsigned parts = root == NULL || refs_count(a) <= ONE_PASS ? 1 : PARTS;
    struct setroot set = {.n = 0};
    int rc = 0;

    *n = 0;
    for (unsigned part = 0; part < parts && rc == 0; part++) {
        a->scratch.n = 0;
        for (size_t i = 0; i < refs_count(a) && rc == 0; i++) {
            struct ref_rec r;

            if (parts > 1 && refs_id(a, i)->b[0] >> 4 != part)
                continue;
            r = refs_get(a, i);
            if (!holds(&r, s, size))
                continue;
            (*n)++;
            if (root != NULL && (rc = VEC_ROOM(&a->scratch)) == 0)
                a->scratch.v[a->scratch.n++] = r.id;
        }
        if (rc == 0)
            rc = setroot_add(&set, a->scratch.v, a->scratch.n);
    }
    if (rc == 0 && root != NULL)
        setroot_end(&set, root);
    return rc;
}

/* ------------------------------------------------------------------ inventories */

static int inventory(struct audit *a, struct site *s, const struct leaf *l)
{
    struct inventory v = {.country = COUNTRY_COUNT,
                          .leaf = (uint32_t)s->index,
                          .when = minutes(l->time),
                          .count = leaf_int(l, LF_COUNT)};
    struct digest root = leaf_digest(l, LF_ROOT), empty, true_root;
    int rc;

    sha256_of("", 0, &empty);
    v.empty_root = memcmp(root.b, empty.b, sizeof(root.b)) == 0;
    if (leaf_int(l, LF_AT_SIZE) > s->index) {
        claims_broken(a, CLAIM_PLACEMENT, s, s->index, "an inventory of leaves still to come");
        return 0;
    }
    v.at_size = (uint32_t)leaf_int(l, LF_AT_SIZE);
    if ((v.count == 0) != v.empty_root)
        claims_broken(a, CLAIM_PLACEMENT, s, s->index,
                      "an inventory whose count and root disagree on being empty");
    if (l->kind == LK_INVENTORY) {
        v.country = (uint16_t)leaf_country(l, LF_COUNTRY);
    } else {
        if ((rc = live(a, s, v.at_size, &v.live, &true_root)) != 0)
            return rc;
        if (v.live != v.count)
            claims_broken(a, CLAIM_PLACEMENT, s, s->index,
                          "the site's inventory (%llu) is not what the leaves say (%llu copies)",
                          (unsigned long long)v.count, (unsigned long long)v.live);
        else if (memcmp(true_root.b, root.b, sizeof(root.b)) != 0)
            claims_broken(a, CLAIM_PLACEMENT, s, s->index,
                          "the site's inventory has the root of other copies than the %llu that "
                          "the leaves say",
                          (unsigned long long)v.live);
    }
    if ((rc = VEC_ROOM(&s->inventories)) != 0)
        return rc;
    s->inventories.v[s->inventories.n++] = v;
    return 0;
}

/* ------------------------------------------------------------------ counts */

static const struct move *step(const struct site *s, enum move_step k, const struct id128 *id)
{
    for (size_t i = 0; i < s->moves[k].n; i++)
        if (memcmp(s->moves[k].v[i].id.b, id->b, sizeof(id->b)) == 0)
            return &s->moves[k].v[i];
    return NULL;
}

/* How many submissions were leaving s, or on their way to it, when it had `size` leaves. */
static void under_way(const struct audit *a, const struct site *s, unsigned country, uint64_t size,
                      uint32_t when, uint64_t *out, uint64_t *in)
{
    uint32_t slack = minutes((unix_time)a->trust->tolerance) + 1;

    *out = *in = 0;
    for (size_t i = 0; i < a->sites; i++)
        for (size_t j = 0; j < a->site[i].moves[MOVE_OPENED].n; j++) {
            const struct site *from = &a->site[i];
            const struct move *m = &from->moves[MOVE_OPENED].v[j], *done;

            if (country != COUNTRY_COUNT && m->country != country)
                continue;
            if (from == s) {
                done = step(from, MOVE_CLOSED, &m->id);
                if (m->leaf < size && (done == NULL || done->leaf >= size))
                    *out += m->count;
            } else if (strcmp(m->to, s->trust->site) == 0) {
                done = step(s, MOVE_RECEIVED, &m->id);
                if (m->when <= when + slack && (done == NULL || done->leaf >= size))
                    *in += m->count;
            }
        }
}

/* n copies of a country (or all) at s after `size` leaves: is that what the submissions say? */
static bool agrees(const struct audit *a, const struct site *s, unsigned country, uint64_t size,
                   uint32_t when, uint64_t n, int64_t *held)
{
    uint64_t out, in;

    *held = counts_held(a, s, country, size);
    under_way(a, s, country, size, when, &out, &in);
    return (int64_t)n >= *held - (int64_t)out && (int64_t)n <= *held + (int64_t)in;
}

/* A difference may be due to a ledger that was not given. */
static void differ(struct audit *a, const struct site *s, uint64_t at, const char *what, uint64_t n,
                   int64_t held)
{
    const char *absent = claims_absent(a);

    if (absent != NULL)
        claims_unknown(
            a, CLAIM_PLACEMENT, s, at,
            "%s: %llu copies, but %lld submissions; the ledger of site \"%s\" may tell why", what,
            (unsigned long long)n, (long long)held, absent);
    else
        claims_broken(a, CLAIM_PLACEMENT, s, at,
                      "%s: %llu copies, but %lld submissions by the leaves", what,
                      (unsigned long long)n, (long long)held);
}

static void check_inventories(struct audit *a, const struct site *s)
{
    int64_t held;
    char what[40];

    for (size_t i = 0; i < s->inventories.n; i++) {
        const struct inventory *v = &s->inventories.v[i];
        bool all = v->country == COUNTRY_COUNT;
        uint64_t n = all ? v->live : v->count;

        if (agrees(a, s, v->country, v->at_size, v->when, n, &held))
            continue;
        (void)snprintf(what, sizeof(what), "inventory of %s",
                       all ? "the site" : country_table[v->country].code);
        differ(a, s, v->leaf, what, n, held);
    }
}

static int check_copies(struct audit *a, const struct site *s)
{
    int64_t held;
    uint64_t n;
    int rc = live(a, s, s->size, &n, NULL);

    if (rc == 0 && !agrees(a, s, COUNTRY_COUNT, s->size, minutes(s->last), n, &held))
        differ(a, s, AUDIT_NO_LEAF, "at the ledger's end", n, held);
    return rc;
}

/* A receipt that opens its `ref` joins a submission to its copy. */
static void check_joined(struct audit *a, const struct joined *j)
{
    const struct site *s = &a->site[j->site];
    struct sub_rec sub;
    struct ref_rec ref;
    bool accepted = subs_find(a, &j->sub, &sub);

    if (!refs_find(a, &j->ref, &ref) || ref.placed == NONE)
        claims_broken(a, CLAIM_PLACEMENT, s, AUDIT_NO_LEAF,
                      "the receipt \"%s\" opens a copy that was never placed", j->name);
    else if (ref.removed != NONE && accepted && sub.erased == NONE &&
             s->moves[MOVE_CLOSED].n == 0 && s->moves[MOVE_OPENED].n == 0)
        claims_broken(a, CLAIM_PLACEMENT, s, ref.removed,
                      "the copy of the receipt \"%s\" was removed without erasure or move",
                      j->name);
}

static int end(struct audit *a)
{
    int rc;

    for (size_t i = 0; i < a->sites; i++) {
        if (!a->site[i].done)
            continue;
        check_inventories(a, &a->site[i]);
        if ((rc = check_copies(a, &a->site[i])) != 0)
            return rc;
    }
    for (size_t i = 0; i < a->joined.n; i++)
        check_joined(a, &a->joined.v[i]);
    return 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    switch (l->kind) {
    case LK_SITE_OPENED:
        if (!span_is(leaf_text(l, LF_ZONE), s->trust->zone))
            claims_broken(a, CLAIM_PLACEMENT, s, s->index,
                          "the site was opened in another zone than the trust file's");
        return 0;
    case LK_SUBMISSION_ACCEPTED:
        return accepted(a, s, l);
    case LK_SUBMISSION_ERASED:
        return erased(a, s, l);
    case LK_COPY_PLACED:
        return placed(a, s, l);
    case LK_COPY_REMOVED:
        return removed(a, s, l);
    case LK_INVENTORY:
    case LK_INVENTORY_SITE:
        return inventory(a, s, l);
    default:
        return 0;
    }
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    size_t inventories = 0;

    for (size_t i = 0; i < a->sites; i++)
        inventories += a->site[i].inventories.n;
    (void)snprintf(out, n,
                   "each accepted where the policy in force wanted its country; %zu inventor%s "
                   "what the leaves say",
                   inventories, claims_noun(inventories, "y is", "ies are"));
}

static const uint8_t assumption[] = {1, 2, 4, 6, 9, 0};
const struct claim claims_residency_placement = {
    .name = "residency.placement",
    .basis = AUDIT_STATED,
    .unit = "submissions",
    .one = "submission",
    .assumption = assumption,
    .kinds = READS(SITE_OPENED) | READS(SUBMISSION_ACCEPTED) | READS(SUBMISSION_ERASED) |
             READS(COPY_PLACED) | READS(COPY_REMOVED) | READS(INVENTORY) | READS(INVENTORY_SITE) |
             READS(MOVE_OPENED) | READS(MOVE_RECEIVED) | READS(MOVE_CLOSED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};
