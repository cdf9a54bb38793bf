/* The line with its real engines: what is in a file is found wherever it is, and what cannot be
 * looked at is INCOMPLETE with its reason, never CLEAN.
 * Arguments: walk, yara, clamav, the hooked yara. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include "jail/jail.h"
#include "line_rig.h"
#include "boxes.h"

static const char *walk, *yara, *clamav, *hooked;

static struct line_rig rig; /* all three engines, small budgets; shared by most tests */

static const struct detect_limits limits = {
    .file_ms = 20000, .member_bytes = 8 << 20, .members = 500, .depth = 6};

static int set_up(void **state)
{
    rig = (struct line_rig){
        .names = {"walk", "yara", "clamav"}, .paths = {walk, yara, clamav}, .n = 3};
    line_rig_marker(&rig);
    line_rig_start(&rig, &limits);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    line_rig_stop(&rig);
    rig_remove(rig.folder);
    return 0;
}

static bool named(const struct detect_line_result *r, const char *name)
{
    return memmem(r->finding.names.data, r->finding.names.len, name, strlen(name)) != NULL;
}

/* Scans, and expects this verdict. */
static void expect(const char *what, struct span file, enum verdict verdict,
                   enum verdict_reason reason)
{
    struct detect_line_result r;

    detect_line_result_init(&r);
    line_rig_scan(&rig, file, &r);
    if (r.finding.verdict != verdict || r.finding.reason != reason)
        fail_msg("%s: %s(%s) with %u members, not %s(%s)", what, verdict_word(r.finding.verdict),
                 verdict_reason_word(r.finding.reason), r.members, verdict_word(verdict),
                 verdict_reason_word(reason));
    detect_line_result_done(&r);
}

/* --- the marker --- */

static void the_label_names_all_engines(void **state)
{
    (void)state;
    assert_string_equal(detect_line_label(rig.line), "clamav.walk.yara");
    assert_int_equal(detect_line_rules(rig.line), 2); /* a rule and a signature */
}

static void the_marker_is_found_in_every_kind_of_container(void **state)
{
    struct detect_line_result r;
    struct buf b;

    (void)state;
    detect_line_result_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(box_kinds); i++) {
        buf_init(&b, BOX_MAX);
        box(&b, box_kinds[i].name, "member.txt", span_str(rig.marker));
        line_rig_scan(&rig, buf_span(&b), &r);
        if (r.finding.verdict != VERDICT_MALICIOUS || !named(&r, "Random_Marker"))
            fail_msg("%s: %s(%s)", box_kinds[i].name, verdict_word(r.finding.verdict),
                     verdict_reason_word(r.finding.reason));
        buf_free(&b);
        /* and nothing is found, or given up, where it is not */
        box(&b, box_kinds[i].name, "member.txt", span_str("harmless, but not empty"));
        expect(box_kinds[i].name, buf_span(&b), VERDICT_CLEAN, REASON_NONE);
        buf_free(&b);
    }
    detect_line_result_done(&r);
}

/* Box in box in box, kinds taking turns; the innermost holds the content.  All of them compress: a
 * zip that lies in a tar as it is would be found twice, as its member and by its own directory. */
static void nest(struct buf *out, struct span content, unsigned depth)
{
    static const char *const kinds[] = {"zip", "gz", "7z", "zst", "xz", "bz2"};
    struct buf in, next;

    buf_init(&in, BOX_MAX);
    assert_int_equal(buf_put(&in, content.p, content.n), 0);
    for (unsigned i = 0; i < depth; i++) {
        buf_init(&next, BOX_MAX);
        box(&next, kinds[i % ARRAY_LEN(kinds)], "in", buf_span(&in));
        buf_free(&in);
        in = next;
    }
    *out = in;
}

