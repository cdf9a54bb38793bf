#include "site/move_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"

#define META_FIXED (1 + 32 + 32 + 32 + 8 + 32 + 32 + 8 + 2)

#define CONTEXT (14 + 16 + 16 + 32)

static void context(uint8_t out[CONTEXT], const struct id128 *move, const struct id128 *sub,
                    const struct digest *salt)
{
    memcpy(out, "move-object/v2", 14);
    memcpy(out + 14, move->b, 16);
    memcpy(out + 30, sub->b, 16);
    memcpy(out + 46, salt->b, 32);
}

static void nonce_of(uint8_t out[AEAD_NONCE], uint64_t number, bool last)
{
    memset(out, 0, AEAD_NONCE);
    out[3] = last;
    for (int i = 0; i < 8; i++)
        out[4 + i] = (uint8_t)(number >> (56 - 8 * i));
}

/* --- sender --- */

struct move_sender {
    struct aead *aead;
    uint8_t ad[32];
    uint64_t number;
};

static int meta_encode(struct buf *b, const uint8_t key[32], const struct move_meta *m)
{
    size_t account = strlen(m->account);
    int rc;

    if ((rc = buf_putc(b, 1)) != 0 || (rc = buf_put(b, key, 32)) != 0 ||
        (rc = buf_put(b, m->sub_key, 32)) != 0 || (rc = buf_put(b, m->sha256.b, 32)) != 0 ||
        (rc = buf_put_u64(b, m->size)) != 0 || (rc = buf_put(b, m->statement.b, 32)) != 0 ||
        (rc = buf_put(b, m->policy.b, 32)) != 0 ||
        (rc = buf_put_u64(b, (uint64_t)m->accepted)) != 0 ||
        (rc = buf_put(b, m->country, 2)) != 0 || (rc = buf_putc(b, (int)account)) != 0 ||
        (rc = buf_put(b, m->account, account)) != 0 || (rc = buf_putc(b, (int)m->name_len)) != 0)
        return rc;
    return buf_put(b, m->name, m->name_len);
}

