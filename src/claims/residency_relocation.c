/* residency.relocation: what was opened was received, same count and set root; destroyed at the old
 * site, whose inventory of the country is empty; all before the policy's move_by.  Judged at the
 * end, because a move is told by two ledgers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"

static void copy_text(char *out, size_t n, struct span s)
{
    memcpy(out, s.p, s.n < n - 1 ? s.n : n - 1);
    out[s.n < n - 1 ? s.n : n - 1] = '\0';
}

static const struct move *find(const struct site *s, enum move_step k, const struct id128 *id)
{
    for (size_t i = 0; i < s->moves[k].n; i++)
        if (memcmp(s->moves[k].v[i].id.b, id->b, sizeof(id->b)) == 0)
            return &s->moves[k].v[i];
    return NULL;
}

static const struct doc_policy *policy_of(const struct site *s, const struct digest *doc)
{
    for (size_t i = 0; i < s->policies.n; i++)
        if (memcmp(s->policies.v[i].doc.b, doc->b, sizeof(doc->b)) == 0)
            return &s->policies.v[i];
    return NULL;
}

/* ------------------------------------------------------------------ leaves */

static bool approval_is_of(const struct move_approval *ok, const struct move *m)
{
    return memcmp(ok->move.b, m->id.b, sizeof(m->id.b)) == 0 &&
           memcmp(ok->policy.b, m->policy.b, sizeof(m->policy.b)) == 0 &&
           strcmp(ok->country, country_table[m->country].code) == 0 &&
           strcmp(ok->from, m->from) == 0 && strcmp(ok->to, m->to) == 0;
}

/* The approval by k persons, and that the policy in force wants this move. */
static int check_approval(struct audit *a, struct site *s, const struct move *m, unix_time t)
{
    const struct doc_policy *p = claims_policy(s, t);
    struct move_approval ok;
    struct dsse *env = NULL;
    struct err e = ERR_INIT;
    int rc = claims_document(a, s, CLAIM_RELOCATION, DOCUMENT_MOVE, &m->doc, &env);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = move_parse(&ok, "move", dsse_payload(env), &e);
    if (rc == 0 && !approval_is_of(&ok, m))
        rc = err_set(&e, -EINVAL, "the approval is of another move");
    if (rc == 0 && p != NULL && p->policy != NULL)
        rc = move_allowed(&ok, p->policy, &p->doc, t, &e);
    if (rc == -EINVAL || rc == -EPERM || rc == -EBADMSG || rc == -E2BIG) {
        claims_broken(a, CLAIM_RELOCATION, s, s->index, "%s", err_text(&e));
        rc = 0;
    } else if (rc == 0) {
        rc = claims_approved(a, s, CLAIM_RELOCATION, DOCUMENT_MOVE, &m->doc, env, NULL, t);
    }
    dsse_free(env);
    return rc < 0 ? rc : 0;
}

static int opened(struct audit *a, struct site *s, const struct leaf *l, struct move *m)
{
    m->policy = leaf_digest(l, LF_POLICY);
    m->doc = leaf_digest(l, LF_DOC);
    m->cut = leaf_int(l, LF_CUT);
    if (strcmp(m->from, s->trust->site) != 0 || m->cut > s->index)
        claims_broken(a, CLAIM_RELOCATION, s, s->index,
                      "a move is opened for another site, or of leaves still to come");
    return check_approval(a, s, m, claims_witnessed(s, l->time));
}

static void closed(struct audit *a, struct site *s, const struct leaf *l, struct move *m)
{
    const struct move *o = find(s, MOVE_OPENED, &m->id);

    m->epoch = leaf_int(l, LF_EPOCH);
    if (o == NULL || o->country != m->country) {
        claims_broken(a, CLAIM_RELOCATION, s, s->index,
                      "a move is closed that was not opened here");
        return;
    }
    m->count = o->count;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    enum move_step k = l->kind == LK_MOVE_OPENED     ? MOVE_OPENED
                       : l->kind == LK_MOVE_RECEIVED ? MOVE_RECEIVED
                                                     : MOVE_CLOSED;
    struct move m = {.id = leaf_id(l, LF_MOVE),
                     .country = (uint16_t)leaf_country(l, LF_COUNTRY),
                     .leaf = (uint32_t)s->index,
                     .when = minutes(l->time)};
    int rc = VEC_ROOM(&s->moves[k]);

    if (rc != 0)
        return rc;
    if (find(s, k, &m.id) != NULL) {
        claims_broken(a, CLAIM_RELOCATION, s, s->index, "%s of one move twice",
                      leaf_kinds[l->kind].name);
        return 0;
    }
    if (k != MOVE_CLOSED) {
        copy_text(m.from, sizeof(m.from), leaf_text(l, LF_FROM));
        copy_text(m.to, sizeof(m.to), leaf_text(l, LF_TO));
        m.count = leaf_int(l, LF_COUNT);
        m.set_root = leaf_digest(l, LF_SET_ROOT);
    }
    if (k == MOVE_OPENED)
        rc = opened(a, s, l, &m);
    else if (k == MOVE_CLOSED)
        closed(a, s, l, &m);
    else if (strcmp(m.to, s->trust->site) != 0)
        claims_broken(a, CLAIM_RELOCATION, s, s->index, "a move is received for another site");
    if (rc == 0)
        s->moves[k].v[s->moves[k].n++] = m;
    return rc;
}

