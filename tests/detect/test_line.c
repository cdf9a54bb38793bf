/* The line with its real engines: what is in a file is found wherever it is, and what cannot be
 * looked at is INCOMPLETE with its reason, never CLEAN.
 * Arguments: walk, yara, clamav, hooked ones of yara, clamav and walk. */
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

static const char *walk, *yara, *clamav, *hooked, *hooked_clamav, *hooked_walk;

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

/* --- two things at once, and things that say they are none --- */

/* A zip whose directory calls its only entry something that has no content.  What stands before the
 * archive keeps it from being read from its start, where nothing of that is said. */
static void zip_of_kind(struct buf *out, unsigned mode, struct span content)
{
    uint8_t *entry;

    buf_init(out, BOX_MAX);
    assert_int_equal(buf_put(out, "MZ, a program before it", 23), 0);
    box(out, "zip", "entry", content);
    entry = memmem(out->data, out->len, "PK\1\2", 4);
    assert_non_null(entry);
    entry[5] = 3; /* made by Unix: the high half of the attributes is the mode */
    entry[40] = (uint8_t)mode;
    entry[41] = (uint8_t)(mode >> 8);
}

static void what_an_archive_calls_no_file_is_not_passed_over(void **state)
{
    static const unsigned modes[] = {S_IFREG, S_IFCHR, S_IFIFO, S_IFDIR, S_IFSOCK, S_IFLNK};
    struct detect_line_result r;
    struct line_rig h = {.names = {"walk", "yara"}, .paths = {walk, yara}, .n = 2};
    struct buf b;

    (void)state;
    line_rig_marker(&h);
    line_rig_start(&h, &limits);
    detect_line_result_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        bool read = modes[i] == S_IFREG || modes[i] == S_IFLNK;

        zip_of_kind(&b, modes[i] | 0644, span_str(h.marker));
        line_rig_scan(&h, buf_span(&b), &r);
        if (!named(&r, "Random_Marker") && (read || r.finding.reason != REASON_UNSUPPORTED))
            fail_msg("mode %o: %s(%s)", modes[i], verdict_word(r.finding.verdict),
                     verdict_reason_word(r.finding.reason));
        buf_free(&b);
        zip_of_kind(&b, modes[i] | 0644, span_str("")); /* an ordinary one is empty */
        line_rig_scan(&h, buf_span(&b), &r);
        assert_int_equal(r.finding.verdict, VERDICT_CLEAN);
        buf_free(&b);
    }
    zip_of_kind(&b, S_IFLNK | 0644, span_of("MZ\x90\0\3\0\0\0 a program, not a place", 30));
    line_rig_scan(&h, buf_span(&b), &r);
    assert_int_equal(r.finding.reason, REASON_UNSUPPORTED);
    buf_free(&b);
    detect_line_result_done(&r);
    line_rig_stop(&h);
    rig_remove(h.folder);
}

static uint16_t crc16_of(const char *p, size_t n) /* of lha: x^16 + x^15 + x^2 + 1, reflected */
{
    uint16_t c = 0;

    for (size_t i = 0; i < n; i++) {
        c ^= (uint8_t)p[i];
        for (int k = 0; k < 8; k++)
            c = (uint16_t)((c & 1) != 0 ? c >> 1 ^ 0xa001 : c >> 1);
    }
    return c;
}

/* An lha archive of one stored file, whose name is in the code page it says (header of level 2). */
static size_t lha(uint8_t out[128], uint32_t code_page, const char *content)
{
    size_t n = strlen(content), head = 26 + 5 + 7 + 7;
    uint16_t crc = crc16_of(content, n);
    uint8_t *p = out;

    memset(out, 0, 128);
    p[0] = (uint8_t)head;
    memcpy(p + 2, "-lh0-", 5);
    p[7] = p[11] = (uint8_t)n;
    p[19] = 0x20;
    p[20] = 2;
    p[21] = (uint8_t)crc;
    p[22] = (uint8_t)(crc >> 8);
    p[23] = 'M';
    p[24] = 5; /* the next extension: size; kind, data: the header's CRC, to be filled in */
    p[29] = 7;
    p[31] = 0x46;
    for (size_t i = 0; i < 4; i++)
        p[32 + i] = (uint8_t)(code_page >> 8 * i);
    p[36] = 7;
    memcpy(p + 38, "\1name", 5);
    crc = crc16_of((const char *)p, head);
    p[27] = (uint8_t)crc;
    p[28] = (uint8_t)(crc >> 8);
    memcpy(p + head, content, n);
    return head + n + 1; /* a zero: no more files */
}

