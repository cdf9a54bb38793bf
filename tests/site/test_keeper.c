/* The keeper against its front: hostile and out-of-order messages about submissions.  After each:
 * it lives or ends in order, nothing is acknowledged that is not durable, what is stored is what it
 * copied. */
#include "keeper_rig.h"

#define T(f) cmocka_unit_test_setup_teardown(f, keeper_rig_up, keeper_rig_down)

static const char hello[] = "a file of some bytes";

/* --- openings --- */

static void other_signature(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.sub_sig[10] ^= 1;
}
static void other_key(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.sub_key[0] ^= 1;
}
static void other_sub(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.sub.b[3] ^= 1;
}
static void unknown_token(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.token.b[0] ^= 1;
}
static void token_of_ch(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    sha256_of(RIG_TOKEN_CH, strlen(RIG_TOKEN_CH), &s->open.token);
}
static void country_open_ended(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    memcpy(s->open.country, "CHCH", 4);
}
static void country_small(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    memcpy(s->open.country, "ch", 3);
}
static void country_elsewhere(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    memcpy(s->open.country, "FR", 3);
    rig_sub_sign(s);
}
static void country_unknown(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    memcpy(s->open.country, "ZZ", 3);
    rig_sub_sign(s);
}
static void country_not_signed(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    memcpy(s->open.country, "CH", 3);
}
static void kind_out_of_range(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.kind = 3;
}
static void scope_out_of_range(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.scope = UINT32_MAX;
}
static void has_statement_out_of_range(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.has_statement = 2;
}
static void no_statement(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.has_statement = 0;
}
static void unknown_statement(struct rig_sub *s, struct keeper_rig *r)
{
    (void)r;
    s->open.statement.b[7] ^= 1;
    rig_sub_sign(s);
}
static void statement_of_lookups(struct rig_sub *s, struct keeper_rig *r)
{
    s->open.statement = r->statement_lookup;
    rig_sub_sign(s);
}
static void lookup(struct rig_sub *s, struct keeper_rig *r)
{
    s->open.statement = r->statement_lookup;
    s->open.kind = s->open.scope = SCOPE_LOOKUP;
    rig_sub_sign(s);
}

static const struct bad_opening {
    const char *what, *country;
    void (*spoil)(struct rig_sub *s, struct keeper_rig *r);
    enum proto_refusal why;
} bad_openings[] = {
    {"a signature with a bit flipped", "CH", other_signature, PRF_SIGNATURE},
    {"another key", "CH", other_key, PRF_SIGNATURE},
    {"another sub", "CH", other_sub, PRF_SIGNATURE},
    {"a country that was not signed", "CA", country_not_signed, PRF_SIGNATURE},
    {"an unknown token", "CH", unknown_token, PRF_TOKEN},
    {"a token of another country", "CA", token_of_ch, PRF_COUNTRY},
    {"a country without an end", "CH", country_open_ended, PRF_MALFORMED},
    {"a country in small letters", "CH", country_small, PRF_MALFORMED},
    {"a country of another site", "CH", country_elsewhere, PRF_WRONG_SITE},
    {"a country the policy does not know", "CH", country_unknown, PRF_MALFORMED},
    {"a kind out of range", "CH", kind_out_of_range, PRF_MALFORMED},
    {"a scope out of range", "CH", scope_out_of_range, PRF_MALFORMED},
    {"two statements", "CH", has_statement_out_of_range, PRF_MALFORMED},
    {"no statement", "CH", no_statement, PRF_STATEMENT_MISSING},
    {"an unknown statement", "CH", unknown_statement, PRF_STATEMENT_UNKNOWN},
    {"a statement for look-ups", "CH", statement_of_lookups, PRF_SCOPE},
    {"a look-up", "CH", lookup, PRF_KIND},
};

static void an_opening_with_one_thing_wrong_is_refused_for_that(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t before = rig_metric(r, "site_ledger_size");

    for (size_t i = 0; i < ARRAY_LEN(bad_openings); i++) {
        const struct bad_opening *b = &bad_openings[i];
        uint64_t id = rig_id(r);
        struct rig_sub s;

        rig_sub_new(r, &s, b->country);
        b->spoil(&s, r);
        rig_say(r, FK_OPEN, id, &s.open, sizeof(s.open));
        rig_refused_(r, id, b->why, b->what);
        rig_sub_done(&s);
    }
    assert_int_equal(rig_metric(r, "site_ledger_size"), before);
    assert_int_equal(rig_metric(r, "site_uploads"), 0);
}

