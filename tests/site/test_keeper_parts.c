/* The keeper against its signer, courier, reader, supervisor and administrators, each of which
 * lies, keeps silent or goes: what is published and acknowledged stays true. */
#include "keeper_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define T(f) cmocka_unit_test_setup_teardown(f, keeper_rig_up, keeper_rig_down)

static const char hello[] = "a file of some bytes";

/* Announced, begun, its bytes are there: only the end is missing. */
static uint64_t nearly_uploaded(struct keeper_rig *r, struct rig_sub *s)
{
    uint64_t id;

    rig_sub_new(r, s, "CH");
    rig_open_sub(r, s);
    id = rig_begin(r, s);
    rig_data(r, id, hello, sizeof(hello));
    return id;
}

/* --- the signer --- */

static void sign_another_root(struct keeper_rig *r, uint64_t id, const struct pm_sign *m)
{
    struct pm_sign other = *m;

    other.root.b[0] ^= 1;
    rig_signed(r, id, &other, true, m->size);
}
static void sign_another_size(struct keeper_rig *r, uint64_t id, const struct pm_sign *m)
{
    struct pm_sign other = *m;

    other.size--;
    rig_signed(r, id, &other, true, m->size);
}
static void say_another_size(struct keeper_rig *r, uint64_t id, const struct pm_sign *m)
{
    rig_signed(r, id, m, true, m->size + 1);
}
static void refuse_from_a_longer_tree(struct keeper_rig *r, uint64_t id, const struct pm_sign *m)
{
    rig_signed(r, id, m, false, m->size + 1000);
}
static void refuse_for_ever(struct keeper_rig *r, uint64_t id, const struct pm_sign *m)
{
    rig_signed(r, id, m, false, r->signed_size);
}

static void a_signer_that_signs_something_else_stops_the_writer(void **state)
{
    static const struct {
        rig_sign_fn *sign;
        const char *logged;
    } row[] = {
        {sign_another_root, "the signer's signature does not verify"},
        {sign_another_size, "the signer's signature does not verify"},
        {say_another_size, "the signer's signature does not verify"},
        {refuse_from_a_longer_tree, "the signer does not want to"},
        {refuse_for_ever, "the signer does not want to"},
    };
    struct keeper_rig *r = *state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct rig_sub s, after;
        uint64_t id;

        r->sign = rig_sign_honest;
        rig_settle(r);
        id = nearly_uploaded(r, &s);
        r->sign = row[i].sign;
        rig_say(r, FK_PUT_END, id, NULL, 0);
        rig_refused(r, id, PRF_BUSY); /* stored, not acknowledged */
        assert_int_equal(rig_metric(r, "site_writer_stopped"), 1);
        assert_true(rig_logged(r, row[i].logged));
        rig_sub_new(r, &after, "CH");
        rig_say(r, FK_OPEN, id = rig_id(r), &after.open, sizeof(after.open));
        rig_refused(r, id, PRF_STOPPED);
        {
            char text[1024];

            assert_int_not_equal(rig_admin(r, ADMIN_STATUS, 0, NULL, text), 0);
            assert_non_null(strstr(text, row[i].logged));
            assert_int_not_equal(rig_admin(r, ADMIN_INVENTORY, 0, NULL, text), 0);
        }
        r->sign = rig_sign_honest; /* a restart, with a signer that does its work */
        rig_kill(r);
        rig_start(r);
        rig_is_here(r, &s, hello, sizeof(hello));
        rig_sub_done(&s);
        rig_sub_done(&after);
    }
}

static void signatures_nobody_asked_for_are_not_heard(void **state)
{
    struct keeper_rig *r = *state;
    struct pm_sign m = {.size = 1000000};
    struct rig_sub s;
    uint64_t published;

    rig_settle(r);
    published = rig_metric(r, "site_ledger_published");
    for (uint64_t id = 0; id < 20; id++) {
        rig_signed(r, id, &m, true, m.size);
        rig_signed(r, id, &m, false, UINT64_MAX);
    }
    rig_quiet(r);
    assert_int_equal(rig_metric(r, "site_writer_stopped"), 0);
    assert_int_equal(rig_metric(r, "site_ledger_published"), published);
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
}

