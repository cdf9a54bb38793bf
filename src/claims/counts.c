/* How many submissions a site holds of a country after any number of leaves: two sorted lists of
 * leaf numbers a country and site, looked up by halving.  Made once, after all ledgers were read,
 * because a submission accepted at one site may be erased at another after its country has moved.
 */
#include <errno.h>
#include <stdlib.h>

#include "claims/claims_priv.h"

struct list {
    uint32_t *v;
    size_t n;
};
struct counts { /* of one site */
    struct list in[COUNTRY_COUNT], out[COUNTRY_COUNT];
    uint32_t *store;
};

static int cmp_u32(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static size_t below(const struct list *l, uint64_t size)
{
    size_t lo = 0, hi = l->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (l->v[mid] < size)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool counted(const struct sub_rec *r)
{
    return r->accepted != NONE && (r->flags & SUB_FILE) != 0;
}

/* First pass: how long each list is; second: the numbers. */
static void visit(struct audit *a, bool fill)
{
    for (size_t i = 0; i < a->subs.n; i++) {
        const struct sub_rec *r = &a->subs.v[i];
        struct list *l;

        if (!counted(r))
            continue;
        l = &a->counts[r->site].in[r->country];
        if (fill)
            l->v[l->n] = r->accepted;
        l->n++;
        if (r->erased == NONE)
            continue;
        l = &a->counts[r->erased_site].out[r->country];
        if (fill)
            l->v[l->n] = r->erased;
        l->n++;
    }
}

static int place(struct counts *c)
{
    size_t n = 0;

    for (size_t k = 0; k < COUNTRY_COUNT; k++)
        n += c->in[k].n + c->out[k].n;
    c->store = malloc((n + 1) * sizeof(*c->store));
    if (c->store == NULL)
        return -ENOMEM;
    n = 0;
    for (size_t k = 0; k < COUNTRY_COUNT; k++) {
        c->in[k].v = c->store + n;
        n += c->in[k].n;
        c->out[k].v = c->store + n;
        n += c->out[k].n;
        c->in[k].n = c->out[k].n = 0;
    }
    return 0;
}

int counts_build(struct audit *a)
{
    a->counts = calloc(a->sites, sizeof(*a->counts));
    if (a->counts == NULL)
        return -ENOMEM;
    visit(a, false);
    for (size_t i = 0; i < a->sites; i++)
        if (place(&a->counts[i]) != 0)
            return -ENOMEM;
    visit(a, true);
    for (size_t i = 0; i < a->sites; i++)
        for (size_t k = 0; k < COUNTRY_COUNT; k++) {
            struct counts *c = &a->counts[i];

            if (c->in[k].n > 1)
                qsort(c->in[k].v, c->in[k].n, sizeof(uint32_t), cmp_u32);
            if (c->out[k].n > 1)
                qsort(c->out[k].v, c->out[k].n, sizeof(uint32_t), cmp_u32);
        }
    return 0;
}

void counts_free(struct audit *a)
{
    for (size_t i = 0; a->counts != NULL && i < a->sites; i++)
        free(a->counts[i].store);
    free(a->counts);
    a->counts = NULL;
}

static int64_t moved(const struct site *s, unsigned country, uint64_t size)
{
    int64_t n = 0;

    for (size_t i = 0; i < s->moves[MOVE_RECEIVED].n; i++) {
        const struct move *m = &s->moves[MOVE_RECEIVED].v[i];

        if (m->leaf < size && (country == COUNTRY_COUNT || m->country == country))
            n += (int64_t)m->count;
    }
    for (size_t i = 0; i < s->moves[MOVE_CLOSED].n; i++) {
        const struct move *m = &s->moves[MOVE_CLOSED].v[i];

        /* a close carries no count: that of its opening was copied into it */
        if (m->leaf < size && (country == COUNTRY_COUNT || m->country == country))
            n -= (int64_t)m->count;
    }
    return n;
}

int64_t counts_held(const struct audit *a, const struct site *s, unsigned country, uint64_t size)
{
    const struct counts *c = &a->counts[s->number];
    int64_t n = moved(s, country, size);

    for (size_t k = 0; k < COUNTRY_COUNT; k++)
        if (country == k || country == COUNTRY_COUNT)
            n += (int64_t)below(&c->in[k], size) - (int64_t)below(&c->out[k], size);
    return n;
}
