/* Objects in, objects out; slots; dedup; erasure; the turn; reopening. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "base/text.h"
#include "fixture.h"
#include "vault/vault_priv.h"

static void objects_of_every_awkward_size_come_back(void **state)
{
    static const size_t size[] = {0,      1,      65535,      65536,     65537,
                                  131071, 131072, 131072 + 1, 3 * 65536, 1500000};
    struct fixture *f = *state;
    uint8_t *p = malloc(1500000);

    assert_non_null(p);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ARRAY_LEN(size); i++) {
            fixture_bytes(p, size[i], i);
            if (round == 0)
                assert_int_equal(fixture_store(f, i, p, size[i], NULL), 0);
        }
        for (unsigned i = 0; i < ARRAY_LEN(size); i++) {
            fixture_bytes(p, size[i], i);
            assert_int_equal(fixture_check(f, i, p, size[i]), 0);
        }
        fixture_close(f);
        assert_int_equal(fixture_open(f), 0);
        assert_true(f->report.clean);
        assert_int_equal(f->report.damaged, 0);
        assert_int_equal(f->report.ledger_size, ARRAY_LEN(size));
    }
    free(p);
}

static void the_hash_is_that_of_the_plaintext(void **state)
{
    /* FIPS 180-4 example: SHA-256("abc") */
    static const uint8_t want[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                     0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                     0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                     0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    struct fixture *f = *state;
    struct vault_put *p;
    struct digest d;
    uint64_t size;

    assert_int_equal(vault_put_begin(&p, f->v), 0);
    assert_int_equal(vault_put_append(p, "a", 1), 0);
    assert_int_equal(vault_put_append(p, "bc", 2), 0);
    assert_int_equal(vault_put_finish(p, &d, &size), 0);
    assert_memory_equal(d.b, want, 32);
    assert_int_equal(size, 3);
    assert_int_equal(vault_put_append(p, "d", 1), -EINVAL);
    vault_put_abort(p);
}

/* Written at the place that the put gives: the same object as appended. */
static void a_put_can_be_written_in_place(void **state)
{
    static const size_t sizes[] = {0,     1, 16384, VAULT_CHUNK - 1, VAULT_CHUNK, VAULT_CHUNK + 1,
                                   300000};
    struct fixture *f = *state;
    uint8_t *p = malloc(300000);
    struct vault_group *g;
    struct digest d, want;
    struct vault_put *put;
    bool again;

    assert_non_null(p);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        uint64_t size;
        uint8_t *into;
        size_t room;

        fixture_bytes(p, sizes[i], 900 + i);
        assert_int_equal(vault_put_begin(&put, f->v), 0);
        for (size_t at = 0, n; at < sizes[i]; at += n) {
            assert_int_equal(vault_put_room(put, &into, &room), 0);
            assert_true(room > 0);
            n = sizes[i] - at < 9999 ? sizes[i] - at : 9999;
            n = n < room ? n : room;
            memcpy(into, p + at, n);
            if (at == 0)
                assert_int_equal(vault_put_came(put, room + 1), -EINVAL);
            assert_int_equal(vault_put_came(put, n), 0);
        }
        assert_int_equal(vault_put_finish(put, &d, &size), 0);
        assert_int_equal(size, sizes[i]);
        sha256_of(p, sizes[i], &want);
        assert_memory_equal(&d, &want, sizeof(d));
        assert_int_equal(vault_put_room(put, &into, &room), -EINVAL);
        assert_int_equal(vault_put_came(put, 0), -EINVAL);
        assert_int_equal(vault_group_begin(&g, f->v), 0);
        assert_int_equal(fixture_join(g, 900 + i, put, &again), 0);
        assert_int_equal(vault_group_commit(g, NULL, NULL, NULL), 0);
        assert_int_equal(fixture_check(f, 900 + i, p, sizes[i]), 0);
    }
    free(p);
}

