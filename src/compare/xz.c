/* xz.c - the .xz format 1.1: streams, with zeros between them.  liblzma checks every field of a
 * stream, its padding and its sums; so a stream has nothing but what its content and its compressor
 * make it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/xz_priv.h"

struct state {
    lzma_stream z;
    bool inside;
    size_t from;
};

bool xz_is(struct span s)
{
    return s.n >= 24 && memcmp(s.p,
                               "\xfd"
                               "7zXZ\0",
                               6) == 0;
}

static bool is(struct span s, const char *name)
{
    (void)name;
    return xz_is(s);
}

static void *make(void)
{
    return calloc(1, sizeof(struct state));
}

static void unmake(void *state)
{
    struct state *st = state;

    lzma_end(&st->z);
    free(st);
}

int xz_zeros(struct packed *p)
{
    size_t n = 0;
    int rc;

    while (p->side.n - p->at - n >= 4 && memcmp(p->side.p + p->at + n, "\0\0\0\0", 4) == 0)
        n += 4;
    rc = packed_part(p, p->at, n, PACKED_ZERO, true);
    p->at += n;
    return rc;
}

static int begin(struct packed *p, struct state *st)
{
    if (!is(span_of(p->side.p + p->at, p->side.n - p->at), NULL))
        return 0;
    st->from = p->at;
    st->inside = true;
    return lzma_stream_decoder(&st->z, XZ_MEMORY_MAX, LZMA_TELL_UNSUPPORTED_CHECK) == LZMA_OK
               ? 1
               : -ENOMEM;
}

const char *xz_why(lzma_ret z)
{
    return z == LZMA_MEMLIMIT_ERROR      ? "it asks for more memory than it gets"
           : z == LZMA_UNSUPPORTED_CHECK ? "its sum is of no known sort"
           : z == LZMA_OPTIONS_ERROR     ? "it uses what is not known"
           : z == LZMA_BUF_ERROR         ? "it ends inside of a stream"
                                         : "it does not expand, or a sum is wrong";
}

static int read_some(struct packed *p, void *out, size_t n, size_t *got)
{
    struct state *st = p->state;
    lzma_ret z;
    int rc = 0;

    *got = 0;
    while (rc == 0 && *got == 0) {
        if (!st->inside && (rc = begin(p, st)) != 1)
            return rc;
        st->z.next_in = p->side.p + p->at;
        st->z.avail_in = p->side.n - p->at;
        st->z.next_out = out;
        st->z.avail_out = n;
        z = lzma_code(&st->z, LZMA_RUN);
        p->at = p->side.n - st->z.avail_in;
        *got = n - st->z.avail_out;
        rc = 0;
        if (z == LZMA_STREAM_END) {
            st->inside = false;
            rc = packed_part(p, st->from, p->at - st->from, PACKED_BODY, true);
            if (rc == 0)
                rc = xz_zeros(p);
        } else if (z == LZMA_MEM_ERROR) {
            rc = -ENOMEM;
        } else if (z != LZMA_OK || (*got == 0 && st->z.avail_in == 0)) {
            rc = packed_damaged(p, xz_why(z != LZMA_OK ? z : LZMA_BUF_ERROR));
        }
    }
    return rc;
}

static int block(struct span in, void *out, size_t cap, size_t *n)
{
    uint64_t memory = XZ_MEMORY_MAX;
    size_t from = 0;
    lzma_ret z;

    *n = 0;
    z = lzma_stream_buffer_decode(&memory, 0, NULL, in.p, &from, in.n, out, n, cap);
    if (z == LZMA_MEM_ERROR)
        return -ENOMEM;
    return z == LZMA_OK && from == in.n ? 0 : -EBADMSG;
}

const struct packed_codec xz_codec = {"xz", is, make, read_some, unmake, NULL, block};
extern const struct look_format xz_format;
const struct look_format xz_format = {"xz", is, packed_compare};
