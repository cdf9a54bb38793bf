/* tuf_search.c - from a path to its target, and from a target to its file (TUF 5.6.7, 5.7).
 * The search is pre-order and depth-first, with a stack of its own; it never visits a role twice,
 * so a cycle ends, and never more than TUF_MAX_VISITS. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "updates/tuf_name.h"
#include "updates/tuf_updater_priv.h"

struct visit {
    char *role, *delegator;
};

/* Roles still to be looked into (the last one next), and those that were. */
struct search {
    const char *path;
    struct visit *todo;
    size_t n, cap;
    char *seen[TUF_MAX_VISITS];
    size_t n_seen;
};

static void visit_free(struct visit *v)
{
    free(v->role);
    free(v->delegator);
}

static void search_free(struct search *s)
{
    while (s->n > 0)
        visit_free(&s->todo[--s->n]);
    free(s->todo);
    while (s->n_seen > 0)
        free(s->seen[--s->n_seen]);
}

static int push(struct search *s, const char *role, const char *delegator)
{
    struct visit v = {strdup(role), strdup(delegator)};

    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? 16 : 2 * s->cap;
        struct visit *more = reallocarray(s->todo, cap, sizeof(*more));

        if (more == NULL) {
            visit_free(&v);
            return -ENOMEM;
        }
        s->todo = more;
        s->cap = cap;
    }
    if (v.role == NULL || v.delegator == NULL) {
        visit_free(&v);
        return -ENOMEM;
    }
    s->todo[s->n++] = v;
    return 0;
}

static bool was_seen(const struct search *s, const char *role)
{
    for (size_t i = 0; i < s->n_seen; i++)
        if (strcmp(s->seen[i], role) == 0)
            return true;
    return false;
}

static void forget_todo(struct search *s)
{
    while (s->n > 0)
        visit_free(&s->todo[--s->n]);
}

/* The delegations that trust somebody with the path, in order of appearance; after a terminating
 * one there are no more, not of this role and not of those before (5.6.7.2.1). */
