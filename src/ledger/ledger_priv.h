/* ledger_priv.h - the writer's state, shared by its files:
 *
 *   ledger.c          append and flush: the right edge of the tree in memory, files to its left
 *   ledger_open.c     what a crash left, checked
 *   ledger_publish.c  proofs, checkpoints, artifacts */
#ifndef LEDGER_LEDGER_PRIV_H
#define LEDGER_LEDGER_PRIV_H

#include "ledger/folds_priv.h"
#include "ledger/ledger.h"
#include "ledger/slots_priv.h"
#include "ledger/tlog_tiles_priv.h"

#define FULL TLOG_TILES_FULL
#define LEVELS TLOG_TILES_LEVELS
#define ROWS (LEVELS + 1) /* tile levels, then the bundles */
#define LEDGER_EDGE ".edge"
#define PENDING_MAX 48

struct ledger {
    int dirfd;
    char *dir;
    bool broken; /* an error touched the disk: only open can tell what is there */
    struct slots slots;
    struct tlog_tiles *tiles; /* reads what is flushed */
    struct tlog_tiles *ahead; /* reads full tiles that were written since, too */
    uint64_t flushed, published;
    bool has_checkpoint;

    /* the tree: all full bundles, and the partial tile of each level */
    struct core_range full;
    uint64_t size;
    struct digest edge[LEVELS][FULL];
    struct buf bundle;
    struct folds folds; /* of tiles that proofs have asked for */

    /* files written since the last flush; above the limit the whole file system is synced */
    size_t pending;
    char path[PENDING_MAX][TLOG_TILES_PATH_MAX];
    /* full tiles whose partial ones a checkpoint may still need until they are durable */
    struct tlog_tile filled[ROWS];
    size_t n_filled;
};

int ledger_stop(struct ledger *l, int rc); /* rc; the writer works no more */
MUST_CHECK int ledger_usable(const struct ledger *l, struct err *e);

#endif
