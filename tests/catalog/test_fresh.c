/* A catalog filled from nothing is, once it is ready, what the same calls make of a usual one: the
 * same schema, the same rows, in a file that SQLite finds whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/catalog.h"

#define GROUPS 3
#define OBJECTS 200 /* in each: some pages */

static char dir[64], usual_path[96], fresh_path[96];

static int set_up(void **state)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/catalog-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(usual_path, sizeof(usual_path), "%s/usual", dir);
    (void)snprintf(fresh_path, sizeof(fresh_path), "%s/fresh", dir);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"usual",     "usual-wal", "usual-shm",     "fresh",
                                        "fresh-wal", "fresh-shm", "usual-journal", "fresh-journal"};
    char path[128];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
    return 0;
}

/* Spread as random ones are. */
static struct id128 id(uint8_t kind, unsigned n)
{
    struct id128 i = {{0}};
    uint32_t mixed = (n + 1) * 2654435761u;

    memcpy(i.b, &mixed, sizeof(mixed));
    i.b[14] = (uint8_t)(n >> 8);
    i.b[15] = (uint8_t)n;
    i.b[13] = kind;
    return i;
}
#define SUB(n) id(1, n)
#define REF(n) id(2, n)
#define OBJ(n) id(3, n)

static void slot(struct vault_index *x, unsigned ref, unsigned object, uint64_t epoch)
{
    struct vault_slot_row row = {.epoch = epoch, .segment = 1, .length = 99, .at = ref};

    row.ref = REF(ref);
    row.object = OBJ(object);
    memset(row.wrap, (int)ref, sizeof(row.wrap));
    assert_int_equal(x->ops->put_slot(x, &row), 0);
}

/* What a group of the journal does to the index, in the order of a replay. */
static void index_group(struct catalog *c, unsigned g)
{
    struct vault_index *x = catalog_index(c);
    const unsigned first = g * OBJECTS;
    struct vault_slot_row stale;
    struct digest tag = {{0}};
    uint8_t wrap[VAULT_WRAP];
    struct id128 ref, object;

    assert_int_equal(x->ops->begin(x), 0);
    for (unsigned i = first; i < first + OBJECTS; i++) {
        object = OBJ(i);
        assert_int_equal(x->ops->put_object(x, &object, span_of(&i, 1 + i % 4)), 0);
    }
    for (unsigned i = first; i < first + OBJECTS; i++) {
        if (i % 10 == 9)
            continue; /* an aborted put: an object without a slot */
        slot(x, i, i, 1);
        tag.b[0] = (uint8_t)i;
        tag.b[1] = (uint8_t)(i >> 8);
        object = OBJ(i);
        assert_int_equal(x->ops->put_tag(x, &object, &tag), 0);
    }
    slot(x, 10000 + g, first, 1); /* held twice, by a slot of this group */
    if (g > 0) {
        slot(x, 20000 + g, first - OBJECTS, 2); /* and by one of a later group, under a new key */
        object = OBJ(first - OBJECTS);
        tag.b[5] = 1;
        assert_int_equal(x->ops->put_tag(x, &object, &tag), 0);
        ref = REF(first - 3);
        memset(wrap, 7, sizeof(wrap));
        assert_int_equal(x->ops->rewrap(x, &ref, 2, wrap), 0);
        assert_int_equal(x->ops->find_slot(x, &ref, &stale), 0);
        assert_int_equal(stale.epoch, 2);
        ref = REF(first - 4);
        assert_int_equal(x->ops->drop_slot(x, &ref), 0);
        object = OBJ(first - 1); /* never held */
        assert_int_equal(x->ops->drop_object(x, &object), 0);
    }
    ref = REF(first + 1); /* within the group that put it */
    assert_int_equal(x->ops->drop_slot(x, &ref), 0);
    object = OBJ(first + 1);
    assert_int_equal(x->ops->drop_object(x, &object), 0);
    assert_int_equal(x->ops->put_seal(x, g + 1, 77, &tag), 0);
    assert_int_equal(x->ops->commit(x, g + 1), 0);
}

