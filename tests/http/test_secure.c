/* What is different with TLS: handshakes that are slow, blocked, wrong or cut; what is decrypted of
 * a refused body; what a connection costs; what clients check. */
#include "rig.h"

#include <dirent.h>
#include <gnutls/gnutls.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

#include "http/client.h"
#include "http/server_priv.h"

struct house {
    struct http_server *s;
    struct tls_rig tls;
    struct rig rig; /* only address, port and s: for rig_connect_plain and rig_read */
    sem_t go, asked;
    bool block;
    char why[128];
    int failed;
    uint64_t received;
    size_t room;
    uint8_t *into;
    int file;
};

static int signing(void *arg, const struct digest *id, const uint8_t *transcript, size_t n,
                   uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    struct house *h = arg;

    (void)id;
    if (h->block) {
        (void)sem_post(&h->asked);
        while (sem_wait(&h->go) != 0)
            ;
    }
    return tls_key_sign(h->tls.key, transcript, n, sig, len);
}

static void on_hello(struct http_req *r, void *arg)
{
    (void)arg;
    http_answer(r, 200, "text/plain", span_str("hello"));
}
static void on_refuse(struct http_req *r, void *arg)
{
    (void)arg;
    http_error(r, 421, "wrong_site", "go there", "not here");
}
static void on_file(struct http_req *r, void *arg)
{
    struct house *h = arg;

    http_answer_fd(r, 200, "application/octet-stream", dup(h->file), 1, (5U << 20) - 1);
}
static void take_begin(struct http_req *r, void *arg)
{
    (void)r;
    ((struct house *)arg)->received = 0;
}
static size_t take_room(struct http_req *r, uint8_t **into, void *arg)
{
    struct house *h = arg;

    (void)r;
    *into = h->into;
    return h->room;
}
static void take_body(struct http_req *r, struct span b, void *arg)
{
    struct house *h = arg;

    (void)r;
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] != (uint8_t)((h->received + i) * 31 / 7))
            fail_msg("byte %llu is another", (unsigned long long)(h->received + i));
    h->received += b.n;
}
static void take_end(struct http_req *r, void *arg)
{
    (void)arg;
    http_answer(r, 201, "text/plain", span_str("taken"));
}

static const struct http_route routes[] = {
    {HTTP_GET, "/", HTTP_BODY_NONE, 0, on_hello, NULL, NULL, NULL, NULL, NULL},
    {HTTP_GET, "/file", HTTP_BODY_NONE, 0, on_file, NULL, NULL, NULL, NULL, NULL},
    {HTTP_PUT, "/no", HTTP_BODY_STREAM, 1 << 30, on_refuse, NULL, take_body, take_end, NULL, NULL},
    {HTTP_PUT, "/take", HTTP_BODY_STREAM, 1 << 30, take_begin, take_room, take_body, take_end, NULL,
     NULL},
};

static void on_shaken(void *arg, const char *why)
{
    struct house *h = arg;

    if (why == NULL)
        return;
    h->failed++;
    (void)snprintf(h->why, sizeof(h->why), "%s", why);
}

static void open_house_of(struct house *h, const struct http_limits *limits, const char *host)
{
    struct err e = ERR_INIT;
    int fd;

    memset(h, 0, sizeof(*h));
    (void)sem_init(&h->go, 0, 0);
    (void)sem_init(&h->asked, 0, 0);
    h->room = SIZE_MAX;
    h->file = -1;
    tls_rig_open_with(&h->tls, signing, h, host);
    assert_int_equal(http_server_new(&h->s, routes, ARRAY_LEN(routes), limits, h, &e), 0);
    assert_int_equal(http_server_secure(h->s, h->tls.server, on_shaken, &e), 0);
    assert_int_equal(http_listen(&fd, "127.0.0.1:0", &e), 0);
    assert_int_equal(http_listen_name(fd, h->rig.address, sizeof(h->rig.address)), 0);
    h->rig.port = (uint16_t)strtoul(strrchr(h->rig.address, ':') + 1, NULL, 10);
    assert_int_equal(http_server_listen(h->s, fd, &e), 0);
    h->rig.s = h->s;
}

