/* keeper_witness.c - signatures, cosignatures, publication, receipts.
 *
 * Signing.  One request is out at a time, always for the ledger's size of the moment; acts wait in
 * unsigned_ until a signed checkpoint covers their leaves.  The signer wants proof that each size
 * extends the last; if it has signed more than we remember (a restart), it says so and is asked
 * again.
 *
 * A round brings one checkpoint to the witnesses: flush, sign exactly that size, ask every witness,
 * publish as soon as the quorum of the site's policy is reached, once more when all have answered.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "ledger/tlog_proof.h"
#include "ledger/tlog_witness.h"
#include "site/keeper_priv.h"

#define ROUND_MS 10000 /* witnesses that have not answered by then are not waited for */
#define SIGN_REFUSALS_MAX 3
#define CONFLICTS_MAX 2 /* in a round; a witness that never knows its size is no witness */
#define DOUBT_MS 2000   /* after a contradiction the witnesses are asked again so often */

static void note_line(struct buf *out, const struct vkey *key, const uint8_t *sig, size_t n,
                      int *rc)
{
    uint8_t raw[4 + 72];
    char b64[TEXT_BASE64_LEN(sizeof(raw)) + 1];

    memcpy(raw, key->id, 4);
    memcpy(raw + 4, sig, n);
    text_base64(b64, raw, 4 + n);
    *rc = buf_printf(out, "\xe2\x80\x94 %s %s\n", key->name, b64);
}

static int signed_note(struct keeper *k, uint64_t size, const struct digest *root,
                       const uint8_t sig[64], struct buf *out, struct err *e)
{
    struct core_checkpoint checkpoint;
    int rc;

    buf_reset(out);
    if ((rc = note_checkpoint_text(out, k->c->origin, size, root, e)) != 0 ||
        (rc = buf_putc(out, '\n')) != 0)
        return rc;
    note_line(out, &k->log_key, sig, 64, &rc);
    return rc != 0 ? rc : note_checkpoint_open(&checkpoint, NULL, buf_span(out), &k->log_key, e);
}

/* --- signing --- */

static void sign_ask(struct keeper *k, uint64_t size, const struct digest *root)
{
    struct pm_sign m;
    struct err e = ERR_INIT;
    size_t n = 0;
    int rc;

    memset(&m, 0, sizeof(m));
    m.size = size;
    m.root = *root;
    if (k->sign.signer_size > size)
        return; /* it has signed more than this tree holds: told in keeper_sign_answer */
    rc = ledger_consistency(k->ledger, k->sign.signer_size, size, m.proof, &n, &e);
    m.proofs = (uint32_t)n;
    if (rc == 0) {
        k->sign.id = ++k->next_id;
        k->sign.out = true;
        k->sign.since = clock_mono();
        k->sign.size = size;
        k->sign.root = *root;
        rc = msg_send(k->signer, PS_SIGN, k->sign.id, span_of(&m, sizeof(m)), NULL);
    }
    if (rc != 0)
        keeper_stop_writer(k, rc, rc == -EPIPE ? "the signer is gone" : err_text(&e));
}

/* The writer has stopped: no signature comes any more, but everybody is answered. */
static void release_all(struct keeper *k)
{
    struct act *a;

    while ((a = k->unsigned_) != NULL) {
        k->unsigned_ = a->next;
        a->signed_(k, a);
        keeper_act_free(a);
    }
    k->unsigned_end = &k->unsigned_;
}

void keeper_sign_step(struct keeper *k)
{
    struct digest root;

    if (k->stopped != 0)
        release_all(k);
    if (k->sign.out || k->stopped != 0)
        return;
    if (k->round.state == ROUND_SIGNING) {
        sign_ask(k, k->round.size, &k->round.root);
    } else if (k->unsigned_ != NULL || k->sign.signed_size < k->sign.wanted) {
        ledger_root(k->ledger, &root);
        sign_ask(k, ledger_size(k->ledger), &root);
    }
}

