#include "ledger/prove.h"

#include <errno.h>
#include <inttypes.h>

#include "events/receipt_extra.h"
#include "ledger/tlog_tiles.h"

/* The leaf is beside its proof, so that "receipt verify" can tell what was logged. */
int prove_leaf(const char *dir, uint64_t index, struct buf *out, struct err *e)
{
    struct digest path[CORE_PROOF_MAX];
    struct receipt_extra x = {.openings = 0};
    struct tlog_tiles *tiles = NULL;
    struct core_checkpoint cp;
    struct core_note split;
    struct buf note, extra;
    size_t n;
    int rc;

    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&extra, RECEIPT_EXTRA_MAX);
    if ((rc = tlog_tiles_newest(dir, &note, e)) != 0)
        goto out;
    if (core_note_split(buf_span(&note), &split) != 0 ||
        core_checkpoint_parse(split.text, &cp) != 0) {
        rc = err_set(e, -EBADMSG, "\"%s/checkpoint\" is not a checkpoint", dir);
        goto out;
    }
    if (index >= cp.size) {
        rc = err_set(e, -EINVAL, "the newest checkpoint has %" PRIu64 " leaves: 0 to %" PRIu64,
                     cp.size, cp.size == 0 ? 0 : cp.size - 1);
        goto out;
    }
    if ((rc = tlog_tiles_open(&tiles, dir, cp.size, e)) != 0 ||
        (rc = tlog_tiles_inclusion(tiles, index, cp.size, path, &n, e)) != 0 ||
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
