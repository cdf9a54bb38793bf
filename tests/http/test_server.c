/* The life of a request: early answers, waiting, back-pressure, limits, stopping. */
#include "rig.h"

#include <malloc.h>
#include <sys/resource.h>

#include "http/server_priv.h"

struct house {
    struct rig rig;
    uint64_t parked; /* id of the last parked request */
    int begun, gone, late;
    uint64_t received;
    size_t room; /* what room() says */
    uint8_t *into;
    size_t largest;
    bool at_into;
};

static void on_hello(struct http_req *r, void *arg)
{
    struct house *h = arg;

    h->begun++;
    http_answer(r, 200, "text/plain", span_str("hello"));
}

static void on_park(struct http_req *r, void *arg)
{
    struct house *h = arg;

    h->begun++;
    h->parked = http_id(r);
}

static void on_poll(struct http_req *r, void *arg)
{
    on_park(r, arg);
    http_long_poll(r, 60000);
}

static void on_poll_shortly(struct http_req *r, void *arg)
{
    on_park(r, arg);
    http_long_poll(r, 30);
}

static void on_late(struct http_req *r, void *arg)
{
    struct house *h = arg;

    h->late++;
    http_answer(r, 200, "text/plain", span_str("nothing yet"));
}

static void on_gone(struct http_req *r, void *arg)
{
    struct house *h = arg;

    (void)r;
    h->gone++;
}

static void on_refuse(struct http_req *r, void *arg)
{
    struct house *h = arg;

    h->begun++;
    http_error(r, 403, "no_ticket", "ask for one", "no \"ticket\" of \xff yours");
}

static size_t take_room(struct http_req *r, uint8_t **into, void *arg)
{
    struct house *h = arg;

    (void)r;
    *into = h->into;
    return h->room;
}

static void take_begin(struct http_req *r, void *arg)
{
    on_park(r, arg);
}

static void take_body(struct http_req *r, struct span b, void *arg)
{
    struct house *h = arg;

    (void)r;
    h->received += b.n;
    h->largest = b.n > h->largest ? b.n : h->largest;
    h->at_into = h->into != NULL && b.p == h->into;
}

static void take_end(struct http_req *r, void *arg)
{
    (void)arg;
    http_answer(r, 201, "text/plain", span_str("taken"));
}

static void on_file(struct http_req *r, void *arg)
{
    FILE *f = tmpfile();
    int fd;

    (void)arg;
    assert_non_null(f);
    fd = dup(fileno(f));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(fprintf(f, "%09d\n", i), 10);
    assert_int_equal(fclose(f), 0);
    http_put_header(r, "Cache-Control", HTTP_CACHE_FOREVER);
    if (http_etag(r, "\"abc\""))
        (void)close(fd);
    else
        http_answer_fd(r, 200, "application/octet-stream", fd, 10, 9980);
}

static void on_huge(struct http_req *r, void *arg)
{
    struct buf b;

    (void)arg;
    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_reserve(&b, 50 << 20), 0);
    memset(b.data, 'x', 50 << 20);
    b.len = 50 << 20;
    http_answer_take(r, 200, "text/plain", &b);
}

