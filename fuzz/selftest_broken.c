/* selftest_broken.c - a target with three faults that only a whole, a cut and a changed input
 * reach; selftest.sh sees that replay.c finds each.  The fault wanted is the first byte of the
 * input. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 5 && memcmp(data, "whole", 5) == 0)
        abort();
    if (size == 3 && memcmp(data, "cut", 3) == 0)
        abort();
    if (size == 7 && memcmp(data, "chang", 5) == 0 && data[6] != 'd')
        abort();
    return 0;
}
