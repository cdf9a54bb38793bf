/* A country leaves this site, and everybody beside the keeper lies: a proof that does not hold
 * never destroys a key. */
#include "keeper_rig_moves.h"

#include <errno.h>
#include <unistd.h>

#include "events/receipt_extra.h"
#include "ledger/tlog_proof.h"

#define T(f) cmocka_unit_test_setup_teardown(f, keeper_rig_up, keeper_rig_down)

static struct departure {
    struct rig_sub s[FILES];
    struct read_move approval;
    struct buf opening; /* the proof of move.opened that the courier was given */
    struct buf answer;  /* what the courier says the destination answered to the closing */
    struct buf leaf;    /* of the reader that lies */
    unsigned puts, closings;
    enum lie lie;
    bool honest;
} d;

/* What the destination would log: the set is the one of move.opened. */
static struct story received(void)
{
    struct story t = {LK_MOVE_RECEIVED, "mow1", "zrh1", "mow1", "CA", d.approval.move, 0, {{0}}};
    struct receipt_extra x;
    struct core_proof p;
    struct err e = ERR_INIT;
    struct leaf l;
    struct buf json;

    memset(&x, 0, sizeof(x));
    buf_init(&json, RECEIPT_EXTRA_MAX);
    rig_ok(tlog_proof_parse(&p, buf_span(&d.opening), &e), &e);
    rig_ok(tlog_proof_extra(&json, &p, &e), &e);
    rig_ok(receipt_extra_decode(&x, buf_span(&json), &e), &e);
    assert_int_equal(leaf_parse(&l, x.leaf), 0);
    assert_int_equal(l.kind, LK_MOVE_OPENED);
    t.count = leaf_int(&l, LF_COUNT);
    t.root = leaf_digest(&l, LF_SET_ROOT);
    receipt_extra_free(&x);
    buf_free(&json);
    return t;
}

static void carry_all(struct keeper_rig *r, uint64_t id, const struct pm_carry *m, struct span body)
{
    struct cur c = cur_of(body);
    struct span proof;
    uint32_t n;

    switch (m->what) {
    case CARRY_MOVE_OPEN:
        assert_int_equal(cur_u32(&c, &n), 0);
        assert_int_equal(cur_take(&c, n, &proof), 0);
        buf_reset(&d.opening);
        rig_ok(buf_put(&d.opening, proof.p, proof.n), NULL);
        rig_carried(r, id, 200, span_str(""));
        break;
    case CARRY_MOVE_PUT:
        d.puts++;
        rig_carried(r, id, 201, span_str(""));
        break;
    default: {
        struct story t = received();

        d.closings++;
        buf_free(&d.leaf);
        leaf_of(&t, &d.leaf);
        r->arg = &d.leaf;
        buf_free(&d.answer);
        if (d.honest) {
            buf_init(&d.answer, PROTO_TAIL_MAX);
            rig_proof(buf_span(&d.leaf), &r->peer_signer, &r->w_signer, &d.answer);
        } else {
            lying_proof(r, d.lie, buf_span(&d.leaf), &d.answer);
        }
        rig_carried(r, id, 200, buf_span(&d.answer));
        break;
    }
    }
}

static const struct story *changed;

/* As carry_all, but what the destination has logged differs in one thing; all signatures hold. */
static void carry_changed(struct keeper_rig *r, uint64_t id, const struct pm_carry *m,
                          struct span body)
{
    static const struct id128 no_move;
    static const struct digest no_root;
    struct story t;

    if (m->what != CARRY_MOVE_CLOSE) {
        carry_all(r, id, m, body);
        return;
    }
    t = received();
    t.kind = changed->kind != 0 ? changed->kind : t.kind;
    t.site = changed->site != NULL ? changed->site : t.site;
    t.from = changed->from != NULL ? changed->from : t.from;
    t.country = changed->country != NULL ? changed->country : t.country;
    t.count = changed->count != 0 ? changed->count : t.count;
    if (memcmp(&changed->move, &no_move, sizeof(no_move)) != 0)
        t.move = changed->move;
    if (memcmp(&changed->root, &no_root, sizeof(no_root)) != 0)
        t.root = changed->root;
    buf_free(&d.leaf);
    leaf_of(&t, &d.leaf);
    buf_free(&d.answer);
    buf_init(&d.answer, PROTO_TAIL_MAX);
    rig_proof(buf_span(&d.leaf), &r->peer_signer, &r->w_signer, &d.answer);
    rig_carried(r, id, 200, buf_span(&d.answer));
}

