/* keeper_rig_asks.c - what the front and administrators ask, and what must come back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "events/receipt_extra.h"
#include "keeper_rig.h"
#include "ledger/tlog_proof.h"

/* --- the front --- */

uint64_t rig_id(struct keeper_rig *r)
{
    return ++r->next_id;
}

void rig_say(struct keeper_rig *r, uint16_t type, uint64_t id, const void *p, size_t n)
{
    assert_int_equal(msg_send_wait(r->front, type, id, span_of(p, n), NULL, RIG_SOON), 0);
}

const struct rig_heard *rig_hear(struct keeper_rig *r, uint64_t id)
{
    mono_ms until = clock_mono() + RIG_SOON;

    for (;;) {
        for (size_t i = 0; i < r->n_heard; i++) {
            if (r->heard[i].id != id)
                continue;
            buf_free(&r->last.body);
            io_close(&r->last.fd);
            r->last = r->heard[i];
            memmove(&r->heard[i], &r->heard[i + 1], (r->n_heard - i - 1) * sizeof(r->heard[0]));
            r->n_heard--;
            return &r->last;
        }
        if (r->gone)
            fail_msg("the keeper is gone");
        if (clock_mono() > until)
            fail_msg("no answer to %llu", (unsigned long long)id);
        rig_turn(r, 100);
    }
}

const void *rig_answer(struct keeper_rig *r, uint64_t id, uint16_t type, size_t least)
{
    const struct rig_heard *h = rig_hear(r, id);

    if (h->type == FK_REFUSED && type != FK_REFUSED) {
        struct pm_refused no;

        memcpy(&no, h->body.data, sizeof(no));
        fail_msg("refused: %s: %s", proto_refusal_word((enum proto_refusal)no.refusal), no.text);
    }
    if (h->type != type)
        fail_msg("answered by a message of type %u, not %u", h->type, type);
    assert_true(h->body.len >= least);
    return h->body.data;
}

void rig_refused_(struct keeper_rig *r, uint64_t id, enum proto_refusal why, const char *where)
{
    struct pm_refused no;

    memcpy(&no, rig_answer(r, id, FK_REFUSED, sizeof(no)), sizeof(no));
    if (no.refusal != (uint32_t)why)
        fail_msg("refused with %s (%s), not %s", proto_refusal_word((enum proto_refusal)no.refusal),
                 no.text, where);
    assert_true(memchr(no.text, '\0', sizeof(no.text)) != NULL && no.text[0] != '\0');
}

uint64_t rig_metric(struct keeper_rig *r, const char *name)
{
    uint64_t id = rig_id(r), v;
    const struct rig_heard *h;
    char line[96], text[PROTO_TAIL_MAX + 1];
    const char *at;
    size_t n;

    rig_say(r, FK_STATE, id, NULL, 0);
    h = rig_hear(r, id);
    assert_int_equal(h->type, FK_STATE_IS);
    n = h->body.len - sizeof(struct pm_state_is);
    memcpy(text, h->body.data + sizeof(struct pm_state_is), n);
    text[n] = '\0';
    (void)snprintf(line, sizeof(line), "\n%s ", name);
    at = strstr(text, line);
    if (at == NULL)
        fail_msg("no metric \"%s\"", name);
    v = strtoull(at + strlen(line), NULL, 10);
    return v;
}

void rig_settle(struct keeper_rig *r)
{
    rig_until(r, rig_metric(r, "site_ledger_published") == rig_metric(r, "site_ledger_size"));
}

/* --- submissions --- */

void rig_sub_sign(struct rig_sub *s)
{
    struct submitter_act a = {.sub = s->open.sub,
                              .kind = (enum intake_scope)s->open.kind,
                              .scope = (enum intake_scope)s->open.scope,
                              .statement = s->open.statement};
    struct ed25519_sig sig;

    memcpy(a.country, s->open.country, 3);
    assert_int_equal(submitter_sign_submit(s->key, &a, &sig), 0);
    memcpy(s->open.sub_sig, sig.b, sizeof(s->open.sub_sig));
}

