/* secure.c - what is different about a connection with TLS: it begins with a handshake, and bytes
 * pass through its session.  The rest of the server does not know.
 *
 * A session exists from the first byte a client sends.  Of a refused body nothing is decrypted:
 * once the answer is sent the session ends, and what still comes is thrown away as ciphertext, in
 * the kernel. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/io.h"
#include "http/handshakes_priv.h"
#include "http/server_priv.h"

#define HANDSHAKERS 2

/* --- the server --- */

int http_server_secure(struct http_server *s, struct tls_server *tls, http_shake_fn shaken,
                       struct err *e)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &s->shakes_kind};
    int rc;

    assert(s->tls == NULL && s->n_listeners == 0);
    if ((rc = handshakes_new(&s->shakes, HANDSHAKERS)) != 0)
        return err_sys(e, rc, "HTTP server: TLS");
    s->shakes_kind = POLL_SHAKES;
    if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, handshakes_fd(s->shakes), &ev) != 0)
        return err_sys(e, -errno, "HTTP server: TLS");
    s->tls = tls;
    s->shaken = shaken;
    return 0;
}

void secure_free(struct http_server *s)
{
    handshakes_free(s->shakes);
    s->shakes = NULL;
}

static void tell(struct http_server *s, const char *why)
{
    s->stats.handshakes_failed += why != NULL;
    s->stats.handshakes += why == NULL;
    if (s->shaken != NULL)
        s->shaken(s->arg, why);
}

/* --- the handshake --- */

/* The connection is being closed: what the threads work on is closed when it comes back. */
void secure_kill(struct conn *c)
{
    if (c->shake != NULL && c->shaking) {
        (void)epoll_ctl(c->s->epfd, EPOLL_CTL_DEL, c->fd, NULL);
        c->shake->conn = NULL;
        c->shake->left = c->fd;
        c->fd = -1;
    } else if (c->shake != NULL) {
        tls_close(c->shake->tls);
        free(c->shake);
    }
    c->shake = NULL;
    if (c->tls != NULL) {
        tls_bye(c->tls);
        tls_close(c->tls);
    }
    c->tls = NULL;
}

void secure_end(struct conn *c)
{
    tls_bye(c->tls);
    tls_close(c->tls);
    c->tls = NULL;
}

static int begin(struct conn *c)
{
    struct handshake *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return -ENOMEM;
    h->conn = c;
    h->left = -1;
    if (tls_open(&h->tls, c->s->tls, c->fd) != 0) {
        free(h);
        return -ENOMEM;
    }
    c->shake = h;
    return 0;
}

/* One turn for the threads if the socket has what the handshake waits for; false: kill it. */
bool secure_step(struct conn *c)
{
    if (c->shaking)
        return true;
    if (c->shake == NULL) {
        if (!c->readable)
            return true;
        if (begin(c) != 0)
            return false;
    }
    if (!(tls_wants_write(c->shake->tls) ? c->writable : c->readable))
        return true;
    c->readable = c->writable = false; /* what comes from now on is news */
    c->shaking = true;
    if (handshakes_put(c->s->shakes, c->shake) == 0)
        return true;
    c->shaking = false;
    return false;
}

static void established(struct conn *c)
{
    c->tls = c->shake->tls;
    free(c->shake);
    c->shake = NULL;
    /* GnuTLS has read ahead as much as it liked, so the edges tell nothing about what is there */
    c->readable = c->writable = true;
    c->phase = CONN_IDLE;
    server_due(c, clock_mono() + c->s->limits.idle_ms);
    tell(c->s, NULL);
    server_ready(c);
}

static void came_back(struct http_server *s, struct handshake *h)
{
    struct conn *c = h->conn;

    if (c == NULL) { /* its deadline or the client was faster */
        tls_close(h->tls);
        io_close(&h->left);
        free(h);
        return;
    }
    c->shaking = false;
    if (h->rc == 0) {
        established(c);
    } else if (h->rc == -EAGAIN) {
        server_ready(c); /* there may have been news meanwhile */
    } else {
        tell(s, h->why);
        conn_kill(c);
    }
}

void secure_collect(struct http_server *s)
{
    struct handshake *h;

    while ((h = handshakes_take(s->shakes)) != NULL)
        came_back(s, h);
}

void secure_late(struct conn *c)
{
    c->s->stats.timeouts++;
    tell(c->s, c->shaking ? "the signature did not come in time"
                          : "the client did not finish its handshake in time");
}

/* --- bytes --- */

ssize_t secure_receive(struct conn *c, void *p, size_t n)
{
    bool dry;
    ssize_t got = tls_recv(c->tls, p, n, &dry);

    if (dry)
        c->readable = false;
    if (got == -EAGAIN)
        return 0;
    return got > 0 ? got : -1;
}

void secure_word(struct conn *c, const char *word, size_t n)
{
    ssize_t k = tls_send(c->tls, word, n);

    (void)k;
}

static enum http_sent blocked(struct conn *c, int rc)
{
    if (rc != -EAGAIN)
        return SENT_FAILED;
    c->writable = false;
    return SENT_PART;
}

/* As much of head and body as one record takes. */
static size_t gather(const struct http_req *r, uint8_t *out)
{
    size_t skip = (size_t)r->sent, n = 0, at, rest;

    if (skip < r->head_len) {
        n = r->head_len - skip;
        memcpy(out, r->head_text + skip, n);
    }
    at = skip > r->head_len ? skip - r->head_len : 0;
    rest = r->out.len - at < TLS_RECORD - n ? r->out.len - at : TLS_RECORD - n;
    if (rest > 0)
        memcpy(out + n, r->out.data + at, rest);
    return n + rest;
}

/* The next record's bytes into the scratch; 0: there are none. */
static ssize_t fill(struct http_req *r)
{
    uint8_t *out = r->c->s->scratch;
    size_t n = 0, want;
    ssize_t k;

    _Static_assert(sizeof(r->head_text) <= TLS_RECORD, "a head fits into a record");
    if (r->sent < r->head_len + r->out.len)
        n = gather(r, out);
    if (n == TLS_RECORD || r->out_len == 0)
        return (ssize_t)n;
    want = r->out_len < TLS_RECORD - n ? (size_t)r->out_len : TLS_RECORD - n;
    do
        k = pread(r->out_fd, out + n, want, (off_t)r->out_off);
    while (k < 0 && errno == EINTR);
    return k <= 0 ? -1 : (ssize_t)n + k; /* 0: the file is shorter than promised */
}

/* n bytes of the answer are the session's now. */
static void advance(struct http_req *r, size_t n)
{
    uint64_t memory = r->head_len + r->out.len;
    uint64_t of_memory = r->sent >= memory ? 0 : memory - r->sent < n ? memory - r->sent : n;

    r->sent += n;
    r->out_off += n - of_memory;
    r->out_len -= n - of_memory;
    r->c->s->stats.bytes_out += n;
}

enum http_sent secure_send(struct http_req *r)
{
    struct conn *c = r->c;

    for (size_t turn = 0; turn < c->s->limits.chunk; turn += TLS_RECORD) {
        ssize_t n = fill(r);

        if (n < 0)
            return SENT_FAILED;
        if (n == 0) {
            int rc = tls_flush(c->tls);

            return rc == 0 ? SENT_ALL : blocked(c, rc);
        }
        if ((n = tls_send(c->tls, c->s->scratch, (size_t)n)) < 0)
            return blocked(c, (int)n);
        advance(r, (size_t)n);
    }
    return SENT_PART;
}
