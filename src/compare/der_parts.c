/* der_parts.c - parts of two structures, in pairs. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/der.h"

#define NONE SIZE_MAX
#define SLACK 16u /* bytes by which two signatures may differ in length */

static bool room(struct der_parts *o)
{
    const size_t more = o->room == 0 ? 32 : 2 * o->room;
    struct der_part *v;

    if (o->rc != 0)
        return false;
    if (o->n < o->room)
        return true;
    if (!look_charge(o->l, (more - o->room) * sizeof(*v))) {
        o->rc = -E2BIG;
        return false;
    }
    if ((v = reallocarray(o->v, more, sizeof(*v))) == NULL) {
        look_discharge(o->l, (more - o->room) * sizeof(*v));
        o->rc = -ENOMEM;
        return false;
    }
    o->v = v;
    o->room = more;
    return true;
}

void der_add(struct der_parts *o, struct look_range at, enum der_show show, const char *fmt, ...)
{
    struct der_part *p;
    va_list ap;

    if (at.n == 0 || !room(o))
        return;
    p = &o->v[o->n++];
    *p = (struct der_part){.at = at, .class = o->class, .show = show};
    va_start(ap, fmt);
    (void)vsnprintf(p->label, sizeof(p->label), fmt, ap);
    va_end(ap);
}

void der_head(struct der_parts *o, const struct der *d, const char *of)
{
    der_add(o, d->head, DER_SHOW_HEX, "head of %s", of);
    if (o->rc == 0)
        o->v[o->n - 1].quiet = true;
}

void der_parts_done(struct der_parts *o)
{
    if (o->l != NULL)
        look_discharge(o->l, o->room * sizeof(*o->v));
    free(o->v);
    o->v = NULL;
    o->n = o->room = 0;
}

/* --- pairs --- */

struct by {
    const struct der_part *p;
    size_t i;
};

static int by_label(const void *x, const void *y)
{
    const struct by *a = x, *b = y;
    int d = strcmp(a->p->label, b->p->label);

    return d != 0 ? d : a->i < b->i ? -1 : a->i > b->i;
}

static struct by *sorted(const struct der_parts *o, size_t *mate)
{
    struct by *v = calloc(o->n + 1, sizeof(*v));

    for (size_t i = 0; v != NULL && i < o->n; i++) {
        v[i] = (struct by){&o->v[i], i};
        mate[i] = NONE;
    }
    if (v != NULL && o->n > 0)
        qsort(v, o->n, sizeof(*v), by_label);
    return v;
}

static int match(const struct der_parts o[2], size_t *mate[2])
{
    struct by *v[2] = {sorted(&o[0], mate[0]), sorted(&o[1], mate[1])};
    int rc = v[0] == NULL || v[1] == NULL ? -ENOMEM : 0;

    for (size_t i = 0, k = 0; rc == 0 && i < o[0].n && k < o[1].n;) {
        const int d = strcmp(v[0][i].p->label, v[1][k].p->label);

        if (d == 0) {
            mate[0][v[0][i].i] = v[1][k].i;
            mate[1][v[1][k].i] = v[0][i].i;
        }
        i += d <= 0;
        k += d >= 0;
    }
    free(v[0]);
    free(v[1]);
    return rc;
}

/* --- claims --- */

/* Two signatures of one sort have about one length: what is longer could hold more. */
static enum compare_class class_of(const struct der_parts o[2], const struct der_part *a,
                                   const struct der_part *b)
{
    if (a->show == DER_SHOW_SIGNATURE && o[0].class == COMPARE_UNEXPLAINED &&
        (a->at.n > b->at.n + SLACK || b->at.n > a->at.n + SLACK))
        return COMPARE_UNEXPLAINED;
    return a->class > b->class ? a->class : b->class;
}

