/* look_stream.c - sides that are expanded while they are looked at: read once, in step, and nothing
 * is held but what is being compared. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "compare/look_priv.h"
#include "crypto/sha256.h"

#define WINDOW 65536u
#define STEP (UINT64_C(1) << 20)
#define FIRST_ROOM (UINT64_C(16) << 20) /* before the bytes are seen */

/* --- reading --- */

/* Up to n bytes that have not been taken; less than n only at the end. */
static size_t pull(struct look *l, int side, uint8_t *p, size_t n)
{
    struct look_stream *s = &l->stream[side];
    size_t done = s->head_n - s->head_at < n ? s->head_n - s->head_at : n, got = 0;

    memcpy(p, s->head + s->head_at, done);
    s->head_at += done;
    while (done < n && !s->ended) {
        int rc = s->from->read(s->from->arg, p + done, n - done, &got);

        if (rc != 0 || got == 0) {
            s->ended = true;
            s->whole = rc == 0;
        }
        if (got > l->budget->unpacked) {
            look_cut(l, "expands to too much");
            s->ended = true;
            s->whole = false;
            got = (size_t)l->budget->unpacked;
        }
        l->budget->unpacked -= got;
        done += got;
    }
    s->at += done;
    return done;
}

static void peek(struct look *l, int side)
{
    struct look_stream *s = &l->stream[side];
    size_t n = pull(l, side, s->head, LOOK_HEAD);

    s->head_n = n;
    s->head_at = 0;
    s->at = 0;
}

/* Without room for it: its hash. */
static int take_hash(struct look *l, int side, uint64_t n, struct look_held *out)
{
    struct sha256 *h = sha256_new();
    uint8_t *window = malloc(WINDOW);
    int rc = h == NULL || window == NULL ? -ENOMEM : 0;

    while (rc == 0 && out->at.n < n) {
        uint64_t want = n - out->at.n;
        size_t got = pull(l, side, window, want < WINDOW ? (size_t)want : WINDOW);

        sha256_add(h, window, got);
        out->at.n += got;
        if (got < WINDOW)
            break;
    }
    if (rc == 0)
        sha256_end(h, &out->sha256);
    free(window);
    sha256_free(h);
    return rc;
}

/* Into room that grows with what is there: a length alone costs nothing. */
struct filling {
    uint8_t *p;
    uint64_t n, room, most;
    bool done;
};

/* Up to step bytes more. */
static int fill(struct look *l, int side, struct filling *f, uint64_t step)
{
    uint64_t want, got;
    uint8_t *more;

    if (f->p == NULL || f->n == f->room) {
        f->room = f->p == NULL            ? (f->most < FIRST_ROOM ? f->most : FIRST_ROOM)
                  : f->room > f->most / 2 ? f->most
                                          : 2 * f->room;
        if ((more = realloc(f->p, (size_t)f->room)) == NULL)
            return -ENOMEM;
        f->p = more;
    }
    want = step < f->room - f->n ? step : f->room - f->n;
    got = pull(l, side, f->p + f->n, (size_t)want);
    f->n += got;
    f->done = got < want || f->n == f->most;
    return 0;
}

static void filled(struct look *l, const struct filling *f, struct look_held *out)
{
    out->at.n = f->n;
    out->room = f->p;
    out->bytes = span_of(f->p, (size_t)f->n);
    l->budget->memory -= f->n;
}

static int take_room(struct look *l, int side, uint64_t n, struct look_held *out)
{
    struct filling f = {.most = n};

    while (!f.done)
        if (fill(l, side, &f, UINT64_MAX) != 0) {
            free(f.p);
            return -ENOMEM;
        }
    filled(l, &f, out);
    return 0;
}

