/* Texts: lines are told with their numbers, and nothing of them drives a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "compare/look_priv.h"

static struct compare_node *look_n(const char *a, size_t na, const char *b, size_t nb)
{
    struct compare_node *n = NULL;
    struct look_budget budget;

    look_budget_init(&budget, NULL);
    assert_int_equal(look_compare(&budget, span_of(a, na), span_of(b, nb), "a", "b", &n), 0);
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        assert_int_equal(sum, n->size[side]);
    }
    return n;
}

static struct compare_node *look(const char *a, const char *b)
{
    return look_n(a, strlen(a), b, strlen(b));
}

/* The one finding, and how many bytes of either side it accounts for. */
static void one(const char *a, const char *b, const char *what, uint64_t na, uint64_t nb)
{
    struct compare_node *n = look(a, b);

    assert_string_equal(n->format, "text");
    assert_int_equal(n->class, COMPARE_UNEXPLAINED);
    assert_int_equal(n->findings, 1);
    assert_string_equal(n->finding[0].what, what);
    assert_int_equal(n->bytes[0][COMPARE_UNEXPLAINED], na);
    assert_int_equal(n->bytes[1][COMPARE_UNEXPLAINED], nb);
    look_node_free(n);
}

static void a_line_is_told_with_its_number(void **state)
{
    (void)state;
    one("one\ntwo\nthree\n", "one\ntvvo\nthree\n", "line 2: \"two\" became \"tvvo\"", 1, 2);
    one("one\ntwo\n", "one\nnew\ntwo\n", "line 2 is only in B: \"new\"", 0, 4);
    one("one\nold\ntwo\n", "one\ntwo\n", "line 2 is only in A: \"old\"", 4, 0);
    one("one\ntwo", "one\ntwo\n", "line 2 ends with a line feed in B only", 3, 4);
    one("x\ny\n\xc3\xa4\n", "x\ny\n\xc3\xb6\n", "line 3: \"\xc3\xa4\" became \"\xc3\xb6\"", 2, 2);
    one("a\nb\n", "a\nb\r\n", "line 2: \"b\" became \"b\\r\"", 0, 1);
}

static void a_line_elsewhere_has_both_numbers(void **state)
{
    struct compare_node *n = look("1\n2\n3\nx\n5\n", "0\n1\n2\n3\ny\n5\n");

    (void)state;
    assert_int_equal(n->findings, 2);
    assert_string_equal(n->finding[0].what, "line 1 is only in B: \"0\"");
    assert_string_equal(n->finding[1].what, "line 4 (5 in B): \"x\" became \"y\"");
    look_node_free(n);
}

static void what_would_drive_a_terminal_is_shown_as_it_is_written(void **state)
{
    (void)state;
    one("a\t\\\033[2J\n", "b\t\\\033[2J\n",
        "line 1: \"a\\t\\\\\\x1b[2J\" became \"b\\t\\\\\\x1b[2J\"", 1, 1);
    one("plain ascii, \xe2\x80\xae turned\n", "plain ascii\n",
        "line 1: \"plain ascii, \\u202e turned\" became \"plain ascii\"", 12, 0);
    one("Latin letters: \xe4 and so on\n", "Latin letters: \xf6 and so on\n",
        "line 1: \"Latin letters: \\xe4 and so on\" became \"Latin letters: \\xf6 and so on\"", 1,
        1);
}

static void a_long_line_is_shown_where_it_differs(void **state)
{
    char a[20001], b[20001];
    struct compare_node *n;

    (void)state;
    memset(a, 'x', sizeof(a));
    a[20000] = '\0';
    memcpy(b, a, sizeof(a));
    b[15000] = 'y';
    n = look(a, b);
    assert_int_equal(n->findings, 1);
    assert_int_equal(n->finding[0].at[1], 15000);
    assert_int_equal(n->finding[0].n[1], 1);
    assert_non_null(strstr(n->finding[0].what, "\"... became ...\"xxx"));
    assert_non_null(strstr(n->finding[0].what, "xyx"));
    assert_true(strlen(n->finding[0].what) < LOOK_WHAT - 1);
    look_node_free(n);
}

static void put(struct buf *b, unsigned byte)
{
    assert_int_equal(buf_putc(b, (int)byte), 0);
}

/* In UTF-8; codes that are no characters too. */
static void put_code(struct buf *b, unsigned code)
{
    if (code < 0x80) {
        put(b, code);
        return;
    }
    if (code < 0x800) {
        put(b, 0xc0 | code >> 6);
    } else if (code < 0x10000) {
        put(b, 0xe0 | code >> 12);
        put(b, 0x80 | (code >> 6 & 63));
    } else {
        put(b, 0xf0 | code >> 18);
        put(b, 0x80 | (code >> 12 & 63));
        put(b, 0x80 | (code >> 6 & 63));
    }
    put(b, 0x80 | (code & 63));
}

/* Whatever is in a line, the sentence is UTF-8 without control characters, and not cut. */
static void sentences_are_whole(void **state)
{
    struct buf line[2];

    (void)state;
    buf_init(&line[0], 1000);
    buf_init(&line[1], 1000);
    for (unsigned code = 0x20; code < 0x110000; code = code * 9 / 8 + 1) {
        struct compare_node *n;
        uint32_t c;

        for (int side = 0; side < 2; side++) {
            buf_reset(&line[side]);
            assert_int_equal(buf_printf(&line[side], "%d", side), 0);
            for (int i = 0; i < 60; i++)
                put_code(&line[side], code);
        }
        n = look(buf_str(&line[0]), buf_str(&line[1]));
        for (struct span s = span_str(n->finding[0].what); s.n > 0;) {
            size_t k = text_utf8_next(s, &c);

            assert_true(k > 0 && !text_is_control(c));
            s = span_of(s.p + k, s.n - k);
        }
        look_node_free(n);
    }
    buf_free(&line[0]);
    buf_free(&line[1]);
}

