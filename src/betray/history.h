/* history.h - makes a complete true history of two sites with real keys: people, policy, statement,
 * submissions of six countries, scans, withdrawals, epochs, and Canada's move from mow1 to zrh1.
 * Tests, benches and `glarus betray --generated` use it.  The histories lie in the past: no clock
 * is read for them. */
#ifndef BETRAY_HISTORY_H
#define BETRAY_HISTORY_H

#include "base/err.h"

struct history_spec {
    unsigned submissions; /* of each of the six countries */
    unsigned withdrawn;   /* of each country, erased again after the move; at most submissions */
    bool move;            /* Canada moves from mow1 to zrh1 */
    bool scans;           /* every copy is scanned */
    unsigned group;       /* submissions a batch; 0: 16 */
    unsigned checkpoint;  /* batches a checkpoint; 0: 1 */
    unsigned seed;        /* ids, salts and secrets are derived from it: same seed, same bytes */
};

/* Makes dir (must not exist): zrh1/ and mow1/ (the ledgers), trust.yaml, keys/ (betray.h),
 * receipts/<sub>.tlog-proof for the first submission of each country. */
MUST_CHECK int history_make(const char *dir, const struct history_spec *s, struct err *e);
/* How many leaves each site's ledger has, by arithmetic (for tests). */

#endif
