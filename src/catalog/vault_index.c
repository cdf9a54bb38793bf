/* vault_index.c - the table of functions of vault/index.h over SQLite. */
#include <errno.h>
#include <string.h>

#include "catalog/catalog_priv.h"

static struct catalog *of(struct vault_index *x)
{
    return ((struct catalog_index *)(void *)x)->c;
}

static int x_applied(struct vault_index *x, uint64_t *seq)
{
    return catalog_seq_get(of(x), "vault", seq);
}

/* A savepoint is a transaction when there is none, and part of the caller's batch otherwise. */
static int x_begin(struct vault_index *x)
{
    if (of(x)->fresh != NULL)
        return catalog_begin(of(x));
    return catalog_exec(of(x), SQL_INDEX_BEGIN);
}

/* What a fresh catalog holds back must be in the table before it is changed there. */
static int settled(struct vault_index *x)
{
    return of(x)->fresh != NULL ? catalog_fresh_settle(of(x)) : 0;
}

static int x_commit(struct vault_index *x, uint64_t seq)
{
    int rc = settled(x);

    if (rc == 0)
        rc = catalog_seq_put(of(x), "vault", seq);
    if (rc != 0 || of(x)->fresh != NULL)
        return rc;
    return catalog_exec(of(x), SQL_INDEX_COMMIT);
}

static void x_rollback(struct vault_index *x)
{
    if (of(x)->fresh != NULL)
        catalog_fresh_spoil(of(x));
    else if (catalog_exec(of(x), SQL_INDEX_ROLLBACK) == 0)
        (void)!catalog_exec(of(x), SQL_INDEX_COMMIT);
}

static int run_id(struct vault_index *x, enum catalog_statement s, const struct id128 *id)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), s, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, id);
    return catalog_run(st);
}

static int x_put_object(struct vault_index *x, const struct id128 *object, struct span extents)
{
    sqlite3_stmt *st;
    int rc;

    if (of(x)->fresh != NULL)
        return catalog_fresh_object(of(x), object, extents);
    if ((rc = catalog_use(of(x), SQL_OBJECT_PUT, &st)) != 0)
        return rc;
    catalog_bind_id(st, 1, object);
    catalog_bind_blob(st, 2, extents.p, extents.n);
    return catalog_run(st);
}

static int write_slot(struct vault_index *x, enum catalog_statement s,
                      const struct vault_slot_row *row)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), s, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, &row->ref);
    catalog_bind_id(st, 2, &row->object);
    catalog_bind_u64(st, 3, row->epoch);
    catalog_bind_blob(st, 4, row->wrap, VAULT_WRAP);
    catalog_bind_u64(st, 5, row->segment);
    catalog_bind_u64(st, 6, row->at);
    catalog_bind_u64(st, 7, row->length);
    return catalog_run(st);
}

static int x_put_slot(struct vault_index *x, const struct vault_slot_row *row)
{
    struct catalog *c = of(x);
    int rc;

    if ((rc = write_slot(x, SQL_SLOT_ADD, row)) != 0)
        return rc;
    if (sqlite3_changes(c->db) == 0)
        return write_slot(x, SQL_SLOT_SET, row);
    if (c->fresh != NULL && catalog_fresh_held(c, &row->object))
        return 0;
    if ((rc = run_id(x, SQL_OBJECT_MORE, &row->object)) != 0)
        return rc;
    if (sqlite3_changes(c->db) == 1)
        return 0;
    /* its object was in a damaged group */
    rc = run_id(x, SQL_SLOT_DROP, &row->ref);
    return rc != 0 ? rc : -ENOENT;
}

static int x_rewrap(struct vault_index *x, const struct id128 *ref, uint64_t epoch,
                    const uint8_t wrap[VAULT_WRAP])
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_SLOT_REWRAP, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    catalog_bind_u64(st, 2, epoch);
    catalog_bind_blob(st, 3, wrap, VAULT_WRAP);
    if ((rc = catalog_run(st)) != 0)
        return rc;
    return sqlite3_changes(of(x)->db) == 1 ? 0 : -ENOENT;
}

static int x_drop_slot(struct vault_index *x, const struct id128 *ref)
{
    int rc = settled(x);

    if (rc == 0)
        rc = run_id(x, SQL_OBJECT_LESS, ref);
    return rc != 0 ? rc : run_id(x, SQL_SLOT_DROP, ref);
}

static int x_put_tag(struct vault_index *x, const struct id128 *object, const struct digest *tag)
{
    sqlite3_stmt *st;
    int rc;

    if (of(x)->fresh != NULL && catalog_fresh_tagged(of(x), object, tag))
        return 0;
    if ((rc = catalog_use(of(x), SQL_OBJECT_TAG, &st)) != 0)
        return rc;
    catalog_bind_id(st, 1, object);
    catalog_bind_digest(st, 2, tag);
    if ((rc = catalog_run(st)) != 0)
        return rc;
    return sqlite3_changes(of(x)->db) == 1 ? 0 : -ENOENT;
}

