/* buf.h - a growable run of bytes that knows its maximum.
 * The fields may be read; only these functions write them.  All growth is checked against max
 * before anything is allocated: -E2BIG leaves the buffer as it was, -ENOMEM too.  A buffer holds no
 * secrets (use crypto/secret.h).  data is never NUL-terminated unless buf_str is called. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/defs.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
};

void buf_init(struct buf *b, size_t max); /* no allocation */
void buf_free(struct buf *b);             /* empty and reusable with the same max; NULL is fine */
void buf_reset(struct buf *b);            /* len = 0, memory kept */
MUST_CHECK int buf_reserve(struct buf *b, size_t more);
MUST_CHECK int buf_put(struct buf *b, const void *p, size_t n);
MUST_CHECK int buf_puts(struct buf *b, const char *s);
MUST_CHECK int buf_putc(struct buf *b, int c);
MUST_CHECK int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
MUST_CHECK int buf_put_u16(struct buf *b, uint16_t v); /* big-endian, as all below */
MUST_CHECK int buf_put_u32(struct buf *b, uint32_t v);
MUST_CHECK int buf_put_u64(struct buf *b, uint64_t v);
/* A u16 of its length, then the bytes; -E2BIG above 65,535, too. */
MUST_CHECK int buf_put_sized(struct buf *b, struct span s);
/* NUL-terminates (the NUL is not counted in len) and lends the text; NULL if out of memory. */
const char *buf_str(struct buf *b);
/* Hands the bytes over (free(3) them); the buffer is empty afterwards. */
uint8_t *buf_detach(struct buf *b, size_t *len);
static inline struct span buf_span(const struct buf *b)
{
    struct span s = {b->data, b->len};
    return s;
}

/* A cursor over borrowed bytes.  A failed read returns -EBADMSG and does not advance. */
struct cur {
    const uint8_t *p;
    size_t n; /* left */
};
static inline struct cur cur_of(struct span s)
{
    struct cur c = {s.p, s.n};
    return c;
}
MUST_CHECK int cur_u8(struct cur *c, uint8_t *v);
MUST_CHECK int cur_u16(struct cur *c, uint16_t *v);
MUST_CHECK int cur_u32(struct cur *c, uint32_t *v);
MUST_CHECK int cur_u64(struct cur *c, uint64_t *v);
MUST_CHECK int cur_take(struct cur *c, size_t n, struct span *out);
MUST_CHECK int cur_copy(struct cur *c, void *out, size_t n);
/* The bytes up to the next '\n' (not included, but consumed). -EBADMSG if there is none. */
MUST_CHECK int cur_line(struct cur *c, struct span *out);

bool span_eq(struct span a, struct span b);
bool span_is(struct span a, const char *s);
static inline struct span span_of(const void *p, size_t n)
{
    struct span s = {p, n};
    return s;
}
struct span span_str(const char *s);

#endif
