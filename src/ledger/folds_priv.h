/* folds_priv.h - subtrees inside a full or growing tile, hashed once for the many proofs that need
 * them: the receipts of a group lie in a few tiles, and each proof folds most of its tile again.
 * Only subtrees that are complete are asked for, and those never change. */
#ifndef LEDGER_FOLDS_PRIV_H
#define LEDGER_FOLDS_PRIV_H

#include "ledger/tlog_tiles_priv.h"

#define FOLDS_ROWS 2u  /* rows of tiles that are remembered; higher ones fold little */
#define FOLDS_TILES 4u /* of each: those whose numbers differ in their last bits */

struct folds {
    struct fold {
        uint64_t tile;
        bool used;
        uint32_t have[TLOG_TILES_FULL / 32]; /* of node, by number */
        struct digest node[TLOG_TILES_FULL]; /* as a heap: 1 the root, 2 and 3 below it, … */
    } fold[FOLDS_ROWS][FOLDS_TILES];
};

/* The root over 2^up hashes of h, the hashes of this tile, from the one numbered first on; first is
 * a multiple of 2^up. */
void folds_root(struct folds *f, unsigned row, uint64_t tile, const struct digest *h, size_t first,
                unsigned up, struct digest *out);

#endif
