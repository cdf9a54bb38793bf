/* catalog.c - opening, batches, scrubbing, and the small change of SQLite. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog/catalog_priv.h"

static const char *const text[] = {
#define X(name, sql) sql,
#include "catalog/statements.def"
#undef X
};

int catalog_errno(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return -EACCES;
    case SQLITE_TOOBIG:
        return -E2BIG;
    default:
        return -EIO;
    }
}

int catalog_use(struct catalog *c, enum catalog_statement s, sqlite3_stmt **out)
{
    int rc = catalog_connected(c);

    if (rc != 0)
        return rc;
    if (c->st[s] == NULL) {
        rc = sqlite3_prepare_v3(c->db, text[s], -1, SQLITE_PREPARE_PERSISTENT, &c->st[s], NULL);
        if (rc != SQLITE_OK)
            return catalog_errno(rc);
    }
    *out = c->st[s];
    return 0;
}

void catalog_done(sqlite3_stmt *st)
{
    (void)sqlite3_reset(st);
    (void)sqlite3_clear_bindings(st);
}

int catalog_step(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    if (rc == SQLITE_ROW)
        return 1;
    catalog_done(st);
    return catalog_errno(rc);
}

int catalog_run(sqlite3_stmt *st)
{
    int rc;

    while ((rc = catalog_step(st)) == 1)
        ;
    return rc;
}

int catalog_exec(struct catalog *c, enum catalog_statement s)
{
    sqlite3_stmt *st;
    int rc = catalog_use(c, s, &st);

    return rc != 0 ? rc : catalog_run(st);
}

/* --- values --- */

void catalog_bind_blob(sqlite3_stmt *st, int i, const void *p, size_t n)
{
    (void)sqlite3_bind_blob64(st, i, n == 0 ? "" : p, n, SQLITE_STATIC);
}

void catalog_bind_id(sqlite3_stmt *st, int i, const struct id128 *id)
{
    catalog_bind_blob(st, i, id->b, sizeof(id->b));
}

void catalog_bind_id_or_null(sqlite3_stmt *st, int i, const struct id128 *id)
{
    static const struct id128 none;

    if (memcmp(id, &none, sizeof(none)) != 0)
        catalog_bind_id(st, i, id);
    else
        (void)sqlite3_bind_null(st, i);
}

void catalog_bind_digest(sqlite3_stmt *st, int i, const struct digest *d)
{
    catalog_bind_blob(st, i, d->b, sizeof(d->b));
}

void catalog_bind_u64(sqlite3_stmt *st, int i, uint64_t v)
{
    (void)sqlite3_bind_int64(st, i, (sqlite3_int64)v);
}

void catalog_bind_text(sqlite3_stmt *st, int i, const char *s)
{
    (void)sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC);
}

bool catalog_col_blob(sqlite3_stmt *st, int i, void *out, size_t n)
{
    const void *p = sqlite3_column_blob(st, i);

    if (p == NULL || (size_t)sqlite3_column_bytes(st, i) != n)
        return false;
    memcpy(out, p, n);
    return true;
}

bool catalog_col_id(sqlite3_stmt *st, int i, struct id128 *out)
{
    memset(out, 0, sizeof(*out));
    if (sqlite3_column_type(st, i) == SQLITE_NULL)
        return true;
    return catalog_col_blob(st, i, out->b, sizeof(out->b));
}

bool catalog_col_digest(sqlite3_stmt *st, int i, struct digest *out)
{
    return catalog_col_blob(st, i, out->b, sizeof(out->b));
}

uint64_t catalog_col_u64(sqlite3_stmt *st, int i)
{
    return (uint64_t)sqlite3_column_int64(st, i);
}

bool catalog_col_text(sqlite3_stmt *st, int i, char *out, size_t cap)
{
    const unsigned char *p = sqlite3_column_text(st, i);
    size_t n;

    if (p == NULL)
        return false;
    n = (size_t)sqlite3_column_bytes(st, i);
    if (n >= cap)
        return false;
    memcpy(out, p, n);
    out[n] = '\0';
    return true;
}

/* --- opening --- */

/* locking_mode: one process has a catalog at a time, and need not lock it anew for each question.
 * temp_store: what SQLite sorts must not reach a file.  The log's file is kept at close, because a
 * file that is unlinked leaves its bytes on the disk; catalog_scrub overwrites it. */
