#include "people/dsse.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sha256.h"

#define SIGNATURE_MEMBERS 2
/* Brackets and commas of the largest envelope: three members, and for each signature its braces,
 * its inner comma and the comma before it. */
#define MAX_MARKS (2 + 2 + 2 + 4 * DSSE_MAX_SIGNATURES)

struct dsse_signature {
    char keyid[65];
    struct ed25519_sig sig;
};

struct dsse {
    char type[DSSE_MAX_TYPE + 1];
    uint8_t *payload;
    size_t payload_len;
    struct dsse_signature s[DSSE_MAX_SIGNATURES];
    size_t count;
};

void dsse_free(struct dsse *d)
{
    if (d == NULL)
        return;
    free(d->payload);
    free(d);
}

const char *dsse_type(const struct dsse *d)
{
    return d->type;
}

struct span dsse_payload(const struct dsse *d)
{
    return span_of(d->payload, d->payload_len);
}

size_t dsse_count(const struct dsse *d)
{
    return d->count;
}

const char *dsse_keyid(const struct dsse *d, size_t i)
{
    return d->s[i].keyid;
}

void dsse_digest(struct span bytes, struct digest *out)
{
    sha256_of(bytes.p, bytes.n, out);
}

int dsse_new(struct dsse **out, const char *type, struct span payload)
{
    struct dsse *d;
    size_t n = strlen(type);

    if (n > DSSE_MAX_TYPE || payload.n > DSSE_MAX_PAYLOAD)
        return -E2BIG;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return -ENOMEM;
    memcpy(d->type, type, n + 1);
    d->payload = malloc(payload.n + 1); /* + 1: an empty payload is a payload */
    if (d->payload == NULL) {
        dsse_free(d);
        return -ENOMEM;
    }
    if (payload.n > 0)
        memcpy(d->payload, payload.p, payload.n);
    d->payload_len = payload.n;
    *out = d;
    return 0;
}

/* jansson allocates a value for every few bytes of "[0,0,…": a file full of them would cost twenty
 * times its size.  An envelope has few brackets and commas, so count them first. */
static bool few_marks(struct span s)
{
    bool quoted = false;
    size_t marks = 0;

    for (size_t i = 0; i < s.n && marks <= MAX_MARKS; i++) {
        if (quoted && s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (!quoted && strchr("[]{},", s.p[i]) != NULL && s.p[i] != '\0')
            marks++;
    }
    return marks <= MAX_MARKS;
}

/* Standard or URL-safe alphabet: DSSE 1.0 says a verifier must accept either.  Padding is needed in
 * both, and they do not mix. */
static int unbase64(const json_t *text, void *out, size_t cap, size_t *n)
{
    const char *s = json_string_value(text);
    size_t len = json_string_length(text);
    char *copy;
    int rc;

    if (strpbrk(s, "-_") == NULL)
        return text_unbase64(span_of(s, len), out, cap, n);
    if (strpbrk(s, "+/") != NULL)
        return -EBADMSG;
    copy = strdup(s);
    if (copy == NULL)
        return -ENOMEM;
    for (char *c = copy; *c != '\0'; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    rc = text_unbase64(span_of(copy, len), out, cap, n);
    free(copy);
    return rc;
}

/* The string members of an object that has exactly n of them, all named. */
static int member(const json_t *o, const char *key, const json_t **out, struct err *e)
{
    *out = json_object_get(o, key);
    if (!json_is_string(*out))
        return err_set(e, -EBADMSG, "envelope: \"%s\" is missing or not a string", key);
    return 0;
}

static int parse_signature(struct dsse *d, const json_t *o, struct err *e)
{
    struct dsse_signature *s = &d->s[d->count];
    const json_t *keyid, *sig;
    uint8_t raw[32];
    size_t n = 0;
    int rc;

    if (!json_is_object(o) || json_object_size(o) != SIGNATURE_MEMBERS)
        return err_set(e, -EBADMSG,
                       "envelope: signature %zu is not an object of \"keyid\" and \"sig\"",
                       d->count + 1);
    if ((rc = member(o, "keyid", &keyid, e)) != 0 || (rc = member(o, "sig", &sig, e)) != 0)
        return rc;
    if (text_unhex(span_str(json_string_value(keyid)), raw, sizeof(raw)) != 0)
        return err_set(e, -EBADMSG,
                       "envelope: the keyid of signature %zu is not a hex SHA-256 of a key",
                       d->count + 1);
    memcpy(s->keyid, json_string_value(keyid), sizeof(s->keyid));
    rc = unbase64(sig, s->sig.b, sizeof(s->sig.b), &n);
    if (rc == -ENOMEM)
        return err_set(e, rc, "envelope: out of memory");
    if (rc != 0 || n != sizeof(s->sig.b))
        return err_set(e, -EBADMSG, "envelope: signature %zu is not base64 of 64 bytes",
                       d->count + 1);
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->s[i].keyid, s->keyid) == 0)
            return err_set(e, -EBADMSG, "envelope: key %.8s… has signed twice", s->keyid);
    d->count++;
    return 0;
}

