/* packed.h - one content behind one compressor: gzip, xz, lzma, bzip2, zstd, lz4.  A codec tells
 * the parts of its side while it expands it; packed.c does the rest, for two of one codec and for
 * two of different ones. */
#ifndef COMPARE_PACKED_H
#define COMPARE_PACKED_H

#include "compare/look.h"

enum packed_kind {
    PACKED_BODY,    /* packed content and what a decoder checks of it */
    PACKED_HEAD,    /* fields that only the codec can tell apart (codec->head) */
    PACKED_SUM,     /* a sum of the content; right tells whether it is */
    PACKED_ZERO,    /* padding that is zero */
    PACKED_SKIPPED, /* what a decoder steps over, whatever it is */
};

struct packed_part {
    struct look_range r;
    enum packed_kind kind;
    bool right;
};

/* Is shown what a side expands to. */
typedef void packed_see(void *arg, const void *p, size_t n);

struct packed {
    const struct packed_codec *codec;
    struct span side;
    size_t at; /* read so far */
    void *state;
    struct packed_part *part;
    size_t parts, room;
    const char *why;        /* it is damaged */
    _Atomic uint64_t *seen; /* counts what was read; NULL: nobody asks */
    packed_see *see;        /* NULL: nobody; called by one thread at a time */
    void *see_arg;
};

struct packed_codec {
    const char *name;
    bool (*is)(struct span side, const char *name);
    void *(*open)(void); /* NULL: no memory */
    /* As of struct look_source; p->at goes on.  What stands behind the last part is left. */
    int (*read)(struct packed *p, void *out, size_t n, size_t *got);
    void (*close)(void *state);
    /* Claims two headers; either may be absent (n 0).  NULL: it tells no PACKED_HEAD. */
    int (*head)(struct look *l, struct look_range a, struct look_range b);
    /* A block that stands alone, without the frame of a file: nothing but it is in it.  *n is the
     * room in out, then what it expands to.  -EBADMSG, -ENOMEM.  NULL: there are no such blocks. */
    int (*block)(struct span in, void *out, size_t cap, size_t *n);
};
extern const struct packed_codec gzip_codec, xz_codec, bzip2_codec, zstd_codec, lz4_codec;
extern const struct packed_codec lzma_codec;

/* Two sides of xz expanded by two threads, within room bytes: xz_twins.c.  NULL: these cannot be,
 * and nothing was done.  The sources are as packed_codec's read; p->why tells what its reader met.
 */
struct xz_twins;
struct xz_twins *xz_twins_start(struct packed p[2], size_t room);
struct look_source *xz_twins_source(struct xz_twins *t, int side); /* lent */
void xz_twins_end(struct xz_twins *t);                             /* NULL is fine */

/* The next part; parts come in order. */
MUST_CHECK int packed_part(struct packed *p, size_t at, size_t n, enum packed_kind kind,
                           bool right);
/* Sets why, and returns -EBADMSG. */
int packed_damaged(struct packed *p, const char *why);
/* At p->at: frames that zstd and lz4 step over.  1: one was, 0: none stands there. */
MUST_CHECK int packed_skippable(struct packed *p);
/* The comparison of all of them, as of struct look_format. */
MUST_CHECK int packed_compare(struct look *l);
/* Whether a codec knows it. */
bool packed_is(struct span side);
/* The comparison of what begins at at[] in the sides and goes to their ends, which codecs know; it
 * expands to something of that name, which may be NULL.  *whole: both were read to their ends, and
 * see, if it is not NULL, has seen all of it. */
MUST_CHECK int packed_behind(struct look *l, const uint64_t at[2], const char *name,
                             packed_see *see, void *const arg[2], bool *whole);

#endif
