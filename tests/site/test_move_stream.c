/* A stream on its way between sites: nothing of it may change, come late, early, twice or short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "crypto/secret.h"
#include "site/move_stream.h"

struct keys {
    uint8_t pub[32], *priv;
    struct id128 move, sub;
    struct digest salt;
};

static int set_up(void **state)
{
    static struct keys k;

    k.priv = secret_alloc(32);
    assert_non_null(k.priv);
    box_keypair(k.pub, k.priv);
    k.move = random_id();
    k.sub = random_id();
    random_bytes(k.salt.b, sizeof(k.salt.b));
    *state = &k;
    return 0;
}

static int tear_down(void **state)
{
    secret_free(((struct keys *)*state)->priv, 32);
    return 0;
}

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 31 + (i >> 8));
}

static struct move_meta meta_of(uint64_t size)
{
    struct move_meta m;

    memset(&m, 0, sizeof(m));
    m.size = size;
    m.accepted = 1700000000;
    memcpy(m.country, "CA", 3);
    memcpy(m.account, "acme", 5);
    m.name_len = 3;
    memcpy(m.name, "a\0b", 3);
    memset(m.sha256.b, 7, 32);
    return m;
}

static void send_all(const struct keys *k, size_t size, struct buf *out)
{
    static uint8_t plain[3 * MOVE_CHUNK];
    struct move_meta meta = meta_of(size);
    struct move_sender *s = NULL;
    size_t at = 0;

    assert_true(size <= sizeof(plain));
    fill(plain, size);
    buf_init(out, 1 << 20);
    assert_int_equal(move_sender_new(&s, k->pub, &k->move, &k->sub, &k->salt, &meta, out), 0);
    do {
        size_t n = size - at < MOVE_CHUNK ? size - at : MOVE_CHUNK;

        assert_int_equal(move_sender_chunk(s, plain + at, n, at + n == size, out), 0);
        at += n;
    } while (at < size);
    move_sender_free(s);
}

static int sink(void *arg, const void *p, size_t n)
{
    return buf_put(arg, p, n);
}

/* 0 if all of it was accepted. */
static int receive(const struct keys *k, const struct id128 *sub, struct span s, size_t step,
                   struct buf *plain, struct move_meta *meta)
{
    struct move_receiver *r = NULL;
    const struct move_meta *m;
    int rc;

    buf_init(plain, 1 << 20);
    assert_int_equal(move_receiver_new(&r, k->priv, &k->move, sub, &k->salt), 0);
    rc = 0;
    for (size_t at = 0; at < s.n && rc == 0; at += step)
        rc = move_receiver_data(r, s.p + at, s.n - at < step ? s.n - at : step, sink, plain);
    if (rc == 0 && (rc = move_receiver_end(r, &m)) == 0)
        *meta = *m;
    move_receiver_free(r);
    return rc;
}

static int refused(const struct keys *k, struct span s)
{
    struct move_meta meta;
    struct buf plain;
    int rc = receive(k, &k->sub, s, 70000, &plain, &meta);

    buf_free(&plain);
    return rc;
}

static void a_stream_arrives_whole_in_any_pieces(void **state)
{
    static const size_t sizes[] = {
        0, 1, MOVE_CHUNK - 1, MOVE_CHUNK, MOVE_CHUNK + 1, 2 * MOVE_CHUNK};
    static const size_t steps[] = {1, 17, 65552, 1 << 20};
    const struct keys *k = *state;
    static uint8_t want[2 * MOVE_CHUNK];

    fill(want, sizeof(want));
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        for (size_t j = 0; j < ARRAY_LEN(steps); j++) {
            struct move_meta meta;
            struct buf wire, plain;

            send_all(k, sizes[i], &wire);
            assert_int_equal(receive(k, &k->sub, buf_span(&wire), steps[j], &plain, &meta), 0);
            assert_int_equal(plain.len, sizes[i]);
            if (plain.len > 0)
                assert_memory_equal(plain.data, want, plain.len);
            assert_int_equal(meta.size, sizes[i]);
            assert_string_equal(meta.account, "acme");
            assert_int_equal(meta.name_len, 3);
            assert_memory_equal(meta.name, "a\0b", 3);
            buf_free(&wire);
            buf_free(&plain);
        }
}

static void any_changed_byte_is_refused(void **state)
{
    const struct keys *k = *state;
    struct buf wire;

    send_all(k, 300, &wire);
    for (size_t i = 0; i < wire.len; i++)
        for (unsigned bit = 0; bit < 8; bit += 7) {
            wire.data[i] ^= (uint8_t)(1u << bit);
            if (refused(k, buf_span(&wire)) == 0)
                fail_msg("byte %zu changed, and nobody saw it", i);
            wire.data[i] ^= (uint8_t)(1u << bit);
        }
    assert_int_equal(refused(k, buf_span(&wire)), 0);
    buf_free(&wire);
}

static void any_cut_and_any_addition_is_refused(void **state)
{
    const struct keys *k = *state;
    struct buf wire;

    send_all(k, 300, &wire);
    for (size_t n = 0; n < wire.len; n++)
        assert_int_equal(refused(k, span_of(wire.data, n)), -EBADMSG);
    assert_int_equal(buf_putc(&wire, 0), 0);
    assert_int_equal(refused(k, buf_span(&wire)), -EBADMSG);
    buf_free(&wire);
}

static void chunks_that_change_places_are_refused(void **state)
{
    const struct keys *k = *state;
    const size_t sealed = MOVE_CHUNK + AEAD_TAG;
    uint8_t *first, hold[MOVE_CHUNK + AEAD_TAG];
    struct buf wire;

    send_all(k, 2 * MOVE_CHUNK, &wire);
    first = wire.data + wire.len - 2 * sealed;
    memcpy(hold, first, sealed);
    memcpy(first, first + sealed, sealed);
    memcpy(first + sealed, hold, sealed);
    assert_int_equal(refused(k, buf_span(&wire)), -EBADMSG);
    memcpy(first, hold, sealed); /* the first one twice */
    assert_int_equal(refused(k, buf_span(&wire)), -EBADMSG);
    buf_free(&wire);
}

static void a_stream_is_for_one_submission_and_one_site(void **state)
{
    const struct keys *k = *state;
    struct id128 other = random_id();
    struct move_meta meta;
    struct buf wire, plain;
    uint8_t pub[32], *wrong = secret_alloc(32);

    assert_non_null(wrong);
    send_all(k, 300, &wire);
    assert_int_equal(receive(k, &other, buf_span(&wire), 100, &plain, &meta), -EBADMSG);
    buf_free(&plain);
    box_keypair(pub, wrong);
    {
        struct keys stranger = *k;

        stranger.priv = wrong;
        assert_int_equal(refused(&stranger, buf_span(&wire)), -EBADMSG);
        stranger = *k; /* who knows the key, but not the move's salt */
        stranger.salt.b[31] ^= 1;
        assert_int_equal(refused(&stranger, buf_span(&wire)), -EBADMSG);
    }
    secret_free(wrong, 32);
    buf_free(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_arrives_whole_in_any_pieces),
        cmocka_unit_test(any_changed_byte_is_refused),
        cmocka_unit_test(any_cut_and_any_addition_is_refused),
        cmocka_unit_test(chunks_that_change_places_are_refused),
        cmocka_unit_test(a_stream_is_for_one_submission_and_one_site),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
