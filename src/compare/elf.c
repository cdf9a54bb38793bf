/* elf.c - ELF: headers, segments, sections in pairs, and the padding between. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_priv.h"

#define PADDED_MAX 4096u /* sections whose padding is looked at */

static bool is(struct span side, const char *name)
{
    (void)name;
    return side.n >= sizeof(Elf32_Ehdr) && memcmp(side.p, ELFMAG, SELFMAG) == 0;
}

/* --- pairs of sections: the k-th of a name with the k-th of it --- */

struct named {
    struct span name;
    size_t i;
};

static int by_name(const void *x, const void *y)
{
    const struct named *a = x, *b = y;
    size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
    int d = n == 0 ? 0 : memcmp(a->name.p, b->name.p, n);

    if (d == 0 && a->name.n != b->name.n)
        d = a->name.n < b->name.n ? -1 : 1;
    return d != 0 ? d : a->i < b->i ? -1 : a->i > b->i ? 1 : 0;
}

static bool same_name(const struct named *a, const struct named *b)
{
    return span_eq(a->name, b->name);
}

static struct named *sorted_names(const struct elf_file *f)
{
    struct named *v = calloc(f->sections + 1, sizeof(*v));

    for (size_t i = 0; v != NULL && i < f->sections; i++)
        v[i] = (struct named){f->section[i].name, i};
    if (v != NULL && f->sections > 0)
        qsort(v, f->sections, sizeof(*v), by_name);
    return v;
}

static int pair_sections(struct elf_pair *p)
{
    struct named *v[2] = {sorted_names(&p->f[0]), sorted_names(&p->f[1])};
    size_t i = 0, k = 0;
    int rc = v[0] == NULL || v[1] == NULL ? -ENOMEM : 0;

    while (rc == 0 && i < p->f[0].sections && k < p->f[1].sections) {
        if (same_name(&v[0][i], &v[1][k])) {
            struct elf_section *a = &p->f[0].section[v[0][i].i], *b = &p->f[1].section[v[1][k].i];

            a->peer = (long)v[1][k].i;
            b->peer = (long)v[0][i].i;
            p->shifted = p->shifted || (elf_content(a) && elf_content(b) &&
                                        (a->off != b->off || a->size != b->size));
            p->moved = p->moved || a->addr != b->addr || a->size != b->size;
            i++;
            k++;
        } else if (by_name(&v[0][i], &v[1][k]) < 0) {
            i++;
        } else {
            k++;
        }
    }
    free(v[0]);
    free(v[1]);
    return rc;
}

/* --- fields --- */