static void puts_in_flight_interleave(void **state)
{
    enum { N = 12, SIZE = 300000, STEP = 7001 };
    struct fixture *f = *state;
    struct vault_put *put[N];
    struct vault_group *g;
    struct id128 ref, sub, object;
    struct digest d;
    uint64_t size;
    uint8_t *p = malloc(SIZE);
    bool again;

    assert_non_null(p);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(vault_put_begin(&put[i], f->v), 0);
    for (size_t at = 0; at < SIZE; at += STEP)
        for (unsigned i = 0; i < N; i++) {
            fixture_bytes(p, SIZE, i);
            assert_int_equal(vault_put_append(put[i], p + at, SIZE - at < STEP ? SIZE - at : STEP),
                             0);
        }
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    for (unsigned i = 0; i < N; i++) {
        char blob[8] = "blob-xx";
        int n = i < 10 ? 6 : 7;

        blob[5] = i < 10 ? (char)('0' + i) : '1';
        blob[6] = (char)('0' + i % 10);
        fixture_id(&ref, i);
        fixture_id(&sub, i + 1000000);
        assert_int_equal(vault_put_finish(put[i], &d, &size), 0);
        assert_int_equal(
            vault_group_put(g, put[i], &ref, &sub, span_of(blob, (size_t)n), &again, &object), 0);
    }
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    for (unsigned i = 0; i < N; i++) {
        fixture_bytes(p, SIZE, i);
        assert_int_equal(fixture_check(f, i, p, SIZE), 0);
    }
    free(p);
}

static void the_same_bytes_are_kept_once_with_a_slot_each(void **state)
{
    struct fixture *f = *state;
    struct id128 a, b, one, two;
    struct vault_slot_info i;
    uint8_t p[100000];
    bool again;

    fixture_bytes(p, sizeof(p), 1);
    assert_int_equal(fixture_store(f, 1, p, sizeof(p), &again), 0);
    assert_false(again);
    assert_int_equal(fixture_store(f, 2, p, sizeof(p), &again), 0);
    assert_true(again);
    fixture_id(&a, 1);
    fixture_id(&b, 2);
    assert_int_equal(vault_slot_info(f->v, &a, &i, &f->e), 0);
    one = i.object;
    vault_slot_info_done(&i);
    assert_int_equal(vault_slot_info(f->v, &b, &i, &f->e), 0);
    two = i.object;
    vault_slot_info_done(&i);
    assert_memory_equal(&one, &two, sizeof(one));

    assert_int_equal(fixture_destroy(f, 1), 0);
    assert_int_equal(fixture_check(f, 1, p, sizeof(p)), -ENOENT);
    assert_int_equal(fixture_check(f, 2, p, sizeof(p)), 0);
    assert_int_equal(fixture_destroy(f, 2), 0);
    assert_int_equal(fixture_check(f, 2, p, sizeof(p)), -ENOENT);
    /* nobody holds it: the third submission brings its own bytes */
    assert_int_equal(fixture_store(f, 3, p, sizeof(p), &again), 0);
    assert_false(again);
    assert_int_equal(fixture_check(f, 3, p, sizeof(p)), 0);
}

static void the_same_bytes_twice_in_one_group_are_kept_once(void **state)
{
    struct fixture *f = *state;
    struct vault_group *g;
    uint8_t p[1000];
    bool again;

    fixture_bytes(p, sizeof(p), 1);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(fixture_add(f, g, 1, p, sizeof(p), &again), 0);
    assert_false(again);
    assert_int_equal(fixture_add(f, g, 2, p, sizeof(p), &again), 0);
    assert_true(again);
    assert_int_equal(fixture_add(f, g, 2, p, sizeof(p), &again), -EEXIST);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    assert_int_equal(fixture_check(f, 1, p, sizeof(p)), 0);
    assert_int_equal(fixture_check(f, 2, p, sizeof(p)), 0);
}

