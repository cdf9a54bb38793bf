/* lzma.c - .lzma, what xz was before it: a header of 13 bytes without a magic, then one stream.
 * liblzma takes only what its own encoder can have written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lzma.h>

#include "compare/packed.h"

#define MEMORY_MAX (UINT64_C(1) << 29)
#define HEADER 13u

struct state {
    lzma_stream z;
    size_t from;
    bool begun, ended;
};

/* Usual properties, a dictionary of a power of two, no length that cannot be. */
static bool is(struct span s, const char *name)
{
    uint32_t dictionary;

    (void)name;
    if (s.n < HEADER + 5 || s.p[0] != 0x5d || s.p[HEADER] != 0)
        return false;
    dictionary = s.p[1] | (uint32_t)s.p[2] << 8 | (uint32_t)s.p[3] << 16 | (uint32_t)s.p[4] << 24;
    return dictionary >= 4096 && (dictionary & (dictionary - 1)) == 0 &&
           ((s.p[12] == 0 && s.p[11] == 0 && s.p[10] == 0) ||
            memcmp(s.p + 5, "\xff\xff\xff\xff\xff\xff\xff\xff", 8) == 0);
}

static void *make(void)
{
    struct state *st = calloc(1, sizeof(*st));

    if (st != NULL && lzma_alone_decoder(&st->z, MEMORY_MAX) != LZMA_OK) {
        lzma_end(&st->z);
        free(st);
        st = NULL;
    }
    return st;
}

static void unmake(void *state)
{
    struct state *st = state;

    lzma_end(&st->z);
    free(st);
}

static int some(struct packed *p, struct state *st, void *out, size_t n, size_t *got)
{
    lzma_ret z;

    st->z.next_in = p->side.p + p->at;
    st->z.avail_in = p->side.n - p->at;
    st->z.next_out = out;
    st->z.avail_out = n;
    z = lzma_code(&st->z, LZMA_RUN);
    p->at = p->side.n - st->z.avail_in;
    *got = n - st->z.avail_out;
    if (z == LZMA_STREAM_END) {
        st->ended = true;
        return packed_part(p, st->from, p->at - st->from, PACKED_BODY, true);
    }
    if (z == LZMA_MEM_ERROR)
        return -ENOMEM;
    if (z != LZMA_OK || (*got == 0 && st->z.avail_in == 0))
        return packed_damaged(p, z == LZMA_MEMLIMIT_ERROR ? "it asks for more memory than it gets"
                                 : z == LZMA_OK || z == LZMA_BUF_ERROR
                                     ? "it ends inside of a stream"
                                     : "it does not expand");
    return 0;
}

static int read_some(struct packed *p, void *out, size_t n, size_t *got)
{
    struct state *st = p->state;
    int rc = 0;

    *got = 0;
    if (!st->begun)
        st->from = p->at;
    st->begun = true;
    while (rc == 0 && *got == 0 && !st->ended)
        rc = some(p, st, out, n, got);
    return rc;
}

const struct packed_codec lzma_codec = {"lzma", is, make, read_some, unmake, NULL, NULL};
extern const struct look_format lzma_format;
const struct look_format lzma_format = {"lzma", is, packed_compare};
