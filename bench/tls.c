/* What TLS costs the HTTP server: uploads of 100 KB and short answers over kept connections, with
 * and without it, and whole handshakes.  The server is a child; only its CPU time counts, so that
 * the client (libcurl, the same on both sides) does not. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "http/client.h"
#include "http/server.h"
#include "measure.h"

#define UPLOAD 102400u
#define AT_ONCE 16

static uint8_t into[262144];
static uint8_t upload[UPLOAD];

/* --- the server --- */

struct side {
    bool tls;
    pid_t pid;
    int ctl; /* a byte: tell the CPU time so far */
    char url[64];
    struct tls_server *server;
    struct tls_key *key;
};

static int sign(void *arg, const struct digest *id, const uint8_t *transcript, size_t n,
                uint8_t sig[TLS_SIGNATURE_MAX], size_t *len)
{
    struct side *s = arg;

    (void)id;
    return tls_key_sign(s->key, transcript, n, sig, len);
}

static void hello(struct http_req *r, void *arg)
{
    (void)arg;
    http_answer(r, 200, "text/plain", span_str("hello"));
}
static void begin(struct http_req *r, void *arg)
{
    (void)r;
    (void)arg;
}
static size_t room(struct http_req *r, uint8_t **where, void *arg)
{
    (void)r;
    (void)arg;
    *where = into;
    return sizeof(into);
}
static void body(struct http_req *r, struct span b, void *arg)
{
    (void)r;
    (void)b;
    (void)arg;
}
static void end(struct http_req *r, void *arg)
{
    (void)arg;
    http_answer(r, 201, "text/plain", span_str("taken"));
}

static const struct http_route routes[] = {
    {HTTP_GET, "/hello", HTTP_BODY_NONE, 0, hello, NULL, NULL, NULL, NULL, NULL},
    {HTTP_PUT, "/take", HTTP_BODY_STREAM, UPLOAD, begin, room, body, end, NULL, NULL},
};

static __attribute__((noreturn)) void serve(struct http_server *server, int ctl)
{
    for (;;) {
        struct pollfd p[2] = {{http_server_fd(server), POLLIN, 0}, {ctl, POLLIN, 0}};
        struct rusage u;
        double cpu;
        char c;

        (void)poll(p, 2, http_server_wait(server));
        if (http_server_run(server) != 0)
            _exit(1);
        if (p[1].revents == 0)
            continue;
        if (read(ctl, &c, 1) != 1)
            _exit(0);
        (void)getrusage(RUSAGE_SELF, &u);
        cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
              (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
        if (write(ctl, &cpu, sizeof(cpu)) != (ssize_t)sizeof(cpu))
            _exit(1);
    }
}

static void make_secure(struct side *s, const char *authority, struct err *e)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    char pem[TLS_KEY_PEM], path[] = "/tmp/bench-tls-XXXXXX";
    struct buf crt;
    int fd = mkstemp(path);

    buf_init(&crt, TLS_PEM_MAX);
    if (fd < 0 || unlink(path) != 0 || tls_self_signed(names, 2, 2, pem, &crt, e) != 0 ||
        io_write_all(fd, pem, strlen(pem)) != 0 || lseek(fd, 0, SEEK_SET) != 0 ||
        tls_key_read(&s->key, fd, "key", e) != 0 ||
        io_replace_file(AT_FDCWD, authority, crt.data, crt.len, 0644) != 0 ||
        tls_server_new(&s->server, sign, s, e) != 0 ||
        tls_server_certificate(s->server, buf_span(&crt), e) != 0)
        measure_die("tls", e);
    buf_free(&crt);
}

static void start(struct side *s, const char *authority)
{
    const struct http_limits limits = {.connections = 4096, .connections_per_ip = 4096};
    struct http_server *server;
    struct err e = ERR_INIT;
    char address[48];
    int fd, ctl[2];

    if (s->tls)
        make_secure(s, authority, &e);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ctl) != 0 ||
        http_server_new(&server, routes, ARRAY_LEN(routes), &limits, NULL, &e) != 0 ||
        (s->tls && http_server_secure(server, s->server, NULL, &e) != 0) ||
        http_listen(&fd, "127.0.0.1:0", &e) != 0 ||
        http_listen_name(fd, address, sizeof(address)) != 0 ||
        http_server_listen(server, fd, &e) != 0)
        measure_die("server", &e);
    (void)snprintf(s->url, sizeof(s->url), "http%s://%.40s", s->tls ? "s" : "", address);
    (void)fflush(stdout);
    s->pid = fork();
    if (s->pid == 0)
        serve(server, ctl[1]);
    io_close(&ctl[1]);
    s->ctl = ctl[0];
    http_server_free(server); /* the child has it */
}

