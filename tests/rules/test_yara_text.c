/* Where rules begin and end: what looks like a rule, a brace or a quote inside comments, strings,
 * regular expressions and hex strings is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/yara_text.h"

static void names_of(const char *source, char out[256], struct err *e, int *rc)
{
    struct yara_text t = yara_text_of(span_str(source));
    struct yara_rule r;
    size_t n = 0;

    out[0] = '\0';
    while ((*rc = yara_text_rule(&t, &r, e)) == 1)
        n += (size_t)snprintf(out + n, 256 - n, "%s%s%.*s:%u ", r.is_private ? "private " : "",
                              r.is_global ? "global " : "", (int)r.name.n, (const char *)r.name.p,
                              r.line);
}

static void rules_are_found_and_nothing_else(void **state)
{
    static const struct {
        const char *source, *names;
    } v[] = {
        {"", ""},
        {"  // rule A { condition: true }", ""},
        {"/* rule A\n{ condition: true } */\n", ""},
        {"import \"pe\" rule A { condition: true }", "A:1 "},
        {"rule A{condition:true}rule B{condition:true}", "A:1 B:1 "},
        {"\n\nrule\n A : t u\n{condition:true}", "A:4 "},
        {"private rule A { condition: true } global private rule B {condition:A} rule C "
         "{condition:B}",
         "private A:1 private global B:1 C:1 "},
        {"rule A { strings: $a = \"} rule B {\" condition: $a } rule C { condition: A }",
         "A:1 C:1 "},
        {"rule A { strings: $a = \"\\\"} rule B {\" condition: $a }", "A:1 "},
        {"rule A { strings: $a = \"\\\\\" condition: $a } rule B { condition: A }", "A:1 B:1 "},
        {"rule A { strings: $a = /} rule B {\"/ condition: $a }", "A:1 "},
        {"rule A { strings: $a = /\\/} rule B {/is condition: $a }", "A:1 "},
        {"rule A { strings: $a = /a/ // } rule B { condition: true }\n condition: $a }", "A:1 "},
        {"rule A { strings: $a = { 01 [2] ( 02 | 03 ) } condition: $a } rule B {condition: A}",
         "A:1 B:1 "},
        {"rule A { strings: $a = { 01 // }\n 02 /* } */ } condition: $a } rule B {condition: A}",
         "A:1 B:2 "},
        {"rule A { condition: 4 \\ 2 == 2 } rule B { condition: A }", "A:1 B:1 "},
        {"rule A { condition: /* } */ true } // rule B", "A:1 "},
        {"rule rule_ { condition: true }", "rule_:1 "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct err e = ERR_INIT;
        char names[256];
        int rc;

        names_of(v[i].source, names, &e, &rc);
        if (rc != 0 || strcmp(names, v[i].names) != 0)
            fail_msg("%zu: %d \"%s\" %s", i, rc, names, err_text(&e));
    }
}

static void what_is_no_rule_is_refused_with_its_line(void **state)
{
    static const struct {
        const char *source, *says;
    } v[] = {
        {"rule A { condition: true", "line 1: the last rule does not end"},
        {"\nrule A { condition: {true }", "line 2: the last rule does not end"},
        {"rule A { condition: true } }", "line 1: \"}\" where a rule should be"},
        {"rule A {}\nfoo", "line 2: \"foo\" where"},
        {"rule \"A\" { }", "line 1: \"\"A\"\" where"},
        {"rule A ( )", "line 1: \"(\" where"},
        {"import pe", "line 1: \"pe\" where"},
        {"private", "line 1: \"private\" where"},
        {"private import \"pe\" rule A { }", "line 1: \"import\" where"},
        {"rule", "line 1: the last rule"},
        {"\n/* rule A { condition: true }", "line 2: a comment, string"},
        {"rule A { strings: $a = \"x\n\" condition: $a }", "line 1: a comment, string"},
        {"rule A { strings: $a = \"x\\\n\" condition: $a }", "line 1: a comment, string"},
        {"rule A { strings: $a = /x\n/ condition: $a }", "line 1: a comment, string"},
        {"rule A { strings: $a = /x", "line 1: a comment, string"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct err e = ERR_INIT;
        char names[256];
        int rc;

        names_of(v[i].source, names, &e, &rc);
        if (rc != -EBADMSG || strncmp(err_text(&e), v[i].says, strlen(v[i].says)) != 0)
            fail_msg("%zu: %d %s", i, rc, err_text(&e));
    }
}

static void only_layout_and_comments_are_no_difference(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } v[] = {
        {"rule A{condition:true}", "rule A\n{ condition: /* why */ true } // end", true},
        {"rule A{condition:true}", "rule A{condition:false}", false},
        {"rule A{condition:true}", "rule A:t{condition:true}", false},
        {"rule A{strings:$a=\"x y\"}", "rule A{strings:$a=\"x  y\"}", false},
        {"rule A{strings:$a=/x y/}", "rule A{strings:$a=/x y/i}", false},
        {"rule A{strings:$a=\"// x\"}", "rule A{strings:$a=\"// y\"}", false},
        {"rule A{condition:ab}", "rule A{condition:a b}", false},
        {"rule A{condition:true}", "rule A{condition:true", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        if (yara_text_same(span_str(v[i].a), span_str(v[i].b)) != v[i].same)
            fail_msg("%zu", i);
}

static void meta_is_read_and_strings_and_conditions_are_not(void **state)
{
    static const char source[] = "rule A {\n meta:\n author = \"a \\\"b\\\" \\x41\\n\" // c = 1\n"
                                 " score = -5 good = true\n strings: $a = \"meta: d = 1\" "
                                 "condition: $a\n}";
    static const char *const keys[] = {"author", "score", "good"};
    static const char *const values[] = {"a \"b\" A\n", "-5", "true"};
    struct yara_text t = yara_text_of(span_str(source));
    struct span key, value;
    struct yara_rule r;
    size_t n = 0;

    (void)state;
    assert_int_equal(yara_text_rule(&t, &r, NULL), 1);
    t = yara_text_of(r.body);
    while (yara_text_meta(&t, &key, &value) == 1) {
        struct buf b;

        assert_true(n < ARRAY_LEN(keys));
        buf_init(&b, 100);
        assert_true(span_is(key, keys[n]));
        assert_int_equal(yara_text_value(&b, value), 0);
        assert_string_equal(buf_str(&b), values[n]);
        buf_free(&b);
        n++;
    }
    assert_int_equal(n, 3);
    t = yara_text_of(span_str("{ strings: $a = \"x\" condition: $a }"));
    assert_int_equal(yara_text_meta(&t, &key, &value), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_found_and_nothing_else),
        cmocka_unit_test(what_is_no_rule_is_refused_with_its_line),
        cmocka_unit_test(only_layout_and_comments_are_no_difference),
        cmocka_unit_test(meta_is_read_and_strings_and_conditions_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
