/* elf_lines.c - the line tables of two programs, unit by unit: those of one source file are pairs.
 *
 * Two units are the same but for where the code and the names lie, when what is left of their bytes
 * is equal and the addresses and offsets lead to the same.  Else one finding tells the first row
 * that differs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_line_priv.h"
#include "compare/plain.h"

struct unit {
    uint64_t at, end;
    struct span name; /* the last component of it */
    size_t i;
    long peer;
};
struct units {
    struct unit *v;
    size_t n, room;
    uint64_t end; /* of the last */
};
struct lines_of {
    struct elf_pair *p;
    const struct elf_section *s, *t;
    struct line_texts texts[2];
};

/* --- which is which --- */

static struct span last_component(struct span s)
{
    const uint8_t *slash = s.n == 0 ? NULL : memrchr(s.p, '/', s.n);
    const size_t skip = slash == NULL ? 0 : (size_t)(slash + 1 - s.p);

    return span_of(s.p + skip, s.n - skip);
}

static int find_units(const struct lines_of *l, int side, struct units *o)
{
    const struct elf_section *s = side == 0 ? l->s : l->t;
    const uint64_t end = s->off + s->size;
    struct elf_pair *p = l->p;
    struct line_unit u;

    o->end = s->off;
    while (o->end < end && elf_line_unit_next(&p->f[side], &l->texts[side], &o->end, end, &u)) {
        if (o->n == o->room) {
            const size_t more = o->room == 0 ? 64 : 2 * o->room;
            struct unit *v;

            if (!look_charge(p->l, (more - o->room) * sizeof(*v))) {
                o->end = u.at; /* what is left is compared as bytes */
                return 0;
            }
            if ((v = reallocarray(o->v, more, sizeof(*v))) == NULL) {
                look_discharge(p->l, (more - o->room) * sizeof(*v));
                return -ENOMEM;
            }
            o->v = v;
            o->room = more;
        }
        o->v[o->n] = (struct unit){u.at, u.end, last_component(u.name), o->n, -1};
        o->n++;
    }
    return 0;
}

static int by_name(const void *x, const void *y)
{
    const struct unit *const *a = x, *const *b = y;
    const size_t n = (*a)->name.n < (*b)->name.n ? (*a)->name.n : (*b)->name.n;
    const int d = n == 0 ? 0 : memcmp((*a)->name.p, (*b)->name.p, n);

    if (d != 0 || (*a)->name.n != (*b)->name.n)
        return d != 0 ? d : (*a)->name.n < (*b)->name.n ? -1 : 1;
    return (*a)->i < (*b)->i ? -1 : (*a)->i > (*b)->i;
}

static struct unit **sorted(struct units *o)
{
    struct unit **v = calloc(o->n + 1, sizeof(*v));

    for (size_t i = 0; v != NULL && i < o->n; i++)
        v[i] = &o->v[i];
    if (v != NULL && o->n > 0)
        qsort(v, o->n, sizeof(struct unit *), by_name);
    return v;
}

static int match(struct units o[2])
{
    struct unit **v[2] = {sorted(&o[0]), sorted(&o[1])};
    int rc = v[0] == NULL || v[1] == NULL ? -ENOMEM : 0;

    for (size_t i = 0, k = 0; rc == 0 && i < o[0].n && k < o[1].n;) {
        const bool same = span_eq(v[0][i]->name, v[1][k]->name);
        const bool less = !same && by_name(&v[0][i], &v[1][k]) < 0;

        if (same) {
            v[0][i]->peer = (long)v[1][k]->i;
            v[1][k]->peer = (long)v[0][i]->i;
        }
        i += same || less;
        k += same || !less;
    }
    free(v[0]);
    free(v[1]);
    return rc;
}

/* --- two units --- */

static uint64_t token_value(const struct line_unit *u, const struct line_token *t)
{
    return elf_get(u->f, t->at, (unsigned)t->n);
}

static bool token_same(const struct lines_of *o, const struct line_unit u[2],
                       const struct line_token *a, const struct line_token *b)
{
    if (a->sort != b->sort)
        return false;
    switch (a->sort) {
    case LINE_LENGTH:
        return a->n == b->n;
    case LINE_ADDRESS:
        return a->n == b->n && elf_leads(o->p, token_value(&u[0], a), token_value(&u[1], b));
    case LINE_TEXT:
    case LINE_OFFSET:
        return span_eq(a->text, b->text) || look_cause(o->p->l, a->text, b->text) != NULL;
    default:
        return a->n == b->n &&
               memcmp(u[0].f->all.p + a->at, u[1].f->all.p + b->at, (size_t)a->n) == 0;
    }
}

/* Tokens from..to of both are the same; *at: the first that is not. */
static bool tokens_same(const struct lines_of *o, const struct line_unit u[2], const size_t from[2],
                        const size_t to[2], size_t *at)
{
    for (*at = 0; from[0] + *at < to[0] && from[1] + *at < to[1]; ++*at)
        if (!token_same(o, u, &u[0].v[from[0] + *at], &u[1].v[from[1] + *at]))
            return false;
    return to[0] - from[0] == to[1] - from[1];
}

