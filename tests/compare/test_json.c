/* JSON documents: values by their paths; blanks and the order of members are the container. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "compare/json_read.h"
#include "compare/look_priv.h"

static struct compare_node *look(const char *a, const char *b)
{
    struct compare_node *n = NULL;
    struct look_budget budget;

    look_budget_init(&budget, NULL);
    assert_int_equal(look_compare(&budget, span_str(a), span_str(b), "a", "b", &n), 0);
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        assert_int_equal(sum, n->size[side]);
    }
    return n;
}

/* The findings are those, in that order. */
static void expect(const char *a, const char *b, enum compare_class class, const char *const *what)
{
    struct compare_node *n = look(a, b);
    size_t i = 0;

    assert_string_equal(n->format, "JSON");
    assert_int_equal(n->class, class);
    for (; what[i] != NULL; i++) {
        assert_true(i < n->findings);
        assert_string_equal(n->finding[i].what, what[i]);
    }
    assert_int_equal(n->findings, i);
    look_node_free(n);
}
#define FINDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_value_is_told_with_its_path(void **state)
{
    (void)state;
    expect("{\"a\":[1,{\"b\":true}]}", "{\"a\":[1,{\"b\":false}]}", COMPARE_UNEXPLAINED,
           FINDS("$.a[1].b: true became false"));
    expect("{\"a\":1}", "{\"a\":[1]}", COMPARE_UNEXPLAINED, FINDS("$.a: 1 became [1]"));
    expect("{\"a b\":1}", "{\"a b\":2}", COMPARE_UNEXPLAINED, FINDS("$[\"a b\"]: 1 became 2"));
    expect("[1.0]", "[1]", COMPARE_UNEXPLAINED, FINDS("$[0]: 1.0 became 1"));
}

static void members_and_elements_are_only_on_one_side(void **state)
{
    (void)state;
    expect("{\"a\":1,\"b\":2}", "{\"b\":2,\"c\":3}", COMPARE_UNEXPLAINED,
           FINDS("$.a is only in A: 1", "$.c is only in B: 3"));
    expect("[1,2,3,4,5]", "[1,3,4,5]", COMPARE_UNEXPLAINED, FINDS("$[1] is only in A: 2"));
    expect("[1,2,3]", "[1,7,3]", COMPARE_UNEXPLAINED, FINDS("$[1]: 2 became 7"));
}

static void blanks_and_order_are_the_container(void **state)
{
    (void)state;
    expect("{\"a\":[1,2],\"b\":{}}", "{\n  \"a\": [1, 2],\n  \"b\": { }\n}\n", COMPARE_SAME_CONTENT,
           FINDS("blanks between values differ"));
    expect("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", COMPARE_SAME_CONTENT,
           FINDS("members of objects are in another order"));
    expect("[1,2]", "[2,1]", COMPARE_UNEXPLAINED,
           FINDS("$[0] is only in A: 1", "$[1] is only in B: 1"));
    expect("{\"k\":\"a b\"}", "{ \"k\":\"a  b\"}", COMPARE_UNEXPLAINED,
           FINDS("$.k: \"a b\" became \"a  b\"", "blanks between values differ"));
}

/* A difference of another kind beside one that is harmless is not hidden by it. */
static void what_readers_read_otherwise_is_compared_as_text(void **state)
{
    static const char *const no[][2] = {{"{\"a\":1,\"a\":2}", "{\"a\":1, \"a\":2}"},
                                        {"{\"\\u0061\":1}", "{ \"\\u0061\":1}"},
                                        {"[01]", "[ 01]"},
                                        {"[1,]", "[ 1,]"},
                                        {"[1] x", "[ 1] x"},
                                        {"[NaN]", "[ NaN]"},
                                        {"[\"\t\"]", "[ \"\t\"]"},
                                        {"[1 2]", "[1  2]"},
                                        {"{\"a\" 1}", "{\"a\"  1}"},
                                        {"1", "1 "},
                                        {"['a']", "[ 'a']"},
                                        {"[\"\\x\"]", "[ \"\\x\"]"},
                                        {"[-]", "[ -]"},
                                        {"[1.]", "[ 1.]"},
                                        {"[1e]", "[ 1e]"},
                                        {"// c\n[1]", "// c\n[ 1]"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        struct compare_node *n = look(no[i][0], no[i][1]);

        assert_string_equal(n->format, "text");
        assert_int_equal(n->class, COMPARE_UNEXPLAINED);
        look_node_free(n);
    }
}

static void depth_and_size_are_bounded(void **state)
{
    char deep[2 * JSON_DEPTH + 8];
    struct json j;

    (void)state;
    memset(deep, '[', JSON_DEPTH + 1);
    memset(deep + JSON_DEPTH + 1, ']', JSON_DEPTH + 1);
    assert_int_not_equal(json_read(&j, span_of(deep, 2 * (size_t)JSON_DEPTH + 2)), 0);
    assert_int_equal(json_read(&j, span_of(deep + 1, 2 * (size_t)JSON_DEPTH)), 0);
    assert_int_equal(j.n, JSON_DEPTH);
    json_free(&j);
    assert_int_not_equal(json_read(&j, span_of("[\"\\\0\"]", 6)), 0);
}

static void long_paths_keep_their_end(void **state)
{
    struct compare_node *n;
    struct buf doc[2];

    (void)state;
    for (int side = 0; side < 2; side++) {
        buf_init(&doc[side], 1000);
        for (int i = 0; i < 20; i++)
            assert_int_equal(buf_puts(&doc[side], "{\"a_longer_name\":"), 0);
        assert_int_equal(buf_puts(&doc[side], side == 0 ? "1" : "2"), 0);
        for (int i = 0; i < 20; i++)
            assert_int_equal(buf_putc(&doc[side], '}'), 0);
    }
    n = look(buf_str(&doc[0]), buf_str(&doc[1]));
    assert_int_equal(n->findings, 1);
    assert_non_null(strstr(n->finding[0].what, "....a_longer_name.a_longer_name"));
    assert_non_null(strstr(n->finding[0].what, ".a_longer_name: 1 became 2"));
    assert_int_equal(n->bytes[0][COMPARE_UNEXPLAINED], 1);
    look_node_free(n);
    buf_free(&doc[0]);
    buf_free(&doc[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_told_with_its_path),
        cmocka_unit_test(members_and_elements_are_only_on_one_side),
        cmocka_unit_test(blanks_and_order_are_the_container),
        cmocka_unit_test(what_readers_read_otherwise_is_compared_as_text),
        cmocka_unit_test(depth_and_size_are_bounded),
        cmocka_unit_test(long_paths_keep_their_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
