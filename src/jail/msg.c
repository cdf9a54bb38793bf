#include "jail/msg.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define HEADER 24u
#define PACKET_MAX (HEADER + MSG_BODY_MAX)
#define SOCKET_BUFFER (1 << 20) /* the kernel caps it; a packet must fit in one piece */

struct packet { /* one that waits */
    size_t len;
    size_t nfds;
    int fd[MSG_FDS_MAX];
    uint8_t bytes[];
};

struct msg_chan {
    int fd;
    const struct msg_protocol *p;
    enum msg_side side;
    unsigned phase;
    bool dead;
    struct packet *queue[MSG_QUEUE]; /* a circle of count packets from first on */
    size_t first, count;
    int lent[MSG_FDS_MAX]; /* what the last received message brought and nobody took */
    uint8_t *gathered;     /* MSG_GATHER_BYTES; NULL: nothing is gathered here */
    size_t gathered_len;
    unsigned gathered_n;
    struct span more; /* of in[]: messages of the last packet that were not received yet */
    size_t room;      /* of in[] */
    uint8_t in[];
};

/* --- the header --- */

static void put(uint8_t *p, uint64_t v, size_t n)
{
    while (n > 0) {
        p[--n] = (uint8_t)v;
        v >>= 8;
    }
}

static uint64_t get(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

static const struct msg_type *find(const struct msg_protocol *p, uint64_t type)
{
    return type >= 1 && type <= p->ntypes ? &p->types[type - 1] : NULL;
}

static int broken(struct err *e, const struct msg_protocol *p, const char *what, uint64_t got)
{
    return err_set(e, -EPROTO, "the peer broke the protocol \"%s\": %s (%llu)", p->name, what,
                   (unsigned long long)got);
}

int msg_parse(const struct msg_protocol *p, enum msg_side from, unsigned phase, struct span packet,
              size_t nfds, struct msg *out, struct err *e)
{
    const uint8_t *h = packet.p;
    const struct msg_type *t;
    uint64_t length;

    if (packet.n < HEADER)
        return broken(e, p, "short header", packet.n);
    if (get(h, 4) != p->magic)
        return broken(e, p, "wrong magic", get(h, 4));
    if (get(h + 4, 2) != p->version)
        return broken(e, p, "other version", get(h + 4, 2));
    if ((t = find(p, get(h + 6, 2))) == NULL)
        return broken(e, p, "unknown type", get(h + 6, 2));
    length = get(h + 8, 4);
    if (length != packet.n - HEADER)
        return broken(e, p, "length differs from the packet's", length);
    if (length < t->min || length > t->max)
        return broken(e, p, "length out of bounds", length);
    if (get(h + 12, 2) != nfds || nfds != t->nfds)
        return broken(e, p, "wrong number of descriptors", nfds);
    if (get(h + 14, 2) != 0)
        return broken(e, p, "reserved field", get(h + 14, 2));
    if ((t->from & from) == 0)
        return broken(e, p, "type not of this side", t->type);
    if (phase > 31 || (t->phases & MSG_IN_PHASE(phase)) == 0)
        return broken(e, p, "type not in this phase", t->type);
    out->type = t;
    out->id = get(h + 16, 8);
    out->body = span_of(h + HEADER, (size_t)length);
    for (size_t i = 0; i < MSG_FDS_MAX; i++)
        out->fd[i] = -1;
    out->chan = NULL;
    return 0;
}

static void write_header(uint8_t h[HEADER], const struct msg_protocol *p, const struct msg_type *t,
                         uint64_t id, size_t length)
{
    put(h, p->magic, 4);
    put(h + 4, p->version, 2);
    put(h + 6, t->type, 2);
    put(h + 8, length, 4);
    put(h + 12, t->nfds, 2);
    put(h + 14, 0, 2);
    put(h + 16, id, 8);
}

/* --- opening and closing --- */

int msg_pair(int fd[2], struct err *e)
{
    int size = SOCKET_BUFFER;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0)
        return err_sys(e, -errno, "cannot make a channel");
    for (int i = 0; i < 2; i++)
        (void)setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return 0;
}

