/* Programs made by the machine's own tools: what is the same is told as that, and what was tampered
 * with is found beside a build-id that differs as it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "compare/compare.h"

static char dir[64];

#define PRELUDE                                                                                    \
    "set -e; CC=gcc; "                                                                             \
    "off() { readelf -SW $1 | sed 's/\\[ */[/' | awk -v n=$2 '$2 == n { print \"0x\" $5 }'; }; "   \
    "size() { readelf -SW $1 | sed 's/\\[ */[/' | awk -v n=$2 '$2 == n { print \"0x\" $6 }'; }; "  \
    "sym() { nm $1 | awk -v n=$2 '$3 == n { print \"0x\" $1 }'; }; "                               \
    "poke() { printf \"$3\" | dd of=$1 bs=1 seek=$(($2)) conv=notrunc status=none; }; "            \
    "byte() { od -An -tu1 -j$(($2)) -N1 $1 | tr -d ' '; }; "

static int sh_rc(const char *command)
{
    pid_t pid = fork();
    int status = -1;
    struct buf b;

    buf_init(&b, 1 << 16);
    assert_int_equal(buf_printf(&b, "%s%s", PRELUDE, command), 0);
    if (pid == 0) {
        if (chdir(dir) == 0)
            (void)execl("/bin/sh", "sh", "-c", buf_str(&b), (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    buf_free(&b);
    return status;
}

static void sh(const char *command)
{
    if (sh_rc(command) != 0)
        fail_msg("%s", command);
}

static const char source[] =
    "cat > p.c <<'E'\n"
    "#include <stdio.h>\n"
    "#include <string.h>\n"
    "#ifndef YEAR\n#define YEAR 2022\n#endif\n"
    "#ifndef WHERE\n#define WHERE \"/build/one\"\n#endif\n"
    "int table[64] = {1, 2, 3};\n"
    "static const char *const names[] = {\"zero\", WHERE \"/p.c\", \"two\"};\n"
    "__attribute__((noinline)) int helper(int x) { return x * 3 + table[x & 63]; }\n"
    "__attribute__((noinline)) int other(int x) { return puts(names[x % 3]); }\n"
    "__attribute__((noinline)) int check(const char *s) {\n"
    "#ifdef CHANGED\n    puts(\"two\");\n#endif\n"
    "    if (strcmp(s, \"secret\") == 0) return helper(7); return other(1); }\n"
    "int main(int argc, char **argv) {\n"
    "    printf(\"Copyright %d %s\\n\", YEAR, names[argc % 3]);\n"
    "    for (int i = 0; i < argc; i++) helper(i), other(i);\n"
    "    return check(argv[0]); }\n"
    "E\n"
    "$CC -O2 -fPIE -pie p.c -o a -Wl,--build-id=0x1111111111111111111111111111111111111111\n"
    "$CC -O2 -fPIE -pie p.c -o b -Wl,--build-id=0x2222222222222222222222222222222222222222\n"
    "cp a a0; cp b b0\n";

static int setup_once(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/compare-elf-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    return sh_rc(source);
}

static int teardown_once(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

static int fresh(void **state)
{
    (void)state;
    return sh_rc("cp a0 a; cp b0 b");
}

static void expect_with(const struct compare_options *o, enum compare_class class, const char *text)
{
    char path[2][128];
    struct compare_report *r = NULL;
    struct err e = ERR_INIT;
    struct buf out;

    for (int side = 0; side < 2; side++)
        (void)snprintf(path[side], sizeof(path[side]), "%s/%c", dir, "ab"[side]);
    if (compare_run(&r, path[0], path[1], o, &e) != 0)
        fail_msg("%s", err_text(&e));
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += r->root->bytes[side][c];
        assert_int_equal(sum, r->root->size[side]);
    }
    buf_init(&out, 1 << 20);
    assert_int_equal(compare_text(r, false, &out), 0);
    if (r->root->class != class || strstr(buf_str(&out), text) == NULL)
        fail_msg("not %s, or no \"%s\" in:\n%s", compare_class_word(class), text, buf_str(&out));
    buf_free(&out);
    compare_report_free(r);
}

static void expect(enum compare_class class, const char *text)
{
    expect_with(NULL, class, text);
}

/* --- what may be --- */

static void only_the_build_id_is_derived(void **state)
{
    (void)state;
    expect(COMPARE_DERIVED, "build-id 1111111111111111111111111111111111111111 | 2222");
}

static void a_year_is_one_number_and_explained_by_what_is_known(void **state)
{
    const struct compare_options known = {.years = {2022, 2024}}, wrong = {.years = {2021, 2024}};

    (void)state;
    sh("$CC -O2 -fPIE -pie -DYEAR=2024 p.c -o b -Wl,--build-id=sha1");
    expect(COMPARE_UNEXPLAINED, "0x7e8 (the years of the builds? --years)");
    expect_with(&wrong, COMPARE_UNEXPLAINED, "0x7e8");
    expect_with(&known, COMPARE_EXPLAINED, "build year: main+");
    expect_with(&known, COMPARE_EXPLAINED, "4/4 bytes explained");
}

static void a_path_is_explained_also_where_it_moves_everything(void **state)
{
    const struct compare_options known = {.paths = {"/build/one", "/build/another/one"}};
    const struct compare_options wrong = {.paths = {"/build/one", "/build/another/two"}};

    (void)state;
    sh("$CC -O2 -fPIE -pie -DWHERE='\"/build/another/one\"' p.c -o b -Wl,--build-id=sha1");
    expect(COMPARE_UNEXPLAINED, ".rodata");
    expect_with(&wrong, COMPARE_UNEXPLAINED, ".rodata");
    expect_with(&known, COMPARE_EXPLAINED, ".rodata: build path");
}

static void a_path_moves_tables_of_jumps_too(void **state)
{
    const struct compare_options known = {.paths = {"/build/one", "/build/another/one"}};

    (void)state;
    sh("cat > j.c <<'E'\n#include <stdio.h>\n#ifndef WHERE\n#define WHERE \"/build/one\"\n#endif\n"
       "int t[9];\nint f(int x) { switch (x) { case 0: return puts(\"a\"); case 1: return t[3]; "
       "case 2: puts(WHERE \"/j.c\"); return 5; case 3: return puts(\"cc\"); case 4: t[1] = 2; "
       "return 9; case 5: return puts(\"dddd\") + t[2]; case 6: return 1; } return 0; }\n"
       "int main(int c, char **v) { return f(c); }\nE\n"
       "$CC -O2 -fPIE -pie j.c -o a; $CC -O2 -fPIE -pie -DWHERE='\"/build/another/one\"' j.c -o b");
    expect_with(&known, COMPARE_EXPLAINED, ".rodata: build path");
    /* one word of the table leads to another case */
    sh("poke b $(off b .rodata)+$(size b .rodata)-4 '\\0'");
    expect_with(&known, COMPARE_UNEXPLAINED, ".rodata");
}

static void an_inserted_text_is_one_difference(void **state)
{
    (void)state;
    sh("printf '.section .rodata.t,\"a\"\\n.asciz \"first one\", \"second\", \"third\", "
       "\"fourth\"\\n"
       "' > t.s; $CC -c t.s -o a; sed 's/\"third\"/\"extra text\", \"third\"/' t.s > u.s; "
       "$CC -c u.s -o b");
    expect(COMPARE_UNEXPLAINED, "(0 bytes at 0x51, 11 at 0x51)");
}

static void programs_of_arm64_are_followed_too(void **state)
{
    const struct compare_options known = {.years = {2022, 2024}};

    (void)state;
    sh("cat > m.c <<'E'\n"
       "#ifndef YEAR\n#define YEAR 2022\n#endif\n#ifndef TEXT\n#define TEXT \"a text\"\n#endif\n"
       "int t[9];\n"
       "__attribute__((noinline)) int at(const char *s) { return s[t[1]]; }\n"
       "__attribute__((noinline)) int f(int x) { t[2] = x; return at(TEXT) + t[5]; }\n"
       "int _start(int x) { return f(x) + at(\"end\") + YEAR; }\nE\n"
       "A='clang --target=aarch64-linux-gnu -O1 -fPIE -pie -nostdlib -fuse-ld=lld'\n"
       "$A m.c -o a -Wl,--build-id=sha1; $A -DYEAR=2024 m.c -o b -Wl,--build-id=sha1\n"
       "$A -DTEXT='\"a longer text\"' m.c -o b1; sed 's/t.5./t[6]/' m.c > n.c; $A n.c -o b2");
    expect(COMPARE_UNEXPLAINED, "#0x7e8 (the years of the builds? --years)");
    expect_with(&known, COMPARE_EXPLAINED, "build year: _start+0x");
    sh("cp b2 b");
    expect(COMPARE_UNEXPLAINED, "f+0x");
    sh("cp b1 b");
    expect(COMPARE_UNEXPLAINED, ".rodata");
}

static void an_ident_is_explained_with_both_told(void **state)
{
    (void)state;
    sh("printf 'GCC: (Other 1.2.3-4) 1.2.3\\0' > c; objcopy --update-section .comment=c b");
    expect(COMPARE_EXPLAINED, "| GCC: (Other 1.2.3-4) 1.2.3");
    sh("cp b0 b; printf 'no compiler\\0' > c; objcopy --update-section .comment=c b");
    expect(COMPARE_UNEXPLAINED, ".comment: ");
}

static void a_link_to_a_debug_file_follows_from_the_build_id(void **state)
{
    (void)state;
    sh("a=11111111111111111111111111111111111111.debug "
       "b=22222222222222222222222222222222222222.debug"
       "; echo one > $a; echo two > $b; strip a b; objcopy --add-gnu-debuglink=$a a; "
       "objcopy --add-gnu-debuglink=$b b");
    expect(COMPARE_DERIVED, "from the build-id");
    sh("cp b0 b; strip b; echo three > 33333333333333333333333333333333333333.debug\n"
       "objcopy --add-gnu-debuglink=33333333333333333333333333333333333333.debug b");
    expect(COMPARE_UNEXPLAINED, "name of the debug file");
}

static void compressed_debug_sections_are_the_same_content(void **state)
{
    (void)state;
    sh("$CC -O2 -g -fPIE -pie p.c -o a -Wl,--build-id=none; cp a b; objcopy "
       "--compress-debug-sections=zlib b");
    expect(COMPARE_DERIVED, "packed otherwise"); /* their headers say so */
}

/* --- what is found beside a build-id --- */

static void a_changed_line_is_found_in_its_function(void **state)
{
    (void)state;
    sh("$CC -O2 -fPIE -pie -DCHANGED p.c -o b -Wl,--build-id=sha1");
    expect(COMPARE_UNEXPLAINED, "check+0x");
}

static void a_flipped_branch_is_found(void **state)
{
    (void)state;
    /* the condition of the first conditional jump of check */
    sh("a=$(objdump -d --disassemble=check b | awk '/\\tj[en]e? / { sub(\":\", \"\", $1); print "
       "\"0x\" $1; exit }'); o=$(byte b $a); [ $o = 117 ] && n='\\164' || n='\\165'; "
       "if [ $o = 15 ]; then a=$((a + 1)); [ $(byte b $a) = 133 ] && n='\\204' || n='\\205'; fi; "
       "poke b $a $n");
    expect(COMPARE_UNEXPLAINED, "check+0x");
}

static void a_flipped_branch_is_found_without_symbols(void **state)
{
    (void)state;
    sh("a=$(sym b check); strip a b; poke b $a+1 '\\377'");
    expect(COMPARE_UNEXPLAINED, "function 0x");
}

static void a_call_of_another_function_is_found(void **state)
{
    (void)state;
    /* the same instruction, but it leads to check instead of helper, and everything else is moved
     */
    sh("sed 's/return helper(7)/return other(7)/' p.c > q.c; $CC -O2 -fPIE -pie q.c -o b");
    expect(COMPARE_UNEXPLAINED, "check+0x");
}

static void a_byte_in_the_padding_of_functions_is_found(void **state)
{
    (void)state;
    /* the last byte of the nops behind helper */
    sh("a=$(sym b other); poke b $a-1 '\\101'");
    expect(COMPARE_UNEXPLAINED, "behind helper");
}

static void nops_that_carry_something_are_no_padding(void **state)
{
    (void)state;
    sh("[ $(uname -m) = x86_64 ] || exit 0\n"
       "n() { printf '.globl f, g\\n.type f, @function\\nf: ret\\n.size f, .-f\\n.byte %s\\n"
       ".type g, @function\\ng: ret\\n.size g, .-g\\n' \"$1\"; }\n"
       "n 0x0f,0x1f,0x40,0x00 > a.s; n 0x0f,0x1f,0x44,0x00,0x00 > b.s; $CC -c a.s -o a; $CC -c b.s "
       "-o b");
    expect(COMPARE_DERIVED, "code: addresses that lead to the same");
    sh("sed s/0x44,0x00,0x00/0x44,0x00,0x41/ b.s > c.s; $CC -c c.s -o b");
    expect(COMPARE_UNEXPLAINED, "behind f");
}

static void a_byte_in_the_padding_of_sections_is_found(void **state)
{
    (void)state;
    sh("poke b $(off b .eh_frame)+$(size b .eh_frame)+9 'A'");
    expect(COMPARE_UNEXPLAINED, "no part of the format accounts for");
}

static void bytes_behind_the_end_are_found(void **state)
{
    (void)state;
    sh("printf x >> b");
    expect(COMPARE_UNEXPLAINED, "no part of the format accounts for");
}

static void a_byte_of_data_is_found(void **state)
{
    (void)state;
    sh("poke b $(off b .data)+40 '\\1'");
    expect(COMPARE_UNEXPLAINED, ".data: its bytes differ");
}

static void another_section_is_found(void **state)
{
    (void)state;
    sh("echo hidden > h; objcopy --add-section .hidden=h b");
    expect(COMPARE_UNEXPLAINED, "section .hidden is only in B");
}

static void a_stack_that_may_run_is_found(void **state)
{
    (void)state;
    sh("$CC -O2 -fPIE -pie p.c -o b -Wl,--build-id=sha1 -Wl,-z,execstack");
    expect(COMPARE_UNEXPLAINED, "p_flags is 0x6 and 0x7");
}

static void another_library_is_found(void **state)
{
    (void)state;
    sh("$CC -O2 -fPIE -pie p.c -o b -Wl,--no-as-needed -lm");
    expect(COMPARE_UNEXPLAINED, "dynamic entry only in B: tag 0x1 \"libm.so.6\"");
}

static void another_entry_is_found(void **state)
{
    (void)state;
    sh("poke b 24 \"$(printf '\\\\%03o\\\\%03o' $(($(sym b helper) & 255)) $(($(sym b helper) / "
       "256)))\"");
    expect(COMPARE_UNEXPLAINED, "e_entry");
}

static void an_extra_note_is_found(void **state)
{
    (void)state;
    sh("n() { printf '.section .note.gnu.build-id,\"a\",%%note\\n.long 4,20,3\\n.asciz "
       "\"GNU\"\\n.fill 20,1,%s\\n' $1; }; n 1 > a.s; n 2 > b.s; $CC -c a.s -o a; $CC -c b.s -o b");
    expect(COMPARE_DERIVED, "build-id 0101");
    sh("printf '.long 4,4,9\\n.asciz \"XYZ\"\\n.long 5\\n' >> b.s; $CC -c b.s -o b");
    expect(COMPARE_UNEXPLAINED, "notes of .note.gnu.build-id that have no like");
}

static void functions_in_another_order_are_told_as_that(void **state)
{
    (void)state;
    sh("cat > s.c <<'E'\nint t[9];\n"
       "#ifdef SWAP\nint g(int x) { return x + 5; }\nint f(int x) { return t[x] * 3; }\n"
       "#else\nint f(int x) { return t[x] * 3; }\nint g(int x) { return x + 5; }\n#endif\n"
       "int main(int n, char **v) { return f(n) + g(n); }\nE\n"
       "O='-O1 -fno-inline -fno-toplevel-reorder -fPIE -pie'\n"
       "$CC $O s.c -o a; $CC $O -DSWAP s.c -o b");
    expect(COMPARE_METADATA, "the functions of .text are in another order");
}

static void what_runs_first_is_no_matter_of_order_alone(void **state)
{
    (void)state;
    sh("cat > i.c <<'E'\nint t;\n__attribute__((constructor)) void one(void) { t = 1; }\n"
       "__attribute__((constructor)) void two(void) { t = t * 5; }\n"
       "int main(void) { return t; }\nE\n$CC -O1 -fPIE -pie i.c -o a; cp a b; "
       "o=$(($(off b .init_array) + 8)); dd if=a of=w bs=1 skip=$o count=16 status=none; "
       "dd if=w of=b bs=1 seek=$((o + 8)) count=8 conv=notrunc status=none; "
       "dd if=w of=b bs=1 seek=$o skip=8 count=8 conv=notrunc status=none");
    expect(COMPARE_UNEXPLAINED, "pointer");
}

/* --- hostile --- */

static void tables_that_lie_end_in_a_clear_answer(void **state)
{
    (void)state;
    sh("poke b 40 '\\377\\377\\377\\377\\377\\377\\377\\177'"); /* e_shoff */
    expect(COMPARE_UNEXPLAINED, "table of sections lies outside of it");
    sh("cp b0 b; poke b 60 '\\377\\376'"); /* e_shnum */
    expect(COMPARE_UNEXPLAINED, "table of sections lies outside of it");
    sh("cp b0 b; poke b 18 '\\267\\000'"); /* e_machine */
    expect(COMPARE_UNEXPLAINED, "they are for different machines");
    sh("cp b0 b; o=$(($(readelf -h b | awk '/Start of section headers/ { print $5 }') + 64 * 3)); "
       "poke b $o+32 '\\377\\377\\377\\377\\377\\377\\377\\177'"); /* sh_size of the third */
    expect(COMPARE_UNEXPLAINED, "lies outside of the file");
}

static void a_benign_section_over_other_bytes_excuses_nothing(void **state)
{
    (void)state;
    /* .comment, which may differ, is laid over the code, which was changed */
    sh("i=$(readelf -SW b | sed 's/\\[ */[/' | awk '$2 == \".comment\" { gsub(/[][]/, \"\", $1); "
       "print $1 }'); h=$(readelf -h b | awk '/Start of section headers/ { print $5 }'); "
       "t=$(off b .text); poke b $((h + 64 * i + 24)) \"$(printf '\\\\%03o\\\\%03o' $((t & 255)) "
       "$((t / 256)))\"; poke b $t '\\303'");
    expect(COMPARE_UNEXPLAINED, ".comment");
}

#define T(f) cmocka_unit_test_setup(f, fresh)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(only_the_build_id_is_derived),
        T(a_year_is_one_number_and_explained_by_what_is_known),
        T(a_path_is_explained_also_where_it_moves_everything),
        T(a_path_moves_tables_of_jumps_too),
        T(an_inserted_text_is_one_difference),
        T(programs_of_arm64_are_followed_too),
        T(an_ident_is_explained_with_both_told),
        T(a_link_to_a_debug_file_follows_from_the_build_id),
        T(compressed_debug_sections_are_the_same_content),
        T(a_changed_line_is_found_in_its_function),
        T(a_flipped_branch_is_found),
        T(a_flipped_branch_is_found_without_symbols),
        T(a_call_of_another_function_is_found),
        T(a_byte_in_the_padding_of_functions_is_found),
        T(nops_that_carry_something_are_no_padding),
        T(a_byte_in_the_padding_of_sections_is_found),
        T(bytes_behind_the_end_are_found),
        T(a_byte_of_data_is_found),
        T(another_section_is_found),
        T(a_stack_that_may_run_is_found),
        T(another_library_is_found),
        T(another_entry_is_found),
        T(an_extra_note_is_found),
        T(functions_in_another_order_are_told_as_that),
        T(what_runs_first_is_no_matter_of_order_alone),
        T(tables_that_lie_end_in_a_clear_answer),
        T(a_benign_section_over_other_bytes_excuses_nothing),
    };

    return cmocka_run_group_tests(tests, setup_once, teardown_once);
}
