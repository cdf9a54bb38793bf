/* elf_read.c - the tables of an ELF file, within its bounds (System V gABI, chapters 4 and 5). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_priv.h"

#define SEGMENTS_MAX 1024u

uint64_t elf_get(const struct elf_file *f, uint64_t at, unsigned n)
{
    uint64_t v = 0;

    if (at > f->all.n || n > f->all.n - at)
        return 0;
    for (unsigned i = 0; i < n; i++)
        v = v << 8 | f->all.p[at + (f->big ? i : n - 1 - i)];
    return v;
}

uint64_t elf_field(const struct elf_file *f, uint64_t at, unsigned at64, unsigned n64,
                   unsigned at32, unsigned n32)
{
    return f->wide ? elf_get(f, at + at64, n64) : elf_get(f, at + at32, n32);
}

#define FIELD(type, member)                                                                        \
    elf_field(f, at, offsetof(Elf64_##type, member), sizeof(((Elf64_##type *)NULL)->member),       \
              offsetof(Elf32_##type, member), sizeof(((Elf32_##type *)NULL)->member))

bool elf_content(const struct elf_section *s)
{
    return s->type != SHT_NULL && s->type != SHT_NOBITS && !s->outside && s->size > 0;
}

struct span elf_bytes(const struct elf_file *f, const struct elf_section *s)
{
    return elf_content(s) ? span_of(f->all.p + s->off, (size_t)s->size) : span_of("", 0);
}

struct span elf_string(struct span table, uint64_t at)
{
    const uint8_t *end;

    if (at >= table.n)
        return span_of("", 0);
    end = memchr(table.p + at, '\0', table.n - at);
    return span_of(table.p + at, end == NULL ? table.n - at : (size_t)(end - (table.p + at)));
}

const struct elf_section *elf_named(const struct elf_file *f, const char *name)
{
    for (size_t i = 0; i < f->sections; i++)
        if (span_is(f->section[i].name, name))
            return &f->section[i];
    return NULL;
}

const char *elf_text(char out[ELF_NAME], struct span name)
{
    size_t n = name.n < ELF_NAME - 1 ? name.n : ELF_NAME - 1;

    for (size_t i = 0; i < n; i++)
        out[i] = name.p[i] > ' ' && name.p[i] < 0x7f ? (char)name.p[i]
                 : name.p[i] == ' '                  ? ' '
                                                     : '?';
    out[n] = '\0';
    return out;
}

static void read_section(const struct elf_file *f, uint64_t at, struct elf_section *s)
{
    *s = (struct elf_section){
        .head = at,
        .type = (uint32_t)FIELD(Shdr, sh_type),
        .flags = FIELD(Shdr, sh_flags),
        .addr = FIELD(Shdr, sh_addr),
        .off = FIELD(Shdr, sh_offset),
        .size = FIELD(Shdr, sh_size),
        .link = (uint32_t)FIELD(Shdr, sh_link),
        .info = (uint32_t)FIELD(Shdr, sh_info),
        .align = FIELD(Shdr, sh_addralign),
        .entsize = FIELD(Shdr, sh_entsize),
        .name = span_of("", 0),
        .peer = -1,
    };
    s->outside = s->type != SHT_NOBITS && s->type != SHT_NULL &&
                 (s->off > f->all.n || s->size > f->all.n - s->off);
}

static bool table_fits(const struct elf_file *f, uint64_t at, uint64_t n, size_t each)
{
    return at <= f->all.n && n <= (f->all.n - at) / each;
}

static int read_sections(struct elf_file *f, uint64_t many, const char **why)
{
    const uint64_t at = f->shoff;

    if (f->shoff == 0)
        return 0;
    if (f->shentsize != (f->wide ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr)) ||
        !table_fits(f, f->shoff, 1, f->shentsize)) {
        *why = "its table of sections lies outside of it";
        return -EBADMSG;
    }
    if (many == 0) /* too many for the header: the first section says it */
        many = FIELD(Shdr, sh_size);
    if (f->names == SHN_XINDEX)
        f->names = FIELD(Shdr, sh_link);
    if (!table_fits(f, f->shoff, many, f->shentsize)) {
        *why = "its table of sections lies outside of it";
        return -EBADMSG;
    }
    if ((f->section = calloc((size_t)many + 1, sizeof(*f->section))) == NULL)
        return -ENOMEM;
    f->sections = (size_t)many;
    for (size_t i = 0; i < f->sections; i++)
        read_section(f, f->shoff + i * f->shentsize, &f->section[i]);
    for (size_t i = 0; i < f->sections && f->names < f->sections; i++)
        f->section[i].name =
            elf_string(elf_bytes(f, &f->section[f->names]), elf_get(f, f->section[i].head, 4));
    return 0;
}