static void on_params(struct http_req *r, void *arg)
{
    struct span a = http_param(r, "sub"), b = http_param(r, "rest"), q = http_query(r, "wait");
    char text[256];

    (void)arg;
    (void)snprintf(text, sizeof(text), "%.*s|%.*s|%.*s|%s|%s", (int)a.n, (const char *)a.p,
                   (int)b.n, (const char *)b.p, (int)q.n, (const char *)q.p,
                   http_query(r, "none").p == NULL ? "none" : "?", http_peer(r));
    http_answer(r, 200, "text/plain", span_str(text));
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", HTTP_BODY_NONE, 0, on_hello, NULL, NULL, NULL, NULL, on_gone},
    {HTTP_GET, "/park", HTTP_BODY_NONE, 0, on_park, NULL, NULL, NULL, NULL, on_gone},
    {HTTP_GET, "/poll", HTTP_BODY_NONE, 0, on_poll, NULL, NULL, NULL, on_late, on_gone},
    {HTTP_GET, "/short", HTTP_BODY_NONE, 0, on_poll_shortly, NULL, NULL, NULL, on_late, on_gone},
    {HTTP_PUT, "/refuse", HTTP_BODY_STREAM, 1 << 30, on_refuse, NULL, take_body, take_end, NULL,
     on_gone},
    {HTTP_PUT, "/take", HTTP_BODY_STREAM, 1 << 30, take_begin, take_room, take_body, take_end, NULL,
     on_gone},
    {HTTP_GET, "/file", HTTP_BODY_NONE, 0, on_file, NULL, NULL, NULL, NULL, on_gone},
    {HTTP_GET, "/huge", HTTP_BODY_NONE, 0, on_huge, NULL, NULL, NULL, NULL, on_gone},
    {HTTP_GET, "/s/{sub}/x/{rest...}", HTTP_BODY_NONE, 0, on_params, NULL, NULL, NULL, NULL,
     on_gone},
    {HTTP_POST, "/park", HTTP_BODY_WHOLE, 1000, on_park, NULL, NULL, NULL, NULL, on_gone},
};

static void open_house(struct house *h, const struct http_limits *limits)
{
    memset(h, 0, sizeof(*h));
    h->room = SIZE_MAX;
    rig_open(&h->rig, routes, ARRAY_LEN(routes), limits, h);
}

static bool say(struct house *h, int fd, const char *text)
{
    return rig_send(&h->rig, fd, text, strlen(text));
}

static int ask(struct house *h, int fd, const char *text, char *answer, size_t cap, bool *closed)
{
    assert_true(say(h, fd, text));
    (void)rig_read(&h->rig, fd, answer, cap, 5, closed);
    return rig_status(answer);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* --- answers
 * ---------------------------------------------------------------------------------------*/

static void a_connection_serves_many_requests_and_pipelines_in_order(void **state)
{
    struct house h;
    char answer[8192];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(&h, fd, GET("/"), answer, sizeof(answer), &closed), 200);
    assert_int_equal(
        ask(&h, fd, GET("/") GET("/nowhere") GET("/"), answer, sizeof(answer), &closed), 200);
    assert_non_null(strstr(strstr(answer, "HTTP/1.1 404"), "HTTP/1.1 200"));
    assert_false(closed);
    assert_int_equal(h.begun, 5);
    assert_int_equal(h.gone, 5);
    (void)close(fd);
    rig_close(&h.rig);
}

static void parameters_are_decoded_and_found_by_name(void **state)
{
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_int_equal(
        ask(&h, fd, GET("/s/a%20b/x/1/2/3?x=1&wait=%35"), answer, sizeof(answer), &closed), 200);
    assert_non_null(strstr(answer, "a b|1/2/3|5|none|127.0.0.1"));
    (void)close(fd);
    rig_close(&h.rig);
}