/* Of both sides, in step: neither waits until the other one is expanded. */
static int take_rooms(struct look *l, uint64_t n, struct look_held out[2])
{
    struct filling f[2] = {{.most = n}, {.most = n}};
    int rc = 0;

    while (rc == 0 && !(f[0].done && f[1].done))
        for (int side = 0; side < 2 && rc == 0; side++)
            if (!f[side].done)
                rc = fill(l, side, &f[side], STEP);
    for (int side = 0; side < 2; side++) {
        if (rc == 0)
            filled(l, &f[side], &out[side]);
        else
            free(f[side].p);
    }
    return rc;
}

int look_take(struct look *l, int side, uint64_t n, struct look_held *out)
{
    struct look_stream *s = &l->stream[side];
    uint64_t left = l->side[side].n - s->at;

    memset(out, 0, sizeof(*out));
    out->at.at = s->at;
    if (!l->streamed) {
        out->at.n = n < left ? n : left;
        out->bytes = span_of(l->side[side].p + s->at, (size_t)out->at.n);
        s->at += out->at.n;
        return 0;
    }
    if (n == 0) {
        out->bytes = span_of("", 0);
        return 0;
    }
    return n > l->budget->memory ? take_hash(l, side, n, out) : take_room(l, side, n, out);
}

void look_let_go(struct look *l, struct look_held *h)
{
    if (h->room != NULL)
        look_give_back(l, h->room, h->at.n);
    memset(h, 0, sizeof(*h));
}

/* --- held parts --- */

static void hash_of(const struct look_held *h, struct digest *out)
{
    if (h->bytes.p != NULL)
        sha256_of(h->bytes.p, h->bytes.n, out);
    else
        *out = h->sha256;
}

bool look_held_eq(const struct look_held *a, const struct look_held *b)
{
    struct digest da, db;

    if (a->at.n != b->at.n || a->at.n == 0)
        return a->at.n == b->at.n;
    if (a->bytes.p != NULL && b->bytes.p != NULL)
        return memcmp(a->bytes.p, b->bytes.p, a->bytes.n) == 0;
    hash_of(a, &da);
    hash_of(b, &db);
    return digest_eq(&da, &db);
}

static int claim_held(struct look *l, const struct look_held *a, const struct look_held *b,
                      enum compare_class class)
{
    int rc = look_claim(l, 0, a->at, class);

    return rc != 0 ? rc : look_claim(l, 1, b->at, class);
}

int look_pair_held(struct look *l, const struct look_held *a, const struct look_held *b,
                   enum compare_class if_differs, const char *fmt, ...)
{
    enum compare_class class = COMPARE_IDENTICAL;
    va_list ap;
    int rc = 0;

    if (!look_held_eq(a, b)) {
        class = if_differs;
        va_start(ap, fmt);
        rc = look_find_at(l, class, a->at, b->at, fmt, ap);
        va_end(ap);
    }
    return rc != 0 ? rc : claim_held(l, a, b, class);
}

int look_field_held(struct look *l, const struct look_held *a, const struct look_held *b,
                    enum compare_class if_differs, const char *what, const char *name,
                    const char *fmt, ...)
{
    const struct look_range at[2] = {a->at, b->at};
    enum compare_class class = COMPARE_IDENTICAL;
    va_list ap;
    int rc = 0;

    if (!look_held_eq(a, b)) {
        class = if_differs;
        va_start(ap, fmt);
        rc = look_alike_find(l, class, at, what, name, fmt, ap);
        va_end(ap);
    }
    return rc != 0 ? rc : claim_held(l, a, b, class);
}

struct look_held look_part(const struct look_held *h, uint64_t at, uint64_t n)
{
    struct look_held p;

    memset(&p, 0, sizeof(p));
    if (at > h->at.n || h->bytes.p == NULL)
        return p;
    p.at = (struct look_range){h->at.at + at, n < h->at.n - at ? n : h->at.n - at};
    p.bytes = span_of(h->bytes.p + at, (size_t)p.at.n);
    return p;
}

int look_pair_raw(struct look *l, const struct look_held *a, const struct look_held *b,
                  enum compare_class if_differs, const char *what)
{
    size_t least = a->bytes.n < b->bytes.n ? a->bytes.n : b->bytes.n, head = 0, end = 0;
    struct look_held x, y;
    int rc;