static void a_sub_announced_with_other_terms_is_refused_before_and_after(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    for (int after = 0; after < 2; after++) {
        struct pm_open mine = s.open;
        uint64_t id = rig_id(r);

        memcpy(s.open.country, "CA", 3);
        rig_sub_sign(&s);
        rig_say(r, FK_OPEN, id, &s.open, sizeof(s.open));
        rig_refused(r, id, PRF_CONFLICT);
        s.open = mine;
        if (after == 0)
            rig_submit(r, &s, hello, sizeof(hello));
    }
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
}

/* --- beginnings --- */

static void a_ticket_opens_only_its_own_submission(void **state)
{
    struct keeper_rig *r = *state;
    struct rig_sub a, b;
    struct pm_put_begin m;
    uint64_t id;

    rig_sub_new(r, &a, "CH");
    rig_sub_new(r, &b, "CH");
    rig_open_sub(r, &a);
    rig_open_sub(r, &b);
    const struct {
        struct id128 sub, ticket;
        uint64_t length;
        uint32_t move;
        enum proto_refusal why;
    } row[] = {
        {a.sub, b.ticket, 5, 0, PRF_TICKET},
        {b.sub, a.ticket, 5, 0, PRF_TICKET},
        {a.sub, {{0}}, 5, 0, PRF_TICKET},
        {random_id(), a.ticket, 5, 0, PRF_TICKET},
        {a.sub, a.ticket, RIG_OBJECT_MAX + 1, 0, PRF_TOO_LARGE},
        {a.sub, a.ticket, UINT64_MAX - 1, 0, PRF_TOO_LARGE},
        {a.sub, a.ticket, 5, 1, PRF_UNKNOWN}, /* no such move */
    };
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        memset(&m, 0, sizeof(m));
        m.sub = row[i].sub;
        m.ticket = row[i].ticket;
        m.length = row[i].length;
        m.move = row[i].move;
        id = rig_id(r);
        rig_say(r, FK_PUT_BEGIN, id, &m, sizeof(m));
        rig_refused(r, id, row[i].why);
    }
    assert_int_equal(rig_metric(r, "site_uploads"), 0);
    rig_submit(r, &a, hello, sizeof(hello)); /* its ticket is as good as before */
    rig_sub_done(&a);
    rig_sub_done(&b);
}

static void a_name_longer_than_its_field_is_no_name(void **state)
{
    struct keeper_rig *r = *state;
    struct pm_put_begin m;
    struct rig_sub s;
    uint64_t id = rig_id(r);

    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    memset(&m, 'x', sizeof(m));
    m.sub = s.sub;
    m.ticket = s.ticket;
    m.length = 5;
    m.move = 7; /* neither a move nor none: it is none */
    m.name_len = UINT32_MAX;
    rig_say(r, FK_PUT_BEGIN, id, &m, sizeof(m));
    (void)rig_answer(r, id, FK_PUT_GO, 0);
    rig_data(r, id, "12345", 5);
    rig_say(r, FK_PUT_END, id, NULL, 0);
    (void)rig_receipt(r, id, &s, "12345", 5, false);
    rig_sub_done(&s);
}

static void one_sub_is_uploaded_once_at_a_time_and_accepted_once(void **state)
{
    struct keeper_rig *r = *state;
    struct pm_put_begin m;
    struct rig_sub s;
    uint64_t one, two = rig_id(r), size;

    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    one = rig_begin(r, &s);
    memset(&m, 0, sizeof(m));
    m.sub = s.sub;
    m.ticket = s.ticket;
    m.length = 3;
    rig_say(r, FK_PUT_BEGIN, two, &m, sizeof(m));
    rig_refused(r, two, PRF_BUSY);
    rig_data(r, one, hello, sizeof(hello));
    size = rig_metric(r, "site_ledger_size");
    rig_say(r, FK_PUT_END, one, NULL, 0); /* twice, and begun again before it is answered */
    rig_say(r, FK_PUT_END, one, NULL, 0);
    rig_say(r, FK_PUT_BEGIN, two = rig_id(r), &m, sizeof(m));
    (void)rig_receipt(r, one, &s, hello, sizeof(hello), false);
    {
        const struct rig_heard *h = rig_hear(r, two);
        struct pm_refused no;

        /* too early, too late, or just in time for its receipt: never a second acceptance */
        if (h->type == FK_REFUSED) {
            memcpy(&no, h->body.data, sizeof(no));
            assert_true(no.refusal == PRF_BUSY || no.refusal == PRF_TICKET);
        } else {
            assert_int_equal(h->type, FK_PUT_DONE);
        }
    }
    rig_quiet(r);
    assert_int_equal(rig_metric(r, "site_submissions_total"), 1);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size + 2);
    rig_sub_done(&s);
}

