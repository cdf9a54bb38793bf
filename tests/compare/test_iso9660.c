/* ISO 9660: by xorriso and genisoimage, which are not ours, and by hand where they would not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_tool.h"
#include "starved.h"

/* x DIR OUT, g DIR OUT: an image with Rock Ridge and Joliet, in which all times are one; the tree
 * t; i.py: d(FILE), w(FILE, BYTES), to change one by hand. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh(
            "cat >x <<'E'\n"
            "f=$1 o=$2; shift 2\n"
            "TZ=UTC xorriso -as mkisofs -quiet -R -J -no-pad --modification-date=2020010203040500 "
            "--set_all_file_dates 2020010203040500 \"$@\" -o $o $f 2>log || { cat log; exit 1; }\n"
            "E\n"
            "cat >g <<'E'\n"
            "f=$1 o=$2; shift 2\n"
            "TZ=UTC genisoimage -quiet -R -J -no-pad \"$@\" -o $o $f\n"
            "E\n"
            "cat >i.py <<'E'\n"
            "import struct\n"
            "def d(f): return bytearray(open(f, 'rb').read())\n"
            "def w(f, b): open(f, 'wb').write(b)\n"
            "def both(n): return struct.pack('<I', n) + struct.pack('>I', n)\n"
            "def calm(f):\n" /* all times are one: this one asks the clock */
            "    b = d(f)\n"
            "    for s in range(16 * 2048, len(b), 2048):\n"
            "        if b[s + 1:s + 6] == b'CD001':\n"
            "            if b[s] in (1, 2): b[s + 813:s + 881] = bytes(68); b[s + 174:s + 181] = "
            "bytes(7)\n"
            "        elif b[s] >= 34 and b[s + 32] == 1 and b[s + 33] == 0:\n" /* a folder */
            "            i = s\n"
            "            while i < s + 2048 and b[i]:\n"
            "                b[i + 18:i + 25] = bytes(7)\n"
            "                t = b.find(b'TF\\x1a\\1', i, i + b[i])\n"
            "                if t > 0: b[t + 5:t + 26] = bytes(21)\n"
            "                i += b[i]\n"
            "    w(f, b)\n"
            "def rec(b, name):\n" /* where the record with this identifier begins */
            "    return b.index(bytes([len(name)]) + name) - 32\n"
            "E\n"
            "mkdir -p t/dir/sub; echo one >t/one; seq 1 900 >t/dir/two; ln -s ../one t/dir/link\n"
            "seq 2000 2500 >t/dir/sub/three; : >t/empty; head -c 4000 /dev/zero >t/boot\n"
            "chmod -R u=rwX,go=rX t\n");
    return rc;
}

static void py(const char *script)
{
    archive_sh("cat >run.py <<'E'\nfrom i import *\n%s\nE\npython3 run.py", script);
}

static void places_and_times_are_not_content(void **state)
{
    (void)state;
    archive_sh("sh x t a; sh x t b; sh x t c --modification-date=2021010203040500;"
               "printf 't/one 100\\nt/dir/two 50\\nt/dir/sub/three -5\\n' >order; sh g t d;"
               "printf 't/one -5\\nt/dir/two 50\\nt/dir/sub/three 100\\n' >other;"
               "sh g t e -sort order; sh g t f -sort other; touch -d 2001-02-03 t/one; sh g t h");
    archive_expect("a", "b", COMPARE_IDENTICAL, NULL);
    archive_expect("a", "c", COMPARE_METADATA,
                   "the time of creation of the volume: 2020010203040500 and 2021010203040500",
                   NULL);
    archive_expect("d", "h", COMPARE_METADATA, "the time of \"one\": 20", "2001-02-03", NULL);
    py("calm('e'); calm('f')");
    archive_expect("e", "f", COMPARE_SAME_CONTENT, "what is in it lies at other places", NULL);
}