static void the_marker_is_found_at_every_depth(void **state)
{
    struct detect_line_result r;
    struct buf b;

    (void)state;
    detect_line_result_init(&r);
    for (unsigned depth = 1; depth <= limits.depth; depth++) {
        struct tree t;
        struct tree_member m;
        struct digest want;

        nest(&b, span_str(rig.marker), depth);
        line_rig_scan(&rig, buf_span(&b), &r);
        if (r.finding.verdict != VERDICT_MALICIOUS || r.members != depth)
            fail_msg("depth %u: %s(%s), %u members", depth, verdict_word(r.finding.verdict),
                     verdict_reason_word(r.finding.reason), r.members);
        /* the chain, down to the marker's own hash */
        assert_int_equal(tree_read(&t, buf_span(&r.tree)), 0);
        assert_int_equal(t.listed, depth);
        for (unsigned i = 0; i < depth; i++) {
            assert_int_equal(tree_next(&t, &m), 1);
            assert_int_equal(m.number, i + 1);
            assert_int_equal(m.parent, i);
        }
        assert_int_equal(tree_next(&t, &m), 0);
        sha256_of(rig.marker, 32, &want);
        assert_memory_equal(m.sha256.b, want.b, 32);
        assert_int_equal(m.size, 32);
        assert_int_equal(m.verdict, VERDICT_MALICIOUS);
        assert_true(span_is(m.names, "Marker.ClamAV\nRandom_Marker"));
        buf_free(&b);
    }
    detect_line_result_done(&r);
}

static void what_stands_behind_the_end_is_looked_at(void **state)
{
    static const char *const kinds[] = {"tar", "newc", "ar", "gz", "xz", "bz2", "zst", "lz4"};
    struct detect_line_result r;
    unsigned found = 0;
    struct buf b;

    (void)state;
    detect_line_result_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        buf_init(&b, BOX_MAX);
        box(&b, kinds[i], "first", span_str("nothing here"));
        box(&b, "7z", "second", span_str(rig.marker)); /* it is one from its first byte only */
        line_rig_scan(&rig, buf_span(&b), &r);
        buf_free(&b);
        found += named(&r, "Random_Marker");
        if (r.finding.verdict == VERDICT_MALICIOUS && named(&r, "Random_Marker"))
            continue;
        /* libarchive refuses some with anything behind them: that is damage, never clean */
        box(&b, kinds[i], "first", span_str("nothing here"));
        box(&b, "7z", "second", span_str("nor here"));
        expect(kinds[i], buf_span(&b), VERDICT_INCOMPLETE, REASON_DAMAGED);
        buf_free(&b);
    }
    assert_true(found >= 3); /* tar, newc, gz */
    /* two zips: the directory at the end knows the second only */
    buf_init(&b, BOX_MAX);
    box(&b, "zip", "first", span_str(rig.marker));
    box(&b, "zip", "second", span_str("nothing here"));
    line_rig_scan(&rig, buf_span(&b), &r);
    assert_int_equal(r.finding.verdict, VERDICT_MALICIOUS);
    assert_true(named(&r, "Random_Marker"));
    buf_free(&b);
    detect_line_result_done(&r);
}

/* --- every reason --- */

static void an_encrypted_member_is_incomplete_unless_its_password_is_known(void **state)
{
    static const char *const passwords[] = {"infected", "abra"};
    struct archive *a;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(passwords); i++) {
        buf_init(&b, BOX_MAX);
        a = box_begin(&b, box_kind("zip"), passwords[i]);
        box_add(a, "secret", span_str(rig.marker));
        box_end(a);
        expect(passwords[i], buf_span(&b), VERDICT_MALICIOUS, REASON_NONE);
        buf_free(&b);
    }
    a = box_begin(&b, box_kind("zip"), "nobody knows this");
    box_add(a, "secret", span_str(rig.marker));
    box_end(a);
    expect("encrypted", buf_span(&b), VERDICT_INCOMPLETE, REASON_ENCRYPTED);
    buf_free(&b);
}

static void deeper_than_the_budget_is_incomplete(void **state)
{
    struct buf b;

    (void)state;
    nest(&b, span_str("harmless"), limits.depth + 1);
    expect("one too deep", buf_span(&b), VERDICT_INCOMPLETE, REASON_RECURSION);
    buf_free(&b);
    nest(&b, span_str(rig.marker), 50);
    expect("50 deep", buf_span(&b), VERDICT_INCOMPLETE, REASON_RECURSION);
    buf_free(&b);
}

