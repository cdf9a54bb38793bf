/* Every byte of a program, edited alone: unexplained, but for the few that may differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/elf_priv.h"

static char dir[64];

static const char make[] =
    "set -e; cat > p.c <<'E'\n"
    "int t[4] = {1, 2};\n"
    "static const char *const n[] = {\"one\", \"/build/one\"};\n"
    "__attribute__((noinline, used)) int f(int x) {\n"
    "    switch (x) { case 0: return 5; case 1: return t[x]; case 2: return 9;\n"
    "    case 3: return 77; case 4: return n[x & 1][0]; }\n"
    "    return 2022; }\n"
    "int _start(int x) { return f(x) + (int)n[x][1]; }\n"
    "E\n"
    "CC=gcc; F='-O2 -nostdlib -Wl,-z,noseparate-code,-z,norelro,--build-id=sha1'\n"
    "$CC -fPIE -pie $F p.c -o pie; $CC -fPIE -pie -s $F p.c -o stripped\n"
    "$CC -no-pie -fno-pie $F p.c -o fixed; $CC -O2 -c p.c -o object; clang -O2 -c p.c -o clang; "
    "echo d > d.debug\n"
    "objcopy --add-gnu-debuglink=d.debug stripped linked";

static int setup(void **state)
{
    pid_t pid;
    int status = -1;

    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/compare-elf-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    if ((pid = fork()) == 0) {
        if (chdir(dir) == 0)
            (void)execl("/bin/sh", "sh", "-c", make, (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

static int teardown(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

static bool within(const struct elf_file *f, const char *name, uint64_t skip, uint64_t at)
{
    const struct elf_section *s = elf_named(f, name);

    return s != NULL && elf_content(s) && at >= s->off + skip && at < s->off + s->size;
}

/* What may differ: the build-id, the CRC of the debug file, the compiler's ident ("GCC: (" is what
 * makes one of GCC's; clang's may begin with whoever packed it). */
static bool may(const struct elf_file *f, const char *name, uint64_t at)
{
    uint64_t mark = strcmp(name, "clang") == 0 ? 0 : 6;

    return within(f, ".note.gnu.build-id", 16, at) || within(f, ".gnu_debuglink", 8, at) ||
           within(f, ".comment", mark, at);
}

static enum compare_class class_of(struct span a, struct span b)
{
    struct compare_node *n = NULL;
    struct look_budget budget;
    enum compare_class class;

    look_budget_init(&budget, NULL);
    assert_int_equal(look_compare(&budget, a, b, "a", "b", &n), 0);
    class = n->class;
    look_node_free(n);
    return class;
}

static void each_byte(const char *name)
{
    const char *why = "";
    struct elf_file f;
    char path[128];
    struct buf a;
    uint8_t *b;
    unsigned bad = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    buf_init(&a, 1u << 20);
    assert_int_equal(io_read_file(AT_FDCWD, path, &a), 0);
    assert_int_equal(elf_read(&f, buf_span(&a), &why), 0);
    assert_non_null(b = malloc(a.len));
    memcpy(b, a.data, a.len);
    for (size_t i = 0; i < a.len; i++) {
        static const uint8_t edits[] = {0x01, 0x10, 0x80};

        for (size_t k = 0; k < ARRAY_LEN(edits); k++) {
            enum compare_class c;

            b[i] ^= edits[k];
            c = class_of(buf_span(&a), span_of(b, a.len));
            if (c == COMPARE_IDENTICAL || (c != COMPARE_UNEXPLAINED && !may(&f, name, i))) {
                print_message("%s: byte 0x%zx ^ %02x: %s\n", name, i, edits[k],
                              compare_class_word(c));
                bad++;
            }
            b[i] ^= edits[k];
        }
    }
    assert_int_equal(bad, 0);
    free(b);
    elf_done(&f);
    buf_free(&a);
}

static void each_byte_of_a_program(void **state)
{
    (void)state;
    each_byte("pie");
}

static void each_byte_of_a_program_without_symbols(void **state)
{
    (void)state;
    each_byte("stripped");
    each_byte("linked");
}

static void each_byte_of_a_program_at_a_fixed_place(void **state)
{
    (void)state;
    each_byte("fixed");
}

static void each_byte_of_an_object(void **state)
{
    (void)state;
    each_byte("object");
}

static void each_byte_of_an_object_of_clang(void **state)
{
    (void)state;
    each_byte("clang");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_of_a_program),
        cmocka_unit_test(each_byte_of_a_program_without_symbols),
        cmocka_unit_test(each_byte_of_a_program_at_a_fixed_place),
        cmocka_unit_test(each_byte_of_an_object),
        cmocka_unit_test(each_byte_of_an_object_of_clang),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
