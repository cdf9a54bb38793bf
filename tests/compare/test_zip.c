/* zip: by Python's zipfile and Info-ZIP's rules written down byte by byte, and what is hidden. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "archive_tool.h"

/* z.py: put(FILE, MEMBERS, ...) by zipfile; d(FILE), w(FILE, BYTES): to change one by hand. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh(
            "cat >z.py <<'E'\n"
            "import zipfile, struct, zlib, io\n"
            "T = (2020, 1, 2, 3, 4, 6)\n"
            "BASE = {'a/one': b'%%s' %% b'\\n'.join(b'line %%d' %% i for i in range(900)) + "
            "b'\\n',\n"
            "        'a/two': b'two\\n' * 50, 'three': b'3\\n'}\n"
            "def put(f, m=None, time=T, how=zipfile.ZIP_DEFLATED, level=9, mode=0o644, extra=b'',\n"
            "        comment=b'', mcomment=b'', stream=False):\n"
            "    out = io.BytesIO()\n"
            "    class Pipe:\n"
            "        def write(self, b): return out.write(b)\n"
            "        def flush(self): pass\n"
            "    with zipfile.ZipFile(Pipe() if stream else out, 'w', how, compresslevel=level) as "
            "z:\n"
            "        for n, c in (m or BASE).items():\n"
            "            i = zipfile.ZipInfo(n, time); i.compress_type = how\n"
            "            i.external_attr = (0o100000 | mode) << 16; i.extra = extra\n"
            "            i.comment = mcomment\n"
            "            z.writestr(i, c, compresslevel=level)\n"
            "        z.comment = comment\n"
            "    open(f, 'wb').write(out.getvalue())\n"
            "def d(f): return bytearray(open(f, 'rb').read())\n"
            "def w(f, b): open(f, 'wb').write(b)\n"
            "E\n");
    return rc;
}

static void py(const char *script)
{
    archive_sh("cat >run.py <<'E'\nfrom z import *\n%s\nE\npython3 run.py", script);
}

static void levels_and_ways_hold_the_same(void **state)
{
    (void)state;
    py("put('a'); put('b'); put('c', level=1); put('d', how=0); put('e', stream=True)");
    archive_expect("a", "b", COMPARE_IDENTICAL, NULL);
    archive_expect("a", "c", COMPARE_SAME_CONTENT, "packed otherwise", NULL);
    archive_expect("a", "d", COMPARE_SAME_CONTENT, "the method of \"a/one\"", NULL);
    archive_expect("a", "e", COMPARE_DERIVED, "the flags of \"a/one\"", NULL);
}

static void a_line_in_a_member_is_found(void **state)
{
    (void)state;
    py("put('a'); m = dict(BASE); m['a/one'] = m['a/one'].replace(b'line 77\\n', b'line 78\\n')\n"
       "put('b', m); put('c', m, how=0); put('d', how=0)");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "a/one (text): unexplained",
                   "the CRC of \"a/one\", right on both sides", NULL);
    archive_expect("a", "c", COMPARE_UNEXPLAINED, "a/one (text): unexplained", NULL);
    archive_expect("d", "c", COMPARE_UNEXPLAINED, "a/one (text): unexplained", NULL);
}

static void fields_are_told(void **state)
{
    (void)state;
    py("put('a'); put('time', time=(2021, 5, 6, 7, 8, 10)); put('mode', mode=0o4755)\n"
       "put('extra', extra=b'UT\\5\\0\\1abcd'); put('extra2', extra=b'UT\\5\\0\\1abce')\n"
       "put('odd', extra=b'ZZ\\4\\0evil'); put('comment', comment=b'evil')\n"
       "put('mcomment', mcomment=b'evil')\n"
       "m = {n: BASE[n] for n in reversed(list(BASE))}; put('order', m)\n"
       "m = dict(BASE); m['four'] = m.pop('three'); put('name', m)\n"
       "m = dict(BASE); m['new'] = b'new'; put('more', m)\n"
       "put('link'); b = d('link'); i = b.index(b'PK\\1\\2'); b[i + 41] = 0xa1; w('link', b)");
    archive_expect("a", "time", COMPARE_METADATA,
                   "the time of \"a/one\": 2020-01-02 03:04:06 and 2021-05-06 07:08:10",
                   "the time in the header of \"a/one\": 2020-01-02 03:04:06 and ", NULL);
    archive_expect("a", "mode", COMPARE_UNEXPLAINED,
                   "unexplained: the mode of \"a/one\": 100644 and 104755", NULL);
    archive_expect("a", "extra", COMPARE_METADATA,
                   "the extra field 5455 of \"a/one\", which only B has", NULL);
    archive_expect("extra", "extra2", COMPARE_METADATA, "the extra field 5455 of \"a/one\"", NULL);
    archive_expect("a", "odd", COMPARE_UNEXPLAINED,
                   "the extra field 5a5a of \"a/one\", which only B has", NULL);
    archive_expect("a", "comment", COMPARE_UNEXPLAINED, "the comment of the archive", NULL);
    archive_expect("a", "mcomment", COMPARE_UNEXPLAINED, "the comment of \"a/one\"", NULL);
    archive_expect("a", "order", COMPARE_SAME_CONTENT, "its members come in another order", NULL);
    archive_expect("a", "name", COMPARE_METADATA, "the name \"three\" is \"four\" in B", NULL);
    archive_expect("a", "more", COMPARE_UNEXPLAINED, "new (member): unexplained", "only in B",
                   NULL);
    archive_expect("a", "link", COMPARE_UNEXPLAINED, "the sort of \"a/one\"", NULL);
}

/* Modes are who may do what: DOS's "read only" too, and whose system they are of. */
static void modes_and_their_owners_are_read(void **state)
{
    static const char *const worse[] = {"sticky", "dos", "host", "sort"};

    (void)state;
    py("def attr(out, high, low=0, host=3, **how):\n"
       "    put(out, {'x': b'x'}, **how); b = d(out); i = b.index(b'PK\\1\\2')\n"
       "    b[i + 5] = host; b[i + 38:i + 42] = struct.pack('<HH', low, high); w(out, b)\n"
       "attr('a', 0o100644); attr('sticky', 0o101644); attr('dos', 0o100644, 1)\n"
       "attr('host', 0o100644, host=0); attr('sort', 0o644); attr('hidden', 0o100644, 0x26)\n"
       "attr('l', 0o120777); attr('l2', 0o120755); attr('none', 0); attr('none2', 0, host=0)\n"
       "own = lambda n: b'ux\\x0b\\0\\1\\4' + bytes((n, 0, 0, 0)) + b'\\4\\0\\0\\0\\0'\n"
       "for m in 0o644, 0o4755, 0o2755:\n"
       "    for n in 0, 7: attr('own%o-%d' % (m, n), 0o100000 | m, extra=own(n))\n");
    for (size_t i = 0; i < ARRAY_LEN(worse); i++)
        archive_expect("a", worse[i], COMPARE_UNEXPLAINED, "\"x\": ", NULL);
    archive_expect("a", "hidden", COMPARE_METADATA, "0000 and 0026 of DOS", NULL);
    archive_expect("l", "l2", COMPARE_METADATA, "the mode of \"x\": 120777 and 120755", NULL);
    archive_expect("none", "none2", COMPARE_METADATA, "the version made by of \"x\"", NULL);
    archive_expect("own644-0", "own644-7", COMPARE_METADATA, "the extra field 7875", NULL);
    archive_expect("own4755-0", "own4755-7", COMPARE_UNEXPLAINED, "the extra field 7875", NULL);
    archive_expect("own2755-0", "own2755-7", COMPARE_UNEXPLAINED, "the extra field 7875", NULL);
}

