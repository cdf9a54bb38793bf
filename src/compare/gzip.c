/* gzip.c - RFC 1952: members, each a header, a deflate stream, CRC-32 and length. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "compare/packed.h"

#define FHCRC 2u
#define FEXTRA 4u
#define FNAME 8u
#define FCOMMENT 16u

struct state {
    z_stream z;
    bool inside;
    size_t from; /* of the deflate stream */
    uint32_t crc, length;
};

struct head {
    struct look_range extra, name, comment, crc;
    bool crc_right;
    size_t n;
};

static bool is(struct span s, const char *name)
{
    (void)name;
    return s.n >= 18 && s.p[0] == 0x1f && s.p[1] == 0x8b && s.p[2] == 8;
}

static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* To the NUL of a text that begins at at; 0: it has none. */
static uint64_t text_n(struct span s, size_t at)
{
    const uint8_t *nul = at < s.n ? memchr(s.p + at, 0, s.n - at) : NULL;

    return nul == NULL ? 0 : (uint64_t)(nul - (s.p + at)) + 1;
}

/* False: it ends inside. */
static bool parse(struct span s, size_t at, struct head *h)
{
    size_t i = at + 10;
    uint8_t flags;

    memset(h, 0, sizeof(*h));
    if (s.n < i || s.n - i < 8)
        return false;
    flags = s.p[at + 3];
    if ((flags & FEXTRA) != 0) {
        h->extra = (struct look_range){i, 2u + s.p[i] + ((size_t)s.p[i + 1] << 8)};
        if (h->extra.n > s.n - i)
            return false;
        i += h->extra.n;
    }
    if ((flags & FNAME) != 0) {
        h->name = (struct look_range){i, text_n(s, i)};
        if (h->name.n == 0)
            return false;
        i += h->name.n;
    }
    if ((flags & FCOMMENT) != 0) {
        h->comment = (struct look_range){i, text_n(s, i)};
        if (h->comment.n == 0)
            return false;
        i += h->comment.n;
    }
    if ((flags & FHCRC) != 0) {
        uint32_t crc = (uint32_t)crc32_z(0, s.p + at, i - at) & 0xffff;

        if (s.n - i < 2)
            return false;
        h->crc = (struct look_range){i, 2};
        h->crc_right = crc == (s.p[i] | (uint32_t)s.p[i + 1] << 8);
        i += 2;
    }
    h->n = i - at;
    return true;
}

static void *make(void)
{
    struct state *st = calloc(1, sizeof(*st));

    if (st != NULL && inflateInit2(&st->z, -15) != Z_OK) {
        free(st);
        st = NULL;
    }
    return st;
}

static void unmake(void *state)
{
    struct state *st = state;

    (void)inflateEnd(&st->z);
    free(st);
}

/* 1: a member begins; 0: no more. */
static int begin(struct packed *p, struct state *st)
{
    struct head h;
    int rc;

    if (!is(span_of(p->side.p + p->at, p->side.n - p->at), NULL))
        return 0;
    if (!parse(p->side, p->at, &h))
        return packed_damaged(p, "it ends inside of a header");
    if ((rc = packed_part(p, p->at, h.n, PACKED_HEAD, true)) != 0)
        return rc;
    p->at += h.n;
    st->from = p->at;
    st->inside = true;
    st->crc = 0;
    st->length = 0;
    return inflateReset(&st->z) == Z_OK ? 1 : -ENOMEM;
}

static int end(struct packed *p, struct state *st)
{
    const uint8_t *s = p->side.p + p->at;
    int rc;

    st->inside = false;
    if (p->side.n - p->at < 8)
        return packed_damaged(p, "it ends before its sum");
    rc = packed_part(p, st->from, p->at - st->from, PACKED_BODY, true);
    if (rc == 0)
        rc = packed_part(p, p->at, 8, PACKED_SUM, le32(s) == st->crc && le32(s + 4) == st->length);
    p->at += 8;
    return rc;
}

static int some(struct packed *p, struct state *st, uint8_t *out, size_t n, size_t *got)
{
    size_t in = p->side.n - p->at < (1u << 30) ? p->side.n - p->at : 1u << 30;
    int z;

    st->z.next_in = (uint8_t *)(uintptr_t)(p->side.p + p->at);
    st->z.avail_in = (uInt)in;
    st->z.next_out = out;
    st->z.avail_out = (uInt)(n < (1u << 30) ? n : 1u << 30);
    z = inflate(&st->z, Z_NO_FLUSH);
    p->at += in - st->z.avail_in;
    *got = (size_t)(st->z.next_out - out);
    st->crc = (uint32_t)crc32_z(st->crc, out, *got);
    st->length += (uint32_t)*got;
    if (z == Z_STREAM_END)
        return end(p, st);
    if (z == Z_MEM_ERROR)
        return -ENOMEM;
    if (z != Z_OK)
        return packed_damaged(p, z == Z_BUF_ERROR ? "it ends inside of a stream"
                                                  : "it does not expand");
    return 0;
}

