/* corpus.h - the files that rules are tested on, from folders. */
#ifndef RULES_CORPUS_H
#define RULES_CORPUS_H

#include "rules/exam.h"

#define CORPUS_FILES_MAX 10000000
#define CORPUS_DEPTH_MAX 64

struct corpus { /* begins as {0} */
    struct exam_file *file;
    size_t n, cap;
};
/* Every regular file beneath folder, in the order of its names; links are not followed.  must: a
 * file in a folder of it must be hit by the rule of that folder's name (the topmost one), a file
 * directly in it by any.  -EINVAL: there is none; -E2BIG; -ENAMETOOLONG; others of the file system.
 */
MUST_CHECK int corpus_add(struct corpus *c, const char *folder, bool must, struct err *e);
enum corpus_test { CORPUS_MUST, CORPUS_MUST_NOT, CORPUS_DISPUTED };
/* One file; which must be hit by any rule, by none, or is looked at and not judged. */
MUST_CHECK int corpus_file(struct corpus *c, const char *path, enum corpus_test t, struct err *e);
void corpus_free(struct corpus *c);

#endif
