/* Reading ahead in a thread changes nothing of what is read, or said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_tool.h"
#include "base/io.h"
#include "compare/ahead.h"
#include "compare/look_priv.h"

static unsigned begun;
static bool no_threads;
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *arg)
{
    if (no_threads)
        return EAGAIN;
    begun++;
    return __real_pthread_create(t, a, f, arg);
}

/* --- the reader and the thread --- */

/* Numbers, in pieces of unequal length; at the end it ends as it is told. */
struct numbers {
    uint64_t at, end; /* bytes */
    int rc;
};

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)((i * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static int read_numbers(void *arg, void *p, size_t n, size_t *got)
{
    struct numbers *s = arg;
    uint64_t most = 1 + s->at % 70001, left = s->end - s->at;

    *got = n < most ? n : (size_t)most;
    *got = *got < left ? *got : (size_t)left;
    for (size_t i = 0; i < *got; i++)
        ((uint8_t *)p)[i] = byte_at(s->at + i);
    s->at += *got;
    return *got == 0 ? s->rc : 0;
}

/* Reads up to most bytes, each of which must be right; how it ended. */
static int read_all(struct look_source *s, uint64_t most, uint64_t *done)
{
    static uint8_t p[100000];
    size_t got = 1;
    int rc = 0;

    for (*done = 0; *done < most && rc == 0 && got > 0; *done += got) {
        size_t n = 1 + (size_t)(*done % sizeof(p));

        rc = s->read(s->arg, p, n < most - *done ? n : (size_t)(most - *done), &got);
        for (size_t i = 0; i < got; i++)
            if (p[i] != byte_at(*done + i))
                fail_msg("another byte at %zu", (size_t)*done + i);
    }
    return rc;
}

static void what_a_thread_reads_is_what_was_there(void **state)
{
    const uint64_t size[] = {0, 1, 131071, 131072, 131073, 9000000};
    const int end[] = {0, -EBADMSG, -ENOMEM};
    const size_t room[] = {0, AHEAD_LEAST, AHEAD_MOST};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(size) * ARRAY_LEN(end) * ARRAY_LEN(room); i++) {
        const uint64_t all = size[i % ARRAY_LEN(size)];
        const int ends = end[i / ARRAY_LEN(size) % ARRAY_LEN(end)];
        struct numbers n = {0, all, ends};
        struct look_source from = {&n, read_numbers};
        struct ahead *a;
        uint64_t done;

        assert_int_equal(ahead_start(&a, &from, room[i / ARRAY_LEN(size) / ARRAY_LEN(end)]), 0);
        assert_int_equal(read_all(ahead_source(a), UINT64_MAX, &done), ends);
        assert_int_equal(done, all);
        assert_int_equal(read_all(ahead_source(a), UINT64_MAX, &done), ends); /* and again */
        assert_int_equal(done, 0);
        assert_int_equal(ahead_end(a), ends != 0);
    }
}

static void a_reader_that_stops_has_met_no_failure_and_little_was_read_for_nothing(void **state)
{
    (void)state;
    for (uint64_t end = 500000; end <= UINT64_C(1) << 40; end = end << 20) {
        struct numbers n = {0, end, -EBADMSG};
        struct look_source from = {&n, read_numbers};
        struct ahead *a;
        uint64_t done;

        assert_int_equal(ahead_start(&a, &from, AHEAD_LEAST), 0);
        assert_int_equal(read_all(ahead_source(a), 300000, &done), 0);
        assert_int_equal(done, 300000);
        assert_false(ahead_end(a));
        assert_true(n.at <= 300000 + AHEAD_LEAST);
    }
    assert_false(ahead_end(NULL));
}

/* --- what is said --- */

static struct span load(const char *name)
{
    char path[160];
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/%s", archive_dir(), name);
    buf_init(&b, 1 << 24);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    return buf_span(&b); /* freed by its pointer */
}

static _Atomic uint64_t seen;

static void say(struct span a, struct span b, const struct compare_options *o, unsigned helpers,
                struct buf *out)
{
    struct compare_node *n;
    struct look_budget budget;

    look_budget_init(&budget, o);
    budget.helpers = helpers;
    budget.seen = &seen;
    seen = 0;
    buf_init(out, 1 << 20);
    assert_int_equal(look_compare(&budget, a, b, "x.tar", "x.tar", &n), 0);
    assert_int_equal(budget.helpers, helpers);
    assert_true(seen <= a.n + b.n);
    assert_ptr_equal(budget.seen, &seen);
    assert_int_equal(look_wire_put(out, n), 0);
    assert_int_equal(buf_put_u64(out, budget.memory), 0);
    assert_int_equal(buf_put_u64(out, budget.unpacked), 0);
    look_node_free(n);
}

static void same_words(struct span a, struct span b, const struct compare_options *o,
                       const char *what)
{
    struct buf with, without;

    begun = 0;
    say(a, b, o, 0, &without);
    assert_int_equal(begun, 0);
    say(a, b, o, 2, &with);
    assert_int_equal(begun, 2);
    if (!span_eq(buf_span(&with), buf_span(&without)))
        fail_msg("with threads %s says something else", what);
    no_threads = true;
    buf_free(&with);
    say(a, b, o, 2, &with);
    no_threads = false;
    assert_true(span_eq(buf_span(&with), buf_span(&without)));
    buf_free(&with);
    buf_free(&without);
}

/* A tar and a file that is none, of bytes that do not get smaller, by each packer: whole, damaged,
 * cut off, and beyond a limit. */
static void threads_change_no_word(void **state)
{
    static const char *const packer[] = {"gzip -n", "xz -0",  "bzip2",
                                         "zstd -q", "lz4 -q", "xz -0 -T2 --block-size=20000"};
    const struct compare_options cut = {.unpacked = 400000}, none = {0};

    (void)state;
    archive_sh(
        "mkdir t u; for i in $(seq 6); do openssl enc -aes-128-ctr -pass pass:$i -nosalt "
        "</dev/zero 2>err | head -c $((i * 16000)) >t/f$i; done; cp t/* u; "
        "printf evil | dd of=u/f4 bs=1 seek=30000 conv=notrunc status=none; rm u/f2; "
        "for d in t u; do tar --sort=name --mtime=@1 -cC $d . >$d.tar; cat $d/f* >$d.bytes; done");
    for (size_t i = 0; i < ARRAY_LEN(packer); i++)
        for (int k = 0; k < 2; k++) {
            const char *const what[] = {"a whole", "a whole beyond a limit", "a cut", "a damaged",
                                        "a damaged beyond a limit"};
            struct span a, b;
            uint8_t *p;

            archive_sh("%s -c <t.%s >A; %s -c <u.%s >B", packer[i], k == 0 ? "tar" : "bytes",
                       packer[i], k == 0 ? "tar" : "bytes");
            a = load("A");
            b = load("B");
            same_words(a, b, &none, what[0]);
            assert_true(seen >= (a.n + b.n) / 100 * 99);
            same_words(a, b, &cut, what[1]);
            same_words(a, span_of(b.p, b.n - 100000), &none, what[2]);
            p = (uint8_t *)(uintptr_t)b.p;
            for (size_t at = b.n / 3; at < b.n / 3 + 64; at++)
                p[at] ^= 0x5a;
            same_words(a, b, &none, what[3]);
            same_words(a, b, &cut, what[4]);
            free((void *)(uintptr_t)a.p);
            free(p);
        }
}

/* One byte of B is another, at every place that tells of blocks and at many that are in one; or B
 * ends there. */
static void damaged_blocks_change_no_word(void **state)
{
    const struct compare_options none = {0};
    struct span a, b;
    uint8_t *p;

    (void)state;
    archive_sh(
        "openssl enc -aes-128-ctr -pass pass:1 -nosalt </dev/zero 2>err | head -c 300000 >t; "
        "cp t u; printf evil | dd of=u bs=1 seek=70000 conv=notrunc status=none; "
        "head -c 100000 /dev/zero >z; "
        "for f in t u; do (head -c 100000 $f; cat z) | xz -0 -T2 --block-size=20000 >$f.1; "
        "tail -c 200000 $f | xz -0 -T2 --block-size=50000 --check=sha256 >$f.2; done; "
        "echo last | xz -0 -T1 >last; xz -0 -T1 <z >>last; "
        "head -c 8 /dev/zero >pad; cat t.1 t.2 pad last >A; cat u.1 u.2 pad last >B");
    a = load("A");
    b = load("B");
    p = (uint8_t *)(uintptr_t)b.p;
    same_words(a, b, &none, "a whole of several streams");
    for (size_t at = 0; at < b.n; at += at < 48 || b.n - at < 400 ? 1 : 2999) {
        p[at] ^= 0x11;
        if (at >= 6) /* it is still xz */
            same_words(a, b, &none, "damaged blocks");
        p[at] ^= 0x11;
        if (at > 200000 && at % 3 == 0)
            same_words(a, span_of(b.p, at), &none, "cut blocks");
    }
    free((void *)(uintptr_t)a.p);
    free(p);
}

static void threads_live_in_the_jail(void **state)
{
    (void)state;
    archive_sh("for i in 1 2; do openssl enc -aes-128-ctr -pass pass:x -nosalt </dev/zero 2>err | "
               "head -c 3000000 | xz -0 -T1 >$i.xz; done; "
               "(xz -dc 1.xz | head -c 2999999; echo) | xz -0 -T1 >2.xz");
    archive_expect("1.xz", "2.xz", COMPARE_UNEXPLAINED, "1/1 bytes unexplained",
                   "(1 bytes at 0x2dc6bf)", NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, archive_setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_thread_reads_is_what_was_there),
        cmocka_unit_test(a_reader_that_stops_has_met_no_failure_and_little_was_read_for_nothing),
        T(threads_change_no_word),
        T(damaged_blocks_change_no_word),
        T(threads_live_in_the_jail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
