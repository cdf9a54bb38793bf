#include "ledger/folds_priv.h"

#include <string.h>

#include "ledger/note.h"

#define LOG_FULL 8u /* 2^8 hashes a tile */
_Static_assert(TLOG_TILES_FULL == 1u << LOG_FULL, "a tile has 2^8 hashes");

static struct fold *fold_of(struct folds *f, unsigned row, uint64_t tile)
{
    struct fold *x = &f->fold[row][tile % FOLDS_TILES];

    if (!x->used || x->tile != tile) {
        memset(x->have, 0, sizeof(x->have));
        x->tile = tile;
        x->used = true;
    }
    return x;
}

/* The node of the heap; the hashes themselves stand below its lowest row. */
static const struct digest *node_of(struct fold *x, const struct digest *h, size_t i)
{
    uint32_t bit = UINT32_C(1) << i % 32;
    const struct digest *left, *right;

    if (i >= TLOG_TILES_FULL)
        return &h[i - TLOG_TILES_FULL];
    if ((x->have[i / 32] & bit) == 0) {
        left = node_of(x, h, 2 * i);
        right = node_of(x, h, 2 * i + 1);
        note_crypto.node(left, right, &x->node[i]);
        x->have[i / 32] |= bit;
    }
    return &x->node[i];
}

void folds_root(struct folds *f, unsigned row, uint64_t tile, const struct digest *h, size_t first,
                unsigned up, struct digest *out)
{
    if (row < FOLDS_ROWS)
        *out = *node_of(fold_of(f, row, tile), h, (TLOG_TILES_FULL + first) >> up);
    else
        core_fold(&note_crypto, &h[first], (size_t)1 << up, out);
}