static void a_turn_keeps_the_live_and_finds_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    uint8_t p[70000];
    bool again;

    for (unsigned i = 0; i < 10; i++) {
        fixture_bytes(p, sizeof(p), i);
        assert_int_equal(fixture_store(f, i, p, sizeof(p), NULL), 0);
    }
    assert_int_equal(fixture_destroy(f, 4), 0);
    assert_int_equal(vault_epoch(f->v), 1);
    for (unsigned turn = 2; turn < 5; turn++) {
        assert_int_equal(fixture_turn(f), 0);
        assert_int_equal(vault_epoch(f->v), turn);
        assert_int_equal(vault_epoch_oldest(f->v), turn);
        assert_int_equal(f->ring->ops->have(f->ring, turn - 1), -ENOENT);
        fixture_close(f);
        assert_int_equal(fixture_open(f), 0);
        for (unsigned i = 0; i < 10; i++) {
            fixture_bytes(p, sizeof(p), i);
            assert_int_equal(fixture_check(f, i, p, sizeof(p)), i == 4 ? -ENOENT : 0);
        }
    }
    fixture_bytes(p, sizeof(p), 7);
    assert_int_equal(fixture_store(f, 100, p, sizeof(p), &again), 0);
    assert_true(again);
    fixture_bytes(p, sizeof(p), 4);
    assert_int_equal(fixture_store(f, 101, p, sizeof(p), &again), 0);
    assert_false(again);
}

struct seen {
    unsigned groups, leaves, live, dead, notes, dead_notes, destroyed, epochs;
    uint64_t next_leaf;
};

static int see(void *arg, const struct vault_group_view *g)
{
    struct seen *s = arg;

    s->groups++;
    assert_int_equal(g->ledger_before, s->next_leaf);
    s->next_leaf += g->n_leaves;
    s->leaves += (unsigned)g->n_leaves;
    for (size_t i = 0; i < g->n_slots; i++)
        *(g->slots[i].live ? &s->live : &s->dead) += 1;
    for (size_t i = 0; i < g->n_notes; i++) {
        *(g->notes[i].live ? &s->notes : &s->dead_notes) += 1;
        if (g->notes[i].live && g->notes[i].sealed)
            assert_memory_equal(g->notes[i].text.p, "sealed note", 11);
    }
    s->destroyed += (unsigned)g->n_destroyed;
    s->epochs += (unsigned)g->n_epochs;
    return 0;
}

static int note(struct fixture *f, unsigned n)
{
    struct vault_group *g;
    struct id128 ref;
    int rc;

    fixture_id(&ref, n);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    rc = vault_group_note(g, &ref, span_str("sealed note"));
    if (rc != 0) {
        vault_group_abort(g);
        return rc;
    }
    return vault_group_commit(g, NULL, NULL, &f->e);
}

static void an_old_key_is_not_retired_while_a_slot_needs_it(void **state)
{
    struct fixture *f = *state;
    struct vault_group *g;
    const char *word;
    uint64_t epoch;
    bool left;

    assert_int_equal(fixture_store(f, 1, "one", 3, NULL), 0);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_turn_begin(g, &epoch, &f->e), 0);
    assert_int_equal(epoch, 2);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    assert_int_equal(fixture_store(f, 2, "two", 3, NULL), 0); /* under the new key */
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_turn_begin(g, &epoch, &f->e), -EINVAL);
    assert_int_equal(vault_turn_destroy(g, &epoch, &word, &f->e), -EAGAIN);
    assert_int_equal(vault_turn_step(g, 10, &left, &f->e), 0);
    assert_false(left);
    assert_int_equal(vault_turn_retire(g, &f->e), -EAGAIN); /* the new wraps are not durable */
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_turn_retire(g, &f->e), 0);
    assert_int_equal(vault_turn_destroy(g, &epoch, &word, &f->e), -EAGAIN);
    assert_int_equal(f->ring->ops->have(f->ring, 1), 0);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_turn_destroy(g, &epoch, &word, &f->e), 0);
    assert_int_equal(epoch, 1);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    assert_int_equal(fixture_check(f, 1, "one", 3), 0);
    assert_int_equal(fixture_check(f, 2, "two", 3), 0);
}