static void catalog_group(struct catalog *c, unsigned g)
{
    static const char *const countries[] = {"CH", "DE", "FR"};
    struct id128 ref, sub;

    assert_int_equal(catalog_begin(c), 0);
    for (unsigned i = g * OBJECTS; i < (g + 1) * OBJECTS; i++) {
        struct catalog_submission s = {.kind = CATALOG_FILE,
                                       .scope = CATALOG_FILE,
                                       .state = CATALOG_LIVE,
                                       .accepted = 1000 + i,
                                       .leaf = i,
                                       .end_leaf = CATALOG_NO_LEAF};
        struct catalog_verdict v = {.verdict = CATALOG_CLEAN, .at = 5, .sealed = span_str("names")};

        s.sub = SUB(i);
        s.ref = v.ref = REF(i);
        s.object = OBJ(i);
        (void)snprintf(s.country, sizeof(s.country), "%s", countries[i % 3]);
        (void)snprintf(s.account, sizeof(s.account), "account-%u", i % 7);
        (void)snprintf(v.engine, sizeof(v.engine), "yara");
        assert_int_equal(catalog_submission_add(c, &s), 0);
        assert_int_equal(catalog_submission_add(c, &s), -EEXIST); /* a constraint all the way */
        ref = REF(i);
        assert_int_equal(catalog_scan_add(c, &ref, (int)(i % 3), 9), 0);
        if (i % 5 == 0)
            continue;
        assert_int_equal(catalog_verdict_put(c, &v), 0);
        assert_int_equal(catalog_scan_done_ref(c, &ref), 0);
        assert_int_equal(catalog_tree_put(c, &ref, span_str("tree")), 0);
    }
    sub = SUB(g * OBJECTS + 7);
    assert_int_equal(catalog_submission_end(c, &sub, CATALOG_ERASED, 2000, 2, 99), 0);
    assert_int_equal(catalog_value_put(c, "policies", span_str("one")), 0);
    assert_int_equal(catalog_set_applied(c, g + 1), 0);
    assert_int_equal(catalog_commit(c), 0);
}

static void fill(struct catalog *c)
{
    for (unsigned g = 0; g < GROUPS; g++)
        index_group(c, g);
    for (unsigned g = 0; g < GROUPS; g++)
        catalog_group(c, g);
}

/* --- two files side by side --- */

static sqlite3 *both;
static unsigned long long rows;

static sqlite3_stmt *ask(const char *sql)
{
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(both, sql, -1, &st, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(both));
    return st;
}

static void nothing_but(const char *columns, const char *a, const char *b, const char *table)
{
    char sql[400];
    sqlite3_stmt *st;

    (void)snprintf(sql, sizeof(sql), "SELECT %s FROM %s.\"%s\" EXCEPT SELECT %s FROM %s.\"%s\"",
                   columns, a, table, columns, b, table);
    st = ask(sql);
    if (sqlite3_step(st) == SQLITE_ROW)
        fail_msg("only %s has in \"%s\": %s", a, table, (const char *)sqlite3_column_text(st, 0));
    (void)sqlite3_finalize(st);
}

static void same_rows(const char *columns, const char *table)
{
    nothing_but(columns, "main", "fresh", table);
    nothing_but(columns, "fresh", "main", table);
}

static void same_table(const char *table)
{
    char sql[200];
    sqlite3_stmt *st;

    same_rows("*", table);
    (void)snprintf(sql, sizeof(sql),
                   "SELECT (SELECT count(*) FROM main.\"%s\"), count(*) FROM fresh.\"%s\"", table,
                   table);
    st = ask(sql);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1));
    rows += (unsigned long long)sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
}

static void says(const char *sql, const char *want)
{
    sqlite3_stmt *st = ask(sql);

    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), want);
    assert_int_equal(sqlite3_step(st), SQLITE_DONE);
    (void)sqlite3_finalize(st);
}

