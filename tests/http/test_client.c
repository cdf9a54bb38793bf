/* The client against our server and against servers that misbehave, each in a thread. */
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "http/client.h"

/* --- our server in a thread
 * -----------------------------------------------------------------------*/

struct site {
    struct rig rig;
    pthread_t thread;
    atomic_bool stop;
    struct http_stats stats;
};

static void on_echo(struct http_req *r, void *arg)
{
    (void)arg;
    http_put_header(r, "X-Method", http_method_name(http_method(r)));
    http_answer(r, 200, "text/plain", http_body(r));
}

static void on_big(struct http_req *r, void *arg)
{
    static const uint8_t big[100000];

    (void)arg;
    http_answer(r, 200, "application/octet-stream", span_of(big, sizeof(big)));
}

static void on_refuse(struct http_req *r, void *arg)
{
    (void)arg;
    http_error(r, 403, "no_ticket", "ask for a ticket first", "this body is not wanted");
}

static void on_moved(struct http_req *r, void *arg)
{
    (void)arg;
    http_put_header(r, "Location", "/echo");
    http_answer(r, 307, "text/plain", span_str("elsewhere"));
}

static void on_never(struct http_req *r, void *arg)
{
    (void)arg;
    http_deadline(r, 60000);
}

struct tally {
    uint64_t n, sum;
};

static void tally_begin(struct http_req *r, void *arg)
{
    (void)arg;
    http_set_context(r, calloc(1, sizeof(struct tally)));
}

static void tally_body(struct http_req *r, struct span b, void *arg)
{
    struct tally *t = http_context(r);

    (void)arg;
    t->n += b.n;
    for (size_t i = 0; i < b.n; i++)
        t->sum += b.p[i];
}

static void tally_end(struct http_req *r, void *arg)
{
    struct tally *t = http_context(r);
    char text[64];

    (void)arg;
    (void)snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)t->n,
                   (unsigned long long)t->sum);
    http_answer(r, 201, "text/plain", span_str(text));
}

static void tally_gone(struct http_req *r, void *arg)
{
    (void)arg;
    free(http_context(r));
}

static void never_body(struct http_req *r, struct span b, void *arg)
{
    (void)r;
    (void)b;
    (void)arg;
    abort();
}

static const struct http_route routes[] = {
    {HTTP_GET, "/echo", HTTP_BODY_NONE, 0, on_echo, NULL, NULL, NULL, NULL, NULL},
    {HTTP_POST, "/echo", HTTP_BODY_WHOLE, 4096, on_echo, NULL, NULL, NULL, NULL, NULL},
    {HTTP_DELETE, "/echo", HTTP_BODY_NONE, 0, on_echo, NULL, NULL, NULL, NULL, NULL},
    {HTTP_GET, "/big", HTTP_BODY_NONE, 0, on_big, NULL, NULL, NULL, NULL, NULL},
    {HTTP_GET, "/moved", HTTP_BODY_NONE, 0, on_moved, NULL, NULL, NULL, NULL, NULL},
    {HTTP_GET, "/never", HTTP_BODY_NONE, 0, on_never, NULL, NULL, NULL, NULL, NULL},
    {HTTP_PUT, "/tally", HTTP_BODY_STREAM, 1 << 30, tally_begin, NULL, tally_body, tally_end, NULL,
     tally_gone},
    {HTTP_PUT, "/refuse", HTTP_BODY_STREAM, 1 << 30, on_refuse, NULL, never_body, on_refuse, NULL,
     NULL},
};

static void *site_main(void *arg)
{
    struct site *site = arg;

    while (!atomic_load(&site->stop)) {
        struct pollfd p = {.fd = http_server_fd(site->rig.s), .events = POLLIN};
        int wait = http_server_wait(site->rig.s);

        (void)poll(&p, 1, wait < 0 || wait > 10 ? 10 : wait);
        if (http_server_run(site->rig.s) != 0)
            abort();
    }
    http_server_stats(site->rig.s, &site->stats);
    return NULL;
}