static void more_members_than_the_budget_are_incomplete(void **state)
{
    struct archive *a;
    struct buf b;
    char name[24];

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        buf_init(&b, BOX_MAX);
        a = box_begin(&b, box_kind(k == 0 ? "zip" : "tar"), NULL);
        for (unsigned i = 0; i < 100000; i++) {
            (void)snprintf(name, sizeof(name), "%u", i);
            box_add(a, name, i == 99999 ? span_str(rig.marker) : span_str("x"));
            if (k == 1 && i == 600) /* a tar has no directory: enough is enough */
                break;
        }
        box_end(a);
        expect("100,000 members", buf_span(&b), VERDICT_INCOMPLETE, REASON_FILES);
        buf_free(&b);
    }
}

static void a_bomb_is_incomplete_and_what_stood_before_it_is_found(void **state)
{
    static const char *const kinds[] = {"zip", "gz", "xz", "7z", "bz2", "zst"};
    size_t n = 48 << 20;
    char *zeros = calloc(1, n);
    struct archive *a;
    struct buf b;

    (void)state;
    assert_non_null(zeros);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        buf_init(&b, BOX_MAX);
        box(&b, kinds[i], "bomb", span_of(zeros, n));
        assert_true(b.len < n / 100);
        expect(kinds[i], buf_span(&b), VERDICT_INCOMPLETE, REASON_SIZE);
        buf_free(&b);
    }
    a = box_begin(&b, box_kind("zip"), NULL);
    box_add(a, "first", span_str(rig.marker));
    box_add(a, "bomb", span_of(zeros, n));
    box_end(a);
    expect("bomb behind the marker", buf_span(&b), VERDICT_MALICIOUS, REASON_NONE);
    buf_free(&b);
    free(zeros);
}

/* Content that no compressor makes small. */
static void noise(uint8_t *p, size_t n)
{
    for (size_t at = 0; at < n; at += 256)
        assert_int_equal(getrandom(p + at, n - at < 256 ? n - at : 256, 0),
                         n - at < 256 ? n - at : 256);
}

static void what_is_cut_or_broken_is_incomplete(void **state)
{
    static const char *const kinds[] = {"zip", "gz",  "bz2",  "xz",  "zst", "lz4", "lzip",
                                        "7z",  "tar", "newc", "tgz", "xar", "iso"};
    static uint8_t content[300000];
    struct buf b;

    (void)state;
    noise(content, sizeof(content));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        buf_init(&b, BOX_MAX);
        box(&b, kinds[i], "member", span_of(content, sizeof(content)));
        expect(kinds[i], buf_span(&b), VERDICT_CLEAN, REASON_NONE);
        expect(kinds[i], span_of(b.data, b.len / 2), VERDICT_INCOMPLETE, REASON_DAMAGED);
        buf_free(&b);
    }
    /* one bit in the middle, where a checksum covers it */
    for (size_t i = 0; i < 4; i++) {
        static const char *const sums[] = {"zip", "xz", "bz2", "7z"};

        buf_init(&b, BOX_MAX);
        box(&b, sums[i], "member", span_of(content, sizeof(content)));
        b.data[b.len / 2] ^= 1;
        expect(sums[i], buf_span(&b), VERDICT_INCOMPLETE, REASON_DAMAGED);
        buf_free(&b);
    }
}

static void a_container_that_nobody_opens_is_incomplete(void **state)
{
    static uint8_t squash[4096] = "hsqs\1\0\0\0\0\0\0\0\0\0\2\0\1\0\21\0\300\2\1\0\4";
    static const struct {
        const char *what, *bytes;
        size_t n;
    } rows[] = {
        {"squashfs", (const char *)squash, sizeof(squash)},
        {"lzop", "\x89LZO\0\r\n\x1a\n\x10\x30\x20\xa0\x09\x40\x01\5\3\0\0\1\0\0\0\0", 25},
        {"StuffIt", "SIT!\0\1\0\0\0\x16rLau\1\0\0\0\0\0\0\0", 22},
        {"ACE", "xxxxxxx**ACE**\x14\x14\2\0xxxxxxxxxxxxxxxxxxxxxxxx", 42},
    };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(rows[i].what, span_of(rows[i].bytes, rows[i].n), VERDICT_INCOMPLETE,
               REASON_UNSUPPORTED);
        /* inside another too */
        buf_init(&b, BOX_MAX);
        box(&b, "zip", "inner", span_of(rows[i].bytes, rows[i].n));
        expect(rows[i].what, buf_span(&b), VERDICT_INCOMPLETE, REASON_UNSUPPORTED);
        buf_free(&b);
    }
}

