/* server.h - HTTP/1.1 for one thread: routes from a const table, bodies in chunks or whole,
 * answers now or later, one descriptor to poll.
 *
 * A request passes these steps:
 *
 * - head: it is complete and passed the gate (http/head.h, docs/http-gate.md), a route fits, the
 *   declared length is within max_body.  Nothing of the body has been read beyond what came with
 *   the head.  STREAM routes: begin() is called now.  It may answer at once: the body is then never
 *   read and the connection is closed after the answer.
 *
 * - body: a STREAM route's body() gets chunks as they come, never more than room() said could be
 *   taken.  room() 0 is back-pressure: nothing more is read from the client until http_resume().
 *   For a WHOLE route the server collects up to max_body bytes.
 *
 * - end: all of the body is there.  WHOLE and NONE routes: begin() is called now.  STREAM: end().
 *
 * - answer: exactly one of http_answer*() or http_error().  A callback that returns without one has
 *   parked the request: answer it later from outside (http_find).  A parked or paused request has a
 *   deadline (http_deadline, else limits.park_ms): then late() is called, and if that is NULL or
 *   does not answer, the client gets 503.
 *
 * - gone: called exactly once for every request whose begin() was called: the answer is sent, the
 *   client left, or the server stops.  Release the context here.  The request is invalid
 *   afterwards.  It is never called from within another callback of the same request.
 *
 * No callback may call http_server_run or http_server_free.  All runs in the thread that calls
 * http_server_run; no function here may be called from another.  http_server_new makes the process
 * ignore SIGPIPE.
 *
 * All error answers, also those the server makes itself, are
 * {"error":{"code":"<word>","message":"<sentence>","cure":"<sentence>"}}.
 *
 * HEAD is served by the GET route, without a body.  After an answer to a request whose body was not
 * read, the sending side is shut and what the client still sends is thrown away for
 * limits.linger_ms, so that a client in the middle of its upload can read the answer; it never
 * reaches this process's memory (TCP), and what came with the head is wiped.  A client
 * that shuts its sending side during a long poll counts as having left.
 *
 * libmicrohttpd is not used: what it hides of the raw bytes is what a gate must see. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/defs.h"
#include "base/err.h"
#include "crypto/tls.h"
#include "http/head.h"

struct http_server;
struct http_req; /* one request in flight; lives from begin() to gone() */

enum http_body_mode {
    HTTP_BODY_NONE,  /* a request with a body is refused: 413 */
    HTTP_BODY_WHOLE, /* http_body() has all of it in begin() */
    HTTP_BODY_STREAM,
};

struct http_route {
    enum http_method method; /* a GET route serves HEAD too */
    const char *pattern;     /* "/v1/submissions/{sub}/content"; {name} is one non-empty segment, a
                                last "{name...}" is the non-empty rest with its slashes */
    enum http_body_mode body_mode;
    uint64_t max_body; /* bytes; 413 before the first byte is read, chunked: when exceeded */
    void (*begin)(struct http_req *r, void *arg);
    /* STREAM: how many bytes body() can take now.  May set *into to memory of that size: the bytes
     * are then received right there and body()'s chunk points at it.  NULL: always enough. */
    size_t (*room)(struct http_req *r, uint8_t **into, void *arg);
    void (*body)(struct http_req *r, struct span chunk, void *arg); /* STREAM: must take all */
    void (*end)(struct http_req *r, void *arg);                     /* STREAM */
    void (*late)(struct http_req *r, void *arg);                    /* may be NULL */
    void (*gone)(struct http_req *r, void *arg);                    /* may be NULL */
};

struct http_limits {           /* zero in a field: the default in brackets */
    size_t connections;        /* [2,048] in all; beyond: one that has been idle for a second is
                                  closed, or if there is none: 503 and close */
    size_t connections_per_ip; /* [256] TCP only, IPv6 by /64; beyond: 429 and close */
    size_t chunk;              /* [256 KiB] most bytes one read takes and one body() gets */
    uint32_t head_ms;          /* [10,000] from a head's first byte to its end: 408 */
    uint32_t idle_ms;          /* [60,000] a kept connection without a request: closed */
    uint32_t body_stall_ms;    /* [20,000] without one byte of the body: 408 */
    uint32_t body_min_rate;    /* [4,096] bytes a second, averaged since the head, from
                                  body_stall_ms on; time spent paused by us does not count: 408 */
    uint32_t send_stall_ms;    /* [20,000] the client takes nothing of the answer: closed */
    uint32_t park_ms;          /* [30,000] a request parked or paused without http_deadline: 503 */
    uint32_t linger_ms;        /* [2,000] see above */
    uint32_t handshake_ms; /* [10,000] TLS: from the connection to the handshake's end: closed */
};

struct http_stats { /* counts since http_server_new, except active and parked */
    uint64_t accepted, active, parked;
    uint64_t requests;    /* heads that passed the gate */
    uint64_t refused;     /* heads the gate refused */
    uint64_t over_limit;  /* connections turned away */
    uint64_t idle_closed; /* idle ones closed early to make room */
    uint64_t timeouts;    /* 408, late and stalled */
    uint64_t answers[6];  /* by first digit of the status; [0] unused */
    uint64_t bytes_in, bytes_out;
    uint64_t bytes_discarded; /* of refused bodies, thrown away unread while lingering */
    uint64_t handshakes, handshakes_failed; /* TLS */
};

/* routes (n of them, ended by nothing) are lent and must outlive the server; arg is handed to every
 * callback.  limits may be NULL.  -EINVAL: a pattern is malformed or a callback is missing. */