static void the_two_are_the_same(void)
{
    sqlite3_stmt *st;
    char sql[160];
    unsigned tables = 0;

    assert_int_equal(sqlite3_open_v2(usual_path, &both, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    (void)snprintf(sql, sizeof(sql), "ATTACH '%s' AS fresh", fresh_path);
    assert_int_equal(sqlite3_exec(both, sql, NULL, NULL, NULL), SQLITE_OK);
    same_rows("name || ' ' || type || ' ' || coalesce(sql, '-')", "sqlite_schema");
    rows = 0;
    st = ask("SELECT name FROM sqlite_schema WHERE type = 'table'");
    for (; sqlite3_step(st) == SQLITE_ROW; tables++)
        same_table((const char *)sqlite3_column_text(st, 0));
    (void)sqlite3_finalize(st);
    assert_true(tables >= 11 && rows > 5ULL * GROUPS * OBJECTS / 2);
    says("PRAGMA fresh.integrity_check", "ok");
    says("PRAGMA fresh.journal_mode", "wal");
    st = ask("PRAGMA main.user_version");
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    says("PRAGMA fresh.user_version", (const char *)sqlite3_column_text(st, 0));
    (void)sqlite3_finalize(st);
    assert_int_equal(sqlite3_close(both), SQLITE_OK);
}

static void it_becomes_one_like_any_other(void **state)
{
    struct catalog *usual, *fresh;
    struct err e = ERR_INIT;
    struct stat st;
    uint64_t seq;

    assert_int_equal(catalog_open(&usual, usual_path, &e), 0);
    assert_int_equal(catalog_open_fresh(&fresh, fresh_path, &e), 0);
    assert_int_equal(stat(fresh_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    fill(usual);
    fill(fresh);
    assert_int_equal(catalog_ready(fresh, &e), 0);
    /* and goes on as one */
    index_group(usual, GROUPS);
    index_group(fresh, GROUPS);
    assert_int_equal(catalog_applied(fresh, &seq), 0);
    assert_int_equal(seq, GROUPS);
    assert_int_equal(catalog_scrub(fresh, &e), 0);
    catalog_close(usual);
    catalog_close(fresh);
    the_two_are_the_same();
    assert_int_equal(catalog_open(&fresh, fresh_path, &e), 0);
    catalog_close(fresh);
}

static void a_slot_of_an_unknown_object_is_left_out(void **state)
{
    struct vault_slot_row row = {.epoch = 1};
    struct vault_index *x;
    struct catalog *c;

    assert_int_equal(catalog_open_fresh(&c, fresh_path, NULL), 0);
    x = catalog_index(c);
    row.ref = REF(1);
    row.object = OBJ(1);
    assert_int_equal(x->ops->begin(x), 0);
    assert_int_equal(x->ops->put_slot(x, &row), -ENOENT);
    assert_int_equal(x->ops->find_slot(x, &row.ref, &row), -ENOENT);
    assert_int_equal(x->ops->commit(x, 1), 0);
    assert_int_equal(catalog_ready(c, NULL), 0);
    catalog_close(c);
}

static void what_is_there_is_not_filled(void **state)
{
    struct err e = ERR_INIT;
    struct catalog *c = NULL;
    struct stat before, after;

    assert_int_equal(catalog_open(&c, usual_path, &e), 0);
    catalog_close(c);
    assert_int_equal(stat(usual_path, &before), 0);
    c = NULL;
    assert_int_equal(catalog_open_fresh(&c, usual_path, &e), -EEXIST);
    assert_null(c);
    assert_int_equal(stat(usual_path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void a_batch_that_is_taken_back_spoils_it(void **state)
{
    struct err e = ERR_INIT;
    struct catalog *c;

    assert_int_equal(catalog_open_fresh(&c, fresh_path, &e), 0);
    assert_int_equal(catalog_begin(c), 0);
    assert_int_equal(catalog_value_put(c, "a", span_str("1")), 0);
    catalog_rollback(c);
    assert_int_equal(catalog_ready(c, &e), -EINVAL);
    assert_non_null(strstr(err_text(&e), "not whole"));
    catalog_close(c);
}

static void so_does_one_of_the_index(void **state)
{
    struct vault_index *x;
    struct catalog *c;

    assert_int_equal(catalog_open_fresh(&c, fresh_path, NULL), 0);
    x = catalog_index(c);
    assert_int_equal(x->ops->begin(x), 0);
    x->ops->rollback(x);
    assert_int_equal(catalog_ready(c, NULL), -EINVAL);
    catalog_close(c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(it_becomes_one_like_any_other), T(a_slot_of_an_unknown_object_is_left_out),
        T(what_is_there_is_not_filled),   T(a_batch_that_is_taken_back_spoils_it),
        T(so_does_one_of_the_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
