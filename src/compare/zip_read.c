/* zip_read.c - where the members of a zip are. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/zip_priv.h"

#define COMMENT_MAX 65535u

uint16_t zip_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t zip_u32(const uint8_t *p)
{
    return zip_u16(p) | (uint32_t)zip_u16(p + 2) << 16;
}

uint64_t zip_u64(const uint8_t *p)
{
    return zip_u32(p) | (uint64_t)zip_u32(p + 4) << 32;
}

static bool sig(struct span s, uint64_t at, const char *two)
{
    return s.n >= 4 && at <= s.n - 4 && memcmp(s.p + at, "PK", 2) == 0 &&
           memcmp(s.p + at + 2, two, 2) == 0;
}

static bool inside(struct span s, uint64_t at, uint64_t n)
{
    return at <= s.n && n <= s.n - at;
}

/* The last record of the end that fits, as readers search it. */
static bool find_end(struct span s, struct zip_side *z)
{
    uint64_t least = s.n > ZIP_END + COMMENT_MAX ? s.n - ZIP_END - COMMENT_MAX : 0;

    for (uint64_t at = s.n < ZIP_END ? 0 : s.n - ZIP_END + 1; at-- > least;)
        if (sig(s, at, "\5\6") && inside(s, at + ZIP_END, zip_u16(s.p + at + 20))) {
            z->end = (struct look_range){at, ZIP_END};
            z->comment = (struct look_range){at + ZIP_END, zip_u16(s.p + at + 20)};
            return true;
        }
    return false;
}

struct directory {
    uint64_t at, n, count, base; /* base: bytes in front of the archive */
};

static const char *find_directory(struct span s, struct zip_side *z, struct directory *d)
{
    const uint8_t *end = s.p + z->end.at;
    uint64_t behind = z->end.at, at;

    *d = (struct directory){zip_u32(end + 16), zip_u32(end + 12), zip_u16(end + 10), 0};
    if (z->end.at >= 20 && sig(s, z->end.at - 20, "\6\7")) {
        z->locator = (struct look_range){z->end.at - 20, 20};
        at = zip_u64(s.p + z->locator.at + 8);
        if (!inside(s, at, 56) || !sig(s, at, "\6\6") || zip_u64(s.p + at + 4) != 44 ||
            at + 56 != z->locator.at)
            return "the end of a large archive is none";
        z->end64 = (struct look_range){at, 56};
        d->count = zip_u64(s.p + at + 32);
        d->n = zip_u64(s.p + at + 40);
        d->at = zip_u64(s.p + at + 48);
        behind = at;
    }
    if (d->n > behind || d->at > behind - d->n)
        return "the directory is not in the archive";
    d->base = behind - d->n - d->at;
    d->at += d->base;
    return NULL;
}

/* The sizes and place that do not fit into 32 bits, in their order. */
static bool large(struct span s, struct look_range extra, struct zip_member *m, uint64_t *place)
{
    uint64_t at = extra.at, left = extra.n;

    while (left >= 4) {
        uint64_t n = zip_u16(s.p + at + 2);

        if (n > left - 4)
            return false;
        if (zip_u16(s.p + at) == 1) {
            uint64_t *const want[] = {&m->plain_n, &m->packed_n, place};
            uint64_t i = at + 4, end = at + 4 + n;

            for (size_t k = 0; k < ARRAY_LEN(want); k++)
                if (*want[k] == UINT32_MAX) {
                    if (end - i < 8)
                        return false;
                    *want[k] = zip_u64(s.p + i);
                    i += 8;
                }
            return true;
        }
        at += 4 + n;
        left -= 4 + n;
    }
    return true;
}

static const char *local(struct span s, uint64_t at, struct zip_member *m)
{
    const uint8_t *h = s.p + at;
    uint64_t d;

    if (!inside(s, at, ZIP_LOCAL) || !sig(s, at, "\3\4"))
        return "a member is not where the directory has it";
    m->local = (struct look_range){at, ZIP_LOCAL};
    m->name_at[1] = (struct look_range){at + ZIP_LOCAL, zip_u16(h + 26)};
    m->extra[1] = (struct look_range){m->name_at[1].at + m->name_at[1].n, zip_u16(h + 28)};
    m->data = (struct look_range){m->extra[1].at + m->extra[1].n, m->packed_n};
    if (!inside(s, m->data.at, m->data.n))
        return "a member goes beyond the archive";
    if ((m->flags & 8u) == 0)
        return NULL;
    /* What the sizes were not known for when the header was written: with a mark, or without. */
    d = m->data.at + m->data.n;
    m->descriptor.at = d;
    for (unsigned wide = 4; wide <= 8; wide += 4)
        for (unsigned mark = 0; mark <= 4; mark += 4) {
            uint64_t n = mark + 4u + 2u * wide;
            const uint8_t *p = s.p + d + mark;

            if (inside(s, d, n) && (mark == 0 || sig(s, d, "\7\10")) && zip_u32(p) == m->crc &&
                (wide == 4 ? zip_u32(p + 4) == m->packed_n && zip_u32(p + 8) == m->plain_n
                           : zip_u64(p + 4) == m->packed_n && zip_u64(p + 12) == m->plain_n))
                m->descriptor.n = n;
        }
    return NULL;
}