static int push_delegations(struct search *s, const struct tuf_delegations *d, const char *role)
{
    char bin[TUF_BIN_NAME_SIZE];
    size_t n = 0, *hit;
    bool terminating = false;
    int rc = 0;

    if (d->bins.prefix != NULL) { /* TAP 15: all of them are terminating */
        forget_todo(s);
        tuf_bin_name(&d->bins, s->path, bin);
        return push(s, bin, role);
    }
    if ((hit = calloc(d->n + 1, sizeof(*hit))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < d->n && !terminating; i++) {
        if (!tuf_delegation_has(&d->v[i], s->path))
            continue;
        hit[n++] = i;
        terminating = d->v[i].terminating;
    }
    if (terminating)
        forget_todo(s);
    while (rc == 0 && n > 0)
        rc = push(s, d->v[hit[--n]].name, role);
    free(hit);
    return rc;
}

/* Looks into one role.  *found is set if it has the target. */
static int visit(struct tuf_updater *u, struct search *s, const struct visit *v,
                 const struct tuf_file **found, struct err *e)
{
    const struct tuf_metadata *m;
    int rc;

    if (s->n_seen == TUF_MAX_VISITS)
        return err_set(e, -E2BIG, "target \"%.80s\": not found in %d roles, the most that are read",
                       s->path, TUF_MAX_VISITS);
    if ((s->seen[s->n_seen] = strdup(v->role)) == NULL)
        return err_sys(e, -ENOMEM, "search");
    s->n_seen++;
    if ((rc = tuf_updater_role(u, v->role, v->delegator, e)) != 0) {
        (void)err_prefix(e, "looking for target \"%.80s\"", s->path);
        return rc;
    }
    m = tuf_trusted_role(u->trusted, v->role);
    if ((*found = tuf_metadata_file(m, s->path)) != NULL)
        return 0;
    rc = push_delegations(s, &m->delegations, v->role);
    return rc == 0 ? 0 : err_sys(e, rc, "search");
}

int tuf_updater_find(struct tuf_updater *u, const char *path, const struct tuf_file **out,
                     struct err *e)
{
    struct search s = {.path = path};
    int rc;

    *out = NULL;
    if (path[0] == '\0' || strlen(path) > TUF_MAX_PATTERN || !text_is_utf8(span_str(path)))
        return err_set(e, -EINVAL, "\"%.80s\" cannot be the path of a target", path);
    if (!u->refreshed && (rc = tuf_updater_refresh(u, e)) != 0)
        return rc;
    tuf_trusted_trim(u->trusted, TUF_MAX_VISITS);
    if ((rc = push(&s, "targets", "root")) != 0)
        (void)err_sys(e, rc, "search");
    while (rc == 0 && *out == NULL && s.n > 0) {
        struct visit v = s.todo[--s.n];

        if (!was_seen(&s, v.role))
            rc = visit(u, &s, &v, out, e);
        visit_free(&v);
    }
    search_free(&s);
    if (rc == 0 && *out == NULL)
        rc = err_set(e, -ENOENT, "target \"%.80s\": nobody who is trusted with it has it", path);
    return rc;
}

/* --- 5.7 -------------------------------------------------------------------------------------- */

/* "DIR/HASH.NAME" if the repository writes consistent snapshots, else the path. */
static int put_url(struct buf *b, const char *base, const struct tuf_file *t, bool consistent)
{
    size_t n = strlen(base);
    const char *slash = strrchr(t->name, '/'), *last = slash != NULL ? slash + 1 : t->name;
    char hex[2 * SHA512_LEN + 1];
    char *dir;
    int rc = buf_puts(b, base);

    if (rc == 0 && (n == 0 || base[n - 1] != '/'))
        rc = buf_putc(b, '/');
    if (!consistent)
        return rc == 0 ? tuf_name_url_path(b, t->name) : rc;
    if (t->hashes.has_sha256)
        text_digest(hex, &t->hashes.sha256);
    else
        text_hex(hex, t->hashes.sha512, SHA512_LEN);
    if ((dir = strndup(t->name, (size_t)(last - t->name))) == NULL)
        return -ENOMEM;
    if (rc == 0)
        rc = tuf_name_url_path(b, dir);
    free(dir);
    if (rc == 0)
        rc = buf_printf(b, "%s.", hex);
    return rc == 0 ? tuf_name_url_path(b, last) : rc;
}

static int fetch_target(struct tuf_updater *u, const struct tuf_file *t, const char *base,
                        struct tuf_shelf *shelf, struct err *e)
{
    bool consistent = tuf_trusted_get(u->trusted, TUF_ROOT)->consistent_snapshot;
    const char *text;
    struct buf url;
    int rc;

    buf_init(&url, strlen(base) + 3 * TUF_MAX_PATTERN + 256);
    if ((rc = put_url(&url, base, t, consistent)) == 0 && (text = buf_str(&url)) == NULL)
        rc = -ENOMEM;
    if (rc != 0)
        (void)err_sys(e, rc, "target \"%.80s\"", t->name);
    else if ((rc = tuf_shelf_begin(shelf, t, e)) == 0) {
        rc = u->fetch.get(u->fetch.ctx, text, t->length, tuf_shelf_take, shelf, e);
        if (rc != 0)
            (void)err_prefix(e, "target \"%.80s\"", t->name);
        else
            rc = tuf_shelf_commit(shelf, e);
        tuf_shelf_drop(shelf);
    }
    buf_free(&url);
    return rc;
}

int tuf_updater_download(struct tuf_updater *u, const struct tuf_file *target, const char *base_url,
                         struct tuf_shelf *shelf, bool *fetched, struct err *e)
{
    bool have;
    int rc;

    *fetched = false;
    if (!target->hashes.has_sha256 && !target->hashes.has_sha512)
        return err_set(e, -EBADMSG, "target \"%.80s\": has neither sha256 nor sha512",
                       target->name);
    if ((rc = tuf_shelf_have(shelf, target, &have, e)) != 0 || have)
        return rc;
    rc = fetch_target(u, target, base_url, shelf, e);
    *fetched = rc == 0;
    return rc;
}
