/* iso9660_volume.c - the descriptors of two images, and what their path tables say. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "compare/iso9660_priv.h"
#include "compare/plain.h"

/* --- path tables --- */

#define TABLE_MOST 65535u /* their numbers have 16 bits */

struct table {
    const uint8_t *p;
    uint64_t n;
    bool big;
};

static uint32_t number(const struct table *t, const uint8_t *p)
{
    return t->big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
                  : iso9660_u32(p);
}

/* Each record names a folder as the folders do, and each folder once. */
static bool says(const struct iso_side *d, const struct iso_tree *t, const struct table *table,
                 uint32_t *extent, bool *seen)
{
    size_t count = 0;

    for (uint64_t at = 0; at < table->n;) {
        const uint8_t *p = table->p + at;
        uint64_t n = 8;
        uint16_t parent;
        const struct iso_dir *dir;

        if (table->n - at < 8 || (n += p[0] + (p[0] & 1u)) > table->n - at || count == t->dirs)
            return false;
        extent[count++] = number(table, p + 2);
        parent = table->big ? (uint16_t)(p[6] << 8 | p[7]) : iso9660_u16(p + 6);
        dir = iso9660_find_dir(t, extent[count - 1]);
        if (p[1] != 0 || dir == NULL || seen[dir - t->dir] || parent == 0 || parent > count ||
            dir->above != extent[parent - 1] || dir->name.n != p[0] ||
            memcmp(d->s.p + dir->name.at, p + 8, p[0]) != 0 || ((p[0] & 1) != 0 && p[n - 1] != 0))
            return false;
        seen[dir - t->dir] = true;
        at += n;
    }
    return count == t->dirs;
}

static uint32_t place_of(const struct iso_side *d, const struct iso_tree *t, size_t i)
{
    const struct table field = {NULL, 0, i >= 2};

    return number(&field, d->s.p + t->volume + 140 + 4 * i);
}

int iso9660_tables_check(struct iso_side *d, struct iso_tree *t)
{
    uint32_t *extent = NULL, size;
    bool *seen = NULL;
    int rc = 0;

    t->tables_right = iso9660_both32(d->s.p + t->volume + 132, &size) && t->dirs <= TABLE_MOST &&
                      place_of(d, t, 0) != 0 && place_of(d, t, 2) != 0;
    for (size_t i = 0; i < 4 && rc == 0; i++) {
        const struct look_range r = {(uint64_t)place_of(d, t, i) * ISO_SECTOR, size};

        if (r.at == 0)
            continue;
        if (!iso9660_inside(d, r)) {
            t->tables_right = false;
            continue;
        }
        t->table[i] = r;
        if ((rc = iso9660_know(d, r)) != 0 || !t->tables_right)
            continue;
        extent = calloc(t->dirs + 1, sizeof(*extent));
        seen = calloc(t->dirs + 1, sizeof(*seen));
        rc = extent == NULL || seen == NULL ? -ENOMEM : 0;
        if (rc == 0)
            t->tables_right =
                says(d, t, &(const struct table){d->s.p + r.at, r.n, i >= 2}, extent, seen);
        free(extent);
        free(seen);
    }
    return rc;
}

static int tables(struct iso *x, const struct iso_tree *a, const struct iso_tree *b)
{
    const bool right = a->tables_right && b->tables_right;
    int rc = 0;

    if (a->tables_right != b->tables_right)
        rc = look_find(x->l, COMPARE_UNEXPLAINED,
                       "the path tables do not say what the folders say in %s",
                       a->tables_right ? "B" : "A");
    for (size_t i = 0; i < 4 && rc == 0; i++)
        rc = iso9660_say(x, false, a->table[i], b->table[i],
                         right ? COMPARE_DERIVED : COMPARE_UNEXPLAINED,
                         right ? "a path table, which says what the folders say on both sides"
                               : "a path table, which does not say what the folders say");
    return rc;
}

/* --- descriptors --- */

enum kind { OTHER, PLACE, TABLE, TEXT, TIME, SET };

