/* Files that are scanned again: a round meets each once and goes on after a restart; of a verdict
 * that changed the one before is kept, until the file is erased. */
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
#include <unistd.h>

#include "catalog/catalog_priv.h"

struct fixture {
    char dir[64], path[80];
    struct catalog *c;
    struct err e;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/catalog-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/catalog", f->dir);
    assert_int_equal(catalog_open(&f->c, f->path, &f->e), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const suffix[] = {"", "-wal", "-shm", "-journal"};
    struct fixture *f = *state;
    char path[100];

    catalog_close(f->c);
    for (size_t i = 0; i < ARRAY_LEN(suffix); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", f->path, suffix[i]);
        (void)unlink(path);
    }
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static struct id128 id(uint8_t kind, uint8_t n)
{
    struct id128 i = {{n}};

    i.b[15] = kind;
    return i;
}
#define SUB(n) id(1, n)
#define REF(n) id(2, n)

static void add(struct fixture *f, uint8_t n, const char *account, unix_time accepted)
{
    struct catalog_submission s;

    memset(&s, 0, sizeof(s));
    s.sub = SUB(n);
    s.ref = REF(n);
    s.object = id(3, n);
    memcpy(s.country, "CA", 3);
    (void)snprintf(s.account, sizeof(s.account), "%s", account);
    s.kind = s.scope = CATALOG_FILE;
    s.state = CATALOG_LIVE;
    s.accepted = accepted;
    s.end_leaf = CATALOG_NO_LEAF;
    assert_int_equal(catalog_submission_add(f->c, &s), 0);
}

static struct catalog_verdict verdict(uint8_t n, uint8_t release, enum catalog_verdict_word word)
{
    struct catalog_verdict v;

    memset(&v, 0, sizeof(v));
    v.ref = REF(n);
    (void)snprintf(v.engine, sizeof(v.engine), "yara");
    (void)snprintf(v.reason, sizeof(v.reason), "none");
    v.release.b[0] = release;
    v.verdict = word;
    v.at = release;
    v.sealed = span_of(&"0123456789"[release], 1);
    return v;
}

/* Twenty files of three accounts, many of one second; each is met once, in batches of one account.
 */
static void a_round_meets_each_file_once_and_goes_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct catalog_cursor at;
    struct catalog_again a[3];
    unsigned met[21] = {0};
    size_t n, batches = 0;

    memset(&at, 0, sizeof(at));
    for (uint8_t i = 1; i <= 20; i++)
        add(f, i, i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c", 100 + i / 8);
    do {
        assert_int_equal(catalog_again_next(f->c, &at, a, ARRAY_LEN(a), &n), 0);
        for (size_t i = 0; i < n; i++) {
            met[a[i].ref.b[0]]++;
            assert_false(a[i].scanned);
            assert_string_equal(a[i].at.account, a[0].at.account);
            assert_int_equal(a[i].object.b[0], a[i].ref.b[0]);
        }
        if (n > 0)
            at = a[n - 1].at;
        batches++;
        catalog_close(f->c);
        f->c = NULL;
        assert_int_equal(catalog_open(&f->c, f->path, &f->e), 0);
    } while (n > 0);
    for (size_t i = 1; i <= 20; i++)
        assert_int_equal(met[i], 1);
    assert_int_equal(batches, 2 + 3 + 3 + 1); /* 6, 7 and 7 files, three at a time; the empty one */
}

static void what_came_behind_and_what_is_gone(void **state)
{
    struct fixture *f = *state;
    struct catalog_cursor at;
    struct catalog_again a[8];
    struct catalog_verdict v = verdict(1, 4, CATALOG_CLEAN);
    struct id128 gone = SUB(2);
    size_t n;

    memset(&at, 0, sizeof(at));
    for (uint8_t i = 1; i <= 3; i++)
        add(f, i, "a", i);
    v.detect = true;
    assert_int_equal(catalog_verdict_put(f->c, &v), 0);
    assert_int_equal(catalog_submission_end(f->c, &gone, CATALOG_ERASED, 1, 1, 1), 0);
    assert_int_equal(catalog_again_next(f->c, &at, a, 8, &n), 0);
    assert_int_equal(n, 2);
    assert_true(a[0].scanned && a[0].detect);
    assert_string_equal(a[0].engine, "yara");
    assert_int_equal(a[0].release.b[0], 4);
    assert_false(a[1].scanned);
    assert_int_equal(a[1].ref.b[0], 3);
    at = a[1].at;
    add(f, 4, "a", 4);
    add(f, 5, "a", 2); /* came by a move, and was accepted before: it is met by its first scan */
    assert_int_equal(catalog_again_next(f->c, &at, a, 8, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(a[0].ref.b[0], 4);
}

/* The order of the round is the order of an index, at any size. */
static void a_step_of_a_round_is_answered_by_an_index(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum catalog_statement st;
        const char *must;
    } rows[] = {{SQL_AGAIN_NEXT, "SEARCH s USING INDEX submission_account (account=? AND "},
                {SQL_AGAIN_ACCOUNT, "submission_account (account>?)"},
                {SQL_SUB_COUNT, "submission_account (account=? AND accepted>?)"},
                {SQL_VERDICT_COUNT, "COVERING INDEX"}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sqlite3_stmt *st, *plan;
        char *sql, all[2000] = "";

        assert_int_equal(catalog_use(f->c, rows[i].st, &st), 0);
        sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(st));
        assert_int_equal(sqlite3_prepare_v2(f->c->db, sql, -1, &plan, NULL), SQLITE_OK);
        while (sqlite3_step(plan) == SQLITE_ROW)
            (void)snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s; ",
                           (const char *)sqlite3_column_text(plan, 3));
        (void)sqlite3_finalize(plan);
        sqlite3_free(sql);
        catalog_done(st);
        if (strstr(all, rows[i].must) == NULL || strstr(all, "TEMP") != NULL)
            fail_msg("row %zu: %s", i, all);
    }
}

static void before(struct fixture *f, uint8_t n, int release, bool detect)
{
    struct id128 ref = REF(n);
    struct catalog_verdict v;
    struct buf sealed;

    buf_init(&sealed, 64);
    if (release < 0) {
        assert_int_equal(catalog_verdict_before(f->c, &ref, &v, &sealed), -ENOENT);
        return;
    }
    assert_int_equal(catalog_verdict_before(f->c, &ref, &v, &sealed), 0);
    assert_int_equal(v.release.b[0], release);
    assert_int_equal(v.at, release);
    assert_int_equal(v.detect, detect);
    assert_int_equal(sealed.data[0], '0' + release);
    buf_free(&sealed);
}

static int one_row(void *arg, const struct catalog_verdict *v)
{
    struct catalog_verdict *got = arg;

    assert_int_equal(got->hits, 0);
    *got = *v;
    got->hits = 1;
    return 0;
}

static void now(struct fixture *f, uint8_t n, uint8_t release, bool detect)
{
    struct id128 ref = REF(n);
    struct catalog_verdict got = {.hits = 0};

    assert_int_equal(catalog_verdicts(f->c, &ref, one_row, &got), 0);
    assert_int_equal(got.hits, 1);
    assert_int_equal(got.release.b[0], release);
    assert_int_equal(got.detect, detect);
}

static void renew(struct fixture *f, uint8_t n, uint8_t release, bool detect, const char *engine)
{
    struct catalog_verdict v = verdict(n, release, CATALOG_MALICIOUS);

    v.detect = detect;
    (void)snprintf(v.engine, sizeof(v.engine), "%s", engine);
    assert_int_equal(catalog_verdict_renew(f->c, &v), 0);
}

static void the_verdict_before_is_kept(void **state)
{
    struct fixture *f = *state;
    uint64_t n;

    add(f, 1, "a", 1);
    add(f, 2, "a", 1);
    renew(f, 1, 1, false, "yara");
    before(f, 1, -1, false);
    renew(f, 1, 2, false, "walk.yara"); /* of other engines: no second row */
    now(f, 1, 2, false);
    before(f, 1, 1, false);
    renew(f, 1, 3, false, "walk.yara");
    before(f, 1, 2, false);
    assert_int_equal(catalog_judged(f->c, &n), 0);
    assert_int_equal(n, 1);
    renew(f, 2, 1, false, "yara");
    assert_int_equal(catalog_judged(f->c, &n), 0);
    assert_int_equal(n, 2);
}

/* What blocks something is found behind any number of verdicts that block nothing. */
static void a_verdict_that_enforces_is_not_lost_behind_those_that_detect(void **state)
{
    struct fixture *f = *state;

    add(f, 1, "a", 1);
    renew(f, 1, 1, true, "yara");
    renew(f, 1, 2, true, "yara");
    before(f, 1, 1, true); /* nothing blocked: the first of them */
    renew(f, 1, 3, false, "yara");
    before(f, 1, 1, true);
    renew(f, 1, 4, true, "yara");
    before(f, 1, 3, false);
    renew(f, 1, 5, true, "yara");
    before(f, 1, 3, false);
    now(f, 1, 5, true);
    renew(f, 1, 6, false, "yara");
    before(f, 1, 3, false);
    renew(f, 1, 7, false, "yara");
    before(f, 1, 6, false);
}

static int take_ref(void *arg, const struct id128 *ref)
{
    char *s = arg;
    size_t n = strlen(s);

    s[n] = (char)('0' + ref->b[0]);
    s[n + 1] = '\0';
    return 0;
}

static void renewed_refs(struct fixture *f, const char *expected)
{
    char got[32] = "";
    uint64_t n;

    assert_int_equal(catalog_renewed(f->c, take_ref, got), 0);
    assert_string_equal(got, expected);
    assert_int_equal(catalog_renewed_count(f->c, &n), 0);
    assert_int_equal(n, strlen(expected));
}

static void what_changed_is_listed_once_and_outlives_the_file(void **state)
{
    struct fixture *f = *state;
    static const uint8_t refs[] = {3, 1, 3, 2};
    struct id128 ref, sub = SUB(1);

    add(f, 1, "a", 1);
    renew(f, 1, 1, false, "yara");
    renew(f, 1, 2, false, "yara");
    renewed_refs(f, "");
    for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
        ref = REF(refs[i]);
        assert_int_equal(catalog_renewed_add(f->c, &ref), 0);
    }
    renewed_refs(f, "123");
    assert_int_equal(catalog_submission_end(f->c, &sub, CATALOG_ERASED, 1, 1, 1), 0);
    before(f, 1, -1, false); /* the verdicts are gone with the file */
    renewed_refs(f, "123");
    assert_int_equal(catalog_renewed_clear(f->c), 0);
    renewed_refs(f, "");
}