/* ------------------------------------------------------------------ the end */

/* When the country must have left, by the policy the move names; 0: it does not say. */
static int deadline(const struct site *s, const struct move *m, unix_time *by)
{
    const struct doc_policy *p = policy_of(s, &m->policy);
    const char *from, *to;
    struct policy_move *v = NULL;
    size_t n = 0;
    int rc;

    *by = 0;
    if (p == NULL || p->policy == NULL)
        return 0;
    from = policy_zone_of_site(p->policy, m->from);
    to = policy_zone_of_site(p->policy, m->to);
    if (from == NULL || to == NULL)
        return 0;
    if ((rc = policy_moves_all(p->policy, &v, &n)) != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].country, country_table[m->country].code) == 0 &&
            strcmp(v[i].from, from) == 0 && strcmp(v[i].to, to) == 0 &&
            v[i].since <= of_minutes(m->when) + 59)
            *by = v[i].by;
    free(v);
    return 0;
}

static void check_received(struct audit *a, const struct site *to, const struct move *o,
                           const struct move *r)
{
    if (r->count != o->count)
        claims_broken(a, CLAIM_RELOCATION, to, r->leaf, "%llu were to move, %llu were received",
                      (unsigned long long)o->count, (unsigned long long)r->count);
    else if (memcmp(r->set_root.b, o->set_root.b, sizeof(o->set_root.b)) != 0)
        claims_broken(a, CLAIM_RELOCATION, to, r->leaf, "what was received is another set (root)");
    else if (r->country != o->country || strcmp(r->from, o->from) != 0)
        claims_broken(a, CLAIM_RELOCATION, to, r->leaf,
                      "received is another country or from another "
                      "site than was opened");
}

/* The old site's inventory of the country: told empty before the close, and nothing else after it.
 */
static void check_inventories(struct audit *a, const struct site *s, const struct move *o,
                              const struct move *c)
{
    bool empty = false;

    for (size_t i = 0; i < s->inventories.n; i++) {
        const struct inventory *v = &s->inventories.v[i];

        if (v->country != o->country || v->leaf < o->leaf)
            continue;
        empty |= v->leaf < c->leaf && v->count == 0 && v->empty_root;
        if (v->leaf > c->leaf && v->count != 0 && counts_held(a, s, v->country, v->at_size) == 0)
            claims_broken(a, CLAIM_RELOCATION, s, v->leaf,
                          "%llu copies of %s are left at the old site after the move was closed",
                          (unsigned long long)v->count, country_table[v->country].code);
    }
    if (!empty)
        claims_broken(a, CLAIM_RELOCATION, s, c->leaf,
                      "closed, but no inventory shows that nothing of %s is left",
                      country_table[o->country].code);
}

static bool destroyed(const struct site *s, uint64_t epoch)
{
    for (size_t i = s->epochs.n; i > 0; i--)
        if (s->epochs.v[i - 1].epoch == epoch)
            return s->epochs.v[i - 1].destroyed != NONE;
    return false;
}

static void check_closed(struct audit *a, const struct site *s, const struct move *o,
                         const struct move *c, unix_time by)
{
    char at[CLOCK_SECOND_LEN + 1];

    check_inventories(a, s, o, c);
    if (by != 0 && of_minutes(c->when) > by) {
        clock_second(at, by);
        claims_broken(a, CLAIM_RELOCATION, s, c->leaf,
                      "closed after %s, by when %s had to have moved", at,
                      country_table[o->country].code);
    }
    if (!destroyed(s, c->epoch))
        a->result[CLAIM_RELOCATION].pending++;
    claims_count(a, CLAIM_RELOCATION, 1);
}

static void check_move(struct audit *a, struct site *s, const struct move *o, unix_time by)
{
    struct site *to = claims_site(a, o->to);
    const struct move *r = to == NULL ? NULL : find(to, MOVE_RECEIVED, &o->id),
                      *c = find(s, MOVE_CLOSED, &o->id);
    int64_t held = counts_held(a, s, o->country, o->cut);

    if (held != (int64_t)o->count && claims_absent(a) == NULL)
        claims_broken(a, CLAIM_RELOCATION, s, o->leaf,
                      "the move is of %llu submissions, but the site held %lld of %s",
                      (unsigned long long)o->count, (long long)held,
                      country_table[o->country].code);
    if (r != NULL)
        check_received(a, to, o, r);
    if (c == NULL) {
        a->result[CLAIM_RELOCATION].pending++;
        return;
    }
    if (to == NULL || !to->done)
        claims_unknown(a, CLAIM_RELOCATION, s, o->leaf,
                       "whether it was received is in the ledger of site \"%s\"", o->to);
    else if (r == NULL)
        claims_broken(a, CLAIM_RELOCATION, s, c->leaf, "closed, but site \"%s\" never received it",
                      o->to);
    else if (r->when > c->when + minutes((unix_time)a->trust->tolerance) + 1)
        claims_broken(a, CLAIM_RELOCATION, s, c->leaf, "closed before it was received");
    check_closed(a, s, o, c, by);
}

