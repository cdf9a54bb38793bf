#include "updates/release_proof.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ledger/prove.h"

int release_proof_make(struct buf *out, const char *dir, const struct digest *tree, struct err *e)
{
    bool found;
    int rc = prove_newest(dir, LK_RELEASE_PUBLISHED, LF_TREE, tree, out, &found, e);

    if (rc == 0 && !found)
        rc = err_set(e, -ENOENT,
                     "the ledger \"%s\" has no release of these rules (\"glarus rules publish\"); "
                     "if it has, its newest checkpoint is older: wait a minute",
                     dir);
    return rc;
}

static int read_leaf(struct release_leaf *out, struct span bytes, struct err *e)
{
    struct leaf l;
    struct span site;

    if (leaf_parse(&l, bytes) != 0)
        return err_set(e, -EBADMSG, "the proof's leaf is none that this program knows");
    if (l.kind != LK_RELEASE_PUBLISHED)
        return err_set(e, -EBADMSG, "the proof is of a leaf \"%s\", not of a release",
                       leaf_kinds[l.kind].name);
    site = leaf_text(&l, LF_SITE);
    *out = (struct release_leaf){.serial = leaf_int(&l, LF_SERIAL),
                                 .tree = leaf_digest(&l, LF_TREE),
                                 .enforce = leaf_word(&l, LF_MODE) == LW_MODE_ENFORCE,
                                 .urgent = leaf_word(&l, LF_URGENT) == LW_URGENT_YES,
                                 .time = l.time};
    (void)snprintf(out->site, sizeof(out->site), "%.*s", (int)site.n, (const char *)site.p);
    return 0;
}

int release_proof_check(struct release_leaf *out, struct span proof,
                        const struct tlog_policy *policy, struct err *e)
{
    struct tlog_verdict v;
    struct buf leaf;
    uint64_t index;
    int rc;

    buf_init(&leaf, LEAF_MAX);
    if ((rc = prove_read(proof, policy, &leaf, &index, &v, e)) == 0 &&
        (rc = read_leaf(out, buf_span(&leaf), e)) == 0) {
        out->index = index;
        if (!v.quorum)
            rc =
                err_set(e, -EAGAIN, "the release's checkpoint is not cosigned by enough witnesses");
    }
    buf_free(&leaf);
    return rc;
}
