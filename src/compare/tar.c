/* tar.c - two archives in step: entries of one name meet, those that come out of step wait for each
 * other, and what is left is paired by content. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/pairing.h"
#include "compare/tar_priv.h"
#include "crypto/sha256.h"

#define FIRST_SLOTS 256u
#define TAIL 65536u

struct waiting {
    struct tar_entry e;
    struct waiting *next; /* in its slot, in the order of coming */
    uint64_t hash, cost;
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
    struct table wait[2];
    struct look_held end[2]; /* the block that ended it */
    uint64_t read[2];
    bool ended[2], links;
    struct run *run;
    size_t runs, room;
};

static bool is(struct span side, const char *name)
{
    (void)name;
    return tar_is_header(side);
}

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

static uint64_t cost_of(const struct tar_entry *e)
{
    return sizeof(struct waiting) + strlen(e->name) + strlen(e->link) + 2 * sizeof(struct slot);
}

/* Takes e.  1: there is no room for it, and e is still the caller's. */
static int wait_for(struct walk *w, int side, struct tar_entry *e)
{
    struct table *t = &w->wait[side];
    uint64_t cost = cost_of(e);
    struct waiting *one;
    int rc;

    if (!look_charge(w->l, cost))
        return 1;
    if ((rc = grow(t)) != 0)
        return rc;
    if ((one = malloc(sizeof(*one))) == NULL)
        return -ENOMEM;
    one->e = *e;
    one->hash = hash_of(e->name);
    one->cost = cost;
    append(t, one);
    t->n++;
    memset(e, 0, sizeof(*e));
    return 0;
}

static struct waiting *fetch(struct table *t, const char *name)
{
    uint64_t hash = t->n == 0 ? 0 : hash_of(name);
    struct slot *at = t->n == 0 ? NULL : &t->slot[hash & (t->slots - 1)];
    struct waiting *before = NULL, *w = at == NULL ? NULL : at->first;

    while (w != NULL && (w->hash != hash || strcmp(w->e.name, name) != 0)) {
        before = w;
        w = w->next;
    }
    if (w == NULL)
        return NULL;
    if (before == NULL)
        at->first = w->next;
    else
        before->next = w->next;
    if (at->last == w)
        at->last = before;
    t->n--;
    return w;
}

static void drop(struct walk *w, struct waiting *one)
{
    look_discharge(w->l, one->cost);
    tar_entry_free(w->l, &one->e);
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

static int pair(struct walk *w, const struct tar_entry *a, const struct tar_entry *b)
{
    int rc = remember(w, a->index, b->index);

    return rc != 0 ? rc : tar_entry_compare(w->l, a, b);
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
            return w->links
                       ? look_find(w->l, COMPARE_METADATA,
                                   "its members come in another order, links among them")
                       : look_find(w->l, COMPARE_SAME_CONTENT, "its members come in another order");
    return 0;
}

/* e came from side and did not meet its like: it may be waiting.  1: there is no room. */
static int meet(struct walk *w, int side, struct tar_entry *e)
{
    struct waiting *other = fetch(&w->wait[!side], e->name);
    int rc;

    if (other == NULL)
        return wait_for(w, side, e);
    rc = side == 0 ? pair(w, e, &other->e) : pair(w, &other->e, e);
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

    return (*a)->e.index < (*b)->e.index ? -1 : (*a)->e.index > (*b)->e.index;
}

static struct pairing_item *items_of(struct waiting **v, size_t n)
{
    struct pairing_item *it = calloc(n + 1, sizeof(*it));

    if (n > 0)
        qsort(v, n, sizeof(struct waiting *), by_index);
    for (size_t i = 0; it != NULL && i < n; i++)
        it[i] = (struct pairing_item){v[i]->e.name, &v[i]->e.content, PAIRING_NONE};
    return it;
}

static int alone(struct walk *w, int side, const struct tar_entry *e)
{
    int rc = e->content_n > 0 ? look_tell(w->l, side, e->name, e->content.bytes) : 0;

    return rc != 0 ? rc : look_only(w->l, side, tar_entry_range(e), e->name);
}

static int leftovers(struct walk *w)
{
    struct waiting **v[2] = {NULL, NULL};
    struct pairing_item *it[2] = {NULL, NULL};
    const size_t n[2] = {w->wait[0].n, w->wait[1].n};
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if ((rc = collect(&w->wait[side], &v[side])) == 0 &&
            (it[side] = items_of(v[side], n[side])) == NULL)
            rc = -ENOMEM;
    if (rc == 0)
        rc = pairing_by_content(it[0], n[0], it[1], n[1]);
    for (size_t i = 0; i < n[0] && rc == 0; i++)
        rc = it[0][i].mate == PAIRING_NONE ? alone(w, 0, &v[0][i]->e)
                                           : pair(w, &v[0][i]->e, &v[1][it[0][i].mate]->e);
    for (size_t i = 0; i < n[1] && rc == 0; i++)
        if (it[1][i].mate == PAIRING_NONE)
            rc = alone(w, 1, &v[1][i]->e);
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
    }
    free(w->run);
}

