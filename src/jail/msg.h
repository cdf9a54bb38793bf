/* msg.h - typed messages between our processes, with descriptors, over a unix SOCK_SEQPACKET pair.
 *
 * One packet is one message: a 24-byte header {magic u32, version u16, type u16, length u32, nfds
 * u16, zero u16, id u64}, big-endian, then `length` bytes.  A const table names every type of a
 * protocol: who may send it, in which phase, how long it may be and how many descriptors ride on
 * it, as OpenSSH's monitor table does.  Both ends check every message against it, the sender too
 * (an assert: our own bug).  Anything else from the peer is -EPROTO, and the channel is dead from
 * then on: every later call says -EPROTO; close it and drop the peer.
 *
 * On a channel of a protocol that says so, small messages without descriptors can be gathered
 * (msg_gather): several share one packet, one behind the other, which saves system calls and
 * wake-ups.  They go out when the packet is full, or with msg_flush: at the end of a turn.
 *
 * The channel is non-blocking: drive it from epoll (msg_fd, msg_wants_write) or use the _wait
 * forms.  Nothing is sent in part.  A message that does not fit into the socket now waits in a
 * queue of at most MSG_QUEUE messages; a full queue is -EAGAIN, the caller's back-pressure.
 * One thread at a time per channel. */
#ifndef JAIL_MSG_H
#define JAIL_MSG_H

#include "base/buf.h"
#include "base/err.h"

#define MSG_BODY_MAX 131072u /* large contents ride in a ring slot or a memfd */
#define MSG_FDS_MAX 4
#define MSG_QUEUE 256
#define MSG_GATHER_BYTES 16384u /* of one packet of gathered messages, at most */
#define MSG_GATHER 16u          /* messages: what has been said shall not wait long */

enum msg_side { MSG_A = 1, MSG_B = 2 }; /* a protocol says which end is which */

struct msg_chan;
struct msg_type {
    uint16_t type;     /* its index in the table + 1, so that look-up is an index */
    const char *name;  /* "SCAN" */
    uint8_t from;      /* MSG_A, MSG_B or both */
    uint8_t nfds;      /* exactly so many */
    uint32_t min, max; /* body length */
    uint32_t phases;   /* bit set; bit p: allowed in phase p */
};
struct msg_protocol {
    const char *name;
    uint32_t magic;
    uint16_t version;
    const struct msg_type *types;
    size_t ntypes;
    bool several; /* a packet may hold more than one message */
};
#define MSG_IN_PHASE(p) (UINT32_C(1) << (p))
#define MSG_ANY_PHASE UINT32_MAX

struct msg {
    const struct msg_type *type; /* type->type to switch on */
    uint64_t id;                 /* the sender's: pairs an answer with its question */
    struct span body;            /* lent until the next receive on the channel */
    int fd[MSG_FDS_MAX];         /* lent too: unclaimed ones are closed then; see msg_take_fd */
    struct msg_chan *chan;       /* where it came from */
};

/* Two connected ends, close-on-exec. */
MUST_CHECK int msg_pair(int fd[2], struct err *e);
/* Takes fd (also on failure).  The phase starts at 0. */
MUST_CHECK int msg_open(struct msg_chan **out, int fd, const struct msg_protocol *p,
                        enum msg_side side, struct err *e);
void msg_close(struct msg_chan *c); /* queued messages are lost; NULL is fine */

int msg_fd(const struct msg_chan *c);
void msg_phase(struct msg_chan *c, unsigned phase); /* of both directions */
bool msg_wants_write(const struct msg_chan *c);
void msg_gather(struct msg_chan *c); /* from here on what can be gathered is */
/* Messages have arrived that msg_fd says nothing of any more: receive before waiting for it. */
bool msg_has_more(const struct msg_chan *c);
size_t msg_queued(const struct msg_chan *c);

/* Queues or sends; fds are duplicated into the message (nfds as in the table), so the caller closes
 * its own.  0, -EAGAIN (queue full, nothing taken), -EPIPE (peer gone), -EPROTO (dead). */
MUST_CHECK int msg_send(struct msg_chan *c, uint16_t type, uint64_t id, struct span body,
                        const int *fds);
MUST_CHECK int
msg_flush(struct msg_chan *c); /* 0: all sent, the gathered too; -EAGAIN: some wait */
/* 0: *out is filled; -EAGAIN: nothing there; -EPIPE: the peer closed; -EPROTO: it broke the
 * protocol (e says how). */
MUST_CHECK int msg_recv(struct msg_chan *c, struct msg *out, struct err *e);
/* Hands descriptor i over to the caller. */
int msg_take_fd(struct msg *m, size_t i);

/* Blocking forms; timeout in ms, -1: for ever.  -ETIMEDOUT. */
MUST_CHECK int msg_send_wait(struct msg_chan *c, uint16_t type, uint64_t id, struct span body,
                             const int *fds, int timeout);
MUST_CHECK int msg_recv_wait(struct msg_chan *c, struct msg *out, int timeout, struct err *e);

/* The check of one received packet alone, without a socket (fuzzed): 0 or -EPROTO. */
MUST_CHECK int msg_parse(const struct msg_protocol *p, enum msg_side from, unsigned phase,
                         struct span packet, size_t nfds, struct msg *out, struct err *e);

#endif
