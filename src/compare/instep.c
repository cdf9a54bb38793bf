#include "compare/instep.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "compare/pairing.h"
#include "crypto/sha256.h"

#define FIRST_SLOTS 256u

struct waiting {
    struct waiting *next; /* in its slot, in the order of coming */
    uint64_t hash, cost, index;
    alignas(max_align_t) uint8_t e[];
};

struct slot {
    struct waiting *first, *last;
};

struct table { /* entries of one side that wait, by name */
    struct slot *slot;
    size_t slots, n;
};

struct run { /* entries from a on are those from b on */
    uint64_t a, b, n;
};

struct walk {
    struct look *l;
    const struct instep_sort *sort;
    void *arg;
    void *e[2]; /* the next of each side */
    struct table wait[2];
    uint64_t read[2];
    bool ended[2], links, binds;
    struct run *run;
    size_t runs, room;
};

/* --- waiting --- */

/* Not to be foreseen by whoever names the members: else one slot could be made to hold all. */
static uint64_t hash_of(const char *name)
{
    struct digest d;
    uint64_t h;

    sha256_of(name, strlen(name), &d);
    memcpy(&h, d.b, sizeof(h));
    return h;
}

static void append(struct table *t, struct waiting *w)
{
    struct slot *at = &t->slot[w->hash & (t->slots - 1)];

    w->next = NULL;
    if (at->first == NULL)
        at->first = w;
    else
        at->last->next = w;
    at->last = w;
}

