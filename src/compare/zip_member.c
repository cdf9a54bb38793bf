/* zip_member.c - two members of a zip, field by field, and their contents. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

#include "compare/mode.h"
#include "compare/zip_priv.h"

#define STORED 0u
#define DEFLATED 8u
#define ENCRYPTED 1u
#define LEVEL_OR_LATER 0x000eu /* how well it was packed, and whether a descriptor follows */
#define UTF8 0x0800u
#define MODE_AT 38u

/* Both, as they are compared. */
struct two {
    struct look *l;
    const struct zip_member *m[2];
    enum compare_class names, owners;
    bool summed;   /* both sums are those of the contents, and the sizes theirs */
    bool followed; /* the contents were compared as contents */
    bool local;    /* it is the header of the member, which agrees with the directory */
};

static struct look_range sub(struct look_range r, uint64_t at, uint64_t n)
{
    return (struct look_range){r.at + at, n};
}

static const uint8_t *bytes(const struct two *t, int side, struct look_range r)
{
    return look_side(t->l, side).p + r.at;
}

/* --- contents --- */

struct inflating {
    struct span packed;
    size_t at;
    z_stream z;
    uint32_t crc;
    uint64_t n;
    bool deflated, ended, damaged;
};

static int read_plain(void *arg, void *p, size_t n, size_t *got)
{
    struct inflating *f = arg;
    size_t in = f->packed.n - f->at < (1u << 30) ? f->packed.n - f->at : 1u << 30;

    n = n < (1u << 30) ? n : 1u << 30;
    *got = 0;
    if (f->deflated && !f->ended) {
        int z;

        f->z.next_in = (uint8_t *)(uintptr_t)(f->packed.p + f->at);
        f->z.avail_in = (uInt)in;
        f->z.next_out = p;
        f->z.avail_out = (uInt)n;
        z = inflate(&f->z, Z_NO_FLUSH);
        f->at += in - f->z.avail_in;
        *got = n - f->z.avail_out;
        f->ended = z == Z_STREAM_END;
        f->damaged = z != Z_OK && z != Z_STREAM_END;
    } else if (!f->deflated) {
        *got = n < in ? n : in;
        memcpy(p, f->packed.p + f->at, *got);
        f->at += *got;
    }
    f->crc = (uint32_t)crc32_z(f->crc, p, *got);
    f->n += *got;
    return f->damaged ? -EBADMSG : 0;
}

static bool can_follow(const struct zip_member *m)
{
    return (m->flags & ENCRYPTED) == 0 && (m->method == STORED || m->method == DEFLATED);
}

static int start(const struct two *t, int side, struct inflating *f)
{
    const struct zip_member *m = t->m[side];

    memset(f, 0, sizeof(*f));
    f->packed = span_of(bytes(t, side, m->data), (size_t)m->data.n);
    f->deflated = m->method == DEFLATED;
    return f->deflated && inflateInit2(&f->z, -15) != Z_OK ? -ENOMEM : 0;
}

static bool right(const struct zip_member *m, const struct inflating *f)
{
    return f->crc == m->crc && f->n == m->plain_n;
}

/* Expands both in step; what a stream leaves of its room is claimed by nobody. */
static int expand(struct two *t, struct inflating f[2])
{
    struct look_source from[2] = {{&f[0], read_plain}, {&f[1], read_plain}};
    const struct zip_member *a = t->m[0], *b = t->m[1];
    enum compare_class class;
    bool all = false;
    int rc = look_expanded(t->l, &from[0], &from[1], a->name, b->name, &class, &all);

    if (rc != 0)
        return rc;
    if (!all) {
        if (f[0].damaged || f[1].damaged)
            rc = look_find(t->l, COMPARE_UNEXPLAINED, "\"%s\" does not expand in %s", a->name,
                           f[0].damaged ? "A" : "B");
        return rc != 0 ? rc
                       : look_pair(t->l, a->data, b->data, COMPARE_UNEXPLAINED,
                                   "the packed content of \"%s\"", a->name);
    }
    t->followed = true;
    t->summed = right(a, &f[0]) && right(b, &f[1]);
    if (!t->summed && (rc = look_find(t->l, COMPARE_UNEXPLAINED,
                                      "the CRC or size of \"%s\" is not that of its content in %s",
                                      a->name, right(a, &f[0]) ? "B" : "A")) != 0)
        return rc;
    if (class > COMPARE_SAME_CONTENT)
        return look_packed(t->l, sub(a->data, 0, f[0].at), sub(b->data, 0, f[1].at), class);
    return look_field(t->l, sub(a->data, 0, f[0].at), sub(b->data, 0, f[1].at),
                      COMPARE_SAME_CONTENT, "content", a->name, ", the same, packed otherwise");
}

