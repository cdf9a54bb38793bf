/* elf_func.c - the functions of a section: where they are (symbols, else .eh_frame), and which is
 * which (names, else their order, held together by their sizes). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_priv.h"

#define AHEAD 64u /* functions without names that may be missing in a row */

void elf_funcs_free(struct elf_funcs *f)
{
    free(f->v);
    f->v = NULL;
    f->n = 0;
}

/* --- where they are --- */

struct found {
    struct elf_func *v;
    size_t n, room;
};

static int add(struct found *o, const struct elf_section *s, uint64_t addr, uint64_t n,
               struct span name)
{
    if (n == 0 || addr < s->addr || addr - s->addr >= s->size || n > s->size - (addr - s->addr))
        return 0;
    if (o->n == o->room) {
        size_t room = o->room == 0 ? 64 : 2 * o->room;
        struct elf_func *more = reallocarray(o->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        o->v = more;
        o->room = room;
    }
    o->v[o->n++] = (struct elf_func){.off = addr - s->addr, .n = n, .name = name, .peer = -1};
    return 0;
}

static int from_symbols(const struct elf_file *f, const struct elf_section *s, uint32_t type,
                        struct found *o)
{
    const size_t index = (size_t)(s - f->section);
    struct elf_symbol y;
    int rc = 0;

    for (size_t i = 0; i < f->sections; i++) {
        if (f->section[i].type != type)
            continue;
        for (uint64_t k = 0; rc == 0 && elf_symbol(f, &f->section[i], k, &y); k++)
            if (y.shndx == index && ELF64_ST_TYPE(y.info) == STT_FUNC && y.name.n > 0)
                rc = add(o, s, f->type == ET_REL ? s->addr + y.value : y.value, y.size, y.name);
    }
    return rc;
}

static int from_frames(const struct elf_file *f, const struct elf_section *s, struct found *o)
{
    const struct elf_section *frames = elf_named(f, ".eh_frame");
    struct elf_record r;
    uint64_t at = 0;
    int rc = 0;

    while (rc == 0 && frames != NULL && f->type != ET_REL && elf_frame_next(f, frames, &at, &r))
        if (r.pc_n > 0)
            rc = add(o, s, r.pc, r.range, span_of("", 0));
    return rc;
}

static int spans_order(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return d != 0 ? d : a.n < b.n ? -1 : a.n > b.n ? 1 : 0;
}

/* By place; of those at one place the one with a name, the longest, the first by name. */
static int by_place(const void *x, const void *y)
{
    const struct elf_func *a = x, *b = y;

    if (a->off != b->off)
        return a->off < b->off ? -1 : 1;
    if ((a->name.n == 0) != (b->name.n == 0))
        return a->name.n == 0 ? 1 : -1;
    if (a->n != b->n)
        return a->n > b->n ? -1 : 1;
    return spans_order(a->name, b->name);
}

void elf_funcs_settle(struct elf_func *v, size_t all, const struct elf_section *s,
                      struct elf_funcs *out)
{
    size_t n = 0;

    if (all > 0)
        qsort(v, all, sizeof(*v), by_place);
    for (size_t i = 0; i < all; i++)
        if (n == 0 || v[i].off >= v[n - 1].off + v[n - 1].n)
            v[n++] = v[i];
    out->v = v;
    out->n = n;
    out->head = n == 0 ? s->size : v[0].off;
    for (size_t i = 0; i < n; i++)
        v[i].tail = (i + 1 < n ? v[i + 1].off : s->size) - v[i].off - v[i].n;
}

static int find(const struct elf_file *f, const struct elf_section *s, struct elf_funcs *out)
{
    struct found o = {NULL, 0, 0};
    int rc = from_symbols(f, s, SHT_SYMTAB, &o);

    if (rc == 0 && o.n == 0)
        rc = from_symbols(f, s, SHT_DYNSYM, &o);
    if (rc == 0)
        rc = from_frames(f, s, &o);
    elf_funcs_settle(o.v, o.n, s, out);
    return rc;
}

/* --- which is which --- */

struct by {
    const struct elf_func *f;
    size_t i;
};

static int by_name(const void *x, const void *y)
{
    const struct by *a = x, *b = y;
    int d = spans_order(a->f->name, b->f->name);

    return d != 0 ? d : a->i < b->i ? -1 : a->i > b->i ? 1 : 0;
}

static struct by *names(const struct elf_funcs *f)
{
    struct by *v = calloc(f->n + 1, sizeof(*v));

