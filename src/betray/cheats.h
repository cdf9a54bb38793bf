/* cheats.h - the published table of cheats, each with the function that plays it. */
#ifndef BETRAY_CHEATS_H
#define BETRAY_CHEATS_H

#include "betray/shop.h"

struct cheats_entry {
    struct betray_cheat cheat;
    /* 0: the tales are forged; 1: the history has nothing to play it on (e says what) */
    int (*play)(struct stage *s, struct err *e);
    /* or, with play NULL: a repository is forged (shop.h), and a client updates from it */
    int (*forge)(struct shop *h, struct err *e);
};
extern const struct cheats_entry cheats_table[];
extern const size_t cheats_count;

#endif