static void prepare_departure(struct keeper_rig *r)
{
    memset(&d, 0, sizeof(d));
    buf_init(&d.opening, PROTO_TAIL_MAX);
    buf_init(&d.answer, PROTO_TAIL_MAX);
    buf_init(&d.leaf, LEAF_MAX);
    for (size_t i = 0; i < FILES; i++) {
        rig_sub_new(r, &d.s[i], "CA");
        rig_submit(r, &d.s[i], content[i], strlen(content[i]));
    }
    d.approval.move = random_id();
    memcpy(d.approval.country, "CA", 3);
    memcpy(d.approval.from, "zrh1", 5);
    memcpy(d.approval.to, "mow1", 5);
    d.approval.policy = r->policy_doc;
    buf_reset(&r->record);
    rig_ok(read_move_encode(&d.approval, &r->record), NULL);
    r->carry = carry_all;
}

static void departure_done(void)
{
    for (size_t i = 0; i < FILES; i++)
        rig_sub_done(&d.s[i]);
    buf_free(&d.opening);
    buf_free(&d.answer);
    buf_free(&d.leaf);
}

static int relocate(struct keeper_rig *r, char text[1024])
{
    return rig_admin(r, ADMIN_RELOCATE, READ_MOVE, "the approval", text);
}

static void all_are_here(struct keeper_rig *r)
{
    char text[1024];

    for (size_t i = 0; i < FILES; i++) {
        assert_int_equal(rig_state(r, &d.s[i]) & (SUB_MOVED | SUB_ERASED), 0);
        rig_is_here(r, &d.s[i], content[i], strlen(content[i]));
    }
    if (rig_admin(r, ADMIN_SCRUB, 0, NULL, text) != 0 || strstr(text, "3 objects") == NULL)
        fail_msg("scrub: %s", text);
}

static void all_have_moved(struct keeper_rig *r)
{
    char text[1024];

    for (size_t i = 0; i < FILES; i++)
        assert_int_equal(rig_state(r, &d.s[i]) & SUB_MOVED, SUB_MOVED);
    if (rig_admin(r, ADMIN_SCRUB, 0, NULL, text) != 0 || strstr(text, "0 objects") == NULL)
        fail_msg("scrub: %s", text);
}

static void a_proof_that_does_not_hold_never_destroys_a_key(void **state)
{
    struct keeper_rig *r = *state;
    char text[1024];

    prepare_departure(r);
    for (d.lie = 0; d.lie < LIES; d.lie++) {
        unsigned closings = d.closings;

        r->read = read_lies;
        assert_int_equal(relocate(r, text), -EBADMSG);
        assert_non_null(strstr(text, "the move stops"));
        assert_int_equal(d.closings, closings + 1); /* it came so far as to be lied to */
        all_are_here(r);
    }
    assert_int_equal(d.puts, FILES * LIES);
    rig_kill(r); /* what the last lie left behind does not come true by a restart */
    r->arg = &d.leaf;
    d.lie = LIE_NOT_COSIGNED;
    rig_start(r);
    rig_until(r, d.closings == LIES + 1);
    rig_quiet(r);
    all_are_here(r);
    r->read = rig_read_honest;
    d.honest = true;
    assert_int_equal(relocate(r, text), 0);
    all_have_moved(r);
    departure_done();
}

static void a_true_proof_of_something_else_never_destroys_a_key(void **state)
{
    static const struct {
        const char *what;
        struct story change; /* fields that are not zero replace the true ones */
    } row[] = {
        {"another move", {.move = {{9}}}},
        {"another root", {.root = {{9}}}},
        {"another number of files", {.count = FILES + 1}},
        {"another country", {.country = "CH"}},
        {"another destination", {.site = "zrh1"}},
        {"another source", {.from = "mow1"}},
        {"the opening", {.kind = LK_MOVE_OPENED}},
    };
    struct keeper_rig *r = *state;
    char text[1024];

    prepare_departure(r);
    for (size_t i = 0; i <= ARRAY_LEN(row); i++) {
        d.honest = true;
        r->carry = i < ARRAY_LEN(row) ? carry_changed : carry_all;
        changed = i < ARRAY_LEN(row) ? &row[i].change : NULL;
        if (i < ARRAY_LEN(row)) {
            if (relocate(r, text) != -EBADMSG)
                fail_msg("%s is taken for the proof", row[i].what);
            all_are_here(r);
        } else {
            assert_int_equal(relocate(r, text), 0);
        }
    }
    all_have_moved(r);
    departure_done();
}

/* --- the courier lies --- */

static unsigned carried;

