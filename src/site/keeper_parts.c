/* keeper_parts.c - courier and reader come and go: they hold nothing, so the site works on while
 * the supervisor starts one anew.  What the lost one was asked is asked of the next, or answered
 * "again". */
#include <errno.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "site/keeper_priv.h"

/* No document takes so long to be read, no witness to be asked (the courier gives it five seconds),
 * no root to be signed; whole files may take hours, nobody waits for them here. */
#define ANSWER_MS 20000

static struct msg_chan **channel_of(struct keeper *k, bool reader)
{
    return reader ? &k->reader : &k->courier;
}

int keeper_parts_ask(struct keeper *k, bool reader, uint16_t type, uint64_t id, struct span body,
                     const int *fd)
{
    struct msg_chan *c = *channel_of(k, reader);
    int rc = c == NULL ? -EAGAIN : msg_send(c, type, id, body, fd);

    if (rc == 0 && (reader || type == PC_WITNESS) && k->wait[reader].out++ == 0)
        k->wait[reader].since = clock_mono();
    return rc;
}

void keeper_parts_answered(struct keeper *k, bool reader)
{
    struct keeper_wait *w = &k->wait[reader];

    w->out -= w->out > 0; /* it may say what nobody asked */
    w->since = clock_mono();
}

void keeper_parts_tick(struct keeper *k, mono_ms now)
{
    for (int reader = 0; reader < 2; reader++) {
        if (k->wait[reader].out == 0 || now < k->wait[reader].since + ANSWER_MS)
            continue;
        log_error("a part does not answer", "part", reader ? "reader" : "courier");
        keeper_parts_lost(k, reader != 0);
    }
    if (k->sign.out && now > k->sign.since + ANSWER_MS) {
        log_error("the signer does not answer; the keeper ends");
        k->quit = true;
    }
}

void keeper_parts_lost(struct keeper *k, bool reader)
{
    struct msg_chan **c = channel_of(k, reader);

    log_warn("a part is gone; the keeper waits for another", "part", reader ? "reader" : "courier");
    msg_close(*c); /* which takes it out of epoll */
    *c = NULL;
    k->wait[reader].out = 0;
    if (reader) {
        keeper_admin_reader_gone(k);
        keeper_move_reader_gone(k);
        keeper_receive_reader_gone(k);
    } else {
        keeper_round_courier_gone(k);
        keeper_move_courier_gone(k);
    }
    /* one that spoke nonsense may be running still */
    if (msg_send(k->control, reader ? PX_LOST_READER : PX_LOST_COURIER, k->life[reader],
                 span_of(NULL, 0), NULL) != 0)
        log_warn("the supervisor cannot be told that a part is gone");
}

void keeper_parts_come(struct keeper *k, bool reader, uint64_t life, int fd, uint64_t what)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.u64 = what};
    struct msg_chan **c = channel_of(k, reader);
    struct err e = ERR_INIT;

    if (*c != NULL) /* its end has not been noticed yet */
        keeper_parts_lost(k, reader);
    k->life[reader] = life;
    if (msg_open(c, fd, reader ? &proto_reader : &proto_courier, MSG_A, &e) == 0 &&
        epoll_ctl(k->epoll, EPOLL_CTL_ADD, msg_fd(*c), &ev) == 0) {
        log_info("a part has come", "part", reader ? "reader" : "courier");
        return;
    }
    log_error("a part that was started anew cannot be reached", "why", err_text(&e));
    msg_close(*c);
    *c = NULL;
}
