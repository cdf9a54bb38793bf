/* Files of SQLite in glarus compare.  The input is the length of the first (32 bits, big-endian),
 * the first, the second; what each needs to be taken for one is put there. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "compare/look_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte is counted once, and the class is the worst of what is below. */
static void check(const struct compare_node *n)
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
    assert(n->cut == NULL || n->class == COMPARE_UNEXPLAINED || n->class == COMPARE_IDENTICAL);
}

static void mark(uint8_t *p, size_t n)
{
    if (n < 100)
        return;
    memcpy(p, "SQLite format 3", 16);
    memcpy(p + 21, "\x40\x20\x20", 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct compare_options o = {
        .depth = 4, .members = 1000, .unpacked = 1 << 20, .memory = 1 << 19};
    struct cur c = cur_of(span_of(data, size));
    struct compare_node *n = NULL;
    struct look_budget budget;
    struct span a, b;
    uint8_t *copy;
    uint32_t len;

    if (cur_u32(&c, &len) != 0 || cur_take(&c, len, &a) != 0 || (copy = malloc(size)) == NULL)
        return 0;
    memcpy(copy, a.p, a.n);
    memcpy(copy + a.n, c.p, c.n);
    a.p = copy;
    b = span_of(copy + a.n, c.n);
    mark(copy, a.n);
    mark(copy + a.n, b.n);
    look_budget_init(&budget, &o);
    if (look_compare(&budget, a, b, "a", "b", &n) == 0) {
        assert((n->class == COMPARE_IDENTICAL) == span_eq(a, b));
        assert(budget.memory == o.memory && budget.depth == o.depth);
        check(n);
        look_node_free(n);
    }
    free(copy);
    return 0;
}