/* What a commit shows, and what a replay shows of the same groups. */
struct shown {
    char text[8192];
    size_t n;
};

static int show(void *arg, const struct vault_group_view *g)
{
    struct shown *s = arg;
    char hex[33];

#define SAY(...)                                                                                   \
    s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, __VA_ARGS__);                 \
    assert_true(s->n < sizeof(s->text))
    SAY("%llu %llu:", (unsigned long long)g->seq, (unsigned long long)g->ledger_before);
    for (size_t i = 0; i < g->n_leaves; i++) {
        SAY(" leaf %.*s", (int)g->leaves[i].n, (const char *)g->leaves[i].p);
    }
    for (size_t i = 0; i < g->n_slots; i++) {
        const struct vault_slot_view *v = &g->slots[i];

        text_id(hex, &v->ref);
        SAY(" slot %s %d %llu %.*s", hex, v->live, (unsigned long long)v->size, (int)v->blob.n,
            (const char *)v->blob.p);
        text_id(hex, &v->object);
        SAY(" %s", hex);
        text_id(hex, &v->sub);
        SAY(" %s", hex);
    }
    for (size_t i = 0; i < g->n_destroyed; i++) {
        text_id(hex, &g->destroyed[i]);
        SAY(" destroyed %s", hex);
    }
    for (size_t i = 0; i < g->n_notes; i++) {
        text_id(hex, &g->notes[i].ref);
        SAY(" note %d %d %s %.*s", g->notes[i].sealed, g->notes[i].live, hex,
            (int)g->notes[i].text.n, (const char *)g->notes[i].text.p);
    }
    for (size_t i = 0; i < g->n_epochs; i++) {
        SAY(" epoch %d %llu", (int)g->epochs[i].event, (unsigned long long)g->epochs[i].epoch);
    }
    SAY("\n");
#undef SAY
    return 0;
}

static void a_commit_shows_what_a_replay_would(void **state)
{
    struct fixture *f = *state;
    struct shown *now = calloc(1, sizeof(*now)), *later = calloc(1, sizeof(*later));
    uint64_t from = vault_seq(f->v), epoch;
    struct vault_group *g;
    struct id128 ref;

    assert_true(now != NULL && later != NULL);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(fixture_add(f, g, 1, "one", 3, NULL), 0);
    assert_int_equal(fixture_add(f, g, 2, "", 0, NULL), 0);
    assert_int_equal(fixture_add(f, g, 3, "one", 3, NULL), 0); /* the content is here already */
    assert_int_equal(vault_group_leaf(g, span_str("a leaf")), 0);
    assert_int_equal(vault_group_leaf(g, span_str("another")), 0);
    fixture_id(&ref, 2);
    assert_int_equal(vault_group_note(g, &ref, span_str("of the second")), 0);
    assert_int_equal(vault_group_note(g, NULL, span_str("of nobody")), 0);
    fixture_id(&ref, 1);
    assert_int_equal(vault_group_note(g, &ref, span_of(NULL, 0)), 0);
    assert_int_equal(vault_group_commit(g, show, now, &f->e), 0);
    assert_int_equal(vault_replay(f->v, from, 100, show, later, &f->e), 0);
    assert_string_equal(now->text, later->text);
    assert_non_null(strstr(now->text, "of the second"));
    assert_non_null(strstr(now->text, "blob-3"));

    from = vault_seq(f->v);
    now->n = later->n = 0;
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_turn_begin(g, &epoch, &f->e), 0);
    assert_int_equal(vault_group_note(g, &ref, span_str("dies with it")), 0);
    assert_int_equal(vault_group_destroy(g, &ref), 0);
    assert_int_equal(vault_group_commit(g, show, now, &f->e), 0);
    assert_int_equal(vault_replay(f->v, from, 100, show, later, &f->e), 0);
    assert_string_equal(now->text, later->text);
    assert_null(strstr(now->text, "dies with it"));
    assert_non_null(strstr(now->text, "epoch"));
    free(now);
    free(later);
}

