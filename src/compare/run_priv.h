/* run_priv.h - one comparison under way. */
#ifndef COMPARE_RUN_PRIV_H
#define COMPARE_RUN_PRIV_H

#include <sys/types.h>

#include "compare/ask.h"

#define RUN_DEPTH 256u       /* folders in one another; a name has up to 255 bytes */
#define RUN_SMALL 32768u     /* bytes of a file that is read, not mapped */
#define RUN_ONLY_MAX 100000u /* files of one side that may turn out to be another's by content */

struct stat;

/* Of a file: who may do what with it. */
struct rights {
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

/* A file that is in one tree only, told at the end: it may be there under another name. */
struct only_file {
    char *path; /* from the root of its tree */
    uint64_t size;
    struct rights rights;
    struct place *place; /* held */
    struct digest digest;
    bool hashed, told;
};

struct only_files {
    struct only_file *v;
    size_t n, room;
};

struct running {
    struct asker ask;
    size_t findings;
    uint64_t members; /* left, of folders */
    unsigned depth;
    char path[RUN_DEPTH * 256 + 1]; /* of the folder we are in, ends with '/'; the root: empty */
    size_t path_n;
    struct only_files only[2];
    int root[2]; /* descriptors of the trees */
    uint8_t small[2][RUN_SMALL];
    struct err *e;
};

/* run.c */
/* Two regular files beneath `at`.  Equal ones are counted in p, the others go to the children. */
MUST_CHECK int run_files(struct running *r, struct place *p, const int at[2],
                         const char *const name[2]);
MUST_CHECK int run_map(struct running *r, int at, const char *name, struct span *out);
MUST_CHECK int run_note(struct running *r, struct compare_node *n, enum compare_class class,
                        const char *what);

/* tree.c: all beneath two open folders */
MUST_CHECK int tree_compare(struct running *r, struct place *p, const int dir[2]);
MUST_CHECK int tree_only(struct running *r, struct place *p, int side, const char *name,
                         uint64_t size);
struct rights tree_rights_of(const struct stat *st);
/* Tells in n where they differ, of what has that name. */
MUST_CHECK int tree_rights(struct running *r, struct compare_node *n, const struct rights of[2],
                           const char *name);

/* attributes.c: what is open as fd and has that name in both trees; told in n. */
MUST_CHECK int attributes_compare(struct running *r, struct compare_node *n, const int fd[2],
                                  const char *name);

/* renames.c */
/* Takes note of a file; -E2BIG: too many, tell it at once. */
MUST_CHECK int renames_add(struct running *r, struct place *p, int side, const char *name,
                           uint64_t size, struct rights rights);
/* Tells all of them: under another name where the content is equal, else as being on one side. */
MUST_CHECK int renames_tell(struct running *r, struct place *root);
void renames_free(struct running *r);

#endif
