/* squashfs: images by mksquashfs, and what is hidden in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive_tool.h"
#include "changed.h"

/* mk FOLDER IMAGE [OPTION...] */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh(
            "mkdir -p t/d/e t/empty && seq 100000 >t/big && cp t/big t/copy && "
            "seq 300 >t/d/small && seq 10 >t/d/x && : >t/none && ln -s big t/link && "
            "ln t/d/small t/hard && mkfifo t/fifo && truncate -s 300K t/hole && "
            "echo x >>t/hole && for i in $(seq 400); do echo $i >t/d/e/a-longer-name-$i; "
            "done && cat >mk <<'E'\n"
            "d=$1 o=$2; shift 2; rm -f $o; mksquashfs $d $o -quiet -no-progress "
            "-all-time 5 -mkfs-time 7 -all-root -processors 1 -mem 32M \"$@\" >log || cat log\nE\n"
            "sh mk t a && cp -a t u");
    return rc;
}

/* The file system of the test has no extended attributes. */
static bool access_none(void)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/none", archive_dir());
    return access(path, F_OK) == 0;
}

static void the_same_tree_packed_twice_is_identical(void **state)
{
    (void)state;
    archive_sh("sh mk u b");
    archive_expect("a", "b", COMPARE_IDENTICAL, NULL);
}

static void packed_otherwise_is_the_same_content(void **state)
{
    static const char *const how[] = {
        "-comp xz",       "-comp zstd",         "-comp lz4",
        "-b 32768",       "-no-fragments",      "-noI -noD -noF -noId",
        "-no-duplicates", "-no-exports -nopad", "-Xcompression-level 1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        archive_sh("sh mk t b %s", how[i]);
        archive_expect("a", "b", COMPARE_SAME_CONTENT, "the same content, packed otherwise", NULL);
    }
}

static void a_byte_in_a_file_is_found_however_it_is_packed(void **state)
{
    (void)state;
    archive_sh("cp -a t byte; printf X | dd of=byte/d/e/a-longer-name-7 conv=notrunc status=none; "
               "printf X | dd of=byte/big bs=1 seek=200000 conv=notrunc status=none; "
               "sh mk byte b; sh mk byte c -comp zstd -b 4096");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "d/e/a-longer-name-7 (text): unexplained",
                   "big (text): unexplained", NULL);
    archive_expect("a", "c", COMPARE_UNEXPLAINED, "big (text): unexplained", NULL);
}

static void times_and_owners_are_metadata(void **state)
{
    (void)state;
    archive_sh("sh mk t b -all-time 6 -mkfs-time 7 -force-uid 7 -force-gid 8; "
               "sh mk t c -mkfs-time 9");
    archive_expect("a", "b", COMPARE_METADATA, "the mtime of \"big\": 5 and 6",
                   "the uid of \"big\": 0 and 7", "the gid of \"/\": 0 and 8", NULL);
    archive_expect("a", "c", COMPARE_METADATA, "the time it was made: 7 and 9", NULL);
    archive_sh("cp -a t own; chmod 4755 own/d/x; sh mk own b; sh mk own c -force-uid 7");
    archive_expect("b", "c", COMPARE_UNEXPLAINED, "unexplained: the uid of \"d/x\": 0 and 7",
                   "metadata-only: the uid of \"big\": 0 and 7", NULL);
}

static void what_names_are_is_unexplained(void **state)
{
    (void)state;
    archive_sh("chmod 4755 u/d/x; sh mk u mode; cp -a t v; ln -sf none v/link; sh mk v link; "
               "cp -a t w; rm w/hard; cp w/d/small w/hard; sh mk w hard; cp -a t x; "
               "echo evil >x/d/evil; sh mk x more; cp -a t y; rm y/fifo; mkdir y/fifo; "
               "sh mk y sort;");
    archive_expect("a", "mode", COMPARE_UNEXPLAINED, "the mode of \"d/x\": 0644 and 4755", NULL);
    archive_expect("a", "link", COMPARE_UNEXPLAINED,
                   "the link \"link\" leads to \"big\" and to \"none\"", NULL);
    archive_expect("a", "hard", COMPARE_UNEXPLAINED,
                   "\"hard\" is the same file as \"d/small\", and as \"hard\"", NULL);
    archive_expect("a", "more", COMPARE_UNEXPLAINED, "d/evil (member): unexplained",
                   "it is only in B", NULL);
    archive_expect("a", "sort", COMPARE_UNEXPLAINED, "the sort of \"fifo\"", NULL);
}

static void extended_attributes_are_bytes(void **state)
{
    (void)state;
    archive_sh("cp -a t z; cat >set.py <<'E'\n"
               "import os, sys\n"
               "try: os.setxattr('z/d/x', 'user.x', sys.argv[1].encode())\n"
               "except OSError: open('none', 'w')\nE\n"
               "python3 set.py evil; sh mk z attribute; python3 set.py live; sh mk z other; "
               "sh mk z c -mkfs-time 8 -b 65536; sh mk z d -mkfs-time 9 -Xcompression-level 1");
    if (access_none())
        skip();
    archive_expect("a", "attribute", COMPARE_UNEXPLAINED,
                   "the place among extended attributes of \"d/x\"", NULL);
    archive_expect("attribute", "other", COMPARE_UNEXPLAINED, "unexplained: extended attributes",
                   NULL);
    archive_expect("c", "d", COMPARE_METADATA, "where extended attributes stand", NULL);
}

