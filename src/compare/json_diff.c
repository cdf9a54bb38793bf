/* json_diff.c - JSON documents, value by value.  Each differing value is told with its path. Blanks
 * between values and the order of members say nothing: equal content, written otherwise. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/json_read.h"
#include "compare/lines.h"
#include "compare/plain.h"

#define PATH_SHOWN 64u

struct path {
    const struct path *up; /* NULL: the whole */
    struct span key;       /* n 0: an element */
    size_t index;
};

struct docs {
    struct look *look;
    struct span all[2];
    struct json j[2];
    bool blanks, order; /* differ somewhere */
};

/* --- paths --- */

static bool is_word(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", s.p[i]) ==
            NULL)
            return false;
    return s.n > 0;
}

/* Writes from the end of the path to its beginning while there is room. */
static const char *path_text(char out[PATH_SHOWN], const struct path *p)
{
    size_t at = PATH_SHOWN - 1;
    char shown[PLAIN_SHOWN], one[PLAIN_SHOWN + 4];

    out[at] = '\0';
    for (; p->up != NULL; p = p->up) {
        struct span key = p->key.n >= 2 ? span_of(p->key.p + 1, p->key.n - 2) : p->key;
        size_t n;

        if (p->key.n == 0)
            (void)snprintf(one, sizeof(one), "[%zu]", p->index);
        else if (is_word(key) && key.n < 40)
            (void)snprintf(one, sizeof(one), ".%.*s", (int)key.n, (const char *)key.p);
        else
            (void)snprintf(one, sizeof(one), "[%s]", plain_show(shown, key, 0, true));
        n = strlen(one);
        if (n + 4 > at) { /* "..." or "$" stay possible */
            at -= 3;
            memcpy(out + at, "...", 3);
            return out + at;
        }
        at -= n;
        memcpy(out + at, one, n);
    }
    out[--at] = '$';
    return out + at;
}

/* --- claims --- */

static struct look_range range(const struct docs *d, int side, struct span s)
{
    return (struct look_range){(uint64_t)(s.p - d->all[side].p), s.n};
}

static struct span between(const uint8_t *from, const uint8_t *to)
{
    return span_of(from, (size_t)(to - from));
}

static int differ(struct docs *d, const struct path *p, struct span a, struct span b)
{
    const char *cause = look_cause(d->look, a, b);
    char text[2][PLAIN_SHOWN], path[PATH_SHOWN];
    size_t head, tail;

    plain_common(a, b, &head, &tail);
    return look_pair(d->look, range(d, 0, a), range(d, 1, b),
                     cause == NULL ? COMPARE_UNEXPLAINED : COMPARE_EXPLAINED,
                     "%s: %s%s%s became %s", path_text(path, p), cause == NULL ? "" : cause,
                     cause == NULL ? "" : ": ", plain_show(text[0], a, head, false),
                     plain_show(text[1], b, head, false));
}

static int only(struct docs *d, const struct path *p, int side, const struct json_value *v)
{
    const struct look_range none = {0, 0};
    struct span all = v->key.n > 0 ? between(v->key.p, v->text.p + v->text.n) : v->text;
    struct look_range r = range(d, side, all);
    char text[PLAIN_SHOWN], path[PATH_SHOWN];

    return look_pair(d->look, side == 0 ? r : none, side == 0 ? none : r, COMPARE_UNEXPLAINED,
                     "%s is only in %s: %s", path_text(path, p), side == 0 ? "A" : "B",
                     plain_show(text, v->text, 0, false));
}

/* What is between the children of two containers: brackets, commas, colons, blanks. */
struct glue {
    const uint8_t *at, *end;
    const struct json *j;
    size_t next, left;
    bool key; /* the next piece ends at a key, else at a value */
};

static struct glue glue_of(const struct json *j, size_t i)
{
    const struct json_value *v = &j->v[i];

    return (struct glue){v->text.p, v->text.p + v->text.n, j, i + 1, v->children, true};
}

