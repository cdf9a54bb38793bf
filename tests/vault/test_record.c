/* The commit record against bytes that were made from docs/vault.md by another program
 * (fuzz/corpus/journal). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "vault/record_priv.h"

static const char *dir;

static void load(const char *name, struct buf *b)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    buf_init(b, 100000);
    assert_int_equal(io_read_file(AT_FDCWD, path, b), 0);
}

static void records_made_from_the_document_are_understood(void **state)
{
    static const struct {
        const char *name;
        enum record_section section;
        uint32_t n;
    } good[] = {{"put", RECORD_OBJECTS, 1},    {"put", RECORD_SLOTS, 1},
                {"put", RECORD_LEAVES, 1},     {"two-extents", RECORD_OBJECTS, 1},
                {"rewrap", RECORD_REWRAPS, 1}, {"destroyed", RECORD_DESTROYED, 2},
                {"notes", RECORD_NOTES, 2},    {"epochs", RECORD_EPOCHS, 3},
                {"seals", RECORD_SEALS, 1},    {"seals", RECORD_UNSEALS, 1},
                {"seals", RECORD_DROPPED, 1},  {"empty", RECORD_OBJECTS, 0}};
    struct record r;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        load(good[i].name, &b);
        assert_int_equal(vault_record_parse(buf_span(&b), &r), 0);
        assert_int_equal(r.sec[good[i].section].n, good[i].n);
        assert_int_equal(r.head.self.seq, 2);
        assert_int_equal(r.head.self.segment, 1);
        assert_int_equal(r.head.self.at, 8192);
        assert_int_equal(r.head.prev.at, 4096);
        assert_int_equal(r.head.ledger_before, 5);
        assert_int_equal(r.head.epoch, 1);
        buf_free(&b);
    }
}

static void same_record(const struct record *a, const struct record *b)
{
    assert_memory_equal(&a->head.self.hash, &b->head.self.hash, sizeof(a->head.self.hash));
    assert_int_equal(a->head.self.seq, b->head.self.seq);
    assert_int_equal(a->head.self.at, b->head.self.at);
    assert_int_equal(a->head.self.length, b->head.self.length);
    assert_ptr_equal(a->base, b->base);
    for (int i = 0; i < RECORD_SECTIONS; i++) {
        assert_int_equal(a->sec[i].n, b->sec[i].n);
        assert_int_equal(a->sec[i].c.n, b->sec[i].c.n);
        assert_ptr_equal(a->sec[i].c.p, b->sec[i].c.p);
    }
}

static void
a_record_of_the_same_sections_has_the_same_bytes_and_is_read_as_it_was_meant(void **state)
{
    static const char *const all[] = {"put",   "two-extents", "rewrap", "destroyed",
                                      "notes", "epochs",      "seals",  "empty"};
    struct record r, parsed, own;
    struct record_draft d;
    struct buf b, made;

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        load(all[i], &b);
        assert_int_equal(vault_record_parse(buf_span(&b), &r), 0);
        vault_record_draft_init(&d);
        for (int s = 0; s < RECORD_SECTIONS; s++) {
            assert_int_equal(buf_put(&d.sec[s], r.sec[s].c.p, r.sec[s].c.n), 0);
            d.n[s] = r.sec[s].n;
        }
        buf_init(&made, 100000);
        assert_int_equal(vault_record_seal_up(&d, &r.head, &made), 0);
        assert_int_equal(made.len % RECORD_ALIGN, 0);
        assert_memory_equal(made.data, b.data, r.head.self.length);
        assert_int_equal(vault_record_parse(buf_span(&made), &parsed), 0);
        vault_record_own(&d, &r.head, made.data, &own);
        same_record(&own, &parsed);
        vault_record_draft_free(&d);
        buf_free(&made);
        buf_free(&b);
    }
}

static void hostile_records_are_refused_though_their_hash_is_right(void **state)
{
    static const char *const bad[] = {"hostile-count", "hostile-leaf-0", "hostile-event",
                                      "hostile-extents", "hostile-bytes"};
    struct record r;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        load(bad[i], &b);
        assert_int_equal(vault_record_parse(buf_span(&b), &r), -EBADMSG);
        buf_free(&b);
    }
}

static void any_changed_byte_and_any_cut_is_refused(void **state)
{
    struct record r;
    struct buf b;

    (void)state;
    load("put", &b);
    for (size_t i = 0; i < b.len; i++) {
        b.data[i] ^= 0x10;
        assert_int_equal(vault_record_parse(buf_span(&b), &r), -EBADMSG);
        b.data[i] ^= 0x10;
        assert_int_equal(vault_record_parse(span_of(b.data, i), &r), -EBADMSG);
    }
    assert_int_equal(vault_record_parse(buf_span(&b), &r), 0);
    buf_free(&b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_made_from_the_document_are_understood),
        cmocka_unit_test(
            a_record_of_the_same_sections_has_the_same_bytes_and_is_read_as_it_was_meant),
        cmocka_unit_test(hostile_records_are_refused_though_their_hash_is_right),
        cmocka_unit_test(any_changed_byte_and_any_cut_is_refused),
    };

    if (argc != 2)
        return 2;
    dir = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
