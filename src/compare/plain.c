/* plain.c - texts, line by line. */
#include "compare/plain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "compare/lines.h"

#define LINES_MAX ((size_t)4000000) /* of both sides, between their common beginning and end */
#define TOLD_ALONE 1000u            /* lines told one by one; then a region at a time */
#define LISTED 8u /* lines of a region that is on one side only, told one by one */
#define SAMPLE ((size_t)65536)

struct lined { /* one side */
    struct span all;
    size_t from, to; /* without the common beginning and end */
    uint64_t first;  /* number of the line at from */
    struct span *line;
    uint32_t *number;
    struct lines l;
};

struct texts {
    struct look *look;
    struct lined s[2];
    size_t told;
};

/* --- what a text is --- */

static bool may_be_in_text(uint8_t c)
{
    return c >= 0x20 ? c != 0x7f : c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0x1b;
}

/* UTF-8, or nearly: another encoding's letters between plain ASCII. */
static bool reads_as_text(struct span s)
{
    size_t odd = 0;

    for (size_t i = 0; i < s.n;) {
        uint32_t code;
        size_t n = s.p[i] < 0x80 ? 1 : text_utf8_next(span_of(s.p + i, s.n - i), &code);

        if (n == 1 && !may_be_in_text(s.p[i]))
            return false;
        odd += n == 0;
        i += n == 0 ? 1 : n;
    }
    return odd * 8 <= s.n;
}

static bool is(struct span side, const char *name)
{
    (void)name;
    return side.n > 0 && memchr(side.p, '\0', side.n) == NULL &&
           reads_as_text(span_of(side.p, side.n < SAMPLE ? side.n : SAMPLE));
}

/* --- lines --- */

static uint64_t count(struct span s)
{
    uint64_t n = 0;
    const uint8_t *p = s.p, *end = s.p + s.n;

    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        n++;
        p++;
    }
    return n;
}

/* Leaves whole lines out at the beginning and at the end that are equal. */
static void leave_common(struct lined s[2])
{
    size_t head, tail;
    const uint8_t *feed;

    plain_common(s[0].all, s[1].all, &head, &tail);
    while (head > 0 && s[0].all.p[head - 1] != '\n')
        head--;
    feed = tail == 0 ? NULL : memchr(s[0].all.p + s[0].all.n - tail, '\n', tail);
    tail = feed == NULL ? 0 : (size_t)(s[0].all.p + s[0].all.n - feed - 1);
    for (int side = 0; side < 2; side++) {
        s[side].from = head;
        s[side].to = s[side].all.n - tail;
        s[side].first = 1 + count(span_of(s[side].all.p, head));
        s[side].l.n = count(span_of(s[side].all.p + head, s[side].to - head));
        s[side].l.n += s[side].to > head && s[side].all.p[s[side].to - 1] != '\n';
    }
}

static int find_lines(struct lined *s)
{
    const uint8_t *p = s->all.p + s->from, *end = s->all.p + s->to;

    s->line = calloc(s->l.n + 1, sizeof(*s->line));
    s->number = calloc(s->l.n + 1, sizeof(*s->number));
    s->l.out = calloc(s->l.n + 1, 1);
    if (s->line == NULL || s->number == NULL || s->l.out == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < s->l.n; i++) {
        const uint8_t *feed = memchr(p, '\n', (size_t)(end - p));

        s->line[i] = span_of(p, feed == NULL ? (size_t)(end - p) : (size_t)(feed + 1 - p));
        p += s->line[i].n;
    }
    s->l.v = s->number;
    return 0;
}

static void forget_lines(struct lined *s)
{
    free(s->line);
    free(s->number);
    free(s->l.out);
}

/* The bytes of lines i up to k. */
static struct look_range range(const struct lined *s, size_t i, size_t k)
{
    size_t from = i < s->l.n ? (size_t)(s->line[i].p - s->all.p) : s->to;
    size_t to = k < s->l.n ? (size_t)(s->line[k].p - s->all.p) : s->to;

    return (struct look_range){from, to - from};
}

/* --- what is told --- */

static struct span shown(struct span line)
{
    return line.n > 0 && line.p[line.n - 1] == '\n' ? span_of(line.p, line.n - 1) : line;
}

static struct look_range part(struct look_range r, size_t from, size_t n)
{
    return (struct look_range){r.at + from, n};
}

/* Line i of A and k of B differ: what is equal in them at their ends is claimed as that. */
static int pair(struct texts *t, size_t i, size_t k)
{
    struct span a = t->s[0].line[i], b = t->s[1].line[k];
    struct look_range ra = range(&t->s[0], i, i + 1), rb = range(&t->s[1], k, k + 1);
    uint64_t at = t->s[0].first + i, in_b = t->s[1].first + k;
    const char *cause = look_cause(t->look, a, b);
    char text[2][PLAIN_SHOWN], where[64] = "";
    size_t head, tail;
    int rc;

    t->told++;
    plain_common(a, b, &head, &tail);
    if (in_b != at)
        (void)snprintf(where, sizeof(where), " (%" PRIu64 " in B)", in_b);
    if (span_eq(shown(a), shown(b)))
        return look_pair(t->look, ra, rb, COMPARE_UNEXPLAINED,
                         "line %" PRIu64 "%s ends with a line feed in %s only", at, where,
                         a.n > b.n ? "A" : "B");
    if ((rc = look_pair(t->look, part(ra, 0, head), part(rb, 0, head), COMPARE_UNEXPLAINED,
                        "lines differ")) != 0 ||
        (rc = look_pair(
             t->look, part(ra, head, a.n - head - tail), part(rb, head, b.n - head - tail),
             cause == NULL ? COMPARE_UNEXPLAINED : COMPARE_EXPLAINED,
             "line %" PRIu64 "%s: %s%s%s became %s", at, where, cause == NULL ? "" : cause,
             cause == NULL ? "" : ": ", plain_show(text[0], shown(a), head, true),
             plain_show(text[1], shown(b), head, true))) != 0)
        return rc;
    return look_pair(t->look, part(ra, a.n - tail, tail), part(rb, b.n - tail, tail),
                     COMPARE_UNEXPLAINED, "lines differ");
}