void rig_sub_new(struct keeper_rig *r, struct rig_sub *s, const char *country)
{
    struct ed25519_pub pub;

    memset(s, 0, sizeof(*s));
    s->sub = random_id();
    assert_int_equal(submitter_key(&s->key, r->secret, &s->sub), 0);
    ed25519_public(s->key, &pub);
    sha256_of(RIG_TOKEN, strlen(RIG_TOKEN), &s->open.token);
    s->open.sub = s->sub;
    memcpy(s->open.sub_key, pub.b, 32);
    s->open.statement = r->statement;
    s->open.has_statement = 1;
    memcpy(s->open.country, country, 3);
    s->open.kind = s->open.scope = SCOPE_FILE;
    rig_sub_sign(s);
}

void rig_sub_done(struct rig_sub *s)
{
    ed25519_free(s->key);
    s->key = NULL;
}

void rig_open_sub(struct keeper_rig *r, struct rig_sub *s)
{
    uint64_t id = rig_id(r);
    struct pm_opened m;

    rig_say(r, FK_OPEN, id, &s->open, sizeof(s->open));
    memcpy(&m, rig_answer(r, id, FK_OPENED, sizeof(m)), sizeof(m));
    s->ticket = m.ticket;
}

static uint64_t begin(struct keeper_rig *r, const struct rig_sub *s)
{
    struct pm_put_begin m = {.sub = s->sub, .ticket = s->ticket, .length = UINT64_MAX};
    uint64_t id = rig_id(r);

    rig_say(r, FK_PUT_BEGIN, id, &m, sizeof(m));
    return id;
}

uint64_t rig_begin(struct keeper_rig *r, const struct rig_sub *s)
{
    uint64_t id = begin(r, s);

    (void)rig_answer(r, id, FK_PUT_GO, 0);
    return id;
}

void rig_data(struct keeper_rig *r, uint64_t id, const void *p, size_t n)
{
    struct pm_put_data m = {0, (uint32_t)n};
    const struct pm_slot_free *back;

    assert_true(n <= PROTO_SLOT_BYTES);
    assert_int_equal(ring_claim(r->ring, &m.slot), 0);
    if (n > 0)
        memcpy(ring_slot(r->ring, m.slot), p, n);
    rig_say(r, FK_PUT_DATA, id, &m, sizeof(m));
    back = rig_answer(r, id, FK_SLOT_FREE, sizeof(*back));
    assert_int_equal(back->slot, m.slot);
    assert_int_equal(ring_free_slot(r->ring, m.slot), 0);
}

static void check_receipt(struct keeper_rig *r, struct span text, const struct rig_sub *s,
                          const void *p, size_t n, bool final)
{
    struct tlog_policy *policy;
    struct tlog_verdict v;
    struct receipt_extra x;
    struct core_proof proof;
    struct err e = ERR_INIT;
    struct digest leaf, sha;
    struct id128 sub;
    struct leaf l;
    struct buf extra;
    char hex[65];

    memset(&x, 0, sizeof(x));
    buf_init(&extra, RECEIPT_EXTRA_MAX);
    rig_ok(tlog_policy_parse(&policy, span_str(r->policy), &e), &e);
    rig_ok(tlog_proof_parse(&proof, text, &e), &e);
    rig_ok(tlog_proof_extra(&extra, &proof, &e), &e);
    rig_ok(receipt_extra_decode(&x, buf_span(&extra), &e), &e);
    sha256_leaf(x.leaf.p, x.leaf.n, &leaf);
    rig_ok(tlog_proof_verify(&v, &proof, policy, &leaf, &e), &e);
    assert_int_equal(v.quorum, final);
    assert_int_equal(leaf_parse(&l, x.leaf), 0);
    assert_int_equal(l.kind, LK_SUBMISSION_ACCEPTED);
    sub = leaf_id(&l, LF_SUB);
    assert_memory_equal(&sub, &s->sub, sizeof(sub));
    sha256_of(p, n, &sha);
    text_digest(hex, &sha);
    assert_true(span_is(receipt_extra_find(&x, LF_SEALED_SHA256)->value, hex));
    receipt_extra_free(&x);
    buf_free(&extra);
    tlog_policy_free(policy);
}

