#include "compare/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COST 256 /* differences from either end until a region is split anyhow */

/* What is left of the two sequences: from (a, b) up to (a + n, b + m). */
struct box {
    size_t a, b, n, m;
};

struct searcher {
    const uint32_t *a, *b;
    uint8_t *out[2];
    /* furthest[dir][COST + 1 + k]: how far the search from that end came on diagonal k */
    long furthest[2][2 * COST + 3];
};

/* --- numbers --- */

struct known {
    uint64_t hash;
    const struct span *text;
    uint32_t *number;
};

static uint64_t hash_of(struct span s)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ s.p[i]) * UINT64_C(1099511628211);
    return h;
}

static bool same_text(const struct known *a, const struct known *b)
{
    return a->hash == b->hash && a->text->n == b->text->n &&
           (a->text->n == 0 || memcmp(a->text->p, b->text->p, a->text->n) == 0);
}

/* Sorted, not looked up by hash: texts that were made to collide cost no more than others. */
static int by_text(const void *x, const void *y)
{
    const struct known *a = x, *b = y;

    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->text->n != b->text->n)
        return a->text->n < b->text->n ? -1 : 1;
    return a->text->n == 0 ? 0 : memcmp(a->text->p, b->text->p, a->text->n);
}

int lines_number(const struct span *texts[2], const size_t n[2], uint32_t *numbers[2])
{
    size_t all = n[0] + n[1], k = 0;
    struct known *v;
    uint32_t next = 0;

    if (all == 0)
        return 0;
    if ((v = calloc(all, sizeof(*v))) == NULL)
        return -ENOMEM;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < n[side]; i++)
            v[k++] = (struct known){hash_of(texts[side][i]), &texts[side][i], &numbers[side][i]};
    qsort(v, all, sizeof(*v), by_text);
    for (size_t i = 0; i < all; i++) {
        if (i > 0 && !same_text(&v[i - 1], &v[i]))
            next++;
        *v[i].number = next;
    }
    free(v);
    return 0;
}

/* --- the search --- */

/* The elements as the search from either end meets them. */
static bool meets(const struct searcher *s, const struct box *x, int dir, long i, long k)
{
    return dir == 0 ? s->a[x->a + (size_t)i] == s->b[x->b + (size_t)k]
                    : s->a[x->a + x->n - 1 - (size_t)i] == s->b[x->b + x->m - 1 - (size_t)k];
}

/* How far one comes on diagonal k with d differences; -1: nowhere. */
static long step(struct searcher *s, const struct box *x, int dir, long d, long k)
{
    long *f = &s->furthest[dir][COST + 1], i = -1;
    long n = (long)x->n, m = (long)x->m;

    if (d == 0)
        i = 0;
    if (k > -d && f[k - 1] >= 0 && f[k - 1] < n)
        i = f[k - 1] + 1;
    if (k < d && f[k + 1] >= 0 && f[k + 1] - (k + 1) < m && f[k + 1] > i)
        i = f[k + 1];
    while (i >= 0 && i < n && i - k < m && meets(s, x, dir, i, i - k))
        i++;
    f[k] = i;
    return i;
}

/* Where the ways from both ends meet, or, after COST differences, where the one from the beginning
 * came furthest.  Something of the box is before *a, *b and something behind. */
static void split(struct searcher *s, const struct box *x, size_t *a, size_t *b)
{
    long n = (long)x->n, m = (long)x->m, delta = n - m, best = -1;

    for (long d = 0; d <= COST; d++) {
        for (int dir = 0; dir < 2; dir++) {
            const long *other = &s->furthest[1 - dir][COST + 1];
            long reach = dir == 0 ? d - 1 : d; /* how far the other one has come */

            for (long k = -d; k <= d; k += 2) {
                long i = step(s, x, dir, d, k), o = delta - k;

                if (i < 0 || o < -reach || o > reach || ((reach - o) & 1) != 0 || other[o] < 0 ||
                    i + other[o] < n)
                    continue;
                *a = (size_t)(dir == 0 ? i : n - i);
                *b = (size_t)(dir == 0 ? i - k : m - (i - k));
                return;
            }
        }
    }
    for (long k = -COST; k <= COST; k += 2) {
        long i = s->furthest[0][COST + 1 + k];

        if (i >= 0 && 2 * i - k > best) {
            best = 2 * i - k;
            *a = (size_t)i;
            *b = (size_t)(i - k);
        }
    }
}

