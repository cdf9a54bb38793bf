/* squashfs.c - two images: the superblock, names and what inodes say of them, and the tables that
 * hold it.  Of a table that differs all bytes count as the worst that is in it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compare/mode.h"
#include "compare/squash_priv.h"

#define FLAGS 0x0ffbu /* that say how it was packed */
#define PADDED 4096u

static bool is(struct span s, const char *name)
{
    (void)name;
    return s.n >= SQUASH_SUPER && memcmp(s.p, "hsqs", 4) == 0;
}

/* --- names --- */

static int length(struct span s)
{
    return (int)(s.n < 120 ? s.n : 120);
}

static void worse(struct squash *t, enum compare_class class)
{
    t->meta = class > t->meta ? class : t->meta;
}

static uint32_t owner(const struct squash_side *q, uint16_t place)
{
    return squash_u32(q->id_table.p + 4 * (uint64_t)place);
}

/* A number of an inode. */
static int number(struct squash *t, const char *path, const char *what, uint64_t a, uint64_t b,
                  enum compare_class class)
{
    if (a == b)
        return 0;
    worse(t, class);
    return look_find(t->l, class, "the %s of \"%s\": %" PRIu64 " and %" PRIu64, what, path, a, b);
}

static int mode(struct squash *t, const char *path, const struct squash_inode *a,
                const struct squash_inode *b)
{
    /* Nobody asks for that of a link. */
    enum compare_class class =
        a->sort == SQUASH_LINK && b->sort == SQUASH_LINK ? COMPARE_METADATA : COMPARE_UNEXPLAINED;

    if (a->mode == b->mode)
        return 0;
    worse(t, class);
    return look_find(t->l, class, "the mode of \"%s\": %04o and %04o", path, a->mode, b->mode);
}

static int target(struct squash *t, const char *path, const struct squash_inode *a,
                  const struct squash_inode *b)
{
    if (span_eq(a->target, b->target))
        return 0;
    worse(t, COMPARE_UNEXPLAINED);
    return look_find(t->l, COMPARE_UNEXPLAINED, "the link \"%s\" leads to \"%.*s\" and to \"%.*s\"",
                     path, length(a->target), (const char *)a->target.p, length(b->target),
                     (const char *)b->target.p);
}

/* Which names are one file: told by the first of them. */
static int linked(struct squash *t, const struct squash_name *a, const struct squash_name *b)
{
    const char *x = t->side[0].name[a->first].path, *y = t->side[1].name[b->first].path;

    if (strcmp(x, y) == 0)
        return 0;
    worse(t, COMPARE_UNEXPLAINED);
    return look_find(t->l, COMPARE_UNEXPLAINED, "\"%s\" is the same file as \"%s\", and as \"%s\"",
                     a->path, x, y);
}

/* What it says of its holes is what they are; of nothing but holes a byte is kept. */
static bool holes_right(const struct squash_side *q, const struct squash_inode *i)
{
    uint64_t sum = 0, at = 0;

    for (uint32_t k = 0; k < i->blocks; k++, at += q->block_size)
        if (squash_u32(i->list + 4 * (uint64_t)k) == 0)
            sum += i->size - at < q->block_size ? i->size - at : q->block_size;
    return i->sparse == sum || (sum == i->size && sum > 0 && i->sparse == sum - 1);
}

static int holes(struct squash *t, const char *path, const struct squash_inode *a,
                 const struct squash_inode *b)
{
    if (holes_right(&t->side[0], a) && holes_right(&t->side[1], b))
        return 0;
    return number(t, path, "size of holes", a->sparse, b->sparse, COMPARE_UNEXPLAINED);
}

static int inode(struct squash *t, const struct squash_name *n, const struct squash_name *m)
{
    const struct squash_side *x = &t->side[0], *y = &t->side[1];
    const struct squash_inode *a = &x->inode[n->inode], *b = &y->inode[m->inode];
    const char *path = n->path;
    enum compare_class owned = mode_owner_class(a->mode, b->mode);
    int rc = number(t, path, "sort", a->sort, b->sort, COMPARE_UNEXPLAINED);

    if (rc == 0)
        rc = mode(t, path, a, b);
    if (rc == 0)
        rc = number(t, path, "uid", owner(x, a->uid), owner(y, b->uid), owned);
    if (rc == 0)
        rc = number(t, path, "gid", owner(x, a->gid), owner(y, b->gid), owned);
    if (rc == 0)
        rc = number(t, path, "mtime", a->mtime, b->mtime, COMPARE_METADATA);
    if (rc == 0)
        rc = number(t, path, "number of links", a->links, b->links, COMPARE_UNEXPLAINED);
    if (rc == 0)
        rc = number(t, path, "device", a->device, b->device, COMPARE_UNEXPLAINED);
    if (rc == 0)
        rc = holes(t, path, a, b);
    if (rc == 0)
        rc = number(t, path, "place among extended attributes", a->xattr, b->xattr,
                    COMPARE_UNEXPLAINED);
    if (rc == 0)
        rc = target(t, path, a, b);
    return rc != 0 ? rc : linked(t, n, m);
}

