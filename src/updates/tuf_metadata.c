#include "updates/tuf_metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char *tuf_type_name(enum tuf_type t)
{
    static const char *const names[TUF_TYPES] = {"root", "timestamp", "snapshot", "targets"};

    return names[t];
}

/* --- what every file has (4.2) ---------------------------------------------------------------- */

static int parse_signatures(struct tuf_metadata *m, struct err *e)
{
    json_t *list, *one;
    size_t i;
    int rc;

    if ((rc = tuf_json_array(m->json, "file", "signatures", &list, e)) != 0)
        return rc;
    if (json_array_size(list) > TUF_MAX_SIGNATURES)
        return err_set(e, -E2BIG, "more than %d signatures", TUF_MAX_SIGNATURES);
    if ((m->sigs = calloc(json_array_size(list) + 1, sizeof(*m->sigs))) == NULL)
        return err_sys(e, -ENOMEM, "signatures");
    json_array_foreach(list, i, one)
    {
        struct tuf_signature *s = &m->sigs[m->n_sigs];

        if ((rc = tuf_json_string(one, "signature", "keyid", &s->keyid, e)) != 0 ||
            (rc = tuf_json_string(one, "signature", "sig", &s->sig, e)) != 0)
            return rc;
        for (size_t j = 0; j < m->n_sigs; j++)
            if (strcmp(m->sigs[j].keyid, s->keyid) == 0)
                return err_set(e, -EBADMSG, "two signatures with keyid \"%.80s\"", s->keyid);
        m->n_sigs++;
    }
    return 0;
}

/* MAJOR.MINOR[.PATCH] of decimal digits; the major version is the one this program knows. */
static bool spec_version_ok(const char *s)
{
    size_t parts = 1, digits = 0;

    if (strncmp(s, "1.", 2) != 0)
        return false;
    for (s += 2; *s != '\0'; s++) {
        if (*s == '.' && digits > 0) {
            parts++;
            digits = 0;
        } else if (*s >= '0' && *s <= '9') {
            digits++;
        } else {
            return false;
        }
    }
    return digits > 0 && parts <= 2;
}

static int parse_common(struct tuf_metadata *m, const json_t *o, struct err *e)
{
    const char *type, *spec, *expires;
    int rc;

    if ((rc = tuf_json_string(o, "signed", "_type", &type, e)) != 0 ||
        (rc = tuf_json_string(o, "signed", "spec_version", &spec, e)) != 0 ||
        (rc = tuf_json_int(o, "signed", "version", 1, TUF_INT_MAX, &m->version, e)) != 0 ||
        (rc = tuf_json_string(o, "signed", "expires", &expires, e)) != 0)
        return rc;
    if (strcmp(type, tuf_type_name(m->type)) != 0)
        return err_set(e, -EBADMSG, "signed: \"_type\" is \"%.40s\" where %s is expected", type,
                       tuf_type_name(m->type));
    if (!spec_version_ok(spec))
        return err_set(e, -EBADMSG,
                       "signed: \"spec_version\" is \"%.40s\", this program reads 1.x.y", spec);
    if (strlen(expires) != CLOCK_SECOND_LEN || clock_unsecond(span_str(expires), &m->expires) != 0)
        return err_set(e, -EBADMSG, "signed: \"expires\" is no date like 2030-01-01T00:00:00Z");
    return 0;
}

/* --- lists of files (4.4, 4.5, 4.6) ----------------------------------------------------------- */

static int parse_one_hash(const json_t *o, const char *where, const char *algorithm, void *out,
                          size_t n, bool *has, struct err *e)
{
    const char *s;
    int rc;

    if (json_object_get(o, algorithm) == NULL)
        return 0;
    if ((rc = tuf_json_string(o, where, algorithm, &s, e)) != 0)
        return rc;
    if (text_unhex(span_str(s), out, n) != 0)
        return err_set(e, -EBADMSG, "%.80s: \"%s\" is not %zu hexadecimal digits", where, algorithm,
                       2 * n);
    *has = true;
    return 0;
}

/* A target whose hashes nobody here can compute must not shut out the others in its list: it is
 * refused when it is asked for. */