/* Each in an archive of which the times are other, too. */
static void what_is_hidden_is_found(void **state)
{
    static const char *const hidden[] = {"front", "between", "behind", "name", "sum", "stream"};

    (void)state;
    py("put('a'); put('b', time=(2021, 1, 1, 1, 1, 2)); b = d('b')\n"
       "w('front', b'evil' + b); w('behind', b + b'evil')\n"
       "c = b.index(b'PK\\1\\2')\n"
       "def shifted(b, by):\n"
       "    e = b.rindex(b'PK\\5\\6'); at = struct.unpack('<I', b[e + 16:e + 20])[0]\n"
       "    b[e + 16:e + 20] = struct.pack('<I', at + by); return b\n"
       "w('between', shifted(b[:c] + b'evil' + b[c:], 4))\n"
       "x = bytearray(b); x[30:35] = b'a/0ne'; w('name', x)\n"
       "x = bytearray(b); i = c + 16; x[i] ^= 1; x[14] ^= 1; w('sum', x)\n"
       "n = struct.unpack('<I', b[18:22])[0]; at = 35 + n\n" /* longer than its stream */
       "x = bytearray(b[:at] + b'evil' + b[at:])\n"
       "x[18:22] = struct.pack('<I', n + 4); c = x.index(b'PK\\1\\2')\n"
       "x[c + 20:c + 24] = struct.pack('<I', n + 4); p = c\n"
       "for k in range(3):\n"
       "    if k: x[p + 42:p + 46] = struct.pack('<I', struct.unpack('<I', x[p + 42:p + 46])[0] + "
       "4)\n"
       "    p += 46 + sum(struct.unpack('<HHH', x[p + 28:p + 34]))\n"
       "w('stream', shifted(x, 4))\n");
    archive_expect("a", "b", COMPARE_METADATA, NULL);
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        archive_expect("a", hidden[i], COMPARE_UNEXPLAINED, "unexplained", NULL);
    archive_expect("a", "front", COMPARE_UNEXPLAINED, "accounts for (0 bytes at 0x0, 4 at 0x0)",
                   NULL);
    archive_expect("a", "behind", COMPARE_UNEXPLAINED, "4 at 0x", NULL);
    archive_expect("a", "sum", COMPARE_UNEXPLAINED, "the CRC of \"a/one\"", NULL);
    archive_expect("a", "name", COMPARE_UNEXPLAINED,
                   "the header of \"a/one\", which is not as the directory has it", NULL);
}