static void a_silent_signer_means_no_acknowledgment_and_a_later_one_gives_it(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s;
    uint64_t id;

    rig_settle(r);
    id = nearly_uploaded(r, &s);
    r->sign = NULL;
    rig_say(r, FK_PUT_END, id, NULL, 0);
    rig_quiet(r);
    assert_int_equal(rig_metric(r, "site_writer_stopped"), 0); /* others are still answered */
    msg_close(r->signer); /* it goes without a word: the supervisor begins anew */
    r->signer = NULL;
    r->sign = rig_sign_honest;
    assert_int_equal(rig_ended(r), 0);
    rig_start(r);
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
}

static void a_restarted_signer_tells_where_it_stands_and_is_followed(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s;

    r->sign = rig_sign_by_rule; /* it stands at 0, the keeper thinks it is further */
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    rig_settle(r);
    assert_true(r->refusals > 0);
    r->refusals = 0;
    rig_kill(r);
    rig_start(r); /* now it is the keeper that knows nothing: it asks from 0, and is told */
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    assert_true(r->refusals <= 1); /* none if it had the same size signed once more */
    assert_int_equal(rig_metric(r, "site_writer_stopped"), 0);
    rig_sub_done(&s);
}

/* --- witnesses by the courier --- */

static void cosign_badly(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body)
{
    (void)body;
    rig_cosigned(r, id, witness, 200, 0);
}
static void cosign_as_another(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body)
{
    rig_cosign_honest(r, id, witness + 1, body);
    rig_cosign_honest(r, id ^ 1, witness, body);
    rig_cosigned(r, id, UINT32_MAX, 200, 0);
    rig_cosigned(r, id, 64, 200, 0);
}
static void cosign_another_round(struct keeper_rig *r, uint64_t id, uint32_t witness,
                                 struct span body)
{
    rig_cosign_honest(r, id + 256, witness, body);
}
static void cosign_by_the_peer(struct keeper_rig *r, uint64_t id, uint32_t witness,
                               struct span body)
{
    struct ed25519_key *mine = r->witness;

    r->witness = r->peer_key;
    rig_cosign_honest(r, id, witness, body);
    r->witness = mine;
}
static void no_answer_came(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body)
{
    (void)body;
    rig_cosigned(r, id, witness, 0, 0);
}
static void the_witness_is_further(struct keeper_rig *r, uint64_t id, uint32_t witness,
                                   struct span body)
{
    (void)body;
    rig_cosigned(r, id, witness, 409, UINT64_MAX);
}

static void only_a_cosignature_that_verifies_publishes(void **state)
{
    static rig_cosign_fn *const lies[] = {cosign_badly,         cosign_as_another,
                                          cosign_another_round, cosign_by_the_peer,
                                          no_answer_came,       the_witness_is_further};
    struct keeper_rig *r = *state;
    struct rig_sub s;
    uint64_t published;

    rig_settle(r);
    published = rig_metric(r, "site_ledger_published");
    r->cosign = no_answer_came;
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        unsigned asked = r->asked_witness;

        r->cosign = lies[i];
        rig_until(r, r->asked_witness > asked); /* a round began: the lie is told */
        rig_quiet(r);
        r->cosign = no_answer_came; /* some lies leave the round open */
        rig_cosigned(r, r->last_courier_id, 0, 0, 0);
        if (rig_metric(r, "site_ledger_published") != published)
            fail_msg("lie %zu published a checkpoint", i);
        assert_int_equal(rig_state(r, &s) & SUB_FINAL, 0);
    }
    r->cosign = rig_cosign_honest;
    rig_settle(r);
    assert_int_equal(rig_state(r, &s) & SUB_FINAL, SUB_FINAL);
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
}

static void conflict_for_ever(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body)
{
    (void)body;
    rig_cosigned(r, id, witness, 409, r->asked_witness % 2);
}

static void a_witness_that_conflicts_for_ever_is_asked_a_few_times_a_round(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s;
    unsigned asked;

    rig_settle(r);
    r->cosign = NULL;
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    asked = r->asked_witness;
    rig_until(r, r->asked_witness > asked);
    r->cosign = conflict_for_ever;
    asked = r->asked_witness;
    rig_cosigned(r, r->last_courier_id, 0, 409, 0);
    rig_quiet(r);
    /* 250 ms hold at most five rounds of 50 ms and the one that was under way */
    if (r->asked_witness - asked > 6 * 4)
        fail_msg("asked %u times in %d ms", r->asked_witness - asked, RIG_QUIET);
    r->cosign = rig_cosign_honest;
    rig_settle(r);
    rig_sub_done(&s);
}

static void a_witness_that_lost_its_memory_is_proved_everything_again(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s;

    rig_settle(r);
    r->cosign = rig_cosign_from_0;
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    rig_settle(r);
    assert_int_equal(rig_state(r, &s) & SUB_FINAL, SUB_FINAL);
    rig_sub_done(&s);
}