static int parse_members(struct dsse *d, const json_t *root, struct err *e)
{
    const json_t *payload, *type, *signatures;
    size_t i, n;
    int rc;

    if (!json_is_object(root) || json_object_size(root) != 3)
        return err_set(e, -EBADMSG,
                       "envelope: not an object of \"payload\", \"payloadType\", \"signatures\"");
    if ((rc = member(root, "payload", &payload, e)) != 0 ||
        (rc = member(root, "payloadType", &type, e)) != 0)
        return rc;
    signatures = json_object_get(root, "signatures");
    if (!json_is_array(signatures))
        return err_set(e, -EBADMSG, "envelope: \"signatures\" is missing or not a list");
    if (json_array_size(signatures) > DSSE_MAX_SIGNATURES)
        return err_set(e, -E2BIG, "envelope: more than %d signatures", DSSE_MAX_SIGNATURES);
    if (json_string_length(type) > DSSE_MAX_TYPE)
        return err_set(e, -E2BIG, "envelope: \"payloadType\" is longer than %d bytes",
                       DSSE_MAX_TYPE);
    memcpy(d->type, json_string_value(type), json_string_length(type) + 1);
    n = json_string_length(payload) / 4 * 3;
    if (n > DSSE_MAX_PAYLOAD + 2)
        return err_set(e, -E2BIG, "envelope: a payload of more than %zu bytes", DSSE_MAX_PAYLOAD);
    d->payload = malloc(n + 1);
    if (d->payload == NULL)
        return err_set(e, -ENOMEM, "envelope: out of memory");
    rc = unbase64(payload, d->payload, n, &d->payload_len);
    if (rc != 0)
        return err_set(e, rc == -ENOMEM ? rc : -EBADMSG, "envelope: \"payload\" is not base64");
    if (d->payload_len > DSSE_MAX_PAYLOAD)
        return err_set(e, -E2BIG, "envelope: a payload of more than %zu bytes", DSSE_MAX_PAYLOAD);
    for (i = 0; i < json_array_size(signatures); i++)
        if ((rc = parse_signature(d, json_array_get(signatures, i), e)) != 0)
            return rc;
    return 0;
}

int dsse_parse(struct dsse **out, struct span bytes, struct err *e)
{
    struct dsse *d = NULL;
    json_error_t at;
    json_t *root;
    int rc;

    if (bytes.n > DSSE_MAX_BYTES)
        return err_set(e, -E2BIG, "envelope: more than %zu bytes", DSSE_MAX_BYTES);
    if (!few_marks(bytes))
        return err_set(e, -E2BIG, "envelope: more members than any envelope has");
    root = json_loadb((const char *)bytes.p, bytes.n, JSON_REJECT_DUPLICATES, &at);
    if (root == NULL && json_error_code(&at) == json_error_out_of_memory)
        return err_set(e, -ENOMEM, "envelope: out of memory");
    if (root == NULL)
        return err_set(e, -EBADMSG, "envelope: line %d, column %d: %s", at.line, at.column,
                       at.text);
    d = calloc(1, sizeof(*d));
    rc = d == NULL ? err_set(e, -ENOMEM, "envelope: out of memory") : parse_members(d, root, e);
    if (rc != 0) {
        dsse_free(d);
        d = NULL;
    }
    json_decref(root);
    if (rc == 0)
        *out = d;
    return rc;
}

int dsse_pae(struct buf *out, const char *type, struct span payload)
{
    size_t before = out->len;
    int rc = buf_printf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, payload.n);

    if (rc == 0)
        rc = buf_put(out, payload.p, payload.n);
    if (rc != 0)
        out->len = before;
    return rc;
}

static int pae_of(const struct dsse *d, struct buf *pae)
{
    buf_init(pae, DSSE_MAX_PAYLOAD + DSSE_MAX_TYPE + 64);
    return dsse_pae(pae, d->type, dsse_payload(d));
}

static bool has_signed(const struct dsse *d, const char *keyid)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->s[i].keyid, keyid) == 0)
            return true;
    return false;
}

static int append(struct dsse *d, const char *keyid, const struct ed25519_sig *sig)
{
    if (has_signed(d, keyid))
        return -EEXIST;
    if (d->count == DSSE_MAX_SIGNATURES)
        return -E2BIG;
    memcpy(d->s[d->count].keyid, keyid, sizeof(d->s[0].keyid));
    d->s[d->count++].sig = *sig;
    return 0;
}

int dsse_sign(struct dsse *d, const struct ed25519_key *k)
{
    struct ed25519_pub pub;
    struct ed25519_sig sig;
    struct buf pae;
    char keyid[65];
    int rc;

    ed25519_public(k, &pub);
    ed25519_keyid(&pub, keyid);
    rc = pae_of(d, &pae);
    if (rc == 0)
        rc = ed25519_sign(k, pae.data, pae.len, &sig);
    if (rc == 0)
        rc = append(d, keyid, &sig);
    buf_free(&pae);
    return rc;
}

