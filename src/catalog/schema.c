/* schema.c - the tables, and how older ones become today's.  user_version is the number of steps
 * that were taken; each step is one transaction and is never edited after a release. */
#include <errno.h>

#include "catalog/catalog_priv.h"

static const char *const step[] = {
    /* 1: the first schema.  Identifiers are random blobs; NULL where something died.  The big
     * tables have rowids so that rows are appended and only their narrow indexes are touched at
     * random. */
    "CREATE TABLE value(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE sequence(name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE vault_object(id BLOB PRIMARY KEY, tag BLOB, live INTEGER NOT NULL DEFAULT 0,"
    " extents BLOB NOT NULL);"
    "CREATE INDEX vault_object_tag ON vault_object(tag) WHERE tag IS NOT NULL;"
    "CREATE INDEX vault_object_dead ON vault_object(live) WHERE live = 0;"
    "CREATE TABLE vault_slot(ref BLOB PRIMARY KEY, object BLOB NOT NULL, epoch INTEGER NOT NULL,"
    " wrap BLOB NOT NULL, segment INTEGER NOT NULL, at INTEGER NOT NULL, length INTEGER NOT NULL);"
    "CREATE INDEX vault_slot_object ON vault_slot(object);"
    "CREATE INDEX vault_slot_epoch ON vault_slot(epoch);"
    "CREATE TABLE vault_seal(segment INTEGER PRIMARY KEY, length INTEGER NOT NULL,"
    " root BLOB NOT NULL);"
    "CREATE TABLE submission(sub BLOB PRIMARY KEY, ref BLOB, object BLOB, sub_key BLOB NOT NULL,"
    " country TEXT NOT NULL, account TEXT NOT NULL, kind INTEGER NOT NULL, scope INTEGER NOT NULL,"
    " state INTEGER NOT NULL, statement BLOB NOT NULL, policy BLOB NOT NULL,"
    " accepted INTEGER NOT NULL, ended INTEGER NOT NULL, final_epoch INTEGER NOT NULL,"
    " leaf INTEGER NOT NULL, end_leaf INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX submission_ref ON submission(ref) WHERE ref IS NOT NULL;"
    "CREATE INDEX submission_country ON submission(country, ref) WHERE ref IS NOT NULL;"
    "CREATE INDEX submission_account ON submission(account, accepted) WHERE account <> '';"
    "CREATE INDEX submission_due ON submission(state, accepted) WHERE state IN (1, 2);"
    "CREATE TABLE scan(job INTEGER PRIMARY KEY AUTOINCREMENT, ref BLOB NOT NULL UNIQUE,"
    " object BLOB, account TEXT NOT NULL, priority INTEGER NOT NULL, queued INTEGER NOT NULL,"
    " lease INTEGER NOT NULL, attempts INTEGER NOT NULL);"
    "CREATE INDEX scan_order ON scan(priority, job);"
    "CREATE INDEX scan_account ON scan(account, priority, job);"
    "CREATE TABLE verdict(ref BLOB NOT NULL, engine TEXT NOT NULL, release BLOB NOT NULL,"
    " verdict INTEGER NOT NULL, reason TEXT NOT NULL, hits INTEGER NOT NULL, at INTEGER NOT NULL,"
    " sealed BLOB NOT NULL, object BLOB, PRIMARY KEY(ref, engine)) WITHOUT ROWID;"
    "CREATE INDEX verdict_object ON verdict(object);"
    "CREATE TABLE move(move BLOB PRIMARY KEY, country TEXT NOT NULL, origin TEXT NOT NULL,"
    " target TEXT NOT NULL, state INTEGER NOT NULL, policy BLOB NOT NULL, doc BLOB NOT NULL,"
    " set_root BLOB NOT NULL, salt BLOB NOT NULL, cut INTEGER NOT NULL, count INTEGER NOT NULL,"
    " done INTEGER NOT NULL, epoch INTEGER NOT NULL, opened INTEGER NOT NULL,"
    " closed INTEGER NOT NULL, leaf INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE move_item(move BLOB NOT NULL, sub BLOB NOT NULL, done INTEGER NOT NULL,"
    " PRIMARY KEY(move, sub)) WITHOUT ROWID;",
    /* 2: what scanned files held. */
    "CREATE TABLE tree(ref BLOB PRIMARY KEY, sealed BLOB NOT NULL);",
    /* 3: verdicts that new rules changed, and those that block nothing. */
    "ALTER TABLE verdict ADD COLUMN detect INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE verdict_before(ref BLOB PRIMARY KEY, engine TEXT NOT NULL, release BLOB NOT NULL,"
    " verdict INTEGER NOT NULL, reason TEXT NOT NULL, hits INTEGER NOT NULL, at INTEGER NOT NULL,"
    " sealed BLOB NOT NULL, detect INTEGER NOT NULL);"
    "CREATE TABLE renewed(ref BLOB PRIMARY KEY) WITHOUT ROWID;",
};

static int user_version(sqlite3 *db, int *out)
{
    sqlite3_stmt *st;
    int rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL);

    if (rc != SQLITE_OK)
        return catalog_errno(rc);
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int(st, 0);
    (void)sqlite3_finalize(st);
    return catalog_errno(rc);
}

static int take_step(sqlite3 *db, int i)
{
    char set[40];
    int rc;

    (void)sqlite3_snprintf(sizeof(set), set, "PRAGMA user_version = %d", i + 1);
    if ((rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL)) == SQLITE_OK &&
        (rc = sqlite3_exec(db, step[i], NULL, NULL, NULL)) == SQLITE_OK &&
        (rc = sqlite3_exec(db, set, NULL, NULL, NULL)) == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return catalog_errno(rc);
}

int catalog_schema(sqlite3 *db, struct err *e)
{
    int version = 0, rc;

    if ((rc = user_version(db, &version)) != 0)
        return err_sys(e, rc, "reading the catalog's version");
    if (version < 0 || version > (int)ARRAY_LEN(step))
        return err_set(e, -EINVAL,
                       "the catalog has schema %d, this program knows up to %d: use the program "
                       "that wrote it, or make it anew with \"glarus site rebuild\"",
                       version, (int)ARRAY_LEN(step));
    for (int i = version; i < (int)ARRAY_LEN(step); i++)
        if ((rc = take_step(db, i)) != 0)
            return err_sys(e, rc, "bringing the catalog to schema %d", i + 1);
    return 0;
}
