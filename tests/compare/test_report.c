/* What people read: the first line adds up what lies deepest, and no text gets out of its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "compare/look_priv.h"
#include "compare/tally.h"

static struct compare_node *node(const char *format, const char *name)
{
    struct compare_node *n = NULL;

    assert_int_equal(look_node_new(&n, format, name, name), 0);
    return n;
}

static void find(struct compare_node *n, enum compare_class class, uint64_t a, uint64_t b,
                 const char *what)
{
    const struct look_range at[2] = {{0, a}, {0, b}};

    assert_int_equal(look_node_find(n, 100, class, at, what), 0);
}

/* A folder with an archive of 5,000 bytes, in which a member of 2,000 differs in 3. */
static struct compare_node *example(const char *name)
{
    struct compare_node *folder = node("folder", "x"), *tar = node("tar", "x.tar"),
                        *member = node("text", name);

    find(member, COMPARE_UNEXPLAINED, 3, 1234567, "line 1: \"<b>\" became \"&'\"");
    for (int side = 0; side < 2; side++) {
        tar->size[side] = 5000;
        tar->bytes[side][COMPARE_UNEXPLAINED] = 2000;
        tar->bytes[side][COMPARE_METADATA] = 8;
    }
    member->bytes[0][COMPARE_UNEXPLAINED] = 3;
    member->bytes[1][COMPARE_UNEXPLAINED] = 1234567;
    find(tar, COMPARE_METADATA, 8, 8, "mode");
    tar->equal_children = 4998;
    assert_int_equal(look_node_add(tar, member), 0);
    assert_int_equal(look_node_add(folder, tar), 0);
    return folder;
}

static void written(const struct compare_node *root, struct buf *out,
                    int (*how)(const struct compare_report *, struct buf *))
{
    const struct compare_report r = {(struct compare_node *)(uintptr_t)root, 1};

    buf_init(out, 1 << 20);
    assert_int_equal(how(&r, out), 0);
    assert_non_null(buf_str(out));
}

static int plain_text(const struct compare_report *r, struct buf *out)
{
    return compare_text(r, false, out);
}

static void the_first_line_says_all(void **state)
{
    static const char line[] =
        "unexplained: 2 of 5,000 parts differ: 1 unexplained, 1 metadata-only; "
        "3/1,234,567 bytes unexplained, 8/8 bytes metadata-only\n";
    struct compare_node *n = example("m");
    struct buf out;

    (void)state;
    written(n, &out, plain_text);
    assert_memory_equal(buf_str(&out), line, strlen(line));
    buf_free(&out);
    look_node_free(n);
}

/* What holds one part that differs stands in a line with it, and one finding with what it is of. */
static void what_holds_one_part_stands_in_its_line(void **state)
{
    static const char *const way[][2] = {{"folder", "usr"},     {"folder", "lib"}, {"deb", "x.deb"},
                                         {"xz", "data.tar.xz"}, {"tar", NULL},     {"text", "f"}};
    struct compare_node *n = node("folder", "root"), *up = NULL, *low = NULL;
    struct buf out;

    (void)state;
    for (size_t i = ARRAY_LEN(way); i-- > 0;) {
        up = node(way[i][0], way[i][1]);
        if (low == NULL) {
            find(up, COMPARE_UNEXPLAINED, 1, 1, "one");
            up->bytes[0][COMPARE_UNEXPLAINED] = up->bytes[1][COMPARE_UNEXPLAINED] = 1;
        } else {
            assert_int_equal(look_node_add(up, low), 0);
        }
        low = up;
    }
    assert_int_equal(look_node_add(n, low), 0);
    written(n, &out, plain_text);
    assert_string_equal(strchr(buf_str(&out), '\n') + 1,
                        "root (folder): unexplained\n"
                        "  usr/lib/x.deb (deb)/data.tar.xz (xz, tar)/f (text): unexplained: one (1 "
                        "bytes at 0x0)\n");
    buf_free(&out);
    look_node_free(n);
    n = example("m");
    n->child[0]->child[0]->bytes[0][COMPARE_DERIVED] = 2; /* what no finding tells */
    written(n, &out, plain_text);
    assert_string_equal(
        strchr(buf_str(&out), '\n') + 1,
        "x (folder): unexplained\n"
        "  x.tar (tar): unexplained\n"
        "    metadata-only: mode (8 bytes at 0x0)\n"
        "    m (text): unexplained\n"
        "      unexplained: line 1: \"<b>\" became \"&'\" (3 bytes at 0x0, 1234567 at "
        "0x0)\n"
        "      2/0 bytes derived-only, 3/1234567 bytes unexplained, of 0/0\n");
    buf_free(&out);
    look_node_free(n);
}