static void carry_says_404_twice(struct keeper_rig *r, uint64_t id, const struct pm_carry *m,
                                 struct span body)
{
    if (m->what != CARRY_MOVE_OPEN && carried++ < 2)
        rig_carried(r, id, 404, span_str(""));
    else
        carry_all(r, id, m, body);
}

static void a_destination_that_forgets_is_sent_everything_again(void **state)
{
    struct keeper_rig *r = *state;
    char text[1024];

    prepare_departure(r);
    carried = 0;
    d.honest = true;
    r->carry = carry_says_404_twice;
    assert_int_equal(relocate(r, text), 0);
    assert_true(d.puts >= FILES);
    all_have_moved(r);
    departure_done();
}

static void carry_answers_for_the_reader(struct keeper_rig *r, uint64_t id,
                                         const struct pm_carry *m, struct span body)
{
    carry_all(r, id, m, body);
    carried += m->what == CARRY_MOVE_CLOSE;
}

/* The courier answers what the reader was asked, before the reader does. */
static void read_after_the_courier(struct keeper_rig *r, uint64_t id, const struct pm_read *m,
                                   int fd)
{
    static const uint32_t status[] = {0, 200, 202, 404, 409, 503};
    struct pm_read ask = *m; /* both are lent until the channel is read again */
    int mine = dup(fd);

    if (m->what == READ_PROOF) {
        for (size_t i = 0; i < ARRAY_LEN(status); i++)
            rig_carried(r, id, status[i], span_str("x"));
        rig_quiet(r);
    }
    rig_read_honest(r, id, &ask, mine);
    (void)close(mine);
}

static void the_couriers_word_is_not_heard_for_the_readers(void **state)
{
    struct keeper_rig *r = *state;
    char text[1024];

    prepare_departure(r);
    carried = 0;
    d.honest = true;
    r->carry = carry_answers_for_the_reader;
    r->read = read_after_the_courier;
    if (relocate(r, text) != 0)
        fail_msg("%s", text);
    assert_int_equal(carried, 1);
    all_have_moved(r);
    departure_done();
}

static unsigned goings;

/* The courier goes with the first file, and with the closing; the reader with the first proof. */
static void carry_and_go(struct keeper_rig *r, uint64_t id, const struct pm_carry *m,
                         struct span body)
{
    if ((m->what == CARRY_MOVE_PUT && goings == 0) ||
        (m->what == CARRY_MOVE_CLOSE && goings == 1)) {
        goings++;
        rig_new_courier(r); /* before anybody notices; the old channel closes */
        return;
    }
    carry_all(r, id, m, body);
}

static void read_and_go(struct keeper_rig *r, uint64_t id, const struct pm_read *m, int fd)
{
    if (m->what == READ_PROOF && goings == 2) {
        goings++;
        rig_new_reader(r);
        return;
    }
    rig_read_honest(r, id, m, fd);
}

static void a_move_goes_on_with_another_courier_and_another_reader(void **state)
{
    struct keeper_rig *r = *state;
    char text[1024];

    prepare_departure(r);
    goings = 0;
    d.honest = true;
    r->carry = carry_and_go;
    r->read = read_and_go;
    if (relocate(r, text) != 0)
        fail_msg("%s", text);
    assert_int_equal(goings, 3);
    assert_true(d.puts >= FILES);
    all_have_moved(r);
    departure_done();
}

/* Two countries at once; the destination's answers come in another order than the files. */
static struct held {
    struct id128 move;
    uint64_t id;
} held[64];
static size_t n_held;
static struct id128 moves[2];
static struct buf opening[2];

static void carry_two(struct keeper_rig *r, uint64_t id, const struct pm_carry *m, struct span body)
{
    size_t which = memcmp(&m->move, &moves[0], sizeof(m->move)) == 0 ? 0 : 1;
    struct cur c = cur_of(body);
    struct story t;
    struct span proof;
    uint32_t n;

    switch (m->what) {
    case CARRY_MOVE_OPEN:
        assert_int_equal(cur_u32(&c, &n), 0);
        assert_int_equal(cur_take(&c, n, &proof), 0);
        buf_reset(&opening[which]);
        rig_ok(buf_put(&opening[which], proof.p, proof.n), NULL);
        rig_carried(r, id, 200, span_str(""));
        return;
    case CARRY_MOVE_PUT:
        held[n_held++] = (struct held){m->move, id};
        if (n_held < 2 * FILES)
            return;
        while (n_held > 0) /* the last one first */
            rig_carried(r, held[--n_held].id, 201, span_str(""));
        return;
    default:
        buf_reset(&d.opening);
        rig_ok(buf_put(&d.opening, opening[which].data, opening[which].len), NULL);
        d.approval.move = moves[which];
        t = received();
        t.country = which == 0 ? "CA" : "CH";
        buf_free(&d.leaf);
        leaf_of(&t, &d.leaf);
        buf_free(&d.answer);
        buf_init(&d.answer, PROTO_TAIL_MAX);
        rig_proof(buf_span(&d.leaf), &r->peer_signer, &r->w_signer, &d.answer);
        rig_carried(r, id, 200, buf_span(&d.answer));
    }
}