static void answers_of_the_courier_that_nobody_asked_for_are_not_heard(void **state)
{
    struct keeper_rig *r = *state;
    static const uint64_t ids[] = {
        0, 1, 255, 256, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 63 | UINT64_C(1) << 32};

    rig_settle(r);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        rig_cosigned(r, ids[i], 0, 200, 0);
        rig_cosigned(r, ids[i], 0, 409, 0);
        rig_carried(r, ids[i], 200, span_str("what"));
        rig_carried(r, ids[i], 404, span_str(""));
    }
    rig_quiet(r);
    assert_true(rig_alive(r));
    assert_int_equal(rig_metric(r, "site_writer_stopped"), 0);
}

/* --- the reader --- */

static void read_answers_another_question(struct keeper_rig *r, uint64_t id,
                                          const struct pm_read *m, int fd)
{
    (void)m;
    (void)fd;
    rig_read_is(r, id, READ_REGISTER, 0, &r->policy_doc, buf_span(&r->record));
}
static void read_speaks_of_another_document(struct keeper_rig *r, uint64_t id,
                                            const struct pm_read *m, int fd)
{
    (void)fd;
    rig_read_is(r, id, m->what, 0, &r->policy_doc, buf_span(&r->record));
}
static void read_gives_a_cut_record(struct keeper_rig *r, uint64_t id, const struct pm_read *m,
                                    int fd)
{
    size_t n = r->record.len;

    r->record.len = n - 1;
    rig_read_honest(r, id, m, fd);
    r->record.len = n;
}
static void read_gives_a_longer_record(struct keeper_rig *r, uint64_t id, const struct pm_read *m,
                                       int fd)
{
    size_t n = r->record.len;

    assert_int_equal(buf_putc(&r->record, 0), 0);
    rig_read_honest(r, id, m, fd);
    r->record.len = n;
}
static void read_gives_nothing(struct keeper_rig *r, uint64_t id, const struct pm_read *m, int fd)
{
    size_t n = r->record.len;

    r->record.len = 0;
    rig_read_honest(r, id, m, fd);
    r->record.len = n;
}
static void read_refuses(struct keeper_rig *r, uint64_t id, const struct pm_read *m, int fd)
{
    (void)fd;
    rig_read_is(r, id, m->what, -EBADMSG, &r->policy_doc, span_str(""));
}
static void read_is_of_no_kind(struct keeper_rig *r, uint64_t id, const struct pm_read *m, int fd)
{
    (void)m;
    (void)fd;
    rig_read_is(r, id, UINT32_MAX, 0, &r->statement, buf_span(&r->record));
}

static void a_reader_that_lies_about_a_document_publishes_nothing(void **state)
{
    static const struct {
        rig_read_fn *read;
        const char *said;
    } row[] = {
        {read_answers_another_question, "answers another question"},
        {read_is_of_no_kind, "answers another question"},
        {read_speaks_of_another_document, "speaks of another document"},
        {read_gives_a_cut_record, "publishing the document"},
        {read_gives_a_longer_record, "publishing the document"},
        {read_gives_nothing, "publishing the document"},
        {read_refuses, "the reader says no"},
    };
    struct keeper_rig *r = *state;
    uint64_t size = rig_metric(r, "site_ledger_size");
    char text[1024];

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        r->read = row[i].read;
        assert_int_not_equal(rig_admin(r, ADMIN_PUBLISH, READ_STATEMENT, "another one", text), 0);
        if (strstr(text, row[i].said) == NULL)
            fail_msg("row %zu: %s", i, text);
        assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    }
    r->read = rig_read_honest;
    assert_int_equal(rig_admin(r, ADMIN_PUBLISH, READ_STATEMENT, "another one", text), 0);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + 1);
}

static void a_reader_that_talks_nonsense_about_the_rules_publishes_nothing(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t size = rig_metric(r, "site_ledger_size");
    size_t have = r->record.len;
    char text[1024];

    for (uint32_t what = READ_CHANGE; what < READ_KINDS; what++)
        for (size_t n = 0; n < 200; n++) { /* the lengths of all records are among them */
            r->record.len = 0;
            for (size_t i = 0; i < n; i++)
                assert_int_equal(buf_putc(&r->record, 0xff), 0);
            if (rig_admin(r, ADMIN_PUBLISH, what, "about the rules", text) == 0)
                fail_msg("kind %u, %zu bytes: %s", what, n, text);
        }
    r->record.len = have;
    assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    assert_int_equal(rig_metric(r, "site_writer_stopped"), 0);
}

