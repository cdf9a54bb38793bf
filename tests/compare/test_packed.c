/* gzip, xz, lzma, bzip2, zstd, lz4: by their own programs and Python. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "archive_tool.h"

static const struct codec {
    const char *suffix, *pack, *other; /* other: another level */
} codecs[] = {
    {"gz", "gzip -n", "gzip -n1"},     {"xz", "xz -T1", "xz -T1 -0"},  {"bz2", "bzip2", "bzip2 -1"},
    {"zst", "zstd -q", "zstd -q -15"}, {"lz4", "lz4 -q", "lz4 -q -9"},
};
static char names[2][32];

/* A/x.txt.SUFFIX and B/x.txt.SUFFIX of a and b, by two commands, with what comes behind. */
static void packed(const struct codec *c, const char *pack_a, const char *pack_b,
                   const char *behind)
{
    (void)snprintf(names[0], sizeof(names[0]), "A/x.txt.%s", c->suffix);
    (void)snprintf(names[1], sizeof(names[1]), "B/x.txt.%s", c->suffix);
    archive_sh("mkdir -p A B && %s -c <a >%s && %s -c <b >%s && %s", pack_a, names[0], pack_b,
               names[1], behind);
}

static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh("seq 3000 >a && cp a b");
    return rc;
}

#define EACH(c) for (const struct codec *c = codecs; c < codecs + ARRAY_LEN(codecs); c++)

static void another_level_is_the_same_content(void **state)
{
    (void)state;
    EACH(c)
    {
        packed(c, c->pack, c->other, "true");
        archive_expect(names[0], names[1], COMPARE_SAME_CONTENT, "packed otherwise", NULL);
    }
}

static void a_changed_line_is_found_inside(void **state)
{
    (void)state;
    archive_sh("sed -i 's/^2500$/25OO/' b");
    EACH(c)
    {
        packed(c, c->pack, c->pack, "true");
        archive_expect(names[0], names[1], COMPARE_UNEXPLAINED, "x.txt (text)", "25OO", NULL);
    }
}

static void bytes_behind_a_stream_are_found(void **state)
{
    (void)state;
    EACH(c)
    {
        char at[64];

        packed(c, c->pack, c->other, "true");
        archive_sh("printf evil >>%s && printf '%%s' \"$(printf '(0 bytes at 0x0, 4 at 0x%%x)' "
                   "$(($(stat -c "
                   "%%s %s) - 4)))\" >where",
                   names[1], names[1]);
        {
            char path[128];
            FILE *f;

            (void)snprintf(path, sizeof(path), "%s/where", archive_dir());
            f = fopen(path, "r");
            assert_non_null(f);
            assert_non_null(fgets(at, sizeof(at), f));
            (void)fclose(f);
        }
        archive_expect(names[0], names[1], COMPARE_UNEXPLAINED, at, "packed otherwise", NULL);
    }
}

static void streams_behind_one_another_are_one_content(void **state)
{
    (void)state;
    archive_sh("head -n 1000 a >a1 && tail -n +1001 a >a2");
    EACH(c)
    {
        packed(c, c->pack, c->pack, "true");
        archive_sh("(%s -c <a1; %s -c <a2) >%s", c->pack, c->pack, names[1]);
        archive_expect(names[0], names[1], COMPARE_SAME_CONTENT, NULL);
        /* and a third one hides in the middle */
        archive_sh("(%s -c <a1; echo evil | %s -c; %s -c <a2) >%s", c->pack, c->pack, c->pack,
                   names[1]);
        archive_expect(names[0], names[1], COMPARE_UNEXPLAINED, "evil", NULL);
    }
}

static void what_is_damaged_is_unexplained(void **state)
{
    (void)state;
    EACH(c)
    {
        packed(c, c->pack, c->pack, "true");
        archive_sh("head -c -3 %s >half && mv half %s", names[0], names[1]);
        archive_expect(names[0], names[1], COMPARE_UNEXPLAINED, "B is damaged: it ends", NULL);
        packed(c, c->pack, c->pack, "true");
        archive_sh("printf '\\377\\376' | dd of=%s bs=1 seek=200 conv=notrunc status=none",
                   names[1]);
        archive_expect(names[0], names[1], COMPARE_UNEXPLAINED, NULL);
    }
}

static void two_compressors_hold_the_same(void **state)
{
    (void)state;
    EACH(c)
    {
        const struct codec *d = c + 1 < codecs + ARRAY_LEN(codecs) ? c + 1 : codecs;

        archive_sh("%s -c <a >A.p && %s -c <b >B.p", c->pack, d->pack);
        archive_expect("A.p", "B.p", COMPARE_SAME_CONTENT, "(packed)", NULL);
    }
}

