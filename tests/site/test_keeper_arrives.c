/* A country arrives at this site: a proof that does not hold never takes a file in, and a set is
 * taken as a whole or not. */
#include "keeper_rig_moves.h"

#include "events/receipt_extra.h"
#include "events/setroot.h"
#include "ledger/tlog_proof.h"
#include "site/move_stream.h"

#define T(f) cmocka_unit_test_setup_teardown(f, keeper_rig_up, keeper_rig_down)

struct arrival {
    struct story t;
    struct digest salt;
    struct rig_sub s[FILES];
    struct digest sha[FILES];
    struct buf leaf;
};

static void prepare_arrival(struct keeper_rig *r, struct arrival *a, size_t n)
{
    struct digest item[FILES];
    const struct story t = {LK_MOVE_OPENED, "mow1", "mow1", "zrh1", "CA", random_id(), n, {{0}}};

    memset(a, 0, sizeof(*a));
    a->t = t;
    random_bytes(a->salt.b, 32);
    for (size_t i = 0; i < FILES; i++) {
        rig_sub_new(r, &a->s[i], "CA");
        sha256_of(content[i], strlen(content[i]), &a->sha[i]);
        setroot_move_item(a->salt.b, &a->s[i].sub, &a->sha[i], &item[i]);
    }
    rig_ok(setroot_items(item, n, &a->t.root), NULL);
    leaf_of(&a->t, &a->leaf);
}

static void arrival_done(struct arrival *a)
{
    for (size_t i = 0; i < FILES; i++)
        rig_sub_done(&a->s[i]);
    buf_free(&a->leaf);
}

static uint64_t say_open(struct keeper_rig *r, const struct arrival *a, struct span proof,
                         const struct digest *salt)
{
    struct pm_move m = {
        .move = a->t.move, .proof_len = (uint32_t)proof.n, .sealed_len = 32 + BOX_EXTRA};
    uint8_t ctx[12 + 16], box[32 + BOX_EXTRA];
    uint64_t id = rig_id(r);
    struct buf b;

    memcpy(ctx, "move-open/v1", 12);
    memcpy(ctx + 12, m.move.b, 16);
    rig_ok(box_seal(r->move_pub, span_of(ctx, sizeof(ctx)), salt->b, 32, box), NULL);
    buf_init(&b, MSG_BODY_MAX);
    rig_ok(buf_put(&b, &m, sizeof(m)), NULL);
    rig_ok(buf_put(&b, proof.p, proof.n), NULL);
    rig_ok(buf_put(&b, box, sizeof(box)), NULL);
    rig_say(r, FK_MOVE_OPEN, id, b.data, b.len);
    buf_free(&b);
    return id;
}

static void open_truly(struct keeper_rig *r, const struct arrival *a)
{
    struct buf proof;

    buf_init(&proof, PROTO_TAIL_MAX);
    rig_proof(buf_span(&a->leaf), &r->peer_signer, &r->w_signer, &proof);
    (void)rig_answer(r, say_open(r, a, buf_span(&proof), &a->salt), FK_MOVE_GO, 0);
    buf_free(&proof);
}

static struct move_meta meta_of(const struct arrival *a, size_t i)
{
    struct move_meta m;

    memset(&m, 0, sizeof(m));
    memcpy(m.sub_key, a->s[i].open.sub_key, 32);
    m.sha256 = a->sha[i];
    m.statement = a->s[i].open.statement;
    m.size = strlen(content[i]);
    m.accepted = clock_now() - 1000;
    memcpy(m.country, "CA", 3);
    memcpy(m.account, "all", 4);
    return m;
}

static uint64_t say_begin(struct keeper_rig *r, const struct id128 *move, const struct id128 *sub)
{
    struct pm_put_begin m = {.sub = *sub, .ticket = *move, .length = UINT64_MAX, .move = 1};
    uint64_t id = rig_id(r);

    rig_say(r, FK_PUT_BEGIN, id, &m, sizeof(m));
    return id;
}