static uint64_t last_index(const struct act *a)
{
    uint64_t last = 0;

    for (size_t i = 0; i < a->leaves; i++)
        last = a->index[i] > last ? a->index[i] : last;
    for (size_t i = 0; i < a->mores; i++)
        last = a->more_index[i] > last ? a->more_index[i] : last;
    return last;
}

static void release_signed(struct keeper *k)
{
    struct act *a, **at = &k->unsigned_;

    while ((a = *at) != NULL) {
        if (last_index(a) >= k->sign.signed_size) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        a->signed_(k, a);
        keeper_act_free(a);
    }
    k->unsigned_end = at;
}

void keeper_sign_answer(struct keeper *k, const struct pm_signed *m)
{
    struct err e = ERR_INIT;
    int rc;

    k->sign.out = false;
    if (!m->ok) {
        k->sign.signer_size = m->size;
        if (m->size > ledger_size(k->ledger) || ++k->sign.refused > SIGN_REFUSALS_MAX)
            keeper_stop_writer(k, -EPERM, m->text);
        return; /* keeper_sign_step asks again, from the size it named */
    }
    k->sign.refused = 0;
    rc = m->size != k->sign.size
             ? -EPROTO
             : signed_note(k, k->sign.size, &k->sign.root, m->sig, &k->sign.signed_note, &e);
    if (rc == -ENOMEM) {
        keeper_stop_writer(k, rc, "no memory for the signer's signature");
        return;
    }
    if (rc != 0) {
        keeper_stop_writer(k, -EPROTO, "the signer's signature does not verify");
        return;
    }
    k->sign.signed_size = k->sign.signer_size = m->size;
    release_signed(k);
    if (k->round.state == ROUND_SIGNING && k->round.size == m->size)
        keeper_round_signed(k);
}

/* --- a round --- */

static void ask_witness(struct keeper *k, size_t i)
{
    struct digest path[CORE_PROOF_MAX];
    struct pm_witness m = {(uint32_t)i, 0};
    struct buf body;
    struct err e = ERR_INIT;
    size_t n = 0;
    int rc;

    buf_init(&body, PROTO_TAIL_MAX + sizeof(m));
    if ((rc = buf_put(&body, &m, sizeof(m))) == 0 &&
        (rc = ledger_consistency(k->ledger, k->witness_size[i], k->round.size, path, &n, &e)) ==
            0 &&
        (rc = tlog_witness_request(&body, k->witness_size[i], path, n, buf_span(&k->round.note),
                                   &e)) == 0)
        rc = keeper_parts_ask(k, false, PC_WITNESS, k->round.size << 8 | i, buf_span(&body), NULL);
    if (rc != 0)
        log_warn("a witness could not be asked", "why", err_text(&e));
    else
        k->round.asked |= UINT64_C(1) << i;
    buf_free(&body);
}

void keeper_round_signed(struct keeper *k)
{
    size_t n = tlog_policy_witness_count(k->quorum);

    k->round.state = ROUND_WITNESSES;
    k->round.asked = k->round.answered = k->round.cosigned = k->round.contradicted = 0;
    memset(k->round.conflicts, 0, sizeof(k->round.conflicts));
    k->round.published = false;
    buf_reset(&k->round.note);
    if (buf_put(&k->round.note, k->sign.signed_note.data, k->sign.signed_note.len) != 0) {
        k->round.state = ROUND_IDLE;
        return;
    }
    for (size_t i = 0; i < n && i < KEEPER_WITNESSES_MAX; i++)
        ask_witness(k, i);
    keeper_round_step(k, clock_mono());
}

static void publish(struct keeper *k)
{
    struct err e = ERR_INIT;
    int rc = 0;

    keeper_clock_witnessed(k, clock_mono());
    if (k->moves_out != NULL || k->moves_in != NULL)
        (void)keeper_group_settle(k); /* they go on from what is published */
    /* a note that was asked for the time alone is not kept: archived ones stay as they were */
    if (!k->round.again)
        rc = ledger_publish(k->ledger, buf_span(&k->round.note), &e);
    if (rc != 0) {
        keeper_stop_writer(k, rc, err_text(&e));
        return;
    }
    if (!k->round.published && !k->round.again)
        k->n.published++;
    k->round.published = true;
    k->waits_since = 0;
    keeper_trace_changed(k, NULL);
    keeper_move_published(k);
}