static void site_open(struct site *site)
{
    memset(site, 0, sizeof(*site));
    rig_open(&site->rig, routes, ARRAY_LEN(routes), NULL, NULL);
    assert_int_equal(pthread_create(&site->thread, NULL, site_main, site), 0);
}

static void site_close(struct site *site)
{
    atomic_store(&site->stop, true);
    assert_int_equal(pthread_join(site->thread, NULL), 0);
    rig_close(&site->rig);
}

/* --- a server that says what it was told, once
 * ------------------------------------------------------*/

struct odd {
    int listener;
    uint16_t port;
    const char *answer; /* NULL: none, and the connection stays open */
    pthread_t thread;
    atomic_bool stop;
};

static void *odd_main(void *arg)
{
    struct odd *o = arg;
    int fd = accept(o->listener, NULL, NULL);
    uint32_t last = 0;
    uint8_t byte;

    while (last != 0x0d0a0d0a && recv(fd, &byte, 1, 0) == 1) /* the whole head */
        last = last << 8 | byte;
    if (o->answer != NULL)
        (void)!write(fd, o->answer, strlen(o->answer));
    while (o->answer == NULL && !atomic_load(&o->stop))
        (void)poll(NULL, 0, 5);
    (void)close(fd);
    return NULL;
}

static void odd_open(struct odd *o, const char *answer)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    memset(o, 0, sizeof(*o));
    o->answer = answer;
    o->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(o->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(o->listener, 4), 0);
    assert_int_equal(getsockname(o->listener, (struct sockaddr *)&a, &len), 0);
    o->port = ntohs(a.sin_port);
    assert_int_equal(pthread_create(&o->thread, NULL, odd_main, o), 0);
}

static void odd_close(struct odd *o)
{
    atomic_store(&o->stop, true);
    assert_int_equal(pthread_join(o->thread, NULL), 0);
    (void)close(o->listener);
}

/* --- one call
 * --------------------------------------------------------------------------------------*/

static struct http_client *open_client(const struct http_client_limits *limits)
{
    struct http_client *c;

    assert_int_equal(http_client_new(&c, limits, NULL), 0);
    return c;
}

static const char *url_of(char *out, uint16_t port, const char *path)
{
    (void)snprintf(out, 256, "http://127.0.0.1:%u%s", port, path);
    return out;
}

static int get(struct http_client *c, uint16_t port, const char *path, struct http_result *out,
               struct err *e)
{
    char url[256];
    struct http_call call = {.method = HTTP_GET, .url = url_of(url, port, path)};

    return http_client_do(c, &call, out, e);
}

static void the_simple_methods_arrive(void **state)
{
    static const char *const headers[] = {"X-Extra: 1", NULL};
    struct http_client *c = open_client(NULL);
    struct http_result a;
    struct site site;
    char url[256];
    struct http_call call = {.url = url, .headers = headers};

    (void)state;
    site_open(&site);
    (void)url_of(url, site.rig.port, "/echo");
    call.method = HTTP_POST;
    call.body = span_str("hello");
    assert_int_equal(http_client_do(c, &call, &a, NULL), 0);
    assert_int_equal(a.status, 200);
    assert_true(span_is(buf_span(&a.body), "hello"));
    assert_true(span_is(http_result_header(&a, "x-method"), "POST"));
    assert_true(http_result_header(&a, "x-absent").p == NULL);
    http_result_free(&a);
    call.body = span_of(NULL, 0);
    for (int m = HTTP_GET; m <= HTTP_DELETE; m++) {
        if (m == HTTP_POST || m == HTTP_PUT)
            continue;
        call.method = (enum http_method)m;
        assert_int_equal(http_client_do(c, &call, &a, NULL), 0);
        assert_int_equal(a.status, 200);
        assert_true(span_is(http_result_header(&a, "x-method"), http_method_name(call.method)));
        http_result_free(&a);
    }
    http_client_free(c);
    site_close(&site);
    assert_int_equal(site.stats.accepted, 1); /* one connection served all four */
}