static void a_file_is_sent_from_its_descriptor_and_not_again_for_its_tag(void **state)
{
    struct house h;
    char answer[16384], *body;
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_int_equal(ask(&h, fd, GET("/file"), answer, sizeof(answer), &closed), 200);
    body = strstr(answer, "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), 9980);
    assert_int_equal(strncmp(body, "000000001\n", 10), 0);
    assert_string_equal(body + 9970, "000000998\n");
    assert_non_null(strstr(answer, "Cache-Control: public, max-age=31536000, immutable\r\n"));
    assert_non_null(strstr(answer, "ETag: \"abc\"\r\n"));
    assert_int_equal(ask(&h, fd,
                         "GET /file HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"abc\"\r\n\r\n" GET("/"),
                         answer, sizeof(answer), &closed),
                     304);
    assert_non_null(strstr(answer, "\r\n\r\nHTTP/1.1 200")); /* no body between */
    (void)close(fd);
    rig_close(&h.rig);
}

static void head_says_the_length_and_sends_no_body(void **state)
{
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_int_equal(ask(&h, fd, "HEAD /file HTTP/1.1\r\nHost: a\r\n\r\n" GET("/"), answer,
                         sizeof(answer), &closed),
                     200);
    assert_non_null(strstr(answer, "Content-Length: 9980\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\nHTTP/1.1 200"));
    (void)close(fd);
    rig_close(&h.rig);
}

static void an_error_is_json_whatever_bytes_it_speaks_of(void **state)
{
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_int_equal(
        ask(&h, fd, "PUT /refuse HTTP/1.1\r\nHost: a\r\n\r\n", answer, sizeof(answer), &closed),
        403);
    assert_non_null(strstr(answer,
                           "\r\n\r\n{\"error\":{\"code\":\"no_ticket\",\"message\":"
                           "\"no \\\"ticket\\\" of ? yours\",\"cure\":\"ask for one\"}}\n"));
    assert_false(closed); /* no body was promised */
    (void)close(fd);
    rig_close(&h.rig);
}

/* --- early answers
 * ---------------------------------------------------------------------------------*/

static void an_early_answer_reads_nothing_of_the_body_but_can_be_read(void **state)
{
    static uint8_t chunk[1 << 16];
    struct http_limits limits = {.linger_ms = 200};
    struct http_stats stats;
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, &limits);
    fd = rig_connect(&h.rig);
    assert_true(
        say(&h, fd, "PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n"));
    for (int i = 0; i < 10; i++) /* the client is slow to look; its sending must not fail */
        assert_true(rig_send(&h.rig, fd, chunk, sizeof(chunk)));
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 100, &closed);
    assert_int_equal(rig_status(answer), 403);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    assert_true(closed);
    assert_int_equal(h.received, 0);
    rig_spin(&h.rig, 250);
    http_server_stats(h.rig.s, &stats);
    assert_int_equal(stats.active, 0); /* lingering ends */
    (void)close(fd);
    rig_close(&h.rig);
}

static void the_word_to_continue_is_said_once_and_only_if_the_body_is_wanted(void **state)
{
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_int_equal(ask(&h, fd,
                         "PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                         "Expect: 100-continue\r\n\r\n",
                         answer, sizeof(answer), &closed),
                     403);
    assert_true(closed);
    (void)close(fd);
    fd = rig_connect(&h.rig);
    assert_int_equal(ask(&h, fd,
                         "PUT /take HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                         "Expect: 100-continue\r\n\r\n",
                         answer, sizeof(answer), &closed),
                     100);
    assert_string_equal(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(ask(&h, fd, "hel", answer, sizeof(answer), &closed), 0);
    assert_int_equal(ask(&h, fd, "lo", answer, sizeof(answer), &closed), 201);
    (void)close(fd);
    rig_close(&h.rig);
}

static void an_answer_from_outside_ends_an_upload_in_the_middle(void **state)
{
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_int_equal(ask(&h, fd, "PUT /take HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nhel",
                         answer, sizeof(answer), &closed),
                     0);
    http_error(http_find(h.rig.s, h.parked), 503, "full", NULL, "the disk is full");
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 50, &closed);
    assert_int_equal(rig_status(answer), 503);
    assert_true(closed);
    assert_int_equal(h.gone, 1);
    (void)close(fd);
    rig_close(&h.rig);
}

/* --- back-pressure
 * ---------------------------------------------------------------------------------*/

static size_t send_what_goes(struct house *h, int fd, size_t most)
{
    static uint8_t chunk[1 << 16];
    size_t sent = 0;
    int stuck = 0;

    while (sent < most && stuck < 20) {
        size_t n = most - sent < sizeof(chunk) ? most - sent : sizeof(chunk);
        ssize_t k = send(fd, chunk, n, MSG_NOSIGNAL);

        stuck = k > 0 ? 0 : stuck + 1;
        sent += k > 0 ? (size_t)k : 0;
        rig_spin(&h->rig, k > 0 ? 0 : 1);
    }
    return sent;
}