static void round_end(struct keeper *k, mono_ms now)
{
    k->round.state = ROUND_IDLE;
    k->round_due = now + (mono_ms)k->c->checkpoint_ms;
    if (!k->round.published)
        log_warn("a checkpoint did not reach its quorum; the next will be tried");
}

static void round_begin(struct keeper *k, mono_ms now)
{
    struct err e = ERR_INIT;
    int rc = ledger_flush(k->ledger, &e);

    if (rc != 0) {
        keeper_stop_writer(k, rc, err_text(&e));
        return;
    }
    k->round.state = ROUND_SIGNING;
    k->round.size = ledger_size(k->ledger);
    k->round.again =
        ledger_has_checkpoint(k->ledger) && ledger_published(k->ledger) == k->round.size;
    k->clock.ask = false; /* this round tells it as well */
    ledger_root(k->ledger, &k->round.root);
    k->round.began = now;
    if (k->sign.signed_size == k->round.size)
        keeper_round_signed(k);
}

/* That a witness knows another history was said without a signature.  So nothing is signed, and the
 * newest checkpoint that is signed already is brought to the witnesses again and again: if they
 * cosign it, somebody on the way to them had lied. */
static void doubt_step(struct keeper *k, mono_ms now)
{
    if (k->round.state == ROUND_WITNESSES && tlog_policy_quorum(k->quorum, k->round.cosigned)) {
        log_warn("the witnesses cosign this history after all; the keeper begins anew");
        k->quit = true;
        return;
    }
    if (now < k->doubt_due || k->courier == NULL || k->sign.signed_size == 0)
        return;
    k->doubt_due = now + DOUBT_MS;
    k->round.size = k->sign.signed_size;
    k->round.again = true;
    k->round.began = now;
    keeper_round_signed(k);
}

void keeper_round_step(struct keeper *k, mono_ms now)
{
    if (k->stopped != 0) {
        if (k->doubt_due != 0)
            doubt_step(k, now);
        return;
    }
    if (ledger_size(k->ledger) == ledger_published(k->ledger))
        k->waits_since = 0;
    else if (k->waits_since == 0)
        k->waits_since = now;
    switch (k->round.state) {
    case ROUND_IDLE:
        if (k->courier != NULL && now >= k->round_due && ledger_size(k->ledger) > 0 &&
            (!ledger_has_checkpoint(k->ledger) || k->clock.ask ||
             ledger_published(k->ledger) < ledger_size(k->ledger)))
            round_begin(k, now);
        break;
    case ROUND_SIGNING:
        break;
    case ROUND_WITNESSES:
        if (!k->round.published && tlog_policy_quorum(k->quorum, k->round.cosigned))
            publish(k);
        if ((k->round.asked & ~k->round.answered) == 0 || now > k->round.began + ROUND_MS) {
            if (k->round.published && k->round.late)
                publish(k);
            round_end(k, now);
        }
        break;
    }
}

void keeper_round_courier_gone(struct keeper *k)
{
    k->round.answered = k->round.asked; /* nobody else will answer: the round ends */
}

/* A witness has seen another history of this ledger, or more of it than there is here: what runs is
 * an older copy.  To go on would be to sign two histories.  It is believed of one that has not
 * cosigned in this life yet (one that has can only be lying), and if the quorum cannot be had
 * without those who say so; for as long as they say it (doubt_step). */
static void contradicted(struct keeper *k, const struct pm_cosigned *m)
{
    size_t n = tlog_policy_witness_count(k->quorum);
    tlog_witnesses all = n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
    char text[ERR_TEXT_MAX];

    if ((k->heard >> m->witness & 1) == 0)
        k->round.contradicted |= UINT64_C(1) << m->witness;
    if (k->stopped != 0 || tlog_policy_quorum(k->quorum, all & ~k->round.contradicted))
        return;
    k->doubt_due = clock_mono() + DOUBT_MS;
    if (m->status == 409)
        (void)snprintf(
            text, sizeof(text),
            "a witness has cosigned %llu leaves of this ledger, and here are %llu: this is "
            "an older copy of the site, and nothing is signed with it",
            (unsigned long long)m->size, (unsigned long long)k->round.size);
    else
        (void)snprintf(text, sizeof(text),
                       "a witness has cosigned another history of this ledger: this is a copy of "
                       "the site that went its own way, and nothing more is signed with it");
    keeper_stop_writer(k, -EPERM, text);
}

