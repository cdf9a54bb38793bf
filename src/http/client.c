/* client.c - libcurl's multi interface, driven by an epoll descriptor of ours.
 * A transfer is one call in flight: its easy handle, what it needs while it lasts, and its result.
 */
#include "http/client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/io.h"

#define EVENTS 128
#define EASIES 160            /* kept for the next calls */
#define ANSWER_HEAD_MAX 65536 /* header lines of an answer */
#define EXPECT_MS 1000
#define FIELDS_MAX 60000

struct transfer {
    TAILQ_ENTRY(transfer) next;
    struct http_client *c;
    CURL *easy;
    struct curl_slist *headers;
    struct http_call call; /* url and headers are not used after start */
    char *name;            /* METHOD "URL" without credentials and query */
    uint64_t at;           /* of the body, read so far */
    uint64_t body_len;
    CURLcode set;    /* the first option that could not be set */
    uint64_t taken;  /* bytes of the answer given to call.take */
    bool head_whole; /* of the final answer: its empty line has come */
    struct http_result result;
};

struct http_client {
    CURLM *multi;
    int epfd;
    mono_ms due; /* curl's timer; -1: none */
    struct http_client_limits limits;
    TAILQ_HEAD(, transfer) flight;
    size_t in_flight;
    bool closing; /* done() may not start more */
    CURL *easies[EASIES];
    size_t n_easies;
};

/* --- what curl calls
 * ------------------------------------------------------------------------------*/

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *ours)
{
    struct http_client *c = arg;
    struct epoll_event ev = {.data.fd = fd};

    (void)easy;
    (void)ours;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(c->epfd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        ev.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        ev.events |= EPOLLOUT;
    if (epoll_ctl(c->epfd, EPOLL_CTL_MOD, fd, &ev) == 0)
        return 0;
    return errno == ENOENT && epoll_ctl(c->epfd, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -1;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    struct http_client *c = arg;

    (void)multi;
    c->due = ms < 0 ? -1 : clock_mono() + ms;
    return 0;
}

static int give(struct transfer *t, const char *p, size_t n)
{
    int rc;

    if (n > t->result.body.max - t->taken)
        return -E2BIG;
    t->taken += n;
    if ((rc = t->call.take(p, n, t->call.take_arg)) != 0 && rc != -E2BIG)
        (void)err_sys(&t->result.err, rc, "%s: keeping the answer", t->name);
    return rc;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    long status = 0;

    if (t->call.take != NULL) {
        (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status == 200) {
            t->result.rc = give(t, p, size * n);
            return t->result.rc == 0 ? size * n : 0;
        }
    }
    t->result.rc = buf_put(&t->result.body, p, size * n);
    return t->result.rc == 0 ? size * n : 0;
}

static size_t on_head(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    if (size * n > 5 && memcmp(p, "HTTP/", 5) == 0) { /* after a 100: the final one counts */
        buf_reset(&t->result.head);
        t->head_whole = false;
    }
    /* curl takes a head that ends with the connection for a whole one, RFC 9112 (8) does not */
    t->head_whole = t->head_whole || (size * n <= 2 && p[0] != ' ');
    t->result.rc = buf_put(&t->result.head, p, size * n);
    return t->result.rc == 0 ? size * n : 0;
}

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    uint64_t left = t->body_len - t->at;
    size_t want = size * n < left ? size * n : (size_t)left;

    if (want == 0)
        return 0;
    if (t->call.body_fd > 0) {
        ssize_t got;

        do
            got = pread(t->call.body_fd, p, want, (off_t)(t->call.body_off + t->at));
        while (got < 0 && errno == EINTR);
        if (got <= 0) {
            t->result.rc = got < 0 ? -errno : -EIO;
            (void)err_sys(&t->result.err, t->result.rc, "%s: %s", t->name,
                          got < 0 ? "reading the file"
                                  : "the file became shorter while it was sent");
            return CURL_READFUNC_ABORT;
        }
        want = (size_t)got;
    } else {
        memcpy(p, t->call.body.p + t->at, want);
    }
    t->at += want;
    return want;
}

/* Curl goes back to the start when a kept connection turns out to be closed. */
static int on_seek(void *arg, curl_off_t off, int whence)
{
    struct transfer *t = arg;

    if (whence != SEEK_SET || off < 0 || (uint64_t)off > t->body_len)
        return CURL_SEEKFUNC_CANTSEEK;
    t->at = (uint64_t)off;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *arg, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    struct transfer *t = arg;

    (void)dt;
    (void)dn;
    (void)ut;
    t->call.progress((uint64_t)un, t->body_len, t->call.arg);
    return 0;
}

/* An option that curl has no memory for would be left as it was: a pin, or the authorities, at
 * nothing.  The first that fails is kept, and nothing is sent. */
#define SET(t, option, value)                                                                      \
    do {                                                                                           \
        CURLcode set_ = curl_easy_setopt((t)->easy, option, value);                                \
                                                                                                   \
        (t)->set = (t)->set == CURLE_OK ? set_ : (t)->set;                                         \
    } while (0)

/* --- preparing a call
 * -----------------------------------------------------------------------------*/

/* METHOD "scheme://host/path" for messages; refuses what is no http URL. */
static int name_call(struct transfer *t, const char *url, struct err *e)
{
    CURLU *u = curl_url();
    char *clean = NULL, *scheme = NULL;
    int rc = -ENOMEM;

    if (u == NULL)
        return err_sys(e, rc, "HTTP client");
    if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        rc = err_set(e, -EINVAL, "not an http:// or https:// URL; write http://HOST:PORT/PATH");
        goto out;
    }
    (void)curl_url_set(u, CURLUPART_USER, NULL, 0);
    (void)curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
    (void)curl_url_set(u, CURLUPART_QUERY, NULL, 0);
    (void)curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    if (curl_url_get(u, CURLUPART_URL, &clean, 0) == CURLUE_OK &&
        asprintf(&t->name, "%s \"%s\"", http_method_name(t->call.method), clean) >= 0)
        rc = 0;
    else
        t->name = NULL;
out:
    curl_free(clean);
    curl_free(scheme);
    curl_url_cleanup(u);
    return rc;
}

