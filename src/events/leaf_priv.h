/* leaf_priv.h - what builder and reader share: how each type is spelled. */
#ifndef EVENTS_LEAF_PRIV_H
#define EVENTS_LEAF_PRIV_H

#include "events/leaf.h"

/* The length of the value of type t that starts at p, without quotes; 0 if none does.  Reads
 * nothing at or beyond end.  For words, labels, sites and their like the value ends where its
 * characters end: the caller looks for the quote.  list: for LT_WORD. */
size_t leaf_scan(enum leaf_type t, enum leaf_list list, const uint8_t *p, const uint8_t *end);

/* The number of the word p[0..n) in list, or -ENOENT. */
int leaf_word_of(enum leaf_list list, const uint8_t *p, size_t n);

/* What no field can say alone; 0 or -EBADMSG.  (erase.ordered has a signature exactly when a
 * submitter asked.) */
int leaf_rules(const struct leaf *l);

/* ',' + quoted name + ':' and, for all but integers, the opening quote: `,"sub":"` */
struct leaf_key {
    const char *text;
    size_t n;
};
extern const struct leaf_key leaf_keys[LEAF_FIELDS];

#endif
