#include "compare/packed.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/ahead.h"

#define WORTH_THREADS (256u << 10) /* packed, both sides together: two threads take 0.1 ms */
#define PARTS_MAX (1u << 20)
#define NAME_MAX_LEN 4096u

static const struct packed_codec *const codecs[] = {&gzip_codec, &xz_codec,  &bzip2_codec,
                                                    &zstd_codec, &lz4_codec, &lzma_codec};

static const struct packed_codec *codec_of(struct span side)
{
    for (size_t i = 0; i < ARRAY_LEN(codecs); i++)
        if (codecs[i]->is(side, NULL))
            return codecs[i];
    return NULL;
}

/* --- what codecs ask --- */

int packed_damaged(struct packed *p, const char *why)
{
    p->why = why;
    return -EBADMSG;
}

int packed_part(struct packed *p, size_t at, size_t n, enum packed_kind kind, bool right)
{
    if (n == 0)
        return 0;
    if (p->parts == PARTS_MAX)
        return packed_damaged(p, "too many streams behind one another");
    if (p->parts == p->room) {
        size_t room = p->room == 0 ? 16 : 2 * p->room;
        struct packed_part *more = reallocarray(p->part, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        p->part = more;
        p->room = room;
    }
    p->part[p->parts++] = (struct packed_part){{at, n}, kind, right};
    return 0;
}

int packed_skippable(struct packed *p)
{
    const uint8_t *s = p->side.p + p->at;
    size_t left = p->side.n - p->at;
    uint32_t n;
    int rc;

    if (left < 8 || (s[0] & 0xf0) != 0x50 || s[1] != 0x2a || s[2] != 0x4d || s[3] != 0x18)
        return 0;
    n = s[4] | (uint32_t)s[5] << 8 | (uint32_t)s[6] << 16 | (uint32_t)s[7] << 24;
    if (n > left - 8)
        return packed_damaged(p, "it ends inside of a frame");
    rc = packed_part(p, p->at, 8 + (size_t)n, PACKED_SKIPPED, true);
    p->at += 8 + (size_t)n;
    return rc == 0 ? 1 : rc;
}

/* --- claims --- */

static int claim(struct look *l, const struct packed_part *a, const struct packed_part *b,
                 enum compare_class class, const struct packed_codec *codec)
{
    switch (a->r.n > 0 ? a->kind : b->kind) {
    case PACKED_HEAD:
        return codec->head(l, a->r, b->r);
    case PACKED_SUM:
        if (a->right && b->right)
            return look_pair(l, a->r, b->r,
                             a->r.n == b->r.n && class != COMPARE_IDENTICAL ? COMPARE_DERIVED
                                                                            : COMPARE_SAME_CONTENT,
                             "the sum of the content, right on both sides");
        if (class != COMPARE_IDENTICAL) {
            int rc = look_find(l, COMPARE_UNEXPLAINED,
                               "the sum that stands in %s is not that of the content",
                               a->right   ? "B"
                               : b->right ? "A"
                                          : "both");

            if (rc != 0)
                return rc;
        }
        return look_pair(l, a->r, b->r, COMPARE_UNEXPLAINED, "the sum of the content");
    case PACKED_ZERO:
        return look_pair(l, a->r, b->r, COMPARE_SAME_CONTENT, "zeros between streams");
    case PACKED_SKIPPED:
        return look_pair(l, a->r, b->r, COMPARE_UNEXPLAINED, "a frame that is stepped over");
    case PACKED_BODY:
        break;
    }
    return look_packed(l, a->r, b->r, class);
}

static int claims(struct look *l, const struct packed p[2], enum compare_class class)
{
    static const struct packed_part none = {{0, 0}, PACKED_BODY, true};
    size_t i = 0, k = 0;
    int rc = 0;

    while (rc == 0 && (i < p[0].parts || k < p[1].parts)) {
        const struct packed_part *a = i < p[0].parts ? &p[0].part[i] : &none,
                                 *b = k < p[1].parts ? &p[1].part[k] : &none;

        /* What the other side does not have stands alone; bodies meet bodies. */
        if (a != &none && b != &none && a->kind != b->kind) {
            if (a->kind != PACKED_BODY)
                b = &none;
            else
                a = &none;
        }
        rc = claim(l, a, b, class, p[a == &none].codec);
        i += a != &none;
        k += b != &none;
    }
    return rc;
}

/* --- the pair --- */

static int read_side(void *arg, void *out, size_t n, size_t *got)
{
    struct packed *p = arg;
    size_t at = p->at;
    int rc;

    *got = 0;
    rc = p->why != NULL ? -EBADMSG : p->codec->read(p, out, n, got);
    if (p->seen != NULL)
        (void)atomic_fetch_add(p->seen, p->at - at);
    if (rc == 0 && p->see != NULL && *got > 0)
        p->see(p->see_arg, out, *got);
    return rc;
}

/* Without its last suffix; false: it has none, or the two differ. */
static const char *last_part(const char *name)
{
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;

    return slash != NULL ? slash + 1 : name;
}

static bool inner_name(struct look *l, char out[NAME_MAX_LEN])
{
    const char *a = last_part(look_name(l, 0)), *b = last_part(look_name(l, 1)), *dot;

    if (a == NULL || b == NULL || strcmp(a, b) != 0)
        return false;
    dot = strrchr(a, '.');
    if (dot == NULL || dot == a || strlen(a) >= NAME_MAX_LEN)
        return false;
    (void)snprintf(out, NAME_MAX_LEN, "%.*s%s", (int)(dot - a), a,
                   strcmp(dot, ".tgz") == 0 ? ".tar" : "");
    return true;
}

static int start(struct packed *p, struct span side, size_t at)
{
    p->side = side;
    p->at = at;
    if ((p->codec = codec_of(span_of(side.p + at, side.n - at))) == NULL)
        return -EINVAL; /* is() said otherwise */
    return (p->state = p->codec->open()) == NULL ? -ENOMEM : 0;
}

/* Both sides expanded; in threads of their own where these may be begun and are worth it. */
static int expanded(struct look *l, struct packed p[2], const char *inner,
                    enum compare_class *class, bool *all)
{
    struct look_source from[2] = {{&p[0], read_side}, {&p[1], read_side}};
    struct ahead *ahead[2] = {NULL, NULL};
    _Atomic uint64_t *seen = look_seen(l);
    size_t room = p[0].side.n + p[1].side.n < WORTH_THREADS ? 0 : look_helpers(l, 2);
    struct xz_twins *twins;
    int rc = 0;

    p[0].seen = p[1].seen = seen;
    twins = p[0].codec == &xz_codec && p[1].codec == &xz_codec ? xz_twins_start(p, room) : NULL;
    if (twins != NULL) {
        rc = look_expanded(l, xz_twins_source(twins, 0), xz_twins_source(twins, 1), inner, inner,
                           class, all);
        xz_twins_end(twins);
        goto out;
    }
    for (int side = 0; side < 2 && rc == 0; side++)
        rc = ahead_start(&ahead[side], &from[side], room / 2);
    if (rc == 0)
        rc = look_expanded(l, ahead_source(ahead[0]), ahead_source(ahead[1]), inner, inner, class,
                           all);
    for (int side = 0; side < 2; side++)
        /* a thread may have met damage that the reader, who ended before, has not */
        if (!ahead_end(ahead[side]))
            p[side].why = NULL;
out:
    if (room > 0)
        look_helpers_end(l, 2, room);
    look_seen_back(l, seen);
    return rc;
}

bool packed_is(struct span side)
{
    return codec_of(side) != NULL;
}

int packed_behind(struct look *l, const uint64_t at[2], const char *name, packed_see *see,
                  void *const arg[2], bool *whole)
{
    struct packed p[2];
    enum compare_class class = COMPARE_UNEXPLAINED;
    int rc = 0;

    memset(p, 0, sizeof(p));
    *whole = false;
    for (int side = 0; side < 2 && rc == 0; side++) {
        p[side].see = see;
        p[side].see_arg = arg == NULL ? NULL : arg[side];
        rc = start(&p[side], look_side(l, side), (size_t)at[side]);
    }
    if (rc == 0)
        rc = expanded(l, p, name, &class, whole);
    for (int side = 0; side < 2 && rc == 0; side++)
        if (p[side].why != NULL)
            rc = look_find(l, COMPARE_UNEXPLAINED, "%s is damaged: %s", side == 0 ? "A" : "B",
                           p[side].why);
    if (rc == 0 && *whole)
        rc = claims(l, p, class);
    else if (rc == 0)
        look_cut(l, "its content could not be read to its end");
    for (int side = 0; side < 2; side++) {
        if (p[side].state != NULL)
            p[side].codec->close(p[side].state);
        free(p[side].part);
    }
    return rc;
}

int packed_compare(struct look *l)
{
    static const uint64_t begin[2] = {0, 0};
    char name[NAME_MAX_LEN];
    bool named = inner_name(l, name), whole;

    return packed_behind(l, begin, named ? name : NULL, NULL, NULL, &whole);
}

static bool is_any(struct span side, const char *name)
{
    (void)name;
    return packed_is(side);
}

/* Two of different compressors. */
extern const struct look_format packed_format;
const struct look_format packed_format = {"packed", is_any, packed_compare};
