/* tar: archives by GNU tar and Python, and what is hidden in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "archive_tool.h"

#define LONG                                                                                       \
    "a-long-folder-name/a-second-long-folder-name-that-goes-on/a-third-one-that-is-longer-still"

static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh("mkdir -p t/d t/" LONG " && for i in 1 2 3 4; do seq ${i}00 >t/f$i; done && "
                   "seq 40 >t/" LONG "/a-file-behind-it && ln -s f1 t/link && "
                   "cat >make <<'E'\n"
                   "#!/bin/sh\n" /* make FORMAT FOLDER ARCHIVE [OPTION...] */
                   "f=$1 d=$2 o=$3; shift 3\n"
                   "[ $f = pax ] && set -- --pax-option=delete=atime,delete=ctime \"$@\"\n"
                   "tar --format=$f --sort=name --mtime=@1000000000 --owner=0 --group=0 \"$@\" "
                   "-C $d -cf $o .\nE\n"
                   "chmod +x make && cp -a t u");
    return rc;
}

static void benign(const char *how)
{
    archive_sh("for f in gnu pax ustar; do ./make $f t a-$f.tar; %s; ./make $f u b-$f.tar; done",
               how);
}

static void each(enum compare_class class, const char *text)
{
    archive_expect("a-gnu.tar", "b-gnu.tar", class, text, NULL);
    archive_expect("a-pax.tar", "b-pax.tar", class, text, NULL);
    archive_expect("a-ustar.tar", "b-ustar.tar", class, text, NULL);
}

static void the_same_tree_packed_twice_is_identical(void **state)
{
    (void)state;
    benign("true");
    each(COMPARE_IDENTICAL, "identical");
}

static void a_byte_in_a_member_is_found(void **state)
{
    (void)state;
    benign("printf X | dd of=u/" LONG "/a-file-behind-it bs=1 seek=5 conv=notrunc status=none");
    each(COMPARE_UNEXPLAINED, "line 3 is only in B: \"3X4\"");
}

static void fields_of_headers_are_told_with_both_values(void **state)
{
    (void)state;
    archive_sh("./make gnu t a-gnu.tar; ./make gnu t b.tar --mtime=@1000000001 --owner=joe:7 "
               "--group=staff:8");
    archive_expect("a-gnu.tar", "b.tar", COMPARE_METADATA,
                   "the mtime of 11 members: 1000000000 and 1000000001 (\"./\", ",
                   "the uid of 11 members: 0 and 7", "the gid of 11 members: 0 and 8",
                   "the uname of 11 members: \"root\" and \"joe\"",
                   "the gname of 11 members: \"root\" and \"staff\"",
                   "the checksum of the header of 11 members, right on both sides", NULL);
    archive_sh("./make pax t c.tar --mtime=@1000000000.5; "
               "./make pax t d.tar --mtime=@1000000000.25");
    archive_expect("c.tar", "d.tar", COMPARE_METADATA,
                   "the mtime of 11 members: \"1000000000.5\" and \"1000000000.25\"",
                   "the size in a header before that of 10 members: 22 and 23", NULL);
}

static void a_mode_bit_is_unexplained(void **state)
{
    (void)state;
    benign("chmod 4755 u/f2");
    each(COMPARE_UNEXPLAINED, "unexplained: the mode of \"./f2\": 0644 and 4755");
    benign("chmod 1755 u/d; cp -p t/f2 u/f2");
    each(COMPARE_UNEXPLAINED, "unexplained: the mode of \"./d/\": 0755 and 1755");
}

