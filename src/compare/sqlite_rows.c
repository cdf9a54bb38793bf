/* sqlite_rows.c - two trees: tables row by row in the order of their numbers, indexes and tables
 * without such numbers as sets of records. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/sqlite_priv.h"
#include "crypto/sha256.h"

#define TOLD 3u              /* columns of a row that are told */
#define LOOKED_AT (1u << 20) /* bytes of a record, for what is told of it */

/* --- claims --- */

static bool same(const struct sqlite_side d[2], struct look_range a, struct look_range b)
{
    return a.n == b.n && (a.n == 0 || memcmp(d[0].s.p + a.at, d[1].s.p + b.at, (size_t)a.n) == 0);
}

int sqlite_quiet(struct sqlite_side d[2], struct look_range a, struct look_range b)
{
    d[0].moved = d[0].moved || !same(d, a, b);
    return look_quiet(d[0].l, a, b, COMPARE_SAME_CONTENT);
}

/* The next piece that is not in the page of the row. */
static struct look_range overflowing(struct sqlite_pieces *p)
{
    struct look_range r = {0, 0};

    if (p->d == NULL || !sqlite_piece(p, &r))
        return (struct look_range){0, 0};
    return r;
}

int sqlite_claim(struct sqlite_side d[2], const struct sqlite_cell *a, const struct sqlite_cell *b,
                 const char *what)
{
    const struct look_range none = {0, 0}, ra = a != NULL ? a->at : none,
                            rb = b != NULL ? b->at : none;
    struct sqlite_pieces p[2] = {{.d = NULL}, {.d = NULL}};
    int rc;

    if (what == NULL)
        rc = sqlite_quiet(d, ra, rb);
    else if (same(d, ra, rb)) /* it differs where it overflows */
        rc = look_find(d[0].l, COMPARE_UNEXPLAINED, "%s", what);
    else
        rc = look_pair(d[0].l, ra, rb, COMPARE_UNEXPLAINED, "%s", what);
    if (rc == 0 && what != NULL && same(d, ra, rb))
        rc = look_quiet(d[0].l, ra, rb, COMPARE_UNEXPLAINED);
    for (int side = 0; side < 2; side++) {
        const struct sqlite_cell *c = side == 0 ? a : b;

        if (c == NULL || c->overflow == 0)
            continue;
        sqlite_pieces_of(&p[side], &d[side], c);
        p[side].done = c->local.n;
    }
    while (rc == 0) {
        const struct look_range x = overflowing(&p[0]), y = overflowing(&p[1]);

        if (x.n == 0 && y.n == 0)
            break;
        rc = what == NULL ? sqlite_quiet(d, x, y) : look_quiet(d[0].l, x, y, COMPARE_UNEXPLAINED);
    }
    return rc;
}

/* --- what is told of a row --- */

struct text {
    char s[380];
    size_t n;
};

static void add(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->s + t->n, sizeof(t->s) - t->n, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->n += (size_t)n < sizeof(t->s) - t->n ? (size_t)n : sizeof(t->s) - t->n - 1;
}

static void name_row(struct text *t, bool numbered, int64_t rowid, const char *name)
{
    t->n = 0;
    t->s[0] = '\0';
    if (numbered)
        add(t, "row %" PRId64 " of \"%.100s\"", rowid, name);
    else
        add(t, "an entry of \"%.100s\"", name);
}

static void tell_change(struct text *t, struct span a, struct span b)
{
    char shown[2][SQLITE_SHOWN];
    size_t others = 0, told = 0;
    struct sqlite_values w[2];

    sqlite_values_of(&w[0], a);
    sqlite_values_of(&w[1], b);
    for (size_t i = 0;; i++) {
        struct sqlite_value v[2];
        const bool has[2] = {sqlite_value(&w[0], &v[0]), sqlite_value(&w[1], &v[1])};

        if (!has[0] && !has[1])
            break;
        if (has[0] && has[1] && v[0].sort == v[1].sort && span_eq(v[0].bytes, v[1].bytes))
            continue;
        if (told == TOLD || t->n > 300) {
            others++;
            continue;
        }
        add(t, "%s column %zu: %s became %s", told == 0 ? ":" : ",", i + 1,
            has[0] ? sqlite_show(shown[0], &v[0]) : "nothing",
            has[1] ? sqlite_show(shown[1], &v[1]) : "nothing");
        told++;
    }
    if (others > 0)
        add(t, ", and %zu more", others);
    if (told == 0)
        add(t, ": its bytes differ");
}

