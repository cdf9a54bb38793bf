/* keeper_builds.c - products and rebuilds: what a document that the reader found sound must fit in
 * this ledger before it becomes a leaf.  The claims build.provenance and build.reproduced (claims/)
 * ask the same of the leaves.
 *
 * What is known stands in the catalog, derived from the journal's notes (keeper_builds_apply):
 *   builds.newest.NAME      the newest of that name: envelope's digest, record
 *   builds.product.DOC      a product: its output
 *   builds.rebuilt.DOC      a rebuild: nothing more
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "site/bundle.h"
#include "site/keeper_notes.h"
#include "site/keeper_priv.h"

#define NAME 80

static void by_doc(char out[NAME], const char *what, const struct digest *doc)
{
    char hex[65];

    text_digest(hex, doc);
    (void)snprintf(out, NAME, "builds.%s.%.40s", what, hex);
}

static void by_name(char out[NAME], const char *name)
{
    (void)snprintf(out, NAME, "builds.newest.%s", name);
}

/* A digest, and what stands behind it. */
static int get(struct keeper *k, const char *name, struct digest *first, struct read_product *rest)
{
    struct buf b;
    int rc;

    buf_init(&b, 4096);
    if ((rc = catalog_value_get(k->catalog, name, &b)) == 0 && b.len < 32)
        rc = -EBADMSG;
    if (rc == 0)
        memcpy(first->b, b.data, 32);
    if (rc == 0 && rest != NULL)
        rc = read_product_decode(span_of(b.data + 32, b.len - 32), rest);
    buf_free(&b);
    return rc;
}

/* --- into the catalog --- */

static int apply_product(struct keeper *k, const struct note_document *n)
{
    struct read_product p;
    struct buf b;
    char name[NAME];
    int rc = read_product_decode(n->record, &p);

    if (rc != 0)
        return rc;
    by_doc(name, "product", &n->doc);
    if ((rc = catalog_value_put(k->catalog, name, span_of(p.output.b, 32))) != 0)
        return rc;
    by_name(name, p.name);
    buf_init(&b, 4096);
    if ((rc = buf_put(&b, n->doc.b, 32)) == 0 && (rc = buf_put(&b, n->record.p, n->record.n)) == 0)
        rc = catalog_value_put(k->catalog, name, buf_span(&b));
    buf_free(&b);
    return rc;
}

int keeper_builds_apply(struct keeper *k, const struct note_document *n)
{
    char name[NAME];

    if (n->what == READ_PRODUCT)
        return apply_product(k, n);
    if (n->what != READ_REBUILT)
        return -EBADMSG;
    by_doc(name, "rebuilt", &n->doc);
    return catalog_value_put(k->catalog, name, span_of(n->doc.b, 32));
}

/* --- into the ledger --- */

static int product_leaf(struct keeper *k, struct act *a, const struct digest *doc,
                        struct span record, struct err *e)
{
    struct read_product p, before;
    struct leaf_builder b;
    struct digest newest;
    char name[NAME];
    int rc, found;

    if ((rc = read_product_decode(record, &p)) != 0)
        return rc;
    by_doc(name, "product", doc);
    if ((rc = get(k, name, &newest, NULL)) != -ENOENT)
        return rc != 0 ? rc : err_set(e, -EEXIST, "this product was published already");
    by_name(name, p.name);
    found = get(k, name, &newest, &before);
    if (found != 0 && found != -ENOENT)
        return found;
    if (p.serial != (found == 0 ? before.serial + 1 : 1) ||
        (found == 0 && !digest_eq(&p.previous, &newest)))
        return err_set(e, -EPERM,
                       "it does not follow the newest \"%s\" of this ledger, which is %s", p.name,
                       found == 0 ? "another" : "none: the first has serial 1");
    leaf_begin(&b, LK_PRODUCT_PUBLISHED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_DOC, doc);
    leaf_set_text(&b, LF_NAME, p.name);
    leaf_set_int(&b, LF_SERIAL, p.serial);
    if (p.serial > 1)
        leaf_set_digest(&b, LF_PREV, &p.previous);
    leaf_set_text(&b, LF_WORKER_SITE, p.site);
    leaf_set_text(&b, LF_ZONE, p.zone);
    leaf_set_digest(&b, LF_SOURCE, &p.source);
    leaf_set_digest(&b, LF_RECIPE, &p.recipe);
    leaf_set_digest(&b, LF_TOOLCHAIN, &p.toolchain);
    leaf_set_digest(&b, LF_PROVENANCE, &p.provenance);
    leaf_set_digest(&b, LF_SBOM, &p.sbom);
    leaf_set_digest(&b, LF_OUTPUT, &p.output);
    return keeper_act_leaf(a, &b);
}

static int rebuilt_leaf(struct keeper *k, struct act *a, const struct digest *doc,
                        struct span record, struct err *e)
{
    struct rebuilt r;
    struct leaf_builder b;
    struct digest output;
    const char *wrong;
    char name[NAME];
    int rc;

    if ((rc = read_rebuilt_decode(record, &r)) != 0)
        return rc;
    by_doc(name, "rebuilt", doc);
    if ((rc = get(k, name, &output, NULL)) != -ENOENT)
        return rc != 0 ? rc : err_set(e, -EEXIST, "this rebuild was published already");
    by_doc(name, "product", &r.product);
    if ((rc = get(k, name, &output, NULL)) != 0)
        return rc != -ENOENT ? rc
                             : err_set(e, -EPERM, "the rebuild is about no product of this ledger");
    if ((wrong = rebuilt_fault(&r, &output)) != NULL)
        return err_set(e, -EPERM, "%s", wrong);
    leaf_begin(&b, LK_REBUILD_ATTESTED, clock_now(), k->c->site);
    leaf_set_digest(&b, LF_DOC, doc);
    leaf_set_key(&b, LF_KEY, r.key.b);
    leaf_set_digest(&b, LF_PRODUCT, &r.product);
    leaf_set_word(&b, LF_VERDICT, (unsigned)r.verdict);
    leaf_set_digest(&b, LF_OUTPUT, &r.output);
    return keeper_act_leaf(a, &b);
}

int keeper_builds_leaf(struct keeper *k, struct act *a, uint32_t what, const struct digest *doc,
                       struct span record, struct buf *note, struct err *e)
{
    int rc = buf_put(note, record.p, record.n);

    if (rc != 0)
        return rc;
    return what == READ_PRODUCT ? product_leaf(k, a, doc, record, e)
                                : rebuilt_leaf(k, a, doc, record, e);
}

int keeper_builds_store(struct keeper *k, uint32_t what, struct span document, struct digest *doc,
                        struct err *e)
{
    struct span part[BUNDLE_PARTS];
    struct digest d;
    int rc;

    if (what != READ_PRODUCT)
        return ledger_put_artifact(k->ledger, document, doc, e);
    if ((rc = bundle_split(document, part, BUNDLE_PARTS)) != 0)
        return err_sys(e, rc, "the product and its files");
    for (size_t i = 1; i < BUNDLE_PARTS && rc == 0; i++)
        rc = ledger_put_artifact(k->ledger, part[i], &d, e);
    return rc != 0 ? rc : ledger_put_artifact(k->ledger, part[BUNDLE_ENVELOPE], doc, e);
}
