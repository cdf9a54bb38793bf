#include "compare/look_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define HELPER_ROOM (UINT64_C(64) << 20)

static const char *const words[COMPARE_CLASSES] = {
    "identical",     "same-content", "derived-only", "signature-only",
    "metadata-only", "explained",    "unexplained"};

const char *compare_class_word(enum compare_class c)
{
    return c < COMPARE_CLASSES ? words[c] : "unexplained";
}

void look_budget_init(struct look_budget *b, const struct compare_options *o)
{
    static const struct compare_options none;

    o = o == NULL ? &none : o;
    *b = (struct look_budget){
        .depth = o->depth != 0 ? o->depth : LOOK_DEPTH,
        .members = o->members != 0 ? o->members : LOOK_MEMBERS,
        .unpacked = o->unpacked != 0 ? o->unpacked : LOOK_UNPACKED,
        .memory = o->memory != 0 ? o->memory : LOOK_MEMORY,
        .findings = o->findings != 0 ? o->findings : LOOK_FINDINGS,
    };
    for (int side = 0; side < 2 && o->years[0] != 0 && o->years[1] != 0; side++)
        b->known.years[side] = o->years[side];
    for (int side = 0; side < 2 && o->paths[0] != NULL && o->paths[1] != NULL; side++) {
        b->known.path[side] = span_str(o->paths[side]);
        while (b->known.path[side].n > 1 && o->paths[side][b->known.path[side].n - 1] == '/')
            b->known.path[side].n--;
    }
}

/* --- what formats ask --- */

const struct look_known *look_known(const struct look *l)
{
    return &l->budget->known;
}

struct span look_side(const struct look *l, int side)
{
    return l->side[side];
}

const char *look_name(const struct look *l, int side)
{
    return l->name[side];
}

void look_cut(struct look *l, const char *why)
{
    if (l->node->cut == NULL)
        l->node->cut = strdup(why); /* what it stands for is unclaimed in any case */
}

bool look_may(struct look *l)
{
    if (l->budget->members == 0) {
        look_cut(l, "too many members");
        return false;
    }
    l->budget->members--;
    return true;
}

void *look_room(struct look *l, uint64_t n)
{
    void *p;

    if (n > l->budget->unpacked || n > l->budget->memory) {
        look_cut(l, n > l->budget->unpacked ? "expands to too much" : "too large to be held");
        return NULL;
    }
    if ((p = malloc(n > 0 ? (size_t)n : 1)) == NULL) {
        look_cut(l, "too large to be held");
        return NULL;
    }
    l->budget->unpacked -= n;
    l->budget->memory -= n;
    return p;
}

void look_give_back(struct look *l, void *p, uint64_t n)
{
    if (p == NULL)
        return;
    free(p);
    l->budget->memory += n;
}

bool look_charge(struct look *l, uint64_t n)
{
    if (n > l->budget->memory) {
        look_cut(l, "too much to be held");
        return false;
    }
    l->budget->memory -= n;
    return true;
}

void look_discharge(struct look *l, uint64_t n)
{
    l->budget->memory += n;
}

size_t look_helpers(struct look *l, unsigned n)
{
    uint64_t room = l->budget->memory / 8;

    if (l->budget->helpers < n)
        return 0;
    if (room > n * HELPER_ROOM)
        room = n * HELPER_ROOM;
    l->budget->helpers -= n;
    l->budget->memory -= room;
    return (size_t)room;
}

void look_helpers_end(struct look *l, unsigned n, size_t held)
{
    l->budget->helpers += n;
    l->budget->memory += held;
}

_Atomic uint64_t *look_seen(struct look *l)
{
    _Atomic uint64_t *seen = l->budget->seen;

    l->budget->seen = NULL;
    return seen;
}

void look_seen_back(struct look *l, _Atomic uint64_t *seen)
{
    l->budget->seen = seen;
}

/* --- claims --- */

static struct look_range cut_to(struct look *l, int side, struct look_range r)
{
    uint64_t size = l->side[side].n;

    if (r.at > size || r.n > size - r.at) {
        look_cut(l, "a part of it would lie outside of it");
        r.at = r.at > size ? size : r.at;
        r.n = size - r.at < r.n ? size - r.at : r.n;
    }
    return r;
}

