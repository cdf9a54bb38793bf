#include "betray/served.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"
#include "updates/published.h"

#define EXPIRES "2999-01-01T00:00:00Z"
#define FLAGS (JSON_COMPACT | JSON_SORT_KEYS)

void served_init(struct served *v)
{
    memset(v, 0, sizeof(*v));
}

static void file_free(struct served_file *f)
{
    json_decref(f->body);
    f->body = NULL;
    buf_free(&f->bytes);
}

void served_free(struct served *v)
{
    while (v->n > 0)
        file_free(&v->file[--v->n]);
}

/* --- from and to an artifact --- */

/* "ROLE VERSION LENGTH", and the file. */
static int parse_file(struct cur *c, struct served_file *f)
{
    struct span line, bytes;
    char text[100];
    uint64_t length;
    json_t *all;
    int rc;

    if (cur_line(c, &line) != 0 || line.n >= sizeof(text))
        return -EBADMSG;
    memcpy(text, line.p, line.n);
    text[line.n] = '\0';
    if (sscanf(text, "%39s %" SCNd64 " %" SCNu64, f->role, &f->version, &length) != 3 ||
        cur_take(c, (size_t)length, &bytes) != 0 || cur_line(c, &line) != 0)
        return -EBADMSG;
    buf_init(&f->bytes, PUBLISHED_MAX_BYTES);
    if ((rc = buf_put(&f->bytes, bytes.p, bytes.n)) != 0)
        return rc;
    all = json_loadb((const char *)bytes.p, bytes.n, 0, NULL);
    f->body = json_incref(json_object_get(all, "signed"));
    json_decref(all);
    return f->body == NULL ? -EBADMSG : 0;
}

int served_parse(struct served *v, struct span artifact)
{
    struct cur c = cur_of(artifact);
    struct span line;
    int rc = cur_line(&c, &line);

    while (rc == 0 && c.n > 0) {
        if (v->n == SERVED_FILES)
            return -EBADMSG;
        rc = parse_file(&c, &v->file[v->n++]);
    }
    return rc;
}

int served_write(const struct served *v, struct buf *out)
{
    struct published_file f[SERVED_FILES];

    for (size_t i = 0; i < v->n; i++)
        f[i] = (struct published_file){v->file[i].role, v->file[i].version,
                                       buf_span(&v->file[i].bytes)};
    return published_write(out, f, v->n, NULL);
}

/* --- keys and signatures (TUF 4.2.1) --- */

/* A key's canonical JSON, and its keyid. */
static void key_text(const struct ed25519_key *k, char text[200], char id[65])
{
    struct ed25519_pub pub;
    struct digest d;
    char hex[65];
    int n;

    ed25519_public(k, &pub);
    text_hex(hex, pub.b, sizeof(pub.b));
    n = snprintf(text, 200,
                 "{\"keytype\":\"ed25519\",\"keyval\":{\"public\":\"%s\"},\"scheme\":\"ed25519\"}",
                 hex);
    sha256_of(text, (size_t)n, &d);
    text_digest(id, &d);
}

int served_sign(struct served_file *f, struct ed25519_key *const *by, size_t n)
{
    char *text = json_dumps(f->body, FLAGS), key[200], id[65], hex[129];
    struct ed25519_sig sig;
    int rc = text == NULL ? -ENOMEM : 0;

    buf_free(&f->bytes);
    buf_init(&f->bytes, PUBLISHED_MAX_BYTES);
    if (rc == 0)
        rc = buf_puts(&f->bytes, "{\"signatures\":[");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        key_text(by[i], key, id);
        if ((rc = ed25519_sign(by[i], text, strlen(text), &sig)) != 0)
            break;
        text_hex(hex, sig.b, sizeof(sig.b));
        rc =
            buf_printf(&f->bytes, "%s{\"keyid\":\"%s\",\"sig\":\"%s\"}", i > 0 ? "," : "", id, hex);
    }
    if (rc == 0 && (rc = buf_puts(&f->bytes, "],\"signed\":")) == 0 &&
        (rc = buf_puts(&f->bytes, text)) == 0)
        rc = buf_putc(&f->bytes, '}');
    free(text);
    f->version = json_integer_value(json_object_get(f->body, "version"));
    return rc;
}

struct served_file *served_find(struct served *v, const char *role)
{
    struct served_file *found = NULL;

    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->file[i].role, role) == 0 &&
            (found == NULL || v->file[i].version > found->version))
            found = &v->file[i];
    return found;
}

int served_put(struct served *v, const char *role, json_t *body, struct ed25519_key *const *by,
               size_t n)
{
    struct served_file *f = strcmp(role, "root") == 0 ? NULL : served_find(v, role);

    if (body == NULL || (f == NULL && v->n == SERVED_FILES)) {
        json_decref(body);
        return -ENOMEM;
    }
    if (f == NULL)
        f = &v->file[v->n++];
    else
        file_free(f);
    (void)snprintf(f->role, sizeof(f->role), "%s", role);
    buf_init(&f->bytes, PUBLISHED_MAX_BYTES);
    f->body = body;
    return served_sign(f, by, n);
}

