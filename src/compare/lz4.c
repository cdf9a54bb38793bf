/* lz4.c - the LZ4 frame format 1.6: frames, and frames that are stepped over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lz4.h>
#include <lz4frame.h>

#include "compare/packed.h"

struct state {
    LZ4F_dctx *z;
    bool inside;
    size_t from;
};

static bool is(struct span s, const char *name)
{
    (void)name;
    return s.n >= 11 && memcmp(s.p, "\x04\x22\x4d\x18", 4) == 0;
}

static void unmake(void *state)
{
    struct state *st = state;

    (void)LZ4F_freeDecompressionContext(st->z);
    free(st);
}

static void *make(void)
{
    struct state *st = calloc(1, sizeof(*st));

    if (st != NULL && LZ4F_isError(LZ4F_createDecompressionContext(&st->z, LZ4F_VERSION))) {
        free(st);
        st = NULL;
    }
    return st;
}

static int begin(struct packed *p, struct state *st)
{
    int rc;

    while ((rc = packed_skippable(p)) == 1)
        continue;
    if (rc != 0 || !is(span_of(p->side.p + p->at, p->side.n - p->at), NULL))
        return rc;
    LZ4F_resetDecompressionContext(st->z);
    st->from = p->at;
    st->inside = true;
    return 1;
}

static int some(struct packed *p, struct state *st, void *out, size_t n, size_t *got)
{
    size_t in = p->side.n - p->at, to = n, z;

    z = LZ4F_decompress(st->z, out, &to, p->side.p + p->at, &in, NULL);
    if (LZ4F_isError(z))
        return packed_damaged(p, "it does not expand, or a sum is wrong");
    p->at += in;
    *got = to;
    if (z == 0) {
        st->inside = false;
        return packed_part(p, st->from, p->at - st->from, PACKED_BODY, true);
    }
    return to == 0 && in == 0 ? packed_damaged(p, "it ends inside of a frame") : 0;
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

static int block(struct span in, void *out, size_t cap, size_t *n)
{
    int z = in.n > INT32_MAX || cap > INT32_MAX
                ? -1
                : LZ4_decompress_safe((const char *)in.p, out, (int)in.n, (int)cap);

    *n = z < 0 ? 0 : (size_t)z;
    return z < 0 ? -EBADMSG : 0;
}

const struct packed_codec lz4_codec = {"lz4", is, make, read_some, unmake, NULL, block};
extern const struct look_format lz4_format;
const struct look_format lz4_format = {"lz4", is, packed_compare};