static void reading_nobody_asked_for_is_not_heard(void **state)
{
    struct keeper_rig *r = *state;
    const struct pm_admin ask = {.what = ADMIN_STATUS};
    struct msg_chan *idle = rig_admin_ask(r, &ask, NULL); /* it waits for no document */
    uint64_t size;

    rig_quiet(r);
    size = rig_metric(r, "site_ledger_size");
    for (uint64_t id = 0; id < 12; id++)
        for (uint32_t what = 0; what <= READ_KINDS; what++)
            rig_read_is(r, id, what, 0, &r->statement, buf_span(&r->record));
    sha256_of("", 0, &r->statement_lookup); /* the document that it did not send */
    rig_read_is(r, 0, READ_REGISTER, 0, &r->statement_lookup, buf_span(&r->record));
    rig_read_is(r, UINT64_MAX, READ_PROOF, 0, &r->statement, span_str("x"));
    rig_quiet(r);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    assert_int_equal(rig_metric(r, "site_writer_stopped"), 0);
    {
        char text[1024];

        assert_int_equal(rig_admin_hear(r, idle, text), 0); /* one answer, to what it asked */
        assert_non_null(strstr(text, "site zrh1"));
    }
}

static void one_document_is_checked_at_a_time(void **state)
{
    struct keeper_rig *r = *state;
    const struct pm_admin ask = {.what = ADMIN_PUBLISH, .document = READ_STATEMENT};
    struct msg_chan *first;
    char text[1024];
    unsigned asked = r->asked_reader;

    r->read = NULL;
    first = rig_admin_ask(r, &ask, "the first");
    rig_until(r, r->asked_reader > asked);
    assert_int_equal(rig_admin_request(r, &ask, "the second", text), -EBUSY);
    assert_non_null(strstr(text, "another document is being checked"));
    rig_read_is(r, r->last_reader_id, READ_STATEMENT, -EINVAL, NULL, span_str(""));
    assert_int_equal(rig_admin_hear(r, first, text), -EINVAL);
    r->read = rig_read_honest;
    assert_int_equal(rig_admin_request(r, &ask, "the second", text), 0);
}

/* --- administrators and the supervisor --- */

static void an_administrator_may_ask_nonsense_and_go_in_the_middle(void **state)
{
    struct keeper_rig *r = *state;
    struct pm_admin ask;
    struct msg_chan *c;
    char text[1024];
    unsigned asked;

    for (uint32_t what = ADMIN_BACKUP + 1; what < ADMIN_BACKUP + 4; what++) {
        assert_int_equal(rig_admin(r, what, 0, NULL, text), -EINVAL);
        assert_non_null(strstr(text, "unknown request"));
    }
    assert_int_equal(rig_admin(r, ADMIN_PUBLISH, READ_STATEMENT, NULL, text), -EINVAL);
    assert_int_equal(rig_admin(r, ADMIN_PUBLISH, READ_PROOF, "x", text), -EINVAL);
    assert_int_equal(rig_admin(r, ADMIN_PUBLISH, UINT32_MAX, "x", text), -EINVAL);
    assert_int_equal(rig_admin(r, ADMIN_PUBLISH, READ_STATEMENT, "", text), -EINVAL);
    assert_int_equal(rig_admin(r, ADMIN_WITHDRAW_STATEMENT, 0, NULL, text), -ENOENT);
    /* its document is at the reader when it goes */
    r->read = NULL;
    asked = r->asked_reader;
    memset(&ask, 0, sizeof(ask));
    ask.what = ADMIN_PUBLISH;
    ask.document = READ_STATEMENT;
    c = rig_admin_ask(r, &ask, "gone");
    rig_until(r, r->asked_reader > asked);
    msg_close(c);
    rig_quiet(r);
    rig_read_is(r, r->last_reader_id, READ_STATEMENT, 0, &r->statement, buf_span(&r->record));
    r->read = rig_read_honest;
    rig_quiet(r);
    assert_int_equal(rig_admin(r, ADMIN_PUBLISH, READ_STATEMENT, "there", text), 0);
}

/* What a witness said of the same checkpoint before, as far as a courier can keep it: it stands on
 * no ledger that grows. */
static void cosign_of_old(struct keeper_rig *r, uint64_t id, uint32_t witness, struct span body)
{
    rig_cosign_at(r, id, witness, body, clock_now() - 400);
}

