/* sqlite_read.c - pages, and the walk over b-trees.  A page is used once: one that is met again
 * ends the walk.  Rows must come in their order, within the bounds that the inner pages set. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/sqlite_priv.h"

#define INNER_INDEX 2u
#define INNER_TABLE 5u
#define LEAF_INDEX 10u
#define LEAF_TABLE 13u

uint32_t sqlite_u16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

uint32_t sqlite_u32(const uint8_t *p)
{
    return sqlite_u16(p) << 16 | sqlite_u16(p + 2);
}

size_t sqlite_varint(struct span s, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < s.n && i < 9; i++) {
        if (i == 8) {
            *v = *v << 8 | s.p[i];
            return 9;
        }
        *v = *v << 7 | (s.p[i] & 0x7f);
        if (s.p[i] < 0x80)
            return i + 1;
    }
    return 0;
}

int sqlite_stop(struct sqlite_side *d, const char *why)
{
    if (d->why == NULL)
        d->why = why;
    return -EBADMSG;
}

/* --- sides --- */

static bool power(uint32_t n)
{
    return n >= 512 && n <= 65536 && (n & (n - 1)) == 0;
}

int sqlite_open(struct sqlite_side *d)
{
    const uint8_t *p = d->s.p;
    uint64_t pages, cost;

    d->page_size = sqlite_u16(p + 16) == 1 ? 65536 : sqlite_u16(p + 16);
    if (!power(d->page_size) || p[20] > d->page_size - 480)
        return sqlite_stop(d, "pages of a size that they cannot have");
    if (p[21] != 64 || p[22] != 32 || p[23] != 32)
        return sqlite_stop(d, "fractions of pages that are not known");
    d->usable = d->page_size - p[20];
    pages = d->s.n / d->page_size;
    if (sqlite_u32(p + 92) == sqlite_u32(p + 24) && sqlite_u32(p + 28) != 0) {
        if (sqlite_u32(p + 28) > pages)
            return sqlite_stop(d, "it is shorter than it says");
        pages = sqlite_u32(p + 28);
    }
    if (pages == 0 || pages > UINT32_MAX - 1)
        return sqlite_stop(d, "it has no pages");
    d->pages = (uint32_t)pages;
    d->mapped = sqlite_u32(p + 52) != 0;
    cost = (pages + 1) * (1 + sizeof(*d->parent));
    if (!look_charge(d->l, cost))
        return sqlite_stop(d, "too much to be held");
    d->charged += cost;
    d->use = calloc((size_t)pages + 1, 1);
    d->parent = calloc((size_t)pages + 1, sizeof(*d->parent));
    return d->use == NULL || d->parent == NULL ? -ENOMEM : 0;
}

void sqlite_close(struct sqlite_side *d)
{
    free(d->use);
    free(d->parent);
    free(d->layout.v);
    free(d->zeros.v);
    free(d->left.v);
    look_discharge(d->l, d->charged);
    memset(d, 0, sizeof(*d));
}

struct look_range sqlite_page(const struct sqlite_side *d, uint32_t page)
{
    return (struct look_range){(uint64_t)(page - 1) * d->page_size, d->page_size};
}

int sqlite_take(struct sqlite_side *d, uint32_t page, enum sqlite_use use, uint32_t parent)
{
    if (page == 0 || page > d->pages)
        return sqlite_stop(d, "a page that is not there");
    if (d->use[page] != SQLITE_UNUSED)
        return sqlite_stop(d, "a page that is used twice");
    d->use[page] = (uint8_t)use;
    d->parent[page] = parent;
    return 0;
}