    if (least == 0 || a->bytes.p == NULL || b->bytes.p == NULL)
        return look_pair_held(l, a, b, if_differs, "%s", what);
    while (head < least && a->bytes.p[head] == b->bytes.p[head])
        head++;
    while (end < least - head &&
           a->bytes.p[a->bytes.n - 1 - end] == b->bytes.p[b->bytes.n - 1 - end])
        end++;
    x = look_part(a, 0, head);
    y = look_part(b, 0, head);
    if ((rc = look_pair_held(l, &x, &y, if_differs, "%s", what)) != 0)
        return rc;
    x = look_part(a, head, a->at.n - head - end);
    y = look_part(b, head, b->at.n - head - end);
    if ((rc = look_pair_held(l, &x, &y, if_differs, "%s", what)) != 0)
        return rc;
    x = look_part(a, a->at.n - end, end);
    y = look_part(b, b->at.n - end, end);
    return look_pair_held(l, &x, &y, if_differs, "%s", what);
}

/* Two contents of which one at least was not held. */
static int beyond(struct look *l, const struct look_held *a, const struct look_held *b,
                  const char *name_a, const char *name_b)
{
    const struct look_held *const side[2] = {a, b};
    const struct look_range all[2] = {a->at, b->at};
    enum compare_class class = look_held_eq(a, b) ? COMPARE_IDENTICAL : COMPARE_UNEXPLAINED;
    struct compare_node *n = NULL;
    int rc = look_node_new(&n, "bytes", name_a, name_b);

    for (int i = 0; i < 2 && rc == 0; i++) {
        n->size[i] = side[i]->at.n;
        n->bytes[i][class] = side[i]->at.n;
    }
    if (rc == 0 && class != COMPARE_IDENTICAL) {
        n->cut = strdup("too large to be held");
        rc = look_node_find(n, 1, class, all, "its SHA-256 is another");
    }
    if (rc != 0) {
        look_node_free(n);
        return rc;
    }
    rc = look_adopt(l, n);
    return rc != 0 ? rc : claim_held(l, a, b, class);
}

int look_member_held(struct look *l, const struct look_held *a, const struct look_held *b,
                     const char *name_a, const char *name_b)
{
    enum compare_class class;
    int rc;

    if ((a->bytes.p == NULL && a->at.n > 0) || (b->bytes.p == NULL && b->at.n > 0))
        return beyond(l, a, b, name_a, name_b);
    rc = look_child(l, a->bytes, b->bytes, name_a, name_b, &class);
    return rc != 0 ? rc : claim_held(l, a, b, class);
}

/* --- what is behind that which the format took --- */

static int rest(struct look *l)
{
    uint8_t *window = malloc(2 * WINDOW);
    struct look_range from[2] = {{l->stream[0].at, 0}, {l->stream[1].at, 0}};
    bool equal = true;
    size_t n[2];
    int rc = window == NULL ? -ENOMEM : 0;

    while (rc == 0) {
        enum compare_class class;

        for (int side = 0; side < 2; side++)
            n[side] = pull(l, side, window + (size_t)side * WINDOW, WINDOW);
        if (n[0] == 0 && n[1] == 0)
            break;
        equal = equal && n[0] == n[1] && memcmp(window, window + WINDOW, n[0]) == 0;
        class = equal ? COMPARE_IDENTICAL : COMPARE_UNEXPLAINED;
        for (int side = 0; side < 2 && rc == 0; side++) {
            const struct look_range r = {l->stream[side].at - n[side], n[side]};

            from[side].n += equal ? 0 : n[side];
            from[side].at = equal ? l->stream[side].at : from[side].at;
            rc = look_claim(l, side, r, class);
        }
    }
    if (rc == 0 && !equal)
        rc = look_node_find(l->node, l->budget->findings, COMPARE_UNEXPLAINED, from,
                            "bytes that no part of the format accounts for");
    free(window);
    return rc;
}