static bool check_done(struct keeper_rig *r, const struct rig_heard *h, const struct rig_sub *s,
                       const void *p, size_t n, bool repeat)
{
    struct pm_receipt m;

    assert_int_equal(h->type, FK_PUT_DONE);
    memcpy(&m, h->body.data, sizeof(m));
    assert_int_equal(m.repeat, repeat);
    check_receipt(r, span_of(h->body.data + sizeof(m), h->body.len - sizeof(m)), s, p, n,
                  m.final != 0);
    return m.final != 0;
}

bool rig_receipt(struct keeper_rig *r, uint64_t id, const struct rig_sub *s, const void *p,
                 size_t n, bool repeat)
{
    (void)rig_answer(r, id, FK_PUT_DONE, sizeof(struct pm_receipt));
    return check_done(r, &r->last, s, p, n, repeat);
}

void rig_submit(struct keeper_rig *r, struct rig_sub *s, const void *p, size_t n)
{
    uint64_t id;

    rig_open_sub(r, s);
    id = rig_begin(r, s);
    rig_data(r, id, p, n);
    rig_say(r, FK_PUT_END, id, NULL, 0);
    (void)rig_receipt(r, id, s, p, n, false);
}

/* Just after a start nothing is signed yet that was not published: "busy" until it is. */
void rig_is_here(struct keeper_rig *r, struct rig_sub *s, const void *p, size_t n)
{
    mono_ms until = clock_mono() + RIG_SOON;

    for (;;) {
        const struct rig_heard *h;
        struct pm_refused no;
        uint64_t id;

        rig_open_sub(r, s);
        h = rig_hear(r, id = begin(r, s));
        if (h->type != FK_REFUSED) {
            (void)check_done(r, h, s, p, n, true);
            return;
        }
        memcpy(&no, h->body.data, sizeof(no));
        if (no.refusal != PRF_BUSY || clock_mono() > until)
            fail_msg("it is not here: %s", no.text);
        rig_turn(r, 20);
    }
}

uint32_t rig_state(struct keeper_rig *r, const struct rig_sub *s)
{
    struct pm_trace m = {.sub = s->sub, .time = clock_now()};
    uint64_t id = rig_id(r);
    struct ed25519_sig sig;
    struct pm_traced t;

    assert_int_equal(submitter_sign_trace(s->key, &s->sub, m.time, &sig), 0);
    memcpy(m.sig, sig.b, sizeof(m.sig));
    rig_say(r, FK_TRACE, id, &m, sizeof(m));
    memcpy(&t, rig_answer(r, id, FK_TRACED, sizeof(t)), sizeof(t));
    return t.state;
}

/* --- the administrator --- */

struct msg_chan *rig_admin_ask(struct keeper_rig *r, const struct pm_admin *ask,
                               const char *document)
{
    struct err e = ERR_INIT;
    struct msg_chan *c;
    int end[2], fd = -1;

    /* the supervisor accepts, looks at the peer, and hands the connection over */
    rig_ok(msg_pair(end, &e), &e);
    rig_ok(msg_send_wait(r->control, PX_ADMIN, 0, span_of(NULL, 0), &end[1], RIG_SOON), &e);
    io_close(&end[1]);
    rig_ok(msg_open(&c, end[0], &proto_admin, MSG_A, &e), &e);
    if (document != NULL) {
        fd = memfd_create("document", MFD_CLOEXEC);
        rig_ok(io_write_all(fd, document, strlen(document)), &e);
    }
    rig_ok(msg_send_wait(c, fd < 0 ? PA_ASK : PA_ASK_FILE, 1, span_of(ask, sizeof(*ask)),
                         fd < 0 ? NULL : &fd, RIG_SOON),
           &e);
    io_close(&fd);
    return c;
}