/* It has no magic, no sums, and one stream. */
static void lzma_is_expanded(void **state)
{
    (void)state;
    archive_sh("p='xz -F lzma'; $p -c <a >A.p; $p -0c <a >B.p; xz -c <a >C.p; $p -0c <a >D.p; "
               "printf evil >>D.p; head -c -9 B.p >E.p; sed -i 's/^2500$/25OO/' b; $p -c <b >F.p; "
               "$p -c <a | cat B.p - >G.p");
    archive_expect("A.p", "B.p", COMPARE_SAME_CONTENT, "(lzma)", "packed otherwise", NULL);
    archive_expect("A.p", "C.p", COMPARE_SAME_CONTENT, "(packed)", NULL);
    archive_expect("A.p", "D.p", COMPARE_UNEXPLAINED, "4 at 0x", "packed otherwise", NULL);
    archive_expect("A.p", "E.p", COMPARE_UNEXPLAINED, "B is damaged: it ends", NULL);
    archive_expect("A.p", "F.p", COMPARE_UNEXPLAINED, "25OO", NULL);
    archive_expect("A.p", "G.p", COMPARE_UNEXPLAINED, "no part of the format accounts for", NULL);
}

static void sums_that_are_wrong_are_found(void **state)
{
    (void)state;
    archive_sh("gzip -nc <a >A.gz && cp A.gz B.gz && "
               "printf X | dd of=B.gz bs=1 seek=$(($(stat -c %%s A.gz) - 6)) conv=notrunc "
               "status=none");
    archive_expect("A.gz", "B.gz", COMPARE_UNEXPLAINED, "the sum of the content (8 bytes", NULL);
    /* another content under the old sum */
    archive_sh("sed -i s/2500/2501/ b && gzip -nc <b >B.gz && "
               "head -c -8 B.gz >C.gz && tail -c 8 A.gz >>C.gz");
    archive_expect("A.gz", "B.gz", COMPARE_UNEXPLAINED,
                   "derived-only: the sum of the content, right on both sides", NULL);
    archive_expect("A.gz", "C.gz", COMPARE_UNEXPLAINED,
                   "the sum that stands in B is not that of the content", NULL);
}

/* RFC 1952: each field of the header, by Python. */
static void fields_of_gzip_are_told(void **state)
{
    (void)state;
    archive_sh("cat >make.py <<'E'\n"
               "import gzip, struct, zlib\n"
               "d = open('a', 'rb').read()\n"
               "z = zlib.compressobj(9, zlib.DEFLATED, -15); body = z.compress(d) + z.flush()\n"
               "tail = struct.pack('<II', zlib.crc32(d), len(d))\n"
               "def put(f, flags=0, mtime=7, xfl=0, os=3, opt=b'', crc=None):\n"
               "    h = b'\\x1f\\x8b\\x08' + struct.pack('<BIBB', flags, mtime, xfl, os) + opt\n"
               "    if crc is not None: h += struct.pack('<H', zlib.crc32(h) + crc & 0xffff)\n"
               "    open(f, 'wb').write(h + body + tail)\n"
               "put('base'); put('mtime', mtime=8); put('os', os=0); put('xfl', xfl=2)\n"
               "put('name1', 8, opt=b'one\\0'); put('name2', 8, opt=b'two\\0')\n"
               "put('comment1', 16, opt=b'one\\0'); put('comment2', 16, opt=b'two\\0')\n"
               "put('extra1', 4, opt=b'\\2\\0ab'); put('extra2', 4, opt=b'\\3\\0abc')\n"
               "put('crc1', 2, mtime=1, crc=0); put('crc2', 2, mtime=2, crc=0)\n"
               "put('crc3', 2, mtime=1, crc=1); put('flag', 32)\n"
               "E\npython3 make.py");
    archive_expect("base", "mtime", COMPARE_METADATA, "the mtime: 7 and 8", NULL);
    archive_expect("base", "os", COMPARE_METADATA, "the operating system: 3 and 0", NULL);
    archive_expect("base", "xfl", COMPARE_SAME_CONTENT, "the compression level: 0 and 2", NULL);
    archive_expect("name1", "name2", COMPARE_METADATA, "\"one", NULL);
    archive_expect("comment1", "comment2", COMPARE_UNEXPLAINED, "the comment", NULL);
    archive_expect("extra1", "extra2", COMPARE_UNEXPLAINED, "the extra field", NULL);
    archive_expect("crc1", "crc2", COMPARE_METADATA, "derived-only: the CRC of the header", NULL);
    archive_expect("crc1", "crc3", COMPARE_UNEXPLAINED, "the CRC of the header", NULL);
    archive_expect("base", "flag", COMPARE_UNEXPLAINED, "the flags: 00 and 20", NULL);
}