static int x_drop_object(struct vault_index *x, const struct id128 *object)
{
    int rc = settled(x);

    return rc != 0 ? rc : run_id(x, SQL_OBJECT_DROP, object);
}

static bool read_slot(sqlite3_stmt *st, struct vault_slot_row *out)
{
    out->epoch = catalog_col_u64(st, 2);
    out->segment = (uint32_t)catalog_col_u64(st, 4);
    out->at = catalog_col_u64(st, 5);
    out->length = (uint32_t)catalog_col_u64(st, 6);
    return catalog_col_id(st, 0, &out->ref) && catalog_col_id(st, 1, &out->object) &&
           catalog_col_blob(st, 3, out->wrap, VAULT_WRAP);
}

static int one_slot(sqlite3_stmt *st, struct vault_slot_row *out)
{
    int rc = catalog_step(st);

    if (rc != 1)
        return rc == 0 ? -ENOENT : rc;
    rc = read_slot(st, out) ? 0 : -EBADMSG;
    catalog_done(st);
    return rc;
}

static int some_slots(sqlite3_stmt *st, struct vault_slot_row *out, size_t max, size_t *n)
{
    int rc;

    for (*n = 0; (rc = catalog_step(st)) == 1; (*n)++)
        if (*n == max || !read_slot(st, &out[*n])) {
            catalog_done(st);
            return -EBADMSG;
        }
    return rc;
}

static int x_find_slot(struct vault_index *x, const struct id128 *ref, struct vault_slot_row *out)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_SLOT_GET, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, ref);
    return one_slot(st, out);
}

static int x_find_object(struct vault_index *x, const struct id128 *object, struct buf *out)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_OBJECT_GET, &st);

    if (rc != 0)
        return rc;
    catalog_bind_id(st, 1, object);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    rc = buf_put(out, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
    catalog_done(st);
    return rc;
}

static int x_find_tag(struct vault_index *x, const struct digest *tag, struct vault_slot_row *out)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_SLOT_BY_TAG, &st);

    if (rc != 0)
        return rc;
    catalog_bind_digest(st, 1, tag);
    return one_slot(st, out);
}

static int x_stale_slots(struct vault_index *x, uint64_t before, struct vault_slot_row *out,
                         size_t max, size_t *n)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_SLOT_STALE, &st);

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, before);
    catalog_bind_u64(st, 2, max);
    return some_slots(st, out, max, n);
}

static int x_next_slots(struct vault_index *x, const struct id128 *after,
                        struct vault_slot_row *out, size_t max, size_t *n)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_SLOT_NEXT, &st);

    if (rc != 0)
        return rc;
    catalog_bind_blob(st, 1, after, after == NULL ? 0 : sizeof(*after)); /* empty sorts first */
    catalog_bind_u64(st, 2, max);
    return some_slots(st, out, max, n);
}

static int x_dead_objects(struct vault_index *x, struct id128 *out, size_t max, size_t *n)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_OBJECT_DEAD, &st);

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, max);
    for (*n = 0; (rc = catalog_step(st)) == 1; (*n)++)
        if (*n == max || !catalog_col_id(st, 0, &out[*n])) {
            catalog_done(st);
            return -EBADMSG;
        }
    return rc;
}

static int x_put_seal(struct vault_index *x, uint32_t segment, uint64_t length,
                      const struct digest *root)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_SEAL_PUT, &st);

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, segment);
    catalog_bind_u64(st, 2, length);
    catalog_bind_digest(st, 3, root);
    return catalog_run(st);
}

static int x_drop_seal(struct vault_index *x, uint32_t segment)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_SEAL_DROP, &st);

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, segment);
    return catalog_run(st);
}

static int x_find_seal(struct vault_index *x, uint32_t segment, uint64_t *length,
                       struct digest *root)
{
    sqlite3_stmt *st;
    int rc = catalog_use(of(x), SQL_SEAL_GET, &st);

    if (rc != 0)
        return rc;
    catalog_bind_u64(st, 1, segment);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    *length = catalog_col_u64(st, 0);
    rc = catalog_col_digest(st, 1, root) ? 0 : -EBADMSG;
    catalog_done(st);
    return rc;
}

static const struct vault_index_ops ops = {
    .applied = x_applied,
    .begin = x_begin,
    .commit = x_commit,
    .rollback = x_rollback,
    .put_object = x_put_object,
    .put_slot = x_put_slot,
    .rewrap = x_rewrap,
    .drop_slot = x_drop_slot,
    .put_tag = x_put_tag,
    .drop_object = x_drop_object,
    .find_slot = x_find_slot,
    .find_object = x_find_object,
    .find_tag = x_find_tag,
    .stale_slots = x_stale_slots,
    .next_slots = x_next_slots,
    .dead_objects = x_dead_objects,
    .put_seal = x_put_seal,
    .drop_seal = x_drop_seal,
    .find_seal = x_find_seal,
    .free = NULL, /* lent: the catalog owns it */
};

void catalog_index_init(struct catalog *c)
{
    c->index.base.ops = &ops;
    c->index.c = c;
}

struct vault_index *catalog_index(struct catalog *c)
{
    return &c->index.base;
}
