/* iso9660.c - images of optical discs.  All that has a meaning is claimed as what it means; what
 * lies between is padding where it is zeros, and nobody's where it is not.  A second tree (Joliet)
 * must lead to the files that the first one leads to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/iso9660_priv.h"
#include "compare/pairing.h"

#define TIMES 8u /* so often the bytes of both images may be compared, where files share them */

static bool is(struct span s, const char *name)
{
    (void)name;
    return s.n >= ISO_SYSTEM + ISO_SECTOR && memcmp(s.p + ISO_SYSTEM + 1, "CD001", 5) == 0;
}

/* --- contents --- */

static bool spend(struct iso *x, uint64_t n)
{
    const uint64_t most = TIMES * (uint64_t)(x->d[0].s.n + x->d[1].s.n);

    if (n > most - x->spent)
        return false;
    x->spent += n;
    return true;
}

static int by_place(const void *p, const void *q)
{
    const struct iso_led *x = p, *y = q;
    const uint64_t a[] = {x->a.at, x->b.at, x->a.n, x->b.n, x->ia},
                   b[] = {y->a.at, y->b.at, y->a.n, y->b.n, y->ia};

    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

static bool one_place(const struct iso_led *a, const struct iso_led *b)
{
    return a->a.at == b->a.at && a->b.at == b->b.at && a->a.n == b->a.n && a->b.n == b->b.n;
}

bool iso9660_led(const struct iso *x, uint64_t a, uint64_t b)
{
    size_t low = 0, high = x->leds;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const struct iso_led *m = &x->led[mid];

        if (m->a.at < a || (m->a.at == a && m->b.at < b))
            low = mid + 1;
        else
            high = mid;
    }
    return low < x->leds && x->led[low].a.at == a && x->led[low].b.at == b;
}

