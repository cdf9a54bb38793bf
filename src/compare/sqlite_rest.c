/* sqlite_rest.c - what belongs to no row: the header, pages that are free, pointer maps, and the
 * space that is left. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compare/sqlite_priv.h"

/* --- the header --- */

static uint64_t number(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static const struct field {
    const char *name;
    uint8_t at, n;
    enum compare_class class;
} fields[] = {
    {"the mark of the file", 0, 16, COMPARE_UNEXPLAINED},
    {"the size of a page", 16, 2, COMPARE_SAME_CONTENT},
    {"the version that may write it", 18, 1, COMPARE_UNEXPLAINED},
    {"the version that may read it", 19, 1, COMPARE_UNEXPLAINED},
    {"bytes that each page keeps", 20, 1, COMPARE_UNEXPLAINED},
    {"fractions of pages", 21, 3, COMPARE_UNEXPLAINED},
    {"the counter of changes", 24, 4, COMPARE_METADATA},
    {"the number of pages", 28, 4, COMPARE_SAME_CONTENT},
    {"where the free pages are", 32, 8, COMPARE_SAME_CONTENT},
    {"the counter of schemas", 40, 4, COMPARE_METADATA},
    {"the format of the schema", 44, 4, COMPARE_UNEXPLAINED},
    {"the size of the cache", 48, 4, COMPARE_UNEXPLAINED},
    {"the largest root", 52, 4, COMPARE_SAME_CONTENT},
    {"the encoding of texts", 56, 4, COMPARE_UNEXPLAINED},
    {"the user's version", 60, 4, COMPARE_UNEXPLAINED},
    {"whether it is vacuumed in steps", 64, 4, COMPARE_UNEXPLAINED},
    {"the application's number", 68, 4, COMPARE_UNEXPLAINED},
    {"reserved bytes of the header", 72, 20, COMPARE_UNEXPLAINED},
    {"the change that the version is of", 92, 4, COMPARE_DERIVED},
    {"the version of SQLite that wrote it", 96, 4, COMPARE_METADATA},
};

/* What follows from something else, if it does on both sides. */
static bool follows(const struct sqlite_side *d, const struct field *f)
{
    const uint8_t *p = d->s.p;

    if (f->at == 28)
        return sqlite_u32(p + 28) == d->pages;
    if (f->at == 92)
        return sqlite_u32(p + 92) == sqlite_u32(p + 24);
    return true;
}

int sqlite_head(struct sqlite_side d[2])
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(fields) && rc == 0; i++) {
        const struct field *f = &fields[i];
        const struct look_range r = {f->at, f->n};
        const bool right[2] = {follows(&d[0], f), follows(&d[1], f)};
        const bool mild = right[0] && right[1] && (f->at != 52 || d[0].mapped == d[1].mapped);
        const enum compare_class class = mild ? f->class : COMPARE_UNEXPLAINED;

        if (right[0] != right[1] &&
            (rc = look_find(d[0].l, COMPARE_UNEXPLAINED, "%s is wrong in %s", f->name,
                            right[0] ? "B" : "A")) != 0)
            break;
        if (f->n <= 4)
            rc = look_pair(d[0].l, r, r, class, "%s: %" PRIu64 " and %" PRIu64, f->name,
                           number(d[0].s.p + f->at, f->n), number(d[1].s.p + f->at, f->n));
        else
            rc = look_pair(d[0].l, r, r, class, "%s", f->name);
    }
    return rc;
}

/* --- free pages --- */

static int trunk(struct sqlite_side *d, uint32_t page, uint64_t *count)
{
    const struct look_range r = sqlite_page(d, page);
    const uint8_t *p = d->s.p + r.at;
    const uint64_t leaves = sqlite_u32(p + 4), used = 8 + 4 * leaves;
    int rc;

    if (used > d->usable)
        return sqlite_stop(d, "free pages that are too many");
    if ((rc = sqlite_range(d, &d->layout, (struct look_range){r.at, used})) == 0)
        rc = sqlite_left(d, (struct look_range){r.at + used, r.n - used});
    for (uint64_t i = 0; i < leaves && rc == 0; i++) {
        const uint32_t leaf = sqlite_u32(p + 8 + 4 * i);

        if ((rc = sqlite_take(d, leaf, SQLITE_FREE, 0)) == 0)
            rc = sqlite_left(d, sqlite_page(d, leaf));
    }
    *count += 1 + leaves;
    return rc;
}