/* A put's chunk that was given space in an older segment is written late: until it is durable the
 * mark stays before it, for recovery copies what may lie in memory only from the mark's segment on.
 */
static void a_checkpoint_does_not_pass_a_chunk_that_is_not_durable(void **state)
{
    struct fixture *f = *state;
    uint8_t *p = calloc(1, 900000);
    struct segment *s;
    uint64_t at;

    assert_non_null(p);
    fixture_bytes(p, 900000, 1);
    assert_int_equal(fixture_store(f, 1, p, 900000, NULL), 0); /* most of a segment of 1 MiB */
    assert_int_equal(vault_checkpoint(f->v, &f->e), 0);
    assert_int_equal(f->v->mark.seq, vault_seq(f->v));
    assert_int_equal(vault_segment_alloc(f->v, 1000, false, &s, &at), 0); /* a slow thread's */
    assert_int_equal(fixture_store(f, 2, p + 1, 500000, NULL), 0);        /* in the next one */
    assert_int_equal(f->v->last.segment, 2);
    assert_int_equal(vault_checkpoint(f->v, &f->e), 0);
    assert_true(f->v->mark.seq < vault_seq(f->v));
    assert_int_equal(f->v->mark.segment, 1);
    assert_int_equal(vault_segment_write(f->v, s, p, 1000, at), 0);
    assert_int_equal(vault_checkpoint(f->v, &f->e), 0);
    assert_int_equal(f->v->mark.segment, 1); /* written, not synced */
    assert_int_equal(fixture_store(f, 3, "three", 5, NULL), 0);
    assert_int_equal(vault_checkpoint(f->v, &f->e), 0);
    assert_int_equal(f->v->mark.segment, 2);
    assert_int_equal(f->v->mark.seq, vault_seq(f->v));
    free(p);
}

static void a_rebuild_delivers_everything_that_lives(void **state)
{
    struct fixture *f = *state;
    struct seen s = {0}, tail = {0};
    uint8_t p[2000];

    for (unsigned i = 0; i < 5; i++) {
        fixture_bytes(p, sizeof(p), i);
        assert_int_equal(fixture_store(f, i, p, sizeof(p), NULL), 0);
        assert_int_equal(note(f, i), 0);
    }
    assert_int_equal(note(f, 77), -ENOENT);
    assert_int_equal(fixture_destroy(f, 3), 0);
    assert_int_equal(fixture_turn(f), 0);
    fixture_close(f);
    assert_int_equal(fixture_open(f), 0); /* with an empty index */
    assert_int_equal(vault_replay(f->v, 0, 0, see, &s, &f->e), 0);
    assert_int_equal(s.groups, vault_seq(f->v));
    assert_int_equal(s.leaves, 5);
    assert_int_equal(s.live, 4);
    assert_int_equal(s.dead, 1);
    assert_int_equal(s.dead_notes, 1);
    assert_int_equal(s.notes, 4);
    assert_int_equal(s.destroyed, 1);
    assert_int_equal(s.epochs, 4); /* 1 opened, 2 opened, 1 retired, 1 destroyed */

    /* only what is missing: the ledger has 4 leaves, the catalog everything */
    tail.next_leaf = 4;
    assert_int_equal(vault_replay(f->v, vault_seq(f->v), 4, see, &tail, &f->e), 0);
    assert_true(tail.groups > 0 && tail.groups < s.groups);
    assert_int_equal(tail.leaves, 1);
}