/* Who reads the name loads that code page's module, and cannot from inside a jail. */
static void names_in_any_code_page_are_read(void **state)
{
    static const uint32_t pages[] = {932, 936, 437, 1251, 949, 65001, 12345, 99999999, 0xffffffff};
    struct detect_line_result r;
    uint8_t file[128];

    (void)state;
    detect_line_result_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        size_t n = lha(file, pages[i], "harmless");

        line_rig_scan(&rig, span_of(file, n), &r);
        if (r.finding.reason == REASON_CRASH || (i < 6 && r.members != 1))
            fail_msg("code page %u: %s(%s), %u members", pages[i], verdict_word(r.finding.verdict),
                     verdict_reason_word(r.finding.reason), r.members);
    }
    detect_line_result_done(&r);
}

static bool a_member_is_bad(const struct detect_line_result *r)
{
    struct tree_member m;
    bool bad = false;
    struct tree t;

    if (r->members == 0 || tree_read(&t, buf_span(&r->tree)) != 0)
        return false;
    while (tree_next(&t, &m) == 1)
        bad |= m.verdict == VERDICT_MALICIOUS;
    return bad;
}

static void put_le32(uint8_t *p, uint32_t v)
{
    for (size_t i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The k-th record of a file in an image's trees: where its name stands, 33 bytes into the record.
 */
static uint8_t *record(struct buf *b, const char *name, size_t n)
{
    uint8_t *at = memmem(b->data, b->len, name, n);

    assert_non_null(at);
    return at - 33;
}

/* Two trees: in each in turn the file with the marker is made to point to the other one's bytes. */
static void every_tree_of_an_image_is_looked_at(void **state)
{
    static const char wide[] = "\0B\0A\0D\0.\0T\0X\0T", wide_good[] = "\0O\0K\0.\0T\0X\0T";
    char padded[33 + 20];
    struct detect_line_result r;
    struct archive *a;
    struct buf b;

    (void)state;
    detect_line_result_init(&r);
    (void)snprintf(padded, sizeof(padded), "%s, and more bytes", rig.marker);
    for (size_t tree = 0; tree < 2; tree++) {
        uint8_t *bad, *good;

        buf_init(&b, BOX_MAX);
        a = box_begin(&b, box_kind("iso"), NULL);
        box_add(a, "BAD.TXT", span_str(padded));
        box_add(a, "OK.TXT", span_str("harmless: all of this text is longer than the marker"));
        box_end(a);
        bad = tree == 0 ? record(&b, "BAD.TXT", 7) : record(&b, wide, sizeof(wide) - 1);
        good = tree == 0 ? record(&b, "OK.TXT", 6) : record(&b, wide_good, sizeof(wide_good) - 1);
        assert_int_not_equal(le32(bad + 2), le32(good + 2));
        put_le32(bad + 2, le32(good + 2));
        memcpy(bad + 6, good + 6, 4); /* big-endian once more */
        line_rig_scan(&rig, buf_span(&b), &r);
        if (!a_member_is_bad(&r)) /* in the image itself it stands as it is */
            fail_msg("tree %zu: %s(%s), %u members", tree, verdict_word(r.finding.verdict),
                     verdict_reason_word(r.finding.reason), r.members);
        buf_free(&b);
    }
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
    static uint8_t udf[32 * 2048],
        squash[4096] = "hsqs\1\0\0\0\0\0\0\0\0\0\2\0\1\0\21\0\300\2\1\0\4";
    static const struct {
        const char *what, *bytes;
        size_t n;
    } rows[] = {
        {"squashfs", (const char *)squash, sizeof(squash)},
        {"UDF bridge", (const char *)udf, sizeof(udf)},
        {"lzop", "\x89LZO\0\r\n\x1a\n\x10\x30\x20\xa0\x09\x40\x01\5\3\0\0\1\0\0\0\0", 25},
        {"StuffIt", "SIT!\0\1\0\0\0\x16rLau\1\0\0\0\0\0\0\0", 22},
        {"ACE", "xxxxxxx**ACE**\x14\x14\2\0xxxxxxxxxxxxxxxxxxxxxxxx", 42},
    };
    struct buf b;

    (void)state;
    /* ISO 9660 and UDF in one: Windows shows the other tree */
    memcpy(udf + 16 * 2048, "\1CD001\1", 7);
    memcpy(udf + 17 * 2048, "\0BEA01\1", 7);
    memcpy(udf + 18 * 2048, "\0NSR02\1", 7);
    memcpy(udf + 19 * 2048, "\0TEA01\1", 7);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect(rows[i].what, span_of(rows[i].bytes, rows[i].n), VERDICT_INCOMPLETE,
               REASON_UNSUPPORTED);
        /* a zip behind it does not make it one */
        buf_init(&b, BOX_MAX);
        assert_int_equal(buf_put(&b, rows[i].bytes, rows[i].n), 0);
        box(&b, "zip", "harmless", span_str("nothing here"));
        expect(rows[i].what, buf_span(&b), VERDICT_INCOMPLETE, REASON_UNSUPPORTED);
        buf_free(&b);
        /* inside another too */
        buf_init(&b, BOX_MAX);
        box(&b, "zip", "inner", span_of(rows[i].bytes, rows[i].n));
        expect(rows[i].what, buf_span(&b), VERDICT_INCOMPLETE, REASON_UNSUPPORTED);
        buf_free(&b);
    }
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t c = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int k = 0; k < 8; k++)
            c = (c & 1) != 0 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return ~c;
}

