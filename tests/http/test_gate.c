/* Raw bytes through a socket.  Every refused row is followed on the same connection by a request
 * for /canary: after a refusal nothing of the rest may be read as a request. */
#include "rig.h"

#define CANARY "GET /canary HTTP/1.1\r\nHost: a\r\n\r\n"
#define H "Host: a\r\n"

struct seen {
    int canary, echo;
    char body[64];
};

static void on_canary(struct http_req *r, void *arg)
{
    struct seen *s = arg;

    s->canary++;
    http_answer(r, 200, "text/plain", span_str("canary"));
}

static void on_echo(struct http_req *r, void *arg)
{
    struct seen *s = arg;
    struct span b = http_body(r);

    s->echo++;
    (void)snprintf(s->body, sizeof(s->body), "%.*s", (int)b.n, (const char *)b.p);
    http_answer(r, 200, "text/plain", b);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/canary", HTTP_BODY_NONE, 0, on_canary, NULL, NULL, NULL, NULL, NULL},
    {HTTP_GET, "/", HTTP_BODY_NONE, 0, on_echo, NULL, NULL, NULL, NULL, NULL},
    {HTTP_GET, "/p/{name}", HTTP_BODY_NONE, 0, on_echo, NULL, NULL, NULL, NULL, NULL},
    {HTTP_POST, "/", HTTP_BODY_WHOLE, 32, on_echo, NULL, NULL, NULL, NULL, NULL},
};

struct row {
    const char *what;
    const char *bytes;
    size_t n;
    int status;
    bool closes;      /* then the canary must stay unread */
    const char *body; /* what the handler got, if it is asked */
};
#define ROW(what, bytes, status, closes, body)                                                     \
    {                                                                                              \
        what, bytes, sizeof(bytes) - 1, status, closes, body                                       \
    }
#define OK(what, bytes, body) ROW(what, bytes, 200, false, body)
#define BAD(what, bytes, status) ROW(what, bytes, status, true, NULL)