static double cpu_of(const struct side *s)
{
    double cpu;

    if (write(s->ctl, "?", 1) != 1 || io_read_full(s->ctl, &cpu, sizeof(cpu)) != 0)
        measure_die("the server is gone", NULL);
    return cpu;
}

/* --- the client --- */

static size_t left, failed;

static void done(struct http_result *a, void *arg)
{
    (void)arg;
    left--;
    failed += a->rc != 0 || a->status / 100 != 2;
}

/* n requests, AT_ONCE of them at a time over as many connections; fresh: each over a new one. */
static struct cost run(const struct side *s, const char *authority, bool put, bool fresh, size_t n)
{
    const struct http_client_limits limits = {
        .connections = AT_ONCE, .per_host = AT_ONCE, .authorities = s->tls ? authority : NULL};
    struct http_client *c = NULL;
    struct err e = ERR_INIT;
    struct cost cost = measure_now();
    char url[96];
    double cpu = cpu_of(s);

    (void)snprintf(url, sizeof(url), "%s/%s", s->url, put ? "take" : "hello");
    for (size_t sent = 0; sent < n;) {
        if (c == NULL && http_client_new(&c, &limits, &e) != 0)
            measure_die("client", &e);
        for (left = 0; left < AT_ONCE && sent < n; left++, sent++) {
            const struct http_call call = {.method = put ? HTTP_PUT : HTTP_GET,
                                           .url = url,
                                           .body = span_of(upload, put ? UPLOAD : 0),
                                           .done = done};

            if (http_client_start(c, &call, &e) != 0)
                measure_die("client", &e);
        }
        if (http_client_run(c, NULL, &e) != 0 || left != 0 || failed != 0)
            measure_die("a request was not answered", &e);
        if (fresh) {
            http_client_free(c);
            c = NULL;
        }
    }
    http_client_free(c);
    cost = measure_since(&cost);
    cost.cpu = cpu_of(s) - cpu;
    return cost;
}

int main(int argc, char **argv)
{
    struct bench put = {.name = "tls-put", .unit = "uploads", .by_cpu = true};
    struct bench get = {.name = "tls-get", .unit = "answers", .by_cpu = true};
    struct bench shake = {.name = "tls-handshake", .unit = "handshakes", .by_cpu = true};
    struct side tls = {.tls = true}, plain = {.tls = false};
    const char *authority;
    size_t n;

    if (argc != 3 || (n = strtoull(argv[2], NULL, 10)) == 0) {
        (void)fprintf(stderr, "usage: bench-tls AUTHORITY-FILE REQUESTS\n");
        return 2;
    }
    authority = argv[1];
    start(&tls, authority);
    start(&plain, authority);
    put.work = get.work = (double)n;
    shake.work = (double)((n / AT_ONCE + 1) * AT_ONCE);
    shake.no_peer = true;
    for (size_t i = 0; i < measure_rounds(5); i++) {
        put.ours[put.n] = run(&tls, authority, true, false, n);
        put.peer[put.n++] = run(&plain, authority, true, false, n);
        get.ours[get.n] = run(&tls, authority, false, false, n);
        get.peer[get.n++] = run(&plain, authority, false, false, n);
        shake.ours[shake.n++] = run(&tls, authority, false, true, (size_t)shake.work);
    }
    measure_print(&put);
    measure_print(&get);
    measure_print(&shake);
    measure_say("tls-put",
                "%u bytes each; peer is plain HTTP to the same server; CPU of the server "
                "alone; %d connections",
                UPLOAD, AT_ONCE);
    measure_say("tls-handshake", "X25519, P-256, AES-256-GCM, with an answer of 5 bytes and the "
                                 "signature made in the server (a site makes it in the signer)");
    (void)kill(tls.pid, SIGKILL);
    (void)kill(plain.pid, SIGKILL);
    return 0;
}
