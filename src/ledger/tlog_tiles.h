/* tlog_tiles.h - reading a ledger's folder (C2SP tlog-tiles and docs/formats.md): hashes, proofs,
 * leaves, checkpoints.  Nothing in the folder is believed: lengths are checked before use, memory
 * is bounded by one bundle (at most 16.8 MB, usually under 100 KB) and a few tiles, and every
 * failure names the file and says what to do.  Whether the hashes are true is decided by who
 * compares a recomputed root with a verified checkpoint.
 *
 * Order: open with the size of the newest checkpoint that you trust, use, close.  Reads of that
 * size or any smaller one need only the files of this size.  Threads: one at a time per object. */
#ifndef LEDGER_TLOG_TILES_H
#define LEDGER_TLOG_TILES_H

#include "ledger/note.h"

/* ---- Paths ----------------------------------------------------------------------------------- */

#define TLOG_TILES_ENTRIES 64 /* as a level: the bundles of entries */
#define TLOG_TILES_PATH_MAX 80
struct tlog_tile {
    unsigned level; /* 0..63, or TLOG_TILES_ENTRIES */
    uint64_t index; /* of the tile in its level */
    unsigned width; /* 1..256; 256 is a full tile */
};
/* "tile/0/x001/x234/067.p/5", NUL-terminated. */
void tlog_tiles_path(char out[TLOG_TILES_PATH_MAX], const struct tlog_tile *t);
/* Accepts exactly what tlog_tiles_path writes.  -EBADMSG else.  For servers of a folder. */
MUST_CHECK int tlog_tiles_unpath(struct tlog_tile *out, struct span path);
/* Width (0: no such tile, 1..255 partial, 256 full) of a tile in a tree of that size. */
unsigned tlog_tiles_width(unsigned level, uint64_t index, uint64_t size);

/* Splits a bundle into exactly `width` leaves (at most 256), which point into it.  -EBADMSG: bytes
 * missing or left over.  exact false: further leaves may follow (a full bundle read as a partial).
 */
MUST_CHECK int tlog_tiles_split(struct span bundle, unsigned width, bool exact,
                                struct span leaves[256]);

/* ---- A folder -------------------------------------------------------------------------------- */

struct tlog_tiles;
MUST_CHECK int tlog_tiles_open(struct tlog_tiles **out, const char *dir, uint64_t size,
                               struct err *e);
/* Continues with a larger tree (a newer checkpoint); a smaller one is -EINVAL. */
MUST_CHECK int tlog_tiles_grow(struct tlog_tiles *t, uint64_t size, struct err *e);
void tlog_tiles_close(struct tlog_tiles *t);
uint64_t tlog_tiles_size(const struct tlog_tiles *t);

/* From the hash tiles.  size at most the opened one. */
MUST_CHECK int tlog_tiles_root(struct tlog_tiles *t, uint64_t size, struct digest *out,
                               struct err *e);
MUST_CHECK int tlog_tiles_range(struct tlog_tiles *t, uint64_t size, struct core_range *out,
                                struct err *e);
MUST_CHECK int tlog_tiles_inclusion(struct tlog_tiles *t, uint64_t index, uint64_t size,
                                    struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e);
MUST_CHECK int tlog_tiles_consistency(struct tlog_tiles *t, uint64_t old_size, uint64_t size,
                                      struct digest path[CORE_PROOF_MAX], size_t *n, struct err *e);

/* One leaf; the span is valid until the next call on t. */
MUST_CHECK int tlog_tiles_leaf(struct tlog_tiles *t, uint64_t index, struct span *out,
                               struct err *e);

/* Walks leaves at->size .. to-1, hashing each into `at`, which ends as the range of `to` leaves
 * computed from the leaves alone (core_range_root gives the root).  leaf (may be NULL) sees each in
 * order; its non-zero result stops the walk and is returned.  with_tiles: compares every hash
 * tile that fills on the way, and at the opened size the partial ones too, with the recomputed
 * hashes; -EBADMSG names the first that differs.  Such a walk starts at 0 or where the last such
 * walk of t ended (-EINVAL).  To check an archive, walk from checkpoint to checkpoint: the bundle
 * in hand is not read again. */
struct tlog_walk {
    int (*leaf)(void *arg, uint64_t index, struct span leaf, struct err *e);
    void *arg;
    bool with_tiles;
};
MUST_CHECK int tlog_tiles_walk(struct tlog_tiles *t, struct core_range *at, uint64_t to,
                               const struct tlog_walk *w, struct err *e);

/* The sizes under checkpoints/, ascending, without duplicates; free(3) them.  *n may be 0.  A name
 * that is not a size is -EBADMSG (names that start with '.' are skipped: files in the making). */
MUST_CHECK int tlog_tiles_checkpoints(const char *dir, uint64_t **sizes, size_t *n, struct err *e);
/* Appends the note checkpoints/<size>, or for the newest the file `checkpoint`.  -ENOENT: none. */
MUST_CHECK int tlog_tiles_checkpoint(const char *dir, uint64_t size, struct buf *out,
                                     struct err *e);
MUST_CHECK int tlog_tiles_newest(const char *dir, struct buf *out, struct err *e);
/* Appends artifact/sha256/<hex>, at most out->max bytes, and checks its digest.  -ENOENT: none. */
MUST_CHECK int tlog_tiles_artifact(const char *dir, const struct digest *d, struct buf *out,
                                   struct err *e);

#endif
