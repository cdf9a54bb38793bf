/* repository_publish.c - what waits is taken if it is signed, snapshot and timestamp are made over
 * it, and all of it is looked at as a client would before clients can see it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "updates/published.h"
#include "updates/repository_priv.h"
#include "updates/tuf_trusted.h"

struct publishing {
    struct repository *r;
    struct tuf_metadata *now[REPOSITORY_ROLES]; /* as it will be; lent from r where it stays */
    bool taken[REPOSITORY_ROLES];               /* pending/ROLE.json is now[ROLE] */
    bool left[REPOSITORY_ROLES];                /* pending/ROLE.json is published already */
    const struct signkey *key[TUF_TYPES];
};

static const struct tuf_metadata *root(const struct publishing *p)
{
    return p->now[TUF_ROOT];
}

/* --- what waits --- */

static int take(struct publishing *p, unsigned role, const struct tuf_signers *signers,
                const struct tuf_keys *keys, const char *name, struct err *e)
{
    const struct tuf_metadata *before = p->r->role[role], *m = p->now[role];
    int64_t next = before == NULL ? 1 : before->version + 1;
    int rc;

    if (m->version != next)
        return err_set(e, -EINVAL,
                       "\"%s/%s\" is version %" PRId64 " where %" PRId64
                       " is next: plan (or add) it anew",
                       p->r->dir, name, m->version, next);
    rc = tuf_metadata_verify(m, signers, keys, name, e);
    if (rc != -EBADMSG)
        return rc;
    (void)err_prefix(e, "\"%s/%s\" waits for signatures (\"glarus repository sign\")", p->r->dir,
                     name);
    if (e != NULL)
        e->code = -EAGAIN;
    return -EAGAIN;
}

static bool is_published(const struct publishing *p, unsigned role)
{
    const struct tuf_metadata *old = p->r->role[role], *m = p->now[role];

    return old != NULL && old->n_bytes == m->n_bytes &&
           memcmp(old->bytes, m->bytes, m->n_bytes) == 0;
}

/* 0 too if nothing waits.  A publication that was killed at its end may have left what it took. */
static int read_pending(struct publishing *p, unsigned role, char name[96], struct err *e)
{
    int rc;

    (void)snprintf(name, 96, "pending/%s.json", repository_role_name(role));
    if (faccessat(p->r->fd, name, F_OK, 0) != 0)
        return errno == ENOENT ? 0 : err_sys(e, -errno, "\"%s/%s\"", p->r->dir, name);
    rc = repository_read(p->r, name, role == TUF_ROOT ? TUF_ROOT : TUF_TARGETS, &p->now[role], e);
    if (rc == 0 && is_published(p, role)) {
        tuf_metadata_free(p->now[role]);
        p->now[role] = p->r->role[role];
        p->left[role] = true;
    } else {
        p->taken[role] = rc == 0;
    }
    return rc;
}

static int take_root(struct publishing *p, struct err *e)
{
    const struct tuf_metadata *old = p->r->role[TUF_ROOT], *m;
    char name[96];
    int rc = read_pending(p, TUF_ROOT, name, e);

    if (rc != 0)
        return rc;
    if (!p->taken[TUF_ROOT] && old == NULL)
        return err_set(e, -EINVAL, "there is no root yet (\"glarus repository plan\")");
    if (!p->taken[TUF_ROOT])
        return 0;
    m = root(p);
    if ((rc = take(p, TUF_ROOT, &m->roles[TUF_ROOT], m->keys, name, e)) == 0 && old != NULL)
        rc = take(p, TUF_ROOT, &old->roles[TUF_ROOT], old->keys, name, e);
    return rc;
}

static int take_targets(struct publishing *p, struct err *e)
{
    const struct tuf_metadata *m = root(p);
    char name[96];
    int rc = read_pending(p, TUF_TARGETS, name, e);

    if (rc == 0 && p->now[TUF_TARGETS] == NULL)
        return err_set(e, -EINVAL, "there is no targets metadata yet (\"glarus repository plan\")");
    if (rc == 0 && p->taken[TUF_TARGETS])
        rc = take(p, TUF_TARGETS, &m->roles[TUF_TARGETS], m->keys, name, e);
    return rc;
}

