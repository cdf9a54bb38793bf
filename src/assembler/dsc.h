/* dsc.h - the files that a Debian source package's .dsc lists (deb-src-control(5),
 * Checksums-Sha256). */
#ifndef ASSEMBLER_DSC_H
#define ASSEMBLER_DSC_H

#include "base/buf.h"
#include "base/err.h"

#define DSC_MAX ((size_t)1 << 20) /* bytes of a .dsc */

struct dsc_file {
    char name[201]; /* letters, digits and ._+~%-, as a recipe's */
    uint64_t size;
    struct digest sha256;
};

/* Each file in the order of the list; what each returns other than 0 ends it and is returned.
 * -EBADMSG: a line is malformed, or there is none. */
MUST_CHECK int dsc_each(struct span text,
                        int (*each)(void *arg, const struct dsc_file *f, struct err *e), void *arg,
                        struct err *e);

#endif
