/* Static libraries by GNU ar: the tables in front of their members, which follow from them or do
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "archive_tool.h"

/* Two objects of one size, with one symbol each, and one with two; l.py reads and writes libraries:
 * get(FILE) is its members [header, content], put(FILE, THEM) writes them and the table's bytes as
 * they are. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh(
            "for f in a b; do echo \"int f$f(void) { return 1; }\" >$f.c; done; "
            "echo 'int fc(void) { return 2; } int fd(void) { return 3; }' >c.c; "
            "gcc -O1 -c a.c b.c c.c; ar rcsD one.a a.o b.o c.o; cat >l.py <<'E'\n"
            "import struct\n"
            "def get(f):\n"
            "    b = open(f, 'rb').read(); at = 8; v = []\n"
            "    while at < len(b):\n"
            "        n = int(b[at + 48:at + 58]); v.append([b[at:at + 60], b[at + 60:at + 60 + "
            "n]])\n"
            "        at += 60 + n + n %% 2\n"
            "    return v\n"
            "def put(f, v):\n"
            "    b = b'!<arch>\\n'\n"
            "    for h, c in v:\n"
            "        b += h[:48] + b'%%-10d' %% len(c) + h[58:] + c + b'\\n' * (len(c) %% 2)\n"
            "    open(f, 'wb').write(b)\n"
            "E\n");
    return rc;
}

static void py(const char *script)
{
    archive_sh("cat >run.py <<'E'\nfrom l import *\n%s\nE\npython3 run.py", script);
}

static void tables_follow_from_the_order_of_members(void **state)
{
    (void)state;
    archive_sh("ar rcsD two.a c.o b.o a.o; ar rcsD same.a a.o b.o c.o");
    archive_expect("one.a", "same.a", COMPARE_IDENTICAL, NULL);
    archive_expect(
        "one.a", "two.a", COMPARE_DERIVED,
        "derived-only: where the members are of which the table of symbols tells (16 bytes",
        "derived-only: the names of the table of symbols (12 bytes",
        "same-content: its members come in another order", NULL);
}

static void places_follow_from_the_sizes_of_members(void **state)
{
    (void)state;
    archive_sh("printf 'GCC: (A name of it that is much longer than the other one 1.2.3-4) "
               "1.2.3\\0' >ident; "
               "objcopy --update-section .comment=ident a.o; ar rcsD two.a a.o b.o c.o");
    archive_expect("one.a", "two.a", COMPARE_EXPLAINED,
                   "derived-only: where the members are of which the table of symbols tells", NULL);
}

/* The bytes of the table are equal, and what they lead to is not. */
static void a_table_that_leads_elsewhere_is_found(void **state)
{
    (void)state;
    archive_sh("ar rcsD two.a b.o a.o c.o");
    py("one, two = get('one.a'), get('two.a'); assert len(one[1][1]) == len(one[2][1])\n"
       "put('swapped.a', [one[0]] + two[1:])\n"
       "t = bytearray(one[0][1]); t[4:8], t[8:12] = t[8:12], t[4:8]\n"
       "put('other.a', [[one[0][0], bytes(t)]] + one[1:])\n"
       "t = bytearray(one[0][1]); t[11] += 2; put('nowhere.a', [[one[0][0], bytes(t)]] + one[1:])");
    archive_expect("one.a", "swapped.a", COMPARE_UNEXPLAINED,
                   "unexplained: the symbol \"fa\" leads to \"a.o\" and to \"b.o\"",
                   "unexplained: the symbol \"fb\" leads to \"b.o\" and to \"a.o\"", NULL);
    archive_expect("one.a", "other.a", COMPARE_UNEXPLAINED,
                   "unexplained: the symbol \"fa\" leads to \"a.o\" and to \"b.o\"", NULL);
    archive_expect("one.a", "nowhere.a", COMPARE_UNEXPLAINED,
                   "unexplained: the symbol \"fb\" leads to \"b.o\" and to \"nothing\"", NULL);
}