static int add_header(struct transfer *t, const char *line)
{
    struct curl_slist *more = curl_slist_append(t->headers, line);

    if (more == NULL)
        return -ENOMEM;
    t->headers = more;
    return 0;
}

static bool is_header(const char *line)
{
    const char *colon = strchr(line, ':');

    if (colon == NULL || colon == line)
        return false;
    for (; *line != '\0'; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            return false;
    return true;
}

static int set_headers(struct transfer *t, struct err *e)
{
    bool typed = false;
    int rc = 0;

    for (const char *const *h = t->call.headers; h != NULL && *h != NULL; h++) {
        if (!is_header(*h))
            return err_set(e, -EINVAL, "header \"%s\" is not \"Name: value\"", *h);
        typed |= strncasecmp(*h, "content-type:", 13) == 0;
        if ((rc = add_header(t, *h)) != 0)
            return rc;
    }
    if (!typed && (rc = add_header(t, "Content-Type:")) != 0) /* curl would say form data */
        return rc;
    if ((rc = add_header(t, t->call.expect ? "Expect: 100-continue" : "Expect:")) != 0)
        return rc;
    SET(t, CURLOPT_HTTPHEADER, t->headers);
    return 0;
}

/* A body in memory that curl may send from there; a short one it sends with the head, in one
 * piece, and needs no buffer of its own for it. */
static void set_fields(struct transfer *t)
{
    SET(t, CURLOPT_POST, 1L);
    SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body_len);
    SET(t, CURLOPT_POSTFIELDS, t->call.body.p);
    if (t->call.method == HTTP_PUT)
        SET(t, CURLOPT_CUSTOMREQUEST, "PUT");
}