static int content(struct two *t)
{
    const struct zip_member *a = t->m[0], *b = t->m[1];
    struct inflating f[2];
    int rc;

    if (a->method == b->method && a->data.n == b->data.n &&
        memcmp(bytes(t, 0, a->data), bytes(t, 1, b->data), (size_t)a->data.n) == 0) {
        /* Equal bytes; two sums of them cannot both be right. */
        t->followed = true;
        return look_pair(t->l, a->data, b->data, COMPARE_UNEXPLAINED, "a content");
    }
    if (!can_follow(a) || !can_follow(b))
        return look_pair(t->l, a->data, b->data, COMPARE_UNEXPLAINED,
                         "the content of \"%s\", which is encrypted or packed in an unknown way",
                         a->name);
    rc = start(t, 0, &f[0]);
    if (rc == 0)
        rc = start(t, 1, &f[1]);
    else
        memset(&f[1], 0, sizeof(f[1]));
    if (rc == 0)
        rc = expand(t, f);
    for (int side = 0; side < 2; side++)
        if (f[side].deflated)
            (void)inflateEnd(&f[side].z);
    return rc;
}

/* --- fields --- */

enum kind {
    SIGN,   /* what tells the record */
    MADE,   /* by which program, on which system */
    FOLLOW, /* follows from the rest of the archive */
    FLAGS,
    METHOD,
    WHEN,
    SUM,
    SIZE,
    TEXTS, /* internal attributes */
    MODE,
    OTHER
};

struct field {
    const char *name;
    uint8_t at, n;
    enum kind kind;
};

static const struct field in_central[] = {
    {"mark", 0, 4, SIGN},
    {"version made by", 4, 2, MADE},
    {"version needed", 6, 2, FOLLOW},
    {"flags", 8, 2, FLAGS},
    {"method", 10, 2, METHOD},
    {"time", 12, 4, WHEN},
    {"CRC", 16, 4, SUM},
    {"packed size", 20, 4, SIZE},
    {"size", 24, 4, SIZE},
    {"lengths", 28, 6, FOLLOW},
    {"disk", 34, 2, OTHER},
    {"internal attributes", 36, 2, TEXTS},
    {"mode", MODE_AT, 4, MODE},
    {"place", 42, 4, FOLLOW},
};

static const struct field in_local[] = {
    {"mark", 0, 4, SIGN},
    {"version needed in the header", 4, 2, FOLLOW},
    {"flags in the header", 6, 2, FLAGS},
    {"method in the header", 8, 2, METHOD},
    {"time in the header", 10, 4, WHEN},
    {"CRC in the header", 14, 4, SUM},
    {"packed size in the header", 18, 4, SIZE},
    {"size in the header", 22, 4, SIZE},
    {"lengths in the header", 26, 4, FOLLOW},
};

static void when(char out[32], uint32_t v)
{
    unsigned date = v >> 16, time = v & 0xffff;

    (void)snprintf(out, 32, "%04u-%02u-%02u %02u:%02u:%02u", 1980 + (date >> 9), date >> 5 & 15,
                   date & 31, time >> 11, time >> 5 & 63, 2 * (time & 31));
}

static bool ascii(const char *s)
{
    for (; *s != '\0'; s++)
        if ((unsigned char)*s >= 0x80)
            return false;
    return true;
}

static enum compare_class flags_class(const struct two *t, unsigned changed)
{
    if ((changed & ~(LEVEL_OR_LATER | UTF8)) != 0)
        return COMPARE_UNEXPLAINED;
    return (changed & UTF8) != 0 && !(ascii(t->m[0]->name) && ascii(t->m[1]->name))
               ? COMPARE_METADATA
               : COMPARE_SAME_CONTENT;
}

static uint32_t mode_of(const struct two *t, int side)
{
    return zip_u32(bytes(t, side, t->m[side]->central) + MODE_AT) >> 16;
}

static bool folder(const char *name)
{
    return name[0] != '\0' && name[strlen(name) - 1] == '/';
}

/* DOS: hidden, system and archive are nothing that anybody may do; "read only" is, and "folder"
 * where the name does not say it. */
static enum compare_class dos_class(const struct two *t, uint32_t changed)
{
    uint32_t mild = 0x26;

    if (folder(t->m[0]->name) && folder(t->m[1]->name))
        mild |= 0x10;
    return (changed & ~mild) != 0 ? COMPARE_UNEXPLAINED : COMPARE_METADATA;
}