static void open_house(struct house *h, const struct http_limits *limits)
{
    open_house_of(h, limits, "localhost");
}

static void close_house(struct house *h)
{
    http_server_free(h->s);
    tls_rig_close(&h->tls);
    io_close(&h->file);
}

static struct http_stats stats(struct house *h)
{
    struct http_stats s;

    http_server_stats(h->s, &s);
    return s;
}

/* Turns the loop until what holds, or fails. */
#define until(h, what)                                                                             \
    do {                                                                                           \
        mono_ms end_ = clock_mono() + 10000;                                                       \
        while (!(what)) {                                                                          \
            if (clock_mono() > end_)                                                               \
                fail_msg("never: %s (%s)", #what, (h)->why);                                       \
            rig_spin(&(h)->rig, 2);                                                                \
        }                                                                                          \
    } while (0)

/* --- a client in the same thread --- */

struct got {
    bool done;
    int rc, status;
    char text[ERR_TEXT_MAX];
    struct buf body;
};

static void on_done(struct http_result *a, void *arg)
{
    struct got *g = arg;

    g->done = true;
    g->rc = a->rc;
    g->status = a->status;
    (void)snprintf(g->text, sizeof(g->text), "%s", err_text(&a->err));
    g->body = a->body;
    buf_init(&a->body, 0);
}

/* authorities NULL: the rig's own certificate */
static struct got ask(struct house *h, const char *authorities, struct http_call call)
{
    struct http_client_limits limits = {
        .authorities = authorities != NULL ? authorities : h->tls.authority, .max_answer = 8 << 20};
    struct http_client *c;
    struct err e = ERR_INIT;
    struct got g = {0};

    assert_int_equal(http_client_new(&c, &limits, &e), 0);
    call.done = on_done;
    call.arg = &g;
    assert_int_equal(http_client_start(c, &call, &e), 0);
    while (!g.done) {
        struct pollfd p[2] = {{.fd = http_server_fd(h->s), .events = POLLIN},
                              {.fd = http_client_fd(c), .events = POLLIN}};

        if (http_server_wait(h->s) != 0)
            (void)poll(p, 2, 5);
        assert_int_equal(http_server_run(h->s), 0);
        assert_int_equal(http_client_step(c), 0);
    }
    http_client_free(c);
    return g;
}

static const char *url(const struct house *h, const char *host, const char *path)
{
    static char text[128];

    (void)snprintf(text, sizeof(text), "https://%s:%u%s", host, h->rig.port, path);
    return text;
}

static void libcurl_is_served(void **state)
{
    struct house h;
    struct got g;

    (void)state;
    open_house(&h, NULL);
    g = ask(&h, NULL, (struct http_call){.method = HTTP_GET, .url = url(&h, "localhost", "/")});
    if (g.rc != 0)
        fail_msg("%s (%s)", g.text, h.why);
    assert_int_equal(g.status, 200);
    assert_string_equal(buf_str(&g.body), "hello");
    buf_free(&g.body);
    assert_int_equal(stats(&h).handshakes, 1);
    assert_int_equal(stats(&h).handshakes_failed, 0);
    close_house(&h);
}

static void a_file_is_sent_whole_through_a_full_socket(void **state)
{
    enum { ALL = 5 << 20 };
    uint8_t *bytes = malloc(ALL);
    struct house h;
    struct got g;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < ALL; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    open_house(&h, NULL);
    h.file = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(io_write_all(h.file, bytes, ALL), 0);
    g = ask(&h, NULL, (struct http_call){.method = HTTP_GET, .url = url(&h, "localhost", "/file")});
    assert_int_equal(g.rc, 0);
    assert_int_equal(g.body.len, ALL - 1);
    assert_memory_equal(g.body.data, bytes + 1, ALL - 1);
    assert_true(stats(&h).bytes_out > ALL);
    buf_free(&g.body);
    /* a file that is shorter than its head promised: cut, and seen to be */
    assert_int_equal(ftruncate(h.file, 1 << 20), 0);
    g = ask(&h, NULL, (struct http_call){.method = HTTP_GET, .url = url(&h, "localhost", "/file")});
    assert_true(g.rc != 0);
    buf_free(&g.body);
    close_house(&h);
    free(bytes);
}

static void an_upload_arrives_right_where_it_is_wanted(void **state)
{
    enum { ALL = 3 << 20 };
    uint8_t *bytes = malloc(ALL);
    struct house h;
    struct got g;

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < ALL; i++)
        bytes[i] = (uint8_t)(i * 31 / 7);
    open_house(&h, NULL);
    h.into = malloc(100000);
    h.room = 100000; /* no multiple of a record */
    g = ask(&h, NULL,
            (struct http_call){.method = HTTP_PUT,
                               .url = url(&h, "localhost", "/take"),
                               .body = span_of(bytes, ALL),
                               .expect = true});
    assert_int_equal(g.rc, 0);
    assert_int_equal(g.status, 201);
    assert_int_equal(h.received, ALL);
    buf_free(&g.body);
    close_house(&h);
    free(h.into);
    free(bytes);
}

