/* slot.c - what a slot hides, and how.
 *
 *   wrap   = epoch key { slot key ‖ DEK ‖ sha256 ‖ u64 size }     132 bytes, made anew at each turn
 *   sealed = slot key  { sub ‖ blob }                              written once, with the slot
 *   note   = HKDF(slot key, "note/v1") { text }                    written later, any number
 *
 * A turn therefore moves 132 bytes a slot and needs nothing but the index, and everything that was
 * ever sealed under a slot dies when its last wrap cannot be opened any more. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "vault/vault_priv.h"

#define SECRET_PLAIN (VAULT_WRAP - KEYRING_WRAP_EXTRA)
#define WRAP_AD (7 + 16 + 16 + 8)
#define SEALED_AD (7 + 16 + 16)
#define TEXT_AD (7 + 16)

void vault_slot_wipe(struct slot_secret *s)
{
    secret_wipe(s, sizeof(*s));
}

static void wrap_ad(uint8_t out[WRAP_AD], const struct id128 *ref, const struct id128 *object,
                    uint64_t epoch)
{
    memcpy(out, "wrap/v1", 7);
    memcpy(out + 7, ref->b, 16);
    memcpy(out + 23, object->b, 16);
    for (int i = 0; i < 8; i++)
        out[39 + i] = (uint8_t)(epoch >> (56 - 8 * i));
}

int vault_slot_wrap(struct vault *v, uint64_t epoch, const struct id128 *ref,
                    const struct id128 *object, const struct slot_secret *s,
                    uint8_t out[VAULT_WRAP])
{
    uint8_t ad[WRAP_AD], plain[SECRET_PLAIN];
    int rc;

    wrap_ad(ad, ref, object, epoch);
    memcpy(plain, s->key, 32);
    memcpy(plain + 32, s->dek, 32);
    memcpy(plain + 64, s->sha256.b, 32);
    for (int i = 0; i < 8; i++)
        plain[96 + i] = (uint8_t)(s->size >> (56 - 8 * i));
    rc = v->cfg.keys->ops->wrap(v->cfg.keys, epoch, span_of(ad, sizeof(ad)), plain, sizeof(plain),
                                out);
    secret_wipe(plain, sizeof(plain));
    return rc;
}

int vault_slot_unwrap(struct vault *v, uint64_t epoch, const struct id128 *ref,
                      const struct id128 *object, const uint8_t wrap[VAULT_WRAP],
                      struct slot_secret *out)
{
    uint8_t ad[WRAP_AD], plain[SECRET_PLAIN];
    int rc;

    wrap_ad(ad, ref, object, epoch);
    rc = v->cfg.keys->ops->unwrap(v->cfg.keys, epoch, span_of(ad, sizeof(ad)), wrap, VAULT_WRAP,
                                  plain);
    if (rc == 0) {
        memcpy(out->key, plain, 32);
        memcpy(out->dek, plain + 32, 32);
        memcpy(out->sha256.b, plain + 64, 32);
        out->size = 0;
        for (int i = 0; i < 8; i++)
            out->size = out->size << 8 | plain[96 + i];
    }
    secret_wipe(plain, sizeof(plain));
    return rc;
}

static void sealed_ad(uint8_t out[SEALED_AD], const struct id128 *ref, const struct id128 *object)
{
    memcpy(out, "slot/v1", 7);
    memcpy(out + 7, ref->b, 16);
    memcpy(out + 23, object->b, 16);
}

/* The nonce is zero: a slot key seals exactly one of these. */
int vault_slot_seal(const struct slot_secret *s, const struct id128 *ref,
                    const struct id128 *object, const struct id128 *sub, struct span blob,
                    struct buf *out)
{
    uint8_t nonce[AEAD_NONCE] = {0}, ad[SEALED_AD];
    struct aead *a = NULL;
    int rc;