static int take_delegated(struct publishing *p, unsigned role, struct err *e)
{
    const struct tuf_metadata *m = p->now[TUF_TARGETS];
    const struct tuf_signers *s =
        tuf_delegations_signers(&m->delegations, repository_role_name(role));
    char name[96];
    int rc = read_pending(p, role, name, e);

    if (rc == 0 && p->taken[role] && s == NULL)
        return err_set(e, -EINVAL, "\"%s/%s\": targets metadata does not know that role", p->r->dir,
                       name);
    return rc == 0 && p->taken[role] ? take(p, role, s, m->keys, name, e) : rc;
}

/* --- what is signed here --- */

/* The file with that signed part and k's signature becomes p->now[role]. */
static int make(struct publishing *p, enum tuf_type role, json_t *part, struct err *e)
{
    struct buf plain, out;
    int rc;

    buf_init(&plain, TUF_MAX_BYTES);
    buf_init(&out, TUF_MAX_BYTES);
    if ((rc = tuf_write_unsigned(&plain, part, e)) == 0 &&
        (rc = tuf_write_sign(&out, buf_span(&plain), p->key[role], e)) == 0 &&
        (rc = tuf_metadata_parse(&p->now[role], role, buf_span(&out), e)) == 0) {
        p->taken[role] = true; /* ours to free */
        rc = tuf_metadata_verify(p->now[role], &root(p)->roles[role], root(p)->keys,
                                 tuf_type_name(role), e);
        if (rc != 0)
            (void)err_prefix(e, "the %s key that was given does not suffice", tuf_type_name(role));
    }
    json_decref(part);
    buf_free(&plain);
    buf_free(&out);
    return rc;
}

static int64_t next_version(const struct publishing *p, enum tuf_type role)
{
    return p->r->role[role] == NULL ? 1 : p->r->role[role]->version + 1;
}

static bool snapshot_stays(const struct publishing *p)
{
    const struct tuf_metadata *s = p->r->role[TUF_SNAPSHOT];
    unix_time half = (unix_time)p->r->keys.role[TUF_SNAPSHOT].lifetime / 2;

    if (p->taken[TUF_ROOT]) /* so that the ledger gets it with a snapshot of its own */
        return false;
    for (unsigned i = TUF_TARGETS; i < REPOSITORY_ROLES; i++)
        if (p->taken[i])
            return false;
    return s != NULL && s->expires - clock_now() > half &&
           tuf_metadata_verify(s, &root(p)->roles[TUF_SNAPSHOT], root(p)->keys, "snapshot", NULL) ==
               0;
}

static struct tuf_write_meta meta_of(const struct publishing *p, unsigned role)
{
    const struct tuf_metadata *m = p->now[role];

    return (struct tuf_write_meta){.name = repository_role_name(role),
                                   .version = m->version,
                                   .bytes = span_of(m->bytes, m->n_bytes)};
}

static int make_snapshot(struct publishing *p, struct err *e)
{
    struct tuf_write_meta m[REPOSITORY_ROLES];
    size_t n = 0;

    if (snapshot_stays(p))
        return 0;
    for (unsigned i = TUF_TARGETS; i < REPOSITORY_ROLES; i++)
        if (p->now[i] != NULL)
            m[n++] = meta_of(p, i);
    return make(p, TUF_SNAPSHOT,
                tuf_write_snapshot(next_version(p, TUF_SNAPSHOT),
                                   repository_expiry(p->r, TUF_SNAPSHOT), m, n),
                e);
}

static int make_timestamp(struct publishing *p, struct err *e)
{
    struct tuf_write_meta m = meta_of(p, TUF_SNAPSHOT);

    return make(p, TUF_TIMESTAMP,
                tuf_write_timestamp(next_version(p, TUF_TIMESTAMP),
                                    repository_expiry(p->r, TUF_TIMESTAMP), &m),
                e);
}

/* --- as a client sees it --- */

static struct span bytes_of(const struct tuf_metadata *m)
{
    return span_of(m->bytes, m->n_bytes);
}

