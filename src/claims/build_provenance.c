/* build.provenance: each product is what enough supervisors signed: where it was built, from which
 * source, by which recipe, with which toolchain, and what came out; the provenance that it names
 * speaks of exactly that; and the products of one name follow one another without a gap, the same
 * in every ledger. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembler/proven.h"
#include "claims/claims_priv.h"
#include "crypto/sha256.h"
#include "ledger/tlog_tiles.h"

static int parsed(struct audit *a, struct site *s, int rc, const struct err *e)
{
    if (rc != -EINVAL && rc != -EBADMSG && rc != -E2BIG)
        return rc;
    claims_broken(a, CLAIM_PROVENANCE, s, s->index, "%s", err_text(e));
    return 1;
}

static bool same(const struct leaf *l, enum leaf_field f, const struct digest *d)
{
    struct digest is = leaf_digest(l, f);

    return digest_eq(&is, d);
}

static bool leaf_agrees(const struct leaf *l, const struct product *p, const struct digest *output)
{
    return leaf_int(l, LF_SERIAL) == p->chain.serial &&
           leaf_has(l, LF_PREV) == (p->chain.serial > 1) &&
           (p->chain.serial == 1 || same(l, LF_PREV, &p->chain.previous)) &&
           span_is(leaf_text(l, LF_NAME), p->name) &&
           span_is(leaf_text(l, LF_WORKER_SITE), p->site) &&
           span_is(leaf_text(l, LF_ZONE), p->zone) && same(l, LF_SOURCE, &p->source) &&
           same(l, LF_RECIPE, &p->recipe) && same(l, LF_TOOLCHAIN, &p->toolchain) &&
           same(l, LF_PROVENANCE, &p->provenance) && same(l, LF_SBOM, &p->sbom) &&
           same(l, LF_OUTPUT, output);
}

/* What a product names stands beside the ledger; what is not there nobody can say anything of. */
static int part(struct audit *a, struct site *s, const char *what, const struct digest *d,
                const struct product *p)
{
    struct err e = ERR_INIT;
    struct buf b;
    int rc;

    buf_init(&b, DSSE_MAX_BYTES);
    rc = tlog_tiles_artifact(s->dir, d, &b, &e);
    if (rc == -ENOENT) {
        claims_unknown(a, CLAIM_PROVENANCE, s, s->index, "the %s of \"%s\" is missing: %s", what,
                       p->name, err_text(&e));
        rc = 1;
    } else if (rc == 0 && d == &p->provenance) {
        rc = proven_check(buf_span(&b), p, &e);
    }
    buf_free(&b);
    rc = parsed(a, s, rc, &e);
    return rc < 0 ? rc : 0;
}

static int parts(struct audit *a, struct site *s, const struct product *p)
{
    int rc;

    if ((rc = part(a, s, "recipe", &p->recipe, p)) != 0 ||
        (rc = part(a, s, "toolchain's lock", &p->toolchain, p)) != 0 ||
        (rc = part(a, s, "provenance", &p->provenance, p)) != 0)
        return rc;
    return part(a, s, "bill of materials", &p->sbom, p);
}

static const struct built *newest(const struct site *s, const char *name)
{
    for (size_t i = s->built.n; i > 0; i--)
        if (strcmp(s->built.v[i - 1].name, name) == 0)
            return &s->built.v[i - 1];
    return NULL;
}

static void chained(struct audit *a, struct site *s, const struct product *p)
{
    const struct built *before = newest(s, p->name);

    if (p->chain.serial != (before == NULL ? 1 : before->serial + 1))
        claims_broken(a, CLAIM_PROVENANCE, s, s->index, "\"%s\" has number %llu where %llu is next",
                      p->name, (unsigned long long)p->chain.serial,
                      before == NULL ? 1ULL : (unsigned long long)before->serial + 1);
    else if (before != NULL && !digest_eq(&p->chain.previous, &before->doc))
        claims_broken(a, CLAIM_PROVENANCE, s, s->index,
                      "\"%s\" names another product as the one before", p->name);
}

