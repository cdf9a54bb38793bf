#include "updates/tuf_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"

#define SPEC_VERSION "1.0.33" /* the edition of the specification that this follows */

/* Members of an object, one after another; what failed once makes the end NULL.  Takes v. */
static void set(json_t **o, const char *name, json_t *v)
{
    if (*o != NULL && json_object_set_new(*o, name, v) == 0) /* a NULL v fails too */
        return;
    if (*o == NULL)
        json_decref(v);
    json_decref(*o);
    *o = NULL;
}

static void append(json_t **a, json_t *v)
{
    if (*a != NULL && json_array_append_new(*a, v) == 0)
        return;
    if (*a == NULL)
        json_decref(v);
    json_decref(*a);
    *a = NULL;
}

static json_t *key_object(const struct ed25519_pub *k)
{
    json_t *o = json_object(), *value = json_object();
    char hex[65];

    text_hex(hex, k->b, 32);
    set(&value, "public", json_string(hex));
    set(&o, "keytype", json_string("ed25519"));
    set(&o, "scheme", json_string("ed25519"));
    set(&o, "keyval", value);
    return o;
}

int tuf_write_keyid(char out[65], const struct ed25519_pub *k)
{
    json_t *o = key_object(k);
    struct digest d;
    struct buf b;
    int rc = o == NULL ? -ENOMEM : 0;

    buf_init(&b, 1024);
    if (rc == 0 && (rc = tuf_json_canonical(&b, o)) == 0) {
        sha256_of(b.data, b.len, &d);
        text_digest(out, &d);
    }
    json_decref(o);
    buf_free(&b);
    return rc;
}

/* {"keyids", "threshold"} of r, and its keys into keys. */
static json_t *role_object(const struct tuf_write_role *r, json_t **keys)
{
    json_t *o = json_object(), *ids = json_array();
    char id[65];

    for (size_t i = 0; i < r->n; i++) {
        bool ok = tuf_write_keyid(id, &r->key[i]) == 0;

        append(&ids, ok ? json_string(id) : NULL);
        set(keys, ok ? id : "", ok ? key_object(&r->key[i]) : NULL);
    }
    set(&o, "keyids", ids);
    set(&o, "threshold", json_integer((json_int_t)r->threshold));
    return o;
}

static json_t *common(enum tuf_type type, int64_t version, unix_time expires)
{
    json_t *o = json_object();
    char when[CLOCK_SECOND_LEN + 1];

    clock_second(when, expires);
    set(&o, "_type", json_string(tuf_type_name(type)));
    set(&o, "spec_version", json_string(SPEC_VERSION));
    set(&o, "version", json_integer(version));
    set(&o, "expires", json_string(when));
    return o;
}

json_t *tuf_write_root(int64_t version, unix_time expires,
                       const struct tuf_write_role roles[TUF_TYPES])
{
    json_t *o = common(TUF_ROOT, version, expires), *keys = json_object(), *r = json_object();

    for (int t = 0; t < TUF_TYPES; t++)
        set(&r, tuf_type_name((enum tuf_type)t), role_object(&roles[t], &keys));
    set(&o, "consistent_snapshot", json_true());
    set(&o, "keys", keys);
    set(&o, "roles", r);
    return o;
}

static json_t *delegation(const struct tuf_write_delegation *d, json_t **keys)
{
    json_t *o = role_object(&d->role, keys), *paths = json_array();

    append(&paths, json_string(d->path));
    set(&o, "name", json_string(d->name));
    set(&o, "paths", paths);
    set(&o, "terminating", json_true());
    return o;
}

json_t *tuf_write_targets(int64_t version, unix_time expires, const json_t *targets,
                          const struct tuf_write_delegation *d, size_t n)
{
    json_t *o = common(TUF_TARGETS, version, expires), *all, *keys, *roles;

    set(&o, "targets", json_deep_copy(targets));
    if (n == 0)
        return o;
    all = json_object();
    keys = json_object();
    roles = json_array();
    for (size_t i = 0; i < n; i++)
        append(&roles, delegation(&d[i], &keys));
    set(&all, "keys", keys);
    set(&all, "roles", roles);
    set(&o, "delegations", all);
    return o;
}

static json_t *hashes(const struct digest *sha256)
{
    json_t *o = json_object();
    char hex[65];

    text_digest(hex, sha256);
    set(&o, "sha256", json_string(hex));
    return o;
}

