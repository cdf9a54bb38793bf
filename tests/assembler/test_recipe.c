/* Recipes and locks: what is read, and that every refusal says where and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "assembler/cell.h"
#include "assembler/lock.h"
#include "assembler/recipe.h"

#define D1 "00000000000000000000000000000000000000000000000000000000000000d1"
#define COMMIT "00000000000000000000000000000000000000c1"
#define TOP "format: recipe/v1\nname: greet\nversion: \"1:2.0-1\"\n"
#define SOURCES "sources:\n  - {tar: greet.tar.gz, sha256: \"" D1 "\"}\n"
#define TOOLS "toolchain:\n  packages: [gcc, \"make (>= 4.0)\"]\n"
#define STEPS "steps: [[make, \"-j${cores}\"], \"make install\"]\n"
#define OUTPUTS "outputs: [\"install/**\"]\n"

static struct recipe *read_all(const char *text)
{
    struct err e = ERR_INIT;
    struct recipe *r = NULL;

    if (recipe_parse(&r, "r", span_str(text), &e) != 0)
        fail_msg("%s", err_text(&e));
    return r;
}

static void refused(const char *text, const char *why)
{
    struct err e = ERR_INIT;
    struct recipe *r = NULL;

    assert_int_equal(recipe_parse(&r, "r", span_str(text), &e), -EINVAL);
    assert_null(r);
    assert_memory_equal(err_text(&e), "r:", 2);
    if (strstr(err_text(&e), why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err_text(&e), why);
}

static void a_small_recipe_has_defaults(void **state)
{
    struct recipe *r = read_all(TOP SOURCES TOOLS STEPS OUTPUTS);

    (void)state;
    assert_string_equal(r->name, "greet");
    assert_string_equal(r->version, "1:2.0-1");
    assert_string_equal(r->folder, "greet-1_2.0-1"); /* no colon: tools split paths at it */
    assert_string_equal(r->path, "/build");
    assert_int_equal(r->nsources, 1);
    assert_int_equal(r->sources[0].kind, SOURCE_TAR);
    assert_int_equal(r->sources[0].sha256.b[31], 0xd1);
    assert_int_equal(r->root, ROOT_INSTALLED);
    assert_int_equal(r->npackages, 2);
    assert_string_equal(r->packages[1], "make (>= 4.0)");
    assert_int_equal(r->nsteps, 2);
    assert_null(r->steps[0].shell);
    assert_string_equal(r->steps[0].argv[1], "-j${cores}");
    assert_null(r->steps[0].argv[2]);
    assert_string_equal(r->steps[1].shell, "make install");
    assert_int_equal(r->clock, -1);
    assert_int_equal(r->until, -1);
    assert_int_equal(r->cores, 2);
    assert_false(r->network_tolerated);
    for (int i = 0; i < VARIES; i++)
        assert_false(r->fixed[i]);
    assert_int_equal(r->limits.seconds, 7200);
    recipe_free(r);
}

static void everything_that_can_be_said_is_read(void **state)
{
    struct recipe *r = read_all(
        TOP "folder: src\npath: /build/there\ncores: 4\nclock: \"2024-01-01T00:00:00Z\"\n"
            "sources:\n  - {debian: a_1.dsc, sha256: \"" D1 "\"}\n  - {git: /srv/a b.git, commit: "
            "\"" COMMIT "\"}\n  - {tree: ../x, sha256: \"" D1 "\"}\n  - {file: p.patch, sha256: "
            "\"" D1 "\"}\n"
            "toolchain:\n  root: unpacked\n  suite: bookworm\n  packages: [gcc]\n" STEPS OUTPUTS
            "environment: {CFLAGS: \"-O2 -g\", A_1: \"\"}\nfixed: [path, user]\n"
            "network-tolerated: true\nsupport: {until: \"2030-01-01T00:00:00Z\"}\n"
            "limits: {time: 90s, processes: 64, disk: 1MiB, memory: 64MiB, log: 1MB}\n");

    (void)state;
    assert_string_equal(r->folder, "src");
    assert_string_equal(r->path, "/build/there");
    assert_int_equal(r->clock, 1704067200); /* date -u -d 2024-01-01 +%s */
    assert_int_equal(r->until, 1893456000); /* date -u -d 2030-01-01 +%s */
    assert_int_equal(r->cores, 4);
    assert_int_equal(r->sources[0].kind, SOURCE_DEBIAN);
    assert_int_equal(r->sources[1].kind, SOURCE_GIT);
    assert_string_equal(r->sources[1].commit, COMMIT);
    assert_int_equal(r->sources[2].kind, SOURCE_TREE);
    assert_int_equal(r->sources[3].kind, SOURCE_FILE);
    assert_int_equal(r->root, ROOT_UNPACKED);
    assert_string_equal(r->suite, "bookworm");
    assert_int_equal(r->nenv, 2);
    assert_string_equal(r->env[1], "-O2 -g");
    assert_string_equal(r->env[3], "");
    assert_true(r->fixed[VARY_PATH]);
    assert_true(r->fixed[VARY_USER]);
    assert_false(r->fixed[VARY_UMASK]);
    assert_true(r->network_tolerated);
    assert_int_equal(r->limits.seconds, 90);
    assert_int_equal(r->limits.disk, 1 << 20);
    assert_int_equal(r->limits.log, 1000000);
    recipe_free(r);
}

