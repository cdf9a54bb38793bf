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

static void reopen(struct fixture *f)
{
    catalog_close(f->c);
    f->c = NULL;
    assert_int_equal(catalog_open(&f->c, f->path, &f->e), 0);
}

static struct id128 id(uint8_t kind, uint8_t n)
{
    struct id128 i = {{0}};

    i.b[0] = n;
    i.b[15] = kind;
    return i;
}
#define SUB(n) id(1, n)
#define REF(n) id(2, n)
#define OBJ(n) id(3, n)

static struct catalog_submission sample(uint8_t n, const char *country, const char *account)
{
    struct catalog_submission s;

    memset(&s, 0, sizeof(s));
    s.sub = SUB(n);
    s.ref = REF(n);
    s.object = OBJ(n);
    memset(s.sub_key, n, sizeof(s.sub_key));
    (void)snprintf(s.country, sizeof(s.country), "%s", country);
    (void)snprintf(s.account, sizeof(s.account), "%s", account);
    s.kind = s.scope = CATALOG_FILE;
    s.state = CATALOG_LIVE;
    memset(&s.statement, 0x51, sizeof(s.statement));
    memset(&s.policy, 0x52, sizeof(s.policy));
    s.accepted = 1000 + n;
    s.leaf = n;
    s.end_leaf = CATALOG_NO_LEAF;
    return s;
}

static void add(struct fixture *f, uint8_t n, const char *country, const char *account)
{
    struct catalog_submission s = sample(n, country, account);

    assert_int_equal(catalog_submission_add(f->c, &s), 0);
}

static void a_submission_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct catalog_submission s = sample(7, "CA", "acct-1"), got;
    struct id128 other = SUB(8);

    assert_int_equal(catalog_submission_add(f->c, &s), 0);
    reopen(f);
    assert_int_equal(catalog_submission_get(f->c, &s.sub, &got), 0);
    assert_memory_equal(&got.sub, &s.sub, 16);
    assert_memory_equal(&got.ref, &s.ref, 16);
    assert_memory_equal(&got.object, &s.object, 16);
    assert_memory_equal(got.sub_key, s.sub_key, 32);
    assert_string_equal(got.country, "CA");
    assert_string_equal(got.account, "acct-1");
    assert_int_equal(got.kind, CATALOG_FILE);
    assert_int_equal(got.state, CATALOG_LIVE);
    assert_memory_equal(&got.statement, &s.statement, 32);
    assert_memory_equal(&got.policy, &s.policy, 32);
    assert_int_equal(got.accepted, 1007);
    assert_int_equal(got.leaf, 7);
    assert_true(got.end_leaf == CATALOG_NO_LEAF);
    assert_int_equal(catalog_submission_by_ref(f->c, &s.ref, &got), 0);
    assert_memory_equal(&got.sub, &s.sub, 16);
    assert_int_equal(catalog_submission_get(f->c, &other, &got), -ENOENT);
    assert_int_equal(catalog_submission_add(f->c, &s), -EEXIST);
    s.sub = SUB(8); /* the ref is taken too */
    assert_int_equal(catalog_submission_add(f->c, &s), -EEXIST);
    s.ref = REF(8);
    s.country[0] = 'c';
    assert_int_equal(catalog_submission_add(f->c, &s), -EINVAL);
}

