/* server.c - the loop, the deadlines, who may connect.
 *
 * Deadlines sit in a binary heap that is lazy in one direction: moving a deadline later (each chunk
 * does) only changes conn.due; the heap finds out when the old one comes up. */
#include "http/server_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/io.h"

#define ROOM_LOOK 64
#define IDLE_AT_LEAST_MS 1000
#define SLOTS_MAX 65536u /* http_id keeps the slot in 16 bits */
#define EVENTS 256
#define ACCEPTS 64 /* a turn */
#define ACCEPT_PAUSE_MS 100

/* --- pools
 * ----------------------------------------------------------------------------------------*/

void *server_pool_take(struct http_pool *p, size_t size)
{
    return p->n > 0 ? p->items[--p->n] : malloc(size);
}

void server_pool_give(struct http_pool *p, void *item)
{
    if (p->n < HTTP_POOL)
        p->items[p->n++] = item;
    else
        free(item);
}

static void pool_empty(struct http_pool *p)
{
    while (p->n > 0)
        free(p->items[--p->n]);
}

/* --- deadlines
 * ------------------------------------------------------------------------------------*/

static void heap_put(struct http_server *s, size_t at, struct conn *c)
{
    s->heap[at] = c;
    c->heap_at = at;
}

static void heap_up(struct http_server *s, struct conn *c)
{
    size_t i = c->heap_at;

    while (i > 0 && s->heap[(i - 1) / 2]->heap_due > c->heap_due) {
        heap_put(s, i, s->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(s, i, c);
}

static void heap_down(struct http_server *s, struct conn *c)
{
    size_t i = c->heap_at, child;

    while ((child = 2 * i + 1) < s->n_heap) {
        if (child + 1 < s->n_heap && s->heap[child + 1]->heap_due < s->heap[child]->heap_due)
            child++;
        if (s->heap[child]->heap_due >= c->heap_due)
            break;
        heap_put(s, i, s->heap[child]);
        i = child;
    }
    heap_put(s, i, c);
}

static void heap_remove(struct http_server *s, struct conn *c)
{
    struct conn *last = s->heap[--s->n_heap];

    if (last == c)
        return;
    heap_put(s, c->heap_at, last);
    heap_up(s, last);
    heap_down(s, last);
}

void server_due(struct conn *c, mono_ms at)
{
    c->due = at;
    if (at >= c->heap_due)
        return;
    c->heap_due = at;
    heap_up(c->s, c);
}

static void run_deadlines(struct http_server *s)
{
    mono_ms now = clock_mono();

    while (s->n_heap > 0 && s->heap[0]->heap_due <= now) {
        struct conn *c = s->heap[0];

        if (c->due <= now)
            conn_due(c); /* sets a later one, or kills */
        if (c->phase == CONN_DEAD)
            continue;
        c->heap_due = c->due > now ? c->due : now + 1;
        heap_down(s, c);
    }
}

/* --- connections
 * ----------------------------------------------------------------------------------*/

void server_ready(struct conn *c)
{
    if (c->queued || c->phase == CONN_DEAD)
        return;
    c->queued = true;
    TAILQ_INSERT_TAIL(&c->s->ready, c, next);
}

static struct http_peer **peer_place(struct http_server *s, const uint8_t addr[16])
{
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    struct http_peer **p;

    for (size_t i = 0; i < 16; i++)
        h = (h ^ addr[i]) * 1099511628211u;
    for (p = &s->peers[h % HTTP_PEER_BUCKETS]; *p != NULL; p = &(*p)->next)
        if (memcmp((*p)->addr, addr, 16) == 0)
            break;
    return p;
}

/* One more connection of that address; NULL: no memory. */
static struct http_peer *peer_join(struct http_server *s, const uint8_t addr[16])
{
    struct http_peer **p = peer_place(s, addr);

    if (*p == NULL) {
        if ((*p = calloc(1, sizeof(**p))) == NULL)
            return NULL;
        memcpy((*p)->addr, addr, 16);
    }
    (*p)->count++;
    return *p;
}

static void peer_leave(struct http_server *s, struct http_peer *peer)
{
    struct http_peer **p;

    if (peer == NULL || --peer->count > 0)
        return;
    p = peer_place(s, peer->addr);
    *p = peer->next;
    free(peer);
}

void server_release(struct conn *c)
{
    struct http_server *s = c->s;

    peer_leave(s, c->peer);
    s->slots[c->slot] = NULL;
    s->free_slots[s->n_free++] = c->slot;
    heap_remove(s, c);
    s->stats.active--;
    if (c->queued)
        TAILQ_REMOVE(&s->ready, c, next);
    TAILQ_INSERT_TAIL(&s->dead, c, next); /* events of this turn may still name it */
}

static void bury(struct http_server *s)
{
    struct conn *c;

    while ((c = TAILQ_FIRST(&s->dead)) != NULL) {
        TAILQ_REMOVE(&s->dead, c, next);
        free(c);
    }
}

/* IPv4 as ::ffff:a.b.c.d, IPv6 by /64.  False: not an Internet address. */
static bool peer_address(const struct sockaddr_storage *a, uint8_t out[16], char *name, size_t cap)
{
    memset(out, 0, 16);
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a;

        out[10] = out[11] = 0xff;
        memcpy(out + 12, &in->sin_addr, 4);
        return inet_ntop(AF_INET, &in->sin_addr, name, (socklen_t)cap) != NULL;
    }
    if (a->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)a;

        memcpy(out, &in6->sin6_addr, IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) ? 16 : 8);
        return inet_ntop(AF_INET6, &in6->sin6_addr, name, (socklen_t)cap) != NULL;
    }
    (void)snprintf(name, cap, "unix");
    return false;
}