static void a_paused_body_waits_in_the_kernel(void **state)
{
    enum { TOTAL = 64 << 20 };
    struct house h;
    char answer[4096];
    uint64_t before;
    size_t sent;
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    h.room = 0;
    fd = rig_connect(&h.rig);
    assert_true(say(&h, fd, "PUT /take HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n"));
    sent = send_what_goes(&h, fd, TOTAL);
    assert_true(sent < 32 << 20); /* the client is held */
    assert_int_equal(h.received, 0);
    /* credit for a little */
    h.room = 1000;
    h.into = malloc(1000);
    http_resume(http_find(h.rig.s, h.parked));
    rig_turn(&h.rig);
    assert_in_range(h.received, 1, 1000);
    assert_true(h.largest <= 1000 && h.at_into);
    h.room = 0;
    rig_spin(&h.rig, 5);
    before = h.received;
    rig_spin(&h.rig, 5);
    assert_int_equal(h.received, before);
    free(h.into);
    h.into = NULL;
    h.room = SIZE_MAX;
    http_resume(http_find(h.rig.s, h.parked));
    assert_int_equal(send_what_goes(&h, fd, TOTAL - sent), TOTAL - sent);
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 100, &closed);
    assert_int_equal(rig_status(answer), 201);
    assert_int_equal(h.received, TOTAL);
    (void)close(fd);
    rig_close(&h.rig);
}

static void a_body_paused_too_long_is_answered_503(void **state)
{
    struct http_limits limits = {.park_ms = 40, .linger_ms = 20};
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, &limits);
    h.room = 0;
    fd = rig_connect(&h.rig);
    assert_true(say(&h, fd, "PUT /take HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"));
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 500, &closed);
    assert_int_equal(rig_status(answer), 503);
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    assert_true(closed);
    assert_null(http_find(h.rig.s, h.parked));
    (void)close(fd);
    rig_close(&h.rig);
}

/* --- waiting
 * ---------------------------------------------------------------------------------------*/

static void a_parked_request_is_woken_from_outside(void **state)
{
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_int_equal(ask(&h, fd, GET("/poll"), answer, sizeof(answer), &closed), 0);
    assert_non_null(http_find(h.rig.s, h.parked));
    assert_null(http_find(h.rig.s, h.parked + (1 << 16))); /* the same place, another request */
    http_answer(http_find(h.rig.s, h.parked), 200, "text/plain", span_str("news"));
    assert_null(http_find(h.rig.s, h.parked));
    assert_int_equal(http_server_wait(h.rig.s), 0); /* the loop must turn at once */
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 5, &closed);
    assert_int_equal(rig_status(answer), 200);
    assert_false(closed);
    assert_int_equal(h.gone, 1);
    (void)close(fd);
    rig_close(&h.rig);
}

static void a_long_poll_ends_with_late(void **state)
{
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_true(say(&h, fd, GET("/short")));
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 100, &closed);
    assert_int_equal(rig_status(answer), 200);
    assert_non_null(strstr(answer, "nothing yet"));
    assert_int_equal(h.late, 1);
    (void)close(fd);
    rig_close(&h.rig);
}

static void a_client_that_leaves_is_noticed_while_it_waits(void **state)
{
    struct house h;
    char answer[64];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    (void)ask(&h, fd, GET("/poll"), answer, sizeof(answer), &closed);
    assert_int_equal(h.begun, 1);
    (void)close(fd);
    rig_spin(&h.rig, 20);
    assert_int_equal(h.gone, 1);
    assert_null(http_find(h.rig.s, h.parked));
    rig_close(&h.rig);
    assert_int_equal(h.gone, 1);
}

