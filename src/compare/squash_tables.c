/* squash_tables.c - the superblock, and the tables behind the data, one after the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compare/packed.h"
#include "compare/squash_priv.h"

#define PACKED_OPTIONS 0x400u /* a block of options of the compressor follows the superblock */
#define EXPORTED 0x80u
#define HERE_AS_IT_IS 0x8000u /* in the head of a block of metadata: it is not packed */

uint16_t squash_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t squash_u32(const uint8_t *p)
{
    return squash_u16(p) | (uint32_t)squash_u16(p + 2) << 16;
}

uint64_t squash_u64(const uint8_t *p)
{
    return squash_u32(p) | (uint64_t)squash_u32(p + 4) << 32;
}

int squash_expand(const struct squash_side *q, struct look_range at, bool packed, uint8_t *out,
                  size_t *n)
{
    struct span in = span_of(q->s.p + at.at, (size_t)at.n);

    if (packed)
        return q->codec->block(in, out, *n, n);
    if (in.n > *n)
        return -EBADMSG;
    memcpy(out, in.p, in.n);
    *n = in.n;
    return 0;
}

bool squash_place(const struct squash_table *t, uint64_t block, uint32_t offset, uint64_t *at)
{
    size_t from = 0, to = t->starts;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (t->start[mid] < block)
            from = mid + 1;
        else
            to = mid;
    }
    if (from == t->starts || t->start[from] != block || offset >= SQUASH_BLOCK)
        return false;
    *at = (uint64_t)from * SQUASH_BLOCK + offset;
    return *at < t->n;
}

/* --- a table --- */

/* The block of metadata at at; false: none is there. */
static bool block_at(const struct squash_side *q, uint64_t at, uint64_t end,
                     struct look_range *body, bool *packed)
{
    uint16_t head;

    if (at > end || end - at < 2)
        return false;
    head = squash_u16(q->s.p + at);
    *packed = (head & HERE_AS_IT_IS) == 0;
    *body = (struct look_range){at + 2, head & (HERE_AS_IT_IS - 1u)};
    return body->n > 0 && body->n <= SQUASH_BLOCK && body->n <= end - at - 2;
}

static int expand_blocks(const struct squash_side *q, struct squash_table *t, const char **why)
{
    uint64_t at = t->at.at, end = t->at.at + t->at.n;
    struct look_range body;
    bool packed;

    *why = "a block of metadata that does not expand, or to too little";
    for (size_t i = 0; i < t->starts; i++, at = body.at + body.n) {
        size_t n = SQUASH_BLOCK;

        if (!block_at(q, at, end, &body, &packed) ||
            squash_expand(q, body, packed, t->p + t->n, &n) != 0 ||
            (n < SQUASH_BLOCK && i + 1 < t->starts))
            return -EBADMSG;
        t->start[i] = (uint32_t)(at - t->at.at);
        t->n += n;
    }
    return 0;
}

/* From t->at.at to exactly its end. */
static int read_table(struct look *l, const struct squash_side *q, struct squash_table *t,
                      const char **why)
{
    uint64_t at = t->at.at, end = t->at.at + t->at.n;
    struct look_range body;
    size_t blocks = 0;
    bool packed;

    *why = "a table that does not end where the next one begins";
    while (at < end) {
        if (!block_at(q, at, end, &body, &packed) || t->at.n > UINT32_MAX)
            return -EBADMSG;
        at = body.at + body.n;
        blocks++;
    }
    *why = "too much to be held";
    if (!look_charge(l, blocks * (SQUASH_BLOCK + sizeof(*t->start))))
        return -EBADMSG;
    t->charged = blocks * (SQUASH_BLOCK + sizeof(*t->start));
    t->p = calloc(blocks + 1, SQUASH_BLOCK);
    t->start = calloc(blocks + 1, sizeof(*t->start));
    if (t->p == NULL || t->start == NULL)
        return -ENOMEM;
    t->starts = blocks;
    return expand_blocks(q, t, why);
}

/* A table of many entries of one size, which an index leads to: behind *at its blocks, then the
 * index, whose place the superblock has. */
static int read_indexed(struct look *l, const struct squash_side *q, uint64_t index,
                        uint64_t entries, size_t size, uint64_t *at, struct squash_table *t,
                        struct look_range *index_at, const char **why)
{
    uint64_t blocks = (entries * size + SQUASH_BLOCK - 1) / SQUASH_BLOCK;
    int rc;

    *why = "a table that is not where it belongs";
    if (entries == 0)
        return 0;
    if (index < *at || index > q->used || 8 * blocks > q->used - index)
        return -EBADMSG;
    t->at = (struct look_range){*at, index - *at};
    *index_at = (struct look_range){index, 8 * blocks};
    if ((rc = read_table(l, q, t, why)) != 0)
        return rc;
    *why = "an index that does not lead to its table";
    if (t->starts != blocks || t->n != entries * size)
        return -EBADMSG;
    for (size_t i = 0; i < blocks; i++)
        if (squash_u64(q->s.p + index + 8 * i) != t->at.at + t->start[i])
            return -EBADMSG;
    *at = index + 8 * blocks;
    return 0;
}

