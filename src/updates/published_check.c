/* published_check.c - what a publication holds: is it what a client of TUF would take, all of it at
 * once, and which releases of the rules does it list?
 *
 * The list has a form of ours (docs/updates.md): role "rules" alone is trusted with rules/..., and
 * every name there says which release it belongs to.  What is not of that form is refused: a file
 * that this program cannot place might be somebody's way around it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "updates/published_priv.h"
#include "updates/tuf_metadata.h"

#define RULES "rules"
#define FOLDER "rules/"

struct checking {
    struct published *p;
    struct tuf_metadata *root, *snapshot, *targets;
};

static int load(const struct published_part *f, enum tuf_type type, struct tuf_metadata **out,
                struct err *e)
{
    int rc = tuf_metadata_parse(out, type, f->bytes, e);

    if (rc == 0 && (*out)->version != f->version) {
        rc = err_set(e, -EBADMSG, "%s: version %" PRId64 " where %" PRId64 " is said", f->role,
                     (*out)->version, f->version);
        tuf_metadata_free(*out);
        *out = NULL;
    }
    return rc;
}

/* --- roots (TUF 5.3.4, 5.3.5) --- */

static int check_roots(struct checking *c, struct err *e)
{
    for (size_t i = 0; i < c->p->roots; i++) {
        struct tuf_metadata *m;
        char what[80];
        int rc = load(&c->p->root[i], TUF_ROOT, &m, e);

        if (rc != 0)
            return rc;
        if (c->root != NULL) {
            (void)snprintf(what, sizeof(what), "root %zu, by the keys of root %zu", i + 1, i);
            rc = tuf_metadata_verify(m, &c->root->roles[TUF_ROOT], c->root->keys, what, e);
        }
        (void)snprintf(what, sizeof(what), "root %zu, by its own keys", i + 1);
        if (rc == 0)
            rc = tuf_metadata_verify(m, &m->roles[TUF_ROOT], m->keys, what, e);
        if (rc != 0) {
            tuf_metadata_free(m);
            return rc;
        }
        tuf_metadata_free(c->root);
        c->root = m;
    }
    return 0;
}

/* --- snapshot, and whether the files are those that it announces (5.5, 5.6.2) --- */

static int check_announced(const struct checking *c, const struct published_part *f, struct err *e)
{
    char name[PUBLISHED_MAX_ROLE + 8];
    const struct tuf_file *said;

    (void)snprintf(name, sizeof(name), "%s.json", f->role);
    if ((said = tuf_metadata_file(c->snapshot, name)) == NULL)
        return err_set(e, -EBADMSG, "%s: not in snapshot", f->role);
    if (said->version != f->version)
        return err_set(e, -EBADMSG, "%s: version %" PRId64 " where snapshot announces %" PRId64,
                       f->role, f->version, said->version);
    return tuf_file_matches(said, f->bytes, f->role, e);
}

static int check_snapshot(struct checking *c, struct err *e)
{
    const struct published *p = c->p;
    int rc = load(&p->part[0], TUF_SNAPSHOT, &c->snapshot, e);

    if (rc == 0)
        rc = tuf_metadata_verify(c->snapshot, &c->root->roles[TUF_SNAPSHOT], c->root->keys,
                                 "snapshot", e);
    for (size_t i = 1; rc == 0 && i < p->parts; i++)
        rc = check_announced(c, &p->part[i], e);
    if (rc == 0 && c->snapshot->n_files != p->parts - 1)
        rc = err_set(e, -EBADMSG, "snapshot announces %zu files, %zu are here",
                     c->snapshot->n_files, p->parts - 1);
    return rc;
}

/* --- who is trusted with the rules (4.5) --- */

/* Could that pattern match a path in rules/? */
static bool reaches_rules(const char *pattern)
{
    const char *slash = strchr(pattern, '/');
    char first[64];

    if (slash == NULL) /* '*' does not match a slash */
        return false;
    if ((size_t)(slash - pattern) >= sizeof(first))
        return true; /* long patterns: better not */
    memcpy(first, pattern, (size_t)(slash - pattern));
    first[slash - pattern] = '\0';
    return tuf_pattern_matches(first, RULES);
}

static int check_delegation(const struct tuf_delegation *d, struct err *e)
{
    json_t *one;
    size_t i;

    if (strcmp(d->name, RULES) == 0)
        return 0;
    if (d->paths == NULL)
        return err_set(e, -EBADMSG,
                       "\"%.80s\" is trusted by hashes of paths, of which any may be "
                       "one in " FOLDER,
                       d->name);
    json_array_foreach(d->paths, i, one)
    {
        if (reaches_rules(json_string_value(one)))
            return err_set(e, -EBADMSG,
                           "\"%.80s\" is trusted with \"%.80s\", which is for role "
                           "\"" RULES "\" alone",
                           d->name, json_string_value(one));
    }
    return 0;
}