/* What site.software asks for; only of the product that the trust file names. */
static int keep_files(const struct audit *a, const struct product *p, struct built *b)
{
    if (strcmp(p->name, a->trust->software) != 0)
        return 0;
    if ((b->file = calloc(p->artifacts, sizeof(*b->file))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < p->artifacts; i++)
        b->file[b->files++] = p->artifact[i].sha256;
    return 0;
}

static int check(struct audit *a, struct site *s, const struct leaf *l, struct built *b)
{
    struct digest doc = leaf_digest(l, LF_DOC), output;
    struct product p;
    struct dsse *env = NULL;
    struct err e = ERR_INIT;
    int rc = claims_document(a, s, CLAIM_PROVENANCE, DOCUMENT_PRODUCT, &doc, &env);

    memset(&p, 0, sizeof(p));
    if (rc == 0)
        rc = parsed(a, s, product_parse(&p, "product", dsse_payload(env), &e), &e);
    if (rc == 0)
        rc = product_output(&p, &output);
    if (rc == 0 && !leaf_agrees(l, &p, &output)) {
        claims_broken(a, CLAIM_PROVENANCE, s, s->index,
                      "the leaf does not say what its supervisors signed");
        rc = 1;
    }
    if (rc == 0) {
        chained(a, s, &p);
        if ((rc = parts(a, s, &p)) == 0)
            rc = claims_approved(a, s, CLAIM_PROVENANCE, DOCUMENT_PRODUCT, &doc, env, NULL,
                                 claims_witnessed(s, l->time));
    }
    if (rc == 0)
        rc = keep_files(a, &p, b);
    product_done(&p);
    dsse_free(env);
    return rc < 0 ? rc : 0;
}

static int leaf(struct audit *a, struct site *s, const struct leaf *l)
{
    struct built b = {.doc = leaf_digest(l, LF_DOC),
                      .output = leaf_digest(l, LF_OUTPUT),
                      .serial = leaf_int(l, LF_SERIAL),
                      .leaf = (uint32_t)s->index};
    struct span name = leaf_text(l, LF_NAME);
    int rc = VEC_ROOM(&s->built);

    if (rc != 0 || (rc = check(a, s, l, &b)) != 0)
        return rc;
    memcpy(b.name, name.p, name.n < sizeof(b.name) ? name.n : sizeof(b.name) - 1);
    claims_count(a, CLAIM_PROVENANCE, 1);
    s->built.v[s->built.n++] = b;
    return 0;
}

/* Two ledgers may tell of one product; not of two under one number. */
static void compare(struct audit *a, const struct site *s, const struct site *other)
{
    for (size_t i = 0; i < s->built.n; i++)
        for (size_t j = 0; j < other->built.n; j++)
            if (s->built.v[i].serial == other->built.v[j].serial &&
                strcmp(s->built.v[i].name, other->built.v[j].name) == 0 &&
                !digest_eq(&s->built.v[i].doc, &other->built.v[j].doc))
                claims_broken(a, CLAIM_PROVENANCE, s, s->built.v[i].leaf,
                              "number %llu of \"%s\" is another product in the ledger of %s",
                              (unsigned long long)s->built.v[i].serial, s->built.v[i].name,
                              other->trust->site);
}

static int end(struct audit *a)
{
    for (size_t i = 0; i < a->sites; i++)
        for (size_t j = 0; j < i; j++)
            compare(a, &a->site[i], &a->site[j]);
    return 0;
}

static void sentence(const struct audit *a, char *out, size_t n)
{
    (void)a;
    (void)snprintf(
        out, n,
        "each signed by enough supervisors, with a provenance of its very files, source, "
        "recipe and toolchain, and chained by name");
}

static const uint8_t assumption[] = {1, 2, 5, 8, 0};
const struct claim claims_build_provenance = {
    .name = "build.provenance",
    .basis = AUDIT_MATH,
    .unit = "products",
    .one = "product",
    .assumption = assumption,
    .kinds = READS(PRODUCT_PUBLISHED),
    .leaf = leaf,
    .end = end,
    .sentence = sentence,
};