static void what_differs_is_told(void **state)
{
    (void)state;
    archive_sh("sh x t a; cp -a t u; sed -i s/77/78/ u/dir/two; sh x u line;"
               "cp -a t m; chmod 4755 m/one; sh x m mode; sh x t owner -uid 7 -gid 8;"
               "sh x m setuid -uid 7;"
               "cp -a t l; ln -sfn /etc/one l/dir/link; sh x l link;"
               "cp -a t n; mv n/dir/two n/dir/four; sh x n name;"
               "cp -a t p; echo new >p/new; sh x p more; cp -a t q; rm q/empty; sh x q less;"
               "cp -a t r; mkfifo r/pipe; sh x r pipe; sh x t set -volset other;"
               "sh x t publisher -publisher me; sh x t volid -V other");
    archive_expect("a", "line", COMPARE_UNEXPLAINED, "dir/two (text): unexplained", "line 77",
                   NULL);
    archive_expect("a", "mode", COMPARE_UNEXPLAINED, "the mode of \"one\": 100644 and 104755",
                   NULL);
    archive_expect("a", "owner", COMPARE_METADATA, "the owner of 8 members: ", " and 7 (",
                   "the group of 8 members", NULL);
    archive_expect("mode", "setuid", COMPARE_UNEXPLAINED,
                   "unexplained: the owner of \"one\": ", "metadata-only: the owner of ", NULL);
    archive_expect("a", "link", COMPARE_UNEXPLAINED,
                   "the link \"dir/link\" leads to \"../one\" and to \"/etc/one\"", NULL);
    archive_expect("a", "name", COMPARE_METADATA, "it has another name", NULL);
    archive_expect("a", "more", COMPARE_UNEXPLAINED, "new (member): unexplained", "only in B",
                   NULL);
    archive_expect("a", "less", COMPARE_UNEXPLAINED, "empty (member): unexplained", "only in A",
                   NULL);
    archive_expect("a", "pipe", COMPARE_UNEXPLAINED, "pipe (member): unexplained", NULL);
    archive_expect("a", "set", COMPARE_METADATA, "the volume set identifier: \"\" and \"other\"",
                   NULL);
    archive_expect("a", "publisher", COMPARE_UNEXPLAINED, "the publisher: \"\" and \"ME\"",
                   "the publisher (Joliet): \"\" and \"me\"", NULL);
    archive_expect("a", "volid", COMPARE_UNEXPLAINED,
                   "the volume identifier: \"ISOIMAGE\" and \"other\"", NULL);
}

static void what_is_hidden_is_found(void **state)
{
    static const char *const hidden[] = {"parent",  "system", "table",  "behind",  "slack",
                                         "listing", "end",    "unused", "reserved"};

    (void)state;
    archive_sh("sh x t a; sh x t b --modification-date=2021010203040500");
    py("b = d('b')\n"
       "def at(f, i, x=b'evil', base=b):\n"
       "    c = bytearray(base); c[i:i + len(x)] = x; w(f, c)\n"
       "at('system', 440); at('end', 18 * 2048 + 1000); at('reserved', 16 * 2048 + 2000)\n"
       "l = struct.unpack('<I', b[16 * 2048 + 140:16 * 2048 + 144])[0]\n"
       "at('parent', l * 2048 + 10 + 6, b'\\2')\n" /* of the first folder: it is itself */
       "at('slack', b.index(b'one\\n') + 100); at('listing', 19 * 2048 + 1900)\n"
       "w('behind', b + b'\\0' * 2048)\n"
       "at('unused', b.index(b'TF\\x1a\\1\\x0e') + 26)\n" /* behind the times of a record */
       "c = bytearray(b); t = l * 2048 + 8 + 2 + 2; c[t] ^= 1; w('table', c)");
    archive_expect("a", "b", COMPARE_METADATA, NULL);
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        archive_expect("a", hidden[i], COMPARE_UNEXPLAINED, "unexplained", NULL);
    archive_expect("a", "slack", COMPARE_UNEXPLAINED, "bytes that no part of the format accounts",
                   NULL);
    archive_expect("a", "system", COMPARE_UNEXPLAINED, "the system area", NULL);
    archive_expect("a", "behind", COMPARE_UNEXPLAINED, "2048 at 0x", NULL);
    archive_expect("a", "table", COMPARE_UNEXPLAINED,
                   "the path tables do not say what the folders say in B", NULL);
}

