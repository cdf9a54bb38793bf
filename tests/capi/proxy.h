/* proxy.h - between a client and its site, in a thread of the test: passes on what comes, and cuts
 * the connection through which the nth byte of one direction goes, behind that byte. */
#ifndef TESTS_CAPI_PROXY_H
#define TESTS_CAPI_PROXY_H

#include "../http/rig.h"

#include <pthread.h>
#include <stdatomic.h>

#define PROXY_PAIRS 64

enum { PROXY_UP, PROXY_DOWN }; /* to the site, to the client */

struct proxy {
    uint16_t to;
    int listen;
    char address[64];
    pthread_t thread;
    atomic_bool stop;
    atomic_ulong cut[2];    /* behind so many bytes of that direction; 0: never */
    atomic_ulong passed[2]; /* bytes so far */
    atomic_bool has_cut;
    bool reset;               /* the cut is a reset, not an end */
    int pair[PROXY_PAIRS][2]; /* client, site; -1: none */
    void (*in_thread)(void);
};

static inline void proxy_close_pair(int pair[2], bool reset)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    for (int i = 0; i < 2; i++) {
        if (reset)
            (void)setsockopt(pair[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        (void)close(pair[i]);
        pair[i] = -1;
    }
}

static inline void proxy_accept(struct proxy *p)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(p->to), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = accept4(p->listen, NULL, NULL, SOCK_CLOEXEC);
    int site = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    for (size_t i = 0; client >= 0 && site >= 0 && i < PROXY_PAIRS; i++) {
        if (p->pair[i][0] >= 0)
            continue;
        if (connect(site, (struct sockaddr *)&a, sizeof(a)) != 0)
            break;
        p->pair[i][0] = client;
        p->pair[i][1] = site;
        return;
    }
    (void)close(client);
    (void)close(site);
}

/* What has come from one end of a pair goes to the other. */
static inline void proxy_pass(struct proxy *p, int pair[2], int from)
{
    unsigned long before = p->passed[from], cut = p->cut[from];
    char b[16384];
    ssize_t n = recv(pair[from], b, sizeof(b), 0), sent = 0;
    bool here = n > 0 && cut > before && cut <= before + (unsigned long)n;

    if (n > 0) {
        size_t len = here ? (size_t)(cut - before) : (size_t)n;

        p->passed[from] += len;
        sent = send(pair[1 - from], b, len, MSG_NOSIGNAL);
    }
    if (here)
        p->has_cut = true;
    if (n <= 0 || sent <= 0 || here)
        proxy_close_pair(pair, here && p->reset);
}

static inline void *proxy_loop(void *arg)
{
    struct proxy *p = arg;

    if (p->in_thread != NULL)
        p->in_thread();
    while (!p->stop) {
        struct pollfd f[1 + 2 * PROXY_PAIRS];

        f[0] = (struct pollfd){.fd = p->listen, .events = POLLIN};
        for (size_t i = 0; i < PROXY_PAIRS; i++)
            for (size_t k = 0; k < 2; k++)
                f[1 + 2 * i + k] = (struct pollfd){.fd = p->pair[i][k], .events = POLLIN};
        (void)poll(f, ARRAY_LEN(f), 20);
        for (size_t i = 0; i < PROXY_PAIRS; i++)
            for (int k = 0; k < 2; k++)
                if (p->pair[i][0] >= 0 && f[1 + 2 * i + (size_t)k].revents != 0)
                    proxy_pass(p, p->pair[i], k);
        if (f[0].revents != 0)
            proxy_accept(p);
    }
    return NULL;
}

static inline void proxy_open(struct proxy *p, uint16_t to, void (*in_thread)(void))
{
    struct err e = ERR_INIT;

    memset(p, 0, sizeof(*p));
    memset(p->pair, -1, sizeof(p->pair));
    p->to = to;
    p->in_thread = in_thread;
    assert_int_equal(http_listen(&p->listen, "127.0.0.1:0", &e), 0);
    assert_int_equal(fcntl(p->listen, F_SETFL, 0), 0);
    assert_int_equal(http_listen_name(p->listen, p->address, sizeof(p->address)), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, proxy_loop, p), 0);
}

static inline void proxy_close(struct proxy *p)
{
    p->stop = true;
    assert_int_equal(pthread_join(p->thread, NULL), 0);
    for (size_t i = 0; i < PROXY_PAIRS; i++)
        if (p->pair[i][0] >= 0)
            proxy_close_pair(p->pair[i], false);
    (void)close(p->listen);
}

#endif