static int mode(struct two *t, struct look_range ra, struct look_range rb)
{
    uint32_t x = zip_u32(bytes(t, 0, ra)), y = zip_u32(bytes(t, 1, rb));
    /* A link is content that another sort of member has, and its own mode is nobody's. */
    bool sort = ((x ^ y) >> 16 & S_IFMT) != 0, link = !sort && S_ISLNK(x >> 16);
    enum compare_class class = dos_class(t, (x ^ y) & 0xffff);

    if (sort || (!link && mode_class(x >> 16, y >> 16) == COMPARE_UNEXPLAINED))
        class = COMPARE_UNEXPLAINED;
    return look_pair(
        t->l, ra, rb, class, "the %s of \"%s\": %06o and %06o, and %04x and %04x of DOS",
        sort ? "sort" : "mode", t->m[0]->name, x >> 16, y >> 16, x & 0xffff, y & 0xffff);
}

/* What the mode means depends on the system. */
static enum compare_class made_class(const struct two *t, unsigned x, unsigned y)
{
    return x >> 8 != y >> 8 && (mode_of(t, 0) | mode_of(t, 1)) != 0 ? COMPARE_UNEXPLAINED
                                                                    : COMPARE_METADATA;
}

static int field(struct two *t, const struct field *f, struct look_range ra, struct look_range rb)
{
    const char *name = t->m[0]->name;
    const uint8_t *x = bytes(t, 0, ra), *y = bytes(t, 1, rb);
    enum compare_class class = COMPARE_UNEXPLAINED;
    char a[32], b[32];

    switch (f->kind) {
    case MADE:
    case TEXTS:
        class = f->kind == MADE ? made_class(t, zip_u16(x), zip_u16(y)) : COMPARE_METADATA;
        return look_field(t->l, ra, rb, class, f->name, name, ": %04x and %04x", zip_u16(x),
                          zip_u16(y));
    case FOLLOW:
        class = COMPARE_SAME_CONTENT;
        break;
    case FLAGS:
        class = flags_class(t, zip_u16(x) ^ zip_u16(y));
        break;
    case METHOD:
    case SIZE:
        if (t->followed && (t->local || t->summed || f->kind == METHOD))
            class = COMPARE_SAME_CONTENT;
        break;
    case WHEN:
        when(a, zip_u32(x));
        when(b, zip_u32(y));
        return look_field(t->l, ra, rb, COMPARE_METADATA, f->name, name, ": %s and %s", a, b);
    case SUM:
        if (t->local) /* the same, or left to the descriptor */
            class = COMPARE_DERIVED;
        else if (t->summed)
            return look_field(t->l, ra, rb, COMPARE_DERIVED, "CRC", name, ", right on both sides");
        break;
    case MODE:
        return mode(t, ra, rb);
    case SIGN:
    case OTHER:
        break;
    }
    return look_field(t->l, ra, rb, class, f->name, name, "%s", "");
}

/* The header of a member says what the directory does, or leaves it to the descriptor. */
static bool agrees(const struct two *t, int side)
{
    const struct zip_member *m = t->m[side];
    const uint8_t *h = bytes(t, side, m->local);
    bool later = (m->flags & 8u) != 0;
    uint32_t crc = zip_u32(h + 14), packed = zip_u32(h + 18), plain = zip_u32(h + 22);

    return zip_u16(h + 8) == m->method && m->name_at[0].n == m->name_at[1].n &&
           memcmp(bytes(t, side, m->name_at[0]), bytes(t, side, m->name_at[1]),
                  (size_t)m->name_at[0].n) == 0 &&
           (crc == m->crc || (later && crc == 0)) &&
           (packed == m->packed_n || (later && packed == 0) || packed == UINT32_MAX) &&
           (plain == m->plain_n || (later && plain == 0) || plain == UINT32_MAX);
}

static int fields(struct two *t, const struct field *f, size_t n, struct look_range a,
                  struct look_range b)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = field(t, &f[i], sub(a, f[i].at, f[i].n), sub(b, f[i].at, f[i].n));
    return rc;
}

/* --- extra fields --- */

static enum compare_class extra_class(const struct two *t, unsigned id)
{
    switch (id) {
    case 0x0001: /* large sizes, compared apart */
    case 0xcafe: /* "this is a jar" */
        return COMPARE_SAME_CONTENT;
    case 0x000a: /* NTFS: times */
    case 0x5455: /* times */
        return COMPARE_METADATA;
    case 0x5855: /* Info-ZIP: times, owner */
    case 0x7855: /* Info-ZIP: owner */
    case 0x7875: /* Info-ZIP: owner */
        return t->owners;
    default:
        return COMPARE_UNEXPLAINED;
    }
}

static uint64_t record(const struct two *t, int side, struct look_range r)
{
    uint64_t n = r.n >= 4 ? 4u + zip_u16(bytes(t, side, r) + 2) : 0;

    return n <= r.n ? n : 0;
}

