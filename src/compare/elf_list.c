/* elf_list.c - lists of entries that say addresses: relocations, the dynamic section, .eh_frame and
 * its table, arrays of pointers. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_priv.h"

#define AHEAD 32u
#define LOST 256u
#define SINGLES 512u /* looked through for one that was moved */

/* --- two lists in step --- */

struct run {
    struct look_range a, b;
    bool open;
};

static int tell_run(struct elf_pair *p, const struct elf_list *o, struct run *r)
{
    const bool open = r->open;

    r->open = false;
    return open ? look_pair(p->l, r->a, r->b, elf_class(p, o->s, COMPARE_DERIVED),
                            "%s: addresses that lead to the same", o->what)
                : 0;
}

static int follow(struct elf_pair *p, const struct elf_list *o, struct run *r, struct look_range a,
                  struct look_range b)
{
    int rc = 0;

    if (r->open && (r->a.at + r->a.n != a.at || r->b.at + r->b.n != b.at))
        rc = tell_run(p, o, r);
    if (!r->open)
        *r = (struct run){{a.at, 0}, {b.at, 0}, true};
    r->a.n += a.n;
    r->b.n += b.n;
    return rc;
}

static int one_only(struct elf_pair *p, const struct elf_list *o, int side, size_t i)
{
    const struct look_range none = {0, 0}, r = o->at(o->arg, side, i);
    char text[ELF_NAME];

    o->text(o->arg, side, i, text);
    return look_pair(p->l, side == 0 ? r : none, side == 1 ? r : none, COMPARE_UNEXPLAINED,
                     "%s only in %c: %s", o->what, "AB"[side], text);
}

static int two(struct elf_pair *p, const struct elf_list *o, size_t i, size_t k)
{
    const struct look_range a = o->at(o->arg, 0, i), b = o->at(o->arg, 1, k);
    char text[2][ELF_NAME];
    int rc = 0;

    o->text(o->arg, 0, i, text[0]);
    o->text(o->arg, 1, k, text[1]);
    if (a.n == b.n && memcmp(p->f[0].all.p + a.at, p->f[1].all.p + b.at, a.n) == 0)
        rc = look_find(p->l, COMPARE_UNEXPLAINED, "%s: the same bytes lead elsewhere: %s | %s",
                       o->what, text[0], text[1]);
    return rc != 0 ? rc
                   : look_pair(p->l, a, b, COMPARE_UNEXPLAINED, "%s: %s | %s", o->what, text[0],
                               text[1]);
}

/* The fewest to skip until entries are the same again; false: none is near. */
static bool near(const struct elf_list *o, size_t i, size_t k, size_t *skip_a, size_t *skip_b)
{
    for (size_t skip = 1; skip < AHEAD; skip++)
        for (size_t a = 0; a <= skip; a++)
            if (i + a < o->n[0] && k + skip - a < o->n[1] && o->same(o->arg, i + a, k + skip - a)) {
                *skip_a = a;
                *skip_b = skip - a;
                return true;
            }
    return false;
}

/* Entries that found no like where they are. */
struct singles {
    size_t *v, n, room;
};