static const struct field {
    const char *name;
    uint16_t at, n;
    enum kind kind;
} fields[] = {
    {"sort of a descriptor", 0, 7, OTHER},
    {"flags of the volume", 7, 1, OTHER},
    {"system identifier", 8, 32, TEXT},
    {"volume identifier", 40, 32, TEXT},
    {"unused bytes of a descriptor", 72, 8, OTHER},
    {"size of the volume", 80, 8, PLACE},
    {"escape sequences", 88, 32, OTHER},
    {"size of the volume set", 120, 4, OTHER},
    {"number in the volume set", 124, 4, OTHER},
    {"size of a block", 128, 4, OTHER},
    {"size of the path tables", 132, 8, TABLE},
    {"places of the path tables", 140, 16, TABLE},
    {"volume set identifier", 190, 128, SET},
    {"publisher", 318, 128, TEXT},
    {"data preparer", 446, 128, TEXT},
    {"application", 574, 128, TEXT},
    {"copyright file", 702, 37, TEXT},
    {"abstract file", 739, 37, TEXT},
    {"bibliographic file", 776, 37, TEXT},
    {"time of creation of the volume", 813, 17, TIME},
    {"time of modification of the volume", 830, 17, TIME},
    {"time of expiration of the volume", 847, 17, TIME},
    {"time of effect of the volume", 864, 17, TIME},
    {"version of a descriptor", 881, 2, OTHER},
    {"application's own bytes in a descriptor", 883, 512, OTHER},
    {"reserved bytes of a descriptor", 1395, 653, OTHER},
};

static const char *shown(char out[PLAIN_SHOWN], const uint8_t *p, size_t n, bool joliet)
{
    char text[512];

    if (joliet && iso9660_joliet(span_of(p, n & ~(size_t)1), text, sizeof(text))) {
        p = (const uint8_t *)text;
        n = strlen(text);
    }
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == 0))
        n--;
    return plain_show(out, span_of(p, n), 0, true);
}

static int field(struct iso *x, const struct field *f, const struct iso_tree *const tree[2],
                 const char *of)
{
    const struct look_range v[2] = {{tree[0]->volume, ISO_SECTOR}, {tree[1]->volume, ISO_SECTOR}};
    const bool right = tree[0]->tables_right && tree[1]->tables_right;

    const struct look_range a = iso9660_sub(v[0], f->at, f->n), b = iso9660_sub(v[1], f->at, f->n);
    const uint8_t *pa = iso9660_at(x, 0, a), *pb = iso9660_at(x, 1, b);
    char text[2][PLAIN_SHOWN];
    enum compare_class class = COMPARE_UNEXPLAINED;

    switch (f->kind) {
    case TEXT:
    case SET:
        return iso9660_say(x, false, a, b, f->kind == SET ? COMPARE_METADATA : COMPARE_UNEXPLAINED,
                           "the %s%s: %s and %s", f->name, of,
                           shown(text[0], pa, (size_t)a.n, tree[0]->joliet),
                           shown(text[1], pb, (size_t)b.n, tree[1]->joliet));
    case TIME: /* sixteen digits and the zone */
        return iso9660_say(x, false, a, b, COMPARE_METADATA, "the %s%s: %s and %s", f->name, of,
                           plain_show(text[0], span_of(pa, 16), 0, false),
                           plain_show(text[1], span_of(pb, 16), 0, false));
    case PLACE:
        class = COMPARE_SAME_CONTENT;
        break;
    case TABLE:
        class = right ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED;
        break;
    case OTHER:
        break;
    }
    return iso9660_say(x, class == COMPARE_SAME_CONTENT, a, b, class, "the %s%s", f->name, of);
}

static int root(struct iso *x, size_t tree, const struct look_range v[2])
{
    char path[] = "/";
    struct iso_record r[2];

    memset(r, 0, sizeof(r));
    for (int side = 0; side < 2; side++) {
        r[side].at = iso9660_sub(v[side], 156, ISO_ROOT);
        r[side].name = iso9660_sub(v[side], 156 + 33, 1);
        r[side].use = (struct look_range){r[side].name.at + 1, 0};
        r[side].path = path;
        r[side].kind = ISO_DIR;
        r[side].leads = ISO_RIGHT;
    }
    return iso9660_record_compare(x, tree, &r[0], &r[1]);
}

