/* segment.c - space in segments.  Space is handed out under the lock, in ascending order; the
 * writes to it happen outside, by whoever asked.  A segment stays in the list until it was synced
 * after its last write, so that one pass over the list makes a group durable. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vault/vault_priv.h"

#define HINT_BYTES (UINT64_C(1) << 20)

static const uint8_t head_magic[16] = {0x89, 's',  'e',  'g',  'm', 'e', 'n', 't',
                                       '\r', '\n', 0x1a, '\n', 0,   0,   0,   1};

/* magic, vault id, u32 number, SHA-256 of these; the rest zeros */
void vault_segment_head(const struct vault *v, uint32_t no, uint8_t out[SEGMENT_HEAD])
{
    struct digest h;

    memset(out, 0, SEGMENT_HEAD);
    memcpy(out, head_magic, 16);
    memcpy(out + 16, v->id.b, 16);
    for (int i = 0; i < 4; i++)
        out[32 + i] = (uint8_t)(no >> (24 - 8 * i));
    sha256_of(out, 36, &h);
    memcpy(out + 36, h.b, 32);
}

int vault_segment_head_check(const uint8_t head[SEGMENT_HEAD], uint32_t no, struct id128 *vault)
{
    struct cur c = {head + 32, 4};
    struct digest h;
    uint32_t in_head;

    sha256_of(head, 36, &h);
    if (memcmp(head, head_magic, 16) != 0 || memcmp(h.b, head + 36, 32) != 0 ||
        cur_u32(&c, &in_head) != 0 || in_head != no)
        return -EBADMSG;
    memcpy(vault->b, head + 16, 16);
    return 0;
}

static int list_add(struct vault *v, uint32_t no, struct store_segment *h, uint64_t size)
{
    struct segment *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    s->h = h;
    s->no = no;
    s->size = size;
    s->next = v->segments;
    v->segments = s;
    return 0;
}

/* The head needs no sync of its own: the first record in the segment brings it along. */
int vault_segment_start(struct vault *v, uint32_t no)
{
    const struct store_ops *st = v->cfg.store->ops;
    uint8_t head[SEGMENT_HEAD];
    struct store_segment *h;
    int rc;

    rc = st->create(v->cfg.store, no, v->cfg.segment_size, &h);
    if (rc != 0)
        return rc;
    vault_segment_head(v, no, head);
    if ((rc = st->write(h, head, sizeof(head), 0)) != 0 ||
        (rc = list_add(v, no, h, v->cfg.segment_size)) != 0) {
        st->close(h);
        (void)st->remove(v->cfg.store, no);
        return rc;
    }
    v->segments->dirty = true;
    v->end = SEGMENT_HEAD;
    return 0;
}

int vault_segment_adopt(struct vault *v, uint32_t no, uint64_t end)
{
    struct store_segment *h;
    uint64_t size;
    int rc;

    rc = v->cfg.store->ops->open(v->cfg.store, no, &h, &size);
    if (rc != 0)
        return rc;
    if ((rc = list_add(v, no, h, size)) != 0) {
        v->cfg.store->ops->close(h);
        return rc;
    }
    v->segments->hinted = end;
    v->end = end;
    return 0;
}

int vault_segment_alloc(struct vault *v, size_t n, bool record, struct segment **out, uint64_t *at)
{
    uint64_t from;
    int rc = 0;

    if (n > v->cfg.segment_size - SEGMENT_HEAD)
        return -E2BIG;
    (void)pthread_mutex_lock(&v->lock);
    if (v->broken != 0) {
        rc = -EIO;
        goto out;
    }
    from = record ? (v->end + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN : v->end;
    if (from + n > v->segments->size) {
        if ((rc = vault_segment_start(v, v->segments->no + 1)) != 0)
            goto out;
        from = v->end;
    }
    v->since += from + n - v->end;
    v->end = from + n;
    v->segments->writers++;
    *out = v->segments;
    *at = from;
out:
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

/* A megabyte of finished writes goes to the disk while the next one is being encrypted; without
 * this the sync of a group waits for all of it (measured: 8.3 ms against 4.7 for 12 MB). */
static void hint(struct vault *v, struct segment *s, uint64_t upto)
{
    uint64_t from = s->hinted;

    if (v->cfg.store->ops->hint == NULL || upto < from + HINT_BYTES)
        return;
    s->hinted = upto;
    (void)pthread_mutex_unlock(&v->lock);
    v->cfg.store->ops->hint(s->h, from, upto - from);
    (void)pthread_mutex_lock(&v->lock);
}

int vault_segment_write(struct vault *v, struct segment *s, const void *p, size_t n, uint64_t at)
{
    int rc = v->cfg.store->ops->write(s->h, p, n, at);

    (void)pthread_mutex_lock(&v->lock);
    s->dirty = true;
    if (rc == 0)
        hint(v, s, at + n);
    s->writers--;
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

/* Closes what is neither active, nor dirty, nor being written. */
static void sweep(struct vault *v)
{
    struct segment **p = &v->segments->next;

    while (*p != NULL) {
        struct segment *s = *p;

        if (s->dirty || s->writers > 0) {
            p = &s->next;
            continue;
        }
        *p = s->next;
        v->cfg.store->ops->close(s->h);
        free(s);
    }
}

int vault_segment_sync(struct vault *v)
{
    int rc = 0;

    (void)pthread_mutex_lock(&v->lock);
    if (v->broken != 0)
        rc = -EIO;
    /* Others only put new segments in front meanwhile; nothing of this group is in those. */
    for (struct segment *s = v->segments; s != NULL && rc == 0; s = s->next) {
        if (!s->dirty)
            continue;
        s->dirty = false;
        (void)pthread_mutex_unlock(&v->lock);
        rc = v->cfg.store->ops->sync(s->h);
        (void)pthread_mutex_lock(&v->lock);
    }
    if (rc != 0)
        v->broken = v->broken != 0 ? v->broken : rc;
    else
        sweep(v);
    (void)pthread_mutex_unlock(&v->lock);
    return rc;
}

int vault_segment_broken(struct vault *v)
{
    int b;

    (void)pthread_mutex_lock(&v->lock);
    b = v->broken;
    (void)pthread_mutex_unlock(&v->lock);
    return b;
}

bool vault_segment_settled(struct vault *v, uint32_t no)
{
    bool settled = true;

    (void)pthread_mutex_lock(&v->lock);
    for (const struct segment *s = v->segments; s != NULL; s = s->next)
        settled = settled && (s->no >= no || (!s->dirty && s->writers == 0));
    (void)pthread_mutex_unlock(&v->lock);
    return settled;
}

void vault_segment_close_all(struct vault *v)
{
    while (v->segments != NULL) {
        struct segment *s = v->segments;

        v->segments = s->next;
        v->cfg.store->ops->close(s->h);
        free(s);
    }
}
