/* front.c - the process that speaks HTTP with strangers.  It opens no file and holds no secret;
 * what a request is worth the keeper decides.  One thread, one loop over two descriptors. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "site/front_json.h"
#include "site/front_priv.h"
#include "site/process.h"

#define DRAIN_MS 8000
#define PRESSURE_MS 50 /* how often held slots are looked at while somebody waits for one */
#define BATCH 512

/* --- to the keeper --- */

static int outbox_put(struct front *f, uint16_t type, uint64_t id, const void *p, size_t n)
{
    struct parcel *x = calloc(1, sizeof(*x));
    int rc;

    if (x == NULL)
        return -ENOMEM;
    buf_init(&x->body, MSG_BODY_MAX);
    if ((rc = buf_put(&x->body, p, n)) != 0) {
        free(x);
        return rc;
    }
    x->type = type;
    x->id = id;
    *f->outbox_end = x;
    f->outbox_end = &x->next;
    return 0;
}

static void outbox_drop(struct front *f)
{
    struct parcel *x = f->outbox;

    f->outbox = x->next;
    if (f->outbox == NULL)
        f->outbox_end = &f->outbox;
    buf_free(&x->body);
    free(x);
}

static void outbox_send(struct front *f)
{
    int rc = 0;

    while (f->outbox != NULL && rc == 0)
        if ((rc = msg_send(f->keeper, f->outbox->type, f->outbox->id, buf_span(&f->outbox->body),
                           NULL)) == 0)
            outbox_drop(f);
    if (rc != 0 && rc != -EAGAIN)
        f->failed = rc;
}

void front_send(struct front *f, uint16_t type, uint64_t id, const void *p, size_t n)
{
    int rc = -EAGAIN;

    if (f->failed != 0)
        return;
    if (f->outbox == NULL)
        rc = msg_send(f->keeper, type, id, span_of(p, n), NULL);
    if (rc == -EAGAIN)
        rc = outbox_put(f, type, id, p, n);
    if (rc != 0)
        f->failed = rc;
}

struct visit *front_visit(struct front *f, struct http_req *r)
{
    struct visit *v = f->outbox != NULL || f->failed != 0 ? NULL : calloc(1, sizeof(*v));

    if (v == NULL) {
        front_answer_error(r, 503, "busy", "try again after the seconds of Retry-After", 2,
                           "the site has more to do than it can");
        return NULL;
    }
    v->f = f;
    v->id = http_id(r);
    v->slot = FRONT_NO_SLOT;
    http_set_context(r, v);
    return v;
}

void front_ask(struct front *f, struct http_req *r, uint16_t type, const void *p, size_t n,
               uint32_t ms)
{
    front_send(f, type, http_id(r), p, n);
    http_deadline(r, ms);
}

/* --- the loop --- */

static void take_messages(struct front *f)
{
    struct err e = ERR_INIT;
    struct msg m;
    int rc = 0;

    for (int i = 0; (i < BATCH || msg_has_more(f->keeper)) && f->failed == 0; i++) {
        if ((rc = msg_recv(f->keeper, &m, &e)) != 0)
            break;
        front_answer(f, &m);
    }
    if (rc != 0 && rc != -EAGAIN)
        f->failed = rc;
    if (f->failed == -EPROTO)
        log_error("the keeper broke the protocol", "why", err_text(&e));
}

/* due: when counts of look-ups have to be told, -1: never */
static int wait_ms(const struct front *f, int due)
{
    int ms = http_server_wait(f->server);

    if (due >= 0 && (ms < 0 || ms > due))
        ms = due;

    if (f->wait != NULL && (ms < 0 || ms > PRESSURE_MS))
        ms = PRESSURE_MS;
    return ms;
}

static int watch(int epoll, int op, int fd, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.fd = fd};

    return epoll_ctl(epoll, op, fd, &ev) == 0 ? 0 : -errno;
}

static bool happened(const struct epoll_event *ev, int n, int fd)
{
    for (int i = 0; i < n; i++)
        if (ev[i].data.fd == fd)
            return true;
    return false;
}