/* A program that runs as its owner is another one with another owner, wherever that is said. */
static void owners_matter_where_a_program_runs_as_them(void **state)
{
    (void)state;
    archive_sh(
        "cat >own.py <<'E'\n"
        "import tarfile, io\n"
        "def put(out, mode=0o4755, pax={}, every={}, names=('x', 'y'), **how):\n"
        "    with tarfile.open(out, 'w', format=tarfile.PAX_FORMAT, pax_headers=every) as t:\n"
        "        for n in names:\n"
        "            i = tarfile.TarInfo(n); i.size = 2; i.mode = mode if n == 'x' else 0o644\n"
        "            i.pax_headers = pax if n == 'x' else {}\n"
        "            for k, v in (how if n == 'x' else {}).items(): setattr(i, k, v)\n"
        "            t.addfile(i, io.BytesIO(b'x\\n'))\n"
        "for m, mode in (('s', 0o4755), ('g', 0o2755), ('p', 0o755)):\n"
        "    put(m, mode); put(m + 'uid', mode, uid=7); put(m + 'gid', mode, gid=7)\n"
        "    put(m + 'uname', mode, uname='joe'); put(m + 'mtime', mode, mtime=7)\n"
        "    put(m + 'pax', mode, pax={'uid': '0'}); put(m + 'pax2', mode, pax={'uid': '7'})\n"
        "    put(m + 'all', mode, every={'gname': 'a'}); "
        "put(m + 'all2', mode, every={'gname': 'b'})\n"
        "E\npython3 own.py");
    for (const char *m = "sg"; *m != '\0'; m++) {
        char base[8], other[16];
        static const char *const how[] = {"uid", "gid", "uname", "pax"};

        (void)snprintf(base, sizeof(base), "%c", *m);
        for (size_t i = 0; i < ARRAY_LEN(how); i++) {
            (void)snprintf(other, sizeof(other), "%c%s", *m, how[i]);
            archive_expect(base, other, COMPARE_UNEXPLAINED, "\"x\"", NULL);
        }
        (void)snprintf(other, sizeof(other), "%cmtime", *m);
        archive_expect(base, other, COMPARE_METADATA, "the mtime of \"x\"", NULL);
    }
    archive_expect("s", "suid", COMPARE_UNEXPLAINED, "unexplained: the uid of \"x\": 0 and 7",
                   NULL);
    archive_expect("spax", "spax2", COMPARE_UNEXPLAINED,
                   "unexplained: the uid of \"x\": \"0\" and \"7\"", NULL);
    archive_expect("ppax", "ppax2", COMPARE_METADATA, "uid of \"x\": \"0\" and \"7\"", NULL);
    archive_expect("p", "puname", COMPARE_METADATA, "the uname of \"x\": \"\" and \"joe\"", NULL);
    archive_expect("pall", "pall2", COMPARE_UNEXPLAINED, "gname of \"x\": \"a\" and \"b\"", NULL);
}

/* What a global header says holds from there on: another order gives others away. */
static void global_owners_bind_the_order(void **state)
{
    (void)state;
    archive_sh("cat >order.py <<'E'\n"
               "import tarfile, io\n"
               "def put(out, names, key):\n"
               "    with open(out, 'wb') as f:\n"
               "        for n in names:\n"
               "            i = tarfile.TarInfo(n); i.size = 2; b = io.BytesIO()\n"
               "            if n == 'y': f.write(i.create_pax_global_header({key: '7'}))\n"
               "            f.write(i.tobuf(tarfile.USTAR_FORMAT) + b'x\\n' + bytes(510))\n"
               "        f.write(bytes(1024))\n"
               "for k in 'uid', 'mtime':\n"
               "    put(k, ('x', 'y', 'z'), k); put(k + '2', ('x', 'z', 'y'), k)\n"
               "E\npython3 order.py");
    archive_expect("uid", "uid2", COMPARE_UNEXPLAINED,
                   "in another order, and what one says holds for those behind it", NULL);
    archive_expect("mtime", "mtime2", COMPARE_SAME_CONTENT, "its members come in another order",
                   NULL);
}

static void devices_are_told_apart_by_number(void **state)
{
    (void)state;
    archive_sh("cat >device.py <<'E'\n"
               "import tarfile\n"
               "for n in 3, 5:\n"
               "    with tarfile.open('d%%d' %% n, 'w', format=tarfile.USTAR_FORMAT) as t:\n"
               "        i = tarfile.TarInfo('d'); i.type = tarfile.CHRTYPE\n"
               "        i.devmajor = 1; i.devminor = n; t.addfile(i)\n"
               "E\npython3 device.py");
    archive_expect("d3", "d5", COMPARE_UNEXPLAINED, "unexplained: the devminor of \"d\": 3 and 5",
                   NULL);
}