static void stopping_ends_each_waiting_request_once(void **state)
{
    struct house h;
    char answer[64];
    bool closed;
    int fds[10];

    (void)state;
    open_house(&h, NULL);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = rig_connect(&h.rig);
        (void)ask(&h, fds[i], i % 2 != 0 ? GET("/poll") : GET("/park"), answer, sizeof(answer),
                  &closed);
    }
    assert_int_equal(h.begun, 10);
    rig_close(&h.rig);
    assert_int_equal(h.gone, 10);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
}

/* --- draining
 * --------------------------------------------------------------------------------------*/

static void a_drain_finishes_what_runs_and_takes_nothing_new(void **state)
{
    struct house h;
    char answer[4096];
    bool closed;
    int idle, parked, polling, upload, fresh;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint64_t id;

    (void)state;
    open_house(&h, NULL);
    idle = rig_connect(&h.rig);
    (void)ask(&h, idle, GET("/"), answer, sizeof(answer), &closed);
    upload = rig_connect(&h.rig);
    (void)ask(&h, upload, "PUT /take HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", answer,
              sizeof(answer), &closed);
    polling = rig_connect(&h.rig);
    (void)ask(&h, polling, GET("/poll"), answer, sizeof(answer), &closed);
    parked = rig_connect(&h.rig);
    (void)ask(&h, parked, GET("/park"), answer, sizeof(answer), &closed);
    id = h.parked;
    http_server_drain(h.rig.s, 60000);
    (void)rig_read(&h.rig, idle, answer, sizeof(answer), 50, &closed);
    assert_true(closed);
    (void)rig_read(&h.rig, polling, answer, sizeof(answer), 50, &closed);
    assert_true(closed && rig_status(answer) == 200);
    assert_non_null(strstr(answer, "Connection: close\r\n"));
    a.sin_port = htons(h.rig.port);
    fresh = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fresh, (struct sockaddr *)&a, sizeof(a)), -1);
    assert_false(http_server_drained(h.rig.s));
    assert_true(say(&h, upload, "lo"));
    (void)rig_read(&h.rig, upload, answer, sizeof(answer), 50, &closed);
    assert_true(closed && rig_status(answer) == 201);
    http_answer(http_find(h.rig.s, id), 200, "text/plain", span_str("done"));
    (void)rig_read(&h.rig, parked, answer, sizeof(answer), 50, &closed);
    assert_true(closed && rig_status(answer) == 200);
    assert_true(http_server_drained(h.rig.s));
    rig_close(&h.rig);
    (void)close(idle);
    (void)close(parked);
    (void)close(polling);
    (void)close(upload);
    (void)close(fresh);
}

static void a_drain_has_an_end(void **state)
{
    struct house h;
    char answer[64];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    (void)ask(&h, fd, GET("/park"), answer, sizeof(answer), &closed);
    http_server_drain(h.rig.s, 60000);
    http_server_drain(h.rig.s, 30);
    rig_spin(&h.rig, 10);
    assert_false(http_server_drained(h.rig.s));
    rig_spin(&h.rig, 40);
    assert_true(http_server_drained(h.rig.s));
    assert_int_equal(h.gone, 1);
    (void)close(fd);
    rig_close(&h.rig);
}

/* --- slow and many
 * ---------------------------------------------------------------------------------*/

/* Sends a byte every few ms as long as it is let; the time until the server ended it. */
static mono_ms drip(struct house *h, const char *head, char *answer, size_t cap, bool *closed)
{
    int fd = rig_connect(&h->rig);
    mono_ms began = clock_mono();

    if (head != NULL)
        assert_true(say(h, fd, head));
    *closed = false;
    answer[0] = '\0';
    for (int i = 0; i < 400 && !*closed; i++) {
        if (send(fd, "a", 1, MSG_NOSIGNAL) != 1)
            break;
        (void)rig_read(&h->rig, fd, answer + strlen(answer), cap - strlen(answer), 3, closed);
    }
    (void)close(fd);
    return clock_mono() - began;
}