static void an_id_that_is_taken_disturbs_nobody(void **state)
{
    struct keeper_rig *r = *state;
    struct pm_put_begin m;
    struct rig_sub a, b;
    uint64_t id;

    rig_sub_new(r, &a, "CH");
    rig_sub_new(r, &b, "CH");
    rig_open_sub(r, &a);
    rig_open_sub(r, &b);
    id = rig_begin(r, &a);
    rig_data(r, id, hello, 4);
    memset(&m, 0, sizeof(m));
    m.sub = b.sub;
    m.ticket = b.ticket;
    m.length = 3;
    rig_say(r, FK_PUT_BEGIN, id, &m, sizeof(m));
    rig_refused(r, id, PRF_BUSY);
    rig_data(r, id, hello + 4, sizeof(hello) - 4);
    rig_say(r, FK_PUT_END, id, NULL, 0);
    (void)rig_receipt(r, id, &a, hello, sizeof(hello), false);
    rig_submit(r, &b, "other", 5);
    rig_sub_done(&a);
    rig_sub_done(&b);
}

/* --- bytes --- */

static void data_and_ends_of_nobody_give_the_slot_back_and_change_nothing(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t before = rig_metric(r, "site_ledger_size");

    rig_data(r, 4711, hello, sizeof(hello));
    rig_say(r, FK_PUT_END, 4711, NULL, 0);
    rig_say(r, FK_PUT_ABORT, 4711, NULL, 0);
    rig_say(r, FK_PUT_END, 0, NULL, 0);
    rig_say(r, FK_PUT_END, UINT64_MAX, NULL, 0);
    rig_quiet(r);
    assert_int_equal(rig_metric(r, "site_ledger_size"), before);
}

static void a_slot_that_is_not_there_ends_the_upload_only(void **state)
{
    static const struct pm_put_data row[] = {
        {RIG_SLOTS, 1},       {UINT32_MAX, 1},           {0, PROTO_SLOT_BYTES + 1},
        {0, UINT32_MAX},      {RIG_SLOTS - 1, 1u << 31}, {1u << 31, PROTO_SLOT_BYTES},
        {UINT32_MAX / 2, 17},
    };
    struct keeper_rig *r = *state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct rig_sub s;
        uint64_t id;
        struct pm_slot_free back;

        rig_sub_new(r, &s, "CH");
        rig_open_sub(r, &s);
        id = rig_begin(r, &s);
        rig_data(r, id, hello, sizeof(hello));
        rig_say(r, FK_PUT_DATA, id, &row[i], sizeof(row[i]));
        memcpy(&back, rig_answer(r, id, FK_SLOT_FREE, sizeof(back)), sizeof(back));
        assert_int_equal(back.slot, row[i].slot);
        rig_refused(r, id, row[i].len > RIG_OBJECT_MAX ? PRF_TOO_LARGE : PRF_BUSY);
        rig_say(r, FK_PUT_END, id, NULL, 0); /* of nobody any more */
        rig_sub_done(&s);
    }
    rig_quiet(r);
    assert_int_equal(rig_metric(r, "site_submissions_total"), 0);
    assert_int_equal(rig_metric(r, "site_uploads"), 0);
}

static void what_is_stored_is_what_was_copied_whatever_the_front_writes_afterwards(void **state)
{
    struct keeper_rig *r = *state;
    struct pm_put_data m = {0, 4096};
    static uint8_t bytes[4096];
    struct rig_sub s;
    uint64_t id;

    random_bytes(bytes, sizeof(bytes));
    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    id = rig_begin(r, &s);
    assert_int_equal(ring_claim(r->ring, &m.slot), 0);
    memcpy(ring_slot(r->ring, m.slot), bytes, sizeof(bytes));
    rig_say(r, FK_PUT_DATA, id, &m, sizeof(m));
    (void)rig_answer(r, id, FK_SLOT_FREE, sizeof(struct pm_slot_free));
    memset(ring_slot(r->ring, m.slot), 'x', sizeof(bytes)); /* before the end, after the copy */
    rig_say(r, FK_PUT_END, id, NULL, 0);
    memset(ring_slot(r->ring, m.slot), 'y', sizeof(bytes));
    (void)rig_receipt(r, id, &s, bytes, sizeof(bytes), false);
    rig_settle(r);
    rig_kill(r); /* and after a crash that is what is on the disk */
    rig_start(r);
    rig_is_here(r, &s, bytes, sizeof(bytes));
    {
        char text[1024];

        if (rig_admin(r, ADMIN_SCRUB, 0, NULL, text) != 0)
            fail_msg("%s", text);
        assert_non_null(strstr(text, "1 objects"));
    }
    rig_sub_done(&s);
}

