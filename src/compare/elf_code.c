/* elf_code.c - the code of two sections, function by function.
 *
 * The instructions of both are put side by side: where both have as many, each with its like; else
 * what they begin and end with, and what is between differs.  Two are equal when their bytes are,
 * but for the field that says where they lead, and that leads to the same (elf_leads; inside of the
 * function: to the same instruction). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_priv.h"

#define RANGE_MAX (4u << 20) /* bytes of code matched by instruction */
#define SHOWN 110u

struct step {     /* an instruction */
    uint64_t off; /* in the section */
    struct elf_insn i;
    bool differs;
};

struct range { /* code on one side */
    const struct elf_file *f;
    const struct elf_section *s;
    uint64_t off, n;
    struct span bytes;
    struct step *v;
    size_t steps;
};

struct code {
    struct elf_pair *p;
    struct elf_section *s;
    const struct elf_section *t;
    struct { /* functions in a row in which only addresses differ */
        struct look_range a, b;
        bool open;
    } run;
};

static struct look_range in_file(const struct range *r, uint64_t off, uint64_t n)
{
    return (struct look_range){r->s->off + off, n};
}

/* --- decoding --- */

/* Pages (arm64): where a register holds one, what reads it leads to an address in it. */
static void resolve(struct range *r)
{
    struct {
        bool set;
        uint64_t page;
        size_t by;
    } reg[32] = {{false, 0, 0}};
    bool *used = calloc(r->steps + 1, 1);

    for (size_t k = 0; k < r->steps; k++) {
        struct elf_insn *i = &r->v[k].i;
        const uint8_t to = i->len == 4 ? r->bytes.p[r->v[k].off - r->off] & 31 : 0;
        const bool store = i->ref == ELF_LOW &&
                           (r->bytes.p[r->v[k].off - r->off + 2] & 0xc0) == 0 &&
                           (r->bytes.p[r->v[k].off - r->off + 3] & 0x3b) == 0x39;

        if (i->ref == ELF_LOW && reg[i->reg].set) {
            i->ref = ELF_REF;
            i->target += reg[i->reg].page;
            if (used != NULL)
                used[reg[i->reg].by] = true;
        } else if (i->ref == ELF_LOW) {
            i->ref = ELF_NO_REF;
            i->mask = 0;
        }
        reg[to].set = reg[to].set && store;
        if (i->ref == ELF_PAGE) {
            reg[i->reg].set = true;
            reg[i->reg].page = i->target;
            reg[i->reg].by = k;
        }
    }
    for (size_t k = 0; k < r->steps; k++)
        if (r->v[k].i.ref == ELF_PAGE && (used == NULL || !used[k])) {
            r->v[k].i.ref = ELF_NO_REF; /* nobody reads it: compared as it is */
            r->v[k].i.mask = 0;
        }
    free(used);
}

static int decode(struct range *r)
{
    const unsigned least = r->f->machine == EM_AARCH64 ? 4 : 1;
    size_t room = 0;

    for (uint64_t at = 0; at < r->n;) {
        struct step *x;

        if (r->steps == room) {
            struct step *more;

            room = room == 0 ? 32 : 2 * room;
            if ((more = reallocarray(r->v, room, sizeof(*more))) == NULL)
                return -ENOMEM;
            r->v = more;
        }
        x = &r->v[r->steps++];
        *x = (struct step){.off = r->off + at};
        elf_insn(r->f->machine, span_of(r->bytes.p + at, (size_t)(r->n - at)), r->s->addr + x->off,
                 &x->i);
        at += x->i.len > 0 ? x->i.len : r->n - at < least ? r->n - at : least;
    }
    if (r->f->machine == EM_AARCH64)
        resolve(r);
    return 0;
}

static uint64_t length(const struct range *r, size_t k)
{
    return (k + 1 < r->steps ? r->v[k + 1].off : r->off + r->n) - r->v[k].off;
}

static const uint8_t *at(const struct range *r, size_t k)
{
    return r->bytes.p + (r->v[k].off - r->off);
}

/* --- two instructions --- */

static bool inside(const struct range *r, uint64_t addr)
{
    return addr - r->s->addr - r->off < r->n;
}

static bool raw_equal(const struct range r[2], size_t i, size_t k)
{
    return length(&r[0], i) == length(&r[1], k) &&
           memcmp(at(&r[0], i), at(&r[1], k), length(&r[0], i)) == 0;
}

