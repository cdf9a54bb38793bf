/* Provenances: one that speaks of the product passes, every other one is told apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "assembler/proven.h"
#include "base/text.h"
#include "people/dsse.h"

#define Z62 "00000000000000000000000000000000000000000000000000000000000000"
#define BEGIN                                                                                      \
    "{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":"                            \
    "\"https://slsa.dev/provenance/v1\",\"subject\":["
#define SUBJECT(name, last) "{\"name\":\"" name "\",\"digest\":{\"sha256\":\"" Z62 last "\"}}"
#define DEP(last) "{\"uri\":\"x\",\"digest\":{\"sha256\":\"" Z62 last "\"}}"
#define MIDDLE                                                                                     \
    "],\"predicate\":{\"runDetails\":{},\"buildDefinition\":{\"buildType\":\"x\","                 \
    "\"resolvedDependencies\":["
#define END "]}}}"
#define BOTH SUBJECT("b", "b1") "," SUBJECT("a", "a1")

static struct product_artifact files[2] = {{"a", {{[31] = 0xa1}}, 1}, {"b", {{[31] = 0xb1}}, 1}};
static const struct product product = {.source = {{[31] = 1}},
                                       .recipe = {{[31] = 2}},
                                       .toolchain = {{[31] = 3}},
                                       .artifact = files,
                                       .artifacts = 2};

static int check(const char *type, const char *text, struct err *e)
{
    struct dsse *d = NULL;
    struct buf b;
    int rc;

    buf_init(&b, DSSE_MAX_BYTES);
    assert_int_equal(dsse_new(&d, type, span_str(text)), 0);
    assert_int_equal(dsse_write(d, &b), 0);
    rc = proven_check(buf_span(&b), &product, e);
    dsse_free(d);
    buf_free(&b);
    return rc;
}

static void what_speaks_of_the_product_passes(void **state)
{
    (void)state;
    assert_int_equal(
        check(PROVEN_TYPE,
              BEGIN BOTH MIDDLE DEP("09") "," DEP("03") "," DEP("02") "," DEP("01") END, NULL),
        0);
}

static void every_other_is_told_apart(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no in-toto statement"},
        {"[]", "no in-toto statement"},
        {"{\"_type\":1}", "no in-toto statement"},
        {"{\"_type\":\"https://in-toto.io/Statement/v1\",\"predicateType\":\"x\"}",
         "no in-toto statement"},
        {BEGIN MIDDLE END, "is of 0 files, the product has 2"},
        {BEGIN SUBJECT("a", "a1") MIDDLE END, "is of 1 files"},
        {BEGIN BOTH "," SUBJECT("c", "c1") MIDDLE END, "is of 3 files"},
        {BEGIN SUBJECT("a", "a1") "," SUBJECT("a", "a1") MIDDLE END, "does not speak of \"b\""},
        {BEGIN SUBJECT("a", "a1") "," SUBJECT("b", "b2") MIDDLE END, "is of another \"b\""},
        {BEGIN SUBJECT("a", "a1") ",{\"name\":\"b\",\"digest\":7}" MIDDLE END,
         "is of another \"b\""},
        {BEGIN BOTH MIDDLE DEP("02") "," DEP("03") END, "says another source"},
        {BEGIN BOTH MIDDLE DEP("01") "," DEP("03") END, "says another recipe"},
        {BEGIN BOTH MIDDLE DEP("01") "," DEP("02") END, "says another toolchain"},
        {BEGIN BOTH "]}", "says another source"},
    };
    struct err e = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        e = (struct err)ERR_INIT;
        assert_int_equal(check(PROVEN_TYPE, bad[i].text, &e), -EBADMSG);
        if (strstr(err_text(&e), bad[i].says) == NULL)
            fail_msg("%zu: %s", i, err_text(&e));
    }
    e = (struct err)ERR_INIT;
    assert_int_equal(check("application/json", BEGIN BOTH MIDDLE END, &e), -EBADMSG);
    assert_non_null(strstr(err_text(&e), "envelope of type application/json"));
    assert_int_equal(proven_check(span_str("{}"), &product, NULL), -EBADMSG);
}

static unsigned year(const char *details)
{
    struct dsse *d = NULL;
    struct buf b;
    char text[256];
    unsigned y;

    (void)snprintf(text, sizeof(text), "{\"predicate\":{\"runDetails\":{\"metadata\":{%s}}}}",
                   details);
    buf_init(&b, DSSE_MAX_BYTES);
    assert_int_equal(dsse_new(&d, PROVEN_TYPE, span_str(text)), 0);
    assert_int_equal(dsse_write(d, &b), 0);
    y = proven_year(buf_span(&b));
    dsse_free(d);
    buf_free(&b);
    return y;
}

static void the_year_is_that_of_the_beginning(void **state)
{
    static const char *const none[] = {
        "",
        "\"startedOn\":2022",
        "\"startedOn\":\"2022\"",
        "\"startedOn\":\"22-12-31T23:59:59Z...\"",
        "\"startedOn\":\"1969-12-31T23:59:59Z\"",
        "\"startedOn\":\" 202-12-31T23:59:59Z\"",
        "\"finishedOn\":\"2023-01-01T00:00:00Z\"",
    };

    (void)state;
    assert_int_equal(year("\"startedOn\":\"2022-12-31T23:59:59Z\",\"finishedOn\":"
                          "\"2023-01-01T00:00:00Z\""),
                     2022);
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_int_equal(year(none[i]), 0);
    assert_int_equal(proven_year(span_str("{}")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_speaks_of_the_product_passes),
        cmocka_unit_test(every_other_is_told_apart),
        cmocka_unit_test(the_year_is_that_of_the_beginning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