static int walk_roots(struct publishing *p, struct tuf_trusted **t, struct err *e)
{
    struct tuf_metadata *m = NULL;
    bool rotated;
    int rc = 0;

    for (int64_t v = 1; rc == 0 && v <= root(p)->version; v++) {
        char name[96];
        bool last = v == root(p)->version;

        repository_metadata_name(name, "root", v);
        if (!last && (rc = repository_read(p->r, name, TUF_ROOT, &m, e)) != 0)
            return rc;
        rc = v == 1 ? tuf_trusted_new(t, bytes_of(last ? root(p) : m), clock_now(), e)
                    : tuf_trusted_root(*t, bytes_of(last ? root(p) : m), &rotated, e);
        tuf_metadata_free(m);
        m = NULL;
    }
    return rc;
}

static int check(struct publishing *p, struct err *e)
{
    struct tuf_trusted *t = NULL;
    bool same, current;
    int rc;

    if ((rc = walk_roots(p, &t, e)) == 0 && (rc = tuf_trusted_root_final(t, e)) == 0 &&
        (rc = tuf_trusted_timestamp(t, bytes_of(p->now[TUF_TIMESTAMP]), false, &same, e)) == 0 &&
        (rc = tuf_trusted_timestamp_final(t, e)) == 0 &&
        (rc = tuf_trusted_snapshot(t, bytes_of(p->now[TUF_SNAPSHOT]), false, &current, e)) == 0)
        rc = tuf_trusted_targets(t, bytes_of(p->now[TUF_TARGETS]), "targets", "root", e);
    for (unsigned i = REPOSITORY_RULES; rc == 0 && i < REPOSITORY_ROLES; i++)
        if (p->now[i] != NULL)
            rc = tuf_trusted_targets(t, bytes_of(p->now[i]), repository_role_name(i), "targets", e);
    tuf_trusted_free(t);
    if (rc != 0)
        (void)err_prefix(e, "clients would refuse this, so nothing is published");
    return rc;
}

/* --- for the ledger --- */

struct listing {
    struct published_file *v;
    struct tuf_metadata **root; /* read again: root 1 to the one before the newest */
    size_t n, roots;
};

static int list_roots(struct publishing *p, struct listing *l, struct err *e)
{
    int64_t last = root(p)->version;
    char name[96];
    int rc;

    if (last > PUBLISHED_MAX_ROOTS)
        return err_set(e, -E2BIG, "more than %d roots", PUBLISHED_MAX_ROOTS);
    l->v = calloc((size_t)last + REPOSITORY_ROLES, sizeof(*l->v));
    l->root = calloc((size_t)last, sizeof(*l->root));
    if (l->v == NULL || l->root == NULL)
        return err_sys(e, -ENOMEM, "the list of metadata");
    for (int64_t v = 1; v <= last; v++) {
        const struct tuf_metadata *m = root(p);

        repository_metadata_name(name, "root", v);
        if (v < last) {
            if ((rc = repository_read(p->r, name, TUF_ROOT, &l->root[l->roots], e)) != 0)
                return rc;
            m = l->root[l->roots++];
        }
        l->v[l->n++] = (struct published_file){"root", v, bytes_of(m)};
    }
    return 0;
}

static int list_all(struct publishing *p, struct listing *l, struct err *e)
{
    static const unsigned order[] = {TUF_SNAPSHOT, TUF_TARGETS, REPOSITORY_RULES,
                                     REPOSITORY_PRODUCTS};
    int rc = list_roots(p, l, e);

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(order); i++) {
        const struct tuf_metadata *m = p->now[order[i]];

        if (m != NULL)
            l->v[l->n++] =
                (struct published_file){repository_role_name(order[i]), m->version, bytes_of(m)};
    }
    return rc;
}

