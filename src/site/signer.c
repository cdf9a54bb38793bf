/* signer.c - the process that holds the ledger's key and signs only what extends what it signed.
 * With TLS it holds the key of that too (signer_tls.h), and signs handshakes.  It trusts nobody:
 * the keeper may ask for anything, and the rule of ledger/signer.h decides. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "jail/msg.h"
#include "ledger/signer.h"
#include "site/process.h"
#include "site/proto.h"
#include "site/signer_tls.h"

struct signing {
    struct ed25519_key *key;
    struct note_signer note;
    struct signer *rule;
    struct buf line;        /* the checkpoint just signed */
    struct signer_tls *tls; /* NULL: none */
};

static int signing_open(struct signing *s, const struct config *c, struct err *e)
{
    char path[4096];
    int rc;

    if ((rc = ed25519_load(&s->key, c->ledger_key, e)) != 0)
        return rc;
    if ((rc = note_signer_init(&s->note, c->origin, VKEY_ED25519, s->key, e)) != 0)
        return rc;
    if (snprintf(path, sizeof(path), "%s/signer/state", c->data) >= (int)sizeof(path))
        return err_set(e, -ENAMETOOLONG, "the data folder's path is too long");
    return signer_open(&s->rule, path, &s->note, false, e);
}

/* The signature's bytes are the last 64 of the one signature line's base64. */
static int signature_of(struct span note, const struct vkey *key, uint8_t sig[64], struct err *e)
{
    struct core_note parsed;
    int rc = note_verify(&parsed, note, key, 1, NULL, e);
    struct span line = {NULL, 0};
    const char *last;
    uint8_t raw[68];

    if (rc != 0)
        return rc;
    line = note;
    last = memrchr(line.p, ' ', line.n);
    if (last == NULL)
        return -EBADMSG;
    line.n -= (size_t)(last + 1 - (const char *)line.p) + 1;
    line.p = (const uint8_t *)last + 1;
    if ((rc = text_unbase64_exact(line, raw, sizeof(raw))) != 0)
        return rc;
    memcpy(sig, raw + 4, 64);
    return 0;
}

static void sign(struct signing *s, const struct pm_sign *ask, struct pm_signed *answer)
{
    struct err e = ERR_INIT;
    int rc;

    memset(answer, 0, sizeof(*answer));
    buf_reset(&s->line);
    rc = ask->proofs > PROTO_PROOF_MAX
             ? err_set(&e, -EPROTO, "%u hashes in a proof", ask->proofs)
             : signer_sign(s->rule, ask->size, &ask->root, ask->proof, ask->proofs, &s->line, &e);
    if (rc == 0)
        rc = signature_of(buf_span(&s->line), &s->note.key, answer->sig, &e);
    answer->ok = rc == 0;
    answer->size = rc == 0 ? ask->size : signer_size(s->rule);
    if (rc != 0) {
        (void)snprintf(answer->text, sizeof(answer->text), "%s", err_text(&e));
        log_warn("signature refused", "why", answer->text);
    }
}

/* One question of the keeper. */
static int answer_keeper(struct signing *s, struct msg_chan *chan, struct err *e)
{
    struct pm_signed answer;
    struct pm_sign ask;
    struct msg m;
    int rc = msg_recv(chan, &m, e);

    if (rc != 0)
        return rc == -EAGAIN ? 0 : rc;
    memcpy(&ask, m.body.p, sizeof(ask));
    sign(s, &ask, &answer);
    return msg_send_wait(chan, PS_SIGNED, m.id, span_of(&answer, sizeof(answer)), NULL, -1);
}

/* The ledger first: between two of the keeper's questions the front gets at most one answer. */
static int serve(struct signing *s, struct msg_chan *chan, struct err *e)
{
    struct pollfd p[1 + SIGNER_TLS_POLLS];
    int rc = 0;

    while (rc == 0) {
        p[0] = (struct pollfd){.fd = msg_fd(chan), .events = POLLIN};
        signer_tls_poll(s->tls, p + 1);
        if (poll(p, ARRAY_LEN(p), -1) < 0) {
            rc = errno == EINTR ? 0 : err_sys(e, -errno, "waiting");
            continue;
        }
        if (p[0].revents != 0)
            rc = answer_keeper(s, chan, e);
        if (rc == 0 && s->tls != NULL)
            rc = signer_tls_serve(s->tls, p + 1, e);
    }
    return rc == -EPIPE ? 0 : rc;
}

int signer_main(const struct config *c)
{
    struct signing s = {0};
    struct msg_chan *chan = NULL;
    struct err e = ERR_INIT;
    int rc;

    buf_init(&s.line, CORE_NOTE_MAX);
    if ((rc = signing_open(&s, c, &e)) == 0 && (rc = signer_tls_open(&s.tls, c, s.key, &e)) == 0 &&
        (rc = msg_open(&chan, PART_CHANNEL, &proto_signer, MSG_B, &e)) == 0 &&
        (rc = process_jail(c, CONFIG_SIGNER, &e)) == 0) {
        log_info("signer serves");
        rc = serve(&s, chan, &e);
    }
    if (rc != 0)
        log_error(err_text(&e));
    msg_close(chan);
    signer_tls_close(s.tls);
    signer_close(s.rule);
    ed25519_free(s.key);
    buf_free(&s.line);
    return rc == 0 ? 0 : rc == -EINVAL ? 2 : 3;
}