static int alone(struct squash *t, int side, const struct squash_name *name)
{
    worse(t, COMPARE_UNEXPLAINED);
    return squash_data_alone(t, side, name);
}

/* All names, in step; files that are on both sides are kept for later. */
static int names(struct squash *t, struct squash_pair *v, size_t *n)
{
    const struct squash_side *a = &t->side[0], *b = &t->side[1];
    size_t i = 0, k = 0;
    int rc = 0;

    while (rc == 0 && (i < a->names || k < b->names)) {
        int d = i >= a->names ? 1 : k >= b->names ? -1 : strcmp(a->name[i].path, b->name[k].path);

        if (d != 0) {
            rc = d < 0 ? alone(t, 0, &a->name[i]) : alone(t, 1, &b->name[k]);
        } else if ((rc = inode(t, &a->name[i], &b->name[k])) == 0) {
            const struct squash_name *x = &a->name[i], *y = &b->name[k];

            if (a->inode[x->inode].sort == SQUASH_FILE && b->inode[y->inode].sort == SQUASH_FILE)
                v[(*n)++] = (struct squash_pair){x->inode, y->inode, x->path};
            else if (a->inode[x->inode].sort != b->inode[y->inode].sort &&
                     (rc = squash_data_alone(t, 0, x)) == 0)
                rc = squash_data_alone(t, 1, y);
        }
        i += d <= 0;
        k += d >= 0;
    }
    return rc;
}

static int contents(struct squash *t)
{
    uint64_t cost = (t->side[0].names + UINT64_C(1)) * sizeof(struct squash_pair);
    struct squash_pair *v;
    size_t n = 0;
    int rc;

    if (!look_charge(t->l, cost))
        return look_find(t->l, COMPARE_UNEXPLAINED, "too many files");
    if ((v = calloc(t->side[0].names + 1, sizeof(*v))) == NULL)
        rc = -ENOMEM;
    else if ((rc = names(t, v, &n)) == 0)
        rc = squash_data_compare(t, v, n);
    free(v);
    look_discharge(t->l, cost);
    return rc != 0 ? rc : squash_fragments_claim(t);
}

/* --- the tables --- */

/* The attributes themselves as bytes; what follows them says where they are. */
static int attributes(struct squash *t)
{
    struct look_range r[2] = {t->side[0].xattrs, t->side[1].xattrs}, head[2] = {r[0], r[1]};
    bool moved;
    int rc;

    for (int side = 0; side < 2; side++) {
        const struct squash_side *q = &t->side[side];
        uint64_t at = r[side].n == 0 ? r[side].at : squash_u64(q->s.p + 56);

        head[side] = (struct look_range){at, r[side].at + r[side].n - at};
        r[side].n = at - r[side].at;
    }
    moved = head[0].n == head[1].n && head[0].n % 8 == 0;
    for (uint64_t i = 0; moved && i < head[0].n; i += 8) {
        uint64_t x = squash_u64(t->side[0].s.p + head[0].at + i),
                 y = squash_u64(t->side[1].s.p + head[1].at + i);

        moved = i == 8 ? x == y : x - r[0].at == y - r[1].at;
    }
    rc = look_pair(t->l, r[0], r[1], COMPARE_UNEXPLAINED, "extended attributes");
    return rc != 0 ? rc
                   : look_pair(t->l, head[0], head[1],
                               moved ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                               "where extended attributes stand");
}

static int tables(struct squash *t)
{
    const struct squash_side *a = &t->side[0], *b = &t->side[1];
    const struct {
        struct look_range at[2];
        enum compare_class class;
    } v[] = {
        {{a->inode_table.at, b->inode_table.at}, t->meta},
        {{a->folder_table.at, b->folder_table.at}, t->meta},
        {{a->fragment_table.at, b->fragment_table.at}, COMPARE_SAME_CONTENT},
        {{a->fragment_index, b->fragment_index}, COMPARE_SAME_CONTENT},
        {{a->export_table.at, b->export_table.at}, COMPARE_SAME_CONTENT},
        {{a->export_index, b->export_index}, COMPARE_SAME_CONTENT},
        {{a->id_table.at, b->id_table.at}, t->meta},
        {{a->id_index, b->id_index}, COMPARE_SAME_CONTENT},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(v) && rc == 0; i++)
        rc = look_packed(t->l, v[i].at[0], v[i].at[1], v[i].class);
    return rc != 0 ? rc : attributes(t);
}

