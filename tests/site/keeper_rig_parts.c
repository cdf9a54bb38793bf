/* keeper_rig_parts.c - the honest ways of signer, witness and reader; ledgers of others. */
#include <errno.h>
#include <stdio.h>

#include "events/receipt_extra.h"
#include "keeper_rig.h"
#include "ledger/tlog_proof.h"

/* --- the parts --- */

/* A keeper that has gone meanwhile is noticed by whoever waits for it. */
static void answer(struct msg_chan *c, uint16_t type, uint64_t id, const void *p, size_t n,
                   struct span tail)
{
    struct buf b;
    int rc;

    buf_init(&b, MSG_BODY_MAX);
    assert_int_equal(buf_put(&b, p, n), 0);
    assert_int_equal(buf_put(&b, tail.p, tail.n), 0);
    rc = msg_send_wait(c, type, id, buf_span(&b), NULL, RIG_SOON);
    assert_true(rc == 0 || rc == -EPIPE);
    buf_free(&b);
}

void rig_signed(struct keeper_rig *r, uint64_t id, const struct pm_sign *m, bool ok, uint64_t size)
{
    struct pm_signed a;
    struct ed25519_sig sig;
    struct err e = ERR_INIT;
    struct buf text;

    memset(&a, 0, sizeof(a));
    buf_init(&text, 4096);
    rig_ok(note_checkpoint_text(&text, r->c->origin, m->size, &m->root, &e), &e);
    rig_ok(ed25519_sign(r->key, text.data, text.len, &sig), &e);
    memcpy(a.sig, sig.b, sizeof(a.sig));
    a.ok = ok;
    a.size = size;
    (void)snprintf(a.text, sizeof(a.text), "%s", ok ? "" : "the signer does not want to");
    answer(r->signer, PS_SIGNED, id, &a, sizeof(a), span_of(NULL, 0));
    buf_free(&text);
}

void rig_sign_by_rule(struct keeper_rig *r, uint64_t id, const struct pm_sign *m)
{
    struct err e = ERR_INIT;
    char path[128];
    struct buf line;
    int rc;

    (void)snprintf(path, sizeof(path), "%s/data/signer/state", r->dir);
    if (r->rule == NULL)
        rig_ok(signer_open(&r->rule, path, &r->log_signer, false, &e), &e);
    buf_init(&line, 4096);
    rc = signer_sign(r->rule, m->size, &m->root, m->proof, m->proofs, &line, &e);
    r->refusals += rc != 0;
    rig_signed(r, id, m, rc == 0, signer_size(r->rule));
    buf_free(&line);
}

void rig_sign_honest(struct keeper_rig *r, uint64_t id, const struct pm_sign *m)
{
    r->signed_size = m->size;
    rig_signed(r, id, m, true, m->size);
}

void rig_cosigned(struct keeper_rig *r, uint64_t id, uint32_t witness, uint32_t status,
                  uint64_t size)
{
    struct pm_cosigned a;

    memset(&a, 0, sizeof(a));
    a.witness = witness;
    a.status = status;
    a.size = size;
    answer(r->courier, PC_COSIGNED, id, &a, sizeof(a), span_of(NULL, 0));
}

void rig_cosign_at(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body,
                   unix_time t)
{
    struct core_add_checkpoint add;
    struct core_note note;
    struct pm_cosigned a;
    struct ed25519_sig sig;
    struct buf text;
    struct err e = ERR_INIT;

    memset(&a, 0, sizeof(a));
    buf_init(&text, 8192);
    assert_int_equal(core_add_checkpoint_parse(body, &add), 0);
    assert_int_equal(core_note_split(add.checkpoint, &note), 0);
    a.witness = witness;
    a.status = 200;
    a.time = t;
    assert_int_equal(buf_printf(&text, "cosignature/v1\ntime %lld\n", (long long)a.time), 0);
    assert_int_equal(buf_put(&text, note.text.p, note.text.n), 0);
    rig_ok(ed25519_sign(r->witness, text.data, text.len, &sig), &e);
    memcpy(a.sig, sig.b, sizeof(a.sig));
    answer(r->courier, PC_COSIGNED, id, &a, sizeof(a), span_of(NULL, 0));
    buf_free(&text);
}

void rig_cosign_honest(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body)
{
    rig_cosign_at(r, id, witness, body, clock_now());
}

void rig_cosign_from_0(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body)
{
    struct core_add_checkpoint add;

    assert_int_equal(core_add_checkpoint_parse(body, &add), 0);
    if (add.old_size == 0)
        rig_cosign_honest(r, id, witness, body);
    else
        rig_cosigned(r, id, witness, 409, 0);
}

void rig_carried(struct keeper_rig *r, uint64_t id, uint32_t status, struct span body)
{
    struct pm_carried a;

    memset(&a, 0, sizeof(a));
    a.status = status;
    answer(r->courier, PC_CARRIED, id, &a, sizeof(a), body);
}

void rig_read_is(struct keeper_rig *r, uint64_t id, uint32_t what, int rc, const struct digest *doc,
                 struct span tail)
{
    struct pm_read_is a;

    memset(&a, 0, sizeof(a));
    a.what = what;
    a.rc = rc;
    if (doc != NULL)
        a.doc = *doc;
    (void)snprintf(a.text, sizeof(a.text), "%s", rc != 0 ? "the reader says no" : "");
    answer(r->reader, PR_READ_IS, id, &a, sizeof(a), tail);
}

void rig_read_honest(struct keeper_rig *r, uint64_t id, const struct pm_read *m, int fd)
{
    struct pm_read_is is;
    struct buf b;

    buf_init(&b, 4 << 20);
    if (m->what == READ_PROOF) {
        reader_read(r->c, m, fd, &is, &b);
        answer(r->reader, PR_READ_IS, id, &is, sizeof(is), buf_span(&b));
    } else {
        struct digest doc;

        assert_int_equal(buf_reserve(&b, (size_t)m->len), 0);
        assert_int_equal(io_pread_full(fd, b.data, (size_t)m->len, 0), 0);
        sha256_of(b.data, (size_t)m->len, &doc);
        rig_read_is(r, id, m->what, 0, &doc, buf_span(&r->record));
    }
    buf_free(&b);
}

/* --- ledgers of others --- */

void rig_proof(struct span leaf, const struct note_signer *log, const struct note_signer *witness,
               struct buf *out)
{
    struct receipt_extra x;
    struct core_note split;
    struct digest root;
    struct buf note, json;
    struct err e = ERR_INIT;

    memset(&x, 0, sizeof(x));
    x.leaf = leaf;
    buf_init(&note, CORE_NOTE_MAX);
    buf_init(&json, RECEIPT_EXTRA_MAX);
    sha256_leaf(leaf.p, leaf.n, &root); /* the root of a tree of one leaf */
    rig_ok(note_checkpoint_make(&note, 1, &root, log, &e), &e);
    if (witness != NULL) {
        struct buf line;

        buf_init(&line, 4096);
        assert_int_equal(core_note_split(buf_span(&note), &split), 0);
        rig_ok(note_cosign(&line, split.text, clock_now(), witness, &e), &e);
        rig_ok(buf_put(&note, line.data, line.len), &e);
        buf_free(&line);
    }
    rig_ok(receipt_extra_encode(&x, &json, &e), &e);
    rig_ok(tlog_proof_format(out, buf_span(&json), 0, NULL, 0, buf_span(&note), &e), &e);
    buf_free(&note);
    buf_free(&json);
}