    buf_reset(out);
    if ((rc = buf_put(out, sub->b, 16)) != 0 || (rc = buf_put(out, blob.p, blob.n)) != 0 ||
        (rc = buf_reserve(out, AEAD_TAG)) != 0 || (rc = aead_new(&a, s->key)) != 0)
        goto out;
    sealed_ad(ad, ref, object);
    rc = aead_seal(a, nonce, span_of(ad, sizeof(ad)), out->data, out->len, out->data);
    if (rc == 0)
        out->len += AEAD_TAG;
out:
    if (rc != 0) {
        secret_wipe(out->data, out->len);
        buf_reset(out);
    }
    aead_free(a);
    return rc;
}

int vault_slot_open(const struct slot_secret *s, const struct id128 *ref,
                    const struct id128 *object, struct span sealed, uint8_t *out, size_t *n)
{
    uint8_t nonce[AEAD_NONCE] = {0}, ad[SEALED_AD];
    struct aead *a = NULL;
    int rc;

    if (sealed.n < 16 + AEAD_TAG)
        return -EBADMSG;
    if ((rc = aead_new(&a, s->key)) != 0)
        return rc;
    sealed_ad(ad, ref, object);
    rc = aead_open(a, nonce, span_of(ad, sizeof(ad)), sealed.p, sealed.n, out);
    if (rc == 0)
        *n = sealed.n - AEAD_TAG;
    aead_free(a);
    return rc;
}

static void text_key(const struct slot_secret *s, const struct id128 *ref, enum slot_text what,
                     uint8_t key[32], uint8_t ad[TEXT_AD])
{
    const char *word = what == SLOT_NOTE ? "note/v1" : "text/v1";
    struct span none = {NULL, 0};

    hkdf_sha256(span_of(s->key, 32), none, span_str(word), key, 32);
    memcpy(ad, word, 7);
    memcpy(ad + 7, ref->b, 16);
}

int vault_slot_seal_text(const struct slot_secret *s, const struct id128 *ref, enum slot_text what,
                         struct span text, void *out)
{
    uint8_t key[32], ad[TEXT_AD];
    int rc;

    text_key(s, ref, what, key, ad);
    rc = aead_wrap(key, span_of(ad, sizeof(ad)), text.p, text.n, out);
    secret_wipe(key, sizeof(key));
    return rc;
}

int vault_slot_open_text(const struct slot_secret *s, const struct id128 *ref, enum slot_text what,
                         struct span sealed, void *out)
{
    uint8_t key[32], ad[TEXT_AD];
    int rc;

    if (sealed.n < VAULT_SEAL_EXTRA)
        return -EBADMSG;
    text_key(s, ref, what, key, ad);
    rc = aead_unwrap(key, span_of(ad, sizeof(ad)), sealed.p, sealed.n, out);
    secret_wipe(key, sizeof(key));
    return rc;
}

int vault_slot_tag(struct vault *v, uint64_t epoch, const struct digest *sha256, struct digest *tag)
{
    uint8_t msg[8 + 32];

    memcpy(msg, "dedup/v1", 8);
    memcpy(msg + 8, sha256->b, 32);
    return v->cfg.keys->ops->mac(v->cfg.keys, epoch, span_of(msg, sizeof(msg)), tag);
}

#define MEMO 2048 /* some groups; refs are random, so their first bytes say where one is */

struct slot_memo {
    struct {
        bool known;
        struct vault_slot_row row;
        struct slot_secret secret;
    } at[MEMO];
};

void vault_slot_remember(struct vault *v)
{
    v->memo = secret_alloc(sizeof(*v->memo));
}

void vault_slot_forget(struct vault *v)
{
    secret_free(v->memo, sizeof(*v->memo));
    v->memo = NULL;
}

int vault_slot_find(struct vault *v, const struct id128 *ref, struct vault_slot_row *row,
                    struct slot_secret *s)
{
    unsigned i = ((unsigned)ref->b[0] << 8 | ref->b[1]) % MEMO;
    int rc;

