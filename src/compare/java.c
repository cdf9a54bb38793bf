/* java.c - Java class files (JVMS chapter 4): fields, methods and attributes by what they are
 * called, code instruction by instruction.
 *
 * Whatever differs is unexplained, but for the numbers of constants (java_priv.h) and what is known
 * of both builds.  Order counts: of interfaces, fields, methods and attributes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/java_priv.h"
#include "compare/plain.h"

#define LABEL 200u

static bool is(struct span side, const char *name)
{
    (void)name; /* a program of macOS begins so too, then with a number below 45 */
    return side.n >= 10 && memcmp(side.p, "\xca\xfe\xba\xbe", 4) == 0 &&
           (side.p[6] > 0 || side.p[7] >= 45);
}

/* --- items of two parts --- */

struct part {
    struct java_pair *p;
    struct java_items i[2];
    const char *label;
    size_t differ, told;
};

static bool token_equal(const struct part *t, const struct java_token *a,
                        const struct java_token *b)
{
    const struct java *f = t->p->f;
    const struct java_constant *x = &f[0].constant[a->index], *y = &f[1].constant[b->index];

    if (a->ref != b->ref || a->n != b->n || a->count != b->count)
        return false;
    if (a->count)
        return true;
    if (!a->ref)
        return memcmp(f[0].all.p + a->at, f[1].all.p + b->at, a->n) == 0;
    if (a->index == 0 || b->index == 0)
        return a->index == b->index;
    if (x->tag == JAVA_DYNAMIC) /* two that are equal are still evaluated each for itself */
        return x->peer == (long)b->index;
    return x->id == y->id;
}

static size_t tokens_from(const struct java_items *o, size_t i)
{
    return i < o->items ? o->start[i] : o->n;
}

static bool item_equal(const struct part *t, size_t i, size_t k)
{
    const size_t a = tokens_from(&t->i[0], i), n = tokens_from(&t->i[0], i + 1) - a;
    const size_t b = tokens_from(&t->i[1], k);

    if (tokens_from(&t->i[1], k + 1) - b != n)
        return false;
    for (size_t x = 0; x < n; x++)
        if (!token_equal(t, &t->i[0].v[a + x], &t->i[1].v[b + x]))
            return false;
    return true;
}

static int claim_equal(struct part *t, size_t i, size_t k)
{
    const size_t end = tokens_from(&t->i[0], i + 1);
    int rc = 0;

    for (size_t a = tokens_from(&t->i[0], i), b = tokens_from(&t->i[1], k); a < end && rc == 0;
         a++, b++)
        rc = look_quiet(t->p->l, (struct look_range){t->i[0].v[a].at, t->i[0].v[a].n},
                        (struct look_range){t->i[1].v[b].at, t->i[1].v[b].n},
                        t->i[0].v[a].count ? COMPARE_UNEXPLAINED : COMPARE_SAME_CONTENT);
    return rc;
}

static bool is_code(const struct java_items *o, size_t i)
{
    return o->code > 0 && i < o->items && java_item(o, i).at >= o->code &&
           java_item(o, i).at < o->code + java_get(o->f, o->code - 4, 4);
}

/* "at 5: sipush 2022 | sipush 2024", or "entry 2: ...". */
static void tell_item(const struct part *t, char out[LABEL + 2 * JAVA_TEXT], size_t i, size_t k)
{
    char text[2][JAVA_TEXT];
    const bool code = is_code(&t->i[0], i) || is_code(&t->i[1], k);
    const struct java_items *o = i < t->i[0].items ? &t->i[0] : &t->i[1];
    const size_t at = i < t->i[0].items ? i : k;

    for (int side = 0; side < 2; side++)
        java_show_item(text[side], &t->i[side], side == 0 ? i : k,
                       is_code(&t->i[side], side == 0 ? i : k));
    (void)snprintf(out, LABEL + 2 * JAVA_TEXT, "%s, %s %" PRIu64 ": %s | %s", t->label,
                   code ? "at" : "part", code ? java_item(o, at).at - o->code : (uint64_t)at,
                   text[0], text[1]);
}