int rig_admin_hear(struct keeper_rig *r, struct msg_chan *c, char text[1024])
{
    mono_ms until = clock_mono() + RIG_SOON;
    struct pm_admin_says says;
    struct err e = ERR_INIT;
    struct msg m;
    int rc;

    for (;;) {
        while ((rc = msg_recv(c, &m, &e)) == 0) {
            memcpy(&says, m.body.p, sizeof(says));
            if (!says.end)
                continue;
            memcpy(text, says.text, sizeof(says.text));
            msg_close(c);
            return says.rc;
        }
        if (rc != -EAGAIN || clock_mono() > until)
            fail_msg("the administrator is not answered: %s", strerror(-rc));
        rig_turn(r, 5);
    }
}

int rig_admin_request(struct keeper_rig *r, const struct pm_admin *ask, const char *document,
                      char text[1024])
{
    return rig_admin_hear(r, rig_admin_ask(r, ask, document), text);
}

int rig_admin(struct keeper_rig *r, uint32_t what, uint32_t kind, const char *document,
              char text[1024])
{
    struct pm_admin ask = {.what = what, .document = kind};

    return rig_admin_request(r, &ask, document, text);
}

/* --- documents --- */

/* zone 0: CA and CH are here, FR is at mow1; else all are at mow1. */
static void policy_record(struct keeper_rig *r, unsigned serial, unix_time from, uint8_t zone)
{
    const struct placement_step steps[] = {
        {{'C', 'A'}, zone, 0, 0}, {{'C', 'H'}, zone, 0, 0}, {{'F', 'R'}, 1, 0, 0}};
    struct read_policy p = {.has_previous = serial > 1, .previous = r->policy_doc};
    struct err e = ERR_INIT;

    rig_ok(placement_new(&p.placement), &e);
    p.placement->serial = serial;
    p.placement->valid_from = from;
    rig_ok(placement_add_zone(p.placement, "CH"), &e);
    rig_ok(placement_add_zone(p.placement, "RU"), &e);
    rig_ok(placement_add_site(p.placement, "zrh1", 0), &e);
    rig_ok(placement_add_site(p.placement, "mow1", 1), &e);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        rig_ok(placement_add_step(p.placement, &steps[i]), &e);
    buf_reset(&r->record);
    rig_ok(read_policy_encode(&p, &r->record), &e);
    placement_free(p.placement);
}

static void statement_record(struct keeper_rig *r, unsigned scopes)
{
    const struct read_statement s = {scopes, 30, 365, "en"};
    struct err e = ERR_INIT;

    buf_reset(&r->record);
    rig_ok(read_statement_encode(&s, &r->record), &e);
}

static void publish(struct keeper_rig *r, uint32_t kind, const char *text, struct digest *doc)
{
    char said[1024];

    sha256_of(text, strlen(text), doc);
    if (rig_admin(r, ADMIN_PUBLISH, kind, text, said) != 0)
        fail_msg("not published: %s", said);
}

void rig_publish_policy(struct keeper_rig *r, unsigned serial, unix_time from, uint8_t zone)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "policy %u", serial);
    policy_record(r, serial, from, zone);
    publish(r, READ_POLICY, text, &r->policy_doc);
}

void rig_publish(struct keeper_rig *r)
{
    rig_publish_policy(r, 1, clock_now() - 10, 0);
    statement_record(r, 1u << SCOPE_LOOKUP);
    publish(r, READ_STATEMENT, "we look up", &r->statement_lookup);
    statement_record(r, 1u << SCOPE_FILE);
    publish(r, READ_STATEMENT, "we keep files", &r->statement);
}
