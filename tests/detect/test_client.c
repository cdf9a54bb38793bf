/* The client against an engine that this test plays itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "detect/protocol.h"
#include "rig.h"

struct rig {
    char folder[64];
    struct release *release;
    struct detect_client *client;
    struct msg_chan *engine;
};

static void attach(struct rig *r)
{
    struct msg m;
    int fd[2];

    msg_close(r->engine);
    r->engine = NULL;
    assert_int_equal(msg_pair(fd, NULL), 0);
    assert_int_equal(msg_open(&r->engine, fd[1], &detect_protocol, MSG_B, NULL), 0);
    assert_int_equal(detect_client_attach(r->client, fd[0], NULL), 0);
    assert_int_equal(msg_recv_wait(r->engine, &m, 1000, NULL), 0);
    assert_int_equal(m.type->type, DETECT_RULES);
}

static void hello(struct rig *r)
{
    struct detect_hello h = {.engine = "mock", .version = "1", .rules = 5};
    struct buf b;

    buf_init(&b, 100);
    assert_int_equal(protocol_put_hello(&b, &h), 0);
    assert_int_equal(msg_send(r->engine, DETECT_HELLO, 0, buf_span(&b), NULL), 0);
    buf_free(&b);
    msg_phase(r->engine, DETECT_SERVING);
    rig_turn(r->client);
    assert_int_equal(detect_client_state(r->client), DETECT_READY);
}

static int set_up(void **state)
{
    struct detect_limits limits = {.file_ms = 100, .load_ms = 50, .batches = 2};
    struct rig *r = calloc(1, sizeof(*r));

    (void)snprintf(r->folder, sizeof(r->folder), "/tmp/client-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    rig_rule(r->folder, "h.sha256",
             "1111111111111111111111111111111111111111111111111111111111111111 known\n");
    assert_int_equal(release_load(&r->release, r->folder, NULL), 0);
    assert_int_equal(detect_client_new(&r->client, r->release, &limits), 0);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    detect_client_free(r->client);
    msg_close(r->engine);
    release_free(r->release);
    rig_remove(r->folder);
    free(r);
    return 0;
}

static int submit(struct rig *r, uint64_t cookie, uint32_t files)
{
    struct detect_batch *b = NULL;
    void *where;
    int rc;

    assert_int_equal(detect_batch_new(&b), 0);
    for (uint32_t i = 0; i < files; i++) {
        assert_int_equal(detect_batch_add(b, 4, &where, cookie + i), 0);
        memcpy(where, "text", 4);
    }
    rc = detect_client_submit(r->client, b);
    if (rc != 0)
        detect_batch_free(b);
    return rc;
}

static void say(struct rig *r, uint64_t id, uint32_t index)
{
    struct detect_answer a = {.index = index, .child = 9};
    struct buf b;

    finding_init(&a.finding);
    buf_init(&b, 100);
    assert_int_equal(protocol_put_answer(&b, &a), 0);
    assert_int_equal(msg_send(r->engine, DETECT_VERDICT, id, buf_span(&b), NULL), 0);
    buf_free(&b);
    rig_turn(r->client);
}

static uint64_t batch_id(struct rig *r)
{
    struct msg m;

    assert_int_equal(msg_recv_wait(r->engine, &m, 1000, NULL), 0);
    assert_int_equal(m.type->type, DETECT_SCAN);
    return m.id;
}

static void nothing_is_taken_before_an_engine_serves(void **state)
{
    struct rig *r = *state;

    assert_true(detect_client_wants_engine(r->client, clock_mono()));
    assert_int_equal(submit(r, 1, 1), -EAGAIN);
    attach(r);
    assert_int_equal(submit(r, 1, 1), -EAGAIN);
    hello(r);
    assert_string_equal(detect_client_engine(r->client), "mock");
    assert_int_equal(detect_client_rules(r->client), 6); /* five and a hash */
    assert_int_equal(submit(r, 1, 1), 0);
    assert_int_equal(submit(r, 2, 1), 0);
    assert_int_equal(submit(r, 3, 1), -EAGAIN); /* two are out */
}

