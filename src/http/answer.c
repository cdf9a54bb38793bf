/* answer.c - an answer is a head text, then bytes of memory or of a descriptor. */
#include "http/server_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"

#define ERROR_MAX 4096
#define SENDFILE_MAX (1u << 20) /* a turn */

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

static const char *phrase_of(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Answer";
}

/* IMF-fixdate (RFC 9110 section 5.6.7), not by strftime: that would follow the locale. */
static void date_text(char *out, size_t cap)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    unix_time now = clock_now();
    char t[CLOCK_SECOND_LEN + 1]; /* "2026-11-23T20:51:07Z" */
    unsigned month;

    /* not by gmtime_r, which opens the time zone's file: a jailed front may open none */
    clock_second(t, now);
    month = (unsigned)(t[5] - '0') * 10 + (unsigned)(t[6] - '0');
    (void)snprintf(out, cap, "%.3s, %.2s %.3s %.4s %.8s GMT",
                   days[(unsigned)((now / 86400 + 4) % 7)], t + 8, months[(month + 11) % 12], t,
                   t + 11); /* day 0 was a Thursday */
}

static bool is_clean(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e)
            return false;
    return true;
}

void http_put_header(struct http_req *r, const char *name, const char *value)
{
    size_t room = sizeof(r->extra) - r->extra_len;
    int n;

    assert(!r->answered && is_clean(name) && is_clean(value));
    n = snprintf(r->extra + r->extra_len, room, "%s: %s\r\n", name, value);
    assert(n > 0 && (size_t)n < room);
    r->extra_len += (size_t)n;
}