/* --- bodies --- */

static json_t *body_of(const char *type, int64_t version)
{
    return json_pack("{s:s,s:s,s:s,s:I}", "_type", type, "expires", EXPIRES, "spec_version",
                     "1.0.31", "version", (json_int_t)version);
}

/* {"keyids", "threshold": all of them}; the keys go into keys. */
static json_t *role_of(json_t *keys, struct ed25519_key *const *key, int n)
{
    json_t *ids = json_array();
    char text[200], id[65];

    for (int i = 0; i < n; i++) {
        key_text(key[i], text, id);
        if (json_object_set_new(keys, id, json_loads(text, 0, NULL)) != 0 ||
            json_array_append_new(ids, json_string(id)) != 0) {
            json_decref(ids);
            return NULL;
        }
    }
    return json_pack("{s:o,s:i}", "keyids", ids, "threshold", n);
}

/* All or nothing: a body that lacks a member is no body. */
static json_t *with(json_t *body, const char *name, json_t *value)
{
    if (body != NULL && json_object_set_new(body, name, value) == 0)
        return body;
    json_decref(body);
    return NULL;
}

json_t *served_root(int64_t version, struct ed25519_key *const key[SERVED_KEYS])
{
    json_t *keys = json_object(), *roles = json_object();

    roles = with(roles, "root", role_of(keys, key + KEY_ROOT, 2));
    roles = with(roles, "targets", role_of(keys, key + KEY_TARGETS, 1));
    roles = with(roles, "snapshot", role_of(keys, key + KEY_SNAPSHOT, 1));
    roles = with(roles, "timestamp", role_of(keys, key + KEY_TIMESTAMP, 1));
    return with(
        with(with(body_of("root", version), "consistent_snapshot", json_true()), "keys", keys),
        "roles", roles);
}

json_t *served_targets(int64_t version, struct ed25519_key *const key[SERVED_KEYS])
{
    json_t *keys = json_object(), *rules = role_of(keys, key + KEY_RULES, 2), *delegations;

    rules =
        with(with(with(rules, "name", json_string("rules")), "paths", json_pack("[s]", "rules/*")),
             "terminating", json_true());
    delegations = json_pack("{s:o,s:[o]}", "keys", keys, "roles", rules);
    return with(with(body_of("targets", version), "targets", json_object()), "delegations",
                delegations);
}

static json_t *target(size_t length, const struct digest *hash, const struct served_release *r)
{
    char hash_hex[65], tree[65];

    text_digest(hash_hex, hash);
    text_digest(tree, &r->tree);
    return json_pack("{s:I,s:{s:s},s:{s:I,s:s}}", "length", (json_int_t)length, "hashes", "sha256",
                     hash_hex, "custom", "serial", (json_int_t)r->serial, "tree", tree);
}

static json_t *current(const struct served_release *r)
{
    char text[200], tree[65];
    struct digest d;
    int n;

    text_digest(tree, &r->tree);
    n = snprintf(text, sizeof(text),
                 "{\"format\":\"rules-current/v1\",\"serial\":%" PRIu64 ",\"tree\":\"%s\"}\n",
                 r->serial, tree);
    sha256_of(text, (size_t)n, &d);
    return target((size_t)n, &d, r);
}

json_t *served_rules(int64_t version, const struct served_release *r, size_t n)
{
    json_t *targets = json_object();
    char path[40];

    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path, sizeof(path), "rules/%" PRIu64 ".tar", r[i].serial);
        targets = with(targets, path, target(10240, &r[i].tree, &r[i]));
    }
    return with(body_of("targets", version), "targets",
                n == 0 ? targets : with(targets, "rules/current.json", current(&r[n - 1])));
}

json_t *served_snapshot(struct served *v)
{
    struct served_file *before = served_find(v, "snapshot");
    json_t *meta = json_object();

    for (size_t i = 0; i < v->n; i++) {
        const struct served_file *f = &v->file[i];
        char name[50], hex[65];
        struct digest d;

        if (strcmp(f->role, "root") == 0 || strcmp(f->role, "snapshot") == 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s.json", f->role);
        sha256_of(f->bytes.data, f->bytes.len, &d);
        text_digest(hex, &d);
        meta = with(meta, name,
                    json_pack("{s:{s:s},s:I,s:I}", "hashes", "sha256", hex, "length",
                              (json_int_t)f->bytes.len, "version", (json_int_t)f->version));
    }
    return with(body_of("snapshot", before == NULL ? 1 : before->version + 1), "meta", meta);
}

int served_begin(struct served *v, struct ed25519_key *const key[SERVED_KEYS],
                 const struct served_release *r, size_t n)
{
    int rc;

    if ((rc = served_put(v, "root", served_root(1, key), key + KEY_ROOT, 2)) != 0 ||
        (rc = served_put(v, "targets", served_targets(1, key), key + KEY_TARGETS, 1)) != 0 ||
        (rc = served_put(v, "rules", served_rules(1, r, n), key + KEY_RULES, 2)) != 0)
        return rc;
    return served_put(v, "snapshot", served_snapshot(v), key + KEY_SNAPSHOT, 1);
}