static int parse_hashes(struct tuf_file *f, const json_t *file, bool target, struct err *e)
{
    struct tuf_hashes *h = &f->hashes;
    json_t *o;
    int rc;

    if (json_object_get(file, "hashes") == NULL && !target)
        return 0;
    if ((rc = tuf_json_object(file, f->name, "hashes", &o, e)) != 0 ||
        (rc = parse_one_hash(o, f->name, "sha256", h->sha256.b, 32, &h->has_sha256, e)) != 0 ||
        (rc = parse_one_hash(o, f->name, "sha512", h->sha512, SHA512_LEN, &h->has_sha512, e)) != 0)
        return rc;
    if (!h->has_sha256 && !h->has_sha512 && !target)
        return err_set(e, -EBADMSG, "%.80s: \"hashes\" has neither sha256 nor sha512", f->name);
    return 0;
}

static int parse_file(struct tuf_file *f, enum tuf_type type, const json_t *o, struct err *e)
{
    bool target = type == TUF_TARGETS;
    int64_t length = 0;
    int rc;

    if (!json_is_object(o))
        return err_set(e, -EBADMSG, "\"%.80s\": not an object", f->name);
    if (!target && (rc = tuf_json_int(o, f->name, "version", 1, TUF_INT_MAX, &f->version, e)) != 0)
        return rc;
    if (target || json_object_get(o, "length") != NULL) {
        if ((rc = tuf_json_int(o, f->name, "length", 0, TUF_INT_MAX, &length, e)) != 0)
            return rc;
        f->has_length = true;
        f->length = (uint64_t)length;
    }
    return parse_hashes(f, o, target, e);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tuf_file *)a)->name, ((const struct tuf_file *)b)->name);
}

static int parse_files(struct tuf_metadata *m, const json_t *o, const char *member, struct err *e)
{
    const char *name;
    json_t *list, *one;
    int rc;

    if ((rc = tuf_json_object(o, "signed", member, &list, e)) != 0)
        return rc;
    m->files = calloc(json_object_size(list) + 1, sizeof(*m->files));
    if (m->files == NULL)
        return err_sys(e, -ENOMEM, "%s", member);
    json_object_foreach(list, name, one)
    {
        struct tuf_file *f = &m->files[m->n_files++];

        f->name = name;
        if ((rc = parse_file(f, m->type, one, e)) != 0)
            return rc;
    }
    qsort(m->files, m->n_files, sizeof(*m->files), by_name);
    return 0;
}

/* --- the four kinds --------------------------------------------------------------------------- */

static int parse_root(struct tuf_metadata *m, const json_t *o, struct err *e)
{
    json_t *keys, *roles, *role;
    int rc;

    if ((rc = tuf_json_bool(o, "signed", "consistent_snapshot", &m->consistent_snapshot, e)) != 0 ||
        (rc = tuf_json_object(o, "signed", "keys", &keys, e)) != 0 ||
        (rc = tuf_json_object(o, "signed", "roles", &roles, e)) != 0 ||
        (rc = tuf_keys_parse(&m->keys, keys, e)) != 0)
        return rc;
    for (int t = 0; t < TUF_TYPES; t++)
        if ((rc = tuf_json_object(roles, "roles", tuf_type_name(t), &role, e)) != 0 ||
            (rc = tuf_signers_parse(&m->roles[t], role, tuf_type_name(t), e)) != 0)
            return rc;
    return 0;
}

/* 4.6: timestamp describes snapshot.json and nothing else. */
static int parse_timestamp(struct tuf_metadata *m, const json_t *o, struct err *e)
{
    int rc = parse_files(m, o, "meta", e);

    if (rc == 0 && (m->n_files != 1 || strcmp(m->files[0].name, "snapshot.json") != 0))
        rc = err_set(e, -EBADMSG, "meta: not snapshot.json alone");
    return rc;
}

/* 4.4: snapshot lists the top-level targets metadata, whatever else. */
static int parse_snapshot(struct tuf_metadata *m, const json_t *o, struct err *e)
{
    int rc = parse_files(m, o, "meta", e);

    if (rc == 0 && tuf_metadata_file(m, "targets.json") == NULL)
        rc = err_set(e, -EBADMSG, "meta: no \"targets.json\"");
    return rc;
}

