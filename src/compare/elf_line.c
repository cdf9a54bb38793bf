/* elf_line.c - a unit of .debug_line: its header, its tables of folders and files, its program. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_line_priv.h"

#define ENTRIES 65536u /* of a table of folders or files */
#define FORMATS 16u
#define PATH ((size_t)4096)

enum { /* DWARF 5, 7.5.6 and 7.22 */
       FORM_BLOCK = 0x09,
       FORM_DATA1 = 0x0b,
       FORM_DATA2 = 0x05,
       FORM_DATA4 = 0x06,
       FORM_DATA8 = 0x07,
       FORM_DATA16 = 0x1e,
       FORM_STRING = 0x08,
       FORM_STRP = 0x0e,
       FORM_UDATA = 0x0f,
       FORM_LINE_STRP = 0x1f,
       CONTENT_PATH = 1,
       SET_ADDRESS = 2,
       END_SEQUENCE = 1,
};

/* --- numbers --- */

struct at {
    const struct elf_file *f;
    uint64_t at, end;
    bool bad;
};

static uint64_t number(struct at *c, unsigned n)
{
    const uint64_t v = elf_get(c->f, c->at, n);

    if (c->bad || n > c->end - c->at) {
        c->bad = true;
        return 0;
    }
    c->at += n;
    return v;
}

static uint64_t leb(struct at *c, bool is_signed)
{
    uint64_t v = 0, b;
    unsigned shift = 0;

    do {
        b = number(c, 1);
        if (shift < 64)
            v |= (b & 0x7f) << shift;
        shift += 7;
    } while ((b & 0x80) != 0 && !c->bad);
    if (is_signed && (b & 0x40) != 0 && shift < 64)
        v |= UINT64_MAX << shift;
    return v;
}

static struct span text(struct at *c)
{
    const uint8_t *p = c->f->all.p + c->at;
    const uint8_t *end = c->bad ? NULL : memchr(p, '\0', (size_t)(c->end - c->at));

    if (end == NULL) {
        c->bad = true;
        return span_of("", 0);
    }
    c->at += (uint64_t)(end - p) + 1;
    return span_of(p, (size_t)(end - p));
}

/* --- tokens --- */

static void token(struct line_unit *u, enum line_sort sort, uint64_t at, uint64_t n, struct span s)
{
    struct line_token *last = u->n > u->split ? &u->v[u->n - 1] : NULL;
    const size_t more = u->room == 0 ? 64 : 2 * u->room;
    struct line_token *v;

    if (u->bad || n == 0 || u->l == NULL)
        return;
    if (last != NULL && last->sort == LINE_RAW && sort == LINE_RAW && last->at + last->n == at) {
        last->n += n;
        return;
    }
    if (u->n == u->room) {
        if (!look_charge(u->l, (more - u->room) * sizeof(*v))) {
            u->bad = true;
            return;
        }
        if ((v = reallocarray(u->v, more, sizeof(*v))) == NULL) {
            look_discharge(u->l, (more - u->room) * sizeof(*v));
            u->rc = -ENOMEM;
            u->bad = true;
            return;
        }
        u->v = v;
        u->room = more;
    }
    u->v[u->n++] = (struct line_token){sort, at, n, s};
}

static void raw(struct line_unit *u, uint64_t from, uint64_t to)
{
    token(u, LINE_RAW, from, to - from, span_of("", 0));
}

/* --- tables --- */

struct tables { /* what is wanted of them: the name of a file */
    struct line_unit *u;
    uint64_t want;
    struct span name;
};

void elf_line_texts_of(const struct elf_file *f, struct line_texts *out)
{
    static const char *const name[] = {".debug_str", ".debug_line_str"};

    for (size_t i = 0; i < ARRAY_LEN(name); i++) {
        const struct elf_section *s = elf_named(f, name[i]);

        out->v[i] =
            s == NULL || (s->flags & SHF_COMPRESSED) != 0 ? span_of("", 0) : elf_bytes(f, s);
    }
}

/* Empty where it is too long for a path. */
static struct span in_section(struct span s, uint64_t offset)
{
    const size_t left = offset >= s.n ? 0 : s.n - (size_t)offset;
    const struct span some = span_of(s.p + (left > 0 ? offset : 0), left < PATH ? left : PATH);
    const struct span out = elf_string(some, 0);

    return out.n < some.n ? out : span_of("", 0);
}

/* One value of an entry (DWARF 5, 6.2.4.1). */
static struct span value(struct tables *t, struct at *c, uint64_t form)
{
    const uint64_t from = c->at;
    struct span s = span_of("", 0);
    uint64_t n;