static void many_lines_at_once_are_told_together(void **state)
{
    struct compare_node *n;
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_int_equal(buf_puts(&b, "first\n"), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_printf(&b, "new %d\n", i), 0);
    assert_int_equal(buf_puts(&b, "last\n"), 0);
    n = look("first\nlast\n", buf_str(&b));
    buf_free(&b);
    assert_int_equal(n->findings, 9);
    assert_string_equal(n->finding[0].what, "line 2 is only in B: \"new 0\"");
    assert_string_equal(n->finding[8].what, "lines 10 to 101 are only in B: \"new 8\" ...");
    assert_int_equal(n->bytes[1][COMPARE_IDENTICAL], 11);
    look_node_free(n);
}

/* Two files of a million lines each, of which none is in the other one; then in another order; then
 * of line feeds alone. */
static void a_million_lines_are_no_trouble(void **state)
{
    enum { N = 1000000, ROOM = 16 * N };
    struct buf a, b;
    struct compare_node *n;

    (void)state;
    buf_init(&a, ROOM);
    buf_init(&b, ROOM);
    for (int i = 0; i < N; i++) {
        assert_int_equal(buf_printf(&a, "%d\n", i), 0);
        assert_int_equal(buf_printf(&b, "%d x\n", i), 0);
    }
    n = look_n((char *)a.data, a.len, (char *)b.data, b.len);
    assert_int_equal(n->findings, 18); /* eight lines and the rest, of either side */
    look_node_free(n);
    buf_reset(&b);
    for (int64_t i = 0; i < N; i++)
        assert_int_equal(buf_printf(&b, "%d\n", (int)(i * 7919 % N)), 0);
    n = look_n((char *)a.data, a.len, (char *)b.data, b.len);
    assert_int_equal(n->class, COMPARE_UNEXPLAINED);
    look_node_free(n);
    buf_reset(&a);
    buf_reset(&b);
    assert_true(buf_reserve(&a, ROOM) == 0 && buf_reserve(&b, ROOM) == 0);
    memset(a.data, '\n', ROOM);
    memset(b.data, '\n', ROOM);
    memset(b.data, 'x', ROOM / 2);
    n = look_n((char *)a.data, ROOM, (char *)b.data, ROOM - 1);
    assert_int_equal(n->class, COMPARE_UNEXPLAINED);
    look_node_free(n);
    buf_free(&a);
    buf_free(&b);
}

/* A line or a value that differs in what the caller knows to differ between the builds. */
static void what_is_known_of_both_builds_explains(void **state)
{
    const struct compare_options o = {.years = {2022, 2024}, .paths = {"/build/a", "/build/bb"}};
    static const struct {
        const char *a, *b, *what;
        enum compare_class class;
    } rows[] = {
        {"x\nmade in 2022 in /build/a/src\n", "x\nmade in 2024 in /build/bb/src\n",
         "line 2: build path and year: \"made in 2022 in /build/a/src\" became \"made in 2024 in "
         "/build/bb/src\"",
         COMPARE_EXPLAINED},
        {"made in 2022\n", "made in 2025\n", "line 1: \"made in 2022\" became \"made in 2025\"",
         COMPARE_UNEXPLAINED},
        {"{\"y\":2022}", "{\"y\":2024}", "$.y: build year: 2022 became 2024", COMPARE_EXPLAINED},
        {"{\"y\":20220}", "{\"y\":20240}", "$.y: 20220 became 20240", COMPARE_UNEXPLAINED},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compare_node *n = NULL;
        struct look_budget budget;

        look_budget_init(&budget, &o);
        assert_int_equal(
            look_compare(&budget, span_str(rows[i].a), span_str(rows[i].b), "a", "b", &n), 0);
        assert_int_equal(n->class, rows[i].class);
        assert_int_equal(n->findings, 1);
        assert_string_equal(n->finding[0].what, rows[i].what);
        look_node_free(n);
    }
}

static void what_is_no_text_is_bytes(void **state)
{
    struct compare_node *n = look_n("a\0b\n", 4, "a\0c\n", 4);

    (void)state;
    assert_string_equal(n->format, "bytes");
    look_node_free(n);
    n = look("\x01\x02", "ab");
    assert_string_equal(n->format, "bytes");
    look_node_free(n);
    n = look("\xe4\xf6\xfc\xe4", "\xe4\xf6\xfc\xe5");
    assert_string_equal(n->format, "bytes");
    look_node_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_told_with_its_number),
        cmocka_unit_test(a_line_elsewhere_has_both_numbers),
        cmocka_unit_test(what_would_drive_a_terminal_is_shown_as_it_is_written),
        cmocka_unit_test(a_long_line_is_shown_where_it_differs),
        cmocka_unit_test(sentences_are_whole),
        cmocka_unit_test(many_lines_at_once_are_told_together),
        cmocka_unit_test(a_million_lines_are_no_trouble),
        cmocka_unit_test(what_is_known_of_both_builds_explains),
        cmocka_unit_test(what_is_no_text_is_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
