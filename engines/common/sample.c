/* sample.c - deflate with the fixed Huffman code, literals only (RFC 1951, 3.2.6). */
#include "sample.h"

#include <errno.h>
#include <string.h>

#define LOCAL 30u   /* bytes of a local header without the name */
#define CENTRAL 46u /* of an entry of the central directory */

struct bits {
    struct buf *out;
    uint32_t hold, n;
    int rc;
};

static void put_bit(struct bits *b, unsigned bit)
{
    b->hold |= bit << b->n;
    if (++b->n < 8)
        return;
    if (b->rc == 0)
        b->rc = buf_putc(b->out, (int)b->hold);
    b->hold = b->n = 0;
}

/* Huffman codes go from their highest bit, everything else from its lowest. */
static void put_code(struct bits *b, unsigned code, unsigned len)
{
    while (len-- > 0)
        put_bit(b, code >> len & 1);
}

static int deflate(struct buf *out, struct span text)
{
    struct bits b = {.out = out};

    put_bit(&b, 1); /* the last block */
    put_bit(&b, 1); /* fixed codes: 01, lowest bit first */
    put_bit(&b, 0);
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] > 143)
            return -EINVAL;
        put_code(&b, 0x30u + text.p[i], 8);
    }
    put_code(&b, 0, 7); /* end of block */
    while (b.n != 0)
        put_bit(&b, 0);
    return b.rc;
}

static uint32_t crc32_of(struct span s)
{
    uint32_t c = UINT32_MAX;

    for (size_t i = 0; i < s.n; i++) {
        c ^= s.p[i];
        for (int k = 0; k < 8; k++)
            c = (c & 1) != 0 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return ~c;
}

static void le(uint8_t *p, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* What local and central headers have in common: 26 bytes from "version needed" on. */
static void common(uint8_t *p, struct span text, size_t packed, size_t name)
{
    le(p, 20, 2);
    le(p + 4, 8, 2);    /* deflate */
    le(p + 8, 0x21, 2); /* 1980-01-01 */
    le(p + 10, crc32_of(text), 4);
    le(p + 14, packed, 4);
    le(p + 18, text.n, 4);
    le(p + 22, name, 2);
}

int sample_zip(struct buf *b, const char *name, struct span text)
{
    uint8_t local[LOCAL] = "PK\3\4", central[CENTRAL] = "PK\1\2\24", end[22] = "PK\5\6";
    size_t n = strlen(name), start = b->len, at;
    struct buf packed;
    int rc;

    buf_init(&packed, 8192);
    rc = deflate(&packed, text);
    common(local + 4, text, packed.len, n);
    common(central + 6, text, packed.len, n);
    if (rc == 0 && (rc = buf_put(b, local, sizeof(local))) == 0 && (rc = buf_puts(b, name)) == 0)
        rc = buf_put(b, packed.data, packed.len);
    at = b->len - start;
    if (rc == 0 && (rc = buf_put(b, central, sizeof(central))) == 0)
        rc = buf_puts(b, name);
    le(end + 8, 1, 2);
    le(end + 10, 1, 2);
    le(end + 12, CENTRAL + n, 4);
    le(end + 16, at, 4);
    if (rc == 0)
        rc = buf_put(b, end, sizeof(end));
    buf_free(&packed);
    return rc;
}
