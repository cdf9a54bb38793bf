#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "crypto/sha256.h"
#include "events/country.h"

static void hash_of_codes(bool all, char out[65])
{
    char text[2 * COUNTRY_COUNT + 1];
    size_t n = 0;
    struct digest d;

    for (size_t i = 0; i < COUNTRY_COUNT; i++)
        if (all || !country_table[i].formerly) {
            memcpy(text + n, country_table[i].code, 2);
            n += 2;
        }
    sha256_of(text, n, &d);
    text_digest(out, &d);
}

/* Debian's iso-codes 4.15:
 * jq -r '."3166-1"[].alpha_2' iso_3166-1.json | sort | tr -d '\n' | sha256sum
 * (the same; jq -r '."3166-3"[].alpha_2' iso_3166-3.json) | sort -u | tr -d '\n' | sha256sum */
static void the_codes_are_those_of_the_standard(void **state)
{
    char hex[65];
    size_t assigned = 0;

    (void)state;
    for (size_t i = 0; i < COUNTRY_COUNT; i++)
        assigned += !country_table[i].formerly;
    assert_int_equal(assigned, COUNTRY_ASSIGNED);
    hash_of_codes(false, hex);
    assert_string_equal(hex, "5261f7809fbe7c32ec28b57f7490d7afa30e97f4096f942fdb67b0cbcf67171f");
    hash_of_codes(true, hex);
    assert_string_equal(hex, "30bb45ce036191dbe6dc2784a76894d0861b5f77125be52dab75cef1fa000c4f");
}

/* All 65,536 pairs of bytes: found exactly when listed. */
static void every_pair_of_bytes_is_found_exactly_when_listed(void **state)
{
    size_t found = 0;

    (void)state;
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            uint8_t code[2] = {(uint8_t)a, (uint8_t)b};
            int i = country_index(span_of(code, 2));

            if (i >= 0) {
                found++;
                assert_memory_equal(country_table[i].code, code, 2);
            } else {
                assert_int_equal(i, -ENOENT);
            }
        }
    assert_int_equal(found, COUNTRY_COUNT);
    assert_int_equal(country_index(span_str("C")), -ENOENT);
    assert_int_equal(country_index(span_str("CAN")), -ENOENT);
    assert_int_equal(country_index(span_of(NULL, 0)), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_codes_are_those_of_the_standard),
        cmocka_unit_test(every_pair_of_bytes_is_found_exactly_when_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