/* Small files that want more memory than a child has: the xz format's largest dictionary, 4 GiB,
 * ends at the limit on address space; a zstd frame's window of 2 GiB at the decoder's own limit. */
static void what_wants_too_much_memory_is_incomplete(void **state)
{
    static const uint8_t window[] = {0x28,       0xb5, 0x2f, 0xfd, 0,   (31 - 10) << 3,
                                     8 << 3 | 1, 0,    0,    'h',  'a', 'r',
                                     'm',        'l',  'e',  's',  's'};
    uint32_t sum;
    struct buf b;

    (void)state;
    expect("zst", span_of(window, sizeof(window)), VERDICT_INCOMPLETE, REASON_SIZE);
    if (jail_is_sanitized())
        return;
    buf_init(&b, BOX_MAX);
    box(&b, "xz", "m", span_str("harmless"));
    /* the block header: size, flags, filter LZMA2, one property, its dictionary, padding, CRC */
    assert_true(b.len > 24 && memcmp(b.data + 12, "\2\0\x21\1", 4) == 0);
    b.data[16] = 40;
    sum = crc32_of(b.data + 12, 8);
    for (size_t i = 0; i < 4; i++)
        b.data[20 + i] = (uint8_t)(sum >> 8 * i);
    expect("xz", buf_span(&b), VERDICT_INCOMPLETE, REASON_SIZE);
    buf_free(&b);
}

/* --- the room for ClamAV's temporary files --- */

static void start_clamav(struct line_rig *h, const char *path, unsigned ms)
{
    struct detect_limits l = limits;

    *h = (struct line_rig){.names = {"clamav"}, .paths = {path}, .n = 1};
    l.file_ms = ms;
    line_rig_marker(h);
    line_rig_start(h, &l);
}

static void stop(struct line_rig *h)
{
    line_rig_stop(h);
    rig_remove(h->folder);
}

/* A zip of one member of this size, with the marker at its end. */
static void big_zip(struct buf *out, const char *marker, size_t n)
{
    uint8_t *content = calloc(1, n);

    assert_non_null(content);
    memcpy(content + n - strlen(marker), marker, strlen(marker));
    buf_init(out, BOX_MAX);
    box(out, "zip", "m", span_of(content, n));
    free(content);
}

