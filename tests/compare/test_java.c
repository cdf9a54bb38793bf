/* Java class files: made by the arithmetic of JVMS chapter 4 (java_tool.py), and those of a library
 * that javac wrote.  Constants may have other numbers; nothing else may differ unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>

#include "archive_tool.h"
#include "base/io.h"
#include "compare/look_priv.h"

static const char *tool; /* the folder of java_tool.py */

static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh("cp %s/java_tool.py .", tool);
    return rc;
}

static void py(const char *script)
{
    archive_sh("cat >run.py <<'E'\nfrom java_tool import *\n%s\nE\npython3 -B run.py", script);
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

static void other_numbers_of_constants_are_the_same_content(void **state)
{
    (void)state;
    py("put('a', make())\nfor i in range(3): put('b%d' % i, make(order=i))\n"
       "put('c', make(order=1, unknown='Odd')); put('d', make(unknown='Odd'))\n"
       "put('e', make(order=1, unknown='LineNumberTable'))\n" /* not where it belongs */
       "put('f', make(unknown='LineNumberTable'))");
    archive_expect("a", "b0", COMPARE_SAME_CONTENT, "constants have other numbers", NULL);
    archive_expect("b2", "b1", COMPARE_SAME_CONTENT, "constants have other numbers", NULL);
    archive_expect("c", "d", COMPARE_UNEXPLAINED, "class, Odd: it is not known", NULL);
    archive_expect("e", "f", COMPARE_UNEXPLAINED, "class, LineNumberTable: it is not known", NULL);
}

static void classes_that_javac_wrote_are_the_same_with_other_numbers(void **state)
{
    (void)state;
    py("import os\nfor d in ('la', 'lb'): os.mkdir(d)\n"
       "for n, b in library().items(): put('la/' + n, b); put('lb/' + n, shuffled(b, 5))");
    archive_expect("la", "lb", COMPARE_SAME_CONTENT,
                   "HelpFormatter.class (Java class): same-content", NULL);
}

static void what_differs_is_told_by_its_name(void **state)
{
    (void)state;
    py("put('a', make()); put('text', make(order=2, text='hallo')); put('line', make(line=8))\n"
       "put('sum', make(order=2, sum=4)); put('flags', make(flags=0x20))\n"
       "put('order', make(order_of_methods=1)); put('more', make(more=4))\n"
       "put('kind', make(kind=7)); put('frame', make(frame=1)); put('int', make(constant=42))\n"
       "put('path', make(path='/build/other/C.java')); put('tail', make(order=2) + b'x')");
    archive_expect("a", "text", COMPARE_UNEXPLAINED, "\"hello\", is only in A",
                   "method main(I)V, code, at 3: ldc \"hello\" | ldc \"hallo\"", NULL);
    archive_expect("a", "sum", COMPARE_UNEXPLAINED,
                   "method main(I)V, code, at 11: bipush 3 | bipush 4", NULL);
    archive_expect("a", "line", COMPARE_UNEXPLAINED,
                   "method main(I)V, LineNumberTable, part 1: 0 7 | 0 8; 1 more differ", NULL);
    archive_expect("a", "flags", COMPARE_UNEXPLAINED, "flags of the class: 33 and 32", NULL);
    archive_expect("a", "order", COMPARE_UNEXPLAINED, "the methods come in another order", NULL);
    archive_expect("a", "more", COMPARE_UNEXPLAINED, "code, at 42: nothing | nop; 0 and 4 differ",
                   NULL);
    archive_expect("a", "kind", COMPARE_UNEXPLAINED, "handle of constant", NULL);
    archive_expect("a", "frame", COMPARE_UNEXPLAINED, "method main(I)V, StackMapTable, part 7",
                   NULL);
    archive_expect("a", "int", COMPARE_UNEXPLAINED, ": 41 became 42", NULL);
    archive_expect("a", "path", COMPARE_UNEXPLAINED, "\"/build/one/C.java\" became ", NULL);
    archive_expect("a", "tail", COMPARE_UNEXPLAINED, "no part of the format accounts for", NULL);
}

static void what_is_known_of_the_builds_explains(void **state)
{
    const struct compare_options o = {.years = {2022, 2024},
                                      .paths = {"/build/one", "/build/other"}};

    (void)state;
    py("put('a', make()); put('year', make(order=3, year=2024)); put('late', make(year=2025))\n"
       "put('int', make(constant=2022)); put('int2', make(order=4, constant=2024))\n"
       "put('path', make(order=5, path='/build/other/C.java'))\n"
       "put('text', make(text='of 2022')); put('text2', make(text='of 2024', order=1))");
    archive_expect_with(&o, "a", "year", COMPARE_EXPLAINED,
                        "build year: method main(I)V, code, at 8: sipush 2022 | sipush 2024", NULL);
    archive_expect_with(&o, "a", "late", COMPARE_UNEXPLAINED, "sipush 2022 | sipush 2025", NULL);
    archive_expect_with(&o, "int", "int2", COMPARE_EXPLAINED, "build year: 2022 became 2024", NULL);
    archive_expect_with(&o, "a", "path", COMPARE_EXPLAINED, "build path: \"/build/one/C.java\"",
                        NULL);
    archive_expect_with(&o, "text", "text2", COMPARE_EXPLAINED, "build year: \"of 2022\" became",
                        NULL);
    archive_expect("a", "year", COMPARE_UNEXPLAINED, "sipush 2022 | sipush 2024", NULL);
}

/* Each byte of B is changed alone: then the class is unexplained, whatever it was. */
static void flip(const char *name_a, const char *name_b)
{
    struct buf a = file(name_a), b = file(name_b);

    for (size_t i = 0; i < b.len; i++) {
        struct compare_node *n = NULL;
        struct look_budget budget;

        look_budget_init(&budget, NULL);
        b.data[i] ^= (uint8_t)(i % 3 == 0 ? 1 : i % 3 == 1 ? 2 : 0x80);
        assert_int_equal(look_compare(&budget, buf_span(&a), buf_span(&b), "a", "b", &n), 0);
        if (n->class != COMPARE_UNEXPLAINED || n->findings == 0)
            fail_msg("%s: byte %zu: %s", name_b, i, compare_class_word(n->class));
        for (int side = 0; side < 2; side++) {
            uint64_t sum = 0;

            for (int c = 0; c < COMPARE_CLASSES; c++)
                sum += n->bytes[side][c];
            assert_int_equal(sum, n->size[side]);
        }
        assert_int_equal(budget.memory, LOOK_MEMORY);
        look_node_free(n);
        b.data[i] ^= (uint8_t)(i % 3 == 0 ? 1 : i % 3 == 1 ? 2 : 0x80);
    }
    buf_free(&a);
    buf_free(&b);
}

static void no_byte_can_be_changed_unseen(void **state)
{
    (void)state;
    py("put('a', make()); put('b', make(order=9)); x = library()['OptionGroup.class']\n"
       "put('c', x); put('d', shuffled(x, 3))");
    flip("a", "a");
    flip("a", "b");
    flip("c", "d");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_numbers_of_constants_are_the_same_content),
        cmocka_unit_test(classes_that_javac_wrote_are_the_same_with_other_numbers),
        cmocka_unit_test(what_differs_is_told_by_its_name),
        cmocka_unit_test(what_is_known_of_the_builds_explains),
        cmocka_unit_test(no_byte_can_be_changed_unseen),
    };

    if (argc != 2)
        return 2;
    tool = argv[1];
    return cmocka_run_group_tests(tests, setup, archive_teardown);
}
