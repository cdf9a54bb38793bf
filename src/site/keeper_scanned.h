/* keeper_scanned.h - what is known of a file that was scanned, for those who may ask. */
#ifndef SITE_KEEPER_SCANNED_H
#define SITE_KEEPER_SCANNED_H

#include "catalog/catalog.h"
#include "detect/tree.h"
#include "site/keeper_priv.h"

struct scanned { /* the newest verdict of a ref, opened */
    bool found;
    struct catalog_verdict row;
    uint64_t leaf;
    size_t names_len, tree_len, before_len;
    /* behind the names: what the file held, and the names of the verdict before */
    char names[CATALOG_SEALED_MAX + TREE_MAX + CATALOG_SEALED_MAX];
    bool renewed;
    struct catalog_verdict before;
    uint8_t sealed[CATALOG_SEALED_MAX + 64];
    size_t sealed_len;
};

/* The verdict: found is false if there is none. */
MUST_CHECK int keeper_scanned(struct keeper *k, const struct id128 *ref, struct scanned *s);
/* What stands beside it: what the file held, and the verdict before, as far as they can be read. */
void keeper_scanned_more(struct keeper *k, const struct id128 *ref, struct scanned *s);
/* All of it into the answer to a trace. */
void keeper_scanned_fill(struct keeper *k, const struct scanned *s, struct pm_traced *m);
struct span keeper_scanned_tail(const struct scanned *s);

#endif