static void what_would_reach_elsewhere_is_refused(void **state)
{
    (void)state;
    refused(TOP "sources: [{tar: ../x.tar, sha256: \"" D1 "\"}]\n" TOOLS STEPS OUTPUTS,
            "plain name of a file");
    refused(TOP "sources: [{file: a/b, sha256: \"" D1 "\"}]\n" TOOLS STEPS OUTPUTS,
            "plain name of a file");
    refused(TOP "sources: [{debian: \"a'b.dsc\", sha256: \"" D1 "\"}]\n" TOOLS STEPS OUTPUTS,
            "plain name of a file");
    refused(TOP SOURCES TOOLS STEPS "outputs: [\"../x\"]\n", "without \"..\"");
    refused(TOP SOURCES TOOLS STEPS "outputs: [\"a/../x\"]\n", "without \"..\"");
    refused(TOP SOURCES TOOLS STEPS "outputs: [/etc/passwd]\n", "relative path");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "path: /usr\n", "\"/build\" or a folder");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "path: /builder\n", "\"/build\" or a folder");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "path: /build/..\n", "\"/build\" or a folder");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "path: \"/build/$(id)\"\n", "\"/build\" or a folder");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "folder: \"a/b\"\n", "\"folder\" must be letters");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "folder: \"..\"\n", "\"folder\" must be letters");
    refused("format: recipe/v1\nname: \"-x\"\nversion: \"1\"\n" SOURCES TOOLS STEPS OUTPUTS,
            "\"name\" must be letters");
}

static void what_names_no_one_thing_is_refused(void **state)
{
    (void)state;
    refused(TOP "sources: [{git: /srv/a, commit: main}]\n" TOOLS STEPS OUTPUTS,
            "not a branch or tag");
    refused(TOP "sources: [{tar: a.tar}]\n" TOOLS STEPS OUTPUTS, "sha256");
    refused(TOP "sources: [{tar: a.tar, tree: b, sha256: \"" D1 "\"}]\n" TOOLS STEPS OUTPUTS,
            "a source is one of");
    refused(TOP "sources: [{sha256: \"" D1 "\"}]\n" TOOLS STEPS OUTPUTS, "a source is one of");
    refused(TOP "sources: []\n" TOOLS STEPS OUTPUTS, "at least 1 entry");
    refused(TOP SOURCES STEPS OUTPUTS, "toolchain");
    refused(TOP SOURCES "toolchain: {packages: []}\n" STEPS OUTPUTS, "must be a list of 1");
    refused(TOP SOURCES "toolchain: {packages: [\"a, b\"]}\n" STEPS OUTPUTS, "is no dependency");
    refused(TOP SOURCES "toolchain: {packages: [\"-o=x\"]}\n" STEPS OUTPUTS, "is no dependency");
    refused(TOP SOURCES TOOLS OUTPUTS, "steps");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "environment: {\"A=B\": c}\n", "no name of a variable");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "fixed: [moon]\n", "timezone");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "limits: {time: 0s}\n", "1s to 30d");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "limits: {disk: 1}\n", "at least 64KiB");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "author: me\n", "unknown key");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "support: {until: 2030}\n", "is not a time");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "support: {}\n", "until");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "support: long\n", "must be a map");
    refused(TOP SOURCES TOOLS STEPS OUTPUTS "support: {until: \"2030-01-01T00:00:00Z\", by: me}\n",
            "unknown key");
    refused("format: lock/v1\n", "recipe/v1");
}