static void a_redirect_is_an_answer(void **state)
{
    struct http_client *c = open_client(NULL);
    struct http_result a;
    struct site site;

    (void)state;
    site_open(&site);
    assert_int_equal(get(c, site.rig.port, "/moved", &a, NULL), 0);
    assert_int_equal(a.status, 307);
    assert_true(span_is(http_result_header(&a, "location"), "/echo"));
    http_result_free(&a);
    http_client_free(c);
    site_close(&site);
}

struct marks {
    uint64_t sent, total;
    int calls, done, status, rc;
    char body[64];
};

static void mark_progress(uint64_t sent, uint64_t total, void *arg)
{
    struct marks *m = arg;

    m->sent = sent;
    m->total = total;
    m->calls++;
}

static void mark_done(struct http_result *a, void *arg)
{
    struct marks *m = arg;

    m->done++;
    m->status = a->status;
    m->rc = a->rc;
    (void)snprintf(m->body, sizeof(m->body), "%.*s", (int)a->body.len, (const char *)a->body.data);
}

static void a_file_streams_with_progress(void **state)
{
    enum { SIZE = 5000000, OFF = 1000 };
    struct http_client *c = open_client(NULL);
    int fd = memfd_create("body", MFD_CLOEXEC);
    uint8_t *bytes = malloc(SIZE);
    struct marks m = {0};
    uint64_t sum = 0;
    struct site site;
    char url[256], want[64];
    struct http_call call = {.method = HTTP_PUT,
                             .body_fd = fd,
                             .body_off = OFF,
                             .body_len = SIZE - OFF,
                             .done = mark_done,
                             .progress = mark_progress,
                             .arg = &m,
                             .url = url};

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
        sum += i >= OFF ? bytes[i] : 0;
    }
    assert_int_equal(write(fd, bytes, SIZE), SIZE);
    site_open(&site);
    (void)url_of(url, site.rig.port, "/tally");
    assert_int_equal(http_client_start(c, &call, NULL), 0);
    assert_int_equal(http_client_run(c, NULL, NULL), 0);
    (void)snprintf(want, sizeof(want), "%d %llu", SIZE - OFF, (unsigned long long)sum);
    assert_int_equal(m.status, 201);
    assert_string_equal(m.body, want);
    assert_true(m.calls > 0 && m.total == SIZE - OFF && m.sent <= m.total);
    http_client_free(c);
    site_close(&site);
    (void)close(fd);
    free(bytes);
}

static void a_refused_body_is_never_sent_when_the_word_is_awaited(void **state)
{
    struct http_client *c = open_client(NULL);
    struct http_result a;
    struct site site;
    uint8_t *bytes = calloc(1, 4 << 20);
    char url[256];
    struct http_call call = {
        .method = HTTP_PUT, .url = url, .expect = true, .body = span_of(bytes, 4 << 20)};

    (void)state;
    site_open(&site);
    (void)url_of(url, site.rig.port, "/refuse");
    assert_int_equal(http_client_do(c, &call, &a, NULL), 0);
    assert_int_equal(a.status, 403);
    assert_int_equal(a.sent, 0);
    http_result_free(&a);
    /* and one that is wanted is sent without waiting a second for a word that came */
    mono_ms began = clock_mono();
    (void)url_of(url, site.rig.port, "/tally");
    assert_int_equal(http_client_do(c, &call, &a, NULL), 0);
    assert_int_equal(a.status, 201);
    assert_true(span_is(buf_span(&a.body), "4194304 0"));
    assert_true(clock_mono() - began < 900);
    http_result_free(&a);
    http_client_free(c);
    site_close(&site);
    free(bytes);
}