static void check_table(const struct msg_protocol *p)
{
    for (size_t i = 0; i < p->ntypes; i++) {
        const struct msg_type *t = &p->types[i];

        assert(t->type == i + 1 && t->min <= t->max && t->max <= MSG_BODY_MAX);
        assert(t->nfds <= MSG_FDS_MAX && t->from >= MSG_A && t->from <= (MSG_A | MSG_B));
        (void)t;
    }
}

/* The longest packet the other side may send, and one byte to notice a longer one. */
static size_t room_for(const struct msg_protocol *p, enum msg_side side)
{
    size_t max = 0;

    for (size_t i = 0; i < p->ntypes; i++)
        if ((p->types[i].from & ~side & 3) != 0 && p->types[i].max > max)
            max = p->types[i].max;
    if (p->several && max < MSG_GATHER_BYTES - HEADER)
        max = MSG_GATHER_BYTES - HEADER;
    return HEADER + max + 1;
}

int msg_open(struct msg_chan **out, int fd, const struct msg_protocol *p, enum msg_side side,
             struct err *e)
{
    struct msg_chan *c;
    int type = 0;
    socklen_t n = sizeof(type);
    size_t room;

    check_table(p);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || type != SOCK_SEQPACKET) {
        io_close(&fd);
        return err_set(e, -EINVAL, "descriptor is no channel of protocol \"%s\"", p->name);
    }
    room = room_for(p, side);
    c = calloc(1, sizeof(*c) + room);
    if (c == NULL) {
        io_close(&fd);
        return err_set(e, -ENOMEM, "out of memory");
    }
    c->fd = fd;
    c->p = p;
    c->side = side;
    c->room = room;
    for (size_t i = 0; i < MSG_FDS_MAX; i++)
        c->lent[i] = -1;
    *out = c;
    return 0;
}

static void close_all(int *fd, size_t n)
{
    for (size_t i = 0; i < n; i++)
        io_close(&fd[i]);
}

static void packet_free(struct packet *k)
{
    close_all(k->fd, k->nfds);
    free(k);
}

void msg_close(struct msg_chan *c)
{
    if (c == NULL)
        return;
    while (c->count > 0) {
        packet_free(c->queue[c->first]);
        c->first = (c->first + 1) % MSG_QUEUE;
        c->count--;
    }
    close_all(c->lent, MSG_FDS_MAX);
    io_close(&c->fd);
    free(c->gathered);
    free(c);
}

int msg_fd(const struct msg_chan *c)
{
    return c->fd;
}

void msg_phase(struct msg_chan *c, unsigned phase)
{
    assert(phase < 32);
    c->phase = phase;
}

bool msg_wants_write(const struct msg_chan *c)
{
    return (c->count > 0 || c->gathered_len > 0) && !c->dead;
}

/* Without memory for it messages go one by one, as without this call. */
void msg_gather(struct msg_chan *c)
{
    assert(c->p->several);
    if (c->gathered == NULL)
        c->gathered = malloc(MSG_GATHER_BYTES);
}

bool msg_has_more(const struct msg_chan *c)
{
    return c->more.n > 0 && !c->dead;
}

size_t msg_queued(const struct msg_chan *c)
{
    return c->count;
}

/* --- sending --- */

static int send_now(int fd, struct span head, struct span body, const int *fds, size_t nfds)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov[2] = {{(void *)(uintptr_t)head.p, head.n},
                           {(void *)(uintptr_t)body.p, body.n}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    struct cmsghdr *cm = &control.align;
    ssize_t n;

    if (nfds > 0) {
        memset(&control, 0, sizeof(control));
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(cm), fds, sizeof(int) * nfds);
    }
    do
        n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 0;
    if (errno == ENOBUFS || errno == ENOMEM)
        return -EAGAIN; /* the kernel is short of memory: later, as with a full socket */
    return errno == ECONNRESET ? -EPIPE : -errno;
}