static void symbols_on_one_side_are_named(void **state)
{
    (void)state;
    py("one = get('one.a'); h, t = one[0]\n"
       "put('name.a', [[h, t.replace(b'fb\\0', b'fx\\0')]] + one[1:])\n"
       "put('twice.a', [[h, t.replace(b'fb\\0', b'fa\\0')]] + one[1:])\n"
       "put('behind.a', [[h, t + b'\\0\\0']] + one[1:]); put('evil.a', [[h, t + b'\\0x']] + "
       "one[1:])\n"
       "put('short.a', [[h, t[:-2]]] + one[1:])");
    archive_expect("one.a", "name.a", COMPARE_UNEXPLAINED,
                   "the symbol \"fb\", which leads to \"b.o\", is only in A (3 bytes at 0x",
                   "the symbol \"fx\", which leads to \"b.o\", is only in B (0 bytes", NULL);
    archive_expect("one.a", "twice.a", COMPARE_UNEXPLAINED,
                   "the symbol \"fa\", which leads to \"b.o\", is only in B", NULL);
    archive_expect("behind.a", "evil.a", COMPARE_UNEXPLAINED,
                   "bytes behind the table of symbols (2", NULL);
    archive_expect("one.a", "short.a", COMPARE_UNEXPLAINED, "/ (bytes): unexplained", NULL);
}

/* The first of a name is the one that a linker takes. */
static void symbols_of_one_name_keep_their_order(void **state)
{
    (void)state;
    archive_sh("sed s/fb/fa/ b.c >d.c; gcc -O1 -c d.c; ar rcsD two.a a.o d.o c.o; ar rcsD three.a "
               "d.o a.o c.o; "
               "ar rcsD four.a c.o a.o d.o");
    archive_expect("two.a", "three.a", COMPARE_UNEXPLAINED,
                   "the symbol \"fa\" leads to \"a.o\" and to \"d.o\"", NULL);
    archive_expect("two.a", "four.a", COMPARE_DERIVED, NULL);
}

static void wide_tables_are_read_too(void **state)
{
    (void)state;
    archive_sh("ar rcsD two.a c.o b.o a.o");
    py("def wide(f, out):\n"
       "    v = get(f); t = v[0][1]; n, = struct.unpack('>I', t[:4])\n"
       "    at = [k + 4 + 4 * n for k in struct.unpack('>%dI' % n, t[4:4 + 4 * n])]\n"
       "    t = struct.pack('>Q%dQ' % n, n, *at) + t[4 + 4 * n:]\n"
       "    put(out, [[b'/SYM64/         ' + v[0][0][16:], t]] + v[1:])\n"
       "wide('one.a', 'one64.a'); wide('two.a', 'two64.a')\n"
       "v = get('two64.a'); t = bytearray(v[0][1]); t[15] += 2; put('evil64.a', [[v[0][0], "
       "bytes(t)]] + v[1:])");
    archive_expect("one64.a", "two64.a", COMPARE_DERIVED,
                   "where the members are of which the table of symbols tells (32 bytes", NULL);
    archive_expect("one64.a", "evil64.a", COMPARE_UNEXPLAINED,
                   "leads to \"c.o\" and to \"nothing\"", NULL);
}

static void long_names_are_those_of_members(void **state)
{
    (void)state;
    archive_sh("n=a-name-longer-than-fifteen-letters; cp a.o $n-1.o; cp c.o $n-2.o; "
               "ar rcSD long.a $n-1.o $n-2.o; ar rcSD order.a $n-2.o $n-1.o");
    py("v = get('long.a'); h, t = v[0]; put('extra.a', [[h, t + b'evil/\\n']] + v[1:])\n"
       "put('end.a', [[h, t + b'evil']] + v[1:]); put('evil.a', [[h, t + b'good/\\n']] + v[1:])");
    archive_expect("long.a", "order.a", COMPARE_DERIVED,
                   "derived-only: the table of long names, each of which is a member's", NULL);
    archive_expect("long.a", "extra.a", COMPARE_UNEXPLAINED, "// (", "evil", NULL);
    archive_expect("evil.a", "extra.a", COMPARE_UNEXPLAINED, "// (", "evil", NULL);
    archive_expect("long.a", "end.a", COMPARE_UNEXPLAINED, "// (", NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tables_follow_from_the_order_of_members), T(places_follow_from_the_sizes_of_members),
        T(a_table_that_leads_elsewhere_is_found),   T(symbols_on_one_side_are_named),
        T(symbols_of_one_name_keep_their_order),    T(wide_tables_are_read_too),
        T(long_names_are_those_of_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
