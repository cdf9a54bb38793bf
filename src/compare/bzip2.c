/* bzip2.c - streams behind one another; libbz2 checks the sums of each block and stream. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bzlib.h>

#include "compare/packed.h"

struct state {
    bz_stream z;
    bool inside;
    size_t from;
};

static bool is(struct span s, const char *name)
{
    (void)name;
    return s.n >= 14 && memcmp(s.p, "BZh", 3) == 0 && s.p[3] >= '1' && s.p[3] <= '9' &&
           (memcmp(s.p + 4, "1AY&SY", 6) == 0 || memcmp(s.p + 4, "\x17rE8P\x90", 6) == 0);
}

static void *make(void)
{
    return calloc(1, sizeof(struct state));
}

static void stop(struct state *st)
{
    if (st->inside)
        (void)BZ2_bzDecompressEnd(&st->z);
    memset(st, 0, sizeof(*st));
}

static void unmake(void *state)
{
    stop(state);
    free(state);
}

static int begin(struct packed *p, struct state *st)
{
    if (!is(span_of(p->side.p + p->at, p->side.n - p->at), NULL))
        return 0;
    memset(st, 0, sizeof(*st));
    if (BZ2_bzDecompressInit(&st->z, 0, 0) != BZ_OK)
        return -ENOMEM;
    st->from = p->at;
    st->inside = true;
    return 1;
}

static int some(struct packed *p, struct state *st, char *out, size_t n, size_t *got)
{
    size_t in = p->side.n - p->at < (1u << 30) ? p->side.n - p->at : 1u << 30;
    unsigned room = (unsigned)(n < (1u << 30) ? n : 1u << 30);
    int z, rc;

    st->z.next_in = (char *)(uintptr_t)(p->side.p + p->at);
    st->z.avail_in = (unsigned)in;
    st->z.next_out = out;
    st->z.avail_out = room;
    z = BZ2_bzDecompress(&st->z);
    p->at += in - st->z.avail_in;
    *got = room - st->z.avail_out;
    if (z == BZ_STREAM_END) {
        rc = packed_part(p, st->from, p->at - st->from, PACKED_BODY, true);
        stop(st);
        return rc;
    }
    if (z == BZ_MEM_ERROR)
        return -ENOMEM;
    if (z != BZ_OK)
        return packed_damaged(p, "it does not expand, or a sum is wrong");
    return *got == 0 && p->at == p->side.n ? packed_damaged(p, "it ends inside of a stream") : 0;
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

const struct packed_codec bzip2_codec = {"bzip2", is, make, read_some, unmake, NULL, NULL};
extern const struct look_format bzip2_format;
const struct look_format bzip2_format = {"bzip2", is, packed_compare};
