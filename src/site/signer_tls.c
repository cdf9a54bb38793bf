#include "site/signer_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "crypto/sha256.h"
#include "crypto/tls.h"
#include "site/process.h"
#include "site/proto.h"

_Static_assert(sizeof(((struct pm_tls_sign *)0)->transcript) == TLS_TRANSCRIPT_MAX &&
                   sizeof(((struct pm_tls_signed *)0)->sig) == TLS_SIGNATURE_MAX,
               "a message takes what crypto/tls.h says");

struct signer_tls {
    struct tls_key *key, *before; /* handshakes with the older certificate may still be under way */
    struct digest ledger;         /* the id that the ledger's key would have */
    struct msg_chan *front, *control;
    uint64_t rate;    /* signatures a second, and at once */
    uint64_t credit;  /* thousandths of a signature */
    mono_ms credited; /* when it was counted last */
    uint64_t refused;
    mono_ms told; /* when refusals were logged last */
};

/* --- keys --- */

/* SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 section 4). */
static void ledger_id(const struct ed25519_key *ledger, struct digest *id)
{
    uint8_t der[44] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    struct ed25519_pub pub;

    ed25519_public(ledger, &pub);
    memcpy(der + 12, pub.b, sizeof(pub.b));
    sha256_of(der, sizeof(der), id);
}

/* Takes fd. */
static int take_key(struct signer_tls *t, int fd, const char *name, struct digest *id,
                    struct err *e)
{
    struct tls_key *k;
    struct digest now;
    int rc = tls_key_read(&k, fd, name, e);

    if (rc != 0)
        return rc;
    tls_key_id(k, id);
    if (memcmp(id, &t->ledger, sizeof(*id)) == 0) {
        tls_key_free(k);
        return err_set(e, -EINVAL, "\"%s\" is the ledger's key: TLS wants one of its own", name);
    }
    if (t->key != NULL)
        tls_key_id(t->key, &now);
    if (t->key != NULL && memcmp(&now, id, sizeof(now)) == 0) {
        tls_key_free(k); /* the same again */
        return 0;
    }
    tls_key_free(t->before);
    t->before = t->key;
    t->key = k;
    return 0;
}

static int check_certificate(const char *path, const struct digest *id, struct err *e)
{
    struct tls_certificate is;
    struct buf pem;
    int rc;

    buf_init(&pem, TLS_PEM_MAX);
    if ((rc = io_read_file(AT_FDCWD, path, &pem)) != 0)
        (void)err_sys(e, rc, "reading the certificate \"%s\"", path);
    else if ((rc = tls_certificate_read(buf_span(&pem), &is, e)) != 0)
        (void)err_prefix(e, "the certificate \"%s\"", path);
    else if (memcmp(&is.key_id, id, sizeof(*id)) != 0)
        rc = err_set(e, -EINVAL,
                     "the certificate \"%s\" is for another key than the one configured: put the "
                     "two that belong together into \"tls\"",
                     path);
    buf_free(&pem);
    return rc;
}