static int tree(struct iso *x, size_t i)
{
    const struct iso_tree *a = &x->d[0].tree[i], *b = &x->d[1].tree[i];
    const struct iso_tree *const t[2] = {a, b};
    const struct look_range v[2] = {{a->volume, ISO_SECTOR}, {b->volume, ISO_SECTOR}};
    const char *of = i == 0 ? "" : a->joliet ? " (Joliet)" : " (another tree)";
    int rc = 0;

    for (size_t k = 0; k < ARRAY_LEN(fields) && rc == 0; k++)
        rc = field(x, &fields[k], t, of);
    if (rc == 0)
        rc = root(x, i, v);
    return rc != 0 ? rc : tables(x, a, b);
}

/* The boot record says where the catalog is, which is compared. */
static int other(struct iso *x, struct look_range a, struct look_range b)
{
    const bool boots = *iso9660_at(x, 0, a) == 0 && x->d[0].catalog.n > 0 && x->d[1].catalog.n > 0;
    int rc = iso9660_raw(x, iso9660_sub(a, 0, 0x47), iso9660_sub(b, 0, 0x47), "a descriptor");

    if (rc == 0)
        rc = iso9660_say(x, boots, iso9660_sub(a, 0x47, 4), iso9660_sub(b, 0x47, 4),
                         boots ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED, "a descriptor");
    return rc != 0 ? rc
                   : iso9660_raw(x, iso9660_sub(a, 0x4b, ISO_SECTOR),
                                 iso9660_sub(b, 0x4b, ISO_SECTOR), "a descriptor");
}

/* What a descriptor is; a tree: how many came before it. */
static unsigned sort_of(const struct iso_side *d, size_t i, size_t trees)
{
    const uint8_t sort = d->s.p[d->volume[i]];

    if (trees < d->trees && d->tree[trees].volume == d->volume[i])
        return 0x200u + 0x100u * d->tree[trees].joliet + (unsigned)trees;
    return sort;
}

static int lone(struct iso *x, int side, uint64_t at)
{
    const struct look_range r = {at, ISO_SECTOR}, none = {0, 0};

    return iso9660_say(x, false, side == 0 ? r : none, side == 1 ? r : none, COMPARE_UNEXPLAINED,
                       "a descriptor that only %s has", side == 0 ? "A" : "B");
}

int iso9660_volumes_compare(struct iso *x)
{
    const struct iso_side *d = x->d;
    const struct look_range system = {0, ISO_SYSTEM};
    size_t i = 0, k = 0, trees[2] = {0, 0};
    int rc = iso9660_raw(x, system, system, "the system area, which may be booted from");

    while (rc == 0 && (i < d[0].volumes || k < d[1].volumes)) {
        const unsigned sort = i < d[0].volumes ? sort_of(&d[0], i, trees[0]) : UINT_MAX,
                       also = k < d[1].volumes ? sort_of(&d[1], k, trees[1]) : UINT_MAX;
        const bool meet = sort == also;
        const bool left = !meet && (k >= d[1].volumes ||
                                    (i < d[0].volumes && d[0].volumes - i > d[1].volumes - k));

        if (meet && sort >= 0x200)
            rc = tree(x, trees[0]);
        else if (meet)
            rc = other(x, (struct look_range){d[0].volume[i], ISO_SECTOR},
                       (struct look_range){d[1].volume[k], ISO_SECTOR});
        else
            rc = lone(x, !left, left ? d[0].volume[i] : d[1].volume[k]);
        if (meet || left) {
            trees[0] += sort >= 0x200;
            i++;
        }
        if (meet || !left) {
            trees[1] += also >= 0x200;
            k++;
        }
    }
    return rc;
}