static void formats_of_one_tree_hold_the_same(void **state)
{
    (void)state;
    archive_sh("./make gnu t a.tar; ./make ustar t b.tar; ./make gnu t c.tar -b 100");
    archive_expect("a.tar", "b.tar", COMPARE_DERIVED, "same-content: the magic of", NULL);
    archive_expect("a.tar", "c.tar", COMPARE_SAME_CONTENT, "zeros behind the last entry", NULL);
}

static void links_lead_where_they_lead(void **state)
{
    (void)state;
    benign("ln -sf f2 u/link");
    each(COMPARE_UNEXPLAINED, "the link \"./link\" leads to \"f1\" and to \"f2\"");
}

static void members_on_one_side_are_named(void **state)
{
    (void)state;
    benign("echo x >u/a-new");
    each(COMPARE_UNEXPLAINED, "./a-new (member): unexplained");
    archive_expect("b-gnu.tar", "a-gnu.tar", COMPARE_UNEXPLAINED, "it is only in A", NULL);
}

static void another_name_is_followed_by_content(void **state)
{
    (void)state;
    benign("[ ! -e u/f3 ] || mv u/f3 u/f9");
    each(COMPARE_METADATA, "./f3 -> ./f9");
    archive_sh("seq 10000 >t/library-1.0; seq 10001 >u/library-1.1; ./make gnu t a.tar; "
               "./make gnu u b.tar");
    archive_expect("a.tar", "b.tar", COMPARE_UNEXPLAINED, "./library-1.0 -> ./library-1.1", "10001",
                   NULL);
}

static void another_order_is_the_same_content(void **state)
{
    (void)state;
    archive_sh("tar -C t -cf a.tar f1 f2 f3 f4 d; tar -C t -cf b.tar f4 f3 d f2 f1");
    archive_expect("a.tar", "b.tar", COMPARE_SAME_CONTENT, "its members come in another order",
                   NULL);
    archive_sh("tar -C t -cf a.tar f1 link; tar -C t -cf b.tar link f1");
    archive_expect("a.tar", "b.tar", COMPARE_METADATA, "links among them", NULL);
}

/* The last of a name wins: the first of A is the first of B. */
static void members_of_one_name_are_not_mixed(void **state)
{
    (void)state;
    archive_sh("tar -C t -cf a.tar f1; cp t/f2 u/f1; tar -C u -rf a.tar f1; "
               "tar -C u -cf b.tar f1; tar -C t -rf b.tar f1; tar -C u -cf c.tar f1");
    archive_expect("a.tar", "b.tar", COMPARE_UNEXPLAINED, "f1 (text): unexplained", NULL);
    archive_expect("a.tar", "c.tar", COMPARE_UNEXPLAINED, "it is only in A", NULL);
}