/* The member whose record is at at.  NULL, or why not. */
static const char *central(struct span s, uint64_t at, uint64_t end, uint64_t base,
                           struct zip_member *m)
{
    const uint8_t *h = s.p + at;
    uint64_t place;

    memset(m, 0, sizeof(*m));
    if (end - at < ZIP_CENTRAL || !sig(s, at, "\1\2"))
        return "a record of the directory is none";
    m->central = (struct look_range){at, ZIP_CENTRAL};
    m->flags = zip_u16(h + 8);
    m->method = zip_u16(h + 10);
    m->crc = zip_u32(h + 16);
    m->packed_n = zip_u32(h + 20);
    m->plain_n = zip_u32(h + 24);
    m->name_at[0] = (struct look_range){at + ZIP_CENTRAL, zip_u16(h + 28)};
    m->extra[0] = (struct look_range){m->name_at[0].at + m->name_at[0].n, zip_u16(h + 30)};
    m->comment = (struct look_range){m->extra[0].at + m->extra[0].n, zip_u16(h + 32)};
    place = zip_u32(h + 42);
    if (m->comment.at + m->comment.n > end)
        return "a record of the directory goes beyond it";
    if (!large(s, m->extra[0], m, &place) || place > s.n)
        return "a member is nowhere";
    if (memchr(s.p + m->name_at[0].at, 0, m->name_at[0].n) != NULL)
        return "a name with an end inside";
    return local(s, base + place, m);
}

static int add(struct look *l, struct zip_side *z, struct zip_member *m, struct span name)
{
    uint64_t cost = sizeof(*m) + name.n;

    if (!look_may(l) || !look_charge(l, cost))
        return -E2BIG;
    z->charged += cost;
    if (z->n == z->room) {
        size_t room = z->room == 0 ? 16 : 2 * z->room;
        struct zip_member *more = reallocarray(z->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        z->v = more;
        z->room = room;
    }
    if ((m->name = strndup((const char *)name.p, name.n)) == NULL)
        return -ENOMEM;
    z->v[z->n++] = *m;
    return 0;
}

static int by_place(const void *x, const void *y)
{
    const struct look_range *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at;
}

/* Members in one another would be expanded many times, and mean what the reader likes. */
static int apart(const struct zip_side *z, uint64_t directory, const char **why)
{
    struct look_range *r = calloc(z->n + 1, sizeof(*r));

    if (r == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < z->n; i++) {
        const struct zip_member *m = &z->v[i];

        r[i] = (struct look_range){m->local.at,
                                   m->data.at + m->data.n + m->descriptor.n - m->local.at};
    }
    if (z->n > 0)
        qsort(r, z->n, sizeof(*r), by_place);
    r[z->n].at = directory;
    for (size_t i = 0; i < z->n; i++)
        if (r[i].at + r[i].n > r[i + 1].at)
            *why = "members lie in one another";
    free(r);
    return *why == NULL ? 0 : -EBADMSG;
}

int zip_read(struct look *l, int side, struct zip_side *z, const char **why)
{
    struct span s = look_side(l, side);
    struct zip_member m;
    struct directory d;
    uint64_t at;
    int rc;

    *why = NULL;
    if (!find_end(s, z))
        *why = "it has no end";
    else
        *why = find_directory(s, z, &d);
    if (*why != NULL)
        return -EBADMSG;
    for (at = d.at; at < d.at + d.n; at = m.comment.at + m.comment.n) {
        if ((*why = central(s, at, d.at + d.n, d.base, &m)) != NULL)
            return -EBADMSG;
        rc = add(l, z, &m, span_of(s.p + m.name_at[0].at, (size_t)m.name_at[0].n));
        if (rc != 0) {
            *why = "too many members";
            return rc == -E2BIG ? -EBADMSG : rc;
        }
    }
    z->counted = z->n == d.count;
    return apart(z, d.at, why);
}

void zip_free(struct look *l, struct zip_side *z)
{
    for (size_t i = 0; i < z->n; i++)
        free(z->v[i].name);
    free(z->v);
    look_discharge(l, z->charged);
    memset(z, 0, sizeof(*z));
}