static void an_old_word_of_a_witness_does_not_stop_the_clock(void **state)
{
    struct keeper_rig *r = *state;
    unsigned asked;
    struct rig_sub s;

    rig_settle(r);
    rig_kill(r);
    r->cosign = cosign_of_old;
    asked = r->asked_witness;
    rig_start(r);
    rig_until(r, r->asked_witness > asked + 1); /* it wants to know the time, more than once */
    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    rig_sub_done(&s);
}

/* What was said without a signature is believed for as long as it is said, and no longer. */
static void a_contradiction_stops_the_writer_until_the_witness_cosigns(void **state)
{
    struct keeper_rig *r = *state;
    unsigned asked;
    struct rig_sub s;

    rig_settle(r);
    rig_kill(r);
    r->cosign = the_witness_is_further;
    rig_start(r);
    rig_until(r, rig_metric(r, "site_writer_stopped") == 1);
    asked = r->asked_witness;
    rig_until(r, r->asked_witness > asked + 1); /* it asks on, and takes nothing */
    assert_int_equal(rig_metric(r, "site_writer_stopped"), 1);
    assert_true(rig_alive(r));
    r->cosign = cosign_of_old;
    asked = r->asked_witness;
    rig_until(r, r->asked_witness > asked + 1); /* old words are none */
    assert_true(rig_alive(r));
    r->cosign = rig_cosign_honest;
    assert_int_equal(rig_ended(r), 0);
    rig_start(r);
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
}

static void a_configuration_that_cannot_be_taken_over_is_not(void **state)
{
    struct keeper_rig *r = *state;
    int fd = memfd_create("config", MFD_CLOEXEC);
    struct pm_engine_is is = {.engine = {0, 0}}; /* of which there is none here */
    struct rig_sub s;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "format: site/v2\n", 16), 16);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    for (int i = 0; i < 2; i++) /* unknown, then empty: its end has been read */
        assert_int_equal(msg_send_wait(r->control, PX_CONFIG, 0, span_of(NULL, 0), &fd, RIG_SOON),
                         0);
    assert_int_equal(
        msg_send_wait(r->control, PX_ENGINE, 0, span_of(&is, sizeof(is)), &fd, RIG_SOON), 0);
    (void)close(fd);
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    assert_true(rig_logged(r, "the configuration was not taken over"));
    rig_sub_done(&s);
}

static void a_token_taken_back_ends_its_uploads(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s;
    uint64_t id = nearly_uploaded(r, &s), no = rig_id(r);
    struct buf b;
    char *at;
    int fd = memfd_create("config", MFD_CLOEXEC);

    buf_init(&b, 65536);
    assert_int_equal(io_read_file(AT_FDCWD, r->file, &b), 0);
    at = memmem(b.data, b.len, "name: all", 9);
    assert_non_null(at);
    memcpy(at, "name: new", 9);
    at = memmem(at, b.len - (size_t)(at - (char *)b.data), "token_sha256: ", 14);
    assert_non_null(at);
    at[14] = at[14] == 'a' ? 'b' : 'a';
    rig_ok(io_write_all(fd, b.data, b.len), NULL);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(msg_send_wait(r->control, PX_CONFIG, 0, span_of(NULL, 0), &fd, RIG_SOON), 0);
    rig_refused(r, id, PRF_TOKEN);
    rig_say(r, FK_PUT_END, id, NULL, 0);
    rig_say(r, FK_OPEN, no, &s.open, sizeof(s.open));
    rig_refused(r, no, PRF_TOKEN);
    assert_int_equal(rig_metric(r, "site_submissions_total"), 0);
    (void)close(fd);
    buf_free(&b);
    rig_sub_done(&s);
}

static void close_courier(struct keeper_rig *r)
{
    msg_close(r->courier);
    r->courier = NULL;
}

static void close_reader(struct keeper_rig *r)
{
    msg_close(r->reader);
    r->reader = NULL;
}

