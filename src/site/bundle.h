/* bundle.h - several files in the one descriptor of an admin request: what is published of a
 * product at one go.  Internal to one machine (glarus -> keeper -> reader).  Big-endian:
 *
 *   "BUNDLE1\n" | u32 n | n times u64 length | n times the bytes */
#ifndef SITE_BUNDLE_H
#define SITE_BUNDLE_H

#include "base/buf.h"

#define BUNDLE_HEAD "BUNDLE1\n"

/* Exactly n parts, none of them empty, and nothing behind them; parts borrow.  -EBADMSG. */
MUST_CHECK int bundle_split(struct span bytes, struct span *part, size_t n);
MUST_CHECK int bundle_write(const struct span *part, size_t n, struct buf *out);

/* A product: its envelope, then the files it names. */
enum bundle_product {
    BUNDLE_ENVELOPE,
    BUNDLE_RECIPE,
    BUNDLE_TOOLCHAIN,
    BUNDLE_PROVENANCE,
    BUNDLE_SBOM,
    BUNDLE_PARTS
};

#endif