/* The sealed stream of one file as meta tells it; cut: so many bytes of its end are missing. */
static void send_bytes(struct keeper_rig *r, const struct arrival *a, size_t i,
                       const struct move_meta *meta, const struct id128 *sealed_for, size_t cut,
                       uint64_t id)
{
    struct move_sender *s;
    struct buf out;

    buf_init(&out, 1 << 20);
    rig_ok(move_sender_new(&s, r->move_pub, &a->t.move, sealed_for, &a->salt, meta, &out), NULL);
    rig_ok(move_sender_chunk(s, (const uint8_t *)content[i], strlen(content[i]), true, &out), NULL);
    move_sender_free(s);
    rig_data(r, id, out.data, out.len - cut);
    rig_say(r, FK_PUT_END, id, NULL, 0);
    buf_free(&out);
}

static uint64_t send_object(struct keeper_rig *r, const struct arrival *a, size_t i,
                            const struct move_meta *meta, const struct id128 *sealed_for,
                            size_t cut)
{
    uint64_t id = say_begin(r, &a->t.move, &a->s[i].sub);

    (void)rig_answer(r, id, FK_PUT_GO, 0);
    send_bytes(r, a, i, meta, sealed_for, cut, id);
    return id;
}

static void send_truly(struct keeper_rig *r, const struct arrival *a, size_t i)
{
    struct move_meta m = meta_of(a, i);

    (void)rig_answer(r, send_object(r, a, i, &m, &a->s[i].sub, 0), FK_PUT_DONE,
                     sizeof(struct pm_receipt));
}

static uint64_t say_close(struct keeper_rig *r, const struct arrival *a)
{
    struct pm_move m = {.move = a->t.move};
    uint64_t id = rig_id(r);

    rig_say(r, FK_MOVE_CLOSE, id, &m, sizeof(m));
    return id;
}

/* A final receipt of move.received, of this move and this set. */
static void is_received(struct keeper_rig *r, const struct arrival *a, struct span text)
{
    struct tlog_policy *policy;
    struct tlog_verdict v;
    struct receipt_extra x;
    struct core_proof proof;
    struct digest hash, root;
    struct id128 move;
    struct leaf l;
    struct buf extra;

    memset(&x, 0, sizeof(x));
    buf_init(&extra, RECEIPT_EXTRA_MAX);
    rig_ok(tlog_policy_parse(&policy, span_str(r->policy), NULL), NULL);
    rig_ok(tlog_proof_parse(&proof, text, NULL), NULL);
    rig_ok(tlog_proof_extra(&extra, &proof, NULL), NULL);
    rig_ok(receipt_extra_decode(&x, buf_span(&extra), NULL), NULL);
    sha256_leaf(x.leaf.p, x.leaf.n, &hash);
    rig_ok(tlog_proof_verify(&v, &proof, policy, &hash, NULL), NULL);
    assert_true(v.quorum);
    assert_int_equal(leaf_parse(&l, x.leaf), 0);
    assert_int_equal(l.kind, LK_MOVE_RECEIVED);
    move = leaf_id(&l, LF_MOVE);
    root = leaf_digest(&l, LF_SET_ROOT);
    assert_memory_equal(&move, &a->t.move, sizeof(move));
    assert_memory_equal(&root, &a->t.root, sizeof(root));
    assert_int_equal(leaf_int(&l, LF_COUNT), a->t.count);
    receipt_extra_free(&x);
    buf_free(&extra);
    tlog_policy_free(policy);
}

/* Closed and answered with a final receipt of move.received; so are later questions. */
static void close_truly(struct keeper_rig *r, const struct arrival *a)
{
    for (int again = 0; again < 2; again++) {
        struct pm_receipt m;

        memcpy(&m, rig_answer(r, say_close(r, a), FK_RECEIPT_IS, sizeof(m)), sizeof(m));
        assert_int_equal(m.final, 1);
        is_received(r, a, span_of(r->last.body.data + sizeof(m), r->last.body.len - sizeof(m)));
    }
    for (size_t i = 0; i < a->t.count; i++)
        assert_int_equal(rig_state(r, &a->s[i]) & SUB_ACCEPTED, SUB_ACCEPTED);
}

static void a_proof_that_does_not_hold_never_takes_files_in(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t size = rig_metric(r, "site_ledger_size");
    struct arrival a;

    prepare_arrival(r, &a, FILES);
    r->arg = &a.leaf;
    r->read = read_lies;
    for (enum lie lie = 0; lie < LIES; lie++) {
        struct buf proof;

        lying_proof(r, lie, buf_span(&a.leaf), &proof);
        rig_refused(r, say_open(r, &a, buf_span(&proof), &a.salt), PRF_PROOF);
        rig_refused(r, say_begin(r, &a.t.move, &a.s[0].sub), PRF_UNKNOWN);
        rig_refused(r, say_close(r, &a), PRF_UNKNOWN);
        buf_free(&proof);
    }
    assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    r->read = rig_read_honest;
    open_truly(r, &a);
    for (size_t i = 0; i < FILES; i++)
        send_truly(r, &a, i);
    close_truly(r, &a);
    here_are(r, FILES);
    /* copy.placed for each, move.received */
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + FILES + 1);
    arrival_done(&a);
}