/* --- the superblock, and the end --- */

static int super(struct squash *t)
{
    const struct squash_side *a = &t->side[0], *b = &t->side[1];
    static const struct {
        uint8_t at, n;
        enum compare_class class;
        const char *what;
    } f[] = {
        {0, 4, COMPARE_UNEXPLAINED, "the magic"},
        {4, 4, COMPARE_SAME_CONTENT, "the number of inodes"},
        {12, 4, COMPARE_SAME_CONTENT, "the size of blocks"},
        {16, 4, COMPARE_SAME_CONTENT, "the number of fragments"},
        {20, 4, COMPARE_SAME_CONTENT, "the compressor, or the size of blocks"},
        {26, 2, COMPARE_SAME_CONTENT, "the number of owners"},
        {28, 4, COMPARE_UNEXPLAINED, "the version"},
        {32, 64, COMPARE_SAME_CONTENT, "where tables stand"},
    };
    const struct look_range time = {8, 4}, flags = {24, 2};
    int rc = look_pair(t->l, time, time, COMPARE_METADATA,
                       "the time it was made: %" PRIu32 " and %" PRIu32, a->time, b->time);

    for (size_t i = 0; i < ARRAY_LEN(f) && rc == 0; i++) {
        const struct look_range r = {f[i].at, f[i].n};

        rc = look_pair(t->l, r, r, f[i].class, "%s", f[i].what);
    }
    if (rc == 0)
        rc = look_pair(t->l, flags, flags,
                       ((a->flags | b->flags) & ~FLAGS) == 0 ? COMPARE_SAME_CONTENT
                                                             : COMPARE_UNEXPLAINED,
                       "the flags: %04x and %04x", a->flags, b->flags);
    return rc != 0 ? rc
                   : look_pair(t->l, (struct look_range){SQUASH_SUPER, a->begin - SQUASH_SUPER},
                               (struct look_range){SQUASH_SUPER, b->begin - SQUASH_SUPER},
                               COMPARE_SAME_CONTENT, "options of the compressor");
}

static bool zero(const struct squash_side *q, struct look_range r)
{
    for (uint64_t i = 0; i < r.n; i++)
        if (q->s.p[r.at + i] != 0)
            return false;
    return true;
}

static int end(struct squash *t)
{
    struct look_range pad[2], more[2];
    bool clean;
    int rc;

    for (int side = 0; side < 2; side++) {
        const struct squash_side *q = &t->side[side];
        uint64_t to = (q->used + PADDED - 1) / PADDED * PADDED;

        to = to < q->s.n ? to : q->s.n;
        pad[side] = (struct look_range){q->used, to - q->used};
        more[side] = (struct look_range){to, q->s.n - to};
    }
    clean = zero(&t->side[0], pad[0]) && zero(&t->side[1], pad[1]);
    rc = look_pair(t->l, pad[0], pad[1], clean ? COMPARE_SAME_CONTENT : COMPARE_UNEXPLAINED,
                   clean ? "zeros behind the end" : "bytes behind the end");
    return rc != 0 ? rc
                   : look_pair(t->l, more[0], more[1], COMPARE_UNEXPLAINED, "bytes behind the end");
}

/* --- all of it --- */

static int read_side(struct squash *t, int side, const char **why)
{
    struct squash_side *q = &t->side[side];
    int rc = squash_tables_read(t->l, side, q, why);

    if (rc == 0)
        rc = squash_inodes_read(t->l, q, why);
    if (rc == 0)
        rc = squash_tree_read(t->l, q, why);
    return rc != 0 ? rc : squash_fragments_read(t, side, why);
}

static int compare(struct look *l)
{
    struct squash t;
    const char *why = NULL;
    int rc = 0;

    memset(&t, 0, sizeof(t));
    t.l = l;
    for (int side = 0; side < 2 && rc == 0; side++)
        rc = read_side(&t, side, &why);
    if (rc == -EBADMSG) {
        look_cut(l, why);
        rc = 0;
    } else if (rc == 0 && (rc = contents(&t)) == 0 && (rc = super(&t)) == 0 &&
               (rc = tables(&t)) == 0) {
        rc = end(&t);
    }
    for (int side = 1; side >= 0; side--) {
        squash_cache_free(&t, side);
        squash_side_free(l, &t.side[side]);
    }
    return rc;
}

const struct look_format squashfs_format = {"squashfs", is, compare};