/* A path table that is the same, while the folders have moved: it leads to the old ones. */
static void a_table_of_yesterday_is_found(void **state)
{
    (void)state;
    archive_sh("sh x t a");
    py("b = d('a'); r = rec(b, b'DIR'); e = struct.unpack('<I', b[r + 2:r + 6])[0]\n"
       "n = len(b) // 2048; old = b[e * 2048:e * 2048 + 2048]; evil = bytearray(old)\n"
       "b[r + 2:r + 10] = both(n); evil[2:10] = both(n)\n" /* "." */
       "for v in (16, 17): b[v * 2048 + 80:v * 2048 + 88] = both(n + 1)\n"
       "s = rec(old, b'SUB'); x = struct.unpack('<I', old[s + 2:s + 6])[0] * 2048\n"
       "b[x + b[x] + 2:x + b[x] + 10] = both(n)\n" /* ".." of the one below */
       "w('b', b + evil)");
    archive_expect("a", "b", COMPARE_UNEXPLAINED,
                   "the path tables do not say what the folders say in B", NULL);
}

/* Windows reads Joliet, Linux Rock Ridge: they must see one and the same. */
static void a_second_tree_with_another_content_is_found(void **state)
{
    (void)state;
    archive_sh("sh x t a");
    py("b = d('a'); j = rec(b, 'one'.encode('utf-16-be'))\n"
       "t = b.index(b'\\x06\\0t\\0w\\0o') - 32; n = len(b) // 2048\n"
       "c = bytearray(b); c[j + 2:j + 18] = c[t + 2:t + 18]; w('b', c)\n"
       "c = bytearray(b); c[j + 2:j + 18] = both(n) + both(4)\n"
       "for v in (16, 17): c[v * 2048 + 80:v * 2048 + 88] = both(n + 1)\n"
       "w('c', c + b'evil' + bytes(2044))\n"
       "w('d', c + b'one\\n' + bytes(2044))\n" /* the same content: still not the same file */
       "w('e', b); c[j + 2:j + 10] = b[j + 2:j + 10]; c[j + 10:j + 18] = both(2)\n"
       "w('f', c + bytes(2048))");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "one (text): unexplained", NULL);
    archive_expect("a", "c", COMPARE_UNEXPLAINED,
                   "\"one\" leads to what the first tree does not lead to in B",
                   "one (text): unexplained", NULL);
    archive_expect("a", "d", COMPARE_UNEXPLAINED,
                   "\"one\" leads to what the first tree does not lead to in B", NULL);
    archive_expect("a", "f", COMPARE_UNEXPLAINED,
                   "\"one\" leads to what the first tree does not lead to in B", NULL);
}

static void dots_lead_where_they_should(void **state)
{
    (void)state;
    archive_sh("sh g t a");
    py("b = d('a'); r = rec(b, b'SUB'); e = struct.unpack('<I', b[r + 2:r + 6])[0] * 2048\n"
       "o = rec(b, b'DIR'); up = b[o + 2:o + 10]\n"
       "c = bytearray(b); c[e + 2:e + 10] = up; w('b', c)\n" /* "." */
       "c = bytearray(b); p = e + b[e]; c[p + 2:p + 10] = b[e + 2:e + 10]; w('c', c)");
    archive_expect("a", "b", COMPARE_UNEXPLAINED,
                   "\"dir/sub/.\" does not lead to the folder that it should lead to in B", NULL);
    archive_expect("a", "c", COMPARE_UNEXPLAINED,
                   "\"dir/sub/..\" does not lead to the folder that it should lead to in B", NULL);
}