/* Each beside a change that would be metadata alone. */
static void what_is_hidden_is_found(void **state)
{
    (void)state;
    archive_sh(
        "sh mk t b -nopad -mkfs-time 8 -noI; cat >hide.py <<'E'\n"
        "import struct\n"
        "d = open('b', 'rb').read()\n"
        "root, used, ids, xat, ino, dirs, frag, exp = struct.unpack('<8Q', d[32:96])\n"
        "u64 = lambda at: struct.unpack('<Q', d[at:at + 8])[0]\n"
        "def put(name, at, b): open(name, 'wb').write(d[:at] + b + d[at + len(b):])\n"
        "def pad(name, b): open(name, 'wb').write(d + b)\n"
        "pad('zeros', bytes(-len(d) %% 4096)); pad('more', bytes(4096 + -len(d) %% 4096))\n"
        "pad('behind', b'evil')\n"
        "put('count', 4, struct.pack('<I', struct.unpack('<I', d[4:8])[0] - 1))\n"
        "put('flag', 24, struct.pack('<H', struct.unpack('<H', d[24:26])[0] | 0x8000))\n"
        "put('mode', ino + 2 + 2, struct.pack('<H', struct.unpack('<H', d[ino + 4:ino + 6])[0]"
        " ^ 0o4000))\n"
        "put('export', u64(exp) + 2, b'\\xff')\nput('root', 32, struct.pack('<Q', root + 1))\n"
        "put('ids', ids, struct.pack('<Q', u64(ids) + 1))\n"
        "put('fragment', u64(frag) + 2 + 12, b'\\1')\n"
        /* a hole between the data and the tables */
        "moved = d[:ino] + b'evil' + d[ino:]\n"
        "m = bytearray(moved)\n"
        "for at, v in ((40, used), (48, ids), (64, ino), (72, dirs), (80, frag), (88, exp)):\n"
        "    m[at:at + 8] = struct.pack('<Q', v + 4)\n"
        "for i in (ids, frag, exp): m[i + 4:i + 12] = struct.pack('<Q', u64(i) + 4)\n"
        "open('hole', 'wb').write(m)\n"
        /* names that no folder has */
        "at = dirs; end = u64(frag)\n"
        "while at < end: last, at = at, at + 2 + (struct.unpack('<H', d[at:at + 2])[0] & 0x7fff)\n"
        "m = bytearray(d[:end] + b'evil' + d[end:])\n"
        "m[last:last + 2] = struct.pack('<H', struct.unpack('<H', d[last:last + 2])[0] + 4)\n"
        "for at, v in ((40, used), (48, ids), (80, frag), (88, exp)):\n"
        "    m[at:at + 8] = struct.pack('<Q', v + 4)\n"
        "for i in (ids, frag, exp): m[i + 4:i + 12] = struct.pack('<Q', u64(i) + 4)\n"
        "open('names', 'wb').write(m)\n"
        /* an owner who owns nothing */
        "m = bytearray(d[:ids] + b'evil' + d[ids:]); i = u64(ids); assert d[i:i + 2] == "
        "b'\\4\\x80'\n"
        "m[i] = 8; m[26] = 2\n"
        "for at, v in ((40, used), (48, ids)): m[at:at + 8] = struct.pack('<Q', v + 4)\n"
        "open('owner', 'wb').write(m)\nE\npython3 hide.py; "
        "unsquashfs -s zeros >log && unsquashfs -q -n -d out hole >log && unsquashfs -l names >log "
        "&& unsquashfs -l owner >log && "
        "diff -r --no-dereference t/d out/d");
    archive_expect("a", "b", COMPARE_METADATA, "the time it was made", NULL);
    archive_expect("b", "zeros", COMPARE_SAME_CONTENT, "zeros behind the end", NULL);
    archive_expect("b", "more", COMPARE_UNEXPLAINED, "unexplained: bytes behind the end", NULL);
    archive_expect("a", "behind", COMPARE_UNEXPLAINED, "unexplained: bytes behind the end", NULL);
    archive_expect("a", "count", COMPARE_UNEXPLAINED, "not looked into to its end", NULL);
    archive_expect("a", "flag", COMPARE_UNEXPLAINED, "unexplained: the flags", NULL);
    archive_expect("a", "mode", COMPARE_UNEXPLAINED, "unexplained: the mode of", NULL);
    archive_expect("a", "export", COMPARE_UNEXPLAINED, "table of exports", NULL);
    archive_expect("a", "root", COMPARE_UNEXPLAINED, "a root that is none", NULL);
    archive_expect("a", "ids", COMPARE_UNEXPLAINED, "not looked into to its end", NULL);
    archive_expect("a", "fragment", COMPARE_UNEXPLAINED, "a fragment that cannot be", NULL);
    archive_expect("a", "names", COMPARE_UNEXPLAINED, "names that no folder has", NULL);
    archive_expect("a", "owner", COMPARE_UNEXPLAINED, "an owner or a number that no inode has",
                   NULL);
    archive_expect("b", "hole", COMPARE_UNEXPLAINED,
                   "bytes that no part of the format accounts for (0 bytes", "4 at 0x", NULL);
}

