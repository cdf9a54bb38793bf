/* Line tables of programs that gcc wrote, of DWARF 2 to 5: a unit that differs is told once, and
 * each of its rows was counted by readelf. */
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
#include "compare/elf_priv.h"

/* link DWARF OUT: x.c and y.c.  rows FILE NAME: how many readelf shows. */
static int setup(void **state)
{
    int rc = archive_setup(state);

    if (rc == 0)
        archive_sh("cat >x.c <<'E'\nint g(int);\nint f(int x)\n{\n    return g(x) + x;\n}\nE\n"
                   "cat >y.c <<'E'\nint table[8];\nint g(int x)\n{\n    int s = 0;\n"
                   "    for (int i = 0; i < x; i++)\n        s += table[i & 7] * i;\n"
                   "    return s;\n}\nE\n"
                   "cat >lib.sh <<'E'\n"
                   "link() { v=$1; o=$2; shift 2; gcc -O1 -gdwarf-$v -gstrict-dwarf -nostdlib "
                   "-static -fno-pie -no-pie -Wl,-e,f -Wl,--build-id=none \"$@\" x.c y.c -o $o; }\n"
                   "rows() { readelf --debug-dump=decodedline $1 | grep -c \"^$2 .*0x\"; }\n"
                   "E\n"
                   ". ./lib.sh; for v in 2 3 4 5; do link $v a$v; done\n"
                   "cp y.c y0; sed -i '1s/^/\\n/' y.c; for v in 2 3 4 5; do link $v line$v; done\n"
                   "cp y0 y.c; sed -i 's/+ x;/+ x * 77 + (x ^ 5);/' x.c\n"
                   "for v in 2 3 4 5; do link $v code$v; done\n"
                   "for v in 2 3 4 5; do rows a$v y.c >rows$v; done\n");
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

/* The class of the one finding that has the text; -1: there is none. */
static int told(const char *a, const char *b, const struct compare_options *o, const char *text)
{
    struct compare_report *r = archive_compare(a, b, o);
    int class = -1;

    for (size_t i = 0; i < r->root->findings; i++)
        if (strstr(r->root->finding[i].what, text) != NULL) {
            if (class >= 0)
                fail_msg("twice: %s", text);
            class = (int)r->root->finding[i].class;
        }
    compare_report_free(r);
    return class;
}

static void one_more_line_is_one_finding_of_its_unit(void **state)
{
    char a[8], b[8], text[160], name[8];

    (void)state;
    for (int v = 2; v <= 5; v++) {
        struct buf rows;
        int n;

        (void)snprintf(name, sizeof(name), "rows%d", v);
        rows = file(name);
        n = (int)strtol(buf_str(&rows), NULL, 10);
        buf_free(&rows);
        assert_in_range(n, 5, 40);
        (void)snprintf(a, sizeof(a), "a%d", v);
        (void)snprintf(b, sizeof(b), "line%d", v);
        (void)snprintf(
            text, sizeof(text),
            "lines of y.c: from line 3 of y.c on (0x0), line 4 in B (0x0); %d rows differ, "
            "of %d and %d",
            n, n, n);
        if (told(a, b, NULL, text) != COMPARE_UNEXPLAINED)
            archive_expect(a, b, COMPARE_UNEXPLAINED, text, NULL);
        assert_int_equal(told(a, b, NULL, "lines of x.c"), -1);
    }
}

static void code_that_moved_has_the_same_lines(void **state)
{
    char a[8], b[8];

    (void)state;
    for (int v = 2; v <= 5; v++) {
        (void)snprintf(a, sizeof(a), "a%d", v);
        (void)snprintf(b, sizeof(b), "code%d", v);
        if (told(a, b, NULL, "lines of y.c: addresses, offsets and lengths that lead") !=
            COMPARE_DERIVED)
            archive_expect(a, b, COMPARE_UNEXPLAINED, "lines of y.c: addresses", NULL);
        assert_int_equal(told(a, b, NULL, "lines of x.c: from line "), COMPARE_UNEXPLAINED);
    }
}

static void paths_in_the_tables_are_explained_by_what_is_known(void **state)
{
    char one[128], other[128];
    const struct compare_options o = {.paths = {one, other}};

    (void)state;
    (void)snprintf(one, sizeof(one), "%s/one", archive_dir());
    (void)snprintf(other, sizeof(other), "%s/other", archive_dir());
    archive_sh(
        "for d in one other; do mkdir -p $d/inc; echo 'static inline int h(int x) { return x; "
        "}' >$d/inc/h.h; printf '#include \"h.h\"\nint f(int x) { return h(x); }\n' >$d/y.c\n"
        "gcc -O0 -gdwarf-4 -I$PWD/$d/inc -nostdlib -static -fno-pie -no-pie -Wl,-e,f "
        "-Wl,--build-id=none $PWD/$d/y.c -o p$d; done\n");
    assert_int_equal(told("pone", "pother", &o, "/inc\" became "), COMPARE_EXPLAINED);
    assert_int_equal(told("pone", "pother", NULL, "lines of y.c: its folders and files: "),
                     COMPARE_UNEXPLAINED);
}

static void each_byte_of_the_tables_counts(void **state)
{
    struct buf a, b;
    struct elf_file f;
    const char *why;
    char name[8];

    (void)state;
    for (int v = 4; v <= 5; v++) {
        const struct elf_section *s;

        (void)snprintf(name, sizeof(name), "a%d", v);
        a = file(name);
        b = file(name);
        assert_int_equal(elf_read(&f, buf_span(&a), &why), 0);
        s = elf_named(&f, ".debug_line");
        assert_non_null(s);
        for (uint64_t i = s->off; i < s->off + s->size; i++) {
            struct compare_node *n = NULL;
            struct look_budget budget;

            look_budget_init(&budget, NULL);
            b.data[i] ^= (uint8_t)(i % 2 == 0 ? 1 : 0x41);
            assert_int_equal(look_compare(&budget, buf_span(&a), buf_span(&b), "a", "b", &n), 0);
            if (n->class != COMPARE_UNEXPLAINED || n->findings == 0)
                fail_msg("%s: byte %llu: %s", name, (unsigned long long)(i - s->off),
                         compare_class_word(n->class));
            assert_int_equal(budget.memory, LOOK_MEMORY);
            look_node_free(n);
            b.data[i] = a.data[i];
        }
        elf_done(&f);
        buf_free(&a);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_more_line_is_one_finding_of_its_unit),
        cmocka_unit_test(code_that_moved_has_the_same_lines),
        cmocka_unit_test(paths_in_the_tables_are_explained_by_what_is_known),
        cmocka_unit_test(each_byte_of_the_tables_counts),
    };

    return cmocka_run_group_tests(tests, setup, archive_teardown);
}
