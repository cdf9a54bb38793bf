/* tally.h - a whole report in numbers, for its first line. */
#ifndef COMPARE_TALLY_H
#define COMPARE_TALLY_H

#include "compare/compare.h"

struct tally {
    uint64_t parts;                     /* files and members that differ */
    uint64_t differ[COMPARE_CLASSES];   /* these, by class */
    uint64_t equal;                     /* counted only */
    uint64_t bytes[2][COMPARE_CLASSES]; /* that differ, where they lie deepest */
    uint64_t nodes;                     /* of all sorts */
};
void tally_of(struct tally *t, const struct compare_report *r);
/* "2 of 5,000 parts differ: 1 unexplained, 1 metadata-only". */
MUST_CHECK int tally_line(const struct tally *t, struct buf *out);
/* A number with its thousands apart; out has at least 32 bytes. */
const char *tally_number(char out[32], uint64_t n);

#endif
