/* repository_plan.c - the metadata that people sign offline: root and targets. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "updates/repository_priv.h"

static json_t *root_of(const struct repository *r, int64_t version, unix_time expires)
{
    struct tuf_write_role roles[TUF_TYPES];

    for (unsigned i = 0; i < TUF_TYPES; i++)
        roles[i] = repository_keys_role(&r->keys, i);
    return tuf_write_root(version, expires, roles);
}

/* Whom targets trusts with which paths: rules, and products if there are any. */
static json_t *targets_of(const struct repository *r, int64_t version, unix_time expires)
{
    const struct tuf_write_delegation d[] = {
        {"rules", "rules/*", repository_keys_role(&r->keys, REPOSITORY_RULES)},
        {"products", "products/*", repository_keys_role(&r->keys, REPOSITORY_PRODUCTS)}};
    size_t n = r->keys.role[REPOSITORY_PRODUCTS].n > 0 ? 2 : 1;
    json_t *none = json_object(),
           *out = none == NULL ? NULL : tuf_write_targets(version, expires, none, d, n);

    json_decref(none);
    return out;
}

/* Whether what is published of a role has enough signatures of those who sign for it now. */
static int is_theirs(const struct repository *r, unsigned role, bool *yes)
{
    struct tuf_write_role who = repository_keys_role(&r->keys, role);
    const struct tuf_metadata *m = r->role[role];
    unsigned found = 0;
    char id[65];

    for (size_t i = 0; i < who.n; i++) {
        int rc = tuf_write_keyid(id, &who.key[i]);

        if (rc != 0)
            return rc;
        for (size_t k = 0; k < m->n_sigs; k++)
            found += strcmp(m->sigs[k].keyid, id) == 0;
    }
    *yes = found >= who.threshold;
    return 0;
}

typedef json_t *compose(const struct repository *r, int64_t version, unix_time expires);

/* *waits: the version that is pending now, 0 if what is published is what is wanted. */
static int plan_one(struct repository *r, unsigned role, compose *of, bool renew, int64_t *waits,
                    struct err *e)
{
    const struct tuf_metadata *have = r->role[role];
    int64_t version = have == NULL ? 1 : have->version + 1;
    json_t *same = NULL, *next = NULL;
    bool theirs = true; /* a root that others sign is another root anyway */
    int rc = 0;

    *waits = 0;
    if (have != NULL && (same = of(r, have->version, have->expires)) == NULL)
        return err_sys(e, -ENOMEM, "%s", repository_role_name(role));
    if (have != NULL && role != TUF_ROOT && (rc = is_theirs(r, role, &theirs)) != 0)
        (void)err_sys(e, rc, "%s", repository_role_name(role));
    else if (have == NULL || renew || !theirs || json_equal(same, repository_signed(have)) == 0) {
        if ((next = of(r, version, repository_expiry(r, role))) == NULL)
            rc = err_sys(e, -ENOMEM, "%s", repository_role_name(role));
        else if ((rc = repository_wait(r, repository_role_name(role), next, e)) == 0)
            *waits = version;
    }
    json_decref(same);
    json_decref(next);
    return rc;
}

/* The same list, to be signed anew. */
static int plan_list(struct repository *r, unsigned role, bool renew, int64_t *waits, struct err *e)
{
    const struct tuf_metadata *m = r->role[role];
    const char *name = repository_role_name(role);
    json_t *next;
    bool theirs = false;
    int rc;

    *waits = 0;
    if (m == NULL)
        return 0;
    if ((rc = is_theirs(r, role, &theirs)) != 0)
        return err_sys(e, rc, "%s", name);
    if (theirs && !renew)
        return 0;
    next = tuf_write_targets(m->version + 1, repository_expiry(r, role),
                             json_object_get(repository_signed(m), "targets"), NULL, 0);
    rc = next == NULL ? err_sys(e, -ENOMEM, "%s", name) : repository_wait(r, name, next, e);
    json_decref(next);
    if (rc == 0)
        *waits = m->version + 1;
    return rc;
}

int repository_plan(struct repository *r, bool renew, struct repository_plan *out, struct err *e)
{
    int rc;

    if ((rc = plan_one(r, TUF_ROOT, root_of, renew, &out->root, e)) != 0 ||
        (rc = plan_one(r, TUF_TARGETS, targets_of, renew, &out->targets, e)) != 0 ||
        (rc = plan_list(r, REPOSITORY_RULES, renew, &out->rules, e)) != 0)
        return rc;
    return plan_list(r, REPOSITORY_PRODUCTS, renew, &out->products, e);
}

/* --- signing --- */

static int say_signers(struct buf *b, const char *name, const struct tuf_signers *s)
{
    int rc = buf_printf(b, "  %-10s %" PRId64 " of:", name, s->threshold);

    for (size_t i = 0; rc == 0 && i < s->n; i++)
        rc = buf_printf(b, " %.12s", s->keyids[i]);
    return rc != 0 ? rc : buf_putc(b, '\n');
}

/* What a signer signs: people look at it before they do. */
static int say(struct buf *b, const struct tuf_metadata *m)
{
    char when[CLOCK_SECOND_LEN + 1];
    int rc;

    clock_second(when, m->expires);
    rc = buf_printf(b, "%s, version %" PRId64 ", expires %s, %zu signature%s\n",
                    tuf_type_name(m->type), m->version, when, m->n_sigs, m->n_sigs == 1 ? "" : "s");
    for (unsigned i = 0; rc == 0 && m->type == TUF_ROOT && i < TUF_TYPES; i++)
        rc = say_signers(b, tuf_type_name((enum tuf_type)i), &m->roles[i]);
    for (size_t i = 0; rc == 0 && i < m->delegations.n; i++)
        rc = say_signers(b, m->delegations.v[i].name, &m->delegations.v[i].signers);
    for (size_t i = 0; rc == 0 && m->type == TUF_TARGETS && i < m->n_files; i++)
        rc = buf_printf(b, "  %s, %llu bytes\n", m->files[i].name,
                        (unsigned long long)m->files[i].length);
    return rc;
}

/* Root or targets metadata; nothing else is signed by hand. */
static int parse(struct span bytes, struct tuf_metadata **out, struct err *e)
{
    int rc = tuf_metadata_parse(out, TUF_ROOT, bytes, NULL);

    return rc == 0 || rc == -ENOMEM ? rc : tuf_metadata_parse(out, TUF_TARGETS, bytes, e);
}

int repository_sign(const char *path, const struct signkey *key, struct buf *said, struct err *e)
{
    struct tuf_metadata *m = NULL;
    struct buf in, out;
    int rc;

    buf_init(&in, TUF_MAX_BYTES);
    buf_init(&out, TUF_MAX_BYTES);
    if ((rc = io_read_file(AT_FDCWD, path, &in)) != 0)
        (void)err_sys(e, rc, "reading \"%s\"", path);
    else if ((rc = parse(buf_span(&in), &m, e)) != 0)
        (void)err_prefix(e, "\"%s\" is neither root nor targets metadata", path);
    else if ((rc = tuf_write_sign(&out, buf_span(&in), key, e)) == 0 &&
             (rc = io_replace_file(AT_FDCWD, path, out.data, out.len, 0644)) != 0)
        (void)err_sys(e, rc, "writing \"%s\"", path);
    tuf_metadata_free(m);
    m = NULL;
    if (rc == 0 && ((rc = parse(buf_span(&out), &m, e)) != 0 || (rc = say(said, m)) != 0))
        (void)err_sys(e, rc, "\"%s\"", path);
    tuf_metadata_free(m);
    buf_free(&in);
    buf_free(&out);
    return rc;
}
