/* java_pool.c - constants of two class files: which stand for the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/java_priv.h"
#include "compare/plain.h"

#define CAUSES_MAX 256u /* constants on one side only that are held against those of the other */

/* --- pairs by keys --- */

struct keyed {
    uint64_t key;
    size_t i;
};

static int by_key(const void *x, const void *y)
{
    const struct keyed *a = x, *b = y;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->i < b->i ? -1 : a->i > b->i;
}

static struct keyed *sorted(const uint64_t *key, size_t n, long *peer)
{
    struct keyed *v = calloc(n + 1, sizeof(*v));

    for (size_t i = 0; i < n; i++)
        peer[i] = -1;
    for (size_t i = 0; v != NULL && i < n; i++)
        v[i] = (struct keyed){key[i], i};
    if (v != NULL && n > 0)
        qsort(v, n, sizeof(*v), by_key);
    return v;
}

int java_match(const uint64_t *a, size_t na, long *pa, const uint64_t *b, size_t nb, long *pb)
{
    struct keyed *x = sorted(a, na, pa), *y = sorted(b, nb, pb);
    int rc = x == NULL || y == NULL ? -ENOMEM : 0;

    for (size_t i = 0, k = 0; rc == 0 && i < na && k < nb;) {
        const bool less = x[i].key<y[k].key, more = x[i].key> y[k].key;

        if (!less && !more) {
            pa[x[i].i] = (long)y[k].i;
            pb[y[k].i] = (long)x[i].i;
        }
        i += !more;
        k += !less;
    }
    free(x);
    free(y);
    return rc;
}

/* --- what they stand for, as a number --- */

struct entry {
    struct java_constant *c;
    struct span bytes; /* of those that refer to nothing */
    uint64_t key[2];   /* of the others */
};

static unsigned level(uint8_t tag)
{
    switch ((enum java_tag)tag) {
    case JAVA_UTF8:
    case JAVA_INTEGER:
    case JAVA_FLOAT:
    case JAVA_LONG:
    case JAVA_DOUBLE:
        return 0;
    case JAVA_FIELD:
    case JAVA_METHOD:
    case JAVA_INTERFACE_METHOD:
    case JAVA_DYNAMIC:
    case JAVA_INVOKE_DYNAMIC:
        return 2;
    case JAVA_METHOD_HANDLE:
        return 3;
    default:
        return 1;
    }
}

static uint64_t id_at(const struct java *f, uint64_t at)
{
    return f->constant[java_get(f, at, 2)].id;
}

static struct entry entry_of(const struct java *f, struct java_constant *c)
{
    struct entry e = {c, span_of("", 0), {(uint64_t)c->tag << 32, 0}};
    const uint64_t at = c->at.at;

    if (level(c->tag) == 0) {
        e.bytes = span_of(f->all.p + at, (size_t)c->at.n);
    } else if (c->tag == JAVA_METHOD_HANDLE) {
        e.key[0] |= java_get(f, at + 1, 1);
        e.key[1] = id_at(f, at + 2);
    } else if (c->tag == JAVA_DYNAMIC || c->tag == JAVA_INVOKE_DYNAMIC) {
        e.key[0] |= java_get(f, at + 1, 2); /* a place in BootstrapMethods, which is in order */
        e.key[1] = id_at(f, at + 3);
    } else {
        e.key[0] |= id_at(f, at + 1);
        e.key[1] = c->at.n == 5 ? id_at(f, at + 3) : 0;
    }
    return e;
}

static int by_meaning(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    const size_t least = a->bytes.n < b->bytes.n ? a->bytes.n : b->bytes.n;
    int d;

    for (int i = 0; i < 2; i++)
        if (a->key[i] != b->key[i])
            return a->key[i] < b->key[i] ? -1 : 1;
    if (a->bytes.n != b->bytes.n)
        return a->bytes.n < b->bytes.n ? -1 : 1;
    d = least == 0 ? 0 : memcmp(a->bytes.p, b->bytes.p, least);
    return d;
}

static void number(struct java_pair *p, struct entry *v, unsigned at, uint32_t *id)
{
    size_t n = 0;

    for (int side = 0; side < 2; side++)
        for (size_t i = 1; i < p->f[side].constants; i++) {
            struct java_constant *c = &p->f[side].constant[i];

            if (c->tag != 0 && level(c->tag) == at)
                v[n++] = entry_of(&p->f[side], c);
        }
    if (n > 0)
        qsort(v, n, sizeof(*v), by_meaning);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || by_meaning(&v[i - 1], &v[i]) != 0)
            ++*id;
        v[i].c->id = *id;
    }
}

