/* Containers in glarus compare: two contents, whatever they are.  The input is the length of the
 * first (32 bits, big-endian), the first, the second. */
#include "compare_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct compare_options o = {
        .depth = 4, .members = 1000, .unpacked = 1 << 20, .memory = 1 << 19};
    struct span a, b;

    if (pair_of(data, size, &a, &b))
        look_node_free(pair_look(a, b, "a", "b", &o));
    return 0;
}
