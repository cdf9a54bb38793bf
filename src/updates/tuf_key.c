#include "updates/tuf_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/ed25519.h"
#include "crypto/pubkey.h"
#include "crypto/sha256.h"

#define KEY_MAX_BYTES 65536 /* of one key's canonical JSON */

struct tuf_key {
    const char *keyid;
    struct digest identity; /* of scheme and key material */
    bool usable;
    struct ed25519_pub ed25519;
    struct pubkey *pub; /* the other schemes; NULL for ed25519 */
};

struct tuf_keys {
    struct tuf_key *v; /* sorted by keyid */
    size_t n;
};

static const struct {
    const char *keytype, *scheme;
    bool is_ed25519;
    enum pubkey_kind kind;
} schemes[] = {
    {"ed25519", "ed25519", true, 0},
    {"ecdsa", "ecdsa-sha2-nistp256", false, PUBKEY_ECDSA_P256_SHA256},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", false, PUBKEY_ECDSA_P256_SHA256},
    {"rsa", "rsassa-pss-sha256", false, PUBKEY_RSA_PSS_SHA256},
};

/* TUF 4.2.1: the keyid is the hexdigest of the SHA-256 of the canonical form of the key. */
static int keyid_is_right(const char *keyid, const json_t *v, bool *right)
{
    struct digest d, named;
    struct buf b;
    int rc;

    *right = false;
    if (text_undigest(span_str(keyid), &named) != 0)
        return 0;
    buf_init(&b, KEY_MAX_BYTES);
    rc = tuf_json_canonical(&b, v);
    if (rc == 0) {
        sha256_of(b.data, b.len, &d);
        *right = digest_eq(&d, &named);
    }
    buf_free(&b);
    return rc == -E2BIG ? 0 : rc;
}

/* 0 also for a key of no use; -ENOMEM. */
static int import_key(struct tuf_key *k, const char *keytype, const char *scheme, const char *pub)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        int rc;

        if (strcmp(schemes[i].keytype, keytype) != 0 || strcmp(schemes[i].scheme, scheme) != 0)
            continue;
        if (schemes[i].is_ed25519) {
            const struct span part[] = {span_str("ed25519"), span_of(k->ed25519.b, 32)};

            if (text_unhex(span_str(pub), k->ed25519.b, 32) != 0)
                return 0;
            sha256_ofv(part, ARRAY_LEN(part), &k->identity);
        } else {
            if ((rc = pubkey_import(&k->pub, schemes[i].kind, span_str(pub))) != 0)
                return rc == -ENOMEM ? rc : 0;
            pubkey_id(k->pub, &k->identity);
        }
        k->usable = true;
        return 0;
    }
    return 0;
}

static int parse_key(struct tuf_key *k, const char *keyid, const json_t *v, struct err *e)
{
    const char *keytype, *scheme, *pub;
    json_t *keyval;
    bool right;
    int rc;

    k->keyid = keyid;
    if (!json_is_object(v))
        return err_set(e, -EBADMSG, "key \"%s\": not an object", keyid);
    if ((rc = tuf_json_string(v, "key", "keytype", &keytype, e)) != 0 ||
        (rc = tuf_json_string(v, "key", "scheme", &scheme, e)) != 0 ||
        (rc = tuf_json_object(v, "key", "keyval", &keyval, e)) != 0 ||
        (rc = tuf_json_string(keyval, "key", "public", &pub, e)) != 0)
        return rc;
    if ((rc = keyid_is_right(keyid, v, &right)) == 0 && right)
        rc = import_key(k, keytype, scheme, pub);
    return rc == 0 ? 0 : err_sys(e, rc, "key");
}

static int by_keyid(const void *a, const void *b)
{
    return strcmp(((const struct tuf_key *)a)->keyid, ((const struct tuf_key *)b)->keyid);
}

int tuf_keys_parse(struct tuf_keys **out, const json_t *object, struct err *e)
{
    size_t n = json_object_size(object);
    struct tuf_keys *k;
    const char *keyid;
    json_t *v;
    int rc = 0;

    *out = NULL;
    if (n > TUF_MAX_KEYS)
        return err_set(e, -E2BIG, "more than %d keys", TUF_MAX_KEYS);
    if ((k = calloc(1, sizeof(*k))) == NULL ||
        (k->v = calloc(n > 0 ? n : 1, sizeof(*k->v))) == NULL) {
        free(k);
        return err_sys(e, -ENOMEM, "keys");
    }
    json_object_foreach((json_t *)(uintptr_t)object, keyid, v)
    {
        if (rc == 0)
            rc = parse_key(&k->v[k->n++], keyid, v, e);
    }
    if (rc != 0) {
        tuf_keys_free(k);
        return rc;
    }
    qsort(k->v, k->n, sizeof(*k->v), by_keyid);
    *out = k;
    return 0;
}

