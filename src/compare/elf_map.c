/* elf_map.c - which address of B is an address of A. */
#include <errno.h>
#include <stdlib.h>

#include "compare/elf_priv.h"

enum compare_class elf_class(const struct elf_pair *p, const struct elf_section *s,
                             enum compare_class class)
{
    if (s->shared || (s->peer >= 0 && p->f[1].section[s->peer].shared))
        return COMPARE_UNEXPLAINED;
    return class;
}

struct look_range elf_range(const struct elf_section *s)
{
    return elf_content(s) ? (struct look_range){s->off, s->size} : (struct look_range){0, 0};
}

/* The last that begins at or before addr. */
static const struct elf_section *at_or_before(const struct elf_file *f, uint64_t addr)
{
    size_t low = 0, high = f->loads;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (f->section[f->loaded[mid]].addr <= addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? NULL : &f->section[f->loaded[low - 1]];
}

const struct elf_section *elf_at(const struct elf_file *f, uint64_t addr)
{
    const struct elf_section *s = at_or_before(f, addr);

    return s != NULL && addr - s->addr < s->size ? s : NULL;
}

bool elf_same_section(const struct elf_pair *p, uint64_t a, uint64_t b)
{
    if (a >= SHN_LORESERVE || b >= SHN_LORESERVE || a == SHN_UNDEF || b == SHN_UNDEF)
        return a == b;
    return a < p->f[0].sections && p->f[0].section[a].peer == (long)b;
}

/* The last block that begins at or before off. */
static const struct elf_block *block_of(const struct elf_section *s, uint64_t off)
{
    size_t low = 0, high = s->maps;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (s->map[mid].a <= off)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? NULL : &s->map[low - 1];
}

bool elf_offset_leads(const struct elf_pair *p, const struct elf_section *s, uint64_t a, uint64_t b)
{
    const struct elf_section *t = &p->f[1].section[s->peer];
    const struct elf_block *k;

    if (a == s->size && b == t->size)
        return true;
    if (s->map == NULL)
        return a == b;
    if ((k = block_of(s, a)) == NULL || a - k->a >= k->na || b < k->b || b - k->b >= k->nb)
        return false;
    return a - k->a == b - k->b;
}

bool elf_leads(const struct elf_pair *p, uint64_t a, uint64_t b)
{
    const struct elf_section *s = at_or_before(&p->f[0], a);
    const struct elf_section *t = s == NULL || s->peer < 0 ? NULL : &p->f[1].section[s->peer];

    if (s == NULL || a - s->addr > s->size) /* outside of all */
        return a == b && elf_at(&p->f[1], b) == NULL;
    if (t == NULL)
        return false;
    if (a - s->addr == s->size) /* the end of one, where none begins */
        return b - t->addr == t->size;
    return elf_at(&p->f[1], b) == t && elf_offset_leads(p, s, a - s->addr, b - t->addr);
}

/* --- addresses that code takes --- */

int elf_base_add(struct elf_pair *p, uint64_t a, uint64_t b)
{
    if (p->bases == p->base_room) {
        size_t room = p->base_room == 0 ? 64 : 2 * p->base_room;
        struct elf_base *more = reallocarray(p->base, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        p->base = more;
        p->base_room = room;
    }
    p->base[p->bases++] = (struct elf_base){a, b};
    p->sorted = false;
    return 0;
}

static int by_a(const void *x, const void *y)
{
    const struct elf_base *a = x, *b = y;

    return a->a < b->a ? -1 : a->a > b->a ? 1 : 0;
}

const struct elf_base *elf_base_of(struct elf_pair *p, uint64_t a)
{
    size_t low = 0, high = p->bases;

    if (!p->sorted && p->bases > 0)
        qsort(p->base, p->bases, sizeof(*p->base), by_a);
    p->sorted = true;
    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (p->base[mid].a <= a)
            low = mid + 1;
        else
            high = mid;
    }
    return low == 0 ? NULL : &p->base[low - 1];
}