static int streamed(struct look *l, const struct look_format *f)
{
    int rc = f->compare(l);

    if (rc == 0)
        rc = rest(l);
    for (int side = 0; side < 2; side++)
        l->node->size[side] = l->stream[side].at;
    return rc == 0 ? look_settle(l) : rc;
}

/* --- what can only be looked at as a whole --- */

/* Too much to be held: whether it is equal. */
static int too_large(struct look *l, const struct look_held h[2])
{
    enum compare_class class = look_held_eq(&h[0], &h[1]) ? COMPARE_IDENTICAL : COMPARE_UNEXPLAINED;
    int rc = look_claim(l, 0, h[0].at, class);

    if (rc == 0)
        rc = look_claim(l, 1, h[1].at, class);
    if (rc == 0 && class != COMPARE_IDENTICAL) {
        look_cut(l, "too large to be held");
        rc = look_node_find(l->node, l->budget->findings, class,
                            (const struct look_range[2]){h[0].at, h[1].at}, "bytes differ");
    }
    if (rc == 0)
        rc = rest(l);
    for (int side = 0; side < 2; side++)
        l->node->size[side] = l->stream[side].at;
    return rc == 0 ? look_settle(l) : rc;
}

/* l is the look that reads, up the one that its content belongs to.  1: done, and l has no node. */
static int whole(struct look *l, struct look *up, enum compare_class *class)
{
    struct look_held h[2];
    uint64_t half = l->budget->memory / 2;
    bool fits;
    int rc;

    memset(h, 0, sizeof(h));
    rc = take_rooms(l, half > 0 ? half : 1, h);
    fits = l->stream[0].ended && l->stream[1].ended && l->node->cut == NULL;
    if (rc == 0 && fits) {
        rc = look_child(up, h[0].bytes, h[1].bytes, l->name[0], l->name[1], class);
        rc = rc == 0 ? 1 : rc;
    } else if (rc == 0) {
        rc = too_large(l, h);
    }
    look_let_go(l, &h[1]);
    look_let_go(l, &h[0]);
    return rc;
}

static bool streams(const struct look_format *f)
{
    for (size_t i = 0; formats_streamed[i] != NULL; i++)
        if (formats_streamed[i] == f)
            return true;
    return false;
}

int look_expanded(struct look *up, struct look_source *a, struct look_source *b, const char *name_a,
                  const char *name_b, enum compare_class *class, bool *all)
{
    struct look *l = calloc(1, sizeof(*l));
    const struct look_format *f;
    int rc;

    if (l == NULL)
        return -ENOMEM;
    l->budget = up->budget;
    l->streamed = true;
    l->name[0] = name_a;
    l->name[1] = name_b;
    l->stream[0].from = a;
    l->stream[1].from = b;
    if ((rc = look_node_new(&l->node, "bytes", name_a, name_b)) != 0)
        goto out;
    peek(l, 0);
    peek(l, 1);
    f = look_format_of(span_of(l->stream[0].head, l->stream[0].head_n),
                       span_of(l->stream[1].head, l->stream[1].head_n), name_a, name_b);
    if (!streams(f) || l->budget->depth <= 1) {
        rc = whole(l, up, class);
    } else if ((rc = look_node_format(l->node, f->name)) == 0) {
        l->budget->looked++;
        l->budget->depth--;
        rc = streamed(l, f);
        l->budget->depth++;
    }
    *all = l->stream[0].whole && l->stream[1].whole;
    if (rc == 0) {
        *class = l->node->class;
        if (l->node->cut != NULL && *class == COMPARE_IDENTICAL) /* it is not kept */
            look_cut(up, l->node->cut);
        rc = look_adopt(up, l->node);
        l->node = NULL;
    }
    rc = rc == 1 ? 0 : rc;
out:
    look_node_free(l->node);
    look_alike_free(l);
    free(l->claims[0].v);
    free(l->claims[1].v);
    free(l);
    return rc;
}
