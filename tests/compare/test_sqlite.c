/* SQLite: by the sqlite3 program of SQLite, which is not ours, and by hand what it would not do. */
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

/* base.sql: tables with rows that overflow, of every sort, without numbers, with indexes; q FILE
 * SQL...: a database; i.py: to change one by hand. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh(
            "cat >base.sql <<'E'\n"
            "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, n, b BLOB);\n"
            "CREATE INDEX by_name ON t(name COLLATE NOCASE DESC);\n"
            "CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID;\n"
            "CREATE VIEW old AS SELECT * FROM t WHERE n > 3;\n"
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 200)\n"
            "INSERT INTO t SELECT i, 'name ' || (i * 37 %% 200), i * 3, x'00ff' FROM c;\n"
            "INSERT INTO t VALUES (1000, hex(zeroblob(3000)), 2.5, zeroblob(5000)),\n"
            "(1001, NULL, -7, NULL);\n"
            "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 90)\n"
            "INSERT INTO w SELECT 'key ' || (i * 31 %% 90), i FROM c;\n"
            "INSERT INTO w VALUES ('long', hex(zeroblob(2000)));\n"
            "E\n"
            "cat >q <<'E'\n"
            "f=$1; shift; rm -f $f\n"
            "for s in \"$@\"; do case $s in .*) echo \"$s\" ;; *) echo \"$s;\" ;; esac; done |\n"
            "    sqlite3 -bail $f >log\n"
            "E\n"
            "cat >i.py <<'E'\n"
            "import struct\n"
            "def d(f): return bytearray(open(f, 'rb').read())\n"
            "def w(f, b): open(f, 'wb').write(b)\n"
            "def at(f, b, i, x):\n"
            "    c = bytearray(b); c[i:i + len(x)] = x; w(f, c)\n"
            "def tidy(f):\n" /* zeros between the pointers and the rows of each page */
            "    b = d(f); size = struct.unpack('>H', b[16:18])[0]\n"
            "    for p in range(0, len(b), size):\n"
            "        h = p + (100 if p == 0 else 0)\n"
            "        if b[h] not in (2, 5, 10, 13): continue\n"
            "        n, to = struct.unpack('>HH', b[h + 3:h + 7])\n"
            "        x = h + (8 if b[h] > 8 else 12) + 2 * n\n"
            "        b[x:p + to] = bytes(p + to - x)\n"
            "    w(f, b)\n"
            "def counters(f, g):\n" /* those of g become those of f */
            "    a = d(f); b = d(g); b[24:28] = a[24:28]; b[40:44] = a[40:44]\n"
            "    b[92:96] = a[92:96]; w(g, b)\n"
            "E\n");
    return rc;
}

static void py(const char *script)
{
    archive_sh("cat >run.py <<'E'\nfrom i import *\n%s\nE\npython3 run.py", script);
}

static void layout_is_not_content(void **state)
{
    (void)state;
    archive_sh("sh q a '.read base.sql'; sh q b '.read base.sql';"
               "sh q c 'PRAGMA page_size=1024' '.read base.sql' 'VACUUM';"
               "sh q e '.read base.sql' 'VACUUM'; sh q f 'PRAGMA auto_vacuum=1' '.read base.sql';"
               "sh q g 'PRAGMA auto_vacuum=1' 'CREATE TABLE gone(x)'"
               " 'INSERT INTO gone VALUES(zeroblob(60000))' '.read base.sql' 'DROP TABLE gone';"
               "sh q h '.read base.sql' 'BEGIN' 'UPDATE t SET n = n + 1' 'UPDATE t SET n = n - 1'"
               " 'COMMIT'");
    archive_expect("a", "b", COMPARE_IDENTICAL, NULL);
    archive_expect("a", "h", COMPARE_METADATA, "the counter of changes: ", NULL);
    py("counters('a', 'h'); counters('a', 'c'); counters('a', 'e'); counters('f', 'g')\n"
       "for f in 'acefg': tidy(f)\n"
       "b = d('g'); n = len(b) // 4096; b[4096 + 5 * (n - 2):8192] = bytes(4096 - 5 * (n - 2))\n"
       "w('g', b)"); /* what its pointer map says of pages that are gone */
    archive_expect("e", "c", COMPARE_SAME_CONTENT, "the size of a page: 4096 and 1024", NULL);
    archive_expect("a", "e", COMPARE_METADATA, "its pages are laid out otherwise",
                   "the entries of the schema come in another order", NULL); /* VACUUM does so */
    archive_expect("f", "g", COMPARE_SAME_CONTENT, "its pages are laid out otherwise", NULL);
    archive_expect("a", "f", COMPARE_UNEXPLAINED, "the largest root: 0 and ", NULL);
    archive_sh("sh q i 'CREATE TABLE x(y)' 'CREATE TABLE z(y)';"
               "sh q j 'CREATE TABLE z(y)' 'CREATE TABLE x(y)'");
    archive_expect("i", "j", COMPARE_METADATA, "the entries of the schema come in another order",
                   NULL);
    py("b = d('f'); b[4097:4101] = b'evil'; w('map', b)"); /* whose the first page is */
    archive_expect("f", "map", COMPARE_UNEXPLAINED, "bytes that no part of the format", NULL);
}

