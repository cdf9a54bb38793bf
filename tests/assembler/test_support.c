/* Until when packages are supported: from lines as apt and distro-info-data have them, and never
 * where one of them does not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "assembler/support.h"

#define MAIN "http://deb.example/debian/"
#define EXTRA "http://deb.example/debian-security/"
#define ROWS                                                                                       \
    "version,codename,series,created,release,eol,eol-lts,eol-elts\n"                               \
    "1.1,Buzz,buzz,1993-08-16,1996-06-17,1997-06-05\n"                                             \
    "12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-07-11,2028-06-30,2033-06-30\n"                \
    "14,Forky,forky,2025-08-09\n"                                                                  \
    ",Sid,sid,1993-08-16\n"

static const char usual[] = "Debian|bookworm|" MAIN "\nDebian|bookworm-updates|" MAIN "\n"
                            "Debian|bookworm-security|" EXTRA "\nDebian|bookworm|" MAIN "\n";

static unix_time until(const char *targets, const char *table, const char *uri)
{
    return support_until(span_str(targets), span_str(table), uri);
}

/* date -u -d 2026-07-11T23:59:59Z +%s */
static void a_package_of_one_release_ends_with_it(void **state)
{
    (void)state;
    assert_int_equal(until(usual, ROWS, MAIN "pool/main/t/tcc/tcc_1_amd64.deb"), 1783814399);
    assert_int_equal(until(usual, ROWS, EXTRA "pool/updates/main/o/x.deb"), 1783814399);
    assert_int_equal(until("Debian|buzz|" MAIN "\n", ROWS, MAIN "x"), 865555199);
    assert_int_equal(until("Debian|buzz|" MAIN, ROWS, MAIN "x"), 865555199); /* no line feed */
}

static void what_is_not_said_is_not_known(void **state)
{
    static const char *const targets[] = {
        "",
        "\n\n|||\n",
        "Debian|bookworm\n",
        "Others|bookworm|" MAIN "\n",                         /* not Debian's */
        "Debian|bookworm|" EXTRA "\n",                        /* another source */
        "Debian|bookworm|" MAIN "\nDebian|trixie|" MAIN "\n", /* several releases */
        "Debian|trixie|" MAIN "\nDebian|bookworm|" MAIN "\n",
        "Debian|bookworm|" MAIN "\nOthers|bookworm|" MAIN "\nDebian|bookworm|" MAIN "\n",
        "Debian|bookworm-backports|" MAIN "\n",
        "Debian|-updates|" MAIN "\n",
        "Debian|trixie|" MAIN "\n", /* not in the table */
        "Debian|forky|" MAIN "\n",  /* not ended in it */
        "Debian|sid|" MAIN "\n",
        "Debian|bookworm|http://deb.example/\nOthers|x|" MAIN "\n", /* the longest address counts */
    };
    static const char *const tables[] = {
        "",
        "\n",
        "version,series\n12,bookworm\n",
        "series,eol\nbookworm,soon\n",
        "series,eol\nbookworm,2026-13-11\n",
        "series,eol\nbookworm,2026-07-1\n",
        "series,eol\nbookworm\n",
        "eol\n2026-07-11\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++)
        if (until(targets[i], ROWS, MAIN "pool/x.deb") != SUPPORT_UNKNOWN)
            fail_msg("sources %zu are taken", i);
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        if (until(usual, tables[i], MAIN "pool/x.deb") != SUPPORT_UNKNOWN)
            fail_msg("table %zu is taken", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_package_of_one_release_ends_with_it),
        cmocka_unit_test(what_is_not_said_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