static void what_is_booted_is_compared(void **state)
{
    (void)state;
    archive_sh("sh x t a -b boot -no-emul-boot -c boot.cat; cp -a t u; seq 1 9000 >u/large;"
               "printf 'large 9\\n' >order; sh x u b -b boot -no-emul-boot -c boot.cat;"
               "printf evil | dd of=u/boot seek=300 bs=1 conv=notrunc status=none; rm u/large;"
               "sh x u c -b boot -no-emul-boot -c boot.cat; sh x t none;"
               "sh g t h -b boot -no-emul-boot -c boot.cat -hide boot -hide-joliet boot;"
               "sh g u i -b boot -no-emul-boot -c boot.cat -hide boot -hide-joliet boot");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "large (member): unexplained",
                   "what is in it lies at other places", NULL);
    archive_expect("a", "c", COMPARE_UNEXPLAINED, "boot (bytes): unexplained", NULL);
    archive_expect("a", "none", COMPARE_UNEXPLAINED, "a descriptor that only A has", NULL);
    archive_expect("h", "i", COMPARE_UNEXPLAINED, "boot image 001 (bytes): unexplained", NULL);
    py("b = d('a'); at = b.index(b'\\x55\\xaa\\x88') - 30\n"
       "def put(f, i, x):\n"
       "    c = bytearray(b); c[at + i:at + i + len(x)] = x; w(f, c)\n"
       "put('id', 4, b'evil'); put('sum', 28, b'ab'); put('count', 38, b'\\5')\n"
       "put('behind', 100, b'evil'); c = bytearray(b)\n"
       "c[at + 4:at + 8] = b'\\1\\0\\2\\0'\n" /* a sum that fits */
       "s = struct.unpack('<H', c[at + 28:at + 30])[0]\n"
       "c[at + 28:at + 30] = struct.pack('<H', (s - 3) & 65535); w('fits', c)");
    archive_expect("a", "id", COMPARE_UNEXPLAINED, "the head of the boot catalog", NULL);
    archive_expect("a", "sum", COMPARE_UNEXPLAINED,
                   "the sum of the head of the boot catalog, which is wrong", NULL);
    archive_expect("a", "count", COMPARE_UNEXPLAINED, "how a boot image is booted", NULL);
    archive_expect("a", "behind", COMPARE_UNEXPLAINED, "the boot catalog", NULL);
    archive_expect("a", "fits", COMPARE_UNEXPLAINED,
                   "derived-only: the sum of the head of the boot catalog, right on both sides",
                   NULL);
}

/* A boot image that lies elsewhere, and nothing else. */
static void a_boot_image_may_lie_elsewhere(void **state)
{
    (void)state;
    archive_sh("printf 't/boot 100\\n' >first; printf 't/boot -100\\n' >last;"
               "sh g t a -b boot -no-emul-boot -c boot.cat -sort first;"
               "sh g t b -b boot -no-emul-boot -c boot.cat -sort last");
    py("calm('a'); calm('b')");
    archive_expect("a", "b", COMPARE_SAME_CONTENT, "what is in it lies at other places", NULL);
}

static void deep_folders_that_were_moved_are_followed(void **state)
{
    (void)state;
    archive_sh("mkdir -p u/1/2/3/4/5/6/7/8/9/10; seq 1 99 >u/1/2/3/4/5/6/7/8/9/10/f; sh g u a;"
               "sh g u b; echo 100 >>u/1/2/3/4/5/6/7/8/9/10/f; sh g u c; sh x u d");
    archive_expect("a", "c", COMPARE_UNEXPLAINED, "1/2/3/4/5/6/7/8/9/10/f (text): unexplained",
                   "line 100", NULL);
    py("b = d('b'); a = d('a'); r = b.index(b'CL\\x0c\\1')\n"
       "for v in (16, 17): b[v * 2048 + 813:v * 2048 + 881] = a[v * 2048 + 813:v * 2048 + 881]\n"
       "w('b', b); e = struct.unpack('<I', b[r + 4:r + 8])[0]\n"
       "p = b.index(b'PL\\x0c\\1'); b[p + 4:p + 12] = both(e); w('up', b)");
    archive_expect("a", "up", COMPARE_UNEXPLAINED, "does not lead to the folder", NULL);
    archive_expect("a", "d", COMPARE_UNEXPLAINED, "the field CL of \"1/2/3/4/5/6/7/8\"", NULL);
}

static void long_names_and_links_are_whole(void **state)
{
    (void)state;
    archive_sh("mkdir u; n=$(printf %%0250d 7); m=$(printf %%0249d 7); echo 1 >u/$n;"
               "ln -s $n/$n/$n u/link; sh x u a; ln -sfn $n/$n/${m}8 u/link; sh x u b;"
               "ln -sfn $n/$n/$n u/link; mv u/$n u/${m}8; sh x u c");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "the link \"link\" leads to", NULL);
    archive_expect("a", "c", COMPARE_METADATA, "it has another name", NULL);
}

