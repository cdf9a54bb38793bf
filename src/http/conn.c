/* conn.c - the life of one connection.  Each step says how it ended: ON (the phase changed, go on),
 * WAIT (nothing to do before epoll, a handler or the clock says so), YIELD (others first).
 *
 * Epoll is edge-triggered and each descriptor is registered once: `readable` stays true until recv
 * says EAGAIN or comes short.  While a request is paused, parked or being answered nothing is
 * received, so what the client sends meanwhile waits in the kernel and slows the client down. */
#include "http/server_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

#define LINGER_BYTES (1u << 20) /* then only the clock ends it */

enum step { ON, WAIT, YIELD };

static const struct http_refusal too_large = {
    413, "too_large", "the body is larger than this path takes",
    "send less; /v1/policy and the ticket name the limits"};
static const struct http_refusal head_late = {
    408, "timeout", "the request head did not arrive in time", "send the whole head at once"};
static const struct http_refusal body_late = {408, "timeout", "the body came too slowly",
                                              "send again over a better connection"};
static const struct http_refusal bad_chunk = {
    400, "bad_chunk", "the chunked body is malformed, or has extensions or trailer fields",
    "send plain chunks: SIZE CRLF DATA CRLF ... 0 CRLF CRLF"};
static const struct http_refusal no_memory = {503, "busy", "out of memory", "try again later"};

/* --- ending
 * ---------------------------------------------------------------------------------------*/

static void end_request(struct conn *c)
{
    struct http_req *r = c->req;

    if (r == NULL)
        return;
    if (r->begun && r->route->gone != NULL)
        r->route->gone(r, c->s->arg);
    answer_drop(r);
    buf_free(&r->body);
    c->req = NULL;
    server_pool_give(&c->s->reqs, r);
}

/* What came in one packet with a head is in here as well. */
static void forget_input(struct conn *c)
{
    if (c->in == NULL)
        return;
    explicit_bzero(c->in, c->in_len);
    server_pool_give(&c->s->ins, c->in);
    c->in = NULL;
    c->in_len = c->in_off = 0;
}

void conn_kill(struct conn *c)
{
    if (c->phase == CONN_DEAD)
        return;
    end_request(c);
    c->phase = CONN_DEAD;
    if (c->s->tls != NULL)
        secure_kill(c);
    io_close(&c->fd);
    forget_input(c);
    server_release(c);
}

static enum step die(struct conn *c)
{
    conn_kill(c);
    return WAIT;
}

/* --- the head
 * -------------------------------------------------------------------------------------*/

static struct http_req *new_request(struct conn *c)
{
    struct http_server *s = c->s;
    struct http_req *r = server_pool_take(&s->reqs, sizeof(*r));

    if (r == NULL)
        return NULL;
    memset(r, 0, offsetof(struct http_req, head));
    r->c = c;
    r->id = ++s->serial << 16 | c->slot;
    r->out_fd = -1;
    r->head.method = HTTP_GET;
    r->head.n_fields = 0;
    r->head.keep_alive = true;
    c->req = r;
    return r;
}

static void start_answer(struct conn *c)
{
    c->phase = CONN_ANSWER;
    c->req->began = clock_mono();
    server_due(c, c->req->began + c->s->limits.send_stall_ms);
}

static enum step refuse(struct conn *c, const struct http_refusal *why)
{
    if (c->req == NULL && new_request(c) == NULL)
        return die(c);
    answer_refuse(c->req, why);
    start_answer(c);
    return ON;
}

static enum step no_route(struct conn *c, unsigned allow)
{
    struct http_req *r = c->req;
    char list[64] = ""; /* all five fit */
    size_t n = 0;

    if (allow == 0) {
        http_error(r, 404, "not_found", "openapi.yaml lists the paths", "there is nothing here");
    } else {
        for (unsigned m = HTTP_GET; m <= HTTP_DELETE; m++)
            if ((allow & 1u << m) != 0)
                n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", n > 0 ? ", " : "",
                                      http_method_name((enum http_method)m));
        http_put_header(r, "Allow", list);
        http_error(r, 405, "method_not_allowed", "use a method of the Allow field",
                   "this path does not take %s", http_method_name(r->head.method));
    }
    start_answer(c);
    return ON;
}

