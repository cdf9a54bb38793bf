#include "updates/tuf_trusted.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct role {
    TAILQ_ENTRY(role) next;
    char *name;
    struct tuf_metadata *m;
};

struct tuf_trusted {
    unix_time start;
    struct tuf_metadata *root, *timestamp, *snapshot;
    bool root_final, timestamp_final, snapshot_final;
    TAILQ_HEAD(, role) roles; /* targets and what it delegates to; oldest first */
    size_t n_roles;
};

/* --- what all kinds have in common ------------------------------------------------------------ */

static int check_fresh(const struct tuf_trusted *t, const struct tuf_metadata *m, const char *what,
                       struct err *e)
{
    char when[CLOCK_SECOND_LEN + 1];

    if (m->expires > t->start)
        return 0;
    clock_second(when, m->expires);
    return err_set(e, -EBADMSG,
                   "%s %" PRId64 " expired at %s; is the repository kept up, and the clock right?",
                   what, m->version, when);
}

static int check_signed_by_root(const struct tuf_trusted *t, const struct tuf_metadata *m,
                                struct err *e)
{
    return tuf_metadata_verify(m, &t->root->roles[m->type], t->root->keys, tuf_type_name(m->type),
                               e);
}

static void replace(struct tuf_metadata **slot, struct tuf_metadata *m)
{
    tuf_metadata_free(*slot);
    *slot = m;
}

/* --- root (5.2, 5.3) -------------------------------------------------------------------------- */

