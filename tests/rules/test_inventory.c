/* What a release holds by name, and what is another in the next one. */
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
#include "rules/difference.h"

static char dir[] = "/tmp/test-inventory-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    return io_remove_tree(dir);
}

struct file {
    const char *name, *text;
};

/* The inventory of a folder with these files; ends with a name of NULL. */
static int take(const struct file *f, struct inventory **out, struct err *e)
{
    struct release *r = NULL;
    char path[128];
    int rc;

    assert_int_equal(io_remove_tree(dir), 0);
    assert_int_equal(io_mkdirs(AT_FDCWD, dir), 0);
    for (; f->name != NULL; f++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, f->name);
        assert_int_equal(io_replace_file(AT_FDCWD, path, f->text, strlen(f->text), 0644), 0);
    }
    assert_int_equal(release_load(&r, dir, NULL), 0);
    rc = inventory_new(out, r, e);
    release_free(r);
    return rc;
}

#define HASH_A "00000000000000000000000000000000000000000000000000000000000000aa"
#define HASH_B "00000000000000000000000000000000000000000000000000000000000000bb"

static const struct file old_files[] = {
    {"a.yar", "rule Zeta { condition: true }\n\nrule Alpha { condition: false }\n"},
    {"b.hdb", "0123:4:Hash.Sig:73\r\n"},
    {"c.ldb", "# why\nLogic.Sig;Engine:81-255,Target:0;0;41\n"},
    {"d.sha256", HASH_A " Set.X\n" HASH_B " Set.X\n"},
    {"e.fp", "0123:4:good\n"},
    {"f.ign2", "Alpha\n"},
    {"g.pwdb", "Word;Engine:0-255;0;infected"},
    {NULL, NULL}};

static void every_kind_is_known_by_its_name(void **state)
{
    static const struct {
        enum inventory_kind kind;
        const char *name, *file;
        unsigned line;
    } v[] = {
        {INVENTORY_YARA, "Alpha", "a.yar", 3},      {INVENTORY_YARA, "Zeta", "a.yar", 1},
        {INVENTORY_CLAMAV, "Hash.Sig", "b.hdb", 1}, {INVENTORY_CLAMAV, "Logic.Sig", "c.ldb", 2},
        {INVENTORY_HASH, "Set.X", "d.sha256", 1},   {INVENTORY_HASH, "Set.X", "d.sha256", 2},
        {INVENTORY_PASSWORD, "Word", "g.pwdb", 1},  {INVENTORY_ALLOW, "0123:4:good", "e.fp", 1},
        {INVENTORY_ALLOW, "Alpha", "f.ign2", 1}};
    struct inventory *i = NULL;

    (void)state;
    assert_int_equal(take(old_files, &i, NULL), 0);
    assert_int_equal(inventory_count(i), ARRAY_LEN(v));
    for (size_t k = 0; k < ARRAY_LEN(v); k++) {
        struct inventory_entry x = inventory_at(i, k);

        if (x.kind != v[k].kind || !span_is(x.name, v[k].name) || strcmp(x.file, v[k].file) != 0 ||
            x.line != v[k].line)
            fail_msg("%zu: %s:%u %.*s", k, x.file, x.line, (int)x.name.n, (const char *)x.name.p);
    }
    assert_int_equal(inventory_find(i, INVENTORY_YARA, span_str("Zeta")), 1);
    assert_int_equal(inventory_find(i, INVENTORY_HASH, span_str("Set.X")), 4);
    assert_int_equal(inventory_find(i, INVENTORY_ALLOW, span_str("Alpha")), 8);
    assert_int_equal(inventory_find(i, INVENTORY_YARA, span_str("Zet")), 9);
    assert_int_equal(inventory_find(i, INVENTORY_CLAMAV, span_str("Alpha")), 9);
    inventory_free(i);
}

