/* A verdict made again: every word of a leaf that is not what the engines say here is noticed, and
 * rules or engines that are not the leaf's are refused. */
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
#include <unistd.h>

#include "base/io.h"
#include "detect/release.h"
#include "events/seal.h"
#include "rules/replay.h"

static const char *programs;
static char dir[] = "/tmp/test-replay-XXXXXX";
static char rules[64], bad[64], good[64];
static struct release *release;

static void put(const char *path, const char *text)
{
    assert_int_equal(io_replace_file(AT_FDCWD, path, text, strlen(text), 0644), 0);
}

static int set_up(void **state)
{
    char path[96];

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(rules, sizeof(rules), "%s/rules", dir);
    (void)snprintf(bad, sizeof(bad), "%s/bad", dir);
    (void)snprintf(good, sizeof(good), "%s/good", dir);
    assert_int_equal(io_mkdirs(AT_FDCWD, rules), 0);
    (void)snprintf(path, sizeof(path), "%s/a.yar", rules);
    put(path, "rule One { strings: $a = \"marker-one\" condition: $a }\n"
              "rule Two { strings: $a = \"marker\" condition: $a }\n");
    put(bad, "here is marker-one");
    put(good, "here is nothing");
    assert_int_equal(release_load(&release, rules, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    release_free(release);
    return io_remove_tree(dir);
}

struct says {
    const char *engine, *verdict, *reason, *names;
    uint64_t hits;
};

static const uint8_t salt[32] = {7};

/* A leaf that says so, and the opening of its names. */
static void leaf_of(const struct says *s, struct buf *text, struct leaf *l,
                    struct receipt_opening *names)
{
    struct digest tree = release_digest(release);
    struct id128 ref = {{9}};
    struct leaf_builder b;

    buf_reset(text);
    leaf_begin(&b, LK_SCAN_DONE, 1700000000, "zrh1");
    leaf_set_id(&b, LF_REF, &ref);
    leaf_set_text(&b, LF_WORKER_SITE, "zrh1");
    leaf_set_text(&b, LF_ENGINE, s->engine);
    leaf_set_digest(&b, LF_RELEASE, &tree);
    leaf_set_text(&b, LF_VERDICT, s->verdict);
    leaf_set_text(&b, LF_REASON, s->reason);
    leaf_set_int(&b, LF_HITS, s->hits);
    leaf_set_sealed(&b, LF_SEALED_NAMES, salt, span_str(s->names));
    assert_int_equal(leaf_end(&b, text, NULL), 0);
    assert_int_equal(leaf_parse(l, buf_span(text)), 0);
    names->field = LF_SEALED_NAMES;
    memcpy(names->salt, salt, sizeof(salt));
    names->value = span_str(s->names);
    assert_int_equal(seal_check(l, LF_SEALED_NAMES, names->salt, names->value), 0);
}

static int again(const struct says *s, const char *file, bool opened, struct replayed *out,
                 struct err *e)
{
    const struct trial_spec engines = {.programs = programs};
    struct receipt_opening names;
    struct leaf l;
    struct buf text;
    struct replay p = {
        .leaf = &l, .rules = release, .engines = &engines, .file = file, .names = &names};
    int rc;

    buf_init(&text, LEAF_MAX);
    leaf_of(s, &text, &l, &names);
    if (!opened)
        p.names = NULL;
    rc = replay_run(&p, out, e);
    buf_free(&text);
    return rc;
}

static const char both[] = "One\nTwo";

static void the_same_is_the_same_and_every_other_word_is_not(void **state)
{
    static const struct {
        struct says s;
        bool bad;
        const char *differs; /* NULL: the same */
    } v[] = {
        {{"yara", "malicious", "none", both, 2}, true, NULL},
        {{"walk.yara", "malicious", "none", both, 2}, true, NULL},
        {{"yara", "clean", "none", "", 0}, false, NULL},
        {{"yara", "clean", "none", "", 0}, true, "verdict clean, here it is malicious"},
        {{"yara", "malicious", "none", both, 2}, false, "verdict malicious, here it is clean"},
        {{"yara", "incomplete", "size", "", 0}, false, "verdict incomplete, here it is clean"},
        {{"yara", "malicious", "none", "One", 1}, true, "hits 1, here it is 2"},
        {{"yara", "malicious", "none", "One\nTwa", 2}, true, "not the same ones"},
        {{"yara", "malicious", "none", "Two\nOne", 2}, true, "not the same ones"}, /* the order */
        {{"yara", "malicious", "none", "One\nTwo\n", 2}, true, "not the same ones"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct err e = ERR_INIT;
        struct replayed r;

        if (again(&v[i].s, v[i].bad ? bad : good, true, &r, &e) != 0)
            fail_msg("%zu: %s", i, err_text(&e));
        assert_true(r.compared_names && r.read);
        if (r.same != (v[i].differs == NULL) ||
            (v[i].differs != NULL && strstr(r.differs, v[i].differs) == NULL))
            fail_msg("%zu: %d %s", i, r.same, r.differs);
        replay_done(&r);
    }
}

static void names_that_are_sealed_are_not_compared(void **state)
{
    static const struct says s = {"yara", "malicious", "none", "One\nTwa", 2};
    struct replayed r;

    (void)state;
    assert_int_equal(again(&s, bad, false, &r, NULL), 0);
    assert_true(r.same);
    assert_false(r.compared_names);
    replay_done(&r);
}

static void other_rules_and_engines_are_refused(void **state)
{
    static const struct {
        struct says s;
        int rc;
        const char *says;
    } v[] = {
        {{"other", "clean", "none", "", 0}, -ENOENT, "there is no engine \"other\""},
        {{"walk", "clean", "none", "", 0}, -EINVAL, ""},
        {{"yara.walk", "clean", "none", "", 0}, -EINVAL, "in another way"},
        {{"a.b.c.d.e.f.g", "clean", "none", "", 0}, -EINVAL, "more than"},
    };
    static const struct says s = {"yara", "clean", "none", "", 0};
    struct receipt_opening names;
    struct release *other = NULL;
    struct err e = ERR_INIT;
    struct leaf l;
    struct buf text;
    char path[96];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct err why = ERR_INIT;
        struct replayed r;

        assert_int_equal(again(&v[i].s, good, true, &r, &why), v[i].rc);
        if (strstr(err_text(&why), v[i].says) == NULL)
            fail_msg("%zu: %s", i, err_text(&why));
        replay_done(&r);
    }
    (void)snprintf(path, sizeof(path), "%s/b.yar", rules);
    put(path, "rule Three { condition: false }\n");
    assert_int_equal(release_load(&other, rules, NULL), 0);
    buf_init(&text, LEAF_MAX);
    leaf_of(&s, &text, &l, &names);
    assert_int_equal(replay_rules(&l, release, NULL), 0);
    assert_int_equal(replay_rules(&l, other, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "get the folder of that release"));
    release_free(other);
    buf_free(&text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_is_the_same_and_every_other_word_is_not),
        cmocka_unit_test(names_that_are_sealed_are_not_compared),
        cmocka_unit_test(other_rules_and_engines_are_refused),
    };

    if (argc != 2)
        return 1;
    programs = argv[1];
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
