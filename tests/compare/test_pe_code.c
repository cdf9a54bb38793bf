/* Code of programs of Windows, built by clang and lld: functions by the table of exceptions, what
 * differs in one of them by its instructions, and what only moved by what it leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_tool.h"
#include "base/io.h"
#include "compare/look_priv.h"

static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh(
            "cat >p.c <<'E'\n"
            "#define X __attribute__((dllexport, noinline))\n"
            "static int table[16] = {1, 2, 3};\n"
            "X int low(int x) { return table[x & 15]; }\n"
            "X int bump(void) { return table[1]++; }\n"
            "X int first(int x) { return low(x) * 5 + low(x + 1); }\n"
            "X int year(int x) { return low(x) == 7 ? YEAR : low(x + 2); }\n"
            "X int last(int x) { return first(x) + year(x) * MORE; }\n"
            "int start(void) { return last(3) + first(5); }\n"
            "E\n"
            "pe() { o=$1; shift; clang --target=x86_64-pc-windows-msvc -O1 -c \"$@\" p.c -o p.obj\n"
            "lld-link /entry:start /subsystem:console /nodefaultlib /timestamp:1 p.obj /out:o.exe; "
            "mv o.exe $o; }\n"
            "pe a -DYEAR=2022 -DMORE=3; pe year -DYEAR=2024 -DMORE=3\n"
            "pe more -DYEAR=2022 '-DMORE=3+low(x)*77+low(x^9)'\n"
            "sed -i 's/low(x) [*] 5/low(x) * low(x + 5) * 5/' p.c; pe first -DYEAR=2022 "
            "-DMORE=3\n");
    return rc;
}

static struct buf file(const char *name)
{
    char path[128];
    struct buf b;

    (void)snprintf(path, sizeof(path), "%s/%s", archive_dir(), name);
    buf_init(&b, 1u << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &b), 0);
    return b;
}

static unsigned told(const char *a, const char *b, enum compare_class class, const char *text)
{
    struct compare_report *r = archive_compare(a, b, NULL);
    unsigned n = 0;

    for (size_t i = 0; i < r->root->findings; i++)
        n += r->root->finding[i].class == class && strstr(r->root->finding[i].what, text) != NULL;
    compare_report_free(r);
    return n;
}

static void a_number_in_a_function_is_told_with_its_instruction(void **state)
{
    const struct compare_options o = {.years = {2022, 2024}};

    (void)state;
    archive_expect("a", "year", COMPARE_UNEXPLAINED, "year+0x", "0x7e6", "0x7e8", NULL);
    archive_expect_with(&o, "a", "year", COMPARE_EXPLAINED, "build year: year+0x", NULL);
    assert_int_equal(told("a", "year", COMPARE_UNEXPLAINED, ""), 1);
}

static void functions_that_moved_are_no_difference_of_code(void **state)
{
    (void)state;
    archive_expect("a", "first", COMPARE_UNEXPLAINED, "first+0x", NULL);
    assert_true(told("a", "first", COMPARE_UNEXPLAINED, "first+0x") > 0);
    assert_int_equal(told("a", "first", COMPARE_UNEXPLAINED, "year+0x"), 0);
    assert_int_equal(told("a", "first", COMPARE_UNEXPLAINED, "last+0x"), 0);
    assert_int_equal(told("a", "first", COMPARE_DERIVED, "code: addresses that lead to the same"),
                     1);
    assert_int_equal(told("a", "more", COMPARE_UNEXPLAINED, "first+0x"), 0);
    assert_true(told("a", "more", COMPARE_UNEXPLAINED, "last+0x") > 0);
}

/* Where another section has its bytes too, what the code leads to excuses nothing. */
static void code_that_is_something_else_too_excuses_nothing(void **state)
{
    (void)state;
    archive_sh("cat >over.py <<'E'\nimport struct\n"
               "for n in ('a', 'first'):\n"
               "    b = bytearray(open(n, 'rb').read()); pe = struct.unpack_from('<I', b, 60)[0]\n"
               "    t = pe + 264; other = b.index(b'.data', t)\n"
               "    b[other + 16:other + 24] = b[t + 16:t + 24]\n" /* where it lies in the file */
               "    open(n + 'over', 'wb').write(b)\nE\npython3 -B over.py");
    assert_int_equal(told("aover", "firstover", COMPARE_DERIVED, "code: "), 0);
    assert_int_equal(told("aover", "firstover", COMPARE_UNEXPLAINED, "code: addresses that lead"),
                     1);
}

/* Each byte of the code and of the table of exceptions, alone. */
static void each_byte_counts(void **state)
{
    struct buf a = file("a"), b = file("a");
    const size_t pe = (size_t)a.data[0x3c] | (size_t)a.data[0x3d] << 8;
    unsigned sections = a.data[pe + 6], looked = 0;

    (void)state;
    for (unsigned k = 0; k < sections; k++) {
        const uint8_t *h = a.data + pe + 24 + 240 + 40 * (size_t)k;
        const size_t n = (size_t)h[8] | (size_t)h[9] << 8, at = (size_t)h[20] | (size_t)h[21] << 8;

        if (memcmp(h, ".text", 5) != 0 && memcmp(h, ".pdata", 6) != 0)
            continue;
        for (size_t i = at; i < at + n; i++) {
            struct compare_node *node = NULL;
            struct look_budget budget;

            look_budget_init(&budget, NULL);
            b.data[i] ^= 0x21;
            assert_int_equal(look_compare(&budget, buf_span(&a), buf_span(&b), "a", "b", &node), 0);
            if (node->class != COMPARE_UNEXPLAINED)
                fail_msg("byte 0x%zx: %s", i, compare_class_word(node->class));
            assert_int_equal(budget.memory, LOOK_MEMORY);
            look_node_free(node);
            b.data[i] ^= 0x21;
            looked++;
        }
    }
    assert_in_range(looked, 150, 2000);
    buf_free(&a);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_in_a_function_is_told_with_its_instruction),
        cmocka_unit_test(functions_that_moved_are_no_difference_of_code),
        cmocka_unit_test(code_that_is_something_else_too_excuses_nothing),
        cmocka_unit_test(each_byte_counts),
    };

    return cmocka_run_group_tests(tests, setup, archive_teardown);
}