static void trim(const struct searcher *s, struct box *x)
{
    while (x->n > 0 && x->m > 0 && s->a[x->a] == s->b[x->b]) {
        x->a++;
        x->b++;
        x->n--;
        x->m--;
    }
    while (x->n > 0 && x->m > 0 && s->a[x->a + x->n - 1] == s->b[x->b + x->m - 1]) {
        x->n--;
        x->m--;
    }
}

/* The half before a split has half of the differences, or at most COST: so this goes some ten calls
 * deep, and no deeper. */
static void search(struct searcher *s, struct box x)
{
    for (;;) {
        size_t a = 0, b = 0;

        trim(s, &x);
        if (x.n == 0 || x.m == 0)
            break;
        split(s, &x, &a, &b);
        search(s, (struct box){x.a, x.b, a, b});
        x = (struct box){x.a + a, x.b + b, x.n - a, x.m - b};
    }
    memset(s->out[0] + x.a, 1, x.n);
    memset(s->out[1] + x.b, 1, x.m);
}

/* --- what is on one side only is out at once --- */

struct kept {
    uint32_t *v;
    size_t *from; /* where it was */
    uint8_t *out;
    size_t n;
};

static int keep(struct kept *k, struct lines *l, const uint8_t *on_other, uint32_t top)
{
    size_t room = l->n > 0 ? l->n : 1;

    k->v = calloc(room, sizeof(*k->v));
    k->from = calloc(room, sizeof(*k->from));
    k->out = calloc(room, 1);
    if (k->v == NULL || k->from == NULL || k->out == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i] > top || on_other[l->v[i]] == 0) {
            l->out[i] = 1;
            continue;
        }
        k->v[k->n] = l->v[i];
        k->from[k->n++] = i;
    }
    return 0;
}

static void kept_free(struct kept *k)
{
    free(k->v);
    free(k->from);
    free(k->out);
}

static uint32_t greatest(const struct lines *l)
{
    uint32_t top = 0;

    for (size_t i = 0; i < l->n; i++)
        top = l->v[i] > top ? l->v[i] : top;
    return top;
}

static int search_kept(struct lines *l[2], struct kept k[2])
{
    struct searcher *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    s->a = k[0].v;
    s->b = k[1].v;
    s->out[0] = k[0].out;
    s->out[1] = k[1].out;
    search(s, (struct box){0, 0, k[0].n, k[1].n});
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < k[side].n; i++)
            l[side]->out[k[side].from[i]] = k[side].out[i];
    free(s);
    return 0;
}

int lines_diff(struct lines *a, struct lines *b)
{
    struct lines *l[2] = {a, b};
    struct kept k[2] = {{NULL, NULL, NULL, 0}, {NULL, NULL, NULL, 0}};
    uint32_t top[2] = {greatest(a), greatest(b)};
    uint8_t *on[2] = {calloc((size_t)top[0] + 1, 1), calloc((size_t)top[1] + 1, 1)};
    int rc = on[0] == NULL || on[1] == NULL ? -ENOMEM : 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        for (size_t i = 0; i < l[side]->n; i++)
            on[side][l[side]->v[i]] = 1;
    for (int side = 0; side < 2 && rc == 0; side++)
        rc = keep(&k[side], l[side], on[1 - side], top[1 - side]);
    if (rc == 0)
        rc = search_kept(l, k);
    for (int side = 0; side < 2; side++) {
        kept_free(&k[side]);
        free(on[side]);
    }
    return rc;
}
