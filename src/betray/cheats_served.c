/* Cheats about the update repository: what it serves, and who signed that.  Each makes the
 * publication that would follow, honest but for one thing.  A history without a repository is given
 * one first, whole and honest, of keys made up for it. */
#include <errno.h>
#include <string.h>

#include "betray/cheats_priv.h"
#include "betray/served.h"
#include "crypto/sha256.h"
#include "updates/published.h"

#define SIGNERS 16 /* of a role */

struct serving {
    struct stage *s;
    int site;
    struct served v;         /* the newest publication */
    struct digest doc;       /* its artifact */
    uint64_t serial;         /* that it told */
    struct served_release r; /* the newest release of the ledger */
    struct ed25519_key *made[SERVED_KEYS], *other[SERVED_KEYS];
};

static struct digest drawn(void)
{
    struct digest d;

    random_bytes(d.b, sizeof(d.b));
    return d;
}

static int draw_keys(struct ed25519_key **k, struct err *e)
{
    for (size_t i = 0; i < SERVED_KEYS; i++)
        if (ed25519_generate(&k[i]) != 0)
            return err_sys(e, -ENOMEM, "making a key");
    return 0;
}

static void close_shop(struct serving *x)
{
    served_free(&x->v);
    cheats_free_keys(x->made, SERVED_KEYS);
    cheats_free_keys(x->other, SERVED_KEYS);
}

/* --- whose signature it takes --- */

/* What root, or targets for a role that it delegates to, says of role; *keys are theirs. */
static const json_t *role_json(struct serving *x, const char *role, const json_t **keys)
{
    struct served_file *root = served_find(&x->v, "root"), *targets = served_find(&x->v, "targets");
    const json_t *found = root == NULL ? NULL : json_object_get(root->body, "roles"), *d, *one;
    size_t i;

    if (targets == NULL)
        return NULL;
    *keys = root == NULL ? NULL : json_object_get(root->body, "keys");
    if ((found = json_object_get(found, role)) != NULL)
        return found;
    d = json_object_get(targets->body, "delegations");
    *keys = json_object_get(d, "keys");
    json_array_foreach(json_object_get(d, "roles"), i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));

        if (name != NULL && strcmp(name, role) == 0)
            return one;
    }
    return NULL;
}

/* The private key whose public half that is: made here, or in the folder of keys. */
static int key_of(struct serving *x, const char *hex, struct ed25519_key **out)
{
    struct ed25519_pub want, pub;
    uint8_t seed[32];
    int rc;

    if (hex == NULL || text_unhex(span_str(hex), want.b, sizeof(want.b)) != 0)
        return -ENOENT;
    for (size_t i = 0; i < SERVED_KEYS && x->made[i] != NULL; i++) {
        ed25519_public(x->made[i], &pub);
        if (memcmp(pub.b, want.b, sizeof(pub.b)) != 0)
            continue;
        ed25519_seed(x->made[i], seed);
        rc = ed25519_from_seed(out, seed);
        secret_wipe(seed, sizeof(seed));
        return rc;
    }
    return stage_key(x->s, &want, out);
}

/* Signs the newest file of role, or body in its place, with as many keys as it takes, less `few`.
 */
static int sign(struct serving *x, const char *role, json_t *body, size_t few, struct err *e)
{
    struct ed25519_key *k[SIGNERS] = {NULL};
    const json_t *keys = NULL, *r = role_json(x, role, &keys), *id;
    json_int_t threshold = json_integer_value(json_object_get(r, "threshold"));
    size_t n = 0, i;
    int rc;

    json_array_foreach(json_object_get(r, "keyids"), i, id)
    {
        const json_t *val = json_object_get(json_object_get(keys, json_string_value(id)), "keyval");

        if ((json_int_t)(n + few) < threshold && n < SIGNERS &&
            key_of(x, json_string_value(json_object_get(val, "public")), &k[n]) == 0)
            n++;
    }
    if (r == NULL || (json_int_t)(n + few) < threshold) {
        json_decref(body);
        rc = stage_nothing(e, "the repository's keys are not at hand");
    } else if ((rc = served_put(&x->v, role, body, k, n)) != 0) {
        (void)err_sys(e, rc, "signing the repository's metadata");
    }
    cheats_free_keys(k, n);
    return rc;
}

/* --- publishing --- */