static int check_delegations(const struct tuf_delegations *d, struct err *e)
{
    int rc = 0;

    if (d->bins.prefix != NULL)
        return err_set(e, -EBADMSG, "targets delegates to hash bins, which may hold anything");
    for (size_t i = 0; rc == 0 && i < d->n; i++)
        rc = check_delegation(&d->v[i], e);
    return rc;
}

static int check_targets(struct checking *c, struct err *e)
{
    int rc = load(&c->p->part[1], TUF_TARGETS, &c->targets, e);

    if (rc == 0)
        rc = tuf_metadata_verify(c->targets, &c->root->roles[TUF_TARGETS], c->root->keys, "targets",
                                 e);
    if (rc == 0)
        rc = check_delegations(&c->targets->delegations, e);
    for (size_t i = 0; rc == 0 && i < c->targets->n_files; i++)
        if (strncmp(c->targets->files[i].name, FOLDER, strlen(FOLDER)) == 0)
            rc = err_set(e, -EBADMSG,
                         "targets lists \"%.80s\", which is for role \"" RULES "\" alone",
                         c->targets->files[i].name);
    return rc;
}

/* --- which releases are listed --- */

/* What a name in rules/ is. */
enum kind { KIND_UNKNOWN, KIND_CURRENT, KIND_ARCHIVE, KIND_BESIDE, KIND_DELTA };

static enum kind kind_of(const char *path, uint64_t *serial)
{
    const char *name = path + strlen(FOLDER), *form;
    uint64_t from = 0;
    size_t n;

    if (strncmp(path, FOLDER, strlen(FOLDER)) != 0)
        return KIND_UNKNOWN;
    if (strcmp(name, "current.json") == 0)
        return KIND_CURRENT;
    n = strspn(name, "0123456789");
    form = name + n;
    if (text_u64(span_of(name, n), TUF_INT_MAX, serial) != 0 || *serial == 0)
        return KIND_UNKNOWN;
    if (*form == '-') { /* rules/M-N.zst leads to N */
        from = *serial;
        name = form + 1;
        n = strspn(name, "0123456789");
        form = name + n;
        if (text_u64(span_of(name, n), TUF_INT_MAX, serial) != 0 || *serial == 0 || *serial == from)
            return KIND_UNKNOWN;
        return strcmp(form, ".zst") == 0 ? KIND_DELTA : KIND_UNKNOWN;
    }
    return strcmp(form, ".tar") == 0                                      ? KIND_ARCHIVE
           : strcmp(form, ".tar.zst") == 0 || strcmp(form, ".proof") == 0 ? KIND_BESIDE
                                                                          : KIND_UNKNOWN;
}

/* custom: {"serial", "tree"}.  *there: it has one of them. */
static int read_custom(const struct tuf_metadata *m, const char *path,
                       struct published_release *out, bool *there, struct err *e)
{
    const json_t *targets = json_object_get(json_object_get(m->json, "signed"), "targets");
    const json_t *custom = json_object_get(json_object_get(targets, path), "custom");
    const char *tree;
    int64_t serial;
    int rc;

    *there = json_object_get(custom, "serial") != NULL || json_object_get(custom, "tree") != NULL;
    if (!*there)
        return 0;
    if ((rc = tuf_json_int(custom, path, "serial", 1, TUF_INT_MAX, &serial, e)) != 0 ||
        (rc = tuf_json_string(custom, path, "tree", &tree, e)) != 0)
        return rc;
    out->serial = (uint64_t)serial;
    if (text_undigest(span_str(tree), &out->tree) != 0)
        return err_set(e, -EBADMSG, "\"%.80s\": \"tree\" is not 64 hexadecimal digits", path);
    return 0;
}