static int grow(struct table *t)
{
    struct table more = {NULL, t->slots == 0 ? FIRST_SLOTS : 2 * t->slots, t->n};

    if (t->n < t->slots)
        return 0;
    if ((more.slot = calloc(more.slots, sizeof(*more.slot))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->slots; i++)
        for (struct waiting *w = t->slot[i].first, *next; w != NULL; w = next) {
            next = w->next;
            append(&more, w);
        }
    free(t->slot);
    *t = more;
    return 0;
}

/* Takes e of that side.  1: there is no room for it, and e is still the caller's. */
static int wait_for(struct walk *w, int side)
{
    const struct instep_sort *s = w->sort;
    struct table *t = &w->wait[side];
    uint64_t cost =
        sizeof(struct waiting) + s->size + s->kept(w->e[side]) + 2 * sizeof(struct slot);
    struct waiting *one;
    int rc;

    if (!look_charge(w->l, cost))
        return 1;
    if ((rc = grow(t)) != 0)
        return rc;
    if ((one = malloc(sizeof(*one) + s->size)) == NULL)
        return -ENOMEM;
    memcpy(one->e, w->e[side], s->size);
    one->hash = hash_of(s->name(one->e));
    one->cost = cost;
    one->index = w->read[side] - 1;
    append(t, one);
    t->n++;
    memset(w->e[side], 0, s->size);
    return 0;
}

static struct waiting *fetch(const struct walk *w, struct table *t, const char *name)
{
    uint64_t hash = t->n == 0 ? 0 : hash_of(name);
    struct slot *at = t->n == 0 ? NULL : &t->slot[hash & (t->slots - 1)];
    struct waiting *before = NULL, *one = at == NULL ? NULL : at->first;

    while (one != NULL && (one->hash != hash || strcmp(w->sort->name(one->e), name) != 0)) {
        before = one;
        one = one->next;
    }
    if (one == NULL)
        return NULL;
    if (before == NULL)
        at->first = one->next;
    else
        before->next = one->next;
    if (at->last == one)
        at->last = before;
    t->n--;
    return one;
}

static void drop(struct walk *w, struct waiting *one)
{
    look_discharge(w->l, one->cost);
    w->sort->free(w->l, one->e);
    free(one);
}

/* --- pairs --- */

static int remember(struct walk *w, uint64_t a, uint64_t b)
{
    struct run *last = w->runs > 0 ? &w->run[w->runs - 1] : NULL;

    if (last != NULL && last->a + last->n == a && last->b + last->n == b) {
        last->n++;
        return 0;
    }
    if (w->runs == w->room) {
        size_t room = w->room == 0 ? 64 : 2 * w->room;
        struct run *more = reallocarray(w->run, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        w->run = more;
        w->room = room;
    }
    w->run[w->runs++] = (struct run){a, b, 1};
    return 0;
}

/* Two entries and their places. */
static int pair(struct walk *w, const void *a, const void *b, uint64_t at_a, uint64_t at_b)
{
    int rc = remember(w, at_a, at_b);

    return rc != 0 ? rc : w->sort->compare(w->arg, w->l, a, b);
}

static int by_a(const void *x, const void *y)
{
    const struct run *a = x, *b = y;

    return a->a < b->a ? -1 : a->a > b->a;
}

static int order(struct walk *w)
{
    if (w->runs > 0)
        qsort(w->run, w->runs, sizeof(*w->run), by_a);
    for (size_t i = 1; i < w->runs; i++)
        if (w->run[i].b < w->run[i - 1].b)
            return w->binds ? look_find(w->l, COMPARE_UNEXPLAINED,
                                        "its members come in another order, and what one says "
                                        "holds for those behind it")
                   : w->links
                       ? look_find(w->l, COMPARE_METADATA,
                                   "its members come in another order, links among them")
                       : look_find(w->l, COMPARE_SAME_CONTENT, "its members come in another order");
    return 0;
}

/* The entry of side did not meet its like: it may be waiting.  1: there is no room. */
static int meet(struct walk *w, int side)
{
    struct waiting *other = fetch(w, &w->wait[!side], w->sort->name(w->e[side]));
    uint64_t at = w->read[side] - 1;
    int rc;

    if (other == NULL)
        return wait_for(w, side);
    rc = side == 0 ? pair(w, w->e[0], other->e, at, other->index)
                   : pair(w, other->e, w->e[1], other->index, at);
    drop(w, other);
    return rc;
}

/* --- what never met --- */

static int collect(struct table *t, struct waiting ***out)
{
    size_t n = 0;

    if ((*out = calloc(t->n + 1, sizeof(struct waiting *))) == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->slots; i++)
        for (struct waiting *one = t->slot[i].first; one != NULL; one = one->next)
            (*out)[n++] = one;
    return 0;
}

static int by_index(const void *x, const void *y)
{
    const struct waiting *const *a = x, *const *b = y;

    return (*a)->index < (*b)->index ? -1 : (*a)->index > (*b)->index;
}

static struct pairing_item *items_of(const struct walk *w, struct waiting **v, size_t n)
{
    struct pairing_item *it = calloc(n + 1, sizeof(*it));

    if (n > 0)
        qsort(v, n, sizeof(struct waiting *), by_index);
    for (size_t i = 0; it != NULL && i < n; i++)
        it[i] =
            (struct pairing_item){w->sort->name(v[i]->e), w->sort->content(v[i]->e), PAIRING_NONE};
    return it;
}

static int leftovers(struct walk *w)
{
    struct waiting **v[2] = {NULL, NULL}, *mate;
    struct pairing_item *it[2] = {NULL, NULL};
    const size_t n[2] = {w->wait[0].n, w->wait[1].n};
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if ((rc = collect(&w->wait[side], &v[side])) == 0 &&
            (it[side] = items_of(w, v[side], n[side])) == NULL)
            rc = -ENOMEM;
    if (rc == 0)
        rc = pairing_by_content(it[0], n[0], it[1], n[1]);
    for (size_t i = 0; i < n[0] && rc == 0; i++) {
        mate = it[0][i].mate == PAIRING_NONE ? NULL : v[1][it[0][i].mate];
        rc = mate == NULL ? w->sort->alone(w->arg, w->l, 0, v[0][i]->e)
                          : pair(w, v[0][i]->e, mate->e, v[0][i]->index, mate->index);
    }
    for (size_t i = 0; i < n[1] && rc == 0; i++)
        if (it[1][i].mate == PAIRING_NONE)
            rc = w->sort->alone(w->arg, w->l, 1, v[1][i]->e);
    for (int side = 0; side < 2; side++) {
        free(it[side]);
        free(v[side]);
    }
    return rc;
}

static void forget(struct walk *w)
{
    for (int side = 0; side < 2; side++) {
        struct table *t = &w->wait[side];

        for (size_t i = 0; i < t->slots; i++)
            for (struct waiting *one = t->slot[i].first, *next; one != NULL; one = next) {
                next = one->next;
                drop(w, one);
            }
        free(t->slot);
        free(w->e[side]);
    }
    free(w->run);
}

/* --- the walk --- */

/* What was dealt with is freed.  0: on; 1: no further. */
static int step(struct walk *w, const bool got[2])
{
    const struct instep_sort *s = w->sort;
    bool in_step = got[0] && got[1] && strcmp(s->name(w->e[0]), s->name(w->e[1])) == 0 &&
                   w->wait[0].n == 0 && w->wait[1].n == 0;
    int rc = in_step ? pair(w, w->e[0], w->e[1], w->read[0] - 1, w->read[1] - 1) : 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if (got[side] && (in_step || (rc = meet(w, side)) == 0))
            s->free(w->l, w->e[side]);
    return rc;
}

/* Its next entry, if it has one.  0: on; 1: no further. */
static int read_one(struct walk *w, int side, bool *got)
{
    const char *why = NULL;
    int rc = w->sort->read(w->arg, w->l, side, w->e[side], &why);

    if (rc == -ENOMEM)
        return rc;
    *got = rc == 1;
    if (rc == 0) {
        w->ended[side] = true;
    } else if (rc == 1) {
        w->read[side]++;
        w->links = w->links || w->sort->is_link(w->e[side]);
        w->binds = w->binds || (w->sort->binds != NULL && w->sort->binds(w->e[side]));
    } else {
        look_cut(w->l, why);
        return 1;
    }
    return 0;
}

/* One entry of each side that has more.  0: on; 1: no further. */
static int next(struct walk *w)
{
    bool got[2] = {false, false};
    int rc = 0, also;

    if (!look_may(w->l))
        return 1;
    for (int side = 0; side < 2; side++)
        if (!w->ended[side] && (also = read_one(w, side, &got[side])) != 0)
            rc = rc < 0 ? rc : also;
    if (rc == 0)
        rc = step(w, got);
    if (rc == 1) {
        also = w->sort->raw(w->l, w->e[0], w->e[1]);
        rc = also != 0 ? also : rc;
    }
    w->sort->free(w->l, w->e[1]);
    w->sort->free(w->l, w->e[0]);
    return rc;
}

int instep_walk(struct look *l, const struct instep_sort *sort, void *arg)
{
    struct walk w = {.l = l, .sort = sort, .arg = arg};
    int rc = 0, after;

    for (int side = 0; side < 2; side++)
        if ((w.e[side] = calloc(1, sort->size)) == NULL)
            rc = -ENOMEM;
    while (rc == 0 && !(w.ended[0] && w.ended[1]))
        rc = next(&w);
    if (rc >= 0 && ((after = leftovers(&w)) != 0 || (after = order(&w)) != 0))
        rc = after;
    forget(&w);
    return rc;
}
