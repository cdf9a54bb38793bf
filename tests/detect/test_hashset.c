#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "detect/hashset.h"

#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define TWOS "2222222222222222222222222222222222222222222222222222222222222222"

static struct digest all(uint8_t byte)
{
    struct digest d;

    memset(d.b, byte, sizeof(d.b));
    return d;
}

static void a_known_file_has_the_names_of_every_line(void **state)
{
    static const char text[] =
        "# comment\n" TWOS " two\n\n" ONES " one.b\n" TWOS " another\n" ONES " one.a\n";
    struct hashset *h = NULL;
    struct digest d = all(0x22);
    struct finding f;

    (void)state;
    finding_init(&f);
    assert_int_equal(hashset_new(&h), 0);
    assert_int_equal(hashset_add(h, "x", span_str(text), NULL), 0);
    hashset_seal(h);
    assert_int_equal(hashset_count(h), 4);
    assert_int_equal(hashset_find(h, &d, &f), 1);
    assert_int_equal(f.verdict, VERDICT_MALICIOUS);
    assert_string_equal(buf_str(&f.names), "another\ntwo");
    d = all(0x11);
    finding_clear(&f);
    assert_int_equal(hashset_find(h, &d, &f), 1);
    assert_string_equal(buf_str(&f.names), "one.a\none.b");
    finding_clear(&f);
    for (unsigned b = 0; b < 256; b++) {
        d = all((uint8_t)b);
        d.b[31] ^= 1;
        assert_int_equal(hashset_find(h, &d, &f), 0);
    }
    assert_int_equal(f.verdict, VERDICT_CLEAN);
    hashset_free(h);
    finding_done(&f);
}

static void an_empty_set_knows_nothing(void **state)
{
    struct hashset *h = NULL;
    struct digest d = all(0);
    struct finding f;

    (void)state;
    finding_init(&f);
    assert_int_equal(hashset_new(&h), 0);
    hashset_seal(h);
    assert_int_equal(hashset_find(h, &d, &f), 0);
    hashset_free(h);
}

static void a_bad_line_is_named(void **state)
{
    static const struct {
        const char *what, *text, *where;
    } rows[] = {
        {"no name", ONES "\n", "f:1:"},
        {"empty name", ONES " \n", "f:1:"},
        {"short", "11 a\n", "f:1:"},
        {"upper case", "AA11111111111111111111111111111111111111111111111111111111111111 a\n",
         "f:1:"},
        {"two blanks", ONES "  a\n", "f:1:"},
        {"carriage return", ONES " a\r\n", "f:1:"},
        {"third line", "#\n\n" ONES "x a\n", "f:3:"},
        {"no end", ONES " a\n" TWOS " b", "f:2:"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct hashset *h = NULL;
        struct err e = ERR_INIT;

        assert_int_equal(hashset_new(&h), 0);
        if (hashset_add(h, "f", span_str(rows[i].text), &e) != -EBADMSG ||
            strncmp(err_text(&e), rows[i].where, 4) != 0)
            fail_msg("%s: %s", rows[i].what, err_text(&e));
        hashset_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_file_has_the_names_of_every_line),
        cmocka_unit_test(an_empty_set_knows_nothing),
        cmocka_unit_test(a_bad_line_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