/* Another content under the old sum: the fields are equal, and wrong. */
static void sums_that_are_wrong_are_found(void **state)
{
    (void)state;
    py("put('a', {'x': b'good'}, how=0); b = d('a'); i = b.index(b'good'); b[i:i + 4] = b'evil'\n"
       "w('b', b); put('c', {'x': b'evil'}, how=0)");
    archive_expect("a", "b", COMPARE_UNEXPLAINED,
                   "the CRC or size of \"x\" is not that of its content in B", NULL);
    archive_expect("c", "a", COMPARE_UNEXPLAINED,
                   "derived-only: the CRC of \"x\", right on both sides", NULL);
}

static void two_of_a_name_are_two(void **state)
{
    (void)state;
    py("import warnings; warnings.simplefilter('ignore')\n"
       "put('a', {'x': b'good'})\n"
       "with zipfile.ZipFile('b', 'w') as z:\n"
       "    for c in (b'evil', b'good'): z.writestr(zipfile.ZipInfo('x', T), c)\n"
       "with zipfile.ZipFile('c', 'w') as z:\n"
       "    for c in (b'good', b'evil'): z.writestr(zipfile.ZipInfo('x', T), c)\n");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "it is only in B", NULL);
    archive_expect("b", "c", COMPARE_UNEXPLAINED, "x (text): unexplained", NULL);
}

/* One content a thousand times over: members in one another are not followed. */
static void bombs_end_in_an_answer(void **state)
{
    (void)state;
    py("put('a', {'x': b'\\0' * 30000000}); b = d('a')\n"
       "c = b.index(b'PK\\1\\2'); e = b.rindex(b'PK\\5\\6')\n"
       "one = b[c:e]; end = b[e:]; n = 20000\n"
       "end[8:12] = struct.pack('<HH', n, n); end[12:16] = struct.pack('<I', n * len(one))\n"
       "w('b', b[:c] + one * n + end)\n"
       "w('c', b[:c] + one * (n - 1) + one.replace(b'x', b'y') + end)\n");
    archive_expect("b", "c", COMPARE_UNEXPLAINED, "members lie in one another", NULL);
}

static void what_cannot_be_followed_is_unexplained(void **state)
{
    (void)state;
    py("put('a'); b = d('a'); w('cut', b[:-30]); e = b.rindex(b'PK\\5\\6')\n"
       "x = bytearray(b); x[e + 16] ^= 0x7f; x[e + 17] ^= 0x7f; w('place', x)\n"
       "x = bytearray(b); c = x.index(b'PK\\1\\2'); x[c + 8] |= 1; x[6] |= 1; w('locked', x)\n"
       "put('t', time=(2021, 1, 1, 1, 1, 2)); b = d('t'); b[60:64] = b'\\xff' * 4; w('broken', b)\n"
       "put('b\\033[2J', {'x\\033[2J': b'1'}); put('c', {'x\\033[2J': b'2'})");
    archive_expect("a", "cut", COMPARE_UNEXPLAINED, "it has no end", NULL);
    archive_expect("a", "place", COMPARE_UNEXPLAINED, "the directory is not in the archive", NULL);
    archive_expect("a", "locked", COMPARE_UNEXPLAINED, "the flags of \"a/one\"", NULL);
    archive_expect("a", "broken", COMPARE_UNEXPLAINED, "does not expand in B", NULL);
    archive_expect("b\033[2J", "c", COMPARE_UNEXPLAINED, "x?[2J (text)", NULL);
}

static void large_archives_are_followed(void **state)
{
    (void)state;
    py("m = {'f%d' % i: b'%d' % i for i in range(65600)}; put('a', m, how=0)\n"
       "m['f5'] = b'6'; put('b', m, how=0)\n"
       "with zipfile.ZipFile('c', 'w') as z:\n"
       "    with z.open(zipfile.ZipInfo('x', T), 'w', force_zip64=True) as f: f.write(b'x' * 99)\n"
       "with zipfile.ZipFile('d', 'w') as z:\n"
       "    with z.open(zipfile.ZipInfo('x', T), 'w', force_zip64=True) as f: f.write(b'y' * "
       "99)\n");
    archive_expect("a", "b", COMPARE_UNEXPLAINED, "f5 (text): unexplained", NULL);
    archive_expect("c", "d", COMPARE_UNEXPLAINED, "x (text): unexplained", NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(levels_and_ways_hold_the_same),
        T(a_line_in_a_member_is_found),
        T(fields_are_told),
        T(modes_and_their_owners_are_read),
        T(what_is_hidden_is_found),
        T(sums_that_are_wrong_are_found),
        T(two_of_a_name_are_two),
        T(bombs_end_in_an_answer),
        T(what_cannot_be_followed_is_unexplained),
        T(large_archives_are_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
