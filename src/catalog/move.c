/* move.c - moves of a country and the submissions they take along. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog_priv.h"

int catalog_move_put(struct catalog *c, const struct catalog_move *m)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_MOVE_PUT, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, &m->move);
    catalog_bind_text(st, 2, m->country);
    catalog_bind_text(st, 3, m->from);
    catalog_bind_text(st, 4, m->to);
    catalog_bind_u64(st, 5, m->state);
    catalog_bind_digest(st, 6, &m->policy);
    catalog_bind_digest(st, 7, &m->doc);
    catalog_bind_digest(st, 8, &m->set_root);
    catalog_bind_digest(st, 9, &m->salt);
    catalog_bind_u64(st, 10, m->cut);
    catalog_bind_u64(st, 11, m->count);
    catalog_bind_u64(st, 12, m->done);
    catalog_bind_u64(st, 13, m->epoch);
    catalog_bind_u64(st, 14, (uint64_t)m->opened);
    catalog_bind_u64(st, 15, (uint64_t)m->closed);
    catalog_bind_u64(st, 16, m->leaf);
    return catalog_run(st);
}

static int read_row(sqlite3_stmt *st, struct catalog_move *m)
{
    uint64_t state = catalog_col_u64(st, 4);

    memset(m, 0, sizeof(*m));
    if (!catalog_col_id(st, 0, &m->move) ||
        !catalog_col_text(st, 1, m->country, sizeof(m->country)) ||
        !catalog_col_text(st, 2, m->from, sizeof(m->from)) ||
        !catalog_col_text(st, 3, m->to, sizeof(m->to)) || state < CATALOG_MOVE_OPENED ||
        state > CATALOG_MOVE_CLOSED || !catalog_col_digest(st, 5, &m->policy) ||
        !catalog_col_digest(st, 6, &m->doc) || !catalog_col_digest(st, 7, &m->set_root) ||
        !catalog_col_digest(st, 8, &m->salt))
        return -EBADMSG;
    m->state = (enum catalog_move_state)state;
    m->cut = catalog_col_u64(st, 9);
    m->count = catalog_col_u64(st, 10);
    m->done = catalog_col_u64(st, 11);
    m->epoch = catalog_col_u64(st, 12);
    m->opened = (unix_time)catalog_col_u64(st, 13);
    m->closed = (unix_time)catalog_col_u64(st, 14);
    m->leaf = catalog_col_u64(st, 15);
    return 0;
}

int catalog_move_get(struct catalog *c, const struct id128 *move, struct catalog_move *out)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_MOVE_GET, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, move);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    rc = read_row(st, out);
    catalog_done(st);
    return rc;
}

int catalog_moves(struct catalog *c, catalog_move_fn *fn, void *arg)
{
    struct catalog_move m;
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_MOVE_ALL, &st);

    if (rc != 0)
        return rc;
    while ((rc = catalog_step(st)) == 1) {
        if ((rc = read_row(st, &m)) == 0)
            rc = fn(arg, &m);
        if (rc != 0) {
            catalog_done(st);
            return rc;
        }
    }
    return rc;
}

int catalog_move_item_put(struct catalog *c, const struct id128 *move, const struct id128 *sub,
                          bool done)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, SQL_ITEM_PUT, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, move);
    catalog_bind_id(st, 2, sub);
    catalog_bind_u64(st, 3, done);
    return catalog_run(st);
}

int catalog_move_items(struct catalog *c, const struct id128 *move, bool only_open,
                       catalog_move_item_fn *fn, void *arg)
{
    struct id128 sub;
    sqlite3_stmt *st;
    int rc = catalog_use(c, only_open ? SQL_ITEM_OPEN : SQL_ITEM_ALL, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, move);
    while ((rc = catalog_step(st)) == 1) {
        rc = catalog_col_id(st, 0, &sub) ? fn(arg, &sub, catalog_col_u64(st, 1) != 0) : -EBADMSG;
        if (rc != 0) {
            catalog_done(st);
            return rc;
        }
    }
    return rc;
}