static void of_a_refused_body_nothing_is_decrypted(void **state)
{
    enum { ALL = 1 << 20 };
    static const char head[] = "PUT /no HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n";
    uint8_t *bytes = calloc(1, ALL);
    struct http_stats st;
    struct house h;
    char answer[1024];
    bool closed;
    int fd;

    (void)state;
    assert_non_null(bytes);
    open_house(&h, NULL);
    fd = rig_connect(&h.rig);
    assert_true(rig_send(&h.rig, fd, head, strlen(head)));
    (void)rig_send(&h.rig, fd, bytes, ALL);
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 1, &closed);
    assert_int_equal(rig_status(answer), 421);
    st = stats(&h);
    assert_true(st.bytes_in <= HTTP_HEAD_MAX);
    assert_true(st.bytes_discarded > 0);
    assert_int_equal(h.received, 0);
    (void)close(fd);
    close_house(&h);
    free(bytes);
}

static void what_clients_check(void **state)
{
    struct house h, other;
    struct http_call call = {.method = HTTP_GET};
    struct got g;

    (void)state;
    open_house(&h, NULL);
    open_house_of(&other, NULL, "other.example");
    call.url = url(&h, "127.0.0.1", "/");
    g = ask(&h, NULL, call); /* by its address, the certificate's second name */
    assert_int_equal(g.status, 200);
    buf_free(&g.body);
    call.url = url(&other, "localhost", "/"); /* not in that certificate */
    g = ask(&other, NULL, call);
    assert_int_equal(g.rc, -EBADMSG);
    assert_non_null(strstr(g.text, "does not verify"));
    call.url = url(&h, "localhost", "/");
    g = ask(&h, other.tls.authority, call); /* signed by another */
    assert_int_equal(g.rc, -EBADMSG);
    g = ask(&h, "/dev/null", call);
    assert_true(g.rc != 0);
    call.pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    g = ask(&h, NULL, call);
    assert_int_equal(g.rc, -EBADMSG);
    assert_non_null(strstr(g.text, "pinned"));
    assert_int_equal(stats(&h).requests, 1);
    assert_int_equal(stats(&other).requests, 0);
    close_house(&h);
    close_house(&other);
}

/* --- handshakes --- */

static void a_blocked_signature_blocks_nobody_else(void **state)
{
    struct house h;
    char answer[1024];
    bool closed;
    int before, more[8];

    (void)state;
    open_house(&h, NULL);
    before = rig_connect(&h.rig);
    until(&h, stats(&h).handshakes == 1);
    h.block = true;
    for (int i = 0; i < 8; i++)
        more[i] = rig_connect(&h.rig);
    until(&h, stats(&h).active == 9);
    while (sem_trywait(&h.asked) != 0)
        rig_spin(&h.rig, 2);
    /* one or two threads wait for the signer; who is in is served */
    assert_true(rig_send(&h.rig, before, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27));
    (void)rig_read(&h.rig, before, answer, sizeof(answer), 1, &closed);
    assert_int_equal(rig_status(answer), 200);
    assert_int_equal(stats(&h).handshakes, 1);
    for (int i = 0; i < 8; i++)
        (void)sem_post(&h.go);
    until(&h, stats(&h).handshakes == 9);
    for (int i = 0; i < 8; i++)
        (void)close(more[i]);
    (void)close(before);
    close_house(&h);
}

