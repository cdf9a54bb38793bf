/* xz_priv.h - what both ways to read xz share: stream by stream (xz.c), and two sides at once block
 * by block (xz_twins.c). */
#ifndef COMPARE_XZ_PRIV_H
#define COMPARE_XZ_PRIV_H

#include <lzma.h>

#include "compare/packed.h"

#define XZ_MEMORY_MAX (UINT64_C(1) << 29) /* what -9 and larger windows ask */

bool xz_is(struct span s);
const char *xz_why(lzma_ret z);
/* Zeros between streams, and behind the last: a multiple of four. */
MUST_CHECK int xz_zeros(struct packed *p);

#endif
