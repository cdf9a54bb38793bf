/* squash_data.c - what files hold: whole blocks behind one another, and an end that may lie with
 * the ends of others in a fragment. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/squash_priv.h"

#define AS_IT_IS (1u << 24) /* in the size of a block: it is not packed */
#define SIZE_BITS (AS_IT_IS - 1u)
#define COMPARED_MOST (UINT64_C(1) << 34)

struct look_range squash_blocks(const struct squash_inode *i)
{
    struct look_range r = {i->start, 0};

    for (uint32_t k = 0; k < i->blocks; k++)
        r.n += squash_u32(i->list + 4 * (uint64_t)k) & SIZE_BITS;
    return r;
}

static bool in_data(const struct squash_side *q, struct look_range r)
{
    return r.at >= q->begin && r.at <= q->inode_table.at.at && r.n <= q->inode_table.at.at - r.at;
}

static bool size_clean(const struct squash_side *q, uint32_t size)
{
    return (size & ~(AS_IT_IS | SIZE_BITS)) == 0 && (size & SIZE_BITS) <= q->block_size;
}

/* --- fragments --- */

struct tail {
    uint32_t which, at, n;
};

static int by_fragment(const void *x, const void *y)
{
    const struct tail *a = x, *b = y;

    if (a->which != b->which)
        return a->which < b->which ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Files have all of each fragment. */
static bool covered(const struct squash_side *q, const struct tail *v, size_t n)
{
    size_t i = 0;

    for (uint32_t k = 0; k < q->fragments; k++) {
        uint32_t at = 0;

        for (; i < n && v[i].which == k; i++) {
            if (v[i].at > at || v[i].at > q->fragment[k].n || v[i].n > q->fragment[k].n - v[i].at)
                return false;
            at = v[i].at + v[i].n > at ? v[i].at + v[i].n : at;
        }
        if (at != q->fragment[k].n)
            return false;
    }
    return i == n;
}

static int tails(const struct squash_side *q, const char **why)
{
    struct tail *v = calloc(q->inodes, sizeof(*v));
    size_t n = 0;
    bool all;

    if (v == NULL)
        return -ENOMEM;
    for (uint32_t k = 0; k < q->inodes; k++) {
        const struct squash_inode *i = &q->inode[k];

        if (i->sort == SQUASH_FILE && i->tail != SQUASH_NONE)
            v[n++] = (struct tail){i->tail, i->tail_at, (uint32_t)(i->size % q->block_size)};
    }
    qsort(v, n, sizeof(*v), by_fragment);
    all = covered(q, v, n);
    free(v);
    *why = "bytes in a fragment that no file has, or a file behind its end";
    return all ? 0 : -EBADMSG;
}

/* How much it expands to; counted as what is unpacked. */
static int measure(struct squash *t, int side, struct squash_fragment *f, const char **why)
{
    const struct squash_side *q = &t->side[side];
    size_t n = q->block_size;
    uint8_t *p = look_room(t->l, n);
    int rc;

    *why = "too much to be held";
    if (p == NULL)
        return -EBADMSG;
    rc = squash_expand(q, f->at, f->packed, p, &n);
    f->n = rc == 0 ? (uint32_t)n : 0;
    look_give_back(t->l, p, q->block_size);
    *why = "a fragment that does not expand";
    return rc;
}

static int by_at(const void *x, const void *y)
{
    const struct look_range *a = x, *b = y;

    return a->at < b->at ? -1 : a->at > b->at;
}

/* No two of them share a byte. */
static int apart(const struct squash_side *q, const char **why)
{
    struct look_range *v = calloc(q->fragments + (size_t)1, sizeof(*v));
    bool ok = true;

    if (v == NULL)
        return -ENOMEM;
    for (uint32_t k = 0; k < q->fragments; k++)
        v[k] = q->fragment[k].at;
    qsort(v, q->fragments, sizeof(*v), by_at);
    for (uint32_t k = 1; k < q->fragments; k++)
        ok = ok && v[k - 1].at + v[k - 1].n <= v[k].at;
    free(v);
    *why = "fragments that lie in one another";
    return ok ? 0 : -EBADMSG;
}

static bool files_in_data(const struct squash_side *q)
{
    for (uint32_t k = 0; k < q->inodes; k++) {
        const struct squash_inode *i = &q->inode[k];

        if (i->sort != SQUASH_FILE)
            continue;
        for (uint32_t b = 0; b < i->blocks; b++)
            if (!size_clean(q, squash_u32(i->list + 4 * (uint64_t)b)))
                return false;
        if (i->blocks == 0 ? i->start > q->inode_table.at.at : !in_data(q, squash_blocks(i)))
            return false;
    }
    return true;
}

int squash_fragments_read(struct squash *t, int side, const char **why)
{
    struct squash_side *q = &t->side[side];
    uint64_t cost = (q->fragments + UINT64_C(1)) * sizeof(*q->fragment);
    int rc;

    *why = "files that lie outside of the data";
    if (!files_in_data(q))
        return -EBADMSG;
    *why = "too much to be held";
    if (!look_charge(t->l, cost))
        return -EBADMSG;
    q->charged += cost;
    if ((q->fragment = calloc(q->fragments + (size_t)1, sizeof(*q->fragment))) == NULL)
        return -ENOMEM;
    for (uint32_t k = 0; k < q->fragments; k++) {
        const uint8_t *p = q->fragment_table.p + 16 * (uint64_t)k;
        uint32_t size = squash_u32(p + 8);

        q->fragment[k].at = (struct look_range){squash_u64(p), size & SIZE_BITS};
        q->fragment[k].packed = (size & AS_IT_IS) == 0;
        *why = "a fragment that cannot be";
        if (!size_clean(q, size) || squash_u32(p + 12) != 0 || !in_data(q, q->fragment[k].at))
            return -EBADMSG;
    }
    if ((rc = apart(q, why)) != 0)
        return rc;
    for (uint32_t k = 0; k < q->fragments; k++)
        if ((rc = measure(t, side, &q->fragment[k], why)) != 0)
            return rc;
    return tails(q, why);
}

/* --- reading --- */

static int load(struct squash *t, int side, uint32_t which)
{
    const struct squash_side *q = &t->side[side];
    size_t n = q->block_size;

    if (t->cache[side].p == NULL) {
        if ((t->cache[side].p = look_room(t->l, n)) == NULL)
            return -EBADMSG;
        t->cache[side].room = n;
        t->cache[side].which = SQUASH_NONE;
    }
    if (t->cache[side].which == which)
        return 0;
    t->cache[side].which = SQUASH_NONE;
    if (squash_expand(q, q->fragment[which].at, q->fragment[which].packed, t->cache[side].p, &n) !=
        0)
        return -EBADMSG;
    t->cache[side].which = which;
    return 0;
}

void squash_cache_free(struct squash *t, int side)
{
    look_give_back(t->l, t->cache[side].p, t->cache[side].room);
    t->cache[side].p = NULL;
}

struct reader { /* of a file */
    struct squash *t;
    int side;
    const struct squash_inode *i;
    uint64_t at, left; /* of the next block; of the file, behind what is in p */
    uint32_t block;
    uint8_t *p;
    size_t n, done;
};

static int fill(struct reader *r)
{
    const struct squash_side *q = &r->t->side[r->side];
    size_t want = r->left < q->block_size ? (size_t)r->left : q->block_size, n = q->block_size;
    uint32_t size;

    r->done = 0;
    r->n = want;
    r->left -= want;
    if (r->block >= r->i->blocks) {
        if (load(r->t, r->side, r->i->tail) != 0)
            return -EBADMSG;
        memcpy(r->p, r->t->cache[r->side].p + r->i->tail_at, want);
        return 0;
    }
    size = squash_u32(r->i->list + 4 * (uint64_t)r->block++);
    if ((size & SIZE_BITS) == 0) { /* a hole */
        memset(r->p, 0, want);
        return size == 0 ? 0 : -EBADMSG;
    }
    if (squash_expand(q, (struct look_range){r->at, size & SIZE_BITS}, (size & AS_IT_IS) == 0, r->p,
                      &n) != 0 ||
        n != want)
        return -EBADMSG;
    r->at += size & SIZE_BITS;
    return 0;
}

static int read_file(void *arg, void *p, size_t n, size_t *got)
{
    struct reader *r = arg;

    *got = 0;
    if (r->done == r->n && r->left > 0 && fill(r) != 0) {
        r->n = r->done = 0;
        return -EBADMSG;
    }
    *got = r->n - r->done < n ? r->n - r->done : n;
    if (*got > 0)
        memcpy(p, r->p + r->done, *got);
    r->done += *got;
    return 0;
}

/* --- two files --- */

static bool same_place(const struct squash_inode *x, const struct squash_inode *y)
{
    return x->start == y->start && x->size == y->size && x->tail == y->tail &&
           x->tail_at == y->tail_at && x->blocks == y->blocks &&
           memcmp(x->list, y->list, 4 * (size_t)x->blocks) == 0;
}

/* The ends that lie in fragments. */
static bool tails_equal(struct squash *t, const struct squash_inode *a,
                        const struct squash_inode *b)
{
    uint64_t n = a->size % t->side[0].block_size;

    if (a->tail == SQUASH_NONE || b->tail == SQUASH_NONE)
        return a->tail == b->tail;
    return load(t, 0, a->tail) == 0 && load(t, 1, b->tail) == 0 &&
           memcmp(t->cache[0].p + a->tail_at, t->cache[1].p + b->tail_at, (size_t)n) == 0;
}

/* Packed in one way, and equal as they are: then they need not be expanded. */
static bool packed_equal(struct squash *t, const struct squash_inode *a,
                         const struct squash_inode *b)
{
    const struct squash_side *x = &t->side[0], *y = &t->side[1];
    struct look_range ra = squash_blocks(a), rb = squash_blocks(b);

    if (x->codec != y->codec || x->block_size != y->block_size || a->size != b->size ||
        a->blocks != b->blocks || memcmp(a->list, b->list, 4 * (size_t)a->blocks) != 0 ||
        ra.n > COMPARED_MOST - t->compared)
        return false;
    t->compared += ra.n;
    return (ra.n == 0 || memcmp(x->s.p + ra.at, y->s.p + rb.at, (size_t)ra.n) == 0) &&
           tails_equal(t, a, b);
}

static int expanded(struct squash *t, const struct squash_inode *i[2], const char *path,
                    enum compare_class *class)
{
    struct reader r[2];
    struct look_source from[2] = {{&r[0], read_file}, {&r[1], read_file}};
    bool whole = false, room = true;
    int rc = 0;

    memset(r, 0, sizeof(r));
    *class = COMPARE_UNEXPLAINED;
    for (int side = 0; side < 2; side++) {
        r[side] = (struct reader){
            .t = t, .side = side, .i = i[side], .at = i[side]->start, .left = i[side]->size};
        r[side].p = look_room(t->l, t->side[side].block_size);
        room = room && r[side].p != NULL;
    }
    if (room)
        rc = look_expanded(t->l, &from[0], &from[1], path, path, class, &whole);
    for (int side = 1; side >= 0; side--)
        look_give_back(t->l, r[side].p, t->side[side].block_size);
    if (rc != 0 || whole)
        return rc;
    *class = COMPARE_UNEXPLAINED;
    return look_find(t->l, *class, "\"%s\" could not be read to its end", path);
}

static void stain(struct squash_side *q, const struct squash_inode *i, enum compare_class class)
{
    if (i->tail != SQUASH_NONE && q->fragment[i->tail].class < class)
        q->fragment[i->tail].class = class;
}

static int compare_pair(struct squash *t, const struct squash_pair *v, enum compare_class *class)
{
    const struct squash_inode *i[2] = {&t->side[0].inode[v->a], &t->side[1].inode[v->b]};
    struct look_range ra = squash_blocks(i[0]), rb = squash_blocks(i[1]);
    int rc = 0;

    *class = COMPARE_IDENTICAL;
    if (!packed_equal(t, i[0], i[1]))
        rc = expanded(t, i, v->path, class);
    stain(&t->side[0], i[0], *class);
    stain(&t->side[1], i[1], *class);
    return rc != 0 ? rc : look_packed(t->l, ra, rb, *class);
}

static int by_pair(const void *x, const void *y, void *arg)
{
    const struct squash_pair *p[2] = {x, y};
    const struct squash *t = arg;
    int d = 0;

    for (int side = 0; side < 2 && d == 0; side++) {
        const struct squash_inode *a = &t->side[side].inode[side == 0 ? p[0]->a : p[0]->b],
                                  *b = &t->side[side].inode[side == 0 ? p[1]->a : p[1]->b];

        d = a->tail != b->tail         ? (a->tail < b->tail ? -1 : 1)
            : a->start != b->start     ? (a->start < b->start ? -1 : 1)
            : a->tail_at != b->tail_at ? (a->tail_at < b->tail_at ? -1 : 1)
            : a->size != b->size       ? (a->size < b->size ? -1 : 1)
                                       : 0;
    }
    return d != 0 ? d : p[0]->a < p[1]->a ? -1 : p[0]->a > p[1]->a;
}

int squash_data_compare(struct squash *t, struct squash_pair *v, size_t n)
{
    enum compare_class class = COMPARE_IDENTICAL;
    int rc = 0;

    if (n > 0)
        qsort_r(v, n, sizeof(*v), by_pair, t);
    for (size_t k = 0; k < n && rc == 0; k++) {
        bool again = k > 0 &&
                     same_place(&t->side[0].inode[v[k].a], &t->side[0].inode[v[k - 1].a]) &&
                     same_place(&t->side[1].inode[v[k].b], &t->side[1].inode[v[k - 1].b]);

        if (!again)
            rc = compare_pair(t, &v[k], &class);
        else if (class != COMPARE_IDENTICAL)
            rc = look_find(t->l, class, "\"%s\" differs, as \"%s\", whose bytes it has", v[k].path,
                           v[k - 1].path);
    }
    return rc;
}

int squash_data_alone(struct squash *t, int side, const struct squash_name *name)
{
    const struct squash_inode *i = &t->side[side].inode[name->inode];
    struct look_range r = {0, 0};

    if (i->sort == SQUASH_FILE) {
        r = squash_blocks(i);
        stain(&t->side[side], i, COMPARE_UNEXPLAINED);
    }
    return look_only(t->l, side, r, name->path);
}

int squash_fragments_claim(struct squash *t)
{
    const struct squash_side *a = &t->side[0], *b = &t->side[1];
    static const struct squash_fragment none;
    int rc = 0;

    for (uint32_t k = 0; rc == 0 && (k < a->fragments || k < b->fragments); k++) {
        const struct squash_fragment *x = k < a->fragments ? &a->fragment[k] : &none,
                                     *y = k < b->fragments ? &b->fragment[k] : &none;

        rc = look_packed(t->l, x->at, y->at, x->class > y->class ? x->class : y->class);
    }
    return rc;
}