/* --- the child that misbehaves --- */

static void crash_time_and_memory_are_incomplete_and_the_next_is_unaffected(void **state)
{
    static const struct {
        const char *word;
        enum verdict_reason reason;
    } rows[] = {
        {"HOOK:crash", REASON_CRASH}, {"HOOK:hang", REASON_TIME}, {"HOOK:open", REASON_CRASH}};
    struct line_rig h = {.names = {"walk", "yara"}, .paths = {walk, hooked}, .n = 2};
    struct detect_limits fast = limits;
    struct detect_line_result r;
    struct buf b;

    (void)state;
    fast.file_ms = 500;
    line_rig_marker(&h);
    line_rig_start(&h, &fast);
    detect_line_result_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        mono_ms began;

        if (jail_is_sanitized() && strcmp(rows[i].word, "HOOK:open") == 0)
            continue; /* there the jail answers instead of killing */
        /* inside another: it is the member that kills the child */
        buf_init(&b, BOX_MAX);
        box(&b, "gz", "m", span_str(rows[i].word));
        line_rig_scan(&h, buf_span(&b), &r);
        if (r.finding.verdict != VERDICT_INCOMPLETE || r.finding.reason != rows[i].reason)
            fail_msg("%s: %s(%s)", rows[i].word, verdict_word(r.finding.verdict),
                     verdict_reason_word(r.finding.reason));
        assert_false(r.lost);
        buf_free(&b);
        began = clock_mono();
        box(&b, "zip", "m", span_str(h.marker));
        line_rig_scan(&h, buf_span(&b), &r);
        assert_int_equal(r.finding.verdict, VERDICT_MALICIOUS);
        assert_true(clock_mono() - began < 5000);
        buf_free(&b);
    }
    detect_line_result_done(&r);
    line_rig_stop(&h);
    rig_remove(h.folder);
}

static void an_engine_that_is_killed_costs_no_result(void **state)
{
    struct detect_batch *b = NULL;
    struct detect_line_result r;
    struct buf z;
    void *where;
    unsigned lost = 0;

    (void)state;
    buf_init(&z, BOX_MAX);
    box(&z, "zip", "m", span_str(rig.marker));
    assert_int_equal(detect_batch_new(&b), 0);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(detect_batch_add(b, z.len, &where, i), 0);
        memcpy(where, z.data, z.len);
    }
    while (detect_line_submit(rig.line, b) == -EAGAIN)
        line_rig_turn(&rig);
    detect_line_step(rig.line, clock_mono()); /* it is asked */
    assert_int_equal(proc_signal(&rig.proc[0], SIGKILL), 0);
    detect_line_result_init(&r);
    for (unsigned i = 0; i < 40; i++) {
        line_rig_next(&rig, &r);
        assert_int_equal(r.cookie, i);
        lost += r.lost;
        if (r.lost)
            assert_int_equal(r.finding.verdict, VERDICT_INCOMPLETE);
        else
            assert_int_equal(r.finding.verdict, VERDICT_MALICIOUS);
    }
    print_message("%u of 40 were lost with the walk\n", lost);
    line_rig_scan(&rig, buf_span(&z), &r); /* the next, when it is back */
    assert_int_equal(r.finding.verdict, VERDICT_MALICIOUS);
    assert_int_equal(r.members, 1);
    detect_line_result_done(&r);
    buf_free(&z);
}

/* --- many in one batch --- */

static void a_batch_whose_members_do_not_fit_at_once_is_walked_in_parts(void **state)
{
    size_t n = 6 << 20;
    uint8_t *content = malloc(n);
    struct detect_batch *b = NULL;
    struct detect_line_result r;
    struct buf z;
    void *where;

    (void)state;
    assert_non_null(content);
    memset(content, 'a', n);
    memcpy(content + n - 32, rig.marker, 32);
    buf_init(&z, BOX_MAX);
    box(&z, "gz", "m", span_of(content, n));
    assert_int_equal(detect_batch_new(&b), 0);
    for (unsigned i = 0; i < 12; i++) { /* 72 MiB of members, 16 MiB of memory for them */
        assert_int_equal(detect_batch_add(b, i % 2 == 0 ? z.len : 5, &where, i), 0);
        memcpy(where, i % 2 == 0 ? (const void *)z.data : "plain", i % 2 == 0 ? z.len : 5);
    }
    while (detect_line_submit(rig.line, b) == -EAGAIN)
        line_rig_turn(&rig);
    detect_line_result_init(&r);
    for (unsigned i = 0; i < 12; i++) {
        line_rig_next(&rig, &r);
        assert_int_equal(r.cookie, i);
        assert_int_equal(r.finding.verdict, i % 2 == 0 ? VERDICT_MALICIOUS : VERDICT_CLEAN);
        assert_int_equal(r.members, i % 2 == 0);
    }
    detect_line_result_done(&r);
    buf_free(&z);
    free(content);
}

