#include "assembler/product_proof.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/sha256.h"
#include "ledger/prove.h"

int product_proof_make(struct buf *out, const char *dir, const struct digest *product,
                       struct err *e)
{
    bool found;
    int rc = prove_newest(dir, LK_PRODUCT_PUBLISHED, LF_DOC, product, out, &found, e);

    if (rc == 0 && !found)
        rc = err_set(e, -ENOENT,
                     "the ledger \"%s\" does not publish this product (\"glarus assemble "
                     "publish\"); if it does, its newest checkpoint is older: wait a minute",
                     dir);
    return rc;
}

static int read_leaf(struct product_leaf *out, struct span bytes, const struct digest *product,
                     struct err *e)
{
    struct digest doc;
    struct leaf l;
    struct span site;

    if (leaf_parse(&l, bytes) != 0)
        return err_set(e, -EBADMSG, "the proof's leaf is none that this program knows");
    if (l.kind != LK_PRODUCT_PUBLISHED)
        return err_set(e, -EBADMSG, "the proof is of a leaf \"%s\", not of a product",
                       leaf_kinds[l.kind].name);
    doc = leaf_digest(&l, LF_DOC);
    if (!digest_eq(&doc, product))
        return err_set(e, -EBADMSG, "the proof is of another product");
    site = leaf_text(&l, LF_SITE);
    out->time = l.time;
    (void)snprintf(out->site, sizeof(out->site), "%.*s", (int)site.n, (const char *)site.p);
    return 0;
}

int product_proof_check(struct product_leaf *out, struct span proof, const struct digest *product,
                        const struct tlog_policy *policy, struct err *e)
{
    struct tlog_verdict v;
    struct buf leaf;
    int rc;

    memset(out, 0, sizeof(*out));
    memset(&v, 0, sizeof(v));
    buf_init(&leaf, LEAF_MAX);
    if ((rc = prove_read(proof, policy, &leaf, &out->index, &v, e)) == 0)
        rc = read_leaf(out, buf_span(&leaf), product, e);
    out->final = rc == 0 && v.quorum;
    buf_free(&leaf);
    return rc;
}