static int enqueue(struct msg_chan *c, struct span head, struct span body, const int *fds,
                   size_t nfds)
{
    struct packet *k;

    if (c->count == MSG_QUEUE)
        return -EAGAIN;
    k = malloc(sizeof(*k) + head.n + body.n);
    if (k == NULL)
        return -ENOMEM;
    k->len = head.n + body.n;
    k->nfds = 0;
    memcpy(k->bytes, head.p, head.n);
    if (body.n > 0)
        memcpy(k->bytes + head.n, body.p, body.n);
    for (; k->nfds < nfds; k->nfds++) {
        k->fd[k->nfds] = fcntl(fds[k->nfds], F_DUPFD_CLOEXEC, 0);
        if (k->fd[k->nfds] < 0) {
            int rc = -errno;

            packet_free(k);
            return rc;
        }
    }
    c->queue[(c->first + c->count++) % MSG_QUEUE] = k;
    return 0;
}

static int flush_queue(struct msg_chan *c)
{
    int rc;

    if (c->dead)
        return -EPROTO;
    while (c->count > 0) {
        struct packet *k = c->queue[c->first];

        rc = send_now(c->fd, span_of(k->bytes, k->len), span_of(NULL, 0), k->fd, k->nfds);
        if (rc != 0)
            return rc;
        packet_free(k);
        c->first = (c->first + 1) % MSG_QUEUE;
        c->count--;
    }
    return 0;
}

/* Behind what is queued: a packet goes out now, or waits. */
static int send_packet(struct msg_chan *c, struct span head, struct span body, const int *fds,
                       size_t nfds)
{
    int rc = flush_queue(c);

    if (rc == 0)
        rc = send_now(c->fd, head, body, fds, nfds);
    return rc == -EAGAIN ? enqueue(c, head, body, fds, nfds) : rc;
}

static int send_gathered(struct msg_chan *c)
{
    int rc = c->gathered_len == 0
                 ? 0
                 : send_packet(c, span_of(c->gathered, c->gathered_len), span_of(NULL, 0), NULL, 0);

    if (rc == 0)
        c->gathered_len = c->gathered_n = 0;
    return rc;
}

int msg_flush(struct msg_chan *c)
{
    int rc = flush_queue(c);

    if (rc == 0 && (rc = send_gathered(c)) == 0 && c->count > 0)
        rc = -EAGAIN;
    return rc;
}

/* It joins the others, which go out first if it has no room beside them. */
static int gather(struct msg_chan *c, struct span head, struct span body)
{
    int rc = c->dead ? -EPROTO : 0;

    if (rc == 0 && head.n + body.n > MSG_GATHER_BYTES - c->gathered_len)
        rc = send_gathered(c);
    if (rc != 0)
        return rc;
    memcpy(c->gathered + c->gathered_len, head.p, head.n);
    if (body.n > 0)
        memcpy(c->gathered + c->gathered_len + head.n, body.p, body.n);
    c->gathered_len += head.n + body.n;
    if (++c->gathered_n < MSG_GATHER)
        return 0;
    rc = send_gathered(c);
    return rc == -EAGAIN || rc == -ENOMEM ? 0 : rc; /* taken: it is tried again */
}

int msg_send(struct msg_chan *c, uint16_t type, uint64_t id, struct span body, const int *fds)
{
    const struct msg_type *t = find(c->p, type);
    uint8_t head[HEADER];
    int rc;

    /* our own bugs */
    assert(t != NULL && (t->from & c->side) != 0);
    assert((t->phases & MSG_IN_PHASE(c->phase)) != 0);
    assert(body.n >= t->min && body.n <= t->max);
    write_header(head, c->p, t, id, body.n);
    if (c->gathered != NULL && t->nfds == 0 && body.n <= MSG_GATHER_BYTES - HEADER)
        return gather(c, span_of(head, HEADER), body);
    if ((rc = send_gathered(c)) != 0)
        return rc;
    return send_packet(c, span_of(head, HEADER), body, fds, t->nfds);
}

/* --- receiving --- */

static size_t collect(struct msghdr *m, int *fd, size_t max)
{
    size_t n = 0;

    for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm != NULL; cm = CMSG_NXTHDR(m, cm)) {
        size_t count;

        if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
            continue;
        count = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count && n < max; i++)
            memcpy(&fd[n++], CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
    }
    return n;
}

static int die(struct msg_chan *c, int *fd, size_t n, int rc)
{
    close_all(fd, n);
    c->dead = true;
    return rc;
}