static void verdicts_come_back_with_their_cookies(void **state)
{
    struct rig *r = *state;
    struct detect_result got;
    uint64_t a, b;

    finding_init(&got.finding);
    attach(r);
    hello(r);
    assert_int_equal(submit(r, 10, 2), 0);
    assert_int_equal(submit(r, 20, 1), 0);
    a = batch_id(r);
    b = batch_id(r);
    say(r, b, 0);
    say(r, a, 0);
    say(r, a, 1);
    for (uint64_t want = 20; want != 0; want = want == 20 ? 10 : want == 10 ? 11 : 0) {
        assert_int_equal(detect_client_next(r->client, &got), 1);
        assert_true(got.cookie == want);
        assert_int_equal(got.finding.verdict, VERDICT_CLEAN);
        assert_int_equal(got.child, 9);
    }
    assert_int_equal(detect_client_next(r->client, &got), 0);
    assert_int_equal(detect_client_counts(r->client).in_flight, 0);
    assert_int_equal(detect_client_counts(r->client).clean, 3);
}

/* Whatever ends the engine: everything out is INCOMPLETE(engine), once, and back-off begins. */
static void expect_lost(struct rig *r, uint64_t first, size_t files)
{
    struct detect_result got;

    finding_init(&got.finding);
    assert_int_equal(detect_client_state(r->client), DETECT_DOWN);
    for (size_t i = 0; i < files; i++) {
        assert_int_equal(detect_client_next(r->client, &got), 1);
        assert_true(got.cookie == first + i);
        assert_int_equal(got.finding.verdict, VERDICT_INCOMPLETE);
        assert_int_equal(got.finding.reason, REASON_ENGINE);
    }
    assert_int_equal(detect_client_next(r->client, &got), 0);
    assert_false(detect_client_wants_engine(r->client, clock_mono()));
    assert_true(detect_client_wants_engine(r->client, clock_mono() + 30000));
    assert_int_not_equal(detect_client_trouble(r->client)[0], '\0');
}

static void an_engine_that_goes_leaves_no_file_without_a_result(void **state)
{
    struct rig *r = *state;

    attach(r);
    hello(r);
    assert_int_equal(submit(r, 30, 3), 0);
    msg_close(r->engine);
    r->engine = NULL;
    rig_turn(r->client);
    expect_lost(r, 30, 3);
}

static void an_engine_that_lies_is_dropped(void **state)
{
    struct rig *r = *state;
    uint64_t id;

    for (int lie = 0; lie < 4; lie++) {
        struct detect_result got;

        attach(r);
        hello(r);
        assert_int_equal(submit(r, 40, 2), 0);
        id = batch_id(r);
        finding_init(&got.finding);
        switch (lie) {
        case 0: /* out of order */
            say(r, id, 1);
            break;
        case 1: /* a batch nobody sent */
            say(r, id + 1, 0);
            break;
        case 2:
            say(r, 0, 0);
            break;
        case 3: /* twice */
            say(r, id, 0);
            assert_int_equal(detect_client_next(r->client, &got), 1);
            say(r, id, 0);
            break;
        }
        expect_lost(r, lie == 3 ? 41 : 40, lie == 3 ? 1 : 2);
    }
    assert_int_equal(detect_client_counts(r->client).engines_lost, 4);
}

static void back_off_doubles_up_to_half_a_minute(void **state)
{
    struct rig *r = *state;
    mono_ms wait[12];

    for (size_t i = 0; i < ARRAY_LEN(wait); i++) {
        attach(r);
        msg_close(r->engine);
        r->engine = NULL;
        rig_turn(r->client);
        wait[i] = detect_client_due(r->client) - clock_mono();
    }
    assert_in_range(wait[0], 50, 100);
    assert_in_range(wait[1], 150, 200);
    assert_in_range(wait[2], 350, 400);
    assert_in_range(wait[11], 29900, 30000);
}

static void an_engine_that_does_not_start_or_answer_in_time_is_dropped(void **state)
{
    struct rig *r = *state;

    attach(r);
    detect_client_step(r->client, clock_mono() + 40);
    assert_int_equal(detect_client_state(r->client), DETECT_STARTING);
    detect_client_step(r->client, clock_mono() + 51);
    assert_int_equal(detect_client_state(r->client), DETECT_DOWN);
    assert_non_null(strstr(detect_client_trouble(r->client), "did not start"));
    attach(r);
    hello(r);
    assert_true(detect_client_due(r->client) == INT64_MAX); /* idle: no deadline */
    assert_int_equal(submit(r, 50, 1), 0);
    detect_client_step(r->client, clock_mono() + 9000);
    assert_int_equal(detect_client_state(r->client), DETECT_READY);
    detect_client_step(r->client, clock_mono() + 10200);
    expect_lost(r, 50, 1);
}

