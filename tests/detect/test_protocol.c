#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "detect/protocol.h"

#define BYTES(s) span_of(s, sizeof(s) - 1)

static void a_hello_has_two_labels_and_nothing_else(void **state)
{
    static const char *const bad[] = {"",
                                      "\0\0\0\1\0\0\0\0\4yara",
                                      "\0\0\0\1\0\0\0\0\4yAra\1"
                                      "4",
                                      "\0\0\0\1\0\0\0\0\4yara\0",
                                      "\0\0\0\1\0\0\0\0\4yara\1"
                                      "4x",
                                      "\0\0\0\1\0\0\0\2\4yara\1"
                                      "4"};
    static const size_t size[] = {0, 13, 15, 14, 16, 15};
    struct detect_hello h;

    (void)state;
    assert_int_equal(protocol_get_hello(BYTES("\0\0\1\2\0\0\0\1\4yara\5"
                                              "4.2.3"),
                                        &h),
                     0);
    assert_int_equal(h.rules, 258);
    assert_int_equal(h.members, 1);
    assert_string_equal(h.engine, "yara");
    assert_string_equal(h.version, "4.2.3");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(protocol_get_hello(span_of(bad[i], size[i]), &h), -EPROTO);
}

static struct detect_scan scan_of(uint32_t limit, uint32_t n, uint64_t offset, uint64_t size)
{
    struct detect_scan s = {.limit = limit, .total = 7, .n = n};

    for (uint32_t i = 0; i < n && i < DETECT_BATCH_FILES; i++) {
        s.file[i].offset = offset;
        s.file[i].size = size;
    }
    return s;
}

static int round_trip(struct detect_scan in, uint32_t claim)
{
    static struct detect_scan out;
    struct buf b;
    int rc;

    buf_init(&b, 12 + 16 * DETECT_BATCH_FILES);
    assert_int_equal(protocol_put_scan(&b, &in), 0);
    b.data[11] = (uint8_t)claim;
    rc = protocol_get_scan(buf_span(&b), &out);
    if (rc == 0) {
        assert_int_equal(out.limit, in.limit);
        assert_int_equal(out.total, 7);
        assert_int_equal(out.n, in.n);
        assert_memory_equal(out.file, in.file, in.n * sizeof(in.file[0]));
    }
    buf_free(&b);
    return rc;
}

static void a_scan_stays_in_its_limits(void **state)
{
    (void)state;
    assert_int_equal(round_trip(scan_of(1, 2, 64, 3), 2), 0);
    assert_int_equal(round_trip(scan_of(DETECT_TIME_MAX, 1, 0, DETECT_FILE_BYTES), 1), 0);
    assert_int_equal(round_trip(scan_of(0, 1, 0, 1), 1), -EPROTO);
    assert_int_equal(round_trip(scan_of(DETECT_TIME_MAX + 1, 1, 0, 1), 1), -EPROTO);
    assert_int_equal(round_trip(scan_of(1, 1, 0, DETECT_FILE_BYTES + 1), 1), -EPROTO);
    assert_int_equal(round_trip(scan_of(1, 1, UINT64_MAX, 1), 1), -EPROTO);
    assert_int_equal(round_trip(scan_of(1, 2, 0, 1), 1), -EPROTO); /* a file too many */
    assert_int_equal(round_trip(scan_of(1, 2, 0, 1), 3), -EPROTO); /* one too few */
    assert_int_equal(round_trip(scan_of(1, 0, 0, 1), 0), -EPROTO);
}

#define HEAD(verdict, reason, hits)                                                                \
    "\0\0\0\7"                                                                                     \
    "\0\0\0\1" verdict reason "\0\0"                                                               \
    "\0\0\0" hits