static const char *cause_of(const struct part *t, size_t i, size_t k)
{
    const struct look_range a = java_item(&t->i[0], i), b = java_item(&t->i[1], k);
    const struct java *f = t->p->f;

    return is_code(&t->i[0], i) && is_code(&t->i[1], k) && a.n == 3 && b.n == 3 &&
                   java_get(&f[0], a.at, 1) == 0x11 && java_get(&f[1], b.at, 1) == 0x11 &&
                   look_year(t->p->l, java_get(&f[0], a.at + 1, 2), java_get(&f[1], b.at + 1, 2))
               ? "build year"
               : NULL;
}

/* The first that differs without a cause speaks for the others. */
static int differs(struct part *t, size_t i, size_t k)
{
    const struct look_range a = java_item(&t->i[0], i), b = java_item(&t->i[1], k);
    const char *why = cause_of(t, i, k);
    char text[LABEL + 2 * JAVA_TEXT], more[48] = "";

    if (why == NULL && t->told++ > 0)
        return look_quiet(t->p->l, a, b, COMPARE_UNEXPLAINED);
    tell_item(t, text, i, k);
    if (why != NULL)
        return look_pair(t->p->l, a, b, COMPARE_EXPLAINED, "%s: %s", why, text);
    if (t->differ > 1)
        (void)snprintf(more, sizeof(more), "; %zu more differ", t->differ - 1);
    return look_pair(t->p->l, a, b, COMPARE_UNEXPLAINED, "%s%s", text, more);
}

static int step_by_step(struct part *t)
{
    int rc = 0;

    for (size_t i = 0; i < t->i[0].items; i++)
        t->differ += !item_equal(t, i, i) && cause_of(t, i, i) == NULL;
    for (size_t i = 0; i < t->i[0].items && rc == 0; i++)
        rc = item_equal(t, i, i) ? claim_equal(t, i, i) : differs(t, i, i);
    return rc;
}

static struct look_range items_range(const struct java_items *o, size_t from, size_t to)
{
    const uint64_t a = from < o->items ? java_item(o, from).at : o->at;
    const uint64_t b = to < o->items ? java_item(o, to).at : o->at;

    return (struct look_range){a, b - a};
}

/* Those that both begin and end with are pairs; what is between differs. */
static int head_and_tail(struct part *t)
{
    const size_t n = t->i[0].items, m = t->i[1].items, least = n < m ? n : m;
    char text[LABEL + 2 * JAVA_TEXT];
    size_t head = 0, tail = 0;
    int rc = 0;

    while (head < least && item_equal(t, head, head))
        head++;
    while (tail < least - head && item_equal(t, n - 1 - tail, m - 1 - tail))
        tail++;
    for (size_t i = 0; i < head && rc == 0; i++)
        rc = claim_equal(t, i, i);
    tell_item(t, text, head < n - tail ? head : SIZE_MAX, head < m - tail ? head : SIZE_MAX);
    if (rc == 0)
        rc = look_pair(t->p->l, items_range(&t->i[0], head, n - tail),
                       items_range(&t->i[1], head, m - tail), COMPARE_UNEXPLAINED,
                       "%s; %zu and %zu differ", text, n - tail - head, m - tail - head);
    for (size_t i = tail; i > 0 && rc == 0; i--)
        rc = claim_equal(t, n - i, m - i);
    return rc;
}

static int items(struct part *t)
{
    return t->i[0].items == t->i[1].items ? step_by_step(t) : head_and_tail(t);
}

/* What is not known how it is made. */
static int opaque(struct java_pair *p, struct look_range a, struct look_range b, const char *label)
{
    int rc = look_pair(p->l, a, b, COMPARE_UNEXPLAINED, "%s: its bytes differ", label);

    if (rc == 0 && p->renumbered && a.n > 0 && b.n > 0)
        rc = look_find(p->l, COMPARE_UNEXPLAINED,
                       "%s: it is not known, and could refer to constants, whose numbers differ",
                       label);
    return rc;
}

/* Two parts of one layout; *end: of what was read of each, 0: they are not made so. */
static int part(struct java_pair *p, struct look_range a, struct look_range b, const char *layout,
                bool to_the_end, const char *label, uint64_t end[2])
{
    struct part t = {.p = p, .label = label};
    const struct look_range at[2] = {a, b};
    bool good = layout != NULL;
    int rc = 0;

    for (int side = 0; side < 2; side++) {
        t.i[side].l = p->l;
        good = good && java_items_read(&t.i[side], &p->f[side], p->l, at[side], layout) &&
               (!to_the_end || t.i[side].at == t.i[side].end);
        rc = rc != 0 ? rc : t.i[side].rc;
    }
    end[0] = good ? t.i[0].at : 0;
    end[1] = good ? t.i[1].at : 0;
    if (rc == 0)
        rc = good ? items(&t) : opaque(p, a, b, label);
    java_items_done(&t.i[0]);
    java_items_done(&t.i[1]);
    return rc;
}

