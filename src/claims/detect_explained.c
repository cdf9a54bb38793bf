/* detect.explained: every stored copy is scanned within the time its policy states, by a release of
 * rules that was loaded then; a verdict that gives up says why. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claims/claims_priv.h"

static int loaded(struct site *s, const struct leaf *l)
{
    struct release r = {.release = leaf_digest(l, LF_RELEASE), .leaf = (uint32_t)s->index};
    struct span engine = leaf_text(l, LF_ENGINE);
    int rc = VEC_ROOM(&s->releases);

    if (rc != 0)
        return rc;
    memcpy(r.engine, engine.p, engine.n);
    s->releases.v[s->releases.n++] = r;
    return 0;
}

static bool was_loaded(const struct site *s, const struct leaf *l)
{
    struct digest release = leaf_digest(l, LF_RELEASE);

    for (size_t i = s->releases.n; i > 0; i--)
        if (memcmp(s->releases.v[i - 1].release.b, release.b, sizeof(release.b)) == 0 &&
            span_is(leaf_text(l, LF_ENGINE), s->releases.v[i - 1].engine))
            return true;
    return false;
}

/* The worker may be another site of the same zone. */
static bool inside_zone(const struct audit *a, const struct site *s, const struct leaf *l)
{
    char name[17] = "";
    struct span w = leaf_text(l, LF_WORKER_SITE);
    const struct trust_site *t;

    memcpy(name, w.p, w.n);
    t = trust_site(a->trust, name);
    return t != NULL && strcmp(t->zone, s->trust->zone) == 0;
}

static void check_verdict(struct audit *a, struct site *s, const struct leaf *l)
{
    unsigned verdict = leaf_word(l, LF_VERDICT), reason = leaf_word(l, LF_REASON);
    uint64_t hits = leaf_int(l, LF_HITS);

    if (!was_loaded(s, l))
        claims_broken(a, CLAIM_EXPLAINED, s, s->index, "scanned by rules that were never loaded");
    if (!inside_zone(a, s, l))
        claims_broken(a, CLAIM_EXPLAINED, s, s->index, "scanned outside zone %s", s->trust->zone);
    if ((verdict == LW_VERDICT_INCOMPLETE) != (reason != LW_REASON_NONE))
        claims_broken(a, CLAIM_EXPLAINED, s, s->index,
                      "incomplete without a reason, or a reason without being incomplete");
    if ((verdict == LW_VERDICT_MALICIOUS && hits == 0) ||
        (verdict == LW_VERDICT_CLEAN && hits != 0))
        claims_broken(a, CLAIM_EXPLAINED, s, s->index, "verdict and number of hits disagree");
}

static int scanned(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 ref = leaf_id(l, LF_REF);
    struct ref_rec r;
    size_t i;
    int rc;

    check_verdict(a, s, l);
    if ((rc = refs_of(a, &ref, &i)) != 0)
        return rc;
    r = refs_get(a, i);
    a->again = r.scanned != NONE;
    if (r.placed == NONE && r.scanned == NONE)
        r.site = (uint8_t)s->number;
    /* of leaves of one batch the removal may come first */
    if (!a->again && r.placed != NONE && r.removed == NONE && r.site == s->number)
        s->judged++;
    if (r.scanned == NONE || minutes(l->time) < r.scanned)
        r.scanned = minutes(l->time);
    return refs_put(a, i, &r);
}

/* residency_placement.c has noted that it is gone. */
static void removed(struct audit *a, struct site *s, const struct leaf *l)
{
    struct id128 ref = leaf_id(l, LF_REF);
    struct ref_rec r;

    if (refs_find(a, &ref, &r) && r.removed == s->index && r.scanned != NONE && s->judged > 0)
        s->judged--;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    if (l->kind == LK_RULES_LOADED)
        return loaded(s, l);
    if (l->kind == LK_SCAN_DONE)
        return scanned(a, s, l);
    if (l->kind == LK_COPY_REMOVED)
        removed(a, s, l);
    return 0;
}

/* Minutes from storing to the verdict by the policy in force then; NONE: no policy could be read.
 */
static uint32_t within(const struct site *s, uint32_t when)
{
    const struct doc_policy *p = claims_policy(s, of_minutes(when) + 59);
    struct policy_terms t;

    if (p == NULL || p->policy == NULL || policy_terms_of(p->policy, s->trust->zone, &t) != 0)
        return NONE;
    return (uint32_t)(t.scan_within / 60 + 1);
}

static void check_copy(struct audit *a, const struct ref_rec *r)
{
    const struct site *s = &a->site[r->site];
    uint32_t limit;

    if (!s->done)
        return;
    if (r->placed == NONE) {
        claims_broken(a, CLAIM_EXPLAINED, s, AUDIT_NO_LEAF,
                      "a scan of a copy that was never placed");
        return;
    }
    limit = within(s, r->when);
    if (limit == NONE)
        claims_unknown(a, CLAIM_EXPLAINED, s, r->placed, "no policy says by when it is scanned");
    else if (r->scanned != NONE && r->scanned > (uint64_t)r->when + limit)
        claims_broken(a, CLAIM_EXPLAINED, s, r->placed, "scanned %u minutes after it was stored",
                      r->scanned - r->when);
    else if (r->scanned != NONE)
        claims_count(a, CLAIM_EXPLAINED, 1);
    else if (r->removed == NONE && minutes(s->as_of) > (uint64_t)r->when + limit)
        claims_broken(a, CLAIM_EXPLAINED, s, r->placed, "stored, and never scanned");
    else if (r->removed == NONE)
        a->result[CLAIM_EXPLAINED].pending++;
}

static int end(struct audit *a)
{
    for (size_t i = 0; i < refs_count(a); i++) {
        struct ref_rec r = refs_get(a, i);

        check_copy(a, &r);
    }
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)snprintf(out, n, "each scanned in time by rules that were loaded; %llu not due yet",
                   (unsigned long long)a->result[CLAIM_EXPLAINED].pending);
}

static const uint8_t assumption[] = {1, 2, 6, 12, 0};
const struct claim claims_detect_explained = {
    .name = "detect.explained",
    .basis = AUDIT_STATED,
    .unit = "copies",
    .one = "copy",
    .assumption = assumption,
    .kinds = READS(RULES_LOADED) | READS(SCAN_DONE) | READS(COPY_PLACED) | READS(COPY_REMOVED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};
