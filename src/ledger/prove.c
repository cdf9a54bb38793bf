#include "ledger/prove.h"

#include <errno.h>
#include <inttypes.h>

#include "crypto/sha256.h"
#include "events/receipt_extra.h"
#include "ledger/tlog_tiles.h"

static int newest_size(const char *dir, struct buf *note, uint64_t *size, struct err *e)
{
    struct core_checkpoint cp;
    struct core_note split;
    int rc = tlog_tiles_newest(dir, note, e);

    if (rc != 0)
        return rc;
    if (core_note_split(buf_span(note), &split) != 0 || core_checkpoint_parse(split.text, &cp) != 0)
        return err_set(e, -EBADMSG, "\"%s/checkpoint\" is not a checkpoint", dir);
    *size = cp.size;
    return 0;
}

/* The leaf is beside its proof, so that "receipt verify" can tell what was logged. */
int prove_leaf(const char *dir, uint64_t index, struct buf *out, struct err *e)
{
    struct digest path[CORE_PROOF_MAX];
    struct receipt_extra x = {.openings = 0};
    struct tlog_tiles *tiles = NULL;
    struct buf note, extra;
    uint64_t size;
    size_t n;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&extra, RECEIPT_EXTRA_MAX);
    if ((rc = newest_size(dir, &note, &size, e)) != 0)
        goto out;
    if (index >= size) {
        rc = err_set(e, -EINVAL, "the newest checkpoint has %" PRIu64 " leaves: 0 to %" PRIu64,
                     size, size == 0 ? 0 : size - 1);
        goto out;
    }
    if ((rc = tlog_tiles_open(&tiles, dir, size, e)) != 0 ||
        (rc = tlog_tiles_inclusion(tiles, index, size, path, &n, e)) != 0 ||
        (rc = tlog_tiles_leaf(tiles, index, &x.leaf, e)) != 0 ||
        (rc = receipt_extra_encode(&x, &extra, e)) != 0)
        goto out;
    rc = tlog_proof_format(out, buf_span(&extra), index, path, n, buf_span(&note), e);
out:
    tlog_tiles_close(tiles);
    buf_free(&note);
    buf_free(&extra);
    return rc;
}

static bool is_it(struct span bytes, enum leaf_kind kind, enum leaf_field f, const struct digest *d)
{
    struct digest has;
    struct leaf l;

    if (leaf_parse(&l, bytes) != 0 || l.kind != kind)
        return false;
    has = leaf_digest(&l, f);
    return digest_eq(&has, d);
}

int prove_newest(const char *dir, enum leaf_kind kind, enum leaf_field f, const struct digest *d,
                 struct buf *out, bool *found, struct err *e)
{
    struct tlog_tiles *t = NULL;
    struct span leaf;
    struct buf note;
    uint64_t i;
    int rc;

    *found = false;
    buf_init(&note, CORE_NOTE_MAX);
    if ((rc = newest_size(dir, &note, &i, e)) == 0)
        rc = tlog_tiles_open(&t, dir, i, e);
    while (rc == 0 && !*found && i > 0)
        if ((rc = tlog_tiles_leaf(t, --i, &leaf, e)) == 0)
            *found = is_it(leaf, kind, f, d);
    if (rc == 0 && *found)
        rc = prove_leaf(dir, i, out, e);
    tlog_tiles_close(t);
    buf_free(&note);
    return rc;
}

int prove_read(struct span proof, const struct tlog_policy *policy, struct buf *leaf,
               uint64_t *index, struct tlog_verdict *v, struct err *e)
{
    struct receipt_extra x = {.openings = 0};
    struct core_proof p;
    struct digest hash;
    struct buf extra;
    int rc;

    buf_init(&extra, RECEIPT_EXTRA_MAX);
    if ((rc = tlog_proof_parse(&p, proof, e)) != 0 || (rc = tlog_proof_extra(&extra, &p, e)) != 0 ||
        (rc = receipt_extra_decode(&x, buf_span(&extra), e)) != 0)
        goto out;
    sha256_leaf(x.leaf.p, x.leaf.n, &hash);
    if ((policy != NULL && (rc = tlog_proof_verify(v, &p, policy, &hash, e)) != 0) ||
        (rc = buf_put(leaf, x.leaf.p, x.leaf.n)) != 0)
        goto out;
    *index = p.index;
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
