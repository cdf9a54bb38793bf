#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"

#define REQUEST_MAX 2048
#define ANSWER_MAX 4096

struct conn {
    int fd;
    size_t have;
    char answer[ANSWER_MAX + 1];
};

struct load {
    struct conn conn[LOAD_CONNECTIONS];
    int epoll;
    size_t count, sent, answered;
    char request[REQUEST_MAX];
    size_t head, size; /* of the request and of its body */
};

static int dial(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *colon = strrchr(address, ':');
    char host[64];
    int fd, one = 1;

    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        measure_die("an address of the load generator", NULL);
    for (int tries = 0; tries < 200; tries++) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0) {
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
            return fd;
        }
        (void)close(fd);
        (void)nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    measure_die("no server to load", NULL);
}

/* The next body: the same filler, another number. */
static void post(struct load *l, struct conn *c)
{
    size_t n = l->head + l->size;
    char number[24];
    int digits;

    if (l->sent == l->count)
        return;
    digits = snprintf(number, sizeof(number), "%020zu", l->sent++);
    memcpy(l->request + l->head, number, (size_t)digits < l->size ? (size_t)digits : l->size);
    if (send(c->fd, l->request, n, MSG_NOSIGNAL) != (ssize_t)n)
        measure_die("sending a request", NULL); /* it is small: the kernel takes it whole */
    c->have = 0;
}

/* Is the answer whole?  Both servers say Content-Length. */
static bool whole(const struct conn *c)
{
    const char *end = strstr(c->answer, "\r\n\r\n"), *length;

    if (end == NULL)
        return false;
    length = strcasestr(c->answer, "\r\ncontent-length:");
    if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end) {
        (void)fprintf(stderr, "%.200s\n", c->answer);
        measure_die("an answer that is not 200", NULL);
    }
    return c->have >= (size_t)(end - c->answer) + 4 + strtoul(length + 17, NULL, 10);
}

static void receive(struct load *l, struct conn *c)
{
    ssize_t n = recv(c->fd, c->answer + c->have, ANSWER_MAX - c->have, 0);

    if (n <= 0)
        measure_die("a server closed a connection", NULL);
    c->have += (size_t)n;
    c->answer[c->have] = '\0';
    if (!whole(c))
        return;
    l->answered++;
    post(l, c);
}

static void open_all(struct load *l, const char *address)
{
    for (size_t i = 0; i < LOAD_CONNECTIONS; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &l->conn[i]};

        l->conn[i].fd = dial(address);
        if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->conn[i].fd, &ev) != 0)
            measure_die("epoll", NULL);
    }
}

void load_run(const char *address, size_t count, size_t size)
{
    struct load *l = calloc(1, sizeof(*l));
    struct epoll_event ev[LOAD_CONNECTIONS];

    if (l == NULL || (l->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        measure_die("the load generator", NULL);
    l->count = count;
    l->size = size;
    l->head = (size_t)snprintf(l->request, sizeof(l->request),
                               "POST /add HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n\r\n",
                               address, size);
    if (l->head + size > sizeof(l->request))
        measure_die("a body too large for the load generator", NULL);
    memset(l->request + l->head, 'x', size);
    open_all(l, address);
    for (size_t i = 0; i < LOAD_CONNECTIONS; i++)
        post(l, &l->conn[i]);
    while (l->answered < count) {
        int n = epoll_wait(l->epoll, ev, LOAD_CONNECTIONS, 30000);

        if (n == 0 || (n < 0 && errno != EINTR))
            measure_die("no answer for 30 s", NULL);
        for (int i = 0; i < n; i++)
            receive(l, ev[i].data.ptr);
    }
    for (size_t i = 0; i < LOAD_CONNECTIONS; i++)
        (void)close(l->conn[i].fd);
    (void)close(l->epoll);
    free(l);
}
