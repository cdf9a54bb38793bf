/* squash_priv.h - squashfs 4.0 (Documentation/filesystems/squashfs.rst of Linux).  squash_tables.c
 * reads the superblock and the tables, squash_inode.c inodes, squash_tree.c follows folders from
 * the root, squash_data.c compares what files hold, squashfs.c everything else.
 *
 * What mksquashfs writes stands in one order, and each byte of a table is there for something: an
 * image in which that is not so is not followed. */
#ifndef COMPARE_SQUASH_PRIV_H
#define COMPARE_SQUASH_PRIV_H

#include "compare/look.h"

#define SQUASH_SUPER 96u
#define SQUASH_BLOCK 8192u /* of metadata, expanded */
#define SQUASH_NONE UINT32_MAX

struct packed_codec;

struct squash_table {     /* metadata, expanded */
    struct look_range at; /* where it is packed */
    uint8_t *p;
    uint64_t n;
    uint32_t *start; /* of its blocks, from at.at on; each but the last expands to SQUASH_BLOCK */
    size_t starts;
    uint64_t charged;
};

enum squash_sort { SQUASH_FOLDER = 1, SQUASH_FILE, SQUASH_LINK, SQUASH_BLK, SQUASH_CHR };

struct squash_inode {
    uint64_t at; /* in the table */
    uint16_t sort, mode;
    uint16_t uid, gid; /* places in the table of ids */
    uint32_t mtime, number, links, xattr, device;
    uint64_t sparse;
    uint64_t size, start;     /* of a folder: start is a block of its table */
    uint32_t tail, tail_at;   /* fragment of the end of a file; of a folder: tail_at in start */
    uint32_t parent, indexes; /* of a folder */
    const uint8_t *list;      /* sizes of blocks; the index of a folder */
    uint32_t blocks;
    struct span target;
    uint64_t names; /* that it has in folders */
};

struct squash_name { /* of an inode, in a folder */
    char *path;
    size_t inode, first; /* first: the first name, by path, of the same inode */
};

struct squash_fragment {
    struct look_range at;
    bool packed;
    uint32_t n;               /* it expands to */
    enum compare_class class; /* of the worst that is in it */
};

struct squash_side {
    struct span s;
    const struct packed_codec *codec;
    uint32_t inodes, time, block_size, fragments;
    uint16_t flags, ids;
    uint64_t root, used, begin; /* begin: of the data */
    struct squash_table inode_table, folder_table, fragment_table, export_table, id_table;
    struct look_range fragment_index, export_index, id_index, xattrs;
    struct squash_inode *inode;
    struct squash_fragment *fragment;
    struct squash_name *name;
    size_t names, names_room;
    uint64_t charged;
};

struct squash {
    struct look *l;
    struct squash_side side[2];
    enum compare_class meta; /* of the worst that the tables say */
    struct {                 /* the fragment that was expanded last */
        uint8_t *p;
        uint32_t which;
        uint64_t room;
    } cache[2];
    uint64_t compared; /* bytes that were compared as they are packed */
};

uint16_t squash_u16(const uint8_t *p);
uint32_t squash_u32(const uint8_t *p);
uint64_t squash_u64(const uint8_t *p);

/* All of these: 0; -ENOMEM; -EBADMSG, and *why (a literal) says why it cannot be followed. */
MUST_CHECK int squash_tables_read(struct look *l, int side, struct squash_side *q,
                                  const char **why);
MUST_CHECK int squash_inodes_read(struct look *l, struct squash_side *q, const char **why);
MUST_CHECK int squash_tree_read(struct look *l, struct squash_side *q, const char **why);
/* Fragments: where they are, what they expand to, and that files have all of it. */
MUST_CHECK int squash_fragments_read(struct squash *t, int side, const char **why);
void squash_side_free(struct look *l, struct squash_side *q);

/* The place in a table of what a reference means: a block, and an offset in what it expands to.
 * False: it leads nowhere. */
bool squash_place(const struct squash_table *t, uint64_t block, uint32_t offset, uint64_t *at);
/* One block of any sort; n is the room, then what it expands to.  -EBADMSG. */
MUST_CHECK int squash_expand(const struct squash_side *q, struct look_range at, bool packed,
                             uint8_t *out, size_t *n);
/* The packed blocks of a file. */
struct look_range squash_blocks(const struct squash_inode *i);

/* Contents of files that are on both sides: names a[i] and b[i]. */
struct squash_pair {
    size_t a, b; /* inodes */
    const char *path;
};
MUST_CHECK int squash_data_compare(struct squash *t, struct squash_pair *v, size_t n);
/* A file that only one side has. */
MUST_CHECK int squash_data_alone(struct squash *t, int side, const struct squash_name *name);
/* Claims the fragments, when all files have been compared. */
MUST_CHECK int squash_fragments_claim(struct squash *t);
void squash_cache_free(struct squash *t, int side);

#endif
