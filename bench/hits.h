/* hits.h - "rule path" lines: what two scanners found, and whether it is the same. */
#ifndef BENCH_HITS_H
#define BENCH_HITS_H

#include <stddef.h>

#include "detect/verdict.h"

struct hits {
    char **v;
    size_t n, cap;
};
void hits_add(struct hits *h, const char *line, size_t n);
/* A line for each of the finding's names. */
void hits_add_names(struct hits *h, const struct finding *found, const char *path);
void hits_read(struct hits *h, const char *path); /* the lines of a file */
/* Dies with the first that differs, or when there are none.  Sorts. */
void hits_compare(struct hits *a, struct hits *b);
void hits_forget(struct hits *h); /* the lines; the room stays */
void hits_free(struct hits *h);

#endif