int catalog_connect(struct catalog *c, struct err *e)
{
    static const char usual[] =
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;"
        "PRAGMA cache_size = -65536; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";
    const char *pragmas = c->fresh != NULL ? catalog_fresh_pragmas() : usual;
    int keep = 1, rc;

    if ((rc = catalog_wal_trust(c)) != 0)
        return err_sys(e, rc, "writing the log of the catalog \"%s\" again", c->path);
    rc = sqlite3_open_v2(c->path, &c->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                             SQLITE_OPEN_NOFOLLOW,
                         NULL);
    if (rc != SQLITE_OK)
        return err_sys(e, catalog_errno(rc), "cannot open the catalog \"%s\"", c->path);
    (void)sqlite3_extended_result_codes(c->db, 1);
    (void)sqlite3_busy_timeout(c->db, 2000);
    (void)sqlite3_file_control(c->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
    rc = sqlite3_exec(c->db, pragmas, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return catalog_errno(rc) == -EBADMSG
                   ? err_set(e, -EBADMSG,
                             "the catalog \"%s\" is damaged: make it anew with \"glarus site "
                             "rebuild\"",
                             c->path)
                   : err_sys(e, catalog_errno(rc), "cannot use the catalog \"%s\"", c->path);
    catalog_wal_watch(c);
    if ((rc = catalog_schema(c->db, e)) != 0)
        return rc;
    rc = c->fresh != NULL ? catalog_fresh_begin(c) : catalog_wal_sync_name(c);
    if (c->fresh != NULL)
        return rc == 0 ? 0 : err_sys(e, rc, "beginning the catalog \"%s\"", c->path);
    return rc == 0 ? 0 : err_sys(e, rc, "syncing the folder of the catalog \"%s\"", c->path);
}

void catalog_disconnect(struct catalog *c)
{
    for (int i = 0; i < SQL_COUNT; i++) {
        (void)sqlite3_finalize(c->st[i]);
        c->st[i] = NULL;
    }
    /* closing checkpoints; a log that cannot be trusted is left as it is, for the next opening */
    if (c->db != NULL && c->doubtful && catalog_wal_trust(c) != 0)
        (void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_close(c->db);
    c->db = NULL;
}

/* A scrub that could not connect again left the catalog closed: whoever asks next tries. */
int catalog_connected(struct catalog *c)
{
    int rc = 0;

    if (c->db == NULL && c->fresh != NULL)
        rc = -EIO; /* one that was not finished is never opened again */
    else if (c->db == NULL && (rc = catalog_connect(c, NULL)) != 0)
        catalog_disconnect(c);
    return rc;
}

bool catalog_in_batch(const struct catalog *c)
{
    return c->db != NULL && !sqlite3_get_autocommit(c->db);
}

static int open_as(struct catalog **out, const char *path, bool fresh, struct err *e)
{
    struct catalog *c = calloc(1, sizeof(*c));
    mode_t mask;
    int rc;

    if (c == NULL || (c->path = strdup(path)) == NULL || asprintf(&c->wal, "%s-wal", path) < 0) {
        if (c != NULL)
            free(c->path);
        free(c);
        return err_sys(e, -ENOMEM, "opening the catalog");
    }
    mask = umask(077); /* accounts are in it */
    if (fresh && (rc = catalog_fresh_new(c)) != 0)
        rc = err_sys(e, rc, "making it");
    else
        rc = catalog_connect(c, e);
    (void)umask(mask);
    if (rc != 0) {
        catalog_close(c);
        (void)err_prefix(e, "catalog \"%s\"", path);
        return rc; /* e may be NULL */
    }
    catalog_index_init(c);
    *out = c;
    return 0;
}

int catalog_open(struct catalog **out, const char *path, struct err *e)
{
    return open_as(out, path, false, e);
}

int catalog_open_fresh(struct catalog **out, const char *path, struct err *e)
{
    return open_as(out, path, true, e);
}

void catalog_close(struct catalog *c)
{
    if (c == NULL)
        return;
    if (c->fresh == NULL)
        catalog_rollback(c);
    catalog_disconnect(c);
    catalog_fresh_free(c);
    free(c->path);
    free(c->wal);
    free(c);
}

/* --- batches --- */

int catalog_begin(struct catalog *c)
{
    if (c->fresh != NULL)
        return catalog_connected(c);
    if (catalog_in_batch(c))
        return -EINVAL;
    return catalog_exec(c, SQL_BEGIN);
}

int catalog_commit(struct catalog *c)
{
    int rc;

    if (c->fresh != NULL)
        return catalog_connected(c);
    if (!catalog_in_batch(c))
        return -EINVAL;
    if ((rc = catalog_exec(c, SQL_COMMIT)) != 0)
        catalog_rollback(c);
    return rc;
}

void catalog_rollback(struct catalog *c)
{
    if (c->fresh != NULL)
        catalog_fresh_spoil(c);
    else if (catalog_in_batch(c))
        (void)!catalog_exec(c, SQL_ROLLBACK);
}

int catalog_sync(struct catalog *c)
{
    return catalog_wal_checkpoint(c, SQLITE_CHECKPOINT_FULL, NULL, NULL);
}

/* --- scrubbing --- */

int catalog_scrub(struct catalog *c, struct err *e)
{
    int frames = 0, moved = 0, again, rc;

    if (catalog_in_batch(c))
        return err_set(e, -EINVAL, "scrubbing the catalog within a batch");
    rc = catalog_wal_checkpoint(c, SQLITE_CHECKPOINT_FULL, &frames, &moved);
    if (rc != 0 || frames != moved)
        return err_sys(e, rc != 0 ? rc : -EBUSY, "moving the catalog's log into the catalog");
    catalog_disconnect(c);
    if ((rc = catalog_wal_wipe(c)) != 0)
        rc = err_sys(e, rc, "overwriting \"%s-wal\"", c->path);
    /* the catalog is usable again whatever happened; if not now, then with the next call */
    again = catalog_connect(c, rc == 0 ? e : NULL);
    if (again != 0)
        catalog_disconnect(c);
    return rc != 0 ? rc : again;
}

/* --- values --- */

int catalog_value_put(struct catalog *c, const char *name, struct span value)
{
    sqlite3_stmt *st;
    int rc;

    if (strlen(name) > 64)
        return -EINVAL;
    if ((rc = catalog_use(c, SQL_VALUE_PUT, &st)) != 0)
        return rc;
    catalog_bind_text(st, 1, name);
    catalog_bind_blob(st, 2, value.p, value.n);
    return catalog_run(st);
}

int catalog_value_get(struct catalog *c, const char *name, struct buf *out)
{
    sqlite3_stmt *st;
    int rc;

    if ((rc = catalog_use(c, SQL_VALUE_GET, &st)) != 0)
        return rc;
    catalog_bind_text(st, 1, name);
    if ((rc = catalog_step(st)) != 1)
        return rc == 0 ? -ENOENT : rc;
    rc = buf_put(out, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
    catalog_done(st);
    return rc;
}

int catalog_values(struct catalog *c, const char *prefix, catalog_value_fn *fn, void *arg)
{
    char name[65];
    sqlite3_stmt *st;
    int rc;

    if ((rc = catalog_use(c, SQL_VALUE_ALL, &st)) != 0)
        return rc;
    catalog_bind_text(st, 1, prefix);
    while ((rc = catalog_step(st)) == 1) {
        rc = !catalog_col_text(st, 0, name, sizeof(name))
                 ? -EBADMSG
                 : fn(arg, name,
                      span_of(sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1)));
        if (rc != 0) {
            catalog_done(st);
            return rc;
        }
    }
    return rc;
}

int catalog_seq_get(struct catalog *c, const char *name, uint64_t *seq)
{
    sqlite3_stmt *st;
    int rc;

    *seq = 0;
    if ((rc = catalog_use(c, SQL_SEQ_GET, &st)) != 0)
        return rc;
    catalog_bind_text(st, 1, name);
    if ((rc = catalog_step(st)) != 1)
        return rc;
    *seq = catalog_col_u64(st, 0);
    catalog_done(st);
    return 0;
}

int catalog_seq_put(struct catalog *c, const char *name, uint64_t seq)
{
    sqlite3_stmt *st;
    int rc;

    if ((rc = catalog_use(c, SQL_SEQ_PUT, &st)) != 0)
        return rc;
    catalog_bind_text(st, 1, name);
    catalog_bind_u64(st, 2, seq);
    return catalog_run(st);
}

int catalog_applied(struct catalog *c, uint64_t *seq)
{
    return catalog_seq_get(c, "catalog", seq);
}

int catalog_set_applied(struct catalog *c, uint64_t seq)
{
    return catalog_seq_put(c, "catalog", seq);
}