MUST_CHECK int http_server_new(struct http_server **out, const struct http_route *routes, size_t n,
                               const struct http_limits *limits, void *arg, struct err *e);
/* Closes everything at once; every request in flight gets gone().  NULL is fine. */
void http_server_free(struct http_server *s);

/* Before http_server_listen: all listeners speak TLS.  tls is lent, must have its certificate, and
 * outlives the server; its signing function is called in threads of the server's, which begin with
 * the first handshake, and may block there (in a jail without files: set M_ARENA_MAX to 1 before,
 * see front_tls.c).  shaken (may be NULL) hears of each handshake that
 * ended, why is NULL or says why it failed (a static text).  Connections beyond a limit are closed
 * without a word.  All else, limits and deadlines too, is as without TLS; bytes are counted as
 * HTTP has them. */
typedef void (*http_shake_fn)(void *arg, const char *why);
MUST_CHECK int http_server_secure(struct http_server *s, struct tls_server *tls,
                                  http_shake_fn shaken, struct err *e);

/* Opens a listening socket, close-on-exec: "127.0.0.1:8080", "[::1]:0", or "unix:/path" (mode 0600
 * of umask 0177; a stale socket nobody listens on is replaced).  The address is numeric.  Made to
 * be called by a supervisor that passes the descriptor on. */
MUST_CHECK int http_listen(int *fd, const char *address, struct err *e);
/* The bound address of a listening descriptor as text in http_listen's form ("127.0.0.1:41234"). */
MUST_CHECK int http_listen_name(int fd, char *out, size_t cap);
/* Serves what connects there.  Takes fd (also on failure).  At most 8. */
MUST_CHECK int http_server_listen(struct http_server *s, int fd, struct err *e);

/* --- the loop: poll http_server_fd for reading, at most http_server_wait ms, then run -----------
 */
int http_server_fd(const struct http_server *s);   /* an epoll descriptor */
int http_server_wait(const struct http_server *s); /* ms to the next deadline; -1: none */
/* Handles all that is ready and due; never blocks.  0, or -errno if epoll itself failed. */
MUST_CHECK int http_server_run(struct http_server *s);

/* Stops accepting, closes idle connections, lets requests in flight finish, each answer says
 * Connection: close.  What is left after ms is closed.  Calling again only shortens. */
void http_server_drain(struct http_server *s, uint32_t ms);
bool http_server_drained(const struct http_server *s); /* draining, and no connection is left */
void http_server_stats(const struct http_server *s, struct http_stats *out);

/* --- the request --------------------------------------------------------------------------------
 */
/* A number never reused in this server: keep this, not the pointer, across a wait. */
uint64_t http_id(const struct http_req *r);
struct http_req *http_find(struct http_server *s, uint64_t id); /* NULL: it is gone or answered */

const struct http_route *http_route(const struct http_req *r);
enum http_method http_method(const struct http_req *r); /* HEAD shows as HTTP_HEAD */
struct span http_path(const struct http_req *r);        /* decoded, checked (head.h) */
/* Spans live as long as the request.  p is NULL if absent. */
struct span http_param(const struct http_req *r, const char *name); /* of the pattern */
/* Value of the first "name=value" of the query, percent-decoded; "+" stays. */
struct span http_query(const struct http_req *r, const char *name);
/* A header's value, name in lower case.  If the client sent it more than once: the first. */
struct span http_header(const struct http_req *r, const char *name);
uint64_t
http_length(const struct http_req *r); /* declared; HTTP_LENGTH_CHUNKED if chunked, 0 if none */
struct span http_body(const struct http_req *r); /* WHOLE routes */
/* "127.0.0.1" or "unix"; for quotas only, never for logs. */
const char *http_peer(const struct http_req *r);
/* The handler's own pointer, NULL at first. */
void http_set_context(struct http_req *r, void *ctx);
void *http_context(const struct http_req *r);

/* While parked or paused: late() at ms from now.  Replaces what was set before. */
void http_deadline(struct http_req *r, uint32_t ms);
/* As http_deadline, for a client that waits for news: a drain calls late() at once. */
void http_long_poll(struct http_req *r, uint32_t ms);
/* A paused body may flow again: room() and body() are called from the next http_server_run. */
void http_resume(struct http_req *r);

/* --- the answer ----------------------------------------------------------------------------------
 * Headers first (at most 2 KiB in all; name and value must be clean, assert), then one of the four.
 * Date, Content-Length, Connection, X-Content-Type-Options are the server's.  If the answer cannot
 * be built for want of memory the connection is closed. */
void http_put_header(struct http_req *r, const char *name, const char *value);
#define HTTP_CACHE_FOREVER "public, max-age=31536000, immutable" /* for Cache-Control */
#define HTTP_CACHE_NEVER "no-store"
/* Sets ETag; if the request's If-None-Match has it, answers 304 and returns true: then done. */
bool http_etag(struct http_req *r, const char *quoted);
void http_answer(struct http_req *r, int status, const char *type, struct span body); /* copied */
void http_answer_take(struct http_req *r, int status, const char *type,
                      struct buf *body); /* emptied */
/* len bytes of fd from off, by sendfile(2).  Takes fd. */
void http_answer_fd(struct http_req *r, int status, const char *type, int fd, uint64_t off,
                    uint64_t len);
/* code: a word of docs/openapi.yaml; cure: what the client can do, may be NULL. */
void http_error(struct http_req *r, int status, const char *code, const char *cure, const char *fmt,
                ...) PRINTF_LIKE(5, 6);
/* The connection closes after this answer (implied by an early answer). */
void http_close_after(struct http_req *r);

#endif