static void set_method(struct transfer *t)
{
    curl_off_t len = (curl_off_t)t->body_len;

    if ((t->call.method == HTTP_POST || t->call.method == HTTP_PUT) && t->call.body_fd <= 0 &&
        t->body_len > 0 && t->body_len <= FIELDS_MAX) {
        set_fields(t);
        return;
    }

    switch (t->call.method) {
    case HTTP_HEAD:
        SET(t, CURLOPT_NOBODY, 1L);
        return;
    case HTTP_POST:
        SET(t, CURLOPT_POST, 1L);
        SET(t, CURLOPT_POSTFIELDSIZE_LARGE, len);
        break;
    case HTTP_PUT:
        SET(t, CURLOPT_UPLOAD, 1L);
        SET(t, CURLOPT_INFILESIZE_LARGE, len);
        break;
    case HTTP_DELETE:
        SET(t, CURLOPT_CUSTOMREQUEST, "DELETE");
        return;
    default:
        SET(t, CURLOPT_HTTPGET, 1L);
        return;
    }
    SET(t, CURLOPT_READFUNCTION, on_read);
    SET(t, CURLOPT_READDATA, t);
    SET(t, CURLOPT_SEEKFUNCTION, on_seek);
    SET(t, CURLOPT_SEEKDATA, t);
}

static void set_limits(struct transfer *t)
{
    const struct http_client_limits *l = &t->c->limits;
    uint32_t total = t->call.total_ms != 0 ? t->call.total_ms : l->total_ms;
    uint64_t max = t->call.max_answer != 0 ? t->call.max_answer : l->max_answer;

    buf_init(&t->result.body, (size_t)max);
    buf_init(&t->result.head, ANSWER_HEAD_MAX);
    SET(t, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)max);
    SET(t, CURLOPT_CONNECTTIMEOUT_MS, (long)l->connect_ms);
    SET(t, CURLOPT_TIMEOUT_MS, (long)total);
    SET(t, CURLOPT_LOW_SPEED_LIMIT, (long)l->stall_rate);
    SET(t, CURLOPT_LOW_SPEED_TIME, (long)(l->stall_ms + 999) / 1000);
    SET(t, CURLOPT_EXPECT_100_TIMEOUT_MS, (long)EXPECT_MS);
}

