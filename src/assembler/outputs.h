/* outputs.h - what a build made, taken out of its build folder: the regular files that a recipe's
 * globs name.  The folder is a stranger's, and dead: links are not followed, names are plain
 * bytes without control characters, and all of it together is bounded. */
#ifndef ASSEMBLER_OUTPUTS_H
#define ASSEMBLER_OUTPUTS_H

#include "assembler/recipe.h"

#define OUTPUTS_MAX 100000

struct output {
    char *path; /* relative */
    struct digest sha256;
    uint64_t size;
};
struct outputs {
    struct output *v; /* by path */
    size_t n;
};

/* folder: /build of the cell; base: the path that it was built in ("/build/..."); what is found is
 * copied beneath `to` (made).  -EBADMSG: a glob names nothing, a link, a name that cannot be shown;
 * -E2BIG. */
MUST_CHECK int outputs_take(struct outputs *out, const struct recipe *r, int folder,
                            const char *base, const char *to, struct err *e);
bool outputs_equal(const struct outputs *a, const struct outputs *b);
void outputs_done(struct outputs *o);

#endif
