#include "updates/release_proof.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/sha256.h"
#include "events/receipt_extra.h"
#include "ledger/prove.h"
#include "ledger/tlog_tiles.h"

static int newest_size(const char *dir, uint64_t *size, struct err *e)
{
    struct core_checkpoint cp;
    struct core_note split;
    struct buf note;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    if ((rc = tlog_tiles_newest(dir, &note, e)) == 0) {
        if (core_note_split(buf_span(&note), &split) != 0 ||
            core_checkpoint_parse(split.text, &cp) != 0)
            rc = err_set(e, -EBADMSG, "\"%s/checkpoint\" is not a checkpoint", dir);
        else
            *size = cp.size;
    }
    buf_free(&note);
    return rc;
}

static bool releases(struct span bytes, const struct digest *tree)
{
    struct digest d;
    struct leaf l;

    if (leaf_parse(&l, bytes) != 0 || l.kind != LK_RELEASE_PUBLISHED)
        return false;
    d = leaf_digest(&l, LF_TREE);
    return digest_eq(&d, tree);
}

int release_proof_make(struct buf *out, const char *dir, const struct digest *tree, struct err *e)
{
    struct tlog_tiles *t = NULL;
    struct span leaf;
    bool found = false;
    uint64_t i;
    int rc;

    if ((rc = newest_size(dir, &i, e)) != 0 || (rc = tlog_tiles_open(&t, dir, i, e)) != 0)
        return rc;
    while (rc == 0 && !found && i > 0)
        if ((rc = tlog_tiles_leaf(t, --i, &leaf, e)) == 0)
            found = releases(leaf, tree);
    if (found)
        rc = prove_leaf(dir, i, out, e);
    else if (rc == 0)
        rc = err_set(e, -ENOENT,
                     "the ledger \"%s\" has no release of these rules (\"glarus rules publish\"); "
                     "if it has, its newest checkpoint is older: wait a minute",
                     dir);
    tlog_tiles_close(t);
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
    struct receipt_extra x = {.openings = 0};
    struct tlog_verdict v;
    struct core_proof p;
    struct digest hash;
    struct buf extra;
    int rc;

    buf_init(&extra, RECEIPT_EXTRA_MAX);
    if ((rc = tlog_proof_parse(&p, proof, e)) != 0 || (rc = tlog_proof_extra(&extra, &p, e)) != 0 ||
        (rc = receipt_extra_decode(&x, buf_span(&extra), e)) != 0 ||
        (rc = read_leaf(out, x.leaf, e)) != 0)
        goto out;
    sha256_leaf(x.leaf.p, x.leaf.n, &hash);
    if ((rc = tlog_proof_verify(&v, &p, policy, &hash, e)) != 0)
        goto out;
    out->index = p.index;
    if (!v.quorum)
        rc = err_set(e, -EAGAIN, "the release's checkpoint is not cosigned by enough witnesses");
out:
    receipt_extra_free(&x);
    buf_free(&extra);
    if (rc == -ENOTSUP || rc == -EPROTONOSUPPORT) { /* it is for other programs than this one */
        rc = -EBADMSG;
        if (e != NULL)
            e->code = rc;
    }
    return rc;
}