int look_claim(struct look *l, int side, struct look_range r, enum compare_class class)
{
    struct look_claim *last;

    if (r.n == 0)
        return 0;
    last = l->claims[side].n > 0 ? &l->claims[side].v[l->claims[side].n - 1] : NULL;
    if (last != NULL && last->class == class && last->r.at + last->r.n == r.at) {
        last->r.n += r.n;
        return 0;
    }
    if (l->claims[side].n == l->claims[side].room) {
        size_t room = l->claims[side].room == 0 ? 64 : 2 * l->claims[side].room;
        struct look_claim *more = reallocarray(l->claims[side].v, room, sizeof(*more));

        if (more == NULL)
            return -ENOMEM;
        l->claims[side].v = more;
        l->claims[side].room = room;
    }
    l->claims[side].v[l->claims[side].n++] = (struct look_claim){r, class};
    return 0;
}

static struct span part(const struct look *l, int side, struct look_range r)
{
    return span_of(l->side[side].p + r.at, (size_t)r.n);
}

static bool equal(const struct look *l, struct look_range a, struct look_range b)
{
    return a.n == b.n && (a.n == 0 || memcmp(l->side[0].p + a.at, l->side[1].p + b.at, a.n) == 0);
}

static int claim_both(struct look *l, struct look_range a, struct look_range b,
                      enum compare_class class)
{
    int rc = look_claim(l, 0, a, class);

    return rc != 0 ? rc : look_claim(l, 1, b, class);
}

int look_find_at(struct look *l, enum compare_class class, struct look_range a, struct look_range b,
                 const char *fmt, va_list ap)
{
    const struct look_range at[2] = {a, b};
    char what[LOOK_WHAT];

    (void)vsnprintf(what, sizeof(what), fmt, ap);
    return look_node_find(l->node, l->budget->findings, class, at, what);
}

int look_pair(struct look *l, struct look_range a, struct look_range b,
              enum compare_class if_differs, const char *fmt, ...)
{
    enum compare_class class = COMPARE_IDENTICAL;
    va_list ap;
    int rc = 0;

    a = cut_to(l, 0, a);
    b = cut_to(l, 1, b);
    if (!equal(l, a, b)) {
        class = if_differs;
        va_start(ap, fmt);
        rc = look_find_at(l, class, a, b, fmt, ap);
        va_end(ap);
    }
    return rc != 0 ? rc : claim_both(l, a, b, class);
}

int look_field(struct look *l, struct look_range a, struct look_range b,
               enum compare_class if_differs, const char *what, const char *name, const char *fmt,
               ...)
{
    enum compare_class class = COMPARE_IDENTICAL;
    struct look_range at[2] = {cut_to(l, 0, a), cut_to(l, 1, b)};
    va_list ap;
    int rc = 0;

    if (!equal(l, at[0], at[1])) {
        class = if_differs;
        va_start(ap, fmt);
        rc = look_alike_find(l, class, at, what, name, fmt, ap);
        va_end(ap);
    }
    return rc != 0 ? rc : claim_both(l, at[0], at[1], class);
}

int look_quiet(struct look *l, struct look_range a, struct look_range b,
               enum compare_class if_differs)
{
    enum compare_class class = COMPARE_IDENTICAL;

    a = cut_to(l, 0, a);
    b = cut_to(l, 1, b);
    if (!equal(l, a, b))
        class = if_differs;
    if (class > l->node->class)
        l->node->class = class;
    return claim_both(l, a, b, class);
}

int look_find(struct look *l, enum compare_class class, const char *fmt, ...)
{
    static const struct look_range nowhere = {0, 0};
    va_list ap;
    int rc;

    va_start(ap, fmt);
    rc = look_find_at(l, class, nowhere, nowhere, fmt, ap);
    va_end(ap);
    return rc;
}

/* --- members --- */

