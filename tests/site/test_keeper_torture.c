/* The real keeper while a submission goes through: each allocation, each message sent and received
 * fails once, for k = 1, 2, 3 ... until a talk passes without meeting the k-th.  Whoever asks is
 * answered, or the keeper ends in order and is started anew; nothing is acknowledged that is not
 * there; and then everything succeeds without anybody's hands. */
#include "keeper_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "faultfs/calls.h"
#include "faultfs/memory.h"

#define SIZE 150000u /* of a file; sent in two pieces */
#define SUBS 8192

struct one {
    struct rig_sub s;
    enum { OPEN_, HERE, LEAVING, GONE } is; /* LEAVING: an order was sent, and not acknowledged */
};

struct torture {
    const char *name;
    unsigned mask;
    int err;
    unsigned times, step, soak_step;
};

static struct one one[SUBS]; /* all so far */
static size_t ones;
static unsigned long deaths, refusals, at; /* at: the k being tried, for the message */
static uint8_t content[SIZE];
static char last[PROTO_TEXT]; /* refusal */

/* --- a front that takes what comes --- */

/* NULL: the keeper is gone. */
static const struct rig_heard *hear(struct keeper_rig *r, uint64_t id)
{
    mono_ms until = clock_mono() + 3 * RIG_SOON;

    for (;;) {
        for (size_t i = 0; i < r->n_heard; i++)
            if (r->heard[i].id == id)
                return rig_hear(r, id);
        if (r->gone)
            return NULL;
        if (clock_mono() > until)
            fail_msg("nobody answers");
        if (r->courier == NULL) /* as the supervisor does */
            rig_new_courier(r);
        if (r->reader == NULL)
            rig_new_reader(r);
        rig_turn(r, 50);
    }
}

static const struct rig_heard *ask_as(struct keeper_rig *r, uint16_t type, uint64_t id,
                                      const void *p, size_t n)
{
    int rc = r->gone ? -EPIPE : msg_send_wait(r->front, type, id, span_of(p, n), NULL, RIG_SOON);

    if (rc != 0 && rc != -EPIPE)
        fail_msg("the keeper does not listen: %d", rc);
    return rc != 0 ? NULL : hear(r, id);
}

static const struct rig_heard *ask(struct keeper_rig *r, uint16_t type, const void *p, size_t n)
{
    return ask_as(r, type, rig_id(r), p, n);
}

/* The answer wanted; false: refused, or the keeper is gone. */
static bool granted(const struct rig_heard *h, uint16_t type)
{
    struct pm_refused no;

    if (h == NULL || h->type == type)
        return h != NULL;
    if (h->type != FK_REFUSED)
        fail_msg("answered by a message of type %u, not %u", h->type, type);
    memcpy(&no, h->body.data, sizeof(no));
    /* what a lack of memory is called: never that something is unknown, forbidden or wrong */
    if (no.refusal != PRF_BUSY && no.refusal != PRF_STOPPED)
        fail_msg("refused with %s: %s", proto_refusal_word((enum proto_refusal)no.refusal),
                 no.text);
    (void)snprintf(last, sizeof(last), "%s", no.text);
    refusals++;
    return false;
}

/* --- the talk --- */

static bool open_one(struct keeper_rig *r, struct one *x)
{
    const struct rig_heard *h = ask(r, FK_OPEN, &x->s.open, sizeof(x->s.open));
    struct pm_opened m;

    if (!granted(h, FK_OPENED))
        return false;
    memcpy(&m, h->body.data, sizeof(m));
    x->s.ticket = m.ticket;
    return true;
}

static bool data(struct keeper_rig *r, uint64_t id, const uint8_t *p, size_t n)
{
    struct pm_put_data m = {0, (uint32_t)n};
    bool taken;

    assert_int_equal(ring_claim(r->ring, &m.slot), 0);
    memcpy(ring_slot(r->ring, m.slot), p, n);
    taken = granted(ask_as(r, FK_PUT_DATA, id, &m, sizeof(m)), FK_SLOT_FREE);
    if (!r->gone)
        assert_int_equal(ring_free_slot(r->ring, m.slot), 0);
    return taken;
}

