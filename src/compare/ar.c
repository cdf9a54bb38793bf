/* ar.c - the common ar format with GNU's and BSD's long names: static libraries, and packages of
 * Debian, which are ar and go on in deb.c. */
#include "compare/ar_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compare/mode.h"
#include "compare/pairing.h"

#define MAGIC 8u
#define HEADER 60u

static const struct field {
    const char *name;
    uint8_t at, n, base; /* base 0: text */
} fields[] = {{"mtime", 16, 12, 10}, {"uid", 28, 6, 10}, {"gid", 34, 6, 10}, {"mode", 40, 8, 8}};

bool ar_is(struct span s, const char *name)
{
    (void)name;
    return s.n >= MAGIC && memcmp(s.p, "!<arch>\n", MAGIC) == 0;
}

/* Digits, then blanks; an empty field is 0. */
bool ar_number(struct span f, unsigned base, uint64_t *v)
{
    size_t i = 0;

    *v = 0;
    for (; i < f.n && f.p[i] >= '0' && f.p[i] < '0' + base; i++)
        *v = *v * base + (uint64_t)(f.p[i] - '0');
    for (; i < f.n; i++)
        if (f.p[i] != ' ')
            return false;
    return true;
}

static char *text(const uint8_t *p, size_t n)
{
    return memchr(p, 0, n) == NULL ? strndup((const char *)p, n) : strdup("?");
}

/* GNU: "name/", "/" the symbols, "//" the long names, "/123" one of them; BSD: "#1/20", the name
 * before the content.  NULL: no memory, or *bad. */
static char *name_of(struct span side, struct ar_member *m, struct span table, bool *bad)
{
    const char *h = (const char *)side.p + m->header.at;
    uint64_t v;
    size_t n = 16;

    while (n > 0 && h[n - 1] == ' ')
        n--;
    if (h[0] == '/' && n > 1 && h[1] >= '0' && h[1] <= '9') {
        const uint8_t *end;

        if (!ar_number(span_of(h + 1, 15), 10, &v) || v >= table.n ||
            (end = memchr(table.p + v, '\n', table.n - (size_t)v)) == NULL) {
            *bad = true;
            return NULL;
        }
        n = (size_t)(end - (table.p + v));
        return text(table.p + v, n > 0 && table.p[v + n - 1] == '/' ? n - 1 : n);
    }
    if (n > 3 && memcmp(h, "#1/", 3) == 0) {
        if (!ar_number(span_of(h + 3, 13), 10, &v) || v > m->content.n) {
            *bad = true;
            return NULL;
        }
        m->header.n += v;
        m->content.at += v;
        m->content.n -= v;
        n = strnlen((const char *)side.p + m->content.at - v, (size_t)v);
        return text(side.p + m->content.at - v, n);
    }
    return text((const uint8_t *)h, n > 1 && h[n - 1] == '/' && h[0] != '/' ? n - 1 : n);
}