int tuf_trusted_new(struct tuf_trusted **out, struct span root, unix_time start, struct err *e)
{
    struct tuf_trusted *t = calloc(1, sizeof(*t));
    int rc;

    *out = NULL;
    if (t == NULL)
        return err_sys(e, -ENOMEM, "metadata");
    t->start = start;
    TAILQ_INIT(&t->roles);
    rc = tuf_metadata_parse(&t->root, TUF_ROOT, root, e);
    if (rc == 0)
        rc = check_signed_by_root(t, t->root, e);
    if (rc != 0) {
        tuf_trusted_free(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tuf_trusted_free(struct tuf_trusted *t)
{
    if (t == NULL)
        return;
    tuf_trusted_trim(t, 0);
    tuf_metadata_free(t->root);
    tuf_metadata_free(t->timestamp);
    tuf_metadata_free(t->snapshot);
    free(t);
}

static int check_root(const struct tuf_trusted *t, const struct tuf_metadata *m, struct err *e)
{
    int rc;

    /* 5.3.4: by the keys of N, and by its own */
    if ((rc = check_signed_by_root(t, m, e)) != 0)
        return rc;
    if ((rc = tuf_metadata_verify(m, &m->roles[TUF_ROOT], m->keys, "root, by its own keys", e)) !=
        0)
        return rc;
    /* 5.3.5 */
    if (m->version != t->root->version + 1)
        return err_set(e, -EBADMSG, "root: version %" PRId64 " where %" PRId64 " is expected",
                       m->version, t->root->version + 1);
    return 0;
}

int tuf_trusted_root(struct tuf_trusted *t, struct span bytes, bool *rotated, struct err *e)
{
    struct tuf_metadata *m;
    int rc;

    assert(!t->root_final);
    *rotated = false;
    if ((rc = tuf_metadata_parse(&m, TUF_ROOT, bytes, e)) != 0)
        return rc;
    if ((rc = check_root(t, m, e)) != 0) {
        tuf_metadata_free(m);
        return rc;
    }
    *rotated = tuf_signers_lost(&t->root->roles[TUF_TIMESTAMP], t->root->keys,
                                &m->roles[TUF_TIMESTAMP], m->keys) ||
               tuf_signers_lost(&t->root->roles[TUF_SNAPSHOT], t->root->keys,
                                &m->roles[TUF_SNAPSHOT], m->keys);
    replace(&t->root, m);
    return 0;
}

int tuf_trusted_root_final(struct tuf_trusted *t, struct err *e)
{
    int rc = check_fresh(t, t->root, "root", e);

    t->root_final = rc == 0;
    return rc;
}

/* --- timestamp (5.4) -------------------------------------------------------------------------- */

static int check_timestamp(const struct tuf_trusted *t, const struct tuf_metadata *m, bool local,
                           bool *same, struct err *e)
{
    const struct tuf_metadata *had = t->timestamp;
    int rc;

    if ((rc = check_signed_by_root(t, m, e)) != 0)
        return rc;
    if (local)
        return 0;
    if (had != NULL && m->version < had->version)
        return err_set(e, -EBADMSG, "timestamp: rolled back from version %" PRId64 " to %" PRId64,
                       had->version, m->version);
    if (had != NULL && m->version == had->version) {
        *same = true;
        return 0;
    }
    if (had != NULL && m->files[0].version < had->files[0].version)
        return err_set(e, -EBADMSG,
                       "timestamp: rolls snapshot back from version %" PRId64 " to %" PRId64,
                       had->files[0].version, m->files[0].version);
    return check_fresh(t, m, "timestamp", e);
}

int tuf_trusted_timestamp(struct tuf_trusted *t, struct span bytes, bool local, bool *same,
                          struct err *e)
{
    struct tuf_metadata *m;
    int rc;

    assert(t->root_final && !t->timestamp_final);
    *same = false;
    if ((rc = tuf_metadata_parse(&m, TUF_TIMESTAMP, bytes, e)) != 0)
        return rc;
    rc = check_timestamp(t, m, local, same, e);
    if (rc != 0 || *same)
        tuf_metadata_free(m);
    else
        replace(&t->timestamp, m);
    return rc;
}

int tuf_trusted_timestamp_final(struct tuf_trusted *t, struct err *e)
{
    int rc;

    assert(t->timestamp != NULL);
    rc = check_fresh(t, t->timestamp, "timestamp", e);
    t->timestamp_final = rc == 0;
    return rc;
}

/* --- snapshot (5.5) --------------------------------------------------------------------------- */

/* 5.5.5: no file goes back, and none goes away. */
static int check_complete(const struct tuf_metadata *had, const struct tuf_metadata *m,
                          struct err *e)
{
    if (m->version < had->version)
        return err_set(e, -EBADMSG, "snapshot: rolled back from version %" PRId64 " to %" PRId64,
                       had->version, m->version);
    for (size_t i = 0; i < had->n_files; i++) {
        const struct tuf_file *old = &had->files[i], *now = tuf_metadata_file(m, old->name);

        if (now == NULL)
            return err_set(e, -EBADMSG, "snapshot: no longer lists \"%.80s\"", old->name);
        if (now->version < old->version)
            return err_set(e, -EBADMSG,
                           "snapshot: rolls \"%.80s\" back from version %" PRId64 " to %" PRId64,
                           old->name, old->version, now->version);
    }
    return 0;
}

static int check_snapshot(const struct tuf_trusted *t, const struct tuf_metadata *m, struct err *e)
{
    const struct tuf_file *said = &t->timestamp->files[0];
    int rc;

    if ((rc = tuf_file_matches(said, span_of(m->bytes, m->n_bytes), "snapshot", e)) != 0 ||
        (rc = check_signed_by_root(t, m, e)) != 0)
        return rc;
    if (m->version != said->version)
        return err_set(e, -EBADMSG,
                       "snapshot: version %" PRId64 " where timestamp announces %" PRId64,
                       m->version, said->version);
    if (t->snapshot != NULL && (rc = check_complete(t->snapshot, m, e)) != 0)
        return rc;
    return check_fresh(t, m, "snapshot", e);
}

int tuf_trusted_snapshot(struct tuf_trusted *t, struct span bytes, bool local, bool *current,
                         struct err *e)
{
    struct tuf_metadata *m;
    int rc;

    assert(t->timestamp_final && !t->snapshot_final);
    *current = false;
    /* 5.5.2: a file that is not the announced one is not even parsed */
    if (!local && (rc = tuf_file_matches(&t->timestamp->files[0], bytes, "snapshot", e)) != 0)
        return rc;
    if ((rc = tuf_metadata_parse(&m, TUF_SNAPSHOT, bytes, e)) != 0)
        return rc;
    if (local) {
        if ((rc = check_signed_by_root(t, m, e)) == 0)
            *current = check_snapshot(t, m, NULL) == 0;
    } else {
        *current = (rc = check_snapshot(t, m, e)) == 0;
    }
    if (rc != 0) {
        tuf_metadata_free(m);
        return rc;
    }
    replace(&t->snapshot, m);
    t->snapshot_final = *current;
    return 0;
}

/* --- targets (5.6) ---------------------------------------------------------------------------- */

static struct role *find_role(const struct tuf_trusted *t, const char *name)
{
    struct role *r;

    TAILQ_FOREACH(r, &t->roles, next)
    {
        if (strcmp(r->name, name) == 0)
            return r;
    }
    return NULL;
}

static void drop_role(struct tuf_trusted *t, struct role *r)
{
    TAILQ_REMOVE(&t->roles, r, next);
    t->n_roles--;
    tuf_metadata_free(r->m);
    free(r->name);
    free(r);
}

void tuf_trusted_trim(struct tuf_trusted *t, size_t keep)
{
    struct role *r = TAILQ_FIRST(&t->roles);

    while (r != NULL && t->n_roles > keep) {
        struct role *next = TAILQ_NEXT(r, next);

        if (keep == 0 || strcmp(r->name, "targets") != 0)
            drop_role(t, r);
        r = next;
    }
}

const struct tuf_file *tuf_trusted_meta(const struct tuf_trusted *t, const char *role)
{
    char name[TUF_BIN_NAME_SIZE + 8];
    int n = snprintf(name, sizeof(name), "%s.json", role);

    if (t->snapshot == NULL || n < 0 || (size_t)n >= sizeof(name))
        return NULL;
    return tuf_metadata_file(t->snapshot, name);
}

/* Who signs for role in delegator's eyes: -ENOENT: nobody. */
static int signers_of(const struct tuf_trusted *t, const char *role, const char *delegator,
                      const struct tuf_signers **signers, const struct tuf_keys **keys,
                      struct err *e)
{
    const struct role *r = find_role(t, delegator);

    if (strcmp(delegator, "root") == 0 && strcmp(role, "targets") == 0) {
        *signers = &t->root->roles[TUF_TARGETS];
        *keys = t->root->keys;
        return 0;
    }
    if (r != NULL && r->m->keys != NULL && tuf_role_name_ok(role)) {
        *signers = tuf_delegations_signers(&r->m->delegations, role);
        *keys = r->m->keys;
        if (*signers != NULL)
            return 0;
    }
    return err_set(e, -ENOENT, "\"%.80s\": not delegated by \"%.80s\"", role, delegator);
}

static int check_targets(const struct tuf_trusted *t, const struct tuf_metadata *m,
                         const char *role, const char *delegator, const struct tuf_file *said,
                         struct err *e)
{
    const struct tuf_signers *signers;
    const struct tuf_keys *keys;
    int rc;

    if ((rc = signers_of(t, role, delegator, &signers, &keys, e)) != 0 ||
        (rc = tuf_metadata_verify(m, signers, keys, role, e)) != 0)
        return rc;
    if (m->version != said->version)
        return err_set(e, -EBADMSG, "%.80s: version %" PRId64 " where snapshot announces %" PRId64,
                       role, m->version, said->version);
    return check_fresh(t, m, role, e);
}

static int keep_role(struct tuf_trusted *t, const char *name, struct tuf_metadata *m)
{
    struct role *r = find_role(t, name);

    if (r != NULL) {
        replace(&r->m, m);
        return 0;
    }
    if ((r = calloc(1, sizeof(*r))) == NULL || (r->name = strdup(name)) == NULL) {
        free(r);
        return -ENOMEM;
    }
    r->m = m;
    TAILQ_INSERT_TAIL(&t->roles, r, next);
    t->n_roles++;
    return 0;
}

int tuf_trusted_targets(struct tuf_trusted *t, struct span bytes, const char *role,
                        const char *delegator, struct err *e)
{
    const struct tuf_file *said = tuf_trusted_meta(t, role);
    struct tuf_metadata *m;
    int rc;

    assert(t->snapshot_final);
    if (said == NULL)
        return err_set(e, -ENOENT, "\"%.80s\": not in snapshot", role);
    if ((rc = tuf_file_matches(said, bytes, role, e)) != 0 ||
        (rc = tuf_metadata_parse(&m, TUF_TARGETS, bytes, e)) != 0)
        return rc;
    if ((rc = check_targets(t, m, role, delegator, said, e)) == 0 &&
        (rc = keep_role(t, role, m)) != 0)
        (void)err_sys(e, rc, "%.80s", role);
    if (rc != 0)
        tuf_metadata_free(m);
    return rc;
}

int tuf_trusted_again(struct tuf_trusted *t, const char *role, const char *delegator, struct err *e)
{
    const struct tuf_signers *signers;
    const struct tuf_keys *keys;
    const struct role *r = find_role(t, role);
    int rc;

    if (r == NULL)
        return err_set(e, -ENOENT, "\"%.80s\": not here", role);
    if ((rc = signers_of(t, role, delegator, &signers, &keys, e)) != 0)
        return rc;
    return tuf_metadata_verify(r->m, signers, keys, role, e);
}

const struct tuf_metadata *tuf_trusted_get(const struct tuf_trusted *t, enum tuf_type type)
{
    const struct tuf_metadata *of[TUF_TYPES] = {t->root, t->timestamp, t->snapshot,
                                                tuf_trusted_role(t, "targets")};

    return of[type];
}

const struct tuf_metadata *tuf_trusted_role(const struct tuf_trusted *t, const char *role)
{
    const struct role *r = find_role(t, role);

    return r != NULL ? r->m : NULL;
}
