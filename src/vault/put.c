/* put.c - a stream of plaintext becomes chunks in segments.
 *
 * Chunk i of an object is AES-256-GCM under the object's own key with the nonce
 *     00 00 00 ‖ last (0 or 1) ‖ u64(i)
 * and the object's id as associated data: chunks can be neither swapped, nor moved between objects,
 * nor left off at the end (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár).
 * A full chunk is therefore kept back until it is known not to be the last. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "vault/vault_priv.h"

void vault_put_chunk_nonce(uint8_t out[AEAD_NONCE], uint64_t chunk, bool last)
{
    memset(out, 0, 4);
    out[3] = last ? 1 : 0;
    for (int i = 0; i < 8; i++)
        out[4 + i] = (uint8_t)(chunk >> (56 - 8 * i));
}

void vault_put_chunk_ad(uint8_t out[CHUNK_AD], const struct id128 *object)
{
    memcpy(out, "chunk/v1", 8);
    memcpy(out + 8, object->b, 16);
}

static void put_free(struct vault_put *p)
{
    if (p == NULL)
        return;
    sha256_free(p->hash);
    secret_free(p->dek, AEAD_KEY);
    free(p->extent);
    free(p);
}

static struct vault_put *put_new(struct vault *v)
{
    struct vault_put *p = malloc(sizeof(*p));

    if (p == NULL)
        return NULL;
    memset(p, 0, offsetof(struct vault_put, buf));
    p->v = v;
    p->hash = sha256_new();
    p->dek = secret_alloc(AEAD_KEY);
    if (p->hash == NULL || p->dek == NULL) {
        put_free(p);
        return NULL;
    }
    return p;
}

/* Locked memory and 64 KiB buffers are costly to come by: a few are kept. */
void vault_put_recycle(struct vault_put *p)
{
    struct vault *v = p->v;
    struct digest unused;

    sha256_end(p->hash, &unused);
    aead_free(p->aead);
    p->aead = NULL;
    secret_wipe(p->dek, AEAD_KEY);
    secret_wipe(p->buf, p->fill);
    (void)pthread_mutex_lock(&v->lock);
    v->out--;
    if (v->n_spare < SPARE_PUTS) {
        p->next = v->spare;
        v->spare = p;
        v->n_spare++;
        p = NULL;
    }
    (void)pthread_mutex_unlock(&v->lock);
    put_free(p);
}

void vault_put_free_spares(struct vault *v)
{
    while (v->spare != NULL) {
        struct vault_put *p = v->spare;

        v->spare = p->next;
        put_free(p);
    }
    v->n_spare = 0;
}

int vault_put_begin(struct vault_put **out, struct vault *v)
{
    struct vault_put *p;
    int rc;

    (void)pthread_mutex_lock(&v->lock);
    p = v->spare;
    if (p != NULL) {
        v->spare = p->next;
        v->n_spare--;
    }
    v->out++;
    rc = v->broken != 0 ? -EIO : 0;
    (void)pthread_mutex_unlock(&v->lock);
    if (p == NULL && (p = put_new(v)) == NULL) {
        (void)pthread_mutex_lock(&v->lock);
        v->out--;
        (void)pthread_mutex_unlock(&v->lock);
        return -ENOMEM;
    }
    p->size = p->chunks = 0;
    p->n_extents = p->fill = 0;
    p->failed = 0;
    p->finished = false;
    p->object = random_id();
    random_bytes(p->dek, AEAD_KEY);
    if (rc == 0)
        rc = aead_new(&p->aead, p->dek);
    if (rc != 0) {
        vault_put_recycle(p);
        return rc;
    }
    *out = p;
    return 0;
}

/* Chunks that follow one another in a segment are one extent. */
static int note_extent(struct vault_put *p, uint32_t segment, uint64_t at, size_t n)
{
    struct extent *x = p->n_extents > 0 ? &p->extent[p->n_extents - 1] : NULL;

    if (x != NULL && x->segment == segment && x->at + x->bytes == at) {
        x->chunks++;
        x->bytes += n;
        return 0;
    }
    if (p->n_extents == RECORD_EXTENTS_MAX)
        return -E2BIG;
    if (p->n_extents == p->cap_extents) {
        size_t cap = p->cap_extents == 0 ? 4 : p->cap_extents * 2;

        x = reallocarray(p->extent, cap, sizeof(*x));
        if (x == NULL)
            return -ENOMEM;
        p->extent = x;
        p->cap_extents = cap;
    }
    p->extent[p->n_extents++] = (struct extent){segment, 1, at, n};
    return 0;
}

