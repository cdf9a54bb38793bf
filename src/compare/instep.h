/* instep.h - two archives that are read from their beginnings to their ends, in step: entries of
 * one name meet, those that come out of step wait for each other, and what is left is paired by
 * content.  n log n in the number of entries, whatever they are called; what waits is held in
 * memory, within the limits. */
#ifndef COMPARE_INSTEP_H
#define COMPARE_INSTEP_H

#include "compare/look.h"

/* What a format of archives does with its entries; arg is the caller's. */
struct instep_sort {
    size_t size; /* of one entry, which is zero before it is read */
    /* 1: *e is the next entry; 0: the end, and what stands there has been kept for the caller;
     * -EBADMSG: it cannot be followed, and *why says why (a literal); -ENOMEM.  e is freed in each
     * case. */
    int (*read)(void *arg, struct look *l, int side, void *e, const char **why);
    void (*free)(struct look *l, void *e); /* zero afterwards; of a zero one: nothing */
    const char *(*name)(const void *e);
    const struct look_held *(*content)(const void *e);
    uint64_t (*kept)(const void *e); /* bytes that it keeps of its own */
    bool (*is_link)(const void *e);  /* for which the order matters */
    bool (*binds)(const void *e);    /* what it says holds for those behind it; NULL: none does */
    /* Claims all of both. */
    int (*compare)(void *arg, struct look *l, const void *a, const void *b);
    /* Claims all of one that only one side has. */
    int (*alone)(void *arg, struct look *l, int side, const void *e);
    /* Claims what was read of two, as bytes; either may be zero or read in part. */
    int (*raw)(struct look *l, const void *a, const void *b);
};

/* 0: both were read to their ends; 1: the look ended before, and the node says why; -ENOMEM. */
MUST_CHECK int instep_walk(struct look *l, const struct instep_sort *sort, void *arg);

#endif