static int claim_tokens(const struct lines_of *o, const struct line_unit u[2], const size_t from[2],
                        size_t n, const char *name, bool *follows)
{
    char text[2][PLAIN_SHOWN];
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct line_token *a = &u[0].v[from[0] + i], *b = &u[1].v[from[1] + i];
        const struct look_range ra = {a->at, a->n}, rb = {b->at, b->n};

        if (a->sort == LINE_TEXT && !span_eq(a->text, b->text)) {
            rc = look_pair(
                o->p->l, ra, rb, elf_class(o->p, o->s, COMPARE_EXPLAINED),
                "lines of %s: %s: %s became %s", name, look_cause(o->p->l, a->text, b->text),
                plain_show(text[0], a->text, 0, true), plain_show(text[1], b->text, 0, true));
            continue;
        }
        *follows = *follows || a->n != b->n ||
                   memcmp(u[0].f->all.p + a->at, u[1].f->all.p + b->at, (size_t)a->n) != 0;
        rc = look_quiet(o->p->l, ra, rb, elf_class(o->p, o->s, COMPARE_DERIVED));
    }
    return rc;
}

/* What is equal at both ends is left out. */
static int differs(const struct lines_of *o, struct look_range a, struct look_range b,
                   const char *what)
{
    const uint8_t *x = o->p->f[0].all.p + a.at, *y = o->p->f[1].all.p + b.at;
    const uint64_t least = a.n < b.n ? a.n : b.n;
    uint64_t head = 0, tail = 0;
    int rc;

    while (head < least && x[head] == y[head])
        head++;
    while (tail < least - head && x[a.n - 1 - tail] == y[b.n - 1 - tail])
        tail++;
    if ((rc = look_quiet(o->p->l, (struct look_range){a.at, head}, (struct look_range){b.at, head},
                         COMPARE_UNEXPLAINED)) == 0)
        rc = look_pair(o->p->l, (struct look_range){a.at + head, a.n - head - tail},
                       (struct look_range){b.at + head, b.n - head - tail}, COMPARE_UNEXPLAINED,
                       "%s", what);
    return rc != 0 ? rc
                   : look_quiet(o->p->l, (struct look_range){a.at + a.n - tail, tail},
                                (struct look_range){b.at + b.n - tail, tail}, COMPARE_UNEXPLAINED);
}

static bool row_same(const struct line_row *a, const struct line_row *b)
{
    return a->address == b->address && a->file == b->file && a->line == b->line &&
           a->column == b->column && a->is_stmt == b->is_stmt && a->end == b->end;
}

/* "lines of a.c: line 7 of a.c became line 8; 12 rows differ, of 20 and 21". */
static void tell_rows(const struct line_unit u[2], const char *name, char *out, size_t room)
{
    struct line_machine m[2];
    struct line_row r[2], first[2] = {{0}, {0}};
    uint64_t rows[2] = {0, 0}, differ = 0;
    bool more[2] = {true, true}, told = false;
    char text[PLAIN_SHOWN];

    elf_line_start(&m[0], &u[0]);
    elf_line_start(&m[1], &u[1]);
    while (more[0] || more[1]) {
        for (int side = 0; side < 2; side++) {
            more[side] = more[side] && elf_line_next(&m[side], &r[side]);
            rows[side] += more[side];
        }
        if (!more[0] && !more[1])
            break;
        if (more[0] && more[1] && row_same(&r[0], &r[1]))
            continue;
        differ++;
        for (int side = 0; side < 2 && !told; side++)
            if (more[side])
                first[side] = r[side];
        told = true;
    }
    if (!told)
        (void)snprintf(
            out, room,
            "lines of %s: the same rows of code that lies elsewhere, or written otherwise", name);
    else
        (void)snprintf(
            out, room,
            "lines of %s: from line %" PRIu64 " of %.80s on (0x%" PRIx64 "), line %" PRIu64
            " in B (0x%" PRIx64 "); %" PRIu64 " rows differ, of %" PRIu64 " and %" PRIu64,
            name, first[0].line,
            plain_show(text, last_component(elf_line_file(&u[0], first[0].file)), 0, false),
            first[0].address, first[1].line, first[1].address, differ, rows[0], rows[1]);
}

/* The first text of the tables that differs, or that something does. */
static void tell_table(const struct line_unit u[2], size_t at, const char *name, char *out,
                       size_t room)
{
    char text[2][PLAIN_SHOWN];

    if (at < u[0].split && at < u[1].split && u[0].v[at].text.n > 0 && u[1].v[at].text.n > 0)
        (void)snprintf(out, room, "lines of %s: its folders and files: %.120s became %.120s", name,
                       plain_show(text[0], u[0].v[at].text, 0, true),
                       plain_show(text[1], u[1].v[at].text, 0, true));
    else
        (void)snprintf(out, room, "lines of %s: its folders and files differ", name);
}

