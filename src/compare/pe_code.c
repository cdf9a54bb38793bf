/* pe_code.c - the code of PE files for x86-64, function by function.
 *
 * Where functions are the table of exceptions says (Microsoft: PE Format, .pdata; x64 exception
 * handling), and the table of exports names some.  They are compared as those of ELF are: what
 * differs in a function is told by its instructions, and addresses by what they lead to
 * (elf_code.c), in a file of sections that is made of those of PE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_priv.h"
#include "compare/pe_priv.h"

#define MACHINE_X64 0x8664u
#define EXCEPTIONS 3u /* entry of the data directory */
#define ENTRY 12u
#define FUNCTIONS_MAX (1u << 22)
#define CODE_SECTIONS 8u
#define NAMES_MAX 65536u
#define NAME_MAX_BYTES ((size_t)256)
#define EXECUTE 0x20000000u

struct pe_code {
    struct elf_pair p;
    const struct pe *f;
    uint64_t charged;
    unsigned sections; /* of both */
};

/* --- sections --- */

static bool overlaps(uint64_t a, uint64_t na, uint64_t b, uint64_t nb)
{
    return na > 0 && nb > 0 && a < b + nb && b < a + na;
}

/* What something else claims too, in the file or in memory, excuses nothing. */
static bool shared(const struct pe *f, const struct elf_file *e, size_t i)
{
    const struct elf_section *s = &e->section[i];
    const struct look_range sign = f->signature;

    if (overlaps(s->off, s->size, 0, f->table + PE_SECTION * (uint64_t)f->sections) ||
        overlaps(s->off, s->size, sign.at, sign.n))
        return true;
    for (size_t k = 0; k < e->sections; k++) {
        const struct look_range r = pe_content(f, (unsigned)k);

        if (k != i && (overlaps(s->off, s->size, r.at, r.n) ||
                       overlaps(s->addr, s->size, e->section[k].addr, e->section[k].size)))
            return true;
    }
    return false;
}

static int make_file(const struct pe *f, unsigned paired, struct elf_file *e)
{
    *e = (struct elf_file){
        .all = f->all, .wide = true, .type = ET_DYN, .machine = EM_X86_64, .sections = f->sections};
    e->section = calloc(e->sections + 1, sizeof(*e->section));
    e->loaded = calloc(e->sections + 1, sizeof(*e->loaded));
    if (e->section == NULL || e->loaded == NULL) {
        e->sections = 0;
        return -ENOMEM;
    }
    for (unsigned i = 0; i < f->sections; i++) {
        const uint64_t at = f->table + PE_SECTION * (uint64_t)i;
        const struct look_range r = pe_content(f, i);
        struct elf_section *s = &e->section[i];
        size_t k = e->loads;

        *s = (struct elf_section){.name = span_of(f->all.p + at, 8),
                                  .addr = pe_get(f, at + 12, 4),
                                  .off = r.at,
                                  .size = r.n,
                                  .type = SHT_PROGBITS,
                                  .flags = SHF_ALLOC,
                                  .peer = i < paired ? (long)i : -1};
        s->name.n = strnlen((const char *)s->name.p, 8);
        if ((pe_get(f, at + 36, 4) & EXECUTE) != 0 && r.n > 0) {
            s->flags |= SHF_EXECINSTR;
        } else {
            s->type = SHT_NOBITS; /* nothing is read from it */
            if (pe_get(f, at + 8, 4) > s->size)
                s->size = pe_get(f, at + 8, 4);
        }
        if (s->size == 0)
            continue;
        for (; k > 0 && e->section[e->loaded[k - 1]].addr > s->addr; k--)
            e->loaded[k] = e->loaded[k - 1];
        e->loaded[k] = i;
        e->loads++;
    }
    for (size_t i = 0; i < e->sections; i++)
        e->section[i].shared = (e->section[i].flags & SHF_EXECINSTR) != 0 && shared(f, e, i);
    return 0;
}

/* --- functions --- */

/* Entries that lie in s; they are counted first. */
static int find(struct pe_code *c, int side, const struct elf_section *s, struct elf_funcs *out)
{
    const struct pe *f = &c->f[side];
    const struct look_range t = pe_directory(f, EXCEPTIONS);
    const uint64_t at = pe_place(f, t.at, t.n), many = t.n / ENTRY;
    struct elf_func *v;
    size_t n = 0;

    if (at == 0 || many == 0 || many > FUNCTIONS_MAX || !look_charge(c->p.l, many * sizeof(*v))) {
        out->head = s->size;
        return 0;
    }
    c->charged += many * sizeof(*v);
    if ((v = calloc((size_t)many, sizeof(*v))) == NULL)
        return -ENOMEM;
    for (uint64_t i = 0; i < many; i++) {
        const uint64_t begin = pe_get(f, at + ENTRY * i, 4), end = pe_get(f, at + ENTRY * i + 4, 4);

        if (begin >= s->addr && end > begin && end - s->addr <= s->size)
            v[n++] = (struct elf_func){
                .off = begin - s->addr, .n = end - begin, .name = span_of("", 0), .peer = -1};
    }
    elf_funcs_settle(v, n, s, out);
    return 0;
}