static int tell(struct serving *x, const struct digest *doc, uint64_t serial, struct err *e)
{
    unix_time t = stage_time(x->s, x->site);
    struct leaf_builder b;
    int rc;

    stage_begin(x->s, x->site, &b, LK_REPOSITORY_PUBLISHED, t);
    leaf_set_digest(&b, LF_METADATA, doc);
    leaf_set_int(&b, LF_SERIAL, serial);
    if ((rc = stage_add(x->s, x->site, &b, e)) != 0)
        return rc;
    return stage_publish(x->s, x->site, t);
}

/* The files as they are, and the leaf. */
static int write_it(struct serving *x, uint64_t serial, struct err *e)
{
    struct buf b;
    int rc;

    buf_init(&b, PUBLISHED_MAX_BYTES);
    if ((rc = served_write(&x->v, &b)) != 0 ||
        (rc = tale_document(&x->s->tale[x->site], buf_span(&b), &x->doc)) != 0)
        (void)err_sys(e, rc, "writing the repository's metadata");
    buf_free(&b);
    return rc != 0 ? rc : tell(x, &x->doc, serial, e);
}

static int publish(struct serving *x, uint64_t serial, struct err *e)
{
    int rc = sign(x, "snapshot", served_snapshot(&x->v), 0, e);

    return rc != 0 ? rc : write_it(x, serial, e);
}

/* --- what is there --- */

static int find_artifact(struct serving *x, const struct digest *doc)
{
    const struct tale *t = &x->s->tale[x->site];
    struct digest is;

    for (size_t i = 0; i < t->artifacts; i++) {
        sha256_of(t->artifact[i].data, t->artifact[i].len, &is);
        if (digest_eq(&is, doc))
            return served_parse(&x->v, buf_span(&t->artifact[i]));
    }
    return -ENOENT;
}

static int begin(struct stage *s, struct serving *x, struct err *e)
{
    struct leaf l;
    size_t i;
    int rc;

    memset(x, 0, sizeof(*x));
    x->s = s;
    if ((rc = stage_find(s, LK_RELEASE_PUBLISHED, &x->site, &i, e)) != 0)
        return rc;
    l = tale_leaf(&s->tale[x->site], i);
    x->r = (struct served_release){leaf_int(&l, LF_SERIAL), leaf_digest(&l, LF_TREE)};
    i = tale_last(&s->tale[x->site], LK_REPOSITORY_PUBLISHED);
    if (i == s->tale[x->site].leaves) {
        x->serial = x->r.serial;
        if ((rc = draw_keys(x->made, e)) != 0 || (rc = served_begin(&x->v, x->made, &x->r, 1)) != 0)
            return rc;
        return write_it(x, x->serial, e);
    }
    l = tale_leaf(&s->tale[x->site], i);
    x->serial = leaf_int(&l, LF_SERIAL);
    x->doc = leaf_digest(&l, LF_METADATA);
    return find_artifact(x, &x->doc) == 0
               ? 0
               : stage_nothing(e, "what the repository served is not at hand");
}

static int64_t next(struct serving *x, const char *role)
{
    const struct served_file *f = served_find(&x->v, role);

    return f == NULL ? 1 : f->version + 1;
}

/* The rules' next list, signed by as many as must, less `few`. */
static int list(struct serving *x, const struct served_release *r, size_t n, size_t few,
                struct err *e)
{
    return sign(x, "rules", served_rules(next(x, "rules"), r, n), few, e);
}

/* --- the cheats --- */

static int few_keys(struct serving *x, struct err *e)
{
    int rc = list(x, &x->r, 1, 1, e);

    return rc != 0 ? rc : publish(x, x->r.serial, e);
}

static int other_tree(struct serving *x, struct err *e)
{
    struct served_release r = {x->r.serial, drawn()};
    int rc = list(x, &r, 1, 0, e);

    return rc != 0 ? rc : publish(x, r.serial, e);
}

static int unreleased(struct serving *x, struct err *e)
{
    struct served_release r[2] = {x->r, {x->r.serial + 1, drawn()}};
    int rc = list(x, r, 2, 0, e);

    return rc != 0 ? rc : publish(x, r[1].serial, e);
}

static int rolled_back(struct serving *x, struct err *e)
{
    struct digest before = x->doc;
    uint64_t serial = x->serial;
    int rc;

    if ((rc = list(x, &x->r, 1, 0, e)) != 0 || (rc = publish(x, x->r.serial, e)) != 0)
        return rc;
    return tell(x, &before, serial, e);
}

