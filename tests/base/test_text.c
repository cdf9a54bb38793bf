#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"

static void numbers_are_decimal_in_one_spelling(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        int rc;
        uint64_t value;
    } row[] = {
        {"0", 0, 0, 0},
        {"1", 0, -EBADMSG, 0},
        {"18446744073709551615", UINT64_MAX, 0, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, -EBADMSG, 0},
        {"99999999999999999999", UINT64_MAX, -EBADMSG, 0},
        {"100000000000000000000", UINT64_MAX, -EBADMSG, 0},
        {"65535", 65535, 0, 65535},
        {"65536", 65535, -EBADMSG, 0},
        {"", 9, -EBADMSG, 0},
        {"00", 9, -EBADMSG, 0},
        {"01", 9, -EBADMSG, 0},
        {"+1", 9, -EBADMSG, 0},
        {"-0", 9, -EBADMSG, 0},
        {" 1", 9, -EBADMSG, 0},
        {"1 ", 9, -EBADMSG, 0},
        {"1:", 99, -EBADMSG, 0},
        {"1/", 99, -EBADMSG, 0},
        {"0x1", 99, -EBADMSG, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        uint64_t v = 12345;

        assert_int_equal(text_u64(span_str(row[i].text), row[i].max, &v), row[i].rc);
        assert_true(v == (row[i].rc == 0 ? row[i].value : 12345));
    }
}

/* RFC 4648 section 10 */
static void the_vectors_of_rfc_4648_come_out_both_ways(void **state)
{
    static const char *const row[][3] = {
        {"", "", ""},
        {"f", "Zg==", "66"},
        {"fo", "Zm8=", "666f"},
        {"foo", "Zm9v", "666f6f"},
        {"foob", "Zm9vYg==", "666f6f62"},
        {"fooba", "Zm9vYmE=", "666f6f6261"},
        {"foobar", "Zm9vYmFy", "666f6f626172"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        size_t n = strlen(row[i][0]), got = 99;
        char text[16];
        uint8_t back[8];

        text_base64(text, row[i][0], n);
        assert_string_equal(text, row[i][1]);
        assert_int_equal(strlen(text), TEXT_BASE64_LEN(n));
        assert_int_equal(text_unbase64(span_str(text), back, n, &got), 0);
        assert_int_equal(got, n);
        assert_memory_equal(back, row[i][0], n);
        text_hex(text, row[i][0], n);
        assert_string_equal(text, row[i][2]);
        assert_int_equal(text_unhex(span_str(text), back, n), 0);
        assert_memory_equal(back, row[i][0], n);
    }
}

static void base64_has_one_spelling(void **state)
{
    static const char *const bad[] = {
        "Zg=",   "Zg",       "Z",        "Zg===", "Zh==", "Zo==",    "Zm+=",  "Zm9=",
        "Zm8",   "====",     "Z===",     "=Zg=",  "Zm=v", "Zm9v\n",  " Zm9v", "Zm-_",
        "Zm9v=", "Zg==Zg==", "Zm8=Zm8=", "Zm9*",  "Zg=A", "Zm9\x80",
    };
    uint8_t out[8] = {0x5a};
    size_t n = 99;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(text_unbase64(span_str(bad[i]), out, sizeof(out), &n), -EBADMSG);
    assert_int_equal(text_unbase64(span_str("Zm9v"), out, 2, &n), -E2BIG);
    assert_int_equal(text_unbase64_exact(span_str("Zm9v"), out, 2), -EBADMSG);
    assert_int_equal(text_unbase64_exact(span_str("Zm9v"), out, 4), -EBADMSG);
    assert_int_equal(n, 99);
    assert_int_equal(out[0], 0x5a); /* nothing came out of what was refused */
    assert_int_equal(text_unbase64_exact(span_str("Zm9v"), out, 3), 0);
}

/* RFC 4648 table 1 has 64 signs; no other byte stands for anything, in any place. */
static void base64_has_no_other_signs(void **state)
{
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t quad[4], out[3];

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++)
        for (size_t place = 0; place < 3; place++) { /* '=' may stand in the last */
            bool sign = byte != 0 && strchr(signs, (int)byte) != NULL;

            memset(quad, 'A', sizeof(quad));
            quad[place] = (uint8_t)byte;
            assert_int_equal(text_unbase64_exact(span_of(quad, 4), out, 3), sign ? 0 : -EBADMSG);
        }
}

static void every_byte_survives_both_encodings(void **state)
{
    uint8_t all[256], back[256];
    char text[513];

    (void)state;
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)i;
    text_base64(text, all, sizeof(all));
    assert_int_equal(text_unbase64_exact(span_str(text), back, sizeof(back)), 0);
    assert_memory_equal(all, back, sizeof(all));
    text_hex(text, all, sizeof(all));
    assert_int_equal(text_unhex(span_str(text), back, sizeof(back)), 0);
    assert_memory_equal(all, back, sizeof(all));
}

