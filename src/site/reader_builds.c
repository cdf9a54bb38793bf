/* reader_builds.c - documents about builds.  Whether a product follows the one before of its name,
 * and whether a rebuild is of a product of this ledger, is the keeper's to know (keeper_builds.c);
 * here: are they well formed, signed by those who may, true to the files that came with them, and
 * built where the policy in force says? */
#include <errno.h>
#include <string.h>

#include "assembler/proven.h"
#include "crypto/sha256.h"
#include "site/reader_priv.h"

/* The files that came along are those the product names. */
static int check_files(const struct reading *r, const struct product *p, struct err *e)
{
    static const char *const what[BUNDLE_PARTS] = {[BUNDLE_RECIPE] = "recipe",
                                                   [BUNDLE_TOOLCHAIN] = "toolchain",
                                                   [BUNDLE_PROVENANCE] = "provenance",
                                                   [BUNDLE_SBOM] = "sbom"};
    const struct digest *named[BUNDLE_PARTS] = {[BUNDLE_RECIPE] = &p->recipe,
                                                [BUNDLE_TOOLCHAIN] = &p->toolchain,
                                                [BUNDLE_PROVENANCE] = &p->provenance,
                                                [BUNDLE_SBOM] = &p->sbom};
    struct digest is;

    for (size_t i = BUNDLE_RECIPE; i < BUNDLE_PARTS; i++) {
        sha256_of(r->part[i].p, r->part[i].n, &is);
        if (!digest_eq(&is, named[i]))
            return err_set(e, -EPERM, "the %s that came along is not the one the product names",
                           what[i]);
    }
    return proven_check(r->part[BUNDLE_PROVENANCE], p, e);
}

static int check_place(const struct reading *r, const struct product *p, struct err *e)
{
    char subject[sizeof("product:") + PRODUCT_NAME_MAX] = "product:";
    struct policy *in_force = NULL;
    const char *zone, *of_site;
    int rc;

    if (r->previous.n == 0)
        return err_set(e, -EPERM,
                       "no policy is in force at this site, so nothing says where a product may be "
                       "built");
    if ((rc = reader_policy(r, &in_force, e)) != 0)
        return rc;
    memcpy(subject + strlen("product:"), p->name, strlen(p->name) + 1);
    zone = policy_zone(in_force, subject, r->ask->at);
    of_site = policy_zone_of_site(in_force, p->site);
    if (zone == NULL)
        rc = err_set(e, -EPERM, "the policy in force names no zone for \"%s\"", subject);
    else if (strcmp(zone, p->zone) != 0 || of_site == NULL || strcmp(zone, of_site) != 0)
        rc = err_set(e, -EPERM,
                     "it was built at %s, zone %s; the policy in force says that \"%s\" is built "
                     "in zone %s",
                     p->site, p->zone, subject, zone);
    policy_free(in_force);
    return rc;
}

static int encode(const struct reading *r, const struct product *p, struct err *e)
{
    struct read_product out = {.serial = p->chain.serial,
                               .previous = p->chain.previous,
                               .source = p->source,
                               .recipe = p->recipe,
                               .toolchain = p->toolchain,
                               .provenance = p->provenance,
                               .sbom = p->sbom};
    int rc = product_output(p, &out.output);

    memcpy(out.name, p->name, sizeof(out.name));
    memcpy(out.site, p->site, sizeof(out.site));
    memcpy(out.zone, p->zone, sizeof(out.zone));
    if (rc == 0)
        rc = read_product_encode(&out, r->tail);
    return rc == 0 ? 0 : err_sys(e, rc, "reading the product");
}

int reader_builds_product(struct reading *r, struct err *e)
{
    struct product p;
    int rc;

    memset(&p, 0, sizeof(p));
    if ((rc = reader_envelope(r->document, DOCUMENT_PRODUCT, "product", &r->envelope, e)) == 0 &&
        (rc = product_parse(&p, "product", dsse_payload(r->envelope), e)) == 0 &&
        (rc = check_files(r, &p, e)) == 0 && (rc = check_place(r, &p, e)) == 0 &&
        (rc = reader_approved(r, DOCUMENT_PRODUCT, NULL, e)) == 0)
        rc = encode(r, &p, e);
    product_done(&p);
    return rc;
}

int reader_builds_rebuilt(struct reading *r, struct err *e)
{
    struct rebuilt b;
    int rc = rebuilt_open(&b, "rebuild", r->document, e);

    return rc != 0 ? rc : read_rebuilt_encode(&b, r->tail);
}