static int mixed(struct serving *x, struct err *e)
{
    struct served_file *f = served_find(&x->v, "rules"), old;
    int rc;

    if (f == NULL)
        return stage_nothing(e, "the repository lists no rules");
    old = *f;
    old.body = json_incref(f->body);
    buf_init(&old.bytes, PUBLISHED_MAX_BYTES);
    if ((rc = buf_put(&old.bytes, f->bytes.data, f->bytes.len)) == 0 &&
        (rc = list(x, &x->r, 1, 0, e)) == 0)
        rc = sign(x, "snapshot", served_snapshot(&x->v), 0, e);
    f = served_find(&x->v, "rules");
    json_decref(f->body);
    buf_free(&f->bytes);
    *f = old;
    return rc != 0 ? rc : write_it(x, x->r.serial, e);
}

/* One more root and all that hangs on it, by keys that nobody was told of. */
static int new_root(struct serving *x, struct err *e)
{
    struct ed25519_key *const *k = x->other;
    struct served *v = &x->v;
    int rc;

    if ((rc = draw_keys(x->other, e)) != 0)
        return rc;
    if ((rc = served_put(v, "root", served_root(next(x, "root"), k), k + KEY_ROOT, 2)) == 0 &&
        (rc = served_put(v, "targets", served_targets(next(x, "targets"), k), k + KEY_TARGETS,
                         1)) == 0 &&
        (rc = served_put(v, "rules", served_rules(next(x, "rules"), &x->r, 1), k + KEY_RULES, 2)) ==
            0)
        rc = served_put(v, "snapshot", served_snapshot(v), k + KEY_SNAPSHOT, 1);
    return rc != 0 ? err_sys(e, rc, "making a root") : write_it(x, x->r.serial, e);
}

static int elsewhere(struct serving *x, struct err *e)
{
    int rc = draw_keys(x->other, e);

    if (rc != 0)
        return rc;
    served_free(&x->v);
    if ((rc = served_begin(&x->v, x->other, &x->r, 1)) != 0)
        return err_sys(e, rc, "making a repository");
    return write_it(x, x->r.serial, e);
}

/* A role before "rules" that is trusted with the same paths, by a key of one person. */
static int side_door(struct serving *x, struct err *e)
{
    struct served_file *targets = served_find(&x->v, "targets");
    struct served_release r = {x->r.serial, drawn()};
    json_t *body, *made, *d, *from, *role;
    int rc = draw_keys(x->other, e);

    if (rc != 0 || targets == NULL)
        return rc != 0 ? rc : stage_nothing(e, "the repository has no targets");
    body = json_deep_copy(targets->body);
    made = served_targets(next(x, "targets"), x->other);
    d = json_object_get(body, "delegations");
    from = json_object_get(made, "delegations");
    role = json_array_get(json_object_get(from, "roles"), 0);
    if (json_object_set(body, "version", json_object_get(made, "version")) != 0 ||
        json_object_set_new(role, "name", json_string("early")) != 0 ||
        json_object_update_missing(json_object_get(d, "keys"), json_object_get(from, "keys")) !=
            0 ||
        json_array_insert(json_object_get(d, "roles"), 0, role) != 0)
        rc = stage_nothing(e, "the repository delegates to nobody");
    json_decref(made);
    if (rc != 0) {
        json_decref(body);
        return rc;
    }
    if ((rc = sign(x, "targets", body, 0, e)) != 0)
        return rc;
    rc = served_put(&x->v, "early", served_rules(1, &r, 1), x->other + KEY_RULES, 2);
    return rc != 0 ? err_sys(e, rc, "making a role") : publish(x, x->r.serial, e);
}

#define PLAY(name)                                                                                 \
    int cheats_served_##name(struct stage *s, struct err *e)                                       \
    {                                                                                              \
        struct serving x;                                                                          \
        int rc = begin(s, &x, e);                                                                  \
                                                                                                   \
        if (rc == 0)                                                                               \
            rc = name(&x, e);                                                                      \
        close_shop(&x);                                                                            \
        return rc;                                                                                 \
    }

PLAY(few_keys)
PLAY(other_tree)
PLAY(unreleased)
PLAY(rolled_back)
PLAY(mixed)
PLAY(new_root)
PLAY(elsewhere)
PLAY(side_door)