/* log/N.repository: what the ledger is to say of it. */
static int put_log(struct publishing *p, char name[64], struct err *e)
{
    struct listing l = {.n = 0};
    struct buf b;
    int rc;

    buf_init(&b, PUBLISHED_MAX_BYTES);
    (void)snprintf(name, 64, "log/%" PRId64 ".repository", p->now[TUF_SNAPSHOT]->version);
    if ((rc = list_all(p, &l, e)) == 0 && (rc = published_write(&b, l.v, l.n, e)) == 0)
        rc = repository_write(p->r, name, buf_span(&b), e);
    buf_free(&b);
    for (size_t i = 0; i < l.roots; i++)
        tuf_metadata_free(l.root[i]);
    free(l.root);
    free(l.v);
    return rc;
}

/* --- out --- */

static int out_one(struct publishing *p, unsigned role, struct err *e)
{
    const struct tuf_metadata *m = p->now[role];
    char name[96];

    repository_metadata_name(name, repository_role_name(role),
                             role == TUF_TIMESTAMP ? 0 : m->version);
    return repository_write(p->r, name, bytes_of(m), e);
}

static void forget_pending(struct publishing *p)
{
    for (unsigned i = 0; i < REPOSITORY_ROLES; i++) {
        char name[96];

        (void)snprintf(name, sizeof(name), "pending/%s.json", repository_role_name(i));
        if ((p->taken[i] || p->left[i]) && unlinkat(p->r->fd, name, 0) != 0 && errno != ENOENT)
            return; /* the next publication finds that it is published */
    }
}

/* The timestamp is last: until then clients see what was there before. */
static int put_out(struct publishing *p, char log[64], struct err *e)
{
    static const unsigned order[] = {TUF_ROOT, TUF_TARGETS, REPOSITORY_RULES, REPOSITORY_PRODUCTS,
                                     TUF_SNAPSHOT};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(order); i++)
        if (p->taken[order[i]])
            rc = out_one(p, order[i], e);
    if (rc == 0 && p->taken[TUF_SNAPSHOT] && p->now[REPOSITORY_RULES] != NULL)
        rc = put_log(p, log, e);
    if (rc == 0 && (rc = out_one(p, TUF_TIMESTAMP, e)) == 0)
        forget_pending(p);
    return rc;
}

static int tell(struct publishing *p, struct repository_published *out, struct err *e)
{
    const struct tuf_metadata *rules = p->now[REPOSITORY_RULES];
    int rc;

    for (unsigned i = 0; i < TUF_TYPES; i++)
        out->version[i] = p->now[i]->version;
    out->rules = rules == NULL ? 0 : rules->version;
    for (unsigned i = 0; i < REPOSITORY_ROLES; i++)
        if (p->now[i] != NULL && i != TUF_SNAPSHOT && i != TUF_TIMESTAMP &&
            p->now[i]->expires - clock_now() < (unix_time)p->r->keys.role[i].lifetime / 3)
            out->soon[i] = p->now[i]->expires;
    if ((rc = repository_serial(rules, &out->serial, e)) == 0 && out->serial > 0)
        rc = repository_mirror(p->r, rules, out->serial, &out->mirror, e);
    return rc;
}

static int publish(struct publishing *p, struct repository_published *out, struct err *e)
{
    int rc;

    if ((rc = take_root(p, e)) != 0 || (rc = take_targets(p, e)) != 0 ||
        (rc = take_delegated(p, REPOSITORY_RULES, e)) != 0 ||
        (rc = take_delegated(p, REPOSITORY_PRODUCTS, e)) != 0 || (rc = make_snapshot(p, e)) != 0 ||
        (rc = make_timestamp(p, e)) != 0 || (rc = check(p, e)) != 0 ||
        (rc = put_out(p, out->log, e)) != 0)
        return rc;
    return tell(p, out, e);
}

int repository_publish(struct repository *r, const struct signkey *snapshot,
                       const struct signkey *timestamp, struct repository_published *out,
                       struct err *e)
{
    struct publishing p = {.r = r};
    int rc;

    memset(out, 0, sizeof(*out));
    memcpy(p.now, r->role, sizeof(p.now));
    p.key[TUF_SNAPSHOT] = snapshot;
    p.key[TUF_TIMESTAMP] = timestamp;
    rc = publish(&p, out, e);
    for (unsigned i = 0; i < REPOSITORY_ROLES; i++)
        if (p.now[i] != r->role[i])
            tuf_metadata_free(p.now[i]);
    return rc;
}
