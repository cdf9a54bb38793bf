/* scan.c - the scan queue.  A job is free, or leased until a time; there is no other state. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog_priv.h"

int catalog_scan_add(struct catalog *c, const struct id128 *ref, int priority, unix_time now)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SCAN_ADD, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    (void)sqlite3_bind_int(st, 2, priority);
    catalog_bind_u64(st, 3, (uint64_t)now);
    if ((rc = catalog_run(st)) != 0)
        return rc;
    return sqlite3_changes(c->db) > 0 ? 0 : -ENOENT;
}

/* The first row's account of a prepared question: -ENOENT if there is none. */
static int one_account(sqlite3_stmt *st, char out[CATALOG_ACCOUNT_MAX + 1])
{
    int rc = catalog_step(st);

    if (rc != 1)
        return rc == 0 ? -ENOENT : rc;
    rc = catalog_col_text(st, 0, out, CATALOG_ACCOUNT_MAX + 1) ? 0 : -EBADMSG;
    catalog_done(st);
    return rc;
}

/* Whose turn it is among those with the most urgent jobs. */
static int next_account(struct catalog *c, unix_time now, char turn[CATALOG_ACCOUNT_MAX + 1])
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SCAN_URGENT, &st), priority;

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, (uint64_t)now);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    priority = sqlite3_column_int(st, 0);
    catalog_done(st);
    if ((rc = catalog_use(c, SQL_SCAN_TURN, &st)) != 0)
        return rc;
    catalog_bind_text(st, 1, turn);
    (void)sqlite3_bind_int(st, 2, priority);
    catalog_bind_u64(st, 3, (uint64_t)now);
    if ((rc = one_account(st, turn)) != -ENOENT)
        return rc;
    if ((rc = catalog_use(c, SQL_SCAN_FIRST, &st)) != 0)
        return rc;
    (void)sqlite3_bind_int(st, 1, priority);
    catalog_bind_u64(st, 2, (uint64_t)now);
    return one_account(st, turn);
}

static int batch_of(struct catalog *c, const char *account, unix_time now, struct catalog_scan *out,
                    size_t max, size_t *n)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SCAN_BATCH, &st);

    if (rc != 0)
        return rc;
    catalog_bind_text(st, 1, account);
    catalog_bind_u64(st, 2, (uint64_t)now);
    catalog_bind_u64(st, 3, max);
    for (*n = 0; (rc = catalog_step(st)) == 1; (*n)++) {
        struct catalog_scan *s = &out[*n];

        s->job = catalog_col_u64(st, 0);
        s->attempts = (uint32_t)catalog_col_u64(st, 3) + 1;
        if (!catalog_col_id(st, 1, &s->ref) || !catalog_col_id(st, 2, &s->object)) {
            catalog_done(st);
            return -EBADMSG;
        }
    }
    return rc;
}

static int lease(struct catalog *c, uint64_t job, unix_time until)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SCAN_LEASE, &st);

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, job);
    catalog_bind_u64(st, 2, (uint64_t)until);
    return catalog_run(st);
}

int catalog_scan_claim(struct catalog *c, unix_time now, unix_time lease_until,
                       char turn[CATALOG_ACCOUNT_MAX + 1], struct catalog_scan *out, size_t max,
                       size_t *n)
{
    bool own_batch = !catalog_in_batch(c);
    int rc;

    *n = 0;
    if (lease_until <= now || max == 0)
        return -EINVAL;
    if (own_batch && (rc = catalog_begin(c)) != 0)
        return rc;
    if ((rc = next_account(c, now, turn)) == 0)
        rc = batch_of(c, turn, now, out, max, n);
    for (size_t i = 0; rc == 0 && i < *n; i++)
        rc = lease(c, out[i].job, lease_until);
    if (rc == -ENOENT)
        rc = 0; /* an empty queue */
    if (rc == 0 && own_batch)
        rc = catalog_commit(c);
    if (rc != 0) {
        *n = 0;
        if (own_batch)
            catalog_rollback(c);
    }
    return rc;
}

static int run_job(struct catalog *c, enum catalog_statement which, uint64_t job)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, which, &st);

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, job);
    return catalog_run(st);
}

int catalog_scan_done(struct catalog *c, uint64_t job)
{
    return run_job(c, SQL_SCAN_DONE, job);
}

int catalog_scan_release(struct catalog *c, uint64_t job)
{
    return run_job(c, SQL_SCAN_RELEASE, job);
}

int catalog_scan_unclaim(struct catalog *c, uint64_t job)
{
    return run_job(c, SQL_SCAN_UNCLAIM, job);
}

int catalog_scan_done_ref(struct catalog *c, const struct id128 *ref)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SCAN_DONE_REF, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    return catalog_run(st);
}

int catalog_scan_free(struct catalog *c)
{
    return catalog_exec(c, SQL_SCAN_FREE);
}

int catalog_scan_pending(struct catalog *c, uint64_t *n)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_SCAN_COUNT, &st);

    if (rc != 0)
        return rc;
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -EIO : rc;
    *n = catalog_col_u64(st, 0);
    catalog_done(st);
    return 0;
}
