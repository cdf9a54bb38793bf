/* tlog_tiles_priv.h - raw tiles and bundles, for the writer's check of its own right edge.  What is
 * lent is valid until the next call on t. */
#ifndef LEDGER_TLOG_TILES_PRIV_H
#define LEDGER_TLOG_TILES_PRIV_H

#include "ledger/tlog_tiles.h"

#define TLOG_TILES_LEVELS 8 /* a tree of less than 2^63 leaves has tiles on no more levels */
#define TLOG_TILES_FULL 256

MUST_CHECK int tlog_tiles_hashes(struct tlog_tiles *t, unsigned level, uint64_t index,
                                 const struct digest **out, unsigned *width, struct err *e);
MUST_CHECK int tlog_tiles_bundle(struct tlog_tiles *t, uint64_t index, const struct span **leaves,
                                 unsigned *width, struct err *e);

/* Proofs from any source of subtrees: files, or the writer's edge and files.  -EINVAL with a
 * sentence for what does not exist. */
MUST_CHECK int tlog_tiles_prove_inclusion(const struct core_source *src, uint64_t index,
                                          uint64_t size, struct digest path[CORE_PROOF_MAX],
                                          size_t *n, struct err *e);
MUST_CHECK int tlog_tiles_prove_consistency(const struct core_source *src, uint64_t old_size,
                                            uint64_t size, struct digest path[CORE_PROOF_MAX],
                                            size_t *n, struct err *e);

#endif