static void frames_that_are_stepped_over_hide_nothing(void **state)
{
    (void)state;
    for (size_t i = 3; i < 5; i++) {
        packed(&codecs[i], codecs[i].pack, codecs[i].other, "true");
        archive_sh("printf '\\120\\052\\115\\030\\004\\000\\000\\000evil' >>%s", names[1]);
        archive_expect(names[0], names[1], COMPARE_UNEXPLAINED, "a frame that is stepped over",
                       NULL);
        archive_sh("head -c -1 %s >short && mv short %s", names[1], names[1]);
        archive_expect(names[0], names[1], COMPARE_UNEXPLAINED,
                       "B is damaged: it ends inside of a frame", NULL);
    }
}

static void an_archive_inside_is_followed(void **state)
{
    (void)state;
    archive_sh("mkdir t u; for i in $(seq 60); do seq $i 2000 >t/f$i; done; cp t/* u; "
               "echo evil >>u/f50; chmod 600 u/f7; echo x >u/extra");
    EACH(c)
    {
        archive_sh("mkdir -p A B; tar --sort=name --mtime=@1 -cC t . | %s -c >A/x.tar.%s; "
                   "tar --sort=name --mtime=@1 -cC u . | %s -c >B/x.tar.%s",
                   c->pack, c->suffix, c->other, c->suffix);
        (void)snprintf(names[0], sizeof(names[0]), "A/x.tar.%s", c->suffix);
        (void)snprintf(names[1], sizeof(names[1]), "B/x.tar.%s", c->suffix);
        archive_expect(names[0], names[1], COMPARE_UNEXPLAINED, "x.tar (tar): unexplained",
                       "./extra (member): unexplained", "./f50 (text): unexplained", "evil",
                       "the mode of \"./f7\": 0644 and 0600", NULL);
    }
}

/* 20 MB of zeros a side, and 512 KiB of memory: equal is told, another byte is told. */
static void bombs_end_in_an_answer(void **state)
{
    const struct compare_options small = {.memory = 1 << 19}, little = {.unpacked = 1 << 20};

    (void)state;
    archive_sh("head -c 20000000 /dev/zero >z; head -c 19999999 /dev/zero >y; echo >>y; "
               "gzip -nc1 z >1.gz; gzip -nc9 z >2.gz; gzip -nc1 y >3.gz; gzip -nc <3.gz >4.gz; "
               "gzip -nc <1.gz >5.gz; rm z y");
    archive_expect_with(&small, "1.gz", "2.gz", COMPARE_SAME_CONTENT, NULL);
    archive_expect_with(&small, "1.gz", "3.gz", COMPARE_UNEXPLAINED,
                        "bytes that no part of the format accounts for", NULL);
    archive_expect_with(&little, "1.gz", "3.gz", COMPARE_UNEXPLAINED, "expands to too much", NULL);
    archive_expect_with(&little, "4.gz", "5.gz", COMPARE_UNEXPLAINED, "expands to too much", NULL);
}

/* A member that is longer than what may be held is compared by its hash. */
static void members_beyond_what_is_held_are_hashed(void **state)
{
    const struct compare_options small = {.memory = 100000};

    (void)state;
    archive_sh("mkdir t u; seq 60000 >t/big; seq 100 >t/less; cp t/* u; echo x >>u/less; "
               "for d in t u; do tar --sort=name --mtime=@1 -cC $d . | gzip -n >$d.gz; done; "
               "echo y >>u/big; tar --sort=name --mtime=@1 -cC u . | gzip -n >v.gz");
    archive_expect_with(&small, "t.gz", "u.gz", COMPARE_UNEXPLAINED, "./less (text): unexplained",
                        NULL);
    archive_expect_with(&small, "t.gz", "v.gz", COMPARE_UNEXPLAINED, "./big (bytes): unexplained",
                        "its SHA-256 is another", "too large to be held", NULL);
}

/* Deeper in one another than is followed. */
static void depth_ends_in_an_answer(void **state)
{
    const struct compare_options flat = {.depth = 3};

    (void)state;
    archive_sh("echo 1 >b; for i in 1 2 3 4 5 6; do for f in a b; do gzip -nc <$f >$f.n; mv $f.n "
               "$f; done; done");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "(text)", NULL);
    archive_expect_with(&flat, "a", "b", COMPARE_UNEXPLAINED, "too many containers in one another",
                        NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(another_level_is_the_same_content),
        T(a_changed_line_is_found_inside),
        T(bytes_behind_a_stream_are_found),
        T(streams_behind_one_another_are_one_content),
        T(what_is_damaged_is_unexplained),
        T(two_compressors_hold_the_same),
        T(lzma_is_expanded),
        T(sums_that_are_wrong_are_found),
        T(fields_of_gzip_are_told),
        T(frames_that_are_stepped_over_hide_nothing),
        T(an_archive_inside_is_followed),
        T(bombs_end_in_an_answer),
        T(members_beyond_what_is_held_are_hashed),
        T(depth_ends_in_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
