/* submission.c - submissions and the totals over them. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog_priv.h"

static bool country_ok(const char *s)
{
    return s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s[2] == '\0';
}

int catalog_submission_add(struct catalog *c, const struct catalog_submission *s)
{
    sqlite3_stmt *st;
    int rc;

    if (s->state != CATALOG_LIVE || !country_ok(s->country))
        return -EINVAL;
    if ((rc = catalog_use(c, SQL_SUB_ADD, &st)) != 0)
        return rc;
    catalog_bind_id(st, 1, &s->sub);
    catalog_bind_id_or_null(st, 2, &s->ref);
    catalog_bind_id_or_null(st, 3, &s->object);
    catalog_bind_blob(st, 4, s->sub_key, sizeof(s->sub_key));
    catalog_bind_text(st, 5, s->country);
    catalog_bind_text(st, 6, s->account);
    catalog_bind_u64(st, 7, s->kind);
    catalog_bind_u64(st, 8, s->scope);
    catalog_bind_u64(st, 9, s->state);
    catalog_bind_digest(st, 10, &s->statement);
    catalog_bind_digest(st, 11, &s->policy);
    catalog_bind_u64(st, 12, (uint64_t)s->accepted);
    catalog_bind_u64(st, 13, (uint64_t)s->ended);
    catalog_bind_u64(st, 14, s->final_epoch);
    catalog_bind_u64(st, 15, s->leaf);
    catalog_bind_u64(st, 16, s->end_leaf);
    return catalog_run(st);
}

static int read_row(sqlite3_stmt *st, struct catalog_submission *s)
{
    uint64_t kind = catalog_col_u64(st, 6), scope = catalog_col_u64(st, 7),
             state = catalog_col_u64(st, 8);

    memset(s, 0, sizeof(*s));
    if (!catalog_col_id(st, 0, &s->sub) || !catalog_col_id(st, 1, &s->ref) ||
        !catalog_col_id(st, 2, &s->object) ||
        !catalog_col_blob(st, 3, s->sub_key, sizeof(s->sub_key)) ||
        !catalog_col_text(st, 4, s->country, sizeof(s->country)) ||
        !catalog_col_text(st, 5, s->account, sizeof(s->account)) ||
        !catalog_col_digest(st, 9, &s->statement) || !catalog_col_digest(st, 10, &s->policy) ||
        kind < CATALOG_FILE || kind > CATALOG_LOOKUP || scope < CATALOG_FILE ||
        scope > CATALOG_LOOKUP || state < CATALOG_LIVE || state > CATALOG_MOVED)
        return -EBADMSG;
    s->kind = (enum catalog_kind)kind;
    s->scope = (enum catalog_kind)scope;
    s->state = (enum catalog_state)state;
    s->accepted = (unix_time)catalog_col_u64(st, 11);
    s->ended = (unix_time)catalog_col_u64(st, 12);
    s->final_epoch = catalog_col_u64(st, 13);
    s->leaf = catalog_col_u64(st, 14);
    s->end_leaf = catalog_col_u64(st, 15);
    return 0;
}

static int get_one(struct catalog *c, enum catalog_statement which, const struct id128 *id,
                   struct catalog_submission *out)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, which, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, id);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    rc = read_row(st, out);
    catalog_done(st);
    return rc;
}

int catalog_submission_get(struct catalog *c, const struct id128 *sub,
                           struct catalog_submission *out)
{
    return get_one(c, SQL_SUB_GET, sub, out);
}

int catalog_submission_by_ref(struct catalog *c, const struct id128 *ref,
                              struct catalog_submission *out)
{
    return get_one(c, SQL_SUB_BY_REF, ref, out);
}

/* -ENOENT: unknown; -EINVAL: known, but its state does not allow it. */
static int why_nothing_changed(struct catalog *c, const struct id128 *sub)
{
    struct catalog_submission s;
    int rc = catalog_submission_get(c, sub, &s);

    return rc == 0 ? -EINVAL : rc;
}

int catalog_submission_withdraw(struct catalog *c, const struct id128 *sub)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SUB_WITHDRAW, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, sub);
    if ((rc = catalog_run(st)) != 0)
        return rc;
    return sqlite3_changes(c->db) == 1 ? 0 : why_nothing_changed(c, sub);
}

static int run_ref(struct catalog *c, enum catalog_statement which, const struct id128 *ref)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, which, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    return catalog_run(st);
}