/* Each beside a change that would be metadata alone. */
static void what_is_hidden_is_found(void **state)
{
    (void)state;
    benign("touch -d @5 u/f1");
    archive_sh("./make ustar u m.tar --mtime=@1000000001 && size=$(stat -c %%s m.tar) && "
               "cat >hide.py <<'E'\n"
               "import sys\n"
               "d = bytearray(open('m.tar', 'rb').read())\n"
               "def put(at, s, fix=None):\n"
               "    e = bytearray(d); e[at:at + len(s)] = s\n"
               "    if fix is not None:\n"
               "        e[fix + 148:fix + 156] = b' ' * 8\n"
               "        e[fix + 148:fix + 156] = b'%%06o\\0 ' %% sum(e[fix:fix + 512])\n"
               "    return e\n"
               "f = d.index(b'./f2')\n"
               "open('behind.tar', 'wb').write(d + b'evil')\n"
               "open('end.tar', 'wb').write(put(len(d) - 40, b'evil'))\n"
               "open('padding.tar', 'wb').write(put(f + 512 + 1000, b'evil'))\n"
               "open('name.tar', 'wb').write(put(f + 50, b'evil', f))\n"
               "open('number.tar', 'wb').write(put(f + 132, b'evil', f))\n"
               "open('last.tar', 'wb').write(put(f + 505, b'evil', f))\n"
               "open('sort.tar', 'wb').write(put(f + 156, b'7', f))\n"
               "open('sum.tar', 'wb').write(put(f + 148, b'000000', None))\n"
               "E\npython3 hide.py");
    archive_expect("a-ustar.tar", "m.tar", COMPARE_METADATA, "mtime", NULL);
    archive_expect("a-ustar.tar", "behind.tar", COMPARE_UNEXPLAINED,
                   "bytes behind the end of the archive (0 bytes", "4 at 0x", NULL);
    archive_expect("a-ustar.tar", "end.tar", COMPARE_UNEXPLAINED,
                   "bytes behind the end of the archive (4 bytes at 0x", NULL);
    archive_expect("a-ustar.tar", "padding.tar", COMPARE_UNEXPLAINED,
                   "the padding of a member (4 bytes", NULL);
    archive_expect("a-ustar.tar", "name.tar", COMPARE_UNEXPLAINED,
                   "the name of \"./f2\", with bytes behind its end", NULL);
    archive_expect("a-ustar.tar", "number.tar", COMPARE_UNEXPLAINED, "not looked into to its end",
                   NULL);
    archive_expect("a-ustar.tar", "last.tar", COMPARE_UNEXPLAINED,
                   "the end of the header of \"./f2\"", NULL);
    archive_expect("a-ustar.tar", "sort.tar", COMPARE_UNEXPLAINED, "the sort of \"./f2\"", NULL);
    archive_expect("a-ustar.tar", "sum.tar", COMPARE_UNEXPLAINED, "what stands there is no header",
                   NULL);
}

static void what_cannot_be_followed_is_unexplained(void **state)
{
    (void)state;
    archive_sh("truncate -s 1M t/hole && echo x >>t/hole && cp t/hole u/hole && echo y >>u/hole && "
               "for f in gnu pax; do ./make $f t a-$f.tar -S; ./make $f u b-$f.tar -S; done");
    archive_expect("a-gnu.tar", "b-gnu.tar", COMPARE_UNEXPLAINED, "sparse files are not followed",
                   NULL);
    archive_expect("a-pax.tar", "b-pax.tar", COMPARE_UNEXPLAINED, "sparse files are not followed",
                   NULL);
    archive_sh("head -c 3000 a-gnu.tar >c.tar");
    archive_expect("a-gnu.tar", "c.tar", COMPARE_UNEXPLAINED, "not looked into to its end", NULL);
}

/* Findings are limited, and what is worst is told all the same. */
static void the_worst_is_told_among_many(void **state)
{
    (void)state;
    archive_sh("for i in $(seq 200); do : >t/m$i; done; cp -a t/m* u; ln -s m1 t/z; ln -s m2 u/z; "
               "./make gnu t a.tar; ./make gnu u b.tar --mtime=@7");
    archive_expect("a.tar", "b.tar", COMPARE_UNEXPLAINED,
                   "the mtime of 212 members: 1000000000 and 7",
                   "unexplained: the link \"./z\" leads to \"m1\" and to \"m2\"", NULL);
}

/* One change of all members is one finding, with all their bytes; what is not explained is told by
 * itself, wherever it stands among them. */
