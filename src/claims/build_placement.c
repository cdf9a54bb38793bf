/* build.placement: each product was built at a site of the zone that the policy in force names for
 * it (subject "product:NAME"), and each release of the rules is published by a site of the zone
 * that the policy names for rules ("rules:*"), if it names one.  Where a build ran is the word of
 * those who signed it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/sha256.h"

#define RULES "rules:*"

/* The policy that says where, or NULL: told. */
static const struct policy *in_force(struct audit *a, struct site *s, unix_time t)
{
    const struct doc_policy *p = claims_policy(s, t);

    if (p != NULL && p->policy != NULL)
        return p->policy;
    claims_unknown(a, CLAIM_PLACE, s, s->index,
                   p == NULL ? "no policy was in force, so nothing says where it belongs"
                             : "the policy in force could not be read");
    return NULL;
}

static void product(struct audit *a, struct site *s, const struct leaf *l)
{
    const struct policy *p = in_force(a, s, l->time);
    struct span name = leaf_text(l, LF_NAME), site = leaf_text(l, LF_WORKER_SITE);
    char subject[64], at[17] = "";
    const char *zone, *of_site;

    if (p == NULL)
        return;
    (void)snprintf(subject, sizeof(subject), "product:%.*s", (int)name.n, (const char *)name.p);
    memcpy(at, site.p, site.n < sizeof(at) ? site.n : sizeof(at) - 1);
    zone = policy_zone(p, subject, l->time);
    of_site = policy_zone_of_site(p, at);
    if (zone == NULL)
        claims_unknown(a, CLAIM_PLACE, s, s->index, "the policy names no zone for \"%s\"", subject);
    else if (of_site == NULL || strcmp(of_site, zone) != 0)
        claims_broken(a, CLAIM_PLACE, s, s->index,
                      "\"%s\" was built at %s, which is no site of zone %s", subject, at, zone);
    else if (!span_is(leaf_text(l, LF_ZONE), zone))
        claims_broken(a, CLAIM_PLACE, s, s->index, "%s is of zone %s, and the leaf says another",
                      at, zone);
}

static int release(struct audit *a, struct site *s, const struct leaf *l)
{
    const struct policy *p = in_force(a, s, l->time);
    const char *zone = p == NULL ? NULL : policy_zone(p, RULES, l->time);
    struct placed_release r = {.doc = leaf_digest(l, LF_DOC), .leaf = (uint32_t)s->index};
    int rc = VEC_ROOM(&s->placed);

    if (rc != 0)
        return rc;
    if (zone != NULL)
        (void)snprintf(r.zone, sizeof(r.zone), "%s", zone);
    s->placed.v[s->placed.n++] = r;
    return 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    int rc = 0;

    if (l->kind == LK_PRODUCT_PUBLISHED)
        product(a, s, l);
    else
        rc = release(a, s, l);
    if (rc == 0 && (l->kind == LK_PRODUCT_PUBLISHED || s->placed.v[s->placed.n - 1].zone[0] != 0))
        claims_count(a, CLAIM_PLACE, 1);
    return rc;
}

/* Has a site of that zone published the release? */
static bool published_in(const struct audit *a, const char *zone, const struct digest *doc)
{
    for (size_t i = 0; i < a->sites; i++) {
        const struct site *s = &a->site[i];

        for (size_t k = 0; strcmp(s->trust->zone, zone) == 0 && k < s->placed.n; k++)
            if (digest_eq(&s->placed.v[k].doc, doc))
                return true;
    }
    return false;
}

static int end(struct audit *a)
{
    const char *absent = claims_absent(a);

    for (size_t i = 0; i < a->sites; i++) {
        const struct site *s = &a->site[i];

        for (size_t k = 0; k < s->placed.n; k++) {
            const struct placed_release *r = &s->placed.v[k];

            if (r->zone[0] == 0 || published_in(a, r->zone, &r->doc))
                continue;
            if (absent != NULL)
                claims_unknown(a, CLAIM_PLACE, s, r->leaf,
                               "the release belongs to zone %s, and the ledger of %s was not given",
                               r->zone, absent);
            else
                claims_broken(a, CLAIM_PLACE, s, r->leaf,
                              "the release is published by no site of zone %s, where the policy "
                              "puts rules",
                              r->zone);
        }
    }
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)a;
    (void)snprintf(out, n, "in the zone that the policy names for them");
}

static const uint8_t assumption[] = {1, 2, 6, 0};
const struct claim claims_build_placement = {
    .name = "build.placement",
    .basis = AUDIT_STATED,
    .unit = "products and releases",
    .one = "product or release",
    .assumption = assumption,
    .kinds = READS(PRODUCT_PUBLISHED) | READS(RELEASE_PUBLISHED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};
