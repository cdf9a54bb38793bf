/* client.c - one engine, its batches in flight, and the findings that came back.
 *
 * Every file that was submitted gives exactly one result: its verdict, or INCOMPLETE(engine) when
 * the engine is dropped.  Nothing is sent again from here. */
#include "detect/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "detect/batch_priv.h"

#define GRACE 10000 /* ms beyond a file's own limit before the engine counts as stuck */
#define BACKOFF_MIN 100
#define BACKOFF_MAX 30000
#define HEALTHY 60000 /* ms of service after which the back-off begins anew */
#define BATCHES_MAX 64

struct flight {
    uint64_t id; /* 0: free */
    struct detect_batch *batch;
    uint32_t next; /* the first file without a result */
};
struct answer { /* a result that waits to be fetched */
    struct answer *next;
    struct detect_result result;
};
struct detect_client {
    const struct release *release;
    struct detect_limits limits;
    struct msg_chan *chan;
    enum detect_state state;
    struct detect_hello hello;
    char trouble[ERR_TEXT_MAX];
    mono_ms began;    /* attached or last answered: the deadline counts from here */
    mono_ms served;   /* ready since */
    mono_ms retry_at; /* another engine not before */
    unsigned backoff;
    struct flight flight[BATCHES_MAX];
    uint64_t last_id;
    struct answer *first, **last;
    struct detect_counts counts;
};

int detect_client_new(struct detect_client **out, const struct release *r,
                      const struct detect_limits *l)
{
    struct detect_client *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return -ENOMEM;
    c->release = r;
    if (l != NULL)
        c->limits = *l;
    if (c->limits.file_ms == 0)
        c->limits.file_ms = 60000;
    if (c->limits.file_ms > DETECT_TIME_MAX)
        c->limits.file_ms = DETECT_TIME_MAX;
    if (c->limits.load_ms == 0)
        c->limits.load_ms = 120000;
    if (c->limits.member_bytes == 0)
        c->limits.member_bytes = UINT64_C(256) << 20;
    if (c->limits.members == 0)
        c->limits.members = 10000;
    if (c->limits.depth == 0)
        c->limits.depth = 16;
    if (c->limits.batches == 0)
        c->limits.batches = 8;
    if (c->limits.batches > BATCHES_MAX)
        c->limits.batches = BATCHES_MAX;
    c->last = &c->first;
    *out = c;
    return 0;
}

void detect_client_free(struct detect_client *c)
{
    if (c == NULL)
        return;
    msg_close(c->chan);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        detect_batch_free(c->flight[i].batch);
    while (c->first != NULL) {
        struct answer *a = c->first;

        c->first = a->next;
        finding_done(&a->result.finding);
        io_close(&a->result.fd);
        free(a);
    }
    free(c);
}

/* --- results --- */

static void count(struct detect_counts *n, enum verdict v)
{
    switch (v) {
    case VERDICT_CLEAN:
        n->clean++;
        break;
    case VERDICT_INCOMPLETE:
        n->incomplete++;
        break;
    case VERDICT_MALICIOUS:
        n->malicious++;
        break;
    }
}

/* Out of memory here would lose a result: the process ends instead. */
static struct detect_result *queue(struct detect_client *c)
{
    struct answer *a = calloc(1, sizeof(*a));

    if (a == NULL)
        abort();
    a->result.fd = -1;
    finding_init(&a->result.finding);
    *c->last = a;
    c->last = &a->next;
    return &a->result;
}

static void landed(struct detect_client *c, struct flight *f)
{
    detect_batch_free(f->batch);
    memset(f, 0, sizeof(*f));
    c->counts.in_flight--;
}

/* Takes the finding's names. */
static void give(struct detect_client *c, struct flight *f, uint32_t child, struct finding *found)
{
    struct detect_result *r = queue(c);

    r->cookie = f->batch->cookie[f->next++];
    r->child = child;
    r->lost = c->state == DETECT_DOWN;
    r->finding = *found;
    finding_init(found);
    count(&c->counts, r->finding.verdict);
    if (f->next == f->batch->scan.n && c->hello.members == 0)
        landed(c, f);
}

/* Takes fd. */
static void give_members(struct detect_client *c, struct flight *f, const struct detect_members *m,
                         int fd)
{
    struct detect_result *r = queue(c);

    r->cookie = f->batch->cookie[0];
    r->lost = c->state == DETECT_DOWN;
    r->members = true;
    r->table = *m;
    r->fd = fd;
    landed(c, f);
}