static void a_dripping_head_ends_in_time(void **state)
{
    struct http_limits limits = {.head_ms = 60, .linger_ms = 10};
    struct house h;
    char answer[4096];
    bool closed;
    mono_ms took;

    (void)state;
    open_house(&h, &limits);
    took = drip(&h, NULL, answer, sizeof(answer), &closed);
    assert_in_range(took, 55, 600);
    assert_int_equal(rig_status(answer), 408);
    assert_true(closed);
    rig_close(&h.rig);
}

static void a_dripping_body_ends_in_time(void **state)
{
    struct http_limits limits = {.body_stall_ms = 1050, .body_min_rate = 1000, .linger_ms = 10};
    struct house h;
    char answer[4096];
    bool closed;
    mono_ms took;

    (void)state;
    open_house(&h, &limits);
    took = drip(&h, "PUT /take HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", answer,
                sizeof(answer), &closed);
    assert_in_range(took, 1000, 1800); /* each byte would have renewed a mere stall limit */
    assert_int_equal(rig_status(answer), 408);
    rig_close(&h.rig);
}

static void a_stalled_body_and_an_idle_connection_end_in_time(void **state)
{
    struct http_limits limits = {.body_stall_ms = 40, .idle_ms = 40, .linger_ms = 10};
    struct house h;
    char answer[4096];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, &limits);
    fd = rig_connect(&h.rig);
    assert_true(say(&h, fd, "PUT /take HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"));
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 500, &closed);
    assert_true(closed && rig_status(answer) == 408);
    (void)close(fd);
    fd = rig_connect(&h.rig);
    assert_int_equal(rig_read(&h.rig, fd, answer, sizeof(answer), 500, &closed), 0);
    assert_true(closed);
    (void)close(fd);
    rig_close(&h.rig);
}

static void a_client_that_takes_no_answer_is_dropped(void **state)
{
    struct http_limits limits = {.send_stall_ms = 60};
    struct http_stats stats;
    struct house h;
    int fd;

    (void)state;
    open_house(&h, &limits);
    fd = rig_connect(&h.rig);
    assert_true(say(&h, fd, GET("/huge")));
    rig_spin(&h.rig, 40);
    http_server_stats(h.rig.s, &stats);
    assert_int_equal(stats.active, 1);
    rig_spin(&h.rig, 100);
    http_server_stats(h.rig.s, &stats);
    assert_int_equal(stats.active, 0);
    assert_int_equal(h.gone, 1);
    (void)close(fd);
    rig_close(&h.rig);
}

static void connections_are_limited_in_all_and_by_address(void **state)
{
    struct http_limits limits = {.connections = 5, .connections_per_ip = 3};
    struct house h;
    char answer[4096];
    bool closed;
    int fds[4], fd;

    (void)state;
    open_house(&h, &limits);
    for (int i = 0; i < 3; i++) {
        fds[i] = rig_connect(&h.rig);
        assert_int_equal(ask(&h, fds[i], GET("/"), answer, sizeof(answer), &closed), 200);
    }
    fd = rig_connect(&h.rig);
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 50, &closed);
    assert_true(closed && rig_status(answer) == 429);
    (void)close(fd);
    (void)close(fds[0]); /* a place becomes free */
    rig_spin(&h.rig, 10);
    fds[0] = rig_connect(&h.rig);
    assert_int_equal(ask(&h, fds[0], GET("/"), answer, sizeof(answer), &closed), 200);
    for (int i = 0; i < 3; i++)
        (void)close(fds[i]);
    rig_close(&h.rig);
    limits.connections = 2;
    open_house(&h, &limits);
    for (int i = 0; i < 2; i++) {
        fds[i] = rig_connect(&h.rig);
        assert_int_equal(ask(&h, fds[i], GET("/"), answer, sizeof(answer), &closed), 200);
    }
    fd = rig_connect(&h.rig);
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 50, &closed);
    assert_true(closed && rig_status(answer) == 503);
    (void)close(fd);
    for (int i = 0; i < 2; i++)
        (void)close(fds[i]);
    rig_close(&h.rig);
}

