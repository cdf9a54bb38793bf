#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
    if (b == NULL)
        return;
    free(b->data);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
}

/* One byte beyond max is allowed for the NUL of buf_str, so that a full buffer can still be lent
 * as text; cap counts it too, but len never passes max. */
static int grow(struct buf *b, size_t want)
{
    size_t limit = b->max < SIZE_MAX ? b->max + 1 : SIZE_MAX;
    size_t cap;
    uint8_t *p;

    if (want <= b->cap)
        return 0;
    cap = b->cap < 64 ? 64 : b->cap;
    while (cap < want)
        cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    if (cap > limit)
        cap = limit;
    p = realloc(b->data, cap);
    if (p == NULL)
        return -ENOMEM;
    b->data = p;
    b->cap = cap;
    return 0;
}

int buf_reserve(struct buf *b, size_t more)
{
    if (b->len > b->max || more > b->max - b->len)
        return -E2BIG;
    return grow(b, b->len + more);
}

int buf_put(struct buf *b, const void *p, size_t n)
{
    int rc = buf_reserve(b, n);

    if (rc != 0 || n == 0)
        return rc;
    memcpy(b->data + b->len, p, n);
    b->len += n;
    return 0;
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

int buf_putc(struct buf *b, int c)
{
    uint8_t v = (uint8_t)c;

    return buf_put(b, &v, 1);
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n, rc;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return -EINVAL;
    rc = buf_reserve(b, (size_t)n);
    if (rc == 0) /* vsnprintf wants room for its NUL: max + 1 allows it */
        rc = grow(b, b->len + (size_t)n + 1);
    if (rc != 0)
        return rc;
    va_start(ap, fmt);
    (void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

static int put_be(struct buf *b, uint64_t v, size_t n)
{
    uint8_t raw[8];

    for (size_t i = 0; i < n; i++)
        raw[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    return buf_put(b, raw, n);
}

int buf_put_u16(struct buf *b, uint16_t v)
{
    return put_be(b, v, 2);
}

int buf_put_u32(struct buf *b, uint32_t v)
{
    return put_be(b, v, 4);
}

int buf_put_u64(struct buf *b, uint64_t v)
{
    return put_be(b, v, 8);
}

int buf_put_sized(struct buf *b, struct span s)
{
    int rc = s.n > UINT16_MAX ? -E2BIG : buf_reserve(b, 2 + s.n);

    if (rc != 0)
        return rc;
    b->data[b->len++] = (uint8_t)(s.n >> 8);
    b->data[b->len++] = (uint8_t)s.n;
    if (s.n > 0)
        memcpy(b->data + b->len, s.p, s.n);
    b->len += s.n;
    return 0;
}

const char *buf_str(struct buf *b)
{
    assert(b->len <= b->max && b->len < SIZE_MAX);
    if (grow(b, b->len + 1) != 0)
        return NULL;
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

uint8_t *buf_detach(struct buf *b, size_t *len)
{
    uint8_t *p = b->data;

    if (len != NULL)
        *len = b->len;
    buf_init(b, b->max);
    return p;
}

int cur_take(struct cur *c, size_t n, struct span *out)
{
    if (n > c->n)
        return -EBADMSG;
    *out = span_of(c->p, n);
    if (n > 0)
        c->p += n;
    c->n -= n;
    return 0;
}

static int take_be(struct cur *c, size_t n, uint64_t *v)
{
    struct span s;

    if (cur_take(c, n, &s) != 0)
        return -EBADMSG;
    *v = 0;
    for (size_t i = 0; i < n; i++)
        *v = *v << 8 | s.p[i];
    return 0;
}

int cur_u8(struct cur *c, uint8_t *v)
{
    uint64_t x;

    if (take_be(c, 1, &x) != 0)
        return -EBADMSG;
    *v = (uint8_t)x;
    return 0;
}

int cur_u16(struct cur *c, uint16_t *v)
{
    uint64_t x;

    if (take_be(c, 2, &x) != 0)
        return -EBADMSG;
    *v = (uint16_t)x;
    return 0;
}

int cur_u32(struct cur *c, uint32_t *v)
{
    uint64_t x;

    if (take_be(c, 4, &x) != 0)
        return -EBADMSG;
    *v = (uint32_t)x;
    return 0;
}

int cur_u64(struct cur *c, uint64_t *v)
{
    return take_be(c, 8, v);
}

int cur_copy(struct cur *c, void *out, size_t n)
{
    struct span s;

    if (cur_take(c, n, &s) != 0)
        return -EBADMSG;
    if (n > 0)
        memcpy(out, s.p, n);
    return 0;
}

int cur_line(struct cur *c, struct span *out)
{
    const uint8_t *nl = c->n > 0 ? memchr(c->p, '\n', c->n) : NULL;
    struct span s;

    if (nl == NULL || cur_take(c, (size_t)(nl - c->p) + 1, &s) != 0)
        return -EBADMSG;
    *out = span_of(s.p, s.n - 1);
    return 0;
}

bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_is(struct span a, const char *s)
{
    return span_eq(a, span_str(s));
}

struct span span_str(const char *s)
{
    return span_of(s, strlen(s));
}