int detect_client_next(struct detect_client *c, struct detect_result *r)
{
    struct answer *a = c->first;

    if (a == NULL)
        return 0;
    c->first = a->next;
    if (c->first == NULL)
        c->last = &c->first;
    finding_done(&r->finding);
    *r = a->result;
    free(a);
    return 1;
}

/* --- the engine comes and goes --- */

static void drop(struct detect_client *c, const char *why, mono_ms now)
{
    struct finding f;

    finding_init(&f);
    (void)snprintf(c->trouble, sizeof(c->trouble), "%s", why);
    msg_close(c->chan);
    c->chan = NULL;
    if (c->state == DETECT_READY && now - c->served >= HEALTHY)
        c->backoff = 0;
    c->backoff = c->backoff == 0 ? BACKOFF_MIN : c->backoff * 2;
    if (c->backoff > BACKOFF_MAX)
        c->backoff = BACKOFF_MAX;
    c->retry_at = now + c->backoff;
    c->state = DETECT_DOWN;
    c->counts.engines_lost++;
    for (size_t i = 0; i < BATCHES_MAX; i++) {
        struct flight *x = &c->flight[i];
        struct detect_members none = {.count = 0};

        if (x->id == 0)
            continue;
        none.next = x->batch->scan.n;
        for (uint32_t left = x->batch->scan.n - x->next; left > 0; left--) {
            finding_incomplete(&f, REASON_ENGINE);
            give(c, x, 0, &f);
        }
        if (c->hello.members != 0)
            give_members(c, x, &none, -1);
    }
    finding_done(&f);
}

int detect_client_attach(struct detect_client *c, int sock, struct err *e)
{
    struct detect_rules rules = {.size = release_size(c->release),
                                 .member_bytes = c->limits.member_bytes,
                                 .members = c->limits.members,
                                 .depth = c->limits.depth,
                                 .flags = c->limits.others_open ? DETECT_OTHERS_OPEN : 0};
    int fd = release_fd(c->release), rc;
    struct buf body;

    assert(c->state == DETECT_DOWN);
    rc = msg_open(&c->chan, sock, &detect_protocol, MSG_A, e);
    if (rc != 0)
        return rc;
    buf_init(&body, 64);
    rc = protocol_put_rules(&body, &rules);
    if (rc == 0)
        rc = msg_send(c->chan, DETECT_RULES, 0, buf_span(&body), &fd);
    buf_free(&body);
    c->state = DETECT_STARTING;
    c->began = clock_mono();
    if (rc != 0) {
        (void)err_sys(e, rc, "cannot hand the rules to the engine");
        drop(c, "it did not take the rules", clock_mono());
    }
    return rc;
}

enum detect_state detect_client_state(const struct detect_client *c)
{
    return c->state;
}

bool detect_client_wants_engine(const struct detect_client *c, mono_ms now)
{
    return c->state == DETECT_DOWN && now >= c->retry_at;
}

const char *detect_client_trouble(const struct detect_client *c)
{
    return c->trouble;
}

int detect_client_fd(const struct detect_client *c)
{
    return c->chan != NULL ? msg_fd(c->chan) : -1;
}

bool detect_client_wants_write(const struct detect_client *c)
{
    return c->chan != NULL && msg_wants_write(c->chan);
}

mono_ms detect_client_due(const struct detect_client *c)
{
    if (c->state == DETECT_STARTING)
        return c->began + c->limits.load_ms;
    if (c->state == DETECT_READY && c->counts.in_flight > 0)
        return c->began + c->limits.file_ms + GRACE;
    return c->state == DETECT_DOWN ? c->retry_at : INT64_MAX;
}

/* --- messages --- */

static int on_hello(struct detect_client *c, const struct msg *m, mono_ms now)
{
    int rc = protocol_get_hello(m->body, &c->hello);

    if (rc != 0)
        return rc;
    if ((c->hello.members != 0) != c->limits.walks)
        return -EPROTO;
    c->state = DETECT_READY;
    c->served = now;
    c->trouble[0] = '\0';
    msg_phase(c->chan, DETECT_SERVING);
    return 0;
}

static struct flight *flight_of(struct detect_client *c, uint64_t id)
{
    for (size_t i = 0; i < BATCHES_MAX && id != 0; i++)
        if (c->flight[i].id == id)
            return &c->flight[i];
    return NULL;
}

static int on_members(struct detect_client *c, struct msg *m)
{
    struct flight *f = flight_of(c, m->id);
    struct detect_members t;
    int rc = protocol_get_members(m->body, &t);

    if (rc == 0 && (f == NULL || c->hello.members == 0 || t.next != f->next))
        rc = -EPROTO;
    if (rc == 0)
        give_members(c, f, &t, msg_take_fd(m, 0));
    return rc;
}

