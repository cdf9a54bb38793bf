/* read.c - an object back from its chunks.  Nothing is lent before its tag verified, and the last
 * chunk not before the hash of the whole did. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "vault/read_priv.h"

struct vault_read {
    const struct store *store;
    struct id128 object;
    struct aead *aead;
    struct sha256 *hash;
    struct digest want;
    uint64_t size, done; /* plaintext */
    uint64_t chunk;      /* next one */
    struct buf extents;
    struct cur next;  /* extents not begun */
    struct extent x;  /* the one being read: at and chunks are what is left */
    uint32_t segment; /* of h; 0: none open */
    struct store_segment *h;
    int failed;
    bool ended;
    uint8_t buf[CHUNK_DISK];
};

static int read_new(struct vault_read **out, struct vault *v, const struct id128 *object,
                    const struct slot_secret *s)
{
    struct vault_read *r = malloc(sizeof(*r));
    int rc;

    if (r == NULL)
        return -ENOMEM;
    memset(r, 0, offsetof(struct vault_read, buf));
    r->store = v->cfg.store;
    r->object = *object;
    r->want = s->sha256;
    r->size = s->size;
    buf_init(&r->extents, (size_t)RECORD_EXTENTS_MAX * RECORD_EXTENT);
    r->hash = sha256_new();
    rc = r->hash == NULL ? -ENOMEM : aead_new(&r->aead, s->dek);
    if (rc != 0) {
        vault_read_close(r);
        return rc;
    }
    *out = r;
    return 0;
}

int vault_read_extents(struct vault_read **out, struct vault *v, const struct id128 *object,
                       const struct slot_secret *s, struct span extents)
{
    int rc = read_new(out, v, object, s);

    if (rc == 0 && (rc = buf_put(&(*out)->extents, extents.p, extents.n)) != 0)
        vault_read_close(*out);
    if (rc == 0)
        (*out)->next = cur_of(buf_span(&(*out)->extents));
    return rc;
}

int vault_read_open(struct vault_read **out, struct vault *v, const struct id128 *ref,
                    struct err *e)
{
    struct vault_slot_row row;
    struct slot_secret s;
    struct vault_read *r = NULL;
    int rc;

    rc = vault_slot_find(v, ref, &row, &s);
    if (rc != 0)
        return err_sys(e, rc, "opening an object");
    if ((rc = read_new(&r, v, &row.object, &s)) == 0)
        rc = v->cfg.index->ops->find_object(v->cfg.index, &row.object, &r->extents);
    vault_slot_wipe(&s);
    if (rc != 0) {
        vault_read_close(r);
        return err_sys(e, rc, "finding an object");
    }
    r->next = cur_of(buf_span(&r->extents));
    *out = r;
    return 0;
}

uint64_t vault_read_size(const struct vault_read *r)
{
    return r->size;
}

void vault_read_sha256(const struct vault_read *r, struct digest *out)
{
    *out = r->want;
}

/* The extent and the open segment of the next chunk. */
static int advance(struct vault_read *r)
{
    const struct store_ops *st = r->store->ops;
    uint64_t size;
    int rc;

    if (r->x.chunks == 0 && vault_record_extent(&r->next, &r->x) != 0)
        return -EBADMSG;
    if (r->segment == r->x.segment)
        return 0;
    st->close(r->h);
    r->h = NULL;
    r->segment = 0;
    if ((rc = st->open((struct store *)(uintptr_t)r->store, r->x.segment, &r->h, &size)) == 0)
        r->segment = r->x.segment;
    return rc == -ENOENT ? -EBADMSG : rc;
}

static int chunk_in(struct vault_read *r, size_t n, bool last)
{
    uint8_t nonce[AEAD_NONCE], ad[CHUNK_AD];
    int rc;

    if ((rc = advance(r)) != 0)
        return rc;
    rc = r->store->ops->read(r->h, r->buf, n + AEAD_TAG, r->x.at);
    if (rc != 0)
        return rc == -EPIPE ? -EBADMSG : rc;
    vault_put_chunk_nonce(nonce, r->chunk, last);
    vault_put_chunk_ad(ad, &r->object);
    rc = aead_open(r->aead, nonce, span_of(ad, sizeof(ad)), r->buf, n + AEAD_TAG, r->buf);
    if (rc != 0)
        return rc;
    r->x.at += n + AEAD_TAG;
    r->x.chunks--;
    r->chunk++;
    r->done += n;
    sha256_add(r->hash, r->buf, n);
    return 0;
}

static int whole(struct vault_read *r)
{
    struct digest h;

    sha256_end(r->hash, &h);
    return digest_eq(&h, &r->want) ? 0 : -EBADMSG;
}

int vault_read_next(struct vault_read *r, const uint8_t **p, size_t *n)
{
    uint64_t left = r->size - r->done;
    bool last = left <= VAULT_CHUNK;
    size_t take = last ? (size_t)left : VAULT_CHUNK;

    *p = r->buf;
    *n = 0;
    if (r->failed != 0 || r->ended)
        return r->failed;
    r->failed = chunk_in(r, take, last);
    if (r->failed == 0 && last) {
        r->failed = whole(r);
        r->ended = true;
    }
    if (r->failed != 0) {
        secret_wipe(r->buf, sizeof(r->buf));
        return r->failed;
    }
    *n = take;
    return 0;
}

int vault_read_all(struct vault_read *r)
{
    const uint8_t *p;
    size_t n;
    int rc;

    do
        rc = vault_read_next(r, &p, &n);
    while (rc == 0 && !r->ended);
    return rc;
}

void vault_read_close(struct vault_read *r)
{
    if (r == NULL)
        return;
    if (r->segment != 0)
        r->store->ops->close(r->h);
    aead_free(r->aead);
    sha256_free(r->hash);
    buf_free(&r->extents);
    secret_wipe(r->buf, sizeof(r->buf));
    free(r);
}