int signer_tls_open(struct signer_tls **out, const struct config *c,
                    const struct ed25519_key *ledger, struct err *e)
{
    struct signer_tls *t;
    struct digest id;
    int fd, rc;

    *out = NULL;
    if (c->tls_key == NULL)
        return 0;
    if ((t = calloc(1, sizeof(*t))) == NULL)
        return err_sys(e, -ENOMEM, "the key of TLS");
    ledger_id(ledger, &t->ledger);
    t->rate = c->handshakes;
    t->credit = t->rate * 1000;
    t->credited = clock_mono();
    if ((fd = open(c->tls_key, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
        rc = err_sys(e, -errno, "opening the key \"%s\"", c->tls_key);
    else if ((rc = take_key(t, fd, c->tls_key, &id, e)) == 0 &&
             (rc = check_certificate(c->certificate, &id, e)) == 0 &&
             (rc = msg_open(&t->front, PART_TLS, &proto_tls, MSG_B, e)) == 0)
        rc = msg_open(&t->control, PART_CONTROL, &proto_reload, MSG_B, e);
    if (rc != 0) {
        signer_tls_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

void signer_tls_close(struct signer_tls *t)
{
    if (t == NULL)
        return;
    msg_close(t->front);
    msg_close(t->control);
    tls_key_free(t->key);
    tls_key_free(t->before);
    free(t);
}

/* --- signatures --- */

static bool may_sign(struct signer_tls *t)
{
    mono_ms now = clock_mono();
    uint64_t most = t->rate * 1000, more = (uint64_t)(now - t->credited) * t->rate;

    t->credit = more > most - t->credit ? most : t->credit + more;
    t->credited = now;
    if (t->credit >= 1000) {
        t->credit -= 1000;
        return true;
    }
    t->refused++;
    if (t->told == 0 || now - t->told > 10000) {
        char n[24];

        (void)snprintf(n, sizeof(n), "%llu", (unsigned long long)t->refused);
        log_warn("more handshakes a second than tls: handshakes: allows", "refused", n);
        t->told = now;
    }
    return false;
}

static const struct tls_key *key_named(const struct signer_tls *t, const struct digest *id)
{
    const struct tls_key *const keys[] = {t->key, t->before};
    struct digest own;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i] == NULL)
            continue;
        tls_key_id(keys[i], &own);
        if (memcmp(&own, id, sizeof(own)) == 0)
            return keys[i];
    }
    return NULL;
}

static int sign_one(struct signer_tls *t, struct err *e)
{
    struct pm_tls_signed answer;
    struct pm_tls_sign ask;
    const struct tls_key *k;
    struct msg m;
    size_t len = 0;
    int rc = msg_recv(t->front, &m, e);

    if (rc != 0)
        return rc == -EAGAIN ? 0 : rc;
    memset(&answer, 0, sizeof(answer));
    memcpy(&ask, m.body.p, sizeof(ask));
    k = key_named(t, &ask.key);
    if (k != NULL && may_sign(t) &&
        tls_key_sign(k, ask.transcript, ask.len, answer.sig, &len) == 0) {
        answer.ok = 1;
        answer.len = (uint32_t)len;
    }
    /* it asks one at a time; one that does not listen waits in vain, the ledger does not */
    rc = msg_send(t->front, PT_SIGNED, m.id, span_of(&answer, sizeof(answer)), NULL);
    return rc == -EAGAIN ? 0 : rc;
}

static int reload(struct signer_tls *t, struct err *e)
{
    struct pm_tls_key_is answer;
    struct err why = ERR_INIT;
    struct msg m;
    int rc = msg_recv(t->control, &m, e);

    if (rc != 0)
        return rc == -EAGAIN ? 0 : rc;
    if (m.type->type != PL_KEY)
        return err_set(e, -EPROTO, "the supervisor sent what is not for the signer");
    memset(&answer, 0, sizeof(answer));
    answer.ok = take_key(t, msg_take_fd(&m, 0), "tls: key", &answer.key, &why) == 0;
    if (!answer.ok)
        (void)snprintf(answer.text, sizeof(answer.text), "%s", err_text(&why));
    return msg_send(t->control, PL_KEY_IS, m.id, span_of(&answer, sizeof(answer)), NULL);
}

void signer_tls_poll(const struct signer_tls *t, struct pollfd p[SIGNER_TLS_POLLS])
{
    const struct msg_chan *const chan[] = {t != NULL ? t->front : NULL,
                                           t != NULL ? t->control : NULL};

    for (size_t i = 0; i < SIGNER_TLS_POLLS; i++)
        p[i] = (struct pollfd){.fd = chan[i] != NULL ? msg_fd(chan[i]) : -1, .events = POLLIN};
}

/* Whoever has gone may go: the keeper may still want the ledger's last signatures. */
static int gone(struct msg_chan **chan, int rc)
{
    if (rc != -EPIPE)
        return rc;
    msg_close(*chan);
    *chan = NULL;
    return 0;
}

int signer_tls_serve(struct signer_tls *t, const struct pollfd p[SIGNER_TLS_POLLS], struct err *e)
{
    int rc = 0;

    if (p[1].revents != 0)
        rc = gone(&t->control, reload(t, e));
    if (rc == 0 && p[0].revents != 0)
        rc = gone(&t->front, sign_one(t, e));
    return rc;
}