static int turn(struct front *f, int epoll, bool *writes)
{
    struct epoll_event ev[3];
    int due = front_lookup_tell(f), rc, n;
    bool want;

    (void)!msg_flush(f->keeper); /* what the last turn has to say; a dead channel shows itself when
                                    it is read */
    want = msg_wants_write(f->keeper) || f->outbox != NULL;
    if (want != *writes) {
        rc = watch(epoll, EPOLL_CTL_MOD, msg_fd(f->keeper), EPOLLIN | (want ? EPOLLOUT : 0u));
        if (rc != 0)
            return rc;
        *writes = want;
    }
    if ((n = epoll_wait(epoll, ev, ARRAY_LEN(ev), wait_ms(f, due))) < 0 && errno != EINTR)
        return -errno;
    if (want && msg_flush(f->keeper) != 0)
        rc = 0; /* a dead channel shows itself when it is read */
    outbox_send(f);
    if (happened(ev, n, msg_fd(f->keeper)))
        take_messages(f);
    if (f->wait != NULL)
        front_upload_pressure(f, clock_mono());
    if (f->tls != NULL && happened(ev, n, front_tls_fd(f->tls)) &&
        (rc = front_tls_reload(f->tls, NULL)) != 0)
        return rc;
    return http_server_run(f->server);
}

/* The keeper is gone, or says to drain: what is in flight gets its answer or 503. */
static int finish(struct front *f)
{
    int rc = 0;

    while (rc == 0 && !http_server_drained(f->server)) {
        struct pollfd p = {.fd = http_server_fd(f->server), .events = POLLIN};

        if (poll(&p, 1, http_server_wait(f->server)) < 0 && errno != EINTR)
            rc = -errno;
        else
            rc = http_server_run(f->server);
    }
    return rc;
}

static int serve(struct front *f)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), rc;
    bool writes = false, told = false;

    if (epoll < 0)
        return -errno;
    if ((rc = watch(epoll, EPOLL_CTL_ADD, msg_fd(f->keeper), EPOLLIN)) == 0)
        rc = watch(epoll, EPOLL_CTL_ADD, http_server_fd(f->server), EPOLLIN);
    if (rc == 0 && f->tls != NULL)
        rc = watch(epoll, EPOLL_CTL_ADD, front_tls_fd(f->tls), EPOLLIN);
    while (rc == 0 && f->failed == 0 && !(f->draining && http_server_drained(f->server))) {
        if (f->draining && !told) {
            log_info("front drains");
            http_server_drain(f->server, DRAIN_MS);
            told = true;
            continue; /* that may have been the last connection */
        }
        rc = turn(f, epoll, &writes);
    }
    io_close(&epoll);
    (void)!msg_flush(f->keeper); /* what was said last */
    if (rc == 0 && f->failed != 0 && f->draining) {
        http_server_drain(f->server, DRAIN_MS / 8);
        return finish(f); /* the keeper has ended first */
    }
    return rc != 0 ? rc : f->failed;
}

static void shaken(void *arg, const char *why)
{
    struct front *f = arg;

    front_tls_shaken(f->tls, why);
}

static int open_all(struct front *f, struct err *e)
{
    struct http_limits limits = {.connections = f->c->connections,
                                 .connections_per_ip = f->c->per_address};
    int rc;

    front_routes(f);
    front_json_warm();
    if ((rc = front_lookup_new(&f->lookup)) != 0)
        return err_sys(e, rc, "the front");
    if ((rc = msg_open(&f->keeper, PART_CHANNEL, &proto_front, MSG_A, e)) != 0 ||
        (rc = ring_open(&f->ring, PART_RING, PROTO_SLOT_BYTES, (uint32_t)f->c->ring_slots, e)) !=
            0 ||
        (rc = http_server_new(&f->server, f->route, FRONT_ROUTES, &limits, f, e)) != 0 ||
        (rc = front_tls_open(&f->tls, f->c, e)) != 0 ||
        (f->tls != NULL &&
         (rc = http_server_secure(f->server, front_tls_server(f->tls), shaken, e)) != 0) ||
        (rc = http_server_listen(f->server, PART_LISTEN, e)) != 0)
        return rc;
    msg_gather(f->keeper);
    return process_jail(f->c, CONFIG_FRONT, e);
}

int front_main(const struct config *c)
{
    struct front f = {.c = c};
    struct err e = ERR_INIT;
    int rc;

    f.wait_end = &f.wait;
    f.outbox_end = &f.outbox;
    if ((rc = open_all(&f, &e)) == 0) {
        log_info("front serves");
        rc = serve(&f);
        if (rc != 0)
            (void)err_sys(&e, rc, "the front ends");
    }
    if (rc != 0)
        log_error(err_text(&e));
    http_server_free(f.server);
    front_tls_close(f.tls);
    front_lookup_free(f.lookup);
    while (f.outbox != NULL)
        outbox_drop(&f);
    msg_close(f.keeper);
    ring_close(f.ring);
    return rc == 0 ? 0 : rc == -EINVAL ? 2 : 3;
}