static void a_true_proof_of_something_else_never_takes_files_in(void **state)
{
    static const struct {
        const char *what;
        struct story t;
    } row[] = {
        {"received, not opened", {LK_MOVE_RECEIVED, "mow1", "mow1", "zrh1", "CA", {{0}}, 3, {{1}}}},
        {"to another site", {LK_MOVE_OPENED, "mow1", "mow1", "fra1", "CA", {{0}}, 3, {{1}}}},
        {"from another site", {LK_MOVE_OPENED, "mow1", "fra1", "zrh1", "CA", {{0}}, 3, {{1}}}},
        {"a country of another zone",
         {LK_MOVE_OPENED, "mow1", "mow1", "zrh1", "FR", {{0}}, 3, {{1}}}},
        {"a country nobody knows", {LK_MOVE_OPENED, "mow1", "mow1", "zrh1", "DE", {{0}}, 3, {{1}}}},
        {"too many files", {LK_MOVE_OPENED, "mow1", "mow1", "zrh1", "CA", {{0}}, 1u << 20, {{1}}}},
        {"another move", {LK_MOVE_OPENED, "mow1", "mow1", "zrh1", "CA", {{5}}, 3, {{1}}}},
    };
    struct keeper_rig *r = *state;
    struct arrival a;

    prepare_arrival(r, &a, FILES);
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct story t = row[i].t;
        struct buf leaf, proof;

        if (t.move.b[0] == 0)
            t.move = a.t.move;
        buf_init(&proof, PROTO_TAIL_MAX);
        leaf_of(&t, &leaf);
        rig_proof(buf_span(&leaf), &r->peer_signer, &r->w_signer, &proof);
        rig_refused_(r, say_open(r, &a, buf_span(&proof), &a.salt), PRF_PROOF, row[i].what);
        rig_refused(r, say_close(r, &a), PRF_UNKNOWN);
        buf_free(&leaf);
        buf_free(&proof);
    }
    arrival_done(&a);
}

static void openings_that_are_cut_or_sealed_for_others_are_refused(void **state)
{
    struct keeper_rig *r = *state;
    struct arrival a;
    struct pm_move m;
    struct buf b, proof;
    uint64_t id;

    prepare_arrival(r, &a, FILES);
    buf_init(&b, MSG_BODY_MAX);
    buf_init(&proof, PROTO_TAIL_MAX);
    rig_proof(buf_span(&a.leaf), &r->peer_signer, &r->w_signer, &proof);
    const struct {
        uint32_t proof_len, sealed_len;
        size_t tail;
        enum proto_refusal why;
    } row[] = {
        {0, 0, 0, PRF_PROOF},
        {UINT32_MAX, 0, 0, PRF_MALFORMED},
        {1, UINT32_MAX, 10, PRF_MALFORMED},
        {UINT32_MAX, 2, 10, PRF_MALFORMED},
        {4, 4, 10, PRF_MALFORMED},
        {(uint32_t)proof.len, 0, proof.len, PRF_PROOF},
        {(uint32_t)proof.len, 32 + BOX_EXTRA, proof.len + 32 + BOX_EXTRA, PRF_PROOF},
    };
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        memset(&m, 0, sizeof(m));
        m.move = a.t.move;
        m.proof_len = row[i].proof_len;
        m.sealed_len = row[i].sealed_len;
        buf_reset(&b);
        rig_ok(buf_put(&b, &m, sizeof(m)), NULL);
        rig_ok(buf_put(&b, proof.data, row[i].tail < proof.len ? row[i].tail : proof.len), NULL);
        while (b.len < sizeof(m) + row[i].tail)
            rig_ok(buf_putc(&b, 'x'), NULL);
        rig_say(r, FK_MOVE_OPEN, id = rig_id(r), b.data, b.len);
        rig_refused(r, id, row[i].why);
    }
    buf_free(&b);
    buf_free(&proof);
    arrival_done(&a);
}