static void what_is_the_same_of_many_is_told_once(void **state)
{
    struct compare_report *r;
    uint64_t times = 0, bytes[2][COMPARE_CLASSES] = {{0}};
    const struct compare_node *n;
    struct buf out;

    (void)state;
    archive_sh("cat >many.py <<'E'\n"
               "import tarfile\n"
               "for out, uid in ('a', 0), ('b', 1000):\n"
               "    with tarfile.open(out, 'w', format=tarfile.USTAR_FORMAT) as t:\n"
               "        for k in range(3000):\n"
               "            i = tarfile.TarInfo('m%%d' %% k); i.uid = uid\n"
               "            i.mode = 0o4755 if 1500 <= k < 1510 else 0o644\n"
               "            i.mtime = 7 + (k * uid if k >= 100 else 0); t.addfile(i)\n"
               "E\npython3 many.py");
    archive_expect(
        "a", "b", COMPARE_UNEXPLAINED,
        "metadata-only: the uid of 2,990 members: 0 and 1000 (\"m0\", \"m1\", \"m2\", ...) "
        "(23920 bytes)\n",
        "unexplained: the uid of \"m1500\": 0 and 1000 (8 bytes at 0x",
        "the mtime of \"m100\": 7 and 100007", "the mtime of \"m107\": 7 and 107007",
        "the mtime of 2,892 members, not the same of each (\"m108\", \"m109\", \"m110\", ...)",
        "the checksum of the header of 3,000 members, right on both sides", NULL);
    r = archive_compare("a", "b", NULL);
    n = r->root;
    for (size_t i = 0; i < n->findings; i++) {
        times += n->finding[i].times;
        for (int side = 0; side < 2; side++)
            bytes[side][n->finding[i].class] += n->finding[i].n[side];
    }
    assert_int_equal(times + n->findings_more, 3000 + 2900 + 3000); /* uid, mtime, checksum */
    assert_int_equal(n->findings_more, 0);
    for (int side = 0; side < 2; side++)
        for (int c = COMPARE_SAME_CONTENT; c < COMPARE_CLASSES; c++)
            assert_int_equal(bytes[side][c], n->bytes[side][c]);
    buf_init(&out, 1 << 20);
    assert_int_equal(compare_text(r, false, &out), 0);
    assert_true(out.len < 3500);
    for (int k = 1500; k < 1510; k++) { /* more than a handful, and each of them */
        char text[64];

        (void)snprintf(text, sizeof(text), "unexplained: the uid of \"m%d\": 0 and 1000 (8 bytes",
                       k);
        assert_non_null(strstr(buf_str(&out), text));
    }
    buf_free(&out);
    compare_report_free(r);
}

/* All of one name, on one side; all out of step with the other side. */
static void many_members_end_in_an_answer(void **state)
{
    const struct compare_options small = {.memory = 1 << 20};

    (void)state;
    archive_sh("cat >many.py <<'E'\n"
               "import tarfile\n"
               "def put(f, names):\n"
               "    with tarfile.open(f, 'w', format=tarfile.USTAR_FORMAT) as t:\n"
               "        for n in names: t.addfile(tarfile.TarInfo(n))\n"
               "put('same.tar', ['x'] * 20000); put('one.tar', ['x'])\n"
               "put('up.tar', ['f%%d' %% i for i in range(20000)])\n"
               "put('down.tar', ['f%%d' %% i for i in range(19999, -1, -1)])\n"
               "E\npython3 many.py");
    archive_expect("one.tar", "same.tar", COMPARE_UNEXPLAINED, "it is only in B", NULL);
    archive_expect("up.tar", "down.tar", COMPARE_SAME_CONTENT, "in another order", NULL);
    archive_expect_with(&small, "up.tar", "down.tar", COMPARE_UNEXPLAINED, "too much to be held",
                        NULL);
}

static void limits_end_in_an_answer(void **state)
{
    const struct compare_options few = {.members = 3};

    (void)state;
    benign("chmod 700 u/f4");
    archive_expect_with(&few, "a-gnu.tar", "b-gnu.tar", COMPARE_UNEXPLAINED, "too many members",
                        NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_same_tree_packed_twice_is_identical),
        T(a_byte_in_a_member_is_found),
        T(fields_of_headers_are_told_with_both_values),
        T(a_mode_bit_is_unexplained),
        T(owners_matter_where_a_program_runs_as_them),
        T(global_owners_bind_the_order),
        T(devices_are_told_apart_by_number),
        T(formats_of_one_tree_hold_the_same),
        T(links_lead_where_they_lead),
        T(members_on_one_side_are_named),
        T(another_name_is_followed_by_content),
        T(another_order_is_the_same_content),
        T(members_of_one_name_are_not_mixed),
        T(what_is_hidden_is_found),
        T(what_cannot_be_followed_is_unexplained),
        T(the_worst_is_told_among_many),
        T(what_is_the_same_of_many_is_told_once),
        T(many_members_end_in_an_answer),
        T(limits_end_in_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