static int open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

static void a_connection_may_end_while_its_handshake_is_in_a_thread(void **state)
{
    const struct http_limits limits = {.handshake_ms = 150};
    struct house h;
    int fd, descriptors;

    (void)state;
    open_house(&h, &limits);
    h.block = true;
    descriptors = open_descriptors();
    fd = rig_connect(&h.rig);
    while (sem_trywait(&h.asked) != 0)
        rig_spin(&h.rig, 2);
    until(&h, stats(&h).active == 0); /* the deadline closed it */
    assert_string_equal(h.why, "the signature did not come in time");
    (void)sem_post(&h.go);
    (void)close(fd);
    until(&h, open_descriptors() == descriptors);
    assert_int_equal(stats(&h).handshakes, 0);
    /* and the server may end while one is there */
    fd = rig_connect(&h.rig);
    while (sem_trywait(&h.asked) != 0)
        rig_spin(&h.rig, 2);
    (void)sem_post(&h.go);
    close_house(&h);
    (void)close(fd);
}

static void slow_handshakes_end_in_time(void **state)
{
    /* the beginning of a ClientHello's record of 512 bytes */
    static const char piece[] = "\x16\x03\x01\x02\x00\x01";
    const struct http_limits limits = {.handshake_ms = 300};
    int silent, some, dripping;
    struct house h;
    char byte;
    mono_ms began;

    (void)state;
    open_house(&h, &limits);
    silent = rig_connect_plain(&h.rig);
    some = rig_connect_plain(&h.rig);
    dripping = rig_connect_plain(&h.rig);
    began = clock_mono();
    assert_int_equal(send(some, piece, 6, MSG_NOSIGNAL), 6);
    for (int i = 0; i < 600 && (i < 1 || stats(&h).active > 0); i++) {
        (void)!send(dripping, i < 6 ? piece + i : "x", 1, MSG_NOSIGNAL);
        rig_spin(&h.rig, 10);
    }
    assert_int_equal(stats(&h).active, 0);
    assert_true(clock_mono() - began < 3000);
    assert_true(recv(silent, &byte, 1, 0) <= 0 && recv(some, &byte, 1, 0) <= 0);
    assert_int_equal(stats(&h).timeouts, 3);
    assert_int_equal(stats(&h).handshakes_failed, 3);
    (void)close(silent);
    (void)close(some);
    (void)close(dripping);
    close_house(&h);
}

static void tls_12_and_plain_http_are_refused_and_told(void **state)
{
    static const char *const old[] = {"-tls1_2", NULL};
    static const char *const h2[] = {"-alpn", "h2", NULL};
    struct house h;
    char answer[64];
    bool closed;
    int fd;

    (void)state;
    open_house(&h, NULL);
    fd = tls_rig_connect_with(h.rig.address, old);
    until(&h, h.failed == 1);
    assert_non_null(strstr(h.why, "TLS 1.2 or older only"));
    (void)close(fd);
    fd = tls_rig_connect_with(h.rig.address, h2);
    until(&h, h.failed == 2);
    assert_non_null(strstr(h.why, "http/1.1"));
    (void)close(fd);
    fd = rig_connect_plain(&h.rig);
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, MSG_NOSIGNAL), 27);
    (void)rig_read(&h.rig, fd, answer, sizeof(answer), 1, &closed);
    assert_true(closed);
    assert_true(strncmp(answer, "HTTP", 4) != 0);
    until(&h, h.failed == 3);
    assert_non_null(strstr(h.why, "no TLS"));
    (void)close(fd);
    assert_int_equal(stats(&h).requests, 0);
    close_house(&h);
}

/* close_notify ends one direction only (RFC 8446 section 6.1); openssl's client does not offer it.
 */
