/* squash_inode.c - inodes, one behind the other to the end of their table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/squash_priv.h"

#define SORTS 14u
#define LONGER 7u /* sorts from 8 on are those from 1 on with more fields */
#define NAME_MOST 256u
#define LINK_MOST 65536u

/* Bytes of each sort, without lists, names and targets. */
static const uint8_t fixed[SORTS + 1] = {0, 32, 32, 24, 24, 24, 20, 20, 40, 56, 24, 28, 28, 24, 24};

/* A file whose end is in a fragment has the whole blocks only. */
static bool blocks_of(const struct squash_side *q, struct squash_inode *i)
{
    uint64_t n = i->size / q->block_size;

    if (i->tail == SQUASH_NONE && i->size % q->block_size != 0)
        n++;
    i->blocks = (uint32_t)n;
    return n <= UINT32_MAX / 4 &&
           (i->tail == SQUASH_NONE ? i->tail_at == 0
                                   : i->tail < q->fragments && i->size % q->block_size != 0);
}

static bool file(const struct squash_side *q, struct squash_inode *i, const uint8_t *p, bool longer)
{
    i->start = longer ? squash_u64(p + 16) : squash_u32(p + 16);
    i->size = longer ? squash_u64(p + 24) : squash_u32(p + 28);
    i->sparse = longer ? squash_u64(p + 32) : 0;
    i->links = longer ? squash_u32(p + 40) : 1;
    i->tail = squash_u32(p + (longer ? 44 : 20));
    i->tail_at = squash_u32(p + (longer ? 48 : 24));
    i->xattr = longer ? squash_u32(p + 52) : SQUASH_NONE;
    i->list = p + (longer ? 56 : 32);
    return blocks_of(q, i);
}

static void folder(struct squash_inode *i, const uint8_t *p, bool longer)
{
    i->start = squash_u32(p + (longer ? 24 : 16));
    i->links = squash_u32(p + (longer ? 16 : 20));
    i->size = longer ? squash_u32(p + 20) : squash_u16(p + 24);
    i->tail_at = squash_u16(p + (longer ? 34 : 26));
    i->parent = squash_u32(p + 28);
    i->indexes = longer ? squash_u16(p + 32) : 0;
    i->xattr = longer ? squash_u32(p + 36) : SQUASH_NONE;
    i->list = p + 40;
}

/* What follows the fixed part, of which left bytes are there; UINT64_MAX: it cannot be. */
static uint64_t variable(struct squash_inode *i, const uint8_t *p, uint64_t left, bool longer)
{
    uint64_t n = 0;

    switch (i->sort) {
    case SQUASH_FILE:
        return 4 * (uint64_t)i->blocks;
    case SQUASH_FOLDER:
        for (uint32_t k = 0; k < i->indexes; k++) {
            uint32_t size = left - n < 12 ? NAME_MOST : squash_u32(i->list + n + 8);

            if (size >= NAME_MOST || left - n < 13 + size)
                return UINT64_MAX;
            n += 13 + size;
        }
        return n;
    case SQUASH_LINK:
        i->target = span_of(p + 24, squash_u32(p + 20));
        if (i->target.n > LINK_MOST || i->target.n + (longer ? 4u : 0u) > left)
            return UINT64_MAX;
        i->xattr = longer ? squash_u32(p + 24 + i->target.n) : SQUASH_NONE;
        return i->target.n + (longer ? 4 : 0);
    default:
        return 0;
    }
}

/* The inode at i->at; *n bytes; false: there is none. */
static bool read_inode(const struct squash_side *q, struct squash_inode *i, uint64_t *n)
{
    const struct squash_table *t = &q->inode_table;
    const uint8_t *p = t->p + i->at;
    uint64_t left = t->n - i->at, more;
    uint16_t sort = left < 20 ? 0 : squash_u16(p);
    bool longer = sort > LONGER;

    if (sort == 0 || sort > SORTS || left < fixed[sort])
        return false;
    i->sort = (uint16_t)(longer ? sort - LONGER : sort);
    i->mode = squash_u16(p + 2);
    i->uid = squash_u16(p + 4);
    i->gid = squash_u16(p + 6);
    i->mtime = squash_u32(p + 8);
    i->number = squash_u32(p + 12);
    i->links = squash_u32(p + 16);
    i->tail = SQUASH_NONE;
    i->xattr = SQUASH_NONE;
    if (i->number == 0 || i->number > q->inodes || i->uid >= q->ids || i->gid >= q->ids)
        return false;
    if (i->sort == SQUASH_FOLDER)
        folder(i, p, longer);
    else if (i->sort == SQUASH_FILE && !file(q, i, p, longer))
        return false;
    else if (i->sort == SQUASH_BLK || i->sort == SQUASH_CHR)
        i->device = squash_u32(p + 20);
    if (longer && (i->sort == SQUASH_BLK || i->sort == SQUASH_CHR))
        i->xattr = squash_u32(p + 24);
    else if (longer && i->sort > SQUASH_CHR)
        i->xattr = squash_u32(p + 20);
    more = variable(i, p, left - fixed[sort], longer);
    *n = fixed[sort] + more;
    return more <= left - fixed[sort];
}

/* The export table leads to each inode. */
static bool exported(const struct squash_side *q)
{
    for (uint32_t i = 0; i < q->inodes && q->export_table.n > 0; i++) {
        const struct squash_inode *one = &q->inode[i];
        uint64_t ref, at;

        ref = squash_u64(q->export_table.p + 8 * ((uint64_t)one->number - 1));
        if (!squash_place(&q->inode_table, ref >> 16, ref & 0xffff, &at) || at != one->at)
            return false;
    }
    return true;
}

/* Each place of the table of ids is somebody's, and each number one inode's. */
static int all_used(const struct squash_side *q, const char **why)
{
    bool *id = calloc(q->ids, sizeof(*id)), *number = calloc(q->inodes, sizeof(*number)),
         all = true;

    if (id != NULL && number != NULL) {
        for (uint32_t i = 0; i < q->inodes; i++) {
            id[q->inode[i].uid] = id[q->inode[i].gid] = true;
            number[q->inode[i].number - 1] = true;
        }
        for (uint32_t i = 0; i < q->ids; i++)
            all = all && id[i];
        for (uint32_t i = 0; i < q->inodes; i++)
            all = all && number[i];
    }
    *why = id == NULL || number == NULL ? NULL : "an owner or a number that no inode has";
    free(id);
    free(number);
    return *why == NULL ? -ENOMEM : all ? 0 : -EBADMSG;
}

int squash_inodes_read(struct look *l, struct squash_side *q, const char **why)
{
    uint64_t cost = (uint64_t)q->inodes * sizeof(*q->inode), at = 0, n = 0;

    *why = "more inodes than their table may hold";
    if (q->inodes > q->inode_table.n / 20)
        return -EBADMSG;
    *why = "too much to be held";
    if (!look_charge(l, cost))
        return -EBADMSG;
    q->charged += cost;
    if ((q->inode = calloc(q->inodes, sizeof(*q->inode))) == NULL)
        return -ENOMEM;
    *why = "an inode that cannot be";
    for (uint32_t i = 0; i < q->inodes; i++, at += n) {
        q->inode[i].at = at;
        if (!read_inode(q, &q->inode[i], &n))
            return -EBADMSG;
    }
    *why = "inodes that do not end where their table does";
    if (at != q->inode_table.n)
        return -EBADMSG;
    *why = "a table of exports that does not lead to its inodes";
    if (!exported(q))
        return -EBADMSG;
    return all_used(q, why);
}