static int on_verdict(struct detect_client *c, const struct msg *m)
{
    struct detect_answer a;
    struct flight *f = flight_of(c, m->id);
    int rc;

    finding_init(&a.finding);
    rc = protocol_get_answer(m->body, &a);
    /* a verdict for a batch that is not out, or out of order, is a lie */
    if (rc == 0 && (f == NULL || a.index != f->next || f->next == f->batch->scan.n))
        rc = -EPROTO;
    if (rc == 0)
        give(c, f, a.child, &a.finding);
    finding_done(&a.finding);
    return rc;
}

/* 0, or what ends this engine, with the sentence. */
static int on_message(struct detect_client *c, struct msg *m, mono_ms now, struct err *e)
{
    int rc = -EPROTO;

    c->began = now;
    switch (m->type->type) {
    case DETECT_HELLO:
        rc = on_hello(c, m, now);
        break;
    case DETECT_FAILED:
        return err_set(e, -EINVAL, "%.*s", (int)m->body.n, (const char *)m->body.p);
    case DETECT_VERDICT:
        rc = on_verdict(c, m);
        break;
    case DETECT_MEMBERS:
        rc = on_members(c, m);
        break;
    }
    return rc == 0 ? 0 : err_set(e, rc, "the engine's %s makes no sense", m->type->name);
}

void detect_client_step(struct detect_client *c, mono_ms now)
{
    struct err e = ERR_INIT;
    struct msg m;
    int rc;

    if (c->state == DETECT_DOWN)
        return;
    rc = msg_flush(c->chan);
    if (rc == 0 || rc == -EAGAIN || rc == -EPIPE) /* last words may still be there to read */
        while ((rc = msg_recv(c->chan, &m, &e)) == 0)
            if ((rc = on_message(c, &m, now, &e)) != 0)
                break;
    if (rc == -EAGAIN && now < detect_client_due(c))
        return;
    if (rc == -EAGAIN)
        (void)err_set(&e, -ETIMEDOUT, "the engine %s",
                      c->state == DETECT_STARTING ? "did not start in time" : "is stuck");
    drop(c, err_text(&e), now);
}

const char *detect_client_engine(const struct detect_client *c)
{
    return c->hello.engine;
}

const char *detect_client_version(const struct detect_client *c)
{
    return c->hello.version;
}

uint32_t detect_client_rules(const struct detect_client *c)
{
    return c->hello.rules + (uint32_t)hashset_count(release_hashes(c->release));
}

struct digest detect_client_release(const struct detect_client *c)
{
    return release_digest(c->release);
}

/* --- submitting --- */

static int send_batch(struct detect_client *c, struct detect_batch *b, uint64_t id)
{
    struct buf body;
    int rc;

    b->scan.limit = c->limits.file_ms;
    if (b->scan.total == 0)
        detect_batch_total(b, (uint64_t)b->scan.n * c->limits.file_ms);
    buf_init(&body, 12 + 16 * DETECT_BATCH_FILES);
    rc = protocol_put_scan(&body, &b->scan);
    if (rc == 0)
        rc = detect_batch_seal(b);
    if (rc == 0)
        rc = msg_send(c->chan, DETECT_SCAN, id, buf_span(&body), &b->fd);
    buf_free(&body);
    return rc;
}

int detect_client_submit(struct detect_client *c, struct detect_batch *b)
{
    struct flight *f = c->flight;
    mono_ms now = clock_mono();
    int rc;

    assert(b->scan.n > 0);
    if (c->state != DETECT_READY || c->counts.in_flight >= c->limits.batches)
        return -EAGAIN;
    while (f->id != 0)
        f++;
    /* the batch is out from here on: what goes wrong below ends the engine, and that answers it */
    f->id = ++c->last_id;
    f->batch = b;
    f->next = 0;
    if (c->counts.in_flight++ == 0)
        c->began = now;
    c->counts.batches++;
    c->counts.files += b->scan.n;
    c->counts.bytes += b->used;
    rc = send_batch(c, b, f->id);
    if (rc != 0)
        drop(c, "it did not take a batch", now);
    else
        io_close(&b->fd); /* the engine has its own; the bytes go when it is done */
    return 0;
}

int detect_client_known(struct detect_client *c, const struct digest *d, struct finding *f)
{
    int rc = hashset_find(release_hashes(c->release), d, f);

    if (rc == 1)
        c->counts.known++;
    return rc;
}

struct detect_counts detect_client_counts(const struct detect_client *c)
{
    return c->counts;
}
