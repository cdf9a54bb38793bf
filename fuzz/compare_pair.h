/* compare_pair.h - what the fuzz targets of glarus compare share: two sides out of one input, and
 * what must hold of every answer. */
#ifndef FUZZ_COMPARE_PAIR_H
#define FUZZ_COMPARE_PAIR_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compare/look_priv.h"

#define PAIR_EDITS 8u

/* Every byte is counted once, the class is the worst of what is below, and what was cut is worst.
 */
static inline void pair_check(const struct compare_node *n)
{
    assert(n->class < COMPARE_CLASSES);
    for (int side = 0; side < 2; side++) {
        uint64_t sum = 0;

        for (int c = 0; c < COMPARE_CLASSES; c++)
            sum += n->bytes[side][c];
        assert(sum == n->size[side]);
    }
    for (size_t i = 0; i < n->findings; i++)
        assert(n->finding[i].class <= n->class);
    for (size_t i = 0; i < n->children; i++) {
        assert(n->child[i]->class <= n->class);
        pair_check(n->child[i]);
    }
    assert(n->cut == NULL || n->class == COMPARE_UNEXPLAINED || n->class == COMPARE_IDENTICAL);
}

/* The answer, checked; NULL without memory.  Freed by the caller: look_node_free. */
static inline struct compare_node *pair_look(struct span a, struct span b, const char *name_a,
                                             const char *name_b, const struct compare_options *o)
{
    struct compare_node *n = NULL;
    struct look_budget budget, before;

    look_budget_init(&budget, o);
    before = budget;
    if (look_compare(&budget, a, b, name_a, name_b, &n) != 0)
        return NULL;
    assert((n->class == COMPARE_IDENTICAL) == span_eq(a, b));
    assert(budget.memory == before.memory && budget.depth == before.depth);
    pair_check(n);
    return n;
}

/* Input of two: the length of the first (32 bits, big-endian), the first, the second. */
static inline bool pair_of(const uint8_t *data, size_t size, struct span *a, struct span *b)
{
    struct cur c = cur_of(span_of(data, size));
    uint32_t len;

    if (cur_u32(&c, &len) != 0 || cur_take(&c, len, a) != 0)
        return false;
    *b = span_of(c.p, c.n);
    return true;
}

/* Input of one and its edits: the first byte says how often, then five bytes an edit (where, what),
 * then a.  The edited copy, of a's length, freed by the caller; NULL: it is no such input, or the
 * edits change nothing. */
static inline uint8_t *pair_edited(const uint8_t *data, size_t size, struct span *a)
{
    const unsigned edits = size == 0 ? 0 : data[0] % (PAIR_EDITS + 1);
    const size_t head = 1 + 5 * (size_t)edits;
    const uint8_t *e = data + 1;
    uint8_t *b;

    if (size <= head || (b = malloc(size - head)) == NULL)
        return NULL;
    *a = span_of(data + head, size - head);
    memcpy(b, a->p, a->n);
    for (unsigned i = 0; i < edits; i++, e += 5) {
        size_t at = (size_t)e[0] | (size_t)e[1] << 8 | (size_t)e[2] << 16 | (size_t)e[3] << 24;

        b[at % a->n] = e[4];
    }
    if (memcmp(b, a->p, a->n) != 0)
        return b;
    free(b);
    return NULL;
}

#endif
