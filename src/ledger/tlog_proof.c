#include "ledger/tlog_proof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int put_extra(struct buf *out, struct span extra)
{
    char *b64;
    int rc;

    if (extra.n > TLOG_PROOF_MAX)
        return -E2BIG;
    if ((b64 = malloc(TEXT_BASE64_LEN(extra.n) + 1)) == NULL)
        return -ENOMEM;
    text_base64(b64, extra.p, extra.n);
    rc = buf_printf(out, "extra %s\n", b64);
    free(b64);
    return rc;
}

static int put_proof(struct buf *out, struct span extra, uint64_t index, const struct digest *path,
                     size_t n, struct span checkpoint)
{
    char b64[TEXT_BASE64_LEN(32) + 1];
    int rc = buf_puts(out, "c2sp.org/tlog-proof@v1\n");

    if (rc == 0 && extra.n > 0)
        rc = put_extra(out, extra);
    if (rc == 0)
        rc = buf_printf(out, "index %" PRIu64 "\n", index);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        text_base64(b64, path[i].b, sizeof(path[i].b));
        rc = buf_printf(out, "%s\n", b64);
    }
    if (rc == 0)
        rc = buf_putc(out, '\n');
    if (rc == 0)
        rc = buf_put(out, checkpoint.p, checkpoint.n);
    return rc;
}

int tlog_proof_format(struct buf *out, struct span extra, uint64_t index, const struct digest *path,
                      size_t n, struct span checkpoint, struct err *e)
{
    struct core_proof check;
    struct buf b;
    int rc;

    buf_init(&b, TLOG_PROOF_MAX);
    if ((rc = put_proof(&b, extra, index, path, n, checkpoint)) != 0)
        rc = err_sys(e, rc, "writing a proof");
    else if (core_proof_parse(buf_span(&b), &check) != 0)
        rc = err_set(e, -EINVAL,
                     "a proof needs an index below 2^63, at most %d hashes and a checkpoint",
                     CORE_PROOF_MAX);
    else if ((rc = buf_put(out, b.data, b.len)) != 0)
        rc = err_sys(e, rc, "writing a proof");
    buf_free(&b);
    return rc;
}

int tlog_proof_parse(struct core_proof *out, struct span text, struct err *e)
{
    if (text.n > TLOG_PROOF_MAX)
        return err_set(e, -EBADMSG, "proof is larger than %d bytes", TLOG_PROOF_MAX);
    if (core_proof_parse(text, out) != 0)
        return err_set(e, -EBADMSG, "not a c2sp.org/tlog-proof@v1");
    return 0;
}

int tlog_proof_extra(struct buf *out, const struct core_proof *p, struct err *e)
{
    size_t cap = p->extra.n / 4 * 3, n;
    uint8_t *raw;
    int rc;

    if (!p->has_extra)
        return 0;
    if ((raw = malloc(cap + 1)) == NULL)
        return err_sys(e, -ENOMEM, "decoding the proof's extra data");
    if ((rc = core_base64(p->extra, raw, cap, &n)) != 0)
        rc = err_set(e, rc, "the proof's extra data are not base64");
    else if ((rc = buf_put(out, raw, n)) != 0)
        rc = err_sys(e, rc, "decoding the proof's extra data");
    free(raw);
    return rc;
}

/* The leaf is under the checkpoint that got says. */
static int included(const struct tlog_verdict *got, const struct core_proof *p,
                    const struct digest *leaf_hash, struct err *e)
{
    if (core_inclusion(&note_crypto, p->index, got->checkpoint.size, leaf_hash, p->path, p->n,
                       &got->checkpoint.root) != 0)
        return err_set(e, -EBADMSG,
                       "the leaf is not at index %" PRIu64 " of the checkpoint of size %" PRIu64,
                       p->index, got->checkpoint.size);
    return 0;
}

int tlog_proof_verify(struct tlog_verdict *v, const struct core_proof *p,
                      const struct tlog_policy *policy, const struct digest *leaf_hash,
                      struct err *e)
{
    struct tlog_verdict got;
    int rc = tlog_policy_check(&got, policy, p->checkpoint, e);

    if (rc == 0)
        rc = included(&got, p, leaf_hash, e);
    if (rc == 0)
        *v = got;
    return rc;
}

void tlog_proof_memo_done(struct tlog_proof_memo *m)
{
    buf_free(&m->note);
}

/* A part of the note that was verified, in another copy of the same bytes. */
static struct span moved(struct span part, const struct buf *from, struct span to)
{
    return part.p == NULL ? part : span_of(to.p + (part.p - from->data), part.n);
}

int tlog_proof_verify_again(struct tlog_verdict *v, struct tlog_proof_memo *m,
                            const struct core_proof *p, const struct tlog_policy *policy,
                            const struct digest *leaf_hash, struct err *e)
{
    struct tlog_verdict got;
    int rc;

    if (m->note.len == 0 || m->note.len != p->checkpoint.n ||
        memcmp(m->note.data, p->checkpoint.p, m->note.len) != 0) {
        buf_free(&m->note);
        buf_init(&m->note, CORE_NOTE_MAX);
        if ((rc = buf_put(&m->note, p->checkpoint.p, p->checkpoint.n)) != 0)
            return err_sys(e, rc, "keeping a checkpoint");
        if ((rc = tlog_policy_check(&m->verdict, policy, buf_span(&m->note), e)) != 0) {
            buf_free(&m->note);
            return rc;
        }
    }
    got = m->verdict;
    got.checkpoint.origin = moved(got.checkpoint.origin, &m->note, p->checkpoint);
    got.checkpoint.extensions = moved(got.checkpoint.extensions, &m->note, p->checkpoint);
    got.text = moved(got.text, &m->note, p->checkpoint);
    if ((rc = included(&got, p, leaf_hash, e)) == 0)
        *v = got;
    return rc;
}