static int add(struct ar_side *a, const struct ar_member *m)
{
    if (a->n == a->room) {
        size_t room = a->room == 0 ? 16 : 2 * a->room;
        struct ar_member *more = reallocarray(a->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        a->v = more;
        a->room = room;
    }
    a->v[a->n++] = *m;
    return 0;
}

/* One member at *at.  1: read; 0: the end; -EBADMSG. */
static int read_member(struct span side, uint64_t *at, struct span *table, struct ar_member *m)
{
    const uint8_t *h = side.p + *at;
    uint64_t size;
    bool bad = false;

    memset(m, 0, sizeof(*m));
    if (side.n - *at < HEADER || h[58] != '`' || h[59] != '\n' ||
        !ar_number(span_of(h + 48, 10), 10, &size) || size > side.n - *at - HEADER)
        return side.n == *at ? 0 : -EBADMSG;
    m->header = (struct look_range){*at, HEADER};
    m->content = (struct look_range){*at + HEADER, size};
    *at += HEADER + size;
    if (size % 2 != 0 && *at < side.n)
        m->padding = (struct look_range){(*at)++, 1};
    if (h[0] == '/' && h[1] == '/' && table->p == NULL)
        *table = span_of(side.p + m->content.at, (size_t)size);
    m->name = name_of(side, m, *table, &bad);
    if (m->name == NULL)
        return bad ? -EBADMSG : -ENOMEM;
    return 1;
}

static int read_side(struct look *l, int side, struct ar_side *a)
{
    struct span s = look_side(l, side), table = {NULL, 0};
    uint64_t at = MAGIC;
    struct ar_member m;
    int rc;

    while ((rc = read_member(s, &at, &table, &m)) == 1) {
        if (!look_may(l) || !look_charge(l, sizeof(m) + strlen(m.name))) {
            free(m.name);
            return 0;
        }
        a->charged += sizeof(m) + strlen(m.name);
        if ((rc = add(a, &m)) != 0) {
            free(m.name);
            return rc;
        }
    }
    if (rc == -EBADMSG)
        look_cut(l, "what stands there is no header of a member");
    return rc == -EBADMSG ? 0 : rc;
}

/* --- two members --- */

static struct look_range sub(struct look_range r, uint64_t at, uint64_t n)
{
    return (struct look_range){r.at + at, n};
}

static struct span bytes(const struct look *l, int side, struct look_range r)
{
    return span_of(look_side(l, side).p + r.at, (size_t)r.n);
}

static uint64_t mode_of(const struct look *l, int side, const struct ar_member *m)
{
    uint64_t v;

    (void)!ar_number(bytes(l, side, sub(m->header, 40, 8)), 8, &v); /* else the field says so */
    return v;
}

/* The sort may be there or left out, but not be another. */
static enum compare_class field_class(const struct look *l, const struct field *f,
                                      const struct ar_member *a, const struct ar_member *b)
{
    const uint64_t x = mode_of(l, 0, a), y = mode_of(l, 1, b);

    if (f->base == 8)
        return (x & S_IFMT) != 0 && (y & S_IFMT) != 0 && ((x ^ y) & S_IFMT) != 0
                   ? COMPARE_UNEXPLAINED
                   : mode_class(x, y);
    return f->name[0] == 'm' ? COMPARE_METADATA : mode_owner_class(x, y);
}

static int field(struct look *l, const struct field *f, const struct ar_member *a,
                 const struct ar_member *b)
{
    struct look_range ra = sub(a->header, f->at, f->n), rb = sub(b->header, f->at, f->n);
    const enum compare_class class = field_class(l, f, a, b);
    uint64_t x, y;

    if (!ar_number(bytes(l, 0, ra), f->base, &x) || !ar_number(bytes(l, 1, rb), f->base, &y))
        return look_field(l, ra, rb, COMPARE_UNEXPLAINED, f->name, a->name,
                          ", which is not a number alone");
    if (x == y)
        return look_field(l, ra, rb, COMPARE_SAME_CONTENT, f->name, a->name, ", written otherwise");
    return f->base == 8
               ? look_field(l, ra, rb, class, f->name, a->name, ": %04" PRIo64 " and %04" PRIo64, x,
                            y)
               : look_field(l, ra, rb, class, f->name, a->name, ": %" PRIu64 " and %" PRIu64, x, y);
}

static int names(struct look *l, const struct ar_member *a, const struct ar_member *b,
                 enum compare_class renamed)
{
    /* A long name is an offset into the table of names, or follows the header. */
    enum compare_class class = strcmp(a->name, b->name) == 0 ? COMPARE_SAME_CONTENT : renamed;
    struct look_range ra = {a->header.at + HEADER, a->header.n - HEADER},
                      rb = {b->header.at + HEADER, b->header.n - HEADER};
    int rc = strcmp(a->name, b->name) == 0
                 ? look_field(l, sub(a->header, 0, 16), sub(b->header, 0, 16), class, "name",
                              a->name, ", written otherwise")
                 : look_field(l, sub(a->header, 0, 16), sub(b->header, 0, 16), class, "name",
                              a->name, ": it is \"%s\" in B", b->name);

    /* Behind a NUL of such a name there may be anything. */
    return rc != 0 ? rc
                   : look_pair(l, ra, rb, COMPARE_UNEXPLAINED, "the long name of \"%s\"", a->name);
}

int ar_frame(struct look *l, const struct ar_member *a, const struct ar_member *b,
             enum compare_class renamed)
{
    int rc = names(l, a, b, renamed);

    for (size_t i = 0; i < ARRAY_LEN(fields) && rc == 0; i++)
        rc = field(l, &fields[i], a, b);
    if (rc == 0)
        rc = look_field(l, sub(a->header, 48, 10), sub(b->header, 48, 10), COMPARE_SAME_CONTENT,
                        "size", a->name, "%s", "");
    if (rc == 0)
        rc = look_pair(l, sub(a->header, 58, 2), sub(b->header, 58, 2), COMPARE_UNEXPLAINED,
                       "the end of a header");
    if (rc == 0)
        rc = look_pair(l, a->padding, b->padding,
                       a->padding.n != b->padding.n &&
                               (a->padding.n == 0 || look_side(l, 0).p[a->padding.at] == '\n') &&
                               (b->padding.n == 0 || look_side(l, 1).p[b->padding.at] == '\n')
                           ? COMPARE_SAME_CONTENT
                           : COMPARE_UNEXPLAINED,
                       "the padding of \"%s\"", a->name);
    return rc;
}

static int member(struct look *l, const struct ar_side side[2], const struct pairing_item *mates,
                  const struct ar_member *a, const struct ar_member *b)
{
    int rc = ar_frame(l, a, b, COMPARE_METADATA);

    if (rc != 0)
        return rc;
    if (ar_is_symbols(a) && strcmp(a->name, b->name) == 0)
        return ar_symbols(l, side, mates, a, b);
    if (ar_is_names(a) && ar_is_names(b))
        return ar_names(l, side, a, b);
    return look_member(l, a->content, b->content, a->name, b->name);
}

static int alone(struct look *l, int side, const struct ar_member *m)
{
    return look_only(l, side,
                     (struct look_range){m->header.at, m->header.n + m->content.n + m->padding.n},
                     m->name);
}

/* --- all of them --- */

static int pair_up(struct look *l, struct ar_side a[2], struct pairing_item *it[2])
{
    struct look_held *held[2] = {NULL, NULL};
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++) {
        it[side] = calloc(a[side].n + 1, sizeof(**it));
        held[side] = calloc(a[side].n + 1, sizeof(**held));
        if (it[side] == NULL || held[side] == NULL)
            rc = -ENOMEM;
        for (size_t i = 0; rc == 0 && i < a[side].n; i++) {
            held[side][i].at = a[side].v[i].content;
            held[side][i].bytes = bytes(l, side, a[side].v[i].content);
            it[side][i] = (struct pairing_item){a[side].v[i].name, &held[side][i], PAIRING_NONE};
        }
    }
    if (rc == 0)
        rc = pairing_by_name(it[0], a[0].n, it[1], a[1].n);
    if (rc == 0)
        rc = pairing_by_content(it[0], a[0].n, it[1], a[1].n);
    free(held[0]);
    free(held[1]);
    return rc;
}

