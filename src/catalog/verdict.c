/* verdict.c - what engines said. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog_priv.h"

int catalog_verdict_put(struct catalog *c, const struct catalog_verdict *v)
{
    sqlite3_stmt *st;
    int rc;

    if (v->sealed.n > CATALOG_SEALED_MAX)
        return -E2BIG;
    if ((rc = catalog_use(c, SQL_VERDICT_PUT, &st)) != 0)
        return rc;
    catalog_bind_id(st, 1, &v->ref);
    catalog_bind_text(st, 2, v->engine);
    catalog_bind_digest(st, 3, &v->release);
    catalog_bind_u64(st, 4, v->verdict);
    catalog_bind_text(st, 5, v->reason);
    catalog_bind_u64(st, 6, v->hits);
    catalog_bind_u64(st, 7, (uint64_t)v->at);
    catalog_bind_blob(st, 8, v->sealed.p, v->sealed.n);
    catalog_bind_u64(st, 9, v->detect);
    if ((rc = catalog_run(st)) != 0)
        return rc;
    return sqlite3_changes(c->db) > 0 ? 0 : -ENOENT;
}

int catalog_verdict_row(sqlite3_stmt *st, struct catalog_verdict *v)
{
    uint64_t word = catalog_col_u64(st, 3);

    memset(v, 0, sizeof(*v));
    if (!catalog_col_id(st, 0, &v->ref) || !catalog_col_text(st, 1, v->engine, sizeof(v->engine)) ||
        !catalog_col_digest(st, 2, &v->release) || word < CATALOG_MALICIOUS ||
        word > CATALOG_INCOMPLETE || !catalog_col_text(st, 4, v->reason, sizeof(v->reason)))
        return -EBADMSG;
    v->verdict = (enum catalog_verdict_word)word;
    v->hits = (uint32_t)catalog_col_u64(st, 5);
    v->at = (unix_time)catalog_col_u64(st, 6);
    v->sealed = span_of(sqlite3_column_blob(st, 7), (size_t)sqlite3_column_bytes(st, 7));
    v->detect = catalog_col_u64(st, 8) != 0;
    return 0;
}

int catalog_verdicts(struct catalog *c, const struct id128 *ref, catalog_verdict_fn *fn, void *arg)
{
    struct catalog_verdict v;
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_VERDICT_GET, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    while ((rc = catalog_step(st)) == 1) {
        if ((rc = catalog_verdict_row(st, &v)) == 0)
            rc = fn(arg, &v);
        if (rc != 0) {
            catalog_done(st);
            return rc;
        }
    }
    return rc;
}

int catalog_verdict_of_object(struct catalog *c, const struct id128 *object,
                              const struct id128 *ref, const char *engine,
                              const struct digest *release, struct catalog_verdict *out,
                              struct buf *sealed)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_VERDICT_OF_OBJECT, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, object);
    catalog_bind_text(st, 2, engine);
    catalog_bind_digest(st, 3, release);
    catalog_bind_id(st, 4, ref);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    rc = catalog_verdict_row(st, out);
    if (rc == 0 && sealed != NULL)
        rc = buf_put(sealed, out->sealed.p, out->sealed.n);
    out->sealed = span_of(NULL, 0);
    catalog_done(st);
    return rc;
}

int catalog_tree_put(struct catalog *c, const struct id128 *ref, struct span sealed)
{
    sqlite3_stmt *st;
    int rc;

    if (sealed.n > CATALOG_TREE_MAX)
        return -E2BIG;
    if ((rc = catalog_use(c, SQL_TREE_PUT, &st)) != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    catalog_bind_blob(st, 2, sealed.p, sealed.n);
    if ((rc = catalog_run(st)) != 0)
        return rc;
    return sqlite3_changes(c->db) > 0 ? 0 : -ENOENT;
}

int catalog_tree_get(struct catalog *c, const struct id128 *ref, struct buf *out)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_TREE_GET, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    rc = buf_put(out, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
    catalog_done(st);
    return rc;
}
