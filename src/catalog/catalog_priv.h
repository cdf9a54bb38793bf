/* catalog_priv.h - statements and values, shared by the catalog's files.  A statement in use is
 * always given back with catalog_done (or one of the run functions that do it). */
#ifndef CATALOG_CATALOG_PRIV_H
#define CATALOG_CATALOG_PRIV_H

#include <sqlite3.h>

#include "catalog/catalog.h"

enum catalog_statement {
#define X(name, text) SQL_##name,
#include "catalog/statements.def"
#undef X
    SQL_COUNT
};

struct catalog_index {
    struct vault_index base;
    struct catalog *c;
};

struct catalog {
    sqlite3 *db;                 /* NULL: could not be connected again after a scrub */
    char *path, *wal;            /* of the database; of its log, "PATH-wal" */
    bool doubtful;               /* a sync of the log failed: its bytes may lie in memory only */
    struct catalog_fresh *fresh; /* NULL: one for use */
    sqlite3_stmt *st[SQL_COUNT];
    struct catalog_index index;
};

int catalog_errno(int sqlite_rc);                    /* a negative errno; 0 for OK, ROW and DONE */
MUST_CHECK int catalog_connected(struct catalog *c); /* 0, or why it cannot be connected */
MUST_CHECK int catalog_connect(struct catalog *c, struct err *e);
void catalog_disconnect(struct catalog *c);
bool catalog_in_batch(const struct catalog *c);
MUST_CHECK int catalog_use(struct catalog *c, enum catalog_statement s, sqlite3_stmt **out);
void catalog_done(sqlite3_stmt *st); /* reset, bindings forgotten */
/* Runs to the end and gives back; rows are ignored. */
MUST_CHECK int catalog_run(sqlite3_stmt *st);
/* As catalog_run for a statement without parameters. */
MUST_CHECK int catalog_exec(struct catalog *c, enum catalog_statement s);
/* 1 and a row, 0 without (given back), or the error (given back). */
MUST_CHECK int catalog_step(sqlite3_stmt *st);

/* Binding cannot fail but for memory, which shows at the step; blobs are not copied. */
void catalog_bind_blob(sqlite3_stmt *st, int i, const void *p, size_t n);
void catalog_bind_id(sqlite3_stmt *st, int i, const struct id128 *id);
void catalog_bind_id_or_null(sqlite3_stmt *st, int i, const struct id128 *id); /* zeros: NULL */
void catalog_bind_digest(sqlite3_stmt *st, int i, const struct digest *d);
void catalog_bind_u64(sqlite3_stmt *st, int i, uint64_t v); /* two's complement */
void catalog_bind_text(sqlite3_stmt *st, int i, const char *s);

/* Columns; a wrong type or length gives false (a damaged database). */
bool catalog_col_blob(sqlite3_stmt *st, int i, void *out, size_t n);
bool catalog_col_id(sqlite3_stmt *st, int i, struct id128 *out); /* NULL: zeros */
bool catalog_col_digest(sqlite3_stmt *st, int i, struct digest *out);
uint64_t catalog_col_u64(sqlite3_stmt *st, int i);
bool catalog_col_text(sqlite3_stmt *st, int i, char *out, size_t cap);

/* wal.c */
MUST_CHECK int catalog_wal_trust(struct catalog *c); /* writes the log over itself, synced */
MUST_CHECK int catalog_wal_sync_name(struct catalog *c);
/* Moves the log into the database, mode as SQLite's; frames, moved: may be NULL. */
MUST_CHECK int catalog_wal_checkpoint(struct catalog *c, int mode, int *frames, int *moved);
void catalog_wal_watch(struct catalog *c); /* a checkpoint whenever the log has grown long */
MUST_CHECK int catalog_wal_wipe(struct catalog *c); /* zeros, then no file; not while connected */

/* fresh.c: of a catalog that is filled from nothing */
MUST_CHECK int catalog_fresh_new(struct catalog *c); /* its file; -EEXIST */
MUST_CHECK int catalog_fresh_begin(struct catalog *c);
const char *catalog_fresh_pragmas(void);
void catalog_fresh_spoil(struct catalog *c); /* a change went half way: it is good for nothing */
void catalog_fresh_free(struct catalog *c);
/* An object of the vault, not written before settle; false: it is not one of those. */
MUST_CHECK int catalog_fresh_object(struct catalog *c, const struct id128 *id, struct span extents);
bool catalog_fresh_held(struct catalog *c, const struct id128 *id); /* by one slot more */
bool catalog_fresh_tagged(struct catalog *c, const struct id128 *id, const struct digest *tag);
MUST_CHECK int catalog_fresh_settle(struct catalog *c);

/* verdict.c: the columns of BEFORE_GET and the like; v->sealed is lent by the row */
MUST_CHECK int catalog_verdict_row(sqlite3_stmt *st, struct catalog_verdict *v);

/* schema.c */
MUST_CHECK int catalog_schema(sqlite3 *db, struct err *e);
/* vault_index.c */
void catalog_index_init(struct catalog *c);
/* A sequence number by name ("vault", "catalog"), 0 if never set. */
MUST_CHECK int catalog_seq_get(struct catalog *c, const char *name, uint64_t *seq);
MUST_CHECK int catalog_seq_put(struct catalog *c, const char *name, uint64_t seq);

#endif
