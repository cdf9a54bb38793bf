/* cpio.c - two archives in step; and what stands behind their ends: zeros, and another archive, as
 * in an initial file system of Linux, whose last one may be packed. */
#include <errno.h>
#include <string.h>

#include "compare/cpio_priv.h"
#include "compare/instep.h"

#define BLOCK 512u

struct archives {
    struct cpio_entry lead[2]; /* what was read of the next entry, or behind the end */
    struct cpio_entry end[2];  /* the trailers */
    struct cpio_links links;
};

/* --- what is one --- */

static bool is(struct span s, const char *name)
{
    const struct cpio_layout *t = cpio_layout_of(s);
    uint64_t v[CPIO_FIELDS];

    (void)name;
    if (t == NULL || s.n < t->head_n || !cpio_numbers(t, s, v) || v[CPIO_NAME_N] < 2)
        return false;
    if (v[CPIO_NAME_N] > s.n - t->head_n) /* longer than what may be seen */
        return t->base > 2;
    return s.p[t->head_n] != 0 && s.p[t->head_n + v[CPIO_NAME_N] - 1] == 0;
}

/* --- entries --- */

static int entry_read(void *arg, struct look *l, int side, void *e, const char **why)
{
    struct archives *x = arg;
    struct cpio_entry *c = e;
    int rc;

    *c = x->lead[side];
    memset(&x->lead[side], 0, sizeof(x->lead[side]));
    if (c->head_at.n == 0 && (rc = cpio_entry_take(l, side, c, CPIO_LEAD)) != 0)
        return rc;
    if (c->head_at.n < CPIO_LEAD) {
        *why = "it ends before its end is told";
        return -EBADMSG;
    }
    if ((rc = cpio_entry_read(l, side, c, why)) != 1 || !cpio_is_trailer(c))
        return rc;
    x->end[side] = *c;
    memset(c, 0, sizeof(*c));
    return 0;
}

static void entry_free(struct look *l, void *e)
{
    cpio_entry_free(l, e);
}

static const char *entry_name(const void *e)
{
    return ((const struct cpio_entry *)e)->name;
}

static const struct look_held *entry_content(const void *e)
{
    return &((const struct cpio_entry *)e)->content;
}

static uint64_t entry_kept(const void *e)
{
    return strlen(((const struct cpio_entry *)e)->name);
}

static bool entry_is_link(const void *e)
{
    const struct cpio_entry *c = e;

    return (c->v[CPIO_MODE] & 0170000u) == 0120000u || c->v[CPIO_NLINK] > 1;
}

static int entry_compare(void *arg, struct look *l, const void *a, const void *b)
{
    struct archives *x = arg;
    int rc = cpio_links_add(l, &x->links, a, b);

    return rc != 0 ? rc : cpio_entry_compare(l, a, b);
}

static int entry_alone(void *arg, struct look *l, int side, const void *e)
{
    const struct cpio_entry *c = e;
    int rc = c->content.at.n > 0 ? look_tell(l, side, c->name, c->content.bytes) : 0;

    (void)arg;
    return rc != 0 ? rc : look_only(l, side, cpio_entry_range(c), c->name);
}

static int entry_raw(struct look *l, const void *a, const void *b)
{
    return cpio_entry_raw(l, a, b);
}

static const struct instep_sort entries = {
    .size = sizeof(struct cpio_entry),
    .read = entry_read,
    .free = entry_free,
    .name = entry_name,
    .content = entry_content,
    .kept = entry_kept,
    .is_link = entry_is_link,
    .compare = entry_compare,
    .alone = entry_alone,
    .raw = entry_raw,
};

/* --- behind the end --- */

static uint64_t behind(const struct cpio_entry *trailer)
{
    return trailer->padding.at.at + trailer->padding.at.n;
}

/* Zeros from *run on: first to a multiple of four, then four at a time to the end of the block,
 * then blocks.  What is not zero, or the end, is left in lead.  1: it stands where no archive may
 * begin and has been claimed. */
static int zeros(struct look *l, int side, struct cpio_entry *lead, struct look_range *run)
{
    for (;;) {
        uint64_t at = run->at + run->n;
        int rc = cpio_entry_take(l, side, lead, at % 4 != 0 ? 4 - at % 4 : CPIO_LEAD);
        struct look_held h;
        bool zero;

        if (rc != 0)
            return rc;
        zero = lead->head_at.n > 0 && cpio_zero(span_of(lead->head, (size_t)lead->head_at.n));
        if (!zero)
            return 0;
        run->n += lead->head_at.n;
        memset(lead, 0, sizeof(*lead));
        if (at % BLOCK != 0)
            continue;
        if ((rc = look_take(l, side, BLOCK - CPIO_LEAD, &h)) != 0)
            return rc;
        zero = h.bytes.p != NULL && cpio_zero(h.bytes);
        run->n += zero ? h.at.n : 0;
        if (!zero)
            rc = look_pair_held(l, side == 0 ? &h : &(const struct look_held){.at = {0, 0}},
                                side == 1 ? &h : &(const struct look_held){.at = {0, 0}},
                                COMPARE_UNEXPLAINED, "bytes behind the end of the archive");
        look_let_go(l, &h);
        if (rc != 0 || !zero)
            return rc != 0 ? rc : 1;
    }
}