int sqlite_free_pages(struct sqlite_side *d)
{
    uint32_t page = sqlite_u32(d->s.p + 32);
    uint64_t count = 0;
    int rc = 0;

    while (page != 0 && rc == 0) {
        if ((rc = sqlite_take(d, page, SQLITE_FREE, 0)) == 0 && (rc = trunk(d, page, &count)) == 0)
            page = sqlite_u32(d->s.p + sqlite_page(d, page).at);
    }
    if (rc == 0 && count != sqlite_u32(d->s.p + 36))
        rc = sqlite_stop(d, "free pages are more or fewer than it says");
    return rc;
}

/* --- pointer maps --- */

/* A map tells of each page behind it what it is, and whose; what is right follows from the rest. */
static int map(struct sqlite_side *d, uint32_t page, uint32_t entries)
{
    const struct look_range r = sqlite_page(d, page);
    int rc = sqlite_take(d, page, SQLITE_MAP, 0);

    for (uint32_t i = 0; i < entries && rc == 0; i++) {
        const struct look_range e = {r.at + 5u * i, 5};
        const uint64_t of = (uint64_t)page + 1 + i;

        if (of <= d->pages && d->use[of] != SQLITE_UNUSED && d->s.p[e.at] == d->use[of] &&
            sqlite_u32(d->s.p + e.at + 1) == d->parent[of])
            rc = sqlite_range(d, &d->layout, e);
        else
            rc = sqlite_left(d, e);
    }
    return rc != 0 ? rc
                   : sqlite_left(d, (struct look_range){r.at + 5u * entries, r.n - 5u * entries});
}

int sqlite_maps(struct sqlite_side *d)
{
    const uint32_t entries = d->usable / 5;
    int rc = 0;

    for (uint64_t page = 2; d->mapped && page <= d->pages && rc == 0; page += entries + 1)
        rc = map(d, (uint32_t)page, entries);
    return rc;
}

/* --- what is left --- */

/* Zeros are zeros, wherever they are; one side may have more of them. */
static int zeros(struct sqlite_side d[2])
{
    size_t i[2] = {0, 0};
    int rc = 0;

    while (rc == 0 && (i[0] < d[0].zeros.n || i[1] < d[1].zeros.n)) {
        struct look_range r[2] = {{0, 0}, {0, 0}};
        uint64_t n = UINT64_MAX;

        for (int side = 0; side < 2; side++)
            if (i[side] < d[side].zeros.n) {
                r[side] = d[side].zeros.v[i[side]];
                n = r[side].n < n ? r[side].n : n;
            }
        for (int side = 0; side < 2; side++)
            if (i[side] < d[side].zeros.n) {
                struct look_range *left = &d[side].zeros.v[i[side]];

                *left = (struct look_range){left->at + n, left->n - n};
                r[side].n = n;
                i[side] += left->n == 0;
            }
        rc = sqlite_quiet(d, r[0], r[1]);
    }
    return rc;
}

static int by_place(const void *x, const void *y)
{
    const struct look_range *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at;
}

/* What is left of something is nobody's; where it is the same at the same place that is said, so
 * that what differs stands alone. */
static int remains(struct sqlite_side d[2])
{
    size_t i = 0, k = 0;
    int rc = 0;

    for (int side = 0; side < 2; side++)
        if (d[side].left.n > 1)
            qsort(d[side].left.v, d[side].left.n, sizeof(*d[side].left.v), by_place);
    while (rc == 0 && i < d[0].left.n && k < d[1].left.n) {
        const struct look_range a = d[0].left.v[i], b = d[1].left.v[k];

        if (a.at == b.at && a.n == b.n &&
            memcmp(d[0].s.p + a.at, d[1].s.p + b.at, (size_t)a.n) == 0)
            rc = look_quiet(d[0].l, a, b, COMPARE_UNEXPLAINED);
        i += a.at <= b.at;
        k += b.at <= a.at;
    }
    return rc;
}

int sqlite_settle(struct sqlite_side d[2])
{
    const struct look_range none = {0, 0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && (i < d[0].layout.n || i < d[1].layout.n); i++)
        rc = sqlite_quiet(d, i < d[0].layout.n ? d[0].layout.v[i] : none,
                          i < d[1].layout.n ? d[1].layout.v[i] : none);
    if (rc == 0)
        rc = zeros(d);
    return rc != 0 ? rc : remains(d);
}
