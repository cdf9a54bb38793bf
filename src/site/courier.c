/* courier.c - the only process that speaks to the outside on its own: checkpoints to witnesses,
 * sealed files to the sites of other zones.  It holds no key and decides nothing; what an answer is
 * worth, the keeper's signatures and the reader's proofs decide.  The addresses come from the
 * configuration, never from a message: the keeper names a witness or a peer by its index. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "http/client.h"
#include "jail/msg.h"
#include "ledger/tlog_policy.h"
#include "ledger/tlog_witness.h"
#include "site/process.h"
#include "site/proto.h"

#define WITNESS_MS 5000
#define STALL_MS 60000
#define ANSWER_MAX PROTO_TAIL_MAX
#define URL_MAX 1024
#define COSIGNATURE (4 + 8 + 64) /* key id, time, signature */
#define IN_FLIGHT_MAX 1024

struct courier {
    const struct config *c;
    struct tlog_policy *quorum;
    struct http_client *http;
    struct msg_chan *chan;
    struct errand *errands;
    size_t n;
};

struct errand { /* one request on its way */
    struct errand *next;
    struct courier *courier;
    uint64_t id;
    uint32_t witness; /* of a cosigning */
    struct span text; /* lent from body: the checkpoint's signed text */
    struct buf body;
    int fd; /* of a carried file */
};

static struct errand *errand_new(struct courier *k, uint64_t id)
{
    struct errand *x = k->n >= IN_FLIGHT_MAX ? NULL : calloc(1, sizeof(*x));

    if (x == NULL)
        return NULL;
    x->courier = k;
    x->id = id;
    x->fd = -1;
    buf_init(&x->body, PROTO_TAIL_MAX);
    x->next = k->errands;
    k->errands = x;
    k->n++;
    return x;
}

static void errand_end(struct errand *x)
{
    struct courier *k = x->courier;

    for (struct errand **at = &k->errands; *at != NULL; at = &(*at)->next)
        if (*at == x) {
            *at = x->next;
            k->n--;
            break;
        }
    io_close(&x->fd);
    buf_free(&x->body);
    free(x);
}

static void send_answer(struct courier *k, uint16_t type, uint64_t id, const void *head, size_t n,
                        struct span tail)
{
    struct buf b;
    int rc;

    buf_init(&b, MSG_BODY_MAX);
    if ((rc = buf_put(&b, head, n)) == 0 && (rc = buf_put(&b, tail.p, tail.n)) == 0)
        rc = msg_send_wait(k->chan, type, id, buf_span(&b), NULL, -1);
    if (rc != 0)
        log_error("the keeper does not take an answer", "why", strerror(-rc));
    buf_free(&b);
}

/* --- witnesses --- */

static void cosigned_is(struct courier *k, uint64_t id, struct pm_cosigned *m, const char *text)
{
    (void)snprintf(m->text, sizeof(m->text), "%s", text);
    send_answer(k, PC_COSIGNED, id, m, sizeof(*m), span_of(NULL, 0));
}

/* The time and signature of the witness's line among those of its answer, verified over the
 * checkpoint we sent. */
static int take_cosignature(const struct errand *x, struct span lines, struct pm_cosigned *m,
                            struct err *e)
{
    const struct vkey *key = tlog_policy_witness(x->courier->quorum, x->witness);
    struct core_note note;
    uint8_t raw[COSIGNATURE];
    uint64_t time;
    size_t n;
    int rc;

    if (core_sigs_split(lines, &note) != 0)
        return err_set(e, -EPROTO, "the witness's answer is not signature lines");
    note.text = x->text;
    rc = core_note_verify(&note_crypto, &note, key, &time);
    if (rc != 0)
        return err_set(e, -EPROTO, "the witness's answer has no valid cosignature of \"%s\"",
                       key->name);
    for (size_t i = 0; i < note.n; i++) {
        const struct core_sig *s = &note.sig[i];

        if (span_is(s->name, key->name) && memcmp(s->id, key->id, 4) == 0 &&
            core_base64(s->b64, raw, sizeof(raw), &n) == 0 && n == sizeof(raw)) {
            m->time = (int64_t)time;
            memcpy(m->sig, raw + 12, 64);
            return 0;
        }
    }
    return err_set(e, -EPROTO, "the witness's cosignature has another length");
}