static void the_second_build_has_other_circumstances_but_those_that_are_fixed(void **state)
{
    struct recipe *r = read_all(TOP SOURCES TOOLS STEPS OUTPUTS);
    struct cell_settings a, b;

    (void)state;
    cell_settings(&a, r, false);
    cell_settings(&b, r, true);
    assert_string_not_equal(a.path, b.path);
    assert_memory_equal(b.path, "/build/", 7);
    assert_int_not_equal(a.cores, b.cores);
    assert_string_not_equal(a.host, b.host);
    assert_string_not_equal(a.locale, b.locale);
    assert_string_not_equal(a.timezone, b.timezone);
    assert_int_not_equal(a.umask, b.umask);
    assert_int_not_equal(a.user, b.user);
    assert_true(!a.reversed && b.reversed);
    for (int i = 0; i < VARIES; i++)
        r->fixed[i] = true;
    cell_settings(&b, r, true);
    assert_string_equal(a.path, b.path);
    assert_int_equal(a.cores, b.cores);
    assert_string_equal(a.host, b.host);
    assert_string_equal(a.locale, b.locale);
    assert_string_equal(a.timezone, b.timezone);
    assert_int_equal(a.umask, b.umask);
    assert_int_equal(a.user, b.user);
    assert_false(b.reversed);
    recipe_free(r);
}

#define LOCK "format: lock/v1\nrecipe: " D1 "\narchitecture: amd64\npackages:\n"
#define P1 "  - file: \"gcc_4%3a12.2.0-3_amd64.deb\"\n    size: 5\n    sha256: " D1 "\n"
#define P2 "  - file: \"make_4.3-4.1_amd64.deb\"\n    size: 6\n    sha256: " D1 "\n"

#define UNTIL "    until: \"2026-07-11T23:59:59Z\"\n"
#define P3 "  - file: \"tar_1.34_amd64.deb\"\n    size: 7\n    sha256: " D1 "\n"

static void a_lock_is_written_as_it_is_read(void **state)
{
    struct lock l;
    struct buf b;

    (void)state;
    assert_int_equal(lock_parse(&l, "l", span_str(LOCK P1 P2 P3 UNTIL), NULL), 0);
    assert_int_equal(l.n, 3);
    assert_int_equal(l.packages[1].until, -1);
    assert_int_equal(l.packages[2].until, 1783814399); /* date -u -d 2026-07-11T23:59:59Z +%s */
    assert_string_equal(l.packages[0].name, "gcc");
    assert_string_equal(l.packages[0].version, "4:12.2.0-3");
    assert_string_equal(l.packages[0].architecture, "amd64");
    assert_int_equal(l.packages[1].size, 6);
    buf_init(&b, 65536);
    assert_int_equal(lock_write(&l, &b), 0);
    assert_string_equal(buf_str(&b), LOCK P1 P2 P3 UNTIL);
    buf_free(&b);
    lock_done(&l);
}

static void lock_refused(const char *text, const char *why)
{
    struct err e = ERR_INIT;
    struct lock l;

    assert_int_equal(lock_parse(&l, "l", span_str(text), &e), -EINVAL);
    lock_done(&l);
    if (strstr(err_text(&e), why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err_text(&e), why);
}

static void a_lock_names_each_package_once_and_plainly(void **state)
{
    static const char *const names[] = {
        "../x_1_amd64.deb", "x_1.deb",    "x_1_amd64.udeb", "x_1_amd64.deb/y", "x_1%2f_all.deb",
        "_1_all.deb",       "x__all.deb", "x_1_.deb",       "x_1_a b.deb",     "x_1_all.deb\\n"};
    char text[512];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(text, sizeof(text),
                       LOCK "  - file: \"%s\"\n    size: 5\n    sha256: " D1 "\n", names[i]);
        lock_refused(text, "NAME_VERSION_ARCHITECTURE.deb");
    }
    lock_refused(LOCK P1 "    until: 2026\n", "is not a time");
    lock_refused(LOCK P2 P1, "each once");
    lock_refused(LOCK P1 P1, "each once");
    lock_refused("format: lock/v1\nrecipe: " D1 "\narchitecture: amd64\npackages: []\n",
                 "at least 1 entry");
    lock_refused("format: lock/v1\nrecipe: " D1 "\narchitecture: \"a b\"\npackages:\n" P1,
                 "is no architecture");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_recipe_has_defaults),
        cmocka_unit_test(everything_that_can_be_said_is_read),
        cmocka_unit_test(what_would_reach_elsewhere_is_refused),
        cmocka_unit_test(what_names_no_one_thing_is_refused),
        cmocka_unit_test(the_second_build_has_other_circumstances_but_those_that_are_fixed),
        cmocka_unit_test(a_lock_is_written_as_it_is_read),
        cmocka_unit_test(a_lock_names_each_package_once_and_plainly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