/* true: it was acknowledged. */
static bool put(struct keeper_rig *r, struct one *x)
{
    struct pm_put_begin m = {.sub = x->s.sub, .ticket = x->s.ticket, .length = SIZE};
    uint64_t id = rig_id(r);
    const struct rig_heard *h = ask_as(r, FK_PUT_BEGIN, id, &m, sizeof(m));

    if (h != NULL && h->type == FK_PUT_DONE) { /* it was here already */
        x->is = HERE;
        return true;
    }
    if (!granted(h, FK_PUT_GO) || !data(r, id, content, SIZE / 2) ||
        !data(r, id, content + SIZE / 2, SIZE - SIZE / 2) ||
        !granted(ask_as(r, FK_PUT_END, id, NULL, 0), FK_PUT_DONE))
        return false;
    x->is = HERE;
    return true;
}

static void trace(struct keeper_rig *r, const struct one *x, uint16_t type, uint32_t wait)
{
    struct pm_trace m = {.sub = x->s.sub, .time = clock_now(), .wait = wait, .seen = SUB_ACCEPTED};
    struct ed25519_sig sig;
    const struct rig_heard *h;

    assert_int_equal(submitter_sign_trace(x->s.key, &x->s.sub, m.time, &sig), 0);
    memcpy(m.sig, sig.b, sizeof(m.sig));
    h = ask(r, type, &m, sizeof(m));
    if (granted(h, type == FK_TRACE ? FK_TRACED : FK_RECEIPT_IS) && type == FK_TRACE) {
        struct pm_traced t;

        memcpy(&t, h->body.data, sizeof(t));
        if ((t.state & SUB_ACCEPTED) == 0 || (x->is == HERE && (t.state & SUB_WITHDRAWN) != 0))
            fail_msg("it is said to be in state %#x", t.state);
    }
}

static bool order(struct keeper_rig *r, struct one *x)
{
    struct pm_order m = {.sub = x->s.sub, .erase = 1};
    struct ed25519_sig sig;

    assert_int_equal(submitter_sign_erase(x->s.key, &x->s.sub, &sig), 0);
    memcpy(m.sig, sig.b, sizeof(m.sig));
    x->is = LEAVING;
    if (!granted(ask(r, FK_ORDER, &m, sizeof(m)), FK_ORDERED))
        return false;
    x->is = GONE;
    return true;
}

/* A document that the reader refuses: it has the whole way behind it then. */
static void read_no(struct keeper_rig *r, uint64_t id, const struct pm_read *m, int fd)
{
    (void)fd;
    rig_read_is(r, id, m->what, -EBADMSG, NULL, span_of(NULL, 0));
}

/* The administrator is answered, with whatever; or his connection ends. */
static void administrate(struct keeper_rig *r, uint32_t what, const char *document)
{
    const struct pm_admin ask_it = {.what = what, .document = READ_POLICY};
    mono_ms until = clock_mono() + 3 * RIG_SOON;
    struct err e = ERR_INIT;
    struct msg_chan *c;
    int rc = -EAGAIN;

    if (r->gone)
        return;
    c = rig_admin_ask(r, &ask_it, document);
    while (rc == -EAGAIN && !r->gone) {
        struct pm_admin_says says = {.end = 0};
        struct msg m;

        while ((rc = msg_recv(c, &m, &e)) == 0 && !says.end)
            memcpy(&says, m.body.p, sizeof(says));
        if (says.end)
            break;
        if (clock_mono() > until)
            fail_msg("the administrator is not answered");
        if (r->reader == NULL)
            rig_new_reader(r);
        rig_turn(r, 5);
    }
    msg_close(c);
}

