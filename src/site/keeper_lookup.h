/* keeper_lookup.h - the keeper's side of look-ups (front_lookup.h): it gives out the snapshot that
 * they are answered from, says who may ask, and logs how many there were.
 *
 * Of a look-up nothing is left but its count: once a day, and when the site ends in order, one leaf
 * lookups.counted for each country.  What the keeper has not logged when it dies is lost. */
#ifndef SITE_KEEPER_LOOKUP_H
#define SITE_KEEPER_LOOKUP_H

#include "site/keeper_priv.h"

MUST_CHECK int keeper_lookup_open(struct keeper *k);
void keeper_lookup_close(struct keeper *k);
void keeper_lookup_ask(struct keeper *k, uint64_t id, const struct pm_lookup *m);
void keeper_lookup_count(struct keeper *k, const struct pm_looked *m);
/* While no group is on its way. */
void keeper_lookup_tick(struct keeper *k);
/* Ending in order: the front has told all, and it is logged. */
bool keeper_lookup_done(const struct keeper *k);

#endif