/* Encrypts n bytes (p->buf itself or the caller's) as the next chunk and writes it. */
static int chunk_out(struct vault_put *p, const uint8_t *from, size_t n, bool last)
{
    uint8_t nonce[AEAD_NONCE], ad[CHUNK_AD];
    struct segment *s;
    uint32_t segment;
    uint64_t at;
    int rc;

    vault_put_chunk_nonce(nonce, p->chunks, last);
    vault_put_chunk_ad(ad, &p->object);
    if ((rc = aead_seal(p->aead, nonce, span_of(ad, sizeof(ad)), from, n, p->buf)) != 0 ||
        (rc = vault_segment_alloc(p->v, n + AEAD_TAG, false, &s, &at)) != 0)
        return rc;
    segment = s->no; /* s may be swept once the write is over */
    if ((rc = vault_segment_write(p->v, s, p->buf, n + AEAD_TAG, at)) != 0)
        return rc;
    p->chunks++;
    p->fill = 0;
    return note_extent(p, segment, at, n + AEAD_TAG);
}

int vault_put_append(struct vault_put *p, const void *data, size_t n)
{
    const uint8_t *from = data;

    if (p->finished)
        return -EINVAL;
    if (p->failed != 0)
        return p->failed;
    sha256_add(p->hash, data, n);
    p->size += n;
    while (n > 0 && p->failed == 0) {
        size_t take;

        if (p->fill == VAULT_CHUNK)
            p->failed = chunk_out(p, p->buf, VAULT_CHUNK, false);
        if (p->fill == 0 && n > VAULT_CHUNK && p->failed == 0) {
            p->failed = chunk_out(p, from, VAULT_CHUNK, false);
            take = VAULT_CHUNK;
        } else {
            take = VAULT_CHUNK - p->fill < n ? VAULT_CHUNK - p->fill : n;
            if (p->failed == 0) {
                memcpy(p->buf + p->fill, from, take);
                p->fill += take;
            }
        }
        from += take;
        n -= take;
    }
    return p->failed;
}

int vault_put_room(struct vault_put *p, uint8_t **into, size_t *n)
{
    if (p->finished)
        return -EINVAL;
    if (p->failed == 0 && p->fill == VAULT_CHUNK)
        p->failed = chunk_out(p, p->buf, VAULT_CHUNK, false);
    *into = p->buf + p->fill;
    *n = VAULT_CHUNK - p->fill;
    return p->failed;
}

int vault_put_came(struct vault_put *p, size_t n)
{
    if (p->finished || n > VAULT_CHUNK - p->fill)
        return -EINVAL;
    if (p->failed != 0)
        return p->failed;
    sha256_add(p->hash, p->buf + p->fill, n);
    p->size += n;
    p->fill += n;
    return 0;
}

int vault_put_finish(struct vault_put *p, struct digest *sha256, uint64_t *size)
{
    if (p->finished)
        return -EINVAL;
    if (p->failed == 0)
        p->failed = chunk_out(p, p->buf, p->fill, true);
    if (p->failed != 0)
        return p->failed;
    sha256_end(p->hash, &p->sha256);
    p->finished = true;
    *sha256 = p->sha256;
    *size = p->size;
    return 0;
}

int vault_put_extents(const struct vault_put *p, struct buf *out)
{
    int rc = 0;

    for (size_t i = 0; i < p->n_extents && rc == 0; i++)
        rc = vault_record_put_extent(out, &p->extent[i]);
    return rc;
}

void vault_put_abort(struct vault_put *p)
{
    struct buf x;

    if (p == NULL)
        return;
    buf_init(&x, (size_t)RECORD_EXTENTS_MAX * RECORD_EXTENT);
    /* Without memory to remember it the space is lost, nothing worse. */
    if (p->n_extents > 0 && vault_put_extents(p, &x) == 0) {
        (void)pthread_mutex_lock(&p->v->lock);
        (void)!vault_record_add_object(&p->v->waste, &p->object, buf_span(&x));
        (void)pthread_mutex_unlock(&p->v->lock);
    }
    buf_free(&x);
    vault_put_recycle(p);
}