static void set_transport(struct transfer *t)
{
    SET(t, CURLOPT_URL, t->call.url);
    SET(t, CURLOPT_UNIX_SOCKET_PATH, t->call.unix_path);
    SET(t, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(t, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(t, CURLOPT_PINNEDPUBLICKEY, t->call.pin);
    if (t->c->limits.authorities != NULL) { /* these and no others */
        SET(t, CURLOPT_CAINFO, t->c->limits.authorities);
        SET(t, CURLOPT_CAPATH, NULL);
    }
    SET(t, CURLOPT_FOLLOWLOCATION, 0L);
    SET(t, CURLOPT_PROXY, "");
    SET(t, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(t, CURLOPT_NOSIGNAL, 1L);
    SET(t, CURLOPT_PRIVATE, t);
    SET(t, CURLOPT_WRITEFUNCTION, on_body);
    SET(t, CURLOPT_WRITEDATA, t);
    SET(t, CURLOPT_HEADERFUNCTION, on_head);
    SET(t, CURLOPT_HEADERDATA, t);
    if (t->call.progress != NULL) {
        SET(t, CURLOPT_NOPROGRESS, 0L);
        SET(t, CURLOPT_XFERINFOFUNCTION, on_progress);
        SET(t, CURLOPT_XFERINFODATA, t);
    }
}

static void transfer_free(struct transfer *t)
{
    struct http_client *c = t->c;

    if (t->easy != NULL && c->n_easies < EASIES) {
        curl_easy_reset(t->easy);
        c->easies[c->n_easies++] = t->easy;
    } else if (t->easy != NULL) {
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    http_result_free(&t->result);
    free(t->name);
    free(t);
}

int http_client_start(struct http_client *c, const struct http_call *call, struct err *e)
{
    struct transfer *t = calloc(1, sizeof(*t));
    int rc;

    assert(call->done != NULL);
    if (c->closing) {
        free(t);
        return err_set(e, -ECANCELED, "HTTP client: it is being closed");
    }
    if (t == NULL)
        return err_sys(e, -ENOMEM, "HTTP client");
    t->c = c;
    t->call = *call;
    t->body_len = call->body_fd > 0 ? call->body_len : call->body.n;
    if (call->method < HTTP_GET || call->method > HTTP_DELETE || call->url == NULL) {
        rc = err_set(e, -EINVAL, "HTTP client: a call without method or URL");
        goto out;
    }
    if ((rc = name_call(t, call->url, e)) != 0)
        goto out;
    t->easy = c->n_easies > 0 ? c->easies[--c->n_easies] : curl_easy_init();
    if (t->easy == NULL) {
        rc = err_sys(e, -ENOMEM, "HTTP client");
        goto out;
    }
    set_transport(t);
    set_limits(t);
    set_method(t);
    if ((rc = set_headers(t, e)) != 0)
        goto out;
    if (t->set != CURLE_OK) {
        rc = err_set(e, t->set == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL, "%s: %s", t->name,
                     curl_easy_strerror(t->set));
        goto out;
    }
    if (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK) {
        rc = err_sys(e, -ENOMEM, "%s", t->name);
        goto out;
    }
    /* curl has its own copies; ours may be gone when we come back */
    t->call.url = t->call.unix_path = t->call.pin = NULL;
    t->call.headers = NULL;
    TAILQ_INSERT_TAIL(&c->flight, t, next);
    c->in_flight++;
    t = NULL;
out:
    if (t != NULL)
        transfer_free(t);
    return rc;
}

/* --- how it ended
 * ---------------------------------------------------------------------------------*/

static const struct {
    CURLcode code;
    int rc;
    const char *what;
} endings[] = {
    {CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, "no such host; check the name"},
    {CURLE_COULDNT_CONNECT, -ECONNREFUSED, "no connection; is the server running there?"},
    {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, "too slow; try again, or raise the limit of time"},
    {CURLE_FILESIZE_EXCEEDED, -E2BIG, "the answer is larger than was asked for"},
    {CURLE_PEER_FAILED_VERIFICATION, -EBADMSG,
     "the server's certificate does not verify: expired, for another name, or by "
     "an authority not trusted here; name it in \"authorities\""},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, -EBADMSG,
     "the server's key is not the one pinned; ask its operator whether it changed"},
    {CURLE_SSL_CACERT_BADFILE, -EINVAL,
     "the file of authorities cannot be read; it must be PEM certificates"},
    {CURLE_SSL_CONNECT_ERROR, -EPROTO, "no TLS; does the server speak https?"},
    {CURLE_GOT_NOTHING, -EPROTO, "the server closed without an answer; try again"},
    {CURLE_WEIRD_SERVER_REPLY, -EPROTO, "the answer is not HTTP; check host and port"},
    {CURLE_UNSUPPORTED_PROTOCOL, -EPROTO, "the answer is not HTTP/1.1; check host and port"},
    {CURLE_PARTIAL_FILE, -EPROTO, "the answer was cut short; try again"},
    {CURLE_SEND_ERROR, -EIO, "the connection broke while sending; try again"},
    {CURLE_RECV_ERROR, -EIO, "the connection broke while receiving; try again"},
    {CURLE_OUT_OF_MEMORY, -ENOMEM, "out of memory"},
};

static void set_ending(struct transfer *t, int rc, const char *what)
{
    t->result.rc = rc;
    t->result.status = 0;
    if (t->result.err.code == 0)
        (void)err_set(&t->result.err, rc, "%s: %s", t->name, what);
}

static void name_failure(struct transfer *t, CURLcode code)
{
    if (t->result.rc == -E2BIG || (code == CURLE_WRITE_ERROR && t->result.rc == 0)) {
        set_ending(t, -E2BIG, "the answer is larger than was asked for");
        return;
    }
    if (t->result.rc != 0) { /* ours: reading the body, memory */
        set_ending(t, t->result.rc, "out of memory");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        if (endings[i].code == code) {
            set_ending(t, endings[i].rc, endings[i].what);
            return;
        }
    }
    set_ending(t, -EIO, curl_easy_strerror(code));
}

static void finish(struct transfer *t, CURLcode code, bool given_up)
{
    struct http_client *c = t->c;
    curl_off_t sent = 0;
    long status = 0;

    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    (void)curl_multi_remove_handle(c->multi, t->easy);
    TAILQ_REMOVE(&c->flight, t, next);
    c->in_flight--;
    t->result.sent = (uint64_t)sent;
    t->result.status = (int)status;
    /* A refusal may come while we are sending; that our side of the pipe then broke is no failure.
     */
    if (given_up)
        set_ending(t, -ECANCELED, "given up");
    else if (code != CURLE_OK && !(code == CURLE_SEND_ERROR && status >= 400))
        name_failure(t, code);
    else if (!t->head_whole)
        name_failure(t, CURLE_PARTIAL_FILE);
    t->call.done(&t->result, t->call.arg);
    transfer_free(t);
}

static void finish_all(struct http_client *c)
{
    struct CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
        struct transfer *t = NULL;

        if (m->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(t, m->data.result, false); /* m is invalid from here on */
    }
}

/* --- the loop
 * -------------------------------------------------------------------------------------*/

int http_client_fd(const struct http_client *c)
{
    return c->epfd;
}

int http_client_wait(const struct http_client *c)
{
    mono_ms left;

    if (c->due < 0)
        return -1;
    left = c->due - clock_mono();
    if (left <= 0)
        return 0;
    return left > INT32_MAX ? INT32_MAX : (int)left;
}

static int step(struct http_client *c, int wait)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(c->epfd, events, EVENTS, wait), running;

    if (n < 0 && errno != EINTR)
        return -errno;
    for (int i = 0; i < n; i++) {
        int mask = 0;

        if (events[i].events & EPOLLIN)
            mask |= CURL_CSELECT_IN;
        if (events[i].events & EPOLLOUT)
            mask |= CURL_CSELECT_OUT;
        if (events[i].events & (EPOLLERR | EPOLLHUP))
            mask |= CURL_CSELECT_ERR;
        if (curl_multi_socket_action(c->multi, events[i].data.fd, mask, &running) != CURLM_OK)
            return -EIO;
    }
    if (c->due >= 0 && c->due <= clock_mono()) {
        c->due = -1;
        if (curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running) != CURLM_OK)
            return -EIO;
    }
    finish_all(c);
    return 0;
}

int http_client_step(struct http_client *c)
{
    return step(c, 0);
}

size_t http_client_in_flight(const struct http_client *c)
{
    return c->in_flight;
}

int http_client_run(struct http_client *c, const volatile bool *stop, struct err *e)
{
    int rc;

    while (c->in_flight > 0 && !(stop != NULL && *stop))
        if ((rc = step(c, http_client_wait(c))) != 0)
            return err_sys(e, rc, "HTTP client");
    return 0;
}

struct waiter {
    struct http_result *out;
    bool done;
};

static void move_result(struct http_result *r, void *arg)
{
    struct waiter *w = arg;

    *w->out = *r;
    buf_init(&r->body, 0);
    buf_init(&r->head, 0);
    w->done = true;
}

static void give_up(struct http_client *c, const void *arg)
{
    struct transfer *t;

    TAILQ_FOREACH(t, &c->flight, next)
    {
        if (t->call.arg == arg) {
            finish(t, CURLE_OK, true);
            return;
        }
    }
}

int http_client_do(struct http_client *c, const struct http_call *call, struct http_result *out,
                   struct err *e)
{
    struct waiter w = {out, false};
    struct http_call one = *call;
    int rc;

    memset(out, 0, sizeof(*out));
    one.done = move_result;
    one.progress = NULL; /* its arg would be ours */
    one.arg = &w;
    if ((rc = http_client_start(c, &one, e)) != 0) {
        out->rc = rc;
        return rc;
    }
    while (!w.done)
        if ((rc = step(c, http_client_wait(c))) != 0)
            break;
    if (!w.done) { /* the loop itself failed: nobody may write to out any more */
        give_up(c, &w);
        return err_sys(e, rc, "HTTP client");
    }
    if (out->rc != 0)
        (void)err_set(e, out->rc, "%s", err_text(&out->err));
    return out->rc;
}

/* --- results
 * --------------------------------------------------------------------------------------*/

struct span http_result_header(const struct http_result *a, const char *lower)
{
    struct cur c = cur_of(buf_span(&a->head));
    size_t n = strlen(lower);
    struct span line;

    while (cur_line(&c, &line) == 0) {
        if (line.n <= n || line.p[n] != ':' || strncasecmp((const char *)line.p, lower, n) != 0)
            continue;
        line.p += n + 1;
        line.n -= n + 1;
        while (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
            line.p++;
            line.n--;
        }
        while (line.n > 0 && strchr(" \t\r", line.p[line.n - 1]) != NULL)
            line.n--;
        return line;
    }
    return span_of(NULL, 0);
}

void http_result_free(struct http_result *a)
{
    buf_free(&a->body);
    buf_free(&a->head);
}

/* --- life
 * -----------------------------------------------------------------------------------------*/

static void set_default(uint32_t *field, uint32_t value)
{
    if (*field == 0)
        *field = value;
}

static void set_multi(struct http_client *c)
{
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->limits.connections);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)c->limits.connections);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->limits.per_host);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
}