static void jobs_of_one_who_is_gone_are_free_at_once(void **state)
{
    struct fixture *f = *state;
    struct catalog_scan s[2];
    char turn[CATALOG_ACCOUNT_MAX + 1] = "";
    struct id128 ref = REF(1);
    size_t n;

    add(f, 1, "a", 1);
    assert_int_equal(catalog_scan_add(f->c, &ref, 0, 1), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(catalog_scan_claim(f->c, 10, 1000, turn, s, 2, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(s[0].attempts, 1);
        assert_int_equal(catalog_scan_claim(f->c, 10, 1000, turn, s, 2, &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(catalog_scan_free(f->c), 0);
    }
}

/* A catalog of the second schema: its verdicts enforce, and none was before them. */
static void an_older_catalog_comes_along(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;

    add(f, 1, "a", 1);
    renew(f, 1, 1, false, "yara");
    catalog_close(f->c);
    f->c = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "DROP TABLE verdict_before; DROP TABLE renewed;"
                                  "ALTER TABLE verdict DROP COLUMN detect; PRAGMA user_version = 2",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(catalog_open(&f->c, f->path, &f->e), 0);
    now(f, 1, 1, false);
    before(f, 1, -1, false);
    renew(f, 1, 2, true, "yara");
    now(f, 1, 2, true);
    before(f, 1, 1, false);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_round_meets_each_file_once_and_goes_on_after_a_restart),
        T(what_came_behind_and_what_is_gone),
        T(a_step_of_a_round_is_answered_by_an_index),
        T(the_verdict_before_is_kept),
        T(a_verdict_that_enforces_is_not_lost_behind_those_that_detect),
        T(what_changed_is_listed_once_and_outlives_the_file),
        T(jobs_of_one_who_is_gone_are_free_at_once),
        T(an_older_catalog_comes_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