/* Asked for the time alone, about what it has cosigned before: its older words prove nothing, and a
 * courier that was taken over could say them for ever.  (Twice in one second it may be asked after
 * a quick restart.) */
static bool said_before(const struct keeper *k, const struct pm_cosigned *m)
{
    int64_t last = k->witness_time[m->witness], ago = clock_now() - last;

    return m->time < last || (m->time == last && (ago < 0 || ago > 2));
}

void keeper_round_answer(struct keeper *k, uint64_t id, const struct pm_cosigned *m)
{
    const struct vkey *key;
    struct err e = ERR_INIT;
    struct buf line;
    uint8_t sig[72];
    size_t added = 0;
    int rc;

    if (k->round.state != ROUND_WITNESSES || id >> 8 != k->round.size || m->witness != (id & 255) ||
        m->witness >= tlog_policy_witness_count(k->quorum) || m->witness >= KEEPER_WITNESSES_MAX)
        return; /* of a round that is over */
    if (m->status == 409 && m->size <= k->round.size && m->size != k->witness_size[m->witness] &&
        k->round.conflicts[m->witness]++ < CONFLICTS_MAX) {
        k->witness_size[m->witness] = m->size;
        ask_witness(k, m->witness);
        return;
    }
    k->round.answered |= UINT64_C(1) << m->witness;
    if (m->status != 200) {
        log_warn("a witness did not cosign", "why", m->text);
        if ((m->status == 409 && m->size > k->round.size) || m->status == 422)
            contradicted(k, m);
        return;
    }
    if (k->round.again && said_before(k, m)) {
        log_warn("a witness's time is not later than its last one");
        return;
    }
    key = tlog_policy_witness(k->quorum, m->witness);
    for (int i = 0; i < 8; i++)
        sig[i] = (uint8_t)((uint64_t)m->time >> (56 - 8 * i));
    memcpy(sig + 8, m->sig, 64);
    buf_init(&line, 1024);
    note_line(&line, key, sig, sizeof(sig), &rc);
    if (rc == 0 && (rc = note_merge(&k->round.note, buf_span(&line), key, 1, &added, &e)) == 0) {
        k->round.cosigned |= UINT64_C(1) << m->witness;
        k->heard |= UINT64_C(1) << m->witness;
        k->round.late = k->round.published;
        k->witness_size[m->witness] = k->round.size;
        k->witness_time[m->witness] = m->time;
    } else {
        log_warn("a witness's cosignature does not verify", "why", err_text(&e));
    }
    buf_free(&line);
}

/* --- receipts --- */

int keeper_receipt(struct keeper *k, uint64_t index, struct span extra, struct buf *out,
                   bool *final, struct err *e)
{
    struct digest path[CORE_PROOF_MAX];
    struct buf published;
    struct span note;
    uint64_t size;
    size_t n = 0;
    int rc;

    buf_init(&published, CORE_NOTE_MAX);
    *final = ledger_has_checkpoint(k->ledger) && ledger_published(k->ledger) > index;
    if (*final) {
        size = ledger_published(k->ledger);
        rc = tlog_tiles_checkpoint(k->ledger_dir, size, &published, e);
        note = buf_span(&published);
    } else {
        size = k->sign.signed_size;
        note = buf_span(&k->sign.signed_note);
        rc = size > index ? 0 : err_set(e, -EAGAIN, "the ledger has yet to sign its leaf");
    }
    if (rc == 0 && (rc = ledger_inclusion(k->ledger, index, size, path, &n, e)) == 0)
        rc = tlog_proof_format(out, extra, index, path, n, note, e);
    buf_free(&published);
    return rc;
}