/* A file of several records: one content. */
static void files_in_pieces_are_one(void **state)
{
    (void)state;
    archive_sh("mkdir u; head -c 2048 /dev/zero | tr '\\0' a >u/f1;"
               "head -c 2048 /dev/zero | tr '\\0' b >u/f2; seq 9 >u/x;"
               "TZ=UTC genisoimage -quiet -no-pad -o a u");
    py("b = d('a'); r = rec(b, b'F1.;1'); s = rec(b, b'F2.;1'); b[r + 25] |= 0x80\n"
       "b[s + 33:s + 38] = b'F1.;1'; w('a', b); i = b.index(b'b' * 2048); c = bytearray(b)\n"
       "c[i + 5:i + 9] = b'evil'; w('b', c); c = bytearray(b); c[s + 2:s + 10] = both(16)\n"
       "w('c', c); c = bytearray(b); c[s + 25] |= 0x80; w('d', c)");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "F1. (text): unexplained", NULL);
    archive_expect("a", "c", COMPARE_UNEXPLAINED, "a file in pieces that lie apart", NULL);
    archive_expect("a", "d", COMPARE_UNEXPLAINED, "a file in pieces that lie apart", NULL);
}

static void other_trees_and_none_are_known(void **state)
{
    (void)state;
    archive_sh("sh x t a; TZ=UTC xorriso -as mkisofs -quiet -R -no-pad "
               "--modification-date=2020010203040500 --set_all_file_dates 2020010203040500 -o b t "
               "2>log; cp -a t u; echo two >u/one; sh g t c -udf; sh g u d -udf;"
               "TZ=UTC genisoimage -quiet -R -iso-level 4 -o e t;"
               "TZ=UTC genisoimage -quiet -R -iso-level 4 -o f u;"
               "TZ=UTC genisoimage -quiet -o h t 2>log;"
               "TZ=UTC genisoimage -quiet -o i u 2>log");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "a descriptor that only A has", NULL);
    archive_expect("c", "d", COMPARE_UNEXPLAINED, "UDF beside ISO 9660 is not followed",
                   "one (text): unexplained", NULL);
    archive_expect("e", "f", COMPARE_UNEXPLAINED, "one (text): unexplained", NULL);
    archive_expect("h", "i", COMPARE_UNEXPLAINED, "ONE. (text): unexplained", NULL);
}

static void what_cannot_be_followed_ends_in_an_answer(void **state)
{
    static const struct {
        const char *file, *why;
    } bad[] = {
        {"loop", "a folder lies in itself"},
        {"many", "folders lie in one another"},
        {"beyond", "a file goes beyond the image"},
        {"halves", "a number that is written twice is two"},
        {"short", "is not in the image"},
        {"block", "sectors of another size"},
        {"open", "its descriptors have no end"},
        {"ce", "a record goes on nowhere"},
        {"deep", "folders in too many others"},
        {"slash", "a name that cannot be one"},
        {"twice", "two folders of one name"},
    };

    (void)state;
    archive_sh("sh x t a; mkdir -p u/a u/b u/c; sh x u two; cd u; for i in $(seq 70); do mkdir d;"
               "cd d; done; cd ..; cd $PWD; cd %s; sh x u deep",
               archive_dir());
    py("b = d('a'); r = rec(b, b'DIR'); o = rec(b, b'ONE.;1')\n"
       "def at(f, i, x, base=b):\n"
       "    c = bytearray(base); c[i:i + len(x)] = x; w(f, c)\n"
       "at('loop', r + 2, b[16 * 2048 + 158:16 * 2048 + 166]); at('beyond', o + 10, both(1 << "
       "30))\n"
       "at('halves', o + 10, b'\\5'); w('short', b[:19 * 2048]); at('block', 16 * 2048 + 129, "
       "b'\\4')\n"
       "at('open', 18 * 2048, b'\\x03CD002'); at('ce', b.index(b'CE\\x1c\\1') + 12, both(9999))\n"
       "at('slash', b.index(b'\\1\\0one') + 3, b'/')\n"
       "c = d('two'); x = rec(c, b'A'); y = rec(c, b'B')\n"
       "at('twice', c.index(b'NM\\6\\1\\0b') + 5, b'a', c)\n"
       /* a thousand folders that are one, in which each has the same thousand */
       "n = len(b) // 2048; c = bytearray(b); one = c[r:r + c[r]]\n"
       "def folder(e, kids):\n"
       "    out = bytearray()\n"
       "    for name, to in [(b'\\0', e), (b'\\1', e)] + kids:\n"
       "        k = bytearray(33 + len(name) + (len(name) + 1) % 2); k[0] = len(k)\n"
       "        k[2:10] = both(to); k[10:18] = both(2048); k[25] = 2; k[28:32] = b'\\1\\0\\0\\1'\n"
       "        k[32] = len(name); k[33:33 + len(name)] = name; out += k\n"
       "    return out + bytes(2048 - len(out))\n"
       "c[r + 2:r + 10] = both(n)\n"
       "for i in range(40):\n"
       "    c += folder(n + i, [(b'K%02d' % k, n + i + 1) for k in range(40)] if i < 39 else [])\n"
       "w('many', c)");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        archive_expect("a", bad[i].file, COMPARE_UNEXPLAINED, bad[i].why, NULL);
}