static void a_source_that_is_none_is_named(void **state)
{
    static const struct file files[] = {{"a.yar", "rule A { condition: true }\nrule"},
                                        {NULL, NULL}};
    struct inventory *i = NULL;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(take(files, &i, &e), -EBADMSG);
    assert_string_equal(err_text(&e), "a.yar: line 2: the last rule does not end");
}

struct told {
    char text[1024];
    size_t n;
};

static void tell(void *arg, const struct difference *d)
{
    struct told *t = arg;

    t->n += (size_t)snprintf(t->text + t->n, sizeof(t->text) - t->n, "%s %s %.*s %zu %zu\n",
                             difference_word(d->sort), inventory_word(d->kind), (int)d->name.n,
                             (const char *)d->name.p, d->more, d->less);
}

static void differences_are_told_by_name(void **state)
{
    static const struct file new_files[] = {
        {"aa.yar", "rule Alpha /* x */ {\n condition: false }\nrule Beta { condition: true }\n"},
        {"b.hdb", "0123:4:Hash.Sig:73\n0124:4:Hash.Sig:73\n"},
        {"c.ldb", "Logic.Sig;Engine:81-255,Target:0;0;42\n"},
        {"d.sha256", HASH_B " Set.X\n" HASH_A " Set.Y\n"},
        {"e.fp", "0123:4:good\n0124:4:good\n"},
        {"g.pwdb", "Word;Engine:0-255;0;infected\n"},
        {NULL, NULL}};
    static const char expected[] = "added yara Beta 1 0\n"
                                   "removed yara Zeta 0 1\n"
                                   "changed clamav Hash.Sig 1 0\n"
                                   "changed clamav Logic.Sig 1 1\n"
                                   "changed hash Set.X 0 1\n"
                                   "added hash Set.Y 1 0\n"
                                   "added allow 0124:4:good 1 0\n"
                                   "removed allow Alpha 0 1\n";
    struct inventory *was = NULL, *is = NULL;
    struct difference_counts c;
    struct told t = {.n = 0};
    struct difference d;

    (void)state;
    assert_int_equal(take(old_files, &was, NULL), 0);
    assert_int_equal(take(new_files, &is, NULL), 0);
    difference_run(was, is, tell, &t, &c);
    assert_string_equal(t.text, expected);
    assert_int_equal(c.added, 2);
    assert_int_equal(c.removed, 1);
    assert_int_equal(c.changed, 3);
    assert_int_equal(c.layout, 1);
    assert_int_equal(c.moved, 1);
    assert_int_equal(c.allows_added, 1);
    assert_int_equal(c.allows_removed, 1);
    /* the other way round it is the other way round, and with itself nothing */
    difference_run(is, was, NULL, NULL, &c);
    assert_int_equal(c.added, 1);
    assert_int_equal(c.removed, 2);
    assert_int_equal(c.changed, 3);
    difference_run(is, is, NULL, NULL, &c);
    assert_int_equal(c.added + c.removed + c.changed + c.layout + c.moved + c.allows_added, 0);

    assert_true(difference_named(was, is, INVENTORY_HASH, span_str("Set.X"), &d));
    assert_int_equal(d.sort, DIFFERENCE_CHANGED);
    assert_true(difference_named(was, is, INVENTORY_YARA, span_str("Beta"), &d));
    assert_int_equal(d.sort, DIFFERENCE_ADDED);
    assert_true(difference_named(was, is, INVENTORY_YARA, span_str("Zeta"), &d));
    assert_int_equal(d.sort, DIFFERENCE_REMOVED);
    assert_false(difference_named(was, is, INVENTORY_YARA, span_str("Alpha"), &d));
    assert_false(difference_named(was, is, INVENTORY_YARA, span_str("Nothing"), &d));
    inventory_free(was);
    inventory_free(is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_known_by_its_name),
        cmocka_unit_test(a_source_that_is_none_is_named),
        cmocka_unit_test(differences_are_told_by_name),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