static void a_courier_that_goes_is_waited_for_and_nobody_else_notices(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s, t;
    uint64_t id = nearly_uploaded(r, &s), published;

    rig_settle(r);
    published = rig_metric(r, "site_ledger_published");
    for (int way = 0; way < 3; way++) {
        unsigned lost = r->lost_courier, asked = r->asked_witness;

        r->cosign = NULL; /* it goes while it owes an answer, or while it does not */
        if (way > 0) {
            rig_sub_new(r, &t, "CH");
            rig_submit(r, &t, hello, (size_t)way);
            rig_sub_done(&t);
            rig_until(r, r->asked_witness > asked);
        }
        if (way < 2)
            close_courier(r);
        else
            assert_int_equal(send(msg_fd(r->courier), "nonsense", 8, MSG_NOSIGNAL), 8);
        rig_until(r, r->lost_courier == lost + 1);
        assert_int_equal(r->lost_life, (uint64_t)way);
        rig_quiet(r);
        assert_true(rig_metric(r, "site_ledger_published") >= published);
        rig_new_courier(r);
        r->cosign = rig_cosign_honest;
        rig_settle(r);
    }
    rig_say(r, FK_PUT_END, id, NULL, 0); /* it was under way all the time */
    (void)rig_receipt(r, id, &s, hello, sizeof(hello), false);
    rig_settle(r);
    assert_int_equal(rig_state(r, &s) & SUB_FINAL, SUB_FINAL);
    rig_sub_done(&s);
}

static void a_courier_that_comes_before_the_old_ones_end_is_noticed_takes_over(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s;

    rig_settle(r);
    rig_new_courier(r);
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    rig_settle(r);
    assert_int_equal(rig_state(r, &s) & SUB_FINAL, SUB_FINAL);
    rig_sub_done(&s);
}

static void what_a_lost_reader_was_asked_is_answered_and_another_reads(void **state)
{
    struct keeper_rig *r = *state;
    const struct pm_admin ask = {.what = ADMIN_PUBLISH, .document = READ_STATEMENT};
    uint64_t size = rig_metric(r, "site_ledger_size"), id;
    unsigned asked = r->asked_reader;
    struct msg_chan *admin;
    struct rig_sub s;
    char text[1024];

    id = nearly_uploaded(r, &s);
    r->read = NULL;
    admin = rig_admin_ask(r, &ask, "poison");
    rig_until(r, r->asked_reader > asked);
    close_reader(r);
    assert_int_equal(rig_admin_hear(r, admin, text), -EAGAIN);
    assert_non_null(strstr(text, "nothing was published, try again"));
    rig_until(r, r->lost_reader == 1); /* told after the administrator */
    assert_int_not_equal(rig_admin_request(r, &ask, "no reader", text), 0); /* not yet */
    rig_say(r, FK_PUT_END, id, NULL, 0);
    (void)rig_receipt(r, id, &s, hello, sizeof(hello), false);
    size += 2;
    assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    rig_new_reader(r);
    r->read = rig_read_honest;
    assert_int_equal(rig_admin_request(r, &ask, "a statement", text), 0);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + 1);
    rig_sub_done(&s);
}

static void any_other_part_that_goes_ends_the_keeper_in_order(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    for (int i = 0; i < 3; i++) {
        struct msg_chan **all[] = {&r->front, &r->signer, &r->control};

        msg_close(*all[i]);
        *all[i] = NULL;
        assert_int_equal(rig_ended(r), 0);
        rig_start(r);
        rig_is_here(r, &s, hello, sizeof(hello));
    }
    rig_sub_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_signer_that_signs_something_else_stops_the_writer),
        T(signatures_nobody_asked_for_are_not_heard),
        T(a_silent_signer_means_no_acknowledgment_and_a_later_one_gives_it),
        T(a_restarted_signer_tells_where_it_stands_and_is_followed),
        T(only_a_cosignature_that_verifies_publishes),
        T(a_witness_that_conflicts_for_ever_is_asked_a_few_times_a_round),
        T(a_witness_that_lost_its_memory_is_proved_everything_again),
        T(answers_of_the_courier_that_nobody_asked_for_are_not_heard),
        T(a_reader_that_lies_about_a_document_publishes_nothing),
        T(a_reader_that_talks_nonsense_about_the_rules_publishes_nothing),
        T(reading_nobody_asked_for_is_not_heard),
        T(one_document_is_checked_at_a_time),
        T(an_administrator_may_ask_nonsense_and_go_in_the_middle),
        T(an_old_word_of_a_witness_does_not_stop_the_clock),
        T(a_contradiction_stops_the_writer_until_the_witness_cosigns),
        T(a_configuration_that_cannot_be_taken_over_is_not),
        T(a_token_taken_back_ends_its_uploads),
        T(a_courier_that_goes_is_waited_for_and_nobody_else_notices),
        T(a_courier_that_comes_before_the_old_ones_end_is_noticed_takes_over),
        T(what_a_lost_reader_was_asked_is_answered_and_another_reads),
        T(any_other_part_that_goes_ends_the_keeper_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