    for (size_t i = 0; v != NULL && i < f->n; i++)
        v[i] = (struct by){&f->v[i], i};
    if (v != NULL && f->n > 0)
        qsort(v, f->n, sizeof(*v), by_name);
    return v;
}

static int match_names(struct elf_funcs f[2])
{
    struct by *v[2] = {names(&f[0]), names(&f[1])};
    int rc = v[0] == NULL || v[1] == NULL ? -ENOMEM : 0;
    size_t i = 0, k = 0;

    while (rc == 0 && i < f[0].n && k < f[1].n) {
        int d = spans_order(v[0][i].f->name, v[1][k].f->name);

        if (d == 0 && v[0][i].f->name.n > 0) {
            f[0].v[v[0][i].i].peer = (long)v[1][k].i;
            f[1].v[v[1][k].i].peer = (long)v[0][i].i;
        }
        i += d <= 0;
        k += d >= 0;
    }
    free(v[0]);
    free(v[1]);
    return rc;
}

/* The functions without a name, by their indices. */
struct nameless {
    const struct elf_funcs *f;
    size_t *v, n;
};

static int nameless_of(const struct elf_funcs *f, struct nameless *o)
{
    *o = (struct nameless){.f = f, .v = calloc(f->n + 1, sizeof(*o->v))};
    if (o->v == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].name.n == 0)
            o->v[o->n++] = i;
    return 0;
}

static bool same_size(const struct nameless o[2], size_t i, size_t k)
{
    return i < o[0].n && k < o[1].n && o[0].f->v[o[0].v[i]].n == o[1].f->v[o[1].v[k]].n;
}

/* Two in a row have the same sizes, or one does at the end. */
static bool agree(const struct nameless o[2], size_t i, size_t k)
{
    return same_size(o, i, k) &&
           (same_size(o, i + 1, k + 1) || (i + 1 == o[0].n && k + 1 == o[1].n));
}

/* Skips the fewest after which some agree again; none skipped where nothing does, or where the one
 * is another and those behind it agree. */
static void resync(const struct nameless o[2], size_t *i, size_t *k)
{
    if (agree(o, *i + 1, *k + 1))
        return;
    for (size_t skip = 1; skip < AHEAD; skip++)
        for (size_t a = 0; a <= skip; a++)
            if (agree(o, *i + a, *k + skip - a)) {
                *i += a;
                *k += skip - a;
                return;
            }
}

static int match_order(struct elf_funcs f[2])
{
    struct nameless o[2] = {{NULL, NULL, 0}, {NULL, NULL, 0}};
    int rc = nameless_of(&f[0], &o[0]);

    if (rc == 0)
        rc = nameless_of(&f[1], &o[1]);
    for (size_t i = 0, k = 0; rc == 0 && i < o[0].n && k < o[1].n; i++, k++) {
        if (!same_size(o, i, k))
            resync(o, &i, &k);
        f[0].v[o[0].v[i]].peer = (long)o[1].v[k];
        f[1].v[o[1].v[k]].peer = (long)o[0].v[i];
    }
    free(o[0].v);
    free(o[1].v);
    return rc;
}

/* --- the map: each function with its peer, and what lies behind each with what lies behind its
 * peer --- */

static int make_map(struct elf_section *s, const struct elf_funcs f[2])
{
    size_t n = 0;

    if ((s->map = calloc(2 * f[0].n + 1, sizeof(*s->map))) == NULL)
        return -ENOMEM;
    s->map[n++] = (struct elf_block){0, 0, f[0].head, f[1].head};
    for (size_t i = 0; i < f[0].n; i++) {
        const struct elf_func *a = &f[0].v[i], *b = a->peer < 0 ? NULL : &f[1].v[a->peer];

        if (b == NULL)
            continue;
        s->map[n++] = (struct elf_block){a->off, b->off, a->n, b->n};
        s->map[n++] = (struct elf_block){a->off + a->n, b->off + b->n, a->tail, b->tail};
    }
    s->maps = n;
    return 0;
}

int elf_funcs_match(struct elf_pair *p, struct elf_section *s, struct elf_funcs f[2])
{
    int rc = find(&p->f[0], s, &f[0]);

    if (rc == 0)
        rc = find(&p->f[1], &p->f[1].section[s->peer], &f[1]);
    return rc != 0 ? rc : elf_funcs_pair(p, s, f);
}

int elf_funcs_pair(struct elf_pair *p, struct elf_section *s, struct elf_funcs f[2])
{
    int rc = match_names(f);

    if (rc == 0)
        rc = match_order(f);
    if (rc == 0)
        rc = make_map(s, f);
    for (size_t i = 0; rc == 0 && i < f[0].n; i++)
        p->moved = p->moved || f[0].v[i].peer < 0 || f[0].v[i].off != f[1].v[f[0].v[i].peer].off ||
                   f[0].v[i].n != f[1].v[f[0].v[i].peer].n;
    return rc;
}