/* --- attributes --- */

struct attribute {
    struct look_range head, body;
    unsigned name;
};

struct attributes {
    struct attribute *v;
    uint64_t *key;
    long *peer;
    size_t n;
    struct look_range count;
};

/* They were counted and measured by java_read, but those of code were not; false: malformed. */
static bool list(const struct java *f, uint64_t at, uint64_t end, struct attributes *o, int *rc)
{
    *o = (struct attributes){.count = {at, 2}};
    if (end - at < 2)
        return false;
    o->n = (size_t)java_get(f, at, 2);
    o->v = calloc(o->n + 1, sizeof(*o->v));
    o->key = calloc(o->n + 1, sizeof(*o->key));
    o->peer = calloc(o->n + 1, sizeof(*o->peer));
    if (o->v == NULL || o->key == NULL || o->peer == NULL) {
        *rc = -ENOMEM;
        return false;
    }
    at += 2;
    for (size_t i = 0; i < o->n; i++) {
        const uint64_t size = java_get(f, at + 2, 4), name = java_get(f, at, 2);

        if (end - at < 6 || size > end - at - 6 || name >= f->constants ||
            f->constant[name].tag != JAVA_UTF8)
            return false;
        o->v[i] = (struct attribute){{at, 6}, {at + 6, size}, (unsigned)name};
        o->key[i] = f->constant[name].id;
        at += 6 + size;
    }
    return at == end;
}

static void list_done(struct attributes *o)
{
    free(o->v);
    free(o->key);
    free(o->peer);
}

static int attributes(struct java_pair *p, struct look_range a, struct look_range b,
                      enum java_where where, const char *label);

static int attribute(struct java_pair *p, const struct attribute *a, const struct attribute *b,
                     enum java_where where, const char *label)
{
    const struct span name = java_utf8(&p->f[0], a->name);
    const bool is_code = where == JAVA_OF_METHOD && span_is(name, "Code");
    char shown[PLAIN_SHOWN], text[LABEL];
    uint64_t end[2];
    int rc;

    (void)snprintf(text, sizeof(text), "%.130s, %.60s", label,
                   is_code ? "code" : plain_show(shown, name, 0, false));
    rc = look_quiet(p->l, (struct look_range){a->head.at, 2}, (struct look_range){b->head.at, 2},
                    COMPARE_SAME_CONTENT);
    if (rc == 0) /* a length follows from what it is the length of */
        rc = look_quiet(p->l, (struct look_range){a->head.at + 2, 4},
                        (struct look_range){b->head.at + 2, 4}, COMPARE_UNEXPLAINED);
    if (rc == 0)
        rc = part(p, a->body, b->body, java_layout(name, where), !is_code, text, end);
    if (rc != 0 || !is_code || end[0] == 0)
        return rc;
    return attributes(p, (struct look_range){end[0], a->body.at + a->body.n - end[0]},
                      (struct look_range){end[1], b->body.at + b->body.n - end[1]}, JAVA_OF_CODE,
                      label);
}

static int attribute_alone(struct java_pair *p, int side, const struct attribute *a,
                           const char *label)
{
    const struct look_range all = {a->head.at, a->head.n + a->body.n}, none = {0, 0};
    char shown[PLAIN_SHOWN];

    return look_pair(p->l, side == 0 ? all : none, side == 1 ? all : none, COMPARE_UNEXPLAINED,
                     "%s, %s: only in %c", label,
                     plain_show(shown, java_utf8(&p->f[side], a->name), 0, false), "AB"[side]);
}

static bool ordered(const long *peer, size_t n)
{
    long last = -1;

    for (size_t i = 0; i < n; i++) {
        if (peer[i] >= 0 && peer[i] < last)
            return false;
        last = peer[i] >= 0 ? peer[i] : last;
    }
    return true;
}