static void check_arrivals(struct audit *a, struct site *s)
{
    for (size_t i = 0; i < s->moves[MOVE_RECEIVED].n; i++) {
        const struct move *r = &s->moves[MOVE_RECEIVED].v[i];
        struct site *from = claims_site(a, r->from);

        if (from == NULL || !from->done)
            claims_unknown(a, CLAIM_RELOCATION, s, r->leaf,
                           "what was to move is in the ledger of site \"%s\"", r->from);
        else if (find(from, MOVE_OPENED, &r->id) == NULL)
            claims_broken(a, CLAIM_RELOCATION, s, r->leaf, "received, but never opened at \"%s\"",
                          r->from);
    }
}

/* Every copy removed with ground "moved" belongs to a closed or an open move. */
static void check_slots(struct audit *a, const struct site *s)
{
    uint64_t least = 0, most = 0;

    for (size_t i = 0; i < s->moves[MOVE_OPENED].n; i++) {
        const struct move *o = &s->moves[MOVE_OPENED].v[i];

        most += o->count;
        if (find(s, MOVE_CLOSED, &o->id) != NULL)
            least += o->count;
    }
    if (s->moved_slots >= least && s->moved_slots <= most)
        return;
    claims_broken(a, CLAIM_RELOCATION, s,
                  s->moves[MOVE_CLOSED].n == 0 ? AUDIT_NO_LEAF : s->moves[MOVE_CLOSED].v[0].leaf,
                  "%llu copies were removed as moved, the closed moves are of %llu",
                  (unsigned long long)s->moved_slots, (unsigned long long)least);
}

/* What lies in a zone that the policy wants it out of by now. */
static int check_overdue(struct audit *a, struct site *s)
{
    const struct doc_policy *p = claims_policy(s, s->as_of);
    unix_time now = s->as_of - (unix_time)a->trust->tolerance;
    struct policy_move *v = NULL;
    size_t n = 0;
    int rc;

    if (p == NULL || p->policy == NULL)
        return 0;
    if ((rc = policy_moves_all(p->policy, &v, &n)) != 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        int k = country_index(span_str(v[i].country));
        const char *zone = policy_zone(p->policy, v[i].country, now);
        int64_t held;

        if (k < 0 || strcmp(v[i].from, s->trust->zone) != 0 || v[i].by > now ||
            (zone != NULL && strcmp(zone, s->trust->zone) == 0))
            continue;
        held = counts_held(a, s, (unsigned)k, s->size);
        if (held > 0)
            claims_broken(
                a, CLAIM_RELOCATION, s, AUDIT_NO_LEAF,
                "%lld submissions of %s are still here; they had to have moved to zone %s",
                (long long)held, v[i].country, v[i].to);
    }
    free(v);
    return 0;
}

static int end(struct audit *a)
{
    int rc;

    for (size_t i = 0; i < a->sites; i++) {
        struct site *s = &a->site[i];

        if (!s->done)
            continue;
        for (size_t j = 0; j < s->moves[MOVE_OPENED].n; j++) {
            unix_time by;

            if ((rc = deadline(s, &s->moves[MOVE_OPENED].v[j], &by)) != 0)
                return rc;
            check_move(a, s, &s->moves[MOVE_OPENED].v[j], by);
        }
        check_arrivals(a, s);
        check_slots(a, s);
        if ((rc = check_overdue(a, s)) != 0)
            return rc;
    }
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    uint64_t files = 0;

    for (size_t i = 0; i < a->sites; i++)
        for (size_t j = 0; j < a->site[i].moves[MOVE_CLOSED].n; j++)
            files += a->site[i].moves[MOVE_CLOSED].v[j].count;
    (void)snprintf(
        out, n,
        "%llu submission%s left as one set and arrived as the same; the old inventories are "
        "empty",
        (unsigned long long)files, claims_noun(files, "", "s"));
}

static const uint8_t assumption[] = {1, 2, 4, 6, 7, 0};
const struct claim claims_residency_relocation = {
    .name = "residency.relocation",
    .basis = AUDIT_STATED,
    .unit = "moves",
    .one = "move",
    .assumption = assumption,
    .kinds = READS(MOVE_OPENED) | READS(MOVE_RECEIVED) | READS(MOVE_CLOSED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};