static void talk(struct keeper_rig *r, struct one *x, struct one *old)
{
    const struct pm_file file = {"checkpoint"};
    const struct pm_doc doc = {PROTO_DOC_POLICY, 0};

    if (open_one(r, x) && put(r, x)) {
        trace(r, x, FK_TRACE, 5);
        trace(r, x, FK_RECEIPT, 0);
    }
    (void)granted(ask(r, FK_FILE, &file, sizeof(file)), FK_FILE_IS);
    (void)granted(ask(r, FK_DOC, &doc, sizeof(doc)), FK_FILE_IS);
    (void)granted(ask(r, FK_STATE, NULL, 0), FK_STATE_IS);
    if (old != NULL)
        (void)order(r, old);
    administrate(r, ADMIN_STATUS, NULL);
    administrate(r, ADMIN_PUBLISH, "a policy that the reader refuses");
}

/* --- afterwards --- */

static void again(struct keeper_rig *r)
{
    int code = rig_ended(r);

    if (code >= 1000)
        fail_msg("the keeper died of signal %d", code - 1000);
    deaths++;
    rig_start(r);
}

/* Until it is done: whoever is refused tries again, and whoever finds nobody comes again. */
static void insist(struct keeper_rig *r, struct one *x,
                   bool (*what)(struct keeper_rig *, struct one *))
{
    mono_ms until = clock_mono() + RIG_SOON;

    while (!what(r, x)) {
        if (clock_mono() > until)
            fail_msg("it does not succeed any more: %s", last);
        if (r->gone)
            again(r);
        rig_turn(r, 10);
    }
}

static bool submit(struct keeper_rig *r, struct one *x)
{
    return open_one(r, x) && put(r, x);
}

static bool settled(struct keeper_rig *r, struct one *x)
{
    (void)x;
    return !r->gone &&
           rig_metric(r, "site_ledger_published") == rig_metric(r, "site_ledger_size") &&
           rig_metric(r, "site_writer_stopped") == 0;
}

static void check(struct keeper_rig *r, struct one *x)
{
    if (x->is == HERE)
        rig_is_here(r, &x->s, content, SIZE);
    else if (x->is == GONE && (rig_state(r, &x->s) & SUB_ERASED) == 0)
        fail_msg("it was erased, and is back");
}

static bool once(struct keeper_rig *r, const struct torture *t, unsigned long k)
{
    struct one *x = &one[ones], *old = ones > 0 ? &one[ones - 1] : NULL;
    bool failed;

    assert_true(ones < SUBS);
    x->is = OPEN_;
    rig_sub_new(r, &x->s, "CH");
    ones++;
    calls_fail(k, t->mask, t->err, t->times);
    talk(r, x, old);
    failed = calls_failed();
    calls_fail(0, 0, 0, 0);
    if (r->gone || r->pid == 0)
        again(r);
    if (x->is == OPEN_)
        insist(r, x, submit);
    if (old != NULL && old->is != GONE)
        insist(r, old, order);
    insist(r, x, settled);
    check(r, x);
    if (old != NULL)
        check(r, old);
    return failed;
}

static void torment(struct keeper_rig *r, const struct torture *t)
{
    unsigned step = getenv("SOAK_ROUNDS") != NULL ? t->soak_step : t->step;
    unsigned long runs = 0;
    char text[1024];
    size_t here = 0;

    r->read = read_no;
    deaths = refusals = 0;
    (void)once(r, t, 0); /* the first of all is like those after it */
    for (at = 1 + step / 3; once(r, t, at); at += step)
        runs++;
    print_message(
        "%s: %lu of about %lu calls failed in turn, %lu requests refused, the keeper ended "
        "%lu times\n",
        t->name, runs, at, refusals, deaths);
    assert_true(at > 20);
    at = 0;
    rig_kill(r);
    rig_start(r);
    for (size_t i = ones > 200 ? ones - 200 : 0; i < ones; i++)
        check(r, &one[i]);
    for (size_t i = 0; i < ones; i++) {
        here += one[i].is == HERE;
        rig_sub_done(&one[i].s);
    }
    assert_int_equal(rig_admin(r, ADMIN_SCRUB, 0, NULL, text), 0);
    if (strtoul(text, NULL, 10) != here)
        fail_msg("%zu files were acknowledged, the vault says: %s", here, text);
}

