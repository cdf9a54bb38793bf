#include "compare/mode.h"

#include <sys/stat.h>

enum compare_class mode_class(uint64_t a, uint64_t b)
{
    return ((a ^ b) & MODE_BITS) != 0 ? COMPARE_UNEXPLAINED : COMPARE_METADATA;
}

enum compare_class mode_owner_class(uint64_t a, uint64_t b)
{
    return ((a | b) & (S_ISUID | S_ISGID)) != 0 ? COMPARE_UNEXPLAINED : COMPARE_METADATA;
}