static void an_early_refusal_is_read_in_the_middle_of_the_body(void **state)
{
    struct http_client *c = open_client(NULL);
    struct http_result a;
    struct site site;
    size_t n = 100 << 20;
    uint8_t *bytes = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char url[256];
    struct http_call call = {.method = HTTP_PUT, .url = url, .body = span_of(bytes, n)};

    (void)state;
    assert_true(bytes != MAP_FAILED);
    site_open(&site);
    (void)url_of(url, site.rig.port, "/refuse");
    assert_int_equal(http_client_do(c, &call, &a, NULL), 0);
    assert_int_equal(a.status, 403);
    assert_true(a.sent < 20 << 20);
    assert_non_null(memmem(a.body.data, a.body.len, "\"no_ticket\"", 11));
    http_result_free(&a);
    http_client_free(c);
    site_close(&site);
    (void)munmap(bytes, n);
}

static void many_calls_are_in_flight_over_few_connections(void **state)
{
    struct http_client_limits limits = {.connections = 8};
    struct http_client *c = open_client(&limits);
    struct marks m = {0};
    struct site site;
    char url[256];
    struct http_call call = {
        .method = HTTP_POST, .url = url, .body = span_str("x"), .done = mark_done, .arg = &m};

    (void)state;
    site_open(&site);
    (void)url_of(url, site.rig.port, "/echo");
    for (int i = 0; i < 300; i++)
        assert_int_equal(http_client_start(c, &call, NULL), 0);
    assert_int_equal(http_client_in_flight(c), 300);
    assert_int_equal(http_client_run(c, NULL, NULL), 0);
    assert_int_equal(m.done, 300);
    assert_int_equal(m.status, 200);
    http_client_free(c);
    site_close(&site);
    assert_int_equal(site.stats.requests, 300);
    assert_true(site.stats.accepted <= 8);
}

static void what_is_in_flight_ends_when_the_client_is_freed(void **state)
{
    struct http_client *c = open_client(NULL);
    struct marks m = {0};
    struct site site;
    char url[256];
    struct http_call call = {.method = HTTP_GET, .url = url, .done = mark_done, .arg = &m};

    (void)state;
    site_open(&site);
    (void)url_of(url, site.rig.port, "/never");
    assert_int_equal(http_client_start(c, &call, NULL), 0);
    assert_int_equal(http_client_step(c), 0);
    http_client_free(c);
    assert_int_equal(m.done, 1);
    assert_int_equal(m.rc, -ECANCELED);
    assert_int_equal(m.status, 0);
    site_close(&site);
}

/* --- failures
 * --------------------------------------------------------------------------------------*/

static void expect_failure(int rc, const struct http_result *a, const struct err *e, int want,
                           const char *part)
{
    if (rc != want || a->status != 0 || strstr(err_text(e), part) == NULL)
        fail_msg("got %d, status %d, \"%s\"; wanted %d and \"%s\"", rc, a->status, err_text(e),
                 want, part);
}

static void an_answer_that_is_too_large_is_not_kept(void **state)
{
    struct http_client_limits limits = {.max_answer = 99999};
    struct http_client *c = open_client(&limits);
    struct err e = ERR_INIT;
    struct http_result a;
    struct site site;
    struct odd odd;
    int rc;

    (void)state;
    site_open(&site);
    rc = get(c, site.rig.port, "/big", &a, &e);
    expect_failure(rc, &a, &e, -E2BIG, "/big\": the answer is larger");
    http_result_free(&a);
    /* one that does not say its size before */
    odd_open(&odd, "HTTP/1.1 200 OK\r\n\r\nmore than eight");
    char url[256];
    struct http_call call = {
        .method = HTTP_GET, .url = url_of(url, odd.port, "/x"), .max_answer = 8};
    e.code = 0;
    rc = http_client_do(c, &call, &a, &e);
    expect_failure(rc, &a, &e, -E2BIG, "the answer is larger");
    http_result_free(&a);
    odd_close(&odd);
    call.url = url_of(url, site.rig.port, "/big");
    call.max_answer = 100000;
    assert_int_equal(http_client_do(c, &call, &a, NULL), 0);
    assert_int_equal(a.body.len, 100000);
    http_result_free(&a);
    http_client_free(c);
    site_close(&site);
}

