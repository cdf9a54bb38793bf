/* Notes of the journal: what is written is read, what is cut short is refused, what is changed is
 * refused or is another note, never the same one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "site/keeper_notes.h"

#define LEAF UINT64_C(0x0102030405060708)
#define ID(x)                                                                                      \
    (struct id128)                                                                                 \
    {                                                                                              \
        {                                                                                          \
            x, x, x                                                                                \
        }                                                                                          \
    }
#define DIGEST(x)                                                                                  \
    (struct digest)                                                                                \
    {                                                                                              \
        {                                                                                          \
            x, x, x                                                                                \
        }                                                                                          \
    }

static struct note_accept an_accept(void)
{
    struct note_accept n;

    memset(&n, 0, sizeof(n));
    n.row.sub = ID(1);
    n.row.ref = ID(2);
    n.row.object = ID(3);
    memcpy(n.row.country, "CA", 3);
    memcpy(n.row.account, "edge", sizeof("edge"));
    n.row.kind = n.row.scope = CATALOG_FILE;
    n.row.statement = DIGEST(4);
    n.row.policy = DIGEST(5);
    n.row.accepted = 1700000000;
    memset(n.sub_key, 6, sizeof(n.sub_key));
    return n;
}

static struct note_scan a_scan(void)
{
    struct note_scan n;

    memset(&n, 0, sizeof(n));
    n.row.ref = ID(1);
    memcpy(n.row.engine, "yara", sizeof("yara"));
    memcpy(n.row.reason, "none", sizeof("none"));
    n.row.release = DIGEST(2);
    n.row.verdict = CATALOG_MALICIOUS;
    n.row.hits = 77;
    n.row.at = 1700000001;
    n.names = span_str("one\ntwo");
    return n;
}

static struct catalog_move a_move(void)
{
    struct catalog_move m;

    memset(&m, 0, sizeof(m));
    m.move = ID(9);
    memcpy(m.country, "CA", 3);
    memcpy(m.from, "mow1", sizeof("mow1"));
    memcpy(m.to, "zrh1", sizeof("zrh1"));
    m.state = CATALOG_MOVE_RECEIVED;
    m.policy = DIGEST(1);
    m.doc = DIGEST(2);
    m.set_root = DIGEST(3);
    m.cut = 1;
    m.count = 2;
    m.done = 3;
    m.epoch = 4;
    m.opened = 5;
    m.closed = 6;
    return m;
}

/* One record of every kind. */
static void write_one(struct buf *b, enum note_kind kind)
{
    const struct note_accept accept = an_accept();
    const struct note_scan scan = a_scan();
    const struct catalog_move move = a_move();
    const struct note_end end = {ID(1), CATALOG_ERASED, 1700000002, 3};
    const struct note_document document = {2, DIGEST(1), span_str("record")};
    const struct digest withdrawn = DIGEST(8);
    const struct note_rules rules = {DIGEST(1), "yara 4.5"};
    const struct note_tree tree = {ID(2), span_str("leaves")};
    const struct note_round round = {DIGEST(3), "walk.yara", 1700000003};
    const struct id128 renewed = ID(4);
    const struct digest tripped = DIGEST(5);
    int rc = -1;

    buf_init(b, 4096);
    switch (kind) {
    case NOTE_ACCEPT:
        rc = keeper_note_put_accept(b, &accept);
        break;
    case NOTE_END:
        rc = keeper_note_put_end(b, &end);
        break;
    case NOTE_SCAN:
        rc = keeper_note_put_scan(b, &scan);
        break;
    case NOTE_DOCUMENT:
        rc = keeper_note_put_document(b, &document);
        break;
    case NOTE_WITHDRAWN:
        rc = keeper_note_put_withdrawn(b, &withdrawn);
        break;
    case NOTE_RULES:
        rc = keeper_note_put_rules(b, &rules);
        break;
    case NOTE_MOVE:
        rc = keeper_note_put_move(b, &move);
        break;
    case NOTE_TREE:
        rc = keeper_note_put_tree(b, &tree);
        break;
    case NOTE_RENEWED:
        rc = keeper_note_put_renewed(b, &renewed);
        break;
    case NOTE_ROUND:
        rc = keeper_note_put_round(b, &round);
        break;
    case NOTE_TRIPPED:
        rc = keeper_note_put_tripped(b, &tripped);
        break;
    }
    assert_int_equal(rc, 0);
    keeper_note_set_leaf(b, LEAF);
}

static void read_one(struct buf *b, struct note *n)
{
    assert_int_equal(keeper_note_get(buf_span(b), n), 0);
    assert_true(n->leaf == LEAF);
}

static void submissions_and_verdicts_come_back(void **state)
{
    struct note n;
    struct buf b;

    (void)state;
    write_one(&b, NOTE_ACCEPT);
    read_one(&b, &n);
    assert_int_equal(n.kind, NOTE_ACCEPT);
    assert_int_equal(n.accept.row.sub.b[0], 1);
    assert_int_equal(n.accept.row.ref.b[0], 2);
    assert_int_equal(n.accept.row.object.b[0], 3);
    assert_string_equal(n.accept.row.country, "CA");
    assert_string_equal(n.accept.row.account, "edge");
    assert_int_equal(n.accept.row.statement.b[0], 4);
    assert_int_equal(n.accept.row.policy.b[0], 5);
    assert_int_equal(n.accept.row.accepted, 1700000000);
    assert_int_equal(n.accept.sub_key[31], 6);
    assert_int_equal(n.accept.row.state, CATALOG_LIVE);
    buf_free(&b);
    write_one(&b, NOTE_SCAN);
    read_one(&b, &n);
    assert_string_equal(n.scan.row.engine, "yara");
    assert_string_equal(n.scan.row.reason, "none");
    assert_int_equal(n.scan.row.verdict, CATALOG_MALICIOUS);
    assert_int_equal(n.scan.row.hits, 77);
    assert_true(span_is(n.scan.names, "one\ntwo"));
    buf_free(&b);
    write_one(&b, NOTE_END);
    read_one(&b, &n);
    assert_int_equal(n.end.state, CATALOG_ERASED);
    assert_int_equal(n.end.at, 1700000002);
    assert_int_equal(n.end.final_epoch, 3);
    buf_free(&b);
}

