/* What witnesses that lie about the time can do to a site, and cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "site/keeper_priv.h"

#define WITNESSES 3
#define NEVER INT64_MIN

struct scene {
    struct keeper k;
    struct ed25519_key *key[1 + WITNESSES];
    struct note_signer log, w[WITNESSES];
};

static int set_up(void **state)
{
    static struct scene s;
    char vkey[CORE_VKEY_TEXT_MAX + 1], policy[4096], name[8];
    struct err e = ERR_INIT;
    size_t n;

    memset(&s, 0, sizeof(s));
    for (size_t i = 0; i <= WITNESSES; i++)
        assert_int_equal(ed25519_generate(&s.key[i]), 0);
    assert_int_equal(note_signer_init(&s.log, "example.com/log", VKEY_ED25519, s.key[0], &e), 0);
    note_vkey_format(&s.log.key, vkey);
    n = (size_t)snprintf(policy, sizeof(policy), "log %s\n", vkey);
    for (int i = 0; i < WITNESSES; i++) {
        (void)snprintf(name, sizeof(name), "w%d", i);
        assert_int_equal(note_signer_init(&s.w[i], name, VKEY_COSIGNATURE, s.key[1 + i], &e), 0);
        note_vkey_format(&s.w[i].key, vkey);
        n += (size_t)snprintf(policy + n, sizeof(policy) - n, "witness %s %s\n", name, vkey);
    }
    (void)snprintf(policy + n, sizeof(policy) - n, "group g 2 w0 w1 w2\nquorum g\n");
    if (tlog_policy_parse(&s.k.quorum, span_str(policy), &e) != 0)
        fail_msg("%s", err_text(&e));
    s.k.log_key = s.log.key;
    s.k.clock.has_witnesses = true;
    buf_init(&s.k.round.note, CORE_NOTE_MAX);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;

    for (size_t i = 0; i <= WITNESSES; i++)
        ed25519_free(s->key[i]);
    tlog_policy_free(s->k.quorum);
    buf_free(&s->k.round.note);
    return 0;
}

/* A checkpoint, cosigned by those that have answered: so many seconds from now. */
static void witnessed(struct scene *s, int64_t a, int64_t b, int64_t c)
{
    const int64_t off[WITNESSES] = {a, b, c};
    struct buf *note = &s->k.round.note;
    struct core_note split;
    struct digest root;
    struct err e = ERR_INIT;
    struct buf lines;
    unix_time now = clock_now();

    memset(&root, 7, sizeof(root));
    buf_reset(note);
    buf_init(&lines, 8192);
    assert_int_equal(note_checkpoint_make(note, 9, &root, &s->log, &e), 0);
    assert_int_equal(core_note_split(buf_span(note), &split), 0);
    for (int i = 0; i < WITNESSES; i++)
        if (off[i] != NEVER)
            assert_int_equal(note_cosign(&lines, split.text,
                                         off[i] > INT64_MAX - now ? INT64_MAX : now + off[i],
                                         &s->w[i], &e),
                             0);
    assert_int_equal(buf_put(note, lines.data, lines.len), 0);
    buf_free(&lines);
    keeper_clock_witnessed(&s->k, clock_mono());
}

static void is(struct scene *s, bool good, bool confirmed)
{
    assert_int_equal(keeper_clock_good(&s->k), good);
    assert_int_equal(keeper_clock_confirmed(&s->k), confirmed);
}

/* The first two that answer make the quorum: one liar may be half of it. */
static void one_of_three_that_lies_moves_nothing(void **state)
{
    static const int64_t lies[] = {-86400, -65, 65, 86400, 400000000, INT64_MAX};
    struct scene *s = *state;

    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        keeper_clock_confirm(&s->k);
        witnessed(s, lies[i], 0, NEVER);
        is(s, true, true);
        witnessed(s, NEVER, 0, lies[i]);
        is(s, true, true);
        witnessed(s, 0, lies[i], 0);
        is(s, true, true);
    }
}

static void most_of_them_say_that_the_clock_is_wrong(void **state)
{
    struct scene *s = *state;

    keeper_clock_confirm(&s->k);
    witnessed(s, -400, -400, NEVER);
    is(s, false, false);
    witnessed(s, 0, NEVER, 1);
    is(s, true, true);
    witnessed(s, -400, -400, 0); /* one that agrees does not outweigh them */
    is(s, false, false);
    witnessed(s, 0, -400, 0);
    is(s, true, true);
    witnessed(s, INT64_MAX, NEVER, INT64_MAX);
    keeper_clock_step(&s->k, clock_mono() + 10000);
    is(s, false, false);
}

/* The clock is ahead, as one of them says too: nothing is dated or ends on his word. */
static void one_that_agrees_with_a_wrong_clock_does_not_confirm_it(void **state)
{
    struct scene *s = *state;

    witnessed(s, -90000, 0, NEVER);
    assert_false(keeper_clock_confirmed(&s->k));
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(one_of_three_that_lies_moves_nothing),
        T(most_of_them_say_that_the_clock_is_wrong),
        T(one_that_agrees_with_a_wrong_clock_does_not_confirm_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
