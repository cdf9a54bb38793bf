/* tuf_store.h - where an updater keeps what it trusts: a table of functions over named files, each
 * there whole or not at all, whatever happens at whatever moment. */
#ifndef UPDATES_TUF_STORE_H
#define UPDATES_TUF_STORE_H

#include "base/buf.h"
#include "base/err.h"

struct tuf_store {
    /* Appends the file to b.  -ENOENT: there is none; -E2BIG: larger than b's max. */
    int (*load)(void *ctx, const char *name, struct buf *b, struct err *e);
    /* After 0 the file is these bytes, and survives power loss; after failure it is as it was. */
    int (*save)(void *ctx, const char *name, struct span bytes, struct err *e);
    /* 0 too if there is none.  Survives power loss. */
    int (*forget)(void *ctx, const char *name, struct err *e);
    void *ctx;
};

/* A folder, made if it is missing, for one updater at a time: -EAGAIN if another has it.  Removes
 * what killed ones left half written.  Free with tuf_store_dir_close. */
MUST_CHECK int tuf_store_dir_open(struct tuf_store *out, const char *dir, struct err *e);
void tuf_store_dir_close(struct tuf_store *s);

/* Opens a folder, made if it is missing; a descriptor, or -errno with the sentence. */
MUST_CHECK int tuf_store_folder(const char *dir, struct err *e);

#endif