/* --- every k-th byte is changed --- */

static const struct {
    const char *p;
    size_t n;
} mild[] = {
    /* what may differ as metadata: times, and names of files that have a content */
    {"\x78\1\2\3\4\5", 7}, {"ONE.;1", 6},
    {"BOOT.;1", 7},        {"BOOT.CAT;1", 10},
    {"TWO.;1", 6},         {"THREE.;1", 8},
    {"EMPTY.;1", 8},       {"LINK.;1", 7},
    {"\1\0one", 5},        {"\1\0boot", 6},
    {"\1\0boot.cat", 10},  {"\1\0two", 5},
    {"\1\0three", 7},      {"\0o\0n\0e", 6},
    {"\0b\0o\0o\0t", 8},   {"\0b\0o\0o\0t\0.\0c\0a\0t", 16},
    {"\0t\0w\0o", 6},      {"\0t\0h\0r\0e\0e", 10},
};

/* Whether byte `at` of an image may differ as something milder than unexplained. */
static bool may_be_mild(struct span s, size_t at)
{
    for (size_t v = 16; v <= 18; v += 2) /* the volume set, and four times, of two descriptors */
        if ((at >= v * 2048 + 190 && at < v * 2048 + 318) ||
            (at >= v * 2048 + 813 && at < v * 2048 + 881))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(mild); i++)
        for (size_t k = 0; k < mild[i].n && k <= at; k++)
            if (at - k + mild[i].n <= s.n && memcmp(s.p + at - k, mild[i].p, mild[i].n) == 0)
                return true;
    return false;
}

static void no_changed_byte_is_milder_than_documented(void **state)
{
    static uint8_t a[1 << 18], b[sizeof(a)];
    size_t n, found = 0;

    (void)state;
    archive_sh("sh x t a -b boot -no-emul-boot -c boot.cat");
    n = archive_load("a", a, 40000, sizeof(a));
    memcpy(b, a, n);
    for (size_t i = 0; i < n; i += a[i] != 0 ? 1 : 13) {
        struct compare_node *node = NULL;
        struct look_budget budget;

        look_budget_init(&budget, NULL);
        b[i] ^= 0x04;
        assert_int_equal(look_compare(&budget, span_of(a, n), span_of(b, n), "a", "b", &node), 0);
        if (may_be_mild(span_of(a, n), i) ? node->class < COMPARE_METADATA
                                          : node->class != COMPARE_UNEXPLAINED)
            fail_msg("byte 0x%zx: %s", i, compare_class_word(node->class));
        found += node->class == COMPARE_METADATA;
        look_node_free(node);
        b[i] = a[i];
    }
    assert_true(found > 100);
}

static void no_memory_makes_no_answer_better(void **state)
{
    static uint8_t a[1 << 18], b[sizeof(a)];
    size_t na, nb;

    (void)state;
    archive_sh("sh x t a -b boot -no-emul-boot -c boot.cat; mv t/dir/two t/dir/four;"
               "rm t/empty; echo two >t/one; sh x t b -b boot -no-emul-boot -c boot.cat");
    na = archive_load("a", a, 40000, sizeof(a));
    nb = archive_load("b", b, 40000, sizeof(b));
    starved_answers_are_no_better(span_of(a, na), span_of(b, nb));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(places_and_times_are_not_content),
        T(what_differs_is_told),
        T(what_is_hidden_is_found),
        T(a_table_of_yesterday_is_found),
        T(a_second_tree_with_another_content_is_found),
        T(dots_lead_where_they_should),
        T(what_is_booted_is_compared),
        T(a_boot_image_may_lie_elsewhere),
        T(deep_folders_that_were_moved_are_followed),
        T(long_names_and_links_are_whole),
        T(files_in_pieces_are_one),
        T(other_trees_and_none_are_known),
        T(what_cannot_be_followed_ends_in_an_answer),
        T(no_changed_byte_is_milder_than_documented),
        T(no_memory_makes_no_answer_better),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