/* The records of before are those of verdicts that enforce. */
static void a_verdict_that_blocks_nothing_comes_back_as_one(void **state)
{
    struct note_scan scan = a_scan();
    struct note n;
    struct buf before, b;

    (void)state;
    write_one(&before, NOTE_SCAN);
    read_one(&before, &n);
    assert_false(n.scan.row.detect);
    scan.row.detect = true;
    buf_init(&b, 4096);
    assert_int_equal(keeper_note_put_scan(&b, &scan), 0);
    keeper_note_set_leaf(&b, LEAF);
    read_one(&b, &n);
    assert_true(n.scan.row.detect);
    assert_int_equal(n.scan.row.verdict, CATALOG_MALICIOUS);
    assert_int_equal(b.len, before.len);
    buf_free(&b);
    buf_free(&before);
}

static void rounds_come_back(void **state)
{
    struct note n;
    struct buf b;

    (void)state;
    write_one(&b, NOTE_ROUND);
    read_one(&b, &n);
    assert_int_equal(n.round.release.b[0], 3);
    assert_string_equal(n.round.engine, "walk.yara");
    assert_int_equal(n.round.at, 1700000003);
    buf_free(&b);
    write_one(&b, NOTE_RENEWED);
    read_one(&b, &n);
    assert_int_equal(n.renewed.b[0], 4);
    buf_free(&b);
    write_one(&b, NOTE_TRIPPED);
    read_one(&b, &n);
    assert_int_equal(n.tripped.b[2], 5);
    buf_free(&b);
}

static void documents_rules_and_moves_come_back(void **state)
{
    const struct catalog_move m = a_move();
    struct note n;
    struct buf b;

    (void)state;
    write_one(&b, NOTE_DOCUMENT);
    read_one(&b, &n);
    assert_int_equal(n.document.what, 2);
    assert_true(span_is(n.document.record, "record"));
    buf_free(&b);
    write_one(&b, NOTE_WITHDRAWN);
    read_one(&b, &n);
    assert_int_equal(n.withdrawn.b[2], 8);
    buf_free(&b);
    write_one(&b, NOTE_RULES);
    read_one(&b, &n);
    assert_string_equal(n.rules.engine, "yara 4.5");
    buf_free(&b);
    write_one(&b, NOTE_TREE);
    read_one(&b, &n);
    assert_int_equal(n.tree.ref.b[0], 2);
    assert_true(span_is(n.tree.tree, "leaves"));
    buf_free(&b);
    write_one(&b, NOTE_MOVE);
    read_one(&b, &n);
    assert_memory_equal(&n.move.set_root, &m.set_root, 32);
    assert_string_equal(n.move.from, "mow1");
    assert_string_equal(n.move.to, "zrh1");
    assert_int_equal(n.move.state, CATALOG_MOVE_RECEIVED);
    assert_int_equal(n.move.cut * 10000 + n.move.count * 1000 + n.move.done * 100, 12300);
    assert_int_equal(n.move.epoch * 100 + (uint64_t)n.move.opened * 10 + (uint64_t)n.move.closed,
                     456);
    buf_free(&b);
}

/* The open end of a record may be shorter; all else is of one length. */
static size_t least(enum note_kind kind, size_t len)
{
    return kind == NOTE_SCAN ? len - 7 : kind == NOTE_DOCUMENT || kind == NOTE_TREE ? len - 6 : len;
}

static void a_record_that_is_cut_short_or_too_long_is_refused(void **state)
{
    (void)state;
    for (int kind = NOTE_ACCEPT; kind <= NOTE_TRIPPED; kind++) {
        struct note n;
        struct buf b;

        write_one(&b, (enum note_kind)kind);
        for (size_t len = 0; len < least((enum note_kind)kind, b.len); len++)
            assert_int_equal(keeper_note_get(span_of(b.data, len), &n), -EBADMSG);
        if (least((enum note_kind)kind, b.len) == b.len) {
            assert_int_equal(buf_putc(&b, 0), 0);
            assert_int_equal(keeper_note_get(buf_span(&b), &n), -EBADMSG);
        }
        buf_free(&b);
    }
}

static void an_unknown_kind_and_a_nul_within_a_word_are_refused(void **state)
{
    struct note n;
    struct buf b;

    (void)state;
    write_one(&b, NOTE_RULES);
    b.data[b.len - 1] = 0; /* of "yara 4.5" */
    assert_int_equal(keeper_note_get(buf_span(&b), &n), -EBADMSG);
    b.data[b.len - 1] = '5';
    b.data[0] = 0;
    assert_int_equal(keeper_note_get(buf_span(&b), &n), -EBADMSG);
    b.data[0] = NOTE_TREE + 1;
    assert_int_equal(keeper_note_get(buf_span(&b), &n), -EBADMSG);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submissions_and_verdicts_come_back),
        cmocka_unit_test(a_verdict_that_blocks_nothing_comes_back_as_one),
        cmocka_unit_test(rounds_come_back),
        cmocka_unit_test(documents_rules_and_moves_come_back),
        cmocka_unit_test(a_record_that_is_cut_short_or_too_long_is_refused),
        cmocka_unit_test(an_unknown_kind_and_a_nul_within_a_word_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
