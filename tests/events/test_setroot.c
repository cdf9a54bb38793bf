#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "events/setroot.h"

static void expect(const struct digest *d, const char *hex)
{
    char t[65];

    text_digest(t, d);
    assert_string_equal(t, hex);
}

static void ids(struct id128 *out, const char *bytes)
{
    for (size_t i = 0; i < strlen(bytes); i++)
        memset(out[i].b, bytes[i] - '0', 16);
    for (size_t i = 0; i < strlen(bytes); i++)
        for (int j = 0; j < 16; j++)
            out[i].b[j] = (uint8_t)(out[i].b[j] * 17);
}

/* The same root in parts, and nothing that does not ascend. */
static void a_set_may_come_in_parts(void **state)
{
    struct setroot s = {.n = 0};
    struct id128 v[3];
    struct digest d;

    (void)state;
    setroot_end(&s, &d);
    expect(&d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ids(v, "10");
    assert_int_equal(setroot_add(&s, v, 2), 0);
    assert_int_equal(setroot_add(&s, v, 0), 0);
    assert_int_equal(setroot_add(&s, v + 1, 1), -EINVAL);
    assert_int_equal(setroot_add(&s, v, 1), -EINVAL);
    ids(v, "2");
    assert_int_equal(setroot_add(&s, v, 1), 0);
    setroot_end(&s, &d);
    expect(&d, "1626c6b2603b31d6458408f0d409fb14ff92878cbbe46dca120406ed3f768b86");
}

/* printf '' | sha256sum */
static void the_empty_set_has_the_hash_of_nothing(void **state)
{
    struct digest d;

    (void)state;
    assert_int_equal(setroot_ids(NULL, 0, &d), 0);
    expect(&d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* x() { printf "$1%.0s" $(seq 16); };  h() { openssl dgst -sha256 -binary | xxd -p -c64; }
 * A=$( (printf '\0'; x '\0') | h); B=$( (printf '\0'; x '\21') | h); C=$( (printf '\0'; x '\42') |
 * h) N=$( (printf '\1'; echo $A$B | xxd -r -p) | h);  (printf '\1'; echo $N$C | xxd -r -p) | h */
static void small_sets_have_the_roots_that_openssl_computes(void **state)
{
    struct id128 v[3];
    struct digest d;

    (void)state;
    ids(v, "0");
    assert_int_equal(setroot_ids(v, 1, &d), 0);
    expect(&d, "0a88111852095cae045340ea1f0b279944b2a756a213d9b50107d7489771e159");
    ids(v, "10");
    assert_int_equal(setroot_ids(v, 2, &d), 0);
    expect(&d, "080ec838066425f5ee2f0496c0f9712c10b54509784e8aecb94afc06e9d80912");
    ids(v, "201");
    assert_int_equal(setroot_ids(v, 3, &d), 0);
    expect(&d, "1626c6b2603b31d6458408f0d409fb14ff92878cbbe46dca120406ed3f768b86");
    ids(v, "012");
    assert_int_equal(setroot_ids(v, 3, &d), 0);
    expect(&d, "1626c6b2603b31d6458408f0d409fb14ff92878cbbe46dca120406ed3f768b86");
}

static void a_set_has_no_doubles(void **state)
{
    struct id128 v[3];
    struct digest d;

    (void)state;
    ids(v, "101");
    assert_int_equal(setroot_ids(v, 3, &d), -EINVAL);
}

/* (printf '\0\14move-item/v1'; printf '\1%.0s' $(seq 32); printf '\2%.0s' $(seq 16);
 *  printf '\3%.0s' $(seq 32)) | sha256sum */
static void a_moves_item_is_the_hash_that_openssl_computes(void **state)
{
    struct id128 sub;
    struct digest sha, d;
    uint8_t salt[32];

    (void)state;
    memset(salt, 1, 32);
    memset(sub.b, 2, 16);
    memset(sha.b, 3, 32);
    setroot_move_item(salt, &sub, &sha, &d);
    expect(&d, "0d643ba9a9494b134b85746dd8829817b3db6bdf25216b2331b7322c6898a8b5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_may_come_in_parts),
        cmocka_unit_test(the_empty_set_has_the_hash_of_nothing),
        cmocka_unit_test(small_sets_have_the_roots_that_openssl_computes),
        cmocka_unit_test(a_set_has_no_doubles),
        cmocka_unit_test(a_moves_item_is_the_hash_that_openssl_computes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
