#include "site/front_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "site/process.h"
#include "site/proto.h"

#define SIGN_MS 4000  /* two threads may wait one after the other: within a handshake's 10 s */
#define TELL_MS 10000 /* between two lines of one reason */
#define REASONS 16
#define SOON (14 * 86400)

struct reason {
    const char *why; /* static texts, so the pointer tells them apart */
    uint64_t times;  /* since it was logged last */
    mono_ms told;
};

struct front_tls {
    struct tls_server *server;
    struct msg_chan *control;
    pthread_mutex_t lock; /* of the next two: one question at a time */
    struct msg_chan *signer;
    uint64_t serial;
    struct reason reason[REASONS];
};

/* --- signatures --- */

/* Lock held.  The answer to the question with that id; an older one came too late and is dropped.
 */
static int await(struct front_tls *t, uint64_t id, uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    mono_ms until = clock_mono() + SIGN_MS, now;
    struct pm_tls_signed answer;
    struct msg m;
    int rc;

    while ((now = clock_mono()) < until) {
        if ((rc = msg_recv_wait(t->signer, &m, (int)(until - now), NULL)) != 0)
            return rc;
        if (m.id != id)
            continue;
        memcpy(&answer, m.body.p, sizeof(answer));
        if (!answer.ok || answer.len > sizeof(answer.sig))
            return -EPERM;
        memcpy(sig, answer.sig, answer.len);
        *len = answer.len;
        return 0;
    }
    return -ETIMEDOUT;
}

static int get_signature(void *arg, const struct digest *id, const uint8_t *transcript, size_t n,
                         uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    struct front_tls *t = arg;
    struct pm_tls_sign ask;
    int rc;

    memset(&ask, 0, sizeof(ask));
    if (n > sizeof(ask.transcript))
        return -EINVAL;
    ask.key = *id;
    ask.len = (uint32_t)n;
    memcpy(ask.transcript, transcript, n);
    (void)pthread_mutex_lock(&t->lock);
    t->serial++;
    rc = msg_send_wait(t->signer, PT_SIGN, t->serial, span_of(&ask, sizeof(ask)), NULL, SIGN_MS);
    if (rc == 0)
        rc = await(t, t->serial, sig, len);
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}

/* --- the certificate --- */

static void warn_of_time(const struct tls_certificate *is)
{
    char until[CLOCK_SECOND_LEN + 1];

    clock_second(until, is->expires);
    if (is->expires <= clock_now())
        log_error("the certificate has expired, clients will refuse it", "expired", until);
    else if (is->begins > clock_now())
        log_error("the certificate is not valid yet, clients will refuse it");
    else if (is->expires - clock_now() < SOON)
        log_warn("the certificate expires soon", "expires", until);
    else
        log_info("certificate", "expires", until);
}

static int read_certificate(struct front_tls *t, const char *path, struct err *e)
{
    struct tls_certificate is;
    struct buf pem;
    int rc;

    buf_init(&pem, TLS_PEM_MAX);
    if ((rc = io_read_file(AT_FDCWD, path, &pem)) != 0)
        (void)err_sys(e, rc, "reading the certificate \"%s\"", path);
    else if ((rc = tls_server_certificate(t->server, buf_span(&pem), e)) != 0)
        (void)err_prefix(e, "the certificate \"%s\"", path);
    buf_free(&pem);
    if (rc == 0) {
        tls_server_certificate_is(t->server, &is);
        warn_of_time(&is);
    }
    return rc;
}

/* fd holds the new chain, which must be for the key that the signer has taken. */
static int take_certificate(struct front_tls *t, int fd, const struct digest *key, struct err *e)
{
    struct tls_certificate is;
    struct buf pem;
    int rc;

    buf_init(&pem, TLS_PEM_MAX);
    if ((rc = io_read_fd(fd, &pem)) != 0)
        (void)err_sys(e, rc, "reading the certificate");
    else if ((rc = tls_certificate_read(buf_span(&pem), &is, e)) == 0 &&
             memcmp(&is.key_id, key, sizeof(*key)) != 0)
        rc = err_set(e, -EINVAL, "it is for another key than the one configured");
    if (rc == 0 && (rc = tls_server_certificate(t->server, buf_span(&pem), e)) == 0) {
        log_info("certificate read again");
        warn_of_time(&is);
    }
    buf_free(&pem);
    return rc;
}

int front_tls_reload(struct front_tls *t, struct err *e)
{
    struct pm_tls_key_is is;
    struct err why = ERR_INIT;
    struct msg m;
    int fd, rc;

    while ((rc = msg_recv(t->control, &m, e)) == 0) {
        if (m.type->type != PL_CERTIFICATE)
            return err_set(e, -EPROTO, "the supervisor sent what is not for the front");
        memcpy(&is, m.body.p, sizeof(is));
        fd = msg_take_fd(&m, 0);
        if (take_certificate(t, fd, &is.key, &why) != 0)
            log_error("the certificate stays as it was", "why", err_text(&why));
        io_close(&fd);
    }
    return rc == -EAGAIN ? 0 : rc;
}

unix_time front_tls_expires(const struct front_tls *t)
{
    struct tls_certificate is;

    tls_server_certificate_is(t->server, &is);
    return is.expires;
}

/* --- what is told --- */

void front_tls_shaken(struct front_tls *t, const char *why)
{
    mono_ms now = clock_mono();
    struct reason *r = NULL;
    char n[24];

    if (why == NULL)
        return;
    for (size_t i = 0; i < REASONS && r == NULL; i++)
        if (t->reason[i].why == why || t->reason[i].why == NULL)
            r = &t->reason[i];
    if (r == NULL)
        return; /* there are fewer reasons than places */
    r->why = why;
    r->times++;
    if (r->told != 0 && now - r->told < TELL_MS)
        return;
    (void)snprintf(n, sizeof(n), "%llu", (unsigned long long)r->times);
    log_warn("handshake refused", "why", why, "times", n);
    r->told = now;
    r->times = 0;
}

/* --- life --- */

struct tls_server *front_tls_server(struct front_tls *t)
{
    return t->server;
}

int front_tls_fd(const struct front_tls *t)
{
    return msg_fd(t->control);
}

int front_tls_open(struct front_tls **out, const struct config *c, struct err *e)
{
    struct front_tls *t;
    int rc;

    *out = NULL;
    if (c->certificate == NULL)
        return 0;
    if ((t = calloc(1, sizeof(*t))) == NULL)
        return err_sys(e, -ENOMEM, "TLS");
    (void)pthread_mutex_init(&t->lock, NULL); /* cannot fail for a plain one */
    /* Threads would get heaps of their own, and before glibc shrinks one of those it reads a file
     * of /proc: in the jail that is death. */
    (void)mallopt(M_ARENA_MAX, 1);
    if ((rc = tls_server_new(&t->server, get_signature, t, e)) == 0 &&
        (rc = read_certificate(t, c->certificate, e)) == 0 &&
        (rc = msg_open(&t->signer, PART_TLS, &proto_tls, MSG_A, e)) == 0)
        rc = msg_open(&t->control, PART_CONTROL, &proto_reload, MSG_B, e);
    if (rc != 0) {
        front_tls_close(t);
        return rc;
    }
    *out = t;
    return 0;
}

void front_tls_close(struct front_tls *t)
{
    if (t == NULL)
        return;
    tls_server_free(t->server);
    msg_close(t->signer);
    msg_close(t->control);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}