/* --- a release that does not load says where --- */

static void every_engine_names_file_and_line_of_what_it_refuses(void **state)
{
    static const struct {
        const char *file, *text, *told;
    } rows[] = {
        {"bad.yar", "rule A { condition: true }\nrule B { condition: $x }\n", "bad.yar:2: "},
        {"bad.ndb", "Good.One:0:*:41424344\nBad.One:0:*:zz\n", "bad.ndb:2: "},
        {"bad.ndb", "Good.One:0:*:41424344\nBad One:0:*:45464748\n", "bad.ndb:2: field 1"},
        {"bad.ldb", "A;Target:0;(0&1);41424344\n", "bad.ldb:1: "},
        {"bad.pwdb", "a;Engine:81-255;0;x\n\nb;Engine:81-255;1;xyz\n", "bad.pwdb:3: "},
    };
    struct line_rig h = {
        .names = {"walk", "yara", "clamav"}, .paths = {walk, yara, clamav}, .n = 3};
    struct err e = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        line_rig_marker(&h);
        rig_rule(h.folder, rows[i].file, rows[i].text);
        assert_int_equal(release_load(&h.release, h.folder, &e), 0);
        assert_int_equal(detect_line_new(&h.line, h.release, &limits, h.names, h.n, &e), 0);
        for (size_t k = 0; k < h.n; k++)
            h.proc[k] = (struct proc)PROC_NONE;
        while (strstr(detect_line_trouble(h.line), rows[i].told) == NULL) {
            line_rig_turn(&h);
            if (detect_line_trouble(h.line)[0] != '\0' &&
                strstr(detect_line_trouble(h.line), rows[i].told) == NULL)
                fail_msg("%s is told as \"%s\"", rows[i].told, detect_line_trouble(h.line));
        }
        line_rig_stop(&h);
        rig_remove(h.folder);
    }
}

static void a_line_that_scans_nothing_is_refused(void **state)
{
    static const char *const only_walk[] = {"walk"}, *const twice[] = {"yara", "yara"};
    struct detect_line *l = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(detect_line_new(&l, rig.release, &limits, only_walk, 1, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "scans nothing"));
    assert_int_equal(detect_line_new(&l, rig.release, &limits, twice, 2, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "twice"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_label_names_all_engines),
        cmocka_unit_test(the_marker_is_found_in_every_kind_of_container),
        cmocka_unit_test(the_marker_is_found_at_every_depth),
        cmocka_unit_test(what_stands_behind_the_end_is_looked_at),
        cmocka_unit_test(an_encrypted_member_is_incomplete_unless_its_password_is_known),
        cmocka_unit_test(deeper_than_the_budget_is_incomplete),
        cmocka_unit_test(more_members_than_the_budget_are_incomplete),
        cmocka_unit_test(a_bomb_is_incomplete_and_what_stood_before_it_is_found),
        cmocka_unit_test(what_is_cut_or_broken_is_incomplete),
        cmocka_unit_test(a_container_that_nobody_opens_is_incomplete),
        cmocka_unit_test(crash_time_and_memory_are_incomplete_and_the_next_is_unaffected),
        cmocka_unit_test(a_batch_whose_members_do_not_fit_at_once_is_walked_in_parts),
        cmocka_unit_test(an_engine_that_is_killed_costs_no_result),
        cmocka_unit_test(every_engine_names_file_and_line_of_what_it_refuses),
        cmocka_unit_test(a_line_that_scans_nothing_is_refused),
    };

    if (argc != 5)
        return 2;
    walk = argv[1];
    yara = argv[2];
    clamav = argv[3];
    hooked = argv[4];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
