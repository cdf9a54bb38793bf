#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "measure.h"

static int by_path(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    return strcmp(x->path, y->path);
}

static void add(struct files *f, const FTSENT *at)
{
    if (f->n == f->cap) {
        f->cap = f->cap == 0 ? 1024 : f->cap * 2;
        f->v = reallocarray(f->v, f->cap, sizeof(*f->v));
        if (f->v == NULL)
            measure_die("out of memory", NULL);
    }
    f->v[f->n].path = strdup(at->fts_path);
    f->v[f->n].size = (uint64_t)at->fts_statp->st_size;
    if (f->v[f->n].path == NULL)
        measure_die("out of memory", NULL);
    f->bytes += f->v[f->n++].size;
}

void files_list(struct files *f, const char *const *folders, uint64_t least, uint64_t most)
{
    FTS *walk = fts_open((char *const *)(uintptr_t)folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *at;

    if (walk == NULL)
        measure_die("listing files", NULL);
    memset(f, 0, sizeof(*f));
    while ((at = fts_read(walk)) != NULL)
        if (at->fts_info == FTS_F && (uint64_t)at->fts_statp->st_size >= least &&
            (uint64_t)at->fts_statp->st_size <= most)
            add(f, at);
    (void)fts_close(walk);
    if (f->n > 1)
        qsort(f->v, f->n, sizeof(*f->v), by_path);
}

void files_free(struct files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->v[i].path);
    free(f->v);
}

void files_read(const struct file *f, void *p)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    struct err e = ERR_INIT;

    if (fd < 0 || io_read_full(fd, p, (size_t)f->size) != 0) {
        (void)err_set(&e, -EIO, "\"%s\" changed or cannot be read", f->path);
        measure_die("reading", &e);
    }
    io_close(&fd);
}