static void a_member_that_fills_the_room_is_incomplete(void **state)
{
    struct detect_line_result r;
    struct line_rig h;
    struct buf z, plain;

    (void)state;
    start_clamav(&h, hooked_clamav, 20000); /* 4 MiB */
    detect_line_result_init(&r);
    big_zip(&z, "harmless", 6 << 20);
    line_rig_scan(&h, buf_span(&z), &r);
    assert_int_equal(r.finding.verdict, VERDICT_INCOMPLETE);
    assert_int_equal(r.finding.reason, REASON_ENGINE);
    expect("with room enough", buf_span(&z), VERDICT_CLEAN, REASON_NONE);
    big_zip(&plain, h.marker, 3 << 20); /* the next has all of it again */
    line_rig_scan(&h, buf_span(&plain), &r);
    assert_int_equal(r.finding.verdict, VERDICT_MALICIOUS);
    detect_line_result_done(&r);
    buf_free(&plain);
    buf_free(&z);
    stop(&h);
}

static void submit_one(struct line_rig *h, struct span file, uint64_t cookie)
{
    struct detect_batch *b = NULL;
    void *where;

    assert_int_equal(detect_batch_new(&b), 0);
    assert_int_equal(detect_batch_add(b, file.n, &where, cookie), 0);
    memcpy(where, file.p, file.n);
    while (detect_line_submit(h->line, b) == -EAGAIN)
        line_rig_turn(h);
}

static void who_fills_his_room_takes_none_of_anothers(void **state)
{
    struct detect_line_result r;
    struct line_rig h;
    mono_ms until;
    struct buf z;

    (void)state;
    if (jail_landlock_abi() == 0)
        skip(); /* one child at a time */
    start_clamav(&h, hooked_clamav, 4000);
    detect_line_result_init(&r);
    big_zip(&z, h.marker, 3 << 20);
    submit_one(&h, span_str("HOOK:fill"), 1);
    for (until = clock_mono() + 500; clock_mono() < until;)
        line_rig_turn(&h);
    submit_one(&h, buf_span(&z), 2);
    for (int i = 0; i < 2; i++) {
        line_rig_next(&h, &r);
        assert_int_equal(r.finding.verdict, r.cookie == 1 ? VERDICT_INCOMPLETE : VERDICT_MALICIOUS);
        if (r.cookie == 1)
            assert_int_equal(r.finding.reason, REASON_TIME);
    }
    detect_line_result_done(&r);
    buf_free(&z);
    stop(&h);
}

static void what_a_child_leaves_is_gone_before_the_next(void **state)
{
    static const struct {
        const char *deed;
        enum verdict verdict;
    } rows[] = {{"HOOK:look", VERDICT_CLEAN},
                {"HOOK:bury", VERDICT_INCOMPLETE}, /* its own folder is closed to ClamAV, too */
                {"HOOK:look", VERDICT_CLEAN},
                {"HOOK:close", VERDICT_CLEAN}};
    struct detect_line_result r;
    struct line_rig h;
    pid_t pid;

    (void)state;
    start_clamav(&h, hooked_clamav, 20000);
    pid = h.proc[0].pid;
    detect_line_result_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        line_rig_scan(&h, span_str(rows[i].deed), &r);
        if (r.finding.verdict != rows[i].verdict)
            fail_msg("%s (%zu): %s(%s)", rows[i].deed, i, verdict_word(r.finding.verdict),
                     verdict_reason_word(r.finding.reason));
    }
    assert_int_equal(h.proc[0].pid, pid); /* the engine did not have to begin anew for it */
    detect_line_result_done(&r);
    stop(&h);
}

/* ClamAV has limits beyond which it looks less closely and says nothing: text without its tags is
 * looked at in HTML up to 8 MiB, unless it is told otherwise. */