/* --- the superblock --- */

static const struct packed_codec *codec_of(unsigned id)
{
    switch (id) {
    case 1:
        return &gzip_codec;
    case 4:
        return &xz_codec;
    case 5:
        return &lz4_codec;
    case 6:
        return &zstd_codec;
    default:
        return NULL;
    }
}

static int read_super(struct squash_side *q, const char **why)
{
    const uint8_t *p = q->s.p;
    struct look_range body;
    bool packed;

    q->inodes = squash_u32(p + 4);
    q->time = squash_u32(p + 8);
    q->block_size = squash_u32(p + 12);
    q->fragments = squash_u32(p + 16);
    q->codec = codec_of(squash_u16(p + 20));
    q->flags = squash_u16(p + 24);
    q->ids = squash_u16(p + 26);
    q->root = squash_u64(p + 32);
    q->used = squash_u64(p + 40);
    q->begin = SQUASH_SUPER;
    *why = "a compressor that is not followed";
    if (q->codec == NULL)
        return -EBADMSG;
    *why = "a superblock that cannot be";
    if (squash_u16(p + 22) > 20 || q->block_size != 1u << squash_u16(p + 22) ||
        q->block_size < 4096 || squash_u16(p + 28) != 4 || squash_u16(p + 30) != 0 ||
        q->used > q->s.n || q->used < SQUASH_SUPER || q->inodes == 0 || q->ids == 0)
        return -EBADMSG;
    if ((q->flags & PACKED_OPTIONS) == 0)
        return 0;
    if (!block_at(q, SQUASH_SUPER, q->used, &body, &packed) || packed || body.n > 8)
        return -EBADMSG;
    q->begin = body.at + body.n;
    return 0;
}

/* The least place in the index of a table that has entries. */
static uint64_t first_block(const struct squash_side *q, uint64_t index, uint64_t entries,
                            uint64_t otherwise)
{
    return entries > 0 && index <= q->used - 8 ? squash_u64(q->s.p + index) : otherwise;
}

static int read_tables(struct look *l, struct squash_side *q, const char **why)
{
    const uint8_t *p = q->s.p;
    uint64_t ids = squash_u64(p + 48), xattrs = squash_u64(p + 56), inodes = squash_u64(p + 64),
             folders = squash_u64(p + 72), fragments = squash_u64(p + 80),
             exports = squash_u64(p + 88), exported = (q->flags & EXPORTED) != 0 ? q->inodes : 0,
             at;
    int rc;

    *why = "tables that are not in their order";
    at = first_block(q, fragments, q->fragments,
                     first_block(q, exports, exported, first_block(q, ids, q->ids, 0)));
    if (inodes < q->begin || folders < inodes || at < folders || at > q->used ||
        (exported == 0 && exports != UINT64_MAX) ||
        (q->fragments == 0 && fragments != UINT64_MAX && fragments != at))
        return -EBADMSG;
    q->inode_table.at = (struct look_range){inodes, folders - inodes};
    q->folder_table.at = (struct look_range){folders, at - folders};
    if ((rc = read_table(l, q, &q->inode_table, why)) != 0 ||
        (rc = read_table(l, q, &q->folder_table, why)) != 0 ||
        (rc = read_indexed(l, q, fragments, q->fragments, 16, &at, &q->fragment_table,
                           &q->fragment_index, why)) != 0 ||
        (rc = read_indexed(l, q, exports, exported, 8, &at, &q->export_table, &q->export_index,
                           why)) != 0 ||
        (rc = read_indexed(l, q, ids, q->ids, 4, &at, &q->id_table, &q->id_index, why)) != 0)
        return rc;
    *why = "something between the tables and the end";
    q->xattrs = (struct look_range){at, q->used - at};
    if ((xattrs == UINT64_MAX) != (q->xattrs.n == 0) ||
        (xattrs != UINT64_MAX && (xattrs < at || xattrs > q->used - 16)))
        return -EBADMSG;
    return 0;
}

int squash_tables_read(struct look *l, int side, struct squash_side *q, const char **why)
{
    int rc;

    q->s = look_side(l, side);
    rc = read_super(q, why);
    return rc != 0 ? rc : read_tables(l, q, why);
}

static void table_free(struct look *l, struct squash_table *t)
{
    look_discharge(l, t->charged);
    free(t->p);
    free(t->start);
}

void squash_side_free(struct look *l, struct squash_side *q)
{
    table_free(l, &q->inode_table);
    table_free(l, &q->folder_table);
    table_free(l, &q->fragment_table);
    table_free(l, &q->export_table);
    table_free(l, &q->id_table);
    for (size_t i = 0; i < q->names; i++)
        free(q->name[i].path);
    free(q->name);
    free(q->inode);
    free(q->fragment);
    look_discharge(l, q->charged);
}
