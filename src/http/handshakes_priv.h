/* handshakes_priv.h - TLS handshakes in a few threads, because one of their steps asks another
 * process for a signature and waits: the loop of the server goes on meanwhile.
 *
 * A handshake is handed over by handshakes_put and comes back by handshakes_take, either over or in
 * need of more from the socket; in between only the threads touch its session.  Whoever must get
 * rid of it earlier marks it `left` (and never looks at it again): it comes back all the same, and
 * is then closed with its socket. */
#ifndef HTTP_HANDSHAKES_PRIV_H
#define HTTP_HANDSHAKES_PRIV_H

#include <sys/queue.h>

#include "crypto/tls.h"

struct handshake {
    STAILQ_ENTRY(handshake) next;
    struct tls_session *tls;
    void *conn;      /* NULL: its connection was closed meanwhile */
    int left;        /* then: the socket to close, else -1 */
    int rc;          /* of tls_handshake */
    const char *why; /* of -EPROTO */
};

struct handshakes;
MUST_CHECK int handshakes_new(struct handshakes **out, unsigned threads);
/* Waits for the threads: at most as long as the signing function of a handshake does. */
void handshakes_free(struct handshakes *p);
int handshakes_fd(const struct handshakes *p); /* readable when one came back */
/* The threads begin with the first one, so that a process may be jailed (alone) before.  0 or
 * -errno: it was not taken. */
MUST_CHECK int handshakes_put(struct handshakes *p, struct handshake *h);
struct handshake *handshakes_take(struct handshakes *p); /* NULL: none now */

#endif