/* --- the end --- */

/* What was taken and cannot be followed: as bytes. */
static int raw(struct look *l, const struct tar_entry *a, const struct tar_entry *b)
{
    static const char what[] = "bytes that cannot be followed";
    const struct look_held *ha[] = {&a->head, &a->content, &a->padding};
    const struct look_held *hb[] = {&b->head, &b->content, &b->padding};
    int rc = 0;

    for (size_t i = 0; i < TAR_EXTRAS && rc == 0; i++)
        if ((rc = look_pair_held(l, &a->extra[i].head, &b->extra[i].head, COMPARE_UNEXPLAINED, "%s",
                                 what)) == 0)
            rc = look_pair_held(l, &a->extra[i].data, &b->extra[i].data, COMPARE_UNEXPLAINED, "%s",
                                what);
    for (size_t i = 0; i < ARRAY_LEN(ha) && rc == 0; i++)
        rc = look_pair_raw(l, ha[i], hb[i], COMPARE_UNEXPLAINED, what);
    return rc;
}

static int pair_tail(struct look *l, const struct look_held *a, const struct look_held *b)
{
    bool zero = tar_zero(a->bytes) && tar_zero(b->bytes);

    return look_pair_raw(l, a, b, zero ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                         zero ? "zeros behind the last entry"
                              : "bytes behind the end of the archive");
}

/* What stands behind the last entry: zeros, as many as the block size of the writer asks. */
static int tail(struct look *l)
{
    struct look_held h[2];
    bool more = true;
    int rc = 0;

    while (rc == 0 && more) {
        memset(h, 0, sizeof(h));
        if ((rc = look_take(l, 0, TAIL, &h[0])) == 0 && (rc = look_take(l, 1, TAIL, &h[1])) == 0)
            rc = pair_tail(l, &h[0], &h[1]);
        more = h[0].at.n > 0 || h[1].at.n > 0;
        look_let_go(l, &h[1]);
        look_let_go(l, &h[0]);
    }
    return rc;
}

/* --- the walk --- */

/* What was dealt with is freed.  0: on; 1: no further. */
static int step(struct walk *w, struct tar_entry e[2], const int got[2])
{
    bool in_step = got[0] == 1 && got[1] == 1 && strcmp(e[0].name, e[1].name) == 0 &&
                   w->wait[0].n == 0 && w->wait[1].n == 0;
    int rc = in_step ? pair(w, &e[0], &e[1]) : 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if (got[side] == 1 && (in_step || (rc = meet(w, side, &e[side])) == 0))
            tar_entry_free(w->l, &e[side]);
    return rc;
}

/* Its next entry, if it has one.  *got as of tar_entry_read. */
static int read_one(struct walk *w, int side, struct tar_entry *e, int *got)
{
    const char *why = NULL;

    if ((*got = tar_entry_read(w->l, side, e, &why)) == -ENOMEM)
        return -ENOMEM;
    e->index = w->read[side]++;
    if (*got == 0) {
        w->ended[side] = true;
        w->end[side] = e->head;
        memset(&e->head, 0, sizeof(e->head));
    } else if (*got == 1) {
        w->links = w->links || e->head.bytes.p[156] == '1' || e->head.bytes.p[156] == '2';
    } else {
        look_cut(w->l, why);
        return 1;
    }
    return 0;
}

/* One entry of each side that has more.  0: on; 1: no further. */
static int next(struct walk *w)
{
    struct tar_entry e[2];
    int got[2] = {0, 0}, rc = 0, also;

    memset(e, 0, sizeof(e));
    if (!look_may(w->l))
        return 1;
    for (int side = 0; side < 2; side++) {
        if (!w->ended[side] && (also = read_one(w, side, &e[side], &got[side])) != 0)
            rc = rc < 0 ? rc : also;
    }
    if (rc == 0)
        rc = step(w, e, got);
    if (rc == 1) {
        also = raw(w->l, &e[0], &e[1]);
        rc = also != 0 ? also : rc;
    }
    tar_entry_free(w->l, &e[0]);
    tar_entry_free(w->l, &e[1]);
    return rc;
}

static int compare(struct look *l)
{
    struct walk w = {.l = l};
    int rc = 0;

    while (rc == 0 && !(w.ended[0] && w.ended[1]))
        rc = next(&w);
    if (rc == 0)
        rc = tail(l);
    if (rc >= 0) {
        int after = pair_tail(l, &w.end[0], &w.end[1]);

        after = after != 0 ? after : leftovers(&w);
        rc = after != 0 ? after : order(&w);
    }
    look_let_go(l, &w.end[0]);
    look_let_go(l, &w.end[1]);
    forget(&w);
    return rc;
}

const struct look_format tar_format = {"tar", is, compare};
