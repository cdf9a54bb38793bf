/* elf_data.c - data: runs of bytes that differ, told apart where they are texts with a known cause,
 * or pointers to the same. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compare/elf_priv.h"

#define TEXT_MAX 4096u
#define PAD_MAX 64u
#define TEXTS 16u /* that may be new in a row */
#define JOIN 4u

struct place { /* in the contents of both */
    size_t a, b;
};

/* --- texts --- */

static bool printable(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (isprint(s.p[i]) == 0 && isspace(s.p[i]) == 0 && s.p[i] < 0x80)
            return false;
    return s.n > 0;
}

/* The text around at that begins at from or later, without its NUL. */
static bool text_around(struct span s, size_t from, size_t at, size_t *begin, struct span *out)
{
    const uint8_t *end;
    size_t left;

    for (*begin = at; *begin > from && at - *begin < TEXT_MAX && s.p[*begin - 1] != '\0';)
        --*begin;
    left = s.n - at < TEXT_MAX ? s.n - at : TEXT_MAX;
    if ((end = memchr(s.p + at, '\0', left)) == NULL)
        return false;
    *out = span_of(s.p + *begin, (size_t)(end - (s.p + *begin)));
    return printable(*out);
}

/* The texts around a difference have a known cause: where they begin, and their lengths. */
static const char *cause(const struct look *l, struct span a, struct span b, struct place from,
                         struct place at, struct place *begin, struct place *n)
{
    struct span x, y;

    if (!text_around(a, from.a, at.a, &begin->a, &x) ||
        !text_around(b, from.b, at.b, &begin->b, &y) || at.a - begin->a != at.b - begin->b)
        return NULL;
    *n = (struct place){x.n, y.n};
    return look_cause(l, x, y);
}

/* --- maps --- */

static size_t zeros(struct span s, size_t at)
{
    size_t n = 0;

    while (at + n < s.n && s.p[at + n] == 0)
        n++;
    return n;
}

static int add(struct elf_section *s, size_t *room, struct elf_block k)
{
    if (s->maps == *room) {
        size_t more = *room == 0 ? 8 : 2 * *room;
        struct elf_block *v = reallocarray(s->map, more, sizeof(*v));

        if (v == NULL)
            return -ENOMEM;
        s->map = v;
        *room = more;
    }
    s->map[s->maps++] = k;
    return 0;
}

/* Where texts are the same again: the fewest to skip from a and b on, which begin texts. */
static bool same_again(struct span a, struct span b, struct place *at)
{
    for (size_t skip = 1; skip <= TEXTS; skip++) {
        size_t x = at->a;

        for (size_t i = 0; i <= skip && x < a.n; i++) {
            struct span one = elf_string(a, x);
            size_t y = at->b;

            for (size_t k = i; k < skip && y < b.n; k++)
                y += elf_string(b, y).n + 1;
            if (one.n >= 4 && y < b.n && x + one.n < a.n && printable(one) &&
                span_eq(one, elf_string(b, y))) {
                *at = (struct place){x, y};
                return true;
            }
            x += one.n + 1;
        }
    }
    return false;
}

/* Zeros before and around at, as many as align what follows: the widest that both sides have. */
static bool aligned_again(struct span a, struct span b, struct place from, struct place at,
                          struct place *begin, struct place *end)
{
    size_t back = 0;

    while (back < PAD_MAX && at.a - back > from.a && a.p[at.a - back - 1] == 0)
        back++;
    *begin = (struct place){at.a - back, at.b - back};
    for (size_t align = back > 0 ? 32 : 0; align >= 4; align /= 2) {
        *end =
            (struct place){(begin->a + align) / align * align, (begin->b + align) / align * align};
        if (end->a - begin->a != end->b - begin->b && end->a <= begin->a + zeros(a, begin->a) &&
            end->b <= begin->b + zeros(b, begin->b))
            return true;
    }
    return false;
}

/* A difference at at: the blocks before it and of it, after which both go on at *at; false: they do
 * not. */
static int past(struct elf_pair *p, struct elf_section *s, struct span a, struct span b,
                size_t *room, struct place from, struct place *at, bool *goes_on)
{
    struct place begin, n, end;
    struct span x;
    int rc;

    *goes_on = true;
    if (cause(p->l, a, b, from, *at, &begin, &n) != NULL) {
        end = (struct place){begin.a + n.a, begin.b + n.b};
    } else if (aligned_again(a, b, from, *at, &begin, &end)) {
        n = end;
    } else if (text_around(a, from.a, at->a, &begin.a, &x) && at->b - from.b >= at->a - begin.a) {
        begin.b = at->b - (at->a - begin.a);
        end = begin;
        *goes_on = same_again(a, b, &end);
    } else {
        *goes_on = false;
    }
    if (!*goes_on)
        return 0;
    rc = add(s, room, (struct elf_block){from.a, from.b, begin.a - from.a, begin.b - from.b});
    if (rc == 0)
        rc = add(s, room, (struct elf_block){begin.a, begin.b, end.a - begin.a, end.b - begin.b});
    *at = end;
    return rc;
}