static void two_countries_leave_at_once_and_do_not_take_each_others_answers(void **state)
{
    const struct pm_admin ask = {.what = ADMIN_RELOCATE, .document = READ_MOVE};
    struct keeper_rig *r = *state;
    struct msg_chan *admin[2];
    struct rig_sub ch[FILES];
    char text[1024];

    prepare_departure(r);
    for (size_t i = 0; i < FILES; i++) {
        rig_sub_new(r, &ch[i], "CH");
        rig_submit(r, &ch[i], content[i], strlen(content[i]) - 1);
    }
    n_held = 0;
    r->carry = carry_two;
    for (size_t k = 0; k < 2; k++) {
        unsigned asked = r->asked_reader;

        buf_init(&opening[k], PROTO_TAIL_MAX);
        d.approval.move = moves[k] = random_id();
        memcpy(d.approval.country, k == 0 ? "CA" : "CH", 3);
        buf_reset(&r->record);
        rig_ok(read_move_encode(&d.approval, &r->record), NULL);
        admin[k] = rig_admin_ask(r, &ask, k == 0 ? "one" : "two");
        rig_until(r, r->asked_reader > asked);
    }
    for (size_t k = 0; k < 2; k++)
        if (rig_admin_hear(r, admin[k], text) != 0)
            fail_msg("%s", text);
    all_have_moved(r);
    for (size_t i = 0; i < FILES; i++) {
        assert_int_equal(rig_state(r, &ch[i]) & SUB_MOVED, SUB_MOVED);
        rig_sub_done(&ch[i]);
    }
    buf_free(&opening[0]);
    buf_free(&opening[1]);
    departure_done();
}

static void carry_nothing(struct keeper_rig *r, uint64_t id, const struct pm_carry *m,
                          struct span body)
{
    (void)r;
    (void)id;
    (void)m;
    (void)body;
}

static void while_a_country_leaves_its_files_stay_whole(void **state)
{
    struct keeper_rig *r = *state;
    const struct pm_admin ask = {.what = ADMIN_RELOCATE, .document = READ_MOVE};
    unsigned asked = r->asked_courier;
    struct pm_order m;
    struct ed25519_sig sig;
    struct msg_chan *admin;
    struct rig_sub late;
    uint64_t id = rig_id(r);
    char text[1024];

    prepare_departure(r);
    r->carry = carry_nothing;
    admin = rig_admin_ask(r, &ask, "the approval");
    rig_until(r, r->asked_courier > asked);
    memset(&m, 0, sizeof(m));
    m.sub = d.s[0].sub;
    m.erase = 1;
    rig_ok(submitter_sign_erase(d.s[0].key, &m.sub, &sig), NULL);
    memcpy(m.sig, sig.b, sizeof(m.sig));
    rig_say(r, FK_ORDER, id, &m, sizeof(m));
    rig_refused(r, id, PRF_BUSY);
    assert_int_equal(relocate(r, text), -EBUSY); /* not twice at once */
    all_are_here(r);
    rig_kill(r);
    msg_close(admin);
    d.honest = true;
    r->carry = carry_all;
    rig_start(r); /* and it goes on by itself */
    rig_until(r, rig_metric(r, "site_ledger_size") > 0 && (rig_state(r, &d.s[0]) & SUB_MOVED) != 0);
    all_have_moved(r);
    rig_sub_new(r, &late, "CA"); /* the policy still says CA is here: it is taken */
    rig_submit(r, &late, "late", 4);
    rig_sub_done(&late);
    departure_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_proof_that_does_not_hold_never_destroys_a_key),
        T(a_true_proof_of_something_else_never_destroys_a_key),
        T(a_destination_that_forgets_is_sent_everything_again),
        T(the_couriers_word_is_not_heard_for_the_readers),
        T(a_move_goes_on_with_another_courier_and_another_reader),
        T(two_countries_leave_at_once_and_do_not_take_each_others_answers),
        T(while_a_country_leaves_its_files_stay_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