static bool led_whole(const struct iso *x, struct look_range a, struct look_range b)
{
    const struct iso_led key = {.a = a, .b = b, .ia = 0};
    size_t low = 0, high = x->leds;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if (by_place(&x->led[mid], &key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < x->leds && one_place(&x->led[low], &key);
}

static bool is_catalog(const struct iso *x, struct look_range a, struct look_range b)
{
    const struct look_range ca = x->d[0].catalog, cb = x->d[1].catalog;

    return ca.n > 0 && cb.n > 0 && a.at == ca.at && a.n == ca.n && b.at == cb.at && b.n == cb.n;
}

/* Each pair of places once, whatever number of names they have. */
static int content(struct iso *x, const struct iso_led *f, bool again)
{
    const char *na = x->d[0].tree[0].v[f->ia].path, *nb = x->d[1].tree[0].v[f->ib].path;

    if (!again && !is_catalog(x, f->a, f->b)) {
        if (spend(x, f->a.n + f->b.n))
            return look_member(x->l, f->a, f->b, na, nb);
        look_cut(x->l, "files that lie in one another");
        return look_find(x->l, COMPARE_UNEXPLAINED, "\"%s\" is not compared", na);
    }
    return strcmp(na, nb) == 0
               ? 0
               : look_find(x->l, COMPARE_METADATA, "\"%s\" is named \"%s\" in B", na, nb);
}

static int contents(struct iso *x, const struct pairing_item *it)
{
    const struct iso_tree *a = &x->d[0].tree[0], *b = &x->d[1].tree[0];
    int rc = 0;

    if ((x->led = calloc(a->n + 1, sizeof(*x->led))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < a->n; i++) {
        const size_t k = it[i].mate;

        if (k != PAIRING_NONE && a->v[i].kind == ISO_FILE && b->v[k].kind == ISO_FILE &&
            (a->v[i].data.n > 0 || b->v[k].data.n > 0))
            x->led[x->leds++] = (struct iso_led){a->v[i].data, b->v[k].data, i, k};
    }
    if (x->leds > 1)
        qsort(x->led, x->leds, sizeof(*x->led), by_place);
    for (size_t i = 0; i < x->leds && rc == 0; i++)
        rc = content(x, &x->led[i], i > 0 && one_place(&x->led[i - 1], &x->led[i]));
    return rc;
}

/* --- the second tree: files of the first, or what is hidden beside them --- */

struct own { /* places of the files of a first tree */
    struct look_range *v;
    size_t n;
};

static int by_range(const void *p, const void *q)
{
    const struct look_range *a = p, *b = q;

    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return a->n < b->n ? -1 : a->n > b->n;
}

static int own_of(const struct iso_tree *t, struct own *o)
{
    o->n = 0;
    if ((o->v = calloc(t->n + 1, sizeof(*o->v))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].data.n > 0)
            o->v[o->n++] = t->v[i].data;
    if (o->n > 1)
        qsort(o->v, o->n, sizeof(*o->v), by_range);
    return 0;
}

static bool owns(const struct own *o, struct look_range r)
{
    return r.n == 0 || (o->n > 0 && bsearch(&r, o->v, o->n, sizeof(r), by_range) != NULL);
}

static int lead(struct iso *x, const struct own own[2], const struct iso_record *a,
                const struct iso_record *b)
{
    const bool known[2] = {owns(&own[0], a->data), owns(&own[1], b->data)};
    int rc = 0;

    if (known[0] != known[1])
        rc = look_find(x->l, COMPARE_UNEXPLAINED,
                       "\"%s\" leads to what the first tree does not lead to in %s", a->path,
                       known[0] ? "B" : "A");
    if (rc != 0 || (a->data.n == 0 && b->data.n == 0) ||
        (known[0] && known[1] && led_whole(x, a->data, b->data)))
        return rc;
    if (spend(x, a->data.n + b->data.n))
        return look_member(x->l, a->data, b->data, a->path, b->path);
    look_cut(x->l, "files that lie in one another");
    return look_find(x->l, COMPARE_UNEXPLAINED, "\"%s\" is not compared", a->path);
}

/* --- records --- */

static int alone(struct iso *x, size_t tree, int side, const struct iso_record *r)
{
    const struct look_range none = {0, 0};
    int rc;

    if (r->kind == ISO_SELF || r->kind == ISO_PARENT) /* the folder is told */
        return look_quiet(x->l, side == 0 ? r->at : none, side == 1 ? r->at : none,
                          COMPARE_UNEXPLAINED);
    if (tree > 0 || r->data.n == 0)
        return look_only(x->l, side, r->at, r->path);
    rc = look_only(x->l, side, r->data, r->path);
    return rc != 0 ? rc
                   : look_pair(x->l, side == 0 ? r->at : none, side == 1 ? r->at : none,
                               COMPARE_UNEXPLAINED, "the record of \"%s\"", r->path);
}

static int items(struct iso *x, int side, size_t tree, struct pairing_item **it,
                 struct look_held **held)
{
    const struct iso_tree *t = &x->d[side].tree[tree];

    *it = calloc(t->n + 1, sizeof(**it));
    *held = calloc(t->n + 1, sizeof(**held));
    if (*it == NULL || *held == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->n; i++) {
        const struct look_range r = t->v[i].data;

        (*held)[i].at = r;
        (*held)[i].bytes = span_of(x->d[side].s.p + r.at, (size_t)r.n);
        (*it)[i] = (struct pairing_item){t->v[i].path, NULL, PAIRING_NONE};
    }
    return 0;
}

/* Those that are left may be paired by their content, if that does not mean to read it too often.
 */
static void offer(struct iso *x, int side, size_t tree, struct pairing_item *it,
                  const struct look_held *held)
{
    const struct iso_tree *t = &x->d[side].tree[tree];

    for (size_t i = 0; i < t->n; i++)
        if (it[i].mate == PAIRING_NONE && held[i].at.n > 0 && spend(x, held[i].at.n))
            it[i].content = &held[i];
}

static int pair(struct iso *x, size_t tree, const struct own own[2], const struct iso_record *a,
                const struct iso_record *b)
{
    int rc;

    if (a->kind != b->kind) {
        rc = alone(x, tree, 0, a);
        return rc != 0 ? rc : alone(x, tree, 1, b);
    }
    rc = iso9660_record_compare(x, tree, a, b);
    return rc != 0 || tree == 0 || a->kind != ISO_FILE ? rc : lead(x, own, a, b);
}

static int paired(struct iso *x, size_t tree, struct pairing_item *const it[2])
{
    const struct iso_tree *a = &x->d[0].tree[tree], *b = &x->d[1].tree[tree];
    struct own own[2] = {{NULL, 0}, {NULL, 0}};
    int rc = 0;

    if (tree == 0)
        rc = contents(x, it[0]);
    else if ((rc = own_of(&x->d[0].tree[0], &own[0])) == 0)
        rc = own_of(&x->d[1].tree[0], &own[1]);
    for (size_t i = 0; rc == 0 && i < a->n; i++)
        rc = it[0][i].mate == PAIRING_NONE ? alone(x, tree, 0, &a->v[i])
                                           : pair(x, tree, own, &a->v[i], &b->v[it[0][i].mate]);
    for (size_t i = 0; rc == 0 && i < b->n; i++)
        if (it[1][i].mate == PAIRING_NONE)
            rc = alone(x, tree, 1, &b->v[i]);
    if (rc == 0 && !pairing_ordered(it[0], a->n))
        rc = look_find(x->l, COMPARE_SAME_CONTENT, "its records come in another order");
    free(own[0].v);
    free(own[1].v);
    return rc;
}

static int tree(struct iso *x, size_t i)
{
    const size_t na = x->d[0].tree[i].n, nb = x->d[1].tree[i].n;
    struct pairing_item *it[2] = {NULL, NULL};
    struct look_held *held[2] = {NULL, NULL};
    int rc = items(x, 0, i, &it[0], &held[0]);

    if (rc == 0)
        rc = items(x, 1, i, &it[1], &held[1]);
    if (rc == 0)
        rc = pairing_by_name(it[0], na, it[1], nb);
    if (rc == 0) {
        offer(x, 0, i, it[0], held[0]);
        offer(x, 1, i, it[1], held[1]);
        rc = pairing_by_content(it[0], na, it[1], nb);
    }
    if (rc == 0)
        rc = paired(x, i, it);
    for (int side = 0; side < 2; side++) {
        free(it[side]);
        free(held[side]);
    }
    return rc;
}

/* --- what has no meaning --- */

static bool zero(struct span s)
{
    return s.n == 0 || (s.p[0] == 0 && memcmp(s.p, s.p + 1, s.n - 1) == 0);
}

/* Zeros of a gap, sector by sector: what holds anything else is nobody's. */
static int padding(struct iso_side *d, struct iso_ranges *z, struct look_range gap)
{
    for (uint64_t at = gap.at; at < gap.at + gap.n;) {
        uint64_t n = ISO_SECTOR - at % ISO_SECTOR;
        struct look_range *last = z->n > 0 ? &z->v[z->n - 1] : NULL;
        int rc = 0;

        n = n < gap.at + gap.n - at ? n : gap.at + gap.n - at;
        if (!zero(span_of(d->s.p + at, (size_t)n)))
            last = NULL;
        else if (last != NULL && last->at + last->n == at)
            last->n += n;
        else
            rc = iso9660_range(d, z, (struct look_range){at, n});
        if (rc != 0)
            return rc;
        at += n;
    }
    return 0;
}

static int zeros(struct iso_side *d, struct iso_ranges *z)
{
    uint64_t done = 0;
    int rc = 0;

    if (d->known.n > 1)
        qsort(d->known.v, d->known.n, sizeof(*d->known.v), by_range);
    for (size_t i = 0; i < d->known.n && rc == 0 && done < d->end; i++) {
        const struct look_range r = d->known.v[i];

        if (r.at > done)
            rc = padding(d, z, (struct look_range){done, (r.at < d->end ? r.at : d->end) - done});
        done = r.at + r.n > done ? r.at + r.n : done;
    }
    return rc != 0 || done >= d->end ? rc : padding(d, z, (struct look_range){done, d->end - done});
}

/* Zeros are zeros, wherever they are; one side may have more of them. */
static int gaps(struct iso *x)
{
    struct iso_ranges z[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    size_t i[2] = {0, 0};
    int rc = zeros(&x->d[0], &z[0]);

    if (rc == 0)
        rc = zeros(&x->d[1], &z[1]);
    while (rc == 0 && (i[0] < z[0].n || i[1] < z[1].n)) {
        struct look_range r[2] = {{0, 0}, {0, 0}};
        uint64_t n = UINT64_MAX;

        for (int side = 0; side < 2; side++)
            if (i[side] < z[side].n) {
                r[side] = z[side].v[i[side]];
                n = r[side].n < n ? r[side].n : n;
            }
        for (int side = 0; side < 2; side++)
            if (i[side] < z[side].n) {
                struct look_range *left = &z[side].v[i[side]];

                *left = (struct look_range){left->at + n, left->n - n};
                r[side].n = n;
                i[side] += left->n == 0;
            }
        x->places += r[0].n != r[1].n;
        rc = look_quiet(x->l, r[0], r[1], COMPARE_SAME_CONTENT);
    }
    free(z[0].v);
    free(z[1].v);
    return rc;
}

/* --- all of it --- */

static int told(struct iso *x)
{
    int rc = 0;

    if (x->places > 0)
        rc = look_find(x->l, COMPARE_SAME_CONTENT,
                       "what is in it lies at other places, or with more zeros between");
    if (rc == 0 && x->own > 0)
        rc = look_find(x->l, COMPARE_METADATA,
                       "times, owners or names differ in %zu fields of a second tree, or of what "
                       "folders say of themselves",
                       x->own);
    return rc;
}

/* UDF beside ISO 9660: its descriptors follow. */
static void bridge(struct iso *x)
{
    for (int side = 0; side < 2; side++) {
        const struct iso_side *d = &x->d[side];
        uint64_t at = d->volume[d->volumes - 1] + ISO_SECTOR;

        for (unsigned i = 0; i < 16 && at + ISO_SECTOR <= d->s.n; i++, at += ISO_SECTOR)
            if (memcmp(d->s.p + at + 1, "NSR0", 4) == 0)
                look_cut(x->l, "UDF beside ISO 9660 is not followed");
    }
}

static int both(struct iso *x)
{
    const size_t na = x->d[0].trees, nb = x->d[1].trees;
    int rc = iso9660_volumes_compare(x);

    for (size_t i = 0; i < na && i < nb && rc == 0; i++)
        if (x->d[0].tree[i].joliet == x->d[1].tree[i].joliet)
            rc = tree(x, i);
    if (rc == 0)
        rc = iso9660_boot_compare(x);
    if (rc == 0)
        rc = gaps(x);
    return rc != 0 ? rc : told(x);
}

static int compare(struct look *l)
{
    struct iso x = {.l = l};
    const char *why[2] = {NULL, NULL};
    int rc = 0;

    for (int side = 0; side < 2; side++) {
        x.d[side].l = l;
        x.d[side].s = look_side(l, side);
    }
    for (int side = 0; side < 2 && rc != -ENOMEM; side++) {
        int one = iso9660_read(&x.d[side], &why[side]);
        rc = one == -ENOMEM || rc == 0 ? one : rc;
    }
    if (rc == -EBADMSG) {
        look_cut(l, why[0] != NULL ? why[0] : why[1] != NULL ? why[1] : "too much to be held");
    } else if (rc == 0) {
        rc = both(&x);
        bridge(&x);
        if (rc == -E2BIG) /* what was claimed so far rests on the rest being known */
            rc = look_find(l, COMPARE_UNEXPLAINED, "it is more than may be held");
    }
    iso9660_free(&x.d[0]);
    iso9660_free(&x.d[1]);
    free(x.led);
    return rc == -EBADMSG ? 0 : rc;
}

extern const struct look_format iso9660_format;
const struct look_format iso9660_format = {"ISO 9660", is, compare};
