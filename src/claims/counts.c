/* How many submissions a site holds of a country after so many leaves.  What will be asked is known
 * before: the sizes that inventories and moves name, and the ledgers' ends.  So the questions are
 * sorted and one pass over the submissions answers them all; the memory is the questions'.  Made
 * once, after all ledgers were read, because a submission accepted at one site may be erased at
 * another after its country has moved. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "claims/claims_priv.h"

#define CLASSES (COUNTRY_COUNT + 1) /* the last: all countries */

struct question {
    uint64_t size;
    int64_t held;
    uint32_t country;
};
struct counts { /* of one site */
    VEC(struct question) ask;
    size_t first[CLASSES + 1]; /* of a country's questions */
};

static int cmp_question(const void *a, const void *b)
{
    const struct question *x = a, *y = b;

    if (x->country != y->country)
        return x->country < y->country ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
}

static int ask(struct counts *c, unsigned country, uint64_t size)
{
    int rc = VEC_ROOM(&c->ask);

    if (rc == 0)
        c->ask.v[c->ask.n++] = (struct question){.size = size, .country = country};
    return rc;
}

static int collect(struct counts *c, const struct site *s)
{
    int rc = 0;

    for (unsigned k = 0; k < CLASSES && rc == 0; k++)
        rc = ask(c, k, s->size);
    for (size_t i = 0; i < s->inventories.n && rc == 0; i++)
        rc = ask(c, s->inventories.v[i].country, s->inventories.v[i].at_size);
    for (size_t i = 0; i < s->moves[MOVE_OPENED].n && rc == 0; i++)
        rc = ask(c, s->moves[MOVE_OPENED].v[i].country, s->moves[MOVE_OPENED].v[i].cut);
    return rc;
}

/* Sorted, each once. */
static void order(struct counts *c)
{
    size_t n = 0, k = 0;

    qsort(c->ask.v, c->ask.n, sizeof(*c->ask.v), cmp_question);
    for (size_t i = 0; i < c->ask.n; i++)
        if (n == 0 || cmp_question(&c->ask.v[n - 1], &c->ask.v[i]) != 0)
            c->ask.v[n++] = c->ask.v[i];
    c->ask.n = n;
    for (size_t i = 0; i < n; i++)
        while (k <= c->ask.v[i].country)
            c->first[k++] = i;
    while (k <= CLASSES)
        c->first[k++] = n;
}

/* The first question of a country about more than `size` leaves. */
static size_t above(const struct counts *c, unsigned country, uint64_t size)
{
    size_t lo = c->first[country], hi = c->first[country + 1];

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (c->ask.v[mid].size <= size)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* At leaf `leaf` one more or less: noted where it begins to count, summed up later. */
static void change(struct counts *c, unsigned country, uint32_t leaf, int by)
{
    const unsigned classes[] = {country, COUNTRY_COUNT};

    for (size_t k = 0; k < ARRAY_LEN(classes); k++) {
        size_t i = above(c, classes[k], leaf);

        if (i < c->first[classes[k] + 1])
            c->ask.v[i].held += by;
    }
}

static void answer(struct audit *a)
{
    for (size_t i = 0; i < subs_count(a); i++) {
        struct sub_rec r = subs_get(a, i);

        if (r.accepted == NONE || (r.flags & SUB_FILE) == 0)
            continue;
        change(&a->counts[r.site], r.country, r.accepted, 1);
        if (r.erased != NONE)
            change(&a->counts[r.erased_site], r.country, r.erased, -1);
    }
    for (size_t i = 0; i < a->sites; i++)
        for (unsigned k = 0; k < CLASSES; k++)
            for (size_t q = a->counts[i].first[k] + 1; q < a->counts[i].first[k + 1]; q++)
                a->counts[i].ask.v[q].held += a->counts[i].ask.v[q - 1].held;
}

int counts_build(struct audit *a)
{
    a->counts = calloc(a->sites, sizeof(*a->counts));
    if (a->counts == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < a->sites; i++) {
        int rc = collect(&a->counts[i], &a->site[i]);

        if (rc != 0)
            return rc;
        order(&a->counts[i]);
    }
    answer(a);
    return 0;
}

void counts_free(struct audit *a)
{
    for (size_t i = 0; a->counts != NULL && i < a->sites; i++)
        free(a->counts[i].ask.v);
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
    size_t i = size == 0 ? c->first[country] : above(c, country, size - 1);

    assert(i < c->first[country + 1] && c->ask.v[i].size == size); /* collect knew of it */
    return moved(s, country, size) + c->ask.v[i].held;
}