/* All of the request is there and its handler was called: answered, or parked? */
static enum step answer_or_park(struct conn *c)
{
    struct http_req *r = c->req;

    if (r->answered) {
        start_answer(c);
        return ON;
    }
    c->phase = CONN_PARKED;
    server_due(c, r->deadline != 0 ? r->deadline : clock_mono() + c->s->limits.park_ms);
    return ON;
}

static void begin(struct conn *c)
{
    c->req->begun = true;
    c->req->route->begin(c->req, c->s->arg);
}

static enum step start_body(struct conn *c)
{
    struct http_req *r = c->req;

    c->phase = CONN_BODY;
    r->began = clock_mono();
    server_due(c, r->began + c->s->limits.body_stall_ms);
    if (r->route->body_mode == HTTP_BODY_WHOLE) {
        buf_init(&r->body, (size_t)r->route->max_body);
        if (r->head.length != HTTP_LENGTH_CHUNKED &&
            buf_reserve(&r->body, (size_t)r->head.length) != 0)
            return refuse(c, &no_memory);
        return ON;
    }
    if (r->route->body_mode == HTTP_BODY_STREAM)
        begin(c);
    return ON;
}

static enum step head_done(struct conn *c, size_t len)
{
    const struct http_refusal *why;
    struct http_req *r = new_request(c);
    unsigned allow;

    if (r == NULL)
        return die(c);
    if (http_head_parse(&r->head, span_of(c->in, len), &why) != 0) {
        c->s->stats.refused++;
        return refuse(c, why);
    }
    c->in_off = len;
    c->s->stats.requests++;
    r->body_done = r->head.length == 0;
    r->route = route_find(c->s, r->head.method, r->head.text, r->params, &allow);
    if (r->route == NULL)
        return no_route(c, allow);
    if (!r->body_done &&
        (r->route->body_mode == HTTP_BODY_NONE ||
         (r->head.length != HTTP_LENGTH_CHUNKED && r->head.length > r->route->max_body)))
        return refuse(c, &too_large);
    http_chunked_init(&r->chunked);
    return start_body(c);
}

static enum step step_head(struct conn *c)
{
    const struct http_refusal *why;
    long len = 0;
    ssize_t got;

    if (c->in == NULL && (c->in = server_pool_take(&c->s->ins, HTTP_IN_SIZE)) == NULL)
        return die(c);
    if (c->in_len == c->seen) {
        got = c->in_len < HTTP_HEAD_MAX
                  ? transport_receive(c, c->in + c->in_len, HTTP_HEAD_MAX - c->in_len)
                  : 0;
        if (got < 0)
            return die(c);
        c->in_len += (size_t)got;
    }
    if (c->in_len == 0) { /* an idle connection holds no buffer */
        server_pool_give(&c->s->ins, c->in);
        c->in = NULL;
        return c->s->draining ? die(c) : WAIT;
    }
    if (c->phase == CONN_IDLE) {
        c->phase = CONN_HEAD;
        server_due(c, clock_mono() + c->s->limits.head_ms);
    }
    len = http_head_scan(span_of(c->in, c->in_len), c->seen, &why);
    if (len < 0) {
        c->s->stats.refused++;
        return refuse(c, why);
    }
    c->seen = c->in_len;
    if (len > 0)
        return head_done(c, (size_t)len);
    return c->readable ? ON : WAIT;
}

/* --- the body
 * -------------------------------------------------------------------------------------*/

static bool too_slow(const struct conn *c, uint64_t bytes, mono_ms spent)
{
    const struct http_limits *l = &c->s->limits;

    return spent > (mono_ms)l->body_stall_ms &&
           bytes < (uint64_t)spent / 1000 * (uint64_t)l->body_min_rate;
}

static enum step body_came(struct conn *c, struct span data)
{
    struct http_req *r = c->req;
    mono_ms now = clock_mono();

