/* offline_priv.h - what is written and what is read go through the same list of entries. */
#ifndef ASSEMBLER_OFFLINE_PRIV_H
#define ASSEMBLER_OFFLINE_PRIV_H

#include "assembler/offline.h"
#include "base/ustar.h"

#define OFFLINE_SIZE_UNKNOWN UINT64_MAX
#define OFFLINE_PIECE ((size_t)65536)

struct offline_entry {
    enum offline_folder folder;
    const char *name;     /* in the folder */
    uint64_t size;        /* or OFFLINE_SIZE_UNKNOWN */
    struct digest sha256; /* what it must be */
    struct buf *keep;     /* its bytes are wanted, too; may be NULL */
};

struct offline_work;
/* Fills b->text[d]; leaves it empty where there is no proof. */
typedef int offline_document_fn(struct offline_work *w, enum offline_document d, struct err *e);
typedef int offline_file_fn(struct offline_work *w, const struct offline_entry *entry,
                            struct err *e);

struct offline_work {
    struct offline *b;
    const struct offline_watch *watch;
    uint64_t done, total;
    int fd; /* the bundle */
    offline_document_fn *document;
    offline_file_fn *file;
    const struct offline_from *from; /* writing */
    int folder;                      /* reading; -1: checked only */
    bool pending;                    /* reading: the header of the next entry was read */
    char next[USTAR_NAME_MAX + 1];
    uint64_t next_size;
    char **name; /* sources so far */
    size_t names;
};

/* Every entry in its order, each by document or file. */
MUST_CHECK int offline_walk(struct offline_work *w, struct err *e);
void offline_step(struct offline_work *w, uint64_t bytes);
/* "sources/NAME" */
MUST_CHECK int offline_path(char out[USTAR_NAME_MAX + 1], const struct offline_entry *entry,
                            struct err *e);
MUST_CHECK int offline_wrong(const char *path, struct err *e); /* another file than was named */

#endif
