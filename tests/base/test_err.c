#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"

static void strangers_control_characters_never_reach_a_terminal(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(err_set(&e, -EINVAL, "bad name \"%s\"", "a\033[2Jb\n"), -EINVAL);
    assert_string_equal(err_text(&e), "bad name \"a?[2Jb?\"");
    /* C1's CSI as terminals read it in UTF-8, a text turned round, a byte that is no text */
    (void)err_set(&e, -EINVAL, "%s",
                  "a\xc2\x9b"
                  "2Jb \xe2\x80\xaegpj.exe \xff \xc3\xa9");
    assert_string_equal(err_text(&e), "a?2Jb ?gpj.exe ? \xc3\xa9");
}

static void a_prefix_stands_before_the_first_sentence(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    (void)err_set(&e, -EIO, "x");
    assert_int_equal(err_prefix(&e, "reading \"%s\"", "f"), -EIO);
    assert_string_equal(err_text(&e), "reading \"f\": x");
}

static void overlong_text_is_cut_not_overrun(void **state)
{
    struct err e = ERR_INIT;
    char big[2000];

    (void)state;
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    (void)err_set(&e, -EIO, "%s", big);
    (void)err_prefix(&e, "p");
    assert_int_equal(strlen(err_text(&e)), ERR_TEXT_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_control_characters_never_reach_a_terminal),
        cmocka_unit_test(a_prefix_stands_before_the_first_sentence),
        cmocka_unit_test(overlong_text_is_cut_not_overrun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