static int parse_targets(struct tuf_metadata *m, const json_t *o, struct err *e)
{
    json_t *d, *keys;
    int rc;

    if ((rc = parse_files(m, o, "targets", e)) != 0 || json_object_get(o, "delegations") == NULL)
        return rc;
    if ((rc = tuf_json_object(o, "signed", "delegations", &d, e)) != 0 ||
        (rc = tuf_json_object(d, "delegations", "keys", &keys, e)) != 0 ||
        (rc = tuf_keys_parse(&m->keys, keys, e)) != 0)
        return rc;
    return tuf_delegations_parse(&m->delegations, d, e);
}

static int parse(struct tuf_metadata *m, struct span bytes, struct err *e)
{
    static int (*const kinds[TUF_TYPES])(struct tuf_metadata *, const json_t *, struct err *) = {
        parse_root, parse_timestamp, parse_snapshot, parse_targets};
    json_t *o;
    int rc;

    if ((m->bytes = malloc(bytes.n + 1)) == NULL)
        return err_sys(e, -ENOMEM, "metadata");
    memcpy(m->bytes, bytes.p, bytes.n);
    m->n_bytes = bytes.n;
    if ((rc = tuf_json_parse(&m->json, bytes, e)) != 0 || (rc = parse_signatures(m, e)) != 0 ||
        (rc = tuf_json_object(m->json, "file", "signed", &o, e)) != 0 ||
        (rc = parse_common(m, o, e)) != 0 || (rc = kinds[m->type](m, o, e)) != 0)
        return rc;
    rc = tuf_json_canonical(&m->canonical, o);
    return rc == 0 ? 0 : err_sys(e, rc, "canonical form");
}

int tuf_metadata_parse(struct tuf_metadata **out, enum tuf_type type, struct span bytes,
                       struct err *e)
{
    struct tuf_metadata *m;
    int rc;

    *out = NULL;
    if (bytes.n == 0)
        return err_set(e, -EBADMSG, "%s: the file is empty", tuf_type_name(type));
    if (bytes.n > TUF_MAX_BYTES)
        return err_set(e, -E2BIG, "%s: more than %d bytes", tuf_type_name(type), TUF_MAX_BYTES);
    if ((m = calloc(1, sizeof(*m))) == NULL)
        return err_sys(e, -ENOMEM, "metadata");
    m->type = type;
    buf_init(&m->canonical, bytes.n);
    if ((rc = parse(m, bytes, e)) != 0) {
        (void)err_prefix(e, "%s", tuf_type_name(type));
        tuf_metadata_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void tuf_metadata_free(struct tuf_metadata *m)
{
    if (m == NULL)
        return;
    free(m->bytes);
    buf_free(&m->canonical);
    free(m->sigs);
    tuf_keys_free(m->keys);
    for (int t = 0; t < TUF_TYPES; t++)
        tuf_signers_free(&m->roles[t]);
    free(m->files);
    tuf_delegations_free(&m->delegations);
    json_decref(m->json);
    free(m);
}

const struct tuf_file *tuf_metadata_file(const struct tuf_metadata *m, const char *name)
{
    const struct tuf_file want = {.name = name};

    return bsearch(&want, m->files, m->n_files, sizeof(*m->files), by_name);
}

int tuf_metadata_verify(const struct tuf_metadata *m, const struct tuf_signers *signers,
                        const struct tuf_keys *keys, const char *what, struct err *e)
{
    return tuf_signers_verify(signers, keys, buf_span(&m->canonical), m->sigs, m->n_sigs, what, e);
}

int tuf_file_matches(const struct tuf_file *f, struct span bytes, const char *what, struct err *e)
{
    struct tuf_check c;

    if (f->has_length && f->length != bytes.n)
        return err_set(e, -EBADMSG, "%s: %zu bytes long where %llu are announced", what, bytes.n,
                       (unsigned long long)f->length);
    if (tuf_check_begin(&c, &f->hashes) != 0)
        return err_sys(e, -ENOMEM, "%s", what);
    tuf_check_add(&c, bytes.p, bytes.n);
    return tuf_check_end(&c) ? 0 : err_set(e, -EBADMSG, "%s: not the hash that is announced", what);
}