static void rows_are_told(void **state)
{
    (void)state;
    archive_sh(
        "q() { f=$1; shift; sh q $f '.read base.sql' \"$@\"; }; q a;"
        "q text \"UPDATE t SET name='other', n=9 WHERE id=7\"; q less 'DELETE FROM t WHERE id=8';"
        "q more \"INSERT INTO t VALUES (2000, 'new', 1.25, x'abcd')\";"
        "q blob \"UPDATE t SET b=x'0102' WHERE id=1000\";"
        "q far \"UPDATE t SET b=zeroblob(4999) || x'01' WHERE id=1000\";"
        "q null 'UPDATE t SET n=NULL WHERE id=3'; q real 'UPDATE t SET n=9.0 WHERE id=3';"
        "q key \"UPDATE w SET v=-5 WHERE k='key 7'\"; q wmore \"INSERT INTO w VALUES('zz', 1)\";"
        "q id 'UPDATE t SET id=id+5000 WHERE id=1001'");
    archive_expect("a", "text", COMPARE_UNEXPLAINED,
                   "row 7 of \"t\": column 2: \"name 59\" became \"other\", column 3: 21 became 9",
                   "an entry of \"by_name\"", NULL);
    archive_expect("a", "less", COMPARE_UNEXPLAINED,
                   "row 8 of \"t\", only in A: NULL, \"name 96\", 24", NULL);
    archive_expect("a", "more", COMPARE_UNEXPLAINED,
                   "row 2000 of \"t\", only in B: NULL, \"new\", 1.25", NULL);
    archive_expect("a", "blob", COMPARE_UNEXPLAINED, "row 1000 of \"t\": column 4: x'0000",
                   "(5000 bytes) became x'0102' (2 bytes)", NULL);
    archive_expect("a", "far", COMPARE_UNEXPLAINED, "row 1000 of \"t\": column 4: ", NULL);
    archive_expect("a", "null", COMPARE_UNEXPLAINED, "row 3 of \"t\": column 3: 9 became NULL",
                   NULL);
    archive_expect("a", "real", COMPARE_UNEXPLAINED, "row 3 of \"t\": column 3: 9 became 9", NULL);
    archive_expect("a", "key", COMPARE_UNEXPLAINED, "an entry of \"w\": column 2: ", " became -5",
                   NULL);
    archive_expect("a", "wmore", COMPARE_UNEXPLAINED, "an entry of \"w\", only in B: \"zz\", 1",
                   NULL);
    archive_expect("a", "id", COMPARE_UNEXPLAINED, "row 1001 of \"t\", only in A",
                   "row 6001 of \"t\", only in B", NULL);
}