static void a_thousand_idle_connections_cost_little_and_disturb_nobody(void **state)
{
    enum { MANY = 1000 };
    struct http_limits limits = {.connections_per_ip = MANY + 10};
    struct mallinfo2 before, after;
    struct house h;
    char answer[4096];
    bool closed;
    static int fds[MANY];
    int fd;

    (void)state;
    open_house(&h, &limits);
    before = mallinfo2();
    for (int i = 0; i < MANY; i++) {
        fds[i] = rig_connect(&h.rig);
        if (i % 2 == 0) /* half of them have been served */
            assert_true(say(&h, fds[i], GET("/")));
        rig_turn(&h.rig);
    }
    rig_spin(&h.rig, 50);
    after = mallinfo2();
    assert_int_equal(h.gone, MANY / 2);
    assert_true(after.uordblks - before.uordblks < MANY * 1024u + (1u << 18));
    fd = rig_connect(&h.rig);
    assert_int_equal(ask(&h, fd, GET("/"), answer, sizeof(answer), &closed), 200);
    (void)close(fd);
    for (int i = 0; i < MANY; i++)
        (void)close(fds[i]);
    struct http_stats stats;
    mono_ms until = clock_mono() + 10000; /* a busy machine takes its time */
    do {
        rig_spin(&h.rig, 20);
        http_server_stats(h.rig.s, &stats);
    } while (stats.active > 0 && clock_mono() < until);
    assert_int_equal(stats.active, 0);
    rig_close(&h.rig);
}

static void check_heap(const struct http_server *s)
{
    for (size_t i = 0; i < s->n_heap; i++) {
        assert_int_equal(s->heap[i]->heap_at, i);
        assert_true(i == 0 || s->heap[(i - 1) / 2]->heap_due <= s->heap[i]->heap_due);
        assert_true(s->heap[i]->heap_due <= s->heap[i]->due);
    }
}

/* Idle connections (a minute) and begun heads (ten seconds) come and go in a fixed random order. */
static void deadlines_stay_in_order_whoever_leaves(void **state)
{
    enum { PLACES = 40, MOVES = 1500 };
    int fds[PLACES];
    struct house h;
    uint32_t seed = 1;

    (void)state;
    open_house(&h, NULL);
    for (int i = 0; i < PLACES; i++)
        fds[i] = rig_connect(&h.rig);
    for (int move = 0; move < MOVES; move++) {
        int i;

        seed = seed * 1664525u + 1013904223u;
        i = (int)(seed >> 16) % PLACES;
        if (fds[i] < 0) {
            fds[i] = rig_connect(&h.rig);
        } else if ((seed >> 28) < 8) {
            assert_true(say(&h, fds[i], "G"));
        } else {
            (void)close(fds[i]);
            fds[i] = -1;
        }
        rig_spin(&h.rig, 0);
        check_heap(h.rig.s);
    }
    for (int i = 0; i < PLACES; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    rig_close(&h.rig);
}

static void memory_stays_flat_over_many_requests(void **state)
{
    struct house h;
    char answer[4096];
    struct mallinfo2 first, last;
    bool closed;

    (void)state;
    open_house(&h, NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            int fd = rig_connect(&h.rig);

            assert_true(
                say(&h, fd, "POST /park HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n"));
            if (i % 3 == 0)
                (void)ask(&h, fd, "bad", answer, sizeof(answer), &closed);
            (void)close(fd);
            rig_spin(&h.rig, 1);
        }
        if (round == 0)
            first = mallinfo2();
    }
    last = mallinfo2();
    assert_true(last.uordblks <= first.uordblks + 4096);
    rig_close(&h.rig);
}

/* --- tables
 * ----------------------------------------------------------------------------------------*/

