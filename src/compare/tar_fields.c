/* tar_fields.c - two entries, field by field: what a difference in each would be. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "compare/mode.h"
#include "compare/tar_priv.h"

#define MODE_AT 100u
#define MODE_N 8u
#define SORT_AT 156u

enum kind {
    MODE,
    OWNER, /* by number */
    OWNERS_NAME,
    WHEN,
    PLACE, /* what follows from the content: its size */
    SUM,   /* the checksum: read only where it is right */
    NAME,  /* compared as a whole, with the headers before */
    LINK,
    MAGIC,
    DEVICE, /* a number that is content */
    OTHER
};

static const struct field {
    const char *name;
    uint16_t at, n;
    enum kind kind;
} fields[] = {
    {"name", 0, 100, NAME},
    {"mode", MODE_AT, MODE_N, MODE},
    {"uid", 108, 8, OWNER},
    {"gid", 116, 8, OWNER},
    {"size", 124, 12, PLACE},
    {"mtime", 136, 12, WHEN},
    {"checksum of the header", 148, 8, SUM},
    {"sort", SORT_AT, 1, OTHER},
    {"link", 157, 100, LINK},
    {"magic", 257, 8, MAGIC},
    {"uname", 265, 32, OWNERS_NAME},
    {"gname", 297, 32, OWNERS_NAME},
    {"devmajor", 329, 8, DEVICE},
    {"devminor", 337, 8, DEVICE},
    {"prefix", 345, 155, NAME},
    {"end of the header", 500, 12, OTHER},
};

/* What differences in two headers are. */
struct rules {
    const char *name;  /* of the member */
    const char *where; /* which header of it */
    enum compare_class names, owners;
    bool modes; /* the mode is that of a file: a link's is not looked at by anybody */
};

static int number(struct look *l, const struct field *f, const struct look_held v[2],
                  const struct rules *r)
{
    const char *name = r->name;
    uint64_t x, y;
    bool clean = tar_number(v[0].bytes, &x);

    clean = tar_number(v[1].bytes, &y) && clean;
    if (!clean)
        return look_field_held(l, &v[0], &v[1], COMPARE_UNEXPLAINED, f->name, name,
                               ", which is not a number alone");
    if (x == y || f->kind == PLACE)
        return look_field_held(l, &v[0], &v[1], COMPARE_SAME_CONTENT, f->name, name,
                               ": %" PRIu64 " and %" PRIu64 "%s", x, y,
                               x == y ? ", written otherwise" : "");
    if (f->kind == SUM)
        return look_field_held(l, &v[0], &v[1], COMPARE_DERIVED, f->name, name,
                               ", right on both sides");
    if (f->kind == MODE)
        return look_field_held(l, &v[0], &v[1], r->modes ? mode_class(x, y) : COMPARE_METADATA,
                               f->name, name, ": %04" PRIo64 " and %04" PRIo64, x, y);
    return look_field_held(l, &v[0], &v[1],
                           f->kind == OWNER  ? r->owners
                           : f->kind == WHEN ? COMPARE_METADATA
                                             : COMPARE_UNEXPLAINED,
                           f->name, name, ": %" PRIu64 " and %" PRIu64, x, y);
}

static int text(struct look *l, const struct field *f, const struct look_held v[2],
                const char *name, enum compare_class class)
{
    struct span x, y;
    bool clean = tar_text(v[0].bytes, &x);

    clean = tar_text(v[1].bytes, &y) && clean;
    if (!clean)
        return look_field_held(l, &v[0], &v[1], COMPARE_UNEXPLAINED, f->name, name,
                               ", with bytes behind its end");
    return look_field_held(l, &v[0], &v[1], class, f->name, name, ": \"%.*s\" and \"%.*s\"",
                           (int)x.n, (const char *)x.p, (int)y.n, (const char *)y.p);
}

static bool known_magic(struct span m)
{
    return span_is(m, "ustar  ") || (m.n == 8 && (memcmp(m.p,
                                                         "ustar\0"
                                                         "00",
                                                         8) == 0 ||
                                                  memcmp(m.p, "ustar  \0", 8) == 0));
}

static int field(struct look *l, const struct field *f, const struct look_held v[2],
                 const struct rules *r)
{
    enum compare_class class = COMPARE_UNEXPLAINED;

    switch (f->kind) {
    case MODE:
    case OWNER:
    case WHEN:
    case PLACE:
    case DEVICE:
    case SUM:
        return number(l, f, v, r);
    case OWNERS_NAME:
        return text(l, f, v, r->name, r->owners);
    case NAME:
        return text(l, f, v, r->name, r->names);
    case LINK:
        return text(l, f, v, r->name, COMPARE_SAME_CONTENT); /* where it leads is compared apart */
    case MAGIC:
        if (known_magic(v[0].bytes) && known_magic(v[1].bytes))
            class = COMPARE_SAME_CONTENT;
        break;
    case OTHER:
        break;
    }
    return look_field_held(l, &v[0], &v[1], class, f->name, r->name, "%s", "");
}

