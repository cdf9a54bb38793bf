/* ustar.h - a regular file in a tar archive that has one spelling only (ustar, IEEE Std
 * 1003.1-1988): mode 0644, owner and group 0 without names, time 0.  docs/formats.md, "Packed
 * release". */
#ifndef BASE_USTAR_H
#define BASE_USTAR_H

#include "base/defs.h"

#define USTAR_BLOCK 512u
#define USTAR_PART_MAX 100u /* bytes of a name, or of what stands behind one of its '/' */
#define USTAR_NAME_MAX 256u
#define USTAR_SIZE_MAX ((UINT64_C(1) << 33) - 1) /* 11 octal digits */

/* -E2BIG: a name or size that a header cannot hold. */
MUST_CHECK int ustar_header(uint8_t out[USTAR_BLOCK], const char *name, uint64_t size);
/* 1: a file's header, as ustar_header writes it; 0: zeros, which end an archive; -EBADMSG.  Of the
 * name nothing is checked but its length. */
MUST_CHECK int ustar_read(const uint8_t h[USTAR_BLOCK], char name[USTAR_NAME_MAX + 1],
                          uint64_t *size);
/* How many zeros follow a content of that size; ustar_zeros has as many, and those of the end. */
size_t ustar_padding(uint64_t size);
extern const uint8_t ustar_zeros[2 * USTAR_BLOCK];

#endif
