/* ar_table.c - what a static library says of its own members: the table of symbols (GNU's, of 32
 * and 64 bits) and the table of long names.  Where it stands follows from the members; that it
 * leads to the same of them is looked at, whether its bytes differ or not. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compare/ar_priv.h"

#define NOWHERE SIZE_MAX

struct symbol {
    const char *name;
    struct look_range name_at, offset_at; /* of the side */
    uint64_t offset;
    size_t member, i; /* where it leads, by index; its own place */
};

struct symbols {
    struct symbol *v;
    size_t n;
    struct look_range count, offsets, names, rest;
};

static struct span bytes(const struct look *l, int side, struct look_range r)
{
    return span_of(look_side(l, side).p + r.at, (size_t)r.n);
}

static uint64_t big(const uint8_t *p, unsigned width)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < width; i++)
        v = v << 8 | p[i];
    return v;
}

static bool zero(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != 0)
            return false;
    return true;
}

/* The member whose header stands there; they are in the order of their places. */
static size_t member_at(const struct ar_side *a, uint64_t offset)
{
    size_t lo = 0, hi = a->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (a->v[mid].header.at < offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < a->n && a->v[lo].header.at == offset ? lo : NOWHERE;
}

/* --- symbols --- */

static unsigned width_of(const char *name)
{
    return strcmp(name, "/") == 0                                        ? 4
           : strcmp(name, "/SYM64/") == 0 || strcmp(name, "/SYM64") == 0 ? 8
                                                                         : 0;
}

bool ar_is_symbols(const struct ar_member *m)
{
    return width_of(m->name) != 0;
}

/* How many; false: it is no such table, or there is no room for it. */
static bool measure(struct look *l, int side, const struct ar_member *m, struct symbols *s)
{
    const unsigned width = width_of(m->name);
    struct span b = bytes(l, side, m->content);
    uint64_t n;

    if (b.n < width)
        return false;
    n = big(b.p, width);
    if (n > (b.n - width) / (width + 1)) /* each has a name, with its end */
        return false;
    s->count = (struct look_range){m->content.at, width};
    s->offsets = (struct look_range){m->content.at + width, n * width};
    s->names = (struct look_range){s->offsets.at + s->offsets.n, b.n - width - n * width};
    s->n = (size_t)n;
    return look_charge(l, n * sizeof(struct symbol));
}

/* Fills in each; false: a name has no end. */
static bool fill(struct look *l, int side, const struct ar_side *a, unsigned width,
                 struct symbols *s)
{
    const uint8_t *p = look_side(l, side).p;
    uint64_t at = s->names.at, end = s->names.at + s->names.n;

    for (size_t i = 0; i < s->n; i++) {
        const uint8_t *stop = at < end ? memchr(p + at, 0, (size_t)(end - at)) : NULL;
        struct symbol *y = &s->v[i];

        if (stop == NULL)
            return false;
        y->name = (const char *)p + at;
        y->name_at = (struct look_range){at, (uint64_t)(stop - p) + 1 - at};
        y->offset_at = (struct look_range){s->offsets.at + i * width, width};
        y->offset = big(p + y->offset_at.at, width);
        y->member = member_at(a, y->offset);
        y->i = i;
        at += y->name_at.n;
    }
    s->rest = (struct look_range){at, end - at};
    s->names.n = at - s->names.at;
    return true;
}

static int by_name(const void *x, const void *y)
{
    const struct symbol *a = x, *b = y;
    int d = strcmp(a->name, b->name);

    return d != 0 ? d : a->i < b->i ? -1 : a->i > b->i;
}

static void let_go(struct look *l, struct symbols *s)
{
    if (s->v != NULL)
        look_discharge(l, s->n * sizeof(*s->v));
    free(s->v);
    s->v = NULL;
}

/* 1: read; 0: it is none, and nothing is held. */
static int read_symbols(struct look *l, int side, const struct ar_side *a,
                        const struct ar_member *m, struct symbols *s)
{
    memset(s, 0, sizeof(*s));
    if (!measure(l, side, m, s))
        return 0;
    if ((s->v = calloc(s->n + 1, sizeof(*s->v))) == NULL) {
        look_discharge(l, s->n * sizeof(*s->v));
        return -ENOMEM;
    }
    if (!fill(l, side, a, width_of(m->name), s)) {
        let_go(l, s);
        return 0;
    }
    qsort(s->v, s->n, sizeof(*s->v), by_name);
    return 1;
}

static const char *leads_to(const struct ar_side *a, const struct symbol *y)
{
    return y->member == NOWHERE ? "nothing" : a->v[y->member].name;
}

static int only(struct look *l, int side, const struct ar_side *a, const struct symbol *y)
{
    const struct look_range none = {0, 0}, *n = &y->name_at, *o = &y->offset_at;
    int rc = look_pair(l, side == 0 ? *n : none, side == 1 ? *n : none, COMPARE_UNEXPLAINED,
                       "the symbol \"%s\", which leads to \"%s\", is only in %s", y->name,
                       leads_to(a, y), side == 0 ? "A" : "B");

    return rc != 0
               ? rc
               : look_quiet(l, side == 0 ? *o : none, side == 1 ? *o : none, COMPARE_UNEXPLAINED);
}

/* The k-th of a name with the k-th of that name: the first is the one a linker takes. */
static int both(struct look *l, const struct ar_side a[2], const struct pairing_item *mates,
                const struct symbol *x, const struct symbol *y)
{
    bool same = x->member == NOWHERE ? y->member == NOWHERE && x->offset == y->offset
                                     : y->member != NOWHERE && mates[x->member].mate == y->member;
    int rc;

    if (same)
        return 0;
    if ((rc = look_quiet(l, x->offset_at, y->offset_at, COMPARE_UNEXPLAINED)) != 0)
        return rc;
    return look_find(l, COMPARE_UNEXPLAINED, "the symbol \"%s\" leads to \"%s\" and to \"%s\"",
                     x->name, leads_to(&a[0], x), leads_to(&a[1], y));
}

static int each(struct look *l, const struct ar_side a[2], const struct pairing_item *mates,
                const struct symbols s[2])
{
    size_t i = 0, k = 0;
    int rc = 0;

    while (rc == 0 && (i < s[0].n || k < s[1].n)) {
        int d = i == s[0].n ? 1 : k == s[1].n ? -1 : strcmp(s[0].v[i].name, s[1].v[k].name);

        rc = d < 0   ? only(l, 0, &a[0], &s[0].v[i])
             : d > 0 ? only(l, 1, &a[1], &s[1].v[k])
                     : both(l, a, mates, &s[0].v[i], &s[1].v[k]);
        i += d <= 0;
        k += d >= 0;
    }
    return rc;
}

/* What remains when each symbol has been looked at: it follows from where the members are. */
static int table(struct look *l, const struct symbols s[2])
{
    bool pad = zero(bytes(l, 0, s[0].rest)) && zero(bytes(l, 1, s[1].rest));
    int rc = look_pair(l, s[0].count, s[1].count, COMPARE_UNEXPLAINED, "the number of symbols");

    if (rc == 0)
        rc = look_pair(l, s[0].offsets, s[1].offsets, COMPARE_DERIVED,
                       "where the members are of which the table of symbols tells");
    if (rc == 0)
        rc = look_pair(l, s[0].names, s[1].names, COMPARE_DERIVED,
                       "the names of the table of symbols");
    return rc != 0 ? rc
                   : look_pair(l, s[0].rest, s[1].rest,
                               pad ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                               "bytes behind the table of symbols");
}

int ar_symbols(struct look *l, const struct ar_side a[2], const struct pairing_item *mates,
               const struct ar_member *x, const struct ar_member *y)
{
    struct symbols s[2];
    int got[2] = {0, 0}, rc;

    memset(s, 0, sizeof(s));
    if ((got[0] = read_symbols(l, 0, &a[0], x, &s[0])) == 1)
        got[1] = read_symbols(l, 1, &a[1], y, &s[1]);
    if (got[0] < 0 || got[1] < 0)
        rc = -ENOMEM;
    else if (got[0] == 1 && got[1] == 1)
        rc = (rc = each(l, a, mates, s)) != 0 ? rc : table(l, s);
    else
        rc = look_member(l, x->content, y->content, x->name, y->name);
    let_go(l, &s[1]);
    let_go(l, &s[0]);
    return rc;
}

/* --- long names --- */

bool ar_is_names(const struct ar_member *m)
{
    return strcmp(m->name, "//") == 0;
}

static int by_number(const void *x, const void *y)
{
    const uint64_t *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

/* The places in the table that the members' headers name, in order; NULL: no memory. */
static uint64_t *named(const struct look *l, int side, const struct ar_side *a, size_t *n)
{
    uint64_t *v = calloc(a->n + 1, sizeof(*v));

    *n = 0;
    for (size_t i = 0; v != NULL && i < a->n; i++) {
        struct span h = bytes(l, side, (struct look_range){a->v[i].header.at, 16});

        if (h.p[0] == '/' && h.p[1] >= '0' && h.p[1] <= '9' &&
            ar_number(span_of(h.p + 1, 15), 10, &v[*n]))
            ++*n;
    }
    if (*n > 0)
        qsort(v, *n, sizeof(*v), by_number);
    return v;
}

/* Whether the table is nothing but names ("NAME/\n", one after the other), and each is a member's.
 * 1: yes; 0: no. */
static int is_all_used(const struct look *l, int side, const struct ar_side *a,
                       const struct ar_member *m)
{
    struct span t = bytes(l, side, m->content);
    size_t n, at = 0;
    uint64_t *v = named(l, side, a, &n);
    bool used = v != NULL;

    for (size_t k = 0; used && at < t.n;) {
        const uint8_t *end = memchr(t.p + at, '\n', t.n - at);

        if (end == t.p + at && at + 1 == t.n) /* makes its length even */
            break;
        while (k < n && v[k] < at)
            k++;
        used = end != NULL && end > t.p + at && end[-1] == '/' && k < n && v[k] == at;
        at = end == NULL ? t.n : (size_t)(end - t.p) + 1;
    }
    if (v == NULL)
        return -ENOMEM;
    free(v);
    return used;
}

int ar_names(struct look *l, const struct ar_side a[2], const struct ar_member *x,
             const struct ar_member *y)
{
    int used[2] = {is_all_used(l, 0, &a[0], x), is_all_used(l, 1, &a[1], y)};

    if (used[0] < 0 || used[1] < 0)
        return -ENOMEM;
    return used[0] == 1 && used[1] == 1
               ? look_pair(l, x->content, y->content, COMPARE_DERIVED,
                           "the table of long names, each of which is a member's")
               : look_member(l, x->content, y->content, x->name, y->name);
}