static void what_is_on_one_side_is_told_with_its_size(void **state)
{
    static const struct look_range nowhere[2] = {{0, 0}, {0, 0}};
    struct compare_node *n = node("folder", "x"), *only = NULL;
    struct buf out;

    (void)state;
    assert_int_equal(look_node_new(&only, "member", NULL, "new"), 0);
    only->size[1] = only->bytes[1][COMPARE_UNEXPLAINED] = 70;
    assert_int_equal(look_node_find(only, 1, COMPARE_UNEXPLAINED, nowhere, "it is only in B"), 0);
    assert_int_equal(look_node_add(n, only), 0);
    written(n, &out, plain_text);
    assert_string_equal(buf_str(&out), "unexplained: 0/70 bytes unexplained\n"
                                       "x (folder): unexplained\n"
                                       "  new (member): unexplained: it is only in B (70 bytes)\n");
    buf_free(&out);
    look_node_free(n);
}

static void equal_files_are_counted(void **state)
{
    struct compare_node *n = node("folder", "x");
    struct buf out;

    (void)state;
    n->equal_children = 1000000;
    written(n, &out, plain_text);
    assert_string_equal(buf_str(&out), "identical: 1,000,000 files\n");
    buf_free(&out);
    written(n, &out, compare_html);
    assert_non_null(strstr(buf_str(&out), "<h1 class=c0>identical</h1>"));
    assert_non_null(strstr(buf_str(&out), "<p>1,000,000 files</p>"));
    assert_null(strstr(buf_str(&out), "<details"));
    buf_free(&out);
    look_node_free(n);
}

static void a_page_shows_texts_and_reads_none(void **state)
{
    struct compare_node *n = example("<i id=\"x\">&amp;'%t%n\033[2J");
    struct buf out;

    (void)state;
    written(n, &out, compare_html);
    assert_non_null(
        strstr(buf_str(&out), "<code>&lt;i id=&quot;x&quot;&gt;&amp;amp;&#39;%t%n?[2J</code>"));
    assert_non_null(
        strstr(buf_str(&out), "line 1: &quot;&lt;b&gt;&quot; became &quot;&amp;&#39;&quot;"));
    assert_null(strstr(buf_str(&out), "<i id"));
    assert_null(strchr(buf_str(&out), '\033'));
    buf_free(&out);
    look_node_free(n);
}

static void numbers_have_their_thousands_apart(void **state)
{
    static const struct {
        uint64_t n;
        const char *text;
    } rows[] = {{0, "0"},
                {999, "999"},
                {1000, "1,000"},
                {123456, "123,456"},
                {UINT64_MAX, "18,446,744,073,709,551,615"}};
    char out[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(tally_number(out, rows[i].n), rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_says_all),
        cmocka_unit_test(what_holds_one_part_stands_in_its_line),
        cmocka_unit_test(what_is_on_one_side_is_told_with_its_size),
        cmocka_unit_test(equal_files_are_counted),
        cmocka_unit_test(a_page_shows_texts_and_reads_none),
        cmocka_unit_test(numbers_have_their_thousands_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