int dsse_attach(struct dsse *d, const struct ed25519_pub *k, const struct ed25519_sig *sig)
{
    struct buf pae;
    char keyid[65];
    int rc;

    ed25519_keyid(k, keyid);
    rc = pae_of(d, &pae);
    if (rc == 0)
        rc = ed25519_verify(k, pae.data, pae.len, sig);
    if (rc == 0)
        rc = append(d, keyid, sig);
    buf_free(&pae);
    return rc;
}

int dsse_merge(struct dsse *d, const struct dsse *from, size_t *added)
{
    size_t lacking = 0;

    if (strcmp(d->type, from->type) != 0 || !span_eq(dsse_payload(d), dsse_payload(from)))
        return -EBADMSG;
    for (size_t i = 0; i < from->count; i++)
        lacking += !has_signed(d, from->s[i].keyid);
    if (lacking > DSSE_MAX_SIGNATURES - d->count)
        return -E2BIG;
    for (size_t i = 0; i < from->count; i++)
        if (!has_signed(d, from->s[i].keyid))
            d->s[d->count++] = from->s[i];
    if (added != NULL)
        *added = lacking;
    return 0;
}

static int write_all(const struct dsse *d, struct buf *out)
{
    char *text = malloc(TEXT_BASE64_LEN(d->payload_len) + 1);
    char sig[TEXT_BASE64_LEN(64) + 1];
    int rc;

    if (text == NULL)
        return -ENOMEM;
    text_base64(text, d->payload, d->payload_len);
    if ((rc = buf_puts(out, "{\"payload\":\"")) == 0 && (rc = buf_puts(out, text)) == 0 &&
        (rc = buf_puts(out, "\",\"payloadType\":")) == 0 &&
        (rc = text_json_string(out, span_str(d->type))) == 0)
        rc = buf_puts(out, ",\"signatures\":[");
    for (size_t i = 0; rc == 0 && i < d->count; i++) {
        text_base64(sig, d->s[i].sig.b, sizeof(d->s[i].sig.b));
        rc = buf_printf(out, "%s{\"keyid\":\"%s\",\"sig\":\"%s\"}", i > 0 ? "," : "", d->s[i].keyid,
                        sig);
    }
    if (rc == 0)
        rc = buf_puts(out, "]}\n");
    free(text);
    return rc;
}

int dsse_write(const struct dsse *d, struct buf *out)
{
    size_t before = out->len;
    int rc = write_all(d, out);

    if (rc != 0)
        out->len = before;
    return rc;
}

/* keyid is only a hint (DSSE): the signature counts for the key that verifies it, and our own rule
 * that keyid is that key's hash makes two spellings of one signer impossible. */
static bool is_by(const struct dsse_signature *s, const struct buf *pae,
                  const struct ed25519_pub *k)
{
    char keyid[65];

    ed25519_keyid(k, keyid);
    return strcmp(keyid, s->keyid) == 0 && ed25519_verify(k, pae->data, pae->len, &s->sig) == 0;
}

int dsse_check(const struct dsse *d, size_t i, const struct ed25519_pub *k)
{
    struct buf pae;
    int rc = pae_of(d, &pae);

    if (rc == 0 && !is_by(&d->s[i], &pae, k))
        rc = -EBADMSG;
    buf_free(&pae);
    return rc;
}

int dsse_verify(const struct dsse *d, dsse_lookup *look, void *ctx,
                size_t good[DSSE_MAX_SIGNATURES], size_t *n)
{
    struct ed25519_pub k;
    struct buf pae;
    int rc = pae_of(d, &pae);

    *n = 0;
    for (size_t i = 0; rc == 0 && i < d->count; i++)
        if (look(ctx, d->s[i].keyid, &k) && is_by(&d->s[i], &pae, &k))
            good[(*n)++] = i;
    buf_free(&pae);
    return rc;
}

int dsse_own_open(struct dsse **out, const char *name, struct span envelope, const char *type,
                  struct err *e)
{
    int rc = dsse_parse(out, envelope, e);

    if (rc != 0 || strcmp(dsse_type(*out), type) == 0)
        return rc;
    rc = err_set(e, -EBADMSG, "\"%s\" is an envelope of type %s, not %s", name, dsse_type(*out),
                 type);
    dsse_free(*out);
    *out = NULL;
    return rc;
}

int dsse_own_check(const struct dsse *d, const char *name, const struct ed25519_pub *k,
                   struct err *e)
{
    int rc = dsse_count(d) == 1 ? dsse_check(d, 0, k) : -EBADMSG;

    if (rc == -EBADMSG)
        (void)err_set(e, rc, "\"%s\" is not signed by the key it names, and by it alone", name);
    return rc;
}

int dsse_own_sign(const char *type, struct span payload, const struct ed25519_key *k,
                  struct buf *out)
{
    struct dsse *env = NULL;
    int rc;

    if ((rc = dsse_new(&env, type, payload)) == 0 && (rc = dsse_sign(env, k)) == 0)
        rc = dsse_write(env, out);
    dsse_free(env);
    return rc;
}