static void the_schema_and_the_header_are_told(void **state)
{
    (void)state;
    archive_sh("q() { f=$1; shift; sh q $f '.read base.sql' \"$@\"; }; q a;"
               "q table 'CREATE TABLE u(x)'; q index 'CREATE INDEX i ON t(n)';"
               "q view 'DROP VIEW old' 'CREATE VIEW old AS SELECT * FROM t WHERE n > 4';"
               "q trigger 'CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM w; END';"
               "q user 'PRAGMA user_version=3'; q app 'PRAGMA application_id=77';"
               "q wal 'PRAGMA journal_mode=WAL'; sh q utf16 \"PRAGMA encoding='UTF-16'\""
               " '.read base.sql'; q two 'CREATE TABLE t1(x)' 'CREATE TABLE t2(x)'"
               " 'INSERT INTO t1 VALUES (1)' 'INSERT INTO t2 VALUES (2)'; q owt"
               " 'CREATE TABLE t1(x)' 'CREATE TABLE t2(x)' 'INSERT INTO t2 VALUES (1)'"
               " 'INSERT INTO t1 VALUES (2)'");
    archive_expect("a", "table", COMPARE_UNEXPLAINED, "the table \"u\" is only in B", NULL);
    archive_expect("a", "index", COMPARE_UNEXPLAINED, "the index \"i\" is only in B", NULL);
    archive_expect("a", "trigger", COMPARE_UNEXPLAINED, "the trigger \"r\" is only in B", NULL);
    archive_expect("a", "view", COMPARE_UNEXPLAINED, "the schema of \"old\": ", NULL);
    archive_expect("a", "user", COMPARE_UNEXPLAINED, "the user's version: 0 and 3", NULL);
    archive_expect("a", "app", COMPARE_UNEXPLAINED, "the application's number: 0 and 77", NULL);
    archive_expect("a", "wal", COMPARE_UNEXPLAINED, "the version that may write it: 1 and 2", NULL);
    archive_expect("a", "utf16", COMPARE_UNEXPLAINED, "the encoding of texts: 1 and 2", NULL);
    archive_expect("two", "owt", COMPARE_UNEXPLAINED, "row 1 of \"t1\": column 1: 1 became 2",
                   NULL);
    py("b = d('a'); at('written', b, 96, struct.pack('>I', 3045000))\n"
       "at('cookie', b, 40, b'abcd'); at('valid', b, 92, b'abcd')");
    archive_expect("a", "written", COMPARE_METADATA, "the version of SQLite that wrote it", NULL);
    archive_expect("a", "cookie", COMPARE_METADATA, "the counter of schemas", NULL);
    archive_expect("a", "valid", COMPARE_UNEXPLAINED,
                   "the change that the version is of is wrong in B", NULL);
}

/* What was deleted, and what never belonged to anything. */
static void what_is_left_in_unused_space_is_found(void **state)
{
    static const char *const hidden[] = {"row", "page", "space", "free", "behind", "more"};

    (void)state;
    archive_sh(
        "q() { f=$1; shift; sh q $f 'PRAGMA secure_delete=ON' '.read base.sql' 'VACUUM' \"$@\"; };"
        "q a 'CREATE TABLE x(y)' 'INSERT INTO x VALUES (1), (2)';"
        "q row 'PRAGMA secure_delete=OFF' 'CREATE TABLE x(y)' \"INSERT INTO x VALUES (1), (2), "
        "('secret')\""
        " 'DELETE FROM x WHERE rowid = 3';"
        "q page 'PRAGMA secure_delete=OFF' 'CREATE TABLE x(y)' 'INSERT INTO x VALUES (1), (2)'"
        " 'CREATE TABLE z(y)' \"INSERT INTO z VALUES ('secret')\" 'DROP TABLE z';"
        "q clean 'CREATE TABLE x(y)'"
        " 'INSERT INTO x VALUES (1), (2)' 'CREATE TABLE z(y)'"
        " \"INSERT INTO z VALUES ('secret')\" 'DROP TABLE z'");
    py("a = d('a'); n = struct.unpack('>I', a[28:32])[0]\n"
       "for f in ('row', 'page', 'clean'): counters('a', f)\n"
       "tidy('clean'); x = len(a) - 4096; at('space', a, x + 100, b'evil')\n"
       "w('behind', a + b'evil'); w('more', a + bytes(4096))\n"
       "c = d('clean'); f = struct.unpack('>I', c[32:36])[0]; at('free', c, f * 4096 - 9, "
       "b'evil')");
    archive_expect("a", "clean", COMPARE_SAME_CONTENT, NULL);
    for (size_t i = 0; i < ARRAY_LEN(hidden); i++)
        archive_expect("a", hidden[i], COMPARE_UNEXPLAINED,
                       "bytes that no part of the format accounts for", NULL);
    archive_expect("a", "behind", COMPARE_UNEXPLAINED, "4 at 0x", NULL);
}