static int pair_zeros(struct look *l, const struct look_range run[2])
{
    struct look_held z[2];

    memset(z, 0, sizeof(z)); /* without bytes: as many zeros are as many zeros */
    z[0].at = run[0];
    z[1].at = run[1];
    return look_pair_held(l, &z[0], &z[1], COMPARE_SAME_CONTENT, "zeros behind the archive");
}

/* All that is left of a side in memory, from lead on. */
static int take_rest(struct look *l, int side, const struct cpio_entry *lead, struct look_held *out)
{
    struct look_held h;
    int rc = look_take(l, side, UINT64_MAX, &h);

    memset(out, 0, sizeof(*out));
    if (lead->head_at.n == 0 || rc != 0)
        return rc;
    out->at = (struct look_range){lead->head_at.at, lead->head_at.n + h.at.n};
    out->bytes = span_of(look_side(l, side).p + out->at.at, (size_t)out->at.n);
    return 0;
}

/* What is no archive: packed, as the last part of an initial file system, or anything. */
static int rest(struct look *l, struct archives *x)
{
    static const char name[] = "what stands behind the archive";
    struct look_held h[2] = {cpio_entry_head(&x->lead[0]), cpio_entry_head(&x->lead[1])};
    int rc = 0;

    for (int side = 0; side < 2 && rc == 0; side++)
        if (look_side(l, side).p != NULL)
            rc = take_rest(l, side, &x->lead[side], &h[side]);
    if (rc != 0)
        return rc;
    if (h[0].at.n > CPIO_LEAD && h[1].at.n > CPIO_LEAD)
        return look_member_held(l, &h[0], &h[1], name, name);
    return look_pair_raw(l, &h[0], &h[1], COMPARE_UNEXPLAINED,
                         "bytes behind the end of the archive");
}

static bool begins(const struct cpio_entry *lead)
{
    struct span s = span_of(lead->head, (size_t)lead->head_at.n);

    return s.n == CPIO_LEAD && (memcmp(s.p, "0707", 4) == 0 || cpio_layout_of(s) != NULL);
}

/* 0: another archive stands there on both sides; 1: this was all. */
static int between(struct look *l, struct archives *x, const uint64_t from[2])
{
    struct look_range run[2] = {{from[0], 0}, {from[1], 0}};
    int rc[2], also;

    for (int side = 0; side < 2; side++)
        if ((rc[side] = zeros(l, side, &x->lead[side], &run[side])) < 0)
            return rc[side];
    if ((also = pair_zeros(l, run)) != 0)
        return also;
    if (rc[0] == 0 && rc[1] == 0 && begins(&x->lead[0]) && begins(&x->lead[1]))
        return 0;
    also = rc[0] == 0 && rc[1] == 0 ? rest(l, x) : cpio_entry_raw(l, &x->lead[0], &x->lead[1]);
    return also != 0 ? also : 1;
}

/* --- all of it --- */

/* One archive of each side.  0: another may follow; 1: no further. */
static int archive(struct look *l, struct archives *x)
{
    struct cpio_entry *a = &x->end[0], *b = &x->end[1];
    int rc = instep_walk(l, &entries, x), also;
    uint64_t from[2];

    if (rc < 0)
        return rc;
    if ((also = cpio_links_tell(l, &x->links)) != 0)
        return also;
    also = rc == 0 ? cpio_entry_compare(l, a, b) : cpio_entry_raw(l, a, b);
    if (also != 0 || rc != 0)
        return also != 0 ? also : rc;
    from[0] = behind(a);
    from[1] = behind(b);
    cpio_entry_free(l, b);
    cpio_entry_free(l, a);
    return between(l, x, from);
}

static int compare(struct look *l)
{
    struct archives x;
    int rc;

    memset(&x, 0, sizeof(x));
    do {
        rc = archive(l, &x);
    } while (rc == 0);
    for (int side = 0; side < 2; side++) {
        cpio_entry_free(l, &x.lead[side]);
        cpio_entry_free(l, &x.end[side]);
    }
    cpio_links_free(l, &x.links);
    return rc < 0 ? rc : 0;
}

const struct look_format cpio_format = {"cpio", is, compare};