    if (form == FORM_STRING) {
        s = text(c);
        token(t->u, LINE_TEXT, from, c->at - from, s);
        return s;
    }
    if (form == FORM_LINE_STRP || form == FORM_STRP) {
        n = number(c, t->u->offset_n);
        s = in_section(t->u->texts->v[form == FORM_STRP ? 0 : 1], n);
        token(t->u, s.n > 0 ? LINE_OFFSET : LINE_RAW, from, c->at - from, s);
        return s;
    }
    n = form == FORM_DATA1    ? 1
        : form == FORM_DATA2  ? 2
        : form == FORM_DATA4  ? 4
        : form == FORM_DATA8  ? 8
        : form == FORM_DATA16 ? 16
        : form == FORM_BLOCK  ? leb(c, false)
                              : 0;
    if (form == FORM_UDATA)
        (void)leb(c, false);
    else if (n == 0 && form != FORM_BLOCK)
        c->bad = true;
    if (n > c->end - c->at)
        c->bad = true;
    else
        c->at += n;
    if (!c->bad)
        raw(t->u, from, c->at);
    return s;
}

static void described(struct tables *t, struct at *c, bool files)
{
    uint64_t from = c->at, formats = number(c, 1), what[FORMATS][2], n;

    if (formats > FORMATS) {
        c->bad = true;
        return;
    }
    for (uint64_t i = 0; i < formats; i++) {
        what[i][0] = leb(c, false);
        what[i][1] = leb(c, false);
    }
    n = leb(c, false);
    if (n > ENTRIES || (n > 0 && formats == 0))
        c->bad = true;
    if (!c->bad)
        raw(t->u, from, c->at);
    for (uint64_t i = 0; i < n && !c->bad; i++)
        for (uint64_t k = 0; k < formats && !c->bad; k++) {
            const struct span s = value(t, c, what[k][1]);

            if (files && what[k][0] == CONTENT_PATH && i == t->want)
                t->name = s;
        }
}

static void listed(struct tables *t, struct at *c, bool files)
{
    for (uint64_t i = 1; !c->bad; i++) {
        const uint64_t from = c->at;
        const struct span s = text(c);

        if (c->bad || s.n == 0) {
            if (!c->bad)
                raw(t->u, from, c->at);
            return;
        }
        if (i > ENTRIES)
            c->bad = true;
        token(t->u, LINE_TEXT, from, c->at - from, s);
        if (files) {
            const uint64_t behind = c->at;

            for (int k = 0; k < 3; k++)
                (void)leb(c, false);
            if (!c->bad)
                raw(t->u, behind, c->at);
            if (i == t->want)
                t->name = s;
        }
    }
}

static struct span tables(struct line_unit *u, uint64_t want)
{
    struct tables t = {u, want, span_of("", 0)};
    struct at c = {u->f, u->lens + u->opcodes - 1, u->program, false};

    for (int files = 0; files < 2 && !c.bad; files++)
        if (u->version >= 5)
            described(&t, &c, files != 0);
        else
            listed(&t, &c, files != 0);
    if (c.bad)
        u->bad = true;
    else
        raw(u, c.at, u->program);
    return t.name;
}

struct span elf_line_file(const struct line_unit *u, uint64_t file)
{
    struct line_unit again = *u;

    again.l = NULL; /* no tokens */
    return tables(&again, file);
}

/* --- the header --- */

bool elf_line_unit_next(const struct elf_file *f, const struct line_texts *texts, uint64_t *at,
                        uint64_t end, struct line_unit *u)
{
    struct at c = {f, *at, end, false};
    uint64_t n = number(&c, 4), header;

    *u = (struct line_unit){
        .f = f, .texts = texts, .at = *at, .offset_n = 4, .name = span_of("", 0)};
    if (n == UINT32_MAX) {
        u->offset_n = 8;
        n = number(&c, 8);
    }
    if (c.bad || n > c.end - c.at)
        return false;
    u->end = c.end = c.at + n;
    u->version = (unsigned)number(&c, 2);
    if (u->version < 2 || u->version > 5)
        return false;
    if (u->version >= 5)
        (void)number(&c, 2); /* sizes of an address and of a selector */
    header = number(&c, u->offset_n);
    if (c.bad || header > c.end - c.at)
        return false;
    u->program = c.at + header;
    u->min_insn = (unsigned)number(&c, 1);
    if (u->version >= 4 && number(&c, 1) != 1) /* more operations in an instruction than one */
        return false;
    u->is_stmt = number(&c, 1) != 0;
    u->line_base = (int8_t)number(&c, 1);
    u->range = (unsigned)number(&c, 1);
    u->opcodes = (unsigned)number(&c, 1);
    u->lens = c.at;
    if (c.bad || u->range == 0 || u->opcodes == 0 || c.at > u->program ||
        u->opcodes - 1 > u->program - c.at)
        return false;
    u->name = elf_line_file(u, u->version >= 5 ? 0 : 1);
    *at = u->end;
    return true;
}

/* --- the program --- */

static unsigned operands(const struct line_unit *u, unsigned op)
{
    return (unsigned)elf_get(u->f, u->lens + op - 1, 1);
}