/* A number that is an address, in programs that lie where they were linked for. */
static bool address(const struct elf_pair *p, const struct range r[2], const struct elf_insn *a,
                    const struct elf_insn *b, const uint8_t *pa, const uint8_t *pb)
{
    return r[0].f->type == ET_EXEC && r[1].f->type == ET_EXEC && a->imm_n >= 4 &&
           a->ref == ELF_NO_REF && b->ref == ELF_NO_REF &&
           elf_insn_number(r[0].f->machine, pa, pb, a, b) && elf_at(r[0].f, a->imm) != NULL &&
           elf_leads(p, a->imm, b->imm);
}

/* Where they lead inside of the function is looked at when all are paired. */
static bool alike(const struct elf_pair *p, const struct range r[2], size_t i, size_t k)
{
    const struct elf_insn *a = &r[0].v[i].i, *b = &r[1].v[k].i;
    const uint8_t *pa = at(&r[0], i), *pb = at(&r[1], k);

    if (a->len == 0 || b->len == 0)
        return a->len == b->len && raw_equal(r, i, k);
    if (!elf_insn_alike(r[0].f->machine, pa, pb, a, b))
        return address(p, r, a, b, pa, pb);
    if (a->ref != ELF_REF)
        return true;
    if (inside(&r[0], a->target) || inside(&r[1], b->target))
        return inside(&r[0], a->target) && inside(&r[1], b->target);
    if (r[0].f->type == ET_REL)
        return raw_equal(r, i, k); /* what they lead to is in the relocations */
    return elf_leads(p, a->target, b->target);
}

/* The instruction at an address of the function; -1: none begins there. */
static long step_at(const struct range *r, uint64_t addr)
{
    const uint64_t off = addr - r->s->addr;
    size_t low = 0, high = r->steps;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (r->v[mid].off < off)
            low = mid + 1;
        else
            high = mid;
    }
    return low < r->steps && r->v[low].off == off ? (long)low : -1;
}

/* head, tail: how many are paired from the beginning and from the end. */
static bool jumps_alike(const struct range r[2], size_t i, size_t k, size_t head, size_t tail)
{
    const struct elf_insn *a = &r[0].v[i].i, *b = &r[1].v[k].i;
    long x, y;

    if (a->ref != ELF_REF || !inside(&r[0], a->target) || !inside(&r[1], b->target))
        return true;
    x = step_at(&r[0], a->target);
    y = step_at(&r[1], b->target);
    if (x < 0 || y < 0)
        return raw_equal(r, i, k) && r[0].steps == r[1].steps;
    if (x == y && (size_t)x <= head)
        return true;
    return r[0].steps - (size_t)x == r[1].steps - (size_t)y && r[0].steps - (size_t)x <= tail;
}

/* Marks what differs; returns how many from the beginning are pairs, *tail from the end. */
static size_t side_by_side(const struct elf_pair *p, struct range r[2], size_t *tail)
{
    const size_t n = r[0].steps, m = r[1].steps, least = n < m ? n : m;
    size_t head = 0;

    *tail = 0;
    if (n == m) {
        for (size_t i = 0; i < n; i++)
            r[0].v[i].differs = !alike(p, r, i, i) || !jumps_alike(r, i, i, n, 0);
        return n;
    }
    while (head < least && alike(p, r, head, head))
        head++;
    while (*tail < least - head && alike(p, r, n - 1 - *tail, m - 1 - *tail))
        ++*tail;
    for (size_t i = 0; i < head; i++)
        r[0].v[i].differs = !jumps_alike(r, i, i, head, *tail);
    for (size_t i = 0; i < *tail; i++)
        r[0].v[n - 1 - i].differs = !jumps_alike(r, n - 1 - i, m - 1 - i, head, *tail);
    return head;
}

/* --- telling --- */

static uint64_t end_of(const struct range *r, size_t k)
{
    return k < r->steps ? r->v[k].off : r->off + r->n;
}

static bool plausible(uint64_t a, uint64_t b)
{
    return a != b && a >= 1990 && a <= 2100 && b >= 1990 && b <= 2100;
}