static void a_large_page_is_looked_at_like_a_small_one(void **state)
{
    struct line_rig h = {.names = {"clamav"}, .paths = {clamav}, .n = 1};
    struct detect_limits wide = limits;
    struct detect_line_result r;
    char text[128], hex[65];

    (void)state;
    wide.member_bytes = 64 << 20;
    line_rig_marker(&h);
    text_hex(hex, (const uint8_t *)h.marker, 32);
    /* 3: normalized HTML; between the halves stands less than the tags that part them */
    (void)snprintf(text, sizeof(text), "Page.Marker:3:*:%.32s{0-2}%s\n", hex, hex + 32);
    rig_rule(h.folder, "page.ndb", text);
    line_rig_start(&h, &wide);
    detect_line_result_init(&r);
    for (size_t mib = 1; mib < 20; mib += 10) {
        struct buf b;

        buf_init(&b, BOX_MAX);
        assert_int_equal(buf_puts(&b, "<html><body>"), 0);
        while (b.len < mib << 20)
            assert_int_equal(buf_puts(&b, "<p>a line of a page like any other</p>\n"), 0);
        assert_int_equal(buf_printf(&b, "%.16s<b></b>%s</body></html>", h.marker, h.marker + 16),
                         0);
        line_rig_scan(&h, buf_span(&b), &r);
        if (!named(&r, "Page.Marker"))
            fail_msg("%zu MiB: %s(%s)", mib, verdict_word(r.finding.verdict),
                     verdict_reason_word(r.finding.reason));
        buf_free(&b);
    }
    detect_line_result_done(&r);
    stop(&h);
}

/* Several signatures with one name: there are more signatures than ranks. */
static void a_rank_beyond_the_names_is_a_lie(void **state)
{
    struct line_rig h = {.names = {"clamav"}, .paths = {hooked_clamav}, .n = 1};
    struct detect_line_result r;

    (void)state;
    line_rig_marker(&h);
    rig_rule(h.folder, "same.ndb",
             "Same.Name:0:*:4142434445464748\nSame.Name:0:*:4242434445464748\n"
             "Same.Name:0:*:4342434445464748\n");
    line_rig_start(&h, &limits);
    assert_int_equal(detect_line_rules(h.line), 4); /* of two names */
    detect_line_result_init(&r);
    line_rig_scan(&h, span_str("LIE:r: rank 2"), &r);
    assert_int_equal(r.finding.verdict, VERDICT_INCOMPLETE);
    assert_int_equal(r.finding.reason, REASON_CRASH);
    detect_line_result_done(&r);
    stop(&h);
}

/* --- the child that misbehaves --- */

static void crash_time_and_memory_are_incomplete_and_the_next_is_unaffected(void **state)
{
    static const struct {
        const char *word;
        enum verdict_reason reason;
    } rows[] = {{"HOOK:crash", REASON_CRASH},
                {"HOOK:hang", REASON_TIME},
                {"HOOK:eat", REASON_SIZE}, /* memory */
                {"HOOK:open", REASON_CRASH}};
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

        if (jail_is_sanitized() &&
            (strcmp(rows[i].word, "HOOK:open") == 0 || strcmp(rows[i].word, "HOOK:eat") == 0))
            continue; /* there the jail answers instead of killing, and has no limit on memory */
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

static void what_was_taken_out_before_the_walk_died_is_scanned(void **state)
{
    static const struct {
        const char *word;
        enum verdict_reason reason;
    } rows[] = {{"HOOK:crash", REASON_CRASH}, {"HOOK:hang!", REASON_TIME}};
    struct line_rig h = {.names = {"walk", "yara"}, .paths = {hooked_walk, yara}, .n = 2};
    struct detect_limits fast = limits;
    struct detect_line_result r;

    (void)state;
    fast.file_ms = 500;
    line_rig_marker(&h);
    line_rig_start(&h, &fast);
    detect_line_result_init(&r);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int marked = 0; marked < 2; marked++) {
            struct archive *a;
            struct buf b;

            buf_init(&b, BOX_MAX);
            a = box_begin(&b, box_kind("tgz"), NULL);
            box_add(a, "first", span_str(marked ? h.marker : "harmless"));
            box_add(a, "second", span_str(rows[i].word));
            box_add(a, "third", span_str("never come to"));
            box_end(a);
            line_rig_scan(&h, buf_span(&b), &r);
            assert_int_equal(r.members, 3); /* the tar in the gz, and two in it */
            if (marked)
                assert_int_equal(r.finding.verdict, VERDICT_MALICIOUS);
            else
                assert_int_equal(r.finding.reason, rows[i].reason);
            assert_false(r.lost);
            buf_free(&b);
        }
    detect_line_result_done(&r);
    line_rig_stop(&h);
    rig_remove(h.folder);
}

