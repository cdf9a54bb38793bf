/* Files of SQLite in glarus compare.  The input is the length of the first (32 bits, big-endian),
 * the first, the second; what each needs to be taken for one is put there. */
#include "compare_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    struct span a, b;
    uint8_t *copy;

    if (!pair_of(data, size, &a, &b) || (copy = malloc(a.n + b.n + 1)) == NULL)
        return 0;
    memcpy(copy, a.p, a.n);
    memcpy(copy + a.n, b.p, b.n);
    mark(copy, a.n);
    mark(copy + a.n, b.n);
    look_node_free(pair_look(span_of(copy, a.n), span_of(copy + a.n, b.n), "a", "b", &o));
    free(copy);
    return 0;
}