bool look_same_text(const char *a, const char *b)
{
    return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

/* Two contents; *class is what their difference is, of the bytes they lie in. */
int look_adopt(struct look *l, struct compare_node *n)
{
    static const struct look_range nowhere[2] = {{0, 0}, {0, 0}};
    int rc = 0;

    if (n->name[0] != NULL && n->name[1] != NULL && !look_same_text(n->name[0], n->name[1]))
        rc = look_node_find(n, l->budget->findings, COMPARE_METADATA, nowhere,
                            "it has another name");
    if (rc == 0)
        return look_node_add(l->node, n);
    look_node_free(n);
    return rc;
}

/* Two contents; *class is what their difference is, of the bytes they lie in. */
int look_child(struct look *l, struct span a, struct span b, const char *name_a, const char *name_b,
               enum compare_class *class)
{
    struct look_budget deeper = *l->budget;
    struct compare_node *n = NULL;
    int rc;

    *class = COMPARE_IDENTICAL;
    if (name_a != NULL && name_b != NULL && look_same_text(name_a, name_b) && span_eq(a, b)) {
        l->node->equal_children++;
        return 0;
    }
    deeper.depth = l->budget->depth - 1;
    rc = look_compare(&deeper, a, b, name_a, name_b, &n);
    deeper.depth = l->budget->depth;
    *l->budget = deeper;
    if (rc != 0)
        return rc;
    *class = n->class;
    return look_adopt(l, n);
}

int look_only(struct look *l, int side, struct look_range r, const char *name)
{
    const struct look_range none = {0, 0};
    struct compare_node *n = NULL;
    int rc = look_node_new(&n, "member", side == 0 ? name : NULL, side == 1 ? name : NULL);

    if (rc != 0)
        return rc;
    n->size[side] = r.n;
    n->bytes[side][COMPARE_UNEXPLAINED] = r.n;
    rc = look_node_find(n, 1, COMPARE_UNEXPLAINED, (const struct look_range[2]){none, none},
                        side == 0 ? "it is only in A" : "it is only in B");
    if (rc == 0)
        rc = look_node_add(l->node, n);
    else
        look_node_free(n);
    return rc != 0 ? rc : look_claim(l, side, r, COMPARE_UNEXPLAINED);
}

int look_member(struct look *l, struct look_range a, struct look_range b, const char *name_a,
                const char *name_b)
{
    enum compare_class class;
    int rc;

    a = cut_to(l, 0, a);
    b = cut_to(l, 1, b);
    if (name_a == NULL || name_b == NULL)
        return look_only(l, name_a == NULL, name_a == NULL ? b : a,
                         name_a == NULL ? name_b : name_a);
    rc = look_child(l, part(l, 0, a), part(l, 1, b), name_a, name_b, &class);
    return rc != 0 ? rc : claim_both(l, a, b, class);
}

int look_unpacked(struct look *l, struct look_range a, struct look_range b, struct span a_plain,
                  struct span b_plain, const char *name_a, const char *name_b)
{
    enum compare_class class;
    int rc;

    a = cut_to(l, 0, a);
    b = cut_to(l, 1, b);
    if (a_plain.p == NULL || b_plain.p == NULL)
        return look_pair(l, a, b, COMPARE_UNEXPLAINED, "packed content that does not expand");
    if (span_eq(a_plain, b_plain) && look_same_text(name_a, name_b)) {
        l->node->equal_children++;
        return look_pair(l, a, b, COMPARE_SAME_CONTENT, "the same content, packed otherwise");
    }
    rc = look_child(l, a_plain, b_plain, name_a, name_b, &class);
    return rc != 0 ? rc : claim_both(l, a, b, class);
}

int look_packed(struct look *l, struct look_range a, struct look_range b, enum compare_class class)
{
    if (class <= COMPARE_SAME_CONTENT)
        return look_pair(l, a, b, COMPARE_SAME_CONTENT, "the same content, packed otherwise");
    a = cut_to(l, 0, a);
    b = cut_to(l, 1, b);
    return claim_both(l, a, b, equal(l, a, b) ? COMPARE_IDENTICAL : class);
}

/* --- the account --- */

struct edge { /* where a claim begins or ends */
    uint64_t at;
    enum compare_class class;
    int step;
};

static int by_place(const void *x, const void *y)
{
    const struct edge *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at ? 1 : 0;
}

struct gaps {
    struct look_range *v;
    size_t n;
};

static struct edge *edges_of(const struct look *l, int side)
{
    size_t n = l->claims[side].n;
    struct edge *v = calloc(2 * n + 1, sizeof(*v));

    for (size_t i = 0; v != NULL && i < n; i++) {
        const struct look_claim *c = &l->claims[side].v[i];

        v[2 * i] = (struct edge){c->r.at, c->class, 1};
        v[2 * i + 1] = (struct edge){c->r.at + c->r.n, c->class, -1};
    }
    if (v != NULL && n > 0)
        qsort(v, 2 * n, sizeof(*v), by_place);
    return v;
}

/* Bytes from..to, on which so many claims of each class lie: the worst counts, none is a gap. */
static void stretch(struct look *l, int side, const size_t on[COMPARE_CLASSES], struct look_range r,
                    struct gaps *g)
{
    int c = COMPARE_CLASSES - 1;

    if (r.n == 0)
        return;
    while (c >= 0 && on[c] == 0)
        c--;
    if (c < 0)
        g->v[g->n++] = r;
    else
        l->node->bytes[side][c] += r.n;
}

/* Counts each byte once, by the worst claim on it; what no claim covers is a gap. */
static int settle_side(struct look *l, int side, struct gaps *g)
{
    size_t n = 2 * l->claims[side].n, on[COMPARE_CLASSES] = {0};
    struct edge *v = edges_of(l, side);
    uint64_t done = 0;

    g->v = calloc(n + 1, sizeof(*g->v));
    if (v == NULL || g->v == NULL) {
        free(v);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        stretch(l, side, on, (struct look_range){done, v[i].at - done}, g);
        done = v[i].at;
        if (v[i].step > 0)
            on[v[i].class]++;
        else
            on[v[i].class]--;
    }
    stretch(l, side, on, (struct look_range){done, l->node->size[side] - done}, g);
    free(v);
    return 0;
}

/* Leaves out what two gaps begin and end with alike; counts it. */
static void trim(struct look *l, struct look_range at[2])
{
    const uint8_t *p = l->side[0].p + at[0].at, *q = l->side[1].p + at[1].at;
    uint64_t least = at[0].n < at[1].n ? at[0].n : at[1].n, head = 0, end = 0;

    while (head < least && p[head] == q[head])
        head++;
    while (end < least - head && p[at[0].n - 1 - end] == q[at[1].n - 1 - end])
        end++;
    for (int side = 0; side < 2; side++) {
        at[side] = (struct look_range){at[side].at + head, at[side].n - head - end};
        l->node->bytes[side][COMPARE_IDENTICAL] += head + end;
    }
}

static int settle_gaps(struct look *l, const struct gaps g[2])
{
    const bool paired = g[0].n == g[1].n && !l->streamed;
    size_t most = g[0].n > g[1].n ? g[0].n : g[1].n;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < most; i++) {
        struct look_range at[2] = {i < g[0].n ? g[0].v[i] : (struct look_range){0, 0},
                                   i < g[1].n ? g[1].v[i] : (struct look_range){0, 0}};

        if (paired)
            trim(l, at);
        for (int side = 0; side < 2; side++)
            l->node->bytes[side][COMPARE_UNEXPLAINED] += at[side].n;
        if (at[0].n > 0 || at[1].n > 0)
            rc = look_node_find(l->node, l->budget->findings, COMPARE_UNEXPLAINED, at,
                                "bytes that no part of the format accounts for");
    }
    return rc;
}