/* One that differs in a number, which may be a year. */
static int tell_number(struct code *c, const struct range r[2], size_t i, size_t k,
                       const char *text, bool *told)
{
    const struct elf_insn *a = &r[0].v[i].i, *b = &r[1].v[k].i;
    const bool known = look_year(c->p->l, a->imm, b->imm);
    struct look_range ra = in_file(&r[0], r[0].v[i].off, a->len);
    struct look_range rb = in_file(&r[1], r[1].v[k].off, b->len);
    int rc = 0;

    *told = elf_insn_number(r[0].f->machine, at(&r[0], i), at(&r[1], k), a, b) &&
            (known || plausible(a->imm, b->imm));
    if (!*told)
        return 0;
    if (a->imm_at > 0) { /* the bytes around it are equal, and claimed as that */
        rc = look_pair(c->p->l, (struct look_range){ra.at, a->imm_at},
                       (struct look_range){rb.at, b->imm_at}, COMPARE_UNEXPLAINED, "%s", text);
        ra = (struct look_range){ra.at + a->imm_at, a->len - a->imm_at};
        rb = (struct look_range){rb.at + b->imm_at, b->len - b->imm_at};
    }
    if (rc != 0)
        return rc;
    return look_pair(c->p->l, ra, rb,
                     elf_class(c->p, c->s, known ? COMPARE_EXPLAINED : COMPARE_UNEXPLAINED),
                     known ? "build year: %s" : "%s (the years of the builds? --years)", text);
}

static int tell(struct code *c, const struct range r[2], size_t i, size_t i_end, size_t k,
                size_t k_end, const char *name)
{
    const uint64_t a = end_of(&r[0], i), b = end_of(&r[1], k);
    const struct look_range ra = in_file(&r[0], a, end_of(&r[0], i_end) - a);
    const struct look_range rb = in_file(&r[1], b, end_of(&r[1], k_end) - b);
    char shown[2][SHOWN], text[2 * SHOWN + ELF_NAME + 64];
    bool told = false;
    int rc = 0;

    if (ra.n == rb.n && memcmp(r[0].f->all.p + ra.at, r[1].f->all.p + rb.at, ra.n) == 0) {
        /* the same bytes lead elsewhere */
        (void)elf_show(r[0].f->machine, span_of(r[0].f->all.p + ra.at, (size_t)ra.n),
                       r[0].s->addr + a, shown[0], SHOWN);
        rc = look_find(c->p->l, COMPARE_UNEXPLAINED, "%s+0x%" PRIx64 ": %s leads elsewhere in B",
                       name, a - r[0].off, shown[0]);
        return rc != 0 ? rc : look_pair(c->p->l, ra, rb, COMPARE_UNEXPLAINED, "%s", name);
    }
    for (int side = 0; side < 2; side++) {
        const struct look_range x = side == 0 ? ra : rb;

        (void)elf_show(r[side].f->machine, span_of(r[side].f->all.p + x.at, (size_t)x.n),
                       r[side].s->addr + (side == 0 ? a : b), shown[side], SHOWN);
    }
    (void)snprintf(text, sizeof(text), "%s+0x%" PRIx64 ": %s | %s", name, a - r[0].off, shown[0],
                   shown[1]);
    if (i_end == i + 1 && k_end == k + 1)
        rc = tell_number(c, r, i, k, text, &told);
    return rc != 0 || told ? rc : look_pair(c->p->l, ra, rb, COMPARE_UNEXPLAINED, "%s", text);
}

/* A stretch whose instructions are paired, n of them from i and k on. */
static int stretch(struct code *c, const struct range r[2], size_t i, size_t k, size_t n,
                   const char *name)
{
    int rc = 0;

    for (size_t x = 0; x < n && rc == 0;) {
        size_t y = x;

        if (r[0].v[i + x].differs) {
            y++; /* one at a time: each is a place */
            rc = tell(c, r, i + x, i + y, k + x, k + y, name);
        } else {
            uint64_t a = end_of(&r[0], i + x), b = end_of(&r[1], k + x);

            while (y < n && !r[0].v[i + y].differs)
                y++;
            rc = look_pair(c->p->l, in_file(&r[0], a, end_of(&r[0], i + y) - a),
                           in_file(&r[1], b, end_of(&r[1], k + y) - b),
                           elf_class(c->p, c->s, COMPARE_DERIVED),
                           "%s: addresses that lead to the same", name);
        }
        x = y;
    }
    return rc;
}

static int tell_run(struct code *c)
{
    int rc = 0;

    if (c->run.open)
        rc = look_pair(c->p->l, c->run.a, c->run.b, elf_class(c->p, c->s, COMPARE_DERIVED),
                       "code: addresses that lead to the same");
    c->run.open = false;
    return rc;
}

/* Adjacent ones are told together. */
static int follow(struct code *c, struct look_range a, struct look_range b)
{
    int rc = 0;

    if (c->run.open && (c->run.a.at + c->run.a.n != a.at || c->run.b.at + c->run.b.n != b.at))
        rc = tell_run(c);
    if (!c->run.open) {
        c->run.a = (struct look_range){a.at, 0};
        c->run.b = (struct look_range){b.at, 0};
    }
    c->run.a.n += a.n;
    c->run.b.n += b.n;
    c->run.open = true;
    return rc;
}

