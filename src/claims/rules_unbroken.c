/* rules.unbroken: releases are numbered and chained without a gap, the same at every site; once
 * there is one, engines load what was released, and never an older one again unless the newer was
 * withdrawn. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/sha256.h"

/* rules_four_eyes.c has put it at the end. */
static void chained(struct audit *a, struct site *s, const struct leaf *l)
{
    const struct rules_rel *r = &s->rules.v[s->rules.n - 1];
    const struct rules_rel *before = s->rules.n == 1 ? NULL : r - 1;
    struct digest prev;

    claims_count(a, CLAIM_UNBROKEN, 1);
    if (r->serial != (before == NULL ? 1 : before->serial + 1)) {
        claims_broken(a, CLAIM_UNBROKEN, s, s->index, "release %llu follows release %llu",
                      (unsigned long long)r->serial,
                      (unsigned long long)(before == NULL ? 0 : before->serial));
        return;
    }
    if (leaf_has(l, LF_PREV) != (before != NULL)) {
        claims_broken(a, CLAIM_UNBROKEN, s, s->index, "only the first release has none before it");
        return;
    }
    if (before == NULL)
        return;
    prev = leaf_digest(l, LF_PREV);
    if (!digest_eq(&prev, &before->doc))
        claims_broken(a, CLAIM_UNBROKEN, s, s->index, "it names another release as the one before");
}

static void served(struct audit *a, struct site *s, const struct leaf *l)
{
    uint64_t serial = leaf_int(l, LF_SERIAL);

    if (s->rules.n == 0 || s->rules.v[s->rules.n - 1].serial != serial)
        claims_broken(a, CLAIM_UNBROKEN, s, s->index,
                      "the update repository serves release %llu, which is not the newest",
                      (unsigned long long)serial);
}

static const struct rules_rel *release_of(const struct site *s, const struct digest *tree)
{
    for (size_t i = s->rules.n; i > 0; i--)
        if (digest_eq(&s->rules.v[i - 1].tree, tree))
            return &s->rules.v[i - 1];
    return NULL;
}

/* From a newer release back to this one: were all that are newer withdrawn? */
static bool may_go_back(const struct rules_rel *to, const struct rules_rel *from)
{
    for (const struct rules_rel *r = to + 1; r <= from; r++)
        if (!r->withdrawn)
            return false;
    return true;
}

static int load(struct audit *a, struct site *s, const struct leaf *l)
{
    struct loaded x = {.tree = leaf_digest(l, LF_RELEASE), .leaf = (uint32_t)s->index};
    struct span engine = leaf_text(l, LF_ENGINE);
    const struct rules_rel *now, *then = NULL;
    int rc;

    if (s->rules.n == 0)
        return 0; /* nothing is released here yet */
    if ((rc = VEC_ROOM(&s->loaded)) != 0)
        return rc;
    memcpy(x.engine, engine.p, engine.n);
    for (size_t i = s->loaded.n; i > 0 && then == NULL; i--)
        if (strcmp(s->loaded.v[i - 1].engine, x.engine) == 0)
            then = release_of(s, &s->loaded.v[i - 1].tree);
    now = release_of(s, &x.tree);
    s->loaded.v[s->loaded.n++] = x;
    if (now == NULL)
        claims_broken(a, CLAIM_UNBROKEN, s, s->index,
                      "rules were loaded that no release of this ledger is");
    else if (then != NULL && now < then && !may_go_back(now, then))
        claims_broken(a, CLAIM_UNBROKEN, s, s->index,
                      "release %llu was loaded after release %llu, which was not withdrawn",
                      (unsigned long long)now->serial, (unsigned long long)then->serial);
    return 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    if (l->kind == LK_RULES_LOADED)
        return load(a, s, l);
    if (l->kind == LK_RELEASE_PUBLISHED)
        chained(a, s, l);
    else
        served(a, s, l);
    return 0;
}

static void compare(struct audit *a, const struct site *x, const struct site *y)
{
    for (size_t i = 0; i < x->rules.n && i < y->rules.n; i++)
        if (!digest_eq(&x->rules.v[i].doc, &y->rules.v[i].doc)) {
            claims_broken(a, CLAIM_UNBROKEN, y, y->rules.v[i].leaf,
                          "another release than site \"%s\" published in its place",
                          x->trust->site);
            return;
        }
}

static int end(struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++)
        for (size_t j = i + 1; j < a->sites; j++)
            compare(a, &a->site[i], &a->site[j]);
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < a->sites; i++)
        if (a->site[i].rules.n > 0 && a->site[i].rules.v[a->site[i].rules.n - 1].serial > newest)
            newest = a->site[i].rules.v[a->site[i].rules.n - 1].serial;
    (void)snprintf(out, n, "1 to %llu without a gap, and nothing else was loaded since the first",
                   (unsigned long long)newest);
}

static const uint8_t assumption[] = {1, 2, 3, 4, 6, 0};
const struct claim claims_rules_unbroken = {
    .name = "rules.unbroken",
    .basis = AUDIT_COUNTERSIGNED,
    .unit = "releases",
    .one = "release",
    .assumption = assumption,
    .kinds = READS(RELEASE_PUBLISHED) | READS(REPOSITORY_PUBLISHED) | READS(RULES_LOADED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};
