/* files.h - the regular files beneath some folders, ascending by path: the same list each time. */
#ifndef BENCH_FILES_H
#define BENCH_FILES_H

#include <sys/types.h>

#include "base/buf.h"

struct file {
    char *path;
    uint64_t size;
};
struct files {
    struct file *v;
    size_t n, cap;
    uint64_t bytes;
};
/* Those of least to most bytes; symbolic links are not followed.  Dies on failure. */
void files_list(struct files *f, const char *const *folders, uint64_t least, uint64_t most);
void files_free(struct files *f);
/* The whole file into p, which has room for f->size bytes. */
void files_read(const struct file *f, void *p);

#endif