/* The owner's loop serves everybody: one big member must not hold it up. */
static void a_big_member_is_hashed_over_several_turns(void **state)
{
    struct line_rig h = {.names = {"walk", "yara"}, .paths = {walk, yara}, .n = 2};
    struct detect_limits wide = limits;
    struct detect_batch *batch = NULL;
    struct detect_line_result r;
    size_t n = (100 << 20) + 7;
    uint8_t *content = malloc(n);
    struct tree_member m;
    unsigned turns = 0;
    struct digest want;
    struct tree t;
    struct buf b;
    void *where;

    (void)state;
    assert_non_null(content);
    for (size_t i = 0; i < n; i++)
        content[i] = (uint8_t)(i >> 12);
    sha256_of(content, n, &want);
    wide.member_bytes = 128 << 20;
    line_rig_marker(&h);
    line_rig_start(&h, &wide);
    detect_line_result_init(&r);
    buf_init(&b, BOX_MAX);
    box(&b, "gz", "m", span_of(content, n));
    assert_int_equal(detect_batch_new(&batch), 0);
    assert_int_equal(detect_batch_add(batch, b.len, &where, 7), 0);
    memcpy(where, b.data, b.len);
    assert_int_equal(detect_line_submit(h.line, batch), 0);
    while (detect_line_next(h.line, &r) == 0) {
        line_rig_turn(&h);
        turns += detect_line_due(h.line) == 0; /* there is more to hash */
    }
    assert_in_range(turns, 6, 8); /* 16 MiB each; the last one ends it */
    assert_int_equal(tree_read(&t, buf_span(&r.tree)), 0);
    assert_int_equal(tree_next(&t, &m), 1);
    assert_memory_equal(m.sha256.b, want.b, 32);
    detect_line_result_done(&r);
    buf_free(&b);
    free(content);
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
        cmocka_unit_test(what_an_archive_calls_no_file_is_not_passed_over),
        cmocka_unit_test(every_tree_of_an_image_is_looked_at),
        cmocka_unit_test(names_in_any_code_page_are_read),
        cmocka_unit_test(an_encrypted_member_is_incomplete_unless_its_password_is_known),
        cmocka_unit_test(deeper_than_the_budget_is_incomplete),
        cmocka_unit_test(more_members_than_the_budget_are_incomplete),
        cmocka_unit_test(a_bomb_is_incomplete_and_what_stood_before_it_is_found),
        cmocka_unit_test(what_is_cut_or_broken_is_incomplete),
        cmocka_unit_test(a_container_that_nobody_opens_is_incomplete),
        cmocka_unit_test(what_wants_too_much_memory_is_incomplete),
        cmocka_unit_test(a_member_that_fills_the_room_is_incomplete),
        cmocka_unit_test(who_fills_his_room_takes_none_of_anothers),
        cmocka_unit_test(what_a_child_leaves_is_gone_before_the_next),
        cmocka_unit_test(a_large_page_is_looked_at_like_a_small_one),
        cmocka_unit_test(a_rank_beyond_the_names_is_a_lie),
        cmocka_unit_test(crash_time_and_memory_are_incomplete_and_the_next_is_unaffected),
        cmocka_unit_test(a_batch_whose_members_do_not_fit_at_once_is_walked_in_parts),
        cmocka_unit_test(what_was_taken_out_before_the_walk_died_is_scanned),
        cmocka_unit_test(a_big_member_is_hashed_over_several_turns),
        cmocka_unit_test(an_engine_that_is_killed_costs_no_result),
        cmocka_unit_test(every_engine_names_file_and_line_of_what_it_refuses),
        cmocka_unit_test(a_line_that_scans_nothing_is_refused),
    };

    if (argc != 7)
        return 2;
    walk = argv[1];
    yara = argv[2];
    clamav = argv[3];
    hooked = argv[4];
    hooked_clamav = argv[5];
    hooked_walk = argv[6];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