static void an_end_takes_away_what_must_die(void **state)
{
    struct fixture *f = *state;
    struct id128 none = {{0}}, sub = SUB(1), ref = REF(1), moved = SUB(2);
    struct catalog_submission got;
    struct catalog_verdict v = {.ref = ref, .engine = "yara", .verdict = CATALOG_CLEAN};
    uint64_t n;

    add(f, 1, "CA", "acct");
    add(f, 2, "US", "acct");
    assert_int_equal(catalog_scan_add(f->c, &ref, 0, 1), 0);
    assert_int_equal(catalog_verdict_put(f->c, &v), 0);
    assert_int_equal(catalog_submission_withdraw(f->c, &sub), 0);
    assert_int_equal(catalog_submission_withdraw(f->c, &sub), -EINVAL);
    assert_int_equal(catalog_submission_end(f->c, &sub, CATALOG_LIVE, 5, 6, 7), -EINVAL);
    assert_int_equal(catalog_submission_end(f->c, &sub, CATALOG_ERASED, 5, 6, 7), 0);
    assert_int_equal(catalog_submission_end(f->c, &sub, CATALOG_ERASED, 5, 6, 7), -EINVAL);
    assert_int_equal(catalog_submission_get(f->c, &sub, &got), 0);
    assert_int_equal(got.state, CATALOG_ERASED);
    assert_memory_equal(&got.ref, &none, 16);
    assert_memory_equal(&got.object, &none, 16);
    assert_string_equal(got.country, "");
    assert_string_equal(got.account, "");
    assert_int_equal(got.ended, 5);
    assert_int_equal(got.final_epoch, 6);
    assert_int_equal(got.end_leaf, 7);
    assert_int_equal(catalog_submission_by_ref(f->c, &ref, &got), -ENOENT);
    assert_int_equal(catalog_scan_pending(f->c, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(catalog_submission_end(f->c, &moved, CATALOG_MOVED, 5, 6, 7), 0);
    assert_int_equal(catalog_submission_get(f->c, &moved, &got), 0);
    assert_string_equal(got.country, "US");
    assert_string_equal(got.account, "");
}

struct list {
    uint8_t n[32];
    size_t count;
};

static int take_ref(void *arg, const struct id128 *ref)
{
    struct list *l = arg;

    l->n[l->count++] = ref->b[0];
    return 0;
}

static int take_sub(void *arg, const struct catalog_submission *s)
{
    struct list *l = arg;

    l->n[l->count++] = s->sub.b[0];
    return 0;
}

static void inventories_are_sorted_and_complete(void **state)
{
    static const uint8_t canada[] = {1, 3, 9}, all[] = {1, 2, 3, 4, 9};
    struct fixture *f = *state;
    struct id128 gone = SUB(5), waiting = SUB(3);
    struct list l = {{0}, 0}, m = {{0}, 0};

    add(f, 9, "CA", "a");
    add(f, 2, "US", "a");
    add(f, 1, "CA", "b");
    add(f, 5, "CA", "a");
    add(f, 3, "CA", "a");
    add(f, 4, "CH", "a");
    assert_int_equal(catalog_submission_end(f->c, &gone, CATALOG_ERASED, 1, 1, 1), 0);
    assert_int_equal(catalog_submission_withdraw(f->c, &waiting), 0);
    assert_int_equal(catalog_refs(f->c, "CA", take_ref, &l), 0);
    assert_int_equal(l.count, 3);
    assert_memory_equal(l.n, canada, 3);
    assert_int_equal(catalog_refs(f->c, NULL, take_ref, &m), 0);
    assert_int_equal(m.count, 5);
    assert_memory_equal(m.n, all, 5);
    l.count = 0;
    assert_int_equal(catalog_submissions(f->c, "CA", take_sub, &l), 0);
    assert_int_equal(l.count, 3);
    assert_memory_equal(l.n, canada, 3); /* accepted grows with n */
    l.count = 0;
    assert_int_equal(catalog_due(f->c, 1002, 10, take_sub, &l), 0);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.n[0], 3); /* withdrawn */
    assert_int_equal(l.n[1], 1); /* too old */
}

static void an_account_is_counted_since_a_time(void **state)
{
    struct fixture *f = *state;
    struct id128 gone = SUB(3);
    uint64_t n;

    for (uint8_t i = 1; i <= 5; i++)
        add(f, i, "CA", i == 5 ? "other" : "mine");
    assert_int_equal(catalog_submission_end(f->c, &gone, CATALOG_ERASED, 1, 1, 1), 0);
    assert_int_equal(catalog_account_count(f->c, "mine", 1002, &n), 0);
    assert_int_equal(n, 2); /* 2 and 4 */
}

static void a_claim_is_of_one_account_and_runs_out(void **state)
{
    struct fixture *f = *state;
    char turn[CATALOG_ACCOUNT_MAX + 1] = "";
    struct catalog_scan s[8];
    struct id128 ref;
    uint64_t pending;
    size_t n;

    for (uint8_t i = 1; i <= 6; i++) {
        add(f, i, "CA", i % 2 == 0 ? "even" : "odd");
        ref = REF(i);
        assert_int_equal(catalog_scan_add(f->c, &ref, i == 4 ? 5 : 0, i), 0);
    }
    ref = REF(99);
    assert_int_equal(catalog_scan_add(f->c, &ref, 0, 1), -ENOENT);
    /* the most urgent is 4, so the account is "even" */
    assert_int_equal(catalog_scan_claim(f->c, 100, 200, turn, s, 2, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(s[0].ref.b[0], 4);
    assert_int_equal(s[1].ref.b[0], 2);
    assert_int_equal(s[0].object.b[0], 4);
    assert_int_equal(s[0].attempts, 1);
    assert_int_equal(catalog_scan_done(f->c, s[0].job), 0);
    assert_int_equal(catalog_scan_claim(f->c, 100, 200, turn, s, 8, &n), 0);
    assert_int_equal(n, 3); /* all of "odd" */
    assert_int_equal(s[2].ref.b[0], 5);
    assert_int_equal(catalog_scan_release(f->c, s[2].job), 0);
    assert_int_equal(catalog_scan_claim(f->c, 100, 200, turn, s, 8, &n), 0);
    assert_int_equal(n, 1); /* 5 or 6, one account: "even" is next, although 5 is older */
    assert_int_equal(s[0].ref.b[0], 6);
    assert_int_equal(catalog_scan_unclaim(f->c, s[0].job), 0);
    assert_int_equal(catalog_scan_claim(f->c, 100, 200, turn, s, 8, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(s[0].ref.b[0], 5);
    assert_int_equal(s[0].attempts, 2);
    assert_int_equal(catalog_scan_claim(f->c, 100, 200, turn, s, 8, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(s[0].ref.b[0], 6);
    assert_int_equal(catalog_scan_unclaim(f->c, s[0].job), 0); /* it was never tried */
    assert_int_equal(catalog_scan_claim(f->c, 100, 200, turn, s, 8, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(s[0].ref.b[0], 6);
    assert_int_equal(s[0].attempts, 1);
    assert_int_equal(catalog_scan_claim(f->c, 199, 300, turn, s, 8, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(catalog_scan_claim(f->c, 200, 300, turn, s, 8, &n), 0);
    assert_int_equal(n, 3); /* the leases ran out */
    ref = REF(2);
    assert_int_equal(catalog_scan_done_ref(f->c, &ref), 0);
    assert_int_equal(catalog_scan_done_ref(f->c, &ref), 0);
    assert_int_equal(catalog_scan_pending(f->c, &pending), 0);
    assert_int_equal(pending, 4);
}

static void accounts_take_turns_whatever_their_queues(void **state)
{
    static const char *const want[] = {"big", "mid", "one", "big", "mid", "big"};
    struct fixture *f = *state;
    char turn[CATALOG_ACCOUNT_MAX + 1] = "";
    struct catalog_scan s[8];
    struct id128 ref;
    size_t n;

    for (uint8_t i = 1; i <= 120; i++) {
        add(f, i, "CA", i == 120 ? "one" : i > 100 ? "mid" : "big");
        ref = REF(i);
        assert_int_equal(catalog_scan_add(f->c, &ref, 0, i), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(catalog_scan_claim(f->c, 500, 900, turn, s, 8, &n), 0);
        assert_string_equal(turn, want[i]);
        assert_int_equal(n, i == 2 ? 1 : 8);
    }
}

static int take_verdict(void *arg, const struct catalog_verdict *v)
{
    struct list *l = arg;

    l->n[l->count++] = (uint8_t)v->verdict;
    if (v->sealed.n > 0)
        assert_memory_equal(v->sealed.p, "opaque", 6);
    return 0;
}

static void what_a_file_held_goes_with_its_submission(void **state)
{
    struct fixture *f = *state;
    struct id128 ref = REF(1), sub = SUB(1), none = REF(9);
    struct buf b;

    buf_init(&b, 64);
    add(f, 1, "CA", "a");
    assert_int_equal(catalog_tree_get(f->c, &ref, &b), -ENOENT);
    assert_int_equal(catalog_tree_put(f->c, &ref, span_str("first")), 0);
    assert_int_equal(catalog_tree_put(f->c, &ref, span_str("second")), 0);
    assert_int_equal(catalog_tree_put(f->c, &none, span_str("x")), -ENOENT);
    assert_int_equal(catalog_tree_get(f->c, &ref, &b), 0);
    assert_true(span_is(buf_span(&b), "second"));
    assert_int_equal(catalog_submission_end(f->c, &sub, CATALOG_ERASED, 1, 1, 1), 0);
    buf_reset(&b);
    assert_int_equal(catalog_tree_get(f->c, &ref, &b), -ENOENT);
    buf_free(&b);
}

static int take_total(void *arg, const struct catalog_total *t)
{
    static const struct catalog_total want[] = {{"CA", 3, 1, 1, 0, 1}, {"US", 1, 0, 0, 1, 0}};
    struct list *l = arg;
    const struct catalog_total *w = &want[l->count++];

    assert_string_equal(t->country, w->country);
    assert_int_equal(t->live, w->live);
    assert_int_equal(t->pending, w->pending);
    assert_int_equal(t->malicious, w->malicious);
    assert_int_equal(t->clean, w->clean);
    assert_int_equal(t->incomplete, w->incomplete);
    return 0;
}

static void verdicts_are_kept_found_and_counted(void **state)
{
    struct fixture *f = *state;
    struct catalog_verdict v = {.engine = "yara", .reason = "none"}, got;
    struct catalog_submission theirs = sample(5, "US", "b");
    struct id128 o = OBJ(4);
    struct list l = {{0}, 0};
    struct buf sealed;

    for (uint8_t i = 1; i <= 3; i++)
        add(f, i, "CA", "a");
    add(f, 4, "US", "a");
    v.sealed = span_str("opaque");
    v.ref = REF(1);
    v.verdict = CATALOG_CLEAN;
    assert_int_equal(catalog_verdict_put(f->c, &v), 0);
    v.verdict = CATALOG_MALICIOUS; /* replaces the first */
    assert_int_equal(catalog_verdict_put(f->c, &v), 0);
    (void)snprintf(v.engine, sizeof(v.engine), "hashes");
    v.verdict = CATALOG_CLEAN; /* malicious wins over the other engine */
    assert_int_equal(catalog_verdict_put(f->c, &v), 0);
    v.ref = REF(2);
    v.verdict = CATALOG_INCOMPLETE; /* incomplete wins over clean */
    assert_int_equal(catalog_verdict_put(f->c, &v), 0);
    (void)snprintf(v.engine, sizeof(v.engine), "yara");
    v.verdict = CATALOG_CLEAN;
    assert_int_equal(catalog_verdict_put(f->c, &v), 0);
    v.ref = REF(4);
    assert_int_equal(catalog_verdict_put(f->c, &v), 0);
    v.ref = REF(9);
    assert_int_equal(catalog_verdict_put(f->c, &v), -ENOENT);

    v.ref = REF(1);
    assert_int_equal(catalog_verdicts(f->c, &v.ref, take_verdict, &l), 0);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.n[0], CATALOG_CLEAN); /* "hashes" */
    assert_int_equal(l.n[1], CATALOG_MALICIOUS);
    buf_init(&sealed, 64);
    assert_int_equal(catalog_verdict_of_object(f->c, &o, &v.ref, "yara", &v.release, &got, &sealed),
                     0);
    assert_int_equal(got.verdict, CATALOG_CLEAN);
    assert_int_equal(got.ref.b[0], 4);
    assert_int_equal(got.sealed.n, 0);
    assert_true(span_is(buf_span(&sealed), "opaque"));
    buf_free(&sealed);
    v.release.b[0] = 1;
    assert_int_equal(catalog_verdict_of_object(f->c, &o, &v.ref, "yara", &v.release, &got, NULL),
                     -ENOENT);
    l.count = 0;
    assert_int_equal(catalog_totals(f->c, take_total, &l), 0);
    assert_int_equal(l.count, 2);
    v.release.b[0] = 0;
    theirs.object = o; /* the same bytes; what a was told b is not */
    assert_int_equal(catalog_submission_add(f->c, &theirs), 0);
    v.ref = theirs.ref;
    assert_int_equal(catalog_verdict_of_object(f->c, &o, &v.ref, "yara", &v.release, &got, NULL),
                     -ENOENT);
}

static int take_item(void *arg, const struct id128 *sub, bool done)
{
    struct list *l = arg;

    l->n[l->count++] = (uint8_t)(sub->b[0] * 2 + done);
    return 0;
}

static int count_move(void *arg, const struct catalog_move *m)
{
    *(size_t *)arg += m->move.b[0];
    return 0;
}

static void a_move_and_its_items_are_kept(void **state)
{
    struct fixture *f = *state;
    struct catalog_move m = {.move = id(4, 1),
                             .country = "CA",
                             .from = "mow1",
                             .to = "zrh1",
                             .state = CATALOG_MOVE_OPENED,
                             .cut = 10,
                             .leaf = 17,
                             .count = 2},
                        got;
    struct id128 a = SUB(1), b = SUB(2);
    struct list l = {{0}, 0};
    size_t sum = 0;

    memset(&m.salt, 0x77, sizeof(m.salt));
    assert_int_equal(catalog_move_get(f->c, &m.move, &got), -ENOENT);
    assert_int_equal(catalog_move_put(f->c, &m), 0);
    assert_int_equal(catalog_move_item_put(f->c, &m.move, &a, false), 0);
    assert_int_equal(catalog_move_item_put(f->c, &m.move, &b, false), 0);
    assert_int_equal(catalog_move_item_put(f->c, &m.move, &b, true), 0);
    assert_int_equal(catalog_move_get(f->c, &m.move, &got), 0);
    assert_string_equal(got.from, "mow1");
    assert_string_equal(got.to, "zrh1");
    assert_int_equal(got.cut, 10);
    assert_int_equal(got.leaf, 17);
    assert_memory_equal(&got.salt, &m.salt, 32);
    assert_int_equal(catalog_move_items(f->c, &m.move, false, take_item, &l), 0);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.n[1], 5);
    l.count = 0;
    assert_int_equal(catalog_move_items(f->c, &m.move, true, take_item, &l), 0);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.n[0], 2);
    assert_int_equal(catalog_moves(f->c, count_move, &sum), 0);
    assert_int_equal(sum, 1);
}

static void a_batch_is_kept_or_lost_whole(void **state)
{
    struct fixture *f = *state;
    struct vault_index *x = catalog_index(f->c);
    struct catalog_submission got;
    struct id128 sub = SUB(1), object = OBJ(1);
    struct buf b;
    uint64_t seq;

    buf_init(&b, 100);
    assert_int_equal(catalog_begin(f->c), 0);
    assert_int_equal(catalog_begin(f->c), -EINVAL);
    add(f, 1, "CA", "a");
    assert_int_equal(x->ops->begin(x), 0); /* joins */
    assert_int_equal(x->ops->put_object(x, &object, span_str("e")), 0);
    assert_int_equal(x->ops->commit(x, 4), 0);
    assert_int_equal(catalog_set_applied(f->c, 4), 0);
    catalog_rollback(f->c);
    assert_int_equal(catalog_submission_get(f->c, &sub, &got), -ENOENT);
    assert_int_equal(x->ops->find_object(x, &object, &b), -ENOENT);
    assert_int_equal(x->ops->applied(x, &seq), 0);
    assert_int_equal(seq, 0);
    assert_int_equal(catalog_commit(f->c), -EINVAL);

    assert_int_equal(catalog_begin(f->c), 0);
    add(f, 1, "CA", "a");
    assert_int_equal(x->ops->begin(x), 0);
    assert_int_equal(x->ops->put_object(x, &object, span_str("e")), 0);
    x->ops->rollback(x); /* only its own part */
    assert_int_equal(catalog_set_applied(f->c, 4), 0);
    assert_int_equal(catalog_commit(f->c), 0);
    reopen(f);
    assert_int_equal(catalog_submission_get(f->c, &sub, &got), 0);
    x = catalog_index(f->c);
    assert_int_equal(x->ops->find_object(x, &object, &b), -ENOENT);
    assert_int_equal(catalog_applied(f->c, &seq), 0);
    assert_int_equal(seq, 4);
    buf_free(&b);
}

static int take_value(void *arg, const char *name, struct span value)
{
    struct list *l = arg;

    assert_memory_equal(name, "statement.", 10);
    l->n[l->count++] = value.p[0];
    return value.p[0] == 'x' ? -EIO : 0;
}

static void values_are_listed_by_prefix(void **state)
{
    struct fixture *f = *state;
    struct list l = {{0}, 0};

    assert_int_equal(catalog_value_put(f->c, "statement.b", span_str("2")), 0);
    assert_int_equal(catalog_value_put(f->c, "statement.a", span_str("1")), 0);
    assert_int_equal(catalog_value_put(f->c, "statement", span_str("0")), 0);
    assert_int_equal(catalog_value_put(f->c, "statement_c", span_str("0")), 0);
    assert_int_equal(catalog_values(f->c, "statement.", take_value, &l), 0);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.n[0], '1');
    assert_int_equal(l.n[1], '2');
    assert_int_equal(catalog_value_put(f->c, "statement.a", span_str("x")), 0);
    assert_int_equal(catalog_values(f->c, "statement.", take_value, &l), -EIO);
    assert_int_equal(catalog_values(f->c, "none.", take_value, &l), 0);
}

static void values_are_kept_by_name(void **state)
{
    struct fixture *f = *state;
    struct buf b;

    buf_init(&b, 10);
    assert_int_equal(catalog_value_get(f->c, "x", &b), -ENOENT);
    assert_int_equal(catalog_value_put(f->c, "x", span_str("one")), 0);
    assert_int_equal(catalog_value_put(f->c, "x", span_str("two")), 0);
    assert_int_equal(catalog_value_get(f->c, "x", &b), 0);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "two", 3);
    assert_int_equal(catalog_value_put(f->c, "x", span_str("far too long")), 0);
    assert_int_equal(catalog_value_get(f->c, "x", &b), -E2BIG);
    buf_free(&b);
}

static void plain_sql(const char *path, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_newer_schema_is_refused_in_words(void **state)
{
    struct fixture *f = *state;

    catalog_close(f->c);
    f->c = NULL;
    plain_sql(f->path, "PRAGMA user_version = 4");
    assert_int_equal(catalog_open(&f->c, f->path, &f->e), -EINVAL);
    assert_non_null(strstr(err_text(&f->e), "schema 4, this program knows up to 3"));
    plain_sql(f->path, "PRAGMA user_version = 3");
    assert_int_equal(catalog_open(&f->c, f->path, &f->e), 0);
}

static void an_interrupted_creation_starts_again(void **state)
{
    struct fixture *f = *state;
    struct catalog_submission s = sample(1, "CA", "a");

    catalog_close(f->c);
    f->c = NULL;
    assert_int_equal(unlink(f->path), 0);
    plain_sql(f->path, "PRAGMA user_version = 0"); /* a file without tables */
    assert_int_equal(catalog_open(&f->c, f->path, &f->e), 0);
    assert_int_equal(catalog_submission_add(f->c, &s), 0);
}

static void what_is_no_database_is_refused(void **state)
{
    struct fixture *f = *state;
    char wal[100];
    FILE *file;

    catalog_close(f->c);
    f->c = NULL;
    (void)snprintf(wal, sizeof(wal), "%s-wal", f->path); /* else SQLite repairs it from there */
    assert_int_equal(unlink(wal), 0);
    file = fopen(f->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        (void)fputs("this is not a database\n", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(catalog_open(&f->c, f->path, &f->e), -EBADMSG);
}

static void the_file_is_for_its_owner_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_submission_comes_back_as_it_was),
        T(an_end_takes_away_what_must_die),
        T(inventories_are_sorted_and_complete),
        T(an_account_is_counted_since_a_time),
        T(a_claim_is_of_one_account_and_runs_out),
        T(accounts_take_turns_whatever_their_queues),
        T(what_a_file_held_goes_with_its_submission),
        T(verdicts_are_kept_found_and_counted),
        T(a_move_and_its_items_are_kept),
        T(a_batch_is_kept_or_lost_whole),
        T(values_are_kept_by_name),
        T(values_are_listed_by_prefix),
        T(a_newer_schema_is_refused_in_words),
        T(an_interrupted_creation_starts_again),
        T(what_is_no_database_is_refused),
        T(the_file_is_for_its_owner_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
