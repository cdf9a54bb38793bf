/* rig.h - a server and raw sockets in one thread: whatever waits, the server's loop turns.
 * With RIG_TLS the server speaks TLS, and what a test writes to a socket goes through
 * `openssl s_client`, so that the same bytes come in inside records. */
#ifndef TESTS_HTTP_RIG_H
#define TESTS_HTTP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/server.h"
#ifdef RIG_TLS
#include "tls_rig.h"
#endif

struct rig {
    struct http_server *s;
    char address[64];
    uint16_t port;
#ifdef RIG_TLS
    struct tls_rig tls;
#endif
};

static inline void rig_open(struct rig *rig, const struct http_route *routes, size_t n,
                            const struct http_limits *limits, void *arg)
{
    struct err e = ERR_INIT;
    int fd;

    assert_int_equal(http_server_new(&rig->s, routes, n, limits, arg, &e), 0);
#ifdef RIG_TLS
    tls_rig_open(&rig->tls);
    assert_int_equal(http_server_secure(rig->s, rig->tls.server, NULL, &e), 0);
#endif
    assert_int_equal(http_listen(&fd, "127.0.0.1:0", &e), 0);
    assert_int_equal(http_listen_name(fd, rig->address, sizeof(rig->address)), 0);
    rig->port = (uint16_t)strtoul(strrchr(rig->address, ':') + 1, NULL, 10);
    assert_int_equal(http_server_listen(rig->s, fd, &e), 0);
}

static inline void rig_close(struct rig *rig)
{
    http_server_free(rig->s);
    rig->s = NULL;
#ifdef RIG_TLS
    tls_rig_close(&rig->tls);
#endif
}

static inline void rig_turn(struct rig *rig)
{
    assert_int_equal(http_server_run(rig->s), 0);
}

/* Turns the loop for ms, sleeping while nothing happens. */
static inline void rig_spin(struct rig *rig, int ms)
{
    mono_ms end = clock_mono() + ms;

    do {
        struct pollfd p = {.fd = http_server_fd(rig->s), .events = POLLIN};
        int wait = http_server_wait(rig->s);
        mono_ms left = end - clock_mono();

        if (wait < 0 || wait > left)
            wait = left > 0 ? (int)left : 0;
        (void)poll(&p, 1, wait);
        rig_turn(rig);
    } while (clock_mono() < end);
}

static inline int rig_connect_plain(struct rig *rig)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(rig->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline int rig_connect(struct rig *rig)
{
#ifdef RIG_TLS
    return tls_rig_connect(rig->address);
#else
    return rig_connect_plain(rig);
#endif
}

/* Sends all; false: the server closed first. */
static inline bool rig_send(struct rig *rig, int fd, const void *p, size_t n)
{
    const uint8_t *b = p;

    while (n > 0) {
        ssize_t k = send(fd, b, n, MSG_NOSIGNAL);

        if (k < 0 && errno != EAGAIN)
            return false;
        if (k > 0) {
            b += k;
            n -= (size_t)k;
        }
        rig_turn(rig);
    }
    return true;
}

/* Reads until the end, or nothing comes for quiet ms.  Returns the length; out is NUL-terminated.
 * *closed: the server ended the connection. */
static inline size_t rig_read(struct rig *rig, int fd, char *out, size_t cap, int quiet,
                              bool *closed)
{
    mono_ms last = clock_mono();
    size_t n = 0;

    *closed = false;
#ifdef RIG_TLS /* the client has to start first, and each answer is another record */
    last += 5000;
    quiet += 100;
#endif
    while (clock_mono() - last < quiet && n + 1 < cap) {
        ssize_t k;

        rig_turn(rig);
        k = recv(fd, out + n, cap - 1 - n, 0);
        if (k == 0 || (k < 0 && errno != EAGAIN)) {
            *closed = true;
            break;
        }
        if (k > 0) {
            n += (size_t)k;
            last = clock_mono();
        } else {
            struct pollfd p[2] = {{.fd = fd, .events = POLLIN},
                                  {.fd = http_server_fd(rig->s), .events = POLLIN}};
            int wait = http_server_wait(rig->s);

            (void)poll(p, 2, wait < 0 || wait > 2 ? 2 : wait);
        }
    }
    out[n] = '\0';
    return n;
}

static inline int rig_status(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

#endif