static int pair_attributes(struct java_pair *p, const struct attributes o[2], enum java_where where,
                           const char *label)
{
    int rc = java_match(o[0].key, o[0].n, o[0].peer, o[1].key, o[1].n, o[1].peer);

    if (rc == 0)
        rc = look_quiet(p->l, o[0].count, o[1].count, COMPARE_UNEXPLAINED);
    for (size_t i = 0; i < o[0].n && rc == 0; i++)
        rc = o[0].peer[i] < 0 ? attribute_alone(p, 0, &o[0].v[i], label)
                              : attribute(p, &o[0].v[i], &o[1].v[o[0].peer[i]], where, label);
    for (size_t i = 0; i < o[1].n && rc == 0; i++)
        if (o[1].peer[i] < 0)
            rc = attribute_alone(p, 1, &o[1].v[i], label);
    if (rc == 0 && !ordered(o[0].peer, o[0].n))
        rc =
            look_find(p->l, COMPARE_UNEXPLAINED, "%s: its attributes come in another order", label);
    return rc;
}

static int attributes(struct java_pair *p, struct look_range a, struct look_range b,
                      enum java_where where, const char *label)
{
    struct attributes o[2];
    int rc = 0;
    bool good = list(&p->f[0], a.at, a.at + a.n, &o[0], &rc);

    good = list(&p->f[1], b.at, b.at + b.n, &o[1], &rc) && good;
    if (rc == 0)
        rc = good ? pair_attributes(p, o, where, label) : opaque(p, a, b, label);
    list_done(&o[0]);
    list_done(&o[1]);
    return rc;
}

/* --- fields and methods --- */

static void name_member(const struct java *f, const struct java_member *m, const char *sort,
                        char out[LABEL])
{
    char text[2][PLAIN_SHOWN];

    (void)snprintf(out, LABEL, "%s %.60s%s%.60s", sort,
                   plain_show(text[0], java_utf8(f, m->name), 0, false),
                   strcmp(sort, "field") == 0 ? " " : "",
                   plain_show(text[1], java_utf8(f, m->descriptor), 0, false));
}

static int member(struct java_pair *p, const struct java_member *a, const struct java_member *b,
                  enum java_where where, const char *sort)
{
    char label[LABEL];
    int rc;

    name_member(&p->f[0], a, sort, label);
    rc = look_pair(p->l, (struct look_range){a->at.at, 2}, (struct look_range){b->at.at, 2},
                   COMPARE_UNEXPLAINED, "%s: its flags are 0x%" PRIx64 " and 0x%" PRIx64, label,
                   java_get(&p->f[0], a->at.at, 2), java_get(&p->f[1], b->at.at, 2));
    if (rc == 0) /* paired by these */
        rc = look_quiet(p->l, (struct look_range){a->at.at + 2, 4},
                        (struct look_range){b->at.at + 2, 4}, COMPARE_SAME_CONTENT);
    return rc != 0 ? rc
                   : attributes(p, (struct look_range){a->at.at + 6, a->at.n - 6},
                                (struct look_range){b->at.at + 6, b->at.n - 6}, where, label);
}

static int member_alone(struct java_pair *p, int side, const struct java_member *m,
                        const char *sort)
{
    const struct look_range none = {0, 0};
    char label[LABEL];

    name_member(&p->f[side], m, sort, label);
    return look_pair(p->l, side == 0 ? m->at : none, side == 1 ? m->at : none, COMPARE_UNEXPLAINED,
                     "%s is only in %c", label, "AB"[side]);
}

struct members {
    const struct java_member *v[2];
    size_t n[2];
    uint64_t count[2];
    enum java_where where;
    const char *sort;
};

static int pair_members(struct java_pair *p, const struct members *m, long *const peer[2])
{
    int rc = look_quiet(p->l, (struct look_range){m->count[0], 2},
                        (struct look_range){m->count[1], 2}, COMPARE_UNEXPLAINED);

    for (size_t i = 0; i < m->n[0] && rc == 0; i++)
        rc = peer[0][i] < 0 ? member_alone(p, 0, &m->v[0][i], m->sort)
                            : member(p, &m->v[0][i], &m->v[1][peer[0][i]], m->where, m->sort);
    for (size_t i = 0; i < m->n[1] && rc == 0; i++)
        if (peer[1][i] < 0)
            rc = member_alone(p, 1, &m->v[1][i], m->sort);
    if (rc == 0 && !ordered(peer[0], m->n[0]))
        rc = look_find(p->l, COMPARE_UNEXPLAINED, "the %ss come in another order", m->sort);
    return rc;
}

