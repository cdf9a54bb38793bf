/* The slow rules are found among others, with what they need, and nothing is told of what cannot be
 * measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "detect/release.h"
#include "jail/jail.h"
#include "rules/cost.h"

static const char *programs;
static char dir[] = "/tmp/test-cost-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static int set_up(void **state)
{
    char rules[96];

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(rules, sizeof(rules), "%s/rules", dir);
    assert_int_equal(io_mkdirs(AT_FDCWD, rules), 0);
    put("one", "the first file");
    put("two", "another one");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

struct told {
    size_t n;
    char name[8][32], file[8][32];
    unsigned line[8];
    double ms[8];
};

static void found(void *arg, const struct cost_rule *r)
{
    struct told *t = arg;

    assert_true(t->n < 8);
    (void)snprintf(t->name[t->n], 32, "%.*s", (int)r->name.n, (const char *)r->name.p);
    (void)snprintf(t->file[t->n], 32, "%s", r->file);
    t->line[t->n] = r->line;
    t->ms[t->n++] = r->cpu_ms;
}

static int run(const char *engine, size_t want, struct told *t, struct cost_result *out,
               struct err *e)
{
    static char one[96], two[96], rules[96];
    const char *const paths[] = {one, two};
    struct trial_spec engines = {.programs = programs, .engines = {engine}, .n = 1};
    struct release *r = NULL;
    struct cost c = {
        .engines = &engines, .path = paths, .n = 2, .want = want, .found = found, .arg = t};
    int rc;

    (void)snprintf(one, sizeof(one), "%s/one", dir);
    (void)snprintf(two, sizeof(two), "%s/two", dir);
    (void)snprintf(rules, sizeof(rules), "%s/rules", dir);
    t->n = 0;
    assert_int_equal(release_load(&r, rules, NULL), 0);
    c.rules = r;
    rc = cost_run(&c, out, e);
    release_free(r);
    return rc;
}

#define QUICK(n) "rule Quick_" n " { strings: $a = \"never-" n "\" condition: $a }\n"

static void the_slow_ones_are_found_with_what_they_need(void **state)
{
    struct cost_result r;
    struct err e = ERR_INIT;
    struct told t;
    char text[512];

    (void)state;
    put("rules/a.yar", "import \"math\"\nglobal private rule Gate { condition: filesize > 0 }\n"
                       "private rule Part_1 { condition: math.max(1, 2) == 2 }\n" QUICK("a")
                           QUICK("b") QUICK("c") QUICK("d"));
    /* an engine that is watched by a sanitizer starts slowly, and not equally so */
    (void)snprintf(
        text, sizeof(text),
        "rule Slow // why\n{ condition: any of (Part_*) and for all i in (0..%d) : ( i * "
        "i != 3 ) }\nrule Uses { condition: not Slow and Quick_a }\n" QUICK("e") QUICK("f"),
        jail_is_sanitized() ? 500000 : 60000);
    put("rules/b.yar", text);
    if (run("yara", 2, &t, &r, &e) != 0)
        fail_msg("%s", err_text(&e));
    assert_int_equal(r.rules, 10);
    assert_int_equal(r.told, 2);
    assert_int_equal(t.n, 2);
    for (size_t i = 0; i < 2; i++) {
        bool slow = strcmp(t.name[i], "Slow") == 0;

        if (!slow && strcmp(t.name[i], "Uses") != 0)
            fail_msg("%s", t.name[i]);
        assert_string_equal(t.file[i], "b.yar");
        assert_int_equal(t.line[i], slow ? 1 : 3);
        assert_true(t.ms[i] > r.least_ms);
    }
    assert_string_not_equal(t.name[0], t.name[1]);
    assert_int_equal(r.bytes, strlen("the first file") + strlen("another one"));
    assert_false(r.stopped);
}

static void what_cannot_be_measured_is_said(void **state)
{
    struct cost_result r;
    struct err e = ERR_INIT, f = ERR_INIT, g = ERR_INIT;
    struct told t;

    (void)state;
    assert_int_equal(run("walk", 1, &t, &r, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "add that engine"));
    put("rules/b.yar", "rule Broken { condition: nothing }\n");
    assert_int_equal(run("yara", 1, &t, &r, &f), -EBADMSG);
    assert_non_null(strstr(err_text(&f), "undefined identifier \"nothing\""));
    put("rules/a.yar", "// none\n");
    put("rules/b.yar", "// none\n");
    assert_int_equal(run("yara", 1, &t, &r, &g), -EINVAL);
    assert_non_null(strstr(err_text(&g), "no rule of YARA's"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slow_ones_are_found_with_what_they_need),
        cmocka_unit_test(what_cannot_be_measured_is_said),
    };

    if (argc != 2)
        return 1;
    programs = argv[1];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