static void hex_is_lower_case_and_of_the_right_length(void **state)
{
    static const char *const bad[] = {"",     "0",    "000",   "00000", "0A0b",
                                      "0g00", " 000", "00\n0", "0:00"};
    struct digest d = {{7}};
    struct id128 id;
    char text[65];
    uint8_t out[2];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(text_unhex(span_str(bad[i]), out, 2), -EBADMSG);
    text_digest(text, &d);
    assert_int_equal(strlen(text), 64);
    assert_int_equal(text_undigest(span_str(text), &d), 0);
    assert_int_equal(text_undigest(span_of(text, 63), &d), -EBADMSG);
    assert_int_equal(text_unid(span_str(text), &id), -EBADMSG);
    assert_int_equal(text_unid(span_of(text, 32), &id), 0);
    text_id(text, &id);
    assert_string_equal(text, "07000000000000000000000000000000");
}

/* The boundaries of RFC 3629 section 4's syntax */
static void utf8_is_judged_at_every_boundary(void **state)
{
    static const struct {
        const char *bytes;
        uint32_t code; /* 0: not valid */
    } row[] = {
        {"\x01", 0x1},
        {"\x7f", 0x7f},
        {"\x80", 0},
        {"\xbf", 0},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xc2\x80", 0x80},
        {"\xc2", 0},
        {"\xc2\x7f", 0},
        {"\xc2\xc0", 0},
        {"\xdf\xbf", 0x7ff},
        {"\xe0\x80\x80", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xe0\xa0\x80", 0x800},
        {"\xe0\xa0", 0},
        {"\xed\x9f\xbf", 0xd7ff},
        {"\xed\xa0\x80", 0},
        {"\xed\xbf\xbf", 0},
        {"\xee\x80\x80", 0xe000},
        {"\xef\xbf\xbf", 0xffff},
        {"\xf0\x80\x80\x80", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf0\x90\x80\x80", 0x10000},
        {"\xf0\x90\x80", 0},
        {"\xf4\x8f\xbf\xbf", 0x10ffff},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xf8\x88\x80\x80\x80", 0},
        {"\xfe", 0},
        {"\xff", 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct span s = span_str(row[i].bytes);
        uint32_t code = 0;
        size_t n = text_utf8_next(s, &code);

        assert_int_equal(n, row[i].code != 0 ? s.n : 0);
        assert_int_equal(code, row[i].code);
        assert_int_equal(text_is_utf8(s), row[i].code != 0);
    }
    assert_true(text_is_utf8(span_of(NULL, 0)));
    assert_true(text_is_utf8(span_of("a\0b", 3)));
    assert_false(text_is_utf8(span_str("good \xc3\xa9 then \xc3")));
}

static void sizes_are_told_in_powers_of_a_thousand(void **state)
{
    static const struct {
        uint64_t n;
        const char *text;
    } row[] = {
        {0, "0 B"},
        {999, "999 B"},
        {1000, "1.0 kB"},
        {1049, "1.0 kB"},
        {1050, "1.1 kB"},
        {999949, "999.9 kB"},
        {999950, "1.0 MB"},
        {1400000, "1.4 MB"},
        {UINT64_C(999949999999), "999.9 GB"},
        {UINT64_C(999950000000), "1.0 TB"},
        {UINT64_MAX, "18.4 EB"},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        assert_string_equal(text_bytes(out, row[i].n), row[i].text);
}

static void json_strings_are_escaped_as_rfc_8785_says(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 200);
    /* RFC 8785 section 3.2.2.2 names every form used here */
    assert_int_equal(text_json_string(&b, span_str("\xe2\x82\xac$\x0f\nA'B\"\\\\\"/\b\t\f\r\x7f")),
                     0);
    assert_string_equal(buf_str(&b),
                        "\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\\b\\t\\f\\r\x7f\"");
    buf_reset(&b);
    assert_int_equal(text_json_string(&b, span_of("\0", 1)), 0);
    assert_string_equal(buf_str(&b), "\"\\u0000\"");
    buf_free(&b);
}

static void a_refused_json_string_leaves_the_buffer_as_it_was(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    assert_int_equal(buf_puts(&b, "kept"), 0);
    assert_int_equal(text_json_string(&b, span_str("\xff")), -EBADMSG);
    assert_int_equal(text_json_string(&b, span_str("12345")), -E2BIG);
    assert_int_equal(text_plain(&b, span_str("1234567")), -E2BIG);
    assert_string_equal(buf_str(&b), "kept");
    assert_int_equal(text_json_string(&b, span_str("1234")), 0);
    buf_free(&b);
}

static void strangers_text_cannot_drive_a_terminal(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_int_equal(text_plain(&b, span_str("a\x1b[2J\n\x7f\xc2\x9b"
                                             "b\xe2\x80\xae\xff\xc3\xa9\xe2\x80")),
                     0);
    assert_string_equal(buf_str(&b), "a?[2J???b??\xc3\xa9??");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal_in_one_spelling),
        cmocka_unit_test(the_vectors_of_rfc_4648_come_out_both_ways),
        cmocka_unit_test(base64_has_one_spelling),
        cmocka_unit_test(base64_has_no_other_signs),
        cmocka_unit_test(every_byte_survives_both_encodings),
        cmocka_unit_test(hex_is_lower_case_and_of_the_right_length),
        cmocka_unit_test(utf8_is_judged_at_every_boundary),
        cmocka_unit_test(sizes_are_told_in_powers_of_a_thousand),
        cmocka_unit_test(json_strings_are_escaped_as_rfc_8785_says),
        cmocka_unit_test(a_refused_json_string_leaves_the_buffer_as_it_was),
        cmocka_unit_test(strangers_text_cannot_drive_a_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