static void the_engines_own_sentence_is_passed_on(void **state)
{
    struct rig *r = *state;

    attach(r);
    assert_int_equal(msg_send(r->engine, DETECT_FAILED, 0, span_str("a.yar:3: bad\033"), NULL), 0);
    rig_turn(r->client);
    assert_int_equal(detect_client_state(r->client), DETECT_DOWN);
    assert_string_equal(detect_client_trouble(r->client), "a.yar:3: bad?");
}

/* Whoever waits for its verdicts would take its members for those of the walk. */
static void an_engine_that_claims_to_open_containers_and_should_not_is_dropped(void **state)
{
    struct detect_hello h = {.engine = "mock", .version = "1", .rules = 5, .members = 1};
    struct rig *r = *state;
    struct buf b;

    attach(r);
    buf_init(&b, 100);
    assert_int_equal(protocol_put_hello(&b, &h), 0);
    assert_int_equal(msg_send(r->engine, DETECT_HELLO, 0, buf_span(&b), NULL), 0);
    buf_free(&b);
    rig_turn(r->client);
    assert_int_equal(detect_client_state(r->client), DETECT_DOWN);
    assert_string_equal(detect_client_trouble(r->client), "the engine's HELLO makes no sense");
}

static void a_known_hash_needs_no_engine(void **state)
{
    struct rig *r = *state;
    struct finding f;
    struct digest d;

    finding_init(&f);
    memset(d.b, 0x11, sizeof(d.b));
    assert_int_equal(detect_client_known(r->client, &d, &f), 1);
    assert_string_equal(buf_str(&f.names), "known");
    assert_int_equal(detect_client_counts(r->client).known, 1);
    finding_done(&f);
}

static void a_batch_ends_at_its_files_and_bytes(void **state)
{
    struct detect_batch *b = NULL;
    void *where;

    (void)state;
    assert_int_equal(detect_batch_new(&b), 0);
    assert_int_equal(detect_batch_add(b, DETECT_FILE_BYTES + 1, &where, 0), -E2BIG);
    for (int i = 0; i < DETECT_BATCH_FILES; i++)
        assert_int_equal(detect_batch_add(b, 1, &where, 0), 0);
    assert_int_equal(detect_batch_add(b, 1, &where, 0), -EAGAIN);
    detect_batch_free(b);
    assert_int_equal(detect_batch_new(&b), 0);
    assert_int_equal(detect_batch_add(b, DETECT_BATCH_BYTES - 64, &where, 0), 0);
    assert_int_equal(detect_batch_add(b, 65, &where, 0), -EAGAIN);
    assert_int_equal(detect_batch_add(b, 64, &where, 0), 0);
    assert_int_equal(detect_batch_add(b, 1, &where, 0), -EAGAIN);
    detect_batch_free(b);
    /* a lone file may be larger, but stays alone */
    assert_int_equal(detect_batch_new(&b), 0);
    assert_int_equal(detect_batch_add(b, DETECT_BATCH_BYTES + 1, &where, 0), 0);
    ((char *)where)[DETECT_BATCH_BYTES] = 'x';
    assert_int_equal(detect_batch_add(b, 1, &where, 0), -EAGAIN);
    assert_int_equal(detect_batch_count(b), 1);
    detect_batch_free(b);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(nothing_is_taken_before_an_engine_serves),
        EACH(verdicts_come_back_with_their_cookies),
        EACH(an_engine_that_goes_leaves_no_file_without_a_result),
        EACH(an_engine_that_lies_is_dropped),
        EACH(back_off_doubles_up_to_half_a_minute),
        EACH(an_engine_that_does_not_start_or_answer_in_time_is_dropped),
        EACH(the_engines_own_sentence_is_passed_on),
        EACH(an_engine_that_claims_to_open_containers_and_should_not_is_dropped),
        EACH(a_known_hash_needs_no_engine),
        cmocka_unit_test(a_batch_ends_at_its_files_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
