/* Answers that are endless, slow, cut short, too large or no files at all, through libcurl. */
#include "repo.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "web.h"

static struct web_server web;
static struct tuf_fetch fetch;

static void pause_ms(long ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

static void drip(int fd, const char *piece, long ms)
{
    while (web_says(fd, piece))
        pause_ms(ms);
}

static void answer(int fd, const char *path, void *arg)
{
    char head[200];

    (void)arg;
    if (strncmp(path, "/status/", 8) == 0) {
        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 %.3s X\r\nLocation: /ok\r\nContent-Length: 5\r\n\r\nerror",
                       path + 8);
        (void)web_says(fd, head);
    } else if (strcmp(path, "/ok") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    } else if (strcmp(path, "/empty") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/chunked") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n");
    } else if (strcmp(path, "/unframed") == 0) { /* until the connection ends */
        (void)web_says(fd, "HTTP/1.1 200 OK\r\n\r\n0123456789");
    } else if (strcmp(path, "/endless") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\n\r\n");
        drip(fd, "0123456789", 0);
    } else if (strcmp(path, "/endless-chunks") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        drip(fd, "4\r\n0123\r\n", 0);
    } else if (strcmp(path, "/endless-head") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\n");
        drip(fd, "X: 0123456789012345678901234567890123456789\r\n", 0);
    } else if (strcmp(path, "/endless-404") == 0) {
        (void)web_says(fd, "HTTP/1.1 404 No\r\n\r\n");
        drip(fd, "0123456789", 0);
    } else if (strcmp(path, "/slow") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
        drip(fd, "0", 100);
    } else if (strcmp(path, "/slow-head") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nX: ");
        drip(fd, "0", 100);
    } else if (strcmp(path, "/steady") == 0) { /* above the least pace, without end in sight */
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n");
        drip(fd, "01234567890123456789012345678901234567890123456789", 20);
    } else if (strcmp(path, "/silent") == 0) {
        pause_ms(600000);
    } else if (strcmp(path, "/cut") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789");
    } else if (strcmp(path, "/cut-chunk") == 0) {
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123");
    } else if (strcmp(path, "/large") == 0) { /* says so before */
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n0123456789");
    } else if (strcmp(path, "/no-http") == 0) {
        (void)web_says(fd, "hello\r\n\r\n");
    } else if (strcmp(path, "/gzip") == 0) { /* is not unpacked */
        (void)web_says(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n"
                           "0123456789");
    }
}

static int to_buf(const void *p, size_t n, void *arg)
{
    return buf_put(arg, p, n);
}

static int get(const char *path, uint64_t max, struct buf *b, struct err *e)
{
    char url[100];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", web.port, path);
    buf_reset(b);
    return fetch.get(fetch.ctx, url, max, to_buf, b, e);
}

static void every_answer_ends_and_says_what_it_was(void **state)
{
    static const struct {
        const char *path;
        uint64_t max;
        int rc, or ;
    } rows[] = {
        {"/ok", 10, 0, 0},
        {"/ok", 11, 0, 0},
        {"/ok", 9, -E2BIG, 0},
        {"/ok", 0, -E2BIG, 0},
        {"/empty", 0, 0, 0},
        {"/chunked", 10, 0, 0},
        {"/chunked", 9, -E2BIG, 0},
        {"/unframed", 10, 0, 0},
        {"/unframed", 9, -E2BIG, 0},
        {"/gzip", 10, 0, 0},
        {"/status/404", 100, -ENOENT, 0},
        {"/status/403", 100, -ENOENT, 0},
        {"/status/400", 100, -EPROTO, 0},
        {"/status/410", 100, -EPROTO, 0},
        {"/status/500", 100, -EPROTO, 0},
        {"/status/503", 100, -EPROTO, 0},
        {"/status/302", 100, -EPROTO, 0}, /* not followed */
        {"/status/204", 100, -EPROTO, 0},
        {"/status/206", 100, -EPROTO, 0},
        {"/endless", 5000, -E2BIG, 0},
        {"/endless-chunks", 5000, -E2BIG, 0},
        {"/endless-head", 5000, -E2BIG, -EPROTO},
        {"/endless-404", 5000, -E2BIG, -ENOENT},
        {"/slow", 10000, -ETIMEDOUT, 0},
        {"/slow-head", 10000, -ETIMEDOUT, 0},
        {"/steady", 9000000, -ETIMEDOUT, 0},
        {"/silent", 10000, -ETIMEDOUT, 0},
        {"/cut", 1000, -EPROTO, 0},
        {"/cut-chunk", 1000, -EPROTO, -EIO},
        {"/large", 1000, -E2BIG, 0},
        {"/no-http", 1000, -EPROTO, 0},
        {"/nothing", 1000, -EPROTO, 0},
    };
    struct buf b;

    (void)state;
    buf_init(&b, 10000000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        int rc;

        web_start(&web, answer, NULL);
        rc = get(rows[i].path, rows[i].max, &b, &e);
        web_stop(&web);
        if (rc != rows[i].rc && (rows[i].or == 0 || rc != rows[i].or))
            fail_msg("%s, %llu: %d \"%s\"", rows[i].path, (unsigned long long)rows[i].max, rc,
                     e.text);
        if (rc == 0 && b.len > 0)
            assert_memory_equal(b.data, "0123456789", 10);
        assert_true(b.len <= rows[i].max);
        assert_true(rc == 0 || e.text[0] != '\0');
        if (rc != 0 && strncmp(rows[i].path, "/status", 7) == 0)
            assert_int_equal(b.len, 0); /* an error's page is no file */
    }
    buf_free(&b);
}

static int refuse(const void *p, size_t n, void *arg)
{
    (void)p;
    (void)n;
    (void)arg;
    return -ENOSPC;
}

static void what_the_sink_says_is_returned(void **state)
{
    struct err e = ERR_INIT;
    char url[100];

    (void)state;
    web_start(&web, answer, NULL);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", web.port);
    assert_int_equal(fetch.get(fetch.ctx, url, 100, refuse, NULL, &e), -ENOSPC);
    assert_non_null(strstr(err_text(&e), "No space left"));
    web_stop(&web);
}

static void where_nobody_listens_it_says_so(void **state)
{
    struct err e = ERR_INIT;
    struct buf b;

    (void)state;
    web_start(&web, answer, NULL);
    web_stop(&web);
    buf_init(&b, 100);
    assert_int_equal(get("/ok", 100, &b, &e), -ECONNREFUSED);
    assert_int_equal(fetch.get(fetch.ctx, "file:///etc/passwd", 100, to_buf, &b, &e), -EINVAL);
    assert_int_equal(fetch.get(fetch.ctx, "", 100, to_buf, &b, &e), -EINVAL);
    buf_free(&b);
}

static int begin(void **state)
{
    /* 500 bytes a second for 2 s, 6 s in all: quick, and with room for a loaded machine */
    const struct tuf_fetch_limits l = {.stall_ms = 2000, .stall_rate = 500, .metadata_ms = 6000};

    (void)state;
    return tuf_fetch_http_new(&fetch, &l, NULL);
}

static int end(void **state)
{
    (void)state;
    tuf_fetch_http_free(&fetch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_ends_and_says_what_it_was),
        cmocka_unit_test(what_the_sink_says_is_returned),
        cmocka_unit_test(where_nobody_listens_it_says_so),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
