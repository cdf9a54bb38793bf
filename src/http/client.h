/* client.h - HTTP requests, many at once over kept connections, for one thread.
 * Only http:// and https:// (TLS 1.2 or later; certificates are checked against the system's store
 * or a file of authorities, and a call may pin the server's key).  Redirects are never
 * followed: 307 and 421 are answers like others.  Nothing is retried here.  Proxies of the
 * environment are not used: where bytes may go stands in a configuration.
 *
 * http_client_new, then http_client_start (any number, also from done()), http_client_run,
 * http_client_free;
 * or http_client_do for one request, or fd/wait/step inside somebody else's loop. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/defs.h"
#include "base/err.h"
#include "http/head.h"

struct http_client;

struct http_client_limits { /* zero in a field: the default in brackets */
    uint32_t connections;   /* [128] kept open in all */
    uint32_t per_host;      /* [128] further requests wait their turn */
    uint32_t connect_ms;    /* [10,000] */
    uint32_t total_ms;      /* [0: none] of one request, waiting for its turn included */
    uint32_t stall_ms;   /* [30,000] with less than stall_rate bytes a second in either direction */
    uint32_t stall_rate; /* [1] */
    uint64_t max_answer; /* [1 MiB] bytes of the answer's body: -E2BIG */
    const char *authorities; /* [the system's] PEM file, read at each new connection; lent */
};

struct http_result {
    int status;      /* 0: no answer came, rc says why */
    int rc;          /* 0; -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -E2BIG, -EPROTO,
                        -EBADMSG (certificate), -EINVAL (URL), -EIO, -ECANCELED */
    struct err err;  /* sentence naming the URL without credentials and query, and a cure */
    struct buf body; /* empty after the callback unless detached or moved */
    struct buf head; /* header lines of the final answer, for http_result_header */
    uint64_t sent;   /* bytes of our body that left */
};
/* The value of a header of the answer (name in lower case; first one); p is NULL if absent. */
struct span http_result_header(const struct http_result *a, const char *lower);

struct http_call {
    enum http_method method;
    const char *url;       /* "http://127.0.0.1:8080/v1/policy"; copied */
    const char *unix_path; /* connect there instead of to the URL's host; may be NULL; copied */
    const char *const *headers; /* "Name: value", ended by NULL; may be NULL; copied */
    const char *pin; /* "sha256//BASE64" of the server's public key, beside all other checks; may be
                        NULL; copied */
    struct span body; /* POST, PUT: memory, lent until done(); or */
    int body_fd;      /* 0 or less: none.  Read with pread from body_off; lent until done() */
    uint64_t body_off, body_len;
    bool expect;         /* send Expect: 100-continue: a refused body is not sent.  Waits 1 s for
                            the word, then sends anyway (RFC 9110 section 10.1.1) */
    uint32_t total_ms;   /* 0: the client's */
    uint64_t max_answer; /* 0: the client's */
    /* If set, the body of an answer 200 goes here as it comes, not into result.body; max_answer
     * holds for it too.  Other than 0 ends the call with that as its rc.  Must not call into the
     * client. */
    int (*take)(const void *p, size_t n, void *take_arg);
    void *take_arg;
    /* Called exactly once, from step/run/do/free (free: -ECANCELED).  May start new calls. */
    void (*done)(struct http_result *a, void *arg);
    /* Called now and then with the body bytes sent so far; may be NULL.  Must not call into the
     * client. */
    void (*progress)(uint64_t sent, uint64_t total, void *arg);
    void *arg;
};

/* limits may be NULL */
MUST_CHECK int http_client_new(struct http_client **out, const struct http_client_limits *limits,
                               struct err *e);
void http_client_free(struct http_client *c); /* what is in flight ends with -ECANCELED */

/* -EINVAL: URL, header or method makes no sense (done is then not called). */
MUST_CHECK int http_client_start(struct http_client *c, const struct http_call *call,
                                 struct err *e);
size_t http_client_in_flight(const struct http_client *c);

/* Until nothing is in flight, or *stop becomes true (may be NULL).  0 or -errno of the loop. */
MUST_CHECK int http_client_run(struct http_client *c, const volatile bool *stop, struct err *e);
/* One request, blocking; others in flight proceed meanwhile.  *out is the caller's
 * (http_result_free), filled also on failure.  Returns out->rc.  call's done, progress and arg are
 * not used.
 */
MUST_CHECK int http_client_do(struct http_client *c, const struct http_call *call,
                              struct http_result *out, struct err *e);
void http_result_free(struct http_result *a);

/* Somebody else's loop: poll fd for reading, at most wait ms (-1: for ever), then step. */
int http_client_fd(const struct http_client *c);
int http_client_wait(const struct http_client *c);
MUST_CHECK int http_client_step(struct http_client *c);

#endif