static void a_half_closed_client_still_gets_its_answer(void **state)
{
    gnutls_certificate_credentials_t none;
    gnutls_session_t c;
    struct house h;
    char answer[1024];
    ssize_t n;
    int fd, rc;

    (void)state;
    open_house(&h, NULL);
    fd = rig_connect_plain(&h.rig);
    assert_int_equal(gnutls_init(&c, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_certificate_allocate_credentials(&none), 0);
    assert_int_equal(gnutls_credentials_set(c, GNUTLS_CRD_CERTIFICATE, none), 0);
    assert_int_equal(gnutls_set_default_priority(c), 0);
    gnutls_transport_set_int(c, fd);
    while ((rc = gnutls_handshake(c)) == GNUTLS_E_AGAIN)
        rig_spin(&h.rig, 1);
    assert_int_equal(rc, 0);
    assert_int_equal(gnutls_record_send(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), 27);
    assert_int_equal(gnutls_bye(c, GNUTLS_SHUT_WR), 0);
    while ((n = gnutls_record_recv(c, answer, sizeof(answer) - 1)) == GNUTLS_E_AGAIN)
        rig_spin(&h.rig, 1);
    assert_true(n > 0);
    answer[n] = '\0';
    assert_int_equal(rig_status(answer), 200);
    while ((n = gnutls_record_recv(c, answer, sizeof(answer) - 1)) == GNUTLS_E_AGAIN)
        rig_spin(&h.rig, 1);
    assert_int_equal(n, 0); /* and the server says that it ends, too */
    until(&h, stats(&h).active == 0);
    gnutls_deinit(c);
    gnutls_certificate_free_credentials(none);
    (void)close(fd);
    close_house(&h);
}

static void a_drain_waits_for_no_handshake(void **state)
{
    struct house h;
    int idle, silent;

    (void)state;
    open_house(&h, NULL);
    idle = rig_connect(&h.rig);
    until(&h, stats(&h).handshakes == 1);
    silent = rig_connect_plain(&h.rig);
    until(&h, stats(&h).active == 2);
    http_server_drain(h.s, 200);
    until(&h, http_server_drained(h.s));
    (void)close(idle);
    (void)close(silent);
    close_house(&h);
}

static void idle_connections_are_cheap(void **state)
{
    enum { N = 400 };
    const struct http_limits limits = {.connections = 2 * N, .connections_per_ip = 2 * N};
    struct mallinfo2 before, after;
    int fd[N];
    struct house h;
    size_t silent;

    (void)state;
    open_house(&h, &limits);
    before = mallinfo2();
    for (int i = 0; i < N; i++)
        fd[i] = rig_connect_plain(&h.rig);
    until(&h, stats(&h).active == N);
    after = mallinfo2();
    silent = (after.uordblks - before.uordblks) / N; /* no TLS session yet */
    print_message("a silent connection holds %zu bytes\n", silent);
    assert_true(silent < 1024);
    for (int i = 0; i < N; i++) /* the beginning of a ClientHello: now each has its session */
        assert_int_equal(send(fd[i], "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL), 6);
    rig_spin(&h.rig, 1500);
    after = mallinfo2();
    print_message("a half-begun one %zu\n", (after.uordblks - before.uordblks) / N);
    assert_true((after.uordblks - before.uordblks) / N < 64 * 1024);
    for (int i = 0; i < N; i++)
        (void)close(fd[i]);
    until(&h, stats(&h).active == 0);
    close_house(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libcurl_is_served),
        cmocka_unit_test(a_file_is_sent_whole_through_a_full_socket),
        cmocka_unit_test(an_upload_arrives_right_where_it_is_wanted),
        cmocka_unit_test(of_a_refused_body_nothing_is_decrypted),
        cmocka_unit_test(what_clients_check),
        cmocka_unit_test(a_blocked_signature_blocks_nobody_else),
        cmocka_unit_test(a_connection_may_end_while_its_handshake_is_in_a_thread),
        cmocka_unit_test(slow_handshakes_end_in_time),
        cmocka_unit_test(tls_12_and_plain_http_are_refused_and_told),
        cmocka_unit_test(a_half_closed_client_still_gets_its_answer),
        cmocka_unit_test(a_drain_waits_for_no_handshake),
        cmocka_unit_test(idle_connections_are_cheap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
