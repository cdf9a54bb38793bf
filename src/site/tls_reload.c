#include "site/tls_reload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "site/proto.h"

int tls_reload_open(struct tls_reload *t, int key, int certificate, struct err *e)
{
    int rc = msg_open(&t->key, key, &proto_reload, MSG_A, e);

    if (rc != 0) {
        io_close(&certificate);
        return rc;
    }
    return msg_open(&t->certificate, certificate, &proto_reload, MSG_A, e);
}

void tls_reload_close(struct tls_reload *t)
{
    msg_close(t->key);
    msg_close(t->certificate);
    t->key = t->certificate = NULL;
}

int tls_reload_fd(const struct tls_reload *t)
{
    return t->key == NULL ? -1 : msg_fd(t->key);
}

void tls_reload_begin(struct tls_reload *t, const struct config *c)
{
    struct err e = ERR_INIT;
    int fd, rc;

    if (t->key == NULL || c->tls_key == NULL)
        return;
    fd = open(c->tls_key, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    rc = fd < 0 ? -errno : msg_send(t->key, PL_KEY, 0, span_of(NULL, 0), &fd);
    io_close(&fd);
    if (rc != 0) {
        (void)err_sys(&e, rc, "handing \"%s\" to the signer", c->tls_key);
        log_error("key and certificate stay as they were", "why", err_text(&e));
    }
}

static void key_is(const struct tls_reload *t, const struct config *c,
                   const struct pm_tls_key_is *is)
{
    struct err e = ERR_INIT;
    int fd, rc;

    if (!is->ok) {
        log_error("key and certificate stay as they were", "why", is->text);
        return;
    }
    fd = open(c->certificate, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    rc = fd < 0 ? -errno
                : msg_send(t->certificate, PL_CERTIFICATE, 0, span_of(is, sizeof(*is)), &fd);
    io_close(&fd);
    if (rc != 0) {
        (void)err_sys(&e, rc, "handing \"%s\" to the front", c->certificate);
        log_error("the certificate stays as it was", "why", err_text(&e));
    }
}

void tls_reload_step(struct tls_reload *t, const struct config *c)
{
    struct pm_tls_key_is is;
    struct msg m;
    int rc;

    while ((rc = msg_recv(t->key, &m, NULL)) == 0) {
        if (m.type->type != PL_KEY_IS)
            continue;
        memcpy(&is, m.body.p, sizeof(is));
        is.text[sizeof(is.text) - 1] = '\0';
        key_is(t, c, &is);
    }
    if (rc == -EAGAIN)
        return;
    msg_close(t->key); /* the signer's end tells more */
    t->key = NULL;
}