/* Addresses of data that paired instructions take: tables of jumps are read from them. */
static int note_bases(struct code *c, const struct range r[2])
{
    int rc = 0;

    for (size_t i = 0; i < r[0].steps && i < r[1].steps && rc == 0; i++) {
        const struct elf_insn *a = &r[0].v[i].i, *b = &r[1].v[i].i;

        if (a->ref == ELF_REF && b->ref == ELF_REF && !r[0].v[i].differs && a->ref_n == 4 &&
            b->ref_n == 4 && a->len == 7 && at(&r[0], i)[1] == 0x8d && /* lea, with REX */
            at(&r[1], i)[1] == 0x8d && elf_leads(c->p, a->target, b->target))
            rc = elf_base_add(c->p, a->target, b->target);
    }
    return rc;
}

static int paired(struct code *c, struct range r[2], const char *name)
{
    size_t tail, head = side_by_side(c->p, r, &tail);
    const size_t n = r[0].steps, m = r[1].steps;
    bool differs = n != m;
    int rc = r[0].f->machine == EM_X86_64 ? note_bases(c, r) : 0;

    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && !differs; i++)
        differs = r[0].v[i].differs;
    if (!differs)
        return follow(c, in_file(&r[0], r[0].off, r[0].n), in_file(&r[1], r[1].off, r[1].n));
    if ((rc = tell_run(c)) == 0 && (rc = stretch(c, r, 0, 0, head, name)) == 0 && n != m)
        rc = tell(c, r, head, n - tail, head, m - tail, name);
    return rc != 0 ? rc : stretch(c, r, n - tail, m - tail, tail, name);
}

/* --- ranges --- */

static int raw(struct code *c, const struct range r[2], const char *name)
{
    const uint64_t least = r[0].n < r[1].n ? r[0].n : r[1].n;
    uint64_t head = 0, tail = 0;
    int rc = tell_run(c);

    while (head < least && r[0].bytes.p[head] == r[1].bytes.p[head])
        head++;
    while (tail < least - head &&
           r[0].bytes.p[r[0].n - 1 - tail] == r[1].bytes.p[r[1].n - 1 - tail])
        tail++;
    for (int part = 0; part < 3 && rc == 0; part++) {
        uint64_t from[2], n[2];

        for (int side = 0; side < 2; side++) {
            from[side] = r[side].off + (part == 0 ? 0 : part == 1 ? head : r[side].n - tail);
            n[side] = part == 0 ? head : part == 1 ? r[side].n - head - tail : tail;
        }
        rc = look_pair(c->p->l, in_file(&r[0], from[0], n[0]), in_file(&r[1], from[1], n[1]),
                       COMPARE_UNEXPLAINED, "%s: its bytes differ", name);
    }
    return rc;
}

static void set_range(struct range *r, const struct elf_file *f, const struct elf_section *s,
                      uint64_t off, uint64_t n)
{
    *r = (struct range){
        .f = f, .s = s, .off = off, .n = n, .bytes = span_of(f->all.p + s->off + off, (size_t)n)};
}

static int compare_range(struct code *c, struct range r[2], const char *name)
{
    int rc;

    if (!c->p->moved && span_eq(r[0].bytes, r[1].bytes))
        return follow(c, in_file(&r[0], r[0].off, r[0].n), in_file(&r[1], r[1].off, r[1].n));
    if (!elf_insn_known(r[0].f->machine) || r[0].n > RANGE_MAX || r[1].n > RANGE_MAX)
        return raw(c, r, name);
    if ((rc = decode(&r[0])) == 0 && (rc = decode(&r[1])) == 0)
        rc = paired(c, r, name);
    free(r[0].v);
    free(r[1].v);
    return rc;
}