static void files_that_are_not_those_announced_are_not_taken(void **state)
{
    struct keeper_rig *r = *state;
    struct move_meta m;
    struct arrival a;

    prepare_arrival(r, &a, FILES);
    open_truly(r, &a);
    m = meta_of(&a, 0);
    m.sha256.b[0] ^= 1;
    rig_refused(r, send_object(r, &a, 0, &m, &a.s[0].sub, 0), PRF_PROOF);
    m = meta_of(&a, 0);
    m.size++;
    rig_refused(r, send_object(r, &a, 0, &m, &a.s[0].sub, 0), PRF_PROOF);
    m = meta_of(&a, 0);
    memcpy(m.country, "CH", 3);
    rig_refused(r, send_object(r, &a, 0, &m, &a.s[0].sub, 0), PRF_PROOF);
    m = meta_of(&a, 0);
    rig_refused(r, send_object(r, &a, 0, &m, &a.s[0].sub, 1), PRF_PROOF);
    rig_refused(r, send_object(r, &a, 0, &m, &a.s[0].sub, 40), PRF_PROOF);
    rig_refused(r, say_close(r, &a), PRF_UNKNOWN); /* none is here, and the move goes on */
    for (size_t i = 0; i < FILES; i++)
        send_truly(r, &a, i);
    { /* once more: it is here, and the set stays as it is */
        struct pm_receipt done;

        memcpy(&done,
               rig_answer(r, say_begin(r, &a.t.move, &a.s[1].sub), FK_PUT_DONE, sizeof(done)),
               sizeof(done));
        assert_int_equal(done.repeat, 1);
    }
    close_truly(r, &a);
    here_are(r, FILES);
    arrival_done(&a);
}

static void a_file_sent_twice_at_once_counts_once(void **state)
{
    struct keeper_rig *r = *state;
    struct move_meta m;
    struct arrival a;
    uint64_t id[2];

    prepare_arrival(r, &a, FILES);
    open_truly(r, &a);
    m = meta_of(&a, 0);
    for (int k = 0; k < 2; k++) {
        id[k] = say_begin(r, &a.t.move, &a.s[0].sub);
        (void)rig_answer(r, id[k], FK_PUT_GO, 0);
    }
    for (int k = 0; k < 2; k++)
        send_bytes(r, &a, 0, &m, &a.s[0].sub, 0, id[k]);
    for (int k = 0; k < 2; k++) {
        struct pm_receipt done;

        memcpy(&done, rig_answer(r, id[k], FK_PUT_DONE, sizeof(done)), sizeof(done));
        assert_int_equal(done.repeat, k);
    }
    send_truly(r, &a, 1);
    send_truly(r, &a, 2);
    close_truly(r, &a);
    here_are(r, FILES);
    arrival_done(&a);
}

static void a_set_with_a_wrong_file_in_it_is_taken_as_a_whole_or_not(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t size;
    struct move_meta m;
    struct arrival a;

    prepare_arrival(r, &a, FILES);
    open_truly(r, &a);
    send_truly(r, &a, 0);
    send_truly(r, &a, 1);
    { /* a sender that sends what it did not announce; the root tells */
        struct rig_sub theirs = a.s[2];

        a.s[2].sub = random_id();
        m = meta_of(&a, 2);
        (void)rig_answer(r, send_object(r, &a, 2, &m, &a.s[2].sub, 0), FK_PUT_DONE,
                         sizeof(struct pm_receipt));
        a.s[2] = theirs;
    }
    size = rig_metric(r, "site_ledger_size");
    rig_refused(r, say_close(r, &a), PRF_PROOF);
    rig_refused(r, say_close(r, &a), PRF_UNKNOWN);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    here_are(r, 0);
    open_truly(r, &a); /* the sender begins anew */
    for (size_t i = 0; i < FILES; i++)
        send_truly(r, &a, i);
    close_truly(r, &a);
    here_are(r, FILES);
    arrival_done(&a);
}