/* Lines i up to end are only on that side; the other one is at line k. */
static int only(struct texts *t, int side, size_t i, size_t end, size_t k)
{
    const struct lined *s = &t->s[side];
    char text[PLAIN_SHOWN];
    int rc = 0;

    for (size_t listed = 0; i < end && rc == 0; listed++) {
        size_t n = listed < LISTED && t->told < TOLD_ALONE ? 1 : end - i;
        struct look_range r = range(s, i, i + n), none = {range(&t->s[1 - side], k, k).at, 0};
        uint64_t at = s->first + i;

        plain_show(text, shown(s->line[i]), 0, true);
        rc = n == 1 ? look_pair(t->look, side == 0 ? r : none, side == 0 ? none : r,
                                COMPARE_UNEXPLAINED, "line %" PRIu64 " is only in %s: %s", at,
                                side == 0 ? "A" : "B", text)
                    : look_pair(t->look, side == 0 ? r : none, side == 0 ? none : r,
                                COMPARE_UNEXPLAINED,
                                "lines %" PRIu64 " to %" PRIu64 " are only in %s: %s ...", at,
                                at + n - 1, side == 0 ? "A" : "B", text);
        t->told++;
        i += n;
    }
    return rc;
}

/* Lines of A that other lines of B stand for. */
static int region(struct texts *t, size_t i, size_t i_end, size_t k, size_t k_end)
{
    int rc = 0;

    if (i_end - i == k_end - k && i_end - i <= TOLD_ALONE) {
        if (t->told < TOLD_ALONE) {
            for (; i < i_end && rc == 0; i++, k++)
                rc = pair(t, i, k);
            return rc;
        }
        return look_pair(t->look, range(&t->s[0], i, i_end), range(&t->s[1], k, k_end),
                         COMPARE_UNEXPLAINED, "lines %" PRIu64 " to %" PRIu64 " differ",
                         t->s[0].first + i, t->s[0].first + i_end - 1);
    }
    rc = only(t, 0, i, i_end, k);
    return rc != 0 ? rc : only(t, 1, k, k_end, i_end);
}

static int tell(struct texts *t)
{
    const struct lines *a = &t->s[0].l, *b = &t->s[1].l;
    size_t i = 0, k = 0;
    int rc = 0;

    while (rc == 0 && (i < a->n || k < b->n)) {
        size_t i0 = i, k0 = k;

        while (i < a->n && k < b->n && a->out[i] == 0 && b->out[k] == 0) {
            i++;
            k++;
        }
        if (i > i0)
            rc = look_pair(t->look, range(&t->s[0], i0, i), range(&t->s[1], k0, k),
                           COMPARE_UNEXPLAINED, "lines differ");
        i0 = i;
        k0 = k;
        while (i < a->n && a->out[i] != 0)
            i++;
        while (k < b->n && b->out[k] != 0)
            k++;
        if (rc == 0)
            rc = region(t, i0, i, k0, k);
    }
    return rc;
}

static int number(struct lined s[2])
{
    const struct span *texts[2] = {s[0].line, s[1].line};
    const size_t n[2] = {s[0].l.n, s[1].l.n};
    uint32_t *numbers[2] = {s[0].number, s[1].number};

    return lines_number(texts, n, numbers);
}

/* Lines too many to be told apart. */
static int whole(struct texts *t)
{
    const struct lined *a = &t->s[0], *b = &t->s[1];

    return look_pair(t->look, (struct look_range){a->from, a->to - a->from},
                     (struct look_range){b->from, b->to - b->from}, COMPARE_UNEXPLAINED,
                     "lines %" PRIu64 " to %" PRIu64 " and %" PRIu64 " to %" PRIu64
                     " differ somewhere: too many to be told apart",
                     a->first, a->first + a->l.n - 1, b->first, b->first + b->l.n - 1);
}

int plain_compare(struct look *l)
{
    struct texts t = {.look = l, .s = {{.all = look_side(l, 0)}, {.all = look_side(l, 1)}}};
    struct lined *a = &t.s[0], *b = &t.s[1];
    int rc;

    leave_common(t.s);
    rc = look_pair(l, (struct look_range){0, a->from}, (struct look_range){0, b->from},
                   COMPARE_UNEXPLAINED, "lines differ");
    if (rc == 0)
        rc = look_pair(l, (struct look_range){a->to, a->all.n - a->to},
                       (struct look_range){b->to, b->all.n - b->to}, COMPARE_UNEXPLAINED,
                       "lines differ");
    if (rc != 0)
        return rc;
    if (a->l.n + b->l.n > LINES_MAX)
        return whole(&t);
    if ((rc = find_lines(a)) == 0 && (rc = find_lines(b)) == 0 && (rc = number(t.s)) == 0 &&
        (rc = lines_diff(&a->l, &b->l)) == 0)
        rc = tell(&t);
    forget_lines(a);
    forget_lines(b);
    return rc;
}

const struct look_format plain_format = {"text", is, plain_compare};
