/* A cause is what is known of both builds, at whole words, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "compare/look_priv.h"

/* What look_cause reads of a look. */
static struct look_known known;

const struct look_known *__wrap_look_known(const struct look *l);
const struct look_known *__wrap_look_known(const struct look *l)
{
    (void)l;
    return &known;
}

static void know(uint64_t y0, uint64_t y1, const char *p0, const char *p1)
{
    known = (struct look_known){{y0, y1}, {span_str(p0), span_str(p1)}};
}

static void cause_is(const char *a, const char *b, const char *cause)
{
    const char *got = look_cause(NULL, span_str(a), span_str(b));

    if ((got == NULL) != (cause == NULL) || (got != NULL && strcmp(got, cause) != 0))
        fail_msg("\"%s\" and \"%s\": %s", a, b, got == NULL ? "nothing" : got);
}

static void whole_years_are_explained_and_parts_are_not(void **state)
{
    (void)state;
    know(2022, 2024, "", "");
    cause_is("Copyright (C) 2022 X", "Copyright (C) 2024 X", "build year");
    cause_is("2022", "2024", "build year");
    cause_is("1999-2022, 2022", "1999-2024, 2024", "build year");
    cause_is("1999-2022, 2022", "1999-2022, 2024", "build year");
    cause_is("2024", "2022", NULL);
    cause_is("12022", "12024", NULL);
    cause_is("20221", "20241", NULL);
    cause_is("2022", "2024x", NULL);
    cause_is("2022", "2025", NULL);
    cause_is("in 2022: a", "in 2024: b", NULL);
}

static void whole_paths_are_explained_and_parts_are_not(void **state)
{
    (void)state;
    know(2022, 2024, "/build/one", "/build/other");
    cause_is("/build/one/a.c", "/build/other/a.c", "build path");
    cause_is("x=/build/one", "x=/build/other", "build path");
    cause_is("-I/build/one:/build/one/b 2022", "-I/build/other:/build/other/b 2024",
             "build path and year");
    cause_is("/build/ones/a.c", "/build/others/a.c", NULL);
    cause_is("/build/one/a.c", "/build/other/b.c", NULL);
    cause_is("/build/other", "/build/one", NULL);
    know(0, 0, "/b", "/b/longer");
    cause_is("/b/x", "/b/longer/x", "build path");
    cause_is("/b/x", "/b/x", NULL);
}

static void what_is_not_known_explains_nothing(void **state)
{
    (void)state;
    know(0, 0, "", "");
    cause_is("2022", "2024", NULL);
    cause_is("0", "0", NULL);
    assert_false(look_year(NULL, 0, 0));
    assert_false(look_year(NULL, 2022, 2024));
    know(2022, 2022, "/a", "/a");
    cause_is("2022", "2022", NULL);
    assert_false(look_year(NULL, 2022, 2022));
    know(2022, 2024, "", "");
    assert_true(look_year(NULL, 2022, 2024));
    assert_false(look_year(NULL, 2024, 2022));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_years_are_explained_and_parts_are_not),
        cmocka_unit_test(whole_paths_are_explained_and_parts_are_not),
        cmocka_unit_test(what_is_not_known_explains_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
