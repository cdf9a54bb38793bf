/* transport.c - bytes of a connection, with TLS (secure.c) or without. */
#include <errno.h>
#include <sys/socket.h>

#include "http/server_priv.h"

/* Bytes received; 0: nothing now; -1: the client has ended or broken the connection. */
static ssize_t receive_with(struct conn *c, void *p, size_t n, int flags, uint64_t *count)
{
    ssize_t got;

    if (!c->readable)
        return 0;
    do
        got = recv(c->fd, p, n, flags);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) {
        c->readable = false;
        return 0;
    }
    if (got <= 0)
        return -1;
    if ((size_t)got < n && !c->half_closed)
        c->readable = false; /* drained: epoll tells of the next byte */
    *count += (uint64_t)got;
    return got;
}

ssize_t transport_receive(struct conn *c, void *p, size_t n)
{
    ssize_t got;

    if (c->tls == NULL)
        return receive_with(c, p, n, 0, &c->s->stats.bytes_in);
    got = c->readable ? secure_receive(c, p, n) : 0;
    c->s->stats.bytes_in += got > 0 ? (uint64_t)got : 0;
    return got;
}

/* Of a body that was refused no byte may be held: with MSG_TRUNC TCP drops it inside the kernel and
 * scratch stays as it was, see tcp(7). */
ssize_t transport_discard(struct conn *c)
{
    return receive_with(c, c->s->scratch, c->s->limits.chunk, MSG_TRUNC,
                        &c->s->stats.bytes_discarded);
}

/* If the socket's buffer is full of earlier answers the word is lost: the client then sends
 * without.
 */
void transport_word(struct conn *c, const char *word, size_t n)
{
    ssize_t k;

    if (c->tls != NULL) {
        secure_word(c, word, n);
        return;
    }
    k = send(c->fd, word, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)k;
}