    if (v->memo != NULL && v->memo->at[i].known &&
        memcmp(&v->memo->at[i].row.ref, ref, sizeof(*ref)) == 0) {
        *row = v->memo->at[i].row;
        *s = v->memo->at[i].secret;
        return 0;
    }
    if ((rc = vault_replay_index(v)) != 0 ||
        (rc = v->cfg.index->ops->find_slot(v->cfg.index, ref, row)) != 0 ||
        (rc = vault_slot_unwrap(v, row->epoch, &row->ref, &row->object, row->wrap, s)) != 0)
        return rc;
    if (v->memo != NULL) {
        v->memo->at[i].known = true;
        v->memo->at[i].row = *row;
        v->memo->at[i].secret = *s;
    }
    return 0;
}

/* The sealed part lies in the commit record that added the slot; its own tag protects it. */
static int sealed_of(struct vault *v, const struct vault_slot_row *row, struct buf *out)
{
    const struct store_ops *st = v->cfg.store->ops;
    struct store_segment *h;
    uint64_t size;
    int rc;

    if ((rc = buf_reserve(out, row->length)) != 0 ||
        (rc = st->open(v->cfg.store, row->segment, &h, &size)) != 0)
        return rc;
    rc = st->read(h, out->data, row->length, row->at);
    if (rc == 0)
        out->len = row->length;
    st->close(h);
    return rc;
}

int vault_slot_info(struct vault *v, const struct id128 *ref, struct vault_slot_info *out,
                    struct err *e)
{
    struct vault_slot_row row;
    struct slot_secret s;
    size_t n;
    int rc;

    memset(out, 0, sizeof(*out));
    buf_init(&out->blob, VAULT_BLOB_MAX + 64);
    rc = vault_slot_find(v, ref, &row, &s);
    if (rc != 0)
        return err_sys(e, rc, "reading a key slot");
    if ((rc = sealed_of(v, &row, &out->blob)) != 0 ||
        (rc = vault_slot_open(&s, &row.ref, &row.object, buf_span(&out->blob), out->blob.data,
                              &n)) != 0) {
        rc = err_sys(e, rc, "the sealed part of a slot, segment %u at %llu", row.segment,
                     (unsigned long long)row.at);
        vault_slot_info_done(out);
        goto out;
    }
    memcpy(out->sub.b, out->blob.data, 16);
    memmove(out->blob.data, out->blob.data + 16, n - 16);
    out->blob.len = n - 16;
    out->object = row.object;
    out->sha256 = s.sha256;
    out->size = s.size;
    out->epoch = row.epoch;
out:
    vault_slot_wipe(&s);
    return rc;
}

void vault_slot_info_done(struct vault_slot_info *i)
{
    if (i->blob.data != NULL)
        secret_wipe(i->blob.data, i->blob.cap);
    buf_free(&i->blob);
    secret_wipe(&i->sha256, sizeof(i->sha256));
}

int vault_seal_text(struct vault *v, const struct id128 *ref, struct span text, void *out)
{
    struct vault_slot_row row;
    struct slot_secret s;
    int rc;

    if (text.n > VAULT_BLOB_MAX)
        return -E2BIG;
    if ((rc = vault_slot_find(v, ref, &row, &s)) == 0)
        rc = vault_slot_seal_text(&s, ref, SLOT_TEXT, text, out);
    vault_slot_wipe(&s);
    return rc;
}

int vault_unseal_text(struct vault *v, const struct id128 *ref, struct span sealed, void *out)
{
    struct vault_slot_row row;
    struct slot_secret s;
    int rc;

    if ((rc = vault_slot_find(v, ref, &row, &s)) == 0)
        rc = vault_slot_open_text(&s, ref, SLOT_TEXT, sealed, out);
    vault_slot_wipe(&s);
    return rc;
}
