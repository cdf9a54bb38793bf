/* server_priv.h - what the parts of the server share: server.c (loop, deadlines, limits), conn.c
 * (the steps of one connection), answer.c (building and sending), request.c (what handlers ask),
 * route.c, transport.c,
 * secure.c (TLS). */
#ifndef HTTP_SERVER_PRIV_H
#define HTTP_SERVER_PRIV_H

#include <sys/queue.h>
#include <sys/socket.h>

#include "http/server.h"

#define HTTP_PARAMS_MAX 4
#define HTTP_EXTRA_MAX 2048              /* headers of a handler */
#define HTTP_IN_SIZE (2 * HTTP_HEAD_MAX) /* the second half receives chunked bodies */

struct conn;

enum http_sent { SENT_ALL, SENT_PART, SENT_FAILED };

struct http_req {
    struct conn *c;
    uint64_t id;
    const struct http_route *route; /* NULL: refused before one was found */
    void *context;
    struct span params[HTTP_PARAMS_MAX]; /* in the order of the pattern */
    struct http_chunked chunked;
    struct buf body; /* WHOLE */
    uint64_t body_in;
    bool body_done;
    bool begun;     /* gone() is owed */
    bool answered;  /* the answer is built */
    bool close;     /* after the answer */
    bool continued; /* 100 was said */
    bool paused;
    bool long_poll;
    bool late;        /* the deadline passed */
    mono_ms deadline; /* set by the handler; 0: none */
    mono_ms began;    /* of the body, then of the answer */
    mono_ms paused_at;
    mono_ms paused_ms; /* in all */
    /* the answer */
    int status;
    struct buf out;
    int out_fd;
    uint64_t out_off, out_len; /* of out_fd */
    size_t head_len;
    uint64_t sent;
    size_t extra_len;
    /* not cleared for each request */
    struct http_head head;
    char extra[HTTP_EXTRA_MAX];
    char head_text[HTTP_EXTRA_MAX + 512];
};

enum conn_phase {
    CONN_SHAKE,  /* TLS: before the handshake's end */
    CONN_IDLE,   /* no byte of a request */
    CONN_HEAD,   /* some */
    CONN_BODY,   /* reading, or paused */
    CONN_PARKED, /* nothing more to read, no answer yet */
    CONN_ANSWER, /* sending */
    CONN_LINGER, /* answered without having read all; throwing the rest away */
    CONN_DEAD,
};

enum poll_kind { POLL_LISTENER, POLL_CONN, POLL_SHAKES };

struct http_listener {
    enum poll_kind kind; /* first: what epoll hands back */
    int fd;
};

struct http_peer {
    struct http_peer *next;
    uint8_t addr[16];
    size_t count;
};

struct conn {
    enum poll_kind kind; /* first */
    int fd;
    struct http_server *s;
    enum conn_phase phase;
    size_t slot;
    bool readable, writable, half_closed; /* as epoll's edges said */
    bool queued;
    TAILQ_ENTRY(conn) next; /* ready, or dead */
    uint8_t *in;            /* HTTP_IN_SIZE; NULL while idle and empty */
    size_t in_len;          /* bytes there */
    size_t in_off;          /* bytes of them consumed (head, body) */
    size_t seen;            /* scanned for the head's end */
    struct http_req *req;
    uint64_t discarded; /* lingering */
    mono_ms due;        /* the real deadline; the heap may still say an earlier one */
    mono_ms heap_due;
    size_t heap_at;
    struct http_peer *peer;
    struct tls_session *tls; /* established; NULL: none, or ended */
    struct handshake *shake; /* CONN_SHAKE, from the first byte on */
    bool shaking;            /* the threads have it */
    char peer_name[48];
};

TAILQ_HEAD(conn_list, conn);

#define HTTP_POOL 128
struct http_pool { /* a few freed blocks of one size */
    void *items[HTTP_POOL];
    size_t n;
};

#define HTTP_LISTENERS 8
#define HTTP_PEER_BUCKETS 1024

struct http_server {
    const struct http_route *routes;
    size_t n_routes;
    struct http_limits limits;
    void *arg;
    int epfd;
    struct http_listener listeners[HTTP_LISTENERS];
    size_t n_listeners;
    mono_ms accept_again; /* 0, or when to accept again after EMFILE */
    struct conn **slots;  /* by slot; NULL is free */
    size_t *free_slots;
    size_t n_free;
    size_t room_at;     /* where the next look for an idle connection begins */
    struct conn **heap; /* by heap_due */
    size_t n_heap;
    struct conn_list ready, dead;
    uint64_t serial;
    struct http_peer *peers[HTTP_PEER_BUCKETS];
    struct http_pool ins, reqs;
    uint8_t *scratch;       /* limits.chunk */
    struct tls_server *tls; /* NULL: none */
    struct handshakes *shakes;
    enum poll_kind shakes_kind; /* what epoll hands back for them */
    http_shake_fn shaken;
    bool draining;
    mono_ms drain_due;
    struct http_stats stats;
};

/* server.c */
void server_ready(struct conn *c);           /* run it in the next turn */
void server_due(struct conn *c, mono_ms at); /* its deadline from now on */
void server_release(struct conn *c);         /* slot, heap, peer; c is freed after the turn */
void *server_pool_take(struct http_pool *p, size_t size); /* uninitialized; NULL: no memory */
void server_pool_give(struct http_pool *p, void *item);

/* conn.c */
void conn_run(struct conn *c);  /* as far as it goes; may end dead */
void conn_due(struct conn *c);  /* the deadline has passed */
void conn_kill(struct conn *c); /* gone() if owed, closed */
/* transport.c: >0 bytes; 0: nothing now; -1: the client has ended or broken the connection */
ssize_t transport_receive(struct conn *c, void *p, size_t n);
ssize_t transport_discard(struct conn *c); /* of a refused body, held nowhere */
void transport_word(struct conn *c, const char *word, size_t n); /* if it can be sent now */
/* answer.c */
enum http_sent answer_send(struct http_req *r);
void answer_refuse(struct http_req *r, const struct http_refusal *why);
void answer_drop(struct http_req *r); /* frees what an answer holds */
/* secure.c: only for connections with TLS, CONN_SHAKE included */
bool secure_step(struct conn *c); /* CONN_SHAKE: false: kill it */
void secure_late(struct conn *c); /* the handshake's deadline; then kill it */
void secure_kill(struct conn *c); /* what conn_kill owes to TLS; may keep the descriptor */
void secure_end(struct conn *c);  /* close_notify; nothing is decrypted any more */
void secure_collect(struct http_server *s); /* handshakes that came back */
void secure_free(struct http_server *s);
ssize_t secure_receive(struct conn *c, void *p, size_t n);    /* >0, 0: nothing now, -1: over */
void secure_word(struct conn *c, const char *word, size_t n); /* if it can be sent now */
enum http_sent secure_send(struct http_req *r);
/* route.c */
int route_check(const struct http_route *r, struct err *e);
/* The route for path and method.  NULL: *allow is the bit set (1 << method) of those that would
 * fit. */
const struct http_route *route_find(const struct http_server *s, enum http_method m,
                                    const char *path, struct span *params, unsigned *allow);

#endif