/* --- those that differ, with a cause that is known --- */

static bool knows_causes(const struct look *l)
{
    const struct look_known *k = look_known(l);

    return k->years[0] != k->years[1] || !span_eq(k->path[0], k->path[1]);
}

static const char *cause(const struct java_pair *p, const struct java_constant *a,
                         const struct java_constant *b)
{
    const struct java *f = p->f;

    if (a->tag != b->tag)
        return NULL;
    if (a->tag == JAVA_INTEGER)
        return look_year(p->l, java_get(&f[0], a->at.at + 1, 4), java_get(&f[1], b->at.at + 1, 4))
                   ? "build year"
                   : NULL;
    if (a->tag != JAVA_UTF8)
        return NULL;
    return look_cause(p->l, span_of(f[0].all.p + a->at.at + 3, (size_t)a->at.n - 3),
                      span_of(f[1].all.p + b->at.at + 3, (size_t)b->at.n - 3));
}

static void explain(const struct java_pair *p, struct java_constant *v[2][CAUSES_MAX],
                    const size_t n[2])
{
    for (size_t i = 0; i < n[0]; i++)
        for (size_t k = 0; k < n[1]; k++)
            if (!v[1][k]->explained && cause(p, v[0][i], v[1][k]) != NULL) {
                v[0][i]->explained = v[1][k]->explained = true;
                v[1][k]->id = v[0][i]->id;
                break;
            }
}

/* Texts and numbers whose like is not on the other side. */
static int find_causes(struct java_pair *p, uint32_t last)
{
    struct java_constant *v[2][CAUSES_MAX];
    uint8_t *on = knows_causes(p->l) ? calloc((size_t)last + 1, 1) : NULL;
    size_t n[2] = {0, 0};

    if (on == NULL)
        return knows_causes(p->l) ? -ENOMEM : 0;
    for (int side = 0; side < 2; side++)
        for (size_t i = 1; i < p->f[side].constants; i++)
            on[p->f[side].constant[i].id] |= (uint8_t)(1u << side);
    for (int side = 0; side < 2; side++)
        for (size_t i = 1; i < p->f[side].constants && n[side] < CAUSES_MAX; i++) {
            struct java_constant *c = &p->f[side].constant[i];

            if ((c->tag == JAVA_UTF8 || c->tag == JAVA_INTEGER) && on[c->id] != 3 && c->at.n < 4096)
                v[side][n[side]++] = c;
        }
    explain(p, v, n);
    free(on);
    return 0;
}

/* Equal ones of one side are paired in their order. */
static int pair_ids(struct java_pair *p)
{
    uint64_t *key[2] = {NULL, NULL};
    long *peer[2] = {NULL, NULL};
    int rc = 0;

    for (int side = 0; side < 2; side++) {
        key[side] = calloc(p->f[side].constants, sizeof(**key));
        peer[side] = calloc(p->f[side].constants, sizeof(**peer));
        if (key[side] == NULL || peer[side] == NULL)
            rc = -ENOMEM;
        for (size_t i = 0; rc == 0 && i < p->f[side].constants; i++)
            key[side][i] = p->f[side].constant[i].tag == 0 ? UINT64_MAX - (uint64_t)side
                                                           : p->f[side].constant[i].id;
    }
    if (rc == 0)
        rc = java_match(key[0], p->f[0].constants, peer[0], key[1], p->f[1].constants, peer[1]);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; rc == 0 && i < p->f[side].constants; i++) {
            p->f[side].constant[i].peer = peer[side][i];
            p->renumbered = p->renumbered || (peer[side][i] >= 0 && (size_t)peer[side][i] != i);
        }
        free(key[side]);
        free(peer[side]);
    }
    return rc;
}

int java_pool_match(struct java_pair *p)
{
    struct entry *v = calloc(p->f[0].constants + p->f[1].constants, sizeof(*v));
    uint32_t id = 0;
    int rc = 0;

    if (v == NULL)
        return -ENOMEM;
    for (unsigned at = 0; at <= 3 && rc == 0; at++) {
        number(p, v, at, &id);
        if (at == 0)
            rc = find_causes(p, id);
    }
    free(v);
    return rc != 0 ? rc : pair_ids(p);
}

