/* elf_names.c - symbols, matched by name, and tables of names. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_priv.h"

static int spans_order(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return d != 0 ? d : a.n < b.n ? -1 : a.n > b.n ? 1 : 0;
}

/* --- symbols --- */

struct one {
    struct elf_symbol y;
    size_t i;
};

static int by_name(const void *x, const void *y)
{
    const struct one *a = x, *b = y;
    int d = spans_order(a->y.name, b->y.name);

    return d != 0 ? d : a->i < b->i ? -1 : a->i > b->i ? 1 : 0;
}

static struct one *sorted(const struct elf_file *f, const struct elf_section *s, size_t *n)
{
    struct one *v;

    *n = (size_t)elf_symbols(f, s);
    if ((v = calloc(*n + 1, sizeof(*v))) == NULL)
        return NULL;
    for (size_t i = 0; i < *n; i++) {
        v[i].i = i;
        (void)elf_symbol(f, s, i, &v[i].y);
    }
    if (*n > 0)
        qsort(v, *n, sizeof(*v), by_name);
    return v;
}

static bool same_place(const struct elf_pair *p, const struct elf_symbol *a, uint64_t va,
                       uint64_t vb)
{
    if (a->shndx == SHN_UNDEF || a->shndx >= SHN_LORESERVE || ELF64_ST_TYPE(a->info) == STT_TLS ||
        a->shndx >= p->f[0].sections)
        return va == vb;
    if (p->f[0].type == ET_REL)
        return elf_offset_leads(p, &p->f[0].section[a->shndx], va, vb);
    return elf_leads(p, va, vb);
}

struct symbols {
    const struct elf_section *versions[2];
    struct elf_pair *p;
    const struct elf_section *s, *t;
    size_t each;
    struct look_range a, b; /* of entries in a row that follow */
    bool open, reordered, names_differ;
};

static struct span names_of(const struct elf_file *f, const struct elf_section *s)
{
    return s->link < f->sections ? elf_bytes(f, &f->section[s->link]) : span_of("", 0);
}

/* Their names are equal; they lie elsewhere only in tables that differ, and in them. */
static bool same_name(const struct symbols *x, const struct elf_symbol *a,
                      const struct elf_symbol *b)
{
    return a->at == b->at || (x->names_differ && a->at < names_of(&x->p->f[0], x->s).n &&
                              b->at < names_of(&x->p->f[1], x->t).n);
}

/* The versions of dynamic symbols: indices in a table that lies beside. */
static const struct elf_section *versions_of(const struct elf_file *f, const struct elf_section *s)
{
    for (size_t k = 0; s->type == SHT_DYNSYM && k < f->sections; k++)
        if (f->section[k].type == SHT_GNU_versym && elf_content(&f->section[k]))
            return &f->section[k];
    return NULL;
}

static uint64_t version(const struct symbols *x, int side, size_t i)
{
    const struct elf_section *s = x->versions[side];

    return s != NULL && i < s->size / 2 ? elf_get(&x->p->f[side], s->off + 2 * i, 2) : 0;
}

static bool same_symbol(const struct symbols *x, const struct elf_symbol *a,
                        const struct elf_symbol *b)
{
    const struct elf_pair *p = x->p;

    return same_name(x, a, b) && a->info == b->info && a->other == b->other &&
           elf_same_section(p, a->shndx, b->shndx) && same_place(p, a, a->value, b->value) &&
           (a->size == b->size || (ELF64_ST_TYPE(a->info) == STT_FUNC &&
                                   same_place(p, a, a->value + a->size, b->value + b->size)));
}

static struct look_range entry(const struct elf_section *s, size_t each, size_t i)
{
    return (struct look_range){s->off + i * each, each};
}

static int tell_run(struct symbols *x)
{
    const bool open = x->open;

    x->open = false;
    return open ? look_pair(x->p->l, x->a, x->b, elf_class(x->p, x->s, COMPARE_DERIVED),
                            "symbols: addresses that lead to the same")
                : 0;
}

static int two(struct symbols *x, const struct one *a, const struct one *b)
{
    const struct look_range ra = entry(x->s, x->each, a->i), rb = entry(x->t, x->each, b->i);
    const bool same = same_symbol(x, &a->y, &b->y) && version(x, 0, a->i) == version(x, 1, b->i);
    char name[ELF_NAME];
    int rc = 0;

    if (!same || !x->open || x->a.at + x->a.n != ra.at || x->b.at + x->b.n != rb.at)
        rc = tell_run(x);
    if (rc != 0)
        return rc;
    if (same) {
        x->a = (struct look_range){x->open ? x->a.at : ra.at, x->open ? x->a.n + ra.n : ra.n};
        x->b = (struct look_range){x->open ? x->b.at : rb.at, x->open ? x->b.n + rb.n : rb.n};
        x->open = true;
        return 0;
    }
    (void)elf_text(name, a->y.name);
    rc = look_find(x->p->l, COMPARE_UNEXPLAINED,
                   "symbol %s: 0x%" PRIx64 ", %" PRIu64 " bytes | 0x%" PRIx64 ", %" PRIu64 " bytes",
                   name, a->y.value, a->y.size, b->y.value, b->y.size);
    return rc != 0 ? rc
                   : look_pair(x->p->l, ra, rb, COMPARE_UNEXPLAINED, "entry of symbol %s", name);
}