/* The first message of what a packet holds; the rest is for the next calls.  A message with
 * descriptors is alone in its packet, or its length is not the packet's. */
static int take_first(struct msg_chan *c, struct span packet, size_t nfds, struct msg *out,
                      struct err *e)
{
    struct span first = packet;

    if (c->p->several && nfds == 0 && packet.n > HEADER) {
        uint64_t n = get(packet.p + 8, 4);

        if (n < packet.n - HEADER)
            first.n = HEADER + (size_t)n;
    }
    c->more = span_of(packet.p + first.n, packet.n - first.n);
    return msg_parse(c->p, c->side == MSG_A ? MSG_B : MSG_A, c->phase, first, nfds, out, e);
}

int msg_recv(struct msg_chan *c, struct msg *out, struct err *e)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * MSG_FDS_MAX)];
        struct cmsghdr align;
    } control;
    struct iovec iov = {c->in, c->room};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    int fd[MSG_FDS_MAX + 1];
    size_t nfds;
    ssize_t n;
    int rc;

    if (c->dead)
        return err_set(e, -EPROTO, "the channel of protocol \"%s\" is dead", c->p->name);
    close_all(c->lent, MSG_FDS_MAX);
    if (c->more.n > 0) {
        if ((rc = take_first(c, c->more, 0, out, e)) != 0)
            return die(c, fd, 0, rc);
        out->chan = c;
        return 0;
    }
    do
        n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
        return -EAGAIN; /* the message stays where it is */
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return err_set(e, -EPIPE, "the peer of protocol \"%s\" is gone", c->p->name);
    if (n < 0)
        return err_sys(e, -errno, "cannot receive from the peer of protocol \"%s\"", c->p->name);
    /* from here on descriptors may have arrived: each is kept or closed */
    nfds = collect(&m, fd, ARRAY_LEN(fd));
    if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return die(c, fd, nfds, broken(e, c->p, "too long or too many descriptors", (uint64_t)n));
    if ((rc = take_first(c, span_of(c->in, (size_t)n), nfds, out, e)) != 0)
        return die(c, fd, nfds, rc);
    for (size_t i = 0; i < nfds; i++)
        c->lent[i] = out->fd[i] = fd[i];
    out->chan = c;
    return 0;
}

int msg_take_fd(struct msg *m, size_t i)
{
    int fd = m->fd[i];

    assert(m->chan != NULL && fd == m->chan->lent[i]);
    m->chan->lent[i] = -1;
    m->fd[i] = -1;
    return fd;
}

/* --- blocking --- */

static int wait_for(int fd, short events, mono_ms end)
{
    struct pollfd p = {fd, events, 0};
    int left = -1, n;

    if (end != INT64_MAX) {
        mono_ms d = end - clock_mono();

        if (d <= 0)
            return -ETIMEDOUT; /* a socket may be ready and take nothing all the same */
        left = d > INT_MAX ? INT_MAX : (int)d;
    }
    n = poll(&p, 1, left);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    return n == 0 ? -ETIMEDOUT : 0;
}

int msg_send_wait(struct msg_chan *c, uint16_t type, uint64_t id, struct span body, const int *fds,
                  int timeout)
{
    mono_ms end = timeout < 0 ? INT64_MAX : clock_mono() + timeout;
    int rc;

    while ((rc = flush_queue(c)) == -EAGAIN)
        if ((rc = wait_for(c->fd, POLLOUT, end)) != 0)
            return rc;
    if (rc == 0)
        rc = msg_send(c, type, id, body, fds);
    while (rc == 0 && c->count > 0) {
        if ((rc = wait_for(c->fd, POLLOUT, end)) != 0)
            return rc;
        if ((rc = flush_queue(c)) == -EAGAIN)
            rc = 0;
    }
    return rc;
}

int msg_recv_wait(struct msg_chan *c, struct msg *out, int timeout, struct err *e)
{
    mono_ms end = timeout < 0 ? INT64_MAX : clock_mono() + timeout;
    int rc;

    while ((rc = msg_recv(c, out, e)) == -EAGAIN)
        if ((rc = wait_for(c->fd, POLLIN, end)) != 0)
            return err_sys(e, rc, "waiting for the peer of protocol \"%s\"", c->p->name);
    return rc;
}
