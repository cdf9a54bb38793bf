/* rules.unbroken: releases are numbered and chained without a gap, the same at every site; once
 * there is one, engines load what was released, and never an older one again unless the newer was
 * withdrawn.  What the update repository served was signed by the keys that had to, followed what
 * it served before, and lists releases of this ledger and no other tree. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "ledger/tlog_tiles.h"

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

/* --- what the update repository served --- */

static const struct rules_rel *release_number(const struct site *s, uint64_t serial)
{
    for (size_t i = s->rules.n; i > 0; i--)
        if (s->rules.v[i - 1].serial == serial)
            return &s->rules.v[i - 1];
    return NULL;
}

/* The artifact, read and checked.  1: told already. */
static int read_served(struct audit *a, struct site *s, const struct digest *metadata,
                       struct published **out)
{
    struct err e = ERR_INIT;
    struct buf b;
    char hex[65];
    int rc;

    text_digest(hex, metadata);
    buf_init(&b, PUBLISHED_MAX_BYTES);
    rc = tlog_tiles_artifact(s->dir, metadata, &b, &e);
    if (rc == 0)
        rc = published_read(out, buf_span(&b), &e);
    buf_free(&b);
    if (rc == -ENOENT) {
        claims_unknown(a, CLAIM_UNBROKEN, s, s->index,
                       "what the update repository served, artifact/sha256/%s, is missing; ask for "
                       "it",
                       hex);
        rc = 1;
    } else if (rc == -EBADMSG || rc == -E2BIG || rc == -EINVAL) {
        claims_broken(a, CLAIM_UNBROKEN, s, s->index, "%s", err_text(&e));
        rc = 1;
    }
    return rc;
}

static void only_releases(struct audit *a, const struct site *s, const struct published *p)
{
    const struct published_release *v;
    size_t n;

    v = published_releases(p, &n);
    for (size_t i = 0; i < n; i++) {
        const struct rules_rel *r = release_number(s, v[i].serial);

        if (r == NULL || !digest_eq(&r->tree, &v[i].tree)) {
            claims_broken(a, CLAIM_UNBROKEN, s, s->index,
                          r == NULL ? "the update repository lists release %llu, which nobody "
                                      "released"
                                    : "the update repository lists release %llu with another tree "
                                      "than was released",
                          (unsigned long long)v[i].serial);
            return;
        }
    }
}

static void held_against(struct audit *a, const struct site *s, const struct published *p,
                         uint64_t serial)
{
    struct digest root = published_first_root(p);
    struct err e = ERR_INIT;

    if (a->trust->has_updates_root && !digest_eq(&root, &a->trust->updates_root))
        claims_broken(a, CLAIM_UNBROKEN, s, s->index,
                      "the update repository begins with another root than the trust file says");
    if (published_serial(p) != serial)
        claims_broken(a, CLAIM_UNBROKEN, s, s->index,
                      "the update repository's newest release is %llu, not %llu",
                      (unsigned long long)published_serial(p), (unsigned long long)serial);
    if (s->served.last != NULL && published_follows(s->served.last, p, &e) != 0)
        claims_broken(a, CLAIM_UNBROKEN, s, s->index, "the update repository: %s", err_text(&e));
    only_releases(a, s, p);
}

static int served(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest metadata = leaf_digest(l, LF_METADATA);
    uint64_t serial = leaf_int(l, LF_SERIAL);
    const struct rules_rel *now = release_number(s, serial),
                           *then = release_number(s, s->served.serial);
    struct published *p = NULL;
    int rc;

    if (now == NULL)
        claims_broken(a, CLAIM_UNBROKEN, s, s->index,
                      "the update repository serves release %llu, which nobody released",
                      (unsigned long long)serial);
    else if (then != NULL && now < then && !may_go_back(now, then))
        claims_broken(a, CLAIM_UNBROKEN, s, s->index,
                      "the update repository goes back from release %llu to %llu, and what came "
                      "after was not withdrawn",
                      (unsigned long long)then->serial, (unsigned long long)serial);
    s->served.serial = serial;
    s->served.n++;
    if ((rc = read_served(a, s, &metadata, &p)) != 0)
        return rc < 0 ? rc : 0;
    held_against(a, s, p, serial);
    published_free(s->served.last);
    s->served.last = p;
    s->served.leaf = (uint32_t)s->index;
    return 0;
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
    if (l->kind == LK_REPOSITORY_PUBLISHED)
        return served(a, s, l);
    chained(a, s, l);
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

/* Two views of one repository: a second one, with a root of its own, would be nobody's. */
static void compare_roots(struct audit *a, const struct site *x, const struct site *y)
{
    struct err e = ERR_INIT;

    if (x->served.last != NULL && y->served.last != NULL &&
        published_same_roots(x->served.last, y->served.last, &e) != 0)
        claims_broken(a, CLAIM_UNBROKEN, y, y->served.leaf,
                      "the update repository is another than site \"%s\" shows: %s", x->trust->site,
                      err_text(&e));
}

static int end(struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++)
        for (size_t j = i + 1; j < a->sites; j++)
            compare(a, &a->site[i], &a->site[j]);
    for (size_t i = 0; i < a->sites; i++)
        for (size_t j = i + 1; j < a->sites; j++)
            compare_roots(a, &a->site[i], &a->site[j]);
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    uint64_t newest = 0, times = 0;
    char more[80] = "";

    for (size_t i = 0; i < a->sites; i++) {
        const struct site *s = &a->site[i];

        if (s->rules.n > 0 && s->rules.v[s->rules.n - 1].serial > newest)
            newest = s->rules.v[s->rules.n - 1].serial;
        times += s->served.n;
    }
    if (times > 0)
        (void)snprintf(more, sizeof(more), ", nor served in %llu %s of the update repository",
                       (unsigned long long)times,
                       claims_noun(times, "publication", "publications"));
    (void)snprintf(out, n, "1 to %llu without a gap, and nothing else was loaded since the first%s",
                   (unsigned long long)newest, more);
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