static json_t *meta(const struct tuf_write_meta *m, size_t n)
{
    json_t *o = json_object(), *one;
    struct digest d;
    char name[256];

    for (size_t i = 0; i < n; i++) {
        sha256_of(m[i].bytes.p, m[i].bytes.n, &d);
        one = json_object();
        set(&one, "version", json_integer(m[i].version));
        set(&one, "length", json_integer((json_int_t)m[i].bytes.n));
        set(&one, "hashes", hashes(&d));
        (void)snprintf(name, sizeof(name), "%s.json", m[i].name);
        set(&o, name, one);
    }
    return o;
}

json_t *tuf_write_snapshot(int64_t version, unix_time expires, const struct tuf_write_meta *m,
                           size_t n)
{
    json_t *o = common(TUF_SNAPSHOT, version, expires);

    set(&o, "meta", meta(m, n));
    return o;
}

json_t *tuf_write_timestamp(int64_t version, unix_time expires,
                            const struct tuf_write_meta *snapshot)
{
    json_t *o = common(TUF_TIMESTAMP, version, expires);

    set(&o, "meta", meta(snapshot, 1));
    return o;
}

json_t *tuf_write_target(uint64_t length, const struct digest *sha256, const json_t *custom)
{
    json_t *o = json_object();

    set(&o, "length", json_integer((json_int_t)length));
    set(&o, "hashes", hashes(sha256));
    if (custom != NULL)
        set(&o, "custom", json_deep_copy(custom));
    return o;
}

/* --- files --- */

static int dump(struct buf *out, const json_t *signatures, const json_t *signed_part, struct err *e)
{
    json_t *o = json_object();
    char *text = NULL;
    int rc = -ENOMEM;

    if (o != NULL && json_object_set(o, "signatures", (json_t *)(uintptr_t)signatures) == 0 &&
        json_object_set(o, "signed", (json_t *)(uintptr_t)signed_part) == 0)
        text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    if (text != NULL)
        rc = buf_puts(out, text);
    free(text);
    json_decref(o);
    return rc == 0 ? 0 : err_sys(e, rc, "metadata");
}

int tuf_write_unsigned(struct buf *out, const json_t *signed_part, struct err *e)
{
    json_t *none = json_array();
    int rc = none == NULL || signed_part == NULL ? err_sys(e, -ENOMEM, "metadata")
                                                 : dump(out, none, signed_part, e);

    json_decref(none);
    return rc;
}

static int signature(json_t **out, const json_t *signed_part, const struct signkey *k,
                     struct err *e)
{
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    char id[65], hex[129];
    struct buf b;
    int rc;

    buf_init(&b, TUF_MAX_BYTES);
    signkey_public(k, &pub);
    if ((rc = tuf_json_canonical(&b, signed_part)) != 0 || (rc = tuf_write_keyid(id, &pub)) != 0 ||
        (rc = signkey_sign(k, b.data, b.len, &sig)) != 0) {
        (void)err_sys(e, rc, "signing");
    } else {
        text_hex(hex, sig.b, 64);
        *out = json_object();
        set(out, "keyid", json_string(id));
        set(out, "sig", json_string(hex));
        if (*out == NULL)
            rc = err_sys(e, -ENOMEM, "signing");
    }
    buf_free(&b);
    return rc;
}

/* Drops the signature with that keyid. */
static void drop(json_t *signatures, const char *id)
{
    for (size_t i = json_array_size(signatures); i-- > 0;) {
        const json_t *one = json_array_get(signatures, i);
        const char *have = json_string_value(json_object_get(one, "keyid"));

        if (have != NULL && strcmp(have, id) == 0)
            (void)json_array_remove(signatures, i);
    }
}

int tuf_write_sign(struct buf *out, struct span file, const struct signkey *k, struct err *e)
{
    json_t *all = NULL, *signatures, *signed_part, *mine = NULL;
    int rc;

    if ((rc = tuf_json_parse(&all, file, e)) != 0)
        return rc;
    if ((rc = tuf_json_array(all, "file", "signatures", &signatures, e)) == 0 &&
        (rc = tuf_json_object(all, "file", "signed", &signed_part, e)) == 0 &&
        (rc = signature(&mine, signed_part, k, e)) == 0) {
        drop(signatures, json_string_value(json_object_get(mine, "keyid")));
        if (json_array_append(signatures, mine) != 0)
            rc = err_sys(e, -ENOMEM, "signing");
        else
            rc = dump(out, signatures, signed_part, e);
    }
    json_decref(mine);
    json_decref(all);
    return rc;
}
