/* rescan.c - files that are scanned again: where a round is, which verdicts changed, what they were
 * before. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog_priv.h"

/* Fills out with what the cursor's account has behind it, at most max. */
static int rows_of(struct catalog *c, struct catalog_cursor *at, struct catalog_again *out,
                   size_t max, size_t *n)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_AGAIN_NEXT, &st);

    if (rc != 0)
        return rc;
    catalog_bind_text(st, 1, at->account);
    catalog_bind_u64(st, 2, at->accepted);
    catalog_bind_u64(st, 3, at->row);
    catalog_bind_u64(st, 4, max);
    for (*n = 0; (rc = catalog_step(st)) == 1; (*n)++) {
        struct catalog_again *a = &out[*n];

        memset(a, 0, sizeof(*a));
        a->at = *at;
        a->at.row = catalog_col_u64(st, 0);
        a->at.accepted = catalog_col_u64(st, 3);
        a->scanned = sqlite3_column_type(st, 4) != SQLITE_NULL;
        if (!catalog_col_id(st, 1, &a->ref) || !catalog_col_id(st, 2, &a->object) ||
            (a->scanned && (!catalog_col_text(st, 4, a->engine, sizeof(a->engine)) ||
                            !catalog_col_digest(st, 5, &a->release)))) {
            catalog_done(st);
            return -EBADMSG;
        }
        a->detect = catalog_col_u64(st, 6) != 0;
    }
    return rc;
}

static int next_account(struct catalog *c, struct catalog_cursor *at)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_AGAIN_ACCOUNT, &st);

    if (rc != 0)
        return rc;
    catalog_bind_text(st, 1, at->account);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    memset(at, 0, sizeof(*at));
    rc = catalog_col_text(st, 0, at->account, sizeof(at->account)) ? 0 : -EBADMSG;
    catalog_done(st);
    return rc;
}

int catalog_again_next(struct catalog *c, const struct catalog_cursor *from,
                       struct catalog_again *out, size_t max, size_t *n)
{
    struct catalog_cursor at = *from;
    int rc = 0;

    *n = 0;
    if (at.account[0] != '\0')
        rc = rows_of(c, &at, out, max, n);
    while (rc == 0 && *n == 0 && (rc = next_account(c, &at)) == 0)
        rc = rows_of(c, &at, out, max, n);
    return rc == -ENOENT ? 0 : rc;
}

/* --- verdicts that changed --- */

static int with_ref(struct catalog *c, enum catalog_statement which, const struct id128 *ref)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, which, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    return catalog_run(st);
}

int catalog_verdict_renew(struct catalog *c, const struct catalog_verdict *v)
{
    bool own_batch = !catalog_in_batch(c);
    int rc;

    if (own_batch && (rc = catalog_begin(c)) != 0)
        return rc;
    if ((rc = with_ref(c, SQL_BEFORE_KEEP, &v->ref)) == 0 &&
        (rc = with_ref(c, SQL_VERDICT_DROP, &v->ref)) == 0)
        rc = catalog_verdict_put(c, v);
    if (!own_batch)
        return rc;
    if (rc == 0)
        return catalog_commit(c);
    catalog_rollback(c);
    return rc;
}

int catalog_verdict_before(struct catalog *c, const struct id128 *ref, struct catalog_verdict *out,
                           struct buf *sealed)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_BEFORE_GET, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    if ((rc = catalog_verdict_row(st, out)) == 0)
        rc = buf_put(sealed, out->sealed.p, out->sealed.n);
    out->sealed = span_of(NULL, 0);
    catalog_done(st);
    return rc;
}

static int counted(struct catalog *c, enum catalog_statement which, uint64_t *n)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, which, &st);

    if (rc != 0)
        return rc;
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -EIO : rc;
    *n = catalog_col_u64(st, 0);
    catalog_done(st);
    return 0;
}

int catalog_judged(struct catalog *c, uint64_t *n)
{
    return counted(c, SQL_VERDICT_COUNT, n);
}

int catalog_renewed_add(struct catalog *c, const struct id128 *ref)
{
    return with_ref(c, SQL_RENEWED_ADD, ref);
}

int catalog_renewed_count(struct catalog *c, uint64_t *n)
{
    return counted(c, SQL_RENEWED_COUNT, n);
}

int catalog_renewed(struct catalog *c, catalog_id_fn *fn, void *arg)
{
    struct id128 ref;
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_RENEWED_ALL, &st);

    if (rc != 0)
        return rc;
    while ((rc = catalog_step(st)) == 1) {
        rc = catalog_col_id(st, 0, &ref) ? fn(arg, &ref) : -EBADMSG;
        if (rc != 0) {
            catalog_done(st);
            return rc;
        }
    }
    return rc;
}

int catalog_renewed_clear(struct catalog *c)
{
    return catalog_exec(c, SQL_RENEWED_CLEAR);
}