int http_client_new(struct http_client **out, const struct http_client_limits *limits,
                    struct err *e)
{
    struct http_client *c;

    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, -EIO, "HTTP client: libcurl does not start");
    if ((c = calloc(1, sizeof(*c))) == NULL) {
        curl_global_cleanup();
        return err_sys(e, -ENOMEM, "HTTP client");
    }
    if (limits != NULL)
        c->limits = *limits;
    set_default(&c->limits.connections, 128);
    set_default(&c->limits.per_host, 128);
    set_default(&c->limits.connect_ms, 10000);
    set_default(&c->limits.stall_ms, 30000);
    set_default(&c->limits.stall_rate, 1);
    if (c->limits.max_answer == 0)
        c->limits.max_answer = 1 << 20;
    c->due = -1;
    TAILQ_INIT(&c->flight);
    c->multi = curl_multi_init();
    c->epfd = epoll_create1(EPOLL_CLOEXEC);
    if (c->multi == NULL || c->epfd < 0) {
        http_client_free(c);
        return err_sys(e, -ENOMEM, "HTTP client");
    }
    set_multi(c);
    *out = c;
    return 0;
}

void http_client_free(struct http_client *c)
{
    struct transfer *t;

    if (c == NULL)
        return;
    c->closing = true;
    while ((t = TAILQ_FIRST(&c->flight)) != NULL) {
        finish(t, CURLE_OK, true);
    }
    while (c->n_easies > 0)
        curl_easy_cleanup(c->easies[--c->n_easies]);
    if (c->multi != NULL)
        (void)curl_multi_cleanup(c->multi);
    io_close(&c->epfd);
    free(c);
    curl_global_cleanup();
}