static void a_malformed_table_is_refused(void **state)
{
    static const struct http_route bad[] = {
        {HTTP_GET, "x", HTTP_BODY_NONE, 0, on_hello, NULL, NULL, NULL, NULL, NULL},
        {HTTP_GET, "/{", HTTP_BODY_NONE, 0, on_hello, NULL, NULL, NULL, NULL, NULL},
        {HTTP_GET, "/{}", HTTP_BODY_NONE, 0, on_hello, NULL, NULL, NULL, NULL, NULL},
        {HTTP_GET, "/a{b}", HTTP_BODY_NONE, 0, on_hello, NULL, NULL, NULL, NULL, NULL},
        {HTTP_GET, "/{a...}/b", HTTP_BODY_NONE, 0, on_hello, NULL, NULL, NULL, NULL, NULL},
        {HTTP_GET, "/{a}/{b}/{c}/{d}/{e}", HTTP_BODY_NONE, 0, on_hello, NULL, NULL, NULL, NULL,
         NULL},
        {HTTP_GET, "/", HTTP_BODY_NONE, 0, NULL, NULL, NULL, NULL, NULL, NULL},
        {HTTP_PUT, "/", HTTP_BODY_STREAM, 9, on_hello, NULL, NULL, NULL, NULL, NULL},
    };
    struct http_server *s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(http_server_new(&s, &bad[i], 1, NULL, NULL, NULL), -EINVAL);
}

static void a_bad_listening_address_is_explained(void **state)
{
    static const char *const bad[] = {"",          "8080",      "localhost:80", "127.0.0.1:",
                                      "1.2.3.4:x", "[::1]",     "[::1:80",      "127.0.0.1:65536",
                                      "unix:",     "127.0.0.1", "::1:80"};
    struct err e = ERR_INIT;
    int fd;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(http_listen(&fd, bad[i], &e), -EINVAL);
        assert_int_equal(fd, -1);
        assert_non_null(strstr(err_text(&e), "127.0.0.1:8080"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_serves_many_requests_and_pipelines_in_order),
        cmocka_unit_test(parameters_are_decoded_and_found_by_name),
        cmocka_unit_test(a_file_is_sent_from_its_descriptor_and_not_again_for_its_tag),
        cmocka_unit_test(head_says_the_length_and_sends_no_body),
        cmocka_unit_test(an_error_is_json_whatever_bytes_it_speaks_of),
        cmocka_unit_test(an_early_answer_reads_nothing_of_the_body_but_can_be_read),
        cmocka_unit_test(the_word_to_continue_is_said_once_and_only_if_the_body_is_wanted),
        cmocka_unit_test(an_answer_from_outside_ends_an_upload_in_the_middle),
        cmocka_unit_test(a_paused_body_waits_in_the_kernel),
        cmocka_unit_test(a_body_paused_too_long_is_answered_503),
        cmocka_unit_test(a_parked_request_is_woken_from_outside),
        cmocka_unit_test(a_long_poll_ends_with_late),
        cmocka_unit_test(a_client_that_leaves_is_noticed_while_it_waits),
        cmocka_unit_test(stopping_ends_each_waiting_request_once),
        cmocka_unit_test(a_drain_finishes_what_runs_and_takes_nothing_new),
        cmocka_unit_test(a_drain_has_an_end),
        cmocka_unit_test(a_dripping_head_ends_in_time),
        cmocka_unit_test(a_dripping_body_ends_in_time),
        cmocka_unit_test(a_stalled_body_and_an_idle_connection_end_in_time),
        cmocka_unit_test(a_client_that_takes_no_answer_is_dropped),
        cmocka_unit_test(connections_are_limited_in_all_and_by_address),
        cmocka_unit_test(a_thousand_idle_connections_cost_little_and_disturb_nobody),
        cmocka_unit_test(deadlines_stay_in_order_whoever_leaves),
        cmocka_unit_test(memory_stays_flat_over_many_requests),
        cmocka_unit_test(a_malformed_table_is_refused),
        cmocka_unit_test(a_bad_listening_address_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