static int end_row(struct catalog *c, const struct id128 *sub, enum catalog_state state,
                   unix_time now, uint64_t final_epoch, uint64_t end_leaf)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SUB_END, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, sub);
    catalog_bind_u64(st, 2, state);
    catalog_bind_u64(st, 3, (uint64_t)now);
    catalog_bind_u64(st, 4, final_epoch);
    catalog_bind_u64(st, 5, end_leaf);
    return catalog_run(st);
}

int catalog_submission_end(struct catalog *c, const struct id128 *sub, enum catalog_state state,
                           unix_time now, uint64_t final_epoch, uint64_t end_leaf)
{
    struct catalog_submission s;
    bool own_batch = !catalog_in_batch(c);
    int rc;

    if (state != CATALOG_ERASED && state != CATALOG_MOVED)
        return -EINVAL;
    if ((rc = catalog_submission_get(c, sub, &s)) != 0)
        return rc;
    if (s.state != CATALOG_LIVE && s.state != CATALOG_WITHDRAWN)
        return -EINVAL;
    if (own_batch && (rc = catalog_begin(c)) != 0)
        return rc;
    if ((rc = run_ref(c, SQL_SCAN_DONE_REF, &s.ref)) == 0 &&
        (rc = run_ref(c, SQL_VERDICT_DROP, &s.ref)) == 0 &&
        (rc = run_ref(c, SQL_BEFORE_DROP, &s.ref)) == 0 &&
        (rc = run_ref(c, SQL_TREE_DROP, &s.ref)) == 0)
        rc = end_row(c, sub, state, now, final_epoch, end_leaf);
    if (!own_batch)
        return rc;
    if (rc == 0)
        return catalog_commit(c);
    catalog_rollback(c);
    return rc;
}

/* --- lists --- */

int catalog_refs(struct catalog *c, const char *country, catalog_id_fn *fn, void *arg)
{
    struct id128 ref;
    sqlite3_stmt *st;
    int rc = catalog_use(c, country != NULL ? SQL_SUB_REFS_OF : SQL_SUB_REFS, &st);

    if (rc != 0)
        return rc;
    if (country != NULL)
        catalog_bind_text(st, 1, country);
    while ((rc = catalog_step(st)) == 1) {
        rc = catalog_col_id(st, 0, &ref) ? fn(arg, &ref) : -EBADMSG;
        if (rc != 0) {
            catalog_done(st);
            return rc;
        }
    }
    return rc;
}

static int each_row(sqlite3_stmt *st, catalog_submission_fn *fn, void *arg)
{
    struct catalog_submission s;
    int rc;

    while ((rc = catalog_step(st)) == 1) {
        if ((rc = read_row(st, &s)) == 0)
            rc = fn(arg, &s);
        if (rc != 0) {
            catalog_done(st);
            return rc;
        }
    }
    return rc;
}

int catalog_submissions(struct catalog *c, const char *country, catalog_submission_fn *fn,
                        void *arg)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, country != NULL ? SQL_SUB_ALL_OF : SQL_SUB_ALL, &st);

    if (rc != 0)
        return rc;
    if (country != NULL)
        catalog_bind_text(st, 1, country);
    return each_row(st, fn, arg);
}

int catalog_due(struct catalog *c, unix_time before, size_t max, catalog_submission_fn *fn,
                void *arg)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SUB_DUE, &st);

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, (uint64_t)before);
    catalog_bind_u64(st, 2, max);
    return each_row(st, fn, arg);
}

int catalog_account_count(struct catalog *c, const char *account, unix_time since, uint64_t *n)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SUB_COUNT, &st);

    if (rc != 0)
        return rc;
    catalog_bind_text(st, 1, account);
    catalog_bind_u64(st, 2, (uint64_t)since);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -EIO : rc;
    *n = catalog_col_u64(st, 0);
    catalog_done(st);
    return 0;
}

int catalog_totals(struct catalog *c, catalog_total_fn *fn, void *arg)
{
    struct catalog_total t;
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_TOTALS, &st);

    if (rc != 0)
        return rc;
    while ((rc = catalog_step(st)) == 1) {
        memset(&t, 0, sizeof(t));
        t.live = catalog_col_u64(st, 1);
        t.pending = catalog_col_u64(st, 2);
        t.malicious = catalog_col_u64(st, 3);
        t.clean = catalog_col_u64(st, 4);
        t.incomplete = catalog_col_u64(st, 5);
        rc = catalog_col_text(st, 0, t.country, sizeof(t.country)) ? fn(arg, &t) : -EBADMSG;
        if (rc != 0) {
            catalog_done(st);
            return rc;
        }
    }
    return rc;
}
