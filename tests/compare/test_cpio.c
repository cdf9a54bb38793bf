/* cpio: archives by GNU cpio, what is hidden in them, and every byte of one changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "archive_tool.h"
#include "changed.h"

/* make FOLDER ARCHIVE SORT [OPTION...]: in the order of names, always with the same numbers. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh("mkdir -p t/d && for i in 1 2 3; do seq ${i}00 >t/f$i; done && ln -s f1 t/link "
                   "&& echo both >t/h1 && ln t/h1 t/h2 && cat >make <<'E'\n"
                   "#!/bin/sh\n"
                   "d=$1 o=$PWD/$2 f=$3; shift 3; find $d -exec touch -hd @5 {} +\n"
                   "cd $d && find . | LC_ALL=C sort | "
                   "cpio --quiet -o -H $f --reproducible -R 0:0 \"$@\" >$o\nE\n"
                   "chmod +x make && cp -a t u");
    return rc;
}

static void each(const char *how, enum compare_class class, const char *text)
{
    archive_sh("for f in newc crc odc bin; do ./make t a-$f $f; %s; ./make u b-$f $f; done", how);
    archive_expect("a-newc", "b-newc", class, text, NULL);
    archive_expect("a-crc", "b-crc", class, text, NULL);
    archive_expect("a-odc", "b-odc", class, text, NULL);
    archive_expect("a-bin", "b-bin", class, text, NULL);
}

static void the_same_tree_packed_twice_is_identical(void **state)
{
    (void)state;
    each("true", COMPARE_IDENTICAL, "identical");
}

static void a_byte_in_a_member_is_found(void **state)
{
    (void)state;
    each("printf X | dd of=u/f2 bs=1 seek=5 conv=notrunc status=none", COMPARE_UNEXPLAINED,
         "line 3 is only in B: \"3X4\"");
    archive_expect("a-crc", "b-crc", COMPARE_UNEXPLAINED, "derived-only: the sum of \"f2\"", NULL);
}

static void modes_are_unexplained_and_told(void **state)
{
    (void)state;
    each("chmod 4755 u/f2", COMPARE_UNEXPLAINED, "the mode of \"f2\": 100644 and 104755");
}

static void owners_and_times_are_metadata(void **state)
{
    (void)state;
    archive_sh("./make t a newc; ./make t owner newc -R 7:8; "
               "sed -i 's/@5/@1000000000/' make; ./make t time newc");
    archive_expect("a", "owner", COMPARE_METADATA, "the uid of 8 members: 0 and 7 (\".\", \"d\", ",
                   "the gid of 8 members: 0 and 8", NULL);
    archive_expect("a", "time", COMPARE_METADATA, "the mtime of 8 members: 5 and 1000000000", NULL);
    archive_sh("chmod 2755 t/f2; ./make t a newc; ./make t owner newc -R 7:0");
    archive_expect("a", "owner", COMPARE_UNEXPLAINED, "the uid of 7 members: 0 and 7",
                   "unexplained: the uid of \"f2\": 0 and 7", NULL);
}

/* Without --reproducible the numbers are those of the file system. */
static void numbers_of_inodes_say_nothing_but_what_is_linked(void **state)
{
    (void)state;
    archive_sh(
        "for f in newc odc; do ./make t a-$f $f; sed 's/--reproducible//' make >plain; "
        "sh plain t b-$f $f; done; rm u/h2; cp -a u/h1 u/h2; "
        "mkdir v w; for d in v w; do echo one >$d/1; echo one >$d/2; echo one >$d/3; "
        "echo one >$d/4; done; ln -f v/1 v/2; ln -f v/3 v/4; ln -f w/1 w/3; ln -f w/2 w/4; "
        "./make v c odc; ./make w d odc; python3 -c \"d = bytearray(open('c', 'rb').read()); "
        "f = [d.index(b'%%d\\0one' %% i) - 76 for i in (1, 3, 4)]; "
        "d[f[1] + 12:f[1] + 18] = d[f[2] + 12:f[2] + 18] = d[f[0] + 12:f[0] + 18]; "
        "open('one', 'wb').write(d)\"");
    archive_expect("a-newc", "b-newc", COMPARE_SAME_CONTENT, "the inode of \"f1\"", NULL);
    archive_expect("c", "d", COMPARE_UNEXPLAINED,
                   "hard links: names that are one file on one side are not on the other", NULL);
    archive_expect("c", "one", COMPARE_UNEXPLAINED, "hard links: names that are one file", NULL);
    archive_expect("one", "c", COMPARE_UNEXPLAINED, "hard links: names that are one file", NULL);
    archive_sh("./make t a newc; ./make u b newc");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "the number of links of \"h1\": 2 and 1", NULL);
}