static void a_stranger_who_knows_the_move_cannot_throw_away_what_has_arrived(void **state)
{
    struct keeper_rig *r = *state;
    struct digest other;
    struct buf proof, bad;
    struct arrival a;

    prepare_arrival(r, &a, FILES);
    open_truly(r, &a);
    send_truly(r, &a, 0);
    random_bytes(other.b, 32);
    lying_proof(r, LIE_NOT_COSIGNED, buf_span(&a.leaf), &bad);
    rig_refused(r, say_open(r, &a, buf_span(&bad), &other), PRF_PROOF);
    rig_refused(r, say_close(r, &a), PRF_UNKNOWN); /* too early */
    buf_init(&proof, PROTO_TAIL_MAX);
    rig_proof(buf_span(&a.leaf), &r->peer_signer, &r->w_signer, &proof);
    (void)rig_answer(r, say_open(r, &a, buf_span(&proof), &a.salt), FK_MOVE_GO, 0); /* the sender */
    send_truly(r, &a, 1);
    send_truly(r, &a, 2);
    close_truly(r, &a);
    buf_free(&proof);
    buf_free(&bad);
    arrival_done(&a);
}

/* A client that sends its file again, now that its country belongs here, while the file is on its
 * way here: one submission, not two. */
static void a_sub_that_arrives_is_not_accepted_beside_it(void **state)
{
    struct keeper_rig *r = *state;
    struct arrival a;
    uint64_t early, id = rig_id(r), size = rig_metric(r, "site_ledger_size");

    prepare_arrival(r, &a, FILES);
    rig_open_sub(r, &a.s[0]); /* announced and half sent before the move has it */
    early = rig_begin(r, &a.s[0]);
    rig_data(r, early, content[0], strlen(content[0]));
    open_truly(r, &a);
    for (size_t i = 0; i < FILES; i++)
        send_truly(r, &a, i);
    rig_say(r, FK_PUT_END, early, NULL, 0);
    rig_refused(r, early, PRF_BUSY);
    rig_say(r, FK_OPEN, id, &a.s[1].open, sizeof(a.s[1].open)); /* announced after it */
    rig_refused(r, id, PRF_BUSY);
    close_truly(r, &a);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + FILES + 1);
    assert_int_equal(rig_metric(r, "site_submissions_total"), 0);
    here_are(r, FILES);
    arrival_done(&a);
}

/* An upload that was begun before its sub arrived, and lasts longer than the whole move. */
static void an_upload_older_than_the_move_of_its_sub_is_not_accepted(void **state)
{
    struct keeper_rig *r = *state;
    struct pm_put_begin m;
    struct arrival a;
    uint64_t early, id = rig_id(r), size = rig_metric(r, "site_ledger_size");

    prepare_arrival(r, &a, FILES);
    rig_open_sub(r, &a.s[0]);
    early = rig_begin(r, &a.s[0]);
    rig_data(r, early, content[0], strlen(content[0]));
    open_truly(r, &a);
    for (size_t i = 0; i < FILES; i++)
        send_truly(r, &a, i);
    close_truly(r, &a);
    /* the ticket is the upload's, whatever else is asked with it */
    memset(&m, 0, sizeof(m));
    m.sub = a.s[0].sub;
    m.ticket = a.s[0].ticket;
    m.length = UINT64_MAX;
    rig_say(r, FK_PUT_BEGIN, id, &m, sizeof(m));
    rig_refused(r, id, PRF_BUSY);
    rig_say(r, FK_PUT_END, early, NULL, 0);
    rig_refused(r, early, PRF_CONFLICT);
    rig_say(r, FK_PUT_BEGIN, id = rig_id(r), &m, sizeof(m));
    rig_refused(r, id, PRF_TICKET);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + FILES + 1);
    assert_int_equal(rig_metric(r, "site_submissions_total"), 0);
    here_are(r, FILES);
    arrival_done(&a);
}

/* The set's root says which content each sub has, not whose it is: that only the sender may say. */
static void a_stranger_who_knows_a_file_cannot_make_it_his(void **state)
{
    struct keeper_rig *r = *state;
    struct digest salt;
    struct move_meta m;
    struct arrival a;
    uint64_t id;

    prepare_arrival(r, &a, FILES);
    open_truly(r, &a);
    m = meta_of(&a, 0);
    memset(m.sub_key, 7, sizeof(m.sub_key));
    salt = a.salt;
    random_bytes(a.salt.b, sizeof(a.salt.b)); /* he does not know it */
    id = say_begin(r, &a.t.move, &a.s[0].sub);
    (void)rig_answer(r, id, FK_PUT_GO, 0);
    send_bytes(r, &a, 0, &m, &a.s[0].sub, 0, id);
    rig_refused(r, id, PRF_BUSY); /* the stream does not open; whoever can may send it */
    a.salt = salt;
    for (size_t i = 0; i < FILES; i++)
        send_truly(r, &a, i);
    close_truly(r, &a);
    here_are(r, FILES);
    arrival_done(&a);
}