static void witness_done(struct http_result *a, void *arg)
{
    struct errand *x = arg;
    struct buf none;
    struct pm_cosigned m;
    struct err e = ERR_INIT;

    memset(&m, 0, sizeof(m));
    m.witness = x->witness;
    m.status = a->rc == 0 ? (uint32_t)a->status : 0;
    buf_init(&none, 16);
    if (m.status == 0)
        (void)err_set(&e, a->rc, "%s", err_text(&a->err));
    else if (m.status != 200 && tlog_witness_answer(&none, a->status, buf_span(&a->body), NULL, 0,
                                                    &m.size, &e) == -EPROTO)
        m.status = 502; /* a conflict that names no size */
    else if (m.status == 200 && take_cosignature(x, buf_span(&a->body), &m, &e) != 0)
        m.status = 502; /* an answer, but not one of a witness */
    buf_free(&none);
    cosigned_is(x->courier, x->id, &m, e.text);
    errand_end(x);
}

/* What was asked: the body is copied, its checkpoint's text found. */
static int witness_body(struct errand *x, struct span tail, struct err *e)
{
    struct core_add_checkpoint add;
    struct core_note note;
    int rc = buf_put(&x->body, tail.p, tail.n);

    if (rc != 0)
        return err_sys(e, rc, "taking the request");
    if (core_add_checkpoint_parse(buf_span(&x->body), &add) != 0 ||
        core_note_split(add.checkpoint, &note) != 0)
        return err_set(e, -EINVAL, "the request is no add-checkpoint body");
    x->text = note.text;
    return 0;
}

static void witness(struct courier *k, const struct msg *m)
{
    struct errand *x = errand_new(k, m->id);
    struct http_call call = {.method = HTTP_POST, .total_ms = WITNESS_MS, .max_answer = ANSWER_MAX};
    struct pm_cosigned no;
    struct pm_witness ask;
    struct cur c = cur_of(m->body);
    struct err e = ERR_INIT;
    char url[URL_MAX];
    const char *at;
    int rc = cur_copy(&c, &ask, sizeof(ask));

    memset(&no, 0, sizeof(no));
    no.witness = ask.witness;
    if (x == NULL) {
        cosigned_is(k, m->id, &no, "too many requests are under way");
        return;
    }
    if (rc == 0 && ask.witness >= tlog_policy_witness_count(k->quorum))
        rc = err_set(&e, -EINVAL, "the policy has no witness %u", ask.witness);
    if (rc == 0 && (rc = witness_body(x, span_of(c.p, c.n), &e)) == 0) {
        x->witness = ask.witness;
        at = tlog_policy_witness_url(k->quorum, ask.witness);
        (void)snprintf(url, sizeof(url), "%s%sadd-checkpoint", at,
                       *at != '\0' && at[strlen(at) - 1] == '/' ? "" : "/");
        call.url = url;
        call.body = buf_span(&x->body);
        call.done = witness_done;
        call.arg = x;
        rc = *at == '\0' ? err_set(&e, -EINVAL, "the witness \"%s\" has no URL in the policy",
                                   tlog_policy_witness_name(k->quorum, ask.witness))
                         : http_client_start(k->http, &call, &e);
    }
    if (rc != 0) {
        cosigned_is(k, m->id, &no, err_text(&e));
        errand_end(x);
    }
}

/* --- peers --- */

static void carried_is(struct courier *k, uint64_t id, int status, struct span body,
                       const char *text)
{
    struct pm_carried m;

    memset(&m, 0, sizeof(m));
    m.status = (uint32_t)status;
    (void)snprintf(m.text, sizeof(m.text), "%s", text);
    send_answer(k, PC_CARRIED, id, &m, sizeof(m), body);
}

static void carry_done(struct http_result *a, void *arg)
{
    struct errand *x = arg;
    bool came = a->rc == 0;

    carried_is(x->courier, x->id, came ? a->status : 0,
               came ? buf_span(&a->body) : span_of(NULL, 0), came ? "" : err_text(&a->err));
    errand_end(x);
}

static int carry_url(const struct courier *k, const struct pm_carry *ask, char url[URL_MAX],
                     struct err *e)
{
    const char *base;
    char move[33], sub[33];

    if (ask->peer >= k->c->peers || ask->what > CARRY_MOVE_CLOSE)
        return err_set(e, -EINVAL, "the configuration has no peer %u", ask->peer);
    base = k->c->peer[ask->peer].url;
    text_id(move, &ask->move);
    text_id(sub, &ask->sub);
    if (strlen(base) + 128 > URL_MAX)
        return err_set(e, -EINVAL, "the URL of peer \"%s\" is too long",
                       k->c->peer[ask->peer].site);
    if (ask->what == CARRY_MOVE_PUT)
        (void)snprintf(url, URL_MAX, "%s/v1/moves/%s/objects/%s", base, move, sub);
    else
        (void)snprintf(url, URL_MAX, "%s/v1/moves/%s%s", base, move,
                       ask->what == CARRY_MOVE_CLOSE ? "/close" : "");
    return 0;
}

