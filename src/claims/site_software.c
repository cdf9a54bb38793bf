/* site.software: every program that a site says it runs is a file of a release of the product that
 * the trust file names (`software`), and that release was built again, identical, by as many
 * builders of the trust file as it wants.  When the release was published does not matter: who
 * reads both knows what ran.  Without `software` in the trust file nothing is judged. */
#include <stdio.h>
#include <string.h>

#include "claims/claims_priv.h"
#include "crypto/sha256.h"

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    struct started n = {.leaf = (uint32_t)s->index, .times = 1};
    struct span part;
    int rc;

    (void)a;
    if (l->kind != LK_PROCESS_STARTED) /* of the others the claims about builds keep what counts */
        return 0;
    n.binary = leaf_digest(l, LF_BINARY);
    for (size_t i = s->started.n; i > 0; i--)
        if (digest_eq(&s->started.v[i - 1].binary, &n.binary)) {
            s->started.v[i - 1].times++;
            return 0;
        }
    if ((rc = VEC_ROOM(&s->started)) != 0)
        return rc;
    part = leaf_text(l, LF_PART);
    memcpy(n.part, part.p, part.n < sizeof(n.part) ? part.n : sizeof(n.part) - 1);
    s->started.v[s->started.n++] = n;
    return 0;
}

/* --- when all is read --- */

/* How far others got with a product: how many builders got it identical; NULL or who got it
 * unexplained. */
struct rebuilds {
    unsigned identical;
    const struct rebuild *against;
};

static struct rebuilds rebuilds_of(const struct audit *a, const struct digest *product)
{
    struct rebuilds r = {0, NULL};
    uint64_t by = 0;

    for (size_t i = 0; i < a->sites; i++)
        for (size_t k = 0; k < a->site[i].rebuilds.n; k++) {
            const struct rebuild *x = &a->site[i].rebuilds.v[k];

            if (x->builder == TRUST_BUILDERS || !digest_eq(&x->product, product))
                continue;
            if (x->verdict == COMPARE_IDENTICAL)
                by |= UINT64_C(1) << x->builder;
            else if (x->verdict == COMPARE_UNEXPLAINED)
                r.against = x;
        }
    r.identical = (unsigned)__builtin_popcountll(by);
    return r;
}

static bool has(const struct built *b, const struct digest *file)
{
    for (size_t i = 0; i < b->files; i++)
        if (digest_eq(&b->file[i], file))
            return true;
    return false;
}

/* What the ledgers say of one executable. */
struct found {
    bool good;              /* of a release that enough builders got, and none did not */
    const struct built *of; /* else one that has it: NULL, none has */
    struct rebuilds rebuilds;
    bool any, unread; /* releases of that name at all; some whose files are not known */
};

static struct found find(const struct audit *a, const struct digest *binary)
{
    struct found f = {.good = false};

    for (size_t i = 0; i < a->sites; i++)
        for (size_t k = 0; k < a->site[i].built.n && !f.good; k++) {
            const struct built *b = &a->site[i].built.v[k];
            struct rebuilds r;

            if (strcmp(b->name, a->trust->software) != 0)
                continue;
            f.any = true;
            f.unread = f.unread || b->file == NULL;
            if (!has(b, binary))
                continue;
            r = rebuilds_of(a, &b->doc);
            f.good = r.against == NULL && r.identical >= a->trust->software_builders;
            if (f.of == NULL || (f.rebuilds.against == NULL && r.against != NULL)) {
                f.of = b;
                f.rebuilds = r;
            }
        }
    return f;
}

static void judge(struct audit *a, const struct site *s, const struct started *x)
{
    struct found f = find(a, &x->binary);
    const char *name = a->trust->software, *absent = claims_absent(a);

    if (f.good)
        claims_count(a, CLAIM_SOFTWARE, x->times);
    else if (f.of != NULL && f.rebuilds.against != NULL)
        claims_broken(a, CLAIM_SOFTWARE, s, x->leaf,
                      "\"%s\" runs a program of release %llu of \"%s\", which builder %u of the "
                      "trust file built again and got something else that is unexplained",
                      x->part, (unsigned long long)f.of->serial, name,
                      f.rebuilds.against->builder + 1);
    else if (f.of != NULL)
        claims_unknown(a, CLAIM_SOFTWARE, s, x->leaf,
                       "\"%s\" runs a program of release %llu of \"%s\", which %u of the builders "
                       "of the trust file got identical, where %u are wanted",
                       x->part, (unsigned long long)f.of->serial, name, f.rebuilds.identical,
                       a->trust->software_builders);
    else if (!f.any)
        claims_unknown(a, CLAIM_SOFTWARE, s, x->leaf,
                       "no release of \"%s\" is published that the program of \"%s\" could be of",
                       name, x->part);
    else if (f.unread)
        claims_unknown(a, CLAIM_SOFTWARE, s, x->leaf,
                       "which files a release of \"%s\" has is not known (build.provenance); the "
                       "program of \"%s\" is in no other",
                       name, x->part);
    else if (absent != NULL)
        claims_unknown(a, CLAIM_SOFTWARE, s, x->leaf,
                       "\"%s\" runs a program of no release of \"%s\" in these ledgers; that of %s "
                       "was not given",
                       x->part, name, absent);
    else
        claims_broken(a, CLAIM_SOFTWARE, s, x->leaf,
                      "\"%s\" runs a program that is in no release of \"%s\"", x->part, name);
}

static int end(struct audit *a)
{
    if (a->trust->software[0] == '\0')
        return 0;
    for (size_t i = 0; i < a->sites; i++) {
        const struct site *s = &a->site[i];

        if (s->started.n == 0 && s->size > 0)
            claims_unknown(a, CLAIM_SOFTWARE, s, AUDIT_NO_LEAF,
                           "the ledger of %s says of no program that it runs", s->trust->site);
        for (size_t k = 0; k < s->started.n; k++)
            judge(a, s, &s->started.v[k]);
    }
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)snprintf(
        out, n,
        "each of a program of a release of \"%s\" that at least %u builder%s of the trust "
        "file built again, identical; which libraries it was given is not told",
        a->trust->software, a->trust->software_builders,
        claims_noun(a->trust->software_builders, "", "s"));
}

static const char *nothing(const struct audit *a)
{
    bool any = false;

    for (size_t i = 0; i < a->sites; i++)
        any = any || a->site[i].started.n > 0;
    return any && a->trust->software[0] == '\0'
               ? "the trust file does not name the product that the sites are to run (software)"
               : NULL;
}

static const uint8_t assumption[] = {1, 2, 6, 0};
const struct claim claims_site_software = {
    .name = "site.software",
    .basis = AUDIT_STATED,
    .unit = "process starts",
    .one = "process start",
    .assumption = assumption,
    .kinds = READS(PROCESS_STARTED) | READS(PRODUCT_PUBLISHED) | READS(REBUILD_ATTESTED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
    .nothing = nothing,
};