static int extra(struct two *t, struct look_range a, struct look_range b, unsigned id, bool local)
{
    char what[48];

    (void)snprintf(what, sizeof(what), "extra field %04x%s", id, local ? " in the header" : "");
    return look_field(t->l, a, b, extra_class(t, id), what, t->m[0]->name, "%s",
                      a.n == 0   ? ", which only B has"
                      : b.n == 0 ? ", which only A has"
                                 : "");
}

/* In step, while they are of one sort; the rest as a whole. */
static int extras(struct two *t, struct look_range a, struct look_range b, bool local)
{
    uint64_t x, y;
    int rc = 0;

    while (rc == 0 && (x = record(t, 0, a)) > 0 && (y = record(t, 1, b)) > 0) {
        unsigned id = zip_u16(bytes(t, 0, a)), other = zip_u16(bytes(t, 1, b));

        if (id != other) { /* one that only one side has */
            bool left = a.n >= b.n;

            x = left ? x : 0;
            y = left ? 0 : y;
            id = left ? id : other;
        }
        rc = extra(t, sub(a, 0, x), sub(b, 0, y), id, local);
        a = (struct look_range){a.at + x, a.n - x};
        b = (struct look_range){b.at + y, b.n - y};
    }
    if (rc == 0 && (a.n == 0 || b.n == 0))
        for (int side = 0; rc == 0 && side < 2; side++) {
            struct look_range *r = side == 0 ? &a : &b, none = {0, 0};

            while (rc == 0 && (x = record(t, side, *r)) > 0) {
                rc = extra(t, side == 0 ? sub(*r, 0, x) : none, side == 1 ? sub(*r, 0, x) : none,
                           zip_u16(bytes(t, side, *r)), local);
                *r = (struct look_range){r->at + x, r->n - x};
            }
        }
    return rc != 0 ? rc
                   : look_pair(t->l, a, b, COMPARE_UNEXPLAINED, "the extra fields of \"%s\"",
                               t->m[0]->name);
}

/* --- all of it --- */

static int header(struct two *t, bool local)
{
    const struct zip_member *a = t->m[0], *b = t->m[1];
    int rc;

    if (local && !(agrees(t, 0) && agrees(t, 1))) {
        if ((rc = look_pair(t->l, a->local, b->local, COMPARE_UNEXPLAINED,
                            "the header of \"%s\", which is not as the directory has it",
                            a->name)) == 0)
            rc = look_pair(t->l, a->name_at[1], b->name_at[1], COMPARE_UNEXPLAINED,
                           "the name in the header of \"%s\"", a->name);
    } else {
        t->local = local;
        rc = local ? fields(t, in_local, ARRAY_LEN(in_local), a->local, b->local)
                   : fields(t, in_central, ARRAY_LEN(in_central), a->central, b->central);
        if (rc == 0)
            rc = look_pair(t->l, a->name_at[local], b->name_at[local], t->names,
                           "the name \"%s\" is \"%s\" in B", a->name, b->name);
    }
    return rc != 0 ? rc : extras(t, a->extra[local], b->extra[local], local);
}

int zip_member_compare(struct look *l, const struct zip_member *a, const struct zip_member *b)
{
    struct two t = {.l = l, .m = {a, b}, .names = COMPARE_METADATA};
    int rc = content(&t);

    t.owners = mode_owner_class(mode_of(&t, 0), mode_of(&t, 1));

    if (rc == 0)
        rc = header(&t, false);
    if (rc == 0)
        rc = header(&t, true);
    if (rc == 0)
        rc = look_pair(l, a->comment, b->comment, COMPARE_UNEXPLAINED, "the comment of \"%s\"",
                       a->name);
    if (rc == 0)
        rc = look_field(l, a->descriptor, b->descriptor,
                        a->descriptor.n != b->descriptor.n ? COMPARE_SAME_CONTENT
                        : t.summed                         ? COMPARE_DERIVED
                                                           : COMPARE_UNEXPLAINED,
                        "descriptor", a->name, "%s", "");
    return rc;
}

int zip_member_alone(struct look *l, int side, const struct zip_member *m)
{
    const struct look_range none = {0, 0},
                            record = {m->central.at, m->comment.at + m->comment.n - m->central.at},
                            all = {m->local.at,
                                   m->data.at + m->data.n + m->descriptor.n - m->local.at};
    int rc = look_only(l, side, all, m->name);

    return rc != 0
               ? rc
               : look_pair(l, side == 0 ? record : none, side == 1 ? record : none,
                           COMPARE_UNEXPLAINED, "the record of \"%s\" in the directory", m->name);
}