int move_sender_new(struct move_sender **out, const uint8_t to[32], const struct id128 *move,
                    const struct id128 *sub, const struct digest *salt,
                    const struct move_meta *meta, struct buf *head)
{
    uint8_t ctx[CONTEXT], key[32], box[MOVE_HEAD_MAX];
    struct move_sender *s = calloc(1, sizeof(*s));
    struct buf plain;
    int rc;

    *out = NULL;
    if (s == NULL)
        return -ENOMEM;
    buf_init(&plain, MOVE_HEAD_MAX - BOX_EXTRA);
    random_bytes(key, sizeof(key));
    context(ctx, move, sub, salt);
    memcpy(s->ad, ctx + 14, 32);
    if ((rc = meta_encode(&plain, key, meta)) == 0 && (rc = aead_new(&s->aead, key)) == 0 &&
        (rc = box_seal(to, span_of(ctx, sizeof(ctx)), plain.data, plain.len, box)) == 0 &&
        (rc = buf_put_u32(head, (uint32_t)(plain.len + BOX_EXTRA))) == 0)
        rc = buf_put(head, box, plain.len + BOX_EXTRA);
    secret_wipe(key, sizeof(key));
    secret_wipe(ctx, sizeof(ctx));
    if (plain.data != NULL)
        secret_wipe(plain.data, plain.len);
    buf_free(&plain);
    if (rc != 0) {
        move_sender_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

int move_sender_chunk(struct move_sender *s, const uint8_t *p, size_t n, bool last, struct buf *out)
{
    uint8_t nonce[AEAD_NONCE];
    int rc;

    if ((rc = buf_reserve(out, n + AEAD_TAG)) != 0)
        return rc;
    nonce_of(nonce, s->number++, last);
    rc = aead_seal(s->aead, nonce, span_of(s->ad, 32), p, n, out->data + out->len);
    if (rc == 0)
        out->len += n + AEAD_TAG;
    return rc;
}

void move_sender_free(struct move_sender *s)
{
    if (s == NULL)
        return;
    aead_free(s->aead);
    free(s);
}

/* --- receiver --- */

struct move_receiver {
    uint8_t key[32]; /* ours */
    uint8_t ctx[CONTEXT];
    bool begun;
    struct move_meta meta;
    struct aead *aead;
    uint64_t number, got; /* chunks; plaintext bytes */
    struct buf wait;      /* what is not a whole head or chunk yet */
    uint8_t plain[MOVE_CHUNK];
};

int move_receiver_new(struct move_receiver **out, const uint8_t key[32], const struct id128 *move,
                      const struct id128 *sub, const struct digest *salt)
{
    struct move_receiver *r = calloc(1, sizeof(*r));

    *out = NULL;
    if (r == NULL)
        return -ENOMEM;
    memcpy(r->key, key, 32);
    context(r->ctx, move, sub, salt);
    buf_init(&r->wait, MOVE_CHUNK + AEAD_TAG + MOVE_HEAD_MAX + 4);
    *out = r;
    return 0;
}

static int take_text(struct cur *c, void *out, size_t cap, size_t *len)
{
    uint8_t n;

    if (cur_u8(c, &n) != 0 || n > cap)
        return -EBADMSG;
    *len = n;
    return cur_copy(c, out, n);
}

static int meta_decode(struct span s, struct move_meta *m, uint8_t key[32])
{
    struct cur c = cur_of(s);
    uint64_t accepted;
    uint8_t version;
    size_t account = 0;
    int rc;

    memset(m, 0, sizeof(*m));
    if ((rc = cur_u8(&c, &version)) != 0 || version != 1 || (rc = cur_copy(&c, key, 32)) != 0 ||
        (rc = cur_copy(&c, m->sub_key, 32)) != 0 || (rc = cur_copy(&c, m->sha256.b, 32)) != 0 ||
        (rc = cur_u64(&c, &m->size)) != 0 || (rc = cur_copy(&c, m->statement.b, 32)) != 0 ||
        (rc = cur_copy(&c, m->policy.b, 32)) != 0 || (rc = cur_u64(&c, &accepted)) != 0 ||
        (rc = cur_copy(&c, m->country, 2)) != 0 ||
        (rc = take_text(&c, m->account, sizeof(m->account) - 1, &account)) != 0 ||
        (rc = take_text(&c, m->name, sizeof(m->name), &m->name_len)) != 0)
        return -EBADMSG;
    m->accepted = (unix_time)accepted;
    return c.n == 0 && memchr(m->account, '\0', account) == NULL ? 0 : -EBADMSG;
}

static void drop_front(struct buf *b, size_t n)
{
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

/* 1: the head was there; 0: not all of it yet. */
static int open_head(struct move_receiver *r)
{
    struct cur c = cur_of(buf_span(&r->wait));
    uint8_t plain[MOVE_HEAD_MAX], key[32];
    struct span box;
    uint32_t n;
    int rc;

    if (cur_u32(&c, &n) != 0)
        return 0;
    if (n > MOVE_HEAD_MAX || n < META_FIXED + BOX_EXTRA)
        return -EBADMSG;
    if (cur_take(&c, n, &box) != 0)
        return 0;
    rc = box_open(r->key, span_of(r->ctx, sizeof(r->ctx)), box.p, box.n, plain);
    if (rc == 0 && (rc = meta_decode(span_of(plain, n - BOX_EXTRA), &r->meta, key)) == 0)
        rc = aead_new(&r->aead, key);
    secret_wipe(plain, sizeof(plain));
    secret_wipe(key, sizeof(key));
    if (rc != 0)
        return rc;
    drop_front(&r->wait, 4 + (size_t)n);
    r->begun = true;
    return 1;
}

static uint64_t chunks_of(uint64_t size)
{
    return size == 0 ? 1 : (size + MOVE_CHUNK - 1) / MOVE_CHUNK;
}

/* 1: a chunk was there; 0: not all of it yet. */
static int open_chunk(struct move_receiver *r, move_sink *sink, void *arg)
{
    uint64_t left = r->meta.size - r->got, chunks = chunks_of(r->meta.size);
    size_t n = left < MOVE_CHUNK ? (size_t)left : MOVE_CHUNK;
    uint8_t nonce[AEAD_NONCE];
    int rc;

    if (r->number == chunks)
        return r->wait.len == 0 ? 0 : -EBADMSG;
    if (r->wait.len < n + AEAD_TAG)
        return 0;
    nonce_of(nonce, r->number, r->number + 1 == chunks);
    rc = aead_open(r->aead, nonce, span_of(r->ctx + 14, 32), r->wait.data, n + AEAD_TAG, r->plain);
    if (rc != 0)
        return rc;
    r->number++;
    r->got += n;
    drop_front(&r->wait, n + AEAD_TAG);
    rc = n == 0 ? 0 : sink(arg, r->plain, n);
    return rc != 0 ? rc : 1;
}

int move_receiver_data(struct move_receiver *r, const uint8_t *p, size_t n, move_sink *sink,
                       void *arg)
{
    int rc;

    while (n > 0) {
        size_t room = r->wait.max - r->wait.len, take = n < room ? n : room;

        if (take == 0)
            return -EBADMSG;
        if ((rc = buf_put(&r->wait, p, take)) != 0)
            return rc;
        p += take;
        n -= take;
        if (!r->begun && (rc = open_head(r)) < 0)
            return rc;
        while (r->begun && (rc = open_chunk(r, sink, arg)) != 0)
            if (rc < 0)
                return rc;
    }
    return 0;
}

int move_receiver_end(struct move_receiver *r, const struct move_meta **meta)
{
    if (!r->begun || r->wait.len != 0 || r->number != chunks_of(r->meta.size) ||
        r->got != r->meta.size)
        return -EBADMSG;
    *meta = &r->meta;
    return 0;
}

void move_receiver_free(struct move_receiver *r)
{
    if (r == NULL)
        return;
    aead_free(r->aead);
    buf_free(&r->wait);
    secret_wipe(r, sizeof(*r));
    free(r);
}