static struct elf_func *at_offset(struct elf_funcs *f, uint64_t off)
{
    size_t low = 0, high = f->n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if (f->v[mid].off < off)
            low = mid + 1;
        else
            high = mid;
    }
    return low < f->n && f->v[low].off == off ? &f->v[low] : NULL;
}

/* Names of the table of exports. */
static void name(const struct pe *f, const struct elf_section *s, struct elf_funcs *o)
{
    const uint64_t t = pe_place(f, pe_directory(f, 0).at, 40);
    const uint64_t many = t == 0 ? 0 : pe_get(f, t + 20, 4), names = pe_get(f, t + 24, 4);
    const uint64_t to = pe_place(f, pe_get(f, t + 28, 4), 4 * many);
    const uint64_t text = pe_place(f, pe_get(f, t + 32, 4), 4 * names);
    const uint64_t which = pe_place(f, pe_get(f, t + 36, 4), 2 * names);

    if (t == 0 || to == 0 || text == 0 || which == 0)
        return;
    for (uint64_t i = 0; i < names && i < NAMES_MAX; i++) {
        const uint64_t k = pe_get(f, which + 2 * i, 2);
        const uint64_t where = pe_place(f, pe_get(f, text + 4 * i, 4), 1);
        const uint64_t rva = k < many ? pe_get(f, to + 4 * k, 4) : 0;
        struct elf_func *g = rva >= s->addr ? at_offset(o, rva - s->addr) : NULL;

        if (g != NULL && where != 0 && g->name.n == 0) {
            const size_t left = f->all.n - (size_t)where;

            g->name =
                span_of(f->all.p + where, strnlen((const char *)f->all.p + where,
                                                  left < NAME_MAX_BYTES ? left : NAME_MAX_BYTES));
        }
    }
}

static int find_all(struct pe_code *c)
{
    unsigned found = 0;
    int rc = 0;

    for (unsigned i = 0; i < c->sections && found < CODE_SECTIONS && rc == 0; i++) {
        struct elf_section *s = &c->p.f[0].section[i], *t = &c->p.f[1].section[i];
        struct elf_funcs *o = c->p.code[i];

        if ((s->flags & t->flags & SHF_EXECINSTR) == 0)
            continue;
        found++;
        if ((rc = find(c, 0, s, &o[0])) != 0 || (rc = find(c, 1, t, &o[1])) != 0)
            break;
        name(&c->f[0], s, &o[0]);
        name(&c->f[1], t, &o[1]);
        if (o[0].n > 0 && o[1].n > 0)
            rc = elf_funcs_pair(&c->p, s, o);
    }
    return rc;
}

/* --- the whole --- */

int pe_code_open(struct pe_code **out, struct look *l, const struct pe f[2])
{
    struct pe_code *c;
    int rc;

    *out = NULL;
    if (pe_get(&f[0], f[0].header + 4, 2) != MACHINE_X64 ||
        pe_get(&f[1], f[1].header + 4, 2) != MACHINE_X64 || !f[0].wide || !f[1].wide)
        return 0;
    if ((c = calloc(1, sizeof(*c))) == NULL)
        return -ENOMEM;
    c->f = f;
    c->sections = f[0].sections < f[1].sections ? f[0].sections : f[1].sections;
    c->p.l = l;
    c->p.moved = true; /* what they lead to is looked at in any case */
    c->p.code = calloc(f[0].sections + (size_t)1, sizeof(*c->p.code));
    rc = c->p.code == NULL ? -ENOMEM : 0;
    for (int side = 0; side < 2 && rc == 0; side++)
        rc = make_file(&f[side], c->sections, &c->p.f[side]);
    if (rc == 0)
        rc = find_all(c);
    if (rc != 0)
        pe_code_close(c);
    else
        *out = c;
    return rc;
}

void pe_code_close(struct pe_code *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; c->p.code != NULL && i < c->p.f[0].sections; i++) {
        elf_funcs_free(&c->p.code[i][0]);
        elf_funcs_free(&c->p.code[i][1]);
    }
    free(c->p.code);
    free(c->p.base);
    look_discharge(c->p.l, c->charged);
    elf_done(&c->p.f[0]);
    elf_done(&c->p.f[1]);
    free(c);
}

bool pe_code_has(const struct pe_code *c, unsigned i)
{
    return c != NULL && i < c->sections && c->p.code[i][0].n > 0 && c->p.code[i][1].n > 0;
}

int pe_code_claim(struct pe_code *c, unsigned i)
{
    return elf_code(&c->p, &c->p.f[0].section[i]);
}