static const struct row rows[] = {
    /* accepted: the test would be worthless if all were refused */
    OK("a plain request", "GET / HTTP/1.1\r\n" H "\r\n", ""),
    OK("a body with a length", "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", "hello"),
    OK("a length of zero", "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", ""),
    OK("a chunked body",
       "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
       "hello"),
    OK("chunked in capitals, sizes in hex",
       "POST / HTTP/1.1\r\n" H "TRANSFER-ENCODING: Chunked\r\n\r\n0A\r\n0123456789\r\n0\r\n\r\n",
       "0123456789"),
    OK("blanks around a value", "POST / HTTP/1.1\r\n" H "Content-Length: \t 5 \r\n\r\nhello",
       "hello"),
    OK("a host with a port", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", ""),
    OK("an escape in the path", "GET /p/a%20b HTTP/1.1\r\n" H "\r\n", ""),
    OK("a query", "GET /?wait=5&x=%C3%A4 HTTP/1.1\r\n" H "\r\n", ""),
    ROW("HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", 200, true, ""),
    ROW("Connection: close closes", "GET / HTTP/1.1\r\n" H "Connection: x, Close\r\n\r\n", 200,
        true, ""),

    /* two lengths */
    BAD("two lengths that differ",
        "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    BAD("two equal lengths",
        "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    BAD("a list of lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\nhello", 400),
    BAD("a signed length", "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello", 400),
    BAD("a negative length", "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\nhello", 400),
    BAD("a hexadecimal length", "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nhello", 400),
    BAD("a length with a leading zero", "POST / HTTP/1.1\r\n" H "Content-Length: 05\r\n\r\nhello",
        400),
    BAD("a length with a blank inside", "POST / HTTP/1.1\r\n" H "Content-Length: 1 0\r\n\r\nhello",
        400),
    BAD("an empty length", "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nhello", 400),
    BAD("a length beyond 64 bits",
        "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551621\r\n\r\nhello", 400),
    BAD("a length that hides behind a NUL",
        "POST / HTTP/1.1\r\n" H "Content-Length: 5\0 6\r\n\r\nhello", 400),
    BAD("a length whose name has a blank at the end",
        "POST / HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\nhello", 400),
    BAD("a length on a folded line",
        "POST / HTTP/1.1\r\n" H "X: a\r\n Content-Length: 5\r\n\r\nhello", 400),
    BAD("a length after a bare CR", "POST / HTTP/1.1\r\n" H "X: a\rContent-Length: 5\r\n\r\nhello",
        400),
    BAD("a length after a bare LF", "POST / HTTP/1.1\r\n" H "X: a\nContent-Length: 5\r\n\r\nhello",
        400),

    /* length against coding */
    BAD("length and chunked",
        "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400),
    BAD("chunked and length",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400),
    BAD("a coding that only looks like chunked",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    BAD("two codings in a list",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    BAD("identity", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400),
    BAD("chunked twice",
        "POST / HTTP/1.1\r\n" H
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400),
    BAD("chunked, then identity",
        "POST / HTTP/1.1\r\n" H
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        400),
    BAD("chunked with a vertical tab before it",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
        "chunked\r\n\r\n0\r\n\r\n",
        400),
    BAD("chunked in quotes",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    BAD("chunked with a comma after it",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 400),
    BAD("chunked in HTTP/1.0",
        "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),

    /* inside a chunked body */
    BAD("a chunk extension",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
        400),
    BAD("a chunk size that ends in LF",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400),
    BAD("a chunk longer than its size",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n", 400),
    BAD("a chunk size with 0x",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello", 400),
    BAD("a chunk size with a blank",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n", 400),
    BAD("a chunk size beyond 60 bits",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1000000000000005\r\nhello", 400),
    BAD("a chunk size that ends in CR alone",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\rXhello\r\n0\r\n\r\n", 400),
    BAD("chunk data that ends in CR alone",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\rX0\r\n\r\n", 400),
    BAD("a last chunk that ends in CR alone",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\rX", 400),
    BAD("a trailer field",
        "POST / HTTP/1.1\r\n" H
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
        400),

    /* host */
    BAD("no host", "GET / HTTP/1.1\r\n\r\n", 400),
    BAD("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    BAD("an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    BAD("a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    BAD("a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),

    /* names, values, lines */
    BAD("a name that is no token", "GET / HTTP/1.1\r\n" H "X(: b\r\n\r\n", 400),
    BAD("a name with a NUL", "GET / HTTP/1.1\r\n" H "X\0: b\r\n\r\n", 400),
    BAD("a name with a high byte", "GET / HTTP/1.1\r\n" H "X\xe4: b\r\n\r\n", 400),
    BAD("an empty name", "GET / HTTP/1.1\r\n" H ": b\r\n\r\n", 400),
    BAD("a line without a colon", "GET / HTTP/1.1\r\n" H "abc\r\n\r\n", 400),
    BAD("a first header line that begins with a blank", "GET / HTTP/1.1\r\n X: a\r\n" H "\r\n",
        400),
    BAD("a NUL in a value", "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n", 400),
    BAD("an escape byte in a value", "GET / HTTP/1.1\r\n" H "X: a\033b\r\n\r\n", 400),
    BAD("a DEL in a value", "GET / HTTP/1.1\r\n" H "X: a\177b\r\n\r\n", 400),
    BAD("lines that end in LF", "GET / HTTP/1.1\nHost: a\n\n", 400),
    BAD("an empty line that ends in LF", "GET / HTTP/1.1\r\n" H "\n", 400),
    BAD("lines that end in CR CR LF", "GET / HTTP/1.1\r\n" H "X: a\r\r\n\r\n", 400),
    BAD("authorization twice",
        "GET / HTTP/1.1\r\n" H "Authorization: a\r\nAuthorization: b\r\n\r\n", 400),

    /* the request line */
    BAD("an empty line first", "\r\nGET / HTTP/1.1\r\n" H "\r\n", 400),
    BAD("two blanks", "GET  / HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a tab for a blank", "GET\t/ HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a blank at the end", "GET / HTTP/1.1 \r\n" H "\r\n", 400),
    BAD("a blank in the target", "GET /a b HTTP/1.1\r\n" H "\r\n", 400),
    BAD("no version (HTTP/0.9)", "GET /\r\n\r\n", 400),
    BAD("HTTP/2.0", "GET / HTTP/2.0\r\n" H "\r\n", 505),
    BAD("HTTP/1.2", "GET / HTTP/1.2\r\n" H "\r\n", 505),
    BAD("HTTP/1.10", "GET / HTTP/1.10\r\n" H "\r\n", 400),
    BAD("http/1.1 in small letters", "GET / http/1.1\r\n" H "\r\n", 400),
    BAD("a method in small letters", "get / HTTP/1.1\r\n" H "\r\n", 501),
    BAD("an unknown method", "TRACE / HTTP/1.1\r\n" H "\r\n", 501),
    BAD("a method that is no token", "G(T / HTTP/1.1\r\n" H "\r\n", 400),
    BAD("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    BAD("a TLS handshake", "\x16\x03\x01\x02\x00\x01", 400),
    BAD("Expect: something else", "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n", 417),

    /* the target */
    BAD("absolute-form", "GET http://a/ HTTP/1.1\r\n" H "\r\n", 400),
    BAD("asterisk-form", "GET * HTTP/1.1\r\n" H "\r\n", 400),
    BAD("authority-form", "GET a:80 HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an encoded slash", "GET /p/a%2Fb HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an encoded backslash", "GET /p/a%5cb HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a backslash", "GET /p\\a HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an encoded NUL", "GET /p/a%00b HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an encoded line feed", "GET /p/a%0ab HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an escape cut short", "GET /p/a%2 HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an escape that is no hex", "GET /p/a%zz HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a dot segment", "GET /p/../canary HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an encoded dot segment", "GET /p/%2e%2E HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a single dot", "GET /./canary HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an empty segment", "GET //canary HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a fragment", "GET /canary#a HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a high byte in the path", "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a query name twice", "GET /?a=1&a=2 HTTP/1.1\r\n" H "\r\n", 400),
    BAD("a query without a value", "GET /?a HTTP/1.1\r\n" H "\r\n", 400),
    BAD("an encoded NUL in the query", "GET /?a=%00 HTTP/1.1\r\n" H "\r\n", 400),

    /* routes and limits: the body is not read, so the connection ends */
    BAD("a body larger than the path takes",
        "POST / HTTP/1.1\r\n" H "Content-Length: 33\r\n\r\n012345678901234567890123456789012", 413),
    BAD("chunks larger than the path takes",
        "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n21\r\n"
        "012345678901234567890123456789012\r\n0\r\n\r\n",
        413),
    BAD("a body where none belongs", "GET / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", 413),
    BAD("a body to nowhere", "POST /nowhere HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", 404),
    ROW("nowhere", "GET /nowhere HTTP/1.1\r\n" H "\r\n", 404, false, NULL),
    ROW("an empty parameter", "GET /p/ HTTP/1.1\r\n" H "\r\n", 404, false, NULL),
    ROW("a method the path does not take", "DELETE / HTTP/1.1\r\n" H "\r\n", 405, false, NULL),
};

static int answers_in(const char *text)
{
    int n = 0;

    for (const char *p = text; (p = strstr(p, "\r\nContent-Length: ")) != NULL; p++)
        n++;
    return n;
}

/* step: how many bytes at a time; a head that drips in must be judged like one that comes at once
 */
static void check(struct rig *rig, struct seen *seen, const struct row *row, size_t step)
{
    char bytes[1024], answer[4096];
    size_t n = row->n + sizeof(CANARY) - 1;
    int fd = rig_connect(rig);
    bool closed;

    assert_true(n < sizeof(bytes));
    memcpy(bytes, row->bytes, row->n);
    memcpy(bytes + row->n, CANARY, sizeof(CANARY) - 1);
    memset(seen, 0, sizeof(*seen));
    for (size_t at = 0; at < n; at += step)
        if (!rig_send(rig, fd, bytes + at, n - at < step ? n - at : step))
            break;
    (void)rig_read(rig, fd, answer, sizeof(answer), row->closes ? 1000 : 5, &closed);
    if (rig_status(answer) != row->status || closed != row->closes ||
        seen->canary != (row->closes ? 0 : 1) || answers_in(answer) != (row->closes ? 1 : 2))
        fail_msg("%s (by %zu): status %d, closed %d, canary %d\n%s", row->what, step,
                 rig_status(answer), closed, seen->canary, answer);
    if (row->body != NULL && (seen->echo != 1 || strcmp(seen->body, row->body) != 0))
        fail_msg("%s: echo %d \"%s\"", row->what, seen->echo, seen->body);
    if (row->status != 200 && strstr(answer, "{\"error\":{\"code\":\"") == NULL)
        fail_msg("%s: no sentence of ours: %s", row->what, answer);
    (void)close(fd);
}

static void each_shape_is_judged_as_the_table_says(void **state)
{
    struct seen seen;
    struct rig rig;

    (void)state;
    rig_open(&rig, routes, ARRAY_LEN(routes), NULL, &seen);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check(&rig, &seen, &rows[i], SIZE_MAX / 2);
#ifndef RIG_TLS /* whose client puts the pieces together again */
        check(&rig, &seen, &rows[i], 1);
#endif
    }
    rig_close(&rig);
}

/* fill: a byte repeated n times between before and after */
static int status_of_long(struct rig *rig, const char *before, size_t n, const char *after)
{
    char *bytes = malloc(n + 1), answer[4096];
    int fd = rig_connect(rig);
    bool closed;

    assert_non_null(bytes);
    memset(bytes, 'a', n);
    (void)(rig_send(rig, fd, before, strlen(before)) && rig_send(rig, fd, bytes, n) &&
           rig_send(rig, fd, after, strlen(after)));
    (void)rig_read(rig, fd, answer, sizeof(answer), 20, &closed);
    (void)close(fd);
    free(bytes);
    return rig_status(answer);
}

static void lines_and_heads_have_exact_limits(void **state)
{
    static const char end[] = " HTTP/1.1\r\nHost: a\r\n\r\n";
    size_t line = HTTP_LINE_MAX - strlen("GET /p/ HTTP/1.1");
    size_t head = HTTP_HEAD_MAX - strlen("GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n");
    struct seen seen = {0};
    struct rig rig;

    (void)state;
    rig_open(&rig, routes, ARRAY_LEN(routes), NULL, &seen);
    assert_int_equal(status_of_long(&rig, "GET /p/", line, end), 200);
    assert_int_equal(status_of_long(&rig, "GET /p/", line + 1, end), 414);
    assert_int_equal(status_of_long(&rig, "GET /p/", 100000, end), 414);
    assert_int_equal(status_of_long(&rig, "GET / HTTP/1.1\r\nHost: a\r\nX: ", head, "\r\n\r\n"),
                     200);
    assert_int_equal(status_of_long(&rig, "GET / HTTP/1.1\r\nHost: a\r\nX: ", head + 1, "\r\n\r\n"),
                     431);
    assert_int_equal(status_of_long(&rig, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 1000000, "\r\n\r\n"),
                     431);
    rig_close(&rig);
}

static int status_of_fields(struct rig *rig, int n)
{
    char bytes[4096], answer[4096];
    int fd = rig_connect(rig),
        len = snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\nHost: a\r\n");
    bool closed;

    for (int i = 1; i < n; i++)
        len += snprintf(bytes + len, sizeof(bytes) - (size_t)len, "X%d: a\r\n", i);
    len += snprintf(bytes + len, sizeof(bytes) - (size_t)len, "\r\n");
    assert_true(rig_send(rig, fd, bytes, (size_t)len));
    (void)rig_read(rig, fd, answer, sizeof(answer), 5, &closed);
    (void)close(fd);
    return rig_status(answer);
}

static void fields_are_counted(void **state)
{
    struct seen seen = {0};
    struct rig rig;

    (void)state;
    rig_open(&rig, routes, ARRAY_LEN(routes), NULL, &seen);
    assert_int_equal(status_of_fields(&rig, HTTP_HEADERS_MAX), 200);
    assert_int_equal(status_of_fields(&rig, HTTP_HEADERS_MAX + 1), 431);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_shape_is_judged_as_the_table_says),
        cmocka_unit_test(lines_and_heads_have_exact_limits),
        cmocka_unit_test(fields_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