static int by_serial(const void *a, const void *b)
{
    const struct published_release *x = a, *y = b;

    return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static int list_archives(struct published *p, const struct tuf_metadata *m, struct err *e)
{
    struct published_release r;
    uint64_t serial;
    bool there;
    int rc;

    if ((p->release = calloc(m->n_files + 1, sizeof(*p->release))) == NULL)
        return err_sys(e, -ENOMEM, "the list of releases");
    for (size_t i = 0; i < m->n_files; i++) {
        const char *path = m->files[i].name;

        if (kind_of(path, &serial) != KIND_ARCHIVE)
            continue;
        if ((rc = read_custom(m, path, &r, &there, e)) != 0)
            return rc;
        if (!there || r.serial != serial)
            return err_set(e, -EBADMSG, "\"%.80s\" does not say that it is release %" PRIu64, path,
                           serial);
        p->release[p->releases++] = r; /* each name is there once, so each serial */
    }
    qsort(p->release, p->releases, sizeof(*p->release), by_serial);
    return 0;
}

static const struct published_release *listed(const struct published *p, uint64_t serial)
{
    const struct published_release want = {.serial = serial};

    return p->releases == 0
               ? NULL
               : bsearch(&want, p->release, p->releases, sizeof(*p->release), by_serial);
}

/* The pointer of the list is as small as it can be, so its hash says what is in it. */
static int check_current(const struct published *p, const struct tuf_file *f, struct err *e)
{
    const struct published_release *r = listed(p, published_serial(p));
    char text[200], hex[65];
    int n, rc = -EBADMSG;

    if (r == NULL)
        return err_set(e, -EBADMSG, "\"%s\" is listed and no release is", f->name);
    text_digest(hex, &r->tree);
    n = snprintf(text, sizeof(text),
                 "{\"format\":\"rules-current/v1\",\"serial\":%" PRIu64 ",\"tree\":\"%s\"}\n",
                 r->serial, hex);
    if (f->hashes.has_sha256 || f->hashes.has_sha512)
        rc = tuf_file_matches(f, span_of(text, (size_t)n), f->name, NULL);
    if (rc == -EBADMSG)
        return err_set(e, rc, "\"%s\" does not name release %" PRIu64 ", the newest that is listed",
                       f->name, r->serial);
    return rc == 0 ? 0 : err_sys(e, rc, "%s", f->name);
}

static int check_beside(const struct published *p, const struct tuf_metadata *m,
                        const struct tuf_file *f, struct err *e)
{
    const struct published_release *r;
    struct published_release said;
    uint64_t serial = published_serial(p);
    enum kind kind = kind_of(f->name, &serial);
    bool there;
    int rc;

    if (kind == KIND_UNKNOWN)
        return err_set(e, -EBADMSG,
                       "role \"" RULES "\" lists \"%.80s\", which is nothing that it "
                       "is trusted with",
                       f->name);
    if (kind == KIND_CURRENT && (rc = check_current(p, f, e)) != 0)
        return rc;
    if ((r = listed(p, serial)) == NULL)
        return err_set(e, -EBADMSG, "\"%.80s\" is of release %" PRIu64 ", which is not listed",
                       f->name, serial);
    if ((rc = read_custom(m, f->name, &said, &there, e)) != 0 || !there)
        return rc;
    if (said.serial != r->serial || !digest_eq(&said.tree, &r->tree))
        return err_set(e, -EBADMSG, "\"%.80s\" says that it is of another release", f->name);
    return 0;
}

static int check_rules(struct published *p, const struct tuf_metadata *m, struct err *e)
{
    int rc;

    if (m->delegations.n > 0 || m->delegations.bins.prefix != NULL)
        return err_set(e, -EBADMSG, "role \"" RULES "\" trusts others, which is not read here");
    if ((rc = list_archives(p, m, e)) != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < m->n_files; i++)
        rc = check_beside(p, m, &m->files[i], e);
    if (rc == 0 && p->releases > 0 && tuf_metadata_file(m, FOLDER "current.json") == NULL)
        rc = err_set(e, -EBADMSG, "releases are listed, and no \"" FOLDER "current.json\"");
    return rc;
}

static int check_role(struct checking *c, const struct published_part *f, struct err *e)
{
    const struct tuf_signers *signers = tuf_delegations_signers(&c->targets->delegations, f->role);
    struct tuf_metadata *m;
    int rc;

    if (signers == NULL)
        return err_set(e, -EBADMSG, "%s: not delegated by targets", f->role);
    if ((rc = load(f, TUF_TARGETS, &m, e)) != 0)
        return rc;
    rc = tuf_metadata_verify(m, signers, c->targets->keys, f->role, e);
    if (rc == 0 && strcmp(f->role, RULES) == 0)
        rc = check_rules(c->p, m, e);
    tuf_metadata_free(m);
    return rc;
}

int published_check(struct published *p, struct err *e)
{
    struct checking c = {.p = p};
    int rc;

    if ((rc = check_roots(&c, e)) == 0 && (rc = check_snapshot(&c, e)) == 0)
        rc = check_targets(&c, e);
    for (size_t i = 2; rc == 0 && i < p->parts; i++)
        rc = check_role(&c, &p->part[i], e);
    tuf_metadata_free(c.root);
    tuf_metadata_free(c.snapshot);
    tuf_metadata_free(c.targets);
    return rc;
}