static int alone(struct symbols *x, int side, const struct one *o)
{
    const struct look_range r = entry(side == 0 ? x->s : x->t, x->each, o->i), none = {0, 0};
    char name[ELF_NAME];
    int rc = tell_run(x);

    return rc != 0
               ? rc
               : look_pair(x->p->l, side == 0 ? r : none, side == 1 ? r : none, COMPARE_UNEXPLAINED,
                           "symbol %s is only in %c", elf_text(name, o->y.name), "AB"[side]);
}

static int by_index(const void *x, const void *y)
{
    const struct one *const *a = x, *const *b = y;

    return a[0]->i < b[0]->i ? -1 : a[0]->i > b[0]->i ? 1 : 0;
}

/* The pairs in the order of A, so that entries in a row are told together. */
static int pairs(struct symbols *x, const struct one *(*v)[2], size_t n)
{
    int rc = 0;

    if (n > 0)
        qsort(v, n, sizeof(*v), by_index);
    for (size_t i = 0; i < n && rc == 0; i++) {
        x->reordered = x->reordered || (i > 0 && v[i][1]->i < v[i - 1][1]->i);
        rc = two(x, v[i][0], v[i][1]);
    }
    return rc != 0 ? rc : tell_run(x);
}

static int merge(struct symbols *x, const struct one *a, size_t n, const struct one *b, size_t m)
{
    const struct one *(*v)[2] = calloc(n + 1, sizeof(*v));
    size_t i = 0, k = 0, found = 0;
    int rc = v == NULL ? -ENOMEM : 0;

    while (rc == 0 && (i < n || k < m)) {
        int d = i == n ? 1 : k == m ? -1 : spans_order(a[i].y.name, b[k].y.name);

        if (d == 0) {
            v[found][0] = &a[i];
            v[found++][1] = &b[k];
        } else {
            rc = alone(x, d > 0, d > 0 ? &b[k] : &a[i]);
        }
        i += d <= 0;
        k += d >= 0;
    }
    if (rc == 0)
        rc = pairs(x, v, found);
    free(v);
    return rc;
}

int elf_symbols_compare(struct elf_pair *p, struct elf_section *s)
{
    struct symbols x = {.p = p,
                        .s = s,
                        .t = &p->f[1].section[s->peer],
                        .each = p->f[0].wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym)};
    size_t n = 0, m = 0;
    struct one *a, *b;
    int rc;

    x.versions[0] = versions_of(&p->f[0], s);
    x.versions[1] = versions_of(&p->f[1], x.t);
    x.names_differ = !span_eq(names_of(&p->f[0], s), names_of(&p->f[1], x.t));
    a = sorted(&p->f[0], s, &n);
    b = sorted(&p->f[1], x.t, &m);
    rc = a == NULL || b == NULL ? -ENOMEM : merge(&x, a, n, b, m);
    if (rc == 0 && x.reordered)
        rc = look_find(p->l, COMPARE_METADATA, "the symbols of %s are in another order",
                       s->type == SHT_DYNSYM ? ".dynsym" : ".symtab");
    free(a);
    free(b);
    return rc;
}

/* --- tables of names --- */

static int by_text(const void *x, const void *y)
{
    return spans_order(*(const struct span *)x, *(const struct span *)y);
}

static struct span *split(struct span s, size_t *n)
{
    struct span *v;

    *n = 0;
    for (size_t at = 0; at < s.n; at += elf_string(s, at).n + 1)
        ++*n;
    if ((v = calloc(*n + 1, sizeof(*v))) == NULL)
        return NULL;
    *n = 0;
    for (size_t at = 0; at < s.n; at += v[*n - 1].n + 1)
        v[(*n)++] = elf_string(s, at);
    if (*n > 0)
        qsort(v, *n, sizeof(*v), by_text);
    return v;
}

/* Says which are only on one side; *more: there are any. */
static int only(struct elf_pair *p, const struct elf_section *s, const struct span *a, size_t n,
                const struct span *b, size_t m, bool *more)
{
    char table[ELF_NAME], name[ELF_NAME];
    size_t i = 0, k = 0;
    int rc = 0;

    (void)elf_text(table, s->name);
    while (rc == 0 && (i < n || k < m)) {
        int d = i == n ? 1 : k == m ? -1 : spans_order(a[i], b[k]);

        if (d != 0) {
            *more = true;
            rc = look_find(p->l, COMPARE_UNEXPLAINED, "name \"%s\" of %s is only in %c",
                           elf_text(name, d > 0 ? b[k] : a[i]), table, "AB"[d > 0]);
        }
        i += d <= 0;
        k += d >= 0;
    }
    return rc;
}

int elf_strings(struct elf_pair *p, struct elf_section *s)
{
    const struct elf_section *t = &p->f[1].section[s->peer];
    struct span a = elf_bytes(&p->f[0], s), b = elf_bytes(&p->f[1], t);
    size_t n = 0, m = 0;
    struct span *x, *y;
    bool more = false;
    char table[ELF_NAME];
    int rc;

    if (span_eq(a, b))
        return look_pair(p->l, elf_range(s), elf_range(t), COMPARE_UNEXPLAINED, "names");
    x = split(a, &n);
    y = split(b, &m);
    more = a.n > 0 && b.n > 0 && (a.p[a.n - 1] == 0) != (b.p[b.n - 1] == 0); /* cut */
    rc = x == NULL || y == NULL ? -ENOMEM : only(p, s, x, n, y, m, &more);
    if (rc == 0)
        rc = look_pair(p->l, elf_range(s), elf_range(t),
                       elf_class(p, s, more ? COMPARE_UNEXPLAINED : COMPARE_METADATA),
                       more ? "names of %s" : "the names of %s are in another order",
                       elf_text(table, s->name));
    free(x);
    free(y);
    return rc;
}