static void a_silent_server_costs_the_time_that_was_set(void **state)
{
    struct http_client *c = open_client(NULL);
    struct err e = ERR_INIT;
    struct http_result a;
    struct odd odd;
    char url[256];
    mono_ms began = clock_mono();
    struct http_call call = {.method = HTTP_GET, .url = url, .total_ms = 100};
    int rc;

    (void)state;
    odd_open(&odd, NULL);
    (void)url_of(url, odd.port, "/slow?token=secret");
    rc = http_client_do(c, &call, &a, &e);
    expect_failure(rc, &a, &e, -ETIMEDOUT, "/slow\": too slow");
    assert_null(strstr(err_text(&e), "secret"));
    assert_in_range(clock_mono() - began, 90, 2000);
    http_result_free(&a);
    odd_close(&odd);
    http_client_free(c);
}

static void a_stalled_server_is_given_up(void **state)
{
    struct http_client_limits limits = {.stall_ms = 1000};
    struct http_client *c = open_client(&limits);
    struct err e = ERR_INIT;
    struct http_result a;
    struct odd odd;
    int rc;

    (void)state;
    odd_open(&odd, NULL);
    rc = get(c, odd.port, "/stall", &a, &e);
    expect_failure(rc, &a, &e, -ETIMEDOUT, "too slow");
    http_result_free(&a);
    odd_close(&odd);
    http_client_free(c);
}