static int put_by(struct singles *s, size_t i)
{
    if (s->n == s->room) {
        size_t room = s->room == 0 ? 16 : 2 * s->room;
        size_t *more = reallocarray(s->v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        s->v = more;
        s->room = room;
    }
    s->v[s->n++] = i;
    return 0;
}

/* Of those, what is the same elsewhere was moved; the rest is on one side only. */
static int settle(struct elf_pair *p, const struct elf_list *o, struct singles s[2])
{
    bool moved = false;
    int rc = 0;

    for (size_t i = 0; i < s[0].n && rc == 0; i++) {
        size_t k = 0, most = o->ordered ? 0 : s[1].n < SINGLES ? s[1].n : SINGLES;

        while (k < most && (s[1].v[k] == SIZE_MAX || !o->same(o->arg, s[0].v[i], s[1].v[k])))
            k++;
        if (k == most) {
            rc = one_only(p, o, 0, s[0].v[i]);
            continue;
        }
        moved = true;
        rc = look_pair(p->l, o->at(o->arg, 0, s[0].v[i]), o->at(o->arg, 1, s[1].v[k]),
                       elf_class(p, o->s, COMPARE_DERIVED), "%s: in another place", o->what);
        s[1].v[k] = SIZE_MAX;
    }
    for (size_t k = 0; k < s[1].n && rc == 0; k++)
        if (s[1].v[k] != SIZE_MAX)
            rc = one_only(p, o, 1, s[1].v[k]);
    if (rc == 0 && moved)
        rc = look_find(p->l, COMPARE_METADATA, "%s: in another order", o->what);
    return rc;
}

static int walk(struct elf_pair *p, const struct elf_list *o, struct singles s[2])
{
    struct run r = {.open = false};
    size_t i = 0, k = 0, lost = 0;
    int rc = 0;

    while (rc == 0 && i < o->n[0] && k < o->n[1]) {
        size_t a = 1, b = 1;

        if (o->same(o->arg, i, k)) {
            rc = follow(p, o, &r, o->at(o->arg, 0, i), o->at(o->arg, 1, k));
            i++;
            k++;
            continue;
        }
        if (lost < LOST && !near(o, i, k, &a, &b))
            lost++; /* where nothing agrees, it is not looked for without end */
        rc = tell_run(p, o, &r);
        if (a == b) { /* as many on both sides: others stand there */
            for (; rc == 0 && a > 0; a--)
                rc = two(p, o, i++, k++);
            continue;
        }
        for (; rc == 0 && a > 0; a--)
            rc = put_by(&s[0], i++);
        for (; rc == 0 && b > 0; b--)
            rc = put_by(&s[1], k++);
    }
    if (rc == 0)
        rc = tell_run(p, o, &r);
    for (; rc == 0 && i < o->n[0]; i++)
        rc = put_by(&s[0], i);
    for (; rc == 0 && k < o->n[1]; k++)
        rc = put_by(&s[1], k);
    return rc;
}

int elf_list(struct elf_pair *p, const struct elf_list *o)
{
    struct singles s[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    int rc = walk(p, o, s);

    if (rc == 0)
        rc = settle(p, o, s);
    free(s[0].v);
    free(s[1].v);
    return rc;
}

/* --- of entries of one size --- */

struct table {
    struct elf_pair *p;
    const struct elf_section *s[2];
    size_t each;
    uint64_t head;                       /* bytes before the first */
    const struct elf_section *frames[2]; /* .eh_frame of its table */
};

static struct look_range entry_at(void *arg, int side, size_t i)
{
    const struct table *t = arg;

    return (struct look_range){t->s[side]->off + t->head + i * t->each, t->each};
}

static uint64_t word(const struct table *t, int side, size_t i, unsigned k, unsigned n)
{
    return elf_get(&t->p->f[side], entry_at((void *)(uintptr_t)t, side, i).at + k, n);
}

static struct table table_of(struct elf_pair *p, const struct elf_section *s, size_t wide,
                             size_t narrow)
{
    return (struct table){
        .p = p, .s = {s, &p->f[1].section[s->peer]}, .each = p->f[0].wide ? wide : narrow};
}

static int in_step(struct table *t, bool (*same)(void *, size_t, size_t),
                   void (*text)(void *, int, size_t, char[ELF_NAME]), const char *what,
                   bool ordered)
{
    struct elf_list o = {.arg = t,
                         .s = t->s[0],
                         .at = entry_at,
                         .same = same,
                         .text = text,
                         .what = what,
                         .ordered = ordered};

    for (int side = 0; side < 2; side++)
        o.n[side] =
            t->s[side]->size < t->head ? 0 : (size_t)((t->s[side]->size - t->head) / t->each);
    return elf_list(t->p, &o);
}

/* --- relocations --- */

struct relocation {
    uint64_t off, sym, addend;
    uint32_t type;
};

static struct relocation relocation(const struct table *t, int side, size_t i)
{
    const unsigned w = t->p->f[side].wide ? 8 : 4;
    const uint64_t info = word(t, side, i, w, w);
    struct relocation r = {.off = word(t, side, i, 0, w),
                           .sym = w == 8 ? info >> 32 : info >> 8,
                           .type = (uint32_t)(w == 8 ? info & UINT32_MAX : info & 0xff)};

    if (t->each == 3 * (size_t)w)
        r.addend = word(t, side, i, 2 * w, w);
    return r;
}

/* The symbol it names, in the table its section links to. */
static bool symbol_of(const struct table *t, int side, uint64_t i, struct elf_symbol *out)
{
    const struct elf_file *f = &t->p->f[side];
    const uint32_t link = t->s[side]->link;

    return link < f->sections && elf_symbol(f, &f->section[link], i, out);
}

static bool relative(uint16_t machine, uint32_t type)
{
    return (machine == EM_X86_64 && (type == R_X86_64_RELATIVE || type == R_X86_64_IRELATIVE)) ||
           (machine == EM_AARCH64 && (type == R_AARCH64_RELATIVE || type == R_AARCH64_IRELATIVE)) ||
           (machine == EM_386 && type == R_386_RELATIVE);
}

static bool same_symbol(const struct table *t, const struct relocation *a,
                        const struct relocation *b, bool *section, const struct elf_section **to)
{
    struct elf_symbol x, y;

    *section = false;
    if (a->sym == 0 || b->sym == 0)
        return a->sym == b->sym;
    if (!symbol_of(t, 0, a->sym, &x) || !symbol_of(t, 1, b->sym, &y) || x.info != y.info)
        return false;
    if (ELF64_ST_TYPE(x.info) == STT_SECTION && x.shndx < t->p->f[0].sections) {
        *section = true;
        *to = &t->p->f[0].section[x.shndx];
        return elf_same_section(t->p, x.shndx, y.shndx);
    }
    return span_eq(x.name, y.name);
}

static bool same_relocation(void *arg, size_t i, size_t k)
{
    const struct table *t = arg;
    const struct elf_file *f = &t->p->f[0];
    const struct relocation a = relocation(t, 0, i), b = relocation(t, 1, k);
    const struct elf_section *to = NULL;
    bool section;

    if (a.type != b.type || !same_symbol(t, &a, &b, &section, &to))
        return false;
    if (f->type == ET_REL) {
        const uint32_t of = t->s[0]->info;

        if (of >= f->sections || f->section[of].peer < 0 ||
            !elf_offset_leads(t->p, &f->section[of], a.off, b.off))
            return false;
    } else if (!elf_leads(t->p, a.off, b.off)) {
        return false;
    }
    if (relative(f->machine, a.type))
        return elf_leads(t->p, a.addend, b.addend);
    if (section && to->map != NULL)
        return elf_offset_leads(t->p, to, a.addend, b.addend) ||
               elf_offset_leads(t->p, to, a.addend + 4, b.addend + 4);
    return a.addend == b.addend;
}

static void relocation_text(void *arg, int side, size_t i, char out[ELF_NAME])
{
    const struct table *t = arg;
    const struct relocation r = relocation(t, side, i);
    char name[ELF_NAME] = "";
    struct elf_symbol y;

    if (r.sym != 0 && symbol_of(t, side, r.sym, &y))
        (void)elf_text(name, y.name);
    (void)snprintf(out, ELF_NAME, "type %" PRIu32 " at 0x%" PRIx64 " to %.40s+0x%" PRIx64, r.type,
                   r.off, name, r.addend);
}

int elf_relocations(struct elf_pair *p, struct elf_section *s)
{
    struct table t = s->type == SHT_RELA ? table_of(p, s, sizeof(Elf64_Rela), sizeof(Elf32_Rela))
                                         : table_of(p, s, sizeof(Elf64_Rel), sizeof(Elf32_Rel));

    return in_step(&t, same_relocation, relocation_text, "relocation", false);
}

/* --- the dynamic section --- */

static bool names_text(uint64_t tag)
{
    return tag == DT_NEEDED || tag == DT_SONAME || tag == DT_RPATH || tag == DT_RUNPATH;
}

static bool says_address(uint64_t tag)
{
    static const uint64_t tags[] = {
        DT_PLTGOT,   DT_HASH,   DT_STRTAB,  DT_SYMTAB,     DT_RELA,       DT_INIT,
        DT_FINI,     DT_REL,    DT_JMPREL,  DT_INIT_ARRAY, DT_FINI_ARRAY, DT_PREINIT_ARRAY,
        DT_GNU_HASH, DT_VERSYM, DT_VERNEED, DT_VERDEF,     DT_RELR};

    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        if (tags[i] == tag)
            return true;
    return false;
}

/* The section whose size an entry says. */
static const char *sized(uint64_t tag)
{
    switch (tag) {
    case DT_STRSZ:
        return ".dynstr";
    case DT_RELASZ:
        return ".rela.dyn";
    case DT_PLTRELSZ:
        return ".rela.plt";
    case DT_INIT_ARRAYSZ:
        return ".init_array";
    case DT_FINI_ARRAYSZ:
        return ".fini_array";
    case DT_RELRSZ:
        return ".relr.dyn";
    default:
        return NULL;
    }
}

static struct span dynamic_name(const struct table *t, int side, uint64_t at)
{
    const struct elf_file *f = &t->p->f[side];
    const uint32_t link = t->s[side]->link;

    return link < f->sections ? elf_string(elf_bytes(f, &f->section[link]), at) : span_of("", 0);
}

static bool same_dynamic(void *arg, size_t i, size_t k)
{
    const struct table *t = arg;
    const unsigned w = t->p->f[0].wide ? 8 : 4;
    const uint64_t tag = word(t, 0, i, 0, w);
    const uint64_t a = word(t, 0, i, w, w), b = word(t, 1, k, w, w);
    const char *size = sized(tag);

    if (tag != word(t, 1, k, 0, w))
        return false;
    if (names_text(tag))
        return span_eq(dynamic_name(t, 0, a), dynamic_name(t, 1, b));
    if (says_address(tag))
        return elf_leads(t->p, a, b);
    if (size != NULL && a != b) {
        const struct elf_section *x = elf_named(&t->p->f[0], size);
        const struct elf_section *y = elf_named(&t->p->f[1], size);

        return x != NULL && y != NULL && x->size == a && y->size == b;
    }
    return a == b;
}

static void dynamic_text(void *arg, int side, size_t i, char out[ELF_NAME])
{
    const struct table *t = arg;
    const unsigned w = t->p->f[side].wide ? 8 : 4;
    const uint64_t tag = word(t, side, i, 0, w), v = word(t, side, i, w, w);
    char name[ELF_NAME];

    if (names_text(tag))
        (void)snprintf(out, ELF_NAME, "tag 0x%" PRIx64 " \"%.60s\"", tag,
                       elf_text(name, dynamic_name(t, side, v)));
    else
        (void)snprintf(out, ELF_NAME, "tag 0x%" PRIx64 " = 0x%" PRIx64, tag, v);
}

int elf_dynamic(struct elf_pair *p, struct elf_section *s)
{
    struct table t = table_of(p, s, sizeof(Elf64_Dyn), sizeof(Elf32_Dyn));

    return in_step(&t, same_dynamic, dynamic_text, "dynamic entry", true);
}

/* --- arrays of pointers --- */

static bool same_pointer(void *arg, size_t i, size_t k)
{
    const struct table *t = arg;
    const uint64_t a = word(t, 0, i, 0, (unsigned)t->each), b = word(t, 1, k, 0, (unsigned)t->each);

    return elf_at(&t->p->f[0], a) != NULL ? elf_leads(t->p, a, b) : a == b;
}

static void pointer_text(void *arg, int side, size_t i, char out[ELF_NAME])
{
    const struct table *t = arg;

    (void)snprintf(out, ELF_NAME, "0x%" PRIx64, word(t, side, i, 0, (unsigned)t->each));
}

int elf_pointers(struct elf_pair *p, struct elf_section *s)
{
    struct table t = table_of(p, s, 8, 4);

    return in_step(&t, same_pointer, pointer_text, "pointer", true);
}

/* --- .eh_frame --- */

struct frames {
    struct elf_pair *p;
    const struct elf_section *s[2];
    struct elf_record *v[2];
};

static struct look_range frame_at(void *arg, int side, size_t i)
{
    const struct frames *x = arg;

    return (struct look_range){x->v[side][i].at, x->v[side][i].n};
}

/* Its description, which an FDE points back to. */
static struct span cie_of(const struct elf_file *f, const struct elf_section *s,
                          const struct elf_record *r)
{
    const uint64_t back = elf_get(f, r->at + 4, 4), at = r->at + 4 - back;
    uint64_t n;

    if (back > r->at + 4 || at < s->off || at + 4 > r->at)
        return span_of("", 0);
    n = 4 + elf_get(f, at, 4);
    return n > r->at - at ? span_of("", 0) : span_of(f->all.p + at, (size_t)n);
}

static bool same_frame(void *arg, size_t i, size_t k)
{
    const struct frames *x = arg;
    const struct elf_record *a = &x->v[0][i], *b = &x->v[1][k];
    const uint8_t *pa = x->p->f[0].all.p + a->at, *pb = x->p->f[1].all.p + b->at;
    size_t head = 8 + 2 * (size_t)a->pc_n;

    if (a->n != b->n || a->pc_n != b->pc_n)
        return false;
    if (a->pc_n == 0)
        return memcmp(pa, pb, a->n) == 0;
    return span_eq(cie_of(&x->p->f[0], x->s[0], a), cie_of(&x->p->f[1], x->s[1], b)) &&
           elf_leads(x->p, a->pc, b->pc) &&
           (a->range == b->range || elf_leads(x->p, a->pc + a->range, b->pc + b->range)) &&
           memcmp(pa + head, pb + head, a->n - head) == 0;
}

static void frame_text(void *arg, int side, size_t i, char out[ELF_NAME])
{
    const struct frames *x = arg;
    const struct elf_record *r = &x->v[side][i];

    if (r->pc_n == 0)
        (void)snprintf(out, ELF_NAME, "%" PRIu64 " bytes", r->n);
    else
        (void)snprintf(out, ELF_NAME, "of 0x%" PRIx64 ", %" PRIu64 " bytes", r->pc, r->range);
}

int elf_frames(struct elf_pair *p, struct elf_section *s)
{
    struct frames x = {.p = p, .s = {s, &p->f[1].section[s->peer]}};
    struct elf_list o = {.arg = &x,
                         .s = s,
                         .at = frame_at,
                         .same = same_frame,
                         .text = frame_text,
                         .what = "frame of a function"};
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++) {
        uint64_t at = 0;
        struct elf_record r;

        if ((x.v[side] = calloc((size_t)(x.s[side]->size / 4 + 1), sizeof(r))) == NULL)
            rc = -ENOMEM;
        while (rc == 0 && elf_frame_next(&p->f[side], x.s[side], &at, &r))
            x.v[side][o.n[side]++] = r;
    }
    if (rc == 0)
        rc = elf_list(p, &o);
    free(x.v[0]);
    free(x.v[1]);
    return rc;
}

/* --- .eh_frame_hdr: a pointer, a number, and pairs of function and frame --- */

static uint64_t table_word(const struct table *t, int side, size_t i, unsigned k)
{
    const uint64_t v = word(t, side, i, k, 4);

    return t->s[side]->addr + ((v ^ 0x80000000u) - 0x80000000u);
}

/* It leads to the frame of the function that it says, and stands behind lower ones, as whoever
 * searches the table expects. */
static bool right_entry(const struct table *t, int side, size_t i)
{
    const struct elf_file *f = &t->p->f[side];
    const struct elf_section *frames = t->frames[side];
    struct elf_record r;
    uint64_t at;

    if (frames == NULL || (i > 0 && table_word(t, side, i - 1, 0) > table_word(t, side, i, 0)))
        return false;
    at = table_word(t, side, i, 4) - frames->addr;
    return at < frames->size && elf_frame_next(f, frames, &at, &r) && r.pc_n > 0 &&
           r.pc == table_word(t, side, i, 0);
}

static bool same_entry(void *arg, size_t i, size_t k)
{
    const struct table *t = arg;

    return elf_leads(t->p, table_word(t, 0, i, 0), table_word(t, 1, k, 0)) &&
           right_entry(t, 0, i) && right_entry(t, 1, k);
}

static void entry_text(void *arg, int side, size_t i, char out[ELF_NAME])
{
    (void)snprintf(out, ELF_NAME, "of 0x%" PRIx64, table_word(arg, side, i, 0));
}

int elf_frame_table(struct elf_pair *p, struct elf_section *s)
{
    static const uint8_t usual[4] = {1, 0x1b, 0x03, 0x3b}; /* version and three encodings */
    struct table t = {.p = p, .s = {s, &p->f[1].section[s->peer]}, .each = 8, .head = 12};
    uint64_t to[2];
    bool ok = true;
    int rc;

    for (int side = 0; side < 2; side++) {
        const struct elf_section *x = t.s[side], *frames = elf_named(&p->f[side], ".eh_frame");

        t.frames[side] = frames;
        if (x->size < 12 || memcmp(p->f[side].all.p + x->off, usual, 4) != 0)
            return elf_data(p, s);
        to[side] = elf_get(&p->f[side], x->off + 4, 4);
        to[side] = x->addr + 4 + ((to[side] ^ 0x80000000u) - 0x80000000u);
        ok = ok && frames != NULL && frames->addr == to[side] &&
             elf_get(&p->f[side], x->off + 8, 4) == (x->size - 12) / 8;
    }
    rc = look_pair(p->l, (struct look_range){s->off, 12}, (struct look_range){t.s[1]->off, 12},
                   elf_class(p, s, ok ? COMPARE_DERIVED : COMPARE_UNEXPLAINED),
                   "head of .eh_frame_hdr");
    return rc != 0 ? rc : in_step(&t, same_entry, entry_text, "entry of .eh_frame_hdr", false);
}