/* The other way round: a sub that is here is not taken a second time. */
static void a_sub_that_is_here_does_not_arrive(void **state)
{
    struct keeper_rig *r = *state;
    struct arrival a;
    struct move_meta m;
    uint64_t early, id;

    prepare_arrival(r, &a, FILES);
    rig_submit(r, &a.s[0], content[0], strlen(content[0]));
    open_truly(r, &a);
    rig_refused(r, say_begin(r, &a.t.move, &a.s[0].sub), PRF_CONFLICT);
    /* it comes to be here while the move's copy is on its way */
    rig_open_sub(r, &a.s[1]);
    early = rig_begin(r, &a.s[1]);
    rig_data(r, early, content[1], strlen(content[1]));
    id = say_begin(r, &a.t.move, &a.s[1].sub);
    (void)rig_answer(r, id, FK_PUT_GO, 0);
    rig_say(r, FK_PUT_END, early, NULL, 0);
    (void)rig_receipt(r, early, &a.s[1], content[1], strlen(content[1]), false);
    {
        struct move_sender *s;
        struct buf out;

        m = meta_of(&a, 1);
        buf_init(&out, 1 << 20);
        rig_ok(move_sender_new(&s, r->move_pub, &a.t.move, &a.s[1].sub, &a.salt, &m, &out), NULL);
        rig_ok(move_sender_chunk(s, (const uint8_t *)content[1], m.size, true, &out), NULL);
        move_sender_free(s);
        rig_data(r, id, out.data, out.len);
        rig_say(r, FK_PUT_END, id, NULL, 0);
        buf_free(&out);
    }
    rig_refused(r, id, PRF_CONFLICT);
    here_are(r, 2);
    arrival_done(&a);
}

static void what_had_arrived_at_a_crash_comes_again(void **state)
{
    struct keeper_rig *r = *state;
    struct arrival a;

    prepare_arrival(r, &a, FILES);
    open_truly(r, &a);
    send_truly(r, &a, 0);
    send_truly(r, &a, 1);
    rig_settle(r);
    rig_kill(r);
    rig_start(r);
    here_are(r, 0);
    rig_refused(r, say_begin(r, &a.t.move, &a.s[2].sub), PRF_UNKNOWN);
    open_truly(r, &a);
    for (size_t i = 0; i < FILES; i++)
        send_truly(r, &a, i);
    close_truly(r, &a);
    rig_kill(r);
    rig_start(r);
    here_are(r, FILES);
    open_truly(r, &a); /* a sender that was not told: everything is here already */
    {
        struct pm_receipt done;

        memcpy(&done,
               rig_answer(r, say_begin(r, &a.t.move, &a.s[0].sub), FK_PUT_DONE, sizeof(done)),
               sizeof(done));
        assert_int_equal(done.repeat, 1);
    }
    close_truly(r, &a);
    here_are(r, FILES);
    arrival_done(&a);
}

static void an_empty_country_arrives_as_well(void **state)
{
    struct keeper_rig *r = *state;
    struct arrival a;

    prepare_arrival(r, &a, 0);
    open_truly(r, &a);
    rig_refused(r, say_begin(r, &a.t.move, &a.s[0].sub), PRF_CONFLICT);
    close_truly(r, &a);
    here_are(r, 0);
    arrival_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_proof_that_does_not_hold_never_takes_files_in),
        T(a_true_proof_of_something_else_never_takes_files_in),
        T(openings_that_are_cut_or_sealed_for_others_are_refused),
        T(files_that_are_not_those_announced_are_not_taken),
        T(a_file_sent_twice_at_once_counts_once),
        T(a_set_with_a_wrong_file_in_it_is_taken_as_a_whole_or_not),
        T(a_stranger_who_knows_the_move_cannot_throw_away_what_has_arrived),
        T(a_sub_that_arrives_is_not_accepted_beside_it),
        T(an_upload_older_than_the_move_of_its_sub_is_not_accepted),
        T(a_stranger_who_knows_a_file_cannot_make_it_his),
        T(a_sub_that_is_here_does_not_arrive),
        T(what_had_arrived_at_a_crash_comes_again),
        T(an_empty_country_arrives_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