int look_settle(struct look *l)
{
    struct gaps g[2] = {{NULL, 0}, {NULL, 0}};
    int rc = settle_side(l, 0, &g[0]);

    if (rc == 0)
        rc = settle_side(l, 1, &g[1]);
    if (rc == 0)
        rc = settle_gaps(l, g);
    if (rc == 0)
        rc = look_alike_tell(l);
    free(g[0].v);
    free(g[1].v);
    return rc;
}

/* --- a pair --- */

const struct look_format *look_format_behind(const struct look_format *self, struct span a,
                                             struct span b, const char *name_a, const char *name_b)
{
    bool past = self == NULL;

    for (size_t i = 0; formats_table[i] != NULL; i++) {
        if (past && formats_table[i]->is(a, name_a) && formats_table[i]->is(b, name_b))
            return formats_table[i];
        past = past || formats_table[i] == self;
    }
    return &bytes_format;
}

const struct look_format *look_format_of(struct span a, struct span b, const char *name_a,
                                         const char *name_b)
{
    return look_format_behind(NULL, a, b, name_a, name_b);
}

int look_otherwise(struct look *l, const struct look_format *self)
{
    const struct look_format *f =
        look_format_behind(self, l->side[0], l->side[1], l->name[0], l->name[1]);
    int rc = look_node_format(l->node, f->name);

    return rc != 0 ? rc : f->compare(l);
}

int look_compare(struct look_budget *budget, struct span a, struct span b, const char *name_a,
                 const char *name_b, struct compare_node **out)
{
    struct look l = {.budget = budget, .side = {a, b}, .name = {name_a, name_b}};
    const struct look_format *f =
        budget->depth == 0 ? &bytes_format : look_format_of(a, b, name_a, name_b);
    int rc = look_node_new(&l.node, f->name, name_a, name_b);

    *out = NULL;
    if (rc != 0)
        return rc;
    budget->looked++;
    l.node->size[0] = a.n;
    l.node->size[1] = b.n;
    if (budget->depth == 0)
        look_cut(&l, "too many containers in one another");
    if (span_eq(a, b)) {
        l.node->bytes[0][COMPARE_IDENTICAL] = a.n;
        l.node->bytes[1][COMPARE_IDENTICAL] = b.n;
    } else if ((rc = f->compare(&l)) == 0) {
        rc = look_settle(&l);
        if (rc == 0 && l.node->class == COMPARE_IDENTICAL) /* whatever the format claimed */
            rc = look_find(&l, COMPARE_UNEXPLAINED, "the same parts in another order");
    }
    free(l.claims[0].v);
    free(l.claims[1].v);
    look_alike_free(&l);
    if (rc != 0)
        look_node_free(l.node);
    else
        *out = l.node;
    return rc;
}