/* Two digits of UTCTime are a year (RFC 5280 4.1.2.5.1), four of the other. */
static bool year_of(struct span s, uint64_t *year, struct span *rest)
{
    uint64_t at = 0;
    struct der d;
    size_t digits;

    if (!der_next(s, &at, s.n, &d) || (d.tag != DER_UTC_TIME && d.tag != DER_TIME))
        return false;
    digits = d.tag == DER_UTC_TIME ? 2 : 4;
    if (d.body.n < digits)
        return false;
    *year = 0;
    for (size_t i = 0; i < digits; i++) {
        const uint8_t c = s.p[d.body.at + i];

        if (c < '0' || c > '9')
            return false;
        *year = 10 * *year + (uint64_t)(c - '0');
    }
    if (d.tag == DER_UTC_TIME)
        *year += *year < 50 ? 2000 : 1900;
    *rest = span_of(s.p + d.body.at + digits, (size_t)d.body.n - digits);
    return true;
}

static const char *cause(struct look *l, const struct der_part *p, struct span a, struct span b)
{
    uint64_t x, y;
    struct span more[2];

    if (p->show == DER_SHOW_TIME)
        return a.p[0] == b.p[0] && year_of(a, &x, &more[0]) && year_of(b, &y, &more[1]) &&
                       span_eq(more[0], more[1]) && look_year(l, x, y)
                   ? "build year"
                   : NULL;
    return p->show == DER_SHOW_NAME || p->show == DER_SHOW_NAMES ? look_cause(l, a, b) : NULL;
}

static int pair(struct look *l, const struct der_parts o[2], const struct der_part *a,
                const struct der_part *b)
{
    const struct span x = der_bytes(o[0].all, a->at), y = der_bytes(o[1].all, b->at);
    const enum compare_class class = class_of(o, a, b);
    char text[2][DER_SHOWN];
    const char *why;

    if (span_eq(x, y))
        return look_quiet(l, a->at, b->at, class);
    if (a->quiet && b->quiet && x.p[0] == y.p[0])
        return look_quiet(l, a->at, b->at, class == COMPARE_UNEXPLAINED ? COMPARE_DERIVED : class);
    why = class == COMPARE_UNEXPLAINED ? cause(l, a, x, y) : NULL;
    return look_pair(l, a->at, b->at, why != NULL ? COMPARE_EXPLAINED : class,
                     "%s%s%s is %s and %s", why != NULL ? why : "", why != NULL ? ": " : "",
                     a->label, der_show(text[0], a->show, x), der_show(text[1], b->show, y));
}

static int alone(struct look *l, int side, const struct der_part *p)
{
    const struct look_range none = {0, 0}, a = side == 0 ? p->at : none,
                            b = side == 1 ? p->at : none;

    return look_pair(l, a, b, p->class, "%s is only in %c", p->label, "AB"[side]);
}

static bool ordered(const struct der_parts *o, const size_t *mate)
{
    size_t last = 0;

    for (size_t i = 0; i < o->n; i++) {
        if (mate[i] == NONE)
            continue;
        if (mate[i] < last)
            return false;
        last = mate[i];
    }
    return true;
}

int der_compare(struct look *l, struct der_parts o[2])
{
    size_t *mate[2] = {calloc(o[0].n + 1, sizeof(size_t)), calloc(o[1].n + 1, sizeof(size_t))};
    int rc = mate[0] == NULL || mate[1] == NULL ? -ENOMEM : match(o, mate);

    for (size_t i = 0; rc == 0 && i < o[0].n; i++)
        rc = mate[0][i] == NONE ? alone(l, 0, &o[0].v[i])
                                : pair(l, o, &o[0].v[i], &o[1].v[mate[0][i]]);
    for (size_t i = 0; rc == 0 && i < o[1].n; i++)
        if (mate[1][i] == NONE)
            rc = alone(l, 1, &o[1].v[i]);
    if (rc == 0 && !ordered(&o[0], mate[0]))
        rc = look_find(l, COMPARE_UNEXPLAINED, "its parts come in another order");
    free(mate[0]);
    free(mate[1]);
    return rc;
}
