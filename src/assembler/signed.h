/* signed.h - the provenance of files that were signed after their build, by a key that the build
 * has not: the same statement, about the signed files, with those that were built as byproducts.
 * Whoever signs holds each against the other first (compare/transplant.h). */
#ifndef ASSEMBLER_SIGNED_H
#define ASSEMBLER_SIGNED_H

#include "base/buf.h"
#include "base/err.h"

struct signed_statement;

/* The statement of a build (provenance.json).  -EBADMSG: it is none. */
MUST_CHECK int signed_open(struct signed_statement **out, struct span text, struct err *e);
void signed_free(struct signed_statement *s); /* NULL is fine */

/* The subject whose name is `file`, or ends with "/file"; lent.  -ENOENT: none, or several. */
MUST_CHECK int signed_subject(const struct signed_statement *s, const char *file, const char **name,
                              struct err *e);
/* The subject, which must be `built`, is from now on `is`.  -EBADMSG: it is another; -EEXIST: it
 * was replaced already. */
MUST_CHECK int signed_replace(struct signed_statement *s, const char *name,
                              const struct digest *built, const struct digest *is, struct err *e);
MUST_CHECK int signed_write(const struct signed_statement *s, struct buf *out);

#endif
