/* The provenance of what was signed later: subjects become the signed files, each once and only if
 * it is the one that was built; all else stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "assembler/signed.h"

#define D "00000000000000000000000000000000000000000000000000000000000000"
#define SUBJECT(name, d) "{\"name\":\"" name "\",\"digest\":{\"sha256\":\"" D d "\"}}"
#define STATEMENT(subjects, run)                                                                   \
    "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[" subjects                        \
    "],\"predicateType\":\"https://slsa.dev/provenance/v1\",\"predicate\":{\"z\":1,\"a\":[]," run  \
    "}}"
#define RUN(more) "\"runDetails\":{\"builder\":{\"id\":\"urn:b\"}" more "}"

static const struct digest a1 = {{[31] = 0xa1}}, b1 = {{[31] = 0xb1}}, c1 = {{[31] = 0xc1}};

static struct signed_statement *opened(const char *text)
{
    struct signed_statement *s = NULL;
    struct err e = ERR_INIT;

    if (signed_open(&s, span_str(text), &e) != 0)
        fail_msg("%s", err_text(&e));
    return s;
}

static void written(const struct signed_statement *s, const char *is)
{
    struct buf b;

    buf_init(&b, 4096);
    assert_int_equal(signed_write(s, &b), 0);
    assert_string_equal(buf_str(&b), is);
    buf_free(&b);
}

static void a_subject_becomes_the_signed_file(void **state)
{
    struct signed_statement *s =
        opened(STATEMENT(SUBJECT("x/app", "a1") "," SUBJECT("read", "b1"), RUN("")));
    const char *name = NULL;

    (void)state;
    assert_int_equal(signed_subject(s, "app", &name, NULL), 0);
    assert_string_equal(name, "x/app");
    assert_int_equal(signed_replace(s, name, &a1, &c1, NULL), 0);
    written(s, STATEMENT(
                   SUBJECT("x/app", "c1") "," SUBJECT("read", "b1"),
                   RUN(",\"byproducts\":[" SUBJECT("x/app, before it was signed", "a1") "]")) "\n");
    signed_free(s);
    s = opened(STATEMENT(SUBJECT("app", "a1"), RUN(",\"byproducts\":[{\"name\":\"second\"}]")));
    assert_int_equal(signed_replace(s, "app", &a1, &c1, NULL), 0);
    written(s,
            STATEMENT(SUBJECT("app", "c1"), RUN(",\"byproducts\":[{\"name\":\"second\"}," SUBJECT(
                                                "app, before it was signed", "a1") "]")) "\n");
    signed_free(s);
}

static void each_is_replaced_once_and_only_if_it_is_the_built_one(void **state)
{
    const char *text = STATEMENT(SUBJECT("app", "a1"), RUN(",\"byproducts\":[]"));
    struct signed_statement *s = opened(text);
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(signed_replace(s, "app", &b1, &c1, &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "another \"app\""));
    assert_int_equal(signed_replace(s, "none", &a1, &c1, NULL), -EBADMSG);
    written(s,
            STATEMENT(SUBJECT("app", "a1"), RUN(",\"byproducts\":[]")) "\n"); /* nothing changed */
    assert_int_equal(signed_replace(s, "app", &a1, &c1, NULL), 0);
    assert_int_equal(signed_replace(s, "app", &c1, &b1, &e), -EEXIST);
    assert_non_null(strstr(err_text(&e), "stands for two files"));
    signed_free(s);
}

static void a_name_must_be_one_subjects(void **state)
{
    struct signed_statement *s = opened(STATEMENT(
        SUBJECT("x/app", "a1") "," SUBJECT("y/app", "b1") ",7,{}," SUBJECT("wrap", "c1"), RUN("")));
    struct err e = ERR_INIT;
    const char *name;

    (void)state;
    assert_int_equal(signed_subject(s, "app", &name, &e), -ENOENT);
    assert_non_null(strstr(err_text(&e), "several"));
    assert_int_equal(signed_subject(s, "rap", &name, &e), -ENOENT);
    assert_non_null(strstr(err_text(&e), "does not speak of"));
    assert_int_equal(signed_subject(s, "wrap", &name, NULL), 0);
    signed_free(s);
}

static void what_is_no_provenance_is_refused(void **state)
{
    static const char *const none[] = {
        "",
        "[]",
        "{}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\"}",
        STATEMENT("", "\"runDetails\":7"),
        STATEMENT("", RUN(",\"byproducts\":{}")),
        STATEMENT("", "\"run\":{}"),
        "{\"_type\":\"https://in-toto.io/Statement/v0.1\",\"subject\":[],\"predicateType\":"
        "\"https://slsa.dev/provenance/v1\",\"predicate\":{\"runDetails\":{}}}",
        "{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":{},\"predicateType\":"
        "\"https://slsa.dev/provenance/v1\",\"predicate\":{\"runDetails\":{}}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct signed_statement *s = NULL;

        if (signed_open(&s, span_str(none[i]), NULL) != -EBADMSG || s != NULL)
            fail_msg("number %zu is taken", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subject_becomes_the_signed_file),
        cmocka_unit_test(each_is_replaced_once_and_only_if_it_is_the_built_one),
        cmocka_unit_test(a_name_must_be_one_subjects),
        cmocka_unit_test(what_is_no_provenance_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
