/* names.h - the names that a release's ClamAV databases can give, read from their plain text. */
#ifndef ENGINE_CLAMAV_NAMES_H
#define ENGINE_CLAMAV_NAMES_H

#include "base/buf.h"
#include "base/err.h"

struct names {
    char **v; /* after names_sort: byte order, each once */
    size_t n, room;
};
/* A database this engine takes?  Yes by its ending; those of other engines are not. */
bool names_is_database(const char *file);
/* Adds the names of one file.  -EBADMSG with file:line: a line that names nothing usable, as
 * verdicts spell names ([A-Za-z0-9_.:-], at most VERDICT_NAME_MAX). */
MUST_CHECK int names_add(struct names *s, const char *file, struct span text, struct err *e);
void names_sort(struct names *s);
/* The rank of a name as libclamav tells it (it adds ".UNOFFICIAL"); -1: not of the release. */
long names_rank(const struct names *s, const char *told);
void names_free(struct names *s);

#endif