static void an_index_that_lags_gets_what_it_lacks_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct vault_index *old;
    struct id128 ref;
    struct vault_slot_row row;
    uint64_t seq;

    assert_int_equal(fixture_store(f, 1, "one", 3, NULL), 0);
    assert_int_equal(fixture_store(f, 2, "two", 3, NULL), 0);
    old = f->index;
    f->index = NULL;
    fixture_close(f);
    assert_int_equal(fixture_open(f), 0); /* with another */
    assert_int_equal(fixture_store(f, 3, "three", 5, NULL), 0);
    assert_int_equal(fixture_destroy(f, 1), 0);
    assert_int_equal(fixture_turn(f), 0);
    assert_int_equal(fixture_store(f, 4, "four", 4, NULL), 0);
    seq = vault_seq(f->v);
    fixture_close(f);

    fixture_id(&ref, 2); /* would come back if its group were applied again */
    assert_int_equal(old->ops->find_slot(old, &ref, &row), 0);
    assert_int_equal(old->ops->drop_slot(old, &ref), 0);
    f->index = old;
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(old->ops->applied(old, &seq), 0);
    assert_int_equal(seq, vault_seq(f->v));
    assert_int_equal(fixture_check(f, 1, "one", 3), -ENOENT);
    assert_int_equal(fixture_check(f, 2, "two", 3), -ENOENT);
    assert_int_equal(fixture_check(f, 3, "three", 5), 0);
    assert_int_equal(fixture_check(f, 4, "four", 4), 0);
}

static int seal_inside(void *arg, const struct vault_group_view *g)
{
    struct fixture *f = arg;
    uint8_t sealed[4 + VAULT_SEAL_EXTRA], text[4];

    assert_int_equal(g->n_slots, 1);
    assert_true(g->slots[0].live);
    assert_int_equal(g->slots[0].size, 5);
    assert_memory_equal(g->slots[0].blob.p, "blob-1", 6);
    assert_int_equal(vault_seal_text(f->v, &g->slots[0].ref, span_str("text"), sealed), 0);
    assert_int_equal(
        vault_unseal_text(f->v, &g->slots[0].ref, span_of(sealed, sizeof(sealed)), text), 0);
    assert_memory_equal(text, "text", 4);
    sealed[20] ^= 1;
    assert_int_equal(
        vault_unseal_text(f->v, &g->slots[0].ref, span_of(sealed, sizeof(sealed)), text), -EBADMSG);
    return -EIO; /* is ignored */
}

static void the_committer_sees_its_group_and_may_seal(void **state)
{
    struct fixture *f = *state;
    struct vault_group *g;

    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(fixture_add(f, g, 1, "12345", 5, NULL), 0);
    assert_int_equal(vault_group_commit(g, seal_inside, f, &f->e), 0);
}

static void what_is_out_of_order_is_refused(void **state)
{
    struct fixture *f = *state;
    struct vault_group *g, *g2;
    struct vault_put *p;
    struct id128 id;
    struct digest d;
    uint64_t n;
    bool b;

    fixture_id(&id, 1);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_group_begin(&g2, f->v), -EINVAL);
    assert_int_equal(vault_put_begin(&p, f->v), 0);
    assert_int_equal(vault_group_put(g, p, &id, &id, span_str(""), &b, &id), -EINVAL);
    vault_put_abort(p);
    assert_int_equal(vault_group_destroy(g, &id), -ENOENT);
    assert_int_equal(vault_group_leaf(g, span_str("")), -EINVAL);
    assert_int_equal(vault_turn_step(g, 1, &b, &f->e), -EINVAL);
    assert_int_equal(vault_turn_retire(g, &f->e), -EINVAL);
    assert_int_equal(vault_reclaim(f->v, 1, &n, &f->e), -EINVAL);
    vault_group_abort(g);
    sha256_of("x", 1, &d);
    assert_int_equal(vault_find(f->v, &d, &id), -ENOENT);
    assert_int_equal(fixture_store(f, 1, "x", 1, NULL), 0);
    assert_int_equal(vault_find(f->v, &d, &id), 0);
    /* a group with nothing in it is no group */
    n = vault_seq(f->v);
    assert_int_equal(vault_group_begin(&g, f->v), 0);
    assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    assert_int_equal(vault_seq(f->v), n);
}

