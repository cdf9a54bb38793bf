/* Containers in glarus compare: two contents, whatever they are.  The input is the length of the
 * first (32 bits, big-endian), the first, the second. */
#include <assert.h>
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
    for (size_t i = 0; i < n->children; i++) {
        assert(n->child[i]->class <= n->class);
        check(n->child[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct compare_options o = {
        .depth = 4, .members = 1000, .unpacked = 1 << 20, .memory = 1 << 19};
    struct cur c = cur_of(span_of(data, size));
    struct compare_node *n = NULL;
    struct look_budget budget;
    struct span a, b;
    uint32_t len;

    if (cur_u32(&c, &len) != 0 || cur_take(&c, len, &a) != 0)
        return 0;
    b = span_of(c.p, c.n);
    look_budget_init(&budget, &o);
    if (look_compare(&budget, a, b, "a", "b", &n) != 0)
        return 0;
    assert((n->class == COMPARE_IDENTICAL) == span_eq(a, b));
    assert(budget.memory == o.memory && budget.depth == o.depth);
    check(n);
    look_node_free(n);
    return 0;
}