static int members(struct java_pair *p, const struct members *m)
{
    uint64_t *key[2] = {NULL, NULL};
    long *peer[2] = {NULL, NULL};
    int rc = 0;

    for (int side = 0; side < 2; side++) {
        const struct java *f = &p->f[side];

        key[side] = calloc(m->n[side] + 1, sizeof(**key));
        peer[side] = calloc(m->n[side] + 1, sizeof(**peer));
        if (key[side] == NULL || peer[side] == NULL)
            rc = -ENOMEM;
        for (size_t i = 0; i < m->n[side] && rc == 0; i++)
            key[side][i] = (uint64_t)f->constant[m->v[side][i].name].id << 32 |
                           f->constant[m->v[side][i].descriptor].id;
    }
    if (rc == 0)
        rc = java_match(key[0], m->n[0], peer[0], key[1], m->n[1], peer[1]);
    if (rc == 0)
        rc = pair_members(p, m, peer);
    for (int side = 0; side < 2; side++) {
        free(key[side]);
        free(peer[side]);
    }
    return rc;
}

/* --- the class --- */

static int number(struct java_pair *p, uint64_t a, uint64_t b, const char *what)
{
    return look_pair(p->l, (struct look_range){a, 2}, (struct look_range){b, 2},
                     COMPARE_UNEXPLAINED, "%s: %" PRIu64 " and %" PRIu64, what,
                     java_get(&p->f[0], a, 2), java_get(&p->f[1], b, 2));
}

static int head(struct java_pair *p)
{
    const struct java *f = p->f;
    uint64_t end[2];
    int rc;

    if ((rc = look_pair(p->l, (struct look_range){0, 4}, (struct look_range){0, 4},
                        COMPARE_UNEXPLAINED, "magic")) != 0 ||
        (rc = number(p, 4, 4, "minor version")) != 0 ||
        (rc = number(p, 6, 6, "major version")) != 0 || (rc = java_pool_claim(p)) != 0 ||
        (rc = number(p, f[0].body, f[1].body, "flags of the class")) != 0 ||
        (rc = part(p, (struct look_range){f[0].body + 2, 2}, (struct look_range){f[1].body + 2, 2},
                   "c", true, "name of the class", end)) != 0 ||
        (rc = part(p, (struct look_range){f[0].body + 4, 2}, (struct look_range){f[1].body + 4, 2},
                   "c", true, "parent of the class", end)) != 0)
        return rc;
    return part(p, (struct look_range){f[0].body + 6, f[0].fields - f[0].body - 6},
                (struct look_range){f[1].body + 6, f[1].fields - f[1].body - 6}, "n[c]", true,
                "interfaces of the class", end);
}

static int all(struct java_pair *p)
{
    const struct java *f = p->f;
    const struct members fields = {{f[0].field, f[1].field},
                                   {f[0].n_fields, f[1].n_fields},
                                   {f[0].fields, f[1].fields},
                                   JAVA_OF_FIELD,
                                   "field"};
    const struct members methods = {{f[0].method, f[1].method},
                                    {f[0].n_methods, f[1].n_methods},
                                    {f[0].methods, f[1].methods},
                                    JAVA_OF_METHOD,
                                    "method"};
    int rc = java_pool_match(p);

    if (rc != 0 || (rc = head(p)) != 0 || (rc = members(p, &fields)) != 0 ||
        (rc = members(p, &methods)) != 0)
        return rc;
    return attributes(p, (struct look_range){f[0].classes, f[0].end - f[0].classes},
                      (struct look_range){f[1].classes, f[1].end - f[1].classes}, JAVA_OF_CLASS,
                      "class");
}

static int compare(struct look *l)
{
    struct java_pair p = {.l = l};
    int rc = 0;
    const char *why = java_read(&p.f[0], look_side(l, 0), &rc);

    if (why == NULL)
        why = java_read(&p.f[1], look_side(l, 1), &rc);
    if (rc == 0 && why == NULL)
        rc = all(&p);
    else if (rc == 0 && (rc = look_find(l, COMPARE_UNEXPLAINED, "as Java class: %s", why)) == 0)
        rc = bytes_format.compare(l);
    java_done(&p.f[0]);
    java_done(&p.f[1]);
    return rc;
}

extern const struct look_format java_format;
const struct look_format java_format = {"Java class", is, compare};
