/* The keeper over longer times: a front that does not listen, epochs of a site that is restarted
 * all the time, more registers than fit into a byte. */
#include "keeper_rig.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "site/reader.h"

#define T(f) cmocka_unit_test_setup_teardown(f, keeper_rig_up, keeper_rig_down)

static const char hello[] = "a file of some bytes";

/* It would hold up everybody, ten seconds an answer: the keeper ends, and what it has stays. */
static void a_front_that_does_not_listen_ends_the_keeper(void **state)
{
    struct keeper_rig *r = *state;
    mono_ms began = clock_mono();
    struct rig_sub s;

    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello));
    while (clock_mono() < began + 30000 && !r->gone) {
        /* it only asks; the others go on, or the keeper would end for their sake */
        if (msg_send(r->front, FK_STATE, rig_id(r), span_of(NULL, 0), NULL) == -EAGAIN)
            (void)!msg_flush(r->front);
        rig_parts_only(r, 1);
    }
    assert_int_equal(rig_ended(r), 0);
    assert_true(rig_logged(r, "the front does not take an answer"));
    rig_start(r);
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
}

/* They run, and say nothing: each is waited for so long as no honest one needs. */
static void a_part_that_hangs_is_given_up(void **state)
{
    struct keeper_rig *r = *state;
    const struct pm_admin ask = {.what = ADMIN_PUBLISH, .document = READ_STATEMENT};
    unsigned asked = r->asked_reader;
    mono_ms began = clock_mono();
    struct msg_chan *admin;
    struct rig_sub s;
    char text[1024];

    r->read = NULL;
    r->cosign = NULL;
    rig_sub_new(r, &s, "CH");
    rig_submit(r, &s, hello, sizeof(hello)); /* which the witness is to see */
    admin = rig_admin_ask(r, &ask, "the document that it hangs on");
    rig_until(r, r->asked_reader > asked);
    while ((r->lost_courier == 0 || r->lost_reader == 0) && clock_mono() < began + 60000)
        rig_turn(r, 100);
    assert_true(r->lost_courier == 1 && r->lost_reader == 1);
    assert_in_range(clock_mono() - began, 15000, 59000);
    assert_int_equal(rig_admin_hear(r, admin, text), -EAGAIN);
    rig_new_courier(r);
    rig_new_reader(r);
    r->read = rig_read_honest;
    r->cosign = rig_cosign_honest;
    assert_int_equal(rig_admin_request(r, &ask, "another", text), 0);
    rig_settle(r);
    /* the signer has no other to take its place: the site begins anew */
    r->sign = NULL;
    began = clock_mono();
    assert_int_equal(msg_send(r->front, FK_STATE, rig_id(r), span_of(NULL, 0), NULL), 0);
    {
        struct rig_sub t;
        uint64_t id;

        rig_sub_new(r, &t, "CH");
        rig_open_sub(r, &t);
        id = rig_begin(r, &t);
        rig_data(r, id, hello, 5);
        rig_say(r, FK_PUT_END, id, NULL, 0);
        while (!r->gone && clock_mono() < began + 60000)
            rig_turn(r, 100);
        assert_true(r->gone);
        assert_int_equal(rig_ended(r), 0);
        assert_true(rig_logged(r, "the signer does not answer"));
        r->sign = rig_sign_honest;
        rig_start(r);
        rig_is_here(r, &t, hello, 5); /* stored, and now acknowledged */
        rig_sub_done(&t);
    }
    rig_is_here(r, &s, hello, sizeof(hello));
    rig_sub_done(&s);
}

/* Its clock does not begin anew with every start: else no key of a site that is restarted every day
 * would ever be destroyed. */
static void a_site_that_is_restarted_all_the_time_turns_its_epochs(void **state)
{
    struct keeper_rig *r = *state;
    uint64_t before = rig_metric(r, "site_epoch");

    for (int i = 0; i < 8 && rig_metric(r, "site_epoch_oldest") == before; i++) {
        mono_ms until = clock_mono() + 1500; /* of the 5 s that an epoch lasts here */

        while (clock_mono() < until)
            rig_turn(r, 100);
        rig_settle(r);
        rig_kill(r);
        rig_start(r);
    }
    assert_true(rig_metric(r, "site_epoch_oldest") > before);
}

/* This edition is in force, and is after a restart. */
static void in_force(struct keeper_rig *r, unsigned serial, const struct digest *doc)
{
    char said[1024], want[64];

    (void)snprintf(want, sizeof(want), "register serial %u,", serial);
    for (int again = 0; again < 2; again++) {
        struct pm_doc ask = {PROTO_DOC_REGISTER, 0};
        struct pm_file_is is;
        uint64_t id = rig_id(r);

        rig_say(r, FK_DOC, id, &ask, sizeof(ask));
        memcpy(&is, rig_answer(r, id, FK_FILE_IS, sizeof(is)), sizeof(is));
        assert_memory_equal(&is.digest, doc, sizeof(is.digest));
        assert_int_equal(rig_admin(r, ADMIN_STATUS, 0, NULL, said), 0);
        if (strstr(said, want) == NULL)
            fail_msg("no \"%s\" in: %s", want, said);
        rig_kill(r);
        rig_start(r);
    }
}

static void the_register_of_edition_300_follows_299(void **state)
{
    struct keeper_rig *r = *state;
    struct read_register reg;
    char text[64], said[1024];

    memset(&reg, 0, sizeof(reg));
    for (unsigned i = 1; i <= 300; i++) {
        reg.serial = i;
        reg.has_previous = i > 1;
        buf_reset(&r->record);
        rig_ok(read_register_encode(&reg, &r->record), NULL);
        (void)snprintf(text, sizeof(text), "edition %u", i);
        if (rig_admin(r, ADMIN_PUBLISH, READ_REGISTER, text, said) != 0)
            fail_msg("edition %u: %s", i, said);
        sha256_of(text, strlen(text), &reg.previous);
        if (i % 256 == 0 || i % 256 == 255 || i == 300)
            in_force(r, i, &reg.previous);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_front_that_does_not_listen_ends_the_keeper),
        T(a_part_that_hangs_is_given_up),
        T(a_site_that_is_restarted_all_the_time_turns_its_epochs),
        T(the_register_of_edition_300_follows_299),
    };

    keeper_rig_epoch = "5s";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