static int header(struct look *l, const struct look_held *a, const struct look_held *b,
                  const struct rules *r)
{
    int rc = 0;

    if (look_held_eq(a, b))
        return look_pair_held(l, a, b, COMPARE_UNEXPLAINED, "a header");
    for (size_t i = 0; i < ARRAY_LEN(fields) && rc == 0; i++) {
        struct look_held v[2] = {look_part(a, fields[i].at, fields[i].n),
                                 look_part(b, fields[i].at, fields[i].n)};

        struct field f = fields[i];
        char what[64];

        (void)snprintf(what, sizeof(what), "%s%s", f.name, r->where);
        f.name = what;
        if (look_held_eq(&v[0], &v[1]))
            rc = look_pair_held(l, &v[0], &v[1], COMPARE_UNEXPLAINED, "a field");
        else
            rc = field(l, &f, v, r);
    }
    return rc;
}

/* --- the headers before a header --- */

/* What a difference in such a record would be; owners: what other owners are. */
static enum compare_class record_class(struct span key, enum compare_class owners)
{
    static const char *const metadata[] = {"mtime", "atime", "ctime"};
    static const char *const applied[] = {"path", "linkpath", "size"}; /* compared apart */

    if (tar_owner(key))
        return owners;
    for (size_t i = 0; i < ARRAY_LEN(metadata); i++)
        if (span_is(key, metadata[i]))
            return COMPARE_METADATA;
    for (size_t i = 0; i < ARRAY_LEN(applied); i++)
        if (span_is(key, applied[i]))
            return COMPARE_SAME_CONTENT;
    return COMPARE_UNEXPLAINED;
}

static uint64_t said(const struct tar_extra *x)
{
    uint64_t n = 0;

    (void)tar_number(span_of(x->head.bytes.p + 124, 12), &n);
    return n < x->data.at.n ? n : x->data.at.n;
}

/* What a global header says of owners holds for all that follows, programs that run as them among
 * it. */
static enum compare_class owners_of(const struct tar_extra *x, const struct rules *r)
{
    return x->type == 'g' ? COMPARE_UNEXPLAINED : r->owners;
}

/* The worst that any part of it says. */
static enum compare_class extra_class(const struct tar_extra *x, const struct rules *r)
{
    enum compare_class worst = COMPARE_SAME_CONTENT;
    uint64_t n = said(x);
    struct span rest = span_of(x->data.bytes.p, (size_t)n), all, key, value;

    if (!tar_zero(span_of(x->data.bytes.p + n, x->data.bytes.n - (size_t)n)))
        return COMPARE_UNEXPLAINED;
    if (x->type == 'L' || x->type == 'K')
        return COMPARE_SAME_CONTENT;
    while (tar_record(&rest, &all, &key, &value)) {
        enum compare_class c = record_class(key, owners_of(x, r));

        worst = c > worst ? c : worst;
    }
    return worst;
}

static struct look_held between(const struct tar_extra *x, struct span all)
{
    return look_part(&x->data, (uint64_t)(all.p - x->data.bytes.p), all.n);
}

/* Records of one key in one order; false: they are not. */
static bool records_alike(const struct tar_extra *a, const struct tar_extra *b)
{
    struct span ra = span_of(a->data.bytes.p, (size_t)said(a)),
                rb = span_of(b->data.bytes.p, (size_t)said(b)), all, ka, kb, v;
    bool more_a, more_b;

    for (;;) {
        more_a = tar_record(&ra, &all, &ka, &v);
        more_b = tar_record(&rb, &all, &kb, &v);
        if (!more_a || !more_b)
            return !more_a && !more_b;
        if (!span_eq(ka, kb))
            return false;
    }
}

static int records(struct look *l, const struct tar_extra *a, const struct tar_extra *b,
                   const struct rules *r)
{
    struct span ra = span_of(a->data.bytes.p, (size_t)said(a)),
                rb = span_of(b->data.bytes.p, (size_t)said(b)), all[2], key, v[2];
    struct look_held x, y;
    int rc = 0;

    while (rc == 0 && tar_record(&ra, &all[0], &key, &v[0]) &&
           tar_record(&rb, &all[1], &key, &v[1])) {
        char what[64];

        (void)snprintf(what, sizeof(what), "%.*s", (int)key.n, (const char *)key.p);
        x = between(a, all[0]);
        y = between(b, all[1]);
        rc = look_field_held(l, &x, &y, record_class(key, owners_of(a, r)), what, r->name,
                             ": \"%.*s\" and \"%.*s\"", (int)v[0].n, (const char *)v[0].p,
                             (int)v[1].n, (const char *)v[1].p);
    }
    if (rc != 0)
        return rc;
    x = look_part(&a->data, said(a), a->data.at.n - said(a));
    y = look_part(&b->data, said(b), b->data.at.n - said(b));
    return look_field_held(l, &x, &y,
                           tar_zero(x.bytes) && tar_zero(y.bytes) ? COMPARE_SAME_CONTENT
                                                                  : COMPARE_UNEXPLAINED,
                           "padding of a header", r->name, "%s", "");
}

