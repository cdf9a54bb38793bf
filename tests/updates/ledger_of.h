/* ledger_of.h - a ledger in which each folder of rules is a release. */
#ifndef TESTS_UPDATES_LEDGER_OF_H
#define TESTS_UPDATES_LEDGER_OF_H

#include "base/err.h"

/* Makes DIR/ledger with release.published of each folder (serials from 1; the third is for
 * detection only), its newest checkpoint cosigned unless last_alone, and DIR/trust.yaml.  The keys
 * are those of the seeds 01.. and 02.. */
MUST_CHECK int ledger_of(const char *dir, const char *const *folder, int n, bool last_alone,
                         struct err *e);

#endif