static void links_lead_where_they_lead(void **state)
{
    (void)state;
    each("ln -sf f2 u/link", COMPARE_UNEXPLAINED,
         "the link \"link\" leads to \"f1\" and to \"f2\"");
}

static void members_on_one_side_are_named(void **state)
{
    (void)state;
    each("echo x >u/a-new", COMPARE_UNEXPLAINED, "a-new (member): unexplained");
    archive_expect("b-newc", "a-newc", COMPARE_UNEXPLAINED, "it is only in A", NULL);
}

static void another_name_is_followed_by_content(void **state)
{
    (void)state;
    each("[ ! -e u/f3 ] || mv u/f3 u/f9", COMPARE_METADATA, "f3 -> f9");
}

static void another_order_is_the_same_content(void **state)
{
    (void)state;
    archive_sh("cd t; for o in 'f1 f2 f3' 'f3 f1 f2'; do printf '%%s\\n' $o | "
               "cpio --quiet -oH newc --ignore-devno >../\"$o\"; done");
    archive_expect("f1 f2 f3", "f3 f1 f2", COMPARE_SAME_CONTENT,
                   "its members come in another order", NULL);
}

static void sorts_of_headers(void **state)
{
    (void)state;
    archive_sh("rm t/h* t/link; ./make t a newc; ./make t b crc; ./make t c odc");
    archive_expect("a", "b", COMPARE_DERIVED, "same-content: the magic of 6 members", NULL);
    archive_expect("a", "c", COMPARE_UNEXPLAINED, "of another sort of cpio", NULL);
}

/* As Linux takes it: archives behind one another, the last one packed. */
static void archives_behind_one_another_are_followed(void **state)
{
    (void)state;
    archive_sh("./make t a newc; sed -i s/99/98/ u/f1; ./make u b newc; gzip -n9 <a >a.gz; "
               "gzip -n1 <a >a1.gz; gzip -n9 <b >b.gz; cat a a >aa; cat a b >ab; cat a a.gz >ag; "
               "cat a a1.gz >ag1; cat a b.gz >bg; head -c 1024 /dev/zero | cat a - a.gz >far; "
               "gzip -n <aa >aa.gz; gzip -n <ab >ab.gz; (cat a; echo evil) >evil; "
               "(cat a; echo live) >live; (cat a; head -c 512 /dev/zero) >zeros");
    archive_expect("aa", "ab", COMPARE_UNEXPLAINED, "f1 (text): unexplained", NULL);
    archive_expect("aa.gz", "ab.gz", COMPARE_UNEXPLAINED, "f1 (text): unexplained", NULL);
    archive_expect("ag", "ag1", COMPARE_SAME_CONTENT, "packed otherwise", NULL);
    archive_expect("ag", "bg", COMPARE_UNEXPLAINED, "f1 (text): unexplained", NULL);
    archive_expect("ag", "far", COMPARE_SAME_CONTENT, "zeros behind the archive", NULL);
    archive_expect("a", "aa", COMPARE_UNEXPLAINED, "bytes behind the end of the archive", NULL);
    archive_expect("a", "evil", COMPARE_UNEXPLAINED, "5 at 0x", NULL);
    archive_expect("live", "evil", COMPARE_UNEXPLAINED, NULL);
    archive_expect("a", "zeros", COMPARE_SAME_CONTENT, "zeros behind the archive", NULL);
}