static int changed(struct sqlite_side d[2], const struct sqlite_cell c[2], bool numbered,
                   const char *name)
{
    struct span r[2] = {{NULL, 0}, {NULL, 0}};
    uint8_t *p[2];
    struct text t;
    int rc = -ENOMEM;

    name_row(&t, numbered, c[0].rowid, name);
    p[0] = sqlite_record(&d[0], &c[0], LOOKED_AT, &r[0]);
    p[1] = sqlite_record(&d[1], &c[1], LOOKED_AT, &r[1]);
    if (p[0] != NULL && p[1] != NULL) {
        tell_change(&t, r[0], r[1]);
        rc = sqlite_claim(d, &c[0], &c[1], t.s);
    }
    free(p[0]);
    free(p[1]);
    return rc;
}

static int alone(struct sqlite_side d[2], int side, const struct sqlite_cell *c, bool numbered,
                 const char *name)
{
    char shown[SQLITE_SHOWN];
    struct sqlite_values w;
    struct sqlite_value v;
    struct span r;
    struct text t;
    uint8_t *p = sqlite_record(&d[side], c, LOOKED_AT, &r);
    int rc;

    if (p == NULL)
        return -ENOMEM;
    name_row(&t, numbered, c->rowid, name);
    add(&t, ", only in %s", side == 0 ? "A" : "B");
    sqlite_values_of(&w, r);
    for (size_t i = 0; i < TOLD && sqlite_value(&w, &v); i++)
        add(&t, "%s %s", i == 0 ? ":" : ",", sqlite_show(shown, &v));
    rc = sqlite_claim(d, side == 0 ? c : NULL, side == 1 ? c : NULL, t.s);
    free(p);
    return rc;
}

/* --- tables --- */

static int tables(struct sqlite_side d[2], struct sqlite_cursor cursor[2], const char *name)
{
    struct sqlite_cell c[2];
    int got[2] = {sqlite_next(&cursor[0], &c[0]), sqlite_next(&cursor[1], &c[1])}, rc = 0;

    while (rc == 0 && got[0] >= 0 && got[1] >= 0 && (got[0] == 1 || got[1] == 1)) {
        const bool a = got[0] == 1 && (got[1] == 0 || c[0].rowid <= c[1].rowid),
                   b = got[1] == 1 && (got[0] == 0 || c[1].rowid <= c[0].rowid);

        if (a && b)
            rc = sqlite_same_record(&d[0], &c[0], &d[1], &c[1])
                     ? sqlite_claim(d, &c[0], &c[1], NULL)
                     : changed(d, c, true, name);
        else
            rc = alone(d, !a, a ? &c[0] : &c[1], true, name);
        if (a)
            got[0] = sqlite_next(&cursor[0], &c[0]);
        if (b)
            got[1] = sqlite_next(&cursor[1], &c[1]);
    }
    return rc != 0 ? rc : got[0] < 0 ? got[0] : got[1] < 0 ? got[1] : 0;
}

/* --- sets --- */

#define NO_MATE SIZE_MAX

struct entry {
    struct digest key;
    struct sqlite_cell cell;
    size_t order, mate;
};

struct set {
    struct entry *v;
    size_t n, room;
};

static int collect(struct sqlite_side *d, struct sqlite_cursor *cursor, struct set *s)
{
    struct sqlite_cell c;
    int got;

    while ((got = sqlite_next(cursor, &c)) == 1) {
        if (!look_charge(d->l, sizeof(*s->v)))
            return sqlite_stop(d, "too much to be held");
        d->charged += sizeof(*s->v);
        if (s->n == s->room) {
            size_t room = s->room == 0 ? 64 : 2 * s->room;
            struct entry *more = reallocarray(s->v, room, sizeof(*more));

            if (more == NULL)
                return -ENOMEM;
            s->v = more;
            s->room = room;
        }
        s->v[s->n] = (struct entry){.cell = c, .order = s->n, .mate = NO_MATE};
        s->n++;
    }
    return got;
}

/* The whole record, or its first value alone. */
static int key_of(const struct sqlite_side *d, struct entry *e, bool first, struct sha256 *h)
{
    struct sqlite_pieces p;
    struct look_range r;
    struct sqlite_values w;
    struct sqlite_value v;
    struct span record;
    uint8_t *bytes;

    if (!first) {
        sqlite_pieces_of(&p, d, &e->cell);
        while (sqlite_piece(&p, &r))
            sha256_add(h, d->s.p + r.at, (size_t)r.n);
        sha256_end(h, &e->key);
        return 0;
    }
    if ((bytes = sqlite_record(d, &e->cell, LOOKED_AT, &record)) == NULL)
        return -ENOMEM;
    sqlite_values_of(&w, record);
    if (sqlite_value(&w, &v)) {
        const uint8_t sort = (uint8_t)(v.sort < 12 ? v.sort : 12 + v.sort % 2);

        sha256_add(h, &sort, 1);
        sha256_add(h, v.bytes.p, v.bytes.n);
    }
    sha256_end(h, &e->key);
    free(bytes);
    return 0;
}