static void a_file_that_grows_beyond_the_limit_is_refused_where_it_does(void **state)
{
    struct keeper_rig *r = *state;
    static uint8_t slot[PROTO_SLOT_BYTES];
    struct rig_sub s;
    uint64_t id;

    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    id = rig_begin(r, &s);
    for (unsigned i = 0; i < RIG_OBJECT_MAX / PROTO_SLOT_BYTES; i++)
        rig_data(r, id, slot, sizeof(slot));
    rig_data(r, id, slot, 1);
    rig_refused(r, id, PRF_TOO_LARGE);
    id = rig_begin(r, &s); /* and the ticket is free again */
    rig_data(r, id, slot, 0);
    rig_say(r, FK_PUT_END, id, NULL, 0);
    (void)rig_receipt(r, id, &s, slot, 0, false);
    rig_sub_done(&s);
}

static void an_aborted_upload_leaves_nothing(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t before = rig_metric(r, "site_ledger_size"), id;
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    id = rig_begin(r, &s);
    rig_data(r, id, hello, sizeof(hello));
    rig_say(r, FK_PUT_ABORT, id, NULL, 0);
    rig_say(r, FK_PUT_END, id, NULL, 0);
    rig_quiet(r);
    assert_int_equal(rig_metric(r, "site_ledger_size"), before);
    rig_submit(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
}

/* --- what stood when it was opened must stand when it is accepted --- */

static void a_statement_withdrawn_during_the_upload_ends_it(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t id, size;
    struct rig_sub s;
    struct pm_admin ask = {.what = ADMIN_WITHDRAW_STATEMENT};

    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    id = rig_begin(r, &s);
    rig_data(r, id, hello, sizeof(hello));
    ask.digest = r->statement;
    {
        char text[1024];

        assert_int_equal(rig_admin_request(r, &ask, NULL, text), 0);
    }
    size = rig_metric(r, "site_ledger_size");
    rig_say(r, FK_PUT_END, id, NULL, 0);
    rig_refused(r, id, PRF_STATEMENT_WITHDRAWN);
    assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    assert_int_equal(rig_metric(r, "site_submissions_total"), 0);
    rig_sub_done(&s);
}

static void a_policy_that_takes_effect_during_the_upload_ends_it(void **state)
{
    struct keeper_rig *r = *state;
    struct pm_refused no;
    struct rig_sub s;
    uint64_t id, size;

    rig_sub_new(r, &s, "CH");
    rig_open_sub(r, &s);
    id = rig_begin(r, &s);
    rig_data(r, id, hello, sizeof(hello));
    rig_publish_policy(r, 2, clock_now(), 1);
    size = rig_metric(r, "site_ledger_size");
    rig_say(r, FK_PUT_END, id, NULL, 0);
    memcpy(&no, rig_answer(r, id, FK_REFUSED, sizeof(no)), sizeof(no));
    assert_int_equal(no.refusal, PRF_WRONG_SITE);
    assert_string_equal(no.site, "mow1"); /* and where it belongs */
    assert_string_equal(no.url, "http://127.0.0.1:2");
    assert_int_equal(rig_metric(r, "site_ledger_size"), size);
    rig_sub_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_opening_with_one_thing_wrong_is_refused_for_that),
        T(a_sub_announced_with_other_terms_is_refused_before_and_after),
        T(a_ticket_opens_only_its_own_submission),
        T(a_name_longer_than_its_field_is_no_name),
        T(one_sub_is_uploaded_once_at_a_time_and_accepted_once),
        T(an_id_that_is_taken_disturbs_nobody),
        T(data_and_ends_of_nobody_give_the_slot_back_and_change_nothing),
        T(a_slot_that_is_not_there_ends_the_upload_only),
        T(what_is_stored_is_what_was_copied_whatever_the_front_writes_afterwards),
        T(a_file_that_grows_beyond_the_limit_is_refused_where_it_does),
        T(an_aborted_upload_leaves_nothing),
        T(a_statement_withdrawn_during_the_upload_ends_it),
        T(a_policy_that_takes_effect_during_the_upload_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