/* The next piece; false: that was the last one. */
static bool glue_next(struct glue *g, struct span *out)
{
    const struct json_value *v = &g->j->v[g->next];

    if (g->at == NULL)
        return false;
    if (g->left == 0) {
        *out = between(g->at, g->end);
        g->at = NULL;
    } else if (g->key && v->key.n > 0) {
        *out = between(g->at, v->key.p);
        g->at = v->key.p + v->key.n;
        g->key = false;
    } else {
        *out = between(g->at, v->text.p);
        g->at = v->text.p + v->text.n;
        g->next += v->nodes;
        g->left--;
        g->key = true;
    }
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* But for blanks the same. */
static bool same_marks(struct span a, struct span b)
{
    size_t i = 0, k = 0;

    for (;;) {
        while (i < a.n && is_blank(a.p[i]))
            i++;
        while (k < b.n && is_blank(b.p[k]))
            k++;
        if (i == a.n || k == b.n)
            return i == a.n && k == b.n;
        if (a.p[i++] != b.p[k++])
            return false;
    }
}

static int blank_pair(struct docs *d, struct span a, struct span b)
{
    d->blanks = d->blanks || (!span_eq(a, b) && same_marks(a, b));
    return look_quiet(d->look, range(d, 0, a), range(d, 1, b), COMPARE_SAME_CONTENT);
}

/* Pieces beyond those of the other side belong to members that are told as being only here. */
static int glues(struct docs *d, size_t ia, size_t ib)
{
    struct glue g[2] = {glue_of(&d->j[0], ia), glue_of(&d->j[1], ib)};
    const struct look_range none = {0, 0};
    struct span a, b;
    int rc = 0;

    while (rc == 0) {
        bool more[2] = {glue_next(&g[0], &a), glue_next(&g[1], &b)};

        if (!more[0] && !more[1])
            break;
        if (more[0] && more[1])
            rc = blank_pair(d, a, b);
        else
            rc = look_quiet(d->look, more[0] ? range(d, 0, a) : none,
                            more[1] ? range(d, 1, b) : none, COMPARE_UNEXPLAINED);
    }
    return rc;
}

/* --- the walk --- */

static int values(struct docs *d, const struct path *p, size_t ia, size_t ib);

/* The children of a container as indexes. */
static size_t *children(const struct json *j, size_t at)
{
    size_t n = j->v[at].children, i = at + 1, *v = calloc(n + 1, sizeof(*v));

    for (size_t k = 0; v != NULL && k < n; k++, i += j->v[i].nodes)
        v[k] = i;
    return v;
}

struct keyed {
    struct span key;
    size_t at, rank; /* the value; which of its siblings it is */
    bool met;
};

static int by_key(const void *x, const void *y)
{
    const struct keyed *a = x, *b = y;
    int c = memcmp(a->key.p, b->key.p, a->key.n < b->key.n ? a->key.n : b->key.n);

    return c != 0 ? c : a->key.n < b->key.n ? -1 : a->key.n > b->key.n ? 1 : 0;
}

static int member(struct docs *d, const struct path *up, const struct json_value *v,
                  struct keyed *in_b, size_t ia)
{
    const struct path p = {up, v->key, 0};
    int rc;

    if (in_b == NULL)
        return only(d, &p, 0, v);
    in_b->met = true;
    rc = look_pair(d->look, range(d, 0, v->key), range(d, 1, in_b->key), COMPARE_UNEXPLAINED,
                   "keys differ");
    return rc != 0 ? rc : values(d, &p, ia, in_b->at);
}

static int members(struct docs *d, const struct path *up, size_t ia, size_t ib, const size_t *in_a,
                   const size_t *in_b)
{
    const struct json_value *a = d->j[0].v, *b = d->j[1].v;
    size_t n = b[ib].children, last = 0;
    struct keyed *k = calloc(n + 1, sizeof(*k));
    int rc = k == NULL ? -ENOMEM : 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        k[i] = (struct keyed){b[in_b[i]].key, in_b[i], i, false};
    if (rc == 0)
        qsort(k, n, sizeof(*k), by_key);
    for (size_t i = 0; i < a[ia].children && rc == 0; i++) {
        const struct keyed want = {.key = a[in_a[i]].key};
        struct keyed *found = bsearch(&want, k, n, sizeof(*k), by_key);

        d->order = d->order || (found != NULL && found->rank < last);
        last = found != NULL ? found->rank : last;
        rc = member(d, up, &a[in_a[i]], found, in_a[i]);
    }
    for (size_t i = 0; i < n && rc == 0; i++)
        if (!k[i].met) {
            const struct path p = {up, k[i].key, 0};

            rc = only(d, &p, 1, &b[k[i].at]);
        }
    free(k);
    return rc;
}

/* Elements i up to i_end of A, for which there are k up to k_end of B. */
static int element_region(struct docs *d, const struct path *up, const size_t *in_a, size_t i,
                          size_t i_end, const size_t *in_b, size_t k, size_t k_end)
{
    bool pairs = i_end - i == k_end - k;
    int rc = 0;

    for (; i < i_end && rc == 0; i++) {
        const struct path p = {up, {NULL, 0}, i};

        rc = pairs ? values(d, &p, in_a[i], in_b[k++]) : only(d, &p, 0, &d->j[0].v[in_a[i]]);
    }
    for (; k < k_end && rc == 0; k++) {
        const struct path p = {up, {NULL, 0}, k};

        rc = only(d, &p, 1, &d->j[1].v[in_b[k]]);
    }
    return rc;
}

static int element_walk(struct docs *d, const struct path *up, const size_t *in_a,
                        const struct lines *a, const size_t *in_b, const struct lines *b)
{
    size_t i = 0, k = 0;
    int rc = 0;

    while (rc == 0 && (i < a->n || k < b->n)) {
        size_t i0 = i, k0 = k;

        if (i < a->n && k < b->n && a->out[i] == 0 && b->out[k] == 0) {
            const struct path p = {up, {NULL, 0}, i};

            rc = values(d, &p, in_a[i++], in_b[k++]);
            continue;
        }
        while (i < a->n && a->out[i] != 0)
            i++;
        while (k < b->n && b->out[k] != 0)
            k++;
        rc = element_region(d, up, in_a, i0, i, in_b, k0, k);
    }
    return rc;
}

static int elements(struct docs *d, const struct path *up, size_t ia, size_t ib, const size_t *in_a,
                    const size_t *in_b)
{
    const size_t n[2] = {d->j[0].v[ia].children, d->j[1].v[ib].children};
    const size_t *in[2] = {in_a, in_b};
    struct span *text[2] = {NULL, NULL};
    uint32_t *number[2] = {NULL, NULL};
    struct lines l[2] = {{NULL, NULL, n[0]}, {NULL, NULL, n[1]}};
    int rc = 0;

    for (int side = 0; side < 2; side++) {
        text[side] = calloc(n[side] + 1, sizeof(*text[side]));
        l[side].v = number[side] = calloc(n[side] + 1, sizeof(*number[side]));
        l[side].out = calloc(n[side] + 1, 1);
        if (text[side] == NULL || number[side] == NULL || l[side].out == NULL)
            rc = -ENOMEM;
        for (size_t i = 0; i < n[side] && rc == 0; i++) {
            const struct json_value *v = &d->j[side].v[in[side][i]];

            text[side][i] = span_of(&v->hash, sizeof(v->hash));
        }
    }
    if (rc == 0 &&
        (rc = lines_number((const struct span *[2]){text[0], text[1]}, n, number)) == 0 &&
        (rc = lines_diff(&l[0], &l[1])) == 0)
        rc = element_walk(d, up, in_a, &l[0], in_b, &l[1]);
    for (int side = 0; side < 2; side++) {
        free(text[side]);
        free(number[side]);
        free(l[side].out);
    }
    return rc;
}

static int values(struct docs *d, const struct path *p, size_t ia, size_t ib)
{
    const struct json_value *a = &d->j[0].v[ia], *b = &d->j[1].v[ib];
    size_t *in_a, *in_b;
    int rc;

    if (span_eq(a->text, b->text))
        return look_pair(d->look, range(d, 0, a->text), range(d, 1, b->text), COMPARE_UNEXPLAINED,
                         "values differ");
    if (a->sort != b->sort || a->sort == JSON_SCALAR)
        return differ(d, p, a->text, b->text);
    in_a = children(&d->j[0], ia);
    in_b = children(&d->j[1], ib);
    if (in_a == NULL || in_b == NULL)
        rc = -ENOMEM;
    else
        rc = a->sort == JSON_OBJECT ? members(d, p, ia, ib, in_a, in_b)
                                    : elements(d, p, ia, ib, in_a, in_b);
    free(in_a);
    free(in_b);
    return rc != 0 ? rc : glues(d, ia, ib);
}

static int around(struct docs *d)
{
    const struct span a = d->j[0].v[0].text, b = d->j[1].v[0].text;
    int rc = blank_pair(d, between(d->all[0].p, a.p), between(d->all[1].p, b.p));

    if (rc != 0)
        return rc;
    return blank_pair(d, between(a.p + a.n, d->all[0].p + d->all[0].n),
                      between(b.p + b.n, d->all[1].p + d->all[1].n));
}

static int compare(struct look *l)
{
    struct docs d = {.look = l, .all = {look_side(l, 0), look_side(l, 1)}};
    const struct path whole = {NULL, {NULL, 0}, 0};
    int rc = json_read(&d.j[0], d.all[0]);

    if (rc == 0)
        rc = json_read(&d.j[1], d.all[1]);
    if (rc == 0 && (rc = around(&d)) == 0 && (rc = values(&d, &whole, 0, 0)) == 0 && d.blanks)
        rc = look_find(l, COMPARE_SAME_CONTENT, "blanks between values differ");
    if (rc == 0 && d.order)
        rc = look_find(l, COMPARE_SAME_CONTENT, "members of objects are in another order");
    json_free(&d.j[0]);
    json_free(&d.j[1]);
    return rc == -EBADMSG ? plain_compare(l) : rc;
}

static bool is(struct span side, const char *name)
{
    struct json j;

    (void)name;
    if (json_read(&j, side) != 0)
        return false;
    json_free(&j);
    return true;
}

const struct look_format json_format = {"JSON", is, compare};