static int read_some(struct packed *p, void *out, size_t n, size_t *got)
{
    struct state *st = p->state;
    int rc = 0;

    *got = 0;
    while (rc == 0 && *got == 0) {
        if (!st->inside && (rc = begin(p, st)) != 1)
            return rc;
        rc = some(p, st, out, n, got);
    }
    return rc;
}

/* --- the header --- */

static int optional(struct look *l, struct look_range a, struct look_range b,
                    enum compare_class class, const char *what)
{
    const uint8_t *pa = look_side(l, 0).p + a.at, *pb = look_side(l, 1).p + b.at;

    if (class == COMPARE_METADATA && a.n > 0 && b.n > 0)
        return look_pair(l, a, b, class, "%s: \"%.*s\" and \"%.*s\"", what,
                         (int)(a.n < 100 ? a.n : 100), (const char *)pa,
                         (int)(b.n < 100 ? b.n : 100), (const char *)pb);
    return look_pair(l, a, b, class, "%s", what);
}

static int fixed(struct look *l, uint64_t a, uint64_t b)
{
    const uint8_t *pa = look_side(l, 0).p + a, *pb = look_side(l, 1).p + b;
    /* Flags say which optional parts there are, which are compared apart; others say nothing known.
     */
    enum compare_class flags =
        ((pa[3] | pb[3]) & ~0x1fu) == 0 ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED;
    int rc = look_pair(l, (struct look_range){a, 3}, (struct look_range){b, 3}, COMPARE_UNEXPLAINED,
                       "the magic");

    if (rc == 0)
        rc = look_pair(l, (struct look_range){a + 3, 1}, (struct look_range){b + 3, 1}, flags,
                       "the flags: %02x and %02x", pa[3], pb[3]);
    if (rc == 0)
        rc = look_pair(l, (struct look_range){a + 4, 4}, (struct look_range){b + 4, 4},
                       COMPARE_METADATA, "the mtime: %" PRIu32 " and %" PRIu32, le32(pa + 4),
                       le32(pb + 4));
    if (rc == 0)
        rc = look_pair(l, (struct look_range){a + 8, 1}, (struct look_range){b + 8, 1},
                       COMPARE_SAME_CONTENT, "the compression level: %u and %u", pa[8], pb[8]);
    if (rc == 0)
        rc = look_pair(l, (struct look_range){a + 9, 1}, (struct look_range){b + 9, 1},
                       COMPARE_METADATA, "the operating system: %u and %u", pa[9], pb[9]);
    return rc;
}

/* A member that only one side has: nothing but content, and a name, may be in it. */
static int head_alone(struct look *l, struct look_range a, struct look_range b)
{
    int side = a.n > 0 ? 0 : 1;
    struct span s = look_side(l, side);
    struct head h;
    enum compare_class class = COMPARE_UNEXPLAINED;

    if (parse(s, (size_t)(side == 0 ? a.at : b.at), &h) && h.extra.n == 0 && h.comment.n == 0 &&
        (h.crc.n == 0 || h.crc_right))
        class = h.name.n > 0 ? COMPARE_METADATA : COMPARE_SAME_CONTENT;
    return look_pair(l, a, b, class, "a header that only %s has", side == 0 ? "A" : "B");
}

static int head(struct look *l, struct look_range a, struct look_range b)
{
    struct head x, y;
    enum compare_class crc;
    int rc;

    if (a.n == 0 || b.n == 0)
        return head_alone(l, a, b);
    if (!parse(look_side(l, 0), (size_t)a.at, &x) || !parse(look_side(l, 1), (size_t)b.at, &y))
        return 0;
    crc = (x.crc.n == 0 || x.crc_right) && (y.crc.n == 0 || y.crc_right) ? COMPARE_DERIVED
                                                                         : COMPARE_UNEXPLAINED;
    if ((rc = fixed(l, a.at, b.at)) == 0 &&
        (rc = optional(l, x.extra, y.extra, COMPARE_UNEXPLAINED, "the extra field")) == 0 &&
        (rc = optional(l, x.name, y.name, COMPARE_METADATA, "the original name")) == 0 &&
        (rc = optional(l, x.comment, y.comment, COMPARE_UNEXPLAINED, "the comment")) == 0)
        rc = optional(l, x.crc, y.crc, crc, "the CRC of the header");
    return rc;
}

/* --- blocks of other formats: RFC 1950 --- */

static int block(struct span in, void *out, size_t cap, size_t *n)
{
    z_stream z;
    int rc;

    memset(&z, 0, sizeof(z));
    if (in.n > UINT32_MAX || cap > UINT32_MAX)
        return -EBADMSG;
    if (inflateInit(&z) != Z_OK)
        return -ENOMEM;
    z.next_in = (uint8_t *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    rc = inflate(&z, Z_FINISH);
    *n = cap - z.avail_out;
    (void)inflateEnd(&z);
    if (rc == Z_MEM_ERROR)
        return -ENOMEM;
    return rc == Z_STREAM_END && z.avail_in == 0 ? 0 : -EBADMSG;
}

const struct packed_codec gzip_codec = {"gzip", is, make, read_some, unmake, head, block};
extern const struct look_format gzip_format;
const struct look_format gzip_format = {"gzip", is, packed_compare};