    if (data.n == 0)
        return ON;
    r->body_in += data.n;
    if (r->body_in > r->route->max_body)
        return refuse(c, &too_large);
    if (too_slow(c, r->body_in, now - r->began - r->paused_ms)) {
        c->s->stats.timeouts++;
        return refuse(c, &body_late);
    }
    server_due(c, now + c->s->limits.body_stall_ms);
    if (r->route->body_mode == HTTP_BODY_STREAM)
        r->route->body(r, data, c->s->arg);
    else if (buf_put(&r->body, data.p, data.n) != 0)
        return refuse(c, &no_memory);
    return ON;
}

/* How much may be taken now, and where to; 0: paused. */
static size_t room_for_body(struct conn *c, uint8_t **into)
{
    struct http_req *r = c->req;
    size_t n = c->s->limits.chunk;

    *into = NULL;
    if (r->route->body_mode == HTTP_BODY_STREAM && r->route->room != NULL) {
        size_t room = r->route->room(r, into, c->s->arg);

        n = room < n ? room : n;
    }
    if (n == 0) {
        r->paused = true;
        r->paused_at = clock_mono();
        server_due(c, r->deadline != 0 ? r->deadline : r->paused_at + c->s->limits.park_ms);
    }
    return n;
}

/* The client waits for the word before it sends (RFC 9110 section 10.1.1). */
static void invite(struct conn *c)
{
    static const char word[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (c->req->head.expect_continue && !c->req->continued)
        transport_word(c, word, sizeof(word) - 1);
    c->req->continued = true;
}

static enum step body_plain(struct conn *c, size_t room, uint8_t *into)
{
    struct http_req *r = c->req;
    uint64_t left = r->head.length - r->body_in;
    size_t have = c->in_len - c->in_off, want = left < room ? (size_t)left : room;
    struct span data;
    enum step step;

    if (have > 0) {
        data = span_of(c->in + c->in_off, have < want ? have : want);
        c->in_off += data.n;
        if (into != NULL)
            data.p = memcpy(into, data.p, data.n);
    } else {
        ssize_t got;

        invite(c);
        got = transport_receive(c, into != NULL ? into : c->s->scratch, want);
        if (got < 0)
            return die(c);
        if (got == 0)
            return WAIT;
        data = span_of(into != NULL ? into : c->s->scratch, (size_t)got);
    }
    step = body_came(c, data);
    r->body_done = r->body_in == r->head.length;
    return step;
}

/* Chunks are received behind the head in `in`, so that what follows the body stays there. */
static enum step body_chunked(struct conn *c, size_t room, uint8_t *into)
{
    struct http_req *r = c->req;
    size_t have = c->in_len - c->in_off, used;
    struct span data;
    enum step step;
    int rc;

    if (have == 0) {
        size_t head = (size_t)(r->head.fields[r->head.n_fields - 1].value.p - c->in) +
                      r->head.fields[r->head.n_fields - 1].value.n; /* spans point below this */
        ssize_t got;

        invite(c);
        got = transport_receive(c, c->in + head, HTTP_IN_SIZE - head);
        if (got < 0)
            return die(c);
        if (got == 0)
            return WAIT;
        c->in_off = head;
        c->in_len = head + (size_t)got;
        have = (size_t)got;
    }
    rc = http_chunked_step(&r->chunked, span_of(c->in + c->in_off, have < room ? have : room),
                           &used, &data);
    if (rc < 0)
        return refuse(c, &bad_chunk);
    c->in_off += used;
    if (into != NULL && data.n > 0)
        data.p = memcpy(into, data.p, data.n);
    step = body_came(c, data);
    r->body_done = rc == 1;
    return step;
}

static enum step step_body(struct conn *c)
{
    struct http_req *r = c->req;
    uint8_t *into;
    size_t room;
    enum step step;

    if (r->answered) { /* by body(), or from outside in the middle */
        start_answer(c);
        return ON;
    }
    if (r->body_done) {
        if (r->route->body_mode == HTTP_BODY_STREAM)
            r->route->end(r, c->s->arg);
        else
            begin(c);
        return answer_or_park(c);
    }
    if (r->paused || (room = room_for_body(c, &into)) == 0)
        return WAIT;
    if (r->head.length == HTTP_LENGTH_CHUNKED)
        step = body_chunked(c, room, into);
    else
        step = body_plain(c, room, into);
    if (step == ON && c->phase == CONN_BODY && !r->body_done && !r->answered)
        return c->readable || c->in_len > c->in_off ? YIELD : WAIT;
    return step;
}

/* --- answer and afterwards
 * -------------------------------------------------------------------------*/

static enum step next_request(struct conn *c)
{
    size_t rest = c->in_len - c->in_off;

    end_request(c);
    memmove(c->in, c->in + c->in_off, rest);
    c->in_len = rest;
    c->in_off = c->seen = 0;
    c->phase = CONN_IDLE;
    server_due(c, clock_mono() + c->s->limits.idle_ms);
    return rest > 0 ? YIELD : ON;
}

static enum step answer_done(struct conn *c)
{
    struct http_req *r = c->req;
    bool linger = !r->body_done;

    if (!r->close)
        return next_request(c);
    end_request(c);
    if (!linger)
        return die(c);
    forget_input(c);
    if (c->tls != NULL)
        secure_end(c);
    (void)shutdown(c->fd, SHUT_WR);
    c->phase = CONN_LINGER;
    server_due(c, clock_mono() + c->s->limits.linger_ms);
    return ON;
}

static enum step step_answer(struct conn *c)
{
    struct http_req *r = c->req;
    uint64_t before = r->sent;
    enum http_sent rc;
    mono_ms now;

    if (!c->writable)
        return WAIT;
    rc = answer_send(r);
    if (rc == SENT_FAILED)
        return die(c);
    if (rc == SENT_ALL)
        return answer_done(c);
    if (r->sent > before) {
        now = clock_mono();
        if (too_slow(c, r->sent, now - r->began)) {
            c->s->stats.timeouts++;
            return die(c);
        }
        server_due(c, now + c->s->limits.send_stall_ms);
    }
    return c->writable ? YIELD : WAIT;
}

static enum step step_linger(struct conn *c)
{
    ssize_t got;

    if (c->discarded >= LINGER_BYTES)
        return WAIT;
    got = transport_discard(c);
    if (got < 0)
        return die(c);
    c->discarded += (uint64_t)got;
    return got > 0 ? YIELD : WAIT;
}

static enum step step_parked(struct conn *c)
{
    struct http_req *r = c->req;

    if (r->answered) {
        start_answer(c);
        return ON;
    }
    if (r->long_poll && c->half_closed)
        return die(c);
    if (r->long_poll && c->s->draining)
        conn_due(c);
    return c->phase == CONN_PARKED ? WAIT : ON;
}

static enum step step(struct conn *c)
{
    switch (c->phase) {
    case CONN_SHAKE:
        return secure_step(c) ? WAIT : die(c);
    case CONN_IDLE:
    case CONN_HEAD:
        return step_head(c);
    case CONN_BODY:
        return step_body(c);
    case CONN_PARKED:
        return step_parked(c);
    case CONN_ANSWER:
        return step_answer(c);
    case CONN_LINGER:
        return step_linger(c);
    default:
        return WAIT;
    }
}

void conn_run(struct conn *c)
{
    enum step s;

    do
        s = step(c);
    while (s == ON);
    if (s == YIELD)
        server_ready(c);
}

/* --- deadlines
 * ------------------------------------------------------------------------------------*/

static void too_late(struct conn *c)
{
    struct http_req *r = c->req;

    if (r->route->late != NULL && r->begun)
        r->route->late(r, c->s->arg);
    if (!r->answered) {
        c->s->stats.timeouts++;
        http_put_header(r, "Retry-After", "1");
        http_error(r, 503, "busy", "try again after the seconds of Retry-After",
                   "the site could not finish this request in time");
    }
    start_answer(c);
}

void conn_due(struct conn *c)
{
    switch (c->phase) {
    case CONN_SHAKE:
        secure_late(c);
        conn_kill(c);
        return;
    case CONN_HEAD:
        c->s->stats.timeouts++;
        (void)refuse(c, &head_late);
        break;
    case CONN_BODY:
        if (c->req->paused) {
            too_late(c);
            break;
        }
        c->s->stats.timeouts++;
        (void)refuse(c, &body_late);
        break;
    case CONN_PARKED:
        too_late(c);
        break;
    default:
        conn_kill(c);
        return;
    }
    server_ready(c);
}
