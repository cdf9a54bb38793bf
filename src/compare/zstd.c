/* zstd.c - RFC 8878: frames, and frames that are stepped over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>
#include <zstd_errors.h>

#include "compare/packed.h"

struct state {
    ZSTD_DStream *z;
    bool inside;
    size_t from;
};

static bool is(struct span s, const char *name)
{
    (void)name;
    return s.n >= 9 && memcmp(s.p, "\x28\xb5\x2f\xfd", 4) == 0;
}

static void unmake(void *state)
{
    struct state *st = state;

    (void)ZSTD_freeDStream(st->z);
    free(st);
}

static void *make(void)
{
    struct state *st = calloc(1, sizeof(*st));

    if (st != NULL && (st->z = ZSTD_createDStream()) == NULL) {
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
    st->from = p->at;
    st->inside = true;
    return ZSTD_isError(ZSTD_initDStream(st->z)) ? -ENOMEM : 1;
}

static int some(struct packed *p, struct state *st, void *out, size_t n, size_t *got)
{
    ZSTD_inBuffer in = {p->side.p, p->side.n, p->at};
    ZSTD_outBuffer to = {out, n, 0};
    size_t z = ZSTD_decompressStream(st->z, &to, &in);

    p->at = in.pos;
    *got = to.pos;
    if (ZSTD_isError(z)) {
        ZSTD_ErrorCode code = ZSTD_getErrorCode(z);

        if (code == ZSTD_error_memory_allocation)
            return -ENOMEM;
        return packed_damaged(p, code == ZSTD_error_frameParameter_windowTooLarge
                                     ? "its window is larger than it gets"
                                     : "it does not expand, or a sum is wrong");
    }
    if (z == 0) {
        st->inside = false;
        return packed_part(p, st->from, p->at - st->from, PACKED_BODY, true);
    }
    return *got == 0 && p->at == p->side.n ? packed_damaged(p, "it ends inside of a frame") : 0;
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

/* One frame. */
static int block(struct span in, void *out, size_t cap, size_t *n)
{
    size_t z;

    *n = 0;
    if (in.n < 4 || memcmp(in.p, "\x28\xb5\x2f\xfd", 4) != 0 ||
        ZSTD_findFrameCompressedSize(in.p, in.n) != in.n)
        return -EBADMSG;
    z = ZSTD_decompress(out, cap, in.p, in.n);
    if (ZSTD_isError(z))
        return ZSTD_getErrorCode(z) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
    *n = z;
    return 0;
}

const struct packed_codec zstd_codec = {"zstd", is, make, read_some, unmake, NULL, block};
extern const struct look_format zstd_format;
const struct look_format zstd_format = {"zstd", is, packed_compare};