static void an_index_that_lies_is_found(void **state)
{
    (void)state;
    archive_sh("sh q a 'CREATE TABLE t(x TEXT)' 'CREATE INDEX i ON t(x)'"
               " \"INSERT INTO t VALUES ('aa'), ('bb'), ('cc')\"");
    py("a = d('a'); p = 2 * 4096; assert a[p] == 10 and a[p + 4] == 3\n"
       "c = bytearray(a); c[p + 8:p + 10], c[p + 10:p + 12] = a[p + 10:p + 12], a[p + 8:p + 10]\n"
       "w('swap', c); i = a.index(b'bb', p); at('text', a, i, b'bx')\n"
       "assert a[i + 2] == 2; at('row', a, i + 2, b'\\3')");
    archive_expect("a", "swap", COMPARE_UNEXPLAINED, "the entries of \"i\" come in another order",
                   NULL);
    archive_expect("a", "text", COMPARE_UNEXPLAINED, "an entry of \"i\", only in A: \"bb\", 2",
                   NULL);
    archive_expect("a", "row", COMPARE_UNEXPLAINED, "an entry of \"i\": column 2: 2 became 3",
                   NULL);
}

static void what_cannot_be_followed_ends_in_an_answer(void **state)
{
    static const struct {
        const char *file, *why;
    } bad[] = {
        {"size", "pages of a size that they cannot have"},
        {"fractions", "fractions of pages"},
        {"short", "it is shorter than it says"},
        {"loop", "a page that is used twice"},
        {"nowhere", "a page that is not there"},
        {"key", "rows out of their order"},
        {"type", "a page of a tree that is none"},
        {"pointer", "a row that is not in its page"},
        {"twice", "rows that lie in one another"},
        {"chain", "a page that is used twice"},
        {"end", "a row that goes on behind its end"},
        {"free", "free pages are more or fewer"},
        {"trunk", "a page that is not there"},
        {"long", "a row that is longer than the file"},
        {"root", "a table that begins nowhere"},
    };

    (void)state;
    archive_sh("sh q a 'PRAGMA page_size=512' '.read base.sql' 'CREATE TABLE z(x)' 'DROP TABLE z'");
    py("import sqlite3\n"
       "a = d('a'); r = sqlite3.connect('a').execute("
       "\"select rootpage from sqlite_schema where name='t'\").fetchone()[0]\n"
       "p = (r - 1) * 512; assert a[p] == 5\n"
       "def u16(i): return struct.unpack('>H', a[i:i + 2])[0]\n"
       "def u32(i): return struct.unpack('>I', a[i:i + 4])[0]\n"
       "k = p + u16(p + 12); leaf = (u32(k) - 1) * 512\n"
       "while a[leaf] == 5: k = leaf + u16(leaf + 12); leaf = (u32(k) - 1) * 512\n"
       "at('size', a, 16, b'\\3\\0'); at('fractions', a, 21, b'\\x41'); w('short', a[:-512])\n"
       "at('loop', a, k, struct.pack('>I', r)); at('nowhere', a, k, b'\\0\\xff\\xff\\xff')\n"
       "at('key', a, k + 4, b'\\1'); at('type', a, leaf, b'\\7')\n"
       "at('pointer', a, leaf + 8, b'\\0\\2'); at('twice', a, leaf + 8, a[leaf + 10:leaf + 12])\n"
       "at('free', a, 36, struct.pack('>I', 9)); at('trunk', a, 32, b'\\0\\xff\\0\\0')\n"
       "i = leaf + u16(leaf + 8); at('long', a, i, b'\\xff\\xff\\xff\\x7f')\n"
       "o = None\n" /* a page of zeros that goes on in another: the blob */
       "for q in range(2, len(a) // 512):\n"
       "    n = u32(q * 512)\n"
       "    if n and a[q * 512 + 4:q * 512 + 512] == bytes(508) and n <= len(a) // 512:\n"
       "        m = u32((n - 1) * 512)\n"
       "        if a[(n - 1) * 512 + 4:n * 512] == bytes(508) and m: o = q\n"
       "        elif o is not None and m == 0: e = n\n"
       "at('chain', a, o * 512, struct.pack('>I', o + 1)); at('end', a, (e - 1) * 512, "
       "b'\\0\\0\\0\\1')\n"
       "s = a.index(b'tablett') + 7; at('root', a, s, b'\\x7f')");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        archive_expect("a", bad[i].file, COMPARE_UNEXPLAINED, bad[i].why, NULL);
}