/* Equal runs and what is between them, up to a difference after which nothing is found again. */
static int map_forward(struct elf_pair *p, struct elf_section *s, struct span a, struct span b,
                       size_t *room, struct place *at)
{
    struct place from = {0, 0};
    bool goes_on = true;
    int rc = 0;

    *at = from;
    while (rc == 0 && goes_on) {
        while (at->a < a.n && at->b < b.n && a.p[at->a] == b.p[at->b]) {
            at->a++;
            at->b++;
        }
        if (at->a == a.n || at->b == b.n)
            break;
        rc = past(p, s, a, b, room, from, at, &goes_on);
        if (goes_on)
            from = *at;
    }
    return rc != 0 || at->a == from.a
               ? rc
               : add(s, room, (struct elf_block){from.a, from.b, at->a - from.a, at->b - from.b});
}

/* What is left is taken to be one insertion, and the same behind it: counted from the end. */
int elf_map_data(struct elf_pair *p, struct elf_section *s)
{
    struct span a = elf_bytes(&p->f[0], s), b = elf_bytes(&p->f[1], &p->f[1].section[s->peer]);
    size_t room = 0, tail;
    struct place at;
    int rc;

    if (a.n == b.n || (s->flags & SHF_COMPRESSED) != 0)
        return 0;
    if ((rc = map_forward(p, s, a, b, &room, &at)) != 0)
        return rc;
    tail = a.n - at.a < b.n - at.b ? a.n - at.a : b.n - at.b;
    return tail == 0 ? 0 : add(s, &room, (struct elf_block){a.n - tail, b.n - tail, tail, tail});
}

/* --- claims --- */

struct data {
    struct elf_pair *p;
    const struct elf_section *s, *t;
    struct span a, b;
    struct place done;
    char name[ELF_NAME];
};

static int claim(struct data *d, struct place end, enum compare_class class, const char *why)
{
    const struct look_range ra = {d->s->off + d->done.a, end.a - d->done.a};
    const struct look_range rb = {d->t->off + d->done.b, end.b - d->done.b};

    d->done = end;
    return look_pair(d->p->l, ra, rb, elf_class(d->p, d->s, class), "%s: %s", d->name, why);
}

/* An address of A at a, and the same of B at b: width bytes. */
static bool pointer(const struct data *d, struct place at, unsigned width)
{
    uint64_t x, y;

    if (at.a + width > d->a.n || at.b + width > d->b.n)
        return false;
    x = elf_get(&d->p->f[0], d->s->off + at.a, width);
    y = elf_get(&d->p->f[1], d->t->off + at.b, width);
    return elf_at(&d->p->f[0], x) != NULL && elf_leads(d->p, x, y);
}

static uint64_t signed_word(const struct elf_file *f, uint64_t at)
{
    return (elf_get(f, at, 4) ^ 0x80000000u) - UINT64_C(0x80000000);
}

/* A word of a table of jumps, which says how far from the table: the code takes its address, and
 * they lead to the same code. */
static bool jump(const struct data *d, struct place at)
{
    const uint64_t a = d->s->addr + at.a, b = d->t->addr + at.b;
    const struct elf_base *base = elf_base_of(d->p, a);
    const struct elf_section *to;
    uint64_t x, y;

    if (base == NULL || at.a + 4 > d->a.n || at.b + 4 > d->b.n || a - base->a != b - base->b)
        return false;
    x = base->a + signed_word(&d->p->f[0], d->s->off + at.a);
    y = base->b + signed_word(&d->p->f[1], d->t->off + at.b);
    to = elf_at(&d->p->f[0], x);
    return to != NULL && (to->flags & SHF_EXECINSTR) != 0 && elf_leads(d->p, x, y);
}

static bool year(const struct data *d, struct place at)
{
    return at.a + 4 <= d->a.n && at.b + 4 <= d->b.n &&
           look_year(d->p->l, elf_get(&d->p->f[0], d->s->off + at.a, 4),
                     elf_get(&d->p->f[1], d->t->off + at.b, 4));
}

