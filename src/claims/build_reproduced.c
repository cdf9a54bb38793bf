/* build.reproduced: products that others built again from their sources, to the same bytes.  A
 * rebuild counts if it is signed by the key it names, is about a product that stands before it,
 * ended in "identical" with that product's own output, and if the trust file names its key as a
 * builder's; each product counts once.  A builder of the trust file who got "unexplained" breaks
 * the claim; another word leaves the product unproved, until somebody gets it identical. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/rebuilt.h"
#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "ledger/tlog_tiles.h"

static unsigned builder_of(const struct audit *a, const struct ed25519_pub *k)
{
    for (unsigned i = 0; i < a->trust->builders; i++)
        if (memcmp(a->trust->builder[i].b, k->b, sizeof(k->b)) == 0)
            return i;
    return TRUST_BUILDERS;
}

/* 1: it has been told. */
static int read_document(struct audit *a, struct site *s, const struct digest *doc,
                         struct rebuilt *out)
{
    struct err e = ERR_INIT;
    struct buf b;
    int rc;

    buf_init(&b, DSSE_MAX_BYTES);
    rc = tlog_tiles_artifact(s->dir, doc, &b, &e);
    if (rc == -ENOENT) {
        claims_unknown(a, CLAIM_REBUILT, s, s->index, "the rebuild's document is missing: %s",
                       err_text(&e));
        rc = 1;
    } else if (rc == 0) {
        rc = rebuilt_open(out, "rebuild", buf_span(&b), &e);
    }
    if (rc == -EBADMSG || rc == -E2BIG || rc == -EINVAL) {
        claims_broken(a, CLAIM_REBUILT, s, s->index, "%s", err_text(&e));
        rc = 1;
    }
    buf_free(&b);
    return rc;
}

static bool agrees(const struct leaf *l, const struct rebuilt *r)
{
    struct digest product = leaf_digest(l, LF_PRODUCT), output = leaf_digest(l, LF_OUTPUT);
    uint8_t key[32];

    leaf_key(l, LF_KEY, key);
    return digest_eq(&product, &r->product) && digest_eq(&output, &r->output) &&
           memcmp(key, r->key.b, sizeof(key)) == 0 && leaf_word(l, LF_VERDICT) == r->verdict;
}

static const struct built *product_of(const struct site *s, const struct digest *doc)
{
    for (size_t i = 0; i < s->built.n; i++)
        if (digest_eq(&s->built.v[i].doc, doc))
            return &s->built.v[i];
    return NULL;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    struct digest doc = leaf_digest(l, LF_DOC);
    const struct built *product;
    const char *wrong;
    struct rebuilt r;
    int rc = read_document(a, s, &doc, &r);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (!agrees(l, &r)) {
        claims_broken(a, CLAIM_REBUILT, s, s->index,
                      "the leaf does not say what the builder signed");
        return 0;
    }
    if ((product = product_of(s, &r.product)) == NULL) {
        claims_broken(a, CLAIM_REBUILT, s, s->index,
                      "it is about no product that stands before it");
        return 0;
    }
    if ((wrong = rebuilt_fault(&r, &product->output)) != NULL) {
        claims_broken(a, CLAIM_REBUILT, s, s->index, "%s", wrong);
        return 0;
    }
    if ((rc = VEC_ROOM(&s->rebuilds)) != 0)
        return rc;
    s->rebuilds.v[s->rebuilds.n++] = (struct rebuild){.product = r.product,
                                                      .leaf = (uint32_t)s->index,
                                                      .builder = builder_of(a, &r.key),
                                                      .verdict = r.verdict,
                                                      .transplanted = r.transplanted > 0};
    return 0;
}

/* --- when all is read --- */

struct reached { /* a product, of whichever ledger, that a builder of the trust file got identical
                  */
    struct digest product;
    unsigned builder;
};