static int by_key(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    const int d = digest_cmp(&a->key, &b->key);

    return (a->mate == NO_MATE) != (b->mate == NO_MATE) ? (a->mate == NO_MATE ? -1 : 1)
           : d != 0                                     ? d
           : a->order < b->order                        ? -1
                                                        : a->order > b->order;
}

static int by_order(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;

    return a->order < b->order ? -1 : a->order > b->order;
}

/* Those without a mate and with one key become mates, in their order. */
static int mate(struct sqlite_side d[2], struct set s[2], bool first)
{
    struct sha256 *h = sha256_new();
    size_t i = 0, k = 0;
    int rc = h == NULL ? -ENOMEM : 0;

    for (int side = 0; side < 2 && rc == 0; side++) {
        for (size_t j = 0; j < s[side].n && rc == 0; j++)
            if (s[side].v[j].mate == NO_MATE)
                rc = key_of(&d[side], &s[side].v[j], first, h);
        if (s[side].n > 1)
            qsort(s[side].v, s[side].n, sizeof(*s[side].v), by_key);
    }
    while (rc == 0 && i < s[0].n && k < s[1].n && s[0].v[i].mate == NO_MATE &&
           s[1].v[k].mate == NO_MATE) {
        const int cmp = digest_cmp(&s[0].v[i].key, &s[1].v[k].key);

        if (cmp == 0) {
            s[0].v[i].mate = s[1].v[k].order;
            s[1].v[k].mate = s[0].v[i].order;
        }
        i += cmp <= 0;
        k += cmp >= 0;
    }
    sha256_free(h);
    for (int side = 0; side < 2 && rc == 0; side++)
        if (s[side].n > 1)
            qsort(s[side].v, s[side].n, sizeof(*s[side].v), by_order);
    return rc;
}

/* The order is what a look-up goes by: what is in both must be in one order. */
static bool ordered(const struct set *s)
{
    size_t last = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].mate == NO_MATE)
            continue;
        if (s->v[i].mate < last)
            return false;
        last = s->v[i].mate;
    }
    return true;
}

static int entries(struct sqlite_side d[2], struct set s[2], const char *name)
{
    int rc = mate(d, s, false);

    if (rc == 0 && !ordered(&s[0]))
        rc = look_find(d[0].l, COMPARE_UNEXPLAINED,
                       "the entries of \"%.100s\" come in another order", name);
    if (rc == 0)
        rc = mate(d, s, true);
    for (size_t i = 0; i < s[0].n && rc == 0; i++) {
        const struct entry *e = &s[0].v[i];
        struct sqlite_cell c[2] = {e->cell, e->cell};

        if (e->mate == NO_MATE) {
            rc = alone(d, 0, &e->cell, false, name);
            continue;
        }
        c[1] = s[1].v[e->mate].cell;
        rc = sqlite_same_record(&d[0], &c[0], &d[1], &c[1]) ? sqlite_claim(d, &c[0], &c[1], NULL)
                                                            : changed(d, c, false, name);
    }
    for (size_t i = 0; i < s[1].n && rc == 0; i++)
        if (s[1].v[i].mate == NO_MATE)
            rc = alone(d, 1, &s[1].v[i].cell, false, name);
    return rc;
}

static int sets(struct sqlite_side d[2], struct sqlite_cursor cursor[2], const char *name)
{
    struct set s[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    int rc = collect(&d[0], &cursor[0], &s[0]), also;

    if (rc != -ENOMEM && (also = collect(&d[1], &cursor[1], &s[1])) != 0)
        rc = also;
    if (rc == 0)
        rc = entries(d, s, name);
    for (int side = 0; side < 2; side++) {
        look_discharge(d[side].l, s[side].n * sizeof(*s[side].v));
        d[side].charged -= s[side].n * sizeof(*s[side].v);
        free(s[side].v);
    }
    return rc;
}

int sqlite_trees(struct sqlite_side d[2], const uint32_t root[2], const char *name)
{
    struct sqlite_cursor cursor[2];
    int rc = sqlite_first(&cursor[0], &d[0], root[0]);

    if (rc == 0)
        rc = sqlite_first(&cursor[1], &d[1], root[1]);
    if (rc != 0)
        return rc;
    if (sqlite_is_table(&cursor[0]) != sqlite_is_table(&cursor[1]))
        return look_find(d[0].l, COMPARE_UNEXPLAINED, "\"%.100s\" is of another sort", name);
    return sqlite_is_table(&cursor[0]) ? tables(d, cursor, name) : sets(d, cursor, name);
}