static void a_bad_answer_is_named(void **state)
{
    static const struct {
        const char *answer;
        int rc;
        const char *part;
    } rows[] = {
        {"SSH-2.0-OpenSSH_9.2\r\n", -EPROTO, "is not HTTP"},
        {"", -EPROTO, "without an answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", -EPROTO, "cut short"},
        {"HTTP/1.1 200 OK\r\n", -EPROTO, "cut short"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", -EPROTO, "cut short"},
        {"HTTP/1.1 201 Created\r\nContent-Len", -EPROTO, "cut short"},
    };
    struct http_client *c = open_client(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = ERR_INIT;
        struct http_result a;
        struct odd odd;
        int rc;

        odd_open(&odd, rows[i].answer);
        rc = get(c, odd.port, "/x", &a, &e);
        expect_failure(rc, &a, &e, rows[i].rc, rows[i].part);
        http_result_free(&a);
        odd_close(&odd);
    }
    http_client_free(c);
}

static void nobody_there_is_named_with_a_cure(void **state)
{
    struct http_client *c = open_client(NULL);
    struct err e = ERR_INIT;
    struct http_result a;
    struct odd odd;
    char url[256];
    struct http_call call = {.method = HTTP_GET, .url = url};
    int rc;

    (void)state;
    odd_open(&odd, "");
    (void)snprintf(url, sizeof(url), "http://user:secret@127.0.0.1:%u/x", odd.port);
    (void)get(c, odd.port, "/", &a, NULL);
    http_result_free(&a);
    odd_close(&odd); /* the port is free now */
    rc = http_client_do(c, &call, &a, &e);
    expect_failure(rc, &a, &e, -ECONNREFUSED, "/x\": no connection; is the server running");
    assert_null(strstr(err_text(&e), "secret"));
    assert_non_null(strstr(err_text(&e), "GET \"http://127.0.0.1:"));
    http_result_free(&a);
    http_client_free(c);
}

static void what_makes_no_sense_is_not_started(void **state)
{
    static const char *const split[] = {"X: a\r\nY: b", NULL}, *const bare[] = {"X", NULL};
    struct http_client *c = open_client(NULL);
    struct http_result a;
    struct http_call call = {.method = HTTP_GET};

    (void)state;
    static const char *const urls[] = {"file:///etc/passwd", "ftp://a/b", "", "http://", "a b"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        call.url = urls[i];
        assert_int_equal(http_client_do(c, &call, &a, NULL), -EINVAL);
    }
    call.url = "http://127.0.0.1:1/";
    call.headers = split;
    assert_int_equal(http_client_do(c, &call, &a, NULL), -EINVAL);
    call.headers = bare;
    assert_int_equal(http_client_do(c, &call, &a, NULL), -EINVAL);
    assert_int_equal(http_client_in_flight(c), 0);
    http_client_free(c);
}

static void a_file_that_shrinks_is_an_error_of_reading(void **state)
{
    struct http_client *c = open_client(NULL);
    int fd = memfd_create("body", MFD_CLOEXEC);
    struct err e = ERR_INIT;
    struct http_result a;
    struct site site;
    char url[256];
    struct http_call call = {.method = HTTP_PUT, .url = url, .body_fd = fd, .body_len = 1000};
    int rc;

    (void)state;
    assert_int_equal(write(fd, "short", 5), 5);
    site_open(&site);
    (void)url_of(url, site.rig.port, "/tally");
    rc = http_client_do(c, &call, &a, &e);
    expect_failure(rc, &a, &e, -EIO, "became shorter");
    http_result_free(&a);
    http_client_free(c);
    site_close(&site);
    (void)close(fd);
}

static void a_unix_socket_serves_too(void **state)
{
    struct http_client *c = open_client(NULL);
    char dir[] = "/tmp/http-client-XXXXXX", path[64], address[80];
    struct http_result a;
    struct site site;
    struct http_call call = {.method = HTTP_GET, .url = "http://site/echo", .unix_path = path};
    int fd, again;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/s", dir);
    (void)snprintf(address, sizeof(address), "unix:%s", path);
    assert_int_equal(http_listen(&fd, address, NULL), 0);
    (void)close(fd); /* stale: the file is there, nobody listens */
    assert_int_equal(http_listen(&fd, address, NULL), 0);
    assert_int_equal(http_listen(&again, address, NULL), -EADDRINUSE);
    memset(&site, 0, sizeof(site));
    rig_open(&site.rig, routes, ARRAY_LEN(routes), NULL, NULL);
    assert_int_equal(http_server_listen(site.rig.s, fd, NULL), 0);
    assert_int_equal(pthread_create(&site.thread, NULL, site_main, &site), 0);
    assert_int_equal(http_client_do(c, &call, &a, NULL), 0);
    assert_int_equal(a.status, 200);
    http_result_free(&a);
    http_client_free(c);
    site_close(&site);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_simple_methods_arrive),
        cmocka_unit_test(a_redirect_is_an_answer),
        cmocka_unit_test(a_file_streams_with_progress),
        cmocka_unit_test(a_refused_body_is_never_sent_when_the_word_is_awaited),
        cmocka_unit_test(an_early_refusal_is_read_in_the_middle_of_the_body),
        cmocka_unit_test(many_calls_are_in_flight_over_few_connections),
        cmocka_unit_test(what_is_in_flight_ends_when_the_client_is_freed),
        cmocka_unit_test(an_answer_that_is_too_large_is_not_kept),
        cmocka_unit_test(a_silent_server_costs_the_time_that_was_set),
        cmocka_unit_test(a_stalled_server_is_given_up),
        cmocka_unit_test(a_bad_answer_is_named),
        cmocka_unit_test(nobody_there_is_named_with_a_cure),
        cmocka_unit_test(what_makes_no_sense_is_not_started),
        cmocka_unit_test(a_file_that_shrinks_is_an_error_of_reading),
        cmocka_unit_test(a_unix_socket_serves_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