static int two_parts(const struct lines_of *o, const struct line_unit u[2], const char *name)
{
    const size_t zero[2] = {0, 0}, split[2] = {u[0].split, u[1].split}, end[2] = {u[0].n, u[1].n};
    char what[400];
    bool follows = false;
    size_t at;
    int rc;

    if (tokens_same(o, u, zero, split, &at)) {
        rc = claim_tokens(o, u, zero, split[0], name, &follows);
    } else {
        tell_table(u, at, name, what, sizeof(what));
        rc = differs(o, (struct look_range){u[0].at, u[0].program - u[0].at},
                     (struct look_range){u[1].at, u[1].program - u[1].at}, what);
    }
    if (rc == 0 && tokens_same(o, u, split, end, &at)) {
        rc = claim_tokens(o, u, split, end[0] - split[0], name, &follows);
    } else if (rc == 0) {
        tell_rows(u, name, what, sizeof(what));
        rc = differs(o, (struct look_range){u[0].program, u[0].end - u[0].program},
                     (struct look_range){u[1].program, u[1].end - u[1].program}, what);
    }
    if (rc == 0 && follows)
        rc = look_find(o->p->l, elf_class(o->p, o->s, COMPARE_DERIVED),
                       "lines of %s: addresses, offsets and lengths that lead to the same", name);
    return rc;
}

static int two_units(const struct lines_of *o, const struct unit *a, const struct unit *b)
{
    const struct look_range ra = {a->at, a->end - a->at}, rb = {b->at, b->end - b->at};
    struct line_unit u[2];
    uint64_t at[2] = {a->at, b->at};
    char name[ELF_NAME], what[ELF_NAME + 40];
    bool good = elf_line_unit_next(&o->p->f[0], &o->texts[0], &at[0], a->end, &u[0]);
    int rc;

    good = elf_line_unit_next(&o->p->f[1], &o->texts[1], &at[1], b->end, &u[1]) && good;
    (void)elf_text(name, a->name);
    if (ra.n == rb.n && memcmp(o->p->f[0].all.p + ra.at, o->p->f[1].all.p + rb.at, ra.n) == 0)
        return look_quiet(o->p->l, ra, rb, COMPARE_UNEXPLAINED);
    good = good && elf_line_unit_read(&u[0], o->p->l);
    good = good && elf_line_unit_read(&u[1], o->p->l);
    rc = u[0].rc != 0 ? u[0].rc : u[1].rc;
    (void)snprintf(what, sizeof(what), "lines of %s: its bytes differ", name);
    if (rc == 0)
        rc = good ? two_parts(o, u, name) : differs(o, ra, rb, what);
    elf_line_unit_done(&u[0]);
    elf_line_unit_done(&u[1]);
    return rc;
}

/* --- all of them --- */

static int alone(const struct lines_of *o, int side, const struct unit *u)
{
    const struct look_range all = {u->at, u->end - u->at}, none = {0, 0};
    char name[ELF_NAME];

    return look_pair(o->p->l, side == 0 ? all : none, side == 1 ? all : none, COMPARE_UNEXPLAINED,
                     "lines of %s are only in %c", elf_text(name, u->name), "AB"[side]);
}

static int pairs(const struct lines_of *o, const struct units v[2])
{
    long last = -1;
    bool moved = false;
    int rc = 0;

    for (size_t i = 0; i < v[0].n && rc == 0; i++) {
        const struct unit *a = &v[0].v[i];

        rc = a->peer < 0 ? alone(o, 0, a) : two_units(o, a, &v[1].v[a->peer]);
        moved = moved || (a->peer >= 0 && a->peer < last);
        last = a->peer >= 0 ? a->peer : last;
    }
    for (size_t i = 0; i < v[1].n && rc == 0; i++)
        if (v[1].v[i].peer < 0)
            rc = alone(o, 1, &v[1].v[i]);
    if (rc == 0 && moved)
        rc = look_find(o->p->l, COMPARE_UNEXPLAINED,
                       "the units of .debug_line are in another order");
    return rc != 0 ? rc
                   : differs(o, (struct look_range){v[0].end, o->s->off + o->s->size - v[0].end},
                             (struct look_range){v[1].end, o->t->off + o->t->size - v[1].end},
                             ".debug_line: what is no table of lines");
}

int elf_lines(struct elf_pair *p, struct elf_section *s)
{
    struct lines_of o = {.p = p, .s = s, .t = &p->f[1].section[s->peer]};
    struct units v[2] = {{NULL, 0, 0, 0}, {NULL, 0, 0, 0}};
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++) {
        elf_line_texts_of(&p->f[side], &o.texts[side]);
        rc = find_units(&o, side, &v[side]);
    }
    if (rc == 0)
        rc = match(v);
    if (rc == 0)
        rc = pairs(&o, v);
    for (int side = 0; side < 2; side++) {
        look_discharge(p->l, v[side].room * sizeof(*v[side].v));
        free(v[side].v);
    }
    return rc;
}