static void no_memory_once(void **state)
{
    const struct torture t = {"memory", 1U << CALL_MEMORY, ENOMEM, 1, 61, 1};

    torment(*state, &t);
}

static void a_message_is_not_sent(void **state)
{
    const struct torture t = {"send", 1U << CALL_SEND, ENOBUFS, 1, 3, 1};

    torment(*state, &t);
}

static void a_channel_is_full_for_a_while(void **state)
{
    const struct torture t = {"send later", 1U << CALL_SEND, EAGAIN, 3, 3, 1};

    torment(*state, &t);
}

static void a_message_is_not_received(void **state)
{
    const struct torture t = {"receive", 1U << CALL_RECEIVE, ENOMEM, 1, 7, 1};

    torment(*state, &t);
}

/* It serves, or ends in order with a sentence; and then it starts. */
static bool start_once(struct keeper_rig *r, const struct torture *t, unsigned long k)
{
    mono_ms until = clock_mono() + RIG_SOON;
    bool failed;

    rig_kill(r);
    calls_fail(k, t->mask, t->err, t->times);
    rig_spawn(r);
    while (!r->ready && !r->gone) {
        if (clock_mono() > until)
            fail_msg("it neither serves nor ends");
        rig_turn(r, 20);
    }
    failed = calls_failed();
    calls_fail(0, 0, 0, 0);
    if (r->gone)
        again(r);
    insist(r, &one[0], settled);
    rig_is_here(r, &one[0].s, content, SIZE);
    return failed;
}

static void memory_lacks_at_the_start(void **state)
{
    const struct torture t = {"start", 1U << CALL_MEMORY, ENOMEM, 1, 37, 1};
    unsigned step = getenv("SOAK_ROUNDS") != NULL ? t.soak_step : t.step;
    struct keeper_rig *r = *state;
    unsigned long runs = 0;

    deaths = refusals = 0;
    (void)once(r, &t, 0);
    for (at = 1; start_once(r, &t, at); at += step)
        runs++;
    print_message("%s: %lu of about %lu calls failed in turn, the keeper ended %lu times\n", t.name,
                  runs, at, deaths);
    assert_true(at > 100);
    at = 0;
    rig_sub_done(&one[0].s);
}

/* --- set up --- */

static void in_child(void)
{
    calls_aside(false);
}

static int set_up(void **state)
{
    calls_share();
    ones = 0;
    return keeper_rig_up(state);
}

/* The end of what the keeper said. */
static void tell_log(const struct keeper_rig *r)
{
    struct buf b;
    size_t from;

    buf_init(&b, 16 << 20);
    if (io_read_file(AT_FDCWD, r->log, &b) == 0) {
        from = b.len > 1500 ? b.len - 1500 : 0;
        (void)fwrite(b.data + from, 1, b.len - from, stderr);
    }
    buf_free(&b);
}

static int tear_down(void **state)
{
    if (at != 0) {
        print_error("the %lu-th call failed\n", at);
        tell_log(*state);
    }
    at = 0;
    calls_fail(0, 0, 0, 0);
    return keeper_rig_down(state);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(no_memory_once),
        T(a_message_is_not_sent),
        T(a_channel_is_full_for_a_while),
        T(a_message_is_not_received),
        T(memory_lacks_at_the_start),
    };

    memory_of_sqlite();
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * i >> 7);
    calls_aside(true);
    keeper_rig_in_child = in_child;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