static int carry_body(struct errand *x, struct msg *m, const struct pm_carry *ask, struct span tail,
                      struct http_call *call, struct err *e)
{
    struct stat st;
    int rc;

    if (m->type->type == PC_CARRY_TEXT) {
        rc = buf_put(&x->body, tail.p, tail.n);
        call->body = buf_span(&x->body);
        return rc == 0 ? 0 : err_sys(e, rc, "taking the request");
    }
    x->fd = msg_take_fd(m, 0);
    if (fstat(x->fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < ask->length)
        return err_set(e, -EINVAL, "the file to carry has not the length named");
    call->body_fd = x->fd;
    call->body_len = ask->length;
    return 0;
}

static void carry(struct courier *k, struct msg *m)
{
    static const char *const bytes[] = {"Content-Type: application/octet-stream", NULL};
    struct errand *x = errand_new(k, m->id);
    struct http_call call = {.max_answer = ANSWER_MAX};
    struct err e = ERR_INIT;
    struct pm_carry ask;
    struct cur c = cur_of(m->body);
    char url[URL_MAX];
    int rc = cur_copy(&c, &ask, sizeof(ask));

    if (x == NULL) {
        carried_is(k, m->id, 0, span_of(NULL, 0), "too many requests are under way");
        return;
    }
    if (rc == 0 && (rc = carry_url(k, &ask, url, &e)) == 0 &&
        (rc = carry_body(x, m, &ask, span_of(c.p, c.n), &call, &e)) == 0) {
        call.method = ask.what == CARRY_MOVE_PUT ? HTTP_PUT : HTTP_POST;
        call.headers = bytes;
        call.pin = k->c->peer[ask.peer].pin;
        call.url = url;
        call.done = carry_done;
        call.arg = x;
        rc = http_client_start(k->http, &call, &e);
    }
    if (rc != 0) {
        carried_is(k, m->id, 0, span_of(NULL, 0), err_text(&e));
        errand_end(x);
    }
}

/* --- the loop --- */

static int take_messages(struct courier *k, struct err *e)
{
    struct msg m;
    int rc;

    while ((rc = msg_recv(k->chan, &m, e)) == 0) {
        if (m.type->type == PC_WITNESS)
            witness(k, &m);
        else
            carry(k, &m);
    }
    return rc == -EAGAIN ? 0 : rc;
}

static int serve(struct courier *k, struct err *e)
{
    struct epoll_event ev = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC), rc = 0;

    if (fd < 0)
        return err_sys(e, -errno, "epoll_create1");
    if (epoll_ctl(fd, EPOLL_CTL_ADD, msg_fd(k->chan), &ev) != 0 ||
        epoll_ctl(fd, EPOLL_CTL_ADD, http_client_fd(k->http), &ev) != 0)
        rc = err_sys(e, -errno, "watching the channel");
    while (rc == 0) {
        if (epoll_wait(fd, &ev, 1, http_client_wait(k->http)) < 0 && errno != EINTR)
            rc = err_sys(e, -errno, "waiting");
        else if ((rc = http_client_step(k->http)) == 0)
            rc = take_messages(k, e);
    }
    io_close(&fd);
    return rc == -EPIPE ? 0 : rc;
}

/* The name service loads its modules at the first look-up; the jail forbids loading. */
static void warm_up(void)
{
    struct addrinfo *list = NULL;

    if (getaddrinfo("localhost", "80", NULL, &list) == 0)
        freeaddrinfo(list);
}

int courier_main(const struct config *c)
{
    struct http_client_limits limits = {
        .stall_ms = STALL_MS, .max_answer = ANSWER_MAX, .authorities = c->authorities};
    struct courier k = {.c = c};
    struct err e = ERR_INIT;
    int rc;

    warm_up();
    if ((rc = tlog_policy_parse(&k.quorum, span_str(c->quorum), &e)) == 0 &&
        (rc = msg_open(&k.chan, PART_CHANNEL, &proto_courier, MSG_B, &e)) == 0 &&
        (rc = http_client_new(&k.http, &limits, &e)) == 0 &&
        (rc = process_jail(c, CONFIG_COURIER, &e)) == 0) {
        log_info("courier serves");
        rc = serve(&k, &e);
    }
    if (rc != 0) {
        e.code = rc;
        log_error(err_text(&e));
    }
    /* nobody is left to hear what becomes of the rest: their answers fail, their memory ends */
    http_client_free(k.http);
    while (k.errands != NULL)
        errand_end(k.errands);
    msg_close(k.chan);
    tlog_policy_free(k.quorum);
    return rc == 0 ? 0 : rc == -EINVAL || rc == -EBADMSG ? 2 : 3;
}