/* Counters and versions that may differ; where in a page its rows begin, and how much is in pieces.
 */
static enum compare_class least(const uint8_t *p, size_t at)
{
    const size_t page = at - at % 512, head = page == 0 ? 100 : page;
    const uint8_t type = p[head];

    if ((at >= 40 && at < 44) || (at >= 96 && at < 100))
        return COMPARE_METADATA;
    if ((type == 2 || type == 5 || type == 10 || type == 13) && at >= head + 5 && at < head + 8)
        return COMPARE_SAME_CONTENT;
    return COMPARE_UNEXPLAINED;
}

static void no_changed_byte_is_milder_than_documented(void **state)
{
    static uint8_t a[1 << 16], b[sizeof(a)];
    size_t n, found = 0;

    (void)state;
    archive_sh(
        "sh q a 'PRAGMA page_size=512' 'CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)'"
        " 'CREATE INDEX i ON t(name)' 'CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID'"
        " 'WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60)"
        " INSERT INTO t SELECT i, 1000 + i FROM c' 'INSERT INTO w SELECT * FROM t'"
        " 'INSERT INTO t VALUES(61, hex(zeroblob(800)))' 'CREATE TABLE z(x)' 'DROP TABLE z'");
    n = archive_load("a", a, 1024, sizeof(a));
    memcpy(b, a, n);
    for (size_t i = 0; i < n; i += a[i] != 0 ? 1 : 5) {
        struct compare_node *node = NULL;
        struct look_budget budget;

        look_budget_init(&budget, NULL);
        b[i] ^= 0x04;
        assert_int_equal(look_compare(&budget, span_of(a, n), span_of(b, n), "a", "b", &node), 0);
        if (node->class < least(a, i))
            fail_msg("byte 0x%zx: %s", i, compare_class_word(node->class));
        found += node->class == COMPARE_UNEXPLAINED;
        look_node_free(node);
        b[i] = a[i];
    }
    assert_true(found > n / 3);
}

static void no_memory_makes_no_answer_better(void **state)
{
    static uint8_t a[1 << 18], b[sizeof(a)];
    size_t na, nb;

    (void)state;
    archive_sh("sh q a 'PRAGMA page_size=512' '.read base.sql'; sh q b 'PRAGMA auto_vacuum=1'"
               " 'PRAGMA page_size=1024' '.read base.sql' 'DELETE FROM t WHERE id < 9'"
               " 'UPDATE t SET n=9 WHERE id=17' \"UPDATE w SET v=2 WHERE k='key 3'\""
               " 'CREATE TABLE z(x)' 'DROP VIEW old'");
    na = archive_load("a", a, 1024, sizeof(a));
    nb = archive_load("b", b, 1024, sizeof(b));
    starved_answers_are_no_better(span_of(a, na), span_of(b, nb));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, archive_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(layout_is_not_content),
        T(rows_are_told),
        T(the_schema_and_the_header_are_told),
        T(what_is_left_in_unused_space_is_found),
        T(an_index_that_lies_is_found),
        T(what_cannot_be_followed_ends_in_an_answer),
        T(no_changed_byte_is_milder_than_documented),
        T(no_memory_makes_no_answer_better),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