/* --- what is claimed of them --- */

static bool lost(const struct java *f, uint64_t at)
{
    return f->constant[java_get(f, at, 2)].peer < 0;
}

/* It has no peer because what it refers to has none: that is told there. */
static bool follows(const struct java *f, const struct java_constant *c)
{
    const uint64_t at = c->at.at;

    if (level(c->tag) == 0)
        return false;
    if (c->tag == JAVA_METHOD_HANDLE)
        return lost(f, at + 2);
    if (c->tag == JAVA_DYNAMIC || c->tag == JAVA_INVOKE_DYNAMIC)
        return lost(f, at + 3);
    return lost(f, at + 1) || (c->at.n == 5 && lost(f, at + 3));
}

static int paired(struct java_pair *p, size_t i)
{
    const struct java_constant *a = &p->f[0].constant[i], *b = &p->f[1].constant[a->peer];
    char text[2][JAVA_TEXT];
    const char *why = a->explained ? cause(p, a, b) : NULL;

    if (a->explained)
        return look_pair(p->l, a->at, b->at, why != NULL ? COMPARE_EXPLAINED : COMPARE_UNEXPLAINED,
                         "constant %zu: %s: %s became %s", i, why != NULL ? why : "",
                         java_show_constant(text[0], &p->f[0], (unsigned)i),
                         java_show_constant(text[1], &p->f[1], (unsigned)a->peer));
    return look_quiet(p->l, a->at, b->at, COMPARE_SAME_CONTENT);
}

/* The one of the same number and sort stands in its place. */
static bool instead(const struct java_pair *p, size_t i)
{
    return i < p->f[0].constants && i < p->f[1].constants && p->f[0].constant[i].peer < 0 &&
           p->f[1].constant[i].peer < 0 && p->f[0].constant[i].tag == p->f[1].constant[i].tag &&
           p->f[0].constant[i].tag != 0;
}

static int replaced(struct java_pair *p, size_t i)
{
    const struct java_constant *a = &p->f[0].constant[i], *b = &p->f[1].constant[i];
    char text[2][JAVA_TEXT];

    if (follows(&p->f[0], a) && follows(&p->f[1], b))
        return look_quiet(p->l, a->at, b->at, COMPARE_UNEXPLAINED);
    return look_pair(p->l, a->at, b->at, COMPARE_UNEXPLAINED, "constant %zu: %s became %s", i,
                     java_show_constant(text[0], &p->f[0], (unsigned)i),
                     java_show_constant(text[1], &p->f[1], (unsigned)i));
}

static int alone(struct java_pair *p, int side, size_t i)
{
    const struct java_constant *c = &p->f[side].constant[i];
    const struct look_range none = {0, 0};
    char text[JAVA_TEXT];

    if (follows(&p->f[side], c))
        return look_quiet(p->l, side == 0 ? c->at : none, side == 1 ? c->at : none,
                          COMPARE_UNEXPLAINED);
    return look_pair(p->l, side == 0 ? c->at : none, side == 1 ? c->at : none, COMPARE_UNEXPLAINED,
                     "constant %zu, %s, is only in %c", i,
                     java_show_constant(text, &p->f[side], (unsigned)i), "AB"[side]);
}

int java_pool_claim(struct java_pair *p)
{
    size_t moved = 0;
    int rc =
        look_quiet(p->l, (struct look_range){8, 2}, (struct look_range){8, 2}, COMPARE_UNEXPLAINED);

    for (int side = 0; side < 2; side++)
        for (size_t i = 1; rc == 0 && i < p->f[side].constants; i++) {
            const struct java_constant *c = &p->f[side].constant[i];

            if (c->tag == 0)
                continue;
            if (c->peer < 0)
                rc = !instead(p, i) ? alone(p, side, i) : side == 0 ? replaced(p, i) : 0;
            else if (side == 0)
                rc = paired(p, i);
            moved += side == 0 && c->peer >= 0 && (size_t)c->peer != i;
        }
    if (rc == 0 && moved > 0)
        rc = look_find(p->l, COMPARE_SAME_CONTENT, "%zu constants have other numbers", moved);
    return rc;
}
