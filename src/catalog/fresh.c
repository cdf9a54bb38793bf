/* fresh.c - a catalog that is filled from nothing.
 *
 * What costs most in SQLite is not the rows: it is a log and its checkpoints for a file that could
 * as well be thrown away, and the narrow indexes that each row touches at random places.  So such a
 * file has neither log nor sync before its end, one transaction, and only the indexes that filling
 * it needs: those that are constraints.  The others are sorted in one go when all rows are there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "catalog/catalog_priv.h"

#define LATER_MAX 32

struct object {
    struct id128 id;
    struct digest tag;
    bool tagged;
    uint64_t live;
    size_t at, n; /* its extents */
};

struct catalog_fresh {
    bool spoilt; /* something failed half way: there is no log to take it back */
    size_t n;
    char *later[LATER_MAX]; /* "CREATE INDEX ..." */
    /* the objects of the group in hand: written once, when their slots and tags are known */
    struct object *object;
    size_t objects, room, hint;
    struct buf extents;
};

/* The schema itself says which they are. */
static int list(sqlite3 *db, struct catalog_fresh *f, char *name[LATER_MAX])
{
    static const char all[] = "SELECT name, sql FROM sqlite_schema WHERE type = 'index'"
                              " AND sql LIKE 'CREATE INDEX %' ORDER BY name";
    sqlite3_stmt *st;
    int rc = catalog_errno(sqlite3_prepare_v2(db, all, -1, &st, NULL)), step = SQLITE_DONE;

    if (rc != 0)
        return rc;
    while (f->n < LATER_MAX && (step = sqlite3_step(st)) == SQLITE_ROW) {
        name[f->n] = strdup((const char *)sqlite3_column_text(st, 0));
        f->later[f->n] = strdup((const char *)sqlite3_column_text(st, 1));
        f->n++;
        if (name[f->n - 1] == NULL || f->later[f->n - 1] == NULL)
            break;
    }
    rc = step == SQLITE_ROW ? -ENOMEM : catalog_errno(step);
    (void)sqlite3_finalize(st);
    return rc;
}

static int drop(sqlite3 *db, const char *name)
{
    char *sql = sqlite3_mprintf("DROP INDEX \"%w\"", name);
    int rc = sql == NULL ? SQLITE_NOMEM : sqlite3_exec(db, sql, NULL, NULL, NULL);

    sqlite3_free(sql);
    return catalog_errno(rc);
}

/* From here to catalog_ready all is one transaction. */
int catalog_fresh_begin(struct catalog *c)
{
    char *name[LATER_MAX] = {NULL};
    int rc = catalog_errno(sqlite3_exec(c->db, "BEGIN EXCLUSIVE", NULL, NULL, NULL));

    if (rc == 0)
        rc = list(c->db, c->fresh, name);
    for (size_t i = 0; i < c->fresh->n; i++) {
        if (rc == 0)
            rc = drop(c->db, name[i]);
        free(name[i]);
    }
    return rc;
}

const char *catalog_fresh_pragmas(void)
{
    return "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
           "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;"
           "PRAGMA cache_size = -262144; PRAGMA trusted_schema = OFF;";
}

int catalog_fresh_new(struct catalog *c)
{
    int fd;

    if ((c->fresh = calloc(1, sizeof(*c->fresh))) == NULL)
        return -ENOMEM;
    buf_init(&c->fresh->extents, SIZE_MAX / 2);
    fd = open(c->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    io_close(&fd);
    return 0;
}

void catalog_fresh_free(struct catalog *c)
{
    if (c->fresh == NULL)
        return;
    for (size_t i = 0; i < c->fresh->n; i++)
        free(c->fresh->later[i]);
    buf_free(&c->fresh->extents);
    free(c->fresh->object);
    free(c->fresh);
    c->fresh = NULL;
}

void catalog_fresh_spoil(struct catalog *c)
{
    c->fresh->spoilt = true;
}

/* --- the vault's objects --- */

int catalog_fresh_object(struct catalog *c, const struct id128 *id, struct span extents)
{
    struct catalog_fresh *f = c->fresh;
    size_t at = f->extents.len;
    int rc;

    if (f->objects == f->room) {
        size_t room = f->room == 0 ? 256 : 2 * f->room;
        struct object *more = reallocarray(f->object, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        f->object = more;
        f->room = room;
    }
    if ((rc = buf_put(&f->extents, extents.p, extents.n)) != 0)
        return rc;
    f->object[f->objects++] = (struct object){.id = *id, .at = at, .n = extents.n};
    return 0;
}

/* Slots come in the order of their objects: the search begins where the last one ended. */
static struct object *find(struct catalog_fresh *f, const struct id128 *id)
{
    for (size_t i = 0; i < f->objects; i++) {
        size_t k = (f->hint + i) % f->objects;

        if (memcmp(&f->object[k].id, id, sizeof(*id)) == 0) {
            f->hint = k;
            return &f->object[k];
        }
    }
    return NULL;
}

bool catalog_fresh_held(struct catalog *c, const struct id128 *id)
{
    struct object *o = find(c->fresh, id);

    if (o != NULL)
        o->live++;
    return o != NULL;
}

bool catalog_fresh_tagged(struct catalog *c, const struct id128 *id, const struct digest *tag)
{
    struct object *o = find(c->fresh, id);

    if (o == NULL)
        return false;
    o->tag = *tag;
    o->tagged = true;
    return true;
}

int catalog_fresh_settle(struct catalog *c)
{
    struct catalog_fresh *f = c->fresh;
    sqlite3_stmt *st;
    int rc = 0;

    for (size_t i = 0; i < f->objects && rc == 0; i++) {
        const struct object *o = &f->object[i];

        if ((rc = catalog_use(c, SQL_OBJECT_NEW, &st)) != 0)
            break;
        catalog_bind_id(st, 1, &o->id);
        if (o->tagged)
            catalog_bind_digest(st, 2, &o->tag);
        catalog_bind_u64(st, 3, o->live);
        catalog_bind_blob(st, 4, f->extents.data + o->at, o->n);
        rc = catalog_run(st);
    }
    f->objects = f->hint = 0;
    buf_reset(&f->extents);
    return rc;
}

/* --- ready --- */

static int sync_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), rc;

    if (fd < 0)
        return -errno;
    rc = io_sync_fd(fd);
    io_close(&fd);
    return rc;
}

int catalog_ready(struct catalog *c, struct err *e)
{
    struct catalog_fresh *f = c->fresh;
    int rc;

    if (f == NULL || f->spoilt || c->db == NULL)
        return err_set(e, -EINVAL, "the new catalog \"%s\" is not whole: remove it", c->path);
    f->spoilt = true; /* unless all of this succeeds */
    for (size_t i = 0; i < f->n; i++)
        if ((rc = catalog_errno(sqlite3_exec(c->db, f->later[i], NULL, NULL, NULL))) != 0)
            return err_sys(e, rc, "sorting an index of the new catalog \"%s\"", c->path);
    if ((rc = catalog_errno(sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL))) != 0)
        return err_sys(e, rc, "writing the new catalog \"%s\"", c->path);
    catalog_disconnect(c);
    if ((rc = sync_file(c->path)) != 0)
        return err_sys(e, rc, "syncing the new catalog \"%s\"", c->path);
    catalog_fresh_free(c);
    return catalog_connect(c, e);
}