struct field {
    const char *name;
    unsigned at[2], n[2]; /* of 64 and of 32 bit */
};
#define FIELD_OF(type, member)                                                                     \
    {                                                                                              \
#member, {offsetof(Elf64_##type, member), offsetof(Elf32_##type, member) },                \
        {                                                                                          \
            sizeof(((Elf64_##type *)NULL)->member), sizeof(((Elf32_##type *)NULL)->member)         \
        }                                                                                          \
    }

static uint64_t value(const struct elf_file *f, uint64_t at, const struct field *d)
{
    return elf_get(f, at + d->at[f->wide ? 0 : 1], d->n[f->wide ? 0 : 1]);
}

static int claim_field(struct elf_pair *p, uint64_t at_a, uint64_t at_b, const struct field *d,
                       enum compare_class class, const char *of)
{
    const unsigned k = p->f[0].wide ? 0 : 1;

    return look_pair(p->l, (struct look_range){at_a + d->at[k], d->n[k]},
                     (struct look_range){at_b + d->at[k], d->n[k]}, class,
                     "%s: %s is 0x%" PRIx64 " and 0x%" PRIx64, of, d->name,
                     value(&p->f[0], at_a, d), value(&p->f[1], at_b, d));
}

static const struct field in_header[] = {
    FIELD_OF(Ehdr, e_type),     FIELD_OF(Ehdr, e_machine),   FIELD_OF(Ehdr, e_version),
    FIELD_OF(Ehdr, e_entry),    FIELD_OF(Ehdr, e_phoff),     FIELD_OF(Ehdr, e_shoff),
    FIELD_OF(Ehdr, e_flags),    FIELD_OF(Ehdr, e_ehsize),    FIELD_OF(Ehdr, e_phentsize),
    FIELD_OF(Ehdr, e_phnum),    FIELD_OF(Ehdr, e_shentsize), FIELD_OF(Ehdr, e_shnum),
    FIELD_OF(Ehdr, e_shstrndx),
};

/* What is compared entry by entry elsewhere, or leads to the same. */
static bool header_follows(const struct elf_pair *p, const char *name)
{
    if (strcmp(name, "e_shoff") == 0)
        return (p->f[0].shoff == 0) == (p->f[1].shoff == 0);
    if (strcmp(name, "e_shnum") == 0)
        return true; /* what there is more has no pair, and is told as that */
    if (strcmp(name, "e_shstrndx") == 0)
        return elf_same_section(p, p->f[0].names, p->f[1].names);
    return strcmp(name, "e_entry") == 0 && elf_leads(p, p->f[0].entry, p->f[1].entry);
}

static int header(struct elf_pair *p)
{
    int rc = look_pair(p->l, (struct look_range){0, EI_NIDENT}, (struct look_range){0, EI_NIDENT},
                       COMPARE_UNEXPLAINED, "ELF header: e_ident differs");

    for (size_t i = 0; i < ARRAY_LEN(in_header) && rc == 0; i++)
        rc = claim_field(p, 0, 0, &in_header[i],
                         header_follows(p, in_header[i].name) ? COMPARE_DERIVED
                                                              : COMPARE_UNEXPLAINED,
                         "ELF header");
    return rc;
}

/* --- headers of sections --- */

static const struct field in_section[] = {
    FIELD_OF(Shdr, sh_name),    FIELD_OF(Shdr, sh_type),   FIELD_OF(Shdr, sh_flags),
    FIELD_OF(Shdr, sh_addr),    FIELD_OF(Shdr, sh_offset), FIELD_OF(Shdr, sh_size),
    FIELD_OF(Shdr, sh_link),    FIELD_OF(Shdr, sh_info),   FIELD_OF(Shdr, sh_addralign),
    FIELD_OF(Shdr, sh_entsize),
};

/* What sh_info of a table of symbols says: how many it begins with are local. */
static bool locals(const struct elf_file *f, const struct elf_section *s)
{
    struct elf_symbol y;
    uint64_t n = 0;

    if (s->type != SHT_SYMTAB && s->type != SHT_DYNSYM)
        return false;
    while (elf_symbol(f, s, n, &y) && ELF64_ST_BIND(y.info) == STB_LOCAL)
        n++;
    return n == s->info;
}

static bool names_differ(const struct elf_pair *p)
{
    const struct elf_file *a = &p->f[0], *b = &p->f[1];

    return a->names < a->sections && b->names < b->sections &&
           !span_eq(elf_bytes(a, &a->section[a->names]), elf_bytes(b, &b->section[b->names]));
}

/* Linkers put a section where its own alignment allows; one that was shifted over zeros of its
 * neighbor does not lie there.  Alignments above a page are memory's alone. */
static bool aligned(const struct elf_section *s)
{
    return s->align <= 1 || s->align > 4096 || s->off % s->align == 0;
}

/* The content is compared wherever it lies; that it lies where it is loaded from was checked. */
static bool section_follows(const struct elf_pair *p, const struct elf_section *a,
                            const struct elf_section *b, const char *name)
{
    if (a->shared || b->shared || a->outside || b->outside || a->type == SHT_NULL)
        return false;
    if (strcmp(name, "sh_name") == 0)
        return names_differ(p);
    if (strcmp(name, "sh_offset") == 0)
        return elf_content(a) && elf_content(b) ? aligned(a) && aligned(b)
                                                : p->shifted; /* an empty one follows */
    if (strcmp(name, "sh_size") == 0)
        return elf_content(a) && elf_content(b);
    if (strcmp(name, "sh_addr") == 0)
        return (a->flags & b->flags & SHF_ALLOC) != 0 && p->f[0].segments > 0 &&
               p->f[1].segments > 0;
    if (strcmp(name, "sh_flags") == 0 || strcmp(name, "sh_addralign") == 0)
        return (a->flags ^ b->flags) == SHF_COMPRESSED; /* the content is compared expanded */
    if (strcmp(name, "sh_link") == 0)
        return elf_same_section(p, a->link, b->link);
    if (strcmp(name, "sh_info") == 0)
        return (locals(&p->f[0], a) && locals(&p->f[1], b)) ||
               ((a->type == SHT_REL || a->type == SHT_RELA) &&
                elf_same_section(p, a->info, b->info));
    return false;
}

static int section_header(struct elf_pair *p, const struct elf_section *a,
                          const struct elf_section *b)
{
    const struct look_range ra = {a->head, p->f[0].shentsize}, rb = {b->head, p->f[1].shentsize};
    char name[ELF_NAME], of[ELF_NAME + 32];
    bool follows = true;
    int rc = 0;

    (void)elf_text(name, a->name);
    for (size_t i = 0; i < ARRAY_LEN(in_section) && follows; i++)
        follows =
            value(&p->f[0], a->head, &in_section[i]) == value(&p->f[1], b->head, &in_section[i]) ||
            section_follows(p, a, b, in_section[i].name);
    if (follows)
        return look_pair(p->l, ra, rb, COMPARE_DERIVED,
                         "header of section %s: where it lies, its size, or its place in tables",
                         name);
    (void)snprintf(of, sizeof(of), "header of section %s", name);
    for (size_t i = 0; i < ARRAY_LEN(in_section) && rc == 0; i++)
        rc = claim_field(p, a->head, b->head, &in_section[i],
                         section_follows(p, a, b, in_section[i].name) ? COMPARE_DERIVED
                                                                      : COMPARE_UNEXPLAINED,
                         of);
    return rc;
}

static int only(struct elf_pair *p, int side, const struct elf_section *s)
{
    const struct look_range none = {0, 0}, head = {s->head, p->f[side].shentsize};
    const struct look_range all = elf_range(s);
    char name[ELF_NAME];
    int rc = look_find(p->l, COMPARE_UNEXPLAINED, "section %s is only in %c",
                       elf_text(name, s->name), "AB"[side]);

    if (rc == 0)
        rc = look_pair(p->l, side == 0 ? head : none, side == 1 ? head : none, COMPARE_UNEXPLAINED,
                       "header of section %s, which is only in %c", name, "AB"[side]);
    return rc != 0 ? rc
                   : look_pair(p->l, side == 0 ? all : none, side == 1 ? all : none,
                               COMPARE_UNEXPLAINED, "content of section %s, which is only in %c",
                               name, "AB"[side]);
}

static int order(struct elf_pair *p)
{
    long last = -1;

    for (size_t i = 0; i < p->f[0].sections; i++) {
        if (p->f[0].section[i].peer < 0)
            continue;
        if (p->f[0].section[i].peer < last)
            return look_find(p->l, COMPARE_METADATA, "the sections are in another order");
        last = p->f[0].section[i].peer;
    }
    return 0;
}

/* --- segments --- */

static const struct field in_segment[] = {
    FIELD_OF(Phdr, p_type),  FIELD_OF(Phdr, p_flags), FIELD_OF(Phdr, p_offset),
    FIELD_OF(Phdr, p_vaddr), FIELD_OF(Phdr, p_paddr), FIELD_OF(Phdr, p_filesz),
    FIELD_OF(Phdr, p_memsz), FIELD_OF(Phdr, p_align),
};

/* The first and last section in a segment: by bytes of the file, by memory. */
struct extent {
    long first, last, top;
};

static struct extent extent_of(const struct elf_file *f, const struct elf_segment *g)
{
    struct extent e = {-1, -1, -1};

    for (size_t i = 0; i < f->sections; i++) {
        const struct elf_section *s = &f->section[i];

        if ((s->flags & SHF_ALLOC) == 0 || s->size == 0 || s->addr < g->vaddr ||
            s->addr - g->vaddr > g->memsz || s->size > g->memsz - (s->addr - g->vaddr))
            continue;
        if (elf_content(s) && (e.first < 0 || s->off < f->section[e.first].off))
            e.first = (long)i;
        if (elf_content(s) && (e.last < 0 || s->off > f->section[e.last].off))
            e.last = (long)i;
        if (e.top < 0 || s->addr + s->size > f->section[e.top].addr + f->section[e.top].size)
            e.top = (long)i;
    }
    return e;
}

/* It begins and ends as far from the same sections: then its numbers follow from theirs. */
static bool segment_follows(const struct elf_pair *p, size_t i)
{
    const struct elf_segment *a = &p->f[0].segment[i], *b = &p->f[1].segment[i];
    struct extent x = extent_of(&p->f[0], a), y = extent_of(&p->f[1], b);
    const struct elf_section *s = p->f[0].section, *t = p->f[1].section;

    if (x.first < 0 || y.first < 0 || s[x.first].peer != y.first || s[x.last].peer != y.last ||
        s[x.top].peer != y.top || s[x.first].shared || t[y.first].shared)
        return false;
    return (a->off == b->off || s[x.first].off - a->off == t[y.first].off - b->off) &&
           (a->vaddr == b->vaddr || s[x.first].addr - a->vaddr == t[y.first].addr - b->vaddr) &&
           a->paddr - a->vaddr == b->paddr - b->vaddr &&
           a->off + a->filesz - s[x.last].off - s[x.last].size ==
               b->off + b->filesz - t[y.last].off - t[y.last].size &&
           a->vaddr + a->memsz - s[x.top].addr - s[x.top].size ==
               b->vaddr + b->memsz - t[y.top].addr - t[y.top].size;
}

static int segment(struct elf_pair *p, size_t i)
{
    const uint64_t at_a = p->f[0].phoff + i * p->f[0].phentsize;
    const uint64_t at_b = p->f[1].phoff + i * p->f[1].phentsize;
    const bool follows = segment_follows(p, i);
    char of[48];
    int rc = 0;

    (void)snprintf(of, sizeof(of), "segment %zu", i);
    for (size_t k = 0; k < ARRAY_LEN(in_segment) && rc == 0; k++) {
        const char *name = in_segment[k].name;
        const bool hard = strcmp(name, "p_type") == 0 || strcmp(name, "p_flags") == 0 ||
                          strcmp(name, "p_align") == 0;

        rc = claim_field(p, at_a, at_b, &in_segment[k],
                         follows && !hard ? COMPARE_DERIVED : COMPARE_UNEXPLAINED, of);
    }
    return rc;
}

static int segments(struct elf_pair *p)
{
    const size_t n[2] = {p->f[0].segments, p->f[1].segments};
    size_t both = n[0] < n[1] ? n[0] : n[1];
    int rc = 0;

    for (size_t i = 0; i < both && rc == 0; i++)
        rc = segment(p, i);
    for (int side = 0; side < 2 && rc == 0; side++) {
        const struct look_range none = {0, 0};
        const struct look_range more = {p->f[side].phoff + both * p->f[side].phentsize,
                                        (n[side] - both) * p->f[side].phentsize};

        if (n[side] > both)
            rc = look_pair(p->l, side == 0 ? more : none, side == 1 ? more : none,
                           COMPARE_UNEXPLAINED, "segments that are only in %c", "AB"[side]);
    }
    return rc;
}

/* --- padding before what both have: zeros, as many as alignment may want --- */

static bool zeros(const struct elf_file *f, struct look_range r)
{
    for (uint64_t i = 0; i < r.n; i++)
        if (f->all.p[r.at + i] != 0)
            return false;
    return true;
}

/* The end of what lies before at on one side. */
static uint64_t before(const struct elf_file *f, uint64_t at)
{
    uint64_t best = f->ehsize <= at ? f->ehsize : 0;
    const uint64_t end = f->phoff + f->segments * f->phentsize;

    best = end <= at && end > best ? end : best;
    for (size_t i = 0; i < f->sections; i++)
        if (elf_content(&f->section[i])) {
            uint64_t last = f->section[i].off + f->section[i].size;

            best = f->section[i].off < at && last > best ? last : best;
        }
    return best;
}

static int padding(struct elf_pair *p, uint64_t at_a, uint64_t at_b, uint64_t align)
{
    struct look_range r[2];
    const uint64_t at[2] = {at_a, at_b};

    for (int side = 0; side < 2; side++) {
        uint64_t from = before(&p->f[side], at[side]);

        if (from > at[side] || at[side] > p->f[side].all.n || at[side] - from >= align ||
            align > 65536)
            return 0; /* not only alignment: left to the account */
        r[side] = (struct look_range){from, at[side] - from};
        if (!zeros(&p->f[side], r[side]))
            return 0;
    }
    return look_pair(p->l, r[0], r[1], COMPARE_DERIVED, "zeros that align what follows");
}

static int paddings(struct elf_pair *p)
{
    uint64_t page = 8;
    int rc = 0;

    for (size_t i = 0; i < p->f[0].segments; i++)
        if (p->f[0].segment[i].type == PT_LOAD && p->f[0].segment[i].align > page)
            page = p->f[0].segment[i].align;
    page = page > 65536 ? 65536 : page;
    if (p->f[0].sections > PADDED_MAX || p->f[1].sections > PADDED_MAX)
        return 0; /* what lies before each is looked for among all */
    for (size_t i = 0; i < p->f[0].sections && rc == 0; i++) {
        const struct elf_section *s = &p->f[0].section[i];
        const struct elf_section *t = s->peer < 0 ? NULL : &p->f[1].section[s->peer];

        if (t != NULL && elf_content(s) && elf_content(t))
            rc = padding(p, s->off, t->off,
                         (s->flags & SHF_ALLOC) != 0 ? page
                         : s->align > t->align       ? s->align
                                                     : t->align);
    }
    if (rc == 0 && p->f[0].shoff != 0 && p->f[1].shoff != 0)
        rc = padding(p, p->f[0].shoff, p->f[1].shoff, 8);
    return rc;
}

/* --- all of it --- */

static int sections(struct elf_pair *p)
{
    int rc = 0;

    /* code first: it says where everything else may lead to */
    for (int code = 1; code >= 0; code--)
        for (size_t i = 0; i < p->f[0].sections && rc == 0; i++) {
            struct elf_section *s = &p->f[0].section[i];

            if (s->peer >= 0 && ((s->flags & SHF_EXECINSTR) != 0) == (code == 1))
                rc = elf_part(p, s);
        }
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < p->f[side].sections && rc == 0; i++) {
            struct elf_section *s = &p->f[side].section[i];

            if (s->peer < 0)
                rc = only(p, side, s);
            else if (side == 0)
                rc = section_header(p, s, &p->f[1].section[s->peer]);
        }
    return rc;
}

/* Where in B lies what lies somewhere in A, before anything is compared. */
static int maps(struct elf_pair *p)
{
    int rc = 0;

    if ((p->code = calloc(p->f[0].sections + 1, sizeof(*p->code))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < p->f[0].sections && rc == 0; i++) {
        struct elf_section *s = &p->f[0].section[i];

        if (s->peer < 0 || !elf_content(s) || !elf_content(&p->f[1].section[s->peer]))
            continue;
        rc = (s->flags & SHF_EXECINSTR) != 0 ? elf_funcs_match(p, s, p->code[i])
                                             : elf_map_data(p, s);
    }
    return rc;
}

static int all(struct elf_pair *p)
{
    int rc = pair_sections(p);

    if (rc == 0 && (rc = maps(p)) == 0 && (rc = sections(p)) == 0 && (rc = order(p)) == 0 &&
        (rc = header(p)) == 0 && (rc = segments(p)) == 0)
        rc = paddings(p);
    for (size_t i = 0; p->code != NULL && i < p->f[0].sections; i++) {
        elf_funcs_free(&p->code[i][0]);
        elf_funcs_free(&p->code[i][1]);
    }
    free(p->base);
    free(p->code);
    return rc;
}

/* NULL: they can be compared. */
static const char *unfit(struct elf_pair *p, int *rc)
{
    const char *why = NULL;

    for (int side = 0; side < 2; side++) {
        *rc = elf_read(&p->f[side], look_side(p->l, side), &why);
        if (*rc == -EBADMSG)
            *rc = 0;
        else if (*rc == 0)
            why = NULL;
        if (*rc != 0 || why != NULL)
            return why;
    }
    if (p->f[0].wide != p->f[1].wide || p->f[0].big != p->f[1].big ||
        p->f[0].machine != p->f[1].machine)
        return "they are for different machines";
    return NULL;
}

static int compare(struct look *l)
{
    struct elf_pair p = {.l = l};
    int rc;
    const char *why = unfit(&p, &rc);

    if (rc == 0 && why == NULL)
        rc = all(&p);
    else if (rc == 0 && (rc = look_find(l, COMPARE_UNEXPLAINED, "as ELF: %s", why)) == 0)
        rc = bytes_format.compare(l);
    elf_done(&p.f[0]);
    elf_done(&p.f[1]);
    return rc;
}

const struct look_format elf_format = {"ELF", is, compare};
