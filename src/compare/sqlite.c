/* sqlite.c - files of SQLite 3.  What a database holds is its schema and its rows; where they lie
 * in pages says nothing.  What is left in unused space of pages (deleted rows) is nobody's, and so
 * unexplained where it differs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/sqlite_priv.h"

#define SCHEMA_MOST (1u << 20) /* bytes of an entry */

static bool is(struct span s, const char *name)
{
    (void)name;
    return s.n >= 512 && memcmp(s.p, "SQLite format 3", 16) == 0;
}

/* --- the schema --- */

struct entry {
    uint8_t *record;
    struct sqlite_value v[5]; /* type, name, table, root, text */
    struct sqlite_cell cell;
    uint32_t root;
    size_t order, mate; /* mate: the order of its like; of A's entries */
    char *name;
    bool five; /* values, and nothing else */
};

struct schema {
    struct entry *v;
    size_t n, room;
};

static int add(struct sqlite_side *d, struct schema *s, const struct sqlite_cell *c)
{
    struct entry e = {.cell = *c, .order = s->n, .mate = SIZE_MAX};
    const uint64_t cost = sizeof(e) + 2 * c->n;
    struct sqlite_values w;
    struct span record;
    int64_t root;

    if (c->n > SCHEMA_MOST || !look_may(d->l) || !look_charge(d->l, cost))
        return sqlite_stop(d, "a schema that is too large");
    d->charged += cost;
    if (s->n == s->room) {
        size_t room = s->room == 0 ? 16 : 2 * s->room;
        struct entry *more = reallocarray(s->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        s->v = more;
        s->room = room;
    }
    if ((e.record = sqlite_record(d, c, SCHEMA_MOST, &record)) == NULL)
        return -ENOMEM;
    sqlite_values_of(&w, record);
    for (size_t i = 0; i < ARRAY_LEN(e.v); i++)
        if (!sqlite_value(&w, &e.v[i])) {
            free(e.record);
            return sqlite_stop(d, "an entry of the schema that is none");
        }
    e.five = w.pos == w.head && w.at == record.n;
    root = e.v[3].sort == 0 || e.v[3].sort == 7 || e.v[3].sort > 9 ? 0 : sqlite_int(&e.v[3]);
    e.root = root > 0 && root <= (int64_t)d->pages ? (uint32_t)root : 0;
    e.name = strndup((const char *)e.v[1].bytes.p, e.v[1].bytes.n);
    if (e.name == NULL) {
        free(e.record);
        return -ENOMEM;
    }
    s->v[s->n++] = e;
    return root == (int64_t)e.root ? 0 : sqlite_stop(d, "a table that begins nowhere");
}

static int read_schema(struct sqlite_side *d, struct schema *s)
{
    struct sqlite_cursor cursor;
    struct sqlite_cell c;
    int rc = sqlite_first(&cursor, d, 1), got = 0;

    if (rc == 0 && !sqlite_is_table(&cursor))
        rc = sqlite_stop(d, "a schema that is no table");
    while (rc == 0 && (got = sqlite_next(&cursor, &c)) == 1)
        rc = add(d, s, &c);
    return rc != 0 ? rc : got;
}

static int by_bytes(struct span a, struct span b)
{
    const size_t n = a.n < b.n ? a.n : b.n;
    const int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return d != 0 ? d : a.n < b.n ? -1 : a.n > b.n;
}

static int named(const struct entry *a, const struct entry *b)
{
    const int d = by_bytes(a->v[0].bytes, b->v[0].bytes);

    return d != 0 ? d : by_bytes(a->v[1].bytes, b->v[1].bytes);
}

static int by_name(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    const int d = named(a, b);

    return d != 0 ? d : a->order < b->order ? -1 : a->order > b->order;
}

static int alone(struct sqlite_side d[2], int side, const struct entry *e)
{
    char what[200];

    (void)snprintf(what, sizeof(what), "the %.*s \"%.100s\" is only in %s",
                   (int)(e->v[0].bytes.n < 20 ? e->v[0].bytes.n : 20),
                   (const char *)e->v[0].bytes.p, e->name, side == 0 ? "A" : "B");
    return sqlite_claim(d, side == 0 ? &e->cell : NULL, side == 1 ? &e->cell : NULL, what);
}

static bool same_value(const struct sqlite_value *a, const struct sqlite_value *b)
{
    return a->sort == b->sort && span_eq(a->bytes, b->bytes);
}

/* Everything but where it begins. */
static bool same_entry(const struct entry *a, const struct entry *b)
{
    for (size_t i = 0; i < ARRAY_LEN(a->v); i++)
        if (i != 3 && !same_value(&a->v[i], &b->v[i]))
            return false;
    return (a->root == 0) == (b->root == 0) && a->five && b->five;
}

static int both(struct sqlite_side d[2], const struct entry *a, const struct entry *b)
{
    const uint32_t root[2] = {a->root, b->root};
    char shown[2][SQLITE_SHOWN], what[400];
    size_t i = 4;
    int rc;

    if (same_entry(a, b)) {
        rc = sqlite_claim(d, &a->cell, &b->cell, NULL);
    } else {
        while (i > 0 && same_value(&a->v[i], &b->v[i]))
            i--;
        (void)snprintf(what, sizeof(what), "the schema of \"%.60s\": %s became %s", a->name,
                       sqlite_show(shown[0], &a->v[i]), sqlite_show(shown[1], &b->v[i]));
        rc = sqlite_claim(d, &a->cell, &b->cell, what);
    }
    return rc != 0 || root[0] == 0 || root[1] == 0 ? rc : sqlite_trees(d, root, a->name);
}

static int by_order(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;

    return a->order < b->order ? -1 : a->order > b->order;
}

/* What is in both comes in one order: triggers may run by it. */
static bool ordered(struct schema *s)
{
    size_t last = 0;

    if (s->n > 1)
        qsort(s->v, s->n, sizeof(*s->v), by_order);
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].mate == SIZE_MAX)
            continue;
        if (s->v[i].mate < last)
            return false;
        last = s->v[i].mate;
    }
    return true;
}