/* A folder in itself; a file of blocks without end; a bomb. */
static void hostile_images_end_in_an_answer(void **state)
{
    const struct compare_options few = {.members = 50}, small = {.memory = 1 << 16},
                                 little = {.unpacked = 1 << 18};

    (void)state;
    archive_sh("mkdir -p l/a/b; sh mk l loop -noI -mkfs-time 9; mkdir -p l/a/c; sh mk l flat -noI; "
               "cat >loop.py <<'E'\n"
               "import struct\n"
               "d = bytearray(open('loop', 'rb').read())\n"
               "root, used, ids, xat, ino, dirs, frag, exp = struct.unpack('<8Q', d[32:96])\n"
               /* inodes: b, a, the root; a is made to lead to the root's listing, which has a */
               "r = ino + 2 + 64; a = ino + 2 + 32\n"
               "d[a + 26:a + 28] = d[r + 26:r + 28]; open('loop', 'wb').write(d)\nE\n"
               "python3 loop.py; sh mk u b -comp xz");
    archive_expect("loop", "flat", COMPARE_UNEXPLAINED, "not looked into to its end", NULL);
    archive_expect_with(&few, "a", "b", COMPARE_UNEXPLAINED, "too many", NULL);
    archive_expect_with(&small, "a", "b", COMPARE_UNEXPLAINED, "not looked into to its end", NULL);
    archive_expect_with(&little, "a", "b", COMPARE_UNEXPLAINED, "expands to too much", NULL);
}

/* What each byte may be at least, read off the format of a small image that is not packed: times
 * and owners are metadata, what says how it is packed may lead to the same. */
static char may_be[4096];

static enum compare_class least(size_t at)
{
    return at < sizeof(may_be) && may_be[at] >= '0' && may_be[at] <= '6'
               ? (enum compare_class)(may_be[at] - '0')
               : COMPARE_UNEXPLAINED;
}

static void no_changed_byte_is_taken_for_less(void **state)
{
    char path[256];
    FILE *f;

    (void)state;
    archive_sh("mkdir -p s/d; echo one >s/f; echo two >s/d/g; ln -s f s/l; "
               "sh mk s small -b 4096 -nopad -noI -noD -noF -noId -no-exports; cat >map.py <<'E'\n"
               "import struct\n"
               "d = open('small', 'rb').read(); m = bytearray(b'6' * len(d))\n"
               "root, used, ids, xat, ino, dirs, frag, exp = struct.unpack('<8Q', d[32:96])\n"
               "u16 = lambda at: struct.unpack('<H', d[at:at + 2])[0]\n"
               "def put(at, n, c): m[at:at + n] = c * n\n"
               "put(8, 4, b'4'); put(20, 2, b'1'); put(24, 2, b'1')\n"
               "at = ino + 2; assert u16(ino) & 0x8000\n"
               "while at < dirs:\n"
               "    put(at + 4, 8, b'4')\n" /* owners, time */
               "    sort = u16(at)\n"
               "    if sort == 3: put(at + 2, 2, b'4')\n"  /* the mode of a link */
               "    if sort == 2: put(at + 16, 4, b'1')\n" /* blocks, of which it has none */
               "    at += {1: 32, 2: 32, 3: 24 + u16(at + 20)}[sort]\n"
               "assert at == dirs\n"
               "put(ids - 4, 4, b'4'); open('map', 'wb').write(m)\nE\npython3 map.py");
    (void)snprintf(path, sizeof(path), "%s/map", archive_dir());
    assert_non_null(f = fopen(path, "r"));
    assert_in_range(fread(may_be, 1, sizeof(may_be), f), 300, sizeof(may_be) - 1);
    assert_int_equal(fclose(f), 0);
    changed_expect("small", 1, least);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_tree_packed_twice_is_identical),
        cmocka_unit_test(packed_otherwise_is_the_same_content),
        cmocka_unit_test(a_byte_in_a_file_is_found_however_it_is_packed),
        cmocka_unit_test(times_and_owners_are_metadata),
        cmocka_unit_test(what_names_are_is_unexplained),
        cmocka_unit_test(extended_attributes_are_bytes),
        cmocka_unit_test(what_is_hidden_is_found),
        cmocka_unit_test(hostile_images_end_in_an_answer),
        cmocka_unit_test(no_changed_byte_is_taken_for_less),
    };

    return cmocka_run_group_tests(tests, setup, archive_teardown);
}