static int read_segments(struct elf_file *f, uint64_t many, const char **why)
{
    if (many == 0)
        return 0;
    if (many > SEGMENTS_MAX) {
        *why = "it has too many segments";
        return -EBADMSG;
    }
    if (f->phentsize != (f->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
        !table_fits(f, f->phoff, many, f->phentsize)) {
        *why = "its table of segments lies outside of it";
        return -EBADMSG;
    }
    if ((f->segment = calloc((size_t)many, sizeof(*f->segment))) == NULL)
        return -ENOMEM;
    f->segments = (size_t)many;
    for (size_t i = 0; i < f->segments; i++) {
        const uint64_t at = f->phoff + i * f->phentsize;

        f->segment[i] =
            (struct elf_segment){(uint32_t)FIELD(Phdr, p_type), (uint32_t)FIELD(Phdr, p_flags),
                                 FIELD(Phdr, p_offset),         FIELD(Phdr, p_vaddr),
                                 FIELD(Phdr, p_paddr),          FIELD(Phdr, p_filesz),
                                 FIELD(Phdr, p_memsz),          FIELD(Phdr, p_align)};
    }
    return 0;
}

/* --- bytes that are something else's too --- */

struct extent {
    uint64_t at, end;
    struct elf_section *s; /* NULL: a header or table */
};

static int by_start(const void *x, const void *y)
{
    const struct extent *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at ? 1 : 0;
}

static void share(struct extent *e)
{
    if (e->s != NULL)
        e->s->shared = true;
}

/* A section that is loaded lies where it is loaded from; one that is not, in nothing loaded. */
static bool misplaced(const struct elf_file *f, const struct elf_section *s)
{
    for (size_t i = 0; i < f->segments; i++) {
        const struct elf_segment *g = &f->segment[i];

        if (g->type != PT_LOAD || s->off >= g->off + g->filesz || s->off + s->size <= g->off)
            continue;
        return (s->flags & SHF_ALLOC) == 0 || s->off < g->off ||
               s->off + s->size > g->off + g->filesz || s->addr - g->vaddr != s->off - g->off;
    }
    return f->segments > 0 && (s->flags & SHF_ALLOC) != 0;
}

static int mark_shared(struct elf_file *f)
{
    struct extent *e = calloc(f->sections + 3, sizeof(*e));
    size_t n = 0, last = 0;

    if (e == NULL)
        return -ENOMEM;
    e[n++] = (struct extent){0, f->ehsize, NULL};
    e[n++] = (struct extent){f->phoff, f->phoff + f->segments * f->phentsize, NULL};
    e[n++] = (struct extent){f->shoff, f->shoff + f->sections * f->shentsize, NULL};
    for (size_t i = 0; i < f->sections; i++)
        if (elf_content(&f->section[i])) {
            e[n++] = (struct extent){f->section[i].off, f->section[i].off + f->section[i].size,
                                     &f->section[i]};
            f->section[i].shared = misplaced(f, &f->section[i]);
        }
    qsort(e, n, sizeof(*e), by_start);
    for (size_t i = 1; i < n; i++) {
        if (e[i].at < e[last].end && e[i].end > e[i].at) {
            share(&e[i]);
            share(&e[last]);
        }
        last = e[i].end > e[last].end ? i : last;
    }
    free(e);
    return 0;
}

struct loaded {
    uint64_t addr;
    size_t i;
};

static int by_addr(const void *x, const void *y)
{
    const struct loaded *a = x, *b = y;

    return a->addr != b->addr ? (a->addr < b->addr ? -1 : 1) : a->i < b->i ? -1 : a->i > b->i;
}

static int index_loaded(struct elf_file *f)
{
    struct loaded *v = calloc(f->sections + 1, sizeof(*v));
    size_t n = 0;

    f->loaded = calloc(f->sections + 1, sizeof(*f->loaded));
    for (size_t i = 0; v != NULL && i < f->sections; i++) {
        const struct elf_section *s = &f->section[i];

        if ((s->flags & SHF_ALLOC) != 0 && (s->flags & SHF_TLS) == 0 && s->size > 0)
            v[n++] = (struct loaded){s->addr, i};
    }
    if (v == NULL || f->loaded == NULL) {
        free(v);
        return -ENOMEM;
    }
    qsort(v, n, sizeof(*v), by_addr);
    for (size_t i = 0; i < n; i++)
        f->loaded[i] = v[i].i;
    f->loads = n;
    free(v);
    return 0;
}

int elf_read(struct elf_file *f, struct span all, const char **why)
{
    const uint64_t at = 0;
    int rc;

    *f = (struct elf_file){.all = all};
    *why = "its header is malformed";
    if (all.n < sizeof(Elf32_Ehdr) || memcmp(all.p, ELFMAG, SELFMAG) != 0 ||
        (all.p[EI_CLASS] != ELFCLASS32 && all.p[EI_CLASS] != ELFCLASS64) ||
        (all.p[EI_DATA] != ELFDATA2LSB && all.p[EI_DATA] != ELFDATA2MSB))
        return -EBADMSG;
    f->wide = all.p[EI_CLASS] == ELFCLASS64;
    f->big = all.p[EI_DATA] == ELFDATA2MSB;
    f->ehsize = f->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    if (all.n < f->ehsize)
        return -EBADMSG;
    f->type = (uint16_t)FIELD(Ehdr, e_type);
    f->machine = (uint16_t)FIELD(Ehdr, e_machine);
    f->entry = FIELD(Ehdr, e_entry);
    f->phoff = FIELD(Ehdr, e_phoff);
    f->shoff = FIELD(Ehdr, e_shoff);
    f->phentsize = (size_t)FIELD(Ehdr, e_phentsize);
    f->shentsize = (size_t)FIELD(Ehdr, e_shentsize);
    f->names = (size_t)FIELD(Ehdr, e_shstrndx);
    if ((rc = read_segments(f, FIELD(Ehdr, e_phnum), why)) != 0 ||
        (rc = read_sections(f, FIELD(Ehdr, e_shnum), why)) != 0)
        return rc;
    rc = mark_shared(f);
    return rc != 0 ? rc : index_loaded(f);
}

void elf_done(struct elf_file *f)
{
    for (size_t i = 0; i < f->sections; i++)
        free(f->section[i].map);
    free(f->section);
    free(f->segment);
    free(f->loaded);
    f->loaded = NULL;
    f->loads = 0;
    f->section = NULL;
    f->segment = NULL;
    f->sections = f->segments = 0;
}

/* --- symbols --- */

uint64_t elf_symbols(const struct elf_file *f, const struct elf_section *s)
{
    return elf_bytes(f, s).n / (f->wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
}

bool elf_symbol(const struct elf_file *f, const struct elf_section *s, uint64_t i,
                struct elf_symbol *out)
{
    const uint64_t at = s->off + i * (f->wide ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym));
    struct span names = span_of("", 0);

    if (i >= elf_symbols(f, s))
        return false;
    if (s->link < f->sections)
        names = elf_bytes(f, &f->section[s->link]);
    *out = (struct elf_symbol){
        .name = elf_string(names, FIELD(Sym, st_name)),
        .at = (uint32_t)FIELD(Sym, st_name),
        .value = FIELD(Sym, st_value),
        .size = FIELD(Sym, st_size),
        .info = (uint8_t)FIELD(Sym, st_info),
        .other = (uint8_t)FIELD(Sym, st_other),
        .shndx = (uint32_t)FIELD(Sym, st_shndx),
    };
    return true;
}