/* What assemblers fill gaps with, and no byte else (GNU as, LLVM: nops of 1 to 15 bytes). */
static bool filler(uint16_t machine, struct span s)
{
    static const uint8_t arm_nop[4] = {0x1f, 0x20, 0x03, 0xd5}, none[4] = {0};
    static const uint8_t modrm[] = {0x00, 0x40, 0x44, 0x80, 0x84};

    for (size_t i = 0; i < s.n;) {
        struct elf_insn x;
        size_t k = i;
        bool known = false;

        if (machine == EM_AARCH64) {
            if (s.n - i < 4 || (memcmp(s.p + i, arm_nop, 4) != 0 && memcmp(s.p + i, none, 4) != 0))
                return false;
            i += 4;
            continue;
        }
        if (s.p[i] == 0xcc || s.p[i] == 0) {
            i++;
            continue;
        }
        elf_insn(machine, span_of(s.p + i, s.n - i), 0, &x);
        while (k < i + x.len && (s.p[k] == 0x66 || s.p[k] == 0x2e))
            k++;
        if (x.len == 0 || k >= i + x.len)
            return false;
        if (s.p[k] == 0x90) {
            i += x.len;
            continue;
        }
        if (x.len - (k - i) < 3 || s.p[k] != 0x0f || s.p[k + 1] != 0x1f)
            return false;
        for (size_t m = 0; m < ARRAY_LEN(modrm); m++)
            known = known || s.p[k + 2] == modrm[m];
        for (k += 3; k < i + x.len; k++)
            known = known && s.p[k] == 0;
        if (!known)
            return false;
        i += x.len;
    }
    return true;
}

/* What lies behind a function, or before the first one.  Behind the last nothing is aligned. */
static int gap(struct code *c, struct range r[2], const char *name, bool last)
{
    const bool fill = filler(r[0].f->machine, r[0].bytes) && filler(r[1].f->machine, r[1].bytes);

    if (fill && ((r[0].n != r[1].n && !last) || span_eq(r[0].bytes, r[1].bytes)))
        return follow(c, in_file(&r[0], r[0].off, r[0].n), in_file(&r[1], r[1].off, r[1].n));
    return compare_range(c, r, name);
}

static int alone(struct code *c, int side, const struct elf_func *f)
{
    const struct elf_section *s = side == 0 ? c->s : c->t;
    const struct look_range all = {s->off + f->off, f->n + f->tail}, none = {0, 0};
    char name[ELF_NAME];
    int rc = tell_run(c);

    return rc != 0
               ? rc
               : look_pair(c->p->l, side == 0 ? all : none, side == 1 ? all : none,
                           COMPARE_UNEXPLAINED, "function %s is only in %c",
                           f->name.n > 0 ? elf_text(name, f->name) : "without a name", "AB"[side]);
}

static int function(struct code *c, const struct elf_func *a, const struct elf_func *b)
{
    char name[ELF_NAME], behind[ELF_NAME + 16];
    struct range r[2];
    int rc;

    if (a->name.n > 0)
        (void)elf_text(name, a->name);
    else
        (void)snprintf(name, sizeof(name), "function 0x%" PRIx64, c->s->addr + a->off);
    set_range(&r[0], &c->p->f[0], c->s, a->off, a->n);
    set_range(&r[1], &c->p->f[1], c->t, b->off, b->n);
    if ((rc = compare_range(c, r, name)) != 0)
        return rc;
    (void)snprintf(behind, sizeof(behind), "behind %s", name);
    set_range(&r[0], &c->p->f[0], c->s, a->off + a->n, a->tail);
    set_range(&r[1], &c->p->f[1], c->t, b->off + b->n, b->tail);
    return gap(c, r, behind,
               c->s->size == a->off + a->n + a->tail || c->t->size == b->off + b->n + b->tail);
}

int elf_code(struct elf_pair *p, struct elf_section *s)
{
    struct code c = {.p = p, .s = s, .t = &p->f[1].section[s->peer]};
    const struct elf_funcs *f = p->code[s - p->f[0].section];
    char name[ELF_NAME];
    struct range r[2];
    bool moved = false;
    long last = -1;
    int rc;

    set_range(&r[0], &p->f[0], s, 0, f[0].head);
    set_range(&r[1], &p->f[1], c.t, 0, f[1].head);
    rc = gap(&c, r, elf_text(name, s->name), f[0].n == 0 || f[1].n == 0);
    for (size_t i = 0; i < f[0].n && rc == 0; i++) {
        const struct elf_func *a = &f[0].v[i];

        rc = a->peer < 0 ? alone(&c, 0, a) : function(&c, a, &f[1].v[a->peer]);
        moved = moved || (a->peer >= 0 && a->peer < last);
        last = a->peer >= 0 ? a->peer : last;
    }
    for (size_t i = 0; i < f[1].n && rc == 0; i++)
        if (f[1].v[i].peer < 0)
            rc = alone(&c, 1, &f[1].v[i]);
    if (rc == 0 && moved)
        rc = look_find(p->l, COMPARE_METADATA, "the functions of %s are in another order", name);
    return rc != 0 ? rc : tell_run(&c);
}
