/* tar.c - two archives in step, and what stands behind their ends. */
#include <errno.h>
#include <string.h>

#include "compare/instep.h"
#include "compare/tar_priv.h"

#define TAIL 65536u

struct ends {
    struct look_held block[2]; /* the one that ended it */
};

static bool is(struct span side, const char *name)
{
    (void)name;
    return tar_is_header(side);
}

/* --- entries --- */

static int entry_read(void *arg, struct look *l, int side, void *e, const char **why)
{
    struct ends *ends = arg;
    struct tar_entry *t = e;
    int rc = tar_entry_read(l, side, t, why);

    if (rc == 0) {
        ends->block[side] = t->head;
        memset(&t->head, 0, sizeof(t->head));
    }
    return rc;
}

static void entry_free(struct look *l, void *e)
{
    tar_entry_free(l, e);
}

static const char *entry_name(const void *e)
{
    return ((const struct tar_entry *)e)->name;
}

static const struct look_held *entry_content(const void *e)
{
    return &((const struct tar_entry *)e)->content;
}

static uint64_t entry_kept(const void *e)
{
    const struct tar_entry *t = e;

    return strlen(t->name) + strlen(t->link);
}

static bool entry_is_link(const void *e)
{
    uint8_t type = ((const struct tar_entry *)e)->head.bytes.p[156];

    return type == '1' || type == '2';
}

static bool entry_binds(const void *e)
{
    return ((const struct tar_entry *)e)->owns;
}

static int entry_compare(void *arg, struct look *l, const void *a, const void *b)
{
    (void)arg;
    return tar_entry_compare(l, a, b);
}

static int alone(void *arg, struct look *l, int side, const void *e)
{
    const struct tar_entry *t = e;
    int rc = t->content_n > 0 ? look_tell(l, side, t->name, t->content.bytes) : 0;

    (void)arg;
    return rc != 0 ? rc : look_only(l, side, tar_entry_range(t), t->name);
}

/* What was taken and cannot be followed: as bytes. */
static int raw(struct look *l, const void *x, const void *y)
{
    const struct tar_entry *a = x, *b = y;
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

/* --- all of it --- */

static const struct instep_sort entries = {
    .size = sizeof(struct tar_entry),
    .read = entry_read,
    .free = entry_free,
    .name = entry_name,
    .content = entry_content,
    .kept = entry_kept,
    .is_link = entry_is_link,
    .binds = entry_binds,
    .compare = entry_compare,
    .alone = alone,
    .raw = raw,
};

static int compare(struct look *l)
{
    struct ends ends;
    int rc;

    memset(&ends, 0, sizeof(ends));
    rc = instep_walk(l, &entries, &ends);
    if (rc == 0)
        rc = tail(l);
    if (rc >= 0)
        rc = pair_tail(l, &ends.block[0], &ends.block[1]);
    look_let_go(l, &ends.block[1]);
    look_let_go(l, &ends.block[0]);
    return rc;
}

const struct look_format tar_format = {"tar", is, compare};