/* The word around at, if it lies in what is not claimed yet. */
static bool word(const struct data *d, struct place at, unsigned width, struct place *out)
{
    const size_t back = (size_t)((d->s->addr + at.a) % width);

    if (at.a - d->done.a < back || at.b - d->done.b < back)
        return false;
    *out = (struct place){at.a - back, at.b - back};
    return true;
}

static int up_to(struct data *d, struct place at)
{
    return claim(d, at, COMPARE_UNEXPLAINED, "its bytes differ"); /* they are equal */
}

/* A difference at at, in what both have n bytes of. */
static int difference(struct data *d, struct place at, size_t n)
{
    const unsigned width = d->p->f[0].wide ? 8 : 4;
    struct place begin, len, end = {at.a + 1, at.b + 1};
    const char *why = cause(d->p->l, d->a, d->b, d->done, at, &begin, &len);
    int rc;

    if (why != NULL && len.a == len.b && begin.a + len.a <= at.a + n) {
        rc = up_to(d, begin);
        end = (struct place){begin.a + len.a, begin.b + len.b};
        return rc != 0 ? rc : claim(d, end, COMPARE_EXPLAINED, why);
    }
    if (d->p->moved && word(d, at, width, &begin) && pointer(d, begin, width)) {
        rc = up_to(d, begin);
        for (end = begin; rc == 0 && end.a + width <= at.a + n && pointer(d, end, width);)
            end = (struct place){end.a + width, end.b + width};
        return rc != 0 ? rc : claim(d, end, COMPARE_DERIVED, "addresses that lead to the same");
    }
    if (d->p->moved && word(d, at, 4, &begin) && jump(d, begin)) {
        rc = up_to(d, begin);
        for (end = begin; rc == 0 && end.a + 4 <= at.a + n && jump(d, end);)
            end = (struct place){end.a + 4, end.b + 4};
        return rc != 0 ? rc : claim(d, end, COMPARE_DERIVED, "jumps that lead to the same");
    }
    if (word(d, at, 4, &begin) && year(d, begin)) {
        rc = up_to(d, begin);
        end = (struct place){begin.a + 4, begin.b + 4};
        return rc != 0 ? rc : claim(d, end, COMPARE_EXPLAINED, "build year");
    }
    for (size_t i = 1; i < n && i - (end.a - at.a) < JOIN; i++)
        if (d->a.p[at.a + i] != d->b.p[at.b + i])
            end = (struct place){at.a + i + 1, at.b + i + 1};
    rc = up_to(d, at);
    return rc != 0 ? rc : claim(d, end, COMPARE_UNEXPLAINED, "its bytes differ");
}

/* A block of one length: differences in it, one by one. */
static int block(struct data *d, struct place end)
{
    struct place at = d->done;
    int rc = 0;

    while (rc == 0 && at.a < end.a) {
        if (d->a.p[at.a] == d->b.p[at.b]) {
            at.a++;
            at.b++;
            continue;
        }
        rc = difference(d, at, end.a - at.a);
        at = d->done;
    }
    return rc != 0 ? rc : up_to(d, end);
}

static bool all_zero(struct span s)
{
    return zeros(s, 0) == s.n;
}

/* A block of two lengths. */
static int uneven(struct data *d, struct place end)
{
    struct span a = span_of(d->a.p + d->done.a, end.a - d->done.a);
    struct span b = span_of(d->b.p + d->done.b, end.b - d->done.b);
    const char *why = look_cause(d->p->l, a, b);

    if (why != NULL)
        return claim(d, end, COMPARE_EXPLAINED, why);
    if (a.n > 0 && b.n > 0 && all_zero(a) && all_zero(b))
        return claim(d, end, COMPARE_DERIVED, "zeros behind a text");
    return claim(d, end, COMPARE_UNEXPLAINED, "its bytes differ");
}

static int to(struct data *d, struct place end)
{
    if (end.a - d->done.a == end.b - d->done.b)
        return block(d, end);
    return uneven(d, end);
}

int elf_data(struct elf_pair *p, struct elf_section *s)
{
    struct data d = {.p = p, .s = s, .t = &p->f[1].section[s->peer]};
    int rc = 0;

    d.a = elf_bytes(&p->f[0], s);
    d.b = elf_bytes(&p->f[1], d.t);
    (void)elf_text(d.name, s->name);
    for (size_t i = 0; i < s->maps && rc == 0; i++) {
        const struct elf_block *k = &s->map[i];
        struct place begin = {(size_t)k->a, (size_t)k->b};

        if ((rc = to(&d, begin)) == 0) /* what is between two blocks */
            rc = to(&d, (struct place){begin.a + (size_t)k->na, begin.b + (size_t)k->nb});
    }
    return rc != 0 ? rc : to(&d, (struct place){d.a.n, d.b.n});
}