static int extra_pair(struct look *l, const struct tar_extra *a, const struct tar_extra *b,
                      const struct rules *r)
{
    const struct rules own = {r->name, " in a header before that", COMPARE_METADATA,
                              COMPARE_METADATA, false};
    enum compare_class ca = extra_class(a, r), cb = extra_class(b, r);
    int rc = header(l, &a->head, &b->head, &own); /* its name may hold a process id */

    if (rc != 0)
        return rc;
    if ((a->type == 'x' || a->type == 'g') && records_alike(a, b))
        return records(l, a, b, r);
    return look_field_held(l, &a->data, &b->data, ca > cb ? ca : cb,
                           "content of a header before that", r->name, "%s", "");
}

static int extra_one(struct look *l, const struct tar_extra *x, int side, const struct rules *r)
{
    static const struct look_held none;
    const struct look_held *a = side == 0 ? &x->head : &none, *b = side == 0 ? &none : &x->head;
    const enum compare_class class = extra_class(x, r);
    int rc = look_field_held(l, a, b, class, "header before that", r->name, ", only in %s",
                             side == 0 ? "A" : "B");

    if (rc != 0)
        return rc;
    return look_field_held(l, side == 0 ? &x->data : &none, side == 0 ? &none : &x->data, class,
                           "content of a header before that", r->name, ", only in %s",
                           side == 0 ? "A" : "B");
}

static int extras(struct look *l, const struct tar_entry *a, const struct tar_entry *b,
                  const struct rules *r)
{
    size_t i = 0, k = 0;
    int rc = 0;

    while (rc == 0 && (i < a->extras || k < b->extras)) {
        bool both = i < a->extras && k < b->extras && a->extra[i].type == b->extra[k].type;
        bool left = !both && (k >= b->extras || (i < a->extras && a->extras - i > b->extras - k));

        if (both)
            rc = extra_pair(l, &a->extra[i], &b->extra[k], r);
        else
            rc = left ? extra_one(l, &a->extra[i], 0, r) : extra_one(l, &b->extra[k], 1, r);
        i += both || left;
        k += both || !left;
    }
    return rc;
}

/* --- all of it --- */

static int content(struct look *l, const struct tar_entry *a, const struct tar_entry *b)
{
    int rc = 0;

    if (!look_held_eq(&a->content, &b->content) &&
        (rc = look_tell(l, 0, a->name, a->content.bytes)) == 0)
        rc = look_tell(l, 1, b->name, b->content.bytes);
    if (rc != 0)
        return rc;
    if (a->content_n > 0 || b->content_n > 0)
        return look_member_held(l, &a->content, &b->content, a->name, b->name);
    if (strcmp(a->name, b->name) != 0)
        return look_find(l, COMPARE_METADATA, "\"%s\" is named \"%s\" in B", a->name, b->name);
    return 0;
}

/* What cannot be read may be any mode. */
static enum compare_class owners(const struct tar_entry *a, const struct tar_entry *b)
{
    uint64_t x, y;
    bool clean = tar_number(span_of(a->head.bytes.p + MODE_AT, MODE_N), &x);

    clean = tar_number(span_of(b->head.bytes.p + MODE_AT, MODE_N), &y) && clean;
    return clean ? mode_owner_class(x, y) : COMPARE_UNEXPLAINED;
}

int tar_entry_compare(struct look *l, const struct tar_entry *a, const struct tar_entry *b)
{
    const struct rules r = {
        .name = a->name,
        .where = "",
        .names = strcmp(a->name, b->name) == 0 ? COMPARE_SAME_CONTENT : COMPARE_METADATA,
        .owners = owners(a, b),
        .modes = a->head.bytes.p[SORT_AT] != '2' || b->head.bytes.p[SORT_AT] != '2',
    };
    bool zero = tar_zero(a->padding.bytes) && tar_zero(b->padding.bytes);
    int rc = extras(l, a, b, &r);

    if (rc == 0)
        rc = header(l, &a->head, &b->head, &r);
    if (rc == 0 && strcmp(a->link, b->link) != 0)
        rc = look_find(l, COMPARE_UNEXPLAINED, "the link \"%s\" leads to \"%s\" and to \"%s\"",
                       a->name, a->link, b->link);
    if (rc == 0)
        rc = content(l, a, b);
    if (rc != 0)
        return rc;
    return look_pair_raw(l, &a->padding, &b->padding,
                         zero ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                         "the padding of a member");
}