static int by_product(const void *a, const void *b)
{
    const struct reached *x = a, *y = b;
    int c = memcmp(x->product.b, y->product.b, sizeof(x->product.b));

    return c != 0 ? c : (x->builder > y->builder) - (x->builder < y->builder);
}

static bool reached(const struct reached *v, size_t n, const struct digest *product)
{
    for (size_t i = 0; i < n; i++)
        if (digest_eq(&v[i].product, product))
            return true;
    return false;
}

static void dissents(struct audit *a, const struct site *s, const struct reached *v, size_t n)
{
    for (size_t k = 0; k < s->rebuilds.n; k++) {
        const struct rebuild *r = &s->rebuilds.v[k];

        if (r->builder == TRUST_BUILDERS) {
            a->outside_builders++;
        } else if (r->verdict == COMPARE_UNEXPLAINED) {
            claims_broken(a, CLAIM_REBUILT, s, r->leaf,
                          "builder %u of the trust file built the product again, and got something "
                          "else that is unexplained",
                          r->builder + 1);
        } else if (r->verdict != COMPARE_IDENTICAL) {
            a->differing++;
            if (!reached(v, n, &r->product))
                claims_unknown(a, CLAIM_REBUILT, s, r->leaf,
                               "builder %u of the trust file built the product again and got it "
                               "%s, which is not reproduced; nobody got it identical",
                               r->builder + 1, compare_class_word(r->verdict));
        }
    }
}

/* Each product once; who, and by how many the least reproduced one. */
static void count(struct audit *a, struct reached *v, size_t n)
{
    uint64_t by = 0;
    size_t of_one = 0;

    if (n > 1)
        qsort(v, n, sizeof(*v), by_product);
    for (size_t i = 0; i < n; i++) {
        bool again = i > 0 && digest_eq(&v[i].product, &v[i - 1].product);

        by |= UINT64_C(1) << v[i].builder;
        of_one = again ? of_one + (v[i].builder != v[i - 1].builder) : 1;
        if (!again)
            claims_count(a, CLAIM_REBUILT, 1);
        if (i + 1 == n || !digest_eq(&v[i].product, &v[i + 1].product))
            if (a->least_builders == 0 || of_one < a->least_builders)
                a->least_builders = of_one;
    }
    a->builders = (size_t)__builtin_popcountll(by);
}

static int end(struct audit *a)
{
    struct reached *v;
    size_t most = 1, n = 0;

    for (size_t i = 0; i < a->sites; i++)
        most += a->site[i].rebuilds.n;
    if ((v = calloc(most, sizeof(*v))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < a->sites; i++)
        for (size_t k = 0; k < a->site[i].rebuilds.n; k++) {
            const struct rebuild *r = &a->site[i].rebuilds.v[k];

            if (r->builder == TRUST_BUILDERS || r->verdict != COMPARE_IDENTICAL)
                continue;
            v[n++] = (struct reached){r->product, r->builder};
            a->transplanted += r->transplanted;
        }
    for (size_t i = 0; i < a->sites; i++)
        dissents(a, &a->site[i], v, n);
    count(a, v, n);
    free(v);
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    char with[96] = "";

    if (a->transplanted > 0)
        (void)snprintf(with, sizeof(with), " (%zu rebuild%s with the published signature put on)",
                       a->transplanted, claims_noun(a->transplanted, "", "s"));
    (void)snprintf(out, n,
                   "built again, identical, by %zu builder%s of the trust file, each product by at "
                   "least %zu%s; %zu rebuild%s of theirs came out otherwise; %zu by others do not "
                   "count",
                   a->builders, claims_noun(a->builders, "", "s"), a->least_builders, with,
                   a->differing, claims_noun(a->differing, "", "s"), a->outside_builders);
}

static const uint8_t assumption[] = {1, 2, 0};
const struct claim claims_build_reproduced = {
    .name = "build.reproduced",
    .basis = AUDIT_COUNTERSIGNED,
    .unit = "products built again",
    .one = "product built again",
    .assumption = assumption,
    .kinds = READS(REBUILD_ATTESTED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};