void http_close_after(struct http_req *r)
{
    r->close = true;
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

/* From here on the answer goes out in the next turn. */
static void build(struct http_req *r, int status, const char *type, uint64_t len)
{
    struct http_server *s = r->c->s;
    char date[40], kind[160] = "";
    int n;

    assert(!r->answered);
    /* what was not read would be taken for the next request */
    if (!r->body_done || !r->head.keep_alive || s->draining)
        r->close = true;
    date_text(date, sizeof(date));
    if (has_no_body(status))
        len = 0;
    else
        (void)snprintf(kind, sizeof(kind), "Content-Type: %s\r\nContent-Length: %llu\r\n", type,
                       (unsigned long long)len);
    n = snprintf(r->head_text, sizeof(r->head_text),
                 "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%sX-Content-Type-Options: nosniff\r\n%.*s\r\n",
                 status, phrase_of(status), date, kind, r->close ? "Connection: close\r\n" : "",
                 (int)r->extra_len, r->extra);
    assert(n > 0 && (size_t)n < sizeof(r->head_text));
    r->head_len = (size_t)n;
    if (r->head.method == HTTP_HEAD || has_no_body(status)) {
        buf_free(&r->out);
        io_close(&r->out_fd);
        r->out_len = 0;
    }
    r->status = status;
    r->answered = true;
    s->stats.answers[status / 100 % 6]++;
    server_ready(r->c);
}

void http_answer_take(struct http_req *r, int status, const char *type, struct buf *body)
{
    size_t max = body->max;

    r->out = *body;
    buf_init(body, max);
    build(r, status, type, r->out.len);
}

void http_answer(struct http_req *r, int status, const char *type, struct span body)
{
    buf_init(&r->out, SIZE_MAX);
    if (buf_put(&r->out, body.p, body.n) != 0) {
        static const struct http_refusal memory = {503, "busy", "out of memory", "try again later"};

        answer_refuse(r, &memory);
        return;
    }
    build(r, status, type, body.n);
}

void http_answer_fd(struct http_req *r, int status, const char *type, int fd, uint64_t off,
                    uint64_t len)
{
    r->out_fd = fd;
    r->out_off = off;
    r->out_len = len;
    build(r, status, type, len);
}

bool http_etag(struct http_req *r, const char *quoted)
{
    struct span have = http_header(r, "if-none-match");

    http_put_header(r, "ETag", quoted);
    if (!span_is(have, quoted))
        return false;
    build(r, 304, NULL, 0);
    return true;
}

/* --- errors
 * ---------------------------------------------------------------------------------------*/

static int put_member(struct buf *b, const char *name, const char *value)
{
    struct buf plain;
    int rc;

    buf_init(&plain, ERROR_MAX);
    if ((rc = buf_puts(b, name)) == 0 && (rc = text_plain(&plain, span_str(value))) == 0)
        rc = text_json_string(b, buf_span(&plain));
    buf_free(&plain);
    return rc;
}

static int error_body(struct buf *b, const char *code, const char *message, const char *cure)
{
    int rc;

    if ((rc = put_member(b, "{\"error\":{\"code\":", code)) != 0 ||
        (rc = put_member(b, ",\"message\":", message)) != 0)
        return rc;
    if (cure != NULL && (rc = put_member(b, ",\"cure\":", cure)) != 0)
        return rc;
    return buf_puts(b, "}}\n");
}

static void answer_error(struct http_req *r, int status, const char *code, const char *message,
                         const char *cure)
{
    buf_free(&r->out);
    buf_init(&r->out, ERROR_MAX);
    if (error_body(&r->out, code, message, cure) != 0)
        r->out.len = 0; /* the status alone must do */
    build(r, status, "application/json", r->out.len);
}

void http_error(struct http_req *r, int status, const char *code, const char *cure, const char *fmt,
                ...)
{
    char message[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    answer_error(r, status, code, message, cure);
}

void answer_refuse(struct http_req *r, const struct http_refusal *why)
{
    r->close = true;
    answer_error(r, why->status, why->code, why->message, why->cure);
}

void answer_drop(struct http_req *r)
{
    buf_free(&r->out);
    io_close(&r->out_fd);
}

/* --- sending
 * --------------------------------------------------------------------------------------*/

static enum http_sent sent_or_failed(struct http_req *r)
{
    if (errno == EAGAIN) {
        r->c->writable = false;
        return SENT_PART;
    }
    return errno == EINTR ? SENT_PART : SENT_FAILED;
}

static enum http_sent send_memory(struct http_req *r)
{
    struct iovec iov[2];
    struct msghdr m = {.msg_iov = iov};
    size_t skip = (size_t)r->sent, body_skip;
    ssize_t n;

    if (skip < r->head_len) {
        iov[m.msg_iovlen].iov_base = r->head_text + skip;
        iov[m.msg_iovlen++].iov_len = r->head_len - skip;
    }
    body_skip = skip > r->head_len ? skip - r->head_len : 0;
    if (body_skip < r->out.len) {
        iov[m.msg_iovlen].iov_base = r->out.data + body_skip;
        iov[m.msg_iovlen++].iov_len = r->out.len - body_skip;
    }
    n = sendmsg(r->c->fd, &m, MSG_NOSIGNAL | (r->out_len > 0 ? MSG_MORE : 0));
    if (n < 0)
        return sent_or_failed(r);
    r->sent += (uint64_t)n;
    r->c->s->stats.bytes_out += (uint64_t)n;
    return r->sent == r->head_len + r->out.len ? SENT_ALL : SENT_PART;
}

static enum http_sent send_file(struct http_req *r)
{
    off_t at = (off_t)r->out_off;
    size_t want = r->out_len < SENDFILE_MAX ? (size_t)r->out_len : SENDFILE_MAX;
    ssize_t n = sendfile(r->c->fd, r->out_fd, &at, want);

    if (n < 0)
        return sent_or_failed(r);
    if (n == 0) /* the file is shorter than promised */
        return SENT_FAILED;
    r->sent += (uint64_t)n;
    r->out_off += (uint64_t)n;
    r->out_len -= (uint64_t)n;
    r->c->s->stats.bytes_out += (uint64_t)n;
    return r->out_len == 0 ? SENT_ALL : SENT_PART;
}

enum http_sent answer_send(struct http_req *r)
{
    enum http_sent rc = SENT_ALL;

    if (r->c->tls != NULL)
        return secure_send(r);
    if (r->sent < r->head_len + r->out.len)
        rc = send_memory(r);
    if (rc == SENT_ALL && r->out_len > 0)
        rc = send_file(r);
    return rc;
}
