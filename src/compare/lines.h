/* lines.h - two sequences and what has to be taken out of either so that the rest is equal.
 *
 * The shortest such script where it is short (Myers 1986, in linear space), a good one where it is
 * long: a region that differs in more than some hundred places is split where the search came
 * furthest.  So n elements cost O(n) memory and O(n) steps whatever they are.  The elements are
 * numbers that are equal where what they stand for is equal. */
#ifndef COMPARE_LINES_H
#define COMPARE_LINES_H

#include "base/defs.h"

struct lines {
    const uint32_t *v;
    uint8_t *out; /* n bytes, 0 when given: 1 for each that is not among the equal ones */
    size_t n;     /* below 2^30 */
};

/* 0, or -ENOMEM. */
MUST_CHECK int lines_diff(struct lines *a, struct lines *b);

/* The numbers for two lists of texts: v[0][i] == v[1][k] if and only if their texts are equal.
 * numbers[side] has room for n[side].  0, or -ENOMEM. */
MUST_CHECK int lines_number(const struct span *texts[2], const size_t n[2], uint32_t *numbers[2]);

#endif