/* One sentence, as far as it goes without waiting. */
static void turn_away(struct http_server *s, int fd, int status, const char *phrase,
                      const char *message)
{
    char text[512], body[256];
    ssize_t n;

    s->stats.over_limit++;
    if (s->tls != NULL) { /* a word in the clear would be no TLS */
        (void)close(fd);
        return;
    }
    (void)snprintf(
        body, sizeof(body),
        "{\"error\":{\"code\":\"too_many_connections\",\"message\":\"%s\",\"cure\":\"close "
        "some, wait, try again\"}}\n",
        message);
    (void)snprintf(text, sizeof(text),
                   "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                   "Retry-After: 1\r\nConnection: close\r\n\r\n%s",
                   status, phrase, strlen(body), body);
    n = send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n;
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
}

static struct conn *conn_new(struct http_server *s, int fd, struct http_peer *peer)
{
    struct conn *c = calloc(1, sizeof(*c));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};

    if (c == NULL)
        return NULL;
    ev.data.ptr = c;
    if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        free(c);
        return NULL;
    }
    c->kind = POLL_CONN;
    c->fd = fd;
    c->s = s;
    c->phase = s->tls != NULL ? CONN_SHAKE : CONN_IDLE;
    c->writable = true;
    c->peer = peer;
    c->slot = s->free_slots[--s->n_free];
    s->slots[c->slot] = c;
    c->due = c->heap_due =
        clock_mono() + (s->tls != NULL ? s->limits.handshake_ms : s->limits.idle_ms);
    heap_put(s, s->n_heap++, c);
    heap_up(s, c);
    s->stats.active++;
    return c;
}

/* All are taken: the one of a few that has been idle for longest makes room, so that connections
 * kept open for nothing keep nobody out.  One that has just come may be about to speak. */
static void make_room(struct http_server *s)
{
    mono_ms fresh = clock_mono() + s->limits.idle_ms - IDLE_AT_LEAST_MS;
    struct conn *oldest = NULL;

    for (size_t i = 0; i < ROOM_LOOK; i++) {
        struct conn *c = s->slots[s->room_at++ % s->limits.connections];

        if (c != NULL && c->phase == CONN_IDLE && !c->readable && c->due < fresh &&
            (oldest == NULL || c->due < oldest->due))
            oldest = c;
    }
    if (oldest != NULL) {
        conn_kill(oldest);
        s->stats.idle_closed++;
    }
}

static void admit(struct http_server *s, int fd, const struct sockaddr_storage *from)
{
    char name[48];
    uint8_t addr[16];
    struct http_peer *peer = NULL;
    struct conn *c;
    int on = 1;

    s->stats.accepted++;
    if (s->n_free == 0)
        make_room(s);
    if (s->n_free == 0) {
        turn_away(s, fd, 503, "Service Unavailable", "the site has too many connections");
        return;
    }
    if (peer_address(from, addr, name, sizeof(name))) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        peer = peer_join(s, addr);
        if (peer != NULL && peer->count > s->limits.connections_per_ip) {
            peer_leave(s, peer);
            turn_away(s, fd, 429, "Too Many Requests", "too many connections from your address");
            return;
        }
    }
    if ((c = conn_new(s, fd, peer)) == NULL) {
        peer_leave(s, peer);
        (void)close(fd);
        return;
    }
    memcpy(c->peer_name, name, sizeof(name));
}