/* Each beside a change that would be metadata alone. */
static void what_is_hidden_is_found(void **state)
{
    (void)state;
    archive_sh("./make t a newc; ./make t crc crc; sed -i 's/@5/@6/' make; ./make t m newc; "
               "./make t n crc; cat >hide.py <<'E'\n"
               "d = open('m', 'rb').read(); f = d.index(b'f2\\0'); h = f - 110\n"
               "def put(name, at, s):\n"
               "    open(name, 'wb').write(d[:at] + s + d[at + len(s):])\n"
               "put('pad-name', f + 3, b'e')\n"
               "size = 692; put('pad', f + 6 + size, b''); end = d.index(b'TRAILER!!!')\n"
               "put('sum', h + 102, b'00000001'); put('trailer', end - 110 + 14, b'000081a4')\n"
               "put('behind', end + 40, b'evil'); put('number', h + 46, b'0000000x')\n"
               "put('rdev', h + 78, b'00000008'); put('nlink', h + 38, b'00000002')\n"
               "put('long', h + 94, b'00000004'); put('mode', h + 14, b'0000a1a4')\n"
               "open('end', 'wb').write(d[:end - 110]); open('half', 'wb').write(d[:f + 200])\n"
               "c = open('n', 'rb').read(); f = c.index(b'f2\\0')\n"
               "open('wrong', 'wb').write(c[:f + 10] + b'7' + c[f + 11:])\nE\npython3 hide.py");
    archive_expect("a", "m", COMPARE_METADATA, "mtime", NULL);
    archive_expect("crc", "n", COMPARE_METADATA, "mtime", NULL);
    archive_expect("a", "pad-name", COMPARE_UNEXPLAINED, "with bytes behind its end", NULL);
    archive_expect("a", "sum", COMPARE_UNEXPLAINED, "the sum of \"f2\": 0 and 1", NULL);
    archive_expect("a", "trailer", COMPARE_UNEXPLAINED, "the mode of \"TRAILER!!!\"", NULL);
    archive_expect("a", "behind", COMPARE_UNEXPLAINED, "4 at 0x", NULL);
    archive_expect("a", "number", COMPARE_UNEXPLAINED, "a number that is none", NULL);
    archive_expect("a", "rdev", COMPARE_UNEXPLAINED, "the device that it is", NULL);
    archive_expect("a", "nlink", COMPARE_UNEXPLAINED, "the number of links of \"f2\"", NULL);
    archive_expect("a", "long", COMPARE_UNEXPLAINED, "the length of the name of \"f2\": 3 and 4",
                   NULL);
    archive_expect("a", "mode", COMPARE_UNEXPLAINED, "the mode of \"f2\": 100644 and 120644", NULL);
    archive_expect("a", "end", COMPARE_UNEXPLAINED, "it ends before its end is told", NULL);
    archive_expect("a", "half", COMPARE_UNEXPLAINED, "it ends inside of a file", NULL);
    archive_expect("crc", "wrong", COMPARE_UNEXPLAINED,
                   "the sum of \"f2\" in B is not that of the content", NULL);
}

/* What each byte may be at least, read off the format: one file named "x", of three bytes, and the
 * trailer. */
static enum compare_class newc_least(size_t at)
{
    const size_t file = 110 + 2 + 3 + 1, in = at < file ? at : at - file;

    if (in >= 110)
        return at == 110 ? COMPARE_METADATA /* the name */ : COMPARE_UNEXPLAINED;
    return (in >= 22 && in < 38) || (in >= 46 && in < 54)  ? COMPARE_METADATA     /* owner, time */
           : (in >= 6 && in < 14) || (in >= 62 && in < 78) ? COMPARE_SAME_CONTENT /* numbers */
                                                           : COMPARE_UNEXPLAINED;
}

static void no_changed_byte_is_taken_for_less(void **state)
{
    (void)state;
    archive_sh("mkdir x; printf abc >x/x; cd x; touch -d @5 x; "
               "echo x | cpio --quiet -oH newc --reproducible -R 0:0 | head -c 240 >../one");
    changed_expect("one", 1, newc_least);
}

static void limits_end_in_an_answer(void **state)
{
    const struct compare_options few = {.members = 3}, small = {.memory = 1 << 16};

    (void)state;
    archive_sh("sed -i s/9/8/ u/f3; ./make t a newc; ./make u b newc; cat >many.py <<'E'\n"
               "def put(f, names):\n"
               "    with open(f, 'wb') as o:\n"
               "        for n in [*names, 'TRAILER!!!']:\n"
               "            h = b'070707' + b'0' * 53 + b'%%06o' %% (len(n) + 1) + b'0' * 11\n"
               "            o.write(h + n.encode() + b'\\0')\n"
               "put('same', ['x'] * 20000); put('one', ['x'])\n"
               "put('up', ['f%%d' %% i for i in range(20000)])\n"
               "put('down', ['f%%d' %% i for i in range(19999, -1, -1)])\n"
               "E\npython3 many.py");
    archive_expect_with(&few, "a", "b", COMPARE_UNEXPLAINED, "too many members", NULL);
    archive_expect("one", "same", COMPARE_UNEXPLAINED, "it is only in B", NULL);
    archive_expect("up", "down", COMPARE_SAME_CONTENT, "in another order", NULL);
    archive_expect_with(&small, "up", "down", COMPARE_UNEXPLAINED, "too much to be held", NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_same_tree_packed_twice_is_identical),
        T(a_byte_in_a_member_is_found),
        T(modes_are_unexplained_and_told),
        T(owners_and_times_are_metadata),
        T(numbers_of_inodes_say_nothing_but_what_is_linked),
        T(links_lead_where_they_lead),
        T(members_on_one_side_are_named),
        T(another_name_is_followed_by_content),
        T(another_order_is_the_same_content),
        T(sorts_of_headers),
        T(archives_behind_one_another_are_followed),
        T(what_is_hidden_is_found),
        T(no_changed_byte_is_taken_for_less),
        T(limits_end_in_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