static void aborted_and_doubled_bytes_are_reclaimed(void **state)
{
    struct fixture *f = *state;
    struct vault_group *g;
    struct vault_put *p;
    uint8_t *b = malloc(200000);
    uint64_t bytes;

    assert_non_null(b);
    fixture_bytes(b, 200000, 1);
    assert_int_equal(fixture_store(f, 1, b, 200000, NULL), 0);
    assert_int_equal(vault_reclaim(f->v, 100, &bytes, &f->e), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(fixture_store(f, 2, b, 200000, NULL), 0); /* again: its bytes are waste */
    assert_int_equal(vault_put_begin(&p, f->v), 0);
    assert_int_equal(vault_put_append(p, b, 100000), 0); /* one chunk is out */
    vault_put_abort(p);
    assert_int_equal(vault_group_begin(&g, f->v), 0); /* would have said so */
    vault_group_abort(g);
    assert_int_equal(fixture_store(f, 3, "x", 1, NULL), 0);
    assert_int_equal(vault_reclaim(f->v, 100, &bytes, &f->e), 0);
    assert_int_equal(bytes, (200000 + 4 * 16) + (65536 + 16));
    assert_int_equal(fixture_check(f, 1, b, 200000), 0);
    assert_int_equal(fixture_destroy(f, 1), 0);
    assert_int_equal(fixture_destroy(f, 2), 0);
    assert_int_equal(vault_reclaim(f->v, 100, &bytes, &f->e), 0);
    assert_int_equal(bytes, 200000 + 4 * 16);
    assert_int_equal(fixture_check(f, 3, "x", 1), 0);
    fixture_close(f);
    assert_int_equal(fixture_open(f), 0);
    assert_int_equal(fixture_check(f, 3, "x", 1), 0);
    free(b);
}

static void full_segments_are_sealed_and_scrub_reads_all(void **state)
{
    struct fixture *f = *state;
    struct vault_scrub s;
    struct vault_group *g;
    uint8_t *b = malloc(700000);
    uint32_t sealed;

    assert_non_null(b);
    for (unsigned i = 0; i < 5; i++) {
        fixture_bytes(b, 700000, i);
        assert_int_equal(fixture_store(f, i, b, 700000, NULL), 0);
    }
    for (uint32_t want = 1; want < 4; want++) {
        assert_int_equal(vault_group_begin(&g, f->v), 0);
        assert_int_equal(vault_seal_segment(g, &sealed, &f->e), 0);
        assert_int_equal(sealed, want);
        assert_int_equal(vault_group_commit(g, NULL, NULL, &f->e), 0);
    }
    assert_int_equal(vault_scrub(f->v, &s, NULL, NULL, &f->e), 0);
    assert_int_equal(s.objects, 5);
    assert_int_equal(s.bytes, 5 * 700000);
    assert_int_equal(s.segments, 3);
    assert_int_equal(s.bad_objects, 0);
    assert_int_equal(s.bad_segments, 0);
    free(b);
}

static void a_second_process_is_kept_out(void **state)
{
    struct fixture *f = *state;
    struct store *s;

    assert_int_equal(store_dir_open(&s, f->vault, &f->e), -EBUSY);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(objects_of_every_awkward_size_come_back),
        T(the_hash_is_that_of_the_plaintext),
        T(puts_in_flight_interleave),
        T(a_put_can_be_written_in_place),
        T(the_same_bytes_are_kept_once_with_a_slot_each),
        T(the_same_bytes_twice_in_one_group_are_kept_once),
        T(a_turn_keeps_the_live_and_finds_the_same_bytes),
        T(an_old_key_is_not_retired_while_a_slot_needs_it),
        T(a_commit_shows_what_a_replay_would),
        T(a_checkpoint_does_not_pass_a_chunk_that_is_not_durable),
        T(a_rebuild_delivers_everything_that_lives),
        T(an_index_that_lags_gets_what_it_lacks_and_no_more),
        T(the_committer_sees_its_group_and_may_seal),
        T(what_is_out_of_order_is_refused),
        T(aborted_and_doubled_bytes_are_reclaimed),
        T(full_segments_are_sealed_and_scrub_reads_all),
        T(a_second_process_is_kept_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