/* The standard opcodes have the operands that they have (DWARF 5, 6.2.5.2). */
static bool standard(const struct line_unit *u)
{
    static const uint8_t usual[] = {0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};

    for (unsigned op = 1; op < u->opcodes && op <= ARRAY_LEN(usual); op++)
        if (operands(u, op) != usual[op - 1])
            return false;
    return true;
}

/* Over the instruction at c; an address in it is a token of its own. */
static void skip(struct line_unit *u, struct at *c)
{
    const uint64_t from = c->at;
    const unsigned op = (unsigned)number(c, 1);

    if (op == 0) {
        const uint64_t n = leb(c, false), begin = c->at;

        if (c->bad || n == 0 || n > c->end - c->at) {
            c->bad = true;
            return;
        }
        if (number(c, 1) == SET_ADDRESS && n >= 5 && n <= 9) {
            raw(u, from, c->at);
            token(u, LINE_ADDRESS, c->at, n - 1, span_of("", 0));
        } else {
            raw(u, from, begin + n);
        }
        c->at = begin + n;
        return;
    }
    if (op == 9)
        (void)number(c, 2);
    else
        for (unsigned k = op < u->opcodes ? operands(u, op) : 0; k > 0 && !c->bad; k--)
            (void)leb(c, false);
    if (!c->bad)
        raw(u, from, c->at);
}

bool elf_line_unit_read(struct line_unit *u, struct look *l)
{
    const uint64_t head = u->offset_n == 8 ? 12 : 4;
    const uint64_t length = u->at + head + (u->version >= 5 ? 4 : 2);
    struct at c = {u->f, u->program, u->end, false};

    u->l = l;
    token(u, LINE_LENGTH, u->at, head, span_of("", 0));
    raw(u, u->at + head, length);
    token(u, LINE_LENGTH, length, u->offset_n, span_of("", 0));
    raw(u, length + u->offset_n, u->lens + u->opcodes - 1);
    (void)tables(u, 0);
    u->split = u->n;
    while (!u->bad && !c.bad && c.at < c.end)
        skip(u, &c);
    u->bad = u->bad || c.bad || !standard(u);
    return !u->bad;
}

void elf_line_unit_done(struct line_unit *u)
{
    if (u->l != NULL)
        look_discharge(u->l, u->room * sizeof(*u->v));
    free(u->v);
    u->v = NULL;
    u->n = u->room = 0;
}

/* --- rows --- */

static void reset(struct line_machine *m)
{
    m->row = (struct line_row){.file = 1, .line = 1, .is_stmt = m->u->is_stmt};
}

void elf_line_start(struct line_machine *m, const struct line_unit *u)
{
    *m = (struct line_machine){.u = u, .at = u->program};
    reset(m);
}

/* An instruction that is none of the special ones; true: it makes a row. */
static bool step(struct line_machine *m, struct at *c, unsigned op)
{
    const uint64_t from = c->at;
    struct line_row *r = &m->row;
    uint64_t n;

    switch (op) {
    case 0:
        n = leb(c, false);
        r->end = elf_get(c->f, c->at, 1) == END_SEQUENCE;
        if (elf_get(c->f, c->at, 1) == SET_ADDRESS)
            r->address = 0;
        c->at = n > c->end - c->at ? c->end : c->at + n;
        return r->end;
    case 1:
        return true;
    case 2:
        r->address += leb(c, false) * m->u->min_insn;
        return false;
    case 3:
        r->line += leb(c, true);
        return false;
    case 4:
        r->file = leb(c, false);
        return false;
    case 5:
        r->column = leb(c, false);
        return false;
    case 6:
        r->is_stmt = !r->is_stmt;
        return false;
    case 8:
        r->address += (uint64_t)((255 - m->u->opcodes) / m->u->range) * m->u->min_insn;
        return false;
    case 9:
        r->address += number(c, 2);
        return false;
    default:
        for (unsigned k = operands(m->u, op); k > 0 && !c->bad; k--)
            (void)leb(c, false);
        m->bad = m->bad || c->at < from;
        return false;
    }
}

bool elf_line_next(struct line_machine *m, struct line_row *out)
{
    struct at c = {m->u->f, m->at, m->u->end, false};
    bool made = false;

    if (m->row.end)
        reset(m);
    while (!made && c.at < c.end && !c.bad) {
        const unsigned op = (unsigned)number(&c, 1);

        if (op < m->u->opcodes) {
            made = step(m, &c, op);
        } else {
            const unsigned k = op - m->u->opcodes;

            m->row.address += (uint64_t)(k / m->u->range) * m->u->min_insn;
            m->row.line += (uint64_t)(int64_t)(m->u->line_base + (int)(k % m->u->range));
            made = true;
        }
    }
    m->at = c.at;
    *out = m->row;
    return made;
}