static int watch_listener(struct http_server *s, struct http_listener *l)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = l};

    return epoll_ctl(s->epfd, EPOLL_CTL_ADD, l->fd, &ev) == 0 ? 0 : -errno;
}

/* Out of descriptors: look away for a moment, or epoll would wake us without end. */
static void pause_accepting(struct http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        (void)epoll_ctl(s->epfd, EPOLL_CTL_DEL, s->listeners[i].fd, NULL);
    s->accept_again = clock_mono() + ACCEPT_PAUSE_MS;
}

static void resume_accepting(struct http_server *s)
{
    if (s->accept_again == 0 || clock_mono() < s->accept_again)
        return;
    s->accept_again = 0;
    for (size_t i = 0; i < s->n_listeners; i++)
        if (watch_listener(s, &s->listeners[i]) != 0)
            s->accept_again = clock_mono() + ACCEPT_PAUSE_MS;
}

static void accept_some(struct http_server *s, struct http_listener *l)
{
    for (int i = 0; i < ACCEPTS && l->fd >= 0; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof(from);
        int fd = accept4(l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(s, fd, &from);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            pause_accepting(s);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

/* --- the loop
 * -------------------------------------------------------------------------------------*/

static void note_events(struct conn *c, uint32_t events)
{
    if (c->phase == CONN_DEAD)
        return;
    if (events & (EPOLLHUP | EPOLLERR)) { /* nobody is left to read an answer */
        conn_kill(c);
        return;
    }
    if (events & EPOLLRDHUP)
        c->half_closed = true;
    if (events & (EPOLLIN | EPOLLRDHUP))
        c->readable = true;
    if (events & EPOLLOUT)
        c->writable = true;
    server_ready(c);
}

static void run_ready(struct http_server *s)
{
    struct conn *last = TAILQ_LAST(&s->ready, conn_list), *c;

    /* those that are queued now; what they queue waits for the next turn */
    while (last != NULL && (c = TAILQ_FIRST(&s->ready)) != NULL) {
        TAILQ_REMOVE(&s->ready, c, next);
        c->queued = false;
        if (c == last)
            last = NULL;
        conn_run(c);
    }
}

int http_server_run(struct http_server *s)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(s->epfd, events, EVENTS, 0);

    if (n < 0 && errno != EINTR)
        return -errno;
    for (int i = 0; i < n; i++) {
        enum poll_kind *kind = events[i].data.ptr;

        if (*kind == POLL_LISTENER)
            accept_some(s, events[i].data.ptr);
        else if (*kind == POLL_CONN)
            note_events(events[i].data.ptr, events[i].events);
    }
    if (s->tls != NULL)
        secure_collect(s);
    run_ready(s);
    run_deadlines(s);
    resume_accepting(s);
    if (s->draining && clock_mono() >= s->drain_due)
        for (size_t i = 0; i < s->limits.connections; i++)
            if (s->slots[i] != NULL)
                conn_kill(s->slots[i]);
    bury(s);
    return 0;
}

int http_server_fd(const struct http_server *s)
{
    return s->epfd;
}

int http_server_wait(const struct http_server *s)
{
    mono_ms at = INT64_MAX, now;

    if (!TAILQ_EMPTY(&s->ready))
        return 0;
    if (s->n_heap > 0)
        at = s->heap[0]->heap_due;
    if (s->accept_again != 0 && s->accept_again < at)
        at = s->accept_again;
    if (s->draining && s->n_heap > 0 && s->drain_due < at)
        at = s->drain_due;
    if (at == INT64_MAX)
        return -1;
    now = clock_mono();
    if (at <= now)
        return 0;
    return at - now > INT32_MAX ? INT32_MAX : (int)(at - now);
}

/* --- life
 * -----------------------------------------------------------------------------------------*/

static void set_default(uint32_t *field, uint32_t value)
{
    if (*field == 0)
        *field = value;
}

static void set_limits(struct http_limits *l)
{
    if (l->connections == 0)
        l->connections = 2048;
    if (l->connections > SLOTS_MAX)
        l->connections = SLOTS_MAX;
    if (l->connections_per_ip == 0)
        l->connections_per_ip = 256;
    if (l->chunk == 0)
        l->chunk = 256 * 1024;
    set_default(&l->head_ms, 10000);
    set_default(&l->idle_ms, 60000);
    set_default(&l->body_stall_ms, 20000);
    set_default(&l->body_min_rate, 4096);
    set_default(&l->send_stall_ms, 20000);
    set_default(&l->park_ms, 30000);
    set_default(&l->linger_ms, 2000);
    set_default(&l->handshake_ms, 10000);
}

static int allocate(struct http_server *s)
{
    size_t n = s->limits.connections;

    s->slots = calloc(n, sizeof(struct conn *));
    s->free_slots = calloc(n, sizeof(*s->free_slots));
    s->heap = calloc(n, sizeof(struct conn *));
    s->scratch = malloc(s->limits.chunk < TLS_RECORD ? TLS_RECORD : s->limits.chunk);
    if (s->slots == NULL || s->free_slots == NULL || s->heap == NULL || s->scratch == NULL)
        return -ENOMEM;
    for (s->n_free = 0; s->n_free < n; s->n_free++)
        s->free_slots[s->n_free] = n - 1 - s->n_free;
    return 0;
}

int http_server_new(struct http_server **out, const struct http_route *routes, size_t n,
                    const struct http_limits *limits, void *arg, struct err *e)
{
    struct http_server *s = NULL;
    int rc = 0;

    *out = NULL;
    for (size_t i = 0; i < n; i++)
        if ((rc = route_check(&routes[i], e)) != 0)
            return rc;
    if ((s = calloc(1, sizeof(*s))) == NULL)
        return err_sys(e, -ENOMEM, "HTTP server");
    s->routes = routes;
    s->n_routes = n;
    s->arg = arg;
    if (limits != NULL)
        s->limits = *limits;
    set_limits(&s->limits);
    TAILQ_INIT(&s->ready);
    TAILQ_INIT(&s->dead);
    if ((s->epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        rc = err_sys(e, -errno, "HTTP server: epoll");
    else if ((rc = allocate(s)) != 0)
        (void)err_sys(e, rc, "HTTP server");
    if (rc != 0) {
        http_server_free(s);
        return rc;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* sendfile(2) has no MSG_NOSIGNAL */
    *out = s;
    return 0;
}

static void close_listeners(struct http_server *s)
{
    for (size_t i = 0; i < s->n_listeners; i++)
        io_close(&s->listeners[i].fd);
    s->n_listeners = 0;
    s->accept_again = 0;
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    close_listeners(s);
    for (size_t i = 0; s->slots != NULL && i < s->limits.connections; i++)
        if (s->slots[i] != NULL)
            conn_kill(s->slots[i]);
    bury(s);
    secure_free(s);
    pool_empty(&s->ins);
    pool_empty(&s->reqs);
    io_close(&s->epfd);
    free(s->slots);
    free(s->free_slots);
    free(s->heap);
    free(s->scratch);
    free(s);
}

int http_server_listen(struct http_server *s, int fd, struct err *e)
{
    struct http_listener *l = &s->listeners[s->n_listeners];
    int rc;

    if (s->n_listeners == HTTP_LISTENERS || s->draining) {
        io_close(&fd);
        return err_set(e, -EINVAL, "HTTP server: at most %d listeners, none while draining",
                       HTTP_LISTENERS);
    }
    l->kind = POLL_LISTENER;
    l->fd = fd;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        rc = -errno;
    else
        rc = watch_listener(s, l);
    if (rc != 0) {
        io_close(&l->fd);
        return err_sys(e, rc, "HTTP server: listening descriptor");
    }
    s->n_listeners++;
    return 0;
}

void http_server_drain(struct http_server *s, uint32_t ms)
{
    mono_ms due = clock_mono() + ms;

    if (!s->draining || due < s->drain_due)
        s->drain_due = due;
    s->draining = true;
    close_listeners(s);
    for (size_t i = 0; i < s->limits.connections; i++) {
        struct conn *c = s->slots[i];

        if (c == NULL)
            continue;
        if (c->phase == CONN_IDLE && !c->readable)
            conn_kill(c);
        else
            server_ready(c); /* long polls answer now */
    }
}

bool http_server_drained(const struct http_server *s)
{
    return s->draining && s->n_heap == 0;
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
    *out = s->stats;
    out->parked = 0;
    for (size_t i = 0; i < s->limits.connections; i++)
        if (s->slots[i] != NULL && s->slots[i]->phase == CONN_PARKED)
            out->parked++;
}