static void a_verdict_that_contradicts_itself_is_a_lie(void **state)
{
    const struct {
        const char *what;
        int rc;
        struct span body;
    } rows[] = {
        {"clean", 0, BYTES(HEAD("\0", "\0", "\0"))},
        {"incomplete", 0, BYTES(HEAD("\1", "\5", "\0"))},
        {"malicious", 0, BYTES(HEAD("\2", "\0", "\2") "a\nb")},
        {"clean with a reason", -EPROTO, BYTES(HEAD("\0", "\5", "\0"))},
        {"clean with hits", -EPROTO, BYTES(HEAD("\0", "\0", "\1"))},
        {"clean with names", -EPROTO, BYTES(HEAD("\0", "\0", "\0") "a")},
        {"incomplete without a reason", -EPROTO, BYTES(HEAD("\1", "\0", "\0"))},
        {"incomplete with names", -EPROTO, BYTES(HEAD("\1", "\5", "\0") "a")},
        {"malicious without a name", -EPROTO, BYTES(HEAD("\2", "\0", "\1"))},
        {"malicious with a reason", -EPROTO, BYTES(HEAD("\2", "\5", "\1") "a")},
        {"names not sorted", -EPROTO, BYTES(HEAD("\2", "\0", "\2") "b\na")},
        {"a name twice", -EPROTO, BYTES(HEAD("\2", "\0", "\2") "a\na")},
        {"a line feed at the end", -EPROTO, BYTES(HEAD("\2", "\0", "\1") "a\n")},
        {"an empty name", -EPROTO, BYTES(HEAD("\2", "\0", "\2") "\na")},
        {"a name with a blank", -EPROTO, BYTES(HEAD("\2", "\0", "\1") "a b")},
        {"fewer hits than names", -EPROTO, BYTES(HEAD("\2", "\0", "\1") "a\nb")},
        {"more hits than names", -EPROTO, BYTES(HEAD("\2", "\0", "\3") "a\nb")},
        {"unknown verdict", -EPROTO, BYTES(HEAD("\3", "\0", "\0"))},
        {"unknown reason", -EPROTO, BYTES(HEAD("\1", "\12", "\0"))},
        {"short", -EPROTO, span_of(HEAD("\0", "\0", "\0"), 15)},
    };
    struct detect_answer a;

    (void)state;
    finding_init(&a.finding);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (protocol_get_answer(rows[i].body, &a) != rows[i].rc)
            fail_msg("%s", rows[i].what);
    assert_int_equal(protocol_get_answer(rows[2].body, &a), 0);
    assert_int_equal(a.index, 7);
    assert_string_equal(buf_str(&a.finding.names), "a\nb");
    finding_done(&a.finding);
}

static void a_bundle_ends_where_its_bytes_end(void **state)
{
    static const char good[] = "\0\1a\0\0\0\2hi\0\1b\0\0\0\0";
    struct protocol_file f;

    (void)state;
    for (size_t n = 0; n < sizeof(good); n++) {
        struct cur c = cur_of(span_of(good, n));
        int files = 0, rc;

        while ((rc = protocol_bundle_next(&c, &f)) == 1)
            files++;
        /* whole only at 0, after the first and after the second file */
        assert_int_equal(rc, n == 0 || n == 9 || n == 16 ? 0 : -EBADMSG);
        assert_int_equal(files, n < 9 ? 0 : n < 16 ? 1 : 2);
    }
}

/* A walk that was taken over tells of the same bytes again and again: hashing and scanning them as
 * often would cost the others' time. */
static void members_that_share_bytes_are_refused(void **state)
{
    enum { N = 2, NAME = 4, SIZE = 1000 };
    struct detect_member m[N];
    uint8_t map[sizeof(m) + N * (NAME + SIZE)];
    struct detect_members table = {.next = 1, .count = N, .size = sizeof(map)};

    (void)state;
    memset(map, 0, sizeof(map));
    memset(m, 0, sizeof(m));
    for (uint32_t i = 0; i < N; i++) {
        m[i].depth = 1;
        m[i].name_at = sizeof(m) + i * (NAME + SIZE);
        m[i].name_len = NAME;
        m[i].offset = m[i].name_at + NAME;
        m[i].size = SIZE;
    }
    memcpy(map, m, sizeof(m));
    assert_int_equal(protocol_members_check(&table, map, 1), 0);
    m[0].offset = sizeof(m);
    m[0].size = sizeof(map) - sizeof(m); /* everything, beside the second */
    memcpy(map, m, sizeof(m));
    assert_int_equal(protocol_members_check(&table, map, 1), -EPROTO);
    m[0].name_len = m[1].name_len = 0; /* alone it may */
    m[1].size = 0;
    memcpy(map, m, sizeof(m));
    assert_int_equal(protocol_members_check(&table, map, 1), 0);
}

/* What is told of a file behind another one's members would be looked at and not counted. */
static void members_of_a_file_stand_side_by_side(void **state)
{
    enum { N = 3 };
    static const uint32_t files[][N] = {{0, 0, 1}, {0, 1, 1}, {0, 1, 0}, {1, 0, 0}};
    struct detect_member m[N];
    struct detect_members table = {.next = 2, .count = N, .size = sizeof(m)};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(files); k++) {
        memset(m, 0, sizeof(m));
        for (size_t i = 0; i < N; i++) {
            m[i].file = files[k][i];
            m[i].depth = 1;
            m[i].name_at = m[i].offset = sizeof(m);
        }
        assert_int_equal(protocol_members_check(&table, (const uint8_t *)m, 2),
                         k < 2 ? 0 : -EPROTO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_has_two_labels_and_nothing_else),
        cmocka_unit_test(a_scan_stays_in_its_limits),
        cmocka_unit_test(a_verdict_that_contradicts_itself_is_a_lie),
        cmocka_unit_test(a_bundle_ends_where_its_bytes_end),
        cmocka_unit_test(members_that_share_bytes_are_refused),
        cmocka_unit_test(members_of_a_file_stand_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