int sqlite_range(struct sqlite_side *d, struct sqlite_ranges *to, struct look_range r)
{
    struct look_range *last = to->n > 0 ? &to->v[to->n - 1] : NULL;

    if (r.n == 0)
        return 0;
    if (last != NULL && last->at + last->n == r.at) {
        last->n += r.n;
        return 0;
    }
    if (!look_charge(d->l, sizeof(r)))
        return sqlite_stop(d, "too much to be held");
    d->charged += sizeof(r);
    if (to->n == to->room) {
        size_t room = to->room == 0 ? 32 : 2 * to->room;
        struct look_range *more = reallocarray(to->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        to->v = more;
        to->room = room;
    }
    to->v[to->n++] = r;
    return 0;
}

int sqlite_left(struct sqlite_side *d, struct look_range r)
{
    const uint8_t *p = d->s.p + r.at;

    if (r.n == 0)
        return 0;
    if (p[0] != 0 || memcmp(p, p + 1, (size_t)r.n - 1) != 0)
        return sqlite_range(d, &d->left, r);
    return sqlite_range(d, &d->zeros, r);
}

/* --- cells --- */

static bool has_record(uint8_t type)
{
    return type != INNER_TABLE;
}

static uint64_t head_of(uint32_t page)
{
    return page == 1 ? SQLITE_HEAD : 0;
}

static uint32_t head_size(uint8_t type)
{
    return type == INNER_INDEX || type == INNER_TABLE ? 12 : 8;
}

/* How much of a record of n bytes is in the page. */
static uint64_t local_of(const struct sqlite_side *d, uint8_t type, uint64_t n)
{
    const uint64_t u = d->usable, least = (u - 12) * 32 / 255 - 23;
    const uint64_t most = type == LEAF_TABLE ? u - 35 : (u - 12) * 64 / 255 - 23;
    uint64_t k;

    if (n <= most)
        return n;
    k = least + (n - least) % (u - 4);
    return k <= most ? k : least;
}

static int cell(struct sqlite_side *d, const struct sqlite_frame *f, uint32_t i,
                struct sqlite_cell *out)
{
    const struct look_range page = sqlite_page(d, f->page);
    const uint8_t *p = d->s.p + page.at;
    const uint64_t pointers = head_of(f->page) + head_size(f->type);
    uint64_t at = sqlite_u16(p + pointers + 2u * i), begin = at, v;
    struct span left;
    size_t n;

    memset(out, 0, sizeof(*out));
    if (at < pointers + 2u * f->count || at + 4 > d->usable)
        return sqlite_stop(d, "a row that is not in its page");
    if (f->type == INNER_INDEX || f->type == INNER_TABLE) {
        out->left = sqlite_u32(p + at);
        at += 4;
    }
    left = span_of(p + at, (size_t)(d->usable - at));
    if (has_record(f->type)) {
        if ((n = sqlite_varint(left, &out->n)) == 0 || out->n > d->s.n)
            return sqlite_stop(d, "a row that is longer than the file");
        at += n;
        left = span_of(p + at, (size_t)(d->usable - at));
    }
    if (f->type == LEAF_TABLE || f->type == INNER_TABLE) {
        if ((n = sqlite_varint(left, &v)) == 0)
            return sqlite_stop(d, "a row without a number");
        out->rowid = (int64_t)v;
        at += n;
    }
    out->local =
        (struct look_range){page.at + at, has_record(f->type) ? local_of(d, f->type, out->n) : 0};
    at += out->local.n;
    if (out->local.n < out->n) {
        if (at + 4 > d->usable)
            return sqlite_stop(d, "a row that goes beyond its page");
        out->overflow = sqlite_u32(p + at);
        at += 4;
    }
    if (at > d->usable)
        return sqlite_stop(d, "a row that goes beyond its page");
    out->at = (struct look_range){page.at + begin, at - begin};
    return 0;
}

/* The pages that hold the rest of a row; what is behind it in the last is left over. */
static int overflow(struct sqlite_side *d, const struct sqlite_cell *c, uint32_t page)
{
    uint64_t left = c->n - c->local.n;
    uint32_t from = page, next = c->overflow;
    int rc = 0;

    while (left > 0 && rc == 0) {
        const uint64_t most = d->usable - 4, n = left < most ? left : most;
        struct look_range r;

        rc = sqlite_take(d, next, from == page ? SQLITE_OVERFLOW : SQLITE_OVERFLOW_MORE, from);
        if (rc != 0)
            break;
        r = sqlite_page(d, next);
        left -= n;
        if ((rc = sqlite_range(d, &d->layout, (struct look_range){r.at, 4})) == 0)
            rc = sqlite_left(d, (struct look_range){r.at + 4 + n, r.n - 4 - n});
        from = next;
        next = sqlite_u32(d->s.p + r.at);
    }
    return rc == 0 && c->n > c->local.n && next != 0
               ? sqlite_stop(d, "a row that goes on behind its end")
               : rc;
}

/* --- a page of a tree --- */

static int by_place(const void *x, const void *y)
{
    const struct look_range *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at;
}

/* Heads of what was freed within the page: next, size. */
static int freed(struct sqlite_side *d, const struct sqlite_frame *f, struct look_range *v,
                 size_t *n, size_t room)
{
    const struct look_range page = sqlite_page(d, f->page);
    const uint8_t *p = d->s.p + page.at;
    uint32_t at = sqlite_u16(p + head_of(f->page) + 1), before = 0;

    while (at != 0) {
        if (at <= before || at + 4 > d->usable || *n == room)
            return sqlite_stop(d, "unused space that is not in its page");
        v[(*n)++] = (struct look_range){page.at + at, 4};
        before = at;
        at = sqlite_u16(p + at);
    }
    return 0;
}

/* What lies in a page: v, n are the rows and the heads of what is unused. */
static int spaces(struct sqlite_side *d, const struct sqlite_frame *f, struct look_range *v,
                  size_t n)
{
    const struct look_range page = sqlite_page(d, f->page);
    const uint64_t head = head_of(f->page), pointers = head + head_size(f->type) + 2u * f->count;
    uint64_t done = page.at + pointers;
    int rc = sqlite_range(d, &d->layout, (struct look_range){page.at + head, pointers - head});

    if (n > 1)
        qsort(v, n, sizeof(*v), by_place);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (v[i].at < done)
            return sqlite_stop(d, "rows that lie in one another");
        rc = sqlite_left(d, (struct look_range){done, v[i].at - done});
        done = v[i].at + v[i].n;
    }
    return rc != 0 ? rc : sqlite_left(d, (struct look_range){done, page.at + page.n - done});
}