static int schemas(struct sqlite_side d[2], struct schema s[2])
{
    size_t i = 0, k = 0;
    int rc = 0;

    for (int side = 0; side < 2; side++)
        if (s[side].n > 1)
            qsort(s[side].v, s[side].n, sizeof(*s[side].v), by_name);
    while (rc == 0 && (i < s[0].n || k < s[1].n)) {
        const int cmp = i == s[0].n ? 1 : k == s[1].n ? -1 : named(&s[0].v[i], &s[1].v[k]);

        if (cmp == 0)
            s[0].v[i].mate = s[1].v[k].order;
        rc = cmp < 0   ? alone(d, 0, &s[0].v[i])
             : cmp > 0 ? alone(d, 1, &s[1].v[k])
                       : both(d, &s[0].v[i], &s[1].v[k]);
        i += cmp <= 0;
        k += cmp >= 0;
    }
    if (rc == 0 && !ordered(&s[0]))
        rc = look_find(d[0].l, COMPARE_METADATA, "the entries of the schema come in another order");
    return rc;
}

/* --- all of it --- */

static int follow(struct sqlite_side d[2], struct schema s[2])
{
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if ((rc = sqlite_open(&d[side])) == 0)
            rc = read_schema(&d[side], &s[side]);
    if (rc == 0)
        rc = schemas(d, s);
    for (int side = 0; side < 2 && rc == 0; side++)
        if ((rc = sqlite_free_pages(&d[side])) == 0)
            rc = sqlite_maps(&d[side]);
    if (rc == 0)
        rc = sqlite_head(d);
    if (rc == 0)
        rc = sqlite_settle(d);
    if (rc == 0 && d[0].moved)
        rc = look_find(d[0].l, COMPARE_SAME_CONTENT,
                       "its pages are laid out otherwise, or more of them are unused");
    return rc;
}

static int compare(struct look *l)
{
    struct sqlite_side d[2];
    struct schema s[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    int rc;

    memset(d, 0, sizeof(d));
    for (int side = 0; side < 2; side++) {
        d[side].l = l;
        d[side].s = look_side(l, side);
    }
    rc = follow(d, s);
    if (rc == -EBADMSG) {
        const int side = d[0].why == NULL;

        /* What was claimed so far rests on the rest being followed. */
        look_cut(l, d[side].why);
        rc = look_find(l, COMPARE_UNEXPLAINED, "%s cannot be followed: %s", side == 0 ? "A" : "B",
                       d[side].why);
    }
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < s[side].n; i++) {
            free(s[side].v[i].record);
            free(s[side].v[i].name);
        }
        free(s[side].v);
        sqlite_close(&d[side]);
    }
    return rc;
}

extern const struct look_format sqlite_format;
const struct look_format sqlite_format = {"SQLite", is, compare};