void tuf_keys_free(struct tuf_keys *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->n; i++)
        pubkey_free(k->v[i].pub);
    free(k->v);
    free(k);
}

size_t tuf_keys_usable(const struct tuf_keys *k)
{
    size_t n = 0;

    for (size_t i = 0; i < k->n; i++)
        n += k->v[i].usable;
    return n;
}

/* The usable key of that name, or NULL. */
static const struct tuf_key *find_key(const struct tuf_keys *k, const char *keyid)
{
    const struct tuf_key want = {.keyid = keyid};
    const struct tuf_key *found = bsearch(&want, k->v, k->n, sizeof(*k->v), by_keyid);

    return found != NULL && found->usable ? found : NULL;
}

int tuf_signers_parse(struct tuf_signers *out, const json_t *object, const char *where,
                      struct err *e)
{
    json_t *list, *id;
    size_t i;
    int rc;

    if ((rc = tuf_json_array(object, where, "keyids", &list, e)) != 0 ||
        (rc = tuf_json_int(object, where, "threshold", 1, TUF_INT_MAX, &out->threshold, e)) != 0)
        return rc;
    if (json_array_size(list) > TUF_MAX_KEYIDS)
        return err_set(e, -E2BIG, "%s: more than %d keyids", where, TUF_MAX_KEYIDS);
    out->keyids = calloc(json_array_size(list) + 1, sizeof(*out->keyids));
    if (out->keyids == NULL)
        return err_sys(e, -ENOMEM, "%s", where);
    json_array_foreach(list, i, id)
    {
        const char *s = json_string_value(id);

        if (s == NULL)
            return err_set(e, -EBADMSG, "%s: a keyid is not a string", where);
        for (size_t j = 0; j < out->n; j++)
            if (strcmp(out->keyids[j], s) == 0)
                return err_set(e, -EBADMSG, "%s: keyid \"%s\" stands there twice", where, s);
        out->keyids[out->n++] = s;
    }
    return 0;
}

void tuf_signers_free(struct tuf_signers *s)
{
    free(s->keyids);
    *s = (struct tuf_signers){0};
}

static int verify_one(const struct tuf_key *k, struct span message, const char *hex)
{
    uint8_t sig[TUF_MAX_SIG_BYTES];
    size_t n = strlen(hex) / 2;

    if (n > sizeof(sig) || text_unhex(span_str(hex), sig, n) != 0)
        return -EBADMSG;
    if (k->pub != NULL)
        return pubkey_verify(k->pub, message, span_of(sig, n));
    if (n != sizeof(struct ed25519_sig))
        return -EBADMSG;
    return ed25519_verify(&k->ed25519, message.p, message.n, (const struct ed25519_sig *)sig);
}

static const char *signature_of(const struct tuf_signature *sigs, size_t n, const char *keyid)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(sigs[i].keyid, keyid) == 0)
            return sigs[i].sig;
    return NULL;
}

static bool counted(const struct tuf_key *const *good, size_t n, const struct tuf_key *k)
{
    for (size_t i = 0; i < n; i++)
        if (digest_eq(&good[i]->identity, &k->identity))
            return true;
    return false;
}

int tuf_signers_verify(const struct tuf_signers *s, const struct tuf_keys *keys,
                       struct span signed_bytes, const struct tuf_signature *sigs, size_t n_sigs,
                       const char *what, struct err *e)
{
    const struct tuf_key *good[TUF_MAX_KEYIDS];
    size_t n = 0;

    for (size_t i = 0; i < s->n && (int64_t)n < s->threshold; i++) {
        const struct tuf_key *k = find_key(keys, s->keyids[i]);
        const char *sig = signature_of(sigs, n_sigs, s->keyids[i]);
        int rc;

        if (k == NULL || sig == NULL || counted(good, n, k))
            continue;
        rc = verify_one(k, signed_bytes, sig);
        if (rc == 0)
            good[n++] = k;
        else if (rc != -EBADMSG)
            return err_sys(e, rc, "%s", what);
    }
    if ((int64_t)n >= s->threshold)
        return 0;
    return err_set(e, -EBADMSG, "%s: %zu of %lld signatures that are needed verify", what, n,
                   (long long)s->threshold);
}

bool tuf_signers_lost(const struct tuf_signers *a, const struct tuf_keys *a_keys,
                      const struct tuf_signers *b, const struct tuf_keys *b_keys)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct tuf_key *old = find_key(a_keys, a->keyids[i]);
        bool still = old == NULL;

        for (size_t j = 0; j < b->n && !still; j++) {
            const struct tuf_key *now = find_key(b_keys, b->keyids[j]);

            still = now != NULL && digest_eq(&now->identity, &old->identity);
        }
        if (!still)
            return true;
    }
    return false;
}