static int load(struct sqlite_side *d, struct sqlite_frame *f)
{
    const struct look_range page = sqlite_page(d, f->page);
    const uint8_t *p = d->s.p + page.at + head_of(f->page);
    const size_t room = d->page_size / 4 + 1;
    struct look_range *v;
    struct sqlite_cell c;
    size_t n = 0;
    int rc = 0;

    f->type = p[0];
    f->count = sqlite_u16(p + 3);
    if (f->type != INNER_INDEX && f->type != INNER_TABLE && f->type != LEAF_INDEX &&
        f->type != LEAF_TABLE)
        return sqlite_stop(d, "a page of a tree that is none");
    if (head_of(f->page) + head_size(f->type) + 2u * f->count > d->usable || f->count >= room)
        return sqlite_stop(d, "a page with too many rows");
    if ((v = calloc(2 * room, sizeof(*v))) == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < f->count && rc == 0; i++) {
        if ((rc = cell(d, f, i, &c)) != 0 || (rc = overflow(d, &c, f->page)) != 0)
            break;
        v[n++] = c.at;
        if (!has_record(f->type))
            rc = sqlite_range(d, &d->layout, c.at);
    }
    if (rc == 0)
        rc = freed(d, f, v, &n, 2 * room);
    for (size_t i = f->count; i < n && rc == 0; i++)
        rc = sqlite_range(d, &d->layout, v[i]);
    if (rc == 0)
        rc = spaces(d, f, v, n);
    free(v);
    return rc;
}

/* --- the walk --- */

static bool is_table(uint8_t type)
{
    return type == INNER_TABLE || type == LEAF_TABLE;
}

static int descend(struct sqlite_cursor *c, uint32_t page)
{
    struct sqlite_frame *f;
    int rc;

    if (c->depth == SQLITE_DEPTH)
        return sqlite_stop(c->d, "a tree that is too deep");
    f = &c->frame[c->depth];
    *f = (struct sqlite_frame){.page = page};
    rc = sqlite_take(c->d, page, c->depth == 0 ? SQLITE_ROOT : SQLITE_TREE,
                     c->depth == 0 ? 0 : c->frame[c->depth - 1].page);
    if (rc == 0)
        rc = load(c->d, f);
    if (rc == 0 && c->depth > 0 && is_table(f->type) != is_table(c->frame[0].type))
        rc = sqlite_stop(c->d, "a tree of two sorts");
    c->depth += rc == 0;
    return rc;
}

int sqlite_first(struct sqlite_cursor *c, struct sqlite_side *d, uint32_t root)
{
    memset(c, 0, sizeof(*c));
    c->d = d;
    return descend(c, root);
}

bool sqlite_is_table(const struct sqlite_cursor *c)
{
    return is_table(c->frame[0].type);
}

static uint32_t right_most(const struct sqlite_side *d, const struct sqlite_frame *f)
{
    return sqlite_u32(d->s.p + sqlite_page(d, f->page).at + head_of(f->page) + 8);
}

/* A step in an inner page; 1: *out is an entry. */
static int inner(struct sqlite_cursor *c, struct sqlite_frame *f, struct sqlite_cell *out)
{
    const bool table = f->type == INNER_TABLE;
    const uint32_t step = f->at++, child = table ? step : step / 2;
    int rc = 0;

    if (child > f->count) {
        c->depth--;
        return 0;
    }
    if (table && step > 0) {
        if ((rc = cell(c->d, f, step - 1, out)) != 0)
            return rc;
        if (c->any && c->last > out->rowid)
            return sqlite_stop(c->d, "rows out of their order");
        c->any = true;
        c->last = out->rowid;
    }
    if (!table && step % 2 == 1) {
        if (child == f->count) { /* behind the last child */
            c->depth--;
            return 0;
        }
        rc = cell(c->d, f, child, out);
        return rc == 0 ? 1 : rc;
    }
    if (child < f->count && (rc = cell(c->d, f, child, out)) != 0)
        return rc;
    return descend(c, child < f->count ? out->left : right_most(c->d, f));
}

int sqlite_next(struct sqlite_cursor *c, struct sqlite_cell *out)
{
    int rc = 0;

    while (c->depth > 0 && rc == 0) {
        struct sqlite_frame *f = &c->frame[c->depth - 1];

        if (f->type == INNER_INDEX || f->type == INNER_TABLE) {
            rc = inner(c, f, out);
        } else if (f->at == f->count) {
            c->depth--;
        } else if ((rc = cell(c->d, f, f->at++, out)) == 0) {
            if (f->type == LEAF_TABLE && c->any && out->rowid <= c->last)
                return sqlite_stop(c->d, "rows out of their order");
            c->any = true;
            c->last = out->rowid;
            return 1;
        }
    }
    return rc;
}
