/* history.h - makes a complete true history of two sites with real keys: people, policy, statement,
 * submissions of six countries, scans, withdrawals, epochs, and Canada's move from mow1 to zrh1.
 * Tests, benches and `glarus betray` on a generated history use it.  The histories lie in the past
 * (5 January 2026); no clock is read for them.  Same spec, same bytes. */
#ifndef BETRAY_HISTORY_H
#define BETRAY_HISTORY_H

#include "base/err.h"

#define HISTORY_COUNTRIES 6 /* RU KZ CA at mow1 (zone RU), DE FR CH at zrh1 (zone CH) */

struct history_spec {
    unsigned submissions; /* of each of the six countries */
    unsigned withdrawn;   /* of each country, after the move; at most `submissions` */
    bool move;            /* Canada moves to zrh1, where one more of its files arrives */
    bool scans;           /* every copy is scanned, and once more with one engine more */
    unsigned group;       /* submissions a batch; 0: 16 */
    unsigned checkpoint;  /* batches a checkpoint; 0: 1 */
    unsigned seed;
};

/* Makes dir (must not exist) with
 *   zrh1/ mow1/            the ledgers
 *   trust.yaml
 *   keys/                  log-<site>.pem, witness.pem, <keyid>.pem for persons, client.secret
 *   receipts/<CC>.tlog-proof   of the first submission of each country, final */
MUST_CHECK int history_make(const char *dir, const struct history_spec *s, struct err *e);

/* A history in which nothing happened: two ledgers whose first checkpoint is of no leaf at all. */
MUST_CHECK int history_make_empty(const char *dir, struct err *e);

#endif