int ar_members(struct look *l, struct ar_side a[2])
{
    struct pairing_item *it[2] = {NULL, NULL};
    int rc = pair_up(l, a, it);

    for (size_t i = 0; rc == 0 && i < a[0].n; i++)
        rc = it[0][i].mate == PAIRING_NONE
                 ? alone(l, 0, &a[0].v[i])
                 : member(l, a, it[0], &a[0].v[i], &a[1].v[it[0][i].mate]);
    for (size_t i = 0; rc == 0 && i < a[1].n; i++)
        if (it[1][i].mate == PAIRING_NONE)
            rc = alone(l, 1, &a[1].v[i]);
    if (rc == 0 && !pairing_ordered(it[0], a[0].n))
        rc = look_find(l, COMPARE_SAME_CONTENT, "its members come in another order");
    free(it[0]);
    free(it[1]);
    return rc;
}

int ar_read(struct look *l, struct ar_side a[2])
{
    const struct look_range magic = {0, MAGIC};
    int rc;

    memset(a, 0, 2 * sizeof(*a));
    rc = look_pair(l, magic, magic, COMPARE_UNEXPLAINED, "the magic");
    for (int side = 0; side < 2 && rc == 0; side++)
        rc = read_side(l, side, &a[side]);
    return rc;
}

void ar_free(struct look *l, struct ar_side a[2])
{
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < a[side].n; i++)
            free(a[side].v[i].name);
        free(a[side].v);
        look_discharge(l, a[side].charged);
    }
}

static int compare(struct look *l)
{
    struct ar_side a[2];
    int rc = ar_read(l, a);

    if (rc == 0)
        rc = ar_members(l, a);
    ar_free(l, a);
    return rc;
}

extern const struct look_format ar_format;
const struct look_format ar_format = {"ar", ar_is, compare};
